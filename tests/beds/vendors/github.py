"""GitHub: secrets of Actions, as docs.github.com/rest/actions/secrets (API version 2022-11-28) has it. Boxes are opened with the private key."""

from __future__ import annotations

import base64
import re
from typing import Any, ClassVar

import nacl.exceptions
import nacl.public

from . import Asked, Problem, Route, Vendor

_OWNER = r"/(?:repos/[^/]+/[^/]+(?:/actions|/environments/[^/]+)|orgs/[^/]+/actions)/secrets"
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})")


class GitHub(Vendor):
    """``kept``: {path of the secret: {value, updated_at, visibility, repositories}}; ``token``: the one that may."""

    ROUTES: ClassVar[list[Route]] = [
        ("GET", rf"({_OWNER})/public-key", "public_key", set()),
        ("GET", rf"({_OWNER}/[^/]+)/repositories", "repositories", {"per_page", "page"}),
        ("GET", rf"({_OWNER}/[^/]+)", "read", set()),
        ("PUT", rf"({_OWNER})/([^/]+)", "write", set()),
    ]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.kept: dict[str, dict[str, Any]] = {}
        self.token, self.may_write, self.seconds = "gh-token", True, 0
        self._keys: dict[str, nacl.public.PrivateKey] = {}

    def now(self) -> str:
        self.seconds += 1
        return f"2026-11-28T{self.seconds // 3600:02}:{self.seconds // 60 % 60:02}:{self.seconds % 60:02}Z"

    def put(self, path: str, value: str, **more: Any) -> None:
        self.kept[path] = {
            **self.kept.get(path, {}),
            "value": value,
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": self.now(),
            **more,
        }

    def admit(self, asked: Asked, name: str) -> None:
        if not asked.headers.get("user-agent"):
            raise self.wrong(asked, "requests without a User-Agent are refused", 403)
        if asked.headers.get("accept") != "application/vnd.github+json" or asked.headers.get("x-github-api-version") != "2022-11-28":
            raise self.wrong(asked, "not of this version")
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            raise Problem(401, {"message": "Bad credentials", "status": "401"})
        if name == "write" and not self.may_write:
            raise Problem(403, {"message": "Resource not accessible by personal access token", "status": "403"})

    def public_key(self, _asked: Asked, owner: str) -> tuple[int, Any]:
        key = self._keys.setdefault(owner, nacl.public.PrivateKey.generate())
        return 200, {"key_id": f"id-{len(owner)}", "key": base64.b64encode(bytes(key.public_key)).decode()}

    def _one(self, path: str) -> dict[str, Any]:
        if path not in self.kept:
            raise Problem(404, {"message": "Not Found", "status": "404"})
        return self.kept[path]

    def read(self, _asked: Asked, path: str) -> tuple[int, Any]:
        found = self._one(path)
        return 200, {"name": path.rpartition("/")[2], **{k: found[k] for k in ("created_at", "updated_at", "visibility") if k in found}}

    def repositories(self, asked: Asked, path: str) -> tuple[int, Any]:
        size, page = int(asked.query.get("per_page") or 30), int(asked.query.get("page") or 1)
        if size > 100:
            raise self.wrong(asked, "per_page is 100 at most")
        ids = self._one(path)["repositories"]
        return 200, {
            "total_count": len(ids),
            "repositories": [{"id": i, "full_name": f"org/{i}"} for i in ids[(page - 1) * size : page * size]],
        }

    def write(self, asked: Asked, owner: str, name: str) -> tuple[int, Any]:
        of_organization = owner.startswith("/orgs/")
        body = self.takes(asked, {"encrypted_value", "key_id", *({"visibility"} if of_organization else ())},
                          {"selected_repository_ids"} if of_organization else set())  # fmt: skip
        if owner not in self._keys or body["key_id"] != f"id-{len(owner)}" or not _BASE64.fullmatch(body["encrypted_value"]):
            raise self.wrong(asked, "not sealed with the current key", 422)
        if ("selected_repository_ids" in body) != (body.get("visibility") == "selected"):
            raise self.wrong(asked, "a selection belongs to visibility selected", 422)
        try:
            value = nacl.public.SealedBox(self._keys[owner]).decrypt(base64.b64decode(body["encrypted_value"])).decode()
        except nacl.exceptions.CryptoError:
            raise self.wrong(asked, "improperly encrypted", 422) from None
        there = f"{owner}/{name}" in self.kept
        more = {"visibility": body["visibility"], "repositories": body.get("selected_repository_ids", [])} if of_organization else {}
        self.put(f"{owner}/{name}", value, **more)
        return (204, None) if there else (201, {})
