"""Who can read a place that is to get a new secret: whom the policies let, whom they hold back, and what is not known."""

from __future__ import annotations

import datetime
import fnmatch
import json
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import documents, targets
from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation import course, options, readers
from ansible_collections.evict.cloud.plugins.module_utils.common import dependents
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import EvictError, InvalidInput
from ansible_collections.evict.cloud.plugins.module_utils.common.guard import Guard
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Target
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from tests.unit.aws.modelled_cloud import ModelledCloud

A, B = "111122223333", "444455556666"
WHERE = Target("aws", A, "eu-west-1")
USER, ROLE, FAR = f"arn:aws:iam::{A}:user/app", f"arn:aws:iam::{A}:role/ci", f"arn:aws:iam::{B}:user/far"
SECRET = f"arn:aws:secretsmanager:eu-west-1:{A}:secret:app/aws-AbCdEf"
FUNCTION = f"arn:aws:lambda:eu-west-1:{A}:function:orders"
KEY = f"arn:aws:kms:eu-west-1:{A}:key/11111111-2222-3333-4444-555555555555"
GET = "secretsmanager:GetSecretValue"
SID = "Evict0123456789abcdef"


class Cloud(ModelledCloud):
    """As the session hands answers on: policies parsed. ``allowed``, ``denied``: actions of the simulator; ``depends``: on a condition."""

    def __init__(
        self, *allowed: str, denied: tuple[str, ...] = (), depends: tuple[str, ...] = (), policy: Any = None, key: str = "", **answers: Any
    ) -> None:
        def simulate(sent: dict[str, Any]) -> dict[str, Any]:
            def row(action: str) -> dict[str, Any]:
                decision = "explicitDeny" if action in denied else "allowed" if action in allowed else "implicitDeny"
                return {
                    "EvalActionName": action,
                    "EvalDecision": decision,
                    "MissingContextValues": ["aws:SourceIp"] if action in depends else [],
                }

            return {"EvaluationResults": [row(action) for action in sent["ActionNames"]]}

        shown = {"ResourcePolicy": policy if isinstance(policy, str) else json.dumps(policy)} if policy else {}
        mine: dict[str, Any] = {
            "SimulatePrincipalPolicy": simulate, "DescribeSecret": {"ARN": SECRET, **({"KmsKeyId": key} if key else {})},
            "GetResourcePolicy": lambda sent: {"ARN": SECRET, "Name": "app/aws", **shown} if "SecretId" in sent else "ResourceNotFoundException",
            "GetUserPolicy": "NoSuchEntity", "GetRolePolicy": "NoSuchEntity", "GetLoginProfile": "NoSuchEntity",
        }  # fmt: skip
        super().__init__(**{**mine, **answers})

    def call(self, call: Call, parameters: Any = None) -> dict[str, Any]:
        return documents.parsed(call.name, super().call(call, parameters))


def allow(principal: Any, **more: Any) -> dict[str, Any]:
    return {"Statement": [{"Sid": "S", "Effect": "Allow", "Principal": principal, "Action": GET, "Resource": "*", **more}]}


def deny(*, arn: str, action: str = "secretsmanager:*", sid: str = "S", operator: str = "ArnEquals") -> dict[str, Any]:
    condition = {operator: {"aws:PrincipalArn": arn}}
    return {"Statement": [{"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*", "Condition": condition}]}


def course_of(cloud: Any, *, mode: str = "graceful", check: bool = False, overrides: Any = (), **more: Any) -> Any:
    def warn(text: str) -> None:
        warnings.append(text)

    warnings: list[str] = []
    failures: list[EvictError] = []
    incident = SimpleNamespace(sid=SID, policy_name=lambda purpose: f"evict-{purpose}-IR-1")
    run = SimpleNamespace(
        principals={}, machines=[], unresolved=set(), suspects=[], incident=incident, warn=warn, guard=Guard(protected=(), overrides=overrides, limit=25)
    )  # fmt: skip
    runner = SimpleNamespace(check=check, fail=lambda error, _object="": failures.append(error))
    found: dict[str, Any] = {
        "run_of": run, "runner": runner, "user": SimpleNamespace(arn=USER), "mode": mode, "cut": mode == "emergency", "new": "",
        "compromised": {"AKIAOLD"}, "held_back": False, "reader": Reader({"aws": cloud}), "case": SimpleNamespace(notes=lambda _kind: []),
        "warnings": warnings, "failures": failures, "places": [],
    }  # fmt: skip
    return SimpleNamespace(**{**found, **more})


