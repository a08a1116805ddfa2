# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which calls of AWS give data away, what kind of data, and which of them only a trail with data events has."""

from __future__ import annotations

from .techniques import secret_read

SECRETS = ("secret", "parameter", "password", "token")  # what has to be rotated once it was read
_KINDS = {
    "secretsmanager:GetSecretValue": "secret", "secretsmanager:BatchGetSecretValue": "secret",
    "ssm:GetParameter": "parameter", "ssm:GetParameters": "parameter", "ssm:GetParametersByPath": "parameter",
    "ec2:GetPasswordData": "password", "ec2:DescribeInstanceAttribute": "user data", "kms:Decrypt": "decryption",
    "ecr:GetAuthorizationToken": "token", "codeartifact:GetAuthorizationToken": "token",
}  # fmt: skip
# call -> (kind of data, what it names)
GIVES: dict[str, tuple[str, str]] = {
    **{event: (_KINDS[event], template) for event, template in secret_read.EVENTS.items()},
    "s3:GetObject": ("object", "arn:{partition}:s3:::{q.bucketName}/{q.key}"),
    "s3:SelectObjectContent": ("object", "arn:{partition}:s3:::{q.bucketName}/{q.key}"),
    "s3:CopyObject": ("object", "{q.x-amz-copy-source}"),
    "dynamodb:GetItem": ("table", "{at.dynamodb}table/{q.tableName}"),
    "dynamodb:BatchGetItem": ("table", "{resource}"),
    "dynamodb:Query": ("table", "{at.dynamodb}table/{q.tableName}"),
    "dynamodb:Scan": ("table", "{at.dynamodb}table/{q.tableName}"),
    "dynamodb:ExportTableToPointInTime": ("table", "{q.tableArn}"),
    "ebs:ListSnapshotBlocks": ("snapshot", "{at.ec2}snapshot/{q.snapshotId}"),
    "ebs:GetSnapshotBlock": ("snapshot", "{at.ec2}snapshot/{q.snapshotId}"),
    "ec2:GetConsoleOutput": ("console output", "{at.ec2}instance/{q.instanceId}"),
    "ec2:GetConsoleScreenshot": ("console output", "{at.ec2}instance/{q.instanceId}"),
    "rds:DownloadDBLogFilePortion": ("log", "{at.rds}db:{q.dBInstanceIdentifier}"),
    "rds-data:ExecuteStatement": ("database", "{q.resourceArn}"),
    "redshift-data:ExecuteStatement": ("database", "cluster {q.clusterIdentifier|q.workgroupName} in {region}"),
    "athena:GetQueryResults": ("database", "query {q.queryExecutionId} in {region}"),
    "logs:GetLogEvents": ("log", "{at.logs}log-group:{q.logGroupName}"),
    "logs:FilterLogEvents": ("log", "{at.logs}log-group:{q.logGroupName}"),
    "logs:StartQuery": ("log", "{at.logs}log-group:{q.logGroupName}"),
    "lambda:GetFunction20150331v2": ("code", "{at.lambda}function:{q.functionName}"),
    "codecommit:GitPull": ("code", "{resource}"),
    "ecr:GetDownloadUrlForLayer": ("image", "{at.ecr}repository/{q.repositoryName}"),
    "ecr:BatchGetImage": ("image", "{at.ecr}repository/{q.repositoryName}"),
    "sqs:ReceiveMessage": ("message", "queue {q.queueUrl}"),
    "kinesis:GetRecords": ("message", "{q.streamARN|resource}"),
    "ssm:GetCommandInvocation": ("command output", "command {q.commandId}"),
    "apigateway:GetApiKey": ("token", "API key {q.apiKey} in {region}"),
}  # fmt: skip
# service -> what its data events are about: where a trail has none, these reads leave no trace.
DATA_EVENTS = {
    "s3": "objects of S3", "dynamodb": "items of DynamoDB", "ebs": "blocks of snapshots", "sqs": "messages of SQS", "kinesis": "records of Kinesis",
    "rds-data": "statements of the RDS Data API",
}  # fmt: skip
# A logging that was changed is whole again with the first of these calls in the same account and region.
RESTORES: dict[str, tuple[str, ...]] = {
    "cloudtrail:StopLogging": ("cloudtrail:StartLogging",),
    "cloudtrail:DeleteTrail": ("cloudtrail:CreateTrail",),
    "cloudtrail:UpdateTrail": ("cloudtrail:UpdateTrail",),
    "cloudtrail:PutEventSelectors": ("cloudtrail:PutEventSelectors",),
    "cloudtrail:StopEventDataStoreIngestion": ("cloudtrail:StartEventDataStoreIngestion",),
    "cloudtrail:DeleteEventDataStore": ("cloudtrail:RestoreEventDataStore", "cloudtrail:CreateEventDataStore"),
    "guardduty:DeleteDetector": ("guardduty:CreateDetector",),
    "guardduty:UpdateDetector": ("guardduty:UpdateDetector",),
    "config:StopConfigurationRecorder": ("config:StartConfigurationRecorder",),
    "config:DeleteConfigurationRecorder": ("config:StartConfigurationRecorder",),
    "config:DeleteDeliveryChannel": ("config:PutDeliveryChannel",),
    "ec2:DeleteFlowLogs": ("ec2:CreateFlowLogs",),
    "securityhub:DisableSecurityHub": ("securityhub:EnableSecurityHub",),
    "macie2:DisableMacie": ("macie2:EnableMacie",),
    "inspector2:Disable": ("inspector2:Enable",),
    "bedrock:DeleteModelInvocationLoggingConfiguration": ("bedrock:PutModelInvocationLoggingConfiguration",),
}
# These say which trail, store or detector: another one's gives nothing back.
BY_NAME = ("cloudtrail:StartLogging", "cloudtrail:UpdateTrail", "cloudtrail:PutEventSelectors", "cloudtrail:StartEventDataStoreIngestion",
           "guardduty:UpdateDetector")  # fmt: skip
BLINDING = ("AWS-62", "AWS-63", "AWS-64", "AWS-65", "AWS-66", "AWS-67", "AWS-68")  # techniques that take sight away
