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

from ...common.plan import Call, Phase, Probe, Step, Target
from ...common.reader import Reader
from ..principal import Principal
from .kind import MARK, Workload

KIND = "lambda_function"
NOUN = "Lambda functions"
SERVICE = "lambda.amazonaws.com"
LONGEST = datetime.timedelta(hours=12)  # STS gives nobody more
SURE = True
READS: tuple[str, ...] = ("lambda:ListFunctions", "lambda:ListAliases", "lambda:GetFunctionConfiguration")
_MARK = re.compile(r" ?\[evict [^\]]*\]$")
_LIMIT = 256


def held(role: Principal, target: Target, reader: Reader) -> list[Workload]:
    """Functions with the role. A published version cannot be changed: what an alias leads to is named apart."""
    found = []
    for function in reader.get(Call(target, "lambda", "ListFunctions", {})).get("Functions", []):
        if function.get("Role") != role.arn:
            continue
        name, arn = str(function["FunctionName"]), str(function["FunctionArn"])
        data = {"name": name, "revision": function.get("RevisionId", "")}
        found.append(Workload(target, arn, role.arn, f"Lambda function {name} in {target.region}", frozenset({name}), data))
        for alias in reader.get(Call(target, "lambda", "ListAliases", {"FunctionName": arn})).get("Aliases", []):
            versions = {str(alias.get("FunctionVersion")), *(alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights", {})} - {
                "$LATEST"
            }
            if versions:
                why = f"version {', '.join(sorted(versions))} is published, which nobody can change: publish the function again and move the alias"
                text = f"Lambda function {name}, alias {alias.get('Name')}, in {target.region}"
                found.append(Workload(target, f"{arn}:{alias.get('Name')}", role.arn, text, frozenset({name}), why=why))
    return found


def steps(workload: Workload, mark: str, reader: Reader) -> Iterator[Step]:
    """The description says that we were there, and for which cutoff."""
    function = {"FunctionName": workload.id}
    probe = Probe(Call(workload.target, "lambda", "GetFunctionConfiguration", function), ("Description",), ("ResourceNotFoundException",))
    before = str(reader.read(probe) or "")
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