def place(kind: str = "secrets_manager", name: str = "app/aws", **spec: Any) -> targets.Place:
    return targets.Place(WHERE, kind, name, spec=spec, noun="place")


def said(cloud: Any, *known: Any, where: targets.Place | None = None, **more: Any) -> str:
    c = course_of(cloud, **more)
    return readers.look(c, where or place(), [readers.Suspect(k) if isinstance(k, str) else k for k in known], c.reader)


@pytest.mark.parametrize(
    ("cloud", "who", "expected"),
    [
        (Cloud(), USER, ""),
        (Cloud(GET), USER, "user/app can read it (secretsmanager:GetSecretValue)"),
        (Cloud("secretsmanager:PutResourcePolicy"), USER, "can read it (secretsmanager:PutResourcePolicy)"),
        (Cloud("iam:PutUserPolicy"), ROLE, "can allow itself to read it (iam:PutUserPolicy)"),
        (Cloud(depends=(GET,)), USER, "not known whether"),
        (Cloud(policy=allow({"AWS": USER})), USER, "can read it"),
        (Cloud(policy=allow({"AWS": USER}), denied=(GET,)), USER, ""),
        (Cloud(policy=allow({"AWS": f"arn:aws:iam::{A}:root"})), USER, ""),  # leaves it to identity policies
        (Cloud(GET, policy=allow({"AWS": f"arn:aws:iam::{B}:root"})), FAR, "user/far can read it"),
        (Cloud(GET), FAR, ""),
        (Cloud(policy=allow({"AWS": FAR})), FAR, ""),  # of another account: both have to allow it
        (Cloud(GET, policy=deny(arn=USER)), USER, ""),
        (Cloud(GET, policy=deny(arn=ROLE)), USER, "can read it"),
        (Cloud(GET, policy=deny(arn=USER, operator="ForAnyValue:ArnEquals")), USER, "can read it"),  # a denial that is not understood is none
        (Cloud(policy=allow({"AWS": USER}, Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}})), USER, "not known whether"),
        (Cloud(policy=allow("*")), ROLE, "everybody can read it: statement S"),
        (Cloud(GET, policy=allow({"AWS": ["*"]}, Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}})), FAR, "not known whether"),
        (Cloud(policy=allow({"AWS": "*"}, Condition={"Bool": {"aws:SecureTransport": "true"}})), ROLE, "not known whether everybody"),
        (Cloud(policy=allow("*", Action="secretsmanager:DescribeSecret")), ROLE, ""),
        (Cloud(policy="{broken"), ROLE, "no policy document"),
        (Cloud(GET, policy=deny(arn=USER, sid=f"{SID}D1")), USER, ""),
        (Cloud(), f"arn:aws:iam::{A}:root", "not known whether"),
        (Cloud(SimulatePrincipalPolicy="AccessDenied"), USER, "not known whether"),
        (Cloud(GetResourcePolicy="AccessDeniedException"), USER, "not known who can read it"),
    ],
)  # fmt: skip
def test_who_reads_a_secret(cloud: Cloud, who: str, expected: str) -> None:
    answer = said(cloud, who)
    assert expected in answer and bool(answer) == bool(expected), answer


def facts(manager: str) -> dict[str, Any]:
    return {"KeyMetadata": {"KeyId": KEY.rsplit("/", 1)[1], "Arn": KEY, "KeyManager": manager}}


def key_policy(*statements: Any) -> dict[str, Any]:
    return {"Policy": json.dumps({"Statement": [s for one in statements for s in one["Statement"]]})}


