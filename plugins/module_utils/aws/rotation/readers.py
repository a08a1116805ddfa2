# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can read a place: no new secret is written where a suspect or the public would read it, nor where that is not known, until the place is fenced.

How a place is read its target says (``Reading``). Whether a suspect may is asked of the policy simulator, the place's own policy and its KMS key. A denial is
believed where nothing lifts it; an allowance always; what is in between is unknown. A place elsewhere says who reads it (``readable_by``).
"""

from __future__ import annotations

import dataclasses
import time
import typing as t
from collections.abc import Iterable, Mapping

from ...common.edits import statements_of
from ...common.errors import EvictError, Refused
from ...common.guard import identity, kind_of
from ...common.plan import Call, Probe, Target
from ...common.reader import Reader
from .. import policy, resources, targets
from ..policy import PURPOSES
from ..resource_check import applies
from ..resource_policy import members
from ..session import parse
from ..targets import Reading
from . import bridge, course
from .course import Course
from .powers import POWER

READS = (
    "iam:GetLoginProfile",
    "iam:GetRolePolicy",
    "iam:GetUserPolicy",
    "iam:ListAccessKeys",
    "iam:SimulatePrincipalPolicy",
    "kms:DescribeKey",
    "kms:GetKeyPolicy",
)
GUARD = "readable_place"  # of ``incident.overrides``; its object is the id of the place
_POWER = [action for action in POWER if action.startswith("iam:")]
_RANK = {"explicitDeny": 0, "allowed": 2}
_EVERYBODY = ("*", "everybody", "everyone", "public")
# Conditions that say who calls: AWS does not count a statement with one as public.
_NARROW = ("aws:principalorgid", "aws:principalorgpaths", "aws:principalaccount", "aws:principalarn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceaccount",
           "aws:sourceowner", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths", "aws:userid", "kms:calleraccount")  # fmt: skip
_NARROWING = ("stringequals", "stringlike", "stringequalsignorecase", "arnequals", "arnlike")


@dataclasses.dataclass(frozen=True)
class Suspect:
    """An identity in wrong hands: all of it (``whole``), or the credentials ``keys``."""

    arn: str
    keys: frozenset[str] = frozenset()
    whole: bool = True

    @property
    def account(self) -> str:
        return self.arn.split(":")[4] if self.arn.count(":") > 4 else ""

    @property
    def name(self) -> str:
        return self.arn.rsplit("/", 1)[-1]


def guard(c: Course, found: Mapping[str, str], ahead: bool = True) -> int:
    """How many places must not be written to; each is named among the failures. ``found``: {place id: its state}.

    ``ahead``: the bridges of this run, which come before anything is written, count already. What has the new key already, and can be read by a
    suspect that was not known then, is warned of.
    """
    reader, known, refused = c.reader, suspects(c), 0
    for place in c.places:
        state = found[place.id]
        if state not in ("old", "half", "moving", "new"):
            continue
        why = look(c, place, known, reader, ahead)
        if why and state in ("moving", "new"):  # it is written already
            c.run_of.warn(f"{place.text} has the new key, and {why}: fence it, then name {c.new} as a suspect, which rotates it in turn")
        elif why:
            try:
                c.run_of.guard.refuse(GUARD, place.id, f"the new secret is not written to {place.text}, since {why}", _remedy(c, why))
            except Refused as error:
                c.runner.fail(error, place.text)
                refused += 1
    return refused


def _remedy(c: Course, why: str) -> str:
    if c.user.arn in why and not c.cut and c.mode != "bridge":
        return "mode: bridge or mode: emergency take that from its old key first"
    if "not known" in why:
        return "let the responder look, or declare who reads it (readable_by) where nobody can; then run again"
    return "fence it first: aws_resource_fence for the place or its KMS key, or aws_contain for whoever reads it; then run again"


def settle(c: Course) -> None:
    """Waits until what keeps the old key from reading the places (its end, or the bridge) holds everywhere."""
    said = [c.reached(state) for state in ("CLAMPED", "OLD_DISABLED")]
    if c.held_back and not c.runner.check and any(said):
        left = (parse(max(said)) + course.SETTLES - c.aws.now()).total_seconds()
        time.sleep(max(0.0, min(left, course.SETTLES.total_seconds())))


def suspects(c: Course) -> list[Suspect]:
    """All that the case knows: of this run, and what earlier ones found, bar what a person cleared."""
    found = {p.arn: Suspect(p.arn, frozenset(p.compromised | p.only), p.whole and not p.only) for p in c.run_of.principals.values()}
    cleared = {n["data"]["suspect"] for n in c.case.notes("verdict")}
    for note in c.case.notes("suspect"):
        data = note["data"]
        if data["suspect"] not in cleared and data["source"] not in cleared and data["arn"] not in found:
            found[data["arn"]] = Suspect(data["arn"], frozenset(data["keys"]), bool(data["whole"]))
    return list(found.values())


def look(c: Course, place: targets.Place, known: Iterable[Suspect], reader: Reader, ahead: bool = True) -> str:
    """Why the new secret must not be there; "" when nobody in ``known`` reads it, nor the public."""
    declared = [str(one) for one in place.spec.get("readable_by") or ()]
    if said := _declared(c, declared, known):
        return said
    kind = targets.KINDS[place.kind]
    if not hasattr(kind, "reading"):
        return "" if declared else "it is not known who can read it: declare that as readable_by"
    try:
        how: Reading = kind.reading(place, reader)
    except EvictError as error:
        return f"it is not known who can read it: {error.message}"
    if how.policy is not None and not isinstance(how.policy, Mapping):
        return "it is not known who can read it: its policy is no policy document"
    if said := how.public or _public(how):
        return said
    if unresolved := c.run_of.unresolved:
        return f"it is not known whether {', '.join(sorted(unresolved))} can read it: who that is was not found"
    return next((said for one in known if (said := _reads(c, one, place, how, reader, ahead))), "")


def _declared(c: Course, declared: Iterable[str], known: Iterable[Suspect]) -> str:
    """What the owner's own words come to: whether one of the readers is a suspect."""
    named = {identity(one.arn) for one in known} | {identity(str(s.value)) for s in c.run_of.suspects}
    for one in declared:
        if one.strip().lower() in _EVERYBODY:
            return "everybody can read it, as it is declared (readable_by)"
        if identity(one) in named:
            return f"{one} can read it, as it is declared (readable_by)"
    return ""


