# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All whom a run contains: identities, and those whom no identity policy holds (people of Identity Center, root users)."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from . import live

if t.TYPE_CHECKING:
    from .principal import Principal


def principals(run: t.Any) -> list[Principal]:
    """``run``: a ``Response``, which has people when it is a containment."""
    people = getattr(run, "people", None)
    return [*list(run.principals.values()), *(people.principals() if people else ())]


def accounts(run: t.Any) -> list[str]:
    """In which something of theirs may be: of a person, where it has access."""
    people = getattr(run, "people", None)
    return sorted({p.account for p in list(run.principals.values())} | (people.accounts() if people else set()))


def suspects(run: t.Any, actions: Mapping[str, str] | None = None, ends: Mapping[str, str] | None = None) -> live.Suspects:
    people = getattr(run, "people", None)
    spares = getattr(run, "spares", lambda _p: False)
    mine = [p for p in principals(run) if not spares(p)]  # what dependents started under the same name goes on
    return live.Suspects(mine, actions or {}, ends or {}, people.behind_session if people else None)
