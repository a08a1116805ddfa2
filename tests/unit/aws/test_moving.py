"""Whose key waits for its dependents, which calls are theirs, and what is done at once, without a bed."""

from __future__ import annotations

import types
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import credentials
from ansible_collections.evict.cloud.plugins.module_utils.aws.moving import CUT, MOVED, WAITS, Moving
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.common import incident as incidents
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import Refused
from ansible_collections.evict.cloud.plugins.module_utils.common.guard import identity
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from tests.unit.aws.modelled_cloud import ModelledCloud

USER, ROLE = "arn:aws:iam::111122223333:user/ci", "arn:aws:iam::111122223333:role/deploy"
OLD, NEW, OTHER = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE", "AKIAIOSFODNN7OTHER00"
PLACE = {"kind": "ssm_parameter", "name": "/app", "region": "eu-west-1", "networks": ["198.51.100.0/24"]}


def user(**more: Any) -> Principal:
    return Principal("111122223333", "user", "ci", "AIDA", USER, OLD, **{"compromised": {OLD}, **more})


def keys(*held: tuple[str, str, str]) -> dict[str, Any]:
    return {"AccessKeyMetadata": [{"AccessKeyId": key, "Status": status, "CreateDate": made} for key, status, made in held]}


def moving(
    mode: str = "bridge", notes: tuple[dict[str, Any], ...] = (), dependents: tuple[dict[str, Any], ...] = (PLACE,), principal: Principal | None = None,
    cloud: Any = None, **more: Any,
) -> Moving:  # fmt: skip
    incident = incidents.validate({"incident": {"id": "IR-1", "opened": "2026-11-22T09:00:00Z", "mode": mode, "dependents": list(dependents),
                                                "suspects": [{"cloud": "aws", "access_key_id": OLD}], **more}}, "test")  # fmt: skip
    kept = [{"data": {"user": USER, "old": OLD, **n}} for n in notes]
    case = types.SimpleNamespace(notes=lambda kind: kept if kind == "rotation" else [])
    runner = types.SimpleNamespace(answers={}, clouds={"aws": cloud or ModelledCloud()}, done={}, check=False)
    findings = types.SimpleNamespace(made_by_suspects=lambda key: key == OTHER)
    principals = {identity(USER): principal or user()}
    return Moving(types.SimpleNamespace(case=case, incident=incident, runner=runner, findings=findings, principals=principals))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "principal", "notes", "held", "state"),
    [("emergency", user(), (), (), CUT), ("bridge", user(), (), (), WAITS), ("bridge", user(discovered="it was made"), (), (), CUT),
     ("graceful", user(only={OLD}), (), (), CUT),
     ("graceful", user(), ({"state": "OLD_DISABLED"},), ((OLD, "Inactive", "2026-01-01T00:00:00Z"),), MOVED),
     ("graceful", user(), ({"state": "OLD_DISABLED"},), ((OLD, "Active", "2026-01-01T00:00:00Z"),), WAITS),
     ("graceful", user(whole=True), ({"state": "OLD_DISABLED"}, {"state": "MINTED", "new": NEW}), ((NEW, "Active", "2026-11-22T10:00:00Z"),), MOVED),
     ("graceful", user(), ({"state": "OLD_DISABLED"},), None, WAITS)],
)  # fmt: skip
def test_whose_key_waits(mode: str, principal: Principal, notes: Any, held: Any, state: str) -> None:
    cloud = ModelledCloud(ListAccessKeys="AccessDenied" if held is None else keys(*held))
    found = moving(mode, notes, principal=principal, cloud=cloud)
    assert found.state(principal) == state and found.spares(principal) == (state != CUT)
    assert (found.fence(principal, Reader({"aws": cloud})) is None) == (state == CUT) or mode == "bridge"


def event(address: str, key: str = OLD, arn: str = USER, **more: Any) -> dict[str, Any]:
    return {"sourceIPAddress": address, "userIdentity": {"arn": arn, "accessKeyId": key}, **more}


@pytest.mark.parametrize(
    ("mode", "seen", "theirs"),
    [("bridge", event("198.51.100.7"), True), ("emergency", event("198.51.100.7"), False), ("bridge", event("203.0.113.9"), False),
     ("bridge", event("cloudformation.amazonaws.com"), False), ("bridge", event("198.51.100.7", key=OTHER), False),
     ("bridge", event("198.51.100.7", arn="arn:aws:iam::111122223333:user/svc-backup"), False), ("bridge", event("198.51.100.7", key="ASIAIOSFODNN7EXAMPLE"), False),
     ("bridge", event("2001:db8::1"), False), ("bridge", {}, False), ("graceful", event("10.0.0.1", vpcEndpointId="vpce-1"), False)],
)  # fmt: skip
def test_whose_a_call_with_the_key_is(mode: str, seen: dict[str, Any], theirs: bool) -> None:
    """A key that a suspect made is its own wherever it is used from."""
    assert moving(mode).legitimate(seen) is theirs


