"""What the responder may have to do in AWS, as IAM policy documents and a table: docs/permissions*, written by generate.py.

Writes are what the generators' Steps hold (do, undo, probe): each is run here on canned principals. Reads are the READS constants of
module_utils/aws. What neither shows is declared here, with the reason. Every operation is looked up in botocore's service models.
"""

from __future__ import annotations

import ast
import dataclasses
import datetime
import functools
import importlib
import inspect
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.tools.generate import ROOT, Files

PACKAGE = "ansible_collections.evict.cloud.plugins.module_utils"
FOLDER = ROOT / "plugins" / "module_utils" / "aws"
POLICY = "docs/permissions/aws-responder.json"
CALLER_POLICY = "docs/permissions/aws-caller.json"
MANAGEMENT_POLICY = "docs/permissions/aws-management.json"
TABLE = "docs/permissions.md"
ROLE, MANAGEMENT_ROLE = "incident-responder", "incident-policies"  # the names that the documentation uses; any will do

# IAM's name of an action is the service's prefix and the API operation, except where this says otherwise. A service that is not listed
# stops the generator: somebody has to look its prefix up first.
PREFIXES = {
    service: service
    for service in (
        "batch", "cloudformation", "cloudtrail", "codebuild", "ec2", "ecs", "eks", "glue", "iam", "lambda", "organizations", "rolesanywhere",
        "secretsmanager", "sns", "ssm", "sts",
    )
} | {"stepfunctions": "states"}  # fmt: skip
ACTIONS: dict[str, str] = {}  # "<service>:<Operation>" -> action, where the two differ: none so far

NEEDS_NONE = {
    "sts:GetCallerIdentity": "AWS answers it whatever the policies say",
    "iam:ListAccountAliases": "made by the canary's own session, which is given that right",
    **dict.fromkeys(
        ("secretsmanager:GetSecretValue", "sns:GetTopicAttributes", "sns:Publish", "ssm:GetParameter"),
        "of notifiers, with their own access: whoever names a topic or a secret in the incident file gives the right to that one (docs: notifying)",
    ),
}
# Made with the credentials that the command was started with, never with those of the role in an account.
CALLER = ("organizations:DescribeAccount", "sts:AssumeRole", "sts:GetAccessKeyInfo", "sts:SetSourceIdentity")
BECOME = ("sts:AssumeRole", "sts:SetSourceIdentity")
CALLER_TOO = ("iam:GetRole",)  # of its own role, so that what it is reached through is not cut
DECLARED = {
    "sts:AssumeRole": "assumed",
    "sts:SetSourceIdentity": "assumed",
}  # no Step and no READS holds it: assumed.py makes the accounts' credentials
PARAMETERS = {
    "sts:SetSourceIdentity": ("sts:AssumeRole", "SourceIdentity")
}  # actions that are asked for by a parameter, not by an operation of their own
DEPENDENT = {"iam:PassRole": "workloads.instance"}  # checked by AWS within another action, so no call of ours