@pytest.mark.parametrize(
    ("manager", "policy", "denied", "reads"),
    [
        ("CUSTOMER", deny(arn=USER, action="kms:Decrypt"), (), False),
        ("CUSTOMER", allow({"AWS": f"arn:aws:iam::{A}:root"}, Action="kms:*"), (), True),
        ("CUSTOMER", allow({"AWS": f"arn:aws:iam::{A}:root"}, Action="kms:*"), ("kms:Decrypt",), False),
        ("AWS", None, (), True),
    ],
)
def test_without_the_kms_key_nobody_reads_it(manager: str, policy: Any, denied: tuple[str, ...], reads: bool) -> None:
    cloud = Cloud(GET, denied=denied, key=KEY, DescribeKey=facts(manager), GetKeyPolicy=key_policy(policy) if policy else "AccessDenied")
    assert bool(said(cloud, USER)) == reads
    assert said(Cloud(GET, key=KEY, DescribeKey="AccessDeniedException"), USER)  # what is not known of a key holds nobody back


def test_a_function_is_read_by_who_may_see_or_change_it_and_by_what_it_runs_as() -> None:
    function = {"FunctionArn": FUNCTION, "Role": ROLE}
    where = place("lambda_function", "orders")
    assert said(Cloud(GetFunctionConfiguration=function), USER, where=where) == ""
    assert "lambda:UpdateFunctionCode" in said(Cloud("lambda:UpdateFunctionCode", GetFunctionConfiguration=function), USER, where=where)
    assert "runs as" in said(Cloud(GetFunctionConfiguration=function), f"arn:aws:iam::{A}:role/path/ci", where=where)


def test_a_parameter_that_is_shared_is_read_by_others() -> None:
    arn = f"arn:aws:ssm:eu-west-1:{A}:parameter/app/env"
    parameter = {"GetParameter": {"Parameter": {"Name": "/app/env", "ARN": arn, "Version": 1}}}
    listed = {"DescribeParameters": {"Parameters": [{"Name": "/app/env", "Tier": "Advanced", "Type": "SecureString", "KeyId": KEY}]}}
    shared = {"GetResourcePolicies": {"Policies": [{"Policy": json.dumps(allow({"AWS": FAR}, Action="ssm:GetParameter*"))}]}}
    key = {"DescribeKey": facts("CUSTOMER"), "GetKeyPolicy": key_policy(allow({"AWS": FAR}, Action="kms:Decrypt"))}
    where = place("ssm_parameter", "/app/env")
    assert "ssm:GetParameter" in said(Cloud("ssm:GetParameter", **parameter, **listed, **shared, **key), FAR, where=where)
    assert said(Cloud(**parameter, **listed, **shared, **key), FAR, where=where) == ""


TASKS = f"arn:aws:ecs:eu-west-1:{A}:task-definition/orders"


