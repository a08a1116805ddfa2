"""`make bench`: the search for dependents beside a plain boto3 replay of its own calls, as a ratio in one run. `--check` exits 1 when it is missed.

17 regions, 15 places, 2,000 functions and 2,000 parameters, half of each in one region, at 40 ms for every answer. There is no server: botocore's HTTP session
is replaced, for both alike, so all of boto3 but the socket is measured. The replay sends exactly the requests of the search (each page by itself), in
their order, on as many threads, with clients of its own. Figures: build/bench/dependents.json.
"""

from __future__ import annotations

import argparse
import collections
import json
import pathlib
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".collections"), str(ROOT)]

import boto3  # noqa: E402
import botocore.awsrequest  # noqa: E402
import botocore.client  # noqa: E402
import botocore.httpsession  # noqa: E402
from botocore.config import Config  # noqa: E402

from ansible_collections.evict.cloud.plugins.module_utils.aws import dependents, session  # noqa: E402

LATENCY, THREADS, FUNCTIONS, PARAMETERS = 0.04, 16, 2000, 2000
LIMIT = 1.5  # wall time of the search / of the replay
ACCOUNT, KEY = "111122223333", "AKIAPLANTEDKEY000001"
REGIONS = ("eu-west-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
           "ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1", "eu-west-2", "eu-west-3", "eu-north-1", "sa-east-1")  # fmt: skip
# Lists that are empty, by operation; an answer in XML or with a member that AWS always sends.
_XML = {
    "GetCallerIdentity": f"<GetCallerIdentityResult><Arn>arn:aws:iam::{ACCOUNT}:user/x</Arn><UserId>A</UserId><Account>{ACCOUNT}</Account></GetCallerIdentityResult>",
    "GetAccessKeyInfo": f"<GetAccessKeyInfoResult><Account>{ACCOUNT}</Account></GetAccessKeyInfoResult>",
    "GetAccessKeyLastUsed": "<GetAccessKeyLastUsedResult><UserName>ci</UserName><AccessKeyLastUsed><ServiceName>s3</ServiceName><Region>x</Region>"
                            "</AccessKeyLastUsed></GetAccessKeyLastUsedResult>",
    "GetUser": f"<GetUserResult><User><Path>/</Path><UserName>ci</UserName><UserId>A</UserId><Arn>arn:aws:iam::{ACCOUNT}:user/ci</Arn>"
               "<CreateDate>2024-01-01T00:00:00Z</CreateDate></User></GetUserResult>",
    "DescribeRegions": "<regionInfo>" + "".join(f"<item><regionName>{r}</regionName></item>" for r in REGIONS) + "</regionInfo>",
}  # fmt: skip


def share(total: int, region: str) -> int:
    """How many of them are in a region."""
    return total // 2 if region == REGIONS[0] else total // 2 // (len(REGIONS) - 1)


class Answers:
    """botocore's HTTP session, for both sides: waits, and answers."""

    def __init__(self) -> None:
        self.sent = 0
        self._lock = threading.Lock()

    def send(self, request: Any) -> Any:
        time.sleep(LATENCY)
        with self._lock:
            self.sent += 1
        body, kind = self._body(request)
        raw = mock.Mock()
        raw.stream.return_value = iter([body])
        return botocore.awsrequest.AWSResponse(request.url, 200, {"content-type": kind, "date": "Sat, 28 Nov 2026 20:00:00 GMT"}, raw)

    def _body(self, request: Any) -> tuple[bytes, str]:
        url = urlsplit(request.url)
        region = next((part for part in url.netloc.split(".") if re.fullmatch(r"[a-z]+-[a-z]+-\d", part)), REGIONS[0])
        target = request.headers.get("X-Amz-Target", b"")
        target = target.decode() if isinstance(target, bytes) else str(target)
        text = request.body.decode() if isinstance(request.body, bytes) else str(request.body or "")
        if not target and "Action=" in text:
            action = parse_qs(text)["Action"][0]
            return f"<{action}Response>{_XML.get(action, f'<{action}Result></{action}Result>')}</{action}Response>".encode(), "text/xml"
        operation = target.rsplit(".", 1)[-1] or ("ListFunctions" if "/functions" in url.path else "")
        return json.dumps(self._json(operation, region, json.loads(text or "{}"), parse_qs(url.query))).encode(), "application/json"

    @staticmethod
    def _json(operation: str, region: str, asked: dict[str, Any], query: dict[str, list[str]]) -> dict[str, Any]:
        if operation == "ListFunctions":
            start, size = int(query.get("Marker", ["0"])[0]), int(query.get("MaxItems", ["50"])[0])
            names = range(start, min(start + size, share(FUNCTIONS, region)))
            more = {"NextMarker": str(start + size)} if start + size < share(FUNCTIONS, region) else {}
            return {"Functions": [_function(region, n) for n in names], **more}
        if operation == "DescribeParameters":
            start, size = int(asked.get("NextToken", "0")), asked.get("MaxResults", 50)
            names = range(start, min(start + size, share(PARAMETERS, region)))
            more = {"NextToken": str(start + size)} if start + size < share(PARAMETERS, region) else {}
            return {"Parameters": [{"Name": f"/app/{n}", "Type": "SecureString"} for n in names], **more}
        if operation == "GetParameters":
            return {
                "Parameters": [{"Name": n, "Value": KEY if n == "/app/7" else f"value of {n} " * 9, "Version": 1} for n in asked["Names"]]
            }
        return {}


