# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root user of a member account: what it holds, and the removal of that, through sts:AssumeRoot of the management account.

No IAM policy binds it. AWS's task policies let its credentials be listed (IAMAuditRootUserCredentials) and deleted (IAMDeleteRootUserCredentials), but no key
be made inactive; so what can be taken back is the service control policy, and deletion happens only when the incident file asks for it. The others
(IAMCreateRootUserPassword, S3UnlockBucketPolicy, SQSUnlockQueuePolicy) give access and take none away.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ..common.plan import Call, Phase, Probe, Step, Target
from ..common.reader import Reader
from .assumed import ROOT

READS = ("iam:ListAccessKeys", "iam:ListSigningCertificates", "iam:GetLoginProfile", "iam:ListMFADevices")
AUDIT, DELETE = "IAMAuditRootUserCredentials", "IAMDeleteRootUserCredentials"
_ABSENT = ("NoSuchEntity", "NoSuchEntityException")
_FOR_GOOD = "AWS keeps nothing of a deleted credential of the root user"


def _as_root(task: str, account: str) -> Target:
    return Target("aws", f"{ROOT}:{task}:{account}")


def _keys(target: Target) -> Probe:
    return Probe(Call(target, "iam", "ListAccessKeys", {}), ("AccessKeyMetadata",))


def _certificates(target: Target) -> Probe:
    return Probe(Call(target, "iam", "ListSigningCertificates", {}), ("Certificates",))


PART = "root-"  # of the ids of these Steps


def _password(target: Target) -> Probe:
    return Probe(Call(target, "iam", "GetLoginProfile", {}), ("LoginProfile", "CreateDate"), _ABSENT)


def held(account: str, reader: Reader, task: str = AUDIT) -> dict[str, t.Any]:
    """{access_keys: {id: status}, certificates: [ids], password: since when or None, mfa: [serial numbers]}. Raises ``EvictError``."""
    target = _as_root(task, account)
    devices = reader.get(Call(target, "iam", "ListMFADevices", {})).get("MFADevices", [])
    return {
        "access_keys": {k["AccessKeyId"]: k["Status"] for k in reader.read(_keys(target)) or ()},
        "certificates": [c["CertificateId"] for c in reader.read(_certificates(target)) or ()],
        "password": reader.read(_password(target)),
        "mfa": [d["SerialNumber"] for d in devices],
    }


def delete(account: str, arn: str, reader: Reader) -> Iterator[Step]:
    """Keys, certificates and the password, for good. MFA devices stay: they let nobody in, and are evidence."""
    target, found = _as_root(DELETE, account), held(account, reader, DELETE)

    def step(part: str, noun: str, before: t.Any, do: Call, probe: Probe) -> Step:
        return Step(id=f"{arn}#{PART}{part}", principal=arn, phase=Phase.CREDENTIAL, resource=f"{arn} {noun}", action="delete", before=before, after=None,
                    do=(do,), probe=probe, irreversible=_FOR_GOOD)  # fmt: skip

    for key in sorted(found["access_keys"]):
        probe = Probe(_keys(target).call, ("AccessKeyMetadata", {"AccessKeyId": key}, "AccessKeyId"))
        yield step(f"key/{key}", f"access key {key}", key, Call(target, "iam", "DeleteAccessKey", {"AccessKeyId": key}), probe)
    for certificate in sorted(found["certificates"]):
        probe = Probe(_certificates(target).call, ("Certificates", {"CertificateId": certificate}, "CertificateId"))
        do = Call(target, "iam", "DeleteSigningCertificate", {"CertificateId": certificate})
        yield step(f"certificate/{certificate}", f"signing certificate {certificate}", certificate, do, probe)
    if found["password"]:
        yield step("password", "password", found["password"], Call(target, "iam", "DeleteLoginProfile", {}), _password(target))
