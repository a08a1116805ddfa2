"""`make bench`: containment beside plain boto3 scripts, as ratios in one run. `--check` exits 1 when a target is missed.

Every request goes through the bed's proxy, which adds 80 ms. Measured is wall time from exec to exit, of the best of
`--repeat` repetitions. The quick scope is off and hold=0: neither is work, both are waiting for AWS. Figures: build/bench/contain.json.

The ratios are those of access keys, password and sessions, which is what the bare script cuts (`contain_kinds`). What the other kinds of credential
add, one listing each for every user, is counted apart. The fence above the account is measured by `scale.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.beds import company as seeds  # noqa: E402
from tests.beds.bed import Bed  # noqa: E402
from tests.drill import loopback  # noqa: E402
from tests.drill.play import environment_of  # noqa: E402

LATENCY = 80.0  # ms
SPREAD = 11.0  # seconds until the denies count as spread
HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(sys.executable).parent
_POLICY = "PutUserPolicy"
_KINDS = ["access_key", "login_profile"]  # what the bare script cuts
Figures = dict[str, Any]
# name -> (limit, what it is a ratio or count of)
TARGETS = {
    "whole_to_bare_20": (4.0, "whole ansible-playbook, 20 users / bare writes"),
    "module_to_replay_20": (1.5, "module (first to last API call), 20 users / replay of its calls"),
    "last_deny_to_bare_20": (2.3, "last of 20 users' deny, since exec / bare writes"),
    "nothing_to_bare_20": (2.3, "whole ansible-playbook that finds nothing to do, 20 users / bare writes"),
    "calls_per_user": (20, "API calls per user, contain: keys, password, sessions"),
    "calls_per_user_nothing": (8, "API calls per user, nothing to do: keys, password, sessions"),
    "calls_per_user_all_kinds": (23, "API calls per user, contain: every kind of credential, as is the default"),
    "calls_per_user_nothing_all_kinds": (12, "API calls per user, nothing to do: every kind of credential"),
    "rss_mb_1000": (300, "peak memory of the module process, 1,000 users, MB"),
}


class Bench:
    """One bed, fresh users for each measurement."""

    def __init__(self, bed: Bed, folder: pathlib.Path) -> None:
        self.bed, self.folder = bed, folder
        self.company = seeds.seed(bed)
        self.account = self.company.production
        # Bytecode as on a machine where things have run before, whatever this shell says: all that is measured here reads it.
        environment = {k: v for k, v in bed.environ(self.company.responder).items() if k != "PYTHONDONTWRITEBYTECODE"}
        self.environment = environment_of({**environment, "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "bench" / "pycache")})
        self._sets = 0

    def users(self, count: int) -> list[str]:
        """New users, two active keys, console password and admin policy each."""
        self._sets += 1
        return seeds.extra_users(self.bed, self.account, count, prefix=f"set{self._sets}u")

    def keys(self, name: str) -> list[str]:
        """The user's key ids, as seeded."""
        return [self.account.keys[name + suffix].access_key for suffix in ("", "-2")]

    def run(self, words: list[str], good: tuple[int, ...] = (0,), memory: bool = False) -> Figures:
        """Run to the end: seconds, and from the proxy's log the number of calls and when (since exec) the first began and the last was answered."""
        known = len(self.bed.calls())
        began = time.time()
        child = subprocess.Popen(
            words, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        peak = _Peak(child.pid, memory)
        output = child.communicate(timeout=590)[0]
        ended = time.time()
        peak.stop()
        if child.returncode not in good:
            raise RuntimeError(f"{' '.join(words)[:300]}: exit code {child.returncode}\n{output[-6000:]}")
        calls = self.bed.calls()[known:]
        if not calls:
            raise RuntimeError(f"no calls were made by {' '.join(words)[:300]}")
        first, last = min(c["time"] for c in calls), max(c["time"] + c["ms"] / 1000 for c in calls)
        return {"seconds": ended - began, "calls": len(calls), "first_call": first - began, "last_call": last - began, "api": last - first,
                "rss_mb": peak.kilobytes / 1024, "log": calls, "began": began, "output": output}  # fmt: skip

    # -- what is compared ------------------------------------------------------------------------------------------

    def bare(self, count: int) -> Figures:
        """The bare writes."""
        return self.run([sys.executable, str(HERE / "bare.py"), self.account.responder_role, *self.users(count)])

    def contain(self, names: list[str], incident: str = "", memory: bool = False, kinds: tuple[str, ...] = tuple(_KINDS)) -> Figures:
        """playbooks/contain.yml over the users' first keys. The incident's id; a second time: nothing to do."""
        name = incident or f"BENCH-{self._sets}"
        path = self.folder / f"{name}.yml"
        suspects = [{"cloud": "aws", "access_key_id": self.keys(user)[0]} for user in names]
        path.write_text(json.dumps({"incident": {"id": name, "opened": "2026-01-22T09:00:00Z", "store": str(self.folder / "cases"), "suspects": suspects,
                                                 "connection": {"aws": {"role_arn": self.company.role_template}}}}))  # fmt: skip
        figures = self.run(
            [str(BIN / "ansible-playbook"), "playbooks/contain.yml", "-e", f"incident={path}", "-e", "hold=0", "-e", "contain_scope=0",
             "-e", json.dumps({"contain_kinds": list(kinds), "contain_account_fence": "none"}),
             "-e", f"result_file={self.folder / 'result.json'}"], (0, 2), memory,  # 2: with hold=0 it does not claim that the denies have spread
        )  # fmt: skip
        result = self.folder / "result.json"
        said = json.loads(result.read_text())
        if said["failed"] or said["status"] not in ("ok", "open"):
            raise RuntimeError(figures["output"][-6000:])
        return {**figures, "incident": name, "changed": said["changed"], "result_bytes": result.stat().st_size,
                "records": sum(1 for _ in (self.folder / "cases" / name / "ledger").rglob("*.json"))}  # fmt: skip

    def replay(self, ours: Figures, names: list[str], events: list[dict[str, Any]]) -> Figures:
        """The calls of `ours` (over `names`) on as many fresh users."""
        twins = dict(zip(names, self.users(len(names)), strict=True))
        swap = {**twins, **{mine: his for name, twin in twins.items() for mine, his in zip(self.keys(name), self.keys(twin), strict=True)}}
        by_id = {event["requestID"]: event for event in events}
        calls = []
        for call in sorted(ours["log"], key=lambda entry: entry["time"]):
            parameters = by_id[call["request_id"]].get("requestParameters") or {}
            sent = {k[0].upper() + k[1:]: swap.get(v, v) for k, v in parameters.items()}
            calls.append([call["service"], call["operation"], sent, "role" if call["account"] == self.account.id else "caller"])
        path = self.folder / "replay.json"
        path.write_text(json.dumps(calls))
        return self.run([sys.executable, str(HERE / "replay.py"), self.account.responder_role, str(path)])

    def last_deny(self, ours: Figures, events: list[dict[str, Any]]) -> float:
        """When, since exec, the last user had its first deny."""
        first: dict[str, float] = {}
        times = {call["request_id"]: call["time"] + call["ms"] / 1000 for call in ours["log"] if call["operation"] == _POLICY}
        for event in events:
            if event["requestID"] in times:
                user = event["requestParameters"]["userName"]
                first[user] = min(times[event["requestID"]], first.get(user, float("inf")))
        return max(first.values()) - ours["began"]


class _Peak(threading.Thread):
    """The largest peak of resident memory among the descendants of a process that run AnsiballZ, from /proc; 0 where there is none."""

    def __init__(self, pid: int, wanted: bool) -> None:
        super().__init__(daemon=True)
        self.kilobytes = 0
        self._pid, self._over = pid, threading.Event()
        if wanted and os.path.isdir("/proc/self"):
            self.start()

    def stop(self) -> None:
        self._over.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        while not self._over.wait(0.1):
            for pid in self._module():
                try:
                    status = pathlib.Path(f"/proc/{pid}/status").read_text()
                except OSError:
                    continue
                self.kilobytes = max([self.kilobytes, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))])

    def _module(self) -> list[int]:
        found, todo = [], [self._pid]
        while todo:
            pid = todo.pop()
            try:
                todo += [
                    int(child)
                    for task in os.listdir(f"/proc/{pid}/task")
                    for child in pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split()
                ]
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if len(words) > 1 and b"AnsiballZ" in words[1]:
                found.append(pid)
        return found


