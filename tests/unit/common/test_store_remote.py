# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store in a bucket. Bed: moto, which keeps S3's conditional puts and pages."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import errors, ledger, store

boto3 = pytest.importorskip("boto3")
moto_server = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def endpoint() -> t.Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


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
def case(s3: t.Any, endpoint: str) -> store.Store:
    return store.case_store({"url": "s3://cases/all", "region": "us-east-1", "endpoint_url": endpoint}, "IR-1")


def test_the_same_promises_as_a_directory(case: store.Store, s3: t.Any) -> None:
    assert (case.remote, case.root, case.url) == (True, None, "s3://cases/all/IR-1")
    assert case.list() == []
    case.put("ledger/a/1.json", b"one")
    with pytest.raises(store.Exists, match=r"s3://cases/all/IR-1/ledger/a/1\.json"):
        case.put("ledger/a/1.json", b"two")
    assert case.get("ledger/a/1.json") == b"one"
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
    assert s3.list_objects_v2(Bucket="cases")["Contents"][0]["Key"] == "all/IR-1/ledger/a/1.json"


def test_all_pages_are_listed_in_order(case: store.Store, s3: t.Any) -> None:
    import concurrent.futures

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: s3.put_object(Bucket="cases", Key=f"all/IR-1/ledger/{number:05}", Body=b"x"), range(1005)))
    s3.put_object(Bucket="cases", Key="all/IR-10/ledger/other", Body=b"x")
    assert case.list() == [f"ledger/{number:05}" for number in range(1005)]
    assert [data for _path, data in case.get_many(case.list()[:40])] == [b"x"] * 40


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


def test_a_missing_bucket_reads_as_empty_and_cannot_be_written(s3: t.Any, endpoint: str) -> None:
    missing = store.open_store({"url": "s3://nothing-here", "region": "us-east-1", "endpoint_url": endpoint})
    assert missing.list() == []
    with pytest.raises(store.StoreUnavailable, match="s3://nothing-here/x") as caught:
        missing.put("x", b"1")
    assert "bucket exists" in caught.value.remedy


def test_nothing_is_contacted_before_the_first_use_and_a_dead_endpoint_is_named(monkeypatch: pytest.MonkeyPatch, s3: t.Any) -> None:
    monkeypatch.setattr(store._Connection, "_connect", lambda _self: pytest.fail("contacted"))
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


def test_a_ledger_in_a_bucket(case: store.Store) -> None:
    writer = ledger.Ledger.open(case, incident="IR-1", module="test")
    writer.intent([{"id": "a"}])
    writer.outcome([{"id": "a", "status": "done"}])
    head = writer.end("ok")
    assert ledger.verify(case, head)["verified"]
    assert ledger.Ledger.open(case, incident="IR-1", module="test").state.steps["a"]["outcome"]["status"] == "done"
