# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of Identity Center and root needs no cloud: where it is, whose a session is, documents that hold one person, changes that AWS carries out later."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import assumed, documents, identity_center, pending, root_user
from ansible_collections.evict.cloud.plugins.module_utils.aws import service_control as scp
from ansible_collections.evict.cloud.plugins.module_utils.aws.identity_center import Instance, Person
from ansible_collections.evict.cloud.plugins.module_utils.aws.service_control import ASSUMED_ROOT, PEOPLE, Exempt, Held
from ansible_collections.evict.cloud.plugins.module_utils.common import edits, incident, manual, suspect
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError, EvictError, InvalidInput
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Target
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from ansible_collections.evict.cloud.plugins.plugin_utils import table
from tests.beds.identity_center import INSTANCE, STORE, Directory
from tests.tools import permissions
from tests.unit.aws.modelled_cloud import ModelledCloud, valid_call

A, SID = "111122223333", "Evict0123456789abcdef"
WHERE = Instance(INSTANCE, STORE, "999988887777", "eu-west-1")
BEHIND = f"arn:aws:iam::{A}{PEOPLE}"
ALL = {"Sid": "Theirs", "Effect": "Allow", "Action": "*", "Resource": "*"}


class Aws(ModelledCloud):
    """What the look-ups need of ``session.Aws``, over a directory; ``enabled``: regions."""

    partition, region, identity_center_region = "aws", "us-east-1", ""
    caller = {"account": A, "arn": f"arn:aws:iam::{A}:user/responder"}
    identity_center_arn = "arn:aws:iam::999988887777:role/incident-policies"

    def __init__(self, directory: Directory, *enabled: str) -> None:
        super().__init__(DescribeRegions={"Regions": [{"RegionName": r} for r in enabled]} if enabled else "UnauthorizedOperation")
        self.directory = directory

    def call(self, call: Call, parameters: Any = None) -> dict[str, Any]:
        if call.service not in ("sso-admin", "identitystore"):
            return super().call(call, parameters)
        self.calls.append(call)
        return self.directory.send(call, call.parameters if parameters is None else parameters)

    def absent(self, error: EvictError, region: str) -> bool:
        return False

    def offered(self, service: str) -> list[str]:
        return ["eu-west-1", "us-east-1", "us-west-2"]


# -- where, and who ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        (f"arn:aws:sts::{A}:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/eve@x.org", (A, "AWSReservedSSO_Admin_0123456789abcdef", "eve@x.org")),
        (f"arn:aws:sts::{A}:assumed-role/deploy/AWSReservedSSO_x", None), (f"arn:aws:iam::{A}:role/AWSReservedSSO_Admin_0123456789abcdef", None),
    ],
)  # fmt: skip
def test_the_session_of_a_shared_role(arn: str, expected: Any) -> None:
    assert identity_center.session_of(arn) == expected


@pytest.mark.parametrize(
    ("path", "region"),
    [("/aws-reserved/sso.amazonaws.com/eu-west-1/", "eu-west-1"), ("/aws-reserved/sso.amazonaws.com/", "us-east-1"), ("/x/", "")],
)
def test_the_path_of_its_roles_names_the_region(path: str, region: str) -> None:
    assert identity_center.region_in(path) == region


def test_the_instance_is_asked_for_where_it_may_be_and_once() -> None:
    near = Aws(Directory("eu-west-1"), "eu-west-1", "us-east-1", "us-west-2")
    assert identity_center.instance(near, hint="eu-west-1").region == "eu-west-1" and len(near.asked("ListInstances")) == 1  # type: ignore[arg-type]
    far = Aws(Directory("us-west-2"), "eu-west-1", "us-east-1", "us-west-2")
    assert identity_center.instance(far).region == "us-west-2" and identity_center.instance(far).region == "us-west-2"  # type: ignore[arg-type]
    assert len(far.asked("ListInstances")) == 3
    blind = Aws(Directory("us-west-2"))  # nobody says which regions are enabled
    assert identity_center.instance(blind).region == "us-west-2"  # type: ignore[arg-type]
    nowhere = Aws(Directory("ap-south-1"), "eu-west-1")
    with pytest.raises(EvictError, match=r"no instance of IAM Identity Center") as error:
        identity_center.instance(nowhere)  # type: ignore[arg-type]
    assert "identity_center_region" in error.value.remedy
    given = Aws(Directory("ap-south-1"), "eu-west-1")
    given.identity_center_region = "ap-south-1"
    assert identity_center.instance(given).region == "ap-south-1" and len(given.calls) == 1  # type: ignore[arg-type]


