# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is to be told of what now, and what became of it: the body of ``case_notify``. The ledger is the memory: nobody is told the same twice."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import time
import typing as t
from collections.abc import Mapping, Sequence

from . import channels, legal, manual, process, situation
from .case import look_up
from .errors import EvictError
from .incident import Incident
from .ledger import Ledger
from .ledger_read import alive_runs
from .ledger_record import canonical, now
from .message import OUTCOMES, Message, about, compose, outcome
from .notifiers import KINDS
from .notifiers.secrets import FromStore, problem, resolve
from .reach import reach
from .result import write
from .store import Store

SENT, FAILED = "notified", "notify_failed"  # kinds of notes: {"channel", "kind", "event", "key", "ref" or "why"}, of mail with "refused"
_CONTAINS, _RELEASES = ("aws_contain", "case_result"), ("aws_restore",)
Row = dict[str, t.Any]


def taken_on(notes: Mapping[str, Sequence[Row]]) -> Row | None:
    """The last acknowledgement; one from before the case was opened again says nothing of now."""
    reopened = max((n["place"] for n in notes.get("reopened", ())), default=None)
    found = [n for n in notes.get("confirmed", ()) if n["data"].get("item") == "incident" and (reopened is None or n["place"] > reopened)]
    return found[-1] if found else None


class View:
    """A case, as it stands for whoever is told of it. ``result``: its result.json, {} when there is none."""

    def __init__(self, incident: Incident, store: Store, ledger: Ledger, result: Row, moment: dt.datetime) -> None:
        self.incident, self.store, self.ledger, self.result, self.moment = incident, store, ledger, result, moment
        self.notes = ledger.state.notes
        self.last, self.contained = self._outcome()
        seen = result.get("severity") or {}
        fresh = {"proposed": seen["proposed"], "why": seen.get("why", [])} if seen.get("proposed") else None
        self.severity: Row = situation.severity(incident, self.notes, fresh)  # a named person may have judged it since the result
        self.legal = legal.rows(incident, [n["data"] for n in self.notes.get("confirmed", ())], moment)

    @classmethod
    def open(cls, params: Mapping[str, t.Any], *, check: bool, moment: dt.datetime | None = None) -> View:
        """Of ``case``, or of ``incident`` (a file) or ``incident_data`` while there is no case. Takes no lease: only remarks are written."""
        incident, store = look_up(params)
        ledger = Ledger.open(store, incident=incident.id, module="case_notify", caller=process.user(), check=check)
        return cls(incident, store, ledger, _result(store), moment or dt.datetime.now(dt.UTC))

    @property
    def acknowledged(self) -> Row | None:
        """The note of who has taken the incident on, since it was last opened."""
        return taken_on(self.notes)

    def _outcome(self) -> tuple[Row, bool]:
        """(the run whose outcome counts, with its ``event``; whether the last containment was whole), by the ledger: other verbs write result.json too."""
        since = max((n["time"] for n in self.notes.get("reopened", ())), default="")  # what was before a reopening has been closed
        runs = [
            (r["time"], run, r) for run, r in self.ledger.state.runs.items() if r["module"] in _CONTAINS + _RELEASES and r["time"] >= since
        ]
        alive = alive_runs(self.store, self.ledger.state) if any(r["status"] is None for _time, _run, r in runs) else set()
        found: list[Row] = []
        for _time, run, row in sorted(runs, key=lambda one: one[:2], reverse=True):
            status, contains = row["status"], row["module"] in _CONTAINS
            if status is None and (run in alive or not contains):
                continue
            if row.get("covers") in ("share", "resolve"):  # case_result says what came of them
                continue
            if contains:
                event = outcome(status or "error")
            elif status == "error":
                continue  # nothing is known to have been released
            else:
                event = "released" if status == "ok" and row.get("covers", "whole") == "whole" else "partly_released"
            found.append({**row, "event": event})
            if contains:
                break
        if not found:
            return {}, False
        return found[0], found[0]["event"] == "released" or found[-1]["event"] == "contained"

    @property
    def event(self) -> str:
        """The outcome that the case stands at; "" before there is one."""
        return str(self.last.get("event", ""))

    @property
    def told(self) -> Row:
        """The result of that run; {} when it left none, or when another verb has written over it."""
        return self.result if self.last.get("about") and about(self.result) == self.last["about"] else {}

    def began(self) -> dt.datetime:
        """When the case was opened, or opened again, by its ledger."""
        if reopened := self.notes.get("reopened"):
            return dt.datetime.fromisoformat(reopened[-1]["time"])
        times = [dt.datetime.fromisoformat(r["time"]) for r in self.ledger.state.runs.values()]
        return min(times, default=self.moment)


