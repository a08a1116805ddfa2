"""What makes an incident severe, as a containment sees it."""

from __future__ import annotations

import hashlib
import json
import types
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import facts
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.common.store import open_store
from tests.tools import permissions

ALLOW = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


@pytest.mark.parametrize(
    ("snapshot", "said"),
    [
        (
            {"attached_policies": [{"PolicyName": "AdministratorAccess", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}]},
            "AdministratorAccess",
        ),
        (
            {
                "attached_policies": [
                    {"PolicyName": "AdministratorAccess", "PolicyArn": "arn:aws:iam::111122223333:policy/AdministratorAccess"}
                ]
            },
            "",
        ),
        ({"inline_policies": {"work": ALLOW}}, "the inline policy work, which allows everything or all of IAM"),
        ({"inline_policies": {"work": {"Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"}]}}}, ""),
        ({"inline_policies": {"work": {"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}}}, ""),
        ({"groups": [{"GroupName": "admins"}]}, "membership of the group admins"),
        ({"inline_policies": {"unknown": "AccessDenied"}, "attached_policies": {"unknown": "x"}, "groups": {"unknown": "x"}}, ""),
        ({}, ""),
    ],
)
def test_administrative(snapshot: dict[str, Any], said: str) -> None:
    assert facts.administrative(snapshot) == said


def run(tmp_path: Any, principals: list[Principal], snapshots: dict[str, Any] | None = None, **more: Any) -> Any:
    store = open_store(str(tmp_path / "IR-1"))
    for arn, snapshot in (snapshots or {}).items():
        store.replace(f"evidence/principals/{hashlib.sha256(arn.encode()).hexdigest()[:32]}.json", json.dumps(snapshot).encode())
    notes: dict[str, list[Any]] = {}

    def note(kind: str, data: dict[str, Any]) -> None:
        notes.setdefault(kind, []).append({"data": data})

    state = types.SimpleNamespace(notes=notes)
    case = types.SimpleNamespace(store=store, ledger=types.SimpleNamespace(state=state), note=note)
    incident = types.SimpleNamespace(production=more.pop("production", []), severity="medium")
    scope = types.SimpleNamespace(kept=more.pop("kept", []))
    hold = types.SimpleNamespace(unrest=None)
    runner = types.SimpleNamespace(check=False, failures=more.pop("failures", []))
    return types.SimpleNamespace(principals={p.arn: p for p in principals}, case=case, incident=incident, scope=scope, hold=hold, share="", refused=[],
                                 runner=runner, **more)  # fmt: skip


def test_a_run_says_what_it_saw_once(tmp_path: Any) -> None:
    user, _role = permissions.principals()
    event = {"eventSource": "secretsmanager.amazonaws.com", "eventName": "GetSecretValue"}
    one = run(tmp_path, [user], {user.arn: {"inline_policies": {"work": ALLOW}}}, production=[user.account], kept=[event, event])
    found = facts.severity(one)
    assert found["level"] == "critical" and found["set"] == "medium"
    assert [why.partition(":")[0] for why in found["why"]] == ["privilege", "production", "data read"]
    assert len(one.case.ledger.state.notes["severity"]) == 1
    one.scope.kept = []
    assert facts.severity(one)["why"] == found["why"] and len(one.case.ledger.state.notes["severity"]) == 1


def test_suspects_that_could_not_be_looked_up_are_not_harmless(tmp_path: Any) -> None:
    assert facts.severity(run(tmp_path, []))["proposed"] == "low"
    found = facts.severity(run(tmp_path / "b", [], failures=[{"object": "x"}]))
    assert found["proposed"] == "high" and found["why"] == ["not known: who the suspects are"]


def test_people_and_root_users_are_somebody(tmp_path: Any) -> None:
    one = run(tmp_path, [])
    one.people = types.SimpleNamespace(principals=lambda: ["eve"])
    assert facts.severity(one)["proposed"] == "medium"


def test_what_could_not_be_read_is_unknown_and_not_harmless(tmp_path: Any) -> None:
    user, _role = permissions.principals()
    found = facts.severity(run(tmp_path, [user]))
    assert found["level"] == "high" and found["why"] == [f"not known: what {user.arn} may do"]
