# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As a hook, over the network: a signed request writes it, another one says which key is in place."""

from __future__ import annotations

from .hook import place, steps, value

KIND = "webhook"
NOUN = "webhook"
CLOUD = "webhook"
OPAQUE = True
READS: tuple[str, ...] = ()  # of AWS
__all__ = ["CLOUD", "KIND", "NOUN", "OPAQUE", "READS", "place", "steps", "value"]
