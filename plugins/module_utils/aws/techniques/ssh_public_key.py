# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-23: SSH public key uploaded to an IAM user (CodeCommit)."""

from __future__ import annotations

ID = "AWS-23"
NAME = "SSH public key uploaded to an IAM user (CodeCommit)"
TACTIC = "persistence"
MITRE = ("T1098.004",)
TIER = 2
EVENTS: dict[str, str] = {
    "iam:UploadSSHPublicKey": "{r.sSHPublicKey.sSHPublicKeyId} of {at.iam}user/{q.userName}",
    "iam:UpdateSSHPublicKey": "{q.sSHPublicKeyId} of {at.iam}user/{q.userName}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
