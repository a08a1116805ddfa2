"""What the enforcing bed does not have of clocks: GuardDuty, event data stores, fleets that can be changed; and that AWS's models take every request."""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import clocks, release, stop_clocks
from ansible_collections.evict.cloud.plugins.module_utils.aws.clocks import bucket_lifecycle, kms_key, secret, trail
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.aws.session import Aws
from ansible_collections.evict.cloud.plugins.module_utils.common import edits, plan
from ansible_collections.evict.cloud.plugins.module_utils.common.chain import Job
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Phase, Target
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from ansible_collections.evict.cloud.plugins.module_utils.common.run import Done, Runner
from ansible_collections.evict.cloud.plugins.plugin_utils import table
from tests.integration.helpers import environment
from tests.tools import permissions
from tests.unit.aws.modelled_cloud import ModelledCloud, valid_call
from tests.unit.common.fake_cloud import Journal

A = "111122223333"
HERE = Target("aws", A, "eu-west-1")
USER = Principal(A, "user", "ci", "AIDA", f"arn:aws:iam::{A}:user/ci", "")
KEY = f"arn:aws:kms:eu-west-1:{A}:key/11111111-2222-3333-4444-555555555555"
AT = "2026-11-28T09:00:00Z"


def call(
    source: str, name: str, request: Any = None, answer: Any = None, *, at: str = AT, mine: bool = True, doubt: str = ""
) -> clocks.Started:
    who = {"type": "IAMUser", "arn": USER.arn if mine else f"arn:aws:iam::{A}:user/bob", "accessKeyId": "AKIACI"}
    event = {"eventSource": f"{source}.amazonaws.com", "eventName": name, "userIdentity": who, "requestParameters": request, "responseElements": answer,
             "awsRegion": "eu-west-1", "recipientAccountId": A, "eventTime": at, "eventID": f"{name}{at}{mine}"}  # fmt: skip
    return clocks.Started(event, USER.arn if mine else "", doubt)


def look(cloud: Any, kind: Any, *started: clocks.Started) -> list[clocks.Clock]:
    return list(kind.found(HERE, list(started), Reader({"aws": cloud})))


def stop(cloud: Any, kind: Any, found: clocks.Clock) -> plan.Step:
    """Carry it out: nothing fails, and it is read back."""
    runner = Runner({"aws": cloud}, Journal())
    runner.add(found.principal, A, [Job(Phase.RESOURCE, lambda _r: kind.steps(found))])
    runner.wait()
    runner.close()
    (done,) = runner.done.values()
    assert done.status == "done" and runner.failures == [], done
    return done.step


# -- the registry -----------------------------------------------------------------------------------------------------------------


def test_the_registry_holds_every_file_of_its_folder() -> None:
    files = {path.stem for path in Path(clocks.__file__).parent.glob("*.py")} - {"__init__", "kind"}
    assert {kind.__name__.rsplit(".", 1)[-1] for kind in clocks.KINDS.values()} == files
    for name, kind in clocks.KINDS.items():
        assert name == kind.KIND and kind.NOUN and kind.READS and set(kind.LISTED) <= {event for _source, event in kind.EVENTS}


def test_every_request_is_one_that_the_models_take_and_every_step_comes_back_or_says_why_not() -> None:
    seen = set()
    for made in permissions.runs():
        for step in made.steps if made.generator.startswith("clocks.") else ():
            assert bool(step.undo) != bool(step.irreversible) and step.optional and clocks.CLOCK in step.id and step.probe
            for action in (*step.do, *step.undo, step.probe.call):
                if isinstance(action, Call):
                    valid_call(action)
                    seen.add(action.name)
    assert {"ec2:ModifyFleet", "ec2:ModifySpotFleetRequest", "guardduty:UpdateDetector", "cloudtrail:RestoreEventDataStore"} <= seen


# -- keys and secrets ---------------------------------------------------------------------------------------------------------------


def described(state: str, **more: Any) -> dict[str, Any]:
    return {"KeyMetadata": {"KeyId": KEY.rsplit("/", 1)[-1], "KeyState": state, **more}}


