# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-39: KMS key policy opened, key disabled or scheduled for deletion."""

from __future__ import annotations

ID = "AWS-39"
NAME = "KMS key policy opened, key disabled or scheduled for deletion"
TACTIC = "impact"
MITRE = (
    "T1485",
    "T1098.003",
)
TIER = 1
EVENTS: dict[str, str] = {
    "kms:PutKeyPolicy": "{resource|q.keyId}",
    "kms:DisableKey": "{resource|q.keyId}",
    "kms:ScheduleKeyDeletion": "{resource|q.keyId}",
    "kms:DeleteImportedKeyMaterial": "{resource|q.keyId}",
    "kms:UpdateAlias": "{q.aliasName}",
}
LOOKALIKE = "decommissioning or load test by an owner"
