# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Giving people of Identity Center, and root users, their access back: never while a session of before could wake up.

What a session of the access portal may mint, it mints again as soon as the assignments are back; so they stay away until somebody has confirmed that it was
ended. What stands above an account, and in permission sets, stays until the last role session of before has run out.
"""

from __future__ import annotations

import functools
import typing as t

from ..common import manual, plan
from ..common.chain import Job
from ..common.guard import identity
from ..common.plan import Phase, Step
from . import identity_center
from .identity_center import PROVISIONED, Instance
from .people import NOTE
from .service_control import PEOPLE, Held
from .session import iso, parse

if t.TYPE_CHECKING:
    from .release import Release

Kept = tuple[str, str, t.Optional[str]]  # noqa: UP045 - evaluated at run time
_TAKEN = ("#assignment/", "#membership/")


def mine(held: Held) -> bool:
    """Whether a statement above an account holds one of these."""
    return held.arn.endswith(PEOPLE) or held.purpose == "root"


def _noted(release: Release) -> dict[str, dict[str, t.Any]]:
    return {n["data"]["arn"]: {**n["data"], "time": n["time"]} for n in release.case.notes(NOTE)}


def _whose(release: Release, held: Held) -> dict[str, t.Any] | None:
    """The note of the person that a statement holds."""
    by_id = held.condition.get("StringEquals", {}).get(identity_center.USER_KEY)
    names = held.condition.get("StringLike", {}).get("aws:userid", [])
    names = {n.removeprefix("*:") for n in ([names] if isinstance(names, str) else names)}
    account = held.arn.split(":")[4]
    # A run that could not read Identity Center knew the name only; what a later one found out counts.
    for note in sorted(_noted(release).values(), key=lambda n: not n["id"]):
        if (by_id and note["id"] == by_id) or (names & set(note["sessions"]) and account in note["accounts"]):
            return note
    return None


def stays(release: Release, held: Held, chosen: set[str] | None) -> tuple[str, Kept | None] | None:
    """(who, why a statement above an account stays, with None for what was not asked for); None when it goes."""
    note = None if held.purpose == "root" else _whose(release, held)
    who = held.arn if held.purpose == "root" else note["arn"] if note else ""
    if not who:
        return held.arn, ("kept", "the ledger does not say whom it holds; look at it by hand", None)
    if chosen is not None and identity(who) not in chosen:
        return who, None
    if release.order.false_positive:
        return None
    if release.order.purposes:
        return who, ("kept", "nothing else holds it", None)
    item = f"manual/root/{who.split(':')[4]}" if note is None else _portal(note)
    since = manual.newest_cut(release.case.history, who, note["accounts"] if note else [who.split(":")[4]])
    if not manual.confirmed(release.case, item, since):
        return who, ("kept", f"{item} has not been confirmed, and what it is about would come back to life", None)
    due = _due(release, note) if note else None
    return (who, ("due", "lifting it earlier would revive sessions that it holds back", due)) if due else None


def kept(release: Release, step: Step) -> Kept | None:
    """Why an assignment or a membership stays away."""
    note = _noted(release).get(step.principal)
    if not note or not any(part in step.id for part in _TAKEN):
        return None
    if manual.confirmed(release.case, _portal(note), manual.newest_cut(release.case.history, note["arn"], note["accounts"])):
        return None
    why = f"{_portal(note)} has not been confirmed: with its assignments back, an open session of the access portal gets roles again"
    return "kept", why, None


def _portal(note: t.Mapping[str, t.Any]) -> str:
    return f"manual/portal-session/{note['id'] or note['name']}"


def _due(release: Release, note: t.Mapping[str, t.Any]) -> str | None:
    """When the last role session of before has run out; None when it has."""
    made = [
        (e.get("outcome") or {}).get("at") for n, e in release.case.history.items() if n.startswith(f"{note['arn']}#") and e.get("made")
    ]
    last = max(parse(at) for at in (note["time"], *filter(None, made)))
    due = last + identity_center.LONGEST
    return iso(due) if release.aws.now() < due else None


def ours(step: Step) -> bool:
    """A provisioning is not undone: it is done once more."""
    return f"#{PROVISIONED}/" in step.id


def provision(release: Release) -> None:
    """Each permission set of which a statement was taken out, now or by a run that was killed behind that, to its roles."""
    for name, entry in release.case.history.items():
        step = plan.decode(entry["step"]) if entry.get("step") else None
        if step is None or not ours(step) or not step.probe:
            continue
        permission_set = str(step.after)
        undone = release.runner.done.get(f"undo:{step.principal}#deny/{permission_set}")
        before = (release.case.history.get(f"undo:{step.principal}#deny/{permission_set}") or {}).get("made")
        if not undone and not before:
            continue
        changed = bool(undone and undone.status in ("done", "would"))
        asked = step.do[0].parameters
        where = Instance(asked["InstanceArn"], "", "", step.target.region)
        account = name.rsplit("/", 1)[-1]
        again = functools.partial(identity_center.provision, where, step.principal, permission_set, account, changed)
        job = Job(Phase.RESOURCE, again)
        release.runner.add(step.principal, "", [job])
    release.runner.wait()
