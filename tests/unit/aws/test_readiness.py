"""Readiness checks on answers that AWS's own models allow: chunks, pages, what is left out, what could not be read."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import baseline, readiness, ready
from ansible_collections.evict.cloud.plugins.module_utils.aws.readiness import actions, identity_center, kind, simulation, standing, trail
from ansible_collections.evict.cloud.plugins.module_utils.aws.standing_fence import document
from ansible_collections.evict.cloud.plugins.module_utils.common import template
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError, EvictError
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from ansible_collections.evict.cloud.plugins.module_utils.common.store import open_store
from tests.unit.aws.modelled_cloud import ModelledCloud, valid_call

A, MANAGEMENT = "111122223333", "999988887777"
ROLE = f"arn:aws:iam::{A}:role/incident-responder"


class Aws(ModelledCloud):
    """As session.Aws, over a modelled cloud."""

    region, partition, calls_made = "eu-west-1", "aws", 0
    management_arn = f"arn:aws:iam::{MANAGEMENT}:role/policies"
    caller = {"account": MANAGEMENT, "arn": f"arn:aws:iam::{MANAGEMENT}:user/ada"}

    @staticmethod
    def responder_arn(account: str) -> str:
        return ROLE.replace(A, account)

    @staticmethod
    def absent(error: EvictError, region: str) -> bool:
        return region == "xx-absent-1"


def look(aws: Aws, account: str = A, **file: Any) -> kind.Look:
    incident = template.validate({"accounts": [A], **file}, "test")
    return kind.Look(aws=aws, incident=incident, account=account, accounts=(A,), given=True, probe=False, reader=Reader({"aws": aws}))  # type: ignore[arg-type]


def verdicts(parameters: dict[str, Any], decision: str = "allowed", **more: Any) -> dict[str, Any]:
    return {"EvaluationResults": [{"EvalActionName": a, "EvalDecision": decision, **more} for a in parameters["ActionNames"]]}


# -- the simulator ---------------------------------------------------------------------------------------------------------


def test_a_long_list_is_asked_in_chunks_and_each_action_once() -> None:
    aws = Aws(SimulatePrincipalPolicy=verdicts)
    wanted = [f"iam:Get{n}" for n in range(simulation.CHUNK * 2 + 1)]
    found = simulation.simulate(look(aws), ROLE, [*wanted, wanted[0]])
    assert [v.action for v in found] == wanted and not any(v.by for v in found)
    assert [len(call.parameters["ActionNames"]) for call in aws.asked("SimulatePrincipalPolicy")] == [simulation.CHUNK, simulation.CHUNK, 1]


def test_an_action_that_the_answer_leaves_out_is_no_allowance() -> None:
    aws = Aws(SimulatePrincipalPolicy=lambda p: verdicts({"ActionNames": p["ActionNames"][1:]}))
    with pytest.raises(EvictError, match="said nothing of iam:GetUser"):
        simulation.simulate(look(aws), ROLE, ["iam:GetUser", "iam:GetRole"])


def test_one_action_that_the_simulator_refuses_hides_no_other() -> None:
    def answer(parameters: dict[str, Any]) -> Any:
        names = parameters["ActionNames"]
        return "InvalidInput" if "x:New" in names else verdicts(parameters)

    with pytest.raises(CloudError, match="InvalidInput"):
        simulation.simulate(look(Aws(SimulatePrincipalPolicy=answer)), ROLE, ["iam:GetUser", "x:New"])
    aws = Aws(SimulatePrincipalPolicy=lambda p: "InvalidInput" if len(p["ActionNames"]) > 1 else verdicts(p))
    assert len(simulation.simulate(look(aws), ROLE, ["iam:GetUser", "iam:GetRole"])) == 2


@pytest.mark.parametrize(
    ("result", "by"),
    [
        ({"EvalDecision": "allowed"}, ""),
        ({"EvalDecision": "implicitDeny"}, "no policy allows it"),
        ({"EvalDecision": "explicitDeny"}, "a policy denies it"),
        ({"EvalDecision": "explicitDeny", "OrganizationsDecisionDetail": {"AllowedByOrganizations": False}}, "a policy of the organization denies it"),
        ({"EvalDecision": "allowed", "OrganizationsDecisionDetail": {"AllowedByOrganizations": False}}, "a policy of the organization denies it"),
        ({"EvalDecision": "implicitDeny", "PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}},
         "its permissions boundary does not allow it"),
    ],
)  # fmt: skip
def test_who_is_to_blame(result: dict[str, Any], by: str) -> None:
    aws = Aws(SimulatePrincipalPolicy=lambda p: {"EvaluationResults": [{"EvalActionName": p["ActionNames"][0], **result}]})
    assert simulation.simulate(look(aws), ROLE, ["iam:GetUser"])[0].by == by


def test_the_list_covers_writes_by_a_resource_of_their_kind_and_says_what_each_is_for() -> None:
    aws = Aws(SimulatePrincipalPolicy=lambda p: verdicts(p, "implicitDeny"))
    denied = {verdict.action: why for verdict, why in simulation.denied(look(aws), ROLE, actions.RESPONDER)}
    assert (
        denied["iam:PutRolePolicy"] == "fence a role; revoke its sessions" and len(denied) == sum(map(len, actions.RESPONDER.values())) > 80
    )
    resources = [call.parameters.get("ResourceArns", ["*"])[0] for call in aws.asked("SimulatePrincipalPolicy")]
    assert f"arn:aws:iam::{A}:user/evict-readiness" in resources and "*" in resources and not any("{" in resource for resource in resources)


# -- the standing fence ----------------------------------------------------------------------------------------------------


def above(content: Any) -> Aws:
    policies = {A: [], "ou-1": [], "r-1": [{"Id": "p-1", "Name": "anything", "AwsManaged": False}]}
    return Aws(
        DescribeOrganization={"Organization": {"MasterAccountId": MANAGEMENT}},
        ListParents=lambda p: {"Parents": [{"Id": "ou-12-345678" if p["ChildId"] == A else "r-1234"}]},
        ListPoliciesForTarget=lambda p: {"Policies": policies["r-1"] if p["TargetId"].startswith("r-") else []},
        DescribePolicy={"Policy": {"Content": content}},
    )


def rows(aws: Aws, **file: Any) -> list[kind.Row]:
    look_ = look(aws, **file)
    # botocore gives the document as text; session.Aws parses it, the modelled cloud does not.
    return list(standing.check(look_))


def test_the_fence_is_recognized_by_what_it_says_not_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    exempt = ["arn:aws:iam::*:role/incident-responder", f"arn:aws:iam::{A}:role/break-glass"]
    whole = document(exempt)

    def said(content: Any, **file: Any) -> kind.Row:
        aws = above("x")
        monkeypatch.setattr("ansible_collections.evict.cloud.plugins.module_utils.aws.readiness.above.document", lambda *_: content)
        return rows(aws, **file)[-1]

    assert said(whole).state == "ok"
    renamed = {**whole, "Statement": [{**s, "Sid": f"X{n}"} for n, s in enumerate(whole["Statement"])]}
    assert said({**renamed, "Statement": [{**s} for s in whole["Statement"]][::-1]}).state == "ok"
    weaker = {**whole, "Statement": [{**s, "Action": ["iam:TagUser"]} if s["Sid"] == "EvictStandingTag" else s for s in whole["Statement"]]}
    assert "EvictStandingTag" in said(weaker).why and said(weaker).state == "missing"
    narrower = {
        **whole,
        "Statement": [{**s, "Resource": "arn:aws:s3:::*"} if s["Sid"] == "EvictStandingQuarantine" else s for s in whole["Statement"]],
    }
    assert "waits for the tag" in said(narrower).why
    assert said(whole, protected=[f"arn:aws:iam::{A}:role/other"]).why.endswith(f"does not exempt arn:aws:iam::{A}:role/other")
    assert said({"Statement": "nonsense"}).state == said("not JSON").state == "missing"


# -- other checks ----------------------------------------------------------------------------------------------------------


def test_identity_center_is_looked_for_in_every_enabled_region_and_a_refusal_is_unknown() -> None:
    instance = {"InstanceArn": "arn:aws:sso:::instance/ssoins-1", "IdentityStoreId": "d-1234567890"}
    base = {"DescribeOrganization": {"Organization": {"MasterAccountId": MANAGEMENT}},
            "DescribeRegions": {"Regions": [{"RegionName": "eu-west-1"}, {"RegionName": "us-east-1"}]}}  # fmt: skip
    asked: list[str] = []

    class Regional(Aws):
        def call(self, call: Any, parameters: Any = None) -> dict[str, Any]:
            if call.operation == "ListInstances":
                valid_call(call)
                asked.append(call.target.region)
                if call.target.region == self.answers["refuses"]:
                    raise CloudError("sso-admin:ListInstances: AccessDenied", code="AccessDeniedException")
                return {"Instances": [instance] if call.target.region == self.answers["has"] else []}
            return super().call(call, parameters)

    assert next(iter(identity_center.check(look(Regional(**base, has="us-east-1", refuses=""), "")))).object == instance["InstanceArn"]
    assert asked == ["eu-west-1", "us-east-1"]
    assert next(iter(identity_center.check(look(Regional(**base, has="", refuses="us-east-1"), "")))).state == "unknown"
    none = next(iter(identity_center.check(look(Regional(**base, has="", refuses=""), ""))))
    assert none.state == "ok" and "no instance" in none.note


def test_a_trail_that_cannot_deliver_is_missing_and_one_that_runs_is_enough() -> None:
    def state(*statuses: dict[str, Any]) -> list[str]:
        trails = [{"TrailARN": f"arn:aws:cloudtrail:eu-west-1:{A}:trail/t{n}", "IsMultiRegionTrail": True} for n in range(len(statuses))]
        answers = {trails[n]["TrailARN"]: status for n, status in enumerate(statuses)}
        aws = Aws(DescribeTrails={"trailList": [*trails, {"TrailARN": "one-region", "IsMultiRegionTrail": False}]},
                  GetTrailStatus=lambda p: answers[p["Name"]], LookupEvents={"Events": []})  # fmt: skip
        return [row.state for row in trail.check(look(aws))]

    assert state({"IsLogging": True}) == ["ok"] and state({"IsLogging": False}, {"IsLogging": True}) == ["ok"]
    assert state({"IsLogging": True, "LatestDeliveryError": "AccessDenied"}) == ["missing"] and state() == ["missing"]


def test_a_check_that_raises_is_unknown_with_what_contain_could_not_do() -> None:
    found = ready._ask("trail", look(Aws(LookupEvents="AccessDeniedException", DescribeTrails="AccessDeniedException")))
    assert [row["state"] for row in found] == ["unknown"] and "DescribeTrails" in found[0]["why"] and found[0]["loss"]


def test_every_check_says_what_it_is() -> None:
    assert len(readiness.CHECKS) == 14
    for name, check in readiness.CHECKS.items():
        assert (
            name == check.NAME
            and check.QUESTION.endswith("?")
            and check.LOSS
            and isinstance(check.EACH, bool)
            and isinstance(check.READS, tuple)
        )


def test_every_file_of_the_package_is_a_check_or_says_that_it_is_none() -> None:
    import pathlib

    folder = pathlib.Path(readiness.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert files - {check.__name__.rsplit(".", 1)[-1] for check in readiness.CHECKS.values()} == {"above", "actions", "kind", "simulation"}


# -- the accounts ----------------------------------------------------------------------------------------------------------


def test_suspended_accounts_are_named_and_an_organization_that_does_not_answer_is_unknown() -> None:
    listed = {"Accounts": [{"Id": A, "Status": "ACTIVE", "Name": "a"}, {"Id": MANAGEMENT, "Status": "SUSPENDED", "Name": "{{ x }}\x1b[2J"}]}
    found, rows_ = ready.accounts(Aws(ListAccounts=listed), [])  # type: ignore[arg-type]
    assert found == [A] and [(r["account"], r["state"]) for r in rows_] == [(MANAGEMENT, "ok")] and "suspended" in rows_[0]["note"]
    found, rows_ = ready.accounts(Aws(ListAccounts="AccessDeniedException"), [])  # type: ignore[arg-type]
    assert found == [MANAGEMENT] and rows_[0]["state"] == "unknown"
    assert ready.accounts(Aws(), [A, A]) == ([A], [])  # type: ignore[arg-type]


# -- the baseline ----------------------------------------------------------------------------------------------------------


class Clock(Aws):
    seconds = 0

    def now(self) -> Any:
        import datetime as dt

        Clock.seconds += 1
        return dt.datetime(2026, 11, 22, tzinfo=dt.UTC) + dt.timedelta(seconds=Clock.seconds)


def test_a_baseline_is_kept_once_and_a_blind_look_replaces_nothing(tmp_path: Any) -> None:
    store = open_store(str(tmp_path))
    user = {
        "Arn": f"arn:aws:iam::{A}:user/ci",
        "UserName": "ci",
        "CreateDate": "2026-01-01T00:00:00Z",
        "Path": "/",
        "UserId": "AIDAEXAMPLEEXAMPLE",
    }
    answers: dict[str, Any] = {"GetAccountAuthorizationDetails": {"UserDetailList": [user]}, "GetLoginProfile": "NoSuchEntity"}

    def look_(check: bool = False, **more: Any) -> dict[str, Any]:
        return baseline.keep(Clock(**{**answers, **more}), store, A, check=check)  # type: ignore[arg-type]

    assert look_(check=True)["state"] == "would write" and store.list() == []
    first = look_()
    assert first["state"] == "written" and (tmp_path / store.list()[0]).stat().st_mode & 0o777 == 0o600
    assert look_()["state"] == "kept" and len(store.list()) == 1
    blind = look_(ListAccessKeys="AccessDenied")
    assert blind["state"] == "unknown" and blind["why"] and len(store.list()) == 1  # what is not known is no change
    lost = look_(GetAccountAuthorizationDetails="AccessDenied")
    assert lost["state"] == "unknown" and "changed" not in lost
    changed = look_(GetAccountAuthorizationDetails={"UserDetailList": []})
    assert changed["state"] == "written" and len(store.list()) == 2 and baseline.newest(store, A)["state"] == {}  # type: ignore[index]


def test_in_a_container_a_store_that_is_lost_with_it_is_refused(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a job of AWX has it; readiness says so, and the baseline is not written where nobody finds it again."""
    for module in (baseline, readiness.CHECKS["store"]):
        monkeypatch.setattr(
            module, "lost_with_container", lambda _path: "is a directory inside a container, on overlay, and is lost with it"
        )
    params = {"incident_data": {"accounts": [A], "store": "./cases"}, "directory": str(tmp_path), "allow_local_store": False}
    refused = baseline.run(params, lambda *_a, **_k: pytest.fail("no request before that"), check=False)["problems"]
    assert "is a directory inside a container" in refused[0]["message"] and "allow_local_store=true" in refused[0]["remedy"]
    assert list(tmp_path.iterdir()) == []
    look_ = look(Aws())
    look_.store = lambda: open_store(str(tmp_path))
    found = list(readiness.CHECKS["store"].check(look_))
    assert [row.state for row in found] == ["missing"] and "container" in found[0].why


