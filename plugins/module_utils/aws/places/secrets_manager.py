# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets Manager: every version that has a label (current, pending, previous). An id and its secret may also be two secrets with names alike."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterator

from ...common.errors import CloudError
from ...common.plan import Call, Target
from ...common.reader import Reader
from ..halves import secretive, twins
from ..needles import Needles
from .kind import LIKELY, OLD, SURE, Found, Part, Seen, Told, found, pages

KIND = "secrets_manager"
NOUN = "Secrets Manager secrets"
READS: tuple[str, ...] = ("secretsmanager:ListSecrets", "secretsmanager:GetSecretValue")
_STATES = {"AWSCURRENT": ("current", SURE), "AWSPENDING": ("pending", LIKELY), "AWSPREVIOUS": ("previous", OLD)}
_GONE = "ResourceNotFoundException"  # deleted meanwhile, or a secret that has no value yet


def search(target: Target, needles: Needles, reader: Reader) -> Iterator[Told]:
    for page in pages(reader, target, "secretsmanager", "ListSecrets", {}, 100):
        for secret in page.get("SecretList", []):
            yield Part(str(secret["ARN"]), lambda secret=secret: _look(target, secret, needles, reader))  # type: ignore[misc]


def _look(target: Target, secret: dict[str, t.Any], needles: Needles, reader: Reader) -> Iterator[Told]:
    yield Seen()
    versions = {v: stages for v, stages in (secret.get("SecretVersionsToStages") or {}).items() if stages} or {"": ["AWSCURRENT"]}
    for version, stages in sorted(versions.items(), key=lambda v: "AWSCURRENT" not in v[1]):
        asked = {"SecretId": secret["ARN"]} | ({"VersionId": version} if version else {})
        try:
            value = reader.get(Call(target, "secretsmanager", "GetSecretValue", asked))
        except CloudError as error:
            if error.code == _GONE:
                continue
            raise
        spots = needles.find(value.get("SecretString") or "", "SecretString") + needles.find_encoded(
            value.get("SecretBinary"), "SecretBinary"
        )
        state, confidence = next((_STATES[s] for s in _STATES if s in stages), (f"labelled {', '.join(sorted(stages))}", LIKELY))
        data: dict[str, t.Any] = {"name": secret.get("Name", ""), "stages": sorted(stages)}
        if secret.get("PrimaryRegion") not in (None, target.region):
            data["primary"] = secret["PrimaryRegion"]  # this one is a replica, which nobody can write
        if secret.get("OwningService"):
            data["owner"] = secret["OwningService"]  # written through that service
        for told in found(target, str(secret["ARN"]), f"secret {secret.get('Name')} in {target.region}", spots, state=state,
                          version=str(value.get("VersionId") or version), confidence=confidence, data=data):  # fmt: skip
            yield _paired(told, target, str(secret.get("Name", "")), needles, reader)


def _paired(told: Told, target: Target, name: str, needles: Needles, reader: Reader) -> Told:
    """With where the secret stands, if the id is all that is in this one and a secret with a name alike holds the rest."""
    if (
        not isinstance(told, Found)
        or not needles.pairs
        or told.state != "current"
        or any(s.secret or s.at[0]["form"] != "value" for s in told.spots)
    ):
        return told
    for twin in twins(name):
        try:
            value = reader.get(Call(target, "secretsmanager", "GetSecretValue", {"SecretId": twin}))
        except CloudError:
            continue
        if secretive(twin, str(value.get("SecretString") or "")):
            beside = ({"form": "secret", "at": twin, "id": str(value["ARN"]), "version": str(value.get("VersionId", ""))},)
            return dataclasses.replace(told, spots=tuple(dataclasses.replace(s, secret=beside) for s in told.spots))
    return told
