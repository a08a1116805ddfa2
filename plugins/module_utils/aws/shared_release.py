# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releasing what several incidents may hold at once: a tag that names them, and the control behind it, which goes with the last of them."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Iterable

from ..common import restore
from ..common.errors import EvictError
from ..common.guard import kind_of
from ..common.plan import Step
from ..common.reader import Reader
from ..common.restore import Verdict
from . import deny_all, shared_tag

Keep = Callable[[Step], t.Optional[tuple[str, str, t.Optional[str]]]]  # noqa: UP045 - ansible-test's pylint does not know types here
_MARK = "#tag/"


def verdict(first: Step, latest: Step, standing: Iterable[str], incident: str, reader: Reader, keep: Keep) -> Verdict | None:
    """As ``restore.judge``. ``standing``: ids of all changes of this case to the principal that stand."""
    try:
        if latest.fragment.startswith(_MARK[1:]):
            return _tag(first, latest, set(standing), incident, reader, keep)
        for end, key in deny_all.keys().items():
            if latest.id == f"{latest.principal}{end}" and (others := _others(latest, key, incident, reader)):
                return Verdict(
                    latest.resource, latest.principal, kind="kept", why=f"held by {', '.join(others)} too; it goes with the last of them"
                )
    except EvictError as error:
        return Verdict(latest.resource, latest.principal, kind="unknown", why=error.message)
    return restore.judge(first, latest, reader, keep)


def _others(latest: Step, key: str, incident: str, reader: Reader) -> list[str]:
    """The other incidents that hold what ``latest`` put there, if it is there."""
    if latest.probe is None or reader.read(latest.probe) != latest.after:
        return []
    kind = kind_of(latest.principal)
    probe = shared_tag.probe_of(kind, latest.principal.rsplit("/", 1)[-1], latest.target, key)
    return [h for h in shared_tag.holders(reader.read(probe)) if h != incident]


def _tag(first: Step, latest: Step, standing: set[str], incident: str, reader: Reader, keep: Keep) -> Verdict | None:
    others, change = shared_tag.drop(first, latest, incident, reader)
    if change is None:
        return None
    if kept := keep(latest):
        return Verdict(latest.resource, latest.principal, kind=kept[0], why=kept[1], due=kept[2])
    why = ""
    ours = {f"{latest.principal}{_MARK}{key}": f"{latest.principal}{end}" for end, key in deny_all.keys().items()}
    if latest.id in ours and not others and ours[latest.id] not in standing:  # another incident put the control there, and left it to us
        calls, why = deny_all.joined(
            latest, reader
        )  # with a reason why it cannot: the claim goes all the same, so that the one who can may
        change["do"] = (*calls, *change["do"])
    step = dataclasses.replace(
        first, id=restore.PREFIX + first.id, undo=latest.do, needs=(), owns=None, action=f"undo: {latest.action}", expires=None, undoes=first.id,
        optional=False, **change,
    )  # fmt: skip
    return Verdict(latest.resource, latest.principal, step=step, kind="conflict" if why else "", why=why)
