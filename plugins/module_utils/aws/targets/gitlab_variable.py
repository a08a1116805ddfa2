# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CI/CD variables of GitLab: the value is written over, what protects it stays. There are no versions: the way back needs the old secret from elsewhere."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ...common.errors import EvictError
from ...common.plan import Call, Edit, Phase, Probe, Ref, Step, Target
from ...common.reader import Reader
from .kind import Change, Place

KIND = "gitlab_ci"
NOUN = "GitLab variable"
CLOUD = "gitlab"
READS: tuple[str, ...] = ()  # of AWS
_DEFAULT = "gitlab.com"


def place(entry: Mapping[str, t.Any], _account: str) -> tuple[Target, str]:
    """``region``: the project or group, which may have the same number; "instance" where it is neither's."""
    scope = f", scope {entry['environment_scope']}" if entry.get("environment_scope") else ""
    owner = str(entry["project"]) if entry.get("project") else f"group {entry['group']}" if entry.get("group") else "instance"
    return Target(CLOUD, str(entry.get("at") or _DEFAULT), owner), f"{entry['name']}{scope}"


def _address(place: Place) -> dict[str, t.Any]:
    scope = {"scope": str(place.spec["environment_scope"])} if place.spec.get("environment_scope") else {}
    return {**{key: str(place.spec[key]) for key in ("name", "project", "group") if place.spec.get(key)}, **scope}


def _read(place: Place) -> Call:
    return Call(place.target, "gitlab", "GetVariable", _address(place))


def value(place: Place, reader: Reader) -> t.Any:
    found = reader.get(_read(place))
    if found.get("value") is None:
        raise EvictError(f"{place.text} is hidden: nobody can read it, so it can be neither edited nor proven", object=place.text, operation="rotate",
                         remedy="replace it by one that is masked and not hidden, or move it by hand and take it out of the list")  # fmt: skip
    return found["value"]


def steps(place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    """One Step. Its probe are the ids of access keys in the value; of a secret alone eight digits of its hash."""
    value(place, reader)
    document, own, found = {"kind": "gitlab.variable", **_address(place)}, change.step_id(place), reader.get(_read(place))
    probe = Probe(_read(place), ("mark",) if place.half == "secret" else ("ids",))
    after = Ref(own, ("mark",)) if place.half == "secret" else sorted({*found["ids"], change.new} - {change.old})
    given = {
        **change.arguments(place, ["value"]),
        "old": change.new,
        "new": change.old,
        "secret": "" if place.half == "id" else change.back(place),
    }
    back = place.half == "id" or change.kept
    yield Step(
        id=own, principal=change.user, resource=place.text, action="use the new key", phase=Phase.CREDENTIAL,
        before=reader.read(probe), after=after, probe=probe, do=(Edit(place.target, document, "replace_credential", change.arguments(place, ["value"])),),
        undo=(Edit(place.target, document, "replace_credential", given),),
        irreversible="" if back else "GitLab keeps no older value, and no other dependent keeps the old secret: only the run that wrote it can take it back",
    )  # fmt: skip
