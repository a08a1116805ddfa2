# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-07: Stolen role session credentials still valid."""

from __future__ import annotations

ID = "AWS-07"
NAME = "Stolen role session credentials still valid"
TACTIC = "persistence"
MITRE = (
    "T1550.001",
    "T1552.005",
)
TIER = 1
EVENTS: dict[str, str] = {
    "sts:AssumeRole": "{r.credentials.accessKeyId} of {r.assumedRoleUser.arn}",
    "sts:AssumeRoleWithSAML": "{r.credentials.accessKeyId} of {r.assumedRoleUser.arn}",
    "sts:AssumeRoleWithWebIdentity": "{r.credentials.accessKeyId} of {r.assumedRoleUser.arn}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
