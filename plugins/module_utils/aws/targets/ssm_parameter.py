# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSM parameters: a new version, of the same type, key and tier. The way back writes the value of the version of before once more, out of the history."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator

from ...common import credential_text
from ...common.edits import statements_of
from ...common.errors import EvictError
from ...common.plan import Call, Edit, Phase, Probe, Step
from ...common.reader import Reader
from .kind import Change, Place, Reading

KIND = "ssm_parameter"
NOUN = "parameter"
READS: tuple[str, ...] = ("ssm:DescribeParameters", "ssm:GetParameter", "ssm:GetParameterHistory", "ssm:GetResourcePolicies")


def value(place: Place, reader: Reader) -> t.Any:
    answer = reader.get(Call(place.target, "ssm", "GetParameter", {"Name": place.name, "WithDecryption": True}))
    return (answer.get("Parameter") or {}).get("Value")


def kept(place: Place, key: str, reader: Reader) -> str:
    """The secret of ``key`` out of the history."""
    history = reader.get(Call(place.target, "ssm", "GetParameterHistory", {"Name": place.name, "WithDecryption": True})).get(
        "Parameters", []
    )
    found = (credential_text.secret_of(entry.get("Value") or "", key) for entry in reversed(history))
    return next((secret for secret in found if secret), "")


def changed(place: Place, reader: Reader) -> str:
    answer = reader.get(Call(place.target, "ssm", "GetParameter", {"Name": place.name}))
    return str((answer.get("Parameter") or {}).get("LastModifiedDate") or "")


def _facts(place: Place, reader: Reader) -> dict[str, t.Any]:
    asked = {"ParameterFilters": [{"Key": "Name", "Option": "Equals", "Values": [place.name]}]}
    found = reader.get(Call(place.target, "ssm", "DescribeParameters", asked)).get("Parameters", [])
    facts: dict[str, t.Any] = next((p for p in found if p.get("Name") == place.name), {})
    return facts


def reading(place: Place, reader: Reader) -> Reading:
    """Only a parameter of the advanced tier can be shared with others, by a policy of its own."""
    facts = _facts(place, reader)
    answer = reader.get(Call(place.target, "ssm", "GetParameter", {"Name": place.name}))
    arn = str((answer.get("Parameter") or {})["ARN"])
    policy = None
    if facts.get("Tier") == "Advanced":
        shared = reader.get(Call(place.target, "ssm", "GetResourcePolicies", {"ResourceArn": arn})).get("Policies", [])
        policy = {"Statement": [s for one in shared for s in statements_of(json.loads(one["Policy"]))]}
    key = str(facts.get("KeyId") or "") if facts.get("Type") == "SecureString" else ""
    actions = ("ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath", "ssm:GetParameterHistory")
    return Reading(actions, arn, policy, key)


def steps(place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    """One Step. Its probe is the version number, so that somebody else's write in between is seen."""
    facts = _facts(place, reader)
    if facts.get("Type") == "StringList":
        raise EvictError(f"{place.text} is a list of strings, which is not edited", object=place.text, operation="rotate")
    document = {"kind": "ssm.parameter", "Name": place.name, **{key: facts[key] for key in ("Type", "KeyId", "Tier") if facts.get(key)}}
    version = Probe(Call(place.target, "ssm", "GetParameter", {"Name": place.name}), ("Parameter", "Version"))
    before = int(reader.read(version))
    yield Step(
        id=change.step_id(place), principal=change.user, resource=place.text, action="use the new key", phase=Phase.CREDENTIAL,
        before=before, after=before + 1, probe=version, do=(Edit(place.target, document, "replace_credential", change.arguments(place)),),
        undo=(Edit(place.target, {**document, "Version": before}, "only", {"keys": ["Value"]}),),
    )  # fmt: skip


def undone(step: Step) -> int:
    """What the probe of ``step`` sees when it was taken back: writing the old value again makes one more version."""
    return int(step.after) + 1