def scheduled(**more: Any) -> clocks.Started:
    return call("kms", "ScheduleKeyDeletion", {"keyId": KEY.rsplit("/", 1)[-1]}, **more)


def test_who_scheduled_a_deletion_last_decides() -> None:
    cloud = ModelledCloud(DescribeKey=described("PendingDeletion", DeletionDate="2026-12-05T09:00:00Z"))
    (mine,) = look(cloud, kms_key, scheduled(mine=False), scheduled(at="2026-11-28T10:00:00Z"))
    assert (mine.principal, mine.why, mine.deadline, mine.id) == (USER.arn, "", "2026-12-05T09:00:00Z", KEY)
    (theirs,) = look(cloud, kms_key, scheduled(), scheduled(at="2026-11-28T10:00:00Z", mine=False))
    assert theirs.principal == "" and "left alone" in theirs.why and "bob" in theirs.what


@pytest.mark.parametrize(
    ("answer", "state", "word"),
    [
        (described("Disabled"), "stopped", "stays disabled"), (described("Enabled"), "stopped", "Enabled"), ("NotFoundException", "failed", "lost"),
        ("AccessDeniedException", "unknown", "AccessDenied"),
    ],
)  # fmt: skip
def test_a_key_that_is_not_pending_or_not_known(answer: Any, state: str, word: str) -> None:
    (found,) = look(ModelledCloud(DescribeKey=answer), kms_key, scheduled())
    assert found.state == state and word in found.why
    assert look(ModelledCloud(DescribeKey="NotFoundException"), kms_key, scheduled(mine=False)) == []


def test_key_material_that_is_gone_is_for_whoever_holds_it() -> None:
    deleted = call("kms", "DeleteImportedKeyMaterial", {"keyId": KEY})
    (found,) = look(ModelledCloud(DescribeKey=described("PendingImport")), kms_key, deleted)
    assert found.state == "running" and "import it again" in found.why
    assert look(ModelledCloud(DescribeKey=described("Enabled")), kms_key, deleted) == []


def test_a_secret_of_which_nothing_is_known_is_unknown() -> None:
    arn = f"arn:aws:secretsmanager:eu-west-1:{A}:secret:db-AbCdEf"
    (found,) = look(
        ModelledCloud(DescribeSecret="InternalServiceError"),
        secret,
        call("secretsmanager", "DeleteSecret", {"secretId": "db"}, {"aRN": arn}),
    )
    assert (found.state, found.id) == ("unknown", arn)


# -- lifecycle ------------------------------------------------------------------------------------------------------------------------

_XML = {"ID": "a", "Filter": {"And": {"Prefix": "x/", "Tag": {"Key": "k", "Value": "v"}}}, "Status": "Enabled", "Transition": {"Days": 30, "StorageClass": "GLACIER"},
        "Expiration": {"Date": "2026-12-01T00:00:00.000Z"}}  # fmt: skip
_API = {"ID": "a", "Filter": {"And": {"Prefix": "x/", "Tags": [{"Key": "k", "Value": "v"}]}}, "Status": "Disabled",
        "Transitions": [{"Days": 30, "StorageClass": "GLACIER"}], "Expiration": {"Date": "2026-12-01T00:00:00Z"}}  # fmt: skip


def test_a_rule_is_known_again_as_the_log_and_as_the_api_say_it() -> None:
    assert bucket_lifecycle.shape(_XML) == bucket_lifecycle.shape(_API)
    assert bucket_lifecycle.shape(_XML) != bucket_lifecycle.shape({**_API, "Expiration": {"Days": 1}})
    assert bucket_lifecycle.shape({"ID": "n", "Filter": "", "Expiration": {"Days": "1"}}) == bucket_lifecycle.shape(
        {"ID": "n", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"Expiration": {"Days": 1}}, "2026-11-29T00:00:00Z"), ({"NoncurrentVersionExpiration": {"NoncurrentDays": 9}}, "2026-11-29T00:00:00Z"),
        ({"Expiration": {"Date": "2026-12-01T00:00:00Z"}}, "2026-12-01T00:00:00Z"), ({"Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}, ""),
    ],
)  # fmt: skip
def test_a_rule_acts_at_midnight_at_the_earliest(rule: Any, expected: str) -> None:
    assert bucket_lifecycle.deadline(rule, AT) == expected


