# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Auto-scaling groups that a suspect made (T1496.001): set to 0, so that they start nothing and what they run ends. One behind a load balancer is left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.errors import CloudError
from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from .kind import Clock, Started, named, newest, stop, unread

KIND = "scaling_group"
NOUN = "auto-scaling groups"
EARLY = False
EVENTS = named("autoscaling", "CreateAutoScalingGroup")
LISTED: tuple[str, ...] = ()
READS: tuple[str, ...] = ("autoscaling:DescribeAutoScalingGroups",)
_SIZES = ("MinSize", "MaxSize", "DesiredCapacity")
_NONE = dict.fromkeys(_SIZES, 0)


def _describe(target: Target, name: str) -> Call:
    return Call(target, "autoscaling", "DescribeAutoScalingGroups", {"AutoScalingGroupNames": [name]})


def found(target: Target, started: Iterable[Started], reader: Reader) -> Iterator[Clock]:
    """Groups that the suspects made and that are there."""
    for name, one in newest(
        (s for s in started if s.principal), lambda s: s.asked("autoScalingGroupName"), "CreateAutoScalingGroup"
    ).items():
        text, what = f"auto-scaling group {name} in {target.region}", f"made by {one.by} at {one.at}"
        try:
            groups = reader.get(_describe(target, name)).get("AutoScalingGroups", [])
        except CloudError as error:
            yield unread(target, name, one, text, what, error)
            continue
        for group in groups:
            sizes = {size: int(group.get(size) or 0) for size in _SIZES}
            protected = sum(bool(i.get("ProtectedFromScaleIn")) for i in group.get("Instances") or ())
            note = f"{protected} of its instances are protected from scale-in and go on" if protected else ""
            if sizes == _NONE:
                yield Clock(target, name, one.principal, text, what, state="stopped", why=note or "it is set to 0")
                continue
            serves = group.get("TargetGroupARNs") or group.get("LoadBalancerNames") or group.get("TrafficSources")
            why = "it serves a load balancer: left alone" if serves else one.doubt
            remedy = f"set it to 0 by hand{'; ' + note if note else ''}"
            yield Clock(
                target,
                name,
                one.principal,
                text,
                f"{what}, runs {sizes['DesiredCapacity']}",
                why=why,
                remedy=remedy,
                at=one.at,
                data={"sizes": sizes, "arn": group.get("AutoScalingGroupARN")},
            )


def steps(clock: Clock) -> Iterator[Step]:
    """Minimum, maximum and desired capacity 0. A release keeps it so; a verdict of false positive brings the sizes back, with new instances."""
    name, sizes = {"AutoScalingGroupName": clock.id}, clock.data["sizes"]
    probe = Probe(_describe(clock.target, clock.id), ("AutoScalingGroups", [{**name, **_NONE}], "AutoScalingGroupName"))
    do = Call(clock.target, "autoscaling", "UpdateAutoScalingGroup", {**name, **_NONE})
    back = Call(clock.target, "autoscaling", "UpdateAutoScalingGroup", {**name, **sizes})
    was = ", ".join(f"{size} {sizes[size]}" for size in _SIZES)
    yield stop(clock, KIND, [do], probe, [], [clock.id], f"set to 0 (was {was})", undo=[back])
