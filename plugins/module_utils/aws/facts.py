# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How severe an incident is, as far as a containment has seen it: privilege, production, data read, persistence, spread, resistance."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping

from ..common import situation
from ..common.errors import EvictError
from . import everybody

if t.TYPE_CHECKING:
    from .contain import Containment
    from .principal import Principal

# Calls that hand out data and that CloudTrail's event history keeps (it has no data events: GetObject is not in it).
EVENTS = frozenset(
    [("secretsmanager.amazonaws.com", name) for name in ("GetSecretValue", "BatchGetSecretValue")]
    + [("ssm.amazonaws.com", name) for name in ("GetParameter", "GetParameters", "GetParametersByPath")]
    + [
        ("ec2.amazonaws.com", name)
        for name in ("GetPasswordData", "ModifySnapshotAttribute", "ModifyImageAttribute", "CreateStoreImageTask")
    ]
    + [("rds.amazonaws.com", name) for name in ("ModifyDBSnapshotAttribute", "ModifyDBClusterSnapshotAttribute", "StartExportTask")]
)
_ADMIN = ("AdministratorAccess", "IAMFullAccess", "PowerUserAccess")
_PRODUCTION = re.compile(r"(?:^|[^a-z])prod(?:uction)?(?:[^a-z]|$)", re.IGNORECASE)
_STAGES = ("env", "environment", "stage", "tier")
_MOST = 50  # identities whose snapshot is looked at, the named ones first
_EACH = 3  # reasons of a kind


def severity(run: Containment) -> dict[str, t.Any]:
    """The result's ``severity``; what was found is kept in the ledger, so that looking less later makes nothing less severe."""
    level, why = situation.propose({name: _first(reasons) for name, reasons in _facts(run).items()}, len(everybody.principals(run)))
    fresh = {"share": run.share, "proposed": level, "why": why}
    notes = run.case.ledger.state.notes
    noted = [n["data"] for n in notes.get(situation.NOTE, ()) if n["data"]["share"] == run.share]
    known = {reason for data in noted for reason in data["why"]}
    if not run.runner.check and (
        not noted or level != noted[-1]["proposed"] and situation.worst(level, noted[-1]["proposed"]) == level or not set(why) <= known
    ):
        run.case.note(situation.NOTE, fresh)
    return situation.severity(run.incident, notes, fresh)


def _facts(run: Containment) -> dict[str, Iterator[str]]:
    principals = sorted(run.principals.values(), key=lambda p: (bool(p.discovered), p.arn))
    privileged, unknown = _privilege(run, [p for p in principals if not p.only][:_MOST])
    if not everybody.principals(run) and (run.refused or run.runner.failures):
        unknown.append("who the suspects are")
    return {
        "privilege": iter(privileged),
        "production": _production(principals, run.incident),
        "data read": _read(run),
        "persistence": _persistence(principals),
        "spread": _spread(principals),
        "resistance": iter([f"somebody worked against the containment at {run.hold.unrest:%Y-%m-%dT%H:%M:%SZ}"] if run.hold.unrest else []),
        "unknown": iter(unknown),
    }


def _privilege(run: Containment, principals: Iterable[Principal]) -> tuple[list[str], list[str]]:
    found: list[str] = []
    unknown: list[str] = []
    for principal in principals:
        if len(found) >= _EACH:
            break
        try:
            snapshot = json.loads(run.case.store.get(f"evidence/principals/{hashlib.sha256(principal.arn.encode()).hexdigest()[:32]}.json"))
        except (EvictError, ValueError, RecursionError):
            unknown.append(f"what {principal.arn} may do" + (", of which check mode keeps no snapshot" if run.runner.check else ""))
            continue
        if said := administrative(snapshot):
            found.append(f"{principal.arn} has {said}")
        elif any(
            isinstance(snapshot.get(part), dict) and "unknown" in snapshot[part]
            for part in ("attached_policies", "inline_policies", "groups")
        ):
            unknown.append(f"what {principal.arn} may do")
    return found, unknown


def administrative(snapshot: Mapping[str, t.Any]) -> str:
    """What in a snapshot of an identity makes it an administrator; "" when nothing does. Pure."""
    attached = snapshot.get("attached_policies")
    for policy in attached if isinstance(attached, list) else ():
        if policy.get("PolicyName") in _ADMIN and ":aws:policy/" in str(policy.get("PolicyArn")):
            return str(policy["PolicyName"])
    inline = snapshot.get("inline_policies")
    for name, document in inline.items() if isinstance(inline, dict) else ():
        for statement in _listed(document.get("Statement")) if isinstance(document, dict) else ():
            if (
                isinstance(statement, dict)
                and statement.get("Effect") == "Allow"
                and {"*", "*:*", "iam:*"} & {str(a).lower() for a in _listed(statement.get("Action"))}
            ):
                return f"the inline policy {name}, which allows everything or all of IAM"
    groups = snapshot.get("groups")
    named = [str(g.get("GroupName")) for g in groups if "admin" in str(g.get("GroupName")).lower()] if isinstance(groups, list) else []
    return f"membership of the group {named[0]}" if named else ""


def _production(principals: Iterable[Principal], incident: t.Any) -> Iterator[str]:
    declared = set(incident.production)
    for principal in principals:
        tags = {str(tag.get("Key")).lower(): str(tag.get("Value")) for tag in principal.facts.get("Tags") or () if isinstance(tag, dict)}
        if principal.account in declared or principal.arn in declared:
            yield f"{principal.arn} is in production, says the incident file"
        elif stage := next((tags[key] for key in _STAGES if _PRODUCTION.search(tags.get(key, ""))), ""):
            yield f"{principal.arn} is tagged {stage}"
        elif _PRODUCTION.search(principal.arn.rpartition(":")[2]):
            yield f"{principal.arn} is named so"


def _read(run: Containment) -> Iterator[str]:
    counted: dict[str, int] = {}
    for event in run.scope.kept if run.scope else ():
        if (event.get("eventSource"), event.get("eventName")) in EVENTS:
            counted[str(event["eventName"])] = counted.get(str(event["eventName"]), 0) + 1
    yield from (f"{name} by a suspect in the log" for name in sorted(counted))


def _persistence(principals: Iterable[Principal]) -> Iterator[str]:
    for principal in principals:
        if principal.only:
            yield f"a credential was made for {principal.arn}"
        elif principal.planted:
            yield f"the trust policy of {principal.arn} was written by a suspect"
        elif principal.discovered and principal.whole:
            yield f"{principal.arn} was made by a suspect"


def _spread(principals: Iterable[Principal]) -> Iterator[str]:
    known = list(principals)
    reached = [p for p in known if p.discovered]
    if reached:
        yield "identities were reached that nobody had named"
    if len({p.account for p in known}) > 1 and reached:
        yield "more than one account"


def _first(reasons: Iterable[str]) -> list[str]:
    found = list(reasons)
    return found[:_EACH]


def _listed(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
