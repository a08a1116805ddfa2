"""A case in a bucket and two jobs on one case: the response as AWX runs it, in processes of its own, on the bed."""

from __future__ import annotations

import datetime
import http.client
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import lease as leases
from ansible_collections.evict.cloud.plugins.module_utils.common import process, spool
from ansible_collections.evict.cloud.plugins.module_utils.common.lease import Lease
from ansible_collections.evict.cloud.plugins.module_utils.common.ledger import verify
from ansible_collections.evict.cloud.plugins.module_utils.common.message import about
from ansible_collections.evict.cloud.plugins.module_utils.common.store import Store, StoreUnavailable, case_store, open_store
from ansible_collections.evict.cloud.plugins.module_utils.common.stores import directory, interface
from tests.beds.bed import Bed, Credentials, root
from tests.beds.company import document
from tests.integration.helpers import DEAD, ROOT, Desk, environment, works

pytestmark = pytest.mark.bed

P = "arn:aws:iam::222222222222"
BOB, ALICE = f"{P}:user/bob", f"{P}:user/alice"
LEAST = ["s3:GetObject", "s3:PutObject"]


class Bucket:
    """A bucket of the bed in the management account, and a user who may do no more than the documentation says."""

    def __init__(self, desk: Desk, *, delete: bool = True) -> None:
        self.desk, self.name = desk, f"cases-{os.urandom(4).hex()}"
        owner = root(desk.bed.management)
        self.client = desk.bed.client("s3", owner, direct=True)
        self.client.create_bucket(Bucket=self.name)
        iam = desk.bed.client("iam", owner, direct=True)
        iam.create_user(UserName=self.name)
        prefix = f"arn:aws:s3:::{self.name}/ir/*"
        iam.put_user_policy(UserName=self.name, PolicyName="store", PolicyDocument=document(
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{self.name}"},
            {"Effect": "Allow", "Action": LEAST + (["s3:DeleteObject"] if delete else []), "Resource": prefix}))  # fmt: skip
        self.key = Credentials.of(iam.create_access_key(UserName=self.name)["AccessKey"])
        desk.secrets.append(self.key.secret_key)
        self.profile = desk.folder / "profiles"
        self.profile.write_text(
            f"[security]\naws_access_key_id={self.key.access_key}\naws_secret_access_key={self.key.secret_key}\n"
        )  # outside what is searched for leaks: see `variables`

    def options(self, endpoint: str = "") -> dict[str, str]:
        """The incident's `store`."""
        return {
            "url": f"s3://{self.name}/ir",
            "profile": "security",
            "region": "us-east-1",
            "endpoint_url": endpoint or self.desk.bed.direct,
        }

    @property
    def variables(self) -> dict[str, str]:
        return {"AWS_SHARED_CREDENTIALS_FILE": str(self.profile), "XDG_STATE_HOME": str(self.desk.folder / "state")}

    def with_profile(self) -> Any:
        """Every environment of this bed has the profile."""
        return mock.patch.object(
            Bed, "environ", lambda bed, credentials=None, real=Bed.environ: {**real(bed, credentials), **self.variables}
        )

    @property
    def store(self) -> Store:
        return case_store(self.options(), self.desk.name)


@pytest.fixture
def bucket(desk: Desk) -> Iterator[Bucket]:
    made = Bucket(desk)
    with made.with_profile(), environment(desk.bed.environ()):
        yield made


