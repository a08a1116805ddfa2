"""Rotation on the enforcing bed: a worker that reads a secret, a loop that reads a parameter and a function go on through all of it."""

from __future__ import annotations

import datetime
import io
import json
import zipfile
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation import course, health
from tests.beds.bed import Credentials, root
from tests.beds.company import ATTACKER_IP, OFFICE, PRODUCTION, allow, document
from tests.integration.helpers import Child, Desk, next_second, works

pytestmark = pytest.mark.bed

USER = "app-orders"
REGION = "us-east-1"
NETWORKS = {"networks": ["198.51.100.0/24"]}
CODE = """
import boto3, os, json
def handler(event, context):
    keys = dict(aws_access_key_id=os.environ["KEY_ID"], aws_secret_access_key=os.environ["KEY_SECRET"])
    boto3.client("sqs", region_name="us-east-1", **keys).list_queues()
    return "ok"
"""


class Estate:
    """One user with a leaked key, and three places that hold it."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.bed = desk, desk.bed
        self.key = desk.company.production.keys[USER]
        self.iam = self.bed.client("iam", root(PRODUCTION), direct=True)
        self.secrets = self.bed.client("secretsmanager", root(PRODUCTION), region=REGION, direct=True)
        self.ssm = self.bed.client("ssm", root(PRODUCTION), region=REGION, direct=True)
        self.functions = self.bed.client("lambda", root(PRODUCTION), region=REGION, direct=True)
        both = {"key_id": self.key.access_key, "secret": self.key.secret_key}
        self.secrets.create_secret(Name="app/aws", SecretString=json.dumps({**both, "endpoint": "x"}))
        self.ssm.put_parameter(
            Name="/app/env",
            Type="SecureString",
            Value=f"# ours\nAWS_ACCESS_KEY_ID={both['key_id']}\nAWS_SECRET_ACCESS_KEY={both['secret']}\n",
        )
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("index.py", CODE)
        self.functions.create_function(
            FunctionName="app", Runtime="python3.12", Role=f"arn:aws:iam::{PRODUCTION}:role/orders-lambda", Handler="index.handler", Code={"ZipFile": archive.getvalue()},
            Environment={"Variables": {"KEY_ID": both["key_id"], "KEY_SECRET": both["secret"], "MODE": "fast"}},
        )  # fmt: skip
        self.functions.get_waiter("function_active_v2").wait(FunctionName="app", WaiterConfig={"Delay": 1})
        self.dependents = [
            {"kind": "secrets_manager", "name": "app/aws", "region": REGION, **NETWORKS},
            {"kind": "ssm_parameter", "name": "/app/env", "region": REGION, **NETWORKS},
            {"kind": "lambda_function", "name": "app", "region": REGION, **NETWORKS},
        ]
        desk.incident(self.key.access_key)

    def held(self) -> list[Credentials]:
        """What each place holds now."""
        secret = json.loads(self.secrets.get_secret_value(SecretId="app/aws")["SecretString"])
        assert secret["endpoint"] == "x"
        text = self.ssm.get_parameter(Name="/app/env", WithDecryption=True)["Parameter"]["Value"]
        assert text.startswith("# ours\n")
        lines = dict(line.split("=", 1) for line in text.splitlines()[1:])
        variables = self.functions.get_function_configuration(FunctionName="app")["Environment"]["Variables"]
        assert variables["MODE"] == "fast"
        return [
            Credentials(secret["key_id"], secret["secret"]),
            Credentials(lines["AWS_ACCESS_KEY_ID"], lines["AWS_SECRET_ACCESS_KEY"]),
            Credentials(variables["KEY_ID"], variables["KEY_SECRET"]),
        ]

    def keys(self) -> dict[str, str]:
        return {k["AccessKeyId"]: k["Status"] for k in self.iam.list_access_keys(UserName=USER)["AccessKeyMetadata"]}

    def rotate(self, check: bool = False, **params: Any) -> dict[str, Any]:
        given = {"mode": "graceful", "quiet": "0s", "soak": "0s", "dependents": self.dependents, **params}
        return self.desk.run("aws_credential_rotation", check, **given)

    def is_rotated(self, secrets: list[str]) -> None:
        (new,) = set(self.keys()) - {self.key.access_key}
        held = self.held()
        assert {c.access_key for c in held} == {new} and self.keys() == {new: "Active"}
        assert [works(self.bed, c) for c in held] == ["ok"] * 3
        assert self.desk.leaks(held[0].secret_key, *secrets) == [] and self.desk.verified()


@pytest.fixture
def estate(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Estate:
    monkeypatch.setattr(health, "PAUSE", 0.0)
    return Estate(desk)


def test_graceful_from_plan_to_deletion_and_a_second_run_changes_nothing(estate: Estate) -> None:
    """The whole machine in one run; the old secret and the new one are nowhere."""
    estate.bed.client("sqs", estate.key, source_ip=OFFICE).list_queues()
    planned = estate.rotate(check=True)
    assert planned["changed"] and estate.keys() == {estate.key.access_key: "Active"}, planned
    assert "it does not live longer than until" in json.dumps(planned["warnings"])  # check mode says what comes later
    result = estate.rotate()
    assert result["status"] == "ok", result
    (row,) = result["rotation"]
    assert row["state"] == "OLD_DELETED" and [p["state"] for p in row["places"]] == ["new"] * 3
    estate.is_rotated([estate.key.secret_key])
    again = estate.rotate()
    assert again["status"] == "ok" and not again["changed"], again


def test_the_old_key_stays_until_nobody_uses_it_and_is_soaked(estate: Estate) -> None:
    waiting = estate.rotate(quiet="15m", soak="1h")
    assert waiting["status"] == "open" and waiting["rotation"][0]["state"] == "VERIFIED_NEW" and waiting["open"][0]["due"]
    assert set(estate.keys().values()) == {"Active"} and len(estate.keys()) == 2
    soaking = estate.rotate(soak="1h")
    assert soaking["rotation"][0]["state"] == "OLD_DISABLED" and estate.keys()[estate.key.access_key] == "Inactive"
    done = estate.rotate()
    assert done["status"] == "ok", done
    estate.is_rotated([estate.key.secret_key])


def test_a_dependent_that_holds_something_else_stops_it_before_anything_is_touched(estate: Estate) -> None:
    estate.secrets.put_secret_value(SecretId="app/aws", SecretString=json.dumps({"key_id": "AKIAIOSFODNN7EXAMPLE", "secret": "x" * 40}))
    before = estate.bed.snapshot()
    result = estate.rotate()
    assert result["status"] == "refused" and "holds something else" in result["problems"][0]["message"], result
    assert estate.bed.snapshot() == before


def test_no_new_secret_is_written_where_a_suspect_or_everybody_reads_it(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The places are named before anything is touched. What lifts it: the suspect is contained, everybody is shut out, the old key ends first, or a name."""
    monkeypatch.setattr(course, "SETTLES", datetime.timedelta(0))
    role = estate.desk.company.production.role_arn("deploy")
    estate.iam.put_role_policy(
        RoleName="deploy", PolicyName="more", PolicyDocument=document(allow("ssm:GetParameter", "lambda:GetFunction*"))
    )
    estate.iam.put_user_policy(UserName=USER, PolicyName="more", PolicyDocument=document(allow("secretsmanager:GetSecretValue")))
    estate.desk.incident(estate.key.access_key, role)
    before = estate.bed.snapshot()

    def named(result: dict[str, Any]) -> dict[str, str]:
        assert result["status"] == "refused" and set(estate.keys().values()) <= {"Active"}, result
        return {problem["object"].split("/")[0]: problem["message"] for problem in result["problems"]}

    refused = named(estate.rotate())
    assert USER in refused["secrets_manager"] and all(role in refused[kind] for kind in ("ssm_parameter", "lambda_function")), refused
    assert estate.bed.snapshot() == before
    assert set(named(estate.rotate(mode="bridge", check=True))) == {
        "ssm_parameter",
        "lambda_function",
    }  # what clamps the user holds it back
    estate.desk.run("aws_identity_quarantine", principals=[role], action="deny")
    public = {
        "Statement": [{"Sid": "All", "Effect": "Allow", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}]
    }
    estate.secrets.put_resource_policy(SecretId="app/aws", ResourcePolicy=json.dumps(public))
    assert "everybody" in named(estate.rotate(mode="bridge"))["secrets_manager"]
    cut = estate.rotate(mode="emergency")
    assert estate.keys() == {estate.key.access_key: "Inactive"} and "everybody" in cut["problems"][0]["message"], cut
    estate.secrets.delete_resource_policy(SecretId="app/aws")
    estate.iam.put_role_policy(RoleName="deploy", PolicyName="work", PolicyDocument=document(allow("ssm:GetParameter")))
    done = estate.rotate(mode="emergency")
    assert done["status"] == "ok", done
    estate.is_rotated([estate.key.secret_key])


