"""The single verbs, killed at any instant: the same task ends in the right state, with every pre-image in the ledger.

As in test_crash.py the bed kills the process group before it forwards a changing call, and after the cloud answered. Few calls are made, so
`make test` tries one point of each, `make crash` all.
"""

from __future__ import annotations

import os
import random
import re
from typing import Any

import pytest

from tests.beds import company as company_module
from tests.beds.bed import Bed
from tests.integration.helpers import Child, Desk, outcome

pytestmark = [pytest.mark.bed, pytest.mark.crash, pytest.mark.timeout(1800)]

EVERY = os.environ.get("EVICT_CRASH") == "all"
SEED = int(os.environ.get("EVICT_CRASH_SEED", "20261122"))
P = "arn:aws:iam::222222222222"
USER, ROLE, BOB = f"{P}:user/ci-deploy", f"{P}:role/deploy", f"{P}:user/bob"
KINDS = ["access_key", "ssh_public_key", "signing_certificate", "service_specific_credential"]
# name -> (module, its options, whether a release gives everything back)
VERBS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "quarantine": ("aws_identity_quarantine", {"principals": [USER, ROLE, BOB], "action": "deny"}, True),
    "quarantine, clamp": ("aws_identity_quarantine", {"principals": [ROLE, BOB], "action": "clamp"}, True),
    "credentials off": ("aws_credential", {"principals": [USER, BOB], "kinds": KINDS}, True),
    "credentials deleted": ("aws_credential", {"principals": [USER, BOB], "kinds": [*KINDS, "login_profile"], "state": "absent"}, False),
    "sessions": ("aws_session", {"principals": [USER, ROLE]}, True),
    "one session": ("aws_session", {"principals": [ROLE], "sessions": ["evil-1", "evil-2"]}, True),
}


class Place:
    """A seeded company; `desk` is a new case on it, with nothing done yet."""

    def __init__(self, bed: Bed, folder: Any) -> None:
        self.bed, self.folder, self.tries = bed, folder, 0

    def desk(self) -> Desk:
        self.tries += 1
        self.bed.clear_rules()
        if self.tries == 1 or self.bed.snapshot() != self.original:
            self.bed.reset()
            self.company = company_module.seed(self.bed)
            self.bed.configure(lookup_rate=0)
            iam = self.bed.client("iam", self.company.production.root, direct=True)
            iam.upload_ssh_public_key(UserName="ci-deploy", SSHPublicKeyBody="ssh-rsa AAAAB3NzaC1yc2E example")
            iam.upload_signing_certificate(UserName="ci-deploy", CertificateBody="-----BEGIN CERTIFICATE-----")
            iam.create_service_specific_credential(UserName="ci-deploy", ServiceName="codecommit.amazonaws.com")
            self.original = self.bed.snapshot()
        desk = Desk(self.bed, self.company, self.folder, f"IR-{self.tries:04d}")
        desk.incident(self.company.leaked.access_key, ROLE, trusted={"networks": ["198.51.100.0/24"]})
        return desk


@pytest.fixture(scope="module")
def place(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(bed, tmp_path_factory.mktemp("verbs"))


def _changes(bed: Bed) -> int:
    return sum(c["mutating"] for c in bed.calls())


def _order(desk: Desk, name: str) -> dict[str, Any]:
    module, params, _whole = VERBS[name]
    return {"module": module, "params": {"incident": str(desk.file), **params}}


def _normal(place: Place) -> str:
    """The cloud, without what differs from case to case: incident ids, their Sids, times."""
    text = re.sub(r"Evict[0-9a-f]{16}", "SID", re.sub(r"IR-\d{4}", "IR", place.bed.snapshot()))
    return re.sub(r"20\d\d-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)", "TIME", text)


def _held(place: Place) -> dict[str, Any]:
    """Which credentials the two users hold, by kind and status: a company that is seeded anew has other ids."""
    iam = place.bed.client("iam", place.company.production.root, direct=True)
    found: dict[str, Any] = {}
    for user in ("ci-deploy", "bob"):
        keys = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
        found[user] = (
            sorted(k["Status"] for k in keys),
            [
                len(iam.list_ssh_public_keys(UserName=user)["SSHPublicKeys"]),
                len(iam.list_signing_certificates(UserName=user)["Certificates"]),
                len(iam.list_service_specific_credentials(UserName=user)["ServiceSpecificCredentials"]),
                outcome(iam, "get_login_profile", UserName=user),
            ],
        )
    return found


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", VERBS)
def test_killed_and_run_again(place: Place, name: str, when: str) -> None:
    module, params, whole = VERBS[name]
    desk = place.desk()
    before = _changes(place.bed)
    assert desk.run(module, **params)["problems"] == []
    seen = _normal if whole else _held
    count, final = _changes(place.bed) - before, seen(place)
    assert count, "there is nothing to kill"
    if whole:
        _released(place, desk)
    points = list(range(1, count + 1)) if EVERY else [random.Random(f"{SEED} {name} {when}").randint(1, count)]
    for number in points:
        point = f"{name}, {when} call {number} of {count}"
        desk = place.desk()
        child = Child(place.bed, _order(desk, name))
        place.bed.rule(when, at=number, pgid=child.pgid)
        code, out, err = child.go()
        place.bed.clear_rules()
        assert code == -9, (point, code, out[-500:], err[-1500:])
        again = desk.run(module, **params)
        assert again["problems"] == [] and again["status"] == "ok", (point, again["problems"])
        assert again["recovered"] and desk.ledger().unsettled() == [], point
        assert seen(place) == final, point
        state = place.bed.snapshot()
        third = desk.run(module, **params)
        assert third["changed"] is False and place.bed.snapshot() == state and desk.verified(), point
        if whole:
            _released(place, desk)


def _released(place: Place, desk: Desk) -> None:
    named = sorted({n["data"]["suspect"] for n in desk.ledger().notes["suspect"]} - {""})
    assert desk.false_positive(*named)["status"] == "ok"
    assert place.bed.snapshot() == place.original
