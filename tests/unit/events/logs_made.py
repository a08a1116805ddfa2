"""Files of logs for tests, and the loader over them."""

import gzip
import json
from pathlib import Path

from ansible_collections.evict.cloud.plugins.module_utils.common.events import columns, folder, formats, load, parts
from ansible_collections.evict.cloud.plugins.module_utils.common.events.database import Database
from ansible_collections.evict.cloud.plugins.module_utils.common.store import open_store

NOW = "2026-12-01T00:00:00"


def uid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def cloudtrail(number: int, **more):
    """A record of CloudTrail. ``number`` makes its id."""
    who = {"type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": "arn:aws:iam::111122223333:user/ci", "accountId": "111122223333", "accessKeyId": "AKIAEXAMPLE",
           "userName": "ci"}  # fmt: skip
    return {"eventVersion": "1.11", "userIdentity": who, "eventTime": "2026-11-22T09:00:00Z", "eventSource": "iam.amazonaws.com", "eventName": "CreateUser",
            "awsRegion": "us-east-1", "sourceIPAddress": "203.0.113.7", "userAgent": "aws-cli/2.15.30", "requestParameters": {"userName": "x"},
            "responseElements": None, "requestID": "r", "eventID": uid(number), "readOnly": False, "eventType": "AwsApiCall", "managementEvent": True,
            "recipientAccountId": "111122223333", "eventCategory": "Management"} | more  # fmt: skip


def put(path: Path, content, *, packed: bool = False) -> Path:
    """Write a file: bytes, text, or what becomes JSON."""
    data = content if isinstance(content, bytes) else (content if isinstance(content, str) else json.dumps(content)).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, mtime=0) if packed else data)
    return path


def loaded(case: Path, logs: Path, *sources: str, said=None, **more) -> load.Summary:
    """Load a folder into a case, as the modules do."""
    wanted = [formats.FORMATS[source] for source in sources or ("cloudtrail",)]
    return folder.load(open_store(str(case)), wanted, logs, now=NOW, say=said.append if said is not None else lambda _text: None, **more)


def rows(case: Path, sql: str = "SELECT * FROM events ORDER BY event_uid", parameters=()):
    with parts.open_case(open_store(str(case))) as database:
        return database.rows(sql, parameters)


def gaps(case: Path):
    return rows(case, "SELECT * FROM gaps ORDER BY object")


__all__ = ["Database", "cloudtrail", "columns", "gaps", "loaded", "put", "rows", "uid"]
