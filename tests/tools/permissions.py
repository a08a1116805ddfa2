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
PREFIXES = {service: service for service in ("cloudtrail", "ec2", "iam", "organizations", "sts")}
ACTIONS: dict[str, str] = {}  # "<service>:<Operation>" -> action, where the two differ: none so far

NEEDS_NONE = {
    "sts:GetCallerIdentity": "AWS answers it whatever the policies say",
    "iam:ListAccountAliases": "made by the canary's own session, which is given that right",
}
# Made with the credentials that the command was started with, never with those of the role in an account.
CALLER = ("organizations:DescribeAccount", "sts:AssumeRole", "sts:GetAccessKeyInfo")
DECLARED = {"sts:AssumeRole": "session"}  # no Step and no READS holds it: session.py makes the accounts' credentials

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
    "canary": ("aws_account_fence", "aws_contain"),
    "deny_all": ("aws_contain",),
    "events": _PLANNING,
    "organization": ("aws_account_fence", "aws_contain"),
    "principal": _PLANNING,
    "quarantine": ("aws_contain", "aws_identity_quarantine", "aws_session"),
    "scope": ("aws_contain",),
    "session": _EVERY,
    "shared_tag": ("aws_account_fence", "aws_contain"),
    "sessions": ("aws_contain", "aws_identity_quarantine", "aws_session"),
    "snapshot": ("aws_contain", "aws_principal_info"),
}
WHY = {
    "cloudtrail:LookupEvents": "quick scope; who issued a session key; who else uses a role",
    "ec2:DescribeInstances": "a suspect given as an instance id",
    "ec2:DescribeRegions": "the regions that are enabled, each of which has its own event history",
    "iam:DeactivateMFADevice": "remove an MFA device that was enrolled during the incident",
    "iam:AttachRolePolicy": "AWSDenyAll, where no service control policy can be had",
    "iam:AttachUserPolicy": "AWSDenyAll, where no service control policy can be had",
    "iam:CreateRole": "the canary of the standing fence: a role of the responder's own",
    "iam:DeleteRole": "the canary goes again",
    "iam:TagRole": "the standing fence; which incidents hold AWSDenyAll or the boundary",
    "iam:TagUser": "the standing fence; which incidents hold AWSDenyAll or the boundary",
    "iam:UntagRole": "release: those tags",
    "iam:UntagUser": "release: those tags",
    "iam:DeleteAccessKey": "`aws_credential` with `state: absent`",
    "iam:DeleteLoginProfile": "a console password can only be deleted",
    "iam:DeleteRolePermissionsBoundary": "release: no boundary, if there was none",
    "iam:DeleteRolePolicy": "release: take our own inline policies away again",
    "iam:DeleteSSHPublicKey": "`aws_credential` with `state: absent`",
    "iam:DeleteServiceSpecificCredential": "`aws_credential` with `state: absent`",
    "iam:DeleteSigningCertificate": "`aws_credential` with `state: absent`",
    "iam:DeleteUserPermissionsBoundary": "release: no boundary, if there was none",
    "iam:DeleteUserPolicy": "release: take our own inline policies away again",
    "iam:DetachRolePolicy": "release: AWSDenyAll",
    "iam:DetachUserPolicy": "release: AWSDenyAll",
    "iam:GetAccessKeyLastUsed": "whose key it is, and when and where it was used last",
    "iam:GetInstanceProfile": "a suspect given as an instance id: the role behind its profile",
    "iam:GetLoginProfile": "whether there is a console password; read back",
    "iam:GetRole": "the role, its trust policy and longest session; also of the responder's own role, so that it is not cut",
    "iam:GetRolePolicy": "whether our policies are there; read back; the snapshot",
    "iam:GetUser": "the user",
    "iam:GetUserPolicy": "whether our policies are there; read back; the snapshot",
    "iam:ListAccessKeys": "which keys there are, and their status; read back",
    "iam:ListAttachedRolePolicies": "the snapshot",
    "iam:ListAttachedUserPolicies": "the snapshot",
    "iam:ListGroupsForUser": "the snapshot",
    "iam:ListInstanceProfilesForRole": "the snapshot",
    "iam:ListMFADevices": "which MFA devices there are, and since when; read back",
    "iam:ListRolePolicies": "which inline policies there are; the snapshot",
    "iam:ListSSHPublicKeys": "which SSH public keys there are, and their status; read back",
    "iam:ListServerCertificates": "the server certificates of the account, which are reported and never changed",
    "iam:ListServiceSpecificCredentials": "which service-specific credentials there are, and their status; whose a reported one is; read back",
    "iam:ListSigningCertificates": "which signing certificates there are, and their status; read back",
    "iam:ListUserPolicies": "which inline policies there are; the snapshot",
    "iam:PutRolePermissionsBoundary": "AWSDenyAll as the boundary, where ten policies are attached; release: the old one",
    "iam:PutRolePolicy": "fence a role; revoke its sessions",
    "iam:PutUserPermissionsBoundary": "AWSDenyAll as the boundary, where ten policies are attached; release: the old one",
    "iam:PutUserPolicy": "fence a user; revoke its sessions",
    "iam:UpdateAccessKey": "switch an access key off; on again for a false positive, or if it is not a compromised one",
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
    "organizations:ListRoots": "whether service control policies are enabled",
    "organizations:UpdatePolicy": "extend the fence above the account, and take out of it who is released",
    "sts:AssumeRole": "become the responder role of an account",
    "sts:GetAccessKeyInfo": "in which account a key is",
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
    return dict(sorted(found.items()))


_POLICIES, _ACCOUNTS = "arn:aws:organizations::*:policy/*/service_control_policy/*", "arn:aws:organizations::*:account/*"


def _above_scope(action: str) -> Any:
    """What a write in Organizations may touch: service control policies, and accounts, never a root or an organizational unit."""
    if action == "organizations:CreatePolicy":
        return "*"  # there is nothing to name yet
    return [_ACCOUNTS, _POLICIES] if action in ("organizations:AttachPolicy", "organizations:DetachPolicy") else _POLICIES


CANARIES = "arn:aws:iam::*:role/evict-canary-*"


def _scope(action: str) -> str:
    """What a write may touch."""
    if action in ("iam:CreateRole", "iam:DeleteRole"):
        return CANARIES
    if "Role" in action:
        return "arn:aws:iam::*:role/*"
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
            if isinstance(_above_scope(need.action), list)
            else "service control policies"
        )
    if need.action in CALLER:
        return f"{ROLE} (by the caller)" if need.action == "sts:AssumeRole" else "any (by the caller)"
    return (
        "any"
        if not need.write
        else "users"
        if "user/" in (scope := _scope(need.action))
        else "its own canaries"
        if scope == CANARIES
        else "roles"
    )


