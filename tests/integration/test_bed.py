"""Canaries: what the project's claims rest on is true of the bed. When one fails, no other result counts."""

from __future__ import annotations

import datetime
import email.utils
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.beds import company as seeds
from tests.beds.bed import Bed, Credentials, root
from tests.beds.company import ATTACKER_IP, OFFICE, Company, document
from tests.beds.loops import Attacker, Bystanders, Dependents, summary

pytestmark = pytest.mark.bed

DENY = {"Effect": "Deny", "Action": "*", "Resource": "*"}
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}


def outcome(call: Callable[..., Any], **parameters: Any) -> str:
    """ "ok", the error code, or the name of a connection error."""
    try:
        call(**parameters)
    except ClientError as exc:
        return str(exc.response["Error"]["Code"])
    except BotoCoreError as exc:
        return type(exc).__name__
    return "ok"


def deny(**condition: Any) -> str:
    """A deny-everything document under a condition."""
    return document({**DENY, "Condition": condition} if condition else DENY)


def stamp(offset: float = 0) -> str:
    """Now plus `offset` seconds, as policies write times."""
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=offset)).strftime("%Y-%m-%dT%H:%M:%SZ")


def next_second() -> None:
    """Sleep into the next whole second: TokenIssueTime has no fractions."""
    time.sleep(1.02 - time.time() % 1)


@pytest.fixture
def iam(bed: Bed, company: Company) -> Any:
    """IAM of the production account, as its root."""
    return bed.client("iam", company.production.root)


@pytest.fixture
def s3(bed: Bed, company: Company) -> Callable[..., str]:
    """s3(credentials) -> outcome of ListBuckets."""

    def attempt(credentials: Credentials, **options: Any) -> str:
        return outcome(bed.client("s3", credentials, **options).list_buckets)

    return attempt


def minted(bed: Bed, company: Company) -> dict[str, Credentials]:
    """One session of each kind that the leaked key can mint."""
    sts = bed.client("sts", company.leaked)
    policy = document({"Effect": "Allow", "Action": "*", "Resource": "*"})
    role = company.production.roles["deploy"]
    return {
        "session": Credentials.of(sts.get_session_token()["Credentials"]),
        "federation": Credentials.of(sts.get_federation_token(Name="fed", Policy=policy)["Credentials"]),
        "role": Credentials.of(sts.assume_role(RoleArn=role, RoleSessionName="evil")["Credentials"]),
    }


# -- keys and sessions ---------------------------------------------------------------------------------------------


def test_inactive_key_is_refused_and_active_again_works(bed, company, iam, s3):
    assert s3(company.leaked) == "ok"
    iam.update_access_key(UserName="ci-deploy", AccessKeyId=company.leaked.access_key, Status="Inactive")
    assert s3(company.leaked) == "InvalidAccessKeyId"
    assert outcome(bed.client("iam", company.leaked).list_users) == "InvalidClientTokenId"
    assert outcome(bed.client("sts", company.leaked).get_session_token) == "InvalidClientTokenId"
    assert s3(company.worker) == "ok"  # the user's other key
    # CloudTrail never sees a call whose credentials could not be authenticated: a dead key leaves no trace of use.
    assert {e.get("errorCode") for e in bed.events()} == {None}
    iam.update_access_key(UserName="ci-deploy", AccessKeyId=company.leaked.access_key, Status="Active")
    assert s3(company.leaked) == "ok"


def test_deleted_key_is_refused_but_its_sessions_live_on(bed, company, iam, s3):
    sessions = minted(bed, company)
    iam.delete_access_key(UserName="ci-deploy", AccessKeyId=company.leaked.access_key)
    assert s3(company.leaked) == "InvalidAccessKeyId"
    assert {kind: s3(held) for kind, held in sessions.items()} == dict.fromkeys(sessions, "ok")
    # and a session token may still assume a role
    assert (
        outcome(bed.client("sts", sessions["session"]).assume_role, RoleArn=company.production.roles["deploy"], RoleSessionName="again")
        == "ok"
    )


def test_inline_deny_cuts_user_and_its_user_sessions_but_not_the_role_session(bed, company, iam, s3):
    sessions = minted(bed, company)
    iam.put_user_policy(UserName="ci-deploy", PolicyName="evict-test", PolicyDocument=deny())
    assert {s3(company.leaked), s3(sessions["session"]), s3(sessions["federation"])} <= DENIED
    assert s3(sessions["role"]) == "ok"
    for service, call in (("sqs", "list_queues"), ("ec2", "describe_instances"), ("iam", "list_users"), ("lambda", "list_functions")):
        assert outcome(getattr(bed.client(service, company.leaked), call)) in DENIED, service
    assert outcome(bed.client("sts", company.leaked).get_caller_identity) == "ok"  # why no loop may use it
    assert outcome(bed.client("sts", company.leaked).get_session_token) == "ok"  # AWS never denies this by policy
    iam.delete_user_policy(UserName="ci-deploy", PolicyName="evict-test")
    assert s3(company.leaked) == "ok"


def test_token_issue_time_cuts_old_sessions_and_spares_new_ones(bed, company, iam, s3):
    old = minted(bed, company)
    next_second()
    cutoff = deny(DateLessThan={"aws:TokenIssueTime": stamp()})
    iam.put_user_policy(UserName="ci-deploy", PolicyName="evict-session", PolicyDocument=cutoff)
    iam.put_role_policy(RoleName="deploy", PolicyName="evict-session", PolicyDocument=cutoff)
    new = minted(bed, company)
    assert {s3(held) for held in old.values()} <= DENIED
    assert {kind: s3(held) for kind, held in new.items()} == dict.fromkeys(new, "ok")
    assert s3(company.leaked) == "ok"  # a long-lived key carries no issue time


