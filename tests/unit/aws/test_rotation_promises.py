"""What a rotation promises before it touches the old key: who is refused grace or a bridge, whose slot is taken, what is asked again, what ends by itself."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import targets
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation import (
    bridge,
    clamping,
    decision,
    fenced,
    health,
    minting,
    powers,
    proving,
    slot,
    verb,
    watch,
)
from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation.course import Course, Stop
from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation.options import Options
from ansible_collections.evict.cloud.plugins.module_utils.common import incident as incidents
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import EvictError, InvalidInput
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Kept, Target
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from tests.unit.aws.modelled_cloud import ModelledCloud

A = "111122223333"
OLD, NEW, OTHER = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE", "AKIAIOSFODNN7OTHER00"
USER = Principal(A, "user", "app", "AIDA", f"arn:aws:iam::{A}:user/app", OLD)
ROLE = f"arn:aws:iam::{A}:role/orders"
NOW = datetime.datetime(2026, 11, 22, 12, 0, tzinfo=datetime.UTC)
PLANNED = {"state": "PLANNED", "at": "2026-11-22T11:30:00Z"}


def course(*notes: dict[str, Any], mode: str = "graceful", places: Any = (), **options: Any) -> Any:
    """A Course whose ledger holds ``notes``; ``failures`` and ``warnings`` beside it."""
    failures: list[EvictError] = []
    warnings: list[str] = []
    kept = [{"data": {"user": USER.arn, "old": OLD, **note}} for note in notes]
    runner = SimpleNamespace(answers={}, check=False, clouds={}, fail=lambda error, _object="": failures.append(error))
    case = SimpleNamespace(notes=lambda kind: kept if kind == "rotation" else [], history={})
    incident = SimpleNamespace(trusted=SimpleNamespace(networks=[]), window=SimpleNamespace(start=NOW), opened=NOW, sid="Evict0")
    run = SimpleNamespace(
        runner=runner, aws=SimpleNamespace(now=lambda: NOW), case=case, incident=incident, warn=warnings.append, principals={}
    )
    c = Course(run, USER, OLD, set(), list(places), Options(mode=mode, **options))  # type: ignore[arg-type]
    c.failures, c.warnings = failures, warnings  # type: ignore[attr-defined]
    return c


def place(kind: str = "secrets_manager", name: str = "app/aws", **spec: Any) -> targets.Place:
    return targets.Place(Target("aws", A, "eu-west-1"), kind, name, spec=spec, noun="place")


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing speaks against the old key."""
    monkeypatch.setattr(watch, "strangers", lambda *_: ("", ""))
    monkeypatch.setattr(watch, "public", lambda *_: "")
    monkeypatch.setattr(powers, "powerful", lambda *_: "")
    return monkeypatch


@pytest.mark.parametrize(
    ("module", "name", "answer", "said"),
    [
        (watch, "strangers", ("203.0.113.9", ""), "used from 203.0.113.9"),
        (watch, "strangers", ("", "its log could not be read whole"), "log could not be read"),
        (watch, "public", "AWS found it in public", "in public"),
        (powers, "powerful", "its user may iam:CreateUser", "iam:CreateUser"),
        (powers, "powerful", "it is not known what it may do (AccessDenied)", "not known"),
    ],
)
def test_grace_is_refused_for_each_reason_and_the_bridge_is_proposed(
    quiet: pytest.MonkeyPatch, module: Any, name: str, answer: Any, said: str
) -> None:
    quiet.setattr(module, name, lambda *_: answer)
    c = course()
    with pytest.raises(Stop):
        decision.mode(c)
    assert said in c.failures[0].message and "mode: bridge" in c.failures[0].remedy and not c.cut
    assert decision.mode(course(mode="bridge")) == "bridge" and decision.mode(course(mode="emergency")) == "emergency"


@pytest.mark.parametrize("name", ["strangers", "public"])
def test_what_is_seen_later_ends_grace_at_once_and_names_who_falls(quiet: pytest.MonkeyPatch, name: str) -> None:
    quiet.setattr(watch, name, lambda *_: ("203.0.113.9", "") if name == "strangers" else "AWS found it in public")
    moved, left = place(name="moved"), place(name="left")
    c = course(PLANNED, places=[moved, left])
    c.shown = {moved.id: "new", left.id: "old"}
    assert decision.mode(c) == "emergency" and left.text in c.warnings[0] and moved.text not in c.warnings[0]
    behind = course(PLANNED, mode="bridge")
    assert decision.mode(behind) == "bridge"  # what was done before the clamp is why there is one
    clamped = course(PLANNED, {"state": "CLAMPED", "at": "2026-11-22T11:31:00Z"}, mode="bridge")
    assert decision.mode(clamped) == ("emergency" if name == "strangers" else "bridge")


