# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings of each detector, in the shapes that their references give, become an incident of the narrowest identity; hostile ones become nothing."""

from __future__ import annotations

import copy
import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.evict.cloud.plugins.module_utils.common import errors, from_finding, incident, intake

NOW = dt.datetime(2026, 11, 23, 14, 15, 3, tzinfo=dt.UTC)
KEY, SESSION, ACCOUNT = "AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE", "111122223333"
TENANT, USER = "5f3e0f0a-0a0b-4c4d-8e8f-000000000001", "5f3e0f0a-0a0b-4c4d-8e8f-000000000002"
GCP = "ci@shop-prod.iam.gserviceaccount.com"

GUARDDUTY: dict[str, Any] = {
    "SchemaVersion": "2.0", "AccountId": ACCOUNT, "Region": "eu-west-1", "Id": "gd-1", "Type": "UnauthorizedAccess:IAMUser/TorIPCaller", "Severity": 8,
    "Title": "API DescribeInstances was invoked from a Tor exit node.",
    "Resource": {"ResourceType": "AccessKey", "AccessKeyDetails": {"AccessKeyId": KEY, "PrincipalId": "AIDAEXAMPLE", "UserName": "ci", "UserType": "IAMUser"}},
    "Service": {"EventFirstSeen": "2026-11-22T08:00:00.000Z", "EventLastSeen": "2026-11-22T09:00:00.000Z",
                "Action": {"ActionType": "AWS_API_CALL", "AwsApiCallAction": {"Api": "DescribeInstances", "RemoteIpDetails": {"IpAddressV4": "198.51.100.7"}}}},
}  # fmt: skip
ROLE_OF_FINDING = {"AccessKeyId": SESSION, "PrincipalId": "AROAEXAMPLE:i-0123456789abcdef0", "UserName": "web", "UserType": "AssumedRole"}
ASFF: dict[str, Any] = {
    "SchemaVersion": "2018-10-08", "Id": "asff-1", "ProductArn": "arn:aws:securityhub:eu-west-1::product/aws/guardduty", "AwsAccountId": ACCOUNT,
    "Types": ["TTPs/Discovery"], "Title": "Key used from Tor", "Severity": {"Label": "CRITICAL"}, "FirstObservedAt": "2026-11-22T08:00:00Z",
    "Resources": [
        {"Type": "AwsIamAccessKey", "Id": f"AWS::IAM::AccessKey:{KEY}", "Region": "eu-west-1",
         "Details": {"AwsIamAccessKey": {"PrincipalId": "AIDAEXAMPLE", "PrincipalName": "ci", "PrincipalType": "IAMUser"}}},
        {"Type": "AwsS3Bucket", "Id": "arn:aws:s3:::customer-data"},
    ],
}  # fmt: skip
OCSF: dict[str, Any] = {
    "class_uid": 2004, "category_uid": 2, "activity_id": 1, "severity_id": 5, "metadata": {"version": "1.6.0", "product": {"name": "Security Hub"}},
    "finding_info": {"uid": "ocsf-1", "title": "Credential exfiltration", "first_seen_time": 1795334400000},
    "cloud": {"provider": "AWS", "account": {"uid": ACCOUNT}, "region": "eu-west-1"},
    "evidences": [{"actor": {"user": {"uid": f"arn:aws:iam::{ACCOUNT}:user/ci", "credential_uid": KEY}}, "src_endpoint": {"ip": "198.51.100.7"}}],
    "resources": [{"type": "AWS::S3::Bucket", "uid": "arn:aws:s3:::customer-data"}],
}  # fmt: skip
HEALTH: dict[str, Any] = {
    "source": "aws.health", "detail-type": "AWS Health Event", "account": ACCOUNT,
    "detail": {"eventArn": "arn:aws:health:global::event/RISK/AWS_RISK_CREDENTIALS_EXPOSED/x", "service": "RISK", "eventTypeCode":
               "AWS_RISK_CREDENTIALS_EXPOSED", "startTime": "Sun, 22 Nov 2026 08:00:00 GMT", "affectedEntities": [{"entityValue": KEY}]},
}  # fmt: skip
QUARANTINE: dict[str, Any] = {
    "source": "aws.iam", "detail-type": "AWS API Call via CloudTrail",
    "detail": {"eventID": "q-1", "eventName": "AttachUserPolicy", "eventTime": "2026-11-22T08:00:00Z", "recipientAccountId": ACCOUNT,
               "userIdentity": {"type": "Root", "accountId": ACCOUNT, "invokedBy": "AWS Internal"},
               "requestParameters": {"userName": "ci", "policyArn": "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"}},
}  # fmt: skip
DEFENDER: dict[str, Any] = {
    "id": "da-1", "providerAlertId": "p-1", "tenantId": TENANT, "title": "Unfamiliar sign-in properties", "severity": "high",
    "detectionSource": "azureAdIdentityProtection", "firstActivityDateTime": "2026-11-22T08:00:00Z",
    "evidence": [{"@odata.type": "#microsoft.graph.security.userEvidence", "userAccount": {"azureAdUserId": USER, "userPrincipalName": "ada@contoso.com"}},
                 {"@odata.type": "#microsoft.graph.security.ipEvidence", "ipAddress": "198.51.100.7"}],
}  # fmt: skip
SENTINEL: dict[str, Any] = {
    "SystemAlertId": "sa-1", "AlertName": "Leaked credentials", "AlertSeverity": "High", "TenantId": "workspace", "StartTime": "2026-11-22T08:00:00Z",
    "Entities": json.dumps([{"$id": "1", "Type": "account", "Name": "ada", "UPNSuffix": "contoso.com", "AadTenantId": TENANT, "AadUserId": USER},
                            {"Type": "ip", "Address": "198.51.100.7"}]),
}  # fmt: skip
INCIDENT_OF_SENTINEL: dict[str, Any] = {
    "object": {"name": "si-1", "properties": {"title": "Leaked credentials", "severity": "Medium", "createdTimeUtc": "2026-11-22T08:00:00Z", "relatedEntities": [
        {"kind": "Account", "properties": {"accountName": "ada", "upnSuffix": "contoso.com", "aadTenantId": TENANT, "aadUserId": USER}}]}},
}  # fmt: skip
SCC: dict[str, Any] = {
    "notificationConfigName": "organizations/1/notificationConfigs/x",
    "finding": {"name": "organizations/1/sources/2/findings/3", "category": "Exfiltration: BigQuery Data Exfiltration", "severity": "HIGH",
                "eventTime": "2026-11-22T08:00:00Z", "resourceName": "//bigquery.googleapis.com/projects/shop-prod/datasets/d",
                "access": {"principalEmail": GCP, "callerIp": "198.51.100.7",
                           "serviceAccountKeyName": f"//iam.googleapis.com/projects/shop-prod/serviceAccounts/{GCP}/keys/{'a' * 40}"}},
}  # fmt: skip


