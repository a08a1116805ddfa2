# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ECS services that a suspect made (T1610, T1496.001): set to 0, or the scheduler starts each stopped task anew. One behind a load balancer is left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.errors import CloudError
from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from .kind import Clock, Started, named, newest, stop, unread

KIND = "container_service"
NOUN = "ECS services"
EARLY = False
EVENTS = named("ecs", "CreateService")
LISTED: tuple[str, ...] = ()
READS: tuple[str, ...] = ("ecs:DescribeServices",)
_GONE = ("ClusterNotFoundException", "ServiceNotFoundException")


def _service(one: Started) -> str:
    """cluster/name: whether named by ARN or not."""
    cluster = (one.answered("service", "clusterArn") or one.asked("cluster") or "default").rsplit("/", 1)[-1]
    name = one.answered("service", "serviceName") or one.asked("serviceName")
    return f"{cluster}/{name}" if name else ""


def _describe(target: Target, which: str) -> Call:
    cluster, _slash, name = which.partition("/")
    return Call(target, "ecs", "DescribeServices", {"cluster": cluster, "services": [name]})


def found(target: Target, started: Iterable[Started], reader: Reader) -> Iterator[Clock]:
    """Services that the suspects made and that are there."""
    for which, one in newest((s for s in started if s.principal), _service, "CreateService").items():
        text, what = f"ECS service {which} in {target.region}", f"made by {one.by} at {one.at}"
        try:
            services = reader.get(_describe(target, which)).get("services", [])
        except CloudError as error:
            if error.code not in _GONE:
                yield unread(target, which, one, text, what, error)
            continue
        for service in services:
            count = int(service.get("desiredCount") or 0)
            if service.get("status") == "INACTIVE" or (count == 0 and service.get("schedulingStrategy") != "DAEMON"):
                yield Clock(target, which, one.principal, text, what, state="stopped", why="it is set to 0")
                continue
            serves = "it serves a load balancer: left alone" if service.get("loadBalancers") else ""
            daemon = (
                "it runs on every instance of its cluster and has no number: delete it by hand"
                if service.get("schedulingStrategy") == "DAEMON"
                else ""
            )
            why = serves or one.doubt or daemon
            yield Clock(
                target,
                which,
                one.principal,
                text,
                f"{what}, runs {count}",
                why=why,
                remedy="set it to 0 by hand",
                at=one.at,
                data={"count": count, "arn": service.get("serviceArn")},
            )


def steps(clock: Clock) -> Iterator[Step]:
    """Desired count 0. A release keeps it so; a verdict of false positive brings it back."""
    cluster, _slash, name = clock.id.partition("/")
    probe = Probe(_describe(clock.target, clock.id), ("services", {"serviceName": name}, "desiredCount"))

    def ask(count: int) -> Call:
        return Call(clock.target, "ecs", "UpdateService", {"cluster": cluster, "service": name, "desiredCount": count})

    yield stop(clock, KIND, [ask(0)], probe, clock.data["count"], 0, "set to 0", undo=[ask(clock.data["count"])])
