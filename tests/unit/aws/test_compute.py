"""Isolation of compute, against answers and requests that AWS's own models check: order, kills, tasks, and what is gone."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import types
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import compute, isolation
from ansible_collections.evict.cloud.plugins.module_utils.aws.compute import chosen, instance, metadata, task
from ansible_collections.evict.cloud.plugins.module_utils.aws.compute.chosen import Wanted
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.aws.workloads import Workload
from ansible_collections.evict.cloud.plugins.module_utils.common import incident as incidents
from ansible_collections.evict.cloud.plugins.module_utils.common import plan
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError, InvalidInput, Refused
from ansible_collections.evict.cloud.plugins.module_utils.common.guard import Guard
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Target
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from ansible_collections.evict.cloud.plugins.module_utils.common.run import Runner
from ansible_collections.evict.cloud.plugins.plugin_utils import table
from tests.tools import permissions
from tests.unit.aws.modelled_cloud import ModelledCloud, valid_call
from tests.unit.common.fake_cloud import Journal

A, REGION = "111122223333", "eu-west-1"
HERE = Target("aws", A, REGION)
ID = "i-0123456789abcdef0"
ARN = f"arn:aws:ec2:{REGION}:{A}:instance/{ID}"
ROLE, PROFILE = f"arn:aws:iam::{A}:role/web", f"arn:aws:iam::{A}:instance-profile/web"
NOW = datetime.datetime(2026, 1, 22, 9, 0, tzinfo=datetime.UTC)


class Killed(BaseException):
    """What the process dies of."""


class Ec2(ModelledCloud):
    """One instance with a disk, two interfaces, a group, a target group and a profile; its state changes. ``kill``: (operation, after the answer)."""

    def __init__(self, kill: tuple[str, bool] | None = None, **more: Any) -> None:
        self.snapshots: list[str] = []
        self.groups: dict[str, dict[str, Any]] = {}
        self.rules: dict[str, list[dict[str, Any]]] = {}
        self.interfaces = {"eni-1": ["sg-web"], "eni-2": ["sg-web", "sg-ssh"]}
        self.protected, self.deletes, self.member, self.target, self.profile, self.state = False, True, True, True, True, "running"
        self.kill = kill
        self.counted = 0
        super().__init__(
            DescribeInstances=lambda _p: {"Reservations": [{"Instances": [self._instance()]}]},
            GetInstanceProfile={"InstanceProfile": {"Path": "/", "InstanceProfileName": "web", "InstanceProfileId": "AIPAEXAMPLEEXAMPLE1", "Arn": PROFILE,
                "CreateDate": "2025-01-01T00:00:00Z", "Roles": [{"Path": "/", "RoleName": "web", "RoleId": "AROAEXAMPLEEXAMPLE1", "Arn": ROLE,
                "CreateDate": "2025-01-01T00:00:00Z"}]}},
            DescribeSnapshots=lambda _p: {"Snapshots": [{"SnapshotId": s} for s in self.snapshots]},
            CreateSnapshot=lambda _p: self._made(self.snapshots, "snap"),
            DescribeInstanceAttribute=lambda _p: {"DisableApiTermination": {"Value": self.protected}},
            ModifyInstanceAttribute=self._modify,
            DescribeAutoScalingInstances=lambda _p: {"AutoScalingInstances": [{"InstanceId": ID, "LifecycleState": "InService", "HealthStatus": "Healthy",
                "AutoScalingGroupName": "web", "AvailabilityZone": "eu-west-1a", "ProtectedFromScaleIn": False}] if self.member else []},
            DetachInstances=lambda _p: self._set(member=False), AttachInstances=lambda _p: self._set(member=True),
            DescribeTargetGroups={"TargetGroups": [{"TargetGroupArn": "arn:tg/web", "VpcId": "vpc-1", "TargetType": "instance"}]},
            DescribeTargetHealth=lambda _p: {"TargetHealthDescriptions": [
                {"Target": {"Id": ID, "Port": 80}, "TargetHealth": {"State": "healthy" if self.target else "draining"}}]},
            DeregisterTargets=lambda _p: self._set(target=False), RegisterTargets=lambda _p: self._set(target=True),
            DescribeSecurityGroups=self._groups, CreateSecurityGroup=self._group,
            DeleteSecurityGroup=lambda p: self.groups.pop(p["GroupId"]) and {},
            DescribeSecurityGroupRules=lambda p: {"SecurityGroupRules": self.rules.get(p["Filters"][0]["Values"][0], [])},
            AuthorizeSecurityGroupIngress=lambda p: self._allow(p, False), AuthorizeSecurityGroupEgress=lambda p: self._allow(p, True),
            RevokeSecurityGroupEgress=lambda p: self.rules.update({p["GroupId"]: []}) or {},
            DescribeNetworkInterfaces=self._interfaces, ModifyNetworkInterfaceAttribute=self._regroup,
            DescribeIamInstanceProfileAssociations=lambda _p: {"IamInstanceProfileAssociations": [{"AssociationId": "iip-1", "InstanceId": ID,
                "IamInstanceProfile": {"Arn": PROFILE}, "State": "associated"}] if self.profile else []},
            DisassociateIamInstanceProfile=lambda _p: self._set(profile=False), AssociateIamInstanceProfile=lambda _p: self._set(profile=True),
            StopInstances=lambda _p: self._set(state="stopped"), StartInstances=lambda _p: self._set(state="running"), **more,
        )  # fmt: skip

    def call(self, call: Call, parameters: Any = None) -> dict[str, Any]:
        doomed = self.kill is not None and call.operation == self.kill[0]
        if doomed and self.kill and not self.kill[1]:
            self.kill = None
            raise Killed
        answer = super().call(call if parameters is None else dataclasses.replace(call, parameters=parameters))
        if doomed:
            self.kill = None
            raise Killed
        return answer

    def _set(self, **values: Any) -> dict[str, Any]:
        for key, value in values.items():
            setattr(self, key, value)
        return {}

    def _made(self, where: list[str], prefix: str) -> dict[str, Any]:
        self.counted += 1
        where.append(f"{prefix}-{self.counted}")
        return {"SnapshotId": where[-1]}

    def _instance(self) -> dict[str, Any]:
        profile = {"IamInstanceProfile": {"Arn": PROFILE}} if self.profile else {}
        return {
            "InstanceId": ID, "State": {"Name": self.state}, "VpcId": "vpc-1", **profile,
            "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": "vol-1", "DeleteOnTermination": self.deletes}}],
            "NetworkInterfaces": [{"NetworkInterfaceId": name, "VpcId": "vpc-1", "PrivateIpAddress": "10.0.0.1"} for name in self.interfaces],
        }  # fmt: skip

    def _modify(self, sent: dict[str, Any]) -> dict[str, Any]:
        if "DisableApiTermination" in sent:
            return self._set(protected=sent["DisableApiTermination"]["Value"])
        return self._set(deletes=sent["BlockDeviceMappings"][0]["Ebs"]["DeleteOnTermination"])

    def _groups(self, sent: dict[str, Any]) -> dict[str, Any]:
        wanted = sent["Filters"][0]["Values"][0]
        return {"SecurityGroups": [g for g in self.groups.values() if g["GroupName"] == wanted]}

    def _group(self, sent: dict[str, Any]) -> Any:
        if any(g["GroupName"] == sent["GroupName"] for g in self.groups.values()):
            return "InvalidGroup.Duplicate"
        self.counted += 1
        name = f"sg-{self.counted}"
        self.groups[name] = {"GroupId": name, "GroupName": sent["GroupName"]}
        self.rules[name] = [{"SecurityGroupRuleId": f"sgr-{name}", "IsEgress": True, "IpProtocol": "-1", "CidrIpv4": "0.0.0.0/0"}]
        return {"GroupId": name}

    def _allow(self, sent: dict[str, Any], egress: bool) -> dict[str, Any]:
        rule = sent["IpPermissions"][0]
        family = {"CidrIpv4": "0.0.0.0/0"} if rule.get("IpRanges") else {"CidrIpv6": "::/0"}
        self.rules[sent["GroupId"]].append(
            {"SecurityGroupRuleId": f"sgr-{len(self.rules)}", "IsEgress": egress, "IpProtocol": "-1", **family}
        )
        return {}

    def _interfaces(self, sent: dict[str, Any]) -> dict[str, Any]:
        return {
            "NetworkInterfaces": [
                {"NetworkInterfaceId": n, "Groups": [{"GroupId": g} for g in self.interfaces[n]]} for n in sent["NetworkInterfaceIds"]
            ]
        }

    def _regroup(self, sent: dict[str, Any]) -> dict[str, Any]:
        self.interfaces[sent["NetworkInterfaceId"]] = sent["Groups"]
        return {}

    @property
    def writes(self) -> list[str]:
        """What was changed, in order."""
        return [c.operation for c in self.calls if not c.operation.startswith(("Describe", "Get", "List"))]


def incident(**more: Any) -> incidents.Incident:
    raw = {"id": "IR-1", "opened": "2026-01-22T09:00:00Z", "suspects": [{"cloud": "aws", "arn": ROLE}], **more}
    return incidents.validate(raw, "test")


class Run:
    """What of a ``Response`` an isolation uses."""

    def __init__(
        self, cloud: Any, journal: Journal, *, check: bool = False, caller: str = f"arn:aws:iam::{A}:user/responder", **more: Any
    ) -> None:
        self.incident, self.suspected = incident(**more), list[tuple[str, str, str]]()
        self.runner = Runner({"aws": cloud}, None if check else journal, check=check, history=journal.history())
        self.kept: list[dict[str, Any]] = []
        ledger = types.SimpleNamespace(open_intents=journal.open)
        self.case = types.SimpleNamespace(
            ledger=ledger, notes=lambda _kind: self.kept, note=lambda kind, data: self.kept.append({"data": data}), history={}
        )
        self.guard = Guard(protected=self.incident.protected, overrides=[], limit=25)
        self.aws = types.SimpleNamespace(caller={"arn": caller, "account": A}, partition="aws", now=lambda: NOW, call=cloud.call)
        self.refused: list[str] = []

    def refuse(self, error: Refused, _object: str) -> None:
        self.refused.append(error.message)

    def note_suspect(self, arn: str, *, suspect: str = "", source: str = "", whole: bool = False) -> None:
        self.suspected.append((arn, suspect, source))


def isolate(run: Any, *wanted: Wanted) -> isolation.Isolation:
    it = isolation.Isolation(run, pause=0)
    try:
        it.work({w.arn: w for w in wanted or (Wanted(ARN, "named", suspect=ARN),)})
    finally:
        run.runner.close()
    return it


# -- the registry and the models -------------------------------------------------------------------------------------------------


def test_the_registry_holds_every_kind_of_its_folder() -> None:
    files = {path.stem for path in Path(compute.__file__).parent.glob("*.py") if "\nKIND = " in path.read_text()}
    assert {kind.__name__.rsplit(".", 1)[-1] for kind in compute.KINDS.values()} == files  # type: ignore[attr-defined]
    for name, kind in compute.KINDS.items():
        assert name == kind.KIND and kind.NOUN and kind.READS and kind.EVENTS


def test_every_request_is_one_that_the_models_take_and_every_step_comes_back_or_says_why() -> None:
    seen = set()
    for made in permissions.runs():
        for step in made.steps if made.generator.startswith("compute.") else ():
            assert step.undo or step.irreversible, step.id
            for action in (*step.do, *step.undo, *([step.probe.call] if step.probe else [])):
                if isinstance(action, Call) and not list(plan.refs(action)):
                    valid_call(action)
                    seen.add(action.name)
    assert {
        "ec2:CreateSnapshot",
        "ecs:UpdateTaskProtection",
        "lambda:PutFunctionConcurrency",
        "autoscaling:AttachInstances",
        "elbv2:RegisterTargets",
    } <= seen


def test_what_a_logged_call_started() -> None:
    at = {"awsRegion": REGION, "recipientAccountId": A, "userIdentity": {"arn": f"arn:aws:iam::{A}:user/ci"}}
    run = {**at, "responseElements": {"instancesSet": {"items": [{"instanceId": ID}, {}]}}}
    assert instance.started(run) == [ARN] and instance.started({**at, "responseElements": None}) == []
    made = {**at, "responseElements": {"functionName": "miner"}}
    assert compute.KINDS["lambda_function"].started(made) == [f"arn:aws:lambda:{REGION}:{A}:function:miner"]
    assert task.started({"responseElements": {"tasks": [{"taskArn": "arn:t"}, {}]}}) == ["arn:t"]


def started(run: Any, *events: dict[str, Any]) -> list[Wanted]:
    """What RunInstances of the key of `ci` started, as far as the log says."""
    event = {"eventSource": "ec2.amazonaws.com", "eventName": "RunInstances", "eventTime": "2026-01-22T08:00:00Z", "awsRegion": REGION, "recipientAccountId": A,
             "userIdentity": {"arn": f"arn:aws:iam::{A}:user/ci"}, "responseElements": {"instancesSet": {"items": [{"instanceId": ID}]}}}  # fmt: skip
    run.scope = types.SimpleNamespace(kept=[event | more for more in events])
    run.share, run.suspects, run.left, run.options = "", [], [], types.SimpleNamespace(later=False)
    return list(chosen.lineage(run))


def test_what_may_be_the_owners_is_left_to_a_person() -> None:
    """A leaked key may be that of a pipeline which works on: only what was started in the window, from elsewhere, is the attacker's."""
    run: Any = types.SimpleNamespace(
        principals={}, incident=incident(trusted={"networks": ["198.51.100.0/24"]}, window={"start": "2026-01-22T07:00:00Z", "end": None})
    )
    found = started(
        run,
        {"sourceIPAddress": "198.51.100.7"},
        {"sourceIPAddress": "203.0.113.9", "eventTime": "2026-01-21T08:00:00Z"},
        {"sourceIPAddress": "203.0.113.9"},
        {"sourceIPAddress": "cloudformation.amazonaws.com"},
    )
    assert (
        [bool(w.doubt) for w in found] == [True, True, False, False]
        and {w.arn for w in found} == {ARN}
        and {w.source for w in found} == {f"arn:aws:iam::{A}:user/ci"}
    )
    run.incident = incident()
    (found,) = [started(run, {"sourceIPAddress": "203.0.113.9"})]
    assert "window.start" in found[0].doubt
    made = Principal(A, "user", "ci", "AIDA2", f"arn:aws:iam::{A}:user/ci", "", discovered="made by x", whole=True)
    run.principals = {f"{A}:user/ci": made}  # which the suspect made: nobody else works as it
    assert started(run, {"sourceIPAddress": "203.0.113.9"})[0].doubt == ""


