# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one successful call in AWS opened for its caller. Pure: the shapes are CloudTrail's, ids come from what AWS answered, never from a name alone."""

from __future__ import annotations

import datetime as dt
import json
import re
import typing as t
from collections.abc import Callable, Iterator

from .model import NARROW, REVIEW, SKEW, WIDE, Act, Match, Node, Watch, at, items, moment, opened, text

_SIGN_IN = dt.timedelta(minutes=15)  # how long a sign-in token is good for
_LOGGED_IN = dt.timedelta(minutes=2)  # between ConsoleLogin and what CloudTrail says of the session
_DAY = dt.timedelta(hours=36)


def _prefix(act: Act, service: str = "iam") -> str:
    known = text(act.row["actor_arn"]).split(":")
    return f"arn:{known[1] if len(known) > 5 else 'aws'}:{service}::{act.account}:"


def _session(act: Act, kind: str = "session") -> Iterator[Node]:
    """AssumeRole*, GetFederationToken: the key and the ARN are in the answer."""
    user = act.answered("assumedRoleUser") or act.answered("federatedUser")
    yield from _credential(act, kind, text(at(user, "arn")), text(at(user, "assumedRoleId")), act.answered("credentials"))


def _credential(act: Act, kind: str, arn: str, id: str, credentials: t.Any) -> Iterator[Node]:
    key = text(at(credentials, "accessKeyId"))
    account = arn.split(":")[4] if arn.count(":") >= 5 else ""
    if not key:
        return
    matches = [Match("credential", key)]
    if id and arn.count("/") == 2:
        # In another account's log a call of this session has no key, only who it is: exact as far as nobody else has the name.
        matches.append(Match("actor_id", id, NARROW, "attacker", since=act.time - SKEW, until=act.time + _DAY))
    yield opened(act, kind, key, arn, account=account, until=moment(at(credentials, "expiration")), matches=tuple(matches))


def _token(act: Act) -> Iterator[Node]:
    yield from _credential(act, "session", text(act.row["actor_arn"]), "", act.answered("credentials"))


def _federated(act: Act) -> Iterator[Node]:
    yield from _session(act, "federated_user")


def _root(act: Act) -> Iterator[Node]:
    """AssumeRoot: a session of another account's root user."""
    account = text(act.asked("targetPrincipal"))
    account = account.split(":")[4] if account.count(":") >= 5 else account
    for node in _credential(act, "session", f"arn:aws:iam::{account}:root", "", act.answered("credentials")):
        node.account = account or node.account
        yield node


def _anywhere(act: Act) -> Iterator[Node]:
    for entry in items(act.answered("credentialSet")):
        yield from _credential(act, "session", text(at(entry, "assumedRoleUser", "arn")), "", at(entry, "credentials"))


def _handed_out(act: Act) -> Iterator[Node]:
    """Other services that answer with credentials."""
    for place in (act.answered("credentials"), act.answered("roleCredentials"), act.answered("accessToken"), act.answered()):
        if text(at(place, "accessKeyId")).startswith(("ASIA", "AKIA")):
            yield from _credential(act, "session", text(act.answered("assumedRoleUser", "arn")), "", place)
            return


def _console(act: Act) -> Iterator[Node]:
    """ConsoleLogin: what is done in the console carries keys that nobody logged, and the time of the login."""
    if act.answered("ConsoleLogin") != "Success":
        return
    arn = text(act.row["actor_arn"])
    if arn:
        yield _console_session(act, arn, 95)


def _console_session(act: Act, arn: str, sure: int) -> Node:
    pick = "all" if act.node.whole else "foreign"  # its owner may sign in in the same minute
    made = Match("actor", arn, NARROW, pick, created_from=act.time - dt.timedelta(seconds=5), created_to=act.time + _LOGGED_IN)
    return opened(
        act, "session", f"{arn}@{act.time:%Y-%m-%dT%H:%M:%SZ}", arn, sure=sure, matches=(made,), until=act.time + dt.timedelta(hours=12)
    )


