# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""App Runner services: variables, references to secrets, and the start command."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from ..needles import Needles
from .kind import Part, Seen, Told, found

KIND = "app_runner"
NOUN = "App Runner services"
READS: tuple[str, ...] = ("apprunner:ListServices", "apprunner:DescribeService")


def search(target: Target, needles: Needles, reader: Reader) -> Iterator[Told]:
    for service in reader.get(Call(target, "apprunner", "ListServices", {})).get("ServiceSummaryList", []):
        if service.get("Status") != "DELETED":
            yield Part(str(service["ServiceArn"]), lambda service=service: _look(target, service, needles, reader))  # type: ignore[misc]


def _look(target: Target, listed: dict[str, t.Any], needles: Needles, reader: Reader) -> Iterator[Told]:
    yield Seen()
    arn, name = str(listed["ServiceArn"]), listed.get("ServiceName")
    service = reader.get(Call(target, "apprunner", "DescribeService", {"ServiceArn": arn})).get("Service", {})
    spots = needles.find(service.get("SourceConfiguration") or {}, "SourceConfiguration")
    yield from found(
        target, arn, f"App Runner service {name} in {target.region}", spots, version=str(service.get("UpdatedAt", "")), data={"name": name}
    )
