"""The incident of the generator of logs, hidden among colleagues who do the same, loaded as AWS delivers it: everybody of it, nobody else, every call."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import store as stores
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import taint
from ansible_collections.evict.cloud.plugins.module_utils.common.events import folder, formats, parts
from ansible_collections.evict.cloud.plugins.module_utils.common.suspect import classify
from tests.bench import cloudtrail_made
from tests.unit.analysis.events_made import moment

MANY = int(os.environ.get("EVICT_PLANTED", "0"))  # 1000000: what the investigation promises; minutes


@pytest.mark.parametrize("events", [6000, pytest.param(MANY, marks=pytest.mark.skipif(not MANY, reason="EVICT_PLANTED=1000000"))])
@pytest.mark.parametrize("window", [True, False])
def test_everybody_of_the_lineage_and_no_other(tmp_path: Path, events: int, window: bool) -> None:
    truth: dict[str, t.Any] = cloudtrail_made.write(tmp_path / "logs", events, plant=True, level=1)["truth"]
    case = stores.open_store(str(tmp_path / "case"))
    folder.load(case, [formats.FORMATS["cloudtrail"]], tmp_path / "logs", now="2026-12-01T00:00:00", threads=1)
    with parts.open_case(case, threads=1) as database:
        taint.trace(database, classify(truth["suspect"]), start=moment(truth["start"]) if window else None)
        found = database.rows("SELECT kind, id, arn, verdict FROM tainted")
        rogue = {name for row in found if row["verdict"] == "rogue" for name in (row["id"], row["arn"])}
        assert set(truth["principals"]) <= rogue
        extra = {row["id"] for row in found if row["verdict"] == "rogue" and not {row["id"], row["arn"]} & set(truth["principals"])}
        assert {one.rsplit("#", 1)[-1] for one in extra} == {"trust"}, "the trust policy that was rewritten is the role's, not an identity"
        acts = {row["event_uid"]: row for row in database.rows("SELECT event_uid, verdict, user_agent FROM acts")}
        assert {acts[uid]["verdict"] for kind in ("writes", "reads", "denied") for uid in truth[kind]} == {"rogue"}
        assert {"kali" in row["user_agent"] for row in acts.values() if row["verdict"] == "rogue"} == {True}
        blind = [row for row in database.rows("SELECT * FROM doubts") if "StopLogging" in row["why"]]
        assert blind, "the gap that the attacker made is said"
