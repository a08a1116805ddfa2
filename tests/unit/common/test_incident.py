# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The incident file: what is read, what is refused, and that every refusal names its place and echoes no secret."""

from __future__ import annotations

import copy
import datetime as dt
import json
import os
import re
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.evict.cloud.plugins.module_utils.common import incident, yamlio
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import InvalidInput

NOW = dt.datetime(2026, 11, 23, 14, 15, 3, tzinfo=dt.UTC)
KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjE" + "Ab9/" * 30
ROLE = "arn:aws:iam::111122223333:role/ci"


def sample(**more: Any) -> dict[str, Any]:
    return {
        "id": "IR-2026-0042",
        "opened": "2026-11-22T09:00:00Z",
        "suspects": [{"cloud": "aws", "account": "111122223333", "access_key_id": KEY}],
    } | more


def problems(raw: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        incident.validate(raw, "incident.yml", now=NOW)
    assert len(str(caught.value)) < 20_000
    return dict(caught.value.problems)


FULL = """
incident:
  id: IR-2026-0042
  title: "{{ lookup('pipe', 'touch /tmp/x') }} \\e[31m \\u202e\\n"
  severity: critical
  opened: 2026-11-22T09:00:00Z
  window: {start: "2026-11-20T00:00:00+02:00", end: null}
  mode: emergency
  store: {url: s3://cases/evict, profile: ir}
  suspects:
    - {cloud: aws, account: 111122223333, access_key_id: AKIAIOSFODNN7EXAMPLE}
    - {cloud: aws, account: "111122223333", arn: "arn:aws:iam::111122223333:role/ci"}
    - {cloud: aws, arn: "arn:aws-us-gov:sts::444455556666:assumed-role/ci/build-1"}
    - {cloud: azure, tenant: contoso.onmicrosoft.com, user: bob@contoso.com}
    - {cloud: gcp, project: shop-prod, service_account: ci@shop-prod.iam.gserviceaccount.com, key_id: 0123456789abcdef0123456789abcdef01234567}
  trusted: {networks: [198.51.100.0/24, 203.0.113.7, "2001:db8::/32"], principals: []}
  protected: ["arn:aws:iam::111122223333:role/break-glass"]
  automations: ["arn:aws:iam::111122223333:role/terraform"]
  limits: {principals: 30}
  overrides:
    - {guard: shared_role, object: "arn:aws:iam::111122223333:role/ci", reason: it is being abused now, by: Ada}
  role_action: deny
  password: keep
  aware_at: 2026-11-22T08:00:00Z
  dependents:
  approvers: []
  notify: [{kind: slack, name: ops, url_env: SLACK_URL, at: [critical], out_of_band: true}]
  escalation: [{after: 10m, to: [ops]}]
  severity_matrix: {low: {slack: [opened]}}
  legal: [gdpr, {id: contract, law: Contract with ACME, duty: tell them, after: 2bd}]
  production: ["111122223333"]
  connection:
    aws: {role_arn: "arn:aws:iam::{account}:role/responder", external_id: abc, region: eu-central-1, endpoint_url: "http://127.0.0.1:4566", assume_own: true}
"""


def test_a_full_file_becomes_an_incident(tmp_path: Any) -> None:
    path = tmp_path / "incident.yml"
    path.write_text(FULL, encoding="utf-8")
    read = incident.validate(incident.load(str(path)), str(path), now=NOW)
    assert (read.id, read.severity, read.mode, read.role_action, read.password) == ("IR-2026-0042", "critical", "emergency", "deny", "keep")
    assert read.title.startswith("{{ lookup(")  # data: kept as it is, run by nobody
    assert read.opened == dt.datetime(2026, 11, 22, 9, tzinfo=dt.UTC)
    assert read.window.start == dt.datetime(2026, 11, 19, 22, tzinfo=dt.UTC) and read.window.end is None
    assert [s.kind for s in read.suspects] == ["access_key", "role_arn", "assumed_role_arn", "azure_user", "gcp_service_account_key"]
    assert read.suspects[0].account == "111122223333" and read.suspects[2].account == "444455556666"
    assert read.suspects[1].path == "suspects[1]" and read.suspects[1].name == "ci"
    assert read.trusted.networks == ("198.51.100.0/24", "203.0.113.7/32", "2001:db8::/32")
    assert read.overrides[0].guard == "shared_role" and read.limits == {"principals": 30, "compute": 25, "resources": 100}
    assert read.connection["aws"]["assume_own"] is True and read.connection["azure"] == {}


def test_defaults_fill_a_short_file_and_the_canonical_form_is_stable() -> None:
    read = incident.validate(sample(), "x", now=NOW)
    assert (read.severity, read.mode, read.store, read.role_action, read.password) == ("high", "emergency", "./cases", "auto", "drop")
    assert read.limits == {"principals": 25, "compute": 25, "resources": 100} and read.evidence_key is None and read.aware_at is None
    canonical = read.as_dict()
    again = incident.validate(json.loads(json.dumps(canonical)), "y", now=NOW)
    assert again == read and again.as_dict() == canonical
    assert incident.validate({"incident": sample()}, "x", now=NOW) == read


def test_names_that_derive_from_the_id() -> None:
    read = incident.validate(sample(id="A" * 64), "x", now=NOW)
    assert re.fullmatch(r"Evict[0-9a-f]{16}", read.sid) and read.sid == "Evict" + read.hash16
    assert read.policy_name("contain") == "evict-contain-" + "A" * 64
    assert re.fullmatch(r"[\w+=,.@-]{1,128}", read.policy_name("p" * 40), re.ASCII)
    with pytest.raises(ValueError, match="not a purpose"):
        read.policy_name("x/y")


def test_every_problem_is_named_at_once() -> None:
    found = problems(
        sample(
            id="../../etc",
            severity="hihg",
            opend="2026",
            window={"start": "2026-11-22T00:00:00Z", "end": "2026-11-20T00:00:00Z"},
            suspects=[{"cloud": "aws", "arn": "nonsense"}, {"cloud": "asw"}, {}],
        )
    )
    assert found["incident.opend"] == "unknown key; did you mean 'opened'?"
    assert "name no path" in found["incident.id"]
    assert found["incident.severity"] == "must be one of critical, high, medium, low, not 'hihg'; did you mean 'high'?"
    assert "must be after start" in found["incident.window.end"]
    assert found["incident.suspects[0].arn"] == "not an ARN: 'nonsense'"
    assert "did you mean 'aws'?" in found["incident.suspects[1].cloud"]
    assert "is missing" in found["incident.suspects[2].cloud"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a..b",
        "a.",
        "-a",
        ".a",
        "a/b",
        "a\\b",
        "a b",
        "a\n",
        "a\x00",
        "é",
        "a" * 65,
        "{{ 1 }}",
        "IR\u202e1",
        7,
        True,
        None,
        ["a"],
        "１２",
    ],
)
def test_bad_ids(name: Any) -> None:
    assert "incident.id" in problems(sample(id=name))