_PLANNING = ("aws_account_fence", "aws_contain", "aws_credential", "aws_identity_quarantine", "aws_principal_info", "aws_session")
_EVERY = (*_PLANNING, "aws_restore")
# Which modules make a file's READS; of Steps, `runs` says it.
USERS: dict[str, tuple[str, ...]] = {
    **{
        f"credentials.{kind}": ("aws_contain", "aws_credential", "aws_principal_info")
        for kind in ("access_key", "login_profile", "mfa_device", "signing_certificate", "ssh_public_key")
    },
    "credentials.server_certificate": ("aws_contain", "aws_principal_info"),
    "credentials.service_specific_credential": _PLANNING,  # a suspect may be one
    "account_state": ("aws_contain",),
    "authors": _PLANNING,  # a suspect may have written itself into the responder's trust policy
    "aftermath": ("aws_contain",),
    **{f"live.{path.stem}": ("aws_contain",) for path in (FOLDER / "live").glob("*.py") if path.stem not in ("__init__", "kind")},
    **{f"workloads.{path.stem}": ("aws_contain",) for path in (FOLDER / "workloads").glob("*.py") if path.stem not in ("__init__", "kind")},
    "canary": ("aws_account_fence", "aws_contain"),
    "deny_all": ("aws_contain",),
    "events": _PLANNING,
    "hold": ("aws_contain",),
    "organization": ("aws_account_fence", "aws_contain"),
    "principal": _PLANNING,
    "quarantine": ("aws_contain", "aws_identity_quarantine", "aws_session"),
    "scope": ("aws_contain",),
    "administrators": ("aws_contain", "aws_credential", "aws_identity_quarantine"),
    "assumed": _EVERY,
    "branch": ("aws_account_fence", "aws_contain", "aws_credential", "aws_identity_quarantine", "aws_session"),
    "shared_tag": ("aws_account_fence", "aws_contain"),
    "sessions": ("aws_contain", "aws_identity_quarantine", "aws_session"),
    "snapshot": ("aws_contain", "aws_principal_info"),
    "trust": ("aws_contain",),
}
WHY = {
    "batch:DescribeJobs": "whether a job that the log names still runs; read back",
    "batch:TerminateJob": "end a Batch job that a suspect submitted",
    "cloudformation:CancelUpdateStack": "cancel a stack update that a suspect began",
    "cloudformation:DescribeStacks": "whether a stack that the log names is at work; read back",
    "codebuild:BatchGetBuilds": "which builds run, and who started them; read back",
    "codebuild:ListBuildsForProject": "which builds run, and who started them",
    "codebuild:ListProjects": "which builds run, and who started them",
    "codebuild:StopBuild": "end a build that a suspect started",
    "ec2:DescribeIamInstanceProfileAssociations": "which instances run as a role whose sessions were revoked",
    "ec2:ReplaceIamInstanceProfileAssociation": "make an instance fetch new credentials after a revocation",
    "ecs:DescribeServices": "how a service is deployed; read back",
    "ecs:DescribeTaskDefinition": "which role a task runs as",
    "ecs:DescribeTasks": "which tasks run as a role whose sessions were revoked",
    "ecs:ListClusters": "which tasks run as a role whose sessions were revoked",
    "ecs:ListTasks": "which tasks run as a role whose sessions were revoked",
    "ecs:UpdateService": "give a service new tasks after a revocation",
    "eks:AssociateAccessPolicy": "release: an access entry with its policies",
    "eks:CreateAccessEntry": "release: an access entry",
    "eks:DeleteAccessEntry": "take a suspect's access to a cluster away",
    "eks:DescribeAccessEntry": "what an access entry says, so that it can come back; read back",
    "eks:DescribeCluster": "whether a cluster has access entries, and whether aws-auth counts as well",
    "eks:DisassociateAccessPolicy": "take a suspect's access to a cluster away",
    "eks:ListAccessEntries": "whether a suspect has access to a cluster",
    "eks:ListAssociatedAccessPolicies": "what an access entry allows, so that it can come back; read back",
    "eks:ListClusters": "the clusters of a region",
    "glue:BatchStopJobRun": "end a Glue job run that a suspect started",
    "glue:GetJobRun": "whether a run that the log names still runs; read back",
    "iam:PassRole": "AWS asks for it when an instance profile is replaced",
    "lambda:GetFunctionConfiguration": "the description of a function; read back",
    "lambda:ListAliases": "which aliases lead to published versions, which cannot be refreshed",
    "lambda:ListFunctions": "which functions run as a role whose sessions were revoked",
    "lambda:UpdateFunctionConfiguration": "give a function new execution environments after a revocation; release: its description",
    "rolesanywhere:DisableCrl": "switch off a revocation list that a suspect imported",
    "rolesanywhere:DisableProfile": "switch off a profile that a suspect made",
    "rolesanywhere:DisableTrustAnchor": "switch off a trust anchor that a suspect made",
    "rolesanywhere:EnableCrl": "release: a revocation list",
    "rolesanywhere:EnableProfile": "release: a profile",
    "rolesanywhere:EnableTrustAnchor": "release: a trust anchor",
    "rolesanywhere:GetCrl": "whether it is on; read back",
    "rolesanywhere:GetProfile": "whether it is on; read back",
    "rolesanywhere:GetTrustAnchor": "whether it is on; read back",
    "rolesanywhere:ListProfiles": "which certificates lead to a contained role",
    "rolesanywhere:ListTrustAnchors": "which certificates lead to a contained role",
    "ssm:CancelCommand": "end a command that a suspect sent",
    "ssm:DescribeAutomationExecutions": "which automations run, and who started them; read back",
    "ssm:DescribeSessions": "which sessions are open, and whose; read back",
    "ssm:ListCommands": "whether a command that the log names still runs; read back",
    "ssm:StopAutomationExecution": "end an automation that a suspect started",
    "ssm:TerminateSession": "end a session of a suspect, of ECS Exec too",
    "states:DescribeExecution": "whether an execution that the log names still runs; read back",
    "states:StopExecution": "end an execution that a suspect started",
    "cloudtrail:LookupEvents": "quick scope; who issued a session key; who else uses a role",
    "ec2:DescribeInstances": "a suspect given as an instance id",
    "ec2:DescribeRegions": "the regions that are enabled, each of which has its own event history",
    "iam:DeactivateMFADevice": "remove an MFA device that was enrolled during the incident",
    "iam:AddUserToGroup": "put back what a contained principal changed meanwhile",
    "iam:AttachGroupPolicy": "put back what a contained principal changed meanwhile",
    "iam:AttachRolePolicy": "AWSDenyAll, where no service control policy can be had",
    "iam:AttachUserPolicy": "AWSDenyAll, where no service control policy can be had",
    "iam:CreateRole": "the canary of the standing fence: a role of the responder's own",
    "iam:DeleteRole": "the canary goes again",
    "iam:TagRole": "the standing fence; which incidents hold AWSDenyAll or the boundary",
    "iam:TagUser": "the standing fence; which incidents hold AWSDenyAll or the boundary",
    "iam:UntagRole": "release: those tags",
    "iam:UntagUser": "release: those tags",
    "iam:DeleteAccessKey": "`aws_credential` with `state: absent`",
    "iam:DeleteGroupPolicy": "put back what a contained principal changed meanwhile",
    "iam:DeleteLoginProfile": "a console password can only be deleted",
    "iam:DeleteRolePermissionsBoundary": "release: no boundary, if there was none",
    "iam:DeleteRolePolicy": "release: take our own inline policies away again",
    "iam:DeleteSSHPublicKey": "`aws_credential` with `state: absent`",
    "iam:DeleteServiceSpecificCredential": "`aws_credential` with `state: absent`",
    "iam:DeleteSigningCertificate": "`aws_credential` with `state: absent`",
    "iam:DeleteUserPermissionsBoundary": "release: no boundary, if there was none",
    "iam:DeleteUserPolicy": "release: take our own inline policies away again",
    "iam:DetachGroupPolicy": "put back what a contained principal changed meanwhile",
    "iam:DetachRolePolicy": "release: AWSDenyAll",
    "iam:DetachUserPolicy": "release: AWSDenyAll",
    "iam:GetAccessKeyLastUsed": "whose key it is, and when and where it was used last",
    "iam:GetAccountAuthorizationDetails": "all identities of the account, before and after: what the contained did while their fence was spreading; whether somebody else can administer the account",
    "iam:GetGroupPolicy": "read back what was put back",
    "iam:GetInstanceProfile": "a suspect given as an instance id: the role behind its profile",
    "iam:GetLoginProfile": "whether there is a console password; read back",
    "iam:GetPolicy": "read back what was put back",
    "iam:GetRole": "the role, its trust policy and longest session; also of the responder's own role and those it is reached through, so that they are not cut",
    "iam:GetRolePolicy": "whether our policies are there; read back; the snapshot",
    "iam:GetUser": "the user",
    "iam:GetUserPolicy": "whether our policies are there; read back; the snapshot",
    "iam:ListAccessKeys": "which keys there are, and their status; read back",
    "iam:ListAttachedGroupPolicies": "read back what was put back",
    "iam:ListAttachedRolePolicies": "the snapshot",
    "iam:ListAttachedUserPolicies": "the snapshot",
    "iam:ListGroupsForUser": "the snapshot",
    "iam:ListInstanceProfilesForRole": "the snapshot",
    "iam:ListMFADevices": "which MFA devices there are, and since when; read back",
    "iam:ListOpenIDConnectProviders": "identity providers, before and after",
    "iam:ListRolePolicies": "which inline policies there are; the snapshot",
    "iam:ListSAMLProviders": "identity providers, before and after",
    "iam:ListSSHPublicKeys": "which SSH public keys there are, and their status; read back",
    "iam:ListServerCertificates": "the server certificates of the account, which are reported and never changed",
    "iam:ListServiceSpecificCredentials": "which service-specific credentials there are, and their status; whose a reported one is; read back",
    "iam:ListSigningCertificates": "which signing certificates there are, and their status; read back",
    "iam:ListUserPolicies": "which inline policies there are; the snapshot",
    "iam:PutGroupPolicy": "put back what a contained principal changed meanwhile",
    "iam:PutRolePermissionsBoundary": "AWSDenyAll as the boundary, where ten policies are attached; release: the old one",
    "iam:PutRolePolicy": "fence a role; revoke its sessions",
    "iam:PutUserPermissionsBoundary": "AWSDenyAll as the boundary, where ten policies are attached; release: the old one",
    "iam:PutUserPolicy": "fence a user; revoke its sessions",
    "iam:RemoveUserFromGroup": "put back what a contained principal changed meanwhile",
    "iam:SetDefaultPolicyVersion": "put back what a contained principal changed meanwhile",
    "iam:SimulatePrincipalPolicy": "whether an identity administers the account; asked only where the caller acts in its own account",
    "iam:UpdateAccessKey": "switch an access key off; on again for a false positive, or if it is not a compromised one",
    "iam:UpdateAssumeRolePolicy": "put back a trust policy that a suspect wrote, or narrow it",
    "iam:UpdateSSHPublicKey": "switch an SSH public key off; on again, as access keys",
    "iam:UpdateServiceSpecificCredential": "switch a service-specific credential off; on again, as access keys",
    "iam:UpdateSigningCertificate": "switch a signing certificate off; on again, as access keys",
    "organizations:AttachPolicy": "the fence above the account",
    "organizations:CreatePolicy": "the fence above the account",
    "organizations:DeletePolicy": "release: the fence above the account, when it holds nobody any more",
    "organizations:DescribeAccount": "whether an account that cannot be reached is yours (works in the management or a delegated account; a refusal is no obstacle)",
    "organizations:DescribeOrganization": "whether there is one, and which is its management account",
    "organizations:DescribePolicy": "what the fence above the account says now",
    "organizations:DetachPolicy": "release: the fence above the account, when it holds nobody any more",
    "organizations:ListPolicies": "whether the fence above the account is there; read back",
    "organizations:ListPoliciesForTarget": "which policies are attached to the account, and whether there is room; read back",
    "organizations:ListRoots": "whether service and resource control policies are enabled",
    "organizations:UpdatePolicy": "extend the fence above the account, and take out of it who is released",
    "sts:AssumeRole": "become the responder role of an account",
    "sts:GetAccessKeyInfo": "in which account a key is",
    "sts:SetSourceIdentity": "the human's name in CloudTrail; the role's trust has to allow it too. Without it roles are assumed without a name",
}


