# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-71: Service quota / model access / marketplace agreement / Bedrock invocation (LLMjacking)."""

from __future__ import annotations

ID = "AWS-71"
NAME = "Service quota / model access / marketplace agreement / Bedrock invocation (LLMjacking)"
TACTIC = "impact"
MITRE = ("T1496.004",)
TIER = 1
EVENTS: dict[str, str] = {
    "servicequotas:RequestServiceQuotaIncrease": "quota {q.quotaCode} of {q.serviceCode} in {region}",
    "bedrock:PutUseCaseForModelAccess": "model access in {region}",
    "bedrock:CreateFoundationModelAgreement": "model {q.modelId}",
    "bedrock:PutFoundationModelEntitlement": "model {q.modelId}",
    "bedrock:InvokeModel": "model {q.modelId}",
    "bedrock:InvokeModelWithResponseStream": "model {q.modelId}",
    "bedrock:Converse": "model {q.modelId}",
    "agreement-marketplace:AcceptAgreementRequest": "agreement {r.agreementId}",
    "bedrock:DeleteModelInvocationLoggingConfiguration": "invocation log of Bedrock in {region}",
}
LOOKALIKE = "decommissioning or load test by an owner"
