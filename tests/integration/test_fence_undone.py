"""How the fence above an account could be taken off, passed by, or held up by those whom it holds: each as the smallest attempt that shows it."""

from __future__ import annotations

import datetime
import json
import time
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import account_fence, hold, refusals, session
from tests.beds.bed import Credentials, root
from tests.beds.company import allow, document, trust
from tests.integration.helpers import DENIED, Desk, outcome, status_of, utc, works
from tests.integration.test_account_fence import (
    ALL,
    BOB,
    RCP,
    SCP,
    USER,
    A,
    attached,
    content,
    crowd,
    fill,
    no_organization,
    organizations,
    refused,
    resource_policies,
    second_responder,
    there,
)
from tests.integration.test_standing_fence import TAG, administrator, deploy

pytestmark = pytest.mark.bed

ALICE = f"arn:aws:iam::{A}:user/alice"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.evict.cloud.plugins.module_utils.aws.canary.WAIT", 4.0)


# -- taken off from inside the account ---------------------------------------------------------------------------------------------


def taking_off(admin: Any, policy: str, desk: Desk) -> dict[str, str]:
    """What an administrator of the account gets for each call that takes a policy off it."""
    tries: list[tuple[str, dict[str, Any]]] = [
        ("update_policy", {"PolicyId": policy, "Content": json.dumps({"Version": "2012-10-17", "Statement": []})}),
        ("detach_policy", {"PolicyId": policy, "TargetId": A}), ("detach_policy", {"PolicyId": policy, "TargetId": desk.company.root_id}),
        ("delete_policy", {"PolicyId": policy}), ("disable_policy_type", {"RootId": desk.company.root_id, "PolicyType": SCP}),
        ("leave_organization", {}), ("accept_handshake", {"HandshakeId": "h-12345678"}),
    ]  # fmt: skip
    return {f"{name} {more}": outcome(admin, name, **more) for name, more in tries}


def test_a_delegated_administrator_whom_nobody_suspects_does_not_take_it_off(desk: Desk) -> None:
    bed = desk.bed
    admin = bed.client("organizations", administrator(bed, desk.company.production))
    bed.organizations(delegated=[A])
    desk.incident(desk.company.leaked.access_key)
    desk.contain()
    before, name = bed.snapshot(), f"evict-IR-1-{A}-1"
    tried = taking_off(admin, attached(bed)[name], desk)
    assert set(tried.values()) <= DENIED, tried
    assert bed.snapshot() == before and desk.contain()["changed"] is False
    made = outcome(
        admin, "create_policy", Name="own", Type=SCP, Description="x", Content=json.dumps({"Version": "2012-10-17", "Statement": []})
    )
    assert made not in DENIED  # what takes nothing off goes on
    assert desk.false_positive(desk.company.leaked.access_key)["status"] == "ok" and attached(bed) == {}


def test_nor_does_he_take_off_the_standing_fence(desk: Desk) -> None:
    bed = desk.bed
    admin = bed.client("organizations", administrator(bed, desk.company.production))
    bed.organizations(delegated=[A])
    deploy(desk)
    (policy,) = [p["Id"] for p in organizations(bed).list_policies(Filter=SCP)["Policies"] if p["Name"] == "evict-standing-fence"]
    before = bed.snapshot()
    tried = taking_off(admin, policy, desk)
    assert set(tried.values()) <= DENIED, tried
    assert bed.snapshot() == before


