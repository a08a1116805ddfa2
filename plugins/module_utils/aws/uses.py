# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who used a key lately: by what IAM knows of it, and by CloudTrail, from which address, with which program, for which service; and what explains that."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t
from collections.abc import Iterable, Mapping

from ..common.errors import EvictError
from ..common.plan import Call, Target
from ..common.reader import Reader
from ..common.schema import printable
from . import events
from .session import Aws

READS = ("iam:GetAccessKeyLastUsed", *events.READS)
_AGENT, _SERVICES = 160, 20
# What AWS_EXECUTION_ENV adds to a program's name, and the kinds of place that run so.
_RUNS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (re.compile(r"exec-env/AWS_Lambda", re.IGNORECASE), ("lambda_function",)),
    (re.compile(r"exec-env/AWS_ECS", re.IGNORECASE), ("ecs_task_definition", "batch_job_definition", "app_runner")),
    (re.compile(r"exec-env/CodeBuild|exec-env/AWS_CodeBuild", re.IGNORECASE), ("codebuild_project",)),
)


@dataclasses.dataclass
class Use:
    """Calls with one key from one address by one program."""

    key: str
    source: str
    agent: str
    calls: int = 0
    refused: int = 0
    first: str = ""
    last: str = ""
    services: set[str] = dataclasses.field(default_factory=set)
    regions: set[str] = dataclasses.field(default_factory=set)
    by: list[str] = dataclasses.field(default_factory=list)
    basis: str = ""

    def row(self) -> dict[str, t.Any]:
        return {"key": self.key, "source": self.source, "agent": self.agent, "calls": self.calls, "refused": self.refused, "first": self.first,
                "last": self.last, "services": sorted(self.services)[:_SERVICES], "regions": sorted(self.regions), "by": self.by,
                "basis": self.basis}  # fmt: skip


def last_used(reader: Reader, account: str, key: str) -> dict[str, str]:
    """What IAM says: {"at", "service", "region"}, each "" when it was never used. Raises EvictError."""
    last = reader.get(Call(Target("aws", account), "iam", "GetAccessKeyLastUsed", {"AccessKeyId": key})).get("AccessKeyLastUsed") or {}
    if not last.get("LastUsedDate"):
        return {"at": "", "service": "", "region": ""}
    return {"at": str(last["LastUsedDate"]), "service": str(last.get("ServiceName", "")), "region": str(last.get("Region", ""))}


def lately(aws: Aws, account: str, key: str, seconds: float, start: str = "") -> tuple[list[Use], list[str]]:
    """Uses by the event history of every enabled region, newest events first as far as ``seconds`` allow, and what could not be read."""
    try:
        records, gaps = events.everywhere(aws, account, "AccessKeyId", key, seconds=seconds, start=start)
    except EvictError as error:
        return [], [error.message]
    return summed(key, records), gaps


def summed(key: str, records: Iterable[Mapping[str, t.Any]]) -> list[Use]:
    """Pure. What an attacker chose (agent, address) is bounded and printable."""
    found: dict[tuple[str, str], Use] = {}
    for record in records:
        source, agent = printable(str(record.get("sourceIPAddress") or ""), 100), printable(str(record.get("userAgent") or ""), _AGENT)
        use = found.setdefault((source, agent), Use(key, source, agent))
        at = str(record.get("eventTime") or "")
        use.calls += 1
        use.refused += bool(record.get("errorCode"))
        use.first, use.last = min(use.first or at, at), max(use.last, at)
        use.services.add(printable(str(record.get("eventSource") or "").partition(".")[0], 60))
        use.regions.add(printable(str(record.get("awsRegion") or ""), 30))
    return sorted(found.values(), key=lambda u: u.last, reverse=True)


def explain(use: Use, rows: Iterable[Mapping[str, t.Any]]) -> None:
    """Sets ``by`` (ids of dependents) and ``basis``: an instance's own address, a declared network, or the environment that the program says it runs in."""
    rows = [row for row in rows if row.get("key") in (use.key, "")]
    if by := [str(r["id"]) for r in rows if use.source and use.source in (r.get("data") or {}).get("addresses", ())]:
        use.by, use.basis = by, "the address of the instance"
    elif by := [str(r["id"]) for r in rows if _within(use.source, r.get("networks") or ())]:
        use.by, use.basis = by, "a network that the incident declares for it"
    else:
        kinds = next((kinds for pattern, kinds in _RUNS if pattern.search(use.agent)), ())
        if by := [str(r["id"]) for r in rows if r["kind"] in kinds]:
            use.by, use.basis = by, "where the program says it runs; anybody can write that"


def _within(source: str, networks: Iterable[str]) -> bool:
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network) for network in networks)


def trusted(use: Use, networks: Iterable[str]) -> bool:
    return _within(use.source, networks)
