# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ECS tasks: the agent caches the credentials of a task's role until they run out. A service gets new tasks by a forced deployment, a lone task is nobody's."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from ...common.plan import Call, Phase, Probe, Ref, Step, Target
from ...common.reader import Reader
from ..each import each
from ..principal import Principal
from ..session import parse
from .kind import MARK, Workload

KIND = "ecs_service"
NOUN = "ECS services and tasks"
SERVICE = "ecs-tasks.amazonaws.com"
LONGEST = datetime.timedelta(hours=6)  # "Task IAM role" in the ECS developer guide
QUICK = False
READS: tuple[str, ...] = (
    "ecs:ListClusters", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:DescribeTaskDefinition", "ecs:DescribeServices",
)  # fmt: skip
_PAGE = 100


def held(role: Principal, target: Target, reader: Reader) -> Iterator[Workload]:
    """Running tasks with the role, by the service that they belong to."""

    def one(cluster: str) -> Iterator[Workload]:
        running = {"cluster": cluster, "desiredStatus": "RUNNING"}
        arns = reader.read(Probe(Call(target, "ecs", "ListTasks", running), ("taskArns",), ("ClusterNotFoundException",))) or []
        services: dict[str, list[dict[str, Any]]] = {}
        for task in _described(target, cluster, arns, reader):
            if _role(task, target, reader) != role.arn:
                continue
            name, group = _name(task), str(task.get("group", ""))
            if group.startswith("service:"):
                services.setdefault(group.removeprefix("service:"), []).append(task)
            else:
                why = "it belongs to no service: stop it, and start it again by whatever started it"
                yield Workload(target, task["taskArn"], role.arn, f"ECS task {name} in {target.region}", frozenset({name}), why=why)
        for name, tasks in sorted(services.items()):
            yield _service(role, target, cluster, name, tasks, reader)

    return each(reader.get(Call(target, "ecs", "ListClusters", {})).get("clusterArns", []), one)


def _described(target: Target, cluster: str, arns: list[str], reader: Reader) -> Iterator[dict[str, Any]]:
    for start in range(0, len(arns), _PAGE):
        asked = {"cluster": cluster, "tasks": arns[start : start + _PAGE]}
        yield from reader.get(Call(target, "ecs", "DescribeTasks", asked)).get("tasks", [])


def _name(task: dict[str, Any]) -> str:
    return str(task["taskArn"]).rsplit("/", 1)[-1]


def _role(task: dict[str, Any], target: Target, reader: Reader) -> str:
    """The role of the task's containers: of the run, else of its definition."""
    if own := (task.get("overrides") or {}).get("taskRoleArn"):
        return str(own)
    definition = reader.get(Call(target, "ecs", "DescribeTaskDefinition", {"taskDefinition": task["taskDefinitionArn"]}))
    return str(definition.get("taskDefinition", {}).get("taskRoleArn", ""))


def _listing(target: Target, cluster: str, name: str) -> Call:
    return Call(target, "ecs", "DescribeServices", {"cluster": cluster, "services": [name]})


def _service(role: Principal, target: Target, cluster: str, name: str, tasks: list[dict[str, Any]], reader: Reader) -> Workload:
    services = reader.get(_listing(target, cluster, name)).get("services", [])
    controller = (services[0].get("deploymentController") or {}).get("type", "ECS") if services else "?"
    why = "" if controller == "ECS" else f"its deployments are made by {controller}: deploy it again there"
    text = f"ECS service {name} in {target.region}"
    images = frozenset(str(container.get("image", "")) for task in tasks for container in task.get("containers", []))
    data = {"cluster": cluster, "service": name}
    return Workload(target, f"{cluster}/{name}", role.arn, text, frozenset(map(_name, tasks)), data, images, why)


def steps(workload: Workload, mark: str, reader: Reader) -> Iterator[Step]:
    """A new deployment of what is there; known by its id, so that a second run does not make another."""
    cluster, name = workload.data["cluster"], workload.data["service"]
    listing = Probe(_listing(workload.target, cluster, name), ("services", 0, "deployments", "id"))
    step_id = f"{workload.role}{MARK}{workload.id}/{mark}"
    yield Step(
        id=step_id, principal=workload.role, resource=f"{workload.text}, deployment", action="refresh its credentials", phase=Phase.RESOURCE,
        before=reader.read(listing) or [], after=None,
        do=(Call(workload.target, "ecs", "UpdateService", {"cluster": cluster, "service": name, "forceNewDeployment": True}, idempotent=False),),
        owns=Ref(step_id, ("service", "deployments", {"status": "PRIMARY"}, "id")), probe=listing,
        irreversible="the tasks of before are gone; the service is what it was",
        optional=True,
    )  # fmt: skip


def renewed(workload: Workload, cutoff: datetime.datetime, reader: Reader) -> bool:
    """When no task from before the cutoff is left: a deployment takes minutes, and one that fails or is rolled back leaves the old tasks where they are."""
    cluster, name = workload.data["cluster"], workload.data["service"]
    running = {"cluster": cluster, "serviceName": name, "desiredStatus": "RUNNING"}
    arns = reader.get(Call(workload.target, "ecs", "ListTasks", running)).get("taskArns", [])
    made = [task.get("createdAt") for task in _described(workload.target, cluster, arns, reader)]
    return all(moment and parse(str(moment)) > cutoff for moment in made)
