# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudTrail's event history: LookupEvents, per region, at the two requests a second that AWS allows.

Source: 90 days of management events; an event shows up minutes after the call.
"""

from __future__ import annotations

import concurrent.futures
import json
import time
import typing as t
from collections.abc import Iterator

from ..common.errors import EvictError
from ..common.plan import Call, Target
from .session import Aws

READS = ("ec2:DescribeRegions", "cloudtrail:LookupEvents")
Event = dict[str, t.Any]


def regions(aws: Aws, account: str) -> list[str]:
    """The regions that are enabled in ``account``."""
    answer = aws.call(Call(Target("aws", account), "ec2", "DescribeRegions", {}))
    return sorted(r["RegionName"] for r in answer["Regions"])


def lookup(
    aws: Aws, target: Target, attribute: str, value: str, start: str = "", deadline: float = float("inf"), most: int = 0, end: str = ""
) -> Iterator[Event]:
    """CloudTrail records (newest first) whose ``attribute`` (AccessKeyId, Username, EventName, ResourceName) is ``value``.

    ``start``, ``end``: RFC 3339. ``deadline``: time.monotonic() after which no further page is asked for; ``most``: records at most (0: all). What is
    cut short by either raises ``EvictError`` after the last record, since the rest is not known.
    """
    parameters: dict[str, t.Any] = {"LookupAttributes": [{"AttributeKey": attribute, "AttributeValue": value}], "MaxResults": 50}
    if start:
        parameters["StartTime"] = start
    if end:
        parameters["EndTime"] = end
    seen = 0
    while time.monotonic() < deadline and (not most or seen < most):
        answer = aws.call(Call(target, "cloudtrail", "LookupEvents", parameters))
        for event in answer.get("Events", []):
            yield json.loads(event["CloudTrailEvent"])
            seen += 1
        if not answer.get("NextToken"):
            return
        parameters = {**parameters, "NextToken": answer["NextToken"]}
    raise EvictError(f"only the newest {seen} events of {value} were read", object=value, operation="cloudtrail:LookupEvents")


def everywhere(
    aws: Aws, account: str, attribute: str, value: str, *, seconds: float, start: str = "", most: int = 0, end: str = ""
) -> tuple[list[Event], list[str]]:
    """Records from every enabled region side by side, oldest first, and what could not be read ("us-east-1: AccessDenied")."""
    deadline = time.monotonic() + seconds
    gaps: list[str] = []

    def one(region: str) -> list[Event]:
        found: list[Event] = []
        try:
            found.extend(lookup(aws, Target("aws", account, region), attribute, value, start, deadline, most, end))
        except EvictError as error:
            gaps.append(f"{region}: {error.message}")
        return found

    names = regions(aws, account)
    with concurrent.futures.ThreadPoolExecutor(len(names) or 1) as pool:
        found = [event for events in pool.map(one, names) for event in events]
    return sorted(found, key=lambda e: str(e.get("eventTime"))), sorted(gaps)
