# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the organization refused a case, and when it is asked again: a permission is often given a few minutes later."""

from __future__ import annotations

import datetime
import typing as t

from .organization import RCP, SCP, Form, Unavailable
from .session import iso, parse

if t.TYPE_CHECKING:
    from .respond import Response

LASTING = (
    "AccessDenied",
    "AccessDeniedException",
    "PolicyTypeNotEnabledException",
    "ConstraintViolationException",
)  # asking again at once changes nothing
_NOTES = {
    SCP: "account_fence",
    RCP: "resource_control",
}  # kinds of notes: {"account", "by", "why", "remedy", "at"}; "why" is empty when it is over
_SOON = datetime.timedelta(minutes=5)  # until a refusal is asked again


class Refusals:
    """One run's. ``again``: ask whatever was refused a moment ago."""

    def __init__(self, run: Response, *, again: bool = False) -> None:
        self._run, self._again = run, again

    def check(self, account: str, form: Form) -> None:
        """``Unavailable`` when a run of a moment ago was refused a change with the same identity: that would fill the ledger and change nothing."""
        last = self._last(account, form)
        if self._again or not last.get("why") or last["by"] != self._run.aws.management_arn or "at" not in last:
            return
        asked = parse(last["at"]) + _SOON
        if self._run.aws.now() < asked:
            remedy = f"{last['remedy']}; asked again by a run from {iso(asked)[11:16]}Z on, or now by aws_account_fence".lstrip("; ")
            raise Unavailable(last["why"], object=account, operation="fence", remedy=remedy)

    def note(self, account: str, form: Form, why: str, remedy: str) -> None:
        if not self._run.runner.check:
            data = {"account": account, "by": self._run.aws.management_arn, "why": why, "remedy": remedy}
            self._run.case.note(_NOTES[form], {**data, "at": iso(self._run.aws.now())})

    def over(self, account: str, form: Form) -> None:
        """It was not refused."""
        if self._last(account, form).get("why"):
            self.note(account, form, "", "")

    def _last(self, account: str, form: Form) -> dict[str, t.Any]:
        notes = [n["data"] for n in self._run.case.notes(_NOTES[form]) if n["data"]["account"] == account]
        return notes[-1] if notes else {}
