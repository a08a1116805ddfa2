# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening and closing a case: what the module ``case`` does."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import typing as t

from . import channels, errors, lease, looks, named, planning, process, template, unexplained, yamlio
from . import incident as incidents
from .container import lost_with_container
from .incident import Incident
from .ledger import Ledger
from .response_plan import MIN_CONFIDENCE
from .spool import Spooled, emergency_store
from .store import NotFound, Store, case_store, open_store
from .suspect import only

_WRITTEN = incidents.KEYS[: incidents.KEYS.index("role_action") + 1]  # what a person will want to complete
_HEADER = "# Opened from one indicator. Complete it, then run again with -e incident=<this file>.\n"


class _Chosen(t.NamedTuple):
    """What the options lead to: the incident, its case, and the incident file (read, or to be written)."""

    incident: Incident
    store: Store
    file: str = ""
    notes: tuple[str, ...] = ()
    presumed: tuple[str, ...] = ()  # suspects that only the plan names


def run(params: dict[str, t.Any], *, check: bool, now: dt.datetime | None = None) -> dict[str, t.Any]:
    """The module's result for its parameters. Raises EvictError; writes nothing in check mode."""
    directory = os.path.abspath(params["directory"] or os.curdir)
    chosen = _choose(params, directory, now or dt.datetime.now(dt.UTC))
    if params.get("plan"):
        planned, said, presumed = planning.into(
            chosen.incident, chosen.store, os.path.join(directory, params["plan"]), params.get("min_confidence") or MIN_CONFIDENCE
        )
        chosen = chosen._replace(incident=planned, notes=(*chosen.notes, *said), presumed=tuple(presumed))
    incident, store = chosen.incident, chosen.store
    if not check:
        store.sure(incidents.FILE)
    told = store.merge() if isinstance(store, Spooled) and not check else []
    ledger = Ledger.open(store, incident=incident.id, module="case", caller=process.user(), check=check)
    result = {
        "case": store.url,
        "incident": incident.id,
        "incident_file": chosen.file,
        "suspects": [suspect.display() for suspect in incident.suspects],
        "severity": incident.severity,
        "mode": incident.mode,
        "notifiers": [channel["name"] for channel in incident.notify],
        "state": params["state"],
        "notes": [*chosen.notes, *told, *([store.banner] if isinstance(store, Spooled) and store.banner else [])],
        "store": {k: v for k, v in incident.store.items() if k != "url"} if isinstance(incident.store, dict) else {},
    }
    if check or isinstance(store, Spooled):
        result["incident_data"] = incident.as_dict()  # there may be no case to read it from, or the store may fail before the next task
    if params["state"] == "closed":
        return result | _close(params, store, ledger, check)
    opened = _open(params, chosen, ledger, check)
    return result | opened | {"notes": [*t.cast(list[str], result["notes"]), *opened["notes"]]}


def _choose(params: dict[str, t.Any], directory: str, now: dt.datetime) -> _Chosen:
    case = params["case"] or (
        planning.place(os.path.join(directory, params["plan"])) if params.get("plan") and not (params["incident"] or params["data"]) else ""
    )
    if case:
        store = _existing(case, params.get("store"), directory)
        return _Chosen(incidents.from_case(store), store, notes=_uncounted(params))
    file, stamped = "", False
    if params["suspect"] and (params["incident"] or params["data"]):
        file = os.path.join(directory, params["incident"]) if params["incident"] else ""
        raw, source = incidents.load(file) if file else params["data"], file or "the variable incident"
        incident = template.with_suspect(_told(params, raw, source, directory), source, params["suspect"], now=now)
        incident = dataclasses.replace(incident, store=incidents.absolute_store(incident.store, directory))
        store = case_store(open_store(incident.store, base=directory), incident.id)
        store = emergency_store(store, incident.id) if incident.mode == "emergency" else store
        return _Chosen(template.known(incident, _stored(store)), store, file)
    if params["suspect"]:
        if found := _same_suspect(params["suspect"], directory):
            return _Chosen(*found, notes=("this suspect already has an open case, which is used again", *_uncounted(params)))
        raw, source = incidents.from_suspect(params["suspect"], now=now, cwd=directory), "suspect"
        file = os.path.join(directory, f"incident-{raw['id']}.yml")
    elif params["incident"]:
        file = source = os.path.join(directory, params["incident"])
        raw = incidents.load(file)
    else:
        raw, source = params["data"], "the variable incident"
    raw = _told(params, raw, source, directory)
    if not params["suspect"]:
        raw, stamped = template.with_suspects(raw, source, now=now)
    incident = incidents.validate(raw, source, now=now)
    incident = dataclasses.replace(incident, store=incidents.absolute_store(incident.store, directory))
    store = case_store(open_store(incident.store, base=directory), incident.id)
    store = emergency_store(store, incident.id) if incident.mode == "emergency" else store
    return _Chosen(template.opened(incident, _stored(store)) if stamped else incident, store, file)


