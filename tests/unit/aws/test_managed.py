# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether infrastructure as code owns an identity, by its tags."""

from __future__ import annotations

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws.managed import managed


@pytest.mark.parametrize(
    ("tags", "owner"),
    [
        ({"aws:cloudformation:stack-name": "ci-users", "ManagedBy": "terraform"}, "CloudFormation stack ci-users"), ({"ManagedBy": "Terraform"}, "Terraform"),
        ({"managed-by": "terraform/prod"}, "Terraform"), ({"managed_by": "OpenTofu"}, "OpenTofu"), ({"Terraform": "true"}, "Terraform"),
        ({"pulumi:project": "web"}, "Pulumi"), ({"crossplane-kind": "user.iam"}, "Crossplane"), ({"Provisioner": "ansible"}, "Ansible"),
        ({"alpha.eksctl.io/cluster-name": "c"}, "eksctl"), ({"aws:servicecatalog:provisionedProductArn": "arn:x"}, "Service Catalog product arn:x"),
        ({"CreatedBy": "AWS CDK"}, "AWS CDK"),
    ],
)  # fmt: skip
def test_who_owns_it(tags: dict[str, str], owner: str) -> None:
    found = managed({"Tags": [{"Key": k, "Value": v} for k, v in tags.items()]})
    assert found.startswith(f"managed by {owner}") and found.endswith("pause it, or it will undo the fence")


@pytest.mark.parametrize(
    "tags", [{}, {"owner": "platform"}, {"ManagedBy": "Ada"}, {"terraform": "false"}, {"CreatedBy": "mallory"}, {"Name": "terraform"}]
)
def test_nothing_says_so(tags: dict[str, str]) -> None:
    assert managed({"Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}) == ""


@pytest.mark.parametrize("facts", [{}, {"Tags": None}, {"Tags": []}])
def test_without_tags(facts: dict[str, object]) -> None:
    assert managed(facts) == ""


def test_a_hostile_value_is_short_and_plain_text() -> None:
    found = managed({"Tags": [{"Key": "pulumi:\x1b[2J{{ lookup('pipe','x') }}", "Value": "terraform\n" + "x" * 5000}]})
    assert "\x1b" not in found and "\n" not in found and len(found) < 500
