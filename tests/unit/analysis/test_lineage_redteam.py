"""What an attacker does to be missed, or to have an innocent one taken for it."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common.suspect import Suspect
from tests.unit.analysis import story
from tests.unit.analysis.events_made import (
    ACCOUNT,
    EVIL,
    HOME,
    OTHER,
    Row,
    assume,
    assumed,
    entra,
    event,
    gap,
    google,
    key_made,
    role_id,
    role_made,
    root,
    service,
    session,
    token,
    user,
    user_made,
)
from tests.unit.analysis.test_lineage import ids, trace

KEY = "AKIACI00000000000001"
CI: Row = user("ci", key=KEY)
BAD: Row = {"src_ip": EVIL}
STS: Row = {"service": "sts"}
IAM: Row = {"service": "iam"}
USER = f"arn:aws:iam::{ACCOUNT}:user/"


def past(who: Row = CI, ip: str = HOME, days: int = 3) -> list[Row]:
    """The owner's work, before the window."""
    return [event(**who, src_ip=ip, at=f"+{day} 08:00") for day in range(days)]


def stolen(minted: str = "ASIAEVIL1", role: str = "deploy", name: str = "x", at: str = "+3 10:00", **more: t.Any) -> Row:
    return event(
        **CI, **BAD, **STS, at=at, operation="AssumeRole", request=assume(role, name), response=assumed(role, name, minted), **more
    )


def why(made: t.Any, needle: str) -> list[dict[str, t.Any]]:
    return [row for row in made.rows("SELECT * FROM doubts") if needle in row["object"] or needle in row["why"]]


START = "+3 09:00"


def test_three_roles_in_three_accounts() -> None:
    third = "777788889999"
    a, b = session("deploy", "x", key="ASIAEVIL1"), session("hop", "x", key="ASIAEVIL2", account=OTHER)
    made = trace([
        *past(), stolen(),
        event(**a, **BAD, **STS, at="+3 10:01", operation="AssumeRole", request=assume("hop", "x", account=OTHER),
              response=assumed("hop", "x", "ASIAEVIL2", account=OTHER)),
        event(**b, **BAD, **STS, at="+3 10:02", operation="AssumeRole", request=assume("end", "x", account=third),
              response=assumed("end", "x", "ASIAEVIL3", account=third)),
    ], start=START)  # fmt: skip
    assert ids(made) == {KEY, "ASIAEVIL1", "ASIAEVIL2", "ASIAEVIL3"}
    assert made.rows("SELECT parent, via FROM tainted WHERE id = 'ASIAEVIL3'") == [{"parent": "ASIAEVIL2", "via": "AssumeRole"}]
    assert [row["tainted_id"] for row in why(made, third)] == ["ASIAEVIL3"], "no log of the third account: what was done there is unknown"


def test_the_caller_of_another_account_whose_log_is_missing_is_known_by_its_session() -> None:
    """In the role's own account the caller has no key; the pipeline comes under the same session name."""
    who = {
        "actor_type": "AWSAccount",
        "actor_arn": None,
        "actor_id": f"{role_id('deploy')}:pipeline",
        "actor_account": ACCOUNT,
        "account": OTHER,
    }
    made = trace([
        *past(), stolen(name="pipeline"),
        event(**who, **BAD, **STS, at="+3 10:05", operation="AssumeRole", request=assume("hop", "p", account=OTHER),
              response=assumed("hop", "p", "ASIAEVIL2", account=OTHER)),
        event(**who, src_ip=HOME, **STS, at="+3 10:06", operation="AssumeRole", request=assume("hop", "p", account=OTHER),
              response=assumed("hop", "p", "ASIAGOOD2", account=OTHER)),
        event(**session("hop", "p", key="ASIAEVIL2", account=OTHER), **BAD, at="+3 10:07", operation="DeleteBucket"),
    ], start=START)  # fmt: skip
    assert ids(made) == {KEY, "ASIAEVIL1", "ASIAEVIL2"}


def test_a_role_that_trusts_a_stranger_whose_log_nobody_has() -> None:
    policy = {"Statement": {"Effect": "Allow", "Principal": {"AWS": story.STRANGER}, "Action": "sts:AssumeRole"}}
    made = trace([
        *past(),
        event(**CI, **BAD, **IAM, at="+3 10:00", operation="UpdateAssumeRolePolicy", request={"roleName": "ops", "policyDocument": json.dumps(policy)}),
    ], start=START)  # fmt: skip
    assert [row["tainted_id"] for row in why(made, story.STRANGER)] == [f"arn:aws:iam::{ACCOUNT}:role/ops#trust"]


