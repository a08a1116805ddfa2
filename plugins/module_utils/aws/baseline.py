# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the identities of an account are on a good day, kept beside the cases: ``baseline/<account>/<time>.json`` of the store.

One look that differs from the newest one there is kept as the next; a look that does not is not. ``{account, taken_at, by, state, unknown}``, where ``state``
is that of account_state.py.
"""

from __future__ import annotations

import concurrent.futures
import json
import typing as t
from collections.abc import Callable, Mapping

from ..common import template
from ..common.container import lost_with_container
from ..common.errors import EvictError, InvalidInput, Refused
from ..common.incident import Incident
from ..common.reader import Reader
from ..common.store import Store, open_store
from . import account_state, ready
from .session import Aws, iso

FOLDER = "baseline"


def newest(store: Store, account: str) -> dict[str, t.Any] | None:
    """The last one of an account, as it was written; None when there is none. Raises ``EvictError``."""
    for path in sorted(store.list(f"{FOLDER}/{account}"), reverse=True):
        try:
            found = json.loads(store.get(path))
        except ValueError:
            continue  # not ours, or damaged: the one before it
        if isinstance(found, dict) and isinstance(found.get("state"), dict):
            return {**found, "path": path}
    return None


def keep(aws: Aws, store: Store, account: str, *, check: bool) -> dict[str, t.Any]:
    """{account, state: kept | written | would write | unknown, path, identities, unknown, why, remedy}."""
    row: dict[str, t.Any] = {"account": account, "state": "unknown", "path": "", "identities": 0, "unknown": [], "why": "", "remedy": ""}
    try:
        state, gaps = account_state.read(account, Reader({"aws": aws}))
        before = newest(store, account)
        row |= {"identities": len([arn for arn in state if arn.startswith("arn:")]), "unknown": gaps}
        if gaps:
            row |= {"why": "; ".join(gaps[:3]), "remedy": "give the responder docs/permissions/aws-readiness.json, then run again"}
        if before and (before["state"] == state or (gaps and not account_state.diff(before["state"], state))):
            return row | {"state": "unknown" if gaps else "kept", "path": f"{store.url}/{before['path']}"}
        now = iso(aws.now())
        path = f"{FOLDER}/{account}/{now.replace(':', '').replace('-', '')}.json"
        content = {"account": account, "taken_at": now, "by": aws.caller["arn"], "state": state, "unknown": gaps}
        if not check:
            store.put(path, json.dumps(content, sort_keys=True, indent=1).encode())
        written = "would write" if check else "written"
        return row | {"state": "unknown" if gaps else written, "path": f"{store.url}/{path}", "changed": True}
    except EvictError as error:
        return row | {"why": error.message, "remedy": error.remedy}


def run(params: Mapping[str, t.Any], connect: Callable[..., Aws], *, check: bool) -> dict[str, t.Any]:
    """aws_baseline. Raises ``InvalidInput`` for the file; an account that cannot be read, and whatever stops all of them (account ""), is a row "unknown"."""
    incident = template.read(params)
    found: dict[str, t.Any] = {"changed": False, "baselines": [], "problems": []}
    try:
        if params.get("keep") is not False:
            found = _kept(params, incident, connect, check=check)
    except InvalidInput:
        raise
    except EvictError as error:
        row = {"account": "", "state": "unknown", "path": "", "identities": 0, "unknown": [], "why": error.message, "remedy": error.remedy}
        found |= {"baselines": [row], "problems": [error.as_dict()]}
    return {
        **found, "notify": len(incident.notify), "incident": incident.id, "incident_data": template.complete(incident) if incident.notify else {},
    }  # fmt: skip


def _kept(params: Mapping[str, t.Any], incident: Incident, connect: Callable[..., Aws], *, check: bool) -> dict[str, t.Any]:
    """{changed, baselines, problems}. Raises ``EvictError`` for the store and the caller."""
    store = open_store(incident.store)
    if store.root and not params.get("allow_local_store") and (why := lost_with_container(str(store.root))):
        raise Refused(
            f"the store {store.url} {why}", object=store.url, operation="baseline",
            remedy="mount a directory for the store, use s3://, az:// or gs://, or accept it with allow_local_store=true",
        )  # fmt: skip
    aws = connect(params, incident.connection.get("aws"), incident=incident.id)
    accounts, left = ready.accounts(aws, list(params.get("accounts") or incident.accounts))
    with concurrent.futures.ThreadPoolExecutor(max(1, int(params.get("threads") or 16))) as pool:
        rows = list(pool.map(lambda account: keep(aws, store, account, check=check), accounts))
    problems = [
        {"object": r["account"], "operation": "baseline", "message": r["why"], "remedy": r["remedy"]}
        for r in rows
        if r["state"] == "unknown"
    ]
    problems += [
        {"object": r["object"], "operation": "baseline", "message": r["why"], "remedy": r["remedy"]} for r in left if r["state"] != "ok"
    ]
    return {
        "changed": any(r.pop("changed", False) for r in rows), "baselines": rows, "problems": problems,
    }  # fmt: skip
