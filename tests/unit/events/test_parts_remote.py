"""A case in a bucket, by moto's server: parts are uploaded, and fetched again for the analysis and for comparing."""

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import errors
from ansible_collections.evict.cloud.plugins.module_utils.common.events import folder, formats, parts
from ansible_collections.evict.cloud.plugins.module_utils.common.store import open_store
from tests.unit.common.test_store_remote import endpoint, s3  # noqa: F401 - fixtures

from .logs_made import NOW, cloudtrail, put, uid


def test_a_case_in_a_bucket(s3, endpoint, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = open_store({"url": "s3://cases/IR-1", "endpoint_url": endpoint, "region": "us-east-1"})
    logs = tmp_path / "logs"
    put(logs / "a.json", {"Records": [cloudtrail(1), cloudtrail(2)]})
    assert folder.load(store, [formats.FORMATS["cloudtrail"]], logs, now=NOW).events == {"cloudtrail": 2}
    put(logs / "b.json", {"Records": [cloudtrail(2), cloudtrail(3)]})
    told = folder.load(store, [formats.FORMATS["cloudtrail"]], logs, now=NOW)
    assert (told.events, told.duplicates) == ({"cloudtrail": 1}, 1)
    assert store.list("events") == [
        "events/cloudtrail/000001.parquet",
        "events/cloudtrail/000002.parquet",
        "events/cloudtrail/manifest.json",
    ]
    for _ in range(2):  # the second time from the cache
        with parts.open_case(store) as database:
            assert database.rows("SELECT event_uid FROM events ORDER BY event_uid") == [{"event_uid": uid(n)} for n in (1, 2, 3)]
    store.replace("events/cloudtrail/000002.parquet", b"changed by somebody")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    with pytest.raises(errors.EvictError, match="is not what was written"):
        parts.open_case(store)
