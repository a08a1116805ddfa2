# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room for one more inline policy: summed before the call, so that where there is none the next control is taken at once, and check mode says so."""

from __future__ import annotations

import concurrent.futures
import json
import re
import typing as t
from collections.abc import Iterable

from ..common.errors import EvictError
from ..common.plan import Step
from ..common.reader import Reader
from ..common.run import STANDS, Done, Runner
from . import policy, snapshot
from .principal import Principal

LIMIT = {"user": 2048, "role": 10240}  # characters of all inline policies of one identity, white space not counted; "IAM and STS quotas"
FULL = "LimitExceeded"
_WIDTH = 8


def size(document: t.Any) -> int:
    """As IAM counts: of the text without white space."""
    text = document if isinstance(document, str) else json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return len(re.sub(r"\s", "", text))


def used(principal: Principal, but: str, reader: Reader) -> int:
    """Characters of its inline policies other than ``but``. ``EvictError`` when one cannot be read."""
    names = principal.inline if principal.inline is not None else set(snapshot.list_inline(principal, reader))
    probes = [policy.inline(principal.kind, principal.name, name, principal.target)[0] for name in sorted(names - {but})]
    if not probes:
        return 0
    with concurrent.futures.ThreadPoolExecutor(min(_WIDTH, len(probes))) as pool:
        return sum(size(found) for found in pool.map(reader.read, probes) if found is not None)


def fitting(principal: Principal, steps: Iterable[Step], reader: Reader, runner: Runner) -> list[Step]:
    """The Steps for which there is room. The others fail as if IAM had refused them, with its own code, and nothing is sent."""
    left = []
    for step in steps:
        name = step.id.rpartition("#policy/")[2]
        try:
            there = used(principal, name, reader) if step.before is None else 0
        except EvictError:
            there = 0  # IAM itself will say
        listed = {f"{principal.arn}#policy/{known}" for known in principal.inline or ()}
        added = sum(size(d.step.after) for d in list(runner.done.values()) if d.step.principal == principal.arn and "#policy/" in d.step.id
                    and d.step.id not in (*listed, step.id) and d.status in STANDS)  # fmt: skip
        wanted, limit = there + added + size(step.after), LIMIT[principal.kind]
        if wanted <= limit:
            left.append(step)
            continue
        why = f"{step.resource}: no space, {wanted:,} characters of inline policies and {limit:,} are allowed"
        operation = f"iam:Put{principal.kind.capitalize()}Policy"
        runner.refused(
            Done(step, "failed", why, "take away inline policies that it does not need, then run again", operation, runner.now(), FULL)
        )
    return left
