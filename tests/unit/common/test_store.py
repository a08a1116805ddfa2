# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store: create-only, durable, private, and nothing outside it is ever touched."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import durable, errors, store
from ansible_collections.evict.cloud.plugins.module_utils.common.stores import interface

ROOT = Path(__file__).parents[3]
BAD_PATHS = [
    "", "/etc/passwd", "../x", "a/../../x", "a/./b", "a//b", "a/", ".", "..", "a\nb", "a\x00b", "a\x7fb", "a\x85b", "a\\b", "\udc80", ".tmp-1", "a/.tmp-x", "a#1",
]  # fmt: skip


@pytest.fixture
def cases(tmp_path: Path) -> store.Store:
    return store.open_store(str(tmp_path / "cases"))


def child(code: str, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".collections")}
    common = "ansible_collections.evict.cloud.plugins.module_utils.common"
    head = f"import sys\nfrom {common} import durable, store\nfrom {common}.stores import interface\n"
    return subprocess.run(
        [sys.executable, "-c", head + code, *arguments], check=False, text=True, capture_output=True, env=environment, timeout=60, **options
    )  # type: ignore[call-overload,no-any-return]


def test_what_was_put_is_there_once(cases: store.Store) -> None:
    cases.put("ledger/a/1.json", b"one")
    with pytest.raises(store.Exists) as caught:
        cases.put("ledger/a/1.json", b"two")
    assert str(cases.root) in caught.value.object
    assert cases.get("ledger/a/1.json") == b"one"
    cases.replace("ledger/a/1.json", b"three")
    cases.replace("result.json", b"")
    assert cases.get("ledger/a/1.json") == b"three"
    assert cases.list() == ["ledger/a/1.json", "result.json"]
    assert cases.list("ledger") == cases.list("ledger/") == ["ledger/a/1.json"]
    assert cases.list("led") == []
    cases.delete("result.json")
    cases.delete("result.json")
    assert cases.list() == ["ledger/a/1.json"]
    with pytest.raises(store.NotFound):
        cases.get("result.json")


def test_reading_creates_nothing(tmp_path: Path) -> None:
    missing = store.case_store(str(tmp_path / "deep" / "cases"), "IR-1")
    assert missing.list() == missing.list("ledger") == []
    with pytest.raises(store.NotFound):
        missing.get("x")
    missing.delete("x")
    assert list(tmp_path.iterdir()) == []


def test_a_relative_store_is_taken_from_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert store.open_store("./cases").url == str(tmp_path / "cases")
    assert store.open_store("./cases", base="/srv/x").url == "/srv/x/cases"
    assert store.open_store({"url": "file:///srv/x"}).url == "/srv/x"
    monkeypatch.setenv("HOME", "/home/jo")
    assert store.open_store("~/cases").url == "/home/jo/cases"
    assert store.case_store("/srv", "IR-1").root == Path("/srv/IR-1")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o377])
def test_files_and_folders_are_private_from_the_first_byte(tmp_path: Path, umask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    write = os.write

    def looking(handle: int, data: bytes) -> int:
        modes.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return write(handle, data)

    created = os.fchmod

    def made(handle: int, mode: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(handle).st_mode) | 0o600)
        created(handle, mode)

    monkeypatch.setattr(durable.os, "write", looking)
    monkeypatch.setattr(durable.os, "fchmod", made)
    before = os.umask(umask)
    try:
        cases = store.open_store(str(tmp_path / "new" / "cases"))
        with contextlib.suppress(store.StoreUnavailable):  # only root gets along with a umask that takes its own rights
            cases.put("ledger/a/1.json", b"x")
            cases.replace("result.json", b"x")
    finally:
        os.umask(before)
    assert set(modes) <= {0o600}
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").rglob("*")}
    assert all(mode == 0o600 if path.is_file() else not mode & 0o077 for path, mode in found.items())
    if umask != 0o377:
        assert len(found) == 5


def test_on_disk_before_put_returns_and_before_the_name_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[tuple[str, str]] = []
    fsync, rename = os.fsync, interface.obstore.rename

    def synced(handle: int) -> None:
        events.append(("fsync", os.readlink(f"/proc/self/fd/{handle}")))
        fsync(handle)

    def published(backend: object, staged: str, path: str, *, overwrite: bool) -> None:
        events.append(("name", path))
        rename(backend, staged, path, overwrite=overwrite)

    monkeypatch.setattr(durable.os, "fsync", synced)
    monkeypatch.setattr(interface.obstore, "rename", published)
    cases = store.open_store(str(tmp_path / "cases"))
    cases.put("ledger/a/1.json", b"x")
    at = events.index(("name", "ledger/a/1.json"))
    folders = {path for kind, path in events[:at] if kind == "fsync" and os.path.isdir(path)}
    assert {str(tmp_path), str(tmp_path / "cases"), str(tmp_path / "cases/ledger")} <= folders  # each got a new entry
    assert events[at - 1][0] == "fsync"
    assert os.path.basename(events[at - 1][1]).startswith(".tmp-")
    assert events[at + 1 :] == [("fsync", str(tmp_path / "cases/ledger/a"))]
    events.clear()
    cases.put("ledger/a/2.json", b"x")
    assert [kind for kind, _path in events] == ["fsync", "name", "fsync"]


