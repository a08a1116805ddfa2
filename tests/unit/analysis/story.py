# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A planted incident among look-alikes: the owner's pipeline has the same key, the same role, the same session name, and does the same things."""

from __future__ import annotations

import itertools
import random
import typing as t

from tests.unit.analysis.events_made import (
    ACCOUNT,
    EVIL,
    HOME,
    OTHER,
    Row,
    assume,
    assumed,
    event,
    federated,
    federation,
    google,
    key_made,
    role_made,
    service,
    session,
    token,
    user,
    user_made,
)

SUSPECT = "AKIACI00000000000001"
START, DAY = "2026-11-25T10:00:00", 5
STRANGER = "999988887777"
EVIL2, EVIL3 = "192.0.2.77", "198.18.5.5"
EXPECTED = {  # every rogue id of the lineage, and no other
    SUSPECT, "ASIAEVIL000000000001", f"arn:aws:iam::{ACCOUNT}:user/backup-agent", "AKIAEVIL000000000001", "ASIAEVIL000000000002",
    "ASIAEVIL000000000003", f"arn:aws:iam::{OTHER}:role/ghost", "ASIAEVIL000000000004", "ASIAEVIL000000000005", "i-0e0e0e0e0e0e0e0e0",
    f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:sync", f"arn:aws:iam::{ACCOUNT}:user/backup-agent#password",
    f"arn:aws:iam::{ACCOUNT}:user/backup-agent@2026-11-25T10:40:00Z", f"arn:aws:iam::{ACCOUNT}:role/ops#trust", "ASIAEVIL000000000006",
    "i-0abc0abc0abc0abc0",
}  # fmt: skip
PIPELINE = {"user_agent": "terraform/1.9", "src_ip": HOME}


def _at(clock: str) -> str:
    return f"+{DAY} {clock}"


