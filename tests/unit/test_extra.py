# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extra variables of the playbooks: of a wrong type they are refused, and what nobody reads is named."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common.errors import InvalidInput
from ansible_collections.evict.cloud.plugins.plugin_utils import extra

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("threads", "0", "1 or more"),
        ("threads", "-3", "1 or more"),
        ("threads", 0, "1 or more"),
        ("threads", True, "1 or more"),
        ("threads", "abc", "1 or more"),
        ("contain_threads", "0", "1 or more"),
        ("contain_scope", "-5", "0 or more"),
        ("refresh", "perhaps", "true or false"),
        ("contain_refresh", "perhaps", "true or false"),
        ("takeover", "maybe", "true or false"),
        ("account_fence", "nonsense", "on_the_spot, pre_deployed, none"),
        ("contain_account_fence", "scp", "on_the_spot"),
        ("phase", "fence", "all, hold"),
        ("phase", ["hold"], "all, hold"),
        ("refresh", "{{ lookup('pipe', 'id') }}", "template"),
        ("hold", "5x", "not a duration"),
        ("hold", "2h", "at most 30m"),
        ("hold", 1801, "at most 30m"),
        ("hold", True, "not a duration"),
        ("hold", ["5s"], "not a duration"),
        ("contain_hold", "31m", "at most 30m"),
        ("contain_spread", "soon", "not a duration"),
        ("quiet", "15 minutes", "not a duration"),
        ("soak", "-1h", "not a duration"),
        ("rotate_soak", "1w", "not a duration"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_by_its_name(name: str, value: Any, why: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        extra.check({"hold": "1s", "soak": "0", name: value}, extra.options())
    ((path, message),) = caught.value.problems
    assert path == name and why in message


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("account_fence", "none", "-e contain_account_fence=…"),
        ("hodl", "1s", "did you mean hold?"),
        ("refersh", "false", "did you mean refresh?"),
        ("contain_refesh", False, "did you mean contain_refresh?"),
        ("result_file", "/nonexistent/x.json", "there is no directory /nonexistent"),
    ],
)
def test_what_nobody_reads_is_named(name: str, value: Any, said: str) -> None:
    (told,) = extra.check({name: value}, extra.options())
    assert name in told and said in told


def test_what_is_read_or_is_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    given = {"threads": "4", "refresh": "false", "takeover": "yes", "phase": "hold", "hold": "90s", "contain_threads": "{{ forks }}", "reason": "x", "awx_job_id": 7,
             "environment_name": "prod", "suspect": "AKIA", "result_file": str(tmp_path / "x.json"), "only": ["a"], "plan": ""}  # fmt: skip
    assert extra.check(given, extra.options()) == []
    assert extra.looked_at(None, None) == []  # a playbook of somebody else's


def test_every_variable_that_a_playbook_reads_is_public() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "playbooks").glob("*.yml")]
    read = {name for text in texts for name in re.findall(r"(?<![.\w])([a-z_]+) \| default\(", text)}
    assert {"refresh", "threads", "logs"} <= read and {name for name in read if not name.startswith("evict_")} <= set(extra.PUBLIC)


CASE_OF = {"case": "cases/IR-1"}