def test_userid_deny_cuts_one_session_of_a_shared_role(bed, company, iam, s3):
    role, role_id = company.production.roles["deploy"], company.production.role_ids["deploy"]
    evil, good = (
        Credentials.of(bed.client("sts", who).assume_role(RoleArn=role, RoleSessionName=name)["Credentials"])
        for who, name in ((company.leaked, "evil"), (company.production.keys["alice"], "alice"))
    )
    iam.put_role_policy(RoleName="deploy", PolicyName="evict-one", PolicyDocument=deny(StringEquals={"aws:userid": f"{role_id}:evil"}))
    assert s3(evil) in DENIED and s3(good) == "ok"
    sessions = minted(bed, company)
    federated = sessions["federation"]
    iam.put_user_policy(
        UserName="ci-deploy", PolicyName="evict-one", PolicyDocument=deny(StringEquals={"aws:userid": f"{company.production.id}:fed"})
    )
    assert s3(federated) in DENIED and s3(company.leaked) == "ok"
    iam.put_user_policy(
        UserName="ci-deploy",
        PolicyName="evict-one",
        PolicyDocument=deny(StringEquals={"aws:userid": company.production.user_ids["ci-deploy"]}),
    )
    assert s3(sessions["session"]) in DENIED and s3(company.leaked) in DENIED  # the same id: no telling them apart


def test_source_ip_clamp_both_halves(company, iam, s3):
    iam.put_user_policy(
        UserName="ci-deploy", PolicyName="evict-clamp", PolicyDocument=deny(NotIpAddress={"aws:SourceIp": ["198.51.100.0/24"]})
    )
    assert s3(company.leaked, source_ip=ATTACKER_IP) in DENIED
    assert s3(company.leaked, source_ip=OFFICE) == "ok"


def test_boundary_limits_users_and_roles(bed, company, iam, s3):
    role_session = minted(bed, company)["role"]
    arn = iam.create_policy(PolicyName="only-ec2", PolicyDocument=document(seeds.allow("ec2:Describe*")))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName="ci-deploy", PermissionsBoundary=arn)
    iam.put_role_permissions_boundary(RoleName="deploy", PermissionsBoundary=arn)
    assert s3(company.leaked) in DENIED and s3(role_session) in DENIED
    details = iam.get_account_authorization_details(Filter=["User"])["UserDetailList"]
    assert [d["PermissionsBoundary"]["PermissionsBoundaryArn"] for d in details if "PermissionsBoundary" in d] == [arn]


def test_aws_managed_deny_all_denies_and_unknown_policy_is_refused(company, iam, s3):
    iam.attach_user_policy(UserName="ci-deploy", PolicyArn="arn:aws:iam::aws:policy/AWSDenyAll")
    assert s3(company.leaked) in DENIED
    assert outcome(iam.attach_user_policy, UserName="bob", PolicyArn="arn:aws:iam::aws:policy/NoSuchPolicy") == "NoSuchEntity"


def test_scp_denies_in_the_account_and_nobody_else(bed, company, s3):
    organizations = bed.client("organizations", root(company.management))

    def policy(name: str, **condition: Any) -> str:
        return organizations.create_policy(Content=deny(**condition), Description="test", Name=name, Type="SERVICE_CONTROL_POLICY")[
            "Policy"
        ]["PolicySummary"]["Id"]

    one = policy("one", ArnLike={"aws:PrincipalArn": company.production.users["ci-deploy"]})
    organizations.attach_policy(PolicyId=one, TargetId=company.production.id)
    bob, other = company.production.keys["bob"], company.staging.keys["ci-deploy"]
    assert (s3(company.leaked) in DENIED, s3(bob), s3(other)) == (True, "ok", "ok")
    with pytest.raises(ClientError, match="explicit deny in a service control policy"):
        bed.client("iam", company.leaked).list_users()
    organizations.detach_policy(PolicyId=one, TargetId=company.production.id)
    assert s3(company.leaked) == "ok"
    unit = organizations.create_organizational_unit(ParentId=company.root_id, Name="quarantine")["OrganizationalUnit"]["Id"]
    organizations.attach_policy(PolicyId=policy("all"), TargetId=unit)
    organizations.move_account(AccountId=company.production.id, SourceParentId=company.root_id, DestinationParentId=unit)
    assert s3(company.leaked) in DENIED and s3(bob) in DENIED and s3(company.production.root) in DENIED
    assert s3(other) == "ok" and s3(root(company.management)) == "ok"


def test_trust_decides_who_assumes(bed, company, iam):
    sts = bed.client("sts", company.leaked)
    role = company.production.roles["deploy"]
    assert outcome(sts.assume_role, RoleArn=company.staging.roles["deploy"], RoleSessionName="again") == "AccessDenied"
    iam.update_assume_role_policy(RoleName="deploy", PolicyDocument=seeds.trust({"AWS": company.production.users["alice"]}))
    assert outcome(sts.assume_role, RoleArn=role, RoleSessionName="again") == "AccessDenied"
    # A trust policy that names a user of the same account suffices: taking away sts:AssumeRole closes nothing.
    iam.put_user_policy(UserName="alice", PolicyName="work", PolicyDocument=document(seeds.allow("s3:ListAllMyBuckets")))
    alice = bed.client("sts", company.production.keys["alice"])
    assert outcome(alice.assume_role, RoleArn=role, RoleSessionName="again") == "ok"
    iam.put_user_policy(UserName="alice", PolicyName="evict-test", PolicyDocument=deny())
    assert outcome(alice.assume_role, RoleArn=role, RoleSessionName="again") in DENIED