@pytest.mark.parametrize("name", ["a", "0", "IR-2026-0042", "a.b_c-d", "A" * 64])
def test_good_ids(name: str) -> None:
    assert incident.validate(sample(id=name), "x", now=NOW).id == name


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2026-11-22T09:00:00", "has no time zone"),
        ("2026-11-22", "has no time zone"),
        (NOW.replace(tzinfo=None), "has no time zone"),
        (dt.date(2026, 11, 22), "has no time zone"),
        ("2026-02-30T09:00:00Z", "no real date"),
        ("0001-01-01T00:00:00+14:00", "no real date"),
        ("yesterday", "is not a time"),
        (1763802000, "is not a time"),
        (True, "is not a time"),
        ("2026-11-23T14:30:00Z", "lies in the future"),
        ("1999-01-01T00:00:00Z", "is too long ago"),
        ("2026-11-22T09:00:00Z\n", "is not a time"),
        (None, "is missing"),
    ],
)
def test_bad_times(value: Any, said: str) -> None:
    assert said in problems(sample(opened=value))["incident.opened"]


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("2026-11-22T10:00:00+01:00", "2026-11-22T09:00:00Z"),
        ("2026-11-22 09:00:00.5Z", "2026-11-22T09:00:00.500000Z"),
        (dt.datetime(2026, 11, 22, 10, tzinfo=dt.timezone(dt.timedelta(hours=1))), "2026-11-22T09:00:00Z"),
        ("2026-11-23T14:19:00Z", "2026-11-23T14:19:00Z"),  # a clock that runs four minutes ahead
    ],
)
def test_good_times(value: Any, canonical: str) -> None:
    assert incident.validate(sample(opened=value), "x", now=NOW).as_dict()["opened"] == canonical


