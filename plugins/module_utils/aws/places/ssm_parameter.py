# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSM parameters, decrypted, ten in a request. An id and its secret are mostly two parameters with names alike: both are named then.

Older versions of a parameter are not looked at: whoever does not pin one reads the newest.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterator

from ...common.errors import CloudError, EvictError
from ...common.plan import Call, Target
from ...common.reader import Reader
from ..halves import secretive, twins
from ..needles import Needles
from .kind import Found, Gap, Part, Seen, Told, batches, each, found, pages, throttled

KIND = "ssm_parameter"
NOUN = "SSM parameters"
READS: tuple[str, ...] = ("ssm:DescribeParameters", "ssm:GetParameters")
_TEN = 10


def search(target: Target, needles: Needles, reader: Reader) -> Iterator[Told]:
    for page in pages(reader, target, "ssm", "DescribeParameters", {}, 50):
        for some in batches(page.get("Parameters", []), _TEN):
            yield Part(", ".join(_names(some)), lambda some=some: _look(target, some, needles, reader))  # type: ignore[misc]


def _names(listed: list[dict[str, t.Any]]) -> list[str]:
    return [str(parameter["Name"]) for parameter in listed]


def _get(target: Target, names: list[str], reader: Reader) -> dict[str, t.Any]:
    return reader.get(Call(target, "ssm", "GetParameters", {"Names": names, "WithDecryption": True}))


def _look(target: Target, listed: list[dict[str, t.Any]], needles: Needles, reader: Reader) -> Iterator[Told]:
    about = {str(parameter["Name"]): parameter for parameter in listed}
    try:
        answer = _get(target, _names(listed), reader)
    except CloudError as error:  # one key that refuses, or one path that is not granted, fails all ten
        if throttled(error):
            raise
        yield from _one_by_one(target, listed, error, needles, reader)
        return
    yield from each(
        answer.get("Parameters", []),
        lambda p: str(p.get("Name")),
        lambda p: _one(target, p, about.get(str(p.get("Name")), {}), needles, reader),
    )
    for name in answer.get("InvalidParameters", []):
        yield Seen()
        yield Gap(str(name), EvictError("was listed, and could not be read", object=str(name), operation="ssm:GetParameters"))


def _one_by_one(target: Target, listed: list[dict[str, t.Any]], error: CloudError, needles: Needles, reader: Reader) -> Iterator[Told]:
    if len(listed) == 1:
        yield Seen()
        yield Gap(str(listed[0]["Name"]), error)
        return
    for one in listed:
        yield Part(str(one["Name"]), lambda one=one: _look(target, [one], needles, reader))  # type: ignore[misc]


def _one(target: Target, parameter: dict[str, t.Any], about: dict[str, t.Any], needles: Needles, reader: Reader) -> Iterator[Told]:
    name = str(parameter["Name"])
    # What PutParameter would otherwise choose anew: the key, the tier.
    kept = {"key": about.get("KeyId"), "tier": about.get("Tier"), "data_type": about.get("DataType")}
    data = {"name": name, "type": parameter.get("Type", ""), **{k: v for k, v in kept.items() if v}}
    for told in found(target, str(parameter.get("ARN") or name), f"parameter {name} in {target.region}", needles.find(parameter.get("Value") or "", "Value"),
                      version=str(parameter.get("Version", "")), data=data):  # fmt: skip
        yield _paired(told, target, name, needles, reader)


def _paired(told: Told, target: Target, name: str, needles: Needles, reader: Reader) -> Told:
    """With where the secret stands, if the id is all that is in this one and a parameter with a name alike holds the rest."""
    if (
        not isinstance(told, Found)
        or not needles.pairs
        or any(s.secret or s.at[0]["form"] != "value" for s in told.spots)
        or not twins(name)
    ):
        return told
    try:
        answer = _get(target, twins(name), reader)
    except CloudError:
        return told
    others = [p for p in answer.get("Parameters", []) if secretive(str(p["Name"]), str(p.get("Value") or ""))]
    if not others:
        return told
    other = min(others, key=lambda p: twins(name).index(str(p["Name"])))
    beside = ({"form": "parameter", "at": str(other["Name"]), "version": str(other.get("Version", ""))},)
    return dataclasses.replace(told, spots=tuple(dataclasses.replace(s, secret=beside) for s in told.spots))
