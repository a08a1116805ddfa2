# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan is data: what a verb wants to change, in terms that check mode, ledger, undo and the permission list can read.

Nothing here talks to a cloud. ``encode``/``decode`` turn every type into plain JSON for the ledger and back.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from .errors import EvictError

Path = tuple[
    t.Any, ...
]  # keys (str), positions (int), filters ({key: value}: the first) and lists of filters (all that match one) into an answer


class Phase(enum.IntEnum):
    """Order of Steps within one principal; there is no barrier between principals."""

    FENCE = 10
    CREDENTIAL = 20
    SESSION = 30
    RESOURCE = 40


@dataclasses.dataclass(frozen=True, order=True)
class Target:
    """Where a request goes: cloud (aws, azure, gcp), account (subscription, project), region ("" = the cloud's default).

    Outside of the clouds (``module_utils/outside``): the kind of place, the name of its connection, and what it divides names by (a namespace, a mount).
    """

    cloud: str
    account: str
    region: str = ""


@dataclasses.dataclass(frozen=True)
class Ref:
    """A value out of the answer of an earlier Step's ``do``; the resolved value is kept in that Step's outcome."""

    step: str
    path: Path


@dataclasses.dataclass(frozen=True)
class Secret(Ref):
    """Like ``Ref``, but the value lives in memory only: the ledger keeps this reference."""


@dataclasses.dataclass(frozen=True)
class Call:
    """One API request. ``idempotent=False``: never sent twice; after a lost answer the state is read back instead."""

    target: Target
    service: str
    operation: str
    parameters: Mapping[str, t.Any]
    idempotent: bool = True

    @property
    def name(self) -> str:
        return f"{self.service}:{self.operation}"


@dataclasses.dataclass(frozen=True)
class Edit:
    """A registered pure function (``name``, ``arguments``) applied to a policy document that is read just before it is written.

    ``document`` says which: {"kind": "iam.role-trust", "RoleName": …}; the cloud's ``documents`` registry knows how to read and write it.
    """

    target: Target
    document: Mapping[str, t.Any]
    name: str
    arguments: Mapping[str, t.Any]


Action = t.Union[Call, Edit]  # noqa: UP007 - ansible-test's pylint does not know dataclasses as types here


@dataclasses.dataclass(frozen=True)
class Probe:
    """How to see whether a Step is true: one read, the path of the value in its answer, and the error codes that mean "not there" (None)."""

    call: Call
    path: Path = ()
    absent: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Step:
    """One change of one object.

    ``before``/``after`` are what ``probe`` reads (JSON values, None = absent), so that "already true", read-back and three-way undo are
    one comparison. For a Step that creates something with an id of the cloud's choosing, ``owns`` is a Ref into its own answer and the
    probe reads the list of ids. ``irreversible`` says why there is no ``undo``, or none for a later run. ``expires`` (RFC 3339): not to be undone earlier.
    ``optional``: when it fails, that is recorded and fails nothing, since whoever planned it puts something else in its place.
    """

    id: str
    principal: str
    resource: str
    action: str
    phase: Phase
    before: t.Any
    after: t.Any
    do: tuple[Action, ...]
    undo: tuple[Action, ...] = ()
    probe: Probe | None = None
    needs: tuple[str, ...] = ()
    owns: t.Any = None
    irreversible: str = ""
    expires: str | None = None
    undoes: str = ""
    optional: bool = False

    @property
    def true(self) -> bool:
        """Nothing to do: what is there is what is wanted (never so for a creation, which has an id of its own)."""
        return not isinstance(self.owns, Ref) and self.before == self.after

    @property
    def target(self) -> Target:
        return self.do[0].target

    @property
    def fragment(self) -> str:
        """What the id says after the principal and ``#``; "" for nothing. A path in an ARN may hold ``#`` as well."""
        start = f"{self.principal}#"
        return self.id.removeprefix(start) if self.id.startswith(start) else ""


_TYPES: dict[str, type] = {"call": Call, "edit": Edit, "ref": Ref, "secret": Secret, "probe": Probe, "target": Target, "step": Step}
_TAGS = {cls: tag for tag, cls in _TYPES.items()}


