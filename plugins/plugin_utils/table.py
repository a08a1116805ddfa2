# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tired responder reads at the end of a run. Pure: result in, lines out."""

from __future__ import annotations

import json
import re
import shlex
import typing as t

_ROWS = 60
_TIME = re.compile(r"\d{4}-\d\d-\d\dT")
_SIGNED = "signed GetCallerIdentity"  # the only thing that a denied session can still do
_LABELS = {"irreversible": "FINAL", "conflict": "CHANGED"}


def lines(result: dict[str, t.Any], case: str, preview: bool = False) -> list[str]:
    """The table of principals, then what failed, what stays open, and the commands that come next."""
    if "status" not in result:
        return []
    out = [*_principals(result)]
    out += [f"  IAC     {row['arn']}: {row['managed']}" for row in result.get("principals", [])[:_ROWS] if row.get("managed")]
    for fence in result.get("fences", []):
        out += _fence(fence)
    out += _manual(result, case)
    out += _resources(result.get("resource_fences") or [])
    out += _rotation(result.get("rotation", [])) + _replaced(result.get("replaced", []))
    out += _still(result)
    out += _isolated(result)
    out += _clocks(result)
    for problem in result.get("problems", []):
        out.append(f"  FAILED  {problem['object']}: {problem['message']}")
        if problem.get("remedy"):
            out.append(f"          -> {problem['remedy']}")
    for item in result.get("open", []):
        label = _LABELS.get(str(item.get("kind")), str(item.get("kind") or "open").upper())
        out.append(f"  {label:7} {item['object']}: {item['why']}" + (f" (due {item['due']})" if item.get("due") else ""))
    for item in result.get("watch", []):
        out.append(f"  WATCH   {item['object']}: {item['why']}")
    for gap in result.get("not_compared", []):
        out.append(f"  UNKNOWN {gap}")
    for guard in result.get("lifted", []):
        out.append(f"  LIFTED  guard {guard['guard']} for {guard['object']} by {guard['by']}: {guard['reason']}")
    if result.get("idle"):
        out.append(f"  nothing to do in {', '.join(result['idle'])}")
    for left in result.get("left", []):
        out.append(f"  LEFT    {left['suspect']}: judged a false positive by {left['by']} ({left['reason']})")
    for text in result.get("recovered", []):
        out.append(f"  AFTER A CRASH  {text}")
    out += _severity(result.get("severity") or {}) + _legal(result)
    out += _suggested(result.get("suggested", []))
    events = result.get("events") or {}
    if events.get("asked"):
        out.append(
            f"  logs: {events.get('seen', 0)} events seen, the newest of {events.get('until') or 'no time'}; history runs up to 15 minutes late"
        )
    out.append(
        f"  {result['status']}  changed: {result.get('changed_count', 0)}  case: {case or result.get('incident', '')}  head: {result.get('head', '')}"
    )
    return out if preview else out + _go_on(result, case) + _next(result, case)


def _principals(result: dict[str, t.Any]) -> list[str]:
    rows = [r for r in result.get("principals", []) if "action" in r]
    if not rows:
        return []
    until = _latest(result.get("residual", []))
    cells = [("IDENTITY", "CONTAINED AT", "PROOF", "RESIDUAL ACCESS UNTIL", "ACTION")]
    for row in rows[:_ROWS]:
        action = f"{row['role_action']}: {row['action']}" if row.get("role_action") else row["action"]
        cells.append((row["arn"], row.get("contained_at") or "-", row.get("proof") or "-", until.get(row["arn"]) or "none known", action))
    widths = [max(len(c[i]) for c in cells) for i in range(4)]
    out = ["  " + "  ".join([*(c[i].ljust(widths[i]) for i in range(4)), c[4]]) for c in cells]
    return [*out, f"  … and {len(rows) - _ROWS} more, see result.json"] if len(rows) > _ROWS else out


def _manual(result: dict[str, t.Any], case: str) -> list[str]:
    """What no API does, in the order in which a person is to do it, and how to say that it is done."""
    out = []
    for row in result.get("manual", [])[:_ROWS]:
        if done := row.get("confirmed"):
            out.append(f"  DONE    {row['object']}: {row['what']} (by {done['by']}, {done['at']})")
            continue
        out.append(f"  MANUAL  {row['object']}: {row['what']} ({row['why']})")
        if case:
            out.append(
                f"          -> when it is done: ansible-playbook evict.cloud.confirm {_extra('case', case)} {_extra('item', row['id'])} -e \"by='…'\""
            )
    return out


def _latest(residual: list[dict[str, t.Any]]) -> dict[str, str]:
    """By object, the end that comes last: words ("ended by hand") outlast every time. What can only sign is told below the table, once for all."""
    found: dict[str, str] = {}
    for row in residual:
        if row["token_kind"] == _SIGNED:
            continue
        old, new = found.get(row["object"], ""), str(row["until"])
        found[row["object"]] = new if not old or (not _TIME.match(new) and _TIME.match(old)) or (_TIME.match(old) and new > old) else old
    return found


