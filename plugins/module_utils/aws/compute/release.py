# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releasing the isolation groups: last, and only when nothing stands in them any more. Their rules go with them."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable

from ...common import restore
from ...common.chain import Job
from ...common.errors import EvictError
from ...common.plan import Phase, Step
from ...common.reader import Reader
from .groups import users
from .kind import MARK

if t.TYPE_CHECKING:
    from ..release import Release

Pair = tuple[Step, Step]


def is_group(step: Step) -> bool:
    """Whether it made a group, or one of its rules."""
    return f"{MARK}group/" in step.id


def groups(release: Release, standing: Iterable[Pair]) -> None:
    """Delete those that are on no interface. Without an undo it is a rule."""
    for first, latest in standing:
        if is_group(latest) and latest.undo:
            job = Job(Phase.RESOURCE, lambda r, f=first, s=latest: _one(release, f, s, r))  # type: ignore[misc]
            release.runner.add(latest.principal, latest.target.account, [job])


def _one(release: Release, first: Step, latest: Step, reader: Reader) -> list[Step]:
    try:
        on = users(latest.target, str(latest.after), reader)
    except EvictError as error:
        release.rows.append(restore.Verdict(latest.resource, latest.principal, kind="unknown", why=error.message))
        return []
    kept = ("kept", f"it is still on {', '.join(on[:5])}", None) if on else None
    verdict = restore.judge(first, latest, reader, lambda _step: kept)
    if verdict and verdict.kind:
        release.rows.append(verdict)
    return [verdict.step] if verdict and verdict.step else []