def measure(bench: Bench, counts: tuple[int, ...], repeat: int) -> Figures:
    """{count: {what: best figures}}, with `last_deny` among those of contain."""
    best: Figures = {}
    bench.bare(1)  # the bytecode
    bench.contain(bench.users(1))
    for _ in range(repeat):
        for count in counts:
            rows = best.setdefault(str(count), {})
            bare = bench.bare(count)
            names = bench.users(count)
            ours = bench.contain(names)
            events = bench.bed.events()
            ours["last_deny"] = bench.last_deny(ours, events)
            replay = bench.replay(ours, names, events)
            time.sleep(max(0.0, SPREAD - (time.time() - ours["began"] - ours["last_call"])))  # so that it has nothing to wait for
            nothing = bench.contain(names, ours["incident"])
            if ours["changed"] != 5 * count or nothing["changed"]:
                raise RuntimeError(f"contain changed {ours['changed']} of {5 * count}, the second run {nothing['changed']}")
            for what, figures in (("bare", bare), ("contain", ours), ("replay", replay), ("nothing", nothing)):
                kept = rows.setdefault(what, {})
                for key, value in figures.items():
                    if key in ("log", "output", "began", "incident"):
                        continue
                    kept[key] = min(value, kept.get(key, value)) if isinstance(value, (int, float)) else value
            print(f"  {count} user(s): " + ", ".join(f"{what} {f['seconds']:.2f} s" for what, f in (("bare", bare), ("contain", ours), ("replay", replay), ("nothing", nothing))),
                  flush=True)  # fmt: skip
    return best


