"""CloudTrail from a folder: every form it comes in, once each, nothing twice, and what cannot be read is a gap."""

import datetime
import gzip
import json
import os

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common.errors import EvictError
from ansible_collections.evict.cloud.plugins.module_utils.common.events import tolerant
from ansible_collections.evict.cloud.plugins.module_utils.common.events.database import DatabaseError

from . import logs_made as made
from .logs_made import cloudtrail, gaps, loaded, put, rows, uid

AT = datetime.datetime(2026, 11, 22, 9)  # noqa: DTZ001 - the tables hold UTC without saying so


def test_every_form_and_nothing_twice(tmp_path):
    logs, case = tmp_path / "logs", tmp_path / "case"
    day = logs / "AWSLogs/o-abcd/111122223333/CloudTrail/eu-west-1/2026/11/22"
    put(day / "111122223333_CloudTrail_eu-west-1_20261122T0900Z_a.json.gz", {"Records": [cloudtrail(1), cloudtrail(2)]}, packed=True)
    put(
        day / "111122223333_CloudTrail_eu-west-1_20261122T0905Z_b.json.gz",
        {"Records": [cloudtrail(2), cloudtrail(3), cloudtrail(3)]},
        packed=True,
    )
    put(logs / "array.json", [cloudtrail(4), cloudtrail(1)])
    put(logs / "lines.jsonl", "".join(json.dumps(cloudtrail(n)) + "\n" for n in (5, 6)))
    put(logs / "pretty.json", json.dumps(cloudtrail(7), indent=2) + json.dumps(cloudtrail(8), indent=2))
    answer = {"NextToken": "x", "Events": [{"EventId": uid(9), "Username": "ci", "CloudTrailEvent": json.dumps(cloudtrail(9))}]}
    put(logs / "lookup.json", answer)
    put(logs / "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/11/22/d.json.gz", {"digestStartTime": "x"}, packed=True)
    put(logs / "AWSLogs/111122223333/CloudTrail-Insight/eu-west-1/2026/11/22/i.json.gz", {"Records": [cloudtrail(98)]}, packed=True)
    put(logs / "digest.json", {"awsAccountId": "1", "digestStartTime": "2026-11-22T09:00:00Z"})
    put(logs / "mixed.json", {"Records": [cloudtrail(10), cloudtrail(99, eventCategory="Insight")]})
    put(logs / "notes.txt", "not a log")
    put(logs / "odd name [*]?.json", {"Records": [cloudtrail(11)]})
    put(logs / "empty.json", {"Records": []})
    (logs / "link.json").symlink_to("/etc/hostname")
    os.mkfifo(logs / "pipe.json")

    first = loaded(case, logs)
    assert [row["event_uid"] for row in rows(case)] == [uid(n) for n in range(1, 12)]
    assert (first.events, first.duplicates, first.unreadable, first.gaps) == ({"cloudtrail": 11}, 3, 0, 0)
    assert first.skipped == {"digest": 2, "insight": 1, "other": 3} and first.left_out == {"insight": 1}

    again = loaded(case, logs)
    assert (again.events, again.read, again.known) == ({}, 0, first.files)
    put(logs / "later.json", {"Records": [cloudtrail(3), cloudtrail(12)]})
    third = loaded(case, logs)
    assert (third.events, third.duplicates, third.read) == ({"cloudtrail": 1}, 1, 1)
    assert [row["event_uid"] for row in rows(case)] == [uid(n) for n in range(1, 13)]
    manifest = json.loads((case / "events/cloudtrail/manifest.json").read_bytes())
    kept = manifest["files"][str(logs / "later.json")]
    assert kept["events"] == 1 and kept["duplicates"] == 1 and len(kept["sha256"]) == 64 and kept["state"] == "read"
    assert sum(part["events"] for part in manifest["parts"]) == 12
    assert all(path.stat().st_mode & 0o077 == 0 for path in case.rglob("*") if path.is_file())


