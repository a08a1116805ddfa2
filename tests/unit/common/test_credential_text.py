"""An access key inside somebody's text: both halves replaced, nothing else changed, nothing said."""

from __future__ import annotations

import json

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import credential_text as text
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import EvictError

OLD, NEW = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE"
SECRET, FRESH, OTHER = "o" * 39 + "1", "n" * 39 + "2", "x" * 39 + "3"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f'{{"a": {{"key_id": "{OLD}",   "secret": "{SECRET}"}}, "x": "{OTHER}"}}', f'{{"a": {{"key_id": "{NEW}",   "secret": "{FRESH}"}}, "x": "{OTHER}"}}'),
        (f'[{{"id":"{OLD}","secret":"{SECRET}"}}]', f'[{{"id":"{NEW}","secret":"{FRESH}"}}]'),
        (f"export AWS_ACCESS_KEY_ID='{OLD}'\r\nAWS_SECRET_ACCESS_KEY={SECRET}\r\n", f"export AWS_ACCESS_KEY_ID='{NEW}'\r\nAWS_SECRET_ACCESS_KEY={FRESH}\r\n"),
        (f"# {OLD}\nAWS_ACCESS_KEY_ID={OLD}\nMAIL_SECRET_KEY={OTHER}\nAWS_SECRET_ACCESS_KEY={SECRET}", f"# {OLD}\nAWS_ACCESS_KEY_ID={NEW}\nMAIL_SECRET_KEY={OTHER}\nAWS_SECRET_ACCESS_KEY={FRESH}"),
        (f"[a]\naws_access_key_id = {OLD}\naws_secret_access_key = {SECRET}\n[b]\naws_secret_access_key = {OTHER}\n", f"[a]\naws_access_key_id = {NEW}\naws_secret_access_key = {FRESH}\n[b]\naws_secret_access_key = {OTHER}\n"),
        (OLD + "\n", NEW + "\n"),
        (NEW, NEW),
    ],
)  # fmt: skip
def test_only_the_two_fields_change(before: str, after: str) -> None:
    assert text.replaced(before, OLD, NEW, FRESH) == after
    assert text.replaced(after, OLD, NEW, FRESH) == after, "a second time"


def test_a_map_of_variables() -> None:
    before = {"KEY_ID": OLD, "KEY_SECRET": SECRET, "MODE": "fast", "N": "7"}
    assert text.replaced(before, OLD, NEW, FRESH) == {**before, "KEY_ID": NEW, "KEY_SECRET": FRESH}
    assert before["KEY_ID"] == OLD


def test_a_value_that_stands_twice_is_replaced_where_it_belongs_alone() -> None:
    document = {"key": {"id": OLD, "secret": SECRET}, "note": SECRET}
    found = json.loads(text.replaced(json.dumps(document), OLD, NEW, FRESH))
    assert found == {"key": {"id": NEW, "secret": FRESH}, "note": SECRET}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("something else", "does not hold"),
        (json.dumps({"id": "AKIAXXXXXXXXXXXXXXXX", "secret": SECRET}), "does not hold"),
        (json.dumps({"id": OLD}), "no secret beside it"),
        (f"ID={OLD}\nNAME=x\n", "no secret beside it"),
        (json.dumps({"id": OLD, "secret_a": SECRET, "secret_b": OTHER}), "more than one"),
        (f"ID={OLD}\nSECRET_A={SECRET}\nSECRET_B={OTHER}\n", "more than one"),
        ("[" * 100_000, "does not hold"),
        ("x" * 1_000_001, "longer than"),
    ],
)
def test_what_cannot_be_told_is_an_error_that_shows_no_value(value: str, says: str) -> None:
    with pytest.raises(EvictError) as caught:
        text.replaced(value, OLD, NEW, FRESH)
    assert says in caught.value.message
    assert not [s for s in (SECRET, OTHER, FRESH) if s in repr(caught.value) + caught.value.message]


def test_a_half_alone() -> None:
    assert text.half(SECRET + "\n", FRESH) == FRESH + "\n"
    with pytest.raises(EvictError):
        text.half(f"{SECRET} and more", FRESH)


@pytest.mark.parametrize("value", [json.dumps({"id": OLD, "secret": SECRET}), f"ID={OLD}\nSECRET={SECRET}", {"ID": OLD, "SECRET": SECRET}])
def test_the_secret_is_found_again_beside_its_id(value: object) -> None:
    assert text.secret_of(value, OLD) == SECRET and text.secret_of(value, NEW) == ""
    assert text.identities(value, {OLD, NEW}) == {OLD}
