"""What the playbooks say when a case cannot be opened, and what they refuse before anything is touched: through ansible-playbook, on the bed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import opening
from tests.integration.helpers import DEAD, Desk, works
from tests.integration.test_stores import ALICE, BOB, Jobs, cloud, fences, jobs, until

pytestmark = pytest.mark.bed
__all__ = ["jobs"]  # a fixture

DEAD_STORE = {"url": "s3://the-cases/ir", "endpoint_url": "http://127.0.0.1:9", "region": "us-east-1"}


def flat(said: str) -> str:
    return " ".join(said.split())


def unwritable(desk: Desk) -> str:
    (desk.folder / "cases").write_text("a file")
    return desk.incident(BOB)


def dead(desk: Desk) -> str:
    return desk.incident(BOB, store=DEAD_STORE, mode="graceful")


def closed(desk: Desk) -> str:
    desk.incident(BOB)
    for state in ("open", "closed"):
        done = desk.run(
            "case", incident=str(desk.file), directory=str(desk.folder), allow_local_store=True, state=state, by="Ada", reason="over"
        )
        assert not done.get("failed"), done
    return str(desk.file)


def collision(desk: Desk) -> str:
    desk.incident(BOB)
    assert not desk.run("case", incident=str(desk.file), directory=str(desk.folder), allow_local_store=True).get("failed")
    return desk.incident(ALICE, opened="2026-01-01T00:00:00Z")


ERRORS: dict[str, tuple[Callable[[Desk], str], tuple[str, ...]]] = {
    "unwritable": (unwritable, ("cases", "directory")),
    "dead": (dead, ("s3://the-cases/ir", "check that the bucket exists")),
    "closed": (closed, ("was closed by Ada (over)", "give reason")),
    "collision": (collision, ("belongs to another incident", "choose another id")),
}


@pytest.mark.parametrize("playbook", ["contain", "recover"])
@pytest.mark.parametrize("name", sorted(ERRORS))
def test_why_a_case_cannot_be_opened_is_said(desk: Desk, name: str, playbook: str) -> None:
    made, words = ERRORS[name]
    file, before = made(desk), cloud(desk)
    code, said = desk.play(playbook, "-e", f"incident={file}", env={"XDG_STATE_HOME": str(desk.folder / "state")})
    assert code == 2 and all(word in flat(said) for word in words), said
    assert "'path'" not in said and "Traceback" not in said and cloud(desk) == before


@pytest.mark.parametrize("playbook", ["contain", "recover"])
def test_a_case_that_does_not_exist_is_named(desk: Desk, playbook: str) -> None:
    code, said = desk.play(playbook, "-e", "case=cases/nope")
    assert code == 2 and f"there is no case {desk.folder}/cases/nope" in flat(said) and "a case is <store>/<incident id>" in flat(said), (
        said
    )


def opened(desk: Desk, *suspects: str, **more: str) -> dict[str, Any]:
    desk.incident(*suspects, opened="2026-11-29T00:00:00Z")
    return desk.run("case", incident=str(desk.file), directory=str(desk.folder), allow_local_store=True, **more)


def test_a_file_that_names_fewer_suspects_needs_a_reason(desk: Desk) -> None:
    """Two jobs open one case, each with its own file: the second one's does not undo the first one's."""
    assert not opened(desk, BOB, ALICE).get("failed")
    desk.incident(BOB, opened="2026-11-29T00:00:00Z")
    code, said = desk.play("contain", "-e", f"incident={desk.file}")
    assert code == 2 and f"names suspects that this incident file does not: {ALICE}" in flat(said), said
    done = desk.contain(case=str(desk.case))
    assert {p["arn"] for p in done["principals"]} == {BOB, ALICE}
    assert {works(desk.bed, desk.company.production.keys[n]) for n in ("alice", "bob")} <= DEAD


def test_who_is_left_out_with_a_reason_is_told(desk: Desk) -> None:
    assert not opened(desk, BOB, ALICE).get("failed")
    said = opened(desk, BOB, reason="she is on leave", by="Ada")
    assert not said.get("failed") and said["notes"] == [f"not contained any more (she is on leave): {ALICE}"], said
    done = desk.contain(case=str(desk.case), hold="1s", spread="1s")
    assert [p["arn"] for p in done["principals"]] == [BOB] and done["status"] == "ok", done
    assert any(f"{ALICE} was taken out of the case by Ada (she is on leave)" in str(w) for w in done["warnings"]), done["warnings"]
    assert not opened(desk, BOB, ALICE).get("failed")
    assert {p["arn"] for p in desk.contain(case=str(desk.case))["principals"]} == {BOB, ALICE}


def test_whom_a_job_named_in_the_same_moment_is_not_lost(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not opened(desk, BOB).get("failed")
    before = json.loads((desk.case / "incident.json").read_text())
    assert not opened(desk, BOB, ALICE).get("failed")
    carol = BOB.replace("bob", "carol")
    with monkeypatch.context() as patch:  # read before the other had written
        patch.setattr(opening, "_stored", lambda _store: before)
        assert not opened(desk, BOB, carol).get("failed")
    done = desk.contain(case=str(desk.case), hold="1s", spread="1s")
    assert done["failed"] and [(o["object"], o["kind"]) for o in done["open"]] == [(ALICE, "suspect")], done["open"]


def test_a_judged_suspect_may_be_left_out(desk: Desk) -> None:
    assert not opened(desk, BOB, ALICE).get("failed")
    assert desk.contain()["problems"] == []
    assert desk.false_positive(ALICE)["status"] == "ok"
    assert not opened(desk, BOB).get("failed")
    assert not any("taken out" in str(w) for w in desk.contain().get("warnings") or [])


def test_a_case_is_not_closed_while_a_containment_is_at_work(desk: Desk, jobs: Jobs) -> None:
    desk.incident(BOB)
    contain = jobs.module("aws_contain", hold="12s", spread="6s", scope=0, clocks="none")
    until(lambda: fences(desk)[0] >= 2)
    said = desk.run("case", case=str(desk.case), state="closed", reason="over", by="Ada")
    assert contain.poll() is None and said["failed"] and "not closed" in said["msg"] and f"pid {contain.pid}" in said["msg"], said
    assert jobs.answer(contain)["status"] == "ok"
    waits = desk.run("case", case=str(desk.case), state="closed")
    assert waits["failed"] and "waits for a second look" in waits["msg"], waits


def test_what_is_contained_in_a_closed_case_opens_it(desk: Desk) -> None:
    desk.incident(BOB, ALICE)
    assert not desk.run("case", incident=str(desk.file), directory=str(desk.folder), allow_local_store=True).get("failed")
    assert desk.run("case", case=str(desk.case), state="closed", reason="over", by="Ada")["changed"]
    assert desk.contain(hold="1s", spread="1s")["status"] == "ok"
    waits = desk.run("case", case=str(desk.case), state="closed")
    assert waits["failed"] and "waits for a second look" in waits["msg"], waits


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("threads=0", "threads: must be a whole number, 1 or more"),
        ("threads=-3", "threads: must be a whole number, 1 or more"),
        ("refresh=perhaps", "refresh: must be true or false"),
        ("account_fence=nonsense", "account_fence: must be one of on_the_spot"),
        ("hold=2h", "hold: is at most 30m"),
    ],
)
@pytest.mark.parametrize("playbook", ["contain", "recover"])
def test_a_variable_of_a_wrong_type_is_refused_before_anything_is_touched(desk: Desk, playbook: str, given: str, why: str) -> None:
    file, before = desk.incident(BOB), cloud(desk)
    code, said = desk.play(playbook, "-e", f"incident={file}", "-e", given, timeout=60)
    assert code == 2 and why in flat(said), said
    assert cloud(desk) == before and not desk.case.exists()


@pytest.mark.parametrize("module", ["aws_contain", "aws_restore", "aws_principal_info"])
@pytest.mark.parametrize("option", ["threads", "threads_per_account"])
def test_no_threads_are_refused_by_the_modules(desk: Desk, module: str, option: str) -> None:
    if (module, option) == ("aws_principal_info", "threads_per_account"):
        option = "threads"
    desk.incident(BOB)
    before = len(desk.bed.calls())
    done = desk.run(module, **{option: 0})
    assert done["failed"] and f"{option}: must be 1 or more, not 0" in done["msg"], done
    assert len(desk.bed.calls()) == before and not desk.case.exists()


@pytest.mark.parametrize(
    ("module", "given", "why"),
    [
        ("aws_contain", {"hold": "5x"}, "hold: is not a duration"),
        ("aws_contain", {"hold": "2h"}, "hold: is at most 30m"),
        ("aws_contain", {"spread": "soon"}, "spread: is not a duration"),
        ("aws_contain", {"quiet": "x"}, "quiet: is not a duration"),
        ("aws_credential_rotation", {"soak": "x"}, "soak: is not a duration"),
        ("aws_credential_rotation", {"deadline": "2026-11-22T12:00:00Z"}, "by"),
    ],
)
def test_a_duration_that_cannot_be_meant_opens_no_case(desk: Desk, module: str, given: dict[str, str], why: str) -> None:
    desk.incident(BOB)
    before = len(desk.bed.calls())
    done = desk.run(module, **given)
    assert done["failed"] and why in done["msg"], done
    assert len(desk.bed.calls()) == before and not desk.case.exists()


def test_what_no_playbook_reads_is_named_and_a_result_file_that_cannot_be_written_loses_nothing(desk: Desk) -> None:
    code, said = desk.play("contain", "-e", f"incident={desk.incident(BOB)}", "-e", "hold=1s", "-e", "hodl=1s", "-e", "isolate=true", "-e", "refresh=false", "-e",
                           "contain_scope=0", "-e", "contain_clocks=none", "-e", "contain_spread=1s", "-e", "result_file=/nonexistent/x.json")  # fmt: skip
    assert code == 0, said
    assert "hodl is not read; did you mean hold?" in flat(
        said
    ) and "isolate is not read: it is an option of a role, and is passed as -e contain_isolate" in flat(said)
    assert "there is no directory /nonexistent; there will be no copy" in flat(
        said
    ) and "result_file /nonexistent/x.json cannot be written" in flat(said)
    assert "contained" in said and (desk.case / "result.json").exists() and works(desk.bed, desk.company.production.keys["bob"]) in DEAD