def test_a_delegated_administrators_own_instance_is_not_the_organizations() -> None:
    directory = Directory("us-east-1", owner="999988887777")
    organization = {
        "InstanceArn": "arn:aws:sso:::instance/ssoins-organization0000",
        "IdentityStoreId": "d-2",
        "OwnerAccountId": "111111111111",
        "Status": "ACTIVE",
    }
    listed = directory._list_instances
    directory._list_instances = lambda call, sent: {"Instances": [*listed(call, sent)["Instances"], organization]}  # type: ignore[method-assign]
    assert identity_center.instance(Aws(directory)).store == "d-2"  # type: ignore[arg-type]


def test_a_person_by_id_name_and_mail() -> None:
    directory = Directory("us-east-1")
    eve = directory.user("eve", email="eve@example.org", issuer="https://scim.example.org")
    aws: Any = Aws(directory)
    found = [identity_center.person(aws, named) for named in (eve, "eve", "eve@example.org")]
    assert (
        {p.id for p in found} == {eve}
        and found[0].issuer == "https://scim.example.org"
        and found[0].names == {eve, "eve", "eve@example.org"}
    )
    with pytest.raises(EvictError, match="no user of that id"):
        identity_center.person(aws, "mallory@example.org")
    directory.denied = {"ListUsers": "AccessDeniedException"}
    with pytest.raises(CloudError):
        identity_center.person(aws, "bob")


def test_every_listing_is_paged_by_botocore() -> None:
    reads = {r for module in (identity_center, root_user) for r in module.READS if ":List" in r}
    for read in sorted(reads):
        service, operation = read.split(":")
        client = boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
        method = boto3.session.botocore.xform_name(operation)
        assert client.can_paginate(method) or read == "sso-admin:ListPermissionSetsProvisionedToAccount" and client.can_paginate(method), (
            read
        )


# -- documents -----------------------------------------------------------------------------------------------------------------


def person(user: str, name: str = "eve") -> Person:
    return Person(WHERE, user, name)


def by_id(user: str) -> Held:
    return Held(BEHIND, {"StringEquals": {"identitystore:UserId": user}})


def test_two_people_behind_the_same_roles_are_both_held_and_nobody_else() -> None:
    held = [by_id("1"), by_id("2"), Held(BEHIND, {"StringLike": {"aws:userid": ["*:eve@x.org"]}}), Held(f"arn:aws:iam::{A}:user/ci")]
    assert scp.merge(held[:2], held) == held
    statements = scp.statements(SID, held, Exempt((f"arn:aws:iam::{A}:role/glass",)))
    assert sorted(scp.members(statements, SID), key=str) == sorted(held, key=str) and scp.ours(scp.document(statements), SID) == statements
    mine = [s for s in statements if s.get("Condition", {}).get("ArnLike", {}).get("aws:PrincipalArn") == [BEHIND]]
    assert len(mine) == 3 and all(len(s["Condition"]) == 2 for s in mine)  # never the roles alone, which others use
    writes = next(s for s in statements if s["Sid"] == f"{SID}W")
    assert BEHIND not in writes["Resource"] and len({s["Sid"] for s in statements}) == len(statements)
    boxes, left = scp.allocate(SID, [], [Exempt()], held)
    assert not left and len(boxes[0]) == 4
    assert "1 alone, of" in scp.shown([by_id("1")])[0]


def test_root_is_denied_and_what_the_management_account_does_as_root_is_not() -> None:
    root = Held(f"arn:aws:iam::{A}:root", ASSUMED_ROOT)
    statements = scp.statements(SID, [root], Exempt())
    assert [s["Condition"] for s in statements if not s["Sid"].endswith("O")] == [
        {"Null": {"aws:AssumedRoot": "true"}, "ArnLike": {"aws:PrincipalArn": [root.arn]}},
        {"ArnLike": {"aws:PrincipalArn": [f"arn:aws:sts::{A}:federated-user/*"]}},  # root may make these too
    ]
    assert scp.members(statements, SID) == [root]


