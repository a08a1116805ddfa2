# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request to AWS: what its error means, and that what must not be sent twice is not."""

from __future__ import annotations

import datetime as dt
import gc
import hashlib
import io
import weakref
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ParamValidationError, ReadTimeoutError
from botocore.parsers import ResponseParserError
from botocore.stub import Stubber

from ansible_collections.evict.cloud.plugins.module_utils.aws import session
from ansible_collections.evict.cloud.plugins.module_utils.aws.session import Aws, iso
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Target

A = "111122223333"
CREATE = Call(Target("aws", A), "iam", "CreateAccessKey", {"UserName": "ci"}, idempotent=False)


class Client:
    """Answers, or raises, what it was given."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def can_paginate(self, _method: str) -> bool:
        return False

    def __getattr__(self, _method: str) -> Any:
        def send(**_sent: Any) -> Any:
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return send


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Any:
    """aws(answer): an Aws whose every client answers so; `once` collects whether retries were switched off."""
    made: list[bool] = []
    monkeypatch.setattr(session, "_PAUSES", (0.0,) * len(session._PAUSES))  # as often as ever, without the waiting

    def connect(answer: Any) -> Aws:
        found = Aws({"region": "us-east-1"})
        found._caller = {"account": A, "arn": f"arn:aws:iam::{A}:user/r", "user_id": "U"}
        monkeypatch.setattr(Aws, "client", lambda _s, _t, _n, *, once=False: (made.append(once), Client(answer))[1])
        return found

    connect.once = made  # type: ignore[attr-defined]
    return connect


def client_error(code: str, status: int, date: str = "") -> ClientError:
    headers = {"date": date} if date else {}
    return ClientError(
        {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers}}, "CreateAccessKey"
    )  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (client_error("ServiceFailure", 500), True), (client_error("InternalError", 503), True), (client_error("AccessDenied", 403), False),
        (client_error("LimitExceeded", 409), False), (client_error("Throttling", 400), False), (ReadTimeoutError(endpoint_url="https://x"), True),
        (EndpointConnectionError(endpoint_url="https://x"), True),
    ],
)  # fmt: skip
def test_whether_a_request_may_have_been_carried_out(aws: Any, error: Exception, lost: bool) -> None:
    with pytest.raises(CloudError) as caught:
        aws(error).call(CREATE)
    assert caught.value.lost is lost and "ci" in caught.value.object and caught.value.operation == "iam:CreateAccessKey"


@pytest.mark.parametrize(
    ("code", "remedy"),
    [("ExpiredToken", "log in again"), ("InvalidClientTokenId", "AWS_PROFILE"), ("AccessDenied", "needs iam:CreateAccessKey"), ("Throttling", "fewer threads"), ("AccountProblem", "reopened"), ("Blocked", A),
     ("TooManyRequestsException", "fewer threads")],
)  # fmt: skip
def test_what_to_do(aws: Any, code: str, remedy: str) -> None:
    with pytest.raises(CloudError) as caught:
        aws(client_error(code, 400)).call(CREATE)
    assert caught.value.code == code and remedy in caught.value.remedy


def test_errors_before_anything_was_sent_are_not_lost(aws: Any) -> None:
    for error in (NoCredentialsError(), ParamValidationError(report="x")):
        with pytest.raises(CloudError) as caught:
            aws(error).call(CREATE)
        assert not caught.value.lost


def test_what_must_not_be_sent_twice_has_no_retries(aws: Any) -> None:
    connected = aws({})
    connected.call(CREATE)
    connected.call(Call(Target("aws", A), "iam", "GetUser", {"UserName": "ci"}))
    assert aws.once == [True, False]


def test_times_are_rfc_3339_and_the_answers_metadata_is_left_out(aws: Any) -> None:
    when = dt.datetime(2026, 11, 22, 10, 0, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    answer = aws({"User": {"CreateDate": when, "n": 1}, "List": [when], "ResponseMetadata": {"HTTPHeaders": {}}}).call(CREATE)
    assert (
        answer == {"User": {"CreateDate": "2026-11-22T09:00:00Z", "n": 1}, "List": ["2026-11-22T09:00:00Z"]}
        and iso(when) == "2026-11-22T09:00:00Z"
    )


@pytest.mark.parametrize("error", [False, True])
def test_the_clock_is_the_clouds_also_from_an_error(aws: Any, error: bool) -> None:
    date = "Sun, 22 Nov 2026 09:00:00 GMT"
    connected = aws(client_error("AccessDenied", 403, date) if error else {"ResponseMetadata": {"HTTPHeaders": {"date": date}}})
    try:
        connected.call(CREATE)
    except CloudError:
        assert error
    assert abs((connected.now() - dt.datetime(2026, 11, 22, 9, tzinfo=dt.UTC)).total_seconds()) < 60


def test_an_unreadable_date_changes_nothing(aws: Any) -> None:
    connected = aws({"ResponseMetadata": {"HTTPHeaders": {"date": "yesterday"}}})
    connected._skew = 100.0
    connected.call(CREATE)
    assert connected._skew == 100.0


def test_clients_do_not_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at what is live has one for each service, region and account: with all of them kept, some accounts take the machine's memory."""
    monkeypatch.setattr(session, "_CLIENTS", 8)
    aws = Aws({"region": "us-east-1"})
    aws._caller = {"account": A, "arn": f"arn:aws:iam::{A}:user/r", "user_id": "U"}
    used = aws.client(Target("aws", A), "sts")
    made = []
    for number in range(20):
        made.append(weakref.ref(aws.client(Target("aws", A, f"eu-west-{number}"), "sts")))
        assert aws.client(Target("aws", A), "sts") is used  # what is in use stays
    gc.collect()
    assert sum(one() is not None for one in made) == 7


