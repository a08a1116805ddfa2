# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules are files from strangers: what is no rule is named and ends nothing, what a rule says is never SQL, and what it matches is what Sigma says it matches."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import time
import typing as t
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sigma.rule")

from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import sigma
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis.sigma import asking, reading
from tests.unit.analysis.sigma_made import asked, call, files, find, logged, rule

GOOD = rule({"eventName": "ListBuckets"}, title="Good")
# -- files ---------------------------------------------------------------------------------------------------------------------------

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{n}: &{n} [{','.join([f'*{p}'] * 9)}]\n" for p, n in zip("abcdefgh", "bcdefghi", strict=True)
)
HEAD = "title: x\nlogsource: {product: aws, service: cloudtrail}\ndetection: "
BAD: dict[str, tuple[t.Any, str]] = {
    "text": ("just words", "no mapping"),
    "list": ("- 1\n- 2", "no mapping"),
    "yaml": ("title: [", "not YAML"),
    "tag": ("title: !!python/object/apply:os.system ['touch pwned']", "tag"),
    "bomb": (BOMB, "aliases"),
    "deep": ("a: " + "[" * 200 + "]" * 200, "nested deeper"),
    "long": ("a: " + "x" * 300_000, "larger than 256 KiB"),
    "binary": (b"\x00\xff\xfe", "not UTF-8"),
    "twice": ("title: a\ntitle: b", "written twice"),
    "empty_rule": ({"title": "x"}, "has no condition"),
    "no_log": ({"title": "x", "detection": GOOD["detection"]}, "no valid Sigma rule"),
    "no_condition": ({**GOOD, "detection": {"s": {"a": 1}}}, "has no condition"),
    "odd_condition": ({**GOOD, "detection": {"s": {"a": 1}, "condition": 5}}, "condition that is no text"),
    "unknown_selection": (rule({"s": {"a": 1}, "condition": "t"}), "can be read"),
    "empty_selector": (rule({"s": {"a": 1}, "condition": "1 of t*"}), "can be read"),
    "pipe": (rule({"s": {"a": 1}, "condition": "s | count() > 5"}), "can be read"),
    "brackets": (rule({"s": {"a": 1}, "condition": "(" * 200 + "s" + ")" * 200}), "brackets"),
    "long_condition": (rule({"s": {"a": 1}, "condition": " or ".join(["s"] * 900)}), "more than 2000 characters"),
    "multiplied": (rule({"s": {"a": ["x"] * 20_000}, "condition": " or ".join(["s"] * 400)}), "beyond all measure"),
    "many_nots": (rule({"s": {"a": 1}, "condition": "not " * 400 + "s"}), "can be read"),
    "modifier": (rule({"a|lookup": "x"}), "no valid Sigma rule"),
    "regex": (rule({"a|re": "("}), "no valid Sigma rule"),
    "look_ahead": (rule({"a|re": "x(?=y)"}), "no valid Sigma rule"),
    "large_regex": (rule({"a|re": ".{1000}.{1000}"}), "too large"),
    "wildcards": (rule({"a": "?" * 101}), "wildcards"),
    "huge_regex": (rule({"a|re": "((a{100}){100}){100}"}), "no valid Sigma rule"),
    "cidr": (rule({"a|cidr": "10.0.0.0/99"}), "no valid Sigma rule"),
    "field": (rule({'a"b': "x"}), "names a field"),
    "field_path": (rule({"a.[*].b": "x"}), "names a field"),
    "field_ref": (rule({"a|fieldref": "b'\"; DROP TABLE events"}), "names a field"),
    "placeholder": (rule({"a|expand": "%admins%"}), "placeholder"),
    "hour": (rule({"eventTime|hour": 3}), "TimestampPart"),
    "infinite": (HEAD + "{s: {a: .inf}, condition: s}", "number"),
    "half": (HEAD + '{s: {eventName: "\\ud800"}, condition: s}', ""),
    "long_value": (rule({"a": "x" * 9000}), "more than 8192 characters"),
    "many_values": (rule({"a": [str(n) for n in range(6000)]}), "more than 5000 values"),
    "keyword_network": (rule({"|cidr": "10.0.0.0/8"}), "in the whole event"),
    "correlation": ({"title": "c", "correlation": {"type": "event_count"}}, "correlation"),
    "filter": ({"title": "f", "logsource": {"product": "aws"}, "filter": {}}, "filter"),
    "action": ({"action": "global", "logsource": {"product": "aws"}}, "action"),
    "other_log": ({**GOOD, "logsource": {"product": "windows", "category": "process_creation"}}, "another log (windows/process_creation)"),
    "other_category": ({**GOOD, "logsource": {"product": "aws", "service": "cloudtrail", "category": "x"}}, "another log"),
    "log_of_no_text": ({**GOOD, "logsource": {"product": ["aws"]}}, "no valid Sigma rule"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_rule_is_named_with_the_reason_and_the_others_are_asked(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given, why = BAD[name]
    started = time.monotonic()
    with logged([call("one")]) as database:
        answer = find(database, files(tmp_path / "rules", **{name: given, "good": GOOD}))
        assert database.rows("SELECT count(*) AS n FROM events")[0]["n"] == 1
    assert [one["evidence"] for one in answer.findings] == [["one"]] and [one["title"] for one in answer.rules] == ["Good"]
    assert len(answer.unknown) == 1, answer.unknown
    assert f"rules/{name}.yml" in answer.unknown[0]["object"] and why in answer.unknown[0]["why"] and len(answer.unknown[0]["why"]) < 400
    assert time.monotonic() - started < 30 and sorted(os.listdir(tmp_path)) == ["rules"]


def test_files_that_are_none(tmp_path: Path) -> None:
    folder = Path(files(tmp_path / "rules", good=GOOD, same=[{**GOOD, "id": "0d2c0f4e-6b5e-4c5b-8c2e-3d2b7b1d9a01"}] * 2))
    os.mkfifo(folder / "pipe.yml")
    (folder / "link.yaml").symlink_to("/etc/passwd")
    (folder / "below").mkdir()
    (folder / "below" / "again.yml").write_text(json.dumps(GOOD))
    (folder / "notes.txt").write_text("no rule")
    (folder / "loop").symlink_to(folder)
    (tmp_path / "none").mkdir()
    with logged([call("one")]) as database:
        answer = sigma.find(database, [str(folder), str(tmp_path / "gone.yml"), str(tmp_path / "none")], None, None)
    said = {one["object"]: one["why"] for one in answer.unknown}
    assert [one["file"] for one in answer.rules] == ["rules/good.yml", "rules/same.yml", "rules/below/again.yml"]
    assert "not a regular file" in said["Sigma rule rules/pipe.yml"] and "is a link" in said["Sigma rule rules/link.yaml"]
    assert "has the id of a rule" in said["Sigma rule rules/same.yml: Good"] and "cannot be read" in said["Sigma rule gone.yml"]
    assert (
        "holds no file" in said["Sigma rule none"]
        and len(said) == 5
        and str(tmp_path) not in json.dumps([answer.unknown, answer.rules, answer.findings])
    )


def test_a_rule_that_takes_too_long_is_named_and_the_others_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "SECONDS", 0.15)
    slow = rule({"userAgent|re": "a[ab]{400}c"}, title="Slow")  # too many states for a table: RE2 goes through all of them
    with logged([call(f"e{n}", userAgent=f"{n:b}".replace("0", "a").replace("1", "b") * 15) for n in range(6500)]) as database:
        answer = find(database, files(tmp_path, a=slow, b=GOOD))
    assert [(one["object"].split(": ")[1], one["why"]) for one in answer.unknown] == [("Slow", "took longer than it may; it was not asked")]
    assert [one["count"] for one in answer.findings] == [6500]
    monkeypatch.setattr(sigma, "_ALL", -1.0)
    with logged([call("one")]) as database:
        assert find(database, str(tmp_path)).rules == [] and len(find(database, str(tmp_path)).unknown) == 2


def test_without_the_library_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SigmaRule", None)
    with logged([call("one")]) as database:
        answer = find(database, files(tmp_path / "rules", good=GOOD))
    assert (
        answer.findings == []
        and [one["object"] for one in answer.unknown] == ["Sigma rules of rules"]
        and "pysigma" in answer.unknown[0]["why"]
    )


# -- values --------------------------------------------------------------------------------------------------------------------------

NASTY = ["'; DROP TABLE events; --", "') OR 1=1 --", '"; SELECT 1', "$1", "$99", "?", "%", "_", "\\", "\\'", "{condition}", "{first}", "{{ lookup('pipe', 'x') }}",
         "a\x00b", "a\nb", "é", "İstanbul", "ſ", "\u202e", "[a-z]", "(", ")+", "^$", "\\Q", "\\x41", "*", "%s", "NULL", "e.raw", "read_text('/etc/passwd')"]  # fmt: skip


def literal(text: str) -> str:
    """As a rule has to write it so that nothing in it is a wildcard."""
    return re.sub(r"([*?\\])", r"\\\1", text)


@pytest.mark.parametrize("how", ["requestParameters.x", "userAgent"])
def test_hostile_values_are_values(how: str) -> None:
    records = [
        call(f"e{n}", userAgent=text, requestParameters={"x": text, "X'); DROP TABLE events; --": 1, '"': 2})
        for n, text in enumerate(NASTY)
    ]
    with logged(records) as database:
        for n, text in enumerate(NASTY):
            same = {f"e{m}" for m, other in enumerate(NASTY) if other.lower() == text.lower()}
            assert asked(database, {f"{how}|cased": literal(text)}) == {f"e{n}"}
            assert f"e{n}" in asked(database, {how: literal(text)}) <= {f"e{n}"} | same
            assert f"e{n}" in asked(database, {f"{how}|contains": literal(text)})
            assert asked(database, {how: [literal(text), "nothing else"]}) == asked(database, {how: literal(text)})
            assert asked(database, {how: f"{literal(text)}*?"}) == {
                f"e{m}" for m, other in enumerate(NASTY) if other.lower().startswith(text.lower()) and len(other) > len(text)
            }
            assert f"e{n}" in asked(database, [literal(text)])  # anywhere in the event
        assert database.rows("SELECT count(*) AS n FROM events")[0]["n"] == len(NASTY)


def test_a_pattern_that_would_backtrack_for_ever_does_not() -> None:
    records = [call("e1", userAgent="a" * 200_000, requestParameters={"x": ["a" * 100_000]})]
    started = time.monotonic()
    with logged(records) as database:
        assert asked(database, {"userAgent": "*a" * 40 + "*b"}) == set()
        assert asked(database, {"userAgent": "*a?" * 40 + "*"}) == {"e1"}
        assert asked(database, {"userAgent|re": "^(a+)+$"}) == {"e1"}
        assert asked(database, {"requestParameters.x|re": "^(a|a|a?)+b$"}) == set()
        assert asked(database, {"a" * 60: {"eventName": "x"}, "condition": "1 of " + "*a" * 30 + "*"}) == set()
    assert time.monotonic() - started < 60


# -- against plain Python ------------------------------------------------------------------------------------------------------------

_CHARS = "aAbBéÉ%_'\"[.+\\*? \n"
texts = st.text(_CHARS, max_size=8)


def lowered(text: str) -> str:
    return "".join(char.lower() for char in text)


def means(pattern: str, value: str, cased: bool = False) -> bool:
    """Sigma's strings, by a matrix: ``*`` any text, ``?`` one character; a backslash takes away the meaning of ``*``, ``?`` and of itself only."""
    parts: list[str] = []
    place = 0
    while place < len(pattern):
        char = pattern[place]
        if char == "\\" and pattern[place + 1 : place + 2] in ("*", "?", "\\"):
            parts.append("=" + pattern[place + 1])
            place += 1
        else:
            parts.append(char if char in "*?" else "=" + char)
        place += 1
    if not cased:
        parts, value = [lowered(part) for part in parts], lowered(value)
    reached = {0}
    for part in parts:
        if part == "*":
            reached = set(range(min(reached), len(value) + 1)) if reached else set()
        else:
            reached = {at + 1 for at in reached if at < len(value) and (part == "?" or value[at] == part[1])}
    return len(value) in reached


@settings(max_examples=60, deadline=None)
@given(st.lists(texts, min_size=1, max_size=12, unique=True), st.lists(texts, min_size=1, max_size=4), st.booleans())
def test_strings_and_wildcards_mean_what_sigma_says(values: list[str], patterns: list[str], cased: bool) -> None:
    records = [call(f"e{n}", userAgent=value, requestParameters={"x": value, "l": ["zz", value]}) for n, value in enumerate(values)]
    given_ = patterns if len(patterns) > 1 else patterns[0]
    modifier = "|cased" if cased else ""
    expected = {f"e{n}" for n, value in enumerate(values) if any(means(pattern, value, cased) for pattern in patterns)}
    with logged(records) as database:
        assert asked(database, {f"userAgent{modifier}": given_}) == expected
        assert asked(database, {f"requestParameters.x{modifier}": given_}) == expected
        assert asked(database, {f"requestParameters.l{modifier}": given_}) >= expected
        for how, begins, ends in (("contains", "*", "*"), ("startswith", "", "*"), ("endswith", "*", "")):
            wide = {f"e{n}" for n, value in enumerate(values) if any(means(begins + one + ends, value, cased) for one in patterns)}
            if not any(one.endswith("\\") for one in patterns):  # there pySigma's wildcard is behind the backslash, not ours in the text
                assert asked(database, {f"requestParameters.x|{how}{modifier}": given_}) == wide


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).filter(
    lambda a: a.version == 4 or "." not in str(a)
)  # mapped ones are not written so


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(addresses.map(str), addresses.map(lambda a: a.exploded.upper()).filter(lambda a: "." not in a or ":" not in a), st.text("0123456789:.abf", max_size=20)), min_size=1, max_size=8),
       addresses, st.integers(0, 128))  # fmt: skip
