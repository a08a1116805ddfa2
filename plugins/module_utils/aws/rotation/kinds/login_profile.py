# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console password: a random one that has to be changed at the first sign-in. It is made in memory, and nobody sees it but whoever reads the handover.

Without a handover nothing is made: an administrator does it in person. No API gives a sign-in link.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator

from ....common.plan import Call, Path, Phase, Probe, Secret, Step
from ....common.reader import Reader
from . import handover
from .kind import Order

KIND = "login_profile"
NOUN = "console password"
LIMIT = 1
NEW: Path = ()
_SIGNS = "!@#%^*()_+-="
_LENGTH = 64


def generate() -> str:
    """Random, with every class of characters that a password policy may want."""
    classes = (string.ascii_lowercase, string.ascii_uppercase, string.digits, _SIGNS)
    found = [secrets.choice(some) for some in classes] + [secrets.choice("".join(classes)) for _more in range(_LENGTH - len(classes))]
    secrets.SystemRandom().shuffle(found)
    return "".join(found)


def source(order: Order) -> str:
    """Under which id the password lies in memory: a Step of nobody's."""
    return f"{order.step}!password"


def steps(order: Order, reader: Reader) -> Iterator[Step]:
    """It is handed over first: what was made and is not there would have to be made anew."""
    user, place = order.user, order.handover
    if place is None:
        return
    kept, secret = f"{order.step}!handover", Secret(source(order), ("Password",))
    yield from handover.steps(place, user.arn, kept, secret, reader)
    name = {"UserName": user.name}
    probe = Probe(Call(user.target, "iam", "GetLoginProfile", name), ("LoginProfile", "PasswordResetRequired"), ("NoSuchEntity",))
    yield Step(
        id=order.step, principal=user.arn, resource=f"{user.arn} new console password", action="create, to be changed at the first sign-in",
        phase=Phase.RESOURCE, before=reader.read(probe), after=True, probe=probe, needs=(kept,),
        do=(Call(user.target, "iam", "CreateLoginProfile", {**name, "Password": secret, "PasswordResetRequired": True}, idempotent=False),),
        undo=(Call(user.target, "iam", "DeleteLoginProfile", name),),
    )  # fmt: skip


def tell(order: Order, _new: str) -> str:
    if order.handover is None:
        return "an account administrator makes a new console password in person, with a forced reset at the first sign-in"
    return f"sign in with the password from {order.handover.text}, change it there and then, and delete that secret"
