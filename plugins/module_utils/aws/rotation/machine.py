# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rotation of one user's key: from a free slot to the deletion of the old one, resumed from the ledger and from what is there.

Nothing remembers where it was but the cloud and the ledger: each stage looks whether it is done. The secret of the new key lives in memory; a run that
needs it and did not mint the key reads it back from a place that has it. A new key is made anew only while no place holds the one before.
"""

from __future__ import annotations

import dataclasses
import datetime
import time
import typing as t
from collections.abc import Callable, Iterable

from ...common import credential_text, plan
from ...common.chain import Job
from ...common.errors import EvictError
from ...common.guard import identity
from ...common.plan import Call, Phase, Secret, Step
from ...common.reader import Reader
from ...common.run import STANDS
from .. import credentials, sessions, targets
from ..credentials import access_key
from ..principal import Principal
from ..session import iso, parse
from . import bridge, health, mint, moving, slot, watch
from .options import DEADLINES, STATES, Options

if t.TYPE_CHECKING:
    from .verb import Rotation

READS = ("iam:GetAccessKeyLastUsed", "iam:ListAttachedUserPolicies", "iam:SimulatePrincipalPolicy", "sts:GetCallerIdentity")
SETTLES = datetime.timedelta(seconds=10)  # until a policy that was just written holds everywhere


class Stop(Exception):
    """The rotation goes no further in this run; what is open has been said."""


class Machine:
    """``run`` goes as far as it can. ``row`` is its line of the result, ``open`` what it waits for."""

    def __init__(
        self, run: Rotation, user: Principal, old: str, also: set[str], places: list[targets.Place], options: Options, alone: bool = True
    ) -> None:
        self.run_of, self.user, self.old, self.also, self.places, self.options = run, user, old, also, places, options
        self.runner, self.aws, self.case = run.runner, run.aws, run.case
        self.mint = f"{user.arn}#rotation/{old}"
        self.open: list[dict[str, t.Any]] = []
        self.mode, self.alone = options.mode, alone  # alone: no other user is rotated, so that a half is this one's
        self.states: dict[str, str] = {}
        self.remembered: dict[str, str] = {}  # secrets of old keys, for the way back of what keeps no versions: never written anywhere
        self._shown: dict[str, str] = {}
        self._freed = ""  # id of the key whose slot is taken
        self._roles: list[str] = []  # that the old key assumed before the incident

    # -- what is known -----------------------------------------------------------------------------------------------------------

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
        self._shown[place.id] = found
        return found

    def _as_left(self, place: targets.Place) -> bool:
        """Whether what nobody can read is as this rotation left it; what can be read is looked at itself."""
        if not targets.blind(place):
            return True
        entry = self.case.history.get(self.change().step_id(place)) or {}
        step = plan.decode(entry["made"]["step"] or entry["step"])
        return self.runner.shows(step, self.reader)

    # -- the sequence ------------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        try:
            keys = self.keys()
            if not self.new and self.old not in keys:
                self.wait_for("is not there any more, and this case has not rotated it")
            found = {place.id: self.state_of(place) for place in self.places}
            if self.reached("OLD_DELETED") and not self.compromised & set(keys):
                return
            self.mode = self.decide_mode()
            if self.cut:  # before anything may stop it
                self.disable()
            elif self.mode == "bridge":
                self.can_bridge()
            self.plan(keys, found)
            if self.mode == "bridge" and not self.cut:
                self.clamp()
            self.mint_key()
            self.distribute()
            self.verify()
            self.healthy()
            if not self.cut:
                self.quiescent()
                self.prove()
                self.disable()
            moving.tidy(self)
            self.soak()
            self.delete()
        except Stop:
            pass

    def plan(self, keys: dict[str, str], found: dict[str, str]) -> None:
        """PLANNED: who depends on it, what is there, until when the old key may live. Refuses before anything is touched; the deadline runs from here."""
        self.reach("PLANNED", deadline=self.deadline() and iso(self.deadline()))
        wrong = [(p, found[p.id]) for p in self.places if found[p.id] == "other" or found[p.id].startswith("unknown")]
        halves = {p.half for p in self.places} - {""}
        if len(halves) == 1:
            missing = "secret" if "id" in halves else "id"
            wrong += [(p, f"unknown: it is one half, and no dependent is half: {missing}") for p in self.places if p.half]
        for place, said in wrong:
            why = f"holds something else than {self.old}" if said == "other" else said.removeprefix("unknown: ")
            self.runner.fail(EvictError(f"{place.text}: {why}", object=place.text, operation="rotate",
                                        remedy="correct the dependent or take it out of the list; nothing is revoked before the deadline"))  # fmt: skip
        if wrong:
            what = "nothing was moved" if self.cut else "nothing was changed"
            self.wait_for(f"{len(wrong)} of {len(self.places)} dependents cannot be moved: {what}")
        if not self.new:
            self.free(keys)
        self.reach("SLOT_READY")
        if self.runner.check and not self.cut:
            self.run_of.warn(f"{self.old} is switched off when nobody has used it for {self.options.quiet:.0f} s, and deleted after {self.options.soak:.0f} s"
                             f" of being inactive; with mode {self.mode} it does not live longer than until {iso(self.deadline())}")  # fmt: skip

    def deadline(self) -> t.Any:
        """Until when the old key may live: as a named person said last, else counted from the plan. None in an emergency."""
        if self.mode == "emergency":
            return None
        if named := self.options.deadline or next((n["deadline"] for n in reversed(self.notes()) if n["state"] == "EXTENDED"), ""):
            moment = parse(named)
            return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
        begun = self.reached("PLANNED")
        return (parse(begun) if begun else self.aws.now()) + datetime.timedelta(seconds=DEADLINES[self.options.mode])

    def decide_mode(self) -> str:
        """The mode that holds now: what was asked for, or emergency when the deadline is over or a hostile call was seen."""
        asked = self.options.mode
        if self.reached("OLD_DISABLED"):
            return asked
        fallen = ", ".join(p.text for p in self.places if self._shown.get(p.id) != "new") or "no dependent"
        after = f"it is switched off now; {fallen} may fail until moved"
        if asked == "emergency":
            self.run_of.warn(f"{self.old}: {after}")
            return asked
        limit, planned = self.deadline(), self.reached("PLANNED")
        if planned and self.aws.now() >= limit:
            self.run_of.warn(f"the deadline of {self.old} was {iso(limit)}: {after}")
            return "emergency"
        hostile, unknown = self.hostile()
        if asked == "graceful":
            hostile = f"it was used from {hostile}" if hostile else watch.public(self.user, self.reader)
            if not planned and (why := hostile or watch.powerful(self.aws, self.user) or unknown):
                self.refuse(f"{self.old} is not rotated gracefully: {why}",
                            "mode: bridge clamps it to the dependents' networks meanwhile; mode: emergency switches it off first",
                            "was not rotated: mode graceful is refused")  # fmt: skip
        elif hostile:
            hostile = f"it was used from {hostile}"
        if hostile and planned and (asked == "graceful" or self.reached("CLAMPED")):
            self.run_of.warn(f"{self.old}: {hostile}: {after}")
            return "emergency"
        if unknown:
            self.run_of.warn(f"{self.old}: whether the attacker uses it is not known: {unknown}")
        return asked

    @property
    def networks(self) -> list[str]:
        """From where the dependents call: theirs, and what the incident trusts."""
        return sorted({*self.run_of.incident.trusted.networks, *(str(n) for p in self.places for n in p.spec.get("networks") or ())})

    @property
    def vpcs(self) -> list[str]:
        return sorted({str(v) for p in self.places for v in p.spec.get("vpcs") or ()})

    def hostile(self) -> tuple[str, str]:
        """(from where somebody else has used the old key since the incident began, or since it was clamped; why that is not known)."""
        clamped = self.reached("CLAMPED")
        since = iso(parse(clamped) + SETTLES if clamped else credentials.kind.begin(self.run_of.incident))
        return watch.strangers(self.aws, self.user.account, self.old, since, self.networks, self.vpcs)

    # -- stages ------------------------------------------------------------------------------------------------------------------

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

    def free(self, keys: dict[str, str]) -> None:
        held = {key for p in self.places for key in keys if key != self.old and self.holds(p, key)}
        used = {key: str((self.last_used(key) or {}).get("LastUsedDate") or "") for key in keys}
        named = {self.options.free_slot} - {""}
        found = slot.decide([{"id": k, "status": v} for k, v in keys.items()], self.old, self.also | named, used, held)
        if found.refused:
            self.runner.fail(EvictError(found.refused, object=self.user.arn, operation="rotate", remedy="nothing was changed"))
            self.wait_for("was not rotated: no slot is free for a new key")
        if found.free:
            self._freed = found.free
            asked = credentials.Asked(only={found.free})
            self.carry_out(lambda reader: access_key.steps(self.user, "absent", reader, asked))

    def holds(self, place: targets.Place, key: str) -> bool:
        """Whether anything that is in use there holds ``key``."""
        try:
            found = targets.values(targets.KINDS[place.kind], place, self.reader)
        except EvictError:
            return False
        return any(key in credential_text.identities(value, {key}) for value in found if value is not None)

    def last_used(self, key: str) -> dict[str, t.Any]:
        found: dict[str, t.Any] = (
            self.reader.get(Call(self.user.target, "iam", "GetAccessKeyLastUsed", {"AccessKeyId": key})).get("AccessKeyLastUsed") or {}
        )
        return found

    def minted(self, reader: Reader) -> Iterable[Step]:
        for step in mint.steps(self.user, self.mint, self.old, reader):
            there = [key for key in step.before or () if not (self.runner.check and key == self._freed)]
            yield dataclasses.replace(step, before=there)

    def mint_key(self) -> None:
        """MINTED. What was minted and is in no place may be made anew; what a place holds is never taken from it."""
        found = {p.id: self.state_of(p) for p in self.places}
        having = [p.text for p in self.places if found[p.id] in ("new", "moving")]
        if self.new and self.new not in self.keys():
            if having:
                self.refuse(f"the new key {self.new} was deleted by somebody else, and {', '.join(having)} hold it",
                            "give them a key that works, then run again",
                            f"its new key {self.new} is gone")  # fmt: skip
            self.runner.drop(self.mint)
        needing = [p for p in self.places if found[p.id] not in ("new", "moving") and p.half != "id"]  # an id alone needs no secret
        if self.new and needing and not self._secret():
            if secret := self._read_back():
                self.taken(secret)
                self.runner.remember(self.mint, {"AccessKey": {"AccessKeyId": self.new, "SecretAccessKey": secret}})
            elif any(found[p.id] in ("new", "moving") and not targets.opaque(p) for p in self.places):
                self.refuse(f"the secret of the new key {self.new} cannot be read from {', '.join(having)}, and the other dependents need it",
                            "give them the new key by hand, then run again", "its dependents cannot be moved")  # fmt: skip
            else:
                if having:  # nobody can read it there, so it would never get on
                    self.run_of.warn(f"the secret of {self.new} died with the run that made it: another key is made, and until they get it, in this run,"
                                     f" {', '.join(having)} may fail")  # fmt: skip
                asked = credentials.Asked(only={self.new})
                self.carry_out(lambda reader: access_key.steps(self.user, "absent", reader, asked))
                self.runner.drop(self.mint)
        if not self.new:
            self.carry_out(self.minted)
        if self.new:
            self.reach("MINTED", again=self.new not in [n.get("new") for n in self.notes()], new=self.new)

    def _secret(self) -> str:
        answer = self.runner.answers.get(self.mint)
        return str(plan.dig(answer, ("AccessKey", "SecretAccessKey")) or "") if answer is not None else ""

    def _read_back(self) -> str:
        """The new secret from a place that has it: beside its id, or a half that this rotation wrote. Such a half is somebody's own: ``taken`` tries it."""
        for place in [p for p in self.places if p.half == "secret" and not targets.opaque(p) and self.state_of(p) == "new"]:
            try:
                return str(targets.KINDS[place.kind].value(place, self.reader)).strip()
            except EvictError:
                continue
        return moving.secret(self, self.new)

    def distribute(self) -> None:
        """STORED with the first place, DISTRIBUTED with the last; one after the other, so that a stop leaves as few as may be in between."""
        moved = False
        for number, place in enumerate(self.places):
            moved = moving.move(self, place) or moved
            if number == 0:
                self.reach("STORED")
        self.reach("DISTRIBUTED", again=moved, places=[p.id for p in self.places])

    def verify(self) -> None:
        """VERIFIED_NEW: every place shows the new key, and AWS takes it."""
        if not self.runner.check:
            self.prove()
            self.reach("VERIFIED_NEW")

    def prove(self) -> None:
        """Stops unless everybody has the new key and it works: asked again right before the old one is touched."""
        if self.runner.check:
            return
        left = [p for p in self.places if self.state_of(p) != "new"]
        if left:
            self.wait_for(f"{', '.join(p.text for p in left)} does not show the new key")
        status = self.keys().get(self.new, "gone")
        if status != "Active":
            self.refuse(
                f"the new key {self.new} is {status.lower()}",
                "switch it on again, or give the dependents a key that works",
                "its new key does not work",
            )
        opaque = all(targets.opaque(p) for p in self.places)
        if not opaque or not self.reached("VERIFIED_NEW"):  # with no place to read it from, the secret died with the run that got it
            self.taken(self._secret() or self._read_back())

    def taken(self, secret: str) -> None:
        """Stops unless AWS takes the new key; a new one needs seconds, so it is asked again, and nothing falls back."""
        used = not secret and self.last_used(self.new).get("LastUsedDate")  # then somebody has tried it already
        said = "" if secret or used else "its secret is nowhere to be read"
        deadline = time.monotonic() + self.options.valid
        while secret and (said := self.aws.attempt((self.new, secret, ""), Call(self.user.target, "sts", "GetCallerIdentity", {}))):
            if time.monotonic() > deadline:
                break
            time.sleep(1.0)
        if said:
            self.wait_for(f"the new key {self.new} is not taken by AWS yet ({said.split(':')[0]}): run again")

    def healthy(self) -> None:
        """Each declared check, several times over; a place that fails it goes back before the old key is touched."""
        if self.runner.check:
            return
        for place in self.places:
            said = health.check(self.aws, place) if place.spec.get("check") else ""
            if said and not self.cut:
                why = self.roll_back(place)
                what = f"and it cannot be given the old key back: {why}" if why else "so it was given the old key back"
                self.runner.fail(EvictError(f"{place.text}: its check failed ({said}), {what}", object=place.text, operation="health",
                                            remedy="see why it does not work with the new key, then run again"))  # fmt: skip
                self.wait_for(f"{place.text} does not work with the new key; the old one was not touched")
            elif said:
                self.open.append({"object": place.text, "why": f"its check fails: {said}", "due": None})

    def roll_back(self, place: targets.Place) -> str:
        """The Steps of one place, backwards; of one half, those of all halves, since one without the other works for nobody. Why that could not be."""
        mine = [p for p in reversed(self.places) if p.half] if place.half else [place]
        if why := next((why for p in mine if (why := moving.stays(self, p))), ""):
            return why
        for place in mine:
            moving.take_back(self, place)
        return ""

    def quiescent(self) -> None:
        """OLD_QUIESCENT: nobody has used the old key since everybody has the new one, by IAM's word, for as long as ``quiet``."""
        if self.runner.check:
            return
        moved = [n["at"] for n in self.notes() if n["state"] == "DISTRIBUTED"]
        since = parse(moved[-1]) if moved else self.aws.now()
        last = str(self.last_used(self.old).get("LastUsedDate") or "")
        from_ = max(since, parse(last)) if last else since
        due = from_ + datetime.timedelta(seconds=self.options.quiet)
        limit = self.deadline()
        if self.aws.now() < due and not (limit and self.aws.now() >= limit):
            how = (
                f"was used at {last}, after the dependents were moved: somebody that nobody declared uses it"
                if last and parse(last) > since
                else "is to be quiet"
            )
            self.wait_for(f"{how}; it is switched off at {iso(min(due, limit) if limit else due)}, when this is run again", iso(due))
        self.reach("OLD_QUIESCENT")

    def disable(self) -> None:
        """OLD_DISABLED, and the sessions that it may have minted; with the old key off a bridge has no purpose."""
        asked = credentials.Asked(only=self.compromised)
        self.carry_out(lambda reader: access_key.steps(self.user, "disabled", reader, asked))
        if not self.reached("OLD_DISABLED"):
            cutoff = self.aws.now() + SETTLES
            self.carry_out(lambda reader: sessions.revoke(self.user, self.run_of.incident, cutoff, reader))
        self.reach("OLD_DISABLED")
        self.carry_out(lambda reader: bridge.lift(self.user, self.run_of.incident, reader))

    def can_bridge(self) -> None:
        """Refuses by name what a bridge would cut."""
        shared = [p.text for p in self.places if p.spec.get("shared_network")]
        nowhere = [p.text for p in self.places if not (p.spec.get("networks") or p.spec.get("vpcs"))]
        suspects = {identity(p.arn) for p in self.run_of.principals.values()}
        theirs = [p.text for p in self.places if self._runs_as(p) in suspects]
        why = ""
        if shared:
            why = f"{', '.join(shared)} calls from a network that others use too"
        elif nowhere or not self.places:
            why = f"no network of {', '.join(nowhere) or 'a dependent'} is declared (networks or vpcs), so it would be cut"
        elif theirs:
            why = f"{', '.join(theirs)} runs as a suspect"
        if why:
            self.refuse(
                f"{self.old} cannot be bridged: {why}",
                "declare networks of your own, or use mode: emergency",
                "was not rotated: there is no bridge",
            )
        if not self.reached("CLAMPED"):
            begin = iso(credentials.kind.begin(self.run_of.incident))
            self._roles, gap = watch.assumed(self.aws, self.user.account, self.old, begin)
            if gap:
                self.refuse(f"{self.old} cannot be bridged: which roles it assumes for its dependents is not known ({gap})", "use mode: emergency, or graceful",
                            "was not rotated: there is no bridge")  # fmt: skip

    def _runs_as(self, place: targets.Place) -> str:
        runs_as = getattr(targets.KINDS[place.kind], "identity", None)
        if runs_as is None:
            return ""
        try:
            return identity(runs_as(place, self.reader))
        except EvictError:
            return ""

    def clamp(self) -> None:
        """The bridge, while the old key is alive. It is as the dependents are declared now; the roles are those of the first look."""
        roles = next((n["roles"] for n in self.notes() if n["state"] == "CLAMPED"), self._roles)
        wanted = bridge.document(self.run_of.incident.sid, self.networks, self.vpcs, roles)
        self.carry_out(lambda reader: bridge.clamp(self.user, self.run_of.incident, wanted, reader))
        self.reach("CLAMPED", roles=roles)

    def soak(self) -> None:
        """SOAKED: inactive for a while, so that whoever was forgotten can be helped with one call."""
        if self.reached("SOAKED"):
            return
        if self.runner.check:
            if self.options.soak:
                raise Stop  # not in this run
            return
        due = parse(self.reached("OLD_DISABLED")) + datetime.timedelta(seconds=self.options.soak)
        if self.aws.now() < due:
            self.wait_for(f"is inactive; it is deleted at {iso(due)}, when this is run again", iso(due))
        self.reach("SOAKED")

    def delete(self) -> None:
        asked = credentials.Asked(only=self.compromised)

        def gone(reader: Reader) -> Iterable[Step]:
            for step in access_key.steps(self.user, "absent", reader, asked):
                yield (
                    dataclasses.replace(step, before="Inactive") if self.runner.check else step
                )  # that it was switched off was told before

        self.carry_out(gone)
        self.reach("OLD_DELETED")

    # -- what it comes to --------------------------------------------------------------------------------------------------------

    def row(self) -> dict[str, t.Any]:
        """{user, old, new, mode, state, deadline, places: [{place, state}]}, without a secret."""
        reached = {n["state"] for n in self.notes()} | set(self.states)
        state = next((s for s in reversed(STATES) if s in reached), "")
        limit = self.deadline() if "OLD_DISABLED" not in reached else None
        shown = [{"place": p.text, "state": self._shown.get(p.id, ""), **targets.proof(p)} for p in self.places]
        return {
            "user": self.user.arn,
            "old": self.old,
            "new": self.new,
            "mode": self.mode,
            "state": state,
            "deadline": iso(limit) if limit else None,
            "places": shown,
        }