def test_no_option_is_a_secret() -> None:
    assert not [o for o in session.ARGUMENTS if "secret" in o or "token" in o]


@pytest.mark.parametrize(
    ("code", "sent"), [("Throttling", 10), ("TooManyRequestsException", 10), ("LimitExceeded", 1), ("ServiceFailure", 1)]
)
def test_what_must_not_be_sent_twice_is_sent_again_only_when_it_was_not_carried_out(
    aws: Any, monkeypatch: pytest.MonkeyPatch, code: str, sent: int
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    connected = aws(client_error(code, 500 if code == "ServiceFailure" else 400))
    with pytest.raises(CloudError):
        connected.call(CREATE)
    assert len(aws.once) == sent


@pytest.mark.parametrize(
    ("service", "operation", "listed", "one"),
    [
        ("directconnect", "DescribeVirtualInterfaces", "virtualInterfaces", {"virtualInterfaceId": "dxvif-1"}),
        ("secretsmanager", "ListSecretVersionIds", "Versions", {"VersionId": "0" * 32}),
        ("apprunner", "ListServices", "ServiceSummaryList", {"ServiceName": "front"}),
        ("events", "ListConnections", "Connections", {"Name": "partner"}),
    ],
)
def test_all_pages_where_botocore_pages_nothing(
    monkeypatch: pytest.MonkeyPatch, service: str, operation: str, listed: str, one: dict[str, str]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    aws = Aws({"region": "us-east-1"})
    aws._caller = {"account": A, "arn": f"arn:aws:iam::{A}:user/r", "user_id": "U"}
    target, method = Target("aws", A), session._snake(operation)
    client = aws.client(target, service)
    assert not client.can_paginate(method), "botocore pages it now"
    model = client.meta.service_model.operation_model(operation)
    token = next(name for name in session._TOKENS if name in model.output_shape.members)
    sent = {"SecretId": "s"} if service == "secretsmanager" else {}
    with Stubber(client) as stub:
        for page in range(3):
            stub.add_response(
                method, {listed: [one], **({token: f"t{page}"} if page < 2 else {})}, {**sent, **({token: f"t{page - 1}"} if page else {})}
            )
        assert aws.call(Call(target, service, operation, sent)) == {listed: [one] * 3}
        stub.assert_no_pending_responses()
    with Stubber(client) as stub:  # a server that never ends
        for page in range(3):
            stub.add_response(method, {listed: [one], token: "same"}, {**sent, **({token: "same"} if page else {})})
        with pytest.raises(CloudError, match="PaginationError"):
            aws.call(Call(target, service, operation, sent))


@pytest.mark.parametrize(
    ("service", "operation", "given", "body", "found"),
    [
        ("organizations", "ListPolicies", {"Filter": "SERVICE_CONTROL_POLICY"}, b'{"Policies":[{"Id":"p-1', None),
        (
            "organizations",
            "ListPolicies",
            {"Filter": "SERVICE_CONTROL_POLICY"},
            b'{"Policies":[{"Id":"p-1"}]}',
            {"Policies": [{"Id": "p-1"}]},
        ),
        ("organizations", "DeletePolicy", {"PolicyId": "p-12345678"}, b"", {}),
        ("lambda", "ListFunctions", {}, b'{"Functions":[', None),
    ],
)
def test_half_a_json_answer_is_no_empty_answer(
    monkeypatch: pytest.MonkeyPatch, service: str, operation: str, given: Any, body: bytes, found: Any
) -> None:
    """botocore takes one for an empty answer: then no policy would be there, and a creation would have no id."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    connected = Aws({"region": "us-east-1"})
    connected._caller = {"account": A, "arn": f"arn:aws:iam::{A}:user/r", "user_id": "U"}
    answer = AWSResponse("https://x", 200, {"content-type": "application/json"}, None)
    answer._content = body
    connected.client(Target("aws", A), service).meta.events.register("before-send", lambda **_more: answer)
    call = Call(Target("aws", A), service, operation, given)
    if found is not None:
        assert connected.call(call) == found
        return
    with pytest.raises(CloudError) as caught:
        connected.call(call)
    assert caught.value.lost and caught.value.code == "ResponseParserError"


class Broken:
    """A body that breaks off."""

    def iter_chunks(self, _size: int) -> Any:
        yield b"half"
        raise ReadTimeoutError(endpoint_url="https://x")


class Whole:
    def iter_chunks(self, _size: int) -> Any:
        yield b"whole"


GET = Call(Target("aws", A), "s3", "GetObject", {"Bucket": "logs", "Key": "k"})


def test_a_body_that_breaks_off_is_read_anew(aws: Any) -> None:
    connected, into, bodies = aws(None), io.BytesIO(), [Broken(), Whole()]
    connected.client = lambda *_a: type("S3", (), {"get_object": lambda _s, **_k: {"Body": bodies.pop(0)}})()
    assert connected.fetch(GET, into) == hashlib.sha256(b"whole").hexdigest() and into.getvalue() == b"whole"
    bodies[:] = [Broken(), Broken(), Broken(), Whole()]
    with pytest.raises(CloudError, match="Bucket=logs") as caught:
        connected.fetch(GET, into)
    assert caught.value.code == "ReadTimeoutError" and len(bodies) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ResponseParserError("<html>"), "ResponseParserError"),
        (NoCredentialsError(), "NoCredentials"),
        (RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired."), "ExpiredToken"),
        (client_error("AccessDenied", 403), "AccessDenied"),
    ],
)
def test_a_file_that_cannot_be_had_is_told_like_any_other_request(aws: Any, error: Exception, code: str) -> None:
    with pytest.raises(CloudError, match=r"logs|credentials") as caught:
        aws(error).fetch(GET, io.BytesIO())
    assert caught.value.code == code and caught.value.remedy and "logs" in caught.value.object


def test_a_file_is_fetched_by_a_new_session_where_the_last_one_has_ended(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    connected, answers = aws(None), [client_error("ExpiredToken", 400), {"Body": Whole()}]
    monkeypatch.setattr(connected, "_role_in", lambda _t, _s: "444455556666")
    monkeypatch.setattr(connected.roles, "forget", lambda _a, _k: True)
    connected.client = lambda *_a: Client(answers.pop(0))
    assert connected.fetch(GET, io.BytesIO()) == hashlib.sha256(b"whole").hexdigest() and not answers
