# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reviewed plan: people's words are never lost, nobody changes what the other found, and what is executed is what stands in the case."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.evict.cloud.plugins.module_utils.common import errors, opening, planning, response_plan
from ansible_collections.evict.cloud.plugins.module_utils.common.ledger import Ledger
from ansible_collections.evict.cloud.plugins.module_utils.common.response_plan import Item, Plan
from ansible_collections.evict.cloud.plugins.module_utils.common.store import Store, open_store
from ansible_collections.evict.cloud.plugins.modules import case as case_module

NOW = dt.datetime(2026, 11, 23, 14, 15, 3, tzinfo=dt.UTC)
KEY = "AKIAIOSFODNN7EXAMPLE"
ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/pivot"
BUCKET = "arn:aws:s3:::customer-data"


def found(kind: str = "principal", what: str = ROLE, verdict: str = "rogue", confidence: int = 95, **more: Any) -> Item:
    return response_plan.item(kind, "aws", ACCOUNT, what, verdict=verdict, confidence=confidence, evidence=["e-1", "e-2"], **more)


@pytest.fixture
def case(tmp_path: Path) -> Store:
    raw = {"id": "IR-1", "opened": "2026-11-22T09:00:00Z", "suspects": [{"cloud": "aws", "account": ACCOUNT, "access_key_id": KEY}]}
    run(tmp_path, data=raw)
    return open_store(str(tmp_path / "cases" / "IR-1"))


def run(directory: Path, check: bool = False, **given: Any) -> dict[str, Any]:
    params = dict.fromkeys(case_module.ARGUMENTS) | {"state": "open", "allow_local_store": True, "directory": str(directory)} | given
    if params["data"]:
        params["data"] = {**params["data"], "store": str(directory / "cases")}
    return opening.run(params, check=check, now=NOW)


def write(case: Store, items: list[Item]) -> Plan:
    plan = response_plan.merge(response_plan.read(case, "IR-1"), items)
    ledger = Ledger.open(case, incident="IR-1", module="test")
    planning.record(ledger, case, plan)
    ledger.end("ok")
    return plan


def edited(case: Store, path: Path, edit: Any, revision: int | None = None) -> str:
    raw = response_plan.read(case, "IR-1", revision).as_dict()
    raw["items"] = json.loads(json.dumps(raw["items"]))
    edit(raw)
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return str(path)


def decide(decision: str, who: str = "Ada Lovelace", number: int = 0, note: str | None = None) -> Any:
    return lambda raw: raw["items"][number].update({"decision": decision, "decided_by": who, "note": note})


def importing(case: Store, path: str, check: bool = False) -> dict[str, Any]:
    return planning.run({"case": case.url, "plan": path, "min_confidence": 80}, check=check)


def test_the_id_follows_from_what_it_is_about_and_the_hash_from_all_of_it() -> None:
    one, same = found(), found(verdict="review", confidence=10)
    assert one["id"] == same["id"] and len(one["id"]) == 64
    assert len({one["id"], found(what=ROLE + "2")["id"], found(kind="session")["id"], found(region="eu-west-1")["id"]}) == 4
    plan = response_plan.merge(Plan("IR-1"), [one])
    written = plan.as_dict()
    assert (written["revision"], written["based_on"]) == (1, None)
    assert written["hash"] == response_plan.canonical(written) != response_plan.canonical({**written, "incident": "IR-2"})


def test_what_is_written_is_read_back_and_a_second_time_nothing_is_new(case: Store) -> None:
    first = write(case, [found(), found("resource", BUCKET)])
    assert response_plan.read(case, "IR-1") == first and case.list("plan") == ["plan/0001.yml"]
    again = response_plan.merge(response_plan.read(case, "IR-1"), [found("resource", BUCKET), found()])
    assert again.revision == 1
    notes = Ledger.open(case, incident="IR-1", module="test", check=True).state.notes["plan"]
    assert [n["data"]["hash"] for n in notes] == [first.as_dict()["hash"]]


