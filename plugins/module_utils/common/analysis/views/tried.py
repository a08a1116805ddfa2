# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was tried and denied."""

from __future__ import annotations

NAME = "tried"
QUESTION = "What did the attacker try that was denied, how often, and when?"
PARAMETERS = ("since", "until", "limit")
SQL = """
SELECT cloud, account, service, operation, error_code, verdict, count(*) AS calls, count(DISTINCT region) AS regions, min(time) AS first_call,
  max(time) AS last_call, min(event_uid) AS event_uid, min(tainted_id) AS tainted_id
FROM acts
WHERE status = 'failure' AND time >= ? AND time < ?
GROUP BY cloud, account, service, operation, error_code, verdict
ORDER BY first_call, service, operation
LIMIT ?
"""
