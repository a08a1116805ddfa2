# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry of the kinds of credential that a user may hold: one file each.

A kind has KIND (its name in options), READS (permissions its reads need), ``held(user, reader)`` -> list of what is there, and
``steps(user, state, reader)`` -> Steps to ``disabled``, ``enabled`` or ``absent``.
"""

from __future__ import annotations

from . import access_key, login_profile

KINDS = {kind.KIND: kind for kind in (access_key, login_profile)}