@dataclasses.dataclass
class Need:
    """Why an action is in a policy: ``sources`` are files of module_utils/aws (dotted, without the package)."""

    action: str
    write: bool
    sources: set[str]
    modules: set[str]


# -- reads -----------------------------------------------------------------------------------------------------------------------


def names() -> list[str]:
    """Dotted names of the files of module_utils/aws, below it."""
    found = [path.relative_to(FOLDER).with_suffix("").parts for path in sorted(FOLDER.rglob("*.py"))]
    return [".".join(parts) for parts in found if parts[-1] != "__init__"]


def load(name: str) -> ModuleType:
    return importlib.import_module(f"{PACKAGE}.aws.{name}")


def reads() -> dict[str, set[str]]:
    """{"<service>:<Operation>": files whose READS name it}."""
    found: dict[str, set[str]] = {}
    for name in names():
        for read in getattr(load(name), "READS", ()):
            found.setdefault(read, set()).add(name)
    return found


# -- writes: the generators, run on canned principals ----------------------------------------------------------------------------


class Cloud:
    """Answers every read with something that makes each generator go all its way; remembers what it was asked."""

    ANSWERS: dict[str, Any] = {
        "ListAccessKeys": {"AccessKeyMetadata": [{"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Active"}]},
        "ListSSHPublicKeys": {"SSHPublicKeys": [{"SSHPublicKeyId": "APKAEXAMPLE", "Status": "Active"}]},
        "ListServiceSpecificCredentials": {
            "ServiceSpecificCredentials": [
                {"ServiceSpecificCredentialId": "ACCAEXAMPLE", "ServiceName": "bedrock.amazonaws.com", "Status": "Active"}
            ]
        },
        "ListSigningCertificates": {"Certificates": [{"CertificateId": "CERTIFICATE", "Status": "Active"}]},
        "ListMFADevices": {"MFADevices": [{"SerialNumber": "arn:aws:iam::111122223333:mfa/ci", "EnableDate": "2026-01-01T00:00:00Z"}]},
        "GetLoginProfile": {"LoginProfile": {"CreateDate": "2025-01-01T00:00:00Z"}},
        "ListUserPolicies": {"PolicyNames": ["work"]},
        "ListRolePolicies": {"PolicyNames": ["work"]},
        "DescribeOrganization": {"Organization": {"MasterAccountId": "999988887777", "FeatureSet": "ALL"}},
        "DescribePolicy": {"Policy": {"Content": {"Statement": []}}},
        "GetFunctionConfiguration": {"Description": "orders"},
    }

    def __init__(self, **answers: Any) -> None:
        self.asked: list[Any] = []
        self._answers = {**self.ANSWERS, **answers}

    def call(self, call: Any, parameters: Any = None) -> dict[str, Any]:
        self.asked.append(call)
        return dict(self._answers.get(call.operation, {}))

    def document(self, edit: Any) -> Any:
        return load("documents").find(edit.target, edit.document)


