"""What stock ministack lacks of the things that live on when IAM has cut their starter: SSM sessions, automations and cancellation, builds and jobs
that run, and who started them.

State and permissions only: there is no shell behind a session and no process behind a build. Fields and errors: from the services' API references, not
observed. Session.Owner of an ECS Exec session is the service-linked role's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from ministack.core import iam_evaluator as ev
from ministack.core.responses import AccountRegionScopedDict, error_response_json, get_account_id, json_response, new_uuid
from ministack.services import batch, codebuild, ec2, ecs, eks, glue, ssm

Data = dict[str, Any]
SESSIONS, AUTOMATIONS, BATCHES, PROTECTED = (AccountRegionScopedDict() for _ in range(4))
_ACTIVE = ("Connected", "Connecting", "Disconnected")
_RUNNING = ("Pending", "InProgress", "Waiting", "PendingApproval", "Approved", "Scheduled")


def install() -> None:
    """Add the handlers; before ministack's app is imported."""
    ssm._bed_sessions, ssm._bed_automations, codebuild._bed_batches, ecs._bed_protected = SESSIONS, AUTOMATIONS, BATCHES, PROTECTED
    handlers: dict[str, Callable[[Data], Any]] = {
        "StartSession": _start_session, "DescribeSessions": _describe_sessions, "TerminateSession": _terminate_session,
        "StartAutomationExecution": _start_automation, "DescribeAutomationExecutions": _describe_automations,
        "StopAutomationExecution": _stop_automation, "SendCommand": _send_command, "CancelCommand": _cancel_command,
    }  # fmt: skip
    stock = ssm.handle_request

    async def handle(method: str, path: str, headers: Data, body: bytes, query_params: Data) -> Any:
        action = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
        if action in handlers:
            return handlers[action](json.loads(body or b"{}"))
        return await stock(method, path, headers, body, query_params)

    ssm.handle_request = handle
    _patch_ecs()
    _patch_codebuild()
    _patch_glue()
    _patch_batch()
    _patch_eks()
    _patch_ec2()


def clear() -> None:
    """Forget all of them."""
    SESSIONS.clear()
    AUTOMATIONS.clear()
    BATCHES.clear()
    PROTECTED.clear()


def _caller() -> str:
    """user name, or role/session, as CodeBuild writes it."""
    arn = ev.caller_arn()
    return arn.split(":assumed-role/", 1)[1] if ":assumed-role/" in arn else arn.rsplit("/", 1)[-1]


# -- Systems Manager ---------------------------------------------------------------------------------------------------


def _new_session(target: str, owner: str, name: str) -> Data:
    session = {"SessionId": f"{name}-{new_uuid()[:17].replace('-', '0')}", "Target": target, "Status": "Connected", "StartDate": time.time(),
               "Owner": owner, "DocumentName": "SSM-SessionManagerRunShell"}  # fmt: skip
    SESSIONS[session["SessionId"]] = session
    return session


def _start_session(data: Data) -> Any:
    session = _new_session(str(data.get("Target", "")), ev.caller_arn(), ev.caller_arn().rsplit("/", 1)[-1])
    return json_response({"SessionId": session["SessionId"], "TokenValue": "bed", "StreamUrl": "wss://bed"})


def _describe_sessions(data: Data) -> Any:
    wanted = {f["key"]: f["value"] for f in data.get("Filters", [])}
    if data.get("State") not in ("Active", "History"):
        return error_response_json("ValidationException", "State must be Active or History", 400)
    found = [
        s
        for s in SESSIONS.values()
        if (s["Status"] in _ACTIVE) == (data["State"] == "Active") and wanted.get("SessionId", s["SessionId"]) == s["SessionId"]
    ]
    return json_response({"Sessions": found})


def _terminate_session(data: Data) -> Any:
    if data["SessionId"] not in SESSIONS:
        return error_response_json("DoesNotExistException", f"Session {data['SessionId']} does not exist", 400)
    SESSIONS[data["SessionId"]] = {**SESSIONS[data["SessionId"]], "Status": "Terminated", "EndDate": time.time()}
    return json_response({"SessionId": data["SessionId"]})


