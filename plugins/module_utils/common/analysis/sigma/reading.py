# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the files of strangers to rules: bounded, by pySigma, of which this is the only importer. What cannot be asked is named with the reason.

pySigma resolves modifiers and conditions; nothing of its pipelines, plugins and backends is used, so that a rule reaches no file, no network and no code.
"""

from __future__ import annotations

import math
import re
import typing as t
from collections.abc import Callable

from ... import yamlio
from ...errors import InvalidInput, MissingLibrary
from ...schema import printable
from .rules import And, LeftOut, Match, Network, Node, Not, Number, Or, Pattern, Present, Rule, Same, Test, Text, Truth, Unsupported, Wild

try:
    from sigma import conditions, types
    from sigma.policy import default_policy
    from sigma.rule import SigmaRule
except ImportError as _error:
    SigmaRule = None  # type: ignore[assignment,misc]
    SIGMA_IMPORT_ERROR: ImportError | None = _error
else:
    SIGMA_IMPORT_ERROR = None

MAX_BYTES = 256 << 10  # of one file; the longest public ones have a quarter of it
_TESTS, _DEPTH = 5000, 48
_CONDITION, _BRACKETS = 2000, 24  # characters of a condition, and how deep its brackets go: the parser's time grows with both
_VALUE, _WILDCARDS = 8192, 100  # characters of one value, and what of them stands for others
_PROGRAM = 10_000  # instructions of RE2: its time is at most this times the text
_WORD = re.compile(r"[\w*-]+")
_PRODUCT = 500_000
_NAME = re.compile(r"[\w .:/@#$()-]{1,256}")
_TECHNIQUE = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)", re.IGNORECASE)
_WHOLE = 1 << 53  # whole numbers up to here are exact as floating point
LEVELS = {"informational": 10, "low": 25, "medium": 50, "high": 70, "critical": 85, "": 40}  # level -> confidence in percent
# (product, service) -> the log. A rule without a service is about the only log of its product here.
LOGS = {
    ("aws", "cloudtrail"): "cloudtrail", ("aws", ""): "cloudtrail", ("azure", "activitylogs"): "azure_activity", ("azure", "auditlogs"): "entra_audit",
    ("azure", "signinlogs"): "entra_signin", ("gcp", "gcp.audit"): "gcp_audit", ("gcp", ""): "gcp_audit",
}  # fmt: skip
# Old ways to write several rules, and what changes other rules.
_KINDS = {
    "correlation": "is a correlation of other rules",
    "filter": "is a filter of other rules",
    "action": "uses an action (global, repeat, reset)",
}


def library() -> None:
    """Raises MissingLibrary."""
    if SigmaRule is None:
        from ansible.module_utils.basic import missing_required_lib

        raise MissingLibrary(missing_required_lib("pysigma", reason="to read Sigma rules"), object="pysigma", operation="import")


def read(path: str, name: str) -> t.Iterator[Rule | LeftOut]:
    """The rules of a file. ``name``: what it is called in the report."""
    try:
        documents = yamlio.parse_all(yamlio.content(path, MAX_BYTES), name, MAX_BYTES)
    except InvalidInput as error:
        yield LeftOut(name, error.problems[0][1])
        return
    for document in documents:
        if document is not None:  # what is between two lines of dashes
            yield one(document, name)


def one(document: t.Any, name: str) -> Rule | LeftOut:
    """A document of a file, as YAML or JSON had it."""
    if not isinstance(document, dict):
        return LeftOut(name, "is no mapping, so no Sigma rule")
    title = _short(document.get("title"), 200)
    for key, what in _KINDS.items():
        if key in document:
            return LeftOut(name, f"{what}, which is not supported", title)
    try:
        return _rule(document, name, title)
    except Unsupported as error:
        return LeftOut(name, str(error), title)
    except Exception as error:  # whatever a stranger's file makes of pySigma: it is named, and the others are read
        return LeftOut(name, f"is no Sigma rule that can be read: {_short(f'{type(error).__name__}: {error}', 200)}", title)


def _rule(document: dict[str, t.Any], name: str, title: str) -> Rule:
    _bounds(document.get("detection"))
    parsed = SigmaRule.from_dict(document, collect_errors=True)
    if parsed.errors:
        raise Unsupported(f"is no valid Sigma rule: {_short(parsed.errors[0], 200)}")
    about = [str(part or "").strip().lower() for part in (parsed.logsource.product, parsed.logsource.service, parsed.logsource.category)]
    source = LOGS.get((about[0], about[1])) if not about[2] else None
    if source is None:
        raise Unsupported(f"is about another log ({_short('/'.join(part for part in about if part), 80)})")
    left = [_TESTS]
    asked = [_node(condition.parsed, left, 0) for condition in parsed.detection.parsed_condition]
    level = str(parsed.level) if parsed.level else ""
    mitre = sorted({found[1].upper() for tag in parsed.tags if (found := _TECHNIQUE.fullmatch(f"{tag.namespace}.{tag.name}"))})
    return Rule(name, str(parsed.id or ""), title, level, tuple(mitre), source, asked[0] if len(asked) == 1 else Or(tuple(asked)))


def _bounds(detection: t.Any) -> None:
    """What pySigma's parser would take too long for."""
    conditions_ = detection.get("condition") if isinstance(detection, dict) else None
    for condition in conditions_ if isinstance(conditions_, list) else [conditions_]:
        if not isinstance(condition, str):
            raise Unsupported("has a condition that is no text" if condition is not None else "has no condition")
        depth = most = 0
        for char in condition:
            depth += (char == "(") - (char == ")")
            most = max(most, depth)
        if len(condition) > _CONDITION or most > _BRACKETS:
            raise Unsupported(f"has a condition of more than {_CONDITION} characters or {_BRACKETS} brackets in each other")
        if len(_WORD.findall(condition)) * _leaves(detection) > _PRODUCT:  # each name is written out with all that it stands for
            raise Unsupported("has a condition that grows beyond all measure")


