# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one declares who adds a place outside of the clouds."""

from __future__ import annotations

import os
import re
import ssl
import typing as t
from collections.abc import Callable, Mapping

from ..common.errors import EvictError
from ..common.plan import Call, Probe, Target
from .session import Server

Answer = dict[str, t.Any]
Connection = Mapping[str, t.Any]  # one entry of ``connection.<cloud>`` in the incident file
Documents = Mapping[str, Callable[[Target, Mapping[str, t.Any]], tuple[Probe, Callable[[t.Any], Call]]]]
MAX = 16384  # bytes of a token
_URL = re.compile(
    r"https://[!-~]+|http://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?/?", re.ASCII
)  # without TLS only on this machine


class Kind(t.Protocol):
    """A file of this folder. ``CLOUD``: ``Target.cloud``, and the key under ``connection``; ``Target.account`` is the name of the connection.

    ``carry_out``: one request, ``parameters`` resolved; raises ``CloudError``, of which ``code`` is the name of the status (``NotFound``, ``Conflict``).
    ``DOCUMENTS``: what an Edit may name, as in ``aws/documents.py``. A file may have ``connections`` (incident, dependents): where they stand instead.
    """

    CLOUD: str
    DOCUMENTS: Documents

    def carry_out(self, connection: Connection, call: Call, parameters: Mapping[str, t.Any]) -> Answer: ...


def secret(connection: Connection, name: str, where: str, default_file: str = "") -> str:
    """A secret of a connection, ``{name}_env`` or ``{name}_file``: read at each request, since they are renewed, and kept nowhere.

    Raises ``EvictError``, which says where it should be.
    """
    file = str(connection.get(f"{name}_file") or default_file)
    if variable := connection.get(f"{name}_env"):
        said, value = f"the environment variable {variable}", os.environ.get(str(variable), "")
    elif file:
        said = f"the file {file}"
        try:
            with open(os.path.expanduser(file), encoding="utf-8") as opened:
                value = opened.read(MAX + 2)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise EvictError(f"{where}: {said} cannot be read: {why}", object=where, operation="connect") from None
    else:
        raise EvictError(f"{where} has neither {name}_env nor {name}_file", object=where, operation="connect")
    value = value.strip()
    if not value or len(value) > MAX or not value.isprintable() or not value.isascii():
        raise EvictError(f"{where}: {said} is empty or holds more than one line of plain text", object=where, operation="connect")
    return value


def override(connection: Connection, variable: str, where: str) -> str:
    """Another address than the vendor's: ``endpoint_url`` of the connection, or an environment variable of the vendor's tools; "" for neither."""
    found = str(connection.get("endpoint_url") or os.environ.get(variable) or "")
    if found and not _URL.fullmatch(found):
        raise EvictError(f"{variable} is no https URL", object=where, operation="connect")
    return found.rstrip("/")


def server(connection: Connection, where: str, headers: Mapping[str, str], url: str = "", authority: str = "") -> Server:
    """The server of a connection, with its own CA (``ca_file``, or ``authority`` in PEM) where it has one. TLS is always checked."""
    file, url = str(connection.get("ca_file") or ""), url or str(connection["url"])
    if url.startswith("http://"):  # on this machine: there is nothing to check
        return Server(url, dict(headers))
    try:
        context = ssl.create_default_context(cafile=os.path.expanduser(file) or None, cadata=authority or None)
    except (OSError, ssl.SSLError) as error:
        raise EvictError(f"{where}: its CA cannot be read ({type(error).__name__})", object=where, operation="connect") from None
    return Server(url, dict(headers), context)