def incident_() -> Any:
    return permissions.incident()


def steps(policy: Any, user: str = "906765abcd-11111111-2222-3333-4444-555555555555") -> tuple[Directory, list[Any]]:
    directory = Directory("eu-west-1")
    admin = directory.permission_set("Admin")
    directory.sets[admin]["policy"] = policy if isinstance(policy, str) else json.dumps(policy)
    for number in range(3):
        directory.assign(A, admin, f"user-{number}")

    class Cloud(ModelledCloud):
        def call(self, call: Call, parameters: Any = None) -> dict[str, Any]:
            answer = directory.send(call, call.parameters)
            if call.operation == "GetInlinePolicyForPermissionSet":
                answer["InlinePolicy"] = identity_center_document(answer.get("InlinePolicy", ""))
            return answer

    return directory, list(
        identity_center.deny(person(user), "arn:x", admin, A, incident_(), "2026-01-01T12:00:00Z", Reader({"aws": Cloud()}))
    )


def identity_center_document(text: str) -> Any:
    from ansible_collections.evict.cloud.plugins.module_utils.aws.session import _document

    return _document(text or "null")


@pytest.mark.parametrize("theirs", [{"Version": "2012-10-17", "Statement": [ALL]}, {"Version": "2012-10-17", "Statement": ALL}, ""])
def test_a_statement_for_one_person_in_a_permission_set(theirs: Any) -> None:
    _directory, (step,) = steps(theirs)
    document = identity_center_document(theirs if isinstance(theirs, str) else json.dumps(theirs))
    after = edits.apply(step.do[0].name, document, step.do[0].arguments)
    assert after is not None
    ours = [s for s in after["Statement"] if s["Sid"] != "Theirs"]
    assert (
        ours == [step.after]
        and ours[0]["Sid"].isalnum()
        and ours[0]["Condition"] == {"StringEquals": {"identitystore:UserId": "906765abcd-11111111-2222-3333-4444-555555555555"}}
    )
    assert len(after["Statement"]) == len(ours) + bool(theirs) and "3 other user(s)" in step.action and step.expires
    back = edits.apply(step.undo[0].name, after, step.undo[0].arguments)
    assert (back or {"Statement": []})["Statement"] == ([ALL] if theirs else [])
    probe, write = documents.find(step.do[0].target, step.do[0].document)
    for call in (probe.call, write(after), write(back)):
        valid_call(call)
    assert write(None).operation == "DeleteInlinePolicyFromPermissionSet"


@pytest.mark.parametrize(
    ("policy", "said"), [("{not json", "no policy document"), ('{"Statement": [], "x": "' + "y" * 32700 + '"}', "no room")]
)
def test_a_permission_set_that_cannot_take_it_is_named(policy: str, said: str) -> None:
    with pytest.raises(EvictError, match=said) as error:
        steps(policy)
    assert "Admin" in error.value.message and error.value.remedy


# -- later ---------------------------------------------------------------------------------------------------------------------


