"""One changing call of a module goes wrong, whatever module and service: killed around it, or a fault in front of it; then the same task is run again.

A ``Scenario`` says how to prepare, which task is run, which changing calls it makes, and what must be true at the end. ``play`` does the rest. The bed kills
the process group before it forwards the first such call, or after the cloud answered; microburst plays the faults.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import botocore.config
import botocore.endpoint

from ansible_collections.evict.cloud.plugins.module_utils.aws import session
from tests.beds import company as company_module
from tests.beds.bed import Bed
from tests.beds.faults import Faults
from tests.integration.helpers import Child, Desk

KILLS = ("killed before", "killed after")
SECONDS = 4  # the read time-out in these tests
_ONCE: dict[str, dict[str, Any]] = {
    "throttled": {"error": {"code": "Throttling", "status": 400}},
    "500": {"error": {"code": "InternalFailure", "status": 500}},
    "503": {"error": {"code": "ServiceUnavailable", "status": 503}},
    "reset": {"reset": True},
    "no answer in time": {"timeout_ms": 1000 * (SECONDS + 2)},
    "answer lost after the write": {"response": {"abort_bytes": 0}},
    "half an answer": {"response": {"truncate_frac": 0.5}},
}
LASTING = ("throttled", "500", "reset", "answer lost after the write", "half an answer")
FAULTS: dict[str, dict[str, Any]] = {f"{kind}, once": rule | {"times": 1} for kind, rule in _ONCE.items()}
FAULTS |= {f"{kind}, for good": _ONCE[kind] for kind in LASTING}
# Where ARNs are part of the path: microburst writes their escapes anew, and signatures break, so the bed's own proxy plays these.
_PLAIN: dict[str, dict[str, Any]] = {
    "throttled": {"when": "fail", "status": 400, "code": "ThrottlingException"},
    "500": {"when": "fail", "status": 500, "code": "InternalFailure"},
    "503": {"when": "fail", "status": 503, "code": "ServiceUnavailable"},
    "answer lost after the write": {"when": "lost"},
}
PLAIN: dict[str, dict[str, Any]] = {
    f"{kind}, {long}": rule | {"times": times} for kind, rule in _PLAIN.items() for long, times in (("once", 1), ("for good", 999))
}


@dataclasses.dataclass
class Task:
    """``module`` with ``params``. ``holds`` asserts what must be true when it has been done, of the result as well.

    ``release``: suspects whose release gives ``back`` (a reading) what it was before. ``beside``: what happens meanwhile, in the disturbed run only.
    ``later``: params that differ when it is run again.
    """

    module: str
    params: dict[str, Any]
    holds: Callable[[dict[str, Any]], None]
    release: tuple[str, ...] = ()
    back: Callable[[], Any] | None = None
    beside: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    later: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """``operations``: every changing call of the task, ``others`` those that another scenario or test_faults.py disturbs. ``plain``: see PLAIN."""

    prepare: Callable[[Desk], Task]
    operations: tuple[str, ...]
    others: tuple[str, ...] = ()
    plain: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        return (*KILLS, *(PLAIN if self.plain else FAULTS))


class Range:
    """The bed, with microburst in front; each try has a company of its own."""

    def __init__(self, bed: Bed, faults: Faults, folder: Path) -> None:
        self.bed, self.faults, self.folder, self.tries = bed, faults, folder, 0

    def desk(self) -> Desk:
        self.tries += 1
        self.bed.reset()
        self.bed.regions("us-east-1", "eu-west-1")
        company = company_module.seed(self.bed)
        self.bed.configure(lookup_rate=0)
        self.faults.clear()
        return Desk(self.bed, company, self.folder, f"IR-{self.tries:04d}")

    def close(self) -> None:
        self.bed.reset()
        self.bed.regions()


@contextlib.contextmanager
def _disturbed(place: Range, scenario: Scenario, operation: str, kind: str) -> Iterator[None]:
    """Calls of this process meet the fault; nobody waits between attempts."""
    if not scenario.plain:
        place.faults.set(operation=operation, **FAULTS[kind])
    else:
        rule = dict(PLAIN[kind])
        place.bed.rule(rule.pop("when"), operation=operation, principal="responder", **rule)
    plain, config = type(place.bed).environ, botocore.config.Config
    through = {} if scenario.plain else place.faults.environ()
    with (
        mock.patch.object(type(place.bed), "environ", lambda bed, who=None: {**plain(bed, who), **through}),
        mock.patch.object(session.botocore.config, "Config", lambda **more: config(**{**more, "read_timeout": SECONDS})),
        mock.patch.object(botocore.endpoint, "time", types.SimpleNamespace(sleep=lambda _seconds: None)),
        mock.patch.object(session, "_PAUSES", (0.0,) * len(session._PAUSES)),
    ):
        yield
    fired = place.faults.fired() or [rule for rule in place.bed.rules() if rule["fired"]]
    place.faults.clear()
    place.bed.clear_rules()
    assert fired, "the fault was not played"


def play(place: Range, scenario: Scenario, operation: str, kind: str) -> None:
    """Disturb the first ``operation`` of the task, run it again until it is done, and once more, and release it."""
    desk, bed = place.desk(), place.bed
    task = scenario.prepare(desk)
    before, start = task.back() if task.back else None, len(bed.calls())
    with task.beside():
        if kind in KILLS:
            child = Child(bed, {"module": task.module, "params": {"incident": str(desk.file), **task.params}})
            bed.rule(kind.rsplit(maxsplit=1)[-1], operation=operation, principal="responder", pgid=child.pgid)
            code, out, err = child.go()
            bed.clear_rules()
            assert code == -9, (code, out[-500:], err[-1500:])
        else:
            with _disturbed(place, scenario, operation, kind):
                done = desk.run(task.module, **task.params)
            assert "Traceback" not in json.dumps(done, default=str)
            if done["problems"]:
                assert done["failed"] and done["status"] in ("partial", "error"), done["status"]
                assert all(p["object"] and p["message"] and p["operation"] for p in done["problems"]), done["problems"]
            elif done["status"] == "ok":
                task.holds(done)
    params = {**task.params, **task.later}
    again = desk.run(task.module, **params)
    assert again["problems"] == [], again["problems"]
    task.holds(again)
    assert desk.ledger().unsettled() == []
    third = desk.run(task.module, **params)
    assert third["problems"] == [] and third["changed"] is False, [s for s in third["steps"] if s["status"] != "already"]
    task.holds(third)
    made = {c["operation"] for c in bed.calls()[start:] if c["mutating"] and "responder" in c["principal"]}
    assert operation in made and made <= {*scenario.operations, *scenario.others}, made - {*scenario.operations, *scenario.others}
    if task.release:
        released = desk.false_positive(*task.release)
        assert released["problems"] == [] and {row["kind"] for row in released["open"]} <= {"irreversible"}, released
    if task.back and task.release:
        assert task.back() == before
    assert desk.ledger().unsettled() == [] and desk.verified()