def test_the_role_that_writes_it_may_take_it_off_where_the_account_is_the_delegated_one(desk: Desk) -> None:
    bed = desk.bed
    iam = bed.client("iam", desk.company.production.root, direct=True)
    iam.create_role(RoleName="incident-policies", AssumeRolePolicyDocument=trust({"AWS": desk.company.responder_arn}))
    iam.put_role_policy(RoleName="incident-policies", PolicyName="p", PolicyDocument=document(allow("organizations:*")))
    bed.client("iam", root(bed.management), direct=True).put_user_policy(UserName="responder", PolicyName="p", PolicyDocument=ALL)
    bed.organizations(delegated=[A])
    role = f"arn:aws:iam::{A}:role/incident-policies"
    desk.incident(desk.company.leaked.access_key, connection={"aws": {"role_arn": desk.company.role_template, "management_role_arn": role}})
    done = desk.contain()
    assert done["fences"][0]["control"] == "scp", done["fences"][0]["why"]
    written = content(bed, f"evict-IR-1-{A}-1")["Statement"]
    assert all(role in json.dumps(s["Condition"]) for s in written if s["Sid"][-1] in "WO") and role in json.dumps(
        [s["Resource"] for s in written if s["Sid"].endswith("W")]
    )  # protected as well
    others = bed.client("iam", administrator(bed, desk.company.production))
    assert (
        outcome(others, "put_role_policy", RoleName="incident-policies", PolicyName="p", PolicyDocument=document(allow("s3:*"))) in DENIED
    )
    assert desk.false_positive(desk.company.leaked.access_key)["status"] == "ok" and attached(bed) == {}


# -- a claim that a suspect wrote itself -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["x" * 256, "IR-NEVER", "IR-NEVER IR-1"])
@pytest.mark.parametrize("crowded", [False, True])
def test_what_a_suspect_writes_about_itself_stops_no_control_and_no_release(desk: Desk, said: str, crowded: bool) -> None:
    """The tag says which incidents hold AWSDenyAll, or the boundary. Nothing holds yet, so it says nothing true."""
    bed = desk.bed
    no_organization(bed)
    iam = bed.client("iam", desk.company.production.root, direct=True)
    if crowded:
        crowd(iam, 10)
    key, control = ("evict-boundary", "boundary") if crowded else ("evict-deny-all", "AWSDenyAll")
    iam.tag_user(UserName="ci-deploy", Tags=[{"Key": key, "Value": said}])
    before = bed.snapshot()
    desk.incident(desk.company.leaked.access_key, password="keep")
    done = desk.contain(hold="1s")
    assert control in status_of(done, "user/ci-deploy")["controls"] and done["problems"] == [], done["problems"]
    assert {t["Key"]: t["Value"] for t in iam.get_user(UserName="ci-deploy")["User"]["Tags"]}[key] == "IR-1"
    assert desk.contain(hold="1s")["changed_count"] == 0
    done = desk.false_positive(desk.company.leaked.access_key)
    assert done["status"] == "ok" and bed.snapshot() == before, done["open"]  # what stood there before stands there again
    assert desk.false_positive(desk.company.leaked.access_key)["changed_count"] == 0


def test_a_tag_without_room_for_another_incident_still_holds(desk: Desk) -> None:
    """Of the standing fence any value denies; of AWSDenyAll that stands already nothing is to be done."""
    bed = desk.bed
    iam = bed.client("iam", desk.company.production.root, direct=True)
    deny_all = "arn:aws:iam::aws:policy/AWSDenyAll"
    tag = [{"Key": key, "Value": "x" * 256} for key in (TAG, "evict-deny-all")]
    iam.tag_user(UserName="ci-deploy", Tags=tag)
    iam.attach_user_policy(UserName="ci-deploy", PolicyArn=deny_all)
    deploy(desk)
    refused(bed)
    desk.incident(desk.company.leaked.access_key)
    done = desk.contain(account_fence="pre_deployed", hold="1s")
    assert {f"tag:{TAG}", "AWSDenyAll"} <= set(status_of(done, "user/ci-deploy")["controls"]) and done["problems"] == [], done["problems"]


# -- what the standing fence is trusted on -----------------------------------------------------------------------------------------


