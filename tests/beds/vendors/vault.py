"""Vault: KV version 2 and two logins, as developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 and .../auth/approle have it."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from . import Asked, Problem, Route, Vendor


class Vault(Vendor):
    """``kept``: {namespace|mount|path: [data of each version, None where it was deleted]}; ``tokens``: {token: (namespace, may write)}."""

    ROUTES: ClassVar[list[Route]] = [
        ("GET", r"/v1/([^/]+)/data/(.+)", "read", {"version"}),
        ("POST", r"/v1/([^/]+)/data/(.+)", "write", set()),
        ("POST", r"/v1/auth/([^/]+)/login", "login", set()),
    ]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.kept: dict[str, list[dict[str, Any] | None]] = {}
        self.custom: dict[str, dict[str, str]] = {}  # custom metadata, which no write of data touches
        self.tokens: dict[str, tuple[str, bool]] = {}
        self.roles: dict[str, str] = {}  # {role_id: secret_id}
        self.service_accounts: dict[str, str] = {}  # {role: jwt}
        self.logins = 0

    def put(self, place: str, data: dict[str, Any]) -> None:
        self.kept.setdefault(place, []).append(data)

    def newest(self, place: str) -> dict[str, Any]:
        data = self.kept[place][-1]
        assert data is not None
        return data

    def admit(self, asked: Asked, name: str) -> None:
        if asked.headers.get("x-vault-request") != "true":
            raise self.wrong(asked, "X-Vault-Request is missing")
        if name == "login":
            return
        token = asked.headers.get("x-vault-token", "")
        if (
            token not in self.tokens
            or self.tokens[token][0] != asked.headers.get("x-vault-namespace", "")
            or (name == "write" and not self.tokens[token][1])
        ):
            raise Problem(403, {"errors": ["permission denied"]})

    def _versions(self, asked: Asked, mount: str, path: str) -> list[dict[str, Any] | None]:
        key = "|".join((asked.headers.get("x-vault-namespace", ""), mount, path))
        if key not in self.kept:
            raise Problem(404, {"errors": []})
        return self.kept[key]

    def read(self, asked: Asked, mount: str, path: str) -> tuple[int, Any]:
        versions = self._versions(asked, mount, path)
        number = int(asked.query.get("version") or 0) or len(versions)
        if number > len(versions):
            raise Problem(404, {"errors": []})
        data = versions[number - 1]
        meta = {"created_time": "2026-01-01T00:00:00Z", "custom_metadata": None, "deletion_time": "" if data else "2026-01-02T00:00:00Z",
                "destroyed": False, "version": number}  # fmt: skip
        return (200 if data else 404), {"request_id": "r", "data": {"data": data, "metadata": meta}}

    def write(self, asked: Asked, mount: str, path: str) -> tuple[int, Any]:
        versions = self._versions(asked, mount, path)
        body = self.takes(asked, {"data"}, {"options"})
        cas = (body.get("options") or {}).get("cas")
        if cas is None:  # this mount has cas_required
            raise Problem(400, {"errors": ["check-and-set parameter required for this call"]})
        if type(cas) is not int or not isinstance(body["data"], dict):
            raise self.wrong(asked, "cas is a number, data an object")
        if cas != len(versions):
            raise Problem(400, {"errors": ["check-and-set parameter did not match the current version"]})
        versions.append(body["data"])
        meta = {
            "created_time": "2026-01-03T00:00:00Z",
            "custom_metadata": None,
            "deletion_time": "",
            "destroyed": False,
            "version": len(versions),
        }
        return 200, {"request_id": "r", "data": meta}

    def login(self, asked: Asked, mount: str) -> tuple[int, Any]:
        if mount == "approle":
            body = self.takes(asked, {"role_id", "secret_id"})
            good = self.roles.get(body["role_id"]) == body["secret_id"]
        else:
            body = self.takes(asked, {"role", "jwt"})
            good = self.service_accounts.get(body["role"]) == body["jwt"]
        if not good:
            raise Problem(400, {"errors": ["invalid role or secret ID"]})
        token = f"hvs.{secrets.token_urlsafe(16)}"
        self.tokens[token] = (asked.headers.get("x-vault-namespace", ""), True)
        self.logins += 1
        return 200, {"auth": {"client_token": token, "lease_duration": 1200, "renewable": True}}