@pytest.mark.parametrize(
    "account",
    [12345678901, 1111, True, 1.5, "1111", "11112222333a", "111122223333\n", "１１１１２２２２３３３３", ["111122223333"], 1111222233334],
)
def test_bad_accounts(account: Any) -> None:
    found = problems(sample(suspects=[{"cloud": "aws", "account": account, "access_key_id": KEY}]))
    assert "12 digits in quotes" in found["incident.suspects[0].account"]


@pytest.mark.parametrize("account", [111122223333, "111122223333", "1111-2222-3333"])
def test_accounts_that_can_only_mean_one_thing(account: Any) -> None:
    assert (
        incident.validate(sample(suspects=[{"cloud": "aws", "account": account, "access_key_id": KEY}]), "x", now=NOW).suspects[0].account
        == "111122223333"
    )


@pytest.mark.parametrize(
    ("network", "said"),
    [("198.51.100.7/24", "write 198.51.100.0/24 for the network, or 198.51.100.7"), ("0.0.0.0/0", "whole internet"), ("::/0", "whole internet"), ("0.0.0.0/1", "whole internet"),
     ("office", "not a network"), (167772160, "in quotes"), ("fe80::1%eth0", "not a network"), ("10.0.0.0/8\n", "not a network")],
)  # fmt: skip
def test_bad_networks(network: Any, said: str) -> None:
    assert said in problems(sample(trusted={"networks": [network]}))["incident.trusted.networks[0]"]


