# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ways out of an account share: what one declares, and what its search tells."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterator

from ...common.plan import Target
from ...common.reader import Reader

_OWNERS = ("owner", "team", "contact")


@dataclasses.dataclass(frozen=True)
class Path:
    """One way: ``object`` here, ``to`` where it leads, ``how`` in words, ``owner``: an account, a mail address or what a tag says."""

    object: str
    to: str
    how: str = ""
    owner: str = ""


class Kind(t.Protocol):
    """A file of this folder. ``GLOBAL``: asked once for an account, not in each region; ``USED``: calls of the log that show that the way was taken, or opened;

    ``ACTION``: what is to be done about it, for people.
    """

    KIND: str
    NOUN: str
    GLOBAL: bool
    READS: tuple[str, ...]
    USED: tuple[str, ...]
    ACTION: str

    def paths(self, target: Target, reader: Reader, /) -> Iterator[Path]: ...


def named(target: Target, service: str, rest: str) -> str:
    """The ARN of something whose API gives only its id."""
    partition = "aws-cn" if target.region.startswith("cn-") else "aws-us-gov" if target.region.startswith("us-gov-") else "aws"
    return f"arn:{partition}:{service}:{target.region}:{target.account}:{rest}"


def tag_owner(tags: t.Any) -> str:
    """What a tag such as Owner or team says."""
    found = {str(one.get("Key")).lower(): str(one.get("Value")) for one in tags or () if isinstance(one, dict)}
    return next((found[name] for name in _OWNERS if found.get(name)), "")