def test_where_a_tag_cannot_be_looked_at_the_other_form_holds(desk: Desk) -> None:
    """No result is not a tag that stands."""
    bed = desk.bed
    deploy(desk)
    desk.incident(desk.company.leaked.access_key)
    assert desk.run("aws_account_fence", state="verified", accounts=[A])["fences"][0]["standing"] == "canary"
    bed.rule("fail", service="iam", operation="GetUser", at=2, mutating=False, times=99, code="AccessDenied", message="x", status=403)
    done = desk.contain(account_fence="pre_deployed")
    assert done["fences"][0]["control"] == "scp" and any(c.startswith("scp:") for c in status_of(done, "user/ci-deploy")["controls"])


@pytest.mark.parametrize("lacks", ["EvictStandingTag", "EvictStandingDetach"])
def test_a_standing_fence_that_can_be_lifted_is_not_trusted(desk: Desk, lacks: str) -> None:
    bed = desk.bed
    deploy(desk)
    said = content(bed, "evict-standing-fence")
    said["Statement"] = [s for s in said["Statement"] if s["Sid"] != lacks]
    (policy,) = [p["Id"] for p in organizations(bed).list_policies(Filter=SCP)["Policies"] if p["Name"] == "evict-standing-fence"]
    organizations(bed).update_policy(PolicyId=policy, Content=json.dumps(said))
    before = bed.snapshot()
    desk.incident(desk.company.leaked.access_key)
    seen = desk.run("aws_account_fence", state="verified", accounts=[A])
    assert seen["status"] == "open" and "can lift it" in seen["fences"][0]["standing_why"] and bed.snapshot() == before, seen["fences"]
    done = desk.contain(account_fence="pre_deployed", hold="1s")
    assert done["fences"][0]["control"] == "scp" and f"tag:{TAG}" not in status_of(done, "user/ci-deploy")["controls"]


@pytest.mark.parametrize("phase", ["contain", "hold"])
def test_a_standing_fence_that_was_detached_since_is_not_trusted_any_more(desk: Desk, phase: str) -> None:
    """Each run in which nothing but the tag holds sends a canary of its own."""
    bed = desk.bed
    deploy(desk)
    desk.incident(desk.company.leaked.access_key)
    desk.run("aws_account_fence", state="verified", accounts=[A])
    assert desk.contain(account_fence="pre_deployed", hold="1s")["fences"][0]["control"] == "tag"
    (policy,) = [p["Id"] for p in organizations(bed).list_policies(Filter=SCP)["Policies"] if p["Name"] == "evict-standing-fence"]
    organizations(bed).detach_policy(PolicyId=policy, TargetId=desk.company.root_id)
    done = desk.contain(account_fence="pre_deployed", hold="1s", **({"phase": phase} if phase == "hold" else {}))
    (fence,) = done["fences"]
    assert (fence["control"], fence["standing"]) == ("scp", "unknown") and list(attached(bed)) == [f"evict-IR-1-{A}-1"], fence
    assert f"tag:{TAG}" not in status_of(done, "user/ci-deploy")["controls"]


def test_beside_the_standing_fence_the_resources_refuse_as_well(desk: Desk) -> None:
    """It judges the account's own principals only; and the result says why no policy of the incident was written."""
    bed = desk.bed
    organizations(bed).enable_policy_type(RootId=desk.company.root_id, PolicyType=RCP)
    deploy(desk)
    before = bed.snapshot()
    desk.incident(desk.company.leaked.access_key, password="keep")
    desk.run("aws_account_fence", state="verified", accounts=[A])
    done = desk.contain(account_fence="pre_deployed", hold="1s")
    (fence,) = done["fences"]
    assert (fence["control"], fence["resources"]) == ("tag", list(resource_policies(bed))) and len(fence["resources"]) == 1, fence
    assert "the standing fence holds" in fence["why"] and there(bed) == ["evict-standing-fence"]
    again = desk.contain(account_fence="pre_deployed", hold="1s")
    assert again["changed_count"] == 0 and again["fences"][0]["control"] == "tag"
    done = desk.false_positive(desk.company.leaked.access_key)
    assert done["status"] == "ok" and bed.snapshot() == before


