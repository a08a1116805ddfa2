"""A rotation with five dependents, killed at any instant or robbed of its answers, in each mode: the second run ends with one key that everybody has.

The bed kills the module's process group before it forwards a changing call, and after the cloud answered; likewise around each put of the ledger; or it does
the call and cuts the answer. Meanwhile five workers read their place and call with what they find. `make test` takes a seeded sample
(EVICT_CRASH_SEED), `make crash` (EVICT_CRASH=all) every point, with figures in build/rotation_crash.json.
"""

from __future__ import annotations

import datetime
import io
import json
import os
import random
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation import course
from tests.beds import company as company_module
from tests.beds.bed import Bed, Credentials, root
from tests.beds.company import OFFICE, PRODUCTION, allow, document
from tests.integration.helpers import ROOT, Child, Desk, outcome, works

pytestmark = [pytest.mark.bed, pytest.mark.crash, pytest.mark.timeout(3600)]

EVERY = os.environ.get("EVICT_CRASH") == "all"
SEED = int(os.environ.get("EVICT_CRASH_SEED", "20261122"))
REGION = "us-east-1"
MODES = ("graceful", "bridge", "emergency")
LOST = ("CreateAccessKey", "PutSecretValue", "UpdateFunctionConfiguration")
FIGURES: dict[str, Any] = {"seed": SEED, "all": EVERY, "points": {}, "worker_calls": 0, "worker_failed": 0, "seconds": 0.0}
NETWORKS = {"networks": ["198.51.100.0/24"]}
DEPENDENTS = [
    {"kind": "secrets_manager", "name": "crash/json", "region": REGION, **NETWORKS},
    {"kind": "secrets_manager", "name": "crash/env", "region": REGION, **NETWORKS},
    {"kind": "ssm_parameter", "name": "/crash/env", "region": REGION, **NETWORKS},
    {"kind": "ssm_parameter", "name": "/crash/json", "region": REGION, **NETWORKS},
    {"kind": "lambda_function", "name": "crash", "region": REGION, **NETWORKS},
]


@pytest.fixture(scope="module", autouse=True)
def figures() -> Iterator[None]:
    """build/rotation_crash.json, when every point was tried."""
    began = time.time()
    yield
    if EVERY:
        FIGURES["seconds"] = round(time.time() - began, 1)
        FIGURES["total"] = sum(FIGURES["points"].values())
        path = ROOT / "build" / "rotation_crash.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(FIGURES, indent=1) + "\n")


def _json(key: Credentials) -> str:
    return json.dumps({"key_id": key.access_key, "secret": key.secret_key, "endpoint": "x"})


def _env(key: Credentials) -> str:
    return f"# ours\nAWS_ACCESS_KEY_ID={key.access_key}\nAWS_SECRET_ACCESS_KEY={key.secret_key}\n"


def _of_json(text: str) -> Credentials:
    found = json.loads(text)
    assert found["endpoint"] == "x"
    return Credentials(found["key_id"], found["secret"])


def _of_env(text: str) -> Credentials:
    assert text.startswith("# ours\n")
    lines = dict(line.split("=", 1) for line in text.splitlines()[1:])
    return Credentials(lines["AWS_ACCESS_KEY_ID"], lines["AWS_SECRET_ACCESS_KEY"])