def test_a_later_investigation_keeps_what_people_wrote_and_what_it_finds_no_more(case: Store, tmp_path: Path) -> None:
    write(case, [found(), found("resource", BUCKET)])
    importing(case, edited(case, tmp_path / "e.yml", decide("skip", note="the release pipeline")))
    write(case, [found(confidence=99)])
    plan = response_plan.read(case, "IR-1")
    role, bucket = plan.items.values()
    assert (role["decision"], role["decided_by"], role["note"], role["confidence"]) == ("skip", "Ada Lovelace", "the release pipeline", 99)
    assert bucket["stale"] is True and plan.revision == 3 and plan.based_on == 2
    write(case, [found(confidence=99), found("resource", BUCKET)])
    assert "stale" not in list(response_plan.read(case, "IR-1").items.values())[1]


def test_what_has_no_account_in_the_log_is_read_back_as_well(case: Store) -> None:
    lost = response_plan.item("principal", "aws", "", KEY, verdict="rogue", confidence=90, evidence=["e-1"])
    assert write(case, [lost]) == response_plan.read(case, "IR-1")


def test_executed_is_what_people_decided_and_what_is_rogue_beyond_doubt() -> None:
    items = [
        found(what="a", verdict="rogue", confidence=80), found(what="b", verdict="rogue", confidence=79), found(what="c", verdict="review"),
        {**found(what="d", verdict="review"), "decision": "do", "decided_by": "x"}, {**found(what="e"), "decision": "skip", "decided_by": "x"},
        {**found(what="f"), "stale": True}, {**found(what="g"), "stale": True, "decision": "do", "decided_by": "x"}, found(what="h", verdict="benign"),
    ]  # fmt: skip
    plan = Plan("IR-1", 1, None, {i["id"]: i for i in items})
    assert [i["object"] for i in response_plan.executable(plan, 80)] == ["a", "d", "g"]


@pytest.mark.parametrize(
    ("edit", "path", "why"),
    [
        (lambda raw: raw["items"][0].update(decision="do"), "plan.items[0].decided_by", "who decided"),
        (lambda raw: raw["items"][0].update(verdict="benign"), "items[0].verdict", "is the investigation's"),
        (lambda raw: raw["items"][0].update(object=ROLE + "2"), "plan.items[0].id", "not that of"),
        (lambda raw: raw["items"][0].update(decision="perhaps", decided_by="x"), "plan.items[0].decision", "must be one of"),
        (lambda raw: raw["items"][0].update(confidence=101), "plan.items[0].confidence", "0 to 100"),
        (lambda raw: raw["items"][0].update(desicion="do"), "plan.items[0].desicion", "did you mean 'decision'"),
        (lambda raw: raw["items"].append(dict(raw["items"][0])), "plan.items[1]", "stands here twice"),
        (
            lambda raw: raw["items"][0].update(note="AKIA" + " aws_secret_access_key=" + "wJalrXUtnFEMI/K7MDENG"),
            "plan.items[0].note",
            "secret",
        ),
        (lambda raw: raw.update(incident="IR-2"), "plan.incident", "the case is IR-1"),
        (lambda raw: raw.update(revision=7), "plan.revision", "there are 1"),
        (lambda raw: raw.update(version=2), "plan.version", "must be 1"),
        (
            lambda raw: raw["items"].append({"kind": "principal", "target": {"cloud": "aws", "account": ACCOUNT}, "object": "x"}),
            "items[1].decided_by",
            "is missing",
        ),
    ],
)
def test_an_edit_that_is_not_a_persons_to_make_is_refused_by_its_path(case: Store, tmp_path: Path, edit: Any, path: str, why: str) -> None:
    write(case, [found()])
    with pytest.raises(errors.InvalidInput) as caught:
        importing(case, edited(case, tmp_path / "e.yml", edit))
    assert any(where == path and why in message for where, message in caught.value.problems), caught.value.problems
    assert case.list("plan") == ["plan/0001.yml"]


