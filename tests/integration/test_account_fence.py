"""The fence above the account on the enforcing bed: it alone stops the attacker, nobody in the account can take it away, and what holds where there is none."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws.account_fence import AccountFences
from ansible_collections.evict.cloud.plugins.module_utils.aws.session import Aws
from tests.beds.bed import Bed, Credentials, root
from tests.beds.company import Company, allow, document, trust
from tests.integration.helpers import DEAD, DENIED, Child, Desk, next_second, outcome, status_of, works

pytestmark = pytest.mark.bed

A = "222222222222"
USER, ROLE, BOB = f"arn:aws:iam::{A}:user/ci-deploy", f"arn:aws:iam::{A}:role/deploy", f"arn:aws:iam::{A}:user/bob"
GLASS = f"arn:aws:iam::{A}:role/break-glass"
ALL = document({"Effect": "Allow", "Action": "*", "Resource": "*"})
SCP = "SERVICE_CONTROL_POLICY"


def organizations(bed: Bed) -> Any:
    return bed.client("organizations", root(bed.management), direct=True)


def attached(bed: Bed, account: str = A) -> dict[str, str]:
    """{name: id} of the SCPs on an account, but for AWS's own."""
    found = organizations(bed).list_policies_for_target(TargetId=account, Filter=SCP)["Policies"]
    return {p["Name"]: p["Id"] for p in found if not p["AwsManaged"]}


def there(bed: Bed) -> list[str]:
    return [p["Name"] for p in organizations(bed).list_policies(Filter=SCP)["Policies"] if not p["AwsManaged"]]


def content(bed: Bed, name: str) -> dict[str, Any]:
    policies = {p["Name"]: p["Id"] for p in organizations(bed).list_policies(Filter=SCP)["Policies"]}
    return dict(json.loads(organizations(bed).describe_policy(PolicyId=policies[name])["Policy"]["Content"]))


def fill(bed: Bed, count: int, account: str = A) -> list[str]:
    """Other people's SCPs on the account."""
    ids = []
    for number in range(count):
        made = organizations(bed).create_policy(Content=ALL, Description="x", Name=f"corporate-{account}-{number}", Type=SCP)
        ids.append(made["Policy"]["PolicySummary"]["Id"])
        organizations(bed).attach_policy(PolicyId=ids[-1], TargetId=account)
    return ids


def held_by(company: Company, bed: Bed) -> dict[str, Credentials]:
    sts = bed.client("sts", company.leaked)
    return {
        "key": company.leaked,
        "session": Credentials.of(sts.get_session_token()["Credentials"]),
        "federation": Credentials.of(sts.get_federation_token(Name="build-service", Policy=ALL)["Credentials"]),
        "role": Credentials.of(sts.assume_role(RoleArn=ROLE, RoleSessionName="evil")["Credentials"]),
    }


def lift_identity_fences(desk: Desk) -> None:
    """Every identity control of ours is taken away by the responder's own role, which is exempt: the SCP is left."""
    sts = desk.bed.client("sts", desk.company.responder)
    session = Credentials.of(sts.assume_role(RoleArn=desk.company.production.responder_role, RoleSessionName="test")["Credentials"])
    iam = desk.bed.client("iam", session)
    for kind, name in (("user", "ci-deploy"), ("role", "deploy")):
        key = {f"{kind.capitalize()}Name": name}
        for policy in getattr(iam, f"list_{kind}_policies")(**key)["PolicyNames"]:
            if policy.startswith("evict-"):
                getattr(iam, f"delete_{kind}_policy")(**key, PolicyName=policy)
    iam.update_access_key(UserName="ci-deploy", AccessKeyId=desk.company.leaked.access_key, Status="Active")


# -- alone -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["deny", "revoke", "clamp"])
def test_the_policy_alone_stops_the_key_and_every_session_and_nobody_else(desk: Desk, action: str) -> None:
    bed, company = desk.bed, desk.company
    held = held_by(company, bed)
    bobs = Credentials.of(bed.client("sts", company.production.keys["bob"]).get_session_token()["Credentials"])
    assert {works(bed, c) for c in held.values()} == {"ok"}
    next_second()
    desk.incident(company.leaked.access_key, ROLE, role_action=action, trusted={"networks": ["198.51.100.0/24"]})
    done = desk.contain()
    assert done["problems"] == [] and any(c.startswith("scp:p-") for c in status_of(done, "user/ci-deploy")["controls"]), done
    lift_identity_fences(desk)
    assert {kind: works(bed, c) for kind, c in held.items()} == dict.fromkeys(held, "AccessDenied")
    assert outcome(bed.client("sts", company.leaked), "get_federation_token", Name="again", Policy=ALL) in DENIED
    for who in (
        company.production.keys["bob"],
        company.production.keys["alice"],
        company.production.keys["app-orders"],
        company.staging.keys["ci-deploy"],
        bobs,
    ):
        assert works(bed, who) == "ok"
    if action != "deny":
        next_second()
        alice = bed.client("sts", company.production.keys["alice"]).assume_role(RoleArn=ROLE, RoleSessionName="alice")
        assert works(bed, Credentials.of(alice["Credentials"]), source_ip="198.51.100.9") == "ok"


