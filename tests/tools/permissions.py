"""What the responder may have to do in AWS, as IAM policy documents and a table: docs/permissions*, written by generate.py.

Writes are what the generators' Steps hold (do, undo, probe): each is run here on canned principals. Reads are the READS constants of
module_utils/aws. What neither shows is declared here, with the reason. Every operation is looked up in botocore's service models.
"""

from __future__ import annotations

import ast
import dataclasses
import datetime
import functools
import importlib
import inspect
import json
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.tools.generate import ROOT, Files

PACKAGE = "ansible_collections.evict.cloud.plugins.module_utils"
FOLDER = ROOT / "plugins" / "module_utils" / "aws"
POLICY = "docs/permissions/aws-responder.json"
RESOURCES_POLICY = "docs/permissions/aws-responder-resources.json"
CALLER_POLICY = "docs/permissions/aws-caller.json"
MANAGEMENT_POLICY = "docs/permissions/aws-management.json"
READINESS_POLICY = "docs/permissions/aws-readiness.json"
ACTIONS_FILE = "plugins/module_utils/aws/readiness/actions.py"
DEPENDENTS_POLICY = "docs/permissions/aws-dependents.json"
ROTATION_POLICY = "docs/permissions/aws-rotation.json"
INVESTIGATION_POLICY = "docs/permissions/aws-investigation.json"
WAREHOUSE_POLICY = "docs/permissions/aws-warehouse.json"
TABLE = "docs/permissions.md"
ROLE, MANAGEMENT_ROLE = "incident-responder", "incident-policies"  # the names that the documentation uses; any will do

# IAM's name of an action is the service's prefix and the API operation, except where this says otherwise. A service that is not listed
# stops the generator: somebody has to look its prefix up first.
PREFIXES = {
    service: service
    for service in (
        "amplify", "apprunner", "athena", "autoscaling", "batch", "cloudformation", "cloudtrail", "cloudwatch", "codebuild", "config", "datasync",
        "directconnect", "ds", "ec2", "ecr", "ecs",
        "eks", "elasticbeanstalk", "events", "glue", "guardduty", "iam", "identitystore", "kms", "lambda", "logs", "organizations", "ram", "rds", "rolesanywhere",
        "s3", "secretsmanager", "sns", "sqs", "ssm", "storagegateway", "sts", "transfer",
    )
} | {"elbv2": "elasticloadbalancing", "sso-admin": "sso", "stepfunctions": "states"}  # fmt: skip
ACTIONS: dict[str, str] = {  # "<service>:<Operation>" -> action, where the two differ
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
}

NEEDS_NONE = {
    "sts:GetCallerIdentity": "AWS answers it whatever the policies say",
    "iam:ListAccountAliases": "made by the canary's own session, which is given that right",
    "sns:Publish": "of a notifier, with its own access: whoever names a topic in the incident file gives the right to that one (docs: notifying)",
}
# Made with the credentials that the command was started with, never with those of the role in an account.
CALLER = ("organizations:DescribeAccount", "sts:AssumeRole", "sts:GetAccessKeyInfo", "sts:SetSourceIdentity")
BECOME = ("sts:AssumeRole", "sts:SetSourceIdentity")
CALLER_TOO = ("iam:GetRole",)  # of its own role, so that what it is reached through is not cut
DECLARED = {
    "sts:AssumeRole": "assumed",
    "sts:SetSourceIdentity": "assumed",
    "sts:AssumeRoot": "assumed",
}  # no Step and no READS holds it: assumed.py makes the accounts' credentials
PARAMETERS = {
    "sts:SetSourceIdentity": ("sts:AssumeRole", "SourceIdentity")
}  # actions that are asked for by a parameter, not by an operation of their own
# Checked by AWS within another action, so no call of ours. The three of Lambda: "Working with resource-based policies in Lambda".
DEPENDENT = {
    "ec2:CreateTags": "compute.instance", "iam:PassRole": "workloads.instance", "lambda:AddPermission": "resources.function",
    "lambda:GetPolicy": "resources.function", "lambda:RemovePermission": "resources.function",
}  # fmt: skip

# The same, of the rotation: a revision's two roles are passed on, and its tags are given to it.
DEPENDENT_TOO = {"ecs:TagResource": "targets.ecs_task_definition", "iam:PassRole": "targets.ecs_task_definition"}

_PLANNING = (
    "aws_account_fence", "aws_contain", "aws_credential", "aws_credential_rotation", "aws_identity_quarantine", "aws_principal_info", "aws_resource_fence", "aws_session",
)  # fmt: skip
DISCOVERY, ROTATION = "aws_dependent_info", "aws_credential_rotation"  # each has a document of its own: they read secrets
INVESTIGATION = "aws_audit_event_info"  # the same: it reads the files of trails
CONNECTED = "aws_connected_info"  # lists what an account is connected with
_EVERY = (*_PLANNING, "aws_restore", DISCOVERY)
READY = ("aws_baseline", "aws_readiness_info")  # they look on a good day; what they alone need is a document of its own
_LOOKING = ("aws_readiness_info",)
DECRYPTING = {"kms:Decrypt": "places.secrets_manager"}  # the same, and a read
CRYPTING = dict.fromkeys(("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"), "targets.secrets_manager")  # the same, of what is written
# Athena asks for these with the rights of whoever started the query: "Identity-based policies" and "Amazon S3 permissions" in its user guide.
WAREHOUSED = dict.fromkeys(("athena:GetWorkGroup", "glue:GetDatabase", "glue:GetPartition", "kms:Decrypt", "kms:GenerateDataKey", "s3:AbortMultipartUpload",
                            "s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket", "s3:ListMultipartUploadParts", "s3:PutObject"), "athena")  # fmt: skip
RESULTS = ("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject")  # of these, what writes the answer
# What shows the values of secrets, and lists or describes more than names: for the policy's own statement, and for whoever decides about it.
SENSITIVE = (
    "amplify:ListApps", "amplify:ListBranches", "apprunner:DescribeService", "batch:DescribeJobDefinitions", "cloudformation:DescribeStacks",
    "codebuild:BatchGetProjects", "ec2:DescribeInstanceAttribute", "ec2:DescribeLaunchTemplateVersions", "ecs:DescribeTaskDefinition", "ecs:DescribeTasks",
    "elasticbeanstalk:DescribeConfigurationSettings", "events:DescribeConnection", "glue:GetConnections", "glue:GetJobs", "lambda:ListFunctions",
    "secretsmanager:GetSecretValue", "ssm:GetParameters", "states:DescribeStateMachine",
)  # fmt: skip
# Through which services the key of a secret may be used: "kms:ViaService" in their documentation.
_VIA = ("glue", "lambda", "secretsmanager", "ssm", "states")

