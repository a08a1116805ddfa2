# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A warehouse of DuckDB: the tables as AWS and Google document them, filled with records; what it is asked is in the other dialect, and is translated back."""

from __future__ import annotations

import datetime as dt
import json
import typing as t
from collections.abc import Iterable
from pathlib import Path

import duckdb

from ansible_collections.evict.cloud.plugins.module_utils.common.analysis.lineage import Lineage
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError
from ansible_collections.evict.cloud.plugins.module_utils.common.events import formats, parts
from ansible_collections.evict.cloud.plugins.module_utils.common.events.database import Database
from ansible_collections.evict.cloud.plugins.module_utils.common.events.load import Loader
from ansible_collections.evict.cloud.plugins.module_utils.common.store import Store
from ansible_collections.evict.cloud.plugins.module_utils.common.suspect import Suspect
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse import dialect, wanted
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse.engine import Estimate, Query
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse.follow import LATE, Follow, Outcome
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse.layouts import cloudtrail, gcp_audit
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse.layouts.kind import Layout
from ansible_collections.evict.cloud.plugins.module_utils.common.warehouse.question import Span

_USER = "struct<type:string,principalid:string,arn:string,accountid:string,invokedby:string,accesskeyid:string,username:string," \
        "onbehalfof:struct<userid:string,identitystorearn:string>,sessioncontext:struct<attributes:struct<mfaauthenticated:string,creationdate:string>," \
        "sessionissuer:struct<type:string,principalid:string,arn:string,accountid:string,username:string>,ec2roledelivery:string," \
        "webidfederationdata:struct<federatedprovider:string,attributes:map<string,string>>>>"  # fmt: skip
_TEXTS = (
    "eventVersion", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent", "errorCode", "errorMessage", "requestID", "eventID",
    "readOnly", "eventType", "apiVersion", "recipientAccountId", "sharedEventID", "vpcEndpointId", "eventCategory",
)  # fmt: skip
_JSON = ("requestParameters", "responseElements", "additionalEventData", "serviceEventDetails")
# As Glue has it, of the table that AWS documents.
COLUMNS = {
    **{name.lower(): "string" for name in (*_TEXTS, *_JSON)}, "useridentity": _USER, "resources": "array<struct<arn:string,accountid:string,type:string>>",
    "tlsdetails": "struct<tlsversion:string,ciphersuite:string,clientprovidedhostheader:string>",
}  # fmt: skip
PARTITIONS = ["account", "region", "timestamp"]


def _leaf(path: str) -> str:
    return f"e->>'$.{path}'"


def _struct(**leaves: str) -> str:
    return "{" + ", ".join(f"'{name}': {how}" for name, how in leaves.items()) + "}"


def _user() -> str:
    u, s = "userIdentity", "userIdentity.sessionContext"
    return _struct(
        type=_leaf(f"{u}.type"), principalid=_leaf(f"{u}.principalId"), arn=_leaf(f"{u}.arn"), accountid=_leaf(f"{u}.accountId"),
        invokedby=_leaf(f"{u}.invokedBy"), accesskeyid=_leaf(f"{u}.accessKeyId"), username=_leaf(f"{u}.userName"),
        onbehalfof=_struct(userid=_leaf(f"{u}.onBehalfOf.userId"), identitystorearn=_leaf(f"{u}.onBehalfOf.identityStoreArn")),
        sessioncontext=_struct(
            attributes=_struct(mfaauthenticated=_leaf(f"{s}.attributes.mfaAuthenticated"), creationdate=_leaf(f"{s}.attributes.creationDate")),
            sessionissuer=_struct(
                type=_leaf(f"{s}.sessionIssuer.type"), principalid=_leaf(f"{s}.sessionIssuer.principalId"), arn=_leaf(f"{s}.sessionIssuer.arn"),
                accountid=_leaf(f"{s}.sessionIssuer.accountId"), username=_leaf(f"{s}.sessionIssuer.userName"),
            ),
            ec2roledelivery=_leaf(f"{s}.ec2RoleDelivery"),
            webidfederationdata=_struct(federatedprovider=_leaf(f"{s}.webIdFederationData.federatedProvider")),
        ),
    )  # fmt: skip


