"""Contain in mode graceful and bridge, and rotation behind a containment: dependents go on, and what is said of the old key is so."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation import course, health
from tests.beds.bed import Credentials, root
from tests.beds.company import ATTACKER_IP, OFFICE, PRODUCTION
from tests.integration.helpers import DEAD, Child, Desk, next_second, status_of, utc, works

pytestmark = pytest.mark.bed

REGION = "us-east-1"
NETWORKS = {"networks": ["198.51.100.0/24"]}


class Estate:
    """A user with one key in two places, a console password and a back door that the attacker made."""

    def __init__(self, desk: Desk, mode: str, name: str = "app-orders", **more: Any) -> None:
        self.desk, self.bed, self.name = desk, desk.bed, name
        self.key = desk.company.production.keys[name]
        self.arn = desk.company.production.users[name]
        self.iam = self.bed.client("iam", root(PRODUCTION), direct=True)
        self.secrets = self.bed.client("secretsmanager", root(PRODUCTION), region=REGION, direct=True)
        self.ssm = self.bed.client("ssm", root(PRODUCTION), region=REGION, direct=True)
        self.secrets.create_secret(Name="app/aws", SecretString=json.dumps({"key_id": self.key.access_key, "secret": self.key.secret_key}))
        self.ssm.put_parameter(
            Name="/app/env", Type="SecureString",
            Value=f"AWS_ACCESS_KEY_ID={self.key.access_key}\nAWS_SECRET_ACCESS_KEY={self.key.secret_key}\n",
        )  # fmt: skip
        self.iam.create_login_profile(UserName=self.name, Password="Correct-Horse-9")
        self.dependents = [
            {"kind": "secrets_manager", "name": "app/aws", "region": REGION, **NETWORKS},
            {"kind": "ssm_parameter", "name": "/app/env", "region": REGION, **NETWORKS},
        ]
        self.incident(mode, **more)

    def incident(self, mode: str, **more: Any) -> None:
        desk = self.desk
        desk.incident(self.key.access_key, mode=mode, dependents=self.dependents, **more)
        if desk.case.exists():
            desk.run("case", incident=str(desk.file), directory=str(desk.folder), allow_local_store=True)

    def held(self) -> list[Credentials]:
        secret = json.loads(self.secrets.get_secret_value(SecretId="app/aws")["SecretString"])
        text = self.ssm.get_parameter(Name="/app/env", WithDecryption=True)["Parameter"]["Value"]
        lines = dict(line.split("=", 1) for line in text.splitlines())
        return [Credentials(secret["key_id"], secret["secret"]), Credentials(lines["AWS_ACCESS_KEY_ID"], lines["AWS_SECRET_ACCESS_KEY"])]

    def serve(self) -> list[str]:
        """What its dependents get, from where they call."""
        return [works(self.bed, c, source_ip=OFFICE) for c in self.held()]

    def keys(self) -> dict[str, str]:
        return {k["AccessKeyId"]: k["Status"] for k in self.iam.list_access_keys(UserName=self.name)["AccessKeyMetadata"]}

    def policies(self) -> list[str]:
        return sorted(self.iam.list_user_policies(UserName=self.name)["PolicyNames"])

    def old(self) -> str:
        """What the attacker gets with the key that leaked."""
        return works(self.bed, self.key, source_ip=ATTACKER_IP)

    def contain(self, check: bool = False, **params: Any) -> dict[str, Any]:
        return self.desk.contain(check, **{"scope": 0, "spread": "0", "hold": "1s", "quiet": "0s", "soak": "0s", **params})

    def row(self, result: dict[str, Any]) -> dict[str, Any]:
        (row,) = [r for r in result["principals"] if r["arn"] == self.arn]
        return dict(row)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PAUSE", 0.0)
    monkeypatch.setattr(course, "SETTLES", datetime.timedelta(0))


def session(estate: Estate, name: str, address: str) -> Credentials:
    """Of the role that a dependent and the attacker assume with the same key."""
    sts = estate.bed.client("sts", estate.key, source_ip=address)
    role = estate.desk.company.production.role_arn("deploy")
    return Credentials.of(sts.assume_role(RoleArn=role, RoleSessionName=name)["Credentials"])


def test_bridge_clamps_at_once_cuts_the_rest_and_goes_on_until_the_old_key_is_dead(desk: Desk, at_once: None) -> None:
    """The deny stands before any log is read; the roles come after. Nothing of the dependents fails, nobody denies the user as a whole."""
    estate = Estate(desk, "bridge", "alice")
    worker = session(estate, "worker", OFFICE)
    next_second()
    estate.incident("bridge", window={"start": utc()})
    thief = session(estate, "thief", ATTACKER_IP)
    before = estate.bed.snapshot()
    planned = estate.contain(check=True)
    assert estate.bed.snapshot() == before and planned["changed"], planned
    first = estate.contain(quiet="15m", scope=30)
    assert first["status"] == "open" and first["rotation"][0]["state"] == "VERIFIED_NEW", first
    calls = [c["operation"] for c in estate.bed.calls(mutating=True)]
    assert calls[0] == "PutUserPolicy" and calls.index("DeleteLoginProfile") < calls.index("CreateAccessKey"), calls
    assert estate.row(first)["contained_at"] is None and "their networks alone" in estate.row(first)["action"]
    mine = [r["token_kind"] for r in first["residual"] if r["object"] == estate.arn]
    assert mine == [f"access key {estate.key.access_key}, and what it mints"], first["residual"]
    assert estate.keys()[estate.key.access_key] == "Active" and estate.policies() == ["evict-bridge-IR-1", "evict-session-IR-1", "work"]
    assert estate.serve() == ["ok", "ok"] and works(estate.bed, estate.key, source_ip=OFFICE) == "ok"
    assert status_of(first, "role/deploy")["role_action"] == "clamp" and works(estate.bed, thief, source_ip=ATTACKER_IP) in DEAD
    assert works(estate.bed, worker, source_ip=OFFICE) == works(estate.bed, session(estate, "worker", OFFICE), source_ip=OFFICE) == "ok"
    again = estate.contain(quiet="15m")
    assert not again["changed"] and again["status"] == "open", again
    next_second()
    assert estate.old() in DEAD  # and a hostile call since the clamp ends the grace
    cut = estate.contain(quiet="15m", soak="1h", spread="1s", hold="2s")
    assert estate.keys()[estate.key.access_key] == "Inactive" and estate.policies() == ["evict-session-IR-1", "work"], cut
    assert estate.row(cut)["action"] == "contained" and estate.row(cut)["contained_at"] and estate.serve() == ["ok", "ok"], cut
    done = estate.contain(spread="1s", hold="2s")
    assert done["status"] == "ok", (done["open"], done["problems"], done["principals"])
    assert set(estate.keys().values()) == {"Active"} and len(estate.keys()) == 1, done
    assert not estate.contain()["changed"]
    back = desk.restore()
    assert estate.serve() == ["ok", "ok"] and estate.old() in DEAD and estate.policies() == ["evict-session-IR-1", "work"], back
    assert works(estate.bed, worker, source_ip=OFFICE) == "ok" and works(estate.bed, thief, source_ip=ATTACKER_IP) in DEAD
    assert desk.leaks(estate.key.secret_key, estate.held()[0].secret_key) == [] and desk.verified()


def test_graceful_cuts_what_the_attacker_made_and_is_refused_by_name_where_no_slot_is_free(desk: Desk, at_once: None) -> None:
    """And goes on from the command line, whichever playbook was the last."""
    estate = Estate(desk, "graceful", window={"start": utc(-60)})
    second = Credentials.of(estate.iam.create_access_key(UserName=estate.name)["AccessKey"])  # made in the incident's window, and nobody's
    first = estate.contain()
    assert first["status"] == "partial" and second.access_key in json.dumps(first["problems"]), first
    assert estate.keys() == {estate.key.access_key: "Active", second.access_key: "Inactive"} and estate.serve() == ["ok", "ok"]
    freed = desk.run(
        "aws_credential_rotation", quiet="15m", free_slot=second.access_key
    )  # a named person may; rotate.yml goes on with the same rotation
    assert second.access_key not in set(estate.keys()) and freed["rotation"][0]["state"] == "VERIFIED_NEW", freed
    less = ("contain_scope=0", "contain_spread=1s", "contain_clocks=none", "contain_resources=false")
    given = [f"incident={desk.file}", "hold=2s", "quiet=0s", "soak=1h", f"result_file={desk.folder}/result.json", *less]
    code, said = desk.play("contain", *(word for one in given for word in ("-e", one)))
    done = json.loads((desk.folder / "result.json").read_text())
    assert code == 2 and "OLD_DISABLED: the old key is off (graceful)" in said and f"evict.cloud.contain -e case={desk.case}" in said, said
    assert estate.keys()[estate.key.access_key] == "Inactive" and estate.serve() == ["ok", "ok"], done
    assert estate.row(done)["action"] == "contained" and estate.policies() == ["evict-session-IR-1", "work"], done
    kept = desk.restore()
    assert estate.serve() == ["ok", "ok"] and estate.keys()[estate.key.access_key] == "Inactive", kept


@pytest.mark.crash
def test_killed_when_the_new_key_was_made_it_goes_on_with_one_that_everybody_has(desk: Desk, at_once: None) -> None:
    estate = Estate(desk, "graceful")
    params = {"incident": str(desk.file), "scope": 0, "hold": "0", "clocks": "none", "quiet": "0s", "soak": "0s"}
    child = Child(estate.bed, {"module": "aws_contain", "params": params})
    estate.bed.rule("after", operation="CreateAccessKey", pgid=child.pgid)
    code, out, err = child.go()
    assert code == -9 and len(estate.keys()) == 2, (out[-500:], err[-1500:])
    estate.bed.clear_rules()
    done = estate.contain()
    (new,) = estate.keys()
    assert (
        {c.access_key for c in estate.held()} == {new} and estate.serve() == ["ok", "ok"] and "orphan" in json.dumps(done["recovered"])
    ), done


def test_where_the_old_key_cannot_be_switched_off_at_the_end_of_grace_its_user_is_cut(desk: Desk, at_once: None) -> None:
    """And what clamps a key that is alive outlasts a release."""
    estate = Estate(desk, "bridge")
    assert estate.contain(quiet="15m")["status"] == "open"
    kept = desk.restore()
    assert "evict-bridge-IR-1" in estate.policies() and "still alive" in json.dumps(kept["open"]), kept
    next_second()  # the log has no fractions, and what he did in the second of the clamp counts as before it
    assert estate.old() in DEAD  # a hostile call
    estate.bed.rule("fail", operation="UpdateAccessKey", code="AccessDenied", status=403, message="no", times=99)
    cut = estate.contain(quiet="15m")
    assert "evict-quarantine-IR-1" in estate.policies() and works(estate.bed, estate.key, source_ip=OFFICE) in DEAD, cut
    assert cut["status"] == "partial" and "could not be switched off" in json.dumps(cut["warnings"]), cut
    estate.bed.clear_rules()


def test_in_an_emergency_the_new_key_serves_when_the_fence_is_lifted_and_the_old_one_stays_dead(desk: Desk, at_once: None) -> None:
    """contain, rotate, contain once more, recover: AWS has no condition on a key's id, so the fence stops the new key too, and it is said."""
    estate = Estate(desk, "emergency")
    desk.contain()
    assert estate.serve() != ["ok", "ok"]
    planned = desk.run("aws_credential_rotation", True)
    assert "will not work with a new key before" in json.dumps(planned["warnings"]), planned
    rotated = desk.run("aws_credential_rotation", soak="0s", quiet="0s")
    assert rotated["status"] == "open" and "recover.yml" in rotated["open"][-1]["why"] and not rotated["problems"], rotated
    (new,) = estate.keys()
    assert {c.access_key for c in estate.held()} == {new} and estate.serve() != ["ok", "ok"]
    again = desk.contain(hold="1s", spread="0")
    assert estate.keys() == {new: "Active"} and not again["problems"], again  # what the rotation made is nobody else's
    back = desk.restore()
    assert estate.serve() == ["ok", "ok"] and estate.keys() == {new: "Active"} and estate.old() in DEAD, back
    assert not desk.restore()["changed"] and desk.run("aws_credential_rotation", soak="0s")["status"] == "ok"
