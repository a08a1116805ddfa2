# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said while a spool stands in for the store."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import lease, spool
from ansible_collections.evict.cloud.plugins.module_utils.common.ledger import Ledger, verify
from ansible_collections.evict.cloud.plugins.module_utils.common.store import Exists, NotFound, Store, StoreUnavailable, open_store


class Away(Store):
    url, remote = "s3://cases/IR-1", True

    def put(self, path: str, data: bytes) -> None:
        raise StoreUnavailable("nobody answers")

    def list(self, prefix: str = "") -> Any:
        raise StoreUnavailable("nobody answers")


@pytest.mark.parametrize("why", ["", "is a directory inside a container, on overlay, and is lost with it"])
def test_where_the_records_lie_is_said_and_whether_they_outlive_the_container(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, why: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(spool, "lost_with_container", lambda path: why if path == str(tmp_path / "evict/spool/IR-1") else "another place")
    case = spool.emergency_store(Away(), "IR-1")
    assert isinstance(case, spool.Spooled) and case.banner == ""
    case.put("x", b"1")
    for text in (case.banner, case.item["why"]):
        assert str(tmp_path / "evict/spool/IR-1") in text and "run the same command again" in text and "nobody answers" in text
        assert (why.upper() in text and "copy it to a safe place" in text) if why else "CONTAINER" not in text
    assert (case.item["kind"], case.item["object"]) == ("store", "s3://cases/IR-1")
    assert case.merge() == [] and open_store(str(tmp_path / "evict/spool/IR-1")).list() == ["x"]


class TakesAndGoes(Store):
    """Takes ``until_gone`` objects. Of the last one the answer is lost and the put sent again: it is there by then, and nothing is answered any more."""

    url, remote = "s3://cases/IR-1", True

    def __init__(self, until_gone: int) -> None:
        self.objects: dict[str, bytes] = {}
        self.until_gone, self.back = until_gone, False

    def _ask(self) -> None:
        if len(self.objects) >= self.until_gone and not self.back:
            raise StoreUnavailable("nobody answers")

    def put(self, path: str, data: bytes) -> None:
        self._ask()
        if path in self.objects:
            raise Exists(path)
        self.objects[path] = data
        if len(self.objects) == self.until_gone:
            raise Exists(path)

    def get(self, path: str) -> bytes:
        self._ask()
        if path not in self.objects:
            raise NotFound(path)
        return self.objects[path]

    def list(self, prefix: str = "") -> Any:
        self._ask()
        return sorted(path for path in self.objects if path.startswith(prefix))

    def delete(self, path: str) -> None:
        self._ask()
        self.objects.pop(path, None)


@pytest.mark.parametrize("until_gone", [1, 2, 3])
def test_a_record_whose_answer_was_lost_with_the_store_is_our_own_and_the_ledger_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, until_gone: int
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    remote = TakesAndGoes(until_gone)
    case = spool.emergency_store(remote, "IR-1")
    ledger = Ledger.open(case, incident="IR-1", module="aws_contain", contain=True)
    for number in range(3):
        ledger.intent([{"id": f"step-{number}"}], urgent=True)
    ledger.end("ok")
    assert isinstance(case, spool.Spooled) and case.failed == "nobody answers"
    remote.back = True
    later = spool.Spooled(remote, "IR-1")
    (told,) = later.merge()  # and nothing that "was written in both places"
    assert "are in s3://cases/IR-1 now" in told and not later.waiting() and len(remote.objects) == 5
    found = verify(remote)
    assert found["verified"] and found["records"] == 5, found


def test_a_renewal_whose_answer_was_lost_with_the_store_loses_no_lease(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(lease, "RENEWAL", 0.05)
    remote = TakesAndGoes(2)
    case = spool.emergency_store(remote, "IR-1")
    with lease.Lease.acquire(case, run="run", verb="contain", holder="me", never_wait=True) as held:
        deadline = time.monotonic() + 5
        while not (case.failed and len(case.list("lease")) == 1) and held.held() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert case.failed and held.held(), held.lost()


def test_what_somebody_else_has_written_is_still_not_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    remote = TakesAndGoes(9)
    remote.put("x", b"theirs")
    case = spool.emergency_store(remote, "IR-1")
    assert not case.keep("x", b"ours") and not case.failed and not spool.Spooled(remote, "IR-1").waiting()
