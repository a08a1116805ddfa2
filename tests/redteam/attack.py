"""The attacker of one run, and its sleeper: two threads that play moves until they are stopped."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable

from tests.beds.bed import Bed, Credentials
from tests.beds.company import Company, trust
from tests.redteam import moves
from tests.redteam.arsenal import ADMIN, SUSPECT, Held, Raider

RATE = 7.0  # moves a second


class Attacker(Raider):
    """Plays the moves of its families; every choice comes from the seed. `families` says which."""

    def __init__(self, bed: Bed, company: Company, seed: int, families: Iterable[str], outside: Held) -> None:
        super().__init__(bed, company, random.Random(f"{seed} attacker"), RATE)
        self.outside = outside
        self.held.append(outside)
        weights: dict[moves.Move, int] = {}
        for name in families:
            for move, weight in moves.FAMILIES[name][1].items():
                weights[move] = weights.get(move, 0) + weight
        self._moves, self._weights = list(weights), list(weights.values())
        self._order = random.Random(f"{seed} order")

    def first(self, turns: int) -> None:
        """Before anybody noticed: one session of each kind, and some moves more, as fast as the cloud answers."""
        for move in (moves.session, moves.federation, moves.role):
            self._play(move)
        for _ in range(turns):
            self.turn()

    def turn(self) -> None:
        self._play(self._order.choices(self._moves, self._weights)[0])

    def _play(self, move: moves.Move) -> None:
        self.move = move.__name__
        move(self)


class Sleeper(Raider):
    """A second identity, made before anybody noticed, that lifts the fence of the suspect whenever it sees one. `kind`:

    user | role: made with the leaked key, so the logs tell of it; old: a function's role from before the logs, which only its deeds betray.
    """

    def __init__(self, bed: Bed, company: Company, seed: int, kind: str, attacker: Attacker) -> None:
        super().__init__(bed, company, random.Random(f"{seed} sleeper"), 4.0)
        self.kind, self.name = kind, {"user": "tf-automation", "role": "nightly-tidy", "old": "iam-tidy"}[kind]
        self.move = f"sleeper ({kind})"
        self.incident = attacker.incident
        owner = attacker.held[0]
        self.held = [self._old(owner) if kind == "old" else self._made(attacker, owner)]

    def _made(self, attacker: Attacker, owner: Held) -> Held:
        attacker.move = self.move
        if self.kind == "user":
            attacker.call(owner, "iam", "CreateUser", UserName=self.name)
            attacker.call(owner, "iam", "PutUserPolicy", UserName=self.name, PolicyName="all", PolicyDocument=ADMIN)
            made = attacker.keep(attacker.call(owner, "iam", "CreateAccessKey", UserName=self.name), "key", self.name, owner)
        else:
            trusting = trust({"AWS": self.account.users[SUSPECT]})
            attacker.call(owner, "iam", "CreateRole", RoleName=self.name, AssumeRolePolicyDocument=trusting)
            attacker.call(owner, "iam", "PutRolePolicy", RoleName=self.name, PolicyName="all", PolicyDocument=ADMIN)
            made = attacker.assume(owner, self.name)
        if made is None:
            raise RuntimeError(f"the sleeper could not be made: {attacker.trace[-3:]}")
        return made

    def _old(self, owner: Held) -> Held:
        """Made and assumed past the recording proxy; trusted by Lambda alone from then on."""
        iam = self.bed.client("iam", self.account.root, direct=True)
        iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{self.account.id}:root"}))
        iam.put_role_policy(RoleName=self.name, PolicyName="all", PolicyDocument=ADMIN)
        sts = self.bed.client("sts", self.account.root, direct=True)
        arn = f"arn:aws:iam::{self.account.id}:role/{self.name}"
        session = sts.assume_role(RoleArn=arn, RoleSessionName="iam-tidy")["Credentials"]
        iam.update_assume_role_policy(RoleName=self.name, PolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
        return Held(Credentials.of(session), "role", self.name, self.move, owner, time.time())

    def turn(self) -> None:
        moves.undeny_self(self)
        if self.choice.random() < 0.3:
            self.call(self.held[0], "iam", "UpdateAccessKey", UserName=SUSPECT, AccessKeyId=self.company.leaked.access_key, Status="Active")

    @property
    def acted(self) -> bool:
        """Whether it changed anything since containment began."""
        return any(t["at"] >= (self.began or 0) and t["code"] == "ok" and not t["operation"].startswith("List") for t in self.trace)
