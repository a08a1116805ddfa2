# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Out of a warehouse comes what the lineage needs: the same people, calls and changes as of everything loaded; within a ceiling, and each thing once."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import random
import typing as t
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import catalogue
from ansible_collections.evict.cloud.plugins.module_utils.common import store as stores
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import changes, taint
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import Refused
from ansible_collections.evict.cloud.plugins.module_utils.common.events import folder, formats, parts
from ansible_collections.evict.cloud.plugins.module_utils.common.store import Store
from ansible_collections.evict.cloud.plugins.module_utils.common.suspect import Suspect, classify
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse import follow
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse.question import Handle, Span
from tests.bench import cloudtrail_made
from tests.unit.analysis import as_logs, story
from tests.unit.analysis.events_made import moment
from tests.unit.warehouse import made

START = moment(story.START)
SPAN = Span(START - dt.timedelta(days=30), START - dt.timedelta(days=1), START + dt.timedelta(days=10))
SUSPECTS = classify(story.SUSPECT)
Records = dict[str, list[dict[str, t.Any]]]


def _story() -> Records:
    rows = [*story.everyday(), *story.attack()]
    random.Random(1).shuffle(rows)
    return as_logs.records(rows)


def _accounts(records: Records) -> list[str]:
    return sorted({one["recipientAccountId"] for one in records["cloudtrail"]})


def _loaded(home: Path, records: Records) -> Store:
    (home / "logs").mkdir()
    for source, found in records.items():
        (home / "logs" / f"{source}.jsonl").write_text("\n".join(json.dumps(one) for one in found), encoding="utf-8")
    case = stores.open_store(str(home / "everything"))
    folder.load(case, [formats.FORMATS[source] for source in records], home / "logs", now="2026-12-01T00:00:00", threads=1)
    return case


def _concluded(case: Store, suspects: list[Suspect], start: dt.datetime, estate: Iterable[str]) -> dict[str, t.Any]:
    """Everything that the analysis says of a case, as far as it is about the attacker."""
    with parts.open_case(case, threads=1, keep=False) as database:
        taint.trace(database, suspects, start=start, logged=estate)
        done = changes.find(database, {"aws": catalogue.CATALOGUE})
        return {
            "events": database.rows("SELECT count(*) AS n FROM events")[0]["n"],
            "tainted": database.rows("SELECT * FROM tainted ORDER BY ALL"),
            "acts": database.rows("SELECT event_uid, time, operation, verdict, confidence, tainted_id FROM acts ORDER BY ALL"),
            "doubts": database.rows("SELECT * FROM doubts ORDER BY ALL"),
            "changed": done.changed, "read": done.read, "tried": done.tried, "blinded": done.blinded,
        }  # fmt: skip


def test_what_was_selected_says_the_same_as_everything(tmp_path: Path) -> None:
    """Across both clouds: first CloudTrail, then, with what that found, Google's logs."""
    records = _story()
    estate, case = _accounts(records), stores.open_store(str(tmp_path / "case"))
    athena, bigquery = made.Warehouse("athena"), made.Warehouse("bigquery")
    logs, audit = athena.cloudtrail(records["cloudtrail"]), bigquery.gcp(records["gcp_audit"])
    one = made.follow(athena, [logs], case, tmp_path, SUSPECTS, SPAN, start=START, estate=estate)
    two = made.follow(bigquery, [audit], case, tmp_path, SUSPECTS, SPAN, start=START, estate=estate)
    assert (one.queries, two.queries) == (len(athena.asked), len(bigquery.asked)) and one.queries <= 6 and two.queries <= 3
    assert one.scanned == 1000 * one.queries
    mine, whole = _concluded(case, SUSPECTS, START, estate), _concluded(_loaded(tmp_path, records), SUSPECTS, START, estate)
    assert {row["id"] for row in mine["tainted"] if row["verdict"] == "rogue"} == story.EXPECTED
    assert mine["events"] < whole["events"] / 8, (mine["events"], whole["events"])
    for name in whole:
        if name != "events":
            assert mine[name] == whole[name], name
    kept = parts.Parts(case, "cloudtrail")
    assert kept.manifest["gaps"] == [] and {part["from"] for part in kept.parts} == {"athena logs.cloudtrail"}
    assert parts.selected(case)["accounts"] == estate


