# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sigma rules: every modifier and condition that is supported, each log, and what a finding says. The rules are made for these tests."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

pytest.importorskip("sigma.rule")

from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import sigma
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis.sigma import asking
from tests.unit.analysis.events_made import moment
from tests.unit.analysis.sigma_made import asked, call, files, find, logged, rule

KEY, ROLE = "arn:aws:iam::111122223333:user/ci", "arn:aws:iam::111122223333:role/deploy"
ASSUMED = {"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/deploy/x", "principalId": "AROAX:x", "accountId": "111122223333",
           "sessionContext": {"sessionIssuer": {"type": "Role", "arn": ROLE, "principalId": "AROAX"}, "attributes": {"mfaAuthenticated": "false"}}}  # fmt: skip
RECORDS = [
    call("key", "CreateAccessKey", source="iam", requestParameters={"userName": "Administrator"}, responseElements={"accessKey": {"accessKeyId": "AKIA1"}}),
    call("user", "CreateUser", source="iam", requestParameters={"UserName": "back_door%"}, sourceIPAddress="203.0.113.66", userAgent="Boto3/1.40 x"),
    call("open", "AuthorizeSecurityGroupIngress", source="ec2", sourceIPAddress="2001:DB8:0:1::5", requestParameters={
        "groupId": "sg-1", "ipPermissions": {"items": [{"fromPort": 22, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}},
                                                       {"fromPort": 8443, "ipRanges": {"items": [{"cidrIp": "10.0.0.0/8"}]}}]}}),
    call("fail", "ConsoleLogin", source="signin", errorMessage="Failed authentication", responseElements={"ConsoleLogin": "Failure"},
         additionalEventData={"MFAUsed": "No", "tries": 7}, readOnly=False),
    call("role", "GetCallerIdentity", source="sts", userIdentity=ASSUMED, sourceIPAddress="lambda.amazonaws.com", readOnly=True, userAgent=None,
         requestParameters={"tags": ["blue", "Green"], "path": "C:\\temp\\x", "note": "line\nbreak", "empty": "", "policyDocument": '{"Effect": "Allow"}'}),
]  # fmt: skip
ALL = {record["eventID"] for record in RECORDS}
CASES: list[tuple[t.Any, set[str]]] = [
    ({"eventName": "createaccesskey"}, {"key"}),
    ({"eventName": ["CreateUser", "CONSOLELOGIN", "Nothing"]}, {"user", "fail"}),
    ({"eventname": "CreateUser"}, {"user"}),  # fields without regard to case
    ({"eventSource": "iam.amazonaws.com"}, {"key", "user"}),
    ({"eventSource": "iam"}, set()),  # the value, not what the column has of it
    ({"eventName|cased": "CreateUser"}, {"user"}),
    ({"eventName|cased": "createuser"}, set()),
    ({"eventName|contains|cased": "Access"}, {"key"}),
    ({"eventName|contains|cased": "access"}, set()),
    ({"eventName|contains": ["acc", "group"]}, {"key", "open"}),
    ({"eventName|contains|all": ["create", "key"]}, {"key"}),
    ({"eventName|startswith": "get"}, {"role"}),
    ({"eventName|endswith": "USER"}, {"user"}),
    ({"eventName": "Create*"}, {"key", "user"}),
    ({"eventName": "*a*e*r*"}, {"user", "open", "role"}),
    ({"eventName": "Create????"}, {"user"}),
    ({"eventName": "*"}, ALL),
    ({"userAgent": "*"}, ALL - {"role"}),
    ({"eventName|re": "^Create(User|Role)$"}, {"user"}),
    ({"eventName|re": "createuser"}, set()),
    ({"eventName|re|i": "createuser"}, {"user"}),
    ({"requestParameters.note|re": "line.break"}, set()),
    ({"requestParameters.note|re|s": "line.break"}, {"role"}),
    ({"requestParameters.note|re|m": "^break$"}, {"role"}),
    ({"requestParameters.note": "line*break"}, {"role"}),
    ({"sourceIPAddress|cidr": "203.0.113.0/24"}, {"user"}),
    ({"sourceIPAddress|cidr": ["198.51.100.0/30", "192.0.2.0/24"]}, set()),
    ({"sourceIPAddress|cidr": "2001:db8::/32"}, {"open"}),
    ({"sourceIPAddress|cidr": "2001:db8:0:2::/64"}, set()),
    ({"requestParameters.ipPermissions.items.fromPort": 22}, {"open"}),
    ({"requestParameters.ipPermissions.items.fromPort|gt": 8000}, {"open"}),
    ({"requestParameters.ipPermissions.items.fromPort|gt": 9000}, set()),
    ({"requestParameters.ipPermissions.items.ipRanges.items.cidrIp": "0.0.0.0/0"}, {"open"}),
    ({"requestParameters.ipPermissions|contains": "10.0.0.0/8"}, {"open"}),
    ({"requestParameters|contains|all": ['"Effect": "Allow"', "*"]}, {"role"}),  # a policy is JSON in JSON
    ({"requestParameters.policyDocument|contains": '"Allow"'}, {"role"}),
    ({"requestParameters|contains": ['"userName":"Admin', "groupId"]}, {"key", "open"}),
    (['"Effect": "Allow"'], {"role"}),
    ({"requestParameters.tags": "green"}, {"role"}),
    ({"requestParameters.tags|contains": "gre"}, {"role"}),
    ({"requestParameters.username": "administrator"}, {"key"}),
    ({"requestParameters.userName|contains": "k_d"}, {"user"}),  # neither _ nor % is a wildcard
    ({"requestParameters.userName": "back?door%"}, {"user"}),
    ({"requestParameters.userName": "back-door%"}, set()),
    ({"requestParameters.path|startswith": "C:\\temp\\"}, {"role"}),
    ({"requestParameters.path": "c:\\\\temp\\\\x"}, {"role"}),  # an escaped backslash is one
    ({"requestParameters.path": "*\\temp*"}, {"role"}),
    ({"requestParameters.empty": ""}, {"role"}),
    ({"requestParameters.empty|exists": True, "requestParameters.tags|exists": True}, {"role"}),
    ({"additionalEventData.tries": 7}, {"fail"}),
    ({"additionalEventData.tries": "7"}, {"fail"}),
    ({"additionalEventData.tries|lt": 7}, set()),
    ({"additionalEventData.tries|lte": 7}, {"fail"}),
    ({"additionalEventData.tries|gte": 7.0}, {"fail"}),
    ({"readOnly": True}, {"role"}),
    ({"readOnly": False}, {"fail"}),
    ({"readOnly": "true"}, {"role"}),
    ({"userIdentity.sessionContext.attributes.mfaAuthenticated": False}, {"role"}),
    ({"userIdentity.sessionContext.sessionIssuer.arn|endswith": ":role/deploy"}, {"role"}),
    ({"errorMessage": None}, ALL - {"fail"}),
    ({"errorMessage|exists": True}, {"fail"}),
    ({"errorMessage|exists": False, "requestParameters": None}, set()),
    ({"userAgent": None}, {"role"}),
    ({"nowhere": None}, ALL),
    ({"nowhere|exists": True}, set()),
    ({"nowhere": "x"}, set()),
    ({"userIdentity.arn|fieldref": "userIdentity.arn"}, ALL),
    ({"userIdentity.arn|fieldref": "userIdentity.principalId"}, set()),
    ({"userIdentity.arn|fieldref|startswith": "userIdentity.arn"}, ALL),
    ({"eventSource|fieldref|contains": "requestParameters.empty"}, {"role"}),
    ({"responseElements.accessKey.accessKeyId|base64offset|contains": "AKIA1"}, set()),
    ({"eventName|neq": "CreateUser"}, ALL - {"user"}),
    ({"eventName|neq": ["CreateUser", "ConsoleLogin"]}, ALL - {"user", "fail"}),
    (["Administrator", "failed AUTHENT"], {"key", "fail"}),  # anywhere in the event
    (["C:\\temp"], {"role"}),
    (["back_door%", "line\nbreak"], {"user", "role"}),
    ({"|all": ["iam.amazonaws.com", "CreateUser"]}, {"user"}),
    ({"|re": "AKIA[0-9]"}, {"key"}),
    ([{"eventName": "CreateUser"}, {"eventSource": "ec2.amazonaws.com"}], {"user", "open"}),
    ({"a": {"eventName|startswith": "Create"}, "b": {"userAgent|contains": "boto"}, "condition": "a and not b"}, {"key"}),
    ({"a": {"eventName|startswith": "Create"}, "b": {"userAgent|contains": "boto"}, "condition": "not (a or b)"}, ALL - {"key", "user"}),
    ({"a": {"nowhere": "x"}, "condition": "not a"}, ALL),
    ({"sel_a": {"eventName": "CreateUser"}, "sel_b": {"eventName": "ConsoleLogin"}, "condition": "1 of sel_*"}, {"user", "fail"}),
    ({"sel_a": {"eventName|startswith": "Create"}, "sel_b": {"userAgent|contains": "aws"}, "condition": "all of them"}, {"key"}),
    ({"s": {"eventName|startswith": "Create"}, "filter_x": {"userAgent|contains": "boto"}, "condition": "s and not 1 of filter*"}, {"key"}),
    ({"a": {"eventName": "CreateUser"}, "b": {"eventName": "ConsoleLogin"}, "condition": ["a", "b"]}, {"user", "fail"}),
]  # fmt: skip


