# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From suspects (indicators as they were reported) to the first nodes of the lineage."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from ..events.database import Database
from ..suspect import Suspect
from .model import EXACT, NARROW, WIDE, Match, Node

# kind of suspect -> (kind of node, [(handle, rank)]); what is wide may be shared with its owner, so its own networks are left to it.
_KINDS: dict[str, tuple[str, list[tuple[str, int]]]] = {
    "access_key": ("access_key", [("credential", EXACT)]),
    "session_key": ("session", [("credential", EXACT)]),
    "user_arn": ("user", [("actor", WIDE)]),
    "name": ("user", [("user_name", WIDE)]),
    "role_arn": ("role", [("issuer", WIDE)]),
    "assumed_role_arn": ("session", [("actor", NARROW)]),
    "federated_user_arn": ("federated_user", [("actor", NARROW)]),
    "root": ("user", [("actor", WIDE)]),
    "instance": ("compute", [("session_name", NARROW)]),
    "service_credential": ("service_specific_credential", [("credential", EXACT)]),
    "identity_center_user": ("identity_center_user", [("delegation", WIDE), ("user_name", WIDE), ("actor_id", WIDE)]),
    "email": ("user", [("actor", WIDE), ("actor_id", WIDE), ("user_name", WIDE)]),
    "azure_user": ("user", [("actor", WIDE), ("actor_id", WIDE)]),
    "azure_application": ("app", [("actor", WIDE), ("actor_id", WIDE)]),
    "azure_service_principal": ("app", [("actor", WIDE), ("actor_id", WIDE)]),
    "azure_managed_identity": ("app", [("actor", WIDE), ("actor_id", WIDE)]),
    "gcp_service_account": ("service_account", [("actor", WIDE)]),
    "gcp_service_account_key": ("service_account_key", [("credential", EXACT)]),
    "gcp_user": ("user", [("actor", WIDE)]),
    "gcp_api_key": ("api_key", [("credential", EXACT)]),
}
_KEY_NAMES = "SELECT DISTINCT credential_uid FROM events WHERE cloud = 'gcp' AND ends_with(credential_uid, ?)"
_SPELLINGS = "SELECT DISTINCT actor_id FROM events WHERE cloud <> 'aws' AND lower(actor_id) = lower(?)"
_OWNER = "SELECT arg_min(actor_arn, event_uid) AS arn, arg_min(coalesce(actor_account, account), event_uid) AS account FROM events WHERE credential_uid = ?"


def nodes(database: Database, suspects: Iterable[Suspect], start: dt.datetime | None, end: dt.datetime | None) -> list[Node]:
    """A node for each suspect; the incident's window bounds what it did itself, not what comes of it."""
    return [_node(database, suspect, start, end) for suspect in suspects]


def _node(database: Database, suspect: Suspect, start: dt.datetime | None, end: dt.datetime | None) -> Node:
    kind, handles = _KINDS.get(suspect.kind, (suspect.kind, [("actor", WIDE)]))
    value, arn, account = suspect.value, suspect.value if suspect.value.startswith("arn:") else "", suspect.account
    values = [value]
    if suspect.kind == "gcp_service_account_key":
        values = [row["credential_uid"] for row in database.rows(_KEY_NAMES, [f"/keys/{value.rsplit('/', 1)[-1]}"])] or values
    elif suspect.kind in ("azure_user", "email"):  # the clouds write a person's name in any case of letters
        values = sorted({value, *(row["actor_id"] for row in database.rows(_SPELLINGS, [value]))})
    elif handles[0][0] == "credential":
        known = database.rows(_OWNER, [value])[0]
        arn, account = arn or known["arn"] or "", account or known["account"] or ""
    bound = account if handles[0][0] in ("user_name", "session_name") else ""
    matches = tuple(
        Match(handle, one, rank, "foreign", account=bound, since=start, until=end) for handle, rank in handles for one in values
    )
    return Node(kind, value, arn, suspect.cloud, account, start, until=end, via="suspect", matches=matches)