def test_who_took_a_rewritten_role_before_is_not_the_attackers() -> None:
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
    partner = {
        "actor_type": "AWSAccount",
        "actor_arn": None,
        "actor_id": "AROAPARTNER:daily",
        "actor_account": "222233334444",
        "account": ACCOUNT,
    }
    came = {**STS, "src_ip": "198.51.100.90", "operation": "AssumeRole", "request": assume("ops", "daily")}
    made = trace([
        *past(), event(**partner, **came, at="+1 10:00", response=assumed("ops", "daily", "ASIAPARTNER1")),
        event(**CI, **BAD, **IAM, at="+3 10:00", operation="UpdateAssumeRolePolicy", request={"roleName": "ops", "policyDocument": json.dumps(policy)}),
        event(**partner, **came, at="+3 11:00", response=assumed("ops", "daily", "ASIAPARTNER2")),
        event(**partner | {"actor_id": "AIDAEVIL:x", "actor_account": story.STRANGER}, **came, at="+3 11:01", response=assumed("ops", "daily", "ASIAEVIL9")),
    ], start=START)  # fmt: skip
    assert {"ASIAEVIL9"} == ids(made) - {KEY, f"arn:aws:iam::{ACCOUNT}:role/ops#trust"}
    assert not ids(made, "review")


def test_an_innocent_one_in_a_role_that_the_attacker_made_is_in_doubt_only() -> None:
    jane = user("jane", key="AKIAJANE1")
    made = trace([
        *past(), event(**CI, **BAD, **IAM, at="+3 10:00", operation="CreateRole", request={"roleName": "ghost"}, response=role_made("ghost")),
        event(**jane, **STS, at="+3 10:30", operation="AssumeRole", request=assume("ghost", "look"), response=assumed("ghost", "look", "ASIAJANE1")),
        event(**session("ghost", "look", key="ASIAJANE1"), at="+3 10:31", operation="GetObject"),
        event(**service("ec2.amazonaws.com"), **STS, at="+3 10:40", operation="AssumeRole", request=assume("ghost", "i-1"),
              response=assumed("ghost", "i-1", "ASIAEC2")),
        event(**session("ghost", "unseen", key="ASIAUNSEEN"), at="+3 10:50", operation="PutObject"),
    ], start=START)  # fmt: skip
    assert ids(made) == {KEY, f"arn:aws:iam::{ACCOUNT}:role/ghost", "ASIAEC2"} and ids(made, "review") == {"ASIAJANE1"}
    acts = {
        row["credential_uid"]: row["verdict"] for row in made.rows("SELECT credential_uid, verdict FROM acts WHERE issuer_arn IS NOT NULL")
    }
    assert acts == {"ASIAJANE1": "review", "ASIAUNSEEN": "rogue"}


def test_clock_skew_and_order_do_not_matter_for_exact_credentials() -> None:
    rows = [
        event(**session("deploy", "x", key="ASIAEVIL1"), **BAD, **IAM, at="+3 09:57", operation="CreateUser", request={"userName": "u"},
              response=user_made("u")),
        event(**user("u", key="AKIAU1"), **BAD, at="+3 09:53", operation="PutObject"),
        event(**session("deploy", "x", key="ASIAEVIL1"), **BAD, **IAM, at="+3 09:56", operation="CreateAccessKey", request={"userName": "u"},
              response=key_made("AKIAU1", "u")),
        stolen(), *past(),
    ]  # fmt: skip
    made = trace(rows, start=START)
    assert ids(made) == {KEY, "ASIAEVIL1", f"{USER}u", "AKIAU1"}
    assert made.rows("SELECT count(*) AS n FROM acts WHERE verdict = 'rogue'")[0]["n"] == 4


def test_a_user_of_the_same_name_made_anew_by_its_owner_is_another_one() -> None:
    again = {"user": {"userName": "u", "userId": "AIDAANOTHER", "arn": f"{USER}u"}}
    made = trace([
        *past(), event(**CI, **BAD, **IAM, at="+3 10:00", operation="CreateUser", request={"userName": "u"}, response=user_made("u")),
        event(**user("jane", key="AKIAJANE1"), **IAM, at="+3 12:00", operation="DeleteUser", request={"userName": "u"}),
        event(**user("jane", key="AKIAJANE1"), **IAM, at="+3 12:01", operation="CreateUser", request={"userName": "u"}, response=again),
        event(**user("u", key="AKIANEWU") | {"actor_id": "AIDAANOTHER"}, at="+3 13:00", operation="PutObject"),
    ], start=START)  # fmt: skip
    assert ids(made) == {KEY, f"{USER}u"}
    assert not made.rows("SELECT 1 FROM acts WHERE credential_uid = 'AKIANEWU'")
    assert str(made.rows("SELECT until FROM tainted WHERE kind = 'user'")[0]["until"]).startswith("2026-11-23 12:00")


