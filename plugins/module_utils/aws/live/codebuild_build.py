# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CodeBuild builds (T1648): a build has its project's role and runs for up to 36 hours. The initiator is a user's name, or role/session."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from typing import Any

from ...common.plan import Call, Probe, Step, Target
from ...common.reader import Reader
from ..each import each
from ..principal import Principal
from ..session import parse
from .kind import Event, Live, Suspects, ended, named, states

KIND = "codebuild_build"
NOUN = "CodeBuild builds"
ACCESS = "CodeBuild build"
LISTED = True
EVENTS: frozenset[tuple[str, str]] = frozenset({("codebuild.amazonaws.com", "StartBuild"), ("codebuild.amazonaws.com", "RetryBuild")})
READS: tuple[str, ...] = ("codebuild:ListProjects", "codebuild:ListBuildsForProject", "codebuild:BatchGetBuilds")
_LONGEST = datetime.timedelta(hours=44)  # 8 h in the queue and 36 h at work are the most that a project may be given
_PAGE = 100


def found(target: Target, who: Suspects, started: Iterable[Event], reader: Reader) -> Iterator[Live]:
    """Builds of the suspects that run: first those that the log names, since to list a project after the other may take longer than there is time."""
    logged = named(who, started, "build", "id")
    seen: set[str] = set()

    def running(builds: Iterable[dict[str, Any]]) -> Iterator[Live]:
        for build in builds:
            name = str(build.get("id"))
            principal = initiator(who, target.account, str(build.get("initiator", ""))) or logged.get(name)
            if principal and build.get("buildStatus") == "IN_PROGRESS" and name not in seen:
                seen.add(name)
                yield Live(target, name, principal.arn, f"build {name} in {target.region}")

    def told() -> Iterator[Live]:
        return running(_got(target, sorted(logged), reader))

    def listed() -> Iterator[Live]:
        projects = reader.get(Call(target, "codebuild", "ListProjects", {})).get("projects", [])
        return each(projects, lambda project: running(_recent(target, project, reader)))

    return each((told, listed), lambda look: look())


def _got(target: Target, names: list[str], reader: Reader) -> Iterator[dict[str, Any]]:
    for start in range(0, len(names), _PAGE):
        asked = {"ids": names[start : start + _PAGE]}
        yield from reader.get(Call(target, "codebuild", "BatchGetBuilds", asked)).get("builds", [])


def _recent(target: Target, project: str, reader: Reader) -> list[dict[str, Any]]:
    """The builds of a project, newest first (they are listed by their number, those of an account by their id), as far back as one could still run.

    That is told by the newest one's beginning: it lies in the past, and this machine's clock may be wrong.
    """
    builds: list[dict[str, Any]] = []
    most = _PAGE
    while True:
        newest = {"projectName": project, "PaginationConfig": {"MaxItems": most}}  # a sort order is an error where there are more than 100
        names = reader.get(Call(target, "codebuild", "ListBuildsForProject", newest)).get("ids", [])
        builds += _got(target, names[len(builds) :], reader)
        begun = sorted(parse(str(b["startTime"])) for b in builds if b.get("startTime"))
        if len(names) < most or not begun or begun[-1] - begun[0] > _LONGEST:
            return builds
        most *= 2


def initiator(who: Suspects, account: str, initiator: str) -> Principal | None:
    """``name`` of a user or ``role/session``; pipelines and webhooks look like the latter, and are no session of a suspect role."""
    name, _slash, session = initiator.partition("/")
    kind = f"sts::{account}:assumed-role/{name}/{session}" if session else f"iam::{account}:user/{name}"
    principal = who.started_by(f"arn:aws:{kind}") if name else None
    return principal if principal and (not session or session in principal.sessions or principal.whole) else None


def steps(live: Live) -> Iterator[Step]:
    """Stopped; what it has pushed or deployed by then stays."""
    path = ("builds", states("id", live.id, "buildStatus", ("IN_PROGRESS",)), "id")
    probe = Probe(Call(live.target, "codebuild", "BatchGetBuilds", {"ids": [live.id]}), path)
    yield ended(
        live, KIND, Call(live.target, "codebuild", "StopBuild", {"id": live.id}), probe, "a stopped build is started anew, not resumed"
    )
