# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The incident file: read as data, validated whole, every problem by its path; and the names that derive from its id."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import os
import re
import typing as t

from . import channels, connections, dependents, estate, legal, replacements, yamlio
from . import resources as resource_key
from .compute import Compute
from .compute import read as read_compute
from .errors import InvalidInput
from .schema import ARN, ROLE_ARN, Fields, Problem, is_role_template, json_types, meant, printable, rfc3339, scan, secret_in, show
from .suspect import Suspect, only, parse

SEVERITIES = ("critical", "high", "medium", "low")
MODES = ("emergency", "graceful", "bridge")
ROLE_ACTIONS = ("auto", "session", "revoke", "clamp", "deny")
PASSWORDS = ("drop", "keep")
ROOT_CREDENTIALS = ("keep", "delete")
GUARDS = ("protected", "last_admin", "limit", "shared_role", "trust_chain", "readable_place")
STORE = "./cases"
FILE = "incident.json"  # in the case: the canonical form
LIMITS = {"principals": 25, "compute": 25, "resources": 100}

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
CONNECTION = {
    "aws": (
        "profile",
        "region",
        "role_arn",
        "external_id",
        "source_identity",
        "management_role_arn",
        "endpoint_url",
        "assume_own",
        "identity_center_role_arn",
        "identity_center_region",
    ),
    "azure": ("tenant", "subscription", "client_id", "environment", "endpoint_url"),
    "gcp": ("project", "quota_project", "impersonate_service_account", "endpoint_url"),
}
_STORE_KEYS = ("url", "profile", "region", "role_arn", "endpoint_url")
_NO_SECRETS = "credentials are never written here; use a profile, the environment, workload identity or a role to assume"
_REFUSED = dict.fromkeys(
    (
        *("access_key", "access_key_id", "aws_access_key", "aws_access_key_id", "secret_key", "secret_access_key", "aws_secret_access_key"),
        *(
            "aws_secret_key",
            "session_token",
            "aws_session_token",
            "security_token",
            "client_secret",
            "password",
            "secret",
            "token",
            "private_key",
        ),
        *("service_account_key", "credentials"),
    ),
    _NO_SECRETS,
)
_INLINE = dict.fromkeys(
    ("url", "token", "password", "secret", "routing_key", "api_key"),
    "is never written here; name an environment variable or a file (url_env, url_file)",
)
_WORD = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,1024}")  # a name that reaches a header, a path or a log: no control characters
_FORMS = {
    "region": (re.compile(r"[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}"), "not a region"),
    "identity_center_region": (re.compile(r"[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}"), "not a region"),
    "endpoint_url": (
        re.compile(r"https?://(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(?::[0-9]{1,5})?(?:/[\w./~-]{0,500})?", re.ASCII),
        "not an http(s) URL",
    ),
    "external_id": (re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII), "not an external id"),
    "source_identity": (re.compile(r"[\w+=,.@-]{2,64}", re.ASCII), "not a source identity (2 to 64 of A-Z a-z 0-9 _ + = , . @ -)"),
}
_STORE_URL = re.compile(r"(?:(?:s3|az|gs)://|file:///)[A-Za-z0-9][\w.-]{1,254}(?:/[\w.=+@-]{1,255}){0,32}/?", re.ASCII)
_PURPOSE = re.compile(r"[a-z][a-z0-9-]{0,39}")
_OBJECT = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|/subscriptions/[\w.()/-]{1,500}|[\w+=,.'-]{1,100}@[\w.-]{1,200}", re.ASCII
)


@dataclasses.dataclass(frozen=True)
class Window:
    """When the attacker may have been at work, UTC; None: not known, or not over yet."""

    start: dt.datetime | None = None
    end: dt.datetime | None = None


@dataclasses.dataclass(frozen=True)
class Trusted:
    """What is known to be good: networks (CIDR) and principals (ARN)."""

    networks: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Override:
    """One guard, lifted for one object by a named person."""

    guard: str
    object: str
    reason: str
    by: str