def test_failed_calls_open_nothing() -> None:
    made = trace([
        *past(),
        event(**CI, **BAD, **STS, at="+3 10:00", operation="AssumeRole", request=assume("admin", "x"), error="AccessDenied",
              response=assumed("admin", "x", "ASIAX")),
        event(**CI, **BAD, **IAM, at="+3 10:01", operation="CreateUser", request={"userName": "u"}, response=user_made("u"), error="Throttling"),
        event(**user("ci"), **BAD, service="signin", at="+3 10:02", operation="ConsoleLogin", response={"ConsoleLogin": "Failure"}),
    ], start=START)  # fmt: skip
    assert ids(made) == {KEY}
    assert made.rows("SELECT count(*) AS n FROM acts WHERE status = 'failure'")[0]["n"] == 2


def test_a_window_that_opens_too_late_is_said_to() -> None:
    made = trace([*past(), *past(ip=EVIL), stolen()], start=START)
    assert ids(made) == {KEY} and why(made, "window.start"), "nothing is followed, and that is not silence"


def test_without_a_window_the_established_network_is_the_owners() -> None:
    made = trace([*past(days=6), event(**CI, **STS, at="+3 10:05", operation="AssumeRole", request=assume("deploy", "p"),
                                       response=assumed("deploy", "p", "ASIAGOOD")), stolen()])  # fmt: skip
    assert ids(made) == {KEY, "ASIAEVIL1"}


def test_trusted_networks_and_neighbours() -> None:
    near = HOME.rsplit(".", 1)[0] + ".200"
    rows = [*past(ip="203.0.113.9"), stolen(),
            event(**CI, src_ip=near, **STS, at="+3 10:01", operation="AssumeRole", request=assume("r", "x"), response=assumed("r", "x", "ASIATRUSTED")),
            event(**CI, src_ip="203.0.113.99", **STS, at="+3 10:02", operation="AssumeRole",
                  request=assume("r", "y"), response=assumed("r", "y", "ASIANEAR"))]  # fmt: skip
    made = trace(
        [row | {"src_ip": "192.0.2.1"} if row["src_ip"] == EVIL else row for row in rows], start=START, trusted_networks=["198.51.100.0/24"]
    )
    assert ids(made) == {KEY, "ASIAEVIL1"} and ids(made, "review") == {"ASIANEAR"}


def test_after_the_window_the_suspect_is_its_owners_again_but_what_it_made_is_not() -> None:
    made = trace([
        *past(), event(**CI, **BAD, **IAM, at="+3 10:00", operation="CreateUser", request={"userName": "u"}, response=user_made("u")),
        stolen("ASIALATE", at="+4 10:00"), event(**user("u", key="AKIAU9"), at="+5 10:00", **BAD, operation="PutObject"),
    ], start=START, end="+3 18:00")  # fmt: skip
    assert ids(made) == {KEY, f"{USER}u"} and made.rows("SELECT 1 FROM acts WHERE credential_uid = 'AKIAU9'")
    assert why(made, "window end too early"), "the attacker still has it: said, not followed"


def test_an_answer_that_the_log_does_not_hold_is_a_hole() -> None:
    made = trace([*past(), event(**CI, **BAD, **STS, at="+3 10:00", operation="AssumeRole", request=assume("deploy", "x"))], start=START)
    assert ids(made) == {KEY} and why(made, "answered")


def test_gaps_are_shown_where_a_conclusion_depends_on_them() -> None:
    gaps = [gap(object="us-east-1/1.json.gz", start="+3 08:00", end="+3 12:00"), gap(object="old", start="+0 00:00", end="+1 00:00"),
            gap(account=OTHER, object="elsewhere")]  # fmt: skip
    made = trace([*past(), stolen()], start=START, gaps=gaps)
    assert {row["tainted_id"] for row in why(made, "us-east-1/1.json.gz")} == {KEY, "ASIAEVIL1"}
    assert not why(made, "old") and not why(made, "elsewhere")


def test_a_suspect_without_events_is_unknown_not_clean() -> None:
    assert why(trace(past(user("jane", key="AKIAJANE1")), "AKIANOTSEEN000000001"), "no event of this suspect")


@pytest.mark.parametrize("crowd", [1, 5])
def test_an_address_alone_makes_nobody_rogue(crowd: int) -> None:
    others = [event(**user(f"u{n}", key=f"AKIAU{n}"), **BAD, at=f"+3 11:0{n}", operation="DeleteBucket") for n in range(crowd)]
    made = trace([*past(), stolen(), *others], start=START)
    assert ids(made) == {KEY, "ASIAEVIL1"} and ids(made, "review") == {f"AKIAU{n}" for n in range(crowd)}
    assert {row["confidence"] for row in made.rows("SELECT confidence FROM tainted WHERE verdict = 'review'")} == {50 if crowd == 1 else 40}