def killed(estate: Estate, operation: str, when: str) -> None:
    """A run in a process of its own, killed at a call."""
    params = {"incident": str(estate.desk.file), "mode": "graceful", "quiet": "0s", "soak": "0s", "dependents": estate.dependents}
    child = Child(estate.bed, {"module": "aws_credential_rotation", "params": params})
    estate.bed.rule(when, operation=operation, pgid=child.pgid)
    code, out, err = child.go()
    assert code == -9, (out[-500:], err[-1500:])
    estate.bed.clear_rules()


@pytest.mark.crash
def test_halves_in_two_places_are_resumed_and_the_live_new_key_is_never_deleted(estate: Estate) -> None:
    """Killed between the halves; run again after all is done: the secret is read back from its half."""
    estate.ssm.put_parameter(Name="/app/id", Type="String", Value=estate.key.access_key)
    estate.ssm.put_parameter(Name="/app/secret", Type="SecureString", Value=estate.key.secret_key)
    estate.dependents = [{"kind": "ssm_parameter", "name": "/app/id", "region": REGION, "half": "id", **NETWORKS},
                         {"kind": "ssm_parameter", "name": "/app/secret", "region": REGION, "half": "secret", **NETWORKS}]  # fmt: skip

    def held() -> Credentials:
        return Credentials(
            *(estate.ssm.get_parameter(Name=n, WithDecryption=True)["Parameter"]["Value"] for n in ("/app/id", "/app/secret"))
        )

    killed(estate, "PutParameter", "after")
    assert held().access_key == estate.key.access_key and held().secret_key != estate.key.secret_key
    waiting = estate.rotate(quiet="15m")
    assert waiting["rotation"][0]["state"] == "VERIFIED_NEW", waiting
    new = held()
    assert set(estate.keys()) == {estate.key.access_key, new.access_key} and works(estate.bed, new) == "ok"
    estate.dependents[0]["check"] = {"command": ["false"]}  # one half alone would work for nobody: both go back
    assert estate.rotate(quiet="15m")["status"] == "partial" and held() == Credentials(estate.key.access_key, estate.key.secret_key)
    del estate.dependents[0]["check"]
    done = estate.rotate()
    assert done["status"] == "ok" and len(estate.keys()) == 1 and works(estate.bed, held()) == "ok", done
    assert not estate.rotate()["changed"]


