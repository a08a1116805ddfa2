# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudTrail in Athena: a table as AWS documents it, over CloudTrail's own files.

Source: the page "Create a table for CloudTrail logs in Athena" of Athena's user guide. Structures are read by their leaves, since Athena's answers write a
structure as text that nobody can take apart again; of ``requestparameters`` and its like the table has the JSON text.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...errors import InvalidInput
from .kind import TERMS, Layout, quoted

_USER = "useridentity"
_SESSION = f"{_USER}.sessioncontext"
# Path in the record, as CloudTrail writes it. What the table does not have is left out.
_TEXTS = (
    "eventVersion", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent", "errorCode", "errorMessage", "requestID", "eventID",
    "eventType", "apiVersion", "recipientAccountId", "sharedEventID", "vpcEndpointId", "vpcEndpointAccountId", "eventCategory",
    "sessionCredentialFromConsole",
    *(f"userIdentity.{name}" for name in (
        "type", "principalId", "arn", "accountId", "accessKeyId", "credentialId", "userName", "invokedBy", "identityProvider", "onBehalfOf.userId",
        "onBehalfOf.identityStoreArn", "inScopeOf.credentialsIssuedTo", "inScopeOf.sourceArn", "sessionContext.sessionIssuer.type",
        "sessionContext.sessionIssuer.principalId", "sessionContext.sessionIssuer.arn", "sessionContext.sessionIssuer.accountId",
        "sessionContext.sessionIssuer.userName", "sessionContext.attributes.creationDate", "sessionContext.attributes.mfaAuthenticated",
        "sessionContext.sourceIdentity", "sessionContext.ec2RoleDelivery", "sessionContext.webIdFederationData.federatedProvider")),
    "tlsDetails.tlsVersion", "tlsDetails.cipherSuite", "tlsDetails.clientProvidedHostHeader",
)  # fmt: skip
_FLAGS = ("readOnly", "managementEvent")  # the table has them as text or as boolean
_JSON = ("requestParameters", "responseElements", "additionalEventData", "serviceEventDetails")
_NEEDED = (
    "eventid",
    "eventtime",
    "eventname",
    "eventsource",
    "requestparameters",
    "responseelements",
    "useridentity.arn",
    "useridentity.accesskeyid",
)
_RESOURCE = ("ARN", "accountId", "type")  # in the order of the table's structure
_CAN = {
    "issuer": f"{_SESSION}.sessionissuer.arn", "issuer_before": f"{_SESSION}.sessionissuer.arn", "issuer_id": f"{_SESSION}.sessionissuer.principalid",
    "delegation": f"{_USER}.onbehalfof.userid", "address": "sourceipaddress", "address_first": "sourceipaddress", "actor_id": f"{_USER}.principalid",
    "user_name": f"{_USER}.username",
}  # fmt: skip
# What has no handle: roles that were taken in the console, and what ends an identity.
_STANDING = ("signin:SwitchRole", "iam:DeleteUser", "iam:DeleteRole", "iam:DeleteAccessKey", "iam:UpdateAccessKey")
# What a partition's column may mean, and what such columns are usually called.
_USUAL = {
    "account": ("account", "accountid", "account_id", "aws_account_id", "account_number"), "region": ("region", "aws_region"),
    "date": ("timestamp", "date", "dt", "day_date", "event_date", "date_created"), "year": ("year",), "month": ("month",), "day": ("day",),
}  # fmt: skip
MEANINGS = tuple(_USUAL)
_NUMBERS = ("tinyint", "smallint", "int", "integer", "bigint")


