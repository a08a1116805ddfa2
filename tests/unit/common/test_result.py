"""What of a result is printed, merged and written."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any

from ansible_collections.evict.cloud.plugins.module_utils.aws import shares
from ansible_collections.evict.cloud.plugins.module_utils.common import incident as incidents
from ansible_collections.evict.cloud.plugins.module_utils.common import result as results
from ansible_collections.evict.cloud.plugins.plugin_utils import live


def test_lists_of_hosts_become_one() -> None:
    row = {"object": "x"}
    merged = results.merge(
        "IR-1",
        {"1": {"status": "ok", "recovered": ["a"], "isolated": [row]}, "2": {"status": "ok", "recovered": ["b"]}},
        {},
        {"status": "ok"},
    )
    assert merged["recovered"] == ["a", "b"] and merged["isolated"] == [row]


def test_what_is_to_be_isolated_where_no_host_is_stays_open() -> None:
    merged = results.merge("IR-1", {"1": {"status": "ok"}}, {}, {"status": "ok", "isolate": {"1": 1, "2": 3}})
    assert merged["status"] == "partial" and [(o["object"], o["why"][:20]) for o in merged["open"]] == [("2", "3 of compute.isolate")]


def test_an_instance_without_a_role_is_in_the_share_of_its_account() -> None:
    name, account = "i-0123456789abcdef0", "222222222222"
    arn = f"arn:aws:lambda:eu-west-1:{account}:function:miner"
    raw = {
        "id": "IR-1",
        "opened": "2026-01-22T09:00:00Z",
        "suspects": [{"cloud": "aws", "instance": name, "account": account}],
        "compute": {"isolate": [arn]},
    }
    incident = incidents.validate(raw, "test")
    failures = [{"object": name, "operation": "resolve", "message": "it has no role", "remedy": ""}]
    nothing = lambda *_a, **_k: None  # noqa: E731
    run: Any = types.SimpleNamespace(
        incident=incident, suspects=incident.suspects, left=[], resolved={}, refused=[], principals={}, people=None, take=nothing, findings=types.SimpleNamespace(residual=list),
        runner=types.SimpleNamespace(failures=failures, check=True, wait=nothing), case=types.SimpleNamespace(notes=lambda _k: [], note=nothing),
    )  # fmt: skip
    found = shares.resolve(run)
    assert [s["instance"] for s in found["shares"][account]] == [name] and found["isolate"] == {account: 1} and found["failed"] == []


def test_the_result_file_holds_nothing_of_ansibles(tmp_path: Path) -> None:
    live._write(str(tmp_path / "r.json"), {"status": "ok", "_ansible_no_log": False, "_ansible_verbose_override": True, "isolated": []})
    assert json.loads((tmp_path / "r.json").read_text()) == {"status": "ok", "isolated": [], "changed": 0, "failed": []}


def test_what_a_table_has_said_is_not_printed_again() -> None:
    assert set(results._LISTS) - {"suggested"} <= set(live._LONG)
