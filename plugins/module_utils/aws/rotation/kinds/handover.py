# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a new secret is handed over: a secret in Secrets Manager that was made for it, empty, and that only its owner reads.

The version's id is derived, so that a repeated request makes no second one, and so that a run sees whether an earlier one had got that far.
"""

from __future__ import annotations

import dataclasses
import typing as t
import uuid
from collections.abc import Iterator

from ....common.errors import EvictError
from ....common.plan import Call, Phase, Probe, Secret, Step, Target
from ....common.reader import Reader

READS = ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue")


@dataclasses.dataclass(frozen=True)
class Handover:
    """``seed``: what is handed over; another one is another version."""

    target: Target
    secret: str
    seed: str

    @property
    def text(self) -> str:
        return f"secret {self.secret} in {self.target.region}"

    @property
    def version(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.seed} {self.secret}"))

    @property
    def probe(self) -> Probe:
        """Whether it is there."""
        listing = Call(self.target, "secretsmanager", "ListSecretVersionIds", {"SecretId": self.secret, "IncludeDeprecated": True})
        return Probe(listing, ("Versions", {"VersionId": self.version}, "VersionId"))


def other(one: Handover, reader: Reader) -> str:
    """Why it must not be written to: it holds something else; "" when it is empty, or holds what is handed over."""
    facts = reader.get(Call(one.target, "secretsmanager", "DescribeSecret", {"SecretId": one.secret}))
    if facts.get("DeletedDate"):
        return "it is scheduled for deletion"
    versions = {str(version) for version, labels in (facts.get("VersionIdsToStages") or {}).items() if labels}
    if not versions - {one.version}:
        return ""
    current = next((v for v, labels in facts["VersionIdsToStages"].items() if "AWSCURRENT" in labels), "")
    if current == one.version or (versions == {current} and not _any(one, reader)):
        return ""  # ours, with that of before behind it; or a version without a value
    return "it holds something already: make one for this alone, without a value"


def _any(one: Handover, reader: Reader) -> bool:
    found = reader.get(Call(one.target, "secretsmanager", "GetSecretValue", {"SecretId": one.secret}))
    return bool(found.get("SecretString") or found.get("SecretBinary"))


def kept(one: Handover, reader: Reader) -> str:
    """What is there, in memory."""
    sent = {"SecretId": one.secret, "VersionId": one.version}
    found = str(reader.get(Call(one.target, "secretsmanager", "GetSecretValue", sent)).get("SecretString") or "")
    if not found:
        raise EvictError(f"{one.text} has no text", object=one.text, operation="secretsmanager:GetSecretValue")
    return found


def steps(one: Handover, user: str, step_id: str, secret: Secret, reader: Reader) -> Iterator[Step]:
    """The value, from memory."""
    sent: dict[str, t.Any] = {"SecretId": one.secret, "ClientRequestToken": one.version, "SecretString": secret}
    yield Step(
        id=step_id, principal=user, resource=one.text, action="hand over the new secret", phase=Phase.CREDENTIAL, before=reader.read(one.probe),
        after=one.version, probe=one.probe, do=(Call(one.target, "secretsmanager", "PutSecretValue", sent),),
        irreversible="its owner takes it from there, then deletes that secret",
    )  # fmt: skip