@dataclasses.dataclass(frozen=True)
class Incident:
    """A validated incident, defaults filled in. Times are aware datetimes in UTC; ``store`` is a string or a mapping with ``url``."""

    id: str
    title: str
    severity: str
    opened: dt.datetime
    window: Window
    mode: str
    store: str | dict[str, str]
    suspects: list[Suspect]
    trusted: Trusted
    protected: list[str]
    limits: dict[str, int]
    overrides: list[Override]
    role_action: str
    automations: list[str]
    password: str
    root_credentials: str
    aware_at: dt.datetime | None
    dependents: list[t.Any]
    approvers: list[t.Any]
    notify: list[t.Any]
    escalation: list[t.Any]
    severity_matrix: dict[str, t.Any]
    legal: list[t.Any] | None
    production: list[str]
    connection: dict[str, dict[str, t.Any]]
    evidence_key: str | None
    accounts: list[str]
    compute: Compute = dataclasses.field(default_factory=Compute)
    resources: resource_key.Resources = dataclasses.field(default_factory=resource_key.Resources)
    replacements: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    source: str = dataclasses.field(default="", compare=False)

    @property
    def hash16(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the id."""
        return hashlib.sha256(self.id.encode("utf-8")).hexdigest()[:16]

    @property
    def sid(self) -> str:
        """The statement id of this incident's fences (a Sid is alphanumeric)."""
        return "Evict" + self.hash16

    def policy_name(self, purpose: str) -> str:
        """``evict-<purpose>-<id>``: the inline policy of this incident and purpose; at most 111 of IAM's 128 characters."""
        if not _PURPOSE.fullmatch(purpose):
            raise ValueError(f"not a purpose: {purpose!r}")
        return f"evict-{purpose}-{self.id}"

    def as_dict(self) -> dict[str, t.Any]:
        """The canonical form: plain JSON, all keys, times as RFC 3339. Validating it gives an equal Incident."""
        plain = {key: getattr(self, key) for key in KEYS}
        return plain | {
            "opened": rfc3339(self.opened),
            "window": {"start": _text(self.window.start), "end": _text(self.window.end)},
            "suspects": [suspect.as_dict() for suspect in self.suspects],
            "trusted": {"networks": list(self.trusted.networks), "principals": list(self.trusted.principals)},
            "overrides": [dataclasses.asdict(override) for override in self.overrides],
            "aware_at": _text(self.aware_at),
            "compute": self.compute.as_dict(),
            "resources": self.resources.as_dict(),
        }


KEYS = tuple(field.name for field in dataclasses.fields(Incident) if field.name != "source")  # of the file, in its order


def load(path: str) -> dict[str, t.Any]:
    """The mapping in an incident file (YAML or JSON, with or without the key ``incident``), as data, never templated. Raises InvalidInput."""
    return unwrap(yamlio.read(os.path.expanduser(path)), path)


def loads(data: bytes, source: str) -> dict[str, t.Any]:
    """The same from bytes, such as a case's ``incident.json``."""
    return unwrap(yamlio.parse(data, source), source)


def unwrap(raw: t.Any, source: str) -> dict[str, t.Any]:
    """The incident's own mapping. Raises InvalidInput when there is none, or when other keys stand beside ``incident``."""
    if isinstance(raw, dict) and "incident" in raw:
        if len(raw) > 1:
            others = ", ".join(show(key) for key in raw if key != "incident")
            raise InvalidInput(
                "the incident file was refused", [(printable(source), f"has {others} beside incident; indent what belongs to the incident")]
            )
        raw = raw["incident"]
    if not isinstance(raw, dict) or not raw:
        said = "is empty" if not raw else f"must be a mapping that begins with incident:, not {show(raw)}"
        raise InvalidInput("the incident file was refused", [(printable(source), said)])
    return raw


def from_case(case: t.Any) -> Incident:
    """The incident of a case: ``case`` is its store. Raises what the store raises when there is none, and InvalidInput."""
    where = f"{case.url}/{FILE}"
    return validate(loads(case.get(FILE), where), where)


def text(incident: dict[str, t.Any]) -> str:
    """``incident.json`` of ``Incident.as_dict()``."""
    return json.dumps(incident, indent=2) + "\n"


def validate(raw: t.Any, source: str, *, now: dt.datetime | None = None) -> Incident:
    """Check the whole incident; ``source`` names it in the error. Raises InvalidInput with every problem found, path first."""
    raw = unwrap(raw, source)
    now = now or dt.datetime.now(dt.UTC)
    problems: list[Problem] = scan(raw, "incident")
    scanned = len(problems)
    fields = Fields(raw, "incident", problems, KEYS)
    window = Fields(raw.get("window"), "incident.window", problems, ("start", "end"))
    trusted = Fields(raw.get("trusted"), "incident.trusted", problems, ("networks", "principals"))
    limits = Fields(raw.get("limits"), "incident.limits", problems, LIMITS)
    incident = Incident(
        id=_id(fields),
        title=fields.text("title"),
        severity=fields.choice("severity", SEVERITIES, "high"),
        opened=fields.time("opened", now, required=True) or now,
        window=_window(window, now),
        mode=fields.choice("mode", MODES, "emergency"),
        store=_store(fields),
        suspects=_suspects(fields),
        trusted=Trusted(tuple(trusted.networks("networks")), tuple(trusted.texts("principals", ARN, "not an ARN"))),
        protected=_protected(fields),
        automations=fields.texts("automations", ARN, "not an ARN"),
        limits={key: limits.count(key, default) for key, default in LIMITS.items()},
        overrides=[_override(item, path, problems) for path, item in fields.sequence("overrides")],
        role_action=fields.choice("role_action", ROLE_ACTIONS, "auto"),
        password=fields.choice("password", PASSWORDS, "drop"),
        root_credentials=fields.choice("root_credentials", ROOT_CREDENTIALS, "keep"),
        aware_at=fields.time("aware_at", now),
        dependents=dependents.read(fields),
        approvers=_entries(fields, "approvers"),
        notify=channels.read(fields, _INLINE),
        escalation=channels.escalation(fields, _names(fields)),
        severity_matrix=channels.matrix(fields),
        legal=legal.read(fields, os.path.dirname(source) if os.path.isfile(source) else os.curdir),
        production=channels.production(fields),
        connection=_connection(fields),
        evidence_key=fields.text("evidence_key", pattern=re.compile(r"[^\x00-\x09\x0b-\x1f\x7f]{8,16000}"), says="not a public key")
        or None,
        compute=read_compute(fields),
        accounts=estate.accounts(fields),
        resources=resource_key.read(fields.raw.get("resources"), problems),
        replacements=replacements.read(fields, os.path.dirname(source) if os.path.isfile(source) else os.curdir),
        source=source,
    )
    if problems:
        unfit = {path for path, _message in problems[:scanned]}  # what the scan refused needs no second complaint about its form
        rest = [(path, message) for path, message in problems[scanned:] if path not in unfit]
        raise InvalidInput(f"the incident was refused ({printable(source)})", list(dict.fromkeys(problems[:scanned] + rest)))
    return incident


def from_suspect(text: str, *, now: dt.datetime, cwd: str) -> dict[str, t.Any]:
    """A complete incident out of one indicator. The store is ``cases`` in ``cwd``, absolute, so that the file names the same case from anywhere.

    Raises InvalidInput; when ``text`` names several identities, the message lists them.
    """
    suspect = only(text)
    digest = hashlib.sha256(f"{suspect.cloud}\n{suspect.account}\n{suspect.value}".encode()).hexdigest()
    return {
        "id": f"IR-{now.astimezone(dt.UTC):%Y%m%d-%H%M%S}-{digest[:4]}",
        "title": f"Suspected compromise of {suspect.display()} (opened from this one indicator; severity high until somebody has judged it)",
        "severity": "high",
        "opened": rfc3339(now.replace(microsecond=0)),
        "window": {"start": None, "end": None},
        "mode": "emergency",
        "store": os.path.join(os.path.abspath(cwd), "cases"),
        "suspects": [suspect.as_dict()],
        "trusted": {"networks": [], "principals": []},
        "protected": [],
        "limits": dict(LIMITS),
        "overrides": [],
        "role_action": "auto",
    }


def absolute_store(store: str | dict[str, str], cwd: str) -> str | dict[str, str]:
    """``store`` with a relative directory resolved against ``cwd``, where the command was started. A URL stays as it is."""
    if isinstance(store, dict):
        return {**store, "url": t.cast(str, absolute_store(store["url"], cwd))}
    if "://" in store:
        return store.rstrip("/")
    return os.path.normpath(os.path.join(cwd, os.path.expanduser(store)))


def _text(moment: dt.datetime | None) -> str | None:
    return rfc3339(moment) if moment else None


def _id(fields: Fields) -> str:
    says = "must be 1 to 64 of A-Z a-z 0-9 . _ -, begin with a letter or digit, and name no path"
    value = fields.text("id", required=True, pattern=ID, says=says)
    if ".." in value or value.endswith("."):
        fields.problems.append(("incident.id", f"{says}: {show(value)}"))
    return value


def _window(fields: Fields, now: dt.datetime) -> Window:
    window = Window(fields.time("start", now), fields.time("end", now))
    if window.start and window.end and window.end <= window.start:
        fields.problems.append(("incident.window.end", f"must be after start: {rfc3339(window.end)} is not after {rfc3339(window.start)}"))
    return window


def _suspects(fields: Fields) -> list[Suspect]:
    entries = fields.sequence("suspects")
    if not entries and not isinstance(fields.raw.get("suspects"), (str, int, float, dict)):
        fields.problems.append(("incident.suspects", "is empty; name at least one, as - {cloud: aws, access_key_id: AKIA...}"))
    result: list[Suspect] = []
    seen: dict[tuple[str, str, str, str], str] = {}
    for path, item in entries:
        suspect = parse(item, path, fields.problems)
        if suspect is None:
            continue
        # A key id or an ARN is the same one whether or not its account is written beside it.
        account = suspect.account if suspect.kind in ("name", "email", "instance") else ""
        first = seen.setdefault((suspect.cloud, account, suspect.kind, suspect.value), path)
        if first != path:
            fields.problems.append((path, f"is the same as {first}: {show(suspect.value)}"))
        result.append(suspect)
    return result


def _protected(fields: Fields) -> list[str]:
    result: list[str] = []
    for path, item in fields.sequence("protected"):
        if isinstance(item, str) and (ARN if item.startswith("arn:") else _OBJECT).fullmatch(item) and not secret_in(item):
            result.append(item)
            if "*" in item or "?" in item:
                fields.problems.append(
                    (path, f"patterns are not understood here and would protect nothing; write each object: {show(item)}")
                )
        else:
            fields.problems.append((path, f"not an ARN (or the id of an Azure or Google object): {show(item)}"))
    return result


def _override(raw: t.Any, path: str, problems: list[Problem]) -> Override:
    fields = Fields(raw if raw is not None else [], path, problems, ("guard", "object", "reason", "by"))
    guard = fields.choice("guard", GUARDS, "", required=True)
    return Override(guard, *(fields.text(key, required=True) for key in ("object", "reason", "by")))


def _names(fields: Fields) -> list[str]:
    return [str(item.get("name")) for _path, item in Fields(fields.raw, "incident", [], KEYS).sequence("notify") if isinstance(item, dict)]


def _entries(fields: Fields, key: str) -> list[t.Any]:
    """A list of texts or mappings that a later step gives their meaning; here only that they are data."""
    result: list[t.Any] = []
    for path, item in fields.sequence(key):
        if isinstance(item, dict) and item:
            result.append(json_types(item))
        elif isinstance(item, str) and item.strip():
            result.append(item)
        else:
            fields.problems.append((path, f"must be text or a mapping, not {show(item)}"))
    return result


def _store(fields: Fields) -> str | dict[str, str]:
    value = fields.raw.get("store")
    if not isinstance(value, dict):
        url = fields.text("store", STORE)
        _check_store(url, "incident.store", fields.problems)
        return url
    inner = Fields(value, "incident.store", fields.problems, _STORE_KEYS, _REFUSED)
    result = _connect(inner, _STORE_KEYS)
    _check_store(inner.text("url", required=True), "incident.store.url", fields.problems)
    return result


def _check_store(url: str, path: str, problems: list[Problem]) -> None:
    if not url or secret_in(url):
        return  # noted already
    if "://" in url and not _STORE_URL.fullmatch(url):
        scheme = url.split("://", 1)[0]
        hint = meant(scheme, ("s3", "az", "gs")) if scheme not in ("s3", "az", "gs") else ""
        problems.append((path, f"not a directory, file:///, s3://, az:// or gs:// (names of letters, digits and . _ -): {show(url)}{hint}"))
    elif not url.strip() or re.search(r"\\|\{[{%#]", url) or not _WORD.fullmatch(url):  # it becomes part of paths and of variables
        problems.append((path, f"not a directory: {show(url)}"))


def _connection(fields: Fields) -> dict[str, dict[str, t.Any]]:
    outer = Fields(fields.raw.get("connection"), "incident.connection", fields.problems, (*CONNECTION, *connections.FORMS), _REFUSED)
    result: dict[str, dict[str, t.Any]] = {}
    for cloud, keys in CONNECTION.items():
        inner = Fields(outer.raw.get(cloud), f"incident.connection.{cloud}", fields.problems, keys, _REFUSED)
        result[cloud] = _connect(inner, keys)
    return {**result, **connections.read(outer, _REFUSED)}


def _connect(fields: Fields, keys: t.Iterable[str]) -> dict[str, t.Any]:
    """The keys that are written, each in its form."""
    result: dict[str, t.Any] = {}
    for key in keys:
        value: t.Any
        if key == "assume_own":
            value = fields.flag(key)
        else:
            pattern, says = _FORMS.get(key, (_WORD, "holds control characters, or is empty"))
            value = fields.text(key, pattern=pattern, says=says)
        if key in ("role_arn", "management_role_arn", "identity_center_role_arn") and value:
            template = key == "role_arn" and "url" not in keys
            if not (ROLE_ARN.fullmatch(value) or template and is_role_template(value)):
                also = " ({account} may stand for the account)" if template else ""
                fields.problems.append((f"{fields.path}.{key}", f"not the ARN of a role{also}: {show(value)}"))
        if value:
            result[key] = value
    return result
