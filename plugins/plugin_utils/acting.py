# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What actions share that take variables as they were written: arguments first, refused whole and by path, and only then the module."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.common.errors import InvalidInput
from . import raw

Result = dict[str, t.Any]


def say(text: str) -> None:
    Display().display(raw.printable(text, 2000))


class RawAction(ActionBase):
    """``arguments`` raises InvalidInput for what it does not take; ``work`` runs the module; ``refusal`` is what a person reads of an error."""

    TRANSFERS_FILES = False

    def arguments(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        raise NotImplementedError

    def work(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        raise NotImplementedError

    def refusal(self, error: InvalidInput) -> list[str]:
        return ["refused: " + error.message.split(": ", 1)[0], *(f"  {path}: {message}" for path, message in error.problems)]

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        del tmp
        try:
            arguments = self.arguments(task_vars or {})
        except InvalidInput as error:
            for line in self.refusal(error):
                say(line)
            problems = [{"path": path, "message": message} for path, message in error.problems]
            return result | {"failed": True, "changed": False, "msg": raw.printable(error.message, 8000), "problems": problems}
        return result | self.work(arguments, task_vars or {})

    def module(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        """The answer of the module of the same name. Its message is printed by Ansible as it is, so it is made printable."""
        name = f"evict.cloud.{self._task.action.rsplit('.', 1)[-1]}"
        answer: Result = self._execute_module(module_name=name, module_args=arguments, task_vars=task_vars)
        return answer | ({"msg": raw.printable(answer["msg"], 8000)} if isinstance(answer.get("msg"), str) else {})
