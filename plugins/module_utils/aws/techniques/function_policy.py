# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-45: Lambda or layer resource policy grants outside account / public."""

from __future__ import annotations

ID = "AWS-45"
NAME = "Lambda or layer resource policy grants outside account / public"
TACTIC = "persistence"
MITRE = ("T1098.003",)
TIER = 1
EVENTS: dict[str, str] = {
    "lambda:AddPermission20150331v2": "statement {q.statementId} of {at.lambda}function:{q.functionName}",
    "lambda:AddPermission20150331": "statement {q.statementId} of {at.lambda}function:{q.functionName}",
    "lambda:AddLayerVersionPermission20181031": "statement {q.statementId} of layer {q.layerName}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
