# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner: order, durable intents, lost answers, read-back, partial failure, and what a crash leaves."""

from __future__ import annotations

import concurrent.futures
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import plan, restore, run
from ansible_collections.evict.cloud.plugins.module_utils.common.chain import Job
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import EvictError
from ansible_collections.evict.cloud.plugins.module_utils.common.ledger import Ledger
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Edit, Phase, Ref, Step
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from ansible_collections.evict.cloud.plugins.module_utils.common.run import Runner
from ansible_collections.evict.cloud.plugins.module_utils.common.store import open_store
from tests.unit.common.fake_cloud import HERE, KEY_ID, KEY_SECRET, LIST_KEYS, THERE, FakeCloud, Journal, create, probe, put


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_READ_BACK_TRIES", (0.0, 0.01, 0.01, 0.01))


@pytest.fixture
def runners() -> Iterator[Callable[..., Runner]]:
    made: list[Runner] = []

    def make(cloud: FakeCloud, journal: Journal | None = None, **more: Any) -> Runner:
        made.append(Runner({"fake": cloud}, journal, now=lambda: "2026-01-01T00:00:00Z", **({"threads": 4} | more)))
        return made[-1]

    yield make
    for runner in made:
        runner.close()


def go(runner: Runner, *steps: Step, principal: str = "p") -> Runner:
    """Run steps as one job for each of their phases."""
    jobs = [Job(phase, lambda _r, phase=phase: [s for s in steps if s.phase == phase]) for phase in sorted({s.phase for s in steps})]
    runner.add(principal, HERE.account, jobs)
    runner.wait()
    return runner


def statuses(runner: Runner) -> dict[str, str]:
    return {name: done.status for name, done in runner.done.items()}


def mutations(cloud: FakeCloud) -> list[tuple[str, Any]]:
    return [(o, p.get("Name") or p.get("Id")) for o, p in cloud.calls if o not in ("Get", "ListKeys")]


# -- the way of one step -------------------------------------------------------------------------------------------


def test_a_step_is_written_down_before_it_is_done_and_read_back_after(runners: Any) -> None:
    cloud = FakeCloud()
    journal = Journal(cloud)
    runner = go(runners(cloud, journal), put("a"))
    assert journal.calls_at_intent == [0] and journal.of("p#a") == ["done"] and cloud.things == {"a": "new"}
    assert [o for o, _ in cloud.calls] == ["Put", "Get"]  # the read-back comes from the cloud
    assert runner.changed == 1 and runner.failures == [] and runner.diff() == [
        {"before_header": "thing a", "after_header": "thing a", "before": "", "after": "new\n"}]  # fmt: skip


def test_what_is_true_already_is_neither_written_down_nor_done(runners: Any) -> None:
    cloud = FakeCloud(a="new")
    journal = Journal(cloud)
    runner = go(runners(cloud, journal), put("a", before="new"))
    assert statuses(runner) == {"p#a": "already"} and journal.intents == journal.outcomes == [] and mutations(cloud) == []
    assert runner.changed == 0 and runner.diff() == []


def test_check_mode_does_nothing_and_says_what_it_would(runners: Any) -> None:
    cloud = FakeCloud()
    runner = go(runners(cloud, None, check=True), put("a"), create())
    assert statuses(runner) == {"p#a": "would", "p#key": "would"} and mutations(cloud) == [] and runner.changed == 2
    assert {hunk["before_header"] for hunk in runner.diff()} == {"thing a", "key of p"}


def test_without_a_durable_intent_nothing_is_done(runners: Any) -> None:
    cloud = FakeCloud()
    journal = Journal(cloud)
    journal.fail = EvictError("cannot write x", object="x", operation="write", remedy="free space")
    runner = go(runners(cloud, journal), put("a"), put("b", phase=Phase.SESSION))
    assert mutations(cloud) == [] and runner.failures[0]["message"] == "cannot write x" and runner.failures[0]["remedy"] == "free space"


def test_an_outcome_that_cannot_be_written_stops_the_run_with_an_error(runners: Any) -> None:
    cloud = FakeCloud()
    journal = Journal(cloud)

    def full(_: Any) -> None:
        raise EvictError("store is full", object="s", operation="write")

    journal.outcome = full  # type: ignore[method-assign]
    with pytest.raises(EvictError, match="store is full"):
        go(runners(cloud, journal), put("a"), put("b", phase=Phase.SESSION))
    assert "b" not in cloud.things


def test_an_edit_keeps_what_others_write_meanwhile(runners: Any) -> None:
    cloud = FakeCloud(doc={"Statement": [{"Sid": "theirs"}]})
    ours = {"Sid": "Evict1", "Effect": "Deny"}
    step = put("doc", before=None, after={"Statement": [{"Sid": "theirs"}, {"Sid": "late"}, ours]}, do=(
        Edit(HERE, {"kind": "x", "Name": "doc"}, "add_statement", {"statement": ours}),))  # fmt: skip
    cloud.things["doc"]["Statement"].append({"Sid": "late"})  # after the plan was made
    assert statuses(go(runners(cloud, Journal()), step)) == {"p#doc": "done"}
    assert [s["Sid"] for s in cloud.things["doc"]["Statement"]] == ["theirs", "late", "Evict1"]


