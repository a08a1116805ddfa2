# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reviewed plan of a case, for people: show it, import an edited copy. The body of ``case_plan``; and its way into an incident."""

from __future__ import annotations

import collections
import dataclasses
import os
import re
import typing as t
from collections.abc import Mapping

from . import incident as incidents
from . import process, resources, response_plan
from . import suspect as suspects
from .case import look_up
from .errors import InvalidInput, Refused
from .guard import identity, kind_of
from .incident import Incident
from .ledger import Ledger
from .response_plan import Item, Plan
from .schema import printable, show
from .store import Store

_SHOWN = 10
_DIRECTORY_ID = re.compile(r"(?:[0-9a-f]{10}-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # of a user of Identity Center
PRESUMED = "presumed"  # kind of note: {"suspects": those that are contained because the plan says so and nobody decided}
NOTE = "plan"  # kind of note: {"revision", "hash", "based_on", "by": who ran it}


def run(params: Mapping[str, t.Any], *, check: bool) -> dict[str, t.Any]:
    """The module's result. Raises InvalidInput, with every problem of an edited copy by its path."""
    incident, store = look_up(params)
    last = after = response_plan.read(store, incident.id)
    if params.get("plan"):
        edited = response_plan.load(os.path.join(params.get("directory") or os.curdir, str(params["plan"])))
        after = _taken(store, last, edited)
    if after is not last and not check:
        ledger = Ledger.open(store, incident=incident.id, module="case_plan", caller=process.user())
        record(ledger, store, after)
        ledger.end("ok", changed=1)
    return {
        "changed": after is not last, "incident": incident.id, **summary(after, params["min_confidence"]),
        "plan": f"{store.url}/{after.path}" if after.revision else "",
        "diff": {"before_header": f"revision {last.revision}", "after_header": f"revision {after.revision}", "before": "",
                 "after": "".join(f"{line}\n" for line in response_plan.lines(last, after))},
    }  # fmt: skip


def _taken(store: Store, last: Plan, edited: Plan) -> Plan:
    if edited.incident != last.incident:
        raise InvalidInput(
            "the edited plan was refused", [("plan.incident", f"is {show(edited.incident)}, and the case is {last.incident}")]
        )
    problems = [
        (f"items[{number}].object", why)
        for number, (key, entry) in enumerate(edited.items.items())
        if key not in last.items
        and entry["kind"] in ("principal", "session")
        and entry["target"]["cloud"] == "aws"
        and (why := _suspect(entry)[1])
    ]
    if problems:
        raise InvalidInput("the edited plan was refused", problems)
    base = response_plan.read(store, last.incident, edited.revision) if edited.revision else Plan(last.incident)
    return response_plan.take(last, base, edited)


def record(ledger: Ledger, store: Store, plan: Plan) -> None:
    """Write a revision; its hash is in the ledger before it is anywhere, so that a revision without one is somebody else's."""
    if plan.revision:
        ledger.note(NOTE, {"revision": plan.revision, "hash": plan.as_dict()["hash"], "based_on": plan.based_on, "by": process.user()})
        ledger.flush()
        response_plan.save(store, plan)


def summary(plan: Plan, min_confidence: int = response_plan.MIN_CONFIDENCE) -> dict[str, t.Any]:
    """What a person asks first: {revision, hash, kinds: {kind: {verdict: n}}, decided, waiting, executable}."""
    table: dict[str, dict[str, int]] = {}
    for entry in plan.items.values():
        row = table.setdefault(entry["kind"], collections.Counter())
        row[entry["verdict"]] += 1
    waiting = [i for i in plan.items.values() if i["verdict"] == "review" and i["decision"] is None and not i.get("stale")]
    return {
        "revision": plan.revision, "hash": plan.as_dict()["hash"] if plan.revision else "", "kinds": {k: dict(v) for k, v in table.items()},
        "decided": sum(1 for i in plan.items.values() if i["decision"]), "waiting": len(waiting),
        "executable": len(response_plan.executable(plan, min_confidence)),
    }  # fmt: skip


# -- what contain does of it -------------------------------------------------------------------------------------------------------


def place(path: str) -> str:
    """The case whose revision this file is; "" for a copy elsewhere."""
    folder, name = os.path.split(os.path.abspath(path))
    case = os.path.dirname(folder)
    return (
        case if os.path.basename(folder) == "plan" and name.endswith(".yml") and os.path.isfile(os.path.join(case, incidents.FILE)) else ""
    )


def into(
    incident: Incident, store: Store, path: str, min_confidence: int = response_plan.MIN_CONFIDENCE
) -> tuple[Incident, list[str], list[str]]:
    """(the incident with what the plan says is to be contained; what is to be said of the rest; suspects that nobody but the investigation named).

    An edited copy counts only when it was imported: what is executed stands in the case. Raises InvalidInput, Refused.
    """
    given = response_plan.load(path)
    last = response_plan.read(store, incident.id)
    if given.incident != incident.id:
        raise InvalidInput("the plan was refused", [("plan.incident", f"is {show(given.incident)}, and the case is {incident.id}")])
    if not last.revision or list(given.items.values()) != list(last.items.values()):
        kept = f"revision {last.revision}" if last.revision else "no plan"
        raise Refused(
            f"{path} is not what the case has ({kept})", object=path, operation="plan",
            remedy="import an edited copy with plan.yml -e case=... -e plan=..., then run this with the case's own last revision",
        )  # fmt: skip
    _as_recorded(store, last)
    _not_against(incident, last)
    chosen = response_plan.executable(last, min_confidence)
    notes: list[str] = []
    named = [*incident.suspects]
    known = {s.value for s in named}
    fence = [*incident.resources.fence]
    presumed: list[str] = []
    room, beyond = incident.limits["resources"], 0
    for entry in chosen:
        if entry["kind"] in ("principal", "session"):
            if entry["target"]["cloud"] != "aws":
                notes.append(f"not contained by this release: {entry['target']['cloud']} {entry['object']}")
            elif entry["object"] not in known:
                suspect, why = _suspect(entry)
                if suspect is None:  # one odd name must not hold up the others
                    notes.append(f"not contained: {entry['kind']} {printable(entry['object'], 200)}: {why}")
                    continue
                named.append(suspect)
                known.add(entry["object"])
                presumed += [suspect.value] if entry["decision"] is None else []
        elif entry["kind"] == "resource" and entry["object"] not in incident.resources.exempt:
            room -= entry["decision"] is None
            if entry["object"] in fence:
                continue
            if entry["decision"] is None and room < 0:
                beyond += 1
            elif why := resources.problem(entry["object"]):
                notes.append(f"not fenced: {entry['object']}: {why}")
            else:
                fence.append(entry["object"])
    most = incident.limits["principals"]
    if beyond:
        notes.append(f"not fenced: {beyond} resources that nobody decided on, beyond limits.resources ({incident.limits['resources']})")
    if len(presumed) > most:
        raise Refused(
            f"the plan names {len(presumed)} principals that nobody decided on, more than the limit of {most}", object=incident.id, operation="plan",
            remedy="review them: decision do or skip with decided_by, in a copy that plan.yml imports; or raise incident.limits.principals",
        )  # fmt: skip
    left = sum(1 for i in last.items.values() if i["verdict"] == "review" and i["decision"] is None and not i.get("stale"))
    if left:
        notes.append(f"the plan has {left} items to review, which are not executed")
    found = dataclasses.replace(incident, suspects=named, resources=dataclasses.replace(incident.resources, fence=tuple(fence)))
    return incidents.validate(found.as_dict(), f"{path} in {store.url}"), notes, presumed


def spared(incident: Incident, store: Store, ledger: Ledger) -> dict[str, str]:
    """{identity of a user or role: who decided to skip it, in which revision}. Raises Refused when the ledger does not know the plan, and EvictError.

    A key leads to its user: whom somebody spared is not cut because another item, on which nobody decided, turns out to be theirs.
    """
    if not ledger.state.notes.get(NOTE):
        return {}  # there was never one, and a containment waits for nothing
    plan = response_plan.read(store, incident.id)
    found = {
        identity(entry["object"]): f"{printable(entry['decided_by'], 60)} decided to skip it (revision {plan.revision} of the plan)"
        for entry in plan.items.values()
        if entry["kind"] == "principal" and entry["decision"] == "skip" and kind_of(entry["object"]) in ("user", "role")
    }
    if found:
        _as_recorded(store, plan, ledger)
    return found


def skipped(store: Store, incident: str) -> set[str]:
    """What a person decided to leave alone, as the plan names it."""
    return {str(entry["object"]) for entry in response_plan.read(store, incident).items.values() if entry["decision"] == "skip"}


def _as_recorded(store: Store, plan: Plan, ledger: Ledger | None = None) -> None:
    """Whoever can write a file can make its hash fit; the ledger's chain is another matter. Raises Refused."""
    ledger = ledger or Ledger.open(store, incident=plan.incident, module="case_plan", check=True)
    notes = ledger.state.notes.get(NOTE, ())
    if (plan.revision, plan.as_dict()["hash"]) not in [(n["data"]["revision"], n["data"]["hash"]) for n in notes]:
        raise Refused(
            f"{store.url}/{plan.path} is not what the ledger recorded", object=plan.incident, operation="plan",
            remedy="see who wrote it; put the recorded file back, or take this one away, then run investigate.yml and import what was decided anew",
        )  # fmt: skip


def reported(incident: Incident, ledger: Ledger) -> list[suspects.Suspect]:
    """The suspects that people named: an investigation that began with its own conclusions would grow surer and wider with each run."""
    presumed = {str(value) for note in ledger.state.notes.get(PRESUMED, []) for value in (note["data"] or {}).get("suspects", ())}
    return [suspect for suspect in incident.suspects if suspect.value not in presumed] or list(incident.suspects)


def _not_against(incident: Incident, plan: Plan) -> None:
    """What is contained because the incident names it would be contained against a decision to skip it. Raises Refused."""
    given = {"principal": {s.value for s in incident.suspects}, "resource": set(incident.resources.fence)}
    given["session"] = given["principal"]
    against = [
        f"{printable(entry['object'], 200)} ({printable(entry['decided_by'], 60)})"
        for entry in plan.items.values()
        if entry["decision"] == "skip" and entry["object"] in given.get(entry["kind"], ())
    ]
    if against:
        raise Refused(
            f"the plan says skip of what the incident itself names: {', '.join(against[:_SHOWN])}", object=incident.id, operation="plan",
            remedy="take it off the incident's suspects or resources.fence and pass that file with -e incident=FILE beside -e plan=..., or import the "
            "plan without that decision",
        )  # fmt: skip


def _suspect(entry: Item) -> tuple[suspects.Suspect | None, str]:
    """(the suspect, why there is none)."""
    problems: list[tuple[str, str]] = []
    what = entry["object"]
    key = (
        "arn"
        if what.startswith("arn:")
        else "access_key_id"
        if what[:4] in ("AKIA", "ASIA")
        else "credential_id"
        if what.startswith("ACCA")
        else "identity_center_user"
        if _DIRECTORY_ID.fullmatch(what)
        else "user"
    )
    account = entry["target"]["account"]
    found = suspects.parse({"cloud": "aws", **({"account": account} if account else {}), key: what}, "item", problems)
    return found, "; ".join(message for _path, message in problems)