class Due(t.NamedTuple):
    """One message for one channel. ``key``: the same message has the same one; ``extra``: lines of its own."""

    channel: Row
    event: str
    key: str
    extra: tuple[str, ...] = ()


def wanted(view: View, phase: str) -> list[Due]:
    """Every message that the case calls for now, sent already or not. ``phase``: opening (only that it begins) or all."""
    level, changed = view.severity["level"], view.incident.severity_matrix
    plain = _events(view) if phase == "all" else _events(view)[:1]
    found = []
    for channel in view.incident.notify:
        for event, of, extra in plain:
            if channels.wants(channel, level, event, changed):
                found.append(Due(channel, event, _key(view, event, channel["name"], of), extra))
    return found + (_escalations(view) if phase == "all" else [])


def _events(view: View) -> list[tuple[str, t.Any, tuple[str, ...]]]:
    """(event, what the message is about, its own lines)."""
    how = f"to acknowledge: ansible-playbook evict.cloud.confirm -e case={view.store.url} -e item=incident -e by=NAME"
    found: list[tuple[str, t.Any, tuple[str, ...]]] = [("opened", len(view.notes.get("reopened", ())), (how,))]
    severity = view.severity
    first, level = situation.opened_at(view.incident, view.notes), severity["level"]
    if situation.worst(level, first) != first:
        lowered = [n for n in view.notes.get("confirmed", ()) if n["data"].get("item") == "severity"]
        below = sum(1 for n in lowered if n["data"]["level"] != situation.worst(n["data"]["level"], level))
        found.append(("severity", [level, below], (f"was {first}, is now {level}" + (", again" if below else ""),)))
    if view.event:
        left = () if view.last.get("about") else (f"{view.last['module']}, begun {view.last['time']}, ended without a result",)
        found.append((view.event, _about(view), left))
    if taken := view.acknowledged:
        found.append(("acknowledged", taken["time"], (f"by {taken['data'].get('by')}: {taken['data'].get('note') or 'no note'}",)))
    done = {n["data"].get("item") for n in view.notes.get("confirmed", ())}
    for row in (n["data"] for n in view.notes.get(manual.NOTE, ())):
        if (
            str(row["id"]).startswith(manual.REPLACED) and row["id"] not in done
        ):  # who has the credential is told what to do, never a secret
            say = f"when it is done: ansible-playbook evict.cloud.confirm -e case={view.store.url} -e item={row['id']} -e by=NAME"
            found.append(("replaced", row["id"], (f"{row['object']}: {row['what']}", str(row["why"]), say)))
    return found


def _escalations(view: View) -> list[Due]:
    """Steps of the escalation that are due; the first one, or who is told of escalations, at once when the containment is not whole."""
    how = f"to stop this: ansible-playbook evict.cloud.confirm -e case={view.store.url} -e item=incident -e by=NAME"
    by_name, steps = {c["name"]: c for c in view.incident.notify}, view.incident.escalation
    found: list[Due] = []
    if view.event in ("partial", "refused", "error") and not view.acknowledged:
        told = [by_name[name] for name in steps[0]["to"]] if steps else [
            c for c in by_name.values() if channels.wants(c, view.severity["level"], "escalated", view.incident.severity_matrix)
        ]  # fmt: skip
        found += [
            Due(c, "escalated", _key(view, "escalated", c["name"], _about(view)), (f"the containment is not whole: {view.event}", how))
            for c in told
        ]
    for number, step in enumerate(steps):
        met = {"acknowledged": bool(view.acknowledged), "contained": view.contained, "never": False}[step["unless"]]
        if met or view.moment < view.began() + dt.timedelta(seconds=channels.seconds(step["after"])):
            continue
        why = (
            f"not {step['unless']} {step['after']} after the case was opened"
            if step["unless"] != "never"
            else f"{step['after']} after the case was opened"
        )
        found += [
            Due(
                by_name[n],
                "escalated",
                _key(view, "escalated", n, [number, step["after"], len(view.notes.get("reopened", ()))]),
                (why, how),
            )
            for n in step["to"]
        ]
    return found


