# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said while a spool stands in for the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import spool
from ansible_collections.evict.cloud.plugins.module_utils.common.store import Store, StoreUnavailable, open_store


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