@pytest.mark.parametrize(("detection", "expected"), CASES, ids=[str(case[0])[:70] for case in CASES])
def test_what_a_rule_says_is_what_it_finds(detection: t.Any, expected: set[str]) -> None:
    with logged(RECORDS) as database:
        assert asked(database, detection) == expected
        assert asked(database, detection, narrow=True) >= expected


AZURE = [
    {"time": "2026-11-20T10:00:00Z", "resourceId": "/SUBSCRIPTIONS/S-1/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/V", "category": "Administrative",
     "operationName": "MICROSOFT.KEYVAULT/VAULTS/WRITE", "resultType": "Success", "callerIpAddress": "203.0.113.66", "correlationId": "c",
     "properties": {"eventDataId": "lines", "message": "Microsoft.KeyVault/vaults/write", "entity": "v"}, "identity": {"claims": {"appid": "a-1"}}},
    {"eventDataId": "graph", "eventTimestamp": "2026-11-20T10:00:00Z", "caller": "ann@example.com", "subscriptionId": "s-1",
     "operationName": {"value": "Microsoft.Authorization/roleAssignments/write", "localizedValue": "Create role assignment"},
     "status": {"value": "Succeeded"}, "category": {"value": "Administrative"}, "httpRequest": {"clientIpAddress": "198.51.100.7"}},
]  # fmt: skip
AUDIT = [
    {"id": "graph", "activityDateTime": "2026-11-20T10:00:00Z", "activityDisplayName": "Add service principal credentials", "category": "ApplicationManagement",
     "result": "success", "loggedByService": "Core Directory", "initiatedBy": {"user": {"id": "u-1", "userPrincipalName": "ann@example.com"}},
     "targetResources": [{"id": "app-1", "modifiedProperties": [{"displayName": "KeyDescription", "newValue": "[\"x\"]"}]}]},
    {"time": "2026-11-20T10:01:00Z", "category": "AuditLogs", "operationName": "Add member to role", "resourceId": "/tenants/t-1/x", "tenantId": "t-1",
     "properties": {"id": "lines", "activityDateTime": "2026-11-20T10:01:00Z", "activityDisplayName": "Add member to role", "category": "RoleManagement",
                    "result": "failure", "loggedByService": "PIM", "targetResources": [{"id": "g-1", "displayName": "Global Administrator"}]}},
]  # fmt: skip
SIGNIN = [
    {"id": "graph", "createdDateTime": "2026-11-20T10:00:00Z", "userPrincipalName": "ann@example.com", "userId": "u-1", "appId": "app-1",
     "appDisplayName": "Azure CLI", "ipAddress": "203.0.113.66", "status": {"errorCode": 50126, "failureReason": "Invalid password"},
     "clientAppUsed": "Mobile Apps and Desktop clients", "authenticationRequirement": "singleFactorAuthentication", "location": {"countryOrRegion": "BR"}},
    {"time": "2026-11-20T10:01:00Z", "category": "SignInLogs", "operationName": "Sign-in activity", "resultType": "0", "tenantId": "t-1",
     "properties": {"id": "lines", "createdDateTime": "2026-11-20T10:01:00Z", "userPrincipalName": "bob@example.com", "userId": "u-2", "appId": "app-2",
                    "ipAddress": "198.51.100.7", "authenticationRequirement": "multiFactorAuthentication", "deviceDetail": {"trustType": ""}}},
]  # fmt: skip
GOOGLE = [
    {"insertId": "key", "timestamp": "2026-11-20T10:00:00Z", "logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity",
     "resource": {"type": "service_account", "labels": {"project_id": "p"}},
     "protoPayload": {"serviceName": "iam.googleapis.com", "methodName": "google.iam.admin.v1.CreateServiceAccountKey", "resourceName": "projects/-/serviceAccounts/1",
                      "authenticationInfo": {"principalEmail": "ci@p.iam.gserviceaccount.com"}, "requestMetadata": {"callerIp": "203.0.113.66"},
                      "authorizationInfo": [{"permission": "iam.serviceAccountKeys.create", "granted": True}]}},
    {"insertId": "list", "timestamp": "2026-11-20T10:01:00Z", "logName": "projects/p/logs/cloudaudit.googleapis.com%2Fdata_access",
     "resource": {"type": "gcs_bucket", "labels": {"project_id": "p"}},
     "protoPayload": {"serviceName": "storage.googleapis.com", "methodName": "storage.buckets.list", "authenticationInfo": {"principalEmail": "ann@example.com"},
                      "requestMetadata": {"callerIp": "198.51.100.7"}}},
]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "records", "detection", "expected"),
    [
        ("azure_activity", AZURE, {"operationName|startswith": "Microsoft.KeyVault/vaults/"}, {"lines"}),
        ("azure_activity", AZURE, {"OperationNameValue": "MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE"}, {"graph"}),
        ("azure_activity", AZURE, {"properties.message|endswith": "/vaults/write"}, {"lines"}),
        ("azure_activity", AZURE, {"properties.entity": "v"}, {"lines"}),
        ("azure_activity", AZURE, {"status": ["Succeeded", "Success"]}, {"lines", "graph"}),
        ("azure_activity", AZURE, {"ResourceId|contains": "/vaults/v"}, {"lines"}),
        ("azure_activity", AZURE, {"callerIpAddress|cidr": "198.51.100.0/24"}, {"graph"}),
        ("azure_activity", AZURE, {"identity.claims.appid": "a-1"}, {"lines"}),
        ("entra_audit", AUDIT, {"properties.message": ["Add member to role", "Nothing"]}, {"lines"}),
        ("entra_audit", AUDIT, {"operationName|contains": "credentials"}, {"graph"}),
        ("entra_audit", AUDIT, {"properties.result": "failure"}, {"lines"}),
        ("entra_audit", AUDIT, {"result": "success"}, {"graph"}),
        ("entra_audit", AUDIT, {"LoggedByService": "PIM"}, {"lines"}),
        ("entra_audit", AUDIT, {"TargetResources.displayName|endswith": "administrator"}, {"lines"}),
        ("entra_audit", AUDIT, {"properties.targetResources.modifiedProperties.displayName": "KeyDescription"}, {"graph"}),
        ("entra_audit", AUDIT, {"InitiatedBy.user.userPrincipalName|endswith": "@example.com"}, {"graph"}),
        ("entra_signin", SIGNIN, {"ResultType": 50126}, {"graph"}),
        ("entra_signin", SIGNIN, {"ResultType": "0"}, {"lines"}),
        ("entra_signin", SIGNIN, {"ResultDescription|contains": "password"}, {"graph"}),
        ("entra_signin", SIGNIN, {"Username|startswith": "BOB@"}, {"lines"}),
        ("entra_signin", SIGNIN, {"properties.authenticationRequirement": "singleFactorAuthentication"}, {"graph"}),
        ("entra_signin", SIGNIN, {"Status": "Success"}, {"lines"}),
        ("entra_signin", SIGNIN, {"Location": "BR", "ClientApp|contains": "Desktop"}, {"graph"}),
        ("entra_signin", SIGNIN, {"DeviceDetail.trusttype": ""}, {"lines"}),
        ("gcp_audit", GOOGLE, {"gcp.audit.method_name|endswith": ".CreateServiceAccountKey"}, {"key"}),
        ("gcp_audit", GOOGLE, {"data.protoPayload.methodName": "storage.buckets.list"}, {"list"}),
        ("gcp_audit", GOOGLE, {"data.protoPayload.serviceName": "iam.googleapis.com"}, {"key"}),
        ("gcp_audit", GOOGLE, {"protoPayload.authorizationInfo.permission": "iam.serviceAccountKeys.create"}, {"key"}),
        ("gcp_audit", GOOGLE, {"gcp.audit.authentication_info.principal_email|endswith": "gserviceaccount.com"}, {"key"}),
        ("gcp_audit", GOOGLE, {"data.resource.type": "gcs_bucket"}, {"list"}),
        ("gcp_audit", GOOGLE, {"protoPayload.authorizationInfo.granted": True}, {"key"}),
    ],
)  # fmt: skip
def test_fields_as_the_public_rules_of_each_log_name_them(source: str, records: list[t.Any], detection: t.Any, expected: set[str]) -> None:
    with logged(records, source) as database:
        assert asked(database, detection, source) == expected


