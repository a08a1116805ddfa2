# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure's Activity Log, one record per change of a resource: as the REST API answers (``value``), and as diagnostic settings write it (JSON lines).

Source: the Activity Log event schema; the schema of Azure resource logs.
"""

from __future__ import annotations

from .kind import Format, moment, present, text

_V = "VARCHAR"
_OID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
_UPN = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
_CATEGORIES = "'Administrative', 'Security', 'ServiceHealth', 'Alert', 'Recommendation', 'Policy', 'Autoscale', 'ResourceHealth'"


def _either(name: str) -> str:
    """A field that is text in one form and ``{value: text}`` in the other."""
    return f"coalesce(json_extract_string(s.{name}, '$.value'), json_extract_string(s.{name}, '$'))"


def _claim(name: str) -> str:
    return f'coalesce(s.claims."{name}", s.identity.claims."{name}")'


_CLAIMS = {_OID: _V, _UPN: _V, "name": _V, "appid": _V, "ipaddr": _V, "idtyp": _V, "uti": _V}
_STATUS = f"coalesce({_either('status')}, s.resultType)"
_OPERATION = _either("operationName")

AZURE_ACTIVITY = Format(
    source="azure_activity",
    shape={
        "eventDataId": _V, "eventTimestamp": _V, "time": _V, "caller": _V, "category": "JSON", "operationName": "JSON", "resourceProviderName": "JSON",
        "resourceId": _V,
        "status": "JSON", "subStatus": "JSON", "resultType": _V, "resultSignature": _V, "resultDescription": _V, "subscriptionId": _V, "correlationId": _V,
        "callerIpAddress": _V, "httpRequest": {"clientIpAddress": _V}, "properties": "JSON", "claims": _CLAIMS, "location": _V,
        "identity": {"claims": _CLAIMS, "authorization": {"scope": _V, "action": _V}}, "authorization": {"scope": _V, "action": _V},
    },
    match="json_exists(e, '$.eventDataId') OR json_exists(e, '$.eventTimestamp') OR (json_exists(e, '$.operationName') AND json_exists(e, '$.resourceId')"
          f" AND json_extract_string(e, '$.category') IN ({_CATEGORIES}))",
    columns={
        # The lines of diagnostic settings have no id of their own.
        "event_uid": "coalesce(s.eventDataId, json_extract_string(s.properties, '$.eventDataId'),"
                     " concat(s.correlationId, '/', left(sha256(CAST(json(e) AS VARCHAR)), 16)))",
        "time": f"coalesce({moment('s.eventTimestamp')}, {moment('s.time')})",
        "account": "lower(coalesce(s.subscriptionId, nullif(regexp_extract(s.resourceId, '(?i)/subscriptions/([^/]+)', 1), '')))",
        "region": "s.location",
        "category": "'management'",
        "service": f"coalesce({_either('resourceProviderName')}, split_part({_OPERATION}, '/', 1))",
        "operation": _OPERATION,
        "read_only": "false",
        "status": f"CASE WHEN {_STATUS} ILIKE 'fail%' THEN 'failure' WHEN {_STATUS} ILIKE 'start%' THEN NULL ELSE 'success' END",
        "error_code": f"CASE WHEN {_STATUS} ILIKE 'fail%' THEN coalesce({_either('subStatus')}, s.resultSignature, {_STATUS}) END",
        "error_message": f"CASE WHEN {_STATUS} ILIKE 'fail%' THEN coalesce(s.resultDescription, json_extract_string(s.properties, '$.statusMessage')) END",
        "actor_type": f"CASE WHEN {_claim('idtyp')} = 'app' OR ({_claim(_UPN)} IS NULL AND {_claim('appid')} IS NOT NULL) THEN 'service_principal'"
                      f" WHEN {_claim(_UPN)} IS NOT NULL OR s.caller LIKE '%@%' THEN 'user' END",
        "actor_arn": f"coalesce({_claim(_OID)}, CASE WHEN s.caller NOT LIKE '%@%' THEN s.caller END)",
        "actor_id": f"coalesce({_claim(_UPN)}, s.caller, {_claim('appid')})",
        "actor_name": f"coalesce({_claim('name')}, s.caller)",
        "src_ip": f"coalesce(s.callerIpAddress, s.httpRequest.clientIpAddress, {_claim('ipaddr')})",
        "resources": present("s.resourceId"),
        "request": text("s.properties"),
        "shared_uid": "s.correlationId",
    },
)  # fmt: skip
