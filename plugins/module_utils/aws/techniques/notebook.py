# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-51: SageMaker notebook, presigned URL, lifecycle config."""

from __future__ import annotations

ID = "AWS-51"
NAME = "SageMaker notebook, presigned URL, lifecycle config"
TACTIC = "persistence"
MITRE = (
    "T1546",
    "T1648",
)
TIER = 2
EVENTS: dict[str, str] = {
    "sagemaker:CreateNotebookInstance": "{at.sagemaker}notebook-instance/{q.notebookInstanceName}",
    "sagemaker:UpdateNotebookInstance": "{at.sagemaker}notebook-instance/{q.notebookInstanceName}",
    "sagemaker:UpdateNotebookInstanceLifecycleConfig": "{at.sagemaker}notebook-instance-lifecycle-config/{q.notebookInstanceLifecycleConfigName}",
    "sagemaker:CreateNotebookInstanceLifecycleConfig": "{at.sagemaker}notebook-instance-lifecycle-config/{q.notebookInstanceLifecycleConfigName}",
    "sagemaker:CreateStudioLifecycleConfig": "{at.sagemaker}studio-lifecycle-config/{q.studioLifecycleConfigName}",
    "sagemaker:CreatePresignedNotebookInstanceUrl": "{at.sagemaker}notebook-instance/{q.notebookInstanceName}",
    "sagemaker:CreatePresignedDomainUrl": "{at.sagemaker}user-profile/{q.domainId}/{q.userProfileName}",
    "sagemaker:UpdateDomain": "{at.sagemaker}domain/{q.domainId}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
