"""Ways to hide from the response, each as the smallest attack that shows it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.beds.bed import Credentials
from tests.beds.company import trust
from tests.integration.helpers import DEAD, Desk, outcome, status_of, works
from tests.integration.test_hold import Undoer
from tests.redteam.arsenal import ADMIN

pytestmark = pytest.mark.bed


def test_a_user_whose_path_reads_like_a_role(desk: Desk) -> None:
    """The suspect's new user is taken for the production role of the same name: the role is denied, and the user stays."""
    bed, company = desk.bed, desk.company
    iam = bed.client("iam", company.leaked)
    iam.create_user(UserName="orders-lambda", Path="/x:role/")
    iam.put_user_policy(UserName="orders-lambda", PolicyName="all", PolicyDocument=ADMIN)
    key = Credentials.of(iam.create_access_key(UserName="orders-lambda")["AccessKey"])
    assert works(bed, key) == "ok"
    desk.incident(company.leaked.access_key)
    done = desk.run("aws_contain", hold="1s")
    assert not any(p["kind"] == "role" and p["name"] == "orders-lambda" for p in done["principals"]), done["principals"]
    assert works(bed, key) != "ok"
    assert status_of(done, "orders-lambda")["action"] == "contained"


def test_a_role_that_is_named_like_those_of_identity_center(desk: Desk) -> None:
    """IAM refuses to change roles under /aws-reserved/, whoever asks. A role of that name elsewhere is the attacker's own, and is cut."""
    bed, company = desk.bed, desk.company
    iam = bed.client("iam", company.leaked)
    trusting = trust({"AWS": company.production.users["bob"]})
    role = iam.create_role(RoleName="AWSReservedSSO_Support_0123456789abcdef", AssumeRolePolicyDocument=trusting)["Role"]["Arn"]
    iam.put_role_policy(RoleName=role.rsplit("/")[-1], PolicyName="all", PolicyDocument=ADMIN)
    by = company.production.keys["bob"]
    session = Credentials.of(bed.client("sts", by).assume_role(RoleArn=role, RoleSessionName="evil")["Credentials"])
    assert works(bed, session) == "ok"
    desk.incident(company.leaked.access_key)
    done = desk.run("aws_contain", hold="1s")
    assert works(bed, session) != "ok", done["problems"]


# -- under the responder's own name ------------------------------------------------------------------------------------------------

NAME = "evict-IR-1"  # of the responder's sessions, as every policy of the incident tells


def own_session(desk: Desk, user: str, writer: Credentials) -> Credentials:
    """A session of the responder's role that ``user`` opens, after ``writer`` has let it in."""
    company = desk.company
    both = trust({"AWS": [company.responder_arn, company.production.users[user]]})
    desk.bed.client("iam", writer, direct=writer is company.production.root).update_assume_role_policy(
        RoleName="incident-responder", PolicyDocument=both
    )
    by = company.leaked if user == "ci-deploy" else company.production.keys[user]
    answer = desk.bed.client("sts", by).assume_role(RoleArn=company.production.responder_role, RoleSessionName=NAME)
    return Credentials.of(answer["Credentials"])


def test_a_session_under_the_responders_own_name(desk: Desk) -> None:
    """What is the responder's own is told by the keys that it minted: the other session is denied, and the response goes on under another name."""
    bed, company = desk.bed, desk.company
    held = own_session(desk, "ci-deploy", company.leaked)
    assert works(bed, held) == "ok"
    desk.incident(company.leaked.access_key)
    done = desk.run("aws_contain", hold="1s")
    assert works(bed, held) in DEAD, done["open"]
    assert status_of(done, "user/ci-deploy")["action"] == "contained", done["problems"]
    again = desk.run("aws_contain", hold="1s")  # it is not locked out by its own deny
    assert not again["changed"] and status_of(again, "user/ci-deploy")["action"] == "contained", again["problems"]
    assert [f["operation"] for f in again["problems"]] == ["guard caller"]
    assert desk.restore()["problems"] == []


def test_whoever_takes_a_control_away_under_the_responders_own_name(desk: Desk) -> None:
    """Opened by somebody whom nobody suspects: nothing leads to it but what it does."""
    bed, company = desk.bed, desk.company
    held = own_session(desk, "bob", company.production.root)
    desk.incident(company.leaked.access_key, password="keep")
    iam, over, lifted = bed.client("iam", held), threading.Event(), []

    def lift() -> None:
        while not over.wait(0.3):
            lifted.append(outcome(iam, "delete_user_policy", UserName="ci-deploy", PolicyName="evict-quarantine-IR-1"))

    thread = threading.Thread(target=lift)
    thread.start()
    try:
        bed.lag(1.0)
        done = desk.contain_below(hold="60s", spread="2s", scope=20)
    finally:
        over.set()
        thread.join()
        bed.lag(0)
    assert "ok" in lifted, "it could not lift it even once: the test proves nothing"
    assert works(bed, held) in DEAD, (done["problems"], done["open"])
    assert status_of(done, "user/ci-deploy")["action"] == "contained"