# Which modules make a file's READS; of Steps, `runs` says it.
USERS: dict[str, tuple[str, ...]] = {
    **{f"credentials.{kind}": ("aws_contain", "aws_credential", "aws_principal_info") for kind in ("mfa_device",)},
    **{
        f"credentials.{kind}": ("aws_contain", "aws_credential", ROTATION, "aws_principal_info")
        for kind in ("login_profile", "signing_certificate", "ssh_public_key")
    },
    "credentials.access_key": ("aws_contain", "aws_credential", ROTATION, DISCOVERY, "aws_principal_info"),
    "credentials.server_certificate": ("aws_contain", "aws_principal_info"),
    "account_state": ("aws_baseline", "aws_contain"),
    "identity_providers": ("aws_baseline", "aws_contain"),
    **{
        f"readiness.{path.stem}": _LOOKING
        for path in (FOLDER / "readiness").glob("*.py")
        if path.stem not in ("__init__", "kind", "actions")
    },
    "ready": READY,
    "credentials.service_specific_credential": (*_PLANNING, DISCOVERY),  # a suspect may be one
    "authors": _PLANNING,  # a suspect may have written itself into the responder's trust policy
    "aftermath": ("aws_contain",),
    **{f"live.{path.stem}": ("aws_contain",) for path in (FOLDER / "live").glob("*.py") if path.stem not in ("__init__", "kind")},
    **{f"clocks.{path.stem}": ("aws_contain",) for path in (FOLDER / "clocks").glob("*.py") if path.stem not in ("__init__", "kind")},
    "stop_clocks": ("aws_contain",),
    **{f"workloads.{path.stem}": ("aws_contain",) for path in (FOLDER / "workloads").glob("*.py") if path.stem not in ("__init__", "kind")},
    **{f"compute.{path.stem}": ("aws_contain", "aws_resource") for path in (FOLDER / "compute").glob("*.py")},
    "compute.metadata": ("aws_contain",),
    **{
        f"resources.{path.stem}": ("aws_contain", "aws_resource_fence")
        for path in (FOLDER / "resources").glob("*.py")
        if path.stem not in ("__init__", "kind")
    },
    "canary": ("aws_account_fence", "aws_contain"),
    "deny_all": ("aws_account_fence", "aws_contain", "aws_resource_fence"),
    "dependents": (DISCOVERY,),
    "connections": (CONNECTED,),
    **{f"connected.{path.stem}": (CONNECTED,) for path in (FOLDER / "connected").glob("*.py") if path.stem not in ("__init__", "kind")},
    "accounts": (INVESTIGATION, CONNECTED),
    "audit_files": (INVESTIGATION,),
    "audit_history": (INVESTIGATION,),
    "athena": (INVESTIGATION,),
    "athena_table": (INVESTIGATION,),
    "events": (*_PLANNING, DISCOVERY, INVESTIGATION, CONNECTED, "aws_readiness_info"),
    "hold": ("aws_contain",),
    "organization": ("aws_account_fence", "aws_contain"),
    **{f"places.{path.stem}": (DISCOVERY,) for path in (FOLDER / "places").glob("*.py") if path.stem not in ("__init__", "kind")},
    "principal": (*_PLANNING, DISCOVERY),
    "resolving": (*_PLANNING, DISCOVERY),
    "responders": ("aws_account_fence", "aws_contain", "aws_restore"),
    "quarantine": ("aws_contain", "aws_identity_quarantine", "aws_session"),
    "scope": ("aws_contain",),
    "administrators": ("aws_contain", "aws_credential", "aws_identity_quarantine"),
    "identity_center": _PLANNING,  # a suspect may be one's session
    "pending": ("aws_contain", "aws_restore"),
    "people": ("aws_contain",),
    "root_user": ("aws_contain",),
    "assumed": (*_EVERY, *READY, INVESTIGATION, CONNECTED),
    "branch": (
        "aws_account_fence",
        "aws_contain",
        "aws_credential",
        ROTATION,
        "aws_identity_quarantine",
        "aws_resource_fence",
        "aws_session",
    ),
    "shared_tag": ("aws_account_fence", "aws_contain"),
    "sessions": ("aws_contain", ROTATION, "aws_identity_quarantine", "aws_session"),
    "snapshot": ("aws_contain", "aws_principal_info"),
    "trust": ("aws_contain",),
    "uses": (DISCOVERY,),
    **{f"targets.{path.stem}": (ROTATION,) for path in (FOLDER / "targets").glob("*.py") if path.stem not in ("__init__", "kind")},
    "rotation.kinds.handover": (ROTATION,),
    **{f"rotation.{name}": (ROTATION,) for name in ("course", "fenced", "health", "powers", "proving", "readers", "watch")},
    "ecs": (ROTATION,),
    "rotation.health": (ROTATION,),
    "rotation.machine": (ROTATION,),
}
WHY = {
    "datasync:ListLocations": "connected systems: DataSync locations",
    "directconnect:DescribeVirtualInterfaces": "connected systems: Direct Connect",
    "ds:DescribeDirectories": "connected systems: directories",
    "ec2:DescribeTransitGatewayAttachments": "connected systems: transit gateways",
    "ec2:DescribeVpcPeeringConnections": "connected systems: peering",
    "ec2:DescribeVpnConnections": "connected systems: VPN",
    "ecr:DescribeRepositories": "connected systems: registries",
    "ram:GetResourceShares": "connected systems: what is shared",
    "rds:DescribeDBInstances": "connected systems: databases",
    "ssm:DescribeInstanceInformation": "connected systems: hybrid nodes",
    "storagegateway:ListGateways": "connected systems: Storage Gateway",
    "transfer:ListServers": "connected systems: Transfer servers",
    "cloudwatch:DescribeAlarms": "rotation: whether a dependent works, where it declares an alarm",
    "codebuild:GetResourcePolicy": "rotation: with whom a project is shared",
    "codebuild:UpdateProject": "rotation: the new key, and the way back",
    "ecs:DeregisterTaskDefinition": "rotation: the way back of a family without services",
    "ecs:RegisterTaskDefinition": "rotation: a revision with the new key",
    "ecs:TagResource": "AWS asks for it when a revision is registered with the tags of the one before",
    "iam:CreateAccessKey": "rotation: the new key",
    "iam:CreateLoginProfile": "rotation: a new console password, to be changed at the first sign-in",
    "iam:CreateServiceSpecificCredential": "rotation: a new service-specific credential",
    "iam:ResetServiceSpecificCredential": "rotation: a new secret of a service-specific credential",
    "iam:UploadSSHPublicKey": "rotation: the owner's new SSH public key",
    "iam:UploadSigningCertificate": "rotation: the owner's new signing certificate",
    "kms:Encrypt": "AWS asks for it where a customer's own key encrypts what is written",
    "kms:GenerateDataKey": "AWS asks for it where a customer's own key encrypts what is written",
    "iam:GetPolicyVersion": "rotation: whether the user may write in IAM or assume roles, by attached policies",
    "iam:ListGroupPolicies": "rotation: whether the user may write in IAM or assume roles, by its groups",
    "lambda:GetAlias": "rotation: to which version an alias leads; read back",
    "lambda:InvokeFunction": "rotation: whether a dependent works, where it declares a function",
    "lambda:ListVersionsByFunction": "rotation: which versions there are",
    "lambda:PublishVersion": "rotation: the version that keeps the old environment, and the one with the new",
    "lambda:UpdateAlias": "rotation: lead an alias to the version with the new key",
    "secretsmanager:DescribeSecret": "rotation: which version is current; read back",
    "secretsmanager:ListSecretVersionIds": "rotation: whether the new version is there; read back",
    "secretsmanager:PutSecretValue": "rotation: the new key, pending",
    "secretsmanager:UpdateSecretVersionStage": "rotation: make it current, and the way back",
    "ssm:GetParameter": "rotation: the value and the version of a parameter; read back",
    "ssm:GetParameterHistory": "rotation: the way back",
    "ssm:GetResourcePolicies": "rotation: with whom a parameter is shared",
    "ssm:PutParameter": "rotation: the new key",
    "autoscaling:AttachInstances": "release: an isolated instance back into its auto-scaling group",
    "autoscaling:DescribeAutoScalingInstances": "in which auto-scaling group an instance is; read back",
    "autoscaling:DetachInstances": "take an isolated instance out of its auto-scaling group",
    "cloudwatch:GetMetricStatistics": "whether something on an instance uses version 1 of the metadata service",
    "ec2:AssociateIamInstanceProfile": "release: the profile of an isolated instance",
    "ec2:AuthorizeSecurityGroupEgress": "the group through which an interface loses its tracked connections",
    "ec2:AuthorizeSecurityGroupIngress": "the group through which an interface loses its tracked connections",
    "ec2:CreateSecurityGroup": "the two groups of an isolation",
    "ec2:CreateSnapshot": "evidence: the disks of an instance that is isolated",
    "ec2:CreateTags": "AWS asks for it when a snapshot or a group is made with tags",
    "ec2:DeleteSecurityGroup": "release: the two groups of an isolation",
    "ec2:DescribeInstanceAttribute": "whether an instance is protected against termination; read back",
    "ec2:DescribeNetworkInterfaces": "which security groups an interface has; read back",
    "ec2:DescribeSecurityGroupRules": "whether an isolation group lets nothing through; read back",
    "ec2:DescribeSecurityGroups": "whether the groups of an isolation are there",
    "ec2:DescribeSnapshots": "whether a snapshot was started by an earlier run",
    "ec2:DisassociateIamInstanceProfile": "take the role away from an isolated instance",
    "ec2:ModifyInstanceAttribute": "protect an isolated instance and its disks; release: as it was",
    "ec2:ModifyInstanceMetadataOptions": "require IMDSv2, where nothing uses version 1; release: as it was",
    "ec2:ModifyNetworkInterfaceAttribute": "put an interface into isolation; release: its groups",
    "ec2:RevokeSecurityGroupEgress": "the group that lets nothing through",
    "ec2:RevokeSecurityGroupIngress": "the group that lets nothing through",
    "ec2:StartInstances": "release: an instance that was stopped",
    "ec2:StopInstances": "`action: stop`, for instances that a suspect started",
    "ecs:GetTaskProtection": "whether a task is kept aside; read back",
    "ecs:UpdateTaskProtection": "keep a task aside; release: as it was",
    "elasticloadbalancing:DeregisterTargets": "take what is isolated out of its target groups",
    "elasticloadbalancing:DescribeTargetGroups": "in which target groups an instance is",
    "elasticloadbalancing:DescribeTargetHealth": "in which target groups an instance is; read back",
    "elasticloadbalancing:RegisterTargets": "release: back into its target groups",
    "lambda:DeleteFunctionConcurrency": "release: no reserved concurrency, if there was none",
    "lambda:GetEventSourceMapping": "whether a trigger is on; read back",
    "lambda:GetFunctionConcurrency": "the reserved concurrency of a function; read back",
    "lambda:GetFunctionUrlConfig": "whether a function URL asks for a signature; read back",
    "lambda:ListEventSourceMappings": "the triggers of a function",
    "lambda:ListFunctionUrlConfigs": "the URLs of a function",
    "lambda:PutFunctionConcurrency": "let nobody invoke an isolated function; release: its concurrency",
    "lambda:UpdateEventSourceMapping": "switch a trigger off; release: on again",
    "lambda:UpdateFunctionUrlConfig": "make a function URL ask for a signature; release: as it was",
    "autoscaling:DescribeAutoScalingGroups": "whether a group that a suspect made runs anything; read back",
    "autoscaling:UpdateAutoScalingGroup": "set a group that a suspect made to 0; false positive: its sizes",
    "cloudtrail:GetEventDataStore": "whether an event data store that a suspect stopped or deleted can be had back; read back",
    "cloudtrail:GetEventSelectors": "whether a trail logs management events; read back",
    "cloudtrail:GetTrail": "what a trail that a suspect changed logs; read back",
    "cloudtrail:GetTrailStatus": "whether a trail that a suspect stopped logs; read back",
    "cloudtrail:PutEventSelectors": "make a trail log management events again",
    "cloudtrail:RestoreEventDataStore": "have an event data store back that a suspect deleted",
    "cloudtrail:StartEventDataStoreIngestion": "start what a suspect stopped",
    "cloudtrail:StartLogging": "start what a suspect stopped",
    "cloudtrail:UpdateTrail": "make a trail log again what a suspect switched off",
    "config:DescribeConfigurationRecorderStatus": "whether a recorder that a suspect stopped records; read back",
    "config:StartConfigurationRecorder": "start what a suspect stopped",
    "ec2:DescribeFleets": "whether a fleet that a suspect made asks for anything; read back",
    "ec2:DescribeSpotFleetRequests": "whether a fleet that a suspect made asks for anything; read back",
    "ec2:ModifyFleet": "set a fleet that a suspect made to 0",
    "ec2:ModifySpotFleetRequest": "set a fleet that a suspect made to 0",
    "guardduty:GetDetector": "whether a detector that a suspect suspended is on; read back",
    "guardduty:UpdateDetector": "enable what a suspect suspended",
    "kms:CancelKeyDeletion": "stop the deletion of a key that a suspect scheduled",
    "kms:DescribeKey": "whether and when a key is to be deleted; read back",
    "logs:DeleteRetentionPolicy": "keep what a suspect's retention would delete",
    "logs:DescribeLogGroups": "whether a retention that a suspect set stands; read back",
    "logs:PutRetentionPolicy": "false positive: that retention",
    "s3:GetLifecycleConfiguration": "which lifecycle rules a bucket has; read back",
    "s3:PutLifecycleConfiguration": "suspend a lifecycle rule that a suspect wrote",
    "secretsmanager:RestoreSecret": "stop the deletion of a secret that a suspect scheduled",
    "cloudtrail:DescribeTrails": "readiness: whether a trail covers all regions",
    "organizations:ListAccounts": "readiness: which accounts there are, and which are suspended",
    "organizations:ListParents": "readiness: what stands above an account",
    "s3:GetObject": "investigation: the files of a trail; Athena asks for it to read the log, and its own answer",
    "s3:ListBucket": "readiness: whether the trail's bucket can be reached; investigation: which files there are, and how large what a query reads is",
    "athena:GetQueryExecution": "investigation: whether a query is through",
    "athena:GetQueryResults": "investigation: the rows of its answer",
    "athena:GetWorkGroup": "Athena asks for it of whoever starts a query",
    "athena:StartQueryExecution": "investigation: ask a table of CloudTrail, where the logs are too large for this machine",
    "athena:StopQueryExecution": "investigation: end a query whose answer nobody waits for any more",
    "glue:GetDatabase": "Athena asks for it of whoever starts a query",
    "glue:GetPartition": "Athena asks for it of whoever starts a query",
    "glue:GetPartitions": "investigation: which partitions a query reads",
    "glue:GetTable": "investigation: how a table of CloudTrail is laid out",
    "s3:AbortMultipartUpload": "Athena asks for it to write its answer",
    "s3:GetBucketLocation": "Athena asks for it of whoever starts a query",
    "s3:ListMultipartUploadParts": "Athena asks for it to write its answer",
    "s3:PutObject": "Athena asks for it to write its answer",
    "sso:ListInstances": "readiness: whether there is an Identity Center",
    "amplify:ListApps": "variables and build specifications of apps",
    "amplify:ListBranches": "variables and build specifications of branches",
    "apprunner:DescribeService": "variables of a service",
    "apprunner:ListServices": "which services there are",
    "batch:DescribeJobDefinitions": "variables and parameters of jobs",
    "codebuild:BatchGetProjects": "variables and build specifications of projects; rotation: read back",
    "ec2:DescribeLaunchTemplateVersions": "user data of launch templates",
    "ec2:DescribeLaunchTemplates": "which launch templates there are",
    "ecs:ListServices": "which services there are, to see which task definitions are in use",
    "ecs:ListTaskDefinitions": "the newest revision of each family; rotation: whether one has the new key; read back",
    "elasticbeanstalk:DescribeConfigurationSettings": "option settings of environments",
    "elasticbeanstalk:DescribeEnvironments": "which environments there are",
    "events:DescribeConnection": "user names and parameters of connections",
    "events:ListConnections": "which connections there are",
    "glue:GetConnections": "properties of connections, with passwords",
    "glue:GetJobs": "arguments of jobs",
    "kms:Decrypt": "AWS asks for it where a customer's own key encrypts a secret, a parameter or an environment",
    "secretsmanager:GetSecretValue": "compare the values of secrets, in memory",
    "secretsmanager:ListSecrets": "which secrets there are, and the versions that have labels",
    "ssm:DescribeParameters": "which parameters there are",
    "ssm:GetParameters": "compare the values of parameters, decrypted, in memory",
    "states:DescribeStateMachine": "definitions of state machines",
    "states:ListStateMachines": "which state machines there are",
    "batch:DescribeJobs": "whether a job that the log names still runs; read back",
    "batch:DescribeServiceJob": "whether a service job that the log names still runs; read back",
    "batch:TerminateJob": "end a Batch job that a suspect submitted",
    "batch:TerminateServiceJob": "end a Batch service job that a suspect submitted",
    "cloudformation:CancelUpdateStack": "cancel a stack update that a suspect began",
    "cloudformation:DescribeStacks": "whether a stack that the log names is at work; read back; parameters and outputs",
    "codebuild:BatchGetBuildBatches": "which batches run, and who started them; read back",
    "codebuild:BatchGetSandboxes": "whether a sandbox that the log names still runs; read back",
    "codebuild:ListBuildBatches": "which batches run",
    "codebuild:StopBuildBatch": "end a build batch that a suspect started",
    "codebuild:StopSandbox": "end a sandbox that a suspect started",
    "codebuild:BatchGetBuilds": "which builds run, and who started them; read back",
    "codebuild:ListBuildsForProject": "which builds run, and who started them; rotation: with the old key",
    "codebuild:ListProjects": "which builds run, and who started them; which projects there are",
    "codebuild:StopBuild": "end a build that a suspect started",
    "ec2:DescribeIamInstanceProfileAssociations": "which instances run as a role whose sessions were revoked",
    "ec2:ReplaceIamInstanceProfileAssociation": "make an instance fetch new credentials after a revocation",
    "ecs:DescribeServices": "how a service is deployed, and with which task definition; read back",
    "ecs:DescribeTaskDefinition": "which role a task runs as; its variables",
    "ecs:DescribeTasks": "which tasks run as a role whose sessions were revoked; what they were given beside their definition",
    "ecs:ListClusters": "which tasks run as a role whose sessions were revoked; rotation: who may get into a task",
    "ecs:ListTasks": "which tasks run as a role whose sessions were revoked",
    "ecs:UpdateService": "give a service new tasks after a revocation",
    "eks:AssociateAccessPolicy": "release: an access entry with its policies",
    "eks:CreateAccessEntry": "release: an access entry",
    "eks:DeleteAccessEntry": "take a suspect's access to a cluster away",
    "eks:DescribeAccessEntry": "what an access entry says, so that it can come back; read back",
    "eks:DescribeCluster": "whether a cluster has access entries, and whether aws-auth counts as well",
    "eks:DisassociateAccessPolicy": "take a suspect's access to a cluster away",
    "eks:ListAccessEntries": "whether a suspect has access to a cluster",
    "eks:ListAssociatedAccessPolicies": "what an access entry allows, so that it can come back; read back",
    "eks:ListClusters": "the clusters of a region",
    "cloudformation:DescribeStackSetOperation": "whether an operation that the log names still runs; read back",
    "cloudformation:StopStackSetOperation": "end a StackSet operation that a suspect began",
    "glue:GetSession": "whether a session that the log names still runs; read back",
    "glue:GetWorkflowRun": "whether a workflow run that the log names still runs; read back",
    "glue:StopSession": "end a Glue session that a suspect made",
    "glue:StopWorkflowRun": "end a Glue workflow run that a suspect started",
    "glue:BatchStopJobRun": "end a Glue job run that a suspect started",
    "glue:GetJobRun": "whether a run that the log names still runs; read back",
    "iam:PassRole": "AWS asks for it when an instance profile is replaced",
    "lambda:GetFunctionConfiguration": "the description of a function; read back",
    "lambda:ListAliases": "which aliases lead to published versions, which cannot be changed",
    "lambda:ListFunctions": "which functions run as a role whose sessions were revoked; their environments",
    "lambda:UpdateFunctionConfiguration": "give a function new execution environments after a revocation; release: its description",
    "rolesanywhere:DisableCrl": "switch off a revocation list that a suspect imported",
    "rolesanywhere:DisableProfile": "switch off a profile that a suspect made",
    "rolesanywhere:DisableTrustAnchor": "switch off a trust anchor that a suspect made",
    "rolesanywhere:EnableCrl": "release: a revocation list",
    "rolesanywhere:EnableProfile": "release: a profile",
    "rolesanywhere:EnableTrustAnchor": "release: a trust anchor",
    "rolesanywhere:GetCrl": "whether it is on; read back",
    "rolesanywhere:GetProfile": "whether it is on; read back",
    "rolesanywhere:GetTrustAnchor": "whether it is on; read back",
    "rolesanywhere:ListProfiles": "which certificates lead to a contained role",
    "rolesanywhere:ListTrustAnchors": "which certificates lead to a contained role",
    "ssm:CancelCommand": "end a command that a suspect sent",
    "ssm:DescribeAutomationExecutions": "which automations run, and who started them; read back",
    "ssm:DescribeSessions": "which sessions are open, and whose; read back",
    "ssm:ListCommands": "whether a command that the log names still runs; read back",
    "ssm:StopAutomationExecution": "end an automation that a suspect started",
    "ssm:TerminateSession": "end a session of a suspect, of ECS Exec too",
    "states:DescribeExecution": "whether an execution that the log names still runs; read back",
    "states:StopExecution": "end an execution that a suspect started",
    "ecr:DeleteRepositoryPolicy": "release: no policy, if there was none",
    "ecr:GetRepositoryPolicy": "the policy of a repository; read back",
    "ecr:SetRepositoryPolicy": "deny the contained in it; release: take that out again",
    "kms:GetKeyPolicy": "the policy of a key; read back",
    "kms:PutKeyPolicy": "deny the contained in it; release: take that out again. Its lock-out check is never bypassed",
    "lambda:AddPermission": "AWS asks for it when a function's policy is written",
    "lambda:DeleteResourcePolicy": "release: no policy, if there was none",
    "lambda:GetPolicy": "AWS asks for it when a function's policy is read",
    "lambda:GetResourcePolicy": "the policy of a function; read back",
    "lambda:PutResourcePolicy": "deny the contained in it; release: take that out again",
    "lambda:RemovePermission": "AWS asks for it when a function's policy is written",
    "s3:DeleteBucketPolicy": "release: no policy, if there was none",
    "s3:GetBucketAcl": "whether a bucket that a suspect opened is open to everybody",
    "s3:GetBucketPolicy": "the policy of a bucket; read back",
    "s3:GetBucketPolicyStatus": "whether a bucket that a suspect opened is open to everybody",
    "s3:GetBucketPublicAccessBlock": "Block Public Access as it is; read back",
    "s3:GetBucketWebsite": "whether a bucket is meant to be open",
    "s3:PutBucketPolicy": "deny the contained in it; release: take that out again",
    "s3:PutBucketPublicAccessBlock": "close a bucket that a suspect opened; release: as it was",
    "secretsmanager:DeleteResourcePolicy": "release: no policy, if there was none",
    "secretsmanager:GetResourcePolicy": "the policy of a secret; read back",
    "secretsmanager:PutResourcePolicy": "deny the contained in it; release: take that out again",
    "sns:GetTopicAttributes": "the policy of a topic; read back",
    "sns:SetTopicAttributes": "deny the contained in it; release: take that out again",
    "sqs:GetQueueAttributes": "the policy of a queue; read back",
    "sqs:GetQueueUrl": "a queue by its ARN",
    "sqs:SetQueueAttributes": "deny the contained in it; release: take that out again",
    "cloudtrail:LookupEvents": "quick scope; who issued a session key; who else uses a role",
    "ec2:DescribeInstances": "a suspect given as an instance id",
    "ec2:DescribeRegions": "the regions that are enabled, each of which has its own event history",
    "iam:DeactivateMFADevice": "remove an MFA device that was enrolled during the incident",
    "iam:AddUserToGroup": "put back what a contained principal changed meanwhile",
    "iam:AttachGroupPolicy": "put back what a contained principal changed meanwhile",
    "iam:AttachRolePolicy": "AWSDenyAll, where no service control policy can be had",
    "iam:AttachUserPolicy": "AWSDenyAll, where no service control policy can be had",
    "iam:CreateRole": "the canary of the standing fence: a role of the responder's own",
    "iam:DeleteRole": "the canary goes again",
    "iam:TagRole": "the standing fence; which incidents hold AWSDenyAll or the boundary",
    "iam:TagUser": "the standing fence; which incidents hold AWSDenyAll or the boundary",
    "iam:UntagRole": "release: those tags",
    "iam:UntagUser": "release: those tags",
    "iam:DeleteAccessKey": "`aws_credential` with `state: absent`",
    "iam:DeleteGroupPolicy": "put back what a contained principal changed meanwhile",
    "iam:DeleteLoginProfile": "a console password can only be deleted",
    "iam:DeleteRolePermissionsBoundary": "release: no boundary, if there was none",
    "iam:DeleteRolePolicy": "release: take our own inline policies away again",
    "iam:DeleteSSHPublicKey": "`aws_credential` with `state: absent`",
    "iam:DeleteServiceSpecificCredential": "`aws_credential` with `state: absent`",
    "iam:DeleteSigningCertificate": "`aws_credential` with `state: absent`",
    "iam:DeleteUserPermissionsBoundary": "release: no boundary, if there was none",
    "iam:DeleteUserPolicy": "release: take our own inline policies away again",
    "iam:DetachGroupPolicy": "put back what a contained principal changed meanwhile",
    "iam:DetachRolePolicy": "release: AWSDenyAll",
    "iam:DetachUserPolicy": "release: AWSDenyAll",
    "iam:GetAccessKeyLastUsed": "whose key it is, and when and where it was used last",
    "iam:GetAccountAuthorizationDetails": "all identities of the account, before and after: what the contained did while their fence was spreading; whether somebody else can administer the account",
    "iam:GetGroupPolicy": "read back what was put back; rotation: what the user may do",
    "iam:GetInstanceProfile": "a suspect given as an instance id: the role behind its profile",
    "iam:GetLoginProfile": "whether there is a console password; read back",
    "iam:GetPolicy": "read back what was put back; rotation: what the user may do",
    "iam:GetRole": "the role, its trust policy and longest session; also of the responder's own role and those it is reached through, so that they are not cut",
    "iam:GetRolePolicy": "whether our policies are there; read back; the snapshot",
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
    "iam:ListSAMLProviders": "identity providers, before and after",
    "iam:ListSSHPublicKeys": "which SSH public keys there are, and their status; read back",
    "iam:ListServerCertificates": "the server certificates of the account, which are reported and never changed",
    "iam:ListServiceSpecificCredentials": "which service-specific credentials there are, and their status; whose a reported one is; read back",
    "iam:ListSigningCertificates": "which signing certificates there are, and their status; read back",
    "iam:ListUserPolicies": "which inline policies there are; the snapshot",
    "iam:PutGroupPolicy": "put back what a contained principal changed meanwhile",
    "iam:PutRolePermissionsBoundary": "AWSDenyAll as the boundary, where ten policies are attached; release: the old one",
    "iam:PutRolePolicy": "fence a role; revoke its sessions",
    "iam:PutUserPermissionsBoundary": "AWSDenyAll as the boundary, where ten policies are attached; release: the old one",
    "iam:PutUserPolicy": "fence a user; revoke its sessions",
    **{
        f"iam:{name}": "put back what a contained principal changed in an identity provider meanwhile"
        for name in (
            "AddClientIDToOpenIDConnectProvider",
            "RemoveClientIDFromOpenIDConnectProvider",
            "UpdateOpenIDConnectProviderThumbprint",
            "UpdateSAMLProvider",
        )
    },
    "iam:GetOpenIDConnectProvider": "identity providers, before and after; read back",
    "iam:GetSAMLProvider": "identity providers, before and after; read back",
    "iam:RemoveRoleFromInstanceProfile": "take a role out of an instance profile into which a contained principal put it meanwhile",
    "iam:RemoveUserFromGroup": "put back what a contained principal changed meanwhile",
    "iam:SetDefaultPolicyVersion": "put back what a contained principal changed meanwhile",
    "iam:SimulatePrincipalPolicy": "whether an identity administers the account; asked only where the caller acts in its own account",
    "iam:UpdateAccessKey": "switch an access key off; on again for a false positive, or if it is not a compromised one",
    "iam:UpdateUser": "give a contained user its name back that was renamed meanwhile",
    "iam:UpdateAssumeRolePolicy": "put back a trust policy that a suspect wrote, or narrow it",
    "iam:UpdateSSHPublicKey": "switch an SSH public key off; on again, as access keys",
    "iam:UpdateServiceSpecificCredential": "switch a service-specific credential off; on again, as access keys",
    "iam:UpdateSigningCertificate": "switch a signing certificate off; on again, as access keys",
    "organizations:AttachPolicy": "the fence above the account",
    "organizations:CreatePolicy": "the fence above the account",
    "organizations:DeletePolicy": "release: the fence above the account, when it holds nobody any more",
    "organizations:DescribeAccount": "whether an account that cannot be reached is yours (works in the management or a delegated account; a refusal is no obstacle)",
    "organizations:DescribeOrganization": "whether there is one, and which is its management account",
    "organizations:DescribePolicy": "what the fence above the account says now",
    "organizations:DetachPolicy": "release: the fence above the account, when it holds nobody any more",
    "organizations:ListPolicies": "whether the fence above the account is there; read back",
    "organizations:ListPoliciesForTarget": "which policies are attached to the account, and whether there is room; read back",
    "organizations:ListRoots": "whether service and resource control policies are enabled",
    "organizations:UpdatePolicy": "extend the fence above the account, and take out of it who is released",
    "identitystore:CreateGroupMembership": "release: a membership of a person of Identity Center",
    "identitystore:DeleteGroupMembership": "take a person of Identity Center out of its groups",
    "identitystore:DescribeUser": "who a person of Identity Center is, and which identity provider keeps it",
    "identitystore:GetUserId": "a person of Identity Center given by e-mail",
    "identitystore:ListGroupMemberships": "how many others have a permission set through a group",
    "identitystore:ListGroupMembershipsForMember": "the groups of a person of Identity Center; read back",
    "identitystore:ListUsers": "a person of Identity Center given by name, or by the name of its session",
    "iam:ListRoles": "which roles of an account are Identity Center's, so that the person's sessions of them are followed",
    "sso:CreateAccountAssignment": "release: an assignment of a person of Identity Center",
    "sso:DeleteAccountAssignment": "take a person's own assignments away",
    "sso:DeleteInlinePolicyFromPermissionSet": "release: our statement, where the permission set had no inline policy",
    "sso:DescribeAccountAssignmentCreationStatus": "whether an assignment has come back",
    "sso:DescribeAccountAssignmentDeletionStatus": "whether an assignment is gone",
    "sso:DescribePermissionSet": "its name, and how long its sessions last",
    "sso:DescribePermissionSetProvisioningStatus": "whether the roles have what the permission set says",
    "sso:GetInlinePolicyForPermissionSet": "what the permission set says now; read back",
    "sso:ListAccountAssignments": "how many others have a permission set",
    "sso:ListAccountAssignmentsForPrincipal": "what a person has, and in which accounts; read back",
    "sso:ListPermissionSetsProvisionedToAccount": "whether the roles have what the permission set says; read back",
    "sso:ProvisionPermissionSet": "take our statement to the roles of the permission set, and away from them",
    "sso:PutInlinePolicyToPermissionSet": "deny one person, where no service control policy can be had",
    "sts:AssumeRoot": "what the root user of a member account holds; delete it, if the incident file asks for that",
    "sts:AssumeRole": "become the responder role of an account",
    "sts:GetAccessKeyInfo": "in which account a key is",
    "sts:SetSourceIdentity": "the human's name in CloudTrail; the role's trust has to allow it too. Without it roles are assumed without a name",
}


