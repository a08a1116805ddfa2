"""Credentials beside keys and passwords, on the enforcing bed.

What the bed enforces here is the responder's permission for each call, and the deny on the user. That a CodeCommit or Bedrock would refuse an inactive
credential it cannot show: of these kinds it keeps state (tests/beds/iam_kinds.py), as moto does (test_kinds_state.py).
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import Any

import pytest

from tests.beds.bed import Credentials
from tests.beds.company import document
from tests.integration.helpers import DEAD, Desk, status_of, utc, works

pytestmark = pytest.mark.bed

P = "arn:aws:iam::222222222222"
USER = f"{P}:user/ci-deploy"
NEW = ("ssh", "service", "certificate")
_SSH, _PEM = "ssh-rsa AAAAB3NzaC1yc2E example", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"


def give(iam: Any, user: str, service: str = "codecommit.amazonaws.com", **more: Any) -> dict[str, str]:
    """One credential of each new kind with a status: {kind: id}."""
    return {
        "ssh": iam.upload_ssh_public_key(UserName=user, SSHPublicKeyBody=_SSH)["SSHPublicKey"]["SSHPublicKeyId"],
        "service": iam.create_service_specific_credential(UserName=user, ServiceName=service, **more)["ServiceSpecificCredential"][
            "ServiceSpecificCredentialId"
        ],
        "certificate": iam.upload_signing_certificate(UserName=user, CertificateBody=_PEM)["Certificate"]["CertificateId"],
    }


def enrol(iam: Any, user: str, name: str) -> str:
    """A virtual MFA device of the user; its serial number."""
    serial = iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]["SerialNumber"]
    iam.enable_mfa_device(UserName=user, SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321")
    return str(serial)


def statuses(iam: Any, user: str) -> dict[str, str]:
    """{id: status} of the new kinds, and of MFA devices."""
    listed = [
        *((k["SSHPublicKeyId"], k["Status"]) for k in iam.list_ssh_public_keys(UserName=user)["SSHPublicKeys"]),
        *((c["CertificateId"], c["Status"]) for c in iam.list_signing_certificates(UserName=user)["Certificates"]),
        *((d["SerialNumber"], "in use") for d in iam.list_mfa_devices(UserName=user)["MFADevices"]),
    ]
    kept = iam.list_service_specific_credentials(UserName=user)["ServiceSpecificCredentials"]
    return dict([*listed, *((c["ServiceSpecificCredentialId"], c["Status"]) for c in kept)])


@pytest.fixture
def iam(desk: Desk) -> Any:
    return desk.bed.client("iam", desk.company.production.root, direct=True)


def unchanged(desk: Desk, **params: Any) -> None:
    before = desk.bed.snapshot()
    again = desk.contain(**params)
    assert again["changed_count"] == 0 and desk.bed.snapshot() == before, [s for s in again["steps"] if s["status"] != "already"]


# -- containment and release ------------------------------------------------------------------------------------------


def test_every_kind_is_switched_off_and_given_back(desk: Desk, iam: Any) -> None:
    held = give(iam, "ci-deploy")
    before = statuses(iam, "ci-deploy")
    desk.incident(desk.company.leaked.access_key)
    planned = desk.contain(check=True)
    assert statuses(iam, "ci-deploy") == before
    done = desk.contain()
    assert done["problems"] == [] and planned["changed_count"] == done["changed_count"] == 10  # two of them the fence above the account
    assert set(statuses(iam, "ci-deploy").values()) == {"Inactive"} and {*held.values()} == set(before)
    assert any("codecommit.amazonaws.com" in s["resource"] for s in done["steps"])
    hunks = {d["before_header"]: (d["before"], d["after"]) for d in done["diff"]}
    assert hunks[f"{USER} SSH public key {held['ssh']}"] == ("Active\n", "Inactive\n")
    unchanged(desk)
    desk.restore()
    assert statuses(iam, "ci-deploy") == before  # the key was leaked, these were not
    assert works(desk.bed, desk.company.leaked) in DEAD and works(desk.bed, desk.company.worker) == "ok"


def test_what_was_off_before_stays_off_and_a_false_positive_is_undone_to_the_last_byte(desk: Desk, iam: Any) -> None:
    held = give(iam, "ci-deploy")
    iam.update_ssh_public_key(UserName="ci-deploy", SSHPublicKeyId=held["ssh"], Status="Inactive")
    before = desk.bed.snapshot()
    desk.incident(USER, password="keep")
    desk.contain()
    assert desk.bed.snapshot() != before and set(statuses(iam, "ci-deploy").values()) == {"Inactive"}
    assert desk.restore()["status"] == "ok" and set(statuses(iam, "ci-deploy").values()) == {"Inactive"}  # the user itself was named
    assert desk.false_positive(USER)["status"] == "ok" and desk.bed.snapshot() == before


def test_what_somebody_switched_on_again_meanwhile_is_a_conflict_of_nobody(desk: Desk, iam: Any) -> None:
    """Three-way: first Active, ours Inactive, now deleted -> named; now Active again -> nothing to undo."""
    held = give(iam, "ci-deploy")
    desk.incident(desk.company.leaked.access_key)
    desk.contain_below()
    iam.delete_signing_certificate(UserName="ci-deploy", CertificateId=held["certificate"])
    iam.update_ssh_public_key(UserName="ci-deploy", SSHPublicKeyId=held["ssh"], Status="Active")
    rows = {r["object"]: r["kind"] for r in desk.restore()["open"]}
    assert rows[f"{USER} signing certificate {held['certificate']}"] == "conflict" and not any(held["ssh"] in name for name in rows)


def test_the_owners_mfa_device_stays_and_the_one_enrolled_during_the_incident_goes(desk: Desk, iam: Any) -> None:
    owners = enrol(iam, "ci-deploy", "owner")
    desk.bed.clock(120)  # the incident begins after that device was enrolled
    theirs = enrol(iam, "ci-deploy", "theirs")
    desk.incident(desk.company.leaked.access_key, window={"start": utc(60), "end": None}, opened=utc(60))
    done = desk.contain()
    assert done["problems"] == [] and set(statuses(iam, "ci-deploy")) == {owners}
    calls = [c["operation"] for c in desk.bed.calls(status=200) if c["mutating"] and c["service"] == "iam"]
    assert set(calls[-2:]) == {"DeactivateMFADevice", "DeleteLoginProfile"}  # what cannot be given back goes last
    assert [s["$step"]["irreversible"] for r in desk.records() for s in r.get("intents", []) if theirs in s["$step"]["resource"]] != [""]
    unchanged(desk)
    rows = {r["object"]: r["kind"] for r in desk.restore()["open"]}
    assert rows[f"{USER} MFA device {theirs}"] == "irreversible" and set(statuses(iam, "ci-deploy")) == {owners}


def test_a_device_enrolled_after_the_window_ended_stays(desk: Desk, iam: Any) -> None:
    mine = enrol(iam, "ci-deploy", "mine")
    desk.incident(desk.company.leaked.access_key, window={"start": utc(-7200), "end": utc(-3600)})
    desk.contain()
    assert set(statuses(iam, "ci-deploy")) == {mine}


def test_only_the_kinds_that_are_asked_for(desk: Desk, iam: Any) -> None:
    held = give(iam, "ci-deploy")
    desk.incident(desk.company.leaked.access_key)
    done = desk.contain(kinds=["access_key"])
    assert set(statuses(iam, "ci-deploy").values()) == {"Active"} and not any("password" in s["resource"] for s in done["steps"])
    operations = {c["operation"] for c in desk.bed.calls()}
    assert "ListAccessKeys" in operations and not {"ListSSHPublicKeys", "ListServiceSpecificCredentials", "ListMFADevices"} & operations
    (note,) = desk.ledger().notes["principal"]
    assert "SSH public keys not looked at" in note["data"]["cut"] and held


# -- a kind that cannot be listed ---------------------------------------------------------------------------------------

LISTS = {
    "ListSSHPublicKeys": "SSH public keys", "ListSigningCertificates": "signing certificates", "ListMFADevices": "MFA devices",
    "ListServiceSpecificCredentials": "service-specific credentials", "ListAccessKeys": "access keys", "GetLoginProfile": "console password",
}  # fmt: skip


@pytest.mark.parametrize("operation", sorted(LISTS))
def test_a_kind_that_cannot_be_listed_is_unknown_and_named_and_the_rest_is_contained(desk: Desk, iam: Any, operation: str) -> None:
    give(iam, "ci-deploy")
    desk.bed.rule("fail", operation=operation, mutating=False, times=100, status=403, code="AccessDenied", message="not you")
    desk.incident(desk.company.leaked.access_key)
    done = desk.contain(hold="1s")
    row = status_of(done, "user/ci-deploy")
    assert done["status"] == "partial" and (row["contained_at"], row["proof"]) == (None, "unknown") and LISTS[operation] in row["action"]
    (problem,) = done["problems"]
    assert USER in problem["object"] and LISTS[operation] in problem["message"] and "unknown" in problem["message"]
    assert f"needs iam:{operation}" in problem["remedy"] and operation in problem["operation"]
    (residual,) = done["residual"]
    assert LISTS[operation] in residual["token_kind"] and residual["until"] == "the deny is lifted"
    assert works(desk.bed, desk.company.leaked) in DEAD
    desk.bed.clear_rules()
    assert "Inactive" in statuses(iam, "ci-deploy").values()  # the other kinds were gone on with
    (path,) = desk.store.list("evidence/principals")
    kept = json.loads(desk.store.get(path))["credentials"]
    assert [name for name, value in kept.items() if isinstance(value, dict) and "unknown" in value] != []


def test_aws_credential_goes_on_with_the_other_kinds(desk: Desk, iam: Any) -> None:
    held = give(iam, "ci-deploy")
    desk.bed.rule("fail", operation="ListAccessKeys", mutating=False, times=100, status=403, code="AccessDenied", message="not you")
    desk.incident(desk.company.leaked.access_key)
    done = desk.run("aws_credential", principals=[USER])
    assert done["status"] == "partial" and "access keys" in done["problems"][0]["message"]
    assert {statuses(iam, "ci-deploy")[i] for i in held.values()} == {"Inactive"}


# -- single verb --------------------------------------------------------------------------------------------------------


def test_aws_credential_on_every_kind(desk: Desk, iam: Any) -> None:
    held = give(iam, "bob")
    desk.incident(desk.company.leaked.access_key)
    one = desk.run("aws_credential", principals=[f"{P}:user/bob"], ids=[held["ssh"]])
    assert one["changed_count"] == 1 and statuses(iam, "bob") == {
        held["ssh"]: "Inactive",
        held["service"]: "Active",
        held["certificate"]: "Active",
    }
    assert desk.run("aws_credential", principals=[f"{P}:user/bob"])["changed_count"] == 3  # and the access key
    assert set(statuses(iam, "bob").values()) == {"Inactive"}
    assert desk.run("aws_credential", principals=[f"{P}:user/bob"], state="enabled")["changed_count"] == 4
    assert set(statuses(iam, "bob").values()) == {"Active"}
    desk.run("aws_credential", principals=[f"{P}:user/bob"], state="absent")
    assert statuses(iam, "bob") == {}


def test_an_mfa_device_outside_the_window_goes_when_it_is_named_and_does_not_come_back(desk: Desk, iam: Any) -> None:
    serial = enrol(iam, "bob", "bobs")
    desk.incident(desk.company.leaked.access_key, window={"start": utc(-7200), "end": utc(-3600)})
    assert desk.run("aws_credential", principals=[f"{P}:user/bob"], kinds=["mfa_device"])["changed_count"] == 0
    assert desk.run("aws_credential", principals=[f"{P}:user/bob"], kinds=["mfa_device"], ids=[serial])["changed_count"] == 1
    assert statuses(iam, "bob") == {}
    back = desk.run("aws_credential", principals=[f"{P}:user/bob"], kinds=["mfa_device"], ids=[serial], state="enabled")
    assert "cannot be given back" in back["problems"][0]["message"]


# -- what the attacker made ---------------------------------------------------------------------------------------------


def test_what_the_key_gave_to_an_innocent_user_is_cut_and_stays_off_and_their_own_goes_on(desk: Desk, iam: Any) -> None:
    own = give(iam, "bob")
    owners = enrol(iam, "bob", "bobs")
    attacker = desk.bed.client("iam", desk.company.leaked)
    theirs = give(attacker, "bob")
    serial = enrol(attacker, "bob", "theirs")
    attacker.create_login_profile(UserName="bob", Password="Correct-Horse-9")
    desk.incident(desk.company.leaked.access_key, password="keep")
    done = desk.contain(scope=20, hold="1s")
    row = status_of(done, "user/bob")
    assert all(i in row["action"] for i in (*theirs.values(), serial, "password")) and done["problems"] == [], row
    now = statuses(iam, "bob")
    assert {now[i] for i in own.values()} == {"Active"} and {now[i] for i in theirs.values()} == {"Inactive"}
    assert owners in now and serial not in now
    assert works(desk.bed, desk.company.production.keys["bob"]) == "ok"
    with pytest.raises(iam.exceptions.NoSuchEntityException):  # no deny holds bob's password: `keep` is about the suspect's own
        iam.get_login_profile(UserName="bob")
    unchanged(desk, scope=20, hold="1s")
    rows = {r["object"]: r["kind"] for r in desk.restore()["open"]}
    now = statuses(iam, "bob")
    assert {now[i] for i in theirs.values()} == {"Inactive"} and {now[i] for i in own.values()} == {"Active"}
    assert {rows[name] for name in rows if any(i in name for i in theirs.values())} == {"kept"}


def test_what_the_suspect_gave_to_itself_stays_off_after_release(desk: Desk, iam: Any) -> None:
    own = give(iam, "ci-deploy")
    theirs = desk.bed.client("iam", desk.company.leaked).upload_ssh_public_key(UserName="ci-deploy", SSHPublicKeyBody=_SSH)["SSHPublicKey"]
    desk.incident(desk.company.leaked.access_key)
    desk.contain(scope=20, hold="1s")
    desk.restore()
    now = statuses(iam, "ci-deploy")
    assert now[theirs["SSHPublicKeyId"]] == "Inactive" and {now[i] for i in own.values()} == {"Active"}


def test_a_reset_of_somebodys_credential_is_cut_too(desk: Desk, iam: Any) -> None:
    own = give(iam, "bob")
    attacker = desk.bed.client("iam", desk.company.leaked)
    attacker.reset_service_specific_credential(UserName="bob", ServiceSpecificCredentialId=own["service"])
    desk.incident(desk.company.leaked.access_key)
    desk.contain(scope=20, hold="1s")
    now = statuses(iam, "bob")
    assert now == {own["service"]: "Inactive", own["ssh"]: "Active", own["certificate"]: "Active"}


# -- API keys and phantom users -----------------------------------------------------------------------------------------


def phantom(iam: Any) -> tuple[str, str, str]:
    """A phantom user with a Bedrock API key: its name, the credential's id, its public half."""
    iam.create_user(UserName="BedrockAPIKey-ab12")
    made = iam.create_service_specific_credential(UserName="BedrockAPIKey-ab12", ServiceName="bedrock.amazonaws.com", CredentialAgeDays=30)
    kept = made["ServiceSpecificCredential"]
    return "BedrockAPIKey-ab12", kept["ServiceSpecificCredentialId"], kept["ServiceCredentialAlias"]


