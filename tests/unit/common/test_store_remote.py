# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store in a bucket. Beds: moto for S3 and azurite for Azure's blobs, real servers on loopback; for Cloud Storage, its documented rules."""

from __future__ import annotations

import concurrent.futures
import datetime
import json
import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import errors, lease, ledger, result, store
from ansible_collections.evict.cloud.plugins.module_utils.common.stores import interface
from ansible_collections.evict.cloud.plugins.module_utils.common.stores.bucket import Connection
from tests.beds import azurite, gcs_rules

boto3 = pytest.importorskip("boto3")
moto_server = pytest.importorskip("moto.server")
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def endpoint() -> t.Iterator[str]:
    """moto's server. It reads the reference to the letter and wants an SDK's header beside the checksum; S3's own message asks for "Content-MD5 OR
    x-amz-checksum-" only."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication

    real = DomainDispatcherApplication.__call__

    def understanding(app: t.Any, environ: dict[str, t.Any], start: t.Any) -> t.Any:
        if "HTTP_X_AMZ_CHECKSUM_SHA256" in environ:
            environ.setdefault("HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM", "SHA256")
        return real(app, environ, start)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DomainDispatcherApplication, "__call__", understanding)
        yield from _moto()


def _moto() -> t.Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def azure() -> t.Iterator[azurite.Azurite]:
    if why := azurite.missing():
        pytest.skip(why)
    with azurite.Azurite() as server:
        yield server


@pytest.fixture
def gcs() -> t.Iterator[gcs_rules.Rules]:
    with gcs_rules.Rules() as server:
        server.buckets.add("cases")
        yield server


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> t.Any:
    for name, value in {
        "ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "SECRET_ACCESS_KEY": "long-unlikely-secret-for-tests",
        "EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    for name in ("CONFIG_FILE", "SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(f"AWS_{name}", str(tmp_path / name))
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="cases")
    yield client
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="cases"):
        if names := [{"Key": entry["Key"]} for entry in page.get("Contents", [])]:
            client.delete_objects(Bucket="cases", Delete={"Objects": names})
    client.delete_bucket(Bucket="cases")


@pytest.fixture
def spec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The options of a store in the service that `request.param` names ("s3" when nothing does), in an empty bucket."""
    kind = getattr(request, "param", "s3")
    if kind == "s3":
        request.getfixturevalue("s3")
        return {"url": "s3://cases/all", "region": "us-east-1", "endpoint_url": request.getfixturevalue("endpoint")}
    if kind == "az":
        server = request.getfixturevalue("azure")
        name = f"cases-{os.urandom(4).hex()}"
        server.make(name)
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", azurite.KEY)
        return {"url": f"az://{azurite.ACCOUNT}/{name}/all", "endpoint_url": server.endpoint}
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", request.getfixturevalue("gcs").endpoint)
    return {"url": "gs://cases/all"}


@pytest.fixture
def case(spec: dict[str, str]) -> store.Store:
    return store.case_store(spec, "IR-1")


everywhere = pytest.mark.parametrize("spec", ["s3", "az", "gs"], indirect=True)


@everywhere
def test_the_same_promises_as_a_directory(case: store.Store, spec: dict[str, str]) -> None:
    assert (case.remote, case.root, case.url) == (True, None, f"{spec['url']}/IR-1")
    assert case.list() == []
    case.put("ledger/a/1.json", b"one")
    with pytest.raises(store.Exists, match=r"/IR-1/ledger/a/1\.json"):
        case.put("ledger/a/1.json", b"two")
    assert case.get("ledger/a/1.json") == b"one"
    assert case.keep("ledger/a/1.json", b"one") and not case.keep("ledger/a/1.json", b"two")
    case.replace("result.json", b"1")
    case.replace("result.json", b"2")
    assert case.get("result.json") == b"2"
    assert case.list() == ["ledger/a/1.json", "result.json"]
    assert case.list("ledger/") == ["ledger/a/1.json"]
    assert case.list("led") == []
    case.delete("result.json")
    case.delete("result.json")
    with pytest.raises(store.NotFound):
        case.get("result.json")
    assert store.open_store(spec).list() == ["IR-1/ledger/a/1.json"]


@everywhere
def test_what_attackers_may_call_things(case: store.Store) -> None:
    names = ["evidence/principals/a b+c%2F=&?#.json", "evidence/übel/😀.json", "evidence/a.~!*'()@:,;$"]
    for name in names:
        case.put(name, name.encode())
    assert case.list("evidence") == sorted(names) and all(case.get(name) == name.encode() for name in names)


