"""A responder that has the generated policies and nothing else: all of it works, nothing is refused, and nothing is granted for nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from ansible_collections.evict.cloud.plugins.module_utils.aws import standing_fence
from tests.beds.bed import Bed, Credentials, root
from tests.beds.company import QUEUE, SECRET, Company, allow, document, trust
from tests.integration import test_clocks, test_isolation, test_live, test_refresh, test_resources
from tests.integration.helpers import call_module, environment
from tests.tools import permissions

pytestmark = pytest.mark.bed

DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
ELSEWHERE = ("places.", "readiness.", "rotation.", "targets.")  # their needs are in documents of their own, with tests of their own


def _for(need: Any) -> list[str]:
    """The files for which a containment or a release needs it."""
    return [source for source in need.sources if not source.startswith(ELSEWHERE)]


# What the bed does not have: Identity Center, AssumeRoot, security groups of interfaces, task protection, Roles Anywhere, stacks that are at work for longer than a call,
# PassRole within another action, GuardDuty, event data stores, and fleets that can be changed. Contract tests only.
NOT_ON_THE_BED = {
    "iam:ListRoles", "sts:AssumeRoot", *(action for action in permissions.needs() if action.startswith(("sso:", "identitystore:"))),
    "cloudformation:CancelUpdateStack", "cloudformation:DescribeStacks", *permissions.DEPENDENT,
    *(action for action, need in permissions.needs().items()  # the isolation of EC2 instances and ECS tasks, which is shown on moto and on a fake
      if _for(need) and all(s.startswith("compute.") and s != "compute.function" for s in _for(need))),
    *(action for action, need in permissions.needs().items()  # which test_live_kinds.py and test_live_states.py show on fakes
      if _for(need) and set(_for(need)) <= {"live.codebuild_sandbox", "live.glue_session", "live.glue_workflow", "live.stack_set",
                                            "live.batch_service_job"}),
    *(action for action in permissions.needs() if action.startswith(("rolesanywhere:", "guardduty:")) or "EventDataStore" in action or "Fleet" in action),
}  # fmt: skip
# What only a containment that is fought against needs; test_hold.py plays that with a broad role (test_hold_providers.py, for providers and instance profiles, with
# the generated one), and here each is at least refused when it is not granted.
ONLY_IN_A_FIGHT = {
    "iam:AddUserToGroup", "iam:AttachGroupPolicy", "iam:DeleteGroupPolicy", "iam:DetachGroupPolicy", "iam:GetGroupPolicy", "iam:GetPolicy",
    "iam:ListAttachedGroupPolicies", "iam:PutGroupPolicy", "iam:RemoveUserFromGroup", "iam:SetDefaultPolicyVersion", "iam:UpdateAssumeRolePolicy", "iam:UpdateUser",
    "iam:AddClientIDToOpenIDConnectProvider", "iam:RemoveClientIDFromOpenIDConnectProvider", "iam:UpdateOpenIDConnectProviderThumbprint", "iam:UpdateSAMLProvider",
    "iam:RemoveRoleFromInstanceProfile",
}  # fmt: skip


# What only stops a clock: a test of its own uses it.
CLOCKS = {
    action for action, need in permissions.needs().items() if _for(need) and all(source.startswith("clocks.") for source in _for(need))
}
METADATA = f"<EntityDescriptor>{' ' * 1000}</EntityDescriptor>"  # IAM wants 1000 characters
# The bed notes S3's operations as CloudTrail names them.
_ACTIONS = {f"s3:{verb}BucketLifecycle": f"s3:{verb}LifecycleConfiguration" for verb in ("Get", "Put")}


def _as_the_bed_sees_it() -> dict[str, Any]:
    """The bed judges actions on sessions, builds, jobs, instances and services without their ARNs, so which of them is granted is not shown here."""
    policy = permissions.role_policy()
    return {**policy, "Statement": [{**s, "Resource": "*"} if s["Sid"] == "EvictLive" else s for s in policy["Statement"]]}


def outcome(call: Callable[..., Any], **parameters: Any) -> str:
    """ "ok" or the error code."""
    try:
        call(**parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "ok"


class Desk:
    """The responder's machine: playbooks and single modules against the bed, with the narrow policies."""

    def __init__(self, bed: Bed, company: Company, folder: Path) -> None:
        self.bed, self.company, self.folder = bed, company, folder
        self.keys = {company.responder.access_key}
        self.incident = folder / "incident.yml"
        own = bed.client("iam", root(bed.management), direct=True)
        own.put_user_policy(UserName="responder", PolicyName="respond", PolicyDocument=json.dumps(permissions.caller_policy()))
        management = permissions.MANAGEMENT_ROLE
        own.create_role(RoleName=management, AssumeRolePolicyDocument=trust({"AWS": company.responder_arn}, *permissions.BECOME))
        own.put_role_policy(RoleName=management, PolicyName="work", PolicyDocument=json.dumps(permissions.management_policy()))
        self.above = {"management_role_arn": f"arn:aws:iam::{bed.management}:role/{management}"}
        for account in (company.production, company.staging):
            iam = bed.client("iam", account.root, direct=True)
            iam.put_role_policy(RoleName="incident-responder", PolicyName="work", PolicyDocument=json.dumps(_as_the_bed_sees_it()))

    def write(self, *suspects: dict[str, str], **more: Any) -> None:
        raw = {
            "id": more.pop("id", "IR-1"),
            "opened": "2026-01-22T09:00:00Z",
            "store": str(self.folder / "cases"),
            "suspects": [{"cloud": "aws", **suspect} for suspect in suspects],
            "connection": {"aws": {"role_arn": self.company.role_template, **self.above}},
        } | more
        self.incident.write_text(json.dumps({"incident": raw}), encoding="utf-8")

    @property
    def case(self) -> str:
        return str(self.folder / "cases" / "IR-1")

    def play(self, name: str, status: int = 0, **variables: str) -> str:
        extra = [word for key, value in variables.items() for word in ("-e", f"{key}={value}")]
        environ = {**self.bed.environ(), "HOME": str(self.folder), "ANSIBLE_CONFIG": str(permissions.ROOT / "ansible.cfg"), "NO_COLOR": "1",
                   "ANSIBLE_COLLECTIONS_PATH": str(permissions.ROOT / ".collections")}  # fmt: skip
        command = [
            sys.executable,
            "-m",
            "ansible",
            "playbook",
            f"evict.cloud.{name}",
            "-e",
            "hold=1s",
            "-e",
            "contain_spread=1s",
            "-e",
            "allow_local_store=true",
            *extra,
        ]
        done = subprocess.run(
            command, cwd=self.folder, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False
        )
        assert done.returncode == status, f"{name}\n{done.stdout}{done.stderr}"
        return done.stdout

    def module(self, name: str, status: int = 0, **options: Any) -> str:
        """A single module, in this process: what it asks of the cloud is the same, and a task of Ansible's costs seconds."""
        with environment({**self.bed.environ(), "HOME": str(self.folder)}):
            answer = call_module(name, options)
        assert bool(answer.get("failed")) == bool(status), answer
        return json.dumps(answer)

    def calls(self) -> list[dict[str, Any]]:
        """What the responder asked of the cloud so far."""
        return [
            c
            for c in self.bed.calls()
            if any(role in c["principal"] for role in (permissions.ROLE, permissions.MANAGEMENT_ROLE)) or c["access_key"] in self.keys
        ]


