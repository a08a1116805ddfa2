# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a containment may claim: which control is seen, since when, and what could still act, until when and why."""

from __future__ import annotations

import datetime
import typing as t

from ..common.guard import identity
from ..common.run import Done
from . import credentials, facts, fence_words, residual
from .managed import managed
from .principal import Principal
from .quarantine import RoleAction, trusted_by
from .session import iso, parse
from .space import FULL

if t.TYPE_CHECKING:
    from .contain import Containment

_WORDS = {"revoke": "revoked", "session": "its sessions denied", "clamp": "clamped", "deny": "denied"}
PROPAGATION = 10.0  # seconds; IAM changes take about 4 s to reach every endpoint (measured by others), with a margin
_STANDS = ("done", "already", "would")  # in check mode later phases are planned against what the earlier ones would have done


def kinds(principal: Principal, chosen: t.Iterable[str], incident: t.Any) -> list[credentials.Kind]:
    """The kinds of credential of a user that are disabled. Of an innocent one those of what the suspect made, chosen or not; no deny holds these,

    so nothing that the incident file says keeps them either.
    """
    if principal.only:
        return [kind for name, kind in credentials.KINDS.items() if name in principal.only_kinds]
    wanted = [kind for name, kind in credentials.KINDS.items() if name in set(chosen)]
    return [kind for kind in wanted if not (kind.KEEP and getattr(incident, kind.KEEP) == "keep")]


def announce(principal: Principal, action: RoleAction | None, incident: t.Any, chosen: t.Iterable[str]) -> dict[str, t.Any]:
    """The line of a principal before it is touched: who, where, what will be cut, what may break."""
    if action is not None:
        cut, breaks = f"{action.action}: {action.why}", list(action.breaks)
    elif principal.only:
        cut, breaks = f"only {', '.join(sorted(principal.only))}, which was made by the suspect", []
    else:
        disabled = kinds(principal, chosen, incident)
        left = [
            kind.NOUN + (" kept" if kind.KIND in set(chosen) else " not looked at")
            for kind in credentials.KINDS.values()
            if kind not in disabled
        ]
        cut = ", ".join(["everything: deny", "sessions", *(k.NOUN for k in disabled)]) + (f" ({', '.join(left)})" if left else "")
        breaks = ["whatever runs with its other keys or sessions"] + ([f"the key was {principal.used}"] if principal.used else [])
    declared = [str(d.get("name", d)) if isinstance(d, dict) else str(d) for d in incident.dependents]
    how = f"discovered: {principal.discovered}" if principal.discovered else principal.suspect
    how += f"; {principal.phantom}" if principal.phantom else ""
    line = {"arn": principal.arn, "kind": principal.kind, "suspect": how, "cut": cut, "breaks": breaks + declared}
    return {**line, "managed": owner} if (owner := managed(principal.facts)) else line


_INLINE = {"quarantine": "inline deny", "userid": "session deny", "session": "session cutoff"}


def _inline(run: Containment, principal: Principal) -> dict[str, Done]:
    """By purpose, the strongest first."""
    found = {p: run.runner.done.get(f"{principal.arn}#policy/{run.incident.policy_name(p)}") for p in _INLINE}
    return {p: d for p, d in found.items() if d and d.step.after is not None}


def _fence(run: Containment, principal: Principal) -> Done | None:
    """The control that closes the principal itself, as this run saw it: the strongest that stands, else the one that failed."""
    inline = list(_inline(run, principal).values())
    if inline and inline[0].status in _STANDS:
        return inline[0]
    return next((d for d in run.fences.done_of(principal) if d.step.after is not None), inline[0] if inline else None)


def controls(run: Containment, principal: Principal) -> list[str]:
    """What holds it, as this run has seen: inline deny | session deny | session cutoff | scp:<id> | AWSDenyAll | boundary."""
    return [_INLINE[p] for p, d in _inline(run, principal).items() if d.status in _STANDS] + run.fences.controls(principal)


def _crowded_out(run: Containment, principal: Principal) -> list[Done]:
    """Our inline policies for which the principal has no space left, when something else holds it."""
    full = [d for d in _inline(run, principal).values() if d.status == "failed" and d.code == FULL]
    return full if full and run.fences.done_of(principal) else []


