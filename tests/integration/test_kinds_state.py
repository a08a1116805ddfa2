"""SSH public keys, signing and server certificates and MFA devices on moto's server: requests are understood, state changes and comes back.

moto shows no access: that an inactive credential is refused nobody here can show. Service-specific credentials moto does not have at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.helpers import call_module, environment, utc

boto3 = pytest.importorskip("boto3")
moto_server = pytest.importorskip("moto.server")

ACCOUNT = "123456789012"  # moto's
USER = f"arn:aws:iam::{ACCOUNT}:user/ci"
KINDS = ["access_key", "login_profile", "mfa_device", "signing_certificate", "ssh_public_key"]  # less what moto does not have
_SSH = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ example"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Moto:
    """An account on moto, and modules run against it."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        nothing = folder / "nothing"
        nothing.write_text("")
        self.environ = {
            "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x" * 20, "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": str(nothing), "AWS_SHARED_CREDENTIALS_FILE": str(nothing), "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(folder), "PATH": "",
        }  # fmt: skip
        self.folder, self.file = folder, folder / "incident.yml"
        keys = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "x" * 20}
        self.iam = boto3.client("iam", endpoint_url=endpoint, region_name="us-east-1", **keys)
        self.iam.create_user(UserName="ci")
        self.write()

    def write(self, **more: Any) -> None:
        raw = {"id": "IR-1", "opened": utc(), "store": str(self.folder / "cases"), "suspects": [{"cloud": "aws", "arn": USER}], **more}
        self.file.write_text(json.dumps({"incident": raw}))

    def run(self, module: str, check: bool = False, **params: Any) -> dict[str, Any]:
        with environment(self.environ):
            return call_module(module, {"incident": str(self.file), **params}, check)

    def ssh(self) -> dict[str, str]:
        return {k["SSHPublicKeyId"]: k["Status"] for k in self.iam.list_ssh_public_keys(UserName="ci")["SSHPublicKeys"]}

    def certificates(self) -> dict[str, str]:
        return {c["CertificateId"]: c["Status"] for c in self.iam.list_signing_certificates(UserName="ci")["Certificates"]}

    def devices(self) -> set[str]:
        return {d["SerialNumber"] for d in self.iam.list_mfa_devices(UserName="ci")["MFADevices"]}


@pytest.fixture
def moto(endpoint: str, tmp_path: Path) -> Iterator[Moto]:
    import urllib.request

    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")).close()
    yield Moto(endpoint, tmp_path)


def certificate() -> str:
    """A self-signed certificate: moto parses what is uploaded."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name, now = ec.generate_private_key(ec.SECP256R1()), x509.Name([]), datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def enrol(moto: Moto, name: str) -> str:
    serial = moto.iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]["SerialNumber"]
    moto.iam.enable_mfa_device(UserName="ci", SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321")
    return str(serial)


@pytest.fixture
def full(moto: Moto) -> Moto:
    moto.iam.upload_ssh_public_key(UserName="ci", SSHPublicKeyBody=_SSH)
    moto.iam.upload_signing_certificate(UserName="ci", CertificateBody=certificate())
    return moto


def test_contain_switches_ssh_keys_and_certificates_off_and_a_false_positive_switches_them_on(full: Moto) -> None:
    assert {*full.ssh().values(), *full.certificates().values()} == {"Active"}
    planned = full.run("aws_contain", check=True, hold="0", scope=0, account_fence="none", kinds=KINDS)
    assert {*full.ssh().values(), *full.certificates().values()} == {"Active"}
    done = full.run("aws_contain", hold="0", scope=0, account_fence="none", kinds=KINDS)
    assert done["problems"] == [] and planned["changed_count"] == done["changed_count"] == 4, done["msg"]
    assert {*full.ssh().values(), *full.certificates().values()} == {"Inactive"}
    assert full.run("aws_contain", hold="0", scope=0, account_fence="none", kinds=KINDS)["changed_count"] == 0
    undone = full.run("aws_restore", only=[USER], verdict="false_positive", reason="a test", by="Ada")
    assert undone["status"] == "ok" and {*full.ssh().values(), *full.certificates().values()} == {"Active"}


def test_aws_credential_deletes_them(full: Moto) -> None:
    full.write(suspects=[{"cloud": "aws", "access_key_id": "AKIAI44QH8DHBEXAMPLE"}])
    done = full.run("aws_credential", principals=[USER], kinds=["ssh_public_key", "signing_certificate"], state="absent")
    assert done["changed_count"] == 2 and full.ssh() == full.certificates() == {}


def test_a_device_enrolled_in_the_window_goes_and_an_older_one_stays(moto: Moto) -> None:
    device = enrol(moto, "theirs")
    moto.write(window={"start": utc(-7200), "end": utc(-3600)})
    moto.run("aws_credential", principals=[USER], kinds=["mfa_device"])
    assert moto.devices() == {device}
    moto.folder = moto.folder / "second"
    moto.write(id="IR-2")
    done = moto.run("aws_credential", principals=[USER], kinds=["mfa_device"])
    assert done["changed_count"] == 1 and moto.devices() == set()
    unassigned = moto.iam.list_virtual_mfa_devices(AssignmentStatus="Unassigned")["VirtualMFADevices"]
    assert [d["SerialNumber"] for d in unassigned] == [device]  # evidence; deleting it is eradication


def test_server_certificates_are_listed_and_left(moto: Moto) -> None:
    moto.iam.upload_server_certificate(ServerCertificateName="shop", CertificateBody=certificate(), PrivateKey="x")
    moto.write(window={"start": "2010-01-01T00:00:00Z", "end": None})  # moto says of each that it was uploaded in May 2010
    done = moto.run("aws_contain", hold="0", scope=0, kinds=["access_key"])
    assert any("server-certificate" in str(w) and "shop" in str(w) for w in done["warnings"])
    assert len(moto.iam.list_server_certificates()["ServerCertificateMetadataList"]) == 1


def test_a_kind_that_this_cloud_does_not_know_is_unknown(full: Moto) -> None:
    """moto answers ListServiceSpecificCredentials with an error of the server's side: never taken for "none"."""
    done = full.run("aws_contain", hold="0", scope=0)
    assert done["status"] == "partial" and "service-specific credentials" in done["principals"][0]["action"]
    assert {*full.ssh().values(), *full.certificates().values()} == {"Inactive"}
