"""What of a result is printed, merged and written."""

from __future__ import annotations

import json
from pathlib import Path

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


def test_the_result_file_holds_nothing_of_ansibles(tmp_path: Path) -> None:
    live._write(str(tmp_path / "r.json"), {"status": "ok", "_ansible_no_log": False, "_ansible_verbose_override": True, "isolated": []})
    assert json.loads((tmp_path / "r.json").read_text()) == {"status": "ok", "isolated": [], "changed": 0, "failed": []}


def test_what_a_table_has_said_is_not_printed_again() -> None:
    assert set(results._LISTS) - {"suggested"} <= set(live._LONG)