def test_networks_hold_what_pythons_hold(values: list[str], base: t.Any, bits: int) -> None:
    network = ipaddress.ip_network((base, min(bits, base.max_prefixlen)), strict=False)
    values = [*values, str(base)]

    def inside(text: str) -> bool:
        try:
            return ipaddress.ip_address(text) in network
        except ValueError:
            return False

    with logged([call(f"e{n}", sourceIPAddress=value) for n, value in enumerate(values)]) as database:
        found = asked(database, {"sourceIPAddress|cidr": str(network)})
    assert found == {f"e{n}" for n, value in enumerate(values) if inside(value)}


trees: st.SearchStrategy[t.Any] = st.recursive(
    st.sampled_from(["a", "b", "c", "d"]),
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner), st.tuples(st.just("and"), inner, inner), st.tuples(st.just("or"), inner, inner)
    ),
    max_leaves=8,
)


def written(tree: t.Any) -> str:
    if isinstance(tree, str):
        return tree
    return f"(not {written(tree[1])})" if tree[0] == "not" else f"({written(tree[1])} {tree[0]} {written(tree[2])})"


def holds(tree: t.Any, facts: dict[str, bool]) -> bool:
    if isinstance(tree, str):
        return facts[tree]
    if tree[0] == "not":
        return not holds(tree[1], facts)
    both = (holds(tree[1], facts), holds(tree[2], facts))
    return all(both) if tree[0] == "and" else any(both)