def _sign_in_token(act: Act) -> Iterator[Node]:
    """GetSigninToken: a link into the console, good for a quarter of an hour."""
    arn = text(act.row["actor_arn"])
    login = Match("actor", arn, NARROW, "foreign", operation="ConsoleLogin", since=act.time - SKEW, until=act.time + _SIGN_IN)
    if arn:
        yield opened(act, "sign_in_token", f"{arn}@{act.row['event_uid']}", arn, sure=90, matches=(login,), until=act.time + _SIGN_IN)


def _access_key(act: Act) -> Iterator[Node]:
    key, owner = text(act.answered("accessKey", "accessKeyId")), text(act.answered("accessKey", "userName") or act.asked("userName"))
    if key:
        arn = f"{_prefix(act)}user/{owner}" if owner else text(act.row["actor_arn"])
        yield opened(act, "access_key", key, arn, matches=(Match("credential", key),))


def _key_status(act: Act) -> Iterator[Node]:
    """A key that is switched on again: who holds its secret is not known."""
    key = text(act.asked("accessKeyId"))
    if key and text(act.asked("status")).lower() == "active":
        yield opened(act, "access_key", key, f"{_prefix(act)}user/{text(act.asked('userName'))}", sure=50, verdict=REVIEW,
                     matches=(Match("credential", key, pick="foreign", since=act.time - SKEW),))  # fmt: skip


def _user(act: Act) -> Iterator[Node]:
    arn, uid, since = text(act.answered("user", "arn")), text(act.answered("user", "userId")), act.time - SKEW
    if arn:
        exact = (Match("actor_id", uid, NARROW),) if uid else (Match("actor", arn, WIDE, since=since),)
        yield opened(act, "user", arn, arn, matches=exact, whole=True)


def _directory_user(act: Act) -> Iterator[Node]:
    """A person who was made in Identity Center: events name them by their id."""
    uid, name = text(act.answered("userId") or act.answered("user", "userId")), text(act.asked("userName"))
    if uid:
        matches = (
            (Match("delegation", uid, WIDE), Match("user_name", name, WIDE, since=act.time - SKEW))
            if name
            else (Match("delegation", uid, WIDE),)
        )
        yield opened(act, "identity_center_user", uid, matches=matches, whole=True)


def _renamed(act: Act) -> Iterator[Node]:
    """A user of the lineage under a new name."""
    old, new = text(act.asked("userName")), text(act.asked("newUserName"))
    if new and act.node.kind == "user" and act.node.arn.rsplit("/", 1)[-1] == old:
        arn = f"{_prefix(act)}user/{new}"
        match = Match("actor", arn, WIDE, "all" if act.node.whole else "foreign", since=act.time - SKEW)
        yield opened(act, "user", arn, arn, matches=(match,), whole=act.node.whole)


def _password(act: Act) -> Iterator[Node]:
    """A password that the attacker knows: logins of its user from elsewhere than the user's own networks."""
    owner = text(act.asked("userName"))
    if owner:
        arn = f"{_prefix(act)}user/{owner}"
        login = Match("user_name", owner, NARROW, "foreign", account=act.account, operation="ConsoleLogin", since=act.time - SKEW)
        yield opened(act, "login_profile", f"{arn}#password", arn, sure=95, matches=(login,))


def _role(act: Act) -> Iterator[Node]:
    arn, uid, since = text(act.answered("role", "arn")), text(act.answered("role", "roleId")), act.time - SKEW
    if arn:
        exact = Match("issuer_id", uid, WIDE) if uid else Match("issuer", arn, WIDE, since=since)
        watch = Watch(f'{arn}"', "made", since, admitted=admitted(act.asked("assumeRolePolicyDocument")))
        yield opened(act, "role", arn, arn, sure=95, matches=(exact,), watches=(watch,), whole=True)


def _trust(act: Act) -> Iterator[Node]:
    """A rewritten trust policy: the role stays the owner's, whom it newly lets in does not."""
    role = text(act.asked("roleName"))
    if role:
        arn = f"{_prefix(act)}role/{role}"
        watch = Watch(f'/{role}"', "trust", act.time - SKEW, admitted=admitted(act.asked("policyDocument")))
        yield opened(act, "trust", f"{arn}#trust", arn, watches=(watch,))