class Jobs:
    """ansible-playbook, or a module, in processes that run at the same time: two jobs of AWX on one case."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._running: list[subprocess.Popen[str]] = []

    def playbook(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        environ = {**self.desk.bed.environ(), "HOME": str(self.desk.folder), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1",
                   "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_LOCAL_TEMP": str(self.desk.folder / "tmp")}  # fmt: skip
        command = [
            str(Path(sys.executable).parent / "ansible-playbook"),
            str(ROOT / "playbooks" / f"{name}.yml"),
            "-e",
            f"incident={self.desk.file}",
        ]
        return self._start([*command, *arguments], environ)

    def module(self, name: str, **params: Any) -> subprocess.Popen[str]:
        order = {"module": name, "params": {"incident": str(self.desk.file), **params}}
        return self._start([sys.executable, "-c", MODULE, str(ROOT), json.dumps(order)], self.desk.bed.environ())

    def _start(self, command: list[str], environ: dict[str, str]) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            command, cwd=self.desk.folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        self._running.append(child)
        return child

    def end(self, child: subprocess.Popen[str], timeout: float = 200) -> str:
        said = child.communicate(timeout=timeout)[0]
        self.desk.outputs.append(said)
        return said

    def answer(self, child: subprocess.Popen[str]) -> dict[str, Any]:
        said = self.end(child)
        lines = [line for line in said.splitlines() if line.startswith("{")]
        assert lines, said
        return dict(json.loads(lines[-1]))

    def close(self) -> None:
        for child in self._running:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


MODULE = """
import json, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/.collections"]
from tests.integration.helpers import call_module
order = json.loads(sys.argv[2])
print(json.dumps(call_module(order["module"], order["params"])))
"""


@pytest.fixture
def jobs(desk: Desk) -> Iterator[Jobs]:
    made = Jobs(desk)
    yield made
    made.close()


def until(what: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def whole(store: Store) -> None:
    found = verify(store)
    assert found["verified"] and found["open_intents"] == [], found["problems"]


def verbs(store: Store) -> list[str]:
    """The verbs of the leases that are there."""
    return [json.loads(data)["verb"] for path in store.list("lease") for data in [_read(store, path)] if data]


def _read(store: Store, path: str) -> bytes:
    for _path, data in store.get_many([path]):
        return data if isinstance(data, bytes) else b""
    return b""


def cloud(desk: Desk) -> str:
    """The cloud without its buckets, where the case is."""
    found = json.loads(desk.bed.snapshot())
    return json.dumps({name: value for name, value in found.items() if not name.startswith("s3.")}, sort_keys=True)


def fences(desk: Desk) -> tuple[int, int]:
    snapshot = cloud(desk)
    return snapshot.count("evict-"), snapshot.count("Inactive")


# -- the whole response with a case in a bucket ------------------------------------------------------------------------------


@pytest.mark.slow
def test_contain_and_recover_by_playbook_with_a_case_in_a_bucket(desk: Desk, bucket: Bucket) -> None:
    desk.incident(BOB, store=bucket.options())
    before = cloud(desk)
    code, said = desk.play("contain", "-e", f"incident={desk.file}", "-e", "hold=1s", env=bucket.variables)
    assert works(desk.bed, desk.company.production.keys["bob"]) in DEAD, (code, said[-3000:])
    assert f"s3://{bucket.name}/ir/IR-1" in said and not (desk.folder / "cases").exists()
    names = bucket.store.list()
    assert {"incident.json", "result.json"} <= set(names) and {n.split("/")[0] for n in names} >= {"ledger", "lease", "evidence"}
    whole(bucket.store)
    found = desk.run("case_ledger_info", case=bucket.store.url, store={k: v for k, v in bucket.options().items() if k != "url"})
    assert found["verified"] is True, found
    code, said = desk.play("recover", "-e", f"incident={desk.file}", "-e", f"only={BOB}", "-e", "verdict=false_positive", "-e", "reason=test",
                           "-e", "by=Ada", env=bucket.variables)  # fmt: skip
    assert code == 0 and cloud(desk) == before, (code, said[-3000:])
    whole(bucket.store)
    bucket.profile.unlink()
    assert desk.leaks() == []


def test_without_the_right_to_delete_everything_works(desk: Desk) -> None:
    """The policy of the documentation, without s3:DeleteObject; the bed refuses what is not granted."""
    bucket = Bucket(desk, delete=False)
    with bucket.with_profile(), environment(desk.bed.environ()):
        desk.incident(BOB, store=bucket.options())
        assert desk.contain()["problems"] == [] and desk.contain()["changed"] is False
        assert desk.false_positive(BOB)["status"] == "ok" and fences(desk) == (0, 0)
        whole(bucket.store)
        assert len(bucket.store.list("lease")) >= 6  # they stay
        with pytest.raises(StoreUnavailable, match="AccessDenied"):  # canaries: what is not granted is refused
            bucket.store.delete("result.json")
        with pytest.raises(StoreUnavailable, match="AccessDenied"):
            case_store({**bucket.options(), "url": f"s3://{bucket.name}/elsewhere"}, "IR-1").put("x", b"1")


def test_a_store_behind_a_role(desk: Desk, bucket: Bucket) -> None:
    """The profile may do nothing but assume the role that may write."""
    iam = desk.bed.client("iam", root(desk.bed.management), direct=True)
    user = f"arn:aws:iam::{desk.bed.management}:user/{bucket.name}"
    trust = document({"Effect": "Allow", "Principal": {"AWS": user}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName=f"r-{bucket.name}", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    policy = iam.get_user_policy(UserName=bucket.name, PolicyName="store")["PolicyDocument"]
    iam.put_role_policy(RoleName=f"r-{bucket.name}", PolicyName="store", PolicyDocument=json.dumps(policy))
    assume = document({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role})
    iam.put_user_policy(UserName=bucket.name, PolicyName="store", PolicyDocument=assume)
    with pytest.raises(StoreUnavailable, match="AccessDenied"):
        bucket.store.put("x", b"1")
    options = {**bucket.options(), "role_arn": role}
    desk.incident(BOB, store=options)
    assert desk.contain()["problems"] == []
    whole(case_store(options, "IR-1"))


def test_a_bucket_with_object_lock(desk: Desk) -> None:
    bucket = Bucket(desk)
    bucket.name = f"locked-{os.urandom(4).hex()}"
    bucket.client.create_bucket(Bucket=bucket.name, ObjectLockEnabledForBucket=True)
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}}
    bucket.client.put_object_lock_configuration(Bucket=bucket.name, ObjectLockConfiguration=rule)
    iam = desk.bed.client("iam", root(desk.bed.management), direct=True)
    (user,) = [u["UserName"] for u in iam.list_users()["Users"] if u["UserName"].startswith("cases-")]
    iam.put_user_policy(UserName=user, PolicyName="store", PolicyDocument=document({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}))
    with bucket.with_profile(), environment(desk.bed.environ()):
        desk.incident(BOB, store=bucket.options())
        assert desk.contain()["problems"] == [] and desk.contain()["changed"] is False
        assert desk.false_positive(BOB)["status"] == "ok"
        whole(bucket.store)
        versions = bucket.client.list_object_versions(Bucket=bucket.name)["Versions"]
        record = next(v for v in versions if "/ledger/" in v["Key"])
        s3 = desk.bed.client("s3", bucket.key, direct=True)
        with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):  # who may do everything may not do this
            s3.delete_object(Bucket=bucket.name, Key=record["Key"], VersionId=record["VersionId"])


# -- the store is lost ---------------------------------------------------------------------------------------------------------


class Failing:
    """In front of the bed's S3: passes `puts` PUTs on, then the connection is cut at each request until `heal`."""

    def __init__(self, upstream: str, puts: int) -> None:
        self.left, self.dead = puts, False
        proxy, netloc = self, urlsplit(upstream).netloc

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_arguments: Any) -> None:
                pass

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.command == "PUT":
                    proxy.left -= 1
                proxy.dead = proxy.dead or proxy.left < 0
                if proxy.dead:
                    self.close_connection = True
                    self.connection.close()
                    return
                connection = http.client.HTTPConnection(netloc, timeout=30)
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():  # Host too: it is signed
                    connection.putheader(name, value)
                connection.endheaders(body)
                answer = connection.getresponse()
                data = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection", "date", "server"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                connection.close()

            do_GET = do_PUT = do_DELETE = do_POST = do_HEAD = _serve  # noqa: N815

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_arguments: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def heal(self) -> None:
        self.left, self.dead = 10**6, False

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def failing(desk: Desk) -> Iterator[Callable[[int], Failing]]:
    made: list[Failing] = []

    def make(puts: int) -> Failing:
        made.append(Failing(desk.bed.direct, puts))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


