"""Credentials of Lambda's execution environments: stock ministack gives every environment of a function the same ones for good, AWS gives each its own.

So a function that was refreshed would have the credentials that were revoked, and a thief's copy of the old ones would be the new ones. An environment keeps
what it was started with; any change of the configuration replaces it ("Configure Lambda functions: environment" in the developer guide).
"""

from __future__ import annotations

import json
import re
import secrets
from typing import Any


def install() -> None:
    """Before ministack's app is imported."""
    from ministack.core import lambda_runtime
    from ministack.core.lambda_runtime import _account_region_from_function_config
    from ministack.services import iam, lambda_svc, sts

    from tests.beds.iam_truth import new_key_id

    def credentials(config: dict[str, Any]) -> dict[str, str]:
        account, _region = _account_region_from_function_config(config)
        role, name = str(config.get("Role", "")).rsplit("/", 1)[-1], str(config.get("FunctionName", ""))[:64]
        known = iam._roles.get_scoped(account, None, role) or {}
        key, secret, token = new_key_id("ASIA", account), secrets.token_hex(20), secrets.token_hex(32)
        session = {"Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}", "UserId": f"{known.get('RoleId', role)}:{name}",
                   "SecretAccessKey": secret, "SessionToken": token}  # fmt: skip
        sts.register_session(key, session)
        return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}

    lambda_runtime.execution_credentials = lambda_svc.execution_credentials = credentials
    update = lambda_svc._update_config

    def updated(name: str, data: dict[str, Any]) -> Any:
        answer = update(name, data)
        if answer[0] == 200:
            lambda_svc.invalidate_worker(name, qualifier="$LATEST", account=lambda_svc.get_account_id(), region=lambda_svc.get_region())
        return answer

    lambda_svc._update_config = updated
    _list_versions(lambda_svc)
    _judge_by_the_model()


def _list_versions(lambda_svc: Any) -> None:
    """FunctionVersion=ALL, which stock ministack takes and ignores: an entry for each version, `$LATEST` among them, with the version in its ARN."""
    stock = lambda_svc._list_functions

    def listed(query: dict[str, Any]) -> Any:
        status, headers, body = stock(query)
        if status != 200 or "ALL" not in query.get("FunctionVersion", ()):
            return status, headers, body
        answer, every = json.loads(body), []
        for config in answer["Functions"]:
            versions = lambda_svc._functions[config["FunctionName"]].get("versions", {})
            for name, one in {"$LATEST": config, **{name: held["config"] for name, held in versions.items()}}.items():
                every.append({**one, "Version": name, "FunctionArn": f"{config['FunctionArn']}:{name}"})
        return status, headers, json.dumps({**answer, "Functions": every}).encode()

    lambda_svc._list_functions = listed


def _judge_by_the_model() -> None:
    """Which action a request is: stock ministack takes half of Lambda's for another (a listing of URLs for GetFunction), or for none."""
    import botocore.session
    from ministack.core import iam_actions

    model = botocore.session.get_session().get_service_model("lambda")
    routes = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path = re.sub(r"\{\w+\+?\}", "[^/]+", http["requestUri"].partition("?")[0])
        routes.append((http["method"], re.compile(path + "/?"), name))
    routes.sort(key=lambda route: -len(route[1].pattern.replace("[^/]+", "")))
    stock = iam_actions._lambda_action

    def action(method: str, path: str) -> str | None:
        name = next((n for m, pattern, n in routes if m == method and pattern.fullmatch(path)), None)
        return {"Invoke": "InvokeFunction", "InvokeWithResponseStream": "InvokeFunction"}.get(name or "", name) or stock(method, path)

    iam_actions._lambda_action = action
