# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The graph of the lineage."""

from __future__ import annotations

NAME = "lineage"
QUESTION = "What came of what: who opened each identity and credential, by which call?"
PARAMETERS = ("since", "until", "limit")
SQL = """
SELECT parent, via, kind, id, arn, cloud, account, since, until, verdict, confidence, whole, evidence
FROM tainted
WHERE since IS NULL OR (since >= ? AND since < ?)
ORDER BY since, id
LIMIT ?
"""