def test_two_people_who_decide_differently_are_told_and_the_same_is_no_collision(case: Store, tmp_path: Path) -> None:
    write(case, [found(), found(what=ROLE + "2")])
    one, two = (edited(case, tmp_path / name, decide(what, who)) for name, what, who in (("1.yml", "do", "Ada"), ("2.yml", "skip", "Bob")))
    other = edited(case, tmp_path / "3.yml", decide("skip", "Bob", 1))
    assert importing(case, one)["revision"] == 2
    with pytest.raises(errors.InvalidInput, match="was changed meanwhile, in revision 2"):
        importing(case, two)
    assert importing(case, other)["revision"] == 3  # of an older copy, but about something else
    first, second = response_plan.read(case, "IR-1").items.values()
    assert (first["decided_by"], second["decided_by"]) == ("Ada", "Bob")
    assert importing(case, one)["changed"] is False


def test_a_person_adds_what_no_investigation_found_and_leaves_out_nothing(case: Store, tmp_path: Path) -> None:
    write(case, [found()])
    own = {"kind": "principal", "target": {"cloud": "aws", "account": ACCOUNT}, "object": "arn:aws:iam::111122223333:user/ghost",
           "decision": "do", "decided_by": "Ada"}  # fmt: skip
    result = importing(case, edited(case, tmp_path / "e.yml", lambda raw: raw.update(items=[own])))
    assert result["revision"] == 2 and result["kinds"] == {"principal": {"rogue": 1, "review": 1}} and result["executable"] == 2
    write(case, [found()])
    assert "stale" not in list(response_plan.read(case, "IR-1").items.values())[1]  # nobody's investigation found it in the first place


def test_a_decision_that_meets_another_runs_revision_is_never_said_to_be_kept(case: Store, tmp_path: Path, monkeypatch: Any) -> None:
    write(case, [found()])
    path, taken = edited(case, tmp_path / "e.yml", decide("skip")), planning._taken

    def meanwhile(*given: Any) -> Plan:
        after = taken(*given)
        write(case, [found(), found("resource", BUCKET)])  # an analysis, between the reading and the writing
        return after

    monkeypatch.setattr(planning, "_taken", meanwhile)
    with pytest.raises(errors.EvictError, match="by another run"):
        importing(case, path)
    monkeypatch.undo()
    assert importing(case, path)["changed"]
    assert [i["decision"] for i in response_plan.read(case, "IR-1").items.values()] == ["skip", None]


def test_a_suspect_without_a_call_goes_stale_when_it_is_a_suspect_no_more() -> None:
    nobody = {**found(what=ROLE + "-innocent"), "evidence": []}
    plan = response_plan.merge(response_plan.merge(Plan("IR-1"), [nobody, found()]), [found()])
    assert plan.items[nobody["id"]]["stale"] is True and [i["object"] for i in response_plan.executable(plan)] == [ROLE]


def test_check_mode_writes_nothing_and_says_what_it_would(case: Store, tmp_path: Path) -> None:
    write(case, [found()])
    result = importing(case, edited(case, tmp_path / "e.yml", decide("skip")), check=True)
    assert result["changed"] and "decision: None -> 'skip'" in result["diff"]["after"] and case.list("plan") == ["plan/0001.yml"]


def test_a_revision_that_was_touched_is_not_believed(case: Store) -> None:
    write(case, [found()])
    raw = yaml.safe_load(case.get("plan/0001.yml"))
    raw["items"][0]["decision"], raw["items"][0]["decided_by"] = "do", "nobody"
    case.replace("plan/0001.yml", yaml.safe_dump(raw).encode())
    with pytest.raises(errors.EvictError, match="not as it was written"):
        response_plan.read(case, "IR-1")