def _about(view: View) -> t.Any:
    """What a message of the outcome is about: with the same, nobody is told again."""
    return [view.event, view.last.get("about", ""), len(view.notes.get("reopened", ()))]


def _key(view: View, event: str, channel: str, about: t.Any) -> str:
    return hashlib.sha256(canonical([view.incident.id, event, channel, about])).hexdigest()[:32]


def _sent(view: View, due: Due) -> Row | None:
    """The note of the message, when it was sent; of outcomes only the latest counts, since things may come back to what they were."""
    notes = [n for n in view.notes.get(SENT, ()) if n["data"].get("channel") == due.channel["name"]]
    if due.event in OUTCOMES:
        last = [n for n in notes if n["data"]["event"] in OUTCOMES][-1:]
        return last[0] if last and last[0]["data"]["key"] == due.key else None
    return next((n for n in reversed(notes) if n["data"]["key"] == due.key), None)


def _message(view: View, due: Due, at: str) -> Message:
    result = view.told if due.event in OUTCOMES or due.event == "escalated" else None
    return compose(key=due.key, incident=view.incident, event=due.event, severity=view.severity, case=view.store.url, at=at, result=result,
                   legal=view.legal, extra=due.extra)  # fmt: skip


def _ref(view: View, channel: Row) -> str:
    """What an earlier message of the incident made in a ticket system."""
    refs = [str(n["data"].get("ref") or "") for n in view.notes.get(SENT, ()) if n["data"].get("channel") == channel["name"]]
    return next((ref for ref in reversed(refs) if ref), "")


# -- the states of the module --------------------------------------------------------------------------------------------------------


def run(params: Mapping[str, t.Any], from_store: FromStore, *, check: bool) -> Row:
    """The module's result. ``from_store`` reads the secrets that lie in a secret store. Raises EvictError."""
    view = View.open(params, check=check)
    if params["state"] == "recorded":
        return _recorded(view, params, check)
    if params["state"] == "tested":
        return {
            "changed": False,
            "rows": [_tested(view, channel, from_store) for channel in view.incident.notify],
            "messages": [],
            "due": False,
            "warnings": _missing(view),
        }
    return _planned(view, str(params["phase"]), check)


def _planned(view: View, phase: str, check: bool) -> Row:
    at = now()
    if phase == "test":
        todo = [Due(c, "test", hashlib.sha256(f"test {c['name']} {at}".encode()).hexdigest()[:32]) for c in view.incident.notify]
    else:
        todo = [due for due in wanted(view, phase) if not _sent(view, due)]
    messages: list[Row] = []
    rows: list[Row] = []
    for due in todo:
        kind = KINDS[due.channel["kind"]]
        row = {"id": due.key, "name": due.channel["name"], "kind": due.channel["kind"], "event": due.event}
        if why := problem(due.channel):
            rows.append({**row, "ok": False, "why": why})
            continue
        if any(m["name"] == row["name"] and m["kind"] in ("jira", "servicenow") for m in messages) and not _ref(view, due.channel):
            continue  # the ticket is not there yet: what else is to be said is said on it, the next time round
        payload = kind.payload(_message(view, due, at), due.channel, _ref(view, due.channel))
        wait = int(due.channel.get("timeout") or channels.TIMEOUT)
        messages.append({**row, "by": kind.BY, "timeout": wait, "answers": list(kind.ANSWERS), "payload": payload,
                         "channel": {**due.channel, "sent_at": str(int(time.time()))}})  # fmt: skip
    due_now = bool(messages or rows) or (phase == "all" and not check and _stale(view))
    return {"changed": False, "messages": messages, "rows": rows, "due": due_now, "warnings": []}


def _missing(view: View) -> list[str]:
    if not view.incident.notify or view.severity["level"] != "critical" or channels.out_of_band(view.incident.notify, "critical"):
        return []
    return ["the incident is critical and no channel is marked out_of_band: whoever is in the cloud account may read the others"]


