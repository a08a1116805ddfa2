# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-85: Account guard rails lowered (password policy, EBS default encryption, block-public-access)."""

from __future__ import annotations

ID = "AWS-85"
NAME = "Account guard rails lowered (password policy, EBS default encryption, block-public-access)"
TACTIC = "defense-evasion"
MITRE = (
    "T1562.001",
    "T1556",
)
TIER = 2
EVENTS: dict[str, str] = {
    "iam:DeleteAccountPasswordPolicy": "password policy of account {account}",
    "iam:UpdateAccountPasswordPolicy": "password policy of account {account}",
    "ec2:DisableEbsEncryptionByDefault": "EBS encryption by default in {region}",
    "s3:PutAccountPublicAccessBlock": "public access block of account {account}",
    "ec2:DisableSnapshotBlockPublicAccess": "block public access of snapshots in {region}",
    "ec2:DisableImageBlockPublicAccess": "block public access of images in {region}",
}
LOOKALIKE = "planned logging migration by the platform team"
