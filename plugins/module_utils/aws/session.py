# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every request to AWS goes through here: credentials per account, clients, retries, paging, errors and AWS's clock.

The only file that imports boto3 and botocore.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import datetime
import email.utils
import functools
import hashlib
import json
import os
import threading
import time
import typing as t
from collections.abc import Callable, Mapping

from ..common.errors import CloudError, EvictError, MissingLibrary
from ..common.plan import Call, Edit, Probe, Target
from . import assumed, documents, failures, lean, pending

try:
    import boto3
    import botocore.config
    import botocore.credentials
    import botocore.exceptions
    import botocore.hooks
    import botocore.loaders
    import botocore.parsers
    import botocore.session

    HAS_BOTO3 = True
except ImportError:  # reported by Aws(); the module must import without it (ansible-test, ansible-doc)
    HAS_BOTO3 = False

# For argument_spec; documented in the doc fragment `aws`.
ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "profile": {"type": "str"},
    "region": {"type": "str"},
    "role_arn": {"type": "str"},
    "external_id": {"type": "str"},
    "source_identity": {"type": "str"},
    "management_role_arn": {"type": "str"},
    "identity_center_role_arn": {"type": "str"},
    "identity_center_region": {"type": "str"},
    "assume_own": {"type": "bool"},
    "endpoint_url": {"type": "str"},
}
# Seconds between two requests of one account and region: AWS allows two a second, and of GetParameters forty.
_RATE_LIMITS = {"cloudtrail:LookupEvents": 0.5, "ssm:GetParameters": 0.026}
# In request and answer: where the next page begins (iam:ListServiceSpecificCredentials, secretsmanager:ListSecretVersionIds, directconnect).
_TOKENS = ("NextToken", "nextToken", "Marker")
# Of these a page is asked for at a time: all of them together may be larger than this machine's memory, or never end.
_BY_PAGE = ("LookupEvents", "GetQueryResults")
# One change at a time, of an organization or of a function; nothing was carried out.
_BUSY = ("ConcurrentModificationException", "ResourceConflictException", "TooManyRequestsException")
_PAUSES = (0.5, 0.5, 1.0, 1.0, 2.0, 3.0, 4.0, 4.0, 4.0)  # seconds
# Clients that are kept, the last used: each is 200 kB and a connection, and a look at what is live has one per service, region and account.
_CLIENTS = 256
Credentials = assumed.Keys
Answer = t.TypeVar("Answer")


