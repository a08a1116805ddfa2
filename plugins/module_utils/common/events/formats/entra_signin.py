# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entra's sign-in logs (people, service principals, managed identities): as Microsoft Graph answers (``signIn``), and as diagnostic settings write them."""

from __future__ import annotations

from .kind import Format, moment, present

_V = "VARCHAR"
_TIME = "json_extract_string(e, '$.time')"
_CODE = "coalesce(CAST(s.status.errorCode AS VARCHAR), json_extract_string(e, '$.resultType'))"

ENTRA_SIGNIN = Format(
    source="entra_signin",
    body="CASE WHEN json_exists(e, '$.properties.id') THEN json_extract(e, '$.properties') ELSE e END",
    shape={
        "id": _V, "createdDateTime": _V, "userDisplayName": _V, "userPrincipalName": _V, "userId": _V, "appId": _V, "appDisplayName": _V, "ipAddress": _V,
        "correlationId": _V, "status": {"errorCode": "BIGINT", "failureReason": _V}, "resourceDisplayName": _V, "resourceId": _V, "servicePrincipalId": _V,
        "servicePrincipalName": _V, "servicePrincipalCredentialKeyId": _V, "userAgent": _V, "authenticationRequirement": _V, "homeTenantId": _V,
        "resourceTenantId": _V, "sessionId": _V, "uniqueTokenIdentifier": _V, "signInEventTypes": "JSON", "location": "JSON", "deviceDetail": "JSON",
    },
    match="json_extract_string(e, '$.category') LIKE '%SignInLogs' OR (json_exists(e, '$.createdDateTime') AND json_exists(e, '$.appId')"
          " AND json_exists(e, '$.ipAddress'))",
    columns={
        "event_uid": "coalesce(s.id, left(sha256(CAST(json(e) AS VARCHAR)), 32))",
        "time": f"coalesce({moment('s.createdDateTime')}, {moment(_TIME)})",
        "account": "lower(coalesce(json_extract_string(e, '$.tenantId'), s.resourceTenantId, s.homeTenantId))",
        "category": "'signin'",
        "service": "coalesce(s.resourceDisplayName, s.appDisplayName)",
        "operation": "coalesce(json_extract_string(e, '$.operationName'), 'Sign-in activity')",
        "read_only": "false",
        "status": f"CASE WHEN {_CODE} = '0' THEN 'success' WHEN {_CODE} IS NOT NULL THEN 'failure' END",
        "error_code": f"nullif({_CODE}, '0')",
        "error_message": f"CASE WHEN {_CODE} <> '0' THEN coalesce(s.status.failureReason, json_extract_string(e, '$.resultDescription')) END",
        "actor_type": "CASE WHEN json_extract_string(e, '$.category') = 'ManagedIdentitySignInLogs' THEN 'managed_identity'"
                      " WHEN nullif(s.servicePrincipalId, '') IS NOT NULL AND nullif(s.userId, '') IS NULL THEN 'service_principal' ELSE 'user' END",
        "actor_arn": "coalesce(nullif(s.userId, ''), s.servicePrincipalId)",
        "actor_id": "coalesce(nullif(s.userPrincipalName, ''), s.appId)",
        "actor_name": "coalesce(nullif(s.userDisplayName, ''), s.servicePrincipalName)",
        "actor_account": "lower(s.homeTenantId)",
        "credential_uid": "nullif(s.servicePrincipalCredentialKeyId, '')",
        "mfa": "CASE s.authenticationRequirement WHEN 'multiFactorAuthentication' THEN true WHEN 'singleFactorAuthentication' THEN false END",
        "src_ip": "coalesce(nullif(s.ipAddress, ''), json_extract_string(e, '$.callerIpAddress'))",
        "user_agent": "nullif(s.userAgent, '')",
        "resources": present("s.resourceId", "s.appId"),
        "request": "CAST(json_object('appId', s.appId, 'appDisplayName', s.appDisplayName, 'location', s.location, 'deviceDetail', s.deviceDetail,"
                   " 'signInEventTypes', s.signInEventTypes, 'sessionId', s.sessionId, 'uniqueTokenIdentifier', s.uniqueTokenIdentifier) AS VARCHAR)",
        "shared_uid": "s.correlationId",
    },
)  # fmt: skip