def _function(region: str, number: int) -> dict[str, Any]:
    variables = {f"SETTING_{n}": f"value {n} of {number}" for n in range(12)} | ({"KEY_ID": KEY} if number == 5 else {})
    return {"FunctionName": f"f{number}", "FunctionArn": f"arn:aws:lambda:{region}:{ACCOUNT}:function:f{number}:$LATEST", "Version": "$LATEST",
            "RevisionId": f"r{number}", "Runtime": "python3.12", "Environment": {"Variables": variables}}  # fmt: skip


def search() -> tuple[float, list[tuple[str, str, str, dict[str, Any]]], dict[str, Any]]:
    """Seconds, what was sent through botocore's clients in its order, and the result."""
    sent: list[tuple[str, str, str, dict[str, Any]]] = []
    made = botocore.client.BaseClient._make_api_call

    def noting(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        sent.append((client.meta.service_model.service_name, client.meta.region_name, operation, dict(parameters)))
        return made(client, operation, parameters)

    params = {"suspects": [KEY], "logs": 0, "threads": THREADS, "threads_per_account": 8,
              **dict.fromkeys(("incident", "incident_data", "case", "store", "account", "accounts", "regions", "places"))}  # fmt: skip
    with mock.patch.object(botocore.client.BaseClient, "_make_api_call", noting):
        began = time.perf_counter()
        found = dependents.find(params, lambda *_args, **_more: session.Aws({"region": REGIONS[0]}, threads=THREADS))
        return time.perf_counter() - began, sent, found


def replay(sent: list[tuple[str, str, str, dict[str, Any]]]) -> float:
    """The same requests, plainly."""
    began = time.perf_counter()
    own = boto3.Session()
    config = Config(max_pool_connections=THREADS, retries={"total_max_attempts": 1})
    clients = {place: own.client(place[0], region_name=place[1], config=config) for place in dict.fromkeys((s, r) for s, r, _o, _p in sent)}
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda call: clients[call[0], call[1]]._make_api_call(call[2], call[3]), sent))
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    answers = Answers()
    with (
        mock.patch.object(botocore.httpsession.URLLib3Session, "send", answers.send),
        mock.patch.dict(
            "os.environ", {"AWS_ACCESS_KEY_ID": "AKIABENCHBENCHBENCH1", "AWS_SECRET_ACCESS_KEY": "x" * 40, "AWS_DEFAULT_REGION": REGIONS[0]}
        ),
    ):
        runs = []
        for _ in range(options.repeat):
            seconds, sent, found = search()
            # Whose the key is, and when it was used, is asked apart; so is whether a region has a service that botocore does not know to be there.
            counts = collections.Counter(repr(call) for call in sent if call[0] not in ("iam", "sts") and call[2] != "ListServices")
            twice = [call for call, count in counts.items() if count > 1]
            names = [row["id"] for row in found["dependents"]]
            if twice or len(names) != 2 * len(REGIONS) or [row for row in found["unknown"] if row["place"] != "cloudtrail"]:
                raise SystemExit(f"{twice} were made twice; {len(names)} found; {found['unknown'][:3]}")
            runs.append({"search": seconds, "replay": replay(sent), "calls": len(sent)})
            print(f"  search {runs[-1]['search']:.2f} s  replay {runs[-1]['replay']:.2f} s  {len(sent)} calls, no list twice")
    ratio = min(run["search"] for run in runs) / min(run["replay"] for run in runs)
    out = ROOT / "build" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    (out / "dependents.json").write_text(json.dumps({"ratio": ratio, "limit": LIMIT, "runs": runs}, indent=1))
    print(
        f"dependents_to_replay {ratio:.2f} (at most {LIMIT}): search / plain boto3 replay of its calls, {THREADS} threads, {LATENCY * 1000:.0f} ms a call"
    )
    return 1 if options.check and ratio > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
