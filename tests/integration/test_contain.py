"""Containment on the enforcing bed: whoever was named, whatever was minted, and nobody else."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import session
from ansible_collections.evict.cloud.plugins.module_utils.aws.contain import Containment
from ansible_collections.evict.cloud.plugins.module_utils.aws.hold import Hold
from tests.beds.bed import Bed, Credentials
from tests.beds.company import ATTACKER_IP, OFFICE, Company, document
from tests.beds.loops import Attacker, Bystanders
from tests.integration.helpers import DEAD, DENIED, Desk, next_second, outcome, status_of, utc, works

pytestmark = pytest.mark.bed

ALL = document({"Effect": "Allow", "Action": "*", "Resource": "*"})


class Thief:
    """The attacker with the leaked key; every call goes through the recording proxy."""

    def __init__(self, bed: Bed, company: Company) -> None:
        self.bed, self.company, self.key = bed, company, company.leaked
        self.sts, self.iam = bed.client("sts", self.key), bed.client("iam", self.key)

    def session(self) -> Credentials:
        return Credentials.of(self.sts.get_session_token()["Credentials"])

    def federation(self, name: str = "fed") -> Credentials:
        return Credentials.of(self.sts.get_federation_token(Name=name, Policy=ALL)["Credentials"])

    def role(self, name: str = "evil", source: Credentials | None = None, role: str = "deploy") -> Credentials:
        sts = self.bed.client("sts", source) if source else self.sts
        return Credentials.of(sts.assume_role(RoleArn=self.company.production.roles[role], RoleSessionName=name)["Credentials"])

    def user_key(self, user: str) -> Credentials:
        return Credentials.of(self.iam.create_access_key(UserName=user)["AccessKey"])


@pytest.fixture
def thief(desk: Desk) -> Thief:
    return Thief(desk.bed, desk.company)


def assume(bed: Bed, who: Credentials, role: str, name: str) -> Credentials:
    return Credentials.of(bed.client("sts", who).assume_role(RoleArn=role, RoleSessionName=name)["Credentials"])


def unchanged(desk: Desk, **params: Any) -> None:
    """A second run: changed=0, the cloud as it was, and nothing in the ledger but start and end."""
    before, runs = desk.bed.snapshot(), set(desk.ledger().runs)
    again = desk.contain(**params)
    assert again["changed"] is False and again["changed_count"] == 0, [s for s in again["steps"] if s["status"] != "already"]
    assert desk.bed.snapshot() == before
    (new,) = set(desk.ledger().runs) - runs
    records = [r for r in desk.records() if r["run"] == new]
    assert [r["kind"] for r in records] == ["start", "end"], [r.get("notes") for r in records]
    assert desk.verified()


# -- who a suspect is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("account", [True, False])
def test_a_leaked_key_ends_the_user_and_its_sessions_and_nobody_else(desk: Desk, thief: Thief, account: bool) -> None:
    bed, company = desk.bed, desk.company
    held = [thief.key, thief.session(), thief.federation()]
    suspect = {"access_key_id": thief.key.access_key} | ({"account": company.production.id} if account else {})
    desk.incident(suspect)
    done = desk.contain()
    assert status_of(done, "user/ci-deploy")["account"] == company.production.id and done["problems"] == []
    assert {works(bed, c) for c in held} <= DEAD
    assert works(bed, company.production.keys["bob"]) == works(bed, company.staging.keys["ci-deploy"]) == "ok"
    keys = bed.client("iam", company.production.root).list_access_keys(UserName="ci-deploy")["AccessKeyMetadata"]
    assert {k["Status"] for k in keys} == {"Inactive"} and len(keys) == 2
    unchanged(desk)
    assert desk.leaks() == []


def test_contained_is_claimed_only_after_the_wait(desk: Desk, thief: Thief) -> None:
    desk.incident(thief.key.access_key)
    first = desk.contain()
    row = status_of(first, "user/ci-deploy")
    assert (first["status"], first["failed"], row["proof"], row["contained_at"]) == ("open", True, "unknown", None)
    second = desk.contain(hold="1s")
    row = status_of(second, "user/ci-deploy")
    assert (second["status"], row["action"], row["proof"]) == ("ok", "contained", "read-back") and row["contained_at"] <= utc()
    assert second["residual"] == [] and second["changed"] is False


@pytest.mark.parametrize("kind", ["session", "federation"])
def test_a_temporary_key_id_leads_to_the_user_behind_it(desk: Desk, thief: Thief, kind: str) -> None:
    held = getattr(thief, kind)()
    assert works(desk.bed, held) == "ok"  # its use is what CloudTrail knows it by
    desk.incident(held.access_key)
    done = desk.contain()
    assert status_of(done, "user/ci-deploy") and done["problems"] == []
    assert {works(desk.bed, c) for c in (held, thief.key)} <= DEAD
    unchanged(desk)


def test_a_role_session_key_id_leads_to_its_role(desk: Desk, thief: Thief) -> None:
    held = thief.role()
    works(desk.bed, held)
    next_second()
    desk.incident({"access_key_id": held.access_key, "account": desk.company.production.id})
    done = desk.contain()
    assert status_of(done, "role/deploy")["role_action"] == "revoke"
    assert works(desk.bed, held) in DENIED
    unchanged(desk)


def test_a_temporary_key_that_no_log_knows_says_what_to_pass_instead(desk: Desk, thief: Thief) -> None:
    held = thief.session()
    desk.bed.configure(trail_delay=900)
    before = desk.bed.snapshot()
    desk.incident(held.access_key)
    done = desk.contain()
    (problem,) = done["problems"]
    assert problem["object"] == held.access_key and "arn:aws:iam::ACCOUNT:role/NAME" in problem["remedy"] and done["failed"]
    assert desk.bed.snapshot() == before


ARNS = {
    "user": "arn:aws:iam::{a}:user/ci-deploy",
    "role": "arn:aws:iam::{a}:role/deploy",
    "assumed role": "arn:aws:sts::{a}:assumed-role/deploy/evil",
    "federated user": "arn:aws:sts::{a}:federated-user/fed",
}


@pytest.mark.parametrize("kind", sorted(ARNS))
def test_an_arn(desk: Desk, thief: Thief, kind: str) -> None:
    sessions = {"user": thief.session(), "role": thief.role(), "assumed role": thief.role(), "federated user": thief.federation()}
    works(desk.bed, sessions[kind])
    next_second()
    desk.incident(ARNS[kind].format(a=desk.company.production.id))
    done = desk.contain()
    assert status_of(done, "role/deploy" if "role" in kind else "user/ci-deploy") and done["problems"] == []
    assert works(desk.bed, sessions[kind]) in DENIED
    unchanged(desk)


@pytest.mark.parametrize("given", ["user", "email", "text", "instance"])
def test_other_indicators(desk: Desk, thief: Thief, given: str) -> None:
    bed, account = desk.bed, desk.company.production
    iam, wanted = bed.client("iam", account.root), "user/ci-deploy"
    suspect = {"account": account.id, "user": "ci-deploy"}
    if given == "email":
        iam.create_user(UserName="eve@example.org")
        suspect, wanted = {"account": account.id, "email": "eve@example.org"}, "user/eve@example.org"
    elif given == "text":
        suspect = {"text": f"2026-11-22 09:01 GET /?X-Amz-Credential={thief.key.access_key}%2F20261122%2Fus-east-1 curl/8"}
    elif given == "instance":
        iam.create_instance_profile(InstanceProfileName="orders")
        iam.add_role_to_instance_profile(InstanceProfileName="orders", RoleName="reporting")
        ec2 = bed.client("ec2", account.root, region="eu-west-1")
        made = ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1, IamInstanceProfile={"Name": "orders"})["Instances"][0]
        suspect, wanted = {"account": account.id, "instance": made["InstanceId"]}, "role/reporting"
    desk.incident(suspect)
    identities = {"isolate": given != "instance"}  # the bed has no security groups of interfaces: an instance is isolated on moto
    done = desk.contain(**identities)
    assert status_of(done, wanted) and done["problems"] == [], done["msg"]
    unchanged(desk, **identities)


def test_a_name_that_is_a_user_and_a_role_changes_nothing_and_lists_both(desk: Desk) -> None:
    account = desk.company.production
    desk.bed.client("iam", account.root).create_user(UserName="reporting")
    before = desk.bed.snapshot()
    desk.incident({"account": account.id, "user": "reporting"})
    done = desk.contain()
    (problem,) = done["problems"]
    assert (
        f"arn:aws:iam::{account.id}:user/reporting" in problem["remedy"]
        and f"arn:aws:iam::{account.id}:role/reporting" in problem["remedy"]
    )
    assert done["failed"] and done["changed"] is False and desk.bed.snapshot() == before


def test_several_suspects_of_one_identity_are_one_principal(desk: Desk, thief: Thief) -> None:
    desk.incident(thief.key.access_key, desk.company.worker.access_key, desk.company.production.users["ci-deploy"])
    done = desk.contain()
    assert len(done["principals"]) == 1 and done["changed_count"] == len({s["resource"] for s in done["steps"]}) == 7


# -- roles -----------------------------------------------------------------------------------------------------------


def test_a_shared_role_is_clamped_to_the_trusted_networks(desk: Desk, thief: Thief) -> None:
    evil = thief.role()
    alice = assume(desk.bed, desk.company.production.keys["alice"], desk.company.production.roles["deploy"], "alice")
    desk.incident(ARNS["assumed role"].format(a=desk.company.production.id), trusted={"networks": ["198.51.100.0/24"]})
    done = desk.contain()
    assert status_of(done, "role/deploy")["role_action"] == "clamp"
    assert works(desk.bed, evil, source_ip=ATTACKER_IP) in DENIED
    assert works(desk.bed, alice, source_ip=OFFICE) == "ok"
    unchanged(desk)


def test_without_networks_a_shared_role_is_revoked_and_new_sessions_work(desk: Desk, thief: Thief) -> None:
    evil = thief.role()
    next_second()
    desk.incident(ARNS["role"].format(a=desk.company.production.id))
    done = desk.contain()
    row = status_of(done, "role/deploy")
    assert row["role_action"] == "revoke" and "can be re-assumed via" in row["action"] and row["contained_at"] is None
    assert done["status"] == "open" and done["residual"][0]["object"] == row["arn"]
    assert works(desk.bed, evil) in DENIED
    next_second()
    alice = assume(desk.bed, desk.company.production.keys["alice"], desk.company.production.roles["deploy"], "alice")
    assert works(desk.bed, alice) == "ok"
    unchanged(desk)


def test_a_role_is_contained_once_its_source_is_closed(desk: Desk, thief: Thief) -> None:
    evil = thief.role()
    works(desk.bed, evil)
    alice = assume(desk.bed, desk.company.production.keys["alice"], desk.company.production.roles["deploy"], "alice")
    works(desk.bed, alice)
    next_second()
    desk.incident(thief.key.access_key)
    done = desk.contain(scope=20, hold="1s")
    row = status_of(done, "role/deploy")
    assert row["reason"].startswith("assumed as evil by") and row["role_action"] == "revoke", row
    assert (row["action"], done["status"]) == ("contained", "ok"), done["msg"]
    assert works(desk.bed, evil) in DENIED
    next_second()
    alice = assume(desk.bed, desk.company.production.keys["alice"], desk.company.production.roles["deploy"], "alice")
    assert works(desk.bed, alice) == "ok"  # others use it: revoked, not denied
    unchanged(desk, scope=20, hold="1s")


def test_a_role_that_nobody_else_used_is_denied(desk: Desk, thief: Thief) -> None:
    evil = thief.role()
    works(desk.bed, evil)
    desk.incident(thief.key.access_key)
    done = desk.contain(scope=20, hold="1s")
    row = status_of(done, "role/deploy")
    assert (row["role_action"], row["action"]) == ("deny", "contained") and "nobody else" in row["why"]
    alice = assume(desk.bed, desk.company.production.keys["alice"], desk.company.production.roles["deploy"], "alice")
    assert {works(desk.bed, evil), works(desk.bed, alice)} <= DENIED
    unchanged(desk, scope=20, hold="1s")


def test_an_attacker_cannot_get_a_shared_role_denied_by_flooding_the_log(desk: Desk, thief: Thief) -> None:
    alice = assume(desk.bed, desk.company.production.keys["alice"], desk.company.production.roles["deploy"], "alice")
    works(desk.bed, alice)
    for number in range(55):
        thief.role(f"evil{number}")
    next_second()
    desk.incident(thief.key.access_key)
    done = desk.contain(scope=30, hold="1s")
    assert status_of(done, "role/deploy")["role_action"] == "revoke"


@pytest.mark.parametrize(("wanted", "action"), [("auto", "revoke"), ("deny", "deny")])
def test_the_role_of_a_service_is_denied_only_when_asked_for(desk: Desk, wanted: str, action: str) -> None:
    desk.incident(desk.company.production.roles["orders-lambda"], role_action=wanted)
    done = desk.contain()
    row = status_of(done, "role/orders-lambda")
    assert row["role_action"] == action and (action == "deny" or "lambda.amazonaws.com" in row["why"])
    assert f"evict-{'quarantine' if action == 'deny' else 'session'}-IR-1" in desk.bed.snapshot()
    unchanged(desk)


def test_a_log_delivery_role_is_not_denied_even_when_nobody_used_it(desk: Desk) -> None:
    desk.incident(desk.company.production.roles["log-delivery"])
    done = desk.contain(scope=10)
    row = status_of(done, "role/log-delivery")
    assert row["role_action"] == "revoke" and "cloudtrail.amazonaws.com" in row["why"] and "evict-quarantine" not in desk.bed.snapshot()


def test_one_session_of_a_shared_role(desk: Desk, thief: Thief) -> None:
    """role_action: session denies the attacker's session names and spares the others, once its source is closed."""
    evil, more = thief.role("evil"), thief.role("evil-2")
    alice = assume(desk.bed, desk.company.production.keys["alice"], desk.company.production.roles["deploy"], "alice")
    for held in (evil, more, alice):
        works(desk.bed, held)
    desk.incident(thief.key.access_key, role_action="session")
    for _ in range(2):
        done = desk.contain(scope=20, hold="1s")
    assert status_of(done, "role/deploy")["role_action"] == "session", status_of(done, "role/deploy")
    assert {works(desk.bed, evil), works(desk.bed, more)} <= DENIED and works(desk.bed, alice) == "ok"
    unchanged(desk, scope=20, hold="1s")


