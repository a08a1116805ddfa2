# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows made by hand, as the logs would have them: so that loader and analysis meet in a test."""

from __future__ import annotations

import json
import typing as t
import uuid
from collections.abc import Iterable

from tests.unit.analysis.events_made import Row


def records(rows: Iterable[Row]) -> dict[str, list[dict[str, t.Any]]]:
    """{source: records}; of Google's and Amazon's events."""
    made: dict[str, list[dict[str, t.Any]]] = {"cloudtrail": [], "gcp_audit": []}
    for row in rows:
        made[row["source"]].append(_cloudtrail(row) if row["source"] == "cloudtrail" else _gcp(row))
    return made


def _cloudtrail(row: Row) -> dict[str, t.Any]:
    """CloudTrail's record. Its ids are made from the row's."""
    who: dict[str, t.Any] = {"type": row["actor_type"], "principalId": row["actor_id"], "arn": row["actor_arn"], "accountId": row["actor_account"],
                             "accessKeyId": row["credential_uid"], "userName": row["actor_name"], "invokedBy": row["invoked_by"]}  # fmt: skip
    context: dict[str, t.Any] = {}
    if row["issuer_arn"]:
        context["sessionIssuer"] = {
            "arn": row["issuer_arn"],
            "principalId": row["issuer_id"],
            "userName": row["issuer_arn"].rsplit("/", 1)[-1],
        }
    if row["session_created"]:
        context["attributes"] = {"creationDate": f"{row['session_created']:%Y-%m-%dT%H:%M:%SZ}", "mfaAuthenticated": "false"}
    more = {k: v for k, v in json.loads(row["raw"]).items() if k not in ("eventID", "eventName")}
    return {
        "eventVersion": "1.11", "eventID": str(uuid.uuid5(uuid.NAMESPACE_OID, row["event_uid"])), "eventTime": f"{row['time']:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": f"{row['service']}.amazonaws.com", "eventName": row["operation"], "awsRegion": row["region"], "sourceIPAddress": row["src_ip"],
        "userAgent": row["user_agent"], "recipientAccountId": row["account"], "readOnly": row["read_only"], "eventCategory": "Management",
        "userIdentity": {k: v for k, v in who.items() if v is not None} | ({"sessionContext": context} if context else {}),
        "requestParameters": _parsed(row["request"]), "responseElements": _parsed(row["response"]), "sharedEventID": row["shared_uid"],
        **({"errorCode": row["error_code"]} if row["error_code"] else {}), **more,
    }  # fmt: skip


def _gcp(row: Row) -> dict[str, t.Any]:
    chain = [{"firstPartyPrincipal": {"principalEmail": one}} for one in row["delegation"] or ()]
    who = {"principalEmail": row["actor_arn"], "serviceAccountKeyName": row["credential_uid"], "serviceAccountDelegationInfo": chain}
    return {
        "insertId": row["event_uid"], "timestamp": f"{row['time']:%Y-%m-%dT%H:%M:%SZ}",
        "logName": f"projects/{row['account']}/logs/cloudaudit.googleapis.com%2Factivity",
        "resource": {"type": "project", "labels": {"project_id": row["account"]}},
        "protoPayload": {"serviceName": row["service"], "methodName": row["operation"], "authenticationInfo": {k: v for k, v in who.items() if v},
                         "requestMetadata": {"callerIp": row["src_ip"], "callerSuppliedUserAgent": row["user_agent"]},
                         "request": _parsed(row["request"]), "response": _parsed(row["response"])},
    }  # fmt: skip


def _parsed(value: str | None) -> t.Any:
    return json.loads(value) if value else None
