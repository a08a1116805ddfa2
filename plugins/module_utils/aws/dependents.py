# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What uses a credential: the places in which its id is written (``places``), what reads those places, what is declared, and who used it lately.

Read-only. Every place of every enabled region is a task of its own; what a place finds to look at is more of them. A read that failed is unknown.
"""

from __future__ import annotations

import concurrent.futures
import threading
import typing as t
from collections.abc import Callable, Collection, Mapping

from ..common import incident as incidents
from ..common.case import look_up
from ..common.errors import CloudError, EvictError
from ..common.plan import Call, Target
from ..common.pool import Pool
from ..common.reader import Reader
from ..common.suspect import Suspect, classify
from . import dependents_rows as rows
from . import events, places, uses
from .credentials import access_key, service_specific_credential
from .needles import Needles, References
from .places.kind import guarded, throttled
from .principal import Principal
from .resolving import resolve
from .session import Aws

READS = (*events.READS, *access_key.READS, *service_specific_credential.READS)
_SOURCES = ("secrets_manager", "ssm_parameter")  # places that others read, by name
_ROUNDS = (8, 2, 1)  # threads of the rounds in which what was throttled is asked again
Params = Mapping[str, t.Any]


class Discovery:
    """One search. ``found``: rows by what they are about; ``unknown``; ``looked``: {place: counts}."""

    def __init__(self, aws: Aws, *, threads: int = 16, per_account: int = 8, kinds: Collection[str] = ()) -> None:
        self._aws, self._threads, self._per_account = aws, threads, per_account
        self._kinds = [kind for kind in places.KINDS.values() if not kinds or kind.KIND in kinds]
        self.reader = Reader({"aws": aws})
        self._lock = threading.Lock()
        self.found = rows.Rows()
        self.unknown = rows.Unknown()
        self.looked: dict[str, dict[str, int]] = {
            k.KIND: {"regions": 0, "absent": 0, "objects": 0, "found": 0, "unknown": 0} for k in self._kinds
        }
        self._absent: set[tuple[str, Target]] = set()
        self._later: list[tuple[places.Kind, Target, Needles, places.Part]] = []

    def search(self, targets: Collection[Target], needles: Needles) -> None:
        """All places of ``targets`` (account and region each) for ``needles``; then for whatever names a place that was found."""
        self._run([(kind, target, needles) for kind in self._kinds for target in targets])
        named = self.found.references(_SOURCES)
        if named:
            sought = {target: References(rows.references(named, target)) for target in targets}
            self._run([(k, target, sought[target]) for k in self._kinds for target in targets if (k.KIND, target) not in self._absent])
        for row in self.found:
            if row["kind"] in self.looked:
                self.looked[row["kind"]]["found"] += 1

    def _run(self, jobs: list[tuple[places.Kind, Target, Needles]]) -> None:
        pool = Pool(self._threads, self._per_account)
        for kind, target, needles in jobs:
            part = places.Part("", lambda kind=kind, target=target, needles=needles: self._begin(kind, target, needles))  # type: ignore[misc]
            pool.submit(0, target.account, lambda k=kind, t_=target, n=needles, p=part: self._look(pool, k, t_, n, p))  # type: ignore[misc]
        self._drain(pool)
        for threads in _ROUNDS:  # what AWS was too busy for: once more, with less at a time
            again, self._later = self._later, []
            if not again:
                return
            self.reader.forget(throttled)
            pool = Pool(threads, threads)
            last = threads == _ROUNDS[-1]
            for kind, target, needles, part in again:
                pool.submit(0, target.account, lambda k=kind, t_=target, n=needles, p=part, x=last, o=pool: self._look(o, k, t_, n, p, x))  # type: ignore[misc]
            self._drain(pool)

    @staticmethod
    def _drain(pool: Pool) -> None:
        try:
            pool.wait()
        finally:
            pool.close()

    def _begin(self, kind: places.Kind, target: Target, needles: Needles) -> t.Iterator[places.Told]:
        """A place of one region. Where botocore does not know the service to be, one request that is not repeated says whether it is."""
        service, _colon, operation = kind.READS[0].partition(":")
        if not self._aws.offers(service, target.region):
            self.reader.get(Call(target, service, operation, {}, idempotent=False))
        return kind.search(target, needles, self.reader)

    def _look(self, pool: Pool, kind: places.Kind, target: Target, needles: Needles, part: places.Part, last: bool = False) -> None:
        whole, first = not part.object, needles.pairs
        seen, failed = 0, False
        for told in guarded(part.object, part.search):
            if isinstance(told, places.Part):
                pool.submit(0, target.account, lambda p=told: self._look(pool, kind, target, needles, p, last))  # type: ignore[misc]
            elif isinstance(told, places.Found):
                self._take(kind, told, first)
            elif isinstance(told, places.Seen):
                seen += told.count if first else 0
            elif throttled(told.error) and told.object == part.object and not last:
                with self._lock:
                    self._later.append((kind, target, needles, part))
                return
            else:
                failed = failed or (whole and not told.object)
                self._miss(kind, target, told, whole=whole and not told.object, first=first)
        self._count(kind, "objects", seen)
        if whole and first and not failed:
            self._count(kind, "regions")

    def _take(self, kind: places.Kind, told: places.Found, first: bool) -> None:
        with self._lock:
            if first:
                self.found.add(kind.KIND, told)
            else:
                self.found.refer(kind.KIND, told)

    def _count(self, kind: places.Kind, what: str, number: int = 1) -> None:
        with self._lock:
            self.looked[kind.KIND][what] += number

    def _miss(self, kind: places.Kind, target: Target, gap: places.Gap, *, whole: bool, first: bool) -> None:
        if not first:
            return  # the first search said so
        if whole and self._aws.absent(gap.error, target.region):
            self._absent.add((kind.KIND, target))
            self._count(kind, "absent")
            return
        with self._lock:
            self.looked[kind.KIND]["unknown"] += 1
            self.unknown.add(kind.KIND, kind.NOUN, target, gap.object, gap.error)


# -- the module ------------------------------------------------------------------------------------------------------------------


class Sought(t.NamedTuple):
    """A credential that is looked for: its id, its account, whose it is, and what of it may be written down ({text: id})."""

    id: str
    account: str
    owner: str
    names: dict[str, str]
    access: bool


def find(params: Params, connect: Callable[..., Aws]) -> dict[str, t.Any]:
    """aws_dependent_info: {"dependents", "unknown", "used", "credentials", "looked", "complete", "problems"}."""
    incident = _incident(params)
    aws = connect(params, incident.connection.get("aws") if incident else None, incident=incident.id if incident else "")
    named = [s for text in params["suspects"] or () for s in classify(text, account=params["account"])]
    sought, problems = _sought(aws, named or (incident.suspects if incident else []))
    discovery = Discovery(aws, threads=params["threads"], per_account=params["threads_per_account"], kinds=params["places"] or ())
    if not sought:
        return _result(discovery, [], [], [], problems)
    asked = concurrent.futures.ThreadPoolExecutor(max(4, len(sought)))  # CloudTrail has a pace of its own: beside the search
    logs = [asked.submit(_used, aws, discovery.reader, key, params["logs"]) for key in sought]
    accounts = list(dict.fromkeys([*(key.account for key in sought), *(params["accounts"] or ())]))
    targets = [target for account in accounts for target in _targets(aws, account, params["regions"] or (), discovery.unknown)]
    discovery.search(targets, Needles({text: key.id for key in sought for text in key.names}))
    for kind in places.KINDS.values():
        if kind.KIND not in discovery.looked:
            discovery.unknown.add(kind.KIND, kind.NOUN, None, "", EvictError("was left out, as was asked for (places)", operation="search"))
    discovery.found.declare(incident.dependents if incident else [], discovery.unknown)
    keys, used = [], []
    for key, log in zip(sought, logs, strict=True):
        row, found, gaps = log.result()
        keys.append(row)
        used += found
        for gap in gaps:
            discovery.unknown.add("cloudtrail", "the event history", Target("aws", key.account), key.id, gap)
    asked.shutdown()
    for use in used:
        uses.explain(use, discovery.found)
        if not use.by:
            discovery.unknown.use(use, uses.trusted(use, incident.trusted.networks if incident else ()))
    return _result(discovery, keys, used, targets, problems)


def _incident(params: Params) -> incidents.Incident | None:
    return look_up(params)[0] if params["case"] or params["incident_data"] or params["incident"] else None


def _sought(aws: Aws, suspects: list[Suspect]) -> tuple[list[Sought], list[dict[str, str]]]:
    """The lasting credentials that the suspects are or hold, each once, and what could not be resolved."""
    found: dict[str, Sought] = {}
    problems: list[dict[str, str]] = []
    for suspect in suspects:
        try:
            if suspect.cloud != "aws":
                raise EvictError(
                    f"{suspect.value}: {suspect.cloud} is not searched by aws_dependent_info", object=suspect.value, operation="resolve"
                )
            for one in _credentials(aws, suspect):
                found.setdefault(one.id, one)
        except EvictError as error:
            problems.append({**error.as_dict(), "object": error.object or suspect.value})
    return list(found.values()), problems


def _credentials(aws: Aws, suspect: Suspect) -> list[Sought]:
    """Of one suspect. A key that is deleted, or whose user nobody can read, is looked for all the same when its account is known."""
    reader = Reader({"aws": aws})
    try:
        principal = resolve(aws, suspect)
    except EvictError:
        if suspect.kind != "access_key" or not suspect.account:
            raise
        return [Sought(suspect.value, suspect.account, "", {suspect.value: suspect.value}, True)]
    if suspect.kind == "access_key":
        return [Sought(suspect.value, principal.account, principal.arn, {suspect.value: suspect.value}, True)]
    if principal.kind != "user":
        raise EvictError(
            f"{principal.arn} holds no lasting credential: what uses a role gets its sessions from AWS, and nothing of them is written down",
            object=principal.arn, operation="resolve", remedy="name an access key, a user, or a service-specific credential",
        )  # fmt: skip
    held = _service_credentials(principal, reader)
    if suspect.kind == "service_credential":
        return [one for one in held if suspect.value in (one.id, *one.names)] or held
    return [Sought(k["id"], principal.account, principal.arn, {k["id"]: k["id"]}, True) for k in access_key.held(principal, reader)] + held


def _service_credentials(principal: Principal, reader: Reader) -> list[Sought]:
    """By id, and by the public half, which is what places hold: as a user name, or inside an API key."""
    found = []
    for one in service_specific_credential.held(principal, reader):
        texts = [text for text in (str(one["id"]), str(one["alias"])) if len(text) >= 8]
        found.append(Sought(str(one["id"]), principal.account, principal.arn, {text: str(one["id"]) for text in texts}, False))
    return found


def _targets(aws: Aws, account: str, wanted: Collection[str], unknown: rows.Unknown) -> list[Target]:
    try:
        enabled = events.regions(aws, account)
    except EvictError as error:
        unknown.add("account", "every place", Target("aws", account), account, error)
        return []
    left = sorted(set(enabled) - set(wanted)) if wanted else []
    for region in left:
        unknown.add(
            "region",
            "every place",
            Target("aws", account, region),
            "",
            EvictError("was left out, as was asked for (regions)", operation="search"),
        )
    for region in sorted(set(wanted) - set(enabled)):
        unknown.add(
            "region", "every place", Target("aws", account, region), "", EvictError("is not enabled in the account", operation="search")
        )
    return [Target("aws", account, region) for region in enabled if not wanted or region in wanted]


def _used(aws: Aws, reader: Reader, key: Sought, seconds: int) -> tuple[dict[str, t.Any], list[uses.Use], list[EvictError]]:
    row: dict[str, t.Any] = {"id": key.id, "account": key.account, "owner": key.owner, "last_used": {}}
    gaps: list[EvictError] = []
    if not key.access:
        gaps.append(
            EvictError(
                "service-specific credentials leave no id in CloudTrail: who used it is not known", operation="cloudtrail:LookupEvents"
            )
        )
        return row, [], gaps
    try:
        row["last_used"] = uses.last_used(reader, key.account, key.id)
    except CloudError as error:
        gaps.append(error)
    if not seconds:
        return row, [], [*gaps, EvictError("was left out, as was asked for (logs)", operation="cloudtrail:LookupEvents")]
    found, missed = uses.lately(aws, key.account, key.id, seconds)
    return row, found, gaps + [EvictError(text, operation="cloudtrail:LookupEvents") for text in missed]


def _result(
    discovery: Discovery, keys: list[t.Any], used: list[uses.Use], targets: list[Target], problems: list[t.Any]
) -> dict[str, t.Any]:
    unknown = discovery.unknown.rows()
    return {
        "dependents": list(discovery.found),
        "unknown": unknown,
        "used": [use.row() for use in used[: rows.MOST]],
        "credentials": keys,
        "looked": discovery.looked,
        "regions": sorted({target.region for target in targets}),
        "complete": not unknown and not problems and bool(keys),
        "problems": problems,
    }
