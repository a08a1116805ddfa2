# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Google's Cloud Audit Logs: ``LogEntry`` with an ``AuditLog`` in it, as the Logging API answers and as a sink writes them to files.

Source: google.logging.v2.LogEntry and google.cloud.audit.AuditLog.
"""

from __future__ import annotations

from .kind import Format, moment, text

_V = "VARCHAR"
_P = "s.protoPayload"
_WHO = f"{_P}.authenticationInfo"
_PERMISSION = f"{_P}.authorizationInfo[1].permissionType"
_CODE = f"{_P}.status.code"

GCP_AUDIT = Format(
    source="gcp_audit",
    shape={
        "insertId": _V, "timestamp": _V, "logName": _V, "severity": _V, "operation": {"id": _V},
        "resource": {"type": _V, "labels": {"project_id": _V, "location": _V, "zone": _V, "region": _V}},
        "protoPayload": {
            "serviceName": _V, "methodName": _V, "resourceName": _V, "status": {"code": "BIGINT", "message": _V}, "request": "JSON", "response": "JSON",
            "authenticationInfo": {
                "principalEmail": _V, "principalSubject": _V, "serviceAccountKeyName": _V, "authoritySelector": _V,
                "serviceAccountDelegationInfo": [{"principalSubject": _V, "firstPartyPrincipal": {"principalEmail": _V}}],
            },
            "authorizationInfo": [{"resource": _V, "permission": _V, "permissionType": _V}],
            "requestMetadata": {"callerIp": _V, "callerSuppliedUserAgent": _V},
            "resourceLocation": {"currentLocations": [_V]},
        },
    },
    match="json_exists(e, '$.protoPayload.methodName') AND json_exists(e, '$.logName')",
    unique="s.logName",  # Google's own rule: one entry per log, time and insertId
    columns={
        "event_uid": "s.insertId",
        "time": moment("s.timestamp"),
        "account": "coalesce(s.resource.labels.project_id, nullif(regexp_extract(s.logName, '^[a-zA-Z]+/([^/]+)/', 1), ''))",
        "region": f"coalesce({_P}.resourceLocation.currentLocations[1], s.resource.labels.location, s.resource.labels.region, s.resource.labels.zone)",
        "category": "CASE WHEN s.logName LIKE '%data_access' THEN 'data' ELSE 'management' END",
        "service": f"{_P}.serviceName",
        "operation": f"{_P}.methodName",
        "read_only": f"CASE WHEN {_PERMISSION} IS NOT NULL THEN {_PERMISSION} LIKE '%READ' WHEN s.logName LIKE '%activity' THEN false END",
        "status": f"CASE WHEN coalesce({_CODE}, 0) = 0 THEN 'success' ELSE 'failure' END",
        "error_code": f"CAST(nullif({_CODE}, 0) AS VARCHAR)",
        "error_message": f"CASE WHEN {_CODE} <> 0 THEN {_P}.status.message END",
        "actor_type": f"CASE WHEN {_WHO}.principalEmail LIKE '%gserviceaccount.com' THEN 'service_account'"
                      f" WHEN {_WHO}.principalEmail IS NOT NULL THEN 'user' WHEN {_WHO}.principalSubject IS NOT NULL THEN 'federated' END",
        "actor_arn": f"coalesce(nullif({_WHO}.principalEmail, ''), {_WHO}.principalSubject)",
        "actor_id": f"coalesce({_WHO}.principalSubject, {_WHO}.principalEmail)",
        "actor_name": f"split_part({_WHO}.principalEmail, '@', 1)",
        "actor_account": f"nullif(regexp_extract({_WHO}.principalEmail, '@(.+)[.]iam[.]gserviceaccount[.]com$', 1), '')",
        "credential_uid": f"nullif({_WHO}.serviceAccountKeyName, '')",
        "src_ip": f"{_P}.requestMetadata.callerIp",
        "user_agent": f"{_P}.requestMetadata.callerSuppliedUserAgent",
        "resources": f"list_distinct(list_filter(list_concat([{_P}.resourceName], list_transform({_P}.authorizationInfo, lambda a: a.resource)),"
                     " lambda x: x IS NOT NULL AND x <> ''))",
        "request": text(f"{_P}.request"),
        "response": text(f"{_P}.response"),
        "shared_uid": "s.operation.id",
        "delegation": f"list_filter(list_transform({_WHO}.serviceAccountDelegationInfo,"
                      " lambda d: coalesce(d.firstPartyPrincipal.principalEmail, d.principalSubject)), lambda x: x IS NOT NULL)",
    },
)  # fmt: skip
