# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception type of the collection, and the one place that turns it into ``fail_json``."""

from __future__ import annotations

import contextlib
import gc
import typing as t

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# What a module makes (clients, answers, plans) it mostly keeps: looking through it every few hundred objects took a fifth of its time.
_GARBAGE = 50_000


class EvictError(Exception):
    """Something failed or was refused. The message names the object and the operation; ``remedy`` says what to do next."""

    def __init__(self, message: str, *, object: str = "", operation: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message, self.object, self.operation, self.remedy = message, object, operation, remedy

    def as_dict(self) -> dict[str, str]:
        """The ``failed`` entry of results: object, operation, message, remedy (all str)."""
        return {"object": self.object, "operation": self.operation, "message": self.message, "remedy": self.remedy}


class Refused(EvictError):
    """A guard said no; nothing was touched."""


class TakenOver(EvictError):
    """A person took the case over for something else; what was done until then stands as far as they leave it."""


class InvalidInput(EvictError):
    """The user's input is wrong: ``problems`` is a list of (path, message), all that were found."""

    def __init__(self, what: str, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__(f"{what}: " + "; ".join(f"{path}: {message}" for path, message in problems), object=what, operation="validate")


class MissingLibrary(EvictError):
    """A third-party package is not installed in the interpreter that runs the module."""


class CloudError(EvictError):
    """A cloud answered with an error (``code``), or did not answer (``lost``: the request may have been carried out)."""

    def __init__(self, message: str, *, code: str, lost: bool = False, object: str = "", operation: str = "", remedy: str = "") -> None:
        super().__init__(message, object=object, operation=operation, remedy=remedy)
        self.code, self.lost = code, lost


def as_entry(error: Exception, object: str, operation: str) -> dict[str, str]:
    """The ``failed`` entry for any exception. Of one that nobody expected only the kind is said: its text may be anything."""
    if isinstance(error, EvictError):
        entry = error.as_dict()
        return {**entry, "object": entry["object"] or object, "operation": entry["operation"] or operation}
    remedy = "the output of the run has the details; run it again"
    return {"object": object, "operation": operation, "message": f"an unexpected error: {type(error).__name__}", "remedy": remedy}


def early(incident: str, failed: list[dict[str, str]], changed: int = 0) -> dict[str, t.Any]:
    """The result (interfaces.md) of a run that ended before it had one."""
    return {"status": "error", "incident": incident, "changed": changed, "principals": [], "failed": failed, "open": [], "residual": []}


@contextlib.contextmanager
def handler(module: AnsibleModule) -> t.Iterator[None]:
    """Run a module's body; an ``EvictError`` ends in ``fail_json`` with the object, the operation and the remedy."""
    gc.set_threshold(_GARBAGE)
    try:
        yield
    except EvictError as error:
        text = f"{error.message} ({error.remedy})" if error.remedy else error.message
        problems = (
            [{"path": path, "message": message} for path, message in error.problems]
            if isinstance(error, InvalidInput)
            else [error.as_dict()]
        )
        module.fail_json(msg=text, problems=problems)


def leave(module: AnsibleModule, result: dict[str, t.Any], count: int) -> t.NoReturn:
    """End a mutating module. ``count``: objects changed. What failed, was refused or stayed open ends in exit code 2.

    The result's list ``failed`` (its name in result.json) is called ``problems`` here, since ``failed`` and ``changed`` are Ansible's own.
    """
    problems = result.pop("failed", [])
    result = {**result, "changed": int(result["changed"]) > 0, "changed_count": count, "problems": problems}
    if result["status"] == "ok":
        module.exit_json(**result)
    texts = [f"{f['object']}: {f['message']}" + (f" -> {f['remedy']}" if f.get("remedy") else "") for f in problems]
    texts += [f"{o['object']}: {o['why']}" for o in result.get("open", [])]
    more = f"; and {len(texts) - 5} more" if len(texts) > 5 else ""
    module.fail_json(msg=f"{result['status']}: " + "; ".join(texts[:5]) + more, **result)