def on(asked: dict[str, str]) -> Any:
    """A simulator that allows each action on what matches, and on nothing else."""

    def answer(sent: dict[str, Any]) -> dict[str, Any]:
        (resource,) = sent["ResourceArns"]
        decided = {a: fnmatch.fnmatchcase(resource, asked[a]) if a in asked else False for a in sent["ActionNames"]}
        return {
            "EvaluationResults": [{"EvalActionName": a, "EvalDecision": "allowed" if d else "implicitDeny"} for a, d in decided.items()]
        }

    return answer


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        ({}, ""),
        ({"ecs:DescribeTaskDefinition": "*"}, "user/app can read it (ecs:DescribeTaskDefinition)"),
        ({"ecs:DescribeTaskDefinition": f"{TASKS}:*"}, ""),  # AWS asks on no resource, so this allows nothing
        ({"ecs:RunTask": f"{TASKS}:8"}, "can read it (ecs:RunTask)"),  # the revision that is to be made
        ({"ecs:RunTask": f"{TASKS}:7"}, ""),
        ({"ecs:ExecuteCommand": f"arn:aws:ecs:eu-west-1:{A}:cluster/prod"}, "can read it (ecs:ExecuteCommand)"),
        ({"ssm:StartSession": f"arn:aws:ecs:eu-west-1:{A}:task/prod/*"}, "can read it (ssm:StartSession)"),
        ({"ecs:DescribeTasks": f"arn:aws:ecs:eu-west-1:{A}:task/other/*"}, ""),
        ({"iam:PutUserPolicy": "*"}, "can allow itself to read it (iam:PutUserPolicy)"),
    ],
)
def test_a_task_definition_is_read_by_who_may_ask_for_it_or_get_into_its_tasks(allowed: dict[str, str], expected: str) -> None:
    where = place("ecs_task_definition", "orders", services=["prod/orders"])
    definition = {
        "taskDefinitionArn": f"{TASKS}:7",
        "family": "orders",
        "revision": 7,
        "taskRoleArn": ROLE,
        "executionRoleArn": f"{ROLE}-pull",
    }
    service = {"serviceName": "orders", "status": "ACTIVE", "taskDefinition": f"{TASKS}:7"}
    answers = {"DescribeServices": {"services": [service]}, "DescribeTaskDefinition": {"taskDefinition": definition}}
    answer = said(Cloud(SimulatePrincipalPolicy=on(allowed), **answers), USER, where=where)
    assert expected in answer and bool(answer) == bool(expected), answer
    alone = place("ecs_task_definition", "orders")  # whoever starts a task of it says in which cluster
    listed = {"ListClusters": {"clusterArns": [f"arn:aws:ecs:eu-west-1:{A}:cluster/prod"]}}
    assert said(Cloud(SimulatePrincipalPolicy=on(allowed), **answers, **listed), USER, where=alone) == answer
    assert "not known who can read it" in said(Cloud(**answers, ListClusters="AccessDeniedException"), USER, where=alone)
    assert all("runs as" in said(Cloud(**answers), arn, where=where) for arn in (ROLE, f"{ROLE}-pull"))
    assert "not known who can read it" in said(Cloud(**{**answers, "DescribeTaskDefinition": "AccessDeniedException"}), USER, where=where)


@pytest.mark.parametrize(
    ("allowed", "more", "who", "expected"),
    [
        ((), {}, USER, ""),
        (("codebuild:BatchGetProjects",), {}, USER, "can read it (codebuild:BatchGetProjects)"),
        (("codebuild:BatchGetBuilds",), {}, USER, "can read it (codebuild:BatchGetBuilds)"),
        (("codebuild:StartBuild",), {}, USER, "can read it (codebuild:StartBuild)"),
        (("codebuild:UpdateProject",), {}, USER, "can read it (codebuild:UpdateProject)"),
        ((), {}, ROLE, "runs as"),
        ((), {"projectVisibility": "PUBLIC_READ"}, USER, "everybody can read it: its builds are public"),
        (("codebuild:BatchGetProjects",), {"policy": allow({"AWS": FAR}, Action="codebuild:BatchGetProjects")}, FAR, "user/far can read it"),
        ((), {"policy": allow("*", Action="codebuild:BatchGet*")}, USER, "everybody can read it: statement S"),
        ((), {"policy": "{broken"}, USER, "no policy document"),
        ((), {"policy": "AccessDeniedException"}, USER, "not known who can read it"),
    ],
)  # fmt: skip
def test_a_project_is_read_by_who_may_see_or_start_it_and_by_what_it_runs_as(
    allowed: Any, more: dict[str, Any], who: str, expected: str
) -> None:
    facts = {"name": "build", "arn": f"arn:aws:codebuild:eu-west-1:{A}:project/build", "serviceRole": ROLE}
    policy = more.pop("policy", "ResourceNotFoundException")
    shared = policy if str(policy).endswith("Exception") else {"policy": policy if isinstance(policy, str) else json.dumps(policy)}
    cloud = Cloud(*allowed, BatchGetProjects={"projects": [{**facts, **more}]}, GetResourcePolicy=shared)
    answer = said(cloud, who, where=place("codebuild_project", "build"))
    assert expected in answer and bool(answer) == bool(expected), answer


