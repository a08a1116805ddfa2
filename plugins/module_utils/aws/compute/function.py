# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lambda functions: nothing invokes them any more. Concurrency 0 holds for every version and alias, whoever invokes.

A function URL is not deleted, since a new one would have another address: it asks for a signature instead of letting everybody in.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ...common import compute
from ...common.errors import CloudError
from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from .kind import About, Machine, Stage, arn_of, step

KIND = "lambda_function"
NOUN = "Lambda functions"
ARN = compute.FUNCTION
EVENTS: frozenset[tuple[str, str]] = frozenset(
    {("lambda.amazonaws.com", "CreateFunction20150331"), ("lambda.amazonaws.com", "CreateFunction")}
)
READS: tuple[str, ...] = (
    "lambda:GetFunctionConfiguration", "lambda:GetFunctionConcurrency", "lambda:ListFunctionUrlConfigs", "lambda:GetFunctionUrlConfig",
    "lambda:ListEventSourceMappings", "lambda:GetEventSourceMapping",
)  # fmt: skip
OFF = "concurrency"
_NONE = ("ResourceNotFoundException",)
_AT_WORK = ("Creating", "Enabling", "Enabled", "Updating")


def started(event: Mapping[str, t.Any]) -> list[str]:
    """The function of a CreateFunction."""
    name = str(
        (event.get("responseElements") or {}).get("functionName") or (event.get("requestParameters") or {}).get("functionName") or ""
    )
    return [arn_of(event, "lambda", f"function:{name.rsplit(':', 1)[-1]}")] if name else []


def look(target: Target, arn: str, reader: Reader) -> Machine:
    """What it is now."""
    name = arn.rsplit(":", 1)[-1]
    text = f"Lambda function {name} in {target.region}"
    try:
        data = reader.get(Call(target, "lambda", "GetFunctionConfiguration", {"FunctionName": arn}))
    except CloudError as error:
        if error.code not in _NONE:
            raise
        return Machine(target, arn, name, text, gone="it is not there any more")
    note = "calls that AWS has accepted already are tried again for up to six hours, and wait for it meanwhile"
    kept: dict[str, t.Any] = {k: data[k] for k in ("Role", "FunctionArn", "FunctionName") if k in data}  # its environment holds secrets
    return Machine(target, arn, name, text, (str(data["Role"]),) if data.get("Role") else (), name, kept, notes=(note,))


def throttle(machine: Machine, _about: About, reader: Reader) -> Iterator[Step]:
    """Reserved concurrency 0."""
    function = {"FunctionName": machine.id}
    probe = Probe(Call(machine.target, "lambda", "GetFunctionConcurrency", function), ("ReservedConcurrentExecutions",), _NONE)
    before = reader.read(probe)
    back = Call(machine.target, "lambda", "DeleteFunctionConcurrency", function)
    if before is not None:
        back = Call(machine.target, "lambda", "PutFunctionConcurrency", {**function, "ReservedConcurrentExecutions": before})
    yield step(
        machine, OFF, "reserved concurrency", "allow no invocation", before, 0,
        (Call(machine.target, "lambda", "PutFunctionConcurrency", {**function, "ReservedConcurrentExecutions": 0}),), probe, (back,),
    )  # fmt: skip


def close_urls(machine: Machine, _about: About, reader: Reader) -> Iterator[Step]:
    """Its URLs, those of aliases too, let nobody in without a signature."""
    for url in reader.get(Call(machine.target, "lambda", "ListFunctionUrlConfigs", {"FunctionName": machine.id})).get(
        "FunctionUrlConfigs", []
    ):
        qualifier = str(url.get("FunctionArn", "")).split(":function:", 1)[-1].partition(":")[2]
        where = {"FunctionName": machine.id, **({"Qualifier": qualifier} if qualifier else {})}
        before = url.get("AuthType")
        yield step(
            machine, f"url/{qualifier or '$LATEST'}", f"URL {url.get('FunctionUrl')}", "ask for a signature", before, "AWS_IAM",
            (Call(machine.target, "lambda", "UpdateFunctionUrlConfig", {**where, "AuthType": "AWS_IAM"}),),
            Probe(Call(machine.target, "lambda", "GetFunctionUrlConfig", where), ("AuthType",), _NONE),
            (Call(machine.target, "lambda", "UpdateFunctionUrlConfig", {**where, "AuthType": before}),),
        )  # fmt: skip


def detach_triggers(machine: Machine, _about: About, reader: Reader) -> Iterator[Step]:
    """Event source mappings of it, its versions and aliases are switched off. What pushes (EventBridge, SNS, S3) meets the concurrency."""
    for mapping in reader.get(Call(machine.target, "lambda", "ListEventSourceMappings", {})).get("EventSourceMappings", []):
        name, of = str(mapping.get("UUID")), str(mapping.get("FunctionArn", ""))
        if of != machine.arn and not of.startswith(f"{machine.arn}:"):
            continue
        probe = Probe(
            Call(machine.target, "lambda", "GetEventSourceMapping", {"UUID": name}),
            ([{"State": state} for state in _AT_WORK], "UUID"),
            _NONE,
        )
        if now := reader.read(probe):
            yield step(
                machine, f"trigger/{name}", f"trigger {mapping.get('EventSourceArn') or name}", "switch off", now, [],
                (Call(machine.target, "lambda", "UpdateEventSourceMapping", {"UUID": name, "Enabled": False}),), probe,
                (Call(machine.target, "lambda", "UpdateEventSourceMapping", {"UUID": name, "Enabled": True}),),
            )  # fmt: skip


FIRST: tuple[Stage, ...] = (throttle, close_urls, detach_triggers)
SECOND: tuple[Stage, ...] = ()
