# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets of a channel, read where they are used and kept nowhere. No message of an error holds anything of them."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Callable, Mapping

from ..errors import EvictError
from . import KINDS
from .kind import LOOPBACK, URL  # http to this machine is for tests and relays

MAX = 8192
FromStore = Callable[[str], str]  # an ARN -> the secret
KEPT = "ANSIBLE_KEEP_REMOTE_FILES is set (or keep_remote_files), which would leave its secret in a file: unset it"


def resolve(channel: Mapping[str, t.Any], from_store: FromStore) -> dict[str, str]:
    """{name: secret} of a channel. Raises ``EvictError``, which names the channel and where the secret should be."""
    found = {}
    for name, required in KINDS[channel["kind"]].SECRETS.items():
        value = _one(channel, name, from_store)
        if value is None:
            if required:
                raise _error(channel, f"{name} is not configured")
            continue
        found[name] = value
    return found


def problem(channel: Mapping[str, t.Any]) -> str:
    """Why a channel cannot be used, as far as that is known without asking anybody; "" when nothing is wrong."""
    try:
        resolve(
            {k: v for k, v in channel.items() if not k.endswith("_secret")} | {k: "" for k in channel if k.endswith("_secret")},
            lambda _arn: "",
        )
    except EvictError as error:
        return error.message
    return ""


def _one(channel: Mapping[str, t.Any], name: str, from_store: FromStore) -> str | None:
    if f"{name}_env" in channel:
        where = f"the environment variable {channel[f'{name}_env']}"
        value = os.environ.get(channel[f"{name}_env"], "")
    elif f"{name}_file" in channel:
        where = f"the file {channel[f'{name}_file']}"
        value = _read(channel, where, channel[f"{name}_file"])
    elif f"{name}_secret" in channel:
        if not channel[f"{name}_secret"]:  # is not asked now
            return ""
        where = str(channel[f"{name}_secret"])
        value = from_store(where)
    else:
        return None
    value = value.strip()
    if not value:
        raise _error(channel, f"{where} is not set or empty")
    if len(value) > MAX or not value.isprintable() or not value.isascii():
        raise _error(channel, f"{where} holds more than one line of plain text")
    if name == "url" and not (URL.fullmatch(value) or LOOPBACK.fullmatch(value)):
        raise _error(channel, f"{where} does not hold an https URL")
    return value


def _read(channel: Mapping[str, t.Any], where: str, path: str) -> str:
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            return file.read(MAX + 2)
    except (OSError, ValueError) as error:
        raise _error(channel, f"{where} cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}") from None


def _error(channel: Mapping[str, t.Any], why: str) -> EvictError:
    return EvictError(why, object=f"notifier {channel.get('name')}", operation="notify")
