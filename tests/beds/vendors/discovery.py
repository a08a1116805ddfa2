"""Requests and answers checked against what Google's discovery documents say of them: no member that is not there, no int64 that is no text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Discovery:
    """A document as ``bigquery_v2.json`` has it."""

    def __init__(self, name: str) -> None:
        found = json.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))
        self.methods: dict[str, Any] = found["methods"]
        self.schemas: dict[str, Any] = found["schemas"]

    def problems(self, schema: str, value: Any, *, asked: bool) -> list[str]:
        """What does not fit. ``asked``: a request, in which nothing may be that only answers hold."""
        return self._check({"$ref": schema}, value, schema, asked)

    def _check(self, form: dict[str, Any], value: Any, path: str, asked: bool) -> list[str]:
        if "$ref" in form:
            return self._members(self.schemas[form["$ref"]], value, path, asked)
        kind = form.get("type", "any")
        if kind == "array":
            if not isinstance(value, list):
                return [f"{path} is no list"]
            return [problem for n, item in enumerate(value) for problem in self._check(form["items"], item, f"{path}[{n}]", asked)]
        if kind == "object":
            return self._members(form.get("properties", {}), value, path, asked)
        fits = {
            "string": lambda v: isinstance(v, str) and (form.get("format") not in ("int64", "uint64") or v.removeprefix("-").isdigit()),
            "boolean": lambda v: isinstance(v, bool),
            "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
            "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
            "any": lambda _v: True,
        }[kind]
        return [] if fits(value) else [f"{path} is no {form.get('format') or kind}: {value!r}"]

    def _members(self, members: dict[str, Any], value: Any, path: str, asked: bool) -> list[str]:
        if not isinstance(value, dict):
            return [f"{path} is no object"]
        found: list[str] = []
        for name, item in value.items():
            if name not in members:
                found.append(f"{path}.{name} is unknown")
            elif asked and members[name].get("readOnly"):
                found.append(f"{path}.{name} is only in answers")
            else:
                found += self._check(members[name], item, f"{path}.{name}", asked)
        return found
