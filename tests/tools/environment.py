#!/usr/bin/env python3
"""Make (or bring up to date) a virtual environment of this checkout: `environment.py .venv`, `environment.py .venv-2.19 --python 3.11`.

Standard library only, and old syntax on purpose: it starts on whatever `python3` the machine has, then looks for the
best CPython that really runs. Nothing is done when the environment already matches the lock file (its stamp says so).

EVICT_PYTHON=/path/to/python overrides the choice for `.venv`.
"""

import argparse
import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOCK = os.path.join(ROOT, "requirements", "dev.txt")
UV_LOCK = os.path.join(ROOT, "requirements", "uv.txt")
CACHE = os.path.join(ROOT, ".cache")
# 3.13 is what the newest ansible-core is tested with most; 3.14 comes after 3.12 because some wheels may be missing; 3.11 means ansible-core 2.19.
PREFERENCE = ("3.13", "3.12", "3.14", "3.11")
PROBE = (
    "import sys, ssl, venv, sqlite3, ctypes, lzma\n"
    "ok = sys.implementation.name == 'cpython' and getattr(sys, '_is_gil_enabled', lambda: True)()\n"
    "print('%d.%d %d' % sys.version_info[:3] if ok else 'unfit')\n"
)


def say(text):
    print("setup: " + text, file=sys.stderr, flush=True)


def fail(text):
    say(text)
    sys.exit(1)


def probe(python):
    """(minor, patch) of an interpreter that starts and has the modules we need, else None (a dead shim, a PyPy, a stripped build)."""
    try:
        done = subprocess.run(
            [python, "-I", "-c", PROBE], check=False, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL
        )
        minor, patch = done.stdout.split()
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return (minor, int(patch)) if done.returncode == 0 else None


def pyenv_root():
    """Where pyenv keeps its versions: its shims on PATH answer for one version only, the others exit 127."""
    if shutil.which("pyenv"):
        told = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=False).stdout.strip()
        if told:
            return told
    return os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")


def candidates(minors):
    """Paths that may be an interpreter of one of these minor versions: PATH, pyenv's and uv's own folders, the usual prefixes."""
    for minor in minors:
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            path = os.path.join(folder or ".", "python" + minor)
            if os.access(path, os.X_OK) and not os.path.isdir(path):
                yield path
        for path in sorted(glob.glob(os.path.join(pyenv_root(), "versions", minor + ".*", "bin", "python" + minor))):
            yield path
        data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
        managed = os.environ.get("UV_PYTHON_INSTALL_DIR") or os.path.join(data, "uv", "python")
        for path in sorted(glob.glob(os.path.join(managed, "cpython-" + minor + ".*", "bin", "python" + minor))):
            yield path
        for folder in ("/usr/local/bin", "/usr/bin"):
            path = os.path.join(folder, "python" + minor)
            if os.path.exists(path):
                yield path


def find(minors):
    """The first minor version that has a working interpreter, in its highest patch release; None if there is none."""
    for minor in minors:
        best = None
        for path in dict.fromkeys(candidates([minor])):
            found = probe(path)
            if found and found[0] == minor and (best is None or found[1] > best[0]):
                best = (found[1], path)
        if best:
            return best[1]
    return None


