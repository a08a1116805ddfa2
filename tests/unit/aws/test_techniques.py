# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of techniques: complete, one technique for each call, and names that eviction can use, whatever stands in the record."""

from __future__ import annotations

import collections
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import techniques
from ansible_collections.evict.cloud.plugins.module_utils.aws.techniques import naming
from ansible_collections.evict.cloud.plugins.module_utils.aws.techniques.naming import Act

FOLDER = Path(__file__).resolve().parents[3] / "plugins/module_utils/aws/techniques"
ACCOUNT = "111122223333"


def act(event: str, request: Any = None, response: Any = None, **more: Any) -> Act:
    service, _colon, operation = event.partition(":")
    return Act(service, operation, ACCOUNT, "eu-west-1", request=request, response=response, **more)


def test_every_file_is_registered_and_every_id_is_one_files() -> None:
    files = {p.stem for p in FOLDER.glob("*.py")} - {"__init__", "naming"}
    assert {t.__name__.rpartition(".")[2] for t in techniques.TECHNIQUES} == files
    assert len(techniques.BY_ID) == len(techniques.TECHNIQUES) == 95


def test_a_call_belongs_to_one_technique() -> None:
    counted = collections.Counter(event for t in techniques.TECHNIQUES for event in t.EVENTS)
    assert [event for event, n in counted.items() if n > 1] == []


@pytest.mark.parametrize("technique", techniques.TECHNIQUES, ids=lambda t: str(t.ID))
def test_a_file_says_what_it_must(technique: Any) -> None:
    assert re.fullmatch(r"AWS-\d\d", technique.ID) and technique.NAME and technique.LOOKALIKE and technique.TIER in (1, 2, 3)
    assert all(re.fullmatch(r"T\d{4}(\.\d{3})?", m) for m in technique.MITRE)
    assert technique.EVENTS or hasattr(technique, "claims") or technique.ID == "AWS-08"  # which the lineage tells from many calls
    for event, template in technique.EVENTS.items():
        assert re.fullmatch(r"[a-z0-9-]+:[A-Za-z0-9]+", event), event
        places = [choice for place in re.findall(r"\{([^{}]*)\}", template) for choice in place.split("|")]
        roots = {choice.partition(".")[0] for choice in places}
        assert roots <= {"q", "r", "e", "at", "account", "region", "partition", "actor", "resource"}, (event, roots)
        assert all("." in choice for choice in places if choice[:2] in ("q.", "r.", "e.", "at")), event
        assert sum(place.count("[]") for place in re.findall(r"\{([^{}|]*)", template)) <= 1 or event == "ec2:x", event


@pytest.mark.parametrize(
    ("found", "technique", "names"),
    [
        (
            act("iam:CreateAccessKey", {"userName": "eve"}, {"accessKey": {"accessKeyId": "AKIAIOSFODNN7EXAMPLE", "userName": "eve"}}),
            "AWS-01",
            ["AKIAIOSFODNN7EXAMPLE of arn:aws:iam::111122223333:user/eve"],
        ),
        (
            act("iam:CreateAccessKey", None, {"accessKey": {"accessKeyId": "AKIAIOSFODNN7EXAMPLE", "userName": "own"}}, actor_type="IAMUser"),
            "AWS-01",
            ["AKIAIOSFODNN7EXAMPLE of arn:aws:iam::111122223333:user/own"],
        ),
        (act("iam:CreateAccessKey", None, {"accessKey": {"accessKeyId": "AKIA1"}}, actor_type="Root"), "AWS-04", []),
        (act("iam:UpdateAssumeRolePolicy", {"roleName": "deploy"}), "AWS-09", ["arn:aws:iam::111122223333:role/deploy"]),
        (
            act("ec2:RunInstances", {}, {"instancesSet": {"items": [{"instanceId": "i-1"}, {"instanceId": "i-2"}]}}),
            "AWS-72",
            ["arn:aws:ec2:eu-west-1:111122223333:instance/i-1", "arn:aws:ec2:eu-west-1:111122223333:instance/i-2"],
        ),
        (
            act("ec2:CreateLaunchTemplate", {}, {"CreateLaunchTemplateResponse": {"launchTemplate": {"launchTemplateId": "lt-1"}}}),
            "AWS-72",
            ["arn:aws:ec2:eu-west-1:111122223333:launch-template/lt-1"],
        ),
        (
            act("ec2:ModifyInstanceMetadataOptions", {"ModifyInstanceMetadataOptionsRequest": {"InstanceId": "i-1"}}),
            "AWS-84",
            ["arn:aws:ec2:eu-west-1:111122223333:instance/i-1"],
        ),
        (
            act("secretsmanager:GetSecretValue", {"secretId": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf"}),
            "AWS-41",
            ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf"],
        ),
        (act("secretsmanager:GetSecretValue", {"secretId": "db"}), "AWS-41", ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:db"]),
        (
            act("kms:Decrypt", None, None, resources=("arn:aws:kms:eu-west-1:111122223333:key/1",)),
            "AWS-41",
            ["arn:aws:kms:eu-west-1:111122223333:key/1"],
        ),
        (act("iam:DeleteUserPolicy", {"userName": "ci", "policyName": "evict-deny-IR-1"}), "AWS-87", ["policy evict-deny-IR-1 of arn:aws:iam::111122223333:user/ci"]),
        (act("iam:DeleteUserPolicy", {"userName": "ci", "policyName": "app"}), "AWS-91", ["policy app of arn:aws:iam::111122223333:user/ci"]),
        (act("iam:ListUsers", None, None), "", []),
        (Act("iam", "CreateUser", "", "", request={}, response={"user": {"arn": "arn:aws-cn:iam::1:user/x"}}), "AWS-02", ["arn:aws-cn:iam::1:user/x"]),
    ],
)  # fmt: skip
def test_what_a_call_was_about_is_named_as_eviction_needs_it(found: Act, technique: str, names: list[str]) -> None:
    which, objects = techniques.of(found)
    assert (which.ID if which else "", objects) == (technique, names)


HOSTILE: list[Any] = [
    None,
    "",
    "{account}",
    "{{ x }}",
    7,
    True,
    [],
    {},
    [[]],
    {"items": "x"},
    {"items": [None, 1, {"instanceId": {"a": 1}}]},
    "x" * 10_000,
]


@pytest.mark.parametrize("technique", techniques.TECHNIQUES, ids=lambda t: str(t.ID))
def test_whatever_stands_in_a_record_gives_names_or_none(technique: Any) -> None:
    for event, template in technique.EVENTS.items():
        names = {part.removesuffix("[]") for choice in re.findall(r"[{|][qre]\.([^{}|]*)", template) for part in choice.split(".")}
        for payload in HOSTILE:
            deep: Any = payload
            for name in sorted(names):
                deep = {name: deep, **dict.fromkeys(names, payload)}
            _which, objects = techniques.of(act(event, deep, deep, extra=payload, resources=("r",)))
            assert all(isinstance(name, str) and len(name) < 20_000 for name in objects) and len(objects) <= 1000
    assert naming.objects("{q.a}", act("x:Y", {"a": "{region}"})) == ["{region}"]  # a value is no template
