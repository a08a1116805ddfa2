# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Google Secret Manager: a new version, and aliases that led to the one of before lead to it. The version of before stays enabled, for the way back.

An alias moves only where the newest version is what it leads to, bar the credential: a rotation deploys nothing.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ...common import credential_text
from ...common.errors import EvictError
from ...common.plan import Call, Edit, Phase, Probe, Step, Target
from ...common.reader import Reader
from .kind import Change, Place

KIND = "gcp_secret_manager"
NOUN = "Google secret"
CLOUD = "gcp"
READS: tuple[str, ...] = ()  # of AWS
_BACK = 10  # versions that are looked through for the old secret


def place(entry: Mapping[str, t.Any], _account: str) -> tuple[Target, str]:
    """``account``: the project."""
    parts = str(entry["name"]).split("/")
    return Target(CLOUD, parts[1], parts[3] if parts[2] == "locations" else ""), parts[-1]


def _call(place: Place, operation: str, **more: t.Any) -> Call:
    return Call(place.target, "secretmanager", operation, {"name": str(place.spec["name"]), **more})


def value(place: Place, reader: Reader) -> t.Any:
    return reader.get(_call(place, "AccessVersion"))["value"]


def _aliases(place: Place, reader: Reader) -> dict[str, str]:
    """{alias: version}."""
    found = reader.get(_call(place, "GetSecret")).get("versionAliases") or {}
    return {str(alias): str(version) for alias, version in sorted(found.items())}


def _version(place: Place, version: t.Any, reader: Reader) -> str:
    return str(reader.get(_call(place, "AccessVersion", version=str(version)))["value"])


def served(place: Place, reader: Reader) -> list[t.Any]:
    """What aliases lead to."""
    return [_version(place, version, reader) for version in sorted(set(_aliases(place, reader).values()))]


def refuse(place: Place, key: str, new: str, reader: Reader) -> None:
    _moving(place, key, new, reader)


def _moving(place: Place, key: str, new: str, reader: Reader) -> dict[str, str]:
    """The aliases that lead to ``key`` and have to go on. Raises when that would deploy anything but the new key."""
    newest, moving = value(place, reader), {}
    for alias, version in _aliases(place, reader).items():
        text = _version(place, version, reader)
        if _holds(text, key, place):
            if _bare(text, key, place) != _bare(newest, key if _holds(newest, key, place) else new, place):
                raise EvictError(f"{place.text}: alias {alias} leads to version {version}, from which the newest differs in more than the key: lead it to"
                                 " the newest, or delete it, first", object=place.text, operation="rotate")  # fmt: skip
            moving[alias] = version
    return moving


def _holds(text: str, key: str, place: Place) -> bool:
    return place.half == "secret" or bool(key and credential_text.identities(text, {key}))


def _bare(text: str, key: str, place: Place) -> t.Any:
    """``text`` without the credential."""
    if place.half:
        return ""
    return credential_text.replaced(text, key, "-", "-") if _holds(text, key, place) else text


def kept(place: Place, key: str, reader: Reader) -> str:
    """The secret of ``key`` out of the versions before."""
    newest = int(reader.get(_call(place, "GetVersion"))["version"])
    for version in range(newest, max(0, newest - _BACK), -1):
        try:
            found = credential_text.secret_of(_version(place, version, reader), key)
        except EvictError:  # disabled, or destroyed
            continue
        if found:
            return found
    return ""


def steps(place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    """The version, and each alias. The probe of the version is its number, so that a lost answer, and somebody else's version, are seen."""
    name = {"name": str(place.spec["name"])}
    number = Probe(_call(place, "GetVersion"), ("version",))
    before, moving = int(reader.read(number)), _moving(place, change.old, change.new, reader)
    own, fresh = change.step_id(place), before
    needs: tuple[str, ...] = ()
    if _holds(value(place, reader), change.old, place):
        fresh, needs = before + 1, (own,)
        document = {"kind": "secretmanager.secret", **name}
        yield Step(
            id=own, principal=change.user, resource=place.text, action="use the new key", phase=Phase.CREDENTIAL,
            before=before, after=fresh, probe=number, do=(Edit(place.target, document, "replace_credential", change.arguments(place)),),
            undo=(Edit(place.target, {**document, "version": before}, "only", {"keys": ["value"]}),),
        )  # fmt: skip
    for alias, version in moving.items():
        at, led = ["versionAliases", alias], Probe(_call(place, "GetSecret"), ("versionAliases", alias))
        yield Step(
            id=change.step_id(place, f"alias/{alias}"), principal=change.user, resource=f"{place.text}, alias {alias}", needs=needs,
            action="lead to the version with the new key", phase=Phase.CREDENTIAL, before=version, after=str(fresh), probe=led,
            do=(Edit(place.target, {"kind": "secretmanager.aliases", **name}, "replace_value", {"path": at, "value": str(fresh)}),),
            undo=(Edit(place.target, {"kind": "secretmanager.aliases", **name}, "replace_value", {"path": at, "value": version}),),
        )  # fmt: skip


def undone(step: Step) -> t.Any:
    """Adding the old value again makes one more version; an alias leads to where it led."""
    return int(step.after) + 1 if isinstance(step.after, int) else step.before
