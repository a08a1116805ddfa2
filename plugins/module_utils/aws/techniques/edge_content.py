# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-94: Edge and API content hijack: CloudFront distribution, AppSync resolver/key, static site object."""

from __future__ import annotations

ID = "AWS-94"
NAME = "Edge and API content hijack: CloudFront distribution, AppSync resolver/key, static site object"
TACTIC = "persistence"
MITRE = (
    "T1565",
    "T1491",
)
TIER = 3
EVENTS: dict[str, str] = {
    "cloudfront:UpdateDistribution": "distribution {q.id}",
    "cloudfront:CreateFunction": "CloudFront function {q.name}",
    "cloudfront:PublishFunction": "CloudFront function {q.name}",
    "appsync:UpdateResolver": "resolver {q.typeName}.{q.fieldName} of API {q.apiId} in {region}",
    "appsync:UpdateGraphqlApi": "API {q.apiId} in {region}",
    "appsync:CreateApiKey": "API key of API {q.apiId} in {region}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
