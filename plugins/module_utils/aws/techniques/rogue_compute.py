# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-72: Rogue compute: instances, spot fleet, EC2 fleet, ASG with termination protection."""

from __future__ import annotations

ID = "AWS-72"
NAME = "Rogue compute: instances, spot fleet, EC2 fleet, ASG with termination protection"
TACTIC = "impact"
MITRE = (
    "T1496.001",
    "T1578.002",
)
TIER = 1
EVENTS: dict[str, str] = {
    "ec2:RunInstances": "{at.ec2}instance/{r.instancesSet.items[].instanceId}",
    "ec2:CreateLaunchTemplate": "{at.ec2}launch-template/{r.launchTemplate.launchTemplateId}",
    "autoscaling:CreateAutoScalingGroup": "Auto Scaling group {q.autoScalingGroupName} in {region}",
    "ec2:RequestSpotFleet": "spot fleet {r.spotFleetRequestId} in {region}",
    "ec2:RequestSpotInstances": "spot request {r.spotInstanceRequestSet.items[].spotInstanceRequestId} in {region}",
    "ec2:CreateFleet": "{at.ec2}fleet/{r.fleetId}",
    "ec2:CreateDefaultVpc": "{at.ec2}vpc/{r.vpc.vpcId}",
}
LOOKALIKE = "decommissioning or load test by an owner"
