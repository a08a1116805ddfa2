# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of GitHub Actions, one half each. They can be written and never read: that a write is there is known by ``updated_at``, and no more than that."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ...common.plan import Call, Phase, Probe, Ref, Step, Target
from ...common.reader import Reader
from .kind import Change, Place

KIND = "github_actions"
NOUN = "GitHub secret"
CLOUD = "github"
READS: tuple[str, ...] = ()  # of AWS
OPAQUE = BLIND = True
_DEFAULT = "github.com"


def place(entry: Mapping[str, t.Any], _account: str) -> tuple[Target, str]:
    """``region``: the repository or organization."""
    environment = f", environment {entry['environment']}" if entry.get("environment") else ""
    return Target(
        CLOUD, str(entry.get("at") or _DEFAULT), str(entry.get("repository") or entry["organization"])
    ), f"{entry['name']}{environment}"


def _address(place: Place) -> dict[str, t.Any]:
    return {key: str(place.spec[key]) for key in ("name", "repository", "organization", "environment") if place.spec.get(key)}


def _read(place: Place) -> Call:
    return Call(place.target, "github", "GetSecret", _address(place))


def value(place: Place, reader: Reader) -> t.Any:
    """That there is one; nobody can read it."""
    reader.get(_read(place))
    return ""


def steps(place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    """One Step. A repeated write is the same write, so a lost answer is nothing but that."""
    probe, own = Probe(_read(place), ("updated_at",)), change.step_id(place)
    old = change.old if place.half == "id" else change.back(place)
    back = place.half == "id" or change.kept
    yield Step(
        id=own, principal=change.user, resource=place.text, action=f"use the new key ({place.half})", phase=Phase.CREDENTIAL,
        before=reader.read(probe), after=Ref(own, ("updated_at",)), probe=probe,
        do=(_put(place, change.new if place.half == "id" else change.secret),),
        undo=(_put(place, old, new=change.old),),
        irreversible="" if back else "GitHub keeps no older value, and no other dependent keeps the old secret: only the run that wrote it can take it back",
    )  # fmt: skip


def _put(place: Place, value: t.Any, **of: str) -> Call:
    """``new``: the key whose secret goes back, for the machine that looks for it."""
    return Call(place.target, "github", "PutSecret", {**_address(place), "value": value, **of})


def undone(step: Step) -> Ref:
    """When it was written back."""
    return Ref(f"undo:{step.id}", ("updated_at",))
