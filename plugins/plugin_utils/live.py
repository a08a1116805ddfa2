# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module is silent until it ends; the ledger is not. These actions print what it records while the module works, and a table at the end."""

from __future__ import annotations

import contextlib
import json
import threading
import typing as t

from ..module_utils.common.errors import EvictError
from ..module_utils.common.ledger_record import new_id
from ..module_utils.common.spool import Spooled
from ..module_utils.common.store import Store, open_store
from . import table
from .acting import RawAction, keep, say

_LONG = (
    "principals",
    "steps",
    "diff",
    "problems",
    "open",
    "residual",
    "suggested",
    "lifted",
    "left",
    "events",
    "recovered",
    "fences",
    "watch",
    "looks",
    "not_compared",
    "workloads",
    "manual",
    "resource_fences",
    "legal",
    "severity",
    "rotation",
    "isolated",
    "clocks",
)
_ANSIBLES = (
    "calls",
    "changed_count",
    "deprecations",
    "diff",
    "exception",
    "invocation",
    "msg",
    "problems",
    "steps",
    "warnings",
)  # not in result.json
_LINES = 40  # live lines at most: a run over a thousand identities is told in counts
_LOCAL, _REMOTE = 0.3, 2.0  # seconds between two looks at the store


class Watch(threading.Thread):
    """Prints the new records of a case's ledger until ``stop``; with ``account`` only what concerns it, since hosts run side by side."""

    def __init__(self, case: dict[str, t.Any], account: str = "") -> None:
        super().__init__(daemon=True)
        self._mine = f":{account}:" if account else ""
        self._over = threading.Event()
        self._case = case
        self._seen: set[str] = set()
        self._began = new_id()
        self._shown = 0
        self._names: dict[str, str] = {}

    def run(self) -> None:
        try:
            store = open_store(self._case)
            # Where the store fails, what the module keeps on this machine is shown.
            store = Spooled(store, store.url.rsplit("/", 1)[-1]) if store.remote else store
            names = store.list("ledger")
            # A store that failed was slow to do so: the module has begun already, and what it writes is not to be missed.
            self._seen = {name for name in names if not store.failed or name.split("/")[1] < self._began}
            while not self._over.wait(_REMOTE if store.remote else _LOCAL):
                self._look(store)
            self._look(store)
        except EvictError:
            pass  # the module itself reports a store that cannot be read

    def stop(self) -> None:
        self._over.set()
        self.join(timeout=5)

    def _look(self, store: Store) -> None:
        for name in store.list("ledger"):
            if name in self._seen or "checkpoint" in name:
                continue
            self._seen.add(name)
            try:
                record = json.loads(store.get(name))
            except (EvictError, ValueError):
                continue
            for note in record.get("notes", []):
                if note.get("kind") == "principal" and self._mine in str(note["data"].get("arn")):
                    self._principal(note["data"])
                elif note.get("kind") == "progress":
                    say(f"  {note['data'].get('text', '')}")
            for step in record.get("intents", []):
                body = step.get("$step", {})
                self._names[str(body.get("id"))] = f"{body.get('action')}: {body.get('resource')}"
            for outcome in record.get("outcomes", []):
                if self._mine in str(outcome.get("id")):
                    self._outcome(outcome)

    def _principal(self, data: dict[str, t.Any]) -> None:
        if self._more():
            say(f"  {data['kind']} {data['arn']}  ({data['suspect']})")
            say(f"    cut: {data['cut']}")
            if data.get("breaks"):
                say(f"    may break: {'; '.join(data['breaks'])}")
            if data.get("managed"):
                say(f"    {data['managed']}")

    def _outcome(self, outcome: dict[str, t.Any]) -> None:
        status, what = outcome.get("status"), self._names.get(str(outcome.get("id")), str(outcome.get("id")))
        if status != "done" or self._more():
            say(f"  {outcome.get('at', '')}  {status}  {what}" + (f"  {outcome['message']}" if outcome.get("message") else ""))

    def _more(self) -> bool:
        self._shown += 1
        if self._shown == _LINES:
            say("  … more is done than is shown here; the ledger has all of it")
        return self._shown < _LINES


@contextlib.contextmanager
def watched(arguments: t.Mapping[str, t.Any], check: bool) -> t.Iterator[None]:
    """What the case's ledger records meanwhile is printed, where there is a case and something may be recorded."""
    if check or not arguments.get("case"):
        yield
        return
    watch = Watch({**(arguments.get("store") or {}), "url": str(arguments["case"])}, str(arguments.get("account") or ""))
    watch.start()
    try:
        yield
    finally:
        watch.stop()


class LiveAction(RawAction):
    """Runs the module of the same name under ``Watch``, prints ``table.lines`` and copies result.json to ``result_file``."""

    def arguments(self, _task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """The module's arguments, with ``result_file`` and ``brief`` for this plugin."""
        return {k: v for k, v in self._task.args.items() if v not in (None, "")}

    def work(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        result_file, brief = arguments.pop("result_file", None), arguments.pop("brief", False)
        with watched(arguments, self._task.check_mode):
            result = self.module(arguments, task_vars)
        if not arguments.get("account"):  # one account's share: the table comes when all are there
            preview = self._task.check_mode or arguments.get("phase") == "resolve"
            for line in table.lines(result, str(arguments.get("case", "")), preview):
                say(line)
        if result_file and "status" in result and arguments.get("phase") != "resolve":  # of which only a failure is the last word
            _write(str(result_file), result)
        # Ansible prints the whole result of a task that fails; the table has said it, and result.json holds it.
        return {k: v for k, v in result.items() if k not in _LONG} if brief and result.get("failed") else result


def _write(path: str, result: dict[str, t.Any]) -> None:
    """``result.json`` of the interfaces: all that the module found, with the count and the list of failures under their public names."""
    public = {key: value for key, value in result.items() if key not in _ANSIBLES and not key.startswith("_ansible_")}
    public |= {"changed": result.get("changed_count", 0), "failed": result.get("problems", [])}
    keep(path, public)
