# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where is Identity Center?"""

from __future__ import annotations

from collections.abc import Iterator

from ...common.errors import EvictError
from ...common.plan import Call, Target
from ..events import regions
from . import above
from .kind import Look, Row, ok, unknown

NAME = "identity_center"
QUESTION = "Is the instance of Identity Center found?"
READS = ("sso-admin:ListInstances",)
EACH = False
LOSS = "take assignments and permission sets of Identity Center away"


def check(look: Look) -> Iterator[Row]:
    management = str(above.about(look).get("MasterAccountId") or look.aws.caller["account"])
    failed: list[EvictError] = []
    for region in dict.fromkeys([look.aws.region, *regions(look.aws, management)]):
        try:
            found = look.ask(Call(Target("aws", management, region), "sso-admin", "ListInstances", {})).get("Instances", [])
        except EvictError as error:
            if not look.aws.absent(error, region):
                failed.append(error)
            continue
        if found:
            yield ok(object=str(found[0].get("InstanceArn") or ""))
            return
    if failed:
        yield unknown(failed[0])
    else:
        yield ok("Identity Center has no instance in the management account's regions, so there is nothing of it to contain")
