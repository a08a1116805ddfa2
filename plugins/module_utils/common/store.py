# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a case lives: a directory, or a bucket of an object store.

Both kinds offer the same few operations on paths (``ledger/<run>/00000001.json``). A put that has returned is durable:
in a directory the file, and every directory that got a new entry, went through fsync.
"""

from __future__ import annotations

import os
import re
import typing as t
from pathlib import Path

from .errors import InvalidInput
from .stores.bucket import Bucket, Connection
from .stores.directory import Directory
from .stores.interface import UNSAFE, Exists, Kept, NotFound, Store, StoreUnavailable, checked

__all__ = ["INCIDENT_ID", "Exists", "Kept", "NotFound", "Store", "StoreUnavailable", "case_store", "open_store"]

INCIDENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_OPTIONS = ("url", "profile", "region", "role_arn", "endpoint_url")
_ONLY_S3 = ("profile", "region", "role_arn")


def open_store(spec: str | dict[str, t.Any], *, base: str | None = None) -> Store:
    """The store of ``./cases``, ``/abs``, ``file://``, ``s3://``, ``az://``, ``gs://`` or ``{url, profile, region, role_arn, endpoint_url}``.

    A relative path is taken from ``base`` (default: the working directory). Nothing is created or contacted here. ``InvalidInput``.
    """
    options = {"url": spec} if isinstance(spec, str) else dict(spec)
    problems = [(f"store.{name}", "unknown option") for name in options if name not in _OPTIONS]
    problems += [
        (f"store.{name}", "not a text") for name in _OPTIONS if options.get(name) is not None and not isinstance(options[name], str)
    ]
    url = options.get("url")
    if not url:
        problems.append(("store.url", "is missing"))
    elif isinstance(url, str) and UNSAFE.search(url):
        problems.append(("store.url", "holds control characters or a backslash"))
    if problems or not isinstance(url, str):
        raise InvalidInput("store", problems)
    match = _URL.fullmatch(url)
    if not match or match[1].lower() == "file":
        if match and not match[2].startswith("/"):
            raise InvalidInput("store", [("store.url", f"{url!r}: a file URL has three slashes, file:///srv/cases")])
        path = os.path.expanduser(match[2] if match else url)
        absolute = Path(os.path.normpath(os.path.join(os.path.abspath(base or os.curdir), path)))
        return Directory(absolute, absolute)
    scheme, rest = match[1].lower(), match[2].strip("/")
    if scheme not in ("s3", "az", "gs"):
        raise InvalidInput("store", [("store.url", f"{url!r}: not a directory, file://, s3://, az:// or gs://")])
    if scheme != "s3" and (given := [name for name in _ONLY_S3 if options.get(name)]):
        how = "azure-identity" if scheme == "az" else "google-auth"
        raise InvalidInput("store", [(f"store.{name}", f"is for s3:// only; {scheme}:// logs in through {how}") for name in given])
    parts = rest.split("/")
    depth = 2 if scheme == "az" else 1  # az://account/container/prefix
    bucket, prefix = "/".join(parts[:depth]), "/".join(parts[depth:])
    if not all(parts[:depth]) or len(parts) < depth:
        what = "account and container, az://account/container" if depth == 2 else "bucket"
        raise InvalidInput("store", [("store.url", f"{url!r}: names no {what}")])
    if prefix:
        checked(prefix)
    return Bucket(Connection(f"{scheme}://{bucket}", options), prefix)


def case_store(store_or_spec: Store | str | dict[str, t.Any], incident_id: str) -> Store:
    """The store of one incident: the folder of its id. ``InvalidInput`` when the id is not ``[A-Za-z0-9][A-Za-z0-9._-]{0,63}``."""
    if not isinstance(incident_id, str) or not INCIDENT_ID.fullmatch(incident_id):
        raise InvalidInput(
            "incident", [("incident.id", "must be 1 to 64 letters, digits, dots, dashes or underscores, beginning with a letter or digit")]
        )
    store = store_or_spec if isinstance(store_or_spec, Store) else open_store(store_or_spec)
    return store.child(incident_id)