def test_what_is_doubted_is_untouched_and_open() -> None:
    cloud = Ec2()
    run: Any = Run(cloud, Journal())
    run.principals, run._lock = {}, contextlib.nullcontext()
    started(run, {"sourceIPAddress": "203.0.113.9"})
    it = isolation.Isolation(run, pause=0)
    it.contain(run)
    run.runner.close()
    assert [r["state"] for r in it.rows()] == ["left"] and cloud.writes == []
    (item,) = it.open_items()
    assert "window.start" in item["why"] and "compute.isolate" in item["why"]


# -- an instance -----------------------------------------------------------------------------------------------------------------


def test_evidence_then_production_then_the_network_then_the_role() -> None:
    cloud, journal = Ec2(), Journal()
    run = Run(cloud, journal)
    it = isolate(run)
    assert [r["state"] for r in it.rows()] == ["isolated"] and run.runner.failures == []
    order = [o for o in cloud.writes if "SecurityGroup" not in o]
    assert order == [
        "CreateSnapshot", "ModifyInstanceAttribute", "ModifyInstanceAttribute", "DetachInstances", "DeregisterTargets",
        *["ModifyNetworkInterfaceAttribute"] * 4, "DisassociateIamInstanceProfile",
    ]  # fmt: skip
    through = [c.parameters["Groups"] for c in cloud.calls if c.operation == "ModifyNetworkInterfaceAttribute"]
    opened, closed = (next(n for n, g in cloud.groups.items() if g["GroupName"] == f"evict-{which}-IR-1") for which in ("open", "closed"))
    assert through == [[opened]] * 2 + [[closed]] * 2 and cloud.rules[closed] == []
    assert {(r["IsEgress"], r.get("CidrIpv4") or r.get("CidrIpv6")) for r in cloud.rules[opened]} == {
        (side, cidr) for side in (False, True) for cidr in ("0.0.0.0/0", "::/0")
    }
    detach = next(c for c in cloud.calls if c.operation == "DetachInstances")
    assert detach.parameters["ShouldDecrementDesiredCapacity"] is False
    assert run.suspected == [(ARN, ARN, "")] and it.last_given(ROLE) is not None and it.last_given(f"{ROLE}2") is None


