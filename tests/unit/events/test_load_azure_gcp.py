"""Azure's and Google's logs from files: in the form of their APIs, and as diagnostic settings and sinks write them."""

import datetime
import json

from .logs_made import cloudtrail, gaps, loaded, put, rows

TENANT, SUBSCRIPTION = "aaaaaaaa-1111-4222-8333-444444444444", "bbbbbbbb-1111-4222-8333-444444444444"
OID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
UPN = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
AT = datetime.datetime(2026, 11, 22, 9)  # noqa: DTZ001 - the tables hold UTC without saying so
RESOURCE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/prod/providers/Microsoft.Compute/virtualMachines/web"

ACTIVITY = {
    "eventDataId": "e-1", "eventTimestamp": "2026-11-22T09:00:00.1234567Z", "caller": "anna@example.com", "category": {"value": "Administrative"},
    "operationName": {"value": "Microsoft.Compute/virtualMachines/delete", "localizedValue": "Delete"}, "resourceProviderName": {"value": "Microsoft.Compute"},
    "resourceId": RESOURCE, "status": {"value": "Failed"}, "subStatus": {"value": "Forbidden"}, "subscriptionId": SUBSCRIPTION.upper(), "correlationId": "c-1",
    "claims": {OID: "o-anna", UPN: "anna@example.com", "name": "Anna", "ipaddr": "203.0.113.7"}, "properties": {"statusMessage": "no"},
}  # fmt: skip
ACTIVITY_LINE = {
    "time": "2026-11-22T09:00:00Z", "resourceId": RESOURCE.upper(), "operationName": "MICROSOFT.COMPUTE/VIRTUALMACHINES/RUNCOMMAND/ACTION", "category": "Administrative",
    "resultType": "Success", "resultSignature": "Succeeded.OK", "callerIpAddress": "203.0.113.8", "correlationId": "c-2",
    "identity": {"authorization": {"scope": "/", "action": "x"}, "claims": {OID: "o-app", "appid": "app-1", "idtyp": "app"}}, "properties": {"entity": "x"},
}  # fmt: skip
AUDIT = {
    "id": "a-1", "category": "ApplicationManagement", "correlationId": "c-3", "result": "success", "resultReason": "", "activityDisplayName": "Add service principal credentials",
    "activityDateTime": "2026-11-22T09:00:00Z", "loggedByService": "Core Directory", "initiatedBy": {"user": {"id": "o-anna", "displayName": None,
    "userPrincipalName": "anna@example.com", "ipAddress": "203.0.113.7"}, "app": None}, "targetResources": [{"id": "sp-1", "displayName": "=cmd()", "type": "ServicePrincipal",
    "modifiedProperties": [{"displayName": "KeyDescription", "newValue": "[\"k\"]"}]}], "additionalDetails": [{"key": "User-Agent", "value": "curl/8"}],
}  # fmt: skip
SIGNIN = {
    "id": "s-1", "createdDateTime": "2026-11-22T09:00:00Z", "userDisplayName": "Anna", "userPrincipalName": "anna@example.com", "userId": "o-anna", "appId": "app-9",
    "appDisplayName": "Azure CLI", "ipAddress": "2001:db8::1", "correlationId": "c-4", "status": {"errorCode": 50126, "failureReason": "Invalid password"},
    "resourceDisplayName": "Azure Resource Manager", "resourceId": "r-9", "userAgent": "{{ 7*7 }}", "authenticationRequirement": "singleFactorAuthentication",
    "location": {"city": "Oslo", "countryOrRegion": "NO"}, "resourceTenantId": TENANT,
}  # fmt: skip
SP_SIGNIN = {"id": "s-2", "createdDateTime": "2026-11-22T09:00:00Z", "servicePrincipalId": "sp-1", "servicePrincipalName": "deploy", "servicePrincipalCredentialKeyId": "key-1",
             "appId": "app-1", "ipAddress": "203.0.113.9", "status": {"errorCode": 0}, "userId": ""}  # fmt: skip


def _line(category, properties, **more):
    return {"time": "2026-11-22T09:00:00Z", "resourceId": f"/tenants/{TENANT}/providers/Microsoft.aadiam", "category": category, "tenantId": TENANT,
            "operationName": "Sign-in activity", "resultType": "0", "properties": properties} | more  # fmt: skip


