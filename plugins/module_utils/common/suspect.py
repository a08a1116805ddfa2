# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Suspects: the indicators of a compromise as somebody reported them, read in form. What they resolve to, the clouds say."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from .errors import InvalidInput
from .schema import PARTITIONS, Fields, Problem, meant, public_half, secret_in, show

MAX_TEXT = 64 * 1024
_PARTITION = "(?:" + "|".join(PARTITIONS) + ")"
_KEY = re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{16}")
_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_EMAIL = re.compile(r"[\w+=,.'%-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}", re.ASCII)
_INSTANCE = re.compile(r"i-(?:[0-9a-f]{17}|[0-9a-f]{8})")
_SERVICE_ID = re.compile(r"ACCA[A-Z0-9]{16,124}")  # of a service-specific credential
# Its public half, which its user name for the service and a decoded API key begin with: jane-at-111122223333, jane+1-at-111122223333.
_SERVICE_USER = re.compile(r"[\w+=,.@-]{1,64}-at-([0-9]{12})", re.ASCII)
_ARNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(rf"arn:{_PARTITION}:{service}::([0-9]{{12}}):{resource}", re.ASCII))
    for kind, service, resource in (
        ("user_arn", "iam", r"user/(?:[!-.0-~]{1,128}/){0,64}([\w+=,.@-]{1,64})"),
        ("role_arn", "iam", r"role/(?:[!-.0-~]{1,128}/){0,64}([\w+=,.@-]{1,64})"),
        ("assumed_role_arn", "sts", r"assumed-role/([\w+=,.@-]{1,64}/[\w+=,.@-]{2,64})"),
        ("federated_user_arn", "sts", r"federated-user/([\w+=,.@-]{2,32})"),
        ("root", "iam", r"(root)"),
    )
)
_IN_TEXT = re.compile(
    r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9])ACCA[A-Z0-9]{16,124}(?![A-Za-z0-9])|(?<![\w+=,.@-])(?:BedrockAPIKey|AeaApiKey)-[\w+-]{1,80}"
    rf"|arn:{_PARTITION}:(?:iam|sts)::[0-9]{{12}}:(?:root(?![\w/])|(?:user|role|assumed-role|federated-user)/[\w+=,.@/-]{{1,600}})",
    re.ASCII,
)
_INSTANCES_IN_TEXT = re.compile(r"(?<![\w-])i-(?:[0-9a-f]{17}|[0-9a-f]{8})(?![\w-])", re.ASCII)
_EMAILS_IN_TEXT = re.compile(r"(?<![\w+=,.@-])[\w+.-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}(?![\w@-])", re.ASCII)
_UNIQUE_ID = re.compile(r"(?:AIDA|AROA|AGPA|AIPA|ANPA|ANVA|APKA|ABIA|ACCA|ASCA)[A-Z0-9]{12,20}(?::[!-~]{1,64})?")
_IDC_USER_ID = re.compile(r"[0-9a-f]{10}-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_IDC_USER = re.compile(r"[^\x00-\x20\x7f-\xa0\u2028\u2029]{1,128}")  # a user name of Identity Center, or an id
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_GCP_ACCOUNT = re.compile(r"[a-z0-9.-]{1,100}@[a-z0-9.-]{1,100}\.gserviceaccount\.com")
_PROJECT = re.compile(r"(?:[a-z0-9.-]{1,64}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|[0-9]{6,20}")

_ACCEPTED = (
    "an access key id (AKIA..., ASIA...), an ARN of a user, role, assumed role, federated user or root, a user name, an e-mail, "
    "an instance id (i-...), the id of a service-specific credential (ACCA...) or the public half of an API key (NAME-at-ACCOUNT), or a log line that holds one"
)
_LABELS = {
    "access_key": "access key", "session_key": "session key", "user_arn": "user", "role_arn": "role", "assumed_role_arn": "role session",
    "federated_user_arn": "federated user", "root": "root of", "name": "user name", "email": "e-mail", "instance": "instance",
    "service_credential": "service-specific credential", "identity_center_user": "Identity Center user",
    "azure_user": "Entra user", "azure_application": "application",
    "azure_service_principal": "service principal",
    "azure_managed_identity": "managed identity",
    "gcp_service_account": "service account", "gcp_service_account_key": "service account key", "gcp_user": "Google user", "gcp_api_key": "API key",
}  # fmt: skip
_AWS_KEYS = ("access_key_id", "arn", "user", "email", "instance", "credential_id", "identity_center_user", "text")
_FORMS = {"arn": "an ARN", "access_key_id": "an access key id",
          "credential_id": "the id of a service-specific credential (ACCA...) or its user name for the service (NAME-at-ACCOUNT)"}  # fmt: skip
_FIELDS = {"access_key": "access_key_id", "session_key": "access_key_id", "name": "user", "email": "email", "instance": "instance",
           "service_credential": "credential_id", "identity_center_user": "identity_center_user"}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Suspect:
    """One indicator. ``account``: AWS account, Azure tenant or GCP project, empty when not known. ``raw``: the canonical keys of the file."""

    cloud: str
    account: str
    kind: str
    value: str
    raw: t.Mapping[str, str] = dataclasses.field(default_factory=dict, compare=False)
    path: str = dataclasses.field(default="", compare=False)
    name: str = dataclasses.field(default="", compare=False)

    def as_dict(self) -> dict[str, str]:
        """As the incident file writes it."""
        return dict(self.raw)

    def display(self) -> str:
        """``access key AKIA… in 111122223333``; plain ASCII words around the value."""
        where = f" in {self.account}" if self.account and self.account not in self.value else ""
        return f"{_LABELS.get(self.kind, self.kind)} {self.value}{where}"


def classify(text: str, *, account: str | None = None) -> list[Suspect]:
    """One free-form indicator -> the distinct suspects it holds; more than one means that a person must choose.

    A CloudTrail record (or a list, an export, an EventBridge envelope or a GuardDuty finding) gives its caller, any other text the
    key ids and ARNs in it. Raises InvalidInput, without the text, when it holds a secret or nothing that is known.
    """
    text = text.strip() if len(text) <= MAX_TEXT else _invalid(f"is longer than {MAX_TEXT // 1024} KiB; pass the key id or the ARN from it")
    if text[:1] in ("{", "["):
        values = _from_json(text)
        if values is not None:
            return _distinct(_of_value(value, where or account or "") for value, where in values)
    kind = secret_in(text)
    if kind:
        half = public_half(text)
        _invalid(
            f"looks like {kind}; it was neither stored nor shown. Pass {half or 'the id of the credential'} instead, and treat the secret as exposed"
        )
    if _is_plain(text):
        return [_of_value(text, account or "")]
    return _distinct(_of_value(value, account or "") for value in _extract(text))


def only(text: str) -> Suspect:
    """The one suspect in a free-form indicator. Raises InvalidInput; when there are several, with the list of them."""
    found = classify(text)
    if len(found) != 1:
        names = ", ".join(suspect.value for suspect in found)
        _invalid(f"names {len(found)} identities, and nothing was changed; pass the one that is meant: {names}")
    return found[0]


def minimal(suspect: Suspect) -> str:
    """The shortest text that ``classify`` reads as this suspect: what to hand on in place of a pasted log line."""
    if suspect.account and suspect.account not in suspect.value:
        return json.dumps({"userIdentity": {"accountId": suspect.account, "accessKeyId": suspect.value}})
    return suspect.value


def parse(raw: t.Any, path: str, problems: list[Problem]) -> Suspect | None:
    """One entry of ``incident.suspects``. Notes what is wrong and returns None then."""
    before = len(problems)
    if not isinstance(raw, dict):
        problems.append((path, f"must be a mapping, as {{cloud: aws, access_key_id: AKIA...}}, not {show(raw)}"))
        return None
    cloud = raw.get("cloud")
    reader = {"aws": _aws, "azure": _azure, "gcp": _gcp}.get(cloud) if isinstance(cloud, str) else None
    if reader is None:
        hint = meant(cloud, ("aws", "azure", "gcp")) if isinstance(cloud, str) else ""
        problems.append(
            (
                f"{path}.cloud",
                "is missing; write aws, azure or gcp" if cloud is None else f"must be aws, azure or gcp, not {show(cloud)}{hint}",
            )
        )
        return None
    suspect = reader(raw, path, problems)
    return dataclasses.replace(suspect, path=path.removeprefix("incident.")) if suspect and len(problems) == before else None


def _aws(raw: dict[str, t.Any], path: str, problems: list[Problem]) -> Suspect | None:
    refused = dict.fromkeys(
        ("secret_access_key", "aws_secret_access_key", "session_token", "aws_session_token", "secret_key", "secret"),
        "a secret has no place in the incident file; write access_key_id (the id alone)",
    )
    fields = Fields(raw, path, problems, ("cloud", "account", *_AWS_KEYS), refused)
    account = fields.account()
    key = _one_of(fields, _AWS_KEYS)
    value = fields.text(key, required=True) if key else ""
    if not value or secret_in(value) and key != "text":
        return None  # noted already, by the field or by the scan for secrets
    try:
        if key == "text":
            found = classify(value, account=account)
            if len(found) > 1:
                problems.append(
                    (
                        f"{path}.text",
                        f"names {len(found)} identities; write one suspect for each that is meant: {', '.join(s.value for s in found)}",
                    )
                )
                return None
            suspect = found[0]
        elif key == "user":
            suspect = _named(value, account)
        elif key == "identity_center_user":
            form = _IDC_USER.fullmatch(value)
            suspect = _make(key, value, account) if form else _invalid(f"not a user name or user id of Identity Center: {show(value)}")
        elif key == "email":
            suspect = _make("email", value, account) if _EMAIL.fullmatch(value) else _invalid(f"not an e-mail address: {show(value)}")
        else:
            suspect = _of_value(value, account)
            if _FIELDS.get(suspect.kind, "arn") != key:
                _invalid(f"not {_FORMS.get(key, 'an instance id (i-...)')}: {show(value)}")
    except InvalidInput as error:
        problems.extend((f"{path}.{key}", message) for _where, message in error.problems)
        return None
    if account and suspect.account != account:
        problems.append((f"{path}.account", f"is {account}, but the {_LABELS[suspect.kind]} belongs to {suspect.account}"))
    return suspect


def _azure(raw: dict[str, t.Any], path: str, problems: list[Problem]) -> Suspect | None:
    keys = ("user", "application", "service_principal", "managed_identity")
    fields = Fields(raw, path, problems, ("cloud", "tenant", *keys))
    domain = re.compile(rf"{_GUID.pattern}|[A-Za-z0-9-]{{1,63}}(?:\.[A-Za-z0-9-]{{1,63}}){{1,8}}")
    tenant = fields.text("tenant", required=True, pattern=domain, says="not a tenant (its id or its domain)")
    key = _one_of(fields, keys)
    resource = r"|/subscriptions/[\w.()/-]{1,500}" if key == "managed_identity" else ""
    mail = f"|{_EMAIL.pattern}" if key == "user" else ""
    value = (
        fields.text(
            key,
            required=True,
            pattern=re.compile(_GUID.pattern + mail + resource, re.ASCII),
            says=f"not a valid {key} (object or application id)",
        )
        if key
        else ""
    )
    return _other("azure", tenant, f"azure_{key}", value, {"tenant": tenant, key: value}) if value else None


def _gcp(raw: dict[str, t.Any], path: str, problems: list[Problem]) -> Suspect | None:
    keys = ("service_account", "user", "api_key")
    fields = Fields(raw, path, problems, ("cloud", "project", "key_id", *keys))
    project = fields.text("project", pattern=_PROJECT, says="not a project id or number")
    key = _one_of(fields, keys)
    forms = {
        "service_account": (_GCP_ACCOUNT, "not a service account (name@project.iam.gserviceaccount.com)"),
        "user": (_EMAIL, "not an e-mail address"),
        "api_key": (
            re.compile(rf"{_GUID.pattern}|projects/[\w:.-]{{1,100}}/locations/global/keys/[\w-]{{1,100}}", re.ASCII),
            "not the id or resource name of an API key (never its string; `gcloud services api-keys lookup` finds the name)",
        ),
    }
    value = fields.text(key, required=True, pattern=forms[key][0], says=forms[key][1]) if key else ""
    key_id = fields.text("key_id", pattern=re.compile(r"[0-9a-f]{40}"), says="not the id of a service account key (40 hexadecimal digits)")
    if key_id and key != "service_account":
        problems.append((f"{path}.key_id", "belongs to a service_account"))
    if key and key != "user" and not project and "project" not in raw and not value.startswith("projects/"):
        problems.append((f"{path}.project", "is missing"))
    if not value:
        return None
    kept = {"project": project, key: value, "key_id": key_id}
    return _other("gcp", project, "gcp_service_account_key" if key_id else f"gcp_{key}", f"{value}/{key_id}" if key_id else value, kept)


def _one_of(fields: Fields, keys: tuple[str, ...]) -> str:
    """The one identifying key that is written; several or none is a problem."""
    given = [key for key in keys if fields.raw.get(key) is not None]
    if len(given) != 1:
        said = f"has {', '.join(given)}; write one suspect for each" if given else f"names nothing; write one of {', '.join(keys)}"
        fields.problems.append((fields.path, said))
        return ""
    return given[0]


def _is_plain(text: str) -> bool:
    return bool(
        _NAME.fullmatch(text)
        or _SERVICE_USER.fullmatch(text)
        or text.startswith("arn:")
        and not re.search(r"[\s\"',;]", text)
        or _EMAIL.fullmatch(text)
    )


def _of_value(text: str, account: str) -> Suspect:
    """A single token -> its suspect."""
    if _KEY.fullmatch(text):
        return _make("access_key" if text.startswith("AKIA") else "session_key", text, account)
    if text.startswith("arn:"):
        return _of_arn(text, account)
    if _INSTANCE.fullmatch(text):
        return _make("instance", text, account)
    if _IDC_USER_ID.fullmatch(text):
        return _make("identity_center_user", text, account)
    if _SERVICE_ID.fullmatch(text):
        return _make("service_credential", text, account)
    if match := _SERVICE_USER.fullmatch(text):
        if account and account != match[1]:
            _invalid(f"belongs to account {match[1]}, not to {account}: {show(text)}")
        return _make("service_credential", text, match[1])
    if _GCP_ACCOUNT.fullmatch(text):
        domain = text.partition("@")[2]
        project = domain.removesuffix(".iam.gserviceaccount.com") if domain.endswith(".iam.gserviceaccount.com") else ""
        return _other("gcp", project, "gcp_service_account", text, {"project": project, "service_account": text})
    if _EMAIL.fullmatch(text):
        return _make("email", text, account)
    return _named(text, account)


def _of_arn(text: str, account: str) -> Suspect:
    """An ARN -> its suspect, which carries the ARN's own account."""
    for kind, pattern in _ARNS:
        match = pattern.fullmatch(text)
        if match:
            if account and account != match[1]:
                _invalid(f"belongs to account {match[1]}, not to {account}: {show(text)}")
            return _make(kind, text, match[1], match[2])
    known = text.split(":")[1] in PARTITIONS
    what = "a user, role, assumed role, federated user or root" if known else f"a known partition ({', '.join(PARTITIONS)})"
    return _invalid(f"not an ARN of {what}: {show(text)}")


def _named(text: str, account: str) -> Suspect:
    """A user name; what only looks like one (a cut-off key id, a unique id) is said so."""
    if _UNIQUE_ID.fullmatch(text):
        _invalid(f"{show(text)} is a unique id; pass the ARN of the user or role (or the access key id)")
    if re.fullmatch(r"A[KS]IA[A-Z0-9]*", text):
        _invalid(f"{show(text)} has {len(text)} characters; an access key id has 20")
    if re.fullmatch(r"[0-9]{12}", text):
        _invalid(f"{show(text)} is an account; say which key, user or role in it")
    if not _NAME.fullmatch(text):
        _invalid(f"not a user name: {show(text)}")
    return _make("name", text, account)


def _make(kind: str, value: str, account: str, name: str = "") -> Suspect:
    raw = {"cloud": "aws", "account": account, _FIELDS.get(kind, "arn"): value}
    return Suspect("aws", account, kind, value, {key: item for key, item in raw.items() if item}, "", name or value)


def _other(cloud: str, account: str, kind: str, value: str, raw: dict[str, str]) -> Suspect:
    return Suspect(cloud, account, kind, value, {"cloud": cloud, **{key: item for key, item in raw.items() if item}}, "", value)


def _from_json(text: str) -> list[tuple[str, str]] | None:
    """(identity, account) of the caller of each record in ``text``; None when it holds no audit record."""
    try:
        todo = [json.loads(text)]
    except (ValueError, RecursionError):
        return None
    found: list[tuple[str, str]] = []
    while todo:
        item = todo.pop(0)
        if isinstance(item, list):
            todo[:0] = item
        elif isinstance(item, dict):
            caller = _caller(item)
            if caller:
                found.append(caller)
                continue
            inner = item.get("CloudTrailEvent")
            if isinstance(inner, str):
                try:
                    todo.insert(0, json.loads(inner))
                except (ValueError, RecursionError):
                    continue
            todo[:0] = [
                item[key] for key in ("detail", "Records", "Events", "Findings", "findings") if isinstance(item.get(key), (dict, list))
            ]
    return found or None


def _caller(record: dict[str, t.Any]) -> tuple[str, str] | None:
    """Who made the call of a CloudTrail record, or whom a GuardDuty finding is about."""
    who = record.get("userIdentity")
    if isinstance(who, dict):
        issuer = who.get("sessionContext")
        issuer = issuer.get("sessionIssuer") if isinstance(issuer, dict) else None
        candidates = [who.get("accessKeyId"), issuer.get("arn") if isinstance(issuer, dict) else None, who.get("arn")]
        account = who.get("accountId")
    else:
        resource = record.get("resource") or record.get("Resource")
        details = (resource.get("accessKeyDetails") or resource.get("AccessKeyDetails")) if isinstance(resource, dict) else None
        if not isinstance(details, dict):
            return None
        candidates = [details.get("accessKeyId") or details.get("AccessKeyId"), details.get("userName") or details.get("UserName")]
        account = record.get("accountId") or record.get("AccountId")
    for value in candidates:
        if isinstance(value, str) and _is_plain(value):
            own = isinstance(account, str) and re.fullmatch("[0-9]{12}", account) and not value.startswith("arn:")
            return value, t.cast(str, account) if own else ""
    return None


def _extract(text: str) -> list[str]:
    for pattern in (_IN_TEXT, _INSTANCES_IN_TEXT, _EMAILS_IN_TEXT):
        found = [match.group().rstrip(".,=-/") for match in pattern.finditer(text)]
        if found:
            return found
    return _invalid(f"names no identity that is known: {show(text)}. Pass {_ACCEPTED}")


def _distinct(suspects: t.Iterable[Suspect]) -> list[Suspect]:
    result: dict[tuple[str, str], Suspect] = {}
    for suspect in suspects:
        result.setdefault((suspect.kind, suspect.value), suspect)
    return list(result.values())


def _invalid(message: str) -> t.NoReturn:
    raise InvalidInput("the suspect was refused", [("suspect", message)])
