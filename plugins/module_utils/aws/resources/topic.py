# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SNS topics: the topic policy, which takes the named actions only and no wildcard."""

from __future__ import annotations

from ...common.errors import EvictError
from ...common.plan import Call, Path, Probe, Target
from ...common.reader import Reader
from .kind import PARSED, Name, Resource, Writer, name_in

SERVICE = "sns"
NOUN = "topic"
EVENTS: frozenset[str] = frozenset(
    {"Publish", "Subscribe", "SetTopicAttributes", "AddPermission", "RemovePermission", "GetTopicAttributes", "PutDataProtectionPolicy"}
)
NAMED: tuple[str, ...] = ("topicArn",)
# "Valid Amazon SNS policy actions" in the SNS Developer Guide
DENIED: tuple[str, ...] = tuple(f"sns:{name}" for name in (
    "AddPermission", "DeleteTopic", "GetTopicAttributes", "ListSubscriptionsByTopic", "Publish", "RemovePermission", "SetTopicAttributes", "Subscribe",
))  # fmt: skip
CHANGE = "sns:SetTopicAttributes"
SIZE, STATEMENTS = 30 * 1024, 100  # "Policy quotas", ibidem
TEXT: Path = ("Attributes", "Policy")
GONE: tuple[str, ...] = ("NotFound", "NotFoundException")
NEEDS_ALLOW = False
READS: tuple[str, ...] = ("sns:GetTopicAttributes",)


def resolve(target: Target, name: str, partition: str, _reader: Reader) -> Resource:
    arn = f"arn:{partition}:sns:{target.region}:{target.account}:{name_in(name)}"
    return Resource(arn, target, {"kind": "sns.topic", "TopicArn": arn}, f"topic {name_in(name)} in {target.region}")


def document(target: Target, name: Name) -> tuple[Probe, Writer]:
    topic = {"TopicArn": name["TopicArn"]}

    def write(policy: str | None) -> Call:
        if policy is None:
            raise EvictError(f"topic {name['TopicArn']}: AWS refuses an empty policy", object=str(name["TopicArn"]), operation="edit")
        return Call(target, "sns", "SetTopicAttributes", {**topic, "AttributeName": "Policy", "AttributeValue": policy})

    return Probe(Call(target, "sns", "GetTopicAttributes", topic), (PARSED,)), Writer(write)


def covered(one: Resource) -> list[str]:
    return [one.arn]
