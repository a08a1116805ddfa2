"""The rules of a rotation that need no bed: what a place shows, what an alias may lead to, who is a stranger, what a bridge says."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import targets
from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation import bridge, watch
from ansible_collections.evict.cloud.plugins.module_utils.common import plan
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Secret, Target
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from ansible_collections.evict.cloud.plugins.module_utils.common.run import Runner
from tests.unit.aws.modelled_cloud import ModelledCloud
from tests.unit.common.fake_cloud import HERE, FakeCloud

OLD, NEW, OTHER = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE", "AKIAIOSFODNN7OTHER00"
WHERE = Target("aws", "111122223333", "eu-west-1")
CHANGE = targets.Change("arn:aws:iam::111122223333:user/app", OLD, NEW, Secret("mint", ("AccessKey", "SecretAccessKey")))


def held(key: str, secret: str = "x" * 40, **more: str) -> dict[str, Any]:
    return {"Environment": {"Variables": {"ID": key, "SECRET": secret, **more}}, "CodeSha256": "a", "Timeout": 3}


def function(latest: dict[str, Any], version: dict[str, Any], **alias: Any) -> tuple[targets.Place, Reader]:
    cloud = ModelledCloud(
        GetFunctionConfiguration=lambda sent: version if sent.get("Qualifier") else latest,
        ListAliases={"Aliases": [{"Name": "live", "FunctionVersion": "7", **alias}]},
        ListVersionsByFunction={"Versions": [{"Version": "7"}]},
    )
    return targets.Place(WHERE, "lambda_function", "orders", noun="Lambda function"), Reader({"aws": cloud})


def shown(place: targets.Place, reader: Reader) -> str:
    return targets.state(targets.KINDS[place.kind], place, {OLD}, NEW, reader)


@pytest.mark.parametrize(
    ("latest", "version", "said"),
    [
        (held(OLD), held(OLD), "old"),
        (held(NEW, "y" * 40), held(OLD), "old"),
        (held(NEW, "y" * 40), held(NEW, "y" * 40), "new"),
        ({**held(OLD), "CodeSha256": "b"}, held(OLD), "CodeSha256"),
        (held(OLD, MODE="new"), held(OLD, MODE="old"), "the variable MODE"),
        (held(OTHER, "y" * 40), held(OLD), "the variable ID"),
    ],
)
def test_a_function_is_new_only_with_all_its_aliases_and_none_that_deploys_something_else(
    latest: dict[str, Any], version: dict[str, Any], said: str
) -> None:
    state = shown(*function(latest, version))
    assert state == said or (state.startswith("unknown: ") and said in state), state


def test_an_alias_that_divides_calls_is_refused_and_a_new_environment_leaves_its_alias_to_do() -> None:
    weights = {"RoutingConfig": {"AdditionalVersionWeights": {"8": 0.1}}}
    assert "divides calls" in shown(*function(held(OLD), held(OLD), **weights))
    place, reader = function(held(NEW, "y" * 40), held(OLD))
    steps = list(targets.KINDS[place.kind].steps(place, CHANGE, reader))
    assert [s.do[0].operation for s in steps] == ["PublishVersion", "UpdateAlias"]  # type: ignore[union-attr]
    assert steps[0].do[0].parameters["CodeSha256"] == "a"  # type: ignore[union-attr]


def test_a_function_goes_back_by_its_two_variables_alone() -> None:
    place, reader = function(held(OLD, LATER="1"), held(OLD, LATER="1"))
    _kept, changed, *_ = targets.KINDS[place.kind].steps(place, CHANGE, reader)
    (undo,) = changed.undo
    assert isinstance(undo, plan.Edit) and undo.name == "replace_credential" and "Version" not in undo.document
    back = {targets.back_of(changed.id).step: {"Secret": targets.lambda_function.kept(place, OLD, reader)}}
    assert plan.resolve(undo.arguments, back) == {"old": NEW, "new": OLD, "secret": "x" * 40, "at": ["Environment", "Variables"]}


@pytest.mark.parametrize(
    ("half", "text", "said"),
    [("", OLD, "half: id"), ("id", f"ID={OLD}\nSECRET={'x' * 40}\n", "without half"), ("secret", "x=" + "y" * 40, "nothing else"), ("id", OLD, ""),
     ("secret", "x" * 40, ""), ("", f"ID={OLD}\n", "no secret beside it")],
)  # fmt: skip
def test_what_could_not_be_written_is_known_before_anything_is(half: str, text: str, said: str) -> None:
    reader = Reader({"aws": ModelledCloud(GetParameter={"Parameter": {"Value": text}})})
    state = shown(targets.Place(WHERE, "ssm_parameter", "/app", half), reader)
    assert (said in state and state.startswith("unknown: ")) if said else state in ("old", "half"), state


def test_a_secret_that_was_written_in_between_makes_another_pending_version() -> None:
    def version(current: str) -> Any:
        cloud = ModelledCloud(DescribeSecret={"VersionIdsToStages": {current: ["AWSCURRENT"]}}, ListSecretVersionIds={"Versions": []})
        place = targets.Place(WHERE, "secrets_manager", "app")
        made, label = targets.KINDS["secrets_manager"].steps(place, CHANGE, Reader({"aws": cloud}))
        assert label.do[0].parameters["RemoveFromVersionId"] == current  # type: ignore[union-attr]
        return made.after

    first, second = "a" * 36, "b" * 36
    assert version(first) == version(first) != version(second)


def test_no_part_of_one_place_is_another_place() -> None:
    one, two = (targets.Place(WHERE, "secrets_manager", name) for name in ("app", "app/version"))
    assert CHANGE.step_id(one, "version") != CHANGE.step_id(two)


@pytest.mark.parametrize(
    ("event", "vpcs", "hostile", "unknown"),
    [
        ({"sourceIPAddress": "203.0.113.9"}, [], "203.0.113.9", ""),
        ({"sourceIPAddress": "198.51.100.7"}, [], "", ""),
        ({"sourceIPAddress": "203.0.113.9", "eventTime": "2026-01-01T00:00:00Z"}, [], "", ""),
        ({"sourceIPAddress": "10.0.0.1", "vpcEndpointId": "vpce-1"}, ["vpc-11112222"], "", "vpce-1"),
        ({"sourceIPAddress": "10.0.0.1", "vpcEndpointId": "vpce-1"}, [], "10.0.0.1", ""),
    ],
)
def test_who_is_a_stranger(event: dict[str, Any], vpcs: list[str], hostile: str, unknown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record = {"eventTime": "2026-01-01T00:00:01Z", **event}
    monkeypatch.setattr(watch.events, "everywhere", lambda *_a, **_k: ([record], []))
    found = watch.strangers(None, "1", OLD, "2026-01-01T00:00:00Z", ["198.51.100.0/24"], vpcs)  # type: ignore[arg-type]
    assert found[0] == hostile and unknown in found[1] and bool(found[1]) == bool(unknown)


def test_roles_are_those_of_before_the_window_and_a_gap_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    taken = {"eventName": "AssumeRole", "eventTime": "2026-01-01T00:00:00Z", "requestParameters": {"roleArn": "arn:r"}}

    def everywhere(*_a: Any, **more: Any) -> Any:
        asked.update(more)
        return [taken, {**taken, "requestParameters": None}], ["eu-west-1: cut short"]

    monkeypatch.setattr(watch.events, "everywhere", everywhere)
    assert watch.assumed(None, "1", OLD, "2026-01-02T00:00:00Z") == (["arn:r"], "eu-west-1: cut short")  # type: ignore[arg-type]
    assert asked["end"] == "2026-01-02T00:00:00Z"


def test_a_bridge_for_a_vpc_alone_names_no_address() -> None:
    outside = bridge.document("S", [], ["vpc-11112222"], [])["Statement"][0]["Condition"]
    assert "NotIpAddressIfExists" not in outside and outside["StringNotEqualsIfExists"] == {"aws:SourceVpc": ["vpc-11112222"]}


@pytest.mark.parametrize("name", ["only", "replace_credential"])
def test_a_cloud_that_quotes_an_environment_is_not_quoted(name: str) -> None:
    cloud = FakeCloud(env="x" * 40)
    cloud.faults["Put"] = [("Invalid", "x" * 40)]
    cloud.document = lambda _e: (  # type: ignore[method-assign,assignment]
        plan.Probe(plan.Call(HERE, "fake", "Get", {"Name": "env"}), ()), lambda _v: plan.Call(HERE, "fake", "Put", {"Name": "env", "Value": 1}))  # fmt: skip
    runner = Runner({"fake": cloud}, None)
    arguments = {"keys": []} if name == "only" else {"old": OLD, "new": NEW, "secret": "y" * 40, "at": ["Value"], "half": "secret"}
    with pytest.raises(CloudError) as caught:
        runner.act(plan.Edit(HERE, {"Name": "env"}, name, arguments), {})
    assert "x" * 40 not in caught.value.message


@pytest.mark.parametrize(("stage", "said"), [("AWSPREVIOUS", "p" * 39 + "1"), ("AWSPENDING", "p" * 39 + "1"), ("", "")])
def test_a_secret_of_secrets_manager_keeps_what_was_before_and_what_waits(stage: str, said: str) -> None:
    def value(sent: dict[str, Any]) -> Any:
        return {"SecretString": f"ID={OLD}\nSECRET={'p' * 39}1\n"} if sent.get("VersionStage") == stage else "ResourceNotFoundException"

    place = targets.Place(WHERE, "secrets_manager", "app", noun="secret")
    assert targets.secrets_manager.kept(place, OLD, Reader({"aws": ModelledCloud(GetSecretValue=value)})) == said


@pytest.mark.parametrize(
    ("created", "said"), [("2026-11-28T09:00:01Z", ""), ("2026-11-28T08:59:59Z", "service prod/worker has not been restarted since")]
)
def test_a_service_is_restarted_when_its_deployment_is_older_than_the_secret(created: str, said: str) -> None:
    cloud = ModelledCloud(
        DescribeSecret={"LastChangedDate": "2026-11-28T09:00:00Z"},
        DescribeServices={
            "services": [
                {"status": "ACTIVE", "deployments": [{"id": "d", "status": "PRIMARY", "rolloutState": "COMPLETED", "createdAt": created}]}
            ]
        },
    )
    place = targets.Place(WHERE, "secrets_manager", "app", spec={"restart": {"ecs_service": ["prod/worker"]}}, noun="secret")
    kind, reader = targets.KINDS["secrets_manager"], Reader({"aws": cloud})
    assert targets.behind(kind, place, NEW, reader) == said
    steps = list(targets.restarted(kind, place, dataclasses.replace(CHANGE, written=True), reader))
    assert [s.do[0].parameters["forceNewDeployment"] for s in steps] == ([True] if said else [])  # type: ignore[union-attr]


def test_every_member_of_a_registration_is_copied() -> None:
    """What AWS adds to it later must not be lost on the way to a new revision."""
    from ansible_collections.evict.cloud.plugins.module_utils.aws import ecs
    from tests.unit.aws.modelled_cloud import model

    members = set(model("ecs").operation_model("RegisterTaskDefinition").input_shape.members) - {"tags"}
    described = set(model("ecs").shape_for("TaskDefinition").members)
    assert members & described == set(ecs.REGISTRABLE) and members <= described
