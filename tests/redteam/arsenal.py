"""What the red team holds and how it calls: credentials with their origin, a trace of every call, and a pick of what may still work."""

from __future__ import annotations

import dataclasses
import random
import time
from typing import Any

from tests.beds.bed import Bed, Credentials, root
from tests.beds.company import ATTACKER_IP, Company
from tests.beds.loops import OK, Call, Loop

OUTSIDE = "999999999999"  # the attacker's own account, in nobody's organization
ADMIN = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
SUSPECT = "ci-deploy"
_GIVEN_UP = 4  # denials in a row after which a credential is tried only now and then


@dataclasses.dataclass
class Held:
    """A credential of the attacker. `kind`: key | session | federation | role | outside; `move` made it with `by`, at `at` (epoch seconds).

    `who` is the user's or role's name.
    """

    credentials: Credentials
    kind: str
    who: str
    move: str
    by: Held | None
    at: float
    last_ok: float = 0.0
    misses: int = 0

    @property
    def id(self) -> str:
        """The access key id."""
        return self.credentials.access_key

    def line(self, since: float) -> str:
        """How the attacker came by it, back to the leaked key; times count from `since`."""
        steps, one = [], self
        while one.by is not None:
            steps.append(f"{one.kind} {one.id} of {one.who} by {one.move} at {one.at - since:+.2f} s")
            one = one.by
        return " <- ".join([*steps, f"{one.kind} {one.id} of {one.who} ({one.move})"])


class Raider(Loop):
    """Calls on behalf of a set of credentials. `began` is when containment began (epoch seconds), None until then."""

    def __init__(self, bed: Bed, company: Company, choice: random.Random, rate: float) -> None:
        super().__init__(bed, rate, ATTACKER_IP)
        self.bed, self.company, self.account = bed, company, company.production
        self.choice = choice
        self.held: list[Held] = [Held(company.leaked, "key", SUSPECT, "leaked", None, time.time(), last_ok=time.time())]
        self.trace: list[dict[str, Any]] = []
        self.move = ""
        self.began: float | None = None
        self.users = [SUSPECT]  # of the attacker
        self.roles = ["deploy"]  # that it may be able to assume
        self.outside: Held | None = None
        self.incident = "IR-1"  # the name of a policy is guessed from it when it cannot be listed

    # -- calls -----------------------------------------------------------------------------------------------------

    def call(self, held: Held, service: str, operation: str, **parameters: Any) -> dict[str, Any] | None:
        """The answer, None when it was refused."""
        started = time.time()
        code, answer = self._wire.call(held.credentials, service, operation, **parameters)
        self.log.append(Call(started, f"{held.kind}:{self.move}", code))
        about = {k: v for k, v in parameters.items() if "Document" not in k and not k.startswith("Tags.") and k != "Policy"}
        self.trace.append({"at": started, "move": self.move, "key": held.id, "operation": operation, "about": about, "code": code})
        if code == OK:
            held.last_ok, held.misses = started, 0
            return answer
        held.misses += 1
        return None

    def keep(self, answer: dict[str, Any] | None, kind: str, who: str, by: Held) -> Held | None:
        """Add what an answer holds: an AccessKey or Credentials."""
        found = (answer or {}).get("AccessKey") or (answer or {}).get("Credentials")
        if not found:
            return None
        fresh = Held(Credentials.of(found), kind, who, self.move, by, time.time())
        self.held.append(fresh)
        return fresh

    def any(self, *kinds: str) -> Held:
        """One of these kinds, mostly one that was not refused lately."""
        fit = [h for h in self.held if not kinds or h.kind in kinds]
        alive = [h for h in fit if h.misses < _GIVEN_UP]
        if alive and self.choice.random() < 0.9:
            fit = alive
        if self.choice.random() < 0.4:
            return max(fit, key=lambda h: h.last_ok)
        return self.choice.choice(fit)

    def iam(self, operation: str, **parameters: Any) -> tuple[Held, dict[str, Any] | None]:
        """An IAM call, with a second credential when the first is refused (sessions of users may not call IAM at all)."""
        held = self.any("key", "role")
        answer = self.call(held, "iam", operation, **parameters)
        if answer is None and (other := self.any("key", "role")) is not held:
            return other, self.call(other, "iam", operation, **parameters)
        return held, answer

    def use(self, held: Held) -> bool:
        """Whether it may do something."""
        if held.kind == "outside":
            return False
        service, operation = (("sqs", "ListQueues"), ("s3", "ListBuckets"))[len(self.trace) % 2]
        return self.call(held, service, operation) is not None

    def assume(self, by: Held, role: str, **more: Any) -> Held | None:
        """A session of a role of the account."""
        name = f"s{self.choice.randrange(10**6)}"
        answer = self.call(by, "sts", "AssumeRole", RoleArn=f"arn:aws:iam::{self.account.id}:role/{role}", RoleSessionName=name, **more)
        return self.keep(answer, "role", role, by)


def set_up_outside(bed: Bed) -> Held:
    """A user of the attacker's own account; what it does there is nobody's business."""
    iam = bed.client("iam", root(OUTSIDE), direct=True)
    iam.create_user(UserName="mallory")
    iam.put_user_policy(UserName="mallory", PolicyName="all", PolicyDocument=ADMIN)
    key = Credentials.of(iam.create_access_key(UserName="mallory")["AccessKey"])
    return Held(key, "outside", "mallory", "own account", None, time.time())


def still_works(bed: Bed, account: str, held: Held) -> str:
    """The first call that succeeds, "" for none. GetCallerIdentity and GetSessionToken work under any deny, so they say nothing."""
    from tests.beds.wire import Wire

    wire = Wire(bed.direct, ATTACKER_IP)
    role = f"arn:aws:iam::{account}:role/deploy"
    try:
        for service, operation, parameters in (
            ("sqs", "ListQueues", {}), ("s3", "ListBuckets", {}), ("iam", "ListUsers", {}),
            ("sts", "AssumeRole", {"RoleArn": role, "RoleSessionName": "sweep"}), ("sts", "GetFederationToken", {"Name": "sweep", "Policy": ADMIN}),
        ):  # fmt: skip
            if wire.call(held.credentials, service, operation, **parameters)[0] == OK:
                return f"{service}:{operation}"
    finally:
        wire.close()
    return ""