def fenced_since(run: Containment, principal: Principal) -> datetime.datetime | None:
    """When the fence was written, by this run or, from the ledger, by an earlier one; of a single credential, when it was cut.

    Of what a killed run wrote, and no outcome says when: when this run began, which saw it there.
    """
    fence = _fence(run, principal)
    if principal.only:
        cut = [d for d in run.runner.done.values() if d.step.principal == principal.arn and credentials.id_of(d.step) in principal.only]
        fence = max(cut, key=lambda d: d.at, default=None)
    if fence is None:
        return None
    if fence.status == "done" and fence.at:
        return parse(fence.at)
    if fence.status == "already" and fence.step.id in run.unsettled:
        return parse(run.runner.began)
    history = run.case.history.get(fence.step.id)
    at = ((history or {}).get("outcome") or {}).get("at")
    return parse(at) if at and fence.status == "already" else None


def closed(run: Containment, principal: Principal) -> bool:
    """Nothing can be minted from it: its fence stands (for a user), or its role is denied."""
    if principal.only:
        of_it = [d for d in run.runner.done.values() if d.step.principal == principal.arn and credentials.id_of(d.step) in principal.only]
        return identity(principal.arn) not in run.unknown and all(d.status in _STANDS for d in of_it)
    fence = _fence(run, principal)
    if fence is None or fence.status not in _STANDS or run.moving.waits(principal):
        return False
    return principal.kind == "user" or run.roles.actions[identity(principal.arn)].action in ("deny", "clamp")


def open_paths(run: Containment, role: Principal) -> list[str]:
    """From where the attacker could assume the role again: the sources that are seen and not closed; all that its trust names, if none is seen."""
    ways = _own_ways(run, role)
    if ways is not None:
        return ways
    still = _open(run, role)
    return sorted(source for source in role.sources if identity(source) in still)


def _own_ways(run: Containment, role: Principal) -> list[str] | None:
    """The ways to a role as far as the role itself says; None: they are its sources, and those that are open."""
    if role.forced and run.roles.actions[identity(role.arn)].action == "deny":
        return []  # nothing is to work with it, and whoever assumes it gets a session that may do nothing
    if role.planted:
        return ["the trust policy that the suspect wrote"]
    if role.sources:
        return None
    return [f"{name} ({kind})" for kind, names in trusted_by(role.facts).items() for name in names]


def _open(run: Containment, role: Principal) -> set[str]:
    """Identities as which the attacker can still act, of all that ``role`` was assumed from, step by step.

    Not through ``role``: roles may have been assumed from one another, and none opens itself. One search and no walk of every path, of which there are
    more than anybody can wait for when a suspect assumes a dozen roles from one another.
    """
    still: list[str] = []
    assumed: dict[str, set[str]] = {}  # source -> the roles that were assumed from it
    seen, todo = {identity(role.arn)}, list(role.sources)
    while todo:
        source = todo.pop()
        key = identity(source)
        if key in seen:
            continue
        seen.add(key)
        principal = run.principals.get(key) or run.former.get(key)
        if principal is None:
            still += [key] if run.door.closed_since(source) is None else []
        elif closed(run, principal):
            continue
        elif principal.kind != "role" or (ways := _own_ways(run, principal)):
            still.append(key)
        elif ways is None:
            todo += principal.sources
            for one in principal.sources:
                assumed.setdefault(identity(one), set()).add(key)
    found = set(still)
    while still:
        new = assumed.get(still.pop(), set()) - found
        found |= new
        still += new
    return found


def last_control(run: Containment) -> datetime.datetime | None:
    return max((s for p in run.principals.values() if (s := fenced_since(run, p))), default=None)


def _claim(run: Containment, principal: Principal, now: datetime.datetime) -> dict[str, t.Any]:
    """action, contained_at and proof of one principal."""
    if run.runner.check:
        return {"action": "would be contained", "contained_at": None, "proof": "unknown"}
    if run.overtaken:
        return {"action": f"not known: {run.overtaken}", "contained_at": None, "proof": "unknown"}
    steps = [d for d in run.runner.done.values() if d.step.principal == principal.arn and not d.step.optional]
    crowded = _crowded_out(run, principal)
    bad = [d for d in steps if d.status not in _STANDS and d not in crowded]
    fence, since = _fence(run, principal), fenced_since(run, principal)
    settled = since is None or ((now - since).total_seconds() >= run.settles and not run.hold.unseen(since))
    proof = "read-back" if settled and not bad and steps else "unknown"
    unknown = ", ".join(sorted(run.unknown.get(identity(principal.arn), ())))
    if principal.only:
        what = ", ".join(sorted(principal.only))
        if unknown:
            return {"action": f"of {what} some not cut: could not list {unknown}", "contained_at": None, "proof": "unknown"}
        return {"action": f"only {what} cut" if not bad else "failed", "contained_at": _at(steps), "proof": proof}
    if fence is None or fence.status not in _STANDS:
        return {"action": "failed", "contained_at": None, "proof": "unknown"}
    if principal.kind == "role" and (paths := open_paths(run, principal)):
        word = _WORDS[run.roles.actions[identity(principal.arn)].action]
        return {"action": f"{word}, can be re-assumed via {', '.join(paths)}", "contained_at": None, "proof": proof}
    if bad:
        return {"action": f"fenced, but failed: {', '.join(d.step.resource for d in bad)}", "contained_at": None, "proof": "unknown"}
    if unknown:
        return {"action": f"fenced, but not known: {unknown}", "contained_at": None, "proof": "unknown"}
    if not settled:
        return {"action": "cut, not yet spread to every endpoint of AWS: run again", "contained_at": None, "proof": "unknown"}
    return {"action": "contained", "contained_at": iso(since) if since else None, "proof": proof}