def _told(params: dict[str, t.Any], raw: t.Any, source: str, directory: str) -> t.Any:
    """``raw``, and from ``notify_file`` what it does not say of whom to tell."""
    if not params.get("notify_file"):
        return raw
    own = incidents.unwrap(raw, source)
    return {
        **{k: v for k, v in channels.defaults(os.path.join(directory, params["notify_file"])).items() if own.get(k) is None},
        **{k: v for k, v in own.items() if v is not None or k not in channels.KEYS},
    }


def _uncounted(params: dict[str, t.Any]) -> tuple[str, ...]:
    """What is to be said when a case that was opened before is used as it is."""
    return ("notify_file does not count: the case is open, and says itself who is told",) if params.get("notify_file") else ()


def _open(params: dict[str, t.Any], chosen: _Chosen, ledger: Ledger, check: bool) -> dict[str, t.Any]:
    incident, store = chosen.incident, chosen.store
    before, after, closed = _stored(store), incident.as_dict(), _closed(ledger)
    _guard_id(before, after, store)
    if closed and not params["reason"]:
        who = f"closed by {closed.get('by')} ({closed.get('reason') or 'no reason given'})"
        remedy = "give reason (and by) to open it again, or use another id"
        raise errors.Refused(f"the case {store.url} was {who}", object=store.url, operation="open", remedy=remedy)
    gone = _refuse_fewer(before, after, ledger, params, store)
    if before is None and store.root and not params["allow_local_store"] and (why := lost_with_container(str(store.root))):
        remedy = "mount a directory for the store, use s3://, az:// or gs://, or accept it with allow_local_store=true"
        raise errors.Refused(f"the store {store.url} {why}", object=store.url, operation="open", remedy=remedy)
    result: dict[str, t.Any] = {
        "changed": bool(before != after or closed),
        "notes": [f"not contained any more ({params['reason'] or 'the plan says skip'}): {', '.join(gone)}"] if gone else [],
        "diff": _diff(f"{store.url}/{incidents.FILE}", incidents.text(before) if before else "", incidents.text(after)),
    }
    if check or not result["changed"]:
        return result
    if closed:
        ledger.note("reopened", {"by": params["by"] or process.user(), "reason": params["reason"]})
    if before != after:
        out = {"dropped": gone, "by": params["by"] or process.user(), "reason": params["reason"] or "the plan says skip"} if gone else {}
        ledger.note(named.NOTE, {"old": before, "new": after} | out)
        if chosen.presumed:
            ledger.note(planning.PRESUMED, {"suspects": list(chosen.presumed)})
        ledger.flush()  # what is replaced is in the ledger before it is replaced
        data = incidents.text(after).encode()
        if before is None and not store.keep(incidents.FILE, data):  # another run opened it in this moment
            before = _stored(store)
            _guard_id(before, after, store)
            _refuse_fewer(before, after, ledger, params, store)
        if before is not None:
            store.replace(incidents.FILE, data)
    ledger.end("ok", changed=1)
    if (
        params["suspect"]
        and not (params["incident"] or params["data"])
        and (why := yamlio.create(chosen.file, _HEADER + yamlio.dump({"incident": {key: after[key] for key in _WRITTEN}})))
    ):
        # The case is safe, and nobody should wait for a file.
        result |= {
            "incident_file": "",
            "notes": [*result["notes"], f"the incident file {chosen.file} cannot be written: {why}; go on with case={store.url}"],
        }
    return result