@pytest.mark.parametrize(
    ("more", "path", "said"),
    [
        ({"suspects": []}, "incident.suspects", "is empty"),
        ({"suspects": None}, "incident.suspects", "is empty"),
        ({"suspects": KEY}, "incident.suspects", "must be a list"),
        ({"suspects": [KEY]}, "incident.suspects[0]", "must be a mapping"),
        ({"suspects": [{"cloud": "aws"}]}, "incident.suspects[0]", "names nothing"),
        ({"suspects": [{"cloud": "aws", "access_key_id": KEY, "arn": ROLE}]}, "incident.suspects[0]", "write one suspect for each"),
        ({"suspects": [{"cloud": "aws", "access_key": KEY}]}, "incident.suspects[0].access_key", "did you mean 'access_key_id'?"),
        ({"suspects": [{"cloud": "aws", "access_key_id": KEY}] * 2}, "incident.suspects[1]", "is the same as incident.suspects[0]"),
        ({"suspects": [{"cloud": "aws", "access_key_id": KEY}, {"cloud": "aws", "account": "111122223333", "access_key_id": KEY}]}, "incident.suspects[1]", "is the same as"),
        ({"suspects": [{"cloud": "aws", "access_key_id": ROLE}]}, "incident.suspects[0].access_key_id", "not an access key id"),
        ({"suspects": [{"cloud": "aws", "account": "444455556666", "arn": ROLE}]}, "incident.suspects[0].arn", "belongs to account 111122223333"),
        ({"suspects": [{"cloud": "aws", "text": f"{KEY} then {ROLE}"}]}, "incident.suspects[0].text", "names 2 identities"),
        ({"suspects": [{"cloud": "azure", "tenant": "x y", "user": "bob@contoso.com"}]}, "incident.suspects[0].tenant", "not a tenant"),
        ({"suspects": [{"cloud": "gcp", "service_account": "ci@shop-prod.iam.gserviceaccount.com"}]}, "incident.suspects[0].project", "is missing"),
        ({"title": True}, "incident.title", 'write it in quotes: "yes"'),
        ({"title": 42}, "incident.title", 'write it in quotes: "42"'),
        ({"mode": False}, "incident.mode", "must be one of"),
        ({"limits": {"principals": 0}}, "incident.limits.principals", "at least 1"),
        ({"limits": {"principals": True}}, "incident.limits.principals", "at least 1"),
        ({"limits": {"principal": 3}}, "incident.limits.principal", "did you mean 'principals'?"),
        ({"overrides": [{"guard": "protectd", "object": ROLE, "reason": "x", "by": "Ada"}]}, "incident.overrides[0].guard", "did you mean 'protected'?"),
        ({"overrides": [{"guard": "limit", "object": ROLE, "reason": " ", "by": "Ada"}]}, "incident.overrides[0].reason", "is empty"),
        ({"overrides": [{"guard": "limit", "object": ROLE, "reason": "x"}]}, "incident.overrides[0].by", "is missing"),
        ({"overrides": [None]}, "incident.overrides[0]", "must be a mapping"),
        ({"protected": ["break-glass"]}, "incident.protected[0]", "not an ARN"),
        ({"protected": ["arn:aws:iam::111122223333:role/admin-*"]}, "incident.protected[0]", "patterns"),
        ({"protected": ["arn:aws-mars:iam::111122223333:role/x"]}, "incident.protected[0]", "not an ARN"),
        ({"protected": [ROLE + "\x1b[2J"]}, "incident.protected[0]", "not an ARN"),
        ({"automations": ["terraform"]}, "incident.automations[0]", "not an ARN"),
        ({"password": "reset"}, "incident.password", "drop, keep"),
        ({"store": "ftp://x/y"}, "incident.store", "not a directory"),
        ({"store": "s3://b/../../x y"}, "incident.store", "not a directory"),
        ({"store": "ca\x00ses"}, "incident.store", "not a directory"),
        ({"store": {"profile": "x"}}, "incident.store.url", "is missing"),
        ({"store": {"url": "./c", "access_key_id": KEY}}, "incident.store.access_key_id", "credentials are never written here"),
        ({"connection": {"aws": {"aws_secret_access_key": "x"}}}, "incident.connection.aws.aws_secret_access_key", "credentials are never written here"),
        ({"connection": {"aws": {"role_arn": "arn:aws:iam::{acount}:role/r"}}}, "incident.connection.aws.role_arn", "not the ARN of a role"),
        ({"connection": {"aws": {"management_role_arn": "arn:aws:iam::{account}:role/r"}}}, "incident.connection.aws.management_role_arn", "not the ARN of a role"),
        ({"connection": {"aws": {"endpoint_url": "http://a:b@127.0.0.1"}}}, "incident.connection.aws.endpoint_url", "a URL with a password"),
        ({"connection": {"aws": {"assume_own": "yes"}}}, "incident.connection.aws.assume_own", "true or false"),
        ({"connection": {"asw": {}}}, "incident.connection.asw", "did you mean 'aws'?"),
        ({"notify": [{"url": "https://x"}]}, "incident.notify[0].url", "url_env"),
        ({"dependents": [7]}, "incident.dependents[0]", "must be text or a mapping"),
        ({"dependents": [{"x": float("nan")}]}, "incident.dependents[0].x", "is not plain data"),
        ({"evidence_key": "-----BEGIN RSA PRIVATE KEY-----\nMIIE"}, "incident.evidence_key", "a private key"),
        ({"window": "x"}, "incident.window", "must be a mapping"),
        ({"title": "\ud800"}, "incident.title", "surrogate"),
    ],
)  # fmt: skip
def test_refusals(more: dict[str, Any], path: str, said: str) -> None:
    found = problems(sample(**more))
    assert said in found[path]


