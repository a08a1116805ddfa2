"""What the red team found, each as the smallest attack that shows it."""

from __future__ import annotations

import contextlib
import json
import threading
import time

import pytest
from botocore.exceptions import ClientError

from tests.beds.bed import Bed, Credentials
from tests.beds.company import trust
from tests.integration.helpers import Desk, status_of, works
from tests.redteam.arsenal import ADMIN, OUTSIDE, set_up_outside

pytestmark = pytest.mark.bed
MALLORY = f"arn:aws:iam::{OUTSIDE}:user/mallory"


def assumed(bed: Bed, by: Credentials, role: str) -> Credentials | None:
    try:
        return Credentials.of(bed.client("sts", by).assume_role(RoleArn=role, RoleSessionName="evil")["Credentials"])
    except ClientError:
        return None


def out(bed: Bed, by: Credentials, role: str) -> bool:
    """Nothing can be done in the role from outside."""
    session = assumed(bed, by, role)
    return session is None or works(bed, session) != "ok"


def test_a_trust_planted_for_another_account(desk: Desk) -> None:
    """A: `revoke` on a role whose trust the suspect rewrote is called contained, while the newcomer walks in again."""
    bed, company = desk.bed, desk.company
    outside = set_up_outside(bed).credentials
    iam = bed.client("iam", company.leaked)
    iam.update_assume_role_policy(RoleName="orders-lambda", PolicyDocument=trust({"AWS": MALLORY}))
    role = company.production.roles["orders-lambda"]
    assert not out(bed, outside, role)
    desk.incident(company.leaked.access_key)
    done = desk.run("aws_contain", hold="1s")
    row = status_of(done, "role/orders-lambda")
    print(row["action"], row["role_action"], done["status"])
    assert out(bed, outside, role) or row["action"] != "contained", row


@pytest.mark.parametrize("trusted", ["*", MALLORY])
def test_b_role_that_the_suspect_made(desk: Desk, trusted: str) -> None:
    """B: a role made by the suspect is only revoked (it was used a minute ago), and anybody whom it trusts comes back."""
    bed, company = desk.bed, desk.company
    outside = set_up_outside(bed).credentials
    iam = bed.client("iam", company.leaked)
    role = iam.create_role(RoleName="audit-1", AssumeRolePolicyDocument=trust({"AWS": trusted}))["Role"]["Arn"]
    iam.put_role_policy(RoleName="audit-1", PolicyName="all", PolicyDocument=ADMIN)
    session = assumed(bed, outside, role)
    assert session and works(bed, session) == "ok"
    time.sleep(1.1)
    desk.incident(company.leaked.access_key)
    done = desk.run("aws_contain", hold="1s")
    row = status_of(done, "role/audit-1")
    print(row["action"], row["role_action"], done["status"])
    assert out(bed, outside, role) and works(bed, session) != "ok", row


def test_c_what_a_session_from_outside_did_in_a_planted_role(desk: Desk) -> None:
    """C: the planted role is found, what its sessions made is not: they are in no trail of the suspect."""
    bed, company = desk.bed, desk.company
    outside = set_up_outside(bed).credentials
    iam = bed.client("iam", company.leaked)
    iam.update_assume_role_policy(RoleName="reporting", PolicyDocument=trust({"AWS": [company.production.users["bob"], MALLORY]}))
    iam.put_role_policy(RoleName="reporting", PolicyName="all", PolicyDocument=ADMIN)
    session = assumed(bed, outside, company.production.roles["reporting"])
    assert session
    key = Credentials.of(bed.client("iam", session).create_access_key(UserName="alice")["AccessKey"])
    assert works(bed, key) == "ok"
    desk.incident(company.leaked.access_key)
    done = desk.run("aws_contain", hold="1s")
    named = json.dumps([done[k] for k in ("principals", "open", "suggested", "residual")])
    print(done["status"], "alice" in named)
    assert works(bed, key) != "ok", done["status"]


