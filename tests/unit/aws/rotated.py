"""An account in memory whose every request and answer is checked against botocore's models, and a rotation's machine over it with a real case.

``Killed`` is raised in the place of a kill: nothing after it is written, as when the process ends.
"""

from __future__ import annotations

import copy
import datetime
import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import documents
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation import health, machine, moving, powers, watch
from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation import options as chosen
from ansible_collections.evict.cloud.plugins.module_utils.aws.session import _plain
from ansible_collections.evict.cloud.plugins.module_utils.common.case import Case
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError
from ansible_collections.evict.cloud.plugins.module_utils.common.guard import Guard
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Edit
from ansible_collections.evict.cloud.plugins.module_utils.common.run import Runner
from ansible_collections.evict.cloud.plugins.module_utils.outside.clouds import Clouds
from tests.unit.aws.modelled_cloud import checked, model

ACCOUNT, REGION = "111122223333", "eu-west-1"
ARN = f"arn:aws:iam::{ACCOUNT}:user/app"
OLD, OLD_SECRET = "AKIAIOSFODNN7EXAMPLE", "o" * 39 + "1"
BEGIN = datetime.datetime(2026, 11, 28, 9, 0, tzinfo=datetime.UTC)


class Killed(BaseException):
    pass


class Account:
    """``faults``: {operation: ["before" | "lost" | "kill" | "killed" | (code, message)]}, used up one by one: lost and killed are after it was carried out."""

    def __init__(self) -> None:
        self.keys: dict[str, dict[str, Any]] = {OLD: {"Status": "Active", "secret": OLD_SECRET}}
        self.secrets: dict[str, str] = {OLD: OLD_SECRET}
        self.clock = BEGIN
        self.calls: list[str] = []
        self.faults: dict[str, list[Any]] = {}
        self.definitions: dict[str, dict[str, Any]] = {}
        self.services: dict[str, dict[str, Any]] = {}
        self.projects: dict[str, dict[str, Any]] = {}
        self.builds: list[dict[str, Any]] = []
        self.looks, self.breaker = 1, False
        self.parameters: dict[str, list[tuple[str, str]]] = {}
        self.used: dict[str, str] = {}
        self.allowed: set[str] = set()  # actions of its users, by the simulator
        self.policies: dict[str, str] = {}
        self._number = itertools.count(1)

    # -- as session.Aws ----------------------------------------------------------------------------------------------------------

    def now(self) -> datetime.datetime:
        self.clock += datetime.timedelta(seconds=1)
        return self.clock

    def attempt(self, keys: tuple[str, str, str], _call: Call) -> str:
        known = self.keys.get(keys[0])
        return "" if known and known["Status"] == "Active" and known["secret"] == keys[1] else "InvalidClientTokenId: no"

    def document(self, edit: Edit) -> Any:
        return documents.find(edit.target, edit.document)

    def call(self, call: Call, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        sent = {k: v for k, v in dict(call.parameters if parameters is None else parameters).items() if k != "PaginationConfig"}
        operation = model(call.service).operation_model(call.operation)
        if operation.input_shape is not None:
            checked(operation.input_shape, sent, call.name)
        self.calls.append(call.operation)
        faults = self.faults.get(call.operation) or []
        fault = faults.pop(0) if faults else None
        if fault == "kill":
            raise Killed
        if isinstance(fault, tuple):
            raise CloudError(f"{call.name}: {fault[0]}: {fault[1]}", code=fault[0], object="x", operation=call.name)
        if fault == "before":
            raise CloudError("no answer", code="Reset", lost=True, object="x", operation=call.name)
        answer = copy.deepcopy(getattr(self, call.operation)(**sent))
        if operation.output_shape is not None:
            checked(operation.output_shape, answer, f"answer of {call.name}")
        if fault == "killed":
            raise Killed
        if fault == "lost":
            raise CloudError("no answer", code="Reset", lost=True, object="x", operation=call.name)
        if "PolicyDocument" in answer:  # which botocore decodes
            answer["PolicyDocument"] = json.loads(answer["PolicyDocument"])
        return dict(_plain(answer))

    # -- IAM ---------------------------------------------------------------------------------------------------------------------

    def ListAccessKeys(self, UserName: str) -> dict[str, Any]:  # noqa: N802, N803 - AWS's names
        rows = [{"UserName": UserName, "AccessKeyId": k, "Status": v["Status"]} for k, v in self.keys.items()]
        return {"AccessKeyMetadata": rows, "IsTruncated": False}

    def CreateAccessKey(self, UserName: str) -> dict[str, Any]:  # noqa: N802, N803
        if len(self.keys) > 1:
            raise CloudError("LimitExceeded", code="LimitExceeded", object=UserName, operation="iam:CreateAccessKey")
        number = next(self._number)
        made, secret = f"AKIAIOSFODNN7NEW{number:04d}", f"{number:02d}" + "n" * 37 + "2"
        self.keys[made] = {"Status": "Active", "secret": secret}
        self.secrets[made] = secret
        return {"AccessKey": {"UserName": UserName, "AccessKeyId": made, "Status": "Active", "SecretAccessKey": secret}}

    def UpdateAccessKey(self, UserName: str, AccessKeyId: str, Status: str) -> dict[str, Any]:  # noqa: N802, N803
        self.keys[AccessKeyId]["Status"] = Status
        return {}

    def DeleteAccessKey(self, UserName: str, AccessKeyId: str) -> dict[str, Any]:  # noqa: N802, N803
        del self.keys[AccessKeyId]
        return {}

    def GetAccessKeyLastUsed(self, AccessKeyId: str) -> dict[str, Any]:  # noqa: N802, N803
        used = {"LastUsedDate": datetime.datetime.fromisoformat(self.used[AccessKeyId])} if AccessKeyId in self.used else {}
        return {"UserName": "app", "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A", **used}}

    def SimulatePrincipalPolicy(self, PolicySourceArn: str, ActionNames: list[str], ResourceArns: list[str]) -> dict[str, Any]:  # noqa: N802, N803
        decided = [(action, "allowed" if action in self.allowed else "implicitDeny") for action in ActionNames]
        return {"EvaluationResults": [{"EvalActionName": a, "EvalDecision": d, "EvalResourceName": ResourceArns[0]} for a, d in decided]}

    def GetUserPolicy(self, UserName: str, PolicyName: str) -> dict[str, Any]:  # noqa: N802, N803
        if PolicyName not in self.policies:
            raise CloudError("NoSuchEntity", code="NoSuchEntity", object=UserName, operation="iam:GetUserPolicy")
        return {"UserName": UserName, "PolicyName": PolicyName, "PolicyDocument": self.policies[PolicyName]}

    def ListUserPolicies(self, UserName: str) -> dict[str, Any]:  # noqa: N802, N803
        return {"PolicyNames": list(self.policies)}

    def PutUserPolicy(self, UserName: str, PolicyName: str, PolicyDocument: str) -> dict[str, Any]:  # noqa: N802, N803
        self.policies[PolicyName] = PolicyDocument
        return {}

    def DeleteUserPolicy(self, UserName: str, PolicyName: str) -> dict[str, Any]:  # noqa: N802, N803
        del self.policies[PolicyName]
        return {}

    # -- SSM ---------------------------------------------------------------------------------------------------------------------

    def DescribeParameters(self, ParameterFilters: Any) -> dict[str, Any]:  # noqa: N802, N803
        return {"Parameters": [{"Name": name, "Type": "SecureString"} for name in self.parameters]}

    def GetParameter(self, Name: str, WithDecryption: bool = False) -> dict[str, Any]:  # noqa: N802, N803
        text, at = self.parameters[Name][-1]
        when = datetime.datetime.fromisoformat(at)
        return {
            "Parameter": {
                "Name": Name,
                "ARN": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{Name}",
                "Value": text if WithDecryption else "?",
                "Version": len(self.parameters[Name]),
                "LastModifiedDate": when,
            }
        }

    def GetParameterHistory(self, Name: str, WithDecryption: bool = False) -> dict[str, Any]:  # noqa: N802, N803
        return {"Parameters": [{"Name": Name, "Version": n + 1, "Value": text} for n, (text, _at) in enumerate(self.parameters[Name])]}

    def PutParameter(self, Name: str, Value: str, **_more: Any) -> dict[str, Any]:  # noqa: N802, N803
        self.parameters[Name].append((Value, self.now().isoformat()))
        return {"Version": len(self.parameters[Name])}

    # -- ECS ---------------------------------------------------------------------------------------------------------------------

    def RegisterTaskDefinition(self, family: str, tags: Any = None, **more: Any) -> dict[str, Any]:  # noqa: N802
        revision = 1 + max([d["revision"] for d in self.definitions.values() if d["family"] == family], default=0)
        arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{family}:{revision}"
        made = {"family": family, "revision": revision, "taskDefinitionArn": arn, "status": "ACTIVE", "registeredBy": "x", "requiresAttributes": [],
                "compatibilities": ["EC2"], "volumes": [], "placementConstraints": [], **more}  # fmt: skip
        self.definitions[arn] = {**made, "_tags": tags or []}
        return {"taskDefinition": made, "tags": tags or []}

    def DescribeTaskDefinition(self, taskDefinition: str, include: Any = ()) -> dict[str, Any]:  # noqa: N802, N803
        if taskDefinition.startswith("arn:"):
            found = self.definitions[taskDefinition]
        else:
            active = [d for d in self.definitions.values() if d["family"] == taskDefinition and d["status"] == "ACTIVE"]
            found = max(active, key=lambda d: d["revision"])
        return {
            "taskDefinition": {k: v for k, v in found.items() if k != "_tags"},
            **({"tags": found["_tags"]} if "TAGS" in include else {}),
        }

    def ListTaskDefinitions(self, familyPrefix: str, status: str, sort: str) -> dict[str, Any]:  # noqa: N802, N803
        found = [d for d in self.definitions.values() if d["family"] == familyPrefix and d["status"] == status]
        return {"taskDefinitionArns": [d["taskDefinitionArn"] for d in sorted(found, key=lambda d: -d["revision"])]}

    def ListClusters(self) -> dict[str, Any]:  # noqa: N802
        return {"clusterArns": [f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/prod"]}

    def DeregisterTaskDefinition(self, taskDefinition: str) -> dict[str, Any]:  # noqa: N802, N803
        self.definitions[taskDefinition]["status"] = "INACTIVE"
        return {}

    def serve(self, name: str, definition: str, **more: Any) -> None:
        self.services[name] = {
            "serviceName": name.split("/")[1],
            "status": "ACTIVE",
            "taskDefinition": definition,
            "deployments": [],
            **more,
        }
        self._deploy(name, definition, left=0)

    def _deploy(self, name: str, definition: str, left: int, reason: str = "ECS deployment completed.") -> None:
        service = self.services[name]
        service["taskDefinition"] = definition
        new = {
            "id": f"ecs-svc/{next(self._number)}",
            "status": "PRIMARY",
            "taskDefinition": definition,
            "desiredCount": 2,
            "createdAt": self.now(),
        }
        older = [{**d, "status": "ACTIVE"} for d in service["deployments"]]
        service["deployments"] = [new, *(older if left else [])]
        service["_left"], service["_reason"] = left, reason
        self._turn(service)

    def _turn(self, service: dict[str, Any]) -> None:
        done = not service["_left"]
        service["deployments"] = service["deployments"][: 1 if done else None]
        service["deployments"][0] |= {"rolloutState": "COMPLETED" if done else "IN_PROGRESS", "runningCount": 2 if done else 0,
                                      "rolloutStateReason": service["_reason"]}  # fmt: skip
        for older in service["deployments"][1:]:
            older["runningCount"] = 2

    def DescribeServices(self, cluster: str, services: list[str]) -> dict[str, Any]:  # noqa: N802
        found = []
        for name in services:
            service = self.services.get(f"{cluster}/{name}")
            if service is None:
                return {"services": [], "failures": [{"reason": "MISSING"}]}
            found.append(copy.deepcopy({k: v for k, v in service.items() if not k.startswith("_")}))
            if self.breaker and service["_left"]:
                old = service["deployments"][-1]["taskDefinition"]
                self._deploy(f"{cluster}/{name}", old, 0, "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1.")
            service["_left"] = max(0, service["_left"] - 1)
            self._turn(service)
        return {"services": found, "failures": []}

    def UpdateService(self, cluster: str, service: str, taskDefinition: str = "", forceNewDeployment: bool = False) -> dict[str, Any]:  # noqa: N802, N803
        name = f"{cluster}/{service}"
        wanted = taskDefinition or self.services[name]["taskDefinition"]
        if wanted != self.services[name]["taskDefinition"] or forceNewDeployment:
            self._deploy(name, wanted, self.looks)
        return {"service": {k: v for k, v in self.services[name].items() if not k.startswith("_")}}

    # -- CodeBuild ---------------------------------------------------------------------------------------------------------------

    def BatchGetProjects(self, names: list[str]) -> dict[str, Any]:  # noqa: N802
        return {"projects": [self.projects[name] for name in names if name in self.projects]}

    def GetResourcePolicy(self, resourceArn: str) -> dict[str, Any]:  # noqa: N802, N803
        raise CloudError(
            "ResourceNotFoundException", code="ResourceNotFoundException", object=resourceArn, operation="codebuild:GetResourcePolicy"
        )

    def UpdateProject(self, name: str, environment: Any) -> dict[str, Any]:  # noqa: N802
        self.projects[name]["environment"] = environment
        return {"project": self.projects[name]}

    def ListBuildsForProject(self, projectName: str) -> dict[str, Any]:  # noqa: N802, N803
        return {"ids": [b["id"] for b in self.builds]} if self.builds else {}

    def BatchGetBuilds(self, ids: list[str]) -> dict[str, Any]:  # noqa: N802
        return {"builds": [b for b in self.builds if b["id"] in ids]}


class Estate:
    """``run`` is one run of the module over the account: opened, settled, rotated, ended. ``connection``: of the incident file."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, connection: dict[str, Any] | None = None) -> None:
        self.folder, self.account = folder, Account()
        self.dependents: list[dict[str, Any]] = []
        self.incident = {
            "id": "IR-1", "opened": "2026-11-22T09:00:00Z", "store": str(folder / "cases"), "mode": "graceful", "connection": connection or {},
            "suspects": [{"cloud": "aws", "account": ACCOUNT, "access_key_id": OLD}],
        }  # fmt: skip
        self.user = Principal(ACCOUNT, "user", "app", "AIDAEXAMPLE", ARN, OLD)
        monkeypatch.setattr(watch, "strangers", lambda *_a, **_k: ("", ""))
        for owner, name in ((watch, "public"), (powers, "powerful")):
            monkeypatch.setattr(owner, name, lambda *_a, **_k: "")
        monkeypatch.setattr(health, "PAUSE", 0.0)
        monkeypatch.setattr(os, "fsync", lambda _handle: None)  # what survives a loss of power is shown elsewhere
        monkeypatch.setattr(
            moving, "POLL", 0.01
        )  # each look is a second or more of the account's clock, which has not to come to the deadline

    def run(self, check: bool = False, quiet: float = 0.0, mode: str = "graceful") -> Run:
        params = {"incident_data": self.incident}
        case = Case.open(params, module="aws_credential_rotation", check=check)
        clouds = Clouds({"aws": self.account}, case.incident, self.dependents)
        journal = None if check else case.ledger
        runner = Runner(
            clouds, journal, check=check, threads=2, history=case.answers, now=lambda: self.account.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        )
        result = Run(case, runner, self.account, self.user)
        try:
            result.recovered = runner.recover(case.ledger.open_intents())
            places = chosen.places(self.dependents, self.user, "incident")
            result.machine = machine.Machine(result, self.user, OLD, set(), places, chosen.Options(mode, quiet, 0.0, 1.0))  # type: ignore[arg-type]
            result.machines.append(result.machine)
            if result.machine.begin() and result.machine.ready():
                result.machine.go_on()
        except Killed:
            result.killed = True
            if case.lease:
                case.lease.release()  # its process is dead, and this one is not
            return result
        finally:
            runner.close()
        case.end("ok", None)
        return result

    @property
    def new(self) -> str:
        return next(k for k in self.account.keys if k != OLD)

    def files(self) -> bytes:
        """All that was written anywhere."""
        return b"".join(path.read_bytes() for path in self.folder.rglob("*") if path.is_file() and path.name != "token")


class Run:
    """As ``verb.Rotation`` for the machine."""

    def __init__(self, case: Case, runner: Runner, account: Account, user: Principal) -> None:
        self.case, self.runner, self.aws, self.incident = case, runner, account, case.incident
        self.principals = {user.arn: user}
        self.suspects, self.machines, self.unresolved = case.incident.suspects, list[Any](), set[str]()
        self.guard = Guard(protected=(), overrides=(), limit=25)
        self.warnings: list[str] = []
        self.machine: Any = None
        self.recovered: list[str] = []
        self.killed = False
        self.warn = self.warnings.append

    @property
    def changed(self) -> int:
        return self.runner.changed

    @property
    def state(self) -> str:
        return str(self.machine.row()["state"])

    @property
    def said(self) -> str:
        failed = [f"{f['object']}: {f['message']}" for f in self.runner.failures]
        return "; ".join(failed + [str(o["why"]) for o in self.machine.open])