def admitted(document: t.Any) -> tuple[str, ...]:
    """Whom a trust policy lets in: account ids, ARNs, services, ``*``."""
    try:
        document = json.loads(document) if isinstance(document, str) and len(document) < 100_000 else document
    except (ValueError, RecursionError):
        return ()
    found: list[str] = []
    for statement in items(at(document, "Statement")):
        who = at(statement, "Principal")
        if at(statement, "Effect") == "Allow" and who:
            found += (
                [text(one) for kind in ("AWS", "Federated", "Service") for one in items(at(who, kind))]
                if isinstance(who, dict)
                else [text(who)]
            )
    return tuple(sorted({one for one in found if one}))


def _other_credential(element: str, id: str, kind: str) -> Callable[[Act], Iterator[Node]]:
    def make(act: Act) -> Iterator[Node]:
        made = text(act.answered(element, id)) or text(act.asked(id))
        owner = text(act.answered(element, "userName") or act.asked("userName") or act.row["actor_name"])
        if made:
            yield opened(act, kind, made, f"{_prefix(act)}user/{owner}" if owner else "", matches=(Match("credential", made),))

    return make


def _provider(*path: str) -> Callable[[Act], Iterator[Node]]:
    def make(act: Act) -> Iterator[Node]:
        arn = text(act.answered(*path)) or text(act.asked(path[-1]))
        if arn.startswith("arn:"):
            yield opened(
                act,
                "provider",
                arn,
                arn,
                watches=(Watch(f'{arn}"', "provider", act.time - SKEW),),
                whole=act.row["operation"].startswith("Create"),
            )

    return make


def _instances(act: Act) -> Iterator[Node]:
    """RunInstances: a machine's sessions of its role are named after it."""
    for instance in items(act.answered("instancesSet")):
        uid = text(at(instance, "instanceId"))
        if re.fullmatch(r"i-[0-9a-f]{8,17}", uid):
            arn = _prefix(act, "ec2").replace("::", f":{act.row['region'] or ''}:") + f"instance/{uid}"
            yield opened(act, "compute", uid, arn, matches=(Match("session_name", uid, NARROW, account=act.account),), whole=True)


def _tasks(act: Act) -> Iterator[Node]:
    for task in items(act.answered("tasks")):
        arn = text(at(task, "taskArn"))
        uid = arn.rsplit("/", 1)[-1]
        if re.fullmatch(r"[0-9a-f]{32}", uid):
            yield opened(act, "compute", arn, arn, matches=(Match("session_name", uid, NARROW, account=act.account),), whole=True)


def _function(act: Act) -> Iterator[Node]:
    """CreateFunction: its sessions have its name, under the role that was passed."""
    arn, name, role = text(act.answered("functionArn")), text(act.answered("functionName") or act.asked("functionName")), _role_of(act)
    if arn and role:
        session = f"{_prefix(act, 'sts')}assumed-role/{role.rsplit('/', 1)[-1]}/{name}"
        yield opened(
            act, "compute", arn, arn, sure=90, matches=(Match("actor", session, NARROW, "new", since=act.time - SKEW),), whole=True
        )


def _function_changed(act: Act) -> Iterator[Node]:
    """Code or settings of somebody else's function: from then on its sessions may do the attacker's work, or the owner's."""
    arn, role = text(act.answered("functionArn")), _role_of(act)
    if arn and role:
        session = f"{_prefix(act, 'sts')}assumed-role/{role.rsplit('/', 1)[-1]}/{arn.split(':')[6] if arn.count(':') >= 6 else ''}"
        yield opened(act, "compute", arn, arn, sure=60, verdict=REVIEW, matches=(Match("actor", session, NARROW, since=act.time - SKEW),))


def _role_of(act: Act) -> str:
    return text(act.answered("role") or act.asked("role"))


