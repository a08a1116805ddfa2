"""Start ministack as an AWS that enforces: `python -m tests.beds.ministack --port N [--management ACCOUNT]`.

Loopback only. Control endpoints under /_bed/ (see _control). Everything here reaches into ministack's internals, so
the version is pinned and another one stops the launcher at once.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import importlib.metadata
import json
import os
import tempfile
import time
from typing import Any

from tests.beds.orphan import exit_with_parent

PINNED = "1.5.33"
_ENVIRONMENT = {
    "AUTH": "true",
    "BIND_HOST": "127.0.0.1",
    "IOT_MTLS_ENABLED": "0",
    "SFTP_ENABLED": "0",
    "LAMBDA_EXECUTOR": "local",
    "ATHENA_ENGINE": "duckdb",
    "LOG_LEVEL": "WARNING",
    "PERSIST_STATE": "0",
    "S3_PERSIST": "0",
    "CLOUDTRAIL_RECORDING": "0",
    "MINISTACK_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
_IAM_STORES = {
    "User": "_users",
    "Role": "_roles",
    "Policy": "_policies",
    "Key": "_access_keys",
    "Group": "_groups",
    "UserInline": "_user_inline_policies",
    "GroupInline": "_group_inline_policies",
}
_ORG_STORES = ("_accounts", "_ous", "_policies", "_attachments")


def main() -> None:
    """Parse arguments, patch, serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--management", default="111111111111", help="account exempt from SCPs")
    parser.add_argument("--lag", type=float, default=0.0)
    options = parser.parse_args()
    found = importlib.metadata.version("ministack")
    if found != PINNED:
        raise SystemExit(
            f"ministack {found} is installed, the bed's patches are written for {PINNED}: read them, "
            "run tests/integration/test_bed.py against the new version, then change PINNED"
        )
    state = tempfile.mkdtemp(prefix="bed-ministack-")
    # ministack reads its environment at import.
    os.environ.update(
        _ENVIRONMENT,
        GATEWAY_PORT=str(options.port),
        MINISTACK_ACCOUNT_ID=options.management,
        STATE_DIR=state,
        S3_DATA_DIR=os.path.join(state, "s3"),
    )
    app = patched(options.management)
    from tests.beds import lag

    lag.set_lag(options.lag)
    exit_with_parent()
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"127.0.0.1:{options.port}"]
    config.keep_alive_timeout = 300
    config.keep_alive_max_requests = 10_000_000
    config.backlog = 512
    gc.freeze()  # what is there stays: not to be searched again every few hundred objects
    gc.set_threshold(50_000)
    asyncio.run(serve(app, config))


def patched(management: str) -> Any:
    """ministack's ASGI app with all patches and the control endpoints. Order matters: see the modules' docstrings."""
    from tests.beds import sts_truth

    sts_truth.patch_evaluator(management)
    from ministack.services import iam, organizations

    from tests.beds import (
        athena_truth,
        clock,
        iam_kinds,
        iam_providers,
        iam_truth,
        lambda_truth,
        live_kinds,
        org_truth,
        resource_kinds,
        simulation_truth,
        tag_truth,
        user_names,
    )  # fmt: skip
    from tests.beds.lag import LaggedStore

    for name in _IAM_STORES.values():
        setattr(iam, name, LaggedStore())
    for name in _ORG_STORES:  # their handlers replace records, so no touch() is needed
        setattr(organizations, name, LaggedStore())
    clock.install()
    tag_truth.install()
    sts_truth.patch_sts()
    sts_truth.load_managed_policies()
    iam_kinds.install()
    iam_providers.install()
    live_kinds.install()
    user_names.install()
    lambda_truth.install()
    resource_kinds.install()
    iam_truth.install({kind: getattr(iam, name) for kind, name in _IAM_STORES.items()})
    org_truth.install(management)
    simulation_truth.install(management)
    athena_truth.install()
    from ministack import app as ministack_app

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            if scope["path"].startswith("/_bed/"):
                await _answer(send, *await _control(scope, receive, management))
                return
            for name, value in scope["headers"]:
                if name.lower() == b"x-bed-source-ip":  # the proxy's callers may act from any address
                    scope = {**scope, "client": (value.decode("ascii"), 0)}
        await ministack_app.app(scope, receive, clock.dated(send))

    return app


