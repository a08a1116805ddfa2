# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One replacement of a case, as far as it goes: PLANNED, MINTED, OLD_DISABLED, SOAKED, OLD_DELETED.

In an emergency the old one is switched off first. Else the new one is made, its owner is told, and the old one goes off when somebody confirms that the
owner has it, or at the deadline. What it is comes from the ledger and from what is there.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from ....common import manual, plan, restore
from ....common.errors import EvictError, Refused
from ....common.plan import Target
from ... import credentials, targets
from ...principal import Principal
from ...session import iso
from .. import fenced, readers, revoking
from ..course import Course, Stop
from ..options import Options
from . import KINDS, handover, login_profile
from .kind import Order, slot

if t.TYPE_CHECKING:
    from ..verb import Rotation

NOTE = "replacement"  # kind of note, as those of a rotation; ``old`` is the kind, with the id where there is one


class Replacing(Course):
    """``manual``: what its owner is to do; ``row``: its line of the result."""

    def __init__(self, run: Rotation, user: Principal, entry: Mapping[str, t.Any], options: Options) -> None:
        identity = str(entry.get("id") or "")
        super().__init__(run, user, str(entry["kind"]) + (f"/{identity}" if identity else ""), set(), [], options)
        self.entry, self.kind, self.held_as = entry, KINDS[entry["kind"]], credentials.KINDS[entry["kind"]]
        self.resets = (
            entry["kind"] == "login_profile" or entry.get("how") == "reset"
        )  # the same one with a new secret: there is no old one beside it
        self.manual: list[dict[str, t.Any]] = []
        self.olds: list[str] = []
        self.service = next((str(n["service"]) for n in self.notes() if n.get("service")), "")  # of a service-specific credential

    # -- what a Course says of access keys ---------------------------------------------------------------------------------------

    def notes(self) -> list[dict[str, t.Any]]:
        return [n["data"] for n in self.case.notes(NOTE) if (n["data"].get("user"), n["data"].get("old")) == (self.user.arn, self.old)]

    def note(self, data: dict[str, t.Any]) -> None:
        self.case.note(NOTE, {"user": self.user.arn, "old": self.old, **data})
        self.case.ledger.flush()

    def wait_for(self, what: str, due: str | None = None) -> t.NoReturn:
        self.open.append({"object": f"{self.user.arn} {self.kind.NOUN}", "why": what, "due": due})
        raise Stop

    @property
    def new(self) -> str:
        answer = self.runner.answers.get(self.mint) if self.kind.NEW and not self.resets else None
        return str(plan.dig(answer, self.kind.NEW) or "") if answer is not None else ""

    @property
    def compromised(self) -> set[str]:
        return set()

    # -- the course --------------------------------------------------------------------------------------------------------------

    def held(self) -> list[dict[str, t.Any]]:
        found = self.held_as.held(self.user, self.reader)
        if self.entry["kind"] != "service_specific_credential":
            return found
        self.service = next((str(one["service"]) for one in found if one["id"] == self.entry["id"]), self.service)
        return [one for one in found if one["service"] == self.service]

    def begin(self) -> bool:
        """What comes before any new secret is made: what is replaced, and in an emergency its end. Whether there is more to do."""
        try:
            held = self.held()
            self.olds = self._olds(held)
            if any(machine.user.arn == self.user.arn and machine.forced for machine in self.run_of.machines):
                self.mode = "emergency"  # who has used its key has had its other credentials at hand as well
            limit = self.deadline()
            if limit and self.aws.now() >= limit and not self.reached("OLD_DISABLED") and not self.resets:
                self.run_of.warn(
                    f"{self.user.arn}: the deadline of the old {self.kind.NOUN} has passed: {', '.join(self.olds) or 'it'} is switched off"
                )
                self.mode = "emergency"
            self.reach("PLANNED", olds=self.olds, service=self.service)
            if self.mode == "emergency" and not self.resets:  # before anything may stop it
                self._off()
            place = self._handover()
            if place and not self._made(place):
                self._guard(place)
        except Stop:
            return False
        return True

    def go_on(self) -> None:
        try:
            self._make()
            self._tell()
            if self.resets:
                return
            self._off()
            if self.olds:
                revoking.soak(self, f"{', '.join(self.olds)} is inactive")
            self.carry_out(lambda reader: self.held_as.steps(self.user, "absent", reader, credentials.Asked(only=set(self.olds))))
            self.reach("OLD_DELETED")
        except Stop:
            pass

    def _olds(self, held: list[dict[str, t.Any]]) -> list[str]:
        """Which are replaced: as it was planned; else those that the entry names, or all that this case did not make."""
        if planned := next((n for n in self.notes() if n["state"] == "PLANNED"), None):
            return [str(one) for one in planned["olds"]]
        ids, made = [str(one["id"]) for one in held], made_for(self.case, self.user.arn, self.entry["kind"])
        wanted = [self.entry["id"]] if self.entry.get("id") else list(self.entry.get("replaces") or ())
        if missing := sorted(set(wanted) - set(ids)):
            self.refuse(f"{self.user.arn} has no {self.kind.NOUN} {', '.join(missing)}; there are {', '.join(ids) or 'none'}",
                        "name the one that is to be replaced", "nothing was replaced")  # fmt: skip
        return wanted or [one for one in ids if one not in made]

    def _order(self) -> Order:
        return Order(self.user, self.entry, self.mint, self.service, self._handover())

    def _handover(self) -> handover.Handover | None:
        named = self.entry.get("handover")
        if not named:
            return None
        parts = str(named["secret"]).split(":")
        account = parts[4] if len(parts) > 4 else self.user.account
        lost = sorted({str(n["new"]) for n in self.notes() if n.get("gone")})  # a second one has a version of its own
        return handover.Handover(
            Target("aws", account, named["region"]), str(named["secret"]), " ".join([self.case.incident.id, self.mint, *lost])
        )

    def _made(self, place: handover.Handover) -> bool:
        return self.is_made(f"{self.mint}!handover") if self.resets else self.reader.read(place.probe) is not None

    def _guard(self, place: handover.Handover) -> None:
        """The re-leak guard, and that nothing else lies there."""
        if why := handover.other(place, self.reader):
            self.refuse(
                f"the new secret is not handed over in {place.text}: {why}", "name an empty secret under handover", "nothing was replaced"
            )
        where = targets.Place(place.target, "secrets_manager", place.secret, noun="secret")
        if why := readers.look(self, where, readers.suspects(self), self.reader):
            try:
                self.run_of.guard.refuse(readers.GUARD, where.id, f"the new secret is not handed over in {place.text}, since {why}",
                                         "name a secret that only its owner reads, from another identity than this one")  # fmt: skip
            except Refused as error:
                self.runner.fail(error, place.text)
                self.wait_for("nothing was replaced: a suspect could read the new secret, or that is not known")

    def _make(self) -> None:
        """MINTED: the new one is there, and what is secret of it lies where its owner takes it."""
        place = self._handover()
        if self.entry["kind"] == "login_profile":
            self._password(place)
        elif self.resets:
            if not (place and self._made(place)):
                if self.mode != "emergency":
                    self.run_of.warn(f"{self.user.arn}: a reset ends the old password of {self.entry['id']} at once, in every mode")
                self.carry_out(lambda reader: self.kind.steps(self._order(), reader))
            self._enable()
        else:
            self._create()
        if not self.resets and not self.new:
            if self.runner.check:
                raise Stop
            self.wait_for("was not made")
        since = {"created": next((one["created"] for one in self.held()), "")} if self.entry["kind"] == "login_profile" and place else {}
        self.reach("MINTED", again=self.new not in [n.get("new", "") for n in self.notes()], new=self.new, **since)

    def _create(self) -> None:
        held = self.held()
        if self.new and self.new not in [one["id"] for one in held]:
            if self.reached("OLD_DISABLED") and self._confirmed():
                return  # its owner did away with it later
            if not self.runner.check:
                self.note({"state": "GONE", "at": iso(self.aws.now()), "new": self.new, "gone": True})
            self.runner.drop(self.mint)
        if not self.new:
            found = slot(held, self.kind.LIMIT, self.olds, str(self.entry.get("free_slot") or ""))
            if found.refused:
                self.refuse(f"there is no room for a new {self.kind.NOUN} of {self.user.arn}: {found.refused}",
                            "delete one, or name one under free_slot", "nothing was replaced")  # fmt: skip
            if found.free:
                self.run_of.warn(f"{found.free} is deleted to make room for the new {self.kind.NOUN} of {self.user.arn}")
                self.carry_out(lambda reader: self.held_as.steps(self.user, "absent", reader, credentials.Asked(only={found.free})))
        self.carry_out(lambda reader: self.kind.steps(self._order(), reader))

    def _password(self, place: handover.Handover | None) -> None:
        if place is None or self.is_made(self.mint):
            return
        self.carry_out(lambda reader: self.held_as.steps(self.user, "absent", reader))  # the old password ends first
        order = self._order()
        there = self.reader.read(place.probe) is not None  # an interrupted run got that far: what lies there is what the owner will read
        self.runner.remember(
            login_profile.source(order), {"Password": handover.kept(place, self.reader) if there else login_profile.generate()}
        )
        self.carry_out(lambda reader: self.kind.steps(order, reader))

    def _enable(self) -> None:
        """On again, where this case switched it off: its old password is dead."""
        ours = [first for first, latest in restore.standing(self.case.history)
                if latest.id == f"{self.user.arn}#{self.held_as.FRAGMENT}/{self.entry['id']}" and latest.after == "Inactive"]  # fmt: skip
        if any(first.before == "Active" for first in ours):
            self.carry_out(lambda reader: self.held_as.steps(self.user, "enabled", reader, credentials.Asked(only={self.entry["id"]})))

    # -- its owner ---------------------------------------------------------------------------------------------------------------

    @property
    def item(self) -> str:
        """What is confirmed; another new one has another."""
        return f"{manual.REPLACED}{self.user.account}/{self.user.name}/{self.old}" + (f"/{self.new}" if self.new else "")

    def _confirmed(self) -> bool:
        return manual.confirmed(self.case, self.item) is not None

    def _tell(self) -> None:
        why = f"the {self.kind.NOUN} of before is compromised"
        if fenced.fence(self.case, self.user, self.reader):
            why += "; it is denied everything by the containment of this case, so this works when recover.yml has lifted that"
        row = manual.row(self.case, self.item, self.user.arn, f"tell its owner: {self.kind.tell(self._order(), self.new)}", why)
        self.manual.append(row)
        if row["confirmed"] or self.runner.check:
            if not row["confirmed"] and self.mode != "emergency":
                raise Stop
            return
        limit = self.deadline() if not self.resets else None
        until = f"; the old one is switched off then, or at {iso(limit)}" if limit and not self.reached("OLD_DISABLED") else ""
        self.open += manual.open_items([{**row, "why": why + until}])
        if not self.reached("OLD_DISABLED") and not self.resets:
            raise Stop

    def _off(self) -> None:
        """OLD_DISABLED. One call brings it back."""
        self.carry_out(lambda reader: self.held_as.steps(self.user, "disabled", reader, credentials.Asked(only=set(self.olds))))
        self.reach("OLD_DISABLED")

    def row(self) -> dict[str, t.Any]:
        """{user, kind, old, new, mode, state}, without a secret."""
        reached = {n["state"] for n in self.notes()} | set(self.states)
        state = next((s for s in ("OLD_DELETED", "SOAKED", "OLD_DISABLED", "MINTED", "PLANNED") if s in reached), "")
        return {"user": self.user.arn, "kind": self.entry["kind"], "old": self.olds, "new": self.new, "mode": self.mode, "state": state}