def test_an_address_that_many_share_and_that_of_a_machine_in_the_cloud() -> None:
    crowd = [event(**user(f"u{n}", key=f"AKIAU{n}"), **BAD, at="+3 11:00", operation="DeleteBucket") for n in range(30)]
    made = trace([*past(), stolen(), *crowd], start=START)
    assert ids(made) == {KEY, "ASIAEVIL1"} and not ids(made, "review") and why(made, EVIL)
    run = event(
        **CI,
        **BAD,
        service="ec2",
        at="+3 10:00",
        operation="RunInstances",
        response={"instancesSet": {"items": [{"instanceId": "i-0123456789abcdef0"}]}},
    )
    gateway = {"src_ip": "198.51.100.250"}
    made = trace([*past(), run, event(**session("web", "i-0123456789abcdef0", key="ASIAW1"), **gateway, at="+3 10:10", operation="PutObject"),
                  event(**user("jane", key="AKIAJANE1"), **gateway, at="+3 10:20", operation="PutObject")], start=START)  # fmt: skip
    assert ids(made) == {KEY, "i-0123456789abcdef0"} and not ids(made, "review")


def test_an_address_that_others_had_before_tells_nothing() -> None:
    made = trace(
        [*past(), *past(user("vpn", key="AKIAVPN1"), ip=EVIL), event(**user("vpn", key="AKIAVPN1"), **BAD, at="+3 11:00"), stolen()],
        start=START,
    )
    assert ids(made) == {KEY, "ASIAEVIL1"} and not ids(made, "review")


def test_switched_roles_and_links_into_the_console() -> None:
    x = session("deploy", "x", key="ASIAEVIL1")
    x.pop("session_created")
    admin = session("admin", "x", key="")
    admin.pop("session_created")
    login: Row = {"credential_uid": None}
    switched = json.dumps({"additionalEventData": {"SwitchFrom": x["actor_arn"]}})
    rows = [
        *past(), stolen(),
        event(**x, **BAD, service="signin", at="+3 10:01", operation="GetSigninToken"),
        event(**x | login, **BAD, service="signin", at="+3 10:05", operation="ConsoleLogin", response={"ConsoleLogin": "Success"}),
        event(**x | {"credential_uid": "ASIACONSOLE1"}, **BAD, at="+3 10:06", session_created="+3 10:05:02", operation="PutObject"),
        event(**x | {"credential_uid": "ASIACONSOLE2"}, src_ip=HOME, at="+3 10:06", session_created="+3 08:05:02", operation="PutObject"),
        event(**admin | login, **BAD, service="signin", at="+3 10:10", operation="SwitchRole", response={"SwitchRole": "Success"}, raw=switched),
        event(**admin | {"credential_uid": "ASIASWITCHED1"}, **BAD, at="+3 10:11", session_created="+3 10:10", operation="DeleteTrail", service="cloudtrail"),
        event(**admin | {"credential_uid": "ASIAOTHERDAY"}, src_ip=HOME, at="+3 10:11", session_created="+3 07:10", operation="DeleteBucket"),
    ]  # fmt: skip
    made = trace(rows, start=START)
    acts = {
        row["credential_uid"] for row in made.rows("SELECT credential_uid FROM acts WHERE verdict = 'rogue' AND credential_uid IS NOT NULL")
    }
    assert acts == {KEY, "ASIAEVIL1", "ASIACONSOLE1", "ASIASWITCHED1"} and not ids(made, "review")
    assert why(made, "DeleteTrail"), "what the attacker did to the logs is a gap"


def test_the_owner_signs_in_in_the_same_minute_under_the_same_name() -> None:
    x = session("deploy", "pipeline", key="ASIAEVIL1")
    x.pop("session_created")
    none: Row = {"credential_uid": None}
    made = trace([
        *past(), *past(x | {"credential_uid": "ASIAPIPE1"}), stolen(name="pipeline"),
        event(**x, **BAD, at="+3 10:01", operation="GetObject"),
        event(**x, **BAD, service="signin", at="+3 10:02", operation="GetSigninToken"),
        event(**x | none, **BAD, service="signin", at="+3 10:05", operation="ConsoleLogin", response={"ConsoleLogin": "Success"}),
        event(**x | {"credential_uid": "ASIAC1"}, **BAD, at="+3 10:06", session_created="+3 10:05:01", operation="PutObject"),
        event(**x | {"credential_uid": "ASIAPIPE2"}, src_ip=HOME, at="+3 10:06", session_created="+3 10:05:30", operation="PutObject"),
    ], start=START)  # fmt: skip
    acts = {
        row["credential_uid"]: row["verdict"] for row in made.rows("SELECT credential_uid, verdict FROM acts WHERE operation = 'PutObject'")
    }
    assert acts == {"ASIAC1": "rogue", "ASIAPIPE2": "review"}


