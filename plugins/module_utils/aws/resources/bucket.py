# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""S3 buckets: the bucket policy, and Block Public Access for one that a suspect opened to the world (T1530)."""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Iterator, Mapping

from ...common.edits import statements_of
from ...common.errors import CloudError
from ...common.plan import Call, Path, Phase, Probe, Step, Target
from ...common.reader import Reader
from .kind import PARSED, Gone, Name, Resource, Writer, ask, name_in

SERVICE = "s3"
NOUN = "bucket"
# Data events (GetObject) are never in the event history; they are taken where a look-up shows them all the same.
EVENTS: frozenset[str] = frozenset({
    "GetObject", "PutObject", "DeleteObject", "DeleteObjects", "CopyObject", "ListObjects", "ListObjectsV2", "PutBucketPolicy", "DeleteBucketPolicy",
    "PutBucketAcl", "PutBucketCors", "PutBucketLifecycle", "PutBucketLifecycleConfiguration", "PutBucketReplication", "PutBucketVersioning",
    "PutBucketNotification", "PutBucketNotificationConfiguration", "PutBucketLogging", "PutBucketEncryption", "PutBucketWebsite", "GetBucketPolicy",
    "DeleteBucketPublicAccessBlock", "PutBucketPublicAccessBlock", "DeletePublicAccessBlock", "PutPublicAccessBlock", "PutBucketOwnershipControls",
    "DeleteBucketEncryption",
})  # fmt: skip
OPENING: frozenset[str] = frozenset({
    "PutBucketPolicy", "PutBucketAcl", "DeleteBucketPublicAccessBlock", "PutBucketPublicAccessBlock", "DeletePublicAccessBlock", "PutPublicAccessBlock",
    "PutBucketOwnershipControls",
})  # fmt: skip
NAMED: tuple[str, ...] = ("bucketName",)
DENIED: tuple[str, ...] = ("s3:*",)
CHANGE = "s3:PutBucketPolicy"
SIZE, STATEMENTS = 20 * 1024, 0  # "Bucket policies and user policies" in the S3 User Guide
TEXT: Path = ("Policy",)
GONE: tuple[str, ...] = ("NoSuchBucket",)
NEEDS_ALLOW = False
READS: tuple[str, ...] = (
    "s3:GetBucketPolicy",
    "s3:GetPublicAccessBlock",
    "s3:GetBucketPolicyStatus",
    "s3:GetBucketAcl",
    "s3:GetBucketWebsite",
)
_EVERYBODY = ("/global/AllUsers", "/global/AuthenticatedUsers")


def resolve(target: Target, name: str, partition: str, _reader: Reader) -> Resource:
    bucket = name_in(name)
    document = {"kind": "s3.bucket", **_of(target, bucket)}
    return Resource(f"arn:{partition}:s3:::{bucket}", target, document, f"bucket {bucket}")


def _of(target: Target, bucket: str) -> dict[str, str]:
    """A bucket is asked for as its owner's: a name may have passed to somebody else."""
    return {"Bucket": bucket, **({"ExpectedBucketOwner": target.account} if target.account else {})}


def document(target: Target, name: Name) -> tuple[Probe, Writer]:
    bucket = {k: v for k, v in name.items() if k != "kind"}

    def write(policy: str | None) -> Call:
        if policy is None:
            return Call(target, "s3", "DeleteBucketPolicy", bucket)
        return Call(target, "s3", "PutBucketPolicy", {**bucket, "Policy": policy})

    return Probe(Call(target, "s3", "GetBucketPolicy", bucket), (PARSED,), ("NoSuchBucketPolicy",)), Writer(write)


def covered(one: Resource) -> list[str]:
    return [one.arn, f"{one.arn}/*"]


# -- Block Public Access ---------------------------------------------------------------------------------------------------------


def access(one: Resource) -> Probe:
    where = {k: v for k, v in one.document.items() if k != "kind"}
    return Probe(
        Call(one.target, "s3", "GetPublicAccessBlock", where),
        ("PublicAccessBlockConfiguration",),
        ("NoSuchPublicAccessBlockConfiguration",),
    )