PASTED = [
    SECRET, TOKEN, f"aws_secret_access_key={SECRET}", f"AWS_SESSION_TOKEN = {TOKEN}", f"{KEY}:{SECRET}", "FwoGZXIvYXdzE" + "Ab9/" * 30,
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj", "abc8Q~" + "aB3_" * 8 + "x", "client_secret: hunter2hunter2",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc", "ghp_" + "a1B2" * 9, "https://hooks.slack.com/services/T0/B0/xyz", "AIza" + "a1B2-" * 7,
    '"SecretAccessKey": "' + SECRET + '"', "DefaultEndpointsProtocol=https;AccountKey=" + "aB3/" * 10,
]  # fmt: skip


@pytest.mark.parametrize("pasted", PASTED)
@pytest.mark.parametrize(
    "place",
    [
        "title",
        "access_key_id",
        "arn",
        "text",
        "user",
        "unknown",
        "store",
        "profile",
        "key",
        "id",
        "dependents",
        "severity",
        "network",
        "protected",
        "cloud",
    ],
)
def test_a_pasted_secret_is_refused_and_never_echoed(pasted: str, place: str) -> None:
    raw = sample()
    if place in ("title", "id", "severity", "store"):
        raw[place] = pasted
    elif place == "unknown":
        raw["surprise"] = {"deep": [pasted]}
    elif place == "key":
        raw[pasted] = 1
    elif place == "profile":
        raw["connection"] = {"aws": {"profile": pasted}}
    elif place == "dependents":
        raw["dependents"] = [pasted]
    elif place == "network":
        raw["trusted"] = {"networks": [pasted]}
    elif place == "protected":
        raw["protected"] = [pasted]
    elif place == "cloud":
        raw["suspects"] = [{"cloud": pasted, "arn": pasted}]
    else:
        raw["suspects"] = [{"cloud": "aws", place: pasted}]
    with pytest.raises(InvalidInput) as caught:
        incident.validate(raw, "x", now=NOW)
    said = str(caught.value)
    for piece in re.findall(r"[A-Za-z0-9/+~_-]{16,}", pasted):
        if piece.lower() not in ("aws_secret_access_key", KEY.lower(), "defaultendpointsprotocol", "secretaccesskey"):
            assert piece[:16] not in said
    assert "looks like" in said


@pytest.mark.parametrize("innocent", ["0123456789abcdef0123456789abcdef01234567", "/usr/local/share/Applications/Python3/Lib1", "arn:aws:iam::111122223333:role/Division/Subdivision1/TeamABCDEFGHIJKLM",
                                      "https://github.com/acme/Shop1/commit/0123456789abcdef0123456789abcdef01234567", "password reset mail to everybody; secret: none", "AKIAIOSFODNN7EXAMPLE" * 2])  # fmt: skip
def test_innocent_text_is_no_secret(innocent: str) -> None:
    assert incident.validate(sample(title=innocent), "x", now=NOW).title == innocent


def test_hostile_titles_are_data() -> None:
    for title in ("{{ 1 }}", "\x1b[2J\x07", "a\nb", "\u202eevil", "=cmd|' /C calc'!A0", "<script>", "\x00"):
        assert incident.validate(sample(title=title), "x", now=NOW).title == title


