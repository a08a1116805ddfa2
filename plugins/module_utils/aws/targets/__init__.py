# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry of the places to which a rotation writes: one file each (``kind.Kind``)."""

from __future__ import annotations

from . import codebuild_project, ecs_task_definition, hook, kubernetes_secret, lambda_function, secrets_manager, ssm_parameter, webhook
from .kind import Change, Kind, Place, back_of, behind, restarted, restarts, state, steps, values

_FILES: tuple[Kind, ...] = (
    secrets_manager,
    ssm_parameter,
    lambda_function,
    ecs_task_definition,
    codebuild_project,
    kubernetes_secret,
    hook,
    webhook,
)
KINDS: dict[str, Kind] = {kind.KIND: kind for kind in _FILES}
__all__ = ["KINDS", "Change", "Kind", "Place", "back_of", "behind", "restarted", "restarts", "state", "steps", "values"]