def test_a_folder_that_another_process_has_just_made_is_synced_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cases/ledger/a").mkdir(parents=True)
    seen: set[str] = set()
    fsync = os.fsync
    monkeypatch.setattr(durable.os, "fsync", lambda handle: (seen.add(os.readlink(f"/proc/self/fd/{handle}")), fsync(handle)))
    store.open_store(str(tmp_path / "cases")).put("ledger/a/1.json", b"x")
    assert {str(tmp_path / "cases"), str(tmp_path / "cases/ledger")} <= seen


def test_a_name_is_whole_or_absent_when_the_process_is_killed(tmp_path: Path) -> None:
    for point in ("durable.write_file", "durable._sync", "durable.sync_folder", "interface.obstore.rename"):
        where = tmp_path / point
        code = f"""
import os, signal
cases = store.open_store(sys.argv[1])
cases.put("a/0", b"x" * 100)
real = {point}
count = 0
def die(*arguments, **options):
    real(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)
{point} = die
cases.put("a/1", b"y" * 100)
"""
        assert child(code, str(where)).returncode == -9
        cases = store.open_store(str(where))
        assert set(cases.list()) <= {"a/0", "a/1"}  # leftovers of staging are not listed
        assert all(len(cases.get(path)) == 100 for path in cases.list())
        if point == "interface.obstore.rename":
            assert cases.list() == ["a/0", "a/1"]
        cases.replace("a/1", b"z" * 100)
        assert cases.get("a/1") == b"z" * 100


def test_one_of_many_creators_wins(tmp_path: Path) -> None:
    won: list[int] = []
    start = threading.Barrier(16)

    def create(number: int) -> None:
        mine = store.open_store(str(tmp_path / "cases"))
        start.wait()
        with contextlib.suppress(store.Exists):
            mine.put("lease/1.json", str(number).encode())
            won.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.open_store(str(tmp_path / "cases")).get("lease/1.json") == str(won[0]).encode()
    assert sorted(os.listdir(tmp_path / "cases/lease")) == ["1.json"]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_hostile_paths_are_refused(cases: store.Store, tmp_path: Path, path: str) -> None:
    operations = [lambda: cases.put(path, b"x"), lambda: cases.replace(path, b"x"), lambda: cases.get(path), lambda: cases.delete(path)]
    operations += [lambda: cases.list(path)] if path not in ("", "a/") else []
    for operation in operations:
        with pytest.raises(errors.Refused):
            operation()
    assert list(tmp_path.iterdir()) == []


def test_odd_names_stay_what_they_are(cases: store.Store) -> None:
    names = ["%2e%2e", "a b", "ü", "x%20y", "{{ 7*7 }}", "-rf", "$(id)", "~", "a*?[b]", "'\"<>|&;"]
    for name in names:
        cases.put(f"evidence/{name}", name.encode())
    assert cases.list("evidence") == sorted(f"evidence/{name}" for name in names)
    assert all(cases.get(f"evidence/{name}") == name.encode() for name in names)
    assert cases.root
    assert sorted(os.listdir(cases.root / "evidence")) == sorted(names)


