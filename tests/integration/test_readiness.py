"""Readiness on the enforcing bed: a good estate is ready, and each thing that is taken away is named with what contain could not do."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import standing_fence, store_home
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError
from ansible_collections.evict.cloud.plugins.module_utils.common.store import Store, open_store
from tests.beds.bed import Bed, Credentials, root
from tests.beds.company import allow, document, trust
from tests.integration.helpers import Desk, environment
from tests.integration.test_account_fence import ALL, A, fill, organizations
from tests.integration.test_stores import Bucket
from tests.tools import permissions

pytestmark = pytest.mark.bed

B = "333333333333"
SCP, RCP = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"
HERE = ["baseline", "break_glass", "exempt_names", "notifiers", "organization", "permissions", "regions", "responder", "slots", "standing_fence", "store",
        "trail", "trail_bucket"]  # the bed has no Identity Center  # fmt: skip


def attach(bed: Bed, name: str, content: Any, target: str) -> str:
    made = organizations(bed).create_policy(Content=json.dumps(content), Description="x", Name=name, Type=SCP)
    policy = str(made["Policy"]["PolicySummary"]["Id"])
    organizations(bed).attach_policy(PolicyId=policy, TargetId=target)
    return policy


class Root(Bucket):
    """The store of all cases, beside which the baselines lie."""

    def store_root(self) -> Store:
        return open_store(self.options())


class Estate:
    """A company that has prepared, and its readiness file."""

    def __init__(self, desk: Desk, bucket: Bucket) -> None:
        self.desk, self.bed, self.company, self.bucket = desk, desk.bed, desk.company, bucket
        bed, company = self.bed, self.company
        bed.regions("us-east-1", "eu-west-1")
        bed.organizations(slots=10)
        organizations(bed).enable_policy_type(RootId=company.root_id, PolicyType=RCP)
        for account in (company.production, company.staging):
            logs = f"trail-{account.id}"
            bed.client("s3", account.root, direct=True).create_bucket(Bucket=logs)
            client = bed.client("cloudtrail", account.root, direct=True)
            client.create_trail(Name="all", S3BucketName=logs, IsMultiRegionTrail=True)
            client.start_logging(Name="all")
        own = bed.client("iam", root(bed.management), direct=True)
        # Nothing but what is generated: that it is enough is shown by every test here.
        self.narrow = permissions.role_policy()
        self.narrow["Statement"] += permissions.readiness_policy()["Statement"]
        for account in (company.production, company.staging):
            iam = bed.client("iam", account.root, direct=True)
            iam.put_role_policy(RoleName="incident-responder", PolicyName="work", PolicyDocument=json.dumps(self.narrow))
        own.put_user_policy(UserName="responder", PolicyName="respond", PolicyDocument=json.dumps(permissions.caller_policy()))
        own.put_user_policy(UserName="responder", PolicyName="good-day", PolicyDocument=json.dumps(permissions.readiness_policy()))
        above = own.create_policy(PolicyName="above", PolicyDocument=json.dumps(permissions.management_policy()))["Policy"]["Arn"]
        own.attach_user_policy(UserName="responder", PolicyArn=above)
        exempt = [f"arn:aws:iam::*:role/{name}" for name in ("incident-responder", "break-glass")]
        self.fence = attach(bed, "evict-standing-fence", standing_fence.document(exempt), company.root_id)
        self.file = desk.folder / "readiness.yml"
        self.write()

    def cloud(self) -> dict[str, Any]:
        """All but the buckets: in one of them lies the store."""
        return {key: value for key, value in json.loads(self.bed.snapshot()).items() if not key.startswith("s3.")}

    def session(self, role: str, by: Credentials) -> Any:
        """IAM as a role of the production account."""
        arn = self.company.production.roles[role]
        found = self.bed.client("sts", by, direct=True).assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return self.bed.client("iam", Credentials.of(found), direct=True)

    def write(self, **more: Any) -> None:
        raw = {
            "accounts": [A, B],
            "store": self.bucket.options(),
            "protected": [f"arn:aws:iam::{account}:role/break-glass" for account in (A, B)],
            "connection": {"aws": {"role_arn": self.company.role_template}},
        } | more
        self.file.write_text(json.dumps({"incident": raw}))

    def look(self, *checks: str, **params: Any) -> list[dict[str, Any]]:
        """The rows that are not ok."""
        found = self.desk.run(
            "aws_readiness_info",
            incident=str(self.file),
            checks=list(checks) or [name for name in HERE if name != "baseline"],
            probe_store=True,
            **params,
        )
        assert "rows" in found, found
        return [row for row in found["rows"] if row["state"] != "ok"]


@pytest.fixture
def estate(desk: Desk) -> Iterator[Estate]:
    bucket = Root(desk)
    with bucket.with_profile(), environment(desk.bed.environ()):
        yield Estate(desk, bucket)
    desk.bed.regions()


def test_a_good_estate_is_ready_and_its_baseline_is_kept_once(estate: Estate) -> None:
    """By the playbook, as it is scheduled: exit code 0, a snapshot of each account, and a second run that keeps none."""
    desk, before = estate.desk, estate.cloud()
    checks = json.dumps({"readiness_checks": HERE})
    code, said = desk.play("readiness", "-e", f"incident={estate.file}", "-e", checks, "-e", "result_file=result.json")
    assert code == 0 and "  ready  accounts: 2 of 2 ok" in said and "changed=1" in said, said
    assert said.count("  baseline ") == 2 and "nobody can log in as it from here" in said
    result = json.loads((desk.folder / "result.json").read_text())
    assert result["status"] == "ok" and result["ready"] == [A, B] and (desk.folder / "result.json").stat().st_mode & 0o777 == 0o600
    store = estate.bucket.store_root()
    kept = store.list("baseline")
    assert [path.split("/")[1] for path in kept] == [A, B] and store.list("readiness") == []  # the probe is gone again
    content = json.loads(store.get(kept[0]))
    assert f"arn:aws:iam::{A}:user/ci-deploy" in content["state"] and content["unknown"] == [] and content["account"] == A
    code, said = desk.play("readiness", "-e", f"incident={estate.file}", "-e", checks)
    assert code == 0 and "changed=0" in said and store.list("baseline") == kept, said
    estate.bed.client("iam", estate.company.production.root, direct=True).create_user(UserName="new")
    found = desk.run("aws_baseline", incident=str(estate.file))
    assert found["changed"] and [row["state"] for row in found["baselines"]] == ["written", "kept"] and len(store.list("baseline")) == 3
    estate.bed.client("iam", estate.company.production.root, direct=True).delete_user(UserName="new")
    assert estate.cloud() == before and not [s for s in desk.secrets if any(s in text for text in desk.outputs)]


def test_each_thing_that_is_taken_away_is_named_with_what_contain_could_not_do(estate: Estate) -> None:
    bed, company, production = estate.bed, estate.company, estate.company.production
    # Exempt from the standing fence: nobody else can touch such roles, not even root.
    iam = estate.session("break-glass", root(bed.management))
    trail = bed.client("cloudtrail", production.root, direct=True)
    above = organizations(bed)

    def one(check: str, state: str, *words: str, rows: list[dict[str, Any]] | None = None, account: str = A) -> None:
        found = list(estate.look() if rows is None else rows)
        said = json.dumps(found)
        assert {row["check"] for row in found} == {check} and {row["account"] for row in found} == {account}, found
        assert {row["state"] for row in found} == {state} and all(row["loss"] for row in found) and all(word in said for word in words), (
            found
        )

    # A permission, by a service control policy.
    policy = attach(
        bed, "corporate", {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:PutRolePolicy", "Resource": "*"}]}, A
    )
    rows = estate.look()
    assert {row["check"] for row in rows} == {"permissions", "break_glass"}, rows
    one("permissions", "missing", "iam:PutRolePolicy", "a policy of the organization denies it", "fence a role", rows=rows[:1])
    one("break_glass", "missing", "role/break-glass", "organization", rows=rows[1:])
    above.detach_policy(PolicyId=policy, TargetId=A)
    # A permission, by its own policies. (What they limit to a kind of resource was not taken for a denial: the estate has no others.)
    narrow = copy.deepcopy(estate.narrow)
    for statement in narrow["Statement"]:
        statement["Action"] = [
            action for action in statement["Action"] if action not in ("iam:UpdateAccessKey", "iam:SimulatePrincipalPolicy")
        ]
    iam.put_role_policy(RoleName="incident-responder", PolicyName="work", PolicyDocument=json.dumps(narrow))
    one("permissions", "unknown", "iam:SimulatePrincipalPolicy", rows=estate.look("permissions"))  # what could not be asked is no "ok"
    narrow["Statement"][0]["Action"].append("iam:SimulatePrincipalPolicy")
    iam.put_role_policy(RoleName="incident-responder", PolicyName="work", PolicyDocument=json.dumps(narrow))
    one("permissions", "missing", "iam:UpdateAccessKey", "no policy allows it", "switch an access key off", rows=estate.look("permissions"))
    iam.put_role_policy(RoleName="incident-responder", PolicyName="work", PolicyDocument=json.dumps(estate.narrow))
    # The trail, stopped; its bucket, gone; none at all.
    trail.stop_logging(Name="all")
    one("trail", "missing", "is stopped", "start-logging", rows=estate.look("trail", "trail_bucket", "responder"))
    trail.start_logging(Name="all")
    bed.client("s3", production.root, direct=True).delete_bucket(Bucket=f"trail-{A}")
    one("trail_bucket", "missing", f"the bucket trail-{A} of the trail is gone", rows=estate.look("trail", "trail_bucket"))
    bed.client("s3", production.root, direct=True).create_bucket(Bucket=f"trail-{A}")
    bed.rule("fail", operation="LookupEvents", code="AccessDeniedException", message="no", times=1, mutating=False, principal=A)
    one("trail", "unknown", "LookupEvents", rows=estate.look("trail"))
    # The slots.
    full = fill(bed, 9)
    one("slots", "missing", "10 of 10 service control policies", "AWSDenyAll", rows=estate.look("slots", "standing_fence"))
    for policy in full:
        above.detach_policy(PolicyId=policy, TargetId=A)
    # Break-glass, emptied and deleted: under the fence nobody could.
    above.detach_policy(PolicyId=estate.fence, TargetId=company.root_id)
    owner = bed.client("iam", production.root, direct=True)
    owner.delete_role_policy(RoleName="break-glass", PolicyName="work")
    one("break_glass", "missing", "none of the protected identities may administer", rows=estate.look("break_glass"))
    owner.delete_role(RoleName="break-glass")
    one("break_glass", "missing", "is protected and not there", rows=estate.look("break_glass"))
    owner.create_role(RoleName="break-glass", AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{bed.management}:root"}))
    owner.put_role_policy(RoleName="break-glass", PolicyName="work", PolicyDocument=ALL)
    above.attach_policy(PolicyId=estate.fence, TargetId=company.root_id)
    # A role under an exempt name that nobody calls theirs.
    estate.write(protected=[f"arn:aws:iam::{B}:role/break-glass"])
    assert {(row["check"], row["state"]) for row in estate.look("break_glass", "exempt_names")} == {
        ("break_glass", "missing"),
        ("exempt_names", "missing"),
    }
    estate.write()
    # The role's trust.
    iam.update_assume_role_policy(RoleName="incident-responder", PolicyDocument=trust({"AWS": company.responder_arn}))
    one("responder", "missing", "source identity", rows=estate.look("responder"))
    iam.update_assume_role_policy(
        RoleName="incident-responder", PolicyDocument=trust({"AWS": f"arn:aws:iam::{bed.management}:root"}, "sts:TagSession")
    )
    code, said = estate.desk.play(
        "readiness",
        "-e",
        f"incident={estate.file}",
        "-e",
        json.dumps({"readiness_checks": HERE, "allow_local_store": "true", "threads": "", "result_file": ""}),
    )
    assert (
        code == 2
        and f"MISSING {A}  responder: account {A} cannot be reached" in said
        and "contain could not: anything in this account" in said
    ), said
    assert f"UNKNOWN {A}  " in said and "more checks, since nobody can look into the account" in said and "accounts: 1 of 2 ok" in said, (
        said
    )
    assert said.count(A) < 30, "one line for what follows from the other"


def test_what_is_asked_once(estate: Estate) -> None:
    """The store, the organization, the standing fence, suspended accounts, notifiers, and hostile names in all of it."""
    bed, company, desk = estate.bed, estate.company, estate.desk
    # The store: read-only, in an account of the incident, gone.
    owner = bed.client("iam", root(bed.management), direct=True)
    read = document(allow("s3:GetObject", "s3:ListBucket"))
    owner.put_user_policy(UserName=estate.bucket.name, PolicyName="store", PolicyDocument=read)
    rows = estate.look("store")
    assert (
        [(row["check"], row["state"]) for row in rows] == [("store", "missing")]
        and "cannot write" in rows[0]["why"]
        and "spool" in rows[0]["loss"]
    ), rows
    owner.put_user_policy(UserName=estate.bucket.name, PolicyName="store", PolicyDocument=document(allow("s3:*")))
    found = estate.look("store", accounts=[A, bed.management])
    assert len(found) == 2 and all(" live" in row["why"] and bed.management in row["why"] for row in found), found
    assert "unknown" in {row["state"] for row in estate.look("store", check=True)}  # check mode does not try
    # Who is in the organization, where nobody says which accounts: the suspended one is named, and not looked at.
    estate.write(accounts=[])
    bed.organizations(suspended=[B])
    found = desk.run("aws_readiness_info", incident=str(estate.file), checks=["regions"])
    assert B not in found["accounts"] and A in found["accounts"] and any("suspended" in row["note"] for row in found["rows"]), found
    assert all(row["object"] == "eu-west-1, us-east-1" for row in found["rows"] if row["check"] == "regions")
    bed.organizations(suspended=[])
    estate.write()
    # Policy types that are off; nobody who may write fences.
    organizations(bed).disable_policy_type(RootId=company.root_id, PolicyType=RCP)
    rows = estate.look("organization")
    assert [row["object"] for row in rows] == [RCP] and "resource control policies are not enabled" in rows[0]["why"], rows
    organizations(bed).enable_policy_type(RootId=company.root_id, PolicyType=RCP)
    owner.detach_user_policy(UserName="responder", PolicyArn=f"arn:aws:iam::{bed.management}:policy/above")
    owner.put_user_policy(
        UserName="responder", PolicyName="respond", PolicyDocument=document(allow("sts:AssumeRole", "sts:SetSourceIdentity"))
    )
    rows = estate.look("organization")
    lacks = permissions.actions_in(permissions.management_policy()) - permissions.actions_in(permissions.readiness_policy())
    assert {row["object"] for row in rows} == lacks and all(row["loss"] for row in rows), rows
    # The standing fence, cut down by somebody; a role of a hostile name and an account of one.
    policies = {p["Name"]: p["Id"] for p in organizations(bed).list_policies(Filter=SCP)["Policies"]}
    whole = standing_fence.document([f"arn:aws:iam::*:role/{name}" for name in ("incident-responder", "break-glass")])
    part = {**whole, "Statement": [s for s in whole["Statement"] if s["Sid"] != "EvictStandingTag"]}
    organizations(bed).update_policy(PolicyId=policies["evict-standing-fence"], Content=json.dumps(part))
    rows = estate.look("standing_fence")
    assert {row["account"] for row in rows} == {A, B} and all("lacks its statements EvictStandingTag" in row["why"] for row in rows)
    organizations(bed).detach_policy(PolicyId=policies["evict-standing-fence"], TargetId=company.root_id)
    assert {row["check"] for row in estate.look("standing_fence", "exempt_names")} == {"standing_fence"}
    rows = estate.look("notifiers", notifiers=[{"name": "on\x1b[2Jcall", "kind": "slack", "ok": False, "why": "500 {{ 7 * 7 }}\n  ready"}])
    assert rows == []  # the file names none
    estate.write(notify=[{"name": "x", "kind": "slack", "url_env": "SLACK"}])
    tried = {"notifiers": [{"name": "on\x1b[2Jcall", "kind": "slack", "ok": False, "why": "500 {{ 7 * 7 }}\n  ready"}]}
    rows = estate.look("notifiers", **tried)
    assert [row["state"] for row in rows] == ["missing"]
    assert [row["state"] for row in estate.look("notifiers")] == ["unknown"]
    play = desk.folder / "play.yml"
    task = {
        "name": "Look",
        "evict.cloud.aws_readiness_info": {"incident": str(estate.file), "checks": ["notifiers"], "notifiers": "{{ rows }}"},
    }
    vars_ = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    play.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": vars_, "tasks": [task]}]))
    (desk.folder / "rows.json").write_text(json.dumps(tried["notifiers"]))
    task["evict.cloud.aws_readiness_info"]["notifiers"] = tried["notifiers"]
    play.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": vars_, "tasks": [
        {"name": "Read", "ansible.builtin.slurp": {"src": str(desk.folder / "rows.json")}, "register": "read"},
        {**task, "evict.cloud.aws_readiness_info": {**task["evict.cloud.aws_readiness_info"], "notifiers": "{{ read.content | b64decode | from_json }}"}},
    ]}]))  # fmt: skip
    code, said = desk.play(str(play).removesuffix(".yml"))
    assert code == 2 and "\x1b" not in said and "on\\x1b[2Jcall" in said and "{{ 7 * 7 }}" in said and "500 49" not in said, said


def test_a_file_is_checked_strictly_and_never_run(estate: Estate) -> None:
    planted = estate.desk.folder / "planted"
    estate.write(accounts=["12", A, A], protected=["x"], suspect=[], title="{{ lookup('pipe', 'touch " + str(planted) + "') }}")
    code, said = estate.desk.play("readiness", "-e", f"incident={estate.file}")
    assert code == 2 and not planted.exists()
    for problem in ("incident.accounts[0]: must be 12 digits", "incident.accounts[2]: is named twice", "incident.protected[0]: not an ARN",
                    "incident.suspect: unknown key; did you mean 'suspects'?"):  # fmt: skip
        assert problem in said, said
    assert "pass -e incident=FILE" in estate.desk.play("readiness", "-e", "incident=")[1]


def test_contain_warns_of_a_store_in_an_account_of_the_incident(desk: Desk) -> None:
    """And not of one elsewhere; nor does it take what it could not ask for an answer."""

    def said(store: Any, suspect: str = f"arn:aws:iam::{A}:user/bob") -> list[str]:
        desk.incident(suspect, store=store)
        done = desk.contain(check=True)
        return [str(w) for w in done.get("warnings", []) if "store of the case" in str(w) or " live in account" in str(w)]

    bucket = Bucket(desk)
    with bucket.with_profile(), environment(desk.bed.environ()):
        assert said(bucket.options()) == []
        inside = desk.bed.client("iam", root(desk.bed.management), direct=True)
        inside.create_user(UserName="somebody")
        inside.put_user_policy(UserName="responder", PolicyName="here", PolicyDocument=document(allow("iam:*", "ec2:*", "cloudtrail:*")))
        own = said(bucket.options(), f"arn:aws:iam::{desk.bed.management}:user/somebody")
        assert [w for w in own if f"lives in account {desk.bed.management}" in w] and [
            w for w in own if "the responder's own credentials live" in w
        ], own
        # A bucket in the suspect's own account.
        name, theirs = f"inside-{A}", desk.company.production.root
        desk.bed.client("s3", theirs, direct=True).create_bucket(Bucket=name)
        iam = desk.bed.client("iam", theirs, direct=True)
        iam.create_user(UserName="keeper")
        iam.put_user_policy(UserName="keeper", PolicyName="store", PolicyDocument=document(allow("s3:*")))
        key = Credentials.of(iam.create_access_key(UserName="keeper")["AccessKey"])
        with bucket.profile.open("a") as file:
            file.write(f"[inside]\naws_access_key_id={key.access_key}\naws_secret_access_key={key.secret_key}\n")
        options = {**bucket.options(), "url": f"s3://{name}/ir", "profile": "inside"}
        assert [w for w in said(options) if f"lives in account {A}" in w and "object lock" in w]
        refused = mock.Mock(side_effect=CloudError("s3:HeadBucket: 403", code="403"))
        with mock.patch.object(store_home, "_head", refused):
            assert [w for w in said(options) if "not known whether the store" in w]
    assert said(str(desk.folder / "cases")) == []