class Range:
    """One seeded company and five places. Each try is a user, a key and a case of its own."""

    def __init__(self, bed: Bed, folder: Path) -> None:
        bed.reset()
        self.bed, self.folder, self.company, self.tries = bed, folder, company_module.seed(bed), 0
        bed.configure(lookup_rate=0)
        bed.regions(REGION)
        self.iam, self.secrets, self.ssm, self.functions = (
            bed.client(service, root(PRODUCTION), region=REGION, direct=True) for service in ("iam", "secretsmanager", "ssm", "lambda")
        )
        for name in ("crash/json", "crash/env"):
            self.secrets.create_secret(Name=name, SecretString="x")
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("index.py", "def handler(event, context): return 1")
        self.functions.create_function(
            FunctionName="crash", Runtime="python3.12", Role=f"arn:aws:iam::{PRODUCTION}:role/orders-lambda", Handler="index.handler",
            Code={"ZipFile": archive.getvalue()},
        )  # fmt: skip
        self.functions.get_waiter("function_active_v2").wait(FunctionName="crash", WaiterConfig={"Delay": 1})
        self.functions.create_alias(
            FunctionName="crash", Name="live", FunctionVersion=self.functions.publish_version(FunctionName="crash")["Version"]
        )
        self.places: dict[str, Callable[[], Credentials]] = {
            "crash/json": lambda: _of_json(self.secrets.get_secret_value(SecretId="crash/json")["SecretString"]),
            "crash/env": lambda: _of_env(self.secrets.get_secret_value(SecretId="crash/env")["SecretString"]),
            "/crash/env": lambda: _of_env(self.ssm.get_parameter(Name="/crash/env", WithDecryption=True)["Parameter"]["Value"]),
            "/crash/json": lambda: _of_json(self.ssm.get_parameter(Name="/crash/json", WithDecryption=True)["Parameter"]["Value"]),
            "crash": lambda: self._variables(Qualifier="live"),
            "crash $LATEST": self._variables,
        }

    def _variables(self, **version: str) -> Credentials:
        found = self.functions.get_function_configuration(FunctionName="crash", **version)["Environment"]["Variables"]
        assert found["MODE"] == "fast"
        return Credentials(found["KEY_ID"], found["KEY_SECRET"])

    def attempt(self, mode: str) -> Try:
        """A new user whose key has leaked, in all five places."""
        self.bed.clear_rules()
        self.tries += 1
        user = f"crash-{self.tries}"
        self.iam.create_user(UserName=user)
        self.iam.put_user_policy(UserName=user, PolicyName="work", PolicyDocument=document(allow("sqs:ListQueues")))
        key = Credentials.of(self.iam.create_access_key(UserName=user)["AccessKey"])
        for name, text in (("crash/json", _json(key)), ("crash/env", _env(key))):
            self.secrets.put_secret_value(SecretId=name, SecretString=text)
        for name, text, kind in (("/crash/env", _env(key), "SecureString"), ("/crash/json", _json(key), "String")):
            self.ssm.put_parameter(Name=name, Value=text, Type=kind, Overwrite=True)
        variables = {"KEY_ID": key.access_key, "KEY_SECRET": key.secret_key, "MODE": "fast"}
        self.functions.update_function_configuration(FunctionName="crash", Environment={"Variables": variables})
        version = self.functions.publish_version(FunctionName="crash")["Version"]
        self.functions.update_alias(FunctionName="crash", Name="live", FunctionVersion=version)
        desk = Desk(self.bed, self.company, self.folder, f"IR-{self.tries:04d}")
        desk.incident(key.access_key)
        return Try(self, desk, user, key, mode)


class Try:
    """One rotation on the range. ``secrets``: every secret access key that the user was seen with."""

    def __init__(self, place: Range, desk: Desk, user: str, key: Credentials, mode: str) -> None:
        self.place, self.bed, self.desk, self.user, self.key, self.mode = place, place.bed, desk, user, key, mode
        self.secrets: set[str] = set()

    @property
    def params(self) -> dict[str, Any]:
        return {"mode": self.mode, "quiet": "0s", "soak": "0s", "dependents": DEPENDENTS}

    def child(self, **more: Any) -> Child:
        return Child(self.bed, {"module": "aws_credential_rotation", "params": {"incident": str(self.desk.file), **self.params}, **more})

    def run(self) -> dict[str, Any]:
        return self.desk.run("aws_credential_rotation", **self.params)

    def ended(self, child: Child) -> int:
        code, out, err = child.go()
        self.desk.outputs += [out, err]
        self.bed.clear_rules()
        self.look()
        return code

    def look(self) -> None:
        self.secrets.update(self.bed.cloud(f"secrets/{self.user}"))

    def keys(self) -> dict[str, str]:
        return {k["AccessKeyId"]: k["Status"] for k in self.place.iam.list_access_keys(UserName=self.user)["AccessKeyMetadata"]}

    def completes(self, point: str) -> None:
        """Run again: one active key, known to all; nothing left over, nothing told, nothing to do any more."""
        result = self.run()
        self.look()
        assert result["status"] == "ok" and result["rotation"][0]["state"] == "OLD_DELETED", (point, result["problems"], result["open"])
        held = {name: read() for name, read in self.place.places.items()}
        (new,) = {key.access_key for key in held.values()}
        assert new != self.key.access_key and self.keys() == {new: "Active"}, (point, self.keys())
        assert [works(self.bed, key) for key in held.values()] == ["ok"] * len(held), point
        policies = set(self.place.iam.list_user_policies(UserName=self.user)["PolicyNames"])
        assert policies == {"work", f"evict-session-{self.desk.name}"}, (point, policies)
        assert self.desk.ledger().unsettled() == [] and self.desk.verified(), point
        assert not self.run()["changed"], point
        assert {key.secret_key for key in held.values()} <= self.secrets
        assert self.desk.leaks(self.key.secret_key, *self.secrets) == [], point


class Workers(threading.Thread):
    """Five workers: each reads its place and calls with what it finds. A key that was replaced while it was on its way is not its failure."""

    def __init__(self, attempt: Try) -> None:
        super().__init__(daemon=True)
        self._try, self._over = attempt, threading.Event()
        self.ok, self.failed = 0, list[str]()

    def run(self) -> None:
        place = self._try.place
        while not self._over.wait(0.05):
            for name, read in list(place.places.items())[:5]:
                said, key = "", Credentials("", "")
                for _once_more in (1, 2):
                    if (found := read()) == key:
                        break
                    key, said = found, outcome(place.bed.client("sqs", found, source_ip=OFFICE), "list_queues")
                    if said == "ok":
                        break
                if said == "ok":
                    self.ok += 1
                else:
                    self.failed.append(f"{name}: {said}")

    def __enter__(self) -> Workers:
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self.join(60)
        FIGURES["worker_calls"] += self.ok + len(self.failed)
        FIGURES["worker_failed"] += len(self.failed) if self._try.mode != "emergency" else 0

    def hold(self, point: str) -> None:
        """In grace and behind the bridge nobody fails."""
        assert self.ok, point
        if self._try.mode != "emergency":
            assert self.failed == [], point


