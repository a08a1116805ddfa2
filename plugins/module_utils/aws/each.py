# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at several things of which one may not be looked at: the others count all the same."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable, Iterator

from ..common.errors import CloudError

Item = t.TypeVar("Item")
Found = t.TypeVar("Found")


def each(items: Iterable[Item], look: Callable[[Item], Iterable[Found]]) -> Iterator[Found]:
    """What ``look`` finds in each; the first ``CloudError`` is raised when all have been looked at, since what it hides is not known."""
    missed: CloudError | None = None
    for item in items:
        try:
            yield from look(item)
        except CloudError as error:
            missed = missed or error
    if missed:
        raise missed