def iso(moment: datetime.datetime) -> str:
    """UTC, RFC 3339, whole seconds."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


class Aws:
    """One process's access to AWS. ``connection``: the keys of ARGUMENTS; everything else comes from the SDK's own chain.

    Thread-safe: clients are made under a lock (botocore's factories are not safe), and used across threads.
    """

    def __init__(self, connection: Mapping[str, t.Any] | None = None, *, incident: str = "", threads: int = 16) -> None:
        if not HAS_BOTO3:
            raise MissingLibrary("boto3 is not installed", object="boto3", remedy="install boto3 in the Python that runs the module")
        options = {k: v for k, v in (connection or {}).items() if v not in (None, "")}
        self._options, self._threads = options, threads
        self._lock = threading.RLock()
        self._organizations = threading.Lock()
        self._clients: collections.OrderedDict[tuple[str, str, str, bool], tuple[t.Any, Credentials | None]] = collections.OrderedDict()
        self.roles = assumed.Roles(self, options, f"evict-{incident or 'readonly'}"[:64])
        self._skew: float | None = None
        self._next: dict[tuple[str, str, str], float] = {}
        self.calls = 0
        self.reached: Callable[[str], None] = lambda _account: None  # told once of each account whose role was assumed
        try:
            profile = options.get("profile")
            self._session = boto3.Session(botocore_session=_lean(profile), profile_name=profile, region_name=options.get("region"))
        except botocore.exceptions.BotoCoreError as error:
            raise EvictError(f"AWS profile: {error}", object="connection.aws.profile", operation="connect") from error
        self.region: str = self._session.region_name or "us-east-1"
        self._caller: dict[str, str] | None = None

    # -- who and when ------------------------------------------------------------------------------------------------------------

    @property
    def caller(self) -> dict[str, str]:
        """{account, arn, user_id} of the credentials that the command was started with."""
        with self._lock:
            if self._caller is None:
                answer = self.call(Call(Target("aws", ""), "sts", "GetCallerIdentity", {}))
                self._caller = {"account": answer["Account"], "arn": answer["Arn"], "user_id": answer["UserId"]}
            return self._caller

    @property
    def own_key(self) -> str:
        """The access key id that the command was started with."""
        credentials = self._session.get_credentials()
        return str(credentials.access_key) if credentials else ""

    def warnings(self, *, starting: bool = False) -> list[str]:
        """What the user is told of the responder's own sessions: first that the caller's ends soon or at some time, last who is not named in CloudTrail."""
        if not starting:
            return self.roles.warnings()
        if self._endless():
            return [
                "the responder's own session cannot be renewed from here, and its end is not known; log in again first if it is old, or set"
                " AWS_CREDENTIAL_EXPIRATION: a run that is cut short is completed by the same command"
            ]
        ends = self._ends()
        left = ends - self.now() if ends else assumed.WARN
        if not ends or left >= assumed.WARN:
            return []
        return [
            f"the responder's own session ends at {iso(ends)}, in {max(0, int(left.total_seconds() // 60))} minutes, and cannot be renewed from here: log in"
            " again first if there is time; a run that is cut short is completed by the same command"
        ]

    def _endless(self) -> bool:
        """Whether the caller has a session token of which neither SDK nor environment knows the end."""
        credentials = self._session.get_credentials()
        renewed = isinstance(credentials, botocore.credentials.RefreshableCredentials)  # those of which the environment says the end, too
        return credentials is not None and not renewed and bool(credentials.token)

    def _ends(self) -> datetime.datetime | None:
        """When the caller's own session ends, if it is one that the SDK cannot renew and says so (AWS_CREDENTIAL_EXPIRATION)."""
        credentials = self._session.get_credentials()
        if credentials is None or credentials.method != "env":
            return None
        try:
            ends = parse(os.environ.get("AWS_CREDENTIAL_EXPIRATION", ""))
        except ValueError:
            return None
        return ends if ends.tzinfo else ends.replace(tzinfo=datetime.UTC)

    @property
    def partition(self) -> str:
        """aws, aws-cn or aws-us-gov: the second part of every ARN."""
        return self.caller["arn"].split(":")[1]

    def now(self) -> datetime.datetime:
        """AWS's time, from the ``Date`` header of its answers; a laptop's clock may be wrong."""
        if self._skew is None:
            self.caller  # noqa: B018 - any answer tells the time
        return datetime.datetime.fromtimestamp(time.time() + (self._skew or 0.0), datetime.UTC)

    def absent(self, error: EvictError, region: str) -> bool:
        """Whether a request found no endpoint because AWS does not offer the service in ``region``, as far as botocore knows."""
        service = error.operation.partition(":")[0]
        if getattr(error, "code", "") != "EndpointConnectionError" or not service:
            return False
        return not self.offers(service, region)

    def offers(self, service: str, region: str) -> bool:
        """Whether AWS has the service in ``region``, as far as botocore knows."""
        return region in self._session.get_available_regions(service, partition_name=self.partition)

    def offered(self, service: str) -> list[str]:
        """The regions that have ``service``, as far as botocore knows."""
        return list(self._session.get_available_regions(service, partition_name=self.partition))

    def responder_arn(self, account: str) -> str:
        """The identity that acts in ``account``: the role that is assumed there, or the caller's own."""
        template = str(self._options.get("role_arn", ""))
        return self.caller["arn"] if self._is_own(account) or not template else template.replace("{account}", account)

    @property
    def management_arn(self) -> str:
        """The identity that talks to Organizations: ``management_role_arn``, else the caller."""
        return str(self._options.get("management_role_arn") or self.caller["arn"])

    @property
    def identity_center_region(self) -> str:
        """Of the instance, as the connection says; "" when it is to be looked for."""
        return str(self._options.get("identity_center_region") or "")

    @property
    def identity_center_arn(self) -> str:
        """The identity that talks to Identity Center."""
        return self._above_arn("sso-admin")

    def _above_arn(self, service: str) -> str:
        above = self.roles.above(service)
        return self.roles.arn(above) if above else self.caller["arn"]

    # -- clients -----------------------------------------------------------------------------------------------------------------

    def client(self, target: Target, service: str, *, once: bool = False) -> t.Any:
        """A client for ``target``; ``once`` has no retries, for requests that must not be sent twice."""
        account = self._role_in(target, service)
        key = (account, target.region or self.region, service, once)
        with self._lock:
            found = self._clients.get(key)
            if found is not None:
                self._clients.move_to_end(key)
        if found is not None and (found[1] is None or self.roles.fresh(account, found[1])):
            return found[0]
        keys = self.roles.keys(account) if account else None  # outside the lock: many accounts are reached side by side
        with self._lock:
            found = self._clients.get(key)
            if found is None or found[1] != keys:
                found = self._clients[key] = (self._make(keys, *key[1:]), keys)
                self._clients.move_to_end(key)
                while len(self._clients) > _CLIENTS:
                    self._clients.popitem(last=False)  # who is using it has it
        return found[0]

    def _role_in(self, target: Target, service: str) -> str:
        """The account in which a role is assumed for a request; "" where the caller makes it itself."""
        if service in assumed.ABOVE or target.account == assumed.MANAGEMENT:
            return self.roles.above(service)
        return "" if self._is_own(target.account) else target.account

    def _is_own(self, account: str) -> bool:
        return not account or (account == self.caller["account"] and not self._options.get("assume_own"))

    def _make(self, credentials: Credentials | None, region: str, service: str, once: bool) -> t.Any:
        keys = dict(zip(("aws_access_key_id", "aws_secret_access_key", "aws_session_token"), credentials or (), strict=False))
        config = botocore.config.Config(
            retries={"mode": "standard", "total_max_attempts": 1 if once else 6},
            connect_timeout=5,
            read_timeout=20,
            max_pool_connections=max(10, self._threads),
            tcp_keepalive=True,
            user_agent_extra="evict.cloud",
        )
        endpoint = self._options.get("endpoint_url")
        return self._session.client(service, region_name=region, endpoint_url=endpoint, config=config, **keys)

    def _assume_role(self, account: str) -> Credentials:
        return self.roles.assume(account)

    # -- requests ----------------------------------------------------------------------------------------------------------------

    def call(self, call: Call, parameters: Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Send one request (every page of it, where AWS pages). Times are RFC 3339 strings in the answer. Raises ``CloudError``."""
        if call.name in pending.KINDS:
            return pending.carry_out(self, call, lambda: self._send(call, parameters))
        alone = call.service == "organizations" and not call.operation.startswith(("Describe", "List"))
        if call.idempotent and not alone:
            return self._send(call, parameters)
        for pause in _PAUSES:  # what botocore is not to send twice: refused before anything was carried out, it may be sent again
            try:
                with self._organizations if alone else contextlib.nullcontext():
                    return self._send(call, parameters)
            except CloudError as error:
                if error.lost or not (error.code in _BUSY or failures.throttled(error.code)):
                    raise
            time.sleep(pause)
        with self._organizations if alone else contextlib.nullcontext():
            return self._send(call, parameters)

    def fetch(self, call: Call, into: t.BinaryIO) -> str:
        """Write the ``Body`` of an answer into an empty file, which may be large. Returns its SHA-256. Raises ``CloudError``."""
        for last in (False, False, True):
            try:
                return self._renewing(call, lambda: self._fetch_once(call, into))
            except CloudError as error:  # a body that breaks off is read anew; what AWS answers botocore has asked for again already
                if last or not error.lost or isinstance(error.__cause__, botocore.exceptions.ClientError):
                    raise
        raise AssertionError("not reached")

    def _fetch_once(self, call: Call, into: t.BinaryIO) -> str:
        into.seek(0)
        into.truncate()
        digest, client = hashlib.sha256(), self.client(call.target, call.service)
        with self._told(call, call.parameters):
            with self._lock:
                self.calls += 1
            answer = getattr(client, _snake(call.operation))(**call.parameters)
            for chunk in answer["Body"].iter_chunks(1 << 20):
                digest.update(chunk)
                into.write(chunk)
        return digest.hexdigest()

    def attempt(self, keys: Credentials, call: Call) -> str:
        """What AWS says to ``call`` made with ``keys``, a session of the responder's own: "" when it is allowed, else the error's code and message."""
        try:
            with self._lock:
                self.calls += 1
                client = self._make(keys, call.target.region or self.region, call.service, True)
            getattr(client, _snake(call.operation))(**call.parameters)
        except botocore.exceptions.ClientError as error:
            said = error.response.get("Error", {})
            return f"{said.get('Code', 'Unknown')}: {said.get('Message', '')}"
        except (botocore.exceptions.BotoCoreError, botocore.parsers.ResponseParserError) as error:
            return f"no answer from AWS ({type(error).__name__})"
        return ""

    def _send(self, call: Call, parameters: Mapping[str, t.Any] | None) -> dict[str, t.Any]:
        sent = dict(call.parameters if parameters is None else parameters)
        return self._renewing(call, lambda: self._send_once(call, sent))

    def _renewing(self, call: Call, send: Callable[[], Answer]) -> Answer:
        """``send``, once more by a new session where that of an assumed role has ended early, or a clock was wrong: nothing was carried out."""
        account = self._role_in(call.target, call.service) if self._caller else ""
        keys = self.roles.current(account)
        try:
            return send()
        except CloudError as error:
            if error.code not in failures.EXPIRED or not account or not self.roles.forget(account, keys):
                raise
        return send()

    def _send_once(self, call: Call, sent: dict[str, t.Any]) -> dict[str, t.Any]:
        client = self.client(call.target, call.service, once=not call.idempotent)
        method = _snake(call.operation)
        if not hasattr(client, method):
            raise CloudError(f"{call.name}: the installed boto3 is too old to know it", code="UnknownOperation", object=failures.subject(call, sent),
                             operation=call.name, remedy="pip install --upgrade boto3, then run the same command again")  # fmt: skip
        self._pace(call)
        with self._told(call, sent):
            with self._lock:
                self.calls += 1
            if client.can_paginate(method) and "NextToken" not in sent and call.operation not in _BY_PAGE:
                pages = client.get_paginator(method).paginate(**sent)
                answer = pages.build_full_result()
            else:
                answer = getattr(client, method)(**sent)
                self._set_clock(answer)
                if not client.can_paginate(method):
                    self._rest(client, method, sent, answer)
        if call.name == "organizations:DescribePolicy":  # botocore decodes the documents of IAM only
            answer["Policy"]["Content"] = _document(answer["Policy"]["Content"])
        if call.name == "sso-admin:GetInlinePolicyForPermissionSet":  # none is an empty text
            answer["InlinePolicy"] = _document(answer.get("InlinePolicy") or "null")
        return documents.parsed(call.name, _plain({k: v for k, v in answer.items() if k != "ResponseMetadata"}))

    @contextlib.contextmanager
    def _told(self, call: Call, sent: Mapping[str, t.Any]) -> t.Iterator[None]:
        """Whatever botocore raises in it as ``CloudError``."""
        try:
            yield
        except botocore.exceptions.ClientError as error:
            self._set_clock(error.response)
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
            said = {**error.response.get("Error", {}), "Reason": error.response.get("Reason", "")}
            raise self._explain(call, sent, said, lost=status >= 500) from error
        except (
            botocore.exceptions.NoCredentialsError,
            botocore.exceptions.PartialCredentialsError,
            botocore.exceptions.CredentialRetrievalError,
        ) as error:
            raise CloudError(
                f"no usable AWS credentials: {error}", code="NoCredentials", object=failures.subject(call, sent), operation=call.name,
                remedy="set AWS_PROFILE, log in again, or give connection.aws.profile",
            ) from error  # fmt: skip
        except RuntimeError as error:  # botocore has no exception of its own for AWS_CREDENTIAL_EXPIRATION in the past
            if "expired" not in str(error):
                raise
            raise self._explain(call, sent, {"Code": "ExpiredToken", "Message": str(error)}, lost=False) from error
        except botocore.exceptions.ParamValidationError as error:
            raise CloudError(
                f"{call.name}: {error}", code="ParamValidation", object=failures.subject(call, sent), operation=call.name
            ) from error
        except (
            botocore.exceptions.BotoCoreError,
            botocore.parsers.ResponseParserError,
        ) as error:  # the latter: a page of a proxy, not of AWS
            raise CloudError(
                f"{call.name} on {failures.subject(call, sent)}: no answer from AWS ({type(error).__name__})", code=type(error).__name__, lost=True,
                object=failures.subject(call, sent), operation=call.name, remedy="check the network and the endpoint, then run the same command again",
            ) from error  # fmt: skip

    def _explain(self, call: Call, sent: Mapping[str, t.Any], error: Mapping[str, t.Any], lost: bool) -> CloudError:
        return failures.explain(call, sent, error, lost, lambda: self._responder(call))

    def _responder(self, call: Call) -> str:
        """Who makes a request, for messages."""
        if not self._caller:
            return "caller"
        return self._above_arn(call.service) if call.service in assumed.ABOVE else self.responder_arn(call.target.account)

    def _rest(self, client: t.Any, method: str, sent: Mapping[str, t.Any], answer: dict[str, t.Any]) -> None:
        """The further pages of a listing that botocore does not know to be one (``_TOKENS``), added to ``answer``. Who asks for a page gets that one."""
        name = next((token for token in _TOKENS if answer.get(token)), "")
        last, token = "", "" if not name or name in sent else answer.pop(name)
        while token:
            if token == last:
                raise botocore.exceptions.PaginationError(message=f"the same {name} came twice")
            with self._lock:
                self.calls += 1
            page = getattr(client, method)(**{**sent, name: token})
            for key, value in page.items():
                if isinstance(value, list):
                    answer[key] = [*answer.get(key, []), *value]
            last, token = token, page.get(name) or ""

    def document(self, edit: Edit) -> tuple[Probe, Callable[[t.Any], Call]]:
        """How to read and write the policy document that ``edit`` names."""
        return documents.find(edit.target, edit.document)

    def _pace(self, call: Call) -> None:
        gap = _RATE_LIMITS.get(call.name)
        if not gap:
            return
        key = (call.target.account, call.target.region, call.name)
        with self._lock:
            start = max(time.monotonic(), self._next.get(key, 0.0))
            self._next[key] = start + gap
        time.sleep(max(0.0, start - time.monotonic()))

    def _set_clock(self, answer: Mapping[str, t.Any]) -> None:
        date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        if date:
            try:
                self._skew = email.utils.parsedate_to_datetime(date).timestamp() - time.time()
            except ValueError:
                pass  # an unreadable header leaves the last known time


def _lean(profile: str | None) -> t.Any:
    """A session of botocore's whose clients are `lean`."""
    session = botocore.session.Session(profile=profile, event_hooks=lean.emitter(botocore.hooks.HierarchicalEmitter))
    loader = _loader(session.get_config_variable("data_path"))
    session.register_component("data_loader", loader)
    session.register("creating-client-class", loader.shape)
    session.register("before-parse", _whole)
    return session


def _whole(operation_model: t.Any, response_dict: Mapping[str, t.Any], **_more: t.Any) -> None:
    """Half a JSON answer is none. botocore takes it for an empty one: of a listing, that nothing is there; of a creation, that it has no id."""
    model, body = operation_model.service_model, response_dict.get("body")
    if (
        response_dict["status_code"] >= 300
        or model.resolved_protocol not in ("json", "rest-json")
        or not isinstance(body, bytes)
        or not body
    ):
        return
    try:
        json.loads(body)
    except ValueError as error:
        raise botocore.parsers.ResponseParserError(f"the answer to {operation_model.name} is no JSON") from error


@functools.cache
def _loader(data_path: str | None) -> lean.Loader:
    """The models that were read, one time for the process."""
    return lean.Loader(botocore.loaders.create_loader(data_path), _snake)


def _snake(operation: str) -> str:
    """boto3's method name of an API operation."""
    return str(boto3.session.botocore.xform_name(operation))


def _document(text: t.Any) -> t.Any:
    """A policy document as data; text that is none stays text."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def _plain(value: t.Any) -> t.Any:
    """An answer as JSON values; times as RFC 3339; bytes in base64; policy documents stay the dicts that botocore decodes."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, datetime.datetime):
        return iso(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value if value is None or isinstance(value, (str, int, float, bool)) else json.loads(json.dumps(value, default=str))