def principals() -> tuple[Any, Any]:
    """A user and a role."""
    kind = load("principal").Principal
    account, arn = "111122223333", "arn:aws:iam::111122223333"
    role = kind(account, "role", "deploy", "AROAEXAMPLE", f"{arn}:role/deploy", "", {"MaxSessionDuration": 3600}, sessions={"build-1"})
    return kind(account, "user", "ci", "AIDAEXAMPLE", f"{arn}:user/ci", ""), role


def incident() -> Any:
    return importlib.import_module(f"{PACKAGE}.common.incident").validate(
        {
            "id": "IR-1",
            "opened": "2026-01-01T00:00:00Z",
            "suspects": [{"cloud": "aws", "access_key_id": "AKIAIOSFODNN7EXAMPLE"}],
            "trusted": {"networks": ["198.51.100.0/24"]},
        },
        "permissions",
    )


def generators() -> set[str]:
    """``file.function`` of every generator of Steps in module_utils/aws, by its return type: what ``runs`` has to run."""
    found = set()
    for name in names():
        module = load(name)
        for function_name, function in inspect.getmembers(module, inspect.isfunction):
            mine = function.__module__ == module.__name__ and not function_name.startswith("_")
            if (
                mine
                and "Step]" in str(function.__annotations__.get("return", ""))
                and "Iterator" in str(function.__annotations__["return"])
            ):
                found.add(f"{name}.{function_name}")
    return found


