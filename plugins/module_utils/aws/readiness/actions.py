# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Written by tests/tools/permissions.py (`make generate`): {a resource: {action that is simulated on it: what it is for}}."""

from __future__ import annotations

# fmt: off
RESPONDER: dict[str, dict[str, str]] = {
    "*": {
        "autoscaling:DescribeAutoScalingGroups": "whether a group that a suspect made runs anything; read back",
        "autoscaling:DescribeAutoScalingInstances": "in which auto-scaling group an instance is; read back",
        "batch:DescribeJobs": "whether a job that the log names still runs; read back",
        "batch:DescribeServiceJob": "whether a service job that the log names still runs; read back",
        "cloudformation:DescribeStackSetOperation": "whether an operation that the log names still runs; read back",
        "cloudformation:DescribeStacks": "whether a stack that the log names is at work; read back; parameters and outputs",
        "cloudtrail:GetEventDataStore": "whether an event data store that a suspect stopped or deleted can be had back; read back",
        "cloudtrail:GetEventSelectors": "whether a trail logs management events; read back",
        "cloudtrail:GetTrail": "what a trail that a suspect changed logs; read back",
        "cloudtrail:GetTrailStatus": "whether a trail that a suspect stopped logs; read back",
        "cloudtrail:LookupEvents": "quick scope; who issued a session key; who else uses a role",
        "cloudwatch:GetMetricStatistics": "whether something on an instance uses version 1 of the metadata service",
        "codebuild:BatchGetBuildBatches": "which batches run, and who started them; read back",
        "codebuild:BatchGetBuilds": "which builds run, and who started them; read back",
        "codebuild:BatchGetSandboxes": "whether a sandbox that the log names still runs; read back",
        "codebuild:ListBuildBatches": "which batches run",
        "codebuild:ListBuildsForProject": "which builds run, and who started them; rotation: with the old key",
        "codebuild:ListProjects": "which builds run, and who started them; which projects there are",
        "config:DescribeConfigurationRecorderStatus": "whether a recorder that a suspect stopped records; read back",
        "config:StartConfigurationRecorder": "start what a suspect stopped",
        "ec2:DescribeFleets": "whether a fleet that a suspect made asks for anything; read back",
        "ec2:DescribeIamInstanceProfileAssociations": "which instances run as a role whose sessions were revoked",
        "ec2:DescribeInstanceAttribute": "whether an instance is protected against termination; read back",
        "ec2:DescribeInstances": "a suspect given as an instance id",
        "ec2:DescribeNetworkInterfaces": "which security groups an interface has; read back",
        "ec2:DescribeRegions": "the regions that are enabled, each of which has its own event history",
        "ec2:DescribeSecurityGroupRules": "whether an isolation group lets nothing through; read back",
        "ec2:DescribeSecurityGroups": "whether the groups of an isolation are there",
        "ec2:DescribeSnapshots": "whether a snapshot was started by an earlier run",
        "ec2:DescribeSpotFleetRequests": "whether a fleet that a suspect made asks for anything; read back",
        "ecr:GetRepositoryPolicy": "the policy of a repository; read back",
        "ecs:DescribeServices": "how a service is deployed, and with which task definition; read back",
        "ecs:DescribeTaskDefinition": "which role a task runs as; its variables",
        "ecs:DescribeTasks":
            "which tasks run as a role whose sessions were revoked; what they were given beside their "
            "definition",
        "ecs:GetTaskProtection": "whether a task is kept aside; read back",
        "ecs:ListClusters": "which tasks run as a role whose sessions were revoked; rotation: who may get into a task",
        "ecs:ListTasks": "which tasks run as a role whose sessions were revoked",
        "eks:DescribeAccessEntry": "what an access entry says, so that it can come back; read back",
        "eks:DescribeCluster": "whether a cluster has access entries, and whether aws-auth counts as well",
        "eks:ListAccessEntries": "whether a suspect has access to a cluster",
        "eks:ListAssociatedAccessPolicies": "what an access entry allows, so that it can come back; read back",
        "eks:ListClusters": "the clusters of a region",
        "elasticloadbalancing:DescribeTargetGroups": "in which target groups an instance is",
        "elasticloadbalancing:DescribeTargetHealth": "in which target groups an instance is; read back",
        "glue:GetJobRun": "whether a run that the log names still runs; read back",
        "glue:GetSession": "whether a session that the log names still runs; read back",
        "glue:GetWorkflowRun": "whether a workflow run that the log names still runs; read back",
        "guardduty:GetDetector": "whether a detector that a suspect suspended is on; read back",
        "iam:GetAccessKeyLastUsed": "whose key it is, and when and where it was used last",
        "iam:GetAccountAuthorizationDetails":
            "all identities of the account, before and after: what the contained did while their fence "
            "was spreading; whether somebody else can administer the account",
        "iam:GetGroupPolicy": "read back what was put back; rotation: what the user may do",
        "iam:GetInstanceProfile": "a suspect given as an instance id: the role behind its profile",
        "iam:GetLoginProfile": "whether there is a console password; read back",
        "iam:GetOpenIDConnectProvider": "identity providers, before and after; read back",
        "iam:GetPolicy": "read back what was put back; rotation: what the user may do",
        "iam:GetRole":
            "the role, its trust policy and longest session; also of the responder's own role and those"
            " it is reached through, so that they are not cut",
        "iam:GetRolePolicy": "whether our policies are there; read back; the snapshot",
        "iam:GetSAMLProvider": "identity providers, before and after; read back",
        "iam:GetUser": "the user",
        "iam:GetUserPolicy": "whether our policies are there; read back; the snapshot",
        "iam:ListAccessKeys": "which keys there are, and their status; read back",
        "iam:ListAttachedGroupPolicies": "read back what was put back; rotation: what the user may do",
        "iam:ListAttachedRolePolicies": "the snapshot",
        "iam:ListAttachedUserPolicies": "the snapshot",
        "iam:ListGroupsForUser": "the snapshot; the groups through which an exempt user could be cut off",
        "iam:ListInstanceProfilesForRole": "the snapshot",
        "iam:ListMFADevices": "which MFA devices there are, and since when; read back",
        "iam:ListOpenIDConnectProviders": "identity providers, before and after",
        "iam:ListRolePolicies": "which inline policies there are; the snapshot",
        "iam:ListRoles":
            "which roles of an account are Identity Center's, so that the person's sessions of them are"
            " followed",
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
        "kms:DescribeKey": "whether and when a key is to be deleted; read back",
        "kms:GetKeyPolicy": "the policy of a key; read back",
        "lambda:GetEventSourceMapping": "whether a trigger is on; read back",
        "lambda:GetFunctionConcurrency": "the reserved concurrency of a function; read back",
        "lambda:GetFunctionConfiguration": "the description of a function; read back",
        "lambda:GetFunctionUrlConfig": "whether a function URL asks for a signature; read back",
        "lambda:GetPolicy": "AWS asks for it when a function's policy is read",
        "lambda:GetResourcePolicy": "the policy of a function; read back",
        "lambda:ListAliases": "which aliases lead to published versions, which cannot be changed",
        "lambda:ListEventSourceMappings": "the triggers of a function",
        "lambda:ListFunctionUrlConfigs": "the URLs of a function",
        "lambda:ListFunctions": "which functions run as a role whose sessions were revoked; their environments",
        "logs:DescribeLogGroups": "whether a retention that a suspect set stands; read back",
        "rolesanywhere:GetCrl": "whether it is on; read back",
        "rolesanywhere:GetProfile": "whether it is on; read back",
        "rolesanywhere:GetTrustAnchor": "whether it is on; read back",
        "rolesanywhere:ListProfiles": "which certificates lead to a contained role",
        "rolesanywhere:ListTrustAnchors": "which certificates lead to a contained role",
        "s3:GetBucketAcl": "whether a bucket that a suspect opened is open to everybody",
        "s3:GetBucketPolicy": "the policy of a bucket; read back",
        "s3:GetBucketPolicyStatus": "whether a bucket that a suspect opened is open to everybody",
        "s3:GetBucketPublicAccessBlock": "Block Public Access as it is; read back",
        "s3:GetBucketWebsite": "whether a bucket is meant to be open",
        "s3:GetLifecycleConfiguration": "which lifecycle rules a bucket has; read back",
        "secretsmanager:DescribeSecret": "rotation: which version is current; read back",
        "secretsmanager:GetResourcePolicy": "the policy of a secret; read back",
        "sns:GetTopicAttributes": "the policy of a topic; read back",
        "sqs:GetQueueAttributes": "the policy of a queue; read back",
        "sqs:GetQueueUrl": "a queue by its ARN",
        "ssm:CancelCommand": "end a command that a suspect sent",
        "ssm:DescribeAutomationExecutions": "which automations run, and who started them; read back",
        "ssm:DescribeSessions": "which sessions are open, and whose; read back",
        "ssm:ListCommands": "whether a command that the log names still runs; read back",
        "states:DescribeExecution": "whether an execution that the log names still runs; read back",
    },
    "arn:{partition}:autoscaling:{region}:{account}:autoScalingGroup:evict-readiness": {
        "autoscaling:AttachInstances": "release: an isolated instance back into its auto-scaling group",
        "autoscaling:DetachInstances": "take an isolated instance out of its auto-scaling group",
        "autoscaling:UpdateAutoScalingGroup": "set a group that a suspect made to 0; false positive: its sizes",
    },
    "arn:{partition}:batch:{region}:{account}:job/evict-readiness": {
        "batch:TerminateJob": "end a Batch job that a suspect submitted",
    },
    "arn:{partition}:batch:{region}:{account}:service-job/evict-readiness": {
        "batch:TerminateServiceJob": "end a Batch service job that a suspect submitted",
    },
    "arn:{partition}:cloudformation:{region}:{account}:stack/evict-readiness": {
        "cloudformation:CancelUpdateStack": "cancel a stack update that a suspect began",
    },
    "arn:{partition}:cloudformation:{region}:{account}:stackset/evict-readiness": {
        "cloudformation:StopStackSetOperation": "end a StackSet operation that a suspect began",
    },
    "arn:{partition}:cloudtrail:{region}:{account}:eventdatastore/evict-readiness": {
        "cloudtrail:RestoreEventDataStore": "have an event data store back that a suspect deleted",
        "cloudtrail:StartEventDataStoreIngestion": "start what a suspect stopped",
    },
    "arn:{partition}:cloudtrail:{region}:{account}:trail/evict-readiness": {
        "cloudtrail:PutEventSelectors": "make a trail log management events again",
        "cloudtrail:StartLogging": "start what a suspect stopped",
        "cloudtrail:UpdateTrail": "make a trail log again what a suspect switched off",
    },
    "arn:{partition}:codebuild:{region}:{account}:project/evict-readiness": {
        "codebuild:StopBuild": "end a build that a suspect started",
        "codebuild:StopBuildBatch": "end a build batch that a suspect started",
        "codebuild:StopSandbox": "end a sandbox that a suspect started",
    },
    "arn:{partition}:ec2:{region}::snapshot/evict-readiness": {
        "ec2:CreateTags": "AWS asks for it when a snapshot or a group is made with tags",
    },
    "arn:{partition}:ec2:{region}:{account}:fleet/evict-readiness": {
        "ec2:ModifyFleet": "set a fleet that a suspect made to 0",
    },
    "arn:{partition}:ec2:{region}:{account}:instance/evict-readiness": {
        "ec2:AssociateIamInstanceProfile": "release: the profile of an isolated instance",
        "ec2:DisassociateIamInstanceProfile": "take the role away from an isolated instance",
        "ec2:ModifyInstanceAttribute": "protect an isolated instance and its disks; release: as it was",
        "ec2:ModifyInstanceMetadataOptions": "require IMDSv2, where nothing uses version 1; release: as it was",
        "ec2:ReplaceIamInstanceProfileAssociation": "make an instance fetch new credentials after a revocation",
        "ec2:StartInstances": "release: an instance that was stopped",
        "ec2:StopInstances": "`action: stop`, for instances that a suspect started",
    },
    "arn:{partition}:ec2:{region}:{account}:network-interface/evict-readiness": {
        "ec2:ModifyNetworkInterfaceAttribute": "put an interface into isolation; release: its groups",
    },
    "arn:{partition}:ec2:{region}:{account}:security-group/evict-readiness": {
        "ec2:AuthorizeSecurityGroupEgress": "the group through which an interface loses its tracked connections",
        "ec2:AuthorizeSecurityGroupIngress": "the group through which an interface loses its tracked connections",
        "ec2:DeleteSecurityGroup": "release: the two groups of an isolation",
        "ec2:RevokeSecurityGroupEgress": "the group that lets nothing through",
        "ec2:RevokeSecurityGroupIngress": "the group that lets nothing through",
    },
    "arn:{partition}:ec2:{region}:{account}:spot-fleet-request/evict-readiness": {
        "ec2:ModifySpotFleetRequest": "set a fleet that a suspect made to 0",
    },
    "arn:{partition}:ec2:{region}:{account}:volume/evict-readiness": {
        "ec2:CreateSnapshot": "evidence: the disks of an instance that is isolated",
    },
    "arn:{partition}:ec2:{region}:{account}:vpc/evict-readiness": {
        "ec2:CreateSecurityGroup": "the two groups of an isolation",
    },
    "arn:{partition}:ecr:{region}:{account}:repository/evict-readiness": {
        "ecr:DeleteRepositoryPolicy": "release: no policy, if there was none",
        "ecr:SetRepositoryPolicy": "deny the contained in it; release: take that out again",
    },
    "arn:{partition}:ecs:{region}:{account}:service/evict-readiness": {
        "ecs:UpdateService": "give a service new tasks after a revocation",
    },
    "arn:{partition}:ecs:{region}:{account}:task/evict-readiness": {
        "ecs:UpdateTaskProtection": "keep a task aside; release: as it was",
    },
    "arn:{partition}:eks:{region}:{account}:access-entry/evict-readiness": {
        "eks:AssociateAccessPolicy": "release: an access entry with its policies",
        "eks:DeleteAccessEntry": "take a suspect's access to a cluster away",
        "eks:DisassociateAccessPolicy": "take a suspect's access to a cluster away",
    },
    "arn:{partition}:eks:{region}:{account}:cluster/evict-readiness": {
        "eks:CreateAccessEntry": "release: an access entry",
    },
    "arn:{partition}:elasticloadbalancing:{region}:{account}:targetgroup/evict-readiness": {
        "elasticloadbalancing:DeregisterTargets": "take what is isolated out of its target groups",
        "elasticloadbalancing:RegisterTargets": "release: back into its target groups",
    },
    "arn:{partition}:glue:{region}:{account}:job/evict-readiness": {
        "glue:BatchStopJobRun": "end a Glue job run that a suspect started",
    },
    "arn:{partition}:glue:{region}:{account}:session/evict-readiness": {
        "glue:StopSession": "end a Glue session that a suspect made",
    },
    "arn:{partition}:glue:{region}:{account}:workflow/evict-readiness": {
        "glue:StopWorkflowRun": "end a Glue workflow run that a suspect started",
    },
    "arn:{partition}:guardduty:{region}:{account}:detector/evict-readiness": {
        "guardduty:UpdateDetector": "enable what a suspect suspended",
    },
    "arn:{partition}:iam::{account}:group/evict-readiness": {
        "iam:AddUserToGroup": "put back what a contained principal changed meanwhile",
        "iam:AttachGroupPolicy": "put back what a contained principal changed meanwhile",
        "iam:DeleteGroupPolicy": "put back what a contained principal changed meanwhile",
        "iam:DetachGroupPolicy": "put back what a contained principal changed meanwhile",
        "iam:PutGroupPolicy": "put back what a contained principal changed meanwhile",
        "iam:RemoveUserFromGroup": "put back what a contained principal changed meanwhile",
    },
    "arn:{partition}:iam::{account}:instance-profile/evict-readiness": {
        "iam:RemoveRoleFromInstanceProfile": "take a role out of an instance profile into which a contained principal put it meanwhile",
    },
    "arn:{partition}:iam::{account}:oidc-provider/evict-readiness": {
        "iam:AddClientIDToOpenIDConnectProvider": "put back what a contained principal changed in an identity provider meanwhile",
        "iam:RemoveClientIDFromOpenIDConnectProvider": "put back what a contained principal changed in an identity provider meanwhile",
        "iam:UpdateOpenIDConnectProviderThumbprint": "put back what a contained principal changed in an identity provider meanwhile",
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
    "arn:{partition}:iam::{account}:saml-provider/evict-readiness": {
        "iam:UpdateSAMLProvider": "put back what a contained principal changed in an identity provider meanwhile",
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
        "iam:UpdateUser": "give a contained user its name back that was renamed meanwhile",
    },
    "arn:{partition}:kms:{region}:{account}:key/evict-readiness": {
        "kms:CancelKeyDeletion": "stop the deletion of a key that a suspect scheduled",
        "kms:PutKeyPolicy":
            "deny the contained in it; release: take that out again. Its lock-out check is never "
            "bypassed",
    },
    "arn:{partition}:lambda:{region}:{account}:event-source-mapping:evict-readiness": {
        "lambda:UpdateEventSourceMapping": "switch a trigger off; release: on again",
    },
    "arn:{partition}:lambda:{region}:{account}:function:evict-readiness": {
        "lambda:AddPermission": "AWS asks for it when a function's policy is written",
        "lambda:DeleteFunctionConcurrency": "release: no reserved concurrency, if there was none",
        "lambda:DeleteResourcePolicy": "release: no policy, if there was none",
        "lambda:PutFunctionConcurrency": "let nobody invoke an isolated function; release: its concurrency",
        "lambda:PutResourcePolicy": "deny the contained in it; release: take that out again",
        "lambda:RemovePermission": "AWS asks for it when a function's policy is written",
        "lambda:UpdateFunctionConfiguration": "give a function new execution environments after a revocation; release: its description",
        "lambda:UpdateFunctionUrlConfig": "make a function URL ask for a signature; release: as it was",
    },
    "arn:{partition}:logs:{region}:{account}:log-group:evict-readiness": {
        "logs:DeleteRetentionPolicy": "keep what a suspect's retention would delete",
        "logs:PutRetentionPolicy": "false positive: that retention",
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
    "arn:{partition}:s3:::evict-readiness": {
        "s3:DeleteBucketPolicy": "release: no policy, if there was none",
        "s3:PutBucketPolicy": "deny the contained in it; release: take that out again",
        "s3:PutBucketPublicAccessBlock": "close a bucket that a suspect opened; release: as it was",
        "s3:PutLifecycleConfiguration": "suspend a lifecycle rule that a suspect wrote",
    },
    "arn:{partition}:secretsmanager:{region}:{account}:secret:evict-readiness": {
        "secretsmanager:DeleteResourcePolicy": "release: no policy, if there was none",
        "secretsmanager:PutResourcePolicy": "deny the contained in it; release: take that out again",
        "secretsmanager:RestoreSecret": "stop the deletion of a secret that a suspect scheduled",
    },
    "arn:{partition}:sns:{region}:{account}:evict-readiness": {
        "sns:SetTopicAttributes": "deny the contained in it; release: take that out again",
    },
    "arn:{partition}:sqs:{region}:{account}:evict-readiness": {
        "sqs:SetQueueAttributes": "deny the contained in it; release: take that out again",
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
        "identitystore:DescribeUser": "who a person of Identity Center is, and which identity provider keeps it",
        "identitystore:GetUserId": "a person of Identity Center given by e-mail",
        "identitystore:ListGroupMemberships": "how many others have a permission set through a group",
        "identitystore:ListGroupMembershipsForMember": "the groups of a person of Identity Center; read back",
        "identitystore:ListUsers": "a person of Identity Center given by name, or by the name of its session",
        "organizations:CreatePolicy": "the fence above the account",
        "organizations:DescribeAccount":
            "whether an account that cannot be reached is yours (works in the management or a delegated"
            " account; a refusal is no obstacle)",
        "organizations:DescribeOrganization": "whether there is one, and which is its management account",
        "organizations:DescribePolicy": "what the fence above the account says now",
        "organizations:ListPolicies": "whether the fence above the account is there; read back",
        "organizations:ListPoliciesForTarget": "which policies are attached to the account, and whether there is room; read back",
        "organizations:ListRoots": "whether service and resource control policies are enabled",
        "sso:DescribeAccountAssignmentCreationStatus": "whether an assignment has come back",
        "sso:DescribeAccountAssignmentDeletionStatus": "whether an assignment is gone",
        "sso:DescribePermissionSet": "its name, and how long its sessions last",
        "sso:DescribePermissionSetProvisioningStatus": "whether the roles have what the permission set says",
        "sso:GetInlinePolicyForPermissionSet": "what the permission set says now; read back",
        "sso:ListAccountAssignments": "how many others have a permission set",
        "sso:ListAccountAssignmentsForPrincipal": "what a person has, and in which accounts; read back",
        "sso:ListInstances": "readiness: whether there is an Identity Center",
        "sso:ListPermissionSetsProvisionedToAccount": "whether the roles have what the permission set says; read back",
    },
    "arn:{partition}:iam::{account}:root": {
        "sts:AssumeRoot":
            "what the root user of a member account holds; delete it, if the incident file asks for "
            "that",
    },
    "arn:{partition}:identitystore::{account}:identitystore/evict-readiness": {
        "identitystore:CreateGroupMembership": "release: a membership of a person of Identity Center",
        "identitystore:DeleteGroupMembership": "take a person of Identity Center out of its groups",
    },
    "arn:{partition}:organizations::{account}:policy/evict-readiness/service_control_policy/evict-readiness": {
        "organizations:AttachPolicy": "the fence above the account",
        "organizations:DeletePolicy": "release: the fence above the account, when it holds nobody any more",
        "organizations:DetachPolicy": "release: the fence above the account, when it holds nobody any more",
        "organizations:UpdatePolicy": "extend the fence above the account, and take out of it who is released",
    },
    "arn:{partition}:sso:::account/evict-readiness": {
        "sso:CreateAccountAssignment": "release: an assignment of a person of Identity Center",
        "sso:DeleteAccountAssignment": "take a person's own assignments away",
        "sso:DeleteInlinePolicyFromPermissionSet": "release: our statement, where the permission set had no inline policy",
        "sso:ProvisionPermissionSet": "take our statement to the roles of the permission set, and away from them",
        "sso:PutInlinePolicyToPermissionSet": "deny one person, where no service control policy can be had",
    },
}
