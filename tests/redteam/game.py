"""One run: a seeded attack, one aws_contain, and whether anything that the attacker ever held still works."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import math
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.beds import company as seeds
from tests.beds.bed import Bed, Credentials
from tests.beds.company import Company
from tests.beds.loops import OK, Bystanders
from tests.beds.wire import Wire
from tests.integration.helpers import Desk
from tests.redteam import diagnosis
from tests.redteam.arsenal import Held, Raider, set_up_outside, still_works
from tests.redteam.attack import Attacker, Sleeper
from tests.redteam.moves import FAMILIES

_HEAD_START = 1.2  # seconds of live attack before containment
_LATE, _BETWEEN = 900.0, 2.0  # seconds that CloudTrail takes; seconds of attack between the two looks
_LONGEST = 5.0  # seconds of propagation lag at most
# A session is judged by what it may do: GetSessionToken works under any deny, and trust alone lets an outsider in, to nothing.
_MINTS = ("GetSessionToken", "GetFederationToken", "AssumeRole")


@dataclasses.dataclass
class Order:
    """What to play. `identity_deny`: False takes the identity's own denies away after containment, so that the SCP alone has to hold.

    `late_logs`: CloudTrail's events come when containment is over; the second look then has to end what the first could not know of.
    """

    seed: int
    identity_deny: bool = True
    lag: float | None = None  # None: drawn
    late_logs: bool = False
    lock_out: bool = False  # the attacker also deletes the responder's role, or takes its rights and trust away
    organization: bool = True  # False: nobody can attach a service control policy
    options: dict[str, Any] = dataclasses.field(
        default_factory=dict
    )  # of aws_contain, else its own; `spread` is what this bed's lag asks for


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a seed decides before anything is played. `sleeps`: the sleeper's kind, "" for none; `turns`: moves before anybody noticed."""

    lag: float
    sleeps: str
    trusted: tuple[str, ...]
    turns: int
    families: tuple[str, ...]

    @classmethod
    def drawn(cls, seed: int) -> Setting:
        """The same for the same seed, always."""
        draw = random.Random(f"{seed} setting")
        return cls(
            lag=0.0 if draw.random() < 0.15 else round(draw.uniform(0, _LONGEST), 1),
            sleeps=draw.choice(("user", "role", "old")) if draw.random() < 0.4 else "",
            trusted=(f"{seeds.OFFICE.rsplit('.', 1)[0]}.0/24",) if draw.random() < 0.3 else (),
            turns=draw.randrange(3, 14),
            families=tuple(name for name, (likely, _) in FAMILIES.items() if draw.random() < likely),
        )


def play(bed: Bed, order: Order) -> dict[str, Any]:
    """The run's record; see `record`."""
    with tempfile.TemporaryDirectory(prefix="redteam-") as folder:
        return Game(bed, order, Path(folder)).play()