def test_nobody_in_the_account_can_take_it_away_but_the_exempt(desk: Desk) -> None:
    """An administrator of the account whom nobody suspects tries everything on the contained and on the exempt."""
    bed, company = desk.bed, desk.company
    direct = bed.client("iam", company.production.root, direct=True)
    direct.create_user(UserName="admin")
    direct.put_user_policy(UserName="admin", PolicyName="all", PolicyDocument=ALL)
    admin = bed.client("iam", Credentials.of(direct.create_access_key(UserName="admin")["AccessKey"]))
    work, other = (direct.create_policy(PolicyName=name, PolicyDocument=ALL)["Policy"]["Arn"] for name in ("responder-work", "other"))
    direct.attach_role_policy(RoleName="incident-responder", PolicyArn=work)
    direct.create_policy_version(PolicyArn=work, PolicyDocument=ALL)  # v2, which is not the default
    desk.incident(
        company.leaked.access_key, f"arn:aws:iam::{A}:user/workloads/app-orders", protected=[GLASS, f"arn:aws:iam::{A}:role/not-there-yet"]
    )
    desk.contain()
    assert desk.contain()["changed"] is False
    who, policy = {"UserName": "ci-deploy"}, {"PolicyName": "evict-quarantine-IR-1"}
    trusting = trust({"AWS": f"arn:aws:iam::{A}:user/admin"})
    tries: list[tuple[str, dict[str, Any]]] = [
        ("delete_user_policy", {**who, **policy}), ("put_user_policy", {**who, **policy, "PolicyDocument": ALL}),
        ("attach_user_policy", {**who, "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        ("tag_user", {**who, "Tags": [{"Key": "a", "Value": "b"}]}), ("create_access_key", who),
        ("update_access_key", {**who, "AccessKeyId": company.leaked.access_key, "Status": "Active"}),
        ("put_user_policy", {"UserName": "app-orders", "PolicyName": "p", "PolicyDocument": ALL}),  # which has a path
        ("create_login_profile", {**who, "Password": "Abc-123456789!"}), ("delete_user", who),
        ("put_user_permissions_boundary", {**who, "PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        ("create_role", {"RoleName": "not-there-yet", "AssumeRolePolicyDocument": trusting}),
        *((name, {"PolicyArn": work, **more}) for name, more in (  # what the responder's rights are in
            ("create_policy_version", {"PolicyDocument": ALL, "SetAsDefault": True}), ("set_default_policy_version", {"VersionId": "v2"}),
            ("delete_policy_version", {"VersionId": "v2"}), ("delete_policy", {}))),
        *((name, {"RoleName": role, **more}) for role in ("break-glass", "incident-responder") for name, more in (
            ("update_assume_role_policy", {"PolicyDocument": trusting}), ("delete_role", {}), ("tag_role", {"Tags": [{"Key": "a", "Value": "b"}]}),
            ("put_role_policy", {"PolicyName": "p", "PolicyDocument": ALL}))),
    ]  # fmt: skip
    before = bed.snapshot()
    for client in (admin, bed.client("iam", company.production.root)):
        assert {f"{name} {more}": code for name, more in tries if (code := outcome(client, name, **more)) not in DENIED} == {}
    assert (
        outcome(bed.client("organizations", company.production.root), "detach_policy", PolicyId=attached(bed).popitem()[1], TargetId=A)
        in DENIED
    )
    assert bed.snapshot() == before
    assert outcome(admin, "create_policy_version", PolicyArn=other, PolicyDocument=ALL) == "ok"  # no other policy is meant
    assert outcome(admin, "tag_user", UserName="bob", Tags=[{"Key": "a", "Value": "b"}]) == "ok"  # others are administered as ever
    glass = bed.client("sts", root(company.management)).assume_role(RoleArn=GLASS, RoleSessionName="ada")["Credentials"]
    assert outcome(bed.client("iam", Credentials.of(glass)), "tag_user", **who, Tags=[{"Key": "a", "Value": "b"}]) == "ok"
    both = (company.leaked.access_key, f"arn:aws:iam::{A}:user/workloads/app-orders")
    assert desk.false_positive(*both)["status"] == "ok" and there(bed) == []  # and the responder works


def test_service_linked_roles_and_other_accounts_go_on(desk: Desk) -> None:
    bed, account = desk.bed, desk.company.production
    desk.incident(desk.company.leaked.access_key)
    done = desk.contain()
    assert "service-linked roles" in done["fences"][0]["why"] and attached(bed, desk.company.staging.id) == {}
    linked = next(n for n in account.roles if n.startswith("AWSServiceRole"))
    assert not any(linked in json.dumps(content(bed, name)) for name in there(bed))


def test_a_path_that_reads_as_a_variable_does_not_slip_through(desk: Desk) -> None:
    bed, account = desk.bed, desk.company.production
    iam = bed.client("iam", account.root, direct=True)
    iam.create_user(UserName="slippery", Path="/${aws:PrincipalArn}/*/")
    iam.put_user_policy(UserName="slippery", PolicyName="p", PolicyDocument=ALL)
    key = Credentials.of(iam.create_access_key(UserName="slippery")["AccessKey"])
    desk.incident(key.access_key)
    desk.contain()
    said = json.dumps(content(bed, f"evict-IR-1-{A}-1"))
    assert f"arn:aws:iam::{A}:user/*/slippery" in said and "${" not in said


def test_declared_federation_sessions_go_on(desk: Desk) -> None:
    bed, company = desk.bed, desk.company
    direct = bed.client("iam", company.production.root, direct=True)
    direct.put_user_policy(UserName="bob", PolicyName="broker", PolicyDocument=document(allow("sts:GetFederationToken", "sqs:*")))
    sts = bed.client("sts", company.production.keys["bob"])
    broker, other = (Credentials.of(sts.get_federation_token(Name=name, Policy=ALL)["Credentials"]) for name in ("broker", "other"))
    desk.incident(company.leaked.access_key, trusted={"principals": [f"arn:aws:sts::{A}:federated-user/broker"]})
    desk.contain()
    assert (works(bed, broker), works(bed, other)) == ("ok", "AccessDenied")


# -- runs --------------------------------------------------------------------------------------------------------------------------


def test_check_mode_a_second_run_and_what_is_found_later(desk: Desk) -> None:
    bed = desk.bed
    desk.incident(desk.company.leaked.access_key)
    cloud = bed.snapshot()
    planned = desk.contain(check=True)
    assert bed.snapshot() == cloud and planned["fences"][0]["control"] == "scp" and not desk.case.exists()
    assert desk.contain()["changed_count"] == planned["changed_count"]
    cloud = bed.snapshot()
    assert desk.contain()["changed_count"] == 0 and bed.snapshot() == cloud
    desk.run("aws_identity_quarantine", principals=[BOB])
    added = desk.run("aws_account_fence", principals=[BOB])
    assert added["changed_count"] == 1 and len(there(bed)) == 1 and added["principals"][0]["controls"][0].startswith("scp:p-")
    held = json.dumps(content(bed, f"evict-IR-1-{A}-1"))
    assert BOB in held and USER in held
    assert desk.run("aws_account_fence", principals=[BOB])["changed_count"] == 0


def test_it_does_not_wait_in_front_of_an_identity_fence(desk: Desk) -> None:
    desk.incident(USER, BOB, f"arn:aws:iam::{A}:user/alice")
    desk.contain()
    order = [c["operation"] for c in desk.bed.calls() if c["operation"] in ("PutUserPolicy", "CreatePolicy")]
    assert order.index("CreatePolicy") >= 3 and order.count("CreatePolicy") == 1, order


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operation", ["CreatePolicy", "AttachPolicy"])
def test_killed_around_each_call_leaves_no_orphan(desk: Desk, operation: str, when: str) -> None:
    desk.incident(desk.company.leaked.access_key)
    child = Child(desk.bed, {"module": "aws_contain", "params": {"incident": str(desk.file), "hold": "0", "scope": 0}})
    desk.bed.rule(when, service="organizations", operation=operation, pgid=child.pgid)
    assert child.go()[0] == -9
    desk.bed.clear_rules()
    again = desk.contain()
    assert again["problems"] == [] and there(desk.bed) == list(attached(desk.bed)) == [f"evict-IR-1-{A}-1"], again["recovered"]
    assert desk.contain()["changed_count"] == 0 and desk.verified()
    desk.false_positive(desk.company.leaked.access_key)
    assert there(desk.bed) == []


def test_an_answer_lost_after_the_write_leaves_no_second_policy(desk: Desk) -> None:
    desk.incident(desk.company.leaked.access_key)
    desk.bed.rule("lost", service="organizations", operation="CreatePolicy")
    done = desk.contain()
    assert done["fences"][0]["control"] == "scp" and there(desk.bed) == [f"evict-IR-1-{A}-1"], done["fences"]


def test_a_busy_organization_is_asked_again(desk: Desk) -> None:
    desk.bed.rule(
        "fail", service="organizations", operation="AttachPolicy", times=2, code="ConcurrentModificationException", message="busy"
    )
    desk.incident(desk.company.leaked.access_key)
    assert desk.contain()["fences"][0]["control"] == "scp" and list(attached(desk.bed))


# -- release -----------------------------------------------------------------------------------------------------------------------


def test_released_last_and_only_for_whom_it_is_released(desk: Desk) -> None:
    bed = desk.bed
    desk.incident(USER, BOB)
    desk.contain()
    desk.restore(only=[BOB])
    held = json.dumps(content(bed, f"evict-IR-1-{A}-1"))
    assert USER in held and BOB not in held and works(bed, desk.company.production.keys["ci-deploy"]) in DEAD
    done = desk.restore()
    assert there(bed) == [] and done["status"] == "ok"
    changes = [c["operation"] for c in bed.calls() if c["operation"] in ("DeleteUserPolicy", "DetachPolicy", "DeletePolicy")]
    assert changes[-2:] == ["DetachPolicy", "DeletePolicy"]
    assert desk.restore()["changed_count"] == 0


def test_it_stays_while_the_cutoff_is_missing(desk: Desk) -> None:
    held = held_by(desk.company, desk.bed)
    desk.incident(desk.company.leaked.access_key)
    desk.contain()
    lift_identity_fences(desk)
    done = desk.restore()
    assert [r for r in done["open"] if "service control policy" in r["object"] and "cutoff" in r["why"]], done["open"]
    assert works(desk.bed, held["session"]) in DENIED and there(desk.bed)


def test_a_policy_that_somebody_edited_is_left_to_a_person(desk: Desk) -> None:
    desk.incident(desk.company.leaked.access_key)
    desk.contain()
    name, policy = attached(desk.bed).popitem()
    changed = content(desk.bed, name)
    changed["Statement"][0]["Action"] = "s3:*"
    organizations(desk.bed).update_policy(PolicyId=policy, Content=json.dumps(changed))
    done = desk.restore()
    assert done["status"] == "open" and [r["kind"] for r in done["open"] if "service control policy" in r["object"]] == ["conflict"]
    assert content(desk.bed, name) == changed


def test_closing_one_of_two_incidents_leaves_the_others_fence(desk: Desk) -> None:
    other = Desk(desk.bed, desk.company, desk.folder, "IR-2")
    desk.incident(USER)
    other.incident(USER, BOB)
    desk.contain()
    other.contain()
    assert len(there(desk.bed)) == 2
    desk.restore()
    assert list(attached(desk.bed)) == [f"evict-IR-2-{A}-1"] and works(desk.bed, desk.company.production.keys["bob"]) in DEAD
    other.restore()
    assert there(desk.bed) == []


@pytest.mark.parametrize("first", ["the owner", "the guest"])
def test_with_no_slot_free_a_policy_of_this_collection_is_extended(desk: Desk, first: str) -> None:
    bed = desk.bed
    fill(bed, 3)
    other = Desk(bed, desk.company, desk.folder, "IR-2")
    desk.incident(USER)
    other.incident(BOB)
    desk.contain()
    done = other.contain()
    name = f"evict-IR-1-{A}-1"
    assert done["fences"][0]["policies"] == [name] and "evict-IR-2" not in str(there(bed))
    assert other.contain()["changed_count"] == 0 and desk.contain()["changed_count"] == 0
    one, two = (desk, other) if first == "the owner" else (other, desk)
    one.restore()
    held = json.dumps(content(bed, name))
    assert (USER in held, BOB in held) == ((False, True) if one is desk else (True, False))
    two.restore()
    assert [n for n in there(bed) if n.startswith("evict-")] == []


# -- where there is none -----------------------------------------------------------------------------------------------------------


def no_organization(bed: Bed) -> None:
    bed.organizations(in_use=False)


def refused(bed: Bed) -> None:
    bed.client("iam", root(bed.management), direct=True).put_user_policy(
        UserName="responder", PolicyName="respond", PolicyDocument=document(
            allow("sts:AssumeRole", "sts:GetAccessKeyInfo", "organizations:Describe*", "organizations:List*")))  # fmt: skip


def unreadable(bed: Bed) -> None:
    bed.client("iam", root(bed.management), direct=True).put_user_policy(
        UserName="responder", PolicyName="respond", PolicyDocument=document(allow("sts:AssumeRole", "sts:GetAccessKeyInfo")))  # fmt: skip


def slots_full(bed: Bed) -> None:
    fill(bed, 4)


def not_enabled(bed: Bed) -> None:
    client = organizations(bed)
    client.disable_policy_type(RootId=client.list_roots()["Roots"][0]["Id"], PolicyType=SCP)


@pytest.mark.parametrize(("without", "said"), [(no_organization, "no organization"), (refused, "CreatePolicy"), (unreadable, "DescribeOrganization"),
                                               (slots_full, "no room"), (not_enabled, "enable-policy-type")])  # fmt: skip
def test_without_it_awsdenyall_holds_and_the_table_says_so(desk: Desk, without: Callable[[Bed], None], said: str) -> None:
    bed, iam = desk.bed, desk.bed.client("iam", desk.company.production.root)
    without(bed)
    before = bed.snapshot()
    desk.incident(desk.company.leaked.access_key, password="keep")
    done = desk.contain(hold="1s")
    (fence,) = done["fences"]
    assert done["status"] == "ok" and fence["control"] == "none" and fence["instead"] == ["AWSDenyAll"]
    assert said in fence["why"] + fence["remedy"], fence
    assert status_of(done, "user/ci-deploy")["controls"] == ["inline deny", "session cutoff", "AWSDenyAll"]
    cloud = bed.snapshot()
    assert desk.contain(hold="1s")["changed_count"] == 0 and bed.snapshot() == cloud
    iam.delete_user_policy(UserName="ci-deploy", PolicyName="evict-quarantine-IR-1")  # two things to remove
    iam.update_access_key(UserName="ci-deploy", AccessKeyId=desk.company.leaked.access_key, Status="Active")
    assert works(bed, desk.company.leaked) in DENIED
    desk.false_positive(desk.company.leaked.access_key)
    assert bed.snapshot() == before


def test_in_the_management_account_it_is_said_loudly(desk: Desk) -> None:
    bed = desk.bed
    iam = bed.client("iam", root(bed.management), direct=True)
    for name in ("incident-responder",):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": desk.company.responder_arn}))
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=ALL)
    iam.create_user(UserName="eve")
    desk.incident(
        f"arn:aws:iam::{bed.management}:user/eve", connection={"aws": {"role_arn": desk.company.role_template, "assume_own": True}}
    )
    done = desk.contain(hold="1s")
    assert (
        done["status"] == "ok" and "management account" in json.dumps(done["warnings"]) and "management account" in done["fences"][0]["why"]
    )
    assert there(bed) == [] and "AWSDenyAll" in status_of(done, "user/eve")["controls"]


def test_a_management_role_does_it(desk: Desk) -> None:
    bed = desk.bed
    iam = bed.client("iam", root(bed.management), direct=True)
    iam.create_role(RoleName="incident-policies", AssumeRolePolicyDocument=trust({"AWS": desk.company.responder_arn}))
    iam.put_role_policy(RoleName="incident-policies", PolicyName="p", PolicyDocument=document(allow("organizations:*")))
    refused(bed)
    role = f"arn:aws:iam::{bed.management}:role/incident-policies"
    desk.incident(desk.company.leaked.access_key, connection={"aws": {"role_arn": desk.company.role_template, "management_role_arn": role}})
    assert desk.contain()["fences"][0]["control"] == "scp"
    calls = [c for c in bed.calls() if c["service"] == "organizations"]
    assert calls and all("incident-policies" in c["principal"] for c in calls)


@pytest.mark.parametrize("asked", ["the module", "a later run"])
def test_a_permission_given_later_is_used(desk: Desk, asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bed, now = desk.bed, Aws.now
    refused(bed)
    desk.incident(desk.company.leaked.access_key)
    desk.contain()
    bed.client("iam", root(bed.management), direct=True).put_user_policy(UserName="responder", PolicyName="respond", PolicyDocument=ALL)
    soon = desk.contain()  # it was refused a moment ago
    assert soon["changed_count"] == 0 and "asked again by a run from" in soon["fences"][0]["remedy"], soon["fences"]
    if asked == "the module":
        assert desk.run("aws_account_fence", principals=[USER])["status"] == "ok" and there(bed)
    else:
        monkeypatch.setattr(Aws, "now", lambda aws: now(aws) + datetime.timedelta(minutes=6))
    assert desk.contain()["fences"][0]["control"] == "scp"
    assert desk.contain()["changed_count"] == 0


@pytest.mark.parametrize("crowd", ["inline", "inline and attached"])
def test_where_the_inline_space_is_full_the_next_control_holds(desk: Desk, crowd: str) -> None:
    bed = desk.bed
    no_organization(bed)
    iam = bed.client("iam", desk.company.production.root)
    iam.create_policy(PolicyName="limit", PolicyDocument=ALL)
    limit = f"arn:aws:iam::{A}:policy/limit"
    iam.put_user_permissions_boundary(UserName="ci-deploy", PermissionsBoundary=limit)
    big = document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": [f"arn:aws:s3:::bucket-{n:040d}" for n in range(27)]})
    iam.put_user_policy(UserName="ci-deploy", PolicyName="big", PolicyDocument=big)
    used = sum(len(json.dumps(iam.get_user_policy(UserName="ci-deploy", PolicyName=n)["PolicyDocument"], separators=(",", ":")))
               for n in iam.list_user_policies(UserName="ci-deploy")["PolicyNames"])  # fmt: skip
    assert used > 1960
    if crowd != "inline":
        for number in range(10):
            iam.create_policy(PolicyName=f"p{number}", PolicyDocument=ALL)
            iam.attach_user_policy(UserName="ci-deploy", PolicyArn=f"arn:aws:iam::{A}:policy/p{number}")
    before = bed.snapshot()
    desk.incident(desk.company.leaked.access_key, password="keep")
    planned = desk.contain(check=True)
    # without an inline deny it would be one thing to remove, so AWSDenyAll is attached and the boundary besides
    controls = ["AWSDenyAll", "boundary"] if crowd == "inline" else ["boundary"]
    assert status_of(planned, "user/ci-deploy")["controls"][-len(controls) :] == controls
    done = desk.contain(hold="1s")
    assert not [c for c in bed.calls() if c["operation"] == "PutUserPolicy" and "responder" in c["principal"]]  # not tried first
    row = status_of(done, "user/ci-deploy")
    assert (row["action"], row["controls"], done["problems"]) == ("contained", controls, []), done
    assert "no space" in json.dumps(done["open"]) and controls[0] in json.dumps(done["open"])
    assert works(bed, desk.company.leaked) in DEAD
    assert desk.contain(hold="1s")["changed_count"] == 0
    desk.false_positive(desk.company.leaked.access_key)
    assert bed.snapshot() == before  # the old boundary is back


def test_many_principals_take_several_policies_and_then_the_next_best(desk: Desk) -> None:
    bed, account = desk.bed, desk.company.production
    bed.organizations(size=5120, slots=5)
    fill(bed, 2)
    iam = bed.client("iam", account.root, direct=True)
    names = [f"user-with-a-rather-long-name-{n:034d}" for n in range(90)]
    arns = [iam.create_user(UserName=name)["User"]["Arn"] for name in names]
    desk.incident(*arns)
    done = desk.contain()
    assert len(attached(bed)) == 4 and set(attached(bed)) == set(there(bed)), "an orphan"
    assert all(len(json.dumps(content(bed, n), separators=(",", ":"))) <= 5120 for n in there(bed) if n.startswith("evict-"))
    held = {c for row in done["principals"] for c in [*row["controls"]][-1:]}
    assert "AWSDenyAll" in held and any(c.startswith("scp:") for c in held) and "no room" in done["fences"][0]["why"]
    assert all(any(c.startswith("scp:") or c == "AWSDenyAll" for c in row["controls"]) for row in done["principals"])
    assert desk.contain()["changed_count"] == 0


# -- who may lift it ---------------------------------------------------------------------------------------------------------------


def second_responder(desk: Desk) -> str:
    """Another responder role in the account, with a path, which the SCP of the first one does not exempt."""
    iam = desk.bed.client("iam", desk.company.production.root, direct=True)
    made = iam.create_role(RoleName="night-shift", Path="/security/", AssumeRolePolicyDocument=trust({"AWS": desk.company.responder_arn}))
    iam.put_role_policy(RoleName="night-shift", PolicyName="p", PolicyDocument=ALL)
    desk.bed.client("iam", root(desk.bed.management), direct=True).put_user_policy(
        UserName="responder", PolicyName="night", PolicyDocument=document(allow("sts:AssumeRole", "organizations:*")))  # fmt: skip
    return str(made["Role"]["Arn"])


def test_a_release_by_another_responder_is_not_locked_out(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.evict.cloud.plugins.module_utils.aws.account_release.SPREAD", 0.0)
    role = second_responder(desk)
    before = desk.bed.snapshot()
    desk.incident(desk.company.leaked.access_key, password="keep")
    desk.contain()
    template = role.replace(A, "{account}")
    planned = desk.false_positive(desk.company.leaked.access_key, check=True, role_arn=template)
    done = desk.false_positive(desk.company.leaked.access_key, role_arn=template)
    assert planned["changed_count"] == done["changed_count"]
    assert (done["status"], done["problems"], there(desk.bed)) == ("ok", [], []), done
    assert desk.bed.snapshot() == before


def test_nor_is_it_where_the_policy_is_full(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an organization that takes 5,120 characters: the colleague comes before what protects, and before who does not work at it."""
    monkeypatch.setattr("ansible_collections.evict.cloud.plugins.module_utils.aws.account_release.SPREAD", 0.0)
    bed, name = desk.bed, f"evict-IR-1-{A}-1"
    bed.organizations(size=5120)
    role = second_responder(desk)
    before = bed.snapshot()
    many = [f"arn:aws:iam::{A}:role/production/service-with-a-name-{n:03d}" for n in range(52)]
    desk.incident(desk.company.leaked.access_key, BOB, protected=many, password="keep")
    assert desk.contain(hold="1s")["fences"][0]["control"] == "scp"
    used = len(json.dumps(content(bed, name), separators=(",", ":")))
    assert 5120 - 2 * len(role) < used <= 5120, used
    template = role.replace(A, "{account}")
    done = desk.false_positive(BOB, role_arn=template)
    assert (done["status"], done["problems"]) == ("ok", []), done
    said = json.dumps(content(bed, name))
    assert BOB not in said and USER in said and role in said
    done = desk.false_positive(desk.company.leaked.access_key, role_arn=template)
    assert (done["status"], done["problems"], there(bed)) == ("ok", [], []) and bed.snapshot() == before, done


def test_the_first_responder_stays_exempt_when_a_second_one_works_on_the_case(desk: Desk) -> None:
    role = second_responder(desk)
    desk.incident(desk.company.leaked.access_key)
    desk.contain()
    desk.contain(role_arn=role.replace(A, "{account}"))
    said = json.dumps(content(desk.bed, f"evict-IR-1-{A}-1")["Statement"][-1]["Condition"])
    assert role in said and desk.company.production.responder_role in said
    assert desk.contain()["changed_count"] == 0


# -- two incidents on one principal ------------------------------------------------------------------------------------------------


def crowd(iam: Any, policies: int) -> None:
    """ci-deploy with a boundary of its own, and so many managed policies."""
    iam.create_policy(PolicyName="limit", PolicyDocument=ALL)
    iam.put_user_permissions_boundary(UserName="ci-deploy", PermissionsBoundary=f"arn:aws:iam::{A}:policy/limit")
    for number in range(policies):
        iam.create_policy(PolicyName=f"p{number}", PolicyDocument=ALL)
        iam.attach_user_policy(UserName="ci-deploy", PolicyArn=f"arn:aws:iam::{A}:policy/p{number}")


def fill_inline(iam: Any) -> None:
    big = document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": [f"arn:aws:s3:::bucket-{n:040d}" for n in range(27)]})
    iam.put_user_policy(UserName="ci-deploy", PolicyName="big", PolicyDocument=big)


@pytest.mark.parametrize("control", ["AWSDenyAll", "boundary"])
@pytest.mark.parametrize("first", ["the one that put it there", "the other"])
def test_of_two_incidents_the_last_one_takes_away_what_is_there_once(desk: Desk, first: str, control: str) -> None:
    bed, iam = desk.bed, desk.bed.client("iam", desk.company.production.root)
    no_organization(bed)
    if control == "boundary":
        crowd(iam, 10)
        fill_inline(iam)
    before = bed.snapshot()
    other = Desk(bed, desk.company, desk.folder, "IR-2")
    for one in (desk, other):
        one.incident(USER, password="keep")
        assert control in status_of(one.contain(), "user/ci-deploy")["controls"]
    for one in (desk, other):
        assert one.contain()["changed_count"] == 0
    one, two = (desk, other) if first == "the one that put it there" else (other, desk)
    one.false_positive(USER)
    again = one.false_positive(USER)  # what was kept for the other stays so, however often this one is released
    assert again["changed_count"] == 0, again["steps"]
    if control == "AWSDenyAll":
        iam.delete_user_policy(UserName="ci-deploy", PolicyName=f"evict-quarantine-{two.name}")
        iam.delete_user_policy(UserName="ci-deploy", PolicyName=f"evict-session-{two.name}")
    iam.update_access_key(UserName="ci-deploy", AccessKeyId=desk.company.leaked.access_key, Status="Active")
    assert works(bed, desk.company.leaked) in DENIED  # it alone holds, for the incident that is still open
    done = two.false_positive(USER)
    assert done["problems"] == [] and one.false_positive(USER)["changed_count"] == 0
    for key in iam.list_access_keys(UserName="ci-deploy")["AccessKeyMetadata"]:
        iam.update_access_key(UserName="ci-deploy", AccessKeyId=key["AccessKeyId"], Status="Active")
    assert bed.snapshot() == before, (done["open"], done["steps"])


def test_awsdenyall_that_somebody_else_attached_stays(desk: Desk) -> None:
    no_organization(desk.bed)
    iam = desk.bed.client("iam", desk.company.production.root)
    iam.attach_user_policy(UserName="ci-deploy", PolicyArn="arn:aws:iam::aws:policy/AWSDenyAll")
    before = desk.bed.snapshot()
    desk.incident(USER, password="keep")
    assert "AWSDenyAll" in status_of(desk.contain(), "user/ci-deploy")["controls"]
    desk.false_positive(USER)
    assert desk.bed.snapshot() == before


def test_awsdenyall_that_cannot_be_detached_is_a_failure_of_the_release(desk: Desk) -> None:
    no_organization(desk.bed)
    desk.incident(USER, password="keep")
    desk.contain()
    desk.bed.rule("fail", operation="DetachUserPolicy", times=20, status=403, code="AccessDenied", message="no")
    done = desk.false_positive(USER)
    assert done["status"] == "partial" and "DetachUserPolicy" in json.dumps(done["problems"])
    desk.bed.clear_rules()
    assert desk.false_positive(USER)["status"] == "ok"


# -- exempt ------------------------------------------------------------------------------------------------------------------------


def test_nobody_makes_a_user_or_role_with_an_exempt_arn(desk: Desk) -> None:
    """Of names that are not there yet too, and with a path."""
    bed = desk.bed
    exempt = [f"arn:aws:iam::{A}:{rest}" for rest in ("role/ops/glass", "user/glass", "role/plain")]
    desk.incident(desk.company.leaked.access_key, protected=exempt)
    desk.contain()
    admin = bed.client("iam", desk.company.production.root)  # of a member account, whom an SCP binds
    trusting = trust({"AWS": desk.company.production.users["bob"]})
    before = bed.snapshot()
    for name, more in (
        ("create_role", {"RoleName": "glass", "Path": "/ops/", "AssumeRolePolicyDocument": trusting}), ("create_user", {"UserName": "glass"}),
        ("create_role", {"RoleName": "plain", "AssumeRolePolicyDocument": trusting}),
        ("create_role", {"RoleName": "plain", "AssumeRolePolicyDocument": trusting, "Tags": [{"Key": "a", "Value": "b"}]}),
    ):  # fmt: skip
        assert outcome(admin, name, **more) in DENIED, (name, more)
    assert bed.snapshot() == before
    assert (
        outcome(admin, "create_role", RoleName="glass", Path="/other/", AssumeRolePolicyDocument=trusting) == "ok"
    )  # another ARN: not exempt
    made = Credentials.of(bed.client("sts", desk.company.production.keys["bob"]).assume_role(
        RoleArn=f"arn:aws:iam::{A}:role/other/glass", RoleSessionName="mallory")["Credentials"])  # fmt: skip
    admin.put_role_policy(RoleName="glass", PolicyName="all", PolicyDocument=ALL)
    assert outcome(bed.client("iam", made), "tag_user", UserName="ci-deploy", Tags=[{"Key": "a", "Value": "b"}]) in DENIED


def test_where_the_inline_space_was_misjudged_iam_has_the_last_word(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.evict.cloud.plugins.module_utils.aws.space.LIMIT", {"user": 9999, "role": 99999})
    no_organization(desk.bed)
    fill_inline(desk.bed.client("iam", desk.company.production.root))
    desk.incident(desk.company.leaked.access_key)
    row = status_of(desk.contain(hold="1s"), "user/ci-deploy")
    assert (row["action"], row["controls"]) == ("contained", ["AWSDenyAll", "boundary"])  # two things to remove


def fill_role(iam: Any) -> None:
    used = len(json.dumps(iam.get_role_policy(RoleName="deploy", PolicyName="work")["PolicyDocument"], separators=(",", ":")))
    bare = len(json.dumps(json.loads(document({**allow("s3:*"), "Resource": ""})), separators=(",", ":")))
    iam.put_role_policy(
        RoleName="deploy", PolicyName="big", PolicyDocument=document({**allow("s3:*"), "Resource": "x" * (10240 - used - bare - 50)})
    )


def test_a_role_whose_inline_space_is_full(desk: Desk) -> None:
    no_organization(desk.bed)
    fill_role(desk.bed.client("iam", desk.company.production.root))
    desk.incident(ROLE, role_action="deny")
    done = desk.contain(hold="1s")
    assert status_of(done, "role/deploy")["controls"] == ["AWSDenyAll", "boundary"], done
    assert not [c for c in desk.bed.calls() if c["operation"] == "PutRolePolicy" and "responder" in c["principal"]]


@pytest.mark.parametrize(("action", "above"), [("clamp", True), ("clamp", False), ("revoke", False)])
def test_a_shared_role_without_inline_space_is_not_denied_everything(
    desk: Desk, action: str, above: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others work with it: the policy above the account carries its clamp, where there is one; where there is none, nobody calls it contained."""
    bed = desk.bed
    if not above:
        no_organization(bed)
    fill_role(bed.client("iam", desk.company.production.root))
    before = bed.snapshot()
    desk.incident(ROLE, role_action=action, trusted={"networks": ["198.51.100.0/24"]})
    done = desk.contain(hold="1s")
    row = status_of(done, "role/deploy")
    assert [c.partition(":")[0] for c in row["controls"]] == (["scp"] if above else []), done
    if above:
        (name,) = attached(bed)
        assert (
            "NotIpAddressIfExists" in json.dumps(content(bed, name)) and "no space" in json.dumps(done["open"]) and done["problems"] == []
        )
    else:
        assert bed.snapshot() == before
        assert (row["action"], row["contained_at"], done["status"]) == ("failed", None, "error"), done
        assert "no space" in json.dumps(done["problems"])
        return
    assert "due" in [r["kind"] for r in desk.restore()["open"]] and attached(bed)
    now = Aws.now
    monkeypatch.setattr(Aws, "now", lambda aws: now(aws) + datetime.timedelta(hours=13))
    assert desk.restore()["open"] == [] and bed.snapshot() == before


def test_awsdenyall_on_a_role_that_never_had_a_cutoff_is_lifted_when_its_sessions_have_run_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier version gave it to clamped roles; none of their runs writes a cutoff, which is what a release waited for."""
    bed = desk.bed
    no_organization(bed)
    fill_role(bed.client("iam", desk.company.production.root))
    before = bed.snapshot()
    desk.incident(ROLE, role_action="clamp", trusted={"networks": ["198.51.100.0/24"]})
    with monkeypatch.context() as earlier:
        earlier.setattr(AccountFences, "_whole", lambda *_: True)
        assert status_of(desk.contain(), "role/deploy")["controls"] == ["AWSDenyAll", "boundary"]
    early = desk.restore()
    assert {r["kind"] for r in early["open"]} == {"due"} and early["residual"] and early["changed_count"] == 0, early
    now = Aws.now
    monkeypatch.setattr(Aws, "now", lambda aws: now(aws) + datetime.timedelta(hours=13))
    assert desk.restore()["open"] == [] and bed.snapshot() == before


# -- quotas and refusals -----------------------------------------------------------------------------------------------------------


def test_the_quotas_of_today_are_used_without_being_told(desk: Desk) -> None:
    """Ten policies of 10,240 characters: with six attached there is room, and one holds what two held."""
    bed = desk.bed
    bed.organizations(size=10240, slots=10)
    fill(bed, 8)
    iam = bed.client("iam", desk.company.production.root, direct=True)
    arns = [iam.create_user(UserName=f"user-with-a-rather-long-name-{n:034d}")["User"]["Arn"] for n in range(40)]
    desk.incident(*arns)
    done = desk.contain()
    assert (
        done["fences"][0]["policies"] == [f"evict-IR-1-{A}-1"]
        and len(json.dumps(content(bed, f"evict-IR-1-{A}-1"), separators=(",", ":"))) > 5120
    )
    assert desk.contain()["changed_count"] == 0


def test_an_organization_that_takes_less_teaches_it(desk: Desk) -> None:
    bed = desk.bed
    fill(bed, 2)
    iam = bed.client("iam", desk.company.production.root, direct=True)
    arns = [iam.create_user(UserName=f"user-with-a-rather-long-name-{n:034d}")["User"]["Arn"] for n in range(120)]
    desk.incident(*arns)
    done = desk.contain()
    assert len(done["fences"][0]["policies"]) == 2 and "no room" in done["fences"][0]["why"]
    assert done["fences"][0]["instead"] == ["AWSDenyAll"]
    assert sorted(there(bed)) == sorted(attached(bed)), "an orphan"
    desk.restore()


@pytest.mark.parametrize(("code", "reason", "said"), [
    ("ConstraintViolationException", "POLICY_NUMBER_LIMIT_EXCEEDED: You have attained the maximum number of policies", "POLICY_NUMBER_LIMIT"),
    ("PolicyChangesInProgressException", "Changes to the effective policy are in progress", "PolicyChangesInProgress"),
    ("ServiceException", "AWS Organizations can't complete your request because of an internal service error", "ServiceException"),
])  # fmt: skip
def test_a_refusal_is_named_and_awsdenyall_holds(desk: Desk, code: str, reason: str, said: str) -> None:
    desk.bed.rule("fail", service="organizations", operation="CreatePolicy", times=99, code=code, message=reason)
    desk.incident(desk.company.leaked.access_key)
    done = desk.contain(hold="1s")
    (fence,) = done["fences"]
    assert said in fence["why"] and fence["instead"] == ["AWSDenyAll"] and done["status"] == "ok" and there(desk.bed) == []


def test_a_throttled_organization_is_asked_again(desk: Desk) -> None:
    desk.bed.rule("fail", service="organizations", operation="CreatePolicy", times=3, code="TooManyRequestsException", message="slow down")
    desk.incident(desk.company.leaked.access_key)
    assert desk.contain()["fences"][0]["control"] == "scp" and len(there(desk.bed)) == 1


@pytest.mark.parametrize("named", ["key", "arn"])
def test_a_suspended_account_is_named_and_the_others_are_contained(desk: Desk, named: str) -> None:
    desk.bed.organizations(suspended=[desk.company.staging.id])
    closed = desk.company.staging.keys["ci-deploy"].access_key if named == "key" else desk.company.staging.users["ci-deploy"]
    desk.incident(closed, desk.company.leaked.access_key)
    done = desk.contain(hold="1s")
    (problem,) = done["problems"]
    assert "is suspended" in problem["message"] and "AWS Support" in problem["remedy"] and done["status"] == "partial"
    assert status_of(done, "user/ci-deploy")["action"] == "contained"


def delegated(desk: Desk) -> Credentials:
    """A responder who works from the security account, to which the management account has delegated policies, and may not list roots."""
    bed, security = desk.bed, desk.company.staging
    bed.organizations(delegated=[security.id])
    iam = bed.client("iam", security.root, direct=True)
    iam.create_user(UserName="soc")
    iam.put_user_policy(
        UserName="soc", PolicyName="p", PolicyDocument=document(allow("sts:AssumeRole", "sts:GetAccessKeyInfo", "organizations:*"))
    )
    soc = Credentials.of(iam.create_access_key(UserName="soc")["AccessKey"])
    bed.client("iam", desk.company.production.root, direct=True).update_assume_role_policy(
        RoleName="incident-responder", PolicyDocument=trust({"AWS": [f"arn:aws:iam::{security.id}:user/soc", desk.company.responder_arn]}))  # fmt: skip
    return soc


def test_a_delegated_administrator_does_it_without_listing_roots(desk: Desk) -> None:
    bed, soc = desk.bed, delegated(desk)
    before = bed.snapshot()
    desk.incident(desk.company.leaked.access_key, password="keep")
    done = desk.contain(credentials=soc)
    assert done["fences"][0]["control"] == "scp" and list(attached(bed)) == [f"evict-IR-1-{A}-1"], done["fences"]
    assert [c["operation"] for c in bed.calls() if c["operation"] == "ListRoots"] == ["ListRoots"]  # asked, refused, and gone on
    again = desk.run("aws_restore", credentials=soc, only=[desk.company.leaked.access_key], verdict="false_positive", reason="r", by="Ada")
    assert again["status"] == "ok" and bed.snapshot() == before
    not_enabled(bed)
    other = Desk(bed, desk.company, desk.folder, "IR-2")
    other.incident(desk.company.leaked.access_key)
    (fence,) = other.contain(credentials=soc, hold="1s")["fences"]
    assert "PolicyTypeNotEnabled" in fence["why"] and fence["instead"] == ["AWSDenyAll"] and there(bed) == []


@pytest.mark.parametrize("enabled", [True, False])
def test_and_has_resource_control_policies_where_they_are_enabled(desk: Desk, enabled: bool) -> None:
    """Nobody tells whether they are, so it is tried, as with the other type."""
    bed, soc = desk.bed, delegated(desk)
    if enabled:
        organizations(bed).enable_policy_type(RootId=desk.company.root_id, PolicyType=RCP)
    before = bed.snapshot()
    desk.incident(desk.company.leaked.access_key, password="keep")
    (fence,) = desk.contain(credentials=soc)["fences"]
    if enabled:
        assert fence["resources"] == list(resource_policies(bed)) != [], fence
    else:
        assert fence["resources"] == [] and "PolicyTypeNotEnabled" in fence["resources_why"], fence
    assert len(organizations(bed).list_policies(Filter=RCP)["Policies"]) == enabled + sum(
        p["AwsManaged"] for p in organizations(bed).list_policies(Filter=RCP)["Policies"]
    ), "an orphan"
    assert desk.contain(credentials=soc)["changed_count"] == 0
    again = desk.run("aws_restore", credentials=soc, only=[desk.company.leaked.access_key], verdict="false_positive", reason="r", by="Ada")
    assert again["status"] == "ok" and bed.snapshot() == before


def test_what_may_break_is_said_before(desk: Desk) -> None:
    broker, name = f"arn:aws:iam::{A}:user/broker", f"arn:aws:sts::{A}:federated-user/build"
    desk.incident(desk.company.leaked.access_key, trusted={"principals": [broker, name]})
    desk.contain()
    (note,) = desk.ledger().notes["principal"]
    said = json.dumps(note["data"]["breaks"])
    assert (
        "Terraform" in said and f"GetFederationToken in {A}" in said and broker in said and name in said and "chosen by the caller" in said
    )
    quiet = Desk(desk.bed, desk.company, desk.folder, "IR-2")
    quiet.incident(f"arn:aws:iam::{A}:user/bob")
    quiet.contain_below()
    assert "GetFederationToken" not in json.dumps(quiet.ledger().notes["principal"][0]["data"]["breaks"])


# -- killed ------------------------------------------------------------------------------------------------------------------------

_POINTS = (
    [("present", o) for o in ("CreatePolicy", "AttachPolicy")]
    + [("extend", "UpdatePolicy")]
    + [("absent", o) for o in ("DetachPolicy", "DeletePolicy")]
)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("what", "operation"), _POINTS)
def test_the_module_killed_around_each_call_ends_right_when_run_again(desk: Desk, what: str, operation: str, when: str) -> None:
    bed = desk.bed
    desk.incident(desk.company.leaked.access_key)
    desk.contain_below()
    desk.run("aws_identity_quarantine", principals=[BOB])
    order: dict[str, Any] = {"principals": [USER]}
    if what != "present":
        assert desk.run("aws_account_fence", **order)["status"] == "ok"
        order = {"principals": [BOB]} if what == "extend" else {"state": "absent"}
    child = Child(bed, {"module": "aws_account_fence", "params": {"incident": str(desk.file), **order}})
    bed.rule(when, service="organizations", operation=operation, pgid=child.pgid)
    assert child.go()[0] == -9
    bed.clear_rules()
    again = desk.run("aws_account_fence", **order)
    assert again["problems"] == [] and again["status"] == "ok", again
    assert there(bed) == list(attached(bed)) == ([] if what == "absent" else [f"evict-IR-1-{A}-1"])
    if what == "extend":
        assert BOB in json.dumps(content(bed, f"evict-IR-1-{A}-1")) and USER in json.dumps(content(bed, f"evict-IR-1-{A}-1"))
    assert desk.run("aws_account_fence", **order)["changed_count"] == 0 and desk.verified()
    if what != "absent":
        desk.run("aws_account_fence", state="absent")
    assert there(bed) == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operation", ["AttachUserPolicy", "TagUser"])
def test_killed_around_the_next_best_control_it_goes_with_the_release(desk: Desk, operation: str, when: str) -> None:
    no_organization(desk.bed)
    desk.incident(USER, password="keep")
    before = desk.bed.snapshot()
    child = Child(desk.bed, {"module": "aws_contain", "params": {"incident": str(desk.file), "hold": "0", "scope": 0}})
    desk.bed.rule(when, operation=operation, pgid=child.pgid)
    assert child.go()[0] == -9
    desk.bed.clear_rules()
    assert "AWSDenyAll" in status_of(desk.contain(), "user/ci-deploy")["controls"]
    assert desk.contain()["changed_count"] == 0
    assert desk.false_positive(USER)["status"] == "ok" and desk.bed.snapshot() == before


def test_the_role_that_writes_the_policies_is_the_responders_own_and_nothing_else_is_asked_of_it(desk: Desk) -> None:
    bed = desk.bed
    iam = bed.client("iam", root(bed.management), direct=True)
    iam.create_role(RoleName="incident-policies", AssumeRolePolicyDocument=trust({"AWS": desk.company.responder_arn}))
    iam.put_role_policy(RoleName="incident-policies", PolicyName="p", PolicyDocument=document(allow("organizations:*")))
    role = f"arn:aws:iam::{bed.management}:role/incident-policies"
    desk.incident(
        desk.company.leaked.access_key, role, connection={"aws": {"role_arn": desk.company.role_template, "management_role_arn": role}}
    )
    done = desk.contain()
    assert [p["operation"] for p in done["problems"]] == ["guard caller"] and not any(
        "management" in w for w in done.get("warnings", [])
    ), done
    assert {c["service"] for c in bed.calls() if "incident-policies" in c["principal"]} == {"organizations"}


# -- what the account's resources refuse -------------------------------------------------------------------------------------------

RCP = "RESOURCE_CONTROL_POLICY"


def resource_policies(bed: Bed) -> dict[str, str]:
    found = organizations(bed).list_policies_for_target(TargetId=A, Filter=RCP)["Policies"]
    return {p["Name"]: p["Id"] for p in found}


def test_a_resource_control_policy_alone_refuses_the_key_and_every_session(desk: Desk) -> None:
    bed, company = desk.bed, desk.company
    organizations(bed).enable_policy_type(RootId=desk.company.root_id, PolicyType=RCP)
    before, held = bed.snapshot(), held_by(company, bed)
    desk.incident(company.leaked.access_key, ROLE, role_action="deny", password="keep")
    planned = desk.contain(check=True)
    assert resource_policies(bed) == {}
    done = desk.contain()
    assert done["problems"] == [] and planned["changed_count"] == done["changed_count"]
    (fence,) = done["fences"]
    assert fence["control"] == "scp" and fence["resources"] == list(resource_policies(bed)) and len(fence["resources"]) == 1
    assert desk.contain()["changed"] is False
    for name, policy in attached(bed).items():  # by the management account: the SCP goes, and the identities' own fences
        organizations(bed).detach_policy(PolicyId=policy, TargetId=A)
        assert name.startswith("evict-")
    lift_identity_fences(desk)
    assert {kind: works(bed, c) for kind, c in held.items()} == dict.fromkeys(held, "AccessDenied")
    assert outcome(bed.client("iam", company.leaked), "list_users") == "ok"  # no resource of IAM is bound by one
    assert works(bed, company.production.keys["bob"]) == "ok"
    assert desk.contain()["problems"] == [] and len(attached(bed)) == 1  # what is gone is put back
    assert desk.false_positive(company.leaked.access_key, ROLE)["status"] == "ok"
    assert resource_policies(bed) == {} and bed.snapshot() == before


def test_without_room_for_a_resource_control_policy_the_result_says_so(desk: Desk) -> None:
    org = organizations(desk.bed)
    org.enable_policy_type(RootId=desk.company.root_id, PolicyType=RCP)
    deny = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sqs:Purge*", "Resource": "*"}]}
    )
    while len(org.list_policies_for_target(TargetId=A, Filter=RCP)["Policies"]) < 5:
        made = org.create_policy(Name=f"own-{time.monotonic_ns()}", Description="", Type=RCP, Content=deny)["Policy"]["PolicySummary"]["Id"]
        org.attach_policy(PolicyId=made, TargetId=A)
    desk.incident(BOB)
    (fence,) = desk.contain()["fences"]
    assert fence["resources"] == [] and BOB in fence["resources_why"] and "no room" in fence["resources_why"], fence


@pytest.mark.parametrize("operation", ["CreatePolicy", "AttachPolicy"])
def test_a_resource_control_policy_that_is_refused_is_not_asked_for_again(desk: Desk, operation: str) -> None:
    """With the same identity it would be refused again, and each run would write into the ledger what it did not do."""
    bed = desk.bed
    organizations(bed).enable_policy_type(RootId=desk.company.root_id, PolicyType=RCP)
    bed.rule(
        "fail",
        service="organizations",
        operation=operation,
        at=2,
        times=9,
        status=400,
        code="AccessDeniedException",
        message="not this type",
    )
    desk.incident(BOB)
    done = desk.contain()
    (fence,) = done["fences"]
    assert fence["control"] == "scp" and fence["resources"] == [] and "not this type" in fence["resources_why"] and done["problems"] == []
    asked, records = len(bed.calls(service="organizations", mutating=True)), len(desk.records())
    again = desk.contain()
    assert again["changed"] is False and len(bed.calls(service="organizations", mutating=True)) == asked, again["fences"]
    assert "not this type" in again["fences"][0]["resources_why"] and len(desk.records()) == records + 2  # its start and its end
    assert resource_policies(bed) == {} and sorted(there(bed)) == sorted(attached(bed))
    bed.clear_rules()
    assert desk.contain(revoke_again=True)["fences"][0]["resources"] == list(resource_policies(bed)) != []
    assert desk.contain()["changed"] is False


def test_released_one_by_one_it_holds_the_others(desk: Desk) -> None:
    bed, company = desk.bed, desk.company
    organizations(bed).enable_policy_type(RootId=desk.company.root_id, PolicyType=RCP)
    desk.incident(company.leaked.access_key, BOB, password="keep")
    desk.contain()
    (policy,) = resource_policies(bed).values()
    assert desk.false_positive(BOB)["status"] == "ok"
    said = organizations(bed).describe_policy(PolicyId=policy)["Policy"]["Content"]
    assert USER in said and BOB not in said
    assert works(bed, company.production.keys["bob"]) == "ok" and works(bed, company.leaked) in DEAD


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operation", ["CreatePolicy", "AttachPolicy"])
def test_killed_around_each_call_of_it_leaves_no_orphan(desk: Desk, operation: str, when: str) -> None:
    bed = desk.bed
    organizations(bed).enable_policy_type(RootId=desk.company.root_id, PolicyType=RCP)
    before = bed.snapshot()
    desk.incident(desk.company.leaked.access_key, password="keep")
    child = Child(bed, {"module": "aws_contain", "params": {"incident": str(desk.file), "hold": "0", "scope": 0}})
    bed.rule(when, service="organizations", operation=operation, at=2, pgid=child.pgid)
    assert child.go()[0] == -9
    bed.clear_rules()
    assert desk.contain()["problems"] == [] and len(resource_policies(bed)) == 1
    made = organizations(bed).list_policies(Filter=RCP)["Policies"]
    assert len([p for p in made if not p["AwsManaged"]]) == 1
    assert desk.contain()["changed"] is False
    assert desk.false_positive(desk.company.leaked.access_key)["status"] == "ok" and bed.snapshot() == before


def test_where_they_are_not_enabled_it_is_said_and_nothing_is_asked_for(desk: Desk) -> None:
    desk.incident(desk.company.leaked.access_key)
    (fence,) = desk.contain()["fences"]
    assert fence["resources"] == [] and "not enabled" in fence["resources_why"]
    assert len(desk.bed.calls(operation="CreatePolicy")) == 1


def test_a_role_held_by_its_sessions_alone_is_let_go_when_they_have_run_out(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cutoff stands behind such a deny, and none is waited for."""
    bed, company = desk.bed, desk.company
    bed.client("sts", company.leaked).assume_role(RoleArn=ROLE, RoleSessionName="evil")
    before = bed.snapshot()
    desk.incident({"arn": f"arn:aws:sts::{A}:assumed-role/deploy/evil"}, company.leaked.access_key, role_action="session", password="keep")
    done = desk.contain(scope=20, hold="1s")
    assert status_of(done, "role/deploy")["role_action"] == "session", done["principals"]
    assert desk.false_positive(company.leaked.access_key)["status"] == "ok" and len(attached(bed)) == 1
    now = Aws.now
    monkeypatch.setattr(Aws, "now", lambda aws: now(aws) + datetime.timedelta(hours=13))
    for _twice in range(2):
        left = desk.restore()
    assert left["open"] == [] and attached(bed) == {} and bed.snapshot() == before, left["open"]