def test_azure_in_both_forms_and_mixed_in_one_file(tmp_path):
    case, logs = tmp_path / "case", tmp_path / "logs"
    put(logs / "activity.json", {"value": [ACTIVITY, ACTIVITY], "nextLink": "x"})
    put(logs / "audits.json", {"@odata.context": "x", "value": [AUDIT]}, packed=False)
    put(logs / "signins.json.gz", [SIGNIN], packed=True)
    lines = [ACTIVITY_LINE, _line("AuditLogs", AUDIT | {"id": "a-2", "result": "failure", "resultReason": "denied"}, operationName="Add user"),
             _line("ServicePrincipalSignInLogs", SP_SIGNIN), _line("SignInLogs", SIGNIN), {"category": "MicrosoftGraphActivityLogs", "properties": {}}]  # fmt: skip
    put(logs / "PT1H.json", "\n".join(json.dumps(line) for line in lines))
    put(logs / "hub.json", {"records": [ACTIVITY_LINE]})
    told = loaded(case, logs, "azure_activity", "entra_audit", "entra_signin")
    assert told.events == {"azure_activity": 2, "entra_audit": 2, "entra_signin": 2} and told.duplicates == 3
    assert told.left_out == {"other": 1} and told.gaps == 0 and gaps(case) == []
    found = {row["event_uid"]: row for row in rows(case)}
    one = found["e-1"]
    assert (one["time"], one["account"], one["service"], one["operation"]) == (
        AT.replace(microsecond=123456), SUBSCRIPTION, "Microsoft.Compute", "Microsoft.Compute/virtualMachines/delete")  # fmt: skip
    assert (one["status"], one["error_code"], one["error_message"]) == ("failure", "Forbidden", "no")
    assert (one["actor_type"], one["actor_arn"], one["actor_id"], one["actor_name"], one["src_ip"]) == (
        "user",
        "o-anna",
        "anna@example.com",
        "Anna",
        "203.0.113.7",
    )
    assert one["resources"] == [RESOURCE] and one["cloud"] == "azure" and json.loads(one["raw"]) == ACTIVITY
    (line,) = (row for uid, row in found.items() if uid.startswith("c-2/"))
    assert (line["actor_type"], line["actor_arn"], line["actor_id"], line["status"], line["src_ip"]) == (
        "service_principal",
        "o-app",
        "app-1",
        "success",
        "203.0.113.8",
    )
    assert line["account"] == SUBSCRIPTION and line["service"] == "MICROSOFT.COMPUTE"
    audit = found["a-1"]
    assert (audit["operation"], audit["actor_arn"], audit["actor_id"], audit["actor_type"]) == (
        "Add service principal credentials",
        "o-anna",
        "anna@example.com",
        "user",
    )
    assert audit["resources"] == ["sp-1"] and audit["user_agent"] == "curl/8" and json.loads(audit["request"]) == AUDIT["targetResources"]
    assert (found["a-2"]["status"], found["a-2"]["error_message"], found["a-2"]["account"]) == ("failure", "denied", TENANT)
    person, program = found["s-1"], found["s-2"]
    assert (person["status"], person["error_code"], person["error_message"], person["mfa"], person["category"]) == (
        "failure",
        "50126",
        "Invalid password",
        False,
        "signin",
    )
    assert (person["account"], person["src_ip"], person["service"], person["actor_type"]) == (
        TENANT,
        "2001:db8::1",
        "Azure Resource Manager",
        "user",
    )
    assert (program["actor_type"], program["actor_arn"], program["actor_id"], program["credential_uid"], program["status"]) == (
        "service_principal", "sp-1", "app-1", "key-1", "success")  # fmt: skip
    assert loaded(case, logs, "azure_activity", "entra_audit", "entra_signin").read == 0
    put(logs / "again.json", "\n".join(json.dumps(line) for line in lines))
    third = loaded(case, logs, "azure_activity", "entra_audit", "entra_signin")
    assert third.events == {} and third.duplicates == 4


