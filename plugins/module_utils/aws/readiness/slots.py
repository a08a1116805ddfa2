# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is there room for the fences above the account that contain makes on the spot?"""

from __future__ import annotations

from collections.abc import Iterator

from .. import organization, service_control
from ..organization import RCP, SCP, Form
from . import above
from .kind import Look, Row, missing, ok

NAME = "slots"
QUESTION = "Is a slot free for a service and a resource control policy of an incident?"
READS: tuple[str, ...] = ()
EACH = True
LOSS = "fence from above the account; AWSDenyAll on each identity would take its place"
_ROOM = 900  # characters: a fence of one user with three exempt roles
_LIMITS = service_control.Limits()


def check(look: Look) -> Iterator[Row]:
    if above.exempt_by_aws(look):
        yield ok()
        return
    types = above.enabled(look)
    fine = True
    for form in (SCP, RCP):
        if form.type in types and (row := _full(look, form)):
            fine = False
            yield row
    if fine:
        yield ok(object=look.account)


def _full(look: Look, form: Form) -> Row | None:
    found = above.attached(look, look.account, form)
    if len(found) < _LIMITS.slots:
        return None
    ours = [p for p in found if str(p.get("Name", "")).startswith(organization.PREFIX)]  # an incident may use those with others
    if any(len(service_control.text(above.document(look, p["Id"]))) + _ROOM <= _LIMITS.size for p in ours):
        return None
    return missing(
        f"{len(found)} of {_LIMITS.slots} {form.noun.replace('policy', 'policies')} are attached to the account, and none of them has room",
        "merge two of them, or attach them to an organizational unit instead",
        object=form.noun, loss="" if form is SCP else "deny on resources (S3, STS, KMS, SQS, Secrets Manager) from above the account",
    )  # fmt: skip
