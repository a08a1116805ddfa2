# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS CloudTrail: management, data and network activity events of any version.

Source: the CloudTrail record contents reference, event versions 1.02 to 1.11.
"""

from __future__ import annotations

from .kind import Format, moment, present, text

_V = "VARCHAR"
_USER = "s.userIdentity"
_SESSION = f"{_USER}.sessionContext"

CLOUDTRAIL = Format(
    source="cloudtrail",
    shape={
        "eventID": _V, "eventTime": _V, "recipientAccountId": _V, "awsRegion": _V, "eventCategory": _V, "managementEvent": "BOOLEAN", "eventSource": _V,
        "eventName": _V, "readOnly": "BOOLEAN", "errorCode": _V, "errorMessage": _V, "sourceIPAddress": _V, "userAgent": _V, "sharedEventID": _V,
        "resources": [{"ARN": _V}], "requestParameters": "JSON", "responseElements": "JSON", "additionalEventData": {"MFAUsed": _V},
        "userIdentity": {
            "type": _V, "arn": _V, "principalId": _V, "userName": _V, "accountId": _V, "accessKeyId": _V, "credentialId": _V, "invokedBy": _V,
            "onBehalfOf": {"userId": _V, "identityStoreArn": _V}, "inScopeOf": {"credentialsIssuedTo": _V, "sourceArn": _V},
            "sessionContext": {
                "sessionIssuer": {"arn": _V, "principalId": _V, "userName": _V}, "attributes": {"creationDate": _V, "mfaAuthenticated": "BOOLEAN"},
                "sourceIdentity": _V,
            },
        },
    },
    match="s.eventName IS NOT NULL AND s.eventSource IS NOT NULL",
    skip={"insight": "s.eventCategory = 'Insight'"},
    columns={
        "event_uid": "s.eventID",
        "time": moment("s.eventTime"),
        "account": f"coalesce(s.recipientAccountId, {_USER}.accountId)",
        "region": "s.awsRegion",
        "category": "CASE s.eventCategory WHEN 'Data' THEN 'data' WHEN 'NetworkActivity' THEN 'data' WHEN 'Management' THEN 'management'"
                    " ELSE CASE WHEN s.managementEvent = false THEN 'data' ELSE 'management' END END",
        "service": "split_part(s.eventSource, '.amazonaws.com', 1)",
        "operation": "s.eventName",
        "read_only": "s.readOnly",
        "status": "CASE WHEN s.errorCode IS NOT NULL OR s.errorMessage IS NOT NULL OR (s.eventName = 'ConsoleLogin'"
                  " AND json_extract_string(s.responseElements, '$.ConsoleLogin') = 'Failure') THEN 'failure' ELSE 'success' END",
        "error_code": "s.errorCode",
        "error_message": "s.errorMessage",
        "actor_type": f"{_USER}.type",
        "actor_arn": f"{_USER}.arn",
        "actor_id": f"{_USER}.principalId",
        "actor_name": f"coalesce({_USER}.userName, {_SESSION}.sessionIssuer.userName)",
        "actor_account": f"{_USER}.accountId",
        "credential_uid": f"coalesce(nullif({_USER}.accessKeyId, ''), {_USER}.credentialId)",
        "issuer_arn": f"{_SESSION}.sessionIssuer.arn",
        "issuer_id": f"{_SESSION}.sessionIssuer.principalId",
        "session_created": moment(f"{_SESSION}.attributes.creationDate"),
        "mfa": f"coalesce({_SESSION}.attributes.mfaAuthenticated, CASE s.additionalEventData.MFAUsed WHEN 'Yes' THEN true WHEN 'No' THEN false END)",
        "source_identity": f"{_SESSION}.sourceIdentity",
        "invoked_by": f"{_USER}.invokedBy",
        "src_ip": "s.sourceIPAddress",
        "user_agent": "s.userAgent",
        "resources": "list_filter(list_transform(s.resources, lambda r: r.ARN), lambda x: x IS NOT NULL)",
        "request": text("s.requestParameters"),
        "response": text("s.responseElements"),
        "shared_uid": "s.sharedEventID",
        "delegation": present(f"{_USER}.onBehalfOf.userId", f"{_USER}.inScopeOf.credentialsIssuedTo"),
    },
)  # fmt: skip
