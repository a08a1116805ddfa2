"""People of IAM Identity Center, and root users: the person is cut and nobody else of the same permission set, in an order, and comes back as recorded.

The fence above the account is judged by the enforcing bed; the directory itself is the modelled one of tests/beds/identity_center.py.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import session
from ansible_collections.evict.cloud.plugins.module_utils.common import ledger as ledgers
from tests.beds.bed import Credentials, root
from tests.beds.company import document, trust
from tests.beds.identity_center import Directory, over
from tests.integration.helpers import DENIED, Desk, works

pytestmark = pytest.mark.bed

A, MANAGEMENT = "222222222222", "111111111111"
ROLE = "AWSReservedSSO_AdministratorAccess_0123456789abcdef"
EVE, BOB = "eve@example.org", "bob@example.org"
SESSION = f"arn:aws:sts::{A}:assumed-role/{ROLE}/{EVE}"
ALL = document({"Effect": "Allow", "Action": "*", "Resource": "*"})


class Office:
    """A company with Identity Center: eve and bob share a permission set in a member account, eve has it in the management account too."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.directory = desk, Directory()
        d = self.directory
        self.eve, self.bob = d.user("eve", email=EVE), d.user(BOB, email=BOB)
        d.users[self.eve]["UserName"] = EVE
        self.admin = d.permission_set(
            "AdministratorAccess",
            policy={"Version": "2012-10-17", "Statement": [{"Sid": "Theirs", "Effect": "Allow", "Action": "*", "Resource": "*"}]},
        )
        self.reader = d.permission_set("Reader", lasts="PT1H")
        self.group = d.group(self.eve, self.bob)
        d.assign(A, self.admin, self.eve)
        d.assign(MANAGEMENT, self.admin, self.eve)
        d.assign("333333333333", self.reader, self.group, "GROUP")
        d.assign(A, self.admin, self.bob)
        d.assign(MANAGEMENT, self.admin, self.bob)
        desk.bed.organizations(people={EVE: self.eve, BOB: self.bob})
        iam = desk.bed.client("iam", desk.company.production.root, direct=True)
        iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=trust({"AWS": f"arn:aws:iam::{A}:root"}))
        self.sessions = {name: self.session(name) for name in (EVE, BOB)}

    def session(self, name: str) -> Credentials:
        sts = self.desk.bed.client("sts", self.desk.company.production.root, direct=True)
        role = f"arn:aws:iam::{A}:role/aws-reserved/sso.amazonaws.com/{ROLE}"
        return Credentials.of(sts.assume_role(RoleArn=role, RoleSessionName=name)["Credentials"])

    def row(self, done: dict[str, Any], who: str) -> dict[str, Any]:
        return next(r for r in done["principals"] if r["id"] == who)

    def writes(self) -> list[str]:
        return [o for o, _s in self.directory.log if not o.startswith(("List", "Get", "Describe"))]


@pytest.fixture
def office(desk: Desk) -> Iterator[Office]:
    made = Office(desk)
    with over(made.directory):
        yield made


def confirm(desk: Desk, *items: str) -> None:
    """As the module case_confirm does."""
    ledger = ledgers.Ledger.open(desk.store, incident=desk.name, module="case_confirm", check=False)
    for item in items:
        ledger.note("confirmed", {"item": item, "by": "Ada", "note": "done"})
    ledger.end("ok")


