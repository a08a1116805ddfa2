# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets whose deletion was scheduled (T1485): Secrets Manager keeps them for 7 to 30 days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.errors import CloudError
from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from .kind import Clock, Started, named, newest, stop, unread

KIND = "secret"
NOUN = "secrets"
EARLY = False
EVENTS = named("secretsmanager", "DeleteSecret")
LISTED: tuple[str, ...] = ("DeleteSecret",)
READS: tuple[str, ...] = ("secretsmanager:DescribeSecret",)
_GONE = ("ResourceNotFoundException",)


def _secret(one: Started) -> str:
    """Its ARN, which no other secret of the same name ever has."""
    return one.answered("arn") or one.asked("secretId")


def _describe(target: Target, name: str) -> Call:
    return Call(target, "secretsmanager", "DescribeSecret", {"SecretId": name})


def found(target: Target, started: Iterable[Started], reader: Reader) -> Iterator[Clock]:
    """Secrets that were to be deleted, and those that were deleted at once."""
    for name, one in newest(started, _secret, "DeleteSecret").items():
        text, what = f"secret {name}", f"deletion, scheduled by {one.by}"
        try:
            seen = reader.get(_describe(target, name))
        except CloudError as error:
            if error.code not in _GONE:
                yield unread(target, name, one, text, what, error)
            elif one.principal:
                yield Clock(
                    target,
                    name,
                    one.principal,
                    text,
                    f"deleted by {one.by} at {one.at}",
                    state="failed",
                    why=_gone(target, name, one, reader),
                )
            continue
        due = str(seen.get("DeletedDate") or "")
        if due:
            remedy = f"restore it by hand before {due}: aws secretsmanager restore-secret; its replicas and its key have to be there"
            yield Clock(
                target, name, one.principal, text, what, due, why=one.left, remedy=remedy, data={"arn": str(seen.get("ARN") or name)}
            )
        elif one.principal:
            yield Clock(
                target, name, one.principal, text, what, state="stopped", why="it is there; it was readable by the suspect, so rotate it"
            )


def _gone(target: Target, name: str, one: Started, reader: Reader) -> str:
    """Why there is nothing to restore, and whether its name has been taken since."""
    told = "it was deleted without recovery: create it anew from where its value came from"
    asked = one.asked("secretId")
    plain = one.answered("name") or asked
    if not plain or plain == name:
        return told
    try:
        other = reader.get(_describe(target, plain)).get("ARN")
    except CloudError:
        return told
    return f"{told}. The name has been used again: {other} is another secret; look who made it before anything reads it"


def steps(clock: Clock) -> Iterator[Step]:
    """Restored, with all its versions. The probe sees the ARN of a secret that is not to be deleted."""
    arn = clock.data["arn"]
    probe = Probe(_describe(clock.target, clock.id), ([{"ARN": arn, "DeletedDate": None}], "ARN"))
    do = Call(clock.target, "secretsmanager", "RestoreSecret", {"SecretId": clock.id})
    why = "its deletion is not scheduled again: who wants the secret gone decides that anew"
    yield stop(clock, KIND, [do], probe, [], [arn], "restore", irreversible=why)
