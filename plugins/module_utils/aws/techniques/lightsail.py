# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-55: Lightsail instance, key, bucket key."""

from __future__ import annotations

ID = "AWS-55"
NAME = "Lightsail instance, key, bucket key"
TACTIC = "persistence"
MITRE = (
    "T1578.002",
    "T1098.001",
)
TIER = 2
EVENTS: dict[str, str] = {
    "lightsail:CreateInstances": "Lightsail instance {q.instanceNames[]} in {region}",
    "lightsail:DownloadDefaultKeyPair": "default key pair of Lightsail in {region}",
    "lightsail:CreateKeyPair": "Lightsail key pair {q.keyPairName} in {region}",
    "lightsail:GetInstanceAccessDetails": "Lightsail instance {q.instanceName} in {region}",
    "lightsail:CreateBucketAccessKey": "access key of Lightsail bucket {q.bucketName} in {region}",
    "lightsail:CreateContainerService": "Lightsail container service {q.serviceName} in {region}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
