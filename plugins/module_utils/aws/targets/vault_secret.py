# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HashiCorp Vault, KV version 2: a new version, made of the one that was read or not written at all. The version of before stays, for the way back."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ...common import credential_text
from ...common.errors import EvictError
from ...common.plan import Call, Edit, Phase, Probe, Step, Target
from ...common.reader import Reader
from .kind import Change, Place

KIND = "vault"
NOUN = "Vault secret"
CLOUD = "vault"
READS: tuple[str, ...] = ()  # of AWS
_BACK = 10  # versions that are looked through for the old secret


def place(entry: Mapping[str, t.Any], _account: str) -> tuple[Target, str]:
    """``region``: the mount."""
    field = f", field {entry['field']}" if entry.get("field") else ""
    return Target(CLOUD, str(entry["at"]), str(entry.get("mount") or "secret")), f"{entry['name']}{field}"


def _address(place: Place) -> dict[str, t.Any]:
    return {"mount": place.target.region, "path": str(place.spec["name"])}


def _read(place: Place, **version: int) -> Call:
    return Call(place.target, "vault", "ReadSecret", {**_address(place), **version})


def _of(place: Place, data: Mapping[str, t.Any]) -> t.Any:
    field = str(place.spec.get("field") or "")
    if not field:
        return data
    value = data.get(field)
    if value is not None and not isinstance(value, str):
        raise EvictError(f"{place.text} is no text", object=place.text, operation="rotate")
    return value


def value(place: Place, reader: Reader) -> t.Any:
    """All fields, or the text of the one that was declared."""
    return _of(place, reader.get(_read(place))["data"])


def kept(place: Place, key: str, reader: Reader) -> str:
    """The secret of ``key`` out of the versions before."""
    newest = int(reader.get(_read(place))["version"])
    for version in range(newest, max(0, newest - _BACK), -1):
        try:
            found = credential_text.secret_of(_of(place, reader.get(_read(place, version=version))["data"]) or "", key)
        except EvictError:  # deleted, or destroyed
            continue
        if found:
            return found
    return ""


def steps(place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    """One Step. Its probe is the number of the version, so that somebody else's write in between is seen."""
    document = {"kind": "vault.secret", **_address(place)}
    version = Probe(_read(place), ("version",))
    before, at = int(reader.read(version)), [str(place.spec["field"])] if place.spec.get("field") else None
    yield Step(
        id=change.step_id(place), principal=change.user, resource=place.text, action="use the new key", phase=Phase.CREDENTIAL,
        before=before, after=before + 1, probe=version, do=(Edit(place.target, document, "replace_credential", change.arguments(place, at)),),
        undo=(Edit(place.target, {**document, "version": before, "cas": before + 1}, "only", {"keys": ["data"]}),),
    )  # fmt: skip


def undone(step: Step) -> int:
    """Writing the old fields again makes one more version."""
    return int(step.after) + 1
