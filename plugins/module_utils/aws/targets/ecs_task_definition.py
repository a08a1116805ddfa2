# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ECS task definitions: a new revision of what runs, with the two variables changed, and the services rolled to exactly that one.

The old revision stays, and is the way back. A revision that has the new key already is found by what it says, so that a crash, or an answer that was
lost, makes no second one. Services are declared as CLUSTER/SERVICE; of a family without any the newest revision is the one that counts.
"""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Iterator

from ...common import credential_text
from ...common.errors import EvictError
from ...common.plan import Call, Edit, Phase, Probe, Ref, Step, Target
from ...common.reader import Reader
from .. import ecs
from .kind import Change, Place, Reading

KIND = "ecs_task_definition"
NOUN = "ECS task definition"
READS: tuple[str, ...] = ("ecs:DescribeServices", "ecs:DescribeTaskDefinition", "ecs:ListClusters", "ecs:ListTaskDefinitions")
_KEY = re.compile(r"A[KS]IA[A-Z0-9]{16}")
# Each of these answers with the variables, or runs something of one's own where they are.
_DEFINED, _OF_TASKS = "ecs:DescribeTaskDefinition", ("ecs:DescribeTasks", "ecs:ExecuteCommand", "ssm:StartSession")
_SHOWN = (_DEFINED, *_OF_TASKS, "ecs:RunTask", "ecs:StartTask")
_NEWEST = 10  # revisions that are looked at for one that has the new key, or the old one
Definition = dict[str, t.Any]


def place(entry: t.Mapping[str, t.Any], account: str) -> tuple[Target, str]:
    """The family; a revision in the name is left out, since what runs is asked for."""
    name = str(entry.get("arn") or entry.get("name"))
    parts = name.split(":", 5) if name.startswith("arn:") else ["", "", "", "", "", name]
    family = re.sub(r":[0-9]+$", "", parts[5].removeprefix("task-definition/"))
    return Target("aws", str(entry.get("account") or parts[4] or account), str(entry.get("region") or parts[3])), family


def _services(place: Place) -> list[str]:
    return [str(s) for s in place.spec.get("services") or ()]


def _described(place: Place, name: str, reader: Reader) -> Definition:
    return dict(reader.get(ecs.definition(place.target, name)).get("taskDefinition") or {})


def _bases(place: Place, reader: Reader) -> dict[str, list[str]]:
    """{ARN of a revision that is in use: the services that run it}."""
    if not _services(place):
        return {str(_described(place, place.name, reader).get("taskDefinitionArn")): []}
    found: dict[str, list[str]] = {}
    for name in _services(place):
        arn = str(ecs.service(place.target, name, reader).get("taskDefinition"))
        if arn.rsplit("/", 1)[-1].rsplit(":", 1)[0] != place.name:
            raise _refused(place, f"service {name} runs {arn.rsplit('/', 1)[-1]}, which is of another family")
        found.setdefault(arn, []).append(name)
    return found


def _variables(definition: Definition) -> dict[str, dict[str, str]]:
    """{container: {name: value}}."""
    return {
        str(c.get("name")): {e["name"]: e.get("value", "") for e in c.get("environment") or ()}
        for c in definition.get("containerDefinitions") or ()
    }


def value(place: Place, reader: Reader) -> t.Any:
    return _values(place, reader)[0]


def served(place: Place, reader: Reader) -> list[t.Any]:
    """What the other services run."""
    return _values(place, reader)[1:]


def _values(place: Place, reader: Reader) -> list[t.Any]:
    found = []
    for arn in _bases(place, reader):
        definition = _described(place, arn, reader)
        variables = _variables(definition)
        taken = [
            f"{e['name']} from {e.get('valueFrom')}" for c in definition.get("containerDefinitions") or () for e in c.get("secrets") or ()
        ]
        if taken and not any(_KEY.fullmatch(v) for names in variables.values() for v in names.values()):
            raise _refused(place, f"its variables hold no access key; it takes {', '.join(taken)}: declare that secret or parameter as the dependent, with"
                                  " restart: {ecs_service: [CLUSTER/SERVICE]}")  # fmt: skip
        found.append(variables)
    return found


def identity(place: Place, reader: Reader) -> str:
    """Its task role."""
    return next((str(role) for arn in _bases(place, reader) if (role := _described(place, arn, reader).get("taskRoleArn"))), "")


def reading(place: Place, reader: Reader) -> Reading:
    """Who may ask for it, or get into its tasks; their two roles. The revision that is to be made is asked about, since the new secret is there."""
    found = [_described(place, arn, reader) for arn in _bases(place, reader)]
    family, _colon, _revision = str(found[0]["taskDefinitionArn"]).rpartition(":")
    revision = max(int(d["revision"]) if "revision" in d else 0 for d in found) + 1
    start = family.partition(":task-definition/")[0]
    clusters = sorted({name.partition("/")[0] for name in _services(place)}) or _clusters(place, reader)
    tasks = tuple(f"{start}:{what}" for c in clusters for what in (f"cluster/{c}", f"task/{c}/{'0' * 32}")) or ("*",)
    roles = {str(d[role]) for d in found for role in ("taskRoleArn", "executionRoleArn") if d.get(role)}
    others = {_DEFINED: ("*",), **dict.fromkeys(_OF_TASKS, tasks)}  # the first takes no resource
    return Reading(_SHOWN, f"{family}:{revision}", runs_as=tuple(sorted(roles)), others=others)


def _clusters(place: Place, reader: Reader) -> list[str]:
    """Any, for a family without services: whoever starts a task of it says where."""
    found = reader.get(Call(place.target, "ecs", "ListClusters", {})).get("clusterArns", [])
    return [str(arn).rpartition("/")[2] for arn in found]


def refuse(place: Place, key: str, _new: str, reader: Reader) -> None:
    for arn in _bases(place, reader):
        definition = _described(place, arn, reader)
        for container in definition.get("containerDefinitions") or ():
            names = [e["name"] for e in container.get("environment") or ()]
            if twice := sorted({n for n in names if names.count(n) > 1}):
                raise _refused(place, f"container {container.get('name')} has the variable {twice[0]} twice")
            rest = {k: v for k, v in container.items() if k != "environment"}
            if beside := sorted(k for k, v in rest.items() if key in json.dumps(v)):
                raise _refused(
                    place,
                    f"container {container.get('name')} holds {key} in its {', '.join(beside)} as well, and only variables are changed",
                )


def behind(place: Place, new: str, reader: Reader) -> str:
    """A service whose tasks do not all run with the revision of the new key; raises when its deployment failed."""
    for name in _services(place):
        found = ecs.service(place.target, name, reader)
        if new not in credential_text.identities(_variables(_described(place, str(found.get("taskDefinition")), reader)), {new}):
            why = ecs.rolled_back(found)
            raise _refused(
                place, f"service {name} runs an older revision again" + (f": its deployment was rolled back ({why})" if why else "")
            )
        if said := ecs.progress(found, name):
            return said
    return ""


def _newest(place: Place, reader: Reader) -> list[str]:
    """ARNs of the active revisions, the newest first."""
    return [str(arn) for arn in reader.get(_listing(place)).get("taskDefinitionArns", [])]


def _listing(place: Place) -> Call:
    return Call(place.target, "ecs", "ListTaskDefinitions", {"familyPrefix": place.name, "status": "ACTIVE", "sort": "DESC"})


def kept(place: Place, key: str, reader: Reader) -> str:
    """The secret of ``key`` out of the revisions."""
    for arn in _newest(place, reader)[:_NEWEST]:
        if secret := credential_text.secret_of(_variables(_described(place, arn, reader)), key):
            return secret
    return ""


def _ready(place: Place, base: Definition, change: Change, reader: Reader) -> str:
    """The revision that is ``base`` with the new key and nothing else; "" when there is none yet."""
    for arn in _newest(place, reader)[:_NEWEST]:
        found = _described(place, arn, reader)
        if change.new not in credential_text.identities(_variables(found), {change.new}):
            continue
        if _masked(found, change.new) == _masked(base, change.old):
            return arn
    return ""


def _masked(definition: Definition, key: str) -> Definition:
    """What can be registered of it, without the credential."""
    fields = {k: definition[k] for k in ecs.REGISTRABLE if definition.get(k) not in (None, "", [])}
    containers = [{**c, "environment": []} for c in fields.get("containerDefinitions", [])]
    return {**fields, "containerDefinitions": containers, "": credential_text.replaced(_variables(definition), key, "-", "-")}


def steps(place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    for arn, services in _bases(place, reader).items():
        base = _described(place, arn, reader)
        if change.old not in credential_text.identities(_variables(base), {change.old}):
            continue
        ready: t.Any = _ready(place, base, change, reader)
        made = ""
        if not ready:
            step = _revision(place, change, base, reader)
            made, ready = step.id, step.owns
            yield step
            if change.staged:
                return
        for name in services:
            yield _roll(place, change, name, arn, ready, made)


def _revision(place: Place, change: Change, base: Definition, reader: Reader) -> Step:
    arn, newest = str(base["taskDefinitionArn"]), _newest(place, reader)
    credential_text.replaced(_variables(base), change.old, change.new or "-", "")  # whether the secret can be told: before anything is made
    made = change.step_id(place, f"revision/{base.get('revision')}/{newest[0].rsplit(':', 1)[-1] if newest else ''}")
    lists = [["taskDefinition", "containerDefinitions", n, "environment"] for n, _c in enumerate(base.get("containerDefinitions") or ())]
    return Step(
        id=made, principal=change.user, resource=f"{place.text}, revision after {arn.rsplit(':', 1)[-1]}", action="register, with the new key",
        phase=Phase.CREDENTIAL, before=newest, after=None, probe=Probe(_listing(place), ("taskDefinitionArns",)),
        owns=Ref(made, ("taskDefinition", "taskDefinitionArn")),
        do=(Edit(place.target, {"kind": "ecs.task-definition", "taskDefinition": arn}, "replace_in_variables",
                 {**change.arguments(place), "lists": lists}),),
        irreversible="a revision that nothing runs; it is found again and used when this is run again",
    )  # fmt: skip


def _roll(place: Place, change: Change, name: str, before: str, after: t.Any, made: str) -> Step:
    cluster, _slash, service = name.partition("/")

    def update(arn: t.Any) -> Call:
        return Call(place.target, "ecs", "UpdateService", {"cluster": cluster, "service": service, "taskDefinition": arn})

    return Step(
        id=change.step_id(place, f"service/{name}"), principal=change.user, resource=f"ECS service {name} in {place.target.region}",
        action="roll to the revision with the new key", phase=Phase.CREDENTIAL, before=before, after=after,
        probe=Probe(ecs.listing(place.target, name), ("services", 0, "taskDefinition")), needs=(made,) if made else (),
        do=(update(after),), undo=(update(before),),
    )  # fmt: skip


def taken_back(place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    """Of a family without services the revision with the new key goes, so that the newest is the one of before."""
    for arn in _newest(place, reader)[:_NEWEST] if not _services(place) else ():
        if change.new in credential_text.identities(_variables(_described(place, arn, reader)), {change.new}):
            yield Step(
                id=change.step_id(place, f"gone/{arn.rsplit(':', 1)[-1]}"), principal=change.user, resource=f"{place.text}, revision {arn.rsplit(':', 1)[-1]}",
                action="deregister", phase=Phase.CREDENTIAL, before=arn, after=None, probe=Probe(_listing(place), ("taskDefinitionArns", {"": arn})),
                do=(Call(place.target, "ecs", "DeregisterTaskDefinition", {"taskDefinition": arn}),),
                irreversible="it held the new key, and its family goes back to the old one",
            )  # fmt: skip


def _refused(place: Place, why: str) -> EvictError:
    return EvictError(f"{place.text}: {why}", object=place.text, operation="rotate")
