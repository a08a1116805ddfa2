"""The hold loop: who undoes a containment while it is spreading loses, on the enforcing bed."""

from __future__ import annotations

import datetime
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws.contain import Containment
from ansible_collections.evict.cloud.plugins.module_utils.common import looks
from tests.beds.bed import Bed, Credentials
from tests.beds.company import PRODUCTION, Company, document, seed, trust
from tests.integration.helpers import DEAD, Desk, outcome, status_of, works

LAG = 2.0  # seconds; the undoers have that long
DENY = "evict-quarantine-IR-1"
USER = f"arn:aws:iam::{PRODUCTION}:user/ci-deploy"
ALL = document({"Effect": "Allow", "Action": "*", "Resource": "*"})


@pytest.fixture
def bed() -> Iterator[Bed]:
    with Bed(lag=LAG) as found:
        yield found


@pytest.fixture
def company(bed: Bed) -> Company:
    found = seed(bed)
    bed.lag(LAG)
    return found


@pytest.fixture
def desk(bed: Bed, company: Company, tmp_path: Path) -> Desk:
    found = Desk(bed, company, tmp_path)
    found.incident(company.leaked.access_key, password="keep")
    return found


def administrator(bed: Bed, company: Company, name: str) -> Credentials:
    """The key of another administrator."""
    iam = bed.client("iam", company.production.root, direct=True)
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=ALL)
    return Credentials.of(iam.create_access_key(UserName=name)["AccessKey"])


def hold(desk: Desk, **more: Any) -> dict[str, Any]:
    """Below no account fence, so that what the identity's own fences do is seen."""
    return desk.contain_below(**{"hold": "60s", "spread": "3s", "scope": 20, **more})


class Undoer(threading.Thread):
    """Tries ``act`` every 0.2 s from the moment that the fence is written; ``done`` counts how often it worked."""

    def __init__(self, bed: Bed, act: Callable[[], str], tries: int = 10_000) -> None:
        super().__init__(daemon=True)
        self._bed, self._act, self._left = bed, act, tries
        self._over = threading.Event()
        self._before = len(bed.calls(mutating=True))
        self.done = 0

    def run(self) -> None:
        while not self._over.wait(0.1) and self._left:
            if any(c["operation"] == "PutUserPolicy" and not c["error"] for c in self._bed.calls(mutating=True)[self._before :]):
                self.done += self._act() == "ok"
                self._left -= 1

    def __enter__(self) -> Undoer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join(30)


def looks_at_the_account(bed: Bed) -> int:
    return sum(c["operation"] == "GetAccountAuthorizationDetails" for c in bed.calls())


def test_a_quiet_containment_ends_after_one_pass(desk: Desk, bed: Bed) -> None:
    before = looks_at_the_account(bed)
    done = hold(desk)
    assert looks_at_the_account(bed) - before == 2, "once before it is changed, and one pass"
    assert done["status"] == "ok" and status_of(done, "user/ci-deploy")["action"] == "contained", done["open"]
    assert len(done["looks"]) == 2 and done["watch"] == [] and done["not_compared"] == []
    state = bed.snapshot()
    again = hold(desk)
    assert again["changed"] is False and bed.snapshot() == state and again["looks"] == done["looks"]