def test_links_that_lead_out_are_refused(cases: store.Store, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    cases.put("ledger/1", b"x")
    assert cases.root
    (cases.root / "out").symlink_to(outside)
    (cases.root / "ledger/file").symlink_to(outside / "secret")
    (cases.root / "ledger/new").symlink_to(outside / "made")
    (cases.root / "ledger/loop").symlink_to("loop")
    (cases.root / "ledger/up").symlink_to("..")
    for path in ("out/secret", "ledger/file", "out/new"):
        for operation in (
            lambda p=path: cases.get(p),
            lambda p=path: cases.put(p, b"x"),
            lambda p=path: cases.replace(p, b"x"),
            lambda p=path: cases.delete(p),
        ):
            with pytest.raises(errors.Refused, match="leads out"):
                operation()
    with pytest.raises(errors.Refused):
        cases.list("out")
    with pytest.raises(errors.EvictError):
        cases.put("ledger/new", b"x")
    with pytest.raises(errors.EvictError):
        cases.get("ledger/loop")
    assert "ledger/1" in cases.list()  # a loop and a way up do not spoil the listing
    assert os.listdir(outside) == ["secret"]
    assert (outside / "secret").read_text() == "secret"


def test_a_case_that_is_a_link_out_of_the_store_is_refused_and_a_store_that_is_a_link_is_not(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "cases").symlink_to(real)
    (real / "IR-1").symlink_to(tmp_path)
    with pytest.raises(errors.Refused, match="leads out"):
        store.case_store(str(tmp_path / "cases"), "IR-1").put("x", b"x")
    store.case_store(str(tmp_path / "cases"), "IR-2").put("x", b"x")
    assert (real / "IR-2/x").read_bytes() == b"x"


def test_a_pipe_in_the_case_does_not_hang(cases: store.Store) -> None:
    cases.put("a/1", b"x")
    assert cases.root
    os.mkfifo(cases.root / "a/2")
    with pytest.raises(errors.Refused, match="not a file"):
        cases.get("a/2")


def test_a_file_name_that_is_not_utf8_does_not_spoil_the_listing(cases: store.Store) -> None:
    cases.put("a/1", b"x")
    Path(os.fsdecode(os.fsencode(str(cases.root)) + b"/a/\xff")).write_bytes(b"x")
    assert len(cases.list()) == 2
    with pytest.raises(errors.Refused):
        cases.get(cases.list()[1])


@pytest.mark.parametrize("identity", ["", ".", "..", "../x", "a/b", "-x", ".hidden", "a" * 65, "a\n", "ä", "a b", 7, None])
def test_incident_ids_that_are_no_folder_names_are_refused(tmp_path: Path, identity: str) -> None:
    with pytest.raises(errors.InvalidInput, match=r"incident\.id"):
        store.case_store(str(tmp_path), identity)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("", "is missing"), ({}, "is missing"), ("http://x/y", "not a directory"), ("s3://", "names no bucket"), ("az://account", "container"),
        ("file://x", "three slashes"), ({"url": "s3://b", "secret": "x"}, "unknown option"), ({"url": "s3://b", "region": 7}, "not a text"), ("a\nb", "control"),
    ],
)  # fmt: skip
def test_wrong_specs_are_named(spec: str, why: str) -> None:
    with pytest.raises(errors.InvalidInput, match=why):
        store.open_store(spec)


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "free some space"), (errno.EROFS, "read-only"), (errno.EACCES, "right to read and write"), (errno.EDQUOT, "quota")],
)
def test_an_unwritable_store_names_the_path_and_the_remedy(
    cases: store.Store, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    cases.put("a/0", b"x")
    for place in ("open", "write", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(durable.os, place, fail)
            with pytest.raises(store.StoreUnavailable, match=os.strerror(number)) as caught:
                cases.put("a/1", b"x")
        assert caught.value.object == f"{cases.url}/a/1"
        assert remedy in caught.value.remedy
    assert cases.list() == ["a/0"]
    assert cases.root
    assert os.listdir(cases.root / "a") == ["0"]  # no staged file is left behind
    cases.put("a/1", b"x")


def test_a_full_disk(tmp_path: Path) -> None:
    code = """
cases = store.open_store(sys.argv[1])
done = 0
try:
    while done < 1000:
        cases.put(f"a/{done}", b"x" * 8192)
        done += 1
except store.StoreUnavailable as error:
    print(done, len(cases.list()), all(len(cases.get(path)) == 8192 for path in cases.list()), error.message, error.remedy, sep="|")
"""
    script = 'mount -t tmpfs -o size=256k none "$1" && exec "$2" -c "$3" "$1/cases"'
    head = "import sys\nfrom ansible_collections.evict.cloud.plugins.module_utils.common import store\n"
    if (
        not shutil.which("unshare")
        or subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(tmp_path)], check=False, capture_output=True).returncode
    ):
        pytest.skip("no user namespace with a tmpfs here")
    found = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", str(tmp_path), sys.executable, head + code],
        check=False, text=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT / ".collections")}, timeout=60,
    )  # fmt: skip
    done, listed, whole, message, remedy = found.stdout.strip().split("|")
    assert int(done) == int(listed) > 5
    assert whole == "True"
    assert "No space left" in message
    assert "cases/a/" in message
    assert "free some space" in remedy


def test_a_file_size_limit(tmp_path: Path) -> None:
    code = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
cases = store.open_store(sys.argv[1])
cases.put("small", b"x" * 100)
try:
    cases.put("large", b"x" * 8192)
except store.StoreUnavailable as error:
    print(error.message, cases.list())
"""
    found = child(code, str(tmp_path))
    assert "File too large" in found.stdout
    assert found.stdout.strip().endswith("['small']")


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "cases").write_text("")
    cases = store.open_store(str(tmp_path / "cases"))
    for operation in (lambda: cases.put("a/1", b"x"), cases.list):
        with pytest.raises(store.StoreUnavailable, match="cases"):
            operation()


def test_a_case_removed_under_a_running_process_is_an_error_once(cases: store.Store) -> None:
    cases.put("a/1", b"x")
    assert cases.root
    shutil.rmtree(cases.root)
    with pytest.raises(store.StoreUnavailable):
        cases.put("a/2", b"x")
    cases.put("a/3", b"x")
    assert cases.list() == ["a/3"]


def test_without_obstore_the_error_says_how_to_install_it(cases: store.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interface, "obstore", None)
    with pytest.raises(errors.MissingLibrary, match="obstore"):
        cases.put("a", b"x")


def test_get_many_keeps_the_order_and_hands_errors_on(cases: store.Store) -> None:
    for number in range(5):
        cases.put(f"a/{number}", str(number).encode())
    found = list(cases.get_many(["a/3", "a/9", "a/0"]))
    assert [path for path, _data in found] == ["a/3", "a/9", "a/0"]
    assert found[0][1] == b"3"
    assert isinstance(found[1][1], store.NotFound)
