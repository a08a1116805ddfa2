"""CloudTrail is minutes late: what a run cannot explain yet is kept, said, and answered by a later look or by a person, never forgotten."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import looks
from tests.beds.bed import Bed, Credentials
from tests.beds.company import Company
from tests.integration.helpers import DEAD, Desk, outcome, status_of, works
from tests.integration.test_hold import ALL, DENY, LAG, Undoer, administrator, bed, company, desk, hold

__all__ = ["bed", "company", "desk"]  # fixtures
pytestmark = pytest.mark.bed
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The looks are due after one and two seconds, not after 15 and 60 minutes."""
    monkeypatch.setattr(looks, "AFTER", (datetime.timedelta(seconds=1), datetime.timedelta(seconds=2)))


def late(desk: Desk, act: Callable[[], str], **more: Any) -> dict[str, Any]:
    """A containment in whose window ``act`` is done once, while CloudTrail says nothing of the last quarter of an hour."""
    desk.bed.configure(trail_delay=900)
    with Undoer(desk.bed, act, tries=1) as undoer:
        done = hold(desk, **more)
    assert undoer.done == 1, "the bed let nobody do it: the test proves nothing"
    return done


def look(desk: Desk, **more: Any) -> dict[str, Any]:
    """A later look, when it is due and CloudTrail is complete."""
    desk.bed.configure(trail_delay=0)
    time.sleep(2.5)
    return hold(desk, phase="hold", **more)


def close(desk: Desk, **more: Any) -> dict[str, Any]:
    return desk.run("case", case=str(desk.case), state="closed", **more)


def by_hand(done: dict[str, Any]) -> list[str]:
    """What waits for an answer, by object; it is open, somebody may still act by it, and a person is told what to do."""
    rows = [row for row in done["manual"] if row["id"].startswith("manual/unexplained/")]
    for row in rows:
        assert any(o["object"] == row["object"] and "CloudTrail" in o["why"] for o in done["open"]), done["open"]
        assert any(r["object"] == row["object"] and r["until"] == "somebody knows whose it is" for r in done["residual"]), done["residual"]
    return sorted(row["object"].rsplit("/", 1)[-1] for row in rows)


def attached(company: Company, bed: Bed, user: str = "bob") -> list[str]:
    iam = bed.client("iam", company.production.root, direct=True)
    return [p["PolicyArn"] for p in iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]]


@pytest.mark.parametrize("fence", ["none", "on_the_spot"])
def test_grants_that_the_history_explains_later_are_undone_by_the_look(desk: Desk, bed: Bed, company: Company, fence: str) -> None:
    thief, iam = bed.client("iam", company.leaked), bed.client("iam", company.production.root, direct=True)
    work = iam.get_user_policy(UserName="bob", PolicyName="work")["PolicyDocument"]

    def grant() -> str:
        said = {
            outcome(thief, "attach_user_policy", UserName="bob", PolicyArn=ADMINISTRATOR),
            outcome(thief, "put_user_policy", UserName="bob", PolicyName="work", PolicyDocument=ALL),
        }
        return "ok" if said == {"ok"} else "no"

    done = late(desk, grant, account_fence=fence)
    assert done["status"] == "open" and by_hand(done) == ["bob", "bob"], done["open"]
    refused = close(desk, reason="we are in a hurry")
    assert refused["failed"] and "nobody knows who made them" in refused["msg"] and "attached/" in refused["msg"], refused
    looked = look(desk, account_fence=fence)
    assert attached(company, bed) == []
    assert iam.get_user_policy(UserName="bob", PolicyName="work")["PolicyDocument"] == work
    assert by_hand(looked) == [] and looked["status"] == "ok", looked["open"]
    again = look(desk, account_fence=fence)  # the clock began anew with what the look changed
    assert again["changed"] is False and again["looks"] == []
    assert not close(desk).get("failed")


@pytest.mark.parametrize("fence", ["none", "on_the_spot"])
def test_whoever_lifted_a_control_is_contained_by_the_look_that_learns_of_it(desk: Desk, bed: Bed, company: Company, fence: str) -> None:
    iam = bed.client("iam", company.production.root, direct=True)
    iam.create_user(UserName="sleeper")
    iam.put_user_policy(UserName="sleeper", PolicyName="all", PolicyDocument=ALL)
    key = Credentials.of(iam.create_access_key(UserName="sleeper")["AccessKey"])
    bed.lag(LAG)
    sleeper = bed.client("iam", key)

    def lift() -> str:
        outcome(sleeper, "attach_user_policy", UserName="bob", PolicyArn=ADMINISTRATOR)
        return outcome(sleeper, "delete_user_policy", UserName="ci-deploy", PolicyName=DENY)

    done = late(desk, lift, account_fence=fence)
    assert works(bed, company.leaked) in DEAD  # the control was written again
    assert done["status"] == "open" and set(by_hand(done)) == {"bob", "ci-deploy"}, done["open"]
    looked = look(desk, account_fence=fence)
    assert works(bed, key) in DEAD and "took away" in status_of(looked, "user/sleeper")["reason"]
    assert attached(company, bed) == [] and by_hand(looked) == [], looked["open"]


