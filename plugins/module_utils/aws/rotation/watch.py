# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What speaks against leaving a leaked key alive: who uses it from where, and whether it is public."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from ...common.plan import Call
from ...common.reader import Reader
from .. import events
from ..principal import Principal
from ..session import Aws

READS = ("iam:ListAttachedUserPolicies",)
_LOOK = 20.0  # seconds for the log of the old key


def strangers(aws: Aws, account: str, key: str, since: str, networks: Collection[str], vpcs: Collection[str]) -> tuple[str, str]:
    """(from where somebody else has used ``key`` after ``since``, why that is not known)."""
    known = [ipaddress.ip_network(network) for network in networks]
    if not known and not vpcs:
        return "", "nobody said from which networks its dependents call, so a call of the attacker cannot be told from theirs"
    found, gaps = events.everywhere(aws, account, "AccessKeyId", key, seconds=_LOOK, start=since, most=500)
    strange, unknown = set(), [f"its log could not be read whole ({gap})" for gap in gaps[:1]]
    for event in found:
        if str(event.get("eventTime")) <= since:
            continue
        source = str(event.get("sourceIPAddress", ""))
        try:
            address = ipaddress.ip_address(source)
        except ValueError:
            continue  # a service on the caller's behalf
        if any(address.version == net.version and address in net for net in known):
            continue
        if vpcs and event.get("vpcEndpointId"):  # the record does not name the VPC
            unknown.append(f"it was used through {event['vpcEndpointId']}, and it is not known whose VPC that is in")
        else:
            strange.add(source)
    return ", ".join(sorted(strange)[:3]), unknown[0] if unknown else ""


def assumed(aws: Aws, account: str, key: str, before: str) -> tuple[list[str], str]:
    """(roles that ``key`` assumed before the incident's window, why that is not known)."""
    found, gaps = events.everywhere(aws, account, "AccessKeyId", key, seconds=3 * _LOOK, most=2000, end=before)
    taken = [e for e in found if e.get("eventName") == "AssumeRole" and not e.get("errorCode") and str(e.get("eventTime")) < before]
    roles = {(e.get("requestParameters") or {}).get("roleArn") for e in taken}
    return sorted(str(role) for role in roles if role), gaps[0] if gaps else ""


def public(user: Principal, reader: Reader) -> str:
    asked = Call(user.target, "iam", "ListAttachedUserPolicies", {"UserName": user.name})
    names = [str(p.get("PolicyName", "")) for p in reader.get(asked).get("AttachedPolicies", [])]
    mark = [name for name in names if name.startswith("AWSCompromisedKeyQuarantine")]
    return f"AWS found it in public ({mark[0]} is attached to its user)" if mark else ""
