# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb: the compromised access keys of the users of a case, each by a machine of its own."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

from ...common import durations, replacements
from ...common import suspect as suspects
from ...common.case import Case
from ...common.errors import EvictError, InvalidInput
from ...common.reader import Reader
from ...common.run import Runner
from ...common.schema import show
from ..credentials import access_key
from ..principal import Principal
from ..respond import Response
from ..session import Aws, iso, parse
from . import fenced
from . import options as chosen
from .kinds import replacing
from .machine import Machine


class Rotation(Response):
    """One run over a case. Nobody is denied anything but the old key."""

    cuts = False

    def __init__(self, aws: Aws, case: Case, runner: Runner, options: chosen.Options, dependents: list[t.Any], where: str) -> None:
        super().__init__(aws, case, runner)
        self.options, self.dependents, self.where = options, dependents, where
        self.machines: list[Machine] = []
        self.kinds: tuple[str, ...] = (access_key.KIND, *replacements.KINDS)  # which are rotated
        self.replaced: list[replacing.Replacing] = []
        self.unresolved: set[str] = set()  # suspects of AWS of whom it was not found who they are

    def _take(self, suspect: t.Any, start: bool = True) -> None:
        """A key that has been rotated away is nobody's any more; whose it was stands in the ledger."""
        user = next((n["data"]["user"] for n in self.case.notes("rotation") if n["data"]["old"] == suspect.value), "")
        taken = suspects.only(user) if user else suspect
        super()._take(taken, start)
        if taken.path not in self.resolved and taken.cloud == "aws" and not any(row["suspect"] == taken.value for row in self.left):
            self.unresolved.add(suspect.value)

    def remember(self, suspect: t.Any, principal: Principal) -> None:
        """The user of a key that has been rotated away was not named itself."""
        if suspect in self.suspects:
            super().remember(suspect, principal)
        else:
            principal.whole = False

    def start(self, principal: Principal) -> None:
        """Collected; they are handled one after the other, when all have been resolved and guarded."""

    def run(self) -> None:
        self.take(self.suspects)
        self.runner.wait()
        found = list(self.principals.values())
        if found and not any(principal.kind == "user" for principal in found):
            names = ", ".join(principal.arn for principal in found)
            self.runner.fail(
                EvictError(f"no suspect is a user, and only users hold access keys: {names}", object=self.incident.id, operation="rotate")
            )
        users = [
            principal for principal in found if principal.kind == "user"
        ]  # others hold no keys; their sessions end by themselves, or by contain
        if access_key.KIND in self.kinds:
            self.handle(users)
        self.replaced = replacing.run(self, users, self.kinds)

    def handle(self, users: list[Principal]) -> None:
        """Each user's rotation, as far as it goes."""
        for principal in users:
            try:
                self._prepare(principal, alone=len(users) == 1)
            except EvictError as error:
                self.runner.fail(error, principal.arn)
        if len(users) > 1:
            self._share()
        for machine in self.machines:
            self.step(machine, lambda m=machine: fenced.warn(self.case, m, Reader(self.runner.clouds)))  # type: ignore[misc]
        # All keys end, or are clamped, before any place is written: each user is a suspect to the places of the others.
        begun = [machine for machine in self.machines if self.step(machine, machine.begin)]
        ready = [machine for machine in begun if self.step(machine, machine.ready)]
        for machine in ready:
            self.step(machine, machine.go_on)

    def step(self, machine: Machine | replacing.Replacing, step: Callable[[], t.Any]) -> bool:
        try:
            return bool(step())
        except EvictError as error:
            self.runner.fail(error, machine.user.arn)
            return False

    def _prepare(self, user: Principal, alone: bool) -> None:
        keys = {str(k["id"]) for k in access_key.held(user, Reader(self.runner.clouds))}
        notes = [n["data"] for n in self.case.notes("rotation") if n["data"]["user"] == user.arn]
        known = {str(n["old"]) for n in notes}
        minted = {old: self._minted(user, old, notes) for old in known}
        made = set().union(*minted.values())
        named = {k for k in {*user.compromised, *(s.value for s in self.suspects)} if k.startswith("AKIA")}
        again = named & made - {n["data"]["suspect"] for n in self.case.notes("verdict")}  # our own new key leaked as well
        bad = {k for k in user.compromised | self._found(user) if k.startswith("AKIA")} | again | ((keys - made) if user.whole else set())
        bad -= made - again
        places = chosen.places(self.dependents, user, self.where)
        if not bad and not known:
            if replacing.declared(self.incident, user):
                return  # of it something else is replaced
            raise EvictError(f"no access key of {user.arn} is known to be compromised", object=user.arn, operation="rotate",
                             remedy="name the key in the incident, as - {cloud: aws, access_key_id: AKIA...}")  # fmt: skip
        # One new key takes the place of all: the one that dependents hold is the one that is rotated, the others go with it.
        alive = bad & keys or bad
        old = min(known - made or known) if known else self._held(alive, places, user) or min(alive)
        passed: set[str] = set()
        while again & minted.get(old, set()) - passed:  # a new key that is a suspect now is the old one of a rotation of its own
            passed.add(old)
            old = min(again & minted[old] - passed)
        machine = Machine(self, user, old, (bad | passed) - {old}, places, self.options, alone)
        self.machines.append(machine)
        self.extend(machine)

    def _found(self, user: Principal) -> set[str]:
        """Keys of the user that an earlier run of the case found in wrong hands: what the attacker made may take the second slot."""
        cleared = {n["data"]["suspect"] for n in self.case.notes("verdict")}
        notes = [n["data"] for n in self.case.notes("suspect") if n["data"]["arn"] == user.arn]
        return {str(key) for n in notes if not cleared & {n["suspect"], n["source"]} for key in n["keys"]}

    def _minted(self, user: Principal, old: str, notes: list[dict[str, t.Any]]) -> set[str]:
        """Ids of all keys that this case made in the place of ``old``."""
        noted = {str(n["new"]) for n in notes if n["old"] == old and n.get("new")}
        return noted | ({Machine(self, user, old, set(), [], self.options).new} - {""})

    def _share(self) -> None:
        """Of several users each gets the places that hold a key of its own. What holds none is everybody's, and refused by name."""
        mine = [[p.spec for p in m.places if any(m.holds(p, k) for k in {*m.compromised, m.new} - {""})] for m in self.machines]
        for machine, own in zip(self.machines, mine, strict=True):
            machine.places = [p for p in machine.places if p.spec in own or not any(p.spec in others for others in mine)]

    def _held(self, keys: set[str], places: list[t.Any], user: Principal) -> str:
        probe = Machine(self, user, "", set(), places, self.options)
        return next((key for key in sorted(keys) for place in places if probe.holds(place, key)), "")

    def extend(self, machine: Machine | replacing.Replacing) -> None:
        """Only a named person gives a leaked key more time. Each word of theirs is noted; the last one counts."""
        if not self.options.deadline or self.runner.check:
            return
        said = {"deadline": self.options.deadline, "by": self.options.by, "reason": self.options.reason}
        known = [{k: n.get(k) for k in said} for n in machine.notes() if n["state"] == "EXTENDED"]
        if known[-1:] != [said]:
            machine.note({"state": "EXTENDED", "at": iso(self.aws.now()), "mode": machine.mode, **said})