@dataclasses.dataclass
class Need:
    """Why an action is in a policy: ``sources`` are files of module_utils/aws (dotted, without the package)."""

    action: str
    write: bool
    sources: set[str]
    modules: set[str]


# -- reads -----------------------------------------------------------------------------------------------------------------------


def names() -> list[str]:
    """Dotted names of the files of module_utils/aws, below it."""
    found = [path.relative_to(FOLDER).with_suffix("").parts for path in sorted(FOLDER.rglob("*.py"))]
    return [".".join(parts) for parts in found if parts[-1] != "__init__"]


def load(name: str) -> ModuleType:
    return importlib.import_module(f"{PACKAGE}.aws.{name}")


def reads() -> dict[str, set[str]]:
    """{"<service>:<Operation>": files whose READS name it}."""
    found: dict[str, set[str]] = {}
    for name in names():
        for read in getattr(load(name), "READS", ()):
            found.setdefault(read, set()).add(name)
    return found


# -- writes: the generators, run on canned principals ----------------------------------------------------------------------------


class Cloud:
    """Answers every read with something that makes each generator go all its way; remembers what it was asked."""

    ANSWERS: dict[str, Any] = {
        "ListAccessKeys": {"AccessKeyMetadata": [{"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Active"}]},
        "ListSSHPublicKeys": {"SSHPublicKeys": [{"SSHPublicKeyId": "APKAEXAMPLE", "Status": "Active"}]},
        "ListServiceSpecificCredentials": {
            "ServiceSpecificCredentials": [
                {"ServiceSpecificCredentialId": "ACCAEXAMPLE", "ServiceName": "bedrock.amazonaws.com", "Status": "Active"}
            ]
        },
        "ListSigningCertificates": {"Certificates": [{"CertificateId": "CERTIFICATE", "Status": "Active"}]},
        "ListMFADevices": {"MFADevices": [{"SerialNumber": "arn:aws:iam::111122223333:mfa/ci", "EnableDate": "2026-01-01T00:00:00Z"}]},
        "GetLoginProfile": {"LoginProfile": {"CreateDate": "2025-01-01T00:00:00Z"}},
        "ListUserPolicies": {"PolicyNames": ["work"]},
        "ListRolePolicies": {"PolicyNames": ["work"]},
        "DescribeOrganization": {"Organization": {"MasterAccountId": "999988887777", "FeatureSet": "ALL"}},
        "DescribePolicy": {"Policy": {"Content": {"Statement": []}}},
        "GetFunctionConfiguration": {"Description": "orders"},
    }

    def __init__(self, **answers: Any) -> None:
        self.asked: list[Any] = []
        self._answers = {**self.ANSWERS, **answers}

    def call(self, call: Any, parameters: Any = None) -> dict[str, Any]:
        self.asked.append(call)
        return dict(self._answers.get(call.operation, {}))

    def document(self, edit: Any) -> Any:
        return load("documents").find(edit.target, edit.document)


