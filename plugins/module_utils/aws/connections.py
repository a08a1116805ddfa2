# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account is connected with: every way out of it (``connected``), in every enabled region. Read-only; a read that failed is unknown, never absent."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable, Collection, Mapping

from ..common.case import look_up
from ..common.errors import EvictError
from ..common.ledger import Ledger
from ..common.plan import Target
from ..common.pool import Pool
from ..common.reader import Reader
from ..common.store import NotFound, Store
from . import accounts, connected, events
from .session import Aws, iso

FILE = "report/aws-connected.json"  # in the case, where the analysis finds it
READS = events.READS
_MOST = 2000  # ways of one kind in one account


class Search:
    """``found``: {account: {"paths": [{kind, object, to, how, owner, region}], "unknown": [{kind, region, why}], "looked": [kinds of which all was read]}}."""

    def __init__(self, aws: Aws, *, threads: int = 16, per_account: int = 8, kinds: Collection[str] = ()) -> None:
        self._aws, self._threads, self._per_account = aws, threads, per_account
        self._kinds = [kind for kind in connected.KINDS.values() if not kinds or kind.KIND in kinds]
        self.found: dict[str, dict[str, t.Any]] = {}

    def run(self, accounts: Collection[str], regions: Collection[str] = ()) -> None:
        reader, pool = Reader({"aws": self._aws}), Pool(self._threads, self._per_account)
        for account in accounts:
            self.found[account] = {"paths": [], "unknown": [], "looked": []}
            pool.submit(0, account, lambda a=account: self._account(pool, reader, a, regions))  # type: ignore[misc]
        try:
            pool.wait()
        finally:
            pool.close()
        for about in self.found.values():
            missed = {one["kind"] for one in about["unknown"]}
            about["looked"] = [] if "" in missed else [kind.KIND for kind in self._kinds if kind.KIND not in missed]
            about["paths"].sort(key=lambda p: (p["kind"], p["object"], p["to"]))
            about["unknown"].sort(key=lambda u: (u["kind"], u["region"]))

    def _account(self, pool: Pool, reader: Reader, account: str, wanted: Collection[str]) -> None:
        try:
            enabled = events.regions(self._aws, account)
        except EvictError as error:
            self.found[account]["unknown"].append({"kind": "", "region": "", "why": error.message})
            return
        left = sorted(set(enabled) - set(wanted)) if wanted else []
        for kind in self._kinds:
            targets = [Target("aws", account)] if kind.GLOBAL else [Target("aws", account, r) for r in enabled if not wanted or r in wanted]
            for target in targets:
                pool.submit(1, account, lambda k=kind, t_=target: self._look(k, t_, reader))  # type: ignore[misc]
            if left and not kind.GLOBAL:
                why = f"{len(left)} enabled regions were left out, as was asked for"
                self.found[account]["unknown"].append({"kind": kind.KIND, "region": "", "why": why})

    def _look(self, kind: connected.Kind, target: Target, reader: Reader) -> None:
        about = self.found[target.account]
        try:
            rows = [
                {"kind": kind.KIND, "object": p.object, "to": p.to, "how": p.how, "owner": p.owner, "region": target.region}
                for p in kind.paths(target, reader)
            ]
        except EvictError as error:
            if not self._aws.absent(error, target.region) and not _none(error):
                about["unknown"].append({"kind": kind.KIND, "region": target.region, "why": error.message})
            return
        except Exception as error:  # a bug, or an answer that is not what AWS's model says: it hides no other way
            why = f"could not be understood ({type(error).__name__})"
            about["unknown"].append({"kind": kind.KIND, "region": target.region, "why": why})
            return
        if len(rows) > _MOST:
            about["unknown"].append(
                {"kind": kind.KIND, "region": target.region, "why": f"{len(rows)} of them, of which {_MOST} are listed"}
            )
        about["paths"] += rows[:_MOST]


def _none(error: EvictError) -> bool:
    """An account without an organization says so by an error."""
    return getattr(error, "code", "") == "AWSOrganizationsNotInUseException"


def find(params: Mapping[str, t.Any], connect: Callable[..., Aws], *, check: bool) -> dict[str, t.Any]:
    """aws_connected_info: {"accounts", "paths", "unknown", "complete", "file"}."""
    incident, store = look_up(params)
    aws = connect(params, incident.connection.get("aws"), incident=incident.id)
    wanted, untold = list(params["accounts"] or ()), list[tuple[str, str]]()
    if not wanted:
        ledger = Ledger.open(store, incident=incident.id, module="aws_connected_info", check=True)
        named, untold = accounts.concerned(aws, incident, ledger.state.notes)
        wanted = [*named, *(account for account in incident.accounts if account not in named)]
    search = Search(aws, threads=params["threads"], per_account=params["threads_per_account"], kinds=params["kinds"] or ())
    search.run(wanted, params["regions"] or ())
    if not check:
        kept = {"version": 1, "at": iso(aws.now()), "accounts": {**_kept(store), **search.found}}
        store.replace(FILE, json.dumps(kept, sort_keys=True, indent=1).encode("utf-8", "replace"))
    unknown = [{"account": "", "kind": "", "region": "", "why": f"{suspect}: {why}"} for suspect, why in untold]
    unknown += [{"account": account, **one} for account, about in search.found.items() for one in about["unknown"]]
    return {
        "accounts": {account: {"paths": len(a["paths"]), "looked": len(a["looked"])} for account, a in search.found.items()},
        "paths": [{"account": account, **p} for account, a in search.found.items() for p in a["paths"]][: params["limit"]],
        "unknown": unknown, "complete": not unknown, "file": f"{store.url}/{FILE}",
    }  # fmt: skip


def _kept(store: Store) -> dict[str, t.Any]:
    """What an earlier run found of other accounts."""
    try:
        found = json.loads(store.get(FILE)).get("accounts")
    except (NotFound, ValueError, AttributeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