def test_a_session_under_the_responders_name_of_a_role_that_it_does_not_use(desk: Desk) -> None:
    bed, company = desk.bed, desk.company
    glass = company.production.roles["break-glass"]
    both = trust({"AWS": [company.production.users["bob"], company.production.users["ci-deploy"]]})
    bed.client("iam", company.leaked).update_assume_role_policy(RoleName="break-glass", PolicyDocument=both)
    sts = bed.client("sts", company.leaked)
    held = Credentials.of(sts.assume_role(RoleArn=glass, RoleSessionName=NAME)["Credentials"])
    assert works(bed, held) == "ok"
    desk.incident(company.leaked.access_key, protected=[glass])
    done = desk.run("aws_contain", hold="1s")
    assert works(bed, held) in DEAD, done["open"]


def test_a_session_under_the_name_of_the_callers_own(desk: Desk) -> None:
    """Nothing tells the two apart, and a deny would end the response: it is left to a person, and said."""
    bed, company = desk.bed, desk.company
    both = trust({"AWS": [company.production.users["bob"], company.production.users["ci-deploy"]]})
    bed.client("iam", company.leaked).update_assume_role_policy(RoleName="incident-responder", PolicyDocument=both)
    sts, role = bed.client("sts", company.production.keys["bob"]), company.production.responder_role
    mine = Credentials.of(sts.assume_role(RoleArn=role, RoleSessionName="ada")["Credentials"])
    desk.bed.client("sts", company.leaked).assume_role(RoleArn=role, RoleSessionName="ada")
    desk.incident(company.leaked.access_key, connection={})
    done = desk.run("aws_contain", credentials=mine, hold="1s")
    assert works(bed, mine) == "ok", "the response cut itself off"
    assert any("ada" in row["why"] and "incident-responder" in row["object"] for row in done["open"]), done["open"]


def while_it_spreads(desk: Desk, act: Callable[[], str], scope: int = 20) -> tuple[dict[str, Any], int]:
    """A containment while which ``act`` is done again and again; how often it worked."""
    desk.incident(desk.company.leaked.access_key, password="keep")
    desk.bed.lag(2.0)
    try:
        with Undoer(desk.bed, act) as undoer:
            return desk.contain(hold="60s", spread="3s", scope=scope), undoer.done
    finally:
        desk.bed.lag(0)


# -- under another name ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "decoy"), [("path", False), ("name", True)])
def test_a_user_that_is_renamed_while_the_fence_spreads(desk: Desk, how: str, decoy: bool) -> None:
    """Every fence names the user: with another name or path, what is above the account does not reach it, and what is on it can be taken off."""
    bed, company = desk.bed, desk.company
    iam, name = bed.client("iam", company.leaked), "ci-deploy" if how == "path" else "ci-2"

    user_id = bed.client("iam", company.production.root, direct=True).get_user(UserName="ci-deploy")["User"]["UserId"]

    def rename() -> str:
        change = {"NewPath": "/ops/"} if how == "path" else {"NewUserName": name}
        said = outcome(iam, "update_user", UserName="ci-deploy", **change)
        if decoy and how == "name":
            outcome(iam, "create_user", UserName="ci-deploy")
        outcome(iam, "delete_user_policy", UserName=name, PolicyName="evict-quarantine-IR-1")
        outcome(iam, "update_access_key", UserName=name, AccessKeyId=company.leaked.access_key, Status="Active")
        return said

    done, undone = while_it_spreads(desk, rename)
    assert undone, "it could not be renamed: the test proves nothing"
    assert {works(bed, company.leaked), works(bed, company.worker)} <= DEAD, (done["problems"], done["open"])
    assert decoy or not any("by hand" in row["why"] for row in done["open"]), done["open"]
    row = next(p for p in done["principals"] if p["name"] in ("ci-deploy", name))
    assert row["action"] == "contained" and any(c.startswith("scp:") for c in row["controls"]), done["principals"]
    admin = bed.client("iam", company.production.root, direct=True)
    names = {u["UserId"]: u["UserName"] for u in admin.list_users()["Users"]}
    ours = {"UserName": names[user_id], "PolicyName": "evict-quarantine-IR-1"}
    assert names[user_id] == (name if decoy else "ci-deploy")
    assert outcome(admin, "delete_user_policy", **ours) in DEAD, "what is above the account names somebody else"


