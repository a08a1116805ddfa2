# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody pastes in the first minute, read in form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.evict.cloud.plugins.module_utils.common import suspect
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import InvalidInput

KEY, SESSION = "AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"
USER, ROLE = "arn:aws:iam::111122223333:user/team/bob", "arn:aws:iam::111122223333:role/ci"
ASSUMED = "arn:aws:sts::111122223333:assumed-role/ci/build-1"
TOKEN = "IQoJb3JpZ2luX2VjE" + "Ab9/" * 30


@pytest.mark.parametrize(
    ("text", "kind", "account", "name"),
    [
        (KEY, "access_key", "", KEY),
        (f"  {SESSION}\n", "session_key", "", SESSION),
        (USER, "user_arn", "111122223333", "bob"),
        (ROLE, "role_arn", "111122223333", "ci"),
        ("arn:aws:iam::111122223333:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX", "role_arn", "111122223333", "AWSServiceRoleForX"),
        ("arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123456789abcdef", "role_arn", "111122223333", "AWSReservedSSO_Admin_0123456789abcdef"),
        ("arn:aws-cn:iam::111122223333:user/a+b=c,d.e@f-g", "user_arn", "111122223333", "a+b=c,d.e@f-g"),
        (ASSUMED, "assumed_role_arn", "111122223333", "ci/build-1"),
        ("arn:aws-us-gov:sts::111122223333:federated-user/carol", "federated_user_arn", "111122223333", "carol"),
        ("arn:aws:iam::111122223333:root", "root", "111122223333", "root"),
        ("bob", "name", "", "bob"),
        ("bob@example.com", "email", "", "bob@example.com"),
        ("i-0123456789abcdef0", "instance", "", "i-0123456789abcdef0"),
        ("ci@shop-prod.iam.gserviceaccount.com", "gcp_service_account", "shop-prod", "ci@shop-prod.iam.gserviceaccount.com"),
    ],
)  # fmt: skip
def test_single_indicators(text: str, kind: str, account: str, name: str) -> None:
    (found,) = suspect.classify(text)
    assert (found.kind, found.value, found.account, found.name) == (kind, text.strip(), account, name)
    problems: list[tuple[str, str]] = []
    assert suspect.classify(suspect.minimal(found)) == [found]
    again = suspect.parse(found.as_dict(), "incident.suspects[0]", problems)
    assert not problems and again is not None and (again.kind, again.value, again.path) == (kind, found.value, "suspects[0]")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no identity"),
        ("nothing here to see", "names no identity"),
        ("AKIAIOSFODNN7EXAMPL", "has 19 characters; an access key id has 20"),
        ("AKIAIOSFODNN7EXAMPLE1", "has 21 characters"),
        ("AIDAIOSFODNN7EXAMPLE", "is a unique id"),
        ("AROAIOSFODNN7EXAMPLE:build-1 x", "names no identity"),
        ("111122223333", "is an account"),
        ("arn:aws-mars:iam::111122223333:user/bob", "not an ARN of a known partition (aws, aws-cn, aws-us-gov)"),
        ("arn:aws:iam::1111:user/bob", "not an ARN of a user"),
        ("arn:aws:iam::111122223333:group/x", "not an ARN of a user"),
        ("arn:aws:iam::111122223333:user/bo\x1bb", "not an ARN of a user"),
        ("arn:aws:s3:::bucket", "not an ARN of a user"),
        ("{{ lookup('pipe', 'touch /tmp/x') }}", "names no identity"),
        ("x" * 70_000, "is longer than 64 KiB"),
        ("../../etc/passwd", "names no identity"),
        (TOKEN, "looks like an AWS session token"),
        (f"key {KEY} secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "looks like an AWS secret access key"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        suspect.classify(text)
    assert (
        said in str(caught.value)
        and "wJalr" not in str(caught.value)
        and "IQoJ" not in str(caught.value)
        and "\x1b" not in str(caught.value)
    )


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (f"Nov 22 09:00 GetObject by {KEY} from 203.0.113.7", [KEY]),
        (f"{KEY},{KEY};({KEY})", [KEY]),
        (f"user={USER}, key={KEY}.", [USER, KEY]),
        (f'"arn": "{ASSUMED}"', [ASSUMED]),
        (f"see {USER}.", [USER]),
        ("arn:aws:iam::111122223333:root logged in", ["arn:aws:iam::111122223333:root"]),
        ("ssh into i-0123456789abcdef0 failed", ["i-0123456789abcdef0"]),
        ("login of bob@example.com from Tor", ["bob@example.com"]),
        (f"XX{KEY} no, {SESSION} yes", [SESSION]),
    ],
)
def test_log_lines(line: str, values: list[str]) -> None:
    assert [found.value for found in suspect.classify(line)] == values