def uv_command():
    """`uv` from PATH, else our own copy, installed with pip from the hash-checked requirements/uv.txt into .cache/uv."""
    on_path = shutil.which("uv")
    if on_path:
        told = subprocess.run([on_path, "--version"], capture_output=True, text=True, check=False).stdout.split()
        if len(told) > 1 and tuple(int(part) for part in told[1].split(".")[:2] if part.isdigit()) >= (0, 8):
            return on_path
    home = os.path.join(CACHE, "uv")
    uv = os.path.join(home, "bin", "uv")
    stamp = os.path.join(home, "stamp")
    want = digest(UV_LOCK)
    if os.path.exists(uv) and read(stamp) == want:
        return uv
    python = find(PREFERENCE) or fail("no Python between 3.11 and 3.14 that runs was found; install one or set EVICT_PYTHON")
    say("no (recent) uv on PATH: installing one into .cache/uv")
    shutil.rmtree(home, ignore_errors=True)
    if subprocess.run([python, "-m", "venv", home], check=False).returncode != 0:
        fail("%s cannot make a virtual environment; install uv, or (Debian) `apt-get install python3-venv`" % python)
    run([os.path.join(home, "bin", "python"), "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "-r", UV_LOCK])
    write(stamp, want)
    return uv


def interpreter(uv, wanted):
    """The interpreter for the environment: EVICT_PYTHON, the best one found, one that uv can install, or 3.11 as the last resort."""
    override = os.environ.get("EVICT_PYTHON")
    if override and not wanted:
        path = shutil.which(override)
        if not path or not probe(path):
            fail("EVICT_PYTHON=%s is no CPython that runs" % override)
        return path
    if wanted:
        return find([wanted]) or download(uv, wanted) or fail("no Python %s that runs was found, and uv could not install one" % wanted)
    newer = [minor for minor in PREFERENCE if minor != "3.11"]
    return (
        find(newer)
        or download(uv, "3.13")
        or find(["3.11"])
        or fail("no Python between 3.11 and 3.14 that runs was found; install one or set EVICT_PYTHON")
    )


def download(uv, minor):
    say("no Python %s on this machine: asking uv to install it" % minor)
    try:
        subprocess.run([uv, "python", "install", "--quiet", minor], timeout=300, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return None
    return find([minor])


def digest(*paths, **more):
    total = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            total.update(file.read())
    total.update(repr(sorted(more.items())).encode())
    return total.hexdigest()


def read(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def write(path, text):
    with open(path, "w") as file:
        file.write(text + "\n")


def run(command):
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        fail("failed (%d): %s" % (done.returncode, " ".join(command)))


def resolve():
    """Resolve requirements/*.in anew. Universal: one lock for all Pythons, in which no index, host or local path is named."""
    os.makedirs(CACHE, exist_ok=True)
    uv = uv_command()
    flags = "--quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header"
    for name in ("uv", "dev"):
        text = subprocess.run(
            [uv, "pip", "compile", *flags.split(), "requirements/%s.in" % name], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        if "://" in text or ROOT in text or " @ " in text:
            fail("requirements/%s.txt would name a host or a local path; not written" % name)
        write(os.path.join(ROOT, "requirements", name + ".txt"), text.rstrip())
        say("requirements/%s.txt written" % name)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("environment", nargs="?", default=".venv", help="folder, relative to the checkout")
    arguments.add_argument("--python", default="", help="this minor version and no other, for example 3.11")
    arguments.add_argument("--lock", action="store_true", help="write the lock files from requirements/*.in instead")
    options = arguments.parse_args()
    if options.lock:
        resolve()
        return

    home = os.path.join(ROOT, options.environment)
    python = os.path.join(home, "bin", "python")
    stamp = os.path.join(home, "evict-stamp")
    override = "" if options.python else os.environ.get("EVICT_PYTHON", "")
    want = digest(LOCK, home=home, python=options.python, override=override)
    if read(stamp) == want and os.path.exists(python):
        return
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "setup.lock"), "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # two `make` at once: the second waits, then finds the work done
        if read(stamp) == want and os.path.exists(python):
            return
        started = time.time()
        uv = uv_command()
        chosen = interpreter(uv, options.python)
        base = "%s %s" % (probe(chosen), os.path.realpath(chosen))
        if read(stamp + ".base") != base or not os.path.exists(python):
            run([uv, "venv", "--quiet", "--clear", "--no-project", "--python", chosen, home])
            write(stamp + ".base", base)
        say("%s: %s, %s" % (options.environment, chosen, os.path.relpath(LOCK, ROOT)))
        if os.path.exists(stamp):
            os.unlink(stamp)
        run([uv, "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode", "--python", python, LOCK])
        write(stamp, want)
        say("%s is ready (%.0f s)" % (options.environment, time.time() - started))


if __name__ == "__main__":
    main()