def test_a_session_of_root_in_a_member_account() -> None:
    made = trace([
        *past(), event(**CI, **BAD, **STS, at="+3 10:00", operation="AssumeRoot", request={"targetPrincipal": OTHER}, response=token("ASIAROOT1")),
        event(**root(account=OTHER, key="ASIAROOT1"), **BAD, at="+3 10:01", operation="DeleteBucketPolicy"),
        event(**root(account=OTHER), src_ip=HOME, at="+3 10:02", operation="GetCostAndUsage"),
    ], start=START)  # fmt: skip
    assert ids(made) == {KEY, "ASIAROOT1"}
    assert made.rows("SELECT account, arn FROM tainted WHERE id = 'ASIAROOT1'") == [{"account": OTHER, "arn": f"arn:aws:iam::{OTHER}:root"}]


def test_a_person_of_identity_center() -> None:
    who: Row = {
        "actor_type": "IdentityCenterUser",
        "actor_arn": None,
        "actor_name": "jane",
        "actor_account": ACCOUNT,
        "delegation": ["9067f-1"],
    }
    details = json.dumps({"serviceEventDetails": {"role_name": "Admin", "account_id": OTHER}})
    role, saml = (
        "AWSReservedSSO_Admin_0123456789abcdef",
        {"actor_type": "SAMLUser", "actor_arn": None, "actor_name": "jane", "account": OTHER},
    )

    def take(ip: str, at: str, key: str, name: str) -> list[Row]:
        return [event(**who, src_ip=ip, service="sso", at=f"{at}:00", operation="Federate", raw=details),
                event(**saml, src_ip=ip, **STS, at=f"{at}:01", operation="AssumeRoleWithSAML", response=assumed(role, name, key, account=OTHER),
                      request=assume(role, name, account=OTHER, path="/aws-reserved/sso.amazonaws.com/")),
                event(**session(role, name, key=key, account=OTHER), src_ip=ip, at=f"{at}:30", operation="PutObject")]  # fmt: skip

    rows = [*take(HOME, "+1 09:00", "ASIAJANE1", "jane"), *take(EVIL, "+3 10:00", "ASIAEVIL1", "jane"), *take(HOME, "+3 11:00", "ASIAJANE2", "jane"),
            *take(HOME, "+3 10:00", "ASIABOB01", "bob")]  # fmt: skip
    rows = [row for row in rows if row["operation"] != "Federate" or row["actor_name"] == "jane"]
    made = trace(rows, Suspect("aws", ACCOUNT, "identity_center_user", "9067f-1"), start=START)
    assert {"ASIAEVIL1"} == {one for one in ids(made) if one.startswith("ASIA")}
    assert {
        row["credential_uid"] for row in made.rows("SELECT credential_uid FROM acts WHERE verdict = 'rogue' AND operation = 'PutObject'")
    } == {"ASIAEVIL1"}


def test_a_reported_session_leads_to_the_key_that_opened_it() -> None:
    made = trace([*past(), stolen("ASIAEVIL000000000009"), event(**session("deploy", "x", key="ASIAEVIL000000000009"), **BAD, at="+3 10:01"),
                  stolen("ASIAEVIL000000000010", role="other", at="+3 10:05")], "ASIAEVIL000000000009", start=START)  # fmt: skip
    assert ids(made) == {"ASIAEVIL000000000009", KEY, "ASIAEVIL000000000010"}


def test_a_machine_of_its_own_network_is_not_the_thief_of_its_credentials() -> None:
    """The machine was started within the window: nobody knows its address from before."""
    web = session("web", "i-0123456789abcdef0", key="ASIAWEB0000000000009")
    rows = [event(**web, src_ip="198.51.100.81", at="+3 10:00"), event(**web, **BAD, at="+3 11:00", operation="PutObject"),
            event(**web, src_ip="198.51.100.81", **STS, at="+3 12:00", operation="AssumeRole", request=assume("r", "a"), response=assumed("r", "a", "ASIAOWN")),
            event(**web, **BAD, **STS, at="+3 12:01", operation="AssumeRole", request=assume("r", "b"), response=assumed("r", "b", "ASIAEVIL7"))]  # fmt: skip
    for who in ("ASIAWEB0000000000009", "i-0123456789abcdef0"):
        assert ids(trace(rows, who, start=START)) == {who, "ASIAEVIL7"}


