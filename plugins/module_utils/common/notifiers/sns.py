# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An SNS topic. Sent by ``aws_publish``, with credentials of the channel's own, apart from those of the response."""

from __future__ import annotations

import re
import typing as t

from ..message import Message
from .kind import WORD, Channel, Option, Request, Secrets, endpoint

KIND, GROUP, BY = "sns", "machine", "sns"
OPTIONS = {
    "topic_arn": Option(
        re.compile(r"arn:(?:aws|aws-cn|aws-us-gov):sns:[a-z0-9-]{1,32}:[0-9]{12}:[\w-]{1,256}", re.ASCII), "not the ARN of a topic", True
    ),
    "profile": Option(WORD, "not a profile"),
    "role_arn": Option(
        re.compile(r"arn:(?:aws|aws-cn|aws-us-gov):iam::[0-9]{12}:role/[\w+=,.@/-]{1,576}", re.ASCII), "not the ARN of a role"
    ),
    "endpoint_url": endpoint(False),
}
SECRETS: dict[str, bool] = {}
ANSWERS: tuple[int, ...] = ()


def payload(message: Message, _channel: Channel, _ref: str) -> dict[str, t.Any]:
    subject = message.subject.encode("ascii", "replace").decode()[:100]  # SNS takes ASCII of one line
    attributes = {
        name: {"DataType": "String", "StringValue": value} for name, value in (("event", message.event), ("severity", message.severity))
    }
    return {"Subject": subject, "Message": message.text, "MessageAttributes": attributes}


def request(_channel: Channel, _payload: t.Any, _secrets: Secrets) -> Request:
    raise NotImplementedError("aws_publish sends it")