def _public(how: Reading) -> str:
    """Whether the place's own policy lets everybody read it."""
    for statement in statements_of(how.policy or {}):
        named = statement.get("Principal")
        everybody = named == "*" or (isinstance(named, Mapping) and "*" in _many(named.get("AWS", [])))
        if statement.get("Effect") != "Allow" or not (everybody or "NotPrincipal" in statement):
            continue
        if not any(_names(statement, action) for action in how.actions):
            continue
        sid = f"statement {statement.get('Sid') or '(without Sid)'} of its policy"
        condition = statement.get("Condition")
        if not condition:
            return f"everybody can read it: {sid}"
        narrow = isinstance(condition, Mapping) and any(
            str(operator).lower() in _NARROWING and isinstance(block, Mapping) and {str(key).lower() for key in block} & set(_NARROW)
            for operator, block in condition.items()
        )
        if not narrow:
            return f"it is not known whether everybody can read it: {sid} lets them under a condition that does not say who they are"
    return ""


def _many(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else [value]


def _names(statement: Mapping[str, t.Any], action: str) -> bool:
    bare = {key: value for key, value in statement.items() if key in ("Effect", "Action", "NotAction")}
    return applies({**bare, "Principal": "*"}, "arn:aws:iam::000000000000:user/x", action, "")[0] is not False


def _reads(c: Course, one: Suspect, place: targets.Place, how: Reading, reader: Reader, ahead: bool) -> str:
    if identity(one.arn) in {identity(arn) for arn in how.runs_as if arn}:
        return f"it runs as {one.arn}, which is a suspect"
    if kind_of(one.arn) not in ("user", "role"):
        near = one.account in ("", place.target.account) or any(_granted(how, one.arn, a, False) != (None, "") for a in how.actions)
        return f"it is not known whether {one.arn} can read it" if near else ""
    try:
        why = _allowed(one, place, how, reader)
        if not why or _fenced(c, one, how):
            return ""
        if _held(c, one, reader, ahead):
            c.held_back = True
            return ""
    except EvictError as error:
        return f"it is not known whether {one.arn} can read it: {error.message}"
    return why


def _allowed(one: Suspect, place: targets.Place, how: Reading, reader: Reader) -> str:
    """Why the suspect can read it, or why that is not known; "" when it cannot."""
    if how.key and _without_key(one, how, place.target, reader):
        return ""
    own = one.account == place.target.account
    said = _may(one, how, reader)
    for action in how.actions:
        decision, missing = said.get(action, ("", True))
        by_policy, doubt = _granted(how, one.arn, action, own)
        if by_policy is False or decision == "explicitDeny":
            continue
        by_identity = decision == "allowed"
        if (by_identity and own) or (by_policy and (own or by_identity)):
            return f"{one.arn} can read it ({action})"
        if doubt and (own or by_identity):
            return f"it is not known whether {one.arn} can read it: {doubt}"
        if missing and (own or by_policy):
            return f"it is not known whether {one.arn} can read it: a policy of it allows {action} under a condition"
    if own and (more := sorted(a for a, (d, _m) in _simulated(one, _POWER, "*", reader).items() if d == "allowed")):
        return f"{one.arn} can allow itself to read it ({more[0]})"
    return ""


def _may(one: Suspect, how: Reading, reader: Reader) -> dict[str, tuple[str, bool]]:
    """As ``_simulated``, each action on what it is asked on; of several that counts which lets it the most."""
    found: dict[str, tuple[str, bool]] = {}
    asked: dict[str, list[str]] = {}
    for action in how.actions:
        for resource in how.others.get(action, (how.resource,)):
            asked.setdefault(resource, []).append(action)
    for resource, actions in asked.items():
        for action, said in _simulated(one, actions, resource, reader).items():
            found[action] = max(found.get(action, said), said, key=lambda s: (_RANK.get(s[0], 1), s[1]))
    return found


def _simulated(one: Suspect, actions: Iterable[str], resource: str, reader: Reader) -> dict[str, tuple[str, bool]]:
    """{action: (decision, whether it hangs on a condition that the simulator was not told)}."""
    asked: dict[str, t.Any] = {"PolicySourceArn": one.arn, "ActionNames": list(actions), "ResourceArns": [resource]}
    rows = reader.get(Call(Target("aws", one.account), "iam", "SimulatePrincipalPolicy", asked)).get("EvaluationResults", [])
    return {str(row.get("EvalActionName")): (str(row.get("EvalDecision")), bool(row.get("MissingContextValues"))) for row in rows}


def _granted(how: Reading, arn: str, action: str, own: bool) -> tuple[bool | None, str]:
    """What the place's own policy says of ``arn``: (True: allows it, False: denies it for sure, None: neither; what is not understood of an Allow).

    ``own``: the place is of its account.
    """
    allowed, doubt = None, ""
    for statement in statements_of(how.policy or {}):
        found, why = applies(statement, arn, action, how.resource)
        if statement.get("Effect") == "Deny":
            if found:
                return False, ""
        elif found and not (own and _only_account(statement, arn)):
            allowed = True
        elif found is None:
            doubt = doubt or f"{statement.get('Sid') or 'a statement'} of its policy holds {why}, which is not understood here"
    return allowed, doubt


def _only_account(statement: Mapping[str, t.Any], arn: str) -> bool:
    """Whether it names but the suspect's account, which leaves it to the identity's own policies."""
    named = statement.get("Principal")
    return isinstance(named, Mapping) and not {"*", arn} & {str(one) for one in _many(named.get("AWS", []))}


def _without_key(one: Suspect, how: Reading, target: Target, reader: Reader) -> bool:
    """Whether the KMS key is denied to it, without which nobody reads the place. What cannot be read here denies nothing."""
    try:
        facts = reader.get(Call(target, "kms", "DescribeKey", {"KeyId": how.key})).get("KeyMetadata", {})
        if facts.get("KeyManager") != "CUSTOMER":
            return False
        key = resources.key.resolve(target, str(facts["Arn"]), "aws", reader)
        found = Reading(("kms:Decrypt",), key.arn, reader.read(resources.key.document(target, key.document)[0]))
        return _granted(found, one.arn, "kms:Decrypt", True)[0] is False or (
            _simulated(one, ["kms:Decrypt"], key.arn, reader)["kms:Decrypt"][0] == "explicitDeny"
        )
    except (EvictError, KeyError):
        return False


def _fenced(c: Course, one: Suspect, how: Reading) -> bool:
    """Whether the incident's own fence in the place's policy holds the suspect."""
    found = members(statements_of(how.policy or {}), c.run_of.incident.sid)
    return identity(one.arn) in {identity(held.arn) for held in found}


def _held(c: Course, one: Suspect, reader: Reader, ahead: bool) -> bool:
    """Whether what is in wrong hands of it can do nothing any more: as read back, and in check mode as it would be."""
    its: Course | None = c if one.arn == c.user.arn else next((m for m in c.run_of.machines if m.user.arn == one.arn), None)
    if its and its.mode == "bridge" and not its.cut and (c.runner.check or ahead):
        return True
    kind, target, check = kind_of(one.arn), Target("aws", one.account), c.runner.check
    purposes = (*PURPOSES, *((bridge.PURPOSE,) if its else ()))
    probes = {p: policy.inline(kind, one.name, c.run_of.incident.policy_name(p), target)[0] for p in purposes}
    stands = {p for p, probe in probes.items() if reader.read(probe) is not None}
    if kind == "role":
        return bool(stands)
    if stands & {"quarantine", bridge.PURPOSE}:
        return True
    off = its is not None and check and its.cut  # it would be
    if not off and "session" not in stands:
        return False
    listed = reader.get(Call(target, "iam", "ListAccessKeys", {"UserName": one.name})).get("AccessKeyMetadata", [])
    live = {str(k["AccessKeyId"]) for k in listed if k.get("Status") == "Active" and (one.whole or k["AccessKeyId"] in one.keys)}
    if its:
        live -= {its.new, *(its.compromised if off else ())}
    return not live and (not one.whole or not _password(one, target, reader))


def _password(one: Suspect, target: Target, reader: Reader) -> bool:
    asked = Probe(
        Call(target, "iam", "GetLoginProfile", {"UserName": one.name}), ("LoginProfile",), ("NoSuchEntity", "NoSuchEntityException")
    )
    return reader.read(asked) is not None