async def _answer(send: Any, status: int, payload: Any) -> None:
    body = json.dumps(payload, sort_keys=True).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _control(scope: Any, receive: Any, management: str) -> tuple[int, Any]:
    """GET ready | snapshot | identity/KEY | secrets/USER; POST reset | config {lag, settle, page, clock, organizations, tags, athena, regions} | organization {accounts} |
    expire {access_key}."""
    from tests.beds import athena_truth, clock, iam_truth, lag, org_truth, tag_truth

    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    payload = json.loads(body or b"{}")
    path = scope["path"][len("/_bed/") :]
    if path == "ready":
        return 200, {"ministack": PINNED, "management": management, "lag": lag.get_lag()}
    if path == "config":
        if "lag" in payload:
            lag.set_lag(float(payload["lag"]), settle=payload.get("settle", True))
        if "page" in payload:
            iam_truth.PAGE["size"] = int(payload["page"])
        if "clock" in payload:
            clock.set_offset(float(payload["clock"]))
        if "regions" in payload:
            _enable(payload["regions"])
        if payload.get("organizations", {}) is None:
            org_truth.reset()
        else:
            org_truth.SETTINGS.update(payload.get("organizations", {}))
        tag_truth.SETTINGS.update(payload.get("tags", {}))
        athena_truth.SETTINGS.update(payload.get("athena", {}))
        return 200, {"lag": lag.get_lag(), "page": iam_truth.PAGE["size"], "clock": clock.offset()}
    if path == "expire":
        from ministack.services import sts

        sts._sessions[payload["access_key"]]["Expiration"] = time.time() - 1
        return 200, {}
    if path == "reset":
        _reset()
        return 200, {}
    if path == "snapshot":
        return 200, snapshot()
    if path == "organization":
        return 200, _organization(management, payload["accounts"])
    if path.startswith("secrets/"):
        from ministack.services import iam

        user = path.split("/", 1)[1]
        return 200, [key["SecretAccessKey"] for key in iam._access_keys.to_dict().values() if key["UserName"] == user]
    if path.startswith("identity/"):
        identity = identity_of(path.split("/", 1)[1])
        return (200, identity) if identity else (404, {})
    return 404, {"error": f"no control endpoint {path}"}


def _enable(names: list[str]) -> None:
    """DescribeRegions answers these (none: all). No real account has fewer than 17; a look-up in each of 31 costs a test more than it shows."""
    from ministack.services import ec2

    if not hasattr(ec2, "_bed_regions"):
        ec2._bed_regions = ec2._AWS_REGIONS
    ec2._AWS_REGIONS = [region for region in ec2._bed_regions if region[0] in names or not names]


def _reset() -> None:
    from ministack import app as ministack_app

    from tests.beds import athena_truth, clock, iam_kinds, iam_truth, lag, live_kinds, org_truth, tag_truth

    athena_truth.SETTINGS["pause"] = 0.0
    org_truth.reset()
    tag_truth.reset()
    lag.set_lag(0)
    iam_kinds.clear()
    live_kinds.clear()
    clock.set_offset(0)
    _enable([])
    iam_truth.PAGE["size"] = 100
    for memory in (iam_truth.KEY_LAST_USED, iam_truth.ROLE_LAST_USED, iam_truth.KEY_OWNERS):
        memory.clear()
    ministack_app._reset_all_state()


def _organization(management: str, accounts: dict[str, str]) -> dict[str, str]:
    """Make the organization with member accounts of given ids (CreateAccount draws ids at random)."""
    from ministack.core.responses import request_scope
    from ministack.services import organizations as org

    with request_scope(management, "us-east-1"):
        org._ensure_org()
        root = next(iter(org._roots))
        organization = org._orgs["self"]
        for account, name in accounts.items():
            org._accounts[account] = {
                "Id": account,
                "Arn": f"arn:aws:organizations::{management}:account/{organization['Id']}/{account}",
                "Email": f"aws+{name}@example.com",
                "Name": name,
                "Status": "ACTIVE",
                "JoinedMethod": "CREATED",
                "JoinedTimestamp": int(time.time()),
                "Path": "/",
                "_ParentId": root,
            }
            org._attachments[org.FULL_ACCESS_POLICY_ID] = [*org._attachments[org.FULL_ACCESS_POLICY_ID], account]
        return {"id": organization["Id"], "root": root}