def test_what_was_handed_out_to_an_isolated_machine_is_named_unless_its_role_is_contained() -> None:
    run: Any = Run(Ec2(), Journal())
    run.principals = {}
    it = isolate(run)
    (row,) = it.residual()
    assert row["object"] == ROLE and row["token_kind"] == "service-held role session" and "none of the contained" in row["why"]
    again: Any = Run(run.runner.clouds["aws"], Journal())  # the profile is off by now
    again.kept, again.principals = run.kept, {}
    it = isolate(again)
    assert [r["object"] for r in it.residual()] == [ROLE]
    again.principals = {f"{A}:role/web": object()}
    assert it.residual() == []


def test_a_second_run_changes_nothing() -> None:
    cloud, journal = Ec2(), Journal()
    first = Run(cloud, journal)
    isolate(first)
    before = len(cloud.writes)
    second = Run(cloud, journal)
    second.kept = first.kept
    isolate(second)
    assert second.runner.changed == 0 and len(cloud.writes) == before and second.runner.failures == []


def test_check_mode_changes_nothing_and_says_what_it_would() -> None:
    cloud = Ec2()
    run = Run(cloud, Journal(), check=True)
    it = isolate(run)
    assert cloud.writes == [] and [r["state"] for r in it.rows()] == ["would be isolated"]
    parts = {i.split("#isolate/")[1].split("/")[0] for i, d in run.runner.done.items() if d.status == "would"}
    assert parts == {"snapshot", "termination", "disk", "asg", "target", "network", "profile", "group"}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "operation",
    ["CreateSnapshot", "CreateSecurityGroup", "DetachInstances", "ModifyNetworkInterfaceAttribute", "DisassociateIamInstanceProfile"],
)
def test_killed_at_any_call_a_second_run_makes_nothing_twice(operation: str, after: bool) -> None:
    cloud, journal = Ec2((operation, after)), Journal()
    run = Run(cloud, journal)
    with pytest.raises(Killed):
        isolate(run)
    second = Run(cloud, journal)
    second.kept = run.kept
    it = isolate(second)
    assert [r["state"] for r in it.rows()] == ["isolated"] and second.runner.failures == [], second.runner.failures
    closed = [n for n, g in cloud.groups.items() if g["GroupName"] == "evict-closed-IR-1"]
    assert len(cloud.snapshots) == 1 and len(cloud.groups) == 2 and cloud.interfaces == {"eni-1": closed, "eni-2": closed}
    assert (cloud.protected, cloud.deletes, cloud.member, cloud.target, cloud.profile) == (True, False, False, False, False)


