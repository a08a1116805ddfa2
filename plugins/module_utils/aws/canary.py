# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the standing fence bites on a live session: a role of the responder's own is made, assumed, refused what would lift the fence, tagged, seen denied,
and deleted.

The role may do one harmless thing, and tag and untag itself and detach a policy from itself, which a session that is not exempt has to be refused. Only the
responder may assume it. What is proven is a session that was there before the tag; of a user's key nothing is proven but that the same policy stands above it.
"""

from __future__ import annotations

import dataclasses
import json
import time
import typing as t
from collections.abc import Callable, Iterator

from ..common import restore
from ..common.chain import Job
from ..common.errors import EvictError
from ..common.plan import Call, Phase, Probe, Step, Target
from ..common.reader import Reader
from ..common.run import STANDS
from . import deny_all, standing_fence
from .responders import exact
from .session import Credentials

if t.TYPE_CHECKING:
    from .respond import Response

READS = ("iam:GetRole", "iam:GetRolePolicy")
PREFIX = "evict-canary-"
WAIT = 20.0  # seconds for a new role to be usable, and again for its tag to be known everywhere
SECONDS = 900  # the shortest session that there is
_PAUSE = 0.5
_ABSENT = ("NoSuchEntity",)
_BY = "service control policy"  # so AWS says who denied


def steps(target: Target, arn: str, responder: str) -> Iterator[Step]:
    """The canary's role, the one call that it may make, and its tag."""
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": responder}, "Action": "sts:AssumeRole"}]}
    own = ["iam:TagRole", "iam:UntagRole", "iam:DetachRolePolicy"]
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:ListAccountAliases", "Resource": "*"},
                                                      {"Effect": "Allow", "Action": own, "Resource": arn}]}  # fmt: skip
    name, policy = {"RoleName": arn.rpartition("/")[2]}, {"RoleName": arn.rpartition("/")[2], "PolicyName": "canary"}
    created = {
        **name,
        "AssumeRolePolicyDocument": json.dumps(trust),
        "MaxSessionDuration": 3600,
        "Description": "Made and deleted by an incident response",
    }
    tag = standing_fence.TAG
    role = Step(
        id=f"{arn}#role", principal=arn, resource=arn, action="create the canary", phase=Phase.SESSION, before=None, after=arn,
        do=(Call(target, "iam", "CreateRole", created),), undo=(Call(target, "iam", "DeleteRole", name),), optional=True,
        probe=Probe(Call(target, "iam", "GetRole", name), ("Role", "Arn"), _ABSENT),
    )  # fmt: skip
    inline = dataclasses.replace(
        role, id=f"{arn}#may", resource=f"{arn} inline policy canary", action="allow it what the fence refuses", after=allowed, needs=(role.id,),
        do=(Call(target, "iam", "PutRolePolicy", {**policy, "PolicyDocument": json.dumps(allowed)}),),
        undo=(Call(target, "iam", "DeleteRolePolicy", policy),),
        probe=Probe(Call(target, "iam", "GetRolePolicy", policy), ("PolicyDocument",), _ABSENT),
    )  # fmt: skip
    tagged = dataclasses.replace(
        role, id=f"{arn}#tag/{tag}", resource=f"{arn} tag {tag}", action="tag the canary", after="canary",
        do=(Call(target, "iam", "TagRole", {**name, "Tags": [{"Key": tag, "Value": "canary"}]}),),
        undo=(Call(target, "iam", "UntagRole", {**name, "TagKeys": [tag]}),),
        probe=Probe(Call(target, "iam", "GetRole", name), ("Role", "Tags", {"Key": tag}, "Value"), _ABSENT),
    )  # fmt: skip
    yield from (role, inline, tagged)