class Game:
    """One run on an empty bed."""

    def __init__(self, bed: Bed, order: Order, folder: Path) -> None:
        self.bed, self.order = bed, order
        self.setting = Setting.drawn(order.seed)
        self.lag = self.setting.lag if order.lag is None else order.lag
        self.families = (*self.setting.families, *(("lock-out",) if order.lock_out else ()))
        bed.reset()
        self.company: Company = seeds.seed(bed)
        bed.configure(lookup_rate=0)
        bed.regions("us-east-1", "eu-west-1")  # IAM's and STS's events are in the first
        bed.organizations(in_use=order.organization)
        self.desk = Desk(bed, self.company, folder)
        self.outside = set_up_outside(bed)
        self.attacker = Attacker(bed, self.company, order.seed, self.families, self.outside)
        self.sleeper: Sleeper | None = None
        self.began = self.ended = 0.0
        self.locked_out = False
        self.result: dict[str, Any] = {}

    def play(self) -> dict[str, Any]:
        """Attack, contain, attack, sweep."""
        if self.setting.sleeps:
            self.sleeper = Sleeper(self.bed, self.company, self.order.seed, self.setting.sleeps, self.attacker)
        self.attacker.first(self.setting.turns)
        self.bed.lag(self.lag)
        bystanders = Bystanders(self.bed, self.company, rate=4)
        loops = [bystanders, *self.raiders]
        try:
            for loop in loops:
                loop.start()
            time.sleep(_HEAD_START)
            self._contain()
            if not self.order.identity_deny:
                self.locked_out = not self._lift_identity_denies()
            time.sleep(self.lag + 1.5)
        finally:
            for loop in loops:
                loop.stop()
        time.sleep(self.lag + 0.1)  # its last changes take effect
        return self._record(bystanders, self._sweep())

    @property
    def raiders(self) -> list[Raider]:
        return [self.attacker, *([self.sleeper] if self.sleeper else [])]

    # -- the response ----------------------------------------------------------------------------------------------

    def _contain(self) -> None:
        more = {"trusted": {"networks": list(self.setting.trusted)}} if self.setting.trusted else {}
        self.desk.incident(self.company.leaked.access_key, **more)
        self.began = time.time()
        for raider in self.raiders:
            raider.began = self.began
        options = {"hold": "90s", "spread": f"{math.ceil(self.lag) + 1}s", **self.order.options}
        if self.order.late_logs:
            self.bed.configure(trail_delay=_LATE)
        self.result = self.desk.run("aws_contain", **options)
        if self.order.late_logs:  # a quarter of an hour later, which the attacker has used
            time.sleep(_BETWEEN)
            self.bed.configure(trail_delay=0)
            self.result = self.desk.run("aws_contain", phase="hold", **options)
        self.ended = time.time()

    def _lift_identity_denies(self) -> bool:
        """As an exempt administrator would, past the proxy: the SCP is what is left. False when the attacker has locked the responder out."""
        try:
            iam = self.bed.client("iam", self._exempt(), direct=True)
            iam.list_users()
        except ClientError:
            return False
        for row in self.result.get("principals", []):
            kind, name = row["kind"], row["name"]
            key = {f"{kind.capitalize()}Name": name}
            with contextlib.suppress(iam.exceptions.NoSuchEntityException):
                for policy in getattr(iam, f"list_{kind}_policies")(**key)["PolicyNames"]:
                    if policy.startswith("evict-"):
                        getattr(iam, f"delete_{kind}_policy")(**key, PolicyName=policy)
                for policy in getattr(iam, f"list_attached_{kind}_policies")(**key)["AttachedPolicies"]:
                    if policy["PolicyName"] == "AWSDenyAll":
                        getattr(iam, f"detach_{kind}_policy")(**key, PolicyArn=policy["PolicyArn"])
        with contextlib.suppress(iam.exceptions.NoSuchEntityException):
            iam.update_access_key(UserName="ci-deploy", AccessKeyId=self.company.leaked.access_key, Status="Active")
        return True

    def _exempt(self) -> Credentials:
        sts = self.bed.client("sts", self.company.responder, direct=True)
        return Credentials.of(sts.assume_role(RoleArn=self.company.production.responder_role, RoleSessionName="test")["Credentials"])

    # -- the verdict -----------------------------------------------------------------------------------------------

    def _sweep(self) -> list[tuple[Held, str]]:
        """(credential, what it may still do) of all that were ever held; what can be assumed from outside is held for that."""
        account = self.company.production.id
        held = [h for h in self.attacker.held if h.kind != "outside"]
        if self.sleeper and self.sleeper.kind == "old" and not self._never_showed_itself:
            held += self.sleeper.held
        held += list(self._assumed_from_outside())
        return [(h, what) for h in held if (what := still_works(self.bed, account, h))]

    @functools.cached_property  # it reads the whole trail, and is asked when the game is over
    def _never_showed_itself(self) -> bool:
        """Of the sleeper that nobody made during the incident: it took nothing away that the response had put there, so nobody can know that it is there."""
        if self.sleeper is None or self.sleeper.kind != "old":
            return False
        keys, ours = {h.credentials.access_key for h in self.sleeper.held}, set()
        for event in self.bed.events():  # in the order of their making
            if event["readOnly"] or event.get("errorCode"):
                continue
            who = event["userIdentity"]
            if who.get("accessKeyId") in keys and ours and (event["eventName"] != "UpdateAccessKey" or "UpdateAccessKey" in ours):
                return False
            if ":assumed-role/incident-responder/evict-" in str(who.get("arn", "")):
                ours.add(event["eventName"])
        return True

    def _assumed_from_outside(self) -> Iterator[Held]:
        wire = Wire(self.bed.direct)
        for role in self.bed.client("iam", self.company.production.root, direct=True).list_roles()["Roles"]:
            code, answer = wire.call(self.outside.credentials, "sts", "AssumeRole", RoleArn=role["Arn"], RoleSessionName="sweep")
            if code == OK:
                yield Held(Credentials.of(answer["Credentials"]), "role", role["RoleName"], "sweep from outside", self.outside, time.time())
        wire.close()

    def _record(self, bystanders: Bystanders, alive: list[tuple[Held, str]]) -> dict[str, Any]:
        """{"seed", "lag", "moves", "calls", "credentials", "families", "sleeper", "seconds", "last_ok", "late", "status", "survivors", "bystanders", "won"}.

        `last_ok`: the attacker's last success relative to contain's end; `late`: what worked after it; survivors: see diagnosis.
        """
        trace = sorted((t for r in self.raiders for t in r.trace), key=lambda t: t["at"])
        unseen = {id(t) for t in self.sleeper.trace} if self.sleeper and self._never_showed_itself else set()
        good = [t for t in trace if id(t) not in unseen] if unseen else trace
        good = [t for t in good if t["code"] == OK and t["operation"] not in _MINTS]
        late = [t for t in good if t["at"] > self.ended]
        scene = diagnosis.Scene(self.desk, self.result, trace, (self.began, self.ended), self.order.organization)
        cut = diagnosis.failed_bystanders(bystanders, self.result, self.began)
        return {
            "seed": self.order.seed, "lag": self.lag, "identity_deny": self.order.identity_deny, "late_logs": self.order.late_logs, "trusted": list(self.setting.trusted),
            "moves": self._count("move", trace), "calls": len(trace), "credentials": len(self.attacker.held), "families": list(self.families),
            "sleeper": self.setting.sleeps, "locked_out": self.locked_out, "sleeper_acted": bool(self.sleeper and self.sleeper.acted), "seconds": round(self.ended - self.began, 2),
            "last_ok": round(good[-1]["at"] - self.ended, 2), "late": [scene.late(t) for t in late[-10:]], "status": self.result.get("status"), "msg": self.result.get("msg", ""),
            "survivors": [scene.explain(h, what) for h, what in alive], "bystanders": cut,
            "won": not alive and not late and not cut["failed"], "trace": trace, "response": self._response(), "result": {k: v for k, v in self.result.items() if k not in ("diff", "steps", "invocation")},
        }  # fmt: skip

    def _response(self) -> list[str]:
        """Every change that the response made or tried, as CloudTrail has it: where it fights itself, it is seen here."""
        found = []
        for event in self.bed.events():
            who = str(event["userIdentity"].get("arn", ""))
            if (":assumed-role/incident-responder/evict-" in who or who == self.company.responder_arn) and not event["readOnly"]:
                asked = {k: v for k, v in (event.get("requestParameters") or {}).items() if v}
                found.append(f"{event['eventTime']} {event['eventName']} {json.dumps(asked)[:700]} {event.get('errorCode') or ''}")
        return found

    @staticmethod
    def _count(key: str, trace: list[dict[str, Any]]) -> dict[str, int]:
        found: dict[str, int] = {}
        for entry in trace:
            found[entry[key]] = found.get(entry[key], 0) + 1
        return dict(sorted(found.items()))


def write(folder: Path, record: dict[str, Any]) -> None:
    """Everything about one run, for who has to find out why."""
    folder.mkdir(parents=True, exist_ok=True)
    suffix = "" if record.get("identity_deny", True) else "-scp"
    (folder / f"run-{record['seed']}{suffix}.json").write_text(json.dumps(record, indent=1, default=str) + "\n")