class Warehouse:
    """An Engine over a DuckDB. ``asked``: the queries that were run; ``price``: bytes that each is said to read; ``fail_after``: rows after which it breaks."""

    def __init__(self, name: str) -> None:
        self.name = self.dialect = name
        self.asked: list[Query] = []
        self.price = 1000
        self.fail_after = -1
        self.failure: BaseException = CloudError("it broke off", code="Broken")
        self.ended = 0
        self.connection = duckdb.connect(":memory:")
        self.connection.execute("SET TimeZone = 'UTC'")

    def cloudtrail(self, records: Iterable[dict[str, t.Any]]) -> Layout:
        self._records(records)
        columns = [f"{_leaf(name)} AS {name.lower()}" for name in _TEXTS]
        columns += [f"nullif(CAST(e->'$.{name}' AS VARCHAR), 'null') AS {name.lower()}" for name in _JSON]
        columns += [f"{_user()} AS useridentity", "from_json(e->'$.resources', '[{\"ARN\":\"VARCHAR\",\"accountId\":\"VARCHAR\",\"type\":\"VARCHAR\"}]')"
                    "::STRUCT(arn VARCHAR, accountid VARCHAR, type VARCHAR)[] AS resources",
                    _struct(tlsversion=_leaf("tlsDetails.tlsVersion"), ciphersuite=_leaf("tlsDetails.cipherSuite"),
                            clientprovidedhostheader=_leaf("tlsDetails.clientProvidedHostHeader")) + " AS tlsdetails",
                    f"{_leaf('recipientAccountId')} AS account", f"{_leaf('awsRegion')} AS region",
                    f"replace(substr({_leaf('eventTime')}, 1, 10), '-', '/') AS \"timestamp\""]  # fmt: skip
        self.connection.execute("CREATE SCHEMA logs")
        self.connection.execute(f"CREATE TABLE logs.cloudtrail AS SELECT {', '.join(columns)} FROM records")  # noqa: S608
        return cloudtrail.layout("logs", "cloudtrail", COLUMNS, cloudtrail.Partitions.of(dict.fromkeys(PARTITIONS, "string"), {}))

    def gcp(self, records: Iterable[dict[str, t.Any]]) -> Layout:
        self._records(records)
        p = "protoPayload"
        who = f"{p}.authenticationInfo"
        log = _struct(
            serviceName=_leaf(f"{p}.serviceName"), methodName=_leaf(f"{p}.methodName"), resourceName=_leaf(f"{p}.resourceName"),
            status=_struct(code=f"CAST({_leaf(f'{p}.status.code')} AS BIGINT)", message=_leaf(f"{p}.status.message")),
            authenticationInfo=_struct(
                principalEmail=_leaf(f"{who}.principalEmail"), principalSubject=_leaf(f"{who}.principalSubject"),
                serviceAccountKeyName=_leaf(f"{who}.serviceAccountKeyName"),
                serviceAccountDelegationInfo=f"from_json(e->'$.{who}.serviceAccountDelegationInfo',"
                ' \'[{"principalSubject":"VARCHAR","firstPartyPrincipal":{"principalEmail":"VARCHAR"}}]\')',
            ),
            requestMetadata=_struct(callerIp=_leaf(f"{p}.requestMetadata.callerIp"), callerSuppliedUserAgent=_leaf(f"{p}.requestMetadata.callerSuppliedUserAgent")),
            requestJson=f"nullif(CAST(e->'$.{p}.request' AS VARCHAR), 'null')", responseJson=f"nullif(CAST(e->'$.{p}.response' AS VARCHAR), 'null')",
        )  # fmt: skip
        self.connection.execute('CREATE SCHEMA "audit"')
        resource = _struct(type=_leaf("resource.type"), labels=_struct(project_id=_leaf("resource.labels.project_id")))
        columns = (
            f'{_leaf("insertId")} AS insertId, CAST({_leaf("timestamp")} AS TIMESTAMPTZ) AS "timestamp", {_leaf("logName")} AS logName'
        )
        sql = f"CREATE TABLE audit.{gcp_audit.TABLES[0]} AS SELECT {columns}, {resource} AS resource, {log} AS protopayload_auditlog FROM records"  # noqa: S608
        self.connection.execute(sql)
        return gcp_audit.layout("memory", "audit", gcp_audit.TABLES[0], self._paths(f"audit.{gcp_audit.TABLES[0]}"))

    def _paths(self, table: str) -> dict[str, str]:
        """What BigQuery's COLUMN_FIELD_PATHS says."""
        found: dict[str, str] = {}

        def walk(path: str, kind: t.Any) -> None:
            found[path] = str(kind)
            if kind.id == "list":
                kind = kind.child
            if kind.id == "struct":
                for name, inner in kind.children:
                    walk(f"{path}.{name}", inner)

        relation = self.connection.table(table)
        for name, kind in zip(relation.columns, relation.types, strict=True):
            walk(name, kind)
        return found

    def _records(self, records: Iterable[dict[str, t.Any]]) -> None:
        self.connection.execute("CREATE OR REPLACE TABLE records (e JSON)")
        self.connection.execute("INSERT INTO records SELECT unnest(CAST(? AS JSON[]))", [[json.dumps(one) for one in records]])

    def estimate(self, query: Query) -> Estimate:
        del query
        return Estimate(self.price, "what the test says")

    def rows(self, query: Query) -> t.Iterator[dict[str, t.Any]]:
        self.asked.append(query)
        values: t.Any = dict(query.parameters) if self.dialect == "bigquery" else [value for _name, value in query.parameters]
        cursor = self.connection.execute(dialect.back(query.sql, self.dialect), values)
        names = [column[0] for column in cursor.description or ()]
        try:
            for number, row in enumerate(cursor.fetchall()):
                if number == self.fail_after:
                    raise self.failure
                yield dict(zip(names, row, strict=True))
        finally:
            self.ended += 1


def follow(
    engine: Warehouse, layouts: list[Layout], store: Store, folder: Path, suspects: list[Suspect], span: Span, *, start: dt.datetime | None, ceiling: int = 10**12,
    estate: t.Sequence[str] = (), preview: bool = False, rows: int = 10**9, accounts: t.Sequence[str] = (), **more: t.Any,
) -> Outcome:  # fmt: skip
    """One run against ``engine``; what it selects is in ``store`` afterwards. ``more``: of Lineage."""
    fmt = formats.FORMATS[layouts[0].source]
    kept = parts.Parts(store, fmt.source)

    def trace(seen: t.Any) -> list[wanted.Wanted]:
        with parts.open_case(store, threads=1, keep=False) as database:
            lineage = Lineage(database, suspects, start=start, logged=estate, **more).follow()
            return wanted.wanted(lineage, suspects, fmt.cloud, seen)

    with (
        kept.scratch() as scratch,
        Database.memory(reads=[scratch, store.root or folder], scratch=scratch / "spill", threads=1) as database,
    ):
        loader = Loader(database, [(fmt, kept)], scratch, now="2026-12-01T00:00:00")
        work = Follow(engine, layouts, kept, span, trace, lambda file: (loader.load([file]), None)[1], scratch, ceiling, span.until + LATE, accounts=accounts,
                      estate=estate, rows=rows,
                      narrowed=bool(accounts))  # fmt: skip
        return work.preview() if preview else work.run()