@pytest.mark.crash
def test_an_alias_keeps_the_old_key_alive_until_it_has_moved(estate: Estate) -> None:
    """$LATEST has the new key, its alias does not: that place is not done, and a version with other code is not deployed by us."""
    version = estate.functions.publish_version(FunctionName="app")["Version"]
    estate.functions.create_alias(FunctionName="app", Name="live", FunctionVersion=version)
    estate.dependents = estate.dependents[2:]

    def behind() -> str:
        return str(estate.functions.get_function_configuration(FunctionName="app", Qualifier="live")["Environment"]["Variables"]["KEY_ID"])

    estate.functions.update_function_configuration(FunctionName="app", Timeout=9)
    refused = estate.rotate()
    assert refused["status"] == "refused" and "Timeout" in refused["problems"][0]["message"], refused
    assert estate.keys() == {estate.key.access_key: "Active"} and behind() == estate.key.access_key
    estate.functions.update_alias(
        FunctionName="app", Name="live", FunctionVersion=estate.functions.publish_version(FunctionName="app")["Version"]
    )
    killed(estate, "UpdateFunctionConfiguration", "after")
    killed(estate, "PublishVersion", "after")  # the one with the new key
    assert behind() == estate.key.access_key and set(estate.keys().values()) == {"Active"}
    estate.bed.rule("fail", operation="UpdateAlias", code="AccessDeniedException", status=403, message="no", times=99)
    stopped = estate.rotate()
    assert stopped["status"] == "partial" and behind() == estate.key.access_key and len(estate.keys()) == 2, stopped
    estate.bed.clear_rules()
    estate.dependents[0]["check"] = {"command": ["false"]}
    back = estate.rotate()
    latest = estate.functions.get_function_configuration(FunctionName="app")["Environment"]["Variables"]
    assert back["status"] == "partial" and behind() == latest["KEY_ID"] == estate.key.access_key and len(estate.keys()) == 2, back
    assert latest["KEY_SECRET"] == estate.key.secret_key and latest["MODE"] == "fast"
    del estate.dependents[0]["check"]
    done = estate.rotate()
    (new,) = estate.keys()
    assert estate.desk.leaks(estate.key.secret_key) == []
    assert done["status"] == "ok" and behind() == new != estate.key.access_key, done
    assert not estate.rotate()["changed"]


