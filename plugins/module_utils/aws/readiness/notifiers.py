# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the people who must know hear of it? The role ``notify`` has tried; here its answers become rows."""

from __future__ import annotations

from collections.abc import Iterator

from .kind import Look, Row, missing, ok

NAME = "notifiers"
QUESTION = "Do the notifiers of the file reach somebody?"
READS: tuple[str, ...] = ()
EACH = False
LOSS = "tell those who must know"


def check(look: Look) -> Iterator[Row]:
    if not look.incident.notify:
        yield ok("the file names no notifiers, so nobody is told of an incident")
        return
    if not look.notifiers:
        yield Row("unknown", "they were not tried", "notify", "run playbooks/readiness.yml, which tries them")
        return
    bad = [row for row in look.notifiers if row.get("ok") is not True]
    for row in bad:
        name = f"{row.get('kind', '')} {row.get('name', '')}".strip()
        yield missing(f"{name}: {row.get('why') or 'no answer'}", "correct it under notify", object=name)
    if not bad:
        yield ok()
