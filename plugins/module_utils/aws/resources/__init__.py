# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry of the resources that have a policy of their own: one file each, which says all that the fence (``resource_fence``) needs to know."""

from __future__ import annotations

from . import bucket, function, key, queue, repository, secret, topic
from .kind import PARSED, Gone, Kind, Resource, Unfenceable, Writer, text

_FILES: tuple[Kind, ...] = (bucket, key, secret, queue, topic, function, repository)
KINDS: dict[str, Kind] = {kind.SERVICE: kind for kind in _FILES}
EVENTS: frozenset[tuple[str, str]] = frozenset((f"{kind.SERVICE}.amazonaws.com", name) for kind in _FILES for name in kind.EVENTS)
DOCUMENTS = {f"{kind.SERVICE}.{kind.NOUN}": kind.document for kind in _FILES}
TEXTS = {
    "s3:GetBucketPolicy": bucket.TEXT, "kms:GetKeyPolicy": key.TEXT, "secretsmanager:GetResourcePolicy": secret.TEXT,
    "sqs:GetQueueAttributes": queue.TEXT, "sns:GetTopicAttributes": topic.TEXT, "lambda:GetResourcePolicy": function.TEXT,
    "ecr:GetRepositoryPolicy": repository.TEXT,
}  # fmt: skip
__all__ = ["DOCUMENTS", "EVENTS", "KINDS", "PARSED", "TEXTS", "Gone", "Kind", "Resource", "Unfenceable", "Writer", "text"]
