# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry of notifiers: a file for each kind. ``kind.Kind`` says what one declares."""

from __future__ import annotations

import typing as t

from . import jira, mail, pagerduty, servicenow, slack, sns, teams, webhook
from .kind import Kind

_FILES = (slack, teams, pagerduty, mail, webhook, jira, servicenow, sns)
KINDS: dict[str, Kind] = {kind.KIND: t.cast(Kind, kind) for kind in _FILES}
__all__ = ["KINDS", "Kind", "made"]


def made(kind: str, answer: t.Any) -> str:
    """What a ticket system says that it made, so that later messages go there; "" for everything else."""
    if kind == jira.KIND:
        return jira.ref(answer)
    return servicenow.ref(answer) if kind == servicenow.KIND else ""
