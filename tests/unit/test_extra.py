# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extra variables of the playbooks: of a wrong type they are refused, and what nobody reads is named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common.errors import InvalidInput
from ansible_collections.evict.cloud.plugins.plugin_utils import extra

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("threads", "0", "1 or more"),
        ("threads", "-3", "1 or more"),
        ("threads", 0, "1 or more"),
        ("threads", True, "1 or more"),
        ("threads", "abc", "1 or more"),
        ("contain_threads", "0", "1 or more"),
        ("contain_scope", "-5", "0 or more"),
        ("refresh", "perhaps", "true or false"),
        ("contain_refresh", "perhaps", "true or false"),
        ("takeover", "maybe", "true or false"),
        ("account_fence", "nonsense", "on_the_spot, pre_deployed, none"),
        ("contain_account_fence", "scp", "on_the_spot"),
        ("phase", "fence", "all, hold"),
        ("phase", ["hold"], "all, hold"),
        ("refresh", "{{ lookup('pipe', 'id') }}", "template"),
        ("hold", "5x", "not a duration"),
        ("hold", "2h", "at most 30m"),
        ("hold", 1801, "at most 30m"),
        ("hold", True, "not a duration"),
        ("hold", ["5s"], "not a duration"),
        ("contain_hold", "31m", "at most 30m"),
        ("contain_spread", "soon", "not a duration"),
        ("quiet", "15 minutes", "not a duration"),
        ("soak", "-1h", "not a duration"),
        ("rotate_soak", "1w", "not a duration"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_by_its_name(name: str, value: Any, why: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        extra.check({"hold": "1s", "soak": "0", name: value}, extra.options())
    ((path, message),) = caught.value.problems
    assert path == name and why in message


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("account_fence", "none", "-e contain_account_fence=…"),
        ("hodl", "1s", "did you mean hold?"),
        ("refersh", "false", "did you mean refresh?"),
        ("contain_refesh", False, "did you mean contain_refresh?"),
        ("result_file", "/nonexistent/x.json", "there is no directory /nonexistent"),
    ],
)
def test_what_nobody_reads_is_named(name: str, value: Any, said: str) -> None:
    (told,) = extra.check({name: value}, extra.options())
    assert name in told and said in told


def test_what_is_read_or_is_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    given = {"threads": "4", "refresh": "false", "takeover": "yes", "phase": "hold", "hold": "90s", "contain_threads": "{{ forks }}", "reason": "x", "awx_job_id": 7,
             "environment_name": "prod", "suspect": "AKIA", "result_file": str(tmp_path / "x.json"), "only": ["a"], "plan": ""}  # fmt: skip
    assert extra.check(given, extra.options()) == []
    assert extra.looked_at(None, None) == []  # a playbook of somebody else's


def test_every_variable_that_a_playbook_reads_is_public() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "playbooks").glob("*.yml")]
    read = {name for text in texts for name in re.findall(r"(?<![.\w])([a-z_]+) \| default\(", text)}
    assert {"refresh", "threads", "logs"} <= read and {name for name in read if not name.startswith("evict_")} <= set(extra.PUBLIC)