def test_a_source_identity_needs_both_sides_and_stays(bed, company, iam):
    def assume(credentials: Credentials, role: str, **more: str) -> str:
        return outcome(bed.client("sts", credentials).assume_role, RoleArn=company.production.roles[role], RoleSessionName="work", **more)

    alice = company.production.keys["alice"]
    assert assume(alice, "deploy") == "ok" and assume(alice, "deploy", SourceIdentity="alice") == "AccessDenied"
    iam.update_assume_role_policy(
        RoleName="deploy",
        PolicyDocument=seeds.trust({"AWS": "arn:aws:iam::222222222222:root"}, "sts:AssumeRole", "sts:SetSourceIdentity"),
    )
    assert assume(alice, "deploy", SourceIdentity="alice") == "AccessDenied", "its own policies do not allow it"
    iam.put_user_policy(UserName="alice", PolicyName="s", PolicyDocument=document(seeds.allow("sts:SetSourceIdentity")))
    answer = bed.client("sts", alice).assume_role(
        RoleArn=company.production.roles["deploy"], RoleSessionName="work", SourceIdentity="alice"
    )
    assert answer["SourceIdentity"] == "alice"
    session = Credentials.of(answer["Credentials"])
    iam.put_role_policy(RoleName="deploy", PolicyName="s", PolicyDocument=document(seeds.allow("sts:*")))
    assert assume(session, "deploy", SourceIdentity="bob") == "AccessDenied" and assume(session, "deploy", SourceIdentity="alice") == "ok"
    chained = bed.client("sts", session).assume_role(RoleArn=company.production.roles["deploy"], RoleSessionName="work")
    assert chained["SourceIdentity"] == "alice", "it is handed on"


def test_sessions_may_not_call_iam_and_durations_are_limited(bed, company):
    sessions = minted(bed, company)
    assert outcome(bed.client("iam", sessions["session"]).list_users) == "InvalidClientTokenId"
    assert outcome(bed.client("iam", sessions["federation"]).list_users) == "InvalidClientTokenId"
    assert outcome(bed.client("sts", sessions["session"]).get_session_token) == "AccessDenied"
    assert (
        outcome(bed.client("sts", sessions["federation"]).assume_role, RoleArn=company.production.roles["deploy"], RoleSessionName="again")
        == "AccessDenied"
    )
    sts = bed.client("sts", company.leaked)
    arguments = {"RoleArn": company.production.roles["deploy"], "RoleSessionName": "again"}
    assert outcome(sts.assume_role, **arguments, DurationSeconds=7200) == "ok"
    assert outcome(sts.assume_role, **arguments, DurationSeconds=7201) == "ValidationError"


def test_recreated_principal_is_another_one(bed, company, iam):
    """A trust policy keeps the unique id of a deleted user; a new user of that name is a stranger to it."""
    iam.create_user(UserName="temp")
    arn = iam.get_user(UserName="temp")["User"]["Arn"]
    iam.update_assume_role_policy(RoleName="reporting", PolicyDocument=seeds.trust({"AWS": arn}))
    iam.delete_user(UserName="temp")
    stored = iam.get_role(RoleName="reporting")["Role"]["AssumeRolePolicyDocument"]
    assert stored["Statement"][0]["Principal"]["AWS"].startswith("AIDA")
    assert outcome(iam.update_assume_role_policy, RoleName="reporting", PolicyDocument=json.dumps(stored)) == "MalformedPolicyDocument"
    iam.create_user(UserName="temp")
    iam.put_user_policy(UserName="temp", PolicyName="work", PolicyDocument=document(seeds.allow("*")))
    key = Credentials.of(iam.create_access_key(UserName="temp")["AccessKey"])
    assert (
        outcome(bed.client("sts", key).assume_role, RoleArn=company.production.roles["reporting"], RoleSessionName="again")
        == "AccessDenied"
    )


# -- IAM's own truth -------------------------------------------------------------------------------------------------


def test_quotas(bed, company, iam):
    assert outcome(iam.create_access_key, UserName="ci-deploy") == "LimitExceeded"
    arns = [iam.create_policy(PolicyName=f"p{n}", PolicyDocument=deny())["Policy"]["Arn"] for n in range(11)]
    for kind, name in (("user", "bob"), ("role", "reporting")):
        attach = getattr(iam, f"attach_{kind}_policy")
        got = [outcome(attach, **{f"{kind.title()}Name": name}, PolicyArn=arn) for arn in arns]
        assert got == ["ok"] * 10 + ["LimitExceeded"], kind
    for kind, name, limit in (("user", "app-orders", 2048), ("role", "log-delivery", 10240), ("group", "engineers", 5120)):
        put = getattr(iam, f"put_{kind}_policy")
        if kind != "group":
            getattr(iam, f"delete_{kind}_policy")(**{f"{kind.title()}Name": name}, PolicyName="work")
        for policy_name, size, expected in (
            ("a", limit - 200, "ok"),
            ("b", 200, "ok"),
            ("c", 130, "LimitExceeded"),
            ("b", 200, "ok"),
            ("b", 201, "LimitExceeded"),
        ):
            assert outcome(put, **{f"{kind.title()}Name": name}, PolicyName=policy_name, PolicyDocument=sized(size)) == expected, (
                kind,
                policy_name,
                size,
            )
    assert outcome(iam.create_policy, PolicyName="big", PolicyDocument=sized(6144)) == "ok"
    assert outcome(iam.create_policy, PolicyName="bigger", PolicyDocument=sized(6145)) == "LimitExceeded"
    versions = [outcome(iam.create_policy_version, PolicyArn=arns[0], PolicyDocument=deny()) for _ in range(5)]
    assert versions == ["ok"] * 4 + ["LimitExceeded"]


