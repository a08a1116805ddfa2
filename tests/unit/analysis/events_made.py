# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event tables made by hand, as the loader would make them from logs.

database([event(**user("ci"), operation="CreateAccessKey", service="iam", at="10:02", request={"userName": "x"}, response=key_made("AKIA..", "x"))])
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import typing as t
from collections.abc import Iterable

from ansible_collections.evict.cloud.plugins.module_utils.common.events import columns
from ansible_collections.evict.cloud.plugins.module_utils.common.events.database import Database

Row = dict[str, t.Any]
ACCOUNT, OTHER = "111122223333", "444455556666"
HOME, EVIL = "198.51.100.7", "203.0.113.66"  # the owner's network, the attacker's
DAY = dt.date(2026, 11, 20)
_numbers = itertools.count(1)
_READS = ("Get", "List", "Describe", "Lookup", "Head", "Search", "Query", "Scan", "BatchGet", "Assume", "ConsoleLogin", "Decrypt")


def moment(at: t.Any) -> dt.datetime:
    """Naive UTC of a datetime, "2026-11-20T10:00:00Z", or "10:00" / "10:00:05" (of DAY; "+1 10:00": a day later)."""
    if isinstance(at, dt.datetime):
        return at.astimezone(dt.UTC).replace(tzinfo=None) if at.tzinfo else at
    if "T" in at:
        return moment(dt.datetime.fromisoformat(at))
    days, _space, clock = at.rpartition(" ")
    return dt.datetime.combine(DAY + dt.timedelta(days=int(days or 0)), dt.time.fromisoformat(clock if len(clock) > 4 else f"0{clock}"))


def event(**given: t.Any) -> Row:
    """A row of ``events``. Any column; also ``at`` (see ``moment``), ``error`` (its code; makes it a failure). ``request``/``response`` may be mappings.

    Defaults: a successful management call in AWS from the owner's network, by the user ci, ten seconds after the one before.
    """
    number = next(_numbers)
    at, error = given.pop("at", None), given.pop("error", None)
    operation = given.get("operation", "ListBuckets")
    row: Row = {
        **dict.fromkeys(columns.names(columns.EVENTS)),
        "event_uid": f"e{number:08d}",
        "time": moment(at or given.get("time") or dt.datetime.combine(DAY, dt.time(9)) + dt.timedelta(seconds=10 * number)),
        "cloud": "aws",
        "region": "eu-west-1",
        "source": "cloudtrail",
        "category": "management",
        "service": "s3",
        "operation": operation,
        "read_only": operation.startswith(_READS),
        "status": "failure" if error or given.get("error_code") else "success",
        "error_code": error,
        "src_ip": HOME,
        "user_agent": "aws-cli/2.31.0",
        **({} if "actor_arn" in given or "actor_type" in given else user("ci", key="AKIACI00000000000001")),
    }
    row |= {name: value for name, value in given.items() if name != "time"}
    row["account"] = given.get("account") or row.get("actor_account") or ACCOUNT
    for name in ("session_created",):
        row[name] = moment(row[name]) if row[name] else None
    for name in ("request", "response", "raw"):
        row[name] = json.dumps(row[name], separators=(",", ":")) if isinstance(row[name], (dict, list)) else row[name]
    row["raw"] = row["raw"] or json.dumps({"eventID": row["event_uid"], "eventName": operation})
    unknown = set(row) - set(columns.names(columns.EVENTS))
    assert not unknown, f"no such columns: {unknown}"
    return row


def gap(**given: t.Any) -> Row:
    """A row of ``gaps``."""
    row = {
        **dict.fromkeys(columns.names(columns.GAPS)),
        "cloud": "aws",
        "account": ACCOUNT,
        "source": "cloudtrail",
        "object": "a file",
        "why": "not read",
        **given,
    }
    return row | {name: moment(row[name]) if row[name] else None for name in ("start", "end")}


def database(rows: Iterable[Row], gaps: Iterable[Row] = ()) -> Database:
    """An open database in memory with the tables ``events`` and ``gaps``."""
    made = Database.memory(threads=1)
    for name, kinds, given in (("events", columns.EVENTS, rows), ("gaps", columns.GAPS, gaps)):
        made.table(name, kinds, ([row[column] for column in columns.names(kinds)] for row in given))
    return made


# -- who (columns of the actor, to be splatted into event) ---------------------------------------------------------------------------


def user(name: str, *, key: str | None = None, account: str = ACCOUNT, path: str = "/") -> Row:
    return {"actor_type": "IAMUser", "actor_arn": f"arn:aws:iam::{account}:user{path}{name}", "actor_id": f"AIDA{_id(name, account)}",
            "actor_name": name, "actor_account": account, "credential_uid": key}  # fmt: skip


