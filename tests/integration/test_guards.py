"""What is refused before anything is touched, why, and how a named person lifts it."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import ledger as ledgers
from ansible_collections.evict.cloud.plugins.module_utils.common import planning, response_plan
from tests.beds.bed import Credentials, root
from tests.beds.company import PRODUCTION, allow, document, trust
from tests.integration.helpers import DEAD, Desk, next_second, outcome, status_of, works
from tests.redteam.arsenal import OUTSIDE, set_up_outside

pytestmark = pytest.mark.bed

P = f"arn:aws:iam::{PRODUCTION}"
M = "arn:aws:iam::111111111111"
ALICE, BOB, DEPLOY = f"{P}:user/alice", f"{P}:user/bob", f"{P}:role/deploy"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


def said(done: dict[str, Any]) -> str:
    return json.dumps(done.get("warnings", []), default=str)


def lift(guard: str, object: str) -> dict[str, Any]:
    return {"overrides": [{"guard": guard, "object": object, "reason": "seen by two people", "by": "Ada Lovelace"}]}


def refused(desk: Desk, guard: str, *suspects: Any, **more: Any) -> dict[str, str]:
    """Contain `suspects`: the one refusal, after which the cloud is what it was."""
    credentials = more.pop("credentials", None)
    desk.incident(*suspects, **more)
    before = desk.bed.snapshot()
    done = desk.contain(credentials=credentials)
    assert done["failed"] and [p["operation"] for p in done["problems"]] == [f"guard {guard}"], done["msg"]
    assert desk.bed.snapshot() == before
    (problem,) = done["problems"]
    assert problem["object"] in problem["message"] and problem["remedy"], problem
    alive = [(r["object"], r["token_kind"], r["until"]) for r in done["residual"]]
    assert alive == [(problem["object"], "any credential of it", "ended by hand")], done["residual"]
    return dict(problem)


def reopened(desk: Desk, *suspects: Any, **more: Any) -> None:
    """The incident file was edited: recorded, as every playbook does."""
    desk.incident(*suspects, **more)
    answer = desk.run("case", incident=str(desk.file), directory=str(desk.folder), allow_local_store=True)
    assert not answer.get("failed"), answer


# -- the responder's own branch ------------------------------------------------------------------------------------------


@pytest.fixture
def chained(desk: Desk) -> Any:
    """The responder's role in production trusts a role there, that one a role of the management account, that one a user of production and GitHub."""
    provider = f"{P}:oidc-provider/token.actions.githubusercontent.com"
    iam = desk.bed.client("iam", desk.company.production.root, direct=True)
    own = desk.bed.client("iam", root(desk.bed.management), direct=True)
    own.create_role(RoleName="tools", Path="/ir/", AssumeRolePolicyDocument=trust({"AWS": BOB, "Federated": provider}))
    iam.create_role(RoleName="jump", AssumeRolePolicyDocument=trust({"AWS": f"{M}:role/ir/tools"}))
    own.create_role(RoleName="loop", AssumeRolePolicyDocument=trust({"AWS": f"{M}:role/ir/tools"}))
    own.update_assume_role_policy(
        RoleName="tools", PolicyDocument=trust({"AWS": [BOB, f"{M}:role/loop"], "Federated": provider})
    )  # a circle
    iam.update_assume_role_policy(
        RoleName="incident-responder",
        PolicyDocument=trust({"AWS": [desk.company.responder_arn, f"{P}:role/jump"]}, "sts:AssumeRole", "sts:SetSourceIdentity"),
    )
    own.put_user_policy(UserName="responder", PolicyName="look", PolicyDocument=document(allow("iam:GetRole")))
    return provider


@pytest.mark.parametrize(("who", "via"), [(f"{P}:role/jump", "role/incident-responder"), (BOB, "role/ir/tools")])
def test_what_the_responders_role_is_reached_through_is_refused_all_the_way(desk: Desk, chained: Any, who: str, via: str) -> None:
    problem = refused(desk, "trust_chain", who)
    assert via in problem["message"] and "guard: trust_chain" in problem["remedy"]


