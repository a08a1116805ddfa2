# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What notifiers need of AWS: publishing to an SNS topic, and secrets that lie in Secrets Manager or Parameter Store.

With their own access, apart from the response's.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..common.errors import EvictError
from ..common.plan import Call, Target
from .session import Aws


def send(channel: Mapping[str, t.Any], payload: Mapping[str, t.Any]) -> str:
    """Publish to the channel's topic; returns the message's id. Raises CloudError."""
    aws, target = _topic(channel)
    call = Call(target, "sns", "Publish", {"TopicArn": channel["topic_arn"], **payload}, idempotent=False)
    return str(aws.call(call).get("MessageId", ""))


def test(channel: Mapping[str, t.Any]) -> None:
    """The topic is there and can be read; nothing is published. Raises CloudError."""
    aws, target = _topic(channel)
    aws.call(Call(target, "sns", "GetTopicAttributes", {"TopicArn": channel["topic_arn"]}))


def secret(arn: str) -> str:
    """The text of a secret or parameter. Raises EvictError, whose message does not hold it."""
    region, aws = arn.split(":")[3], Aws({"region": arn.split(":")[3]})
    if arn.split(":")[2] == "ssm":
        name = arn.partition(":parameter/")[2]
        full = Call(Target("aws", "", region), "ssm", "GetParameter", {"Name": f"/{name}" if "/" in name else name, "WithDecryption": True})
        return str(aws.call(full)["Parameter"]["Value"])
    found = aws.call(Call(Target("aws", "", region), "secretsmanager", "GetSecretValue", {"SecretId": arn}))
    if "SecretString" not in found:
        raise EvictError(f"{arn} holds no text", object=arn, operation="secretsmanager:GetSecretValue")
    return str(found["SecretString"])


def _topic(channel: Mapping[str, t.Any]) -> tuple[Aws, Target]:
    parts = str(channel["topic_arn"]).split(":")
    options = {name: channel[name] for name in ("profile", "role_arn", "endpoint_url") if channel.get(name)}
    role = str(options.get("role_arn", ""))
    return Aws({**options, "region": parts[3], "assume_own": True}), Target("aws", role.split(":")[4] if role else "", parts[3])


def run(params: Mapping[str, t.Any], *, check: bool) -> dict[str, t.Any]:
    """The body of ``aws_publish``."""
    if params["state"] == "tested":
        test(params["channel"])
    elif not check:
        return {"changed": True, "message_id": send(params["channel"], params["payload"])}
    return {"changed": params["state"] == "sent", "message_id": ""}