@pytest.fixture
def desk(bed: Bed, company: Company, tmp_path: Path) -> Desk:
    return Desk(bed, company, tmp_path)


def _attack(bed: Bed, company: Company) -> None:
    """Something for the quick scope to find: a session, a role, a key of somebody else."""
    sts = bed.client("sts", company.leaked)
    sts.get_session_token()
    sts.assume_role(RoleArn=company.production.roles["deploy"], RoleSessionName="evil")
    bed.client("iam", company.leaked).create_access_key(UserName="bob")


def _credentials(bed: Bed, account: Any, user: str) -> None:
    """One credential of every kind that a user may hold beside keys and a password."""
    iam = bed.client("iam", account.root, direct=True)
    iam.upload_ssh_public_key(UserName=user, SSHPublicKeyBody="ssh-rsa AAAAB3NzaC1yc2E example")
    iam.upload_signing_certificate(UserName=user, CertificateBody="-----BEGIN CERTIFICATE-----")
    iam.create_service_specific_credential(UserName=user, ServiceName="codecommit.amazonaws.com")
    serial = iam.create_virtual_mfa_device(VirtualMFADeviceName=user)["VirtualMFADevice"]["SerialNumber"]
    iam.enable_mfa_device(UserName=user, SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321")


def _providers(bed: Bed, account: Any) -> None:
    """An identity provider of each kind, as an account has that people and pipelines sign in to: what is in them is read before and after."""
    iam = bed.client("iam", account.root, direct=True)
    iam.create_open_id_connect_provider(Url="https://ci.example", ClientIDList=["sts.amazonaws.com"], ThumbprintList=["a" * 40])
    iam.create_saml_provider(Name="corp", SAMLMetadataDocument=METADATA)


def _outliving(bed: Bed, company: Company, desk: Desk) -> None:
    """One live thing of each kind that the suspect started, its entry in a cluster, and workloads of a role whose sessions are revoked; then back."""
    test_live.furnish(desk)
    test_refresh.furnish(desk)
    functions = test_live.root(desk, "lambda")
    functions.create_alias(FunctionName="orders", Name="live", FunctionVersion=functions.publish_version(FunctionName="orders")["Version"])
    eks, production = test_live.cluster(desk), company.production
    test_live.entry(eks, production.users["app-orders"], test_live.VIEW)
    test_live.powerful(desk, "app-orders")
    thief = production.keys["app-orders"]
    test_live.start_all(bed, thief, desk)
    test_isolation.miner(bed, thief, desk, production.roles["orders-lambda"])
    fence = {"fence": _opened(bed, company, desk)}
    desk.write(
        {"access_key_id": thief.access_key},
        {"arn": production.roles["shared"]},
        id="IR-3",
        resources=fence,
        window={"start": "2026-01-22T09:00:00Z", "end": None},
    )
    said = desk.play("contain", 2, incident=str(desk.incident))
    assert "  FAILED  " not in said and "OPEN    live sessions" not in said and said.count("  end: ") == 9, said
    assert "1 function, 1 key, 1 queue, 1 repository, 1 secret, 1 topic" in said and "closed: its policy" in said, said
    desk.play("recover", case=str(desk.folder / "cases" / "IR-3"), only=f"{thief.access_key},{production.roles['shared']}", verdict="false_positive",
              reason="test", by="test")  # fmt: skip
    desk.write({"access_key_id": company.leaked.access_key})


def _opened(bed: Bed, company: Company, desk: Desk) -> list[str]:
    """ARNs of a resource of each kind, one of them opened to the world by the suspect."""
    estate, thief = test_resources.Estate(desk).make(), company.production.keys["app-orders"]  # type: ignore[arg-type]
    estate.root("s3").delete_bucket_website(Bucket=estate.site)
    for name in (estate.odd, estate.site):
        bed.client("s3", thief).delete_public_access_block(Bucket=name)
        anybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
        bed.client("s3", thief).put_bucket_policy(Bucket=name, Policy=document(anybody))
    estate.root("s3").put_public_access_block(Bucket=estate.site, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    estate.root("lambda").remove_permission(
        FunctionName="fenced", StatementId="events"
    )  # then there is no policy, and there is to be none again
    return [*estate.arns.values(), f"arn:aws:s3:::{estate.site}"]


def _instance(bed: Bed, company: Company) -> str:
    """An instance with a role; its id."""
    iam = bed.client("iam", company.staging.root, direct=True)
    iam.create_role(RoleName="web", AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
    iam.create_instance_profile(InstanceProfileName="web")
    iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="web")
    ec2 = bed.client("ec2", company.staging.root, direct=True)
    image = ec2.describe_images()["Images"][0]["ImageId"]
    return str(ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, IamInstanceProfile={"Name": "web"})["Instances"][0]["InstanceId"])


def _standing(bed: Bed, company: Company, desk: Desk) -> None:
    """The standing fence, deployed by a person: a canary, and a tag."""
    exempt = ["arn:aws:iam::*:role/incident-responder"]
    client = bed.client("organizations", root(bed.management), direct=True)
    made = client.create_policy(
        Name="standing", Type="SERVICE_CONTROL_POLICY", Description="x", Content=json.dumps(standing_fence.document(exempt))
    )
    client.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=company.root_id)
    desk.module("aws_account_fence", case=desk.case, state="verified", accounts=[company.production.id])
    client.detach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=company.root_id)