@pytest.mark.crash
def test_a_new_key_that_nobody_holds_is_made_anew_and_one_that_leaks_as_well_is_rotated_in_turn(estate: Estate) -> None:
    """Killed before the first place has it, and again after it was deleted; the user is the suspect, so that each of its keys is in question."""
    arn = estate.iam.get_user(UserName=USER)["User"]["Arn"]
    estate.desk.incident(estate.key.access_key, arn)
    estate.dependents = estate.dependents[:2]
    killed(estate, "PutSecretValue", "before")
    killed(estate, "DeleteAccessKey", "after")
    waiting = estate.rotate(quiet="15m")
    assert waiting["rotation"][0]["state"] == "VERIFIED_NEW", waiting
    new = estate.held()[0]
    assert set(estate.keys()) == {estate.key.access_key, new.access_key} and works(estate.bed, new) == "ok"
    estate.bed.client("sqs", estate.key, source_ip=ATTACKER_IP).list_queues()
    cut = estate.rotate(quiet="15m", soak="1h")  # a hostile call ends grace at once
    assert estate.keys() == {estate.key.access_key: "Inactive", new.access_key: "Active"} and works(estate.bed, new) == "ok", cut
    estate.desk.incident(estate.key.access_key, arn, new.access_key)
    estate.desk.run("case", incident=str(estate.desk.file), directory=str(estate.desk.folder), allow_local_store=True)
    done = estate.rotate(mode="emergency")
    assert done["status"] == "ok" and done["rotation"][0]["old"] == new.access_key, done
    (third,) = estate.keys()
    assert third not in (estate.key.access_key, new.access_key) and [works(estate.bed, c) for c in estate.held()[:2]] == ["ok"] * 2
    assert not estate.rotate(mode="emergency")["changed"]


