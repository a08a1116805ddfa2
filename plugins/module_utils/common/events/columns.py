# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables that an investigation reads: what happened (``events``), and what could not be read (``gaps``).

One row is one call, in the terms of OCSF's API Activity (class 6003). Times are UTC; what is unknown is NULL. The comment is OCSF's path.
"""

from __future__ import annotations

Columns = tuple[tuple[str, str], ...]

EVENTS: Columns = (
    ("event_uid", "VARCHAR"),  # metadata.uid: CloudTrail's eventID, Azure's record id, Google's insertId
    ("time", "TIMESTAMP"),  # time
    ("cloud", "VARCHAR"),  # cloud.provider: aws, azure, gcp
    ("account", "VARCHAR"),  # cloud.account.uid: recipientAccountId, a subscription or tenant, a project
    ("region", "VARCHAR"),  # cloud.region
    ("source", "VARCHAR"),  # metadata.log_name: a name of SOURCES
    ("category", "VARCHAR"),  # management, data, insight, signin
    ("service", "VARCHAR"),  # api.service.name: "iam" of iam.amazonaws.com, Microsoft.Compute, compute.googleapis.com
    ("operation", "VARCHAR"),  # api.operation
    ("read_only", "BOOLEAN"),
    ("status", "VARCHAR"),  # status: success, failure
    ("error_code", "VARCHAR"),  # api.response.error
    ("error_message", "VARCHAR"),  # api.response.error_message
    ("actor_type", "VARCHAR"),  # actor.user.type, in the cloud's word
    ("actor_arn", "VARCHAR"),  # actor.user.uid: userIdentity.arn, principalEmail, an object id
    ("actor_id", "VARCHAR"),  # userIdentity.principalId; e-mail or UPN in Azure
    ("actor_name", "VARCHAR"),  # actor.user.name
    ("actor_account", "VARCHAR"),  # actor.user.account.uid
    ("credential_uid", "VARCHAR"),  # actor.user.credential_uid: an access key id, serviceAccountKeyName, an app's key id
    ("issuer_arn", "VARCHAR"),  # actor.session.issuer
    ("issuer_id", "VARCHAR"),  # sessionIssuer.principalId
    ("session_created", "TIMESTAMP"),  # actor.session.created_time
    ("mfa", "BOOLEAN"),  # actor.session.is_mfa
    ("source_identity", "VARCHAR"),  # sessionContext.sourceIdentity
    ("invoked_by", "VARCHAR"),  # actor.invoked_by: a service
    ("src_ip", "VARCHAR"),  # src_endpoint.ip, as written: also "AWS Internal", "lambda.amazonaws.com"
    ("user_agent", "VARCHAR"),  # http_request.user_agent
    ("resources", "VARCHAR[]"),  # resources[].uid
    ("request", "VARCHAR"),  # api.request.data, JSON
    ("response", "VARCHAR"),  # api.response.data, JSON
    ("shared_uid", "VARCHAR"),  # metadata.correlation_uid: CloudTrail's sharedEventID
    ("delegation", "VARCHAR[]"),  # on whose behalf: Google's delegation chain, CloudTrail's onBehalfOf and inScopeOf
    ("raw", "VARCHAR"),  # raw_data: the event as it came, JSON
)
# Everything that could not be read, or is not logged. Without start and end: at any time.
GAPS: Columns = (
    ("cloud", "VARCHAR"),
    ("account", "VARCHAR"),
    ("region", "VARCHAR"),
    ("source", "VARCHAR"),
    ("start", "TIMESTAMP"),
    ("end", "TIMESTAMP"),
    ("object", "VARCHAR"),  # the file, the log, the request
    ("why", "VARCHAR"),
)
SOURCES = {"cloudtrail": "aws", "azure_activity": "azure", "entra_audit": "azure", "entra_signin": "azure", "gcp_audit": "gcp"}


def names(columns: Columns) -> list[str]:
    return [name for name, _type in columns]


def create(table: str, columns: Columns) -> str:
    """The statement that makes an empty table. ``table`` and the columns are the collection's own words, never a log's."""
    return f'CREATE OR REPLACE TABLE "{table}" (' + ", ".join(f'"{name}" {kind}' for name, kind in columns) + ")"
