"""The bare writes on users, as one would script them: list keys, two denies, disable two keys, drop the password.

Six calls a user, one user after the other on each of 16 threads. `python tests/bench/bare.py ROLE_ARN USER...`
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config

DENY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})
OLDER = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"DateLessThan": {"aws:TokenIssueTime": "2030-01-01T00:00:00Z"}}}]}
)  # fmt: skip


def main() -> None:
    config = Config(max_pool_connections=16)
    given = boto3.client("sts", config=config).assume_role(RoleArn=sys.argv[1], RoleSessionName="bare")["Credentials"]
    iam = boto3.client(
        "iam", config=config, aws_access_key_id=given["AccessKeyId"], aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )  # fmt: skip

    def cut(user: str) -> None:
        keys = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
        iam.put_user_policy(UserName=user, PolicyName="deny", PolicyDocument=DENY)
        iam.put_user_policy(UserName=user, PolicyName="older", PolicyDocument=OLDER)
        for key in keys:
            iam.update_access_key(UserName=user, AccessKeyId=key["AccessKeyId"], Status="Inactive")
        iam.delete_login_profile(UserName=user)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(cut, sys.argv[2:]))


if __name__ == "__main__":
    main()