@dataclass(frozen=True)
class Partitions:
    """``columns``: {what a column of the partition means (MEANINGS): its name}. ``form``: of ``date``, as strftime writes it.

    ``types``: {column: as Glue has it}. ``unpadded``: columns that write January as 1.
    """

    columns: Mapping[str, str]
    form: str = "%Y/%m/%d"
    types: Mapping[str, str] = field(default_factory=dict)
    unpadded: frozenset[str] = frozenset()

    @classmethod
    def of(cls, types: Mapping[str, str], said: Mapping[str, str], form: str = "%Y/%m/%d", unpadded: Iterable[str] = ()) -> Partitions:
        """``types``: of the table's partition columns; ``said``: what the user says that they mean. ``InvalidInput``."""
        problems = [
            (f"partitions.{what}", f"{name!r}: the table is not partitioned by it") for what, name in said.items() if name not in types
        ]
        problems += [(f"partitions.{what}", f"not one of {', '.join(MEANINGS)}") for what in said if what not in MEANINGS]
        if problems:
            raise InvalidInput("the table's partitions are not what was said", problems)
        found = dict(said)
        for what, usual in _USUAL.items():
            for name in types:
                if what not in found and name not in found.values() and name.lower() in usual:
                    found[what] = name
        return cls(found, form, {name: kind.lower() for name, kind in types.items()}, frozenset(unpadded))

    def values(self, day: dt.date) -> dict[str, str]:
        """What the columns of a day hold, as it stands in the places of partitions."""
        told = {"date": day.strftime(self.form), "year": f"{day.year:04d}", "month": f"{day.month:02d}", "day": f"{day.day:02d}"}
        return {
            what: told[what].lstrip("0") if column in self.unpadded else told[what] for what, column in self.columns.items() if what in told
        }

    def prune(self, since: dt.datetime, until: dt.datetime, accounts: Sequence[str], regions: Sequence[str]) -> list[str]:
        """Plain comparisons. What is delivered after midnight lies under the next day."""
        first, last = since.date(), until.date() + dt.timedelta(days=1)
        tests = []
        for what, wanted in (("account", accounts), ("region", regions)):
            if what in self.columns and wanted:
                tests.append(f"{quoted(self.columns[what])} IN ({', '.join(self._literal(what, one) for one in wanted)})")
        if "date" in self.columns:
            column = quoted(self.columns["date"])
            tests += [
                f"{column} {sign} {self._literal('date', self.values(day)['date'], day)}" for sign, day in ((">=", first), ("<=", last))
            ]
        elif "year" in self.columns:
            tests.append(self._by_parts(first, last))
        return tests

    def _by_parts(self, first: dt.date, last: dt.date) -> str:
        """year = … AND month = … [AND day IN (…)], a month at a time."""
        parts: dict[tuple[str, ...], list[str]] = {}
        for day in days(first, last):
            at = self.values(day)
            parts.setdefault((at["year"], *((at["month"],) if "month" in at else ())), []).append(at.get("day", ""))
        tests = []
        for (year, *month), found in parts.items():
            test = f"{quoted(self.columns['year'])} = {self._literal('year', year)}"
            if month:
                test += f" AND {quoted(self.columns['month'])} = {self._literal('month', month[0])}"
                if "day" in self.columns:
                    test += f" AND {quoted(self.columns['day'])} IN ({', '.join(self._literal('day', day) for day in found)})"
            tests.append(f"({test})")
        return f"({' OR '.join(tests)})"

    def _literal(self, what: str, value: str, day: dt.date | None = None) -> str:
        """As the column's own type: Trino compares nothing with another one's."""
        kind = self.types.get(self.columns[what], "string")
        if kind == "date" and day:
            return f"CAST('{day:%Y-%m-%d}' AS DATE)"
        return str(int(value)) if kind in _NUMBERS else _text(value)