def attack() -> list[Row]:
    """Every call of the attacker; those that must be found have the word ``attacker`` as user agent."""
    ci, deploy = user("ci", key=SUSPECT), session("deploy", "pipeline", key="ASIAEVIL000000000001")
    agent = user("backup-agent", key="AKIAEVIL000000000001")
    reach = session("audit", "pipeline", key="ASIAEVIL000000000003", account=OTHER)
    ghost = session("ghost", "x", key="ASIAEVIL000000000004", account=OTHER)
    evil: Row = {"src_ip": EVIL, "user_agent": "attacker"}
    sts, iam = {"service": "sts"}, {"service": "iam"}
    stranger = {"actor_type": "AWSAccount", "actor_arn": None, "actor_id": "AIDASTRANGER0000001", "actor_account": STRANGER}
    return [
        event(**ci, **evil, **sts, at=_at("10:00"), operation="GetCallerIdentity"),
        event(**ci, **evil, **sts, at=_at("10:01"), operation="AssumeRole", request=assume("admin", "x"), error="AccessDenied"),
        event(**ci, **evil, **sts, at=_at("10:02"), operation="AssumeRole", request=assume("deploy", "pipeline"),
              response=assumed("deploy", "pipeline", "ASIAEVIL000000000001"), shared_uid="s-1"),
        event(**deploy, **evil, **iam, at=_at("10:05"), operation="CreateUser", request={"userName": "backup-agent"}, response=user_made("backup-agent")),
        event(**deploy, **evil, **iam, at=_at("10:06"), operation="CreateAccessKey", request={"userName": "backup-agent"},
              response=key_made("AKIAEVIL000000000001", "backup-agent")),
        event(**deploy, **evil, **iam, at=_at("10:07"), operation="CreateLoginProfile", request={"userName": "backup-agent"}),
        event(**deploy, **evil, at=_at("10:08"), service="secretsmanager", operation="GetSecretValue", request={"secretId": "prod/gcp"}),
        # the key that was made is used from elsewhere, and mints more, used from two networks
        event(**agent, **evil | {"src_ip": EVIL2}, **sts, at=_at("10:10"), operation="GetSessionToken", response=token("ASIAEVIL000000000002")),
        event(**user("backup-agent", key="ASIAEVIL000000000002"), **evil, at=_at("10:11"), operation="PutBucketPolicy"),
        event(**user("backup-agent", key="ASIAEVIL000000000002"), **evil | {"src_ip": EVIL3}, at=_at("10:12"), operation="DeleteBucket"),
        event(**agent, **evil | {"src_ip": EVIL2}, **sts, at=_at("10:13"), operation="GetFederationToken", request={"name": "bob"},
              response=federation("bob", "ASIAEVIL000000000005")),
        event(**federated("bob", "backup-agent", key="ASIAEVIL000000000005"), **evil, at=_at("10:14"), operation="PutObject"),
        # into another account, under the pipeline's session name, and a role there that trusts a stranger
        event(**deploy, **evil, **sts, at=_at("10:20"), operation="AssumeRole", request=assume("audit", "pipeline", account=OTHER),
              response=assumed("audit", "pipeline", "ASIAEVIL000000000003", account=OTHER), shared_uid="s-2"),
        event(**reach, **evil, **iam, at=_at("10:21"), operation="CreateRole",
              request={"roleName": "ghost", "assumeRolePolicyDocument": _trusting(STRANGER)}, response=role_made("ghost", OTHER)),
        event(**stranger, account=OTHER, **evil, **sts, at=_at("10:25"), operation="AssumeRole", request=assume("ghost", "x", account=OTHER),
              response=assumed("ghost", "x", "ASIAEVIL000000000004", account=OTHER)),
        event(**ghost, **evil | {"src_ip": EVIL3}, at=_at("10:26"), operation="PutBucketReplication"),
        # compute
        event(**deploy, **evil, at=_at("10:30"), service="ec2", operation="RunInstances", request={"iamInstanceProfile": {"name": "web"}},
              response={"instancesSet": {"items": [{"instanceId": "i-0e0e0e0e0e0e0e0e0"}]}}),
        event(**session("web", "i-0e0e0e0e0e0e0e0e0", key="ASIAEVILEC2000000001"), at=_at("10:31"), user_agent="attacker", src_ip="203.0.113.200",
              operation="PutObject"),
        event(**deploy, **evil, at=_at("10:32"), service="lambda", operation="CreateFunction20150331",
              request={"functionName": "sync", "role": f"arn:aws:iam::{ACCOUNT}:role/lambda-basic"},
              response={"functionName": "sync", "functionArn": f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:sync",
                        "role": f"arn:aws:iam::{ACCOUNT}:role/lambda-basic"}),
        event(**session("lambda-basic", "sync", key="ASIAEVILLAMBDA000001"), at=_at("10:33"), user_agent="attacker", src_ip="203.0.113.201",
              operation="PutItem", service="dynamodb"),
        # the console
        event(**user("backup-agent"), **evil, service="signin", at=_at("10:40"), operation="ConsoleLogin", response={"ConsoleLogin": "Success"}),
        event(**user("backup-agent", key="ASIACONSOLE000000001"), **evil, at=_at("10:41"), session_created=_at("10:40"), operation="PutUserPolicy",
              service="iam"),
        # a trust that is rewritten
        event(**deploy, **evil, **iam, at=_at("10:50"), operation="UpdateAssumeRolePolicy",
              request={"roleName": "ops", "policyDocument": _trusting(STRANGER)}),
        event(**stranger, account=ACCOUNT, **evil, **sts, at=_at("10:52"), operation="AssumeRole", request=assume("ops", "night"),
              response=assumed("ops", "night", "ASIAEVIL000000000006")),
        event(**session("ops", "night", key="ASIAEVIL000000000006"), **evil | {"src_ip": EVIL2}, at=_at("10:53"), operation="CreateSnapshot",
              service="ec2"),
        # a machine of the owner is entered, and its credentials turn up elsewhere
        event(**deploy, **evil, at=_at("10:55"), service="ssm", operation="SendCommand", request={"instanceIds": ["i-0abc0abc0abc0abc0"]}),
        event(**session("web", "i-0abc0abc0abc0abc0", key="ASIAWEB0000000000001"), **evil, at=_at("10:57"), operation="DeleteObject"),
        # failures
        event(**deploy, **evil, **iam, at=_at("11:00"), operation="CreateUser", request={"userName": "denied"}, error="AccessDenied"),
        # the other cloud
        event(**google("sync@acme-prod.iam.gserviceaccount.com", key="//iam.googleapis.com/projects/acme-prod/serviceAccounts/s/keys/k1"), src_ip=EVIL,
              at=_at("11:05"), service="storage.googleapis.com", operation="storage.objects.get"),
    ]  # fmt: skip


def _trusting(account: str) -> str:
    return f'{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{account}:root"}},"Action":"sts:AssumeRole"}}]}}'