def _touched(act: Act) -> Iterator[Node]:
    """A machine that the attacker could enter: what its role's credentials do from anywhere else than the machine is the attacker's."""
    named = [
        *items(act.asked("instanceIds")),
        act.asked("instanceId"),
        act.asked("target"),
        *(at(i, "instanceId") for i in items(act.asked("instancesSet"))),
        act.asked("AssociateIamInstanceProfileRequest", "InstanceId"),
        text(act.asked("task")).rsplit("/", 1)[-1],
    ]
    for uid in dict.fromkeys(text(one) for one in named):
        if re.fullmatch(r"m?i-[0-9a-f]{8,17}|[0-9a-f]{32}", uid):
            match = Match("session_name", uid, NARROW, "foreign", account=act.account, since=act.time - SKEW)
            yield opened(act, "compute", uid, "", sure=85, matches=(match,), latent=True)


def _passed(service: str, *paths: tuple[str, ...]) -> Callable[[Act], Iterator[Node]]:
    """A role handed to ``service``: the sessions that this service opens of it afterwards."""

    def make(act: Act) -> Iterator[Node]:
        for path in paths:
            role = text(act.asked(*path))
            if role:
                role = role if role.startswith("arn:") else f"{_prefix(act)}role/{role}"
                named = next(
                    (
                        text(act.asked(n))
                        for n in ("name", "stackName", "projectName", "functionName", "notebookInstanceName")
                        if act.asked(n)
                    ),
                    "",
                )
                watch = Watch(f'{role}"', "passed", act.time - SKEW, service, named=named)
                yield opened(act, "compute", f"{service}/{named or act.row['event_uid']}", role, sure=80, verdict=REVIEW, watches=(watch,))
                return

    return make


def _portal(act: Act) -> Iterator[Node]:
    """A role taken in the portal of Identity Center: the session itself is opened in the role's account."""
    about = act.written("serviceEventDetails") or act.asked()
    role, account = text(at(about, "role_name") or at(about, "roleName")), text(at(about, "account_id") or at(about, "accountId"))
    if role and account:
        named = text(act.row["actor_name"])
        watch = Watch(f"/AWSReservedSSO_{role}_", "portal", act.time - dt.timedelta(seconds=60), service=account, named=named)
        yield opened(act, "sso_role", f"{account}/{role}@{act.row['event_uid']}", "", account=account, sure=95, watches=(watch,),
                     until=act.time + dt.timedelta(seconds=60))  # fmt: skip