def _below(bed: Bed, company: Company, desk: Desk) -> None:
    """Without an organization: AWSDenyAll, and where ten policies are attached the boundary; then back."""
    account = company.production
    iam = bed.client("iam", account.root, direct=True)
    iam.create_user(UserName="crowded")
    iam.create_role(RoleName="crowded", AssumeRolePolicyDocument=trust({"AWS": account.users["bob"]}))
    for number in range(10):
        arn = iam.create_policy(PolicyName=f"p{number}", PolicyDocument=document(allow("sqs:ListQueues")))["Policy"]["Arn"]
        iam.attach_user_policy(UserName="crowded", PolicyArn=arn)
        iam.attach_role_policy(RoleName="crowded", PolicyArn=arn)
    bed.organizations(in_use=False)
    arns = [
        account.users["app-orders"],
        account.roles["reporting"],
        *(f"arn:aws:iam::{account.id}:{kind}/crowded" for kind in ("user", "role")),
    ]
    desk.write(*({"arn": arn} for arn in arns), id="IR-2", role_action="deny")
    said = desk.play("contain", 2, incident=str(desk.incident))
    assert "AWSDenyAll" in said and "there is no organization" in said, said
    desk.play("recover", case=str(desk.folder / "cases" / "IR-2"), only=",".join(arns), verdict="false_positive", reason="test", by="test")
    bed.organizations(in_use=True)
    desk.write({"access_key_id": company.leaked.access_key})