def _recorded(view: View, params: Mapping[str, t.Any], check: bool) -> Row:
    """Keep what became of the messages, in the ledger and in result.json."""
    phase, sent = str(params["phase"]), [dict(row) for row in params["sent"]]
    if phase == "test" or check:
        return {"changed": False, "messages": [], "rows": sent, "due": False, "warnings": []}
    for row in sent:
        data = {"channel": row["name"], "kind": row["kind"], "event": row["event"], "key": row["id"]}
        if row["ok"]:
            some = {"refused": [str(one) for one in row["refused"]]} if row.get("refused") else {}
            view.ledger.note(SENT, {**data, "ref": str(row.get("ref") or ""), **some})
        else:
            said = {**data, "why": str(row["why"])}
            if said not in [n["data"] for n in view.notes.get(FAILED, ())][-50:]:
                view.ledger.note(FAILED, said)
    view.ledger.flush()
    view.notes = view.ledger.state.notes
    head = view.ledger.end("ok", changed=sum(1 for row in sent if row["ok"])) if sent else ""
    warnings = _write(view, head) if phase == "all" else []
    again = [due for due in wanted(view, phase) if not _sent(view, due)]
    return {
        "changed": any(row["ok"] for row in sent),
        "messages": [],
        "rows": sent,
        "due": bool(again),
        "warnings": warnings,
        "head": head or view.result.get("head", ""),
    }


def _standing(view: View) -> tuple[list[Row], list[Row]]:
    """(rows of result.json's ``notify``, open items of those who could not be told)."""
    rows: list[Row] = []
    for due in wanted(view, "all"):
        row = {"name": due.channel["name"], "kind": due.channel["kind"], "event": due.event}
        failed = [n for n in view.notes.get(FAILED, ()) if n["data"]["key"] == due.key]
        if sent := _sent(view, due):
            rows.append({**row, "state": "sent", "why": "", "at": sent["time"]})
        elif failed:
            rows.append({**row, "state": "failed", "why": failed[-1]["data"]["why"], "at": failed[-1]["time"]})
    bad = [
        {"object": f"notifier {row['name']}", "why": f"was not told ({row['event']}): {row['why']}; the next run tries again", "due": None, "kind": "notify"}
        for row in rows if row["state"] == "failed"
    ]  # fmt: skip
    for channel in view.incident.notify:
        last = [n["data"] for n in view.notes.get(SENT, ()) if n["data"].get("channel") == channel["name"]][-1:]
        if last and last[0].get("refused"):
            why = f"its server refused {', '.join(last[0]['refused'])} ({last[0]['event']}); the others were told"
            bad.append({"object": f"notifier {channel['name']}", "why": why, "due": None, "kind": "notify"})
    return rows, bad


def _merged(view: View) -> Row:
    """result.json with what became of the messages. The status stays: a containment is as good as it is, whoever has heard of it."""
    rows, bad = _standing(view)
    others = [o for o in view.result.get("open", []) if not str(o.get("object", "")).startswith("notifier ")]
    return {**view.result, "notify": rows, "open": others + bad}


def _stale(view: View) -> bool:
    return bool(view.result) and _merged(view) != view.result


def _write(view: View, head: str) -> list[str]:
    fresh = _result(view.store)  # a run that ended meanwhile has the last word
    if not fresh:
        return []
    view.result = fresh
    merged = _merged(view) | ({"head": head} if head else {})
    view.result = merged
    return write(view.store, view.ledger.run, merged) if merged != fresh else []


def _result(store: Store) -> Row:
    try:
        found = json.loads(store.get("result.json"))
    except (EvictError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _tested(view: View, channel: Row, from_store: FromStore) -> Row:
    """Whether a channel is configured and its server reached. Of mail and SNS that is for those to say who send them (``by``)."""
    kind, why, how = KINDS[channel["kind"]], problem(channel), "configured"
    if not why and kind.BY == "uri":
        try:
            payload = kind.payload(_message(view, Due(channel, "test", "test"), now()), channel, "")
            url = kind.request({**channel, "sent_at": str(int(time.time()))}, payload, resolve(channel, from_store)).url
            how = reach(url, int(channel.get("timeout") or channels.TIMEOUT))
        except EvictError as error:
            why = error.message
    return {"name": channel["name"], "kind": channel["kind"], "by": kind.BY, "channel": channel, "ok": not why, "why": why or how}