@pytest.mark.parametrize("phase", ["all", "hold"])
def test_a_policy_that_cannot_be_attached_is_no_change_of_a_later_run(desk: Desk, monkeypatch: pytest.MonkeyPatch, phase: str) -> None:
    """It is asked again, made and taken away again; were that a change, the case would have to be looked at again for ever."""
    monkeypatch.setattr(refusals, "_SOON", datetime.timedelta(0))
    bed = desk.bed
    desk.incident(desk.company.leaked.access_key)
    bed.rule("fail", operation="AttachPolicy", status=400, code="AccessDeniedException", times=99)
    first = desk.contain(hold="1s")
    assert first["fences"][0]["instead"] == ["AWSDenyAll"] and there(bed) == [], first["fences"]
    asked = sum(c["operation"] == "CreatePolicy" for c in bed.calls())
    again = desk.contain(hold="1s", phase=phase)
    assert sum(c["operation"] == "CreatePolicy" for c in bed.calls()) > asked, "it was not asked again: the test proves nothing"
    assert again["changed"] is False and again["looks"] == first["looks"] and there(bed) == []


# -- whose policies are extended ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["evict-standing-fence", "evict-IR-0-333333333333-1", "evict-the-old-tools", f"evict-by-hand-{A}"])
def test_with_no_slot_free_nobody_elses_policy_is_extended(desk: Desk, name: str) -> None:
    """Its name begins like ours, and other accounts stand under it."""
    bed = desk.bed
    fill(bed, 3)
    client = organizations(bed)
    deny = document({"Sid": "Own", "Effect": "Deny", "Action": "sqs:Purge*", "Resource": "*"})
    made = client.create_policy(Name=name, Type=SCP, Description="x", Content=deny)["Policy"]["PolicySummary"]["Id"]
    for account in (A, desk.company.staging.id):
        client.attach_policy(PolicyId=made, TargetId=account)
    desk.incident(desk.company.leaked.access_key)
    (fence,) = desk.contain(hold="1s")["fences"]
    assert content(bed, name) == json.loads(deny) and fence["instead"] == ["AWSDenyAll"], fence


