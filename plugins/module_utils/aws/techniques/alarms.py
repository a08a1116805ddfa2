# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-68: CloudWatch alarms, metric filters, subscription filters."""

from __future__ import annotations

ID = "AWS-68"
NAME = "CloudWatch alarms, metric filters, subscription filters"
TACTIC = "defense-evasion"
MITRE = (
    "T1562.008",
    "T1020",
)
TIER = 2
EVENTS: dict[str, str] = {
    "monitoring:DisableAlarmActions": "alarm {q.alarmNames[]} in {region}",
    "monitoring:DeleteAlarms": "alarm {q.alarmNames[]} in {region}",
    "monitoring:PutMetricAlarm": "alarm {q.alarmName} in {region}",
    "logs:DeleteMetricFilter": "metric filter {q.filterName} of {at.logs}log-group:{q.logGroupName}",
    "logs:DeleteSubscriptionFilter": "subscription filter {q.filterName} of {at.logs}log-group:{q.logGroupName}",
    "logs:PutSubscriptionFilter": "subscription filter {q.filterName} of {at.logs}log-group:{q.logGroupName}",
    "logs:PutResourcePolicy": "resource policy {q.policyName} of logs in {region}",
    "logs:PutDestinationPolicy": "destination {q.destinationName} of logs in {region}",
}
LOOKALIKE = "planned logging migration by the platform team"
