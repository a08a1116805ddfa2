"""A person of Identity Center on moto's server: requests are understood, state changes and comes back. moto shows no access, and is done at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_kinds_state import ACCOUNT, Moto

boto3 = pytest.importorskip("boto3")
moto_server = pytest.importorskip("moto.server")


@pytest.fixture
def moto(tmp_path: Path) -> Iterator[Moto]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Moto(f"http://{host}:{port}", tmp_path)
    server.stop()


def test_assignments_groups_and_a_permission_set_there_and_back(moto: Moto) -> None:
    def client(service: str) -> Any:
        keys = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "x" * 20}
        return boto3.client(service, endpoint_url=moto.environ["AWS_ENDPOINT_URL"], region_name="us-east-1", **keys)

    sso, store = client("sso-admin"), client("identitystore")
    (instance,) = sso.list_instances()["Instances"]
    where, directory = {"InstanceArn": instance["InstanceArn"]}, {"IdentityStoreId": instance["IdentityStoreId"]}
    made = {}
    for name in ("eve", "bob"):
        made[name] = store.create_user(**directory, UserName=name, DisplayName=name, Name={"GivenName": name, "FamilyName": "x"})["UserId"]
    groups = [store.create_group(**directory, DisplayName=f"group-{n}")["GroupId"] for n in range(3)]
    for group in groups:
        store.create_group_membership(**directory, GroupId=group, MemberId={"UserId": made["eve"]})
    admin = sso.create_permission_set(**where, Name="Admin", SessionDuration="PT2H")["PermissionSet"]["PermissionSetArn"]
    theirs = json.dumps({"Version": "2012-10-17", "Statement": {"Sid": "Theirs", "Effect": "Allow", "Action": "*", "Resource": "*"}})
    sso.put_inline_policy_to_permission_set(**where, PermissionSetArn=admin, InlinePolicy=theirs)
    for who in made.values():
        sso.create_account_assignment(
            **where, TargetId=ACCOUNT, TargetType="AWS_ACCOUNT", PermissionSetArn=admin, PrincipalType="USER", PrincipalId=who
        )

    def assigned() -> set[str]:
        listed = sso.list_account_assignments(**where, AccountId=ACCOUNT, PermissionSetArn=admin)["AccountAssignments"]
        return {a["PrincipalId"] for a in listed}

    def member_of() -> list[str]:
        return sorted(
            m["GroupId"] for m in store.list_group_memberships_for_member(**directory, MemberId={"UserId": made["eve"]})["GroupMemberships"]
        )

    def statements() -> Any:
        return json.loads(sso.get_inline_policy_for_permission_set(**where, PermissionSetArn=admin)["InlinePolicy"])["Statement"]

    moto.write(suspects=[{"cloud": "aws", "identity_center_user": "eve", "account": ACCOUNT}])
    preview = moto.run("aws_contain", check=True, hold="0", scope=0)
    assert preview["problems"] == [] and assigned() == set(made.values()) and len(member_of()) == 3
    done = moto.run("aws_contain", hold="0", scope=0)
    assert done["problems"] == [] and assigned() == {made["bob"]} and member_of() == []
    theirs_now, ours = statements()
    assert theirs_now["Sid"] == "Theirs" and ours["Condition"] == {"StringEquals": {"identitystore:UserId": made["eve"]}}
    (row,) = [r for r in done["principals"] if r["kind"] == "identity_center_user"]
    assert row["controls"] == ["permission set"] and [f["why"] for f in done["fences"]] == ["there is no organization"]
    assert not moto.run("aws_contain", hold="0", scope=0)["changed"]
    back = moto.run("aws_restore", only=["eve"], verdict="false_positive", reason="a test", by="Ada")
    assert back["problems"] == [] and assigned() == set(made.values()) and member_of() == sorted(groups)
    assert [s["Sid"] for s in statements()] == ["Theirs"] and not moto.run(
        "aws_restore", only=["eve"], verdict="false_positive", reason="a test", by="Ada"
    )["changed"]
    said = moto.run("aws_principal_info", incident=str(moto.file))["principals"][0]
    assert said["identity_center"]["name"] == "eve" and said["identity_center"]["assignments"] == [
        {"account": ACCOUNT, "permission_set": "Admin", "group": ""}
    ]
