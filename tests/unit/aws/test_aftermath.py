"""When services are asked again: what changed while the containment was held decides it, and what an earlier look said gives way to the later one."""

from __future__ import annotations

import types
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import live
from ansible_collections.evict.cloud.plugins.module_utils.aws.aftermath import Aftermath
from ansible_collections.evict.cloud.plugins.module_utils.aws.live import eks_access
from ansible_collections.evict.cloud.plugins.module_utils.aws.session import parse
from ansible_collections.evict.cloud.plugins.module_utils.common.guard import identity
from ansible_collections.evict.cloud.plugins.module_utils.common.run import Runner
from tests.unit.aws.modelled_cloud import ModelledCloud
from tests.unit.aws.test_live_kinds import USER, A, event, role
from tests.unit.common.fake_cloud import Journal

DEPLOY = role("deploy", sessions={"evil"})


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """As much of a containment as ``Aftermath`` looks at, over one cluster with an entry of DEPLOY."""
    monkeypatch.setattr(live, "KINDS", {"eks_access": eks_access})
    monkeypatch.setattr(Aftermath, "minted_until", lambda _self, _principal: parse("2026-01-01T00:00:00Z"))
    entries = [DEPLOY.arn]

    def described(parameters: dict[str, Any]) -> Any:
        arn = parameters["principalArn"]
        return {"accessEntry": {"principalArn": arn}} if arn in entries else "ResourceNotFoundException"

    def deleted(parameters: dict[str, Any]) -> dict[str, Any]:
        entries.remove(parameters["principalArn"])
        return {}

    cloud = ModelledCloud(
        ListClusters={"clusters": ["a"]}, DescribeCluster={"cluster": {"name": "a", "arn": "arn:c", "accessConfig": {"authenticationMode": "API"}}},
        ListAccessEntries=lambda _p: {"accessEntries": list(entries)}, ListAssociatedAccessPolicies={"associatedAccessPolicies": []},
        DescribeAccessEntry=described, DeleteAccessEntry=deleted,
    )  # fmt: skip
    runner = Runner({"aws": cloud}, Journal())
    yield types.SimpleNamespace(
        cloud=cloud, entries=entries, runner=runner, principals={identity(DEPLOY.arn): DEPLOY}, released=set(), trusted=set(), spares=lambda _p: False,
        findings=types.SimpleNamespace(acted_as=set()), scope=types.SimpleNamespace(kept=[]), options=types.SimpleNamespace(live_sessions=True, scope=60),
        roles=types.SimpleNamespace(actions={identity(DEPLOY.arn): types.SimpleNamespace(action="revoke")}), share="",
        incident=types.SimpleNamespace(policy_name=lambda purpose: purpose),
        people=types.SimpleNamespace(principals=list, accounts=set, behind_session=lambda _a: None, behind_role=lambda _a: [], signs_until=dict),
        aws=types.SimpleNamespace(now=lambda: parse("2026-01-01T00:00:00Z"), absent=lambda _e, _r: False),
    )  # fmt: skip
    runner.close()


def begun(run: Any) -> Aftermath:
    after = Aftermath(run)
    after._regions[A] = ["eu-west-1"]
    after.end()
    return after


def test_nothing_is_asked_again_where_nothing_was_found(run: Any) -> None:
    after = begun(run)
    before = len(run.cloud.calls)
    after.end_again()
    assert before and len(run.cloud.calls) == before


def test_the_entry_of_a_role_that_is_denied_later_goes_and_its_row_with_it(run: Any) -> None:
    after = begun(run)
    (row,) = after.residual()
    assert "the role is not denied" in row["why"] and run.entries == [DEPLOY.arn]
    run.roles.actions[identity(DEPLOY.arn)].action = "deny"
    after.end_again()
    assert run.entries == [] and after.residual() == [] and run.runner.failures == []


def test_what_is_no_more_there_and_a_gap_that_was_closed_are_not_told_any_more(run: Any) -> None:
    answers = run.cloud.answers
    answers["ListClusters"], listed = "AccessDeniedException", answers["ListClusters"]
    after = begun(run)
    assert "EKS access entries" in after.open_items()[0]["why"]
    answers["ListClusters"] = listed
    run.scope.kept.append({**event("ssm", "StartSession"), "eventID": "1"})
    after.end_again()  # no kind that is looked for here: nothing of it
    assert after.open_items()
    run.principals[identity(USER.arn)] = USER
    after.end_again()
    assert after.open_items() == [] and len(after.residual()) == 1
    run.entries.clear()
    run.findings.acted_as.add("x")
    after.end_again()
    assert after.residual() == []