def test_what_fails_keeps_nothing_else_from_its_work() -> None:
    cloud = Ec2()
    cloud.answers |= {"CreateSnapshot": "SnapshotLimitExceeded", "DetachInstances": "ScalingActivityInProgress"}
    run = Run(cloud, Journal())
    (row,) = isolate(run).rows()
    assert row["state"] == "partly" and "snapshot of vol-1" in row["why"] and "auto-scaling group web" in row["why"]
    assert cloud.profile is False and len(run.runner.failures) == 2


def test_a_group_that_is_not_tight_is_not_used() -> None:
    """Somebody else has a group of that name: putting a machine into it would be no isolation."""
    cloud = Ec2()
    cloud.groups["sg-theirs"] = {"GroupId": "sg-theirs", "GroupName": "evict-closed-IR-1"}
    run = Run(cloud, Journal())
    (row,) = isolate(run).rows()
    assert row["state"] == "partly" and "its network" in row["why"] and cloud.interfaces["eni-1"] == ["sg-web"] and cloud.profile is False
    assert [f["operation"] for f in run.runner.failures] == ["ec2:CreateSecurityGroup"]


def closes(cloud: Ec2, refuse: Any) -> None:
    """``refuse``: whether a change of an interface's groups is refused."""
    regroup = cloud.answers["ModifyNetworkInterfaceAttribute"]
    cloud.answers["ModifyNetworkInterfaceAttribute"] = lambda p: "UnauthorizedOperation" if refuse(cloud, p) else regroup(p)


