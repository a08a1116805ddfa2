# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ECS for a rotation: what of a task definition can be registered again, and how a deployment of a service goes."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable

from ..common.errors import EvictError
from ..common.plan import Call, Phase, Probe, Ref, Step, Target
from ..common.reader import Reader

READS = ("ecs:DescribeServices", "ecs:DescribeTaskDefinition")
# The members of RegisterTaskDefinition but its tags, which DescribeTaskDefinition answers with beside the definition.
REGISTRABLE = ("family", "taskRoleArn", "executionRoleArn", "networkMode", "containerDefinitions", "volumes", "placementConstraints", "requiresCompatibilities",
               "cpu", "memory", "pidMode", "ipcMode", "proxyConfiguration", "inferenceAccelerators", "ephemeralStorage", "runtimePlatform",
               "enableFaultInjection")  # fmt: skip


def definition(target: Target, name: str) -> Call:
    """A revision, or the newest active one of a family."""
    return Call(target, "ecs", "DescribeTaskDefinition", {"taskDefinition": name, "include": ["TAGS"]})


def listing(target: Target, service: str) -> Call:
    cluster, _slash, name = service.partition("/")
    return Call(target, "ecs", "DescribeServices", {"cluster": cluster, "services": [name]})


def service(target: Target, name: str, reader: Reader) -> dict[str, t.Any]:
    """The service CLUSTER/SERVICE. Raises when there is none, or when its deployments are not made by ECS itself."""
    found = [s for s in reader.get(listing(target, name)).get("services", []) if s.get("status") != "INACTIVE"]
    if not found:
        raise _refused(name, "there is no such service")
    controller = str((found[0].get("deploymentController") or {}).get("type") or "ECS")
    if controller != "ECS" or found[0].get("taskSets"):
        raise _refused(name, f"its deployments are made by {controller}: declare a hook that deploys it there")
    return dict(found[0])


def progress(found: dict[str, t.Any], name: str) -> str:
    """What its deployment waits for; "" when all that runs is of the newest. Raises when it has failed, or was rolled back by the circuit breaker."""
    deployments = found.get("deployments") or []
    primary: dict[str, t.Any] = next((d for d in deployments if d.get("status") == "PRIMARY"), {})
    state, why = str(primary.get("rolloutState") or ""), str(primary.get("rolloutStateReason") or "")
    if state == "FAILED":
        raise _refused(name, f"its deployment failed ({why or 'no reason given'})")
    if rolled_back(found):
        raise _refused(name, f"its deployment was rolled back ({rolled_back(found)})")
    older = [d for d in deployments if d is not primary and (d.get("runningCount") or d.get("pendingCount"))]
    if older:
        return f"tasks of an older deployment of service {name} are running"
    wanted, runs = int(primary.get("desiredCount") or 0), int(primary.get("runningCount") or 0)
    if runs < wanted or state == "IN_PROGRESS":
        return f"{runs} of {wanted} tasks of service {name} run with it"
    return ""


def rolled_back(found: dict[str, t.Any]) -> str:
    """By which words the circuit breaker, or an alarm, rolled the newest deployment back; "" if none did."""
    primary: dict[str, t.Any] = next((d for d in found.get("deployments") or () if d.get("status") == "PRIMARY"), {})
    why = str(primary.get("rolloutStateReason") or "")
    return why if "rolling back" in why.lower() or "rolled back" in why.lower() else ""


def not_restarted(target: Target, services: Iterable[str], since: str, reader: Reader, progress: bool = True) -> str:
    """What of ``services`` has not been deployed since then (RFC 3339), or, with ``progress``, not wholly; "" for nothing."""
    for name in services:
        found = service(target, name, reader)
        primary: dict[str, t.Any] = next((d for d in found.get("deployments") or () if d.get("status") == "PRIMARY"), {})
        if str(primary.get("createdAt") or "") < since:
            return f"service {name} has not been restarted since"
        if progress and (said := _progress(found, name)):
            return said
    return ""


def restart(target: Target, name: str, user: str, step_id: str, reader: Reader) -> Step:
    """A new deployment of what is there."""
    found = service(target, name, reader)
    probe = Probe(listing(target, name), ("services", 0, "deployments", "id"))
    cluster, _slash, short = name.partition("/")
    return Step(
        id=step_id, principal=user, resource=f"ECS service {name} in {target.region}, deployment", action="restart, for the new key", phase=Phase.CREDENTIAL,
        before=[d.get("id") for d in found.get("deployments") or ()], after=None, probe=probe,
        owns=Ref(step_id, ("service", "deployments", {"status": "PRIMARY"}, "id")),
        do=(Call(target, "ecs", "UpdateService", {"cluster": cluster, "service": short, "forceNewDeployment": True}, idempotent=False),),
        irreversible="the tasks of before are gone; the service is what it was",
    )  # fmt: skip


_progress = progress


def _refused(name: str, why: str) -> EvictError:
    return EvictError(f"ECS service {name}: {why}", object=f"ECS service {name}", operation="rotate")
