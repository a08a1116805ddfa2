"""`python -m tests.drill`: an attack on an embedded cloud, answered exactly as a user would answer it, and checked from the attacker's side.

Exit code 0 when every promise held, 1 when one was broken, 3 when the drill could not be played. Writes summary.json
(interfaces: "Drill summary"), story.txt, the loops' logs, the incident file and the case into --directory (default build/drill).
"""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime
import importlib.util
import json
import pathlib
import shlex
import shutil
import sys
import threading
import time
from typing import Any

from tests.beds import company as seeds
from tests.beds import loops
from tests.beds.bed import Bed, Credentials
from tests.drill import brief, investigation, loopback, rotation
from tests.drill.intruder import BACK_DOOR, MINER, NAMES, Intruder
from tests.drill.play import ROOT, Run, command, play, verify
from tests.drill.story import Story
from tests.redteam.campaign import campaign
from tests.redteam.game import Order

LAG = 1.0  # seconds until a change of IAM has spread
HEAD_START = 4.0  # seconds that the attacker works before anybody notices
AFTERWARDS = 3.0  # seconds that it goes on trying when all is over
RED_TEAM = (7, 8)  # seeds of the red-team runs that a drill plays; `make redteam` plays a hundred
TREASURE = "payments/api"
NETWORK = "198.51.100.0/24"  # where the company's people and workloads call from
INCIDENT = """\
incident:
  id: IR-DRILL-1
  title: CI key found in a public repository
  severity: critical
  opened: "{opened}"
  aware_at: "{opened}"
  window: {{start: "{start}"}}
  store: {store}
  suspects:
    - {{cloud: aws, access_key_id: {key}}}
  trusted: {{networks: [{network}]}}
  connection: {{aws: {{role_arn: "{role}"}}}}
"""


