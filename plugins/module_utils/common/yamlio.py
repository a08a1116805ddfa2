# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that people write, read as data: safe YAML or JSON with limits. The only importer of PyYAML."""

from __future__ import annotations

import json
import os
import stat
import typing as t

from .errors import InvalidInput, MissingLibrary
from .schema import printable, show

try:
    import yaml
except ImportError:
    yaml = None  # type: ignore[assignment]

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_NODES = 200_000
_MAX_ALIASES = 200
_STR = "tag:yaml.org,2002:str"
_UNSAFE = "!unsafe"  # what people who write Ansible put before a text that must not be templated: here that is every text
_TAGS = (None, "!", _STR, _UNSAFE)


def read(path: str, most: int = MAX_BYTES) -> t.Any:
    """The content of the YAML or JSON file ``path``: dict, list, str, int, float, bool or None. Raises InvalidInput."""
    return parse(content(path, most), path, most)


def parse(data: bytes, source: str, most: int = MAX_BYTES) -> t.Any:
    """Parse UTF-8 YAML or JSON. Refused: more than ``most`` bytes, deep nesting, alias bombs, duplicate keys, tags, non-text keys."""
    text = _text(data, source, most)
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant)
        except _Refusal as error:
            raise _bad(source, str(error)) from None
        except json.JSONDecodeError:
            pass  # YAML's flow style begins like JSON
        except (ValueError, RecursionError):
            raise _bad(source, "a number is too long, or the nesting is too deep") from None
    return _yaml(text, source)


def parse_all(data: bytes, source: str, most: int = MAX_BYTES) -> list[t.Any]:
    """The same for a file that may hold several YAML documents."""
    return _yaml(_text(data, source, most), source, several=True)


def dump(value: t.Any) -> str:
    """YAML for people: keys in the order given, one level of flow style for the innermost collections."""
    if yaml is None:
        return json.dumps(value, indent=2, ensure_ascii=False) + "\n"  # JSON is YAML
    return str(yaml.dump(value, Dumper=_dumper(), sort_keys=False, allow_unicode=False, width=120, default_flow_style=None))


def create(path: str, text: str) -> str:
    """Create a file, 0600 and durable, never over another one or through a link. Why that failed; empty when it did not."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.strerror or str(error)
    return ""


def content(path: str, most: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file, at most one more than ``most``. Raises InvalidInput."""
    try:
        # Looked at before it is opened: opening a named pipe would wait for ever.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _bad(path, "not a regular file")
        with open(path, "rb") as file:
            return file.read(most + 1)
    except OSError as error:
        hint = "; write incident=FILE, or -e @FILE without incident=" if os.path.basename(path).startswith("@") else ""
        raise _bad(path, f"cannot be read: {error.strerror}{hint}") from None
    except ValueError:
        raise _bad(path, "not a path") from None