def _statement(sid: str, actions: list[str], resource: Any) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}


def responder_policy() -> dict[str, Any]:
    """For the role that is assumed in each account (or for the caller itself, where it works in its own account)."""
    mine = [need for need in needs().values() if need.action not in CALLER and not need.action.startswith("organizations:")]
    statements = [_statement("EvictRead", [need.action for need in mine if not need.write], "*")]
    by_resource: dict[str, list[str]] = {}
    for need in mine:
        if need.write:
            by_resource.setdefault(_scope(need.action), []).append(need.action)
    sids = {"arn:aws:iam::*:user/*": "EvictUsers", "arn:aws:iam::*:role/*": "EvictRoles", CANARIES: "EvictCanary"}
    statements += [_statement(sids[resource], by_resource[resource], resource) for resource in sorted(by_resource, reverse=True)]
    return {"Version": "2012-10-17", "Statement": statements}


def caller_policy() -> dict[str, Any]:
    """For the identity that starts the command."""
    mine = [action for action in needs() if action in CALLER]
    return {
        "Version": "2012-10-17",
        "Statement": [
            _statement("EvictBecome", ["sts:AssumeRole"], [f"arn:aws:iam::*:role/{MANAGEMENT_ROLE}", f"arn:aws:iam::*:role/{ROLE}"]),
            _statement("EvictLocate", [action for action in mine if action != "sts:AssumeRole"], "*"),
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
        "",
        'Writes are limited to users and roles; reads have `"Resource": "*"`. Outside the standard partition replace `arn:aws:` by `arn:aws-cn:` or',
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
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else None for part in node.values]
        return ["".join(noun if part is None else str(part) for part in parts) for noun in ("User", "Role")]
    if isinstance(node, ast.Name) and path.name == "snapshot.py":  # a loop over its table
        return [operation for kind in load("snapshot")._LISTS.values() for operation, _key in kind.values()]
    raise AssertionError(f"{path}:{node.lineno}: an operation that cannot be read from the source")