def wrote(*rules: Any, **more: Any) -> clocks.Started:
    return call(
        "s3",
        "PutBucketLifecycle",
        {"bucketName": "logs", "LifecycleConfiguration": {"Rule": list(rules) if len(rules) > 1 else rules[0]}},
        **more,
    )


NUKE = {"ID": "nuke", "Filter": {"Prefix": ""}, "Status": "Enabled", "Expiration": {"Days": 1}}
KEEP = {"ID": "keep", "Filter": {"Prefix": "x"}, "Status": "Enabled", "Expiration": {"Days": 400}}


def history(*others: clocks.Started) -> dict[str, Any]:
    return {"Events": [{"CloudTrailEvent": json.dumps(one.event)} for one in others]}


def rules_of(*rules: Any) -> dict[str, Any]:
    return {"Rules": list(rules)}


def lifecycle(now: Any, log: Any, *started: clocks.Started) -> dict[str, tuple[str, bool]]:
    """{rule: (state, whether it is suspended here)}"""
    found = look(ModelledCloud(GetBucketLifecycleConfiguration=now, LookupEvents=log), bucket_lifecycle, *started)
    return {str(c.data.get("rule")): (c.state, not c.why) for c in found}


def test_which_rules_are_the_suspects() -> None:
    yes, no = ("running", True), ("running", False)
    assert lifecycle(rules_of(NUKE, KEEP), history(wrote(KEEP, at="2026-11-01T00:00:00Z", mine=False)), wrote(NUKE, KEEP)) == {"nuke": yes}
    short = {**KEEP, "Expiration": {"Days": 1}}  # the owner's rule, made deadly
    assert lifecycle(rules_of(short), history(wrote(KEEP, at="2026-11-01T00:00:00Z", mine=False)), wrote(short)) == {"keep": yes}
    assert lifecycle(rules_of(NUKE), history(), wrote(NUKE)) == {"nuke": yes}
    assert lifecycle(rules_of({**NUKE, "Status": "Disabled"}), history(), wrote(NUKE)) == {"nuke": ("stopped", False)}
    again = wrote(NUKE, KEEP, at="2026-11-28T11:00:00Z")  # set going again, after the responder had suspended it
    suspended = wrote({**NUKE, "Status": "Disabled"}, KEEP, at="2026-11-28T10:00:00Z", mine=False)
    owners = wrote(KEEP, at="2026-11-01T00:00:00Z", mine=False)
    assert lifecycle(rules_of(NUKE, KEEP), history(suspended, owners), wrote(NUKE, KEEP), again) == {"nuke": yes}
    between = {**KEEP, "ID": "new"}  # the owner's, written between two writes of the suspect
    added = wrote(NUKE, KEEP, between, at="2026-11-28T10:00:00Z", mine=False)
    then = wrote(NUKE, KEEP, between, at="2026-11-28T11:00:00Z")
    assert lifecycle(rules_of(NUKE, KEEP, between), history(added, owners), wrote(NUKE, KEEP), then) == {"nuke": yes}
    later = {**NUKE, "Expiration": {"Days": 365}}  # put right by somebody since, under its name
    assert lifecycle(rules_of(later), history(wrote(later, at="2026-11-28T12:00:00Z", mine=False)), wrote(NUKE)) == {}
    assert lifecycle(rules_of(later), "ThrottlingException", wrote(NUKE)) == {"nuke": no}  # nobody knows who
    assert lifecycle(rules_of(NUKE), "ThrottlingException", wrote(NUKE)) == {"nuke": yes}  # word for word the suspect's
    assert lifecycle("NoSuchBucket", history(), wrote(NUKE)) == {} and lifecycle(rules_of(NUKE), history(), wrote(NUKE, mine=False)) == {}
    assert lifecycle("AccessDenied", history(), wrote(NUKE)) == {"None": ("unknown", False)}