def changed(finding: dict[str, Any], *path: str | int, to: Any) -> dict[str, Any]:
    found = copy.deepcopy(finding)
    inner: Any = found
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    return found


def run(directory: Path, finding: Any, check: bool = False, **more: Any) -> dict[str, Any]:
    file = directory / "finding.json"
    file.write_text(finding if isinstance(finding, str) else json.dumps(finding), encoding="utf-8")
    return from_finding.run({"finding": "finding.json", "directory": str(directory), **more}, check=check, now=NOW)


AWS_KEY = {"cloud": "aws", "account": ACCOUNT, "access_key_id": KEY}
AZURE_USER = {"cloud": "azure", "tenant": TENANT, "user": USER}


@pytest.mark.parametrize(
    ("finding", "form", "suspect", "severity"),
    [
        (GUARDDUTY, "GuardDuty", AWS_KEY, "high"),
        ({"Findings": [GUARDDUTY]}, "GuardDuty", AWS_KEY, "high"),
        ({"source": "aws.guardduty", "detail": intake.finding.camel(GUARDDUTY)}, "GuardDuty", AWS_KEY, "high"),
        (
            changed(GUARDDUTY, "Resource", "AccessKeyDetails", to=ROLE_OF_FINDING),
            "GuardDuty",
            {**AWS_KEY, "access_key_id": SESSION},
            "high",
        ),
        (
            changed(GUARDDUTY, "Resource", "AccessKeyDetails", to={"UserType": "Root", "AccessKeyId": SESSION, "UserName": "Root"}),
            "GuardDuty",
            {"cloud": "aws", "account": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root"},
            "high",
        ),
        (
            changed(GUARDDUTY, "Resource", to={"ResourceType": "Instance", "InstanceDetails": {"InstanceId": "i-0123456789abcdef0"}}),
            "GuardDuty",
            {"cloud": "aws", "account": ACCOUNT, "instance": "i-0123456789abcdef0"},
            "high",
        ),
        (changed(GUARDDUTY, "Severity", to=9.2), "GuardDuty", AWS_KEY, "critical"),
        (ASFF, "Security Hub (ASFF)", AWS_KEY, "critical"),
        ({"source": "aws.securityhub", "detail": {"findings": [ASFF]}}, "Security Hub (ASFF)", AWS_KEY, "critical"),
        (
            changed(ASFF, "Resources", to=[{"Type": "AwsIamRole", "Id": f"arn:aws:iam::{ACCOUNT}:role/web"}]),
            "Security Hub (ASFF)",
            {"cloud": "aws", "account": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:role/web"},
            "critical",
        ),
        (OCSF, "OCSF Detection Finding", AWS_KEY, "critical"),
        ({"source": "aws.securityhub", "detail": {"findings": [OCSF]}}, "OCSF Detection Finding", AWS_KEY, "critical"),
        (HEALTH, "AWS Health", AWS_KEY, "critical"),
        (QUARANTINE, "AWS key quarantine", {"cloud": "aws", "account": ACCOUNT, "user": "ci"}, "critical"),
        (QUARANTINE["detail"], "AWS key quarantine", {"cloud": "aws", "account": ACCOUNT, "user": "ci"}, "critical"),
        (DEFENDER, "Microsoft Defender (Graph alert)", AZURE_USER, "high"),
        (SENTINEL, "Microsoft Sentinel or Defender for Cloud", AZURE_USER, "high"),
        (INCIDENT_OF_SENTINEL, "Microsoft Sentinel or Defender for Cloud", AZURE_USER, "medium"),
        (
            SCC,
            "Security Command Center",
            {"cloud": "gcp", "project": "shop-prod", "service_account": GCP, "key_id": "a" * 40},
            "high",
        ),
    ],
)
def test_each_format_gives_the_narrowest_identity(
    tmp_path: Path, finding: dict[str, Any], form: str, suspect: dict[str, str], severity: str
) -> None:
    result = run(tmp_path, finding)
    written = incident.validate(incident.load(result["incident_file"]), "x", now=NOW)
    assert result["changed"] and result["formats"] == [form]
    assert [s.as_dict() for s in written.suspects] == [suspect]
    assert (written.severity, written.id, result["severity"]) == (severity, result["incident"], severity)
    assert written.window.start == dt.datetime(2026, 11, 22, 8, tzinfo=dt.UTC)


def test_a_second_time_nothing_is_written_and_a_persons_edits_stay(tmp_path: Path) -> None:
    file = Path(run(tmp_path, GUARDDUTY)["incident_file"])
    text = file.read_text().replace("severity: high", "severity: low")
    file.write_text(text)
    again = run(tmp_path, GUARDDUTY)
    assert not again["changed"] and file.read_text() == text and "stays as it is" in again["notes"][0]


def test_check_mode_writes_no_file(tmp_path: Path) -> None:
    result = run(tmp_path, GUARDDUTY, check=True)
    assert result["changed"] and KEY in result["diff"]["after"] and not Path(result["incident_file"]).exists()


def test_several_findings_are_one_incident_of_the_worst_of_them(tmp_path: Path) -> None:
    other = changed(changed(GUARDDUTY, "Id", to="gd-2"), "Resource", "AccessKeyDetails", "AccessKeyId", to="AKIAI44QH8DHBEXAMPLE")
    lines = "\n".join(json.dumps(f) for f in (changed(GUARDDUTY, "Severity", to=2), other, GUARDDUTY, ASFF))
    result = run(tmp_path, lines)
    assert len(result["suspects"]) == 2 and result["severity"] == "critical" and result["title"].endswith("(and 3 more findings)")
    assert run(tmp_path, "\n".join(reversed(lines.splitlines())))["incident"] == result["incident"]


def test_the_template_gives_connection_and_store(tmp_path: Path) -> None:
    (tmp_path / "t.yml").write_text(
        "incident: {store: ./ir, severity: low, connection: {aws: {profile: ir}}, protected: ['arn:aws:iam::111122223333:role/b']}"
    )
    raw = yaml.safe_load(Path(run(tmp_path, GUARDDUTY, template="t.yml")["incident_file"]).read_text())["incident"]
    assert (raw["store"], raw["severity"], raw["connection"]) == ("./ir", "high", {"aws": {"profile": "ir"}})


@pytest.mark.parametrize(
    ("finding", "path", "why"),
    [
        ({"hello": "world"}, "finding", "no finding that is known here (GuardDuty, "),
        ([1, 2], "[0]", "no finding that is known"),
        (changed(GUARDDUTY, "Service", "AdditionalInfo", to={"Sample": True}), "", "is a sample"),
        (changed(GUARDDUTY, "Resource", "AccessKeyDetails", "AccessKeyId", to="GeneratedFindingAccessKeyId"), "", "is a sample"),
        (changed(GUARDDUTY, "Resource", to={"ResourceType": "EKSCluster"}), "finding", "is about EKSCluster"),
        (
            changed(GUARDDUTY, "Resource", "AccessKeyDetails", "AccessKeyId", to="AKIA; rm -rf /"),
            "resource.accessKeyDetails.access_key_id",
            "AKIA; rm -rf",
        ),
        (changed(GUARDDUTY, "Service", "EventFirstSeen", to="yesterday"), "GuardDuty, when it began", "is not a time"),
        (changed(GUARDDUTY, "AccountId", to="1111"), "resource.accessKeyDetails.account", "must be 12 digits"),
        (changed(ASFF, "Resources", to=[{"Type": "AwsS3Bucket", "Id": "arn:aws:s3:::b"}]), "finding", "none of its resources"),
        (changed(OCSF, "cloud", "provider", to="GCP"), "cloud.provider", "only OCSF findings of AWS"),
        (changed(OCSF, "evidences", to=[]), "finding", "names no identity"),
        (changed(HEALTH, "detail", "affectedEntities", to=[]), "detail.affectedEntities", "no access key"),
        (changed(QUARANTINE, "detail", "requestParameters", "userName", to=["x"]), "detail.requestParameters.userName", "no user name"),
        (changed(DEFENDER, "evidence", to=[{"@odata.type": "#microsoft.graph.security.ipEvidence"}]), "finding", "no user, application"),
        (changed(DEFENDER, "tenantId", to=None), "evidence[0].userAccount.tenant", "is empty"),
        (changed(SENTINEL, "Entities", to="[{"), "Entities", "no account"),
        (
            changed(SENTINEL, "Entities", to=json.dumps([{"Type": "account", "AadUserId": USER}])),
            "Entities[0]",
            "the workspace's id is not one",
        ),
        (changed(SCC, "finding", "access", to={}), "finding.access", "neither a principal"),
        (changed(SCC, "finding", "access", to={"principalEmail": "x"}), "finding.access.principalEmail.user", "not an e-mail"),
    ],
)
def test_what_is_no_identity_is_refused_by_its_path(tmp_path: Path, finding: Any, path: str, why: str) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        run(tmp_path, finding)
    assert any(where == path and why in message for where, message in caught.value.problems), caught.value.problems
    assert list(tmp_path.glob("incident-*")) == []


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, why in (
        ("pipe", "not a regular file"),
        (".", "not a regular file"),
        ("nowhere.json", "cannot be read"),
        ("a\0b", "not a path"),
    ):
        with pytest.raises(errors.InvalidInput) as caught:
            from_finding.run({"finding": name, "directory": str(tmp_path)}, check=False, now=NOW)
        assert why in caught.value.problems[0][1], caught.value.problems


HOSTILE = [
    "{{ lookup('pipe', 'touch /tmp/pwned') }}",
    "x\n  suspects: []\n#",
    "\x1b[2J\u202e",
    "<script>",
    "' OR 1=1",
    "x" * 100_000,
    {"a": [1] * 50},
    None,
    7,
    True,
    [],
]


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(leaf for key, item in inner for leaf in _leaves(item, (*path, key)))][0 if path else 1 :]


@pytest.mark.parametrize("finding", [GUARDDUTY, ASFF, OCSF, HEALTH, QUARANTINE, DEFENDER, SENTINEL, INCIDENT_OF_SENTINEL, SCC])
def test_whatever_stands_at_any_place_becomes_a_valid_incident_or_a_named_problem(tmp_path: Path, finding: dict[str, Any]) -> None:
    """And what becomes an incident still names one real identity of it, with nothing of the payload outside of quoted text."""
    known = {KEY, SESSION, USER, GCP, "ci", "ada", f"arn:aws:iam::{ACCOUNT}:user/ci"}
    for number, path in enumerate(_leaves(finding)):
        for place, payload in enumerate(HOSTILE):
            directory = tmp_path / f"{number}-{place}"
            directory.mkdir()
            try:
                result = run(directory, changed(finding, *path, to=payload))
            except errors.InvalidInput as error:
                assert error.problems and "touch /tmp" not in " ".join(p for p, _m in error.problems)
                continue
            text = Path(result["incident_file"]).read_text()
            raw = yaml.safe_load(text)
            found = incident.validate(raw, "x", now=NOW)
            assert all(
                {part for part in s.value.replace("@", "/").split("/") if part} & known or s.value in known for s in found.suspects
            ), (path, payload)
            assert "\x1b" not in text and "\u202e" not in text
            assert all(line.startswith(("#", "incident:", " ")) for line in text.splitlines() if line)


def test_a_check_of_configuration_accuses_nobody(tmp_path: Path) -> None:
    check = changed(ASFF, "Types", to=["Software and Configuration Checks/Industry and Regulatory Standards"])
    with pytest.raises(errors.InvalidInput) as caught:
        run(tmp_path, check)
    assert any("configuration" in message for _path, message in caught.value.problems) and not list(tmp_path.glob("incident-*"))
    run(tmp_path, changed(ASFF, "Types", to=["Software and Configuration Checks/x", "TTPs/Credential Access"]))


def test_half_a_character_in_a_finding_is_no_crash(tmp_path: Path) -> None:
    run(tmp_path, changed(changed(GUARDDUTY, "Id", to="x\ud800"), "Title", to="\udfff\ud800"))
    assert list(tmp_path.glob("incident-*"))
