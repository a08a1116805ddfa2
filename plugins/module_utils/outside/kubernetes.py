# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes: secrets, and the workloads that read them, by the API server's own REST (v1, apps/v1).

``connection.kubernetes.<name>``: ``url``, ``ca_file`` and ``token_env`` or ``token_file``; or ``kubeconfig`` and ``context``. The package ``kubernetes`` is not
needed for seven requests, and would be the heaviest dependency of all.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import os
import re
import ssl
import time
import typing as t
from collections.abc import Mapping

from ..common import yamlio
from ..common.errors import EvictError
from ..common.plan import Call, Probe, Target
from . import session
from .commands import run
from .kind import Answer, Connection, Documents, secret, server
from .session import Server, quoted

CLOUD = "kubernetes"
VALUES, IDS = "values", "ids"  # of a Secret: what of its data is text, decoded, and the ids of access keys in each, which are no secrets
PLURALS = {"deployment": "deployments", "statefulset": "statefulsets", "daemonset": "daemonsets"}
_KEY = re.compile(r"(?<![A-Za-z0-9])A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])")
_EXEC_SECONDS, _KEPT, _EARLY = 30.0, 60.0, 30.0  # seconds: for a plugin; of a token without an end; before its end another is asked for
_tokens: dict[str, tuple[str, float]] = {}
_MERGE, _STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"


def carry_out(connection: Connection, call: Call, parameters: Mapping[str, t.Any]) -> Answer:
    """``GetSecret``, ``CreateSecret``, ``PatchSecret``, ``DeleteSecret`` {namespace, name}; ``GetWorkload``, ``PatchWorkload`` {namespace, kind, name}."""
    given = dict(parameters)
    where, name = _server(connection, call.target.account), str(given["name"])
    secrets, one = quoted("api", "v1", "namespaces", given["namespace"], "secrets"), quoted(name)
    if "Workload" in call.operation:
        path = quoted("apis", "apps", "v1", "namespaces", given["namespace"], PLURALS[given["kind"]], name)
    else:
        path = secrets if call.operation == "CreateSecret" else secrets + one
    method, kind = {"Get": ("GET", ""), "Create": ("POST", "application/json"), "Patch": ("PATCH", _MERGE), "Delete": ("DELETE", "application/json")}[
        call.operation.removesuffix("Secret").removesuffix("Workload")
    ]  # fmt: skip
    kind = _STRATEGIC if call.operation == "PatchWorkload" else kind
    answer = session.request(
        where, call, method, path, json_body=given.get("body"), headers={"Content-Type": kind} if kind else {}, explain=_said,
        subject=f"{given.get('kind', 'secret')} {given['namespace']}/{name}",
    )  # fmt: skip
    found = answer.json()
    if call.operation != "GetSecret":
        return found
    values = _decoded(found.get("data") or {})
    return {**found, VALUES: values, IDS: {key: sorted(set(_KEY.findall(text))) for key, text in values.items()}}


def _said(answer: session.Answer) -> str:
    """Of a ``Status`` its reason and message."""
    status = answer.json()
    return f"{status.get('reason', '')}: {status.get('message', '')}" if status.get("kind") == "Status" else ""


def _decoded(data: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for key, value in data.items():
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, TypeError):
            continue  # no text: it stays as it is
    return found


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# -- documents ---------------------------------------------------------------------------------------------------------------------


def _get(target: Target, name: Mapping[str, t.Any]) -> Call:
    return Call(target, CLOUD, "GetSecret", {"namespace": name["namespace"], "name": name["name"]})


def _secret(target: Target, name: Mapping[str, t.Any]) -> tuple[Probe, t.Any]:
    """A Secret's texts: only those that changed are sent, with the resourceVersion that was read, so that somebody else's write in between is not lost."""

    def write(document: t.Any) -> Call:
        held = document.get("data") or {}
        changed = {k: encoded(v) for k, v in document[VALUES].items() if encoded(v) != held.get(k)}
        body = {"metadata": {"resourceVersion": document["metadata"]["resourceVersion"]}, "data": changed}
        return Call(target, CLOUD, "PatchSecret", {"namespace": name["namespace"], "name": name["name"], "body": body}, idempotent=False)

    return Probe(_get(target, name)), write


def _copy(target: Target, name: Mapping[str, t.Any]) -> tuple[Probe, t.Any]:
    """An immutable copy of some ``keys`` of a Secret under another name, with its labels and annotations."""

    def write(document: t.Any) -> Call:
        body = {
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": True,
            "metadata": {"name": name["copy"], "labels": dict(name["labels"]), "annotations": dict(name["annotations"])},
            "data": {key: (document.get("data") or {})[key] for key in name["keys"]},
        }  # fmt: skip
        return Call(target, CLOUD, "CreateSecret", {"namespace": name["namespace"], "name": name["copy"], "body": body}, idempotent=False)

    return Probe(_get(target, name)), write


