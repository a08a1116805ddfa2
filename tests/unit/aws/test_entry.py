# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verb that stops says so in the ledger, since nothing else tells whoever has to be told."""

from __future__ import annotations

import datetime as dt
import types
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import entry
from ansible_collections.evict.cloud.plugins.module_utils.common import case as cases
from ansible_collections.evict.cloud.plugins.module_utils.common import confirming, errors, manual, notifying
from ansible_collections.evict.cloud.plugins.module_utils.common.ledger import Ledger
from ansible_collections.evict.cloud.plugins.module_utils.common.store import open_store

RAW = {"id": "IR-1", "opened": "2026-01-22T09:00:00Z", "suspects": [{"cloud": "aws", "access_key_id": "AKIAIOSFODNN7EXAMPLE"}]}


class Left(Exception):
    pass


def module(case: Path) -> Any:
    def leave(**_: Any) -> None:
        raise Left

    params = {
        **dict.fromkeys((*entry.ARGUMENTS, *cases.ARGUMENTS)),
        "case": str(case),
        "incident_data": RAW,
        "threads": 1,
        "threads_per_account": 1,
    }
    return types.SimpleNamespace(
        _name="evict.cloud.aws_contain",
        params=params,
        check_mode=False,
        _diff=False,
        warn=lambda text: None,
        fail_json=leave,
        exit_json=leave,
    )


@pytest.mark.parametrize("phase", [None, "resolve"])
def test_a_containment_without_credentials_ends_in_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str | None) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise errors.EvictError("no credentials", object="aws", operation="sts:GetCallerIdentity")

    monkeypatch.setattr(entry, "connect", refused)
    run = module(tmp_path / "IR-1")
    run.params["phase"] = phase
    with pytest.raises(Left):
        entry.change(run, lambda *_: {}, contain=True)
    assert notifying.View.open({"case": str(tmp_path / "IR-1")}, check=False).event == "error"


def test_a_manual_step_can_be_confirmed_after_another_verb_has_written_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aws = types.SimpleNamespace(
        caller={"arn": "arn:aws:iam::111122223333:user/r", "account": "111122223333"},
        warnings=lambda **_: [],
        calls=0,
        now=lambda: dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    )
    monkeypatch.setattr(entry, "connect", lambda *_, **__: aws)
    monkeypatch.setattr(entry.own, "under_another_name", lambda *_: None)
    steps = [manual.row(types.SimpleNamespace(notes=lambda kind: []), f"manual/root/{n}", "o", "end it", "w") for n in (1, 2)]
    run = module(tmp_path / "IR-1")
    empty: dict[str, Any] = {"status": "ok", "failed": [], "open": [], "principals": []}
    for name, result in (
        ("aws_contain", {"manual": steps}),
        ("aws_contain", {"manual": steps[:1], "status": "partial"}),
        ("aws_restore", {}),
    ):
        run._name = f"evict.cloud.{name}"
        with pytest.raises(Left):
            entry.change(run, lambda *_, result=result: {**empty, **result}, contain=name == "aws_contain")  # type: ignore[misc]
    assert "partly contained" in (tmp_path / "IR-1/report/drafts/management.md").read_text()  # a release writes no draft
    confirm = {"case": str(tmp_path / "IR-1"), "item": "manual/root/2", "by": "Ada"}
    assert confirming.run(confirm, check=False)["changed"]
    notes = Ledger.open(open_store(str(tmp_path / "IR-1")), incident="IR-1", module="t", check=True).state.notes
    assert [n["data"]["id"] for n in notes["manual"]] == ["manual/root/1", "manual/root/2"]  # once each