def test_a_role_of_the_callers_account_that_leads_to_another_is_guarded_whichever_comes_first(desk: Desk, chained: Any) -> None:
    tools = f"{M}:role/ir/tools"
    desk.incident(tools, ALICE)
    before = desk.bed.client("iam", root(desk.bed.management), direct=True).list_role_policies(RoleName="tools")["PolicyNames"]
    done = desk.contain()
    assert [(p["object"], p["operation"]) for p in done["problems"]] == [(tools, "guard trust_chain")]
    assert [r["arn"] for r in done["principals"]] == [ALICE]
    assert desk.bed.client("iam", root(desk.bed.management), direct=True).list_role_policies(RoleName="tools")["PolicyNames"] == before


def test_the_trust_chain_is_lifted_for_one_object_by_a_named_person(desk: Desk, chained: Any) -> None:
    desk.incident(BOB, ALICE, **lift("trust_chain", BOB))
    done = desk.contain()
    assert done["problems"] == [] and [entry["by"] for entry in done["lifted"]] == ["Ada Lovelace"]
    assert works(desk.bed, desk.company.production.keys["bob"]) in DEAD


def test_the_provider_by_which_one_signs_in_to_the_responders_role_is_guarded(desk: Desk, chained: Any) -> None:
    from ansible_collections.evict.cloud.plugins.module_utils.aws import session
    from ansible_collections.evict.cloud.plugins.module_utils.aws.branch import Branch
    from ansible_collections.evict.cloud.plugins.module_utils.common.errors import Refused
    from ansible_collections.evict.cloud.plugins.module_utils.common.guard import Guard
    from tests.integration.helpers import environment

    guard, told = Guard(protected=[], overrides=[], limit=1), list[str]()
    with environment(desk.bed.environ()):
        Branch(session.Aws({"role_arn": desk.company.role_template}), guard, told.append).know(PRODUCTION)
    assert told == []
    with pytest.raises(Refused, match="tools trusts it"):
        guard.check(chained, discovered=True)


def test_a_chain_that_cannot_be_read_to_its_end_is_said(desk: Desk, chained: Any) -> None:
    desk.bed.client("iam", root(desk.bed.management), direct=True).delete_user_policy(UserName="responder", PolicyName="look")
    desk.incident(ALICE)
    done = desk.contain()
    assert done["problems"] == [] and "not known what the responder's role tools is reached through" in said(done)


def test_the_role_that_writes_the_account_fence_is_the_responders_own(desk: Desk) -> None:
    policies = f"{M}:role/incident-policies"
    aws = {"role_arn": desk.company.role_template, "management_role_arn": policies}
    assert "runs this command" in refused(desk, "caller", policies, connection={"aws": aws}, **lift("protected", policies))["message"]


# -- the last administrator ----------------------------------------------------------------------------------------------


@pytest.fixture
def alone(desk: Desk) -> Any:
    """Production without anybody who can administer it but alice; the responder works there with a key and the narrow policy of its own."""
    from tests.tools import permissions

    iam = desk.bed.client("iam", desk.company.production.root, direct=True)
    for role in ("break-glass", "incident-responder", "AWSReservedSSO_AdministratorAccess_0123456789abcdef"):
        iam.delete_role_policy(RoleName=role, PolicyName="work")
    iam.delete_user_policy(UserName="ci-deploy", PolicyName="work")
    iam.attach_user_policy(UserName="alice", PolicyArn=ADMINISTRATOR)
    iam.create_user(UserName="on-call")
    for name, policy in (("respond", permissions.responder_policy()), ("resources", permissions.resources_policy())):
        made = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(policy))["Policy"]["Arn"]
        iam.attach_user_policy(UserName="on-call", PolicyArn=made)
    iam.put_user_policy(UserName="on-call", PolicyName="become", PolicyDocument=json.dumps(permissions.caller_policy()))
    key = Credentials.of(iam.create_access_key(UserName="on-call")["AccessKey"])
    desk.secrets.append(key.secret_key)
    return iam, {"credentials": key, "connection": {"aws": {}}}


def back_door(iam: Any, desk: Desk, who: str = f"arn:aws:iam::{OUTSIDE}:user/mallory") -> Any:
    """A role with all rights that somebody of another account may assume; returns their STS client."""
    outside = set_up_outside(desk.bed).credentials
    iam.create_role(RoleName="backdoor", AssumeRolePolicyDocument=trust({"AWS": who}))
    iam.attach_role_policy(RoleName="backdoor", PolicyArn=ADMINISTRATOR)
    return desk.bed.client("sts", outside)