DOCUMENTS: Documents = {"kubernetes.secret": _secret, "kubernetes.copy": _copy}


# -- who one is there --------------------------------------------------------------------------------------------------------------


def _server(connection: Connection, name: str) -> Server:
    where = f"connection.{CLOUD}.{name}"
    if connection.get("kubeconfig"):
        return _from_kubeconfig(connection, where)
    token = secret(connection, "token", where)
    return server(connection, where, {"Authorization": f"Bearer {token}"})


def _from_kubeconfig(connection: Connection, where: str) -> Server:
    path = os.path.expanduser(str(connection["kubeconfig"]))
    where = f"{where} ({path})"
    config = yamlio.read(path)
    config = config if isinstance(config, dict) else {}
    context = _named(config, "contexts", str(connection.get("context") or config.get("current-context") or ""), where).get("context") or {}
    cluster = _named(config, "clusters", str(context.get("cluster")), where).get("cluster") or {}
    user = _named(config, "users", str(context.get("user")), where).get("user") or {}
    if cluster.get("insecure-skip-tls-verify"):
        raise _unfit(where, "switches the check of the server's certificate off, which is not done here")
    url = str(cluster.get("server") or "")
    if not url.startswith("https://"):
        raise _unfit(where, "names no https server")
    base, authority = os.path.dirname(os.path.abspath(path)), ""
    if cluster.get("certificate-authority-data"):
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    ca_file = os.path.join(base, cluster["certificate-authority"]) if cluster.get("certificate-authority") and not authority else ""
    headers, pair = _user(user, base, where)
    found = server({"ca_file": ca_file}, where, headers, url, authority)
    if pair and found.context:
        try:
            found.context.load_cert_chain(*pair)
        except (OSError, ssl.SSLError) as error:
            raise _unfit(where, f"its client certificate cannot be read ({type(error).__name__})") from None
    return found


def _named(config: Mapping[str, t.Any], kind: str, name: str, where: str) -> dict[str, t.Any]:
    for entry in config.get(kind) or ():
        if isinstance(entry, dict) and entry.get("name") == name:
            return entry
    raise _unfit(where, f"has no entry {name!r} under {kind}")


def _user(user: Mapping[str, t.Any], base: str, where: str) -> tuple[dict[str, str], tuple[str, str] | None]:
    """(headers, files of certificate and key) of a user of a kubeconfig."""
    if user.get("tokenFile"):
        return {"Authorization": f"Bearer {secret({'token_file': os.path.join(base, user['tokenFile'])}, 'token', where)}"}, None
    if user.get("token"):
        return {"Authorization": f"Bearer {user['token']}"}, None
    if user.get("exec"):
        return {"Authorization": f"Bearer {_exec(user['exec'], base, where)}"}, None
    if user.get("client-certificate") and user.get("client-key"):
        return {}, (os.path.join(base, user["client-certificate"]), os.path.join(base, user["client-key"]))
    raise _unfit(
        where,
        "has no token, tokenFile, exec or client-certificate file (a key inside of it would have to be written to a file: not done here)",
    )


def _exec(plugin: Mapping[str, t.Any], base: str, where: str) -> str:
    """The token of a credential plugin (``client.authentication.k8s.io``): words, never a shell; its output is shown nowhere.

    It is kept in memory while it holds.
    """
    key = json.dumps([where, plugin], sort_keys=True, default=str)
    if (known := _tokens.get(key)) and known[1] > time.time():
        return known[0]
    version = str(plugin.get("apiVersion") or "client.authentication.k8s.io/v1")
    asked = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    command = str(plugin.get("command") or "")
    command = os.path.join(base, command) if os.sep in command else command
    more = {str(e["name"]): str(e["value"]) for e in plugin.get("env") or () if isinstance(e, dict) and "name" in e and "value" in e}
    done = run(
        [command, *map(str, plugin.get("args") or ())], b"", _EXEC_SECONDS, where, {**more, "KUBERNETES_EXEC_INFO": json.dumps(asked)}
    )
    try:
        status = json.loads(done)["status"]
        token, ends = str(status["token"]), status.get("expirationTimestamp")
        until = datetime.datetime.fromisoformat(ends).timestamp() - _EARLY if ends else time.time() + _KEPT
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _unfit(where, "its credential plugin gave no token") from None
    _tokens[key] = (token, until)
    return token


def _unfit(where: str, why: str) -> EvictError:
    return EvictError(f"{where} {why}", object=where, operation="connect")
