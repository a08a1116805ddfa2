# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ECS tasks: one is kept aside as evidence. ECS has no "detach": what there is, is protection against deployments and scaling for 48 hours, within
which the service gets new tasks, and leaving its target groups.

The interface of a task is ECS's own, and nobody else may change its security groups ("Allocate a network interface for an Amazon ECS task"). Its role
cannot be taken away either: its session of the role is denied by its name, which outlasts every renewal.
"""

from __future__ import annotations

import datetime
import typing as t
from collections.abc import Iterator, Mapping

from ...common import compute
from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from ..session import iso, parse
from .kind import About, Machine, Stage, step
from .target_groups import left

KIND = "ecs_task"
NOUN = "ECS tasks"
ARN = compute.TASK
EVENTS: frozenset[tuple[str, str]] = frozenset({("ecs.amazonaws.com", "RunTask"), ("ecs.amazonaws.com", "StartTask")})
READS: tuple[str, ...] = ("ecs:DescribeTasks", "ecs:DescribeTaskDefinition", "ecs:DescribeServices", "ecs:GetTaskProtection")
OFF = ""
MINUTES = 2880  # the most that AWS grants
_NETWORK = "its network cannot be cut from here, since AWS lets nobody change a task's interface: deny its address in the network ACL of its subnet"
_LONE = "it belongs to no service, so nothing replaces or protects it: look at it, then stop it by hand"
_RENEW = datetime.timedelta(hours=24)  # with less than that left a run asks for all of it again
_KEPT = f"kept from deployments and scaling for {MINUTES // 60} hours: run again within a day of the end; a failing health check may still end it"


def started(event: Mapping[str, t.Any]) -> list[str]:
    """The tasks of a RunTask or StartTask."""
    tasks = (event.get("responseElements") or {}).get("tasks") or []
    return [str(task["taskArn"]) for task in tasks if task.get("taskArn")]


def _where(arn: str) -> tuple[str, str]:
    """(cluster, id)."""
    cluster, _slash, name = arn.split(":task/", 1)[-1].partition("/")
    return cluster, name


def look(target: Target, arn: str, reader: Reader) -> Machine:
    """What it is now. ECS forgets a stopped task within an hour."""
    cluster, name = _where(arn)
    text = f"ECS task {name} in {target.region}"
    tasks = reader.get(Call(target, "ecs", "DescribeTasks", {"cluster": cluster, "tasks": [arn]})).get("tasks", [])
    if not tasks or tasks[0].get("lastStatus") == "STOPPED":
        return Machine(
            target,
            arn,
            name,
            text,
            gone="it has stopped" if tasks else "it is not there any more (ECS forgets a stopped task within an hour)",
        )
    data = tasks[0]
    role = (data.get("overrides") or {}).get("taskRoleArn")
    if not role:
        asked = Call(target, "ecs", "DescribeTaskDefinition", {"taskDefinition": data["taskDefinitionArn"]})
        role = reader.get(asked).get("taskDefinition", {}).get("taskRoleArn")
    notes = (_KEPT if _service(data) else _LONE, _NETWORK)
    kept = {
        key: data[key] for key in ("group", "attachments", "taskDefinitionArn", "launchType") if key in data
    }  # overrides may hold secrets
    return Machine(target, arn, name, text, (str(role),) if role else (), name, kept, notes=notes)


def _service(data: Mapping[str, t.Any]) -> str:
    group = str(data.get("group", ""))
    return group.removeprefix("service:") if group.startswith("service:") else ""


def _until(answer: Mapping[str, t.Any]) -> datetime.datetime | None:
    """When the protection of a task ends, as ECS says."""
    said = next((task.get("expirationDate") for task in answer.get("protectedTasks", []) if task.get("protectionEnabled")), None)
    found = said if isinstance(said, datetime.datetime) or said is None else parse(str(said))
    return found if found is None or found.tzinfo else found.replace(tzinfo=datetime.UTC)


def protected_until(machine: Machine, reader: Reader) -> str:
    """When nothing keeps it any more from deployments and scaling (RFC 3339); "" when that is not known."""
    if lone(machine.data):
        return ""
    task = {"cluster": _where(machine.arn)[0], "tasks": [machine.arn]}
    until = _until(reader.get(Call(machine.target, "ecs", "GetTaskProtection", task)))
    return iso(until) if until else ""


def lone(data: Mapping[str, t.Any]) -> bool:
    """Whether it belongs to no service: then nothing of it is isolated but its session of the role."""
    return not _service(data)


def keep(machine: Machine, _about: About, reader: Reader) -> Iterator[Step]:
    """Neither a deployment nor scaling ends it."""
    if not _service(machine.data):
        return
    task = {"cluster": _where(machine.arn)[0], "tasks": [machine.arn]}
    probe = Probe(Call(machine.target, "ecs", "GetTaskProtection", task), ("protectedTasks", 0, "protectionEnabled"))
    until = _until(reader.get(probe.call))
    runs_out = until is not None and until - datetime.datetime.now(datetime.UTC) < _RENEW  # then it is asked for anew
    before = bool(reader.read(probe)) and not runs_out
    yield step(
        machine, "protection", "protection", "keep it aside", before, True,
        (Call(machine.target, "ecs", "UpdateTaskProtection", {**task, "protectionEnabled": True, "expiresInMinutes": MINUTES}),), probe,
        (Call(machine.target, "ecs", "UpdateTaskProtection", {**task, "protectionEnabled": before}),),
    )  # fmt: skip


def withdraw(machine: Machine, _about: About, reader: Reader) -> Iterator[Step]:
    """Its service's load balancers send it nothing any more."""
    service = _service(machine.data)
    if not service:
        return
    asked = Call(machine.target, "ecs", "DescribeServices", {"cluster": _where(machine.arn)[0], "services": [service]})
    found = reader.get(asked).get("services", [])
    groups = [str(b["targetGroupArn"]) for s in found for b in s.get("loadBalancers", []) if b.get("targetGroupArn")]
    details = [d for a in machine.data.get("attachments", []) for d in a.get("details", [])]
    addresses = [str(d["value"]) for d in details if d.get("name") == "privateIPv4Address"]
    if groups and addresses:
        yield from left(machine, "", addresses, reader, only=groups)


FIRST: tuple[Stage, ...] = (keep, withdraw)
SECOND: tuple[Stage, ...] = ()
