# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry of the places in which a credential may be written down: one file each, which says all that ``dependents`` needs to know (``kind.Kind``)."""

from __future__ import annotations

from . import (
    amplify,
    app_runner,
    batch_job_definition,
    cloudformation_stack,
    codebuild_project,
    ecs_task_definition,
    elastic_beanstalk,
    eventbridge_connection,
    glue,
    instance_user_data,
    lambda_function,
    launch_template,
    secrets_manager,
    ssm_parameter,
    step_function,
)  # fmt: skip
from .kind import Found, Gap, Kind, Part, Seen, Told

# Those with most in them first: what is begun first is through first.
_FILES: tuple[Kind, ...] = (
    ssm_parameter, secrets_manager, lambda_function, ecs_task_definition, instance_user_data, launch_template, codebuild_project, cloudformation_stack,
    elastic_beanstalk, app_runner, amplify, glue, batch_job_definition, step_function, eventbridge_connection,
)  # fmt: skip
KINDS: dict[str, Kind] = {kind.KIND: kind for kind in _FILES}
__all__ = ["KINDS", "Found", "Gap", "Kind", "Part", "Seen", "Told"]
