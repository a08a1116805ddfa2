# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever else keeps the credential: a command of the user's own that writes it there, and one that says which key is in place."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.plan import Call, Phase, Probe, Step, Target
from ...common.reader import Reader
from .kind import Change, Place

KIND = "hook"
NOUN = "hook"
CLOUD = "hook"
OPAQUE = True
READS: tuple[str, ...] = ()  # of AWS


def place(entry: t.Mapping[str, t.Any], _account: str) -> tuple[Target, str]:
    return Target(str(entry["kind"]), str(entry["name"])), str(entry["name"])


def _verify(place: Place) -> Probe:
    return Probe(Call(place.target, place.kind, "Verify", {}), ("access_key_id",))


def value(place: Place, reader: Reader) -> t.Any:
    return str(reader.read(_verify(place)) or "")


def steps(place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    def apply(old: str, new: str, secret: t.Any) -> tuple[Call]:
        return (Call(place.target, place.kind, "Apply", {"user": change.user, "old": old, "new": new, "secret": secret}),)

    yield Step(
        id=change.step_id(place), principal=change.user, resource=place.text, action="use the new key", phase=Phase.CREDENTIAL,
        before=reader.read(_verify(place)), after=change.new, probe=_verify(place), do=apply(change.old, change.new, change.secret),
        undo=apply(change.new, change.old, change.back(place)),
        irreversible="" if change.kept else "what is behind a hook cannot be read, and no other dependent keeps the old secret",
    )  # fmt: skip