@pytest.mark.parametrize("given", ["id", "half", "name", "log line"])
def test_a_leaked_bedrock_api_key_leads_to_its_phantom_user(desk: Desk, iam: Any, given: str) -> None:
    name, identity, half = phantom(iam)
    account = desk.company.production.id
    suspect = {
        "id": {"credential_id": identity, "account": account}, "half": {"credential_id": half}, "name": {"user": name, "account": account},
        "log line": {"text": f"POST /model/x/invoke key {half} 200"},
    }[given]  # fmt: skip
    desk.incident(suspect)
    done = desk.contain()
    row = status_of(done, f"user/{name}")
    assert "phantom user" in row["reason"] and "Bedrock" in row["reason"] and done["problems"] == []
    assert statuses(iam, name) == {identity: "Inactive"} and "evict-quarantine-IR-1" in desk.bed.snapshot()
    assert any("bedrock.amazonaws.com, expires 20" in s["resource"] for s in done["steps"])
    (note,) = desk.ledger().notes["principal"]
    assert "phantom user" in note["data"]["suspect"]
    unchanged(desk)
    desk.restore()
    assert statuses(iam, name) == {identity: "Active" if given == "name" else "Inactive"}


def test_a_second_credential_and_a_user_of_flesh_and_blood(desk: Desk, iam: Any) -> None:
    """jane+1-at-ACCOUNT is jane's second one: only this is compromised."""
    made = [iam.create_service_specific_credential(UserName="alice", ServiceName="codecommit.amazonaws.com") for _ in range(2)]
    first, second = (m["ServiceSpecificCredential"]["ServiceSpecificCredentialId"] for m in made)
    desk.incident({"credential_id": f"alice+1-at-{desk.company.production.id}"})
    done = desk.contain()
    assert status_of(done, "user/alice")["reason"] == "" and set(statuses(iam, "alice").values()) == {"Inactive"}
    desk.restore()
    assert statuses(iam, "alice") == {first: "Active", second: "Inactive"}
    assert works(desk.bed, desk.company.production.keys["alice"]) == "ok"


