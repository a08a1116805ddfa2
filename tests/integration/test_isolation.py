"""Compute that a suspect started is isolated, evidence first; production whose role was stolen goes on serving, and the thief's copy is refused."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from tests.beds.bed import Bed, Credentials
from tests.beds.company import allow, document, trust
from tests.integration.helpers import DENIED, Desk, next_second, status_of, works
from tests.integration.test_clocks import window
from tests.integration.test_live import REGION, root

pytestmark = pytest.mark.bed

# Serves a request with its own credentials, as a shop would, and gives them away to whoever knows how to ask.
CODE = """
import os, boto3
def h(event, context):
    if event.get("evil"):
        return {k: os.environ[k] for k in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
    try:
        boto3.client("sqs", region_name="us-east-1").list_queues()
    except Exception as error:
        return {"served": False, "why": str(error)}
    return {"served": True, "key": os.environ["AWS_ACCESS_KEY_ID"]}
"""


def code() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("h.py", CODE)
    return held.getvalue()


def invoke(desk: Desk, name: str, **event: Any) -> dict[str, Any]:
    answer = root(desk, "lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return dict(json.loads(answer["Payload"].read()))


def steal(desk: Desk, name: str) -> Credentials:
    taken = invoke(desk, name, evil=True)
    return Credentials(taken["AWS_ACCESS_KEY_ID"], taken["AWS_SECRET_ACCESS_KEY"], taken["AWS_SESSION_TOKEN"])


def furnish(desk: Desk) -> str:
    """A shop that serves; the ARN of its role."""
    iam, functions = root(desk, "iam"), root(desk, "lambda")
    arn = str(iam.create_role(RoleName="shop", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))["Role"]["Arn"])
    iam.put_role_policy(RoleName="shop", PolicyName="work", PolicyDocument=document(allow("sqs:*")))
    functions.create_function(FunctionName="shop", Runtime="python3.12", Role=arn, Handler="h.h", Code={"ZipFile": code()}, Timeout=60)
    return arn


def miner(bed: Bed, thief: Credentials, desk: Any, role: str) -> tuple[str, str]:
    """A function that the thief makes, which anybody may call and a queue triggers: (its URL, the id of the trigger)."""
    bed.client("lambda", thief, REGION).create_function(
        FunctionName="miner", Runtime="python3.12", Role=role, Handler="h.h", Code={"ZipFile": code()}, Timeout=60
    )
    functions, queues = root(desk, "lambda"), root(desk, "sqs")
    url = functions.create_function_url_config(FunctionName="miner", AuthType="NONE")["FunctionUrl"]
    queue = queues.create_queue(QueueName="jobs")["QueueUrl"]
    source = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return str(url), str(functions.create_event_source_mapping(FunctionName="miner", EventSourceArn=source)["UUID"])


def test_a_function_keeps_serving_with_new_credentials_and_the_thief_is_refused(desk: Desk) -> None:
    furnish(desk)
    account = desk.company.production.id
    thief = steal(desk, "shop")
    assert invoke(desk, "shop")["key"] == thief.access_key and works(desk.bed, thief) == "ok"
    next_second()
    arn = f"arn:aws:lambda:{REGION}:{account}:function:shop"
    # Reported is the session, under the function's own name: that new credentials may go there is for a person to say.
    desk.incident(f"arn:aws:sts::{account}:assumed-role/shop/shop", compute={"exempt": [arn]}, role_action="revoke")
    done = desk.contain(hold="2s")
    assert done["problems"] == [] and [w["state"] for w in done["workloads"]] == ["refreshed"], done["workloads"]
    served = invoke(desk, "shop")
    assert served["served"] and served["key"] != thief.access_key, served
    assert works(desk.bed, thief) in DENIED
    again = desk.contain(hold="2s")
    assert again["changed_count"] == 0 and invoke(desk, "shop")["key"] == served["key"]
    assert desk.leaks(thief.secret_key) == []


def test_what_the_suspect_made_is_isolated_and_comes_back_as_it_was(desk: Desk) -> None:
    """A function of the thief's own, with a URL and a trigger, and the shop beside it, which nobody touches."""
    role, company = furnish(desk), desk.company
    user, thief = company.production.users["ci-deploy"], company.leaked
    root(desk, "iam").put_user_policy(UserName="ci-deploy", PolicyName="all", PolicyDocument=document(allow("*")))
    functions = root(desk, "lambda")
    url, trigger = miner(desk.bed, thief, desk, role)
    functions.put_function_concurrency(FunctionName="shop", ReservedConcurrentExecutions=7)
    desk.incident(thief.access_key, **window())

    def state() -> tuple[Any, ...]:
        held = functions.get_function_concurrency(FunctionName="miner").get("ReservedConcurrentExecutions")
        of_url, mapping = functions.get_function_url_config(FunctionName="miner"), functions.get_event_source_mapping(UUID=trigger)
        return held, of_url["AuthType"], mapping["State"] in ("Enabled", "Enabling", "Creating")

    before = state()
    assert before == (None, "NONE", True)
    planned = desk.contain(True, scope=60)
    assert [r["state"] for r in planned["isolated"]] == ["would be isolated"] and state() == before
    done = desk.contain(scope=60, hold="3s")
    assert done["problems"] == [], done["problems"]
    (row,) = done["isolated"]
    assert row["state"] == "isolated" and row["object"].endswith(":function:miner") and user in row["how"], row
    assert state() == (0, "AWS_IAM", False)
    assert functions.get_function_concurrency(FunctionName="shop")["ReservedConcurrentExecutions"] == 7
    with pytest.raises(functions.exceptions.TooManyRequestsException):
        functions.invoke(FunctionName="miner", Payload="{}")
    # The role that the thief gave to it is in the thief's hands: its sessions are cut, and the shop has new ones.
    assert status_of(done, "role/shop")["role_action"] == "revoke"
    if any(w["state"] == "waiting" for w in done["workloads"]):  # the second revocation has to spread
        done = desk.contain(scope=60, hold="3s")
    states = {w["object"].rsplit(":", 1)[-1]: w["state"] for w in done["workloads"]}
    assert states == {"shop": "refreshed", "miner": "left"} and invoke(desk, "shop")["served"]
    again = desk.contain(scope=60, hold="3s")
    assert again["changed_count"] == 0 and [r["state"] for r in again["isolated"]] == ["isolated"], again["steps"]
    kept = {o["object"]: o["why"] for o in desk.restore()["open"]}
    assert any("the suspect started this" in why for why in kept.values()), kept
    assert state() == (0, "AWS_IAM", False)
    desk.false_positive(thief.access_key)
    assert state() == before and functions.get_function_url_config(FunctionName="miner")["FunctionUrl"] == url


def test_of_an_instance_that_is_gone_the_role_is_cut(desk: Desk) -> None:
    """CloudTrail remembers under which role it acted: those credentials outlive it by hours."""
    name, production = "i-0123456789abcdef0", desk.company.production
    sts = desk.bed.client("sts", desk.company.leaked)
    held = Credentials.of(sts.assume_role(RoleArn=production.roles["deploy"], RoleSessionName=name)["Credentials"])
    assert works(desk.bed, held) == "ok"
    next_second()
    desk.incident({"instance": name, "account": production.id})
    done = desk.contain()
    assert done["problems"] == [] and status_of(done, "role/deploy")["suspect"] == name, done["problems"]
    assert [r["state"] for r in done["isolated"]] == ["gone"] and "no enabled region has it" in done["isolated"][0]["why"]
    assert works(desk.bed, held) in DENIED
