"""A whole rotation over each kind of target, killed and with lost answers: AWS by botocore's models, Kubernetes by a server on loopback (CONTRACT)."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import policy
from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation import course, moving, proving
from ansible_collections.evict.cloud.plugins.module_utils.outside import hook as hooks
from ansible_collections.evict.cloud.plugins.module_utils.outside import kubernetes as client
from ansible_collections.evict.cloud.plugins.module_utils.outside import session
from tests.beds.kubernetes import Cluster
from tests.unit.aws.rotated import ACCOUNT, ARN, BEGIN, OLD, OLD_SECRET, REGION, Estate, Killed

READERS = ["arn:aws:iam::111122223333:role/orders-team"]
PROJECT = f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/build"
FAMILY = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/orders"


def variables(key: str = OLD, secret: str = OLD_SECRET) -> list[dict[str, str]]:
    return [
        {"name": "AWS_ACCESS_KEY_ID", "value": key},
        {"name": "AWS_SECRET_ACCESS_KEY", "value": secret},
        {"name": "MODE", "value": "fast"},
    ]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "cluster").mkdir()
    found = Cluster(tmp_path / "cluster")
    yield found
    found.close()


@pytest.fixture
def estate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Estate:
    return Estate(tmp_path / "case", monkeypatch)


def ecs(estate: Estate, service: bool = True) -> None:
    containers = [
        {"name": "side", "image": "x"},
        {"name": "app", "image": "x", "environment": variables(), "memory": 128, "logConfiguration": {"logDriver": "json-file"}},
    ]
    estate.account.RegisterTaskDefinition("orders", tags=[{"key": "team", "value": "orders"}], containerDefinitions=containers, networkMode="awsvpc",
                                          taskRoleArn="arn:aws:iam::111122223333:role/orders", cpu="256", memory="512")  # fmt: skip
    estate.account.calls.clear()
    if service:
        estate.account.serve("prod/orders", f"{FAMILY}:1")
    services = {"services": ["prod/orders"]} if service else {}
    estate.dependents.append({"kind": "ecs_task_definition", "name": "orders", "region": REGION, **services})


def codebuild(estate: Estate) -> None:
    environment = {"type": "LINUX_CONTAINER", "image": "aws/codebuild/standard:7.0", "computeType": "BUILD_GENERAL1_SMALL",
                   "environmentVariables": [*variables(), {"name": "TOKEN", "value": "/t", "type": "PARAMETER_STORE"}]}  # fmt: skip
    estate.account.projects["build"] = {
        "name": "build",
        "arn": PROJECT,
        "environment": environment,
        "serviceRole": "arn:aws:iam::111122223333:role/build",
    }
    estate.dependents.append({"kind": "codebuild_project", "name": "build", "region": REGION})


def parameter(estate: Estate, **more: Any) -> None:
    text = f"AWS_ACCESS_KEY_ID={OLD}\nAWS_SECRET_ACCESS_KEY={OLD_SECRET}\n"
    estate.account.parameters["/app"] = [(text, estate.account.now().isoformat())]
    estate.dependents.append({"kind": "ssm_parameter", "name": "/app", "region": REGION, **more})


def kubernetes(estate: Estate, cluster: Cluster, **more: Any) -> None:
    cluster.secret("apps", "aws", id=OLD, secret=OLD_SECRET, other="kept")
    for plural in ("deployments", "statefulsets", "daemonsets"):
        cluster.workload(plural, "apps", plural[:-1])
    estate.incident["connection"] = {
        "kubernetes": {"prod": {"url": cluster.url, "ca_file": str(cluster.ca_file), "token_file": str(cluster.token_file)}}
    }
    restart = ["deployment/deployment", "statefulset/statefulset", "daemonset/daemonset"]
    estate.dependents.append(
        {"kind": "kubernetes_secret", "at": "prod", "namespace": "apps", "name": "aws", "restart": restart, "readable_by": READERS, **more}
    )


def hook(estate: Estate, folder: Path) -> Path:
    """A command that keeps what it is given in a file, and one that says which key is there."""
    kept = folder / "kept.json"
    kept.write_text(json.dumps({"new": {"access_key_id": OLD, "secret_access_key": OLD_SECRET}}))
    verify = f"""sed -n 's/.*"new": {{"access_key_id": "\\([A-Z0-9]*\\)".*/\\1/p' {kept}"""
    estate.dependents.append(
        {
            "kind": "hook",
            "name": "billing",
            "command": ["sh", "-c", f"cat > {kept}; echo loud"],
            "verify": ["sh", "-c", verify],
            "readable_by": READERS,
        }
    )
    return kept


def env(estate: Estate, revision: int) -> dict[str, str]:
    containers = estate.account.definitions[f"{FAMILY}:{revision}"]["containerDefinitions"]
    return {e["name"]: e["value"] for e in next(c for c in containers if c["name"] == "app")["environment"]}


def is_done(estate: Estate, run: Any) -> None:
    """One active key that works, the old one gone, no secret in any file, and nothing left to do."""
    account = estate.account
    assert run.state == "OLD_DELETED" and not run.said, (run.state, run.said)
    assert {k: v["Status"] for k, v in account.keys.items()} == {estate.new: "Active"}
    written = estate.files()
    for secret in account.secrets.values():
        assert secret.encode() not in written
    before = len(account.calls)
    again = estate.run()
    assert not again.changed and not again.said and "CreateAccessKey" not in account.calls[before:]


@pytest.mark.parametrize("mode", ["graceful", "emergency"])
def test_every_kind_in_one_rotation_and_a_second_run_changes_nothing(estate: Estate, cluster: Cluster, tmp_path: Path, mode: str) -> None:
    ecs(estate), codebuild(estate), parameter(estate), kubernetes(estate, cluster)
    kept = hook(estate, tmp_path)
    seen = len(cluster.requests)
    planned = estate.run(check=True, mode=mode)
    assert planned.changed and not planned.said and set(estate.account.keys) == {OLD}, planned.said
    assert {m for m, _p, _b in cluster.requests[seen:]} == {"GET"} and len(estate.account.definitions) == 1
    run = estate.run(mode=mode)
    is_done(estate, run)
    order = [o for o in estate.account.calls if o in ("UpdateAccessKey", "RegisterTaskDefinition")]
    assert order[0] == ("UpdateAccessKey" if mode == "emergency" else "RegisterTaskDefinition")
    secret = estate.account.secrets[estate.new]
    assert estate.account.services["prod/orders"]["taskDefinition"] == f"{FAMILY}:2"
    assert env(estate, 2) == {"AWS_ACCESS_KEY_ID": estate.new, "AWS_SECRET_ACCESS_KEY": secret, "MODE": "fast"}
    old, new = (estate.account.definitions[f"{FAMILY}:{n}"] for n in (1, 2))
    assert env(estate, 1)["AWS_ACCESS_KEY_ID"] == OLD and old["status"] == "ACTIVE" and new["_tags"] == [{"key": "team", "value": "orders"}]
    assert {k: new[k] for k in ("taskRoleArn", "cpu", "memory", "networkMode")} == {
        k: old[k] for k in ("taskRoleArn", "cpu", "memory", "networkMode")
    }
    held = estate.account.projects["build"]["environment"]["environmentVariables"]
    assert held == [*variables(estate.new, secret), {"name": "TOKEN", "value": "/t", "type": "PARAMETER_STORE"}]
    assert cluster.values("apps", "aws") == {"id": estate.new, "secret": secret, "other": "kept"} and list(cluster.secrets) == [
        ("apps", "aws")
    ]
    patches = [body["data"].keys() for m, p, body in cluster.requests if m == "PATCH" and "secrets" in p]
    assert patches == [{"id", "secret"}]
    for found in cluster.workloads.values():
        marks = found["spec"]["template"]["metadata"]["annotations"]
        assert marks["evict.cloud/key"] == estate.new and marks["kubectl.kubernetes.io/restartedAt"].endswith("Z")
    assert json.loads(kept.read_text())["new"] == {"access_key_id": estate.new, "secret_access_key": secret}


@pytest.mark.parametrize("may", ["ecs:DescribeTaskDefinition", "codebuild:BatchGetProjects"])
def test_what_the_leaked_key_can_read_is_not_written_before_that_key_is_off(
    estate: Estate, may: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "SETTLES", datetime.timedelta(0))
    ecs(estate), codebuild(estate)
    estate.account.allowed = {may}
    for check in (True, False):
        refused = estate.run(check=check)
        assert f"{ARN} can read it ({may})" in refused.said and "1 of 2 places" in refused.said, refused.said
        assert set(estate.account.keys) == {OLD} and not {"CreateAccessKey", "RegisterTaskDefinition", "UpdateProject"} & set(
            estate.account.calls
        )
    is_done(estate, estate.run(mode="emergency"))


def test_a_place_elsewhere_whose_readers_nobody_declared_gets_nothing(estate: Estate, cluster: Cluster, tmp_path: Path) -> None:
    kubernetes(estate, cluster), hook(estate, tmp_path)
    for entry in estate.dependents:
        del entry["readable_by"]
    for mode in ("graceful", "emergency"):
        refused = estate.run(mode=mode)
        assert "declare that as readable_by" in refused.said and "2 of 2 places" in refused.said, refused.said
        assert set(estate.account.keys) == {OLD} and {m for m, _p, _b in cluster.requests} == {"GET"}
    assert estate.account.keys[OLD]["Status"] == "Inactive"  # what is leaked ends all the same
    for entry in estate.dependents:
        entry["readable_by"] = ["everybody"]
    assert "everybody can read it" in estate.run(mode="emergency").said
    for entry in estate.dependents:
        entry["readable_by"] = READERS
    is_done(estate, estate.run(mode="emergency"))


POINTS = [
    (operation, when)
    for operation in ("RegisterTaskDefinition", "UpdateService", "UpdateProject", "PutParameter")
    for when in ("kill", "killed")
]


@pytest.mark.parametrize(("operation", "when"), POINTS)
def test_killed_at_any_write_and_run_again_there_is_one_revision_and_one_key(estate: Estate, operation: str, when: str) -> None:
    ecs(estate), codebuild(estate), parameter(estate, restart={"ecs_service": ["prod/worker"]})
    estate.account.serve("prod/worker", f"{FAMILY}:1", deploymentController={"type": "ECS"})
    estate.account.faults[operation] = [when]
    assert estate.run().killed
    estate.account.faults.clear()
    run = estate.run()
    is_done(estate, run)
    assert list(estate.account.definitions) == [f"{FAMILY}:1", f"{FAMILY}:2"]


@pytest.mark.parametrize("service", [True, False])
@pytest.mark.parametrize("when", ["lost", "before"])
def test_a_lost_answer_of_a_registration_is_told_by_reading_back(estate: Estate, when: str, service: bool) -> None:
    ecs(estate, service)
    estate.account.faults["RegisterTaskDefinition"] = [when]
    run = estate.run()
    is_done(estate, run)
    assert list(estate.account.definitions) == [f"{FAMILY}:1", f"{FAMILY}:2"]


def test_killed_after_the_registration_of_the_only_place_the_secret_is_read_from_the_revision(estate: Estate) -> None:
    ecs(estate)
    estate.account.faults["RegisterTaskDefinition"] = ["killed"]
    estate.run()
    made = estate.new
    run = estate.run()
    is_done(estate, run)
    assert estate.new == made and estate.account.calls.count("RegisterTaskDefinition") == 1


def test_a_deployment_that_the_circuit_breaker_rolls_back_is_named_and_the_old_key_stays(estate: Estate) -> None:
    ecs(estate)
    estate.account.breaker = True
    run = estate.run()
    assert "circuit breaker" in run.said and "prod/orders" in run.said, run.said
    assert estate.account.keys[OLD]["Status"] == "Active" and estate.account.calls.count("UpdateService") == 1
    estate.account.breaker = False
    is_done(estate, estate.run())
    assert list(estate.account.definitions) == [f"{FAMILY}:1", f"{FAMILY}:2"]


def test_a_deployment_that_takes_too_long_is_open_and_gone_on_with(estate: Estate) -> None:
    ecs(estate)
    estate.dependents[0]["seconds"] = 1
    estate.account.looks = 10**6
    run = estate.run()
    assert "0 of 2 tasks" in run.said or "older deployment" in run.said, run.said
    assert estate.account.keys[OLD]["Status"] == "Active" and run.runner.failures == []
    estate.account.services["prod/orders"]["_left"] = 0
    is_done(estate, estate.run())


def test_the_deadline_is_kept_while_a_deployment_is_waited_for(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    ecs(estate), parameter(estate)
    estate.account.looks = 10**6

    def hours_later(_seconds: float) -> None:
        estate.account.clock += datetime.timedelta(hours=2)

    monkeypatch.setattr(moving.time, "sleep", hours_later)
    run = estate.run()
    assert estate.account.keys[OLD]["Status"] == "Inactive" and "the deadline of" in run.warnings[-1], (run.said, run.warnings)
    assert run.machine.forced
    assert "task definition orders" in run.warnings[-1] and "/app" in run.warnings[-1], (
        run.warnings
    )  # which has its turn later, and falls as well
    estate.account.services["prod/orders"]["_left"] = 0
    is_done(estate, estate.run())


@pytest.mark.parametrize("when", ["kill", "killed"])
@pytest.mark.parametrize("operation", ["UpdateAccessKey", "PutUserPolicy"])
def test_killed_around_its_end_what_the_old_key_minted_until_then_ends_with_it(estate: Estate, operation: str, when: str) -> None:
    """A containment denied the sessions of before; the key lived on for its dependents, and may have made others."""
    parameter(estate)
    name, before = "evict-session-IR-1", "2026-11-22T10:00:00Z"
    estate.account.policies[name] = json.dumps(policy.deny_older("Evict0", before))
    estate.account.faults[operation] = [when]
    assert estate.run().killed
    estate.account.faults.clear()
    is_done(estate, estate.run())
    assert policy.cutoff_of(json.loads(estate.account.policies[name])) > course.iso(BEGIN)


def test_somebody_elses_newer_revision_is_neither_rolled_out_nor_taken_for_ours(estate: Estate) -> None:
    """The running one is copied, though a newer one is registered; then it is that of two services on two revisions each gets its own."""
    ecs(estate)
    first = estate.account.definitions[f"{FAMILY}:1"]
    estate.account.RegisterTaskDefinition("orders", containerDefinitions=first["containerDefinitions"], cpu="1024", memory="2048")
    estate.account.serve("prod/more", f"{FAMILY}:2")
    estate.dependents[0]["services"] = ["prod/orders", "prod/more"]
    run = estate.run()
    is_done(estate, run)
    runs = {name: estate.account.definitions[service["taskDefinition"]] for name, service in estate.account.services.items()}
    assert runs["prod/orders"]["cpu"] == "256" and runs["prod/more"]["cpu"] == "1024" and len(estate.account.definitions) == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"secrets": [{"name": "KEY", "valueFrom": "arn:aws:ssm:eu-west-1:111122223333:parameter/app"}], "environment": []},
            "parameter/app",
        ),
        ({"command": ["run", OLD], "environment": variables()}, "command"),
        ({"environment": [*variables(), {"name": "MODE", "value": "slow"}]}, "MODE twice"),
    ],
)
def test_what_cannot_be_moved_whole_is_refused_by_name_before_anything_is_written(
    estate: Estate, change: dict[str, Any], said: str
) -> None:
    ecs(estate)
    estate.account.definitions[f"{FAMILY}:1"]["containerDefinitions"][1].update(change)
    run = estate.run()
    assert said in run.said and set(estate.account.keys) == {OLD} and len(estate.account.definitions) == 1, run.said


def test_a_service_that_codedeploy_deploys_is_refused(estate: Estate) -> None:
    ecs(estate)
    estate.account.services["prod/orders"]["deploymentController"] = {"type": "CODE_DEPLOY"}
    assert "CODE_DEPLOY" in estate.run().said and set(estate.account.keys) == {OLD}


@pytest.mark.parametrize("service", [True, False])
def test_a_task_definition_that_fails_its_check_goes_back(estate: Estate, service: bool) -> None:
    ecs(estate, service)
    estate.dependents[0]["check"] = {"command": ["false"]}
    run = estate.run()
    assert "given the old key back" in run.said, run.said
    newest = estate.account.DescribeTaskDefinition("orders")["taskDefinition"]["revision"]
    assert (estate.account.services["prod/orders"]["taskDefinition"], newest) == (f"{FAMILY}:1", 2) if service else newest == 1
    assert estate.account.keys[OLD]["Status"] == "Active" and len(estate.account.keys) == 2
    del estate.dependents[0]["check"]
    is_done(estate, estate.run())


@pytest.mark.parametrize("other", [True, False])
def test_a_project_goes_back_by_what_another_dependent_keeps_or_says_that_it_cannot(estate: Estate, other: bool) -> None:
    """In a later run; the one that wrote it still knows the old secret."""
    codebuild(estate)
    if other:
        parameter(estate)
    waiting = estate.run(quiet=900.0)
    (step,) = [d.step for d in waiting.runner.done.values() if d.step.resource.endswith("environment")]
    assert waiting.state == "VERIFIED_NEW" and bool(step.irreversible) == (not other)
    estate.dependents[0]["check"] = {"command": ["false"]}
    run = estate.run(quiet=900.0)
    held = estate.account.projects["build"]["environment"]["environmentVariables"][:3]
    if other:
        assert "so it was given the old key back" in run.said and held == variables(), run.said
    else:
        assert "keeps no version" in run.said and held == variables(estate.new, estate.account.secrets[estate.new]), run.said
    assert estate.account.keys[OLD]["Status"] == "Active"
    assert not any(secret.encode() in estate.files() for secret in estate.account.secrets.values())


def test_a_project_alone_goes_back_in_the_run_that_wrote_it(estate: Estate) -> None:
    codebuild(estate)
    estate.dependents[0]["check"] = {"command": ["false"]}
    run = estate.run()
    assert "so it was given the old key back" in run.said, run.said
    assert estate.account.projects["build"]["environment"]["environmentVariables"][:3] == variables()
    assert not any(secret.encode() in estate.files() for secret in estate.account.secrets.values())


def test_builds_that_are_at_work_with_the_old_key_are_waited_for(estate: Estate) -> None:
    codebuild(estate)
    estate.dependents[0]["seconds"] = 1
    estate.account.builds = [
        {"id": "build:1", "buildStatus": "IN_PROGRESS", "environment": estate.account.projects["build"]["environment"]}
    ]
    run = estate.run()
    assert "build build:1 was started before" in run.said and estate.account.keys[OLD]["Status"] == "Active", run.said
    estate.account.builds[0]["buildStatus"] = "SUCCEEDED"
    is_done(estate, estate.run())


def test_a_parameter_restarts_the_services_that_read_it_once_and_again_when_it_goes_back(estate: Estate) -> None:
    parameter(estate, restart={"ecs_service": ["prod/worker"]}, check={"command": ["false"]})
    estate.account.serve("prod/worker", f"{FAMILY}:1")
    run = estate.run()
    assert "given the old key back" in run.said and estate.account.calls.count("UpdateService") == 2, run.said
    del estate.dependents[0]["check"]
    is_done(estate, estate.run())
    assert estate.account.calls.count("UpdateService") == 3


# -- Kubernetes --------------------------------------------------------------------------------------------------------------------


def is_moved(estate: Estate, cluster: Cluster) -> None:
    assert cluster.values("apps", "aws") == {"id": estate.new, "secret": estate.account.secrets[estate.new], "other": "kept"}
    assert list(cluster.secrets) == [("apps", "aws")]  # no copy is left
    marks = [w["spec"]["template"]["metadata"]["annotations"]["evict.cloud/key"] for w in cluster.workloads.values()]
    assert marks == [estate.new] * 3


def writes(cluster: Cluster) -> list[str]:
    return [f"{m} {p.rsplit('/', 2)[1]}" for m, p, _b in cluster.requests if m != "GET"]


@pytest.mark.parametrize(
    ("faults", "asked"),
    [
        ({"POST secrets": ["lost"]}, "POST secrets"), ({"PATCH secrets": ["lost"]}, "PATCH secrets"), ({"PATCH deployments": ["lost"]}, "PATCH deployments"),
        ({"PATCH secrets": ["conflict"]}, "PATCH secrets"), ({"GET secrets": [503, 503]}, ""), ({"DELETE secrets": ["lost"]}, "DELETE secrets"),
    ],
)  # fmt: skip
def test_a_lost_answer_and_somebody_elses_write_in_between(
    estate: Estate, cluster: Cluster, faults: dict[str, Any], asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_PAUSES", (0.0, 0.0))
    kubernetes(estate, cluster)
    cluster.faults.update(faults)
    run = estate.run()
    is_done(estate, run)
    is_moved(estate, cluster)
    assert not any(cluster.faults.values())


OPERATIONS = ("CreateSecret", "PatchSecret", "PatchWorkload", "DeleteSecret")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_killed_at_any_write_to_the_cluster_and_run_again_nothing_is_left_over(
    estate: Estate, cluster: Cluster, operation: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubernetes(estate, cluster)
    real = client.carry_out

    def dying(connection: Any, call: Any, parameters: Any) -> Any:
        if call.operation != operation:
            return real(connection, call, parameters)
        if after:
            real(connection, call, parameters)
        raise Killed

    monkeypatch.setattr(client, "carry_out", dying)
    assert estate.run().killed
    monkeypatch.setattr(client, "carry_out", real)
    if (operation, after) == ("PatchWorkload", False):
        (copied,) = [name for _namespace, name in cluster.secrets if name.startswith("evict-")]
        about = cluster.secrets["apps", copied]
        assert (
            about["immutable"]
            and set(about["data"]) == {"id", "secret"}
            and about["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "evict.cloud"
        )
        assert about["metadata"]["annotations"]["evict.cloud/incident"] == "IR-1" and about["metadata"]["annotations"][
            "evict.cloud/expires"
        ].endswith("Z")
    run = estate.run()
    is_done(estate, run)
    is_moved(estate, cluster)


def test_a_rollout_that_fails_is_named_and_the_old_key_stays(estate: Estate, cluster: Cluster) -> None:
    kubernetes(estate, cluster)
    cluster.failing = True
    run = estate.run()
    assert "the rollout of deployment/deployment failed" in run.said and estate.account.keys[OLD]["Status"] == "Active", run.said
    cluster.failing = False
    is_done(estate, estate.run())
    is_moved(estate, cluster)


def test_a_secret_that_fails_its_check_goes_back_and_its_pods_with_it(estate: Estate, cluster: Cluster) -> None:
    kubernetes(estate, cluster, check={"command": ["false"]})
    run = estate.run()
    assert "so it was given the old key back" in run.said, run.said
    assert cluster.values("apps", "aws") == {"id": OLD, "secret": OLD_SECRET, "other": "kept"} and list(cluster.secrets) == [
        ("apps", "aws")
    ]
    assert {w["spec"]["template"]["metadata"]["annotations"]["evict.cloud/key"] for w in cluster.workloads.values()} == {OLD}
    del estate.dependents[0]["check"]
    is_done(estate, estate.run())
    is_moved(estate, cluster)


def test_one_text_in_a_key_of_a_secret_is_edited_in_place(estate: Estate, cluster: Cluster) -> None:
    kubernetes(estate, cluster, key="credentials", restart=[])
    text = "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\nregion = eu-west-1\n"
    cluster.secret("apps", "aws", credentials=text.format(OLD, OLD_SECRET), other="kept")
    is_done(estate, estate.run())
    assert cluster.values("apps", "aws") == {"credentials": text.format(estate.new, estate.account.secrets[estate.new]), "other": "kept"}


@pytest.mark.parametrize("what", ["immutable", "paused", "OnDelete", "gone", "workload", "token", "authority", "connection"])
def test_what_cannot_be_moved_or_reached_is_refused_by_name(estate: Estate, cluster: Cluster, what: str, tmp_path: Path) -> None:
    kubernetes(estate, cluster)
    connection = estate.incident["connection"]["kubernetes"]["prod"]  # type: ignore[index]
    said = {"immutable": "it is immutable", "paused": "deployment/deployment is paused", "OnDelete": "does not replace its pods", "gone": "NotFound",
            "workload": "NotFound", "token": "Unauthorized", "authority": "SSLCertVerificationError", "connection": "connection.kubernetes.stage"}[what]  # fmt: skip
    if what == "immutable":
        cluster.secrets["apps", "aws"]["immutable"] = True
    elif what == "paused":
        cluster.workloads["deployments", "apps", "deployment"]["spec"]["paused"] = True
    elif what == "OnDelete":
        cluster.workloads["daemonsets", "apps", "daemonset"]["spec"]["updateStrategy"] = {"type": "OnDelete"}
    elif what == "gone":
        del cluster.secrets["apps", "aws"]
    elif what == "workload":
        del cluster.workloads["statefulsets", "apps", "statefulset"]
    elif what == "token":
        cluster.token = "another"
    elif what == "authority":
        del connection["ca_file"]
    else:
        estate.dependents[0]["at"] = "stage"
    run = estate.run()
    assert said in run.said and set(estate.account.keys) == {OLD} and writes(cluster) == [], run.said
    assert b"cluster-token-0001" not in estate.files()


@pytest.mark.parametrize("way", ["token", "tokenFile", "exec"])
def test_a_kubeconfig_says_who_one_is(estate: Estate, cluster: Cluster, way: str, tmp_path: Path) -> None:
    kubernetes(estate, cluster)
    token = cluster.token
    answer = json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}})
    calls = tmp_path / "calls"
    script = f"""case "$KUBERNETES_EXEC_INFO" in *ExecCredential*) test "$AS" = me && echo x >> {calls} && echo '{answer}';; esac"""
    user: dict[str, Any] = {"token": {"token": token}, "tokenFile": {"tokenFile": str(cluster.token_file)},
                            "exec": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script],
                                              "env": [{"name": "AS", "value": "me"}]}}}[way]  # fmt: skip
    authority = base64.b64encode(cluster.ca_file.read_bytes()).decode()
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
              "clusters": [{"name": "k", "cluster": {"server": cluster.url, "certificate-authority-data": authority}}], "users": [{"name": "u", "user": user}]}  # fmt: skip
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    estate.incident["connection"] = {"kubernetes": {"prod": {"kubeconfig": str(tmp_path / "kubeconfig")}}}
    is_done(estate, estate.run())
    is_moved(estate, cluster)
    assert token.encode() not in estate.files()
    assert way != "exec" or len(calls.read_text().split()) == 1  # it is asked once


# -- hooks -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True])
def test_a_hook_that_was_killed_is_run_again_and_takes_its_key_twice(
    estate: Estate, tmp_path: Path, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secret is read back from the parameter, which is written first."""
    kept = hook(estate, tmp_path)
    parameter(estate)
    real = hooks.carry_out

    def dying(connection: Any, call: Any, parameters: Any) -> Any:
        if call.operation == "Verify":
            return real(connection, call, parameters)
        if after:
            real(connection, call, parameters)
        raise Killed

    monkeypatch.setattr(hooks, "carry_out", dying)
    assert estate.run().killed
    monkeypatch.setattr(hooks, "carry_out", real)
    is_done(estate, estate.run())
    assert json.loads(kept.read_text())["new"] == {"access_key_id": estate.new, "secret_access_key": estate.account.secrets[estate.new]}


