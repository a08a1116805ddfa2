"""Release from the ledger on the enforcing bed: what comes back, what stays, and why."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import session
from tests.beds.bed import Credentials
from tests.beds.company import document
from tests.integration.helpers import DEAD, DENIED, Desk, next_second, outcome, works

pytestmark = pytest.mark.bed

USER = "arn:aws:iam::222222222222:user/ci-deploy"
ROLE = "arn:aws:iam::222222222222:role/deploy"


def row(result: dict[str, Any], part: str) -> dict[str, Any]:
    found = [r for r in result["open"] if part in r["object"]]
    assert len(found) == 1, (part, result["open"])
    return dict(found[0])


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """later(hours): AWS's clock as the modules see it runs ahead from now on."""
    real = session.Aws.now

    def shift(hours: float) -> None:
        monkeypatch.setattr(session.Aws, "now", lambda aws: real(aws) + datetime.timedelta(hours=hours))

    return shift


def statuses(desk: Desk) -> dict[str, str]:
    iam = desk.bed.client("iam", desk.company.production.root)
    return {k["AccessKeyId"]: k["Status"] for k in iam.list_access_keys(UserName="ci-deploy")["AccessKeyMetadata"]}


def minted(desk: Desk) -> list[Credentials]:
    sts = desk.bed.client("sts", desk.company.leaked)
    role = sts.assume_role(RoleArn=ROLE, RoleSessionName="evil")["Credentials"]
    return [Credentials.of(sts.get_session_token()["Credentials"]), Credentials.of(role)]


def test_a_release_gives_everything_back_but_the_leaked_key_and_the_session_denies(desk: Desk) -> None:
    held = minted(desk)
    next_second()
    desk.incident(desk.company.leaked.access_key, ROLE)
    desk.contain()
    done = desk.restore()
    assert done["status"] == "ok" and statuses(desk) == {
        desk.company.leaked.access_key: "Inactive",
        desk.company.worker.access_key: "Active",
    }
    assert works(desk.bed, desk.company.worker) == "ok" and {works(desk.bed, c) for c in held} <= DENIED
    assert row(done, desk.company.leaked.access_key)["kind"] == "kept"
    due = {r["object"].split(" ")[0]: r["due"] for r in done["open"] if r["kind"] == "due"}
    assert set(due) == {USER, ROLE}
    cutoff = datetime.datetime.fromisoformat(_cutoff(desk))
    assert datetime.datetime.fromisoformat(due[USER]) == cutoff + datetime.timedelta(hours=36)
    hours = (datetime.datetime.fromisoformat(due[ROLE]) - cutoff).total_seconds() / 3600
    assert 11.9 < hours < 12.1  # MaxSessionDuration of deploy is two hours, which says nothing of sessions that it gave before
    assert row(done, "console password")["kind"] == "irreversible"
    before = desk.bed.snapshot()
    again = desk.restore()
    assert again["changed_count"] == 0 and desk.bed.snapshot() == before and desk.verified()


def _cutoff(desk: Desk) -> str:
    policy = desk.bed.client("iam", desk.company.production.root).get_user_policy(UserName="ci-deploy", PolicyName="evict-session-IR-1")
    return str(policy["PolicyDocument"]["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"])


def test_the_session_deny_goes_when_the_last_session_has_run_out(desk: Desk, later: Any) -> None:
    desk.incident(desk.company.leaked.access_key)
    desk.contain()
    desk.restore()
    later(35.9)
    assert desk.restore()["changed_count"] == 0
    later(36.1)
    done = desk.restore()
    assert done["changed_count"] == 1 and "evict-" not in desk.bed.snapshot()
    assert statuses(desk)[desk.company.leaked.access_key] == "Inactive"


def test_a_session_from_when_the_longest_was_raised_for_a_moment_is_not_revived(desk: Desk, later: Any) -> None:
    iam, sts = desk.bed.client("iam", desk.company.production.root), desk.bed.client("sts", desk.company.leaked)
    iam.update_role(RoleName="deploy", MaxSessionDuration=43200)
    evil = Credentials.of(sts.assume_role(RoleArn=ROLE, RoleSessionName="evil", DurationSeconds=43200)["Credentials"])
    iam.update_role(RoleName="deploy", MaxSessionDuration=3600)
    next_second()
    desk.incident(desk.company.leaked.access_key, ROLE)
    desk.contain()
    desk.restore()
    later(11.5)
    desk.restore()
    assert works(desk.bed, evil) in DENIED
    later(12.1)
    desk.restore()
    assert "evict-session-IR-1" not in iam.list_role_policies(RoleName="deploy")["PolicyNames"]