@pytest.mark.parametrize("seed", [1, 2])
def test_an_incident_among_thousands_of_look_alikes(tmp_path: Path, seed: int) -> None:
    """The incident of the generator, files as AWS delivers them: a principal, a call or a change less is a failure."""
    truth = cloudtrail_made.write(tmp_path / "logs", 6000, plant=True, level=1, seed=seed)["truth"]
    records = [
        one for path in sorted((tmp_path / "logs").rglob("*.json.gz")) for one in json.loads(gzip.decompress(path.read_bytes()))["Records"]
    ]
    estate, start, suspects = sorted({one["recipientAccountId"] for one in records}), moment(truth["start"]), classify(truth["suspect"])
    house = made.Warehouse("athena")
    layout = house.cloudtrail(records)
    case, whole = (stores.open_store(str(tmp_path / name)) for name in ("case", "everything"))
    folder.load(whole, [formats.FORMATS["cloudtrail"]], tmp_path / "logs", now="2026-12-01T00:00:00", threads=1)
    span = Span(start - dt.timedelta(days=30), start - dt.timedelta(days=1), start + dt.timedelta(days=30))
    made.follow(house, [layout], case, tmp_path, suspects, span, start=start, estate=estate)
    mine, all_of = _concluded(case, suspects, start, estate), _concluded(whole, suspects, start, estate)
    assert set(truth["principals"]) <= {name for row in mine["tainted"] if row["verdict"] == "rogue" for name in (row["id"], row["arn"])}
    assert mine["events"] < all_of["events"] / 4
    for name in ("tainted", "acts", "changed", "read", "tried", "blinded"):
        assert mine[name] == all_of[name], name


def test_a_second_run_asks_only_for_what_came_since(tmp_path: Path) -> None:
    records = _story()
    case, house = stores.open_store(str(tmp_path / "case")), made.Warehouse("athena")
    layout, estate = house.cloudtrail(records["cloudtrail"]), _accounts(records)
    middle = Span(SPAN.since, SPAN.full, START + dt.timedelta(minutes=25))
    made.follow(house, [layout], case, tmp_path, SUSPECTS, middle, start=START, estate=estate)
    first = len(house.asked)
    assert made.follow(house, [layout], case, tmp_path, SUSPECTS, middle, start=START, estate=estate).queries == 0
    assert len(house.asked) == first, "nothing is asked twice"
    later = made.follow(house, [layout], case, tmp_path, SUSPECTS, SPAN, start=START, estate=estate)
    known = [query for query in house.asked[first:] if query.since >= middle.until - follow.LATE]
    assert known, "what is known already is asked from where the first run ended"
    assert later.queries == len(house.asked) - first
    made.follow(
        made_google := made.Warehouse("bigquery"),
        [made_google.gcp(records["gcp_audit"])],
        case,
        tmp_path,
        SUSPECTS,
        SPAN,
        start=START,
        estate=estate,
    )
    mine, whole = _concluded(case, SUSPECTS, START, estate), _concluded(_loaded(tmp_path, records), SUSPECTS, START, estate)
    assert mine["tainted"] == whole["tainted"] and mine["acts"] == whole["acts"]


def test_an_earlier_beginning_asks_for_the_time_before(tmp_path: Path) -> None:
    records = _story()
    case, house = stores.open_store(str(tmp_path / "case")), made.Warehouse("athena")
    layout, estate = house.cloudtrail(records["cloudtrail"]), _accounts(records)
    late = START + dt.timedelta(minutes=15)
    span = Span(late - dt.timedelta(days=30), late - dt.timedelta(minutes=1), SPAN.until)
    made.follow(house, [layout], case, tmp_path, SUSPECTS, span, start=late, estate=estate)
    made.follow(house, [layout], case, tmp_path, SUSPECTS, SPAN, start=START, estate=estate)
    google = made.Warehouse("bigquery")
    made.follow(google, [google.gcp(records["gcp_audit"])], case, tmp_path, SUSPECTS, SPAN, start=START, estate=estate)
    mine, whole = _concluded(case, SUSPECTS, START, estate), _concluded(_loaded(tmp_path, records), SUSPECTS, START, estate)
    assert mine["tainted"] == whole["tainted"] and mine["acts"] == whole["acts"]