def sized(characters: int) -> str:
    """A policy document of so many characters without whitespace, and some whitespace more."""
    base = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:Get","Resource":"arn:aws:s3:::"}]}'
    return base.replace(':::"', ":::" + "x" * (characters - len(base)) + '"') + " \n" * 50


def test_malformed_documents(company, iam):
    for sid, expected in (("Evict0123456789abcdef", "ok"), ("evict-1", "MalformedPolicyDocument")):
        assert outcome(iam.put_user_policy, UserName="bob", PolicyName="s", PolicyDocument=document({**DENY, "Sid": sid})) == expected
    stranger = seeds.trust({"AWS": f"arn:aws:iam::{company.production.id}:user/nobody"})
    assert outcome(iam.update_assume_role_policy, RoleName="deploy", PolicyDocument=stranger) == "MalformedPolicyDocument"


def test_paging(bed, company, iam):
    for number in range(5):
        iam.create_user(UserName=f"u{number}")
    bed.page_size(2)
    first = iam.list_users()
    assert len(first["Users"]) == 2 and first["IsTruncated"] and first["Marker"]
    assert len(iam.list_users(MaxItems=3)["Users"]) == 3
    users = [u["UserName"] for page in iam.get_paginator("list_users").paginate() for u in page["Users"]]
    assert len(users) == len(set(users)) == 9
    roles = [r["RoleName"] for page in iam.get_paginator("list_roles").paginate() for r in page["Roles"]]
    assert sorted(roles) == sorted(company.production.roles)
    pages = list(iam.get_paginator("get_account_authorization_details").paginate())
    assert sorted(u["UserName"] for p in pages for u in p["UserDetailList"]) == sorted(users)
    assert sorted(r["RoleName"] for p in pages for r in p["RoleDetailList"]) == sorted(roles)
    bed.page_size(1)
    keys = [k["AccessKeyId"] for p in iam.get_paginator("list_access_keys").paginate(UserName="ci-deploy") for k in p["AccessKeyMetadata"]]
    assert sorted(keys) == sorted((company.leaked.access_key, company.worker.access_key))
    iam.put_user_policy(UserName="bob", PolicyName="more", PolicyDocument=deny())
    assert [p["PolicyNames"] for p in iam.get_paginator("list_user_policies").paginate(UserName="bob")] == [["work"], ["more"]]


def test_last_use_and_key_ownership(bed, company, iam, s3):
    key = company.leaked.access_key
    assert "LastUsedDate" not in iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]
    assert s3(company.leaked) == "ok"
    used = iam.get_access_key_last_used(AccessKeyId=key)
    assert used["UserName"] == "ci-deploy" and used["AccessKeyLastUsed"]["ServiceName"] == "s3"
    other = bed.client("iam", company.staging.root)
    assert outcome(other.get_access_key_last_used, AccessKeyId=key) == "AccessDenied"
    sts = bed.client("sts", company.responder)
    iam.delete_access_key(UserName="ci-deploy", AccessKeyId=key)
    assert sts.get_access_key_info(AccessKeyId=key)["Account"] == company.production.id  # also of a deleted key
    assert "LastUsedDate" not in iam.get_role(RoleName="reporting")["Role"]["RoleLastUsed"]
    bob = bed.client("sts", company.production.keys["bob"])
    session = bob.assume_role(RoleArn=company.production.roles["reporting"], RoleSessionName="report")
    assert sts.get_access_key_info(AccessKeyId=session["Credentials"]["AccessKeyId"])["Account"] == company.production.id
    assert s3(Credentials.of(session["Credentials"])) == "ok"
    role = iam.get_role(RoleName="reporting")
    assert role["Role"]["RoleLastUsed"]["LastUsedDate"] and role["Role"]["MaxSessionDuration"] == 3600
    assert role["ResponseMetadata"]["HTTPHeaders"]["date"]
    assert bed.client("iam", company.production.keys["bob"]).get_user()["User"]["UserName"] == "bob"


def test_expired_session_and_the_clouds_own_clock(bed, company, iam, s3):
    session = minted(bed, company)["role"]
    bed.expire(session)
    assert s3(session) == "ExpiredToken" and outcome(bed.client("iam", session).list_users) == "ExpiredToken"
    bed.clock(120)  # the cloud is ahead: a cutoff by this machine's clock spares a session minted before it
    bed.configure(lookup_rate=0)
    session = minted(bed, company)["role"]
    next_second()
    iam.put_role_policy(RoleName="deploy", PolicyName="evict", PolicyDocument=deny(DateLessThan={"aws:TokenIssueTime": stamp()}))
    assert s3(session) == "ok"
    date = email.utils.parsedate_to_datetime(iam.list_users()["ResponseMetadata"]["HTTPHeaders"]["date"])
    assert 110 < (date - datetime.datetime.now(datetime.UTC)).total_seconds() < 130
    cutoff = deny(DateLessThan={"aws:TokenIssueTime": date.strftime("%Y-%m-%dT%H:%M:%SZ")})
    iam.put_role_policy(RoleName="deploy", PolicyName="evict", PolicyDocument=cutoff)
    assert s3(session) in DENIED
    event = lookup(bed.client("cloudtrail", company.production.root), "EventName", "ListUsers")[0]
    assert abs((event["EventTime"] - date).total_seconds()) <= 1


# -- propagation lag -------------------------------------------------------------------------------------------------


def until(check: Callable[[], bool], seconds: float = 15) -> float:
    """Seconds until check() holds."""
    began = time.monotonic()
    while not check():
        assert time.monotonic() - began < seconds, "never happened"
        time.sleep(0.05)
    return time.monotonic() - began


