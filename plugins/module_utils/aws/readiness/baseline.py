# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is there a snapshot of the account from a good day? ``aws_baseline`` has kept one; here its answers become rows."""

from __future__ import annotations

from collections.abc import Iterator

from .kind import Look, Row, ok

NAME = "baseline"
QUESTION = "Is what the account's identities are known from a good day?"
READS: tuple[str, ...] = ()
EACH = True
LOSS = "tell what an attacker made from what was there before"


def check(look: Look) -> Iterator[Row]:
    found = [row for row in look.baselines if row.get("account") in (look.account, "")]
    if not found:
        yield Row(
            "unknown", "no snapshot was taken", look.account, "run playbooks/readiness.yml with readiness_baseline, or leave the check out"
        )
        return
    row = found[0]
    if row.get("state") == "unknown":
        yield Row("unknown", str(row.get("why")), look.account, str(row.get("remedy") or ""))
    else:
        yield ok(object=str(row.get("path") or ""))
