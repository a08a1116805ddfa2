#!/usr/bin/env python3
"""Install the emulated clouds that come from npm (azurite, for stores in az://) into build/azurite: `emulators.py`.

Versions are those of tests/beds/package-lock.json; no install script of a package is run. Without npm, or when it fails, this says so
and ends well: the tests that need the emulator are then skipped, and say why. Standard library only.
"""

import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BEDS = os.path.join(ROOT, "tests", "beds")
PLACE = os.path.join(ROOT, "build", "azurite")
FILES = ("package.json", "package-lock.json")


def main():
    with open(os.path.join(BEDS, "package-lock.json"), "rb") as lock:
        wanted = hashlib.sha256(lock.read()).hexdigest()
    stamp = os.path.join(PLACE, "stamp")
    if os.path.exists(stamp):
        with open(stamp, encoding="ascii") as have:
            if have.read() == wanted:
                return
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        print("emulators: there is no npm here; the tests of az:// are skipped", file=sys.stderr)
        return
    print("emulators: installing azurite into build/azurite (once, about half a minute)", file=sys.stderr, flush=True)
    os.makedirs(PLACE, exist_ok=True)
    for name in FILES:
        shutil.copyfile(os.path.join(BEDS, name), os.path.join(PLACE, name))
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
    try:
        done = subprocess.run(command, cwd=PLACE, check=False, stdin=subprocess.DEVNULL, timeout=300).returncode
    except subprocess.TimeoutExpired:
        done = 1
    if done:
        print("emulators: npm could not install azurite; the tests of az:// are skipped", file=sys.stderr)
        return
    with open(stamp, "w", encoding="ascii") as have:
        have.write(wanted)


if __name__ == "__main__":
    main()