def test_a_machine_that_was_entered_and_not_used_is_its_owners() -> None:
    made = trace([*past(), event(**CI, **BAD, service="ssm", at="+3 10:00", operation="StartSession", request={"target": "i-0123456789abcdef0"}),
                  event(**session("web", "i-0123456789abcdef0", key="ASIAWEB1"), src_ip="198.51.100.81", at="+3 10:10",
                        operation="PutObject")], start=START)  # fmt: skip
    assert ids(made) == {KEY} and ids(made, "review") == {"i-0123456789abcdef0"}
    assert made.rows("SELECT verdict FROM acts WHERE operation = 'PutObject'") == [{"verdict": "review"}]


def test_a_pipeline_on_hosted_runners_has_no_network_of_its_own() -> None:
    """Every run comes from a new address: the program that it uses decides between doubt and the attacker."""
    runs = [event(**CI, src_ip=f"20.{n}.1.1", at=f"+{n % 3} {n:02d}:00", user_agent="HashiCorp-Terraform/1.9 x") for n in range(12)]
    run = event(**CI, src_ip="20.99.1.1", **STS, at="+3 10:00", operation="AssumeRole", request=assume("deploy", "p"),
          response=assumed("deploy", "p", "ASIARUN1"),
                user_agent="HashiCorp-Terraform/1.10 y")  # fmt: skip
    made = trace([*runs, run, stolen()], start=START)
    assert ids(made) == {KEY, "ASIAEVIL1"} and ids(made, "review") == {"ASIARUN1"}


def test_credentials_of_a_function_that_turn_up_at_the_attackers() -> None:
    made = trace([
        *past(), stolen(),
        event(**service("lambda.amazonaws.com"), **STS, at="+3 10:00", operation="AssumeRole", request=assume("fn", "fn"),
              response=assumed("fn", "fn", "ASIAFN1")),
        event(**session("fn", "fn", key="ASIAFN1"), src_ip="3.4.5.6", at="+3 10:05", operation="PutItem"),
        event(**session("fn", "fn", key="ASIAFN1"), **BAD, at="+3 10:30", operation="DeleteTable"),
        event(**session("jo", "jo", key="ASIAJO1"), **BAD, at="+3 10:31", operation="DeleteTable"),
    ], start=START)  # fmt: skip
    assert ids(made) == {KEY, "ASIAEVIL1", "ASIAFN1"} and ids(made, "review") == {"ASIAJO1"}
    assert made.rows("SELECT src_ip FROM acts WHERE tainted_id = 'ASIAFN1'") == [{"src_ip": EVIL}]


def test_a_password_that_was_set_for_somebody() -> None:
    jane, login = user("jane"), {"service": "signin", "operation": "ConsoleLogin", "response": {"ConsoleLogin": "Success"}}
    jane.pop("credential_uid")
    made = trace([
        *past(), event(**jane, **login, src_ip=HOME, at="+1 09:00"),
        event(**CI, **BAD, **IAM, at="+3 10:00", operation="UpdateLoginProfile", request={"userName": "jane"}),
        event(**jane, **login, **BAD, at="+3 10:10"), event(**jane, **login, src_ip=HOME, at="+3 11:10"),
        event(**jane, credential_uid="ASIAC1", **BAD, at="+3 10:12", session_created="+3 10:10", operation="DeleteBucket"),
        event(**jane, credential_uid="ASIAC2", src_ip=HOME, at="+3 11:12", session_created="+3 11:10", operation="PutBucketTagging"),
        event(**jane, credential_uid="AKIAJANE1", src_ip=HOME, at="+3 11:13", operation="PutObject"),
    ], start=START)  # fmt: skip
    assert {row["credential_uid"] for row in made.rows("SELECT credential_uid FROM acts WHERE verdict = 'rogue'")} == {KEY, None, "ASIAC1"}
    assert made.rows("SELECT whole FROM tainted WHERE arn LIKE '%jane'") == [{"whole": False}] * 2


def test_only_the_key_that_was_made_for_an_innocent_user_is_tainted() -> None:
    made = trace([
        *past(), event(**CI, **BAD, **IAM, at="+3 10:00", operation="CreateAccessKey", request={"userName": "svc"}, response=key_made("AKIASVC2", "svc")),
        event(**user("svc", key="AKIASVC2"), src_ip="192.0.2.200", at="+3 10:10", operation="PutObject"),
        event(**user("svc", key="AKIASVC1"), src_ip=HOME, at="+3 10:11", operation="PutObject"),
    ], start=START)  # fmt: skip
    assert ids(made) == {KEY, "AKIASVC2"} and not made.rows("SELECT 1 FROM acts WHERE credential_uid = 'AKIASVC1'")