def test_one_person_of_a_shared_permission_set_there_and_back(office: Office) -> None:
    """Check mode, contain, again, a release that is too early, one that is in time: only eve, in an order, as recorded."""
    desk, d = office.desk, office.directory
    policy, assigned, groups = d.sets[office.admin]["policy"], set(d.assigned), sorted(d.memberships.values())
    assert {n: works(desk.bed, c) for n, c in office.sessions.items()} == {EVE: "ok", BOB: "ok"}
    desk.incident(SESSION)
    preview = desk.contain(check=True)
    assert office.writes() == [] and works(desk.bed, office.sessions[EVE]) == "ok"

    done = desk.contain()
    row = office.row(done, office.eve)
    assert done["problems"] == [] and done["status"] == "open" and row["name"] == EVE and row["kind"] == "identity_center_user"
    assert row["controls"][0] == "permission set" and len([c for c in row["controls"] if c.startswith("scp:")]) == 2
    assert sorted(s["resource"] for s in preview["steps"]) == sorted(s["resource"] for s in done["steps"])
    assert works(desk.bed, office.sessions[EVE]) in DENIED and works(desk.bed, office.session(EVE)) in DENIED
    assert works(desk.bed, office.sessions[BOB]) == "ok" and works(desk.bed, office.session(BOB)) == "ok"
    # her assignments and memberships went, nobody else's; what the group has is others' as well
    assert {p for _a, _s, _k, p in d.assigned} == {office.bob, office.group} and [u for _g, u in d.memberships.values()] == [office.bob]
    # first above the accounts, then what she has, permission sets last, and only where nothing can stand above: the management account
    order = [s["resource"] for s in done["steps"]]
    first = {
        part: min(i for i, r in enumerate(order) if part in r)
        for part in ("control policy", "Identity Center user", "permission set Admin")
    }
    last = {part: max(i for i, r in enumerate(order) if part in r) for part in first}
    assert last["control policy"] < first["Identity Center user"] and last["Identity Center user"] < first["permission set Admin"]
    theirs, ours = json.loads(d.sets[office.admin]["policy"])["Statement"]
    assert theirs == json.loads(policy)["Statement"][0] and ours["Condition"] == {"StringEquals": {"identitystore:UserId": office.eve}}
    assert d.provisioned[(office.admin, MANAGEMENT)] == d.sets[office.admin]["policy"] and d.provisioned[(office.admin, A)] == policy
    assert "1 other user(s) of it go on" in json.dumps(done["steps"])
    # no API ends a portal session: told, open, with the end that is known
    assert [m["id"].rsplit("/", 1)[0] for m in done["manual"]] == ["manual/sign-in", "manual/portal-session"]
    assert any("Active sessions" in item["why"] for item in done["open"])
    assert [r["until"] for r in done["residual"] if r["token_kind"] == "portal session"] == ["somebody ends it"]
    again = desk.contain()
    assert not again["changed"] and again["manual"] == done["manual"], again["steps"]

    early = desk.restore()
    assert early["changed"] is False and {o["kind"] for o in early["open"]} <= {"kept", "due"}, early["open"]
    assert "manual/portal-session" in json.dumps(early["open"]) and works(desk.bed, office.sessions[EVE]) in DENIED
    confirm(desk, *(m["id"] for m in done["manual"]))
    told = desk.contain()
    assert told["changed"] is False and [m["confirmed"]["by"] for m in told["manual"]] == ["Ada", "Ada"]
    assert not [r for r in told["residual"] if r["token_kind"] == "portal session"]
    # her assignments come back, and not the sessions of before
    back = desk.restore()
    assert desk.contain(phase="hold")["changed"] is False and "released since" in json.dumps(desk.contain(phase="hold")["watch"])
    assert back["problems"] == [] and d.assigned == assigned and sorted(d.memberships.values()) == groups
    assert {o["kind"] for o in back["open"]} == {"due"} and works(desk.bed, office.sessions[EVE]) in DENIED
    late = desk.false_positive(SESSION)
    assert late["problems"] == [] and late["open"] == [], late["open"]
    assert (
        d.sets[office.admin]["policy"] == json.dumps(json.loads(policy), separators=(",", ":")) == d.provisioned[(office.admin, MANAGEMENT)]
    )
    assert works(desk.bed, office.sessions[EVE]) == "ok" and desk.false_positive(SESSION)["changed"] is False and desk.verified()


