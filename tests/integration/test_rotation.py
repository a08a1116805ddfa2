"""Rotation on the enforcing bed: a worker that reads a secret, a loop that reads a parameter and a function go on through all of it."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from tests.beds.bed import Credentials, root
from tests.beds.company import OFFICE, PRODUCTION
from tests.integration.helpers import Child, Desk, works

pytestmark = pytest.mark.bed

USER = "app-orders"
REGION = "us-east-1"
CODE = """
import boto3, os, json
def handler(event, context):
    keys = dict(aws_access_key_id=os.environ["KEY_ID"], aws_secret_access_key=os.environ["KEY_SECRET"])
    boto3.client("sqs", region_name="us-east-1", **keys).list_queues()
    return "ok"
"""


class Estate:
    """One user with a leaked key, and three places that hold it."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.bed = desk, desk.bed
        self.key = desk.company.production.keys[USER]
        self.iam = self.bed.client("iam", root(PRODUCTION), direct=True)
        self.secrets = self.bed.client("secretsmanager", root(PRODUCTION), region=REGION, direct=True)
        self.ssm = self.bed.client("ssm", root(PRODUCTION), region=REGION, direct=True)
        self.functions = self.bed.client("lambda", root(PRODUCTION), region=REGION, direct=True)
        both = {"key_id": self.key.access_key, "secret": self.key.secret_key}
        self.secrets.create_secret(Name="app/aws", SecretString=json.dumps({**both, "endpoint": "x"}))
        self.ssm.put_parameter(
            Name="/app/env",
            Type="SecureString",
            Value=f"# ours\nAWS_ACCESS_KEY_ID={both['key_id']}\nAWS_SECRET_ACCESS_KEY={both['secret']}\n",
        )
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("index.py", CODE)
        self.functions.create_function(
            FunctionName="app", Runtime="python3.12", Role=f"arn:aws:iam::{PRODUCTION}:role/orders-lambda", Handler="index.handler", Code={"ZipFile": archive.getvalue()},
            Environment={"Variables": {"KEY_ID": both["key_id"], "KEY_SECRET": both["secret"], "MODE": "fast"}},
        )  # fmt: skip
        self.functions.get_waiter("function_active_v2").wait(FunctionName="app", WaiterConfig={"Delay": 1})
        self.dependents = [
            {"kind": "secretsmanager_secret", "name": "app/aws", "region": REGION, "networks": ["198.51.100.0/24"]},
            {"kind": "ssm_parameter", "name": "/app/env", "region": REGION},
            {"kind": "lambda_function", "name": "app", "region": REGION},
        ]
        desk.incident(self.key.access_key)

    def held(self) -> list[Credentials]:
        """What each place holds now."""
        secret = json.loads(self.secrets.get_secret_value(SecretId="app/aws")["SecretString"])
        assert secret["endpoint"] == "x"
        text = self.ssm.get_parameter(Name="/app/env", WithDecryption=True)["Parameter"]["Value"]
        assert text.startswith("# ours\n")
        lines = dict(line.split("=", 1) for line in text.splitlines()[1:])
        variables = self.functions.get_function_configuration(FunctionName="app")["Environment"]["Variables"]
        assert variables["MODE"] == "fast"
        return [
            Credentials(secret["key_id"], secret["secret"]),
            Credentials(lines["AWS_ACCESS_KEY_ID"], lines["AWS_SECRET_ACCESS_KEY"]),
            Credentials(variables["KEY_ID"], variables["KEY_SECRET"]),
        ]

    def keys(self) -> dict[str, str]:
        return {k["AccessKeyId"]: k["Status"] for k in self.iam.list_access_keys(UserName=USER)["AccessKeyMetadata"]}

    def rotate(self, check: bool = False, **params: Any) -> dict[str, Any]:
        given = {"mode": "graceful", "quiet": "0s", "soak": "0s", "dependents": self.dependents, **params}
        return self.desk.run("aws_credential_rotation", check, **given)

    def is_rotated(self, secrets: list[str]) -> None:
        (new,) = set(self.keys()) - {self.key.access_key}
        held = self.held()
        assert {c.access_key for c in held} == {new} and self.keys() == {new: "Active"}
        assert [works(self.bed, c) for c in held] == ["ok"] * 3
        assert self.desk.leaks(held[0].secret_key, *secrets) == [] and self.desk.verified()


@pytest.fixture
def estate(desk: Desk) -> Estate:
    return Estate(desk)


def test_graceful_from_plan_to_deletion_and_a_second_run_changes_nothing(estate: Estate) -> None:
    """The whole machine in one run; the old secret and the new one are nowhere."""
    estate.bed.client("sqs", estate.key, source_ip=OFFICE).list_queues()
    planned = estate.rotate(check=True)
    assert planned["changed"] and estate.keys() == {estate.key.access_key: "Active"}, planned
    result = estate.rotate()
    assert result["status"] == "ok", result
    (row,) = result["rotation"]
    assert row["state"] == "OLD_DELETED" and [p["state"] for p in row["places"]] == ["new"] * 3
    estate.is_rotated([estate.key.secret_key])
    again = estate.rotate()
    assert again["status"] == "ok" and not again["changed"], again


def test_the_old_key_stays_until_nobody_uses_it_and_is_soaked(estate: Estate) -> None:
    waiting = estate.rotate(quiet="15m", soak="1h")
    assert waiting["status"] == "open" and waiting["rotation"][0]["state"] == "VERIFIED_NEW" and waiting["open"][0]["due"]
    assert set(estate.keys().values()) == {"Active"} and len(estate.keys()) == 2
    soaking = estate.rotate(soak="1h")
    assert soaking["rotation"][0]["state"] == "OLD_DISABLED" and estate.keys()[estate.key.access_key] == "Inactive"
    done = estate.rotate()
    assert done["status"] == "ok", done
    estate.is_rotated([estate.key.secret_key])


def test_a_dependent_that_holds_something_else_stops_it_before_anything_is_touched(estate: Estate) -> None:
    estate.secrets.put_secret_value(SecretId="app/aws", SecretString=json.dumps({"key_id": "AKIAIOSFODNN7EXAMPLE", "secret": "x" * 40}))
    before = estate.bed.snapshot()
    result = estate.rotate()
    assert result["status"] == "refused" and "holds something else" in result["problems"][0]["message"], result
    assert estate.bed.snapshot() == before


@pytest.mark.crash
@pytest.mark.parametrize(
    ("operation", "when"),
    [("CreateAccessKey", "after"), ("PutSecretValue", "after"), ("UpdateSecretVersionStage", "before"), ("PutParameter", "after"), ("PublishVersion", "after"),
     ("UpdateFunctionConfiguration", "after"), ("UpdateAccessKey", "after"), ("DeleteAccessKey", "before")],
)  # fmt: skip
def test_killed_and_run_again_ends_with_one_key_known_to_all(estate: Estate, operation: str, when: str) -> None:
    params = {"incident": str(estate.desk.file), "mode": "graceful", "quiet": "0s", "soak": "0s", "dependents": estate.dependents}
    child = Child(estate.bed, {"module": "aws_credential_rotation", "params": params})
    estate.bed.rule(when, operation=operation, pgid=child.pgid)
    code, out, err = child.go()
    assert code == -9, (out[-500:], err[-1500:])
    estate.bed.clear_rules()
    result = estate.rotate()
    assert result["status"] == "ok", result
    estate.is_rotated([estate.key.secret_key])
    assert not estate.rotate()["changed"]