def test_an_identity_provider_of_the_attackers() -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/evil.example"
    who = {"actor_type": "WebIdentityUser", "actor_arn": None, "actor_name": "sub", "account": ACCOUNT}
    come = {**STS, "operation": "AssumeRoleWithWebIdentity"}
    made = trace([
        *past(), event(**CI, **BAD, **IAM, at="+3 10:00", operation="CreateOpenIDConnectProvider", response={"openIDConnectProviderArn": arn}),
        event(**who, **come, src_ip="192.0.2.99", at="+3 10:05", request=assume("ops", "a") | {"providerId": arn}, response=assumed("ops", "a", "ASIAEVIL8")),
        event(**who, **come, src_ip="192.0.2.98", at="+3 10:06", request=assume("ops", "b") | {"providerId": arn.replace("evil", "good")},
              response=assumed("ops", "b", "ASIAGOOD8")),
    ], start=START)  # fmt: skip
    assert ids(made) == {KEY, arn, "ASIAEVIL8"}


def test_a_renamed_user_and_a_trusted_administrator_on_the_same_address() -> None:
    ci2 = user("ci2", key="AKIACI22")
    admin = user("admin", key="AKIAADMIN1")
    made = trace([
        *past(), event(**CI, **BAD, **IAM, at="+3 10:00", operation="UpdateUser", request={"userName": "ci", "newUserName": "ci2"}),
        event(**ci2, **BAD, at="+3 10:10", operation="PutObject"), event(**admin, **BAD, at="+3 10:20", operation="PutObject"),
    ], f"{USER}ci", start=START, trusted_principals=[f"{USER}admin"])  # fmt: skip
    assert ids(made) == {f"{USER}ci", f"{USER}ci2"} and not ids(made, "review")


@pytest.mark.parametrize("others", [0, 1])
def test_a_person_whom_the_portal_does_not_name(others: int) -> None:
    """Newer events of Identity Center have an id only: one session in these seconds is the person's, of two nobody knows."""
    who: Row = {"actor_type": "IdentityCenterUser", "actor_arn": None, "actor_account": ACCOUNT, "delegation": ["9067f-1"]}
    role = "AWSReservedSSO_Admin_0123456789abcdef"
    opened = [event(actor_type="SAMLUser", actor_arn=None, account=OTHER, **STS, at=f"+3 10:00:0{n + 1}", operation="AssumeRoleWithSAML",
                    request=assume(role, f"p{n}", account=OTHER),
                          response=assumed(role, f"p{n}", f"ASIAP{n}", account=OTHER)) for n in range(others + 1)]  # fmt: skip
    details = json.dumps({"serviceEventDetails": {"role_name": "Admin", "account_id": OTHER}})
    made = trace([event(**who, **BAD, service="sso", at="+3 10:00", operation="Federate", raw=details), *opened],
                 Suspect("aws", ACCOUNT, "identity_center_user", "9067f-1"), start=START)  # fmt: skip
    assert {one for one in ids(made, "review" if others else "rogue") if one.startswith("ASIA")} == {f"ASIAP{n}" for n in range(others + 1)}


def test_google_impersonation_and_keys() -> None:
    ci, deploy, other = (f"{name}@acme-prod.iam.gserviceaccount.com" for name in ("ci", "deploy", "other"))
    key = f"//iam.googleapis.com/projects/acme-prod/serviceAccounts/{ci}/keys/"
    iam = {"service": "iamcredentials.googleapis.com"}
    made = _google(ci, deploy, other, key, iam)
    assert ids(made) == {
        f"{ci}/{'a' * 40}",
        f"{deploy} via {ci}",
        f"//iam.googleapis.com/projects/acme-prod/serviceAccounts/{other}/keys/{'b' * 40}",
    }
    assert [row["operation"] for row in made.rows("SELECT operation FROM acts WHERE verdict = 'rogue' ORDER BY time")] == [
        "GenerateAccessToken", "storage.buckets.delete", "google.iam.admin.v1.CreateServiceAccountKey", "v1.compute.instances.insert",
    ]  # fmt: skip


