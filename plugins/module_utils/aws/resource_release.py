# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lifting the fence on resources: by the rules of the fence above the account, and behind the identities' own.

Of a policy only our statements are taken away, and only as far as those whom they hold have been released. When nobody else wrote in it meanwhile it is what it
was, to the byte; a bucket that had none has none again.
"""

from __future__ import annotations

import dataclasses
import threading
import typing as t
from collections.abc import Iterable

from ..common import edits, restore
from ..common.chain import Job
from ..common.errors import CloudError, EvictError
from ..common.plan import Edit, Phase, Step
from ..common.reader import Reader
from ..common.restore import Verdict
from . import documents, resource_policy, resources, responders
from . import service_control as scp
from .account_release import AccountRelease, Pair
from .resource_fence import PREFIX, same, seen
from .resources import Resource, bucket
from .service_control import Exempt, Held

if t.TYPE_CHECKING:
    from .release import Release

_NOUN = "what its resource policies deny"


class ResourceRelease(AccountRelease):
    """Part of a ``Release``. ``only``: ARNs of resources, empty = all."""

    def __init__(self, release: Release, standing: Iterable[Pair], chosen: set[str] | None, only: Iterable[str] = ()) -> None:
        super().__init__(release, standing, chosen)
        self.only = set(only)
        self._decided: dict[tuple[str, str], bool] = {}
        self._deciding = threading.Lock()

    def run(self) -> None:
        for arn in sorted({name.removeprefix(PREFIX).partition("#")[0] for name in self._pairs}):
            if not self.only or arn in self.only:
                account = next(latest for _first, latest in self._pairs.values() if latest.principal == f"{PREFIX}{arn}").target.account
                self.runner.add(f"{PREFIX}{arn}", account, [Job(Phase.RESOURCE, lambda r, a=arn: self._resource(a, r))])  # type: ignore[misc]
        self.runner.wait()

    def _resource(self, arn: str, reader: Reader) -> list[Step]:
        """A bucket is opened to the world again before its policy is written: AWS refuses to write a public one behind Block Public Access."""
        policy, leaves = self._statements(arn, reader)
        public = self._public(arn, reader) if leaves else None
        return [*([public] if public else []), *(dataclasses.replace(s, needs=(public.id,)) if public else s for s in policy)]

    def _statements(self, arn: str, reader: Reader) -> tuple[list[Step], bool]:
        """(the Steps on its policy, whether nobody is held by it any more)."""
        if f"{PREFIX}{arn}#policy" not in self._pairs:
            return [], True
        first, latest = self._pairs[f"{PREFIX}{arn}#policy"]
        if not isinstance(edit := latest.do[0], Edit):
            return [], False
        kind = resources.KINDS[arn.split(":")[2]]
        probe, _write = documents.find(edit.target, edit.document)
        try:
            now = reader.read(probe)
            resource_policy.whole(now, one := Resource(arn, edit.target, edit.document, latest.resource.removesuffix(" policy")))
        except EvictError as error:
            if isinstance(error, CloudError) and error.code in kind.GONE:
                return [], False  # it is gone, and what was changed in it went with it
            return [], self._row(latest.resource, "unknown", error.message)
        mine = scp.ours(now, self.sid)
        if not mine:
            return [], True  # somebody has taken it away, or an earlier release did
        if not same(mine, latest.after or []):
            return [], self._row(latest.resource, "conflict", "somebody has changed our statements since; look at it by hand")
        held = resource_policy.members(mine, self.sid)
        stay = [h for h in held if not self._lets(h, reader)]
        if stay == held:
            return [], False
        after = resource_policy.statements(self.sid, stay, self._declared(stay), kind, one) if stay else []
        return [self._step_of(first, latest, edit, mine, after, now)], not stay

    def _step_of(self, first: Step, latest: Step, edit: Edit, mine: list[scp.Statement], after: list[scp.Statement], now: t.Any) -> Step:
        sids = self._sids(mine, after)
        base, _write = documents.find(edit.target, edit.document)
        if after:
            do = Edit(edit.target, edit.document, "set_statements", {"sids": sids, "statements": after})
            return dataclasses.replace(
                latest, before=mine, after=after, do=(do,), probe=seen(base, sids), needs=(), optional=False,
                action=f"deny only {', '.join(sorted({h.arn for h in resource_policy.members(after, self.sid)}))} any more",
            )  # fmt: skip
        text = next((str(a.arguments.get("text") or "") for a in first.undo if isinstance(a, Edit)), "")
        do = Edit(edit.target, edit.document, "restore_statements", {"sids": sids, "statements": [], "text": text})
        left = edits.set_statements(now, sids, [])
        return dataclasses.replace(
            first, id=restore.PREFIX + first.id, before=mine, after=None if left is None else [], do=(do,), undo=latest.do, probe=seen(base, sids),
            needs=(), undoes=first.id, action="undo: take our deny out of it", optional=False,
        )  # fmt: skip

    @staticmethod
    def _sids(*found: list[scp.Statement]) -> list[str]:
        return sorted({str(s.get("Sid")) for statements in found for s in statements})

    def _declared(self, held: list[Held]) -> Exempt:
        accounts = sorted({h.arn.split(":")[4] for h in held})
        return Exempt(federated=tuple(a for account in accounts for a in responders.exempt(self.release.aws, self.case, account).federated))

    # -- Block Public Access -----------------------------------------------------------------------------------------------------

    def _public(self, arn: str, reader: Reader) -> Step | None:
        pair = self._pairs.get(f"{PREFIX}{arn}#public")
        if not pair:
            return None
        where = {k: v for k, v in pair[1].do[0].parameters.items() if k in ("Bucket", "ExpectedBucketOwner")}  # type: ignore[union-attr]
        one = Resource(arn, pair[1].target, where, f"bucket {arn.rpartition(':')[2]}")

        def keep(_step: Step) -> tuple[str, str, str | None] | None:
            if self.release.order.false_positive or not (by := bucket.opened(one, reader)):
                return None
            return "kept", f"without it everybody could read it again: its {by} still says so; take that away first", None

        try:
            verdict = restore.judge(*pair, reader, keep)
        except EvictError as error:
            verdict = Verdict(pair[1].resource, pair[1].principal, kind="unknown", why=error.message)
        if verdict and verdict.step:
            return verdict.step
        if verdict:
            self.release.rows.append(verdict)
        return None

    # -- who leaves --------------------------------------------------------------------------------------------------------------

    def _lets(self, held: Held, reader: Reader) -> bool:
        """Decided, and said, once for all resources."""
        key = (held.arn, held.purpose)
        with self._deciding:
            if key not in self._decided:
                self._decided[key] = self._leaves(held, _NOUN, reader)
            return self._decided[key]


def split(everything: Iterable[Pair]) -> list[Pair]:
    """The changes of resources."""
    return [pair for pair in everything if pair[1].id.startswith(PREFIX)]
