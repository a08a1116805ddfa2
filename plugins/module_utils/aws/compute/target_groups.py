# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Target groups of load balancers (ELBv2): what stands in one under any of its names gets no more requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.plan import Call, Probe, Step
from ...common.reader import Reader
from .kind import Machine, step

READS: tuple[str, ...] = ("elbv2:DescribeTargetGroups", "elbv2:DescribeTargetHealth")
_SERVING = ("initial", "healthy", "unhealthy", "unhealthy.draining", "unavailable", "unused")  # all but draining, which is on its way out


def left(machine: Machine, vpc: str, names: Iterable[str], reader: Reader, only: Iterable[str] = ()) -> Iterator[Step]:
    """Deregister it wherever it is a target. ``names``: its id and addresses; ``only``: ARNs of target groups, else all of the VPC."""
    mine, chosen = set(names), sorted(only)
    for group in chosen or _groups(machine, vpc, reader):
        health = Call(machine.target, "elbv2", "DescribeTargetHealth", {"TargetGroupArn": group})
        for entry in reader.get(health).get("TargetHealthDescriptions", []):
            target = {k: v for k, v in entry["Target"].items() if k in ("Id", "Port")}
            if target["Id"] not in mine or (entry.get("TargetHealth") or {}).get("State") == "draining":
                continue
            seen = [{"Target": target, "TargetHealth": {"State": state}} for state in _SERVING]
            there = {"TargetGroupArn": group, "Targets": [target]}
            name = group.split(":targetgroup/", 1)[-1].split("/", 1)[0]
            yield step(
                machine, f"target/{group}/{target['Id']}:{target.get('Port', '')}", f"target {target['Id']} of group {name}", "deregister", [target["Id"]], [],
                (Call(machine.target, "elbv2", "DeregisterTargets", there),), Probe(health, ("TargetHealthDescriptions", seen, "Target", "Id")),
                (Call(machine.target, "elbv2", "RegisterTargets", there),),
            )  # fmt: skip


def _groups(machine: Machine, vpc: str, reader: Reader) -> list[str]:
    found = reader.get(Call(machine.target, "elbv2", "DescribeTargetGroups", {})).get("TargetGroups", [])
    return [str(g["TargetGroupArn"]) for g in found if g.get("VpcId") == vpc and g.get("TargetType", "instance") in ("instance", "ip")]