def test_lag_delays_decisions_not_reads(bed, company, iam, s3):
    bed.lag(3)
    key = company.production.keys["bob"]
    iam.put_user_policy(UserName="bob", PolicyName="evict-test", PolicyDocument=deny())
    assert iam.get_user_policy(UserName="bob", PolicyName="evict-test")["PolicyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert s3(key) == "ok"
    iam.update_access_key(UserName="ci-deploy", AccessKeyId=company.leaked.access_key, Status="Inactive")
    assert {k["Status"] for k in iam.list_access_keys(UserName="ci-deploy")["AccessKeyMetadata"]} == {"Active", "Inactive"}
    assert s3(company.leaked) == "ok"
    iam.update_assume_role_policy(RoleName="deploy", PolicyDocument=seeds.trust({"AWS": company.production.users["bob"]}))
    alice = bed.client("sts", company.production.keys["alice"])
    arguments = {"RoleArn": company.production.roles["deploy"], "RoleSessionName": "again"}
    assert outcome(alice.assume_role, **arguments) == "ok"
    fresh = Credentials.of(iam.create_access_key(UserName="alice")["AccessKey"])
    gone = company.staging.keys["bob"]
    bed.client("iam", company.staging.root).delete_access_key(UserName="bob", AccessKeyId=gone.access_key)
    assert s3(fresh) == "InvalidAccessKeyId" and s3(gone) == "ok"
    organizations = bed.client("organizations", root(company.management))
    created = organizations.create_policy(Content=deny(), Description="test", Name="late", Type="SERVICE_CONTROL_POLICY")
    organizations.attach_policy(PolicyId=created["Policy"]["PolicySummary"]["Id"], TargetId=company.staging.id)
    assert s3(company.staging.keys["alice"]) == "ok"
    until(lambda: s3(key) in DENIED)
    until(lambda: s3(company.staging.keys["alice"]) in DENIED)
    until(lambda: s3(company.leaked) == "InvalidAccessKeyId" and s3(gone) == "InvalidAccessKeyId")
    until(lambda: outcome(alice.assume_role, **arguments) == "AccessDenied" and s3(fresh) == "ok")
    bed.lag(0)
    iam.delete_user_policy(UserName="bob", PolicyName="evict-test")
    assert s3(key) == "ok"


def test_lag_holds_for_indirect_rights_too(bed, company, iam, s3):
    """Managed policies and their versions, groups, boundaries, new roles: an attacker who changes them has to wait as we do."""
    arn = iam.create_policy(PolicyName="tools", PolicyDocument=document(seeds.allow("s3:*")))["Policy"]["Arn"]
    for name in ("v1", "v2", "group", "bound"):
        iam.create_user(UserName=name)
    keys = {n: Credentials.of(iam.create_access_key(UserName=n)["AccessKey"]) for n in ("v1", "v2", "group", "bound")}
    iam.attach_user_policy(UserName="v2", PolicyArn=arn)
    iam.put_user_policy(UserName="bound", PolicyName="all", PolicyDocument=document(seeds.allow("*")))
    iam.create_group(GroupName="operators")
    iam.put_group_policy(GroupName="operators", PolicyName="all", PolicyDocument=document(seeds.allow("*")))
    assert {n: s3(k) for n, k in keys.items()} == {"v1": "AccessDenied", "v2": "ok", "group": "AccessDenied", "bound": "ok"}
    bed.lag(3)
    iam.attach_user_policy(UserName="v1", PolicyArn=arn)
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=deny(), SetAsDefault=True)
    iam.add_user_to_group(GroupName="operators", UserName="group")
    iam.put_user_permissions_boundary(UserName="bound", PermissionsBoundary="arn:aws:iam::aws:policy/AWSDenyAll")
    made = iam.create_role(RoleName="late", AssumeRolePolicyDocument=seeds.trust({"AWS": company.production.users["bob"]}))["Role"]["Arn"]
    bob = bed.client("sts", company.production.keys["bob"])
    assert {n: s3(k) for n, k in keys.items()} == {"v1": "AccessDenied", "v2": "ok", "group": "AccessDenied", "bound": "ok"}
    assert outcome(bob.assume_role, RoleArn=made, RoleSessionName="early") != "ok"
    until(lambda: s3(keys["group"]) == "ok" and s3(keys["bound"]) == "AccessDenied" and s3(keys["v2"]) == "AccessDenied")
    until(lambda: outcome(bob.assume_role, RoleArn=made, RoleSessionName="late") == "ok")
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    assert s3(keys["v1"]) == "AccessDenied"
    until(lambda: s3(keys["v1"]) == s3(keys["v2"]) == "ok")


# -- CloudTrail --------------------------------------------------------------------------------------------------------


