"""GitLab: CI/CD variables of projects, groups and the instance, as docs.gitlab.com/api/{project_level,group_level,instance_level_ci}_variables has it."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from . import Asked, Problem, Route, Vendor

_SCOPED = {"filter[environment_scope]"}
_MASKABLE = re.compile(r"[A-Za-z0-9_/+=@:.~-]{8,}")
_FIELDS = {"value", "variable_type", "protected", "masked", "raw", "environment_scope", "description"}


class GitLab(Vendor):
    """``kept``: [{owner, key, value, environment_scope, …}]. An update of a field that was not sent leaves it; a hidden one shows no value."""

    ROUTES: ClassVar[list[Route]] = [
        ("GET", r"/api/v4/((?:projects|groups)/[^/]+)/variables/([^/]+)", "read", _SCOPED),
        ("PUT", r"/api/v4/((?:projects|groups)/[^/]+)/variables/([^/]+)", "write", _SCOPED),
        ("GET", r"/api/v4/(admin)/ci/variables/([^/]+)", "read", set()),
        ("PUT", r"/api/v4/(admin)/ci/variables/([^/]+)", "write", set()),
    ]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.kept: list[dict[str, Any]] = []
        self.token, self.may_write = "gl-token", True

    def put(self, owner: str, key: str, value: str, scope: str = "*", **more: Any) -> dict[str, Any]:
        fields = {"variable_type": "env_var", "protected": True, "masked": False, "hidden": False, "raw": False, "description": None}
        self.kept.append({"owner": owner, "key": key, "value": value, "environment_scope": scope, **fields, **more})
        return self.kept[-1]

    def admit(self, asked: Asked, name: str) -> None:
        if asked.headers.get("private-token") != self.token:
            raise Problem(401, {"message": "401 Unauthorized"})
        if name == "write" and not self.may_write:
            raise Problem(403, {"message": "403 Forbidden"})

    def _one(self, asked: Asked, owner: str, key: str) -> dict[str, Any]:
        scope = asked.query.get("filter[environment_scope]")
        found = [v for v in self.kept if (v["owner"], v["key"]) == (owner, key) and scope in (None, v["environment_scope"])]
        if not found:
            raise Problem(404, {"message": "404 Variable Not Found"})
        if len(found) > 1:
            raise Problem(409, {"message": "There are multiple variables with provided parameters. Please use 'filter[environment_scope]'"})
        return found[0]

    @staticmethod
    def _shown(found: dict[str, Any]) -> dict[str, Any]:
        shown = {k: v for k, v in found.items() if k != "owner"}
        return shown | ({"value": None} if found["hidden"] else {})

    def read(self, asked: Asked, owner: str, key: str) -> tuple[int, Any]:
        return 200, self._shown(self._one(asked, owner, key))

    def write(self, asked: Asked, owner: str, key: str) -> tuple[int, Any]:
        found = self._one(asked, owner, key)
        body = self.takes(asked, {"value"}, _FIELDS)
        if any(type(body.get(k, False)) is not bool for k in ("protected", "masked", "raw")) or body.get("variable_type", "file") not in (
            "env_var",
            "file",
        ):
            raise self.wrong(asked, "a field of another type")
        if body.get("masked", found["masked"]) and not _MASKABLE.fullmatch(body["value"]):
            raise Problem(400, {"message": {"value": [f"is invalid: {body['value']}"]}})
        found.update(body)
        return 200, self._shown(found)
