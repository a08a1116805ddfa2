# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways out of an account: each found in AWS's own terms, and graded by what the log and the account say together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import connected, connections, events
from ansible_collections.evict.cloud.plugins.module_utils.aws.catalogue import CATALOGUE
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import connected as graded
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import taint
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call
from ansible_collections.evict.cloud.plugins.module_utils.common.suspect import only
from tests.unit.analysis.events_made import ACCOUNT, EVIL, assume, assumed, database, event, moment, user
from tests.unit.aws.modelled_cloud import ModelledCloud

OTHER, KEY = "444455556666", "AKIAIOSFODNN7EXAMPLE"
THIEF: dict[str, Any] = {**user("ci", key=KEY), "src_ip": EVIL}
TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": [f"arn:aws:iam::{OTHER}:root", f"arn:aws:iam::{ACCOUNT}:root", "AROAGONE"],
                                                         "Federated": "arn:aws:iam::111122223333:saml-provider/corp"}, "Action": "sts:AssumeRole"},
                       {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}]}  # fmt: skip
TAKES = {
    "Statement": {
        "Effect": "Allow",
        "Action": ["sts:AssumeRole", "s3:*"],
        "Resource": [f"arn:aws:iam::{OTHER}:role/deploy", f"arn:aws:iam::{ACCOUNT}:role/own"],
    }
}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/partner"


class Cloud(ModelledCloud):
    def call(self, call: Call, parameters: Any = None) -> dict[str, Any]:
        if call.operation == "GetAccountAuthorizationDetails":  # botocore gives the documents parsed, the model says text
            return dict(self.answers[call.operation])
        return super().call(call, parameters)

    def absent(self, _error: Any, region: str) -> bool:
        return region == "eu-north-1"