def principals() -> tuple[Any, Any]:
    """A user and a role."""
    kind = load("principal").Principal
    account, arn = "111122223333", "arn:aws:iam::111122223333"
    role = kind(account, "role", "deploy", "AROAEXAMPLE", f"{arn}:role/deploy", "", {"MaxSessionDuration": 3600}, sessions={"build-1"})
    return kind(account, "user", "ci", "AIDAEXAMPLE", f"{arn}:user/ci", ""), role


def incident() -> Any:
    return importlib.import_module(f"{PACKAGE}.common.incident").validate(
        {
            "id": "IR-1",
            "opened": "2026-01-01T00:00:00Z",
            "suspects": [{"cloud": "aws", "access_key_id": "AKIAIOSFODNN7EXAMPLE"}],
            "trusted": {"networks": ["198.51.100.0/24"]},
        },
        "permissions",
    )


def generators() -> set[str]:
    """``file.function`` of every generator of Steps in module_utils/aws, by its return type: what ``runs`` has to run."""
    found = set()
    for name in names():
        module = load(name)
        if getattr(module, "CLOUD", "aws") != "aws":
            continue  # places outside of AWS have no IAM actions
        for function_name, function in inspect.getmembers(module, inspect.isfunction):
            mine = function.__module__ == module.__name__ and not function_name.startswith("_")
            if (
                mine
                and "Step]" in str(function.__annotations__.get("return", ""))
                and "Iterator" in str(function.__annotations__["return"])
            ):
                found.add(f"{name}.{function_name}")
    return found


@dataclasses.dataclass(frozen=True)
class Run:
    """What one generator made on one canned principal. ``modules``: which Ansible modules run it so."""

    generator: str
    modules: tuple[str, ...]
    steps: list[Any]
    asked: list[Any]


def runs() -> Iterator[Run]:
    """Every generator, on each kind of principal, for every state and action."""
    quarantine, sessions, credentials = load("quarantine"), load("sessions"), importlib.import_module(f"{PACKAGE}.aws.credentials")
    reader_of = importlib.import_module(f"{PACKAGE}.common.reader").Reader
    asked = credentials.Asked.by(incident())
    file, now = incident(), datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    user, role = principals()

    def run(name: str, modules: tuple[str, ...], generator: Any, **answers: Any) -> Run:
        cloud = Cloud(**answers)
        return Run(name, modules, list(generator(reader_of({"aws": cloud}))), cloud.asked)

    fencing, revoking = ("aws_contain", "aws_identity_quarantine"), ("aws_contain", "aws_identity_quarantine", "aws_session")
    yield run("quarantine.fence_user", fencing, lambda r: quarantine.fence_user(user, file, r))
    for action in ("deny", "clamp", "session", "revoke"):
        yield run(
            "quarantine.fence_role", revoking if action == "session" else fencing,
            lambda r, a=action: quarantine.fence_role(role, file, a, ["198.51.100.0/24"], now, r),
        )  # fmt: skip
    for principal in (user, role):
        yield run("sessions.revoke", (*revoking, ROTATION), lambda r, p=principal: sessions.revoke(p, file, now, r))
    yield run("sessions.revoke_others", ("aws_contain",), lambda r: sessions.revoke_others(role, file, now, ["evict-IR-1"], r))
    yield from _above(run, file)
    yield from _held(run)
    yield from _outliving(run, role)
    yield from _isolating(run)
    yield from _clocks(run, role)
    yield from _people(run, file)
    yield from _resources(run, file)
    yield from _rotated(run, file)
    for kind in credentials.KINDS.values():
        name = kind.__name__.split(".aws.", 1)[1]
        for state in ("disabled", "enabled", "absent"):
            modules = ("aws_contain", "aws_credential") if state == "disabled" else ("aws_credential",)
            on_again = state == "enabled" and kind.KIND != "service_specific_credential"  # a reset one has a new secret
            modules = (*modules, ROTATION) if kind.KIND != "mfa_device" and not on_again else modules
            try:
                yield run(f"{name}.steps", modules, lambda r, k=kind, s=state: k.steps(user, s, r, asked))
            except Exception as error:  # a state that the cloud does not have for this kind
                if type(error).__name__ != "EvictError":
                    raise


def _above(run: Any, file: Any) -> Iterator[Run]:
    """The fence above the account, made anew and added to one that is there; and what takes its place."""
    organization, scp, deny_all = load("organization"), load("service_control"), load("deny_all")
    full = {"Policies": [{"Id": f"p-{n}", "Name": f"evict-IR-0-111122223333-{n}"} for n in range(10)]}
    for answers in ({}, {"ListPoliciesForTarget": full}):
        fence = organization.AccountFence(file, "111122223333", scp.Exempt(), lambda _step: None)
        held = [scp.Held(principal.arn) for principal in principals()]
        yield run(
            "organization.fence", ("aws_contain", "aws_account_fence"), lambda r, f=fence, h=held: organization.fence(f, h, r), **answers
        )
    for principal in principals():
        yield run("deny_all.attach", ("aws_contain",), lambda r, p=principal: deny_all.attach(p, file.id, r))
        yield run("deny_all.boundary", ("aws_contain",), lambda r, p=principal: deny_all.boundary(p, file.id, r))
        yield run("tag_fence.mark", ("aws_contain", "aws_account_fence"), lambda r, p=principal: load("tag_fence").mark(p, file.id, r))
    arn = "arn:aws:iam::111122223333:role/"
    target = principals()[0].target
    yield run(
        "canary.steps",
        ("aws_contain", "aws_account_fence"),
        lambda _r: load("canary").steps(target, f"{arn}evict-canary-0", f"{arn}{ROLE}"),
    )


def _held(run: Any) -> Iterator[Run]:
    """What hold puts back, one change of each kind, there and gone; and a trust policy that lets strangers in."""
    put_back, trust, change = load("put_back"), load("trust"), load("account_state").Change
    arns = {kind: f"arn:aws:iam::111122223333:{kind}/x" for kind in ("user", "role", "group", "policy")}
    made = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
    changes = [
        change(arns["role"], "trust", {}, made),
        change(arns["policy"], "version", "v1", "v2"),
        change(arns["user"], "name", arns["user"], f"{arns['user']}2"),
        change(arns["role"], "profile/x", None, True),
        change(f"{arns['user'].replace('user', 'saml-provider')}", "metadata", "<a/>", "<b/>"),
        change(f"{arns['user'].replace('user', 'oidc-provider')}", "thumbprints", [], ["0"]),
    ]
    for pair in ((True, None), (None, True)):
        changes.append(change(f"{arns['user'].replace('user', 'oidc-provider')}", "client/x", *pair))
        changes += [
            change(arns[kind], facet, *pair)
            for kind in ("user", "role", "group")
            for facet in ("inline/x", "attached/arn:aws:iam::aws:policy/x")
        ]
        changes += [change(arns[kind], "boundary", *pair) for kind in ("user", "role")] + [change(arns["user"], "group/x", *pair)]
    target = importlib.import_module(f"{PACKAGE}.common.plan").Target("aws", "111122223333")
    for one in changes:
        yield run("put_back.steps", ("aws_contain",), lambda _r, c=one: put_back.steps(c, target))
    own = type("Own", (), {"caller": {"account": "111122223333"}, "call": lambda *_: {}})()
    yield run(
        "trust.mend",
        ("aws_contain",),
        lambda r: trust.mend(own, arns["role"], set(), (), r, None),
        GetRole={"Role": {"AssumeRolePolicyDocument": made}},
    )


