# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which value beside the id of a credential is its secret: by form and name, since nobody here has the secret to compare with. Pure; only names come out."""

from __future__ import annotations

import difflib
import re
import urllib.parse
from collections.abc import Mapping

_SECRET = re.compile(r"[A-Za-z0-9/+]{40}")
_SECRET_NAME = re.compile(r"secret|passw|private|(?:^|[_.-])sk$", re.IGNORECASE)
_REFERENCE = re.compile(r"arn:|\{\{|https?:|s3:|true$|false$", re.IGNORECASE)


def partner(name: str, texts: Mapping[str, str]) -> str:
    """The name under which the secret of the id under ``name`` stands; "" when there is none, or when nobody can say which."""
    found = [n for n, value in texts.items() if n != name and secretive(n, value)]
    if len(found) > 1:
        ranked = sorted(((_likeness(name, n), n) for n in found), reverse=True)
        found = [ranked[0][1]] if ranked[0][0] > ranked[1][0] else []
    return found[0] if found else ""


def secretive(name: str, value: str) -> bool:
    """Whether a value looks like the secret half of a credential, by its form, or by its name."""
    plain = urllib.parse.unquote(value.strip())
    return bool(_SECRET.fullmatch(plain)) or (len(plain) >= 16 and bool(_SECRET_NAME.search(name)) and not _REFERENCE.match(plain))


def _likeness(one: str, other: str) -> tuple[float, bool]:
    return round(difflib.SequenceMatcher(None, one.lower(), other.lower()).ratio(), 3), bool(_SECRET_NAME.search(other))


_TWINS = (
    ("access_key_id", "secret_access_key"), ("access-key-id", "secret-access-key"), ("accesskeyid", "secretaccesskey"), ("access_key", "secret_key"),
    ("access-key", "secret-key"), ("accesskey", "secretkey"), ("access_key", "secret_access_key"), ("access-key", "secret-access-key"),
    ("key_id", "key_secret"), ("key-id", "key-secret"), ("key_id", "secret_key"), ("key_id", "secret"), ("key-id", "secret"), ("keyid", "secret"),
    ("id", "secret"), ("username", "password"), ("user", "password"),
)  # fmt: skip


def twins(name: str) -> list[str]:
    """What the object beside ``name`` may be called if that holds the id and it the secret: at most ten names, written as ``name`` is."""
    path, slash, last = name.rpartition("/")
    found: list[str] = []
    for id_word, secret_word in _TWINS:
        start = last.lower().rfind(id_word)
        if start < 0:
            continue
        old = last[start : start + len(id_word)]
        word = secret_word.upper() if old.isupper() else secret_word
        if old[:1].isupper() and not old.isupper():
            word = {"secretaccesskey": "SecretAccessKey", "secretkey": "SecretKey"}.get(secret_word, secret_word.capitalize())
        elif old != old.lower() and not old.isupper():
            word = {"secretaccesskey": "secretAccessKey", "secretkey": "secretKey"}.get(secret_word, secret_word)
        twin = f"{path}{slash}{last[:start]}{word}{last[start + len(id_word) :]}"
        if twin not in found:
            found.append(twin)
    return found[:10]