@dataclasses.dataclass(frozen=True)
class Run:
    """What one generator made on one canned principal. ``modules``: which Ansible modules run it so."""

    generator: str
    modules: tuple[str, ...]
    steps: list[Any]
    asked: list[Any]


def runs() -> Iterator[Run]:
    """Every generator, on each kind of principal, for every state and action."""
    quarantine, sessions, credentials = load("quarantine"), load("sessions"), importlib.import_module(f"{PACKAGE}.aws.credentials")
    reader_of = importlib.import_module(f"{PACKAGE}.common.reader").Reader
    asked = credentials.Asked.by(incident())
    file, now = incident(), datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    user, role = principals()

    def run(name: str, modules: tuple[str, ...], generator: Any, **answers: Any) -> Run:
        cloud = Cloud(**answers)
        return Run(name, modules, list(generator(reader_of({"aws": cloud}))), cloud.asked)

    fencing, revoking = ("aws_contain", "aws_identity_quarantine"), ("aws_contain", "aws_identity_quarantine", "aws_session")
    yield run("quarantine.fence_user", fencing, lambda r: quarantine.fence_user(user, file, r))
    for action in ("deny", "clamp", "session", "revoke"):
        yield run(
            "quarantine.fence_role", revoking if action == "session" else fencing,
            lambda r, a=action: quarantine.fence_role(role, file, a, ["198.51.100.0/24"], now, r),
        )  # fmt: skip
    for principal in (user, role):
        yield run("sessions.revoke", revoking, lambda r, p=principal: sessions.revoke(p, file, now, r))
    yield from _above(run, file)
    yield from _held(run)
    yield from _outliving(run, role)
    for kind in credentials.KINDS.values():
        name = kind.__name__.split(".aws.", 1)[1]
        for state in ("disabled", "enabled", "absent"):
            modules = ("aws_contain", "aws_credential") if state == "disabled" else ("aws_credential",)
            try:
                yield run(f"{name}.steps", modules, lambda r, k=kind, s=state: k.steps(user, s, r, asked))
            except Exception as error:  # a state that the cloud does not have for this kind
                if type(error).__name__ != "EvictError":
                    raise


def _above(run: Any, file: Any) -> Iterator[Run]:
    """The fence above the account, made anew and added to one that is there; and what takes its place."""
    organization, scp, deny_all = load("organization"), load("service_control"), load("deny_all")
    full = {"Policies": [{"Id": f"p-{n}", "Name": f"evict-IR-0-{n}"} for n in range(10)]}
    for answers in ({}, {"ListPoliciesForTarget": full}):
        fence = organization.AccountFence(file, "111122223333", scp.Exempt(), lambda _step: None)
        held = [scp.Held(principal.arn) for principal in principals()]
        yield run(
            "organization.fence", ("aws_contain", "aws_account_fence"), lambda r, f=fence, h=held: organization.fence(f, h, r), **answers
        )
    for principal in principals():
        yield run("deny_all.attach", ("aws_contain",), lambda r, p=principal: deny_all.attach(p, file.id, r))
        yield run("deny_all.boundary", ("aws_contain",), lambda r, p=principal: deny_all.boundary(p, file.id, r))
        yield run("tag_fence.mark", ("aws_contain", "aws_account_fence"), lambda r, p=principal: load("tag_fence").mark(p, file.id, r))
    arn = "arn:aws:iam::111122223333:role/"
    target = principals()[0].target
    yield run(
        "canary.steps",
        ("aws_contain", "aws_account_fence"),
        lambda _r: load("canary").steps(target, f"{arn}evict-canary-0", f"{arn}{ROLE}"),
    )


def _held(run: Any) -> Iterator[Run]:
    """What hold puts back, one change of each kind, there and gone; and a trust policy that lets strangers in."""
    put_back, trust, change = load("put_back"), load("trust"), load("account_state").Change
    arns = {kind: f"arn:aws:iam::111122223333:{kind}/x" for kind in ("user", "role", "group", "policy")}
    made = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
    changes = [change(arns["role"], "trust", {}, made), change(arns["policy"], "version", "v1", "v2")]
    for pair in ((True, None), (None, True)):
        changes += [
            change(arns[kind], facet, *pair)
            for kind in ("user", "role", "group")
            for facet in ("inline/x", "attached/arn:aws:iam::aws:policy/x")
        ]
        changes += [change(arns[kind], "boundary", *pair) for kind in ("user", "role")] + [change(arns["user"], "group/x", *pair)]
    target = importlib.import_module(f"{PACKAGE}.common.plan").Target("aws", "111122223333")
    for one in changes:
        yield run("put_back.steps", ("aws_contain",), lambda _r, c=one: put_back.steps(c, target))
    own = type("Own", (), {"caller": {"account": "111122223333"}, "call": lambda *_: {}})()
    yield run(
        "trust.mend",
        ("aws_contain",),
        lambda r: trust.mend(own, arns["role"], set(), (), r, None),
        GetRole={"Role": {"AssumeRolePolicyDocument": made}},
    )


