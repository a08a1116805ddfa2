# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lambda environments. The environment of before is kept in a version that is published first; aliases go on to a version with the new one."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common import credential_text
from ...common.errors import EvictError
from ...common.plan import Call, Edit, Phase, Probe, Ref, Step
from ...common.reader import Reader
from .kind import Change, Place

KIND = "lambda_function"
NOUN = "Lambda function"
READS: tuple[str, ...] = ("lambda:GetFunctionConfiguration", "lambda:ListAliases", "lambda:ListVersionsByFunction")
_AT = ["Environment", "Variables"]


def _configuration(place: Place) -> Call:
    return Call(place.target, "lambda", "GetFunctionConfiguration", {"FunctionName": place.name})


def value(place: Place, reader: Reader) -> t.Any:
    return (reader.get(_configuration(place)).get("Environment") or {}).get("Variables")


def steps(place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    """The version that keeps the old environment; the new environment; a version of that for each alias that leads to the old one."""
    function = {"FunctionName": place.name}
    held = [n for n, v in (value(place, reader) or {}).items() if v == change.old]
    if not held:
        raise EvictError(f"{place.text} does not hold {change.old} as a variable of its own", object=place.text, operation="rotate")
    credential_text.replaced(
        value(place, reader), change.old, change.new or "-", ""
    )  # whether the secret can be told: before anything is made
    aliases = [
        a
        for a in reader.get(Call(place.target, "lambda", "ListAliases", function)).get("Aliases", [])
        if a.get("FunctionVersion") != "$LATEST"
    ]
    versions = Probe(Call(place.target, "lambda", "ListVersionsByFunction", function), ("Versions", "Version"))
    kept, changed = change.step_id(place, "kept"), change.step_id(place)
    yield Step(
        id=kept, principal=change.user, resource=f"{place.text}, version that keeps the old environment", action="publish", phase=Phase.CREDENTIAL,
        before=reader.read(versions), after=None, probe=versions, owns=Ref(kept, ("Version",)),
        do=(Call(place.target, "lambda", "PublishVersion", {**function, "Description": "evict: before the rotation"}, idempotent=False),),
        irreversible="it keeps the environment of before, for the way back; delete it when the rotation is over",
    )  # fmt: skip
    document = {"kind": "lambda.environment", **function}
    probe = Probe(_configuration(place), (*_AT, held[0]))
    yield Step(
        id=changed, principal=change.user, resource=f"{place.text}, environment", action="use the new key", phase=Phase.CREDENTIAL,
        before=change.old, after=change.new, probe=probe, needs=(kept,),
        do=(Edit(place.target, document, "replace_credential", change.arguments(place, _AT)),),
        undo=(Edit(place.target, {**document, "Version": Ref(kept, ("Version",))}, "only", {"keys": ["Environment"]}),),
    )  # fmt: skip
    if not aliases:
        return
    fresh = change.step_id(place, "fresh")
    yield Step(
        id=fresh, principal=change.user, resource=f"{place.text}, version with the new environment", action="publish", phase=Phase.CREDENTIAL,
        before=reader.read(versions), after=None, probe=versions, owns=Ref(fresh, ("Version",)), needs=(changed,),
        do=(Call(place.target, "lambda", "PublishVersion", {**function, "Description": "evict: after the rotation"}, idempotent=False),),
        irreversible="aliases lead to it",
    )  # fmt: skip
    for alias in aliases:
        name = {**function, "Name": alias["Name"]}
        leads = Probe(Call(place.target, "lambda", "GetAlias", name), ("FunctionVersion",))
        yield Step(
            id=change.step_id(place, f"alias/{alias['Name']}"), principal=change.user, resource=f"{place.text}, alias {alias['Name']}",
            action="lead to the version with the new key", phase=Phase.CREDENTIAL, before=alias["FunctionVersion"], after=Ref(fresh, ("Version",)),
            probe=leads, needs=(fresh,),
            do=(Call(place.target, "lambda", "UpdateAlias", {**name, "FunctionVersion": Ref(fresh, ("Version",))}),),
            undo=(Call(place.target, "lambda", "UpdateAlias", {**name, "FunctionVersion": alias["FunctionVersion"]}),),
        )  # fmt: skip
