# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places outside of the clouds that a rotation writes to, one file per cloud of ``Target.cloud`` (``kind.Kind``): as the Runner sees them, clouds like AWS."""

from __future__ import annotations

from . import github, gitlab, hook, key_vault, kubernetes, secret_manager, vault, webhook
from .kind import Kind

_FILES: tuple[Kind, ...] = (kubernetes, hook, webhook, vault, github, gitlab, key_vault, secret_manager)
KINDS: dict[str, Kind] = {kind.CLOUD: kind for kind in _FILES}
__all__ = ["KINDS", "Kind"]
