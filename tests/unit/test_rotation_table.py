"""What a tired responder reads of a rotation: in words where it is, what holds which key and why not, and the command that comes next."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation.options import STATES
from ansible_collections.evict.cloud.plugins.plugin_utils import table

USER = "arn:aws:iam::111122223333:user/ci"
OPEN = {"object": f"{USER} access key AKIAIOSFODNN7EXAMPLE", "why": "is to be quiet", "due": "2026-11-22T09:15:00Z"}


def said(state: str, **more: Any) -> str:
    places = [{"place": "secret app", "state": "new"}, {"place": "parameter /app", "state": "unknown: holds two keys"}]
    row = {
        "user": USER,
        "old": "AKIAIOSFODNN7EXAMPLE",
        "new": "AKIAI44QH8DHBEXAMPLE",
        "mode": "bridge",
        "state": state,
        "deadline": None,
        "places": places,
    }
    result = {"status": "open", "principals": [{"arn": USER}], "rotation": [row], "open": [OPEN], **more}
    return "\n".join(table.lines(result, "cases/IR-1"))


@pytest.mark.parametrize("state", STATES)
def test_each_state_is_said_in_words(state: str) -> None:
    assert f"{state}: {table._STATES[state]} (bridge)" in said(state)


def test_what_holds_which_key_and_when_it_goes_on() -> None:
    text = said("VERIFIED_NEW")
    assert "new     secret app" in text and "unknown parameter /app: holds two keys" in text
    assert "go on:            2026-11-22T09:15:00Z  ansible-playbook evict.cloud.rotate -e case=cases/IR-1" in text
    contained = said("VERIFIED_NEW", principals=[{"arn": USER, "action": "not cut yet", "proof": "unknown", "suspect": ""}])
    assert "ansible-playbook evict.cloud.contain -e case=cases/IR-1\n" in contained + "\n"
    assert "go on:" not in said("OLD_DELETED")


def test_in_an_emergency_it_says_how_the_dependents_get_another_key() -> None:
    cut = {
        "status": "ok",
        "principals": [{"arn": USER, "action": "contained", "proof": "read-back", "suspect": ""}],
        "rotation": [],
        "dependents": 2,
    }
    assert "ansible-playbook evict.cloud.rotate -e case=cases/IR-1  gives one to the dependents" in "\n".join(
        table.lines(cut, "cases/IR-1")
    )
    assert "rotate" not in "\n".join(table.lines({**cut, "dependents": 0}, "cases/IR-1"))