def test_a_finding_tells_the_rule_and_whose_calls_they_are(tmp_path: Path) -> None:
    made = rule({"eventName|startswith": "Create"}, id="0d2c0f4e-6b5e-4c5b-8c2e-3d2b7b1d9a01", title="Made something", level="high",
                tags=["attack.persistence", "attack.t1098.001", "attack.T1136", "cve.2021.1"])  # fmt: skip
    with logged(RECORDS) as database:
        database.run("INSERT INTO acts SELECT *, 'AKIA9', 95, 'rogue' FROM events WHERE event_uid = 'user'")
        answer = find(database, files(tmp_path / "rules", made=made))
    rogue, other = answer.findings
    assert (rogue["verdict"], rogue["tainted"], rogue["by"], rogue["evidence"], rogue["object"]) == (
        "rogue",
        True,
        ["AKIA9"],
        ["user"],
        KEY,
    )
    assert (other["verdict"], other["tainted"], other["by"], other["evidence"]) == ("review", False, [], ["key"])
    assert (
        other["sigma"] == {"id": made["id"], "title": "Made something", "level": "high", "file": "rules/made.yml"}
        and other["confidence"] == 70
    )
    assert other["mitre"] == ["T1098.001", "T1136"] and other["operations"] == ["iam:CreateAccessKey"] and other["count"] == 1
    assert answer.rules == [
        {"file": "rules/made.yml", "id": made["id"], "title": "Made something", "level": "high", "hits": 2, "absent": []}
    ]
    assert answer.unknown == [] and len({one["id"] for one in answer.findings}) == 2


