# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Key Vault: a new version with the same content type, tags and dates. The version of before stays enabled, for the way back."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ...common import credential_text
from ...common.errors import EvictError
from ...common.plan import Call, Edit, Phase, Probe, Step, Target
from ...common.reader import Reader
from .kind import Change, Place

KIND = "azure_key_vault"
NOUN = "Key Vault secret"
CLOUD = "azure"
READS: tuple[str, ...] = ()  # of AWS
_BACK = 10  # versions that are looked through for the old secret


def place(entry: Mapping[str, t.Any], _account: str) -> tuple[Target, str]:
    """``account``: the vault."""
    return Target(CLOUD, str(entry["at"])), str(entry["name"])


def _call(place: Place, operation: str, **more: str) -> Call:
    return Call(place.target, "keyvault", operation, {"name": place.name, **more})


def value(place: Place, reader: Reader) -> t.Any:
    found = reader.get(_call(place, "GetSecret"))
    if found.get("managed"):
        raise EvictError(f"{place.text} belongs to a certificate and is written by Key Vault alone", object=place.text, operation="rotate")
    return found["value"]


def kept(place: Place, key: str, reader: Reader) -> str:
    """The secret of ``key`` out of the versions before."""
    for version in reader.get(_call(place, "ListVersions"))["versions"][:_BACK]:
        try:
            found = credential_text.secret_of(reader.get(_call(place, "GetSecret", version=version["version"]))["value"], key)
        except EvictError:  # disabled
            continue
        if found:
            return found
    return ""


def steps(place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    """One Step. Its probe is how many versions there are, since Key Vault chooses their names: a lost answer, and somebody else's write, are seen."""
    document = {"kind": "keyvault.secret", "name": place.name}
    count = Probe(_call(place, "ListVersions"), ("count",))
    before, version = int(reader.read(count)), str(reader.get(_call(place, "GetSecret"))["version"])
    yield Step(
        id=change.step_id(place), principal=change.user, resource=place.text, action="use the new key", phase=Phase.CREDENTIAL,
        before=before, after=before + 1, probe=count, do=(Edit(place.target, document, "replace_credential", change.arguments(place, ["value"])),),
        undo=(Edit(place.target, {**document, "version": version}, "only", {"keys": ["value", "contentType", "tags", "attributes"]}),),
    )  # fmt: skip


def undone(step: Step) -> int:
    """Writing the old value again makes one more version."""
    return int(step.after) + 1