def _outliving(run: Any, role: Any) -> Iterator[Run]:
    """What ends a live thing, and what refreshes a workload."""
    live, workloads = (importlib.import_module(f"{PACKAGE}.aws.{name}") for name in ("live", "workloads"))
    target = importlib.import_module(f"{PACKAGE}.common.plan").Target("aws", role.account, "eu-west-1")
    data = [
        {
            "job": "etl",
            "workflow": "w",
            "set": "s",
            "as": "",
            "cluster": "c",
            "entry": {},
            "policies": {"arn:p": {"type": "cluster"}},
            "noun": n,
        }
        for n in ("profile", "trustAnchor", "crl")
    ]
    for kind in live.KINDS.values():
        for held in data if kind.KIND == "roles_anywhere" else data[:1]:
            one = live.Live(target, "11111111-2222-3333-4444-555555555555", role.arn, "x", held)
            yield run(f"live.{kind.KIND}.steps", ("aws_contain",), lambda _r, k=kind, o=one: k.steps(o))
    about = {"name": "f", "revision": "r", "cluster": "c", "service": "s", "profile": "p", "association": "a"}
    for kind in workloads.KINDS.values():
        name = kind.__name__.rsplit(".", 1)[-1]
        one = workloads.Workload(target, "x", role.arn, "x", frozenset(), about)
        yield run(f"workloads.{name}.steps", ("aws_contain",), lambda r, k=kind, o=one: k.steps(o, "evict IR-1", r))


