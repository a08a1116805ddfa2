# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lambda functions: a warm execution environment keeps the credentials that it was started with, so it fails until it is replaced.

Any change of the configuration makes Lambda replace the environments of `$LATEST`. The description is what is changed: it changes nothing else, it
comes back in full, and no environment variable (they hold secrets) has to be read or written. RevisionId keeps somebody else's edit.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Any

from ...common import plan
from ...common.errors import CloudError
from ...common.plan import Call, Phase, Probe, Step, Target
from ...common.reader import Reader
from ..each import each
from ..principal import Principal
from .kind import MARK, Workload

KIND = "lambda_function"
NOUN = "Lambda functions"
SERVICE = "lambda.amazonaws.com"
LONGEST = datetime.timedelta(hours=12)  # STS gives nobody more
QUICK = True
READS: tuple[str, ...] = ("lambda:ListFunctions", "lambda:ListAliases", "lambda:GetFunctionConfiguration")
_MARK = re.compile(r" ?\[evict [^\]]*\]$")
_LIMIT = 256
_LATEST = "$LATEST"
_ABSENT = ("ResourceNotFoundException",)


def held(role: Principal, target: Target, reader: Reader) -> Iterator[Workload]:
    """Functions with the role. A published version has a role of its own and cannot be changed: what an alias leads to is named apart."""
    functions: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in reader.get(Call(target, "lambda", "ListFunctions", {"FunctionVersion": "ALL"})).get("Functions", []):
        if entry.get("Role") == role.arn:
            functions.setdefault(str(entry["FunctionName"]), {})[str(entry.get("Version") or _LATEST)] = entry

    def one(name: str) -> Iterator[Workload]:
        versions = functions[name]
        any_of_them = min(versions)
        arn = str(versions[any_of_them]["FunctionArn"]).removesuffix(f":{any_of_them}")
        if latest := versions.pop(_LATEST, None):
            data = {"name": name, "revision": latest.get("RevisionId", "")}
            yield Workload(target, arn, role.arn, f"Lambda function {name} in {target.region}", frozenset({name}), data)
        aliases = Probe(Call(target, "lambda", "ListAliases", {"FunctionName": arn}), ("Aliases",), _ABSENT)
        for alias in (reader.read(aliases) or ()) if versions else ():
            led = {str(alias.get("FunctionVersion")), *(alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights", {})}
            if mine := sorted(led.intersection(versions)):
                why = f"version {', '.join(mine)} is published, which nobody can change: publish the function again and move the alias"
                text = f"Lambda function {name}, alias {alias.get('Name')}, in {target.region}"
                yield Workload(target, f"{arn}:{alias.get('Name')}", role.arn, text, frozenset({name}), why=why)

    return each(functions, one)


def steps(workload: Workload, mark: str, reader: Reader) -> Iterator[Step]:
    """The description says that we were there, and for which cutoff."""
    function = {"FunctionName": workload.id}
    probe = Probe(Call(workload.target, "lambda", "GetFunctionConfiguration", function), ("Description",), _ABSENT)
    try:
        before = str(plan.dig(reader.get(probe.call), probe.path) or "")
    except CloudError as error:
        if error.code in _ABSENT:
            return  # deleted by now
        raise
    mark = f"[{mark}]"
    plain = _MARK.sub("", before)
    after = f"{plain[: _LIMIT - len(mark) - 1]} {mark}" if plain else mark
    revision = {"RevisionId": workload.data["revision"]} if workload.data["revision"] else {}
    yield Step(
        id=f"{workload.role}{MARK}{workload.id}/{mark}", principal=workload.role,
        resource=f"{workload.text}, description",
        action="refresh its credentials", phase=Phase.RESOURCE, before=before, after=after,
        do=(Call(workload.target, "lambda", "UpdateFunctionConfiguration", {**function, "Description": after, **revision}),),
        undo=(Call(workload.target, "lambda", "UpdateFunctionConfiguration", {**function, "Description": before}),),
        probe=probe,
        optional=True,
    )  # fmt: skip


def renewed(workload: Workload, _cutoff: datetime.datetime, reader: Reader) -> bool:
    """When Lambda has done the update, an invocation gets a new environment."""
    configuration = Call(workload.target, "lambda", "GetFunctionConfiguration", {"FunctionName": workload.id})
    return bool(reader.read(Probe(configuration, ("LastUpdateStatus",), _ABSENT)) == "Successful")
