# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Elastic Beanstalk environments: their option settings, of which the variables are one name space."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from ..needles import Needles, Spot
from .kind import Part, Seen, Told, found

KIND = "elastic_beanstalk"
NOUN = "Elastic Beanstalk environments"
READS: tuple[str, ...] = ("elasticbeanstalk:DescribeEnvironments", "elasticbeanstalk:DescribeConfigurationSettings")


def search(target: Target, needles: Needles, reader: Reader) -> Iterator[Told]:
    listed = reader.get(Call(target, "elasticbeanstalk", "DescribeEnvironments", {"IncludeDeleted": False})).get("Environments", [])
    for one in listed:
        if one.get("Status") not in ("Terminated", "Terminating"):
            yield Part(str(one.get("EnvironmentArn")), lambda one=one: _look(target, one, needles, reader))  # type: ignore[misc]


def _look(target: Target, one: dict[str, t.Any], needles: Needles, reader: Reader) -> Iterator[Told]:
    yield Seen()
    application, name = str(one["ApplicationName"]), str(one["EnvironmentName"])
    asked = {"ApplicationName": application, "EnvironmentName": name}
    spots: list[Spot] = []
    for settings in reader.get(Call(target, "elasticbeanstalk", "DescribeConfigurationSettings", asked)).get("ConfigurationSettings", []):
        spaces: dict[str, dict[str, str]] = {}
        for option in settings.get("OptionSettings", []):
            spaces.setdefault(str(option.get("Namespace")), {})[str(option.get("OptionName"))] = str(option.get("Value") or "")
        for space, values in spaces.items():
            spots += needles.find(values, space, "variable")
    text = f"Elastic Beanstalk environment {name} in {target.region}"
    yield from found(target, str(one.get("EnvironmentArn") or name), text, spots, version=str(one.get("DateUpdated", "")), data=asked)
