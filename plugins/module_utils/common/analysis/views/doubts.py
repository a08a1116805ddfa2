# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the conclusions rest on."""

from __future__ import annotations

NAME = "doubts"
QUESTION = "Which conclusion rests on something that could not be seen?"
PARAMETERS = ("since", "until", "limit")
SQL = """
SELECT tainted_id, object, why, since, until
FROM doubts
WHERE (until IS NULL OR until >= ?) AND (since IS NULL OR since < ?)
ORDER BY since, tainted_id, object
LIMIT ?
"""