def test_a_session_that_was_minted_under_another_name_is_held_above_the_account(desk: Desk) -> None:
    """Its `aws:PrincipalArn` may be the name of then, which no fence names: the user's id outlasts every name, and goes with the user when it is released."""
    bed, company = desk.bed, desk.company
    admin = bed.client("iam", company.production.root, direct=True)
    admin.update_user(UserName="ci-deploy", NewUserName="ci-then")
    held = Credentials.of(bed.client("sts", company.leaked).get_session_token()["Credentials"])
    admin.update_user(UserName="ci-then", NewUserName="ci-deploy")
    assert works(bed, held) == "ok"
    before = bed.snapshot()
    desk.incident(company.leaked.access_key, password="keep")
    assert desk.run("aws_contain", hold="1s")["status"] in ("ok", "partial")
    sts, role = bed.client("sts", company.responder, direct=True), company.production.responder_role
    exempt = Credentials.of(sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"])
    bed.client("iam", exempt, direct=True).delete_user_policy(UserName="ci-deploy", PolicyName="evict-quarantine-IR-1")
    assert works(bed, held) in DEAD
    assert desk.false_positive(company.leaked.access_key)["problems"] == []
    assert works(bed, held) == "ok" and bed.snapshot() == before


def test_whoever_took_a_control_away_before_the_user_was_renamed_is_contained(desk: Desk) -> None:
    """What was written under the name that it had is in no later state of the account: only the history tells who took it away."""
    bed, company = desk.bed, desk.company
    admin = bed.client("iam", company.production.root, direct=True)
    admin.create_user(UserName="sleeper")
    admin.put_user_policy(UserName="sleeper", PolicyName="all", PolicyDocument=ADMIN)
    key = Credentials.of(admin.create_access_key(UserName="sleeper")["AccessKey"])
    sleeper, thief = bed.client("iam", key), bed.client("iam", company.leaked)

    def hide() -> str:
        taken = outcome(sleeper, "delete_user_policy", UserName="ci-deploy", PolicyName="evict-quarantine-IR-1")
        return outcome(thief, "update_user", UserName="ci-deploy", NewUserName="ci-2") if taken == "ok" else taken

    done, undone = while_it_spreads(desk, hide)
    assert undone, "it could not be renamed: the test proves nothing"
    row = next((p for p in done["principals"] if p["name"] == "sleeper"), None)
    assert row and row["action"] == "contained" and "took away" in row["reason"], (done["principals"], done["watch"])
    assert works(bed, key) in DEAD and works(bed, company.leaked) in DEAD


def test_who_deletes_the_leaked_key_before_the_user_is_renamed_is_no_accomplice_and_a_decoy_is_cut(desk: Desk) -> None:
    """A colleague does more than was asked; and what is new under the name that the user had is looked at like anything new."""
    bed, company = desk.bed, desk.company
    admin, thief = bed.client("iam", company.production.root, direct=True), bed.client("iam", company.leaked)
    admin.create_user(UserName="colleague")
    admin.put_user_policy(UserName="colleague", PolicyName="all", PolicyDocument=ADMIN)
    colleague = Credentials.of(admin.create_access_key(UserName="colleague")["AccessKey"])
    second = company.worker.access_key
    made: list[Credentials] = []

    def hide() -> str:
        said = outcome(thief, "update_user", UserName="ci-deploy", NewUserName="ci-2")
        if said == "ok" and outcome(thief, "create_user", UserName="ci-deploy") == "ok":
            outcome(thief, "put_user_policy", UserName="ci-deploy", PolicyName="all", PolicyDocument=ADMIN)
            made.append(Credentials.of(thief.create_access_key(UserName="ci-deploy")["AccessKey"]))
        return said

    def both() -> str:
        taken = outcome(bed.client("iam", colleague), "delete_access_key", UserName="ci-deploy", AccessKeyId=second)
        return hide() if taken == "ok" else taken

    done, undone = while_it_spreads(desk, both, scope=0)
    assert undone and made, "nothing was renamed, or there is no decoy: the test proves nothing"
    assert "colleague" not in {p["name"] for p in done["principals"]} and works(bed, colleague) == "ok", done["principals"]
    assert works(bed, made[0]) in DEAD and works(bed, company.leaked) in DEAD, (done["principals"], done["watch"])
