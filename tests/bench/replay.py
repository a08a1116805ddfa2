"""Send again, with 16 threads, exactly the requests of a run of ours: `python tests/bench/replay.py ROLE_ARN FILE`.

FILE: JSON list of [service, operation, parameters, "caller" or "role"], in the order in which they were sent; whose credentials
a request goes with is in it. AssumeRole comes first. An error answer is an answer: ours had it too.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError


def main() -> None:
    with open(sys.argv[2], encoding="utf-8") as file:
        calls = [call for call in json.load(file) if call[1] != "AssumeRole"]
    config = Config(max_pool_connections=16, retries={"total_max_attempts": 1})
    given = boto3.client("sts", config=config).assume_role(RoleArn=sys.argv[1], RoleSessionName="replay")["Credentials"]
    role = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    sessions = {"caller": boto3.Session(), "role": role}
    clients = {(who, service): sessions[who].client(service, config=config) for who, service in {(call[3], call[0]) for call in calls}}

    def send(call: list) -> None:
        service, operation, parameters, who = call
        try:
            getattr(clients[who, service], xform_name(operation))(**parameters)
        except ClientError:
            pass

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(send, calls))


if __name__ == "__main__":
    main()