def lookup(client: Any, key: str = "", value: str = "", **more: Any) -> list[dict[str, Any]]:
    """All pages."""
    attributes = {"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}]} if key else {}
    pages = client.get_paginator("lookup_events").paginate(**attributes, **more)
    return [{**event, "record": json.loads(event["CloudTrailEvent"])} for page in pages for event in page["Events"]]


def test_lookup_events_tells_the_truth(bed, company, iam, s3):
    bed.configure(lookup_rate=0)
    sessions = minted(bed, company)
    assert s3(sessions["role"], source_ip=ATTACKER_IP) == "ok"
    assert outcome(bed.client("kms", company.leaked).list_keys) in DENIED
    attacker = bed.client("iam", company.leaked)
    attacker.create_user(UserName="backdoor")
    minted_key = attacker.create_access_key(UserName="backdoor")["AccessKey"]
    attacker.create_login_profile(UserName="backdoor", Password="Secret-Pass-77")
    bed.client("sqs", company.leaked, region="eu-central-1").list_queues()
    trail = bed.client("cloudtrail", company.production.root)

    events = lookup(trail, "AccessKeyId", company.leaked.access_key)
    names = [event["EventName"] for event in events]
    assert names == [
        "CreateLoginProfile",
        "CreateAccessKey",
        "CreateUser",
        "ListKeys",
        "AssumeRole",
        "GetFederationToken",
        "GetSessionToken",
    ]  # newest first, this region only
    by_name = {event["EventName"]: event["record"] for event in events}
    assert by_name["ListKeys"]["errorCode"] in DENIED and by_name["ListKeys"]["errorMessage"]
    assumed = by_name["AssumeRole"]
    assert assumed["responseElements"]["credentials"]["accessKeyId"] == sessions["role"].access_key
    assert assumed["responseElements"]["assumedRoleUser"]["arn"].endswith(":assumed-role/deploy/evil")
    assert assumed["requestParameters"] == {"roleArn": company.production.roles["deploy"], "roleSessionName": "evil"}
    assert by_name["CreateAccessKey"]["responseElements"]["accessKey"]["accessKeyId"] == minted_key["AccessKeyId"]
    assert by_name["CreateLoginProfile"]["requestParameters"]["userName"] == "backdoor"
    identity = by_name["CreateUser"]["userIdentity"]
    assert (identity["type"], identity["userName"], identity["arn"]) == ("IAMUser", "ci-deploy", company.production.users["ci-deploy"])
    text = json.dumps([event["CloudTrailEvent"] for event in events])
    for secret in (minted_key["SecretAccessKey"], "Secret-Pass-77", *(x for s in sessions.values() for x in (s.secret_key, s.token))):
        assert secret not in text

    by_session = lookup(trail, "AccessKeyId", sessions["role"].access_key)
    assert [e["EventName"] for e in by_session] == ["ListBuckets"]
    issuer = by_session[0]["record"]["userIdentity"]["sessionContext"]["sessionIssuer"]
    assert (issuer["arn"], issuer["userName"]) == (company.production.roles["deploy"], "deploy")
    assert by_session[0]["record"]["sourceIPAddress"] == ATTACKER_IP
    assert [e["EventName"] for e in lookup(trail, "ResourceName", sessions["role"].access_key)] == ["AssumeRole"]
    assert {e["EventName"] for e in lookup(trail, "Username", "evil")} == {"ListBuckets"}
    assert len(lookup(trail, "EventName", "CreateUser")) == 1
    assert len(lookup(trail, "EventId", events[0]["EventId"])) == 1
    elsewhere = bed.client("cloudtrail", company.production.root, region="eu-central-1")
    assert [e["EventName"] for e in lookup(elsewhere, "AccessKeyId", company.leaked.access_key)] == ["ListQueues"]
    assert lookup(bed.client("cloudtrail", company.staging.root), "AccessKeyId", company.leaked.access_key) == []
    assert [
        len(p["Events"])
        for p in trail.get_paginator("lookup_events").paginate(
            LookupAttributes=[{"AttributeKey": "AccessKeyId", "AttributeValue": company.leaked.access_key}],
            PaginationConfig={"PageSize": 3},
        )
    ] == [3, 3, 1]
    assert lookup(trail, EndTime=datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)) == []
    two = [{"AttributeKey": "EventName", "AttributeValue": "x"}] * 2
    assert outcome(trail.lookup_events, LookupAttributes=two) == "InvalidLookupAttributesException"
    assert outcome(bed.client("cloudtrail", company.leaked).lookup_events) in DENIED


def test_cross_account_assume_role_is_recorded_in_both_accounts(bed, company):
    bed.configure(lookup_rate=0)
    sts = bed.client("sts", company.responder)
    sts.assume_role(RoleArn=company.production.responder_role, RoleSessionName="ir")
    here = lookup(bed.client("cloudtrail", root(company.management)), "EventName", "AssumeRole")
    there = lookup(bed.client("cloudtrail", company.production.root), "EventName", "AssumeRole")
    assert here[0]["record"]["userIdentity"]["userName"] == "responder"
    assert there[0]["record"]["userIdentity"]["type"] == "AWSAccount"
    assert here[0]["record"]["sharedEventID"] == there[0]["record"]["sharedEventID"]


def test_events_arrive_late_and_lookups_are_throttled(bed, company, s3):
    bed.configure(trail_delay=2.5, lookup_rate=0)
    assert s3(company.leaked) == "ok"
    trail = bed.client("cloudtrail", company.production.root)
    assert lookup(trail, "AccessKeyId", company.leaked.access_key) == []
    until(lambda: len(lookup(trail, "AccessKeyId", company.leaked.access_key)) == 1)
    bed.configure(lookup_rate=2)
    outcomes = [outcome(trail.lookup_events) for _ in range(6)]
    assert outcomes[:2] == ["ok", "ok"] and "ThrottlingException" in outcomes
    assert outcome(bed.client("cloudtrail", company.production.root, region="eu-west-1").lookup_events) == "ok"


# -- faults ------------------------------------------------------------------------------------------------------------

_WRITER = """
import boto3, sys
iam = boto3.client("iam")
for n in range(4):
    iam.put_user_policy(UserName="bob", PolicyName=f"p{n}", PolicyDocument=sys.argv[1])
print("done")
"""