def identity_of(key_id: str) -> dict[str, Any] | None:
    """CloudTrail's userIdentity for an access key, from the stores; None for a key that was never issued."""
    from ministack.core import iam_evaluator as ev
    from ministack.services import iam, sts

    from tests.beds.iam_truth import KEY_OWNERS

    if key_id.isdigit() and len(key_id) == 12:
        return {"type": "Root", "principalId": key_id, "arn": f"arn:aws:iam::{key_id}:root", "accountId": key_id, "accessKeyId": key_id}
    session = sts._sessions.get(key_id)
    if session is None:
        owner = KEY_OWNERS.get(key_id)
        return owner and {
            "type": "IAMUser",
            "principalId": owner["user_id"],
            "arn": owner["arn"],
            "accountId": owner["account"],
            "accessKeyId": key_id,
            "userName": owner["user"],
        }
    arn, kind = str(session["Arn"]), session.get("PrincipalType", "")
    account = arn.split(":")[4]
    identity: dict[str, Any] = {
        "type": {"User": "IAMUser"}.get(kind, kind),
        "principalId": session["UserId"],
        "arn": arn,
        "accountId": account,
        "accessKeyId": key_id,
    }
    context: dict[str, Any] = {
        "attributes": {"creationDate": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(session["IssuedAt"])), "mfaAuthenticated": "false"}
    }
    if kind == "User":
        identity["userName"] = session.get("PrincipalName", "")
    elif kind == "AssumedRole":
        role = iam._roles.get_scoped(account, None, ev._role_name_from_assumed_arn(arn)) or {}
        context["sessionIssuer"] = {
            "type": "Role",
            "principalId": session["UserId"].split(":")[0],
            "accountId": account,
            "arn": role.get("Arn", ""),
            "userName": ev._role_name_from_assumed_arn(arn),
        }
    elif kind == "FederatedUser" and session.get("PrincipalName"):
        user = iam._users.get_scoped(account, None, session["PrincipalName"]) or {}
        context["sessionIssuer"] = {
            "type": "IAMUser",
            "principalId": user.get("UserId", ""),
            "accountId": account,
            "arn": session.get("SourcePrincipalArn", ""),
            "userName": session["PrincipalName"],
        }
    identity["sessionContext"] = context
    return identity


def snapshot() -> dict[str, Any]:
    """IAM and Organizations of all accounts, and resource policies, without secrets and last-used times."""
    import sys

    from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict
    from ministack.services import iam
    from ministack.services import organizations as org

    state: dict[str, Any] = {}
    modules = {"iam": iam, "organizations": org}
    wanted = {
        "s3": ("_buckets", "_bucket_policies", "_bucket_acl", "_bucket_lifecycle", "_bucket_versioning"),
        "sqs": ("_queues",),
        "secretsmanager": ("_secrets", "_resource_policies"),
        "ssm": ("_parameters",),
        "kms": ("_keys", "_grants"),
        "sns": ("_topics",),
        "lambda_svc": ("_functions", "_function_urls"),
        "ecr": ("_repo_policies",),
    }
    for name in wanted:
        module = sys.modules.get(f"ministack.services.{name}")
        if module:
            modules[name] = module
    for label, module in modules.items():
        for store, value in sorted(vars(module).items()):
            if not isinstance(value, (AccountScopedDict, AccountRegionScopedDict)) or store in ("_sla_jobs", "_credential_reports"):
                continue
            if label in wanted and store not in wanted[label]:
                continue
            records = {json.dumps(key): _plain(record) for key, record in value.to_dict().items()}
            state[f"{label}.{store}"] = {key: record for key, record in records.items() if record not in ({}, [], 0)}
    return state


def _plain(value: Any) -> Any:
    """JSON-able, with secrets replaced by their digest (a change still shows)."""
    if isinstance(value, dict):  # absent, None and "" are the same to the API
        return {
            str(k): sorted(v, key=str) if str(k) in _SETS and v else _digest(v) if str(k) in _SECRET and v else _plain(v)
            for k, v in value.items()
            if str(k) not in _VOLATILE and v not in (None, "")
        }
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(v) for v in value), key=str)
    return value if isinstance(value, (str, int, float, bool, type(None))) else _digest(repr(type(value)))


_SECRET = frozenset(
    {
        "SecretAccessKey",
        "Password",
        "SecretString",
        "SecretBinary",
        "Value",
        "Base32StringSeed",
        "ServicePassword",
        "ServiceCredentialSecret",
    }
)
_SETS = frozenset({"AttachedPolicies", "Users"})  # lists whose order means nothing
_VOLATILE = frozenset({"LastAccessedDate", "PasswordLastUsed", "_revision", "_text", "messages", "Messages", "dedup_cache"})


def _digest(value: Any) -> str:
    return "sha256:" + hashlib.sha256(json.dumps(value, default=str, sort_keys=True).encode()).hexdigest()[:16]


if __name__ == "__main__":
    main()