def _at(steps: list[Done]) -> str | None:
    return max((d.at for d in steps if d.status == "done"), default=None)


def _space(run: Containment, principal: Principal, crowded: list[Done]) -> dict[str, t.Any]:
    for done in crowded:
        run.runner.replaced(done.step.id)
    held = ", ".join(run.fences.controls(principal))
    why = f"no space for the inline policies of this incident; {held} holds instead. Free some space and run again before you release it"
    return {"object": principal.arn, "why": why, "due": None}


def result(run: Containment) -> dict[str, t.Any]:
    """The machine-readable truth (result.json, interfaces.md), without the head."""
    now = run.aws.now()
    principals, rows, open_items = [], [], list(run.open)
    for principal in run.principals.values():
        claim = run.moving.claim(principal, _claim(run, principal, now))
        action = run.roles.actions.get(identity(principal.arn)) if principal.kind == "role" else None
        row = principal.row() | ({"managed": owner} if (owner := managed(principal.facts)) else {})
        row |= {**({"role_action": action.action, "why": action.why} if action else {}), **claim}
        principals.append({**row, "controls": controls(run, principal)})
        if crowded := _crowded_out(run, principal):
            open_items.append(_space(run, principal, crowded))
        rows += [] if run.moving.waits(principal) else residual.of(run, principal, claim)
        if "re-assumed" in claim["action"] or "not yet spread" in claim["action"]:
            open_items.append({"object": principal.arn, "why": claim["action"], "due": None})
    principals += run.people.rows()
    for part in (run.people, run.after, run.isolation, run.hold, run.findings, run.clocks, run.resources, run.moving):
        open_items += part.open_items()
    gaps = run.scope.gaps if run.scope else []
    if gaps:
        open_items.append(
            {
                "object": "quick scope",
                "why": f"could not be read: {'; '.join(gaps[:5])}" + (f" and {len(gaps) - 5} more" if len(gaps) > 5 else ""),
                "due": None,
            }
        )
    if not run.hold.quiet and not run.overtaken:
        why = f"still being changed when the {run.options.hold:.0f} s to hold it were over: run again"
        open_items.append({"object": run.incident.id, "why": why, "due": None})
    failed = run.refused + run.runner.failures
    return {
        "status": _status(run, principals, open_items), "incident": run.incident.id, "changed": run.runner.changed, "principals": principals, "failed": failed,
        "open": open_items, "residual": rows + residual.refused(run.refused) + run.people.residual() + run.after.residual() + run.isolation.residual()
        + run.moving.residual() + run.hold.left.residual() + run.findings.residual(),
        "manual": run.people.manual() + run.findings.manual() + run.hold.manual(), "workloads": run.after.rows(),
        "suggested": run.findings.suggested, "lifted": run.guard.lifted, "left": run.left, "fences": fence_words.rows(run.fences),
        "watch": run.hold.watch + run.hold.left.watch(), "not_compared": run.hold.gaps(),
        "looks": run.hold.looks() if run.hold.on and not run.overtaken else [],
        "recovered": [*run.fences.recovered, *run.isolation.recovered, *run.moving.recovered, *run.after.recovered], "rotation": run.moving.rows(),
        "dependents": len(run.moving.places), "isolated": run.isolation.rows(), "clocks": run.clocks.rows(),
        "resource_fences": run.resources.rows(), "severity": facts.severity(run),
        "events": {"seen": len(run.scope.seen), "until": run.scope.newest or None, "asked": run.options.scope > 0} if run.scope else {"asked": False},
    }  # fmt: skip


def _status(run: Containment, principals: list[t.Any], open_items: list[t.Any]) -> str:
    if run.runner.failures:
        return "partial" if run.overtaken or principals and any(d.status in _STANDS for d in run.runner.done.values()) else "error"
    if run.refused:
        return "partial" if principals else "refused"
    return "open" if open_items else "ok"
