"""A cloud in memory for the runner's tests: named things that are put and deleted, keys that are created, and faults on order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Edit, Phase, Probe, Ref, Secret, Step, Target

HERE = Target("fake", "111111111111")
THERE = Target("fake", "222222222222", "eu-west-1")


class FakeCloud:
    """`things`: {name: value}; `keys`: {id: secret}. `faults`: {operation: [before | lost | cut | (code, message)]} are used up one by one."""

    def __init__(self, **things: Any) -> None:
        self.things: dict[str, Any] = dict(things)
        self.keys: dict[str, str] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.faults: dict[str, list[Any]] = {}
        self.slow: dict[str, float] = {}
        self.blind: set[str] = set()  # names that reads do not show
        self.lock = threading.Lock()
        self.inside = self.most = 0
        self.made = 0
        self.hook: Callable[[str, dict[str, Any]], None] = lambda operation, parameters: None

    def call(self, call: Call, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        sent = dict(call.parameters if parameters is None else parameters)
        with self.lock:
            self.calls.append((call.operation, sent))
            self.inside += 1
            self.most = max(self.most, self.inside)
            faults = self.faults.get(call.operation) or []
            fault = faults.pop(0) if faults else None
        try:
            self.hook(call.operation, sent)
            time.sleep(self.slow.get(str(sent.get("Name", call.operation)), 0))
            if isinstance(fault, tuple):
                raise CloudError(
                    f"{call.operation} on {sent.get('Name')}: {fault[0]}: {fault[1]}",
                    code=fault[0],
                    object=str(sent.get("Name")),
                    operation=call.name,
                )
            if fault == "before":
                raise CloudError("no answer", code="Reset", lost=True, object=str(sent.get("Name")), operation=call.name)
            with self.lock:
                answer: dict[str, Any] = getattr(self, call.operation)(**sent)
            if fault == "cut":
                return {}
            if fault == "lost":
                raise CloudError("no answer", code="Reset", lost=True, object=str(sent.get("Name")), operation=call.name)
            return answer
        finally:
            with self.lock:
                self.inside -= 1

    def document(self, edit: Edit) -> tuple[Probe, Callable[[Any], Call]]:
        name = edit.document["Name"]
        return probe(name, edit.target), lambda value: Call(edit.target, "fake", "Put", {"Name": name, "Value": value})

    # -- its API

    def Get(self, Name: str) -> dict[str, Any]:  # noqa: N802, N803
        if Name not in self.things or Name in self.blind:
            raise CloudError(f"Get on {Name}: NoSuchThing", code="NoSuchThing", object=Name, operation="fake:Get")
        return {"Value": self.things[Name]}

    def Put(self, Name: str, Value: Any) -> dict[str, Any]:  # noqa: N802, N803
        self.things[Name] = Value
        return {"Version": len(self.calls)}

    def Delete(self, Name: str) -> dict[str, Any]:  # noqa: N802, N803
        if Name not in self.things:
            raise CloudError(f"Delete on {Name}: NoSuchThing", code="NoSuchThing", object=Name, operation="fake:Delete")
        del self.things[Name]
        return {}

    def CreateKey(self, **_: Any) -> dict[str, Any]:  # noqa: N802
        self.made += 1
        key = f"KEY{self.made}"
        self.keys[key] = f"s3cr3t-{key}"
        return {"Key": {"Id": key, "Secret": self.keys[key]}}

    def DeleteKey(self, Id: str) -> dict[str, Any]:  # noqa: N802, N803
        if Id not in self.keys:
            raise CloudError(f"DeleteKey on {Id}: NoSuchThing", code="NoSuchThing", object=Id, operation="fake:DeleteKey")
        del self.keys[Id]
        return {}

    def ListKeys(self) -> dict[str, Any]:  # noqa: N802
        return {"Keys": [{"Id": key} for key in sorted(self.keys)]}


class Journal:
    """The ledger as lists; `order` is what happened, one word each."""

    def __init__(self, cloud: FakeCloud | None = None) -> None:
        self.intents: list[dict[str, Any]] = []
        self.outcomes: list[dict[str, Any]] = []
        self.groups: list[list[str]] = []
        self.fail: Exception | None = None
        self.cloud = cloud
        self.calls_at_intent: list[int] = []

    def intent(self, steps: list[dict[str, Any]], urgent: bool = False) -> None:
        if self.fail:
            raise self.fail
        self.intents += steps
        self.groups.append([s["$step"]["id"] for s in steps])
        self.calls_at_intent.append(sum(o not in ("Get", "ListKeys") for o, _ in self.cloud.calls) if self.cloud else 0)

    def outcome(self, outcomes: list[dict[str, Any]]) -> None:
        self.outcomes += outcomes

    def of(self, name: str) -> list[str]:
        return [o["status"] for o in self.outcomes if o["id"] == name]

    def history(self) -> dict[str, dict[str, Any]]:
        """As `Case.answers`."""
        return {o["id"]: {"outcome": o} for o in self.outcomes if o.get("answer")}

    def open(self) -> list[dict[str, Any]]:
        """Intents without an outcome."""
        settled = {o["id"] for o in self.outcomes}
        return [s for s in self.intents if s["$step"]["id"] not in settled]


def probe(name: str, target: Target = HERE) -> Probe:
    return Probe(Call(target, "fake", "Get", {"Name": name}), ("Value",), ("NoSuchThing",))


def put(name: str, after: Any = "new", before: Any = None, *, principal: str = "p", target: Target = HERE, **more: Any) -> Step:
    """A Step that puts a thing; idempotent."""
    undo = (
        Call(target, "fake", "Delete", {"Name": name}) if before is None else Call(target, "fake", "Put", {"Name": name, "Value": before})
    )
    fields: dict[str, Any] = {
        "id": f"{principal}#{name}", "principal": principal, "resource": f"thing {name}", "action": "put", "phase": Phase.FENCE, "before": before,
        "after": after, "do": (Call(target, "fake", "Put", {"Name": name, "Value": after}),), "undo": (undo,), "probe": probe(name, target),
    }  # fmt: skip
    return Step(**(fields | more))


LIST_KEYS = Probe(Call(HERE, "fake", "ListKeys", {}), ("Keys", "Id"))
KEY_ID = Ref("p#key", ("Key", "Id"))
KEY_SECRET = Secret("p#key", ("Key", "Secret"))


def create(before: Any = (), **more: Any) -> Step:
    """A Step that creates a key; not idempotent."""
    fields: dict[str, Any] = {
        "id": "p#key", "principal": "p", "resource": "key of p", "action": "create", "phase": Phase.CREDENTIAL, "before": list(before), "after": None,
        "do": (Call(HERE, "fake", "CreateKey", {}, idempotent=False),), "undo": (Call(HERE, "fake", "DeleteKey", {"Id": KEY_ID}),),
        "probe": LIST_KEYS, "owns": KEY_ID,
    }  # fmt: skip
    return Step(**(fields | more))