class Drill:
    """One drill in `directory`."""

    def __init__(self, directory: pathlib.Path, red_team: bool = True) -> None:
        self.directory, self.red_team = directory, red_team
        for name in ("cases", "incident.yml", "summary.json", "story.txt"):
            path = directory / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        directory.mkdir(parents=True, exist_ok=True)
        self.began = time.time()
        self.story = Story(directory / "story.txt")
        self.summary: dict[str, Any] = {}
        self.broken: list[str] = []
        self.runs: dict[str, tuple[Run, Run]] = {}

    # -- the sequence ----------------------------------------------------------------------------------------------

    def run(self) -> bool:
        """Play it; True when every promise held."""
        say = self.story.tell
        loopback.check_all()
        self.story.line("A CI key has leaked: attack and response on an embedded cloud. Nothing leaves this machine.")
        self.story.line()
        with Bed(lag=LAG) as bed:
            loopback.check_all(bed.environ(), cloud=bed.direct, endpoint=bed.endpoint)
            company = seeds.seed(bed)
            bed.client("secretsmanager", company.production.root, direct=True).create_secret(Name=TREASURE, SecretString="initial")
            bed.lag(LAG)  # what was seeded has spread
            say("company", f"works in accounts {company.production.id} (production) and {company.staging.id} (staging), from {NETWORK}")
            self.attack(bed, company)
        moving = self.begin_rotation()
        self.play_red_team()
        self.rotated(moving)
        self.finish()
        return not self.broken

    def play_red_team(self) -> None:
        """Some attackers who fight back, each on a cloud of its own: detach the deny, mint, plant. Side by side, when nothing else is measured."""
        if not self.red_team:
            self.summary["red_team"] = None
            return
        self.story.tell("red team", f"{len(RED_TEAM)} attackers, each in a cloud of its own, try to undo the containment while it spreads")
        played = campaign([Order(seed) for seed in RED_TEAM], len(RED_TEAM), self.directory / "redteam", tell=lambda _text: None)
        self.summary["red_team"] = {"runs": played["runs"], "won": played["won"]}
        self.story.tell(
            "red team",
            f"{played['won']} of {played['runs']} were won by the containment: every credential that the attacker ever held was refused at the end",
        )
        self.promise(
            not played["lost"],
            f"the containment lost to the red team with seed(s) {', '.join(map(str, played['lost']))}: {_short(self.directory / 'redteam')}",
        )

    def begin_rotation(self) -> concurrent.futures.Future[list[rotation.Played]]:
        """Keys that are rotated while services work with them, beside the red team."""
        self.story.tell(
            "rotate", "two keys that a worker, a loop and a function work with: one gracefully, one behind a bridge since a thief uses it"
        )
        times = _utc(time.time()), _utc(self.began - 60)
        pool = concurrent.futures.ThreadPoolExecutor(1)
        try:
            return pool.submit(rotation.phase, self.directory, LAG, times, self.story.tell)
        finally:
            pool.shutdown(wait=False)

    def rotated(self, played: concurrent.futures.Future[list[rotation.Played]]) -> None:
        """What came of it."""
        bridge, graceful = played.result()
        self.summary |= {"rotation": bridge.figures, "rotation_graceful": graceful.figures}
        for one, name in ((bridge, "rotate"), (graceful, "rotate_graceful")):
            first, again = one.runs
            self.summary.setdefault("phases", {})[name] = {
                "rc": first.rc, "seconds": round(first.seconds, 2), "changed": first.changed, "second_run_changed": again.changed,
            }  # fmt: skip
            self.broken += one.broken

    def attack(self, bed: Bed, company: seeds.Company) -> None:
        """The loops around the response."""
        attacker = Intruder(bed, company)
        others = bystanders, dependents = loops.Bystanders(bed, company), loops.Dependents(bed, company)
        try:
            for loop in others:
                loop.start()
            self.story.tell("attacker", f"holds {company.leaked.access_key}, the key of {company.production.users['ci-deploy']}")
            # The owner's own rule, so that the log knows what was there before the attacker's.
            old = {"ID": "old-builds", "Status": "Enabled", "Filter": {"Prefix": "builds/"}, "Expiration": {"Days": 365}}
            bed.client("s3", company.production.root).put_bucket_lifecycle_configuration(
                Bucket=company.production.buckets[0], LifecycleConfiguration={"Rules": [old]}
            )
            attacker.open_back_door()
            attacker.loot(company.production.buckets[0], TREASURE, company.production.roles["orders-lambda"])
            attacker.start()
            self.story.tell(
                "attacker",
                "has opened a bucket to everybody, set its objects and a secret on their way to deletion, and started a function that mines",
            )
            self.story.tell("attacker", f"has minted sessions in three ways and made itself a user, {BACK_DOOR}, with a key")
            time.sleep(HEAD_START)
            self.respond(bed, company, attacker, dependents)
        finally:
            for loop in (attacker, *others):
                loop.stop()
                loop.dump(self.directory / f"{loop.name.lower()}.jsonl")
        self.report(attacker, bystanders, dependents)

    def respond(self, bed: Bed, company: seeds.Company, attacker: Intruder, dependents: loops.Dependents) -> None:
        """Contain, again, recover, again, and what is true in the cloud then."""
        say, environment = self.story.tell, bed.environ(company.responder)
        ok = attacker.count(ok=True)
        incident = self.directory / "incident.yml"
        incident.write_text(
            INCIDENT.format(
                opened=_utc(time.time()), start=_utc(self.began - 60), store=_short(self.directory / "cases"), key=company.leaked.access_key,
                network=NETWORK, role=company.role_template,
            )
        )  # fmt: skip
        say("you", f"write {_short(incident)} ({incident.read_text().count(chr(10))} lines); the attacker has made {ok} calls that worked")
        with Witness(self.story, attacker):
            contain = self.perform("contain", incident, environment)
        worked = [call for call in attacker.log if call.code == loops.OK and call.started >= contain[0].started]
        if worked:
            last = worked[-1]
            say(
                "attacker", f"last call that worked: {last.started - contain[0].started:.1f} s after you pressed Enter ({_name(last.kind)})"
            )
        say(
            "attacker",
            f"{attacker.count(ok=False, after=contain[0].ended)} calls since, {attacker.count(ok=True, after=contain[0].ended)} of them worked",
        )
        stopped = dependents.count(ok=False, kind="worker")
        say(
            "worker",
            f"uses the second key of the same user and is down, as was said ({stopped} calls failed); the orders service never noticed",
        )
        case = str(self.directory / "cases" / "IR-DRILL-1")
        shutil.copy(pathlib.Path(case) / "result.json", self.directory / "contained.json")  # a later run writes another
        self.fence(contain[0])
        self.resources(bed, company, contain[0])
        self.perform("hold", incident, environment, "contain", case=_short(self.directory / "cases" / "IR-DRILL-1"), phase="hold")
        recover = self.perform("recover", incident, environment)
        time.sleep(AFTERWARDS)
        attacker.stop()
        alive = attacker.sweep()
        say("attacker", f"tried each of its {attacker.held} credentials once more: {alive or 'none'} worked")
        self.restored(bed, company, dependents, recover[0])
        ledger = verify(case, str(recover[1].result.get("head", "")), environment)
        self.summary["ledger"] = {"records": ledger.get("records"), "verified": bool(ledger.get("verified"))}
        say(
            "ledger",
            f"{ledger.get('records')} records, {'verified' if ledger.get('verified') else 'NOT WHOLE: ' + str(ledger.get('problems') or ledger.get('msg'))}",
        )
        self.promise(bool(ledger.get("verified")), "the ledger is not whole")
        self.investigate(bed.events(), company.leaked.access_key, attacker, environment)

    def investigate(self, events: list[dict[str, Any]], key: str, attacker: Intruder, environment: dict[str, str]) -> None:
        """The log of all of it, from files: who was in wrong hands, nobody else, and a plan."""
        trail = self.directory / "trail"
        shutil.rmtree(trail, ignore_errors=True)
        count = investigation.deliver(events, trail)
        case = self.directory / "cases" / "IR-DRILL-1"
        first, _again = self.perform("investigate", case, environment, case=_short(case), logs=_short(trail))
        report = json.loads((case / "report" / "investigation.json").read_text()) if first.rc == 0 else {"lineage": []}
        found = investigation.judged(report, investigation.expected(attacker, key), investigation.seen_in(events))
        self.summary["investigation"] = {
            "events": count,
            "seconds": round(first.seconds, 2),
            **found,
            "false_principals": len(found["false_principals"]),
        }
        self.promise(not found["missing"], f"the investigation missed {', '.join(found['missing'][:5])}")
        self.promise(not found["false_principals"], f"the investigation accuses {', '.join(found['false_principals'][:5])}")
        self.promise((case / "report" / "investigation.html").exists(), "the investigation wrote no page")
        self.story.tell(
            "investigate", f"{count} events: {found['principals_found']} of {found['principals_expected']} credentials and users of the attacker, "
            f"{len(found['false_principals'])} of anybody else; see {_short(case / 'report' / 'investigation.html')}",
        )  # fmt: skip

    def fence(self, contain: Run) -> None:
        """The service control policy is part of contain; when it stood, from the ledger."""
        records = [json.loads(path.read_text()) for path in (self.directory / "cases" / "IR-DRILL-1" / "ledger").rglob("[0-9]*.json")]
        done = [
            (r["time"], o["id"])
            for r in records
            for o in r.get("outcomes", [])
            if o["status"] == "done" and o["id"].startswith("organizations:")
        ]
        stood = [datetime.datetime.fromisoformat(at).timestamp() for at, step in done if step.endswith("#attached")]
        seconds = round(min(stood) - contain.started, 2) if stood else None
        self.summary["phases"]["fence"] = {
            "rc": contain.rc,
            "seconds": seconds,
            "changed": len(done),
            "second_run_changed": self.runs["contain"][1].changed,
        }
        self.promise(bool(stood), "no service control policy was attached")
        self.story.tell("fence", f"a service control policy above the account stood {_seconds(seconds)} after you pressed Enter")

    def resources(self, bed: Bed, company: seeds.Company, contain: Run) -> None:
        """What outlives credentials: what became of it, from the ledger and from the cloud."""
        kinds = ("resource:", "#clock/", "#isolate/")  # as their Steps' ids say
        done = [
            (o["at"], o["id"])
            for path in (self.directory / "cases" / "IR-DRILL-1" / "ledger").rglob("[0-9]*.json")
            for o in json.loads(path.read_text()).get("outcomes", [])
            if o["status"] == "done" and any(kind in o["id"] for kind in kinds)
        ]
        last = max((datetime.datetime.fromisoformat(at).timestamp() for at, _step in done), default=None)
        self.summary["phases"]["resources"] = {
            "rc": contain.rc,
            "seconds": round(last - contain.started, 2) if last else None,
            "changed": len(done),
            "second_run_changed": self.runs["contain"][1].changed,
        }
        account, bucket = company.production, company.production.buckets[0]
        s3, functions = bed.client("s3", account.root, direct=True), bed.client("lambda", account.root, direct=True)
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        public = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        secret = bed.client("secretsmanager", account.root, direct=True).describe_secret(SecretId=TREASURE)
        concurrency = functions.get_function_concurrency(FunctionName=MINER).get("ReservedConcurrentExecutions")
        self.promise(all(rule["Status"] == "Disabled" for rule in rules), f"the objects of {bucket} are still on their way to deletion")
        self.promise(public.get("RestrictPublicBuckets") is True, f"{bucket} is still open to everybody")
        self.promise("DeletedDate" not in secret, f"the secret {TREASURE} is still on its way to deletion")
        self.promise(concurrency == 0, f"the function {MINER} still runs")
        self.story.tell(
            "resources", f"{bucket} closed, its rule suspended; secret {TREASURE} restored; function {MINER} stopped ({len(done)} changes)"
        )

    def perform(self, name: str, incident: pathlib.Path, environment: dict[str, str], playbook: str = "", **extra: str) -> tuple[Run, Run]:
        """The playbook, shown, and a second time, which must change nothing. ``extra``: in the place of the incident."""
        words = command(playbook or name, **(extra or {"incident": _short(incident)}))
        result = self.directory / f"{name}.json"
        self.story.tell("you", f"$ {shlex.join(words)}")
        first = play(words, environment, result, self._show)
        self.story.tell(name, f"done in {first.seconds:.1f} s, exit code {first.rc}, {first.changed} changes")
        again = play(words, environment, self.directory / f"{name}-again.json")
        self.story.tell(name, f"once more, the same command: {again.seconds:.1f} s, exit code {again.rc}, {again.changed} changes")
        self.runs[name] = (first, again)
        self.summary.setdefault("phases", {})[name] = {
            "rc": first.rc, "seconds": round(first.seconds, 2), "changed": first.changed, "second_run_changed": again.changed,
        }  # fmt: skip
        for run, what in ((first, "run"), (again, "second run")):
            if run.rc:
                self.promise(False, f"the {what} of {name} ended with exit code {run.rc}")
                (self.directory / f"{name}-failed.txt").write_text("\n".join(run.output) + "\n")
                self.story.line("\n".join("          | " + line for line in run.output[-30:]))
        self.promise(again.changed == 0, f"the second run of {name} changed {again.changed}")
        return first, again

    def _show(self, line: str) -> None:
        if line.startswith(("  ", "evict.cloud  ")) and not line.startswith(("  ansible-", "   ^")):
            self.story.line(f"          | {line}")

    def restored(self, bed: Bed, company: seeds.Company, dependents: loops.Dependents, recover: Run) -> None:
        """The identity works again, with the leaked key dead: seen from the account's root and from a new key."""
        iam = bed.client("iam", company.production.root)
        status = {key["AccessKeyId"]: key["Status"] for key in iam.list_access_keys(UserName="ci-deploy")["AccessKeyMetadata"]}
        leaked, worker = status.get(company.leaked.access_key), status.get(company.worker.access_key)
        self.story.tell("ci-deploy", f"the leaked key is {leaked}, the worker's key {worker}")
        self.promise(leaked == "Inactive", f"the leaked key is {leaked} after recover")
        back = dependents.count(ok=True, after=recover.ended, kind="worker")
        if worker == "Active":
            self.story.tell("worker", f"is back: {back} calls worked since")
            self.promise(back > 0, "the worker's key is active again, and yet its calls fail")
        iam.delete_access_key(UserName="ci-deploy", AccessKeyId=company.leaked.access_key)
        fresh = Credentials.of(iam.create_access_key(UserName="ci-deploy")["AccessKey"])
        code = _works(bed, fresh)
        self.story.tell("ci-deploy", f"gets a new key in the place of the leaked one: {'it works' if code == loops.OK else code}")
        self.promise(code == loops.OK, f"a new key of the recovered user is refused: {code}")
        self.summary["recovered"] = {"leaked_key": leaked, "worker_key": worker, "worker_ok": back, "new_key_works": code == loops.OK}

    # -- the end ---------------------------------------------------------------------------------------------------

    def promise(self, held: bool, otherwise: str) -> None:
        """Note a broken promise."""
        if not held:
            self.broken.append(otherwise)

    def report(self, attacker: Intruder, bystanders: loops.Bystanders, dependents: loops.Dependents) -> None:
        """What was measured, and the promises that it keeps."""
        contain, recover = self.runs["contain"][0], self.runs["recover"][0]
        figures = loops.summary(attacker, bystanders, dependents, (contain.started, contain.ended), (recover.started, recover.ended))
        orders = dependents.count(ok=False, kind="orders")
        figures["dependents"]["orders_failed"] = orders
        self.summary |= {**figures, "residual_access": contain.result.get("residual", []), "open": recover.result.get("open", [])}
        seen = figures["attacker"]
        self.promise(seen["ok_before"] > 0, "the attacker was never in, so nothing is shown")
        self.promise(
            seen["ok_after"] == 0, f"{seen['ok_after']} calls of the attacker worked after contain: {attacker.codes(contain.ended)}"
        )
        self.promise(
            seen["ok_after_recover"] == 0,
            f"{seen['ok_after_recover']} calls of the attacker worked after recover: {attacker.codes(recover.ended)}",
        )
        failed = figures["bystander"]["failed"]
        self.promise(failed == 0, f"{failed} calls of bystanders failed: {bystanders.codes()}")
        self.promise(orders == 0, f"{orders} calls of the orders service failed: {dependents.codes()}")
        tell = self.story.line
        tell()
        tell(f"  attacker    {seen['ok_before']} calls worked before, first denied after {_seconds(seen['seconds_to_first_denied'])}, last one that worked after "
             f"{_seconds(seen['seconds_to_last_ok'])}; {seen['ok_after']} worked after contain, {seen['ok_after_recover']} after recover")  # fmt: skip
        tell(f"  bystanders  {figures['bystander']['ok']} calls, {failed} failed; another's session of the shared role: "
             f"{figures['shared']['ok']} calls, {figures['shared']['failed']} failed")  # fmt: skip
        tell(f"  dependents  {figures['dependents']['ok']} calls, {figures['dependents']['failed']} failed, all of the worker whose user was cut, until recover"
             if not orders else f"  dependents  {figures['dependents']['failed']} calls failed, {orders} of them of the orders service")  # fmt: skip

    def finish(self) -> None:
        """summary.json, where things lie, and the verdict."""
        self.summary["broken_promises"] = self.broken
        (self.directory / "summary.json").write_text(json.dumps(self.summary, indent=1) + "\n")
        tell = self.story.line
        for key in ("rotation", "rotation_graceful"):
            tell(rotation.line(self.summary[key]))
        result = self.directory / "contained.json"
        if result.exists():
            tell()
            for text in brief.lines(json.loads(result.read_text())):
                tell(text)
        tell()
        for name, path in (
            ("incident", "incident.yml"),
            ("ledger", "cases/IR-DRILL-1/ledger"),
            ("summary", "summary.json"),
            ("story", "story.txt"),
        ):
            tell(f"  {name:<10}  {_short(self.directory / path)}")
        tell()
        for text in self.broken:
            tell(f"  BROKEN PROMISE: {text}")
        tell("  Every promise held." if not self.broken else f"  {len(self.broken)} promise(s) broken.")