def test_what_was_perhaps_there_before_is_suspended_and_said_so() -> None:
    """Each write replaces all rules, so the owner's are carried along; where no write from before is known, nobody can tell."""

    def carried(log: Any, *started: clocks.Started) -> dict[str, bool]:
        cloud = ModelledCloud(GetBucketLifecycleConfiguration=rules_of(NUKE, KEEP), LookupEvents=log)
        return {str(c.data["rule"]): bool(c.data["carried"]) for c in look(cloud, bucket_lifecycle, *started)}

    assert carried(history(), wrote(NUKE, KEEP)) == {"nuke": True, "keep": True}
    assert carried(history(wrote(KEEP, at="2026-11-01T00:00:00Z", mine=False)), wrote(NUKE, KEEP)) == {"nuke": False}
    assert carried(history(), wrote(KEEP), wrote(NUKE, KEEP, at="2026-11-28T11:00:00Z")) == {"keep": True, "nuke": False}
    endless = {**history(wrote(KEEP, at="2026-11-01T00:00:00Z", mine=False)), "NextToken": "more"}
    assert carried(endless, wrote(NUKE, KEEP)) == {"nuke": True, "keep": True}  # the oldest writes are not read
    cloud = ModelledCloud(GetBucketLifecycleConfiguration=rules_of(NUKE), LookupEvents=history())
    (found,) = look(cloud, bucket_lifecycle, wrote(NUKE))
    (step,) = bucket_lifecycle.steps(found)
    assert "carried along" in found.what and step.action == clocks.CARRIED
    runner = SimpleNamespace(check=False, done={step.id: Done(step, "done")})
    it = stop_clocks.Clocks(SimpleNamespace(runner=runner, case=SimpleNamespace(history={})))  # type: ignore[arg-type]
    it.found["x"] = (clocks.KINDS["bucket_lifecycle"], found)
    assert [r["state"] for r in it.rows()] == ["stopped"] and "Enable it by hand if it is theirs" in it.open_items()[0]["why"]
    runner.done, it.run.case.history = {}, {step.id: {"made": True}}  # type: ignore[misc]
    it.found["x"] = (clocks.KINDS["bucket_lifecycle"], dataclasses.replace(found, state="stopped", why="suspended"))
    assert "Enable it by hand if it is theirs" in it.open_items()[0]["why"]


def test_a_release_leaves_what_was_stopped_and_says_which_may_be_the_owners() -> None:
    steps = {}
    for log in (history(), history(wrote(KEEP, at="2026-11-01T00:00:00Z", mine=False))):
        cloud = ModelledCloud(GetBucketLifecycleConfiguration=rules_of(NUKE), LookupEvents=log)
        (found,) = look(cloud, bucket_lifecycle, wrote(NUKE))
        (step,) = bucket_lifecycle.steps(found)
        steps[step.action] = step
    case = SimpleNamespace(notes=lambda _kind: [], incident=SimpleNamespace(policy_name=lambda p: p))
    it: Any = SimpleNamespace(order=SimpleNamespace(false_positive=False, purposes=()), case=case, _known=[], _purpose=lambda _step: "")
    kept = {action: release.Release._kept(it, step, []) for action, step in steps.items()}
    assert kept == {clocks.CARRIED: ("kept", clocks.PERHAPS, None), "suspend the rule": ("kept", clocks.KEPT, None)}


def test_however_many_buckets_the_log_is_asked_once() -> None:
    cloud = ModelledCloud(GetBucketLifecycleConfiguration=rules_of(NUKE), LookupEvents=history())
    many = [wrote(NUKE, at=f"2026-11-28T09:00:{n:02}Z") for n in range(9)]
    for n, one in enumerate(many):
        one.event["requestParameters"]["bucketName"] = f"b{n}"  # type: ignore[index]
    assert len(look(cloud, bucket_lifecycle, *many)) == 9 and len(cloud.asked("LookupEvents")) == 1


def test_the_edit_touches_one_status() -> None:
    document = {"Rules": [NUKE, KEEP], "TransitionDefaultMinimumObjectSize": "varies_by_storage_class"}
    after = edits.apply("set_rule_status", document, {"rule": "nuke", "status": "Disabled"})
    assert after == {**document, "Rules": [{**NUKE, "Status": "Disabled"}, KEEP]} and document["Rules"] == [NUKE, KEEP]
    assert edits.apply("set_rule_status", document, {"rule": "gone", "status": "Disabled"}) == document
    assert edits.apply("set_rule_status", None, {"rule": "nuke", "status": "Disabled"}) is None
    assert edits.apply("set_rule_status", after, {"rule": "nuke", "status": "Enabled"}) == document