def test_every_control_is_looked_at_again_though_reading_the_logs_took_longer_than_the_spread(
    desk: Desk, bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[bool] = []
    repeat = Containment.repeat
    monkeypatch.setattr(Containment, "wait_for_spread", lambda _run: False)  # it is over when hold begins
    monkeypatch.setattr(Containment, "repeat", lambda run, **more: (looked.append(more.get("everything", True)), repeat(run, **more))[1])
    bed.lag(0)
    assert hold(desk)["changed"] is True and looked == [True]
    looked.clear()
    assert hold(desk)["changed"] is False and looked == []  # a run that wrote nothing has just looked


def test_the_deny_that_the_attacker_takes_away_is_written_again(desk: Desk, bed: Bed, company: Company) -> None:
    thief = bed.client("iam", company.leaked)
    with Undoer(bed, lambda: outcome(thief, "delete_user_policy", UserName="ci-deploy", PolicyName=DENY)) as undoer:
        done = hold(desk)
    assert undoer.done, "the bed let nobody undo it: the test proves nothing"
    assert status_of(done, "user/ci-deploy")["action"] == "contained", done["open"]
    assert {works(bed, company.leaked), works(bed, company.worker)} <= DEAD
    assert desk.ledger().notes["reverted"]


def test_a_key_that_is_made_meanwhile_is_cut(desk: Desk, bed: Bed, company: Company) -> None:
    thief, made = bed.client("iam", company.leaked), []

    def mint(user: str) -> str:
        try:
            made.append(Credentials.of(thief.create_access_key(UserName=user)["AccessKey"]))
        except Exception:
            return "no"
        return "ok"

    with Undoer(bed, lambda: mint("alice"), tries=1) as undoer:
        done = hold(desk)
    assert undoer.done == 1 and works(bed, made[0]) in DEAD, done["principals"]
    assert works(bed, company.production.keys["alice"]) == "ok"
    assert "only" in status_of(done, "user/alice")["action"]


def test_a_trust_that_is_planted_meanwhile_is_put_back(desk: Desk, bed: Bed, company: Company) -> None:
    thief, iam = bed.client("iam", company.leaked), bed.client("iam", company.production.root, direct=True)
    before = iam.get_role(RoleName="reporting")["Role"]["AssumeRolePolicyDocument"]
    planted = trust({"AWS": ["arn:aws:iam::999999999999:root", company.production.users["bob"]]})
    with Undoer(bed, lambda: outcome(thief, "update_assume_role_policy", RoleName="reporting", PolicyDocument=planted), tries=1) as undoer:
        hold(desk)
    assert undoer.done == 1
    assert iam.get_role(RoleName="reporting")["Role"]["AssumeRolePolicyDocument"] == before


def test_grants_to_others_are_put_back_and_what_an_administrator_does_stays(desk: Desk, bed: Bed, company: Company) -> None:
    thief, admin = bed.client("iam", company.leaked), bed.client("iam", company.production.root)

    def grant() -> str:
        outcome(admin, "put_user_policy", UserName="app-orders", PolicyName="more-work", PolicyDocument=ALL)
        outcome(thief, "add_user_to_group", GroupName="engineers", UserName="app-orders")
        outcome(thief, "attach_user_policy", UserName="bob", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
        return outcome(thief, "put_user_policy", UserName="bob", PolicyName="work", PolicyDocument=ALL)

    iam = bed.client("iam", company.production.root, direct=True)
    work = iam.get_user_policy(UserName="bob", PolicyName="work")["PolicyDocument"]
    with Undoer(bed, grant, tries=1) as undoer:
        done = hold(desk)
    assert undoer.done == 1
    assert iam.get_user_policy(UserName="bob", PolicyName="work")["PolicyDocument"] == work
    assert iam.list_attached_user_policies(UserName="bob")["AttachedPolicies"] == []
    assert iam.list_groups_for_user(UserName="app-orders")["Groups"] == []
    assert "more-work" in iam.list_user_policies(UserName="app-orders")["PolicyNames"]
    assert done["status"] == "ok", done["open"]


def test_what_a_colleague_or_aws_itself_takes_from_the_contained_is_not_given_back(desk: Desk, bed: Bed, company: Company) -> None:
    """The history does not say yet who it was: what gives the contained nothing is left alone, what gives them something is not."""
    admin, quarantine = bed.client("iam", company.production.root, direct=True), "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"
    worker, grant = {"UserName": "ci-deploy"}, "arn:aws:iam::aws:policy/AdministratorAccess"
    admin.attach_user_policy(**worker, PolicyArn=grant)
    bed.lag(LAG)

    def meanwhile() -> str:
        admin.detach_user_policy(**worker, PolicyArn=grant)
        admin.put_user_policy(**worker, PolicyName="stop", PolicyDocument=document({"Effect": "Deny", "Action": "*", "Resource": "*"}))
        admin.put_user_permissions_boundary(**worker, PermissionsBoundary="arn:aws:iam::aws:policy/AWSDenyAll")
        admin.add_user_to_group(**worker, GroupName="engineers")
        return outcome(admin, "attach_user_policy", **worker, PolicyArn=quarantine)

    with Undoer(bed, meanwhile, tries=1) as undoer:
        done = hold(desk)
    assert undoer.done == 1
    assert [p["PolicyArn"] for p in admin.list_attached_user_policies(**worker)["AttachedPolicies"]] == [quarantine]
    assert "stop" in admin.list_user_policies(**worker)["PolicyNames"]
    assert admin.get_user(**worker)["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith("AWSDenyAll")
    assert admin.list_groups_for_user(**worker)["Groups"] == []
    unknown = [row["why"] for row in done["watch"] if "by whom" in row["why"]]
    assert len(unknown) == 5 and ["group/engineers" in why for why in unknown if "was undone" in why] == [True], unknown


def test_whoever_takes_a_control_away_is_contained(desk: Desk, bed: Bed, company: Company) -> None:
    """A sleeper: another administrator's key, in the hands of something that reacts to IAM events."""
    key = administrator(bed, company, "sleeper")
    bed.lag(LAG)
    sleeper = bed.client("iam", key)
    with Undoer(bed, lambda: outcome(sleeper, "delete_user_policy", UserName="ci-deploy", PolicyName=DENY)) as undoer:
        done = hold(desk)
    assert undoer.done and works(bed, key) in DEAD and works(bed, company.leaked) in DEAD
    row = status_of(done, "user/sleeper")
    assert row["action"] == "contained" and "took away" in row["reason"], row


def test_a_declared_automation_is_not_fought_more_than_twice(desk: Desk, bed: Bed, company: Company) -> None:
    pipeline = company.production.users["alice"]
    iam = bed.client("iam", company.production.root, direct=True)
    iam.put_user_policy(UserName="alice", PolicyName="all", PolicyDocument=ALL)
    bed.lag(LAG)
    desk.incident(company.leaked.access_key, password="keep", automations=[pipeline])
    client = bed.client("iam", company.production.keys["alice"])
    with Undoer(bed, lambda: outcome(client, "delete_user_policy", UserName="ci-deploy", PolicyName=DENY)):
        done = hold(desk)
    puts = [o for r in desk.records() for o in r.get("outcomes", []) if o["status"] == "done" and o["id"].endswith(f"#policy/{DENY}")]
    assert len(puts) == 3, puts  # ours, and twice again
    assert works(bed, company.production.keys["alice"]) == "ok"
    assert done["status"] != "ok" and any("pause this pipeline" in p["message"] for p in done["problems"]), done["problems"]


def test_a_case_is_not_closed_before_the_second_looks(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "AFTER", (datetime.timedelta(seconds=2), datetime.timedelta(seconds=15)))
    done = hold(desk)
    case = str(desk.case)
    closed = desk.run("case", case=case, state="closed")
    assert closed["failed"] and "phase=hold" in closed["msg"] and done["looks"][0] in closed["msg"], closed
    assert hold(desk, phase="hold")["looks"] == done["looks"][1:]  # the first is made, the second is due later
    assert desk.run("case", case=case, state="closed")["failed"]
    time.sleep(15)
    look = hold(desk, phase="hold")
    assert look["looks"] == [] and look["changed"] is False
    assert not desk.run("case", case=case, state="closed").get("failed")


def test_a_trust_that_was_planted_before_lets_nobody_in_any_more(desk: Desk, bed: Bed, company: Company) -> None:
    """What it was before is not known: strangers and the contained go, everybody else stays."""
    thief, iam = bed.client("iam", company.leaked), bed.client("iam", company.production.root, direct=True)
    alice, stranger = company.production.users["alice"], "arn:aws:iam::999999999999:root"
    thief.update_assume_role_policy(
        RoleName="reporting", PolicyDocument=trust({"AWS": [alice, stranger, USER], "Service": "lambda.amazonaws.com"})
    )
    hold(desk)
    found = iam.get_role(RoleName="reporting")["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert [s["Principal"] for s in found] == [{"AWS": alice, "Service": "lambda.amazonaws.com"}], found


def test_a_role_that_the_suspect_made_is_denied(desk: Desk, bed: Bed, company: Company) -> None:
    thief = bed.client("iam", company.leaked)
    thief.create_role(RoleName="mine", AssumeRolePolicyDocument=trust({"AWS": "*"}))
    thief.put_role_policy(RoleName="mine", PolicyName="all", PolicyDocument=ALL)
    bed.lag(LAG)
    stranger = bed.client("sts", company.staging.keys["ci-deploy"])
    held = Credentials.of(stranger.assume_role(RoleArn=f"arn:aws:iam::{PRODUCTION}:role/mine", RoleSessionName="xx")["Credentials"])
    assert works(bed, held) == "ok"
    done = hold(desk)
    assert works(bed, held) in DEAD and status_of(done, "role/mine")["role_action"] == "deny"
    assert outcome(stranger, "assume_role", RoleArn=f"arn:aws:iam::{PRODUCTION}:role/mine", RoleSessionName="xx") in DEAD


def test_the_responders_own_role_in_the_hands_of_the_suspect(desk: Desk, bed: Bed, company: Company) -> None:
    """It is not cut; its trust policy is mended, and the suspect's sessions of it are denied by name."""
    own = company.production.responder_role
    thief, iam = bed.client("iam", company.leaked), bed.client("iam", company.production.root, direct=True)
    document_before = iam.get_role(RoleName="incident-responder")["Role"]["AssumeRolePolicyDocument"]["Statement"]
    both = trust({"AWS": [company.responder_arn, USER, "arn:aws:iam::999999999999:root"]})
    thief.update_assume_role_policy(RoleName="incident-responder", PolicyDocument=both)
    bed.lag(LAG)
    held = Credentials.of(bed.client("sts", company.leaked).assume_role(RoleArn=own, RoleSessionName="evil")["Credentials"])
    assert works(bed, held) == "ok"
    done = hold(desk)
    assert works(bed, held) in DEAD, done["open"]
    found = iam.get_role(RoleName="incident-responder")["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert [s["Principal"] for s in found] == [s["Principal"] for s in document_before], found
    assert any("incident-responder" in row["object"] for row in done["open"])
    left = desk.false_positive(
        company.leaked.access_key
    )  # of what was done to the responder's own role the ledger does not say because of whom
    assert left["status"] == "open", left
    unclear = [row["object"] for row in left["open"] if row["kind"] == "unknown"]
    assert len(unclear) == 2 and any("trust policy" in what for what in unclear) and any("evict-" in what for what in unclear), left["open"]


def test_a_later_look_cuts_nothing_again_that_was_released(desk: Desk, bed: Bed, company: Company) -> None:
    hold(desk)
    assert desk.restore()["status"] == "ok"
    bed.lag(LAG)  # it has spread
    assert works(bed, company.worker) == "ok"
    before = bed.snapshot()
    look = hold(desk, phase="hold")
    assert look["changed"] is False and bed.snapshot() == before and works(bed, company.worker) == "ok"
    assert look["principals"] == [] and any("released" in w["why"] for w in look["watch"]), look
    assert hold(desk)["changed"] is True and works(bed, company.worker) in DEAD  # asked for once more, it is cut once more


def test_while_somebody_fights_back_nobody_else_writes_in_iam(desk: Desk, bed: Bed, company: Company) -> None:
    """The freeze is part of the incident's service control policy; it is gone when it is quiet, and runs out by itself."""
    iam = bed.client("iam", company.production.root, direct=True)
    iam.put_user_policy(UserName="alice", PolicyName="all", PolicyDocument=ALL)
    bed.lag(LAG)
    thief, admin, said = bed.client("iam", company.leaked), bed.client("iam", company.production.keys["alice"]), []

    def fight() -> str:
        said.append(outcome(admin, "tag_user", UserName="app-orders", Tags=[{"Key": "a", "Value": str(len(said))}]))
        return outcome(thief, "delete_user_policy", UserName="ci-deploy", PolicyName=DENY)

    with Undoer(bed, fight) as undoer:
        done = desk.contain(hold="60s", spread="5s", scope=20)
    assert undoer.done and set(said) == {"ok", "AccessDenied"}, said
    assert any("nobody but the responder" in str(w) for w in done["warnings"]), done["warnings"]
    assert status_of(done, "user/ci-deploy")["action"] == "contained" and done["status"] == "ok", done["open"]
    bed.lag(LAG)
    assert outcome(admin, "tag_user", UserName="app-orders", Tags=[{"Key": "b", "Value": "b"}]) == "ok"
    frozen = [i for r in desk.records() for i in r.get("intents", []) if "aws:CurrentTime" in json.dumps(i)]
    assert frozen, "the statement carries its own end"


def test_freeze_can_be_left_out(desk: Desk, bed: Bed, company: Company) -> None:
    thief = bed.client("iam", company.leaked)
    with Undoer(bed, lambda: outcome(thief, "delete_user_policy", UserName="ci-deploy", PolicyName=DENY)):
        done = desk.contain(hold="60s", spread="3s", scope=20, freeze=False)
    assert not any("aws:CurrentTime" in json.dumps(i) for r in desk.records() for i in r.get("intents", []))
    assert status_of(done, "user/ci-deploy")["action"] == "contained"


def test_every_session_of_the_responders_role_stays_denied_though_the_suspect_lifts_the_deny(
    desk: Desk, bed: Bed, company: Company
) -> None:
    """Two of them: when the deny of the first has been taken away, that of the second must not take its place."""
    own, thief = company.production.responder_role, bed.client("iam", company.leaked)
    thief.update_assume_role_policy(RoleName="incident-responder", PolicyDocument=trust({"AWS": [company.responder_arn, USER]}))
    bed.lag(LAG)
    sts = bed.client("sts", company.leaked)
    held = [Credentials.of(sts.assume_role(RoleArn=own, RoleSessionName=name)["Credentials"]) for name in ("evil", "evil-too")]
    iam = bed.client("iam", held[0])

    def lift() -> str:
        return outcome(iam, "delete_role_policy", RoleName="incident-responder", PolicyName="evict-userid-IR-1")

    with Undoer(bed, lift):
        desk.contain(hold="60s", spread="3s", scope=20)
    assert [works(bed, one) for one in held] == ["AccessDenied", "AccessDenied"]


@pytest.mark.parametrize("operation", ["ListAccessKeys", "GetLoginProfile", "ListOpenIDConnectProviders"])
def test_a_read_that_fails_meanwhile_is_no_change(desk: Desk, bed: Bed, company: Company, operation: str) -> None:
    """Nothing of a bystander is taken for new or gone because IAM would not say."""
    assert hold(desk)["status"] == "ok"
    before = bed.snapshot()
    bed.rule("fail", operation=operation, mutating=False, times=1000, status=403, code="AccessDenied", message="no")
    look = hold(desk, phase="hold", kinds=["signing_certificate"])
    bed.clear_rules()
    assert bed.snapshot() == before and look["watch"] == [] and look["not_compared"], look
    assert look["status"] == "open"  # what could not be read is unknown, and somebody has to look
    assert [o["object"] for o in look["open"]] == [PRODUCTION] and "-e phase=hold" in look["open"][0]["why"], look["open"]
    assert [s["resource"] for s in look["steps"] if s["status"] != "already"] == []


def test_an_account_that_cannot_be_compared_leaves_the_case_open(desk: Desk, bed: Bed) -> None:
    bed.rule("fail", operation="GetAccountAuthorizationDetails", mutating=False, times=1000, status=403, code="AccessDenied", message="no")
    done = hold(desk)
    bed.clear_rules()
    assert done["status"] == "open" and any("not compared as a whole" in row["why"] for row in done["open"]), done["open"]
    assert status_of(done, "user/ci-deploy")["action"] == "contained"  # which was read back


def test_the_fence_of_whom_an_earlier_run_contained_is_held_too(desk: Desk, bed: Bed, company: Company) -> None:
    """The sleeper was found by what it did; the next run is led to it by nothing but the ledger. A release does not say that the suspect made it."""
    iam = bed.client("iam", company.production.root, direct=True)
    key = administrator(bed, company, "sleeper")
    bed.lag(LAG)
    sleeper = bed.client("iam", key)
    with Undoer(bed, lambda: outcome(sleeper, "delete_user_policy", UserName="ci-deploy", PolicyName=DENY)):
        hold(desk)
    assert DENY in iam.list_user_policies(UserName="sleeper")["PolicyNames"]
    iam.delete_user_policy(UserName="sleeper", PolicyName=DENY)
    hold(desk, phase="hold", scope=0)
    assert DENY in iam.list_user_policies(UserName="sleeper")["PolicyNames"]
    assert not [row for row in desk.restore()["open"] if "created this identity" in row["why"]]


def test_what_was_put_back_stays_so_until_it_is_judged_to_be_no_compromise(desk: Desk, bed: Bed, company: Company) -> None:
    thief, iam = bed.client("iam", company.leaked), bed.client("iam", company.production.root, direct=True)
    granted = {"UserName": "ci-deploy", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
    with Undoer(bed, lambda: outcome(thief, "attach_user_policy", **granted), tries=1) as undoer:
        hold(desk)
    assert undoer.done == 1

    def attached() -> list[str]:
        return [p["PolicyName"] for p in iam.list_attached_user_policies(UserName="ci-deploy")["AttachedPolicies"]]

    assert attached() == []
    kept = [row["kind"] for row in desk.restore()["open"] if "ReadOnlyAccess" in row["object"]]
    assert kept == ["kept"] and attached() == []
    assert desk.false_positive(company.leaked.access_key)["status"] == "ok" and attached() == ["ReadOnlyAccess"]


def test_who_writes_something_else_into_our_policy_is_named_like_who_deletes_it(desk: Desk, bed: Bed, company: Company) -> None:
    """Written again by whichever plan comes first, and still somebody did it."""
    bed.client("iam", company.production.root, direct=True).put_user_policy(UserName="bob", PolicyName="all", PolicyDocument=ALL)
    bed.lag(LAG)  # what is there has spread
    bob = bed.client("iam", company.production.keys["bob"])
    act = lambda: outcome(bob, "put_user_policy", UserName="ci-deploy", PolicyName=DENY, PolicyDocument=ALL)  # noqa: E731
    with Undoer(bed, act, tries=1) as undoer:
        done = hold(desk)
    assert undoer.done == 1 and works(bed, company.leaked) in DEAD, done["principals"]
    assert status_of(done, "user/bob")["action"] == "contained", done
    assert len([n for n in desk.ledger().notes["reverted"] if n["data"]["step"].endswith(DENY)]) == 1


@pytest.mark.parametrize("fence", ["none", "on_the_spot"])
def test_who_sits_in_a_declared_automation_loses_the_session_and_the_automation_goes_on(
    desk: Desk, bed: Bed, company: Company, fence: str
) -> None:
    """The suspect assumed the pipeline's role: what its session takes away is no pipeline's work, and is written again as often as it takes."""
    iam, automation = bed.client("iam", company.production.root, direct=True), company.production.roles["deploy"]
    iam.put_role_policy(RoleName="deploy", PolicyName="all", PolicyDocument=ALL)
    worker = bed.client("sts", company.production.keys["alice"])
    pipeline = Credentials.of(worker.assume_role(RoleArn=automation, RoleSessionName="build-7")["Credentials"])
    held = Credentials.of(bed.client("sts", company.leaked).assume_role(RoleArn=automation, RoleSessionName="evil")["Credentials"])
    bed.lag(LAG)
    desk.incident(company.leaked.access_key, password="keep", automations=[automation])
    thief = bed.client("iam", held)
    with Undoer(bed, lambda: outcome(thief, "delete_user_policy", UserName="ci-deploy", PolicyName=DENY)) as undoer:
        done = desk.contain(account_fence=fence, hold="90s", spread="3s", scope=20)
    bed.lag(0)
    if fence == "none":
        assert undoer.done, "the bed let nobody undo it: the test proves nothing"
    assert works(bed, held) in DEAD and {works(bed, company.leaked), works(bed, company.worker)} <= DEAD, done["open"]
    assert works(bed, pipeline) == "ok"
    assert not [p for p in done["problems"] if "pause this pipeline" in p["message"]], done["problems"]
    assert done["status"] == "open" and any("only that session is denied" in o["why"] for o in done["open"]), done["open"]
    assert [r["token_kind"] for r in done["residual"] if r["object"] == automation] == ["signed GetCallerIdentity"]


def test_held_shorter_than_a_change_takes_to_spread_nothing_is_called_contained(desk: Desk, bed: Bed, company: Company) -> None:
    bed.lag(4.0)
    done = desk.contain(hold="1s", spread="10s")
    row, alive = status_of(done, "user/ci-deploy"), works(bed, company.leaked)
    assert alive == "ok", "it had spread: the test proves nothing"
    assert "not yet spread" in row["action"] and row["contained_at"] is None and done["status"] == "open", row
    assert any("not yet spread" in o["why"] for o in done["open"])


def test_hold_is_bounded(desk: Desk, bed: Bed) -> None:
    before = bed.snapshot()
    done = desk.contain(hold="31m")
    assert done["failed"] and "at most 30m" in done["msg"] and bed.snapshot() == before, done["msg"]


def test_what_those_started_who_are_found_during_the_hold_is_ended_too(desk: Desk, bed: Bed, company: Company) -> None:
    """Services are asked before the hold; once more after it, since it has found somebody, and not at all when it has not."""
    key = administrator(bed, company, "sleeper")
    bed.lag(LAG)
    ssm = bed.client("ssm", company.production.root, "eu-west-1", direct=True)
    bed.client("ssm", key, "eu-west-1").start_session(Target="i-0123456789abcdef0")
    sleeper = bed.client("iam", key)

    def asked() -> int:
        return sum(c["operation"] == "DescribeSessions" and c["region"] == "eu-west-1" for c in bed.calls())

    with Undoer(bed, lambda: outcome(sleeper, "delete_user_policy", UserName="ci-deploy", PolicyName=DENY), tries=1) as undoer:
        done = hold(desk)
    assert undoer.done == 1 and status_of(done, "user/sleeper")["action"] == "contained" and done["problems"] == []
    assert ssm.describe_sessions(State="Active")["Sessions"] == []
    before = asked()
    assert hold(desk)["changed"] is False and asked() - before == 1
