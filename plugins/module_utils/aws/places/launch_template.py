# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""User data of EC2 launch templates, every version: groups and fleets often name one that is neither the default nor the latest."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.errors import EvictError
from ...common.plan import Call, Target
from ...common.reader import Reader
from ..needles import Needles
from . import instance_user_data
from .kind import OLD, SURE, Part, Seen, Told, each, found

KIND = "launch_template"
NOUN = "EC2 launch templates"
READS: tuple[str, ...] = ("ec2:DescribeLaunchTemplates", "ec2:DescribeLaunchTemplateVersions", *instance_user_data.LISTING)
_ID, _VERSION = "aws:ec2launchtemplate:id", "aws:ec2launchtemplate:version"  # tags that EC2 gives to what it starts from one


def search(target: Target, needles: Needles, reader: Reader) -> Iterator[Told]:
    for template in reader.get(Call(target, "ec2", "DescribeLaunchTemplates", {})).get("LaunchTemplates", []):
        yield Part(str(template["LaunchTemplateId"]), lambda template=template: _look(target, template, needles, reader))  # type: ignore[misc]


def _look(target: Target, template: dict[str, t.Any], needles: Needles, reader: Reader) -> Iterator[Told]:
    yield Seen()
    asked = {"LaunchTemplateId": template["LaunchTemplateId"]}
    versions = reader.get(Call(target, "ec2", "DescribeLaunchTemplateVersions", asked)).get("LaunchTemplateVersions", [])
    for told in each(versions, lambda v: str(v.get("LaunchTemplateId")), lambda v: _version(target, template, v, needles, reader)):
        if not isinstance(told, Seen):  # templates are counted, not their versions
            yield told


def _version(target: Target, template: dict[str, t.Any], version: dict[str, t.Any], needles: Needles, reader: Reader) -> Iterator[Told]:
    spots = needles.find_encoded((version.get("LaunchTemplateData") or {}).get("UserData"), "LaunchTemplateData.UserData")
    if not spots:
        return
    number, name = int(version["VersionNumber"]), str(template.get("LaunchTemplateName"))
    runs = _runs(target, str(template["LaunchTemplateId"]), number, reader)
    default, latest = number == template.get("DefaultVersionNumber"), number == template.get("LatestVersionNumber")
    state = "in use" if runs else "default version" if default else "latest version" if latest else "older version"
    yield from found(target, str(template["LaunchTemplateId"]), f"launch template {name}, version {number}, in {target.region}", spots, state=state,
                     version=str(number), confidence=SURE if runs or default or latest else OLD, used_by=runs,
                     data={"name": name, "default": default, "latest": latest})  # fmt: skip


def _runs(target: Target, template: str, version: int, reader: Reader) -> tuple[str, ...]:
    """Ids of instances that were started from it."""
    try:
        instances = list(instance_user_data.instances(target, reader))
    except EvictError:
        return ()  # the search of the instances says so
    tags = [(str(i["InstanceId"]), {str(tag.get("Key")): str(tag.get("Value")) for tag in i.get("Tags", [])}) for i in instances]
    return tuple(sorted(i for i, tag in tags if tag.get(_ID) == template and tag.get(_VERSION) == str(version)))