def contain(desk: Desk, credentials: Any, *suspects: Any, **more: Any) -> dict[str, Any]:
    desk.incident(*suspects, **more)
    return desk.contain(credentials=credentials)


def test_the_last_administrator_is_refused_and_lifted_by_a_named_person(desk: Desk, alone: Any) -> None:
    _iam, more = alone
    problem = refused(desk, "last_admin", ALICE, **more)
    assert PRODUCTION in problem["message"] and "guard: last_admin" in problem["remedy"] and "break-glass" in problem["remedy"]
    again = Desk(desk.bed, desk.company, desk.folder, "IR-2")
    done = contain(again, more["credentials"], ALICE, connection={"aws": {}}, **lift("last_admin", ALICE))
    assert done["problems"] == [] and done["lifted"][0]["guard"] == "last_admin"
    assert works(desk.bed, desk.company.production.keys["alice"]) in DEAD


def test_of_two_last_administrators_one_stays(desk: Desk, alone: Any) -> None:
    iam, more = alone
    iam.add_user_to_group(GroupName="engineers", UserName="bob")
    iam.put_group_policy(GroupName="engineers", PolicyName="all", PolicyDocument=document(allow("*")))
    iam.remove_user_from_group(GroupName="engineers", UserName="alice")
    done = contain(desk, more["credentials"], ALICE, desk.company.production.keys["bob"].access_key, connection={"aws": {}})
    assert [p["operation"] for p in done["problems"]] == ["guard last_admin"] and len(done["principals"]) == 1, done["msg"]
    dead = [works(desk.bed, desk.company.production.keys[name]) in DEAD for name in ("alice", "bob")]
    assert sorted(dead) == [False, True]
    assert desk.contain(credentials=more["credentials"])["changed"] is False


def _break_glass(iam: Any, _desk: Desk) -> None:
    iam.put_role_policy(RoleName="break-glass", PolicyName="work", PolicyDocument=document(allow("*")))  # trusted by another account


def _federated(iam: Any, _desk: Desk) -> None:
    iam.put_role_policy(
        RoleName="AWSReservedSSO_AdministratorAccess_0123456789abcdef", PolicyName="work", PolicyDocument=document(allow("*"))
    )


def _trusted_by_the_management_account(iam: Any, desk: Desk) -> None:
    iam.put_role_policy(RoleName="incident-responder", PolicyName="work", PolicyDocument=document(allow("*")))
    iam.put_user_policy(UserName="on-call", PolicyName="organization", PolicyDocument=document(allow("organizations:DescribeOrganization")))


def _trusted_by_a_declared_outsider(iam: Any, desk: Desk) -> None:
    desk.bed.client("iam", root(OUTSIDE), direct=True).create_user(UserName="ada")
    back_door(iam, desk, who=f"arn:aws:iam::{OUTSIDE}:user/ada")


def _through_a_group(iam: Any, _desk: Desk) -> None:
    policy = iam.create_policy(PolicyName="everything", PolicyDocument=document(allow("iam:*")))["Policy"]["Arn"]
    iam.create_group(GroupName="owners")
    iam.attach_group_policy(GroupName="owners", PolicyArn=policy)
    iam.add_user_to_group(GroupName="owners", UserName="bob")


def _behind_mfa(iam: Any, _desk: Desk) -> None:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}
    iam.put_user_policy(UserName="bob", PolicyName="all", PolicyDocument=document(statement))


def _of_a_user_who_may_assume_it(iam: Any, desk: Desk) -> None:
    iam.update_assume_role_policy(RoleName="orders-lambda", PolicyDocument=trust({"AWS": f"{P}:root"}))
    iam.attach_role_policy(RoleName="orders-lambda", PolicyArn=ADMINISTRATOR)
    iam.put_user_policy(
        UserName="app-orders", PolicyName="assume", PolicyDocument=document(allow("sts:AssumeRole", resource=f"{P}:role/orders-*"))
    )


def _the_caller_itself(iam: Any, _desk: Desk) -> None:
    iam.attach_user_policy(UserName="on-call", PolicyArn=ADMINISTRATOR)


