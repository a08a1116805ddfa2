# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb: the compromised access keys of the users of a case, each by a machine of its own."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ...common import suspect as suspects
from ...common.case import Case
from ...common.errors import EvictError, InvalidInput
from ...common.reader import Reader
from ...common.run import Runner
from ...common.schema import show
from ..credentials import access_key
from ..principal import Principal
from ..respond import Response
from ..session import Aws, parse
from . import options as chosen
from .machine import Machine


class Rotation(Response):
    """One run over a case. Nobody is denied anything but the old key."""

    cuts = False

    def __init__(self, aws: Aws, case: Case, runner: Runner, options: chosen.Options, dependents: list[t.Any], where: str) -> None:
        super().__init__(aws, case, runner)
        self.options, self.dependents, self.where = options, dependents, where
        self.machines: list[Machine] = []

    def _take(self, suspect: t.Any, start: bool = True) -> None:
        """A key that has been rotated away is nobody's any more; whose it was stands in the ledger."""
        user = next((n["data"]["user"] for n in self.case.notes("rotation") if n["data"]["old"] == suspect.value), "")
        super()._take(suspects.only(user) if user else suspect, start)

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
        for principal in found:
            if principal.kind != "user":
                continue  # it holds no keys of its own; its sessions end by themselves, or by contain
            try:
                self._rotate(principal)
            except EvictError as error:
                self.runner.fail(error, principal.arn)

    def _rotate(self, user: Principal) -> None:
        keys = {str(k["id"]) for k in access_key.held(user, Reader(self.runner.clouds))}
        known = {n["data"]["old"] for n in self.case.notes("rotation") if n["data"]["user"] == user.arn}
        made = {n["data"].get("new") for n in self.case.notes("rotation") if n["data"]["user"] == user.arn}
        bad = {k for k in user.compromised if k.startswith("AKIA")} | (keys - made if user.whole else set())
        places = chosen.places(self.dependents, user, self.where)
        if not bad and not known:
            raise EvictError(f"no access key of {user.arn} is known to be compromised", object=user.arn, operation="rotate",
                             remedy="name the key in the incident, as - {cloud: aws, access_key_id: AKIA...}")  # fmt: skip
        # One new key takes the place of all: the one that dependents hold is the one that is rotated, the others go with it.
        old = min(known) if known else self._held(bad, places, user) or min(bad)
        machine = Machine(self, user, old, bad - {old}, places, self.options)
        self.machines.append(machine)
        self._extend(machine)
        machine.run()

    def _held(self, keys: set[str], places: list[t.Any], user: Principal) -> str:
        probe = Machine(self, user, "", set(), places, self.options)
        return next((key for key in sorted(keys) for place in places if probe._holds(place, key)), "")

    def _extend(self, machine: Machine) -> None:
        """Only a named person gives a leaked key more time."""
        if not self.options.deadline:
            return
        said = {"deadline": self.options.deadline, "by": self.options.by, "reason": self.options.reason}
        known = [n for n in machine.notes() if n["state"] == "EXTENDED" and {k: n.get(k) for k in said} == said]
        if not known:
            machine.reach("EXTENDED", **said)


def rotate(aws: Aws, case: Case, runner: Runner, params: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The body of ``aws_credential_rotation``: params are its options."""
    given: dict[str, str] = {k: params.get(k) or "" for k in ("free_slot", "deadline", "by", "reason")}
    if given["deadline"]:
        _named(given)
    quiet, soak, valid = (chosen.seconds(params[k], k) for k in ("quiet", "soak", "valid"))
    options = chosen.Options(
        params["mode"] or case.incident.mode, quiet, soak, valid, given["free_slot"], given["deadline"], given["by"], given["reason"]
    )
    declared = params["dependents"] if params["dependents"] is not None else case.incident.dependents
    run = Rotation(aws, case, runner, options, list(declared), "options" if params["dependents"] is not None else "incident")
    run.run()
    failed = run.refused + runner.failures
    waiting = [row for machine in run.machines for row in machine.open]
    status = ("partial" if any(m.new for m in run.machines) else "refused") if failed else "open" if waiting else "ok"
    return {
        "status": status, "incident": case.incident.id, "principals": [p.row() for p in run.principals.values()], "failed": failed, "open": waiting,
        "residual": [], "rotation": [m.row() for m in run.machines],
    }  # fmt: skip


def _named(given: Mapping[str, t.Any]) -> None:
    problems = [(key, "is missing: who gives a leaked key more time is named") for key in ("by", "reason") if not given[key]]
    try:
        parse(given["deadline"])
    except ValueError:
        problems.append(("deadline", f"is no time (RFC 3339): {show(given['deadline'])}"))
    if problems:
        raise InvalidInput("the deadline was refused", problems)