@pytest.fixture(scope="module")
def _ranges() -> list[Range]:
    return []


@pytest.fixture
def range_(bed: Bed, tmp_path_factory: pytest.TempPathFactory, _ranges: list[Range], monkeypatch: pytest.MonkeyPatch) -> Range:
    monkeypatch.setattr(course, "SETTLES", datetime.timedelta(0))
    if not _ranges:
        _ranges.append(Range(bed, tmp_path_factory.mktemp("rotation")))
    return _ranges[0]


def _points(place: Range, mode: str, kind: str) -> list[int]:
    """Every point of a run that nothing disturbs; of the sample one that is in any."""
    if not EVERY:
        return [random.Random(f"{SEED} {mode} {kind}").randint(1, 15)]
    attempt = place.attempt(mode)
    before = len(place.bed.calls(mutating=True))
    code, out, err = attempt.child(put=[0, "count"]).go()
    assert code == 0 and json.loads(out.splitlines()[-1])["status"] == "ok", (out, err)
    count = len(place.bed.calls(mutating=True)) - before if kind == "call" else int(json.loads(err.splitlines()[-1])["puts"])
    assert count >= 15
    return list(range(1, count + 1))


# Of the sample each mode once, and one mode whose answers are lost.
_CHOICE = random.Random(SEED)
_KINDS = [(mode, kind) for mode in MODES for kind in (("call", "put") if EVERY else (_CHOICE.choice(("call", "put")),))]
_LOST = MODES if EVERY else (_CHOICE.choice(("bridge", "emergency")),)  # graceful: the playbook below


@pytest.mark.parametrize(("mode", "kind"), _KINDS)
def test_killed_and_run_again(range_: Range, mode: str, kind: str) -> None:
    points = _points(range_, mode, kind)
    whens = ("before", "after") if EVERY else (random.Random(f"{SEED} {mode} {kind} when").choice(("before", "after")),)
    for number, when in [(n, w) for n in points for w in whens]:
        attempt, point = range_.attempt(mode), f"{mode}, {when} {kind} {number}"
        with Workers(attempt) as workers:
            child = attempt.child(**({"put": [number, when]} if kind == "put" else {}))
            if kind == "call":
                range_.bed.rule(when, at=number, pgid=child.pgid)
            code = attempt.ended(child)
            if code != -9:  # group commit: how many puts a run makes varies a little
                assert kind == "put" and EVERY and number >= points[-1] - 3, (point, code, attempt.desk.outputs[-2:])
            attempt.completes(point)
        workers.hold(point)
        FIGURES["points"][f"{mode}, {when} {kind}"] = FIGURES["points"].get(f"{mode}, {when} {kind}", 0) + 1


@pytest.mark.parametrize("mode", _LOST)
def test_answers_that_are_lost_after_the_write(range_: Range, mode: str) -> None:
    """All three in one run; each alone, and every other changing call, with EVICT_CRASH=all."""
    together: list[dict[str, Any]] = [{"operation": name} for name in LOST]
    alone = [*together, *({"at": number} for number in _points(range_, mode, "call"))] if EVERY else []
    for lost in [together, *([one] for one in alone)]:
        attempt, point = range_.attempt(mode), f"{mode}, lost answers of {lost}"
        with Workers(attempt) as workers:
            for one in lost:
                range_.bed.rule("lost", **one)
            attempt.run()
            assert all(rule["fired"] for rule in range_.bed.rules()), (point, range_.bed.rules())
            range_.bed.clear_rules()
            attempt.look()
            attempt.completes(point)
        workers.hold(point)
        FIGURES["points"][f"{mode}, lost"] = FIGURES["points"].get(f"{mode}, lost", 0) + 1


def test_the_playbook_tells_no_secret_at_vvvv(range_: Range) -> None:
    """With answers lost: in output, log file, case and result file. Its variables reach the module as they were written."""
    attempt = range_.attempt("graceful")
    desk, log, result = attempt.desk, range_.folder / "ansible.log", range_.folder / "result.json"
    desk.incident(attempt.key.access_key, mode="graceful", dependents=DEPENDENTS)
    for operation in LOST:
        range_.bed.rule("lost", operation=operation)
    given = {"incident": str(desk.file), "quiet": "0s", "soak": "0s", "result_file": str(result)}
    code, said = desk.play("rotate", "-e", json.dumps(given), "-vvvv", "--diff", env={"ANSIBLE_LOG_PATH": str(log)})
    assert code == 0 and "OLD_DELETED" in said and "OLD_DELETED" in result.read_text() and "OLD_DELETED" in log.read_text(), said[-3000:]
    assert all(rule["fired"] for rule in range_.bed.rules())
    range_.bed.clear_rules()
    attempt.completes("-vvvv")
