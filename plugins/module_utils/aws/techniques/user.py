# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-02: New IAM user (often with admin policy, key and console password in one burst)."""

from __future__ import annotations

ID = "AWS-02"
NAME = "New IAM user (often with admin policy, key and console password in one burst)"
TACTIC = "persistence"
MITRE = ("T1136.003",)
TIER = 1
EVENTS: dict[str, str] = {
    "iam:CreateUser": "{r.user.arn}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
