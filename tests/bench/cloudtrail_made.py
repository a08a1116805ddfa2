"""Makes CloudTrail as AWS delivers it to a bucket: gzip, `Records`, folders by account, region and day. The same seed makes the same bytes.

    python -m tests.bench.cloudtrail_made FOLDER --events 1000000 [--seed 1] [--plant]

The noise is made by people, pipelines and services that also do what attackers do (CreateAccessKey, AssumeRole, GetSecretValue). `--plant` hides one
incident in it, and writes beside FOLDER, in FOLDER.truth.json, whose deed it was and what it touched.
"""

from __future__ import annotations

import argparse
import datetime
import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REGIONS = ("us-east-1", "eu-west-1", "eu-central-1", "us-west-2", "ap-southeast-2")
START = datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC)
DAYS = 3
_SIZES = (20, 300, 3000, 12000, 30000)  # events in a file, up to some 45 MB plain
_AGENTS = ("aws-cli/2.15.30 md/awscrt#0.19.19 ua/2.0 os/linux#6.1.0 md/arch#x86_64 lang/python#3.11.8 md/pyimpl#CPython cfg/retry-mode#standard",
           "Boto3/1.34.69 md/Botocore#1.34.69 ua/2.0 os/linux#5.10.213 md/arch#x86_64 lang/python#3.12.2", "aws-sdk-go-v2/1.26.0 os/linux lang/go#1.22.1",
           "HashiCorp-Terraform/1.7.5 (+https://www.terraform.io) terraform-provider-aws/5.42.0 aws-sdk-go/1.50.36 (go1.20.14; linux; amd64)",
           "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0.0.0 Safari/537.36")  # fmt: skip
