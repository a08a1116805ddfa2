# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-03: Console password created or reset on another user."""

from __future__ import annotations

ID = "AWS-03"
NAME = "Console password created or reset on another user"
TACTIC = "persistence"
MITRE = ("T1098.001",)
TIER = 1
EVENTS: dict[str, str] = {
    "iam:CreateLoginProfile": "console password of {at.iam}user/{r.loginProfile.userName|q.userName}",
    "iam:UpdateLoginProfile": "console password of {at.iam}user/{q.userName}",
    "iam:ChangePassword": "console password of {actor}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
