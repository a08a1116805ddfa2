# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry of the kinds of credential that a user may hold: one file each, which says all that the verbs need to know (``kind.Kind``)."""

from __future__ import annotations

import typing as t

from ...common.errors import CloudError
from ...common.plan import Step
from ...common.reader import Reader
from . import access_key, login_profile, mfa_device, service_specific_credential, signing_certificate, ssh_public_key
from .kind import ALL, Asked, Kind

if t.TYPE_CHECKING:
    from ..principal import Principal

_FILES: tuple[Kind, ...] = (access_key, ssh_public_key, service_specific_credential, signing_certificate, login_profile, mfa_device)
KINDS: dict[str, Kind] = {kind.KIND: kind for kind in _FILES}
__all__ = ["ALL", "KINDS", "Asked", "Kind", "id_of", "planned", "unknown"]


def planned(kind: Kind, user: Principal, state: str, reader: Reader, asked: Asked) -> list[Step]:
    """The Steps of one kind. A kind that cannot be read is never taken for empty: the error names it and the user."""
    try:
        return list(kind.steps(user, state, reader, asked))
    except CloudError as error:
        raise unknown(kind, user, error) from error


def unknown(kind: Kind, user: Principal, error: CloudError) -> CloudError:
    """``error``, as it is said of a kind that could not be read."""
    return CloudError(
        f"{user.arn}: {kind.NOUN}: unknown, since they could not be listed: {error.message}", code=error.code, lost=error.lost,
        object=f"{user.arn} {kind.KIND}", operation=error.operation, remedy=error.remedy,
    )  # fmt: skip


def id_of(step: Step) -> str:
    """Id of the credential that a Step is about; "" for a policy, and for a password, which has none.

    Read from behind the user's ARN, since a path in it may hold anything.
    """
    fragment, _slash, identity = step.id.removeprefix(f"{step.principal}#").partition("/")
    return identity if fragment in {kind.FRAGMENT for kind in KINDS.values()} else ""
