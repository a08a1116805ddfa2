# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``incident.dependents``: what uses a credential, as its owners know it. Free text is taken too, as declared and unstructured."""

from __future__ import annotations

import re
import typing as t

from . import declared
from .schema import ARN, Fields, Problem, json_types, show

# The kinds of place that discovery knows (aws/places), and what it cannot look into.
PLACES = ("amplify", "app_runner", "batch_job_definition", "cloudformation_stack", "codebuild_project", "ecs_task_definition", "elastic_beanstalk",
          "eventbridge_connection", "glue", "instance_user_data", "lambda_function", "launch_template", "secrets_manager", "ssm_parameter",
          "step_function")  # fmt: skip
ELSEWHERE = ("kubernetes_secret", "vault", "github_actions", "gitlab_ci", "azure_key_vault", "gcp_secret_manager", "hook", "webhook",
             "other")  # fmt: skip
KINDS = (*PLACES, *ELSEWHERE)
_KEYS = ("kind", "arn", "name", "account", "region", "half", "check", "networks", "vpcs", "shared_network", "readable_by", "note")
_CHECKS = ("http", "command", "alarm", "lambda")
_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}")
_VPC = re.compile(r"vpc-[0-9a-f]{8,17}")
_URL = re.compile(r"https?://[!-~]{1,2000}", re.ASCII)
_WORD = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,1024}")


def read(fields: Fields) -> list[t.Any]:
    """The entries, each text or a mapping of ``kind``, ``arn`` or ``name``, and what else is known; problems are noted by path."""
    result: list[t.Any] = []
    for path, item in fields.sequence("dependents"):
        if isinstance(item, str) and item.strip():
            result.append(item)
        elif isinstance(item, dict) and item:
            result.append(json_types(_structured(item, path, fields.problems)))
        else:
            fields.problems.append((path, f"must be text or a mapping, not {show(item)}"))
    return result


def _structured(item: dict[t.Any, t.Any], path: str, problems: list[Problem]) -> dict[str, t.Any]:
    kind = str(item.get("kind"))
    fields = Fields(item, path, problems, (*_KEYS, *declared.more(kind, item)))
    found: dict[str, t.Any] = {
        "kind": fields.choice("kind", KINDS, "other", required=True),
        "arn": fields.text("arn", pattern=ARN, says="not an ARN"),
        "name": fields.text("name", pattern=_WORD, says="holds control characters, or is too long"),
        "account": fields.account(),
        "region": fields.text("region", pattern=_REGION, says="not a region"),
        "half": fields.choice("half", ("id", "secret"), ""),
        "networks": fields.networks("networks"),
        "vpcs": fields.texts("vpcs", _VPC, "not the id of a VPC"),
        "shared_network": fields.flag("shared_network"),
        "readable_by": fields.texts("readable_by", _WORD, "holds control characters, or is too long"),
        "note": fields.text("note"),
        **declared.read(kind, fields),
    }
    if not (item.get("arn") or item.get("name")):
        problems.append((path, "names nothing; give arn, or name and region"))
    if item.get("check") is not None:
        found["check"] = _check(item["check"], f"{path}.check", problems)
    return {key: value for key, value in found.items() if value not in ("", [], {}, None, False)}


def _check(raw: t.Any, path: str, problems: list[Problem]) -> dict[str, t.Any]:
    """How one sees that it works: {http: URL, status}, {command: [words]}, {alarm: name} or {lambda: name or ARN}, each with ``seconds`` at most."""
    fields = Fields(raw, path, problems, (*_CHECKS, "status", "seconds"))
    given = [key for key in _CHECKS if fields.raw.get(key) is not None]
    if len(given) != 1 and isinstance(raw, dict):
        problems.append((path, f"must say one of {', '.join(_CHECKS)}" + (f", not {' and '.join(given)}" if given else "")))
    found: dict[str, t.Any] = {}
    for key in given:
        if key == "command":
            found[key] = declared.words(fields, key)
        else:
            found[key] = fields.text(
                key, pattern=_URL if key == "http" else _WORD, says="not an http(s) URL" if key == "http" else "not a name"
            )
    if "status" in fields.raw:
        found["status"] = fields.count("status", 200)
        if "http" not in given:
            problems.append((f"{path}.status", "belongs to http"))
    if "seconds" in fields.raw:
        found["seconds"] = declared.seconds(fields)
    return found
