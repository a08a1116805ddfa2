# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identities of a whole account as data, and what differs between two looks at them.

A state is {ARN: {facet: value}}. Facets: ``created``, ``inline/<name>`` (document), ``attached/<policy ARN>``, ``group/<name>``, ``boundary`` (ARN), ``trust``
(document), ``key/<id>`` (status), ``password`` (when it was made), ``version`` (the default one of a managed policy), ``profile/<name>`` (instance profiles of
a role), those of ``identity_providers``, ``id`` (of a user, which outlasts its name; compared by ``moved`` alone). An absent facet is None. What could
not be read is marked, and compared with nothing: the facet ``?`` of a user whose credentials, or of a provider whose parts are not known, the object
``?<kind>`` for providers.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import typing as t
from collections.abc import Callable, Iterable, Mapping

from ..common.errors import EvictError
from ..common.guard import kind_of
from ..common.plan import Call, Probe, Step, Target
from ..common.reader import Reader
from . import identity_providers

READS = ("iam:GetAccountAuthorizationDetails", "iam:ListAccessKeys", "iam:GetLoginProfile", *identity_providers.READS)
USERS = 300  # of one account, whose keys and passwords are looked at: IAM has no listing of all, and two requests per user add up
UNKNOWN = "?"
LIMITED = (
    "are not compared, only what IAM lists of all at once"  # how a gap ends that is a limit of this collection, and no read that failed
)
_THREADS = 6
_ABSENT = ("NoSuchEntity", "NoSuchEntityException")
_PROVIDERS = identity_providers.KINDS
State = dict[str, dict[str, t.Any]]
Choose = Callable[[State], Iterable[str]]  # whose keys and passwords are looked at when there are too many users: ARNs


@dataclasses.dataclass(frozen=True, order=True)
class Change:
    """One facet of one object that is not what it was."""

    arn: str
    facet: str
    before: t.Any = dataclasses.field(compare=False)
    after: t.Any = dataclasses.field(compare=False)

    @property
    def text(self) -> str:
        """In a few words: "<ARN> inline/x added"."""
        verb = "added" if self.before is None else "gone" if self.after is None else "changed"
        if self.facet == "created":
            return f"{self.arn} it {'was made anew' if verb == 'changed' else verb}"
        return f"{self.arn} {self.facet} {verb}"


def read(account: str, reader: Reader, *, users: bool = True, chosen: Choose | None = None) -> tuple[State, list[str]]:
    """(the state of ``account`` now, what could not be read). ``users``: also the keys and passwords of its users, see ``credentials``.

    Service-linked roles are left out: AWS changes them as it pleases.
    """
    target, gaps = Target("aws", account), []
    answer = reader.get(Call(target, "iam", "GetAccountAuthorizationDetails", {}))
    state: State = {}
    for user in answer.get("UserDetailList", []):
        state[user["Arn"]] = {
            **_common(user, "UserPolicyList"),
            "id": user.get("UserId"),
            **{f"group/{name}": True for name in user.get("GroupList", [])},
        }
    for role in answer.get("RoleDetailList", []):
        if not str(role.get("Path", "/")).startswith("/aws-service-role/"):
            profiles = {f"profile/{p['InstanceProfileName']}": True for p in role.get("InstanceProfileList", [])}
            state[role["Arn"]] = {**_common(role, "RolePolicyList"), "trust": role.get("AssumeRolePolicyDocument"), **profiles}
    for group in answer.get("GroupDetailList", []):
        state[group["Arn"]] = _common(group, "GroupPolicyList")
    for policy in answer.get("Policies", []):
        if policy["Arn"].split(":")[4] != "aws":
            state[policy["Arn"]] = {"created": policy.get("CreateDate"), "version": policy.get("DefaultVersionId")}
    gaps += providers(state, target, reader)
    if users:
        gaps += credentials(state, target, reader, chosen)
    return state, gaps


def providers(state: State, target: Target, reader: Reader) -> list[str]:
    """Identity providers, and what is in them, into ``state``; what is not known."""
    gaps: list[str] = []
    found: dict[str, dict[str, t.Any]] = {}
    for kind in _PROVIDERS:
        try:
            found |= {p["Arn"]: {"created": str(p.get("CreateDate") or True)} for p in identity_providers.listed(target, kind, reader)}
        except EvictError as error:
            state[f"{UNKNOWN}{kind}"] = {}
            gaps.append(error.message)

    def one(arn: str) -> str:
        try:
            found[arn] |= identity_providers.parts(arn, target, reader)
        except EvictError as error:
            found[arn][UNKNOWN] = True
            return error.message
        return ""

    if found:
        with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
            gaps += sorted({gap for gap in pool.map(one, sorted(found)) if gap})
    state |= found
    return gaps


