# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""X.509 signing certificates of a user (T1098.001), which sign requests to old SOAP interfaces: Inactive and back, or deleted."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.plan import Call, Phase, Probe, Step
from ...common.reader import Reader
from .kind import ALL, Asked, switched

if t.TYPE_CHECKING:
    from ..principal import Principal

KIND = "signing_certificate"
NOUN = "signing certificates"
FRAGMENT = "certificate"
PHASE = Phase.CREDENTIAL
KEEP = ""
READS: tuple[str, ...] = ("iam:ListSigningCertificates",)


def _listing(user: Principal) -> Call:
    return Call(user.target, "iam", "ListSigningCertificates", {"UserName": user.name})


def held(user: Principal, reader: Reader) -> list[dict[str, t.Any]]:
    """[{"id", "status", "created"}] of every signing certificate."""
    found = reader.get(_listing(user)).get("Certificates", [])
    return [{"id": c["CertificateId"], "status": c["Status"], "created": c.get("UploadDate", "")} for c in found]


def steps(user: Principal, state: str, reader: Reader, asked: Asked = ALL) -> Iterator[Step]:
    """Every certificate asked for to ``state``. Deleting cannot be undone by us: its owner may upload it again."""
    for certificate in held(user, reader):
        name = {"UserName": user.name, "CertificateId": certificate["id"]}
        yield from switched(
            user, certificate, state, asked, fragment=FRAGMENT, name=f"signing certificate {certificate['id']}",
            update=lambda status, name=name: Call(user.target, "iam", "UpdateSigningCertificate", {**name, "Status": status}),  # type: ignore[misc]
            delete=Call(user.target, "iam", "DeleteSigningCertificate", name), gone="its owner has to upload it again, if it is still wanted",
            probe=Probe(_listing(user), ("Certificates", {"CertificateId": certificate["id"]}, "Status"), ("NoSuchEntity",)),
        )  # fmt: skip