def test_an_edit_that_changes_nothing_writes_nothing(runners: Any) -> None:
    cloud = FakeCloud(doc={"Statement": [{"Sid": "E"}]})
    step = put("doc", after={"Statement": [{"Sid": "E"}]}, do=(Edit(HERE, {"Name": "doc"}, "add_statement", {"statement": {"Sid": "E"}}),))
    go(runners(cloud, Journal()), step)
    assert mutations(cloud) == []


# -- order -----------------------------------------------------------------------------------------------------------


def test_phases_of_one_principal_come_one_after_another(runners: Any) -> None:
    cloud = FakeCloud()
    cloud.slow = {"fence": 0.15, "key": 0.1}
    go(
        runners(cloud, Journal()),
        put("session", phase=Phase.SESSION),
        put("key", phase=Phase.CREDENTIAL),
        put("fence"),
        put("thing", phase=Phase.RESOURCE),
    )
    assert [n for _, n in mutations(cloud)] == ["fence", "key", "session", "thing"]


def test_a_slow_principal_delays_no_other(runners: Any) -> None:
    cloud = FakeCloud()
    free = threading.Event()
    cloud.hook = lambda o, p: (o == "Put" and p["Name"] == "slow" and not free.wait(20) and pytest.fail("delayed")) or None  # type: ignore[func-returns-value]
    runner = runners(cloud, Journal())
    runner.add("slow", HERE.account, [Job(Phase.FENCE, lambda _r: [put("slow", principal="slow")])])
    fast = [Job(ph, lambda _r, n=n, ph=ph: [put(n, principal="fast", phase=ph)]) for n, ph in (("f1", Phase.FENCE), ("f2", Phase.SESSION))]
    runner.add("fast", HERE.account, fast, finished=lambda _r: free.set())
    runner.wait()
    assert [n for _, n in mutations(cloud)].index("f2") >= 1 and cloud.things["slow"] == "new"


def test_fences_go_before_everything_that_waits(runners: Any) -> None:
    cloud = FakeCloud()
    gate = threading.Event()
    cloud.hook = lambda o, p: gate.wait(20) and None  # type: ignore[func-returns-value]
    runner = runners(cloud, Journal(), threads=1)
    runner.pool.submit(0, HERE.account, lambda: gate.wait(20) and None)
    for n in range(3):
        runner.add(
            f"k{n}", HERE.account, [Job(Phase.CREDENTIAL, lambda _r, n=n: [put(f"key{n}", principal=f"k{n}", phase=Phase.CREDENTIAL)])]
        )
    for n in range(3):
        runner.add(f"f{n}", HERE.account, [Job(Phase.FENCE, lambda _r, n=n: [put(f"fence{n}", principal=f"f{n}")])])
    gate.set()
    runner.wait()
    order = [n for _, n in mutations(cloud)]
    assert {n[:5] for n in order[:3]} == {"fence"} and len(order) == 6


@pytest.mark.parametrize("how", ["needs", "ref"])
def test_a_step_waits_for_the_one_that_it_needs_whatever_stands_between(runners: Any, how: str) -> None:
    cloud = FakeCloud()
    cloud.slow = {"a": 0.3, "CreateKey": 0.3}
    first = put("a") if how == "needs" else create(phase=Phase.FENCE)
    last = (
        put("c", needs=("p#a",))
        if how == "needs"
        else put("c", after=KEY_ID, do=(Call(HERE, "fake", "Put", {"Name": "c", "Value": KEY_ID}),))
    )
    runner = go(runners(cloud, Journal()), first, put("b"), last)
    assert set(statuses(runner).values()) == {"done"} and runner.failures == []
    assert [n for _, n in mutations(cloud)].index("c") == 2
    if how == "ref":
        assert cloud.things["c"] == "KEY1"


def test_a_diamond_of_needs(runners: Any) -> None:
    cloud = FakeCloud()
    cloud.slow = {"a": 0.1, "b": 0.2, "c": 0.05}
    go(runners(cloud, Journal()), put("a"), put("b", needs=("p#a",)), put("c", needs=("p#a",)), put("d", needs=("p#b", "p#c")), put("x"))
    order = [n for _, n in mutations(cloud)]
    assert order.index("a") < min(order.index("b"), order.index("c")) and order.index("d") > max(order.index("b"), order.index("c"))


# -- failures --------------------------------------------------------------------------------------------------------


def test_one_failure_stops_no_other_step_and_names_its_object(runners: Any) -> None:
    cloud = FakeCloud()
    cloud.faults = {"Put": [("AccessDenied", "no")]}
    cloud.slow = {"b": 0.05, "c": 0.05}
    runner = go(runners(cloud, Journal()), put("a"), put("b"), put("c", phase=Phase.SESSION))
    assert statuses(runner) == {"p#a": "failed", "p#b": "done", "p#c": "done"} and set(cloud.things) == {"b", "c"}
    (failure,) = runner.failures
    assert failure["object"] == "a" and failure["operation"] == "fake:Put" and "AccessDenied" in failure["message"]


