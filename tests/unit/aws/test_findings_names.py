# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users under other names: what the logs say of a name may be about somebody else by now."""

from __future__ import annotations

import types
from typing import Any

from ansible_collections.evict.cloud.plugins.module_utils.aws.findings import Findings
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.aws.scope import read_event
from ansible_collections.evict.cloud.plugins.module_utils.common.guard import identity

A = "222222222222"
CI = f"arn:aws:iam::{A}:user/ci-deploy"


def arn(name: str) -> str:
    return f"arn:aws:iam::{A}:user/{name}"


def renamed(old: str, new: str, second: int) -> Any:
    return read_event({
        "eventName": "UpdateUser", "eventTime": f"2026-11-22T09:00:{second:02}Z", "recipientAccountId": A,
        "userIdentity": {"arn": CI, "accessKeyId": "AKIAIOSFODNN7EXAMPLE"}, "requestParameters": {"userName": old, "newUserName": new},
    })  # fmt: skip


class Run:
    scope = None

    def __init__(self, *names: str) -> None:
        self.principals = {identity(arn(n)): Principal(A, "user", n, f"AIDA{n}", arn(n), arn(n)) for n in names}
        self.former: dict[str, Principal] = {}
        self.open: list[dict[str, Any]] = []


def follow(run: Run, *events: Any) -> list[str]:
    findings, taken = Findings(run), []  # type: ignore[arg-type]

    def take(found: Any) -> None:
        taken.append(f"{found.arn.rsplit('/', 1)[-1]}{' whole' if found.whole else ''}")
        name = found.arn.rsplit("/", 1)[-1]
        run.principals[identity(found.arn)] = Principal(A, "user", name, "AIDA", found.arn, found.arn)

    findings.take = take  # type: ignore[method-assign]
    for event in events:
        findings.found(event)
    assert findings.follow_names() == bool(taken) and not findings.follow_names()
    return taken


def test_who_was_made_by_a_suspect_is_followed_to_the_name_that_it_has_now() -> None:
    """Link by link, in whatever order the logs are read; the names on the way are somebody else's, if anybody's."""
    assert follow(Run("ci-deploy", "backup"), renamed("b=2", "b=3", 9), renamed("backup", "b=2", 3)) == ["b=3 whole"]


def test_who_was_renamed_before_anybody_could_look_it_up_and_of_whom_a_key_is_known_alone() -> None:
    run = Run("ci-deploy", "b=2")
    run.principals[identity(arn("b=2"))].only = {"AKIAI44QH8DHBEXAMPLE"}
    made = {"eventName": "CreateUser", "eventTime": "2026-11-22T09:00:01Z", "recipientAccountId": A, "userIdentity": {"arn": CI}}
    created = read_event({**made, "responseElements": {"user": {"arn": arn("backup"), "userName": "backup"}}})
    assert created and created.whole
    findings, taken = Findings(run), []  # type: ignore[arg-type]
    findings.take = lambda found: taken.append((found.arn, found.whole))  # type: ignore[method-assign]
    run.runner = types.SimpleNamespace(pool=types.SimpleNamespace(submit=lambda *_: None))  # type: ignore[attr-defined]
    for event in (renamed("backup", "b=2", 3), created):
        findings.found(event)
    findings.follow_names()
    assert taken == [(arn("b=2"), True)] and run.open == []


def test_an_innocent_whom_a_suspect_renamed_is_not_cut_and_told_of() -> None:
    run = Run("ci-deploy")
    assert follow(run, renamed("alice", "alice-old", 3)) == []
    assert [row["object"] for row in run.open] == [arn("alice-old")] and "renamed from alice" in run.open[0]["why"]


def test_a_new_path_alone_or_a_call_that_failed_is_no_new_name() -> None:
    event = {
        "eventName": "UpdateUser",
        "recipientAccountId": A,
        "userIdentity": {"arn": CI},
        "requestParameters": {"userName": "a", "newPath": "/x/"},
    }
    assert read_event(event) is None
    named = {"requestParameters": {"userName": "a", "newUserName": "b"}}
    assert read_event({**event, **named, "errorCode": "AccessDenied"}) is None
