# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strict reading of what people wrote: typed fields that collect every problem with its path, and never echo a secret."""

from __future__ import annotations

import base64
import collections
import datetime as dt
import difflib
import ipaddress
import math
import re
import typing as t

PARTITIONS = ("aws", "aws-cn", "aws-us-gov")
_PARTITION = r"(?:aws|aws-cn|aws-us-gov)"
ARN = re.compile(rf"arn:{_PARTITION}:[a-z0-9-]{{1,32}}:[a-z0-9-]{{0,32}}:(?:[0-9]{{12}}|aws)?:[!-~]{{1,1500}}", re.ASCII)
ROLE_ARN = re.compile(rf"arn:{_PARTITION}:iam::([0-9]{{12}}):role/[\w+=,.@/-]{{1,576}}", re.ASCII)
_ROLE_TEMPLATE = re.compile(rf"arn:{_PARTITION}:iam::(?:[0-9]{{12}}|\{{account\}}):role/(?:[\w+=,.@/-]|\{{account\}}){{1,576}}", re.ASCII)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_NAIVE = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?", re.ASCII)
_SKEW = dt.timedelta(minutes=5)  # a laptop's clock against the one that wrote the file
_EARLIEST = dt.datetime(2006, 1, 1, tzinfo=dt.UTC)  # there was no cloud account to compromise before

# Long-term keys, short-term keys, and a long-term key that somebody has decoded.
_API_KEY = re.compile(
    r"(?<![A-Za-z0-9+/])(?:ABSK|AEAA)(?P<long>[A-Za-z0-9+/_-]{60,2000}={0,2})"
    r"|(?:bedrock|aws-external-anthropic)-api-key-(?P<short>[A-Za-z0-9+/_-]{60,8000}={0,2})"
    r"|(?P<half>[\w+=,.@-]{1,64}-at-[0-9]{12}):[A-Za-z0-9+/]{20}",
    re.ASCII,
)
_SECRETS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "an AWS secret access key",
        re.compile(
            r"aws_?secret_?(?:access_?)?key[\"'\s]{0,8}[=:][\"'\s]{0,8}[A-Za-z0-9/+]{16}|secret_?access_?key[\"'\s]{0,8}[=:][\"'\s]{0,8}[A-Za-z0-9/+]{16}",
            re.IGNORECASE,
        ),
    ),
    (
        "an AWS session token",
        re.compile(
            r"(?:FwoG|IQoJ|FQoG|AQoD|AQoE)[A-Za-z0-9/+=_-]{60}|aws_?(?:session|security)_?token[\"'\s]{0,8}[=:][\"'\s]{0,8}[A-Za-z0-9/+]{16}",
            re.IGNORECASE,
        ),
    ),
    ("an API key of Bedrock or the Claude Platform", _API_KEY),
    ("a private key", re.compile(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY|AGE-SECRET-KEY-1[A-Z0-9]{20}")),
    ("an Azure client secret", re.compile(r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~.-])")),
    ("a client secret", re.compile(r"client_?secret[\"'\s]{0,8}[=:][\"'\s]{0,8}[^\s\"']{8}", re.IGNORECASE)),
    ("a storage account key", re.compile(r"(?:AccountKey|SharedAccessKey)=[A-Za-z0-9/+]{32}", re.IGNORECASE)),
    ("a signed URL", re.compile(r"[?&](?:sig|X-Amz-Signature|X-Goog-Signature)=[A-Za-z0-9%/+]{20}", re.IGNORECASE)),
    ("a Google API key (its string is the secret)", re.compile(r"(?<![A-Za-z0-9_-])AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])")),
    ("a Google access token", re.compile(r"(?<![A-Za-z0-9])ya29\.[A-Za-z0-9_-]{20}")),
    ("a signed token (JWT)", re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,8000}\.eyJ[A-Za-z0-9_-]{10}")),
    ("a GitHub token", re.compile(r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40})")),
    (
        "a Slack token or webhook",
        re.compile(r"(?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9-]{10}|hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9]"),
    ),
    ("a URL with a password", re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s/@:]{0,200}:[^\s/@]{1,200}@", re.IGNORECASE)),
)
_FORTY = re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_ADDRESSES = re.compile(r"arn:[!-~]+|[a-z][a-z0-9+.-]{1,20}://[!-~]+")
_ENTROPY = 4.3  # bits per character; 40 random base64 characters have 4.86 +- 0.1, paths and words stay below

Problem = tuple[str, str]


def secret_in(text: str) -> str:
    """What kind of secret ``text`` holds, in words; empty when none is seen. Linear time."""
    for kind, pattern in _SECRETS:
        if pattern.search(text):
            return kind
    for match in _FORTY.finditer(_ADDRESSES.sub(" ", text)):
        run = match.group()
        classes = (str.isupper, str.islower, lambda c: not c.isalpha())
        if all(any(test(c) for c in run) for test in classes) and _entropy(run) >= _ENTROPY:
            return "an AWS secret access key"
    return ""


def public_half(text: str) -> str:
    """Of an API key of Bedrock or the Claude Platform the half that is no secret: NAME-at-ACCOUNT of a long-term one, the session key id of a

    short-term one; "" of anything else. Both are in the key in base64 (other people's decoders say so; not observed here).
    """
    found = _API_KEY.search(text)
    if not found:
        return ""
    if found["half"]:
        return found["half"]
    encoded = found["long"] or found["short"]
    try:
        decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4)).decode("latin-1")
    except ValueError:
        return ""
    half = re.search(
        r"(?<![\w+=,.@-])[\w+=,.@-]{1,64}-at-[0-9]{12}(?=:)" if found["long"] else r"ASIA[A-Z0-9]{16}(?![A-Z0-9])", decoded, re.ASCII
    )
    return half.group() if half else ""