def every_kind(bench: Bench, count: int) -> Figures:
    """Calls per user with all kinds of credential: contain, and a second run."""
    names = bench.users(count)
    ours = bench.contain(names, kinds=())
    nothing = bench.contain(names, ours["incident"], kinds=())
    if ours["changed"] != 5 * count or nothing["changed"]:
        raise RuntimeError(f"contain changed {ours['changed']} of {5 * count}, the second run {nothing['changed']}")
    return {"calls_per_user_all_kinds": ours["calls"] / count, "calls_per_user_nothing_all_kinds": nothing["calls"] / count,
            "seconds_all_kinds": ours["seconds"]}  # fmt: skip


def ratios(best: Figures, counts: tuple[int, ...]) -> Figures:
    """The figures that have targets, and the same for the other counts."""
    found: Figures = {}
    for count in counts:
        rows = best[str(count)]
        bare = rows["bare"]["seconds"]
        found[f"whole_to_bare_{count}"] = rows["contain"]["seconds"] / bare
        found[f"module_to_replay_{count}"] = rows["contain"]["api"] / rows["replay"]["api"]
        found[f"last_deny_to_bare_{count}"] = rows["contain"]["last_deny"] / bare
        found[f"nothing_to_bare_{count}"] = rows["nothing"]["seconds"] / bare
    most = str(max(counts))
    found["calls_per_user"] = best[most]["contain"]["calls"] / int(most)
    found["calls_per_user_nothing"] = best[most]["nothing"]["calls"] / int(most)
    return found


def thousand(bench: Bench) -> Figures:
    """1,000 users in one call, without added latency."""
    bench.bed.configure(latency_ms=0, record=False)
    names = bench.users(1000)
    ours = bench.contain(names, memory=True)
    bench.bed.configure(latency_ms=LATENCY, record=True)
    return {k: v for k, v in ours.items() if k not in ("log", "output", "began", "incident")}


def show(best: Figures, found: Figures, many: Figures | None) -> bool:
    """Print the table; True when every target that was measured is met."""
    print("\n  quick scope off, hold=0, 80 ms added to each call; bare and replay: 16 threads, the responder's role assumed as in ours\n")
    print(
        f"  {'users':>5}  {'what':<8} {'seconds':>8} {'first call':>11} {'last call':>10} {'API span':>9} {'calls':>6} {'deny of the last':>17}"
    )
    for count, rows in best.items():
        for what, row in rows.items():
            deny = f"{row['last_deny']:.2f}" if "last_deny" in row else ""
            print(
                f"  {count:>5}  {what:<8} {row['seconds']:>8.2f} {row['first_call']:>11.2f} {row['last_call']:>10.2f} {row['api']:>9.2f} {row['calls']:>6} {deny:>17}"
            )
    if many:
        print(f"   1000  contain  {many['seconds']:>8.2f} s without added latency, {many['calls']} calls, {many['rss_mb']:.0f} MB, result.json {many['result_bytes']} bytes, "
              f"{many['records']} ledger records")  # fmt: skip
    print()
    good = True
    for name, (limit, text) in TARGETS.items():
        if name in found:
            good &= found[name] <= limit
            print(f"  {'pass' if found[name] <= limit else 'FAIL'}  {found[name]:>7.2f}  (at most {limit:>5})  {text}")
    print()
    for name in (n for n in found if n not in TARGETS):
        print(f"        {found[name]:>7.2f}  {name}")
    return good


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--no-thousand", action="store_true", help="leave out the 1,000 users")
    options = parser.parse_args()
    counts = (1, 20)
    loopback.check_all()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        with Bed(latency_ms=LATENCY) as bed:
            loopback.check_all(bed.environ(), cloud=bed.direct, endpoint=bed.endpoint)
            bench = Bench(bed, folder)
            best = measure(bench, counts, options.repeat)
            found = {**ratios(best, counts), **every_kind(bench, max(counts))}
            many = None if options.no_thousand else thousand(bench)
            if many:
                found["rss_mb_1000"] = many["rss_mb"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    good = show(best, found, many)
    out = ROOT / "build" / "bench" / "contain.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        json.dumps(
            {"ratios": found, "targets": {k: v[0] for k, v in TARGETS.items()}, "figures": best, "thousand": many, "met": good}, indent=1
        )
        + "\n"
    )
    print(f"  {out.relative_to(ROOT)}")
    return 1 if options.check and not good else 0


if __name__ == "__main__":
    sys.exit(main())
