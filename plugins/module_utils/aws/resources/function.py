# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lambda functions: the whole resource policy (PutResourcePolicy, since July 2026). AddPermission, the older way, writes only what allows."""

from __future__ import annotations

from ...common.plan import Call, Path, Probe, Target
from ...common.reader import Reader
from .kind import PARSED, Name, Resource, Writer, ask, name_in

SERVICE = "lambda"
NOUN = "function"
# As CloudTrail writes them: with the date of the API, some with a version.
EVENTS: frozenset[str] = frozenset(
    f"{name}20150331{version}"
    for name in (
        "UpdateFunctionCode",
        "UpdateFunctionConfiguration",
        "AddPermission",
        "GetFunction",
        "PublishVersion",
        "PublishLayerVersion",
    )
    for version in ("", "v2")
) | {
    "Invoke",
    "InvokeFunction",
    "PutResourcePolicy",
    "DeleteResourcePolicy",
    "CreateFunctionUrlConfig",
    "UpdateFunctionUrlConfig",
    "PutFunctionConcurrency",
}
NAMED: tuple[str, ...] = ("functionName", "resourceArn")
DENIED: tuple[str, ...] = ("lambda:*",)
CHANGE = "lambda:PutResourcePolicy"
SIZE, STATEMENTS = 20480, 0  # of its API model
TEXT: Path = ("Policy",)
GONE: tuple[str, ...] = ("ResourceNotFoundException",)
NEEDS_ALLOW = False
READS: tuple[str, ...] = ("lambda:GetFunctionConfiguration", "lambda:GetResourcePolicy")


def resolve(target: Target, name: str, _partition: str, reader: Reader) -> Resource:
    """Whether the function is there is asked first: that it has no policy is the same error."""
    function = name_in(name).rpartition(":function:")[2].split(":")[0]  # of a version or alias the function
    found = ask(Call(target, "lambda", "GetFunctionConfiguration", {"FunctionName": function}), GONE, f"function {function}", reader)
    arn = str(found["FunctionArn"])
    return Resource(arn, target, {"kind": "lambda.function", "ResourceArn": arn}, f"function {function} in {target.region}")


def document(target: Target, name: Name) -> tuple[Probe, Writer]:
    function = {"ResourceArn": name["ResourceArn"]}

    def write(policy: str | None) -> Call:
        if policy is None:
            return Call(target, "lambda", "DeleteResourcePolicy", function)
        return Call(target, "lambda", "PutResourcePolicy", {**function, "Policy": policy})

    return Probe(Call(target, "lambda", "GetResourcePolicy", function), (PARSED,), GONE), Writer(write, ("RevisionId",))


def covered(one: Resource) -> list[str]:
    return [one.arn, f"{one.arn}:*"]
