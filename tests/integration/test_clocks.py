"""What a suspect set going is stopped: deletions, a rule that empties a bucket, logging that was switched off. What others set going is printed and left."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.plugin_utils import raw, table
from tests.beds.company import allow, document
from tests.integration.helpers import Child, Desk, status_of

pytestmark = pytest.mark.bed

REGION = "eu-west-1"
DAY = {"Expiration": {"Days": 1}, "Filter": {"Prefix": ""}, "ID": "nuke", "Status": "Enabled"}
LOGS = {"Expiration": {"Days": 365}, "Filter": {"Prefix": "logs/"}, "ID": "logs", "Status": "Enabled"}


def root(desk: Any, service: str, region: str = REGION) -> Any:
    return desk.bed.client(service, desk.company.production.root, region, direct=True)


def thief(desk: Any, service: str, who: str = "ci-deploy", region: str = REGION) -> Any:
    return desk.bed.client(service, desk.company.production.keys[who], region)


def furnish(desk: Any, who: str = "ci-deploy", other: str = "bob") -> dict[str, str]:
    """What there is to lose: {name: id}. The leaked key and the other's may do anything."""
    for user in (who, other):
        root(desk, "iam").put_user_policy(UserName=user, PolicyName="all", PolicyDocument=document(allow("*")))
    kms, secrets, config = root(desk, "kms"), root(desk, "secretsmanager"), root(desk, "config")
    bucket = "audit-logs"
    root(desk, "s3", "us-east-1").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    trail = root(desk, "cloudtrail")
    trail.create_trail(Name="org", S3BucketName=bucket, IsMultiRegionTrail=True, EnableLogFileValidation=True)
    trail.start_logging(Name="org")
    role = desk.company.production.roles["orders-lambda"]
    config.put_configuration_recorder(ConfigurationRecorder={"name": "default", "roleARN": role, "recordingGroup": {"allSupported": True}})
    config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": bucket})
    config.start_configuration_recorder(ConfigurationRecorderName="default")
    root(desk, "logs").create_log_group(logGroupName="/app/orders")
    return {
        "key": kms.create_key()["KeyMetadata"]["Arn"], "theirs": kms.create_key()["KeyMetadata"]["Arn"], "bucket": bucket,
        "secret": secrets.create_secret(Name="db", SecretString="initial")["ARN"], "lost": secrets.create_secret(Name="api", SecretString="x")["ARN"],
    }  # fmt: skip