def test_a_place_elsewhere_is_unknown_until_somebody_declares_who_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(targets.KINDS, "vault", SimpleNamespace(KIND="vault", NOUN="path"))  # type: ignore[arg-type]
    assert "readable_by" in said(Cloud(), USER, where=place("vault"))
    assert said(Cloud(), USER, where=place("vault", readable_by=["team-orders"])) == ""
    assert "user/x/app can read it" in said(
        Cloud(), USER, where=place("vault", readable_by=["team-orders", f"arn:aws:iam::{A}:user/x/app"])
    )
    assert "everybody" in said(Cloud(), USER, where=place("vault", readable_by=["public"]))
    assert "everybody" in said(Cloud(), USER, where=place(readable_by=["public"]))  # of AWS's own kinds a declaration only adds


def keys(**status: str) -> dict[str, Any]:
    found = [
        {"UserName": "app", "AccessKeyId": key.ljust(16, "0"), "Status": s, "CreateDate": "2026-01-01T00:00:00Z"}
        for key, s in status.items()
    ]
    return {"ListAccessKeys": {"AccessKeyMetadata": found, "IsTruncated": False}}


def standing(*purposes: str) -> dict[str, Any]:
    def answer(sent: dict[str, Any]) -> Any:
        purpose = sent["PolicyName"].split("-")[1]
        who = {k: v for k, v in sent.items() if k in ("UserName", "RoleName")}
        return {**who, "PolicyName": sent["PolicyName"], "PolicyDocument": "{}"} if purpose in purposes else "NoSuchEntity"

    return {"GetUserPolicy": answer, "GetRolePolicy": answer}


OLD, NEW = "AKIAOLD000000000", "AKIANEW000000000"
LEAKED = readers.Suspect(USER, frozenset({OLD}), whole=False)


@pytest.mark.parametrize(
    ("answers", "who", "reads"),
    [
        ({**keys(AKIAOLD="Active"), **standing("session")}, LEAKED, True),
        ({**keys(AKIAOLD="Inactive", AKIANEW="Active"), **standing("session")}, LEAKED, False),
        ({**keys(AKIAOLD="Inactive"), **standing()}, LEAKED, True),  # the sessions that it minted go on
        ({**keys(AKIAOLD="Active"), **standing("bridge")}, LEAKED, False),
        ({**keys(AKIAOLD="Active"), **standing("quarantine")}, LEAKED, False),
        ({**keys(AKIAOLD="Inactive", AKIAXXX="Active"), **standing("session")}, readers.Suspect(USER), True),
        ({**keys(AKIAOLD="Inactive", AKIANEW="Active"), **standing("session")}, readers.Suspect(USER), False),
        ({**keys(AKIAOLD="Inactive"), **standing("session"), "GetLoginProfile": {"LoginProfile": {"UserName": "app", "CreateDate": "2026-01-01T00:00:00Z"}}},
         readers.Suspect(USER), True),
        (standing("session"), readers.Suspect(ROLE), False),
        (standing(), readers.Suspect(ROLE), True),
    ],
)  # fmt: skip
def test_whom_the_incident_holds_reads_nothing(answers: dict[str, Any], who: readers.Suspect, reads: bool) -> None:
    assert bool(said(Cloud(GET, **answers), who, new=NEW)) == reads


def test_of_several_users_the_bridge_of_each_counts_ahead_and_then_has_to_stand() -> None:
    for answers, ahead, reads in ((standing(), True, False), (standing(), False, True), (standing("bridge"), False, False)):
        c = course_of(Cloud(GET, **{**keys(AKIAOLD="Active"), **answers}), mode="bridge")
        other = SimpleNamespace(arn=f"arn:aws:iam::{A}:user/other")
        c.run_of.machines = [SimpleNamespace(user=other, mode="bridge", cut=False, new="", compromised=set())]
        assert bool(readers.look(c, place(), [readers.Suspect(other.arn, frozenset({OLD}), False)], c.reader, ahead)) == reads


