# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""aws_resource: isolate named compute of a case, or give it back."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ..common.case import Case
from ..common.errors import Refused
from ..common.run import Runner
from . import residual
from .compute import chosen
from .compute.chosen import NOTE, Wanted
from .isolation import Isolation
from .quarantine import LONGEST
from .release import Order, Release
from .respond import Response
from .session import Aws, iso
from .verbs import released

_DONE = ("isolated", "stopped", "would be isolated", "gone")


def resource_state(aws: Aws, case: Case, runner: Runner, params: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The body of the module: params are its options."""
    if params["state"] == "absent":
        return {**released(case, Release(aws, case, runner, Order(only=tuple(params["resources"])))), "isolated": []}
    run = Response(aws, case, runner)
    isolation = Isolation(run)
    isolation.stopping = params["action"] == "stop"
    wanted, unknown = chosen.by_name(run, params["resources"], params["account"] or aws.caller["account"], isolation.gaps)
    for text in unknown:
        run.refuse(
            Refused(
                f"{text} is not there, or nothing that is isolated", object=text, operation="resolve",
                remedy="pass the ARN of an EC2 instance, a Lambda function or an ECS task, or the id of an instance and its account",
            ),
            text,
        )  # fmt: skip
    sources = {n["data"]["arn"]: n["data"]["source"] for n in case.notes(NOTE) if n["data"]["source"]}
    admitted = {
        arn: dataclasses.replace(one, source=sources.get(arn, ""))
        for arn, one in wanted.items()
        if _admit(run, one, arn in sources, isolation)
    }
    isolation.work(admitted)
    rows, failed = isolation.rows(), run.refused + runner.failures
    done = [row for row in rows if row["state"] in _DONE]
    roles = sorted({role for n in case.notes(NOTE) for role in n["data"]["roles"] if n["data"]["arn"] in admitted})
    until, why = (
        iso(aws.now() + LONGEST),
        "what is isolated was given its credentials until now: run contain again, or evict.cloud.aws_session with revoke_again: true",
    )
    open_items = isolation.open_items()
    status = ("partial" if done else "refused" if run.refused else "error") if failed else "open" if open_items else "ok"
    return {
        "status": status, "incident": case.incident.id, "principals": [], "failed": failed, "open": open_items, "isolated": rows,
        "residual": [residual.row(role, "service-held role session", until, why) for role in roles] if not runner.check else [],
        "recovered": isolation.recovered,
    }  # fmt: skip


def _admit(run: Response, one: Wanted, started: bool, isolation: Isolation) -> bool:
    """Not what the incident exempts; and what is to be stopped must be the attacker's."""
    if one.arn in run.incident.compute.exempt:
        why, remedy = "the incident file exempts it (compute.exempt)", "take it out of the list first"
    elif isolation.stopping and not started:
        why = "nothing shows that a suspect of this case started it, and nothing else is ever stopped"
        remedy = "isolate it; or run contain with the quick scope, which reads in CloudTrail who started what"
    else:
        return True
    run.refuse(Refused(f"{one.arn} is refused: {why}", object=one.arn, operation="guard compute", remedy=remedy), one.arn)
    return False
