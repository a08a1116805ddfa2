"""The responder's IAM policies are what the code needs: fresh, of operations that AWS has, complete by the source, nothing undeclared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.tools import permissions

RESPONDER, CALLER = permissions.responder_policy(), permissions.caller_policy()
MANAGEMENT, DEPENDENTS = permissions.management_policy(), permissions.dependents_policy()
GRANTED = set().union(*map(permissions.actions_in, (RESPONDER, CALLER, MANAGEMENT, DEPENDENTS)))


@pytest.mark.parametrize(("path", "text"), [pytest.param(path, text, id=path) for path, text in permissions.files()])
def test_what_is_on_disk_is_what_the_code_needs_now(path: str, text: str) -> None:
    assert (permissions.ROOT / path).read_text(encoding="utf-8") == text, f"{path} is stale: run `make generate`"


@pytest.mark.parametrize("policy", [RESPONDER, CALLER, MANAGEMENT, DEPENDENTS], ids=["responder", "caller", "management", "dependents"])
def test_a_policy_is_one_that_iam_takes(policy: dict[str, Any]) -> None:
    assert policy["Version"] == "2012-10-17"
    sids = [statement["Sid"] for statement in policy["Statement"]]
    assert len(set(sids)) == len(sids) and all(sid.isalnum() for sid in sids)
    for statement in policy["Statement"]:
        limited = {"Condition"} if statement["Sid"] == "EvictDecrypt" else set()
        assert set(statement) == {"Sid", "Effect", "Action", "Resource"} | limited and statement["Effect"] == "Allow"
        assert statement["Action"] == sorted(set(statement["Action"])) and not any("*" in action for action in statement["Action"])
    assert len(json.dumps(policy, separators=(",", ":"))) < 6144  # a managed policy's limit; an inline one of a role may have 10,240


def test_writes_are_limited_to_kinds_of_resource() -> None:
    """All but CancelCommand, for which AWS has no resource."""
    written = {need.action for need in permissions.needs().values() if need.write} - {"ssm:CancelCommand"}
    for statement in RESPONDER["Statement"]:
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        assert all((action in written) == (resources != ["*"]) for action in statement["Action"]), statement["Sid"]
        assert all(len(resource.split(":")) > 5 for resource in resources if resource != "*")


def test_the_management_role_touches_accounts_and_service_control_policies_only() -> None:
    assert all(action.startswith("organizations:") for action in permissions.actions_in(MANAGEMENT))
    assert not permissions.actions_in(MANAGEMENT) & {
        "organizations:MoveAccount",
        "organizations:EnablePolicyType",
        "organizations:LeaveOrganization",
    }
    for statement in MANAGEMENT["Statement"]:
        if "organizations:AttachPolicy" in statement["Action"]:
            assert not any("root" in resource or ":ou/" in resource or resource == "*" for resource in statement["Resource"])


def test_what_contains_cannot_read_secrets_and_what_reads_them_writes_nothing() -> None:
    secret = {"secretsmanager:GetSecretValue", "ssm:GetParameters", "kms:Decrypt", "ec2:DescribeInstanceAttribute", "glue:GetConnections"}
    assert (
        secret <= permissions.actions_in(DEPENDENTS)
        and not secret & permissions.actions_in(RESPONDER)
        and secret <= permissions.only_discovery()
    )
    assert not {need.action for need in permissions.needs().values() if need.write} & permissions.actions_in(DEPENDENTS)
    assert set(permissions.SENSITIVE) <= permissions.actions_in(DEPENDENTS)
    decrypt = next(s for s in DEPENDENTS["Statement"] if s["Sid"] == "EvictDecrypt")
    assert decrypt["Action"] == ["kms:Decrypt"] and all(via != "*" for via in decrypt["Condition"]["StringLike"]["kms:ViaService"])


def test_every_generator_of_steps_is_run() -> None:
    assert {run.generator for run in permissions.runs()} == permissions.generators()


def test_every_generator_gives_steps_that_do_something() -> None:
    steps = [(run.generator, step) for run in permissions.runs() for step in run.steps]
    assert {generator for generator, _step in steps} == permissions.generators()
    assert all(step.do for _generator, step in steps)


def test_what_the_source_calls_is_granted() -> None:
    called = permissions.literal_calls()
    assert len(called) > 20
    missing = {
        name: places for name, places in called.items() if name not in permissions.NEEDS_NONE and permissions.action_of(name) not in GRANTED
    }
    # An Edit's document is granted when a Step edits it, and no earlier.
    assert set(missing) <= {"iam:UpdateAssumeRolePolicy"}, missing


def test_what_is_granted_is_called_by_the_source() -> None:
    called = {permissions.action_of(name) for name in permissions.literal_calls()}
    assert called >= GRANTED - {*permissions.PARAMETERS, *permissions.DEPENDENT, *permissions.DECRYPTING}
    for action, (operation, parameter) in permissions.PARAMETERS.items():
        assert action in GRANTED and operation in called
        assert f'"{parameter}"' in (permissions.FOLDER / f"{permissions.DECLARED[action]}.py").read_text(encoding="utf-8")


def test_reads_that_are_declared_are_made() -> None:
    """A READS entry that no code makes any more would widen the policy for nothing."""
    called = permissions.literal_calls()
    assert {read: files for read, files in permissions.reads().items() if read not in called} == {}


def test_every_action_says_why_and_no_reason_is_left_over() -> None:
    assert set(permissions.WHY) == GRANTED
    assert set(permissions.USERS) >= {source for sources in permissions.reads().values() for source in sources}
    modules = {path.stem for path in (permissions.ROOT / "plugins" / "modules").glob("*.py")}
    assert {module for need in permissions.needs().values() for module in need.modules} <= modules


@pytest.mark.parametrize("operation", ["iam:GetLoginProfil", "iam:AssumeRole"])
def test_an_operation_that_aws_does_not_have_is_refused(operation: str) -> None:
    with pytest.raises(SystemExit, match="no such operation"):
        permissions.action_of(operation)


def test_a_service_whose_prefix_nobody_has_looked_up_is_refused() -> None:
    with pytest.raises(SystemExit, match="look up the IAM prefix"):
        permissions.action_of("elbv2:DescribeLoadBalancers")