def test_a_new_administrator_is_open_until_the_look_has_cut_it(desk: Desk, bed: Bed, company: Company) -> None:
    thief, made = bed.client("iam", company.leaked), []

    def create() -> str:
        if outcome(thief, "create_user", UserName="helper") != "ok":
            return "no"
        made.append(Credentials.of(thief.create_access_key(UserName="helper")["AccessKey"]))
        return outcome(thief, "put_user_policy", UserName="helper", PolicyName="all", PolicyDocument=ALL)

    done = late(desk, create)
    assert done["status"] == "open" and by_hand(done) == ["helper"], done["open"]
    assert any("user/helper" in w["object"] for w in done["watch"]), done["watch"]
    looked = look(desk)
    assert works(bed, made[0]) in DEAD and by_hand(looked) == [] and status_of(looked, "user/helper")["action"] == "contained"


def test_what_a_colleague_did_is_open_until_the_look_knows_it(desk: Desk, bed: Bed, company: Company) -> None:
    admin = bed.client("iam", company.production.root)
    done = late(desk, lambda: outcome(admin, "attach_user_policy", UserName="bob", PolicyArn=ADMINISTRATOR))
    assert done["status"] == "open" and by_hand(done) == ["bob"], done["open"]
    looked = look(desk)
    assert looked["status"] == "ok" and attached(company, bed) == [ADMINISTRATOR], looked["open"]
    assert any("user/bob" in w["object"] and ":root" in w["why"] for w in looked["watch"]), looked["watch"]
    assert look(desk)["watch"] == [] and not close(desk).get("failed")  # said once


def test_what_no_log_explains_keeps_the_case_open_until_a_person_answers_for_it(desk: Desk, bed: Bed, company: Company) -> None:
    done = late(
        desk,
        lambda: outcome(
            bed.client("iam", company.production.root, direct=True), "attach_user_policy", UserName="bob", PolicyArn=ADMINISTRATOR
        ),
    )
    (item,) = [row["id"] for row in done["manual"]]
    looked = look(desk)
    assert looked["looks"] == [] and looked["status"] == "open" and by_hand(looked) == ["bob"], looked["open"]
    assert [row["id"] for row in looked["manual"]] == [item]
    assert close(desk)["failed"]
    assert desk.run("case_confirm", case=str(desk.case), item=item, by="Ada", note="it was me")["changed"]
    answered = look(desk)
    assert answered["status"] == "ok" and answered["manual"] == [] and attached(company, bed) == [ADMINISTRATOR], answered["open"]
    assert not close(desk).get("failed")


def test_what_a_release_gave_back_needs_no_explanation(desk: Desk, bed: Bed, company: Company) -> None:
    desk.incident(company.leaked.access_key, company.production.users["bob"], password="keep")
    hold(desk)
    assert desk.false_positive(company.production.users["bob"])["problems"] == []
    looked = look(desk)
    assert by_hand(looked) == [] and works(bed, company.production.keys["bob"]) == "ok", looked["open"]
    assert [w for w in looked["watch"] if "released" not in w["why"]] == [], looked["watch"]


@pytest.mark.parametrize("operation", ["GetAccountAuthorizationDetails", "LookupEvents", "ListAccessKeys"])
def test_a_look_that_could_not_read_is_none(desk: Desk, bed: Bed, operation: str) -> None:
    assert len(hold(desk)["looks"]) == 2
    bed.rule("fail", operation=operation, mutating=False, times=1000, status=403, code="AccessDenied", message="no")
    blind = look(desk)
    bed.clear_rules()
    assert blind["status"] != "ok" and len(blind["looks"]) == 2, (blind["looks"], blind["open"])
    assert "second look" in close(desk)["msg"]
    assert look(desk)["looks"] == [] and not close(desk).get("failed")