def test_e_a_second_key_of_an_innocent(desk: Desk) -> None:
    """E: with the password of alice cut as `only`, a key that the same session made for her a second later is cut as well."""
    bed, company = desk.bed, desk.company
    sts = bed.client("sts", company.leaked)
    bed.client("iam", company.leaked).put_role_policy(RoleName="deploy", PolicyName="all", PolicyDocument=ADMIN)
    session = Credentials.of(sts.assume_role(RoleArn=company.production.roles["deploy"], RoleSessionName="evil")["Credentials"])
    iam = bed.client("iam", session)
    iam.create_login_profile(UserName="alice", Password="Attackers-Choice-1")
    key = Credentials.of(iam.create_access_key(UserName="alice")["AccessKey"])
    minted = Credentials.of(bed.client("sts", key).get_session_token()["Credentials"])
    desk.incident(company.leaked.access_key)
    done = desk.run("aws_contain", hold="1s")
    row = status_of(done, "user/alice")
    print(row["action"], row["controls"])
    assert works(bed, key) != "ok" and works(bed, minted) != "ok"
    assert works(bed, company.production.keys["alice"]) == "ok"


def test_f_a_session_of_the_responders_role(desk: Desk) -> None:
    """F: trust for itself planted in the responder's role, and a session of it: exempt from every fence."""
    bed, company = desk.bed, desk.company
    iam = bed.client("iam", company.leaked)
    trusting = trust({"AWS": [company.responder_arn, company.production.users["ci-deploy"]]})
    iam.update_assume_role_policy(RoleName="incident-responder", PolicyDocument=trusting)
    session = assumed(bed, company.leaked, company.production.responder_role)
    assert session and works(bed, session) == "ok"
    desk.incident(company.leaked.access_key)
    done = desk.run("aws_contain", hold="1s")
    print(done["status"], [(p["object"], p["message"][:200]) for p in done["problems"]], done["open"])
    assert works(bed, session) != "ok"


class Squatter(threading.Thread):
    """From outside, again and again, into the responder's own role: lets itself in, and lifts whatever is said against its sessions."""

    def __init__(self, desk: Desk, outside: Credentials, first: Credentials) -> None:
        super().__init__(daemon=True)
        self.desk, self.outside, self.held, self.over = desk, outside, [first], threading.Event()
        self.worked: list[float] = []

    def run(self) -> None:
        bed, company = self.desk.bed, self.desk.company
        while not self.over.wait(0.15):
            arn = company.production.responder_role
            try:
                fresh = bed.client("sts", self.outside).assume_role(RoleArn=arn, RoleSessionName=f"s{len(self.held)}")["Credentials"]
                self.held.append(Credentials.of(fresh))
            except ClientError:
                pass
            iam = bed.client("iam", self.held[-1])
            for operation, more in (
                ("update_assume_role_policy", {"PolicyDocument": trust({"AWS": [company.responder_arn, MALLORY]})}),
                ("delete_role_policy", {"PolicyName": "evict-userid-IR-1"}), ("delete_role_policy", {"PolicyName": "evict-session-IR-1"}),
            ):  # fmt: skip
                with contextlib.suppress(ClientError):
                    getattr(iam, operation)(RoleName="incident-responder", **more)
                    self.worked.append(time.monotonic())


def test_who_sits_in_the_responders_own_role_and_comes_in_again_and_again_is_out(desk: Desk) -> None:
    """It is exempt from every fence, and each pass knew only the sessions of the one before: the response could only go on until its time was over."""
    bed, company = desk.bed, desk.company
    outside = set_up_outside(bed).credentials
    role = company.production.responder_role
    bed.client("iam", company.leaked).update_assume_role_policy(
        RoleName="incident-responder", PolicyDocument=trust({"AWS": [company.responder_arn, MALLORY]})
    )
    session = assumed(bed, outside, role)
    assert session and works(bed, session) == "ok"
    desk.incident(company.leaked.access_key)
    squatter = Squatter(desk, outside, session)
    bed.regions("us-east-1", "eu-west-1")
    bed.lag(1)
    squatter.start()
    try:
        done = desk.run("aws_contain", hold="40s", spread="2s", clocks="none")
        ended = time.monotonic()
        time.sleep(1.2)
    finally:
        squatter.over.set()
        squatter.join(30)
        bed.lag(0)
        bed.regions()
    assert len(squatter.held) > 5, "the bed let nobody in: the test proves nothing"
    assert [s for s in squatter.held if works(bed, s) == "ok"] == [] and out(bed, outside, role)
    assert max(squatter.worked) < ended and not [o for o in done["open"] if "still being changed" in o["why"]], done["open"]
    assert "all but evict-IR-1" in json.dumps(done["warnings"]), done["warnings"]
    before = bed.snapshot()
    again = desk.run("aws_contain", hold="1s", spread="2s", clocks="none")
    assert again["changed"] is False and bed.snapshot() == before, again["open"]