def _outliving(run: Any, role: Any) -> Iterator[Run]:
    """What ends a live thing, and what refreshes a workload."""
    live, workloads = (importlib.import_module(f"{PACKAGE}.aws.{name}") for name in ("live", "workloads"))
    target = importlib.import_module(f"{PACKAGE}.common.plan").Target("aws", role.account, "eu-west-1")
    data = [
        {"job": "etl", "cluster": "c", "entry": {}, "policies": {"arn:p": {"type": "cluster"}}, "noun": n}
        for n in ("profile", "trustAnchor", "crl")
    ]
    for kind in live.KINDS.values():
        for held in data if kind.KIND == "roles_anywhere" else data[:1]:
            one = live.Live(target, "11111111-2222-3333-4444-555555555555", role.arn, "x", held)
            yield run(f"live.{kind.KIND}.steps", ("aws_contain",), lambda _r, k=kind, o=one: k.steps(o))
    about = {"name": "f", "revision": "r", "cluster": "c", "service": "s", "profile": "p", "association": "a"}
    for kind in workloads.KINDS.values():
        name = kind.__name__.rsplit(".", 1)[-1]
        one = workloads.Workload(target, "x", role.arn, "x", frozenset(), about)
        yield run(f"workloads.{name}.steps", ("aws_contain",), lambda r, k=kind, o=one: k.steps(o, "evict IR-1", r))


def _calls(action: Any) -> list[tuple[Any, bool]]:
    """(Call, whether it writes) of a Call or an Edit."""
    if not hasattr(action, "document"):
        return [(action, True)]
    probe, write = Cloud().document(action)
    return [(probe.call, False), (write({"Statement": [{}]}), True)]


def steps() -> Iterator[tuple[str, bool, str, tuple[str, ...]]]:
    """("<service>:<Operation>", writes, the generator's file, modules) of all that Steps do, undo and probe."""
    for run in runs():
        source = run.generator.rpartition(".")[0]
        # A release undoes; so does aws_identity_quarantine with state: absent, what is a fence.
        undoing = ("aws_restore", "aws_identity_quarantine") if source in ("quarantine", "sessions", "deny_all") else ("aws_restore",)
        undoing = (*undoing, "aws_account_fence") if source in ("organization", "tag_fence", "canary") else undoing
        for call in run.asked:
            yield call.name, False, source, run.modules
        for step in run.steps:
            if step.probe:
                yield step.probe.call.name, False, source, run.modules + (undoing if step.undo else ())
            for actions, modules in ((step.do, run.modules), (step.undo, undoing)):
                for action in actions:
                    for call, writes in _calls(action):
                        yield call.name, writes, source, modules


# -- both ------------------------------------------------------------------------------------------------------------------------


@functools.cache
def _operation_names(service: str) -> frozenset[str]:
    import botocore.session

    return frozenset(botocore.session.get_session().get_service_model(service).operation_names)


def action_of(operation: str) -> str:
    """The IAM action of "<service>:<Operation>"; an operation that the service does not have is an error."""
    service, _colon, name = operation.partition(":")
    if service not in PREFIXES:
        raise SystemExit(f"permissions: {operation}: look up the IAM prefix of {service} and list it in PREFIXES")
    if operation in PARAMETERS:
        return operation
    if name not in _operation_names(service):
        raise SystemExit(f"permissions: {operation}: AWS has no such operation")
    return ACTIONS.get(operation, f"{PREFIXES[service]}:{name}")


def needs() -> dict[str, Need]:
    """Every action, by name."""
    found: dict[str, Need] = {}

    def add(operation: str, write: bool, sources: Iterable[str], modules: Iterable[str]) -> None:
        if operation in NEEDS_NONE:
            return
        need = found.setdefault(action_of(operation), Need(action_of(operation), write, set(), set()))
        need.write |= write
        need.sources.update(sources)
        need.modules.update(modules)

    for operation, sources in reads().items():
        add(operation, False, sources, (m for s in sources for m in USERS[s]))
    for operation, write, source, modules in steps():
        add(operation, write, (source,), modules)
    for operation, source in DECLARED.items():
        add(operation, False, (source,), USERS[source])
    for action, source in DEPENDENT.items():
        found[action] = Need(action, True, {source}, set(USERS[source]))
    return dict(sorted(found.items()))


_POLICIES = [f"arn:aws:organizations::*:policy/*/{kind}_control_policy/*" for kind in ("service", "resource")]
_ACCOUNTS = "arn:aws:organizations::*:account/*"


