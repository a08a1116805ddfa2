"""A whole rotation over each kind of target, killed and with lost answers: AWS by botocore's models, Kubernetes by a server on loopback (CONTRACT)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.beds.kubernetes import Cluster
from tests.unit.aws.rotated import ACCOUNT, OLD, OLD_SECRET, REGION, Estate

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
    estate.account.projects["build"] = {"name": "build", "environment": environment, "serviceRole": "arn:aws:iam::111122223333:role/build"}
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
    estate.dependents.append({"kind": "kubernetes_secret", "at": "prod", "namespace": "apps", "name": "aws", "restart": restart, **more})


def hook(estate: Estate, folder: Path) -> Path:
    """A command that keeps what it is given in a file, and one that says which key is there."""
    kept = folder / "kept.json"
    kept.write_text(json.dumps({"access_key_id": OLD, "secret_access_key": OLD_SECRET}))
    apply = f"import json,sys; open({str(kept)!r}, 'w').write(json.dumps(json.load(sys.stdin)['new'])); print('loud')"
    verify = f"import json; print(json.load(open({str(kept)!r}))['access_key_id'])"
    python = ["python3", "-c"]
    estate.dependents.append({"kind": "hook", "name": "billing", "command": [*python, apply], "verify": [*python, verify]})
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


def test_every_kind_in_one_rotation_and_a_second_run_changes_nothing(estate: Estate, cluster: Cluster, tmp_path: Path) -> None:
    ecs(estate), codebuild(estate), parameter(estate), kubernetes(estate, cluster)
    kept = hook(estate, tmp_path)
    seen = len(cluster.requests)
    planned = estate.run(check=True)
    assert planned.changed and not planned.said and set(estate.account.keys) == {OLD}, planned.said
    assert {m for m, _p, _b in cluster.requests[seen:]} == {"GET"} and len(estate.account.definitions) == 1
    run = estate.run()
    is_done(estate, run)
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
    assert json.loads(kept.read_text()) == {"access_key_id": estate.new, "secret_access_key": secret}