def _text(data: bytes, source: str, most: int) -> str:
    if len(data) > most:
        raise _bad(source, f"larger than {most // 1024} KiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _bad(source, f"not UTF-8 (byte {error.start}); save it as UTF-8") from None


def _yaml(text: str, source: str, *, several: bool = False) -> t.Any:
    if yaml is None:
        raise MissingLibrary("PyYAML is not installed in the interpreter that runs the module", object=source, operation="read")
    try:
        _measure(text)
        return list(yaml.load_all(text, Loader=_loader())) if several else yaml.load(text, Loader=_loader())
    except _Refusal as error:
        raise _bad(source, str(error)) from None
    except yaml.MarkedYAMLError as error:
        # Only the problem and the place: the excerpt that PyYAML adds may hold a secret.
        raise _bad(source, f"not YAML: {repr(str(error.problem))[1:81]}{_place(error.problem_mark)}") from None
    except yaml.YAMLError:
        raise _bad(source, 'not YAML: it holds a character that YAML does not allow (write it as "\\x1b" in double quotes)') from None
    except (ValueError, RecursionError):
        raise _bad(source, "a number is too long, or the nesting is too deep") from None


class _Refusal(Exception):
    """Well-formed, and not accepted."""


def _measure(text: str) -> None:
    """Walk the parser's events, which build nothing, and refuse what would blow up when built."""
    depth = aliases = 0
    event: t.Any
    for nodes, event in enumerate(yaml.parse(text, Loader=_base())):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _Refusal(f"nested deeper than {MAX_DEPTH} levels{_place(event.start_mark)}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if aliases > _MAX_ALIASES:
                raise _Refusal(f"more than {_MAX_ALIASES} aliases")
        if nodes > MAX_NODES:
            raise _Refusal(f"more than {MAX_NODES} items")
        if getattr(event, "tag", None) not in _TAGS:
            raise _Refusal(
                f"the tag {show(event.tag)} is not accepted{_place(event.start_mark)}; only plain text, numbers, lists and mappings"
            )


def _weigh(node: t.Any, weights: dict[int, int], open_nodes: set[int]) -> int:
    """Nodes that ``node`` stands for when every alias is written out. An alias to its own ancestor has no end."""
    key = id(node)
    if key in open_nodes:
        raise _Refusal(f"an alias that holds itself{_place(node.start_mark)}")
    if key not in weights:
        open_nodes.add(key)
        children = [part for pair in node.value for part in pair] if node.id == "mapping" else node.value if node.id == "sequence" else []
        weights[key] = 1 + sum(_weigh(child, weights, open_nodes) for child in children)
        open_nodes.discard(key)
    if weights[key] > MAX_NODES:
        raise _Refusal("aliases that grow beyond all measure")
    return weights[key]


def _weighed(node: t.Any) -> t.Any:
    if node is not None:
        _weigh(node, {}, set())
    return node


def _base() -> t.Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


_LOADERS: list[t.Any] = []


def _loader() -> t.Any:
    if _LOADERS:
        return _LOADERS[0]

    class Loader(_base()):  # type: ignore[misc]
        """Safe YAML; times stay text, a duplicate key is an error."""

        def get_single_node(self) -> t.Any:
            return _weighed(super().get_single_node())

        def get_node(self) -> t.Any:
            return _weighed(super().get_node())

    # Times stay text, so that the check of times sees what was written (YAML reads 2026-11-22 as a day without zone).
    Loader.yaml_implicit_resolvers = {
        first: [entry for entry in entries if entry[0] != "tag:yaml.org,2002:timestamp"]
        for first, entries in _base().yaml_implicit_resolvers.items()
    }
    Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
    Loader.add_constructor(_UNSAFE, lambda loader, node: loader.construct_scalar(node))
    _LOADERS.append(Loader)
    return Loader


def _mapping(loader: t.Any, node: t.Any) -> t.Iterator[dict[str, t.Any]]:
    seen: set[str] = set()
    for key, _value in node.value:
        if key.tag not in (_STR, _UNSAFE, "tag:yaml.org,2002:merge"):
            raise _Refusal(f"a key that is not text{_place(key.start_mark)}; write it in quotes")
        if key.value in seen:
            raise _Refusal(f"the key {show(key.value)} is written twice{_place(key.start_mark)}")
        seen.add(key.value)
    result: dict[str, t.Any] = {}
    yield result
    loader.flatten_mapping(node)
    result.update(loader.construct_mapping(node, deep=True))


def _pairs(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _value in pairs]
        raise _Refusal(f"the key {show(next(key for key in keys if keys.count(key) > 1))} is written twice")
    return result


def _constant(name: str) -> t.NoReturn:
    raise _Refusal(f"{name} is not JSON")


def _dumper() -> t.Any:
    class Dumper(yaml.SafeDumper):
        """No anchors: a reader must not have to chase references."""

        def ignore_aliases(self, _data: t.Any) -> bool:
            return True

    return Dumper


def _place(mark: t.Any) -> str:
    return f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""


def _bad(source: str, message: str) -> InvalidInput:
    return InvalidInput("the file was refused", [(printable(source), message)])
