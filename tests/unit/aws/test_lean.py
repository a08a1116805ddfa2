# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients whose methods are made when they are asked for can do what botocore's own can."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from ansible_collections.evict.cloud.plugins.module_utils.aws import session
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Target

A = "111122223333"
KEYS = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "x" * 40, "region_name": "eu-west-1"}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> session.Aws:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["aws_secret_access_key"])
    found = session.Aws({"region": "eu-west-1"})
    found._caller = {"account": A, "arn": f"arn:aws:iam::{A}:user/r", "user_id": "U"}
    return found


@pytest.mark.parametrize("service", ["ec2", "iam", "s3", "logs", "stepfunctions", "sso-admin", "dynamodb"])
def test_every_operation_can_be_called_and_paged_as_before(aws: session.Aws, service: str) -> None:
    lean, plain = aws.client(Target("aws", A), service), boto3.Session(**KEYS).client(service)
    operations = plain.meta.method_to_api_mapping
    assert lean.meta.method_to_api_mapping == operations and len(operations) > 10
    assert [name for name in operations if not callable(getattr(lean, name, None))] == []
    assert [name for name in operations if lean.can_paginate(name) != plain.can_paginate(name)] == []
    assert lean.meta.endpoint_url == plain.meta.endpoint_url
    with pytest.raises(AttributeError, match="no_such_operation"):
        lean.no_such_operation  # noqa: B018


def test_a_request_is_made_checked_and_paged_as_before(aws: session.Aws) -> None:
    client = aws.client(Target("aws", A), "iam")
    with Stubber(client) as stub:
        stub.add_response("list_users", {"Users": [], "IsTruncated": True, "Marker": "m"}, {"PathPrefix": "/a/"})
        stub.add_response("list_users", {"Users": [], "IsTruncated": False}, {"PathPrefix": "/a/", "Marker": "m"})
        assert client.get_paginator("list_users").paginate(PathPrefix="/a/").build_full_result() == {"Users": []}
        stub.assert_no_pending_responses()
    with pytest.raises(Exception, match="Missing required parameter"):
        client.get_user_policy(UserName="u")


def test_what_a_client_knows_of_its_events_is_small_and_its_handlers_are_called(aws: session.Aws) -> None:
    """Its own, which others do not have, and those of all; before and after the first request."""
    one, other = (aws.client(Target("aws", A, region), "iam") for region in ("us-east-1", "eu-west-1"))
    said: list[str] = []
    one.meta.events.register("before-parameter-build.iam.GetUser", lambda params, **_more: said.append(params["UserName"]))
    for client in (one, other):
        with Stubber(client) as stub:
            for name in ("ada", "bob"):
                stub.add_response("get_user", {"User": {"Path": "/", "UserName": name, "UserId": "AIDA" + "X" * 16, "Arn": "arn:aws:iam::1:user/" + name,
                                                        "CreateDate": "2026-01-01T00:00:00Z"}}, {"UserName": name})  # fmt: skip
                client.get_user(UserName=name)
            known = client.meta.events._emitter._lookup_cache
            assert len(known) > 3 and {type(handlers) for handlers in known.values()} == {tuple}, "botocore keeps it otherwise: see emitter"
    assert said == ["ada", "bob"]


def test_no_method_is_made_that_nobody_asked_for(aws: session.Aws) -> None:
    """Of two regions and of an account's own session: what is made for each client is what is small."""
    for region in ("eu-west-1", "us-east-1"):
        made = vars(type(aws.client(Target("aws", A, region), "ec2")))
        assert "describe_instances" not in made and len(made) < 20


def test_a_service_whose_endpoints_are_looked_up_lists_its_operations(aws: session.Aws) -> None:
    client = aws._session.client("timestream-query", config=Config(region_name="eu-west-1"))
    assert client.meta.service_model.endpoint_discovery_operation.name == "DescribeEndpoints"
    assert callable(client.query)


def test_models_are_read_once_for_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = session._loader(None)
    assert session.Aws({})._session._loader is session.Aws({})._session._loader is loader

    def never(*_given: Any) -> Any:
        raise AssertionError("read again")

    session.Aws({"region": "eu-west-1"})._session.client("sqs")
    monkeypatch.setattr(loader._loader, "load_data", never)
    loader.load_service_model("sqs", "service-2")


def test_a_profile_that_does_not_exist_is_said(aws: session.Aws) -> None:
    with pytest.raises(session.EvictError, match="nobody"):
        session.Aws({"profile": "nobody"})
