"""Every action that takes public variables as they were written refuses a template before its module runs, by path, and never templates it."""

from __future__ import annotations

import importlib
import pkgutil
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase

from ansible_collections.evict.cloud.plugins import action as actions
from ansible_collections.evict.cloud.plugins.plugin_utils import acting, live

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