@everywhere
def test_large_evidence_is_create_only_too(case: store.Store) -> None:
    big = os.urandom(12_000_000)
    case.put("evidence/big", big)
    with pytest.raises(store.Exists):
        case.put("evidence/big", b"x" * 12_000_000)
    assert case.get("evidence/big") == big
    case.replace("evidence/big", b"small")
    assert case.get("evidence/big") == b"small"


@everywhere
def test_all_pages_are_listed_in_order(case: store.Store, spec: dict[str, str]) -> None:
    names = [f"ledger/{number:05}" for number in range(1105)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: case.put(name, b"x"), names))
    store.case_store(spec, "IR-10").put("ledger/other", b"x")
    assert case.list() == names
    assert [data for _path, data in case.get_many(case.list()[:40])] == [b"x"] * 40


RACE = """
import json, sys
from ansible_collections.evict.cloud.plugins.module_utils.common import store
case = store.case_store(json.loads(sys.argv[1]), "IR-1")
case.list()
print("ready", flush=True)
sys.stdin.readline()
won = []
for number in range(60):
    try:
        case.put(f"race/{number:03}", sys.argv[2].encode())
        won.append(number)
    except store.Exists:
        pass
print(json.dumps(won))
"""


@everywhere
def test_of_two_processes_one_creates(case: store.Store, spec: dict[str, str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".collections")}
    children = [
        subprocess.Popen([sys.executable, "-c", RACE, json.dumps(spec), who], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        for who in ("a", "b")
    ]  # fmt: skip
    for child in children:
        assert child.stdout and child.stdout.readline()
    for child in children:
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    won = [set(json.loads(child.communicate(timeout=60)[0])) for child in children]
    assert won[0] | won[1] == set(range(60)) and not won[0] & won[1]
    assert all(case.get(f"race/{number:03}") == (b"a" if number in won[0] else b"b") for number in range(60))


@everywhere
def test_a_ledger_in_a_bucket(case: store.Store) -> None:
    writer = ledger.Ledger.open(case, incident="IR-1", module="test")
    with lease.Lease.acquire(case, run=writer.run, verb="test", holder="ada@desk") as held:
        assert held.held()
        with pytest.raises(errors.Refused, match="ada@desk"):
            lease.Lease.acquire(case, run="other", verb="recover", holder="bob@desk")
        for number in range(70):  # enough for a checkpoint
            writer.intent([{"id": f"a{number}"}], urgent=True)
            writer.outcome([{"id": f"a{number}", "status": "done"}])
        head = writer.end("ok")
    found = ledger.verify(case, head)
    assert found["verified"], found["problems"]
    assert case.list("ledger/checkpoint")
    assert ledger.Ledger.open(case, incident="IR-1", module="test").state.steps["a69"]["outcome"]["status"] == "done"


@everywhere
def test_a_missing_bucket_reads_as_empty_and_cannot_be_written(spec: dict[str, str]) -> None:
    parts = spec["url"].split("/")
    missing = store.open_store({**spec, "url": "/".join([*parts[:-2], "nothing-here"])})
    assert missing.list() == []
    with pytest.raises(store.StoreUnavailable, match="nothing-here/x") as caught:
        missing.put("x", b"1")
    assert "bucket exists" in caught.value.remedy


# -- what each service does with a lock --------------------------------------------------------------------------------


@pytest.fixture
def locked(s3: t.Any, endpoint: str) -> store.Store:
    """A case in a bucket that keeps every version for a day, and lets nobody shorten that."""
    name = f"locked-{os.urandom(4).hex()}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}}
    s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=rule)
    return store.case_store({"url": f"s3://{name}", "region": "us-east-1", "endpoint_url": endpoint}, "IR-1")