def account(**more: Any) -> Cloud:
    """One of everything."""
    return Cloud(**{
        "GetAccountAuthorizationDetails": {
            "RoleDetailList": [{"Arn": ROLE, "AssumeRolePolicyDocument": TRUST, "RolePolicyList": []}],
            "UserDetailList": [{"Arn": THIEF["actor_arn"], "UserPolicyList": [{"PolicyName": "x", "PolicyDocument": TAKES}]}], "GroupDetailList": [], "Policies": [],
        },
        "DescribeOrganization": {"Organization": {"Id": "o-1234567890", "MasterAccountId": "999900009999", "MasterAccountEmail": "root@example.com"}},
        "ListInstances": {"Instances": [{"InstanceArn": "arn:aws:sso:::instance/ssoins-1111222233334444", "IdentityStoreId": "d-1234567890"}]},
        "ListSAMLProviders": {"SAMLProviderList": [{"Arn": "arn:aws:iam::111122223333:saml-provider/corp"}]},
        "ListOpenIDConnectProviders": {"OpenIDConnectProviderList": [{"Arn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"}]},
        "DescribeDirectories": {"DirectoryDescriptions": [{"DirectoryId": "d-1234567890", "Name": "corp.example.com", "Type": "ADConnector",
                                                          "ConnectSettings": {"CustomerUserName": "svc-aws"}}]},
        "ListTrustAnchors": {"trustAnchors": [{"trustAnchorArn": "arn:aws:rolesanywhere:eu-west-1:111122223333:trust-anchor/x", "enabled": True,
                                               "source": {"sourceType": "CERTIFICATE_BUNDLE"}}]},
        "DescribeVpnConnections": {"VpnConnections": [{"VpnConnectionId": "vpn-0123456789", "CustomerGatewayId": "cgw-1", "State": "available",
                                                       "Tags": [{"Key": "Owner", "Value": "network team"}]}, {"VpnConnectionId": "vpn-gone", "State": "deleted"}]},
        "DescribeVirtualInterfaces": {"virtualInterfaces": [{"virtualInterfaceId": "dxvif-1", "location": "EqFA5", "asn": 65000, "virtualInterfaceState": "available"}]},
        "DescribeTransitGatewayAttachments": {"TransitGatewayAttachments": [{"TransitGatewayAttachmentId": "tgw-attach-1", "ResourceType": "vpc", "ResourceId": "vpc-9",
                                                                            "ResourceOwnerId": OTHER, "State": "available"}]},
        "DescribeVpcPeeringConnections": {"VpcPeeringConnections": [{"VpcPeeringConnectionId": "pcx-0123456789", "Status": {"Code": "active"},
            "RequesterVpcInfo": {"OwnerId": ACCOUNT, "VpcId": "vpc-1"}, "AccepterVpcInfo": {"OwnerId": OTHER, "VpcId": "vpc-2", "Region": "eu-west-1"}}]},
        "DescribeInstanceInformation": {"InstanceInformationList": [{"InstanceId": "mi-0123456789abcdef0", "ComputerName": "dc1", "IPAddress": "10.0.0.5"}]},
        "ListGateways": {"Gateways": [{"GatewayARN": "arn:aws:storagegateway:eu-west-1:111122223333:gateway/sgw-12345678", "GatewayName": "office"}]},
        "ListLocations": {"Locations": [{"LocationArn": f"arn:aws:datasync:eu-west-1:{ACCOUNT}:location/loc-00000000000000001", "LocationUri": "nfs://nas/x"}]},
        "ListServers": {"Servers": [{"Arn": "arn:aws:transfer:eu-west-1:111122223333:server/s-01234567890abcdef", "EndpointType": "PUBLIC"}]},
        "ListClusters": {"clusters": ["prod"]},
        "DescribeDBInstances": {"DBInstances": [{"DBInstanceArn": f"arn:aws:rds:eu-west-1:{ACCOUNT}:db:orders", "Engine": "postgres", "PubliclyAccessible": True}]},
        "DescribeRepositories": {"repositories": [{"repositoryArn": f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/shop"}]},
        "GetResourceShares": {"resourceShares": [{"resourceShareArn": f"arn:aws:ram:eu-west-1:{ACCOUNT}:resource-share/x", "name": "nets", "status": "ACTIVE",
                                                  "allowExternalPrincipals": True}]},
    } | more)  # fmt: skip


def search(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, *regions: str) -> dict[str, Any]:
    monkeypatch.setattr(events, "regions", lambda _aws, _account: list(regions or ("eu-west-1",)))
    one = connections.Search(cloud)  # type: ignore[arg-type]
    one.run([ACCOUNT])
    return one.found[ACCOUNT]


def test_every_file_is_registered_and_says_what_it_must() -> None:
    files = {p.stem for p in Path(connected.__file__).parent.glob("*.py")} - {"__init__", "kind"}
    assert set(connected.KINDS) == files
    assert all(k.NOUN and k.ACTION and k.READS and k.USED for k in connected.KINDS.values())


def test_every_way_is_found_with_where_it_leads_and_whose_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    found = search(account(), monkeypatch)
    ways = {(p["kind"], p["to"]) for p in found["paths"]}
    assert {p["kind"] for p in found["paths"]} == set(connected.KINDS) == set(found["looked"]) and found["unknown"] == []
    assert {
        ("role", f"from arn:aws:iam::{OTHER}:root"),
        ("role", "from arn:aws:iam::111122223333:saml-provider/corp"),
        ("role", f"to arn:aws:iam::{OTHER}:role/deploy"),
    } == {way for way in ways if way[0] == "role"}  # its own account, what was deleted and what is denied are no ways
    owners = {p["kind"]: p["owner"] for p in found["paths"]}
    assert (owners["vpn"], owners["peering"], owners["organization"]) == ("network team", OTHER, "root@example.com")
    assert not any("vpn-gone" in p["object"] for p in found["paths"])


def test_what_cannot_be_read_is_unknown_and_what_a_region_does_not_have_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    found = search(account(DescribeVpnConnections="UnauthorizedOperation"), monkeypatch, "eu-west-1")
    assert [(u["kind"], u["region"]) for u in found["unknown"]] == [("vpn", "eu-west-1")] and "vpn" not in found["looked"]
    assert search(account(DescribeVpnConnections="EndpointConnectionError"), monkeypatch, "eu-north-1")["unknown"] == []
    alone = search(account(DescribeOrganization="AWSOrganizationsNotInUseException"), monkeypatch)
    assert alone["unknown"] == [] and "organization" in alone["looked"] and "organization" not in {p["kind"] for p in alone["paths"]}


def test_an_answer_that_cannot_be_understood_is_unknown_and_hides_no_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    found = search(account(ListClusters={"clusters": []}, ListGateways={"Gateways": [{"GatewayName": "no ARN"}]}), monkeypatch)
    assert [(u["kind"], u["why"]) for u in found["unknown"]] == [("storage_gateway", "could not be understood (KeyError)")]
    assert "storage_gateway" not in found["looked"] and {"vpn", "role", "kubernetes"} <= set(found["looked"])


def grades(looked: dict[str, Any], *rows: Any) -> dict[tuple[str, str], dict[str, Any]]:
    with database(rows) as made:
        taint.trace(made, [only(KEY)], start=moment("0:00"))
        return {(row["kind"], row["object"]): row for row in graded.find(made, "aws", CATALOGUE.ways, looked)}


def test_ways_are_graded_by_the_log_and_the_account_together(monkeypatch: pytest.MonkeyPatch) -> None:
    found = search(account(ListServers={"Servers": []}, DescribeDBInstances="AccessDenied"), monkeypatch)
    foreign = event(**THIEF, at="10:00", service="sts", operation="AssumeRole", request=assume("deploy", "x", account=OTHER),
                    response=assumed("deploy", "x", "ASIAFAR0000000000001", account=OTHER), event_uid="e-1")  # fmt: skip
    node = event(
        **THIEF,
        at="10:01",
        service="ssm",
        operation="StartSession",
        request={"target": "mi-0123456789abcdef0"},
        read_only=False,
        event_uid="e-2",
    )
    denied = event(
        **THIEF, at="10:02", service="ec2", operation="CreateVpcPeeringConnection", error="UnauthorizedOperation", read_only=False
    )
    by = grades({ACCOUNT: json.loads(json.dumps(found))}, foreign, node, denied)
    assert (by["role", THIEF["actor_arn"]]["grade"], by["role", THIEF["actor_arn"]]["evidence"]) == ("used", ["e-1"])
    assert by["role", ROLE]["grade"] == "reachable"
    hybrid = by["hybrid_node", "arn:aws:ssm:eu-west-1:111122223333:managed-instance/mi-0123456789abcdef0"]
    assert (hybrid["grade"], hybrid["evidence"], bool(hybrid["action"])) == ("used", ["e-2"], True)
    assert (
        by["peering", "arn:aws:ec2:eu-west-1:111122223333:vpc-peering-connection/pcx-0123456789"]["grade"] == "reachable"
    )  # a call that failed is no use
    assert (by["transfer", "Transfer servers"]["grade"], by["database", "databases"]["grade"]) == ("not reachable", "unknown")


def test_what_nobody_looked_at_is_unknown_never_clean() -> None:
    by = grades({}, event(**THIEF, at="10:00", service="s3", operation="ListBuckets"))
    assert {row["grade"] for row in by.values()} == {"unknown"} and len(by) == len(connected.KINDS)


def test_a_kind_that_was_left_out_of_the_look_is_unknown_never_not_reachable() -> None:
    looked = {ACCOUNT: {"paths": [], "unknown": [], "looked": ["vpn"]}}
    by = {
        kind: row["grade"]
        for (kind, _object), row in grades(looked, event(**THIEF, at="10:00", service="s3", operation="ListBuckets")).items()
    }
    assert by.pop("vpn") == "not reachable" and set(by.values()) == {"unknown"}


def test_a_flood_of_one_call_hides_no_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graded, "_MOST", 3)
    flood = [event(**THIEF, at=f"10:{m:02}", service="sts", operation="AssumeRole", request=assume("deploy", "x")) for m in range(5)]
    late = event(**THIEF, at="11:00", service="ssm", operation="StartSession", request={"target": "mi-0123456789abcdef0"}, read_only=False)
    looked = {ACCOUNT: {"paths": [], "unknown": [], "looked": list(connected.KINDS)}}
    assert {row["grade"] for (kind, _object), row in grades(looked, *flood, late).items() if kind == "hybrid_node"} == {"used"}


def test_who_is_only_to_review_in_another_cloud_is_accused_of_nothing_there() -> None:
    with database([event(**THIEF, at="10:00", service="s3", operation="ListBuckets")]) as made:
        taint.trace(made, [only(KEY)], start=moment("0:00"))
        for verdict in ("rogue", "review"):
            made.run("INSERT INTO tainted BY NAME SELECT * REPLACE ('gcp' AS cloud, 'user' AS kind, CAST(? AS VARCHAR) AS id, CAST(? AS VARCHAR) AS verdict) FROM tainted LIMIT 1",
                     [f"{verdict}@example.com", verdict])  # fmt: skip
        made.run("UPDATE tainted SET arn = id WHERE cloud = 'gcp'")
        rows = {r["object"]: r for r in graded.find(made, "aws", CATALOGUE.ways, {}) if r["kind"] == "other_cloud"}
    one, two = rows["rogue@example.com"], rows["review@example.com"]
    assert (one["grade"], one["verdict"]) == ("used", "rogue")
    assert (two["grade"], two["verdict"], two["action"]) == ("unknown", "review", "look at that cloud's own log")


def test_a_longer_name_that_begins_alike_is_another_way() -> None:
    act = event(**THIEF, at="10:00", service="sts", operation="AssumeRole", request=assume("deploy-production", "x", account=OTHER))
    path = {"kind": "role", "object": f"arn:aws:iam::{ACCOUNT}:role/deploy", "to": "from *", "how": "", "owner": "", "region": ""}
    looked = {ACCOUNT: {"paths": [path], "unknown": [], "looked": list(connected.KINDS)}}
    assert grades(looked, act)["role", path["object"]]["grade"] == "reachable"
