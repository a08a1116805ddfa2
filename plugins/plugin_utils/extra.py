# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extra variables of this collection's playbooks, looked at before anything else is done: one of a wrong type is refused, and one that nobody reads is named.

What a value must be, the argument specs of the roles say: ``refresh`` is what ``contain_refresh`` is, since the playbooks map one to the other.
"""

from __future__ import annotations

import difflib
import os
import typing as t
from pathlib import Path

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.vars import load_extra_vars

from ..module_utils.common import durations, yamlio
from ..module_utils.common.errors import InvalidInput
from ..module_utils.common.schema import show
from . import raw

PUBLIC = (
    "allow_local_store", "athena", "bigquery", "by", "case", "ceiling", "deadline", "evict_account", "finding", "free_slot", "hold",
    "incident", "item", "level", "logs", "mode", "notify_file", "only", "phase", "plan", "quiet", "reason", "refresh", "result_file",
    "sigma", "soak", "suspect", "takeover", "target", "threads", "verdict",
)  # fmt: skip
_DURATIONS = ("hold", "spread", "quiet", "soak")  # which the roles have as text
_FLAGS = ("allow_local_store", "takeover")  # which no role has with its type
_FOREIGN = ("ansible_", "awx_", "tower_")
_CLOSE = 0.75  # of difflib: ``hodl`` is close to ``hold``
_HOME = Path(__file__).parents[2]
Options = dict[str, dict[str, t.Any]]


def playbook(task: t.Any) -> str:
    """The name of the playbook of this collection that the task belongs to, whoever imports it; "" in playbooks of others."""
    play = getattr(getattr(task, "_parent", None), "_play", None)
    place = Path(os.path.realpath(str(play.get_path()).rpartition(":")[0] if play else ""))
    return place.stem if place.parent == (_HOME / "playbooks").resolve() else ""


def looked_at(task: t.Any, loader: t.Any) -> list[str]:
    """Warnings. Raises InvalidInput, naming each variable of which the value cannot be meant. In playbooks of others nothing is looked at."""
    return check(load_extra_vars(loader), options()) if playbook(task) else []


def given(task: t.Any, loader: t.Any, names: t.Iterable[str]) -> dict[str, t.Any]:
    """Of ``names`` those that are given and not empty, as they were written; none in playbooks of others."""
    found = load_extra_vars(loader) if playbook(task) else {}
    return {name: found[name] for name in names if found.get(name) not in (None, "", [], {})}


def options() -> Options:
    """{name with the role's prefix: its argument spec}."""
    found: Options = {}
    for path in sorted(_HOME.glob("roles/*/meta/argument_specs.yml")):
        found.update(yamlio.read(str(path))["argument_specs"]["main"]["options"])
    return found


def check(extra: t.Mapping[str, t.Any], known: Options) -> list[str]:
    """What is to be said of extra variables. Raises InvalidInput."""
    bare: dict[str, list[str]] = {}
    for option in known:
        bare.setdefault(option.partition("_")[2], []).append(option)
    problems: list[tuple[str, str]] = []
    told = []
    for name, value in extra.items():
        if name in PUBLIC:  # a public variable is never run; what a role's own option holds may be a template, as everywhere in Ansible
            try:
                raw.plain(value, name)
            except InvalidInput as error:
                problems += error.problems
                continue
        meant = [name] if name in known else bare.get(name, [])
        specs = [{"type": "bool"}] if name in _FLAGS else [known[option] for option in meant]
        if specs and value not in (None, "") and not (name in known and raw.is_template(value)) and (why := _wrong(name, value, specs)):
            problems.append((name, why))
        if name == "result_file" and isinstance(value, str) and (why := unwritable(value)):
            told.append(f"result_file {raw.printable(value, 200)}: {why}; there will be no copy, result.json in the case is the truth")
        if name in PUBLIC or name in known or name.startswith(_FOREIGN):
            continue
        if meant:
            told.append(
                f"the extra variable {name} is not read: it is an option of a role, and is passed as {' or '.join(f'-e {option}=…' for option in meant)}"
            )
        elif close := difflib.get_close_matches(name[:64].lower(), [*PUBLIC, *bare, *known], n=1, cutoff=_CLOSE):
            told.append(f"the extra variable {raw.printable(name, 64)} is not read; did you mean {close[0]}?")
    if problems:
        raise InvalidInput("a variable was refused", problems)
    return told


def unwritable(path: str) -> str:
    """Why no file can be written there, before it is tried; "" when nothing is known against it."""
    real = os.path.abspath(os.path.expanduser(path))
    folder = os.path.dirname(real)
    if not os.path.isdir(folder):
        return f"there is no directory {folder}"
    if os.path.isdir(real):
        return "is a directory"
    return "" if os.access(real if os.path.exists(real) else folder, os.W_OK) else "cannot be written"


def _wrong(name: str, value: t.Any, specs: list[dict[str, t.Any]]) -> str:
    """What is wrong with a value that none of the options would take. Raises InvalidInput for a template."""
    kinds = {str(spec["type"]) for spec in specs}
    choices = [spec["choices"] for spec in specs if spec.get("choices")]
    bare = name if name in _DURATIONS else name.partition("_")[2]
    if kinds <= {"int", "bool"} or choices or bare in _DURATIONS:
        value = raw.plain(value, name)
    if bare in _DURATIONS:
        return durations.wrong(value, bare)
    if kinds == {"int"}:
        number = str(value).strip()
        least = 1 if name.endswith(("threads", "threads_per_account")) else 0
        fits = not isinstance(value, bool) and number.isascii() and number.isdigit() and int(number) >= least
        return "" if fits else f"must be a whole number, {least} or more, not {show(value)}"
    if kinds == {"bool"}:
        try:
            boolean(value)
        except TypeError:
            return f"must be true or false, not {show(value)}"
    if len(choices) == len(specs) and not any(value in allowed for allowed in choices):
        return f"must be one of {', '.join(str(word) for word in choices[0] if word)}, not {show(value)}"
    return ""
