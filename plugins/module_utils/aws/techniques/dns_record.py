# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-60: Route 53 records / hosted zone / domain transfer lock."""

from __future__ import annotations

ID = "AWS-60"
NAME = "Route 53 records / hosted zone / domain transfer lock"
TACTIC = "persistence"
MITRE = (
    "T1584.002",
    "T1565",
)
TIER = 2
EVENTS: dict[str, str] = {
    "route53:ChangeResourceRecordSets": "{q.changeBatch.changes[].resourceRecordSet.name} in arn:{partition}:route53:::hostedzone/{q.hostedZoneId}",
    "route53:CreateHostedZone": "arn:{partition}:route53:::{r.hostedZone.id}",
    "route53:AssociateVPCWithHostedZone": "arn:{partition}:route53:::hostedzone/{q.hostedZoneId}",
    "route53domains:DisableDomainTransferLock": "domain {q.domainName}",
    "route53domains:RetrieveDomainAuthCode": "domain {q.domainName}",
    "route53domains:RegisterDomain": "domain {q.domainName}",
    "route53domains:TransferDomainToAnotherAwsAccount": "domain {q.domainName}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