def _common(entry: Mapping[str, t.Any], inline: str) -> dict[str, t.Any]:
    found = {"created": entry.get("CreateDate")}
    found |= {f"inline/{p['PolicyName']}": p["PolicyDocument"] for p in entry.get(inline, [])}
    found |= {f"attached/{p['PolicyArn']}": True for p in entry.get("AttachedManagedPolicies", [])}
    if boundary := (entry.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"):
        found["boundary"] = boundary
    return found


def credentials(state: State, target: Target, reader: Reader, chosen: Choose | None = None) -> list[str]:
    """Keys and passwords into ``state``; what is not known. Of an account with too many users those whom ``chosen`` names."""
    users, gaps = sorted(arn for arn in state if kind_of(arn) == "user"), []
    if len(users) > USERS:
        picked = list(chosen(state) if chosen else ())[:USERS]
        for arn in set(users) - set(picked):
            state[arn][UNKNOWN] = True
        gaps = [f"account {target.account}: keys and passwords of {len(users) - len(picked)} of its {len(users)} users {LIMITED}"]
        users = sorted(picked)

    def one(arn: str) -> str:
        name = {"UserName": arn.rsplit("/", 1)[-1]}
        try:
            keys = reader.read(Probe(Call(target, "iam", "ListAccessKeys", name), ("AccessKeyMetadata",), _ABSENT)) or []
            password = reader.read(Probe(Call(target, "iam", "GetLoginProfile", name), ("LoginProfile", "CreateDate"), _ABSENT))
        except EvictError as error:
            state[arn][UNKNOWN] = True
            return error.message
        state[arn] |= {**{f"key/{k['AccessKeyId']}": k["Status"] for k in keys}, **({"password": password} if password else {})}
        return ""

    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        return gaps + sorted({gap for gap in pool.map(one, users) if gap})


def owned(step: Step) -> tuple[str, str] | None:
    """(ARN, facet) that a Step of this collection writes; None for anything that is not part of a state."""
    arn, fragment = step.principal, step.fragment
    if not arn.startswith("arn:"):
        return None
    kind, _slash, name = fragment.partition("/")
    if kind == "policy":
        return arn, f"inline/{name}"
    if kind == "attached":
        return arn, f"attached/{step.after or step.before}"
    if kind == "held":
        return (arn, name) if name != "name" else None
    return (arn, fragment) if kind in ("boundary", "password", "key") else None


def expected(before: State, steps: Iterable[Step]) -> tuple[State, dict[tuple[str, str], Step]]:
    """(``before`` with what our Steps made of it, {(ARN, facet): Step}). What was done to an object that was not there any more is gone with it."""
    state, ours = {arn: dict(facets) for arn, facets in before.items()}, {}
    for step in steps:
        if (place := owned(step)) and place[0] in state:
            ours[place] = step
            state[place[0]][place[1]] = _value(place, step)
    return state, ours


def written(steps: Iterable[Step]) -> dict[tuple[str, str], list[t.Any]]:
    """{(ARN, facet): what these Steps put there}."""
    found: dict[tuple[str, str], list[t.Any]] = {}
    for step in steps:
        if place := owned(step):
            found.setdefault(place, []).append(_value(place, step))
    return found


def _value(place: tuple[str, str], step: Step) -> t.Any:
    """What a state has there when the Step has been carried out."""
    return True if place[1].startswith(("attached/", "group/", "client/", "profile/")) and step.after else step.after


def moved(before: State, now: State, arn: str, user_id: str) -> str:
    """The ARN that the user has now which was ``arn``: it may have got another name or path, and another user its name. "" for none."""
    ids = {user_id, before.get(arn, {}).get("id")} - {"", None}
    return next((found for found, facets in now.items() if facets.get("id") in ids and found != arn), "")


def blind(state: State) -> list[str]:
    """What is marked as not known in a state: ARNs, and kinds of identity providers; not the users of an account with more than ``USERS``."""
    marked = [arn for arn, facets in state.items() if UNKNOWN in facets]
    many = sum(kind_of(arn) == "user" for arn in state) > USERS
    kinds = [arn.removeprefix(UNKNOWN) for arn in state if arn.startswith(UNKNOWN)]
    return sorted([arn for arn in marked if not (many and kind_of(arn) == "user")] + kinds)


def carry(before: State, now: State) -> State:
    """``now``, with what it could not read as ``before`` had it."""
    found = {arn: dict(facets) for arn, facets in now.items()}
    for kind in _PROVIDERS:
        if f"{UNKNOWN}{kind}" in found and f"{UNKNOWN}{kind}" not in before:
            del found[f"{UNKNOWN}{kind}"]
            found |= {arn: dict(facets) for arn, facets in before.items() if kind_of(arn) == kind}
    for arn, facets in found.items():
        old = before.get(arn, {UNKNOWN: True})
        if UNKNOWN in facets and UNKNOWN not in old:
            del facets[UNKNOWN]
            facets |= {facet: value for facet, value in old.items() if may_be_unread(facet)}
    return found


def diff(before: State, now: State) -> list[Change]:
    """What is not as it was, by object and facet. Of an object that came or went only that; nothing of what is not known.

    What was deleted and made anew has another date: its name alone is the same.
    """
    found = []
    for arn in sorted({*before, *now}):
        unread = f"{UNKNOWN}{kind_of(arn)}"
        if arn.startswith(UNKNOWN) or unread in before or unread in now:
            continue
        old, new = before.get(arn, {}), now.get(arn, {})
        made = old.get("created"), new.get("created")
        if made[0] != made[1] and (None in made or "True" not in made):  # "True": a listing that gave no date
            found.append(Change(arn, "created", *made))
            if None in made:
                continue
        for facet in sorted({*old, *new} - {"created", "id", UNKNOWN}):
            if old.get(facet) != new.get(facet) and not (may_be_unread(facet) and (UNKNOWN in old or UNKNOWN in new)):
                found.append(Change(arn, facet, old.get(facet), new.get(facet)))
    return found


def may_be_unread(facet: str) -> bool:
    """Whether it is part of what takes a request of its own: keys, passwords, what is in a provider."""
    return facet.startswith("key/") or facet == "password" or identity_providers.is_part(facet)
