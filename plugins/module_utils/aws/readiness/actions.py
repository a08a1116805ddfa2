# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Written by tests/tools/permissions.py (`make generate`): {a resource: {action that is simulated on it: what it is for}}."""

from __future__ import annotations

# fmt: off
RESPONDER: dict[str, dict[str, str]] = {
    "*": {
        "batch:DescribeJobs": "whether a job that the log names still runs; read back",
        "cloudformation:DescribeStacks": "whether a stack that the log names is at work; read back",
        "cloudtrail:LookupEvents": "quick scope; who issued a session key; who else uses a role",
        "codebuild:BatchGetBuilds": "which builds run, and who started them; read back",
        "codebuild:ListBuildsForProject": "which builds run, and who started them",
        "codebuild:ListProjects": "which builds run, and who started them",
        "ec2:DescribeIamInstanceProfileAssociations": "which instances run as a role whose sessions were revoked",
        "ec2:DescribeInstances": "a suspect given as an instance id",
        "ec2:DescribeRegions": "the regions that are enabled, each of which has its own event history",
        "ecs:DescribeServices": "how a service is deployed; read back",
        "ecs:DescribeTaskDefinition": "which role a task runs as",
        "ecs:DescribeTasks": "which tasks run as a role whose sessions were revoked",
        "ecs:ListClusters": "which tasks run as a role whose sessions were revoked",
        "ecs:ListTasks": "which tasks run as a role whose sessions were revoked",
        "eks:DescribeAccessEntry": "what an access entry says, so that it can come back; read back",
        "eks:DescribeCluster": "whether a cluster has access entries, and whether aws-auth counts as well",
        "eks:ListAccessEntries": "whether a suspect has access to a cluster",
        "eks:ListAssociatedAccessPolicies": "what an access entry allows, so that it can come back; read back",
        "eks:ListClusters": "the clusters of a region",
        "glue:GetJobRun": "whether a run that the log names still runs; read back",
        "iam:GetAccessKeyLastUsed": "whose key it is, and when and where it was used last",
        "iam:GetAccountAuthorizationDetails":
            "all identities of the account, before and after: what the contained did while their fence "
            "was spreading; whether somebody else can administer the account",
        "iam:GetGroupPolicy": "read back what was put back",
        "iam:GetInstanceProfile": "a suspect given as an instance id: the role behind its profile",
        "iam:GetLoginProfile": "whether there is a console password; read back",
        "iam:GetPolicy": "read back what was put back",
        "iam:GetRole":
            "the role, its trust policy and longest session; also of the responder's own role and those"
            " it is reached through, so that they are not cut",
        "iam:GetRolePolicy": "whether our policies are there; read back; the snapshot",
        "iam:GetUser": "the user",
        "iam:GetUserPolicy": "whether our policies are there; read back; the snapshot",
        "iam:ListAccessKeys": "which keys there are, and their status; read back",
        "iam:ListAttachedGroupPolicies": "read back what was put back",
        "iam:ListAttachedRolePolicies": "the snapshot",
        "iam:ListAttachedUserPolicies": "the snapshot",
        "iam:ListGroupsForUser": "the snapshot",
        "iam:ListInstanceProfilesForRole": "the snapshot",
        "iam:ListMFADevices": "which MFA devices there are, and since when; read back",
        "iam:ListOpenIDConnectProviders": "identity providers, before and after",
        "iam:ListRolePolicies": "which inline policies there are; the snapshot",
        "iam:ListSAMLProviders": "identity providers, before and after",
        "iam:ListSSHPublicKeys": "which SSH public keys there are, and their status; read back",
        "iam:ListServerCertificates": "the server certificates of the account, which are reported and never changed",
        "iam:ListServiceSpecificCredentials":
            "which service-specific credentials there are, and their status; whose a reported one is; "
            "read back",
        "iam:ListSigningCertificates": "which signing certificates there are, and their status; read back",
        "iam:ListUserPolicies": "which inline policies there are; the snapshot",
        "iam:SimulatePrincipalPolicy":
            "whether an identity administers the account; asked only where the caller acts in its own "
            "account",
        "lambda:GetFunctionConfiguration": "the description of a function; read back",
        "lambda:ListAliases": "which aliases lead to published versions, which cannot be refreshed",
        "lambda:ListFunctions": "which functions run as a role whose sessions were revoked",
        "rolesanywhere:GetCrl": "whether it is on; read back",
        "rolesanywhere:GetProfile": "whether it is on; read back",
        "rolesanywhere:GetTrustAnchor": "whether it is on; read back",
        "rolesanywhere:ListProfiles": "which certificates lead to a contained role",
        "rolesanywhere:ListTrustAnchors": "which certificates lead to a contained role",
        "ssm:CancelCommand": "end a command that a suspect sent",
        "ssm:DescribeAutomationExecutions": "which automations run, and who started them; read back",
        "ssm:DescribeSessions": "which sessions are open, and whose; read back",
        "ssm:ListCommands": "whether a command that the log names still runs; read back",
        "states:DescribeExecution": "whether an execution that the log names still runs; read back",
    },
    "arn:{partition}:batch:{region}:{account}:job/evict-readiness": {
        "batch:TerminateJob": "end a Batch job that a suspect submitted",
    },
    "arn:{partition}:cloudformation:{region}:{account}:stack/evict-readiness": {
        "cloudformation:CancelUpdateStack": "cancel a stack update that a suspect began",
    },
    "arn:{partition}:codebuild:{region}:{account}:project/evict-readiness": {
        "codebuild:StopBuild": "end a build that a suspect started",
    },
    "arn:{partition}:ec2:{region}:{account}:instance/evict-readiness": {
        "ec2:ReplaceIamInstanceProfileAssociation": "make an instance fetch new credentials after a revocation",
    },
    "arn:{partition}:ecs:{region}:{account}:service/evict-readiness": {
        "ecs:UpdateService": "give a service new tasks after a revocation",
    },
    "arn:{partition}:eks:{region}:{account}:access-entry/evict-readiness": {
        "eks:AssociateAccessPolicy": "release: an access entry with its policies",
        "eks:DeleteAccessEntry": "take a suspect's access to a cluster away",
        "eks:DisassociateAccessPolicy": "take a suspect's access to a cluster away",
    },
    "arn:{partition}:eks:{region}:{account}:cluster/evict-readiness": {
        "eks:CreateAccessEntry": "release: an access entry",
    },
    "arn:{partition}:glue:{region}:{account}:job/evict-readiness": {
        "glue:BatchStopJobRun": "end a Glue job run that a suspect started",
    },
    "arn:{partition}:iam::{account}:group/evict-readiness": {
        "iam:AddUserToGroup": "put back what a contained principal changed meanwhile",
        "iam:AttachGroupPolicy": "put back what a contained principal changed meanwhile",
        "iam:DeleteGroupPolicy": "put back what a contained principal changed meanwhile",
        "iam:DetachGroupPolicy": "put back what a contained principal changed meanwhile",
        "iam:PutGroupPolicy": "put back what a contained principal changed meanwhile",
        "iam:RemoveUserFromGroup": "put back what a contained principal changed meanwhile",
    },
    "arn:{partition}:iam::{account}:policy/evict-readiness": {
        "iam:SetDefaultPolicyVersion": "put back what a contained principal changed meanwhile",
    },
    "arn:{partition}:iam::{account}:role/evict-canary-evict-readiness": {
        "iam:CreateRole": "the canary of the standing fence: a role of the responder's own",
        "iam:DeleteRole": "the canary goes again",
    },
    "arn:{partition}:iam::{account}:role/evict-readiness": {
        "iam:AttachRolePolicy": "AWSDenyAll, where no service control policy can be had",
        "iam:DeleteRolePermissionsBoundary": "release: no boundary, if there was none",
        "iam:DeleteRolePolicy": "release: take our own inline policies away again",
        "iam:DetachRolePolicy": "release: AWSDenyAll",
        "iam:PassRole": "AWS asks for it when an instance profile is replaced",
        "iam:PutRolePermissionsBoundary": "AWSDenyAll as the boundary, where ten policies are attached; release: the old one",
        "iam:PutRolePolicy": "fence a role; revoke its sessions",
        "iam:TagRole": "the standing fence; which incidents hold AWSDenyAll or the boundary",
        "iam:UntagRole": "release: those tags",
        "iam:UpdateAssumeRolePolicy": "put back a trust policy that a suspect wrote, or narrow it",
    },
    "arn:{partition}:iam::{account}:user/evict-readiness": {
        "iam:AttachUserPolicy": "AWSDenyAll, where no service control policy can be had",
        "iam:DeactivateMFADevice": "remove an MFA device that was enrolled during the incident",
        "iam:DeleteAccessKey": "`aws_credential` with `state: absent`",
        "iam:DeleteLoginProfile": "a console password can only be deleted",
        "iam:DeleteSSHPublicKey": "`aws_credential` with `state: absent`",
        "iam:DeleteServiceSpecificCredential": "`aws_credential` with `state: absent`",
        "iam:DeleteSigningCertificate": "`aws_credential` with `state: absent`",
        "iam:DeleteUserPermissionsBoundary": "release: no boundary, if there was none",
        "iam:DeleteUserPolicy": "release: take our own inline policies away again",
        "iam:DetachUserPolicy": "release: AWSDenyAll",
        "iam:PutUserPermissionsBoundary": "AWSDenyAll as the boundary, where ten policies are attached; release: the old one",
        "iam:PutUserPolicy": "fence a user; revoke its sessions",
        "iam:TagUser": "the standing fence; which incidents hold AWSDenyAll or the boundary",
        "iam:UntagUser": "release: those tags",
        "iam:UpdateAccessKey": "switch an access key off; on again for a false positive, or if it is not a compromised one",
        "iam:UpdateSSHPublicKey": "switch an SSH public key off; on again, as access keys",
        "iam:UpdateServiceSpecificCredential": "switch a service-specific credential off; on again, as access keys",
        "iam:UpdateSigningCertificate": "switch a signing certificate off; on again, as access keys",
    },
    "arn:{partition}:lambda:{region}:{account}:function:evict-readiness": {
        "lambda:UpdateFunctionConfiguration": "give a function new execution environments after a revocation; release: its description",
    },
    "arn:{partition}:rolesanywhere:{region}:{account}:crl/evict-readiness": {
        "rolesanywhere:DisableCrl": "switch off a revocation list that a suspect imported",
        "rolesanywhere:EnableCrl": "release: a revocation list",
    },
    "arn:{partition}:rolesanywhere:{region}:{account}:profile/evict-readiness": {
        "rolesanywhere:DisableProfile": "switch off a profile that a suspect made",
        "rolesanywhere:EnableProfile": "release: a profile",
    },
    "arn:{partition}:rolesanywhere:{region}:{account}:trust-anchor/evict-readiness": {
        "rolesanywhere:DisableTrustAnchor": "switch off a trust anchor that a suspect made",
        "rolesanywhere:EnableTrustAnchor": "release: a trust anchor",
    },
    "arn:{partition}:ssm:{region}:{account}:automation-execution/evict-readiness": {
        "ssm:StopAutomationExecution": "end an automation that a suspect started",
    },
    "arn:{partition}:ssm:{region}:{account}:session/evict-readiness": {
        "ssm:TerminateSession": "end a session of a suspect, of ECS Exec too",
    },
    "arn:{partition}:states:{region}:{account}:execution:evict-readiness": {
        "states:StopExecution": "end an execution that a suspect started",
    },
}
MANAGEMENT: dict[str, dict[str, str]] = {
    "*": {
        "organizations:CreatePolicy": "the fence above the account",
        "organizations:DescribeAccount":
            "whether an account that cannot be reached is yours (works in the management or a delegated"
            " account; a refusal is no obstacle)",
        "organizations:DescribeOrganization": "whether there is one, and which is its management account",
        "organizations:DescribePolicy": "what the fence above the account says now",
        "organizations:ListPolicies": "whether the fence above the account is there; read back",
        "organizations:ListPoliciesForTarget": "which policies are attached to the account, and whether there is room; read back",
        "organizations:ListRoots": "whether service and resource control policies are enabled",
    },
    "arn:{partition}:organizations::{account}:policy/evict-readiness/service_control_policy/evict-readiness": {
        "organizations:AttachPolicy": "the fence above the account",
        "organizations:DeletePolicy": "release: the fence above the account, when it holds nobody any more",
        "organizations:DetachPolicy": "release: the fence above the account, when it holds nobody any more",
        "organizations:UpdatePolicy": "extend the fence above the account, and take out of it who is released",
    },
}
