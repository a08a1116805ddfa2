# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which action a role gets, by rule, and what is said about it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evict.cloud.plugins.module_utils.aws import quarantine
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal

NOW = dt.datetime(2026, 11, 22, 9, tzinfo=dt.UTC)
A = "111122223333"
NETWORKS = ("198.51.100.0/24",)


def trust(**principal: Any) -> dict[str, Any]:
    return {"Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]}


def role(document: Any = None, days: float | None = 1, sessions: set[str] | None = None, **facts: Any) -> Principal:
    if days is not None:
        facts["RoleLastUsed"] = {"LastUsedDate": (NOW - dt.timedelta(days=days)).isoformat()}
    facts.setdefault("CreateDate", (NOW - dt.timedelta(days=400)).isoformat())
    facts["AssumeRolePolicyDocument"] = document or trust(AWS=f"arn:aws:iam::{A}:user/alice")
    return Principal(A, "role", "r", "AROA", f"arn:aws:iam::{A}:role/r", "s", facts, sessions=sessions or set())


def decide(who: Principal, **more: Any) -> quarantine.RoleAction:
    return quarantine.decide(who, **({"wanted": "auto", "networks": (), "others": None, "now": NOW, "open_paths": []} | more))


@pytest.mark.parametrize(
    ("who", "more", "action"),
    [
        (role(days=91), {}, "deny"),  # nobody used it
        (role(days=None), {}, "deny"),  # never used, old
        (role(days=None, CreateDate=(NOW - dt.timedelta(days=3)).isoformat()), {}, "revoke"),  # never used, but new
        (role(days=89), {}, "revoke"), (role(days=89), {"networks": NETWORKS}, "clamp"),
        (role(days=1), {"others": []}, "deny"), (role(days=1), {"others": ["x"]}, "revoke"), (role(days=1), {"others": ["x"], "networks": NETWORKS}, "clamp"),
        (role(days=500), {"others": ["x"]}, "revoke"),  # the logs know better than RoleLastUsed
        (role(trust(Service="lambda.amazonaws.com"), days=500), {}, "revoke"), (role(trust(Service="lambda.amazonaws.com")), {"others": []}, "revoke"),
        (role(trust(Service=["ec2.amazonaws.com"])), {"networks": NETWORKS}, "revoke"),
        (role(trust(Service="lambda.amazonaws.com")), {"wanted": "deny"}, "deny"),
        (role(trust(Service="cloudtrail.amazonaws.com"), days=500), {"others": []}, "revoke"),
        (role(trust(Service="config.amazonaws.com"), days=500), {"networks": NETWORKS}, "revoke"),

        (dataclasses.replace(role(), whole=True), {"others": ["x"]}, "revoke"),  # named by a person: others use it
        (role(sessions={"evil"}), {"wanted": "session"}, "session"), (role(sessions={"evil"}), {"wanted": "session", "open_paths": ["alice (AWS)"]}, "revoke"),
        (role(), {"wanted": "session"}, "revoke"), (role(), {"wanted": "clamp", "networks": NETWORKS}, "clamp"), (role(), {"wanted": "revoke"}, "revoke"),
    ],
)  # fmt: skip
def test_by_rule(who: Principal, more: dict[str, Any], action: str) -> None:
    found = decide(who, **more)
    assert found.action == action and found.why


@pytest.mark.parametrize("service", sorted(quarantine._KEEP))
def test_logs_backups_and_replication_go_on(service: str) -> None:
    found = decide(role(trust(Service=[service, "lambda.amazonaws.com"]), days=500), others=[])
    assert found.action == "revoke" and service in found.why and service in " ".join(found.breaks)


TRUSTS = st.sampled_from(
    [trust(AWS="x"), trust(Service="lambda.amazonaws.com"), trust(Service="s3.amazonaws.com"), trust(Federated="f"), {}, {"Statement": []}]
)


@given(
    TRUSTS,
    st.one_of(st.none(), st.lists(st.text(max_size=3), max_size=2)),
    st.sampled_from([(), NETWORKS]),
    st.sampled_from([None, 1, 200]),
)
def test_unasked_a_service_or_somebody_elses_role_is_never_denied(document: Any, others: Any, networks: Any, days: Any) -> None:
    found = decide(role(document or None, days), others=others, networks=networks)
    services = quarantine.trusted_by(role(document or None).facts)["Service"]
    if services or others:
        assert found.action in ("revoke", "clamp")
    if services:
        assert found.breaks
    assert found.action != "clamp" or networks


def test_who_may_break_is_named() -> None:
    found = decide(role(trust(Service="lambda.amazonaws.com")), others=["arn:aws:iam::1:user/bob"])
    assert found.breaks == ("workloads that run as it (lambda.amazonaws.com)", "session of arn:aws:iam::1:user/bob")
    assert "alice (AWS)" in decide(role(sessions={"e"}), wanted="session", open_paths=["alice (AWS)"]).why


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        (trust(AWS="a"), {"AWS": ["a"]}), (trust(AWS=["b", "a"]), {"AWS": ["a", "b"]}), (trust(Service=["s"], Federated="f"), {"Service": ["s"], "Federated": ["f"]}),
        ({"Statement": {"Effect": "Allow", "Principal": "*"}}, {"AWS": ["*"]}), ({"Statement": [{"Effect": "Deny", "Principal": {"AWS": "x"}}]}, {}),
        ({}, {}), (None, {}), ({"Statement": [{"Effect": "Allow"}]}, {}), (trust(CanonicalUser="c"), {"CanonicalUser": ["c"]}),
    ],
)  # fmt: skip
def test_who_a_trust_names(document: Any, wanted: dict[str, list[str]]) -> None:
    found = quarantine.trusted_by({"AssumeRolePolicyDocument": document} if document is not None else {})
    assert {k: v for k, v in found.items() if v} == wanted and {"AWS", "Service", "Federated"} <= set(found)