# -- logging --------------------------------------------------------------------------------------------------------------------------


def test_a_trail_that_logs_to_nowhere_is_told() -> None:
    status = {"IsLogging": True, "StartLoggingTime": "2026-11-28T10:00:00Z", "LatestDeliveryError": "NoSuchBucket"}
    logs, delivery = look(
        ModelledCloud(GetTrailStatus=status),
        trail,
        call("cloudtrail", "StopLogging", {"name": f"arn:aws:cloudtrail:eu-west-1:{A}:trail/org"}),
    )
    assert logs.state == "stopped" and logs.data["until"] == "2026-11-28T10:00:00Z" and logs.id == "org/logging"
    assert delivery.state == "running" and "NoSuchBucket" in delivery.why and "bucket's policy" in delivery.why


def test_a_trail_that_is_gone_or_moved_is_for_a_hand() -> None:
    (gone,) = look(ModelledCloud(GetTrail="TrailNotFoundException"), trail, call("cloudtrail", "DeleteTrail", {"name": "org"}))
    assert gone.state == "running" and "create it anew" in gone.why
    made = call("cloudtrail", "CreateTrail", {"name": "org", "s3BucketName": "audit", "isMultiRegionTrail": True}, mine=False)
    cloud = ModelledCloud(GetTrail="TrailNotFoundException", LookupEvents=history(made))
    (gone,) = look(cloud, trail, call("cloudtrail", "DeleteTrail", {"name": "org"}))
    assert "made with isMultiRegionTrail True, s3BucketName audit" in gone.why
    (back,) = look(ModelledCloud(GetTrail={"Trail": {"Name": "org"}}), trail, call("cloudtrail", "DeleteTrail", {"name": "org"}))
    assert back.state == "stopped"
    (moved,) = look(
        ModelledCloud(GetTrail={"Trail": {"Name": "org"}}),
        trail,
        call("cloudtrail", "UpdateTrail", {"name": "org", "s3BucketName": "evil"}),
    )
    assert "s3BucketName evil" in moved.what and "by hand" in moved.why
    (unknown,) = look(ModelledCloud(GetTrail="AccessDeniedException"), trail, call("cloudtrail", "UpdateTrail", {"name": "org"}))
    assert unknown.state == "unknown"