def made_for(case: t.Any, arn: str, kind: str) -> set[str]:
    """Ids of what this case made for a user; of a password when it was made. A containment leaves it alone."""
    found: set[str] = set()
    for note in (n["data"] for n in case.notes(NOTE) if n["data"].get("user") == arn and n["data"].get("state") == "MINTED"):
        of, _slash, identity = str(note["old"]).partition("/")
        if of == kind:
            found.add(str(note.get("created") or "") if kind == "login_profile" else str(note["new"] or identity))
    return found - {""}


def replaced(case: t.Any, arn: str, identity: str) -> bool:
    """Whether a credential was switched off since its owner has another one: a release does not bring it back."""
    notes = [n["data"] for n in case.notes(NOTE) if n["data"].get("user") == arn]
    off = {n["old"] for n in notes if n["state"] == "OLD_DISABLED"}
    return any(n["old"] in off and identity in n.get("olds", ()) for n in notes if n["state"] == "PLANNED")


def declared(incident: t.Any, user: Principal) -> list[Mapping[str, t.Any]]:
    """The replacements of the incident for a user."""
    return [one for one in incident.replacements if one["user"] in (user.arn, user.name)]


def run(rotation: Rotation, users: Iterable[Principal], wanted: Iterable[str]) -> list[Replacing]:
    """Each replacement of the incident, as far as it goes. What ends something comes before what makes something."""
    users, found = list(users), []
    for entry in rotation.incident.replacements:
        mine = [user for user in users if entry["user"] in (user.arn, user.name)]
        if len(mine) != 1:
            what = "is none of the users of this case" if not mine else "names users of several accounts: give the ARN"
            rotation.runner.fail(EvictError(f"replacements: {entry['user']} {what}", object=entry["user"], operation="replace"))
        elif entry["kind"] in wanted:
            one = Replacing(rotation, mine[0], entry, rotation.options)
            found.append(one)
            rotation.extend(one)
    begun = [one for one in found if rotation.step(one, one.begin)]
    for one in begun:
        rotation.step(one, one.go_on)
    return found
