# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes secrets: only the fields of the credential are patched; the workloads that were declared are restarted, as ``kubectl rollout restart`` does.

The cluster keeps no version of a Secret: an immutable copy of just these fields, labelled and with its end, lies beside it in the same namespace until the
old key is off. Whoever can read it could read the Secret of before; the rotation itself can then be resumed and taken back by another run.
"""

from __future__ import annotations

import hashlib
import typing as t
from collections.abc import Iterator

from ...common import credential_text
from ...common.errors import EvictError
from ...common.plan import Call, Edit, Phase, Probe, Step, Target
from ...common.reader import Reader
from .kind import Change, Place

KIND = "kubernetes_secret"
NOUN = "Kubernetes secret"
CLOUD = "kubernetes"
READS: tuple[str, ...] = ()  # of AWS
MARK, RESTARTED = "evict.cloud/key", "kubectl.kubernetes.io/restartedAt"  # annotations of the pods' template
_VALUES, _IDS = "values", "ids"  # what the client adds to a Secret: its texts, and the ids of access keys in them
_ANNOTATIONS = ("spec", "template", "metadata", "annotations")


def place(entry: t.Mapping[str, t.Any], _account: str) -> tuple[Target, str]:
    return Target(CLOUD, str(entry["at"]), str(entry["namespace"])), str(entry["name"])


def _call(place: Place, operation: str, name: str = "", **more: t.Any) -> Call:
    return Call(place.target, CLOUD, operation, {"namespace": place.target.region, "name": name or place.name, **more})


def _secret(place: Place, reader: Reader) -> dict[str, t.Any]:
    return reader.get(_call(place, "GetSecret"))


def _of(place: Place, secret: t.Mapping[str, t.Any]) -> t.Any:
    values: dict[str, str] = secret.get(_VALUES) or {}
    return values.get(str(place.spec["key"])) if place.spec.get("key") else values


def value(place: Place, reader: Reader) -> t.Any:
    return _of(place, _secret(place, reader))


def refuse(place: Place, _key: str, _new: str, reader: Reader) -> None:
    """What cannot be changed, or whose pods would not come with it."""
    if _secret(place, reader).get("immutable"):
        raise _refused(place, "it is immutable: what reads it has to be led to another one; declare a hook that does so")
    for workload in _workloads(place):
        spec = reader.get(_workload(place, "GetWorkload", workload)).get("spec") or {}
        strategy = spec.get("updateStrategy") or {}
        if spec.get("paused"):
            raise _refused(place, f"{workload} is paused, so it would not be restarted")
        if strategy.get("type") == "OnDelete" or (strategy.get("rollingUpdate") or {}).get("partition"):
            raise _refused(
                place,
                f"{workload} does not replace its pods by itself (OnDelete, or a partition): delete them by hand, and declare it without restart",
            )


def _workloads(place: Place) -> list[str]:
    return [str(w) for w in place.spec.get("restart") or ()]


def _workload(place: Place, operation: str, workload: str, **more: t.Any) -> Call:
    kind, _slash, name = workload.partition("/")
    return _call(place, operation, name, kind=kind, **more)


def _copy(place: Place, key: str) -> str:
    """The name of the copy."""
    return "evict-" + hashlib.sha256(f"{place.id} {key}".encode()).hexdigest()[:24]


def kept(place: Place, key: str, reader: Reader) -> str:
    held = reader.read(Probe(_call(place, "GetSecret", _copy(place, key)), (), ("NotFound",)))
    return credential_text.secret_of(_of(place, held) or {}, key) if held else ""


def steps(place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    """The copy, the Secret, and the restarts; of an earlier run what is left of them."""
    held = _of(place, _secret(place, reader))
    written: tuple[str, ...] = ()
    if held is not None and change.old in credential_text.identities(held, {change.old}):
        kept_, main = _written(place, change, held, reader)
        yield kept_
        yield main
        written = (main.id,)
        if change.staged:
            return
    for workload in _workloads(place):
        yield _restart(place, change, workload, change.new, reader, written)


def _written(place: Place, change: Change, held: t.Any, reader: Reader) -> tuple[Step, Step]:
    key = str(place.spec.get("key") or "")
    after = credential_text.replaced(held, change.old, "-", "-")
    keys = [key] if key else sorted(k for k in held if held[k] != after[k])
    copy, at = _copy(place, change.old), [_VALUES, *([key] if key else [])]
    labels = {"app.kubernetes.io/managed-by": "evict.cloud", MARK: change.old}
    about = {"evict.cloud/copy-of": place.name, "evict.cloud/incident": change.incident, "evict.cloud/expires": change.until}
    there = Probe(_call(place, "GetSecret", copy), ("metadata", "labels", MARK), ("NotFound",))
    kept_ = Step(
        id=change.step_id(place, "kept"), principal=change.user, resource=f"{place.text}, copy {copy} of the old credential", action="create",
        phase=Phase.CREDENTIAL, before=reader.read(there), after=change.old, probe=there,
        do=(Edit(place.target, {"kind": "kubernetes.copy", "namespace": place.target.region, "name": place.name, "copy": copy, "keys": keys,
                                "labels": labels, "annotations": about}, "only", {"keys": ["data"]}),),
        undo=(_call(place, "DeleteSecret", copy),),
    )  # fmt: skip
    document = {"kind": "kubernetes.secret", "namespace": place.target.region, "name": place.name}
    field = key or next(k for k in keys if held[k] == change.old)
    shows = Probe(_call(place, "GetSecret"), (_IDS, field))
    before = reader.read(shows)
    main = Step(
        id=change.step_id(place), principal=change.user, resource=place.text, action="use the new key", phase=Phase.CREDENTIAL,
        before=before, after=sorted({change.new if k == change.old else k for k in before or ()}), probe=shows, needs=(kept_.id,),
        do=(Edit(place.target, document, "replace_credential", change.arguments(place, at)),),
        undo=(Edit(place.target, document, "replace_credential", {"old": change.new, "new": change.old, "secret": change.back(place), "at": at}),),
    )  # fmt: skip
    return kept_, main


def _restart(place: Place, change: Change, workload: str, key: str, reader: Reader, needs: tuple[str, ...], part: str = "restart") -> Step:
    """The id of the key among the annotations tells for which it was restarted, so that a second run does not do it again."""
    probe = Probe(_workload(place, "GetWorkload", workload), (*_ANNOTATIONS, MARK))
    body = {"spec": {"template": {"metadata": {"annotations": {RESTARTED: change.now, MARK: key}}}}}
    return Step(
        id=change.step_id(place, f"{part}/{workload}"), principal=change.user, resource=f"Kubernetes {workload} in {place.target.region}",
        action="restart, for the new key" if part == "restart" else "restart, for the old key", phase=Phase.CREDENTIAL, before=reader.read(probe), after=key,
        probe=probe, needs=needs, do=(_workload(place, "PatchWorkload", workload, body=body),), irreversible="the pods of before are gone",
    )  # fmt: skip


def behind(place: Place, new: str, reader: Reader) -> str:
    for workload in _workloads(place):
        found = reader.get(_workload(place, "GetWorkload", workload))
        if (((found.get("spec") or {}).get("template") or {}).get("metadata") or {}).get("annotations", {}).get(MARK) != new:
            return f"{workload} has not been restarted"
        if said := _progress(place, workload, found):
            return said
    return ""


def _progress(place: Place, workload: str, found: t.Mapping[str, t.Any]) -> str:
    """What a rollout waits for, as ``kubectl rollout status`` says it."""
    kind = workload.partition("/")[0]
    spec, status = found.get("spec") or {}, found.get("status") or {}
    if int(status.get("observedGeneration") or 0) < int((found.get("metadata") or {}).get("generation") or 0):
        return f"{workload} has not been taken up by its controller"
    wanted = int(spec.get("replicas", 1))

    def count(name: str) -> int:
        return int(status.get(name) or 0)

    if kind == "deployment":
        failed = [
            c for c in status.get("conditions") or () if c.get("type") == "Progressing" and c.get("reason") == "ProgressDeadlineExceeded"
        ]
        if failed:
            raise _refused(place, f"the rollout of {workload} failed ({failed[0].get('message') or 'ProgressDeadlineExceeded'})")
        updated, available, older = count("updatedReplicas"), count("availableReplicas"), count("replicas") - count("updatedReplicas")
    elif kind == "statefulset":
        whole = status.get("updateRevision") == status.get("currentRevision")
        updated, available, older = (count("updatedReplicas") if not whole else wanted), count("readyReplicas"), 0 if whole else 1
    else:
        wanted = count("desiredNumberScheduled")
        updated, available, older = count("updatedNumberScheduled"), count("numberAvailable"), 0
    if updated < wanted or available < wanted or older > 0:
        return f"{min(updated, available)} of {wanted} pods of {workload} run with it"
    return ""


def taken_back(place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    """What had been restarted for the new key is restarted for the old one."""
    for workload in _workloads(place):
        step = _restart(place, change, workload, change.old, reader, (), "back")
        if step.before == change.new:
            yield step


def tidy(place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    """The copy, once the old key is off."""
    copy = _copy(place, change.old)
    there = Probe(_call(place, "GetSecret", copy), ("metadata", "labels", MARK), ("NotFound",))
    if reader.read(there):
        yield Step(
            id=change.step_id(place, f"tidy/{change.old}"), principal=change.user, resource=f"{place.text}, copy {copy} of the old credential", action="delete",
            phase=Phase.CREDENTIAL, before=change.old, after=None, probe=there, do=(_call(place, "DeleteSecret", copy),),
            irreversible="it held the old credential, which is off",
        )  # fmt: skip


def _refused(place: Place, why: str) -> EvictError:
    return EvictError(f"{place.text}: {why}", object=place.text, operation="rotate")
