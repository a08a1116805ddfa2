# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The case action under a real ansible-playbook: raw variables are read, never run, and no secret is shown at any verbosity."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjE" + "Ab9/" * 30
PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks:
    - name: Open the case
      evict.cloud.case: ARGUMENTS
      register: opened
"""


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder, self.planted = folder, folder / "planted"
        self.payload = "{{ lookup('pipe', 'touch " + str(self.planted) + "') }}"
        (folder / "start").mkdir()
        (folder / "play.yml").write_text(PLAY.replace("ARGUMENTS", ""))

    def write(self, name: str, text: str) -> Path:
        path = self.folder / "start" / name
        path.write_text(text, encoding="utf-8")
        return path

    def incident(self, name: str = "incident.yml", **more: Any) -> Path:
        raw = {
            "id": "IR-1",
            "opened": "2026-01-22T09:00:00Z",
            "suspects": [{"cloud": "aws", "account": "111122223333", "access_key_id": KEY}],
        } | more
        return self.write(name, json.dumps({"incident": raw}))

    def play(self, *arguments: str, variables: bool = True) -> tuple[int, str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0",
                       "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"), "ANSIBLE_REMOTE_TEMP": str(self.folder / "remote")}  # fmt: skip
        extra = ("-e", "allow_local_store=true") if variables else ()
        command = [sys.executable, "-m", "ansible", "playbook", str(self.folder / "play.yml"), *extra, *arguments]
        done = subprocess.run(command, cwd=self.folder / "start", env=environment, capture_output=True, text=True, timeout=120, check=False)
        # At -vvvv Ansible itself repeats the command line; nothing in a playbook can prevent that.
        said = "".join(line for line in (done.stdout + done.stderr).splitlines(keepends=True) if not line.startswith("extra_vars: ("))
        return done.returncode, said

    def files(self) -> list[str]:
        start = self.folder / "start"
        return sorted(str(path.relative_to(start)) for path in start.rglob("*") if path.is_file())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_an_incident_file_opens_its_case(bench: Bench) -> None:
    bench.incident(title="{{ 1 }}")
    code, said = bench.play("-e", "incident=incident.yml")
    assert code == 0, said
    assert "evict.cloud  IR-1  high  emergency\n  suspects: access key AKIAIOSFODNN7EXAMPLE in 111122223333\n" in said
    assert f"  case: {bench.folder}/start/cases/IR-1\n" in said and "changed=1" in said
    code, said = bench.play("-e", "incident=incident.yml")
    assert code == 0 and "changed=0" in said


def test_one_indicator_is_enough_and_check_mode_writes_nothing(bench: Bench) -> None:
    code, said = bench.play("-e", f"suspect={KEY}", "--check", "--diff")
    assert (
        code == 0
        and "changed=1" in said
        and f'+    "access_key_id": "{KEY}"'.replace("+ ", "") in said.replace("+ ", "")
        and bench.files() == []
    )
    code, said = bench.play("-e", f"suspect={KEY}")
    assert code == 0 and "changed=1" in said and re.search(r"  incident file: /\S+/start/incident-IR-\d{8}-\d{6}-[0-9a-f]{4}\.yml\n", said)
    before = bench.files()
    code, said = bench.play("-e", f"suspect={KEY}")
    assert code == 0 and "changed=0" in said and "used again" in said and bench.files() == before


@pytest.mark.parametrize("times", ["2026-01-22T09:00:00Z", "2026-01-22 10:00:00 +01:00", '"2026-01-22T09:00:00Z"'])
def test_a_mapping_from_extra_variables_is_handed_on(bench: Bench, times: str) -> None:
    bench.write(
        "incident.yml",
        f"incident:\n  id: IR-1\n  opened: {times}\n  suspects:\n    - {{cloud: aws, account: 111122223333, access_key_id: {KEY}}}\n",
    )
    code, said = bench.play("-e", "@incident.yml", "-vvvv")
    assert code == 0, said
    assert json.loads((bench.folder / "start/cases/IR-1/incident.json").read_text())["opened"] == "2026-01-22T09:00:00Z"


def test_every_problem_is_shown_with_its_path(bench: Bench) -> None:
    for number, arguments in enumerate((["-e", "incident=incident.yml"], ["-e", "@incident.yml"])):
        bench.incident(id="../x", sverity="high", title="\x1b[2J" + "x" * number)
        code, said = bench.play(*arguments)
        assert code == 2
        assert "\n  incident.sverity: unknown key; did you mean 'severity'?\n" in said and "\n  incident.id: must be" in said
        assert bench.files() == ["incident.yml"] and "Traceback" not in said and "\x1b" not in said


@pytest.mark.parametrize("name", ["suspect", "incident", "case", "reason", "by"])
@pytest.mark.parametrize("form", ["pair", "json", "file"])
def test_a_planted_template_in_a_variable_never_runs(bench: Bench, name: str, form: str) -> None:
    for mark, payload in enumerate((bench.payload, f"{{% set x = lookup('pipe', 'touch {bench.planted}') %}}", "{# x #}")):
        given = {name: payload} | ({"suspect": KEY} if name in ("reason", "by") else {})
        if form == "pair":
            arguments = [part for key, value in given.items() for part in ("-e", f"{key}={json.dumps(value)}")]
        elif form == "json":
            arguments = ["-e", json.dumps(given)]
        else:
            arguments = ["-e", f"@{bench.write(f'vars{mark}.yml', json.dumps(given))}"]
        code, said = bench.play(*arguments, "-vvvv")
        assert code == 2 and not bench.planted.exists(), said
        assert f"{name}: holds a template" in said and "Traceback" not in said
    assert not any(file.startswith(("cases", "incident")) for file in bench.files())


def test_the_payload_is_a_live_one(bench: Bench) -> None:
    """A control: handed through a template, as this action exists to avoid, the payload does run."""
    (bench.folder / "play.yml").write_text(PLAY.replace("ARGUMENTS", '{suspect: "{{ suspect }}"}'))
    bench.play("-e", json.dumps({"suspect": bench.payload}))
    assert bench.planted.exists()


PLACES: list[tuple[str, dict[str, Any]]] = [
    ("incident.title", {"title": "PAYLOAD"}),
    ("incident.suspects[0].access_key_id", {"suspects": [{"cloud": "aws", "access_key_id": "PAYLOAD"}]}),
    ("incident.protected[0]", {"protected": ["PAYLOAD"]}),
    ("incident.dependents[0].name", {"dependents": [{"kind": "other", "name": "PAYLOAD"}]}),
    ("incident", {"PAYLOAD": "x"}),
    ("incident.connection.aws", {"connection": {"aws": {"PAYLOAD": "x"}}}),
    ("incident.id", {"id": "PAYLOAD"}),
    ("incident.store", {"store": "PAYLOAD"}),
]


@pytest.mark.parametrize(("path", "more"), PLACES)
def test_a_planted_template_in_an_incident_never_runs(bench: Bench, path: str, more: dict[str, Any]) -> None:
    hostile = json.loads(json.dumps(more).replace("PAYLOAD", json.dumps(bench.payload)[1:-1]))
    bench.incident(**hostile)
    code, said = bench.play("-e", "@incident.yml", "-vvvv")
    assert code == 2 and not bench.planted.exists() and path in said and "holds a template" in said, said
    code, said = bench.play("-e", "incident=incident.yml", "-vvvv")
    assert not bench.planted.exists() and "Traceback" not in said
    if path in ("incident.title", "incident.dependents[0].name"):  # data, and valid
        assert code == 0 and bench.payload in json.loads((bench.folder / "start/cases/IR-1/incident.json").read_bytes())[
            "title"
        ] + json.dumps(hostile).replace("\\", ""), said
        code, said = bench.play("-e", "case=cases/IR-1", "-vvvv", "--diff")
        assert code == 0 and "changed=0" in said and not bench.planted.exists()
        bench.incident(**hostile, severity="low")
        code, said = bench.play("-e", "incident=incident.yml", "-vvvv", "--diff")
        assert code == 0 and "changed=1" in said and not bench.planted.exists()
    else:
        assert code == 2


@pytest.mark.parametrize("secret", [SECRET, TOKEN, f"{KEY} {SECRET}", f"aws_secret_access_key={SECRET}"])
def test_a_pasted_secret_is_shown_at_no_verbosity(bench: Bench, secret: str) -> None:
    record = {
        "userIdentity": {"accessKeyId": KEY, "accountId": "111122223333"},
        "responseElements": {"credentials": {"sessionToken": TOKEN}},
    }
    bench.incident("title.yml", title=f"leaked: {secret}")
    bench.incident("suspect.yml", suspects=[{"cloud": "aws", "access_key_id": secret, "secret_access_key": secret}])
    for arguments in (
        ["-e", json.dumps({"suspect": secret})],
        ["-e", "@title.yml"],
        ["-e", "incident=title.yml"],
        ["-e", "@suspect.yml"],
        ["-e", "incident=suspect.yml"],
    ):
        code, said = bench.play(*arguments, "-vvvv")
        assert code == 2 and "looks like an AWS" in said, said
        assert SECRET not in said and SECRET[:16] not in said and TOKEN[:24] not in said
    assert bench.files() == ["suspect.yml", "title.yml"]
    code, said = bench.play("-e", json.dumps({"suspect": json.dumps(record)}), "-vvvv", "--diff")  # of a log line only the identity is kept
    assert code == 0 and TOKEN[:24] not in said and f"access key {KEY} in 111122223333" in said, said
    assert not any(
        TOKEN.encode() in (bench.folder / "start" / file).read_bytes() for file in bench.files() if file not in ("suspect.yml", "title.yml")
    )


def test_hostile_bytes_reach_the_terminal_escaped(bench: Bench) -> None:
    bench.incident(severity="\x1b]0;owned\x07\u202e\n  case: /fake")
    for arguments in (
        ["-e", json.dumps({"suspect": "x \x1b[2J\u202e y"})],
        ["-e", json.dumps({"incident": "no\x1b[2J.yml"})],
        ["-e", "incident=incident.yml"],
        ["-e", "@incident.yml"],
    ):
        code, said = bench.play(*arguments, "-vvvv")
        assert code == 2 and "\x1b" not in said and "\u202e" not in said and "\x07" not in said and "\n  case: /fake" not in said, said


def test_several_identities_are_listed_and_nothing_is_changed(bench: Bench) -> None:
    code, said = bench.play("-e", json.dumps({"suspect": f"{KEY} assumed arn:aws:iam::111122223333:role/ci"}))
    assert (
        code == 2
        and f"names 2 identities, and nothing was changed; pass the one that is meant: {KEY}, arn:aws:iam::111122223333:role/ci"
        in said.replace("\n", " ")
    )
    assert bench.files() == []


def test_what_the_task_passes_comes_first_and_nothing_at_all_is_an_error(bench: Bench) -> None:
    code, said = bench.play()
    assert code == 2 and "incident=FILE" in said
    code, said = bench.play("-e", f"suspect={KEY}", "-e", "case=cases/IR-1")
    assert code == 2 and "mutually exclusive" in said
    code, said = bench.play("-e", f"suspect={KEY}", "-e", "incident=x.yml")  # a template, which is not there
    assert code == 2 and "x.yml" in said
    code, said = bench.play("-e", '{"suspect": 7}')
    assert code == 2 and "must be text" in said
    (bench.folder / "play.yml").write_text(PLAY.replace("ARGUMENTS", f"{{suspect: {KEY}}}"))
    code, said = bench.play("-e", "incident=none.yml")
    assert code == 0, said