def _close(params: dict[str, t.Any], store: Store, ledger: Ledger, check: bool) -> dict[str, t.Any]:
    if _stored(store) is None:
        raise _no_case(store)
    closed, left = _closed(ledger), ledger.state.unsettled()
    if not closed:
        _refuse_at_work(store, ledger, check)
    if left and not params["reason"] and not closed:
        names = ", ".join(entry["id"] for entry in left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        what = f"the case {store.url} has {len(left)} intents without an outcome: {names}"
        remedy = "run the playbook that was interrupted again, so that the outcome is known, or give the reason for closing all the same"
        raise errors.Refused(what, object=store.url, operation="close", remedy=remedy)
    waiting = looks.outstanding(ledger.state.notes)
    if waiting and not params["reason"] and not closed:
        what = f"the case {store.url} waits for a second look, due {' and '.join(waiting)}"
        remedy = f"run contain.yml -e case={store.url} -e phase=hold when it is due, or give the reason for closing all the same"
        raise errors.Refused(what, object=store.url, operation="close", remedy=remedy)
    unknown = unexplained.waiting(ledger.state.notes)
    if unknown and not closed:
        names = ", ".join(f"{one.id} ({one.facet} of {one.arn})" for one in unknown[:5]) + (
            f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        )
        what = f"the case {store.url} has {len(unknown)} changes of which nobody knows who made them: {names}"
        remedy = (
            f"run contain.yml -e case={store.url} -e phase=hold, which asks the logs again; or look into each, and say so: confirm.yml -e case={store.url}"
            " -e item=<id> -e by=<you>"
        )
        raise errors.Refused(what, object=store.url, operation="close", remedy=remedy)
    if not closed:
        ledger.note("closed", {"by": params["by"] or process.user(), "reason": params["reason"] or ""})
        ledger.end("ok", changed=1)
    return {"changed": not closed, "diff": _diff(f"{store.url} (state)", "closed\n" if closed else "open\n", "closed\n")}


def _refuse_at_work(store: Store, ledger: Ledger, check: bool) -> None:
    """``Refused`` while a run is at work: what it finds, and when it is to be looked at again, is not known yet."""
    try:
        lease.refuse_if_held(store, ask=not check, ended=ledger.state.ended())
    except errors.Refused as error:
        remedy = "wait for it to end; of a run that died on another machine the lease ends after two minutes"
        raise errors.Refused(f"not closed: {error.message}", object=store.url, operation="close", remedy=remedy) from error


def _existing(case: str, options: dict[str, t.Any] | None, directory: str) -> Store:
    base, _slash, name = case.rstrip("/").rpartition("/")
    url = base or ("/" if case.startswith("/") else ".")
    store = case_store(open_store({**(options or {}), "url": url}, base=directory), name)
    if _stored(store) is None:
        raise _no_case(store)
    return store


def _no_case(store: Store) -> errors.EvictError:
    remedy = "check the path; a case is <store>/<incident id>"
    return errors.EvictError(f"there is no case {store.url}", object=store.url, operation="read", remedy=remedy)


def _same_suspect(text: str, directory: str) -> tuple[Incident, Store] | None:
    """The newest open case in ./cases that has this suspect."""
    suspect, root = only(text), os.path.join(directory, "cases")
    found: list[tuple[dt.datetime, Incident, Store]] = []
    try:
        names = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and incidents.ID.fullmatch(entry.name))
    except OSError:
        return None  # no store yet; one that cannot be read says so when it is written
    for name in names:
        store = case_store(open_store(root), name)
        try:
            incident = incidents.from_case(store)
        except errors.EvictError:
            continue  # not a case, or not one that can be used again
        if any(_same(suspect, other) for other in incident.suspects) and not _closed(
            Ledger.open(store, incident=name, module="case", check=True)
        ):
            found.append((incident.opened, incident, store))
    return max(found, key=lambda item: (item[0], item[1].id))[1:] if found else None


def _same(one: t.Any, other: t.Any) -> bool:
    same_account = not one.account or not other.account or one.account == other.account
    return (one.cloud, one.kind, one.value) == (other.cloud, other.kind, other.value) and same_account


def _closed(ledger: Ledger) -> dict[str, t.Any] | None:
    """The note of the closing when the case is closed now: nothing reopened it later, and nothing was contained in it since."""
    closings = ledger.state.notes.get("closed", [])
    later = [note["place"] for kind in ("reopened", looks.HOLD) for note in ledger.state.notes.get(kind, ())]
    if not closings or max(later, default=[]) > closings[-1]["place"]:
        return None
    data = closings[-1]["data"]
    return data if isinstance(data, dict) and data else {"by": "somebody"}


def _stored(store: Store) -> dict[str, t.Any] | None:
    """The incident as the case has it; None when there is no case. What is not readable as one shows as damaged, and is replaced."""
    try:
        data = store.get(incidents.FILE)
    except NotFound:
        return None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"damaged": len(data)}


def _refuse_fewer(
    before: dict[str, t.Any] | None, after: dict[str, t.Any], ledger: Ledger, params: dict[str, t.Any], store: Store
) -> list[str]:
    """Whom the case names and this file does not. ``Refused`` without a reason: another job may have opened the case to contain them."""
    gone = named.dropped(before, after, ledger.state.notes)
    decided = planning.skipped(store, after["id"]) if gone and params.get("plan") else set()
    if not params["reason"] and any(not set(name.split()) & decided for name in gone):
        remedy = f"go on with case={store.url} alone, name them in the incident file as well, or give reason (and by) for leaving them out"
        what = f"the case {store.url} names suspects that this incident file does not: {', '.join(gone)}"
        raise errors.Refused(what, object=store.url, operation="open", remedy=remedy)
    return gone


def _guard_id(before: dict[str, t.Any] | None, after: dict[str, t.Any], store: Store) -> None:
    """Two incidents must not share a case: their fences would have one name."""
    if not before or not isinstance(before.get("suspects"), list):
        return
    if before.get("opened") != after["opened"] and not any(suspect in after["suspects"] for suspect in before["suspects"]):
        other = f"another incident, opened {str(before.get('opened'))[:40]!r}, which shares no suspect with this one"
        raise errors.Refused(f"the case {store.url} belongs to {other}", object=after["id"], operation="open", remedy="choose another id")


def _diff(header: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": header, "after_header": header, "before": before, "after": after}
