"""Faults the proxy plays: crash points, lost answers, errors. A rule is one JSON object (see Rule)."""

from __future__ import annotations

import dataclasses
import os
import signal
from typing import Any

from tests.beds.aws_request import AwsRequest

_WHEN = ("before", "after", "lost", "fail")


@dataclasses.dataclass
class Rule:
    """`when`: before | after (SIGKILL `pgid` or `pid` before forwarding | after the answer came, which is dropped),
    lost (forward, then close without an answer), fail (answer status/code/message without forwarding).

    Counts the calls that match service, operation, access_key, principal (part of the caller's ARN) and, unless
    `mutating` is False, change something; acts from the `at`-th such call on, `times` times.
    """

    when: str
    at: int = 1
    times: int = 1
    service: str = ""
    operation: str = ""
    access_key: str = ""
    principal: str = ""
    mutating: bool = True
    pgid: int = 0
    pid: int = 0
    status: int = 400
    code: str = "Throttling"
    message: str = "Rate exceeded"
    seen: int = 0
    fired: int = 0

    def __post_init__(self) -> None:
        if self.when not in _WHEN:
            raise ValueError(f"when must be one of {', '.join(_WHEN)}, not {self.when!r}")
        if self.when in ("before", "after") and not (self.pgid > 1 or self.pid > 1):
            raise ValueError(f"a rule {self.when!r} needs pgid or pid")
        if self.pgid == os.getpgrp() or self.pid == os.getpid():
            raise ValueError("a rule cannot kill the proxy itself")

    def match(self, request: AwsRequest, arn: str) -> bool:
        """Count the call if it matches; whether the rule acts on it."""
        if (
            self.service
            and self.service != request.service
            or self.operation
            and self.operation != request.operation
            or self.access_key
            and self.access_key != request.access_key
            or self.principal
            and self.principal not in arn
            or self.mutating
            and not request.mutating
        ):
            return False
        self.seen += 1
        if self.seen < self.at or self.fired >= self.times:
            return False
        self.fired += 1
        return True

    def kill(self) -> None:
        """SIGKILL the process or the group; gone already is fine."""
        try:
            if self.pgid:
                os.killpg(self.pgid, signal.SIGKILL)
            else:
                os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def public(self) -> dict[str, Any]:
        """As JSON."""
        return dataclasses.asdict(self)
