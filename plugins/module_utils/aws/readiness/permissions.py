# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""May the responder do what contain does? Simulated, action by action, over the list that the code's own calls make (actions.py)."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.errors import EvictError
from .. import responders
from . import actions, simulation
from .kind import UNKNOWN, Look, Row, missing, ok

NAME = "permissions"
QUESTION = "May the responder do there what contain does?"
READS = ("iam:GetRole",)
EACH = True
LOSS = "not known what, since its permissions could not be simulated"
_REMEDY = "give {who} docs/permissions/aws-responder.json, and take what denies it away (service control policies, boundary)"


def check(look: Look) -> Iterator[Row]:
    who = _principal(look)
    if not who:
        arn = look.aws.responder_arn(look.account)
        if arn.endswith(":root"):
            yield ok("the responder is the root user, whose permissions cannot be simulated; only the organization's policies limit it")
        else:
            yield Row(UNKNOWN, f"the permissions of {arn} cannot be simulated", arn, "respond as a user or a role")
        return
    fine = True
    for verdict, why in simulation.denied(look, who, actions.RESPONDER):
        fine = False
        yield missing(f"{verdict.action} is not allowed to {who}: {verdict.by}", _REMEDY.format(who=who), object=verdict.action, loss=why)
    if fine:
        yield ok(object=who)


def _principal(look: Look) -> str:
    """The user or role whose policies count; "" where there is none to be simulated."""
    arn = look.aws.responder_arn(look.account)
    if ":user/" not in arn and ":assumed-role/" not in arn and ":role/" not in arn:
        return ""
    found = responders.exact(look.aws, arn)
    if len(found) > 1:
        raise EvictError(f"the path of {arn} is not known", object=arn, operation="iam:GetRole", remedy="allow iam:GetRole on it")
    return found[0]