@pytest.fixture
def quick_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead endpoint is given up at once (the real store tries for some seconds)."""
    import datetime

    real = interface.obstore.store.S3Store

    def quick(bucket: str, **settings: Any) -> Any:
        return real(bucket, **{**settings, "retry_config": {"max_retries": 0, "retry_timeout": datetime.timedelta(seconds=1)}})

    monkeypatch.setattr(interface.obstore.store, "S3Store", quick)


def spooled(desk: Desk) -> list[str]:
    return [str(p.relative_to(desk.folder)) for p in (desk.folder / "state").rglob("*.json") if p.is_file()]


@pytest.mark.parametrize("puts", [0, 1, 2, 3, 4, 6, 9])
def test_a_store_that_is_lost_after_some_puts(
    desk: Desk, bucket: Bucket, failing: Callable[[int], Failing], quick_to_fail: None, puts: int
) -> None:
    before = cloud(desk)
    proxy = failing(puts)
    desk.incident(BOB, ALICE, store=bucket.options(proxy.endpoint))
    done = desk.contain()
    assert done["problems"] == [] and len(done["principals"]) == 2
    told = [item for item in done["open"] if item.get("kind") == "store"]
    assert done["status"] == "open" and done["failed"] and len(told) == 1 and told[0]["object"] == f"s3://{bucket.name}/ir/IR-1", done[
        "open"
    ]
    assert str(desk.folder / "state") in told[0]["why"] and "run the same command again" in told[0]["why"]
    assert {works(desk.bed, desk.company.production.keys[n]) for n in ("alice", "bob")} <= DEAD
    banner = [str(w) for w in done["warnings"] if "CANNOT BE USED" in str(w)]
    assert len(banner) == 1 and "ON THIS MACHINE ONLY" in banner[0] and bucket.name in banner[0]
    assert any("/ledger/" in name for name in spooled(desk))
    if puts < 5:  # the whole case is there
        here = open_store(str(desk.folder / "state/evict/spool/IR-1"))
        ended = [r for r in (json.loads(here.get(n)) for n in here.list("ledger") if "checkpoint" not in n) if r["kind"] == "end"]
        assert ended[-1]["status"] == "open" and ended[-1]["counts"]["about"] == about(json.loads(here.get("result.json"))), ended[-1]
    stored = [n for n in bucket.store.list() if n != "incident.json"]
    assert puts < 5 or stored  # the start of the chain is there, its rest is on this machine
    proxy.heal()
    done = desk.contain()
    assert done["changed"] is False and done["problems"] == []
    assert any("kept on this machine" in str(w) for w in done["warnings"]) and not any("CANNOT" in str(w) for w in done["warnings"])
    assert spooled(desk) == []
    whole(bucket.store)
    released = desk.false_positive(BOB, ALICE)
    assert released["status"] == "ok" and cloud(desk) == before  # the pre-images were all there
    whole(bucket.store)


@pytest.mark.slow
def test_the_playbook_goes_on_when_its_store_is_lost_between_two_tasks(
    desk: Desk, bucket: Bucket, failing: Callable[[int], Failing]
) -> None:
    """The case task tries the store twice and writes three objects; the containment task finds nobody there."""
    proxy = failing(6)
    desk.incident(BOB, store=bucket.options(proxy.endpoint))
    copy = f"result_file={desk.folder}/copy.json"
    code, said = desk.play("contain", "-e", f"incident={desk.file}", "-e", "hold=1s", "-e", copy, env=bucket.variables, timeout=280)
    assert works(desk.bed, desk.company.production.keys["bob"]) in DEAD, said[-3000:]
    assert "CANNOT BE USED" in said and any("/ledger/" in name for name in spooled(desk)), (code, said[-3000:])
    assert code == 2 and f"STORE   s3://{bucket.name}/ir/IR-1: it cannot be used" in said and str(desk.folder / "state") in said, said
    shown = said[: said.index("IDENTITY  ")]
    assert "    cut: everything" in shown and "    may break: " in shown and "  done  deny everything: " in shown, said
    kept = json.loads((desk.folder / "copy.json").read_text())
    assert kept["status"] == "open" and [item["object"] for item in kept["open"] if item.get("kind") == "store"] == [
        f"s3://{bucket.name}/ir/IR-1"
    ]
    assert "incident.json" in bucket.store.list()
    proxy.heal()
    code, said = desk.play("contain", "-e", f"incident={desk.file}", "-e", "hold=1s", env=bucket.variables, timeout=280)
    assert "CANNOT BE USED" not in said and spooled(desk) == [], (code, said[-3000:])
    whole(bucket.store)


class Overwriting:
    """A server that speaks S3 and does not know If-None-Match."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        there = self.objects

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_arguments: Any) -> None:
                pass

            def _answer(self, code: int, data: bytes = b"") -> None:
                self.send_response(code)
                for name, value in (
                    ("ETag", '"x"'),
                    ("Last-Modified", "Sun, 29 Nov 2026 00:00:00 GMT"),
                    ("Content-Length", str(len(data))),
                ):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else data)

            def do_PUT(self) -> None:
                there[unquote(urlsplit(self.path).path)] = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self._answer(200)

            def do_POST(self) -> None:  # what is to be deleted
                names = re.findall(r"<Key>([^<]+)</Key>", self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
                for name in names:
                    there.pop(f"{urlsplit(self.path).path.rstrip('/')}/{name}", None)
                rows = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
                self._answer(200, f'<?xml version="1.0"?><DeleteResult>{rows}</DeleteResult>'.encode())

            def do_GET(self) -> None:
                path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
                if "list-type" in query:
                    prefix = path.rstrip("/") + "/" + query.get("prefix", [""])[0]
                    rows = "".join(f"<Contents><Key>{name.split('/', 2)[2]}</Key><LastModified>2026-11-29T00:00:00.000Z</LastModified><ETag>x</ETag><Size>{len(data)}</Size>"
                                   "</Contents>" for name, data in sorted(there.items()) if name.startswith(prefix))  # fmt: skip
                    self._answer(
                        200,
                        f'<?xml version="1.0"?><ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>'.encode(),
                    )
                elif unquote(path) in there:
                    self._answer(200, there[unquote(path)])
                else:
                    self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

            do_HEAD = do_GET  # noqa: N815

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.options = {"url": "s3://cases/ir", "region": "us-east-1", "endpoint_url": f"http://127.0.0.1:{self._server.server_address[1]}"}
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def overwriting() -> Iterator[Overwriting]:
    made = Overwriting()
    yield made
    made.close()


@pytest.mark.parametrize("verb", ["case", "aws_contain", "aws_restore"])
def test_a_store_that_overwrites_what_it_was_asked_to_create_is_refused(desk: Desk, overwriting: Overwriting, verb: str) -> None:
    before = cloud(desk)
    desk.incident(BOB, store=overwriting.options, mode="graceful")
    done = desk.run(verb, **({"directory": str(desk.folder)} if verb == "case" else {}))
    assert done["failed"] and "overwrites what is there" in done["msg"] and "create-only" in done["msg"], done
    assert cloud(desk) == before and overwriting.objects == {}


def test_in_an_emergency_a_store_that_overwrites_is_not_used_and_that_is_said(desk: Desk, overwriting: Overwriting) -> None:
    desk.incident(BOB, store=overwriting.options)
    code, said = desk.play("contain", "-e", f"incident={desk.file}", "-e", "hold=1s", "-e", "contain_scope=0", "-e", "contain_clocks=none",
                           env={"XDG_STATE_HOME": str(desk.folder / "state")}, timeout=280)  # fmt: skip
    assert code == 2 and works(desk.bed, desk.company.production.keys["bob"]) in DEAD, said
    assert "STORE   s3://cases/ir/IR-1: it cannot be used" in said and "overwrites what is there" in said, said
    assert overwriting.objects == {} and any("/ledger/" in name for name in spooled(desk))
    rows = desk.run("aws_readiness_info", checks=["store"], probe_store=True)["rows"]
    assert any(row["check"] == "store" and row["state"] == "missing" and "overwrites what is there" in row["why"] for row in rows), rows


@pytest.mark.parametrize("mode", ["graceful", "bridge"])
@pytest.mark.parametrize("puts", [0, 1, 2])
def test_outside_an_emergency_a_lost_store_stops_the_run(
    desk: Desk, bucket: Bucket, failing: Callable[[int], Failing], quick_to_fail: None, mode: str, puts: int
) -> None:
    """Before its first change: lease, incident and start are put before the first intent."""
    before = cloud(desk)
    proxy = failing(puts)
    desk.incident(BOB, store=bucket.options(proxy.endpoint), mode=mode)
    done = desk.run("aws_identity_quarantine", principals=[BOB])
    assert done["failed"] and bucket.name in done["msg"] and cloud(desk) == before and spooled(desk) == []
    assert proxy.dead
    proxy.heal()
    assert desk.run("aws_identity_quarantine", principals=[BOB], takeover=True)["problems"] == [] and fences(desk)[0] > 0  # the canary
    if puts == 0:
        proxy.left = 0
        done = desk.contain()
        assert done["failed"] and bucket.name in done["msg"] and spooled(desk) == []


@pytest.mark.parametrize("puts", [0, 1, 2, 3])
def test_a_release_never_goes_on_without_its_store(
    desk: Desk, bucket: Bucket, failing: Callable[[int], Failing], quick_to_fail: None, puts: int
) -> None:
    proxy = failing(10**6)
    desk.incident(BOB, store=bucket.options(proxy.endpoint))
    assert desk.contain()["problems"] == []
    proxy.left = puts
    contained = cloud(desk)
    done = desk.false_positive(BOB)
    assert done["failed"] and bucket.name in done["msg"] and spooled(desk) == []
    if puts < 3:  # lease, start and first intent: until the intent is there nothing is undone
        assert cloud(desk) == contained
    proxy.heal()
    assert desk.false_positive(BOB, takeover=True)["status"] == "ok" and fences(desk) == (0, 0)
    whole(bucket.store)


def test_what_was_written_in_both_places_shadows_nothing(desk: Desk, bucket: Bucket) -> None:
    """Another desk wrote meanwhile: the bucket counts, this machine's is kept beside, and an old lease takes nothing from anybody."""
    remote = bucket.store
    local = spool.Spooled(remote, "IR-1")
    local.failed = "gone"
    with Lease.acquire(local, run="old", verb="aws_contain", holder="x@here"):
        local.replace("result.json", b'{"from": "spool"}')
        with pytest.raises(Exception, match="x@here"):  # a run on this machine is at work with the spool
            spool.Spooled(remote, "IR-1").refuse_if_held()
    remote.replace("result.json", b'{"from": "bucket"}')
    other = Lease.acquire(remote, run="new", verb="aws_restore", holder="y@there")
    back = spool.Spooled(remote, "IR-1")
    told = back.merge()
    time.sleep(1.05)
    assert other.held() and back.get("result.json") == b'{"from": "bucket"}' and not back.waiting()
    (kept,) = remote.list("spooled")
    assert remote.get(kept) == b'{"from": "spool"}' and any(kept in line for line in told)
    other.release()


def test_evidence_whose_put_was_sent_twice_is_in_the_manifest(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The put arrives, its answer is lost, and when it is sent again it finds itself."""
    real = directory.Directory.put

    def twice(store: Any, path: str, data: bytes) -> None:
        real(store, path, data)
        if path.startswith("evidence/"):
            real(store, path, data)

    monkeypatch.setattr(directory.Directory, "put", twice)
    desk.incident(BOB)
    assert desk.contain()["problems"] == []
    kept = {name.removeprefix("evidence/") for name in desk.store.list("evidence") if "manifest" not in name}
    listed = {entry["name"] for name in desk.store.list("evidence/manifest") for entry in json.loads(desk.store.get(name))}
    assert any(name.startswith("principals/") for name in kept) and kept == listed == {
        n["data"]["name"] for n in desk.ledger().notes["evidence"]
    }


# -- two jobs on one case --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["directory", "bucket"])
def place(request: pytest.FixtureRequest, desk: Desk) -> Iterator[Callable[[], Store]]:
    """Writes the incident; gives the store of the case."""
    if request.param == "directory":
        desk.incident(BOB, ALICE)
        yield lambda: desk.store
        return
    bucket: Bucket = request.getfixturevalue("bucket")
    desk.incident(BOB, ALICE, store=bucket.options())
    yield lambda: bucket.store


QUIET = {"hold": "0", "scope": 0}
UNDO = {"verdict": "false_positive", "reason": "a test", "by": "Ada", "only": [BOB, ALICE]}


def undone(desk: Desk) -> list[str]:
    """What releases have taken back: the Steps that they did, from the ledger."""
    runs = {r["run"] for r in desk_records(desk) if r["module"] == "aws_restore"}
    return [o["id"] for r in desk_records(desk) if r["run"] in runs for o in r.get("outcomes", []) if o["status"] == "done"]


def desk_records(desk: Desk) -> list[dict[str, Any]]:
    given = json.loads(desk.file.read_text())["incident"]["store"]
    store = case_store(given, desk.name)
    return [json.loads(store.get(path)) for path in store.list("ledger") if "/checkpoint" not in path]


def test_a_release_is_refused_while_containment_is_at_work(desk: Desk, place: Callable[[], Store], jobs: Jobs) -> None:
    desk.bed.configure(latency_ms=150)
    contain = jobs.module("aws_contain", hold="6s", scope=0)
    until(lambda: "aws_contain" in verbs(place()))
    refused = jobs.answer(jobs.module("aws_restore", **UNDO))
    assert contain.poll() is None, "it must have been at work"
    assert (
        refused["failed"]
        and "aws_contain by" in refused["msg"]
        and f"pid {contain.pid}" in refused["msg"]
        and "lease until" in refused["msg"]
    )
    done = jobs.answer(contain)
    assert done["problems"] == [] and {works(desk.bed, desk.company.production.keys[n]) for n in ("alice", "bob")} <= DEAD
    whole(place())


def test_containment_takes_over_and_a_release_stops_before_its_next_step(desk: Desk, place: Callable[[], Store], jobs: Jobs) -> None:
    before = cloud(desk)
    assert desk.contain()["problems"] == []
    desk.bed.configure(latency_ms=400)
    seen = len(desk.bed.calls())
    release = jobs.module("aws_restore", **{**UNDO, "threads": 1})
    until(lambda: any(c["mutating"] and c["service"] == "iam" for c in desk.bed.calls()[seen:]))
    contain = jobs.module("aws_contain", **QUIET)
    stopped, done = jobs.answer(release), jobs.answer(contain)
    assert done["problems"] == [] and any("taken over" in str(w) for w in done["warnings"]), done
    assert stopped["failed"] and "another run took the case over" in stopped["msg"], stopped
    desk.bed.configure(latency_ms=0)
    whole(place())
    again = desk.contain()  # whatever the two left, one more pass is the end of it
    assert again["problems"] == [] and {works(desk.bed, desk.company.production.keys[n]) for n in ("alice", "bob")} <= DEAD
    assert desk.run("aws_restore", **UNDO)["status"] == "ok" and cloud(desk) == before
    whole(place())


def test_containment_gives_way_to_a_release_that_was_told_to_take_the_case_over(desk: Desk, place: Callable[[], Store], jobs: Jobs) -> None:
    before = cloud(desk)
    contain = jobs.module("aws_contain", hold="25s", spread="5s", scope=0, clocks="none")
    until(lambda: fences(desk)[0] >= 5)
    time.sleep(1)
    undone = jobs.answer(jobs.module("aws_restore", **{**UNDO, "takeover": True}))
    assert contain.poll() is None and undone["status"] == "ok" and cloud(desk) == before, undone
    assert any("was taken over: aws_contain by" in str(w) and f"pid {contain.pid}" in str(w) for w in undone["warnings"]), undone[
        "warnings"
    ]
    done = jobs.answer(contain)
    assert done["status"] == "partial" and cloud(desk) == before, done["msg"]
    assert "taken over by" in done["msg"] and "(aws_restore, pid" in done["msg"] and "since 2" in done["msg"], done["msg"]
    assert not any(p["action"] == "contained" for p in done["principals"]) and (done["watch"], done["looks"]) == ([], [])
    whole(place())


def elsewhere() -> Any:
    """This process, as one of another machine."""
    other = {**process.identity(), "host": "awx-7", "boot": "another", "namespace": "another"}
    return mock.patch.object(process, "identity", lambda: other)


@pytest.mark.parametrize("skew", [3600, 70, -125, -3600])
def test_a_live_run_whose_clock_differs_is_alive(desk: Desk, place: Callable[[], Store], skew: int) -> None:
    """Nobody takes its case, nor settles what it is about: the age of its lease is the store's to tell."""
    store = place()
    with elsewhere():
        then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=skew)
        live = Lease.acquire(store, run="0" * 8, verb="aws_credential_rotation", holder="eve@awx-7", clock=lambda: then)
        live._stop.set()  # it stands as it is
    assert leases.live_runs(store, ask=True) == {"0" * 8}
    refused = desk.run("aws_restore", **UNDO)
    assert refused["failed"] and "eve@awx-7" in refused["msg"], refused
    assert [path for path in store.list("lease") if "now-" in path] == []


def test_a_release_is_refused_while_a_containment_goes_on_that_another_one_has_overtaken(desk: Desk, place: Callable[[], Store]) -> None:
    """The later one ends first. What the earlier one holds, a release would undo and it would write again."""
    with elsewhere():
        slow = Lease.acquire(place(), run="0" * 8, verb="aws_contain", holder="eve@awx-7", never_wait=True)
    assert desk.contain()["problems"] == []
    contained = cloud(desk)
    refused = desk.run("aws_restore", **UNDO)
    assert refused["failed"] and "eve@awx-7" in refused["msg"] and cloud(desk) == contained, refused
    slow.release()
    assert desk.run("aws_restore", **UNDO)["status"] == "ok" and fences(desk) == (0, 0)


def test_two_containments_at_once(desk: Desk, place: Callable[[], Store], jobs: Jobs) -> None:
    before = cloud(desk)
    desk.bed.configure(latency_ms=60)
    pair = [jobs.module("aws_contain", **QUIET) for _n in range(2)]
    answers = [jobs.answer(child) for child in pair]
    desk.bed.configure(latency_ms=0)
    # Each has its own moment before which sessions are cut. Who reads the other's says so, and claims nothing.
    problems = [p for a in answers for p in a["problems"]]
    assert all("a read does not show it" in p["message"] and p["remedy"] == "run again" for p in problems), problems
    assert not any(a["status"] == "ok" for a in answers if a["problems"])
    assert {works(desk.bed, desk.company.production.keys[n]) for n in ("alice", "bob")} <= DEAD
    assert desk.contain()["problems"] == [] and desk.contain()["changed"] is False
    whole(place())
    assert desk.run("aws_restore", **UNDO)["status"] == "ok" and cloud(desk) == before  # the first state, not what one saw of the other
    whole(place())


def test_two_containments_at_once_do_not_fight_each_other(desk: Desk, jobs: Jobs) -> None:
    """What the other writes meanwhile is no attack: nothing is frozen for it, and nobody accused."""
    desk.incident(BOB, ALICE)
    desk.bed.configure(latency_ms=60)
    pair = [jobs.module("aws_contain", hold="20s", spread="2s", scope=5) for _n in range(2)]
    answers = [jobs.answer(child) for child in pair]
    desk.bed.configure(latency_ms=0)
    for done in answers:
        assert (done["status"], done["watch"], done["open"], done["problems"]) == ("ok", [], [], []), done["problems"]
        assert {p["action"] for p in done["principals"]} == {"contained"} and done["fences"][0]["control"] == "scp", done["fences"]
        assert "could write in IAM" not in json.dumps(done.get("warnings"), default=str)
    assert desk.contain()["changed"] is False
    org = desk.bed.client("organizations", root(desk.bed.management), direct=True)
    desk.run("aws_restore", **UNDO)
    assert [p["Name"] for p in org.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]] == ["FullAWSAccess"]


