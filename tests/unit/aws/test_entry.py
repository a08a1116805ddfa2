# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verb that stops says so in the ledger, since nothing else tells whoever has to be told."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import entry
from ansible_collections.evict.cloud.plugins.module_utils.common import case as cases
from ansible_collections.evict.cloud.plugins.module_utils.common import errors, notifying

RAW = {"id": "IR-1", "opened": "2026-01-22T09:00:00Z", "suspects": [{"cloud": "aws", "access_key_id": "AKIAIOSFODNN7EXAMPLE"}]}


class Failed(Exception):
    pass


def module(case: Path) -> Any:
    def fail(**_: Any) -> None:
        raise Failed

    params = {
        **dict.fromkeys((*entry.ARGUMENTS, *cases.ARGUMENTS)),
        "case": str(case),
        "incident_data": RAW,
        "threads": 1,
        "threads_per_account": 1,
    }
    return types.SimpleNamespace(
        _name="evict.cloud.aws_contain", params=params, check_mode=False, _diff=False, warn=lambda text: None, fail_json=fail
    )


@pytest.mark.parametrize("phase", [None, "resolve"])
def test_a_containment_without_credentials_ends_in_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str | None) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise errors.EvictError("no credentials", object="aws", operation="sts:GetCallerIdentity")

    monkeypatch.setattr(entry, "connect", refused)
    run = module(tmp_path / "IR-1")
    run.params["phase"] = phase
    with pytest.raises(Failed):
        entry.change(run, lambda *_: {}, contain=True)
    assert notifying.View.open({"case": str(tmp_path / "IR-1")}, check=False).event == "error"
