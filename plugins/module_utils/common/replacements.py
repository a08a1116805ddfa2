# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``incident.replacements``: what takes the place of a user's other credentials (console password, service-specific, SSH key, signing certificate).

Public halves come from the owner, as text or as the path of a file, which is read once: the case holds the text. No secret stands here; where a new
one is handed over is named (``handover``: a secret in Secrets Manager that only its owner reads).
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import typing as t

from .schema import Fields, Problem, secret_in, show

KINDS = ("login_profile", "service_specific_credential", "ssh_public_key", "signing_certificate")
_PUBLIC = {"ssh_public_key": "public_key", "signing_certificate": "certificate"}  # kind -> the key under which the owner's half stands
_KEYS: dict[str, tuple[str, ...]] = {
    "login_profile": ("handover",),
    "service_specific_credential": ("id", "how", "handover", "free_slot"),
    "ssh_public_key": ("public_key", "public_key_file", "replaces", "free_slot"),
    "signing_certificate": ("certificate", "certificate_file", "replaces", "free_slot"),
}
HOWS = ("reset", "replace")
_LARGEST = 16384  # IAM's own limit
_USER = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:user/[!-~]{1,576}|[\w+=,.@-]{1,64}", re.ASCII)
_ID = re.compile(r"\w{16,128}", re.ASCII)
_CERTIFICATE_ID = re.compile(r"\w{24,128}", re.ASCII)
_SECRET = re.compile(
    r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,512}|[A-Za-z0-9/_+=.@-]{1,512}", re.ASCII
)
_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}")
_SSH = re.compile(
    r"(ssh-[a-z0-9-]{2,20}|ecdsa-[a-z0-9-]{2,30}|sk-[a-z0-9@.-]{2,40})[ \t]+([A-Za-z0-9+/=]{32,12000})(?:[ \t][^\r\n]{0,1000})?", re.ASCII
)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]{64,16000})-----END CERTIFICATE-----", re.ASCII)
_BITS = 2048  # the fewest that IAM takes


def read(fields: Fields, base: str) -> list[dict[str, t.Any]]:
    """The entries in their canonical form, files read (``base``: what a relative path counts from); problems are noted by path."""
    found: list[dict[str, t.Any]] = []
    said: dict[tuple[str, ...], str] = {}
    for path, item in fields.sequence("replacements"):
        entry = _entry(item, path, fields.problems, base)
        names: list[tuple[str, ...]] = [(entry["user"].rsplit("/", 1)[-1], entry["kind"], str(entry.get("id", "")))]
        names += [tuple(str(v) for v in entry["handover"].values())] if entry.get("handover") else []
        for name in names:
            first = said.setdefault(name, path)
            if first != path and entry["user"]:
                fields.problems.append((path, f"is for the same {'credential' if name is names[0] else 'secret'} as {first}"))
        found.append(entry)
    return found


def _entry(raw: t.Any, path: str, problems: list[Problem], base: str) -> dict[str, t.Any]:
    given = raw.get("kind") if isinstance(raw, dict) else None
    keys = _KEYS.get(given, tuple({key for some in _KEYS.values() for key in some})) if isinstance(given, str) else ()
    fields = Fields(raw if raw is not None else [], path, problems, ("user", "kind", *(keys if isinstance(raw, dict) else ())))
    kind = fields.choice("kind", KINDS, "login_profile", required=True)
    says = "neither the ARN nor the name of a user"
    found: dict[str, t.Any] = {"user": fields.text("user", required=True, pattern=_USER, says=says), "kind": kind}
    if given != kind:
        return found
    if kind in _PUBLIC:
        found[_PUBLIC[kind]] = _public(fields, _PUBLIC[kind], base)
        form = _ID if kind == "ssh_public_key" else _CERTIFICATE_ID
        found["replaces"] = fields.texts("replaces", form, "not the id of such a credential")
    if kind == "service_specific_credential":
        found["id"] = fields.text("id", required=True, pattern=_ID, says="not the id of a service-specific credential (ACCA…)")
        found["how"] = fields.choice("how", HOWS, "reset")
    if "free_slot" in keys:
        found["free_slot"] = fields.text("free_slot", pattern=_ID, says="not the id of a credential")
    if "handover" in keys:
        found["handover"] = _handover(fields, required=kind == "service_specific_credential")
    return {key: value for key, value in found.items() if value or key == "user"}


