# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-62: CloudTrail stopped, deleted, narrowed."""

from __future__ import annotations

ID = "AWS-62"
NAME = "CloudTrail stopped, deleted, narrowed"
TACTIC = "defense-evasion"
MITRE = ("T1562.008",)
TIER = 1
EVENTS: dict[str, str] = {
    "cloudtrail:StopLogging": "{q.name|q.trailName}",
    "cloudtrail:DeleteTrail": "{q.name|q.trailName}",
    "cloudtrail:UpdateTrail": "{q.name|q.trailName}",
    "cloudtrail:PutEventSelectors": "{q.trailName}",
    "cloudtrail:PutInsightSelectors": "{q.trailName}",
    "cloudtrail:DeleteEventDataStore": "{q.eventDataStore}",
    "cloudtrail:StopEventDataStoreIngestion": "{q.eventDataStore}",
}
LOOKALIKE = "planned logging migration by the platform team"