def is_closed(cloud: Ec2, sent: dict[str, Any]) -> bool:
    return sent["Groups"] == [n for n, g in cloud.groups.items() if g["GroupName"] == "evict-closed-IR-1"]


def test_what_cannot_be_closed_does_not_stay_open_to_everybody() -> None:
    cloud, journal = Ec2(), Journal()
    closes(cloud, lambda c, p: is_closed(c, p) and p["NetworkInterfaceId"] == "eni-2")
    run = Run(cloud, journal)
    it = isolate(run)
    (row,) = it.rows()
    assert cloud.interfaces["eni-2"] == ["sg-web", "sg-ssh"] and cloud.interfaces["eni-1"] != ["sg-web"]
    assert row["state"] == "partly" and "first security groups again" in row["why"] and it.open_items()
    assert [f for f in run.runner.failures if "eni-2 could not be closed" in f["message"]]


def test_what_stays_open_to_everybody_is_named() -> None:
    cloud, journal = Ec2(), Journal()
    closes(cloud, lambda c, p: is_closed(c, p) or "sg-web" in p["Groups"])
    run = Run(cloud, journal)
    (row,) = isolate(run).rows()
    assert row["state"] == "partly" and "eni-1 STANDS IN" in row["why"] and "sg-web, sg-ssh by hand" in row["why"], row
    assert [f for f in run.runner.failures if "ALLOWS EVERYTHING" in f["message"]]


def test_a_network_that_could_not_even_be_looked_at_again_is_not_called_isolated() -> None:
    cloud = Ec2()
    look, counted = cloud.answers["DescribeNetworkInterfaces"], []

    def fails(sent: dict[str, Any]) -> Any:
        opened = [n for n, g in cloud.groups.items() if g["GroupName"] == "evict-open-IR-1"]
        counted.extend(n for n in sent["NetworkInterfaceIds"] if cloud.interfaces[n] == opened)
        return "RequestLimitExceeded" if len(counted) > 2 else look(sent)

    cloud.answers["DescribeNetworkInterfaces"] = fails
    (row,) = isolate(Run(cloud, Journal())).rows()
    assert row["state"] == "partly" and "STANDS IN" in row["why"], row


def test_a_machine_that_a_killed_run_left_open_is_found_again() -> None:
    """Whether or not the log, or the incident file, still names it."""
    cloud, journal = Ec2(), Journal()
    run: Any = Run(cloud, journal)
    isolate(run)
    steps = [i["$step"] for i in journal.intents]
    history: dict[str, Any] = {}
    for place, step in enumerate(s for s in steps if "network/eni-1" in s["id"] or s["id"].endswith("group/open")):
        known = history.setdefault(step["id"], {"first": {"$step": step}})
        if "made" not in known:  # the first of an interface: into the open group
            answer = next((o for o in journal.outcomes if o["id"] == step["id"] and o.get("answer")), None)
            known |= {"step": {"$step": step}, "made": {"status": "done", "step": None}, "places": {"made": place}, "answered": answer}
    run.case.history = history
    assert set(isolation.Isolation(run).exposed.before()) == {ARN}
    run.case.history = {k: v for k, v in history.items() if "network" not in k}
    assert not isolation.Isolation(run).exposed.before()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("InvalidInstanceID.NotFound", "not there any more"),
        ({"Reservations": [{"Instances": [{"InstanceId": ID, "State": {"Name": "terminated"}}]}]}, "it is terminated"),
    ],
)
def test_an_instance_that_is_gone_is_named_and_no_failure(answer: Any, why: str) -> None:
    cloud = Ec2()
    cloud.answers["DescribeInstances"] = answer
    run = Run(cloud, Journal())
    (row,) = isolate(run).rows()
    assert row["state"] == "gone" and why in row["why"] and cloud.writes == [] and run.runner.failures == []


