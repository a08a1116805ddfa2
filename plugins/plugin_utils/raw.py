# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables as they were written, for action plugins: never templated, stripped of Ansible's tags, refused when they hold a template."""

from __future__ import annotations

import datetime as dt
import typing as t

from ..module_utils.common.errors import InvalidInput
from ..module_utils.common.schema import printable, show

__all__ = ["is_template", "left_out", "plain", "printable", "variable"]

TEMPLATES = ("{{", "{%", "{#")


def is_template(value: t.Any) -> bool:
    """Whether it is text that Ansible would run."""
    return isinstance(value, str) and any(mark in value for mark in TEMPLATES)


def plain(value: t.Any, path: str) -> t.Any:
    """A deep copy of a raw variable as plain Python data, so that nothing in it is still trusted as a template.

    Raises InvalidInput, naming the place below ``path``, for text or a key that holds ``{{``, ``{%`` or ``{#``, and for what is not data.
    """
    problems: list[tuple[str, str]] = []
    copied = _copy(value, path, problems, 0)
    if problems:
        raise InvalidInput("a variable was refused", problems)
    return copied


def variable(variables: t.Mapping[str, t.Any], name: str) -> t.Any:
    """The raw variable ``name``, plain; None when it is not there or empty. Raises InvalidInput."""
    value = plain(variables.get(name), name)
    return value if value not in ("", {}, []) else None


def left_out(arguments: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any], names: t.Iterable[str]) -> dict[str, t.Any]:
    """Of ``names`` what the task did not say and a raw variable does. Raises InvalidInput."""
    given = {name: variable(variables, name) for name in names if name not in arguments}
    return {name: value for name, value in given.items() if value is not None}


def _copy(value: t.Any, path: str, problems: list[tuple[str, str]], depth: int) -> t.Any:
    if depth > 32:
        problems.append((path, "nested deeper than 32 levels"))
        return None
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        # Tagged text is a subclass of str whose tag travels along; str's own method gives the bare text.
        text = str.__str__(value)
        if any(mark in text for mark in TEMPLATES):
            problems.append(
                (
                    path,
                    "holds a template ({{, {% or {#); templates are never run here. Write the text without it, or read the file with incident=FILE",
                )
            )
        return text
    if isinstance(value, dict):
        result: dict[str, t.Any] = {}
        for key, inner in dict.items(value):
            name = _copy(key, f"{path}[{show(key)}]", problems, depth + 1) if isinstance(key, str) else None
            if name is None:
                problems.append((path, f"the key {show(key)} is not text; write it in quotes"))
            else:
                result[name] = _copy(inner, f"{path}.{printable(name, 64)}", problems, depth + 1)
        return result
    if isinstance(value, (list, tuple)):
        items = list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value)
        return [_copy(inner, f"{path}[{index}]", problems, depth + 1) for index, inner in enumerate(items)]
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, dt.datetime):
        return value.isoformat()  # JSON has no times; the incident's own check reads both, and refuses one without a zone
    if isinstance(value, dt.date):
        return dt.date.isoformat(value)
    problems.append((path, f"{type(value).__name__} is not plain data"))
    return None