def attack(desk: Any, things: dict[str, str], who: str = "ci-deploy", other: str = "bob") -> None:
    """Everything that runs out, set going with the leaked key; and a key that somebody else retires."""
    thief(desk, "s3", other).put_bucket_lifecycle_configuration(Bucket=things["bucket"], LifecycleConfiguration={"Rules": [LOGS]})
    thief(desk, "kms", other).schedule_key_deletion(KeyId=things["theirs"], PendingWindowInDays=7)
    thief(desk, "kms", who).schedule_key_deletion(KeyId=things["key"], PendingWindowInDays=8)
    secrets = thief(desk, "secretsmanager", who)
    secrets.delete_secret(SecretId="db", RecoveryWindowInDays=9)
    secrets.delete_secret(SecretId="api", ForceDeleteWithoutRecovery=True)
    thief(desk, "s3", who).put_bucket_lifecycle_configuration(Bucket=things["bucket"], LifecycleConfiguration={"Rules": [LOGS, DAY]})
    trail = thief(desk, "cloudtrail", who)
    trail.update_trail(Name="org", IsMultiRegionTrail=False, IncludeGlobalServiceEvents=False)
    trail.put_event_selectors(
        TrailName="org", EventSelectors=[{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": False, "DataResources": []}]
    )
    trail.stop_logging(Name="org")
    thief(desk, "config", who).stop_configuration_recorder(ConfigurationRecorderName="default")
    thief(desk, "logs", who).put_retention_policy(logGroupName="/app/orders", retentionInDays=1)
    thief(desk, "ecs", who).create_cluster(clusterName="mine")
    thief(desk, "ecs", who).register_task_definition(family="xmr", containerDefinitions=[{"name": "xmr", "image": "xmr", "memory": 64}])
    thief(desk, "ecs", who).create_service(cluster="mine", serviceName="xmr", taskDefinition="xmr", desiredCount=2)
    scaling = thief(desk, "autoscaling", who)
    scaling.create_launch_configuration(LaunchConfigurationName="m", ImageId="ami-1", InstanceType="p4d.24xlarge")
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="m", LaunchConfigurationName="m", MinSize=1, MaxSize=5, DesiredCapacity=2, AvailabilityZones=[f"{REGION}a"]
    )


def seen(desk: Any, things: dict[str, str]) -> dict[str, Any]:
    """What is there, as the account's root sees it."""
    kms, cloudtrail = root(desk, "kms"), root(desk, "cloudtrail")
    rules = root(desk, "s3").get_bucket_lifecycle_configuration(Bucket=things["bucket"])["Rules"]
    trail = cloudtrail.get_trail(Name="org")["Trail"]
    (group,) = root(desk, "autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=["m"])["AutoScalingGroups"]
    return {
        "key": kms.describe_key(KeyId=things["key"])["KeyMetadata"]["KeyState"],
        "theirs": kms.describe_key(KeyId=things["theirs"])["KeyMetadata"]["KeyState"],
        "secret": "DeletedDate" in root(desk, "secretsmanager").describe_secret(SecretId=things["secret"]),
        "rules": {rule["ID"]: rule["Status"] for rule in rules},
        "logging": cloudtrail.get_trail_status(Name="org")["IsLogging"],
        "reach": (trail["IsMultiRegionTrail"], trail["IncludeGlobalServiceEvents"]),
        "management": cloudtrail.get_event_selectors(TrailName="org")["EventSelectors"][0]["IncludeManagementEvents"],
        "recording": root(desk, "config").describe_configuration_recorder_status()["ConfigurationRecordersStatus"][0]["recording"],
        "retention": root(desk, "logs").describe_log_groups()["logGroups"][0].get("retentionInDays"),
        "fleets": (group["MinSize"], group["MaxSize"], group["DesiredCapacity"],
                   root(desk, "ecs").describe_services(cluster="mine", services=["xmr"])["services"][0]["desiredCount"]),
    }  # fmt: skip


ATTACKED = {
    "key": "PendingDeletion", "theirs": "PendingDeletion", "secret": True, "rules": {"logs": "Enabled", "nuke": "Enabled"}, "logging": False,
    "reach": (False, False), "management": False, "recording": False, "retention": 1, "fleets": (1, 5, 2, 2),
}  # fmt: skip
STOPPED = {
    "key": "Disabled", "theirs": "PendingDeletion", "secret": False, "rules": {"logs": "Enabled", "nuke": "Disabled"}, "logging": True,
    "reach": (True, True), "management": True, "recording": True, "retention": None, "fleets": (0, 0, 0, 0),
}  # fmt: skip


def window() -> dict[str, Any]:
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    return {"window": {"start": start.strftime("%Y-%m-%dT%H:%M:%SZ"), "end": None}}


def row(result: dict[str, Any], part: str) -> dict[str, Any]:
    (found,) = [r for r in result["clocks"] if part in f"{r['object']}: {r['what']}"]
    return dict(found)


@pytest.fixture
def stage(desk: Desk) -> Desk:
    desk.bed.regions("us-east-1", REGION)
    return desk


def test_what_a_suspect_set_going_is_stopped_and_nobody_elses(stage: Desk) -> None:
    things = furnish(stage)
    attack(stage, things)
    stage.incident(stage.company.leaked.access_key, **window())
    assert seen(stage, things) == ATTACKED
    planned = stage.contain(check=True, scope=20, clocks="stop")
    assert seen(stage, things) == ATTACKED and {r["why"] for r in planned["clocks"] if r["state"] == "running"} >= {"would be stopped"}
    done = stage.contain(scope=20, clocks="stop")
    assert seen(stage, things) == STOPPED, done["clocks"]
    assert done["problems"] == []
    assert row(done, things["key"])["state"] == "stopped" and row(done, things["key"])["deadline"]
    theirs = row(done, things["theirs"])
    assert (theirs["state"], theirs["why"]) == ("running", "not a suspect's: left alone") and theirs["deadline"] and "bob" in theirs["what"]
    assert row(done, things["lost"])["state"] == "failed" and "without recovery" in row(done, things["lost"])["why"]
    assert row(done, "rule nuke")["deadline"].endswith("T00:00:00Z") and not [r for r in done["clocks"] if "rule logs" in r["object"]]
    blind = row(done, "logging stopped")["what"]
    assert "blind from 20" in blind and " to 20" in blind
    assert not [o for o in done["open"] if things["theirs"] in o["object"]]
    calls = [c["operation"] for c in stage.bed.calls() if c["mutating"] and "incident-responder" in c["principal"]]
    assert calls.index("PutUserPolicy") < calls.index("StartLogging") < calls.index("CancelKeyDeletion")
    lines = [line for line in table.lines(done, "") if line.startswith("  CLOCK ")]
    dates = [line.split()[1] for line in lines if line.split()[1].startswith("20")]
    assert dates == sorted(dates) and len(dates) >= 4 and len(lines) == len(done["clocks"])
    again = stage.contain(scope=20, clocks="stop")
    assert again["changed_count"] == 0 and seen(stage, things) == STOPPED
    assert row(again, things["key"])["state"] == "stopped" and row(again, "rule nuke")["state"] == "stopped"
    released = stage.restore()  # what the suspect set going stays stopped, with a word
    assert seen(stage, things) == STOPPED and {r["kind"] for r in released["open"] if "fleet" in r["object"] or "group" in r["object"]} == {
        "kept"
    }
    assert [r for r in released["open"] if things["key"] in r["object"] and r["kind"] == "irreversible"]
    root(stage, "ecs").update_service(cluster="mine", service="xmr", desiredCount=1)  # its owner, it turns out
    looked = stage.contain(scope=20, clocks="stop")
    assert row(looked, "ECS service")["state"] == "running" and "set it going again" in row(looked, "ECS service")["why"]
    assert seen(stage, things)["fleets"] == (0, 0, 0, 1) and [o for o in looked["open"] if "ECS service" in o["object"]]
    root(stage, "ecs").update_service(cluster="mine", service="xmr", desiredCount=0)
    stage.false_positive(stage.company.leaked.access_key)
    once = {**ATTACKED, **{name: STOPPED[name] for name in ("key", "secret", "logging", "recording")}}
    assert seen(stage, things) == once  # a verdict schedules no deletion, and stops no logging


HOSTILE = "x {{ 7 * 7 }} \u202eoops"


def test_what_cannot_be_stopped_is_named_and_the_others_go_on(stage: Desk) -> None:
    """KMS refuses; a secret is protected, another's name is used again; a rule's name is hostile; fleets that may be the owner's wait for a person; then only a list."""
    things = furnish(stage)
    attack(stage, things)
    rule = {**DAY, "ID": HOSTILE}
    thief(stage, "s3").put_bucket_lifecycle_configuration(Bucket=things["bucket"], LifecycleConfiguration={"Rules": [LOGS, rule]})
    other = root(stage, "secretsmanager").create_secret(Name="api", SecretString="new")["ARN"]
    denied = {"Effect": "Deny", "Action": ["kms:CancelKeyDeletion", "logs:DescribeLogGroups"], "Resource": "*"}
    root(stage, "iam").put_role_policy(RoleName="incident-responder", PolicyName="narrow", PolicyDocument=document(denied))
    stage.incident(stage.company.leaked.access_key, protected=[things["secret"]])
    listed = stage.contain_below(scope=20, hold="1s", clocks="list")
    assert seen(stage, things)["logging"] is False and {r["state"] for r in listed["clocks"]} <= {"running", "unknown", "failed"}
    assert stage.contain_below(scope=20, hold="1s", clocks="none")["clocks"] == []
    done = stage.contain_below(scope=20, hold="1s", clocks="stop")
    now = seen(stage, things)
    assert {**now, "rules": 0} == {
        **STOPPED,
        "key": "PendingDeletion",
        "retention": 1,
        "fleets": ATTACKED["fleets"],
        "secret": True,
        "rules": 0,
    }
    assert "protects it" in row(done, things["secret"])["why"]
    assert now["rules"]["logs"] == "Enabled" and [v for k, v in now["rules"].items() if k != "logs"] == ["Disabled"]
    assert done["status"] == "partial" and status_of(done, "user/ci-deploy")["action"] == "contained"
    (problem,) = done["problems"]
    assert things["key"] in problem["object"] and problem["operation"] == "kms:CancelKeyDeletion"
    assert "administer it (or AWS Support)" in problem["remedy"] and "before 20" in problem["remedy"]
    key = row(done, things["key"])
    assert key["state"] == "failed" and key["deadline"] and "AccessDenied" in key["why"]
    assert row(done, "/app/orders")["state"] == "unknown" and [o for o in done["open"] if "/app/orders" in o["object"]]
    lost = row(done, things["lost"])
    assert lost["state"] == "failed" and other in lost["why"]
    for fleet in ("auto-scaling group m", "ECS service mine/xmr"):
        assert row(done, fleet)["state"] == "running" and "window.start" in row(done, fleet)["why"]
    (line,) = [line for line in table.lines(done, "") if "7 * 7" in line and "CLOCK" in line]
    assert "\u202e" in line and "\u202e" not in raw.printable(line, 2000)  # as the action plugin prints it


def test_killed_around_a_call_the_next_run_ends_right(stage: Desk) -> None:
    things = furnish(stage)
    attack(stage, things)
    stage.incident(stage.company.leaked.access_key, **window())
    for when, operation in (("before", "StartLogging"), ("after", "CancelKeyDeletion")):
        child = Child(stage.bed, {"module": "aws_contain", "params": {"incident": str(stage.file), "hold": "0", "scope": 20}})
        stage.bed.rule(when, operation=operation, at=1, pgid=child.pgid)
        assert child.go()[0] == -9, operation
        stage.bed.clear_rules()
    done = stage.contain(scope=20, clocks="stop")
    assert seen(stage, things) == STOPPED and done["problems"] == []
    assert stage.contain(scope=20, clocks="stop")["changed_count"] == 0 and stage.verified()
    released = stage.restore()
    assert [
        r for r in released["open"] if things["key"] in r["object"] and r["kind"] == "irreversible"
    ]  # known, though its answer was never read
    assert seen(stage, things) == STOPPED
