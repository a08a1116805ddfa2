# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Amplify: variables and build specifications of apps, and of their branches."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.plan import Call, Target
from ...common.reader import Reader
from ..needles import Needles, Spot
from .kind import Part, Told, each, found

KIND = "amplify"
NOUN = "Amplify apps and branches"
READS: tuple[str, ...] = ("amplify:ListApps", "amplify:ListBranches")


def search(target: Target, needles: Needles, reader: Reader) -> Iterator[Told]:
    apps = reader.get(Call(target, "amplify", "ListApps", {})).get("apps", [])
    yield from each(apps, lambda a: str(a.get("appArn")), lambda a: _app(target, a, needles))
    for app in apps:
        yield Part(f"branches of {app.get('appArn')}", lambda app=app: _branches(target, app, needles, reader))  # type: ignore[misc]


def _spots(thing: dict[str, t.Any], needles: Needles) -> list[Spot]:
    spots = needles.find(thing.get("environmentVariables") or {}, "environmentVariables", "variable")
    return spots + [
        spot for part in ("buildSpec", "basicAuthCredentials", "customHeaders") for spot in needles.find(thing.get(part) or "", part)
    ]


def _app(target: Target, app: dict[str, t.Any], needles: Needles) -> Iterator[Told]:
    data, version = {"app": app["appId"]}, str(app.get("updateTime", ""))
    yield from found(
        target, str(app["appArn"]), f"Amplify app {app.get('name')} in {target.region}", _spots(app, needles), version=version, data=data
    )


def _branches(target: Target, app: dict[str, t.Any], needles: Needles, reader: Reader) -> Iterator[Told]:
    branches = reader.get(Call(target, "amplify", "ListBranches", {"appId": app["appId"]})).get("branches", [])

    def one(branch: dict[str, t.Any]) -> Iterator[Told]:
        data = {"app": app["appId"], "branch": branch["branchName"]}
        text = f"branch {branch['branchName']} of Amplify app {app.get('name')} in {target.region}"
        yield from found(
            target, str(branch["branchArn"]), text, _spots(branch, needles), version=str(branch.get("updateTime", "")), data=data
        )

    yield from each(branches, lambda b: str(b.get("branchArn")), one)
