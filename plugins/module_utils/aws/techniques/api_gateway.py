# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-47: API Gateway API, route, key, authorizer or resource policy."""

from __future__ import annotations

ID = "AWS-47"
NAME = "API Gateway API, route, key, authorizer or resource policy"
TACTIC = "persistence"
MITRE = (
    "T1133",
    "T1098.001",
)
TIER = 2
EVENTS: dict[str, str] = {
    "apigateway:CreateRestApi": "API {r.id} in {region}",
    "apigateway:CreateApi": "API {r.apiId} in {region}",
    "apigateway:CreateRoute": "route {r.routeId} of API {q.apiId} in {region}",
    "apigateway:CreateIntegration": "integration {r.integrationId} of API {q.apiId} in {region}",
    "apigateway:CreateStage": "stage {q.stageName} of API {q.apiId|q.restApiId} in {region}",
    "apigateway:CreateDeployment": "deployment {r.id|r.deploymentId} of API {q.restApiId|q.apiId} in {region}",
    "apigateway:CreateApiKey": "API key {r.id} in {region}",
    "apigateway:UpdateAuthorizer": "authorizer {q.authorizerId} of API {q.restApiId|q.apiId} in {region}",
    "apigateway:UpdateRestApi": "API {q.restApiId} in {region}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
