# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lambda environments. The environment of before is kept in a version that is published first; aliases go on to a version with the new one.

An alias moves only where $LATEST is what it leads to, bar the credential: a rotation deploys nothing.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common import credential_text
from ...common.errors import EvictError
from ...common.plan import Call, Edit, Phase, Probe, Ref, Step
from ...common.reader import Reader
from ..resources import function as resource
from .kind import Change, Place, Reading

KIND = "lambda_function"
NOUN = "Lambda function"
READS: tuple[str, ...] = (
    "lambda:GetFunctionConfiguration",
    "lambda:GetResourcePolicy",
    "lambda:ListAliases",
    "lambda:ListVersionsByFunction",
)
# Each of these answers with the environment, or runs other code in it.
_SHOWN = ("lambda:GetFunction", "lambda:GetFunctionConfiguration", "lambda:ListFunctions", "lambda:ListVersionsByFunction", "lambda:PublishVersion",
          "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration")  # fmt: skip
_AT = ["Environment", "Variables"]
# What two versions of a function have in common when an alias may be moved from one to the other, beside their environments.
_SAME = ("Architectures", "CodeSha256", "DeadLetterConfig", "EphemeralStorage", "FileSystemConfigs", "Handler", "ImageConfigResponse", "KMSKeyArn",
         "LoggingConfig", "MemorySize", "PackageType", "Role", "Runtime", "Timeout", "TracingConfig", "VpcConfig")  # fmt: skip


def _configuration(place: Place, version: str = "") -> Call:
    qualifier = {"Qualifier": version} if version else {}
    return Call(place.target, "lambda", "GetFunctionConfiguration", {"FunctionName": place.name, **qualifier})


def _variables(configuration: dict[str, t.Any]) -> t.Any:
    return (configuration.get("Environment") or {}).get("Variables")


def value(place: Place, reader: Reader) -> t.Any:
    return _variables(reader.get(_configuration(place)))


def identity(place: Place, reader: Reader) -> str:
    """Its execution role."""
    return str(reader.get(_configuration(place)).get("Role") or "")


def reading(place: Place, reader: Reader) -> Reading:
    """Who may ask for its configuration or change its code, and the role that its code runs as."""
    found = reader.get(_configuration(place))
    arn = str(found["FunctionArn"])
    probe, _write = resource.document(place.target, {"ResourceArn": arn})
    return Reading(_SHOWN, arn, reader.read(probe), str(found.get("KMSKeyArn") or ""), runs_as=(str(found.get("Role") or ""),))


def _aliases(place: Place, reader: Reader) -> list[tuple[dict[str, t.Any], list[str]]]:
    """(alias, the versions that it leads to, by weight too) of those that lead to a version of their own."""
    found = reader.get(Call(place.target, "lambda", "ListAliases", {"FunctionName": place.name})).get("Aliases", [])
    led = [(a, [a["FunctionVersion"], *((a.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})]) for a in found]
    return [(alias, versions) for alias, versions in led if versions != ["$LATEST"]]


def served(place: Place, reader: Reader) -> list[t.Any]:
    """The environments that aliases lead to."""
    versions = sorted({version for _alias, led in _aliases(place, reader) for version in led})
    return [_variables(reader.get(_configuration(place, version))) for version in versions]


def refuse(place: Place, key: str, new: str, reader: Reader) -> None:
    _moving(place, key, new, reader)


def _moving(place: Place, key: str, new: str, reader: Reader) -> list[dict[str, t.Any]]:
    """The aliases that have to go on to a new version. Raises when that would deploy anything but the new key: it is published from $LATEST."""
    latest = reader.get(_configuration(place))
    moving = []
    for alias, versions in _aliases(place, reader):
        old = {v: reader.get(_configuration(place, v)) for v in versions}
        if not any(key in (_variables(c) or {}).values() for c in old.values()):
            continue
        if len(versions) > 1:
            raise _refused(
                place, f"alias {alias['Name']} divides calls between versions {' and '.join(versions)}: end that deployment first"
            )
        differs = _differs(old[versions[0]], latest, key, new)
        if differs:
            raise _refused(place, f"alias {alias['Name']} leads to version {versions[0]}, from which $LATEST differs in {', '.join(differs)}:"
                                  " the rotation would deploy that; deploy or undo it first")  # fmt: skip
        moving.append(alias)
    return moving


def _differs(version: dict[str, t.Any], latest: dict[str, t.Any], key: str, new: str) -> list[str]:
    """The names of what differs, bar the credential itself."""
    found = [name for name in _SAME if version.get(name) != latest.get(name)]
    layers = [[layer.get("Arn") for layer in c.get("Layers") or ()] for c in (version, latest)]
    found += ["Layers"] if layers[0] != layers[1] else []
    then, now = _variables(version) or {}, _variables(latest) or {}
    mine = {name for name, text in credential_text.replaced(then, key, "-", "-").items() if text != then[name]}
    others = sorted(name for name in {*then, *now} - mine if then.get(name) != now.get(name))
    pair = [name for name in sorted(mine) if then[name] == key and now.get(name) not in (key, new or key)]
    return found + [f"the variable {name}" for name in others + pair]


