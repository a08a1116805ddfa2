# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that stops with an error leaves a result that says so, and nothing that it cannot write hides the error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common.case import Case
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError, InvalidInput
from ansible_collections.evict.cloud.plugins.module_utils.common.store import StoreUnavailable

RAW = {
    "id": "IR-1",
    "title": "t",
    "severity": "high",
    "opened": "2026-11-22T09:00:00Z",
    "suspects": [{"cloud": "aws", "access_key_id": "AKIAIOSFODNN7EXAMPLE"}],
}
OLD = {"status": "ok", "incident": "IR-1"}
ERROR = CloudError("no answer", code="Lost", object="aws", operation="sts:GetCallerIdentity", remedy="log in again")


def opened(folder: Path, check: bool = False) -> Case:
    case = Case.open({"incident_data": {**RAW, "store": str(folder / "cases")}}, module="aws_contain", check=check)
    if not check:
        case.store.replace("result.json", json.dumps(OLD).encode())
    return case


def result(folder: Path) -> Any:
    return json.loads((folder / "cases" / "IR-1" / "result.json").read_text())


def test_the_result_of_an_earlier_run_does_not_stay(tmp_path: Path) -> None:
    case = opened(tmp_path)
    case.abort(ERROR, changed=3)
    case.close()
    found = result(tmp_path)
    assert found["head"] and {k: found[k] for k in ("status", "incident", "changed", "failed")} == {
        "status": "error", "incident": "IR-1", "changed": 3,
        "failed": [{"object": "aws", "operation": "sts:GetCallerIdentity", "message": "no answer", "remedy": "log in again"}],
    }  # fmt: skip
    assert all(found[name] == [] for name in ("principals", "open", "residual"))


def test_of_what_nobody_expected_the_kind_is_said_and_no_more(tmp_path: Path) -> None:
    case = opened(tmp_path)
    case.abort(KeyError("s3cr3t"))
    case.close()
    (failed,) = result(tmp_path)["failed"]
    assert failed["object"] == "IR-1" and "KeyError" in failed["message"] and "s3cr3t" not in json.dumps(failed)


def test_without_an_error_to_tell_and_in_check_mode_nothing_is_written(tmp_path: Path) -> None:
    case = opened(tmp_path)
    case.abort()  # of a verb that keeps no result
    case.close()
    assert result(tmp_path) == OLD
    case = opened(tmp_path, check=True)
    case.abort(InvalidInput("w", [("hold", "bad")]))
    assert result(tmp_path) == OLD


def test_a_store_that_fails_as_well_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = opened(tmp_path)

    def fails(*_: Any) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(case.store, "put", fails)
    monkeypatch.setattr(case.store, "replace", fails)
    case.abort(ERROR)  # raises nothing: whoever calls raises the error itself
    case.close()
    assert any("result.json" in warning and "the disk is full" in warning for warning in case.warnings), case.warnings


def test_who_was_taken_over_does_not_write_over_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = opened(tmp_path)
    monkeypatch.setattr(case, "stopped", lambda: "Ada took the case over")
    case.abort(ERROR)
    case.close()
    assert result(tmp_path) == OLD
