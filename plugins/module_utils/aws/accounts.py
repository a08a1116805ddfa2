# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which accounts an incident is about: those of its suspects, and of the principals that its case knows by now."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..common.errors import EvictError
from ..common.incident import Incident
from ..common.plan import Call, Target
from .session import Aws

READS = ("sts:GetAccessKeyInfo",)


def of_key(aws: Aws, key: str) -> str:
    """The account that an access key is of, whether it still exists or not. Raises ``EvictError``."""
    return str(aws.call(Call(Target("aws", ""), "sts", "GetAccessKeyInfo", {"AccessKeyId": key}))["Account"])


def concerned(aws: Aws, incident: Incident, notes: Mapping[str, t.Any]) -> tuple[list[str], list[tuple[str, str]]]:
    """(accounts, [(suspect, why its account cannot be told)]). ``notes``: the ledger's.

    A suspect whose account nobody knows is looked for where ``contain`` looks for it, in the caller's own account; so is everything when no suspect is of AWS.
    """
    cleared = {note["data"]["suspect"] for note in notes.get("verdict", ())}
    known = [note["data"] for note in notes.get("suspect", ())]
    found = {account: None for data in known if data["suspect"] not in cleared and (account := _in(data["arn"]))}
    unknown: list[tuple[str, str]] = []
    for suspect in incident.suspects:
        if suspect.cloud != "aws":
            continue
        owners = {account for data in known if suspect.value in (data["suspect"], *data["keys"]) and (account := _in(data["arn"]))}
        try:
            if suspect.account:
                owners = {suspect.account}
            elif not owners and suspect.kind in ("access_key", "session_key"):
                owners = {of_key(aws, suspect.value)}
        except EvictError as error:
            unknown.append((suspect.value, f"its account cannot be told: {error.message}"))
            continue
        if not owners:
            unknown.append((suspect.value, "its account is not known: write it beside it in the incident file (account)"))
        found |= dict.fromkeys(owners)
    if unknown or not found:
        found[aws.caller["account"]] = None
    return sorted(found), unknown


def _in(arn: str) -> str:
    account = arn.split(":")[4] if arn.count(":") >= 5 else ""
    return account if len(account) == 12 and account.isdigit() else ""