def _at_home(bed: Bed, company: Company, desk: Desk) -> None:
    """With credentials of its own in the account of an administrator: who else could administer it is asked."""
    iam = bed.client("iam", company.staging.root, direct=True)
    iam.create_user(UserName="on-call")
    mine = {"respond": permissions.responder_policy(), "resources": permissions.resources_policy(), "become": permissions.caller_policy()}
    for name, policy in mine.items():
        made = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(policy))["Policy"]["Arn"]
        iam.attach_user_policy(UserName="on-call", PolicyArn=made)
    iam.create_user(UserName="owner")
    iam.attach_user_policy(UserName="owner", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    key = Credentials.of(iam.create_access_key(UserName="on-call")["AccessKey"])
    desk.keys.add(key.access_key)
    desk.write({"arn": f"arn:aws:iam::{company.staging.id}:user/owner"}, id="IR-9", connection={"aws": {}})
    bed.responder = key
    said = desk.module("aws_contain", incident=str(desk.incident), scope=0, hold="0", account_fence="none", status=2)
    assert "cut, not yet spread" in said, said
    bed.responder = company.responder
    desk.write({"access_key_id": company.leaked.access_key})


def test_the_generated_policies_are_enough_and_nothing_in_them_is_idle(bed: Bed, company: Company, desk: Desk) -> None:
    before = bed.snapshot()
    production, staging = company.production, company.staging
    _attack(bed, company)
    _credentials(bed, production, "ci-deploy")
    _credentials(bed, staging, "bob")
    _providers(bed, production)
    # The account of the key is asked for. The role is denied, but nobody closes its source: that stays open for a person (exit code 2).
    desk.write({"access_key_id": company.leaked.access_key}, {"arn": staging.roles["reporting"]}, role_action="deny")
    contained = desk.play("contain", 2, incident=str(desk.incident))
    assert contained.count("read-back") >= 2, contained
    assert "0 events seen" not in contained
    assert "changed: 0" in desk.play("contain", 2, incident=str(desk.incident))
    desk.play("recover", case=desk.case)
    desk.play("recover", case=desk.case, only=company.leaked.access_key, verdict="false_positive", reason="test", by="test")

    alice, bob = production.users["alice"], staging.users["bob"]
    desk.module("aws_principal_info", suspects=[_instance(bed, company)], account=staging.id, role_arn=company.role_template, detail="full")
    desk.module("aws_identity_quarantine", case=desk.case, principals=[alice])
    desk.module("aws_identity_quarantine", case=desk.case, principals=[bob])
    desk.module("aws_identity_quarantine", case=desk.case, principals=[production.users["bob"]])
    for who in (alice, bob, production.users["bob"]):  # a policy on each account, and one that is extended
        desk.module("aws_account_fence", case=desk.case, principals=[who])
    desk.module("aws_session", case=desk.case, principals=[staging.roles["deploy"]], sessions=["build-1"])
    desk.module("aws_credential", case=desk.case, principals=[bob], state="absent")

    desk.module("aws_account_fence", case=desk.case, state="absent")
    _standing(bed, company, desk)
    _below(bed, company, desk)
    _at_home(bed, company, desk)
    _outliving(bed, company, desk)

    refused = {f"{c['service']}:{c['operation']} ({c['principal']})" for c in desk.calls() if c["error"] in DENIED}
    assert not refused, refused

    stranger = bed.client("iam", root("444444444444"), direct=True)  # whether that account is ours is asked of the organization
    stranger.create_user(UserName="x")
    key = stranger.create_access_key(UserName="x")["AccessKey"]["AccessKeyId"]
    said = desk.module("aws_principal_info", suspects=[key], role_arn=company.role_template, status=2)
    assert "not in your organization" in desk.module(
        "aws_principal_info", suspects=[key], role_arn=company.role_template, status=2, **desk.above
    )
    assert "not in your organization" in said

    names = {"s3:DeleteBucketPublicAccessBlock": "s3:PutBucketPublicAccessBlock"}  # the action of IAM
    made = {names.get(name, name) for c in desk.calls() if (name := f"{c['service']}:{c['operation']}")} - set(permissions.NEEDS_NONE)
    asked = {(f"sts:{e['eventName']}", name) for e in bed.events() for name in (e["requestParameters"] or {}) if "errorCode" not in e}
    made |= {a for a, (operation, name) in permissions.PARAMETERS.items() if (operation, name[0].lower() + name[1:]) in asked}
    granted = set().union(
        *map(permissions.actions_in, (permissions.role_policy(), permissions.caller_policy(), permissions.management_policy()))
    )
    assert made <= granted, made - granted
    assert made | ONLY_IN_A_FIGHT | CLOCKS == granted - NOT_ON_THE_BED | CLOCKS, f"nothing used {granted - made - CLOCKS}"
    assert bed.snapshot() != before  # it was no dry run


def test_the_generated_policies_are_enough_to_stop_the_clocks(bed: Bed, company: Company, desk: Desk) -> None:
    """Everything that runs out, set going by a suspect: stopped, and set going again where a verdict does that."""
    bed.regions("us-east-1", test_clocks.REGION)
    things = test_clocks.furnish(desk)
    test_clocks.attack(desk, things)
    desk.write({"access_key_id": company.leaked.access_key}, **test_clocks.window())
    said = desk.play("contain", incident=str(desk.incident))
    assert "  FAILED  " not in said and test_clocks.seen(desk, things) == test_clocks.STOPPED, said
    desk.play("recover", case=desk.case, only=company.leaked.access_key, verdict="false_positive", reason="test", by="test")
    refused = {f"{c['service']}:{c['operation']} ({c['principal']})" for c in desk.calls() if c["error"] in DENIED}
    assert not refused, refused
    made = {f"{c['service']}:{c['operation']}" for c in desk.calls()}
    assert {_ACTIONS.get(action, action) for action in made} >= CLOCKS - NOT_ON_THE_BED


def test_a_write_that_is_taken_away_is_missed_by_name(bed: Bed, company: Company, desk: Desk) -> None:
    """The bed does judge by these policies: without one of them the run says which action is missing, and for whom."""
    policy = permissions.role_policy()
    for statement in policy["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action != "iam:PutUserPolicy"]
    iam = bed.client("iam", company.production.root, direct=True)
    iam.put_role_policy(RoleName="incident-responder", PolicyName="work", PolicyDocument=json.dumps(policy))
    desk.write({"arn": company.production.users["ci-deploy"]})
    said = desk.module("aws_contain", incident=str(desk.incident), scope=0, hold="0", status=2)
    assert "iam:PutUserPolicy" in said and company.production.users["ci-deploy"] in said


def test_the_bed_refuses_every_action_that_is_not_granted(bed: Bed, company: Company) -> None:
    """Else "nothing was refused" would say nothing."""
    account = company.production
    iam = bed.client("iam", account.root, direct=True)
    nothing = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}]}
    iam.put_role_policy(RoleName="incident-responder", PolicyName="work", PolicyDocument=json.dumps(nothing))
    answer = bed.client("sts", company.responder).assume_role(RoleArn=account.responder_role, RoleSessionName="evict")
    session = Credentials.of(answer["Credentials"])
    queue = f"{bed.direct}/{account.id}/{QUEUE}"
    values = {"UserName": "alice", "RoleName": "deploy", "PolicyName": "work", "PolicyDocument": json.dumps(nothing), "Status": "Inactive",
              "AccessKeyId": account.keys["alice"].access_key, "InstanceProfileName": "web", "AccountId": account.id,
              "RoleArn": account.roles["deploy"], "RoleSessionName": "evict", "TargetId": account.id, "PolicyId": "p-12345678", "Name": "x",
              "Content": "{}", "Description": "x", "Type": "SERVICE_CONTROL_POLICY", "Filter": "SERVICE_CONTROL_POLICY",
              "PolicyArn": "arn:aws:iam::aws:policy/AWSDenyAll", "PermissionsBoundary": "arn:aws:iam::aws:policy/AWSDenyAll",
              "SerialNumber": f"arn:aws:iam::{account.id}:mfa/alice", "PolicySourceArn": account.users["alice"], "ActionNames": ["iam:CreateUser"],
              "GroupName": "engineers", "VersionId": "v1", "Tags": [{"Key": "a", "Value": "b"}], "TagKeys": ["a"], "AssumeRolePolicyDocument": json.dumps(nothing),
              "SSHPublicKeyId": "APKAEIBAERJR2EXAMPLE", "CertificateId": "TA7SMP42TDN5Z26OBPJE7EXAMPLE",
              "ServiceSpecificCredentialId": "ACCAEXAMPLE123EXAMPLE", "State": "Active", "SessionId": "s", "CommandId": "c" * 36,
              "AutomationExecutionId": "a" * 36, "ids": ["x:y"], "id": "x:y", "projectName": "ci", "JobName": "etl", "RunId": "r", "JobRunIds": ["r"],
              "jobs": ["j"], "jobId": "j", "reason": "r", "executionArn": "arn:aws:states:us-east-1:1:execution:a:b", "FunctionName": "orders",
              "AssociationId": "iip-assoc-0", "UUID": "0" * 36, "ReservedConcurrentExecutions": 0, "IamInstanceProfile": {"Name": "web"}, "tasks": ["t"], "taskDefinition": "web", "services": ["web"],
              "service": "web", "name": "prod", "clusterName": "prod", "principalArn": account.users["alice"], "policyArn": test_live.VIEW,
              "accessScope": {"type": "cluster"}, "InstanceId": "i-0", "Attribute": "disableApiTermination", "TrailName": "org", "ConfigurationRecorderName": "r",
              "logGroupName": "g", "retentionInDays": 1, "AutoScalingGroupName": "a", "ChildId": account.id,
              "Bucket": company.production.buckets[0], "Policy": json.dumps(nothing), "KeyId": "k", "QueueUrl": queue,
              "SecretId": SECRET, "ResourcePolicy": json.dumps(nothing), "TopicArn": f"arn:aws:sns:us-east-1:{account.id}:x", "AttributeName": "Policy",
              "ResourceArn": f"arn:aws:lambda:us-east-1:{account.id}:function:x", "repositoryName": "x/y", "policyText": "{}", "QueueName": QUEUE,
              "Attributes": {"Policy": ""}, "PublicAccessBlockConfiguration": {}, "ClientID": "c", "ThumbprintList": ["a" * 40], "SAMLMetadataDocument": METADATA,
              "OpenIDConnectProviderArn": f"arn:aws:iam::{account.id}:oidc-provider/ci.example",
              "SAMLProviderArn": f"arn:aws:iam::{account.id}:saml-provider/corp"}  # fmt: skip
    allowed = {}
    elsewhere = {
        "s3:ListBucket",
        "sso:ListInstances",
    }  # HeadBucket, which test_readiness.py makes; and a service that the bed does not have
    left_out = {*permissions.PARAMETERS, *NOT_ON_THE_BED, *elsewhere, *permissions.only_discovery()}
    for action in sorted(set(permissions.needs()) - left_out):
        service, operation = {v: k for k, v in permissions.ACTIONS.items()}.get(action, action).split(":")
        operation = operation.replace("BucketPublicAccessBlock", "PublicAccessBlock")
        client = bed.client({"states": "stepfunctions"}.get(service, service), session)
        shape = client.meta.service_model.operation_model(operation).input_shape
        parameters = {name: values[name] for name in (shape.required_members if shape else ())}
        allowed[action] = outcome(getattr(client, xform_name(operation)), **parameters)
    assert {action: code for action, code in allowed.items() if code not in DENIED} == {}