@pytest.mark.parametrize(
    ("mode", "notes", "over"),
    [
        ("graceful", [{**PLANNED, "at": "2026-11-22T11:00:01Z"}], False),
        ("graceful", [{**PLANNED, "at": "2026-11-22T11:00:00Z"}], True),
        ("bridge", [{**PLANNED, "at": "2026-11-21T12:00:01Z"}], False),
        ("bridge", [{**PLANNED, "at": "2026-11-21T12:00:00Z"}], True),
        ("graceful", [{**PLANNED, "at": "2026-11-22T11:00:00Z"}, {"state": "EXTENDED", "deadline": "2026-11-22T12:30:00Z"}], False),
        (
            "graceful",
            [PLANNED, {"state": "EXTENDED", "deadline": "2026-11-22T13:00:00Z"}, {"state": "EXTENDED", "deadline": "2026-11-22T11:59:00Z"}],
            True,
        ),
    ],
)
def test_at_the_deadline_the_run_goes_on_by_itself(quiet: pytest.MonkeyPatch, mode: str, notes: list[dict[str, Any]], over: bool) -> None:
    where = place()
    c = course(*notes, mode=mode, places=[where])
    c.shown = {where.id: "old"}
    assert decision.mode(c) == ("emergency" if over else mode)
    assert any("deadline" in said and where.text in said for said in c.warnings) == over


@pytest.mark.parametrize(
    "given", [{}, {"by": "Ada"}, {"reason": "r"}, {"by": "Ada", "reason": "r", "deadline": "2026-11-22T12:00:00"}, {"deadline": "noon"}]
)
def test_only_a_named_person_gives_a_leaked_key_more_time(given: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        verb._named({"deadline": "2026-11-22T12:00:00Z", "by": "", "reason": "", **given})
    verb._named({"deadline": "2026-11-22T12:00:00Z", "by": "Ada", "reason": "r"})


OWN = {"networks": ["198.51.100.0/24"]}


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ([place(**OWN)], ""),
        ([place(vpcs=["vpc-11112222"])], ""),
        ([place(**OWN), place(name="ci", **OWN, shared_network=True)], "place ci in eu-west-1 calls from a network that others use too"),
        ([place(**OWN), place(name="nowhere")], "no network of place nowhere in eu-west-1 is declared"),
        ([], "no network of a dependent is declared"),
        ([place("lambda_function", "orders", **OWN)], "place orders in eu-west-1 runs as a suspect"),
    ],
)
def test_a_bridge_is_not_offered_to_who_shares_its_network_or_is_suspect(monkeypatch: pytest.MonkeyPatch, places: Any, said: str) -> None:
    monkeypatch.setattr(targets.lambda_function, "identity", lambda *_: ROLE)
    monkeypatch.setattr(watch, "assumed", lambda *_: (["arn:r"], ""))
    c = course(mode="bridge", places=places)
    c.run_of.principals = {"x": SimpleNamespace(arn=ROLE)}
    if said:
        with pytest.raises(Stop):
            clamping.can_bridge(c)
        assert said in c.failures[0].message and "emergency" in c.failures[0].remedy
    else:
        clamping.can_bridge(c)
        assert c.failures == [] and c.roles == ["arn:r"]


def test_no_bridge_when_the_log_does_not_say_which_roles_are_assumed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "assumed", lambda *_: ([], "eu-west-1: cut short"))
    c = course(mode="bridge", places=[place(**OWN)])
    with pytest.raises(Stop):
        clamping.can_bridge(c)
    assert "eu-west-1: cut short" in c.failures[0].message


def test_the_bridge_says_exactly_this() -> None:
    outside, more, roles = bridge.document("S", ["198.51.100.0/24"], ["vpc-11112222"], [ROLE])["Statement"]
    assert outside == {"Sid": "S", "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {
        "NotIpAddressIfExists": {"aws:SourceIp": ["198.51.100.0/24"]}, "StringNotEqualsIfExists": {"aws:SourceVpc": ["vpc-11112222"]},
        "BoolIfExists": {"aws:ViaAWSService": "false"}}}  # fmt: skip
    assert more["Effect"] == "Deny" and "Condition" not in more and more["Resource"] == "*"
    assert set(more["Action"]) == {"iam:*", "organizations:*", "sts:GetFederationToken", "sts:GetSessionToken"}
    assert roles == {"Sid": "SRoles", "Effect": "Deny", "Action": ["sts:AssumeRole"], "NotResource": [ROLE]}
    assert bridge.document("S", [], [], [])["Statement"][2]["Resource"] == "*"  # it assumed none, so none


