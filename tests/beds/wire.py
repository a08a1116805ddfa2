"""Signed AWS calls without an SDK client: a client per stolen session would cost more CPU than the loop itself."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlencode, urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as SdkCredentials

from tests.beds.aws_request import parse_answer, parse_error
from tests.beds.bed import Credentials

_QUERY = {"iam": "2010-05-08", "sts": "2011-06-15", "ec2": "2016-11-15", "sns": "2010-03-31"}
_TARGET = {
    "sqs": ("AmazonSQS", "1.0"),
    "secretsmanager": ("secretsmanager", "1.1"),
    "ssm": ("AmazonSSM", "1.1"),
    "kms": ("TrentService", "1.1"),
    "organizations": ("AWSOrganizationsV20161128", "1.1"),
}


class Wire:
    """One keep-alive connection to the bed; not for use by several threads."""

    def __init__(self, endpoint: str, source_ip: str = "") -> None:
        self._endpoint = endpoint
        self._source_ip = source_ip
        self._connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=30)

    def call(
        self, credentials: Credentials, service: str, operation: str, region: str = "us-east-1", **parameters: Any
    ) -> tuple[str, dict[str, Any]]:
        """("ok", answer) or (error code, {}). A broken connection is an error code too. S3: ListBuckets only."""
        headers, body, protocol = {}, "", "s3"
        if service in _QUERY:
            body = urlencode({"Action": operation, "Version": _QUERY[service], **parameters})
            headers["content-type"], protocol = "application/x-www-form-urlencoded", "query"
        elif service in _TARGET:
            body = json.dumps(parameters)
            prefix, version = _TARGET[service]
            headers = {"content-type": f"application/x-amz-json-{version}", "x-amz-target": f"{prefix}.{operation}"}
            protocol = "json"
        elif (service, operation) != ("s3", "ListBuckets"):
            raise ValueError(f"{service}:{operation} is not in the wire's vocabulary")
        method = "POST" if body else "GET"
        request = AWSRequest(method=method, url=self._endpoint + "/", data=body.encode(), headers=headers)
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        signer(SdkCredentials(credentials.access_key, credentials.secret_key, credentials.token), service, region).add_auth(request)
        sent = dict(request.headers.items())
        if self._source_ip:
            sent["X-Bed-Source-Ip"] = self._source_ip
        try:
            self._connection.request(method, "/", body or None, sent)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as exc:
            self._connection.close()
            return type(exc).__name__, {}
        code, _ = parse_error(answer.status, {k.lower(): v for k, v in answer.getheaders()}, content)
        return (code, {}) if code else ("ok", parse_answer(protocol, content))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