def test_a_row_says_what_the_record_says(tmp_path):
    session = {"sessionIssuer": {"arn": "arn:aws:iam::111122223333:role/app", "principalId": "AROA", "userName": "app"},
               "attributes": {"creationDate": "2026-11-22T08:00:00Z", "mfaAuthenticated": "true"}, "sourceIdentity": "anna"}  # fmt: skip
    who = {"type": "AssumedRole", "principalId": "AROA:s", "arn": "arn:aws:sts::111122223333:assumed-role/app/s", "accountId": "111122223333",
           "accessKeyId": "ASIAX", "sessionContext": session, "onBehalfOf": {"userId": "u-1"}, "invokedBy": "ssm.amazonaws.com"}  # fmt: skip
    request, response = {"roleArn": "arn:aws:iam::444455556666:role/deep"}, {"credentials": {"accessKeyId": "ASIAY"}}
    full = cloudtrail(1, userIdentity=who, eventSource="sts.amazonaws.com", eventName="AssumeRole", requestParameters=request, responseElements=response,
                      sharedEventID="shared", readOnly="true", resources=[{"ARN": "arn:x", "type": "t"}, {"type": "no arn"}])  # fmt: skip
    login = cloudtrail(2, eventSource="signin.amazonaws.com", eventName="ConsoleLogin", responseElements={"ConsoleLogin": "Failure"},
                       additionalEventData={"MFAUsed": "Yes"}, userIdentity={"type": "Root", "accountId": "1", "accessKeyId": ""})  # fmt: skip
    denied = cloudtrail(3, errorCode="AccessDenied", errorMessage="no", eventCategory="Data", recipientAccountId=None)
    case = tmp_path / "case"
    put(tmp_path / "logs/a.json", {"Records": [full, login, denied]})
    loaded(case, tmp_path / "logs")
    one, two, three = rows(case)
    assert json.loads(one.pop("raw")) == full and json.loads(one.pop("request")) == request and json.loads(one.pop("response")) == response
    assert one == {
        "event_uid": uid(1), "time": AT, "cloud": "aws", "account": "111122223333", "region": "us-east-1", "source": "cloudtrail", "category": "management",
        "service": "sts", "operation": "AssumeRole", "read_only": True, "status": "success", "error_code": None, "error_message": None, "actor_type": "AssumedRole",
        "actor_arn": who["arn"], "actor_id": "AROA:s", "actor_name": "app", "actor_account": "111122223333", "credential_uid": "ASIAX",
        "issuer_arn": "arn:aws:iam::111122223333:role/app", "issuer_id": "AROA", "session_created": AT - datetime.timedelta(hours=1), "mfa": True,
        "source_identity": "anna", "invoked_by": "ssm.amazonaws.com", "src_ip": "203.0.113.7", "user_agent": "aws-cli/2.15.30", "resources": ["arn:x"],
        "shared_uid": "shared", "delegation": ["u-1"],
    }  # fmt: skip
    assert (two["status"], two["mfa"], two["credential_uid"], two["response"]) == ("failure", True, None, '{"ConsoleLogin":"Failure"}')
    assert (three["status"], three["error_code"], three["category"], three["account"], three["response"]) == (
        "failure",
        "AccessDenied",
        "data",
        "111122223333",
        None,
    )


PAYLOADS = [
    "{{ lookup('pipe', 'touch /tmp/evict-pwned') }}",
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "'); DROP TABLE events; --",
    "x\x00y",
    "\u202egnp.exe",
]