def test_messages_escape_what_they_echo() -> None:
    found = problems(sample(severity="\x1b[2J\u202e" + "x" * 500, **{"bad\x1bkey": 1}))
    said = json.dumps(found, ensure_ascii=False)
    assert "\x1b" not in said and "\u202e" not in said and max(map(len, found.values())) < 250


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"incident:\n", "is empty"),
        (b"- a\n", "must be a mapping"),
        (b"just text", "must be a mapping"),
        (b"incident: {id: a}\nother: 1\n", "has 'other' beside incident"),
        (b"incident:\n  id: a\n  id: b\n", "'id' is written twice (line 3, column 3)"),
        (b'{"incident": {"id": "a", "id": "b"}}', "'id' is written twice"),
        (b"incident: {id: a, 7: b}\n", "a key that is not text"),
        (b"incident: {id: a, yes: b}\n", "a key that is not text"),
        (b"incident: {id: a, [x]: b}\n", "a key that is not text"),
        (
            b"incident: {id: !!python/object/apply:os.system [id]}\n",
            "the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not accepted",
        ),
        (b"incident: {id: !vault x}\n", "the tag '!vault' is not accepted"),
        (b"incident: {id: !!timestamp x}\n", "is not accepted"),
        (b"incident: {id: !!binary aGk=}\n", "is not accepted"),
        (b"incident: " + b"[" * 40 + b"]" * 40, "nested deeper"),
        (b"[" * 100_000, "nest"),
        (b'{"a":' * 100_000, "nest"),
        (b"incident: &a [*a]\n", "an alias that holds itself"),
        (
            b"incident:\n  a: &a ["
            + b"x," * 100
            + b"]\n"
            + b"".join(b"  %c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 20)) for c in b"bcdefgh"),
            "beyond all measure",
        ),
        (b"incident:\n  a: &a x\n  b: [" + b"*a," * 300 + b"]\n", "more than 200 aliases"),
        (b"incident: \xff\xfe", "not UTF-8 (byte 10)"),
        ("incident: {id: a}".encode("utf-16"), "not UTF-8"),
        (b"incident: {id: \x1b}", "not YAML"),
        (b"incident: {id: a", "not YAML"),
        (b"incident: {id: " + b"9" * 5000 + b"}", "a number is too long"),
        (b'{"incident": ' + b"9" * 5000 + b"}", "a number is too long"),
        (b'{"incident": NaN}', "NaN is not JSON"),
        (b"a: " + b"x" * 1024 * 1024, "larger than 1024 KiB"),
    ],
)
def test_files_that_are_refused(tmp_path: Any, content: bytes, said: str) -> None:
    path = tmp_path / "incident.yml"
    path.write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        incident.load(str(path))
    assert said in str(caught.value) and str(path) in str(caught.value)


def test_a_syntax_error_shows_nothing_of_the_file() -> None:
    with pytest.raises(InvalidInput) as caught:
        incident.loads(f"incident:\n  title: '{SECRET}\n  x: [".encode(), "x")
    assert SECRET[:12] not in str(caught.value)


def test_files_that_are_none(tmp_path: Any) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, said in (
        (str(tmp_path), "not a regular file"),
        (str(fifo), "not a regular file"),
        (str(tmp_path / "none.yml"), "cannot be read: No such file"),
        (str(tmp_path / "@none.yml"), "incident=FILE"),
        ("a\x00b", "not a path"),
    ):
        with pytest.raises(InvalidInput) as caught:
            incident.load(path)
        assert said in str(caught.value)


def test_yaml_conveniences(tmp_path: Any) -> None:
    path = tmp_path / "incident.yml"
    path.write_bytes(
        b"\xef\xbb\xbfid: !unsafe '{{ x }}'\nopened: 2026-11-22\na: &a {account: 012345678901}\nb: {<<: *a, x: 1}\nc: 012345670123\n"
    )
    assert incident.load(str(path)) == {
        "id": "{{ x }}",
        "opened": "2026-11-22",
        "a": {"account": "012345678901"},
        "b": {"account": "012345678901", "x": 1},
        "c": 0o12345670123,
    }


