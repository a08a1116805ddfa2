"""Where an id stands in a value, in which form, and where its secret is; and that nothing of a value comes out."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.evict.cloud.plugins.module_utils.aws.halves import twins
from ansible_collections.evict.cloud.plugins.module_utils.aws.needles import LIMIT, Needles, References, TooLarge
from tests.unit.aws.planted import ENV, INI, KEY, OTHER, OTHERS, PAIRS, SECRET, coded, packed

NEEDLES = Needles({KEY: KEY})
URL = f"https://example.com/x?access_key={KEY}&secret={quote(SECRET, safe='')}"
MIME = (
    'Content-Type: multipart/mixed; boundary="b"\nMIME-Version: 1.0\n\n--b\nContent-Type: text/x-shellscript\nContent-Transfer-Encoding: base64\n\n'
    + base64.encodebytes(("#!/bin/sh\n" + "# padding\n" * 9 + ENV).encode()).decode()
    + "\n--b--\n"
)


def row(spots: list[Any]) -> dict[str, Any]:
    assert len(spots) == 1, spots
    assert SECRET not in repr(spots) and OTHERS not in repr(spots)
    found: dict[str, Any] = spots[0].row()
    return found


@pytest.mark.parametrize(
    ("text", "form", "at", "secret"),
    [
        (KEY, "value", None, None),
        (f"  {KEY}\n", "value", None, None),
        (json.dumps({"a/b": {"key": KEY, "secret": SECRET}}), "json", "/a~1b/key", "/a~1b/secret"),
        (json.dumps([{"x": [KEY]}]), "json", "/0/x/0", None),
        (json.dumps({KEY: SECRET}), "json", f"/{KEY}", f"/{KEY}"),
        (json.dumps(PAIRS), "json", "/0/value", "/1/value"),
        (json.dumps({"k1": KEY, "s1": SECRET, "k2": OTHER, "s2": OTHERS}), "json", "/k1", "/s1"),
        (json.dumps({"file": ENV}), "json>env", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        (ENV, "env", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        (f"AWS_ACCESS_KEY_ID={KEY} AWS_SECRET_ACCESS_KEY={SECRET} aws s3 ls", "env", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        (f'$env:AWS_ACCESS_KEY_ID = "{KEY}"', "env", "AWS_ACCESS_KEY_ID", None),
        (INI, "ini", "aws_access_key_id", "aws_secret_access_key"),
        (f"ci:\n  access_key: {KEY}\n  secret_key: {SECRET}\n", "yaml", "access_key", "secret_key"),
        (URL, "url", "access_key", "secret"),
        (quote(json.dumps({"id": KEY, "secret": SECRET})), "url>json", "/id", "/secret"),
        (f"s3://{KEY}:{SECRET}@bucket/x", "pair", None, None),
        (f"{KEY},{SECRET}", "pair", None, None),
        (f"use {KEY} for that", "text", None, None),
        (coded(ENV), "base64>env", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        (f"echo {coded('  ' + ENV)} | base64 -d > .env", "base64>env", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        (base64.encodebytes(("# " + "x" * 90 + "\n" + ENV).encode()).decode(), "base64>env", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        (f"DATA={coded(json.dumps({'id': KEY}))}", "env>base64>json", "/id", None),
        (packed(ENV), "base64>gzip>env", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        (MIME, "mime>env", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ],
)  # fmt: skip
def test_every_form_is_found_and_named(text: str, form: str, at: str | None, secret: str | None) -> None:
    found = row(NEEDLES.find(text, "Value"))
    assert (found["form"], found["at"][-1].get("at")) == (form, at)
    assert (found["secret"] or [{}])[-1].get("at") == secret
    assert found["fields"] == (["id", "secret"] if secret or form == "pair" else ["id"])


def test_the_lines_of_a_file_and_the_section_of_a_profile_are_told() -> None:
    found = row(NEEDLES.find(INI, "Value"))
    assert found["at"] == [{"form": "ini", "at": "aws_access_key_id", "line": 6, "section": "ci"}]
    assert found["secret"] == [{"form": "ini", "at": "aws_secret_access_key", "line": 7, "section": "ci"}]


@pytest.mark.parametrize(
    "text", ["", "x", f"X{KEY}", f"{KEY}Y", KEY.lower(), OTHER, coded(f"a{KEY}b"), "{" * 5000, '{"a":' * 3000 + "1", "%" * 99]
)
def test_what_is_not_it_is_not_found(text: str) -> None:
    assert NEEDLES.find(text, "Value") == []


def test_of_two_secrets_that_might_be_it_none_is_named() -> None:
    assert row(NEEDLES.find(json.dumps({"id": KEY, "xx": SECRET, "yy": OTHERS}), "Value"))["secret"] is None


@pytest.mark.parametrize(
    "user_data", [ENV.encode(), gzip.compress(ENV.encode()), MIME.encode(), ENV.encode("utf-16"), ENV.encode("utf-16-le")]
)
def test_user_data_is_unpacked(user_data: bytes) -> None:
    found = row(NEEDLES.find_encoded(base64.b64encode(user_data).decode(), "UserData"))
    assert found["at"][-1]["at"] == "AWS_ACCESS_KEY_ID" and found["form"].endswith("env")


@pytest.mark.parametrize("data", [gzip.compress(b"x" * (LIMIT + 1)), b"x" * (LIMIT + 1)])
def test_what_is_too_large_is_not_taken_for_clean(data: bytes) -> None:
    with pytest.raises(TooLarge):
        NEEDLES.find_encoded(base64.b64encode(data).decode(), "UserData")


def test_a_name_that_is_a_secret_is_not_told() -> None:
    pasted = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    assert pasted not in repr(NEEDLES.find({pasted: {"id": KEY}, "x": {pasted: KEY}}, "x"))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40), st.integers(min_value=0, max_value=2))
def test_in_base64_it_is_found_at_any_offset(before: str, after: str, pad: int) -> None:
    text = "." * pad + before + " " + KEY + " " + after
    assert NEEDLES.find(base64.b64encode(text.encode("utf-8", "replace")).decode(), "Value")


@settings(max_examples=100, deadline=None)
@given(st.recursive(st.text(max_size=30) | st.just(KEY) | st.integers() | st.none(), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4), max_leaves=12))  # fmt: skip
def test_in_any_document_it_is_found_exactly_when_it_is_there(document: Any) -> None:
    text = json.dumps(document)
    assert bool(NEEDLES.find(text, "Value")) == (KEY in text)


@pytest.mark.parametrize(
    ("name", "twin"),
    [("/ci/AWS_ACCESS_KEY_ID", "/ci/AWS_SECRET_ACCESS_KEY"), ("prod/accessKeyId", "prod/secretAccessKey"), ("AwsAccessKeyId", "AwsSecretAccessKey"),
     ("app-access-key", "app-secret-key"), ("mail/username", "mail/password"), ("x/key_id", "x/key_secret")],
)  # fmt: skip
def test_how_the_other_half_may_be_called(name: str, twin: str) -> None:
    assert twin in twins(name) and len(twins(name)) <= 10


ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/ci"
REFERENCES = References({f"{ARN}-a1b2c3": "it", ARN: "it", "prod/ci": "it"})


@pytest.mark.parametrize("text", [f"{ARN}-a1b2c3", f"{ARN}-a1b2c3:key::", ARN, "prod/ci", "prod/ci:key", "{{resolve:secretsmanager:prod/ci:SecretString:key}}",
                                  f"run with {ARN} now", "aws secretsmanager get-secret-value --secret-id prod/ci --query x"])  # fmt: skip
def test_who_names_a_place_is_found(text: str) -> None:
    assert [spot.names for spot in REFERENCES.find({"X": text}, "x", "variable")] == ["it"]


@pytest.mark.parametrize("text", [f"{ARN}-zzzzzz", f"{ARN}-two-a1b2c3", "prod/ci2", "xprod/ci", "about prod/ci in words"])
def test_who_names_another_is_not(text: str) -> None:
    assert REFERENCES.find({"X": text}, "x", "variable") == []