def test_object_lock_keeps_every_version_and_nothing_else_is_different(locked: store.Store, s3: t.Any) -> None:
    bucket = locked.url.split("/")[2]
    plain = t.cast(t.Any, locked)._connection.client()
    config = {name: value for name, value in plain.config.items() if name != "checksum_algorithm"}
    bare = interface.obstore.store.S3Store(
        config=config, credential_provider=plain.credential_provider, client_options={"allow_http": True}
    )
    with pytest.raises(Exception, match="Content-MD5"):  # a canary: this bucket does ask for a checksum
        interface.obstore.put(bare, "x", b"1")
    heads = []
    for run in range(3):
        writer = ledger.Ledger.open(locked, incident="IR-1", module="test")
        hold = lease.Lease.acquire(locked, run=writer.run, verb="test", holder="ada@desk")
        for number in range(70):
            writer.intent([{"id": f"{run}-{number}"}], urgent=True)
            writer.outcome([{"id": f"{run}-{number}", "status": "done"}])
        heads.append(writer.end("ok"))
        hold.release()
        assert result.write(locked, writer.run, {"run": run}) == []
    assert all(ledger.verify(locked, head)["verified"] for head in heads)
    assert json.loads(locked.get("result.json")) == {"run": 2}
    versions = s3.list_object_versions(Bucket=bucket, MaxKeys=1000)
    results = [v for v in versions["Versions"] if v["Key"] == "IR-1/result.json"]
    assert len(results) == 3  # what was replaced is still there
    leases = [v for v in versions["Versions"] if v["Key"].startswith("IR-1/lease/")]
    assert len(leases) >= 6 and len(locked.list("lease")) < len(leases)  # given back, hidden, and kept
    record = next(v for v in versions["Versions"] if "/ledger/" in v["Key"])
    for version in (record, results[0], leases[0]):
        with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
            s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
    # an attacker hides a record: it shows, and taking the marker away brings it back
    s3.delete_object(Bucket=bucket, Key=record["Key"])
    assert not ledger.verify(locked)["verified"]
    marker = next(m for m in s3.list_object_versions(Bucket=bucket, Prefix=record["Key"])["DeleteMarkers"] if m["IsLatest"])
    s3.delete_object(Bucket=bucket, Key=record["Key"], VersionId=marker["VersionId"])
    assert ledger.verify(locked)["verified"]


