# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments of Lambda functions: of `$LATEST`, and of every published version, which has its own and can never be changed."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.errors import CloudError, EvictError
from ...common.plan import Call, Target
from ...common.reader import Reader
from ..needles import Needles
from .kind import LIKELY, OLD, SURE, Gap, Told, each, found, pages

KIND = "lambda_function"
NOUN = "Lambda functions"
READS: tuple[str, ...] = ("lambda:ListFunctions", "lambda:ListAliases")


def search(target: Target, needles: Needles, reader: Reader) -> Iterator[Told]:
    for page in pages(reader, target, "lambda", "ListFunctions", {"FunctionVersion": "ALL"}, 50):
        yield from each(page.get("Functions", []), lambda f: str(f.get("FunctionArn")), lambda f: _look(target, f, needles, reader))


def _look(target: Target, function: dict[str, t.Any], needles: Needles, reader: Reader) -> Iterator[Told]:
    environment = function.get("Environment") or {}
    if error := environment.get("Error"):  # the key that it is encrypted with refuses
        text = f"lambda:ListFunctions: {error.get('ErrorCode')}: its environment could not be decrypted"
        yield Gap(str(function["FunctionArn"]), CloudError(text, code=str(error.get("ErrorCode")), operation="lambda:ListFunctions"))
    spots = needles.find(environment.get("Variables") or {}, "Environment.Variables", "variable")
    if not spots:
        return
    name, version = str(function["FunctionName"]), str(function.get("Version") or "$LATEST")
    by: tuple[str, ...] = ()
    state, confidence = "current", SURE
    if version != "$LATEST":
        state, confidence, by = _published(target, name, version, reader)
    text = f"Lambda function {name}{'' if version == '$LATEST' else f', version {version},'} in {target.region}"
    yield from found(target, str(function["FunctionArn"]), text, spots, state=state, version=str(function.get("RevisionId", "")), confidence=confidence,
                     used_by=by, data={"function": name, "version": version})  # fmt: skip


def _published(target: Target, name: str, version: str, reader: Reader) -> tuple[str, int, tuple[str, ...]]:
    """Whether an alias leads to a version."""
    try:
        aliases = reader.get(Call(target, "lambda", "ListAliases", {"FunctionName": name})).get("Aliases", [])
    except EvictError:
        return "published version, aliases not known", LIKELY, ()
    leading = tuple(
        f"alias {alias.get('Name')}"
        for alias in aliases
        if version in (str(alias.get("FunctionVersion")), *((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}))
    )
    return ("in use", SURE, leading) if leading else ("published version, no alias leads to it", OLD, ())
