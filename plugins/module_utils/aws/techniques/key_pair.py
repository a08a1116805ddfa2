# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-25: EC2 key pair created or imported."""

from __future__ import annotations

ID = "AWS-25"
NAME = "EC2 key pair created or imported"
TACTIC = "persistence"
MITRE = (
    "T1098.001",
    "T1098.004",
)
TIER = 2
EVENTS: dict[str, str] = {
    "ec2:CreateKeyPair": "{at.ec2}key-pair/{r.keyPairId|q.keyName}",
    "ec2:ImportKeyPair": "{at.ec2}key-pair/{r.keyPairId|q.keyName}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
