"""The drill's phase `rotate`: a key is rotated while a worker that reads a secret, a loop that reads a parameter and a function go on working with it.

Once gracefully and once behind a bridge, side by side, each in an account and a case of its own. In the second the thief goes on trying.
"""

from __future__ import annotations

import dataclasses
import io
import json
import pathlib
import shlex
import threading
import time
import zipfile
from collections.abc import Callable
from typing import Any

from tests.beds import company as seeds
from tests.beds.bed import Bed, Credentials
from tests.beds.loops import OK, Loop
from tests.beds.wire import Wire
from tests.drill.play import ROOT, Run, command, play

USER, REGION, NETWORK = "app-orders", "us-east-1", "198.51.100.0/24"
SECRET, PARAMETER, FUNCTION, ALIAS = "app/aws", "/app/env", "app", "live"
_BEFORE, _AFTER = 1.5, 1.5  # seconds of service around the rotation
_CODE = """
import os, boto3
from botocore.config import Config
client = boto3.client("sqs", region_name="us-east-1", endpoint_url=os.environ["BED"], aws_access_key_id=os.environ["KEY_ID"],
                      aws_secret_access_key=os.environ["KEY_SECRET"], aws_session_token=None, config=Config(retries={"total_max_attempts": 1}))
def stamp(request, **_):
    request.headers["X-Bed-Source-Ip"] = os.environ["ADDRESS"]
client.meta.events.register("before-send", stamp)
def handler(event, context):
    client.list_queues()
    return os.environ["KEY_ID"]
"""


class Services(Loop):
    """`secret:…`, `parameter:…` and `function:…`: each reads the key where it is kept and works with it. ``used``: the ids of the keys, by kind, in order."""

    def __init__(self, bed: Bed, runner: Credentials, name: str) -> None:
        super().__init__(bed, 6, seeds.OFFICE)
        self.name = name
        self.used: dict[str, list[str]] = {"secret": [], "parameter": [], "function": []}
        self._runner, self._turns = runner, 0
        self._functions = bed.client("lambda", runner, region=REGION, direct=True)

    def turn(self) -> None:
        (self._secret, self._parameter, self._function)[self._turns % 3]()
        self._turns += 1

    def _work(self, kind: str, key: Credentials) -> None:
        self.attempt(f"{kind}:sqs", key, "sqs", "ListQueues")
        self.used[kind].append(key.access_key)

    def _secret(self) -> None:
        if answer := self.attempt("secret:read", self._runner, "secretsmanager", "GetSecretValue", SecretId=SECRET):
            held = json.loads(answer["SecretString"])
            self._work("secret", Credentials(held["key_id"], held["secret"]))

    def _parameter(self) -> None:
        if answer := self.attempt("parameter:read", self._runner, "ssm", "GetParameter", Name=PARAMETER, WithDecryption=True):
            held = dict(line.split("=", 1) for line in answer["Parameter"]["Value"].split())
            self._work("parameter", Credentials(held["AWS_ACCESS_KEY_ID"], held["AWS_SECRET_ACCESS_KEY"]))

    def _function(self) -> None:
        from tests.beds.loops import Call

        started, code = time.time(), OK
        try:
            answer = self._functions.invoke(FunctionName=FUNCTION, Qualifier=ALIAS, Payload=b"{}")
            said = answer["Payload"].read().decode()
            code = str(answer.get("FunctionError") or OK)
            if code == OK:
                self.used["function"].append(json.loads(said))
            else:
                code = f"{code}: {said[:300]}"
        except Exception as error:  # whatever a client raises is a call that failed
            code = type(error).__name__
        self.log.append(Call(started, "function:invoke", code))


class Thief(Loop):
    """Holds the old key, elsewhere."""

    def __init__(self, bed: Bed, key: Credentials) -> None:
        super().__init__(bed, 2, seeds.ATTACKER_IP)
        self._key = key

    def turn(self) -> None:
        self.attempt("key:sqs", self._key, "sqs", "ListQueues")


@dataclasses.dataclass
class Played:
    """What came of one mode."""

    runs: tuple[Run, Run]
    figures: dict[str, Any]
    broken: list[str]