def printable(text: str, limit: int = 400) -> str:
    """``text`` for a terminal or a log line: control characters, ANSI escapes, line breaks and bidirectional overrides written out as escapes."""
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[:limit])
    return shown if len(text) <= limit else shown + "..."


def show(value: t.Any) -> str:
    """A value for an error message: escaped, at most 80 characters, and nothing of it when it looks like a secret."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple, set)):
        return "a list"
    if isinstance(value, str) and secret_in(value):
        return "(withheld: it looks like a secret)"
    text = repr(value[:200] if isinstance(value, str) else value)
    return text if len(text) <= 80 else text[:77] + "..."


def meant(word: str, known: t.Iterable[str]) -> str:
    """``; did you mean 'x'?`` for a word that is close to a known one, else empty."""
    close = difflib.get_close_matches(word[:64].lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def scan(value: t.Any, path: str) -> list[Problem]:
    """What no field may hold, at any depth: secrets, text that is not Unicode, things that are not plain data."""
    problems: list[Problem] = []
    todo: list[tuple[t.Any, str, int]] = [(value, path, 0)]
    while todo:
        item, where, depth = todo.pop()
        if depth > 32:
            problems.append((where, "nested deeper than 32 levels"))
        elif isinstance(item, dict):
            for key, inner in reversed(item.items()):
                if not isinstance(key, str):
                    problems.append((where, f"the key {show(key)} is not text; write it in quotes"))
                    continue
                problems.extend(_text_problems(key, where))
                todo.append((inner, f"{where}.{key}" if re.fullmatch(r"[\w-]{1,64}", key) else f"{where}[{show(key)}]", depth + 1))
        elif isinstance(item, (list, tuple)):
            todo.extend((inner, f"{where}[{index}]", depth + 1) for index, inner in reversed(list(enumerate(item))))
        elif isinstance(item, str):
            problems.extend(_text_problems(item, where))
        elif isinstance(item, float) and not math.isfinite(item) or not isinstance(item, (int, float, bool, dt.date, type(None))):
            problems.append((where, f"{show(item)} is not plain data"))
    return problems


class Fields:
    """One mapping of the file. Getters return a usable value whatever was written, and note what is wrong with it."""

    def __init__(
        self, raw: t.Any, path: str, problems: list[Problem], known: t.Iterable[str], refused: t.Mapping[str, str] | None = None
    ) -> None:
        self.path, self.problems = path, problems
        if raw is not None and not isinstance(raw, dict):
            self._note("", f"must be a mapping, not {show(raw)}")
        self.raw: dict[t.Any, t.Any] = raw if isinstance(raw, dict) else {}
        names = sorted(known)
        for key in self.raw:
            if not isinstance(key, str) or key in names:
                continue
            why = (refused or {}).get(key)
            self.problems.append(
                (
                    f"{path}[{show(key)}]" if not re.fullmatch(r"[\w-]{1,64}", key) or secret_in(key) else f"{path}.{key}",
                    why or f"unknown key{meant(key, names)}",
                )
            )

    def text(self, key: str, default: str = "", *, required: bool = False, pattern: re.Pattern[str] | None = None, says: str = "") -> str:
        """A string; ``pattern`` must match all of it, else the message is ``says`` with the value."""
        value = self.raw.get(key)
        if value is None:
            if required:
                self._note(key, "is missing" if key not in self.raw else "is empty")
            return default
        if not isinstance(value, str):
            quoted = '"yes"' if value is True else '"no"' if value is False else f'"{value}"' if isinstance(value, (int, float)) else "text"
            self._note(key, f"must be text, not {show(value)}; write it in quotes: {quoted}")
            return default
        if required and not value.strip():
            self._note(key, "is empty")
        elif pattern is not None and not pattern.fullmatch(value):
            self._note(key, f"{says}: {show(value)}")
        else:
            return value
        return default

    def choice(self, key: str, choices: t.Sequence[str], default: str, *, required: bool = False) -> str:
        """One of ``choices``."""
        value = self.raw.get(key)
        if value is None and not required:
            return default
        if isinstance(value, str) and value in choices:
            return value
        hint = meant(value, choices) if isinstance(value, str) else ""
        self._note(key, "is missing" if value is None else f"must be one of {', '.join(choices)}, not {show(value)}{hint}")
        return default

    def flag(self, key: str, default: bool = False) -> bool:
        """true or false; nothing else."""
        value = self.raw.get(key)
        if isinstance(value, bool) or value is None:
            return default if value is None else value
        self._note(key, f"must be true or false, not {show(value)}")
        return default

    def count(self, key: str, default: int) -> int:
        """A whole number of at least 1."""
        value = self.raw.get(key)
        if value is None:
            return default
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return value
        self._note(key, f"must be a whole number of at least 1, not {show(value)}")
        return default

    def account(self, key: str = "account") -> str:
        """An AWS account id: 12 digits as text; a number of 12 digits is unambiguous too."""
        value = self.raw.get(key)
        if value is None:
            return ""
        if isinstance(value, int) and not isinstance(value, bool) and 10**11 <= value < 10**12:
            return str(value)
        if isinstance(value, str) and re.fullmatch(r"[0-9]{12}|[0-9]{4}-[0-9]{4}-[0-9]{4}", value):
            return value.replace("-", "")
        why = "; YAML drops or converts leading zeros" if isinstance(value, int) and not isinstance(value, bool) else ""
        self._note(key, f'must be 12 digits in quotes, as "012345678901", not {show(value)}{why}')
        return ""

    def time(self, key: str, now: dt.datetime, *, required: bool = False) -> dt.datetime | None:
        """A moment, in UTC. Text of RFC 3339 with a zone, or what a YAML loader made of it; not in the future."""
        value = self.raw.get(key)
        if value is None:
            if required:
                self._note(key, 'is missing; write the moment as "2026-11-22T09:00:00Z"')
            return None
        try:
            moment = parse_time(value)
        except ValueError as error:
            self._note(key, str(error))
            return None
        if moment > now + _SKEW:
            self._note(key, f"lies in the future: {rfc3339(moment)} (now it is {rfc3339(now)})")
        elif moment < _EARLIEST:
            self._note(key, f"is too long ago: {rfc3339(moment)}")
        else:
            return moment
        return None

    def sequence(self, key: str) -> list[tuple[str, t.Any]]:
        """The entries of a list, each with its path; null is an empty list."""
        value = self.raw.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self._note(key, f'must be a list, not {show(value)}; begin the entry with "- "')
            return []
        return [(f"{self.path}.{key}[{index}]", item) for index, item in enumerate(value)]

    def texts(self, key: str, pattern: re.Pattern[str] | None = None, says: str = "") -> list[str]:
        """A list of strings that each match ``pattern``."""
        result: list[str] = []
        for where, item in self.sequence(key):
            if not isinstance(item, str) or not item.strip():
                self.problems.append((where, f"must be text, not {show(item)}"))
            elif pattern is not None and not pattern.fullmatch(item):
                self.problems.append((where, f"{says}: {show(item)}"))
            else:
                result.append(item)
        return result

    def networks(self, key: str) -> list[str]:
        """A list of CIDR networks, canonical; one address is its own network, the whole internet is not one."""
        result: list[str] = []
        for where, item in self.sequence(key):
            message = _network_problem(item)
            if message:
                self.problems.append((where, message))
            else:
                result.append(str(ipaddress.ip_network(item)))
        return result

    def _note(self, key: str, message: str) -> None:
        self.problems.append((f"{self.path}.{key}" if key else self.path, message))


def parse_time(value: t.Any) -> dt.datetime:
    """RFC 3339 text or an aware datetime, as UTC. ValueError says how to write it."""
    how = 'write it with its zone, as "2026-11-22T09:00:00Z"'
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            value = dt.datetime.fromisoformat(value.upper().replace(" ", "T"))
        except ValueError:
            raise ValueError(f"is no real date or time: {show(value)}; {how}") from None
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        try:
            return value.astimezone(dt.UTC)
        except OverflowError:
            raise ValueError(f"is no real date or time; {how}") from None
    if isinstance(value, dt.date) or isinstance(value, str) and _NAIVE.fullmatch(value):
        raise ValueError(f"has no time zone: {show(str(value))}; {how}")
    raise ValueError(f"is not a time: {show(value)}; {how}")


def rfc3339(moment: dt.datetime) -> str:
    """UTC with a Z; the fraction only when there is one."""
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def json_types(value: t.Any) -> t.Any:
    """A deep copy in which the times that a YAML loader made are text again."""
    if isinstance(value, dict):
        return {key: json_types(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_types(inner) for inner in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def is_role_template(text: str) -> bool:
    """A role's ARN in which ``{account}`` may stand for the account."""
    return _ROLE_TEMPLATE.fullmatch(text) is not None


def _network_problem(item: t.Any) -> str:
    if not isinstance(item, str):
        return f'must be a network in quotes, as "198.51.100.0/24", not {show(item)}'
    try:
        network = ipaddress.ip_network(item)
    except ValueError:
        try:
            right = ipaddress.ip_network(item, strict=False)
        except ValueError:
            return f"not a network: {show(item)}; write it as 198.51.100.0/24"
        return f"has bits set behind the prefix: {show(item)}; write {right} for the network, or {item.split('/')[0]} for the one address"
    if "%" in item:
        return f"not a network: {show(item)}"
    if network.prefixlen < (8 if network.version == 4 else 16):
        return f"{show(item)} is (nearly) the whole internet and would trust the attacker too"
    return ""


def _text_problems(text: str, where: str) -> list[Problem]:
    kind = secret_in(text)
    if kind:
        return [
            (where, f"looks like {kind}; it was neither stored nor shown. Remove it from here, and write the id of the credential instead")
        ]
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return [(where, "holds half a character (a lone surrogate)")]
    return []


def _entropy(run: str) -> float:
    return -sum(n / len(run) * math.log2(n / len(run)) for n in collections.Counter(run).values())