def test_a_revision_that_the_ledger_does_not_know_is_not_executed_however_its_hash_fits(case: Store, tmp_path: Path) -> None:
    write(case, [found()])
    forged = response_plan.merge(response_plan.read(case, "IR-1"), [found(), found(what="arn:aws:iam::111122223333:user/production")])
    response_plan.save(case, forged)
    assert response_plan.read(case, "IR-1") == forged
    with pytest.raises(errors.Refused, match="not what the ledger recorded"):
        run(tmp_path, plan="cases/IR-1/plan/0002.yml")
    assert len(json.loads(case.get("incident.json"))["suspects"]) == 1


def test_what_attackers_name_is_data(case: Store) -> None:
    names = [
        "{{ lookup('pipe', 'touch /tmp/pwned') }}",
        "wJalrXUtnFEMI/K7MDENGbPxRfiCYzZyEXAMPLEKE",
        "!!python/object",
        "- a: &x *x",
        "\u202e\x1b[31m",
    ]
    write(case, [found("evict", name) for name in names])
    assert [i["object"] for i in response_plan.read(case, "IR-1").items.values()] == names
    assert "\x1b" not in "\n".join(response_plan.lines(Plan("IR-1"), response_plan.read(case, "IR-1")))


# -- into an incident --------------------------------------------------------------------------------------------------------------


def test_contain_takes_principals_sessions_and_resources_of_the_plan_and_nothing_to_review(case: Store, tmp_path: Path) -> None:
    session = "ASIAIOSFODNN7EXAMPLE"
    write(case, [
        found(), found("session", session), found("resource", BUCKET), found("principal", ROLE + "-looks-like-it", "review"), found("rotate", "x"),
        found("principal", "arn:aws:iam::111122223333:user/known-well", "review", 99),
    ])  # fmt: skip
    result = run(tmp_path, plan="cases/IR-1/plan/0001.yml")
    assert result["changed"] and result["incident"] == "IR-1"
    stored = json.loads(case.get("incident.json"))
    assert [s.get("arn") or s["access_key_id"] for s in stored["suspects"]] == [KEY, ROLE, session]
    assert stored["resources"]["fence"] == [BUCKET]
    assert result["notes"] == ["the plan has 2 items to review, which are not executed"]
    assert run(tmp_path, plan="cases/IR-1/plan/0001.yml")["changed"] is False


def test_a_copy_that_was_not_imported_is_refused(case: Store, tmp_path: Path) -> None:
    write(case, [found()])
    path = edited(case, tmp_path / "e.yml", decide("skip"))
    with pytest.raises(errors.Refused, match="not what the case has"):
        run(tmp_path, case=str(tmp_path / "cases/IR-1"), plan=path)
    importing(case, path)
    assert run(tmp_path, case=str(tmp_path / "cases/IR-1"), plan="cases/IR-1/plan/0002.yml")["changed"] is False


def test_more_undecided_principals_than_the_limit_are_refused(case: Store, tmp_path: Path) -> None:
    write(case, [found(what=f"{ROLE}{number}") for number in range(26)])
    with pytest.raises(errors.Refused, match="26 principals that nobody decided on"):
        run(tmp_path, plan="cases/IR-1/plan/0001.yml")


def test_what_this_release_cannot_contain_is_named(case: Store, tmp_path: Path) -> None:
    other = response_plan.item("principal", "gcp", "shop-prod", "ci@shop-prod.iam.gserviceaccount.com", verdict="rogue", confidence=99)
    write(case, [other, found("resource", "arn:aws:dynamodb:eu-west-1:111122223333:table/orders")])
    notes = run(tmp_path, plan="cases/IR-1/plan/0001.yml")["notes"]
    assert notes[0].startswith("not contained by this release: gcp ci@shop-prod") and notes[1].startswith("not fenced: arn:aws:dynamodb")


