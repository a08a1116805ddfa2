"""Other kinds of credential on the enforcing bed: an SSH key, a password and a service-specific credential of one user, from plan to deletion."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.beds.bed import root
from tests.beds.company import PRODUCTION
from tests.beds.receivers import receivers
from tests.integration.helpers import Desk
from tests.unit.aws.test_rotation_kinds import RSA

pytestmark = pytest.mark.bed

USER, REGION = "app-orders", "us-east-1"
KINDS = ["login_profile", "service_specific_credential", "ssh_public_key"]


def test_an_ssh_key_a_password_and_a_service_specific_credential_are_replaced(desk: Desk) -> None:
    iam = desk.bed.client("iam", root(PRODUCTION), direct=True)
    secrets = desk.bed.client("secretsmanager", root(PRODUCTION), region=REGION, direct=True)
    old = iam.upload_ssh_public_key(UserName=USER, SSHPublicKeyBody="ssh-rsa AAAAB3NzaC1yc2E example")["SSHPublicKey"]["SSHPublicKeyId"]
    made = iam.create_service_specific_credential(UserName=USER, ServiceName="codecommit.amazonaws.com")["ServiceSpecificCredential"]
    reset = made["ServiceSpecificCredentialId"]
    iam.create_login_profile(UserName=USER, Password="Known-to-the-thief-1")
    for name in ("for-ada", "for-ci"):
        secrets.create_secret(Name=name)
    desk.incident(
        desk.company.production.keys[USER].access_key,
        mode="graceful",
        replacements=[
            {"user": USER, "kind": "ssh_public_key", "public_key": RSA},
            {"user": USER, "kind": "login_profile", "handover": {"secret": "for-ada", "region": REGION}},
            {"user": USER, "kind": "service_specific_credential", "id": reset, "handover": {"secret": "for-ci", "region": REGION}},
        ],
    )

    def rotate(check: bool = False) -> dict[str, Any]:
        return desk.run("aws_credential_rotation", check, kinds=KINDS, soak="0s")

    def keys() -> dict[str, str]:
        return {k["SSHPublicKeyId"]: k["Status"] for k in iam.list_ssh_public_keys(UserName=USER)["SSHPublicKeys"]}

    planned = rotate(check=True)
    assert planned["changed"] and keys() == {old: "Active"}, planned
    first = rotate()
    assert first["problems"] == []
    assert first["status"] == "open", first
    assert [row["state"] for row in first["replaced"]] == ["MINTED"] * 3 and len(first["manual"]) == 3, first["replaced"]
    (new,) = set(keys()) - {old}
    assert keys() == {old: "Active", new: "Active"} and new in json.dumps(first["manual"])
    assert iam.get_login_profile(UserName=USER)["LoginProfile"]["PasswordResetRequired"] is True
    handed = [secrets.get_secret_value(SecretId=name)["SecretString"] for name in ("for-ada", "for-ci")]
    assert len(handed[0]) == 64 and handed[1] and made["ServicePassword"] not in handed
    assert not rotate()["changed"]
    for row in first["manual"]:
        said = desk.run("case_confirm", case=str(desk.folder / "cases" / "IR-1"), item=row["id"], by="Ada Lovelace")
        assert said["changed"], said
    last = rotate()
    assert last["status"] == "ok" and keys() == {new: "Active"}, last
    again = rotate()
    assert again["status"] == "ok" and not again["changed"], again
    assert desk.leaks(*handed) == [] and desk.verified()


def test_the_playbook_tells_the_owner_what_to_do(desk: Desk) -> None:
    iam = desk.bed.client("iam", root(PRODUCTION), direct=True)
    iam.create_user(UserName="ada")
    iam.upload_ssh_public_key(UserName="ada", SSHPublicKeyBody="ssh-rsa AAAAB3NzaC1yc2E example")
    channel = {"kind": "webhook", "name": "ada", "url_env": "HOOK", "secret_env": "KEY"}
    entry = {"user": "ada", "kind": "ssh_public_key", "public_key": RSA}
    file = desk.incident(f"arn:aws:iam::{PRODUCTION}:user/ada", mode="graceful", replacements=[entry], notify=[channel])
    with receivers() as (http, _mail):
        code, said = desk.play(
            "rotate", "-e", f"incident={file}", "-e", "allow_local_store=true", env={"HOOK": f"{http.url}/hook", "KEY": "k" * 32}
        )
        told = [json.loads(request["body"]) for request in http.got]
    assert code == 2 and "  REPLACE " in said and "  MANUAL  tell" not in said and "item=manual/replaced/" in said, said
    assert any("sign in to CodeCommit" in json.dumps(body) for body in told), (told, said)