def test_a_failed_step_blocks_what_needs_it_and_what_needs_that_and_nothing_else(runners: Any) -> None:
    cloud = FakeCloud()
    cloud.faults = {"CreateKey": [("LimitExceeded", "two keys")]}
    use = put("use", after="x", do=(Call(HERE, "fake", "Put", {"Name": "use", "Value": KEY_SECRET}),))
    journal = Journal()
    runner = go(runners(cloud, journal), create(phase=Phase.FENCE), use, put("after", needs=("p#use",)), put("free"))
    assert statuses(runner) == {"p#key": "failed", "p#use": "blocked", "p#after": "blocked", "p#free": "done"}
    assert set(cloud.things) == {"free"} and journal.of("p#use") == ["blocked"] and "p#key" in runner.done["p#use"].message


def test_what_could_not_be_done_and_somebody_else_has_done_stands(runners: Any) -> None:
    """Of two runs that make one thing, the one that was slower attaches what the other has made and attached."""
    cloud = FakeCloud()
    cloud.faults["Put"] = [("Taken", "somebody was faster")]
    runner = go(runners(cloud, Journal()), put("a"), put("b", needs=("p#a",)))
    assert statuses(runner) == {"p#a": "failed", "p#b": "blocked"}
    cloud.things["b"] = "new"
    go(runner, put("b", before="new"))
    assert statuses(runner)["p#b"] == "already"


def test_what_needs_a_step_that_did_not_stick_is_blocked_across_phases(runners: Any) -> None:
    cloud = FakeCloud()
    cloud.faults = {"Put": [("AccessDenied", "no")]}
    runner = go(runners(cloud, Journal()), put("a"), put("b", phase=Phase.SESSION, needs=("p#a",)))
    assert statuses(runner) == {"p#a": "failed", "p#b": "blocked"}


def test_a_generator_that_fails_names_its_principal_and_the_others_go_on(runners: Any) -> None:
    cloud = FakeCloud()

    def broken(_reader: Reader) -> Iterable[Step]:
        raise EvictError("list failed", operation="fake:List")

    runner = runners(cloud, Journal())
    runner.add("bad", HERE.account, [Job(Phase.FENCE, broken), Job(Phase.SESSION, lambda _r: [put("late", principal="bad")])])
    runner.add("good", HERE.account, [Job(Phase.FENCE, lambda _r: [put("g", principal="good")])])
    runner.wait()
    assert set(cloud.things) == {"g", "late"} and runner.failures == [
        {"object": "bad", "operation": "fake:List", "message": "list failed", "remedy": ""}
    ]


def test_a_bug_in_a_generator_is_not_swallowed(runners: Any) -> None:
    cloud = FakeCloud()

    def broken(_reader: Reader) -> Iterable[Step]:
        raise ZeroDivisionError

    runner = runners(cloud, Journal())
    runner.add("bad", HERE.account, [Job(Phase.FENCE, broken)])
    with pytest.raises(ZeroDivisionError):
        runner.wait()


def test_written_but_not_seen_is_unverified(runners: Any) -> None:
    cloud = FakeCloud()
    cloud.blind = {"a"}
    journal = Journal()
    runner = go(runners(cloud, journal), put("a"), put("b"))
    assert statuses(runner) == {"p#a": "unverified", "p#b": "done"} and journal.of("p#a") == ["done", "unverified"]
    (failure,) = runner.failures
    assert failure["object"] == "thing a" and failure["remedy"] and runner.changed == 2


@pytest.mark.parametrize(("there", "written"), [("theirs", "theirs"), ("a stranger's", "new")])
def test_what_a_run_beside_this_one_wrote_over_it_is_what_the_ledger_has(runners: Any, there: str, written: str) -> None:
    """Else a release would call it somebody else's change and leave it. What no run of the case has written stays a conflict."""
    cloud, journal = FakeCloud(), Journal()
    runner = runners(cloud, journal, beside=lambda: [put("b", "theirs"), put("a", "older"), put("a", "theirs")])
    runner.begin([put("a")])
    runner.run_step(put("a"))
    cloud.things["a"] = there
    runner.read_back([put("a")])
    assert journal.of("p#a") == ["done", "unverified"] and statuses(runner) == {"p#a": "unverified"}
    assert plan.decode(journal.outcomes[-1]["step"]).after == written and runner.done["p#a"].step.after == "new"


