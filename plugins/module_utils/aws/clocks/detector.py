# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GuardDuty detectors that a suspect suspended or deleted (T1562.001). Each region has its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.errors import CloudError
from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from .kind import Clock, Started, named, newest, stop, unread

KIND = "detector"
NOUN = "GuardDuty detectors"
EARLY = True
EVENTS = named("guardduty", "UpdateDetector", "DeleteDetector")
LISTED: tuple[str, ...] = ()
READS: tuple[str, ...] = ("guardduty:GetDetector",)
_GONE = ("BadRequestException", "ResourceNotFoundException")  # GuardDuty says the first of an id that it does not know


def _get(target: Target, name: str) -> Call:
    return Call(target, "guardduty", "GetDetector", {"DetectorId": name})


def found(target: Target, started: Iterable[Started], reader: Reader) -> Iterator[Clock]:
    """``since``: it found nothing from then on."""
    mine = [one for one in started if one.principal]
    for name, one in newest(mine, lambda s: s.asked("detectorId"), "UpdateDetector").items():
        text, what = f"GuardDuty detector {name} in {target.region}", f"changed by {one.by}"
        try:
            status = reader.get(_get(target, name)).get("Status")
        except CloudError as error:
            if error.code not in _GONE:
                yield unread(target, name, one, text, what, error)
            continue
        since = {"since": one.at}
        if status == "DISABLED":
            yield Clock(target, name, one.principal, text, f"suspended by {one.by}", remedy="enable it by hand", data=since)
        elif one.asked("enable").lower() == "false":
            why = "enabled; what happened meanwhile was not looked at. Compare its features with what they should be"
            yield Clock(target, name, one.principal, text, f"suspended by {one.by}", state="stopped", why=why, data=since)
        elif off := _off(one):
            why = "what of it was on before, the call does not say: switch it on by hand, or by the delegated administrator"
            yield Clock(target, f"{name}/features", one.principal, text, f"{what} at {one.at}: {off} off", why=why)
    for name, one in newest(mine, lambda s: s.asked("detectorId"), "DeleteDetector").items():
        text = f"GuardDuty detector {name} in {target.region}"
        why = "a new one knows nothing of its findings and features: create it, or have the delegated administrator do it"
        yield Clock(target, f"{name}/deleted", one.principal, text, f"deleted by {one.by} at {one.at}", why=why, data={"since": one.at})


def _off(one: Started) -> str:
    request = one.event.get("requestParameters") or {}
    features = next((v for k, v in request.items() if k.lower() == "features"), None) or []
    off = [str(f.get("name")) for f in features if str(f.get("status")).upper() == "DISABLED"] if isinstance(features, list) else []
    return ", ".join([*off, *(["its data sources"] if any(k.lower() == "datasources" for k in request) else [])])


def steps(clock: Clock) -> Iterator[Step]:
    """Enabled; its features are what they were."""
    probe = Probe(_get(clock.target, clock.id), ("Status",))
    do = Call(clock.target, "guardduty", "UpdateDetector", {"DetectorId": clock.id, "Enable": True})
    yield stop(
        clock, KIND, [do], probe, "DISABLED", "ENABLED", "enable", irreversible="it is not suspended again: who wants that does it by hand"
    )
