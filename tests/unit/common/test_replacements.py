"""``replacements``: every problem by its path, files read once, and the canonical form is stable."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import incident, replacements
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import InvalidInput
from tests.unit.aws.test_rotation_kinds import PEM, RSA, SSC, _rsa

BASE = {"id": "IR-1", "opened": "2026-11-22T09:00:00Z", "suspects": [{"cloud": "aws", "access_key_id": "AKIAIOSFODNN7EXAMPLE"}]}
SECRET = {"secret": "ada", "region": "eu-west-1"}
LONG = "-----BEGIN CERTIFICATE-----\n" + "\n".join(["MIIB" + "A" * 60] * 3) + "\n-----END CERTIFICATE-----\n"


def read(*entries: Any, source: str = "x.yml") -> list[dict[str, Any]]:
    found = incident.validate({**BASE, "replacements": list(entries)}, source)
    assert incident.validate(found.as_dict(), "again") == found
    return found.replacements


def test_files_are_read_once_and_comments_go(tmp_path: Path) -> None:
    (tmp_path / "ada.pub").write_text(f"{RSA} ada@laptop\n")
    (tmp_path / "ada.pem").write_text(LONG.replace("MIIB", "MIIC", 1).replace("MIIC", base64.b64encode(b"\x30\x82\x01").decode(), 1))
    (tmp_path / "incident.yml").write_text("")
    key, certificate = read(
        {"user": "ada", "kind": "ssh_public_key", "public_key_file": "ada.pub"},
        {"user": "ada", "kind": "signing_certificate", "certificate_file": str(tmp_path / "ada.pem"), "replaces": ["C" * 32]},
        source=str(tmp_path / "incident.yml"),
    )
    assert key == {"user": "ada", "kind": "ssh_public_key", "public_key": RSA}
    assert certificate["certificate"].count("\n") == 2 and replacements.pem(certificate["certificate"]).count("\n") == 4
    assert read({"user": "ada", "kind": "login_profile"}) == [{"user": "ada", "kind": "login_profile"}]


@pytest.mark.parametrize(
    ("entry", "path", "said"),
    [
        ("x", "", "must be a mapping"),
        ({"user": "ada", "kind": "mfa_device"}, ".kind", "must be one of"),
        ({"kind": "login_profile"}, ".user", "is missing"),
        ({"user": "arn:aws:iam::111122223333:role/x", "kind": "login_profile"}, ".user", "neither"),
        ({"user": "ada", "kind": "login_profile", "password": "x"}, ".password", "unknown key"),
        ({"user": "ada", "kind": "login_profile", "handover": {"secret": "ada"}}, ".handover.region", "is missing"),
        ({"user": "ada", "kind": "service_specific_credential", "handover": SECRET}, ".id", "is missing"),
        ({"user": "ada", "kind": "service_specific_credential", "id": SSC}, ".handover", "is missing"),
        ({"user": "ada", "kind": "service_specific_credential", "id": SSC, "handover": SECRET, "how": "print"}, ".how", "must be one of"),
        ({"user": "ada", "kind": "ssh_public_key"}, ".public_key", "must be given"),
        ({"user": "ada", "kind": "ssh_public_key", "public_key": RSA, "public_key_file": "x"}, ".public_key", "not both"),
        ({"user": "ada", "kind": "ssh_public_key", "public_key": "ssh-ed25519 " + "A" * 68}, ".public_key", "ssh-rsa alone"),
        ({"user": "ada", "kind": "ssh_public_key", "public_key": _rsa(1024)}, ".public_key", "1024 bits"),
        ({"user": "ada", "kind": "ssh_public_key", "public_key": "ssh-rsa " + "A" * 400}, ".public_key", "not one of ssh-rsa"),
        ({"user": "ada", "kind": "ssh_public_key", "public_key": f"{RSA}\n{RSA}"}, ".public_key", "on one line"),
        ({"user": "ada", "kind": "ssh_public_key", "public_key_file": "/nowhere"}, ".public_key_file", "cannot be read"),
        ({"user": "ada", "kind": "ssh_public_key", "public_key": RSA, "replaces": ["no"]}, ".replaces[0]", "not the id"),
        ({"user": "ada", "kind": "signing_certificate", "certificate": PEM + PEM}, ".certificate", "no single certificate"),
        ({"user": "ada", "kind": "signing_certificate", "certificate": LONG.replace("MII", "AII")}, ".certificate", "X.509"),
    ],
)
def test_each_problem_by_its_path(entry: Any, path: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(entry)
    assert any(where == f"incident.replacements[0]{path}" and said in why for where, why in caught.value.problems), caught.value.problems


def test_a_private_half_is_refused_and_not_shown(tmp_path: Path) -> None:
    body = "b3BlbnNzaC1rZXktdjEA" * 4
    (tmp_path / "key").write_text(f"-----BEGIN OPENSSH {'PRIVATE'} KEY-----\n{body}\n-----END OPENSSH {'PRIVATE'} KEY-----\n")
    with pytest.raises(InvalidInput) as caught:
        read({"user": "ada", "kind": "ssh_public_key", "public_key_file": str(tmp_path / "key")})
    assert "private half" in str(caught.value.problems) and body[:20] not in str(caught.value.problems)


@pytest.mark.parametrize(
    "pair",
    [
        ({"user": "ada", "kind": "login_profile"}, {"user": "arn:aws:iam::111122223333:user/x/ada", "kind": "login_profile"}),
        ({"user": "ada", "kind": "login_profile", "handover": SECRET}, {"user": "bob", "kind": "login_profile", "handover": SECRET}),
    ],
)
def test_one_entry_for_each_credential_and_one_secret_for_each(pair: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(*pair)
    assert caught.value.problems[0][0] == "incident.replacements[1]" and "the same" in caught.value.problems[0][1]