def test_stop_is_for_the_attackers_only() -> None:
    other = f"arn:aws:ec2:{REGION}:{A}:instance/i-0aaaaaaaaaaaaaaaa"
    cloud = Ec2()
    run = Run(cloud, Journal(), compute={"action": "stop"})
    it = isolate(run, Wanted(ARN, "started by ci", source=f"arn:aws:iam::{A}:user/ci"), Wanted(other, "named", suspect=other))
    stopped = [c.parameters["InstanceIds"] for c in cloud.calls if c.operation == "StopInstances"]
    states = {r["object"]: r["state"] for r in it.rows()}
    assert stopped == [[ID]] and states == {ARN: "stopped", other: "isolated"} and "TerminateInstances" not in cloud.writes
    assert (ARN, "", f"arn:aws:iam::{A}:user/ci") in run.suspected


def test_the_machine_that_this_runs_on_and_what_is_protected_are_refused() -> None:
    cloud = Ec2()
    run = Run(cloud, Journal(), caller=f"arn:aws:sts::{A}:assumed-role/web/{ID}")
    assert [r["state"] for r in isolate(run).rows()] == ["refused"] and "this command runs on it" in run.refused[0]
    run = Run(cloud, Journal(), protected=[ARN])
    assert [r["state"] for r in isolate(run).rows()] == ["refused"] and "incident.protected" in run.refused[0] and cloud.writes == []


def test_a_spot_instance_is_not_protected_and_says_so() -> None:
    cloud = Ec2()
    spot = cloud.answers["DescribeInstances"]
    cloud.answers["DescribeInstances"] = lambda p: {
        "Reservations": [{"Instances": [{**spot(p)["Reservations"][0]["Instances"][0], "InstanceLifecycle": "spot"}]}]
    }
    (row,) = isolate(Run(cloud, Journal())).rows()
    assert row["state"] == "isolated" and "spot" in row["why"] and cloud.protected is False


def test_more_than_the_ceiling_are_left_and_named() -> None:
    run = Run(Ec2(), Journal(), limits={"compute": 1})
    it = isolation.Isolation(run, pause=0)  # type: ignore[arg-type]
    arns = [f"arn:aws:ec2:{REGION}:{A}:instance/i-0000000000000000{n}" for n in range(3)]
    left = it._within_limit(
        {**{a: Wanted(a, "started by ci", source="x") for a in arns[:2]}, arns[2]: Wanted(arns[2], "named", suspect=arns[2])}
    )
    assert set(left) == {arns[0], arns[2]} and [r["state"] for r in it.rows()] == ["left"] and "limits.compute" in it.open_items()[0]["why"]
    run.runner.close()


# -- the metadata service --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "used", "why"),
    [(15, 0.0, ""), (14, 0.0, ""), (3, 0.0, "3 of 14 days"), (0, 0.0, "0 of 14 days"), (15, 2.0, "asked version 1 30 times")],
)
def test_version_1_goes_only_where_nothing_used_it_for_fourteen_days(days: int, used: float, why: str) -> None:
    points = [{"Timestamp": (NOW - datetime.timedelta(days=d)).strftime("%Y-%m-%dT00:00:00Z"), "Sum": used} for d in range(days)]
    machine = compute.Machine(HERE, ARN, ID, "x")
    found = metadata.why_not(machine, NOW, Reader({"aws": ModelledCloud(GetMetricStatistics={"Datapoints": points})}))
    assert (why in found) if why else found == ""


