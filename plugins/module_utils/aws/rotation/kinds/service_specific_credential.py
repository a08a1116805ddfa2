# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service-specific credentials. ``reset``: the password of the same one is made anew, and the old one is dead at once. ``replace``: a second one is made.

Either way AWS shows the new secret once; it goes from its answer into the secret of the handover, in memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from ....common.plan import Call, Path, Phase, Secret, Step
from ....common.reader import Reader
from . import handover
from .kind import Order

KIND = "service_specific_credential"
NOUN = "service-specific credential"
LIMIT = 2  # for a service
NEW: Path = ("ServiceSpecificCredential", "ServiceSpecificCredentialId")
# These have a user name and a password; the others are API keys, by botocore's model (not observed here).
_PASSWORDS = ("codecommit.amazonaws.com", "cassandra.amazonaws.com")


def _secret(order: Order) -> Secret:
    field = "ServicePassword" if order.service in _PASSWORDS else "ServiceCredentialSecret"
    return Secret(order.step, ("ServiceSpecificCredential", field))


def steps(order: Order, reader: Reader) -> Iterator[Step]:
    """The reset is true when what it made lies where its owner takes it: a run that died in between makes it anew, and nobody had that password."""
    user, place = order.user, order.handover
    if place is None:
        return
    name = {"UserName": user.name}
    if order.entry["how"] == "reset":
        identity = {**name, "ServiceSpecificCredentialId": order.entry["id"]}
        yield Step(
            id=order.step, principal=user.arn, resource=f"{user.arn} service-specific credential {order.entry['id']}", action="reset",
            phase=Phase.CREDENTIAL, before=reader.read(place.probe), after=place.version, probe=place.probe,
            do=(Call(user.target, "iam", "ResetServiceSpecificCredential", identity),),
            irreversible="the old password is dead, and AWS never shows one again",
        )  # fmt: skip
    else:
        yield order.made(
            Call(user.target, "iam", "ListServiceSpecificCredentials", name), ("ServiceSpecificCredentials", "ServiceSpecificCredentialId"), NEW,
            do=Call(user.target, "iam", "CreateServiceSpecificCredential", {**name, "ServiceName": order.service}, idempotent=False),
            undo=lambda made: Call(user.target, "iam", "DeleteServiceSpecificCredential", {**name, "ServiceSpecificCredentialId": made}), reader=reader,
        )  # fmt: skip
    yield from handover.steps(place, user.arn, f"{order.step}!handover", _secret(order), reader)


def tell(order: Order, new: str) -> str:
    what = f"the new password of {order.entry['id']}" if order.entry["how"] == "reset" else f"the new credential {new}"
    return f"take {what} from {order.handover.text if order.handover else ''}, use it, then delete that secret"
