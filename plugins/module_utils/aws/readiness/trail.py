# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Can the logs be asked, and does a trail of all regions run?"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.errors import EvictError
from ...common.plan import Call
from .kind import Look, Row, missing, ok, unknown

NAME = "trail"
QUESTION = "Does CloudTrail answer, and does a trail of all regions run?"
READS = ("cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus", "cloudtrail:LookupEvents")
EACH = True
LOSS = "follow what the suspects did (quick scope), or show it later"


def check(look: Look) -> Iterator[Row]:
    try:
        look.ask(Call(look.target, "cloudtrail", "LookupEvents", {"MaxResults": 1}))
    except EvictError as error:
        yield unknown(error, "follow what the suspects did (quick scope)", "event history")
    everywhere = trails(look)
    if not everywhere:
        yield missing(
            "no trail covers all regions", "create one for the organization, with a bucket in an account of its own", object="trail"
        )
        return
    rows: list[Row] = []
    for trail in everywhere:
        row = _running(look, trail)
        if row.state == "ok":
            yield row
            return
        rows.append(row)
    yield from rows


def trails(look: Look) -> list[dict[str, t.Any]]:
    """The trails of all regions that log this account, the organization's too."""
    found = look.ask(Call(look.target, "cloudtrail", "DescribeTrails", {"includeShadowTrails": True})).get("trailList", [])
    return [trail for trail in found if trail.get("IsMultiRegionTrail")]


def _running(look: Look, trail: dict[str, t.Any]) -> Row:
    name = str(trail.get("TrailARN") or trail.get("Name"))
    try:
        status = look.ask(Call(look.target, "cloudtrail", "GetTrailStatus", {"Name": name}))
    except EvictError as error:
        return unknown(error, object=name)
    if not status.get("IsLogging"):
        return missing(f"the trail {name} is stopped", f"aws cloudtrail start-logging --name {name}", object=name)
    if trouble := str(status.get("LatestDeliveryError") or ""):
        return missing(f"the trail {name} cannot deliver: {trouble}", "repair its bucket's policy", object=name)
    return ok(object=name)