def read(params: Mapping[str, t.Any], mode: str = "") -> chosen.Options:
    """What the options of ``aws_credential_rotation`` say; ``mode``: where they do not say it. Raises InvalidInput."""
    given: dict[str, str] = {k: params.get(k) or "" for k in ("free_slot", "deadline", "by", "reason")}
    if given["deadline"]:
        _named(given)
    quiet, soak, valid = (durations.seconds(params[k], k) for k in ("quiet", "soak", "valid"))
    return chosen.Options(params["mode"] or mode, quiet, soak, valid, given["free_slot"], given["deadline"], given["by"], given["reason"])


def rotate(aws: Aws, case: Case, runner: Runner, params: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The body of ``aws_credential_rotation``: params are its options."""
    options = read(params, case.incident.mode)
    declared = params["dependents"] if params["dependents"] is not None else case.incident.dependents
    run = Rotation(aws, case, runner, options, list(declared), "options" if params["dependents"] is not None else "incident")
    run.kinds = tuple(params.get("kinds") or run.kinds)
    run.run()
    by_hand = [row for one in run.replaced for row in one.manual]
    failed = run.refused + runner.failures
    waiting = [row for machine in run.machines for row in machine.open] + fenced.rows(case, run.machines, Reader(runner.clouds))
    waiting += [row for one in run.replaced for row in one.open]
    status = (
        ("partial" if any(m.new for m in run.machines) or any(one.reached("MINTED") for one in run.replaced) else "refused")
        if failed
        else "open"
        if waiting
        else "ok"
    )
    return {
        "status": status, "incident": case.incident.id, "principals": [p.row() for p in run.principals.values()], "failed": failed, "open": waiting,
        "residual": [], "rotation": [m.row() for m in run.machines], "replaced": [one.row() for one in run.replaced], "manual": by_hand,
    }  # fmt: skip


def _named(given: Mapping[str, t.Any]) -> None:
    problems = [(key, "is missing: who gives a leaked key more time is named") for key in ("by", "reason") if not given[key]]
    try:
        zone = parse(given["deadline"]).tzinfo
    except ValueError:
        zone = None
    if zone is None:
        problems.append(("deadline", f"is no time with a zone (RFC 3339): {show(given['deadline'])}"))
    if problems:
        raise InvalidInput("the deadline was refused", problems)
