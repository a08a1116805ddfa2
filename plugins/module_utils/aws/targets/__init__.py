# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry of the places to which a rotation writes: one file each (``kind.Kind``)."""

from __future__ import annotations

from . import (
    azure_key_vault,
    gcp_secret_manager,
    github_secret,
    gitlab_variable,
    lambda_function,
    secrets_manager,
    ssm_parameter,
    vault_secret,
)
from .kind import Change, Kind, Place, back_of, behind, state, values

_OUTSIDE: tuple[Kind, ...] = (vault_secret, github_secret, gitlab_variable, azure_key_vault, gcp_secret_manager)
_FILES: tuple[Kind, ...] = (secrets_manager, ssm_parameter, lambda_function, *_OUTSIDE)
KINDS: dict[str, Kind] = {kind.KIND: kind for kind in _FILES}
__all__ = ["KINDS", "Change", "Kind", "Place", "back_of", "behind", "state", "values"]
