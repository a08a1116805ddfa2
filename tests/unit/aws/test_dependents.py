"""The search for dependents on an account that AWS's own models write: every place, what was refused, what is declared, who used it."""

from __future__ import annotations

import base64
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session

from ansible_collections.evict.cloud.plugins.module_utils.aws import dependents, places, uses
from ansible_collections.evict.cloud.plugins.module_utils.common import dependents as declared
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import InvalidInput
from tests.tools import permissions
from tests.unit.aws import planted
from tests.unit.aws.planted import ENV, KEY, OTHER, OTHERS, REGION, SECRET, A, Estate, arn, secret_arn

PARAMS: dict[str, Any] = {"suspects": [KEY], "incident": None, "incident_data": None, "case": None, "store": None, "account": None, "accounts": None, "regions": None,
                          "places": None, "logs": 5, "threads": 4, "threads_per_account": 4}  # fmt: skip
SEVERAL = {"ec2:DescribeRegions": {"Regions": [{"RegionName": r} for r in (REGION, "us-east-1", "ap-southeast-7")]}}


def find(estate: Estate, **params: Any) -> dict[str, Any]:
    found = dependents.find({**PARAMS, **params}, lambda *_args, **_kwargs: estate)
    said = json.dumps(found, default=str)
    for secret in (SECRET, OTHERS, base64.b64encode(SECRET.encode()).decode()[:40], SECRET[:20], ENV):
        assert secret not in said
    return found