def _still(result: dict[str, t.Any]) -> list[str]:
    """What could still act, and what does not work until when."""
    rows = [r for r in result.get("residual", []) if r["token_kind"] != _SIGNED]
    signing = [r for r in result.get("residual", []) if r["token_kind"] == _SIGNED]
    out = [f"  STILL   {r['object']}: {r['token_kind']} until {r['until']} ({r['why']})" for r in rows[:_ROWS]]
    out += [f"          … and {len(rows) - _ROWS} more, see result.json"] if len(rows) > _ROWS else []
    if signing:
        who = signing[0]["object"] if len(signing) == 1 else f"{len(signing)} identities"
        out.append(f"  STILL   {who}: {_SIGNED} until {max(str(r['until']) for r in signing)} ({signing[0]['why']})")
    for row in result.get("workloads", [])[:_ROWS]:
        told = row["state"] == "not listed" or not row["until"]  # or there is nothing to tell
        failing = "" if told else f", will fail until {row['until'][11:16]}Z ({row['until']}) at the latest"
        out.append(f"  WORKS   {row['text']}: {row['state']}{failing}" + (f"; {row['why']}" if row["why"] else ""))
    return out


def _isolated(result: dict[str, t.Any]) -> list[str]:
    """What became of the compute that was looked at."""
    rows = result.get("isolated") or []
    out = []
    for row in rows[:_ROWS]:
        how = f" ({row['how']})" if row["how"] else ""
        out.append(f"  COMPUTE {row['text']}: {row['state']}{how}" + (f"; {row['why']}" if row["why"] else ""))
    return [*out, f"          … and {len(rows) - _ROWS} more, see result.json"] if len(rows) > _ROWS else out


def _clocks(result: dict[str, t.Any]) -> list[str]:
    """What runs out by itself, the earliest deadline first; what was switched off has none."""
    rows = sorted(result.get("clocks", []), key=lambda r: (not r["deadline"], r["deadline"] or ""))
    out = []
    for row in rows[:_ROWS]:
        when = f"{row['deadline']}  " if row["deadline"] else ""
        out.append(f"  CLOCK   {when}{row['object']}: {row['what']}: {row['state']}" + (f" ({row['why']})" if row["why"] else ""))
    return [*out, f"          … and {len(rows) - _ROWS} more, see result.json"] if len(rows) > _ROWS else out


_STATES = {
    "PLANNED": "nothing was changed",
    "SLOT_READY": "there is room for a new key",
    "MINTED": "there is a new key, nobody has it yet",
    "STORED": "the first dependent has the new key",
    "DISTRIBUTED": "all dependents have the new key",
    "VERIFIED_NEW": "all dependents have the new key, and AWS takes it",
    "OLD_QUIESCENT": "nobody uses the old key any more",
    "OLD_DISABLED": "the old key is off",
    "SOAKED": "the old key was off for long enough",
    "OLD_DELETED": "the old key is deleted",
}


def _rotation(rows: list[dict[str, t.Any]]) -> list[str]:
    """What became of each key, and of each place that has to have the new one."""
    out = []
    for row in rows:
        until = f"; the old key may live until {row['deadline']}" if row.get("deadline") else ""
        state = f"{row['state']}: {_STATES[row['state']]}" if row["state"] in _STATES else "nothing done"
        out.append(f"  ROTATE  {row['user']}: {row['old']} -> {row['new'] or 'no new key yet'}  {state} ({row['mode']}{until})")
        for place in row["places"][:_ROWS]:
            said, _colon, why = place["state"].partition(":")
            out.append(f"          {said or '-':7} {place['place']}" + (f": {why.strip()}" if why else "") + _proof(place))
        out += [f"          … and {len(row['places']) - _ROWS} more, see result.json"] if len(row["places"]) > _ROWS else []
    return out


def _replaced(rows: list[dict[str, t.Any]]) -> list[str]:
    """What became of each other credential that the incident replaces."""
    return [
        f"  REPLACE {row['user']}: {row['kind']} {', '.join(row['old']) or '(none)'} -> {row['new'] or _same(row)}"
        f"  {row['state'] or 'nothing done'} ({row['mode']})"
        for row in rows[:_ROWS]
    ]


def _go_on(result: dict[str, t.Any], case: str) -> list[str]:
    """The command with which a rotation goes on, and from when; in an emergency that with which one begins."""
    rows = result.get("rotation") or []
    if not case or not (rows or result.get("dependents")):
        return []
    if not rows:
        return [
            f"  new key:          ansible-playbook evict.cloud.rotate {_extra('case', case)}  gives one to the dependents; it works when the deny is released"
        ]
    if all(row["state"] == "OLD_DELETED" for row in rows):
        return []
    verb = "contain" if any("proof" in p for p in result.get("principals", [])) else "rotate"
    due = min(
        (str(item["due"]) for item in result.get("open", []) if item.get("due") and " access key " in str(item["object"])), default=""
    )
    return [f"  go on:            {due + '  ' if due else ''}ansible-playbook evict.cloud.{verb} {_extra('case', case)}"]