def _handover(fields: Fields, required: bool) -> dict[str, str]:
    raw = fields.raw.get("handover")
    if raw is None:
        if required:
            fields.problems.append((f"{fields.path}.handover", "is missing: name the secret that its owner reads, as {secret: ARN}"))
        return {}
    inner = Fields(raw, f"{fields.path}.handover", fields.problems, ("secret", "region"))
    name = inner.text("secret", required=True, pattern=_SECRET, says="neither the ARN nor the name of a secret")
    region = inner.text("region", pattern=_REGION, says="not a region")
    parts = name.split(":")
    if name and len(parts) == 1 and not region:
        fields.problems.append((f"{fields.path}.handover.region", "is missing: a name alone does not say where the secret is"))
    if len(parts) > 1 and region not in ("", parts[3]):
        fields.problems.append((f"{fields.path}.handover.region", f"is {region}, and the ARN says {parts[3]}"))
    return {"secret": name, "region": region or (parts[3] if len(parts) > 3 else "")} if name else {}


def _public(fields: Fields, key: str, base: str) -> str:
    """The owner's half, without its comment; "" when it is none."""
    file, path = f"{key}_file", f"{fields.path}.{key}"
    if (fields.raw.get(key) is None) == (fields.raw.get(file) is None):
        fields.problems.append((path, f"must be given, or {file}, and not both: the owner's new public half"))
        return ""
    text = fields.text(key) if fields.raw.get(key) is not None else ""
    if fields.raw.get(file) is not None:
        path, name = f"{fields.path}.{file}", fields.text(file, required=True)
        try:
            with open(os.path.join(base, os.path.expanduser(name)), "rb") as stream:
                text = stream.read(_LARGEST + 1).decode("ascii")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it holds more than plain text"
            fields.problems.append((path, f"cannot be read: {show(name)}: {why}"))
            return ""
    if "PRIVATE KEY" in text or secret_in(text) == "a private key":
        fields.problems.append(
            (path, "is the private half, which nobody but its owner may have: make a new pair, and give the public half")
        )
        return ""
    why, canonical = (_ssh if key == "public_key" else _certificate)(text.strip())
    if why:
        fields.problems.append((path, why))
    return canonical


def _ssh(text: str) -> tuple[str, str]:
    found = _SSH.fullmatch(text)
    if not found or len(text) > _LARGEST:
        return "is no SSH public key on one line (ssh-rsa AAAA…)", ""
    if found[1] != "ssh-rsa":
        return f"is of type {found[1]}; IAM takes ssh-rsa alone", ""
    try:
        blob = base64.b64decode(found[2], validate=True)
    except (binascii.Error, ValueError):
        return "is no SSH public key: its body is not base64", ""
    fields: list[bytes] = []
    rest = blob
    while len(rest) >= 4 and len(fields) < 4:
        size = int.from_bytes(rest[:4], "big")
        fields.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    if len(fields) != 3 or rest or fields[0] != b"ssh-rsa" or b"".join(len(f).to_bytes(4, "big") + f for f in fields) != blob:
        return "is no SSH public key: its body is not one of ssh-rsa", ""
    bits = int.from_bytes(fields[2], "big").bit_length()
    if bits < _BITS:
        return f"has {bits} bits; IAM takes {_BITS} and more", ""
    return "", f"ssh-rsa {found[2]}"


def _certificate(text: str) -> tuple[str, str]:
    found = _PEM.fullmatch(text)
    if not found or len(text) > _LARGEST:
        return "is no single certificate in PEM", ""
    body = "".join(found[1].split())
    try:
        blob = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return "is no certificate: its body is not base64", ""
    if not blob.startswith(b"\x30\x82"):
        return "is no certificate: its body is not one of X.509", ""
    return "", f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----"


def pem(canonical: str) -> str:
    """As tools write it: lines of 64 characters. Canonical is one line, since a short last line may look like a secret."""
    first, body, last = canonical.split("\n")
    return "\n".join([first, *(body[i : i + 64] for i in range(0, len(body), 64)), last])
