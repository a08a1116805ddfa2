"""Sigma rules through the playbook: a folder and a file, beside rules that are none, over logs of three clouds. No cloud is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.helpers import PLAYBOOKS, ROOT
from tests.unit.analysis.sigma_made import call, files, rule
from tests.unit.analysis.test_sigma import AUDIT, GOOGLE
from tests.unit.events import logs_made

pytest.importorskip("sigma.rule")
LEAKED = "AKIAIOSFODNN7EXAMPLE"
PWNED = "{{ lookup('pipe', 'touch pwned') }}"


def play(folder: Path, *arguments: str) -> tuple[int, str]:
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "AWS_EC2_METADATA_DISABLED": "true",
               "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"), "LANG": "C.UTF-8"}  # fmt: skip
    command = [str(Path(sys.executable).parent / "ansible-playbook"), str(PLAYBOOKS / "investigate.yml"), *arguments]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, encoding="utf-8", timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def findings(folder: Path) -> dict[str, Any]:
    report = json.loads((folder / "cases" / "IR-1" / "report" / "investigation.json").read_text())
    return {one["sigma"]["title"]: one for one in report["anomalies"] if one["rule"] == "sigma"} | {"unknown": report["unknown"]}


def test_rules_by_folder_and_by_file_through_the_playbook(tmp_path: Path) -> None:
    who = {
        "type": "IAMUser",
        "arn": "arn:aws:iam::111122223333:user/ci",
        "principalId": "AIDAEXAMPLE",
        "accountId": "111122223333",
        "accessKeyId": LEAKED,
    }
    theft = call("00000000-0000-4000-8000-000000000001", "CreateUser", source="iam", userIdentity=who, requestParameters={"userName": "door"},
                 responseElements={"user": {"arn": "arn:aws:iam::111122223333:user/door", "userId": "AIDA2", "userName": "door"}})  # fmt: skip
    logs_made.put(tmp_path / "logs" / "aws.json.gz", {"Records": [theft]}, packed=True)
    logs_made.put(tmp_path / "logs" / "entra.json", {"value": AUDIT})
    logs_made.put(tmp_path / "logs" / "google.json", GOOGLE)
    (tmp_path / "incident.yml").write_text(json.dumps({"incident": {
        "id": "IR-1", "opened": "2026-11-25T12:00:00Z", "store": str(tmp_path / "cases"), "window": {"start": "2026-11-20T00:00:00Z"},
        "suspects": [{"cloud": "aws", "access_key_id": LEAKED}]}}))  # fmt: skip
    files(tmp_path / "rules", aws=rule({"eventName": "CreateUser"}, title=f"User made {PWNED}", tags=["attack.t1136.003"]),
          entra=rule({"properties.message": "Add member to role"}, "entra_audit", title="Role given"), bad="title: [", other={"title": PWNED})  # fmt: skip
    files(tmp_path, one=rule({"gcp.audit.method_name|endswith": "CreateServiceAccountKey"}, "gcp_audit", title="Key made"))
    arguments = ("-e", "incident=incident.yml", "-e", "logs=logs")
    code, said = play(tmp_path, *arguments, "-e", json.dumps({"sigma": ["rules", "one.yml"]}))
    assert code == 0, said[-3000:]
    assert "3 Sigma rules asked, 3 findings; 2 not known" in said
    found = findings(tmp_path)
    assert found[f"User made {PWNED}"]["verdict"] == "rogue" and found[f"User made {PWNED}"]["by"] == [LEAKED]
    assert found["Role given"]["verdict"] == found["Key made"]["verdict"] == "review"
    assert {one["object"].split(":")[0] for one in found["unknown"] if one.get("about") == "sigma"} == {
        "Sigma rule rules/bad.yml",
        "Sigma rule rules/other.yml",
    }
    code, said = play(tmp_path, *arguments, "-e", "sigma=one.yml", "-e", "result_file=result.json")
    assert code == 0 and json.loads((tmp_path / "result.json").read_text())["sigma"] == {"rules": 1, "findings": 1, "unknown": 0}
    code, said = play(tmp_path, *arguments, "-e", "sigma=one.yml")
    assert code == 0 and " changed=0 " in said and "Key made" in findings(tmp_path)
    assert not list(tmp_path.rglob("pwned"))
