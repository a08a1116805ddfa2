"""Azure Key Vault and the sign-in in front of it: secrets as learn.microsoft.com/rest/api/keyvault/secrets (7.4), the challenge of a vault without a token,

and Entra's token endpoint for a client's secret. The sign-in is TLS only, as the SDK wants it.
"""

from __future__ import annotations

import secrets
import urllib.parse
from typing import Any, ClassVar

from . import Asked, Problem, Route, Vendor

TENANT = "11111111-1111-1111-1111-111111111111"
CLIENT = "22222222-2222-2222-2222-222222222222"
_PAGE = 3  # the vendor's is 25


class KeyVault(Vendor):
    """``kept``: {name: [bundle without id, of each version]}; ``password``: of the client that may; ``resource``: what the vault asks tokens for."""

    ROUTES: ClassVar[list[Route]] = [
        ("GET", r"/secrets", "unknown", {"api-version", "maxresults"}),
        ("GET", r"/secrets/([0-9a-zA-Z-]+)/versions", "versions", {"api-version", "maxresults", "$skiptoken"}),
        ("GET", r"/secrets/([0-9a-zA-Z-]+)(?:/([0-9a-f]{32}))?", "read", {"api-version"}),
        ("PUT", r"/secrets/([0-9a-zA-Z-]+)", "write", {"api-version"}),
        ("GET", rf"/({TENANT})/v2.0/.well-known/openid-configuration", "configuration", set()),
        ("GET", r"/(common)/discovery/instance", "discovery", {"api-version", "authorization_endpoint"}),
        ("POST", rf"/({TENANT})/oauth2/v2.0/token", "sign_in", set()),
    ]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.kept: dict[str, list[dict[str, Any]]] = {}
        self.password, self.resource, self.may_write = "pa55word~of~the~client", "https://vault.azure.net", True
        self.tokens: dict[str, str] = {}
        self.clock = 1_700_000_000

    def put(self, name: str, value: str, **more: Any) -> dict[str, Any]:
        self.clock += 10
        attributes = {"enabled": True, **more.pop("attributes", {}), "created": self.clock, "updated": self.clock, "recoveryLevel": "Recoverable+Purgeable",
                      "recoverableDays": 90}  # fmt: skip
        bundle = {"value": value, "version": secrets.token_hex(16), "attributes": attributes, **more}
        self.kept.setdefault(name, []).append(bundle)
        return bundle

    def admit(self, asked: Asked, name: str) -> None:
        if name in ("configuration", "discovery", "sign_in"):
            return
        if asked.query.get("api-version") != "7.4":
            raise self.wrong(asked, "api-version")
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if self.tokens.get(token) != f"{self.resource}/.default":
            challenge = f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="{self.resource}"'
            raise Problem(
                401,
                {"error": {"code": "Unauthorized", "message": "AKV10000: Request is missing a Bearer or PoP token."}},
                WWW_Authenticate=challenge,
            )
        if name == "write" and not self.may_write:
            raise Problem(
                403,
                {
                    "error": {
                        "code": "Forbidden",
                        "message": "The user does not have secrets set permission",
                        "innererror": {"code": "AccessDenied"},
                    }
                },
            )

    def _all(self, name: str) -> list[dict[str, Any]]:
        if name not in self.kept:
            raise Problem(
                404, {"error": {"code": "SecretNotFound", "message": f"A secret with (name/id) {name} was not found in this key vault."}}
            )
        return self.kept[name]

    def _shown(self, name: str, bundle: dict[str, Any], *without: str) -> dict[str, Any]:
        return {k: v for k, v in bundle.items() if k not in ("version", *without)} | {
            "id": f"{self.url}/secrets/{name}/{bundle['version']}"
        }

    def unknown(self, asked: Asked) -> tuple[int, Any]:
        return 200, {"value": []}

    def versions(self, asked: Asked, name: str) -> tuple[int, Any]:
        if not 1 <= int(asked.query.get("maxresults") or 25) <= 25:
            raise self.wrong(asked, "maxresults is 25 at most")
        found, start = self._all(name), int(asked.query.get("$skiptoken") or 0)
        page = found[start : start + _PAGE]
        link = f"{self.url}/secrets/{name}/versions?api-version=7.4&$skiptoken={start + _PAGE}&maxresults=25"
        return 200, {"value": [self._shown(name, b, "value") for b in page], "nextLink": link if len(found) > start + _PAGE else None}

    def read(self, asked: Asked, name: str, version: str = "") -> tuple[int, Any]:
        bundle = next((b for b in self._all(name) if b["version"] == version), None) if version else self._all(name)[-1]
        if bundle is None:
            raise Problem(404, {"error": {"code": "SecretNotFound", "message": "no such version"}})
        if not bundle["attributes"]["enabled"]:
            raise Problem(
                403,
                {
                    "error": {
                        "code": "Forbidden",
                        "message": "Operation get is not allowed on a disabled secret.",
                        "innererror": {"code": "SecretDisabled"},
                    }
                },
            )
        return 200, self._shown(name, bundle)

    def write(self, asked: Asked, name: str) -> tuple[int, Any]:
        body = self.takes(asked, {"value"}, {"contentType", "tags", "attributes"})
        if set(body.get("attributes", {})) - {"enabled", "nbf", "exp"}:
            raise self.wrong(asked, "an attribute that cannot be set")
        return 200, self._shown(name, self.put(name, body["value"], **{k: v for k, v in body.items() if k != "value"}))

    # -- Entra

    def configuration(self, _asked: Asked, tenant: str) -> tuple[int, Any]:
        at = f"{self.url}/{tenant}"
        return 200, {"token_endpoint": f"{at}/oauth2/v2.0/token", "authorization_endpoint": f"{at}/oauth2/v2.0/authorize", "issuer": f"{at}/v2.0",
                     "jwks_uri": f"{at}/keys", "tenant_region_scope": None}  # fmt: skip

    def discovery(self, _asked: Asked, _tenant: str) -> tuple[int, Any]:
        host = urllib.parse.urlsplit(self.url).netloc
        return 200, {"tenant_discovery_endpoint": f"{self.url}/{TENANT}/v2.0/.well-known/openid-configuration", "api-version": "1.1",
                     "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}]}  # fmt: skip

    def sign_in(self, asked: Asked, _tenant: str) -> tuple[int, Any]:
        form = dict(urllib.parse.parse_qsl(asked.raw.decode()))
        if form.get("grant_type") != "client_credentials" or form.get("client_id") != CLIENT:
            raise self.wrong(asked, "not a client's sign-in")
        if form.get("client_secret") != self.password:
            raise Problem(
                401,
                {
                    "error": "invalid_client",
                    "error_description": "AADSTS7000215: Invalid client secret provided.",
                    "error_codes": [7000215],
                },
            )
        token = secrets.token_hex(16)
        self.tokens[token] = form["scope"]
        return 200, {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token}
