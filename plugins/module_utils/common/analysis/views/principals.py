# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identities behind it all."""

from __future__ import annotations

NAME = "principals"
QUESTION = "Which users, roles and accounts did the attacker act as, and which of them are the attacker's own?"
PARAMETERS = ("since", "until", "limit")
SQL = """
SELECT p.principal, p.cloud, p.account, max(p.own) AS own, max(p.confidence) AS confidence, min(p.since) AS since, max(p.until) AS until,
  sum(p.calls) AS calls, sum(p.writes) AS writes
FROM (
  SELECT coalesce(issuer_arn, actor_arn, actor_name) AS principal, cloud, coalesce(actor_account, account) AS account, 0 AS own, confidence,
    time AS since, time AS until, 1 AS calls, CASE WHEN read_only THEN 0 ELSE 1 END AS writes
  FROM acts WHERE verdict = 'rogue' AND time >= ? AND time < ?
  UNION ALL
  SELECT arn AS principal, cloud, account, 1 AS own, confidence, since, since AS until, 0 AS calls, 0 AS writes
  FROM tainted WHERE verdict = 'rogue' AND whole AND kind IN ('user', 'role', 'service_account', 'app', 'provider')
) p
WHERE p.principal IS NOT NULL
GROUP BY p.principal, p.cloud, p.account
ORDER BY since, p.principal
LIMIT ?
"""