def everyday(count: int = 3000, seed: int = 7) -> list[Row]:
    """What the owners do, before and beside it: the same calls on the same kinds of things, by principals that only look alike."""
    pick, number = random.Random(seed), itertools.count(1)
    rows: list[Row] = []
    for day in range(DAY + 1):
        for hour in range(24):
            n = next(number)
            clock, key = f"+{day} {hour:02d}:15", f"ASIAPIPE{n:012d}"
            rows += [
                event(**user("ci", key=SUSPECT), **PIPELINE, service="sts", at=clock, operation="AssumeRole", request=assume("deploy", "pipeline"),
                      response=assumed("deploy", "pipeline", key)),
                event(**session("deploy", "pipeline", key=key), **PIPELINE, at=f"+{day} {hour:02d}:16", service="lambda",
                      operation="UpdateFunctionCode20150331v2", response={"functionArn": f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:shop",
                                                                          "role": f"arn:aws:iam::{ACCOUNT}:role/shop"}),
                event(**session("ops", "jane", key=f"ASIAOPS{n:013d}"), at=f"+{day} {hour:02d}:20", src_ip="198.51.100.9", operation="StopInstances",
                      service="ec2"),
                event(**user("jane", key="AKIAJANE000000000001"), at=f"+{day} {hour:02d}:19", src_ip="198.51.100.9", service="sts", operation="AssumeRole",
                      request=assume("ops", "jane"), response=assumed("ops", "jane", f"ASIAOPS{n:013d}")),
                event(**session("web", "i-0abc0abc0abc0abc0", key="ASIAWEB0000000000001"), at=f"+{day} {hour:02d}:30", src_ip="198.51.100.80",
                      operation="PutObject"),
                event(**service("lambda.amazonaws.com"), service="sts", at=f"+{day} {hour:02d}:31", operation="AssumeRole",
                      request=assume("lambda-basic", "resize"), response=assumed("lambda-basic", "resize", f"ASIALAMB{n:012d}")),
                event(**session("lambda-basic", "resize", key=f"ASIALAMB{n:012d}"), at=f"+{day} {hour:02d}:32", src_ip="3.250.1.2", operation="PutItem",
                      service="dynamodb"),
                event(**federated("bob", "jane", key=f"ASIABOB0{n:012d}"), at=f"+{day} {hour:02d}:33", src_ip="198.51.100.9", operation="PutObject"),
                event(**google("sync@acme-prod.iam.gserviceaccount.com", key="//iam.googleapis.com/projects/acme-prod/serviceAccounts/s/keys/k1"),
                      at=f"+{day} {hour:02d}:35", src_ip="198.51.100.200", service="storage.googleapis.com", operation="storage.objects.get"),
            ]  # fmt: skip
    # look-alikes in the very window: the same names elsewhere, the same calls by others
    jane, window = user("jane", key="AKIAJANE000000000001"), {"src_ip": "198.51.100.9"}
    rows += [
        event(**jane, **window, service="iam", at=_at("10:05:01"), operation="CreateUser", request={"userName": "reporting"}, response=user_made("reporting")),
        event(**jane, **window, service="iam", at=_at("10:05:02"), operation="CreateAccessKey", request={"userName": "reporting"},
              response=key_made("AKIAREPORTING0000001", "reporting")),
        event(**user("reporting", key="AKIAREPORTING0000001"), at=_at("10:30"), src_ip="198.51.100.33", operation="GetObject"),
        event(**user("backup-agent", account=OTHER, key="AKIAOTHERAGENT000001"), at=_at("10:31"), src_ip="198.51.100.34", operation="PutObject"),
        event(**user("ci", key=SUSPECT), **PIPELINE, service="iam", at=_at("10:03"), operation="CreateUser", request={"userName": "preview"},
              response=user_made("preview")),
        event(**session("deploy", "pipeline", key="ASIAPIPE000000000131"), **PIPELINE, service="iam", at=_at("10:17"), operation="CreateRole",
              request={"roleName": "preview", "assumeRolePolicyDocument": "{}"}, response=role_made("preview")),
        event(**session("ghost", "x", key="ASIAOTHERGHOST000001"), at=_at("10:30"), src_ip="198.51.100.9", operation="PutObject"),
    ]  # fmt: skip
    names: list[tuple[str, t.Any]] = [
        ("GetObject", "s3"),
        ("DescribeInstances", "ec2"),
        ("PutObject", "s3"),
        ("Decrypt", "kms"),
        ("AssumeRole", "sts"),
    ]
    while len(rows) < count:
        who, (operation, where) = pick.randrange(200), pick.choice(names)
        minute = f"+{pick.randrange(DAY + 1)} {pick.randrange(24):02d}:{pick.randrange(60):02d}:{pick.randrange(60):02d}"
        made: Row = {}
        if operation == "AssumeRole":
            role = pick.choice(("deploy", "ops", "web", "audit"))
            made = {"request": assume(role, f"user{who}"), "response": assumed(role, f"user{who}", f"ASIANOISE{next(number):011d}")}
        rows.append(
            event(
                **user(f"user{who}", key=f"AKIANOISE{who:011d}"),
                at=minute,
                src_ip=f"198.51.100.{who}",
                operation=operation,
                service=where,
                **made,
            )
        )
    return rows
