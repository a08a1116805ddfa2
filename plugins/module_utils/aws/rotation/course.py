# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rotation: what is known of it from the ledger and from what is there, and how Steps are carried out for it.

Nothing remembers where it was but these two: each stage looks whether it is done.
"""

from __future__ import annotations

import datetime
import typing as t
from collections.abc import Callable, Collection, Iterable

from ...common import credential_text, plan
from ...common.chain import Job
from ...common.errors import EvictError
from ...common.plan import Call, Phase, Secret, Step
from ...common.reader import Reader
from ...common.run import STANDS
from .. import targets
from ..credentials import access_key
from ..principal import Principal
from ..session import iso, parse
from .options import DEADLINES, Options

if t.TYPE_CHECKING:
    from .verb import Rotation

READS = ("iam:GetAccessKeyLastUsed",)
SETTLES = datetime.timedelta(seconds=10)  # until a policy that was just written holds everywhere


class Stop(Exception):
    """The rotation goes no further in this run; what is open has been said."""


class Course:
    """``shown``: {place id: its state, as seen last}; ``open``: what it waits for."""

    def __init__(
        self, run: Rotation, user: Principal, old: str, also: set[str], places: list[targets.Place], options: Options, alone: bool = True
    ) -> None:
        self.run_of, self.user, self.old, self.also, self.places, self.options = run, user, old, also, places, options
        self.runner, self.aws, self.case = run.runner, run.aws, run.case
        self.mint = f"{user.arn}#rotation/{old}"
        self.open: list[dict[str, t.Any]] = []
        self.mode, self.alone = options.mode, alone  # alone: no other user is rotated, so that a half is this one's
        self.states: dict[str, str] = {}
        self.shown: dict[str, str] = {}
        self.remembered: dict[str, str] = {}  # secrets of old keys, for the way back of what keeps no versions: never written anywhere
        self.freed = ""  # id of the key whose slot is taken
        self.held_back = False  # the old key could read a place, but for its end or the bridge
        self.roles: list[str] = []  # that the old key assumed before the incident

    @property
    def reader(self) -> Reader:
        """A fresh one: each stage looks anew."""
        return Reader(self.runner.clouds)

    def keys(self) -> dict[str, str]:
        """{id: status} of the user's access keys."""
        return {str(key["id"]): str(key["status"]) for key in access_key.held(self.user, self.reader)}

    @property
    def new(self) -> str:
        answer = self.runner.answers.get(self.mint)
        return str(plan.dig(answer, ("AccessKey", "AccessKeyId")) or "") if answer is not None else ""

    @property
    def compromised(self) -> set[str]:
        """Never the key that this rotation made."""
        return {self.old, *self.also} - {self.new}

    @property
    def cut(self) -> bool:
        """Whether the old key is off, or is to be before anything else."""
        return self.mode == "emergency" or bool(self.reached("OLD_DISABLED"))

    @property
    def forced(self) -> bool:
        """Whether the old key goes off, or went, without waiting for its dependents."""
        return self.mode == "emergency" or any(n["state"] == "OLD_DISABLED" and n.get("mode") == "emergency" for n in self.notes())

    @property
    def fall(self) -> str:
        """What is said when the old key goes off before its dependents were moved: which of them fall."""
        fallen = ", ".join(p.text for p in self.places if self.shown.get(p.id) != "new") or "no dependent"
        return f"it is switched off now; {fallen} may fail until moved"

    def notes(self) -> list[dict[str, t.Any]]:
        return [
            n["data"] for n in self.case.notes("rotation") if (n["data"].get("user"), n["data"].get("old")) == (self.user.arn, self.old)
        ]

    def reached(self, state: str) -> str:
        """When the state was reached first; "" if it was not."""
        return next((str(n["at"]) for n in self.notes() if n["state"] == state), "")

    def reach(self, state: str, again: bool = False, **more: t.Any) -> None:
        """Noted once; with ``again`` each time."""
        first = "" if again else self.reached(state)
        self.states[state] = first or iso(self.aws.now())
        if not self.runner.check and not first:
            self.note({"state": state, "at": self.states[state], "mode": self.mode, **more})

    def note(self, data: dict[str, t.Any]) -> None:
        self.case.note("rotation", {"user": self.user.arn, "old": self.old, **data})
        self.case.ledger.flush()

    def wait_for(self, what: str, due: str | None = None) -> t.NoReturn:
        self.open.append({"object": f"{self.user.arn} access key {self.old}", "why": what, "due": due})
        raise Stop

    def refuse(self, why: str, remedy: str, waits: str) -> t.NoReturn:
        self.runner.fail(EvictError(why, object=self.user.arn, operation="rotate", remedy=remedy))
        self.wait_for(waits)

    def change(self) -> targets.Change:
        return targets.Change(self.user.arn, self.old, self.new or "(the new key)", Secret(self.mint, ("AccessKey", "SecretAccessKey")))

    def is_made(self, step_id: str) -> bool:
        """Whether the ledger says that a Step was carried out, and not taken back since."""
        made, undone = (self.case.history.get(i) or {} for i in (step_id, f"undo:{step_id}"))
        if not made.get("made"):
            return False
        return not undone.get("made") or bool(made["places"]["made"] > undone["places"]["made"])

    def state_of(self, place: targets.Place) -> str:
        """As ``targets.state``; a half that this rotation wrote is ``new``."""
        found = targets.state(targets.KINDS[place.kind], place, self.compromised, self.new, self.reader)
        if place.half and not self.alone:
            found = "unknown: several users are rotated, so it cannot be told whose half it is; rotate them in cases of their own"
        if found == "half" and self.new and self.is_made(self.change().step_id(place)):
            found = "new" if self._as_left(place) else "unknown: somebody else has written it since"
        self.shown[place.id] = found
        return found

    def _as_left(self, place: targets.Place) -> bool:
        """Whether what nobody can read is as this rotation left it; what can be read is looked at itself."""
        if not targets.blind(place):
            return True
        entry = self.case.history.get(self.change().step_id(place)) or {}
        step = plan.decode(entry["made"]["step"] or entry["step"])
        return self.runner.shows(step, self.reader)

    def deadline(self) -> t.Any:
        """Until when the old key may live: as a named person said last, else counted from the plan. None in an emergency."""
        if self.mode == "emergency":
            return None
        if named := self.options.deadline or next((n["deadline"] for n in reversed(self.notes()) if n["state"] == "EXTENDED"), ""):
            moment = parse(named)
            return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
        begun = self.reached("PLANNED")
        return (parse(begun) if begun else self.aws.now()) + datetime.timedelta(seconds=DEADLINES[self.options.mode])

    @property
    def networks(self) -> list[str]:
        """From where the dependents call: theirs, and what the incident trusts."""
        return sorted({*self.run_of.incident.trusted.networks, *(str(n) for p in self.places for n in p.spec.get("networks") or ())})

    @property
    def vpcs(self) -> list[str]:
        return sorted({str(v) for p in self.places for v in p.spec.get("vpcs") or ()})

    def carry_out(self, make: Callable[[Reader], Iterable[Step]]) -> list[Step]:
        """Steps through the runner, to their end; stops the rotation when one of them failed."""
        planned: list[Step] = []

        def job(reader: Reader) -> list[Step]:
            planned.extend(make(reader))
            return planned

        before = len(self.runner.failures)
        self.runner.add(self.user.arn, self.user.account, [Job(Phase.CREDENTIAL, job)])
        self.runner.wait()
        self.case.ledger.flush()
        bad = [s for s in planned if (d := self.runner.done.get(s.id)) and d.status not in STANDS]
        if bad or len(self.runner.failures) > before:
            self.wait_for(f"stopped at {bad[0].resource if bad else 'a failure'}: see what failed; run again to go on")
        return planned

    def held_in(self, place: targets.Place, keys: Collection[str]) -> set[str]:
        """Those of ``keys`` that anything in use there holds."""
        found = targets.values(targets.KINDS[place.kind], place, self.reader)
        return set().union(*(credential_text.identities(value, set(keys)) for value in found if value is not None))

    def holds(self, place: targets.Place, key: str) -> bool:
        """Whether it is seen there: what cannot be read says so where its state is looked at, and nothing may be deleted by this word."""
        try:
            return bool(self.held_in(place, {key}))
        except EvictError:
            return False

    def last_used(self, key: str) -> dict[str, t.Any]:
        found: dict[str, t.Any] = (
            self.reader.get(Call(self.user.target, "iam", "GetAccessKeyLastUsed", {"AccessKeyId": key})).get("AccessKeyLastUsed") or {}
        )
        return found
