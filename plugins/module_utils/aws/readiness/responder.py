# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the responder's role there, does it let us in, and does it take our name?"""

from __future__ import annotations

from collections.abc import Iterator

from ...common import estate
from ...common.errors import CloudError, EvictError
from ...common.plan import Call, Target
from .kind import Look, Row, missing, ok, unknown

NAME = "responder"
QUESTION = "Can the responder act in the account?"
READS: tuple[str, ...] = ()  # sts:AssumeRole is the caller's; assumed.py declares it
EACH = True
LOSS = "anything in this account"
_SAYS_NO = ("AccessDenied", "AccessDeniedException", "NoSuchEntity", "ValidationError")


def check(look: Look) -> Iterator[Row]:
    who = look.aws.responder_arn(look.account)
    try:
        seen = look.ask(Call(Target("aws", look.account), "sts", "GetCallerIdentity", {}))
    except EvictError as error:
        code = getattr(error if isinstance(error, CloudError) else error.__cause__, "code", "")
        # No answer, or a throttled one, says nothing about the role.
        lost = code and code not in _SAYS_NO
        yield unknown(error, object=who) if lost else missing(error.message, error.remedy, object=who)
        return
    if seen.get("Account") != look.account:
        yield missing(f"{who} leads into account {seen.get('Account')}", "correct connection.aws.role_arn", object=who)
        return
    if look.account in look.aws.roles.nameless:
        yield missing(
            "the role is assumed without a source identity: CloudTrail would not say who did it",
            "allow sts:SetSourceIdentity beside sts:AssumeRole in the role's trust and in the caller's policies",
            object=who, loss=estate.NAMELESS,
        )  # fmt: skip
        return
    yield ok(object=who)
