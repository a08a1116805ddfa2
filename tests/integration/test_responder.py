"""The responder's own sessions: as whom, until when, and what is said when one cannot be had."""

from __future__ import annotations

import datetime
import json
import threading
from typing import Any
from unittest import mock

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import assumed, session
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Target
from tests.beds.bed import Credentials, root
from tests.beds.company import allow, document, trust
from tests.integration.helpers import Desk, environment, utc

pytestmark = pytest.mark.bed

P = "arn:aws:iam::222222222222"
BOB = f"{P}:user/bob"


def assumptions(desk: Desk) -> list[dict[str, Any]]:
    """What CloudTrail keeps of the responder's AssumeRole calls, refused ones with their error."""
    own = desk.company.responder.access_key
    return [
        {**(e["requestParameters"] or {}), "errorCode": e.get("errorCode")}
        for e in desk.bed.events()
        if e["eventName"] == "AssumeRole" and e["userIdentity"].get("accessKeyId") == own
    ]


def said(done: dict[str, Any]) -> str:
    return json.dumps(done.get("warnings", []), default=str)


# -- as whom -------------------------------------------------------------------------------------------------------------


def test_the_session_carries_the_incident_and_the_human(desk: Desk) -> None:
    desk.incident(BOB)
    done = desk.contain()
    assert done["problems"] == [] and "source identity" not in said(done)
    assert {(a["roleSessionName"], a["sourceIdentity"], a["errorCode"]) for a in assumptions(desk)} == {("evict-IR-1", "responder", None)}


def test_a_name_that_was_given_is_the_one_that_counts(desk: Desk) -> None:
    desk.incident(BOB, connection={"aws": {"role_arn": desk.company.role_template, "source_identity": "ada@corp.example"}})
    assert desk.contain()["problems"] == []
    assert {a["sourceIdentity"] for a in assumptions(desk)} == {"ada@corp.example"}


@pytest.mark.parametrize("lacks", ["trust", "caller"])
def test_where_it_may_not_be_set_the_role_is_assumed_without_it_and_one_warning_says_so(desk: Desk, lacks: str) -> None:
    if lacks == "trust":
        iam = desk.bed.client("iam", desk.company.production.root, direct=True)
        iam.update_assume_role_policy(RoleName="incident-responder", PolicyDocument=trust({"AWS": desk.company.responder_arn}))
    else:
        iam = desk.bed.client("iam", root(desk.bed.management), direct=True)
        iam.put_user_policy(UserName="responder", PolicyName="respond", PolicyDocument=document(allow("sts:AssumeRole", "organizations:*")))
    desk.incident(BOB, "arn:aws:iam::333333333333:user/bob")
    done = desk.contain()
    assert done["problems"] == [] and said(done).count("sts:SetSourceIdentity") == 1, said(done)
    silent = 1 if lacks == "trust" else 2
    tries = assumptions(desk)
    assert f"in {silent} account(s)" in said(done) and len(tries) == 2 + silent  # each refusal once, whatever is asked later
    assert sum(a["errorCode"] == "AccessDenied" for a in tries) == silent


def test_a_role_that_cannot_be_assumed_at_all_is_no_matter_of_its_source_identity(desk: Desk) -> None:
    desk.incident(BOB, connection={"aws": {"role_arn": "arn:aws:iam::{account}:role/nobody"}})
    done = desk.contain()
    assert done["failed"] and "222222222222 cannot be reached" in done["msg"] and "source identity" not in said(done)


@pytest.mark.parametrize(
    ("arn", "who"),
    [
        ("arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0a/ada@corp.example", "ada@corp.example"),
        ("arn:aws:iam::111122223333:user/team/ada", "ada"), ("arn:aws:iam::111122223333:root", ""),
        ("arn:aws:sts::111122223333:federated-user/ada", "ada"), ("arn:aws:iam::111122223333:user/ä{{x}}", ""),
        ("arn:aws:sts::111122223333:assumed-role/r/" + "x" * 64, "x" * 64), ("arn:aws:sts::111122223333:assumed-role/r/a b;c", "abc"),
    ],
)  # fmt: skip
def test_who_is_behind_an_arn(arn: str, who: str) -> None:
    assert assumed.human(arn) == who


# -- until when ----------------------------------------------------------------------------------------------------------


def connected(desk: Desk) -> session.Aws:
    return session.Aws({"role_arn": desk.company.role_template}, incident="IR-1")