def test_what_is_outside_of_the_window_is_the_attackers_or_no_finding(tmp_path: Path) -> None:
    records = [call(f"at-{hour}", eventTime=f"2026-11-20T{hour}:00:00Z") for hour in ("08", "10", "12", "13")] + [
        call("when", eventTime="?")
    ]
    with logged(records) as database:
        database.run("INSERT INTO acts SELECT *, 'AKIA9', 95, 'rogue' FROM events WHERE event_uid = 'at-13'")
        answer = sigma.find(database, [files(tmp_path, all=rule({"eventName": "ListBuckets"}))], moment("09:00"), moment("11:00"))
    assert {one["verdict"]: one["evidence"] for one in answer.findings} == {"rogue": ["at-13"], "review": ["at-10", "when"]}


def test_evidence_and_identities_are_bounded_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST", 3)
    who = [{"type": "IAMUser", "arn": f"arn:aws:iam::111122223333:user/u{n}", "principalId": f"AIDA{n}"} for n in range(5)]
    records = [call(f"e{n:03}", userIdentity=who[0]) for n in range(60)] + [call(f"f{n}", userIdentity=who[n]) for n in range(1, 5)]
    with logged(records) as database:
        answer = find(database, files(tmp_path, all=rule({"eventName": "ListBuckets"})))
    assert [(one["count"], len(one["evidence"])) for one in answer.findings] == [(60, 50), (1, 1), (1, 1)]
    assert [one["why"] for one in answer.unknown] == ["2 more identities than 3 are counted, not listed"]
    assert [one["hits"] for one in answer.rules] == [64]


