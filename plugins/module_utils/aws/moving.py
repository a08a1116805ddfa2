# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A containment in mode graceful or bridge: the users whose dependents are moved to a new key before the old one is cut.

All else is cut at once, as in an emergency. Of such a user the key of its dependents waits for the rotation, which this run carries as far as it goes. A user
is never denied as a whole while its dependents work with its new key: such a deny would stop that as well, and what was compromised of it is switched off.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import threading
import typing as t
from collections.abc import Collection, Iterable, Mapping

from ..common import plan
from ..common.errors import CloudError, EvictError, Refused
from ..common.guard import identity
from ..common.plan import Step
from ..common.reader import Reader
from . import credentials, live, policy
from .credentials import access_key
from .principal import Principal, user
from .session import iso

if t.TYPE_CHECKING:
    from .account_state import Change
    from .contain import Containment
    from .events import Event

WAITS, MOVED, CUT = "waits", "moved", "cut"
PURPOSE = "bridge"


class Moving:
    """One run's. ``machines``: the rotations that it carried on; ``recovered``: as ``Runner.recover`` says it."""

    def __init__(self, run: Containment) -> None:
        self.run, self.case, self.incident, self.runner = run, run.case, run.incident, run.runner
        self.on = self.incident.mode != "emergency"
        self.places = [d for d in self.incident.dependents if isinstance(d, Mapping)]
        self.machines: list[t.Any] = []
        self.recovered: list[str] = []
        self.through: set[str] = set()  # VPC endpoints through which a key of a suspect was used
        self._states: dict[str, str] = {}
        self._lock = threading.RLock()

    def refuse(self) -> None:
        """Raises ``Refused`` where the mode asks for dependents first, and none is declared that could be moved."""
        if not self.on:
            return
        from . import targets

        if not any(d["kind"] in targets.KINDS for d in self.places):
            raise Refused(
                f"incident {self.incident.id} is in mode {self.incident.mode}, in which dependents are moved before anything is cut, and it declares none that"
                " could be", object=self.incident.id, operation="contain", remedy="declare them under dependents (dependents.yml finds who uses the key), or"
                " set mode: emergency in the incident file to cut now",
            )  # fmt: skip

    # -- whose key waits ---------------------------------------------------------------------------------------------------------

    def _notes(self, arn: str) -> list[dict[str, t.Any]]:
        return [n["data"] for n in self.case.notes("rotation") if n["data"].get("user") == arn]

    def made(self, arn: str) -> set[str]:
        """Ids of the keys that rotations of this case made for the user, and that nobody has named as a suspect since."""
        prefix = f"{arn}#rotation/"
        minted = [i for i in list(self.runner.answers) if i.startswith(prefix) and "/" not in i.removeprefix(prefix)]
        found = {str(plan.dig(self.runner.answers[i], ("AccessKey", "AccessKeyId")) or "") for i in minted}
        found |= {str(n["new"]) for n in self._notes(arn) if n.get("new")}
        return found - {"", *(s.value for s in self.incident.suspects)}

    def state(self, principal: Principal) -> str:
        """``waits``: its dependents use a compromised key; ``moved``: what was compromised is off, and they have another; ``cut``: as in an emergency."""
        if not self.on or principal.kind != "user" or principal.discovered or principal.only:
            return CUT
        key = identity(principal.arn)
        with self._lock:
            if key not in self._states:
                self._states[key] = self._decide(principal)
            return self._states[key]

    def _decide(self, principal: Principal) -> str:
        if not any(n["state"] == "OLD_DISABLED" for n in self._notes(principal.arn)):
            return WAITS
        try:
            held, made = access_key.held(principal, Reader(self.runner.clouds)), self.made(principal.arn)
        except EvictError:
            return WAITS  # the rotation names it
        bad = {k["id"] for k in held if k["status"] == "Active" and k["id"] not in made} & self._compromised(principal, held)
        return WAITS if bad else MOVED

    def _compromised(self, principal: Principal, held: Iterable[Mapping[str, t.Any]]) -> set[str]:
        return {str(k["id"]) for k in held} if principal.whole else {*principal.compromised, *(s.value for s in self.incident.suspects)}

    def spares(self, principal: Principal) -> bool:
        """Whether it is not denied as a whole."""
        return self.state(principal) != CUT

    # -- what is done to it at once ----------------------------------------------------------------------------------------------

    def fence(self, principal: Principal, reader: Reader) -> Iterable[Step] | None:
        """What stands in the place of the fence: in mode bridge the clamp, as far as it can be known before a log is read. None: the fence itself."""
        state = self.state(principal)
        if state == CUT:
            return None
        if state == MOVED or self.incident.mode != "bridge":
            return ()
        return list(self._clamp(principal, reader))

    def _clamp(self, principal: Principal, reader: Reader) -> Iterable[Step]:
        from .rotation import bridge

        networks, vpcs = self.networks, sorted({str(v) for d in self.places for v in d.get("vpcs") or ()})
        if not bridge.possible(self.places):
            return  # the rotation refuses it by name
        before = policy.present(principal, self.incident, PURPOSE, reader)
        roles = next((n["roles"] for n in self._notes(principal.arn) if n["state"] == "CLAMPED"), None)
        wanted = before or bridge.document(self.incident.sid, networks, vpcs, roles)
        yield bridge.step(principal, self.incident, wanted, before)

    def only(self, principal: Principal, kind: credentials.Kind, reader: Reader) -> Collection[str] | None:
        """The ids of a kind of credential that are disabled now; None: all."""
        if principal.only:
            return principal.only
        try:
            return self._only(principal, kind, reader)
        except CloudError as error:  # as the kind itself would say it
            raise credentials.unknown(kind, principal, error) from error

    def _only(self, principal: Principal, kind: credentials.Kind, reader: Reader) -> Collection[str] | None:
        if kind.KIND != access_key.KIND:
            from .rotation.kinds import replacing

            # What a rotation replaced is nobody else's.
            made = replacing.made_for(self.case, principal.arn, kind.KIND) - {str(s.value) for s in self.incident.suspects}
            password = kind.KIND == "login_profile"
            return (
                {str(one["id"]) for one in kind.held(principal, reader) if str(one["created" if password else "id"]) not in made}
                if made
                else None
            )
        spared, waits = self.made(principal.arn), self.state(principal) == WAITS
        if not spared and not waits:
            return None
        held = access_key.held(principal, reader)
        if waits:
            spared |= self._wait(principal, held, spared)
        found = {str(k["id"]) for k in held}
        return found - spared if spared & found else None

    def _wait(self, principal: Principal, held: list[dict[str, t.Any]], made: set[str]) -> set[str]:
        """The keys that are left for now: those of dependents, and what is neither known to be compromised nor made in the window that the incident gives."""
        keys = [k for k in held if k["id"] not in made]
        if len(keys) < 2:
            return {str(k["id"]) for k in keys}
        in_use = self._in_use(principal, {str(k["id"]) for k in keys})
        asked = credentials.Asked.by(self.incident) if self.incident.window.start else credentials.ALL  # which has no window
        bad = self._compromised(principal, held)
        old = min((i for i in in_use & bad), default=min((str(k["id"]) for k in keys if k["id"] in bad), default=""))
        return {
            str(k["id"]) for k in keys if k["id"] == old or k["id"] in in_use or not (k["id"] in bad or asked.during(str(k["created"])))
        }

    def _in_use(self, principal: Principal, keys: set[str]) -> set[str]:
        """Those of ``keys`` that a declared place holds; all, where one cannot be read."""
        from ..common import credential_text
        from . import targets
        from .rotation import options

        found: set[str] = set()
        for place in options.places(self.places, principal, "incident"):
            try:
                values = targets.values(targets.KINDS[place.kind], place, Reader(self.runner.clouds))
                found |= set().union(*(credential_text.identities(value, keys) for value in values if value is not None))
            except EvictError:
                return keys
        return found

    def announce(self, principal: Principal, line: dict[str, t.Any]) -> dict[str, t.Any]:
        """The line of a principal before it is touched, as it is true of one whose key waits."""
        state = self.state(principal)
        if state == CUT:
            return line
        rest = str(line["cut"]).removeprefix("everything: deny, ")
        if state == MOVED:
            return {**line, "cut": f"all but the new key of its dependents: {rest}", "breaks": []}
        clamp = ", which works from their networks only" if self.incident.mode == "bridge" else ""
        waits = f"all but the key of its dependents{clamp}, until they are moved: {rest}"
        return {**line, "cut": waits, "breaks": ["whatever runs with its sessions or its other credentials"]}

    # -- whose calls, whose roles ------------------------------------------------------------------------------------------------

    @property
    def networks(self) -> tuple[str, ...]:
        """What the incident trusts, and from where dependents call."""
        declared = (str(n) for d in self.places for n in d.get("networks") or ()) if self.on else ()
        return tuple(dict.fromkeys((*self.incident.trusted.networks, *sorted(declared))))

    def legitimate(self, event: Event) -> bool:
        """Whether a call with a suspect's key came from where its dependents call: what it opened is theirs, and is not followed."""
        who = event.get("userIdentity") or {}
        key, principal = str(who.get("accessKeyId") or ""), self.run.principals.get(identity(str(who.get("arn") or "")))
        if (
            not self.on
            or not key.startswith("AKIA")
            or principal is None
            or not self.spares(principal)
            or self.run.findings.made_by_suspects(key)
        ):
            return False
        if event.get("vpcEndpointId") and any(d.get("vpcs") for d in self.places):
            self.through.add(str(event["vpcEndpointId"]))
            return True
        try:
            address = ipaddress.ip_address(str(event.get("sourceIPAddress")))
        except ValueError:
            return False
        known = [ipaddress.ip_network(n) for n in self.networks]
        return any(address.version == n.version and address in n for n in known)

    def role_action(self, role: Principal) -> str:
        """What is done to a role that was assumed with such a key: its dependents may hold sessions of it, and these work from their networks on."""
        if self.incident.role_action != "auto" or role.forced or role.planted or not role.discovered:
            return ""
        sources = [p for s in role.sources if (p := self.run.principals.get(identity(s)))]
        if not any(self.spares(p) for p in sources):
            return ""
        return "session" if any(d.get("vpcs") for d in self.places) or not self.networks else "clamp"

    def made_by_us(self, change: Change) -> bool:
        """Whether a difference between two looks at an account is a key of a rotation."""
        if change.facet == "password":
            from .rotation.kinds import replacing

            return str(change.after) in replacing.made_for(self.case, change.arn, "login_profile")
        kind, _slash, key = change.facet.partition("/")
        return kind == "key" and key in self.made(change.arn)

    def resolve(self, suspect: t.Any) -> Principal | None:
        """Whose a key was that has been rotated away: AWS does not know it any more. Nothing else of that user is compromised for it."""
        old = [
            n["data"]["user"]
            for n in self.case.notes("rotation")
            if n["data"]["old"] == suspect.value and n["data"]["state"] == "OLD_DELETED"
        ]
        if not old:
            return None
        found = user(self.run.aws, old[0].split(":")[4], old[0].rsplit("/", 1)[-1], suspect.value)
        found.compromised.add(suspect.value)
        return found

    # -- the rotation ------------------------------------------------------------------------------------------------------------

    def rotate(self) -> None:
        """As far as it goes in this run. Where the grace is over and the old key could not be switched off, its user is cut as in an emergency."""
        users = [p for p in list(self.run.principals.values()) if self.spares(p)]
        if not users:
            return
        self.runner.wait()
        from .rotation import options, verb

        if not self.runner.check:  # the key of a run that was killed is an orphan before it is in the way
            self.recovered += self.runner.recover(self.case.ledger.open_intents())
        chosen = options.Options(self.incident.mode, self.run.options.quiet, self.run.options.soak)
        rotation = verb.Rotation(self.run.aws, self.case, self.runner, chosen, list(self.incident.dependents), "incident")
        rotation.principals, rotation.suspects, rotation.resolved = self.run.principals, self.run.suspects, self.run.resolved
        left = {row["suspect"] for row in self.run.left}
        unknown = [s for s in self.run.suspects if s.cloud == "aws" and s.path not in self.run.resolved and s.value not in left]
        rotation.unresolved = {str(s.value) for s in unknown}
        for principal in users:
            principal.inline = None  # the listing is from before our own policies
        rotation.handle(users)
        self.machines = rotation.machines
        for machine in self.machines:
            self._after(machine)
        self.runner.wait()

    def _after(self, machine: t.Any) -> None:
        principal, before = machine.user, self.state(machine.user)
        with self._lock:
            self._states.pop(identity(principal.arn), None)
        if machine.cut and self.state(principal) == WAITS and not self.runner.check:
            with self._lock:
                self._states[identity(principal.arn)] = CUT
            self.run.warn(f"{machine.old} of {principal.arn} could not be switched off: its user is denied everything")
        if (now := self.state(principal)) != before:
            clamp = f"{principal.arn}#policy/{self.incident.policy_name(PURPOSE)}"
            if now == MOVED and (done := self.runner.done.get(clamp)):  # it was taken away by us
                self.runner.done[clamp] = dataclasses.replace(done, step=dataclasses.replace(done.step, after=None))
            principal.inline = None
            self.run.cut(principal)

    # -- what is said ------------------------------------------------------------------------------------------------------------

    def waits(self, principal: Principal) -> bool:
        return self.state(principal) == WAITS

    def claim(self, principal: Principal, claimed: dict[str, t.Any]) -> dict[str, t.Any]:
        """What may be said of a user whose key waits; of one whose old key is off, since when."""
        if self.runner.check or not self.spares(principal):
            return claimed
        if not self.waits(principal):
            off = max((str(n["at"]) for n in self._notes(principal.arn) if n["state"] == "OLD_DISABLED"), default="")
            return {**claimed, "contained_at": max(claimed["contained_at"], off)} if claimed["contained_at"] else claimed
        clamped = self.runner.done.get(f"{principal.arn}#policy/{self.incident.policy_name(PURPOSE)}")
        held = clamped is not None and clamped.step.after is not None and clamped.status in ("done", "already")
        how = "works from their networks alone" if held else "works"
        return {"action": f"not cut yet: the key of its dependents {how} until they are moved", "contained_at": None, "proof": "unknown"}

    def residual(self) -> list[dict[str, t.Any]]:
        """The old keys that are alive."""
        found = []
        for machine in self.machines:
            if self.waits(machine.user) and not self.runner.check:
                limit = machine.deadline()
                until = iso(limit) if limit else "it is switched off"
                what = f"access key {machine.old}, and what it mints"
                found.append(
                    {"object": machine.user.arn, "token_kind": what, "until": until, "why": "its dependents use it: run again to go on"}
                )
        return found

    def open_items(self) -> list[dict[str, t.Any]]:
        from .rotation import fenced

        found = [row for machine in self.machines for row in machine.open]
        found += fenced.rows(self.case, self.machines, Reader(self.runner.clouds))
        found += [{"object": name, "why": "a suspect's key was used through it, which was taken for its dependents: look at it", "due": None}
                  for name in sorted(self.through)]  # fmt: skip
        return found + [self._left(p) for p in list(self.run.principals.values()) if self.spares(p) and self._started(p)]

    def _started(self, principal: Principal) -> list[str]:
        kept = self.run.scope.kept if self.run.scope else []
        mine = [e for e in kept if identity(str((e.get("userIdentity") or {}).get("arn") or "")) == identity(principal.arn)]
        return sorted({str(e["eventName"]) for e in mine if (e.get("eventSource"), e.get("eventName")) in live.EVENTS})

    def _left(self, principal: Principal) -> dict[str, t.Any]:
        calls = ", ".join(self._started(principal))
        why = f"from elsewhere than its dependents {calls} was called: what that started was not ended, since theirs looks the same"
        return {"object": principal.arn, "why": why, "due": None}

    def rows(self) -> list[dict[str, t.Any]]:
        return [machine.row() for machine in self.machines]