@pytest.mark.parametrize(("when", "written"), [("before", 1), ("after", 2)])
def test_crash_point_kills_the_caller(bed, company, iam, when, written):
    sts = bed.client("sts", company.responder)
    session = sts.assume_role(RoleArn=company.production.responder_role, RoleSessionName="ir")
    responder = Credentials.of(session["Credentials"])
    held = subprocess.Popen(  # waits for a line, so that the rule can name its group
        [sys.executable, "-c", "import sys; sys.stdin.readline()\n" + _WRITER, deny()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env=bed.environ(responder),
    )
    bed.rule(when, at=2, pgid=held.pid, principal=":assumed-role/incident-responder/")
    out, _ = held.communicate(b"go\n", timeout=60)
    assert held.returncode == -signal.SIGKILL and out == b""
    assert bed.rules()[0]["fired"] == 1
    bed.clear_rules()
    assert iam.list_user_policies(UserName="bob")["PolicyNames"] == ["work", *(f"p{n}" for n in range(written))]


def test_lost_answer_leaves_the_write_and_fail_leaves_nothing(bed, company, iam):
    iam.delete_access_key(UserName="ci-deploy", AccessKeyId=company.worker.access_key)
    bed.rule("lost", operation="CreateAccessKey")
    assert outcome(iam.create_access_key, UserName="ci-deploy") in {"ConnectionClosedError", "EndpointConnectionError"}
    assert len(iam.list_access_keys(UserName="ci-deploy")["AccessKeyMetadata"]) == 2
    bed.rule("fail", operation="ListUsers", mutating=False, times=2)
    assert [outcome(iam.list_users) for _ in range(3)] == ["Throttling", "Throttling", "ok"]
    bed.rule("fail", operation="PutUserPolicy", status=500, code="ServiceFailure", message="internal")
    assert outcome(iam.put_user_policy, UserName="bob", PolicyName="x", PolicyDocument=deny()) == "ServiceFailure"
    assert iam.list_user_policies(UserName="bob")["PolicyNames"] == ["work"]
    with pytest.raises(ValueError, match="needs pgid or pid"):
        bed.rule("before")
    with pytest.raises(ValueError, match="when must be one of"):
        bed.rule("sometimes", pid=os.getpid())


def test_large_bodies_pass(bed, company):
    bucket, data = company.production.buckets[0], os.urandom(6 << 20)
    s3 = bed.client("s3", company.leaked)
    s3.put_object(Bucket=bucket, Key="a b/ü", Body=data)
    assert s3.get_object(Bucket=bucket, Key="a b/ü")["Body"].read() == data
    assert s3.head_object(Bucket=bucket, Key="a b/ü")["ContentLength"] == len(data)
    assert [c["operation"] for c in bed.calls(service="s3")] == ["PutObject", "GetObject", "HeadObject"]
    assert not [e for e in bed.events() if e["eventSource"] == "s3.amazonaws.com" and e["managementEvent"]]


def test_latency_and_call_log(bed, company, iam):
    bed.configure(latency_ms=120)
    began = time.monotonic()
    iam.list_users()
    assert time.monotonic() - began > 0.12
    call = bed.calls(operation="ListUsers")[-1]
    assert call["ms"] >= 120 and call["status"] == 200 and call["account"] == company.production.id and not call["mutating"]
    bed.control("reset", {})
    assert bed.calls() == []


# -- the API itself ----------------------------------------------------------------------------------------------------


def test_regions_can_be_fewer_and_a_reset_brings_them_back(bed, company):
    ec2 = bed.client("ec2", company.production.root)
    assert len(ec2.describe_regions()["Regions"]) > 16
    bed.regions("us-east-1", "eu-west-1")
    assert sorted(r["RegionName"] for r in ec2.describe_regions()["Regions"]) == ["eu-west-1", "us-east-1"]
    bed.reset()
    assert len(ec2.describe_regions()["Regions"]) > 16


def test_snapshot_shows_every_change_and_no_secret(bed, company, iam, s3):
    before = bed.snapshot()
    assert s3(company.leaked) == "ok"
    assert bed.snapshot() == before  # use leaves no trace in it
    iam.put_user_policy(UserName="bob", PolicyName="x", PolicyDocument=deny())
    assert bed.snapshot() != before
    iam.delete_user_policy(UserName="bob", PolicyName="x")
    assert bed.snapshot() == before
    assert company.leaked.secret_key not in before


def test_environment_for_children_is_scrubbed(bed, company, monkeypatch):
    for name in ("AWS_PROFILE", "AZURE_CLIENT_SECRET", "GOOGLE_APPLICATION_CREDENTIALS", "https_proxy", "CLOUDSDK_CONFIG"):
        monkeypatch.setenv(name, "poison")
    environment = bed.environ()
    assert "poison" not in environment.values()
    assert environment["AWS_ACCESS_KEY_ID"] == company.responder.access_key
    assert environment["AWS_ENDPOINT_URL"] == bed.endpoint


def test_loops_see_containment(bed, company, iam):
    loops = attacker, bystanders, dependents = (
        Attacker(bed, company, rate=20),
        Bystanders(bed, company, rate=20, refresh=0.4),
        Dependents(bed, company, rate=20),
    )
    for loop in loops:
        loop.start()
    time.sleep(1.5)
    started = time.time()
    iam.put_user_policy(UserName="ci-deploy", PolicyName="evict-test", PolicyDocument=deny())
    iam.update_access_key(UserName="ci-deploy", AccessKeyId=company.leaked.access_key, Status="Inactive")
    iam.put_role_policy(RoleName="deploy", PolicyName="evict-test", PolicyDocument=deny(DateLessThan={"aws:TokenIssueTime": stamp(1)}))
    ended = time.time()
    time.sleep(2.5)
    for loop in loops:
        loop.stop()
    figures = summary(attacker, bystanders, dependents, (started, ended))
    assert figures["attacker"]["ok_before"] > 10 and attacker.count(ok=False, before=started) == 0, attacker.codes()
    assert figures["attacker"]["ok_after"] == attacker.sweep() == 0, attacker.codes(ended)
    assert figures["bystander"]["failed"] == 0 and figures["bystander"]["ok"] > 10, bystanders.codes()
    assert figures["shared"]["failed"] > 0 and bystanders.log[-1].code == "ok", bystanders.codes()
    assert dependents.count(ok=True, after=ended, kind="worker") == 0 < dependents.count(ok=True, after=ended, kind="orders")


# -- tags in authorization (tag_truth) and paths (org_truth) ------------------------------------------------------------------------


def test_session_tags_need_a_right_override_and_travel_on_when_transitive(bed: Bed, company: Company) -> None:
    iam = bed.client("iam", company.production.root, direct=True)
    roles, bob = company.production.roles, company.production.users["bob"]
    both = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"]}
    iam.update_assume_role_policy(RoleName="deploy", PolicyDocument=document({**both, "Principal": {"AWS": bob}}))
    iam.update_assume_role_policy(RoleName="reporting", PolicyDocument=document({**both, "Principal": {"AWS": roles["deploy"]}}))
    unless = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalTag/team": "x"}}}
    iam.put_role_policy(RoleName="reporting", PolicyName="unless", PolicyDocument=document(unless))
    sts = bed.client("sts", company.production.keys["bob"])
    passed = {"RoleArn": roles["deploy"], "RoleSessionName": "one", "Tags": [{"Key": "team", "Value": "x"}]}
    deny = {"Effect": "Deny", "Action": "sts:TagSession", "Resource": "*"}
    iam.put_user_policy(UserName="bob", PolicyName="no-tags", PolicyDocument=document(deny))
    assert outcome(sts.assume_role, **passed) == "AccessDenied"
    iam.delete_user_policy(UserName="bob", PolicyName="no-tags")
    for transitive, wanted in (([], "ok"), (["team"], "AccessDenied")):
        first = bed.client("sts", Credentials.of(sts.assume_role(**passed, TransitiveTagKeys=transitive)["Credentials"]))
        second = Credentials.of(first.assume_role(RoleArn=roles["reporting"], RoleSessionName="two")["Credentials"])
        assert outcome(bed.client("sqs", second).list_queues) == wanted
    assert outcome(first.assume_role, RoleArn=roles["reporting"], RoleSessionName="two", Tags=[{"Key": "TEAM", "Value": "y"}]) != "ok"


def test_a_federated_user_carries_the_tags_of_its_user(bed: Bed, company: Company) -> None:
    iam = bed.client("iam", company.production.root, direct=True)
    everything = document({"Effect": "Allow", "Action": "*", "Resource": "*"})
    held = Credentials.of(bed.client("sts", company.leaked).get_federation_token(Name="build", Policy=everything)["Credentials"])
    unless = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Null": {"aws:PrincipalTag/stop": "false"}}}
    iam.put_user_policy(UserName="ci-deploy", PolicyName="unless", PolicyDocument=document(unless))
    assert outcome(bed.client("sqs", held).list_queues) == "ok"
    iam.tag_user(UserName="ci-deploy", Tags=[{"Key": "Stop", "Value": ""}])
    assert outcome(bed.client("sqs", held).list_queues) == "AccessDenied"


def test_a_user_with_a_path_is_judged_by_its_arn(bed: Bed, company: Company) -> None:
    iam = bed.client("iam", company.production.root, direct=True)
    deny = {"Effect": "Deny", "Action": "iam:Tag*", "Resource": company.production.users["app-orders"]}
    iam.put_user_policy(UserName="ci-deploy", PolicyName="deny", PolicyDocument=document(deny))
    caller = bed.client("iam", company.leaked)
    assert outcome(caller.tag_user, UserName="app-orders", Tags=[{"Key": "a", "Value": "b"}]) == "AccessDenied"
    assert outcome(caller.tag_user, UserName="bob", Tags=[{"Key": "a", "Value": "b"}]) == "ok"


def test_each_environment_of_a_function_has_its_own_credentials(bed: Bed, company: Company) -> None:
    """It keeps them until the configuration changes; the old ones are a session of its role, older than the new ones."""
    code, held = "import os\ndef h(event, context):\n    return os.environ['AWS_ACCESS_KEY_ID']\n", io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("h.py", code)
    functions = bed.client("lambda", company.production.root, direct=True)
    functions.create_function(
        FunctionName="f",
        Runtime="python3.12",
        Role=company.production.roles["orders-lambda"],
        Handler="h.h",
        Code={"ZipFile": held.getvalue()},
        Timeout=60,
    )
    keys = [json.loads(functions.invoke(FunctionName="f")["Payload"].read()) for _ in range(2)]
    functions.update_function_configuration(FunctionName="f", Description="other")
    keys.append(json.loads(functions.invoke(FunctionName="f")["Payload"].read()))
    assert keys[0] == keys[1] != keys[2] and all(key.startswith("ASIA") for key in keys)


def test_the_policies_of_a_user_with_a_path_are_simulated(bed: Bed, company: Company) -> None:
    """The emulator takes the path for a part of the name, and so denies everything."""
    iam = bed.client("iam", company.production.root, direct=True)
    found = iam.simulate_principal_policy(
        PolicySourceArn=company.production.users["app-orders"], ActionNames=["sqs:ListQueues", "iam:CreateUser"]
    )
    assert [row["EvalDecision"] for row in found["EvaluationResults"]] == ["allowed", "implicitDeny"]
