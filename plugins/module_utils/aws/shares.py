# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A containment over several hosts: the first play resolves and guards the whole case, and hands each account its share."""

from __future__ import annotations

import typing as t

from ..common import incident as incidents
from ..common.case import Case
from ..common.errors import Refused
from ..common.guard import share_hash
from . import residual
from .compute import chosen

if t.TYPE_CHECKING:
    from .contain import Containment


def resolve(run: Containment) -> dict[str, t.Any]:
    """Resolve and guard the whole case, change nothing, and hand out the shares, with a hash that is kept in the ledger."""
    run.take(run.suspects, start=False)
    run.runner.wait()
    shares: dict[str, list[dict[str, str]]] = {}
    known = {n["data"]["suspect"] for n in run.case.notes("suspect")} | {s.value for s in run.suspects}
    machines, handed = chosen.instances(run), set()
    for suspect in run.suspects:
        if principal := run.resolved.get(suspect.path):
            shares.setdefault(principal.account, []).append(suspect.as_dict())
        elif suspect.value in machines:  # without a role it is no identity, and its host isolates it all the same
            shares.setdefault(suspect.account or run.aws.caller["account"], []).append(suspect.as_dict())
            handed.add(suspect.value)
    run.runner.failures = [f for f in run.runner.failures if not (f["object"] in handed and f["operation"] == "resolve")]
    isolate: dict[str, int] = {}
    for arn in run.incident.compute.isolate:
        isolate[arn.split(":")[4]] = isolate.get(arn.split(":")[4], 0) + 1
    digest = share_hash(shares)
    if not run.runner.check and digest not in [n["data"]["hash"] for n in run.case.notes("shares")]:
        run.case.note("shares", {"hash": digest, "suspects": sorted(known)})
    failed = run.refused + run.runner.failures
    rows = [
        {**p.row(), "action": "resolved", "contained_at": None, "proof": "unknown"}
        for p in [*run.principals.values(), *(run.people.principals() if run.people else ())]
    ]
    status = "ok" if not failed else "partial" if rows else "refused"
    return {
        "status": status,
        "incident": run.incident.id,
        "principals": rows,
        "failed": failed,
        "open": [],
        "residual": residual.refused(run.refused) + run.findings.residual(),
        "shares": shares,
        "isolate": isolate,
        "guard_hash": digest,
    }


def of(case: Case, params: t.Mapping[str, t.Any]) -> list[t.Any]:
    """The suspects of one account, out of shares that the guard has seen; anything else is refused."""
    shares, given, account = params["shares"], params["guard_hash"], params["account"]
    seen = [n["data"]["hash"] for n in case.notes("shares")]
    if share_hash(shares) != given or not (case.check or given in seen):
        raise Refused(
            f"the share of account {account} is not what the guard of this case has seen", object=account, operation="guard share",
            remedy="run contain.yml from its first play; do not hand shares on by hand",
        )  # fmt: skip
    raw = [{**entry, "account": account} for entry in shares.get(account, [])]
    return incidents.validate({**case.incident.as_dict(), "suspects": raw}, "shares").suspects if raw else []