@pytest.mark.parametrize(
    ("keys", "compromised", "held", "free", "refused"),
    [
        ({OLD: "Active"}, {OLD}, (), "", ""),
        ({OLD: "Active", OTHER: "Active"}, {OLD, OTHER}, (), OTHER, ""),
        ({OLD: "Active", OTHER: "Inactive"}, {OLD, OTHER}, (), OTHER, ""),
        ({OLD: "Active", OTHER: "Active"}, {OLD}, (), "", "active and not known to be compromised"),
        ({OLD: "Active", OTHER: "Inactive"}, {OLD}, (), "", "never used"),
        ({OLD: "Active", OTHER: "Active"}, {OLD, OTHER}, {OTHER}, "", "both keys are in use"),
        ({OLD: "Active", OTHER: "Active"}, {OLD}, {OTHER}, "", "both keys are in use"),
    ],
)
def test_whose_slot_is_taken_is_decided_by_rule(keys: dict[str, str], compromised: set[str], held: Any, free: str, refused: str) -> None:
    found = slot.decide([{"id": k, "status": v} for k, v in keys.items()], OLD, compromised, {}, held)
    assert found.free == free and refused in found.refused and bool(found.refused) == bool(refused) and (found.why or refused)


def test_no_key_makes_room_while_a_place_that_may_hold_it_cannot_be_read() -> None:
    cloud = ModelledCloud(GetSecretValue="DecryptionFailure")
    c = course(places=[place()])
    c.also, c.runner.clouds = {OTHER}, {"aws": cloud}
    c.carry_out = lambda _make: pytest.fail("a key was deleted")
    with pytest.raises(EvictError, match="DecryptionFailure"):
        minting.free(c, {OLD: "Active", OTHER: "Active"})


def test_a_check_that_flaps_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PAUSE", 0.0)

    def said(*answers: str) -> str:
        left = list(answers)
        monkeypatch.setitem(health._CHECKS, "command", lambda *_: left.pop(0))
        return health.check(None, place(check={"command": ["x"]}))  # type: ignore[arg-type]

    assert said("", "", "") == "" == said("down", "", "", "")
    assert "it flaps" in said("", "down", "", "", "down", "") and "it flaps" in said("", "down", "", "down", "", "down")
    assert said(*["down"] * health.TRIES) == "down"


def test_a_key_that_is_not_valid_yet_is_asked_again_and_nothing_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(proving.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(proving.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))

    def tried(refusals: int) -> tuple[Any, int]:
        asked: list[str] = []

        def attempt(keys: tuple[str, str, str], _call: Any) -> str:
            asked.append(keys[1])
            return "InvalidClientTokenId: no" if len(asked) <= refusals else ""

        c = course(valid=10.0)
        c.aws.attempt = attempt
        try:
            proving.taken(c, "x" * 40)
        except Stop:
            pass
        return c, len(asked)

    taken, times = tried(4)
    assert (taken.open, times) == ([], 5)
    never, times = tried(10**6)
    assert 10 < times < 20 and "run again" in never.open[0]["why"] and never.failures == [] and "x" * 40 not in never.open[0]["why"]


def test_a_key_that_is_gone_is_not_what_is_rotated_while_another_is_alive() -> None:
    """What an earlier run found may have been deleted since: the one that is there is not forgotten for it."""
    gone, alive = sorted((OLD, OTHER))
    cloud = ModelledCloud(ListAccessKeys={"AccessKeyMetadata": [{"UserName": "app", "AccessKeyId": alive, "Status": "Active"}]})
    found = {"suspect": gone, "source": gone, "arn": USER.arn, "keys": [gone], "whole": False}
    suspects = [{"cloud": "aws", "access_key_id": alive}]
    incident = incidents.validate({"incident": {"id": "IR-1", "opened": "2026-11-22T09:00:00Z", "suspects": suspects}}, "test")
    case = SimpleNamespace(notes=lambda kind: [{"data": found}] if kind == "suspect" else [], history={}, incident=incident)
    runner = SimpleNamespace(answers={}, check=False, clouds={"aws": cloud})
    run = verb.Rotation(SimpleNamespace(), case, runner, Options(mode="emergency"), [], "incident")  # type: ignore[arg-type]
    run._prepare(Principal(A, "user", "app", "AIDA", USER.arn, alive, compromised={alive}), alone=True)
    (machine,) = run.machines
    assert machine.old == alive and machine.also == {gone}


@pytest.mark.parametrize(("answer", "said"), [("NoSuchEntity", ""), ({"UserName": "app", "PolicyName": "x", "PolicyDocument": "{}"}, "is denied everything"),
                                              ("ServiceFailure", "not known")])  # fmt: skip
def test_whether_the_new_key_is_denied_is_said_and_a_failed_read_loses_no_result(answer: Any, said: str) -> None:
    c = course(places=[place()])
    c.runner.answers[c.mint] = Kept([(("AccessKey", "AccessKeyId"), NEW)])
    c.case.incident = SimpleNamespace(policy_name=lambda purpose: f"evict-{purpose}-IR-1")
    rows = fenced.rows(c.case, [c], Reader({"aws": ModelledCloud(GetUserPolicy=answer)}))  # type: ignore[dict-item]
    assert [said in row["why"] and NEW in row["why"] for row in rows] == ([True] if said else [])