def test_whom_an_external_identity_provider_keeps(office: Office) -> None:
    """Named by e-mail; SCIM would bring the memberships back, so that is told first."""
    desk, d = office.desk, office.directory
    carol = d.user("carol-of-scim", email="carol@example.org", issuer="https://scim.example.org/abc")
    d.assign(A, office.admin, carol)
    desk.incident({"email": "carol@example.org", "account": A}, {"identity_center_user": office.bob})
    done = desk.contain()
    assert done["problems"] == [] and {r["id"] for r in done["principals"]} == {carol, office.bob}
    ids = [m["id"] for m in done["manual"] if carol in m["id"]]
    assert ids == [f"manual/identity-provider/{carol}", f"manual/portal-session/{carol}"]
    assert "https://scim.example.org/abc" in done["manual"][0]["what"] + done["manual"][2]["what"] and "do this first" in json.dumps(
        done["manual"]
    )
    notes = [n["data"] for n in desk.ledger().notes["principal"]]
    assert any(n["cut"].startswith("first, by hand: disable carol-of-scim") for n in notes)
    assert works(desk.bed, office.sessions[BOB]) in DENIED and works(desk.bed, office.sessions[EVE]) == "ok"
    assert not desk.contain()["changed"]


def test_what_the_person_made_is_found_and_the_wait_makes_it_contained(office: Office) -> None:
    """The scope follows the person's sessions in each account; when the wait is over, and nothing is left to a person but what no API does, it is contained."""
    desk = office.desk
    desk.bed.regions("us-east-1", "eu-west-1")
    desk.bed.client("iam", office.sessions[EVE]).create_user(UserName="backdoor")
    desk.incident({"access_key_id": office.sessions[EVE].access_key, "account": A})  # whose session it is, CloudTrail says
    done = desk.contain(scope=30, hold="2s", spread="1s")
    assert {r["name"]: r["action"] for r in done["principals"]} == {EVE: "contained", "backdoor": "contained"}, done["principals"]
    row = office.row(done, office.eve)
    assert row["proof"] == "read-back" and row["contained_at"] and done["status"] == "open"
    assert {o["object"] for o in done["open"]} >= {row["arn"]} and all("by hand" in o["why"] or "111111111111" in o["why"] or "333333333333" in o["why"] or o.get("kind") == "notify"
                                                                        for o in done["open"]), "\n".join(map(str, done["open"]))  # fmt: skip


def test_whom_nobody_may_cut(office: Office) -> None:
    """The person who runs the command, in whichever spelling, and whom the incident protects; a colleague of the same permission set goes all the same."""
    desk = office.desk
    desk.incident({"identity_center_user": EVE.upper()}, {"identity_center_user": office.bob}, SESSION, protected=[f"arn:aws:identitystore:::user/{office.eve}"],
                  connection={"aws": {}})  # fmt: skip
    desk.bed.responder = office.sessions[BOB]
    try:
        done = desk.contain()
    finally:
        desk.bed.responder = desk.company.responder
    said = {p["object"]: p for p in done["problems"]}
    assert said[f"arn:aws:identitystore:::user/{office.bob}"]["operation"] == "guard caller"
    assert said[f"arn:aws:identitystore:::user/{office.eve}"]["operation"] == "guard protected"
    assert "no user of that id" in json.dumps(done["problems"])  # names are as Identity Center writes them
    assert office.writes() == [] and works(desk.bed, office.sessions[EVE]) == "ok"


