# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tag on a user or role that names the incidents which hold it in some way: where a control can be there only once, the last of them takes it away.

Incident ids hold no character that a tag may not, and no space, which divides them here.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ..common.plan import Call, Phase, Probe, Step, Target
from ..common.reader import Reader
from .principal import Principal

READS = ("iam:GetUser", "iam:GetRole")
LONGEST = 256  # characters of a tag's value


def step_id(arn: str, key: str) -> str:
    return f"{arn}#tag/{key}"


def probe(principal: Principal, key: str) -> Probe:
    return probe_of(principal.kind, principal.name, principal.target, key)


def probe_of(kind: str, name: str, target: Target, key: str) -> Probe:
    noun = kind.capitalize()
    return Probe(Call(target, "iam", f"Get{noun}", {f"{noun}Name": name}), (noun, "Tags", {"Key": key}, "Value"))


def holders(value: t.Any) -> list[str]:
    return str(value or "").split()


def add(
    principal: Principal, key: str, incident: str, reader: Reader, action: str, more: Mapping[str, str] | None = None, *, there: bool = True
) -> Step:
    """The Step that adds ``incident`` to the holders; ``more``: tags that are set with it. ``there``: whether what they hold is there.

    Where it is not, the tag says nothing true, and may be the suspect's own work: what it says is replaced, and put back by a release. Where no further
    incident fits in, it stays as it is: what it claims holds anyway, and no claim is worth an error that would stop a control.
    """
    before = reader.read(probe(principal, key))
    held = holders(before)
    after = before if incident in held else " ".join([*held, incident])
    if not there and held != [incident]:
        after = incident
    if len(after) > LONGEST:
        after = before
    noun = principal.kind.capitalize()
    tags = [{"Key": k, "Value": v} for k, v in {**(more or {}), key: after}.items()]
    name = {f"{noun}Name": principal.name}
    untag = Call(principal.target, "iam", f"Untag{noun}", {**name, "TagKeys": [entry["Key"] for entry in tags]})
    put_back = Call(principal.target, "iam", f"Tag{noun}", {**name, "Tags": [{"Key": key, "Value": before}]})
    return Step(
        id=step_id(principal.arn, key), principal=principal.arn, resource=f"{principal.arn} tag {key}", action=action, phase=Phase.FENCE, before=before,
        after=after, do=(Call(principal.target, "iam", f"Tag{noun}", {**name, "Tags": tags}),), optional=True, probe=probe(principal, key),
        undo=(untag, put_back) if _replaced(before, after) else (untag,),
    )  # fmt: skip


def _replaced(before: t.Any, after: t.Any) -> bool:
    """Whether ``before`` named holders that ``after`` does not."""
    return bool(set(holders(before)) - set(holders(after)))


def drop(first: Step, made: Step, incident: str, reader: Reader) -> tuple[list[str], dict[str, t.Any] | None]:
    """(who else holds it; before, after and do of the Step that takes ``incident`` out of it, None when it is out).

    ``first``, ``made``: the case's first change of it and its latest. What the first one replaced comes back with the last holder.
    """
    before = reader.read(made.probe) if made.probe else None
    held = holders(before)
    others = [h for h in held if h != incident]
    if incident not in held:
        return others, None
    if not others:
        replaced = _replaced(first.before, first.after)
        return others, {"before": before, "after": first.before if replaced else None, "do": first.undo if replaced else made.undo}
    tag = t.cast(Call, made.do[0])
    tags = [{**entry, "Value": " ".join(others)} for entry in tag.parameters["Tags"][-1:]]
    return others, {
        "before": before,
        "after": " ".join(others),
        "do": (dataclasses.replace(tag, parameters={**tag.parameters, "Tags": tags}),),
    }