def _entry(number, **payload):
    who = {"principalEmail": "ci@prod.iam.gserviceaccount.com", "principalSubject": "serviceAccount:ci@prod.iam.gserviceaccount.com",
           "serviceAccountKeyName": "//iam.googleapis.com/projects/prod/serviceAccounts/ci@prod.iam.gserviceaccount.com/keys/abc",
           "serviceAccountDelegationInfo": [{"firstPartyPrincipal": {"principalEmail": "anna@example.com"}}]}  # fmt: skip
    body = {"@type": "type.googleapis.com/google.cloud.audit.AuditLog", "status": {}, "authenticationInfo": who, "requestMetadata": {"callerIp": "203.0.113.7",
            "callerSuppliedUserAgent": "gcloud"}, "serviceName": "iam.googleapis.com", "methodName": "google.iam.admin.v1.CreateServiceAccountKey",
            "authorizationInfo": [{"resource": "projects/-/serviceAccounts/1", "permission": "iam.serviceAccountKeys.create", "granted": True, "permissionType": "ADMIN_WRITE"}],
            "resourceName": "projects/-/serviceAccounts/1", "request": {"name": "x"}, "resourceLocation": {"currentLocations": ["global"]}}  # fmt: skip
    return {"protoPayload": body | payload, "insertId": f"i{number}", "timestamp": "2026-11-22T09:00:00.123456789Z", "severity": "NOTICE", "operation": {"id": "op"},
            "resource": {"type": "service_account", "labels": {"project_id": "prod"}}, "logName": "projects/prod/logs/cloudaudit.googleapis.com%2Factivity"}  # fmt: skip


def test_google_in_both_forms(tmp_path):
    case, logs = tmp_path / "case", tmp_path / "logs"
    denied = _entry(
        2,
        status={"code": 7, "message": "PERMISSION_DENIED"},
        authenticationInfo={"principalSubject": "principal://iam.googleapis.com/x"},
        authorizationInfo=None,
    )
    read = _entry(3) | {"logName": "projects/prod/logs/cloudaudit.googleapis.com%2Fdata_access"}
    put(logs / "list.json", {"entries": [_entry(1), denied, {"textPayload": "x", "logName": "projects/prod/logs/syslog", "insertId": "z"}]})
    put(logs / "gcloud.json", json.dumps([_entry(1), read], indent=2))
    put(
        logs / "cloudaudit.googleapis.com/activity/2026/11/22/09:00:00_09:59:59_S0.json",
        "\n".join(json.dumps(e) for e in (_entry(1), _entry(4), _entry(3))),
    )
    told = loaded(case, logs, "gcp_audit")
    # The same insertId in another log is another entry: Google's own rule.
    assert told.events == {"gcp_audit": 5} and told.duplicates == 2 and told.left_out == {"other": 1}
    one, two, *same, _last = rows(case)
    assert (one["event_uid"], one["account"], one["region"], one["service"], one["status"], one["read_only"]) == (
        "i1",
        "prod",
        "global",
        "iam.googleapis.com",
        "success",
        False,
    )
    assert (one["actor_type"], one["actor_arn"], one["actor_account"], one["delegation"]) == (
        "service_account", "ci@prod.iam.gserviceaccount.com", "prod", ["anna@example.com"])  # fmt: skip
    assert (
        one["credential_uid"].endswith("/keys/abc") and one["resources"] == ["projects/-/serviceAccounts/1"] and one["shared_uid"] == "op"
    )
    assert (two["status"], two["error_code"], two["error_message"], two["actor_type"], two["actor_arn"]) == (
        "failure", "7", "PERMISSION_DENIED", "federated", "principal://iam.googleapis.com/x")  # fmt: skip
    assert [row["event_uid"] for row in same] == ["i3", "i3"] and {row["category"] for row in same} == {"data", "management"}
    put(logs / "later.json", [_entry(1), _entry(5)])
    assert loaded(case, logs, "gcp_audit").events == {"gcp_audit": 1}


def test_cloudtrails_own_files_are_not_taken_apart_for_other_clouds(tmp_path):
    logs, case = tmp_path / "logs", tmp_path / "case"
    put(logs / "trail.json.gz", {"Records": [cloudtrail(n) for n in range(300)]}, packed=True)
    put(logs / "bad.json", '{"Records":[' + json.dumps(cloudtrail(900)) + ",{")
    # What may hold several logs is looked at: only the wrapper in which AWS delivers says what a whole file is.
    activity = {"eventDataId": "e", "eventTimestamp": "2026-11-22T09:00:00Z", "resourceId": "/subscriptions/s/x"}
    put(logs / "mixed.jsonl", "\n".join(json.dumps(record) for record in (cloudtrail(1), activity)))
    put(logs / "hub.json", {"Records": [activity | {"eventDataId": "f", "caller": json.dumps(cloudtrail(2))}]})
    azure = loaded(case, logs, "azure_activity", "entra_audit", "entra_signin")
    assert azure.skipped == {"cloudtrail": 2} and azure.events == {"azure_activity": 2} and azure.gaps == 0
    assert loaded(case, logs, "azure_activity", "entra_audit", "entra_signin").known == 4
    aws = loaded(case, logs)
    assert aws.events == {"cloudtrail": 300 + 1} and aws.duplicates == 1 and aws.gaps == 1 and not aws.skipped
