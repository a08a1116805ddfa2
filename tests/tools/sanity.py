"""Build the artifact as a user would get it, look at what it ships, and run `ansible-test sanity` on it as installed.

ansible-test refuses a linked checkout and judges stray files too; so it works on the built and installed collection,
in build/sanity/ansible_collections. Its own virtual environments stay in ~/.ansible/test/venv, so that later runs are quick.
Arguments are handed to ansible-test (for example `--test validate-modules`).
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "sanity"
BIN = Path(sys.executable).parent

# Everything the artifact may have at its top.
MAY_SHIP = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "FILES.json",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
    "changelogs",
    "docs",
    "extensions",
    "meta",
    "playbooks",
    "plugins",
    "roles",
}
MUST_SHIP = {"LICENSE", "MANIFEST.json", "README.md", "meta", "plugins"}
NEVER_IN_A_NAME = ("__pycache__", ".pyc", ".orig", ".rej", ".swp", "~", ".log", ".sqlite", ".duckdb")

# ansible-test downloads a pip bootstrap into empty virtual environments. Where its host cannot be reached, this does the
# same with the pip that comes with Python: first that one (in a child process, since ensurepip switches pip's
# configuration off in its own), then what was asked for.
STAND_IN = """\
import subprocess, sys
subprocess.check_call([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
if sys.argv[1:2] and sys.argv[1] in ("install", "uninstall", "wheel", "-V", "--version"):
    sys.exit(subprocess.call([sys.executable, "-m", "pip", *sys.argv[1:]]))
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *wanted]))
"""


def run(*command: str | Path, cwd: Path = ROOT, capture: bool = False) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, check=False, text=True, stdout=subprocess.PIPE if capture else None)
    if done.returncode:
        print(done.stdout or "", end="")
        sys.exit(f"sanity: failed ({done.returncode}): {' '.join(map(str, command))}")
    return done.stdout or ""


def copy_tree() -> Path:
    """The committed and the not yet committed files, without anything that git ignores."""
    clean = WORK / "source"
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", capture=True)
    for name in sorted(filter(None, set(listed.split("\0")))):
        source = ROOT / name
        if not source.exists() and not source.is_symlink():
            continue  # deleted, not yet committed
        (clean / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, clean / name, follow_symlinks=False)
    return clean


def build(clean: Path) -> Path:
    run(BIN / "ansible-galaxy", "collection", "build", "--output-path", WORK, clean)
    (artifact,) = WORK.glob("*.tar.gz")
    return artifact


def inspect(artifact: Path) -> None:
    with tarfile.open(artifact) as tar:
        members = tar.getmembers()
    names = [member.name for member in members]
    tops = {name.split("/")[0] for name in names}
    wrong = [f"{name}: not among what is meant to ship" for name in sorted(tops - MAY_SHIP)]
    wrong += [f"{name}: missing" for name in sorted(MUST_SHIP - tops)]
    wrong += [f"{name}: stray" for name in names if any(part in name for part in NEVER_IN_A_NAME) or "/." in name]
    wrong += [f"{member.name}: a link" for member in members if member.issym() or member.islnk()]
    wrong += [f"{member.name}: {member.size} bytes" for member in members if member.size > 1_000_000]
    if wrong:
        sys.exit("sanity: the artifact ships the wrong things\n  " + "\n  ".join(wrong))
    print(f"sanity: {artifact.name}: {len(names)} files and folders, {artifact.stat().st_size / 1024:.0f} KiB", flush=True)


@contextlib.contextmanager
def pip_bootstrap() -> Iterator[None]:
    """Give ansible-test its pip bootstrap: the cached one, else a download, else a stand-in for the time of this run."""
    code = "from ansible_test._internal.python_requirements import get_venv_packages as g; import types, sys; print(g(types.SimpleNamespace(version=sys.argv[1]))['pip'])"
    version = subprocess.run([sys.executable, "-c", code, python_version()], capture_output=True, text=True, check=False).stdout.strip()
    if not version:
        print("sanity: this ansible-test does not say which pip it bootstraps; leaving that to it", flush=True)
        yield
        return
    cached = Path.home() / ".ansible" / "test" / "cache" / f"get_pip_{version.replace('.', '_')}.py"
    if cached.exists() or _reachable(version):
        yield
        return
    print("sanity: ansible-test's pip bootstrap cannot be downloaded; using the pip that comes with Python", flush=True)
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_text(STAND_IN, encoding="utf-8")
    try:
        yield
    finally:
        cached.unlink(missing_ok=True)


def _reachable(version: str) -> bool:
    """Whether ansible-test's own download would work; its address is read from its source."""
    script = Path(str(importlib.metadata.distribution("ansible-core").locate_file("ansible_test/_util/target/setup/requirements.py")))
    line = next((line for line in script.read_text(encoding="utf-8").splitlines() if line.strip().startswith("url = '")), "")
    url = line.partition("'")[2].partition("'")[0].replace("%s", version)
    if not url.startswith("https://"):
        return False
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=10):
            return True
    except OSError:
        return False


def python_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def main(arguments: list[str]) -> int:
    # One run at a time for this user: they share ansible-test's virtual environments, which it makes without a lock.
    shared = Path.home() / ".ansible" / "test"
    shared.mkdir(parents=True, exist_ok=True)
    with open(shared / "evict-cloud.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        return check(arguments)


def check(arguments: list[str]) -> int:
    shutil.rmtree(WORK, ignore_errors=True)
    artifact = build(copy_tree())
    inspect(artifact)
    run(BIN / "ansible-galaxy", "collection", "install", "--offline", "--force", "--collections-path", WORK, artifact)
    home = WORK / "ansible_collections" / "evict" / "cloud"
    ignores = ROOT / "tests" / "sanity"
    if ignores.is_dir():  # for ansible-test only, does not ship
        shutil.copytree(ignores, home / "tests" / "sanity")
    # ansible-test asks git for the list of files
    run("git", "init", "--quiet", cwd=home)
    run("git", "add", "--all", cwd=home)

    skip: list[str] = []
    if not shutil.which("shellcheck"):
        scripts = sorted(path.relative_to(home).as_posix() for path in home.rglob("*.sh"))
        if scripts:
            print(f"sanity: shellcheck is not installed, so it does not see {', '.join(scripts)}", flush=True)
        skip = ["--skip-test", "shellcheck"]
    environment = {name: value for name, value in os.environ.items() if name not in ("ANSIBLE_CONFIG", "ANSIBLE_COLLECTIONS_PATH")}
    with pip_bootstrap():
        command = [str(BIN / "ansible-test"), "sanity", "--local", "--python", python_version(), "--color", "no", *skip, *arguments]
        return subprocess.run(command, cwd=home, env=environment, check=False, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
