# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-13: Customer policy: new default version or switch to an old permissive one."""

from __future__ import annotations

ID = "AWS-13"
NAME = "Customer policy: new default version or switch to an old permissive one"
TACTIC = "privilege-escalation"
MITRE = ("T1098.003",)
TIER = 1
EVENTS: dict[str, str] = {
    "iam:CreatePolicyVersion": "{q.policyArn} version {r.policyVersion.versionId}",
    "iam:SetDefaultPolicyVersion": "{q.policyArn} version {q.versionId}",
    "iam:DeletePolicyVersion": "{q.policyArn} version {q.versionId}",
    "iam:CreatePolicy": "{r.policy.arn}",
}
LOOKALIKE = "access review or onboarding change by an admin outside the taint set"
