"""Rotation of the places that run something, on the enforcing bed: a task definition and its service, a project, a cluster beside it, and a command."""

from __future__ import annotations

import json

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation import health, moving
from tests.beds.bed import Credentials, root
from tests.beds.company import PRODUCTION
from tests.beds.kubernetes import Cluster
from tests.integration.helpers import Child, Desk, works

pytestmark = pytest.mark.bed
USER, REGION = "app-orders", "us-east-1"


@pytest.mark.crash
def test_a_service_a_project_a_cluster_and_a_hook_killed_on_the_way_have_one_key_in_the_end(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the module's own process, killed right after the registration; then run to the end, and once more, which changes nothing."""
    monkeypatch.setattr(health, "PAUSE", 0.0)
    monkeypatch.setattr(moving, "POLL", 0.2)
    bed, key = desk.bed, desk.company.production.keys[USER]
    ecs, builds, iam = (bed.client(name, root(PRODUCTION), region=REGION, direct=True) for name in ("ecs", "codebuild", "iam"))
    variables = [
        {"name": "KEY_ID", "value": key.access_key},
        {"name": "KEY_SECRET", "value": key.secret_key},
        {"name": "MODE", "value": "fast"},
    ]
    ecs.create_cluster(clusterName="prod")
    first = ecs.register_task_definition(
        family="orders", containerDefinitions=[{"name": "app", "image": "x", "memory": 128, "environment": variables}], tags=[{"key": "team", "value": "orders"}]
    )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip
    ecs.create_service(cluster="prod", serviceName="orders", taskDefinition="orders", desiredCount=0)
    builds.create_project(
        name="build", source={"type": "NO_SOURCE", "buildspec": "version: 0.2"}, artifacts={"type": "NO_ARTIFACTS"},
        serviceRole=f"arn:aws:iam::{PRODUCTION}:role/orders-lambda",
        environment={"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL",
                     "environmentVariables": [{**v, "type": "PLAINTEXT"} for v in variables]},
    )  # fmt: skip
    outside = tmp_path_factory.mktemp("outside")  # where it may be written
    cluster, kept = Cluster(outside), outside / "kept.json"
    try:
        cluster.secret("apps", "aws", id=key.access_key, secret=key.secret_key)
        cluster.workload("deployments", "apps", "orders")
        kept.write_text(json.dumps({"new": {"access_key_id": key.access_key}}))
        verify = f"import json; print(json.load(open({str(kept)!r}))['new']['access_key_id'])"
        dependents = [
            {
                "kind": "ecs_task_definition",
                "name": "orders",
                "region": REGION,
                "services": ["prod/orders"],
                "networks": ["198.51.100.0/24"],
            },
            {"kind": "codebuild_project", "name": "build", "region": REGION},
            {
                "kind": "kubernetes_secret",
                "at": "prod",
                "namespace": "apps",
                "name": "aws",
                "restart": ["deployment/orders"],
                "readable_by": ["team-orders"],
            },
            {
                "kind": "hook",
                "name": "billing",
                "command": ["sh", "-c", f"cat > {kept}"],
                "verify": ["python3", "-c", verify],
                "readable_by": ["team-billing"],
            },
        ]
        server = {"url": cluster.url, "ca_file": str(cluster.ca_file), "token_file": str(cluster.token_file)}
        desk.incident(key.access_key, connection={"aws": {"role_arn": desk.company.role_template}, "kubernetes": {"prod": server}})
        params = {"mode": "graceful", "quiet": "0s", "soak": "0s", "dependents": dependents}
        child = Child(bed, {"module": "aws_credential_rotation", "params": {"incident": str(desk.file), **params}})
        bed.rule("after", operation="RegisterTaskDefinition", pgid=child.pgid)
        assert child.go()[0] == -9
        bed.clear_rules()
        done = desk.run("aws_credential_rotation", **params)
        assert done["status"] == "ok", done
        assert [p["state"] for p in done["rotation"][0]["places"]] == ["new"] * 4
        (new,) = [k["AccessKeyId"] for k in iam.list_access_keys(UserName=USER)["AccessKeyMetadata"]]
        service = ecs.describe_services(cluster="prod", services=["orders"])["services"][0]
        revisions = ecs.list_task_definitions(familyPrefix="orders")["taskDefinitionArns"]
        assert len(revisions) == 2 and service["taskDefinition"] != first
        now = ecs.describe_task_definition(taskDefinition=service["taskDefinition"], include=["TAGS"])
        project = builds.batch_get_projects(names=["build"])["projects"][0]["environment"]["environmentVariables"]
        texts = cluster.values("apps", "aws")
        held = [
            *(
                {e["name"]: e["value"] for e in entries}
                for entries in (now["taskDefinition"]["containerDefinitions"][0]["environment"], project)
            ),
            {"KEY_ID": texts["id"], "KEY_SECRET": texts["secret"], "MODE": "fast"},
            {**dict(zip(("KEY_ID", "KEY_SECRET"), json.loads(kept.read_text())["new"].values(), strict=True)), "MODE": "fast"},
        ]
        assert now["tags"] == [{"key": "team", "value": "orders"}] and len({json.dumps(h, sort_keys=True) for h in held}) == 1, held
        secret = held[0]["KEY_SECRET"]
        assert held[0]["KEY_ID"] == new and works(bed, Credentials(new, secret)) == "ok" and list(cluster.secrets) == [("apps", "aws")]
        assert desk.leaks(key.secret_key, secret, cluster.token) == [] and desk.verified()
        assert not desk.run("aws_credential_rotation", **params)["changed"]
    finally:
        cluster.close()
