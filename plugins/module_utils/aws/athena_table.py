# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of CloudTrail in Athena, as Glue describes it: its layout, and how large what a query reads is, from the sizes of the objects in its partitions.

Partitions are those of a projection (``projection.*`` and ``storage.location.template``), else those that Glue lists.
"""

from __future__ import annotations

import datetime as dt
import re
import threading
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..common.errors import CloudError, InvalidInput
from ..common.plan import Call, Target
from ..common.warehouse.engine import Estimate, Query
from ..common.warehouse.layouts import cloudtrail
from ..common.warehouse.layouts.cloudtrail import Partitions, days
from ..common.warehouse.layouts.kind import Layout
from .exposure import RESTORES
from .session import Aws

READS = ("glue:GetTable", "glue:GetPartitions", "s3:ListObjectsV2")
_PLACE = re.compile(r"\$\{([^}]+)\}")
_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,62})/?(.*)", re.DOTALL)
_FORMS = (("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"))  # Java's patterns of a day
_LISTERS = 16
_USUAL_FORM = "yyyy/MM/dd"
_ACCOUNT = re.compile(r"(?:\A|/)AWSLogs/(?:o-[a-z0-9]+/)?(\d{12})/")


class Table:
    """``said``: what the option ``partitions`` says, {meaning: column}. Raises ``InvalidInput`` for what is no table of CloudTrail, and ``CloudError``."""

    def __init__(self, aws: Aws, target: Target, database: str, name: str, said: Mapping[str, str], form: str = "") -> None:
        self._aws, self._target, self.database, self.name = aws, target, database, name
        found = self._send(Call(self._target, "glue", "GetTable", {"DatabaseName": database, "Name": name}))["Table"]
        storage = found.get("StorageDescriptor") or {}
        self._columns = {str(one["Name"]): str(one.get("Type", "string")) for one in storage.get("Columns") or ()}
        types = {str(one["Name"]): str(one.get("Type", "string")) for one in found.get("PartitionKeys") or ()}
        self._keys = list(types)
        self._said = {str(k): str(v) for k, v in (found.get("Parameters") or {}).items()}
        self._location = str(storage.get("Location") or "").rstrip("/") + "/"
        self._projected = self._said.get("projection.enabled", "").lower() == "true"
        if not _URL.fullmatch(self._location):
            raise InvalidInput(f"{database}.{name} cannot be asked", [("table", "it does not lie in S3")])
        named = Partitions.of(types, said).columns.get("date", "")
        form = form or self._said.get(f"projection.{named}.format", "") or ("yyyy-MM-dd" if types.get(named) == "date" else _USUAL_FORM)
        self.partitions = Partitions.of(types, said, _strftime(form), [name for name in types if self._unpadded(name)])
        self._sizes: dict[str, tuple[int, int]] = {}  # place: (bytes, objects)
        self._lists: dict[str, list[str]] = {}
        self._lock = threading.Lock()

    def _unpadded(self, column: str) -> bool:
        """Whether a projection writes the numbers of this column without zeros in front."""
        return self._said.get(f"projection.{column}.type", "").lower() == "integer" and not self._said.get(f"projection.{column}.digits")

    def layout(self) -> Layout:
        restored = sorted({call for calls in RESTORES.values() for call in calls})
        return cloudtrail.layout(self.database, self.name, self._columns, self.partitions, restored)

    def estimate(self, query: Query) -> Estimate:
        """The objects of the partitions that are left, as they lie in S3: Athena counts compressed bytes."""
        places, known = self._places(query)
        with ThreadPoolExecutor(_LISTERS) as pool:
            sizes = list(pool.map(self._size, places))
        count = sum(objects for _bytes, objects in sizes)
        among = f" of {known}" if known else ""
        return Estimate(sum(size for size, _objects in sizes), f"sizes of {count} objects in {len(places)}{among} partitions")

    def accounts(self, query: Query) -> list[str]:
        """Every account whose log the table has, as far as the places of its partitions say so."""
        everything = Query(query.sql, (), query.since, query.until)
        column = self.partitions.columns.get("account")
        places = [self._location]
        if column and self._projected:
            template = self._template()
            before = template[: template.index("${" + column + "}")]
            places = [f"{one}{account}/" for one in self._expand(before, everything) for account in self._values(column, one, everything)]
            return sorted({place.rstrip("/").rsplit("/", 1)[-1] for place in places})
        if column:
            at = self._keys.index(column)
            return sorted({str(one["Values"][at]) for one in self._partitions()})
        return sorted({match[1] for place in places for match in _ACCOUNT.finditer(place)})

    def injected(self, what: str) -> bool:
        """Whether every query has to say which values of this column it reads."""
        return self._projected and self._said.get(f"projection.{self.partitions.columns.get(what, '')}.type", "").lower() == "injected"

    # -- where the partitions lie ----------------------------------------------------------------------------------------------------

    def _places(self, query: Query) -> tuple[list[str], int]:
        """(places in S3 that a query reads, of how many partitions; 0: nobody counts those of a projection)."""
        if not self._keys:
            return [self._location], 0
        if self._projected:
            return list(dict.fromkeys(self._expand(self._template(), query))), 0
        there = self._partitions()
        left = [one for one in there if self._read(dict(zip(self._keys, one["Values"], strict=False)), query)]
        return [str((one.get("StorageDescriptor") or {}).get("Location") or "").rstrip("/") + "/" for one in left], len(there)

    def _template(self) -> str:
        usual = self._location + "".join(f"{key}=${{{key}}}/" for key in self._keys)
        return (self._said.get("storage.location.template") or usual).rstrip("/") + "/"

    def _expand(self, template: str, query: Query) -> Iterator[str]:
        found = _PLACE.search(template)
        if not found:
            yield template
            return
        before = template[: found.start()]
        for value in self._values(found[1], before, query):
            yield from self._expand(template.replace(found[0], value), query)

    def _values(self, column: str, before: str, query: Query) -> list[str]:
        """What a column of a projection may hold, as far as ``query`` leaves it; of what is not said, what lies there."""
        meaning = next((what for what, name in self.partitions.columns.items() if name == column), "")
        wanted = {"account": query.accounts, "region": query.regions}.get(meaning, ())
        if wanted:
            return list(wanted)
        if meaning in ("date", "year", "month", "day"):
            spans = days(query.since.date(), query.until.date() + dt.timedelta(days=1))
            return sorted({self.partitions.values(day)[meaning] for day in spans})
        if said := self._said.get(f"projection.{column}.values"):
            return [one.strip() for one in said.split(",")]
        with self._lock:
            if before not in self._lists:
                self._lists[before] = self._folders(before)
            return self._lists[before]

    def _folders(self, place: str) -> list[str]:
        bucket, prefix = _split(place)
        answer = self._send(Call(self._target, "s3", "ListObjectsV2", {"Bucket": bucket, "Prefix": prefix, "Delimiter": "/"}))
        return [str(one["Prefix"])[len(prefix) :].rstrip("/") for one in answer.get("CommonPrefixes", [])]

    def _partitions(self) -> list[dict[str, t.Any]]:
        asked = {"DatabaseName": self.database, "TableName": self.name, "ExcludeColumnSchema": True}
        return list(self._send(Call(self._target, "glue", "GetPartitions", asked)).get("Partitions", []))

    def _read(self, held: Mapping[str, str], query: Query) -> bool:
        """Whether the SQL's comparisons leave this partition."""
        columns = self.partitions.columns
        for what, wanted in (("account", query.accounts), ("region", query.regions)):
            if wanted and what in columns and held.get(columns[what]) not in wanted:
                return False
        first, last = query.since.date(), query.until.date() + dt.timedelta(days=1)
        if "date" in columns:
            return first.strftime(self.partitions.form) <= held.get(columns["date"], "") <= last.strftime(self.partitions.form)
        if "year" not in columns:
            return True
        parts = [what for what in ("year", "month", "day") if what in columns]
        here = [held.get(columns[what], "").lstrip("0") for what in parts]
        return any(here == [self.partitions.values(day)[what].lstrip("0") for what in parts] for day in days(first, last))

    def _size(self, place: str) -> tuple[int, int]:
        if place not in self._sizes:
            bucket, prefix = _split(place)
            answer = self._send(Call(self._target, "s3", "ListObjectsV2", {"Bucket": bucket, "Prefix": prefix}))
            sizes = [int(one["Size"]) for one in answer.get("Contents", [])]
            self._sizes[place] = sum(sizes), len(sizes)
        return self._sizes[place]

    def _send(self, call: Call) -> dict[str, t.Any]:
        try:
            return self._aws.call(call)
        except CloudError as error:
            if error.code == "EntityNotFoundException":
                raise InvalidInput("the table of the logs", [("athena.table", f"{self.database}.{self.name} is not in Glue's catalog of"
                                   f" {self._target.region or self._aws.region}: {error.message}")]) from error  # fmt: skip
            raise


def _split(place: str) -> tuple[str, str]:
    match = _URL.fullmatch(place)
    if not match:
        raise CloudError(f"a partition lies at {place[:200]!r}, which is not in S3", code="NotS3", object=place[:200], operation="list")
    return match[1], match[2]


def _strftime(form: str) -> str:
    """Of a pattern of Java's (yyyy/MM/dd). ``InvalidInput`` where it says more than the day."""
    said = form
    for pattern, meant in _FORMS:
        said = said.replace(pattern, meant)
    if re.search(r"[A-Za-z]", re.sub(r"%[Ymd]", "", said)) or any(meant not in said for _pattern, meant in _FORMS):
        raise InvalidInput(
            "the table's partitions cannot be told", [("date_format", f"{form!r}: only yyyy, MM and dd, each of them, are understood")]
        )
    return said


def names(given: Sequence[str]) -> list[tuple[str, str]]:
    """Problems with the names of a database and a table, which stand in the SQL."""
    return [
        (path, f"{name[:80]!r}: letters, digits, _ and - only")
        for path, name in zip(("athena.database", "athena.table"), given, strict=False)
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", name)
    ]
