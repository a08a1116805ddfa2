"""The same requests by plain boto3, in the same order with as many threads: `scale_replay.py ORDER OUT`. An error answer is an answer: ours had it too."""

import json
import pathlib
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

_READS = ("Describe", "List", "Get")


class Clients:
    """A client per account and service, all of one boto3 session; the account's role is assumed once."""

    def __init__(self, threads: int) -> None:
        self._config = Config(max_pool_connections=threads, retries={"total_max_attempts": 1})
        self._lock = threading.Lock()
        self._session = boto3.Session()
        self._locks: dict[str, threading.Lock] = {}
        self._keys: dict[str, dict[str, str]] = {"": {}}
        self._clients: dict[tuple[str, str], Any] = {}

    def _assumed(self, account: str) -> dict[str, str]:
        with self._lock:
            lock = self._locks.setdefault(account, threading.Lock())
        with lock:
            if account not in self._keys:
                arn = f"arn:aws:iam::{account}:role/incident-responder"
                given = self.get("", "sts").assume_role(RoleArn=arn, RoleSessionName="replay")["Credentials"]
                self._keys[account] = {"aws_access_key_id": given["AccessKeyId"], "aws_secret_access_key": given["SecretAccessKey"],
                                       "aws_session_token": given["SessionToken"]}  # fmt: skip
            return self._keys[account]

    def get(self, account: str, service: str) -> Any:
        """The client."""
        found = self._clients.get((account, service))
        if found is None:
            keys = self._assumed(account)
            with self._lock:  # boto3's factories are not safe for threads
                if (account, service) not in self._clients:
                    self._clients[account, service] = self._session.client(service, config=self._config, **keys)
                found = self._clients[account, service]
        return found


def main() -> None:
    order = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    clients, one_at_a_time = Clients(order["threads"]), threading.Lock()
    swap: dict[str, str] = order["swap"]
    made: dict[str, str] = {}  # policy name -> id, of the SCPs of this replay

    def send(call: list[Any]) -> None:
        account, service, operation, given = call
        parameters = {k: swap.get(v, v) if isinstance(v, str) else v for k, v in given.items()}
        client = clients.get("" if service == "organizations" else account, service)
        try:
            if service == "organizations" and not operation.startswith(_READS):
                with one_at_a_time:
                    _organize(client, operation, parameters)
            else:
                getattr(client, xform_name(operation))(**parameters)
        except ClientError:
            pass

    def _organize(client: Any, operation: str, parameters: dict[str, Any]) -> None:
        if "PolicyId" in parameters:  # ours had another id
            parameters["PolicyId"] = made.get(parameters.get("TargetId", ""), parameters["PolicyId"])
        answer = getattr(client, xform_name(operation))(**parameters)
        if operation == "CreatePolicy":
            account = next((part for part in parameters["Name"].split("-") if part.isdigit() and len(part) == 12), "")
            made[account] = answer["Policy"]["PolicySummary"]["Id"]

    began, processor = time.monotonic(), time.process_time()
    calls = [call for call in order["calls"] if call[2] != "AssumeRole"]
    with ThreadPoolExecutor(order["threads"]) as pool:
        list(pool.map(send, calls))
    out = {"seconds": time.monotonic() - began, "processor": time.process_time() - processor}
    pathlib.Path(sys.argv[2]).write_text(json.dumps(out), encoding="utf-8")


if __name__ == "__main__":
    main()