def seed(bed: Bed, account: seeds.Account) -> Credentials:
    """The three places that hold the user's key, and the key of what reads them."""
    key, owner = account.keys[USER], account.root
    iam = bed.client("iam", owner, direct=True)
    iam.create_user(UserName="runner")
    iam.put_user_policy(
        UserName="runner", PolicyName="work", PolicyDocument=seeds.document(seeds.allow("secretsmanager:GetSecretValue", "ssm:GetParameter", "lambda:InvokeFunction"))
    )  # fmt: skip
    runner = Credentials.of(iam.create_access_key(UserName="runner")["AccessKey"])
    bed.client("secretsmanager", owner, direct=True).create_secret(
        Name=SECRET, SecretString=json.dumps({"key_id": key.access_key, "secret": key.secret_key})
    )
    bed.client("ssm", owner, direct=True).put_parameter(
        Name=PARAMETER, Type="SecureString", Value=f"AWS_ACCESS_KEY_ID={key.access_key}\nAWS_SECRET_ACCESS_KEY={key.secret_key}\n"
    )
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", _CODE)
    functions = bed.client("lambda", owner, direct=True)
    functions.create_function(
        FunctionName=FUNCTION, Runtime="python3.12", Role=account.roles["orders-lambda"], Handler="index.handler", Code={"ZipFile": code.getvalue()}, Timeout=30,
        Environment={"Variables": {"KEY_ID": key.access_key, "KEY_SECRET": key.secret_key, "BED": bed.endpoint, "ADDRESS": seeds.OFFICE}},
    )  # fmt: skip
    functions.get_waiter("function_active_v2").wait(FunctionName=FUNCTION, WaiterConfig={"Delay": 1})
    version = functions.publish_version(FunctionName=FUNCTION)["Version"]
    functions.create_alias(FunctionName=FUNCTION, Name=ALIAS, FunctionVersion=version)
    functions.invoke(FunctionName=FUNCTION, Qualifier=ALIAS, Payload=b"{}")["Payload"].read()  # its first start takes a second
    return runner


def incident(directory: pathlib.Path, mode: str, company: seeds.Company, account: seeds.Account, opened: str, start: str) -> pathlib.Path:
    where = [("secrets_manager", SECRET), ("ssm_parameter", PARAMETER), ("lambda_function", FUNCTION)]
    dependents = [
        {"kind": kind, "name": name, "region": REGION, "account": account.id, "networks": [NETWORK], **({"check": {"lambda": f"{FUNCTION}:{ALIAS}"}} if name == FUNCTION else {})}
        for kind, name in where
    ]  # fmt: skip
    said = {
        "id": f"IR-DRILL-{mode}", "title": "the key of the orders service has leaked", "severity": "high", "opened": opened, "window": {"start": start},
        "mode": mode, "store": str(directory / "cases"), "suspects": [{"cloud": "aws", "access_key_id": account.keys[USER].access_key}],
        "dependents": dependents, "connection": {"aws": {"role_arn": company.role_template}},
    }  # fmt: skip
    path = directory / f"rotate-{mode}.yml"
    path.write_text(json.dumps({"incident": said}, indent=1) + "\n")
    return path


