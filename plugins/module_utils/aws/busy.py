# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of an account with too many users to ask each for its keys and password: those in whose credentials CloudTrail saw a call, and what these were before it."""

from __future__ import annotations

import time

from ..common.errors import EvictError
from ..common.guard import kind_of
from ..common.plan import Target
from . import account_state, events
from .account_state import UNKNOWN, State
from .session import Aws

_CALLS = ("CreateAccessKey", "UpdateAccessKey", "CreateLoginProfile")
_OTHER = {"Active": "Inactive", "Inactive": "Active"}


class Busy:
    """The users of one account of whom such a call is known since ``start`` (RFC 3339). ``gaps``: what could not be read."""

    def __init__(self, aws: Aws, target: Target, start: str, seconds: float) -> None:
        self.gaps: list[str] = []
        self._calls: dict[str, list[events.Event]] = {}  # by the user's name, newest first
        deadline = time.monotonic() + seconds
        for call in _CALLS:
            try:
                for event in events.lookup(aws, target, "EventName", call, start, deadline):
                    request, who = event.get("requestParameters") or {}, event.get("userIdentity") or {}
                    if not event.get("errorCode"):
                        self._calls.setdefault(str(request.get("userName") or who.get("userName") or ""), []).append(event)
            except EvictError as error:
                self.gaps.append(error.message)

    def among(self, state: State) -> list[str]:
        """Their ARNs."""
        return [arn for arn in state if kind_of(arn) == "user" and arn.rsplit("/", 1)[-1] in self._calls]

    def before(self, before: State, now: State) -> State:
        """``before``, where nothing was known of their keys and passwords with what these were ``now`` less the calls."""
        found = dict(before)
        for arn in self.among(now):
            if UNKNOWN in before.get(arn, {}) and UNKNOWN not in now[arn]:
                known = {facet: value for facet, value in now[arn].items() if account_state.may_be_unread(facet)}
                for event in self._calls[arn.rsplit("/", 1)[-1]]:
                    _rewind(known, event)
                found[arn] = {facet: value for facet, value in before[arn].items() if facet != UNKNOWN} | known
        return found


def _rewind(facets: dict[str, object], event: events.Event) -> None:
    name, request = event.get("eventName"), event.get("requestParameters") or {}
    made = ((event.get("responseElements") or {}).get("accessKey") or {}).get("accessKeyId")
    if name == "CreateLoginProfile":
        facets.pop("password", None)
    elif name == "CreateAccessKey":
        facets.pop(f"key/{made}", None)
    elif (key := f"key/{request.get('accessKeyId')}") in facets:
        facets[key] = _OTHER.get(str(request.get("status")), facets[key])