def _start_automation(data: Data) -> Any:
    name = new_uuid()
    AUTOMATIONS[name] = {"AutomationExecutionId": name, "DocumentName": data["DocumentName"], "AutomationExecutionStatus": "InProgress",
                         "ExecutedBy": ev.caller_arn(), "ExecutionStartTime": time.time()}  # fmt: skip
    return json_response({"AutomationExecutionId": name})


def _describe_automations(data: Data) -> Any:
    wanted = {f["Key"]: f["Values"] for f in data.get("Filters", [])}
    fields = {"ExecutionStatus": "AutomationExecutionStatus", "ExecutionId": "AutomationExecutionId"}
    found = [a for a in AUTOMATIONS.values() if all(a[fields[key]] in values for key, values in wanted.items())]
    return json_response({"AutomationExecutionMetadataList": found})


def _stop_automation(data: Data) -> Any:
    found = AUTOMATIONS.get(data["AutomationExecutionId"])
    if not found:
        return error_response_json("AutomationExecutionNotFoundException", "There is no such execution", 400)
    AUTOMATIONS[data["AutomationExecutionId"]] = {**found, "AutomationExecutionStatus": "Cancelled"}
    return json_response({})


def _send_command(data: Data) -> Any:
    """To any instance: no agent has to answer, and nothing is run."""
    command = {"CommandId": new_uuid(), "DocumentName": data["DocumentName"], "InstanceIds": data.get("InstanceIds", []),
               "RequestedDateTime": time.time(), "Status": "InProgress", "StatusDetails": "InProgress"}  # fmt: skip
    ssm._commands[command["CommandId"]] = command
    return json_response({"Command": command})


def _cancel_command(data: Data) -> Any:
    found = ssm._commands.get(data["CommandId"])
    if not found:
        return error_response_json("InvalidCommandId", "", 400)
    found["Status"] = found["StatusDetails"] = "Cancelled"
    return json_response({})


# -- the others --------------------------------------------------------------------------------------------------------


def _patch_ecs() -> None:
    stock = ecs._execute_command

    def execute(data: Data) -> Any:
        status, headers, body = stock(data)
        if status != 200:
            return status, headers, body
        answer = json.loads(body)
        role = f"arn:aws:sts::{get_account_id()}:assumed-role/AWSServiceRoleForECS/ecs-execute-command"
        answer["session"]["sessionId"] = _new_session(f"ecs:{answer['taskArn']}", role, "ecs-execute-command")["SessionId"]
        return json_response(answer)

    ecs._execute_command = execute
    for table in (value for value in vars(ecs).values() if isinstance(value, dict) and value.get("ExecuteCommand") is stock):
        table["ExecuteCommand"] = execute
        table.update(UpdateTaskProtection=_protect, GetTaskProtection=_protection)


def _protection(data: Data) -> Any:
    shown = [{"taskArn": name, "protectionEnabled": bool(until), **({"expirationDate": until} if until else {})}
             for name, until in ((name, PROTECTED.get(name)) for name in data["tasks"])]  # fmt: skip
    return json_response({"protectedTasks": shown, "failures": []})


def _protect(data: Data) -> Any:
    for name in data["tasks"]:
        PROTECTED[name] = time.time() + 60 * data.get("expiresInMinutes", 120) if data["protectionEnabled"] else 0
    return _protection(data)


def _patch_codebuild() -> None:
    """A build runs until it is stopped, and says who started it."""
    stock = codebuild._make_build_record

    def make(*arguments: Any, **more: Any) -> Data:
        build: Data = stock(*arguments, **more)
        build.pop("endTime", None)
        return {**build, "initiator": _caller(), "buildStatus": "IN_PROGRESS", "currentPhase": "BUILD", "buildComplete": False}

    codebuild._make_build_record = make

    def batches(data: Data) -> Any:
        wanted = data.get("filter", {}).get("status")
        return json_response({"ids": [b["id"] for b in BATCHES.values() if wanted in (None, b["buildBatchStatus"])]})

    def start(data: Data) -> Any:
        name = f"{data['projectName']}:{new_uuid()}"
        BATCHES[name] = {"id": name, "projectName": data["projectName"], "buildBatchStatus": "IN_PROGRESS", "initiator": _caller()}
        return json_response({"buildBatch": BATCHES[name]})

    def stop(data: Data) -> Any:
        BATCHES[data["id"]] = {**BATCHES[data["id"]], "buildBatchStatus": "STOPPED"}
        return json_response({"buildBatch": BATCHES[data["id"]]})

    handlers: dict[str, Callable[[Data], Any]] = {
        "ListBuildBatches": batches, "StartBuildBatch": start, "StopBuildBatch": stop,
        "BatchGetBuildBatches": lambda data: json_response({"buildBatches": [BATCHES[n] for n in data["ids"] if n in BATCHES]}),
    }  # fmt: skip
    plain = codebuild.handle_request

    async def handle(method: str, path: str, headers: Data, body: bytes, query_params: Data) -> Any:
        handler = handlers.get(headers.get("x-amz-target", "").rsplit(".", 1)[-1])
        return handler(json.loads(body or b"{}")) if handler else await plain(method, path, headers, body, query_params)

    codebuild.handle_request = handle


