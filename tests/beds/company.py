"""A small company on the bed: a management (security) account and two member accounts, production and staging."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.beds.bed import Bed, Credentials, root

PRODUCTION = "222222222222"
STAGING = "333333333333"
OFFICE = "198.51.100.7"  # where people and workloads call from
ATTACKER_IP = "203.0.113.66"
QUEUE = "orders"
SECRET = "orders/database"
PARAMETER = "/orders/endpoint"
_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


@dataclasses.dataclass
class Account:
    """One member account. `keys` are all the credentials seeded in it by name, `roles` the ARNs by role name."""

    id: str
    name: str
    keys: dict[str, Credentials] = dataclasses.field(default_factory=dict)
    users: dict[str, str] = dataclasses.field(default_factory=dict)  # user name -> ARN
    user_ids: dict[str, str] = dataclasses.field(default_factory=dict)
    roles: dict[str, str] = dataclasses.field(default_factory=dict)
    role_ids: dict[str, str] = dataclasses.field(default_factory=dict)
    buckets: list[str] = dataclasses.field(default_factory=list)

    @property
    def root(self) -> Credentials:
        """The account's root."""
        return root(self.id)

    @property
    def responder_role(self) -> str:
        """The role the responder assumes here."""
        return self.roles["incident-responder"]

    def user_arn(self, name: str) -> str:
        """ARN of a user."""
        return self.users[name]

    def role_arn(self, name: str) -> str:
        """ARN of a role."""
        return self.roles[name]


@dataclasses.dataclass
class Company:
    """What was seeded. The leaked key is `production.keys["ci-deploy"]`; its twin `ci-deploy-worker` is in legitimate use."""

    management: str
    organization: str
    root_id: str
    production: Account
    staging: Account
    responder: Credentials  # user `responder` of the management account
    responder_arn: str

    @property
    def leaked(self) -> Credentials:
        """The key that was found in a public repository."""
        return self.production.keys["ci-deploy"]

    @property
    def worker(self) -> Credentials:
        """The second active key of the same user, used by a legitimate worker."""
        return self.production.keys["ci-deploy-worker"]

    @property
    def role_template(self) -> str:
        """`role_arn` for the incident file's connection."""
        return "arn:aws:iam::{account}:role/incident-responder"


def document(*statements: dict[str, Any]) -> str:
    """A policy document as JSON."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(*actions: str, resource: str | list[str] = "*") -> dict[str, Any]:
    """An Allow statement."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def trust(principal: dict[str, Any], *actions: str, **condition: Any) -> str:
    """A trust policy for one principal; `actions` are sts:AssumeRole unless given."""
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": principal, "Action": list(actions) or "sts:AssumeRole"}
    return document({**statement, "Condition": condition} if condition else statement)


def seed(bed: Bed) -> Company:
    """Fill an empty bed. Calls go directly to the launcher, so they are not in the CloudTrail records."""
    organization = bed.cloud("organization", {"accounts": {PRODUCTION: "production", STAGING: "staging"}})
    iam = bed.client("iam", root(bed.management), direct=True)
    responder_arn = iam.create_user(UserName="responder")["User"]["Arn"]
    iam.put_user_policy(
        UserName="responder",
        PolicyName="respond",
        PolicyDocument=document(
            allow("sts:AssumeRole", "sts:SetSourceIdentity", resource="arn:aws:iam::*:role/incident-responder"),
            allow("sts:GetAccessKeyInfo"),
            allow("organizations:Describe*", "organizations:List*", "organizations:*Policy"),
        ),
    )
    responder = Credentials.of(iam.create_access_key(UserName="responder")["AccessKey"])
    _role(iam, "break-glass", trust({"AWS": f"arn:aws:iam::{bed.management}:root"}), [_ALL])
    with ThreadPoolExecutor(2) as pool:
        production, staging = pool.map(
            lambda a: _member(bed, a[0], a[1], responder_arn), ((PRODUCTION, "production"), (STAGING, "staging"))
        )
    bed.responder = responder
    return Company(bed.management, organization["id"], organization["root"], production, staging, responder, responder_arn)


def _member(bed: Bed, account_id: str, name: str, responder_arn: str) -> Account:
    account = Account(account_id, name)
    iam = bed.client("iam", account.root, direct=True)
    _users(iam, account)
    _roles(iam, account, bed.management, responder_arn)
    _resources(bed, account)
    return account


def _user(iam: Any, account: Account, name: str, *statements: dict[str, Any], path: str = "/", keys: tuple[str, ...] = ("",)) -> None:
    user = iam.create_user(UserName=name, Path=path, Tags=[{"Key": "owner", "Value": "platform"}])["User"]
    account.users[name], account.user_ids[name] = user["Arn"], user["UserId"]
    iam.put_user_policy(UserName=name, PolicyName="work", PolicyDocument=document(*statements))
    for suffix in keys:
        account.keys[name + suffix] = Credentials.of(iam.create_access_key(UserName=name)["AccessKey"])


