# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lineage: from the suspects over what each call opened, to a fixed point. Only calls that succeeded open something; no name alone makes anybody rogue.

Whose a credential is that several use is decided call by call: actor, window, lineage, network and result together (``networks``). What is the
owner's is in doubt at most and is not followed.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Iterable, Sequence

from ..events.database import Database
from ..suspect import Suspect
from . import by_network, opened_aws, opened_azure, opened_gcp, seeds, switched, watched
from .hits import Hits
from .model import REVIEW, ROGUE, Act, Match, Node
from .networks import OWNERS, Networks

_SHOWN = 20  # event ids that a node carries as its evidence
_ROUNDS = 200  # each round goes one step further along some chain
# What opens something -> whether its opener reads the event as it came.
_OPENERS = dict.fromkeys(opened_aws.OPENERS, False) | dict.fromkeys((*opened_aws.RAW, *opened_azure.OPENERS, *opened_gcp.OPENERS), True)


@dataclasses.dataclass(frozen=True)
class Doubt:
    """What a conclusion about ``node`` rests on and could not be seen."""

    node: str
    object: str
    why: str
    since: dt.datetime | None = None
    until: dt.datetime | None = None


class Lineage:
    """Use ``follow``. ``nodes``: by (kind, id). ``matches[n]``: (key of the node, match)."""

    def __init__(
        self, database: Database, suspects: Sequence[Suspect], *, start: dt.datetime | None = None, end: dt.datetime | None = None,
        trusted_networks: Iterable[str] = (), trusted_principals: Iterable[str] = (), accounts: Iterable[str] = (), logged: Iterable[str] = (),
    ) -> None:  # fmt: skip
        own = {suspect.value for suspect in suspects}
        self.database = database
        self.start = start
        self.nodes: dict[tuple[str, str], Node] = {}
        self.matches: list[tuple[tuple[str, str], Match]] = []
        self.doubts: dict[tuple[str, str, str], Doubt] = {}
        self.networks = Networks(database, trusted_networks, start)
        self.hits = Hits(database, set(trusted_principals) - own, _OPENERS)
        self.trusted = frozenset(trusted_principals) - own
        seen = {row["account"] for row in database.rows("SELECT DISTINCT account FROM events WHERE account IS NOT NULL")}
        self.logged = seen | set(logged)  # accounts whose logs were read, or looked through in a warehouse
        self.estate = self.logged | set(accounts)
        self.looked: set[tuple[str, str]] = set()  # reported sessions whose opening was looked for
        self._judged: dict[int, dict[str, t.Any]] = {}
        self._new: list[tuple[tuple[str, str], Match]] = []
        self._again: set[tuple[str, str]] = set()
        self._watched = watched.Watched(self)
        self._switches = switched.Switches(self)
        for node in seeds.nodes(database, suspects, start, end):
            self.add(node)

    def follow(self) -> Lineage:
        """Go on until nothing new comes."""
        for _round in range(_ROUNDS):
            self._extend()
            grown = self._watched.early()
            self._attackers()
            grown = self._switches.look() or by_network.upward(self) or grown
            if not (grown or self._new or self._again or self._judge_again()) and not (self._watched.late() or by_network.look(self)):
                return self
        self.doubt("", "lineage", f"was not at its end after {_ROUNDS} rounds")
        return self

    def add(self, node: Node) -> bool:
        """Take a node in; what is known already only grows. Whether anything changed."""
        known = self.nodes.get(node.key)
        if known is None:
            self.nodes[node.key] = node
            self._new += [(node.key, match) for match in node.matches]
            self._watched.take(node)
            return True
        before = (known.verdict, known.confidence, known.matches, known.watches)
        worse = node.verdict == ROGUE and known.verdict == REVIEW
        if worse:
            known.verdict, known.confidence, known.via, known.parent = ROGUE, node.confidence, node.via, node.parent
            known.evidence = [*node.evidence, *known.evidence][:_SHOWN]
        elif node.verdict == known.verdict:
            known.confidence = max(known.confidence, node.confidence)
        for uid in node.evidence:
            if uid not in known.evidence and len(known.evidence) < _SHOWN:
                known.evidence.append(uid)
        known.whole = known.whole or node.whole
        if node.since and known.since and node.since < known.since:
            known.since = node.since
        fresh = [match for match in node.matches if match not in known.matches]
        known.matches = (*known.matches, *fresh)
        self._new += [(node.key, match) for match in fresh]
        known.watches = (*known.watches, *(watch for watch in node.watches if watch not in known.watches))
        self._watched.take(known)
        changed = before != (known.verdict, known.confidence, known.matches, known.watches)
        if changed:
            self._again.add(node.key)
        return changed

    def claim(self, node: Node, event: str) -> bool:
        """One call that is the attacker's though its caller is nobody of the lineage: a stranger who came through what ``node`` opened."""
        match = Match("event", event)
        if match in node.matches:
            return False
        node.matches = (*node.matches, match)
        self._new.append((node.key, match))
        return True

    def doubt(self, node: str, object: str, why: str, since: dt.datetime | None = None, until: dt.datetime | None = None) -> None:
        self.doubts.setdefault((node, object, why), Doubt(node, object, why, since, until))

    # -- the fixed point -----------------------------------------------------------------------------------------------------------

    def _extend(self) -> None:
        """Find the events of what is new, and what they opened, until nothing is new."""
        while self._new or self._again:
            new, self._new = self._new, []
            again, self._again = self._again, set()
            numbers = self.hits.add([match for _key, match in new]) if new else range(0)
            self.matches += new
            self._judge(numbers)
            older = [n for n, (key, _match) in enumerate(self.matches) if key in again and n not in numbers]
            self._open([*numbers, *older])

    def _judge(self, numbers: Iterable[int]) -> set[int]:
        """Say whose the networks of these matches are; those of which that changed."""
        changed = {}
        for n, seen in self.hits.networks([n for n in numbers if self.matches[n][1].pick != "all"]).items():
            verdicts = self.networks.verdicts(n, self.matches[n][1], seen)
            if self._judged.get(n) != verdicts:
                changed[n] = self._judged[n] = verdicts
        if changed:
            self.hits.judge(changed)
        return set(changed)

    def _judge_again(self) -> bool:
        """Networks of the attacker are known better now."""
        changed = self._judge(range(len(self.matches)))
        self._again |= {self.matches[n][0] for n in changed}
        return bool(changed)

    def _open(self, numbers: Iterable[int]) -> None:
        for call in self.hits.calls(numbers):
            key, match = self.matches[call["n"]]
            if match.handle == "event":
                continue  # what it opened was taken when it was claimed
            node = self.nodes[key]
            rogue = call["verdict"] == ROGUE and node.verdict == ROGUE
            self.take(Act(call, node, ROGUE if rogue else REVIEW, node.confidence * call["factor"] // 100))

    def take(self, act: Act) -> None:
        """What ``act`` opened."""
        opener = opener_of(act)
        found = [node for node in (opener(act) if opener else ()) if node.key != act.node.key]
        for node in found:
            self.add(node)
        if not found and (act.row["service"], act.row["operation"]) in opened_aws.ANSWER_NEEDED:
            why = f"the log does not hold what {act.row['service']}:{act.row['operation']} answered, so what it opened is not known"
            self.doubt(act.node.id, str(act.row["event_uid"]), why, act.time)

    def _attackers(self) -> None:
        self.networks.attackers = by_network.attackers(self)

    def shared(self) -> list[str]:
        """Ids of seeds all of whose calls come from their owner's networks."""
        return [self.matches[n][0][1] for n, judged in self._judged.items() if judged and all(v == OWNERS for v in judged.values())]


def opener_of(act: Act) -> t.Callable[[Act], t.Iterator[Node]] | None:
    operation = str(act.row["operation"])
    for registry in (opened_aws.OPENERS, opened_azure.OPENERS, opened_gcp.OPENERS):
        found = registry.get((str(act.row["service"]), operation)) or registry.get(("", operation))
        if found:
            return found
    return None