def test_what_cannot_be_had_is_named_and_the_next_best_holds(office: Office) -> None:
    """Without Identity Center a session is held by its name; a deletion that AWS fails stops no other; one that was killed is gone on with."""
    desk, d = office.desk, office.directory
    d.denied = {"ListUsers": "AccessDeniedException"}
    desk.incident(SESSION, desk.company.leaked.access_key)
    done = desk.contain()
    (problem,) = done["problems"]
    assert problem["operation"] == "identitystore:ListUsers" and problem["remedy"] and done["status"] == "partial"
    row = next(r for r in done["principals"] if r["kind"] == "identity_center_user")
    assert "denied, but who it is is not known" in row["action"] and row["arn"] == SESSION
    assert works(desk.bed, office.sessions[EVE]) in DENIED and works(desk.bed, office.sessions[BOB]) == "ok"
    assert works(desk.bed, desk.company.leaked) in DENIED | {"InvalidClientTokenId"}
    d.denied, d.fails = {}, {MANAGEMENT: "the delegated administrator may not touch the management account"}
    done = desk.contain()
    failed = [p for p in done["problems"] if "the delegated administrator may not touch" in p["message"]]
    assert len(failed) == 1 and MANAGEMENT in failed[0]["object"], done["problems"]
    assert (MANAGEMENT, office.admin, "USER", office.eve) in d.assigned and (A, office.admin, "USER", office.eve) not in d.assigned
    assert "held, but failed" in office.row(done, office.eve)["action"]
    d.fails = {}
    done = desk.contain()
    assert done["problems"] == [] and not any(p == office.eve for _a, _s, _k, p in d.assigned)
    confirm(desk, *(m["id"] for m in done["manual"]))
    now = session.Aws.now
    with mock.patch.object(session.Aws, "now", lambda aws: now(aws) + datetime.timedelta(hours=13)):  # longer than her sessions last
        back = desk.restore()
    assert "has not been confirmed" not in json.dumps(back["open"]) and works(desk.bed, office.session(EVE)) == "ok"
    assert len([p for _a, _s, _k, p in d.assigned if p == office.eve]) == 2 and "identitystore" not in d.sets[office.admin]["policy"]