def _refused(place: Place, why: str) -> EvictError:
    return EvictError(f"{place.text}: {why}", object=place.text, operation="rotate")


def kept(place: Place, key: str, reader: Reader) -> str:
    """The secret of ``key``, out of the newest version that holds that key.

    Not by the answer of the Step that published one: AWS makes none where nothing has changed since the last, and a lost answer does not tell.
    """
    listed = reader.get(Call(place.target, "lambda", "ListVersionsByFunction", {"FunctionName": place.name})).get("Versions", [])
    for version in sorted((int(v["Version"]) for v in listed if str(v["Version"]).isdigit()), reverse=True):
        if secret := credential_text.secret_of(_variables(reader.get(_configuration(place, str(version)))) or {}, key):
            return secret
    return ""


def steps(place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    """The version that keeps the old environment; the new environment; a version of that for each alias that leads to the old one.

    An environment that has the new key already is an earlier run's: what is left are the aliases.
    """
    function = {"FunctionName": place.name}
    latest = reader.get(_configuration(place))
    variables = _variables(latest) or {}
    held = [n for n, v in variables.items() if v == change.old]
    moving = _moving(place, change.old, change.new, reader)
    if not held and not (moving and change.new in variables.values()):
        raise _refused(place, f"it does not hold {change.old} as a variable of its own")
    versions = Probe(Call(place.target, "lambda", "ListVersionsByFunction", function), ("Versions", "Version"))
    kept, changed = change.step_id(place, "kept"), change.step_id(place)
    if held:
        credential_text.replaced(variables, change.old, change.new or "-", "")  # whether the secret can be told: before anything is made
        yield Step(
            id=kept, principal=change.user, resource=f"{place.text}, version that keeps the old environment", action="publish", phase=Phase.CREDENTIAL,
            before=reader.read(versions), after=None, probe=versions, owns=Ref(kept, ("Version",)),
            do=(Call(place.target, "lambda", "PublishVersion", {**function, "Description": "evict: before the rotation"}, idempotent=False),),
            irreversible="it keeps the environment of before, for the way back; delete it when the rotation is over",
        )  # fmt: skip
        document, at = {"kind": "lambda.environment", **function}, {"at": _AT}
        probe = Probe(_configuration(place), (*_AT, held[0]))
        yield Step(
            id=changed, principal=change.user, resource=f"{place.text}, environment", action="use the new key", phase=Phase.CREDENTIAL,
            before=change.old, after=change.new, probe=probe, needs=(kept,),
            do=(Edit(place.target, document, "replace_credential", change.arguments(place, _AT)),),
            undo=(Edit(place.target, document, "replace_credential", {"old": change.new, "new": change.old, "secret": change.back(place), **at}),),
        )  # fmt: skip
        if change.staged:
            return
    for version in sorted({str(alias["FunctionVersion"]) for alias in moving})[: 1 if change.staged else None]:
        fresh = change.step_id(place, f"fresh/{version}")
        same = {"CodeSha256": latest["CodeSha256"]} if latest.get("CodeSha256") else {}  # nobody else's code in between
        yield Step(
            id=fresh, principal=change.user, resource=f"{place.text}, version {version} with the new environment", action="publish", phase=Phase.CREDENTIAL,
            before=reader.read(versions), after=None, probe=versions, owns=Ref(fresh, ("Version",)), needs=(changed,) if held else (),
            do=(Call(place.target, "lambda", "PublishVersion", {**function, **same, "Description": "evict: after the rotation"}, idempotent=False),),
            irreversible="aliases lead to it",
        )  # fmt: skip
        for alias in [a for a in moving if str(a["FunctionVersion"]) == version]:
            name = {**function, "Name": alias["Name"]}
            leads = Probe(Call(place.target, "lambda", "GetAlias", name), ("FunctionVersion",))
            yield Step(
                id=change.step_id(place, f"alias/{alias['Name']}"), principal=change.user, resource=f"{place.text}, alias {alias['Name']}",
                action="lead to the version with the new key", phase=Phase.CREDENTIAL, before=version, after=Ref(fresh, ("Version",)),
                probe=leads, needs=(fresh,),
                do=(Call(place.target, "lambda", "UpdateAlias", {**name, "FunctionVersion": Ref(fresh, ("Version",))}),),
                undo=(Call(place.target, "lambda", "UpdateAlias", {**name, "FunctionVersion": version}),),
            )  # fmt: skip
