# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows progress and the table of ``evict.cloud.aws_restore``; takes the public variables as they were written, never templated."""

from __future__ import annotations

import typing as t

from ..module_utils.common.errors import InvalidInput
from ..plugin_utils import raw
from ..plugin_utils.live import LiveAction

_PUBLIC = ("only", "verdict", "reason", "by", "takeover")
_NEEDED = ("only", "reason", "by")
EVERYTHING = "everything"


class ActionModule(LiveAction):
    """See ``LiveAction``."""

    def arguments(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """What the task leaves out comes from the raw variables. Raises InvalidInput."""
        arguments = super().arguments(task_vars)
        given = {name: arguments[name] if name in arguments else raw.variable(task_vars, name) for name in _PUBLIC}
        given["only"] = _listed(given["only"], "only" in arguments or task_vars.get("only") is not None)
        arguments.update({name: value for name, value in given.items() if value not in (None, "", [])})
        missing = [name for name in _NEEDED if not arguments.get(name)]
        if arguments.get("verdict") == "false_positive" and missing:
            raise InvalidInput(
                "a verdict of false_positive needs a name and a reason", [(name, f"is missing; {_EXAMPLE}") for name in missing]
            )
        return arguments


_EXAMPLE = 'pass -e \'{"only": "SUSPECT", "verdict": "false_positive", "reason": "WHY", "by": "WHO"}\''


def _listed(value: t.Any, named: bool) -> list[str]:
    """``only`` as a list; text may hold several, with commas between. ``named`` but empty (a script's empty variable) does not mean everything.

    The word ``everything`` does: a form that always sends its fields can say so.
    """
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | None) or not all(isinstance(entry, str) for entry in value or ()):
        raise InvalidInput("a variable was refused", [("only", "must be text or a list of texts")])
    wanted = [text for entry in value or () if (text := entry.strip())]
    if wanted == [EVERYTHING]:
        return []
    if named and not wanted:
        raise InvalidInput(
            "a variable was refused", [("only", "is empty; leave it out to release everything of the case, or write everything")]
        )
    return wanted
