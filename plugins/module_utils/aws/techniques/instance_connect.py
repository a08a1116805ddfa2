# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-27: EC2 Instance Connect / serial console / connect endpoint."""

from __future__ import annotations

ID = "AWS-27"
NAME = "EC2 Instance Connect / serial console / connect endpoint"
TACTIC = "lateral-movement"
MITRE = (
    "T1021.008",
    "T1098.004",
)
TIER = 2
EVENTS: dict[str, str] = {
    "ec2-instance-connect:SendSSHPublicKey": "{at.ec2}instance/{q.instanceId}",
    "ec2-instance-connect:SendSerialConsoleSSHPublicKey": "{at.ec2}instance/{q.instanceId}",
    "ec2:EnableSerialConsoleAccess": "serial console access in {region}",
    "ec2:CreateInstanceConnectEndpoint": "{at.ec2}instance-connect-endpoint/{r.instanceConnectEndpoint.instanceConnectEndpointId}",
}
LOOKALIKE = "engineer break-glass access with a ticket"