def test_after_the_due_time_a_single_release_lifts_both_denies(desk: Desk, later: Any) -> None:
    desk.incident(desk.company.leaked.access_key)
    desk.contain()
    later(37)
    assert desk.restore()["problems"] == [] and "evict-" not in desk.bed.snapshot()
    assert statuses(desk)[desk.company.leaked.access_key] == "Inactive"


def test_the_full_deny_stays_while_the_cutoff_is_missing(desk: Desk) -> None:
    held = minted(desk)
    desk.incident(desk.company.leaked.access_key)
    desk.contain_below()
    iam = desk.bed.client("iam", desk.company.production.root)
    iam.delete_user_policy(UserName="ci-deploy", PolicyName="evict-session-IR-1")
    done = desk.restore()
    assert "run contain again" in row(done, "evict-quarantine-IR-1")["why"] and works(desk.bed, held[0]) in DENIED
    desk.contain_below()
    desk.restore()
    assert works(desk.bed, held[0]) in DENIED and "evict-quarantine-IR-1" not in desk.bed.snapshot()


def test_a_fence_that_somebody_edited_is_a_conflict_and_everything_else_is_released(desk: Desk) -> None:
    desk.incident(desk.company.leaked.access_key)
    desk.contain_below()
    iam = desk.bed.client("iam", desk.company.production.root)
    edited = document({"Effect": "Deny", "Action": "s3:*", "Resource": "*"})
    iam.put_user_policy(UserName="ci-deploy", PolicyName="evict-quarantine-IR-1", PolicyDocument=edited)
    done = desk.restore()
    assert row(done, "evict-quarantine-IR-1")["kind"] == "conflict" and done["status"] == "open" and done["failed"]
    kept = iam.get_user_policy(UserName="ci-deploy", PolicyName="evict-quarantine-IR-1")["PolicyDocument"]
    assert kept == json.loads(edited) and statuses(desk)[desk.company.worker.access_key] == "Active"


