# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents of the fence above the account, a service control policy (SCP). Pure.

It says once more what the inline denies of the incident say, by ``aws:PrincipalArn``, where nobody in the account can take it away; of users by their unique
ids as well, which outlast every name; denies every federation session of the account; and denies everybody but the exempt, who are exact ARNs of that
account, writes on the contained ARNs and what would take the policy itself off the account.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import typing as t
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..common.guard import kind_of

SIZE = 5120  # characters of a document that fit everywhere; "Quotas for AWS Organizations"
Statement = dict[str, t.Any]
# Every IAM call that changes a user or role it is aimed at, as prefixes: SCPs allow "*" at the end of an action, and 5,120 characters are few.
_VERBS = (
    "Add", "Attach", "Change", "Create", "Deactivate", "Delete", "Detach", "Enable", "Put", "Remove", "Reset", "Resync", "Set", "Tag", "Untag", "Update",
    "Upload",
)  # fmt: skip
WRITES = tuple(f"iam:{verb}*" for verb in _VERBS)
# What takes a policy off a member account that can be called from one: a delegated administrator of policies detaches, rewrites or deletes it, or disables
# its type; any account leaves the organization, or accepts another's invitation. Nothing else: what only the management account may call no SCP could stop.
UNDOING = tuple(
    f"organizations:{call}"
    for call in ("AcceptHandshake", "DeletePolicy", "DetachPolicy", "DisablePolicyType", "LeaveOrganization", "UpdatePolicy")
)
# Who administers backup, tag or other policies from the account goes on. Leaving has no type of policy, and is denied for want of one.
OF_CONTROL = {"StringEqualsIfExists": {"organizations:PolicyType": ["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]}}
_PURPOSES = {"aws:TokenIssueTime": "session", "aws:userid": "userid", "aws:SourceIp": "clamp", "aws:AssumedRoot": "root"}
_ODD = re.compile(r"[*?$]")
# Behind the account's ARN, the roles that Identity Center made there; nobody else can make one under this path, and no name holds an asterisk.
PEOPLE = ":role/aws-reserved/sso.amazonaws.com/*"
JOINING = ":group/*"  # behind the account's ARN: nobody is added to a group, which would cut off a user without touching it
ASSUMED_ROOT = {"Null": {"aws:AssumedRoot": "true"}}  # root itself, and not a session that the management account got by sts:AssumeRoot


@dataclasses.dataclass
class Limits:
    """What an organization takes. No API tells it: these are the documented figures since May 2026, and its refusals teach the older ones."""

    size: int = 10240  # characters of a document; used only where SIZE does not suffice
    slots: int = 10  # SCPs attached to one account, FullAWSAccess included


@dataclasses.dataclass(frozen=True)
class Held:
    """A contained user or role: ``arn``, and the ``condition`` of the deny on it ({}: everything is denied).

    Of a user that is denied everything there is a second one, whose ``arn`` is its unique id ("AIDA…"): a user may be renamed, and what its sessions are
    called then is not documented.
    """

    arn: str
    condition: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    @property
    def purpose(self) -> str:
        """Which deny: quarantine | session | userid | clamp | root, or a person's. A newer one of the same purpose replaces the older."""
        if self.arn.endswith(PEOPLE):  # several people stand behind the same roles
            return f"person {json.dumps(self.condition, sort_keys=True)}"
        keys = {key for block in self.condition.values() for key in block}
        return next(
            (purpose for key, purpose in _PURPOSES.items() if key in keys), "quarantine"
        )  # a cutoff may spare sessions by their aws:userid


def is_id(who: str) -> bool:
    """Whether ``Held.arn`` is a user's unique id."""
    return not who.startswith("arn:")


@dataclasses.dataclass(frozen=True)
class Exempt:
    """``arns``: who may go on changing the contained, exact ARNs of users and roles in this account; ``federated``: declared federation sessions."""

    arns: tuple[str, ...] = ()
    federated: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()  # of ``arns`` and declared automations: who may write in IAM while nobody else may, until ``until``
    until: str = ""
    policies: tuple[
        str, ...
    ] = ()  # what ``arns`` stand on, managed policies and groups (``JOINING``: all): nobody but ``arns`` changes it either
    responders: tuple[str, ...] = ()  # of ``arns``: who responds
    bare: bool = False  # the others of ``arns`` are only exempt, and not protected: their ARNs would fill the document

    @property
    def guarded(self) -> tuple[str, ...]:
        """Whom nobody else changes."""
        return tuple(sorted(self.responders if self.bare else self.arns))

    @property
    def thawed(self) -> Exempt:
        """Without the freeze: it holds whoever the policy is attached to, and of another incident's policy that is not ours to say."""
        return dataclasses.replace(self, until="")


def shown(held: Iterable[Held]) -> list[str]:
    """Whom they are, in words: of the roles of Identity Center one person, never all who have them."""
    found = set()
    for one in [h for h in held if not is_id(h.arn)]:
        values = [v for block in one.condition.values() for value in block.values() for v in listed(value)]
        found.add(f"{', '.join(values)} alone, of {one.arn}" if one.arn.endswith(PEOPLE) else one.arn)
    return sorted(found)


Maker = Callable[[str, Iterable[Held], Exempt], list[Statement]]


def pattern(arn: str) -> str:
    """The ARN as it can stand in a policy.

    A path may hold ``*``, ``?`` and ``${…}``, which a policy would read as a wildcard or a variable: an attacker's user under the path
    ``/${aws:PrincipalArn}/`` would never match itself. Names cannot, and are unique in an account, so such a path becomes ``*``.
    """
    if arn.endswith(PEOPLE) or not _ODD.search(arn):
        return arn
    head, _slash, rest = arn.partition("/")
    return f"{head}/*/{rest.rsplit('/', 1)[-1]}"


def merge(old: Iterable[Held], new: Iterable[Held]) -> list[Held]:
    """Each identity once for each purpose, the newer condition winning; where everything is denied, nothing else is said."""
    found = {(pattern(h.arn), h.purpose): dataclasses.replace(h, arn=pattern(h.arn)) for h in (*old, *new)}
    whole = {arn for arn, purpose in found if purpose == "quarantine"}
    return [h for (arn, purpose), h in found.items() if purpose == "quarantine" or arn not in whole]


def document(statements: Sequence[Statement]) -> dict[str, t.Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def text(content: Mapping[str, t.Any]) -> str:
    """As it is sent, and counted."""
    return json.dumps(content, separators=(",", ":"))


def statements(sid: str, held: Iterable[Held], exempt: Exempt) -> list[Statement]:
    """The statements of one SCP. ``sid``: the incident's. Each protects the exempt as well, so that none depends on another that is released earlier."""
    held = list(held)
    found = denies(sid, held, exempt)
    everybody = sorted(
        {h.arn for h in held if h.purpose != "root" and not h.arn.endswith(PEOPLE) and not is_id(h.arn)}
    )  # IAM changes neither
    joining = [arn for arn in exempt.policies if arn.endswith(JOINING)]
    standing = sorted(pattern(arn) for arn in exempt.policies if arn not in joining)
    resources = [*everybody, *(arn for arn in exempt.guarded if arn not in everybody), *standing]
    but = {"ArnNotLike": {"aws:PrincipalArn": sorted(exempt.arns)}} if exempt.arns else {}
    if resources:
        found.append(_deny(f"{sid}W", list(WRITES), resources, but))
    if joining:
        found.append(_deny(f"{sid}G", ["iam:AddUserToGroup"], joining, but))
    if held:
        found.append(undoing(f"{sid}O", exempt.guarded))
    if exempt.until:
        found.append(_freeze(f"{sid}Z", exempt))
    return found


def denies(sid: str, held: Iterable[Held], exempt: Exempt) -> list[Statement]:
    """One statement for each condition, in which everything is denied to whom it holds; one for users by their ids; and one for the federation sessions of

    users, whose ARN is a name that the caller chose: all of their accounts', but the declared ones.
    """
    held = list(held)
    ids = sorted(h.arn for h in held if is_id(h.arn))
    groups: dict[str, list[Held]] = {}
    for one in [h for h in held if not is_id(h.arn)]:
        groups.setdefault(json.dumps(one.condition, sort_keys=True), []).append(one)
    found = []
    for condition, members in sorted(groups.items()):
        arns = sorted(m.arn for m in members)
        tail = "" if condition == "{}" else hashlib.sha256(f"{members[0].purpose} {arns[0]}".encode()).hexdigest()[:6]
        found.append(_deny(f"{sid}D{tail}", ["*"], ["*"], {**json.loads(condition), "ArnLike": {"aws:PrincipalArn": arns}}))
    if ids:
        found.append(_deny(f"{sid}U", ["*"], ["*"], {"StringEquals": {"aws:userid": ids}}))
    roots = [h.arn for members in groups.values() for h in members if h.purpose == "root"]
    users = sorted([*(h.arn for h in groups.get("{}", ()) if kind_of(h.arn) == "user"), *roots])
    if users:
        accounts = sorted({(arn.split(":")[1], arn.split(":")[4]) for arn in users})
        sessions = [f"arn:{partition}:sts::{account}:federated-user/*" for partition, account in accounts]
        federated: dict[str, t.Any] = {"ArnLike": {"aws:PrincipalArn": sessions}}
        if exempt.federated:
            federated["ArnNotLike"] = {"aws:PrincipalArn": sorted(exempt.federated)}
        found.append(_deny(f"{sid}F", ["*"], ["*"], federated))
    return found


def undoing(sid: str, exempt: Iterable[str]) -> Statement:
    """Nobody but ``exempt`` takes a control policy off the account."""
    who = {"ArnNotLike": {"aws:PrincipalArn": sorted(exempt)}} if exempt else {}
    return _deny(sid, list(UNDOING), ["*"], {**OF_CONTROL, **who})


def _freeze(sid: str, exempt: Exempt) -> Statement:
    """Nobody but ``frozen`` writes in the account's IAM. It ends by itself, so that a run that dies leaves nothing behind."""
    who = {"ArnNotLike": {"aws:PrincipalArn": sorted({*exempt.arns, *exempt.frozen})}}
    return _deny(sid, list(WRITES), ["*"], {**who, "DateLessThan": {"aws:CurrentTime": exempt.until}})


def ends(found: Iterable[Statement]) -> set[str]:
    """Until when nobody else writes in the account's IAM, as these statements say."""
    times = (s.get("Condition", {}).get("DateLessThan", {}).get("aws:CurrentTime") for s in found)
    return {str(moment) for moment in times if moment}


def frozen(found: Iterable[Statement]) -> str:
    """In words, for how long nobody else writes in the account's IAM; "" when everybody may."""
    times = ends(found)
    return f"; until {max(times)} nobody but the responder writes in IAM" if times else ""


def of_others(found: Iterable[Statement], exempt: Exempt) -> bool:
    """Whether these statements of ours exempt somebody, or freeze until a moment, of which ``exempt`` knows nothing: another run may have written them."""
    found = list(found)
    arns = {arn for s in found for arn in listed(s.get("Condition", {}).get("ArnNotLike", {}).get("aws:PrincipalArn", []))}
    return bool(arns - {*exempt.arns, *exempt.federated, *exempt.frozen} or ends(found) - {exempt.until})


def _deny(sid: str, actions: list[str], resources: list[str], condition: Mapping[str, t.Any]) -> Statement:
    plain = [v[0] if len(v) == 1 else v for v in (actions, resources)]
    statement: Statement = {"Sid": sid, "Effect": "Deny", "Action": plain[0], "Resource": plain[1]}
    return {**statement, "Condition": dict(condition)} if condition else statement


def ours(content: t.Any, sid: str) -> list[Statement]:
    """The statements of one incident in an SCP, whoever made it."""
    found = content.get("Statement", []) if isinstance(content, dict) else []
    return [
        s
        for s in ([found] if isinstance(found, dict) else found)
        if re.fullmatch(re.escape(sid) + r"[DFGOUWZ][0-9a-f]{0,6}", str(s.get("Sid", "")))
    ]


def others(content: t.Any, sid: str) -> list[Statement]:
    """What else is in it."""
    found = content.get("Statement", []) if isinstance(content, dict) else []
    mine = ours(content, sid)
    return [s for s in ([found] if isinstance(found, dict) else found) if s not in mine]


def listed(value: t.Any) -> list[str]:
    """A policy's one or many."""
    return [value] if isinstance(value, str) else list(value)


def members(found: Iterable[Statement], sid: str) -> list[Held]:
    """Whom these statements hold, and how."""
    held = []
    for statement in found:
        if str(statement.get("Sid", "")).startswith(f"{sid}D"):
            condition = dict(statement.get("Condition", {}))
            arns = condition.pop("ArnLike", {}).get("aws:PrincipalArn", [])
            held += [Held(arn, condition) for arn in listed(arns)]
        elif str(statement.get("Sid", "")) == f"{sid}U":
            held += [Held(user) for user in listed(statement["Condition"]["StringEquals"]["aws:userid"])]
    return held


def allocate(
    sid: str,
    kept: Sequence[tuple[list[Held], int]],
    exempt: Sequence[Exempt],
    held: Iterable[Held],
    size: int = SIZE,
    make: Maker | None = None,
) -> tuple[list[list[Held]], list[Held]]:
    """Who goes into which SCP: (for each of ``kept`` and then of the new ones its members, who found no place).

    ``kept``: what each SCP holds now, and how many characters others use in it. ``exempt``: of each, and then of each new one that may be made. Nobody is
    moved out of an SCP that still has room, so that nobody is unfenced between two writes. ``make``: the statements of a box, of an SCP if left out.
    """
    make = make or statements
    room = [size - used for _members, used in kept] + [size] * (len(exempt) - len(kept))
    boxes: list[list[Held]] = [[] for _size in room]
    at = {(m.arn, m.purpose): index for index, (found, _used) in enumerate(kept) for m in found}
    left = []
    for one in sorted(held, key=lambda h: (at.get((h.arn, h.purpose), len(room)), is_id(h.arn), h.arn)):
        first = at.get((one.arn, one.purpose))
        order = [*([first] if first is not None else []), *(i for i in range(len(room)) if i != first)]
        for index in order:
            if len(text(document(make(sid, [*boxes[index], one], exempt[index])))) <= room[index]:
                boxes[index].append(one)
                break
        else:
            left.append(one)
    return boxes, left
