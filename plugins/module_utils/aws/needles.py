# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in a value a credential's id stands, and where the secret that belongs to it: in JSON, `.env`, ini and YAML lines, URLs, MIME parts, gzip, base64.

Values are compared in memory. What comes out are places in words (names, pointers, line numbers), never a value, nor a part of one, in an error neither.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import email
import json
import re
import typing as t
import urllib.parse
import zlib
from collections.abc import Iterable, Mapping

from ..common.errors import EvictError
from ..common.schema import printable, secret_in
from . import halves

LIMIT = 2 * 1024 * 1024  # characters of one document, and bytes of what is unpacked of it
_DEPTH, _SPOTS, _NAME = 6, 50, 200
_GZIP = "H4sI"  # what gzip begins with, in base64
_RUN = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_WRAPPED = re.compile(r"[A-Za-z0-9+/_=\s-]{24,}")
# NAME=value and name: value, quoted or not, also several in a line and inside a URL's query; not the `https:` of a URL.
_PAIR = re.compile(
    r"(?<![\w.\-])(?P<q>[\"']?)(?P<name>-{0,2}[A-Za-z_][\w.\-]{0,199})(?P=q)[ \t]*(?P<sep>=>|:=|[:=])[ \t]*(?!//)(?P<value>\"[^\"]*\"|'[^']*'|[^\s\"'&;,<>]+)"
)
_SECTION = re.compile(r"[ \t]*\[([^\]\r\n]{1,200})\][ \t]*(?:[#;].*)?")
_BEHIND = re.compile(r"[\"']?[ \t]*[:,;|\t ][ \t]*[\"']?[A-Za-z0-9/+%]{40,60}(?![A-Za-z0-9/+])")
_NAMES, _VALUES = ("name", "Name", "Key", "key"), ("value", "Value", "valueFrom", "ParameterValue", "OutputValue")
Steps = tuple[Mapping[str, t.Any], ...]


class TooLarge(EvictError):
    """A document is larger than what is searched; nothing is known of it."""

    def __init__(self) -> None:
        super().__init__(f"is larger than {LIMIT // 1024 // 1024} MiB, or unpacks to more, and was not searched", operation="search")


@dataclasses.dataclass(frozen=True)
class Spot:
    """One place inside an object. ``names``: what was looked for, such as the key id; ``document``: which part of the object, in the API's words;

    ``at``: the way to it inside that part, one mapping for each layer ({"form": json | variable | env | ini | yaml | url | base64 | gzip | mime | pair |
    text | value, "at": pointer or name, "line", "section"}); ``secret``: the way to the secret beside it, None when none is there.
    """

    names: str
    document: str
    at: Steps
    secret: Steps | None = None

    def row(self) -> dict[str, t.Any]:
        """For a result: the same, with ``form`` in one word and which of the two fields (id, secret) are there."""
        form = ">".join(str(step["form"]) for step in self.at)
        return {"document": self.document, "form": form, "at": [dict(s) for s in self.at],
                "secret": None if self.secret is None else [dict(s) for s in self.secret],
                "fields": ["id"] if self.secret is None else ["id", "secret"]}  # fmt: skip


class Needles:
    """What is looked for. ``names``: {text as it stands in places: what it is, which a Spot's ``names`` then says}."""

    pairs = True  # whether a secret belongs to what is found

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = dict(names)
        self._whole = re.compile(
            "|".join(rf"(?<![A-Za-z0-9]){re.escape(n)}(?![A-Za-z0-9])" for n in sorted(names, key=len, reverse=True)) or r"(?!)"
        )
        self._quick = [*names, *(core for name in names for core in _cores(name))]

    def __bool__(self) -> bool:
        return bool(self._names)

    # -- what a place calls --------------------------------------------------------------------------------------------------------

    def find(self, value: t.Any, document: str, form: str = "json") -> list[Spot]:
        """In text, or in a mapping or list, whose own layer is called ``form``. Raises TooLarge."""
        search = _Search(self, document)
        if isinstance(value, str):
            search.text(value, (), 0)
        else:
            search.walk(value, "", (), 0, form)
        return search.spots

    def find_encoded(self, value: t.Any, document: str) -> list[Spot]:
        """In what the API itself hands out in base64 (user data, SecretBinary), which may be compressed. Raises TooLarge."""
        search = _Search(self, document)
        data = _decode(str(value or ""))
        search.data(str(value or "").encode() if data is None else data, ({"form": "base64"},) if data is not None else (), 0)
        return search.spots

    # -- what the search asks ------------------------------------------------------------------------------------------------------

    def may_hold(self, text: str) -> bool:
        """Quick, and never wrong when it says no: it stands there as it is, in base64 at any offset, or something is compressed."""
        return _GZIP in text or any(part in text for part in self._quick)

    def whole(self, text: str) -> str:
        """What ``text`` as a whole is; "" when it is nothing that is looked for."""
        return self._names.get(text.strip(), "")

    def inside(self, text: str) -> list[tuple[str, int]]:
        """[(what, where it ends)] of all that stand in ``text`` with nothing of a word around it."""
        return [(self._names[m.group()], m.end()) for m in self._whole.finditer(text)]


