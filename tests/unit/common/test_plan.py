# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans are data: what goes into the ledger comes out of it, whatever names an attacker chose."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evict.cloud.plugins.module_utils.common import plan
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import EvictError
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import (
    Call,
    Edit,
    Phase,
    Probe,
    Ref,
    Secret,
    Step,
    Target,
    decode,
    dig,
    encode,
)

HERE = Target("aws", "111122223333", "eu-west-1")
# keys and texts that look like our own tags
HOSTILE = st.sampled_from(["$", "$$", "$ref", "$step", "$call", "$secret", "$edit", "step", "path", "{{ 1 }}", "", "\u202e"])
TEXT = st.one_of(HOSTILE, st.text(max_size=8))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)
PATHS = st.lists(st.one_of(TEXT, st.integers(0, 5)), max_size=4).map(tuple)
REFS = st.one_of(st.builds(Ref, TEXT, PATHS), st.builds(Secret, TEXT, PATHS))
CALLS = st.builds(Call, st.just(HERE), TEXT, TEXT, st.dictionaries(TEXT, st.one_of(JSON, REFS), max_size=3), st.booleans())
EDITS = st.builds(
    Edit, st.just(HERE), st.dictionaries(TEXT, JSON, max_size=2), TEXT, st.dictionaries(TEXT, st.one_of(JSON, REFS), max_size=2)
)
ACTIONS = st.lists(st.one_of(CALLS, EDITS), max_size=2).map(tuple)
STEPS = st.builds(
    Step, id=TEXT, principal=TEXT, resource=TEXT, action=TEXT, phase=st.sampled_from(Phase), before=JSON, after=JSON, do=ACTIONS, undo=ACTIONS,
    probe=st.one_of(st.none(), st.builds(Probe, CALLS, PATHS, st.lists(TEXT, max_size=2).map(tuple))), needs=st.lists(TEXT, max_size=2).map(tuple),
    owns=st.one_of(st.none(), REFS), irreversible=TEXT, expires=st.one_of(st.none(), TEXT), undoes=TEXT,
)  # fmt: skip


@given(st.one_of(JSON, STEPS, CALLS, EDITS, REFS))
def test_what_the_ledger_keeps_is_what_was_given(value: Any) -> None:
    kept = json.loads(json.dumps(encode(value)))
    assert decode(kept) == value


@given(JSON)
def test_data_is_never_taken_for_a_reference(value: Any) -> None:
    assert list(plan.refs(decode(encode(value)))) == []
    assert plan.resolve(decode(encode(value)), {}) == value


@pytest.mark.parametrize(
    "hostile", [{"$ref": {"step": "s", "path": ["x"]}}, {"$secret": {"step": "s", "path": []}}, {"$": {"$step": {}}}, {"$step": 1}]
)
def test_a_tag_name_written_by_an_attacker_stays_text(hostile: Any) -> None:
    assert decode(encode({"Tags": [hostile]})) == {"Tags": [hostile]}


def test_what_is_no_data_is_refused() -> None:
    for value in (object(), b"bytes", {1, 2}):
        with pytest.raises(EvictError, match="cannot keep"):
            encode({"x": value})


def test_a_secret_is_a_reference_and_keeps_its_kind() -> None:
    assert encode(Secret("s", ("a",))) == {"$secret": {"step": "s", "path": ["a"]}} and encode(Ref("s", ("a",))) == {
        "$ref": {"step": "s", "path": ["a"]}
    }
    assert Secret("s", ("a",)) != Ref("s", ("a",))


ANSWER = {
    "Keys": [{"Id": "A", "Status": "Active"}, {"Id": "B", "Status": "Inactive"}],
    "Deep": {"x": {"y": 0}},
    "None": None,
    "Ids": ["p", "q"],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), ANSWER), (("Deep", "x", "y"), 0), (("Keys", 1, "Id"), "B"), (("Keys", -1, "Id"), "B"), (("Keys", 2, "Id"), None), (("Keys", -3), None),
        (("Keys", {"Id": "B"}, "Status"), "Inactive"), (("Keys", {"Id": "C"}, "Status"), None), (("Keys", "Id"), ["A", "B"]),
        (("None", "x"), None), (("absent", "x", 0), None), (("Ids", {"": "q"}), "q"), (("Ids", {"": "z"}), None),
    ],
)  # fmt: skip
def test_dig(path: plan.Path, value: Any) -> None:
    assert dig(ANSWER, path) == value


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=3), PATHS)
def test_digging_for_what_the_ledger_kept_finds_the_same(answer: dict[str, Any], path: plan.Path) -> None:
    try:
        value = dig(answer, path)
    except (AttributeError, TypeError, KeyError):
        return  # a path that does not fit the answer's shape at all
    kept = plan.Kept(json.loads(json.dumps([[list(path), value]])))
    assert dig(kept, path) == value