# -- quick scope -----------------------------------------------------------------------------------------------------


def test_what_the_key_made_is_contained_in_the_same_run(desk: Desk, thief: Thief) -> None:
    bed, account = desk.bed, desk.company.production
    bobs = thief.user_key("bob")
    thief.iam.create_user(UserName="mallory")
    thief.iam.put_user_policy(UserName="mallory", PolicyName="p", PolicyDocument=ALL)
    mallorys = thief.user_key("mallory")
    thief.iam.create_role(RoleName="backdoor", AssumeRolePolicyDocument=document(
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account.id}:root"}, "Action": "sts:AssumeRole"}))  # fmt: skip
    thief.iam.put_role_policy(RoleName="backdoor", PolicyName="p", PolicyDocument=ALL)
    back = Credentials.of(bed.client("sts", mallorys).assume_role(
        RoleArn=f"arn:aws:iam::{account.id}:role/backdoor", RoleSessionName="mallory")["Credentials"])  # fmt: skip
    thief.iam.update_assume_role_policy(RoleName="reporting", PolicyDocument=document(
        {"Effect": "Allow", "Principal": {"AWS": account.users["bob"]}, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}))  # fmt: skip
    assert {works(bed, c) for c in (bobs, mallorys, back)} == {"ok"}
    next_second()
    desk.incident(thief.key.access_key)
    done = desk.contain(scope=30, hold="1s")
    found = {row["arn"].split(":")[-1]: row for row in done["principals"]}
    assert set(found) >= {"user/ci-deploy", "user/bob", "user/mallory", "role/backdoor", "role/reporting"}, sorted(found)
    assert {works(bed, c) for c in (bobs, mallorys, back)} <= DEAD
    assert works(bed, account.keys["bob"]) == "ok"  # only the key that was made for bob is cut
    assert done["events"]["seen"] >= 6 and done["events"]["until"] <= utc()
    unchanged(desk, scope=30, hold="1s")


def test_every_credential_that_was_made_for_an_innocent_user_is_cut(desk: Desk, thief: Thief) -> None:
    bed, account = desk.bed, desk.company.production
    made = thief.user_key("bob")
    thief.iam.create_login_profile(UserName="bob", Password="Correct-Horse-9")
    desk.incident(thief.key.access_key)
    done = desk.contain(scope=20, hold="1s")
    iam = bed.client("iam", account.root)
    assert works(bed, made) in DEAD
    assert outcome(iam, "get_login_profile", UserName="bob") == "NoSuchEntity"
    assert works(bed, account.keys["bob"]) == "ok"
    row = status_of(done, "user/bob")
    assert made.access_key in row["action"] and "password" in row["action"]
    unchanged(desk, scope=20, hold="1s")


def test_sessions_under_a_name_are_followed_to_the_end(desk: Desk, thief: Thief) -> None:
    """key -> user with console access -> what that user did without a key of ours in the trail."""
    bed, account = desk.bed, desk.company.production
    thief.iam.create_user(UserName="mallory")
    thief.iam.put_user_policy(UserName="mallory", PolicyName="p", PolicyDocument=ALL)
    own = Credentials.of(
        bed.client("iam", account.root, direct=True).create_access_key(UserName="mallory")["AccessKey"]
    )  # not in the trail
    made = Credentials.of(bed.client("iam", own).create_access_key(UserName="bob")["AccessKey"])
    desk.incident(thief.key.access_key)
    done = desk.contain(scope=20, hold="1s")
    assert {works(bed, own), works(bed, made)} <= DEAD, [r["arn"] for r in done["principals"]]


def test_the_logs_are_read_to_a_fixed_point_however_slow_iam_answers(desk: Desk, thief: Thief, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a found user did is looked up, even when all other look-ups were over before it was known who that is."""
    bed, account = desk.bed, desk.company.production
    thief.iam.create_user(UserName="mallory")
    thief.iam.put_user_policy(UserName="mallory", PolicyName="p", PolicyDocument=ALL)
    own = Credentials.of(bed.client("iam", account.root, direct=True).create_access_key(UserName="mallory")["AccessKey"])
    made = Credentials.of(bed.client("iam", own).create_access_key(UserName="bob")["AccessKey"])
    real = session.Aws.call

    def slow(aws: session.Aws, call: Any, parameters: Any = None) -> Any:
        if call.operation == "GetUser" and call.parameters["UserName"] == "mallory":
            time.sleep(2)
        return real(aws, call, parameters)

    monkeypatch.setattr(session.Aws, "call", slow)
    desk.incident(thief.key.access_key)
    done = desk.contain(scope=30)
    assert works(bed, made) in DEAD, [r["arn"] for r in done["principals"]]


@pytest.mark.parametrize("kind", ["session", "federation"])
def test_what_a_minted_session_did_is_followed(desk: Desk, thief: Thief, kind: str) -> None:
    """key -> GetSessionToken -> AssumeRole, and key -> GetFederationToken -> CreateUser: the second call bears another key id."""
    held = getattr(thief, kind)()
    if kind == "session":
        last, wanted = thief.role("via-session", source=held), "role/deploy"
    else:
        iam = desk.bed.client("iam", desk.company.production.root, direct=True)
        queue = desk.bed.client("sqs", held)
        assert outcome(queue, "list_queues") == "ok"
        last, wanted = held, "user/ci-deploy"
        assert iam
    works(desk.bed, last)
    next_second()
    desk.incident(thief.key.access_key)
    done = desk.contain(scope=20, hold="1s")
    assert status_of(done, wanted)["action"] == "contained", done["msg"]
    assert works(desk.bed, last) in DENIED
    unchanged(desk, scope=20, hold="1s")


def test_the_limit_holds_for_what_was_discovered_and_the_rest_is_printed(desk: Desk, thief: Thief) -> None:
    for number in range(4):
        thief.iam.create_user(UserName=f"mallory{number}")
    desk.incident(thief.key.access_key, limits={"principals": 2})
    done = desk.contain(scope=20)
    arns = {row["arn"] for row in done["principals"]}
    assert len(arns) == 3 and len(done["suggested"]) == 2 and done["failed"]
    rest = {s["arn"] for s in done["suggested"]}
    assert rest.isdisjoint(arns) and all("incident.limits.principals" in o["why"] for o in done["open"] if o["object"] in rest)
    assert rest <= {o["object"] for o in done["open"]} and desk.bed.snapshot().count("evict-quarantine-IR-1") == 3
    # A suggested block is a valid incident
    desk.incident(thief.key.access_key, *(s["arn"] for s in done["suggested"]), limits={"principals": 2})
    assert desk.run("case", incident=str(desk.file), directory=str(desk.folder), allow_local_store=True).get("failed") is not True
    done = desk.contain(scope=20)
    assert len(done["principals"]) == 5 and done["suggested"] == []


def test_what_the_logs_could_not_tell_is_said(desk: Desk, thief: Thief) -> None:
    desk.bed.rule("fail", operation="LookupEvents", mutating=False, times=1000, code="AccessDeniedException", message="no")
    desk.incident(thief.key.access_key)
    done = desk.contain(scope=10, hold="1s")
    assert done["status"] == "open" and any("quick scope" in o["object"] and "LookupEvents" in o["why"] for o in done["open"])
    assert status_of(done, "user/ci-deploy")["action"] == "contained"


# -- what the incident file asks for -----------------------------------------------------------------------------------


def test_an_override_lifts_one_guard_for_one_object_and_is_shown(desk: Desk) -> None:
    bob, alice = (desk.company.production.users[name] for name in ("bob", "alice"))
    lift = {"guard": "protected", "object": bob, "reason": "seen signing in from two countries", "by": "Ada"}
    desk.incident(bob, alice, protected=[bob, alice], overrides=[lift])
    done = desk.contain()
    assert {row["arn"] for row in done["principals"]} == {bob} and done["lifted"] == [lift]
    (problem,) = done["problems"]
    assert problem["object"] == alice and "incident.protected" in problem["message"]


def test_password_keep(desk: Desk, thief: Thief) -> None:
    desk.incident(thief.key.access_key, password="keep")
    done = desk.contain()
    assert not any("password" in s["resource"] for s in done["steps"])
    assert outcome(desk.bed.client("iam", desk.company.production.root), "get_login_profile", UserName="ci-deploy") == "ok"


def test_the_password_goes_only_after_fence_and_revocation(desk: Desk, thief: Thief) -> None:
    desk.incident(thief.key.access_key)
    desk.contain()
    calls = [c["operation"] for c in desk.bed.calls(status=200) if c["mutating"] and c["service"] == "iam"]
    assert calls[0] == "PutUserPolicy" and calls[-1] == "DeleteLoginProfile" and calls.count("PutUserPolicy") == 2, calls


def test_two_incidents_on_one_principal_keep_their_own_fences(desk: Desk, thief: Thief) -> None:
    other = Desk(desk.bed, desk.company, desk.folder, "IR-2")
    for case in (desk, other):
        case.incident(thief.key.access_key)
        case.contain()
    assert "evict-quarantine-IR-1" in desk.bed.snapshot() and "evict-quarantine-IR-2" in desk.bed.snapshot()
    desk.false_positive(thief.key.access_key)
    after = desk.bed.snapshot()
    assert "evict-quarantine-IR-1" not in after and "evict-session-IR-1" not in after and "evict-quarantine-IR-2" in after
    assert works(desk.bed, thief.key) in DEAD
    assert {s["action"] for s in other.contain()["steps"] if s["status"] == "done"} == {
        "deactivate"
    }  # the keys, which the other incident gave back
    unchanged(other)


def test_contain_release_contain(desk: Desk, thief: Thief) -> None:
    held = thief.session()
    desk.incident(thief.key.access_key)
    desk.contain()
    desk.restore()
    assert works(desk.bed, desk.company.worker) == "ok" and {works(desk.bed, thief.key), works(desk.bed, held)} <= DEAD
    again = desk.contain()
    assert again["changed"] and works(desk.bed, desk.company.worker) in DEAD
    unchanged(desk)
    desk.restore()
    assert works(desk.bed, desk.company.worker) == "ok" and {works(desk.bed, thief.key), works(desk.bed, held)} <= DEAD


def test_snapshot_of_the_principal_is_kept_as_evidence_before_its_credentials_change(desk: Desk, thief: Thief) -> None:
    desk.incident(thief.key.access_key)
    desk.contain()
    (path,) = desk.store.list("evidence/principals")
    kept = json.loads(desk.store.get(path))
    assert {k["status"] for k in kept["credentials"]["access_key"]} == {"Active"} and "work" in kept["inline_policies"]
    (entry,) = [n["data"] for n in desk.ledger().notes["evidence"] if path.endswith(n["data"]["name"])]
    assert path.endswith(entry["name"]) and entry["size"] == len(desk.store.get(path))


# -- loops -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("lag", [0, 3])
def test_no_call_that_starts_after_contain_returned_succeeds_nor_after_recover(desk: Desk, lag: float) -> None:
    bed = desk.bed
    attacker, bystanders = Attacker(bed, desk.company), Bystanders(bed, desk.company)
    bed.lag(lag)
    attacker.start()
    bystanders.start()
    try:
        time.sleep(1.5)
        desk.incident(attacker._key.access_key, trusted={"networks": ["198.51.100.0/24"]})
        hold = f"{lag + 1}s"
        done = desk.contain(scope=20, hold=hold, spread=hold)
        ended = time.time()
        assert done["status"] == "ok", done["msg"]
        time.sleep(2)
        assert attacker.count(ok=True, after=ended) - attacker.count(ok=True, after=ended, kind="mint:session") == 0, attacker.codes(ended)
        unchanged(desk, scope=20, hold=hold, spread=hold)
        desk.restore()
        released = time.time()
        time.sleep(lag + 1.5)
    finally:
        attacker.stop()
        bystanders.stop()
    assert attacker.count(ok=True, after=ended) == 0, attacker.codes(ended)
    assert attacker.count(ok=False, after=released) > 3 and attacker.sweep() == 0
    assert bystanders.count(ok=False) == 0, bystanders.codes()
    assert bystanders.count(ok=True, kind="shared", after=ended) > 2


def test_the_cloud_clock_counts_not_the_laptops(desk: Desk, thief: Thief) -> None:
    desk.bed.clock(200)
    held = thief.role()
    works(desk.bed, held)
    next_second()
    desk.incident(ARNS["role"].format(a=desk.company.production.id))
    desk.contain()
    assert works(desk.bed, held) in DENIED


def test_what_the_incident_trusts_is_left_to_a_person(desk: Desk, thief: Thief) -> None:
    """A trusted principal that the attacker reached is named, not cut."""
    bob = desk.company.production.users["bob"]
    thief.iam.create_access_key(UserName="bob")
    desk.incident(thief.key.access_key, trusted={"principals": [bob]})
    before = desk.bed.client("iam", desk.company.production.root, direct=True).list_access_keys(UserName="bob")["AccessKeyMetadata"]
    done = desk.contain(scope=20)
    after = desk.bed.client("iam", desk.company.production.root, direct=True).list_access_keys(UserName="bob")["AccessKeyMetadata"]
    assert after == before and bob not in {row["arn"] for row in done["principals"]}
    assert done["status"] == "open" and [o for o in done["open"] if o["object"] == bob and "trusts it" in o["why"]]
    assert {"cloud": "aws", "arn": bob} in done["suggested"]


@pytest.mark.parametrize("written", ["in this run", "in an earlier run"])
def test_a_fence_that_is_lifted_during_the_wait_is_not_called_contained(
    desk: Desk, thief: Thief, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    """An attacker with the rights to do so may take the deny away while it spreads: the read before the wait proves nothing then."""
    iam = desk.bed.client("iam", desk.company.production.root, direct=True)
    desk.incident(thief.key.access_key)
    if written == "in an earlier run":
        desk.contain_below()

    def lifted(_run: Containment) -> bool:
        iam.delete_user_policy(UserName="ci-deploy", PolicyName="evict-quarantine-IR-1")
        return True

    def slowly(hold: Hold) -> None:
        held(hold)
        time.sleep(1.1)

    held = Hold.hold
    monkeypatch.setattr(Containment, "wait_for_spread", lifted)
    if written == "in an earlier run":  # a run that takes long to end has looked no more often for it
        monkeypatch.setattr(Hold, "hold", slowly)
    done = desk.contain_below(hold="1s")
    row = status_of(done, "user/ci-deploy")
    assert (done["status"], row["contained_at"], row["proof"]) == ("open", None, "unknown"), row
    assert any("still being changed" in o["why"] for o in done["open"]), done["open"]
    assert iam.get_user_policy(UserName="ci-deploy", PolicyName="evict-quarantine-IR-1")  # written again, and not believed yet
    monkeypatch.undo()
    time.sleep(1)
    assert status_of(desk.contain_below(hold="1s"), "user/ci-deploy")["action"] == "contained"
