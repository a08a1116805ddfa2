# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether infrastructure as code owns an identity: then somebody's next run undoes its fence, unless it is paused.

From the tags that GetUser and GetRole answer with. Nobody but AWS can set a tag that begins with ``aws:``; every other tag is what its writer says, who may
be the attacker: a hint for a person, on which nothing is decided.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..common.schema import printable

_STACK = "aws:cloudformation:stack-name"
_CATALOGUE = "aws:servicecatalog:provisionedproductarn"
_TOOLS = {
    "terraform": "Terraform", "opentofu": "OpenTofu", "tofu": "OpenTofu", "pulumi": "Pulumi", "cdktf": "CDK for Terraform", "cdk": "AWS CDK",
    "crossplane": "Crossplane", "ansible": "Ansible", "terragrunt": "Terragrunt", "serverless": "Serverless Framework", "eksctl": "eksctl",
    "atlantis": "Atlantis", "spacelift": "Spacelift", "cloudformation": "CloudFormation", "ack": "AWS Controllers for Kubernetes",
}  # fmt: skip
_OWNERS = {
    "managedby",
    "manager",
    "createdby",
    "provisioner",
    "provisionedby",
    "deployedby",
    "iac",
    "iactool",
    "createdwith",
    "managedwith",
}
_PREFIXES = {"pulumi:": "Pulumi", "crossplane-": "Crossplane", "crossplane.io/": "Crossplane", "alpha.eksctl.io/": "eksctl", "eksctl.": "eksctl",
             "services.k8s.aws/": "AWS Controllers for Kubernetes", "hc-": "HCP Terraform", "tfc-": "HCP Terraform", "spacelift": "Spacelift"}  # fmt: skip
_NO = {"false", "no", "0", "none", ""}


def managed(facts: Mapping[str, t.Any]) -> str:
    """``managed by CloudFormation stack NAME: pause it, …`` of an answer of GetUser or GetRole; "" when nothing says so."""
    tags = {str(tag.get("Key", "")): str(tag.get("Value", "")) for tag in facts.get("Tags") or ()}
    if stack := tags.get(_STACK):
        return _text(f"CloudFormation stack {_short(stack)}")
    if product := next((v for k, v in tags.items() if k.lower() == _CATALOGUE), ""):
        return _text(f"Service Catalog product {_short(product)}")
    for key, value in sorted(tags.items()):
        if owner := _owner(key, value):
            return _text(f"{owner}, as its tag {_short(key)}={_short(value)} says")
    return ""


def _owner(key: str, value: str) -> str:
    plain = "".join(c for c in key.lower() if c.isalnum())
    if plain in _OWNERS:
        said = value.lower()
        return next(
            (name for word, name in _TOOLS.items() if word in said.replace("-", " ").replace("_", " ").replace("/", " ").split()), ""
        )
    if found := next((name for prefix, name in _PREFIXES.items() if key.lower().startswith(prefix)), ""):
        return found
    return _TOOLS.get(plain, "") if value.lower().strip() not in _NO else ""


def _text(owner: str) -> str:
    return f"managed by {owner}: pause it, or it will undo the fence"


def _short(text: str) -> str:
    return printable(text, 120)