def test_g_trust_in_break_glass(desk: Desk) -> None:
    """G: the same in a protected role."""
    bed, company = desk.bed, desk.company
    iam = bed.client("iam", company.leaked)
    glass = company.production.roles["break-glass"]
    trusting = trust({"AWS": [f"arn:aws:iam::{bed.management}:root", company.production.users["ci-deploy"]]})
    iam.update_assume_role_policy(RoleName="break-glass", PolicyDocument=trusting)
    session = assumed(bed, company.leaked, glass)
    assert session and works(bed, session) == "ok"
    desk.incident(company.leaked.access_key, protected=[glass])
    done = desk.run("aws_contain", hold="1s")
    print(done["status"], [(p["object"], p["message"][:200]) for p in done["problems"]], done["open"])
    assert works(bed, session) != "ok"


def test_h_two_roles_that_assume_one_another(desk: Desk) -> None:
    """H: a chain that comes back to where it began ends the module in a traceback, without a result."""
    bed, company = desk.bed, desk.company
    iam = bed.client("iam", company.leaked)
    roles = company.production.roles
    iam.update_assume_role_policy(RoleName="orders-lambda", PolicyDocument=trust({"AWS": roles["deploy"]}))
    trusting = trust({"AWS": [company.production.users["ci-deploy"], company.production.users["alice"], roles["orders-lambda"]]})
    iam.update_assume_role_policy(RoleName="deploy", PolicyDocument=trusting)
    for name in ("deploy", "orders-lambda"):
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=ADMIN)
    session = company.leaked
    for name in ("deploy", "orders-lambda", "deploy", "orders-lambda"):
        session = assumed(bed, session, roles[name]) or session
    assert works(bed, session) == "ok"
    time.sleep(1.1)
    desk.incident(company.leaked.access_key, role_action="revoke")
    done = desk.run("aws_contain", hold="15s", spread="1s")
    assert {p["name"] for p in done["principals"]} >= {"deploy", "orders-lambda"}
    assert works(bed, session) != "ok"
    # Cut together and ahead: one after the other they would be cut again and again, each since the other was.
    assert not [o for o in done["open"] if "still being changed" in o["why"] or "not yet spread" in o["why"]], done["open"]
    written = [(e["eventTime"], e["requestParameters"]) for e in bed.events() if e["eventName"] == "PutRolePolicy"]
    assert 4 <= len(written) <= 6, written  # two are his own; each of ours is cut at once, and perhaps once more, ahead
    # However many plans there were for a role side by side, what they have in common is written once.
    assert len({json.dumps(one, sort_keys=True) for _at, one in written}) == len(written), written


def test_who_wrote_himself_into_the_responders_trust_a_moment_before_is_contained_when_the_log_tells(desk: Desk) -> None:
    """Until CloudTrail has the event he is guarded as part of the chain; he is asked about again in the same run, and not by a later one alone."""
    bed, company = desk.bed, desk.company
    me = company.production.users["ci-deploy"]
    responder = trust({"AWS": [company.responder_arn, me]}, "sts:AssumeRole", "sts:SetSourceIdentity")
    bed.configure(trail_delay=4)
    bed.client("iam", company.leaked).update_assume_role_policy(RoleName="incident-responder", PolicyDocument=responder)
    desk.incident(company.leaked.access_key)
    try:
        refused = desk.contain()  # does not hold, so it does not wait either
        done = desk.run("aws_contain", hold="30s", spread="1s")
    finally:
        bed.configure(trail_delay=0)
    assert [p["operation"] for p in refused["problems"]] == ["guard trust_chain"] and refused["status"] == "refused"
    assert status_of(done, "user/ci-deploy")["action"] == "contained", done
    assert [p["operation"] for p in done["problems"]] == [
        "guard caller"
    ]  # its session of the responder's role is denied by name; the role is not cut
    assert works(bed, company.leaked) != "ok"