def session(role: str, name: str, *, key: str, account: str = ACCOUNT, path: str = "/", created: t.Any = None) -> Row:
    """A session ``name`` of ``role``."""
    return {"actor_type": "AssumedRole", "actor_arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}", "actor_id": f"{role_id(role, account)}:{name}",
            "actor_name": None, "actor_account": account, "credential_uid": key, "issuer_arn": f"arn:aws:iam::{account}:role{path}{role}",
            "issuer_id": role_id(role, account), "session_created": created}  # fmt: skip


def federated(name: str, issuer: str, *, key: str, account: str = ACCOUNT) -> Row:
    """GetFederationToken's ``name``, whose issuer is a user."""
    return {"actor_type": "FederatedUser", "actor_arn": f"arn:aws:sts::{account}:federated-user/{name}", "actor_id": f"{account}:{name}",
            "actor_account": account, "credential_uid": key, "issuer_arn": f"arn:aws:iam::{account}:user/{issuer}",
            "issuer_id": f"AIDA{_id(issuer, account)}"}  # fmt: skip


def root(*, account: str = ACCOUNT, key: str | None = None) -> Row:
    return {
        "actor_type": "Root",
        "actor_arn": f"arn:aws:iam::{account}:root",
        "actor_id": account,
        "actor_account": account,
        "credential_uid": key,
    }


def service(name: str, *, account: str = ACCOUNT) -> Row:
    """An AWS service, such as ec2.amazonaws.com."""
    return {"actor_type": "AWSService", "actor_arn": None, "actor_account": None, "account": account, "invoked_by": name, "src_ip": name}


def google(email: str, project: str = "acme-prod", *, key: str | None = None, via: Iterable[str] = ()) -> Row:
    """A Google account; ``key``: the full name of a service account key; ``via``: the chain of who impersonated it."""
    return {"cloud": "gcp", "source": "gcp_audit", "account": project, "region": None,
            "actor_type": "service_account" if email.endswith(".gserviceaccount.com") else "user", "actor_arn": email, "actor_id": email,
            "actor_name": email, "actor_account": project, "credential_uid": key, "delegation": list(via) or None}  # fmt: skip


def entra(kind: str, id: str, name: str, *, tenant: str = "00000000-0000-4000-8000-0000000000aa", key: str | None = None) -> Row:
    """``kind``: user | service_principal | managed_identity; ``key``: id of the application's credential."""
    return {"cloud": "azure", "source": "entra_audit", "account": tenant, "region": None, "actor_type": kind, "actor_arn": id, "actor_id": name,
            "actor_name": name, "actor_account": tenant, "credential_uid": key}  # fmt: skip


def role_id(role: str, account: str = ACCOUNT) -> str:
    return f"AROA{_id(role, account)}"


def _id(name: str, account: str) -> str:
    import hashlib

    return hashlib.sha256(f"{account}{name}".encode()).hexdigest()[:17].upper()


# -- requests and answers ------------------------------------------------------------------------------------------------------------


def assume(role: str, name: str, *, account: str = ACCOUNT, path: str = "/") -> Row:
    """The request of an AssumeRole*."""
    return {"roleArn": f"arn:aws:iam::{account}:role{path}{role}", "roleSessionName": name}


def assumed(role: str, name: str, key: str, *, account: str = ACCOUNT) -> Row:
    """The answer to it."""
    return {"credentials": {"accessKeyId": key, "sessionToken": "<redacted>"},
            "assumedRoleUser": {"assumedRoleId": f"{role_id(role, account)}:{name}", "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}"}}  # fmt: skip


def token(key: str) -> Row:
    """The answer to GetSessionToken."""
    return {"credentials": {"accessKeyId": key}}


def federation(name: str, key: str, account: str = ACCOUNT) -> Row:
    """The answer to GetFederationToken."""
    return token(key) | {"federatedUser": {"federatedUserId": f"{account}:{name}", "arn": f"arn:aws:sts::{account}:federated-user/{name}"}}


def key_made(key: str, owner: str) -> Row:
    """The answer to CreateAccessKey."""
    return {"accessKey": {"accessKeyId": key, "userName": owner, "status": "Active", "createDate": "Nov 20, 2026, 10:00:00 AM"}}


def user_made(name: str, account: str = ACCOUNT, path: str = "/") -> Row:
    """The answer to CreateUser."""
    return {
        "user": {"userName": name, "userId": f"AIDA{_id(name, account)}", "arn": f"arn:aws:iam::{account}:user{path}{name}", "path": path}
    }


def role_made(name: str, account: str = ACCOUNT, path: str = "/") -> Row:
    """The answer to CreateRole."""
    return {"role": {"roleName": name, "roleId": role_id(name, account), "arn": f"arn:aws:iam::{account}:role{path}{name}", "path": path}}
