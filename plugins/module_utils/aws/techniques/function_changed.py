# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-42: Lambda code, layer, env or exec wrapper altered."""

from __future__ import annotations

ID = "AWS-42"
NAME = "Lambda code, layer, env or exec wrapper altered"
TACTIC = "persistence"
MITRE = (
    "T1546",
    "T1648",
)
TIER = 1
EVENTS: dict[str, str] = {
    "lambda:UpdateFunctionCode20150331v2": "{at.lambda}function:{q.functionName}",
    "lambda:UpdateFunctionConfiguration20150331v2": "{at.lambda}function:{q.functionName}",
    "lambda:PublishLayerVersion20181031": "{r.layerVersionArn|q.layerName}",
    "lambda:PublishVersion20150331": "{at.lambda}function:{q.functionName}",
    "lambda:UpdateAlias20150331": "{at.lambda}function:{q.functionName}:{q.name}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