def rows(found: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [row for row in found["dependents"] if row["kind"] == kind]


def one(found: dict[str, Any], kind: str, part: str = "") -> dict[str, Any]:
    same = [row for row in rows(found, kind) if part in row["id"] + row["state"]]
    assert len(same) == 1, (kind, same)
    return same[0]


def unknown(found: dict[str, Any], place: str) -> list[dict[str, Any]]:
    return [row for row in found["unknown"] if row["place"] == place]


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return find(Estate())


# -- the places -----------------------------------------------------------------------------------------------------------------


def test_the_registry_is_its_folder_and_declares_what_it_must() -> None:
    folder = Path(places.__file__).parent
    assert set(places.KINDS) == {path.stem for path in folder.glob("*.py")} - {"__init__", "kind"} == set(declared.PLACES)
    for kind in places.KINDS.values():
        assert kind.NOUN and kind.READS, kind
        service, operation = kind.READS[0].split(":")  # asked without anything where nobody knows whether the region has the service
        shape = get_session().get_service_model(service).operation_model(operation).input_shape
        assert not shape.required_members


@pytest.mark.parametrize("kind", sorted(places.KINDS))
def test_every_place_is_found_with_where_the_id_and_its_secret_are(whole: dict[str, Any], kind: str) -> None:
    found = [row for row in rows(whole, kind) if not row["via"]]
    assert found and whole["looked"][kind]["objects"] and whole["looked"][kind]["regions"] == 1
    for row in found:
        assert (row["account"], row["region"], row["key"]) == (A, REGION, KEY) and row["id"] and row["spots"] and row["text"]
    if kind != "eventbridge_connection":  # of which the secret half is in another place
        assert any(spot["fields"] == ["id", "secret"] for row in found for spot in row["spots"])


def test_the_versions_of_a_secret_are_told_apart(whole: dict[str, Any]) -> None:
    previous, current = [row for row in rows(whole, "secrets_manager") if row["id"] == planted.CI]
    assert (current["state"], current["version"], current["confidence"]) == ("current", "v2" * 16, 100)
    assert current["spots"][0] == {"document": "SecretString", "form": "json", "at": [{"form": "json", "at": "/aws/key"}],
                                   "secret": [{"form": "json", "at": "/aws/secret"}], "fields": ["id", "secret"]}  # fmt: skip
    assert (previous["state"], previous["version"], previous["confidence"]) == ("previous", "v1" * 16, 40)
    assert current["data"] == {"name": "prod/ci", "stages": ["AWSCURRENT"]}


def test_an_id_and_a_secret_in_two_objects_are_one_dependent(whole: dict[str, Any]) -> None:
    parameter, secret = one(whole, "ssm_parameter", "AWS_ACCESS_KEY_ID"), one(whole, "secrets_manager", "app/access_key_id")
    assert parameter["spots"][0]["secret"] == [{"form": "parameter", "at": "/ci/AWS_SECRET_ACCESS_KEY", "version": "3"}]
    assert parameter["data"] == {"name": "/ci/AWS_ACCESS_KEY_ID", "type": "SecureString", "key": "alias/ci", "tier": "Standard"}
    assert secret["spots"][0]["secret"][0]["id"] == secret_arn("app/secret_access_key")


def test_what_names_a_place_that_holds_it_is_a_dependent_too(whole: dict[str, Any]) -> None:
    reader, worker = one(whole, "lambda_function", "reader"), one(whole, "ecs_task_definition", "worker")
    assert (reader["state"], reader["via"]) == ("reference", {"kind": "secrets_manager", "id": planted.CI})
    assert worker["via"]["id"] == planted.CI and worker["used_by"] == ["service worker"]
    assert worker["data"]["services"] == [{"cluster": planted.CLUSTER, "service": "worker"}]


def test_versions_and_revisions_say_whether_something_runs_with_them(whole: dict[str, Any]) -> None:
    assert one(whole, "lambda_function", "orders:7")["used_by"] == ["alias live"]
    assert one(whole, "lambda_function", "orders:6")["confidence"] < one(whole, "lambda_function", "orders:$LATEST")["confidence"]
    assert one(whole, "lambda_function", "orders:$LATEST")["version"] == "rev-1"
    assert one(whole, "ecs_task_definition", "web:3")["used_by"] == ["service web", "task t1"]
    assert one(whole, "ecs_task_definition", "nightly:2")["confidence"] == 40
    assert {(r["version"], r["state"]) for r in rows(whole, "launch_template")} == {("1", "default version"), ("2", "in use")}
    assert one(whole, "step_function")["version"] == "s1"


def test_each_thing_is_asked_once_and_the_second_search_asks_for_nothing_twice() -> None:
    estate = Estate()
    find(estate)
    asked = [
        repr(call) for call in estate.calls if call.service not in ("iam", "sts", "cloudtrail") and call.operation != "DescribeRegions"
    ]
    assert len(asked) == len(set(asked)) and sum("DescribeInstances'" in call for call in asked) == 1


def test_it_reads_and_nothing_else() -> None:
    estate = Estate()
    find(estate)
    assert {
        call.operation for call in estate.calls if not call.operation.startswith(("Describe", "List", "Get", "BatchGet", "LookupEvents"))
    } == set()
    reads = set(permissions.reads())
    assert {call.name for call in estate.calls} <= reads | {"sts:GetCallerIdentity"}


# -- what could not be read -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(places.KINDS))
def test_a_place_that_refuses_is_unknown_by_place_and_region_and_hides_no_other(kind: str) -> None:
    first = places.KINDS[kind].READS[0]
    found = find(Estate(refused={(first, "us-east-1"): "AccessDeniedException"}, answers=SEVERAL))
    row = next(row for row in unknown(found, kind) if row["code"] == "AccessDeniedException" and not row["objects"])
    assert row["regions"] == ["us-east-1"] and places.KINDS[kind].NOUN in row["why"]
    others = {"us-east-1"} if kind in ("ecs_task_definition", "glue") else set()  # of which another listing was not refused
    assert {r["region"] for r in rows(found, kind)} == {REGION, "ap-southeast-7"} | others and not found["complete"]
    assert found["looked"][kind]["regions"] == 2


@pytest.mark.parametrize("operation", sorted({read for kind in places.KINDS.values() for read in kind.READS}))
def test_every_read_that_fails_shows(whole: dict[str, Any], operation: str) -> None:
    """Whichever it is, it is named or (whether an alias leads somewhere, what instances run) said in the state."""
    found = find(Estate(refused={(operation, ""): "AccessDeniedException"}))
    new = [row for row in found["unknown"] if row not in whole["unknown"]]
    states = {row["state"] for row in found["dependents"]}
    assert any(row["code"] == "AccessDeniedException" for row in new) or "published version, aliases not known" in states


def test_one_secret_and_one_parameter_that_kms_refuses_are_named_and_the_others_read() -> None:
    def values(asked: dict[str, Any]) -> Any:
        return "AccessDeniedException" if "/ci/others" in asked["Names"] else planted._values(asked)

    found = find(Estate(answers={"ssm:GetParameters": values}))
    assert unknown(found, "secrets_manager")[0]["objects"] == [secret_arn("refusing")]
    assert unknown(found, "ssm_parameter")[0]["objects"] == ["/ci/others"]
    assert len(rows(found, "ssm_parameter")) == 4
    assert [row["objects"] for row in unknown(found, "lambda_function")] == [[arn("lambda", "function:sealed:$LATEST")]]


def test_a_service_that_a_region_does_not_have_is_no_gap() -> None:
    estate = Estate(missing={("apprunner", "us-east-1"), ("amplify", "us-east-1")}, answers=SEVERAL)
    found = find(estate)
    assert found["looked"]["app_runner"] == {**found["looked"]["app_runner"], "absent": 1, "regions": 2}
    assert not unknown(found, "app_runner") and not unknown(found, "amplify")
    asked = [c for c in estate.calls if c.service == "apprunner" and c.target.region == "us-east-1"]
    assert len(asked) == 1 and not asked[0].idempotent, "where nobody expects it, one request that is not repeated"


def test_a_second_look_reads_the_same() -> None:
    assert find(Estate()) == find(Estate())


def test_what_is_throttled_is_asked_again_with_less_at_a_time() -> None:
    busy = {"left": 3}
    lock = threading.Lock()

    def values(asked: dict[str, Any]) -> Any:
        with lock:
            busy["left"] -= 1
            return "ThrottlingException" if busy["left"] >= 0 else planted._values(asked)

    found = find(Estate(answers={"ssm:GetParameters": values}))
    assert not unknown(found, "ssm_parameter") and len(rows(found, "ssm_parameter")) == 4
    assert found["looked"]["ssm_parameter"]["objects"] == len(planted.PARAMETERS)


def test_what_stays_throttled_is_unknown() -> None:
    found = find(Estate(refused={("ssm:GetParameters", ""): "ThrottlingException"}))
    assert [row["code"] for row in unknown(found, "ssm_parameter")] == ["ThrottlingException"]


def test_an_answer_that_nobody_expects_is_unknown_and_its_text_is_not_told() -> None:
    def wrong(_asked: dict[str, Any]) -> Any:
        raise ValueError(f"about {SECRET}")

    found = find(Estate(answers={"ssm:GetParameters": wrong, "secretsmanager:GetSecretValue": wrong}))
    assert "could not be understood (ValueError)" in unknown(found, "ssm_parameter")[0]["why"]
    assert len(unknown(found, "secrets_manager")[0]["objects"]) == len(planted.SECRETS)


def test_a_document_that_is_too_large_is_unknown() -> None:
    large = {"UserData": {"Value": base64.b64encode(b"x" * (3 << 20)).decode()}}
    found = find(Estate(answers={"ec2:DescribeInstanceAttribute": large}))
    assert unknown(found, "instance_user_data")[0]["objects"] == ["i-1"]


def test_regions_and_places_that_were_left_out_are_unknown() -> None:
    found = find(Estate(answers=SEVERAL), regions=[REGION, "mars-east-1"], places=["ssm_parameter"], logs=0)
    assert {r["region"] for r in found["dependents"]} == {REGION} and {r["kind"] for r in found["dependents"]} == {"ssm_parameter"}
    said = {(row["place"], *row["regions"]): row["why"] for row in found["unknown"]}
    assert "left out" in said["region", "ap-southeast-7", "us-east-1"] and "not enabled" in said["region", "mars-east-1"]
    assert "left out" in said[("glue",)] and "left out" in said[("cloudtrail",)] and not found["complete"]


def test_a_key_of_another_account_and_a_role_are_named() -> None:
    role = {
        "Role": {
            "RoleName": "deploy",
            "RoleId": "AROADEPLOYEXAMPLE00",
            "Path": "/",
            "Arn": f"arn:aws:iam::{A}:role/deploy",
            "CreateDate": "2024-01-01T00:00:00Z",
        }
    }
    found = find(Estate(answers={"iam:GetRole": role}), suspects=[f"arn:aws:iam::{A}:role/deploy"])
    assert found["credentials"] == [] and not found["complete"] and found["problems"]
    gone = Estate(refused={("iam:GetAccessKeyLastUsed", ""): "NoSuchEntity"})
    assert find(gone)["problems"][0]["object"] == KEY
    kept = find(gone, account=A)  # a deleted key may still be written somewhere
    assert kept["credentials"][0]["id"] == KEY and kept["dependents"] and any(row["place"] == "cloudtrail" for row in kept["unknown"])


# -- the incident -------------------------------------------------------------------------------------------------------------------


def incident(folder: Path, *entries: Any, **more: Any) -> dict[str, Any]:
    file = folder / "incident.yml"
    file.write_text(json.dumps({"incident": {"id": "IR-1", "opened": "2026-01-22T09:00:00Z", "suspects": [{"cloud": "aws", "access_key_id": KEY}],
                                             "dependents": list(entries), **more}}))  # fmt: skip
    return {"incident": str(file), "suspects": None}


def event(source: str, agent: str, at: str = "2026-01-22T08:00:00Z", **more: Any) -> dict[str, Any]:
    record = {"eventTime": at, "eventSource": "s3.amazonaws.com", "eventName": "GetObject", "awsRegion": REGION, "sourceIPAddress": source,
              "userAgent": agent, "userIdentity": {"accessKeyId": KEY}, **more}  # fmt: skip
    return {"EventId": "1", "CloudTrailEvent": json.dumps(record)}


def test_declared_dependents_are_merged_and_what_was_not_found_is_said(tmp_path: Path) -> None:
    entries = [
        {"kind": "lambda_function", "name": "orders", "region": REGION, "check": {"lambda": "orders"}, "networks": ["192.0.2.0/24"]},
        {"kind": "secrets_manager", "arn": f"arn:aws:secretsmanager:{REGION}:{A}:secret:prod/ci"},
        {"kind": "ecs_task_definition", "name": "web"},
        {"kind": "ssm_parameter", "name": "/not/there", "region": REGION},
        {"kind": "glue", "name": "secret-job", "region": REGION},
        {"kind": "github_actions", "name": "acme/site"},
        "the nightly report on Jo's laptop",
    ]  # fmt: skip
    found = find(Estate(refused={("glue", ""): "AccessDeniedException"}), **incident(tmp_path, *entries))
    orders = [row for row in rows(found, "lambda_function") if "orders" in row["id"]]
    assert len(orders) == 3 and all(row["declared"] and row["check"] == {"lambda": "orders"} for row in orders)
    assert all(row["declared"] for row in rows(found, "secrets_manager") if row["id"] == planted.CI)
    assert [row["declared"] for row in rows(found, "ecs_task_definition") if "/web:" in row["id"]] == [True, True]
    states = {row["id"]: row["state"] for row in found["dependents"] if not row["key"]}
    assert states == {
        "/not/there": "declared, not found in a place that was read", "secret-job": "declared, its place could not be read",
        "acme/site": "declared, a kind of place that is not searched", "the nightly report on Jo's laptop": "declared, unstructured",
    }  # fmt: skip


def test_who_used_it_is_told_and_what_nothing_explains_is_a_dependent_without_a_name(tmp_path: Path) -> None:
    events = {"Events": [
        event("198.51.100.7", "aws-cli/2.15", "2026-01-22T08:30:00Z"), event("198.51.100.7", "aws-cli/2.15", errorCode="AccessDenied"),
        event("203.0.113.9", "Boto3/1"), event("192.0.2.4", "terraform"), event("10.1.2.3", "Boto3/1 exec-env/AWS_Lambda_python3.12"),
        event("100.64.0.1", "x\x1b[31m" + "y" * 999),
    ]}  # fmt: skip
    entry = {"kind": "other", "name": "office", "networks": ["192.0.2.0/24"]}
    more = incident(tmp_path, entry, trusted={"networks": ["100.64.0.0/16"]})
    found = find(Estate(answers={"cloudtrail:LookupEvents": events}), **more)
    used = {row["source"]: row for row in found["used"]}
    assert used["198.51.100.7"] == {"key": KEY, "source": "198.51.100.7", "agent": "aws-cli/2.15", "calls": 2, "refused": 1, "first": "2026-01-22T08:00:00Z",
                                    "last": "2026-01-22T08:30:00Z", "services": ["s3"], "regions": [REGION], "by": [], "basis": ""}  # fmt: skip
    assert used["203.0.113.9"]["by"] == ["i-1"] and used["192.0.2.4"]["by"] == ["office"]
    assert len(used["10.1.2.3"]["by"]) == 4 and "anybody can write that" in used["10.1.2.3"]["basis"]
    named = {row["why"] for row in unknown(found, "use")}
    assert len(named) == 2 and any(
        "used from 198.51.100.7 by aws-cli/2.15: 2 calls of s3" in why and "no place was found" in why for why in named
    )
    assert any("100.64.0.1 (a trusted network)" in why and "\x1b" not in why and len(why) < 400 for why in named)
    assert found["credentials"][0]["last_used"] == {"at": "2026-01-20T10:00:00Z", "service": "s3", "region": REGION}


def test_logs_that_could_not_be_read_are_unknown() -> None:
    found = find(Estate(refused={("cloudtrail", ""): "AccessDeniedException"}))
    assert any("LookupEvents" in row["why"] and row["objects"] == [KEY] for row in unknown(found, "cloudtrail"))


def test_uses_are_summed_purely() -> None:
    assert uses.summed(KEY, []) == []


def test_two_keys_of_one_user_are_told_apart() -> None:
    keys = {"AccessKeyMetadata": [{"AccessKeyId": key, "Status": "Active"} for key in (KEY, OTHER)]}
    found = find(Estate(answers={"iam:ListAccessKeys": keys}), suspects=[f"arn:aws:iam::{A}:user/ci"])
    assert {key["id"] for key in found["credentials"]} == {KEY, OTHER}
    ini = [row for row in rows(found, "secrets_manager") if row["id"] == planted.CI and row["state"] == "previous"]
    assert {row["key"]: row["spots"][0]["at"][0]["section"] for row in ini} == {KEY: "ci", OTHER: "default"}


def test_the_public_half_of_a_service_credential_is_found_in_an_api_key() -> None:
    alias = "BedrockAPIKey-ab12-at-111122223333"
    made = {"ServiceSpecificCredentials": [{"UserName": "BedrockAPIKey-ab12", "ServiceSpecificCredentialId": "ACCAEXAMPLEEXAMPLE01", "Status": "Active",
                                            "ServiceName": "bedrock.amazonaws.com", "CreateDate": "2026-01-01T00:00:00Z", "ServiceCredentialAlias": alias}]}  # fmt: skip
    api_key = "ABSK" + base64.b64encode(f"{alias}:{SECRET}".encode()).decode()
    user = {"User": {**planted.ANSWERS["iam:GetUser"]["User"], "UserName": "BedrockAPIKey-ab12"}}
    definition = {
        "Functions": [
            {"FunctionName": "ask", "FunctionArn": arn("lambda", "function:ask:$LATEST"), "Environment": {"Variables": {"TOKEN": api_key}}}
        ]
    }
    estate = Estate(answers={"iam:ListServiceSpecificCredentials": made, "iam:GetUser": user, "lambda:ListFunctions": definition})
    found = find(estate, suspects=[alias])
    assert one(found, "lambda_function")["key"] == "ACCAEXAMPLEEXAMPLE01" and api_key not in json.dumps(found)


# -- what the incident may say --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "path", "said"),
    [
        ({"kind": "lamda_function", "name": "x"}, "kind", "did you mean 'lambda_function'?"),
        ({"name": "x"}, "kind", "is missing"),
        ({"kind": "other"}, "", "names nothing"),
        ({"kind": "other", "arn": "x"}, "arn", "not an ARN"),
        ({"kind": "other", "name": "x", "region": "Ireland"}, "region", "not a region"),
        ({"kind": "other", "name": "x", "networks": ["0.0.0.0/0"]}, "networks[0]", "whole internet"),
        ({"kind": "other", "name": "x", "surprise": 1}, "surprise", "unknown key"),
        ({"kind": "other", "name": "x", "check": "curl x"}, "check", "must be a mapping"),
        ({"kind": "other", "name": "x", "check": {}}, "check", "must say one of"),
        ({"kind": "other", "name": "x", "check": {"http": "https://x", "alarm": "y"}}, "check", "not http and alarm"),
        ({"kind": "other", "name": "x", "check": {"http": "file:///etc/passwd"}}, "check.http", "not an http(s) URL"),
        ({"kind": "other", "name": "x", "check": {"command": "curl x"}}, "check.command", "list of words"),
        ({"kind": "other", "name": "x", "check": {"alarm": "x", "status": 200}}, "check.status", "belongs to http"),
    ],
)  # fmt: skip
def test_a_dependent_that_is_not_right_is_refused_by_its_path(tmp_path: Path, entry: Any, path: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        find(Estate(), **incident(tmp_path, "free text", entry))
    problems = dict(refused.value.problems)
    assert said in problems["incident.dependents[1]" + (f".{path}" if path else "")]


def test_what_is_right_comes_back_as_it_was(tmp_path: Path) -> None:
    entry = {"kind": "hook", "name": "ci", "account": A, "region": REGION, "networks": ["192.0.2.1/32"], "note": "n",
             "check": {"http": "https://example.com/health", "status": 204, "seconds": 5}}  # fmt: skip
    loaded = dependents._incident({**PARAMS, **incident(tmp_path, entry)})
    assert loaded is not None and loaded.dependents == [entry]