def record(**identity: Any) -> dict[str, Any]:
    return {"eventVersion": "1.08", "eventName": "AssumeRole", "userIdentity": {"accountId": "111122223333", "arn": ASSUMED, **identity},
            "responseElements": {"credentials": {"accessKeyId": "ASIAVICTIMSSESSION00", "sessionToken": TOKEN}}}  # fmt: skip


@pytest.mark.parametrize(
    ("document", "value", "account"),
    [
        (record(accessKeyId=SESSION), SESSION, "111122223333"),
        (record(sessionContext={"sessionIssuer": {"arn": ROLE}}), ROLE, "111122223333"),
        (record(), ASSUMED, "111122223333"),
        ([record(accessKeyId=KEY), record(accessKeyId=KEY)], KEY, "111122223333"),
        ({"Records": [record(accessKeyId=KEY)]}, KEY, "111122223333"),
        ({"source": "aws.iam", "detail": record(accessKeyId=KEY)}, KEY, "111122223333"),
        ({"Events": [{"EventId": "1", "CloudTrailEvent": json.dumps(record(accessKeyId=KEY))}]}, KEY, "111122223333"),
        ({"detail": {"accountId": "111122223333", "resource": {"accessKeyDetails": {"accessKeyId": KEY, "userName": "bob"}}}}, KEY, "111122223333"),
        ({"Findings": [{"AccountId": "111122223333", "Resource": {"AccessKeyDetails": {"UserName": "bob"}}}]}, "bob", "111122223333"),
        ({"some": "other", "key": KEY}, KEY, ""),
    ],
)  # fmt: skip
def test_audit_records_name_their_caller(document: Any, value: str, account: str) -> None:
    (found,) = suspect.classify(json.dumps(document))
    assert (found.value, found.account) == (value, account)
    assert suspect.classify(suspect.minimal(found)) == [found]
    assert TOKEN[:20] not in repr(found)  # the record itself is not kept


def test_several_identities_are_all_returned() -> None:
    found = suspect.classify(json.dumps([record(accessKeyId=KEY), record(accessKeyId=SESSION)]))
    assert [item.value for item in found] == [KEY, SESSION]


def test_the_account_that_is_known_is_kept() -> None:
    assert suspect.classify("bob", account="444455556666")[0].display() == "user name bob in 444455556666"
    assert suspect.classify(USER)[0].display() == f"user {USER}"
    with pytest.raises(InvalidInput, match="belongs to account 111122223333"):
        suspect.classify(USER, account="444455556666")


@pytest.mark.parametrize(
    "hostile",
    ["a" * 64_000, "/" * 64_000, "arn:aws:iam::111122223333:user/" + "a/" * 30_000, "arn:aws:iam::111122223333:user/" + "a" * 60_000, "AKIA" * 16_000, "@" * 64_000, "a@" * 32_000, "a." * 32_000,
     "aws_secret_access_key" * 3000, "aws_secret_access_key" + " " * 60_000, "eyJ" + "a" * 60_000, "eyJa" * 16_000, "arn:aws:iam::111122223333:root" * 2000, "x://" * 16_000, "a" * 20 + "://" + "b" * 60_000, "[" * 64_000,
     '{"detail":' * 6000, "b@" + "c." * 31_000, "i-" * 32_000],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_hostile_texts_take_linear_time(hostile: str) -> None:
    try:
        suspect.classify(hostile)
    except InvalidInput:
        pass


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=100) | st.from_regex(r"[\s\S]{0,5}(AKIA[A-Z0-9]{16}|arn:aws:iam::\d{12}:(user|role)/[!-~]{1,40})[\s\S]{0,5}"))
def test_any_text_ends_in_suspects_or_a_refusal(text: str) -> None:
    try:
        found = suspect.classify(text)
    except InvalidInput as error:
        assert error.problems
    else:
        assert found and all(item.value.isascii() and item.value.isprintable() for item in found)