@pytest.mark.parametrize(
    "other",
    [
        _break_glass, _federated, _trusted_by_the_management_account, _trusted_by_a_declared_outsider, _through_a_group, _behind_mfa,
        _of_a_user_who_may_assume_it, _the_caller_itself,
    ],
)  # fmt: skip
def test_somebody_else_can_administer_the_account(desk: Desk, alone: Any, other: Any) -> None:
    iam, more = alone
    other(iam, desk)
    trusted = {"networks": [], "principals": [f"arn:aws:iam::{OUTSIDE}:user/ada"]}
    done = contain(desk, more["credentials"], ALICE, connection={"aws": {}}, protected=[f"{P}:role/break-glass"], trusted=trusted)
    assert done["problems"] == [] and "last administrator" not in said(done), done["msg"]
    assert works(desk.bed, desk.company.production.keys["alice"]) in DEAD


def _no_credential(iam: Any, _desk: Desk) -> None:
    iam.attach_user_policy(UserName="bob", PolicyArn=ADMINISTRATOR)
    for key in iam.list_access_keys(UserName="bob")["AccessKeyMetadata"]:
        iam.update_access_key(UserName="bob", AccessKeyId=key["AccessKeyId"], Status="Inactive")


def _denied(iam: Any, _desk: Desk) -> None:
    iam.attach_user_policy(UserName="bob", PolicyArn=ADMINISTRATOR)
    iam.attach_user_policy(UserName="bob", PolicyArn="arn:aws:iam::aws:policy/AWSDenyAll")


