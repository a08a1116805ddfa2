# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-01: Access key added to an existing or new IAM user."""

from __future__ import annotations

ID = "AWS-01"
NAME = "Access key added to an existing or new IAM user"
TACTIC = "persistence"
MITRE = ("T1098.001",)
TIER = 1
EVENTS: dict[str, str] = {
    "iam:CreateAccessKey": "{r.accessKey.accessKeyId} of {at.iam}user/{r.accessKey.userName|q.userName}",
    "iam:UpdateAccessKey": "{q.accessKeyId} of {at.iam}user/{q.userName}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
