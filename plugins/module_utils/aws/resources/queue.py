# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQS queues: the queue policy."""

from __future__ import annotations

import re

from ...common.plan import Call, Path, Probe, Target
from ...common.reader import Reader
from .kind import PARSED, Name, Resource, Writer, ask, name_in

SERVICE = "sqs"
NOUN = "queue"
EVENTS: frozenset[str] = frozenset(
    {
        "SendMessage",
        "ReceiveMessage",
        "DeleteMessage",
        "SetQueueAttributes",
        "AddPermission",
        "RemovePermission",
        "PurgeQueue",
        "GetQueueAttributes",
    }
)
NAMED: tuple[str, ...] = ("queueUrl",)
DENIED: tuple[str, ...] = ("sqs:*",)
CHANGE = "sqs:SetQueueAttributes"
SIZE, STATEMENTS = 8192, 20  # "Amazon SQS policy quotas"
TEXT: Path = ("Attributes", "Policy")
GONE: tuple[str, ...] = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
NEEDS_ALLOW = False
READS: tuple[str, ...] = ("sqs:GetQueueUrl", "sqs:GetQueueAttributes")
_URL = re.compile(r"https?://[^/]+/(?:[0-9]{12}/)?([\w-]{1,80}(?:\.fifo)?)", re.ASCII)


def resolve(target: Target, name: str, partition: str, reader: Reader) -> Resource:
    """By the name, not by a URL that somebody wrote into a log."""
    found = _URL.fullmatch(name)
    queue = found[1] if found else name_in(name)
    url = ask(Call(target, "sqs", "GetQueueUrl", {"QueueName": queue}), GONE, f"queue {queue}", reader)["QueueUrl"]
    arn = f"arn:{partition}:sqs:{target.region}:{target.account}:{queue}"
    return Resource(arn, target, {"kind": "sqs.queue", "QueueUrl": url}, f"queue {queue} in {target.region}")


def document(target: Target, name: Name) -> tuple[Probe, Writer]:
    queue = {"QueueUrl": name["QueueUrl"]}

    def write(policy: str | None) -> Call:
        return Call(target, "sqs", "SetQueueAttributes", {**queue, "Attributes": {"Policy": policy or ""}})

    return Probe(Call(target, "sqs", "GetQueueAttributes", {**queue, "AttributeNames": ["Policy"]}), (PARSED,)), Writer(write)


def covered(one: Resource) -> list[str]:
    return [one.arn]
