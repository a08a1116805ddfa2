# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which AWS account the store of the cases lives, as far as the store's own credentials can tell.

A bucket does not say whose it is. It does say whether it is an account's, when a request names the account that is expected: so each account of the
incident is asked about, and a bucket of somebody else is "elsewhere". The store's own credentials ask: they may list the bucket anyway.
"""

from __future__ import annotations

import concurrent.futures
import typing as t
from collections.abc import Iterable

from ..common.errors import CloudError, EvictError
from ..common.plan import Call, Target
from .session import Aws

if t.TYPE_CHECKING:
    from ..common.case import Case

_NOT_ITS = ("403", "AccessDenied", "Forbidden")
_MOST = 200  # accounts that are asked about
_THREADS = 8


def bucket_of(url: str) -> str:
    """The bucket of ``s3://bucket/prefix``; "" of everything else, which is in no AWS account."""
    return url[5:].partition("/")[0] if url.startswith("s3://") else ""


def owner(store: str | t.Mapping[str, t.Any], accounts: Iterable[str]) -> tuple[str, str]:
    """(the one of ``accounts`` that owns the store's bucket, or "": none of them, or no bucket of AWS; the account of the store's credentials, or "").

    Raises ``EvictError`` when that cannot be known.
    """
    options = {"url": store} if isinstance(store, str) else dict(store)
    bucket = bucket_of(str(options["url"]))
    if not bucket:
        return "", ""
    aws, account = _reach(options)
    _head(aws, account, bucket)  # it can be reached, so a refusal that names an account is about the account
    wanted = list(dict.fromkeys(accounts))[:_MOST]
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        found = [a for a, is_its in zip(wanted, pool.map(lambda a: _is_of(aws, account, bucket, a), wanted), strict=True) if is_its]
    return (found[0] if found else ""), account or aws.caller["account"]


def _reach(options: t.Mapping[str, t.Any]) -> tuple[Aws, str]:
    """AWS with the store's own credentials, and the account in which its role is ("" for the caller's own)."""
    role = str(options.get("role_arn") or "")
    aws = Aws(
        {**{k: options.get(k) for k in ("profile", "region", "endpoint_url")}, "role_arn": role, "assume_own": bool(role)}, incident="store"
    )
    return aws, role.split(":")[4] if role else ""


def _head(aws: Aws, account: str, bucket: str, **more: str) -> None:
    aws.call(
        Call(Target("aws", account), "s3", "HeadBucket", {"Bucket": bucket, **more}, idempotent=False)
    )  # not tried again: nobody waits for it


def _is_of(aws: Aws, account: str, bucket: str, owner: str) -> bool:
    try:
        _head(aws, account, bucket, ExpectedBucketOwner=owner)
    except CloudError as error:
        if error.code not in _NOT_ITS:
            raise
        return False
    return True


def warnings(case: Case, accounts: Iterable[str]) -> list[str]:
    """For contain: the store lives in an account of the incident, or nobody knows; [] when it does not, or is no bucket of AWS, or has failed already."""
    if case.store.failed or not bucket_of(case.store.url):
        return []
    given = case.incident.store
    try:
        found, _caller = owner({**(given if isinstance(given, dict) else {}), "url": case.store.url}, accounts)
    except EvictError as error:
        return [f"not known whether the store of the case lives in an account of the incident: {error.message}"]
    if not found:
        return []
    return [
        f"the store of the case lives in account {found}, which is part of the incident: an attacker with administrator rights there can read it and"
        " delete it; use a bucket of another account, with object lock"
    ]
