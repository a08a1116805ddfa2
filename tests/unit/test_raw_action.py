"""Every action that takes public variables as they were written refuses a template before its module runs, by path, and never templates it."""

from __future__ import annotations

import contextlib
import importlib
import json
import pkgutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase

from ansible_collections.evict.cloud.plugins import action as actions
from ansible_collections.evict.cloud.plugins.plugin_utils import acting, extra, live

ROOT = Path(__file__).parents[2]
HOSTILE = "{{ lookup('pipe', 'id') }}"
# action -> a variable that it takes
TAKES = {"aws_baseline": "incident", "aws_contain": "quiet", "aws_credential_rotation": "deadline", "aws_dependent_info": "suspect", "aws_readiness_info": "incident",
         "aws_restore": "reason", "case": "suspect", "case_analysis": "case", "case_confirm": "by", "case_from_finding": "finding", "case_plan": "plan"}  # fmt: skip


def _made(name: str, monkeypatch: pytest.MonkeyPatch, **answer: Any) -> tuple[Any, list[Any], list[str]]:
    """(an action without Ansible around it, what its module was called with, what was said)."""
    ran: list[Any] = []
    said: list[str] = []
    module = importlib.import_module(f"ansible_collections.evict.cloud.plugins.action.{name}")
    made = object.__new__(module.ActionModule)
    made._loader = None
    made._task = SimpleNamespace(args={}, action=f"evict.cloud.{name}", check_mode=False)
    monkeypatch.setattr(ActionBase, "run", lambda *_: {})
    monkeypatch.setattr(ActionBase, "_execute_module", lambda _self, **given: ran.append(given) or dict(answer))
    monkeypatch.setattr(acting, "say", said.append)
    return made, ran, said


def _in(playbook: Path) -> SimpleNamespace:
    """What Ansible hangs a task of this playbook below."""
    return SimpleNamespace(_play=SimpleNamespace(get_path=lambda: f"{playbook}:2"))


def test_all_of_them_are_here() -> None:
    found = {m.name for m in pkgutil.iter_modules(actions.__path__)}
    modules = {name: importlib.import_module(f"ansible_collections.evict.cloud.plugins.action.{name}") for name in found}
    taking = {name for name, m in modules.items() if issubclass(m.ActionModule, acting.RawAction) and "arguments" in vars(m.ActionModule)}
    assert set(TAKES) == taking - {"case_result"}  # which takes none


@pytest.mark.parametrize("name", TAKES)
def test_a_template_is_refused_before_the_module_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, ran, said = _made(name, monkeypatch)
    result = made.run(task_vars={TAKES[name]: HOSTILE})
    assert result["failed"] and not result["changed"] and ran == [], result
    assert any(TAKES[name] in problem["path"] and "template" in problem["message"] for problem in result["problems"]), result
    assert any(TAKES[name] in line for line in said) and "lookup" not in str(result) + str(said)


def test_what_the_task_says_comes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    made, ran, _said = _made("aws_credential_rotation", monkeypatch, status="ok", msg="a\x1b[31m")
    made._task.args = {"case": "", "mode": "bridge", "brief": True}
    monkeypatch.setattr(live.table, "lines", lambda *_: [])
    result = made.run(task_vars={"mode": "graceful", "by": "Ada", "reason": "", "quiet": None})
    assert ran[0]["module_args"] == {"mode": "bridge", "by": "Ada"} and ran[0]["module_name"] == "evict.cloud.aws_credential_rotation"
    assert "\x1b" not in result["msg"]


@pytest.mark.parametrize(
    ("answer", "entry"),
    [
        ({"msg": "no answer (log in)", "problems": [{"object": "aws", "operation": "sts:GetCallerIdentity", "message": "no answer", "remedy": "log in"}]},
         {"object": "aws", "operation": "sts:GetCallerIdentity", "message": "no answer", "remedy": "log in"}),
        ({"msg": "MODULE FAILURE"}, {"object": "", "operation": "run", "message": "MODULE FAILURE", "remedy": ""}),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "name", ["aws_contain", "aws_restore", "aws_credential_rotation", "case_result", "case_analysis", "aws_dependent_info", "case"]
)
def test_a_module_that_fails_without_a_status_leaves_no_ok_of_an_earlier_run(
    name: str, answer: dict[str, Any], entry: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "result.json"
    file.write_text('{"status": "ok"}')
    made, ran, _said = _made(name, monkeypatch, failed=True, **answer)
    given = {"case": "cases/IR-1", "results": {"1": {}}, "result_file": str(file)}
    if name == "case":  # the first of a playbook, which has no such option
        given.pop("result_file")
        monkeypatch.setattr(extra, "load_extra_vars", lambda _loader: {"result_file": str(file)})
        made._task._parent = _in(ROOT / "playbooks" / "contain.yml")
    made._task.args = given
    monkeypatch.setattr(live, "watched", lambda *_: contextlib.nullcontext())
    assert made.run(task_vars={})["failed"] and len(ran) == 1
    found = json.loads(file.read_text())
    assert found["status"] == "error" and found["failed"] == [entry] and found["changed"] == 0 and found["principals"] == []


def test_a_variable_that_is_refused_leaves_no_ok_of_an_earlier_run_and_playbooks_of_others_keep_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "result.json"
    file.write_text('{"status": "ok"}')
    made, ran, _said = _made("case", monkeypatch)
    monkeypatch.setattr(extra, "load_extra_vars", lambda _loader: {"result_file": str(file), "threads": "0"})
    made._task._parent = _in(tmp_path / "contain.yml")
    assert made.run(task_vars={})["failed"] and json.loads(file.read_text()) == {"status": "ok"}
    made._task._parent = _in(ROOT / "playbooks" / "contain.yml")
    assert made.run(task_vars={})["failed"] and ran == []
    (failed,) = json.loads(file.read_text())["failed"]
    assert failed["object"] == "threads" and "1 or more" in failed["message"]
