# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of Secrets Manager: the resource policy (T1555.006)."""

from __future__ import annotations

from ...common.plan import Call, Path, Probe, Target
from ...common.reader import Reader
from .kind import PARSED, Name, Resource, Writer, ask

SERVICE = "secretsmanager"
NOUN = "secret"
EVENTS: frozenset[str] = frozenset({
    "GetSecretValue", "BatchGetSecretValue", "PutSecretValue", "UpdateSecret", "DeleteSecret", "PutResourcePolicy", "DeleteResourcePolicy",
    "UpdateSecretVersionStage", "RotateSecret", "ReplicateSecretToRegions",
})  # fmt: skip
NAMED: tuple[str, ...] = ("secretId", "secretIdList")
DENIED: tuple[str, ...] = ("secretsmanager:*",)
CHANGE = "secretsmanager:PutResourcePolicy"
SIZE, STATEMENTS = 20480, 0  # of its API model
TEXT: Path = ("ResourcePolicy",)
GONE: tuple[str, ...] = ("ResourceNotFoundException",)
NEEDS_ALLOW = False
READS: tuple[str, ...] = ("secretsmanager:GetResourcePolicy",)


def resolve(target: Target, name: str, _partition: str, reader: Reader) -> Resource:
    found = ask(Call(target, "secretsmanager", "GetResourcePolicy", {"SecretId": name}), GONE, f"secret {name}", reader)
    return Resource(found["ARN"], target, {"kind": "secretsmanager.secret", "SecretId": found["ARN"]}, f"secret {found.get('Name', name)}")


def document(target: Target, name: Name) -> tuple[Probe, Writer]:
    secret = {"SecretId": name["SecretId"]}

    def write(policy: str | None) -> Call:
        if policy is None:
            return Call(target, "secretsmanager", "DeleteResourcePolicy", secret)
        return Call(target, "secretsmanager", "PutResourcePolicy", {**secret, "ResourcePolicy": policy})

    return Probe(Call(target, "secretsmanager", "GetResourcePolicy", secret), (PARSED,)), Writer(write)


def covered(_one: Resource) -> list[str]:
    return ["*"]  # in a secret's policy: this secret
