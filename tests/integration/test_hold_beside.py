"""Hold in an account in which others work too: another incident, and whom nobody suspects."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import account_state, own, put_back
from ansible_collections.evict.cloud.plugins.module_utils.common import plan
from ansible_collections.evict.cloud.plugins.module_utils.common.case import Case
from ansible_collections.evict.cloud.plugins.module_utils.common.ledger import Ledger
from ansible_collections.evict.cloud.plugins.module_utils.common.store import StoreUnavailable
from tests.beds.bed import Bed, Credentials
from tests.beds.company import Company
from tests.integration.helpers import DEAD, Desk, outcome, status_of, works
from tests.integration.test_hold import ALL, LAG, USER, Undoer, bed, company, desk, hold

__all__ = ["bed", "company", "desk"]  # fixtures
pytestmark = pytest.mark.bed
DENY_S3 = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}'
OTHER = "evict-quarantine-IR-2"


@pytest.fixture
def other(bed: Bed, company: Company, tmp_path: Path) -> Desk:
    """Another incident, which has contained bob."""
    bed.lag(0)
    found = Desk(bed, company, tmp_path, "IR-2")
    found.incident(company.production.keys["bob"].access_key)
    found.contain_below()
    bed.lag(LAG)
    assert works(bed, company.production.keys["bob"]) in DEAD
    return found


def fences(bed: Bed, company: Company) -> list[str]:
    iam = bed.client("iam", company.production.root, direct=True)
    return sorted(name for name in iam.list_user_policies(UserName="bob")["PolicyNames"] if name.startswith("evict-"))


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("act", ["delete", "weaken"])
def test_the_fence_of_another_incident_is_put_back(desk: Desk, bed: Bed, company: Company, act: str) -> None:
    thief, before = bed.client("iam", company.leaked), fences(bed, company)
    assert OTHER in before

    def take() -> str:
        if act == "delete":
            return outcome(thief, "delete_user_policy", UserName="bob", PolicyName=OTHER)
        return outcome(thief, "put_user_policy", UserName="bob", PolicyName=OTHER, PolicyDocument=DENY_S3)

    with Undoer(bed, take, tries=1) as undoer:
        done = hold(desk)
    assert undoer.done == 1 and fences(bed, company) == before and done["manual"] == [], done["open"]
    iam = bed.client("iam", company.production.root, direct=True)
    (statement,) = iam.get_user_policy(UserName="bob", PolicyName=OTHER)["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "*")


@pytest.mark.usefixtures("other")
def test_whoever_takes_the_fence_of_another_incident_away_is_a_suspect(desk: Desk, bed: Bed, company: Company) -> None:
    bed.client("iam", company.production.root, direct=True).put_user_policy(UserName="alice", PolicyName="all", PolicyDocument=ALL)
    bed.lag(LAG)
    alice = bed.client("iam", company.production.keys["alice"])
    with Undoer(bed, lambda: outcome(alice, "delete_user_policy", UserName="bob", PolicyName=OTHER), tries=1) as undoer:
        done = hold(desk)
    assert undoer.done == 1 and OTHER in fences(bed, company)
    assert status_of(done, "user/alice")["action"] == "contained" and works(bed, company.production.keys["alice"]) in DEAD


def test_what_the_other_incident_releases_itself_stays_released(desk: Desk, bed: Bed, company: Company, other: Desk) -> None:
    released = []

    def release() -> str:
        released.append(other.restore()["status"])
        return "ok"

    with Undoer(bed, release, tries=1) as undoer:
        done = hold(desk)
    assert undoer.done == 1 and released == ["ok"] and OTHER not in fences(bed, company)
    assert done["status"] == "ok" and [p["name"] for p in done["principals"]] == ["ci-deploy"], done["open"]


def test_what_somebody_else_gives_meanwhile_is_said_with_who_gave_it(desk: Desk, bed: Bed, company: Company) -> None:
    """A function or a stack that the suspect set to work acts as a role that nobody suspects."""
    iam, policy = bed.client("iam", company.production.root, direct=True), "arn:aws:iam::aws:policy/AdministratorAccess"
    iam.put_role_policy(RoleName="deploy", PolicyName="all", PolicyDocument=ALL)
    worker = bed.client("sts", company.production.keys["alice"])
    stack = Credentials.of(worker.assume_role(RoleArn=company.production.roles["deploy"], RoleSessionName="stack")["Credentials"])
    bed.lag(LAG)
    by = bed.client("iam", stack)

    def act() -> str:
        outcome(by, "put_user_policy", UserName="app-orders", PolicyName="less", PolicyDocument=DENY_S3)
        return outcome(by, "attach_user_policy", UserName="bob", PolicyArn=policy)

    with Undoer(bed, act, tries=1) as undoer:
        done = hold(desk)
    assert undoer.done == 1 and done["status"] == "ok", done["open"]
    (row,) = done["watch"]
    assert row["object"].endswith("user/bob") and company.production.roles["deploy"] in row["why"] and policy in row["why"], row
    assert hold(desk)["watch"] == []  # said once


def test_with_too_many_users_those_of_whom_the_log_tells_are_compared_and_the_rest_is_said(
    desk: Desk, bed: Bed, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_state, "USERS", 3)
    bed.client("iam", company.production.root, direct=True).put_role_policy(RoleName="deploy", PolicyName="all", PolicyDocument=ALL)
    worker, made = bed.client("sts", company.production.keys["alice"]), []
    stack = Credentials.of(worker.assume_role(RoleArn=company.production.roles["deploy"], RoleSessionName="stack")["Credentials"])
    bed.lag(LAG)

    def act() -> str:
        made.append(bed.client("iam", stack).create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"])
        return "ok"

    with Undoer(bed, act, tries=1):
        done = hold(desk)
    (row,) = done["watch"]
    assert row["object"].endswith("user/bob") and f"key/{made[0]} was added by" in row["why"], done["watch"]
    (item,) = done["manual"]
    assert item["object"] == company.production.id and "credential report" in item["what"] and done["status"] == "open"
    desk.run("case_confirm", case=str(desk.case), item=item["id"], by="Ada", note="looked")
    assert hold(desk)["status"] == "ok"


def test_what_a_containment_beside_took_from_the_suspect_is_not_given_back(desk: Desk, bed: Bed, company: Company) -> None:
    """The suspect had it before this run began; the other run saw it being added."""
    iam = bed.client("iam", company.production.root, direct=True)
    policy = iam.create_policy(PolicyName="adm", PolicyDocument=ALL)["Policy"]["Arn"]
    iam.attach_user_policy(UserName="ci-deploy", PolicyArn=policy)
    bed.lag(LAG)
    change = account_state.Change(USER, f"attached/{policy}", None, True)

    def beside() -> str:
        other = Ledger.open(desk.store, incident=desk.name, module="aws_contain", contain=True)
        other.intent([plan.encode(step) for step in put_back.steps(change, plan.Target("aws", company.production.id))])
        return outcome(iam, "detach_user_policy", UserName="ci-deploy", PolicyArn=policy)

    with Undoer(bed, beside, tries=1) as undoer:
        done = hold(desk)
    assert undoer.done == 1 and iam.list_attached_user_policies(UserName="ci-deploy")["AttachedPolicies"] == []
    assert (done["status"], done["watch"]) == ("ok", []), done["open"]


@pytest.mark.parametrize("ours", [False, True])
def test_while_the_ledger_of_a_run_beside_cannot_be_read_hold_goes_on(
    desk: Desk, bed: Bed, company: Company, monkeypatch: pytest.MonkeyPatch, ours: bool
) -> None:
    """What nobody knows the author of waits for the next pass, which undoes it, unless it was the other run."""
    iam, policy = bed.client("iam", company.production.root, direct=True), "arn:aws:iam::aws:policy/AdministratorAccess"
    real, failed, change = own.meanwhile, [], account_state.Change(USER, f"attached/{policy}", True, None)

    def meanwhile(case: Case) -> list[plan.Step]:
        if not failed:
            failed.append(case)
            raise StoreUnavailable("unreachable")
        return real(case)

    def act() -> str:
        if ours:
            other = Ledger.open(desk.store, incident=desk.name, module="aws_contain", contain=True)
            other.intent([plan.encode(step) for step in put_back.steps(change, plan.Target("aws", company.production.id))])
        return outcome(iam, "attach_user_policy", UserName="ci-deploy", PolicyArn=policy)

    monkeypatch.setattr(own, "meanwhile", meanwhile)
    with Undoer(bed, act, tries=1) as undoer:
        done = hold(desk, spread="1s")
    assert undoer.done == 1 and failed
    assert bool(iam.list_attached_user_policies(UserName="ci-deploy")["AttachedPolicies"]) is ours
    asked = [] if ours else [USER]  # what was undone is open until the log has its author
    assert [row["object"] for row in done["watch"]] == asked and done["not_compared"] == [], done["open"]
    assert done["status"] == ("ok" if ours else "open"), done["open"]
