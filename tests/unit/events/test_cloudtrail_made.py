"""The generator of the benches: the same seed makes the same bytes, and a planted incident is in them, whole."""

import hashlib
import json

from tests.bench import cloudtrail_made

from .logs_made import loaded, rows


def test_a_seed_is_one_set_of_files_and_the_incident_is_in_it(tmp_path):
    def made(name, seed):
        told = cloudtrail_made.write(tmp_path / name, 3000, seed=seed, plant=True, level=1)
        data = b"".join(path.read_bytes() for path in sorted((tmp_path / name).rglob("*.gz")))
        return told, hashlib.sha256(data).hexdigest()

    (told, one), (_told, again), (_other, third) = made("a", 1), made("b", 1), made("c", 2)
    assert one == again != third
    truth = json.loads((tmp_path / "a.truth.json").read_text())
    assert truth == told["truth"] and len(truth["principals"]) == 9 and len(truth["writes"]) == 7
    assert loaded(tmp_path / "case", tmp_path / "a").events == {"cloudtrail": 3000}
    deeds = rows(tmp_path / "case", "SELECT event_uid, operation, status FROM events WHERE src_ip = '198.51.100.23'")
    assert set(truth["writes"]) | set(truth["reads"]) | set(truth["denied"]) <= {row["event_uid"] for row in deeds}
    assert {row["event_uid"] for row in deeds if row["status"] == "failure"} == set(truth["denied"])
    # Nothing can be found by its name alone: colleagues and pipelines make users, keys and sessions too.
    common = rows(tmp_path / "case", "SELECT DISTINCT operation FROM events WHERE src_ip <> '198.51.100.23'")
    assert {"CreateAccessKey", "CreateUser", "AssumeRole", "GetSecretValue"} <= {row["operation"] for row in common}
