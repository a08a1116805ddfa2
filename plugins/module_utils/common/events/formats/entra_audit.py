# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entra's audit log (directory changes): as Microsoft Graph answers (``directoryAudit``), and as diagnostic settings write it, under ``properties``."""

from __future__ import annotations

from .kind import Format, moment, present, text

_V = "VARCHAR"
_TIME = "json_extract_string(e, '$.time')"
_WHO = "s.initiatedBy"

ENTRA_AUDIT = Format(
    source="entra_audit",
    body="CASE WHEN json_exists(e, '$.properties.id') THEN json_extract(e, '$.properties') ELSE e END",
    shape={
        "id": _V, "activityDateTime": _V, "activityDisplayName": _V, "category": _V, "correlationId": _V, "result": _V, "resultReason": _V,
        "loggedByService": _V,
        "operationType": _V, "additionalDetails": [{"key": _V, "value": _V}], "targetResources": "JSON",
        "initiatedBy": {"user": {"id": _V, "displayName": _V, "userPrincipalName": _V, "ipAddress": _V},
                        "app": {"appId": _V, "displayName": _V, "servicePrincipalId": _V, "servicePrincipalName": _V}},
    },
    match="json_exists(e, '$.activityDisplayName') OR json_extract_string(e, '$.category') = 'AuditLogs'",
    columns={
        "event_uid": "coalesce(s.id, left(sha256(CAST(json(e) AS VARCHAR)), 32))",
        "time": f"coalesce({moment('s.activityDateTime')}, {moment(_TIME)})",
        "account": "lower(coalesce(json_extract_string(e, '$.tenantId'),"
                   " nullif(regexp_extract(json_extract_string(e, '$.resourceId'), '(?i)/tenants/([^/]+)', 1), '')))",
        "category": "'management'",
        "service": "coalesce(s.loggedByService, 'Microsoft.aadiam')",
        "operation": "coalesce(s.activityDisplayName, json_extract_string(e, '$.operationName'))",
        "read_only": "false",
        "status": "CASE WHEN coalesce(s.result, json_extract_string(e, '$.resultType'), '') ILIKE '%fail%' THEN 'failure' ELSE 'success' END",
        "error_code": "CASE WHEN s.result ILIKE '%fail%' THEN coalesce(nullif(json_extract_string(e, '$.resultSignature'), 'None'), s.result) END",
        "error_message": "CASE WHEN s.result ILIKE '%fail%' THEN nullif(s.resultReason, '') END",
        "actor_type": f"CASE WHEN {_WHO}.user.id IS NOT NULL THEN 'user' WHEN {_WHO}.app IS NOT NULL THEN 'service_principal' END",
        "actor_arn": f"coalesce({_WHO}.user.id, {_WHO}.app.servicePrincipalId)",
        "actor_id": f"coalesce({_WHO}.user.userPrincipalName, {_WHO}.app.appId, {_WHO}.app.servicePrincipalName)",
        "actor_name": f"coalesce({_WHO}.user.displayName, {_WHO}.user.userPrincipalName, {_WHO}.app.displayName)",
        "src_ip": f"coalesce(nullif({_WHO}.user.ipAddress, ''), json_extract_string(e, '$.callerIpAddress'))",
        "user_agent": "list_filter(s.additionalDetails, lambda d: d.key = 'User-Agent')[1].value",
        "resources": present("json_extract_string(s.targetResources, '$[0].id')", "json_extract_string(s.targetResources, '$[1].id')",
                             "json_extract_string(s.targetResources, '$[2].id')"),
        "request": text("s.targetResources"),
        "shared_uid": "s.correlationId",
    },
)  # fmt: skip
