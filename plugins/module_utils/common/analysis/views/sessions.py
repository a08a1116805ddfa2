# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions and keys in wrong hands."""

from __future__ import annotations

NAME = "sessions"
QUESTION = "Which sessions and keys were in the attacker's hands, who opened each, from when to when, and what was done with it?"
PARAMETERS = ("since", "until", "limit")
SQL = """
SELECT t.kind, t.id, t.arn, t.cloud, t.account, t.verdict, t.confidence, t.via, t.parent, t.since, t.until,
  min(a.time) AS first_call, max(a.time) AS last_call, count(a.event_uid) AS calls,
  sum(CASE WHEN a.status = 'failure' THEN 1 ELSE 0 END) AS denied, count(DISTINCT a.src_ip) AS addresses
FROM tainted t LEFT JOIN acts a ON a.tainted_id = t.id AND a.time >= ? AND a.time < ?
WHERE t.kind IN ('session', 'federated_user', 'access_key', 'service_account_key', 'app_credential', 'api_key', 'hmac_key', 'service_specific_credential')
GROUP BY t.kind, t.id, t.arn, t.cloud, t.account, t.verdict, t.confidence, t.via, t.parent, t.since, t.until
ORDER BY t.since, t.id
LIMIT ?
"""
