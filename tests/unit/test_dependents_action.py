"""What the action of aws_dependent_info makes of the public variables, and the table."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.action import aws_dependent_info as action
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import InvalidInput
from ansible_collections.evict.cloud.plugins.plugin_utils import dependents_table
from tests.unit.aws import test_dependents as searched
from tests.unit.aws.planted import KEY, SECRET, Estate


@pytest.mark.parametrize(
    ("given", "variables", "expected"),
    [
        ({}, {"suspect": KEY}, {"suspects": [KEY]}),
        ({}, {"suspect": f"something about {KEY} in a log"}, {"suspects": [KEY]}),
        ({"threads": 4}, {"case": "cases/IR-1"}, {"threads": 4, "case": "cases/IR-1"}),
        ({"suspects": [KEY], "result_file": ""}, {"suspect": "AKIASOMEBODYELSE0002"}, {"suspects": [KEY]}),
    ],
)
def test_what_the_task_leaves_out_comes_from_the_public_variables(given: Any, variables: Any, expected: Any) -> None:
    assert action._arguments(given, variables) == expected


def test_a_path_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert action._arguments({}, {"incident": "incident.yml"}) == {"incident": str(tmp_path / "incident.yml")}


@pytest.mark.parametrize(
    "variables", [{}, {"suspect": "{{ lookup('pipe', 'id') }}"}, {"suspect": f"{KEY}:{SECRET}"}, {"incident": {"id": "{{ x }}"}}]
)
def test_templates_and_secrets_are_refused_without_being_shown(variables: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        action._arguments({}, variables)
    assert SECRET not in refused.value.message


def test_the_table_says_who_breaks_and_what_is_not_known() -> None:
    said = dependents_table.lines(searched.find(Estate()))
    text = "\n".join(said)
    assert "secret prod/ci in eu-west-1" in text and "id and secret (json)" in text and "names secret" not in said[0]
    assert "names prod/ci-a1b2c3" in text and "UNKNOWN Secrets Manager secrets" in text and SECRET not in text
    assert "not everything is known" in said[-1]


def test_nothing_found_is_not_said_to_be_nothing_there() -> None:
    said = dependents_table.lines(searched.find(Estate(refused={("", ""): "x"}), places=["glue"], logs=0) | {"dependents": []})
    assert "  no dependent was found" in said and "not everything is known" in said[-1]
