"""Sensitive resources deny the contained by their own policies: alone, without touching anybody else, and undone to the byte."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import threading
import time
from typing import Any

import pytest

from tests.beds.bed import Bed, Credentials
from tests.beds.company import ATTACKER_IP, SECRET, allow, document
from tests.integration.helpers import Child, Desk, next_second, outcome
from tests.integration.test_refresh import code

pytestmark = pytest.mark.bed

REGION = "us-east-1"
SEED = int(os.environ.get("EVICT_CRASH_SEED", "20261122"))
# As a person formats it, with a lone statement: AWS gives it back as it was written.
ODD = """{
  "Version": "2012-10-17",
  "Statement": {"Sid": "Readers", "Effect": "Allow", "Principal": {"AWS": "%s"},
                "Action": "s3:GetObject", "Resource": "arn:aws:s3:::%s/*"}
}"""


@dataclasses.dataclass
class Estate:
    """Resources of the production account; `touch` is one harmless call on each, by kind."""

    desk: Desk
    plain: str = "plain-222222222222"  # a bucket without a policy
    odd: str = "odd-222222222222"
    site: str = "site-222222222222"
    arns: dict[str, str] = dataclasses.field(default_factory=dict)
    queue: str = ""

    def root(self, service: str) -> Any:
        return self.desk.bed.client(service, self.desk.company.production.root, REGION, direct=True)

    def make(self) -> Estate:
        account = self.desk.company.production
        s3 = self.root("s3")
        for name in (self.plain, self.odd, self.site):
            s3.create_bucket(Bucket=name)
            s3.put_object(Bucket=name, Key="x", Body=b"x")
        s3.put_bucket_policy(Bucket=self.odd, Policy=ODD % (account.users["alice"], self.odd))
        s3.put_bucket_website(Bucket=self.site, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
        self.queue = self.root("sqs").create_queue(QueueName="jobs")["QueueUrl"]
        role = account.roles["orders-lambda"]
        self.root("lambda").create_function(FunctionName="fenced", Runtime="python3.12", Role=role, Handler="i.h", Code={"ZipFile": code()})
        self.root("lambda").add_permission(
            FunctionName="fenced", StatementId="events", Action="lambda:InvokeFunction", Principal="events.amazonaws.com"
        )
        self.root("ecr").create_repository(repositoryName="shop/web")
        self.arns = {
            "secret": self.root("secretsmanager").describe_secret(SecretId=SECRET)["ARN"],
            "key": self.root("kms").create_key()["KeyMetadata"]["Arn"],
            "topic": self.root("sns").create_topic(Name="alerts")["TopicArn"],
            "queue": f"arn:aws:sqs:{REGION}:{account.id}:jobs",
            "function": f"arn:aws:lambda:{REGION}:{account.id}:function:fenced",
            "repository": f"arn:aws:ecr:{REGION}:{account.id}:repository/shop/web",
            **{name: f"arn:aws:s3:::{getattr(self, name)}" for name in ("plain", "odd")},
        }
        return self

    def touch(self, who: Credentials, source_ip: str = "") -> dict[str, str]:
        """{kind: "ok" or the error code} of one call on each."""
        calls: dict[str, tuple[str, str, dict[str, Any]]] = {
            "secret": ("secretsmanager", "get_secret_value", {"SecretId": SECRET}),
            "key": ("kms", "generate_data_key", {"KeyId": self.arns["key"], "KeySpec": "AES_256"}),
            "topic": ("sns", "publish", {"TopicArn": self.arns["topic"], "Message": "x"}),
            "queue": ("sqs", "send_message", {"QueueUrl": self.queue, "MessageBody": "x"}),
            "function": ("lambda", "get_function_configuration", {"FunctionName": "fenced"}),
            "repository": ("ecr", "list_images", {"repositoryName": "shop/web"}),
            "plain": ("s3", "get_object", {"Bucket": self.plain, "Key": "x"}),
            "odd": ("s3", "get_object", {"Bucket": self.odd, "Key": "x"}),
        }
        found = {}
        for kind, (service, operation, parameters) in calls.items():
            found[kind] = outcome(self.desk.bed.client(service, who, REGION, source_ip=source_ip), operation, **parameters)
        return found

    def texts(self) -> dict[str, Any]:
        """Every policy as AWS gives it."""
        s3, found = self.root("s3"), {}
        for name in (self.plain, self.odd, self.site):
            found[name] = s3.get_bucket_policy(Bucket=name)["Policy"] if outcome(s3, "get_bucket_policy", Bucket=name) == "ok" else None
            blocked = outcome(s3, "get_public_access_block", Bucket=name) == "ok"
            found[f"{name} block"] = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"] if blocked else None
        found["secret"] = self.root("secretsmanager").get_resource_policy(SecretId=SECRET).get("ResourcePolicy")
        found["key"] = self.root("kms").get_key_policy(KeyId=self.arns["key"])["Policy"]
        found["topic"] = self.root("sns").get_topic_attributes(TopicArn=self.arns["topic"])["Attributes"].get("Policy")
        found["queue"] = self.root("sqs").get_queue_attributes(QueueUrl=self.queue, AttributeNames=["All"])["Attributes"].get("Policy")
        found["function"] = self.root("lambda").get_resource_policy(ResourceArn=self.arns["function"])["Policy"]
        ecr = self.root("ecr")
        there = outcome(ecr, "get_repository_policy", repositoryName="shop/web") == "ok"
        found["repository"] = ecr.get_repository_policy(repositoryName="shop/web")["policyText"] if there else None
        return found


@pytest.fixture
def estate(desk: Desk) -> Estate:
    desk.bed.regions(REGION)
    return Estate(desk).make()


class Innocent(threading.Thread):
    """Calls every resource again and again, until it is stopped."""

    def __init__(self, estate: Estate, who: Credentials) -> None:
        super().__init__(daemon=True)
        self.estate, self.who, self.over = estate, who, threading.Event()
        self.ok, self.failed = 0, dict[str, str]()

    def run(self) -> None:
        while not self.over.wait(0.1):
            found = self.estate.touch(self.who)
            self.ok += sum(code == "ok" for code in found.values())
            self.failed |= {kind: code for kind, code in found.items() if code != "ok"}

    def __enter__(self) -> Innocent:
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.over.set()
        self.join(60)


def powerful(estate: Estate, *users: str) -> None:
    for user in users:
        estate.root("iam").put_user_policy(UserName=user, PolicyName="all", PolicyDocument=document(allow("*")))


def unfence(estate: Estate, user: str, key: str) -> None:
    """Take everything that the incident put on the identity away, so that the resources are alone."""
    iam = estate.root("iam")
    for name in iam.list_user_policies(UserName=user)["PolicyNames"]:
        if name.startswith("evict-"):
            iam.delete_user_policy(UserName=user, PolicyName=name)
    for attached in iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]:
        iam.detach_user_policy(UserName=user, PolicyArn=attached["PolicyArn"])
    iam.update_access_key(UserName=user, AccessKeyId=key, Status="Active")


def states(result: dict[str, Any]) -> dict[str, str]:
    return {row["object"]: row["state"] for row in result["resource_fences"]}


def test_the_resources_alone_hold_the_thief_and_nobody_else_and_are_undone_to_the_byte(bed: Bed, desk: Desk, estate: Estate) -> None:
    production, thief = desk.company.production, desk.company.leaked
    powerful(estate, "ci-deploy", "alice")
    alice = production.keys["alice"]
    assert set(estate.touch(thief, ATTACKER_IP).values()) == {"ok"} == set(estate.touch(alice).values())
    before, whole = estate.texts(), bed.snapshot()
    federated = Credentials.of(bed.client("sts", thief).get_federation_token(Name="fed", Policy=document(allow("*")))["Credentials"])
    desk.incident(thief.access_key, resources={"fence": sorted(estate.arns.values())}, protected=[production.roles["break-glass"]])

    with Innocent(estate, alice) as innocent:
        planned = desk.contain_below(check=True)
        assert estate.texts() == before and set(states(planned).values()) == {"would be fenced"}
        done = desk.contain_below()
        assert states(done) == dict.fromkeys(estate.arns.values(), "fenced"), done["resource_fences"]
        assert done["problems"] == [] and "AIDA" not in json.dumps(estate.texts())
        again = desk.contain_below()
        assert again["changed_count"] == 0 and states(again) == states(done)

        unfence(estate, "ci-deploy", thief.access_key)
        assert set(estate.touch(thief).values()) <= {
            "AccessDenied",
            "AccessDeniedException",
            "AuthorizationErrorException",
            "AuthorizationError",
        }
        assert "ok" not in estate.touch(federated).values()
        assert outcome(bed.client("s3", thief), "delete_bucket_policy", Bucket=estate.odd) == "AccessDenied"
        assert outcome(bed.client("sqs", thief), "list_queues") == "ok"  # nothing else holds it

        other = Desk(bed, desk.company, desk.folder, "IR-2")  # two incidents on one bucket hold both
        other.incident(thief.access_key, production.users["bob"], resources={"fence": [estate.arns["odd"], estate.arns["plain"]]})
        assert set(states(other.contain_below()).values()) == {"fenced"}
        sids = {s["Sid"] for s in json.loads(estate.texts()[estate.odd])["Statement"]}
        assert {f"Evict{d.incident_sid()}D" for d in (desk, other)} | {"Readers"} <= sids
        assert other.false_positive(thief.access_key, production.users["bob"])["status"] == "ok"
        assert f"Evict{other.incident_sid()}" not in json.dumps(estate.texts())
        assert set(estate.touch(thief).values()) != {"ok"} and "ok" not in estate.touch(thief).values()

        one = desk.run("aws_resource_fence", state="absent", resources=[estate.arns["plain"]], case=str(desk.case))
        assert one["open"] and estate.texts()[estate.plain] is not None  # without a fence of its own, its tokens would come back
        back = desk.false_positive(thief.access_key)
        assert back["status"] == "ok", back
    assert estate.texts() == before and innocent.failed == {} and innocent.ok > 8
    assert set(estate.touch(thief).values()) == {"ok"} and desk.verified()
    assert json.loads(bed.snapshot()).keys() == json.loads(whole).keys()


def test_what_the_suspect_touched_is_found_what_it_opened_is_closed_and_what_cannot_be_fenced_is_named(
    bed: Bed, desk: Desk, estate: Estate
) -> None:
    production, thief = desk.company.production, desk.company.leaked
    powerful(estate, "ci-deploy", "alice", "bob")
    own = {name: bed.client(name, thief, REGION) for name in ("s3", "kms", "secretsmanager", "ecr", "sns", "sqs", "lambda")}
    world = {"Sid": "World", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    for name in (estate.plain, estate.site):
        own["s3"].delete_public_access_block(Bucket=name)
        own["s3"].put_bucket_policy(Bucket=name, Policy=document({**world, "Resource": f"arn:aws:s3:::{name}/*"}))
    before = estate.texts()
    own["secretsmanager"].get_secret_value(SecretId=SECRET)
    own["kms"].generate_data_key(KeyId=estate.arns["key"], KeySpec="AES_256")
    own["ecr"].batch_get_image(repositoryName="shop/web", imageIds=[{"imageTag": "latest"}])
    own["sns"].get_topic_attributes(TopicArn=estate.arns["topic"])
    own["sqs"].get_queue_attributes(QueueUrl=estate.queue, AttributeNames=["All"])
    own["lambda"].get_function(FunctionName="fenced")
    # What cannot be fenced: a policy that is no JSON any more, a key that only its owner may change, a role that delivers logs, a bucket that is gone.
    root = {name: estate.root(name) for name in ("s3", "kms", "secretsmanager", "sqs")}
    owner = {"Effect": "Allow", "Principal": {"AWS": production.roles["reporting"]}, "Action": "kms:*", "Resource": "*"}
    locked = root["kms"].create_key(Policy=document(owner), BypassPolicyLockoutSafetyCheck=True)["KeyMetadata"]["Arn"]
    reads = {"Effect": "Allow", "Principal": {"AWS": production.id}, "Action": ["kms:Describe*", "kms:Get*"], "Resource": "*"}
    read_only = root["kms"].create_key(Policy=document(owner, reads), BypassPolicyLockoutSafetyCheck=True)["KeyMetadata"]["Arn"]
    root["sqs"].create_queue(QueueName="broken", Attributes={"Policy": '{"Statement": ['})
    root["sqs"].create_queue(QueueName="private")
    hostile = root["secretsmanager"].create_secret(Name="a@b+=/x", SecretString="x")["ARN"]
    declared = {"locked": locked, "read_only": read_only, "broken": f"arn:aws:sqs:{REGION}:{production.id}:broken", "gone": "arn:aws:s3:::gone-222222222222",
                "private": f"arn:aws:sqs:{REGION}:{production.id}:private", "hostile": hostile}  # fmt: skip
    sure = {"fence": list(declared.values()), "exempt": [estate.arns["queue"]]}
    desk.incident(thief.access_key, production.roles["log-delivery"], resources=sure, role_action="deny")

    done = desk.contain_below(scope=20)
    found = states(done)
    assert {estate.arns[k]: "fenced" for k in ("secret", "key", "topic", "function", "repository")}.items() <= found.items(), done[
        "resource_fences"
    ]
    assert found[estate.arns["queue"]] == "exempt" and found[declared["private"]] == found[hostile] == "fenced"
    assert found[declared["gone"]] == "gone" and found[locked] == found[read_only] == found[declared["broken"]] == "refused"
    rows = {row["object"]: row for row in done["resource_fences"]}
    assert (
        "does not even let the responder read it" in rows[locked]["why"]
        and "let a principal that its policy names" in rows[locked]["remedy"]
    )
    assert f"lock out the responder: no statement allows kms:PutKeyPolicy to {production.responder_role}" in rows[read_only]["why"]
    assert "is no valid JSON" in rows[declared["broken"]]["why"] and "held by their own denies" in rows[declared["broken"]]["remedy"]
    assert found[production.roles["log-delivery"]] == "spared" and production.roles["log-delivery"] not in json.dumps(estate.texts())
    assert done["status"] == "open" and {item["object"] for item in done["open"]} >= {locked, declared["broken"]}
    # The bucket that it made public is closed, the one that serves a website is only listed, and a policy that was there is left to be public.
    assert rows[f"arn:aws:s3:::{estate.plain}"]["public"].startswith("closed"), rows
    assert "it serves a website" in rows[f"arn:aws:s3:::{estate.site}"]["public"] and estate.texts()[f"{estate.site} block"] is None
    assert estate.texts()[f"{estate.plain} block"] == {
        "BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": False, "RestrictPublicBuckets": True,
    }  # fmt: skip
    again = desk.contain_below(scope=20)
    assert again["changed_count"] == 0 and states(again) == found
    assert desk.contain_below()["changed_count"] == 0  # the case knows what it has fenced, whether or not the log is read again

    # Released, but not opened again: the policy of the suspect still gives it to everybody.
    kept = [row for row in desk.restore()["open"] if "Block Public Access" in row["object"]]
    assert [row["kind"] for row in kept] == ["kept"] and "its policy still says so" in kept[0]["why"]
    assert "Evict" not in json.dumps(now := estate.texts()) and {k for k in now if now[k] != before[k]} == {f"{estate.plain} block"}
    assert desk.false_positive(thief.access_key, production.roles["log-delivery"])["status"] == "ok"
    assert {k: v for k, v in estate.texts().items() if v != before[k]} == {}


def test_of_a_shared_role_the_session_alone_is_denied_and_more_than_the_ceiling_is_named(bed: Bed, desk: Desk, estate: Estate) -> None:
    production, thief = desk.company.production, desk.company.leaked
    powerful(estate, "ci-deploy", "alice")
    iam = estate.root("iam")
    iam.put_role_policy(RoleName="deploy", PolicyName="all", PolicyDocument=document(allow("*")))
    assume = {"RoleArn": production.roles["deploy"]}
    stolen = Credentials.of(bed.client("sts", thief).assume_role(**assume, RoleSessionName="evil")["Credentials"])
    shared = Credentials.of(bed.client("sts", production.keys["alice"]).assume_role(**assume, RoleSessionName="alice")["Credentials"])
    suspect = f"arn:aws:sts::{production.id}:assumed-role/deploy/evil"
    before = estate.texts()
    desk.incident(
        thief.access_key,
        suspect,
        role_action="session",
        limits={"resources": 1},
        resources={"fence": [estate.arns["odd"], estate.arns["secret"]]},
    )
    bed.client("kms", stolen, REGION).generate_data_key(KeyId=estate.arns["key"], KeySpec="AES_256")
    next_second()  # what it touched first counts
    bed.client("s3", stolen, REGION).put_bucket_policy(
        Bucket=estate.plain, Policy=document(allow("s3:*", resource="*") | {"Principal": {"AWS": production.id}})
    )
    before = estate.texts()
    with Innocent(estate, shared) as innocent:
        time.sleep(0.3)
        done = desk.contain_below(scope=20)
        found = states(done)
        assert found[estate.arns["odd"]] == found[estate.arns["secret"]] == found[estate.arns["key"]] == "fenced", done["resource_fences"]
        assert [r["object"] for r in done["resource_fences"] if r["state"] == "left"] == [estate.plain] and "limits.resources" in str(
            done["open"]
        )
        iam.delete_role_policy(RoleName="deploy", PolicyName="evict-userid-IR-1")
        touched = estate.touch(stolen)
        assert touched["odd"] == "AccessDenied" and touched["secret"] != "ok" != touched["key"], touched
        assert estate.touch(shared)["odd"] == "ok"
        assert desk.false_positive(thief.access_key, suspect)["status"] == "ok"
    assert innocent.failed == {} and innocent.ok > 8 and estate.texts() == before


@pytest.mark.parametrize("when", ["before", "after", "lost"])
def test_killed_at_a_write_or_robbed_of_its_answer_the_same_task_ends_in_the_right_state(
    bed: Bed, desk: Desk, estate: Estate, when: str
) -> None:
    user, wanted = desk.company.production.users["bob"], [estate.arns[k] for k in ("odd", "plain", "function", "key")]
    desk.incident(user, resources={"fence": wanted})
    assert desk.run("aws_identity_quarantine", principals=[user])["status"] == "ok"
    before = estate.texts()
    at = random.Random(f"{SEED} {when}").randint(1, len(wanted))
    order = {"module": "aws_resource_fence", "params": {"incident": str(desk.file)}}
    child = Child(bed, order)
    bed.rule(when, at=at, **({} if when == "lost" else {"pgid": child.pgid}))
    code, _out, err = child.go()
    bed.clear_rules()
    assert code == (0 if when == "lost" else -9), err[-1500:]
    again = desk.run("aws_resource_fence")
    assert again["problems"] == [] and set(states(again).values()) == {"fenced"} and desk.ledger().unsettled() == []
    assert bool(again["recovered"]) == (when != "lost")
    held = estate.texts()
    assert desk.run("aws_resource_fence")["changed"] is False and estate.texts() == held and desk.verified()
    assert sum("Evict" in str(text) for text in held.values()) == len(wanted)
    assert desk.false_positive(user)["status"] == "ok" and estate.texts() == before