def test_hostile_records_are_kept_as_they_are_and_counted(tmp_path):
    nested = json.loads("[" * 900 + "]" * 900)
    records = [cloudtrail(n, userAgent=text, requestParameters={"userName": text}, eventName=text) for n, text in enumerate(PAYLOADS)]
    records += [cloudtrail(10, requestParameters={"policyDocument": "x" * 10_000_000}), cloudtrail(11, requestParameters={"deep": nested}),
                cloudtrail(12, eventTime="2031-01-01T00:00:00Z"), cloudtrail(13, eventTime="yesterday"), cloudtrail(14, eventTime="290000-01-01T00:00:00Z"),
                cloudtrail(15, sourceIPAddress="HIDDEN_DUE_TO_SECURITY_REASONS", awsRegion="../../etc"), cloudtrail(16, userIdentity="root", resources="x"),
                cloudtrail(17, eventID=None), cloudtrail(18, eventID=None), {"no": "event"}, "text", 7, None]  # fmt: skip
    case = tmp_path / "case"
    put(tmp_path / "logs/a.json", {"Records": records})
    told = loaded(case, tmp_path / "logs")
    assert told.events == {"cloudtrail": len(PAYLOADS) + 9} and told.left_out == {"other": 4} and told.tolerant == 0 and told.gaps == 0
    found = rows(case)
    assert [row["user_agent"] for row in found[: len(PAYLOADS)]] == PAYLOADS
    assert told.odd == {
        "markup": 3,
        "no_time": 2,
        "future": 1,
        "odd_region": 1,
        "odd_address": 1,
        "no_id": 2,
        "deep": 1,
        "large": 1,
        "out_of_order": 1,
    }
    assert not os.path.exists("/tmp/evict-pwned")
    assert rows(case, "SELECT count(*) AS n FROM events WHERE user_agent = ?", [PAYLOADS[3]]) == [{"n": 1}]


def _bomb(size):
    return gzip.compress(b'{"Records":[' + json.dumps(cloudtrail(70)).encode() + b"," + b" " * size + b"]}", mtime=0)


@pytest.mark.parametrize(
    ("content", "kept", "why"),
    [
        (lambda: b'{"Records":[' + json.dumps(cloudtrail(1)).encode() + b"," + json.dumps(cloudtrail(2)).encode().replace(b"aws-cli", b"\xff\xfe\x80") + b"]}", [1, 2], "UTF-8"),
        (lambda: (b'{"Records":[' + json.dumps(cloudtrail(1)).encode() + b',{"eventID":"cut')[:-3], [1], "ends too early"),
        (lambda: b'{"Records":[' + json.dumps(cloudtrail(1)).encode() + b",{bad json},{}]}", [1], "not JSON"),
        (lambda: json.dumps({"Records": [cloudtrail(1, userAgent="\ud800"), cloudtrail(2)]}).encode(), [1, 2], "surrogate"),
        (lambda: gzip.compress(json.dumps({"Records": [cloudtrail(n) for n in range(400)]}).encode())[:-900], None, "gzip"),
        (lambda: _bomb(12 << 20), [70], "unpack"),
        (lambda: json.dumps({"Records": [cloudtrail(1)]}).encode("utf-16"), [1], "UTF-16"),
        (lambda: b"\x1f\x8bnot gzip at all", [], "gzip"),
        (lambda: "".join([json.dumps(cloudtrail(1)), '\n{"eventID":"cut\n', json.dumps(cloudtrail(2)), "\n"]).encode(), [1, 2], "line that ends"),
        (lambda: b'{"Records":' + b"[" * 200_000, [], "ends too early"),
    ],
)  # fmt: skip
def test_a_file_that_duckdb_rejects_is_read_alone_and_is_a_gap(tmp_path, content, kept, why):
    case, data = tmp_path / "case", content()
    good = put(tmp_path / "logs/good.json", {"Records": [cloudtrail(900)]})
    bad = put(tmp_path / f"logs/111122223333/CloudTrail/eu-west-1/2026/11/22/bad.json{'.gz' if data[:2] == bytes([31, 139]) else ''}", data)
    told = loaded(case, good.parent, limits=tolerant.Limits(plain=8 << 20, small=1 << 20))
    found = [row["event_uid"] for row in rows(case)]
    assert uid(900) in found
    if kept is None:
        assert 1 < len(found) < 401
    else:
        assert found == sorted([uid(n) for n in kept] + [uid(900)])
    (gap,) = gaps(case)
    assert (
        why in gap["why"]
        and gap["object"] == str(bad)
        and (gap["account"], gap["region"], gap["source"]) == ("111122223333", "eu-west-1", "cloudtrail")
    )
    assert (gap["start"], gap["end"]) == (datetime.datetime(2026, 11, 22), datetime.datetime(2026, 11, 23))  # noqa: DTZ001
    assert told.unreadable == (0 if kept is None or kept else 1) and told.gaps == 1
    assert loaded(case, good.parent).read == 0 and len(gaps(case)) == 1  # and it is not tried again as long as it is the same


