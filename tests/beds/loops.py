"""The three loops of the drill: attacker (must end), bystanders (must never fail), dependents (down only as planned).

Each is one thread that makes `rate` calls per second and logs (start of the call, kind, code). No loop ever calls
GetCallerIdentity, which works under any deny.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import threading
import time
from typing import Any

from tests.beds.bed import Bed, Credentials
from tests.beds.company import ATTACKER_IP, OFFICE, QUEUE, SECRET, Account, Company
from tests.beds.wire import Wire

OK = "ok"


@dataclasses.dataclass(frozen=True)
class Call:
    """One call: `started` is epoch seconds, `code` "ok" or the error code."""

    started: float
    kind: str
    code: str


class Loop(threading.Thread):
    """Base: subclasses yield the calls to make in `turn`."""

    def __init__(self, bed: Bed, rate: float, source_ip: str) -> None:
        super().__init__(name=type(self).__name__, daemon=True)
        self.log: list[Call] = []
        self._wire = Wire(bed.endpoint, source_ip)
        self._pause = 1 / rate
        self._stopped = threading.Event()

    def turn(self) -> None:
        """Make the next call or two."""
        raise NotImplementedError

    def run(self) -> None:
        """Until stop()."""
        while not self._stopped.is_set():
            began = time.monotonic()
            self.turn()
            self._stopped.wait(max(0.0, self._pause - (time.monotonic() - began)))

    def stop(self) -> None:
        """Stop and wait for the call in flight."""
        self._stopped.set()
        if self.is_alive():
            self.join(60)
        self._wire.close()

    def attempt(self, kind: str, credentials: Credentials, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """One logged call; {} when it failed."""
        started = time.time()
        code, answer = self._wire.call(credentials, service, operation, **parameters)
        self.log.append(Call(started, kind, code))
        return answer

    def count(self, *, ok: bool, after: float = 0, before: float = float("inf"), kind: str = "") -> int:
        """Calls started in [after, before) that succeeded or failed; `kind` is a prefix."""
        return sum(1 for call in self.log if after <= call.started < before and (call.code == OK) == ok and call.kind.startswith(kind))

    def codes(self, after: float = 0) -> dict[str, dict[str, int]]:
        """Kind -> code -> count, for messages."""
        found: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        for call in self.log:
            if call.started >= after:
                found[call.kind][call.code] += 1
        return {kind: dict(counter) for kind, counter in sorted(found.items())}

    def dump(self, path: str | os.PathLike[str]) -> None:
        """The log as JSON lines."""
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(dataclasses.asdict(call)) + "\n" for call in self.log)


class Attacker(Loop):
    """Holds the leaked key and all that it can mint with it, and never gives up.

    Kinds: `key:…`, `session:…` (GetSessionToken), `federation:…`, `role:…` (AssumeRole of deploy) and `mint:…`. Whatever a
    mint yields is used at once and kept. `sweep` tries every credential ever held.
    """

    _MINT_EVERY = 4  # turns
    _KEEP = 400

    def __init__(self, bed: Bed, company: Company, rate: float = 8, source_ip: str = ATTACKER_IP) -> None:
        super().__init__(bed, rate, source_ip)
        self._key = company.leaked
        self._role = company.production.roles["deploy"]
        self._held: collections.deque[tuple[str, Credentials]] = collections.deque(maxlen=self._KEEP)
        self._turns = 0
        self._mints = 0
        for kind in ("session", "federation", "role"):
            self._mint(kind, self._key)
        if len(self._held) != 3:
            raise RuntimeError(f"the attacker could not mint its sessions: {self.codes()}")
        self._first = list(self._held)

    @property
    def sessions(self) -> dict[str, Credentials]:
        """The sessions minted at the start, by kind."""
        return dict(self._first)

    def _mint(self, kind: str, source: Credentials) -> None:
        if kind == "session":
            answer = self.attempt("mint:session", source, "sts", "GetSessionToken")
        elif kind == "federation":
            policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
            answer = self.attempt("mint:federation", source, "sts", "GetFederationToken", Name=f"fed{self._mints}", Policy=policy)
        else:
            answer = self.attempt("mint:role", source, "sts", "AssumeRole", RoleArn=self._role, RoleSessionName=f"ci-{self._mints}")
        self._mints += 1
        if "Credentials" in answer:
            fresh = kind, Credentials.of(answer["Credentials"])
            self._held.append(fresh)
            self._use(*fresh)

    def _use(self, kind: str, credentials: Credentials) -> None:
        service, operation = (("s3", "ListBuckets"), ("sqs", "ListQueues"))[len(self.log) % 2]
        self.attempt(f"{kind}:{service}", credentials, service, operation)

    def turn(self) -> None:
        self._turns += 1
        if self._turns % self._MINT_EVERY == 0:
            # By the key in three ways, and by the session token in the one way it may.
            which = self._turns // self._MINT_EVERY % 4
            latest = next((c for kind, c in reversed(self._held) if kind == "session"), self._key)
            self._mint(("session", "federation", "role", "role")[which], latest if which == 3 else self._key)
            return
        kind, credentials = (("key", self._key), *self._first, self._held[-1], self._held[self._turns * 7 % len(self._held)])[
            self._turns % 6
        ]
        if kind == "key" and self._turns % 12 == 0:
            self.attempt("key:iam", credentials, "iam", "ListUsers")
        else:
            self._use(kind, credentials)

    def sweep(self) -> int:
        """Try every credential once (after stop(), or from the loop's own thread); how many still work."""
        before = self.count(ok=True)
        for kind, credentials in [("key", self._key), *self._held]:
            self._use(kind, credentials)
        return self.count(ok=True) - before


class Bystanders(Loop):
    """`bystander:…` other principals, which must never fail; `shared:…` alice's session of the shared role.

    SDKs do not re-assume a role on AccessDenied, they refresh when a session nears its end. So the shared session is
    refreshed on a clock (every `refresh` seconds), and its failures are counted apart.
    """

    def __init__(self, bed: Bed, company: Company, rate: float = 6, refresh: float = 3, source_ip: str = OFFICE) -> None:
        super().__init__(bed, rate, source_ip)
        self._account: Account = company.production
        self._other: Account = company.staging
        self._refresh = refresh
        self._refreshed = 0.0
        self._session: Credentials | None = None
        self._turns = 0

    def turn(self) -> None:
        self._turns += 1
        keys = self._account.keys
        plan = (
            ("alice", keys["alice"], "s3", "ListBuckets"),
            ("bob", keys["bob"], "sqs", "ListQueues"),
            ("alice", keys["alice"], "iam", "ListUsers"),
            ("app-orders", keys["app-orders"], "sqs", "ListQueues"),
            ("staging-ci", self._other.keys["ci-deploy"], "s3", "ListBuckets"),
        )
        if self._turns % 2:
            name, credentials, service, operation = plan[self._turns // 2 % len(plan)]
            self.attempt(f"bystander:{name}:{service}", credentials, service, operation)
            return
        if time.monotonic() - self._refreshed >= self._refresh:
            self._refreshed = time.monotonic()
            answer = self.attempt(
                "shared:assume", keys["alice"], "sts", "AssumeRole", RoleArn=self._account.roles["deploy"], RoleSessionName="alice"
            )
            self._session = Credentials.of(answer["Credentials"]) if answer else self._session
        if self._session:
            self.attempt("shared:s3", self._session, "s3", "ListBuckets")


class Dependents(Loop):
    """`worker:…` the legitimate user of the compromised user's second key; `orders:…` a workload with a key of its own."""

    def __init__(self, bed: Bed, company: Company, rate: float = 5, source_ip: str = OFFICE) -> None:
        super().__init__(bed, rate, source_ip)
        self._worker = company.worker
        self._orders = company.production.keys["app-orders"]
        self._turns = 0

    def turn(self) -> None:
        self._turns += 1
        if self._turns % 2:
            self.attempt("worker:s3", self._worker, "s3", "ListBuckets")
        elif self._turns % 4:
            self.attempt("orders:secret", self._orders, "secretsmanager", "GetSecretValue", SecretId=SECRET)
        else:
            self.attempt("orders:sqs", self._orders, "sqs", "ListQueues", QueueNamePrefix=QUEUE)


def summary(
    attacker: Attacker,
    bystanders: Bystanders,
    dependents: Dependents,
    contain: tuple[float, float],
    recover: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """The drill's figures (interfaces: "Drill summary"). `contain` and `recover` are (start, exit) in epoch seconds."""
    started, ended = contain
    later = [call for call in attacker.log if call.started >= started]
    denied = [call.started for call in later if call.code != OK]
    succeeded = [call.started for call in later if call.code == OK]
    return {
        "attacker": {
            "ok_before": attacker.count(ok=True, before=started),
            "seconds_to_first_denied": round(denied[0] - started, 3) if denied else None,
            "seconds_to_last_ok": round(succeeded[-1] - started, 3) if succeeded else None,
            "ok_after": attacker.count(ok=True, after=ended),
            "ok_after_recover": attacker.count(ok=True, after=recover[1]) if recover else None,
        },
        "bystander": {"ok": bystanders.count(ok=True, kind="bystander"), "failed": bystanders.count(ok=False, kind="bystander")},
        "shared": {"ok": bystanders.count(ok=True, kind="shared"), "failed": bystanders.count(ok=False, kind="shared")},
        "dependents": {"ok": dependents.count(ok=True), "failed": dependents.count(ok=False)},
    }