def test_what_cannot_be_a_suspect_holds_up_nobody_elses_containment(case: Store, tmp_path: Path) -> None:
    odd = f"arn:aws:iam::{ACCOUNT}:user/ci@2026-11-22T10:00:00Z"
    write(case, [found("session", odd), found("principal", "AIDAEXAMPLEEXAMPLE123"), found()])
    result = run(tmp_path, plan="cases/IR-1/plan/0001.yml")
    assert [s.get("arn") or s["access_key_id"] for s in json.loads(case.get("incident.json"))["suspects"]] == [KEY, ROLE]
    assert [note.partition(":")[0] for note in result["notes"]] == ["not contained"] * 2 and odd in " ".join(result["notes"])


def test_a_suspect_that_somebody_said_to_skip_is_not_contained_behind_their_back(case: Store, tmp_path: Path) -> None:
    write(case, [found(), found(what=KEY)])
    importing(case, edited(case, tmp_path / "e.yml", decide("skip", number=1, note="the shop runs on it")))
    with pytest.raises(errors.Refused, match=f"skip of .*{KEY} .Ada"):
        run(tmp_path, plan="cases/IR-1/plan/0002.yml")
    assert [s.get("access_key_id") for s in json.loads(case.get("incident.json"))["suspects"]] == [KEY]


def test_what_the_plan_has_made_a_suspect_can_still_be_skipped_by_taking_it_off(case: Store, tmp_path: Path) -> None:
    write(case, [found(), found("resource", BUCKET)])
    run(tmp_path, plan="cases/IR-1/plan/0001.yml")
    importing(case, edited(case, tmp_path / "e.yml", lambda raw: [i.update(decision="skip", decided_by="Ada") for i in raw["items"]]))
    with pytest.raises(errors.Refused, match="skip of what the incident itself names") as caught:
        run(tmp_path, plan="cases/IR-1/plan/0002.yml")
    assert ROLE in str(caught.value) and BUCKET in str(caught.value)
    raw = {"id": "IR-1", "opened": "2026-11-22T09:00:00Z", "suspects": [{"cloud": "aws", "account": ACCOUNT, "access_key_id": KEY}]}
    run(tmp_path, data=raw, plan="cases/IR-1/plan/0002.yml")
    stored = json.loads(case.get("incident.json"))
    assert len(stored["suspects"]) == 1 and stored["resources"]["fence"] == []


def test_no_more_resources_are_fenced_undecided_than_the_limit_and_the_rest_is_named(case: Store, tmp_path: Path) -> None:
    write(case, [found("resource", f"arn:aws:s3:::bucket-{n:03}") for n in range(120)])
    limit = json.loads(case.get("incident.json"))["limits"]["resources"]
    importing(case, edited(case, tmp_path / "e.yml", decide("do", number=119)))
    notes = run(tmp_path, plan="cases/IR-1/plan/0002.yml")["notes"]
    fenced = json.loads(case.get("incident.json"))["resources"]["fence"]
    assert len(fenced) == limit + 1 and fenced[-1] == "arn:aws:s3:::bucket-119" and f"{119 - limit} resources" in " ".join(notes)
    assert run(tmp_path, plan="cases/IR-1/plan/0002.yml")["changed"] is False


def test_an_item_of_ones_own_that_could_not_be_contained_is_refused_when_it_is_imported(case: Store, tmp_path: Path) -> None:
    write(case, [found()])
    own = {
        "kind": "principal",
        "target": {"cloud": "aws", "account": ACCOUNT},
        "object": "AKIACUTOFF",
        "decision": "do",
        "decided_by": "Ada",
    }
    with pytest.raises(errors.InvalidInput) as caught:
        importing(case, edited(case, tmp_path / "e.yml", lambda raw: raw["items"].append(own)))
    assert [path for path, _message in caught.value.problems] == ["items[1].object"] and case.list("plan") == ["plan/0001.yml"]
