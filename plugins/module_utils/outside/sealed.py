# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sealed boxes, as GitHub wants its secrets. The only file that imports PyNaCl."""

from __future__ import annotations

import base64

from ..common.errors import EvictError, MissingLibrary

try:
    import nacl.encoding
    import nacl.exceptions
    import nacl.public

    HAS_NACL = True
except ImportError:  # reported by require()
    HAS_NACL = False


def require() -> None:
    """Raises when nothing could be sealed: asked with the first read, so that nothing is made that cannot be written."""
    if not HAS_NACL:
        raise MissingLibrary("PyNaCl is not installed, and secrets of GitHub are sealed with it", object="PyNaCl", operation="seal",
                             remedy="install PyNaCl in the Python that runs the module")  # fmt: skip


def box(key: str, value: str) -> str:
    """``value`` for the holder of the private half of ``key`` (base64), in base64. Each time another text."""
    require()
    try:
        public = nacl.public.PublicKey(key.encode(), nacl.encoding.Base64Encoder)
    except (ValueError, TypeError, nacl.exceptions.CryptoError) as error:
        raise EvictError(f"GitHub's public key is none ({type(error).__name__})", object="public-key", operation="seal") from None
    return base64.b64encode(nacl.public.SealedBox(public).encrypt(value.encode())).decode()
