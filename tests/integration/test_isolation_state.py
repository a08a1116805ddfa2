"""EC2 instances on moto's server: requests are understood, state changes in the order of the plan, and comes back. That nothing flows moto cannot show."""

from __future__ import annotations

import datetime
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import events
from ansible_collections.evict.cloud.plugins.module_utils.aws.aftermath import Aftermath
from ansible_collections.evict.cloud.plugins.module_utils.aws.isolation import Isolation
from tests.beds.company import allow, document, trust
from tests.integration.helpers import call_module, environment, utc

boto3 = pytest.importorskip("boto3")
moto_server = pytest.importorskip("moto.server")

ACCOUNT, REGION = "123456789012", "eu-west-1"  # moto's; not the caller's region
KEYS = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "x" * 20}
QUICK: dict[str, Any] = {"hold": "0", "scope": 0, "account_fence": "none"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Fleet:
    """Two web servers in an auto-scaling group and a target group, with a role; one of them has a second interface."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        nothing = folder / "nothing"
        nothing.write_text("")
        self.environ = {
            "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"], "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"],
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": str(nothing), "AWS_SHARED_CREDENTIALS_FILE": str(nothing),
            "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(folder), "PATH": "",
        }  # fmt: skip
        self.endpoint, self.folder, self.file = endpoint, folder, folder / "incident.yml"
        self.ec2, self.asg, self.elb, self.iam = (self.client(s) for s in ("ec2", "autoscaling", "elbv2", "iam"))
        self.role = self.iam.create_role(RoleName="web", AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))["Role"]["Arn"]
        self.iam.put_role_policy(RoleName="web", PolicyName="work", PolicyDocument=document(allow("sqs:*")))
        self.profile = self.iam.create_instance_profile(InstanceProfileName="web")["InstanceProfile"]["Arn"]
        self.iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="web")
        self.vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        self.subnet = self.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [self.vpc]}])["Subnets"][0]["SubnetId"]
        self.group = self.ec2.create_security_group(GroupName="web", Description="web", VpcId=self.vpc)["GroupId"]
        image = self.ec2.describe_images()["Images"][0]["ImageId"]
        template = {"ImageId": image, "InstanceType": "t3.micro", "SecurityGroupIds": [self.group]}
        self.ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=template)
        port = {"Protocol": "HTTP", "Port": 80}
        self.targets = self.elb.create_target_group(Name="web", VpcId=self.vpc, TargetType="instance", **port)["TargetGroups"][0][
            "TargetGroupArn"
        ]
        self.asg.create_auto_scaling_group(
            AutoScalingGroupName="web", MinSize=1, MaxSize=4, DesiredCapacity=2, VPCZoneIdentifier=self.subnet, TargetGroupARNs=[self.targets],
            LaunchTemplate={"LaunchTemplateName": "web", "Version": "$Latest"},
        )  # fmt: skip
        self.suspect, self.other = self.members()
        for name in (self.suspect, self.other):
            self.ec2.associate_iam_instance_profile(InstanceId=name, IamInstanceProfile={"Arn": self.profile})
        extra = self.ec2.create_network_interface(SubnetId=self.subnet, Groups=[self.group])["NetworkInterface"]["NetworkInterfaceId"]
        self.ec2.attach_network_interface(NetworkInterfaceId=extra, InstanceId=self.suspect, DeviceIndex=1)

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, **KEYS)

    def arn(self, name: str) -> str:
        return f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{name}"

    def incident(self, *suspects: dict[str, str], **more: Any) -> None:
        raw = {
            "id": "IR-1",
            "opened": utc(),
            "store": str(self.folder / "cases"),
            "suspects": [{"cloud": "aws", **s} for s in suspects],
            **more,
        }
        self.file.write_text(json.dumps({"incident": raw}))

    def run(self, module: str, check: bool = False, **params: Any) -> dict[str, Any]:
        with environment(self.environ):
            return call_module(module, {"incident": str(self.file), **params}, check)

    # -- what is there -----------------------------------------------------------------------------------------------------------

    def members(self) -> list[str]:
        return [i["InstanceId"] for i in self.asg.describe_auto_scaling_instances()["AutoScalingInstances"]]

    def instance(self, name: str) -> dict[str, Any]:
        return dict(self.ec2.describe_instances(InstanceIds=[name])["Reservations"][0]["Instances"][0])

    def state(self, name: str) -> dict[str, Any]:
        about = self.instance(name)
        health = self.elb.describe_target_health(TargetGroupArn=self.targets)["TargetHealthDescriptions"]
        protected = self.ec2.describe_instance_attribute(InstanceId=name, Attribute="disableApiTermination")["DisableApiTermination"][
            "Value"
        ]
        profiles = self.ec2.describe_iam_instance_profile_associations(Filters=[{"Name": "instance-id", "Values": [name]}])
        return {
            "running": about["State"]["Name"], "member": name in self.members(), "target": name in {h["Target"]["Id"] for h in health}, "protected": protected,
            "deletes": [m["Ebs"]["DeleteOnTermination"] for m in about["BlockDeviceMappings"]],
            "groups": [[g["GroupId"] for g in i["Groups"]] for i in about["NetworkInterfaces"]],
            "profile": [a["IamInstanceProfile"]["Arn"] for a in profiles["IamInstanceProfileAssociations"]],
        }  # fmt: skip

    def snapshots(self) -> list[dict[str, Any]]:
        filters = [{"Name": "tag:evict-incident", "Values": ["IR-1"]}]
        return list(self.ec2.describe_snapshots(OwnerIds=["self"], Filters=filters)["Snapshots"])

    def group_of(self, which: str) -> list[dict[str, Any]]:
        return list(
            self.ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [f"evict-{which}-IR-1"]}])["SecurityGroups"]
        )


@pytest.fixture
def fleet(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")).close()
    monkeypatch.setattr(Isolation.__init__, "__kwdefaults__", {"on": True, "pause": 0.0})
    monkeypatch.setattr(events, "regions", lambda _aws, _account: [REGION, "us-east-1"])  # moto has thirty, which cost half a minute
    from moto.ec2.models.elastic_network_interfaces import NetworkInterface

    # moto adds an instance's groups to those of its interface; in AWS an interface has the groups that it was given.
    own = property(lambda it: it._group_set or (it.instance.security_groups if it.instance else []))
    monkeypatch.setattr(NetworkInterface, "group_set", own)
    return Fleet(endpoint, tmp_path)


def test_a_suspect_machine_is_isolated_in_order_and_comes_back(fleet: Fleet) -> None:
    never = "i-0123456789abcdef0"
    fleet.incident({"instance": fleet.suspect, "account": ACCOUNT}, compute={"isolate": [fleet.arn(never)], "action": "stop"})
    before, others = fleet.state(fleet.suspect), fleet.state(fleet.other)
    assert before["member"] and before["target"] and before["profile"] == [fleet.profile] and len(before["groups"]) == 2
    planned = fleet.run("aws_contain", check=True, **QUICK)
    assert {r["state"] for r in planned["isolated"]} == {"would be isolated", "gone"}, planned["msg"]
    assert fleet.state(fleet.suspect) == before and fleet.snapshots() == [] and fleet.group_of("closed") == []

    done = fleet.run("aws_contain", **QUICK)
    assert done["problems"] == [], done["problems"]
    rows = {r["object"].rsplit("/", 1)[-1]: r for r in done["isolated"]}
    row = rows[fleet.suspect]
    assert row["state"] == "isolated" and row["how"] == "it is named as a suspect" and "not stopped" in row["why"], row
    assert rows[never]["state"] == "gone" and "sessions of its role are revoked" in rows[never]["why"]
    (closed,) = fleet.group_of("closed")
    assert closed["IpPermissions"] == closed["IpPermissionsEgress"] == []
    (opened,) = fleet.group_of("open")
    assert {p["IpProtocol"] for p in (*opened["IpPermissions"], *opened["IpPermissionsEgress"])} == {"-1"}
    now = fleet.state(fleet.suspect)
    assert now == {
        "running": "running", "member": False, "target": False, "protected": True, "deletes": [False] * len(before["deletes"]),
        "groups": [[closed["GroupId"]]] * 2, "profile": [],
    }  # fmt: skip
    assert len(fleet.snapshots()) == len(before["deletes"]) and fleet.state(fleet.other) == others
    assert len(fleet.members()) == 2  # the group has replaced it
    # The role is revoked once more, after the profile was off.
    cut = [s["resource"] for s in done["steps"] if "evict-session-IR-1" in s["resource"]]
    statement = fleet.iam.get_role_policy(RoleName="web", PolicyName="evict-session-IR-1")["PolicyDocument"]["Statement"][0]
    assert cut and statement["Condition"]["DateLessThan"]["aws:TokenIssueTime"] > last_outcome(fleet, "profile")

    again = fleet.run("aws_contain", **QUICK)
    assert again["changed_count"] == 0 and {r["state"] for r in again["isolated"]} == {"isolated", "gone"}, again["steps"]
    assert again["problems"] == [] and len(fleet.snapshots()) == len(before["deletes"])

    kept = fleet.run("aws_restore")
    assert kept["status"] == "ok" and any("evidence" in o["why"] for o in kept["open"]), kept["open"]
    assert fleet.state(fleet.suspect) == before
    assert fleet.group_of("closed") == fleet.group_of("open") == [] and len(fleet.snapshots()) == len(before["deletes"])

    # The module, on the other machine: nothing is stopped that is not known to be the attacker's.
    refused = fleet.run("aws_resource", resources=[fleet.other, "arn:aws:s3:::x"], action="stop", account=ACCOUNT)
    assert refused["status"] == "refused" and any(
        "nothing shows that a suspect of this case started it" in p["message"] for p in refused["problems"]
    )
    assert fleet.state(fleet.other) == others
    done = fleet.run("aws_resource", resources=[fleet.other], account=ACCOUNT)
    assert [r["state"] for r in done["isolated"]] == ["isolated"] and [r["object"] for r in done["residual"]] == [fleet.role], done
    assert fleet.state(fleet.other) == {**now, "groups": [[fleet.group_of("closed")[0]["GroupId"]]]}
    back = fleet.run("aws_resource", resources=[fleet.arn(fleet.other)], state="absent")
    assert back["problems"] == [] and fleet.state(fleet.other) == others and fleet.group_of("closed") == []


def last_outcome(fleet: Fleet, part: str) -> str:
    """When the newest Step of that name was done."""
    records = [json.loads(p.read_text()) for p in (fleet.folder / "cases").rglob("*.json") if "/ledger/" in str(p) and p.stem.isdigit()]
    return max(o["at"] for r in records for o in r.get("outcomes", []) if o["id"].endswith(f"#isolate/{part}") and o["status"] == "done")


def test_production_whose_session_was_stolen_goes_on_and_version_1_goes_where_nothing_uses_it(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other machine of the role is refreshed at once, this one when what an SSRF needs is switched off."""
    monkeypatch.setattr(Aftermath, "_spread", lambda _self, _cutoff: True)  # whatever the clock of a slow machine says
    fleet.incident({"arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/web/{fleet.suspect}"})
    before = fleet.state(fleet.suspect)
    done = fleet.run("aws_contain", **QUICK)
    (row,) = done["isolated"]
    assert row["state"] == "proposed" and "IMDSv2 is not required" in row["why"] and "0 of 14 days" in row["why"], row
    assert [o for o in done["open"] if "require it" in o["why"]] and fleet.state(fleet.suspect) == before
    assert {w["object"]: w["state"] for w in done["workloads"]} == {fleet.suspect: "left", fleet.other: "asked to refresh"}
    assert fleet.iam.get_role_policy(RoleName="web", PolicyName="evict-session-IR-1")
    refreshed = {s["resource"].split(" in ")[0] for s in done["steps"] if s["action"] == "refresh its credentials"}
    assert refreshed == {f"EC2 instance {fleet.other}"}

    watch, now = fleet.client("cloudwatch"), datetime.datetime.now(datetime.UTC)
    point = {"MetricName": "MetadataNoToken", "Dimensions": [{"Name": "InstanceId", "Value": fleet.suspect}], "Value": 0.0}
    watch.put_metric_data(Namespace="AWS/EC2", MetricData=[{**point, "Timestamp": now - datetime.timedelta(days=day)} for day in range(15)])
    done = fleet.run("aws_contain", **QUICK)
    assert [r["state"] for r in done["isolated"]] == ["serves"] and {w["state"] for w in done["workloads"]} == {"asked to refresh"}, done[
        "workloads"
    ]
    assert fleet.instance(fleet.suspect)["MetadataOptions"]["HttpTokens"] == "required"
    assert fleet.instance(fleet.other)["MetadataOptions"]["HttpTokens"] == "optional"
    assert [s["status"] for s in done["steps"] if s["action"] == "refresh its credentials" and fleet.suspect in s["resource"]] == ["done"]
    assert fleet.state(fleet.suspect) == before
    assert fleet.run("aws_contain", **QUICK)["changed_count"] == 0
    fleet.run("aws_restore")
    assert fleet.instance(fleet.suspect)["MetadataOptions"]["HttpTokens"] == "optional"
