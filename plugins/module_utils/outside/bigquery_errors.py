# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BigQuery's errors by their reason: what they are about, and what one does. Pure."""

from __future__ import annotations

import re

from ..common.errors import CloudError
from ..common.schema import printable
from .session import Answer

# A job that ended so was broken off by the service: another one may well succeed.
BROKEN_OFF = ("backendError", "internalError", "rateLimitExceeded", "jobBackendError", "jobInternalError", "jobRateLimitExceeded")
NARROW = "narrow it (a shorter window, fewer accounts or regions)"
_LATER = "run the same command again later"
_ROLES = {"bigquery.jobs.create": "roles/bigquery.jobUser", "bigquery.tables.getData": "roles/bigquery.dataViewer"}
_ABOUT = re.compile(r"(?:Access Denied|Not found): (Project|Dataset|Table|View) (\S+)", re.ASCII)
_PERMISSION = re.compile(r"\bbigquery\.[a-z]+\.[a-zA-Z]+\b", re.ASCII)
_NEEDED = re.compile(r"([0-9]{1,20}) or higher required", re.ASCII)
_REMEDIES = {
    "accessNotConfigured": "enable the BigQuery API (bigquery.googleapis.com) in the project",
    "authError": "its credentials are not valid: renew them, then run again",
    "billingNotEnabled": "enable billing in the project, or name another project that runs the queries",
    "invalidQuery": "check that the table has the columns and types that are asked for",
    "notFound": "check the names of project, dataset and table, and that location is where the dataset lies",
    "quotaExceeded": f"a quota of the project is used up: {NARROW}, wait for the next day, or have the quota raised",
    "resourcesExceeded": NARROW,
    "responseTooLarge": NARROW,
    "stopped": "somebody cancelled it, or it was over its time: run again",
    "timeout": NARROW,
    **dict.fromkeys(BROKEN_OFF, _LATER),
}


class Said:
    """What ``session.request`` explains an answer with; it keeps the reason, which the session does not know. BigQuery says it at any status."""

    reason = message = ""

    def __call__(self, answer: Answer) -> str:
        error = answer.json()["error"]
        self.message = str(error.get("message") or "")
        self.reason = str(error["errors"][0]["reason"])
        return f"{self.reason}: {self.message}"


def explained(operation: str, project: str, reason: str, message: str, *, ceiling: int, billed: int = 0, lost: bool = False) -> CloudError:
    """The error of a job or of a request, with ``reason`` as its code. ``lost``: the request may have been carried out."""
    about = _ABOUT.match(message)
    named = about[2].rstrip(":,.") if about else project
    text, remedy = (
        f"bigquery:{operation} on {printable(named)}: {printable(reason, 60)}: {printable(message, 300)}",
        _REMEDIES.get(reason, ""),
    )
    if reason == "bytesBilledLimitExceeded":
        needed = _NEEDED.search(message)
        would = f"{int(needed[1]):,} bytes" if needed else "more bytes"
        left = f"{max(0, ceiling - billed):,} are left of the ceiling of {ceiling:,}"
        text = f"bigquery:{operation} on {project}: the query would be billed {would}; {left}. It did not run and cost nothing"
        remedy, lost = f"{NARROW}, or raise the ceiling", False
    elif reason == "accessDenied":
        found = _PERMISSION.search(message)
        permission = found[0] if found else "bigquery.jobs.create" if about and about[1] == "Project" else "bigquery.tables.getData"
        role = f" ({_ROLES[permission]})" if permission in _ROLES else ""
        remedy = f"grant {permission}{role} on {printable(named)} to whoever runs this; the dataset may also be in another location"
    return CloudError(text, code=printable(reason, 60), lost=lost, object=printable(named), operation=operation, remedy=remedy)