def _patch_glue() -> None:
    """A run runs until it is stopped."""

    def start(data: Data) -> Any:
        job = data["JobName"]
        if job not in glue._jobs:
            return error_response_json("EntityNotFoundException", f"Job {job} not found", 400)
        run = {"Id": f"jr_{new_uuid()}", "JobName": job, "JobRunState": "RUNNING", "StartedOn": int(time.time())}
        glue._job_runs[job] = [*glue._job_runs.get(job, []), run]
        return json_response({"JobRunId": run["Id"]})

    glue._start_job_run = start


def _patch_batch() -> None:
    """A job runs until it is terminated. Its status stays then, as with a container that takes its time to stop; that it is terminated is shown at once."""
    stock = batch._submit_job

    def submit(data: Data) -> Any:
        answer = stock(data)
        if answer[0] == 200:
            job = batch._jobs[json.loads(answer[2])["jobId"]]
            job.update(status="RUNNING", isTerminated=False, isCancelled=False)
            job.pop("stoppedAt")
        return answer

    def terminate(data: Data) -> Any:
        job = batch._jobs.get(data["jobId"])
        if job:
            job.update(isTerminated=True, statusReason=data["reason"])
        return batch._json(200, {})

    batch._submit_job = submit
    batch._DISPATCH.update({"/v1/submitjob": submit, "/v1/terminatejob": terminate})


def _patch_eks() -> None:
    """An access entry as AWS shows it: EKS itself says the groups and the user name of a node's, and takes neither for one."""
    build, create = eks._build_access_entry, eks._create_access_entry
    reserved = ("system:", "eks:", "aws:", "amazon:", "iam:")

    def made(cluster: str, arn: str, body: Data) -> Data:
        entry: Data = build(cluster, arn, body)
        if entry["type"] != "STANDARD":
            name = "{{SessionName}}" if entry["type"] == "FARGATE_LINUX" else "{{EC2PrivateDNSName}}"
            return {**entry, "kubernetesGroups": ["system:nodes"], "username": f"system:node:{name}"}
        session = arn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/{{SessionName}}"
        return {**entry, "username": entry["username"] or (session if ":role/" in arn else arn)}

    def checked(cluster: str, body: Data) -> Any:
        if body.get("type", "STANDARD") != "STANDARD" and (body.get("kubernetesGroups") or body.get("username")):
            return eks._error(400, "InvalidParameterException", "kubernetesGroups and username are for entries of type STANDARD")
        if str(body.get("username", "")).startswith(reserved):
            return eks._error(400, "InvalidParameterException", "The username must not begin with a reserved prefix")
        if any(key.startswith("aws:") for key in body.get("tags", {})):
            return eks._error(400, "InvalidParameterException", "Tag keys must not begin with aws:")
        return create(cluster, body)

    eks._build_access_entry, eks._create_access_entry = made, checked


def _patch_ec2() -> None:
    """A profile that replaces another comes under an association id of its own."""
    stock = ec2._upsert_iam_instance_profile_association

    def upsert(instance: str, profile: Data, association_id: str | None = None, state: str = "associated") -> Any:
        if association_id:
            ec2._iam_instance_profile_associations.pop(association_id, None)
            association_id = f"iip-assoc-{new_uuid().replace('-', '')[:17]}"
        return stock(instance, profile, association_id=association_id, state=state)

    ec2._upsert_iam_instance_profile_association = upsert
