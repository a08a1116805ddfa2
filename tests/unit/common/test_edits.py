# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of policy documents: pure, and nothing of others is touched."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evict.cloud.plugins.module_utils.common import edits
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import EvictError

OURS = {"Sid": "Evict0123456789abcdef", "Effect": "Deny", "Action": "*", "Resource": "*"}
STATEMENT = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Action": st.text(max_size=5)}, optional={"Sid": st.text(max_size=5)}
)
DOCUMENT = st.fixed_dictionaries(
    {"Statement": st.one_of(STATEMENT, st.lists(STATEMENT, max_size=4))},
    optional={"Version": st.just("2008-10-17"), "Id": st.text(max_size=4)},
)


@given(DOCUMENT)
def test_add_then_remove_is_the_identity_and_changes_no_input(document: dict[str, Any]) -> None:
    given_ = copy.deepcopy(document)
    with_ours = edits.add_statement(document, OURS)
    theirs = [document["Statement"]] if isinstance(document["Statement"], dict) else document["Statement"]
    assert with_ours["Statement"] == [*theirs, OURS] and document == given_
    back = edits.remove_statement(with_ours, OURS["Sid"])
    assert back == ({**document, "Statement": theirs} if theirs else None) and with_ours["Statement"][-1] == OURS


@given(DOCUMENT)
def test_adding_twice_is_adding_once(document: dict[str, Any]) -> None:
    once = edits.add_statement(document, OURS)
    assert edits.add_statement(once, OURS) == once
    newer = {**OURS, "Action": "iam:*"}
    assert edits.add_statement(once, newer)["Statement"][-1] == newer and len(edits.add_statement(once, newer)["Statement"]) == len(
        once["Statement"]
    )


def test_an_absent_document_is_made_and_removed_again() -> None:
    for absent in (None, {}):
        made = edits.add_statement(absent, OURS)
        assert made == {"Version": "2012-10-17", "Statement": [OURS]} and edits.remove_statement(made, OURS["Sid"]) is None
        assert edits.remove_statement(absent, OURS["Sid"]) is None


def test_two_incidents_in_one_document_leave_each_other_alone() -> None:
    other = {**OURS, "Sid": "Evictfedcba9876543210"}
    both = edits.add_statement(edits.add_statement(None, OURS), other)
    assert edits.remove_statement(both, OURS["Sid"])["Statement"] == [other]  # type: ignore[index]


def test_a_value_is_replaced_at_its_place_only() -> None:
    document = {"a": {"b": [1, {"c": 2}]}, "d": 3}
    assert edits.replace_value(document, ["a", "b", 1, "c"], 9) == {"a": {"b": [1, {"c": 9}]}, "d": 3} and document["a"]["b"][1] == {"c": 2}  # type: ignore[index]
    assert edits.replace_value(None, ["a"], 1) == {"a": 1}


@pytest.mark.parametrize("path", [["x", "y"], ["a", "b", 7, "c"], ["d", "e", "f"], ["a", "b", 7], ["d", "e"]])
def test_a_place_that_is_not_there_is_an_error_not_a_guess(path: list[Any]) -> None:
    with pytest.raises(EvictError, match="has nothing at"):
        edits.replace_value({"a": {"b": [1, {"c": 2}]}, "d": 3}, path, 9)


def test_an_unknown_edit_is_refused() -> None:
    with pytest.raises(EvictError, match="no such edit: __import__"):
        edits.apply("__import__", {}, {})
    assert edits.apply("add_statement", None, {"statement": OURS}) == edits.add_statement(None, OURS)


def test_exchange_statements_writes_only_over_what_was_read() -> None:
    old, new, others = [{"Sid": "OursD", "v": 1}], [{"Sid": "OursD", "v": 2}, {"Sid": "OursF"}], {"Sid": "TheirsD"}
    order = {"prefix": "Ours", "before": old, "statements": new}
    assert edits.apply("exchange_statements", {"Statement": [*old, others]}, order) == {"Statement": [others, *new]}
    assert edits.apply("exchange_statements", {"Statement": [*new, others]}, order) == {"Statement": [*new, others]}  # done already
    for since in ([{"Sid": "OursD", "v": 3}], [*old, {"Sid": "OursU"}], []):
        with pytest.raises(edits.Overtaken):
            edits.apply("exchange_statements", {"Statement": [*since, others]}, order)


def test_set_statements_replaces_ours_and_leaves_what_others_wrote() -> None:
    document = {"Version": "2012-10-17", "Statement": [{"Sid": "Theirs"}, {"Sid": "OursA"}]}
    new = edits.apply("set_statements", document, {"sids": ["OursA", "OursB"], "statements": [{"Sid": "OursB"}]})
    assert new == {"Version": "2012-10-17", "Statement": [{"Sid": "Theirs"}, {"Sid": "OursB"}]} and len(document["Statement"]) == 2
    assert edits.apply("set_statements", {"Statement": {"Sid": "OursA"}}, {"sids": ["OursA"], "statements": []}) is None


def test_variables_that_have_no_value_or_are_references_stay_as_they_are() -> None:
    old, new, secret = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE", "n" * 40
    rest = [{"name": "EMPTY"}, {"name": "DB", "value": old, "type": "PARAMETER_STORE"}]
    document = {"c": [{"environment": [*rest, {"name": "ID", "value": old}, {"name": "SECRET", "value": "o" * 40}]}]}
    changed = edits.replace_in_variables(document, [["c", 0, "environment"], ["c", 1, "environment"]], old, new, secret)
    assert changed == {"c": [{"environment": [*rest, {"name": "ID", "value": new}, {"name": "SECRET", "value": secret}]}]}