def test_an_application_with_a_credential_that_the_attacker_added() -> None:
    new, old = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
    change = {"displayName": "KeyDescription", "oldValue": f'["[KeyIdentifier={old},KeyType=Password]"]',
              "newValue": f'["[KeyIdentifier={old},KeyType=Password]","[KeyIdentifier={new},KeyType=Password]"]'}  # fmt: skip
    raw = json.dumps({"targetResources": [{"id": "sp-1", "type": "ServicePrincipal", "modifiedProperties": [change]}]})
    jane = entra("user", "u-1", "jane@example.com")
    made = trace([
        *[event(**jane, src_ip=HOME, at=f"+{day} 08:00") for day in range(3)],
        event(**jane, **BAD, service="Core Directory", at="+3 10:00", operation="Add service principal credentials", raw=raw),
        event(**entra("service_principal", "sp-1", "app", key=new) | {"source": "entra_signin"}, src_ip="192.0.2.50", at="+3 10:10",
              operation="Sign-in activity",
              raw=json.dumps({"servicePrincipalId": "sp-1"})),
        event(**entra("service_principal", "sp-1", "app"), src_ip="192.0.2.50", at="+3 10:11", operation="Microsoft.Storage/storageAccounts/listKeys/action"),
        event(**entra("service_principal", "sp-1", "app"), src_ip=HOME, at="+3 10:12", operation="Microsoft.Storage/storageAccounts/write"),
        event(**entra("service_principal", "sp-1", "app", key=old) | {"source": "entra_signin"}, src_ip=HOME, at="+3 10:13", operation="Sign-in activity"),
    ], {"cloud": "azure", "tenant": jane["account"], "user": "Jane@Example.com"}, start=START)  # fmt: skip
    assert ids(made) == {"Jane@Example.com", new, "sp-1"}
    assert made.rows("SELECT src_ip FROM acts WHERE verdict = 'rogue' AND actor_arn = 'sp-1'") == [{"src_ip": "192.0.2.50"}] * 2


def test_hostile_text_is_text() -> None:
    bad = "x'; DROP TABLE events; --{{ lookup('pipe', 'id') }}"
    deep = '{"credentials":' + '{"a":' * 5000 + "1" + "}" * 5000 + "}"
    made = trace([
        *past(), stolen(),
        event(**session("deploy", "x", key="ASIAEVIL1"), **BAD, **IAM, at="+3 10:01", operation="CreateUser", request={"userName": bad},
              response=user_made(bad), user_agent=bad),
        event(**session("deploy", "x", key="ASIAEVIL1"), src_ip="=cmd()", **STS, at="+3 10:02", operation="AssumeRole", request=deep, response=deep),
        event(**session("deploy", "x", key="ASIAEVIL1"), src_ip="not\x00an address", **STS, at="+3 10:03", operation="AssumeRole", request="[[[", response="{"),
        event(**session("deploy", "x", key="ASIAEVIL1"), **BAD, **STS, at="+3 10:04", operation="AssumeRole",
              response={"credentials": [], "assumedRoleUser": 5}),
        event(**session("deploy", "x", key="ASIAEVIL1"), **BAD, service="ec2", at="+3 10:05", operation="RunInstances", response={"instancesSet": "i-1"}),
    ], start=START)  # fmt: skip
    assert f"{USER}{bad}" in ids(made) and made.rows("SELECT count(*) AS n FROM events")[0]["n"] == 9
    assert len(why(made, "answered")) == 4


def _google(ci: str, deploy: str, other: str, key: str, iam: Row) -> t.Any:
    theirs = f"//iam.googleapis.com/projects/acme-prod/serviceAccounts/{other}/keys/"
    rows = [
        *[event(**google(ci, key=f"{key}{'a' * 40}"), src_ip=HOME, at=f"+{day} 08:00") for day in range(3)],
        *[event(**google(deploy, via=[ci]), src_ip=HOME, at=f"+{day} 08:00") for day in range(3)],
        event(**google(ci, key=f"{key}{'a' * 40}"), **BAD, **iam, at="+3 10:00", operation="GenerateAccessToken",
              request={"name": f"projects/-/serviceAccounts/{deploy}"}),
        event(**google(deploy, via=[ci]), **BAD, at="+3 10:01", operation="storage.buckets.delete", service="storage.googleapis.com"),
        event(**google(deploy, via=[ci]), src_ip=HOME, at="+3 10:02", operation="storage.objects.create", read_only=True),
        event(**google(deploy, via=["someone@example.com"]), src_ip="192.0.2.5", at="+3 10:02", operation="storage.objects.create"),
        event(**google(deploy, via=[ci]), **BAD, service="iam.googleapis.com", at="+3 10:03", operation="google.iam.admin.v1.CreateServiceAccountKey",
              request={"name": f"projects/-/serviceAccounts/{other}"}, response={"name": f"{theirs[21:]}{'b' * 40}"}),
        event(**google(other, key=f"{theirs}{'b' * 40}"), src_ip="192.0.2.9", at="+3 10:04", operation="v1.compute.instances.insert"),
        event(**google(other, key=f"{theirs}{'c' * 40}"), src_ip=HOME, at="+3 10:04"),
    ]  # fmt: skip
    return trace(rows, {"cloud": "gcp", "project": "acme-prod", "service_account": ci, "key_id": "a" * 40}, start=START)
