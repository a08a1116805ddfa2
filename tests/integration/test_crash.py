"""Killed at any instant, the same command ends in the right state, with no orphan and every pre-image in the ledger.

The bed kills the module's process group before it forwards a changing call, and after the cloud answered; likewise around each put of the
store. `make test` takes a seeded sample (EVICT_CRASH_SEED), `make crash` (EVICT_CRASH=all) every point, with figures in build/crash.json.
"""

from __future__ import annotations

import difflib
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

EVERY = os.environ.get("EVICT_CRASH") == "all"
pytestmark = [pytest.mark.bed, pytest.mark.crash, pytest.mark.timeout(0 if EVERY else 1800)]

SEED = int(os.environ.get("EVICT_CRASH_SEED", "20261122"))
SAMPLE = 1  # point of each kind, so twelve
SCENARIOS = ("contain", "contain with scope", "restore")
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
    """One seeded company; each try is a case of its own, and ends where it began (when one does not, the next starts over)."""

    def __init__(self, bed: Bed, folder: Path) -> None:
        bed.reset()
        self.bed, self.folder, self.company = bed, folder, company_module.seed(bed)
        bed.configure(lookup_rate=0)
        stolen = bed.client("sts", self.company.leaked)
        stolen.assume_role(RoleArn=ROLE, RoleSessionName="evil")
        bed.client("iam", self.company.leaked).create_access_key(UserName="bob")
        self.original = bed.snapshot()
        self.tries = 0
        self.references: dict[str, Reference] = {}

    def desk(self, scoped: bool = False) -> Desk:
        """A new case: three suspects, or only the key, with what the logs add."""
        self.tries += 1
        desk = Desk(self.bed, self.company, self.folder, f"IR-{self.tries:04d}")
        if scoped:
            desk.incident(self.company.leaked.access_key, password="keep")
        else:
            desk.incident(self.company.leaked.access_key, ROLE, BOB, password="keep", role_action="deny")
        return desk

    def normal(self) -> str:
        """The cloud without what differs from case to case: incident ids, their Sids, ids of policies, times."""
        text = re.sub(r"IR-\d{4}", "IR", self.bed.snapshot())
        text = re.sub(r"\bp-[0-9a-f]{8}\b", "POLICY", text)
        text = re.sub(r"20\d\d-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)", "TIME", re.sub(r"Evict[0-9a-f]{16}", "SID", text))
        return json.dumps(json.loads(text), sort_keys=True)  # the order was that of the ids

    def order(self, desk: Desk, verb: str, **more: Any) -> dict[str, Any]:
        scoped = "role_action" not in json.loads(desk.file.read_text())["incident"]
        params: dict[str, Any] = {"incident": str(desk.file)}
        if verb == "contain":
            return {"module": "aws_contain", "params": params | {"hold": "0", "scope": 30 if scoped else 0}, **more}
        named = [self.company.leaked.access_key] + ([] if scoped else [ROLE, BOB])
        return {
            "module": "aws_restore",
            "params": params | {"only": named, "verdict": "false_positive", "reason": "r", "by": "Ada"},
            **more,
        }

    def again(self, desk: Desk, verb: str) -> dict[str, Any]:
        order = self.order(desk, verb)
        return desk.run(order["module"], **order["params"])


@pytest.fixture(scope="module")
def _ranges() -> list[Range]:
    return []


@pytest.fixture
def range_(bed: Bed, tmp_path_factory: pytest.TempPathFactory, _ranges: list[Range]) -> Range:
    bed.clear_rules()
    if not _ranges or bed.snapshot() != _ranges[-1].original:
        _ranges.append(Range(bed, tmp_path_factory.mktemp("crash")))
    return _ranges[-1]


class Reference:
    """An uncrashed run of `verb`: how many changing calls and puts it makes, and where it ends."""

    def __init__(self, place: Range, scenario: str) -> None:
        verb = scenario.split(maxsplit=1)[0]
        desk = place.desk(scenario.endswith("scope"))
        if verb == "restore":
            place.again(desk, "contain")
        before = len(_changes(place.bed))
        code, out, err = Child(place.bed, place.order(desk, verb, put=[0, "count"])).go()
        assert code == 0, (out, err)
        answer = json.loads(out.splitlines()[-1])
        assert answer["problems"] == [] and answer["changed"], answer
        self.calls = len(_changes(place.bed)) - before
        self.puts = int(json.loads(err.splitlines()[-1])["puts"])
        self.final = place.normal()
        if verb == "contain":
            place.again(desk, "restore")
        assert place.bed.snapshot() == place.original