class References(Needles):
    """Names and ARNs of secrets and parameters that hold a credential: who names one gets it from there. ``names``: {ARN or name: id of that place}.

    A name counts as a whole value (with what CodeBuild and ECS write behind it), in a dynamic reference, or as an option of the AWS CLI;

    an ARN wherever it stands.
    """

    pairs = False

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__(names)
        self._quick = list(names)
        self._arn = re.compile(
            "|".join(rf"{re.escape(n)}(?![\w/.+=@-])" for n in sorted(names, key=len, reverse=True) if n.startswith("arn:")) or r"(?!)"
        )
        self._resolve = re.compile(r"(?:\{\{resolve:(?:secretsmanager|ssm|ssm-secure):|--(?:secret-id|names?)[ =\"']+)([\w/.+=@-]+)")

    def may_hold(self, text: str) -> bool:
        return any(part in text for part in self._quick)

    def whole(self, text: str) -> str:
        text = text.strip()
        if text.startswith("arn:"):
            found = self._arn.match(text)
            return self._names[found.group()] if found else ""
        return self._names.get(text) or self._names.get(text.partition(":")[0], "")

    def inside(self, text: str) -> list[tuple[str, int]]:
        found = [(self._names[m.group()], m.end()) for m in self._arn.finditer(text)]
        return found + [(self._names[m.group(1)], m.end()) for m in self._resolve.finditer(text) if m.group(1) in self._names]


