# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a readiness check is, what it looks at and what it says.

A check is a file of this package with

- ``NAME``, and ``QUESTION`` for people;
- ``READS``: what it asks AWS;
- ``EACH``: whether it is asked of each account, or once;
- ``LOSS``: what contain could not do while the answer is not "ok";
- ``check(look)``: yields ``Row``s; none, and that is "ok". What it raises is a row "unknown".
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Iterable

from ...common.errors import EvictError
from ...common.incident import Incident
from ...common.plan import Call, Target
from ...common.reader import Reader
from ..session import Aws

OK, MISSING, UNKNOWN = "ok", "missing", "unknown"


@dataclasses.dataclass(frozen=True)
class Row:
    """One answer. ``why``: what was found; ``loss``: what contain could not do (the check's own, if empty); ``note``:

    what a person should know all the same.
    """

    state: str
    why: str = ""
    object: str = ""
    remedy: str = ""
    loss: str = ""
    note: str = ""


def ok(note: str = "", object: str = "") -> Row:
    return Row(OK, note=note, object=object)


def missing(why: str, remedy: str, *, object: str = "", loss: str = "") -> Row:
    return Row(MISSING, why, object, remedy, loss)


def unknown(error: EvictError, loss: str = "", object: str = "") -> Row:
    """A read that failed."""
    return Row(UNKNOWN, error.message, object or error.object, error.remedy, loss)


@dataclasses.dataclass
class Look:
    """One account ("" for what is asked once). ``accounts``: all of the run; ``given``: whether a person named them;

    ``probe``: whether the store may be written.
    """

    aws: Aws
    incident: Incident
    account: str
    accounts: tuple[str, ...]
    given: bool
    probe: bool
    reader: Reader  # of the run: what several checks ask, is asked once
    notifiers: tuple[t.Mapping[str, t.Any], ...] = ()
    baselines: tuple[t.Mapping[str, t.Any], ...] = ()
    store: Callable[[], t.Any] = dataclasses.field(default=lambda: None)
    local: bool = False  # whether a store that is lost with this container is accepted

    @property
    def target(self) -> Target:
        return Target("aws", self.account)

    def ask(self, call: Call) -> dict[str, t.Any]:
        """The answer of a read, once in a run. Raises ``EvictError``."""
        return self.reader.get(call)


class Check(t.Protocol):
    """A file of this package; Protocol for mypy only."""

    NAME: str
    QUESTION: str
    READS: tuple[str, ...]
    EACH: bool
    LOSS: str

    @staticmethod
    def check(look: Look) -> Iterable[Row]: ...