def _within_a_boundary(iam: Any, _desk: Desk) -> None:
    iam.attach_user_policy(UserName="bob", PolicyArn=ADMINISTRATOR)
    iam.put_user_permissions_boundary(UserName="bob", PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess")


def _a_role_of_a_service(iam: Any, _desk: Desk) -> None:
    iam.attach_role_policy(RoleName="orders-lambda", PolicyArn=ADMINISTRATOR)


def _a_role_that_only_the_suspect_may_assume(iam: Any, _desk: Desk) -> None:
    iam.update_assume_role_policy(RoleName="reporting", PolicyDocument=trust({"AWS": ALICE}))
    iam.attach_role_policy(RoleName="reporting", PolicyArn=ADMINISTRATOR)


def _only_reads_and_lists(iam: Any, _desk: Desk) -> None:
    iam.put_user_policy(UserName="bob", PolicyName="all", PolicyDocument=document(
        {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*"], "Resource": "*"}, allow("iam:Get*", "iam:List*")))  # fmt: skip


def _a_role_that_an_outsider_may_assume(iam: Any, desk: Desk) -> None:
    back_door(iam, desk)


def _a_role_that_anybody_may_assume(iam: Any, desk: Desk) -> None:
    back_door(iam, desk)
    iam.update_assume_role_policy(RoleName="backdoor", PolicyDocument=trust({"AWS": "*"}))


NOBODY = [
    _a_role_that_an_outsider_may_assume,
    _a_role_that_anybody_may_assume,
    _no_credential,
    _denied,
    _within_a_boundary,
    _a_role_of_a_service,
    _a_role_that_only_the_suspect_may_assume,
    _only_reads_and_lists,
]


@pytest.mark.parametrize("other", NOBODY)
def test_what_looks_like_another_administrator_and_is_none(desk: Desk, alone: Any, other: Any) -> None:
    iam, more = alone
    other(iam, desk)
    refused(desk, "last_admin", ALICE, **more)


BACKDOOR = f"{P}:role/backdoor"


def lets_nobody_in(desk: Desk, sts: Any) -> bool:
    """Whether the outsider's new sessions of the back door do nothing."""
    if outcome(sts, "assume_role", RoleArn=BACKDOOR, RoleSessionName="again") != "ok":
        return True
    next_second()
    again = Credentials.of(sts.assume_role(RoleArn=BACKDOOR, RoleSessionName="again")["Credentials"])
    return works(desk.bed, again) in DEAD


def test_a_back_door_that_a_person_named_is_denied_though_nobody_else_is_left(desk: Desk, alone: Any) -> None:
    iam, more = alone
    iam.detach_user_policy(UserName="alice", PolicyArn=ADMINISTRATOR)
    sts = back_door(iam, desk)
    done = contain(desk, more["credentials"], BACKDOOR, connection={"aws": {}}, role_action="deny")
    assert done["problems"] == [] and [r["role_action"] for r in done["principals"]] == ["deny"], done["msg"]
    assert lets_nobody_in(desk, sts)
    (row,) = [o for o in done["open"] if o["object"] == f"account {PRODUCTION}"]
    assert "root user" in row["why"] and BACKDOOR in row["why"]


@pytest.mark.parametrize("lifted", [False, True])
def test_a_role_that_a_person_named_stays_when_it_is_the_last_administrator_and_no_back_door(desk: Desk, alone: Any, lifted: bool) -> None:
    """The guard is for this: whoever names it can lift the guard, with a reason."""
    iam, more = alone
    iam.detach_user_policy(UserName="alice", PolicyArn=ADMINISTRATOR)
    iam.create_role(RoleName="owners", AssumeRolePolicyDocument=trust({"AWS": f"{P}:user/on-call"}))
    iam.attach_role_policy(RoleName="owners", PolicyArn=ADMINISTRATOR)
    allowed = lift("last_admin", f"{P}:role/owners") if lifted else {}
    done = contain(desk, more["credentials"], f"{P}:role/owners", connection={"aws": {}}, role_action="deny", **allowed)
    assert [p["operation"] for p in done["problems"]] == ([] if lifted else ["guard last_admin"]), done["problems"]
    assert ([r["role_action"] for r in done["principals"]] == ["deny"]) is lifted, done["principals"]


def test_a_back_door_that_the_last_administrator_made_is_shut_and_she_is_not_spared_for_it(desk: Desk, alone: Any) -> None:
    """As in life: her key makes the role, and the logs tell of it."""
    _iam, more = alone
    key = desk.company.production.keys["alice"]
    sts = back_door(desk.bed.client("iam", key), desk)
    sts.assume_role(RoleArn=BACKDOOR, RoleSessionName="first")
    desk.incident(key.access_key, connection={"aws": {}}, **lift("last_admin", ALICE))
    done = desk.contain(credentials=more["credentials"], scope=30, hold="20s", spread="2s")
    assert [p for p in done["problems"] if "last_admin" in p["operation"]] == [], done["problems"]
    assert lets_nobody_in(desk, sts) and works(desk.bed, key) in DEAD
    row = status_of(done, "role/backdoor")
    assert row["role_action"] == "deny" and "inline deny" in row["controls"], row


@pytest.mark.parametrize("how", ["another account", "management role"])
def test_a_way_in_that_is_shown_to_work_lifts_it_without_a_read(desk: Desk, alone: Any, how: str) -> None:
    iam, more = alone
    credentials, aws = None, {"role_arn": desk.company.role_template}
    if how == "another account":
        iam.put_role_policy(
            RoleName="incident-responder", PolicyName="work", PolicyDocument=document(allow("iam:*", "ec2:DescribeRegions"))
        )
        iam.detach_user_policy(UserName="on-call", PolicyArn=f"{P}:policy/respond")
    else:
        own = desk.bed.client("iam", root(desk.bed.management), direct=True)
        own.create_role(RoleName="incident-policies", AssumeRolePolicyDocument=trust({"AWS": f"{P}:user/on-call"}))
        own.put_role_policy(RoleName="incident-policies", PolicyName="work", PolicyDocument=document(allow("organizations:*")))
        credentials, aws = more["credentials"], {"management_role_arn": f"{M}:role/incident-policies"}
    done = contain(desk, credentials, ALICE, connection={"aws": aws})
    assert done["problems"] == [], done["msg"]
    assert desk.bed.calls(operation="GetAccountAuthorizationDetails") == desk.bed.calls(operation="SimulatePrincipalPolicy") == []


def test_a_management_role_that_cannot_be_assumed_lifts_nothing(desk: Desk, alone: Any) -> None:
    _iam, more = alone
    refused(desk, "last_admin", ALICE, **{**more, "connection": {"aws": {"management_role_arn": f"{M}:role/nobody"}}})


def test_the_account_is_listed_only_when_an_administrator_is_to_be_denied(desk: Desk, alone: Any) -> None:
    _iam, more = alone
    done = contain(desk, more["credentials"], BOB, connection={"aws": {}})
    assert done["problems"] == [] and len(desk.bed.calls(operation="SimulatePrincipalPolicy")) == 1
    assert desk.bed.calls(operation="GetAccountAuthorizationDetails") == []


@pytest.mark.parametrize("fault", ["denied", "slow"])
@pytest.mark.parametrize("operation", ["SimulatePrincipalPolicy", "GetAccountAuthorizationDetails"])
def test_what_is_not_known_is_said_and_never_refused(desk: Desk, alone: Any, operation: str, fault: str) -> None:
    from ansible_collections.evict.cloud.plugins.module_utils.aws import administrators

    _iam, more = alone
    if fault == "denied":
        desk.bed.rule("fail", operation=operation, mutating=False, status=403, code="AccessDenied", times=99)
    else:
        desk.bed.rule("fail", operation=operation, mutating=False, status=400, code="Throttling", times=99)
    with mock.patch.object(administrators, "SECONDS", 10 if fault == "denied" else 0.5):
        done = contain(desk, more["credentials"], ALICE, connection={"aws": {}})
    assert done["problems"] == [] and f"not known whether {ALICE} is its last administrator" in said(done)
    assert works(desk.bed, desk.company.production.keys["alice"]) in DEAD


# -- roles that others use -----------------------------------------------------------------------------------------------


@pytest.fixture
def shared(desk: Desk) -> Desk:
    """Both the suspect and alice have assumed the role."""
    for name in ("ci-deploy", "alice"):
        desk.bed.client("sts", desk.company.production.keys[name]).assume_role(RoleArn=DEPLOY, RoleSessionName=f"{name}-work")
    return desk


def test_a_deny_on_a_role_that_others_use_is_refused_and_its_sessions_are_revoked(shared: Desk) -> None:
    desk = shared
    desk.incident(desk.company.leaked.access_key, DEPLOY, role_action="deny")
    for _ in range(2):
        done = desk.contain(scope=10)
        problems = [(p["object"], p["operation"]) for p in done["problems"]]
        assert problems == [(DEPLOY, "guard shared_role")] and ALICE in done["problems"][0]["message"], done["msg"]
        (row,) = [r for r in done["principals"] if r["arn"] == DEPLOY]
        assert row["role_action"] == "revoke" and row["controls"][0] == "session cutoff"
    assert done["changed"] is False
    new = desk.bed.client("sts", desk.company.production.keys["alice"]).assume_role(RoleArn=DEPLOY, RoleSessionName="again")
    assert works(desk.bed, Credentials.of(new["Credentials"])) == "ok"
    reopened(desk, desk.company.leaked.access_key, DEPLOY, role_action="deny", **lift("shared_role", DEPLOY))
    done = desk.contain(scope=10)
    assert done["problems"] == [] and done["lifted"][0]["guard"] == "shared_role"
    assert works(desk.bed, Credentials.of(new["Credentials"])) in DEAD
    again = desk.contain(scope=10)
    assert again["problems"] == [] and again["changed"] is False


@pytest.mark.parametrize("wanted", ["auto", "revoke"])
def test_auto_never_denies_it_and_says_who_else_uses_it(shared: Desk, wanted: str) -> None:
    desk = shared
    desk.incident(desk.company.leaked.access_key, DEPLOY, role_action=wanted)
    done = desk.contain(scope=10)
    assert done["problems"] == []
    (row,) = [r for r in done["principals"] if r["arn"] == DEPLOY]
    assert row["role_action"] == "revoke"
    told = [n["data"] for n in desk.ledger().notes["principal"] if n["data"]["arn"] == DEPLOY][-1]
    assert desk.contain(scope=10)["changed"] is False
    assert f"session of {ALICE}" in told["breaks"] and "ci-deploy" not in json.dumps(told["breaks"]), told


def test_the_quarantine_module_refuses_it_too(shared: Desk) -> None:
    desk = shared
    desk.incident(desk.company.leaked.access_key)
    done = desk.run("aws_identity_quarantine", principals=[DEPLOY], action="deny")
    assert done["failed"] and [p["operation"] for p in done["problems"]] == ["guard shared_role"] and done["changed"] is False


def test_where_the_logs_do_not_tell_who_uses_it_that_is_said(desk: Desk) -> None:
    desk.incident(DEPLOY, role_action="deny")
    desk.bed.rule("fail", operation="LookupEvents", mutating=False, status=403, code="AccessDenied", times=999)
    done = desk.contain(scope=10)
    assert done["problems"] == [] and "do not tell who else uses it" in said(done)
    assert [r["role_action"] for r in done["principals"]] == ["deny"]


# -- infrastructure as code ----------------------------------------------------------------------------------------------


def test_what_infrastructure_as_code_owns_is_marked_before_it_is_cut(desk: Desk) -> None:
    iam = desk.bed.client("iam", desk.company.production.root, direct=True)
    iam.tag_user(UserName="bob", Tags=[{"Key": "ManagedBy", "Value": "terraform"}])
    iam.tag_role(RoleName="deploy", Tags=[{"Key": "aws:cloudformation:stack-name", "Value": "ci-roles"}])
    desk.incident(BOB, ALICE, DEPLOY)
    for check in (True, False):
        rows = {r["arn"]: r.get("managed", "") for r in desk.contain(check=check)["principals"]}
        assert rows[BOB].startswith("managed by Terraform") and "CloudFormation stack ci-roles" in rows[DEPLOY] and not rows[ALICE]
    notes = {n["data"]["arn"]: n["data"].get("managed", "") for n in desk.ledger().notes["principal"]}
    assert "or it will undo the fence" in notes[BOB] and not notes[ALICE]


# -- whom the reviewed plan spares --------------------------------------------------------------------------------------------------


def planned(desk: Desk, *items: dict[str, Any]) -> str:
    """The case's plan, as an investigation would have written it; `decision` and `decided_by` of an item as somebody would have imported them."""
    ledger = ledgers.Ledger.open(desk.store, incident=desk.name, module="test")
    plan = response_plan.merge(response_plan.read(desk.store, desk.name), items)
    planning.record(ledger, desk.store, plan)
    ledger.end("ok")
    return f"{desk.case}/{plan.path}"


def thing(what: str, verdict: str = "rogue", **people: Any) -> dict[str, Any]:
    return response_plan.item("principal", "aws", PRODUCTION, what, verdict=verdict, confidence=95, evidence=["e-1"]) | people


def test_whom_somebody_spared_in_the_plan_is_not_cut_through_a_key_of_theirs(desk: Desk) -> None:
    iam = desk.bed.client("iam", desk.company.production.root, direct=True)
    key = iam.create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"]
    reopened(desk, ALICE)
    plan = planned(desk, thing(BOB, decision="skip", decided_by="Ada Lovelace"), thing(key), thing(DEPLOY))
    opened = {"case": str(desk.case), "plan": plan, "directory": str(desk.folder), "allow_local_store": True}
    before = desk.bed.snapshot()
    asked = desk.run("case", check=True, **opened)
    tried = desk.run("aws_contain", check=True, incident_data=asked["incident_data"], hold="0", scope=0, clocks="none")
    assert [(p["operation"], p["object"]) for p in tried["problems"]] == [("guard plan", BOB)] and desk.bed.snapshot() == before
    assert not desk.run("case", **opened).get("failed")
    done = desk.run("aws_contain", case=str(desk.case), hold="0", scope=0, clocks="none")
    (problem,) = done["problems"]
    assert (
        problem["operation"] == "guard plan"
        and problem["object"] == BOB
        and "Ada Lovelace decided to skip it (revision 1" in problem["message"]
    )
    assert {p["arn"] for p in done["principals"]} == {ALICE, DEPLOY}
    assert (
        iam.list_user_policies(UserName="bob")["PolicyNames"] == ["work"]
        and iam.list_access_keys(UserName="bob")["AccessKeyMetadata"][0]["Status"] == "Active"
    )


def test_a_suspect_whom_people_named_is_cut_whatever_the_plan_spares(desk: Desk) -> None:
    iam = desk.bed.client("iam", desk.company.production.root, direct=True)
    key = iam.create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"]
    reopened(desk, key)
    planned(desk, thing(BOB, decision="skip", decided_by="Ada Lovelace"))
    done = desk.run("aws_contain", case=str(desk.case), hold="0", scope=0, clocks="none")
    assert done["problems"] == [] and {p["arn"] for p in done["principals"]} == {BOB}
