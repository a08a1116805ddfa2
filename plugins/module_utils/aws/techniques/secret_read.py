# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-41: Secrets, parameters, passwords and user data read (blast radius)."""

from __future__ import annotations

ID = "AWS-41"
NAME = "Secrets, parameters, passwords and user data read (blast radius)"
TACTIC = "credential-access"
MITRE = (
    "T1555.006",
    "T1552",
)
TIER = 1
EVENTS: dict[str, str] = {
    "secretsmanager:GetSecretValue": "{at.secretsmanager}secret:{q.secretId}",
    "secretsmanager:BatchGetSecretValue": "{at.secretsmanager}secret:{q.secretIdList[]}",
    "ssm:GetParameter": "{at.ssm}parameter/{q.name}",
    "ssm:GetParameters": "{at.ssm}parameter/{q.names[]}",
    "ssm:GetParametersByPath": "{at.ssm}parameter/{q.path}/*",
    "ec2:GetPasswordData": "{at.ec2}instance/{q.instanceId}",
    "ec2:DescribeInstanceAttribute": "{at.ec2}instance/{q.instanceId}",
    "kms:Decrypt": "{resource|q.keyId}",
    "ecr:GetAuthorizationToken": "registry of {account} in {region}",
    "codeartifact:GetAuthorizationToken": "domain {q.domain}",
}
LOOKALIKE = "normal workload reading its own secret from its own network"