def test_a_hook_alone_is_proven_once_and_needs_no_secret_afterwards(estate: Estate, tmp_path: Path) -> None:
    kept = hook(estate, tmp_path)
    waiting = estate.run(quiet=900.0)
    assert waiting.state == "VERIFIED_NEW" and json.loads(kept.read_text())["new"]["access_key_id"] == estate.new, waiting.said
    is_done(estate, estate.run())


def test_a_hook_that_was_killed_before_its_key_was_proven_is_proven_by_its_use(
    estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook(estate, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(proving, "verify", lambda _course: (_ for _ in ()).throw(Killed))
        assert estate.run().killed
    run = estate.run()
    assert "its secret is nowhere to be read" in run.said or "not taken by AWS yet" in run.said, run.said
    estate.account.used[estate.new] = "2026-11-28T09:00:30+00:00"
    is_done(estate, estate.run())


@pytest.mark.parametrize(
    ("change", "said"),
    [({"verify": ["echo", "no id"]}, "did not answer with the id"), ({"verify": ["false"]}, "false ended with 1"),
     ({"verify": ["/nowhere/command"]}, "cannot be started"), ({"verify": ["sleep", "60"], "seconds": 1}, "took longer than 1 s"),
     ({"verify": ["echo", "AKIAIOSFODNN7OTHER00"]}, "holds something else")],
)  # fmt: skip
def test_a_hook_that_does_not_say_what_is_there_stops_it_before_anything_is_made(
    estate: Estate, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    hook(estate, tmp_path)
    estate.dependents[0].update(change)
    run = estate.run()
    assert said in run.said and set(estate.account.keys) == {OLD}, run.said
    assert "no id" not in run.said


def test_a_hook_that_fails_after_all_is_named_without_its_output_and_goes_on_when_it_works(estate: Estate, tmp_path: Path) -> None:
    hook(estate, tmp_path)
    working = estate.dependents[0]["command"]
    estate.dependents[0]["command"] = ["sh", "-c", "cat; cat >&2; exit 3"]
    run = estate.run()
    assert "Exit3" in run.said and estate.account.secrets[estate.new] not in run.said, run.said
    assert estate.account.keys[OLD]["Status"] == "Active"
    estate.dependents[0]["command"] = working
    is_done(estate, estate.run())


def test_a_hook_alone_cannot_be_given_the_old_key_back_and_says_so(estate: Estate, tmp_path: Path) -> None:
    hook(estate, tmp_path)
    estate.dependents[0]["check"] = {"command": ["false"]}
    run = estate.run()
    assert "cannot be given the old key back: what is behind a hook cannot be read" in run.said, run.said
    assert estate.account.keys[OLD]["Status"] == "Active"


def test_a_hook_goes_back_by_what_another_dependent_keeps(estate: Estate, tmp_path: Path) -> None:
    kept = hook(estate, tmp_path)
    parameter(estate)
    estate.dependents[0]["check"] = {"command": ["false"]}
    run = estate.run()
    assert "so it was given the old key back" in run.said, run.said
    assert json.loads(kept.read_text())["new"] == {"access_key_id": OLD, "secret_access_key": OLD_SECRET}


class Receiver:
    """A server of the user's own, which checks the signature as ``webhook`` documents it, and its age."""

    def __init__(self, secret: str) -> None:
        self.held, self.secret, self.faults = OLD, secret, [500]
        self.bodies: list[Any] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _go(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                stamp = str(self.headers["X-Evict-Timestamp"])
                text = f"{stamp}.{self.command}.{self.path}.".encode() + body
                good = "sha256=" + hmac.new(receiver.secret.encode(), text, hashlib.sha256).hexdigest()
                status, answer = 200, json.dumps({"access_key_id": receiver.held, "loud": "output"}).encode()
                if not hmac.compare_digest(good, str(self.headers["X-Evict-Signature"])) or abs(time.time() - int(stamp)) > 300:
                    status, answer = 401, b"?"
                elif self.command == "POST":
                    receiver.bodies.append(json.loads(body))
                    receiver.held = receiver.bodies[-1]["new"]["access_key_id"]
                    status = receiver.faults.pop() if receiver.faults else 200  # carried out, and the answer is lost on the way
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = _go  # noqa: N815 - http.server's names

            def log_message(self, *_args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize("secret", ["shared-secret", "wrong"])
def test_a_webhook_is_signed_and_takes_the_same_key_twice(estate: Estate, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_PAUSES", (0.0, 0.0))
    monkeypatch.setenv("HOOK_SECRET", secret)
    receiver = Receiver("shared-secret")
    try:
        estate.dependents.append({"kind": "webhook", "name": "ci", "url": f"{receiver.url}/keys", "verify": f"{receiver.url}/keys/current",
                                  "secret_env": "HOOK_SECRET", "readable_by": READERS})  # fmt: skip
        run = estate.run()
        if secret == "wrong":
            assert "Unauthorized" in run.said and set(estate.account.keys) == {OLD} and not receiver.bodies, run.said
            return
        is_done(estate, run)
        assert (
            receiver.held == estate.new
            and [b["new"] for b in receiver.bodies]
            == [{"access_key_id": estate.new, "secret_access_key": estate.account.secrets[estate.new]}] * 2
        )
        assert b"shared-secret" not in estate.files()
    finally:
        receiver.close()
