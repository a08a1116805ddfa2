"""What dependents and connections may say: every problem by its path, no secret, no line for a shell."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation import options
from ansible_collections.evict.cloud.plugins.module_utils.common import incident
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import InvalidInput
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Target

KEY = "AKIAIOSFODNN7EXAMPLE"
USER = Principal("111122223333", "user", "app", "AIDA", "arn:aws:iam::111122223333:user/app", KEY)


def validated(**more: Any) -> incident.Incident:
    return incident.validate(
        {"id": "IR-1", "opened": "2026-01-01T00:00:00Z", "suspects": [{"cloud": "aws", "access_key_id": KEY}], **more}, "test"
    )


def refused(**more: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        validated(**more)
    return dict(caught.value.problems)


@pytest.mark.parametrize(
    ("entry", "path", "said"),
    [
        ({"kind": "hook", "name": "x", "command": "rm -rf /"}, "command", "a list of words"),
        ({"kind": "hook", "name": "x", "command": []}, "command", "a list of words"),
        ({"kind": "hook", "name": "a b"}, "name", "not a name"),
        ({"kind": "hook", "name": "x", "half": "id"}, "half", "both halves"),
        ({"kind": "hook", "name": "x", "url": "https://x"}, "url", "unknown key"),
        ({"kind": "hook", "name": "x", "seconds": 3601}, "seconds", "3600 seconds at most"),
        ({"kind": "other", "name": "x", "check": {"alarm": "x", "seconds": 3601}}, "check.seconds", "3600 seconds at most"),
        ({"kind": "other", "name": "x", "check": {"command": ["a", "b\0"]}}, "check.command", "a list of words"),
        ({"kind": "webhook", "name": "x", "url": "http://example.com"}, "url", "not an https URL"),
        ({"kind": "webhook", "name": "x", "url": "https://user@example.com/x"}, "url", "not an https URL"),
        ({"kind": "webhook", "name": "x", "secret_env": "A", "secret_file": "/b"}, "", "name one"),
        ({"kind": "kubernetes_secret", "name": "Upper"}, "name", "not a name of Kubernetes"),
        ({"kind": "kubernetes_secret", "name": "x", "namespace": "../kube-system"}, "namespace", "not a name of Kubernetes"),
        ({"kind": "kubernetes_secret", "name": "x", "restart": ["pod/x"]}, "restart[0]", "not deployment/NAME"),
        ({"kind": "kubernetes_secret", "name": "x", "half": "id"}, "half", "both halves"),
        ({"kind": "ecs_task_definition", "name": "x", "services": ["orders"]}, "services[0]", "not CLUSTER/SERVICE"),
        ({"kind": "ssm_parameter", "name": "x", "restart": {"ecs_service": []}}, "restart", "names nothing"),
        ({"kind": "ssm_parameter", "name": "x", "restart": {"pods": ["x"]}}, "restart.pods", "unknown key"),
        ({"kind": "ssm_parameter", "name": "x", "half": "secret", "restart": {"ecs_service": ["a/b"]}}, "restart", "written last"),
        ({"kind": "lambda_function", "name": "x", "restart": {"ecs_service": ["a/b"]}}, "restart", "unknown key"),
        ({"kind": "secrets_manager", "name": "x", "at": "prod"}, "at", "unknown key"),
    ],
)
def test_a_dependent_that_is_wrong_is_refused_by_its_path(entry: dict[str, Any], path: str, said: str) -> None:
    problems = refused(dependents=[entry])
    where = "incident.dependents[0]" + (f".{path}" if path else "")
    assert where in problems and said in problems[where], problems


@pytest.mark.parametrize(
    ("connection", "path", "said"),
    [
        ({"kubernetes": []}, "kubernetes", "must be a mapping"),
        ({"kubernetes": {"a b": {}}}, "kubernetes", "not a name"),
        ({"kubernetes": {"p": {"url": "https://x", "token": "t"}}}, "kubernetes.p.token", "never written here"),
        ({"kubernetes": {"p": {"url": "http://10.0.0.1", "token_env": "T"}}}, "kubernetes.p.url", "not an https URL"),
        ({"kubernetes": {"p": {"url": "https://x"}}}, "kubernetes.p", "token_env"),
        ({"kubernetes": {"p": {"url": "https://x", "token_env": "T", "token_file": "/t"}}}, "kubernetes.p", "name one"),
        ({"kubernetes": {"p": {"url": "https://x", "kubeconfig": "/k", "token_env": "T"}}}, "kubernetes.p", "either url"),
        ({"kubernetes": {"p": {"kubeconfig": "/k", "ca_file": "/c"}}}, "kubernetes.p", "leave them out"),
        ({"kubernetes": {"p": {"url": "https://x", "token_env": "T", "context": "c"}}}, "kubernetes.p.context", "belongs to kubeconfig"),
        ({"kubernetes": {"p": {"url": "https://x", "token_env": "T", "insecure": True}}}, "kubernetes.p.insecure", "unknown key"),
    ],
)
def test_a_connection_that_is_wrong_is_refused_by_its_path(connection: dict[str, Any], path: str, said: str) -> None:
    problems = refused(connection=connection)
    where = f"incident.connection.{path}"
    assert where in problems and said in problems[where], problems


def test_what_is_right_comes_back_and_is_a_place() -> None:
    connection = {
        "kubernetes": {"prod": {"url": "https://10.0.0.1:6443", "ca_file": "~/ca.pem", "token_file": "~/token"}, "b": {"kubeconfig": "~/k"}}
    }
    dependents = [
        {
            "kind": "kubernetes_secret",
            "at": "prod",
            "namespace": "apps",
            "name": "aws",
            "key": "credentials",
            "restart": ["deployment/orders"],
            "seconds": 60,
        },
        {"kind": "ecs_task_definition", "arn": "arn:aws:ecs:eu-west-1:111122223333:task-definition/orders:7", "services": ["prod/orders"]},
        {"kind": "codebuild_project", "arn": "arn:aws:codebuild:eu-west-1:111122223333:project/build"},
        {"kind": "ssm_parameter", "name": "/app", "region": "eu-west-1", "restart": {"ecs_service": ["prod/worker"]}},
        {"kind": "hook", "name": "billing", "command": ["a", "b"], "verify": ["c"]},
        {"kind": "webhook", "name": "ci", "url": "https://example.com/k", "verify": "https://example.com/k", "secret_env": "S"},
    ]
    found = validated(connection=connection, dependents=dependents)
    assert found.connection["kubernetes"] == connection["kubernetes"] and found.dependents == dependents
    aws = Target("aws", "111122223333", "eu-west-1")
    assert [(p.target, p.name) for p in options.places(found.dependents, USER, "incident")] == [
        (Target("kubernetes", "prod", "apps"), "aws"), (aws, "orders"), (aws, "build"), (aws, "/app"), (Target("hook", "billing"), "billing"),
        (Target("webhook", "ci"), "ci"),
    ]  # fmt: skip


def test_what_is_only_listed_may_leave_out_what_a_rotation_needs() -> None:
    dependents = [{"kind": "hook", "name": "billing"}, {"kind": "kubernetes_secret", "name": "aws"}, {"kind": "webhook", "name": "x"}]
    found = validated(dependents=dependents)
    with pytest.raises(InvalidInput) as caught:
        options.places(found.dependents, USER, "incident")
    assert [path for path, _why in caught.value.problems] == [
        "incident.dependents[0].command", "incident.dependents[0].verify", "incident.dependents[1].at", "incident.dependents[1].namespace",
        "incident.dependents[2].url", "incident.dependents[2].verify", "incident.dependents[2]",
    ]  # fmt: skip
