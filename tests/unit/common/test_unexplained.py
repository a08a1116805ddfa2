"""Changes without an author, as the ledger's notes have them."""

from __future__ import annotations

import dataclasses
from typing import Any

from ansible_collections.evict.cloud.plugins.module_utils.common import unexplained
from ansible_collections.evict.cloud.plugins.module_utils.common.unexplained import Entry

SEEN = "2026-11-22T09:01:04Z"
GRANT = Entry("arn:aws:iam::111122223333:user/bob", "attached/x", None, True, "", "2026-11-22T09:00:00Z", SEEN, True, True)


def note(place: int, data: dict[str, Any]) -> dict[str, Any]:
    return {"time": SEEN, "run": "r", "place": [place, "r", 1, 0], "data": data}


def test_what_has_no_answer_keeps_the_case_from_being_closed() -> None:
    harmless = dataclasses.replace(GRANT, facet="inline/stop", access=False)
    notes = {"unexplained": [note(1, GRANT.as_dict()), note(2, harmless.as_dict())]}
    assert unexplained.waiting(notes) == [GRANT]
    answered = {**notes, "explained": [note(3, {"id": GRANT.id, "how": "undone", "who": {}})]}
    assert unexplained.waiting(answered) == [] and unexplained.known(answered)[GRANT.id].at == SEEN


def test_what_was_undone_before_anybody_knew_whose_it_was_waits_for_an_author_or_a_person() -> None:
    notes = {"unexplained": [note(1, GRANT.as_dict())], "explained": [note(2, {"id": GRANT.id, "how": unexplained.UNDONE, "who": {}})]}
    assert unexplained.waiting(notes) == [GRANT]
    for answer in ({"explained": [*notes["explained"], note(3, {"id": GRANT.id, "how": "undone", "who": {}})]},
                   {"confirmed": [note(3, {"item": GRANT.id, "by": "Ada", "note": ""})]}):  # fmt: skip
        assert unexplained.waiting({**notes, **answer}) == []


def test_what_was_changed_again_after_the_answer_waits_again() -> None:
    """By the log or by a person: the answer was about what was there then."""
    more = dataclasses.replace(GRANT, after=False)
    assert more.id == GRANT.id
    for answer in (
        {"explained": [note(2, {"id": GRANT.id, "how": "undone", "who": {}})]},
        {"confirmed": [note(2, {"item": GRANT.id, "by": "Ada", "note": ""})]},
    ):
        assert unexplained.waiting({"unexplained": [note(1, GRANT.as_dict())], **answer}) == []
        assert unexplained.waiting({"unexplained": [note(1, GRANT.as_dict()), note(3, more.as_dict())], **answer}) == [more]


def test_notes_of_an_earlier_version_wait_for_nothing() -> None:
    assert unexplained.known({"unexplained": [note(1, {"change": "x added", "since": SEEN})]}) == {}
