# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extra variables of this collection's playbooks, looked at before anything else is done: one of a wrong type is refused, and one that nobody reads is named.

What a value must be, the argument specs of the roles say: ``refresh`` is what ``contain_refresh`` is, since the playbooks map one to the other.
"""

from __future__ import annotations

import difflib
import os
import re
import typing as t
from pathlib import Path

from ansible import context
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.vars import load_extra_vars

from ..module_utils.common import durations, yamlio
from ..module_utils.common import incident as incidents
from ..module_utils.common.errors import EvictError, InvalidInput
from ..module_utils.common.schema import show
from . import raw

_CASE = ("incident", "suspect", "case", "by", "reason", "allow_local_store")  # of whatever opens a case
# Playbook -> the public variables that it reads.
TAKES: dict[str, frozenset[str]] = {
    name: frozenset(names)
    for name, names in {
        "confirm": (*_CASE, "item", "level"),
        "contain": (*_CASE, "plan", "notify_file", "target", "evict_account", "hold", "phase", "refresh", "threads", "quiet", "soak", "result_file"),
        "dependents": ("incident", "suspect", "case", "threads", "result_file"),
        "intake": ("finding", "incident"),
        "investigate": (*_CASE, "logs", "athena", "bigquery", "ceiling", "sigma", "threads", "result_file"),
        "notify": (*_CASE, "notify_file", "result_file"),
        "plan": (*_CASE, "plan"),
        "readiness": ("incident", "allow_local_store", "threads", "result_file"),
        "recover": (*_CASE, "notify_file", "only", "verdict", "takeover", "threads", "result_file"),
        "rotate": (*_CASE, "mode", "quiet", "soak", "free_slot", "deadline", "takeover", "threads", "result_file"),
    }.items()
}  # fmt: skip
# Playbook -> what else its first task takes, which opens the case.
OPENS = {"contain": ("plan", "notify_file"), "recover": ("notify_file",), "notify": ("notify_file",)}
PUBLIC = tuple(sorted(frozenset().union(*TAKES.values())))
_NARROW = ("only", "verdict", "target", "phase")  # a run that does not heed them does more than was meant
_DURATIONS = ("hold", "spread", "quiet", "soak")  # which the roles have as text
_FLAGS = ("allow_local_store", "takeover")  # which no role has with its type
_FOREIGN = ("ansible_", "awx_", "tower_")
_CLOSE = 0.75  # of difflib: ``hodl`` is close to ``hold``
_HOME = Path(__file__).parents[2]
_PLAYBOOKS = (_HOME / "playbooks").resolve()
Options = dict[str, dict[str, t.Any]]


def playbook(task: t.Any) -> str:
    """The name of the playbook of this collection that the task belongs to, whoever imports it; "" in playbooks of others."""
    play = getattr(getattr(task, "_parent", None), "_play", None)
    place = Path(os.path.realpath(str(play.get_path()).rpartition(":")[0] if play else ""))
    return place.stem if place.parent == _PLAYBOOKS else ""


def looked_at(task: t.Any, loader: t.Any) -> list[str]:
    """Warnings. Raises InvalidInput, naming each variable of which the value cannot be meant. In playbooks of others nothing is looked at."""
    name = playbook(task)
    return check(load_extra_vars(loader), options(), name, beside(context.CLIARGS.get("args") or ())) if name else []


def given(task: t.Any, loader: t.Any, names: t.Iterable[str]) -> dict[str, t.Any]:
    """Of ``names`` those that are given and not empty, as they were written; none in playbooks of others."""
    found = load_extra_vars(loader) if playbook(task) else {}
    return {name: found[name] for name in names if found.get(name) not in (None, "", [], {})}


def beside(command: t.Iterable[str]) -> set[str] | None:
    """The playbooks of ours that a command line runs, of itself or through files that only import them; None when others are among them."""
    found: set[str] = set()
    for word in command:
        entries = [word] if _named(word) else _imported(word)
        if not entries or not all(map(_named, entries)):
            return None
        found |= {_named(entry) for entry in entries}
    return found or None


def _named(word: str) -> str:
    """Which playbook of ours it names, as ``evict.cloud.contain`` or by its path; "" for any other."""
    fields = word.removesuffix(".yml").split(".")
    if fields[:2] == ["evict", "cloud"] and len(fields) == 3:
        return fields[2]
    place = Path(os.path.realpath(word))
    return place.stem if place.parent == _PLAYBOOKS else ""


def _imported(path: str) -> list[str]:
    """What a file imports that does nothing else; nothing of any other."""
    try:
        plays = yamlio.read(path)
    except (EvictError, OSError):
        return []
    keys = ("import_playbook", "ansible.builtin.import_playbook")
    found = [
        next((play[key] for key in keys if key in play), "") if isinstance(play, dict) else "" for play in plays if isinstance(plays, list)
    ]
    return [word if _named(str(word)) else os.path.join(os.path.dirname(os.path.abspath(path)), str(word)) for word in found]


def options() -> Options:
    """{name with the role's prefix: its argument spec}."""
    found: Options = {}
    for path in sorted(_HOME.glob("roles/*/meta/argument_specs.yml")):
        found.update(yamlio.read(str(path))["argument_specs"]["main"]["options"])
    return found


def check(extra: t.Mapping[str, t.Any], known: Options, of: str = "", run: set[str] | None = None) -> list[str]:
    """What is to be said of extra variables. Raises InvalidInput. ``of``: which playbook asks; ``run``: all that the command runs, None: others as well."""
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
        if name == "result_file" and isinstance(value, str) and value and (why := unwritable(value)):
            told.append(f"result_file {raw.printable(value, 200)}: {why}; there will be no copy, result.json in the case is the truth")
        if (
            name in PUBLIC
            and of
            and value not in (None, "", [], {})
            and not any(name in TAKES.get(one, ()) for one in {of} | (run or set()))
        ):
            who = [one for one, names in sorted(TAKES.items()) if name in names]
            takers = f"{' and '.join(who)} {'takes' if len(who) == 1 else 'take'} it"
            if name in _NARROW and run is not None:
                problems.append((name, f"{of} acts on the whole case; {takers}"))
            else:
                told.append(f"the extra variable {name} is not read by {of}: {takers}")
        if name in PUBLIC or name in known or name.startswith(_FOREIGN):
            continue
        if meant:
            told.append(
                f"the extra variable {name} is not read: it is an option of a role, and is passed as {' or '.join(f'-e {option}=…' for option in meant)}"
            )
        elif clouds := [cloud for cloud, keys in incidents.CONNECTION.items() if name in keys]:
            told.append(
                f"the extra variable {name} is not read: write it under {' or '.join(f'incident.connection.{cloud}' for cloud in clouds)}"
            )
        elif modules := _modules(name):
            told.append(
                f"the extra variable {name} is not read: it is an option of the module {' or '.join(modules)}, which no playbook passes on"
            )
        elif close := difflib.get_close_matches(name[:64].lower(), [*PUBLIC, *bare, *known], n=1, cutoff=_CLOSE):
            told.append(f"the extra variable {raw.printable(name, 64)} is not read; did you mean {close[0]}?")
    if problems:
        raise InvalidInput("a variable was refused", problems)
    return told


def _modules(name: str) -> list[str]:
    """Modules that have an option of this name, by their documentation."""
    option = re.compile(rf"^  {re.escape(name)}:$", re.MULTILINE)
    return [path.stem for path in sorted(_HOME.glob("plugins/modules/aws_*.py")) if option.search(path.read_text(encoding="utf-8"))]


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
