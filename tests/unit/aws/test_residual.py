"""Residual access: which rows there are, and their clocks."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import residual
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.aws.quarantine import RoleAction
from ansible_collections.evict.cloud.plugins.module_utils.aws.session import parse
from ansible_collections.evict.cloud.plugins.plugin_utils import table

A = "111122223333"
NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)


def user(**more: Any) -> Principal:
    return Principal(A, "user", "ci", "AIDA", f"arn:aws:iam::{A}:user/ci", "", **more)


def role(trust: Any, **more: Any) -> Principal:
    document = {"Statement": [{"Effect": "Allow", "Principal": trust, "Action": "sts:AssumeRole"}]}
    facts = {"AssumeRolePolicyDocument": document, "MaxSessionDuration": 7200}
    return Principal(A, "role", "r", "AROA", f"arn:aws:iam::{A}:role/r", "", facts, **more)


def run(action: str = "revoke", check: bool = False, cutoff: str = "", **unknown: set[str]) -> Any:
    return SimpleNamespace(
        runner=SimpleNamespace(check=check), aws=SimpleNamespace(now=lambda: NOW), unknown=unknown, minted={},
        after=SimpleNamespace(minted_until=lambda _p: parse(cutoff) if cutoff else NOW),
        roles=SimpleNamespace(actions={f"{A}:role/r": RoleAction(action, "")}),
    )  # fmt: skip


def kinds(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {r["token_kind"]: r["until"] for r in rows}


def test_what_is_held_is_not_listed() -> None:
    assert residual.of(run(), user(compromised={"AKIAX"}), {"action": "contained"}) == []
    assert residual.of(run("deny"), role({"AWS": "*"}), {"action": "contained"}) == []
    assert residual.of(run(check=True), user(), {"action": "would be contained"}) == []


def test_a_known_session_goes_on_signing_until_it_ends() -> None:
    rows = residual.of(run(), user(compromised={"ASIAX"}), {"action": "contained"})
    assert kinds(rows) == {"signed GetCallerIdentity": "2026-11-24T00:00:00Z"} and "Vault" in rows[0]["why"]
    held = run()
    held.minted = {
        f"{A}:role/r": NOW - datetime.timedelta(hours=1)
    }  # of others the log may not know yet, so this is not where the clock starts
    assert kinds(residual.of(held, role({"AWS": "*"}), {"action": "contained"})) == {"signed GetCallerIdentity": "2026-11-23T00:00:00Z"}


def test_the_clock_of_a_denied_session_runs_from_the_cutoff_and_does_not_move() -> None:
    held = run(cutoff="2026-11-22T09:00:00Z")
    assert kinds(residual.of(held, user(compromised={"ASIAX"}), {"action": "contained"})) == {
        "signed GetCallerIdentity": "2026-11-23T21:00:00Z"
    }
    chained = role({"AWS": f"arn:aws:iam::{A}:role/first"}, sessions={"evil"})
    assert kinds(residual.of(held, chained, {"action": "contained"})) == {"signed GetCallerIdentity": "2026-11-22T10:00:00Z"}


def test_a_user_who_is_not_held_has_all_its_kinds() -> None:
    assert kinds(residual.of(run(), user(), {"action": "failed"})) == {
        "access key": "ended by hand", "GetSessionToken session": "2026-11-24T00:00:00Z", "GetFederationToken session": "2026-11-24T00:00:00Z",
        "console session": "2026-11-23T00:00:00Z",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("trust", "sources", "expected"),
    [({"AWS": f"arn:aws:iam::{A}:user/u"}, set(), {"role session": "2026-11-23T00:00:00Z"}),
     ({"AWS": "*"}, {f"arn:aws:iam::{A}:role/first"}, {"role session": "2026-11-23T00:00:00Z"}),  # a user may have come to it unseen
     ({"AWS": [f"arn:aws:iam::{A}:role/first", f"arn:aws:sts::{A}:assumed-role/b/s"]}, set(), {"chained role session": "2026-11-22T13:00:00Z"}),
     ({"AWS": [f"arn:aws:iam::{A}:role/first", f"arn:aws:iam::{A}:root"]}, set(), {"role session": "2026-11-23T00:00:00Z"}),
     ({"Federated": f"arn:aws:iam::{A}:saml-provider/x"}, set(), {"SAML role session": "2026-11-23T00:00:00Z"}),
     ({"Federated": f"arn:aws:iam::{A}:oidc-provider/x"}, set(), {"OIDC role session": "2026-11-23T00:00:00Z"}),
     ({"Service": "rolesanywhere.amazonaws.com"}, set(), {"Roles Anywhere session": "2026-11-23T00:00:00Z"}),
     ({"Service": "lambda.amazonaws.com"}, set(), {"service-held role session": "2026-11-23T00:00:00Z"})],
)  # fmt: skip
def test_every_kind_of_token_has_its_clock(trust: Any, sources: set[str], expected: dict[str, str]) -> None:
    assert kinds(residual.of(run(), role(trust, sources=sources), {"action": "failed"})) == expected


def test_a_row_says_what_its_clock_rests_on() -> None:
    held = run(cutoff="2026-11-22T09:00:00Z")
    (signing,) = residual.of(held, role({"AWS": "*"}, sessions={"evil"}), {"action": "contained"})
    assert signing["until"] == "2026-11-22T21:00:00Z" and "MaxSessionDuration is 2 h now" in signing["why"]
    (failed,) = residual.of(run(), role({"AWS": "*"}), {"action": "failed"})
    assert failed["why"].startswith("failed; ") and "MaxSessionDuration is 2 h now" in failed["why"]
    for row in residual.of(run(), role({"Service": "lambda.amazonaws.com"}), {"action": "failed"}) + residual.of(
        run(), user(), {"action": "failed"}
    ):
        assert row["why"] == "failed"  # nobody can set how long these last
    (chained,) = residual.of(run(), role({"AWS": f"arn:aws:iam::{A}:role/first"}), {"action": "failed"})
    assert "names nothing but roles now" in chained["why"]
    ours = role({"AWS": f"arn:aws:iam::{A}:role/first"}, planted=True)  # what the suspect wrote says nothing of what was there before
    assert kinds(residual.of(run(), ours, {"action": "failed"})) == {"role session": "2026-11-23T00:00:00Z"}


def test_what_has_not_spread_is_one_row() -> None:
    rows = residual.of(run(), user(compromised={"ASIAX"}), {"action": "cut, not yet spread to every endpoint of AWS: run again"})
    assert list(kinds(rows)) == ["any credential of it", "signed GetCallerIdentity"] and rows[0]["until"] == "it has spread"


def test_a_role_whose_source_is_open() -> None:
    claim = {"action": "revoked, can be re-assumed via x (Federated)"}
    assert kinds(residual.of(run(), role({"Federated": "arn:aws:iam::1:oidc-provider/x"}), claim)) == {
        "OIDC role session": "its source is closed"
    }
    assert kinds(residual.of(run("deny"), role({"AWS": "*"}), claim)) == {"role session": "none while denied"}


def test_what_a_guard_kept_us_from() -> None:
    refused = [{"object": "arn:r", "operation": "guard root", "message": "m", "remedy": ""}, {"object": "x", "operation": "guard limit", "message": "", "remedy": ""},
               {"object": "arn:s", "operation": "guard Identity Center role", "message": "m", "remedy": ""}]  # fmt: skip
    assert kinds(residual.refused(refused)) == {"root credential": "ended by hand", "Identity Center session": "ended by hand"}


def test_the_table_shows_the_end_that_comes_last() -> None:
    def rows(*until: str) -> list[dict[str, Any]]:
        return [{"object": "o", "token_kind": "k", "until": u, "why": "w"} for u in until]

    early, late = "2026-11-22T13:00:00Z", "2026-11-23T13:00:00Z"
    assert table._latest(rows(early, late, early)) == {"o": late}
    assert table._latest(rows(late, "ended by hand", early)) == table._latest(rows("ended by hand", late)) == {"o": "ended by hand"}
    result = {"status": "open", "principals": [], "residual": rows("ended by hand"), "workloads": [
        {"text": "Lambda function {{ f }} in x", "state": "left", "until": late, "why": "refresh: false"},
        {"text": "ECS service s in x", "state": "refreshed", "until": "", "why": ""}]}  # fmt: skip
    text = "\n".join(table.lines(result, "case"))
    assert "STILL   o: k until ended by hand (w)" in text and "ECS service s in x: refreshed\n" in text
    assert "Lambda function {{ f }} in x: left, will fail until 13:00Z (2026-11-23T13:00:00Z) at the latest; refresh: false" in text
