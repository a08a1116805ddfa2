"""Whatever goes wrong with one changing call of a containment: the right state or `partial` that names the object, and the next run completes it.

microburst plays each kind of fault for each changing call that an undisturbed containment makes. `make test` takes a seeded sample
(EVICT_CRASH_SEED), `make crash` (EVICT_CRASH=all) all of them, with figures in build/faults.json.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import botocore.config
import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import session
from tests.beds import company as company_module
from tests.beds.bed import Bed
from tests.beds.faults import Faults
from tests.integration.helpers import DEAD, ROOT, Desk, utc, works

pytestmark = [pytest.mark.bed, pytest.mark.crash, pytest.mark.timeout(3600)]

EVERY = os.environ.get("EVICT_CRASH") == "all"
SEED = int(os.environ.get("EVICT_CRASH_SEED", "20261122"))
P = "arn:aws:iam::222222222222"
ROLE, BOB = f"{P}:role/deploy", f"{P}:user/bob"
_SECONDS = 4  # the read time-out in these tests
# kind -> (what microburst plays, how many calls `make test` tries it on)
ONCE: dict[str, tuple[dict[str, Any], int]] = {
    "throttled": ({"error": {"code": "Throttling", "status": 400}}, 2),
    "500": ({"error": {"code": "InternalFailure", "status": 500}}, 2),
    "503": ({"error": {"code": "ServiceUnavailable", "status": 503}}, 1),
    "504": ({"timeout_ms": 1}, 1),
    "reset": ({"reset": True}, 2),
    "no answer in time": ({"timeout_ms": 1000 * (_SECONDS + 2)}, 1),
    "answer lost after the write": ({"response": {"abort_bytes": 0}}, 2),
    "connection lost in the answer": ({"response": {"abort_frac": 0.3}}, 1),
    "half an answer": ({"response": {"truncate_frac": 0.5}}, 1),
}
LASTING = {kind: (ONCE[kind][0], 1) for kind in ("throttled", "500", "reset", "answer lost after the write", "half an answer")}
KINDS = [pytest.param(rule | {"times": 1}, count, id=f"{kind}, once") for kind, (rule, count) in ONCE.items()]
KINDS += [pytest.param(rule, count, id=f"{kind}, for good") for kind, (rule, count) in LASTING.items()]
FIGURES: dict[str, Any] = {"seed": SEED, "all": EVERY, "points": {}, "calls": []}


@dataclasses.dataclass(frozen=True)
class Point:
    """One changing call, told from the others of its operation by its parameters."""

    service: str
    operation: str
    about: str  # the user, role, key or account that it changes
    body: str

    @property
    def above(self) -> bool:
        return self.service == "organizations"

    def rule(self) -> dict[str, Any]:
        return {"service": self.service, "operation": self.operation} | ({"body": self.body} if self.body else {})


class Range:
    """One seeded company and microburst in front of it; each try is a case of its own and ends where it began."""

    def __init__(self, bed: Bed, faults: Faults, folder: Path) -> None:
        self.bed, self.faults, self.folder, self.tries = bed, faults, folder, 0
        bed.reset()
        self.company = company_module.seed(bed)
        bed.configure(lookup_rate=0)
        self._iam = iam = bed.client("iam", self.company.production.root, direct=True)
        iam.upload_ssh_public_key(UserName="ci-deploy", SSHPublicKeyBody="ssh-rsa AAAAB3NzaC1yc2E example")
        iam.upload_signing_certificate(UserName="ci-deploy", CertificateBody="-----BEGIN CERTIFICATE-----")
        iam.create_service_specific_credential(UserName="ci-deploy", ServiceName="codecommit.amazonaws.com")
        self._serial = iam.create_virtual_mfa_device(VirtualMFADeviceName="ci")["VirtualMFADevice"]["SerialNumber"]
        self._enrol()
        self.original = self.normal()
        self.points, self.final = self._undisturbed()

    def _enrol(self) -> None:
        self._iam.enable_mfa_device(
            UserName="ci-deploy", SerialNumber=self._serial, AuthenticationCode1="123456", AuthenticationCode2="654321"
        )

    def normal(self) -> str:
        """The cloud without what differs from case to case: incident ids, their Sids, ids of policies, times."""
        text = re.sub(r"\bp-[0-9a-f]{8}\b", "POLICY", re.sub(r"IR-\d{4}", "IR", self.bed.snapshot()))
        text = re.sub(r"20\d\d-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)", "TIME", re.sub(r"Evict[0-9a-f]{16}", "SID", text))
        return json.dumps(json.loads(text), sort_keys=True)

    def desk(self) -> Desk:
        self.tries += 1
        desk = Desk(self.bed, self.company, self.folder, f"IR-{self.tries:04d}")
        desk.incident(self.company.leaked.access_key, ROLE, BOB, role_action="deny", window={"start": utc(-3600), "end": None})
        return desk

    def undone(self, desk: Desk) -> None:
        """Released, with what no release gives back made anew by hand."""
        again = desk.false_positive(self.company.leaked.access_key, ROLE, BOB)
        assert again["problems"] == [] and {r["kind"] for r in again["open"]} <= {"irreversible"}, again
        self._iam.create_login_profile(UserName="ci-deploy", Password="Correct-Horse-9", PasswordResetRequired=False)
        self._enrol()
        assert self.normal() == self.original

    def _undisturbed(self) -> tuple[list[Point], str]:
        desk = self.desk()
        self.bed.control("reset", {})
        done = desk.contain()
        assert done["problems"] == [], done["msg"]
        changing = {c["operation"] for c in self.bed.calls() if c["mutating"] and c["service"] in ("iam", "organizations")}
        points = dict.fromkeys(_point(e) for e in self.bed.events() if e["eventName"] in changing)
        final = self.normal()
        self.undone(desk)
        return list(points), final


def _point(event: dict[str, Any]) -> Point:
    given, service = event["requestParameters"] or {}, event["eventSource"].split(".")[0]
    names = [n for n in ("UserName", "RoleName", "AccessKeyId") if given.get(n[0].lower() + n[1:])] if service == "iam" else []
    tests = [f"{n} == '{given[n[0].lower() + n[1:]]}'" for n in names]
    if service == "iam" and "policyName" in given:
        tests.append(f"starts_with(PolicyName, '{given['policyName'].split('IR-')[0]}')")
    about = next((str(given[n]) for n in ("accessKeyId", "userName", "roleName", "targetId") if n in given), "222222222222")
    return Point(service, event["eventName"], about, " && ".join(tests))


@pytest.fixture(scope="module")
def faults(bed: Bed) -> Iterator[Faults]:
    with Faults(bed) as running:
        yield running


@pytest.fixture(scope="module")
def _ranges() -> list[Range]:
    return []


@pytest.fixture
def range_(bed: Bed, faults: Faults, tmp_path_factory: pytest.TempPathFactory, _ranges: list[Range]) -> Range:
    """Seeded anew only when the last test did not end where it began."""
    faults.clear()
    if not _ranges or _ranges[-1].normal() != _ranges[-1].original:
        _ranges.append(Range(bed, faults, tmp_path_factory.mktemp("faults")))
    return _ranges[-1]


@pytest.fixture(scope="module", autouse=True)
def figures() -> Iterator[None]:
    """build/faults.json, when all were tried."""
    yield
    if EVERY:
        path = ROOT / "build" / "faults.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(FIGURES | {"total": sum(FIGURES["points"].values())}, indent=1) + "\n")


def disturbed(place: Range, desk: Desk, rule: dict[str, Any]) -> dict[str, Any]:
    """Contain through microburst, without waiting between attempts."""
    place.faults.set(**rule)
    plain, config = type(place.bed).environ, botocore.config.Config
    with (
        mock.patch.object(type(place.bed), "environ", lambda bed, who=None: {**plain(bed, who), **place.faults.environ()}),
        mock.patch.object(session.botocore.config, "Config", lambda **more: config(**{**more, "read_timeout": _SECONDS})),
        mock.patch("time.sleep"),
    ):
        done = desk.contain()
    fired = place.faults.fired()
    place.faults.clear()
    assert fired, "the fault was not played"
    return done


def sample(points: list[Point], count: int, name: str) -> list[Point]:
    return points if EVERY else random.Random(f"{SEED} {name}").sample(points, count)


def test_every_kind_of_change_is_among_the_calls(range_: Range) -> None:
    """The canary: what the sample is drawn from."""
    operations = {p.operation for p in range_.points}
    FIGURES["calls"] = sorted(f"{p.operation} {p.body}" for p in range_.points)
    assert operations >= {
        "PutUserPolicy", "PutRolePolicy", "UpdateAccessKey", "UpdateSSHPublicKey", "UpdateSigningCertificate", "UpdateServiceSpecificCredential",
        "DeleteLoginProfile", "DeactivateMFADevice", "CreatePolicy", "AttachPolicy",
    }  # fmt: skip
    assert len(range_.points) > 14


@pytest.mark.parametrize(("rule", "count"), KINDS)
def test_one_call_goes_wrong(range_: Range, request: pytest.FixtureRequest, rule: dict[str, Any], count: int) -> None:
    place, kind = range_, request.node.callspec.id
    for point in sample(place.points, count, kind):
        desk = place.desk()
        told = f"{kind}: {point.operation} {point.about} {point.body}"
        done = disturbed(place, desk, point.rule() | rule)
        assert "Traceback" not in json.dumps(done, default=str), told
        if done["problems"]:
            assert done["failed"] and done["status"] in ("partial", "error"), (told, done["status"])
            assert all(p["object"] and p["message"] and p["operation"] for p in done["problems"]), (told, done["problems"])
            assert any(point.about in json.dumps(p) for p in done["problems"]), (told, done["problems"])
        else:
            assert works(place.bed, place.company.leaked) in DEAD, told
        second = desk.contain()
        assert second["problems"] == [], (told, second["problems"])
        assert works(place.bed, place.company.leaked) in DEAD and works(place.bed, place.company.production.keys["bob"]) in DEAD, told
        if not point.above:  # where there was no policy above the account for a while, AWSDenyAll stays beside it
            assert place.normal() == place.final, told
        state = place.bed.snapshot()
        third = desk.contain()
        assert third["changed"] is False and third["problems"] == [] and place.bed.snapshot() == state, told
        assert desk.ledger().unsettled() == [] and desk.verified(), told
        place.undone(desk)
        FIGURES["points"][kind] = FIGURES["points"].get(kind, 0) + 1