def test_what_was_asked_of_some_accounts_says_nothing_of_the_others(tmp_path: Path) -> None:
    records = _story()
    case, house = stores.open_store(str(tmp_path / "case")), made.Warehouse("athena")
    layout, estate = house.cloudtrail(records["cloudtrail"]), _accounts(records)
    made.follow(house, [layout], case, tmp_path, SUSPECTS, SPAN, start=START, estate=estate, accounts=estate[:1])
    assert all(query.accounts == (estate[0],) for query in house.asked)
    (gap,) = parts.Parts(case, "cloudtrail").manifest["gaps"]
    assert gap["why"] == f"only accounts {estate[0]} were asked: what happened elsewhere is not known"
    assert (parts.selected(case)["accounts"], parts.selected(case)["estate"]) == (estate[:1], estate)
    some = {row["id"] for row in _concluded(case, SUSPECTS, START, estate[:1])["tainted"]}
    made.follow(house, [layout], case, tmp_path, SUSPECTS, SPAN, start=START, estate=estate)
    assert parts.Parts(case, "cloudtrail").manifest["gaps"] == []
    assert some < {row["id"] for row in _concluded(case, SUSPECTS, START, estate)["tainted"]}, "the second run asked the others, too"


def test_over_the_ceiling_nothing_is_started(tmp_path: Path) -> None:
    records = _story()
    case, house = stores.open_store(str(tmp_path / "case")), made.Warehouse("athena")
    layout = house.cloudtrail(records["cloudtrail"])
    with pytest.raises(Refused) as refused:
        made.follow(house, [layout], case, tmp_path, SUSPECTS, SPAN, start=START, ceiling=999)
    assert house.asked == [] and "1000 bytes" in refused.value.message and "ceiling is 999" in refused.value.message
    assert "narrow accounts, regions, start and end" in refused.value.remedy
    (gap,) = parts.Parts(case, "cloudtrail").manifest["gaps"]
    assert "1000 bytes" in gap["why"] and "999" in gap["why"] and gap["start"] == parts.iso(SPAN.since)


def test_the_ceiling_is_of_the_whole_run_and_the_rest_is_a_gap(tmp_path: Path) -> None:
    records = _story()
    case, house = stores.open_store(str(tmp_path / "case")), made.Warehouse("athena")
    layout, estate = house.cloudtrail(records["cloudtrail"]), _accounts(records)
    cut = made.follow(house, [layout], case, tmp_path, SUSPECTS, SPAN, start=START, ceiling=2500, estate=estate)
    assert (cut.queries, cut.scanned, len(house.asked)) == (2, 2000, 2)
    (gap,) = parts.Parts(case, "cloudtrail").manifest["gaps"]
    assert "2000 that this run has read already" in gap["why"]
    whole = made.follow(house, [layout], case, tmp_path, SUSPECTS, SPAN, start=START, estate=estate)
    assert parts.Parts(case, "cloudtrail").manifest["gaps"] == [] and whole.queries + 2 <= 6, (
        "a second run goes on where the first one stopped"
    )


def test_check_mode_says_what_it_would_read(tmp_path: Path) -> None:
    case, house = stores.open_store(str(tmp_path / "case")), made.Warehouse("athena")
    layout = house.cloudtrail(_story()["cloudtrail"])
    shown = made.follow(house, [layout], case, tmp_path, SUSPECTS, SPAN, start=START, preview=True)
    assert (shown.queries, shown.scanned, shown.how) == (1, 1000, "what the test says") and house.asked == []
    assert parts.Parts(case, "cloudtrail").manifest["reads"] == {}


def test_an_answer_that_breaks_off_is_a_gap_and_is_asked_again(tmp_path: Path) -> None:
    records = _story()
    case, house = stores.open_store(str(tmp_path / "case")), made.Warehouse("athena")
    layout, estate = house.cloudtrail(records["cloudtrail"]), _accounts(records)
    house.fail_after = 20
    made.follow(house, [layout], case, tmp_path, SUSPECTS, SPAN, start=START, estate=estate)
    kept = parts.Parts(case, "cloudtrail")
    assert "cut off: it broke off" in kept.manifest["gaps"][0]["why"] and kept.parts[0]["events"] == 20 and kept.reads == {}
    house.fail_after = -1
    made.follow(house, [layout], case, tmp_path, SUSPECTS, SPAN, start=START, estate=estate)
    assert parts.Parts(case, "cloudtrail").manifest["gaps"] == []