def test_kept_paths_with_positions_and_filters() -> None:
    paths: list[plan.Path] = [("Keys", 1, "Id"), ("Keys", {"Id": "A"}, "Status"), ("Deep", "x", "y")]
    kept = plan.Kept(json.loads(json.dumps([[list(p), dig(ANSWER, p)] for p in paths])))
    assert [dig(kept, p) for p in paths] == ["B", "Active", 0] and dig(kept, ("Keys", 0, "Id")) is None


def test_resolving() -> None:
    given_ = {"a": Ref("s", ("Id",)), "b": [Secret("s", ("Key", "Secret"))], "c": ("x", {"d": Ref("t", (0,))})}
    answers = {"s": {"Id": "i", "Key": {"Secret": "z"}}, "t": ["first"]}
    assert plan.resolve(given_, answers) == {"a": "i", "b": ["z"], "c": ["x", {"d": "first"}]}


@pytest.mark.parametrize("answers", [{}, {"s": {}}, {"s": {"Id": None}}])
def test_an_answer_that_is_not_there_is_named(answers: Any) -> None:
    with pytest.raises(EvictError, match=r"no answer of step s at Id") as caught:
        plan.resolve({"x": [Ref("s", ("Id",))]}, answers)
    assert caught.value.object == "s"


def test_all_references_are_found() -> None:
    a, b, c = Ref("a", ()), Secret("b", ("x",)), Ref("c", (0,))
    call = Call(HERE, "iam", "X", {"k": [a, {"l": (b,)}]})
    assert (
        list(plan.refs(call)) == [a, b]
        and list(plan.refs(Edit(HERE, {}, "n", {"s": c}))) == [c]
        and list(plan.refs([call, "x", 1, None])) == [a, b]
    )


def test_a_step_is_true_when_nothing_differs_and_never_when_it_creates() -> None:
    fields: dict[str, Any] = {
        "id": "i",
        "principal": "p",
        "resource": "r",
        "action": "a",
        "phase": Phase.FENCE,
        "do": (Call(HERE, "iam", "X", {}),),
    }
    assert Step(before={"a": [1]}, after={"a": [1]}, **fields).true
    assert not Step(before=None, after={"a": 1}, **fields).true
    assert not Step(before=None, after=None, owns=Ref("i", ("Id",)), **fields).true
    assert Step(before=None, after=None, **fields).target == HERE and Call(HERE, "iam", "X", {}).name == "iam:X"


def test_a_list_of_filters_picks_every_entry_that_matches_one() -> None:
    answer = {"Policies": [{"Name": "a", "Id": 1}, {"Name": "b", "Id": 2}, {"Name": "a", "Id": 3}, {"Name": "c", "Id": 4}]}
    assert dig(answer, ("Policies", [{"Name": "a"}], "Id")) == [1, 3] and dig(answer, ("Policies", [{"Name": "a"}, {"Id": 4}], "Id")) == [
        1,
        3,
        4,
    ]
    assert dig(answer, ("Policies", [{"Name": "x"}], "Id")) == [] and dig({}, ("Policies", [{"Name": "a"}], "Id")) is None


def test_a_filter_in_a_filter_has_to_match_in_turn() -> None:
    answer = {
        "Targets": [
            {"T": {"Id": "a", "Port": 80}, "Health": {"State": "healthy", "Reason": "x"}},
            {"T": {"Id": "a"}, "Health": None},
            {"T": "a"},
        ]
    }
    assert dig(answer, ("Targets", [{"T": {"Id": "a"}, "Health": {"State": "healthy"}}], "T", "Port")) == [80]
    assert dig(answer, ("Targets", [{"T": {"Id": "a"}, "Health": {"State": "draining"}}], "T", "Id")) == []
    assert dig(answer, ("Targets", {"T": {"Id": "a"}}, "T", "Port")) == 80 and dig(answer, ("Targets", [{"T": {"Id": "b"}}])) == []