class Canary:
    """Of one account. ``told``: gets (denied, why)."""

    def __init__(self, run: Response, account: str, told: Callable[[bool, str], None]) -> None:
        self.run, self.account, self.told = run, account, told
        self.target = Target("aws", account)
        self.name = PREFIX + run.incident.sid.removeprefix("Evict")
        self.arn = f"arn:{run.aws.partition}:iam::{account}:role/{self.name}"
        self._keys: Credentials | None = None
        self._why = ""

    def start(self) -> None:
        phases = (self._make, self._assume_and_tag, self._watch)
        jobs = [Job(t.cast(Phase, int(Phase.SESSION) + number), make) for number, make in enumerate(phases)]
        self.run.runner.add(self.arn, self.account, jobs)

    def clean(self) -> None:
        """Take away what a run that was killed has left of it, as the ledger says."""
        standing = {latest.id for _first, latest in restore.standing(self.run.case.history) if latest.principal == self.arn}
        role, inline, _tagged = self._steps()
        if standing & {role.id, inline.id}:
            self.run.runner.add(self.arn, self.account, [Job(Phase.SESSION, lambda _r: self._gone(role, inline, standing))])

    # -- its life --------------------------------------------------------------------------------------------------------------

    def _steps(self) -> tuple[Step, Step, Step]:
        responder = exact(self.run.aws, self.run.aws.responder_arn(self.account))[0]
        role, inline, tagged = steps(self.target, self.arn, responder)
        return role, inline, tagged

    def _make(self, reader: Reader) -> Iterator[Step]:
        role, inline, tagged = self._steps()
        there = {step.id: reader.read(step.probe) if step.probe else None for step in (role, inline)}
        if there[role.id] is not None and role.id not in self.run.case.history:
            self._why = f"a role {self.name} is there that this case did not make; look at it by hand"
            return
        for step in (role, inline):
            yield dataclasses.replace(step, before=there[step.id])
        if (left := reader.read(tagged.probe) if tagged.probe else None) is not None:  # by a run that was killed: it has to work first
            yield dataclasses.replace(
                tagged, id=f"{tagged.id}#off", before=left, after=None, do=tagged.undo, undo=tagged.do, action="take the tag off again"
            )

    def _failed(self, *steps: Step) -> str:
        bad = [d for s in steps if (d := self.run.runner.done.get(s.id)) and d.status not in STANDS]
        return bad[0].message if bad else ""

    def _assume_and_tag(self, reader: Reader) -> Iterator[Step]:
        del reader
        role, inline, tagged = self._steps()
        self._why = self._why or self._failed(role, inline) or self._assume() or self._locked()
        if not self._why:
            yield tagged

    def _assume(self) -> str:
        """Why there is no session that works; "" when there is one."""
        if self.run.runner.check:
            return ""
        parameters = {"RoleArn": self.arn, "RoleSessionName": "canary", "DurationSeconds": SECONDS}
        said, deadline = "", time.monotonic() + WAIT
        while time.monotonic() < deadline:
            try:
                if self._keys is None:
                    found = self.run.aws.call(Call(self.target, "sts", "AssumeRole", parameters))["Credentials"]
                    self._keys = (found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
            except EvictError as error:  # IAM may not know the role everywhere yet
                said = error.message
            if self._keys and (said := self._try()) == "":
                return ""
            time.sleep(_PAUSE)
        return f"the canary never worked, so nothing is shown by its denial: {said}"

    def _try(self) -> str:
        return self.run.aws.attempt(self._keys, Call(self.target, "iam", "ListAccountAliases", {})) if self._keys else "no session"

    def _locked(self) -> str:
        """Why the fence can be lifted by somebody who is not exempt; "" when each attempt was refused by it. Without a lock it tags itself, and goes."""
        if self.run.runner.check or self._keys is None:
            return ""
        name, tag = {"RoleName": self.name}, standing_fence.TAG
        policy = f"arn:{self.run.aws.partition}:iam::aws:policy/{deny_all.NAME}"
        deadline = time.monotonic() + WAIT
        for call in (
            Call(self.target, "iam", "UntagRole", {**name, "TagKeys": [tag]}),
            Call(self.target, "iam", "DetachRolePolicy", {**name, "PolicyArn": policy}),  # which is not attached
            Call(self.target, "iam", "TagRole", {**name, "Tags": [{"Key": tag, "Value": "canary"}]}),
        ):
            while _BY not in (said := self.run.aws.attempt(self._keys, call)):
                if not said or said.startswith(_ABSENT):
                    return f"a session that is not exempt may call iam:{call.operation}, so whoever administers the account can lift it"
                if time.monotonic() > deadline:
                    return f"that nobody but the exempt may call iam:{call.operation} is not shown: {said}"
                time.sleep(_PAUSE)
        return ""

    def _watch(self, reader: Reader) -> Iterator[Step]:
        """Look until it is denied; then it has done its work and goes, whatever came of it."""
        del reader
        role, inline, tagged = self._steps()
        why = "check mode makes no canary" if self.run.runner.check else self._why or self._failed(tagged)
        if not why:
            why, deadline = "", time.monotonic() + WAIT
            while _BY not in (said := self._try()) and time.monotonic() < deadline:
                time.sleep(_PAUSE)
            if _BY not in said:
                why = (
                    f"a session of a tagged role still worked after {WAIT:.0f} s"
                    if not said
                    else f"denied, but not by a policy of the organization: {said}"
                )
        self._keys = None
        self.told(not why, why)
        yield from self._gone(role, inline)

    def _gone(self, role: Step, inline: Step, ours: set[str] | None = None) -> Iterator[Step]:
        """The Steps that take the canary away, as far as it is there and ours."""
        self.run.runner.forget(step.id for step in self._steps())
        reader = Reader(self.run.runner.clouds)  # what was read before is older than what was made
        needs: tuple[str, ...] = ()
        for step in (inline, role):
            done = self.run.runner.done.get(step.id)
            made = done is not None and done.status in ("done", "would")  # then a read that does not show it yet proves nothing
            before = step.after if made else reader.read(step.probe) if step.probe else None
            if before is None or not (step.id in (ours or ()) or (done and done.status in STANDS)):
                continue
            undo = dataclasses.replace(
                step, id=restore.PREFIX + step.id, before=before, after=None, do=step.undo, undo=step.do, action="take the canary away", needs=needs,
                undoes=step.id, optional=False,
            )  # fmt: skip
            needs = (undo.id,)
            yield undo
