# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does anybody hold a name that the standing fence exempts, or could somebody take it? Whoever has it lifts the fence."""

from __future__ import annotations

from collections.abc import Iterator

from .. import responders
from . import above
from .break_glass import exists
from .kind import Look, Row, missing, ok

NAME = "exempt_names"
QUESTION = "Are the names that the standing fence exempts held by those who should have them, and by nobody else?"
READS: tuple[str, ...] = ()
EACH = True
LOSS = "keep the standing fence closed: somebody else would be exempt from it"
_GUARDS = {"EvictStandingExempt", "EvictStandingTag", "EvictStandingTagged"}


def check(look: Look) -> Iterator[Row]:
    fences = [] if above.exempt_by_aws(look) else above.standing(look)
    if not fences:
        yield ok()
        return
    own = {*responders.exact(look.aws, look.aws.responder_arn(look.account)), *look.incident.protected, *look.incident.trusted.principals,
           *look.incident.automations}  # fmt: skip
    fine = True
    for name, exempt, lacks in fences:
        open_ = sorted(_GUARDS.intersection(lacks))
        for pattern in exempt:
            arn = pattern.replace(":iam::*:", f":iam::{look.account}:")
            if arn.split(":")[4] != look.account or "*" in arn.split(":", 5)[5]:
                continue
            there = exists(look, arn)
            if there and arn not in own:
                fine = False
                yield missing(
                    f"{arn} is there, {name} exempts it, and nothing says that it is yours",
                    "list it under protected, trusted.principals or automations if it is, else delete it", object=arn
                )  # fmt: skip
            elif not there and open_:
                fine = False
                yield missing(
                    f"{name} exempts {arn}, which is not there, and does not keep others from making it", "deploy the standing fence whole", object=arn
                )  # fmt: skip
    if fine:
        yield ok()
