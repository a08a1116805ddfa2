# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the aws_* modules share: options, the opening of case, AWS and runner, and the way out with a result."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

from ..common import case as cases
from ..common import drafts, errors, manual, situation
from ..common.case import Case
from ..common.message import about
from ..common.pool import at_least_one
from ..common.run import Runner
from ..outside.clouds import Clouds
from . import own
from .session import ARGUMENTS as CONNECTION
from .session import Aws, iso

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

RUN = {"threads": {"type": "int", "default": 16}, "threads_per_account": {"type": "int", "default": 8}}
ARGUMENTS: dict[str, dict[str, t.Any]] = {**CONNECTION, **cases.ARGUMENTS, **RUN}
_TABLES = ("aws_contain", "aws_credential_rotation", "aws_restore")
_ROWS = 500  # steps listed in a result; the ledger has all
Body = Callable[[Aws, Case, Runner], dict[str, t.Any]]


def connect(params: Mapping[str, t.Any], from_incident: Mapping[str, t.Any] | None = None, *, incident: str = "") -> Aws:
    """AWS as the module's options say, for what they leave out as the incident says, for the rest as the SDK's own chain says."""
    at_least_one(params, *RUN)
    options = {**(from_incident or {}), **{k: v for k in CONNECTION if (v := params.get(k)) is not None}}
    return Aws(options, incident=incident, threads=int(params.get("threads") or 16))


def _covers(params: Mapping[str, t.Any]) -> str:
    return "resolve" if params.get("phase") == "resolve" else "share" if params.get("shares") else "whole"


def _abort(case: Case, error: Exception, params: Mapping[str, t.Any], changed: int = 0) -> None:
    """Of hosts side by side the result is written when theirs are put together."""
    case.abort(None if params.get("shares") else error, changed)


def change(
    module: AnsibleModule, body: Body, *, contain: bool = False, read: Callable[[Mapping[str, t.Any]], object] | None = None
) -> t.NoReturn:
    """Run a mutating verb. ``body`` returns the result without changed, diff, steps and head; ``status`` other than ok fails the task.

    ``read`` refuses options that cannot be meant, before the case is opened or taken over.
    """
    result: dict[str, t.Any] = {}
    name = str(module._name).rsplit(".", 1)[-1]
    with errors.handler(module):
        at_least_one(module.params, *RUN)
        if read:
            read(module.params)
        case = Case.open(module.params, module=name, check=module.check_mode, contain=contain)
        try:
            try:
                aws = connect(module.params, case.incident.connection.get("aws"), incident=case.incident.id)
                case.ledger.caller = aws.caller["arn"]
                case.warnings += aws.warnings(starting=True)
                own.under_another_name(aws, case)
            except Exception as error:
                _abort(case, error, module.params)  # so that it is told
                raise
            clouds = Clouds({"aws": aws}, case.incident, module.params.get("dependents") or case.incident.dependents)
            runner = Runner(
                clouds, None if module.check_mode else own.Journal(case, aws), check=module.check_mode, threads=module.params["threads"],
                per_account=module.params["threads_per_account"], stopped=case.stopped, history=case.answers,
                now=lambda: iso(aws.now()), beside=lambda: own.meanwhile(case),
            )  # fmt: skip
            try:
                # What a killed run left is settled first, except that nothing may come before a fence.
                left = case.ledger.open_intents()
                recovered = [] if contain else runner.recover(left)
                result = body(aws, case, runner)
                if contain and not case.stopped():  # of runs that have died beside this one as well
                    recovered += runner.recover([*left, *(step for step in case.ledger.open_intents() if step not in left)])
                result |= {"changed": runner.changed, "recovered": [*result.get("recovered", []), *recovered]}
                if missed := [f for f in runner.failures if f not in result["failed"]]:
                    result |= {"failed": result["failed"] + missed, "status": "partial" if result["status"] == "ok" else result["status"]}
                if not module.check_mode:
                    manual.keep(case, result.get("manual", []))
                # Of what ends in a table; of hosts side by side when their results are put together.
                if name in _TABLES and module.params.get("phase") != "resolve" and not module.params.get("shares"):
                    case.warnings += situation.add(result, case.incident, case.ledger.state.notes, contains=contain)
                    case.warnings += drafts.keep(case.store, case.incident, result) if contain and not module.check_mode else []
            except Exception as error:
                _abort(case, error, module.params, runner.changed)
                raise
            finally:
                runner.close()
                case.warnings += aws.warnings()
            try:
                if not module.check_mode:
                    case.ledger.flush()
                    case.store_lost(result)
                ends = {"changed": runner.changed, "covers": result.pop("covers", _covers(module.params)), "about": about(result)}
                result["head"] = case.end(result["status"], None if module.params.get("shares") else result, **ends)
            except errors.EvictError as error:
                _abort(case, error, module.params, runner.changed)
                raise
            case.store_lost(result)
            result |= {
                "diff": runner.diff() if module._diff else [],
                "steps": [d.row() for d in list(runner.done.values())[:_ROWS]],
                "calls": aws.calls,
            }
        finally:
            case.close()
            for warning in case.warnings:
                module.warn(warning)
    errors.leave(module, result, runner.changed)
