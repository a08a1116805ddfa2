"""The order of revocation: the source, what was derived from it, and what was derived from that, however many links there are."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.beds.bed import Bed, Credentials
from tests.beds.bed import root as bed_root
from tests.beds.company import allow, document, trust
from tests.integration.helpers import DEAD, DENIED, Desk, status_of, works
from tests.integration.test_live import powerful, root

pytestmark = pytest.mark.bed

LINKS = ("first", "second", "third")


class Chain(threading.Thread):
    """Mints without a pause: the first role by the key, each further one by the newest session of the one before; nothing is ever given up."""

    def __init__(self, bed: Bed, key: Credentials, arns: list[str]) -> None:
        super().__init__(daemon=True)
        self.bed, self.arns = bed, arns
        self.held: list[list[Credentials]] = [[key], *([] for _ in arns)]
        self.over = threading.Event()
        self.turns = 0

    def run(self) -> None:
        while not self.over.is_set():
            self.turns += 1
            for link, arn in enumerate(self.arns):
                for source in [*self.held[link][-3:], *self.held[link][:1]]:
                    with contextlib.suppress(ClientError):
                        answer = self.bed.client("sts", source).assume_role(RoleArn=arn, RoleSessionName=f"evil-{link}-{self.turns}")
                        self.held[link + 1].append(Credentials.of(answer["Credentials"]))
            time.sleep(0.15)

    def alive(self) -> list[str]:
        return [
            f"{link}:{number}" for link, all_ in enumerate(self.held) for number, one in enumerate(all_) if works(self.bed, one) == "ok"
        ]


@pytest.fixture
def stage(desk: Desk) -> Desk:
    """Three roles, each of which the one before may assume; others use them all."""
    iam, production = root(desk, "iam"), desk.company.production
    powerful(desk, "ci-deploy")
    before = production.users["ci-deploy"]
    for name in LINKS:
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": [before, production.users["alice"]]}))["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="work", PolicyDocument=document(allow("sts:AssumeRole", "sqs:ListQueues")))
        production.roles[name], before = arn, arn
    return desk


@pytest.mark.slow
def test_a_chain_of_roles_ends_though_each_link_mints_until_it_is_cut(stage: Desk) -> None:
    """Policy changes are seen three seconds late: a link that is cut goes on minting meanwhile, so each has to be cut again after the one before."""
    bed, production = stage.bed, stage.company.production
    chain = Chain(bed, stage.company.leaked, [production.roles[name] for name in LINKS])
    bed.lag(3)
    chain.start()
    try:
        time.sleep(1.5)
        stage.incident(stage.company.leaked.access_key, role_action="revoke")
        done = stage.contain(scope=30, hold="90s", spread="4s")
    finally:
        chain.over.set()
        chain.join()
    assert {status_of(done, f"role/{name}")["role_action"] for name in LINKS} == {"revoke"}
    assert all(len(held) > 2 for held in chain.held[1:]), [len(held) for held in chain.held]
    assert chain.alive() == []
    bed.lag(0)
    assert stage.contain(scope=30, hold="90s", spread="4s")["changed_count"] == 0
    fresh = bed.client("sts", production.keys["alice"]).assume_role(RoleArn=production.roles["third"], RoleSessionName="alice")
    assert works(bed, Credentials.of(fresh["Credentials"])) == "ok"  # who has a right to it goes on


def test_a_role_that_the_suspect_made_for_its_own_provider(stage: Desk) -> None:
    """Back doors: an identity provider and an account of the attacker's, and a role that trusts both. Their sessions are cut, and what they chained into."""
    bed = stage.bed
    iam = bed.client("iam", stage.company.leaked)
    provider = iam.create_open_id_connect_provider(Url="https://evil.example", ThumbprintList=["0" * 40])["OpenIDConnectProviderArn"]
    federated = {"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity"}
    foreign = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444444444444:root"}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(RoleName="door", AssumeRolePolicyDocument=document(federated, foreign))["Role"]["Arn"]
    iam.put_role_policy(RoleName="door", PolicyName="all", PolicyDocument=document(allow("*")))
    from_afar, opened = _stranger(bed, arn), _web_identity(bed, arn)
    chained = Credentials.of(
        bed.client("sts", from_afar).assume_role(RoleArn=_reachable(stage, arn), RoleSessionName="next")["Credentials"]
    )
    assert {works(bed, opened), works(bed, from_afar), works(bed, chained)} == {"ok"}
    stage.incident(stage.company.leaked.access_key)
    done = stage.contain(scope=20, hold="1s")
    door = status_of(done, "role/door")
    assert door["reason"].startswith("created by") and door["role_action"] == "deny"
    assert {works(bed, opened), works(bed, from_afar)} <= DENIED and works(bed, chained) in DEAD
    assert door["action"] == "contained"  # whoever assumes it gets a session that may do nothing
    assert {r["token_kind"] for r in done["residual"] if r["object"] == arn} == {"signed GetCallerIdentity"}


def _stranger(bed: Bed, arn: str) -> Credentials:
    """From an account of the attacker's own."""
    iam = bed.client("iam", bed_root("444444444444"), direct=True)
    iam.create_user(UserName="mallory")
    iam.put_user_policy(UserName="mallory", PolicyName="all", PolicyDocument=document(allow("*")))
    key = Credentials.of(iam.create_access_key(UserName="mallory")["AccessKey"])
    return Credentials.of(bed.client("sts", key).assume_role(RoleArn=arn, RoleSessionName="afar")["Credentials"])


def _reachable(desk: Desk, arn: str) -> str:
    iam = root(desk, "iam")
    made = iam.create_role(RoleName="vault", AssumeRolePolicyDocument=trust({"AWS": arn}))["Role"]["Arn"]
    iam.put_role_policy(RoleName="vault", PolicyName="work", PolicyDocument=document(allow("sqs:ListQueues")))
    return str(made)


def _web_identity(bed: Bed, arn: str) -> Credentials:
    """As from anywhere on the internet; the bed takes any signature of a token."""
    parts: list[dict[str, Any]] = [
        {"alg": "RS256"},
        {"iss": "https://evil.example", "sub": "me", "aud": "sts.amazonaws.com", "exp": time.time() + 600},
    ]
    token = ".".join([*(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts), "c2ln"])
    answer = bed.client("sts", bed_root("444444444444")).assume_role_with_web_identity(
        RoleArn=arn, RoleSessionName="from-outside", WebIdentityToken=token
    )
    return Credentials.of(answer["Credentials"])


def test_a_trust_policy_that_the_suspect_wrote_lets_the_stranger_in_no_more(stage: Desk) -> None:
    arn, other = stage.company.production.roles["first"], "arn:aws:iam::444444444444:root"
    old = trust({"AWS": [stage.company.production.users["ci-deploy"], other]})
    stage.bed.client("iam", stage.company.leaked).update_assume_role_policy(RoleName="first", PolicyDocument=old)
    stage.incident(stage.company.leaked.access_key)
    done = stage.contain(scope=20, hold="1s")
    assert status_of(done, "role/first")["action"] == "contained" and done["status"] == "ok", done["open"]
    left = root(stage, "iam").get_role(RoleName="first")["Role"]["AssumeRolePolicyDocument"]
    assert other not in json.dumps(left) and arn
