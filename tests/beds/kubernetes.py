"""A Kubernetes API server on loopback: Secrets and workloads, as the API reference and the API conventions say, with what a controller does to a rollout.

CONTRACT: resourceVersion and 409, the types of patches and 415, immutable Secrets and 422, ``Status`` for every error, a bearer token and 401. Not modelled:
admission, RBAC (403 by ``denied``), watches, quotas.
"""

from __future__ import annotations

import base64
import copy
import http.server
import json
import ssl
import threading
from pathlib import Path
from typing import Any

import trustme

PLURALS = {"deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet"}
_REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    415: "UnsupportedMediaType",
    422: "Invalid",
    503: "ServiceUnavailable",
}


class Refusal(Exception):
    def __init__(self, code: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.reason = code, message, reason or _REASONS[code]


class Cluster:
    """``secrets`` and ``workloads``: objects by (namespace, name) and (plural, namespace, name). ``looks``: reads that a rollout takes; None: it never ends.

    ``faults``: {"METHOD secrets": [status | "lost" | "conflict"]}, used up one by one. ``requests``: (method, path, body) as they came.
    """

    def __init__(self, folder: Path, token: str = "cluster-token-0001") -> None:
        self.token, self.looks = token, 1
        self.failing = False
        self.secrets: dict[tuple[str, str], dict[str, Any]] = {}
        self.workloads: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.faults: dict[str, list[Any]] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self._version, self._lock = 100, threading.Lock()
        authority = trustme.CA()
        self.ca_file, self.token_file = folder / "ca.pem", folder / "token"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self.token_file.write_text(token + "\n")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        cluster = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _go(self) -> None:
                cluster._serve(self)

            do_GET = do_POST = do_PATCH = do_DELETE = _go  # noqa: N815 - http.server's names

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    # -- what is there -----------------------------------------------------------------------------------------------------------

    def secret(self, namespace: str, name: str, immutable: bool = False, **values: str) -> None:
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        self.secrets[namespace, name] = {
            "kind": "Secret", "apiVersion": "v1", "metadata": self._metadata(namespace, name), "data": data, "type": "Opaque",
            **({"immutable": True} if immutable else {}),
        }  # fmt: skip

    def values(self, namespace: str, name: str) -> dict[str, str]:
        return {key: base64.b64decode(value).decode() for key, value in self.secrets[namespace, name]["data"].items()}

    def workload(self, plural: str, namespace: str, name: str, replicas: int = 2, **spec: Any) -> None:
        found = {
            "kind": PLURALS[plural], "apiVersion": "apps/v1", "metadata": {**self._metadata(namespace, name), "generation": 1},
            "spec": {"replicas": replicas, "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}, **spec},
        }  # fmt: skip
        self.workloads[plural, namespace, name] = found
        self._roll(plural, found, 0)

    def _metadata(self, namespace: str, name: str) -> dict[str, Any]:
        self._version += 1
        return {"name": name, "namespace": namespace, "uid": f"uid-{self._version}", "resourceVersion": str(self._version)}

    def _roll(self, plural: str, found: dict[str, Any], left: int | None) -> None:
        """The status of a rollout that takes ``left`` more looks."""
        wanted, old = found["spec"].get("replicas", 1), left != 0
        done = 0 if old else wanted
        status: dict[str, Any] = {
            "observedGeneration": found["metadata"]["generation"] - (1 if old and left == self.looks and not self.failing else 0)
        }
        if plural == "deployments":
            status |= {
                "replicas": wanted + (1 if old else 0),
                "updatedReplicas": done,
                "availableReplicas": wanted,
                "readyReplicas": wanted,
            }
            reason = "ProgressDeadlineExceeded" if self.failing and old else "NewReplicaSetAvailable"
            status["conditions"] = [
                {"type": "Progressing", "status": "False" if self.failing and old else "True", "reason": reason, "message": "timed out"}
            ]
        elif plural == "statefulsets":
            status |= {
                "replicas": wanted,
                "readyReplicas": wanted,
                "updatedReplicas": done,
                "currentRevision": "a" if old else "b",
                "updateRevision": "b",
            }
        else:
            status |= {"desiredNumberScheduled": wanted, "updatedNumberScheduled": done, "numberAvailable": wanted}
        found["status"], found["_left"] = status, left

    # -- requests ----------------------------------------------------------------------------------------------------------------

    def _serve(self, request: http.server.BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("Content-Length") or 0)
        raw = request.rfile.read(length)
        kind = str(request.headers.get("Content-Type") or "")
        lost = False
        with self._lock:
            try:
                if request.headers.get("Authorization") != f"Bearer {self.token}":
                    raise Refusal(401, "Unauthorized")
                body = json.loads(raw) if raw else None
                self.requests.append((request.command, request.path, body))
                parts = request.path.strip("/").split("/")
                box = parts[5] if parts[0] == "apis" else parts[4]
                faults = self.faults.get(f"{request.command} {box}") or []
                fault = faults.pop(0) if faults else None
                if isinstance(fault, int):
                    raise Refusal(fault, "by order")
                if fault == "conflict":  # somebody else was faster
                    self._touch(self.secrets[parts[3], parts[5]])
                lost = fault == "lost"
                status, answer = self._answer(request.command, parts, body, kind)
            except Refusal as error:
                status = error.code
                answer = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": error.message, "reason": error.reason,
                          "code": error.code}  # fmt: skip
        if lost:
            request.connection.close()
            return
        data = json.dumps({k: v for k, v in answer.items() if not k.startswith("_")}).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def _answer(self, method: str, parts: list[str], body: Any, kind: str) -> tuple[int, dict[str, Any]]:
        if parts[:2] == ["api", "v1"] and parts[4] == "secrets":
            return self._secret(method, parts[3], parts[5:], body, kind)
        if parts[:3] == ["apis", "apps", "v1"] and parts[5] in PLURALS:
            found = self.workloads.get((parts[5], parts[4], parts[6]))
            if found is None:
                raise Refusal(404, f'{parts[5]}.apps "{parts[6]}" not found')
            if method == "PATCH":
                self._patchable(kind, body, ("application/strategic-merge-patch+json", "application/merge-patch+json"))
                before = copy.deepcopy(found["spec"]["template"])
                _merge(found, body)
                self._touch(found)
                if found["spec"]["template"] != before:
                    found["metadata"]["generation"] += 1
                    self._roll(parts[5], found, self.looks)
            elif found["_left"] is not None and not self.failing:
                self._roll(parts[5], found, max(0, found["_left"] - 1))
            return 200, copy.deepcopy(found)
        raise Refusal(404, "the server could not find the requested resource")

    def _secret(self, method: str, namespace: str, rest: list[str], body: Any, kind: str) -> tuple[int, dict[str, Any]]:
        if method == "POST":
            name = body["metadata"]["name"]
            if (namespace, name) in self.secrets:
                raise Refusal(409, f'secrets "{name}" already exists', "AlreadyExists")
            made = {**body, "metadata": {**body["metadata"], **self._metadata(namespace, name)}}
            self.secrets[namespace, name] = made
            return 201, made
        found = self.secrets.get((namespace, rest[0]))
        if found is None:
            raise Refusal(404, f'secrets "{rest[0]}" not found')
        if method == "DELETE":
            del self.secrets[namespace, rest[0]]
            return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        if method == "PATCH":
            self._patchable(kind, body, ("application/merge-patch+json", "application/strategic-merge-patch+json"))
            asked = (body.get("metadata") or {}).get("resourceVersion")
            if asked and asked != found["metadata"]["resourceVersion"]:
                raise Refusal(409, f'Operation cannot be fulfilled on secrets "{rest[0]}": the object has been modified')
            if found.get("immutable") and body.get("data"):
                raise Refusal(422, "data: Forbidden: field is immutable when `immutable` is set")
            for value in (body.get("data") or {}).values():
                base64.b64decode(value, validate=True)
            _merge(found, {k: v for k, v in body.items() if k != "metadata"})
            self._touch(found)
        return 200, found

    @staticmethod
    def _patchable(kind: str, body: Any, known: tuple[str, ...]) -> None:
        if kind not in known:
            raise Refusal(415, f"the body of the request was in an unknown format - accepted media types include: {', '.join(known)}")
        assert isinstance(body, dict)

    def _touch(self, found: dict[str, Any]) -> None:
        self._version += 1
        found["metadata"]["resourceVersion"] = str(self._version)


def _merge(into: dict[str, Any], patch: dict[str, Any]) -> None:
    """RFC 7386; of maps a strategic merge does the same."""
    for key, value in patch.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        else:
            into[key] = value