def _leaves(value: t.Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 1 if inner is None else sum(_leaves(one) for one in inner)


def _node(item: t.Any, left: list[int], depth: int) -> Node:
    if depth > _DEPTH:
        raise Unsupported(f"is nested deeper than {_DEPTH} levels")
    if isinstance(item, (conditions.ConditionAND, conditions.ConditionOR)):
        inner = tuple(_node(arg, left, depth + 1) for arg in item.args)
        return And(inner) if isinstance(item, conditions.ConditionAND) else Or(inner)
    if isinstance(item, conditions.ConditionNOT):
        return Not(_node(item.args[0], left, depth + 1))
    if isinstance(item, (conditions.ConditionFieldEqualsValueExpression, conditions.ConditionValueExpression)):
        return _test(_field(getattr(item, "field", "")), item.value, left)
    raise Unsupported("has a condition of a kind that is not supported")


def _field(name: str) -> str:
    if name and not _NAME.fullmatch(name):
        raise Unsupported(f"names a field that no log has: {_short(name, 80)}")
    return name


def _test(field: str, value: t.Any, left: list[int]) -> Node:
    if isinstance(value, types.SigmaExpansion):  # what base64offset and windash make of one value
        return Or(tuple(_test(field, inner, left) for inner in value.values))
    left[0] -= 1
    if left[0] < 0:
        raise Unsupported(f"asks for more than {_TESTS} values")
    make = _MAKE.get(type(value))
    if make is None:
        raise Unsupported(f"uses {type(value).__name__.removeprefix('Sigma')}, which is not supported")
    match = make(value)
    if not field and not isinstance(match, (Text, Pattern, Number)):
        raise Unsupported("looks for something other than text in the whole event")
    return Test(field, match)


def _text(value: t.Any) -> Match:
    parts: list[str | Wild] = []
    for part in value.s:
        if isinstance(part, types.Placeholder):
            raise Unsupported(f"has a placeholder that nobody fills in: {_short(part.name, 80)}")
        parts.append({types.SpecialChars.WILDCARD_MULTI: Wild.MANY, types.SpecialChars.WILDCARD_SINGLE: Wild.ONE}[part] if not isinstance(part, str)
                     else _word(part))  # fmt: skip
    if sum(isinstance(part, Wild) for part in parts) > _WILDCARDS:
        raise Unsupported(f"has a value with more than {_WILDCARDS} wildcards")
    return Text(tuple(parts), isinstance(value, types.SigmaCasedString))


def _word(text: str) -> str:
    if len(text) > _VALUE:
        raise Unsupported(f"has a value of more than {_VALUE} characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unsupported("has half a character in a value") from None
    return text


def _pattern(value: t.Any) -> Match:
    if value.regexp.contains_placeholder():
        raise Unsupported("has a placeholder that nobody fills in")
    flags = "".join(sorted(value.sigma_to_re_flag[flag] for flag in value.flags))
    expression = _word((f"(?{flags})" if flags else "") + str(value.regexp))
    if default_policy.regex_engine.compile(expression).programsize > _PROGRAM:  # type: ignore[attr-defined]
        raise Unsupported("has a regular expression that is too large")
    return Pattern(expression)


def _number(value: t.Any, operation: str = "=") -> Match:
    if isinstance(value.number, float) and not math.isfinite(value.number):
        raise Unsupported("has a number that is none")
    if isinstance(value.number, int) and abs(value.number) > _WHOLE:
        if operation != "=":
            raise Unsupported("compares with a number that is too large")
        return Text((str(value.number),))
    return Number(value.number, operation)


def _compared(value: t.Any) -> Match:
    return _number(value.number, {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">=", "NEQ": "<>"}[value.op.name])


def _network(value: t.Any) -> Match:
    ends = int(value.network.network_address), int(value.network.broadcast_address)
    return Network(value.network.version, *(end if value.network.version == 4 else f"{end:032x}" for end in ends))


_MAKE: dict[type, Callable[[t.Any], Match]] = (
    {}
    if SigmaRule is None
    else {
        types.SigmaString: _text,
        types.SigmaCasedString: _text,
        types.SigmaNumber: _number,
        types.SigmaBool: lambda value: Truth(value.boolean),
        types.SigmaNull: lambda _value: Present(False),
        types.SigmaExists: lambda value: Present(value.exists),
        types.SigmaRegularExpression: _pattern,
        types.SigmaCIDRExpression: _network,
        types.SigmaCompareExpression: _compared,
        types.SigmaFieldReference: lambda value: Same(_field(value.field), value.starts_with, value.ends_with),
    }
)


def _short(value: t.Any, limit: int) -> str:
    return printable(str("" if value is None else value).replace("\n", " "), limit)