@pytest.mark.parametrize(
    ("now", "after"),
    [
        ({"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True, "ExcludeManagementEventSources": ["kms.amazonaws.com"], "DataResources": []}]},
         {"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True, "ExcludeManagementEventSources": [], "DataResources": []}]}),
        ({"AdvancedEventSelectors": [{"Name": "d", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}]}]},
         None),
        ({}, {"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True, "ExcludeManagementEventSources": []}]}),
    ],
)  # fmt: skip
def test_management_events_are_logged_again_and_data_selectors_stay(now: Any, after: Any) -> None:
    state = dict(now)

    def put(parameters: dict[str, Any]) -> dict[str, Any]:
        state.clear()
        state.update({k: v for k, v in parameters.items() if k != "TrailName"})
        return {}

    cloud = ModelledCloud(GetEventSelectors=lambda _p: dict(state), PutEventSelectors=put)
    written = call("cloudtrail", "PutEventSelectors", {"trailName": "org"})
    (found,) = look(cloud, trail, written)
    step = stop(cloud, trail, found)
    assert trail.logs_management(state) and (after is None or state == after)
    assert after is not None or state["AdvancedEventSelectors"][0] == now["AdvancedEventSelectors"][0]
    (again,) = look(cloud, trail, written)
    assert again.state == "stopped" and bool(step.undo) == bool(now)


def test_logs_that_were_deleted_are_named() -> None:
    kind = clocks.KINDS["log_retention"]
    nested = {"DeleteFlowLogsRequest": {"FlowLogId": {"tag": 1, "content": "fl-0123456789abcdef0"}}}
    group, flow = look(ModelledCloud(), kind, call("logs", "DeleteLogGroup", {"logGroupName": "g"}), call("ec2", "DeleteFlowLogs", nested))
    assert "lost" in group.why and "fl-0123456789abcdef0" in flow.text and group.state == flow.state == "failed"
    assert look(ModelledCloud(), kind, call("ec2", "DeleteFlowLogs", nested, mine=False)) == []


def switching(field: str, off: Any, on: Any) -> tuple[dict[str, Any], Any]:
    state = {field: off}

    def switch(_parameters: dict[str, Any]) -> dict[str, Any]:
        state[field] = on
        return {}

    return state, switch


def test_a_suspended_detector_is_enabled() -> None:
    state, switch = switching("Status", "DISABLED", "ENABLED")
    cloud = ModelledCloud(GetDetector=lambda _p: {"ServiceRole": "arn:x", **state}, UpdateDetector=switch)
    suspended = call("guardduty", "UpdateDetector", {"detectorId": "d" * 32, "enable": False})
    kind = clocks.KINDS["detector"]
    (found,) = look(cloud, kind, suspended)
    assert stop(cloud, kind, found).irreversible and state == {"Status": "ENABLED"}
    (again,) = look(cloud, kind, suspended)
    assert again.state == "stopped"
    features = {"detectorId": "d" * 32, "features": [{"name": "S3_DATA_EVENTS", "status": "DISABLED"}]}
    (off,) = look(cloud, kind, call("guardduty", "UpdateDetector", features))
    assert off.state == "running" and "S3_DATA_EVENTS" in off.what and "by hand" in off.why
    (gone,) = look(cloud, kind, call("guardduty", "DeleteDetector", {"detectorId": "d" * 32}))
    assert gone.state == "running" and "create it" in gone.why


@pytest.mark.parametrize(
    ("status", "operation"), [("PENDING_DELETION", "RestoreEventDataStore"), ("STOPPED_INGESTION", "StartEventDataStoreIngestion")]
)
def test_an_event_data_store_comes_back(status: str, operation: str) -> None:
    arn = f"arn:aws:cloudtrail:eu-west-1:{A}:eventdatastore/11111111-2222-3333-4444-555555555555"
    state, switch = switching("Status", status, "ENABLED")
    cloud = ModelledCloud(GetEventDataStore=lambda _p: {"EventDataStoreArn": arn, **state}, **{operation: switch})
    deleted = call("cloudtrail", "DeleteEventDataStore", {"eventDataStore": arn.rsplit("/", 1)[-1]})
    kind = clocks.KINDS["event_data_store"]
    (found,) = look(cloud, kind, deleted)
    assert found.deadline == ("2026-12-05T09:00:00Z" if "PENDING" in status else "")
    stop(cloud, kind, found)
    (again,) = look(cloud, kind, deleted)
    assert again.state == "stopped" and len(cloud.asked(operation)) == 1


# -- fleets -----------------------------------------------------------------------------------------------------------------------------


def test_a_fleet_is_set_to_0_and_one_that_serves_or_is_doubted_is_not() -> None:
    kind, asked = clocks.KINDS["compute_fleet"], {"TotalTargetCapacity": 5}
    fleet = {"FleetId": "fleet-1", "FleetState": "active", "Type": "maintain", "TargetCapacitySpecification": asked}

    def modify(parameters: dict[str, Any]) -> dict[str, Any]:
        asked.update(parameters["TargetCapacitySpecification"])
        return {"Return": True}

    cloud = ModelledCloud(DescribeFleets=lambda _p: {"Fleets": [fleet]}, ModifyFleet=modify)
    made = call("ec2", "CreateFleet", {}, {"CreateFleetResponse": {"fleetId": "fleet-1"}})
    (found,) = look(cloud, kind, made)
    assert "asks for 5" in found.what
    step = stop(cloud, kind, found)
    assert asked == {"TotalTargetCapacity": 0}
    (again,) = look(cloud, kind, made)
    assert again.state == "stopped"
    cloud.call(step.undo[0])  # type: ignore[arg-type]
    assert asked == {"TotalTargetCapacity": 5}
    (doubted,) = look(cloud, kind, call("ec2", "CreateFleet", {}, {"fleetId": "fleet-1"}, doubt="the owner's?"))
    assert doubted.why == "the owner's?"
    fleet["Type"] = "instant"
    assert "isolation" in look(cloud, kind, made)[0].why


@pytest.mark.parametrize(
    ("more", "why"), [({"TargetGroupARNs": ["arn:tg"]}, "load balancer"), ({"LoadBalancerNames": ["lb"]}, "load balancer"), ({}, "")]
)
def test_a_group_behind_a_load_balancer_is_left(more: Any, why: str) -> None:
    group = {"AutoScalingGroupName": "m", "MinSize": 1, "MaxSize": 2, "DesiredCapacity": 1, "DefaultCooldown": 1, "AvailabilityZones": ["a"], "HealthCheckType": "EC2",
             "CreatedTime": AT, **more}  # fmt: skip
    cloud = ModelledCloud(DescribeAutoScalingGroups={"AutoScalingGroups": [group]})
    (found,) = look(cloud, clocks.KINDS["scaling_group"], call("autoscaling", "CreateAutoScalingGroup", {"autoScalingGroupName": "m"}))
    assert why in found.why and bool(found.why) == bool(why)
    cloud = ModelledCloud(
        DescribeServices={"services": [{"serviceName": "s", "desiredCount": 1, "loadBalancers": [{"containerName": "c"}]}]}
    )
    (service,) = look(cloud, clocks.KINDS["container_service"], call("ecs", "CreateService", {"serviceName": "s"}))
    assert "load balancer" in service.why and service.id == "default/s"


# -- who and when -----------------------------------------------------------------------------------------------------------------------


def doubt(event: dict[str, Any], who: Principal = USER, start: str = "", networks: tuple[str, ...] = ()) -> str:
    window = SimpleNamespace(start=datetime.datetime.fromisoformat(start) if start else None, end=None)
    incident = SimpleNamespace(window=window, opened=datetime.datetime.fromisoformat(AT), trusted=SimpleNamespace(networks=networks))
    run = SimpleNamespace(incident=incident, options=SimpleNamespace(clocks="stop"))
    return stop_clocks.Clocks(run)._doubt(event, who)  # type: ignore[arg-type]


def test_a_fleet_may_be_the_owners() -> None:
    event = {"eventTime": AT, "sourceIPAddress": "198.51.100.7"}
    assert "window.start" in doubt(event) and doubt(event, start="2026-11-28T08:00:00Z") == ""
    assert "outside" in doubt(event, start="2026-11-28T10:00:00Z")
    assert "trusted network" in doubt(event, start="2026-11-28T08:00:00Z", networks=("198.51.100.0/24",))
    assert (
        doubt({**event, "sourceIPAddress": "cloudformation.amazonaws.com"}, start="2026-11-28T08:00:00Z", networks=("198.51.100.0/24",))
        == ""
    )
    assert "window.start" in stop_clocks.Clocks(SimpleNamespace(incident=SimpleNamespace(  # type: ignore[arg-type]
        window=SimpleNamespace(start=None, end=None), trusted=SimpleNamespace(networks=()))))._doubt(event, None)  # fmt: skip
    made = Principal(A, "user", "evil", "AIDA2", f"arn:aws:iam::{A}:user/evil", "", discovered="made by ci", whole=True)
    assert doubt(event, made) == ""


def test_whose_a_call_is() -> None:
    """A contained user's; the suspect's session of a role that is not cut; listed and the suspect's by its key; anybody else's."""
    role = f"arn:aws:iam::{A}:role/incident-responder"
    session = {"arn": f"arn:aws:sts::{A}:assumed-role/incident-responder/evil", "sessionContext": {"sessionIssuer": {"arn": role}}}
    kept = [call("kms", "ScheduleKeyDeletion").event, {**call("cloudtrail", "StopLogging").event, "userIdentity": session, "eventID": "2"}]
    listed = [{**call("secretsmanager", "DeleteSecret", mine=mine).event, "eventID": mine} for mine in (True, False)]
    scope = SimpleNamespace(kept=kept, knows=lambda key, arn: arn == USER.arn)
    incident = SimpleNamespace(window=SimpleNamespace(start=None, end=None), trusted=SimpleNamespace(networks=()))
    it = stop_clocks.Clocks(SimpleNamespace(scope=scope, principals={f"{A}:user/ci": USER}, incident=incident))  # type: ignore[arg-type]
    it._listed = listed
    whose = {kind: [one.principal for one in found] for (_target, kind), found in it._started().items()}
    assert whose == {"kms_key": [USER.arn], "trail": [role], "secret": [USER.arn, ""]}


def test_the_table_has_the_earliest_deadline_first() -> None:
    rows = [
        {"object": o, "what": "w", "deadline": d, "state": "running", "why": ""}
        for o, d in (("c", None), ("b", "2026-12-02T"), ("a", "2026-12-01T"))
    ]
    lines = table.lines({"status": "open", "clocks": rows}, "", preview=True)
    assert [line.split(":")[0].split()[-1] for line in lines if "CLOCK" in line] == ["a", "b", "c"]


# -- moto: requests are understood, and state changes -----------------------------------------------------------------------------------


def test_fleets_detectors_and_stores_on_moto(tmp_path: Path) -> None:
    server_of, boto3 = pytest.importorskip("moto.server"), pytest.importorskip("boto3")
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        nothing = tmp_path / "nothing"
        nothing.write_text("")
        keys = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x" * 20, "AWS_DEFAULT_REGION": "eu-west-1", "AWS_CONFIG_FILE": str(nothing),
                "AWS_SHARED_CREDENTIALS_FILE": str(nothing), "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": f"http://{host}:{port}"}  # fmt: skip
        with environment(keys):
            _on_moto(Aws({}), lambda name: boto3.client(name, region_name="eu-west-1"))
    finally:
        server.stop()


def _on_moto(aws: Any, client: Any) -> None:
    scaling, ec2, guard, ecs = (client(name) for name in ("autoscaling", "ec2", "guardduty", "ecs"))
    scaling.create_launch_configuration(LaunchConfigurationName="m", ImageId="ami-12c6146b", InstanceType="t3.micro")
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="m", LaunchConfigurationName="m", MinSize=1, MaxSize=3, DesiredCapacity=2, AvailabilityZones=["eu-west-1a"]
    )
    detector = guard.create_detector(Enable=True)["DetectorId"]
    guard.update_detector(DetectorId=detector, Enable=False)
    specification = {"ImageId": "ami-12c6146b", "InstanceType": "t3.micro"}
    spot = ec2.request_spot_fleet(
        SpotFleetRequestConfig={
            "TargetCapacity": 2,
            "AllocationStrategy": "lowestPrice",
            "IamFleetRole": "arn:aws:iam::123456789012:role/fleet",
            "LaunchSpecifications": [specification],
        }
    )["SpotFleetRequestId"]
    ecs.create_cluster(clusterName="c")
    ecs.register_task_definition(family="x", containerDefinitions=[{"name": "x", "image": "x", "memory": 64}])
    ecs.create_service(cluster="c", serviceName="s", taskDefinition="x", desiredCount=2)
    started = {
        "scaling_group": call("autoscaling", "CreateAutoScalingGroup", {"autoScalingGroupName": "m"}),
        "detector": call("guardduty", "UpdateDetector", {"detectorId": detector, "enable": False}),
        "compute_fleet": call("ec2", "RequestSpotFleet", {}, {"spotFleetRequestId": spot}),
        "container_service": call("ecs", "CreateService", {"cluster": "c", "serviceName": "s"}),
    }
    here = Target("aws", "123456789012", "eu-west-1")
    for name, one in started.items():
        kind = clocks.KINDS[name]
        (found,) = kind.found(here, [one], Reader({"aws": aws}))
        assert found.state == "running" and not found.why, found
        stop(aws, kind, found)
        (again,) = kind.found(here, [one], Reader({"aws": aws}))
        assert again.state == "stopped", again
    (group,) = scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    assert (group["MinSize"], group["MaxSize"], group["Instances"]) == (0, 0, [])
    assert guard.get_detector(DetectorId=detector)["Status"] == "ENABLED"
    with pytest.raises(CloudError):
        aws.call(Call(here, "guardduty", "GetDetector", {"DetectorId": "0" * 32}))
