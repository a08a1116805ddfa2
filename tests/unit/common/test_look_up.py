# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which case a read-only verb reads: what an emergency left on this machine stands in, and a case that is not there yet is that of the incident."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import case as cases
from ansible_collections.evict.cloud.plugins.module_utils.common import incident as incidents
from ansible_collections.evict.cloud.plugins.module_utils.common import spool
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import InvalidInput
from ansible_collections.evict.cloud.plugins.module_utils.common.store import NotFound, Store, case_store, open_store

FILE: dict[str, Any] = {"id": "IR-1", "title": "t", "severity": "high", "opened": "2026-11-22T09:00:00Z",
                        "suspects": [{"cloud": "aws", "access_key_id": "AKIAIOSFODNN7EXAMPLE"}]}  # fmt: skip


def test_the_spool_of_an_emergency_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def remote(spec: Any, **_more: Any) -> Store:
        made = open_store(str(tmp_path / "bucket/IR-1"))
        made.remote = True
        assert spec["url"] == "s3://bucket/IR-1"
        return made

    monkeypatch.setattr(cases, "open_store", remote)
    text = incidents.text(incidents.validate(FILE, "t").as_dict()).encode()
    with pytest.raises(NotFound):
        cases.look_up({"case": "s3://bucket/IR-1"})
    case_store(open_store(str(spool.folder())), "IR-1").put(incidents.FILE, text)
    incident, store = cases.look_up({"case": "s3://bucket/IR-1"})
    assert incident.id == "IR-1" and isinstance(store, spool.Spooled)


def test_a_case_that_is_not_there_yet_is_that_of_the_incident(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    incident, store = cases.look_up({"case": "cases/IR-1", "incident_data": FILE})
    assert incident.title == "t" and store.url == str(tmp_path / "cases/IR-1") and not list(tmp_path.iterdir())
    assert cases.look_up({"incident_data": {**FILE, "store": "./cases"}})[1].url == store.url
    store.put(incidents.FILE, incidents.text({**incident.as_dict(), "title": "kept"}).encode())
    assert cases.look_up({"case": "cases/IR-1", "incident_data": FILE})[0].title == "kept"
    with pytest.raises(InvalidInput, match="no case"):
        cases.look_up({})
