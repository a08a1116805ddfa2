# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Are the identities that are protected there, and could one of them still administer the account? Nobody can try to log in as them from here."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Probe
from . import simulation
from .kind import Look, Row, missing, ok

NAME = "break_glass"
QUESTION = "Are the break-glass identities there, and does nothing from above deny them?"
READS = ("iam:GetRole", "iam:GetUser")
EACH = True
LOSS = "repair the account when the responder's own role is lost"
PROBES = ("iam:AttachUserPolicy", "iam:CreateUser", "iam:PutRolePolicy")  # who may do these can give itself the rest
_NOTE = "break-glass is simulated; nobody can log in as it from here: try it by hand, twice a year"


def check(look: Look) -> Iterator[Row]:
    mine = [a for a in look.incident.protected if a.startswith("arn:") and a.split(":")[2:3] == ["iam"] and a.split(":")[4] == look.account]
    mine = [arn for arn in mine if ":role/" in arn or ":user/" in arn]
    if not mine:
        yield missing(
            "no identity of the account is protected", "name the break-glass role of the account under protected", object=look.account
        )
        return
    rows, working = [], ""
    for arn in mine:
        if not exists(look, arn):
            rows.append(missing(f"{arn} is protected and not there", "make it again, or take it out of protected", object=arn))
            continue
        verdicts = simulation.simulate(look, arn, PROBES)
        above = [v for v in verdicts if v.decision == "explicitDeny" or (v.by and "organization" in v.by) or "boundary" in v.by]
        if above:
            said = "; ".join(f"{v.action}: {v.by}" for v in above)
            rows.append(missing(f"{arn} could not do its work: {said}", "take what denies it away, or exempt it there", object=arn))
        elif all(not v.by for v in verdicts):
            working = arn
    yield from rows
    if working:
        yield ok(_NOTE, object=working)
    elif not rows:
        yield missing(
            "none of the protected identities may administer the account", "protect one that may, and that nobody uses", object=look.account
        )


def exists(look: Look, arn: str) -> bool:
    """Whether a user or role is there, under exactly this ARN. Raises ``EvictError`` when that cannot be read."""
    name = arn.rpartition("/")[2]
    absent = ("NoSuchEntity", "NoSuchEntityException")
    if ":role/" in arn:
        return bool(look.reader.read(Probe(Call(look.target, "iam", "GetRole", {"RoleName": name}), ("Role", "Arn"), absent)) == arn)
    return bool(look.reader.read(Probe(Call(look.target, "iam", "GetUser", {"UserName": name}), ("User", "Arn"), absent)) == arn)
