# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-95: AI guard rails and agents tampered (Bedrock)."""

from __future__ import annotations

ID = "AWS-95"
NAME = "AI guard rails and agents tampered (Bedrock)"
TACTIC = "defense-evasion"
MITRE = (
    "T1562.001",
    "T1565",
)
TIER = 3
EVENTS: dict[str, str] = {
    "bedrock:DeleteGuardrail": "guardrail {q.guardrailIdentifier} in {region}",
    "bedrock:UpdateGuardrail": "guardrail {q.guardrailIdentifier} in {region}",
    "bedrock:CreateAgent": "agent {r.agent.agentId} in {region}",
    "bedrock:UpdateAgent": "agent {q.agentId} in {region}",
    "bedrock:UpdateAgentActionGroup": "agent {q.agentId} in {region}",
    "bedrock:AssociateAgentKnowledgeBase": "agent {q.agentId} in {region}",
}
LOOKALIKE = "planned logging migration by the platform team"
