# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What actions share that take variables as they were written: arguments first, refused whole and by path, and only then the module."""

from __future__ import annotations

import json
import os
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.common.errors import InvalidInput, early
from . import extra, raw

Result = dict[str, t.Any]


def say(text: str) -> None:
    Display().display(raw.printable(text, 2000))


def absolute(arguments: dict[str, t.Any], paths: t.Iterable[str]) -> dict[str, t.Any]:
    """With ``directory``, where the command was started, and the options that are ``paths`` taken from there. Raises InvalidInput."""
    directory = os.path.abspath(arguments.get("directory") or os.getcwd())
    found = {**arguments, "directory": directory}
    for option in paths:
        if found.get(option) is not None:
            if not isinstance(found[option], str):
                raise InvalidInput("a variable was refused", [(option, "must be the path of a file")])
            found[option] = os.path.join(directory, os.path.expanduser(found[option]))
    return found


def keep(path: str, data: t.Mapping[str, t.Any]) -> None:
    """A copy of a result where somebody asked for it, readable by its owner only. One that cannot be written is a warning."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(data, file, indent=1, sort_keys=True, default=str)
    except OSError as error:  # what was done is done, and nobody is to lose it over a copy
        Display().warning(
            raw.printable(f"result_file {path} cannot be written: {error.strerror or error}; result.json in the case is the truth", 2000)
        )


def failed_early(result: t.Mapping[str, t.Any]) -> Result:
    """``result.json`` of the interfaces for a run that failed before it had a status."""
    failed = []
    for problem in result.get("problems") or [{"message": result.get("msg") or "failed"}]:
        path = problem.get("path", "")  # of what was refused before anything was done
        entry = {
            "object": path,
            "operation": "validate" if path else "run",
            "remedy": "",
            **{k: v for k, v in problem.items() if k != "path"},
        }
        failed.append({key: raw.printable(str(value), 2000) for key, value in entry.items()})
    return early(str(result.get("incident") or ""), failed)


class RawAction(ActionBase):
    """``arguments`` raises InvalidInput for what it does not take; ``work`` runs the module; ``told`` is what people read of its answer,
    ``refusal`` of an error.
    """

    TRANSFERS_FILES = False
    FIRST = False  # of a playbook: it looks at the extra variables, too

    def arguments(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        raise NotImplementedError

    def given(self) -> dict[str, t.Any]:
        """The task's own arguments as they were written; what is empty counts as left out. Raises InvalidInput."""
        return {key: raw.plain(value, key) for key, value in self._task.args.items() if value not in (None, "", [], {})}

    def work(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        result = self.module(arguments, task_vars)
        for line in self.told(result):
            say(line)
        return result

    def told(self, _result: t.Mapping[str, t.Any]) -> list[str]:
        """What a person reads of an answer."""
        return []

    def refusal(self, error: InvalidInput) -> list[str]:
        return ["refused: " + error.message.split(": ", 1)[0], *(f"  {path}: {message}" for path, message in error.problems)]

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        del tmp
        answer = result | self._answer(task_vars or {})
        if answer.get("failed") and "status" not in answer and (path := self.copied_to()):
            keep(path, failed_early(answer))  # what an earlier run left there is not true of this one
        return answer

    def copied_to(self) -> str:
        """``result_file``: of the task, or of the playbook when this is its first one, since no other comes then."""
        given = self._task.args.get("result_file") or (self.public("result_file").get("result_file") if self.FIRST else "")
        return given if isinstance(given, str) and not raw.is_template(given) else ""

    def public(self, *names: str) -> dict[str, t.Any]:
        """Of ``names`` the extra variables that are given, as they were written; none in playbooks of others, where these names are their own."""
        return extra.given(self._task, self._loader, names)

    def _answer(self, task_vars: dict[str, t.Any]) -> Result:
        try:
            for warning in extra.looked_at(self._task, self._loader) if self.FIRST else ():
                Display().warning(warning)
            arguments = self.arguments(task_vars)
        except InvalidInput as error:
            for line in self.refusal(error):
                say(line)
            problems = [{"path": path, "message": message} for path, message in error.problems]
            return {"failed": True, "changed": False, "msg": raw.printable(error.message, 8000), "problems": problems}
        return self.work(arguments, task_vars)

    def module(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        """The answer of the module of the same name. Its message is printed by Ansible as it is, so it is made printable."""
        name = f"evict.cloud.{self._task.action.rsplit('.', 1)[-1]}"
        answer: Result = self._execute_module(module_name=name, module_args=arguments, task_vars=task_vars)
        return answer | ({"msg": raw.printable(answer["msg"], 8000)} if isinstance(answer.get("msg"), str) else {})
