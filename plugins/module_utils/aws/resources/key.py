# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KMS keys: the key policy. Only what uses the key, gives it on or destroys it is denied, and the lock-out check of KMS is never bypassed (T1486)."""

from __future__ import annotations

from ...common.errors import EvictError
from ...common.plan import Call, Path, Probe, Target
from ...common.reader import Reader
from .kind import PARSED, Name, Resource, Unfenceable, Writer, ask

SERVICE = "kms"
NOUN = "key"
EVENTS: frozenset[str] = frozenset({
    "Decrypt", "Encrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext",
    "GenerateMac", "Sign", "DeriveSharedSecret", "CreateGrant", "PutKeyPolicy", "GetKeyPolicy", "DisableKey", "ScheduleKeyDeletion",
    "DeleteImportedKeyMaterial", "ImportKeyMaterial", "ReplicateKey", "UpdatePrimaryRegion", "DisableKeyRotation",
})  # fmt: skip
NAMED: tuple[str, ...] = ("keyId",)
DENIED: tuple[str, ...] = (
    "kms:Decrypt", "kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:GenerateMac", "kms:VerifyMac", "kms:Sign", "kms:Verify",
    "kms:DeriveSharedSecret", "kms:CreateGrant", "kms:RevokeGrant", "kms:RetireGrant", "kms:PutKeyPolicy", "kms:DisableKey", "kms:EnableKey",
    "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion", "kms:DeleteImportedKeyMaterial", "kms:ImportKeyMaterial", "kms:ReplicateKey",
    "kms:UpdatePrimaryRegion", "kms:DisableKeyRotation",
)  # fmt: skip
CHANGE = "kms:PutKeyPolicy"
SIZE, STATEMENTS = 32 * 1024, 0  # "Resource quotas" in the KMS Developer Guide
TEXT: Path = ("Policy",)
GONE: tuple[str, ...] = ("NotFoundException",)
NEEDS_ALLOW = True
READS: tuple[str, ...] = ("kms:DescribeKey", "kms:GetKeyPolicy")


def resolve(target: Target, name: str, _partition: str, reader: Reader) -> Resource:
    """An alias may point elsewhere tomorrow, so its key is asked for."""
    found = ask(Call(target, "kms", "DescribeKey", {"KeyId": name}), GONE, f"key {name}", reader)["KeyMetadata"]
    arn = str(found["Arn"])
    if found.get("KeyManager") == "AWS":
        raise Unfenceable(f"{arn} is managed by AWS, and nobody can change its policy", object=arn, operation="fence")
    return Resource(arn, target, {"kind": "kms.key", "KeyId": arn}, f"key {arn}")


def document(target: Target, name: Name) -> tuple[Probe, Writer]:
    key = {"KeyId": name["KeyId"], "PolicyName": "default"}

    def write(policy: str | None) -> Call:
        if policy is None:
            raise EvictError(f"key {name['KeyId']}: a key without a policy is lost", object=str(name["KeyId"]), operation="edit")
        return Call(target, "kms", "PutKeyPolicy", {**key, "Policy": policy})

    return Probe(Call(target, "kms", "GetKeyPolicy", key), (PARSED,)), Writer(write)


def covered(_one: Resource) -> list[str]:
    return ["*"]  # in a key policy: this key