# (service, operation, read-only, request, response, how often). {n} is a number of few values, {x} one of many.
_CALLS: tuple[tuple[str, str, bool, Any, Any, int], ...] = (
    ("ec2", "DescribeInstances", True, {"instancesSet": {"items": [{"instanceId": "i-0abc{n}def01234567"}]}, "filterSet": {}}, None, 30),
    ("ec2", "DescribeNetworkInterfaces", True, {"networkInterfaceIdSet": {}, "filterSet": {"items": [{"name": "vpc-id", "valueSet": {"items": [{"value": "vpc-0{n}"}]}}]}}, None, 20),
    ("sts", "GetCallerIdentity", True, None, None, 15),
    ("sts", "AssumeRole", True, {"roleArn": "arn:aws:iam::{account}:role/app-{n}", "roleSessionName": "app-{x}", "durationSeconds": 3600},
     {"credentials": {"accessKeyId": "ASIA{x}", "sessionToken": "IQoJb3JpZ2luX2VjE{x}{x}{x}{x}{x}{x}", "expiration": "Nov 22, 2026, 10:00:00 AM"},
      "assumedRoleUser": {"assumedRoleId": "AROAAPP{n}:app-{x}", "arn": "arn:aws:sts::{account}:assumed-role/app-{n}/app-{x}"}}, 25),
    ("kms", "Decrypt", True, {"encryptionContext": {"aws:lambda:FunctionArn": "arn:aws:lambda:{region}:{account}:function:worker-{n}"}, "encryptionAlgorithm": "SYMMETRIC_DEFAULT"}, None, 30),
    ("logs", "CreateLogStream", False, {"logGroupName": "/aws/lambda/worker-{n}", "logStreamName": "2026/11/20/[$LATEST]{x}"}, None, 20),
    ("secretsmanager", "GetSecretValue", True, {"secretId": "arn:aws:secretsmanager:{region}:{account}:secret:prod/app-{n}-AbCdEf", "versionStage": "AWSCURRENT"}, None, 10),
    ("ssm", "GetParameter", True, {"name": "/prod/app-{n}/url", "withDecryption": True}, None, 10),
    ("s3", "GetBucketAcl", True, {"bucketName": "company-data-{n}", "Host": "company-data-{n}.s3.{region}.amazonaws.com", "acl": ""}, None, 12),
    ("iam", "ListRoles", True, {"maxItems": 100}, None, 6),
    ("iam", "CreateAccessKey", False, {"userName": "deploy-{n}"}, {"accessKey": {"userName": "deploy-{n}", "accessKeyId": "AKIA{x}", "status": "Active", "createDate": "Nov 20, 2026, 9:00:00 AM"}}, 1),
    ("iam", "AttachRolePolicy", False, {"roleName": "app-{n}", "policyArn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}, None, 1),
    ("iam", "CreateUser", False, {"userName": "deploy-{n}"}, {"user": {"userName": "deploy-{n}", "userId": "AIDA{x}", "arn": "arn:aws:iam::{account}:user/deploy-{n}", "path": "/"}}, 1),
    ("lambda", "UpdateFunctionCode20150331v2", False, {"functionName": "worker-{n}", "publish": False, "dryRun": False},
     {"functionName": "worker-{n}", "functionArn": "arn:aws:lambda:{region}:{account}:function:worker-{n}", "runtime": "python3.12", "role": "arn:aws:iam::{account}:role/app-{n}",
      "codeSize": 12345, "timeout": 30, "memorySize": 512, "environment": {}, "packageType": "Zip", "state": "Active"}, 3),
    ("cloudformation", "DescribeStacks", True, {"stackName": "app-{n}"}, None, 8),
    ("dynamodb", "DescribeTable", True, {"tableName": "orders-{n}"}, None, 8),
)  # fmt: skip


class Estate:
    """Accounts and who works in them; all made from ``random``."""

    def __init__(self, random: random.Random, accounts: int, principals: int) -> None:
        self.random = random
        self.accounts = [f"{random.randrange(10**11, 10**12)}" for _ in range(accounts)]
        self.actors: dict[str, list[tuple[str, str, str]]] = {}  # account -> (userIdentity, address, agent), as text
        for account in self.accounts:
            self.actors[account] = [self._actor(account, number) for number in range(principals)]

    def word(self, length: int = 16) -> str:
        return "".join(self.random.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=length))

    def _actor(self, account: str, number: int) -> tuple[str, str, str]:
        who: dict[str, Any]
        address, agent = f"203.0.113.{number % 250}", _AGENTS[number % len(_AGENTS)]
        if number % 10 < 3:
            name = ("deploy-{}", "ci-{}", "anna.{}")[number % 3].format(number)
            who = {"type": "IAMUser", "principalId": f"AIDA{self.word()}", "arn": f"arn:aws:iam::{account}:user/{name}", "accountId": account,
                   "accessKeyId": f"AKIA{self.word()}", "userName": name}  # fmt: skip
        elif number % 10 < 9:
            role, session, unique = f"app-{number}", f"i-{self.word(17).lower()}", f"AROA{self.word()}"
            who = {"type": "AssumedRole", "principalId": f"{unique}:{session}", "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session}", "accountId": account,
                   "accessKeyId": f"ASIA{self.word()}", "sessionContext": {"sessionIssuer": {"type": "Role", "principalId": unique, "arn": f"arn:aws:iam::{account}:role/{role}",
                   "accountId": account, "userName": role}, "attributes": {"creationDate": "2026-11-20T00:00:00Z", "mfaAuthenticated": "false"}, "ec2RoleDelivery": "2.0"}}  # fmt: skip
        else:
            who = {"type": "AWSService", "invokedBy": "lambda.amazonaws.com"}
            address = agent = "lambda.amazonaws.com"
        return json.dumps(who, separators=(",", ":")), address, agent

    def uuid(self) -> str:
        text = f"{self.random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def _templates(estate: Estate) -> dict[tuple[str, str], list[str]]:
    """{(account, region): events as text, with %-places for time, request id, event id, {n} and {x}}, in the frequency of their calls."""
    made = {}
    for account in estate.accounts:
        for region in REGIONS:
            texts: list[str] = []
            for who, address, agent in estate.actors[account]:
                for service, operation, read_only, request, response, often in estate.random.choices(_CALLS, [c[5] for c in _CALLS], k=6):
                    del often
                    denied = estate.random.random() < 0.03
                    place = "us-east-1" if service == "iam" else region
                    event: dict[str, Any] = {"eventVersion": "1.11", "userIdentity": "@who", "eventTime": "@time", "eventSource": f"{service}.amazonaws.com",
                             "eventName": operation, "awsRegion": place, "sourceIPAddress": address, "userAgent": agent}  # fmt: skip
                    if denied:
                        event |= {
                            "errorCode": "AccessDenied",
                            "errorMessage": f"User: someone is not authorized to perform: {service}:{operation} because no identity-based policy allows the {service}:{operation} action",
                        }
                    event |= {
                        "requestParameters": request,
                        "responseElements": None if denied else response,
                        "requestID": "@request",
                        "eventID": "@id",
                        "readOnly": read_only,
                    }
                    if service in ("kms", "secretsmanager"):
                        event["resources"] = [
                            {
                                "accountId": account,
                                "type": "AWS::KMS::Key",
                                "ARN": f"arn:aws:kms:{region}:{account}:key/3e4d2fa9-1111-4222-8333-{{n}}",
                            }
                        ]
                    event |= {"eventType": "AwsApiCall", "managementEvent": True, "recipientAccountId": account, "eventCategory": "Management",
                              "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader": f"{service}.{place}.amazonaws.com"}}  # fmt: skip
                    text = json.dumps(event, separators=(",", ":")).replace('"@who"', who).replace("%", "%%")
                    text = text.replace("{account}", account).replace("{region}", region).replace("{n}", "%(n)s").replace("{x}", "%(x)s")
                    texts.append(text.replace("@time", "%(t)s").replace("@request", "%(r)s").replace("@id", "%(i)s"))
            made[account, region] = texts
    return made