def _above_scope(action: str) -> Any:
    """What a write in Organizations may touch: control policies, and accounts, never a root or an organizational unit."""
    if action == "organizations:CreatePolicy":
        return "*"  # there is nothing to name yet
    return [_ACCOUNTS, *_POLICIES] if action in ("organizations:AttachPolicy", "organizations:DetachPolicy") else _POLICIES


# Resource types of the writes beyond IAM: the Service Authorization Reference. CancelCommand has none.
_BEYOND = {
    "ssm:TerminateSession": "ssm:*:*:session/*", "ssm:StopAutomationExecution": "ssm:*:*:automation-execution/*", "ssm:CancelCommand": "",
    "codebuild:StopBuild": "codebuild:*:*:project/*", "glue:BatchStopJobRun": "glue:*:*:job/*", "batch:TerminateJob": "batch:*:*:job/*",
    "states:StopExecution": "states:*:*:execution:*", "cloudformation:CancelUpdateStack": "cloudformation:*:*:stack/*",
    "eks:CreateAccessEntry": "eks:*:*:cluster/*", "lambda:UpdateFunctionConfiguration": "lambda:*:*:function:*",
    "ecs:UpdateService": "ecs:*:*:service/*", "ec2:ReplaceIamInstanceProfileAssociation": "ec2:*:*:instance/*",
    **{f"eks:{name}": "eks:*:*:access-entry/*" for name in ("DeleteAccessEntry", "AssociateAccessPolicy", "DisassociateAccessPolicy")},
    **{f"rolesanywhere:{verb}{noun}": f"rolesanywhere:*:*:{part}/*" for verb in ("Enable", "Disable")
       for noun, part in (("Profile", "profile"), ("TrustAnchor", "trust-anchor"), ("Crl", "crl"))},
}  # fmt: skip
CANARIES = "arn:aws:iam::*:role/evict-canary-*"


def _scope(action: str) -> str:
    """What a write may touch."""
    if action in _BEYOND:
        return f"arn:aws:{_BEYOND[action]}" if _BEYOND[action] else "*"
    if action in ("iam:CreateRole", "iam:DeleteRole"):
        return CANARIES
    if "Role" in action:
        return "arn:aws:iam::*:role/*"
    if "Group" in action:
        return "arn:aws:iam::*:group/*"
    if action == "iam:SetDefaultPolicyVersion":
        return "arn:aws:iam::*:policy/*"
    # Resource types of these actions: "Actions, resources, and condition keys for AWS IAM" in the Service Authorization Reference.
    credentials = ("AccessKey", "LoginProfile", "SSHPublicKey", "ServiceSpecificCredential", "SigningCertificate", "MFADevice")
    if any(noun in action for noun in ("User", *credentials)):
        return "arn:aws:iam::*:user/*"
    raise SystemExit(f"permissions: {action}: say in _scope what it may touch")


def _on(need: Need) -> str:
    if need.action.startswith("organizations:") and need.action not in CALLER:
        return (
            "the organization"
            if not need.write
            else "accounts"
            if _ACCOUNTS in _above_scope(need.action)
            else "service and resource control policies"
        )
    if need.action in CALLER:
        return f"{ROLE} (by the caller)" if need.action in BECOME else "any (by the caller)"
    if need.action in _BEYOND:
        return _scope(need.action).removeprefix("arn:aws:").replace("|", "")
    if need.write and _scope(need.action) == CANARIES:
        return "its own canaries"
    nouns = {"user": "users", "role": "roles", "group": "groups", "policy": "managed policies"}
    return "any" if not need.write else nouns[_scope(need.action).split(":")[5].partition("/")[0]]


def _statement(sid: str, actions: list[str], resource: Any) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}


def responder_policy() -> dict[str, Any]:
    """For the role that is assumed in each account (or for the caller itself, where it works in its own account)."""
    mine = [need for need in needs().values() if need.action not in CALLER and not need.action.startswith("organizations:")]
    statements = [_statement("EvictRead", [need.action for need in mine if not need.write], "*")]
    by_resource: dict[str, list[str]] = {}
    beyond = [need.action for need in mine if need.action in _BEYOND]
    for need in mine:
        if need.write and need.action not in beyond:
            by_resource.setdefault(_scope(need.action), []).append(need.action)
    sids = {
        f"arn:aws:iam::*:{noun}/*": f"Evict{plural}"
        for noun, plural in (("user", "Users"), ("role", "Roles"), ("group", "Groups"), ("policy", "Policies"))
    } | {CANARIES: "EvictCanary"}
    statements += [_statement(sids[resource], by_resource[resource], resource) for resource in sorted(by_resource, reverse=True)]
    limited = [action for action in beyond if _scope(action) != "*"]
    statements.append(_statement("EvictLive", limited, sorted({_scope(action) for action in limited})))
    statements.append(_statement("EvictCancel", [action for action in beyond if action not in limited], "*"))
    return {"Version": "2012-10-17", "Statement": statements}


