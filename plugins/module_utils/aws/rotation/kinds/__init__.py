# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry of the kinds of credential, beside access keys, that a rotation replaces: one file each (``kind.Kind``)."""

from __future__ import annotations

from . import login_profile, service_specific_credential, signing_certificate, ssh_public_key
from .kind import Kind

_FILES: tuple[Kind, ...] = (login_profile, service_specific_credential, ssh_public_key, signing_certificate)
KINDS: dict[str, Kind] = {kind.KIND: kind for kind in _FILES}
__all__ = ["KINDS", "Kind"]
