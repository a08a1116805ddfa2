# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which compute is isolated: what the suspects started, what a person named, and nothing else.

A machine of production whose role's credentials were used elsewhere goes on serving: its role is revoked, and new credentials are for it when the way
by which they were read is closed, or when a person says so (``incident.compute``).
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import re
import typing as t
from collections.abc import Iterable, Iterator

from ...common.errors import EvictError
from ...common.plan import Call, Target
from ...common.reader import Reader
from ...common.suspect import Suspect
from .. import doubt, events, everybody
from ..principal import Principal, role
from ..scope import caller_arn
from . import KINDS, kind_of

if t.TYPE_CHECKING:
    from ..contain import Containment
    from ..respond import Response

READS: tuple[str, ...] = ("ec2:DescribeInstances", "ec2:DescribeRegions")
NOTE = "compute"  # kind of note: {"arn", "how", "source", "roles", "session"}, of what is isolated, from before it was
INSTANCE = re.compile(r"i-(?:[0-9a-f]{17}|[0-9a-f]{8})")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """``how``: why, in words; ``source``: ARN of the principal that started it, which makes it the attacker's; ``suspect``: as somebody named it;

    ``doubt``: why it may be its owner's work all the same.
    """

    arn: str
    how: str
    source: str = ""
    suspect: str = ""
    doubt: str = ""

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]

    @property
    def target(self) -> Target:
        return Target("aws", self.account, self.arn.split(":")[3])


def choose(run: Containment, gaps: set[str]) -> dict[str, Wanted]:
    """By ARN; what a person named comes before what the log says of it."""
    found: dict[str, Wanted] = {}
    for wanted in (*declared(run), *named(run, gaps), *lineage(run)):
        before = found.get(wanted.arn)
        found[wanted.arn] = dataclasses.replace(before, source=before.source or wanted.source) if before else wanted
    return {arn: wanted for arn, wanted in found.items() if not run.share or wanted.account == run.share}


def declared(run: Containment) -> Iterator[Wanted]:
    for arn in run.incident.compute.isolate:
        yield Wanted(arn, "the incident file says so (compute.isolate)", suspect=arn)


def named(run: Containment, gaps: set[str]) -> Iterator[Wanted]:
    """Suspects that are given as instances. Where one is, only its id does not say."""
    by_account: dict[str, dict[str, str]] = {}
    wanted = instances(run)
    for suspect in run.suspects:
        if suspect.value in wanted:
            by_account.setdefault(suspect.account or run.aws.caller["account"], {})[suspect.value] = suspect.value
    for account, ids in by_account.items():
        for name, arn in locate(run, account, ids, gaps).items():
            yield Wanted(arn, "it is named as a suspect", suspect=ids[name])


def instances(run: Containment) -> set[str]:
    """Ids of the suspects that are instances, less false positives."""
    judged = {left["suspect"] for left in run.left}
    return {s.value for s in run.suspects if s.cloud == "aws" and s.kind == "instance" and s.value not in judged}


def lineage(run: Containment) -> Iterator[Wanted]:
    """What the suspects' own calls started. A key that leaked may be that of a pipeline which works on: what may be its owner's is left to a person."""
    who = everybody.suspects(run)
    for event in list(run.scope.kept) if run.scope else ():
        for kind in KINDS.values():
            if (event.get("eventSource"), event.get("eventName")) in kind.EVENTS:
                source, at, why = caller_arn(event), event.get("eventTime"), doubt.of(run.incident, event, who.caller(event))
                for arn in kind.started(event):
                    if kind.ARN.fullmatch(arn):
                        yield Wanted(arn, f"started by {source} at {at}", source, doubt=why)


def sessions(run: Containment) -> dict[str, set[str]]:
    """{account: ids of instances under whose name a suspect acted}."""
    found: dict[str, set[str]] = {}
    for principal in list(run.principals.values()):
        names = {name for name in principal.sessions if INSTANCE.fullmatch(name)} if principal.kind == "role" else set()
        if names:
            found.setdefault(principal.account, set()).update(names)
    return found


def locate(run: Response, account: str, ids: Iterable[str], gaps: set[str]) -> dict[str, str]:
    """{id: ARN} of those instances that are in one of the enabled regions; a region that cannot be read is a gap."""
    wanted = sorted(ids)
    asked = {"Filters": [{"Name": "instance-id", "Values": wanted}]}
    found: dict[str, str] = {}

    def look(region: str) -> None:
        try:
            answer = Reader(run.runner.clouds).get(Call(Target("aws", account, region), "ec2", "DescribeInstances", asked))
        except EvictError as error:
            if not run.aws.absent(error, region):
                gaps.add(f"instances in {account} {region}: {error.message}")
            return
        for instance in (i for r in answer.get("Reservations", []) for i in r["Instances"]):
            name = str(instance["InstanceId"])
            if name in wanted:
                found[name] = f"arn:{run.aws.partition}:ec2:{region}:{account}:instance/{name}"

    try:
        names = events.regions(run.aws, account)
    except EvictError as error:
        gaps.add(f"account {account}: {error.message}")
        return {}
    with concurrent.futures.ThreadPoolExecutor(max(1, len(names))) as pool:
        list(pool.map(look, names))
    return found


def known_role(run: Response, suspect: Suspect) -> Principal | None:
    """The role that a suspect instance had before this case took it away."""
    if suspect.kind != "instance":
        return None
    for data in (n["data"] for n in run.case.notes(NOTE)):
        if data["session"] == suspect.value and data["roles"]:
            arn = str(data["roles"][0])
            found = role(run.aws, arn.split(":")[4], arn.rsplit("/", 1)[-1], suspect.value)
            found.sessions.add(suspect.value)
            return found
    return None


def by_name(run: Response, texts: Iterable[str], account: str, gaps: set[str]) -> tuple[dict[str, Wanted], list[str]]:
    """(what a person named by ARN or instance id, what is neither or nowhere)."""
    found, unknown, ids = {}, [], []
    for text in texts:
        if INSTANCE.fullmatch(text):
            ids.append(text)
        elif kind_of(text):
            found[text] = Wanted(text, "named in the task", suspect=text)
        else:
            unknown.append(text)
    located = locate(run, account, ids, gaps) if ids else {}
    found |= {arn: Wanted(arn, "named in the task", suspect=name) for name, arn in located.items()}
    return found, unknown + [name for name in ids if name not in located]
