"""A role that others use works on while it is contained: what they do is theirs, what the attacker does in it is undone, and who it was is asked for."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.beds.bed import Bed, Credentials
from tests.beds.company import PRODUCTION, Company, document, trust
from tests.integration.helpers import DEAD, Desk, outcome, status_of, works
from tests.integration.test_hold import ALL, Undoer, bed, company, desk, hold
from tests.integration.test_hold_late_logs import by_hand, late, look, soon

__all__ = ["bed", "company", "desk", "soon"]  # fixtures
pytestmark = pytest.mark.bed
DEPLOY = f"arn:aws:iam::{PRODUCTION}:role/deploy"
CLOUD = {"Effect": "Allow", "Action": "*", "Resource": "*"}


@pytest.fixture(autouse=True)
def shared(desk: Desk, bed: Bed, company: Company) -> None:
    """The role may write in IAM; the leaked key can assume it, and so can a pipeline."""
    bed.lag(0)
    bed.client("iam", company.production.root, direct=True).put_role_policy(RoleName="deploy", PolicyName="all", PolicyDocument=ALL)
    bed.lag(1.5)
    desk.incident(company.leaked.access_key, password="keep", role_action="revoke")


def session(bed: Bed, by: Credentials, name: str) -> Credentials:
    return Credentials.of(bed.client("sts", by).assume_role(RoleArn=DEPLOY, RoleSessionName=name)["Credentials"])


def test_what_others_do_in_a_role_that_is_only_revoked_stays(desk: Desk, bed: Bed, company: Company) -> None:
    """Between two looks, in a session that was opened since; what the attacker does in an older one is undone."""
    iam, pipeline = bed.client("iam", company.production.root, direct=True), company.production.keys["alice"]
    policy = iam.create_policy(PolicyName="app", PolicyDocument=document(CLOUD))["Policy"]["Arn"]
    stolen, thief = session(bed, company.leaked, "run-1"), bed.client("iam", company.leaked)
    attacker = bed.client("iam", stolen)
    with Undoer(
        bed, lambda: outcome(attacker, "put_user_policy", UserName="bob", PolicyName="more", PolicyDocument=ALL), tries=1
    ) as undoer:
        done = hold(desk, spread="2s")
    assert undoer.done == 1 and "revoke" in str(status_of(done, "role/deploy")), done["principals"]
    assert works(bed, stolen) in DEAD and outcome(thief, "list_users") in DEAD
    assert "more" not in iam.list_user_policies(UserName="bob")["PolicyNames"]
    time.sleep(1.1)  # a session is as old as the second in which it was opened
    work = bed.client("iam", session(bed, pipeline, "run-2"))
    work.create_policy_version(PolicyArn=policy, PolicyDocument=document(CLOUD, CLOUD), SetAsDefault=True)
    work.create_role(RoleName="svc", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    bed.lag(0)
    looked = look(desk, spread="1s")
    assert (
        iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"] == "v2"
        and iam.list_role_policies(RoleName="svc")["PolicyNames"] == []
    )
    assert looked["status"] == "ok" and not [p for p in looked["principals"] if p["name"] == "svc"], looked["open"]
    said = {w["object"].rsplit("/", 1)[-1]: w["why"] for w in looked["watch"]}
    assert {"app", "svc"} <= set(said) and all(
        DEPLOY in said[name] and "not known to be the attacker's" in said[name] for name in ("app", "svc")
    ), said


def test_what_was_undone_before_anybody_knew_whose_it_was_is_said_to_whom_it_belongs(desk: Desk, bed: Bed, company: Company) -> None:
    iam, pipeline = bed.client("iam", company.production.root, direct=True), bed.client("iam", company.production.root)
    desk.incident(company.leaked.access_key, DEPLOY, password="keep", role_action="revoke")  # which the late logs do not lead to
    bed.lag(0)
    more: dict[str, Any] = {"RoleName": "deploy", "PolicyName": "queue", "PolicyDocument": document(CLOUD)}
    done = late(desk, lambda: outcome(pipeline, "put_role_policy", **more), spread="1s")
    names = iam.list_role_policies(RoleName="deploy")["PolicyNames"]
    assert "queue" not in names and done["status"] == "open" and by_hand(done) == ["deploy"], (names, done["open"])
    assert any("was undone" in w["why"] and w["object"] == DEPLOY for w in done["watch"]), done["watch"]
    assert desk.run("case", case=str(desk.case), state="closed", reason="we are in a hurry")["failed"]
    looked = look(desk, spread="1s")
    (said,) = [w["why"] for w in looked["watch"] if w["object"] == DEPLOY]
    assert ":root, and was undone" in said and "do it again" in said, said
    assert by_hand(looked) == [] and not [o for o in looked["open"] if "queue" in o["why"]], looked["open"]
    (kept,) = [r["why"] for r in desk.restore()["open"] if r["object"] == f"{DEPLOY} inline/queue"]
    assert "does not say that a suspect had changed it" in kept, kept