class _Search:
    """One document."""

    def __init__(self, needles: Needles, document: str) -> None:
        self.needles, self.document = needles, document
        self.spots: list[Spot] = []

    def _add(self, names: str, at: Steps, secret: Steps | None = None) -> None:
        spot = Spot(names, self.document, at or ({"form": "value"},), secret if self.needles.pairs else None)
        if len(self.spots) < _SPOTS and spot not in self.spots:
            self.spots.append(spot)

    # -- layers --------------------------------------------------------------------------------------------------------------------

    def data(self, data: bytes, steps: Steps, depth: int, packed: bool = False) -> None:
        if data[:2] == b"\x1f\x8b" and not packed:
            unpacked = _unzip(data)
            if unpacked is not None:
                self.data(unpacked, (*steps, {"form": "gzip"}), depth + 1, packed=True)
                return
        before = len(self.spots)
        self.text(data.decode("utf-8", "replace"), steps, depth)
        if len(self.spots) == before and b"\x00" in data:  # two bytes a character, as PowerShell writes
            self.text(data.decode("utf-16-be" if data[:2] == b"\xfe\xff" else "utf-16-le", "replace").lstrip("\ufeff"), steps, depth)

    def text(self, text: str, steps: Steps, depth: int) -> None:
        if len(text) > LIMIT:
            raise TooLarge
        wrapped = self._unwrapped(text, steps)
        if not self.needles.may_hold(text) and not (wrapped and self.needles.may_hold(wrapped)):
            return
        if name := self.needles.whole(text):
            self._add(name, steps)
            return
        before = len(self.spots)
        if depth < _DEPTH:
            head = text.lstrip()[:13].lower()
            if head[:1] in ("{", "[", '"') and self._json(text, steps, depth):
                return
            if head.startswith(("content-type:", "mime-version:")):
                self._mime(text, steps, depth)
            elif (
                "%" in text
                and re.search("%(?:7b|22|0a|3d|5b)", text[:4000], re.IGNORECASE)
                and (plain := urllib.parse.unquote(text)) != text
            ):
                self.text(plain, (*steps, {"form": "url"}), depth + 1)
            elif wrapped and (data := _decode(wrapped)) is not None:
                self.data(data, (*steps, {"form": "base64"}), depth + 1)
            if len(self.spots) > before:
                return
        if self.needles.pairs:
            self._lines(text, steps, depth)
        for found, _end in () if self.needles.pairs else self.needles.inside(text):
            self._add(found, steps)

    @staticmethod
    def _unwrapped(text: str, steps: Steps) -> str:
        """The text without its white space, if it is nothing but base64; once is enough."""
        if _based(steps) or not _WRAPPED.fullmatch(text[:4096]) or not _WRAPPED.fullmatch(text):
            return ""
        return "".join(text.split())

    def _json(self, text: str, steps: Steps, depth: int) -> bool:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return False
        if isinstance(value, str):
            self.text(value, (*steps, {"form": "json", "at": ""}), depth + 1)
        else:
            self.walk(value, "", steps, depth, "json")
        return True

    def _mime(self, text: str, steps: Steps, depth: int) -> None:
        for number, part in enumerate(email.message_from_string(text).walk()):
            payload = None if part.is_multipart() else part.get_payload(decode=True)
            if isinstance(payload, bytes):
                self.data(payload, (*steps, {"form": "mime", "at": str(number)}), depth + 1)

    # -- structure -----------------------------------------------------------------------------------------------------------------

    def walk(self, value: t.Any, pointer: str, steps: Steps, depth: int, form: str) -> None:
        """A mapping or list; ``pointer`` is its own place (a JSON pointer)."""
        todo: list[tuple[t.Any, str]] = [(value, pointer)]
        while todo:
            item, here = todo.pop()
            named = _named(item)
            if isinstance(item, dict) or named:
                members = (
                    {str(k): (f"{here}/{_escape(str(k))}", v) for k, v in item.items()}
                    if isinstance(item, dict)
                    else {k: (f"{here}{at}", v) for k, (at, v) in named.items()}
                )
                self._members(members, steps, depth, form, flat=form == "variable" and not here)
                if isinstance(item, list):  # what else such an entry holds
                    told = {at for at, _value in named.values()}
                    todo += [({k: v for k, v in entry.items() if f"/{n}/{k}" not in told}, f"{here}/{n}") for n, entry in enumerate(item)]
                else:
                    todo += [(v, f"{here}/{_escape(str(k))}") for k, v in item.items() if isinstance(v, (dict, list))]
            elif isinstance(item, list):
                for number, inner in enumerate(item):
                    if isinstance(inner, str):
                        self._string(inner, (*steps, _step(form, f"{here}/{number}")), depth)
                    elif isinstance(inner, (dict, list)):
                        todo.append((inner, f"{here}/{number}"))

    def _members(self, members: Mapping[str, tuple[str, t.Any]], steps: Steps, depth: int, form: str, flat: bool) -> None:
        texts = {name: value for name, (_at, value) in members.items() if isinstance(value, str)}

        def step(name: str) -> Mapping[str, t.Any]:
            return _step(form, name if flat else members[name][0])

        for name, value in texts.items():
            if self.needles.pairs and (found := self.needles.whole(name)):
                self._add(found, (*steps, step(name)), (*steps, step(name)) if value else None)
            elif found := self.needles.whole(value):
                other = halves.partner(name, texts)
                self._add(found, (*steps, step(name)), (*steps, step(other)) if other else None)
            else:
                self._string(value, (*steps, step(name)), depth)

    def _string(self, text: str, steps: Steps, depth: int) -> None:
        """A text inside a structure: a layer of its own."""
        self.text(text, steps, depth + 1)

    # -- lines ---------------------------------------------------------------------------------------------------------------------

    def _lines(self, text: str, steps: Steps, depth: int) -> None:
        sections: dict[str, dict[str, tuple[str, Mapping[str, t.Any]]]] = {}
        section, hits = "", []
        for number, line in enumerate(text.splitlines(), 1):
            if heading := _SECTION.fullmatch(line):
                section = heading.group(1).strip()
                continue
            marked = self.needles.may_hold(line)
            for pair in _PAIR.finditer(line.replace("$env:", " " * 5).replace("$Env:", " " * 5)):
                inner = pair["value"].strip("\"'")
                url = pair["sep"] == "=" and pair.start() > 0 and line[pair.start() - 1] in "?&"
                form = "url" if url else "yaml" if pair["sep"] == ":" else "ini" if section else "env"
                where = _step(form, pair["name"]) | {"line": number} | ({"section": _word(section)} if section and form == "ini" else {})
                group = f"{number}?" if url else section
                sections.setdefault(group, {})[pair["name"]] = urllib.parse.unquote(inner) if url else inner, where
                if marked:
                    hits.append((number, group, pair["name"], urllib.parse.unquote(inner) if url else inner, where))
            if marked:
                hits.append((number, section, "", line, {"form": "text", "line": number}))
        self._hits(hits, sections, steps, depth)

    def _hits(self, hits: list[t.Any], sections: t.Any, steps: Steps, depth: int) -> None:
        told: set[int] = set()  # lines of which the id is explained by a name or by what stands behind it
        for number, group, name, text, where in hits:
            before = len(self.spots)
            known = {n: v for n, (v, _w) in sections.get(group, {}).items()}
            if name and (found := self.needles.whole(name)):
                self._add(found, (*steps, {"form": "pair", "line": number}), (*steps, {"form": "pair", "line": number}))
            elif name and (found := self.needles.whole(text)):
                other = halves.partner(name, known)
                self._add(found, (*steps, where), (*steps, sections[group][other][1]) if other else None)
            elif name and depth < _DEPTH and self.needles.may_hold(text):
                self.text(text, (*steps, where), depth + 1)
            elif not name and number not in told:
                self._loose(text, number, steps, depth)
            if len(self.spots) > before:
                told.add(number)

    def _loose(self, line: str, number: int, steps: Steps, depth: int) -> None:
        """A line without a name for it: an id with its secret behind it, a run of base64, or just text."""
        inside = self.needles.inside(line)
        for found, end in inside:
            behind = _BEHIND.match(line, end)
            at = (*steps, {"form": "pair" if behind else "text", "line": number})
            self._add(found, at, at if behind else None)
        if inside or _based(steps) or depth >= _DEPTH:
            return
        for run in _RUN.findall(line):
            if self.needles.may_hold(run) and (data := _decode(run)) is not None:
                self.data(data, (*steps, {"form": "base64", "line": number}), depth + 1)


