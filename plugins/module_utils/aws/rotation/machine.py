# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rotation of one user's key: from a free slot to the deletion of the old one, resumed from the ledger and from what is there.

Nothing remembers where it was but the cloud and the ledger: each stage looks whether it is done. The secret of the new key lives in memory; a run that
needs it and did not mint the key reads it back from a place that has it, and mints anew where none has.
"""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import time
import typing as t
from collections.abc import Callable, Iterable

from ...common import credential_text, plan
from ...common.chain import Job
from ...common.errors import CloudError, EvictError
from ...common.plan import Call, Phase, Secret, Step
from ...common.reader import Reader
from ...common.run import STANDS
from .. import credentials, events, sessions, targets
from ..credentials import access_key
from ..principal import Principal
from ..session import iso, parse
from . import bridge, health, mint, slot
from .options import DEADLINES, STATES, Options

if t.TYPE_CHECKING:
    from .verb import Rotation

READS = ("iam:GetAccessKeyLastUsed", "iam:ListAttachedUserPolicies", "iam:SimulatePrincipalPolicy", "sts:GetCallerIdentity")
_POWER = ["iam:AttachUserPolicy", "iam:CreateAccessKey", "iam:CreateUser", "iam:PutUserPolicy", "sts:AssumeRole"]
_LOOK = 20.0  # seconds for the log of the old key


class Stop(Exception):
    """The rotation goes no further in this run; what is open has been said."""


class Machine:
    """``run`` goes as far as it can. ``row`` is its line of the result, ``open`` what it waits for."""

    def __init__(self, run: Rotation, user: Principal, old: str, also: set[str], places: list[targets.Place], options: Options) -> None:
        self.run_of, self.user, self.old, self.also, self.places, self.options = run, user, old, also, places, options
        self.runner, self.aws, self.case = run.runner, run.aws, run.case
        self.mint = f"{user.arn}#rotation/{old}"
        self.open: list[dict[str, t.Any]] = []
        self.mode = options.mode
        self.states: dict[str, str] = {}
        self._shown: dict[str, str] = {}

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
        return {self.old, *self.also}

    def notes(self) -> list[dict[str, t.Any]]:
        return [
            n["data"] for n in self.case.notes("rotation") if (n["data"].get("user"), n["data"].get("old")) == (self.user.arn, self.old)
        ]

    def reached(self, state: str) -> str:
        """When the state was reached first; "" if it was not."""
        return next((str(n["at"]) for n in self.notes() if n["state"] == state), "")

    def reach(self, state: str, **more: t.Any) -> None:
        self.states[state] = self.reached(state) or iso(self.aws.now())
        if not self.runner.check and not self.reached(state):
            note = {"user": self.user.arn, "old": self.old, "state": state, "at": self.states[state], "mode": self.mode, **more}
            self.case.note("rotation", note)
            self.case.ledger.flush()

    def wait_for(self, what: str, due: str | None = None) -> t.NoReturn:
        self.open.append({"object": f"{self.user.arn} access key {self.old}", "why": what, "due": due})
        raise Stop

    def state_of(self, place: targets.Place) -> str:
        found = targets.state(targets.KINDS[place.kind], place, self.compromised, self.new, self.reader)
        self._shown[place.id] = found
        return found

    # -- the sequence ------------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        try:
            keys = self.keys()
            if not self.new and self.old not in keys:
                self.wait_for("is not there any more, and this case has not rotated it")
            self.plan(keys)
            if self.mode == "emergency":
                self.disable()
            elif self.mode == "bridge":
                self.clamp()
            self.mint_key()
            self.distribute()
            self.verify()
            self.healthy()
            if self.mode != "emergency":
                self.quiescent()
                self.disable()
                self.unclamp()
            self.soak()
            self.delete()
        except Stop:
            pass

    def plan(self, keys: dict[str, str]) -> None:
        """PLANNED: who depends on it, what is there, until when the old key may live. Refuses before anything is touched."""
        found = {place.id: self.state_of(place) for place in self.places}
        wrong = [(p, found[p.id]) for p in self.places if found[p.id] == "other" or found[p.id].startswith("unknown")]
        for place, said in wrong:
            why = f"holds something else than {self.old}" if said == "other" else said.removeprefix("unknown: ")
            self.runner.fail(EvictError(f"{place.text}: {why}", object=place.text, operation="rotate",
                                        remedy="correct the dependent or take it out of the list; nothing is revoked before"))  # fmt: skip
        self.mode = self.decide_mode()
        if wrong:
            self.wait_for(f"{len(wrong)} of {len(self.places)} dependents cannot be moved: nothing was changed")
        self.reach("PLANNED", deadline=self.deadline() and iso(self.deadline()))
        if not self.new:
            self.free(keys)
        self.reach("SLOT_READY")

    def deadline(self) -> t.Any:
        """Until when the old key may live: as a named person said last, else counted from the plan. None in an emergency."""
        if self.mode == "emergency":
            return None
        named = [n["deadline"] for n in self.notes() if n["state"] == "EXTENDED"]
        if named:
            return parse(named[-1])
        begun = self.reached("PLANNED")
        return (parse(begun) if begun else self.aws.now()) + datetime.timedelta(seconds=DEADLINES[self.options.mode])

    def decide_mode(self) -> str:
        """The mode that holds now: what was asked for, or emergency when the deadline is over or a hostile call was seen."""
        if self.reached("OLD_DISABLED"):
            return self.mode
        asked, hostile, unknown = self.options.mode, *self.hostile()
        if asked == "emergency":
            return asked
        limit = self.deadline()
        fallen = ", ".join(p.text for p in self.places if self._shown.get(p.id) != "new") or "no dependent"
        if self.reached("PLANNED") and self.aws.now() >= limit:
            self.run_of.warn(f"the deadline of {self.old} was {iso(limit)}: it is switched off now; {fallen} may fail until moved")
            return "emergency"
        if hostile and asked == "bridge" and self.reached("PLANNED"):
            self.run_of.warn(f"{self.old} was used from {hostile}: it is switched off now; {fallen} may fail until moved")
            return "emergency"
        if asked == "graceful":
            self.refuse_graceful(hostile, unknown)
        return asked

    def refuse_graceful(self, hostile: str, unknown: str) -> None:
        """A leaked key is not kept alive where it does harm."""
        why = f"it was used from {hostile}" if hostile else self._public() or self._powerful() or unknown
        if not why:
            return
        if self.reached("PLANNED") and hostile:
            self.run_of.warn(f"{self.old}: {why}, so it is switched off now")
            self.mode = "emergency"
            return
        self.runner.fail(EvictError(f"{self.old} is not rotated gracefully: {why}", object=self.user.arn, operation="rotate",
                                    remedy="mode: bridge clamps it to the dependents' networks meanwhile; mode: emergency switches it off first"))  # fmt: skip
        self.wait_for("was not rotated: mode graceful is refused")

    @property
    def networks(self) -> list[str]:
        """From where the dependents call: theirs, and what the incident trusts."""
        return sorted({*self.run_of.incident.trusted.networks, *(str(n) for p in self.places for n in p.spec.get("networks") or ())})

    def hostile(self) -> tuple[str, str]:
        """(from where somebody else has used the old key since the incident began, why that is not known)."""
        known = [ipaddress.ip_network(network) for network in self.networks]
        if not known:
            return "", "nobody said from which networks its dependents call, so a call of the attacker cannot be told from theirs"
        since = iso(credentials.kind.begin(self.run_of.incident))
        found, gaps = events.everywhere(self.aws, self.user.account, "AccessKeyId", self.old, seconds=_LOOK, start=since, most=500)
        strange = []
        for event in found:
            source = str(event.get("sourceIPAddress", ""))
            try:
                address = ipaddress.ip_address(source)
            except ValueError:
                continue  # a service on the caller's behalf
            if not any(address.version == net.version and address in net for net in known):
                strange.append(source)
        return ", ".join(sorted(set(strange))[:3]), f"its log could not be read whole ({gaps[0]})" if gaps else ""

    def _public(self) -> str:
        attached = self.reader.get(Call(self.user.target, "iam", "ListAttachedUserPolicies", {"UserName": self.user.name})).get(
            "AttachedPolicies", []
        )
        mark = [p["PolicyName"] for p in attached if str(p.get("PolicyName", "")).startswith("AWSCompromisedKeyQuarantine")]
        return f"AWS found it in public ({mark[0]} is attached to its user)" if mark else ""

    def _powerful(self) -> str:
        asked = {"PolicySourceArn": self.user.arn, "ActionNames": _POWER, "ResourceArns": ["*"]}
        try:
            found = self.aws.call(Call(self.user.target, "iam", "SimulatePrincipalPolicy", asked)).get("EvaluationResults", [])
        except CloudError as error:
            return f"it is not known what it may do ({error.code})"
        may = sorted(row["EvalActionName"] for row in found if row.get("EvalDecision") == "allowed")
        return f"its user may {', '.join(may)}" if may else ""

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
        held = {key for p in self.places for key in keys if key != self.old and self._holds(p, key)}
        used = {key: str((self.last_used(key) or {}).get("LastUsedDate") or "") for key in keys}
        named = {self.options.free_slot} - {""}
        found = slot.decide([{"id": k, "status": v} for k, v in keys.items()], self.old, self.also | named, used, held)
        if found.refused:
            self.runner.fail(EvictError(found.refused, object=self.user.arn, operation="rotate", remedy="nothing was changed"))
            self.wait_for("was not rotated: no slot is free for a new key")
        if found.free:
            asked = credentials.Asked(only={found.free})
            self.carry_out(lambda reader: access_key.steps(self.user, "absent", reader, asked))

    def _holds(self, place: targets.Place, key: str) -> bool:
        try:
            return key in credential_text.identities(targets.KINDS[place.kind].value(place, self.reader), {key})
        except EvictError:
            return False

    def last_used(self, key: str) -> dict[str, t.Any]:
        found: dict[str, t.Any] = (
            self.reader.get(Call(self.user.target, "iam", "GetAccessKeyLastUsed", {"AccessKeyId": key})).get("AccessKeyLastUsed") or {}
        )
        return found

    def minted(self, reader: Reader) -> Iterable[Step]:
        return mint.steps(self.user, self.mint, self.old, reader)

    def mint_key(self) -> None:
        if self.new and self.new not in self.keys():
            with_it = [p.text for p in self.places if self.state_of(p) == "new"]
            self.wait_for(f"the new key {self.new} was deleted by somebody else" + (f"; {', '.join(with_it)} hold it" if with_it else ""))
        pending = [p for p in self.places if self.state_of(p) in ("old", "half")]
        if self.new and pending and not self._secret():
            if secret := self._read_back():
                self.runner.remember(self.mint, {"AccessKey": {"AccessKeyId": self.new, "SecretAccessKey": secret}})
            else:
                self.runner.make_anew(next(iter(self.minted(self.reader))))
        if not self.new:
            self.carry_out(self.minted)
        if self.new:
            self.reach("MINTED", new=self.new)

    def _secret(self) -> str:
        answer = self.runner.answers.get(self.mint)
        return str(plan.dig(answer, ("AccessKey", "SecretAccessKey")) or "") if answer is not None else ""

    def _read_back(self) -> str:
        for place in self.places:
            try:
                if secret := credential_text.secret_of(targets.KINDS[place.kind].value(place, self.reader), self.new):
                    return secret
            except EvictError:
                continue
        return ""

    def distribute(self) -> None:
        """STORED with the first place, DISTRIBUTED with the last; one after the other, so that a stop leaves as few as may be in between."""
        change = targets.Change(self.user.arn, self.old, self.new or "(the new key)", Secret(self.mint, ("AccessKey", "SecretAccessKey")))
        for number, place in enumerate(self.places):
            done = self.runner.done.get(change.step_id(place)) or (self.case.history.get(change.step_id(place)) or {}).get("made")
            found = self.state_of(place)
            if found == "old" or (found == "half" and not done):
                old = (
                    change
                    if self._holds(place, self.old) or place.half
                    else dataclasses.replace(change, old=next(k for k in self.also if self._holds(place, k)))
                )
                self.carry_out(lambda reader, p=place, c=old: targets.KINDS[p.kind].steps(p, c, reader))  # type: ignore[misc]
            if number == 0:
                self.reach("STORED")
        self.reach("DISTRIBUTED", places=[p.id for p in self.places])

    def verify(self) -> None:
        """VERIFIED_NEW: every place shows the new key, and AWS takes it; a new key needs seconds, so it is asked again, and nothing falls back."""
        if self.runner.check or self.reached("VERIFIED_NEW"):
            return
        left = [p for p in self.places if self.state_of(p) not in ("new", "half")]
        if left:
            self.wait_for(f"{', '.join(p.text for p in left)} does not show the new key")
        secret = self._secret() or self._read_back()
        said = "its secret is nowhere to be read" if not secret else ""
        deadline = time.monotonic() + self.options.valid
        while secret and (said := self.aws.attempt((self.new, secret, ""), Call(self.user.target, "sts", "GetCallerIdentity", {}))):
            if time.monotonic() > deadline:
                break
            time.sleep(1.0)
        if said:
            self.wait_for(f"the new key {self.new} is not taken by AWS yet ({said.split(':')[0]}): run again")
        self.reach("VERIFIED_NEW")

    def healthy(self) -> None:
        """Each declared check, several times over; a place that fails it goes back before the old key is touched."""
        if self.runner.check or self.reached("OLD_DISABLED") and self.mode != "emergency":
            return
        for place in self.places:
            said = health.check(self.aws, place) if place.spec.get("check") else ""
            if said and self.mode != "emergency":
                self.roll_back(place)
                self.runner.fail(EvictError(f"{place.text}: its check failed ({said}), so it was given the old key back", object=place.text, operation="health",
                                            remedy="see why it does not work with the new key, then run again"))  # fmt: skip
                self.wait_for(f"{place.text} does not work with the new key; the old one was not touched")
            elif said:
                self.open.append({"object": place.text, "why": f"its check fails: {said}", "due": None})

    def roll_back(self, place: targets.Place) -> None:
        """The Steps of one place, backwards."""
        mine = [d.step for d in self.runner.done.values() if place.id in d.step.id and d.status == "done" and d.step.undo]
        mine += [
            plan.decode(e["made"]["step"] or e["step"])
            for i, e in self.case.history.items()
            if place.id in i and e.get("made") and e.get("step") and not i.startswith("undo:") and i not in {s.id for s in mine}
        ]
        for step in reversed([s for s in mine if s.undo]):
            undone = getattr(targets.KINDS[place.kind], "undone", lambda s: s.before)
            back = dataclasses.replace(step, id=f"undo:{step.id}", before=step.after, after=undone(step), do=step.undo, undo=step.do, needs=(),
                                       action=f"undo: {step.action}", undoes=step.id, irreversible="")  # fmt: skip
            self.carry_out(lambda _r, b=back: [b])  # type: ignore[misc]

    def quiescent(self) -> None:
        """OLD_QUIESCENT: nobody has used the old key since everybody has the new one, by IAM's word, for as long as ``quiet``."""
        if self.runner.check or self.reached("OLD_QUIESCENT"):
            return
        since = parse(self.reached("DISTRIBUTED") or iso(self.aws.now()))
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
        """OLD_DISABLED, and the sessions that it may have minted."""
        asked = credentials.Asked(only=self.compromised)
        self.carry_out(lambda reader: access_key.steps(self.user, "disabled", reader, asked))
        if not self.reached("OLD_DISABLED"):
            cutoff = self.aws.now() + datetime.timedelta(seconds=10)
            self.carry_out(lambda reader: sessions.revoke(self.user, self.run_of.incident, cutoff, reader))
        self.reach("OLD_DISABLED")

    def clamp(self) -> None:
        """The bridge, while the old key is alive."""
        if self.reached("OLD_DISABLED"):
            return
        shared = [p.text for p in self.places if p.spec.get("shared_network")]
        if shared or not self.networks:
            why = f"{', '.join(shared)} calls from a network that others use too" if shared else "no network of a dependent is known"
            self.runner.fail(EvictError(f"{self.old} cannot be bridged: {why}", object=self.user.arn, operation="rotate",
                                        remedy="declare networks of your own, or use mode: emergency"))  # fmt: skip
            self.wait_for("was not rotated: there is no bridge")
        vpcs = sorted({str(v) for p in self.places for v in p.spec.get("vpcs") or ()})
        wanted = bridge.document(self.run_of.incident.sid, self.networks, vpcs, self._assumed())

        self.carry_out(lambda reader: bridge.clamp(self.user, self.run_of.incident, wanted, bool(self.reached("PLANNED")), reader))

    def _assumed(self) -> list[str]:
        """Roles that the old key assumed before the incident's window."""
        begin = iso(credentials.kind.begin(self.run_of.incident))
        found, _gaps = events.everywhere(self.aws, self.user.account, "AccessKeyId", self.old, seconds=_LOOK, most=500)
        return sorted(
            {
                str((e.get("requestParameters") or {}).get("roleArn"))
                for e in found
                if e.get("eventName") == "AssumeRole" and not e.get("errorCode") and str(e.get("eventTime")) < begin
            }
        )

    def unclamp(self) -> None:
        """With the old key off the bridge has no purpose."""
        if self.options.mode != "bridge":
            return
        self.carry_out(lambda reader: bridge.lift(self.user, self.run_of.incident, reader))

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
        self.carry_out(lambda reader: access_key.steps(self.user, "absent", reader, asked))
        self.reach("OLD_DELETED")

    # -- what it comes to --------------------------------------------------------------------------------------------------------

    def row(self) -> dict[str, t.Any]:
        """{user, old, new, mode, state, deadline, places: [{place, state}]}, without a secret."""
        reached = {n["state"] for n in self.notes()} | set(self.states)
        state = next((s for s in reversed(STATES) if s in reached), "")
        limit = self.deadline() if "OLD_DISABLED" not in reached else None
        shown = [{"place": p.text, "state": self._shown.get(p.id, "")} for p in self.places]
        return {
            "user": self.user.arn,
            "old": self.old,
            "new": self.new,
            "mode": self.mode,
            "state": state,
            "deadline": iso(limit) if limit else None,
            "places": shown,
        }
