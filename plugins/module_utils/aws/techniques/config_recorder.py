# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-65: AWS Config recorder/channel/rule stopped."""

from __future__ import annotations

ID = "AWS-65"
NAME = "AWS Config recorder/channel/rule stopped"
TACTIC = "defense-evasion"
MITRE = ("T1562.008",)
TIER = 1
EVENTS: dict[str, str] = {
    "config:StopConfigurationRecorder": "configuration recorder {q.configurationRecorderName} in {region}",
    "config:DeleteConfigurationRecorder": "configuration recorder {q.configurationRecorderName} in {region}",
    "config:DeleteDeliveryChannel": "delivery channel {q.deliveryChannelName} in {region}",
    "config:PutConfigurationRecorder": "configuration recorder {q.configurationRecorder.name} in {region}",
    "config:DeleteConfigRule": "Config rule {q.configRuleName} in {region}",
    "config:DeleteRemediationConfiguration": "remediation of Config rule {q.configRuleName} in {region}",
    "config:PutRetentionConfiguration": "retention of Config in {region}",
}
LOOKALIKE = "planned logging migration by the platform team"