def test_a_run_that_dies_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    """Killed after a part of the answer was loaded: it is said to be selected, and not all of it."""
    records = _story()
    case, house = stores.open_store(str(tmp_path / "case")), made.Warehouse("athena")
    layout, estate = house.cloudtrail(records["cloudtrail"]), _accounts(records)
    house.fail_after, house.failure = 20, KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        made.follow(house, [layout], case, tmp_path, SUSPECTS, SPAN, start=START, estate=estate)
    left = parts.Parts(case, "cloudtrail")
    assert left.parts[0]["events"] == 20 and left.reads == {} and parts.selected(case)["from"] == ["athena logs.cloudtrail"]
    assert [gap["why"] for gap in left.manifest["gaps"]] == [follow.AT_WORK]
    house.fail_after = -1
    made.follow(house, [layout], case, tmp_path, SUSPECTS, SPAN, start=START, estate=estate)
    assert parts.Parts(case, "cloudtrail").manifest["gaps"] == []


def test_a_table_that_ends_the_run_leaves_a_gap_in_the_others_too(tmp_path: Path) -> None:
    case, house = stores.open_store(str(tmp_path / "case")), made.Warehouse("athena")
    layout = house.cloudtrail(_story()["cloudtrail"])
    house.fail_after = 20
    made.follow(house, [layout, replace(layout, table='"logs"."other"')], case, tmp_path, SUSPECTS, SPAN, start=START)
    whys = {gap["object"]: gap["why"] for gap in parts.Parts(case, "cloudtrail").manifest["gaps"]}
    assert (
        "cut off" in whys["athena logs.cloudtrail"]
        and whys["athena logs.other"] == "not asked to the end, since athena logs.cloudtrail was not"
    )


def test_more_events_than_this_machine_takes_end_the_query(tmp_path: Path) -> None:
    case, house = stores.open_store(str(tmp_path / "case")), made.Warehouse("athena")
    layout = house.cloudtrail(_story()["cloudtrail"])
    made.follow(house, [layout], case, tmp_path, SUSPECTS, SPAN, start=START, rows=10)
    kept = parts.Parts(case, "cloudtrail")
    assert (
        "more than 10 events" in kept.manifest["gaps"][0]["why"] and kept.reads == {} and sum(part["events"] for part in kept.parts) == 10
    )
    assert house.ended == 1, "the generator was closed, so the query ends"


def test_what_cannot_be_asked_is_a_gap(tmp_path: Path) -> None:
    """A table without the column, and names that no parameter takes."""
    case, house = stores.open_store(str(tmp_path / "case")), made.Warehouse("athena")
    layout = house.cloudtrail(_story()["cloudtrail"])
    kept = parts.Parts(case, "cloudtrail")
    wanted = [follow.Wanted("credential", "x" * 1001, False), follow.Wanted("actor", "a\0b", False), follow.Wanted("user_name", "'" * 600, False),
              follow.Wanted("delegation", "u-1", False), follow.Wanted("actor", "fine", False)]  # fmt: skip
    work = follow.Follow(house, [replace(layout, lacks={"delegation": "useridentity.onbehalfof.userid"})], kept, SPAN, lambda _seen: wanted,
                         lambda _file: None, tmp_path, 10**9, SPAN.until)  # fmt: skip
    work.run()
    assert [value for query in house.asked for name, value in query.parameters if name.startswith("actor")] == ["fine"]
    whys = sorted(gap["why"] for gap in kept.manifest["gaps"])
    assert (
        len(whys) == 4
        and sum("cannot be asked" in why for why in whys) == 4
        and any("no column useridentity.onbehalfof.userid" in why for why in whys)
    )


def test_many_handles_go_in_portions_of_one_scan_each() -> None:
    from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse import question

    handles = [Handle("credential", f"AKIA{n:016d}") for n in range(1000)]
    portions = list(question.portions(handles))
    assert [one for portion in portions for one in portion] == handles and [len(portion) for portion in portions] == [400, 400, 200]
    assert [len(portion) for portion in question.portions([Handle("actor", "x" * 900)] * 300)] == [133, 133, 34]
    assert [len(portion) for portion in question.portions([Handle("request", "/role")] * 60)] == [50, 10]
