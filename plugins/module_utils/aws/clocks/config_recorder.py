# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Config recorders that a suspect stopped or deleted (T1562.008)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.errors import CloudError
from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from .kind import Clock, Started, named, newest, stop, unread

KIND = "config_recorder"
NOUN = "AWS Config recorders"
EARLY = True
EVENTS = named("config", "StopConfigurationRecorder", "DeleteConfigurationRecorder", "DeleteDeliveryChannel")
LISTED: tuple[str, ...] = ()
READS: tuple[str, ...] = ("config:DescribeConfigurationRecorderStatus",)
_GONE = ("NoSuchConfigurationRecorderException",)
_LOST = {
    "DeleteConfigurationRecorder": ("configurationRecorderName", "create it anew with what it recorded"),
    "DeleteDeliveryChannel": ("deliveryChannelName", "create it anew to its bucket; the recorder needs it"),
}


def _status(target: Target, name: str) -> Call:
    return Call(target, "config", "DescribeConfigurationRecorderStatus", {"ConfigurationRecorderNames": [name]})


def found(target: Target, started: Iterable[Started], reader: Reader) -> Iterator[Clock]:
    """``since``: it recorded nothing from then on."""
    mine = [one for one in started if one.principal]
    for name, one in newest(mine, lambda s: s.asked("configurationRecorderName"), "StopConfigurationRecorder").items():
        text, what = f"AWS Config recorder {name} in {target.region}", f"stopped by {one.by}"
        try:
            seen = reader.get(_status(target, name)).get("ConfigurationRecordersStatus", [])
        except CloudError as error:
            if error.code not in _GONE:
                yield unread(target, name, one, text, what, error)
            continue
        if seen and seen[0].get("recording"):
            data = {"since": one.at, "until": str(seen[0].get("lastStartTime") or "")}
            yield Clock(
                target,
                name,
                one.principal,
                text,
                what,
                state="stopped",
                why="what changed meanwhile is recorded as it was found afterwards",
                data=data,
            )
        elif seen:
            yield Clock(
                target,
                name,
                one.principal,
                text,
                what,
                remedy="start it by hand; it needs its role and its delivery channel",
                data={"since": one.at},
            )
    for event, (parameter, how) in _LOST.items():
        for name, one in newest(mine, lambda s, p=parameter: s.asked(p), event).items():  # type: ignore[misc]
            text = f"AWS Config {'delivery channel' if 'Channel' in event else 'recorder'} {name} in {target.region}"
            yield Clock(
                target,
                f"{name}/{event}",
                one.principal,
                text,
                f"deleted by {one.by} at {one.at}",
                why=f"the log does not say how it was set up: {how}",
            )


def steps(clock: Clock) -> Iterator[Step]:
    """Started again."""
    probe = Probe(_status(clock.target, clock.id), ("ConfigurationRecordersStatus", 0, "recording"))
    do = Call(clock.target, "config", "StartConfigurationRecorder", {"ConfigurationRecorderName": clock.id})
    yield stop(clock, KIND, [do], probe, False, True, "start", irreversible="it is not stopped again: who wants that stops it by hand")