_STS, _IAM = "sts", "iam"
OPENERS: dict[tuple[str, str], Callable[[Act], Iterator[Node]]] = {
    (_STS, "AssumeRole"): _session,
    (_STS, "AssumeRoleWithSAML"): _session,
    (_STS, "AssumeRoleWithWebIdentity"): _session,
    (_STS, "GetSessionToken"): _token,
    (_STS, "GetFederationToken"): _federated,
    (_STS, "AssumeRoot"): _root,
    (_STS, "GetDelegatedAccessToken"): _handed_out,
    ("rolesanywhere", "CreateSession"): _anywhere,
    ("cognito-identity", "GetCredentialsForIdentity"): _handed_out,
    ("s3", "GetDataAccess"): _handed_out,
    ("signin", "CreateOAuth2Token"): _handed_out,
    ("signin", "ConsoleLogin"): _console,
    ("signin", "GetSigninToken"): _sign_in_token,
    (_IAM, "CreateAccessKey"): _access_key,
    (_IAM, "UpdateAccessKey"): _key_status,
    (_IAM, "CreateUser"): _user,
    (_IAM, "UpdateUser"): _renamed,
    (_IAM, "CreateLoginProfile"): _password,
    (_IAM, "UpdateLoginProfile"): _password,
    (_IAM, "CreateRole"): _role,
    (_IAM, "UpdateAssumeRolePolicy"): _trust,
    (_IAM, "UploadSSHPublicKey"): _other_credential("sSHPublicKey", "sSHPublicKeyId", "ssh_public_key"),
    (_IAM, "CreateServiceSpecificCredential"): _other_credential(
        "serviceSpecificCredential", "serviceSpecificCredentialId", "service_specific_credential"
    ),
    (_IAM, "ResetServiceSpecificCredential"): _other_credential(
        "serviceSpecificCredential", "serviceSpecificCredentialId", "service_specific_credential"
    ),
    (_IAM, "UploadSigningCertificate"): _other_credential("certificate", "certificateId", "signing_certificate"),
    (_IAM, "EnableMFADevice"): _other_credential("", "serialNumber", "mfa_device"),
    (_IAM, "CreateSAMLProvider"): _provider("sAMLProviderArn"),
    (_IAM, "UpdateSAMLProvider"): _provider("sAMLProviderArn"),
    (_IAM, "CreateOpenIDConnectProvider"): _provider("openIDConnectProviderArn"),
    ("rolesanywhere", "CreateTrustAnchor"): _provider("trustAnchor", "trustAnchorArn"),
    ("rolesanywhere", "CreateProfile"): _provider("profile", "profileArn"),
    ("ec2", "RunInstances"): _instances,
    ("ecs", "RunTask"): _tasks,
    ("ecs", "StartTask"): _tasks,
    ("lambda", "CreateFunction20150331"): _function,
    ("lambda", "CreateFunction"): _function,
    ("lambda", "UpdateFunctionCode20150331v2"): _function_changed,
    ("lambda", "UpdateFunctionCode"): _function_changed,
    ("lambda", "UpdateFunctionConfiguration20150331v2"): _function_changed,
    ("lambda", "UpdateFunctionConfiguration"): _function_changed,
    ("ssm", "SendCommand"): _touched,
    ("ssm", "StartSession"): _touched,
    ("ec2-instance-connect", "SendSSHPublicKey"): _touched,
    ("ec2-instance-connect", "SendSerialConsoleSSHPublicKey"): _touched,
    ("ec2", "GetPasswordData"): _touched,
    ("ec2", "ModifyInstanceAttribute"): _touched,
    ("ec2", "AssociateIamInstanceProfile"): _touched,
    ("ecs", "ExecuteCommand"): _touched,
    ("cloudformation", "CreateStack"): _passed("cloudformation", ("roleARN",)),
    ("cloudformation", "UpdateStack"): _passed("cloudformation", ("roleARN",)),
    ("sagemaker", "CreateNotebookInstance"): _passed("sagemaker", ("roleArn",)),
    ("sagemaker", "CreateTrainingJob"): _passed("sagemaker", ("roleArn",)),
    ("sagemaker", "CreateProcessingJob"): _passed("sagemaker", ("roleArn",)),
    ("codebuild", "CreateProject"): _passed("codebuild", ("serviceRole",)),
    ("glue", "CreateJob"): _passed("glue", ("role",)),
    ("glue", "CreateDevEndpoint"): _passed("glue", ("roleArn",)),
    ("states", "CreateStateMachine"): _passed("states", ("roleArn",)),
    ("scheduler", "CreateSchedule"): _passed("scheduler", ("target", "roleArn")),
    ("ecs", "CreateService"): _passed("ecs-tasks", ("role",)),
    ("ecs", "RegisterTaskDefinition"): _passed("ecs-tasks", ("taskRoleArn",)),
    ("elasticmapreduce", "RunJobFlow"): _passed("ec2", ("jobFlowRole",)),
    ("eks", "CreatePodIdentityAssociation"): _passed("pods.eks", ("roleArn",)),
    ("bedrock", "CreateAgent"): _passed("bedrock", ("agentResourceRoleArn",)),
    ("ssm", "CreateActivation"): _passed("ssm", ("iamRole",)),
    ("ssm", "StartAutomationExecution"): _passed("ssm", ("parameters", "AutomationAssumeRole")),
    ("identitystore", "CreateUser"): _directory_user,
    ("sso-directory", "CreateUser"): _directory_user,
    ("sso", "Federate"): _portal,
    ("sso", "GetRoleCredentials"): _portal,
}
# Of these the answer holds what was opened: one without it is a hole in the lineage.
ANSWER_NEEDED = {key for key in OPENERS if OPENERS[key] in (_session, _token, _federated, _root, _access_key, _instances, _tasks)}
RAW = {key for key in OPENERS if OPENERS[key] is _portal}  # these read the event as it came