SELECTIONS = {"a": {"eventName": "CreateUser"}, "b": {"requestParameters.x": ["1", "2"]}, "c": {"userAgent": None}, "d": {"nowhere": "x"}}
NAMES_, XS, AGENTS = ("CreateUser", "Other"), (None, "1", "9"), (None, "aws")


@settings(max_examples=60, deadline=None)
@given(trees)
def test_conditions_mean_what_they_say_also_where_fields_are_missing(tree: t.Any) -> None:
    records, expected = [], set()
    for n, (name, x, agent) in enumerate((name, x, agent) for name in NAMES_ for x in XS for agent in AGENTS):
        records.append(call(f"e{n}", name, userAgent=agent, requestParameters={"x": x} if x else None))
        if holds(tree, {"a": name == "CreateUser", "b": x == "1", "c": agent is None, "d": False}):
            expected.add(f"e{n}")
    with logged(records) as database:
        detection = {**SELECTIONS, "condition": written(tree)}
        assert asked(database, detection) == expected
        assert asked(database, detection, narrow=True) >= expected


def test_an_event_whose_json_cannot_be_read_keeps_no_rule_from_the_others_and_is_told(tmp_path: Path) -> None:
    """The loader writes none; a part of another version of it, or a damaged one, may hold it."""
    folder = files(tmp_path, inner=rule({"requestParameters.x": "1", "eventVersion": "1.11"}), column=rule({"eventName": "ListBuckets"}))
    with logged(
        [call("good", requestParameters={"x": "1"}), call("half", requestParameters={"x": "1"}), call("cut", requestParameters={"x": "1"})]
    ) as database:
        database.run("UPDATE events SET raw = ? WHERE event_uid = 'half'", ['{"eventVersion":"1.11","name":"\\ud800"}'])
        database.run("UPDATE events SET request = ? WHERE event_uid = 'cut'", ['{"x":'])
        answer = find(database, folder)
    assert {frozenset(one["evidence"]) for one in answer.findings} == {frozenset({"good"}), frozenset({"good", "half", "cut"})}
    assert [(one["object"], one["why"]) for one in answer.unknown] == [
        ("Sigma rules of cloudtrail", "there are events whose column raw is no JSON: a rule does not find them by what is in it"),
        ("Sigma rules of cloudtrail", "there are events whose column request is no JSON: a rule does not find them by what is in it"),
    ]
