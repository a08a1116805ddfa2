# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-05: MFA device added, replaced or removed."""

from __future__ import annotations

ID = "AWS-05"
NAME = "MFA device added, replaced or removed"
TACTIC = "persistence"
MITRE = ("T1556.006",)
TIER = 1
EVENTS: dict[str, str] = {
    "iam:CreateVirtualMFADevice": "{r.virtualMFADevice.serialNumber}",
    "iam:EnableMFADevice": "{q.serialNumber} of {at.iam}user/{q.userName}",
    "iam:DeactivateMFADevice": "{q.serialNumber} of {at.iam}user/{q.userName}",
    "iam:DeleteVirtualMFADevice": "{q.serialNumber}",
    "iam:ResyncMFADevice": "{q.serialNumber} of {at.iam}user/{q.userName}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