def test_a_credential_that_nobody_holds_says_what_to_pass(desk: Desk) -> None:
    desk.incident({"credential_id": "ACCAEXAMPLE123EXAMPLE", "account": desk.company.production.id})
    (problem,) = desk.contain()["problems"]
    assert problem["object"] == "ACCAEXAMPLE123EXAMPLE" and "name the user" in problem["remedy"]


def test_the_user_is_contained_although_its_credentials_cannot_be_listed(desk: Desk, iam: Any) -> None:
    name, _identity, half = phantom(iam)
    desk.bed.rule(
        "fail", operation="ListServiceSpecificCredentials", mutating=False, times=100, status=403, code="AccessDenied", message="not you"
    )
    desk.incident({"credential_id": half})
    done = desk.contain()
    assert done["status"] == "partial" and "evict-quarantine-IR-1" in desk.bed.snapshot() and name in done["problems"][0]["object"]


def test_a_pasted_api_key_is_refused_and_its_public_half_is_what_to_pass(desk: Desk) -> None:
    secret = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFy+/="
    key = "ABSK" + base64.b64encode(f"BedrockAPIKey-ab12-at-222222222222:{secret}".encode()).decode()
    said = desk.run("case", suspect=key, directory=str(desk.folder), allow_local_store=True)
    assert said["failed"] and "BedrockAPIKey-ab12-at-222222222222" in said["msg"]
    assert key not in json.dumps(said) and secret not in json.dumps(said) and desk.leaks(secret, key) == []