def _users(iam: Any, account: Account) -> None:
    # Nearly an administrator, as CI users are; it may also mint sessions and further keys.
    _user(
        iam,
        account,
        "ci-deploy",
        allow("s3:*", "sqs:*", "ec2:*", "lambda:*", "iam:*", "secretsmanager:*", "ssm:*", "sts:AssumeRole", "sts:GetFederationToken"),
        keys=("", "-worker"),
    )
    iam.create_login_profile(UserName="ci-deploy", Password="Correct-Horse-9", PasswordResetRequired=False)
    _user(iam, account, "alice", allow("s3:ListAllMyBuckets", "iam:ListUsers", "sqs:ListQueues", "sts:AssumeRole"))
    _user(iam, account, "bob", allow("s3:ListAllMyBuckets", "sqs:ListQueues", "sts:AssumeRole"))
    _user(
        iam,
        account,
        "app-orders",
        allow("s3:ListAllMyBuckets", "sqs:*"),
        allow("secretsmanager:GetSecretValue", resource=f"arn:aws:secretsmanager:*:*:secret:{SECRET}-*"),
        allow("ssm:GetParameter", resource=f"arn:aws:ssm:*:*:parameter{PARAMETER}"),
        path="/workloads/",
    )
    iam.create_group(GroupName="engineers")
    iam.attach_group_policy(GroupName="engineers", PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    for name in ("alice", "bob"):
        iam.add_user_to_group(GroupName="engineers", UserName=name)


def extra_users(bed: Bed, account: Account, count: int, prefix: str = "leaked") -> list[str]:
    """For measurements: users with two active keys, a console password and an admin policy each; their names.

    Their keys go into `account.keys` as <name> and <name>-2.
    """

    def make(number: int) -> str:
        name = f"{prefix}{number:04d}"
        _user(iam, account, name, _ALL, keys=("", "-2"))
        iam.create_login_profile(UserName=name, Password="Correct-Horse-9")
        return name

    iam = bed.client("iam", account.root, direct=True, max_pool_connections=4)
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(make, range(count)))


def _role(iam: Any, name: str, trust_policy: str, statements: list[dict[str, Any]], account: Account | None = None, **extra: Any) -> None:
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust_policy, **extra)["Role"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="work", PolicyDocument=document(*statements))
    if account:
        account.roles[name], account.role_ids[name] = role["Arn"], role["RoleId"]


def _roles(iam: Any, account: Account, management: str, responder_arn: str) -> None:
    arn = account.users
    # Broad on purpose; the narrow policy that the project generates is tested where it is generated.
    _role(
        iam,
        "incident-responder",
        trust({"AWS": responder_arn}, "sts:AssumeRole", "sts:SetSourceIdentity"),
        [_ALL],
        account,
        MaxSessionDuration=14400,
    )
    _role(iam, "break-glass", trust({"AWS": f"arn:aws:iam::{management}:root"}), [_ALL], account)
    _role(
        iam,
        "deploy",
        trust({"AWS": [arn["ci-deploy"], arn["alice"]]}),
        [allow("s3:*", "sqs:*", "iam:ListUsers", "sts:AssumeRole")],
        account,
        MaxSessionDuration=7200,
    )
    _role(iam, "orders-lambda", trust({"Service": "lambda.amazonaws.com"}), [allow("sqs:*", "logs:*")], account)
    _role(iam, "reporting", trust({"AWS": arn["bob"]}), [allow("s3:List*", "s3:Get*", "sqs:ListQueues")], account)
    _role(
        iam, "log-delivery", trust({"Service": "cloudtrail.amazonaws.com"}), [allow("logs:CreateLogStream", "logs:PutLogEvents")], account
    )
    _role(
        iam,
        "AWSReservedSSO_AdministratorAccess_0123456789abcdef",
        trust({"Federated": f"arn:aws:iam::{account.id}:saml-provider/AWSSSO_0123456789abcdef_DO_NOT_DELETE"}),
        [_ALL],
        account,
        Path="/aws-reserved/sso.amazonaws.com/",
    )
    linked = iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")["Role"]
    account.roles[linked["RoleName"]], account.role_ids[linked["RoleName"]] = linked["Arn"], linked["RoleId"]


def _resources(bed: Bed, account: Account) -> None:
    s3 = bed.client("s3", account.root, direct=True)
    for suffix in ("artifacts", "orders"):
        bucket = f"{account.name}-{suffix}-{account.id}"
        s3.create_bucket(Bucket=bucket)
        account.buckets.append(bucket)
    bed.client("sqs", account.root, direct=True).create_queue(QueueName=QUEUE)
    bed.client("secretsmanager", account.root, direct=True).create_secret(Name=SECRET, SecretString="initial")
    bed.client("ssm", account.root, direct=True).put_parameter(Name=PARAMETER, Value="https://orders.example", Type="String")
