# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EC2 fleets and spot fleets that a suspect asked for (T1496.001): set to 0, so that nothing is started for them any more and what they run ends."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Iterator

from ...common.errors import CloudError
from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from .kind import Clock, Started, named, newest, stop, unread

KIND = "compute_fleet"
NOUN = "EC2 and spot fleets"
EARLY = False
EVENTS = named("ec2", "CreateFleet", "RequestSpotFleet")
LISTED: tuple[str, ...] = ()
READS: tuple[str, ...] = ("ec2:DescribeFleets", "ec2:DescribeSpotFleetRequests")
_LIVE = ("submitted", "active", "modifying")
_GONE = ("InvalidFleetId.NotFound", "InvalidFleetId.Malformed", "InvalidSpotFleetRequestId.NotFound")
_NOT_KEPT = "it is asked for once and keeps no number: only what it started is there, which is for isolation"


def _fleet(one: Started) -> str:
    """CloudTrail writes EC2's answers with or without the element around them."""
    return one.answered("fleetId") or one.answered("CreateFleetResponse", "fleetId")


def _request(one: Started) -> str:
    return one.answered("spotFleetRequestId") or one.answered("RequestSpotFleetResponse", "spotFleetRequestId")


def _describe(target: Target, name: str) -> Call:
    if name.startswith("sfr-"):
        return Call(target, "ec2", "DescribeSpotFleetRequests", {"SpotFleetRequestIds": [name]})
    return Call(target, "ec2", "DescribeFleets", {"FleetIds": [name]})


def found(target: Target, started: Iterable[Started], reader: Reader) -> Iterator[Clock]:
    """Fleets that the suspects asked for and that still ask for capacity."""
    mine = [one for one in started if one.principal]
    for name, one in {**newest(mine, _fleet, "CreateFleet"), **newest(mine, _request, "RequestSpotFleet")}.items():
        text, what = f"{'spot' if name.startswith('sfr-') else 'EC2'} fleet {name} in {target.region}", f"asked for by {one.by} at {one.at}"
        try:
            answer = reader.get(_describe(target, name))
        except CloudError as error:
            if error.code not in _GONE:
                yield unread(target, name, one, text, what, error)
            continue
        for fleet in answer.get("Fleets") or answer.get("SpotFleetRequestConfigs") or ():
            yield _state(Clock(target, name, one.principal, text, what), fleet, one)


def _state(row: Clock, fleet: dict[str, t.Any], one: Started) -> Clock:
    config = fleet.get("SpotFleetRequestConfig") or {}
    specification = fleet.get("TargetCapacitySpecification") or {}
    capacity = int(specification.get("TotalTargetCapacity") or config.get("TargetCapacity") or 0)
    state, kind = (
        str(fleet.get("FleetState") or fleet.get("SpotFleetRequestState") or ""),
        str(fleet.get("Type") or config.get("Type") or "maintain"),
    )

    def with_(**more: t.Any) -> Clock:
        return Clock(row.target, row.id, row.principal, row.text, more.pop("what", row.what), **more)

    if capacity == 0 or state not in _LIVE:
        return with_(state="stopped", why="it asks for nothing")
    serves = config.get("LoadBalancersConfig")
    why = "it serves a load balancer: left alone" if serves else one.doubt or (_NOT_KEPT if kind != "maintain" else "")
    return with_(what=f"{row.what}, asks for {capacity}", why=why, remedy="delete it by hand", at=one.at, data={"capacity": capacity})


def steps(clock: Clock) -> Iterator[Step]:
    """Target capacity 0; what it runs ends with it. A release keeps it so."""
    name, was = clock.id, clock.data["capacity"]

    def ask(capacity: int) -> Call:
        if name.startswith("sfr-"):
            return Call(clock.target, "ec2", "ModifySpotFleetRequest", {"SpotFleetRequestId": name, "TargetCapacity": capacity})
        return Call(clock.target, "ec2", "ModifyFleet", {"FleetId": name, "TargetCapacitySpecification": {"TotalTargetCapacity": capacity}})

    path: tuple[t.Any, ...] = ("SpotFleetRequestConfigs", 0, "SpotFleetRequestConfig", "TargetCapacity")
    if not name.startswith("sfr-"):
        path = ("Fleets", 0, "TargetCapacitySpecification", "TotalTargetCapacity")
    probe = Probe(_describe(clock.target, name), path)
    yield stop(clock, KIND, [ask(0)], probe, was, 0, "set to 0", undo=[ask(was)])