def test_no_answer_says_nothing_about_the_role_and_a_refusal_does() -> None:
    def state(code: str) -> str:
        aws = Aws(GetCallerIdentity=code)
        aws.roles = type("Roles", (), {"nameless": set()})()  # type: ignore[attr-defined]
        return next(iter(readiness.CHECKS["responder"].check(look(aws)))).state

    assert state("AccessDenied") == "missing" and state("EndpointConnectionError") == state("Throttling") == "unknown"
    aws = Aws(GetCallerIdentity={"Account": MANAGEMENT, "Arn": ROLE, "UserId": "x"})
    assert "leads into account" in next(iter(readiness.CHECKS["responder"].check(look(aws)))).why


def test_what_nobody_looked_at_is_not_ok() -> None:
    found = list(readiness.CHECKS["baseline"].check(look(Aws())))
    assert [row.state for row in found] == ["unknown"] and "no snapshot" in found[0].why
    one = look(Aws())
    one.baselines = ({"account": "", "state": "unknown", "why": "no store", "remedy": "mount one"},)
    assert [(row.state, row.why, row.remedy) for row in readiness.CHECKS["baseline"].check(one)] == [("unknown", "no store", "mount one")]

    class As(Aws):
        arn = ""

        def responder_arn(self, account: str) -> str:  # type: ignore[override]
            return self.arn

    for arn, state in ((f"arn:aws:sts::{A}:federated-user/ada", "unknown"), (f"arn:aws:iam::{A}:root", "ok")):
        aws = As()
        aws.arn = arn
        assert [row.state for row in readiness.CHECKS["permissions"].check(look(aws))] == [state], arn


def test_a_baseline_that_fails_leaves_what_the_notifiers_need(tmp_path: Any) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise EvictError("no credentials", object="aws", operation="sts:GetCallerIdentity", remedy="log in")

    file = {"accounts": [A], "store": str(tmp_path / "cases"), "notify": [{"kind": "slack", "name": "ops", "url_env": "U"}]}
    failed = baseline.run({"incident_data": file}, refused, check=False)
    assert failed["notify"] == 1 and failed["incident_data"]["notify"] and failed["problems"][0]["message"] == "no credentials"
    assert [(row["account"], row["state"], row["remedy"]) for row in failed["baselines"]] == [("", "unknown", "log in")]
    read = baseline.run({"incident_data": file, "keep": False}, lambda *_a, **_k: pytest.fail("nothing is asked"), check=False)
    assert read["baselines"] == [] and read["problems"] == [] and not read["changed"] and read["notify"] == 1