def test_of_two_releases_one_is_told_who_works(desk: Desk, place: Callable[[], Store], jobs: Jobs) -> None:
    before = cloud(desk)
    assert desk.contain()["problems"] == []
    desk.bed.configure(latency_ms=150)
    pair = [jobs.module("aws_restore", **UNDO) for _n in range(2)]
    answers = [jobs.answer(child) for child in pair]
    desk.bed.configure(latency_ms=0)
    refused = [a for a in answers if a.get("failed")]
    assert len(refused) == 1 and "aws_restore by" in refused[0]["msg"], answers
    taken = undone(desk)
    assert taken and len(taken) == len(set(taken)) and cloud(desk) == before  # nothing was undone twice
    whole(place())


@pytest.mark.slow
def test_two_awx_jobs_open_contain_and_recover_one_case(desk: Desk, bucket: Bucket, jobs: Jobs) -> None:
    """The playbooks as they are: both open the case in one moment, one contains; then a release meets a containment."""
    desk.incident(BOB, store=bucket.options())
    before = cloud(desk)
    pair = [jobs.playbook("contain", "-e", "hold=1s", "-e", "contain_spread=1s") for _n in range(2)]
    said = [jobs.end(child) for child in pair]
    assert works(desk.bed, desk.company.production.keys["bob"]) in DEAD, said
    assert not any("exists already" in text or "Traceback" in text for text in said)
    whole(bucket.store)
    facts = desk.folder / "undo.json"
    facts.write_text(json.dumps({"verdict": "false_positive", "reason": "test", "by": "Ada", "only": BOB}))
    pair = [jobs.playbook("recover", "-e", f"@{facts}"), jobs.playbook("contain", "-e", "hold=1s", "-e", "contain_spread=1s")]
    said = [jobs.end(child) for child in pair]
    whole(bucket.store)
    code, last = desk.play("recover", "-e", f"incident={desk.file}", "-e", f"@{facts}", env=bucket.variables)
    assert code == 0 and cloud(desk) == before, (said, last[-3000:])
    whole(bucket.store)