def left(aws: session.Aws, *, minutes: float, clock: datetime.datetime | None = None) -> None:
    """As if the session had been assumed so long ago that it ends in `minutes`."""
    keys = aws.roles.keys("222222222222")
    aws.roles._kept["222222222222"] = (keys, (clock or aws.now()) + datetime.timedelta(minutes=minutes))


def who_am_i(aws: session.Aws, account: str = "222222222222") -> str:
    return str(aws.call(Call(Target("aws", account), "sts", "GetCallerIdentity", {}))["Arn"])


def test_a_session_near_its_end_is_made_anew_once_for_all_threads(desk: Desk) -> None:
    with environment(desk.bed.environ()):
        aws = connected(desk)
        who_am_i(aws)
        first = aws.roles.keys("222222222222")
        who_am_i(aws)
        assert len(assumptions(desk)) == 1
        left(aws, minutes=4)
        threads = [threading.Thread(target=who_am_i, args=(aws,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(assumptions(desk)) == 2 and aws.roles.keys("222222222222") != first
    used = {c["access_key"] for c in desk.bed.calls(operation="GetCallerIdentity")}
    assert first[0] in used and aws.roles.keys("222222222222")[0] in used


def test_the_clouds_clock_says_when_a_session_ends(desk: Desk) -> None:
    """A laptop that is four minutes slow would otherwise go on with a session that has ended."""
    desk.bed.clock(200)
    with environment(desk.bed.environ()):
        aws = connected(desk)
        who_am_i(aws)
        left(aws, minutes=7, clock=datetime.datetime.now(datetime.UTC))
        who_am_i(aws)
    assert len(assumptions(desk)) == 2


def test_while_it_cannot_be_made_anew_the_old_one_is_used_to_its_end(desk: Desk) -> None:
    with environment(desk.bed.environ()):
        aws = connected(desk)
        who_am_i(aws)
        desk.bed.rule("fail", operation="AssumeRole", times=99, mutating=False, status=403, code="AccessDenied", message="no")
        left(aws, minutes=3)
        for _ in range(5):
            assert "incident-responder" in who_am_i(aws)
        tries = [c for c in desk.bed.calls(operation="AssumeRole") if c["error"]]
        assert 1 <= len(tries) <= 2, "not once for every call"


def test_a_session_that_ends_half_way_is_replaced_and_nothing_is_left_out(desk: Desk) -> None:
    """The account's session ends (an hour is over, or somebody revoked it) between two changes of one run."""
    desk.incident(BOB, f"{P}:user/alice")
    keys: list[str] = []
    real = session.Aws._send_once

    def ending(aws: session.Aws, call: Call, sent: dict[str, Any]) -> Any:
        if call.operation == "UpdateAccessKey" and not keys:
            kept = aws.roles.current("222222222222")
            keys.append(kept[0] if kept else "")
            desk.bed.expire(Credentials(keys[0], ""))
        return real(aws, call, sent)

    with mock.patch.object(session.Aws, "_send_once", ending):
        done = desk.contain()
    assert done["problems"] == [] and len(done["principals"]) == 2
    assert any(c["error"].startswith("ExpiredToken") for c in desk.bed.calls(access_key=keys[0])), "the canary: it had ended"
    assert desk.contain()["changed"] is False


@pytest.mark.parametrize(("seconds", "told"), [(8 * 60, True), (40 * 60, False)])
def test_a_session_of_the_caller_that_ends_soon_is_told_at_the_start(desk: Desk, seconds: int, told: bool) -> None:
    desk.incident(BOB)
    with mock.patch.object(type(desk.bed), "environ", _ending(desk, utc(seconds))):
        done = desk.contain()
    assert done["problems"] == [] and ("cannot be renewed from here" in said(done)) is told


@pytest.mark.parametrize(
    ("where", "told"),
    [("environment", True), ("environment with its end", False), ("profile", True), ("profile that has no session", False)],
)
def test_a_session_of_the_caller_whose_end_is_not_known_is_told_at_the_start(desk: Desk, where: str, told: bool) -> None:
    sts = desk.bed.client("sts", desk.company.responder)
    held = Credentials.of(sts.get_session_token()["Credentials"]) if "has no" not in where else desk.company.responder
    desk.secrets += [held.secret_key, *([held.token] if held.token else [])]
    real = type(desk.bed).environ(desk.bed, held)
    if "profile" in where:
        keys = {"aws_access_key_id": held.access_key, "aws_secret_access_key": held.secret_key, "aws_session_token": held.token}
        file = desk.folder.parent / "credentials"
        file.write_text("\n".join(["[ir]", *(f"{name} = {value}" for name, value in keys.items() if value)]))
        real = {k: v for k, v in real.items() if k not in {name.upper() for name in keys}}
        real |= {"AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_PROFILE": "ir"}
    elif "its end" in where:
        real |= {"AWS_CREDENTIAL_EXPIRATION": utc(3600)}
    desk.incident(BOB)
    with mock.patch.object(type(desk.bed), "environ", lambda _bed, _credentials=None: real):
        done = desk.contain()
    assert done["problems"] == [] and ("its end is not known" in said(done)) is told


def test_a_session_of_the_caller_that_has_ended_is_no_traceback(desk: Desk) -> None:
    desk.incident(BOB)
    before = desk.bed.snapshot()
    with mock.patch.object(type(desk.bed), "environ", _ending(desk, utc(-60))):
        done = desk.contain()
    assert done["failed"] and "log in again" in done["msg"] and desk.bed.snapshot() == before


def _ending(desk: Desk, when: str) -> Any:
    real = type(desk.bed).environ
    return lambda bed, credentials=None: {**real(bed, credentials), "AWS_CREDENTIAL_EXPIRATION": when}


# -- the management account ----------------------------------------------------------------------------------------------


def management(desk: Desk, **trusted: Any) -> str:
    iam = desk.bed.client("iam", root(desk.bed.management), direct=True)
    policy = trust({"AWS": desk.company.responder_arn}, "sts:AssumeRole", "sts:SetSourceIdentity", **trusted)
    arn = str(iam.create_role(RoleName="incident-policies", AssumeRolePolicyDocument=policy)["Role"]["Arn"])
    iam.put_role_policy(RoleName="incident-policies", PolicyName="work", PolicyDocument=document(allow("organizations:*")))
    iam.put_user_policy(
        UserName="responder",
        PolicyName="respond",
        PolicyDocument=document(allow("sts:AssumeRole", "sts:SetSourceIdentity", "sts:GetAccessKeyInfo")),
    )
    return arn


def test_the_role_of_the_management_account_is_assumed_under_the_same_names(desk: Desk) -> None:
    arn = management(desk, StringEquals={"sts:ExternalId": "7f3c"})
    aws = {"role_arn": desk.company.role_template, "management_role_arn": arn, "external_id": "7f3c", "source_identity": "ada"}
    desk.incident(BOB, connection={"aws": aws})
    done = desk.contain()
    assert done["problems"] == [] and done["fences"][0]["control"] == "scp"
    mine = [a for a in assumptions(desk) if a["roleArn"] == arn]
    assert [(a["roleSessionName"], a["sourceIdentity"], a["externalId"]) for a in mine] == [("evict-IR-1", "ada", "7f3c")]


@pytest.mark.parametrize("wrong", ["missing", "external_id", "typo"])
def test_a_role_of_the_management_account_that_cannot_be_had_is_named_as_the_setting_it_comes_from(desk: Desk, wrong: str) -> None:
    arn = management(desk, **({"StringEquals": {"sts:ExternalId": "7f3c"}} if wrong == "external_id" else {}))
    arn = {"missing": "arn:aws:iam::111111111111:role/nobody", "typo": "arn:aws:iam::11111111111:role/x"}.get(wrong, arn)
    desk.incident(BOB)
    done = desk.contain(management_role_arn=arn)
    (row,) = done["fences"]
    assert row["control"] == "none" and f"connection.aws.management_role_arn ({arn}) cannot be assumed" in row["why"], row
    assert done["problems"] == [] and row["instead"] == ["AWSDenyAll"]


def test_its_session_is_made_anew_too(desk: Desk) -> None:
    arn = management(desk)
    ask = Call(Target("aws", ""), "organizations", "DescribeOrganization", {})
    with environment(desk.bed.environ()):
        aws = session.Aws({"role_arn": desk.company.role_template, "management_role_arn": arn}, incident="IR-1")
        aws.call(ask)
        kept = aws.roles.current(assumed.MANAGEMENT)
        assert kept
        desk.bed.expire(Credentials(kept[0], ""))
        aws.call(ask)
        assert aws.roles.current(assumed.MANAGEMENT) != kept