def days(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """Both included."""
    for number in range((last - first).days + 1):
        yield first + dt.timedelta(days=number)


def layout(database: str, table: str, columns: Mapping[str, str], partitions: Partitions, standing: Sequence[str] = ()) -> Layout:
    """``columns``: {name: type}, as Glue says. ``standing``: calls that are wanted of everybody. ``InvalidInput`` where it is no table of CloudTrail."""
    there = leaves(columns)
    if missing := [name for name in _NEEDED if name not in there]:
        raise InvalidInput(
            f"{database}.{table} is not laid out as a table of CloudTrail", [("table", f"it has no {name}") for name in missing]
        )

    def has(path: str) -> str:
        return f"t.{path}" if path in there else "CAST(NULL AS VARCHAR)"

    terms = {
        "event_uid": has("eventid"), "time": has("eventtime"), "region": has("awsregion"), "service": "regexp_extract(t.eventsource, '^([^.]+)', 1)",
        "operation": has("eventname"), "actor_type": has(f"{_USER}.type"), "actor_arn": has(f"{_USER}.arn"), "actor_id": has(f"{_USER}.principalid"),
        "actor_name": f"coalesce({has(f'{_USER}.username')}, {has(f'{_SESSION}.sessionissuer.username')})",
        "credential_uid": f"coalesce(nullif({has(f'{_USER}.accesskeyid')}, ''), {has(f'{_USER}.credentialid')})",
        "issuer_arn": has(f"{_SESSION}.sessionissuer.arn"), "issuer_id": has(f"{_SESSION}.sessionissuer.principalid"),
        "delegation": f"concat(coalesce({has(f'{_USER}.onbehalfof.userid')}, ''), ' ', coalesce({has(f'{_USER}.inscopeof.credentialsissuedto')}, ''))",
        "invoked_by": has(f"{_USER}.invokedby"), "src_ip": has("sourceipaddress"), "user_agent": has("useragent"), "request": has("requestparameters"),
        "response": has("responseelements"),
    }  # fmt: skip
    record = {_name(path): f"t.{path.lower()}" for path in (*_TEXTS, *_JSON) if path.lower() in there}
    record |= {_name(path): f"CAST(t.{path.lower()} AS VARCHAR)" for path in _FLAGS if path.lower() in there}
    if "resources" in columns:
        record["resources"] = "json_text(t.resources)"
    lacks = {kind: path for kind, path in _CAN.items() if path not in there}
    named = {name: terms[name] for name in TERMS}
    calls = _calls(*_STANDING, *standing)
    return Layout("cloudtrail", quoted(database, table), named, record, partitions.prune, stamp, line, lacks, calls)


def _calls(*names: str) -> str:
    """A test for calls, each ``service:operation``: the collection's own words."""
    by_service: dict[str, set[str]] = {}
    for name in names:
        service, _colon, operation = name.partition(":")
        by_service.setdefault(service, set()).add(operation)
    tests = (
        f"(service = {_text(service)} AND operation IN ({', '.join(map(_text, sorted(found)))}))"
        for service, found in sorted(by_service.items())
    )
    return " OR ".join(tests)


def stamp(moment: dt.datetime) -> str:
    """As CloudTrail writes it: such texts are in the order of their times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def line(row: Mapping[str, t.Any]) -> str:
    """The record as CloudTrail wrote it, as far as the table has it."""
    tree: dict[str, t.Any] = {}
    for path in (*_TEXTS, *_FLAGS, *_JSON):
        value = row.get(_name(path))
        if value is None:
            continue
        *above, name = path.split(".")
        place = tree
        for part in above:
            place = place.setdefault(part, {})
        place[name] = (
            _Json(value) if path in _JSON else {"true": True, "false": False}.get(str(value).lower()) if path in _FLAGS else str(value)
        )
    resources = _resources(row.get("resources"))
    if resources:
        tree["resources"] = resources
    return _written(tree)


class _Json(str):
    """JSON text that the table has as text."""


def _written(value: t.Any) -> str:
    if isinstance(value, _Json):
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            return json.dumps(str(value), ensure_ascii=False)
        if isinstance(read, (dict, list)) and not re.search(r"[\r\n]|NaN|Infinity", value):
            return str(value)
        return json.dumps(read, ensure_ascii=False).replace("NaN", "null").replace("-Infinity", "null").replace("Infinity", "null")
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_written(inner)}" for name, inner in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def _resources(text: t.Any) -> list[dict[str, t.Any]]:
    """A list of objects, or of lists with the values in the order of the structure."""
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return []
    entries = []
    for each in found if isinstance(found, list) else ():
        one = dict(zip(_RESOURCE, each, strict=False)) if isinstance(each, list) else each
        if isinstance(one, dict):
            by_name = {str(name).lower(): value for name, value in one.items()}
            entries.append({name: by_name[name.lower()] for name in _RESOURCE if by_name.get(name.lower()) is not None})
    return entries


def leaves(columns: Mapping[str, str]) -> set[str]:
    """The paths to everything in a table's columns, in lower case: ``useridentity.sessioncontext.sessionissuer.arn``."""
    found: set[str] = set()
    for name, kind in columns.items():
        found |= set(_paths(name.lower(), kind))
    return found


def _paths(path: str, kind: str) -> Iterator[str]:
    """Of Hive's ``struct<a:string,b:struct<c:string>>`` or Trino's ``row(a varchar, b row(c varchar))``."""
    yield path
    kind = kind.strip().lower()
    if not kind.startswith(("struct<", "row(")):
        return
    inside, depth, start = kind[kind.index(kind[6 if kind.startswith("struct") else 3]) + 1 : -1], 0, 0
    for at, mark in enumerate(inside + ","):
        depth += (mark in "<(") - (mark in ">)")
        if mark == "," and depth == 0:
            name, _sep, rest = re.sub(r"\s*[:\s]\s*", ":", inside[start:at].strip(), count=1).partition(":")
            start = at + 1
            if name:
                yield from _paths(f"{path}.{name}", rest)


def _name(path: str) -> str:
    """What the column of an answer is called."""
    return path.replace(".", "_").lower()


def _text(value: str) -> str:
    """Of the command's own words (a date, an account, a region), which were checked."""
    if not re.fullmatch(r"[A-Za-z0-9/_-]{1,64}", value):
        raise ValueError(f"not a word of a partition: {value!r}")
    return f"'{value}'"