def test_a_look_at_whom_it_can_find_no_more_compares_the_account_all_the_same(desk: Desk, bed: Bed, company: Company) -> None:
    hold(desk)
    assert desk.false_positive(company.leaked.access_key)["problems"] == []
    bed.rule("fail", operation="GetAccountAuthorizationDetails", mutating=False, times=1000, status=403, code="AccessDenied", message="no")
    blind = look(desk)
    bed.clear_rules()
    assert blind["principals"] == [] and len(blind["looks"]) == 2 and any("not compared as a whole" in o["why"] for o in blind["open"]), (
        blind["open"]
    )
    assert look(desk)["looks"] == [] and not close(desk).get("failed")


def test_what_a_suspect_did_to_the_logins_of_others_is_told_to_a_person(desk: Desk, bed: Bed, company: Company) -> None:
    """No state shows it: of a password IAM tells only when it was made first, and a device that is gone is no credential."""
    thief, iam = bed.client("iam", company.leaked), bed.client("iam", company.production.root, direct=True)
    if outcome(iam, "get_login_profile", UserName="alice") != "ok":
        iam.create_login_profile(UserName="alice", Password="Correct-Horse-9")
    serial = iam.create_virtual_mfa_device(VirtualMFADeviceName="bob")["VirtualMFADevice"]["SerialNumber"]
    iam.enable_mfa_device(UserName="bob", SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321")

    def act() -> str:
        outcome(thief, "update_login_profile", UserName="alice", Password="Attackers-Choice-1")
        return outcome(thief, "deactivate_mfa_device", UserName="bob", SerialNumber=serial)

    late(desk, act)
    looked = look(desk)
    rows = {row["object"].rsplit("/", 1)[-1]: row for row in looked["manual"]}
    assert set(rows) == {"alice", "bob"} and serial in rows["bob"]["what"], rows
    assert outcome(iam, "get_login_profile", UserName="alice") == "NoSuchEntity"  # it was the suspect's now
    assert looked["status"] == "open" and sum("by hand" in o["why"] for o in looked["open"]) == 2, looked["open"]
    for row in rows.values():
        desk.run("case_confirm", case=str(desk.case), item=row["id"], by="Ada", note="done")
    assert look(desk)["status"] == "ok"


def test_whom_a_colleague_deletes_is_looked_at_in_peace(desk: Desk, bed: Bed, company: Company) -> None:
    """What was done to a user is gone with it. No look takes that for an attack, writes to who is not there, or freezes the account."""
    iam, who = bed.client("iam", company.production.root), {"UserName": "ci-deploy"}
    bed.lag(0)
    hold(desk, spread="1s")
    for key in iam.list_access_keys(**who)["AccessKeyMetadata"]:
        iam.delete_access_key(**who, AccessKeyId=key["AccessKeyId"])
    for policy in iam.list_user_policies(**who)["PolicyNames"]:
        iam.delete_user_policy(**who, PolicyName=policy)
    iam.delete_login_profile(**who)
    iam.delete_user(**who)
    before = len(bed.calls(mutating=True))
    first, second = (hold(desk, phase="hold", spread="1s") for _look in range(2))
    written = [c["operation"] for c in bed.calls(mutating=True)[before:] if c["service"] == "iam"]
    assert written == [] and "reverted" not in desk.ledger().notes, written
    assert [p["operation"] for p in first["problems"] + second["problems"]] == ["iam:GetAccessKeyLastUsed"] * 2  # whose the deleted key was
    assert not first["changed"] and not second["changed"]


def test_whoever_lifted_a_control_between_two_looks_is_contained_though_the_look_writes_it_again_first(
    desk: Desk, bed: Bed, company: Company
) -> None:
    bed.lag(0)
    keys = {name: administrator(bed, company, name) for name in ("sleeper", "helper")}
    hold(desk, spread="1s", scope=0)
    sleeper, helper = (bed.client("iam", key) for key in keys.values())
    sleeper.delete_user_policy(UserName="ci-deploy", PolicyName=DENY)
    helper.update_access_key(UserName="ci-deploy", AccessKeyId=company.leaked.access_key, Status="Active")
    assert works(bed, company.leaked) == "ok"
    looked = hold(desk, phase="hold", spread="1s", scope=0)
    assert works(bed, company.leaked) in DEAD and {works(bed, key) for key in keys.values()} <= DEAD
    assert all("took away" in status_of(looked, f"user/{name}")["reason"] for name in keys), looked["principals"]
    assert sorted(n["data"]["by"].rsplit("/", 1)[-1] for n in desk.ledger().notes["reverted"]) == ["helper", "sleeper"]
    assert by_hand(looked) == [] and looked["status"] == "ok", looked["open"]