@pytest.mark.parametrize("when", ["sent", "done"])
def test_a_run_that_is_killed_while_aws_is_at_it(office: Office, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion is at work, or over, when the process dies: the next run finds what is there, and changes what is left."""
    desk, d = office.desk, office.directory
    d.looks, dead = 10_000, []

    def kill(operation: str, _sent: Any) -> None:
        if operation == "DescribeAccountAssignmentDeletionStatus" and not dead:
            dead.append(operation)
            raise KeyboardInterrupt

    d.hook = kill
    desk.incident({"identity_center_user": office.eve, "account": A})
    monkeypatch.setattr(ledgers, "alive_runs", lambda *_, **__: set())  # this process lives on, that run does not
    with pytest.raises(KeyboardInterrupt):
        desk.contain()
    assert len(desk.ledger().unsettled()) >= 1
    d.looks, d.hook = 1, lambda _o, _s: None
    if when == "done":
        d.settle()
    else:
        for request in d.requests.values():
            request[0] = 3
        busy = d._busy

        def waits(call: Any, sent: Any) -> None:
            for number in list(d.requests):
                d._status(number)
            busy(call, sent)

        d._busy = waits  # type: ignore[method-assign]
    done = desk.contain()
    assert done["problems"] == [] and not any(p == office.eve for _a, _s, _k, p in d.assigned)
    assert [u for _g, u in d.memberships.values()] == [office.bob] and not desk.contain()["changed"]
    assert desk.ledger().unsettled() == [] and desk.verified()
    confirm(desk, *(m["id"] for m in done["manual"]))
    desk.restore()
    assert len([p for _a, _s, _k, p in d.assigned if p == office.eve]) == 2


def test_the_root_user_of_a_member_account(office: Office) -> None:
    """Denied above its account, which can be taken back; what it holds is listed, and deleted only when the incident file says so."""
    desk, d = office.desk, office.directory
    d.roots[A] = {
        "keys": {"AKIAROOTROOTROOTROOT": "Active"},
        "certificates": ["CERT"],
        "password": "2020-01-01T00:00:00Z",
        "mfa": ["arn:aws:iam::1:mfa/root"],
    }
    held = json.loads(json.dumps(d.roots[A]))
    owner, arn = desk.company.production.root, f"arn:aws:iam::{A}:root"
    assert works(desk.bed, owner) == "ok"
    desk.bed.regions("us-east-1")
    key = desk.bed.client("kms", owner, "us-east-1").create_key()["KeyMetadata"]["Arn"]
    desk.bed.client("kms", owner, "us-east-1").schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    desk.incident(arn)
    done = desk.contain(scope=20, clocks="stop")
    (row,) = done["principals"]
    assert [(c["state"], arn in c["what"]) for c in done["clocks"]] == [("stopped", True)] and done["severity"]["proposed"] != "low", done[
        "clocks"
    ]
    assert row["kind"] == "root" and row["controls"][0].startswith("scp:p-") and row["holds"]["access_keys"] == held["keys"]
    assert works(desk.bed, owner) in DENIED and works(desk.bed, desk.company.production.keys["bob"]) == "ok"
    assert [m["id"] for m in done["manual"]] == [f"manual/root/{A}"] and "1 access key(s), 1 certificate(s), a password" in done["manual"][
        0
    ]["why"]
    assert d.roots[A] == held and not desk.contain(scope=20, clocks="stop")["changed"]
    assert {s["TaskPolicyArn"]["arn"].rsplit("/", 1)[-1] for o, s in d.log if o == "AssumeRoot"} == {"IAMAuditRootUserCredentials"}
    kept = desk.restore()
    assert kept["changed"] is False and f"manual/root/{A} has not been confirmed" in json.dumps(kept["open"])
    desk.name, desk.file = "IR-2", desk.folder / "IR-2.yml"
    desk.incident(arn, root_credentials="delete")
    preview = desk.contain(check=True)
    assert d.roots[A] == held and any(s["status"] == "would" and s["action"] == "delete" for s in preview["steps"])
    gone = desk.contain()
    assert gone["problems"] == [] and gone["manual"] == [] and d.roots[A] == {**held, "keys": {}, "certificates": [], "password": ""}
    assert not desk.contain()["changed"] and not desk.leaks("secret-of-a-root-session", "token-of-a-root-session")


def test_the_root_user_of_the_management_account(office: Office) -> None:
    """No policy reaches it: said loudly, with the step for a person, and nothing else is claimed. Without centralized root access a member's is held all the same."""
    desk = office.desk
    desk.incident(f"arn:aws:iam::{MANAGEMENT}:root", f"arn:aws:iam::{A}:root")
    done = desk.contain()
    mine, member = (next(m for m in done["manual"] if m["id"] == f"manual/root/{account}") for account in (MANAGEMENT, A))
    assert "THIS IS THE MANAGEMENT ACCOUNT" in mine["why"] and "change the password" in mine["what"]
    assert any("root user of the management account" in str(w) for w in done["warnings"])
    assert next(r for r in done["principals"] if r["account"] == MANAGEMENT)["action"] == f"not held in {MANAGEMENT}"
    assert [r["until"] for r in done["residual"] if r["object"].endswith(f"{MANAGEMENT}:root")] == ["ended by hand"]
    assert "centralized root access" in json.dumps(done) or "AssumeRoot" in member["why"]
    assert works(desk.bed, desk.company.production.root) in DENIED and works(desk.bed, root(MANAGEMENT)) == "ok"
    assert done["status"] == "open"


def test_a_session_of_a_person_goes_on_signing_and_the_clusters_that_it_opens_are_named(office: Office) -> None:
    """The entry is of everybody with the permission set, so it stays; nothing in IAM keeps eve's session of before out."""
    desk = office.desk
    eks = desk.bed.client("eks", desk.company.production.root, "eu-west-1", direct=True)
    role = f"arn:aws:iam::{A}:role/aws-reserved/sso.amazonaws.com/{ROLE}"
    eks.create_cluster(
        name="prod",
        roleArn=desk.company.production.roles["orders-lambda"],
        resourcesVpcConfig={},
        accessConfig={"authenticationMode": "API"},
    )
    eks.create_access_entry(clusterName="prod", principalArn=role)
    desk.incident(SESSION)
    done = desk.contain(live_sessions=True)
    assert done["problems"] == [] and role in eks.list_access_entries(clusterName="prod")["accessEntries"]
    (cluster,) = [r for r in done["residual"] if r["token_kind"] == "EKS token"]
    (signing,) = [r for r in done["residual"] if r["token_kind"] == "signed GetCallerIdentity"]
    assert role in cluster["object"] and EVE in cluster["why"] and office.eve in signing["object"]
    assert cluster["until"] == signing["until"] and cluster["until"].endswith("Z")
    again = desk.contain(live_sessions=True)
    assert not again["changed"] and [r for r in again["residual"] if r["token_kind"] in ("EKS token", "signed GetCallerIdentity")] == [
        signing,
        cluster,
    ]
