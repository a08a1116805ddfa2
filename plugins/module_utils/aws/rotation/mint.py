# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The new key."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.plan import Call, Phase, Probe, Ref, Step
from ...common.reader import Reader
from ..principal import Principal


def steps(user: Principal, step_id: str, old: str, reader: Reader) -> Iterator[Step]:
    """The Step that creates it; an orphan of a crash is an id that nobody knew."""
    name = {"UserName": user.name}
    probe = Probe(Call(user.target, "iam", "ListAccessKeys", name), ("AccessKeyMetadata", "AccessKeyId"))
    made = Ref(step_id, ("AccessKey", "AccessKeyId"))
    yield Step(
        id=step_id, principal=user.arn, resource=f"{user.arn} new access key for {old}", action="create", phase=Phase.CREDENTIAL,
        before=reader.read(probe), after=None, probe=probe, owns=made,
        do=(Call(user.target, "iam", "CreateAccessKey", name, idempotent=False),),
        undo=(Call(user.target, "iam", "DeleteAccessKey", {**name, "AccessKeyId": made}),),
    )  # fmt: skip
