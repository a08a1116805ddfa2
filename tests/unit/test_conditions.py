# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions of the role investigate are booleans whatever was given: ansible-core refuses any other value, and with it the whole investigation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).parents[2] / "roles" / "investigate"
TASKS = [task for task in yaml.safe_load((ROLE / "tasks" / "main.yml").read_text(encoding="utf-8")) if "when" in task]


@pytest.mark.parametrize("logs", ["", "/srv/logs", "s3://trail/AWSLogs"])
@pytest.mark.parametrize("task", TASKS, ids=lambda task: str(task["name"]))
def test_a_condition_is_a_boolean_with_and_without_logs(task: dict[str, Any], logs: str) -> None:
    variables = {
        "investigate_logs": logs,
        "investigate_bigquery": {},
        "investigate_connected": not logs,
        "investigate_incident_data": {},
        "ansible_check_mode": False,
    }
    said = Templar(DataLoader(), variables).evaluate_conditional(trust_as_template(task["when"]))
    assert said is (not logs if "connected" in task["when"] else logs.startswith("/") if "logs" in task["when"] else True)
