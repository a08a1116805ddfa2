# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-75: VPC peering, TGW, VPN, endpoint service, route."""

from __future__ import annotations

ID = "AWS-75"
NAME = "VPC peering, TGW, VPN, endpoint service, route"
TACTIC = "persistence"
MITRE = (
    "T1133",
    "T1599",
)
TIER = 2
EVENTS: dict[str, str] = {
    "ec2:CreateVpcPeeringConnection": "{at.ec2}vpc-peering-connection/{r.vpcPeeringConnection.vpcPeeringConnectionId}",
    "ec2:AcceptVpcPeeringConnection": "{at.ec2}vpc-peering-connection/{q.vpcPeeringConnectionId}",
    "ec2:CreateVpnConnection": "{at.ec2}vpn-connection/{r.vpnConnection.vpnConnectionId}",
    "ec2:CreateClientVpnEndpoint": "{at.ec2}client-vpn-endpoint/{r.clientVpnEndpointId}",
    "ec2:CreateTransitGatewayVpcAttachment": "{at.ec2}transit-gateway-attachment/{r.transitGatewayVpcAttachment.transitGatewayAttachmentId}",
    "ec2:CreateRoute": "{at.ec2}route-table/{q.routeTableId}",
    "ec2:ReplaceRoute": "{at.ec2}route-table/{q.routeTableId}",
    "ec2:ModifyVpcEndpointServicePermissions": "{at.ec2}vpc-endpoint-service/{q.serviceId}",
    "ec2:AttachInternetGateway": "{at.ec2}internet-gateway/{q.internetGatewayId}",
    "ec2:AssociateAddress": "{at.ec2}elastic-ip/{q.allocationId}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
