# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathers what each host registered, and shows the table of ``evict.cloud.case_result``."""

from __future__ import annotations

import typing as t

from ..plugin_utils.live import LiveAction


class ActionModule(LiveAction):
    """See ``LiveAction``."""

    def arguments(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        arguments = super().arguments(task_vars)
        if not arguments.get("results"):
            hosts = {name: task_vars["hostvars"][name] for name in arguments.get("hosts", [])}
            arguments["results"] = {str(known.get("evict_account", name)): known.get("contain_result", {}) for name, known in hosts.items()}
        return arguments