def test_what_was_planned_before_another_plan_had_written_it_was_undone_by_nobody(runners: Any) -> None:
    """Two plans for one principal side by side: the later one writes nothing again, and nobody is suspected of having taken it away."""
    cloud, journal = FakeCloud(), Journal()
    runner = go(runners(cloud, journal), put("a"))
    go(runner, put("a"))  # as it was read before the first had written
    assert mutations(cloud) == [("Put", "a")] and statuses(runner) == {"p#a": "done"} and len(journal.intents) == 1
    assert (runner.rewritten, runner.undone) == (0, [])
    go(runner, put("a", "newer"))
    assert cloud.things == {"a": "newer"} and runner.done["p#a"].step.before == "new" and (runner.rewritten, runner.undone) == (0, [])
    cloud.things.clear()
    go(runner, put("a", "newer"))
    assert cloud.things == {"a": "newer"} and runner.rewritten == 1 and [s.before for s in runner.undone] == [None]


@pytest.mark.parametrize(("there", "attacks"), [("the other run", 0), ("a stranger", 1)])
def test_what_a_run_beside_writes_into_a_document_that_they_share_is_no_attack(runners: Any, there: str, attacks: int) -> None:
    """It is written again as this run has it; what nobody of the case has set out to write was written against it."""

    def statements(who: str) -> list[dict[str, Any]]:
        return [{"Sid": "OursW", "NotFor": who}]

    def step(who: str, before: list[dict[str, Any]]) -> Step:
        edit = Edit(HERE, {"Name": "a"}, "exchange_statements", {"prefix": "Ours", "before": before, "statements": statements(who)})
        seen = plan.Probe(Call(HERE, "fake", "Get", {"Name": "a"}), ("Value", "Statement"))
        return put("a", statements(who), before, do=(edit,), probe=seen)

    cloud = FakeCloud(a={"Statement": []})
    runner = go(runners(cloud, Journal(), beside=lambda: [step("the other run", []), put("b")]), step("me", []))
    cloud.things["a"] = {"Statement": statements(there)}
    go(runner, step("me", statements(there)))
    assert cloud.things["a"]["Statement"] == statements("me") and runner.carried_out == 2
    assert (runner.rewritten, len(runner.undone)) == (attacks, attacks)


def test_what_an_earlier_run_wrote_and_is_gone_by_now_was_undone(runners: Any) -> None:
    """Not what still stands, what was read too early, or what nobody has written before."""
    cloud = FakeCloud(a="new", b="new", c="old")
    runner = runners(cloud, Journal())
    runner.standing = {step.id: step for step in (put("a"), put("b"), put("c"))}.get
    go(runner, put("a", before="new"), put("b", before=None), put("c", before="old"), put("d", before=None))
    assert mutations(cloud) == [("Put", "c"), ("Put", "d")] and statuses(runner)["p#b"] == "already"
    assert [(s.id, s.before) for s in runner.undone] == [("p#c", "old")] and runner.rewritten == 1
    cloud.things["c"] = "mid"
    go(runner, put("c", "newer", before="new"))
    assert len(runner.undone) == 1, "in this run it is known what it wrote"


@pytest.mark.parametrize(("second", "writes"), [("new", 1), ("newer", 2)])
def test_plans_made_side_by_side_write_what_is_the_same_once_and_one_after_the_other_what_is_not(
    runners: Any, second: str, writes: int
) -> None:
    """Both were made before either was carried out, so neither can know of the other; no look takes the later one for a loss of the first."""
    cloud, journal = FakeCloud(), Journal()
    runner = runners(cloud, journal)
    planned, puts, most = threading.Barrier(2), threading.Semaphore(1), []

    def together(step: Step) -> Callable[[Reader], list[Step]]:
        return lambda _reader: [step]

    begin = runner.begin

    def both(steps: list[Step]) -> list[Step]:
        pending: list[Step] = begin(steps)
        planned.wait(5)  # nothing is carried out before both intents are durable
        return pending

    def hook(operation: str, _p: Any) -> None:
        if operation == "Put":
            most.append(puts.acquire(blocking=False))
            time.sleep(0.05)
            puts.release()

    runner.begin, cloud.hook = both, hook
    for value in ("new", second):
        step = put("a", value)
        runner.add("p", HERE.account, [Job(step.phase, together(step))])
    runner.wait()
    assert len(mutations(cloud)) == writes == runner.carried_out and all(most), cloud.calls
    assert statuses(runner) == {"p#a": "done"} and not runner.failures and (runner.rewritten, runner.undone) == (0, [])
    assert cloud.things["a"] == runner.done["p#a"].step.after
    assert journal.of("p#a") == ["done"] * writes and len(journal.intents) >= writes and journal.open() == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("at", range(6))