def _same(row: dict[str, t.Any]) -> str:
    return "the same, with a new secret" if row["state"] == "MINTED" else "-"


def _proof(place: dict[str, t.Any]) -> str:
    """Of what cannot be read back."""
    return f", {place['proof']}" if place.get("proof") and place["state"] == "new" else ""


def _fence(fence: dict[str, t.Any]) -> list[str]:
    """What stands above an account, or why nothing does and what holds instead."""
    standing = (
        [f"  FENCE   account {fence['account']}: standing fence ({fence['standing']}): {fence['standing_why']}"]
        if fence.get("standing")
        else []
    )
    if fence["control"] == "tag":
        beside = (
            [f"  FENCE   account {fence['account']}: resource control policy {', '.join(fence['resources'])}"]
            if fence.get("resources")
            else []
        )
        return [*standing, *beside]
    if fence.get("resources"):
        fence = {**fence, "policies": [*fence["policies"], f"resource control policy {', '.join(fence['resources'])}"]}
    if fence["control"] == "scp":
        return [f"  FENCE   account {fence['account']}: service control policy {', '.join(fence['policies'])} ({fence['why']})", *standing]
    instead = f"; instead: {', '.join(fence['instead'])}" if fence["instead"] else ""
    out = [f"  FENCE   account {fence['account']}: no service control policy, {fence['why']}{instead}"]
    return [*out, *([f"          -> {fence['remedy']}"] if fence.get("remedy") else []), *standing]


def _resources(rows: list[dict[str, t.Any]]) -> list[str]:
    """How many resources deny the contained, and one line for each that does not, or that somebody had opened to everybody."""
    fenced = [r for r in rows if r["state"] in ("fenced", "would be fenced")]
    if not rows:
        return []
    kinds: dict[str, int] = {}
    for row in fenced:
        noun = str(row["resource"]).partition(" ")[0]
        kinds[noun] = kinds.get(noun, 0) + 1
    out = [f"  FENCE   by their own policies, resources: {', '.join(f'{n} {noun}' for noun, n in sorted(kinds.items())) or 'none'}"]
    for row in [r for r in rows if r not in fenced or r["public"]][:_ROWS]:
        out.append(f"          {row['object']}: " + "; ".join(filter(None, (row["state"], row["public"] or row["why"]))))
        if row["remedy"] and row["state"] not in ("spared", "fenced"):
            out.append(f"          -> {row['remedy']}")
    return out


def _severity(severity: dict[str, t.Any]) -> list[str]:
    """How severe, who says so, and why."""
    if not severity:
        return []
    proposed = f", proposed {severity['proposed']}" if severity.get("proposed") else ""
    who = f", lowered by {severity['by']}" if severity.get("by") else ""
    out = [f"  SEVERITY {severity['level']} (set {severity['set']}{proposed}{who})"]
    return out + [f"           {why}" for why in severity.get("why", [])[:8]]


def _legal(result: dict[str, t.Any]) -> list[str]:
    """Every deadline, the first one first; where no clock runs, how one is started."""
    if "legal" not in result:
        return []
    rows = result["legal"]
    if not rows:
        return ["  LEGAL   no clock runs: set aware_at in the incident file to when you became aware (not legal advice)"]
    words = {"running": "", "passed": "PASSED, ", "met": "met, "}
    out = [f"  LEGAL   {r['deadline']}  {words.get(r['state'], '')}{r['law']}: {r['duty']}, to: {r['to']}" for r in rows]
    return [*out, "          counted from aware_at; which of them apply is for a lawyer to say: this is not legal advice"]


def _suggested(suspects: list[dict[str, str]]) -> list[str]:
    """A block to paste into the incident file; ARNs are quoted, since somebody else chose their names."""
    if not suspects:
        return []
    return ["  found by the logs and not touched; add what you want contained:", "    suspects:"] + [
        f"      - {{cloud: {s['cloud']}, arn: {_quoted(s['arn'])}}}" for s in suspects
    ]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _next(result: dict[str, t.Any], case: str) -> list[str]:
    if not case or not any("proof" in r for r in result.get("principals", [])):
        return []
    named = [r["suspect"] for r in result["principals"] if r.get("suspect") and not r.get("reason")]
    release = f"ansible-playbook evict.cloud.recover {_extra('case', case)}"
    looks = result.get("looks") or []
    again = f"ansible-playbook evict.cloud.contain {_extra('case', case)} -e phase=hold"
    out = [f"  look again at:    {' and '.join(looks)}  {again}"] if looks else []
    out.append(f"  release:          {release}")
    for suspect in named[:3]:
        out.append(f"  false positive:   {release} {_extra('only', suspect)} -e verdict=false_positive -e \"reason='…'\" -e \"by='…'\"")
    return out


def _extra(name: str, value: str) -> str:
    """An extra variable for a shell: Ansible splits name=value at blanks, and ``only`` is split at commas, so anything unusual goes as JSON."""
    if re.fullmatch(r"[\w@%+=:./-]+", value, re.ASCII):
        return f"-e {name}={value}"
    return "-e " + shlex.quote(json.dumps({name: [value] if name == "only" else value}))
