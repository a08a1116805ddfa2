# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All whom a run contains: identities, and those whom no identity policy holds (people of Identity Center, root users)."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

from ..common.guard import identity, kind_of
from . import live

if t.TYPE_CHECKING:
    from .contain import Containment
    from .principal import Principal


def principals(run: t.Any) -> list[Principal]:
    """``run``: a ``Response``, which has people when it is a containment."""
    people = getattr(run, "people", None)
    return [*list(run.principals.values()), *(people.principals() if people else ())]


def accounts(run: t.Any) -> list[str]:
    """In which something of theirs may be: of a person, where it has access."""
    people = getattr(run, "people", None)
    return sorted({p.account for p in list(run.principals.values())} | (people.accounts() if people else set()))


def suspects(
    run: t.Any,
    actions: Mapping[str, str] | None = None,
    ends: Mapping[str, str] | None = None,
    others: Callable[[str, bool], str] | None = None,
) -> live.Suspects:
    """``others``: see the function below; without it there is nobody but the contained."""
    people = getattr(run, "people", None)
    spares = getattr(run, "spares", lambda _p: False)
    mine = [p for p in principals(run) if not spares(p)]  # what dependents started under the same name goes on
    former = {key: p for key, p in getattr(run, "former", {}).items() if p in mine}
    session, role = (people.behind_session, people.behind_role) if people else (None, None)
    return live.Suspects(mine, actions or {}, ends or {}, session, role, others, former)


def others(run: Containment) -> Callable[[str, bool], str]:
    """Of an ARN of nobody who is contained, and whether a suspect's own call names it: why what it started is named and left; "" for what is no suspect's."""
    quiet = run.released | {identity(p.arn) for p in list(run.principals.values()) if run.spares(p)}
    users = {p.account for p in list(run.principals.values()) if p.kind == "user"}

    def why(arn: str, logged: bool) -> str:
        if not arn or identity(arn) in quiet:
            return ""
        if logged or arn in run.findings.acted_as:
            return f"a suspect started it as {arn}, which is not contained: end it by hand"
        if kind_of(arn) == "federated-user" and arn.split(":")[4] in users and identity(arn) not in run.trusted:
            return (
                f"AWS does not say who made the federation session {arn}, and a contained user of the account may have: end it by hand if it is none of"
                " yours, name it under incident.suspects, or, as a broker's, under incident.trusted.principals"
            )
        return ""

    return why