def test_killed_between_plans_made_side_by_side_the_ledger_knows_what_stands(
    runners: Any, tmp_path: Path, order: tuple[int, int], at: int
) -> None:
    """Whichever comes first, at every write and every put into the ledger: what is there is what the next run and a release take for ours."""
    cloud, ledger = FakeCloud(), Ledger.open(open_store(str(tmp_path)), incident="IR-1", module="m")
    left = [at]

    def may_die(*_: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    def durable(kind: str) -> Callable[..., None]:
        def keep(*given: Any, **more: Any) -> None:
            if planned:
                may_die()
            getattr(ledger, kind)(*given, **more)
            ledger.flush()

        return keep

    planned, journal = False, Journal()
    cloud.hook = lambda operation, _p: may_die() if operation == "Put" else None
    journal.intent, journal.outcome = durable("intent"), durable("outcome")  # type: ignore[method-assign]
    runner, steps = runners(cloud, journal), [put("a"), put("a", "newer")]
    pending = [runner.begin([step])[0] for step in steps]
    planned = True
    try:
        for number in order:
            runner.run_step(pending[number])
    except Killed:
        pass
    ledger.end("ok")  # what was durable; a run that was killed has no end, which changes nothing for its intents
    again = Ledger.open(open_store(str(tmp_path)), incident="IR-1", module="m")
    runners(cloud, again).recover(entry["step"] for entry in again.state.unsettled())
    again.flush()
    standing = restore.standing(again.state.steps)
    assert [latest.after for _first, latest in standing] == ([cloud.things["a"]] if cloud.things else [])
    assert all(first.before is None for first, _latest in standing) and again.state.unsettled() == []
    assert at < 5 or cloud.things == {"a": steps[order[1]].after}


def test_a_plan_beside_another_does_not_rely_on_an_intent_that_is_not_durable_yet(runners: Any) -> None:
    cloud, journal = FakeCloud(), Journal()
    runner, written, go_on = runners(cloud, journal), threading.Event(), threading.Event()
    intent = journal.intent

    def slow(steps: list[dict[str, Any]], urgent: bool = False) -> None:
        if not written.is_set():
            written.set()
            go_on.wait(5)
            raise EvictError("cannot write x", object="x", operation="write")
        intent(steps, urgent)

    journal.intent = slow  # type: ignore[method-assign]
    with pytest.raises(EvictError), concurrent.futures.ThreadPoolExecutor(1) as pool:
        other = pool.submit(runner.begin, [put("a")])
        written.wait(5)
        runner.run_step(*runner.begin([put("a")]))
        assert [s["$step"]["id"] for s in journal.intents] == ["p#a"] and cloud.things == {"a": "new"}
        go_on.set()
        other.result()
    assert journal.of("p#a") == ["done"]


def test_a_creation_that_two_plans_want_is_made_once(runners: Any) -> None:
    cloud, journal = FakeCloud(), Journal()
    runner = runners(cloud, journal)
    for step in [*runner.begin([create()]), *runner.begin([create()])]:
        runner.run_step(step)
    assert len(cloud.keys) == 1 == len(journal.intents) and journal.of("p#key") == ["done"]


def test_what_another_plan_does_while_this_one_looks_is_not_done_again(runners: Any) -> None:
    cloud, journal = FakeCloud(), Journal()
    runner = runners(cloud, journal)
    runner.run_step(*runner.begin([put("a")]))
    other = runner.begin([put("b"), create()])

    def meanwhile(operation: str, parameters: dict[str, Any]) -> None:
        if operation == "Get" and parameters["Name"] == "a" and other:
            mine, other[:] = other[:], []
            for step in mine:
                runner.run_step(step)

    cloud.hook = meanwhile
    for step in runner.begin([put("b"), create(), put("a")]):
        runner.run_step(step)
    assert len(cloud.keys) == 1 and [sent["Name"] for operation, sent in cloud.calls if operation == "Put"] == ["a", "b"]
    assert journal.of("p#b") == journal.of("p#key") == ["done"] and journal.open() == []


def test_a_replica_that_is_late_is_asked_again(runners: Any) -> None:
    cloud = FakeCloud()
    cloud.blind = {"a"}
    looks: list[str] = []

    def hook(operation: str, _p: Any) -> None:
        looks.append(operation)
        if looks.count("Get") == 3:
            cloud.blind.clear()

    cloud.hook = hook
    assert statuses(go(runners(cloud, Journal()), put("a"))) == {"p#a": "done"} and looks.count("Get") == 3


def test_a_run_that_was_taken_over_stops_before_its_next_step(runners: Any) -> None:
    cloud = FakeCloud()
    held = iter(["", *["another run took the case over"] * 2])
    journal = Journal()
    runner = go(
        runners(cloud, journal, stopped=lambda: next(held)), put("a"), put("b", phase=Phase.CREDENTIAL), put("c", phase=Phase.SESSION)
    )
    assert set(cloud.things) == {"a"} and journal.of("p#b") == ["failed"] and "took the case over" in runner.failures[0]["message"]


# -- lost answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lost", ("Throttling", "slow down")])
def test_a_lost_answer_of_an_idempotent_call_is_settled_by_looking(runners: Any, fault: Any) -> None:
    cloud = FakeCloud()
    cloud.faults = {"Put": [fault]}
    if fault != "lost":
        cloud.hook = lambda o, p: cloud.things.update(a="new") if o == "Put" else None  # somebody else did it
    journal = Journal()
    runner = go(runners(cloud, journal), put("a"))
    assert statuses(runner) == {"p#a": "done"} and "yet it is so" in runner.done["p#a"].message and len(mutations(cloud)) == 1


def test_a_lost_request_of_an_idempotent_call_fails_and_says_so(runners: Any) -> None:
    cloud = FakeCloud()
    cloud.faults = {"Put": ["before"]}
    runner = go(runners(cloud, Journal()), put("a"))
    assert statuses(runner) == {"p#a": "failed"} and len(runner.failures) == 1


@pytest.mark.parametrize(("faults", "made"), [(["lost"], 2), (["before"], 1), (["cut"], 2)])
def test_a_creation_whose_answer_was_lost_leaves_one_key(runners: Any, faults: list[Any], made: int) -> None:
    cloud = FakeCloud()
    cloud.keys = {"OLD": "x"}
    cloud.faults = {"CreateKey": faults}
    journal = Journal()
    runner = go(runners(cloud, journal), create(before=["OLD"]))
    assert statuses(runner) == {"p#key": "done"} and set(cloud.keys) == {"OLD", f"KEY{made}"}
    assert journal.of("p#key") == ["failed", "done"] and journal.groups == [["p#key"], ["p#key"]]
    assert journal.outcomes[-1]["answer"] == [[["Key", "Id"], f"KEY{made}"]]


@pytest.mark.parametrize("faults", [["lost", "lost"], ["before", "lost"], ["lost", "before"]])
def test_a_creation_whose_answer_is_lost_twice_leaves_no_orphan(runners: Any, faults: list[Any]) -> None:
    cloud = FakeCloud()
    cloud.faults = {"CreateKey": faults}
    journal = Journal()
    runner = go(runners(cloud, journal), create())
    assert statuses(runner) == {"p#key": "failed"} and cloud.keys == {} and cloud.made in (1, 2) and journal.open() == []


def test_a_creation_that_cannot_be_undone_is_made_once_however_its_answer_is_lost(runners: Any) -> None:
    """A forced deployment: nothing would remove a second one."""
    cloud, journal = FakeCloud(), Journal()
    cloud.faults = {"CreateKey": ["lost"]}
    runner = go(runners(cloud, journal), create(undo=(), irreversible="it is there"))
    assert statuses(runner) == {"p#key": "done"} and cloud.made == 1 and journal.of("p#key")[-1] == "done"
    assert journal.outcomes[-1]["answer"] == [[["Key", "Id"], "KEY1"]]


def test_after_a_crash_a_creation_that_cannot_be_undone_is_said_to_be_there(runners: Any) -> None:
    cloud, journal = FakeCloud(), Journal()
    step = create(undo=(), irreversible="it is there")
    journal.intent([plan.encode(step)])
    cloud.CreateKey()
    (text,) = runners(cloud, journal).recover(journal.open())
    assert "was carried out" in text and cloud.made == 1 and set(cloud.keys) == {"KEY1"} and journal.of("p#key") == ["done"]


def test_an_orphan_that_cannot_be_told_apart_is_left_and_named(runners: Any) -> None:
    cloud = FakeCloud()
    cloud.faults = {"CreateKey": ["lost"]}
    cloud.hook = lambda o, p: cloud.keys.setdefault("SOMEBODY", "x") and None if o == "CreateKey" else None
    runner = go(runners(cloud, Journal()), create())
    assert statuses(runner) == {"p#key": "failed"} and set(cloud.keys) == {"SOMEBODY", "KEY1"}
    assert "KEY1" in runner.failures[0]["message"] and "by hand" in runner.failures[0]["remedy"]


# -- secrets -----------------------------------------------------------------------------------------------------------


def three_steps(before_keys: Any = (), before_name: Any = None, before_vault: Any = None) -> list[Step]:
    """create -> Ref -> Secret, over two accounts; the vault's value is compared by the version that it answers with."""
    name = put(
        "name", after=KEY_ID, before=before_name, phase=Phase.CREDENTIAL, do=(Call(HERE, "fake", "Put", {"Name": "name", "Value": KEY_ID}),)
    )
    vault = put("vault", after="*", before=before_vault, phase=Phase.CREDENTIAL, target=THERE, probe=None, do=(
        Call(THERE, "fake", "Put", {"Name": "vault", "Value": KEY_SECRET}),))  # fmt: skip
    return [create(before_keys), name, vault]


def test_a_secret_goes_from_answer_to_request_and_nowhere_else(runners: Any) -> None:
    cloud = FakeCloud()
    journal = Journal()
    runner = go(runners(cloud, journal), *three_steps())
    assert set(statuses(runner).values()) == {"done"} and cloud.things == {"name": "KEY1", "vault": "s3cr3t-KEY1"}
    kept = json.dumps([journal.intents, journal.outcomes, runner.diff(), [d.row() for d in runner.done.values()]])
    assert "s3cr3t" not in kept and "KEY1" in kept


def test_a_second_run_finds_all_three_done(runners: Any) -> None:
    cloud = FakeCloud()
    journal = Journal()
    go(runners(cloud, journal), *three_steps())
    calls = len(mutations(cloud))
    again = three_steps(["KEY1"], "KEY1", "*")
    runner = go(runners(cloud, journal, history=journal.history()), *again)
    assert set(statuses(runner).values()) == {"already"} and len(mutations(cloud)) == calls


def test_a_secret_that_died_with_its_process_makes_the_key_anew_and_everything_that_names_it(runners: Any) -> None:
    cloud = FakeCloud()
    cloud.faults = {"Put": [None, ("AccessDenied", "no vault for you")]}
    journal = Journal()
    runner = go(runners(cloud, journal), *three_steps())
    assert statuses(runner)["p#vault"] == "failed" and cloud.things == {"name": "KEY1"}
    runner = go(runners(cloud, journal, history=journal.history()), *three_steps(["KEY1"], "KEY1"))
    assert set(statuses(runner).values()) == {"done"}, statuses(runner)
    assert cloud.keys == {"KEY2": "s3cr3t-KEY2"} and cloud.things == {"name": "KEY2", "vault": "s3cr3t-KEY2"}


def test_check_mode_after_such_a_crash_removes_nothing(runners: Any) -> None:
    cloud = FakeCloud()
    cloud.faults = {"Put": [None, ("AccessDenied", "no vault for you")]}
    journal = Journal()
    go(runners(cloud, journal), *three_steps())
    before = len(mutations(cloud))
    runner = go(runners(cloud, None, check=True, history=journal.history()), *three_steps(["KEY1"], "KEY1"))
    assert len(mutations(cloud)) == before and statuses(runner)["p#vault"] == "would"
    assert statuses(runner)["p#key"] == statuses(runner)["p#name"] == "would"  # both would be made anew


def test_what_is_named_after_something_that_is_made_anew_is_made_anew_too(runners: Any) -> None:
    """key -> name (of the key) -> copy (of the name's answer) -> vault: all three follow when the key must be made again."""
    cloud = FakeCloud()
    version = Ref("p#name", ("Version",))
    _, name, vault = three_steps()
    copy = put("copy", after=version, phase=Phase.CREDENTIAL, do=(Call(HERE, "fake", "Put", {"Name": "copy", "Value": version}),))
    cloud.faults = {"Put": [None, None, ("AccessDenied", "no")]}
    journal = Journal()
    go(runners(cloud, journal), create(), name, copy, vault)
    first = cloud.things["copy"]
    name, copy = (plan.decode(plan.encode(s)) for s in (name, copy))
    import dataclasses

    again = [create(["KEY1"]), dataclasses.replace(name, before="KEY1"), dataclasses.replace(copy, before=first), vault]
    runner = go(runners(cloud, journal, history=journal.history()), *again)
    assert cloud.things["name"] == "KEY2" and cloud.things["vault"] == "s3cr3t-KEY2" and runner.failures == []
    assert cloud.things["copy"] != first, "names the answer of a Step that was done again"


# -- after a crash -----------------------------------------------------------------------------------------------------


class Killed(BaseException):
    pass


def crashed(runners: Any, cloud: FakeCloud, steps: list[Step], at: int, after: bool) -> Journal:
    """Run `steps` one by one until the process "dies" before or after the `at`-th change; outcomes in flight are lost."""
    journal = Journal()
    runner = runners(cloud, journal, threads=1)
    count = 0
    call = cloud.call

    def killing(c: Call, parameters: Any = None) -> dict[str, Any]:
        nonlocal count
        if c.operation in ("Get", "ListKeys"):
            return call(c, parameters)
        count += 1
        if count == at and not after:
            raise Killed
        answer = call(c, parameters)
        if count == at:
            raise Killed
        return answer

    cloud.call = killing  # type: ignore[method-assign]
    pending = runner.begin(steps)
    try:
        for step in pending:
            runner.run_step(step)
    except Killed:
        pass
    cloud.call = call  # type: ignore[method-assign]
    return journal


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_killed_at_any_point_of_create_ref_secret_a_second_run_ends_right(runners: Any, at: int, after: bool) -> None:
    cloud = FakeCloud()
    cloud.keys = {"OLD": "x"}
    journal = crashed(runners, cloud, three_steps(["OLD"]), at, after)
    runner = runners(cloud, journal, history=journal.history())
    found = runner.recover(journal.open())
    assert found and runner.failures == []
    vault = "*" if any(o["id"] == "p#vault" and o["status"] == "done" for o in journal.outcomes) else None
    go(runner, *three_steps(sorted(cloud.keys), cloud.things.get("name"), vault))
    (key,) = set(cloud.keys) - {"OLD"}
    assert cloud.things == {"name": key, "vault": cloud.keys[key]} and runner.failures == [], (statuses(runner), found)


def test_recover_says_what_became_of_each_intent(runners: Any) -> None:
    cloud = FakeCloud(done="new", other="theirs")
    journal = Journal()
    runner = runners(cloud, journal)
    steps = [put("done"), put("undone"), put("other", before="old")]
    found = runner.recover([plan.encode(s) for s in steps])
    assert [f.rsplit(": ", 1)[1] for f in found] == ["was carried out", "was not carried out", "something else is there now"]
    assert {o["id"]: o["status"] for o in journal.outcomes} == {"p#done": "done", "p#undone": "failed", "p#other": "failed"}


def test_what_nobody_knows_is_left_to_the_next_run(runners: Any) -> None:
    """No answer, and a look right after it does not show it; it was on its way, as AWS carries out some requests minutes later."""
    cloud, journal = FakeCloud(), Journal()
    cloud.faults = {"Put": ["before", ("AccessDenied", "no")]}
    runner = go(runners(cloud, journal), put("late"), put("refused"))
    assert statuses(runner) == {"p#late": "failed", "p#refused": "failed"} and len(runner.failures) == 2
    assert journal.of("p#late") == [] and journal.of("p#refused") == ["failed"]
    cloud.things["late"] = "new"
    (text,) = runners(cloud, journal).recover(journal.open())
    assert text.endswith("was carried out") and journal.of("p#late") == ["done"]


def test_what_this_run_has_done_itself_is_not_said_of_the_dead_one(runners: Any) -> None:
    """Whether its own outcome is in the ledger yet or not: the dead run did not do it, and nothing was done when this one began."""
    cloud, journal = FakeCloud(), Journal()
    runner = go(runners(cloud, journal), put("a"))
    own = list(journal.outcomes)
    (text,) = runner.recover([plan.encode(put("a"))])
    assert text.endswith("this run has done it") and journal.outcomes == own
    assert runner.recover([plan.encode(put("a"))]) == []  # said once


def test_the_orphan_of_a_dead_run_goes_though_this_run_has_made_its_own(runners: Any) -> None:
    cloud, journal = FakeCloud(), Journal()
    cloud.keys = {"ORPHAN": "x"}
    runner = go(runners(cloud, journal), create(["ORPHAN"]))
    (mine,) = set(cloud.keys) - {"ORPHAN"}
    (text,) = runner.recover([plan.encode(create())])
    assert "has been removed" in text and set(cloud.keys) == {mine}


def test_recover_in_check_mode_changes_and_writes_nothing(runners: Any) -> None:
    cloud = FakeCloud()
    cloud.keys = {"ORPHAN": "x"}
    runner = runners(cloud, None, check=True)
    (text,) = runner.recover([plan.encode(create())])
    assert "orphan" in text and set(cloud.keys) == {"ORPHAN"} and mutations(cloud) == []


def test_recover_goes_on_after_an_intent_that_cannot_be_read(runners: Any) -> None:
    cloud = FakeCloud(b="new")
    cloud.faults = {"Get": [("AccessDenied", "no")]}
    journal = Journal()
    runner = runners(cloud, journal)
    found = runner.recover([plan.encode(put("a")), plan.encode(put("b"))])
    assert "unknown" in found[0] and "was carried out" in found[1] and runner.failures[0]["object"] == "a"
    assert journal.of("p#a") == [] and journal.of("p#b") == ["done"]  # unknown is not settled


def test_two_orphans_are_left_and_named(runners: Any) -> None:
    cloud = FakeCloud()
    cloud.keys = {"A": "x", "B": "y"}
    journal = Journal()
    runner = runners(cloud, journal)
    runner.recover([plan.encode(create())])
    assert set(cloud.keys) == {"A", "B"} and journal.of("p#key") == [] and "A, B" in runner.failures[0]["message"]


def test_one_orphan_of_two_dead_runs_is_removed_once(runners: Any) -> None:
    cloud = FakeCloud()
    cloud.keys = {"A": "x"}
    cloud.slow = {"DeleteKey": 0.1, "ListKeys": 0.05}
    runner = runners(cloud, Journal())
    found = runner.recover([plan.encode(create()), plan.encode(create())])
    assert cloud.keys == {} and runner.failures == [] and "removed" in found[0] and "was not carried out" in found[1]


def test_a_step_carried_out_before_the_crash_whose_after_is_a_reference(runners: Any) -> None:
    cloud = FakeCloud(name="KEY1")
    journal = Journal()
    runner = runners(cloud, journal, history={"p#key": {"outcome": {"answer": [[["Key", "Id"], "KEY1"]]}}})
    (text,) = runner.recover([plan.encode(three_steps()[1])])
    assert text.endswith("was carried out") and journal.of("p#name") == ["done"]


# -- reads -------------------------------------------------------------------------------------------------------------


def test_a_reader_asks_once_and_remembers_errors() -> None:
    cloud = FakeCloud(a=1)
    cloud.faults = {"ListKeys": [("AccessDenied", "no")]}
    reader = Reader({"fake": cloud})
    assert [reader.read(probe("a")) for _ in range(3)] == [1, 1, 1] and reader.read(probe("none")) is None
    for _ in range(2):
        with pytest.raises(EvictError, match="AccessDenied"):
            reader.read(LIST_KEYS)
    assert [o for o, _ in cloud.calls] == ["Get", "Get", "ListKeys"]


def test_threads_share_one_read() -> None:
    cloud = FakeCloud(a=1)
    cloud.slow = {"a": 0.1}
    reader = Reader({"fake": cloud})
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(reader.read(probe("a")))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 8 and len(cloud.calls) == 1
