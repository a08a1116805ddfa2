# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudTrail's files from S3: the listing is narrowed to accounts, regions and days, and only files that are new are fetched.

Source: AWSLogs/[o-id/]<account>/CloudTrail/<region>/<year>/<month>/<day>/, the prefix of a trail in front. A file is a log of one account and region.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..common.errors import EvictError, InvalidInput
from ..common.events import layout
from ..common.events.collect import Collection
from ..common.events.load import File
from ..common.events.parts import Parts
from ..common.plan import Call, Target
from .session import Aws

READS = ("s3:ListObjectsV2", "s3:GetObject")
_FETCHERS = 8
_TOGETHER = 24 << 20  # bytes that are fetched before they are loaded
_LARGEST = 1 << 30  # bytes of one object
_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,62})(?:/(.*))?", re.DOTALL)


class Bucket:
    """A trail's bucket, read with the credentials for ``account`` ("" is the caller's own)."""

    def __init__(self, aws: Aws, collection: Collection, url: str, account: str) -> None:
        match = _URL.fullmatch(url)
        if not match:
            raise InvalidInput("bucket", [("bucket", f"{url[:80]!r}: not s3://bucket or s3://bucket/prefix")])
        self._aws, self._collection, self._target = aws, collection, Target("aws", account)
        self._bucket, self._lock = match[1], threading.Lock()
        self._prefix = f"{(match[2] or '').strip('/')}/".lstrip("/")
        self._prefix = self._prefix.split("AWSLogs/")[0]

    def read(self, accounts: list[str], regions: list[str], start: datetime.datetime | None, end: datetime.datetime) -> None:
        """``start``, ``end``: naive UTC; without a start everything is read. Empty lists mean all."""
        parts, summary = Parts(self._collection.store, "cloudtrail"), self._collection.summary
        with ThreadPoolExecutor(_FETCHERS) as pool:
            places = self._places(parts, accounts, regions)
            prefixes = [prefix for place in places for prefix in _days(place, start, end)]
            there = [o for found in pool.map(lambda prefix: self._list(parts, prefix)[0], prefixes) for o in found]
            new = [o for o in there if not parts.knows(o.name, o.size, o.tag)]
            summary.files += len(there) - len(new)
            summary.known += len(there) - len(new)
            if self._collection.check:
                summary.files += len(new)
                summary.waiting += len(new)
                return
            with self._collection.loader(parts) as (loader, fetched):
                for batch in _batches(new):
                    files = [file for file in pool.map(lambda pair: self._fetch(parts, fetched, *pair), enumerate(batch)) if file]
                    loader.load(files)
                    for file in files:
                        file.path.unlink()
                    self._collection.held()
                parts.keep()
                summary.add(loader.summary)

    def _places(self, parts: Parts, accounts: list[str], regions: list[str]) -> list[str]:
        """The prefixes of accounts and regions, with those of an organization's trail. That there is none, of all or of an account, is a gap."""
        found = []
        there: set[str] = set()
        tops = self._list(parts, f"{self._prefix}AWSLogs/", "/")[1]
        organizations = [top for top in tops if re.search(r"/o-[a-z0-9]+/\Z", top)]
        for top in [*tops, *(inner for above in organizations for inner in self._list(parts, above, "/")[1])]:
            account = top.rstrip("/").rsplit("/", 1)[-1]
            if re.fullmatch(r"\d{12}", account) and (not accounts or account in accounts):
                for place in self._list(parts, f"{top}CloudTrail/", "/")[1]:
                    there.add(account)
                    if not regions or place.rstrip("/").rsplit("/", 1)[-1] in regions:
                        found.append(place)
        base = f"s3://{self._bucket}/{self._prefix}AWSLogs/"
        refused = any(str(gap["object"]).startswith(base) and gap["object"].endswith("/") for gap in parts.manifest["gaps"])
        for account in accounts or [""]:
            name = f"CloudTrail of {account or 'any account'} in s3://{self._bucket}/"
            for gap in parts.manifest["gaps"]:
                if str(gap["object"]).startswith(name):  # under another prefix, too
                    parts.close_gaps(gap["object"])
            if not refused and not (account in there if account else there):
                self._collection.summary.gaps += 1
                why = "there are no such files: does the prefix of the trail belong in front?"
                parts.gap({"account": account or None, "object": name + base.split("/", 3)[3], "why": why})
        return found

    def _list(self, parts: Parts, prefix: str, delimiter: str = "") -> tuple[list[File], list[str]]:
        """(objects, prefixes one level below). A listing that failed is a gap."""
        asked = {"Bucket": self._bucket, "Prefix": prefix} | ({"Delimiter": delimiter} if delimiter else {})
        try:
            answer = self._aws.call(Call(self._target, "s3", "ListObjectsV2", asked))
        except EvictError as error:
            self._gap(parts, f"s3://{self._bucket}/{prefix}", f"not listed: {error.message}", prefix)
            return [], []
        self._fine(parts, f"s3://{self._bucket}/{prefix}")
        files = [
            File(f"s3://{self._bucket}/{entry['Key']}", Path(), int(entry["Size"]), str(entry.get("ETag", "")).strip('"'))
            for entry in answer.get("Contents", [])
            if not str(entry["Key"]).endswith("/")
        ]
        return files, [str(entry["Prefix"]) for entry in answer.get("CommonPrefixes", [])]

    def _fetch(self, parts: Parts, into: Path, number: int, file: File) -> File | None:
        """The object as a file under a name of our own; None, and a gap, when it cannot be had."""
        path = into / f"{number:06d}{'.json.gz' if file.name.endswith('.gz') else '.json'}"
        key = file.name.split("/", 3)[3]
        try:
            if file.size > _LARGEST:
                raise EvictError(f"it has {file.size} bytes")
            with open(path, "wb") as out:
                digest = self._aws.fetch(Call(self._target, "s3", "GetObject", {"Bucket": self._bucket, "Key": key}), out)
        except EvictError as error:
            path.unlink(missing_ok=True)
            self._gap(parts, file.name, f"not fetched: {error.message}", file.name)
            return None
        self._fine(parts, file.name)
        return dataclasses.replace(file, path=path, sha256=digest)

    def _gap(self, parts: Parts, name: str, why: str, place: str) -> None:
        with self._lock:  # lists and files are read side by side
            self._collection.summary.gaps += 1
            self._collection.summary.unreadable += why.startswith("not fetched")
            parts.close_gaps(name)
            parts.gap({**layout.place(place), "object": name, "why": why[:1000]})

    def _fine(self, parts: Parts, name: str) -> None:
        with self._lock:
            if parts.manifest["gaps"]:
                parts.close_gaps(name)


def _days(place: str, start: datetime.datetime | None, end: datetime.datetime) -> list[str]:
    """The prefixes of the days of a window, under that of an account and region."""
    if start is None:
        return [place]
    days = (end.date() - start.date()).days + 2  # what is delivered after midnight is of the day before
    return [f"{place}{start + datetime.timedelta(days=day):%Y/%m/%d}/" for day in range(days)]


def _batches(files: list[File]) -> Iterator[list[File]]:
    """In the order of their times, so many at once as are kept on this machine."""
    batch: list[File] = []
    for file in sorted(files, key=lambda f: layout.sort_key(f.name, 0.0)):
        batch.append(file)
        if sum(f.size for f in batch) >= _TOGETHER or len(batch) >= 2000:
            yield batch
            batch = []
    if batch:
        yield batch