def encode(value: t.Any) -> t.Any:
    """Plain JSON of a plan value. A mapping with a key that begins with "$" (an attacker may choose one) is wrapped, never mistaken for ours."""
    tag = _TAGS.get(type(value))
    if tag:
        return {f"${tag}": {f.name: encode(v) for f in dataclasses.fields(value) if (v := getattr(value, f.name)) != f.default}}
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, Mapping):
        plain = {str(k): encode(v) for k, v in value.items()}
        return {"$": plain} if any(k.startswith("$") for k in plain) else plain
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [encode(v) for v in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise EvictError(f"cannot keep a {type(value).__name__} in a plan", operation="encode")


def decode(data: t.Any) -> t.Any:
    """Inverse of ``encode``."""
    if isinstance(data, list):
        return [decode(v) for v in data]
    if not isinstance(data, dict):
        return data
    if len(data) == 1:
        ((key, inner),) = data.items()
        if key == "$":
            return {k: decode(v) for k, v in inner.items()}
        if key.startswith("$") and key[1:] in _TYPES:
            return _build(_TYPES[key[1:]], {k: decode(v) for k, v in inner.items()})
    return {k: decode(v) for k, v in data.items()}


_TUPLES = {"path", "absent", "needs", "do", "undo"}


def _build(cls: type, values: dict[str, t.Any]) -> t.Any:
    values = {k: tuple(v) if k in _TUPLES else v for k, v in values.items()}
    if cls is Step:
        values["phase"] = Phase[values["phase"]]
    return cls(**values)


class Kept:
    """What the ledger kept of a Step's answer: [[path, value], …], for the paths that others refer to."""

    def __init__(self, values: t.Iterable[t.Sequence[t.Any]]) -> None:
        self._values = {_key(path): value for path, value in values}

    def get(self, path: Path) -> t.Any:
        return self._values.get(_key(path))


def _key(path: t.Iterable[t.Any]) -> str:
    return json.dumps(list(path), sort_keys=True)


def _matches(entry: t.Any, wanted: Mapping[str, t.Any]) -> bool:
    if "" in wanted:
        return bool(entry == wanted[""])
    return isinstance(entry, Mapping) and all(
        entry.get(k) == v or (isinstance(v, Mapping) and "" not in v and isinstance(entry.get(k), Mapping) and _matches(entry[k], v))
        for k, v in wanted.items()
    )


def dig(answer: t.Any, path: Path) -> t.Any:
    """The value at ``path``; None where a key, position or match is absent.

    A dict in the path picks the first list entry that has its items (a dict among these: has its items in turn); {"": value} picks the entry that
    is that value. A list of dicts picks every entry that one of them picks; one object alone is a list of one.
    """
    if isinstance(answer, Kept):
        return answer.get(path)
    for part in path:
        if answer is None:
            return None
        if isinstance(part, (list, tuple)):
            answer = [answer] if isinstance(answer, Mapping) else answer
            answer = [e for e in answer if any(_matches(e, wanted) for wanted in part)]
        elif isinstance(part, Mapping):
            answer = next((e for e in answer if _matches(e, part)), None)
        elif isinstance(part, int):
            answer = answer[part] if -len(answer) <= part < len(answer) else None
        elif isinstance(answer, list):  # a key on a list: the key of each entry
            answer = [e.get(part) for e in answer]
        else:
            answer = answer.get(part) if isinstance(answer, Mapping) else None  # of a text that should be a document there is no part
    return answer


def refs(value: t.Any) -> Iterator[Ref]:
    """Every Ref and Secret inside parameters."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, (Call, Edit)):
        yield from refs(value.parameters if isinstance(value, Call) else {**value.document, "": value.arguments})
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from refs(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from refs(inner)


def resolve(value: t.Any, answers: Mapping[str, t.Any]) -> t.Any:
    """``value`` with each Ref replaced out of ``answers`` ({step id: answer}); an answer that is not there is an error that names it."""
    if isinstance(value, Ref):
        found = dig(answers.get(value.step), value.path)
        if found is None:
            raise EvictError(f"no answer of step {value.step} at {'.'.join(map(str, value.path))}", object=value.step, operation="resolve")
        return found
    if isinstance(value, Mapping):
        return {k: resolve(v, answers) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [resolve(v, answers) for v in value]
    return value