def test_what_others_changed_elsewhere_is_left_as_it_is(desk: Desk) -> None:
    desk.incident(desk.company.leaked.access_key)
    desk.contain_below()
    iam = desk.bed.client("iam", desk.company.production.root)
    iam.put_user_policy(
        UserName="ci-deploy", PolicyName="late", PolicyDocument=document({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    )
    iam.tag_user(UserName="ci-deploy", Tags=[{"Key": "seen", "Value": "yes"}])
    desk.false_positive(desk.company.leaked.access_key)
    names = iam.list_user_policies(UserName="ci-deploy")["PolicyNames"]
    assert sorted(names) == ["late", "work"] and {"Key": "seen", "Value": "yes"} in iam.list_user_tags(UserName="ci-deploy")["Tags"]


def test_a_key_that_somebody_deleted_meanwhile_is_a_conflict_not_a_crash(desk: Desk) -> None:
    desk.incident(desk.company.leaked.access_key)
    desk.contain_below()
    desk.bed.client("iam", desk.company.production.root).delete_access_key(UserName="ci-deploy", AccessKeyId=desk.company.worker.access_key)
    done = desk.restore()
    assert row(done, desk.company.worker.access_key)["kind"] == "conflict" and "evict-quarantine" not in desk.bed.snapshot()


def test_a_user_that_somebody_deleted_meanwhile(desk: Desk) -> None:
    iam = desk.bed.client("iam", desk.company.production.root)
    bob = desk.company.production.users["bob"]
    desk.incident(bob)
    desk.contain_below()
    for name in iam.list_user_policies(UserName="bob")["PolicyNames"]:
        iam.delete_user_policy(UserName="bob", PolicyName=name)
    iam.delete_access_key(UserName="bob", AccessKeyId=desk.company.production.keys["bob"].access_key)
    iam.remove_user_from_group(GroupName="engineers", UserName="bob")
    iam.delete_user(UserName="bob")
    done = desk.restore()
    assert done["problems"] == [] or all(p["object"] for p in done["problems"])
    assert outcome(iam, "get_user", UserName="bob") == "NoSuchEntity"


def test_a_key_that_was_inactive_before_stays_inactive(desk: Desk) -> None:
    iam = desk.bed.client("iam", desk.company.production.root)
    iam.update_access_key(UserName="ci-deploy", AccessKeyId=desk.company.worker.access_key, Status="Inactive")
    before = desk.bed.snapshot()
    desk.incident(desk.company.leaked.access_key, password="keep")
    desk.contain()
    desk.false_positive(desk.company.leaked.access_key)
    assert desk.bed.snapshot() == before and statuses(desk)[desk.company.worker.access_key] == "Inactive"


def test_a_user_named_as_a_whole_gets_no_key_back(desk: Desk) -> None:
    desk.incident(USER)
    desk.contain()
    desk.restore()
    assert set(statuses(desk).values()) == {"Inactive"}


@pytest.mark.parametrize("named", ["key", "user"])
def test_aws_credential_does_not_enable_what_the_case_names_as_compromised(desk: Desk, named: str) -> None:
    desk.incident(desk.company.leaked.access_key if named == "key" else USER)
    desk.contain()
    done = desk.run("aws_credential", principals=[USER], state="enabled", kinds=["access_key"])
    assert done["failed"] and statuses(desk)[desk.company.leaked.access_key] == "Inactive"
    assert desk.company.leaked.access_key in json.dumps(done["problems"]) and "false_positive" in json.dumps(done["problems"])
    # the other key is enabled only if nobody called the whole user compromised
    assert statuses(desk)[desk.company.worker.access_key] == ("Active" if named == "key" else "Inactive")


# -- false positives ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suspect", ["key", "user", "role", "session"])
def test_a_false_positive_is_undone_to_the_last_byte(desk: Desk, suspect: str) -> None:
    bed = desk.bed
    role_session = minted(desk)[1]
    works(bed, role_session)
    named = {
        "key": desk.company.leaked.access_key,
        "user": USER,
        "role": ROLE,
        "session": "arn:aws:sts::222222222222:assumed-role/deploy/evil",
    }[suspect]
    before = bed.snapshot()
    desk.incident(named, password="keep")
    assert desk.contain()["changed_count"] > 0 and bed.snapshot() != before
    done = desk.false_positive(named)
    assert done["status"] == "ok" and done["open"] == [] and bed.snapshot() == before
    again = desk.contain()
    assert again["changed"] is False and bed.snapshot() == before  # a named person has judged it
    assert [r["by"] for r in again["left"]] == ["Ada"]


def test_a_false_positive_takes_back_what_was_found_only_through_it(desk: Desk) -> None:
    """key -> user mallory -> her role: two steps away."""
    bed, account = desk.bed, desk.company.production
    iam = bed.client("iam", desk.company.leaked)
    iam.create_user(UserName="mallory")
    iam.put_user_policy(UserName="mallory", PolicyName="p", PolicyDocument=document({"Effect": "Allow", "Action": "*", "Resource": "*"}))
    key = Credentials.of(iam.create_access_key(UserName="mallory")["AccessKey"])
    bed.client("iam", key).create_role(RoleName="backdoor", AssumeRolePolicyDocument=document(
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account.id}:root"}, "Action": "sts:AssumeRole"}))  # fmt: skip
    before = bed.snapshot()
    desk.incident(desk.company.leaked.access_key, password="keep")
    done = desk.contain(scope=20)
    assert {r["name"] for r in done["principals"]} >= {"ci-deploy", "mallory", "backdoor"}
    undone = desk.false_positive(desk.company.leaked.access_key)
    assert undone["status"] == "ok" and bed.snapshot() == before, undone["open"]


def test_a_false_positive_leaves_what_another_suspect_led_to_as_well(desk: Desk) -> None:
    bed, account = desk.bed, desk.company.production
    for who in (desk.company.leaked, account.keys["alice"]):
        bed.client("sts", who).assume_role(RoleArn=ROLE, RoleSessionName=f"s-{who.access_key[-4:]}")
    desk.incident(desk.company.leaked.access_key, account.keys["alice"].access_key, password="keep")
    desk.contain(scope=20)
    desk.false_positive(desk.company.leaked.access_key)
    iam = bed.client("iam", account.root)
    assert works(bed, desk.company.leaked) == "ok" and works(bed, account.keys["alice"]) in DEAD
    assert any(n.startswith("evict-") for n in iam.list_role_policies(RoleName="deploy")["PolicyNames"])


def test_two_suspects_of_one_user_must_be_judged_together(desk: Desk) -> None:
    keys = [desk.company.leaked.access_key, desk.company.worker.access_key]
    desk.incident(*keys)
    desk.contain()
    before = desk.bed.snapshot()
    done = desk.false_positive(keys[0])
    assert done["failed"] and keys[1] in done["msg"] and desk.bed.snapshot() == before
    assert desk.false_positive(*keys)["status"] == "ok"
    assert set(statuses(desk).values()) == {"Active"}


def test_a_release_of_one_suspect_leaves_the_other(desk: Desk) -> None:
    bob = desk.company.production.users["bob"]
    desk.incident(USER, bob)
    desk.contain()
    desk.restore(only=[bob])
    snapshot = desk.bed.snapshot()
    assert snapshot.count("evict-quarantine-IR-1") == 1
    assert (
        "evict-quarantine-IR-1"
        in desk.bed.client("iam", desk.company.production.root).list_user_policies(UserName="ci-deploy")["PolicyNames"]
    )


@pytest.mark.parametrize("only", ["AKIAIOSFODNN7EXAMPLE", "nobody"])
def test_a_suspect_that_is_not_of_this_case_is_refused_with_the_known_ones(desk: Desk, only: str) -> None:
    desk.incident(desk.company.leaked.access_key)
    desk.contain()
    before = desk.bed.snapshot()
    done = desk.restore(only=[only])
    assert done["failed"] and only in done["msg"] and desk.company.leaked.access_key in done["msg"] and desk.bed.snapshot() == before


@pytest.mark.parametrize("missing", ["only", "reason", "by"])
def test_a_verdict_needs_a_name_and_a_reason(desk: Desk, missing: str) -> None:
    desk.incident(desk.company.leaked.access_key)
    desk.contain()
    before = desk.bed.snapshot()
    given: dict[str, Any] = {"only": [desk.company.leaked.access_key], "reason": "r", "by": "Ada", "verdict": "false_positive"}
    del given[missing]
    done = desk.restore(**given)
    assert done["failed"] and missing in done["msg"] and desk.bed.snapshot() == before


def test_a_verdict_is_kept_in_the_ledger(desk: Desk) -> None:
    desk.incident(desk.company.leaked.access_key)
    desk.contain()
    desk.false_positive(desk.company.leaked.access_key)
    (note,) = desk.ledger().notes["verdict"]
    assert note["data"] == {"suspect": desk.company.leaked.access_key, "verdict": "false_positive", "reason": "a test", "by": "Ada"}
    assert desk.verified()


# -- the single verbs --------------------------------------------------------------------------------------------------


def test_quarantine_absent_lifts_the_fence_only_where_the_cutoff_stands(desk: Desk) -> None:
    desk.incident(desk.company.leaked.access_key)
    desk.run("aws_identity_quarantine", principals=[USER])
    held = desk.bed.snapshot()
    desk.run("aws_identity_quarantine", principals=[USER], state="absent")
    assert desk.bed.snapshot() == held
    desk.run("aws_session", principals=[USER])
    done = desk.run("aws_identity_quarantine", principals=[USER], state="absent")
    assert done["changed_count"] == 1 and "evict-quarantine" not in desk.bed.snapshot() and "evict-session" in desk.bed.snapshot()


def test_restore_in_check_mode_is_the_truth(desk: Desk) -> None:
    desk.incident(desk.company.leaked.access_key)
    desk.contain()
    cloud, files = desk.bed.snapshot(), sorted(p for p in desk.folder.rglob("*"))
    planned = desk.restore(check=True)
    assert desk.bed.snapshot() == cloud and sorted(p for p in desk.folder.rglob("*")) == files
    done = desk.restore()
    assert planned["changed_count"] == done["changed_count"] == 4 and planned["diff"] == done["diff"] and planned["open"] == done["open"]
