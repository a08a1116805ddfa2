"""The keys of the incident file that say who is told, by when, and what is in production: strict, every problem by its path, no secret shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import channels
from ansible_collections.evict.cloud.plugins.module_utils.common import incident as incidents
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import InvalidInput
from ansible_collections.evict.cloud.plugins.module_utils.common.message import EVENTS

SLACK = {"kind": "slack", "name": "ops", "url_env": "SLACK_URL"}
BASE = {"id": "IR-1", "opened": "2026-01-22T09:00:00Z", "suspects": [{"cloud": "aws", "access_key_id": "AKIAIOSFODNN7EXAMPLE"}]}


def read(**more: Any) -> incidents.Incident:
    return incidents.validate(BASE | more, "test")


@pytest.mark.parametrize(
    ("keys", "path", "says"),
    [
        ({"notify": ["ops"]}, "incident.notify[0]", "must be a mapping"),
        ({"notify": [{"name": "x"}]}, "incident.notify[0].kind", "is missing"),
        ({"notify": [{"kind": "slak", "name": "x"}]}, "incident.notify[0].kind", "did you mean 'slack'?"),
        ({"notify": [{"kind": "slack", "name": "x"}]}, "incident.notify[0]", "needs one of url_env"),
        ({"notify": [{**SLACK, "url_file": "/x"}]}, "incident.notify[0]", "name one"),
        ({"notify": [{"kind": "slack", "name": "x", "url": "https://hooks.slack.com/services/T0/B0/abc"}]}, "incident.notify[0].url", "it was neither stored nor shown"),
        ({"notify": [{**SLACK, "token": "x"}]}, "incident.notify[0].token", "is never written here"),
        ({"notify": [{**SLACK, "url_env": "https://x"}]}, "incident.notify[0].url_env", "not the name of an environment variable"),
        ({"notify": [{**SLACK, "url_env": "a b"}]}, "incident.notify[0].url_env", "not the name"),
        ({"notify": [{**SLACK, "at": ["hgih"]}]}, "incident.notify[0].at", "'hgih' is none of critical"),
        ({"notify": [{**SLACK, "on": "opened"}]}, "incident.notify[0].on", "must be a list"),
        ({"notify": [{**SLACK, "on": ["opend"]}]}, "incident.notify[0].on", "is none of opened"),
        ({"notify": [{**SLACK, "out_of_band": "yes"}]}, "incident.notify[0].out_of_band", "true or false"),
        ({"notify": [{**SLACK, "timeout": 600}]}, "incident.notify[0].timeout", "60 seconds at most"),
        ({"notify": [{**SLACK, "chanel": "x"}]}, "incident.notify[0].chanel", "unknown key"),
        ({"notify": [SLACK, {**SLACK, "name": "OPS"}]}, "incident.notify[1].name", "is the name of incident.notify[0] too"),
        ({"notify": [{**SLACK, "name": "x\ny"}]}, "incident.notify[0].name", "must be 1 to 64"),
        ({"notify": [{"kind": "jira", "name": "j", "token_env": "T", "endpoint_url": "http://jira.example", "user": "a@b.c", "project": "SEC"}]},
         "incident.notify[0].endpoint_url", "not an https URL"),
        ({"notify": [{"kind": "email", "name": "m", "host": "x", "from": "a@b.c", "to": ["a@b.c\r\nBcc: x@y.z"]}]}, "incident.notify[0].to[0]", "not an e-mail address"),
        ({"notify": [{"kind": "email", "name": "m", "host": "x", "from": "a@b.c", "to": []}]}, "incident.notify[0].to", "is empty"),
        ({"notify": [{"kind": "email", "name": "m", "host": "x", "from": "a@b.c", "to": ["a@b.c"], "tls": "none", "password_env": "P"}]},
         "incident.notify[0].tls", "in the clear"),
        ({"notify": [{"kind": "pagerduty", "name": "p", "routing_key_secret": "x"}]}, "incident.notify[0].routing_key_secret", "not the ARN of a secret"),
        ({"notify": [{"kind": "sns", "name": "s", "topic_arn": "arn:aws:sqs:x:111122223333:q"}]}, "incident.notify[0].topic_arn", "not the ARN of a topic"),
        ({"escalation": [{"after": "10m", "to": ["boss"]}]}, "incident.escalation[0].to", "there is no channel 'boss'"),
        ({"notify": [SLACK], "escalation": [{"after": "soon", "to": ["ops"]}]}, "incident.escalation[0].after", "not a duration"),
        ({"notify": [SLACK], "escalation": [{"after": "10m"}]}, "incident.escalation[0].to", "is empty"),
        ({"notify": [SLACK], "escalation": [{"after": "10m", "unless": "bored", "to": ["ops"]}]}, "incident.escalation[0].unless", "must be one of"),
        ({"severity_matrix": {"critical": {"slak": []}}}, "incident.severity_matrix.critical.slak", "did you mean 'slack'?"),
        ({"severity_matrix": {"urgent": {}}}, "incident.severity_matrix.urgent", "unknown key"),
        ({"severity_matrix": {"low": {"slack": ["x"]}}}, "incident.severity_matrix.low.slack", "is none of opened"),
        ({"production": ["prod"]}, "incident.production[0]", "not an account"),
        ({"legal": ["gdrp"]}, "incident.legal[0]", "is none of"),
        ({"legal": [{"id": "x", "law": "L", "duty": "d", "after": "3 days"}]}, "incident.legal[0].after", "4bd"),
        ({"legal": ["gdpr", "gdpr"]}, "incident.legal", "twice"),
        ({"legal": "no-such-file.yml"}, "incident.legal", "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_path(keys: dict[str, Any], path: str, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(**keys)
    assert any(where == path and says in text for where, text in refused.value.problems), refused.value.problems
    assert "hooks.slack.com" not in str(refused.value) and "routing-key" not in str(refused.value)


def test_what_was_written_is_kept_and_reads_again() -> None:
    once = read(
        notify=[SLACK], escalation=[{"after": "10m", "to": ["ops"]}], severity_matrix={"low": {"slack": ["opened"]}}, legal=["gdpr"]
    )
    assert once.escalation == [{"after": "10m", "unless": "acknowledged", "to": ["ops"]}]
    assert incidents.validate(json.loads(json.dumps(once.as_dict())), "again").as_dict() == once.as_dict()


def test_a_table_of_clocks_is_taken_over_from_beside_the_incident_file(tmp_path: Any) -> None:
    (tmp_path / "mine.yml").write_text("- gdpr\n- {id: acme, law: Contract with ACME, duty: tell them, after: 2bd}\n")
    file = tmp_path / "incident.yml"
    file.write_text(json.dumps({"incident": BASE | {"legal": "mine.yml"}}))
    assert [row if isinstance(row, str) else row["id"] for row in incidents.validate(incidents.load(str(file)), str(file)).legal or []] == [
        "gdpr",
        "acme",
    ]


def test_the_matrix_says_who_is_told_and_can_be_overridden() -> None:
    page, chat = {"kind": "pagerduty", "name": "p"}, {"kind": "slack", "name": "s"}
    assert all(channels.wants(page, "critical", event, {}) for event in EVENTS)
    assert (
        not channels.wants(page, "medium", "contained", {})
        and channels.wants(page, "medium", "escalated", {})
        and not channels.wants(page, "low", "partial", {})
    )
    assert channels.wants(chat, "medium", "opened", {}) and not channels.wants(chat, "medium", "opened", {"medium": {"slack": ["partial"]}})
    assert channels.wants({**page, "on": ["opened"]}, "low", "opened", {}) and not channels.wants(
        {**page, "on": ["opened"]}, "critical", "partial", {}
    )
    assert not channels.wants({**chat, "at": ["critical"]}, "high", "opened", {})
    assert set(channels.MATRIX) == set(channels.SEVERITIES) and all(
        set(events) <= set(EVENTS) for row in channels.MATRIX.values() for events in row.values()
    )


def test_out_of_band() -> None:
    assert not channels.out_of_band([{"kind": "slack", "name": "s"}], "critical")
    assert channels.out_of_band([{"kind": "slack", "name": "s", "out_of_band": True}], "critical")
    assert not channels.out_of_band([{"kind": "slack", "name": "s", "out_of_band": True, "at": ["low"]}], "critical")


def test_a_file_of_defaults(tmp_path: Any) -> None:
    path = tmp_path / "notify.yml"
    path.write_text(json.dumps({"notify": [SLACK]}))
    assert channels.defaults(str(path)) == {"notify": [SLACK]}
    path.write_text(json.dumps({"notify": [SLACK], "store": "x"}))
    with pytest.raises(InvalidInput, match="unknown key 'store'"):
        channels.defaults(str(path))
