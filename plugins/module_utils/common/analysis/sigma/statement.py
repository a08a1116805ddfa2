# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rule as a condition in SQL over ``events e``. What the rule says (values, patterns, paths) are parameters; the text here is the collection's own.

Nothing backtracks: wildcards become patterns of RE2, whose time grows with the text only. LIKE of DuckDB would try again for each wildcard.
"""

from __future__ import annotations

import functools
import json
import re
import string
import typing as t
from collections.abc import Callable, Mapping

from .fields import Place
from .rules import And, Match, Network, Node, Not, Number, Or, Pattern, Present, Same, Test, Text, Truth, Unsupported, Wild

_PARAMETER = re.compile(r"\$\d+")
_V4 = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])([.](25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}"
_V6 = "[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){2,8}"
Value = Callable[[t.Any], str]  # takes a parameter, and says how it is written in the statement


class Statement:
    """Makes conditions, and ``finish`` them. ``places``: of every field that is asked for."""

    def __init__(self, places: Mapping[str, tuple[Place, ...]]) -> None:
        self._values: list[t.Any] = []
        self._places = places
        self._numbers: dict[tuple[str, t.Any], str] = {}

    def whole(self, asks: Node) -> str:
        return self._whole(asks)

    def first(self, asks: Node) -> str:
        """What of it columns alone tell: true wherever the rule is, and often elsewhere. "true" where they tell nothing."""
        return self._narrow(asks, False)

    def value(self, value: t.Any) -> str:
        """The parameter's name. The same value has the same one, so that DuckDB sees what is asked twice."""
        key = (type(value).__name__, value)
        if key not in self._numbers:
            self._values.append(value)
            self._numbers[key] = f"${len(self._values)}"
        return self._numbers[key]

    def finish(self, sql: str) -> tuple[str, list[t.Any]]:
        """The statement and its parameters: those that came into it."""
        used: dict[str, str] = {}
        sql = _PARAMETER.sub(lambda found: used.setdefault(found[0], f"${len(used) + 1}"), sql)
        return sql, [self._values[int(name[1:]) - 1] for name in used]

    def _whole(self, node: Node) -> str:
        if isinstance(node, Test):
            return self._test(node)
        if isinstance(node, Not):
            return f"NOT coalesce({self._whole(node.of)}, false)"
        if isinstance(node, And):
            return _joined(" AND ", [self._whole(inner) for inner in node.of])
        rest, listed = _grouped(node)
        said = [self._any(field, functools.partial(self._listed, texts)) for field, texts in listed.items()]
        return _joined(" OR ", [*said, *(self._whole(inner) for inner in rest)])

    def _narrow(self, node: Node, sure: bool) -> str:
        """What columns alone tell. ``sure`` false: "true" where the rest decides; true: "false" there."""
        unknown = "false" if sure else "true"
        if isinstance(node, Test):
            asked = {node.field, node.match.field} if isinstance(node.match, Same) else {node.field}
            told = all(name and not place.path for name in asked for place in self._places.get(name, ())) and "" not in asked
            return self._test(node) if told else unknown
        if isinstance(node, Not):
            inner = self._narrow(node.of, not sure)
            return {"true": "false", "false": "true"}.get(inner, f"NOT coalesce({inner}, false)")
        if isinstance(node, Or):
            rest, listed = _grouped(node)
            parts = [
                self._whole(Or(tuple(Test(field, text) for text in texts))) if self._told(field) else unknown
                for field, texts in listed.items()
            ]
            parts += [self._narrow(inner, sure) for inner in rest]
        else:
            parts = [self._narrow(inner, sure) for inner in node.of]
        ends, nothing = ("false", "true") if isinstance(node, And) else ("true", "false")
        parts = [part for part in dict.fromkeys(parts) if part != nothing]
        return ends if ends in parts else _joined(" AND " if isinstance(node, And) else " OR ", parts) if parts else nothing

    def _told(self, field: str) -> bool:
        return bool(field) and all(not place.path for place in self._places[field])

    def _test(self, test: Test) -> str:
        if not test.field:
            return self._anywhere(test.match)
        if isinstance(test.match, Present):
            there = _joined(" OR ", [self._there(place) for place in self._places[test.field]])
            return there if test.match.there else f"NOT ({there})"
        if isinstance(test.match, Same):
            return self._same(test.field, test.match)
        match = test.match

        def said(x: str, place: Place) -> str:
            return _joined(" OR ", [compared(x, one, self.value) for one in (_written(match) if place.json else (match,))])

        return self._any(test.field, said)

    def _any(self, field: str, said: Callable[[str, Place], str]) -> str:
        """Whether one of the field's values is so."""
        parts = []
        for place in self._places[field]:
            text = self._text(place)
            parts.append(f"len(list_filter({text}, lambda x: {said('x', place)})) > 0" if place.many else said(text, place))
        return _joined(" OR ", parts)

    def _text(self, place: Place) -> str:
        column = f"(e.\"{place.column}\" || '{place.behind}')" if place.behind else f'e."{place.column}"'
        return f"TRY(json_extract_string({column}, {self.value(place.path)}))" if place.path else column

    def _there(self, place: Place) -> str:
        text = self._text(place)
        return f"coalesce(len(list_filter({text}, lambda x: x IS NOT NULL)), 0) > 0" if place.many else f"{text} IS NOT NULL"

    def _listed(self, texts: list[Text], x: str, _place: Place) -> str:
        """One of many texts, without wildcards and without regard to case."""
        return f"lower({x}) IN ({', '.join(f'lower({self.value(text.plain)})' for text in texts)})"

    def _same(self, field: str, match: Same) -> str:
        pairs = [(one, other) for one in self._places[field] for other in self._places[match.field]]
        if any(place.many for pair in pairs for place in pair):
            raise Unsupported("compares fields that are lists, which is not supported")
        how = "contains" if match.begins and match.ends else "starts_with" if match.begins else "ends_with" if match.ends else ""
        both = [(f"lower({self._text(one)})", f"lower({self._text(other)})") for one, other in pairs]
        return _joined(" OR ", [f"{how}({x}, {y})" if how else f"{x} = {y}" for x, y in both])

    def _anywhere(self, match: Match) -> str:
        """In the event as it came."""
        if isinstance(match, Number):
            match = Text((str(match.number),))
        if isinstance(match, Text):
            match = Text((Wild.MANY, *match.parts, Wild.MANY), match.cased)
        return _joined(" OR ", [compared("e.raw", one, self.value) for one in _written(match)])


