# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ECS task definitions: the revisions that services and tasks run, what running tasks were given beside, and the newest of each family, for schedules."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.errors import EvictError
from ...common.plan import Call, Target
from ...common.reader import Reader
from ..needles import Needles
from .kind import OLD, Gap, Part, Seen, Told, batches, each, found, guarded

KIND = "ecs_task_definition"
NOUN = "ECS task definitions"
READS: tuple[str, ...] = ("ecs:ListClusters", "ecs:ListServices", "ecs:DescribeServices", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:ListTaskDefinitions",
                          "ecs:DescribeTaskDefinition")  # fmt: skip


def search(target: Target, needles: Needles, reader: Reader) -> Iterator[Told]:
    yield Part("the newest revisions", lambda: _newest(target, needles, reader))
    for cluster in reader.get(Call(target, "ecs", "ListClusters", {})).get("clusterArns", []):
        yield Part(f"services of {cluster}", lambda cluster=cluster: _services(target, cluster, needles, reader))  # type: ignore[misc]
        yield Part(f"tasks of {cluster}", lambda cluster=cluster: _tasks(target, cluster, needles, reader))  # type: ignore[misc]


def _newest(target: Target, needles: Needles, reader: Reader) -> Iterator[Told]:
    active = reader.get(Call(target, "ecs", "ListTaskDefinitions", {"status": "ACTIVE", "sort": "DESC"})).get("taskDefinitionArns", [])
    newest: dict[str, tuple[int, str]] = {}
    for arn in active:
        family, _colon, revision = str(arn).rpartition(":")
        newest[family] = max(newest.get(family, (0, "")), (int(revision), str(arn)))
    for _revision, arn in newest.values():
        yield Seen()
        yield Part(arn, lambda arn=arn: _look(target, arn, "newest revision, nothing runs with it now", "", {}, needles, reader))  # type: ignore[misc]


def _services(target: Target, cluster: str, needles: Needles, reader: Reader) -> Iterator[Told]:
    arns = reader.get(Call(target, "ecs", "ListServices", {"cluster": cluster})).get("serviceArns", [])
    for some in batches(arns, 10):
        for service in reader.get(Call(target, "ecs", "DescribeServices", {"cluster": cluster, "services": some})).get("services", []):
            runs = {
                str(d["taskDefinition"])
                for d in (service, *service.get("deployments", []), *service.get("taskSets", []))
                if d.get("taskDefinition")
            }
            data = {"services": [{"cluster": cluster, "service": str(service["serviceName"])}]}
            for arn in sorted(runs):
                by = f"service {service['serviceName']}"
                yield Part(arn, lambda arn=arn, by=by, data=data: _look(target, arn, "in use", by, data, needles, reader))  # type: ignore[misc]


def _tasks(target: Target, cluster: str, needles: Needles, reader: Reader) -> Iterator[Told]:
    arns = reader.get(Call(target, "ecs", "ListTasks", {"cluster": cluster})).get("taskArns", [])
    for some in batches(arns, 100):
        for task in reader.get(Call(target, "ecs", "DescribeTasks", {"cluster": cluster, "tasks": some})).get("tasks", []):
            yield from guarded(str(task.get("taskArn")), lambda task=task: _task(target, cluster, task, needles))  # type: ignore[misc]
            arn, group = str(task["taskDefinitionArn"]), str(task.get("group", ""))
            if not group.startswith("service:"):  # those are known by their service
                by = f"task {str(task['taskArn']).rsplit('/', 1)[-1]}"
                yield Part(arn, lambda arn=arn, by=by: _look(target, arn, "in use", by, {}, needles, reader))  # type: ignore[misc]
            elif task.get("taskDefinitionArn"):  # an older one, while its service is being deployed
                service = group.removeprefix("service:")
                data = {"services": [{"cluster": cluster, "service": service}]}
                yield Part(arn, lambda arn=arn, s=service, d=data: _look(target, arn, "in use", f"service {s}", d, needles, reader))  # type: ignore[misc]


def _task(target: Target, cluster: str, task: dict[str, t.Any], needles: Needles) -> Iterator[Told]:
    """What a task was started with in place of its definition."""
    spots = needles.find(task.get("overrides") or {}, "overrides")
    name = str(task["taskArn"]).rsplit("/", 1)[-1]
    text = f"overrides of ECS task {name} in {target.region}"
    yield from found(target, str(task["taskArn"]), text, spots, state="in use", used_by=(f"task {name}",), data={"cluster": cluster})


def _look(target: Target, arn: str, state: str, by: str, data: dict[str, t.Any], needles: Needles, reader: Reader) -> Iterator[Told]:
    definition = reader.get(Call(target, "ecs", "DescribeTaskDefinition", {"taskDefinition": arn})).get("taskDefinition", {})
    family = f"{definition.get('family')}:{definition.get('revision')}"
    kept = {k: v for k, v in definition.items() if k in ("containerDefinitions", "volumes", "proxyConfiguration")}
    yield from found(target, arn, f"ECS task definition {family} in {target.region}", needles.find(kept, "taskDefinition"), state=state,
                     version=str(definition.get("revision", "")), used_by=(by,) if by else (), data={"family": definition.get("family", ""), **data},
                     **({} if by else {"confidence": OLD}))  # fmt: skip
    files = [f"{container.get('name')}: {file.get('value')}" for container in definition.get("containerDefinitions", [])
             for file in container.get("environmentFiles", [])]  # fmt: skip
    if files and needles.pairs:
        text = f"takes its environment from files in S3, which are not read here ({', '.join(files)[:300]})"
        yield from each([text], lambda _text: arn, lambda text: [Gap(arn, EvictError(text, object=arn, operation="search"))])
