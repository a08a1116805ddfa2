# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of the readiness checks: which accounts, every check of each side by side, and what came of it. Nothing in AWS is changed."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import typing as t
from collections.abc import Callable, Mapping

from ..common import estate, template
from ..common.errors import EvictError, InvalidInput
from ..common.plan import Call, Target
from ..common.reader import Reader
from ..common.schema import printable
from ..common.store import open_store
from . import readiness
from .readiness.kind import OK, UNKNOWN, Look, Row
from .session import Aws, iso

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

READS = ("organizations:ListAccounts",)
ACCOUNTS = "accounts"  # the check that has no file: which accounts there are
_ACTIVE = ("ACTIVE", "PENDING_ACTIVATION", "")


def accounts(aws: Aws, given: list[str]) -> tuple[list[str], list[dict[str, t.Any]]]:
    """(the accounts to look at, rows about those that are not): the ones that are ``given``, else the organization's, else the caller's own."""
    if given:
        return sorted(set(given)), []
    try:
        listed = aws.call(Call(Target("aws", ""), "organizations", "ListAccounts", {})).get("Accounts", [])
    except EvictError as error:
        own = aws.caller["account"]
        why = f"the accounts of the organization are not known, so only the caller's own is looked at: {error.message}"
        remedy = f"list them under accounts; {error.remedy}" if error.remedy else "list them under accounts"
        return [own], [_row(ACCOUNTS, "", Row(UNKNOWN, why, own, remedy, "look into the others"))]
    found, rows = [], []
    for account in listed:
        state = str(account.get("State") or account.get("Status") or "")
        if state in _ACTIVE:
            found.append(str(account["Id"]))
            continue
        said = state.lower().replace("_", " ")
        why = (
            f"account {account['Id']} ({account.get('Name', '')}) is {said}: nobody can act in it, and its users and roles are still there"
        )
        rows.append(_row(ACCOUNTS, str(account["Id"]), Row(OK, object=str(account["Id"]), note=why)))
    return sorted(found), rows


def check(params: Mapping[str, t.Any], connect: Callable[..., Aws], *, checking: bool) -> dict[str, t.Any]:
    """aws_readiness_info. Raises InvalidInput for the file; everything else that fails is a row "unknown"."""
    incident = template.read(params)
    wanted = list(params.get("checks") or readiness.CHECKS)
    aws = connect(params, incident.connection.get("aws"), incident=incident.id)
    given = list(params.get("accounts") or incident.accounts)
    looked, rows = accounts(aws, given)
    store = functools.cache(lambda: open_store(incident.store))
    look = Look(
        aws=aws, incident=incident, account="", accounts=tuple(looked), given=bool(given), probe=bool(params.get("probe_store")) and not checking,
        reader=Reader({"aws": aws}), notifiers=tuple(params.get("notifiers") or ()), baselines=tuple(params.get("baselines") or ()),
        store=store, local=bool(params.get("allow_local_store")),
    )  # fmt: skip
    todo = [(name, account) for name in wanted for account in (looked if readiness.CHECKS[name].EACH else [""])]
    # The responder first: what its role is assumed for, many checks would ask for at once.
    todo.sort(key=lambda one: one[0] != "responder")
    with concurrent.futures.ThreadPoolExecutor(max(1, int(params.get("threads") or 16))) as pool:
        for found in pool.map(lambda one: _ask(one[0], dataclasses.replace(look, account=one[1])), todo):
            rows += found
    order = [ACCOUNTS, *readiness.CHECKS]
    rows.sort(key=lambda row: (row["account"], order.index(row["check"]), row["object"]))
    bad = [row for row in rows if row["state"] != OK]
    return {
        "status": "ok" if not bad else "open", "incident": incident.id, "at": iso(aws.now()), "caller": aws.caller["arn"], "accounts": looked, "rows": rows,
        "ready": [a for a in looked if not any(row["account"] == a for row in bad)] if not any(row["account"] == "" for row in bad) else [],
        "calls": aws.calls, "warnings": aws.warnings(),
    }  # fmt: skip


def _ask(name: str, look: Look) -> list[dict[str, t.Any]]:
    checking = readiness.CHECKS[name]
    try:
        found = list(checking.check(look)) or [Row(OK)]
    except EvictError as error:
        if isinstance(error, InvalidInput):
            raise
        found = [Row(UNKNOWN, error.message, error.object, error.remedy)]
    return [_row(name, look.account, row) for row in found]


def _row(check: str, account: str, row: Row) -> dict[str, t.Any]:
    loss = "" if row.state == OK else row.loss or (readiness.CHECKS[check].LOSS if check in readiness.CHECKS else "")
    return {"check": check, "account": account, **dataclasses.asdict(row), "loss": loss}


def said(row: Mapping[str, t.Any]) -> str:
    """A row that is not ok, in a line for a message."""
    return printable(f"{row['account'] or 'all accounts'} {row['check']}: {row['why']}", 500)


def leave(module: AnsibleModule, result: dict[str, t.Any]) -> t.NoReturn:
    """End the module; what is not ok fails the task."""
    for warning in result.pop("warnings"):
        module.warn(warning)
    bad, _follows = estate.telling(result["rows"])
    if result["status"] == "ok":
        module.exit_json(changed=False, **result)
    more = f"; and {len(bad) - 5} more" if len(bad) > 5 else ""
    module.fail_json(msg="not ready: " + "; ".join(map(said, bad[:5])) + more, **result)