@pytest.mark.parametrize(("refused", "state"), [(False, "serves"), (True, "proposed")])
def test_a_machine_is_called_safe_only_when_version_1_is_seen_to_be_off(refused: bool, state: str) -> None:
    """Else it would be handed new credentials over the way by which the old ones were read."""
    points = [{"Timestamp": (NOW - datetime.timedelta(days=d)).strftime("%Y-%m-%dT00:00:00Z"), "Sum": 0.0} for d in range(15)]
    options = {"HttpTokens": "optional"}
    modify: Any = "UnauthorizedOperation" if refused else lambda p: options.update(HttpTokens=p["HttpTokens"]) or {}
    cloud = Ec2(GetMetricStatistics={"Datapoints": points}, ModifyInstanceMetadataOptions=modify)
    plain = cloud.answers["DescribeInstances"]
    cloud.answers["DescribeInstances"] = lambda p: {
        "Reservations": [{"Instances": [plain(p)["Reservations"][0]["Instances"][0] | {"MetadataOptions": dict(options)}]}]
    }
    run: Any = Run(cloud, Journal())
    held = Principal(A, "role", "web", "AROAEXAMPLEEXAMPLE1", ROLE, "", sessions={ID})
    run.principals, run.aws.absent = {f"{A}:role/web": held}, lambda *_a: False
    run.aws.call = lambda call: {"Regions": [{"RegionName": REGION}]} if call.operation == "DescribeRegions" else cloud.call(call)
    it = isolation.Isolation(run, pause=0)
    it._keep_serving(run, set())
    run.runner.close()
    (row,) = it.rows()
    assert row["state"] == state and bool(it.open_items()) is refused, row
    assert bool(it.kept_from(Workload(HERE, ID, ROLE, "x", frozenset({ID})), {ID})) is refused


# -- a task ----------------------------------------------------------------------------------------------------------------------

TASK = f"arn:aws:ecs:{REGION}:{A}:task/web/0123456789abcdef0123456789abcdef"


class Ecs(ModelledCloud):
    """A service's task behind a load balancer."""

    def __init__(self, group: str = "service:shop") -> None:
        self.hours = 48.0
        self.protected, self.target, self.deny = False, True, dict[str, Any]()
        details = [{"name": "networkInterfaceId", "value": "eni-9"}, {"name": "privateIPv4Address", "value": "10.0.0.9"}]
        super().__init__(
            DescribeTasks={"tasks": [{"taskArn": TASK, "lastStatus": "RUNNING", "group": group, "taskDefinitionArn": "arn:td", "launchType": "FARGATE",
                                      "attachments": [{"type": "ElasticNetworkInterface", "details": details}]}]},
            DescribeTaskDefinition={"taskDefinition": {"taskRoleArn": ROLE}},
            DescribeServices={"services": [{"loadBalancers": [{"targetGroupArn": "arn:tg/shop"}]}]},
            DescribeTargetHealth=lambda _p: {"TargetHealthDescriptions": [
                {"Target": {"Id": "10.0.0.9", "Port": 80, "AvailabilityZone": "eu-west-1a"}, "TargetHealth": {"State": "healthy" if self.target else "draining"}},
                {"Target": {"Id": "10.0.0.8", "Port": 80}, "TargetHealth": {"State": "healthy"}}]},
            DeregisterTargets=lambda _p: self._set("target", False), RegisterTargets=lambda _p: self._set("target", True),
            GetTaskProtection=lambda _p: {"protectedTasks": [{"taskArn": TASK, "protectionEnabled": self.protected,
                **({"expirationDate": self._end()} if self.protected else {})}]},
            UpdateTaskProtection=self._protect,
            GetRole={"Role": {"Path": "/", "RoleName": "web", "RoleId": "AROAEXAMPLEEXAMPLE1", "Arn": ROLE, "CreateDate": "2025-01-01T00:00:00Z",}},
            PutRolePolicy=lambda p: self.deny.update(p) or {},
        )  # fmt: skip

    def call(self, call: Call, parameters: Any = None) -> dict[str, Any]:
        if call.operation != "GetRolePolicy":
            return super().call(call, parameters)
        if not self.deny:
            raise CloudError("none", code="NoSuchEntity")
        return {"PolicyDocument": json.loads(self.deny["PolicyDocument"])}  # as botocore decodes it

    def _end(self) -> str:
        return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=self.hours)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _protect(self, sent: dict[str, Any]) -> dict[str, Any]:
        self.hours = 48.0
        return self._set("protected", sent["protectionEnabled"])

    def _set(self, key: str, value: bool) -> dict[str, Any]:
        setattr(self, key, value)
        return {}


def test_one_task_is_kept_aside_and_its_session_is_denied() -> None:
    """No other target leaves, nothing touches the interface, and what cannot be done is said."""
    cloud = Ecs()
    run = Run(cloud, Journal())
    (row,) = isolate(run, Wanted(TASK, "named", suspect=TASK)).rows()
    assert cloud.protected and not cloud.target and "AROAEXAMPLEEXAMPLE1:0123456789abcdef0123456789abcdef" in cloud.deny["PolicyDocument"]
    assert "48 hours" in row["why"] and "network ACL" in row["why"] and row["state"] == "isolated"
    gone = [c.parameters["Targets"] for c in cloud.calls if c.operation == "DeregisterTargets"]
    assert gone == [[{"Id": "10.0.0.9", "Port": 80}]] and not any(
        "NetworkInterface" in c.operation or "Stop" in c.operation for c in cloud.calls
    )


