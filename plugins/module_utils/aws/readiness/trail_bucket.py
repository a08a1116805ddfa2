# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Can the bucket of the trail be reached by the responder, who will have to read it afterwards?"""

from __future__ import annotations

from collections.abc import Iterator

from ...common.errors import CloudError
from ...common.plan import Call
from . import trail
from .kind import Look, Row, missing, ok, unknown

NAME = "trail_bucket"
QUESTION = "Can the responder reach the trail's bucket?"
READS = ("s3:HeadBucket",)
EACH = True
LOSS = "read the logs that are older than the event history, or hold what it leaves out"
_GONE = ("404", "NoSuchBucket", "NotFound")
_LEFT = "allow the responder s3:ListBucket in the bucket's policy; where nobody but the log archive may, leave trail_bucket out of readiness_checks"


def check(look: Look) -> Iterator[Row]:
    reached = ""
    rows: list[Row] = []
    for name in sorted({str(found["S3BucketName"]) for found in trail.trails(look) if found.get("S3BucketName")}):
        try:
            look.ask(Call(look.target, "s3", "HeadBucket", {"Bucket": name}))
            reached = name
        except CloudError as error:
            if error.code in _GONE:
                rows.append(missing(f"the bucket {name} of the trail is gone", "make it again, in an account of its own", object=name))
            else:
                row = unknown(error, object=name)
                rows.append(Row(row.state, row.why, name, _LEFT))
    yield from rows
    if reached and not rows:
        yield ok(object=reached)
    elif not rows:
        yield missing("no trail of all regions has a bucket", "see trail", object="trail")
