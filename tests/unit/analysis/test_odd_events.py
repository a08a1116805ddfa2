# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events whose time or id cannot be read: they are in no conclusion, and the report says so instead of falling over them."""

from __future__ import annotations

import pytest

from tests.unit.analysis import story
from tests.unit.analysis.events_made import EVIL, Row, event, user
from tests.unit.analysis.test_lineage import ids, trace

OWN = [{**event(operation=name, service="iam", **user("ci", key=story.SUSPECT), src_ip=f"192.0.2.{n}"), "time": None}
       for n, name in enumerate(("CreateUser", "CreateAccessKey", "AssumeRole", "ListUsers"), 1)]  # fmt: skip
OWN += [{**event(operation=name, service=service, **user("ci", key=story.SUSPECT), request={"userName": "x", "accessKeyId": story.SUSPECT}), "time": None}
        for name, service in (("DeleteUser", "iam"), ("DeleteAccessKey", "iam"), ("SwitchRole", "signin"), ("GetSecretValue", "secretsmanager"))]  # fmt: skip
NAMELESS = [
    {
        **event(operation="StopLogging", service="cloudtrail", **user("ci", key=story.SUSPECT), src_ip=EVIL, at="2026-11-25T12:00:00Z"),
        "event_uid": None,
    }
]


@pytest.mark.parametrize("start", [story.START, ""])
@pytest.mark.parametrize("before", [[], [*story.everyday(), *story.attack()]])
def test_an_event_without_a_time_or_an_id_stops_nothing_and_is_told(before: list[Row], start: str) -> None:
    made = trace([*before, *OWN, *NAMELESS], start=start)
    if before and start:
        assert ids(made) == story.EXPECTED
    (told,) = made.rows("SELECT * FROM doubts WHERE tainted_id = '' AND object = 'events'")
    assert told["why"].startswith("9 events have no time or no id")
    quiet = trace([*story.everyday(), *story.attack()], start=start)
    assert not quiet.rows("SELECT * FROM doubts WHERE object = 'events'")