# -- what is reported ---------------------------------------------------------------------------------------------------


def test_server_certificates_are_reported_once_and_never_changed(desk: Desk, iam: Any) -> None:
    iam.upload_server_certificate(ServerCertificateName="shop", CertificateBody=_PEM, PrivateKey="x")
    desk.incident(desk.company.leaked.access_key)
    done = desk.contain()
    assert any("server-certificate/shop" in str(w) and "not changed" in str(w) for w in done["warnings"]), done.get("warnings")
    (path,) = desk.store.list("evidence/accounts")
    assert json.loads(desk.store.get(path))["server_certificates"][0]["arn"].endswith("server-certificate/shop")
    assert len(iam.list_server_certificates()["ServerCertificateMetadataList"]) == 1
    unchanged(desk)
    assert [c["operation"] for c in desk.bed.calls()].count("ListServerCertificates") == 1


def test_the_info_module_lists_every_kind(desk: Desk, iam: Any) -> None:
    held, serial = give(iam, "ci-deploy", "bedrock.amazonaws.com", CredentialAgeDays=7), enrol(iam, "ci-deploy", "mine")
    (row,) = desk.run("aws_principal_info", suspects=[USER], role_arn=desk.company.role_template)["principals"]
    found = {c["id"]: c for kind in row["credentials"].values() for c in kind}
    assert {*held.values(), serial, "password", desk.company.leaked.access_key} <= set(found) and row["server_certificates"] == []
    assert all(c["status"] and c["created"] for c in found.values())
    assert found[held["service"]]["service"] == "bedrock.amazonaws.com" and found[held["service"]]["expires"] > utc()


