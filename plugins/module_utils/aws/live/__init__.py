# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry of what lives on when IAM has cut its starter: one file each, which says all that the driver (``aftermath``) needs to know (``kind.Kind``)."""

from __future__ import annotations

from . import (
    batch_job,
    batch_service_job,
    codebuild_batch,
    codebuild_build,
    codebuild_sandbox,
    eks_access,
    glue_run,
    glue_session,
    glue_workflow,
    roles_anywhere,
    ssm_automation,
    ssm_command,
    ssm_session,
    stack,
    stack_set,
    state_execution,
)  # fmt: skip
from .kind import BY_HAND, Kind, Live, Suspects

_FILES: tuple[Kind, ...] = (
    ssm_session, ssm_command, ssm_automation, codebuild_build, codebuild_batch, codebuild_sandbox, glue_run, glue_session, glue_workflow, batch_job,
    batch_service_job, state_execution, stack, stack_set, eks_access, roles_anywhere,
)  # fmt: skip
KINDS: dict[str, Kind] = {kind.KIND: kind for kind in _FILES}
EVENTS: frozenset[tuple[str, str]] = frozenset(event for kind in _FILES for event in kind.EVENTS)
__all__ = ["BY_HAND", "EVENTS", "KINDS", "Kind", "Live", "Suspects", "asked"]


def asked(kind: Kind, who: Suspects, account: str) -> bool:
    """Whether every region of ``account`` is asked, or only those in which the log names something."""
    wanted = getattr(kind, "wanted", None)
    from_all: bool = kind.LISTED if wanted is None else wanted(who, account)
    return from_all