def rotate(
    bed: Bed,
    company: seeds.Company,
    account: seeds.Account,
    mode: str,
    directory: pathlib.Path,
    times: tuple[str, str],
    tell: Callable[[str, str], None],
) -> Played:
    """Seed, serve, rotate, rotate again, and count."""
    key, broken = account.keys[USER], []
    services = Services(bed, seed(bed, account), f"services-{mode}")
    thief = Thief(bed, key) if mode == "bridge" else None  # where he is seen, nobody rotates gracefully
    words = command("rotate", incident=_short(incident(directory, mode, company, account, *times)), quiet="0s", soak="0s")
    environment = bed.environ(company.responder)
    try:
        for loop in filter(None, (services, thief)):
            loop.start()
        time.sleep(_BEFORE)
        tell("you", f"$ {shlex.join(words)}")
        first = play(words, environment, directory / f"rotate-{mode}.json")
        stolen = thief.count(ok=True, after=first.ended) if thief else 0
        time.sleep(_AFTER)
        again = play(words, environment, directory / f"rotate-{mode}-again.json")
    finally:
        for loop in filter(None, (services, thief)):
            loop.stop()
            loop.dump(directory / f"{loop.name.lower()}-{mode}.jsonl")
    status = {
        k["AccessKeyId"]: k["Status"]
        for k in bed.client("iam", account.root, direct=True).list_access_keys(UserName=USER)["AccessKeyMetadata"]
    }
    held = {kind: used[-1] if used else "" for kind, used in services.used.items()}
    known = set(held.values())
    failed = services.count(ok=False)
    figures = {
        "mode": mode, "dependents": len(held), "downtime_calls": failed, "old_key_state": status.get(key.access_key, "deleted").lower(),
        "orphans": len(set(status) - known - {key.access_key}), "calls": services.count(ok=True), "seconds": round(first.seconds, 2),
    }  # fmt: skip

    def promise(kept: bool, otherwise: str) -> None:
        if not kept:
            broken.append(f"{mode} rotation: {otherwise}")

    for run, what in ((first, "run"), (again, "second run")):
        promise(run.rc == 0, f"the {what} ended with exit code {run.rc}")
        if run.rc:
            (directory / f"rotate-{mode}-failed.txt").write_text("\n".join(run.output) + "\n")
    promise(again.changed == 0, f"the second run changed {again.changed}")
    promise(
        all(services.used.values()) and all(used[0] == key.access_key for used in services.used.values()),
        "a service never worked with the old key",
    )
    promise(failed == 0, f"{failed} calls of the dependents failed: {services.codes()}")
    promise(
        len(known) == 1 and known == set(status) and set(status.values()) == {"Active"},
        f"the keys are {status}, and the dependents hold {held}",
    )
    promise(figures["old_key_state"] == "deleted", f"the old key is {figures['old_key_state']}")
    promise(figures["orphans"] == 0, f"{figures['orphans']} keys that nobody holds")
    promise(stolen == 0 and _refused(bed, key), "the old key still works")
    if thief:
        clamped = next((call.started for call in thief.log if call.code != OK), None)
        figures["seconds_to_clamped"] = round(clamped - first.started, 2) if clamped else None
        promise(thief.count(ok=True, before=first.started) > 0, "the thief was never in, so nothing is shown")
    tell("rotate", f"{mode}: {len(held)} dependents moved in {first.seconds:.1f} s, {figures['calls']} of their calls worked, {failed} failed; the old key is"
                   f" {figures['old_key_state']}; once more: {again.changed} changes")  # fmt: skip
    return Played((first, again), figures, broken)


def line(figures: dict[str, Any]) -> str:
    """For the table at the end."""
    thief = f"; the thief was out after {figures['seconds_to_clamped']} s" if "seconds_to_clamped" in figures else ""
    return (
        f"  rotation    {figures['mode']}: {figures['dependents']} dependents moved, {figures['calls']} of their calls worked, {figures['downtime_calls']} failed;"
        f" the old key is {figures['old_key_state']}, {figures['orphans']} keys that nobody holds{thief}"
    )


def _refused(bed: Bed, key: Credentials) -> bool:
    wire = Wire(bed.endpoint, seeds.OFFICE)
    code = wire.call(key, "sqs", "ListQueues")[0]
    wire.close()
    return code != OK


def phase(directory: pathlib.Path, lag: float, times: tuple[str, str], tell: Callable[[str, str], None]) -> list[Played]:
    """Both modes, bridge first, on a cloud of their own. Raises what one of them raised."""
    played: dict[str, Played] = {}
    errors: list[BaseException] = []
    with Bed(lag=lag) as bed:
        company = seeds.seed(bed)

        def one(mode: str, account: seeds.Account) -> None:
            try:
                played[mode] = rotate(bed, company, account, mode, directory, times, tell)
            except BaseException as error:
                errors.append(error)

        plan = (("bridge", company.production), ("graceful", company.staging))
        threads = [threading.Thread(target=one, args=pair) for pair in plan]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
    return [played[mode] for mode, _account in plan]


def _short(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
