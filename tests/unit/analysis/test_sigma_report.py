# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sigma rules in ``case_analysis``: in the report, on the page, in the Navigator's layer, and nowhere else."""

from __future__ import annotations

import html
import json
import typing as t
from pathlib import Path

import pytest

pytest.importorskip("sigma.rule")

from ansible_collections.evict.cloud.plugins.action import case_analysis as action
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import InvalidInput
from tests.unit.analysis import story
from tests.unit.analysis.events_made import EVIL, Row, event, user
from tests.unit.analysis.sigma_made import files, rule
from tests.unit.analysis.test_investigate import DEFAULTS, case, run, tree

EVIL_TITLE = "</td><script>alert(1)</script> {{ lookup('pipe', 'touch /tmp/evict-pwned') }} \u202e"


def rows() -> list[Row]:
    thief = user("ci", key=story.SUSPECT)
    return [
        event(**user("ann", key="AKIAANN"), at="+5 10:05", service="iam", operation="CreateUser", event_uid="e-ann", request={"userName": "new"}),
        event(**thief, at="+5 10:10", src_ip=EVIL, service="iam", operation="CreateUser", event_uid="e-evil", request={"userName": "door"},
              response={"user": {"arn": "arn:aws:iam::111122223333:user/door", "userId": "AIDA1"}}),
    ]  # fmt: skip


def test_what_a_rule_finds_is_shown_escaped_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    made = rule(
        {"eventName": "CreateUser"},
        title=EVIL_TITLE,
        level="critical",
        tags=["attack.t1136.003"],
        id="0d2c0f4e-6b5e-4c5b-8c2e-3d2b7b1d9a01",
    )
    folder = files(tmp_path / "rules", one=made, other=[{**made, "logsource": {"product": "windows"}}])
    home = case(tmp_path, rows())
    plain = run({**DEFAULTS, "case": str(home)}, check=False)
    assert "sigma" not in plain
    params = {**DEFAULTS, "case": str(home), "sigma": [folder]}
    before = tree(home)
    run(params, check=True)
    assert tree(home) == before
    done = run(params, check=False)
    assert done["sigma"] == {"rules": 1, "findings": 2, "unknown": 1} and done["changed"]
    after = tree(home)
    assert not run(params, check=False)["changed"]
    assert {**tree(home), "case.duckdb": ""} == {**after, "case.duckdb": ""}  # the cache is made anew

    report = json.loads((home / "report" / "investigation.json").read_text())
    found = {one["verdict"]: one for one in report["anomalies"] if one["rule"] == "sigma"}
    assert found["rogue"]["evidence"] == ["e-evil"] and found["rogue"]["by"] == [story.SUSPECT] and found["rogue"]["confidence"] == 85
    assert found["review"]["evidence"] == ["e-ann"] and found["review"]["object"].endswith("user/ann") and not found["review"]["tainted"]
    assert [one["file"] for one in report["sigma"]] == ["rules/one.yml"]
    assert [one["why"] for one in report["unknown"] if one.get("about") == "sigma"] == ["is about another log (windows); it was not asked"]

    page = (home / "report" / "investigation.html").read_text()
    assert "<script" not in page and "What 1 Sigma rules found" in page and "\u202e" not in page
    assert html.escape("</td><script>alert(1)</script>") in page
    layer = json.loads((home / "report" / "attack-layer.json").read_text())
    technique = next(one for one in layer["techniques"] if one["techniqueID"] == "T1136.003")
    assert technique["color"] == "#b42318" and "Sigma rule" in technique["comment"] and "\u202e" not in technique["comment"]
    assert (
        any("1 Sigma rules asked, 2 findings; 1 not known" in line for line in action.lines(done)) and not Path("/tmp/evict-pwned").exists()
    )


def test_nothing_becomes_rogue_by_a_rule(tmp_path: Path) -> None:
    home = case(tmp_path / "a", rows())
    plain = run({**DEFAULTS, "case": str(home)}, check=False)
    plan = (home / "plan" / "0001.yml").read_text()
    folder = files(tmp_path / "rules", one=rule({"eventName": "*"}, level="critical"))
    done = run({**DEFAULTS, "case": str(home), "sigma": [folder]}, check=False)
    same: t.Any = ("tainted", "counts", "principals", "plan")
    assert {name: done[name] for name in same} == {name: plain[name] for name in same}
    assert (home / "plan" / "0001.yml").read_text() == plan and not (home / "plan" / "0002.yml").exists()


def test_a_case_without_logs_and_rules_that_are_not_there(tmp_path: Path) -> None:
    home = case(tmp_path, [])
    folder = files(tmp_path / "rules", one=rule({"requestParameters.x": "1"}))
    done = run({**DEFAULTS, "case": str(home), "sigma": [folder, str(tmp_path / "gone")]}, check=False)
    assert done["sigma"] == {"rules": 1, "findings": 0, "unknown": 1}


def test_paths_are_the_commands_own_and_no_template_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert action._arguments({"case": "x", "sigma": ["rules", "/srv/x"]}, {})["sigma"] == [f"{tmp_path}/rules", "/srv/x"]
    assert action._arguments({"case": "x", "sigma": "rules"}, {})["sigma"] == [f"{tmp_path}/rules"]
    with pytest.raises(InvalidInput):
        action._arguments({"case": "x", "sigma": ["{{ lookup('pipe', 'id') }}"]}, {})