class Witness(threading.Thread):
    """Tells when a credential of the attacker is denied for the first time, while the containment runs."""

    def __init__(self, story: Story, attacker: Intruder) -> None:
        super().__init__(daemon=True)
        self._story, self._attacker = story, attacker
        self._over = threading.Event()
        self._began, self._seen = time.time(), len(attacker.log)

    def __enter__(self) -> Witness:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        """Until the block is left."""
        told: set[str] = set()
        while not self._over.wait(0.1):
            for call in self._attacker.log[self._seen :]:
                self._seen += 1
                kind = call.kind.split(":")[0]
                if call.code != loops.OK and kind not in told:
                    told.add(kind)
                    self._story.tell("attacker", f"{_name(call.kind)}: {call.code} ({call.started - self._began:.1f} s after Enter)")


def _name(kind: str) -> str:
    return NAMES.get(kind.split(":", maxsplit=1)[0], kind)


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"


def _works(bed: Bed, credentials: Credentials, seconds: float = 5) -> str:
    """ "ok" once a call works, else the last error code: a new key takes a moment to spread."""
    from tests.beds.wire import Wire

    wire, deadline = Wire(bed.endpoint, seeds.OFFICE), time.monotonic() + seconds
    while (code := wire.call(credentials, "s3", "ListBuckets")[0]) != loops.OK and time.monotonic() < deadline:
        time.sleep(0.2)
    wire.close()
    return code


def _utc(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def _short(path: pathlib.Path) -> str:
    """As a user in the checkout would write it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def main() -> int:
    """Parse arguments, play."""
    parser = argparse.ArgumentParser(prog="python -m tests.drill", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--directory", type=pathlib.Path, default=ROOT / "build" / "drill")
    parser.add_argument("--no-red-team", action="store_true", help="leave out the attackers who fight back")
    options = parser.parse_args()
    directory = options.directory.resolve()
    if importlib.util.find_spec("ministack") is None:
        print("The embedded cloud is not installed in this Python: run `make setup`, then `make drill`.", file=sys.stderr)
        return 3
    try:
        return 0 if Drill(directory, not options.no_red_team).run() else 1
    except (loopback.NotLoopback, RuntimeError) as error:
        print(f"The drill could not be played: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
