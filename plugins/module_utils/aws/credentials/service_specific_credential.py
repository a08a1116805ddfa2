# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service-specific credentials of a user (T1098.001): CodeCommit over HTTPS, Keyspaces, CloudWatch Logs, long-term API keys of Bedrock and of
the Claude Platform. Inactive and back, or deleted.

A console that makes such an API key makes a user to hold it: a *phantom user*. It is handled as any user, and named as what it is.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.plan import Call, Phase, Probe, Step, Target
from ...common.reader import Reader
from .kind import ALL, Asked, switched

if t.TYPE_CHECKING:
    from ..principal import Principal
    from ..session import Aws

KIND = "service_specific_credential"
NOUN = "service-specific credentials"
FRAGMENT = "service"
PHASE = Phase.CREDENTIAL
KEEP = ""
READS: tuple[str, ...] = ("iam:ListServiceSpecificCredentials",)
# Prefixes of the names that the consoles give; from AWS's documentation and other people's tools, not observed here. Anybody may name a user so.
_PHANTOMS = {"BedrockAPIKey-": "Bedrock", "AeaApiKey-": "the Claude Platform"}


def phantom(user: str) -> str:
    """What a user of that name exists for, in words; "" for any other."""
    service = next((s for prefix, s in _PHANTOMS.items() if user.startswith(prefix)), "")
    return f"phantom user, by its name: it holds an API key of {service}" if service else ""


def _listing(user: Principal) -> Call:
    return Call(user.target, "iam", "ListServiceSpecificCredentials", {"UserName": user.name})


def _entry(found: dict[str, t.Any]) -> dict[str, t.Any]:
    entry = {"id": found["ServiceSpecificCredentialId"], "status": found["Status"], "created": found.get("CreateDate", ""),
             "service": found.get("ServiceName", ""), "expires": found.get("ExpirationDate", ""),
             "alias": found.get("ServiceUserName") or found.get("ServiceCredentialAlias") or ""}  # fmt: skip
    return entry


def held(user: Principal, reader: Reader) -> list[dict[str, t.Any]]:
    """[{"id", "status" (Active, Inactive, Expired), "created", "service", "expires", "alias"}] of every service's; "alias": its public half."""
    return [_entry(found) for found in reader.get(_listing(user)).get("ServiceSpecificCredentials", [])]


def owner(aws: Aws, account: str, identity: str) -> str:
    """Name of the user who holds the credential of that id, "" when nobody does. Lists all users' credentials: the id alone names no user."""
    answer = aws.call(Call(Target("aws", account), "iam", "ListServiceSpecificCredentials", {"AllUsers": True}))
    return next(
        (str(c["UserName"]) for c in answer.get("ServiceSpecificCredentials", []) if c["ServiceSpecificCredentialId"] == identity), ""
    )


def steps(user: Principal, state: str, reader: Reader, asked: Asked = ALL) -> Iterator[Step]:
    """Every credential asked for to ``state``. Deleting cannot be undone: the password or key is gone."""
    for credential in held(user, reader):
        name = {"UserName": user.name, "ServiceSpecificCredentialId": credential["id"]}
        what = credential["service"] + (f", expires {credential['expires']}" if credential["expires"] else "")
        yield from switched(
            user, credential, state, asked, fragment=FRAGMENT, name=f"service-specific credential {credential['id']} ({what})",
            update=lambda status, name=name: Call(user.target, "iam", "UpdateServiceSpecificCredential", {**name, "Status": status}),  # type: ignore[misc]
            delete=Call(user.target, "iam", "DeleteServiceSpecificCredential", name), gone="AWS shows its secret once, when it is made",
            probe=Probe(
                _listing(user), ("ServiceSpecificCredentials", {"ServiceSpecificCredentialId": credential["id"]}, "Status"), ("NoSuchEntity",)
            ),
        )  # fmt: skip
