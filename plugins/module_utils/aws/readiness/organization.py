# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the organization answer, are its policy types on, and may the management role write the fences?"""

from __future__ import annotations

from collections.abc import Iterator

from ...common.errors import EvictError
from .. import responders
from ..organization import RCP, SCP
from . import above, actions, simulation
from .kind import Look, Row, missing, ok, unknown

NAME = "organization"
QUESTION = "Does the organization answer, and can fences be written there?"
READS = ("iam:GetRole",)
EACH = False
LOSS = "fence from above the accounts; AWSDenyAll on each identity would take its place"


def check(look: Look) -> Iterator[Row]:
    about = above.about(look)
    if about.get("FeatureSet") == "CONSOLIDATED_BILLING":
        yield missing(
            "the organization has consolidated billing only", "enable all features of the organization", object=str(about.get("Id"))
        )
        return
    types, fine = above.enabled(look), True
    for form in (SCP, RCP):
        if form.type not in types:
            fine = False
            yield missing(
                f"{form.noun.replace('policy', 'policies')} are not enabled", f"aws organizations enable-policy-type --policy-type {form.type}",
                object=form.type, loss="" if form is SCP else "deny on resources (S3, STS, KMS, SQS, Secrets Manager) from above the accounts",
            )  # fmt: skip
    rows = list(_writes(look))
    yield from rows
    if fine and not rows:
        yield ok(object=str(about.get("Id") or ""))


def _writes(look: Look) -> Iterator[Row]:
    """What the one who writes there may not do."""
    who = look.aws.management_arn
    try:
        arn = responders.exact(look.aws, who)[0]
        for verdict, why in simulation.denied(look, arn, actions.MANAGEMENT):
            remedy = "give it docs/permissions/aws-management.json"
            yield missing(f"{verdict.action} is not allowed to {arn}: {verdict.by}", remedy, object=verdict.action, loss=why)
    except EvictError as error:
        yield unknown(error, object=who)
