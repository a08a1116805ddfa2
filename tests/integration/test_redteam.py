"""The red team: every seeded attack ends with the attacker out; and the red team itself, which must be able to win against less."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.beds.bed import Bed
from tests.drill.play import ROOT
from tests.redteam import diagnosis
from tests.redteam.game import Game, Order, Setting, play
from tests.redteam.moves import FAMILIES

pytestmark = pytest.mark.bed
_JOBS = "5"  # runs at a time; they mostly wait
WITH_ALL, ALONE, LATE = range(1, 16), range(101, 106), range(5005, 5007)  # seeds; `make redteam` plays 100 of each


@pytest.fixture(scope="module")
def own() -> Iterator[Bed]:
    """Not the session's bed: a run leaves lag and a world behind."""
    with Bed() as running:
        yield running


def campaign(folder: Path, seeds: range, *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.redteam",
            "--directory",
            str(folder),
            "--jobs",
            _JOBS,
            "--seed",
            str(seeds[0]),
            "--runs",
            str(len(seeds)),
            *words,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert done.returncode in (0, 1) and (folder / "summary.json").exists(), done.stdout + done.stderr
    return {**json.loads((folder / "summary.json").read_text()), "text": done.stdout + done.stderr, "rc": done.returncode}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_attacker_is_out_after_every_run(tmp_path: Path) -> None:
    """With all that containment does; with the identity's own denies taken away afterwards, so that the account's fence alone has to hold; and with a history that

    comes when the containment is over, so that the second look has to end it.
    """
    for name, seeds, words in (("all", WITH_ALL, ()), ("scp", ALONE, ("--no-identity-deny",)), ("late", LATE, ("--late-logs",))):
        played = campaign(tmp_path / name, seeds, *words)
        assert played["lost"] == [] and played["won"] == played["runs"] == len(seeds) and played["rc"] == 0, played["text"]


def test_what_a_weak_response_leaves_is_found_and_explained(own: Bed) -> None:
    """Without hold, logs and account fence the red team must win, or it proves nothing when it loses."""
    weak = {"hold": "0", "scope": 0, "account_fence": "none"}
    lost = play(own, Order(12, lag=1.0, options=weak))
    assert not lost["won"] and lost["survivors"] and lost["bystanders"]["failed"] == {}
    for survivor in lost["survivors"]:
        assert survivor["works"] and survivor["why"] and "ci-deploy" in survivor["origin"] or "mallory" in survivor["origin"]
    assert any(t["code"] == "ok" and t["operation"].startswith(("Delete", "Create", "Put")) for t in lost["trace"])


def test_a_seed_is_one_attack() -> None:
    """What a move meets depends on time; which attack it is does not."""
    assert [Setting.drawn(seed) for seed in range(20)] == [Setting.drawn(seed) for seed in range(20)]
    assert len({Setting.drawn(seed) for seed in range(100)}) == 100


def test_the_seeds_that_are_played_hold_every_kind_of_attack() -> None:
    """Every family, every sleeper, with and without trusted networks, no lag and much of it."""
    drawn = [Setting.drawn(seed) for seed in (*WITH_ALL, *ALONE)]
    assert {family for one in drawn for family in one.families} == set(FAMILIES) - {"lock-out"}
    assert {one.sleeps for one in drawn} == {"", "user", "role", "old"}
    assert {bool(one.trusted) for one in drawn} == {True, False}
    assert min(one.lag for one in drawn) == 0 and max(one.lag for one in drawn) > 4
    assert any("responder" in one.families for one in drawn)


def test_the_verdict_reads_the_trail_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is thousands of events long after a fight of minutes, and was read once for each call of the attacker: a run that was over did not end."""
    read: list[int] = []
    game = Game.__new__(Game)
    game.bed = types.SimpleNamespace(events=lambda: (read.append(1), [])[1])  # type: ignore[assignment]
    game.order, game.setting, game.lag, game.families, game.locked_out = Order(1082), Setting.drawn(1082), 1.0, (), False
    game.began, game.ended, game.result, game.desk = 10.0, 20.0, {}, None  # type: ignore[assignment]
    game.company = types.SimpleNamespace(responder_arn="")  # type: ignore[assignment]
    trace = [{"at": float(at), "code": "ok", "operation": "ListUsers", "move": "use"} for at in range(30)]
    game.attacker = types.SimpleNamespace(trace=trace[:15], held=[])  # type: ignore[assignment]
    game.sleeper = types.SimpleNamespace(trace=trace[15:], held=[], kind="old", acted=False)  # type: ignore[assignment]
    monkeypatch.setattr(diagnosis, "Scene", lambda *_: types.SimpleNamespace(late=lambda t: t, explain=lambda *_: {}))
    monkeypatch.setattr(diagnosis, "failed_bystanders", lambda *_: {"failed": {}})
    record = game._record(None, [])  # type: ignore[arg-type]
    assert record["won"] and record["last_ok"] == -6.0  # what only the sleeper did that nobody can know of does not count
    assert len(read) == 2  # that, and what the response did
