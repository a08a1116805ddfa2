# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The X.509 signing certificate of a user: the owner's new one is uploaded."""

from __future__ import annotations

from collections.abc import Iterator

from ....common import replacements
from ....common.plan import Call, Path, Step
from ....common.reader import Reader
from .kind import Order

KIND = "signing_certificate"
NOUN = "signing certificate"
LIMIT = 2
NEW: Path = ("Certificate", "CertificateId")


def steps(order: Order, reader: Reader) -> Iterator[Step]:
    target, name = order.user.target, {"UserName": order.user.name}
    body = {**name, "CertificateBody": replacements.pem(order.entry["certificate"])}
    yield order.made(
        Call(target, "iam", "ListSigningCertificates", name),
        ("Certificates", "CertificateId"),
        NEW,
        do=Call(target, "iam", "UploadSigningCertificate", body, idempotent=False),
        undo=lambda made: Call(target, "iam", "DeleteSigningCertificate", {**name, "CertificateId": made}),
        reader=reader,
    )


def tell(_order: Order, new: str) -> str:
    return f"sign with the new certificate {new}"