def test_a_file_of_no_rights_is_a_gap_and_a_killed_run_leaves_nothing_behind(tmp_path, monkeypatch):
    case, logs = tmp_path / "case", tmp_path / "logs"
    put(logs / "a.json", {"Records": [cloudtrail(1)]})
    put(logs / "b.json", {"Records": [cloudtrail(2)]})
    real = made.load.layout.look
    monkeypatch.setattr(
        made.load.layout,
        "look",
        lambda path, name: (_ for _ in ()).throw(PermissionError(13, "Permission denied")) if name.endswith("b.json") else real(path, name),
    )
    assert loaded(case, logs).unreadable == 1
    assert gaps(case)[0]["why"] == "not read: Permission denied"
    monkeypatch.undo()
    put(logs / "b.json", {"Records": [cloudtrail(2), cloudtrail(4)]})  # it can be read now, and is another file: the gap is closed
    assert loaded(case, logs).read == 1 and gaps(case) == []
    (case / "events/.tmp-dead").mkdir()
    put(case / "events/cloudtrail/000003.parquet", b"half a part of a killed run")
    put(logs / "c.json", {"Records": [cloudtrail(3)]})
    loaded(case, logs)
    assert [row["event_uid"] for row in rows(case)] == [uid(n) for n in range(1, 5)] and not (case / "events/.tmp-dead").exists()


def test_batches_and_parts_are_bounded(tmp_path):
    case, logs = tmp_path / "case", tmp_path / "logs"
    for n in range(6):
        put(logs / f"{n}.json", {"Records": [cloudtrail(n * 10 + m) for m in range(10)] + [cloudtrail(0)]})
    told = loaded(case, logs, batch=10_000)
    assert told.parts > 2 and told.duplicates == 6 and len(rows(case)) == 60


def test_a_bomb_that_lies_about_its_size_costs_itself_only(tmp_path, monkeypatch):
    """Many members: the last one's size is what the file says of itself, so DuckDB gets it among the others."""
    case, logs = tmp_path / "case", tmp_path / "logs"
    for n in range(8):
        put(logs / f"{n}.json.gz", json.dumps(cloudtrail(n)) + "\n", packed=True)
    lines = [json.dumps(cloudtrail(50)).encode() + b"\n", *[b"{}\n" * 500_000] * 4, b"{}"]
    put(logs / "3b.json.gz", b"".join(gzip.compress(line, mtime=0) for line in lines))
    real = made.load.Loader._read

    def too_long(loader, kind, files, **more):
        if any(path.name == "3b.json.gz" for path, _look in files):
            raise DatabaseError("interrupted", "InterruptException")  # what the watch of Database.run makes of it (test_database.py)
        return real(loader, kind, files, **more)

    monkeypatch.setattr(made.load.Loader, "_read", too_long)
    told = loaded(case, logs, limits=tolerant.Limits(plain=1 << 17, small=1 << 16))
    assert [row["event_uid"] for row in rows(case)] == [uid(n) for n in (0, 1, 2, 3, 4, 5, 6, 7, 50)]
    assert told.tolerant == 1 and [gap["object"] for gap in gaps(case)] == [str(logs / "3b.json.gz")]
    assert "unpacks to more than it says" in gaps(case)[0]["why"] and "the rest was not read" in gaps(case)[0]["why"]


def test_a_run_whose_case_was_taken_over_writes_nothing_more(tmp_path):
    case, logs = tmp_path / "case", tmp_path / "logs"
    put(logs / "1.json", {"Records": [cloudtrail(1)]})
    loaded(case, logs)
    put(logs / "2.json", {"Records": [cloudtrail(2)]})
    before = (case / "events/cloudtrail/manifest.json").read_bytes()

    def taken():
        raise EvictError("taken over")

    with pytest.raises(EvictError, match="taken over"):
        loaded(case, logs, held=taken)
    assert (case / "events/cloudtrail/manifest.json").read_bytes() == before and [row["event_uid"] for row in rows(case)] == [uid(1)]