# -- the lease of a run that died elsewhere -----------------------------------------------------------------------------------------


def test_a_run_that_died_on_another_host_holds_until_its_term_ends(desk: Desk, place: Callable[[], Store]) -> None:
    """Nobody here can know that it is dead: a release says who and until when, and goes on when told to."""
    assert desk.contain()["problems"] == []
    with elsewhere():
        dead = Lease.acquire(place(), run="0" * 8, verb="aws_restore", holder="eve@awx-7 (aws_restore, pid 1)")
    dead._stop.set()  # kill -9: neither renewed nor given back
    contained = cloud(desk)
    done = desk.run("aws_restore", **UNDO)
    held = json.loads(place().get(place().list("lease")[-1]))
    assert done["failed"] and cloud(desk) == contained
    assert all(word in done["msg"] for word in ("eve@awx-7", "on awx-7", held["until"], "takeover=true")), done["msg"]
    assert desk.run("aws_restore", **UNDO, takeover=True)["status"] == "ok" and fences(desk) == (0, 0)
    whole(place())


def test_when_its_term_is_over_nobody_is_asked(desk: Desk, place: Callable[[], Store], monkeypatch: pytest.MonkeyPatch) -> None:
    assert desk.contain()["problems"] == []
    with elsewhere():
        dead = Lease.acquire(place(), run="0" * 8, verb="aws_restore", holder="eve@awx-7")
    dead._stop.set()
    monkeypatch.setattr(leases, "TERM", 1.0)
    time.sleep(2.1)  # S3 tells whole seconds
    assert desk.run("aws_restore", **UNDO)["status"] == "ok" and fences(desk) == (0, 0)
    whole(place())
