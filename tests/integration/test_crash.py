"""Killed at any instant, the same command ends in the right state, with no orphan and every pre-image in the ledger.

The bed kills the module's process group before it forwards a changing call, and after the cloud answered; likewise around each put of the
store. `make test` takes a seeded sample (EVICT_CRASH_SEED), `make crash` (EVICT_CRASH=all) every point, with figures in build/crash.json.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.beds import company as company_module
from tests.beds.bed import Bed
from tests.integration.helpers import ROOT, Child, Desk

pytestmark = [pytest.mark.bed, pytest.mark.crash, pytest.mark.timeout(1800)]

EVERY = os.environ.get("EVICT_CRASH") == "all"
SEED = int(os.environ.get("EVICT_CRASH_SEED", "20261122"))
SAMPLE = 3  # points of each kind
ROLE = "arn:aws:iam::222222222222:role/deploy"
BOB = "arn:aws:iam::222222222222:user/bob"
FIGURES: dict[str, Any] = {"seed": SEED, "all": EVERY, "points": {}, "seconds": 0.0}


@pytest.fixture(scope="module", autouse=True)
def figures() -> Iterator[None]:
    """build/crash.json, when every point was tried."""
    began = time.time()
    yield
    if EVERY:
        FIGURES["seconds"] = round(time.time() - began, 1)
        FIGURES["total"] = sum(FIGURES["points"].values())
        path = ROOT / "build" / "crash.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(FIGURES, indent=1) + "\n")


class Range:
    """One seeded company; each try is a case of its own, and ends where it began."""

    def __init__(self, bed: Bed, folder: Path) -> None:
        bed.reset()
        self.bed, self.folder, self.company = bed, folder, company_module.seed(bed)
        bed.configure(lookup_rate=0)
        self.original = bed.snapshot()
        self.tries = 0

    def desk(self) -> Desk:
        self.tries += 1
        desk = Desk(self.bed, self.company, self.folder, f"IR-{self.tries:04d}")
        desk.incident(self.company.leaked.access_key, ROLE, BOB, password="keep", role_action="deny")
        return desk

    def normal(self) -> str:
        """The cloud without what differs from case to case: incident ids, their Sids, ids of policies, times."""
        text = re.sub(r"IR-\d{4}", "IR", self.bed.snapshot())
        text = re.sub(r"\bp-[0-9a-f]{8}\b", "POLICY", text)
        text = re.sub(r"20\d\d-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)", "TIME", re.sub(r"Evict[0-9a-f]{16}", "SID", text))
        return json.dumps(json.loads(text), sort_keys=True)  # the order was that of the ids

    def order(self, desk: Desk, verb: str, **more: Any) -> dict[str, Any]:
        params: dict[str, Any] = {"incident": str(desk.file)}
        if verb == "aws_contain":
            params |= {"hold": "0", "scope": 0}
        else:
            params |= {"only": [self.company.leaked.access_key, ROLE, BOB], "verdict": "false_positive", "reason": "r", "by": "Ada"}
        return {"module": verb, "params": params, **more}

    def again(self, desk: Desk, verb: str) -> dict[str, Any]:
        order = self.order(desk, verb)
        return desk.run(verb, **order["params"])


@pytest.fixture(scope="module")
def range_(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Range:
    return Range(bed, tmp_path_factory.mktemp("crash"))


class Reference:
    """An uncrashed run of `verb`: how many changing calls and puts it makes, and where it ends."""

    def __init__(self, place: Range, verb: str) -> None:
        desk = place.desk()
        if verb == "aws_restore":
            place.again(desk, "aws_contain")
        before = len(_changes(place.bed))
        code, out, err = Child(place.bed, place.order(desk, verb, put=[0, "count"])).go()
        assert code == 0, (out, err)
        answer = json.loads(out.splitlines()[-1])
        assert answer["problems"] == [] and answer["changed"], answer
        self.calls = len(_changes(place.bed)) - before
        self.puts = int(json.loads(err.splitlines()[-1])["puts"])
        self.final = place.normal()
        if verb == "aws_contain":
            place.again(desk, "aws_restore")
        assert place.bed.snapshot() == place.original


def _changes(bed: Bed) -> list[dict[str, Any]]:
    return [c for c in bed.calls() if c["mutating"] and c["service"] == "iam"]


@pytest.fixture(scope="module")
def references(range_: Range) -> dict[str, Reference]:
    return {verb: Reference(range_, verb) for verb in ("aws_contain", "aws_restore")}


def sample(count: int, name: str) -> list[int]:
    """1..count, or a few of them that the seed chooses; the first and the last are always among those of a sample of 3 or more."""
    points = list(range(1, count + 1))
    if EVERY or count <= SAMPLE:
        return points
    return sorted({random.Random(f"{SEED}{name}").choice(points[:2]), *random.Random(f"{SEED}{name}").sample(points, SAMPLE)})[:SAMPLE]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["call", "put"])
@pytest.mark.parametrize("verb", ["aws_contain", "aws_restore"])
def test_killed_and_run_again(range_: Range, references: dict[str, Reference], verb: str, kind: str, when: str) -> None:
    place, reference = range_, references[verb]
    name = f"{verb} {when} {kind}"
    count = reference.calls if kind == "call" else reference.puts
    assert count > 5, "there is little to kill"
    for number in sample(count, name):
        desk = place.desk()
        if verb == "aws_restore":
            place.again(desk, "aws_contain")
        child = Child(place.bed, place.order(desk, verb, **({"put": [number, when]} if kind == "put" else {})))
        if kind == "call":
            place.bed.rule(when, service="iam", at=number, pgid=child.pgid)
        code, out, err = child.go()
        place.bed.clear_rules()
        point = f"{name} {number} of {count}"
        if code != -9:  # group commit: how many puts a run makes varies a little
            assert kind == "put" and number >= count - 3, (point, code, out[-500:], err[-1500:])
        _recovers(place, reference, desk, verb, point)
        FIGURES["points"][name] = FIGURES["points"].get(name, 0) + 1


def _recovers(place: Range, reference: Reference, desk: Desk, verb: str, point: str) -> None:
    again = place.again(desk, verb)
    assert again["problems"] == [], (point, again["problems"])
    assert place.normal() == reference.final, point
    assert desk.ledger().unsettled() == [], point
    before = place.bed.snapshot()
    assert place.again(desk, verb)["changed"] is False and place.bed.snapshot() == before, point
    if verb == "aws_contain":
        undone = place.again(desk, "aws_restore")
        assert undone["status"] == "ok", (point, undone["open"], undone["problems"])
    assert place.bed.snapshot() == place.original, point
    assert desk.verified(), point


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_around_what_cannot_be_undone(range_: Range, when: str) -> None:
    """DeleteLoginProfile: not done twice, not forgotten, and still told as irreversible."""
    place = range_
    iam = place.bed.client("iam", place.company.production.root)
    iam.create_login_profile(UserName="alice", Password="Correct-Horse-9")
    arn = "arn:aws:iam::222222222222:user/alice"
    place.tries += 1
    desk = Desk(place.bed, place.company, place.folder, f"IR-{place.tries:04d}")
    desk.incident(arn)
    child = Child(place.bed, {"module": "aws_contain", "params": {"incident": str(desk.file), "hold": "0", "scope": 0}})
    place.bed.rule(when, operation="DeleteLoginProfile", pgid=child.pgid)
    assert child.go()[0] == -9
    place.bed.clear_rules()
    again = desk.contain()
    assert again["problems"] == [] and any("console password" in text for text in again["recovered"])
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_login_profile(UserName="alice")
    undone = desk.false_positive(arn)
    assert [r["kind"] for r in undone["open"]] == ["irreversible"] and place.bed.snapshot() == place.original


def test_killed_twice_at_different_points(range_: Range, references: dict[str, Reference]) -> None:
    """The run that recovers is killed as well, several times over."""
    place, reference = range_, references["aws_contain"]
    desk = place.desk()
    for number in (2, 1, 1):
        child = Child(place.bed, place.order(desk, "aws_contain"))
        place.bed.rule("after", service="iam", at=number, pgid=child.pgid)
        assert child.go()[0] == -9
        place.bed.clear_rules()
    _recovers(place, reference, desk, "aws_contain", "killed three times")