def opened(one: Resource, reader: Reader) -> str:
    """By what everybody may read or write it now, whatever Block Public Access says: "policy", "ACL", both, or ""."""
    where = {k: v for k, v in one.document.items() if k != "kind"}
    status = Probe(Call(one.target, "s3", "GetBucketPolicyStatus", where), ("PolicyStatus", "IsPublic"), ("NoSuchBucketPolicy",))
    grants = ask(Call(one.target, "s3", "GetBucketAcl", where), GONE, one.text, reader).get("Grants") or []
    by_acl = any(str((grant.get("Grantee") or {}).get("URI", "")).endswith(_EVERYBODY) for grant in grants)
    return " and ".join(word for word, found in (("policy", bool(reader.read(status))), ("ACL", by_acl)) if found)


def serves(one: Resource, policy: t.Any, reader: Reader) -> str:
    """For what it is meant to be read by everybody: a website, a CDN; "" for nothing that is seen."""
    where = {k: v for k, v in one.document.items() if k != "kind"}
    try:
        if reader.get(Call(one.target, "s3", "GetBucketWebsite", where)):
            return "it serves a website"
    except CloudError as error:
        if error.code in GONE:
            raise Gone(f"{one.text} is not there any more", object=one.text, operation="s3:GetBucketWebsite") from error
        if error.code != "NoSuchWebsiteConfiguration":
            raise
    return "a CDN reads it" if any(_for_cdn(s) for s in statements_of(policy or {}) if s.get("Effect") == "Allow") else ""


def _for_cdn(statement: Mapping[str, t.Any]) -> bool:
    """Whether a statement is for CloudFront, by whom it names; what else stands in it, anybody may write."""
    named = statement.get("Principal")
    who = named if isinstance(named, Mapping) else {}
    services, users = (_texts(who.get(key)) for key in ("Service", "AWS"))
    blocks = statement.get("Condition") or {}
    sources = [
        text
        for block in (blocks.values() if isinstance(blocks, Mapping) else ())
        for key, value in (block.items() if isinstance(block, Mapping) else ())
        if str(key).lower() == "aws:sourcearn"
        for text in _texts(value)
    ]
    return (
        "cloudfront.amazonaws.com" in services
        or "CanonicalUser" in who
        or any(re.fullmatch(r"arn:[\w-]+:iam::cloudfront:user/.+", user) for user in users)
        or any(re.match(r"arn:[\w-]+:cloudfront::[0-9]{12}:distribution/", source) for source in sources)
    )


def _texts(value: t.Any) -> list[str]:
    return [str(v) for v in (value if isinstance(value, list) else [] if value is None else [value])]


def loosens(event: Mapping[str, t.Any]) -> bool:
    """Whether a call took something away that kept a bucket from being public. Of a policy or ACL the log does not say what was there before."""
    name, asked = str(event.get("eventName")), event.get("requestParameters")
    if name in ("PutBucketPublicAccessBlock", "PutPublicAccessBlock"):
        return "false" in json.dumps(asked, default=str).lower()
    if name == "PutBucketOwnershipControls":
        return "BucketOwnerEnforced" not in json.dumps(asked, default=str)
    return name in ("DeleteBucketPublicAccessBlock", "DeletePublicAccessBlock")


def block(one: Resource, by: str, reader: Reader) -> Iterator[Step]:
    """Block Public Access on a bucket. BlockPublicPolicy stays as it is while its policy is public: it would refuse our own next write of that policy,

    and RestrictPublicBuckets ends what the policy gives to everybody.
    """
    probe = access(one)
    before = reader.read(probe)
    where = dict(probe.call.parameters)
    blocked = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "RestrictPublicBuckets": True,
               "BlockPublicPolicy": "policy" not in by or bool((before or {}).get("BlockPublicPolicy"))}  # fmt: skip
    undo = (
        Call(one.target, "s3", "DeletePublicAccessBlock", where)
        if before is None
        else Call(one.target, "s3", "PutPublicAccessBlock", {**where, "PublicAccessBlockConfiguration": before})
    )
    yield Step(
        id=f"resource:{one.arn}#public", principal=f"resource:{one.arn}", resource=f"{one.text} Block Public Access", phase=Phase.RESOURCE,
        action=f"block public access, which its {by} gives", before=before, after=blocked, probe=probe, undo=(undo,),
        do=(Call(one.target, "s3", "PutPublicAccessBlock", {**where, "PublicAccessBlockConfiguration": blocked}),),
    )  # fmt: skip