def _isolating(run: Any) -> Iterator[Run]:
    """Each stage of each kind of compute, on one that has everything."""
    compute, groups, metadata, target_groups = (
        importlib.import_module(f"{PACKAGE}.aws.compute{name}") for name in ("", ".groups", ".metadata", ".target_groups")
    )
    target, both = (
        importlib.import_module(f"{PACKAGE}.common.plan").Target("aws", "111122223333", "eu-west-1"),
        ("aws_contain", "aws_resource"),
    )
    arn, group = "arn:aws:{}:eu-west-1:111122223333:{}", "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/web/1"
    disks, vpc = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": "vol-1"}}], groups.place(target, "vpc-1")
    data = {
        "ec2_instance": {"BlockDeviceMappings": disks, "VpcId": "vpc-1",
                         "NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "VpcId": "vpc-1", "PrivateIpAddress": "10.0.0.9"}]},
        "lambda_function": {},
        "ecs_task": {"group": "service:web", "attachments": [{"details": [{"name": "privateIPv4Address", "value": "10.0.0.9"}]}]},
    }  # fmt: skip
    named = {"ec2_instance": arn.format("ec2", "instance/i-0123456789abcdef0"), "lambda_function": arn.format("lambda", "function:orders"),
             "ecs_task": arn.format("ecs", "task/web/0123456789abcdef0123456789abcdef")}  # fmt: skip
    answers = {
        "DescribeAutoScalingInstances": {"AutoScalingInstances": [
            {"InstanceId": "i-0123456789abcdef0", "LifecycleState": "InService", "AutoScalingGroupName": "web"}]},
        "DescribeTargetGroups": {"TargetGroups": [{"TargetGroupArn": group, "VpcId": "vpc-1"}]},
        "DescribeTargetHealth": {"TargetHealthDescriptions": [{"Target": {"Id": "10.0.0.9", "Port": 80}, "TargetHealth": {"State": "healthy"}}]},
        "DescribeNetworkInterfaces": {"NetworkInterfaces": [{"Groups": [{"GroupId": "sg-1"}]}]},
        "DescribeIamInstanceProfileAssociations": {"IamInstanceProfileAssociations": [
            {"AssociationId": "iip-assoc-1", "InstanceId": "i-0123456789abcdef0", "IamInstanceProfile": {"Arn": "arn:aws:iam::111122223333:instance-profile/web"}}]},
        "ListFunctionUrlConfigs": {"FunctionUrlConfigs": [{"FunctionUrl": "https://x", "FunctionArn": named["lambda_function"], "AuthType": "NONE"}]},
        "ListEventSourceMappings": {"EventSourceMappings": [{"UUID": "0" * 36, "FunctionArn": named["lambda_function"]}]},
        "GetEventSourceMapping": {"UUID": "0" * 36, "State": "Enabled"},
        "DescribeServices": {"services": [{"loadBalancers": [{"targetGroupArn": group}]}]},
    }  # fmt: skip
    about = compute.About("IR-1", {"vpc-1": ("sg-open", "sg-closed")})
    yield run("compute.groups.make", both, lambda r: groups.make(target, vpc, "IR-1", r))
    for rules in ([], [{"IsEgress": side, "SecurityGroupRuleId": "sgr-1"} for side in (True, False)]):
        yield run("compute.groups.rules", both, lambda r: groups.rules(target, vpc, ("sg-1", "sg-2"), r),
                  DescribeSecurityGroupRules={"SecurityGroupRules": rules})  # fmt: skip
    for kind in compute.KINDS.values():
        machine = compute.Machine(
            target, named[kind.KIND], named[kind.KIND].rsplit("/", 1)[-1].rsplit(":", 1)[-1], "x", data=data[kind.KIND]
        )
        stages = (*kind.FIRST, *kind.SECOND, *([kind.stop] if kind.KIND == "ec2_instance" else []))
        for stage in stages:
            for held in ({}, {"ReservedConcurrentExecutions": 5}) if stage.__name__ == "throttle" else ({},):
                yield run(f"{kind.__name__.split('.aws.', 1)[1]}.{stage.__name__}", both, lambda r, s=stage, m=machine: s(m, about, r),
                          **answers, GetFunctionConcurrency=held)  # fmt: skip
        if kind.KIND == "ec2_instance":
            yield run("compute.instance.give_back", both, lambda r, k=kind, m=machine: k.give_back(m, "eni-1", ["sg-1"], "sg-open", r),
                      **{**answers, "DescribeNetworkInterfaces": {"NetworkInterfaces": [{"Groups": [{"GroupId": "sg-open"}]}]}})  # fmt: skip
            yield run("compute.metadata.require", ("aws_contain",), lambda r, m=machine: metadata.require(m, r))
            yield run("compute.target_groups.left", both, lambda r, m=machine: target_groups.left(m, "vpc-1", ("10.0.0.9",), r), **answers)


def _clocks(run: Any, role: Any) -> Iterator[Run]:
    """What stops each kind of clock, in each of its ways."""
    clocks = importlib.import_module(f"{PACKAGE}.aws.clocks")
    target = importlib.import_module(f"{PACKAGE}.common.plan").Target("aws", role.account, "eu-west-1")
    store = f"arn:aws:cloudtrail:eu-west-1:{role.account}:eventdatastore/11111111-2222-3333-4444-555555555555"
    sizes = {"MinSize": 1, "MaxSize": 2, "DesiredCapacity": 1}
    selectors = {"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}]}
    more: dict[str, list[Any]] = {
        "trail": [{"name": "org", "of": "logging"}, {"name": "org", "of": "selectors", "before": selectors, "after": selectors},
                  {"name": "org", "of": "reach", "on": ["IsMultiRegionTrail", "LogFileValidationEnabled"], "off": ["LogFileValidationEnabled"]}],
        "event_data_store": [{"name": store, "arn": store, "status": status} for status in ("PENDING_DELETION", "STOPPED_INGESTION")],
        "log_retention": [{"days": 1}], "bucket_lifecycle": [{"bucket": "logs", "rule": "x"}], "kms_key": [{"state": "PendingDeletion"}],
        "secret": [{"arn": "arn:x"}], "scaling_group": [{"sizes": sizes}], "compute_fleet": [{"capacity": 2}], "container_service": [{"count": 2}],
    }  # fmt: skip
    for kind in clocks.KINDS.values():
        for data in more.get(kind.KIND, [{}]):
            for name in ("fleet-1", "sfr-1") if kind.KIND == "compute_fleet" else ("default",):
                one = clocks.Clock(target, name, role.arn, "x", "x", data=data)
                yield run(f"clocks.{kind.KIND}.steps", ("aws_contain",), lambda _r, k=kind, o=one: k.steps(o))


def _people(run: Any, file: Any) -> Iterator[Run]:
    """A person of Identity Center with an assignment, a group, and a permission set that others have too; the root user of a member account."""
    center, root = load("identity_center"), load("root_user")
    where = center.Instance("arn:aws:sso:::instance/ssoins-1", "d-1", "999988887777", "eu-west-1")
    who, arn, permission_set = (
        center.Person(where, "1-2", "eve"),
        "arn:aws:identitystore:::user/1-2",
        "arn:aws:sso:::permissionSet/ssoins-1/ps-1",
    )
    has = {
        "ListAccountAssignmentsForPrincipal": {
            "AccountAssignments": [{"AccountId": "111122223333", "PermissionSetArn": permission_set, "PrincipalType": "USER"}]
        },
        "ListGroupMembershipsForMember": {"GroupMemberships": [{"GroupId": "g", "MembershipId": "m"}]},
        "ListAccountAssignments": {"AccountAssignments": [{"PrincipalType": "GROUP", "PrincipalId": "g"}]},
        "DescribePermissionSet": {"PermissionSet": {"Name": "Admin"}},
    }
    yield run("identity_center.remove_assignments", ("aws_contain",), lambda r: center.remove_assignments(who, arn, r), **has)
    yield run("identity_center.leave_groups", ("aws_contain",), lambda r: center.leave_groups(who, arn, r), **has)
    yield run("identity_center.deny", ("aws_contain",), lambda r: center.deny(who, arn, permission_set, "111122223333", file, "", r), **has)
    yield run(
        "identity_center.provision",
        ("aws_contain", "aws_restore"),
        lambda r: center.provision(where, arn, permission_set, "111122223333", True, r),
    )
    yield run("root_user.delete", ("aws_contain",), lambda r: root.delete("111122223333", "arn:aws:iam::111122223333:root", r))


def _resources(run: Any, file: Any) -> Iterator[Run]:
    """The fence on a resource of each kind, with a policy and without, and Block Public Access."""
    kinds, fence = importlib.import_module(f"{PACKAGE}.aws.resources"), load("resource_fence")
    touched = load("resource_touched").Touched
    target = importlib.import_module(f"{PACKAGE}.common.plan").Target("aws", "111122223333", "eu-west-1")
    own = type("Own", (), {
        "aws": type("Aws", (), {"partition": "aws", "responder_arn": lambda *_: f"arn:aws:iam::111122223333:role/{ROLE}"})(),
        "incident": file, "principals": {}, "case": None,
    })()  # fmt: skip
    fences = fence.ResourceFences(own, None)
    fences._exempts["111122223333"] = load("service_control").Exempt()
    held = [load("service_control").Held(principal.arn) for principal in principals()]
    allow = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "kms:*"}]}
    named = {"s3": "data-1", "kms": "alias/x", "lambda": "f"}
    for service, kind in kinds.KINDS.items():
        asked = touched(kind, target, named.get(service, "x"))

        def planned(reader: Any, asked: Any = asked) -> list[Any]:
            one = asked.kind.resolve(asked.target, asked.name, "aws", reader)
            return list(fence.fence(fences, asked, one, held, reader))

        answers = {
            "DescribeKey": {"KeyMetadata": {"Arn": "arn:aws:kms:eu-west-1:111122223333:key/k"}}, "GetKeyPolicy": {"Document": allow},
            "GetResourcePolicy": {"ARN": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:x"}, "GetQueueUrl": {"QueueUrl": "https://x"},
            "GetFunctionConfiguration": {"FunctionArn": "arn:aws:lambda:eu-west-1:111122223333:function:f"},
        }  # fmt: skip
        yield run("resource_fence.fence", ("aws_contain", "aws_resource_fence"), planned, **answers)
    one = kinds.KINDS["s3"].resolve(target, "data-1", "aws", None)
    for before in (None, {"BlockPublicAcls": True}):
        yield run(
            "resources.bucket.block", ("aws_contain",), lambda r: kinds.bucket.block(one, "ACL", r),
            GetPublicAccessBlock={"PublicAccessBlockConfiguration": before},
        )  # fmt: skip


def _rotated(run: Any, file: Any) -> Iterator[Run]:
    """The new key, each place that it is written to, and the bridge."""
    targets, bridge, user = importlib.import_module(f"{PACKAGE}.aws.targets"), load("rotation.bridge"), principals()[0]
    target = importlib.import_module(f"{PACKAGE}.common.plan").Target("aws", user.account, "eu-west-1")
    secret = importlib.import_module(f"{PACKAGE}.common.plan").Secret("mint", ("AccessKey", "SecretAccessKey"))
    change = targets.Change(user.arn, "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE", secret)
    held = {"ID": change.old, "SECRET": "x" * 40}
    answers = {
        "DescribeSecret": {"VersionIdsToStages": {"v1": ["AWSCURRENT"]}}, "GetParameter": {"Parameter": {"Version": 1, "Value": "x"}},
        "GetFunctionConfiguration": {"Environment": {"Variables": held}}, "ListAliases": {"Aliases": [{"Name": "live", "FunctionVersion": "1"}]},
    }  # fmt: skip
    variables = [{"name": name, "value": value} for name, value in held.items()]
    definition = {
        "taskDefinitionArn": "arn:aws:ecs:eu-west-1:111122223333:task-definition/x:1",
        "containerDefinitions": [{"environment": variables}],
    }
    answers |= {
        "DescribeTaskDefinition": {"taskDefinition": {"family": "x", **definition}}, "ListTaskDefinitions": {"taskDefinitionArns": ["x:1"]},
        "DescribeServices": {"services": [{"taskDefinition": definition["taskDefinitionArn"]}]},
        "BatchGetProjects": {"projects": [{"environment": {"environmentVariables": variables}}]},
    }  # fmt: skip
    for kind in [kind for kind in targets.KINDS.values() if not getattr(kind, "CLOUD", "")]:
        place = targets.Place(target, kind.KIND, "x", spec={"services": ["c/s"]})
        yield run(f"targets.{kind.KIND}.steps", (ROTATION,), lambda r, k=kind, p=place: k.steps(p, change, r), **answers)
        if back := getattr(kind, "taken_back", None):
            bare, turned = targets.Place(target, kind.KIND, "x"), dataclasses.replace(change, new=change.old)
            yield run(f"targets.{kind.KIND}.taken_back", (ROTATION,), lambda r, p=bare, b=back, c=turned: b(p, c, r), **answers)
    restarting = targets.Place(target, "ssm_parameter", "x", spec={"restart": {"ecs_service": ["c/s"]}})
    for name, make in (("steps", targets.steps), ("restarted", targets.restarted)):
        yield run(
            f"targets.kind.{name}", (ROTATION,), lambda r, m=make: m(targets.KINDS["ssm_parameter"], restarting, change, r), **answers
        )
    yield run("rotation.mint.steps", (ROTATION,), lambda r: load("rotation.mint").steps(user, "mint", change.old, r))
    yield from _replaced(run, user, target)
    clamped = bridge.document(file.sid, file.trusted.networks, (), ())
    yield run("rotation.bridge.clamp", (ROTATION,), lambda r: bridge.clamp(user, file, clamped, r))
    yield run("rotation.bridge.lift", (ROTATION,), lambda r: bridge.lift(user, file, r), GetUserPolicy={"PolicyDocument": clamped})


def _replaced(run: Any, user: Any, target: Any) -> Iterator[Run]:
    """The other kinds of credential, each way."""
    kinds, handover = importlib.import_module(f"{PACKAGE}.aws.rotation.kinds"), load("rotation.kinds.handover")
    order, place = load("rotation.kinds.kind").Order, handover.Handover(target, "x", "seed")
    pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
    secret = importlib.import_module(f"{PACKAGE}.common.plan").Secret("mint", ("Password",))
    yield run("rotation.kinds.handover.steps", (ROTATION,), lambda r: handover.steps(place, user.arn, "x", secret, r))
    for kind in kinds.KINDS.values():
        for how in ("reset", "replace") if kind.KIND == "service_specific_credential" else ("",):
            entry = {"user": user.arn, "kind": kind.KIND, "how": how, "id": "ACCAEXAMPLE", "public_key": "ssh-rsa AAAA", "certificate": pem}
            one = order(user, entry, "mint", "codecommit.amazonaws.com", place)
            yield run(f"rotation.kinds.{kind.KIND}.steps", (ROTATION,), lambda r, k=kind, o=one: k.steps(o, r))


def _calls(action: Any) -> list[tuple[Any, bool]]:
    """(Call, whether it writes) of a Call or an Edit."""
    if not hasattr(action, "document"):
        return [(action, True)]
    probe, write = Cloud().document(action)
    found = [(probe.call, False), (write({"Statement": [{}], "Value": "x"}), True)]
    try:
        return [*found, (write(None), True)]
    except Exception as error:  # a document that there always is
        if type(error).__name__ != "EvictError":
            raise
        return found


def steps() -> Iterator[tuple[str, bool, str, tuple[str, ...]]]:
    """("<service>:<Operation>", writes, the generator's file, modules) of all that Steps do, undo and probe."""
    for run in runs():
        source = run.generator.rpartition(".")[0]
        # A release undoes; so does aws_identity_quarantine with state: absent, what is a fence.
        undoing = ("aws_restore", "aws_identity_quarantine") if source in ("quarantine", "sessions", "deny_all") else ("aws_restore",)
        undoing = (*undoing, "aws_resource") if source.startswith("compute.") else undoing
        undoing = (ROTATION,) if source.startswith(("targets", "rotation")) else undoing
        undoing = (*undoing, "aws_account_fence") if source in ("organization", "tag_fence", "canary") else undoing
        undoing = (*undoing, "aws_resource_fence") if source.startswith("resource") else undoing
        for call in run.asked:
            yield call.name, False, source, run.modules
        for step in run.steps:
            if step.probe:
                yield step.probe.call.name, False, source, run.modules + (undoing if step.undo else ())
            for actions, modules in ((step.do, run.modules), (step.undo, undoing)):
                for action in actions:
                    for call, writes in _calls(action):
                        yield call.name, writes, source, modules


# -- both ------------------------------------------------------------------------------------------------------------------------


@functools.cache
def _operation_names(service: str) -> frozenset[str]:
    import botocore.session

    return frozenset(botocore.session.get_session().get_service_model(service).operation_names)


def action_of(operation: str) -> str:
    """The IAM action of "<service>:<Operation>"; an operation that the service does not have is an error."""
    service, _colon, name = operation.partition(":")
    if service not in PREFIXES:
        raise SystemExit(f"permissions: {operation}: look up the IAM prefix of {service} and list it in PREFIXES")
    if operation in PARAMETERS:
        return operation
    if name not in _operation_names(service):
        raise SystemExit(f"permissions: {operation}: AWS has no such operation")
    return ACTIONS.get(operation, f"{PREFIXES[service]}:{name}")


def needs() -> dict[str, Need]:
    """Every action, by name."""
    found: dict[str, Need] = {}

    def add(operation: str, write: bool, sources: Iterable[str], modules: Iterable[str]) -> None:
        if operation in NEEDS_NONE:
            return
        need = found.setdefault(action_of(operation), Need(action_of(operation), write, set(), set()))
        need.write |= write
        need.sources.update(sources)
        need.modules.update(modules)

    for operation, sources in reads().items():
        add(operation, False, sources, (m for s in sources for m in USERS[s]))
    for operation, write, source, modules in steps():
        add(operation, write, (source,), modules)
    for operation, source in DECLARED.items():
        add(operation, False, (source,), USERS[source])
    for group in (DEPENDENT, DEPENDENT_TOO, CRYPTING, DECRYPTING, WAREHOUSED):
        for action, source in group.items():
            writes = action in RESULTS or (group in (DEPENDENT, DEPENDENT_TOO) and ":Get" not in action)
            need = found.setdefault(action, Need(action, writes, set(), set()))
            need.sources.add(source)
            need.modules.update(USERS[source])
    return dict(sorted(found.items()))


_POLICIES = [f"arn:aws:organizations::*:policy/*/{kind}_control_policy/*" for kind in ("service", "resource")]
_ACCOUNTS = "arn:aws:organizations::*:account/*"


def _above_scope(action: str) -> Any:
    """What a write in Organizations may touch: control policies, and accounts, never a root or an organizational unit."""
    if action == "organizations:CreatePolicy":
        return "*"  # there is nothing to name yet
    return [_ACCOUNTS, *_POLICIES] if action in ("organizations:AttachPolicy", "organizations:DetachPolicy") else _POLICIES


# Writes for which AWS's examples name no resource ("Identity-based policy examples for Amazon ECS").
UNLIMITED = ("ecs:DeregisterTaskDefinition", "ecs:RegisterTaskDefinition")
# Resource types of the writes beyond IAM: the Service Authorization Reference. CancelCommand has none.
_BEYOND = {
    **dict.fromkeys(RESULTS, "s3:::*/evict/*"),
    "ssm:TerminateSession": "ssm:*:*:session/*", "ssm:StopAutomationExecution": "ssm:*:*:automation-execution/*", "ssm:CancelCommand": "",
    **{f"codebuild:{name}": "codebuild:*:*:project/*" for name in ("StopBuild", "StopBuildBatch", "StopSandbox")},
    "glue:BatchStopJobRun": "glue:*:*:job/*", "glue:StopSession": "glue:*:*:session/*", "glue:StopWorkflowRun": "glue:*:*:workflow/*",
    "cloudformation:StopStackSetOperation": "cloudformation:*:*:stackset/*", "batch:TerminateJob": "batch:*:*:job/*",
    "batch:TerminateServiceJob": "batch:*:*:service-job/*",
    "states:StopExecution": "states:*:*:execution:*", "cloudformation:CancelUpdateStack": "cloudformation:*:*:stack/*",
    "eks:CreateAccessEntry": "eks:*:*:cluster/*", "lambda:UpdateFunctionConfiguration": "lambda:*:*:function:*",
    "ecs:UpdateService": "ecs:*:*:service/*", "ec2:ReplaceIamInstanceProfileAssociation": "ec2:*:*:instance/*",
    **{f"ec2:{name}": "ec2:*:*:instance/*" for name in (
        "AssociateIamInstanceProfile", "DisassociateIamInstanceProfile", "ModifyInstanceAttribute", "ModifyInstanceMetadataOptions", "StartInstances",
        "StopInstances")},
    **{f"ec2:{name}": "ec2:*:*:security-group/*" for name in (
        "AuthorizeSecurityGroupEgress", "AuthorizeSecurityGroupIngress", "DeleteSecurityGroup", "RevokeSecurityGroupEgress", "RevokeSecurityGroupIngress")},
    "ec2:ModifyNetworkInterfaceAttribute": "ec2:*:*:network-interface/*", "ec2:CreateSecurityGroup": "ec2:*:*:vpc/*",
    "ec2:CreateSnapshot": "ec2:*:*:volume/*", "ec2:CreateTags": "ec2:*::snapshot/*",
    "autoscaling:AttachInstances": "autoscaling:*:*:autoScalingGroup:*", "autoscaling:DetachInstances": "autoscaling:*:*:autoScalingGroup:*",
    "elasticloadbalancing:DeregisterTargets": "elasticloadbalancing:*:*:targetgroup/*",
    "elasticloadbalancing:RegisterTargets": "elasticloadbalancing:*:*:targetgroup/*",
    **{f"lambda:{name}": "lambda:*:*:function:*" for name in ("DeleteFunctionConcurrency", "PutFunctionConcurrency", "UpdateFunctionUrlConfig")},
    "lambda:UpdateEventSourceMapping": "lambda:*:*:event-source-mapping:*", "ecs:UpdateTaskProtection": "ecs:*:*:task/*",
    **{f"s3:{name}": "s3:::*" for name in ("PutBucketPolicy", "DeleteBucketPolicy", "PutBucketPublicAccessBlock")},
    "kms:PutKeyPolicy": "kms:*:*:key/*", "sqs:SetQueueAttributes": "sqs:*:*:*", "sns:SetTopicAttributes": "sns:*:*:*",
    **{f"secretsmanager:{verb}ResourcePolicy": "secretsmanager:*:*:secret:*" for verb in ("Put", "Delete")},
    **{f"ecr:{verb}RepositoryPolicy": "ecr:*:*:repository/*" for verb in ("Set", "Delete")},
    **{f"lambda:{name}": "lambda:*:*:function:*" for name in ("PutResourcePolicy", "DeleteResourcePolicy", "AddPermission", "RemovePermission")},
    **{f"eks:{name}": "eks:*:*:access-entry/*" for name in ("DeleteAccessEntry", "AssociateAccessPolicy", "DisassociateAccessPolicy")},
    **{f"rolesanywhere:{verb}{noun}": f"rolesanywhere:*:*:{part}/*" for verb in ("Enable", "Disable")
       for noun, part in (("Profile", "profile"), ("TrustAnchor", "trust-anchor"), ("Crl", "crl"))},
}  # fmt: skip
# Of what stops a clock: the same reference. That StartConfigurationRecorder takes a resource nobody has confirmed.
_BEYOND |= {
    "kms:CancelKeyDeletion": "kms:*:*:key/*", "secretsmanager:RestoreSecret": "secretsmanager:*:*:secret:*", "s3:PutLifecycleConfiguration": "s3:::*",
    "config:StartConfigurationRecorder": "", "guardduty:UpdateDetector": "guardduty:*:*:detector/*",
    "autoscaling:UpdateAutoScalingGroup": "autoscaling:*:*:autoScalingGroup:*", "ec2:ModifyFleet": "ec2:*:*:fleet/*",
    "ec2:ModifySpotFleetRequest": "ec2:*:*:spot-fleet-request/*",
    **{f"logs:{name}RetentionPolicy": "logs:*:*:log-group:*" for name in ("Put", "Delete")},
    **{f"cloudtrail:{name}": "cloudtrail:*:*:trail/*" for name in ("StartLogging", "UpdateTrail", "PutEventSelectors")},
    **{f"cloudtrail:{name}": "cloudtrail:*:*:eventdatastore/*" for name in ("RestoreEventDataStore", "StartEventDataStoreIngestion")},
}  # fmt: skip
_BEYOND |= {
    "secretsmanager:PutSecretValue": "secretsmanager:*:*:secret:*", "secretsmanager:UpdateSecretVersionStage": "secretsmanager:*:*:secret:*",
    "codebuild:UpdateProject": "codebuild:*:*:project/*", "ecs:TagResource": "ecs:*:*:task-definition/*",
    **dict.fromkeys(UNLIMITED, ""),
    "ssm:PutParameter": "ssm:*:*:parameter/*", "lambda:PublishVersion": "lambda:*:*:function:*", "lambda:UpdateAlias": "lambda:*:*:function:*",
}  # fmt: skip
CANARIES = "arn:aws:iam::*:role/evict-canary-*"


# What only the role above the accounts does: its services, and AssumeRoot, with the two task policies that are asked for.
# Resource types: "Actions, resources, and condition keys for AWS IAM Identity Center" and "… AWS Identity Store".
_PEOPLE = {
    "sso": ["arn:aws:sso:::account/*", "arn:aws:sso:::instance/*", "arn:aws:sso:::permissionSet/*/*"],
    "identitystore": [
        "arn:aws:identitystore::*:identitystore/*",
        *(f"arn:aws:identitystore:::{kind}/*" for kind in ("group", "membership", "user")),
    ],
}
ABOVE = ("organizations:", "sso:", "identitystore:", "sts:AssumeRoot")


def _scope_above(action: str) -> Any:
    """Of what the role of the management account writes, in Organizations and beyond."""
    service = action.partition(":")[0]
    return "arn:aws:iam::*:root" if action == "sts:AssumeRoot" else _PEOPLE[service] if service in _PEOPLE else _above_scope(action)


def _of_management(need: Need) -> bool:
    return need.action.startswith(ABOVE)


def _scope(action: str) -> str:
    """What a write may touch."""
    if action in _BEYOND:
        return f"arn:aws:{_BEYOND[action]}" if _BEYOND[action] else "*"
    if action in ("iam:CreateRole", "iam:DeleteRole"):
        return CANARIES
    if "InstanceProfile" in action:
        return "arn:aws:iam::*:instance-profile/*"
    if "OpenIDConnectProvider" in action:
        return "arn:aws:iam::*:oidc-provider/*"
    if "SAMLProvider" in action:
        return "arn:aws:iam::*:saml-provider/*"
    if "Role" in action:
        return "arn:aws:iam::*:role/*"
    if "Group" in action:
        return "arn:aws:iam::*:group/*"
    if action == "iam:SetDefaultPolicyVersion":
        return "arn:aws:iam::*:policy/*"
    # Resource types of these actions: "Actions, resources, and condition keys for AWS IAM" in the Service Authorization Reference.
    credentials = ("AccessKey", "LoginProfile", "SSHPublicKey", "ServiceSpecificCredential", "SigningCertificate", "MFADevice")
    if any(noun in action for noun in ("User", *credentials)):
        return "arn:aws:iam::*:user/*"
    raise SystemExit(f"permissions: {action}: say in _scope what it may touch")


def _on(need: Need) -> str:
    if need.action.startswith(("sso:", "identitystore:")):
        return "Identity Center"
    if need.action == "sts:AssumeRoot":
        return "root users"
    if need.action.startswith("organizations:") and need.action not in CALLER:
        return (
            "the organization"
            if not need.write
            else "accounts"
            if _ACCOUNTS in _above_scope(need.action)
            else "service and resource control policies"
        )
    if need.action in CALLER:
        return f"{ROLE} (by the caller)" if need.action in BECOME else "any (by the caller)"
    if need.action in _BEYOND:
        return _scope(need.action).removeprefix("arn:aws:").replace("|", "")
    if need.write and _scope(need.action) == CANARIES:
        return "its own canaries"
    nouns = {
        "user": "users", "role": "roles", "group": "groups", "policy": "managed policies", "instance-profile": "instance profiles",
        "oidc-provider": "OpenID Connect providers", "saml-provider": "SAML providers",
    }  # fmt: skip
    return "any" if not need.write else nouns[_scope(need.action).split(":")[5].partition("/")[0]]


def _statement(sid: str, actions: list[str], resource: Any) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}


