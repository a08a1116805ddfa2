# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the standing fence deployed above the account, whole, and does it let the responder and break-glass through?

Read as a document. Whether it bites on a live session only a canary shows, which is a change: ``aws_account_fence`` with ``state: verified``.
"""

from __future__ import annotations

from collections.abc import Iterator

from .. import responders, standing_fence
from . import above
from .kind import Look, Row, missing, ok

NAME = "standing_fence"
QUESTION = "Is the standing fence (SCP) deployed above the account?"
READS: tuple[str, ...] = ()
EACH = True
LOSS = "fence with a tag alone (account_fence: pre_deployed), which needs no write in the organization"
_DEPLOY = "deploy what aws_account_fence with state: rendered prints, or leave standing_fence out of readiness_checks"


def check(look: Look) -> Iterator[Row]:
    if above.exempt_by_aws(look):
        yield ok("AWS exempts the management account from every control policy: keep workloads and keys out of it")
        return
    fences = above.standing(look)
    if not fences:
        yield missing("no service control policy above the account waits for the tag evict-quarantine", _DEPLOY, object=standing_fence.NAME)
        return
    name, exempt, lacks = min(fences, key=lambda found: len(found[2]))
    if lacks:
        yield missing(f"{name} lacks its statements {', '.join(lacks)}: it can be got round", _DEPLOY, object=name)
        return
    own = [arn for arn in look.incident.protected if f":{look.account}:" in arn and (":role/" in arn or ":user/" in arn)]
    wanted = [*responders.exact(look.aws, look.aws.responder_arn(look.account)), *own]
    for arn in wanted:
        if arn.split(":")[4] == look.account and not any(above.matches(pattern, arn) for pattern in exempt):
            yield missing(
                f"{name} does not exempt {arn}", "render it again with this ARN in exempt, and deploy that", object=name,
                loss="lift the fence, or act with that identity on what carries the tag",
            )  # fmt: skip
            return
    yield ok(f"{name} is there as a document; that it bites shows aws_account_fence with state: verified", object=name)
