# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boils down what the sending tasks registered, so that nothing of a request (which holds secrets) goes further, and shows what became of the messages."""

from __future__ import annotations

import json
import typing as t

from ansible import constants
from ansible.plugins.action import ActionBase

from ..module_utils.common.errors import EvictError
from ..module_utils.common.notifiers import made
from ..module_utils.common.notifiers.secrets import KEPT
from ..module_utils.common.store import open_store
from ..plugin_utils import raw
from ..plugin_utils.acting import keep, say

_WORDS = (  # of what urllib says, that which helps
    ("timed out", "no answer in time"),
    ("timeout", "no answer in time"),
    ("refused", "the connection was refused"),
    ("certificate", "its certificate is not trusted"),
    ("name or service", "its name is not known"),
    ("resolution", "its name is not known"),
    ("unreachable", "it cannot be reached"),
    ("reset", "the connection was cut"),
)


class ActionModule(ActionBase):
    """``planned`` (what the module returned) and ``results`` (what the sending tasks registered) become ``sent``, or tell of a test.

    ``result_file``: a copy of result.json.
    """

    TRANSFERS_FILES = False

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        del tmp
        arguments = {k: v for k, v in self._task.args.items() if v not in (None, "")}
        planned, registered, result_file = arguments.pop("planned", None), arguments.pop("results", []), arguments.pop("result_file", None)
        if planned is not None:
            arguments["sent"] = sent(planned, registered)
        result.update(self._execute_module(module_name="evict.cloud.case_notify", module_args=arguments, task_vars=task_vars))
        state = arguments.get("state", "planned")
        if state == "planned" and constants.config.get_config_value("DEFAULT_KEEP_REMOTE_FILES"):
            _refuse_kept(result)
        if state == "planned" and self._task.check_mode:
            for message in result.get("messages", []):
                say(f"  NOTIFY  would tell {message['name']} ({message['kind']}): {message['event']}")
        if state == "tested":
            result["rows"] = tested(result.get("rows", []), registered)
            for row in result["rows"]:
                say(f"  NOTIFY  {row['name']} ({row['kind']}): " + ("" if row["ok"] else "CANNOT BE USED, ") + row["why"])
        if state == "recorded":
            for row in result.get("rows", []):
                say(f"  NOTIFY  {row['name']} ({row['kind']}): {row['event']}: " + (_sent(row) if row["ok"] else f"NOT SENT, {row['why']}"))
            if result_file:
                _copy(str(arguments.get("case", "")), arguments.get("store"), str(result_file))
        return result


def _refuse_kept(result: dict[str, t.Any]) -> None:
    """Requests would lie in files for good, with their secrets: those messages are not sent."""
    messages = result.get("messages", [])
    result["messages"] = [m for m in messages if m["by"] != "uri"]
    result["rows"] = [*result.get("rows", []), *({**{k: m[k] for k in ("id", "name", "kind", "event")}, "ok": False, "why": KEPT}
                                                 for m in messages if m["by"] == "uri")]  # fmt: skip


def sent(planned: t.Mapping[str, t.Any], registered: t.Iterable[t.Any]) -> list[dict[str, t.Any]]:
    """A row for each message: {id, name, kind, event, ok, why, ref}. Nothing of a request or an answer is in it, but the id of a ticket."""
    answers = {str(one["item"]["id"]): one for group in registered for one in group if isinstance(one.get("item"), dict)}
    rows = [{k: v for k, v in row.items() if k in ("id", "name", "kind", "event", "ok", "why")} for row in planned.get("rows", [])]
    for message in planned.get("messages", []):
        answer = answers.get(str(message["id"]), {})
        why = _why(message, answer)
        rows.append({
            **{k: str(message[k]) for k in ("id", "name", "kind", "event")}, "ok": not why, "why": why,
            "ref": "" if why else made(str(message["kind"]), answer.get("json")),
            **({"refused": [raw.printable(str(one), 300) for one in answer["refused"]]} if not why and answer.get("refused") else {}),
        })  # fmt: skip
    return rows


def tested(rows: t.Iterable[t.Mapping[str, t.Any]], registered: t.Iterable[t.Any]) -> list[dict[str, t.Any]]:
    """{name, kind, ok, why} of each channel, with what the tasks registered that asked mail servers and topics."""
    asked = {str(one["item"]["name"]): one for group in registered for one in group if isinstance(one.get("item"), dict)}
    found = []
    for row in rows:
        about: dict[str, t.Any] = {"name": str(row["name"]), "kind": str(row["kind"]), "ok": bool(row["ok"]), "why": str(row["why"])}
        if about["ok"] and row["by"] != "uri":
            answer = asked.get(str(row["name"]), {})
            text = raw.printable(str(answer.get("msg") or "it was not asked"), 300)
            bad = not answer or answer.get("skipped") or bool(answer.get("msg")) or answer.get("failed")
            about |= {"ok": not bad, "why": text if bad else "answers, and takes the login" if row["by"] == "mail" else "answers"}
        found.append(about)
    return found


def _sent(row: t.Mapping[str, t.Any]) -> str:
    return "sent" + (f", BUT THE SERVER REFUSED {', '.join(row['refused'])}" if row.get("refused") else "")


def _why(message: t.Mapping[str, t.Any], answer: t.Mapping[str, t.Any]) -> str:
    """Why a message is not known to have been taken; "" when it was."""
    if not answer or answer.get("skipped"):
        return "it was not sent"
    text = str(answer.get("msg") or "")
    if message["by"] != "uri":
        return raw.printable(text, 300) or "failed" if answer.get("failed") else ""
    status = answer.get("status")
    if isinstance(status, int) and status > 0:
        if status in message["answers"]:
            return ""
        return f"answered {status}, a redirect, which is not followed" if 300 <= status < 400 else f"answered {status}"
    return next((said for word, said in _WORDS if word in text.lower()), "no answer that could be understood")


def _copy(case: str, store: t.Any, path: str) -> None:
    """What became of the messages, in the copy of result.json that somebody asked for."""
    try:
        kept = json.loads(open_store({**(store or {}), "url": case}).get("result.json"))
        with open(path, encoding="utf-8") as file:
            copy = json.load(file)
    except (EvictError, OSError, ValueError):
        return  # it was never written, or the case has no result
    if copy.get("status") != kept.get("status"):
        return  # result.json could not be written, and is of an earlier run
    copy |= {key: kept[key] for key in ("notify", "open", "head") if key in kept}
    keep(path, copy)
