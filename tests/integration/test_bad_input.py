"""Bad input: one clear message that names the object and what to do, the others still handled, nothing half-done."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import process
from ansible_collections.evict.cloud.plugins.module_utils.common.lease import Lease
from ansible_collections.evict.cloud.plugins.module_utils.common.ledger import verify
from ansible_collections.evict.cloud.plugins.module_utils.common.store import case_store, open_store
from tests.beds.bed import Bed, Credentials, root
from tests.beds.company import STAGING, document
from tests.integration.helpers import DEAD, ROOT, Desk, call_module, environment, works

pytestmark = pytest.mark.bed

P = "arn:aws:iam::222222222222"
BOB = f"{P}:user/bob"


def the_problem(result: dict[str, Any], name: str) -> dict[str, str]:
    """The one entry that names the object; it says what to do."""
    found = [p for p in result["problems"] if name in p["object"]]
    assert len(found) == 1, (name, result["problems"])
    assert found[0]["message"] and found[0]["operation"], found
    assert result["failed"] and name in result["msg"]
    return dict(found[0])


def bob_is_contained(desk: Desk, result: dict[str, Any]) -> None:
    assert [r["arn"] for r in result["principals"]] == [BOB] and works(desk.bed, desk.company.production.keys["bob"]) in DEAD
    assert {s["status"] for s in result["steps"]} <= {"done", "already"} and result["status"] == "partial"
    intents = [s["$step"]["principal"] for r in desk.records() for s in r.get("intents", [])]
    assert set(intents) == {BOB, "organizations:222222222222"} and desk.verified() and desk.ledger().unsettled() == []


def alive(result: dict[str, Any], name: str, kind: str = "any credential of it") -> bool:
    """Whether the result says that the suspect, which was not cut, stays alive until somebody ends it; once."""
    rows = [r for r in result["residual"] if name in r["object"]]
    return [(r["token_kind"], r["until"]) for r in rows] == [(kind, "ended by hand")] and rows[0]["why"] == the_problem(result, name)[
        "message"
    ]


def others(desk: Desk) -> str:
    """The cloud without what was done to bob."""
    snapshot = desk.bed.snapshot()
    return str(snapshot.count("evict-")) + str(snapshot.count("Inactive"))


@pytest.mark.parametrize("account", [True, False])
@pytest.mark.parametrize("key", ["unknown", "deleted"])
def test_an_unknown_or_deleted_key(desk: Desk, key: str, account: bool) -> None:
    iam = desk.bed.client("iam", desk.company.production.root)
    made = iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
    iam.delete_access_key(UserName="alice", AccessKeyId=made)
    name = made if key == "deleted" else made[:-4] + ("AAAA" if made[-4:] != "AAAA" else "BBBB")
    desk.incident({"access_key_id": name} | ({"account": desk.company.production.id} if account else {}), BOB)
    done = desk.contain()
    problem = the_problem(done, name)
    assert problem["object"] == name and "arn:aws:iam::ACCOUNT:user/NAME" in problem["remedy"] and alive(done, name)
    bob_is_contained(desk, done)


def test_a_key_of_an_account_outside_the_organization(desk: Desk) -> None:
    stranger = root("999999999999")
    iam = desk.bed.client("iam", stranger, direct=True)
    iam.create_user(UserName="x")
    key = iam.create_access_key(UserName="x")["AccessKey"]["AccessKeyId"]
    desk.incident(key, BOB)
    done = desk.contain()
    problem = the_problem(done, key)
    assert "not in your organization" in problem["message"] and "999999999999" in problem["message"] and problem["remedy"]
    bob_is_contained(desk, done)


def test_a_key_under_the_wrong_account(desk: Desk) -> None:
    key = desk.company.leaked.access_key
    desk.incident({"access_key_id": key, "account": STAGING}, BOB)
    done = desk.contain()
    assert the_problem(done, key)["remedy"]
    bob_is_contained(desk, done)


def test_an_account_that_cannot_be_reached(desk: Desk) -> None:
    arn = f"arn:aws:iam::{STAGING}:user/ci-deploy"
    iam = desk.bed.client("iam", desk.company.staging.root)
    iam.update_assume_role_policy(RoleName="incident-responder", PolicyDocument=document(
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{STAGING}:root"}, "Action": "sts:AssumeRole"}))  # fmt: skip
    desk.incident(arn, BOB)
    done = desk.contain()
    problem = the_problem(done, STAGING)
    assert "cannot be reached" in problem["message"] and "incident-responder" in problem["remedy"]
    bob_is_contained(desk, done)


def test_an_account_that_is_suspended_or_closed_is_named_as_such(desk: Desk) -> None:
    """The refusal is the proxy's (the bed goes on answering for a closed account); its state is the organization's."""
    desk.bed.client("organizations", root(desk.bed.management), direct=True).close_account(AccountId="333333333333")
    desk.bed.rule("fail", operation="AssumeRole", mutating=False, times=2, status=403, code="AccessDenied", message="no")
    desk.incident("arn:aws:iam::333333333333:user/bob")
    done = desk.contain()
    (problem,) = done["problems"]
    assert problem["object"] == "333333333333" and "is suspended" in problem["message"] and "reopened" in problem["remedy"], problem


def test_no_role_for_another_account(desk: Desk) -> None:
    desk.incident(BOB, connection={})
    before = desk.bed.snapshot()
    done = desk.contain()
    assert "connection.aws.role_arn" in the_problem(done, "222222222222")["remedy"] and desk.bed.snapshot() == before


@pytest.mark.parametrize("who", ["role", "session", "user", "key"])
def test_the_caller_itself(desk: Desk, who: str) -> None:
    company = desk.company
    given = {"role": f"{P}:role/incident-responder", "session": "arn:aws:sts::222222222222:assumed-role/incident-responder/evict-IR-1",
             "user": company.responder_arn, "key": company.responder.access_key}[who]  # fmt: skip
    lift = [
        {"guard": g, "object": o, "reason": "r", "by": "Ada"}
        for g in ("protected", "trust_chain")
        for o in (company.responder_arn, f"{P}:role/incident-responder")
    ]
    desk.incident(given, BOB, overrides=lift)
    done = desk.contain()
    (problem,) = done["problems"]
    assert problem["object"] in (company.responder_arn, f"{P}:role/incident-responder") and "runs this command" in problem["message"]
    assert "ansible-playbook" in problem["remedy"] and "AWS_PROFILE" in problem["remedy"] and alive(done, problem["object"])
    bob_is_contained(desk, done)


def test_what_the_responders_role_is_reached_through(desk: Desk) -> None:
    iam = desk.bed.client("iam", desk.company.production.root)
    trust = document({"Effect": "Allow", "Principal": {"AWS": [desk.company.responder_arn, f"{P}:user/alice"]}, "Action": "sts:AssumeRole"})
    iam.update_assume_role_policy(RoleName="incident-responder", PolicyDocument=trust)
    desk.incident(f"{P}:user/alice", BOB)
    done = desk.contain()
    assert "overrides: [{guard: trust_chain" in the_problem(done, "user/alice")["remedy"] and alive(done, "user/alice")
    bob_is_contained(desk, done)


REFUSED = {
    "service-linked": ("aws-service-role", "service-linked role", "drives the service"),
    "identity center": ("AWSReservedSSO_", "IAM Identity Center", "aws organizations create-policy"),
    "protected": ("role/break-glass", "incident.protected", "overrides:"),
}


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_what_nobody_may_touch(desk: Desk, kind: str) -> None:
    part, message, remedy = REFUSED[kind]
    roles = desk.company.production.roles
    arn = next(a for a in roles.values() if part in a)
    desk.incident(arn, BOB, protected=[roles["break-glass"]])
    before = others(desk)
    done = desk.contain()
    problem = the_problem(done, arn)
    assert message in problem["message"] and remedy in problem["remedy"]
    assert alive(done, arn, "Identity Center session" if kind == "identity center" else "any credential of it"), done["residual"]
    assert before == "00" and others(desk) == "31"  # two denies, the fence above the account, and a key: bob's
    bob_is_contained(desk, done)


def test_the_scp_for_identity_center_is_a_policy_and_the_next_command_is_complete(desk: Desk) -> None:
    role = next(a for a in desk.company.production.roles.values() if "AWSReservedSSO_" in a)
    desk.incident(role)
    remedy = the_problem(desk.contain(), role)["remedy"]
    assert "identity_center_user: NAME" in remedy
    scp = json.loads(remedy.split("--content '", 1)[1].split("'", 1)[0])
    (statement,) = scp["Statement"]
    assert statement["Effect"] == "Deny" and statement["Condition"]["StringLike"]["aws:userId"] == ["*:<user name>"]
    assert "attach-policy" in remedy and "--target-id 222222222222" in remedy


def test_a_key_of_the_root_user(desk: Desk) -> None:
    desk.incident({"access_key_id": "AKIAIOSFODNN7EXAMPLE", "account": "222222222222"}, BOB)
    answer = {"UserName": "<root_account>", "AccessKeyLastUsed": {}}
    from ansible_collections.evict.cloud.plugins.module_utils.aws import session

    real = session.Aws.call

    def call(aws: Any, call: Any, parameters: Any = None) -> Any:
        return (
            answer
            if call.operation == "GetAccessKeyLastUsed" and "AKIAIOSFODNN7EXAMPLE" in str(call.parameters)
            else real(aws, call, parameters)
        )

    with mock.patch.object(session.Aws, "call", call):
        done = desk.contain()
    root_row = next(r for r in done["principals"] if r["kind"] == "root")
    assert root_row["arn"] == f"{P}:root" and root_row["controls"][0].startswith("scp:") and root_row["suspect"] == "AKIAIOSFODNN7EXAMPLE"
    assert works(desk.bed, desk.company.production.keys["bob"]) in DEAD


# -- the API ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["PutUserPolicy", "UpdateAccessKey", "ListAccessKeys", "GetUser"])
def test_a_throttled_api(desk: Desk, operation: str) -> None:
    desk.incident(f"{P}:user/alice", BOB)
    key = desk.company.production.keys["alice"].access_key
    with mock.patch("time.sleep"):  # botocore's back-off
        desk.bed.rule("fail", operation=operation, mutating=False, times=6, at=1, code="Throttling", message="Rate exceeded")
        done = desk.contain(threads=1)  # one thread: all six tries hit the same call
    assert done["failed"] and done["status"] in ("partial", "error")
    throttled = [p for p in done["problems"] if "Throttling" in p["message"]]
    assert throttled and all("fewer threads" in p["remedy"] and p["operation"] == f"iam:{operation}" for p in throttled)
    assert all(p["object"].startswith(("UserName=", "AccessKeyId=", "arn:")) for p in throttled)
    assert desk.ledger().unsettled() == [] and desk.verified()
    desk.bed.clear_rules()
    again = desk.contain()
    assert again["problems"] == [] and len(again["principals"]) == 2
    assert {works(desk.bed, desk.company.production.keys[n]) for n in ("alice", "bob")} <= DEAD and key


def test_a_passing_throttle_is_not_noticed(desk: Desk) -> None:
    desk.incident(BOB)
    desk.bed.rule("fail", operation="PutUserPolicy", times=2, status=400, code="Throttling")
    with mock.patch("time.sleep"):
        done = desk.contain()
    assert done["problems"] == [] and [r["arn"] for r in done["principals"]] == [BOB]


def test_a_responder_whose_session_has_expired(desk: Desk) -> None:
    sts = desk.bed.client("sts", desk.company.responder)
    mine = Credentials.of(sts.get_session_token()["Credentials"])
    desk.bed.expire(mine)
    desk.incident(BOB)
    before = desk.bed.snapshot()
    done = desk.contain(credentials=mine)
    assert done["failed"] and "log in again" in done["msg"] and desk.bed.snapshot() == before


@pytest.mark.parametrize("given", ["none", "wrong"])
def test_a_responder_without_credentials(desk: Desk, given: str) -> None:
    desk.incident(BOB)
    before = desk.bed.snapshot()
    env = desk.bed.environ(Credentials("AKIAIOSFODNN7EXAMPLE", "x" * 40))
    if given == "none":
        env = {k: v for k, v in env.items() if k not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    with environment(env):
        done = call_module("aws_contain", {"incident": str(desk.file), "hold": "0", "scope": 0})
    assert done["failed"] and "AWS_PROFILE" in done["msg"] and desk.bed.snapshot() == before


def test_a_responder_whose_session_expires_half_way(desk: Desk) -> None:
    """After the first fence: what was done is in the ledger, the rest is done by the next run."""
    desk.bed.rule("fail", operation="UpdateAccessKey", times=50, status=403, code="ExpiredToken", message="expired")
    desk.incident(BOB, f"{P}:user/alice")
    done = desk.contain()
    assert done["failed"] and all("log in again" in p["remedy"] for p in done["problems"]) and len(done["problems"]) == 2
    assert desk.verified() and desk.ledger().unsettled() == []
    desk.bed.clear_rules()
    assert desk.contain()["problems"] == []


# -- the store -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_store_that_cannot_be_written(desk: Desk) -> None:
    (desk.folder / "cases").write_text("a file where the folder should be")
    desk.incident(BOB)
    before = desk.bed.snapshot()
    done = desk.contain()
    assert done["failed"] and str(desk.folder / "cases") in done["msg"] and desk.bed.snapshot() == before
    (problem,) = done["problems"]
    assert problem["object"].startswith(str(desk.folder / "cases")) and problem["remedy"]


FULL = """
import resource, signal, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/.collections"]
from tests.integration.helpers import call_module
import ansible_collections.evict.cloud.plugins.modules.aws_contain
import boto3, json
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
print(json.dumps(call_module("aws_contain", {"incident": sys.argv[2], "hold": "0", "scope": 0})))
"""


@pytest.mark.parametrize("room", [100, 1100, 2500])
def test_a_store_that_fills_up(desk: Desk, room: int) -> None:
    """No file may grow beyond `room` bytes, so a put fails sooner or later: nothing is done that is not written down."""
    desk.incident(BOB, f"{P}:user/alice")
    before = desk.bed.snapshot()
    env = {**desk.bed.environ(), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(ROOT), str(desk.file), str(room)], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    done = json.loads(ran.stdout.splitlines()[-1])
    assert done["failed"] and (str(desk.case) in done["msg"]), done["msg"]
    written = {s["$step"]["resource"] for r in desk.records() for s in r.get("intents", [])} if desk.case.exists() else set()
    changed = {c["operation"] for c in desk.bed.calls() if c["mutating"] and c["service"] == "iam"}
    assert bool(written) >= bool(changed)
    if room == 100:
        assert desk.bed.snapshot() == before and not changed
    assert desk.contain()["problems"] == [] and desk.verified()
    desk.false_positive(BOB, f"{P}:user/alice")
    assert desk.bed.snapshot() == before  # the pre-images were all there


def test_small_files_only(desk: Desk) -> None:
    """The canary of the test above: with enough room the same run succeeds."""
    desk.incident(BOB)
    env = {**desk.bed.environ(), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(ROOT), str(desk.file), "1000000"], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert json.loads(ran.stdout.splitlines()[-1])["problems"] == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_case_that_another_run_holds(desk: Desk) -> None:
    """Contain takes over, everything else refuses and names the holder."""
    desk.incident(desk.company.leaked.access_key)
    desk.contain()
    other = Lease.acquire(desk.store, run="0000", verb="aws_restore", holder="bob@laptop (aws_restore, pid 1)")
    with other:
        before = desk.bed.snapshot()
        done = desk.restore()
        assert done["failed"] and "bob@laptop" in done["msg"] and "takeover" in done["msg"] and desk.bed.snapshot() == before
        quarantine = desk.run("aws_identity_quarantine", principals=[BOB])
        assert quarantine["failed"] and "bob@laptop" in quarantine["msg"] and desk.bed.snapshot() == before
        done = desk.contain()
        assert done["problems"] == [] and any("taken over" in str(w) for w in done["warnings"])
        time.sleep(1.05)  # a lease is looked at once a second
        assert not other.held()
    with Lease.acquire(desk.store, run="0001", verb="aws_restore", holder="bob@laptop"):
        assert desk.restore(takeover=True)["problems"] == []


def test_the_lease_of_a_run_that_died_elsewhere(desk: Desk) -> None:
    """Nobody here can know that it is dead: a release says who holds the case, since when and how to go on; contain takes it over."""
    desk.incident(BOB)
    desk.contain()
    elsewhere = {**process.identity(), "host": "awx-7", "boot": "another", "namespace": "another"}
    with mock.patch.object(process, "identity", lambda: elsewhere):
        dead = Lease.acquire(desk.store, run="0" * 8, verb="aws_restore", holder="eve@awx-7 (aws_restore, pid 1)")
    dead._stop.set()  # kill -9: neither renewed nor given back
    held = json.loads(desk.store.get(desk.store.list("lease")[-1]))
    refused = desk.restore()
    assert refused["failed"] and all(w in refused["msg"] for w in ("eve@awx-7", "on awx-7", held["since"], held["until"], "takeover=true"))
    done = desk.contain()
    assert done["problems"] == [] and any(
        "was taken over: aws_restore by eve@awx-7" in str(w) and "on awx-7, since 2" in str(w) for w in done["warnings"]
    ), done.get("warnings")
    assert desk.restore()["problems"] == [] and desk.verified()


# -- a remote store ------------------------------------------------------------------------------------------------------


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def remote(desk: Desk) -> Any:
    """remote(alive) -> the incident's `store`: a bucket of the bed, or the same bucket at an endpoint where nobody listens."""
    desk.bed.client("s3", root(desk.bed.management), direct=True).create_bucket(Bucket="the-cases")

    def make(alive: bool) -> dict[str, str]:
        endpoint = desk.bed.direct if alive else f"http://127.0.0.1:{closed_port()}"
        return {"url": "s3://the-cases/ir", "endpoint_url": endpoint, "region": "us-east-1"}

    iam = desk.bed.client("iam", root(desk.bed.management), direct=True)
    iam.put_user_policy(
        UserName="responder", PolicyName="store", PolicyDocument=document({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    )
    return make


@pytest.fixture
def quick_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead endpoint is given up at once (the real store tries for 20 seconds)."""
    import datetime

    from ansible_collections.evict.cloud.plugins.module_utils.common.stores import interface

    real = interface.obstore.store.S3Store

    def quick(bucket: str, **settings: Any) -> Any:
        return real(bucket, **{**settings, "retry_config": {"max_retries": 0, "retry_timeout": datetime.timedelta(seconds=1)}})

    monkeypatch.setattr(interface.obstore.store, "S3Store", quick)


def spool_env(desk: Desk) -> Any:
    return mock.patch.object(Bed, "environ", lambda bed, credentials=None, real=Bed.environ: {
        **real(bed, credentials), "XDG_STATE_HOME": str(desk.folder / "state"), "HOME": str(desk.folder)})  # fmt: skip


def spooled(desk: Desk) -> list[Path]:
    return [p for p in (desk.folder / "state").rglob("*.json") if p.is_file()]


def test_in_an_emergency_a_dead_remote_store_stops_nothing(desk: Desk, remote: Any, quick_to_fail: None) -> None:
    before = desk.bed.snapshot()
    with spool_env(desk):
        desk.incident(BOB, store=remote(False))
        done = desk.contain()
        banner = [w for w in done.get("warnings", []) if "CANNOT BE" in str(w)]
        assert works(desk.bed, desk.company.production.keys["bob"]) in DEAD and done["problems"] == []
        assert len(banner) == 1 and str(desk.folder / "state") in str(banner) + str(done) and "s3://the-cases" in str(banner)
        kept = spooled(desk)
        assert any("/ledger/" in str(p) for p in kept) and all(p.stat().st_mode & 0o077 == 0 for p in kept)
        # the store works again: the same command, the same case
        desk.incident(BOB, store=remote(True))
        _same_case(desk, remote)
        done = desk.contain()
        assert done["changed"] is False and done["problems"] == []
        assert not [w for w in done.get("warnings", []) if "CANNOT BE" in str(w)]
        assert not [p for p in spooled(desk) if "/ledger/" in str(p) or p.name in ("result.json", "incident.json")], spooled(desk)
        with environment(desk.bed.environ()):
            store = case_store(open_store(remote(True)), "IR-1")
            found = verify(store)
            assert found["verified"], found
            assert any("/intents" in p or True for p in store.list("ledger"))
            assert json.loads(store.get("result.json"))["changed"] == 0
        undone = desk.false_positive(BOB)
        assert undone["status"] == "ok" and _only_policies(desk.bed.snapshot()) == _only_policies(before)


def _same_case(desk: Desk, remote: Any) -> None:
    """The endpoint in the incident differs from the one that was spooled: recorded as an edit, as every playbook does."""
    answer = desk.run("case", incident=str(desk.file), directory=str(desk.folder), allow_local_store=True)
    assert not answer.get("failed"), answer


def _only_policies(snapshot: str) -> str:
    return str(snapshot.count("evict-")) + str(snapshot.count("Inactive"))


def test_a_release_after_an_emergency_knows_what_was_spooled(desk: Desk, remote: Any, quick_to_fail: None) -> None:
    with spool_env(desk):
        desk.incident(BOB, store=remote(False))
        desk.contain()
        desk.incident(BOB, store=remote(True))
        _same_case(desk, remote)
        done = desk.false_positive(BOB)
        assert done["status"] == "ok" and done["changed_count"] >= 3 and _only_policies(desk.bed.snapshot()) == "00", done


@pytest.mark.parametrize("mode", ["graceful", "bridge"])
def test_outside_an_emergency_a_dead_remote_store_stops_the_run_before_the_first_change(
    desk: Desk, remote: Any, quick_to_fail: None, mode: str
) -> None:
    before = desk.bed.snapshot()
    with spool_env(desk):
        desk.incident(BOB, store=remote(False), mode=mode)
        done = desk.contain()
        assert done["failed"] and "s3://the-cases" in done["msg"] and desk.bed.snapshot() == before and spooled(desk) == []


def test_no_durable_place_at_all_stops_the_run_before_the_first_change(desk: Desk, remote: Any, quick_to_fail: None) -> None:
    before = desk.bed.snapshot()
    (desk.folder / "state").write_text("a file")
    with spool_env(desk):
        desk.incident(BOB, store=remote(False))
        done = desk.contain()
        assert done["failed"] and desk.bed.snapshot() == before and str(desk.folder / "state") in done["msg"]


@pytest.mark.slow
def test_the_playbook_goes_on_without_its_remote_store(desk: Desk, remote: Any) -> None:
    desk.incident(BOB, store=remote(False))
    env = {"XDG_STATE_HOME": str(desk.folder / "state")}
    code, said = desk.play("contain", "-e", f"incident={desk.file}", "-e", "hold=1s", env=env, timeout=280)
    assert works(desk.bed, desk.company.production.keys["bob"]) in DEAD, said[-2000:]
    assert code == 2 and "STORE   s3://the-cases/" in said and "    cut: everything" in said and "  done  deny everything: " in said, said[
        -4000:
    ]
    assert "CANNOT BE" in said and str(desk.folder / "state") in said and any("/ledger/" in str(p) for p in spooled(desk)), (
        code,
        said[-2000:],
    )


def test_a_trust_chain_that_cannot_be_read_is_said(desk: Desk) -> None:
    """What the responder stands on is guarded; where it could not be read, nobody is told that it is."""
    desk.incident(desk.company.leaked.access_key)
    desk.bed.rule("fail", operation="GetRole", mutating=False, status=403, code="AccessDenied", times=99)
    done = desk.contain()
    assert any("reached through" in json.dumps(warning, default=str) for warning in done["warnings"]), done.get("warnings")
    assert works(desk.bed, desk.company.leaked) in DEAD


def test_a_look_that_fails_early_leaves_no_ok_of_the_run_before(desk: Desk) -> None:
    desk.incident(BOB)
    done = desk.contain(hold="1s")
    assert done["status"] == "ok", done["msg"]
    copy = desk.folder / "copy.json"
    copy.write_text('{"status": "ok"}')
    dead = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    code, said = desk.play("contain", "-e", f"case={desk.case}", "-e", "phase=hold", "-e", "hold=1s", "-e", f"result_file={copy}", env=dead)
    assert code == 2, said[-1500:]
    for path in (desk.case / "result.json", copy):
        found = json.loads(path.read_text())
        assert found["status"] == "error" and found["changed"] == 0, found
        (failed,) = found["failed"]
        assert "GetCallerIdentity" in failed["operation"] + failed["message"] and set(failed) == {
            "object",
            "operation",
            "message",
            "remedy",
        }
    assert desk.verified() and not desk.leaks()
    # The store cannot be reached either: the first task fails, and the copy says so.
    copy.write_text('{"status": "ok"}')
    code, said = desk.play("contain", "-e", f"case={desk.folder}/cases/IR-2", "-e", "phase=hold", "-e", f"result_file={copy}")
    assert code == 2 and "there is no case" in said and json.loads(copy.read_text())["status"] == "error", said[-1500:]