class Slow:
    """Answers a status until ``answers`` are used up."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers, self.calls = list(answers), 0

    def call(self, call: Call) -> dict[str, Any]:
        valid_call(call)
        self.calls += 1
        return {"AccountAssignmentDeletionStatus": self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]}


GONE = Call(Target("aws", "", "eu-west-1"), "sso-admin", "DeleteAccountAssignment", {
    "InstanceArn": INSTANCE, "TargetId": A, "TargetType": "AWS_ACCOUNT", "PermissionSetArn": "arn:aws:sso:::permissionSet/ssoins-1/ps-1234567890abcdef",
    "PrincipalType": "USER", "PrincipalId": "906765abcd-11111111-2222-3333-4444-555555555555"})  # fmt: skip
BUSY = {"Status": "IN_PROGRESS", "RequestId": "11111111-2222-3333-4444-555555555555"}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "_LOOKS", (0.0,) * 5)
    monkeypatch.setattr(pending, "_AGAIN", (0.0,) * 2)


def test_a_change_that_is_carried_out_later_is_over_when_it_returns() -> None:
    slow = Slow(BUSY, {"Status": "SUCCEEDED"})
    assert pending.carry_out(slow, GONE, lambda: {"AccountAssignmentDeletionStatus": BUSY}) and slow.calls == 2


@pytest.mark.parametrize(
    ("last", "code", "said"), [({"Status": "FAILED", "FailureReason": "nope"}, "FAILED", "nope"), (BUSY, "IN_PROGRESS", "after a minute")]
)
def test_a_change_that_fails_or_does_not_end_is_an_error_that_names_it(last: dict[str, Any], code: str, said: str) -> None:
    with pytest.raises(CloudError, match=said) as error:
        pending.carry_out(Slow(BUSY, last), GONE, lambda: {"AccountAssignmentDeletionStatus": BUSY})
    assert error.value.code == code and error.value.object == A and error.value.operation == GONE.name


def test_while_an_earlier_one_is_at_work_it_is_sent_again() -> None:
    answers: list[Any] = [CloudError("busy", code="ConflictException"), {"AccountAssignmentDeletionStatus": {"Status": "SUCCEEDED"}}]

    def send() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, CloudError):
            raise answer
        return answer

    assert pending.carry_out(Slow(BUSY), GONE, send) and not answers
    with pytest.raises(CloudError, match="denied"):
        pending.carry_out(Slow(BUSY), GONE, lambda: (_ for _ in ()).throw(CloudError("denied", code="AccessDeniedException")))


# -- root ----------------------------------------------------------------------------------------------------------------------


def test_what_a_root_user_holds_and_its_deletion_is_for_good() -> None:
    cloud = ModelledCloud(
        ListAccessKeys={"AccessKeyMetadata": [{"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Active"}]}, GetLoginProfile="NoSuchEntity",
        ListSigningCertificates={"Certificates": []}, ListMFADevices={"MFADevices": []},
    )  # fmt: skip
    reader = Reader({"aws": cloud})
    assert root_user.held(A, reader) == {"access_keys": {"AKIAIOSFODNN7EXAMPLE": "Active"}, "certificates": [], "password": None, "mfa": []}
    (step,) = root_user.delete(A, f"arn:aws:iam::{A}:root", reader)
    assert step.irreversible and not step.undo and step.do[0].target.account == f"root:IAMDeleteRootUserCredentials:{A}"
    assert all(c.target.account.startswith("root:") for c in cloud.calls)


def test_who_talks_to_what_lies_above_the_accounts() -> None:
    class Asking:
        caller = {"account": A, "arn": f"arn:aws:iam::{A}:user/responder"}

    management, people = "arn:aws:iam::999988887777:role/m", "arn:aws:iam::555566667777:role/p"
    both = assumed.Roles(Asking(), {"management_role_arn": management, "identity_center_role_arn": people}, "x")  # type: ignore[arg-type]
    assert [both.arn(both.above(s)) for s in ("organizations", "sso-admin", "identitystore", "sts")] == [
        management,
        people,
        people,
        management,
    ]
    one = assumed.Roles(Asking(), {"management_role_arn": management}, "x")  # type: ignore[arg-type]
    assert one.arn(one.above("sso-admin")) == management and assumed.Roles(Asking(), {}, "x").above("sso-admin") == ""  # type: ignore[arg-type]
    assert one.arn(f"root:IAMAuditRootUserCredentials:{A}") == f"arn:aws:iam::{A}:root"


# -- for people ----------------------------------------------------------------------------------------------------------------


def test_a_suspect_of_identity_center_in_the_incident_file() -> None:
    def parsed(**raw: Any) -> Any:
        problems: list[Any] = []
        return suspect.parse({"cloud": "aws", **raw}, "incident.suspects[0]", problems), problems

    for name in ("eve@example.org", "Zoë+x", "906765abcd-11111111-2222-3333-4444-555555555555", "a b"[:1]):
        found, problems = parsed(identity_center_user=name)
        assert (
            problems == []
            and (found.kind, found.value) == ("identity_center_user", name)
            and found.as_dict() == {"cloud": "aws", "identity_center_user": name}
        )
    for bad in ("a b", "a\nb", "\u202eeve" + "x" * 128, ""):
        assert parsed(identity_center_user=bad)[1]
    assert suspect.only("906765abcd-11111111-2222-3333-4444-555555555555").kind == "identity_center_user"
    raw = {"id": "IR-1", "opened": "2026-01-01T00:00:00Z", "suspects": [{"cloud": "aws", "identity_center_user": "eve"}]}
    aws = {"identity_center_role_arn": f"arn:aws:iam::{A}:role/x", "identity_center_region": "eu-west-1"}
    assert incident.validate({**raw, "connection": {"aws": aws}, "root_credentials": "delete"}, "t").root_credentials == "delete"
    with pytest.raises(InvalidInput) as error:
        incident.validate(
            {
                **raw,
                "connection": {"aws": {"identity_center_role_arn": "x", "identity_center_region": "Paris"}},
                "root_credentials": "burn",
            },
            "t",
        )
    assert {path for path, _said in error.value.problems} == {
        "incident.connection.aws.identity_center_role_arn", "incident.connection.aws.identity_center_region", "incident.root_credentials",
    }  # fmt: skip


class Notes:
    def __init__(self, *notes: dict[str, Any]) -> None:
        self._notes = [{"time": f"2026-01-0{i + 1}T00:00:00Z", "data": n} for i, n in enumerate(notes)]

    def notes(self, kind: str) -> list[dict[str, Any]]:
        return self._notes if kind == "confirmed" else []


def test_a_step_for_a_person_is_open_until_somebody_confirms_it() -> None:
    case = Notes({"item": "manual/a", "by": "Ada", "note": ""}, {"item": "manual/a", "by": "Bob", "note": ""})
    done, left = manual.row(case, "manual/a", "o", "do", "why"), manual.row(case, "manual/b", "o", "do", "why")
    assert done["confirmed"] == {"by": "Bob", "at": "2026-01-02T00:00:00Z"} and left["confirmed"] is None
    assert manual.open_items([done, left]) == [{"object": "o", "why": "by hand: do (why)", "due": None}]


def test_a_confirmation_counts_for_the_cut_that_it_followed_and_no_later_one() -> None:
    """A second containment after a release, or of what an attacker has brought back, needs the hand again."""
    arn, root = "arn:aws:identitystore:::user/u-1", "arn:aws:iam::222222222222:root"
    case = Notes({"item": "manual/a", "by": "Ada", "note": ""})
    case._notes[0]["place"] = [2, "r", 1, 0]
    scp = "organizations:222222222222:scp/evict-IR-1"

    def made(order: int) -> dict[str, Any]:
        return {"made": {"status": "done"}, "places": {"made": [order, "r", 1, 0]}}

    def counts(history: dict[str, Any], who: str = arn) -> bool:
        return bool(manual.confirmed(case, "manual/a", manual.newest_cut(history, who, ["222222222222"])))

    assert counts({}) and counts({f"{arn}#membership/g": made(1)}) and counts({f"{arn}#clock/kms/x": made(3), f"{arn}2#deny/x": made(3)})
    assert not counts({f"{arn}#membership/g": made(1), f"{arn}#assignment/1/p": made(3)})
    assert counts({scp: made(3)}, root)  # somebody else was added to it
    assert not counts({scp: made(4), f"undo:{scp}": made(3)}, root) and counts({scp: made(1), f"undo:{scp}": made(3)}, root)


def test_the_table_tells_the_steps_in_their_order_with_the_command_that_confirms() -> None:
    hostile = "eve'; rm -rf ~ #"
    rows = [{"id": f"manual/x/{hostile}", "object": "o", "what": "first", "why": "w", "confirmed": None},
            {"id": "manual/y", "object": "o", "what": "second", "why": "w", "confirmed": {"by": "Ada", "at": "t"}}]  # fmt: skip
    said = table.lines({"status": "open", "manual": rows}, "cases/IR-1")
    first = next(i for i, line in enumerate(said) if line.startswith("  MANUAL  o: first"))
    assert (
        "evict.cloud.confirm -e case=cases/IR-1" in said[first + 1] and "-e '{" in said[first + 1] and """-e "by='…'\"""" in said[first + 1]
    )
    assert any(line.startswith("  DONE    o: second (by Ada") for line in said)
