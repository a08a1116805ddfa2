# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that are made quickly and stay small: only an operation that is asked for becomes a method.

botocore makes a method with a docstring for every operation of a service, again for each client; EC2 has 700, and a run has a client for each service
in each region of each account. Most of what a run computed was that. The ways in are botocore's own: the component `data_loader` of its session, its
`event_hooks`, and the event `creating-client-class`.
"""

from __future__ import annotations

import collections
import typing as t


def emitter(base: type) -> t.Any:
    """botocore's own emitter of events (``base``: HierarchicalEmitter), for a session.

    It remembers the handlers of each event of each operation in a deque of 700 bytes, a dozen times for each request that a client knows, also where there is
    none. With a client for each account that was a tenth of the memory of a run.
    """

    class Emitter(base):
        def _emit(self, event_name: str, *arguments: t.Any, **more: t.Any) -> t.Any:
            answers = super()._emit(event_name, *arguments, **more)
            known = getattr(self, "_lookup_cache", {})
            if isinstance(handlers := known.get(event_name), collections.deque):
                known[event_name] = tuple(handlers)
            return answers

    return Emitter()


class _Unlisted(dict[str, t.Any]):
    """Operations that are found by their names and listed to nobody."""

    def __iter__(self) -> t.Iterator[str]:
        return iter(())


class Method:
    """A base class of clients: its methods are made when they are asked for."""

    _PY_TO_OP_NAME: t.ClassVar[dict[str, str]] = {}

    def __getattr__(self, name: str) -> t.Any:
        operation = self._PY_TO_OP_NAME.get(name)
        if operation is None:
            return super().__getattr__(name)  # type: ignore[misc]  # BaseClient's: there is none

        def method(**parameters: t.Any) -> t.Any:
            return self._make_api_call(operation, parameters)

        return method


class Loader:
    """A loader of botocore's, whose services list no operations. ``snake``: botocore's name of the method of an operation."""

    def __init__(self, loader: t.Any, snake: t.Callable[[str], str]) -> None:
        self._loader, self._snake = loader, snake
        self._models: dict[tuple[str, str | None], dict[str, t.Any]] = {}
        self._names: dict[str, dict[str, str]] = {}  # by the id that events have of the service

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._loader, name)

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> t.Any:
        if type_name != "service-2":
            return self._loader.load_service_model(service_name, type_name, api_version)
        key = (service_name, api_version)
        if key not in self._models:
            self._models[key] = self._unlisted(self._loader.load_service_model(service_name, type_name, api_version))
        return self._models[key]

    def _unlisted(self, model: dict[str, t.Any]) -> dict[str, t.Any]:
        operations = model["operations"]
        if any("endpointoperation" in operation for operation in operations.values()):
            return model  # botocore looks through the list for the operation that finds endpoints
        names = {self._snake(name): name for name in operations}
        self._names[model["metadata"]["serviceId"].replace(" ", "-").lower()] = names
        return model | {"operations": _Unlisted(operations)}

    def shape(self, class_attributes: dict[str, t.Any], base_classes: list[type], event_name: str, **_more: t.Any) -> None:
        """The handler of `creating-client-class`."""
        names = self._names.get(event_name.partition(".")[2])
        if names:
            class_attributes["_PY_TO_OP_NAME"] = names
            base_classes.insert(0, Method)