def readiness_policy() -> dict[str, Any]:
    """What the good day needs, reads only: beside the others, for the responder's role, the management role and the caller."""
    reads = [need.action for need in needs().values() if need.modules & set(READY) and not need.write]
    mine = [action for action in reads if action not in (*CALLER, *DECLARED)]
    return {"Version": "2012-10-17", "Statement": [_statement("EvictReadiness", mine, "*")]}


def _acting() -> list[Need]:
    """What an incident needs; what only the good day does is in a document of its own."""
    return [need for need in needs().values() if not need.modules <= {*READY, DISCOVERY, ROTATION, INVESTIGATION, CONNECTED}]


def _is_identity(action: str) -> bool:
    """What identities need: IAM, STS and the log; the rest is in a second document, since IAM takes 6,144 characters in one."""
    return action.startswith(("iam:", "sts:")) or action in ("cloudtrail:LookupEvents", "ec2:DescribeInstances", "ec2:DescribeRegions")


def _of_role() -> list[Need]:
    """What the role in an account needs in an incident."""
    return [need for need in _acting() if need.action not in CALLER and not _of_management(need)]


def responder_policy() -> dict[str, Any]:
    """For the role that is assumed in each account (or for the caller itself, where it works in its own account)."""
    mine = [need for need in _of_role() if _is_identity(need.action)]
    statements = [_statement("EvictRead", [need.action for need in mine if not need.write], "*")]
    by_resource: dict[str, list[str]] = {}
    for need in mine:
        if need.write:
            by_resource.setdefault(_scope(need.action), []).append(need.action)
    sids = {
        f"arn:aws:iam::*:{noun}/*": f"Evict{plural}"
        for noun, plural in (
            ("user", "Users"), ("role", "Roles"), ("group", "Groups"), ("policy", "Policies"), ("instance-profile", "Profiles"),
            ("oidc-provider", "OpenIDConnect"), ("saml-provider", "SAML"),
        )
    } | {CANARIES: "EvictCanary"}  # fmt: skip
    statements += [_statement(sids[resource], by_resource[resource], resource) for resource in sorted(by_resource, reverse=True)]
    return {"Version": "2012-10-17", "Statement": statements}


def resources_policy() -> dict[str, Any]:
    """The second document for that role: what runs, what runs out, and the policies of resources."""
    mine = [need for need in _of_role() if not _is_identity(need.action)]
    writes = [need.action for need in mine if need.write]
    limited = [action for action in writes if _scope(action) != "*"]
    statements = [
        _statement("EvictReadResources", [need.action for need in mine if not need.write], "*"),
        _statement("EvictLive", limited, sorted({_scope(action) for action in limited})),
        _statement("EvictCancel", [action for action in writes if action not in limited], "*"),
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def role_policy() -> dict[str, Any]:
    """Both documents of the role as one, for tests: no IAM would take it as a managed policy."""
    return {"Version": "2012-10-17", "Statement": [*responder_policy()["Statement"], *resources_policy()["Statement"]]}


def only_discovery() -> set[str]:
    """Actions that nothing but the search for dependents, the rotation and the investigation needs."""
    return {need.action for need in needs().values() if need.modules <= {DISCOVERY, ROTATION, INVESTIGATION, CONNECTED}}


def dependents_policy() -> dict[str, Any]:
    """All that aws_dependent_info needs in an account, so that it may have a role of its own: nothing that contains has to be able to read secrets."""
    mine = [need.action for need in needs().values() if DISCOVERY in need.modules and need.action not in (*CALLER, *DECLARED)]
    mine = [action for action in mine if not action.startswith("organizations:")]
    via = {"StringLike": {"kms:ViaService": [f"{service}.*.amazonaws.com" for service in _VIA]}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            _statement("EvictFind", [action for action in mine if action not in (*SENSITIVE, *DECRYPTING)], "*"),
            _statement("EvictReadSecrets", [action for action in mine if action in SENSITIVE], "*"),
            {**_statement("EvictDecrypt", list(DECRYPTING), "*"), "Condition": via},
        ],
    }


def rotation_policy() -> dict[str, Any]:
    """All that aws_credential_rotation needs in an account, so that it may have a role of its own."""
    mine = [
        n
        for n in needs().values()
        if ROTATION in n.modules and n.action not in (*CALLER, *DECLARED) and not _of_management(n) and n.action not in CRYPTING
    ]
    writes = [need.action for need in mine if need.write and need.action not in UNLIMITED and need.action not in DEPENDENT_TOO]
    via = {"StringLike": {"kms:ViaService": [f"{service}.*.amazonaws.com" for service in _VIA]}}
    tagged, passed = sorted(DEPENDENT_TOO)
    return {
        "Version": "2012-10-17",
        "Statement": [
            _statement("EvictRotateRead", [need.action for need in mine if not need.write], "*"),
            _statement("EvictRotate", writes, sorted({_scope(action) for action in writes})),
            _statement("EvictRegister", sorted(UNLIMITED), "*"),
            {
                **_statement("EvictTag", [tagged], _scope(tagged)),
                "Condition": {"StringEquals": {"ecs:CreateAction": "RegisterTaskDefinition"}},
            },
            {
                **_statement("EvictPass", [passed], _scope(passed)),
                "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
            },
            {**_statement("EvictCrypt", sorted(CRYPTING), "*"), "Condition": via},
        ],
    }