def _changes(bed: Bed) -> list[dict[str, Any]]:
    return [c for c in bed.calls() if c["mutating"] and c["service"] == "iam"]


@pytest.fixture
def references(range_: Range) -> dict[str, Reference]:
    if not range_.references:
        range_.references = {scenario: Reference(range_, scenario) for scenario in SCENARIOS}
    return range_.references


def sample(count: int, name: str) -> list[int]:
    """1..count, or a few of them that the seed chooses."""
    points = list(range(1, count + 1))
    return points if EVERY else sorted(random.Random(f"{SEED} {name}").sample(points, SAMPLE))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["call", "put"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_and_run_again(range_: Range, references: dict[str, Reference], scenario: str, kind: str, when: str) -> None:
    place, reference, verb = range_, references[scenario], scenario.split(maxsplit=1)[0]
    name = f"{scenario}, {when} {kind}"
    count = reference.calls if kind == "call" else reference.puts
    assert count > 5, "there is little to kill"
    for number in sample(count, name):
        desk = place.desk(scenario.endswith("scope"))
        if verb == "restore":
            place.again(desk, "contain")
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
    assert _differences(reference.final, place.normal()) == [], point
    assert desk.ledger().unsettled() == [], point
    before = place.bed.snapshot()
    assert place.again(desk, verb)["changed"] is False and place.bed.snapshot() == before, point
    if verb == "contain":
        undone = place.again(desk, "restore")
        assert undone["status"] == "ok", (point, undone["open"], undone["problems"])
    assert _differences(place.original, place.bed.snapshot()) == [], point
    assert desk.verified(), point


def _differences(wanted: str, found: str) -> list[str]:
    """What differs between two snapshots, in a few words (they are long)."""
    a, b = (re.findall(r'"(?:[^"\\]|\\.)*"|[^\s"]', text) for text in (wanted, found))
    blocks = difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes() if a != b else []
    return [f"wanted {' '.join(a[i:j])[:600]} found {' '.join(b[k:m])[:600]}" for op, i, j, k, m in blocks if op != "equal"]


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
    (said,) = [text.rsplit(": ", 1)[1] for text in again["recovered"] if "console password" in text]
    assert said == ("was carried out" if when == "after" else "this run has done it")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_login_profile(UserName="alice")
    undone = desk.false_positive(arn)
    assert [r["kind"] for r in undone["open"]] == ["irreversible"] and place.bed.snapshot() == place.original


def test_when_a_killed_run_wrote_the_fence_is_known_well_enough(range_: Range) -> None:
    """The run that recovers takes its own beginning for it: it cuts derived sessions late enough, and the one after it has nothing to do."""
    place = range_
    desk = place.desk(scoped=True)
    child = Child(place.bed, place.order(desk, "contain"))
    place.bed.rule("after", service="iam", at=1, pgid=child.pgid)
    assert child.go()[0] == -9
    place.bed.clear_rules()
    place.bed.configure(latency_ms=100)  # so that it takes longer than the second to which a cutoff is written
    try:
        again = place.again(desk, "contain")
    finally:
        place.bed.configure(latency_ms=0)
    assert any("was carried out" in text for text in again["recovered"]), again["recovered"]
    assert place.again(desk, "contain")["changed"] is False
    assert place.again(desk, "restore")["status"] == "ok" and _differences(place.original, place.bed.snapshot()) == []


def test_killed_again_while_recovering(range_: Range, references: dict[str, Reference]) -> None:
    """The run that recovers is killed as well, several times over."""
    place, reference = range_, references["contain"]
    desk = place.desk()
    for number in (2, 1, 3):
        order = place.order(desk, "contain")
        order["params"]["threads"] = 1  # so that no more than `number` calls are made each time
        child = Child(place.bed, order)
        place.bed.rule("after", service="iam", at=number, pgid=child.pgid)
        assert child.go()[0] == -9
        place.bed.clear_rules()
    _recovers(place, reference, desk, "contain", "killed three times")
