# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an address is, out of MaxMind DB files that the user has. The only importer of maxminddb; without it, or without files, nothing is known."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterable, Iterator

try:
    import maxminddb
except ImportError:
    maxminddb = None  # type: ignore[assignment]

_DAMAGED: tuple[type[Exception], ...] = (OSError, ValueError, *([] if maxminddb is None else [maxminddb.InvalidDatabaseError]))


class Places:
    """``of``: {"country", "provider"} of an address; ``where``: (latitude, longitude) in degrees."""

    def __init__(self, readers: list[tuple[str, t.Any]], problems: list[dict[str, str]]) -> None:
        self._readers, self.problems = readers, problems
        self._known: dict[str, dict[str, t.Any]] = {}

    @classmethod
    @contextlib.contextmanager
    def open(cls, files: Iterable[str]) -> Iterator[Places]:
        """A file that cannot be read is a problem, and the others count."""
        problems: list[dict[str, str]] = []
        with contextlib.ExitStack() as stack:
            readers: list[tuple[str, t.Any]] = []
            for path in files:
                if maxminddb is None:
                    problems.append({"object": path, "why": "maxminddb is not installed in the interpreter that runs the module"})
                    continue
                try:
                    readers.append((path, stack.enter_context(maxminddb.open_database(path))))
                except _DAMAGED as error:
                    problems.append({"object": path, "why": f"is no MaxMind file that can be read: {error}"[:300]})
            yield cls(readers, problems)

    def __bool__(self) -> bool:
        return bool(self._readers)

    @property
    def coordinates(self) -> bool:
        return any("City" in reader.metadata().database_type for _path, reader in self._readers)

    def of(self, address: str) -> dict[str, str]:
        found = self._record(address)
        country = found.get("country")
        said = {
            "country": country.get("iso_code") if isinstance(country, dict) else None,
            "provider": found.get("autonomous_system_organization"),
        }
        return {kind: value for kind, value in said.items() if isinstance(value, str) and value}

    def where(self, address: str) -> tuple[float, float] | None:
        place = self._record(address).get("location")
        latitude, longitude = (place.get("latitude"), place.get("longitude")) if isinstance(place, dict) else (None, None)
        return (float(latitude), float(longitude)) if isinstance(latitude, (int, float)) and isinstance(longitude, (int, float)) else None

    def _record(self, address: str) -> dict[str, t.Any]:
        """What all files say of it. ``AWS Internal`` and the like are no addresses."""
        if address not in self._known:
            found: dict[str, t.Any] = {}
            for path, reader in self._readers:
                try:
                    record = reader.get(address)
                except ValueError:
                    continue
                except _DAMAGED as error:
                    self._damaged(path, error)
                    continue
                found |= record if isinstance(record, dict) else {}
            self._known[address] = found
        return self._known[address]

    def _damaged(self, path: str, error: Exception) -> None:
        """Once for a file: what else it says of other addresses still counts."""
        if path not in {problem["object"] for problem in self.problems}:
            self.problems.append({"object": path, "why": f"is a damaged MaxMind file, not all of which can be read: {error}"[:300]})