def investigation_policy() -> dict[str, Any]:
    """All that aws_audit_event_info (without Athena) and aws_connected_info need in an account. Narrow it to the trail's bucket, its folder and its key."""
    mine = [
        n.action
        for n in needs().values()
        if INVESTIGATION in n.modules
        and n.action not in (*CALLER, *DECLARED)
        and not _of_management(n)
        and n.sources - {"athena", "athena_table"} - {DECRYPTING["kms:Decrypt"], CRYPTING["kms:Decrypt"]}
    ]
    files = [action for action in mine if action.startswith("s3:")]
    ways = [n.action for n in needs().values() if CONNECTED in n.modules and n.action not in (*CALLER, *DECLARED, *mine)]
    return {
        "Version": "2012-10-17",
        "Statement": [
            _statement("EvictConnected", ways, "*"),
            _statement("EvictHistory", [action for action in mine if action not in files], "*"),
            _statement("EvictTrailFiles", files, "arn:aws:s3:::*"),
            {**_statement("EvictDecrypt", ["kms:Decrypt"], "*"), "Condition": {"StringLike": {"kms:ViaService": ["s3.*.amazonaws.com"]}}},
        ],
    }


def warehouse_policy() -> dict[str, Any]:
    """All that it needs beside that where the logs are asked in Athena. Narrow it to the workgroup, the table, the trail's bucket and the place of the answers."""
    mine = sorted(n.action for n in needs().values() if n.sources & {"athena", "athena_table"})
    asked = [action for action in mine if not action.startswith(("s3:", "kms:"))]
    read = [action for action in mine if action.startswith("s3:") and action not in RESULTS]
    via = {"StringLike": {"kms:ViaService": ["s3.*.amazonaws.com"]}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            _statement("EvictAsk", asked, "*"),
            _statement("EvictLogs", read, "arn:aws:s3:::*"),
            _statement("EvictAnswers", list(RESULTS), "arn:aws:s3:::*/evict/*"),
            {**_statement("EvictCrypt", [action for action in mine if action.startswith("kms:")], "*"), "Condition": via},
        ],
    }


def caller_policy() -> dict[str, Any]:
    """For the identity that starts the command."""
    mine = [action for action in needs() if action in (*CALLER, *CALLER_TOO)]
    return {
        "Version": "2012-10-17",
        "Statement": [
            _statement("EvictBecome", list(BECOME), [f"arn:aws:iam::*:role/{MANAGEMENT_ROLE}", f"arn:aws:iam::*:role/{ROLE}"]),
            _statement("EvictLocate", [action for action in mine if action not in BECOME], "*"),
        ],
    }


def management_policy() -> dict[str, Any]:
    """For the role in the management account (or a delegated policy administrator) that writes the fences above the accounts."""
    above = [need for need in _acting() if _of_management(need)]
    mine = [need for need in above if need.action.startswith("organizations:")]
    people = [need for need in above if need.action.startswith(("sso:", "identitystore:"))]
    statements = [_statement("EvictReadOrganization", [need.action for need in mine if not need.write], "*")]
    by_scope: dict[str, list[str]] = {}
    for need in mine:
        if need.write:
            by_scope.setdefault(json.dumps(_above_scope(need.action)), []).append(need.action)
    sids = iter(("EvictCreate", "EvictChange", "EvictAttach"))
    statements += [_statement(next(sids), by_scope[scope], json.loads(scope)) for scope in sorted(by_scope, key=len)]
    statements.append(_statement("EvictReadPeople", [need.action for need in people if not need.write], "*"))
    for sid, service in (("EvictAssignments", "sso"), ("EvictMemberships", "identitystore")):
        written = [need.action for need in people if need.write and need.action.startswith(f"{service}:")]
        statements.append(_statement(sid, written, _PEOPLE[service]))
    statements += [_statement("EvictRoot", ["sts:AssumeRoot"], "arn:aws:iam::*:root")]
    return {"Version": "2012-10-17", "Statement": statements}


def actions_in(policy: dict[str, Any]) -> set[str]:
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def _table() -> str:
    lines = [
        "<!-- Written by tests/tools/permissions.py (`make generate`) from the Steps and READS of plugins/module_utils/aws. -->",
        "# Permissions in AWS",
        "",
        "Four policy documents, ready to attach: [aws-responder.json](permissions/aws-responder.json) (identities) and",
        "[aws-responder-resources.json](permissions/aws-responder-resources.json) (what runs, what runs out, and the policies of resources; without it these parts",
        f"are told as not done) for the role `{ROLE}` that is assumed in each account, [aws-caller.json](permissions/aws-caller.json) for the identity that starts",
        f"the command, and [aws-management.json](permissions/aws-management.json) for the role `{MANAGEMENT_ROLE}` of the management account",
        "(`management_role_arn`) that writes the fences above the accounts, and acts on people of Identity Center and on root users. Where the caller works in its",
        "own account without assuming a role, it needs the first three; in the management account without `management_role_arn` the fourth as well. Without the",
        "fourth AWSDenyAll takes the place of those fences.",
        "[aws-readiness.json](permissions/aws-readiness.json) is what `readiness.yml` looks at on a good day, reads only: for all three, beside their own.",
        "`sts:GetCallerIdentity` is called too and needs no permission; the canary of the standing fence is trusted by the responder's role by name, and brings its own.",
        "Notifiers work with their own access (`profile` or `role_arn` of the channel, else the SDK's chain): give it `sns:Publish` and `sns:GetTopicAttributes` on the topic, and",
        "`secretsmanager:GetSecretValue` or `ssm:GetParameter` on the secrets that channels name. Nothing below does.",
        "",
        "Another, [aws-dependents.json](permissions/aws-dependents.json), is all that `aws_dependent_info` needs in an account, and holds what nothing else here does: the right to",
        "read secrets (`secretsmanager:GetSecretValue`, `ssm:GetParameters`, `kms:Decrypt` through those services, user data, variables of functions, tasks and builds). Give it a role of",
        "its own (`role_arn`), so that what contains cannot read secrets; or leave it out, and those places are named as unknown. Narrow its `Resource` as you like: what it may not read is named.",
        "",
        "[aws-investigation.json](permissions/aws-investigation.json) is all that `aws_audit_event_info` and `aws_connected_info` need: the event history of the accounts, the files of a",
        "trail, and lists of what an account is connected with. Narrow it to the trail's bucket (for `s3:GetObject` with `/*` behind it) and to its key.",
        "[aws-warehouse.json](permissions/aws-warehouse.json) is what it needs beside that where the logs are asked in Athena. It writes under `evict/` of a bucket only, so give",
        "`athena.output` such a place. Narrow it to the workgroup, the table, the buckets and their keys. Lake Formation, where it is in use, has to grant `SELECT` on the table, too.",
        "",
        'Writes are limited to users, roles, and the kinds of resource that the table names; reads have `"Resource": "*"`. Outside the standard partition replace `arn:aws:` by `arn:aws-cn:` or',
        "`arn:aws-us-gov:`. IAM cannot limit `PutUserPolicy` and `PutRolePolicy` to denies, so whoever holds the role can give rights to anybody:",
        "guard it like an administrator's.",
        "",
        "| action | on | why | modules | from |",
        "|---|---|---|---|---|",
    ]
    for need in needs().values():
        modules = ", ".join(f"`{name}`" for name in sorted(need.modules)) if not need.modules >= set(_EVERY) else "all `aws_*`"
        lines.append(f"| `{need.action}` | {_on(need)} | {WHY[need.action]} | {modules} | {', '.join(sorted(need.sources))} |")
    return "\n".join(lines) + "\n"


def _sample(scope: str) -> str:
    """One resource that a scope of the policies covers, with the account, the region and the partition left open: the simulator wants one by name."""
    if scope == "*":
        return "*"
    _arn, _aws, service, region, account, rest = scope.split(":", 5)
    return ":".join(
        ("arn", "{partition}", service, "{region}" if region else "", "{account}" if account else "", rest.replace("*", "evict-readiness"))
    )


def simulated() -> str:
    """actions.py of the readiness checks: what the responder and the management role must be allowed, by a resource to simulate it on, and why."""
    mine: dict[str, dict[str, dict[str, str]]] = {"RESPONDER": {}, "MANAGEMENT": {}}
    for need in _acting():
        above = _of_management(need)
        if need.action in CALLER and not above:
            continue
        limited = need.write or need.action == "sts:AssumeRoot"
        scope = "*" if not limited else _scope_above(need.action) if above else _scope(need.action)
        scope = scope if isinstance(scope, str) else next((one for one in scope if "policy" in one), scope[0])
        mine["MANAGEMENT" if above else "RESPONDER"].setdefault(_sample(scope), {})[need.action] = WHY[need.action]
    lines = [
        "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
        "# SPDX-License-Identifier: GPL-3.0-or-later",
        '"""Written by tests/tools/permissions.py (`make generate`): {a resource: {action that is simulated on it: what it is for}}."""',
        "",
        "from __future__ import annotations",
        "",
        "# fmt: off",
    ]
    for name, found in mine.items():
        lines.append(f"{name}: dict[str, dict[str, str]] = {{")
        for resource in sorted(found):
            lines.append(f"    {json.dumps(resource)}: {{")
            for action, why in sorted(found[resource].items()):
                parts = textwrap.wrap(why, 90, drop_whitespace=False, break_long_words=False)
                lines.append(f"        {json.dumps(action)}: {json.dumps(why)}," if len(parts) == 1 else f"        {json.dumps(action)}:")
                lines += [] if len(parts) == 1 else [f"            {json.dumps(part)}{',' if part is parts[-1] else ''}" for part in parts]
            lines.append("    },")
        lines.append("}")
    return "\n".join(lines) + "\n"


def files() -> Files:
    """The generator of tests/tools/generate.py."""
    written = (
        (POLICY, responder_policy()),
        (RESOURCES_POLICY, resources_policy()),
        (CALLER_POLICY, caller_policy()),
        (MANAGEMENT_POLICY, management_policy()),
        (READINESS_POLICY, readiness_policy()),
        (DEPENDENTS_POLICY, dependents_policy()),
        (ROTATION_POLICY, rotation_policy()),
        (INVESTIGATION_POLICY, investigation_policy()),
        (WAREHOUSE_POLICY, warehouse_policy()),
    )
    for path, policy in written:
        yield path, json.dumps(policy, indent=2) + "\n"
    yield ACTIONS_FILE, simulated()
    yield TABLE, _table()


_CALLING = {"Call": 1, "pages": 2, "unpaged": 2}
# Calls of what somebody else names: the pages of a listing, and the first of a place's READS.
_PASSED_ON = {("places/kind.py", "service"), ("dependents.py", "service")}


def literal_calls() -> dict[str, list[str]]:
    """{"<service>:<Operation>": places} of every Call that the source spells out, f-strings over a noun included; the rest is refused."""
    found: dict[str, list[str]] = {}
    for path in sorted(FOLDER.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "\nCLOUD = " in text:
            continue  # of a place outside of AWS
        for node in ast.walk(ast.parse(text)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLING and len(node.args) > 2):
                continue
            first = _CALLING[node.func.id]  # the service's place among the arguments
            if (path.relative_to(FOLDER).as_posix(), ast.unparse(node.args[first])) in _PASSED_ON:
                continue
            for name in _operations(node.args[first + 1], path):
                service = ast.literal_eval(node.args[first])
                found.setdefault(f"{service}:{name}", []).append(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def _operations(node: ast.expr, path: Path) -> list[str]:
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.IfExp):
        return _operations(node.body, path) + _operations(node.orelse, path)
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else None for part in node.values]
        of_groups = path.name == "put_back.py" and any(
            part and "Polic" in str(part) for part in parts
        )  # a group has policies, and no boundary
        nouns = ("User", "Role", "Group") if of_groups else ("User", "Role")
        return ["".join(noun if part is None else str(part) for part in parts) for noun in nouns]
    if isinstance(node, ast.Name) and path.name == "snapshot.py":  # a loop over its table
        return [operation for kind in load("snapshot")._LISTS.values() for operation, _key in kind.values()]
    raise AssertionError(f"{path}:{node.lineno}: an operation that cannot be read from the source")
