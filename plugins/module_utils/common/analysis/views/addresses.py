# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where it came from."""

from __future__ import annotations

NAME = "addresses"
QUESTION = "From which addresses did the attacker work, with what, and whose else do they look like?"
PARAMETERS = ("since", "until", "limit")
SQL = """
SELECT src_ip, verdict, count(*) AS calls, count(DISTINCT tainted_id) AS identities, count(DISTINCT user_agent) AS user_agents, min(time) AS first_call,
  max(time) AS last_call
FROM acts
WHERE time >= ? AND time < ?
GROUP BY src_ip, verdict
ORDER BY first_call, src_ip
LIMIT ?
"""
