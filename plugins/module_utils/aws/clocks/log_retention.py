# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudWatch log groups whose retention a suspect set (T1070): a short one deletes what is older, within a day or three. Without one nothing is deleted.

Log groups and VPC flow logs that a suspect deleted are named: what they were, the log does not say.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Iterator

from ...common.errors import CloudError
from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from ..session import iso, parse
from .kind import Clock, Started, named, newest, stop, unread

KIND = "log_retention"
NOUN = "log groups and flow logs"
EARLY = True
EVENTS = named("logs", "PutRetentionPolicy", "DeleteLogGroup") | named("ec2", "DeleteFlowLogs")
LISTED: tuple[str, ...] = ()
READS: tuple[str, ...] = ("logs:DescribeLogGroups",)


def _group(one: Started) -> str:
    return one.asked("logGroupName")


def _probe(target: Target, name: str) -> Probe:
    return Probe(
        Call(target, "logs", "DescribeLogGroups", {"logGroupNamePrefix": name}), ("logGroups", {"logGroupName": name}, "retentionInDays")
    )


def found(target: Target, started: Iterable[Started], reader: Reader) -> Iterator[Clock]:
    """Retention that is still what the suspect set; groups that are gone."""
    mine = [one for one in started if one.principal]
    for name, one in newest(mine, _group, "PutRetentionPolicy").items():
        days = one.asked("retentionInDays")
        text, what = f"log group {name} in {target.region}", f"retention of {days} day(s), set by {one.by}"
        try:
            now = reader.read(_probe(target, name))
        except CloudError as error:
            yield unread(target, name, one, text, what, error)
            continue
        if str(now) == days:
            due = iso(parse(one.at) + datetime.timedelta(days=1))
            yield Clock(
                target,
                name,
                one.principal,
                text,
                what,
                due,
                remedy=f"set the retention it should have by hand before {due}",
                at=one.at,
                data={"days": int(days)},
            )
        elif now is None:
            yield Clock(
                target,
                name,
                one.principal,
                text,
                what,
                state="stopped",
                why="nothing of it runs out; set the retention that it should have",
            )
    for name, one in newest(mine, _group, "DeleteLogGroup").items():
        text = f"log group {name} in {target.region}"
        yield Clock(
            target,
            f"{name}/deleted",
            one.principal,
            text,
            f"deleted by {one.by} at {one.at}",
            state="failed",
            why="its logs are lost, unless exported",
        )

    for name, one in newest(mine, lambda s: ", ".join(_flow_logs(s)), "DeleteFlowLogs").items():
        what = f"deleted by {one.by} at {one.at}"
        why = "the log does not say what they recorded: create them anew for the networks that should have some"
        yield Clock(
            target,
            f"{name}/deleted",
            one.principal,
            f"flow logs {name} in {target.region}",
            what,
            state="failed",
            why=why,
            data={"since": one.at},
        )


def _flow_logs(one: Started) -> list[str]:
    """The ids in the request, however CloudTrail nests them."""
    return sorted(set(re.findall(r"\bfl-[0-9a-f]+", json.dumps(one.event.get("requestParameters"), default=str))))


def steps(clock: Clock) -> Iterator[Step]:
    """No retention, so that nothing is deleted."""
    name = {"logGroupName": clock.id}
    do = Call(clock.target, "logs", "DeleteRetentionPolicy", name)
    back = Call(clock.target, "logs", "PutRetentionPolicy", {**name, "retentionInDays": clock.data["days"]})
    yield stop(clock, KIND, [do], _probe(clock.target, clock.id), clock.data["days"], None, "keep everything", undo=[back])
