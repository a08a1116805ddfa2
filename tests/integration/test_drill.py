# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill keeps its promises and tells them as interfaces.md says; recover.yml takes public variables as they were written."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest

from tests.beds.bed import Bed
from tests.beds.company import Company
from tests.drill import loopback
from tests.drill.play import ROOT, environment_of

BIN = pathlib.Path(sys.executable).parent


@pytest.mark.bed
@pytest.mark.slow
def test_every_promise_holds(tmp_path: pathlib.Path) -> None:
    """Of a drill that is played here; in the gate of the one that it has just played (EVICT_DRILL, its folder), which has to succeed as well."""
    folder = pathlib.Path(os.environ.get("EVICT_DRILL") or tmp_path)
    if folder == tmp_path:
        command = [sys.executable, "-m", "tests.drill", "--directory", str(folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((folder / "summary.json").read_text())
    for phase in ("contain", "recover"):
        figures = summary["phases"][phase]
        assert figures["rc"] == 0 and figures["changed"] > 0 and figures["second_run_changed"] == 0 and figures["seconds"] > 0
    attacker = summary["attacker"]
    assert attacker["ok_before"] > 0 and attacker["ok_after"] == attacker["ok_after_recover"] == 0
    assert attacker["seconds_to_first_denied"] > 0 and attacker["seconds_to_last_ok"] > 0
    assert summary["bystander"]["ok"] > 0 and summary["bystander"]["failed"] == 0 and summary["dependents"]["orders_failed"] == 0
    assert summary["red_team"]["runs"] == summary["red_team"]["won"] > 0
    for key, mode in (("rotation", "bridge"), ("rotation_graceful", "graceful")):
        figures = {"mode": mode, "dependents": 3, "downtime_calls": 0, "old_key_state": "deleted", "orphans": 0}
        assert {name: summary[key][name] for name in figures} == figures and summary[key]["calls"] > 10, summary[key]
    for phase in ("rotate", "rotate_graceful"):
        assert summary["phases"][phase]["rc"] == summary["phases"][phase]["second_run_changed"] == 0 < summary["phases"][phase]["changed"]
    assert summary["ledger"]["verified"] and summary["ledger"]["records"] > 4
    assert {row["token_kind"] for row in summary["residual_access"]} <= {"signed GetCallerIdentity"}  # which no policy denies
    assert summary["recovered"]["new_key_works"] and summary["recovered"]["leaked_key"] == "Inactive"
    assert "Every promise held." in (folder / "story.txt").read_text()


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_IAM", "https_proxy"])
def test_no_drill_against_anything_but_loopback(tmp_path: pathlib.Path, name: str) -> None:
    environment = {**os.environ, name: "http://192.0.2.1:443"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.drill", "--directory", str(tmp_path)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 3 and f"{name}=http://192.0.2.1:443 does not lead to this machine" in done.stderr, done.stdout + done.stderr
    assert not (tmp_path / "cases").exists()


@pytest.mark.parametrize(("url", "good"), [("http://127.0.0.1:80", True), ("http://[::1]:80", True), ("localhost:4566", True), ("http://10.0.0.1", False),
                                           ("http://nowhere.invalid", False), ("", False)])  # fmt: skip
def test_what_counts_as_loopback(url: str, good: bool) -> None:
    try:
        loopback.check("endpoint", url)
    except loopback.NotLoopback:
        assert not good
    else:
        assert good


def test_the_installed_collection_says_what_the_drill_needs(tmp_path: pathlib.Path) -> None:
    playbook = tmp_path / "playbooks" / "drill.yml"
    playbook.parent.mkdir()
    playbook.write_text((ROOT / "playbooks" / "drill.yml").read_text())
    done = subprocess.run(
        [str(BIN / "ansible-playbook"), str(playbook)], cwd=tmp_path, env=environment_of(dict(os.environ)), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "Clone the repository and run `make drill` there." in done.stdout + done.stderr


class Desk:
    """Somebody who runs playbooks on a case."""

    def __init__(self, bed: Bed, company: Company, folder: pathlib.Path) -> None:
        self.folder, self.environment = folder, environment_of(bed.environ(company.responder))
        self.iam = bed.client("iam", company.production.root)
        self.result = folder / "result.json"
        incident = {
            "id": "IR-1", "opened": "2026-01-22T09:00:00Z", "store": str(folder / "cases"), "connection": {"aws": {"role_arn": company.role_template}},
            "suspects": [{"cloud": "aws", "access_key_id": company.leaked.access_key}],
        }  # fmt: skip
        (folder / "incident.yml").write_text(json.dumps({"incident": incident}))

    def play(self, name: str, *arguments: str) -> tuple[int, str]:
        line = [str(BIN / "ansible-playbook"), str(ROOT / "playbooks" / f"{name}.yml"), "-e", f"result_file={self.result}", *arguments]
        done = subprocess.run(line, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr

    @property
    def changed(self) -> int:
        value: int = json.loads(self.result.read_text())["changed"]
        return value


@pytest.mark.bed
def test_recover_reads_its_variables_and_never_runs_them(bed: Bed, company: Company, tmp_path: pathlib.Path) -> None:
    desk = Desk(bed, company, tmp_path)
    code, said = desk.play("contain", "-e", "incident=incident.yml", "-e", "hold=0")
    assert desk.changed == 7, said
    before = bed.snapshot()
    case, planted = f"case={tmp_path}/cases/IR-1", tmp_path / "planted"
    payload = "{{ lookup('pipe', 'touch " + str(planted) + "') }}"
    for name in ("only", "verdict", "reason", "by", "takeover"):
        given: dict[str, Any] = {"only": company.leaked.access_key, "verdict": "false_positive", "reason": "a test", "by": "Ada"} | {
            name: payload
        }
        code, said = desk.play("recover", "-e", case, "-e", json.dumps(given))
        assert code == 2 and f"  {name}: holds a template" in said, said
    for given, complaint in (
        ({"verdict": "false_positive", "only": "AKIAIOSFODNN7EXAMPLE"}, "  reason: is missing"),
        ({"only": ""}, "  only: is empty; leave it out to release everything of the case"),
        ({"only": "AKIAIOSFODNN7EXAMPLE"}, "was not contained in this case"),
        ({"verdict": "maybe"}, "verdict: must be one of release, false_positive"),
    ):
        code, said = desk.play("recover", "-e", case, "-e", json.dumps(given))
        assert code == 2 and complaint in said, said
    assert bed.snapshot() == before and not planted.exists()

    # A verdict with blanks and a comma in its words undoes everything, the key included; nothing is left for a second run.
    given = {
        "only": company.leaked.access_key,
        "verdict": "false_positive",
        "reason": "meant to be public, says the owner",
        "by": "Ada Lovelace",
    }
    code, said = desk.play("recover", "-e", case, "-e", json.dumps(given))
    assert code == 0 and desk.changed == 6, said
    assert {key["Status"] for key in desk.iam.list_access_keys(UserName="ci-deploy")["AccessKeyMetadata"]} == {"Active"}
    assert desk.iam.list_user_policies(UserName="ci-deploy")["PolicyNames"] == ["work"]
    code, said = desk.play("recover", "-e", case, "-e", json.dumps(given))
    assert code == 0 and desk.changed == 0, said