@pytest.mark.parametrize("where", ["case", "locked"])
def test_an_overtaken_containment_is_seen_until_it_ends(
    where: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = request.getfixturevalue(where)
    monkeypatch.setattr(lease, "RENEWAL", 0.1)
    with lease.Lease.acquire(held, run="slow", verb="aws_contain", holder="ada@desk", never_wait=True):
        with lease.Lease.acquire(held, run="fast", verb="aws_contain", holder="bob@desk", never_wait=True):
            for _look in range(200):
                if len(said := [name for name in held.list("lease") if name.startswith("lease/beside/slow/")]) > 1:
                    break
                time.sleep(0.05)
        assert len(said) > 1 and lease.live_runs(held) == {"slow"}
        with pytest.raises(errors.Refused, match="ada@desk"):
            lease.Lease.acquire(held, run="release", verb="aws_restore", holder="cy@desk")
    assert lease.live_runs(held) == set()
    lease.Lease.acquire(held, run="release", verb="aws_restore", holder="cy@desk").release()
    assert [name for name in held.list("lease") if "beside" in name] == []


def test_every_put_to_s3_carries_the_checksum_that_object_lock_asks_for(case: store.Store, s3: t.Any) -> None:
    import base64
    import hashlib

    big = b"x" * 12_000_000
    case.put("small", b"one")
    case.put("big", big)
    case.replace("result.json", b"two")
    for name, data in (("small", b"one"), ("big", big), ("result.json", b"two")):
        said = s3.head_object(Bucket="cases", Key=f"all/IR-1/{name}", ChecksumMode="ENABLED")
        assert said["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(data).digest()).decode()


@pytest.mark.parametrize("spec", ["gs"], indirect=True)
def test_a_retention_policy_without_versions(case: store.Store, gcs: gcs_rules.Rules) -> None:
    """Nothing can be deleted or replaced: the result goes beside the first one, leases grow, and all of it works."""
    for run in range(2):
        writer = ledger.Ledger.open(case, incident="IR-1", module="test")
        with lease.Lease.acquire(case, run=writer.run, verb="test", holder="ada@desk"):
            writer.intent([{"id": f"{run}"}])
            writer.outcome([{"id": f"{run}", "status": "done"}])
            writer.end("ok")
            said = result.write(case, writer.run, {"run": run})
        gcs.kept |= {name for _bucket, name in gcs.objects}
    assert len(said) == 1 and "retention policy" in said[0] and f"result/{writer.run}.json" in said[0] and "versioning" in said[0]
    assert json.loads(case.get(f"result/{writer.run}.json")) == {"run": 1} and json.loads(case.get("result.json")) == {"run": 0}
    assert len(case.list("lease")) == 2 and ledger.verify(case)["verified"]
    with pytest.raises(store.Kept):
        case.delete("result.json")


@pytest.mark.parametrize("spec", ["gs"], indirect=True)
def test_google_is_asked_for_generation_zero_and_an_answer_that_was_lost_is_no_stranger(case: store.Store, gcs: gcs_rules.Rules) -> None:
    gcs.lost = 1
    assert case.keep("ledger/a/1.json", b"one")
    puts = [headers for method, _path, headers in gcs.seen if method == "PUT"]
    assert len(puts) == 2 and all(headers["x-goog-if-generation-match"] == "0" for headers in puts)
    assert all(path.startswith("/cases") and headers["authorization"] == "Bearer emulator" for _method, path, headers in gcs.seen)


# -- credentials -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("url", "what"), [("az://account/cases", "azure-identity"), ("gs://cases", "google-auth")])
def test_the_sdk_that_is_missing_is_named(url: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AZURE_", "GOOGLE_", "STORAGE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    monkeypatch.setitem(sys.modules, "google.auth", None)
    for module in ("obstore.auth.azure", "obstore.auth.google"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(errors.MissingLibrary, match=what):
        store.open_store(url).list()


@pytest.mark.parametrize("url", ["az://account/cases", "gs://cases"])
def test_options_that_only_s3_has(url: str) -> None:
    with pytest.raises(errors.InvalidInput, match=r"store\.profile: is for s3:// only.*store\.role_arn"):
        store.open_store({"url": url, "profile": "x", "role_arn": "arn:aws:iam::111122223333:role/x"})


def test_tokens_of_the_azure_sdk_are_used(monkeypatch: pytest.MonkeyPatch, gcs: gcs_rules.Rules) -> None:
    """What azure-identity's default credential gives goes with each request; here the SDK is a stand-in."""
    import types

    asked: list[t.Any] = []

    class Default:
        def get_token(self, *scopes: str, **_more: t.Any) -> t.Any:
            asked.extend(scopes)
            return types.SimpleNamespace(
                token="from-azure-identity", expires_on=int(datetime.datetime.now(datetime.UTC).timestamp()) + 3600
            )

    for name, content in {"azure": {}, "azure.identity": {"DefaultAzureCredential": Default}, "azure.identity.aio": {}}.items():
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules["azure"].identity = sys.modules["azure.identity"]  # type: ignore[attr-defined]
    sys.modules["azure.identity"].aio = sys.modules["azure.identity.aio"]  # type: ignore[attr-defined]
    monkeypatch.delitem(sys.modules, "obstore.auth.azure", raising=False)
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY", raising=False)
    with pytest.raises(store.NotFound):  # a server of another kind, that notes what it is asked
        store.open_store({"url": "az://account/cases", "endpoint_url": gcs.endpoint}).get("x")
    monkeypatch.delitem(sys.modules, "obstore.auth.azure", raising=False)
    assert asked == ["https://storage.azure.com/.default"] and gcs.seen[0][2]["authorization"] == "Bearer from-azure-identity"


def test_a_profile_of_its_own(s3: t.Any, endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The store's profile, not the environment's key."""
    config = tmp_path / "profiles"
    config.write_text(
        "[profile security]\nregion = eu-central-1\naws_access_key_id = AKIAIOSFODNN7SECURE1\naws_secret_access_key = long-unlikely-secret\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    opened = store.open_store({"url": "s3://cases", "profile": "security", "endpoint_url": endpoint})
    opened.put("x", b"1")
    assert opened.get("x") == b"1"
    found = opened._connection.client()  # type: ignore[attr-defined]
    assert found.config["region"] == "eu-central-1" and found.credential_provider()["access_key_id"] == "AKIAIOSFODNN7SECURE1"


def test_the_environment_names_the_endpoint(s3: t.Any, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    store.open_store("s3://cases").put("x", b"1")
    assert s3.get_object(Bucket="cases", Key="x")["Body"].read() == b"1"


def test_a_role_is_assumed(s3: t.Any, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    spec = {"url": "s3://cases", "region": "us-east-1", "role_arn": "arn:aws:iam::444455556666:role/ledger"}
    store.open_store(spec).put("x", b"1")
    assert store.open_store(spec).get("x") == b"1"


def test_nothing_is_contacted_before_the_first_use_and_a_dead_endpoint_is_named(monkeypatch: pytest.MonkeyPatch, s3: t.Any) -> None:
    monkeypatch.setattr(Connection, "_connect", lambda _self: pytest.fail("contacted"))
    store.case_store("s3://cases", "IR-1")
    monkeypatch.undo()
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(store.StoreUnavailable, match="no-such-profile") as caught:
        store.open_store("s3://cases").put("x", b"1")
    assert "profile" in caught.value.remedy


@pytest.mark.parametrize("path", ["../IR-2/x", "/x", "a//b", "a\nb"])
def test_hostile_paths_are_refused_here_too(case: store.Store, path: str) -> None:
    with pytest.raises(errors.Refused):
        case.put(path, b"x")
