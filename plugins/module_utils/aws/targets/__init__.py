# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry of the places to which a rotation writes: one file each (``kind.Kind``)."""

from __future__ import annotations

from . import (
    azure_key_vault,
    codebuild_project,
    ecs_task_definition,
    gcp_secret_manager,
    github_secret,
    gitlab_variable,
    hook,
    kubernetes_secret,
    lambda_function,
    secrets_manager,
    ssm_parameter,
    vault_secret,
    webhook,
)
from .kind import Change, Kind, Place, Reading, back_of, behind, restarted, restarts, state, steps, values

_FILES: tuple[Kind, ...] = (
    secrets_manager,
    ssm_parameter,
    lambda_function,
    ecs_task_definition,
    codebuild_project,
    kubernetes_secret,
    hook,
    webhook,
    vault_secret,
    github_secret,
    gitlab_variable,
    azure_key_vault,
    gcp_secret_manager,
)
KINDS: dict[str, Kind] = {kind.KIND: kind for kind in _FILES}


def opaque(place: Place) -> bool:
    """Whether nobody can read what is there."""
    return bool(getattr(KINDS[place.kind], "OPAQUE", False))


def blind(place: Place) -> bool:
    """Whether nothing tells which key is there, either."""
    return bool(getattr(KINDS[place.kind], "BLIND", False))


def proof(place: Place) -> dict[str, str]:
    """Of a place whose new value cannot be read back: what is known instead."""
    return {"proof": "written (updated_at only)"} if blind(place) else {}


__all__ = [
    "KINDS",
    "Change",
    "Kind",
    "Place",
    "Reading",
    "back_of",
    "behind",
    "blind",
    "opaque",
    "proof",
    "restarted",
    "restarts",
    "state",
    "steps",
    "values",
]