@pytest.mark.parametrize(
    ("playbook", "name", "value", "why"),
    [
        ("contain", "only", "AKIAIOSFODNN7EXAMPLE", "contain acts on the whole case; recover takes it"),
        ("contain", "only", ["AKIAIOSFODNN7EXAMPLE"], "recover takes it"),
        ("contain", "verdict", "false_positive", "recover takes it"),
        ("recover", "target", "aws_accounts", "contain takes it"),
        ("recover", "phase", "hold", "contain takes it"),
        ("rotate", "only", "x", "recover takes it"),
        ("dependents", "target", "x", "contain takes it"),
    ],
)
def test_what_narrows_a_run_is_refused_where_it_would_not(playbook: str, name: str, value: Any, why: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        extra.check({**CASE_OF, name: value}, extra.options(), playbook, {playbook})
    ((path, message),) = caught.value.problems
    assert path == name and why in message
    assert extra.check({**CASE_OF, name: ""}, extra.options(), playbook) == []  # as a form sends what nobody answered
    # Beside a playbook that takes it, it is for that one; what a playbook of somebody else's reads nobody knows.
    taker = why.removesuffix(" takes it").rsplit(maxsplit=1)[-1]
    assert extra.check({**CASE_OF, name: value}, extra.options(), playbook, {playbook, taker}) == []
    (told,) = extra.check({**CASE_OF, name: value}, extra.options(), playbook, None)
    assert f"{name} is not read by {playbook}: {taker} takes it" in told


@pytest.mark.parametrize(
    ("playbook", "name", "value", "said"),
    [
        ("contain", "takeover", "true", "takeover is not read by contain: recover and rotate take it"),
        ("recover", "refresh", "false", "refresh is not read by recover: contain takes it"),
        ("recover", "hold", "90s", "hold is not read by recover: contain takes it"),
        ("readiness", "suspect", "AKIA", "suspect is not read by readiness"),
        ("contain", "role_arn", "arn:aws:iam::111122223333:role/r", "role_arn is not read: write it under incident.connection.aws"),
        ("contain", "management_role_arn", "arn:aws:iam::111122223333:role/r", "write it under incident.connection.aws"),
        ("recover", "identity_center_region", "eu-west-1", "write it under incident.connection.aws"),
        ("contain", "revoke_again", "true", "it is an option of a role, and is passed as -e contain_revoke_again=…"),
        ("contain", "ids", "AKIA", "ids is not read: it is an option of the module aws_credential"),
    ],
)
def test_what_this_playbook_does_not_read_is_named(playbook: str, name: str, value: str, said: str) -> None:
    (told,) = extra.check({**CASE_OF, name: value} if playbook != "readiness" else {name: value}, extra.options(), playbook)
    assert said in told


def _documented() -> dict[str, set[str]]:
    """{playbook: variables that the documents, the surveys of AWX and its own text name for it}."""
    found: dict[str, set[str]] = {name: set() for name in extra.TAKES}
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.rst"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "plugins").rglob("*.py")]
    for path in pages:
        text = re.sub(r"\\\n\s*", "", path.read_text(encoding="utf-8"))
        for name, rest in re.findall(
            r"(?:evict\.cloud\.|playbooks/)(\w+)(?:\.yml)?((?: +\[?-[ei] ?(?:'[^']*'|\"[^\"]*\"|[^\s\]]+)\]?)+)", text
        ):
            if name in found:
                found[name] |= set(re.findall(r"-e [\"']?(\w+)=", rest))
                found[name].update(*(json.loads(data) for data in re.findall(r"-e '(\{.*?\})'", rest)))
    for path in (ROOT / "playbooks").glob("*.yml"):
        text = path.read_text(encoding="utf-8")
        found.get(path.stem, set()).update(re.findall(r"(?<![.\w])([a-z_]+) \| default\(", text), re.findall(r"-e (\w+)=", text))
    for path in (ROOT / "extensions" / "awx").glob("survey-*.json"):
        name = path.stem.removeprefix("survey-")
        found[{"look-again": "contain"}.get(name, name)] |= {q["variable"] for q in json.loads(path.read_text(encoding="utf-8"))["spec"]}
    return {name: {v for v in variables if not v.startswith("evict_")} for name, variables in found.items()}


def test_the_documents_are_read() -> None:
    found = _documented()
    assert {"case", "phase", "incident", "suspect", "plan", "hold"} <= found["contain"] and {"only", "verdict", "reason", "by"} <= found[
        "recover"
    ]
    assert "sigma" in found["investigate"] and {"item", "level"} <= found["confirm"] and set(found) == _playbooks()


@pytest.mark.parametrize("playbook", sorted(extra.TAKES))
def test_what_a_playbook_is_documented_to_take_is_accepted_and_read(playbook: str) -> None:
    documented = {name for name in _documented()[playbook] if name not in extra.options()}
    assert documented <= extra.TAKES[playbook], documented - extra.TAKES[playbook]
    sample = {"threads": "4", "hold": "1s", "phase": "hold", "refresh": "true", "takeover": "true", "allow_local_store": "true", "quiet": "1s", "soak": "1s",
              "mode": "bridge", "verdict": "false_positive", "result_file": "x.json"}  # fmt: skip
    assert extra.check({name: sample.get(name, "x") for name in extra.TAKES[playbook]}, extra.options(), playbook) == []
    actions = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "plugins").rglob("*.py") if path.parent.name in ("action", "plugin_utils")
    )
    actions = actions.replace(inspect.getsource(extra), "")
    text = (ROOT / "playbooks" / f"{playbook}.yml").read_text(encoding="utf-8")
    assert all(re.search(rf"\b{name}\b", text) or f'"{name}"' in actions for name in extra.TAKES[playbook])


def _playbooks() -> set[str]:
    return {path.stem for path in (ROOT / "playbooks").glob("*.yml")} - {"drill"}  # which takes no variable


def test_which_playbooks_a_command_runs(tmp_path: Path) -> None:
    own, wrapper, other = ROOT / "playbooks" / "contain.yml", tmp_path / "site.yml", tmp_path / "other.yml"
    wrapper.write_text(f"- ansible.builtin.import_playbook: evict.cloud.recover\n- import_playbook: {own}\n")
    other.write_text("- import_playbook: evict.cloud.recover\n- hosts: all\n")
    assert extra.beside([str(own)]) == {"contain"} and extra.beside(["evict.cloud.contain", "evict.cloud.notify.yml"]) == {
        "contain",
        "notify",
    }
    assert extra.beside([str(wrapper)]) == {"contain", "recover"}
    assert extra.beside([str(own), str(other)]) is None and extra.beside([str(tmp_path / "none.yml")]) is None and extra.beside([]) is None


def test_an_empty_result_file_is_none() -> None:
    assert extra.check({"result_file": ""}, extra.options(), "contain") == []
