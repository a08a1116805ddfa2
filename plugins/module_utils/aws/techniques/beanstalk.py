# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-88: Elastic Beanstalk version / environment option."""

from __future__ import annotations

ID = "AWS-88"
NAME = "Elastic Beanstalk version / environment option"
TACTIC = "persistence"
MITRE = ("T1525",)
TIER = 3
EVENTS: dict[str, str] = {
    "elasticbeanstalk:CreateApplicationVersion": "{at.elasticbeanstalk}applicationversion/{q.applicationName}/{q.versionLabel}",
    "elasticbeanstalk:UpdateEnvironment": "{at.elasticbeanstalk}environment/{q.environmentName|q.environmentId}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