def test_a_call_through_an_endpoint_is_taken_for_the_dependents_where_they_declare_a_vpc_and_it_is_said() -> None:
    found = moving(dependents=({**PLACE, "networks": [], "vpcs": ["vpc-11112222"]},))
    assert found.legitimate(event("10.0.0.1", vpcEndpointId="vpce-1"))
    found.machines, found.run.scope = [], None
    found.run.principals = {}
    assert [row["object"] for row in found.open_items()] == ["vpce-1"]


@pytest.mark.parametrize(
    ("given", "role", "action"),
    [({}, {}, "clamp"), ({"mode": "emergency"}, {}, ""), ({"role_action": "revoke"}, {}, ""), ({}, {"discovered": ""}, ""), ({}, {"forced": "deny"}, ""),
     ({}, {"planted": True}, ""), ({}, {"sources": {"arn:aws:iam::111122223333:user/svc-backup"}}, ""),
     ({"dependents": ({**PLACE, "vpcs": ["vpc-11112222"]},)}, {}, "session")],
)  # fmt: skip
def test_what_is_done_to_a_role_that_was_assumed_with_the_key(given: dict[str, Any], role: dict[str, Any], action: str) -> None:
    found = Principal("111122223333", "role", "deploy", "AROA", ROLE, "", **{"discovered": "assumed", "sources": {USER}, **role})
    assert moving(**given).role_action(found) == action


@pytest.mark.parametrize(
    ("window", "made", "value", "cut"),
    [({}, "2026-11-22T08:00:00Z", OLD, set()), ({"start": "2026-11-22T07:00:00Z"}, "2026-11-22T08:00:00Z", OLD, {OTHER}),
     ({"start": "2026-11-22T07:00:00Z"}, "2026-01-01T00:00:00Z", OLD, set()), ({"start": "2026-11-22T07:00:00Z"}, "2026-11-22T08:00:00Z", OTHER, set()),
     ({"start": "2026-11-22T07:00:00Z"}, "2026-11-22T08:00:00Z", None, set())],
)  # fmt: skip
def test_a_second_key_is_cut_when_it_is_new_and_nobodys(window: dict[str, str], made: str, value: str | None, cut: set[str]) -> None:
    """Nobody cuts a key that a dependent holds, that was there before, or of which that is not known."""
    text = f"ID={value}\nSECRET={'x' * 40}\n"
    cloud = ModelledCloud(
        ListAccessKeys=keys((OLD, "Active", "2026-01-01T00:00:00Z"), (OTHER, "Active", made)),
        GetParameter={"Parameter": {"Value": text}} if value else "AccessDeniedException",
    )
    found = moving("graceful", cloud=cloud, **({"window": window} if window else {}))
    assert found.only(user(), credentials.KINDS["access_key"], Reader({"aws": cloud})) == cut
    assert found.only(user(), credentials.KINDS["login_profile"], Reader({"aws": cloud})) is None


def test_what_a_rotation_made_is_left_alone_in_an_emergency_until_it_is_a_suspect_itself() -> None:
    cloud = ModelledCloud(ListAccessKeys=keys((OLD, "Active", "2026-01-01T00:00:00Z"), (NEW, "Active", "2026-11-22T10:00:00Z")))
    minted = ({"state": "MINTED", "new": NEW},)
    assert moving("emergency", minted, cloud=cloud).only(user(), credentials.KINDS["access_key"], Reader({"aws": cloud})) == {OLD}
    held = ModelledCloud(ListSSHPublicKeys={"SSHPublicKeys": [
        {"UserName": "app", "SSHPublicKeyId": i * 20, "Status": "Active", "UploadDate": "2026-01-01T00:00:00Z"} for i in "AB"]})  # fmt: skip
    other = moving("emergency", cloud=held)
    ssh, reader = credentials.KINDS["ssh_public_key"], Reader({"aws": held})
    assert other.only(user(), ssh, reader) is None
    other.case.notes = lambda kind: (
        [{"data": {"user": user().arn, "old": "ssh_public_key", "state": "MINTED", "new": "B" * 20}}] if kind == "replacement" else []
    )
    assert other.only(user(), ssh, reader) == {"A" * 20}
    leaked = moving("emergency", minted, cloud=cloud, suspects=[{"cloud": "aws", "access_key_id": NEW}])
    assert leaked.only(user(), credentials.KINDS["access_key"], Reader({"aws": cloud})) is None


def test_without_a_dependent_that_could_be_moved_nothing_is_touched() -> None:
    with pytest.raises(Refused, match="declares none"):
        moving("graceful", dependents=()).refuse()
    with pytest.raises(Refused, match="declares none"):  # discovery names it, and no rotation writes to it
        moving("bridge", dependents=({"kind": "glue", "name": "nightly", "region": "eu-west-1", "networks": ["198.51.100.0/24"]},)).refuse()
    moving("bridge").refuse()
    moving("emergency", dependents=()).refuse()
    moving("graceful").refuse()