def _written(match: Match) -> list[Match]:
    """A text as it is, and as JSON may write it: within an object, and in a text that is JSON itself, such as a policy."""
    if not isinstance(match, Text):
        return [match]
    found = {match.parts}
    for ascii_only in (False, True):
        found.add(tuple(part if isinstance(part, Wild) else json.dumps(part, ensure_ascii=ascii_only)[1:-1] for part in match.parts))
    return [Text(parts, match.cased) for parts in sorted(found, key=repr)]


def compared(x: str, match: Match, value: Value) -> str:
    """A condition on the text ``x``, an expression; NULL where there is none."""
    if isinstance(match, Text):
        return _text(x, match, value)
    if isinstance(match, Pattern):
        return f"regexp_matches({x}, {value(match.expression)})"
    if isinstance(match, Number):
        return f"TRY_CAST({x} AS DOUBLE) {match.operation} {value(float(match.number))}"
    if isinstance(match, Truth):
        return f"lower({x}) = '{'true' if match.true else 'false'}'"
    if isinstance(match, Network):
        ends = f"BETWEEN {value(match.first)} AND {value(match.last)}"
        return f"{_v4(x)} {ends}" if match.version == 4 else f"{_v6(x)} {ends}"
    raise Unsupported("has a value of a kind that is not supported")


def _text(x: str, match: Text, value: Value) -> str:
    lowered: Callable[[str], str] = (lambda text: text) if match.cased else (lambda text: f"lower({text})")
    parts = [part for n, part in enumerate(match.parts) if not (part is Wild.MANY and n and match.parts[n - 1] is Wild.MANY)]
    words = [part for part in parts if not isinstance(part, Wild)]
    if Wild.ONE not in parts and len(words) <= 1 and len(parts) <= 2 + len(words):
        word = lowered(value(words[0])) if words else ""
        begins, ends = parts[:1] == [Wild.MANY], parts[-1:] == [Wild.MANY]
        if not words:
            return f"{x} IS NOT NULL" if parts else f"{x} = ''"
        how = "contains" if begins and ends else "ends_with" if begins else "starts_with" if ends else ""
        return f"{how}({lowered(x)}, {word})" if how else f"{lowered(x)} = {word}"
    pattern = "".join({Wild.MANY: ".*", Wild.ONE: "."}[part] if isinstance(part, Wild) else _literal(part) for part in parts)
    return f"regexp_full_match({lowered(x)}, {lowered(value(pattern))}, 's')"


def _literal(text: str) -> str:
    """For RE2. Nothing in it changes its meaning when it is written in lower case."""
    return "".join(f"\\{char}" if char in string.punctuation else "\\x00" if char == "\x00" else char for char in text)


def _v4(x: str) -> str:
    parts = " + ".join(f"CAST(split_part({x}, '.', {n}) AS BIGINT) * {256 ** (4 - n)}" for n in range(1, 5))
    return f"CASE WHEN regexp_full_match({x}, '{_V4}') THEN {parts} END"


def _v6(x: str) -> str:
    """The address with all its zeros, where it is one: what stands for zeros (::) is filled up."""
    before, after = (f"list_filter(string_split(split_part({x}, '::', {n}), ':'), lambda g: g <> '')" for n in (1, 2))
    full = " || ".join(
        (f"array_to_string(list_transform({before}, lambda g: lpad(g, 4, '0')), '')", f"repeat('0000', CAST(8 - len({before}) - len({after}) AS BIGINT))",
         f"array_to_string(list_transform({after}, lambda g: lpad(g, 4, '0')), '')")
    )  # fmt: skip
    whole = f"(len({before}) = 8 AND NOT contains({x}, '::') OR len(string_split({x}, '::')) = 2 AND len({before}) + len({after}) < 8)"
    return f"CASE WHEN regexp_full_match({x}, '{_V6}') AND {whole} THEN lower({full}) END"


def _grouped(node: Or) -> tuple[list[Node], dict[str, list[Text]]]:
    """(the rest, {field: its texts without wildcards, where there are several})"""
    listed: dict[str, list[Text]] = {}
    for inner in node.of:
        if (
            isinstance(inner, Test)
            and inner.field
            and isinstance(inner.match, Text)
            and not inner.match.cased
            and inner.match.plain is not None
        ):
            listed.setdefault(inner.field, []).append(inner.match)
    listed = {field: texts for field, texts in listed.items() if len(texts) > 1}
    taken = {id(text) for texts in listed.values() for text in texts}
    return [inner for inner in node.of if not (isinstance(inner, Test) and id(inner.match) in taken)], listed


def _joined(word: str, parts: list[str]) -> str:
    """Of nothing: false, since a field that is nowhere has no value that fits."""
    return f"({word.join(parts)})" if parts else "false"
