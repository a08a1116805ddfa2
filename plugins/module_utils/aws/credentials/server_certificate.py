# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Server certificates of an account. They identify a server to its clients and sign no request to AWS, so they are reported and never changed.

No kind of the registry: no user holds them.
"""

from __future__ import annotations

import typing as t

from ...common.plan import Call, Target
from ...common.reader import Reader

READS: tuple[str, ...] = ("iam:ListServerCertificates",)


def _listing(account: Target) -> Call:
    return Call(account, "iam", "ListServerCertificates", {})


def held(account: Target, reader: Reader) -> list[dict[str, t.Any]]:
    """[{"id", "arn", "created", "expires"}] of every server certificate that IAM keeps for the account."""
    found = reader.get(_listing(account)).get("ServerCertificateMetadataList", [])
    return [
        {"id": c["ServerCertificateId"], "arn": c["Arn"], "created": c.get("UploadDate", ""), "expires": c.get("Expiration", "")}
        for c in found
    ]