def test_an_octal_account_is_not_taken_for_another_one() -> None:
    raw = incident.loads(b"{id: a, opened: '2026-11-22T09:00:00Z', suspects: [{cloud: aws, account: 012345670123, user: ci}]}", "x")
    assert "leading zeros" in problems(raw)["incident.suspects[0].account"]


def test_one_indicator_makes_a_complete_incident(tmp_path: Any) -> None:
    raw = incident.from_suspect(KEY, now=NOW, cwd=str(tmp_path))
    assert re.fullmatch(r"IR-20261123-141503-[0-9a-f]{4}", raw["id"])
    assert raw["severity"] == "high" and "severity high until" in raw["title"] and raw["mode"] == "emergency"
    assert raw["store"] == str(tmp_path / "cases") and raw["suspects"] == [{"cloud": "aws", "access_key_id": KEY}]
    read = incident.validate(incident.loads(yamlio.dump({"incident": raw}).encode(), "x"), "x", now=NOW)
    assert read == incident.validate(raw, "y", now=NOW)
    assert raw == incident.from_suspect(KEY, now=NOW, cwd=str(tmp_path))


def test_one_indicator_that_is_several_is_refused_with_the_list() -> None:
    with pytest.raises(InvalidInput, match=f"names 2 identities.*{KEY}, {ROLE}"):
        incident.from_suspect(f"{KEY} used by {ROLE}", now=NOW, cwd="/tmp")


def test_a_relative_store_is_resolved_against_the_start() -> None:
    assert incident.absolute_store("./cases", "/srv") == "/srv/cases"
    assert incident.absolute_store("/a/../b", "/srv") == "/b"
    assert incident.absolute_store("s3://b/p/", "/srv") == "s3://b/p"
    assert incident.absolute_store({"url": "c", "profile": "p"}, "/srv") == {"url": "/srv/c", "profile": "p"}


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.text(string.printable, max_size=20)
    | st.datetimes()
    | st.dates()
)
_ANY = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(["cloud", "arn", "url", "aws", "guard", "start"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*incident.KEYS, "surprise"]), _ANY, max_size=6), st.booleans())
def test_whatever_is_written_ends_in_an_incident_or_a_refusal(drawn: dict[str, Any], on_top: bool) -> None:
    raw = sample(**drawn) if on_top else drawn
    kept = copy.deepcopy(raw)
    try:
        read = incident.validate(raw, "x", now=NOW)
    except InvalidInput as error:
        assert error.problems and all(path and message for path, message in error.problems)
    else:
        assert incident.validate(json.loads(json.dumps(read.as_dict(), allow_nan=False)), "x", now=NOW) == read
    assert repr(raw) == repr(kept)  # the input is not touched


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
    | st.text(":-[]{}&*!?|>'\"%@`#,\n\t ab1<", max_size=80).map(str.encode)
)
def test_no_bytes_end_in_a_traceback(content: bytes) -> None:
    try:
        incident.validate(incident.loads(content, "x"), "x", now=NOW)
    except InvalidInput:
        pass


@pytest.mark.parametrize("name", ["a", "x" * 65, "ada lovelace", "ada/admin", "{{ x }}", "ada\nx"])
def test_a_source_identity_is_one_that_aws_takes(name: str) -> None:
    raw = {"id": "IR-1", "opened": "2026-01-01T00:00:00Z", "suspects": [{"cloud": "aws", "access_key_id": "AKIAIOSFODNN7EXAMPLE"}]}
    good = incident.validate({**raw, "connection": {"aws": {"source_identity": "ada@corp.example"}}}, "test")
    assert good.connection["aws"]["source_identity"] == "ada@corp.example"
    with pytest.raises(InvalidInput, match=r"incident\.connection\.aws\.source_identity"):
        incident.validate({**raw, "connection": {"aws": {"source_identity": name}}}, "test")
