# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KMS keys whose deletion was scheduled (T1485): in 7 to 30 days all that is encrypted under one is lost.

A cancelled deletion leaves the key disabled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.errors import CloudError
from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from .kind import Clock, Started, named, newest, stop, unread

KIND = "kms_key"
NOUN = "KMS keys"
EARLY = False
EVENTS = named("kms", "ScheduleKeyDeletion", "DeleteImportedKeyMaterial")
LISTED: tuple[str, ...] = ("ScheduleKeyDeletion",)
READS: tuple[str, ...] = ("kms:DescribeKey",)
_PENDING = ("PendingDeletion", "PendingReplicaDeletion")
_GONE = ("NotFoundException",)


def _key(one: Started) -> str:
    name = one.answered("keyId") or one.asked("keyId")
    return name if name.startswith("arn:") or not name else one.arn_of("kms", f"key/{name}")


def _describe(target: Target, key: str) -> Call:
    return Call(target, "kms", "DescribeKey", {"KeyId": key})


def found(target: Target, started: Iterable[Started], reader: Reader) -> Iterator[Clock]:
    """Keys that were to be deleted, and those whose imported material is gone."""
    calls = list(started)
    for key, one in newest(calls, _key, "ScheduleKeyDeletion").items():
        text, what = f"KMS key {key}", f"deletion, scheduled by {one.by}"
        try:
            seen = reader.get(_describe(target, key)).get("KeyMetadata", {})
        except CloudError as error:
            if error.code not in _GONE:
                yield unread(target, key, one, text, what, error)
            elif one.principal:
                yield Clock(
                    target,
                    key,
                    one.principal,
                    text,
                    what,
                    state="failed",
                    why="the key is gone, and what is encrypted under it alone is lost",
                )
            continue
        state, due = str(seen.get("KeyState")), str(seen.get("DeletionDate") or "")
        if state in _PENDING:
            remedy = f"whoever the key's policy lets administer it (or AWS Support) has to cancel the deletion before {due or 'its date'}"
            yield Clock(target, key, one.principal, text, what, due, why=one.left, remedy=remedy, data={"state": state})
        elif one.principal:
            why = "it stays disabled until you enable it" if state == "Disabled" else f"it is {state}"
            yield Clock(target, key, one.principal, text, what, state="stopped", why=why)
    for key, one in newest(calls, _key, "DeleteImportedKeyMaterial").items():
        yield from _material(target, key, one, reader)


def _material(target: Target, key: str, one: Started, reader: Reader) -> Iterator[Clock]:
    text, what = f"KMS key {key}", f"its imported key material, deleted by {one.by}"
    name = f"{key}/material"
    try:
        lost = reader.get(_describe(target, key)).get("KeyMetadata", {}).get("KeyState") == "PendingImport"
    except CloudError as error:
        yield unread(target, name, one, text, what, error)
        return
    if lost and one.principal:
        yield Clock(target, name, one.principal, text, what, why="only who holds the same material can import it again")


def steps(clock: Clock) -> Iterator[Step]:
    """Cancelled. The key is left disabled, as AWS leaves it."""
    probe = Probe(_describe(clock.target, clock.id), ("KeyMetadata", "KeyState"))
    do = Call(clock.target, "kms", "CancelKeyDeletion", {"KeyId": clock.id})
    why = "its deletion is not scheduled again: who wants the key gone decides that anew. It is disabled until somebody enables it"
    yield stop(clock, KIND, [do], probe, clock.data["state"], "Disabled", "cancel its deletion", irreversible=why)
