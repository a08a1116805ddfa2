# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-54: EKS access entry, aws-auth, OIDC config, pod identity, public endpoint."""

from __future__ import annotations

ID = "AWS-54"
NAME = "EKS access entry, aws-auth, OIDC config, pod identity, public endpoint"
TACTIC = "persistence"
MITRE = ("T1098.006",)
TIER = 1
EVENTS: dict[str, str] = {
    "eks:CreateAccessEntry": "{r.accessEntry.accessEntryArn}",
    "eks:AssociateAccessPolicy": "access of {q.principalArn} to cluster {q.name|q.clusterName}",
    "eks:UpdateAccessEntry": "access of {q.principalArn} to cluster {q.name|q.clusterName}",
    "eks:AssociateIdentityProviderConfig": "{at.eks}cluster/{q.name|q.clusterName}",
    "eks:CreatePodIdentityAssociation": "{r.association.associationArn}",
    "eks:UpdateClusterConfig": "{at.eks}cluster/{q.name|q.clusterName}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
