# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells the responder's own calls from those of whoever sits in its role under its own name: the ids of the access keys that it signs with.

Each run that changes something notes them in the ledger before it does, so that a later one knows them too. They are no secrets.
"""

from __future__ import annotations

import contextlib
import typing as t

from ..common import ledger_record, plan
from ..common.errors import EvictError
from ..common.guard import identity, kind_of
from ..common.ledger_read import read_chains
from ..common.plan import Step
from ..common.store import NotFound
from .session import Aws

if t.TYPE_CHECKING:
    from ..common.case import Case

KEYS, NAMES = "own_keys", "own_names"  # kinds of notes: {"keys": [id]} and {"name"}, under which sessions of the responder are denied


def keys(aws: Aws, case: Case) -> set[str]:
    """Of this run and of all that the case's ledger had when it was opened."""
    return _signing(aws) | {key for note in case.notes(KEYS) for key in note["data"]["keys"]}


def _signing(aws: Aws) -> set[str]:
    return {aws.own_key, *aws.roles.minted} - {""}


def is_own(aws: Aws, case: Case, key: str) -> bool:
    """Whether a run of this case signs with ``key``; asks the store for those that came after ours."""
    if key in keys(aws, case):
        return True
    try:
        later = read_chains(case.store).state.notes.get(KEYS, ())
    except EvictError:
        return False
    return any(key in note["data"]["keys"] for note in later)


def meanwhile(case: Case) -> list[Step]:
    """What other runs of this case, at work beside this one, have set out to do since it was opened, or had not done by then: two jobs may contain at once.

    Clocks of machines differ, so the place in the ledger counts. ``EvictError``: it is not known. A damaged record is none that a run has written.
    """
    ledger = case.ledger
    ended = ledger.state.ended() | {ledger.run}
    chains = ledger_record.layout(case.store.list(ledger_record.FOLDER)).chains
    later = [(run, seq) for run, numbers in chains.items() if run not in ended for seq in numbers if seq > ledger.read.get(run, 0)]
    found: list[Step] = [plan.decode(entry["step"]) for entry in ledger.under_way if entry["run"] not in ended]
    answers = case.store.get_many(ledger_record.path(run, seq) for run, seq in later)
    for (run, seq), (_path, data) in zip(later, answers, strict=True):
        if isinstance(data, bytes):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                found += plan.decode(ledger_record.parse(data, run, seq).get("intents", []))
        elif not isinstance(data, NotFound):
            raise data
    return found


class Journal:
    """The ledger of a run, in which it says with which keys it signs before it changes anything."""

    def __init__(self, case: Case, aws: Aws) -> None:
        self._case, self._aws = case, aws
        self._told: set[str] = set()
        self.outcome = case.ledger.outcome

    def intent(self, steps: list[dict[str, t.Any]], urgent: bool = False) -> None:
        if new := _signing(self._aws) - self._told:
            self._told |= new
            self._case.note(KEYS, {"keys": sorted(new)})
        self._case.ledger.intent(steps, urgent)


def under_another_name(aws: Aws, case: Case) -> None:
    """A name that was found in wrong hands is not used again: its sessions are denied."""
    if aws.roles.name in {note["data"]["name"] for note in case.notes(NAMES)}:
        aws.roles.rename()


def names(aws: Aws, role: str) -> list[str]:
    """Of the responder's own sessions of ``role`` (ARN); [] for a role that it does not work under."""
    mine = aws.caller["arn"]
    found = {aws.roles.name} if identity(role) in (identity(aws.responder_arn(role.split(":")[4])), identity(aws.management_arn)) else set()
    return sorted(found | ({mine.rsplit("/", 1)[-1]} if kind_of(mine) == "assumed-role" and identity(mine) == identity(role) else set()))


def leave(aws: Aws, case: Case, account: str, arn: str, session: str) -> str:
    """Called before ``session`` of the role ``arn`` is denied: if the responder works under that name itself, it goes on under another one.

    Why it cannot be denied, where nothing tells the two apart; "" when it can.
    """
    mine = aws.caller["arn"]
    if kind_of(mine) == "assumed-role" and (identity(mine), mine.rsplit("/", 1)[-1]) == (identity(arn), session):
        return f"its session {session} has the name of the responder's own, so it is not denied: run again from another identity"
    own = {identity(aws.responder_arn(account)), identity(aws.management_arn)}
    if session == aws.roles.name and identity(arn) in own:
        if not case.check:
            case.note(NAMES, {"name": session})
        aws.roles.rename()
        case.warnings.append(
            f"somebody else has a session of {arn} under the responder's own name {session}: sessions of that name are denied, and this run goes on as"
            f" {aws.roles.name}; another run that works there under the old name has to be started again"
        )
    return ""