def test_all_pages_of_service_specific_credentials_are_read(desk: Desk, iam: Any) -> None:
    """botocore does not know that this operation has pages."""
    services = ("codecommit", "cassandra", "bedrock", "logs")
    made = [
        iam.create_service_specific_credential(UserName="ci-deploy", ServiceName=f"{s}.amazonaws.com") for s in services for _ in range(2)
    ]
    desk.bed.cloud("config", {"page": 3})
    desk.incident(desk.company.leaked.access_key)
    assert desk.contain()["problems"] == []
    desk.bed.cloud("config", {"page": 100})
    assert set(statuses(iam, "ci-deploy").values()) == {"Inactive"} and len(statuses(iam, "ci-deploy")) == len(made) == 8


# -- what it costs ------------------------------------------------------------------------------------------------------


def test_calls_per_user(desk: Desk, iam: Any) -> None:
    """The figures of docs/proof.md: keys, password and sessions alone, and with all kinds. What is asked once of an account, however many users, counts apart."""
    figures, beside = {}, []
    for name, kinds in (("some", {"kinds": ["access_key", "login_profile"]}), ("all", {})):
        users = [f"{name}{number}" for number in range(10)]
        held = []
        for user in users:
            iam.create_user(UserName=user)
            iam.put_user_policy(
                UserName=user, PolicyName="work", PolicyDocument=document({"Effect": "Allow", "Action": "sqs:*", "Resource": "*"})
            )
            held.append(Credentials.of(iam.create_access_key(UserName=user)["AccessKey"]))
            iam.create_access_key(UserName=user)
            iam.create_login_profile(UserName=user, Password="Correct-Horse-9")
        case = Desk(desk.bed, desk.company, desk.folder, f"IR-{name}")
        case.incident(*(key.access_key for key in held))
        figures[name] = []
        for _run in range(2):
            before = len(desk.bed.calls())
            total = case.contain(**kinds)["calls"]
            counts = Counter(call["operation"] for call in desk.bed.calls()[before:])
            assert sum(counts.values()) == total
            of_users = sum(number for number in counts.values() if number >= len(users))
            figures[name].append(of_users / len(users))
            beside.append(total - of_users)
    assert figures["some"][0] <= 18 and figures["some"][1] <= 7, figures
    assert figures["all"][0] <= 22 and figures["all"][1] <= 11, figures  # a listing more for each of four kinds
    assert max(beside) <= 16, beside