def test_the_freeze_is_not_written_into_another_incidents_policy(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has attached that elsewhere would freeze other accounts. In a policy of its own it stands."""
    bed = desk.bed
    real = account_fence.AccountFences.renew

    def renew(fences: Any, *, again: bool = False) -> None:
        fences._until, fences.frozen = "2099-01-01T00:00:00Z", True
        real(fences, again=True)

    monkeypatch.setattr(account_fence.AccountFences, "renew", renew)
    fill(bed, 3)
    other = Desk(bed, desk.company, desk.folder, "IR-2")
    desk.incident(USER)
    other.incident(BOB)
    desk.contain()
    assert other.contain()["fences"][0]["control"] == "scp"
    sids = [s["Sid"] for s in content(bed, f"evict-IR-1-{A}-1")["Statement"]]
    assert (
        f"Evict{desk.incident_sid()}Z" in sids and f"Evict{other.incident_sid()}D" in sids and f"Evict{other.incident_sid()}Z" not in sids
    ), sids


def test_a_suspect_of_unknown_account_delays_no_fence_and_gets_its_own(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    bed, real = desk.bed, session.Aws.call

    def slow(aws: Any, call: Any, parameters: Any = None) -> Any:
        if call.operation == "LookupEvents":
            time.sleep(3)
        return real(aws, call, parameters)

    monkeypatch.setattr(session.Aws, "call", slow)
    held = [
        Credentials.of(bed.client("sts", key).get_session_token()["Credentials"])
        for key in (desk.company.staging.keys["ci-deploy"], desk.company.production.keys["bob"])
    ]
    assert [works(bed, one) for one in held] == ["ok", "ok"]  # so that the log knows them
    elsewhere, here = (one.access_key for one in held)
    desk.incident({"account": A, "access_key_id": desk.company.leaked.access_key}, {"access_key_id": elsewhere}, {"access_key_id": here})
    began = time.time()
    done = desk.contain(hold="1s")
    first = min(c["time"] for c in bed.calls() if c["operation"] == "CreatePolicy") - began
    asked = max(c["time"] for c in bed.calls() if c["operation"] == "LookupEvents") - began
    assert first < asked, "the fence waited for the log"
    assert BOB in json.dumps(content(bed, f"evict-IR-1-{A}-1")) and [f["control"] for f in done["fences"]] == ["scp", "scp"], (
        done["problems"],
        done["principals"],
    )
    assert list(attached(bed, desk.company.staging.id)) == [f"evict-IR-1-{desk.company.staging.id}-1"]


# -- a long list of protected ------------------------------------------------------------------------------------------------------


def test_a_long_list_of_protected_costs_their_protection_and_not_the_fence(desk: Desk) -> None:
    bed = desk.bed
    many = [f"arn:aws:iam::{A}:role/production/service-with-a-name-{n:03d}" for n in range(45)]
    desk.incident(desk.company.leaked.access_key, BOB, protected=many, password="keep")
    before = bed.snapshot()
    done = desk.contain()
    assert done["fences"][0]["control"] == "scp" and "no room to keep others from changing it" in json.dumps(done["warnings"]), done[
        "fences"
    ]
    (write,) = [s for s in content(bed, f"evict-IR-1-{A}-1")["Statement"] if s["Sid"].endswith("W")]
    assert set(many) < set(write["Condition"]["ArnNotLike"]["aws:PrincipalArn"]) and not set(many) & set(write["Resource"])
    assert desk.company.production.responder_role in write["Resource"]
    assert desk.contain()["changed_count"] == 0
    assert desk.false_positive(BOB)["status"] == "ok" and USER in json.dumps(content(bed, f"evict-IR-1-{A}-1"))
    assert desk.false_positive(desk.company.leaked.access_key)["status"] == "ok" and bed.snapshot() == before
    (note,) = [n for n in desk.ledger().notes["principal"] if n["data"]["arn"] == USER]
    assert "what is protected" in json.dumps(note["data"]["breaks"])


def test_where_they_leave_no_room_at_all_it_is_said_what_helps(desk: Desk) -> None:
    many = [f"arn:aws:iam::{A}:role/production/service-with-a-name-{n:03d}" for n in range(90)]
    desk.incident(desk.company.leaked.access_key, protected=many)
    (fence,) = desk.contain(hold="1s")["fences"]
    assert fence["instead"] == ["AWSDenyAll"] and "under protected" in fence["remedy"] and "detach" not in fence["remedy"], fence


# -- two runs write into one policy ------------------------------------------------------------------------------------------------


def test_whom_a_run_beside_has_added_since_it_was_read_stays(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two jobs of one case: the other writes between this one's plan and its write."""
    bed, real, looks = desk.bed, session.Aws.call, []
    desk.incident(USER)
    desk.contain()
    name = f"evict-IR-1-{A}-1"
    desk.run("aws_identity_quarantine", principals=[ALICE])

    def racing(aws: Any, call: Any, parameters: Any = None) -> Any:
        if call.operation == "DescribePolicy":
            looks.append(call)
            if len(looks) == 2:  # the one right before the write
                changed = content(bed, name)
                (whole,) = [s for s in changed["Statement"] if s["Sid"].endswith("D")]
                whole["Condition"]["ArnLike"]["aws:PrincipalArn"] = sorted({USER, BOB})
                organizations(bed).update_policy(PolicyId=attached(bed)[name], Content=json.dumps(changed, separators=(",", ":")))
        return real(aws, call, parameters)

    monkeypatch.setattr(session.Aws, "call", racing)
    done = desk.run("aws_account_fence", principals=[ALICE])
    held = json.dumps([s for s in content(bed, name)["Statement"] if s["Sid"].endswith("D")])
    assert all(who in held for who in (USER, BOB, ALICE)) and done["problems"] == [] and done["status"] == "ok", (done["problems"], held)
    done = desk.false_positive(ALICE)
    assert ALICE not in json.dumps(content(bed, name)), done["open"]  # the ledger knows what stands


@pytest.mark.parametrize("after", [0, 1])
def test_an_older_copy_that_another_run_writes_over_it_is_found(desk: Desk, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Two incidents in one policy: the other had read it before. ``after``: so many looks."""
    bed, real, looks = desk.bed, session.Aws.call, []
    fill(bed, 3)
    other = Desk(bed, desk.company, desk.folder, "IR-2")
    desk.incident(USER)
    other.incident(BOB)
    desk.contain()
    name = f"evict-IR-1-{A}-1"
    copy = content(bed, name)
    copy["Statement"].append(
        {
            "Sid": "Evict1111222233334444D",
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {"ArnLike": {"aws:PrincipalArn": ALICE}},
        }
    )

    def racing(aws: Any, call: Any, parameters: Any = None) -> Any:
        if looks and call.operation == "DescribePolicy":
            looks.append(call)
            if len(looks) == after + 2:
                organizations(bed).update_policy(PolicyId=attached(bed)[name], Content=json.dumps(copy, separators=(",", ":")))
        answer = real(aws, call, parameters)
        if call.operation == "UpdatePolicy":
            looks.append(call)
        return answer

    monkeypatch.setattr(session.Aws, "call", racing)
    done = other.contain(hold="1s")
    held = json.dumps(content(bed, name))
    assert len(looks) > after + 2 and USER in held and BOB in held and ALICE in held, done["fences"]
    assert done["status"] == "ok" and done["fences"][0]["control"] == "scp", done["problems"]
    assert other.contain(hold="1s")["changed_count"] == 0


def test_a_run_beside_leaves_the_freeze_and_both_responders_exempt(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second job of the case, under another role, plans the policy of one that fights: nothing of it is undone, and neither takes the other for the attacker."""
    bed, name, real = desk.bed, f"evict-IR-1-{A}-1", hold.Hold._hold
    role = second_responder(desk)
    desk.incident(USER, BOB)
    seen: list[Any] = []

    def fight(self: Any, deadline: float) -> None:
        if seen:
            real(self, deadline)
            return
        seen.append(self)
        self.run.fences.freeze(utc(120))
        seen.append(by_part(bed, name))
        done = desk.contain(hold="1s", role_arn=role.replace(A, "{account}"))
        seen.append(by_part(bed, name))
        assert (done["status"], done["problems"]) == ("ok", []), done["problems"]
        before = self.runner.rewritten
        self.run.repeat()
        assert self.runner.rewritten == before
        seen.append(by_part(bed, name))

    monkeypatch.setattr(hold.Hold, "_hold", fight)
    done = desk.contain(hold="1s")
    _hold, first, second, third = seen
    mine, at = desk.company.production.responder_role, lambda found, part: str(found[part]["Condition"]["ArnNotLike"])
    assert second["Z"]["Condition"]["DateLessThan"] == first["Z"]["Condition"]["DateLessThan"]
    assert all(who in at(second, part) for who in (role, mine) for part in "WZ") and third == second
    assert "Z" not in by_part(bed, name) and role in at(by_part(bed, name), "W"), "the run that froze it lifts that itself"
    assert done["problems"] == [] and desk.false_positive(BOB)["status"] == "ok"


def by_part(bed: Any, name: str) -> dict[str, Any]:
    """{last letters of the Sid: statement}."""
    return {s["Sid"][21:]: s for s in content(bed, name)["Statement"]}
