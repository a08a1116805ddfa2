"""Google: Secret Manager as its discovery document (v1) has it, and the token endpoint, which really checks the signature of the service account."""

from __future__ import annotations

import base64
import binascii
import functools
import json
import secrets
import urllib.parse
from pathlib import Path
from typing import Any, ClassVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from . import Asked, Problem, Route, Vendor

_NAME = r"(projects/[^/]+/(?:locations/[^/]+/)?secrets/[A-Za-z0-9_-]+)"
_NUMBER = "123456789012"
# CRC-32C bit by bit: another way than the one of the collection.
_CHECK = [(b"123456789", 0xE3069283), (b"", 0)]


@functools.cache
def _signing_key() -> rsa.RSAPrivateKey:
    """One for all servers of a process: it takes long to make."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def checksum(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _bit in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 & -(crc & 1))
    return crc ^ 0xFFFFFFFF


class Google(Vendor):
    """``kept``: {name: {versions: [(bytes, state)], aliases, etag}}."""

    ROUTES: ClassVar[list[Route]] = [
        ("POST", r"/token", "token", set()),
        ("GET", rf"/v1/{_NAME}", "read", set()),
        ("PATCH", rf"/v1/{_NAME}", "patch", {"updateMask"}),
        ("POST", rf"/v1/{_NAME}:addVersion", "add", set()),
        ("GET", rf"/v1/{_NAME}/versions/([A-Za-z0-9_-]+)", "version", set()),
        ("GET", rf"/v1/{_NAME}/versions/([A-Za-z0-9_-]+):access", "access", set()),
    ]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.kept: dict[str, dict[str, Any]] = {}
        self.tokens: set[str] = set()
        self.may_write, self.corrupt = True, False
        self._key = _signing_key()
        assert all(checksum(data) == crc for data, crc in _CHECK)

    def credentials(self, path: Path) -> Path:
        """The file of a service account, whose tokens this server gives out."""
        pem = self._key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        path.write_text(json.dumps({"type": "service_account", "project_id": "p", "private_key_id": "k", "private_key": pem, "client_id": "1",
                                    "client_email": "ir@p.iam.gserviceaccount.com", "token_uri": f"{self.url}/token"}))  # fmt: skip
        return path

    def put(self, name: str, value: str, **aliases: int) -> None:
        one = self.kept.setdefault(name, {"versions": [], "aliases": {}, "etag": '"1"'})
        one["versions"].append((value.encode(), "ENABLED"))
        one["aliases"].update({alias: str(number) for alias, number in aliases.items()})

    def newest(self, name: str) -> str:
        return str(self.kept[name]["versions"][-1][0].decode())

    def admit(self, asked: Asked, name: str) -> None:
        if name == "token":
            return
        if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            raise Problem(
                401, {"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "Request had invalid authentication credentials."}}
            )
        if name in ("add", "patch") and not self.may_write:
            raise Problem(
                403, {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "Permission 'secretmanager.versions.add' denied"}}
            )

    def token(self, asked: Asked) -> tuple[int, Any]:
        form = dict(urllib.parse.parse_qsl(asked.raw.decode()))
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            raise self.wrong(asked, "grant_type")
        public = self._key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        claims = jwt.decode(form["assertion"], certs=public, audience="https://oauth2.googleapis.com/token")  # the same for every token_uri
        if claims["scope"] != "https://www.googleapis.com/auth/cloud-platform":
            raise self.wrong(asked, "scope")
        token = f"ya29.{secrets.token_hex(12)}"
        self.tokens.add(token)
        return 200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}

    def _one(self, name: str) -> dict[str, Any]:
        if name not in self.kept:
            raise Problem(404, {"error": {"code": 404, "status": "NOT_FOUND", "message": f"Secret [{name}] not found or has no versions."}})
        return self.kept[name]

    @staticmethod
    def _full(name: str) -> str:
        """Answers name the project by its number."""
        parts = name.split("/")
        return "/".join(("projects", _NUMBER, *parts[2:]))

    def read(self, _asked: Asked, name: str) -> tuple[int, Any]:
        one = self._one(name)
        shown = {"name": self._full(name), "replication": {"automatic": {}}, "createTime": "2026-01-01T00:00:00Z", "etag": one["etag"]}
        return 200, shown | ({"versionAliases": one["aliases"]} if one["aliases"] else {})

    def patch(self, asked: Asked, name: str) -> tuple[int, Any]:
        one, body = self._one(name), self.takes(asked, {"name", "versionAliases"}, {"etag"})
        if asked.query.get("updateMask") != "versionAliases" or not all(str(v).isdigit() for v in body["versionAliases"].values()):
            raise self.wrong(asked, "updateMask, or a version that is no number")
        if body.get("etag", one["etag"]) != one["etag"]:
            raise Problem(400, {"error": {"code": 400, "status": "FAILED_PRECONDITION", "message": "The etag does not match."}})
        if any(int(v) > len(one["versions"]) for v in body["versionAliases"].values()):
            raise Problem(404, {"error": {"code": 404, "status": "NOT_FOUND", "message": "no such version"}})
        one["aliases"], one["etag"] = {k: str(v) for k, v in body["versionAliases"].items()}, f'"{secrets.token_hex(4)}"'
        return self.read(asked, name)

    def add(self, asked: Asked, name: str) -> tuple[int, Any]:
        one, payload = self._one(name), self.takes(asked, {"payload"})["payload"]
        try:
            data = base64.b64decode(payload["data"], validate=True)
        except (binascii.Error, KeyError):
            raise self.wrong(asked, "data is no base64") from None
        if set(payload) != {"data", "dataCrc32c"} or not isinstance(payload["dataCrc32c"], str) or len(data) > 65536:
            raise self.wrong(asked, "an int64 is text; 64 KiB at most")
        if int(payload["dataCrc32c"]) != checksum(data):
            raise Problem(400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "The checksum does not match."}})
        one["versions"].append((data, "ENABLED"))
        return 200, self._described(name, len(one["versions"]))

    def _described(self, name: str, number: int) -> dict[str, Any]:
        return {"name": f"{self._full(name)}/versions/{number}", "createTime": "2026-01-01T00:00:00Z", "state": self._one(name)["versions"][number - 1][1],
                "etag": '"v"', "clientSpecifiedPayloadChecksum": True}  # fmt: skip

    def _number(self, name: str, version: str) -> int:
        one = self._one(name)
        number = len(one["versions"]) if version == "latest" else int(one["aliases"].get(version) or (version if version.isdigit() else 0))
        if not 1 <= number <= len(one["versions"]):
            raise Problem(404, {"error": {"code": 404, "status": "NOT_FOUND", "message": "no such version"}})
        return number

    def version(self, _asked: Asked, name: str, version: str) -> tuple[int, Any]:
        return 200, self._described(name, self._number(name, version))

    def access(self, _asked: Asked, name: str, version: str) -> tuple[int, Any]:
        number = self._number(name, version)
        data, state = self._one(name)["versions"][number - 1]
        if state != "ENABLED":
            raise Problem(400, {"error": {"code": 400, "status": "FAILED_PRECONDITION", "message": f"Secret Version is in {state} state."}})
        payload = {"data": base64.b64encode(data + b"?" if self.corrupt else data).decode(), "dataCrc32c": str(checksum(data))}
        return 200, {"name": f"{self._full(name)}/versions/{number}", "payload": payload}
