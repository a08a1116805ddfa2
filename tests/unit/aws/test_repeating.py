# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without a hold sessions are cut again, link by link of a chain, until a round writes nothing."""

from __future__ import annotations

import types
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import minting
from ansible_collections.evict.cloud.plugins.module_utils.aws.hold import Hold


@pytest.mark.parametrize(("writes", "rounds"), [([1, 1, 0, 1], 3), ([0], 1), ([1] * 50, 25)])
def test_as_many_rounds_as_links_at_most_and_none_behind_one_that_wrote_nothing(
    monkeypatch: pytest.MonkeyPatch, writes: list[int], rounds: int
) -> None:
    monkeypatch.setattr(minting, "links", lambda _run: 24)
    hold: Any = Hold.__new__(Hold)
    hold.on, hold.runner, left, asked = False, types.SimpleNamespace(carried_out=7), list(writes), []

    def repeat(*, everything: bool) -> None:
        asked.append(everything)
        hold.runner.carried_out += left.pop(0)

    hold.run = types.SimpleNamespace(repeat=repeat)
    hold.hold()
    assert asked == [False] * rounds