def caller_policy() -> dict[str, Any]:
    """For the identity that starts the command."""
    mine = [action for action in needs() if action in (*CALLER, *CALLER_TOO)]
    return {
        "Version": "2012-10-17",
        "Statement": [
            _statement("EvictBecome", list(BECOME), [f"arn:aws:iam::*:role/{MANAGEMENT_ROLE}", f"arn:aws:iam::*:role/{ROLE}"]),
            _statement("EvictLocate", [action for action in mine if action not in BECOME], "*"),
        ],
    }


def management_policy() -> dict[str, Any]:
    """For the role in the management account (or a delegated policy administrator) that writes the fences above the accounts."""
    mine = [need for need in needs().values() if need.action.startswith("organizations:")]
    statements = [_statement("EvictReadOrganization", [need.action for need in mine if not need.write], "*")]
    by_scope: dict[str, list[str]] = {}
    for need in mine:
        if need.write:
            by_scope.setdefault(json.dumps(_above_scope(need.action)), []).append(need.action)
    sids = iter(("EvictCreate", "EvictChange", "EvictAttach"))
    statements += [_statement(next(sids), by_scope[scope], json.loads(scope)) for scope in sorted(by_scope, key=len)]
    return {"Version": "2012-10-17", "Statement": statements}


def actions_in(policy: dict[str, Any]) -> set[str]:
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def _table() -> str:
    lines = [
        "<!-- Written by tests/tools/permissions.py (`make generate`) from the Steps and READS of plugins/module_utils/aws. -->",
        "# Permissions in AWS",
        "",
        f"Three policy documents, ready to attach: [aws-responder.json](permissions/aws-responder.json) for the role `{ROLE}` that is assumed in",
        "each account, [aws-caller.json](permissions/aws-caller.json) for the identity that starts the command, and",
        f"[aws-management.json](permissions/aws-management.json) for the role `{MANAGEMENT_ROLE}` of the management account (`management_role_arn`) that",
        "writes the fences above the accounts. Where the caller works in its own account without assuming a role, it needs the first two; in the",
        "management account without `management_role_arn` the third as well. Without the third AWSDenyAll takes the place of those fences.",
        "`sts:GetCallerIdentity` is called too and needs no permission; the canary of the standing fence is trusted by the responder's role by name, and brings its own.",
        "Notifiers work with their own access (`profile` or `role_arn` of the channel, else the SDK's chain): give it `sns:Publish` and `sns:GetTopicAttributes` on the topic, and",
        "`secretsmanager:GetSecretValue` or `ssm:GetParameter` on the secrets that channels name. Nothing below does.",
        "",
        'Writes are limited to users, roles, and the kinds of resource that the table names; reads have `"Resource": "*"`. Outside the standard partition replace `arn:aws:` by `arn:aws-cn:` or',
        "`arn:aws-us-gov:`. IAM cannot limit `PutUserPolicy` and `PutRolePolicy` to denies, so whoever holds the role can give rights to anybody:",
        "guard it like an administrator's.",
        "",
        "| action | on | why | modules | from |",
        "|---|---|---|---|---|",
    ]
    for need in needs().values():
        modules = ", ".join(f"`{name}`" for name in sorted(need.modules)) if len(need.modules) < len(_EVERY) else "all `aws_*`"
        lines.append(f"| `{need.action}` | {_on(need)} | {WHY[need.action]} | {modules} | {', '.join(sorted(need.sources))} |")
    return "\n".join(lines) + "\n"


def files() -> Files:
    """The generator of tests/tools/generate.py."""
    for path, policy in ((POLICY, responder_policy()), (CALLER_POLICY, caller_policy()), (MANAGEMENT_POLICY, management_policy())):
        yield path, json.dumps(policy, indent=2) + "\n"
    yield TABLE, _table()


def literal_calls() -> dict[str, list[str]]:
    """{"<service>:<Operation>": places} of every Call that the source spells out, f-strings over a noun included; the rest is refused."""
    found: dict[str, list[str]] = {}
    for path in sorted(FOLDER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Call" and len(node.args) > 2):
                continue
            for name in _operations(node.args[2], path):
                service = ast.literal_eval(node.args[1])
                found.setdefault(f"{service}:{name}", []).append(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def _operations(node: ast.expr, path: Path) -> list[str]:
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.IfExp):
        return _operations(node.body, path) + _operations(node.orelse, path)
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else None for part in node.values]
        of_groups = path.name == "put_back.py" and any(
            part and "Polic" in str(part) for part in parts
        )  # a group has policies, and no boundary
        nouns = ("User", "Role", "Group") if of_groups else ("User", "Role")
        return ["".join(noun if part is None else str(part) for part in parts) for noun in nouns]
    if isinstance(node, ast.Name) and path.name == "snapshot.py":  # a loop over its table
        return [operation for kind in load("snapshot")._LISTS.values() for operation, _key in kind.values()]
    raise AssertionError(f"{path}:{node.lineno}: an operation that cannot be read from the source")
