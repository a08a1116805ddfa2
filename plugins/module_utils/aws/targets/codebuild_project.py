# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CodeBuild projects: the plaintext variables of their environment.

CodeBuild keeps no version of a project, so the way back is the old secret out of another dependent that does.
"""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Iterator

from ...common.errors import EvictError
from ...common.plan import Call, Edit, Phase, Probe, Step, Target
from ...common.reader import Reader
from .kind import Change, Place, Reading

KIND = "codebuild_project"
NOUN = "CodeBuild project"
READS: tuple[str, ...] = (
    "codebuild:BatchGetBuilds",
    "codebuild:BatchGetProjects",
    "codebuild:GetResourcePolicy",
    "codebuild:ListBuildsForProject",
)
# Each of these answers with the variables, or runs a build specification of one's own where they are.
_SHOWN = ("codebuild:BatchGetBuildBatches", "codebuild:BatchGetBuilds", "codebuild:BatchGetProjects", "codebuild:StartBuild", "codebuild:StartBuildBatch",
          "codebuild:UpdateProject")  # fmt: skip
_KEY = re.compile(r"A[KS]IA[A-Z0-9]{16}")
_ALONE = "CodeBuild keeps no version of a project, and no other dependent keeps the old secret: only the run that wrote it can take it back"
_BUILDS = 100  # the newest: those that are at work are among them


def place(entry: t.Mapping[str, t.Any], account: str) -> tuple[Target, str]:
    name = str(entry.get("arn") or entry.get("name"))
    parts = name.split(":", 5) if name.startswith("arn:") else ["", "", "", "", "", name]
    return Target("aws", str(entry.get("account") or parts[4] or account), str(entry.get("region") or parts[3])), parts[5].removeprefix(
        "project/"
    )


def _asking(place: Place) -> Call:
    return Call(place.target, "codebuild", "BatchGetProjects", {"names": [place.name]})


def _project(place: Place, reader: Reader) -> dict[str, t.Any]:
    found = reader.get(_asking(place)).get("projects", [])
    if not found:
        raise _refused(place, "there is no such project")
    return dict(found[0])


def _variables(environment: t.Mapping[str, t.Any]) -> dict[str, str]:
    return {e["name"]: e["value"] for e in environment.get("environmentVariables") or () if e.get("type", "PLAINTEXT") == "PLAINTEXT"}


def value(place: Place, reader: Reader) -> t.Any:
    environment = _project(place, reader).get("environment") or {}
    variables = _variables(environment)
    taken = [
        f"{e['name']} from {e['type']} {e['value']}" for e in environment.get("environmentVariables") or () if e["name"] not in variables
    ]
    if taken and not any(_KEY.fullmatch(text) for text in variables.values()):
        raise _refused(
            place,
            f"its plaintext variables hold no access key; it takes {', '.join(taken)}: declare that secret or parameter as the dependent",
        )
    return variables


def identity(place: Place, reader: Reader) -> str:
    return str(_project(place, reader).get("serviceRole") or "")


def reading(place: Place, reader: Reader) -> Reading:
    """Who may ask for it or for its builds, or start one with commands of their own, and the role that builds run as. It can be shared, and be public."""
    project = _project(place, reader)
    arn = str(project["arn"])
    shared = reader.read(
        Probe(Call(place.target, "codebuild", "GetResourcePolicy", {"resourceArn": arn}), ("policy",), ("ResourceNotFoundException",))
    )
    try:
        policy = json.loads(shared) if shared else None
    except ValueError:
        policy = shared  # which is no policy document
    public = "everybody can read it: its builds are public" if project.get("projectVisibility") == "PUBLIC_READ" else ""
    return Reading(_SHOWN, arn, policy, public=public, runs_as=(str(project.get("serviceRole") or ""),))


def refuse(place: Place, key: str, _new: str, reader: Reader) -> None:
    project = _project(place, reader)
    names = [e["name"] for e in (project.get("environment") or {}).get("environmentVariables") or ()]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise _refused(place, f"it has the variable {twice[0]} twice")
    if beside := sorted(k for k, v in project.items() if k != "environment" and key in json.dumps(v)):
        raise _refused(place, f"it holds {key} in its {', '.join(beside)} as well, and only variables are changed")


def behind(place: Place, new: str, reader: Reader) -> str:
    """Builds that are at work and were started with another key."""
    some = {"projectName": place.name, "PaginationConfig": {"MaxItems": _BUILDS}}
    ids = reader.get(Call(place.target, "codebuild", "ListBuildsForProject", some)).get("ids", [])[:_BUILDS]
    builds = reader.get(Call(place.target, "codebuild", "BatchGetBuilds", {"ids": ids})).get("builds", []) if ids else []
    older = [b for b in builds if b.get("buildStatus") == "IN_PROGRESS" and new not in _variables(b.get("environment") or {}).values()]
    return f"build {older[0].get('id')} was started before and is at work" if older else ""


def steps(place: Place, change: Change, reader: Reader) -> Iterator[Step]:
    """One Step, whose probe is the variable with the id."""
    entries = (_project(place, reader).get("environment") or {}).get("environmentVariables") or []
    held = [number for number, e in enumerate(entries) if e.get("value") == change.old]
    if not held:
        return
    document = {"kind": "codebuild.environment", "name": place.name}
    probe = Probe(_asking(place), ("projects", 0, "environment", "environmentVariables", {"name": entries[held[0]]["name"]}, "value"))

    def write(old: str, new: str, secret: t.Any) -> tuple[Edit]:
        return (
            Edit(
                place.target,
                document,
                "replace_in_variables",
                {"lists": [["environmentVariables"]], "old": old, "new": new, "secret": secret},
            ),
        )

    yield Step(
        id=change.step_id(place), principal=change.user, resource=f"{place.text}, environment", action="use the new key", phase=Phase.CREDENTIAL,
        before=change.old, after=change.new, probe=probe, do=write(change.old, change.new, change.secret),
        undo=write(change.new, change.old, change.back(place)),
        irreversible="" if change.kept else _ALONE,
    )  # fmt: skip


def _refused(place: Place, why: str) -> EvictError:
    return EvictError(f"{place.text}: {why}", object=place.text, operation="rotate")