@pytest.mark.parametrize(("mode", "reads"), [("graceful", True), ("bridge", False), ("emergency", False)])
def test_check_mode_counts_with_what_the_mode_does_first(mode: str, reads: bool) -> None:
    cloud = Cloud(GET, **keys(AKIAOLD="Active"))
    c = course_of(cloud, mode=mode, check=True, compromised={OLD})
    assert bool(readers.look(c, place(), [LEAKED], c.reader)) == reads and c.held_back == (not reads)


def test_the_place_is_named_and_only_a_named_person_lifts_it() -> None:
    where = place()
    lifted = {"guard": readers.GUARD, "object": where.id, "reason": "nobody can look there", "by": "Ada"}
    for overrides, count in (((), 1), ((lifted,), 0), (({**lifted, "object": "another"},), 1)):
        c = course_of(Cloud(GET), overrides=overrides, places=[where])
        c.run_of.principals = {"u": SimpleNamespace(arn=ROLE, compromised=set(), only=set(), whole=True)}
        assert readers.guard(c, {where.id: "old"}) == count
        if count:
            assert where.text in c.failures[0].message and ROLE in c.failures[0].message and "aws_resource_fence" in c.failures[0].remedy
            assert json.dumps(where.id) in c.failures[0].remedy
        else:
            assert c.run_of.guard.lifted == [lifted]
    c.run_of.unresolved = {"ASIAIOSFODNN7EXAMPLE"}
    c.run_of.principals = {}
    assert readers.guard(c, {where.id: "old"}) == 1 and "ASIAIOSFODNN7EXAMPLE" in c.failures[-1].message


def test_what_has_the_new_key_already_is_warned_of() -> None:
    where = place()
    c = course_of(Cloud(GET), places=[where], new=NEW)
    c.case = SimpleNamespace(
        notes=lambda kind: [{"data": {"suspect": "", "arn": ROLE, "keys": [], "whole": True, "source": USER}}] if kind == "suspect" else []
    )
    assert readers.guard(c, {where.id: "new"}) == 0 and ROLE in c.warnings[0] and NEW in c.warnings[0]
    assert readers.guard(c, {where.id: "other"}) == 0 and len(c.warnings) == 1
    assert (
        readers.guard(c, {where.id: "moving"}) == 0 and "has the new key" in c.warnings[1]
    )  # written, and not all that works with it has it


def test_what_holds_the_old_key_back_is_given_time_to_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(readers.time, "sleep", slept.append)
    monkeypatch.setattr(course, "SETTLES", datetime.timedelta(seconds=10))
    now = datetime.datetime(2026, 1, 1, 12, 0, 4, tzinfo=datetime.UTC)
    reached = {"OLD_DISABLED": "2026-01-01T12:00:00Z"}
    for held in (False, True):
        readers.settle(course_of(Cloud(), held_back=held, reached=lambda s: reached.get(s, ""), aws=SimpleNamespace(now=lambda: now)))
    assert slept == [6.0]


@pytest.mark.parametrize(
    "kind", [kind for kind in targets.KINDS.values() if kind.KIND in dependents.PLACES], ids=lambda kind: str(kind.KIND)
)
def test_a_target_of_aws_says_how_it_is_read(kind: Any) -> None:
    assert callable(getattr(kind, "reading", None))


def test_who_reads_a_place_is_declared_in_words_that_are_checked() -> None:
    user: Any = SimpleNamespace(account=A)
    entry = {"kind": "secrets_manager", "name": "app/aws", "region": "eu-west-1", "readable_by": ["team-orders"]}
    assert options.places([entry], user, "options")[0].spec["readable_by"] == ["team-orders"]
    with pytest.raises(InvalidInput, match=r"options.dependents\[0\].readable_by"):
        options.places([{**entry, "readable_by": ["a\x1bb"]}], user, "options")