def files(
    events: int, *, seed: int = 1, accounts: int = 4, principals: int = 60, planted: list[dict[str, Any]] | None = None
) -> Iterator[tuple[str, str]]:
    """(path, JSON text) of every file. ``planted``: events to hide, each in the file of its account, region and time."""
    estate = Estate(random.Random(seed), accounts, principals)
    rng = estate.random
    templates = _templates(estate)
    waiting = list(planted or [])
    left, number = events - len(waiting), 0
    while left > 0:
        account, region = rng.choice(estate.accounts), rng.choices(REGIONS, (8, 4, 2, 1, 1))[0]
        size = min(left, rng.choice(_SIZES))
        begin = START + datetime.timedelta(seconds=DAYS * 86400 * (events - left) / events)
        texts = rng.choices(templates[account, region], k=size)
        bits = rng.getrandbits
        stamps = [(begin + datetime.timedelta(seconds=s)).strftime("%Y-%m-%dT%H:%M:%SZ") for s in range(300)]
        lines = []
        for index, text in enumerate(texts):
            h = f"{bits(256):064x}"
            lines.append(text % {"t": stamps[index * 300 // size], "r": f"{h[:8]}-{h[8:12]}-4{h[12:15]}-8{h[15:18]}-{h[18:30]}",
                                 "i": f"{h[30:38]}-{h[38:42]}-4{h[42:45]}-9{h[45:48]}-{h[48:60]}", "n": int(h[60:62], 16) % 50, "x": h[44:60].upper()})  # fmt: skip
        left -= size
        end = begin + datetime.timedelta(seconds=300)
        for event in [e for e in waiting if datetime.datetime.fromisoformat(e["eventTime"]) < end or left <= 0]:
            waiting.remove(
                event
            )  # several accounts' events may share a file, as those of an organization trail's never do: the loader goes by the record
            lines.insert(rng.randrange(len(lines) + 1), json.dumps(event, separators=(",", ":")))
        number += 1
        name = f"{account}_CloudTrail_{region}_{begin:%Y%m%dT%H%MZ}_{number:08d}.json.gz"
        yield f"AWSLogs/{account}/CloudTrail/{region}/{begin:%Y/%m/%d}/{name}", '{"Records":[' + ",".join(lines) + "]}"


def write(folder: Path, events: int, *, seed: int = 1, plant: bool = False, level: int = 6, **more: Any) -> dict[str, Any]:
    """Write the files. Returns {events, files, plain, packed (bytes), truth}."""
    truth: dict[str, Any] = {}
    planted: list[dict[str, Any]] = []
    if plant:
        from tests.bench import incident_made

        planted, truth = incident_made.incident(Estate(random.Random(seed), more.get("accounts", 4), more.get("principals", 60)))
        folder.with_name(folder.name + ".truth.json").write_text(json.dumps(truth, indent=1))
    total = {"events": events, "files": 0, "plain": 0, "packed": 0, "truth": truth}
    for path, text in files(events, seed=seed, planted=planted, **more):
        data = gzip.compress(text.encode(), level, mtime=0)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
        total["files"] += 1
        total["plain"] += len(text)
        total["packed"] += len(data)
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--accounts", type=int, default=4)
    parser.add_argument("--principals", type=int, default=60, help="in each account")
    parser.add_argument("--plant", action="store_true")
    options = parser.parse_args()
    print(
        json.dumps(
            write(
                options.folder,
                options.events,
                seed=options.seed,
                plant=options.plant,
                level=4,
                accounts=options.accounts,
                principals=options.principals,
            )
        )
    )


if __name__ == "__main__":
    main()
