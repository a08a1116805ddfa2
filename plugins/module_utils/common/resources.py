# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The incident's ``resources``: which sensitive resources are fenced, which never, and whether the log adds to them."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .schema import Fields, Problem, show

DISCOVER = ("touched", "none")
KEYS = ("fence", "exempt", "discover")
_PARTITION = "arn:(?P<partition>aws|aws-cn|aws-us-gov)"
_PLACE = "(?P<region>[a-z0-9-]{5,32}):(?P<account>[0-9]{12})"
# service -> (what its ARN looks like, an example)
FORMS: dict[str, tuple[re.Pattern[str], str]] = {
    service: (re.compile(f"{_PARTITION}:{service}:{rest}", re.ASCII), example)
    for service, rest, example in (
        ("s3", r"::(?P<region>)(?P<account>)(?P<name>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])", "arn:aws:s3:::customer-data"),
        ("kms", rf"{_PLACE}:key/(?P<name>[A-Za-z0-9-]{{1,64}})", "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
        ("secretsmanager", rf"{_PLACE}:secret:(?P<name>[\w/+=.@-]{{1,519}})", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf"),
        ("sqs", rf"{_PLACE}:(?P<name>[\w-]{{1,80}}(?:\.fifo)?)", "arn:aws:sqs:eu-west-1:111122223333:orders"),
        ("sns", rf"{_PLACE}:(?P<name>[\w-]{{1,256}}(?:\.fifo)?)", "arn:aws:sns:eu-west-1:111122223333:orders"),
        ("lambda", rf"{_PLACE}:function:(?P<name>[\w-]{{1,140}})", "arn:aws:lambda:eu-west-1:111122223333:function:orders"),
        ("ecr", rf"{_PLACE}:repository/(?P<name>[a-z0-9][a-z0-9._/-]{{1,255}})", "arn:aws:ecr:eu-west-1:111122223333:repository/shop/orders"),
    )
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Resources:
    """``fence``, ``exempt``: ARNs; ``discover``: touched (what the suspects' own calls name as well) | none."""

    fence: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()
    discover: str = "touched"

    def as_dict(self) -> dict[str, t.Any]:
        return {"fence": list(self.fence), "exempt": list(self.exempt), "discover": self.discover}


@dataclasses.dataclass(frozen=True)
class Named:
    """What an ARN says; of a bucket neither region nor account."""

    arn: str
    partition: str
    service: str
    region: str
    account: str
    name: str


def parse(arn: str) -> Named | None:
    """None for anything that is not the ARN of a resource that can be fenced."""
    service = arn.split(":", 3)[2] if arn.count(":") > 4 else ""
    found = FORMS[service][0].fullmatch(arn) if service in FORMS else None
    return Named(arn, found["partition"], service, found["region"], found["account"], found["name"]) if found else None


def problem(arn: t.Any) -> str:
    """Why ``arn`` cannot be fenced; "" when it can."""
    if isinstance(arn, str) and parse(arn):
        return ""
    service = arn.split(":", 3)[2] if isinstance(arn, str) and arn.count(":") > 4 else ""
    known = f"write it as {FORMS[service][1]}" if service in FORMS else f"one of {', '.join(sorted(FORMS))} can be fenced, by its ARN"
    return f"not the ARN of a resource that can be fenced; {known}: {show(arn)}"


def read(raw: t.Any, problems: list[Problem], path: str = "incident.resources") -> Resources:
    """The incident file's ``resources``; what is wrong with it goes into ``problems``."""
    fields = Fields(raw, path, problems, KEYS)
    found: dict[str, list[str]] = {"fence": [], "exempt": []}
    for key, arns in found.items():
        for where, item in fields.sequence(key):
            if why := problem(item):
                problems.append((where, why))
            elif item in arns:
                problems.append((where, f"stands here twice: {show(item)}"))
            elif item in found["fence"] and key == "exempt":
                problems.append((where, f"stands under fence too: {show(item)}"))
            else:
                arns.append(item)
    return Resources(tuple(found["fence"]), tuple(found["exempt"]), fields.choice("discover", DISCOVER, "touched"))
