# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console password of a user (T1078.004). AWS can neither switch it off nor give it back, so it goes last, after deny and revocation."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...common.errors import EvictError
from ...common.plan import Call, Phase, Probe, Step
from ...common.reader import Reader
from .kind import ALL, Asked

if t.TYPE_CHECKING:
    from ..principal import Principal

KIND = "login_profile"
NOUN = "console password"
FRAGMENT = "password"
PHASE = Phase.RESOURCE
KEEP = "password"
READS: tuple[str, ...] = ("iam:GetLoginProfile",)


def _probe(user: Principal) -> Probe:
    return Probe(Call(user.target, "iam", "GetLoginProfile", {"UserName": user.name}), ("LoginProfile", "CreateDate"), ("NoSuchEntity",))


def held(user: Principal, reader: Reader) -> list[dict[str, t.Any]]:
    """[{"id": "password", "status": "Active", "created", "last_used"}], or [] when the user has no console password."""
    created = reader.read(_probe(user))
    used = user.facts.get("PasswordLastUsed", "")
    return [{"id": "password", "status": "Active", "created": created, "last_used": used}] if created else []


def steps(user: Principal, state: str, reader: Reader, asked: Asked = ALL) -> Iterator[Step]:
    """The password is deleted for ``disabled`` and ``absent`` alike."""
    if not asked.wants("password"):
        return
    if state == "enabled":
        if asked.only is None:
            return  # whoever asks for all kinds gets those that can be switched on again
        raise EvictError(
            f"{user.arn}: a console password cannot be given back", object=user.arn, operation="iam:CreateLoginProfile",
            remedy="create a new one for its owner, with a forced reset at the first sign-in",
        )  # fmt: skip
    probe = _probe(user)
    yield Step(
        id=f"{user.arn}#{FRAGMENT}", principal=user.arn, resource=f"{user.arn} console password", action="delete", phase=PHASE,
        before=reader.read(probe), after=None, do=(Call(user.target, "iam", "DeleteLoginProfile", {"UserName": user.name}),), probe=probe,
        irreversible="AWS never shows a password: the owner gets a new one, with a forced reset",
    )  # fmt: skip