def test_a_protection_that_runs_out_is_asked_for_again_and_its_end_is_told() -> None:
    cloud, journal = Ecs(), Journal()
    isolate(Run(cloud, journal), Wanted(TASK, "named", suspect=TASK))
    for hours, asked in ((30.0, 1), (20.0, 2), (48.0, 2)):
        cloud.hours = hours
        (row,) = isolate(Run(cloud, journal), Wanted(TASK, "named", suspect=TASK)).rows()
        assert len(cloud.asked("UpdateTaskProtection")) == asked and f"protected until {cloud._end()[:13]}" in row["why"], row


def test_a_lone_task_is_left_running_and_said_so() -> None:
    cloud = Ecs(group="family:job")
    run = Run(cloud, Journal())
    it = isolate(run, Wanted(TASK, "started by ci", source=f"arn:aws:iam::{A}:user/ci"))
    (row,) = it.rows()
    assert row["state"] == "partly" and "not done: its network" in row["why"] and [o for o in it.open_items() if "its network" in o["why"]]
    assert "belongs to no service" in row["why"] and not cloud.protected and cloud.target and cloud.deny


# -- who gets new credentials ----------------------------------------------------------------------------------------------------


def test_what_is_isolated_gets_no_new_credentials_and_what_is_exempt_does() -> None:
    service = f"arn:aws:ecs:{REGION}:{A}:service/web/shop"
    run = Run(Ec2(), Journal(), compute={"exempt": [service]})
    it = isolation.Isolation(run, pause=0)  # type: ignore[arg-type]
    machines = (
        compute.Machine(HERE, ARN, ID, "x", (ROLE,), ID),
        compute.Machine(HERE, TASK, TASK.rsplit("/", 1)[-1], "x", (ROLE,), TASK.rsplit("/", 1)[-1]),
    )
    it._machines = {m.arn: (Wanted(m.arn, ""), m) for m in machines}
    aside, other = TASK.rsplit("/", 1)[-1], "f" * 32
    shop = Workload(HERE, f"arn:aws:ecs:{REGION}:{A}:cluster/web/shop", ROLE, "shop", frozenset({other}))
    mail = Workload(HERE, f"arn:aws:ecs:{REGION}:{A}:cluster/web/mail", ROLE, "mail", frozenset({aside, other}))
    assert it.kept_from(Workload(HERE, ID, ROLE, "x", frozenset({ID})), {ID}) == "it is isolated"
    assert it.kept_from(shop, {other}) == ""  # exempt
    assert it.kept_from(mail, {aside}) == "" and "isolate it first" in it.kept_from(
        mail, {other}
    )  # a task that is aside is replaced by a new one
    run.runner.close()


def test_the_table_says_what_became_of_each() -> None:
    row = {
        "object": ARN,
        "text": f"EC2 instance {ID}",
        "state": "partly",
        "how": "it is named as a suspect",
        "why": "not done: snapshot of vol-1",
    }
    (line,) = [t for t in table.lines({"status": "partial", "isolated": [row]}, "", preview=True) if "COMPUTE" in t]
    assert line == f"  COMPUTE EC2 instance {ID}: partly (it is named as a suspect); not done: snapshot of vol-1"


# -- the incident file -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "path", "said"),
    [
        ({"isolate": ["i-0123456789abcdef0"]}, "incident.compute.isolate[0]", "not the ARN of an EC2 instance"),
        ({"isolate": [f"arn:aws:lambda:{REGION}:{A}:function:orders:live"]}, "incident.compute.isolate[0]", "without a version"),
        ({"isolate": [f"arn:aws:ecs:{REGION}:{A}:service/web/shop"]}, "incident.compute.isolate[0]", "not the ARN"),
        ({"isolate": [ARN], "exempt": [ARN]}, "incident.compute.exempt", "is to be isolated too"),
        ({"action": "terminate"}, "incident.compute.action", "must be one of isolate, stop"),
        ({"isolates": []}, "incident.compute.isolates", "unknown key; did you mean 'isolate'?"),
        ([ARN], "incident.compute", "must be a mapping"),
    ],
)
def test_compute_in_the_incident_file_is_read_strictly(given: Any, path: str, said: str) -> None:
    with pytest.raises(InvalidInput) as error:
        incident(compute=given)
    assert [p for p, message in error.value.problems if said in message] == [path], error.value.problems


def test_compute_survives_being_written_and_read() -> None:
    given = incident(
        compute={"isolate": [ARN], "exempt": [f"arn:aws:ecs:{REGION}:{A}:service/web/shop"], "action": "stop"}, limits={"compute": 3}
    )
    again = incidents.validate(given.as_dict(), "again")
    assert again.compute == given.compute and again.limits == {**incidents.LIMITS, "compute": 3} and incident().compute.action == "isolate"