def test_fields_that_no_event_has_are_told(tmp_path: Path) -> None:
    with logged(RECORDS) as database:
        answer = find(database, files(tmp_path, one=rule({"eventName": "CreateUser", "requestParameters.noSuch|contains": "x"})))
    assert [one["absent"] for one in answer.rules] == [["requestParameters.noSuch"]] and answer.findings == []


def test_what_is_kept_aside_for_the_rules_changes_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules read a part of the log, or all of it, by how much that part is: the answer is the same, and is that of the rule by itself."""
    folder = files(tmp_path, **{f"rule{n:03}": rule(detection, title=f"Rule {n}") for n, (detection, _expected) in enumerate(CASES)})
    with logged(RECORDS) as database:
        database.run("INSERT INTO acts SELECT *, 'AKIA9', 95, 'rogue' FROM events WHERE event_uid = 'user'")
        answers = []
        for most in (0, 2, 300_000):
            monkeypatch.setattr(asking, "_HELD", most)
            answers.append(find(database, folder))
        assert database.rows("SELECT count(*) AS n FROM information_schema.tables WHERE table_name LIKE 'sigma%'")[0]["n"] == 0
    assert answers[0].findings == answers[1].findings == answers[2].findings and answers[0].rules == answers[2].rules
    found: dict[str, set[str]] = {}
    for one in answers[0].findings:
        found.setdefault(one["sigma"]["title"], set()).update(one["evidence"])
    assert answers[0].unknown == [] and found == {f"Rule {n}": expected for n, (_detection, expected) in enumerate(CASES) if expected}


def test_a_source_with_another_end_is_asked_as_it_is_written(tmp_path: Path) -> None:
    """The column has a service without ``.amazonaws.com``; as soon as one event has another end the event itself is asked."""
    records = [
        call("plain", source="iam"),
        {**call("china"), "eventSource": "iam.amazonaws.com.cn"},
        {**call("other"), "eventSource": "iam"},
    ]
    with logged(records) as database:
        assert asked(database, {"eventSource": "iam.amazonaws.com"}) == {"plain"}
        assert asked(database, {"eventSource|endswith": ".cn"}) == {"china"} and asked(database, {"eventSource": "iam"}) == {"other"}
    with logged(records[:1]) as database:
        assert (
            asked(database, {"eventSource": "iam.amazonaws.com"})
            == asked(database, {"eventSource|cased": "iam.amazonaws.com"})
            == {"plain"}
        )
