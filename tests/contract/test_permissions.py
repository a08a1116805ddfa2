"""The responder's IAM policies are what the code needs: fresh, of operations that AWS has, complete by the source, nothing undeclared."""

from __future__ import annotations

import json
import re
from typing import Any

import botocore.exceptions
import botocore.session
import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import session
from tests.tools import permissions

RESPONDER, RESOURCES, CALLER = permissions.responder_policy(), permissions.resources_policy(), permissions.caller_policy()
MANAGEMENT, READINESS, DEPENDENTS = permissions.management_policy(), permissions.readiness_policy(), permissions.dependents_policy()
DOCUMENTS = {
    "responder": RESPONDER,
    "resources": RESOURCES,
    "caller": CALLER,
    "management": MANAGEMENT,
    "readiness": READINESS,
    "dependents": DEPENDENTS,
    "rotation": permissions.rotation_policy(),
    "investigation": permissions.investigation_policy(),
    "warehouse": permissions.warehouse_policy(),
}
GRANTED = set().union(*map(permissions.actions_in, DOCUMENTS.values()))


@pytest.mark.parametrize(("path", "text"), [pytest.param(path, text, id=path) for path, text in permissions.files()])
def test_what_is_on_disk_is_what_the_code_needs_now(path: str, text: str) -> None:
    assert (permissions.ROOT / path).read_text(encoding="utf-8") == text, f"{path} is stale: run `make generate`"


@pytest.mark.parametrize("policy", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_policy_is_one_that_iam_takes(policy: dict[str, Any]) -> None:
    assert policy["Version"] == "2012-10-17"
    sids = [statement["Sid"] for statement in policy["Statement"]]
    assert len(set(sids)) == len(sids) and all(sid.isalnum() for sid in sids)
    for statement in policy["Statement"]:
        limited = {"Condition"} if statement["Sid"] in ("EvictCrypt", "EvictDecrypt", "EvictPass", "EvictTag") else set()
        assert set(statement) == {"Sid", "Effect", "Action", "Resource"} | limited and statement["Effect"] == "Allow"
        assert statement["Action"] == sorted(set(statement["Action"])) and not any("*" in action for action in statement["Action"])
    assert len(json.dumps(policy, separators=(",", ":"))) < 6144  # a managed policy's limit; an inline one of a role may have 10,240


def test_writes_are_limited_to_kinds_of_resource() -> None:
    """All but two for which AWS has no resource, or none that is known here."""
    anything = {"ssm:CancelCommand", "config:StartConfigurationRecorder"}
    written = {need.action for need in permissions.needs().values() if need.write} - anything
    for statement in (*RESPONDER["Statement"], *RESOURCES["Statement"]):
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        assert all((action in written) == (resources != ["*"]) for action in statement["Action"]), statement["Sid"]
        assert all(len(resource.split(":")) > 5 for resource in resources if resource not in ("*", "arn:aws:s3:::*"))


def test_the_management_role_touches_accounts_and_service_control_policies_only() -> None:
    """And Identity Center's assignments and memberships, and the root users of member accounts through AWS's task policies."""
    assert all(action.startswith(permissions.ABOVE) for action in permissions.actions_in(MANAGEMENT))
    root = [s for s in MANAGEMENT["Statement"] if "sts:AssumeRoot" in s["Action"]]
    assert [s["Resource"] for s in root] == ["arn:aws:iam::*:root"]
    written = {need.action for need in permissions.needs().values() if need.write and need.action.startswith(("sso:", "identitystore:"))}
    assert all(s["Resource"] != "*" for s in MANAGEMENT["Statement"] if written & set(s["Action"]))
    assert not permissions.actions_in(MANAGEMENT) & {
        "organizations:MoveAccount",
        "organizations:EnablePolicyType",
        "organizations:LeaveOrganization",
    }
    for statement in MANAGEMENT["Statement"]:
        if "organizations:AttachPolicy" in statement["Action"]:
            assert not any("root" in resource or ":ou/" in resource or resource == "*" for resource in statement["Resource"])


def test_the_readiness_policy_reads_only() -> None:
    written = {need.action for need in permissions.needs().values() if need.write}
    assert not permissions.actions_in(READINESS) & written
    verbs = {action.split(":")[1] for action in permissions.actions_in(READINESS)}
    assert all(verb.startswith(("Get", "List", "Describe", "LookupEvents", "Simulate")) for verb in verbs), verbs


def test_what_is_simulated_is_what_is_granted() -> None:
    from ansible_collections.evict.cloud.plugins.module_utils.aws.readiness import actions

    assert {action for found in actions.RESPONDER.values() for action in found} == permissions.actions_in(permissions.role_policy())
    assert {action for found in actions.MANAGEMENT.values() for action in found} == permissions.actions_in(MANAGEMENT)


def test_what_contains_cannot_read_secrets_and_what_reads_them_writes_nothing() -> None:
    secret = {
        "secretsmanager:GetSecretValue",
        "ssm:GetParameters",
        "kms:Decrypt",
        "glue:GetConnections",
    }  # DescribeInstanceAttribute shows user data, and isolation needs it
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
    assert called >= GRANTED - {
        *permissions.PARAMETERS,
        *permissions.DEPENDENT,
        *permissions.DEPENDENT_TOO,
        *permissions.CRYPTING,
        *permissions.WAREHOUSED,
    }
    for action, (operation, parameter) in permissions.PARAMETERS.items():
        assert action in GRANTED and operation in called
        assert f'"{parameter}"' in (permissions.FOLDER / f"{permissions.DECLARED[action]}.py").read_text(encoding="utf-8")


def test_reads_that_are_declared_are_made() -> None:
    """A READS entry that no code makes any more would widen the policy for nothing."""
    called = permissions.literal_calls()
    assert {read: files for read, files in permissions.reads().items() if read not in called} == {}


def test_every_read_that_comes_in_pages_is_read_to_the_end() -> None:
    """By botocore's own paginators, or, where it has none, by the token that request and answer share (``Aws._rest``)."""
    loose, core = {}, botocore.session.get_session()
    for read in sorted(permissions.reads()):
        service, operation = read.split(":")
        model = core.get_service_model(service).operation_model(operation)
        given, found = (set(shape.members) if shape else set() for shape in (model.input_shape, model.output_shape))
        tokens = {name for name in found if re.fullmatch(r"(?i)(next)?_?(page)?(token|marker)|next|position|cursor", name)}
        try:
            paged = operation in core.get_component("data_loader").load_service_model(service, "paginators-1")["pagination"]
        except botocore.exceptions.UnknownServiceError:
            paged = False
        if tokens and not paged and not tokens & given & set(session._TOKENS):
            loose[read] = tokens
    assert loose == {}


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
        permissions.action_of("wafv2:ListWebACLs")