def _based(steps: Iterable[Mapping[str, t.Any]]) -> bool:
    """Whether base64 was undone already; once is enough. What an API itself encodes does not count (the first step)."""
    return any(step["form"] == "base64" for step in tuple(steps)[1:]) or ("base64" in [s["form"] for s in tuple(steps)[:1] if "line" in s])


def _cores(name: str) -> Iterable[str]:
    """The characters of ``name`` in base64 that do not depend on its surroundings, for each of the three offsets at which it may stand."""
    for offset in range(3):
        encoded = base64.b64encode(b"\x00" * offset + name.encode()).decode()
        bits = 8 * (offset + len(name.encode()))
        yield encoded[(8 * offset + 5) // 6 : bits // 6]


def _decode(text: str) -> bytes | None:
    """What ``text`` is in base64, of either alphabet, padded or not; None when it is none."""
    text = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
    if not text or len(text) % 4 == 1:
        text = text[:-1]
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True) if text else None
    except (binascii.Error, ValueError):
        return None


def _unzip(data: bytes) -> bytes | None:
    """Unpacked, at most LIMIT bytes. Raises TooLarge; None when it is not gzip."""
    try:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        unpacked = unpacker.decompress(data, LIMIT)
    except zlib.error:
        return None
    if unpacker.unconsumed_tail:
        raise TooLarge
    return unpacked


def _named(item: t.Any) -> dict[str, tuple[str, t.Any]]:
    """A list of {name, value} as {name: (where from the list's own place its value stands, the value)}; nothing when it is no such list."""
    if not isinstance(item, list) or not item or not all(isinstance(entry, dict) for entry in item):
        return {}
    found: dict[str, tuple[str, t.Any]] = {}
    for number, entry in enumerate(item):
        name = next((entry[n] for n in _NAMES if isinstance(entry.get(n), str)), None)
        value = next((v for v in _VALUES if isinstance(entry.get(v), str)), None)
        if name is not None and value is not None:
            found[name] = f"/{number}/{value}", entry[value]
    return found


def _step(form: str, at: str) -> dict[str, t.Any]:
    return {"form": form, "at": _word(at)}


def _word(text: str) -> str:
    """A name for a result: who chose it may have put a secret into it."""
    return "(withheld: it looks like a secret)" if secret_in(text) else printable(text, _NAME)


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