def test_of_two_users_each_gets_the_places_that_hold_its_key(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each could read the other's place, so both are clamped, or both keys ended, before anything is written."""
    monkeypatch.setattr(course, "SETTLES", datetime.timedelta(0))
    for user in (USER, "bob"):
        estate.iam.put_user_policy(UserName=user, PolicyName="reads", PolicyDocument=document(allow("ssm:GetParameter", "sqs:ListQueues")))
    other = estate.desk.company.production.keys["bob"]
    estate.ssm.put_parameter(Name="/other", Type="SecureString", Value=json.dumps({"id": other.access_key, "secret": other.secret_key}))
    estate.desk.incident(estate.key.access_key, other.access_key)
    estate.dependents = [estate.dependents[1], {**estate.dependents[1], "name": "/other"}]
    for mode in ("bridge", "emergency"):
        planned = estate.rotate(mode=mode, check=True)
        assert planned["status"] == "ok" and estate.keys() == {estate.key.access_key: "Active"}, planned
    result = estate.rotate(mode="bridge")
    assert result["status"] == "ok", result
    calls = [c["operation"] for c in estate.bed.calls(mutating=True) if c["operation"] in ("PutUserPolicy", "CreateAccessKey")]
    # Each at once, and once more with the roles, when the log has told them.
    assert calls[:5] == ["PutUserPolicy"] * 4 + ["CreateAccessKey"]
    events = estate.bed.events()
    first = [number for number, event in enumerate(events) if event["eventName"] == "CreateAccessKey"][-2]
    put = [event["requestParameters"] for event in events[:first] if event["eventName"] == "PutUserPolicy"]
    assert sorted(one["userName"] for one in put if "bridge" in one["policyName"]) == sorted([USER, "bob"] * 2)
    assert sorted([p["place"].split()[1] for p in row["places"]] for row in result["rotation"]) == [["/app/env"], ["/other"]]
    held = json.loads(estate.ssm.get_parameter(Name="/other", WithDecryption=True)["Parameter"]["Value"])
    assert works(estate.bed, Credentials(held["id"], held["secret"])) == "ok" == works(estate.bed, estate.held()[1])


def test_at_the_deadline_it_is_switched_off_whatever_else_is_wrong(estate: Estate) -> None:
    """A dependent that cannot be moved gives a leaked key no more time; nor does one whose zone nobody said."""
    estate.secrets.put_secret_value(SecretId="app/aws", SecretString=json.dumps({"key_id": "AKIAIOSFODNN7EXAMPLE", "secret": "x" * 40}))
    naive = estate.rotate(deadline="2026-01-01T00:00:00", by="Ada", reason="r")
    assert "zone" in json.dumps(naive), naive
    assert estate.rotate()["status"] == "refused" and estate.keys() == {estate.key.access_key: "Active"}
    over = {"by": "Ada", "reason": "r"}
    assert estate.rotate(deadline="2099-01-01T00:00:00Z", **over)["status"] == "refused" and set(estate.keys().values()) == {"Active"}
    result = estate.rotate(deadline="2026-01-01T00:00:00Z", **over)  # the second word of a person counts, too
    assert estate.keys() == {estate.key.access_key: "Inactive"}, result
    assert "nothing was moved" in json.dumps(result["open"])


def test_emergency_switches_the_old_key_off_first(estate: Estate) -> None:
    result = estate.rotate(mode="emergency")
    assert result["status"] == "ok", result
    calls = [c["operation"] for c in estate.bed.calls(mutating=True) if c["operation"] in ("UpdateAccessKey", "CreateAccessKey")]
    assert calls[:2] == ["UpdateAccessKey", "CreateAccessKey"]
    estate.is_rotated([estate.key.secret_key])


def test_a_key_that_the_attacker_uses_is_not_rotated_gracefully_and_a_bridge_holds_him_out(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deadline: none is waited for; the bridge clamps the user to the dependents' network while the key lives, and goes when it is off."""
    monkeypatch.setattr(course, "SETTLES", datetime.timedelta(0))
    thief = estate.bed.client("sqs", estate.key, source_ip=ATTACKER_IP)
    thief.list_queues()
    graceful = estate.rotate()
    assert (
        graceful["status"] == "refused"
        and ATTACKER_IP in graceful["problems"][0]["message"]
        and "bridge" in graceful["problems"][0]["remedy"]
    )
    assert estate.keys() == {estate.key.access_key: "Active"}
    nowhere = [{k: v for k, v in d.items() if k != "networks"} for d in estate.dependents[:1]]
    cut = estate.rotate(mode="bridge", dependents=nowhere)
    assert cut["status"] == "refused" and "secret app/aws" in cut["problems"][0]["message"], cut
    bridge = estate.rotate(mode="bridge", quiet="15m")
    assert bridge["rotation"][0]["state"] == "VERIFIED_NEW", bridge
    policy = estate.iam.get_user_policy(UserName=USER, PolicyName="evict-bridge-IR-1")["PolicyDocument"]
    assert set(policy["Statement"][0]["Condition"]) == {"NotIpAddressIfExists", "StringNotEqualsIfExists", "BoolIfExists"}
    assert estate.rotate(mode="bridge", quiet="15m")["rotation"][0]["state"] == "VERIFIED_NEW"  # what he did before the clamp is no news
    next_second()  # the log has no fractions, and what he did in the second of the clamp counts as before it
    with pytest.raises(Exception, match="explicit deny"):
        thief.list_queues()
    estate.bed.client("sqs", estate.key, source_ip=OFFICE).list_queues()
    hostile = estate.rotate(mode="bridge", quiet="15m", soak="1h")  # it tried again: the deadline is over for it
    assert hostile["rotation"][0]["state"] == "OLD_DISABLED" and estate.keys()[estate.key.access_key] == "Inactive", hostile
    done = estate.rotate(mode="bridge")
    assert done["status"] == "ok" and sorted(estate.iam.list_user_policies(UserName=USER)["PolicyNames"]) == [
        "evict-session-IR-1",
        "work",
    ], done
    assert not estate.rotate(mode="bridge")["changed"]


def test_a_user_that_may_write_in_iam_is_not_rotated_gracefully(estate: Estate) -> None:
    estate.iam.put_user_policy(UserName=USER, PolicyName="more", PolicyDocument=document(allow("iam:CreateUser")))
    result = estate.rotate()
    assert result["status"] == "refused" and "iam:CreateUser" in result["problems"][0]["message"], result


def test_a_second_key_in_use_is_refused_by_name_and_a_compromised_one_makes_room(estate: Estate) -> None:
    second = Credentials.of(estate.iam.create_access_key(UserName=USER)["AccessKey"])
    result = estate.rotate()
    assert result["status"] == "refused" and second.access_key in result["problems"][0]["message"], result
    assert set(estate.keys().values()) == {"Active"}
    result = estate.rotate(free_slot=second.access_key)
    assert result["status"] == "ok", result
    estate.is_rotated([estate.key.secret_key])


def test_a_check_that_fails_takes_the_place_back_before_the_old_key_is_touched(estate: Estate) -> None:
    estate.dependents[2]["check"] = {"command": ["false"]}
    before = estate.held()
    result = estate.rotate()
    assert result["status"] == "partial" and "check failed" in result["problems"][0]["message"], result
    after = estate.held()
    assert after[2] == before[2] and after[0] != before[0] and estate.keys()[estate.key.access_key] == "Active"
    estate.dependents[2]["check"] = {"command": ["true"]}
    result = estate.rotate()
    assert result["status"] == "ok", result
    estate.is_rotated([estate.key.secret_key])
