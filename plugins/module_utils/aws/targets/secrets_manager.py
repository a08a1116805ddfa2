# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets Manager: a new version under AWSPENDING, then AWSCURRENT moves to it. The version of before stays under AWSPREVIOUS, for the way back."""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Iterator

from ...common import credential_text
from ...common.errors import CloudError, EvictError
from ...common.plan import Call, Edit, Phase, Probe, Step
from ...common.reader import Reader
from ..resources import secret
from .kind import Change, Place, Reading

KIND = "secrets_manager"
NOUN = "secret"
READS: tuple[str, ...] = (
    "secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy", "secretsmanager:GetSecretValue", "secretsmanager:ListSecretVersionIds",
)  # fmt: skip


def value(place: Place, reader: Reader) -> t.Any:
    answer = reader.get(Call(place.target, "secretsmanager", "GetSecretValue", {"SecretId": place.name}))
    if answer.get("SecretString") is None:
        raise EvictError(f"{place.text} holds no text", object=place.text, operation="secretsmanager:GetSecretValue")
    return answer["SecretString"]


def reading(place: Place, reader: Reader) -> Reading:
    facts = reader.get(Call(place.target, "secretsmanager", "DescribeSecret", {"SecretId": place.name}))
    probe, _write = secret.document(place.target, {"SecretId": place.name})
    key = str(facts.get("KmsKeyId") or "")
    actions = ("secretsmanager:GetSecretValue", "secretsmanager:PutResourcePolicy")  # the second gives the first
    return Reading(actions, str(facts["ARN"]), reader.read(probe), key)


def kept(place: Place, key: str, reader: Reader) -> str:
    """The secret of ``key`` out of the version of before, or out of one that waits."""
    for stage in ("AWSPREVIOUS", "AWSPENDING"):
        try:
            answer = reader.get(Call(place.target, "secretsmanager", "GetSecretValue", {"SecretId": place.name, "VersionStage": stage}))
        except CloudError as error:
            if error.code != "ResourceNotFoundException":  # there is no version with that label
                raise
            continue
        if secret := credential_text.secret_of(answer.get("SecretString") or "", key):
            return secret
    return ""


def changed(place: Place, reader: Reader) -> str:
    return str(reader.get(Call(place.target, "secretsmanager", "DescribeSecret", {"SecretId": place.name})).get("LastChangedDate") or "")


def steps(place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    """Two Steps: the version, and the label. The version's id is derived, so that a lost answer makes no second one; from the current version, too,

    so that a pending one that was made of an older text is never promoted. The label moves from that version or not at all: Secrets Manager looks.
    """
    secret = {"SecretId": place.name}
    stages = reader.get(Call(place.target, "secretsmanager", "DescribeSecret", secret)).get("VersionIdsToStages", {})
    current = next((v for v, labels in sorted(stages.items()) if "AWSCURRENT" in labels), "")
    version = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{change.step_id(place)} {current}"))
    listing = Call(place.target, "secretsmanager", "ListSecretVersionIds", {**secret, "IncludeDeprecated": True})
    there = Probe(listing, ("Versions", {"VersionId": version}, "VersionId"))
    made = change.step_id(place, "version")
    yield Step(
        id=made, principal=change.user, resource=f"{place.text}, new version", action="write the new key, pending", phase=Phase.CREDENTIAL,
        before=reader.read(there), after=version, probe=there,
        do=(Edit(place.target, {"kind": "secretsmanager.value", **secret, "VersionId": version}, "replace_credential", change.arguments(place)),),
        irreversible="a version without a label is deleted by Secrets Manager itself",
    )  # fmt: skip

    def label(name: str, **move: str) -> Call:
        return Call(place.target, "secretsmanager", "UpdateSecretVersionStage", {**secret, "VersionStage": name, **move})

    now = Probe(Call(place.target, "secretsmanager", "DescribeSecret", secret), ("VersionIdsToStages", version, {"": "AWSCURRENT"}))
    yield Step(
        id=change.step_id(place), principal=change.user, resource=place.text, action="use the new key", phase=Phase.CREDENTIAL,
        before=reader.read(now), after="AWSCURRENT", probe=now, needs=(made,),
        do=(label("AWSCURRENT", MoveToVersionId=version, RemoveFromVersionId=current), label("AWSPENDING", RemoveFromVersionId=version)),
        undo=(label("AWSCURRENT", MoveToVersionId=current, RemoveFromVersionId=version),),
    )  # fmt: skip
