"""The standing fence on the enforcing bed: a tag denies everything, nobody but the exempt gets round it, and it is trusted only after a canary was denied."""

from __future__ import annotations

import datetime
import json
import time
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import looks
from tests.beds.bed import Bed, Credentials
from tests.beds.company import document, trust
from tests.integration.helpers import DEAD, DENIED, Child, Desk, outcome, status_of, works
from tests.integration.test_account_fence import ALL, SCP, USER, A, organizations, refused, there
from tests.redteam.arsenal import OUTSIDE, set_up_outside

pytestmark = pytest.mark.bed

ROLE = f"arn:aws:iam::{A}:role/deploy"
TAG = "evict-quarantine"
EXEMPT = ["arn:aws:iam::*:role/incident-responder", "arn:aws:iam::*:role/break-glass"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.evict.cloud.plugins.module_utils.aws.canary.WAIT", 4.0)


def deploy(desk: Desk, exempt: list[str] | None = None) -> None:
    """As a person would, from what the module renders: at the root."""
    ready = Desk(desk.bed, desk.company, desk.folder, "READY-1")
    ready.incident(desk.company.leaked.access_key)
    done = ready.run("aws_account_fence", state="rendered", exempt=exempt or EXEMPT)
    client = organizations(desk.bed)
    made = client.create_policy(Name="evict-standing-fence", Type=SCP, Description="x", Content=json.dumps(done["document"]))["Policy"][
        "PolicySummary"
    ]
    client.attach_policy(PolicyId=made["Id"], TargetId=desk.company.root_id)


def administrator(bed: Bed, account: Any) -> Credentials:
    iam = bed.client("iam", account.root, direct=True)
    iam.create_user(UserName="admin")
    iam.put_user_policy(UserName="admin", PolicyName="all", PolicyDocument=ALL)
    return Credentials.of(iam.create_access_key(UserName="admin")["AccessKey"])


def tag(desk: Desk, kind: str, name: str, value: str = "IR-1") -> None:
    desk.bed.client("iam", responder(desk), direct=True)
    client = desk.bed.client("iam", responder(desk))
    getattr(client, f"tag_{kind}")(**{f"{kind.capitalize()}Name": name}, Tags=[{"Key": TAG, "Value": value}])


def responder(desk: Desk) -> Credentials:
    sts = desk.bed.client("sts", desk.company.responder)
    return Credentials.of(sts.assume_role(RoleArn=desk.company.production.responder_role, RoleSessionName="test")["Credentials"])


# -- the policy --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["IR-1", ""])
def test_the_tag_denies_the_key_and_every_live_session_and_nobody_else(desk: Desk, value: str) -> None:
    bed, company = desk.bed, desk.company
    sts = bed.client("sts", company.leaked)
    held = {
        "key": company.leaked, "session": Credentials.of(sts.get_session_token()["Credentials"]),
        "federation": Credentials.of(sts.get_federation_token(Name="build", Policy=ALL)["Credentials"]),
        "role": Credentials.of(sts.assume_role(RoleArn=ROLE, RoleSessionName="evil")["Credentials"]),
    }  # fmt: skip
    deploy(desk)
    assert {works(bed, c) for c in held.values()} == {"ok"}  # it waits
    tag(desk, "user", "ci-deploy", value)
    tag(desk, "role", "deploy", value)
    assert {kind: works(bed, c) for kind, c in held.items()} == dict.fromkeys(held, "AccessDenied")
    for who in ("alice", "bob", "app-orders"):
        assert works(bed, company.production.keys[who]) == "ok"


@pytest.mark.parametrize("empty_is_null", [False, True])
@pytest.mark.parametrize("key", [TAG, "Evict-Quarantine"])
def test_a_session_tag_does_not_get_round_it(desk: Desk, key: str, empty_is_null: bool) -> None:
    """Whether AWS takes an empty tag for none is not documented; it must not matter."""
    bed, company = desk.bed, desk.company
    bed.cloud("config", {"tags": {"empty_is_null": empty_is_null}})
    iam = bed.client("iam", company.production.root, direct=True)
    both = json.loads(trust({"AWS": company.production.users["bob"]}))
    both["Statement"][0]["Action"] = ["sts:AssumeRole", "sts:TagSession"]
    iam.update_assume_role_policy(RoleName="deploy", PolicyDocument=json.dumps(both))
    iam.put_user_policy(UserName="bob", PolicyName="all", PolicyDocument=ALL)
    bob = bed.client("sts", company.production.keys["bob"])
    passed = {"RoleArn": ROLE, "RoleSessionName": "evil", "Tags": [{"Key": key, "Value": ""}]}
    plain = {**passed, "Tags": [{"Key": "team", "Value": "x"}]}
    tag_free = Credentials.of(bob.assume_role(**passed)["Credentials"])  # without the fence it can be passed, and the bed lets it override
    deploy(desk)
    tag(desk, "role", "deploy")
    assert works(bed, tag_free) == "AccessDenied"  # minted before the fence was deployed
    for extra in ({}, {"TransitiveTagKeys": [key]}):
        assert outcome(bob, "assume_role", **passed, **extra) in DENIED
    assert outcome(bob, "get_federation_token", Name="evil", Policy=ALL, Tags=[{"Key": key, "Value": ""}]) in DENIED
    assert outcome(bob, "assume_role", **plain) == "ok"  # other tags go through
    assert works(bed, Credentials.of(bob.assume_role(**plain)["Credentials"])) in DENIED


@pytest.mark.parametrize("empty_is_null", [False, True])
def test_nor_does_one_that_an_outsider_passes(desk: Desk, empty_is_null: bool) -> None:
    """Whom no policy of the organization binds, and whom a role of the account trusts."""
    bed, company = desk.bed, desk.company
    bed.cloud("config", {"tags": {"empty_is_null": empty_is_null}})
    outside = set_up_outside(bed).credentials
    iam = bed.client("iam", company.production.root, direct=True)
    both = json.loads(trust({"AWS": f"arn:aws:iam::{OUTSIDE}:user/mallory"}))
    both["Statement"][0]["Action"] = ["sts:AssumeRole", "sts:TagSession"]
    iam.update_assume_role_policy(RoleName="deploy", PolicyDocument=json.dumps(both))
    sts = bed.client("sts", outside)
    order = {"RoleArn": ROLE, "RoleSessionName": "evil", "Tags": [{"Key": TAG, "Value": ""}]}
    deploy(desk)
    tag(desk, "role", "deploy")
    assert outcome(sts, "assume_role", **order) == "ok", "it passes none: the test proves nothing"
    assert works(bed, Credentials.of(sts.assume_role(**order)["Credentials"])) in DEAD
    assert works(bed, company.production.keys["bob"]) == "ok"


def test_nobody_but_the_exempt_lifts_it(desk: Desk) -> None:
    bed, company = desk.bed, desk.company
    mine = bed.client("iam", company.production.root, direct=True)
    policy = mine.create_policy(PolicyName=TAG, PolicyDocument=document({"Effect": "Deny", "Action": "*", "Resource": "*"}))["Policy"][
        "Arn"
    ]
    mine.attach_user_policy(UserName="bob", PolicyArn=policy)
    deny_all = "arn:aws:iam::aws:policy/AWSDenyAll"
    mine.attach_user_policy(UserName="alice", PolicyArn=deny_all)
    mine.attach_user_policy(UserName="alice", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    administrators = administrator(bed, company.production)
    deploy(desk)
    tag(desk, "user", "ci-deploy")
    who, tags, trusting = (
        {"UserName": "ci-deploy"},
        [{"Key": "EVICT-quarantine", "Value": "x"}],
        trust({"AWS": f"arn:aws:iam::{A}:user/admin"}),
    )
    tries: list[tuple[str, dict[str, Any]]] = [
        ("untag_user", {**who, "TagKeys": [TAG]}), ("untag_user", {**who, "TagKeys": ["EVICT-quarantine"]}), ("tag_user", {**who, "Tags": tags}),
        ("tag_user", {"UserName": "bob", "Tags": tags}), ("tag_role", {"RoleName": "reporting", "Tags": tags}),
        ("create_user", {"UserName": "trap", "Tags": tags}), ("delete_user_policy", {**who, "PolicyName": "work"}),
        ("create_access_key", who), ("delete_user", who), ("put_user_policy", {**who, "PolicyName": "p", "PolicyDocument": ALL}),
        ("detach_user_policy", {"UserName": "bob", "PolicyArn": policy}), ("detach_user_policy", {"UserName": "alice", "PolicyArn": deny_all}),
        ("create_policy_version", {"PolicyArn": policy, "PolicyDocument": ALL, "SetAsDefault": True}),
        ("set_default_policy_version", {"PolicyArn": policy, "VersionId": "v1"}), ("delete_policy", {"PolicyArn": policy}),
        ("update_assume_role_policy", {"RoleName": "incident-responder", "PolicyDocument": trusting}),
        ("delete_role", {"RoleName": "break-glass"}),
    ]  # fmt: skip
    before = bed.snapshot()
    for client in (bed.client("iam", administrators), bed.client("iam", company.production.root)):
        assert {f"{name} {more}": code for name, more in tries if (code := outcome(client, name, **more)) not in DENIED} == {}
    assert bed.snapshot() == before
    others = bed.client("iam", administrators)
    assert outcome(others, "tag_user", UserName="bob", Tags=[{"Key": "team", "Value": "b"}]) == "ok"
    assert outcome(others, "detach_user_policy", UserName="alice", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess") == "ok"
    exempt = bed.client("iam", responder(desk))
    assert (
        outcome(exempt, "untag_user", **who, TagKeys=[TAG])
        == outcome(exempt, "detach_user_policy", UserName="bob", PolicyArn=policy)
        == "ok"
    )
    assert works(bed, company.leaked) == "ok"


@pytest.mark.parametrize("exempt", ["arn:aws:iam::*:role/*", "arn:aws:iam::*:role/a?b", "arn:aws:iam::222222222222:root", "*"])
def test_no_wildcard_is_exempt(desk: Desk, exempt: str) -> None:
    desk.incident(desk.company.leaked.access_key)
    done = desk.run("aws_account_fence", state="rendered", exempt=[exempt])
    assert done["failed"] is True and "exact ARN" in json.dumps(done)


@pytest.mark.parametrize(("kind", "said"), [("user", True), ("role", False)])
def test_an_exempt_user_is_warned_about(desk: Desk, kind: str, said: bool) -> None:
    """A group can cut it off, and what stands for good cannot deny everybody to use groups."""
    desk.incident(desk.company.leaked.access_key)
    done = desk.run("aws_account_fence", state="rendered", exempt=[f"arn:aws:iam::*:{kind}/glass"])
    assert ("exempt a role" in json.dumps(done.get("warnings"))) is said and done["status"] == "ok"


# -- in a containment --------------------------------------------------------------------------------------------------------------


def test_without_a_right_to_organizations_it_holds_once_a_canary_was_denied(desk: Desk) -> None:
    bed = desk.bed
    deploy(desk)
    refused(bed)
    before = bed.snapshot()
    desk.incident(desk.company.leaked.access_key, password="keep")
    done = desk.contain(account_fence="pre_deployed", hold="1s")
    row, (fence,) = status_of(done, "user/ci-deploy"), done["fences"]
    assert f"tag:{TAG}" in row["controls"] and (fence["control"], fence["standing"]) == ("tag", "canary"), (row, fence)
    assert done["problems"] == [] and desk.verified() and "evict-canary" not in bed.snapshot()
    assert desk.contain(account_fence="pre_deployed", hold="1s")["changed_count"] == 0
    iam = bed.client("iam", responder(desk))
    for name in ("evict-quarantine-IR-1", "evict-session-IR-1"):
        iam.delete_user_policy(UserName="ci-deploy", PolicyName=name)
    iam.detach_user_policy(UserName="ci-deploy", PolicyArn="arn:aws:iam::aws:policy/AWSDenyAll")
    iam.update_access_key(UserName="ci-deploy", AccessKeyId=desk.company.leaked.access_key, Status="Active")
    assert works(bed, desk.company.leaked) in DENIED  # the tag alone
    desk.contain(account_fence="pre_deployed", hold="1s")
    desk.false_positive(desk.company.leaked.access_key)
    assert bed.snapshot() == before


def test_the_canary_of_a_look_puts_off_no_look(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look sends one where tags alone hold: what it makes and takes away is no change that has to be looked at again."""
    monkeypatch.setattr(looks, "AFTER", (datetime.timedelta(seconds=2), datetime.timedelta(seconds=4)))
    deploy(desk)
    refused(desk.bed)
    desk.incident(USER)
    done = desk.contain(account_fence="pre_deployed", hold="1s")
    assert done["fences"][0]["control"] == "tag" and len(done["looks"]) == 2, done["fences"]
    time.sleep(5)
    for left in (1, 0):
        made = sum(c["operation"] == "CreateRole" for c in desk.bed.calls())
        look = desk.contain(account_fence="pre_deployed", hold="1s", phase="hold")
        assert sum(c["operation"] == "CreateRole" for c in desk.bed.calls()) == made + 1, "no canary was sent: the test proves nothing"
        assert len(look["looks"]) <= left and look["changed"] is False, look["looks"]


def test_not_deployed_it_is_not_trusted_and_the_other_form_holds(desk: Desk) -> None:
    before = desk.bed.snapshot()
    desk.incident(desk.company.leaked.access_key, password="keep")
    planned = desk.contain(check=True, account_fence="pre_deployed")
    done = desk.contain(account_fence="pre_deployed")
    assert planned["changed_count"] == done["changed_count"] and desk.contain(account_fence="pre_deployed")["changed_count"] == 0
    row, (fence,) = status_of(done, "user/ci-deploy"), done["fences"]
    assert f"tag:{TAG}" not in row["controls"] and any(c.startswith("scp:") for c in row["controls"])
    assert (
        fence["standing"] == "unknown"
        and "whoever administers the account can lift it" in fence["standing_why"]
        and "evict-canary" not in desk.bed.snapshot()
    )
    desk.false_positive(desk.company.leaked.access_key)
    assert desk.bed.snapshot() == before


def test_verified_first_no_policy_is_made(desk: Desk) -> None:
    deploy(desk)
    desk.incident(desk.company.leaked.access_key)
    assert desk.run("aws_account_fence", state="verified", accounts=[A])["fences"][0]["standing"] == "canary"
    done = desk.contain(account_fence="pre_deployed")
    assert there(desk.bed) == ["evict-standing-fence"] and done["fences"][0]["control"] == "tag"
    assert "AWSDenyAll" not in status_of(done, "user/ci-deploy")["controls"] and works(desk.bed, desk.company.leaked) in DEAD


def test_a_responder_who_is_not_exempt_is_told(desk: Desk) -> None:
    deploy(desk, ["arn:aws:iam::*:role/break-glass"])
    desk.incident(desk.company.leaked.access_key)
    done = desk.run("aws_account_fence", state="verified", accounts=[A])
    assert done["status"] == "open" and "TagRole" in done["fences"][0]["standing_why"] and "evict-canary" not in desk.bed.snapshot()


@pytest.mark.parametrize("who", ["owner", "guest"])
def test_two_incidents_under_one_tag(desk: Desk, who: str) -> None:
    deploy(desk)
    other = Desk(desk.bed, desk.company, desk.folder, "IR-2")
    desk.incident(USER, password="keep")
    other.incident(USER, password="keep")
    before = desk.bed.snapshot()
    for one in (desk, other):
        one.contain(account_fence="pre_deployed")
    one, two = (desk, other) if who == "owner" else (other, desk)
    one.false_positive(USER)
    iam = desk.bed.client("iam", desk.company.production.root, direct=True)
    assert [t["Value"] for t in iam.get_user(UserName="ci-deploy")["User"]["Tags"] if t["Key"] == TAG] == [two.name]
    two.false_positive(USER)
    assert desk.bed.snapshot() == before


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operation", ["CreateRole", "PutRolePolicy", "AssumeRole", "TagRole", "DeleteRolePolicy", "DeleteRole"])
def test_killed_around_each_call_of_the_canary_it_leaves_nothing(desk: Desk, operation: str, when: str) -> None:
    deploy(desk)
    desk.incident(desk.company.leaked.access_key)
    before = desk.bed.snapshot()
    order = {"incident": str(desk.file), "state": "verified", "accounts": [A]}
    child = Child(desk.bed, {"module": "aws_account_fence", "params": order})
    desk.bed.rule(when, operation=operation, pgid=child.pgid, **({"at": 2, "mutating": False} if operation == "AssumeRole" else {}))
    assert child.go()[0] == -9
    desk.bed.clear_rules()
    assert desk.run("aws_account_fence", state="verified", accounts=[A])["status"] == "ok"
    assert desk.bed.snapshot() == before and desk.verified()


def test_what_is_left_of_a_canary_goes_with_the_release(desk: Desk) -> None:
    deploy(desk)
    desk.incident(desk.company.leaked.access_key)
    before = desk.bed.snapshot()
    child = Child(desk.bed, {"module": "aws_account_fence", "params": {"incident": str(desk.file), "state": "verified", "accounts": [A]}})
    desk.bed.rule("before", operation="DeleteRolePolicy", pgid=child.pgid)
    assert child.go()[0] == -9
    desk.bed.clear_rules()
    assert desk.restore()["status"] == "ok" and desk.bed.snapshot() == before


# -- what it must not rest on ------------------------------------------------------------------------------------------------------


def test_where_a_tag_cannot_be_set_the_other_form_holds(desk: Desk) -> None:
    deploy(desk)
    desk.incident(desk.company.leaked.access_key)
    assert desk.run("aws_account_fence", state="verified", accounts=[A])["status"] == "ok"
    desk.bed.rule("fail", operation="TagUser", times=100, status=409, code="LimitExceeded", message="50 tags")
    done = desk.contain(account_fence="pre_deployed")
    (fence,) = done["fences"]
    assert fence["control"] == "scp" and fence["policies"], done["fences"]
    assert any(c.startswith("scp:") for c in status_of(done, "user/ci-deploy")["controls"])


def test_to_verify_is_to_look_again(desk: Desk) -> None:
    """A fence that was seen to bite, and was detached since."""
    deploy(desk)
    desk.incident(desk.company.leaked.access_key)
    assert desk.run("aws_account_fence", state="verified", accounts=[A])["fences"][0]["standing"] == "canary"
    client = organizations(desk.bed)
    (policy,) = [p["Id"] for p in client.list_policies(Filter=SCP)["Policies"] if p["Name"] == "evict-standing-fence"]
    client.detach_policy(PolicyId=policy, TargetId=desk.company.root_id)
    again = desk.run("aws_account_fence", state="verified", accounts=[A])
    assert again["status"] == "open" and again["fences"][0]["standing"] == "unknown", again["fences"]


def test_rendered_for_a_caller_in_a_role_of_its_own(desk: Desk) -> None:
    """Nobody named whom to exempt, and the caller is a session: it is its role that is exempt."""
    desk.incident(desk.company.leaked.access_key, connection={"aws": {}})
    done = desk.run("aws_account_fence", credentials=responder(desk), state="rendered")
    assert done.get("msg") is None or not done.get("failed"), done
    assert desk.company.production.responder_role in json.dumps(done["document"])


def test_a_role_of_the_canarys_name_that_is_not_ours_stays(desk: Desk) -> None:
    deploy(desk)
    desk.incident(desk.company.leaked.access_key)
    name = "evict-canary-" + desk.incident_sid()
    iam = desk.bed.client("iam", desk.company.production.root, direct=True)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::999999999999:root"}))
    before = desk.bed.snapshot()
    done = desk.run("aws_account_fence", state="verified", accounts=[A])
    assert desk.bed.snapshot() == before and "did not make" in done["fences"][0]["standing_why"], done["fences"]
