"""One incident for `cloudtrail_made`: a key that leaked, what was minted and made with it in two accounts, and colleagues who do the same in good faith."""

from __future__ import annotations

import datetime
from typing import Any

from tests.bench.cloudtrail_made import DAYS, START, Estate

ADDRESS, AGENT = "198.51.100.23", "aws-cli/1.16.312 Python/3.6.0 Linux/5.4 kali"


def incident(estate: Estate) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """(events, truth). Truth: {suspect, account, start, end, principals: {id: kind}, writes, reads, denied: [eventID]}."""
    account, other = estate.accounts[0], estate.accounts[-1]
    user = {"type": "IAMUser", "principalId": f"AIDA{estate.word()}", "arn": f"arn:aws:iam::{account}:user/ci-release", "accountId": account,
            "accessKeyId": f"AKIA{estate.word()}", "userName": "ci-release"}  # fmt: skip
    events: list[dict[str, Any]] = []
    kinds: dict[str, list[str]] = {"writes": [], "reads": [], "denied": []}
    clock = START + datetime.timedelta(days=DAYS / 2)
    principals = {user["accessKeyId"]: "access_key", user["arn"]: "user"}

    def did(who: dict[str, Any], call: str, request: Any = None, response: Any = None, *, kind: str = "", error: str = "", where: str = "us-east-1",
            owner: str = "", minutes: float = 2) -> None:  # fmt: skip
        nonlocal clock
        clock += datetime.timedelta(minutes=minutes)
        service, _dot, name = call.partition(":")
        event = {"eventVersion": "1.11", "userIdentity": who, "eventTime": clock.strftime("%Y-%m-%dT%H:%M:%SZ"), "eventSource": f"{service}.amazonaws.com",
                 "eventName": name, "awsRegion": where, "sourceIPAddress": ADDRESS, "userAgent": AGENT, "requestParameters": request,
                 "responseElements": response, "requestID": estate.uuid(), "eventID": estate.uuid(), "readOnly": kind != "writes", "eventType": "AwsApiCall",
                 "managementEvent": True, "recipientAccountId": owner or account, "eventCategory": "Management"}  # fmt: skip
        if error:
            event |= {"errorCode": error, "errorMessage": f"User: {who['arn']} is not authorized to perform: {call}"}
        if kind:
            kinds[kind].append(event["eventID"])
        events.append(event)

    def session(role: str, name: str, key: str, owner: str) -> dict[str, Any]:
        unique = f"AROA{estate.word()}"
        arn = f"arn:aws:iam::{owner}:role/{role}"
        issuer = {"type": "Role", "principalId": unique, "arn": arn, "accountId": owner, "userName": role}
        made = clock.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"type": "AssumedRole", "principalId": f"{unique}:{name}", "arn": f"arn:aws:sts::{owner}:assumed-role/{role}/{name}", "accountId": owner, "accessKeyId": key,
                "sessionContext": {"sessionIssuer": issuer, "attributes": {"creationDate": made, "mfaAuthenticated": "false"}}}  # fmt: skip

    def assume(who: dict[str, Any], role: str, name: str, owner: str) -> dict[str, Any]:
        key = f"ASIA{estate.word()}"
        minted = session(role, name, key, owner)
        answer = {
            "credentials": {"accessKeyId": key, "expiration": "x"},
            "assumedRoleUser": {"assumedRoleId": minted["principalId"], "arn": minted["arn"]},
        }
        did(who, "sts:AssumeRole", {"roleArn": f"arn:aws:iam::{owner}:role/{role}", "roleSessionName": name}, answer)
        principals.update({key: "session", minted["arn"]: "session"})
        return minted

    start = clock
    did(user, "sts:GetCallerIdentity")
    did(user, "iam:ListUsers", error="AccessDenied", kind="denied")
    deploy = assume(user, "app-3", "release-job", account)
    did(deploy, "secretsmanager:GetSecretValue", {"secretId": "prod/db"}, kind="reads")
    did(
        deploy,
        "iam:CreateUser",
        {"userName": "svc-monitor"},
        {"user": {"userName": "svc-monitor", "userId": "AIDASVCMONITOR", "arn": f"arn:aws:iam::{account}:user/svc-monitor"}},
        kind="writes",
    )
    made = f"AKIA{estate.word()}"
    did(
        deploy,
        "iam:CreateAccessKey",
        {"userName": "svc-monitor"},
        {"accessKey": {"userName": "svc-monitor", "accessKeyId": made, "status": "Active"}},
        kind="writes",
    )
    did(
        deploy,
        "iam:AttachUserPolicy",
        {"userName": "svc-monitor", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
        kind="writes",
    )
    backdoor = {
        "type": "IAMUser",
        "principalId": "AIDASVCMONITOR",
        "arn": f"arn:aws:iam::{account}:user/svc-monitor",
        "accountId": account,
        "accessKeyId": made,
        "userName": "svc-monitor",
    }
    principals.update({made: "access_key", backdoor["arn"]: "user"})
    did(backdoor, "cloudtrail:StopLogging", {"name": "main"}, kind="writes", where="eu-west-1")
    did(backdoor, "iam:UpdateAssumeRolePolicy", {"roleName": "app-5", "policyDocument": "{}"}, kind="writes")
    far = assume(backdoor, "OrganizationAccountAccessRole", "admin", other)
    did(far, "iam:CreateRole", {"roleName": "AWSServiceRoleForSupportTools", "assumeRolePolicyDocument": "{}"},
        {"role": {"roleName": "AWSServiceRoleForSupportTools", "arn": f"arn:aws:iam::{other}:role/AWSServiceRoleForSupportTools"}}, kind="writes", owner=other)  # fmt: skip
    principals[f"arn:aws:iam::{other}:role/AWSServiceRoleForSupportTools"] = "role"
    did(far, "kms:ScheduleKeyDeletion", {"keyId": "k"}, error="AccessDenied", kind="denied", owner=other)
    did(backdoor, "cloudtrail:StartLogging", {"name": "main"}, kind="writes", where="eu-west-1", minutes=45)
    truth = {"suspect": user["accessKeyId"], "account": account, "start": start.strftime("%Y-%m-%dT%H:%M:%SZ"), "end": clock.strftime("%Y-%m-%dT%H:%M:%SZ"),
             "principals": principals, **kinds}  # fmt: skip
    return events, truth
