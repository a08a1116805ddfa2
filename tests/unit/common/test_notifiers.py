"""Each kind of notifier: the vendor's documented shape, whatever the text, and nothing of what attackers chose that a receiver would act on."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import types
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import mailing, message, notifiers
from ansible_collections.evict.cloud.plugins.module_utils.common.notifiers import jira, kind, secrets, servicenow, sns, webhook

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HOSTILE = [
    "<!channel> <@U1> <https://evil.example|ok> @here @Everyone &amp;",
    "[click](https://evil.example/) **bold** ![i](http://evil.example/a.png)",
    "<img src=x onerror=alert(1)><script>1</script>",
    "x\r\nBcc: all@example.com\r\n\r\nbody",
    "[code]<b>1</b>[/code] [ CODE] {code}",
    "{{ lookup('pipe', 'id') }} {% raw %} ${jndi:ldap://evil.example/a}",
    "\u202egnp.exe \x1b[31m \x00 \u2028",
    "=cmd|' /C calc'!A0",
    "a" * 5000,
    f"key {SECRET}",
]
CHANNELS: dict[str, dict[str, Any]] = {
    "slack": {}, "teams": {}, "pagerduty": {}, "webhook": {},
    "jira": {"endpoint_url": "https://x.atlassian.net", "user": "ir@example.com", "project": "SEC"},
    "servicenow": {"endpoint_url": "https://x.service-now.com", "user": "ir"},
    "email": {"host": "mail", "from": "ir@example.com", "to": ["a@example.com", "b@example.com"]},
    "sns": {"topic_arn": "arn:aws:sns:eu-central-1:111122223333:t"},
}  # fmt: skip
GIVEN = {"url": "https://hook.example/s3cr3t", "routing_key": "r" * 32, "secret": "k" * 32, "token": "t0ken", "password": "pa55"}


def composed(text: str, event: str = "partial", severity: str = "critical") -> message.Message:
    suspect = types.SimpleNamespace(display=lambda: text)
    incident = types.SimpleNamespace(id="IR-1", title=text, suspects=[suspect] * 20)
    row = {"arn": f"arn:aws:iam::111122223333:user/{text}", "action": text}
    result = {"principals": [row] * 20, "failed": [{"object": text, "message": text}] * 20, "open": [{"object": text, "why": text}]}
    rows = [{"state": "running", "law": text, "duty": text, "deadline": "2026-11-25T09:00:00Z"}]
    return message.compose(key="0" * 32, incident=incident, event=event, severity={"level": severity, "why": [text]}, case="/srv/cases/IR-1",
                           at="2026-11-22T09:00:00.000Z", result=result, legal=rows, extra=[text])  # fmt: skip


def sent(name: str, text: str, ref: str = "", **more: Any) -> Any:
    """The payload as it goes out: JSON and back."""
    channel = {"kind": name, "name": "n", "sent_at": "1795894950", **CHANNELS[name]}
    one = notifiers.KINDS[name]
    payload = one.payload(composed(text, **more), channel, ref)
    return json.loads(one.request(channel, payload, GIVEN).body) if one.BY == "uri" else payload


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("name", sorted(notifiers.KINDS))
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
def test_nothing_hostile_gets_through(name: str, text: str) -> None:
    whole = sent(name, text)
    joined = "\n".join(texts(whole))
    assert SECRET not in joined and len(json.dumps(whole)) < 60_000
    assert "https://evil" not in joined and "http://evil" not in joined and "ldap://" not in joined
    assert not {"\r", "\x00", "\x1b", "\u202e", "\u2028"} & set(joined)
    assert "\nBcc:" not in joined


@pytest.mark.parametrize("event", message.EVENTS)
@pytest.mark.parametrize("name", sorted(notifiers.KINDS))
def test_every_event_has_a_message(name: str, event: str) -> None:
    assert "IR-1" in json.dumps(sent(name, "t", event=event))


def test_slack_takes_it_and_mentions_nobody() -> None:
    for text in HOSTILE:
        payload = sent("slack", text)
        assert (
            set(payload) == {"text", "mrkdwn", "link_names", "parse", "unfurl_links", "unfurl_media", "blocks"}
            and payload["mrkdwn"] is False
        )
        for block in payload["blocks"]:
            assert block["type"] in ("header", "section") and block["text"]["type"] == "plain_text"
            assert 0 < len(block["text"]["text"]) <= (150 if block["type"] == "header" else 3000)
        joined = "\n".join(texts(payload)).lower()
        assert "<" not in joined and ">" not in joined and "@here" not in joined and "@everyone" not in joined and "@channel" not in joined


def test_teams_shows_it_without_markdown() -> None:
    for text in HOSTILE:
        payload = sent("teams", text)
        (attachment,) = payload["attachments"]
        card = attachment["content"]
        assert payload["type"] == "message" and attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        assert card["type"] == "AdaptiveCard" and card["version"] == "1.4" and "msteams" not in card
        assert {block["type"] for block in card["body"]} == {"RichTextBlock"}  # a TextBlock would read Markdown
        assert {run["type"] for block in card["body"] for run in block["inlines"]} == {"TextRun"}
        assert len(json.dumps(payload)) < 28_000


@pytest.mark.parametrize(
    ("event", "action"), [("opened", "trigger"), ("partial", "trigger"), ("acknowledged", "acknowledge"), ("released", "resolve")]
)
def test_pagerduty_has_one_alert_for_an_incident(event: str, action: str) -> None:
    payload = sent("pagerduty", HOSTILE[0], event=event)
    assert payload["event_action"] == action and payload["dedup_key"] == "evict-IR-1" and payload["routing_key"] == GIVEN["routing_key"]
    about = payload["payload"]
    assert about["severity"] in ("critical", "error", "warning", "info") and len(about["summary"]) <= 1024 and about["source"]
    dt.datetime.fromisoformat(about["timestamp"])


def test_a_webhook_is_signed_over_time_and_body() -> None:
    channel = {"sent_at": "1795894950"}
    made = webhook.request(channel, webhook.payload(composed("x"), {}, ""), GIVEN)
    expected = hmac.new(GIVEN["secret"].encode(), f"1795894950.{made.body}".encode(), hashlib.sha256).hexdigest()
    assert made.headers["X-Evict-Signature"] == f"v1={expected}" and made.headers["X-Evict-Timestamp"] == "1795894950"
    later = webhook.request({"sent_at": "1795894951"}, json.loads(made.body), GIVEN)
    assert later.headers["X-Evict-Signature"] != made.headers["X-Evict-Signature"] and later.body == made.body
    assert GIVEN["secret"] not in made.body and GIVEN["url"] not in made.body


def nodes(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(inner for child in node.get("content", []) for inner in nodes(child))]


def test_jira_gets_text_nodes_and_then_comments() -> None:
    for text in HOSTILE:
        fields = sent("jira", text)["fields"]
        assert (
            set(fields) == {"project", "issuetype", "summary", "description", "labels"}
            and len(fields["summary"]) <= 255
            and "\n" not in fields["summary"]
        )
        assert not any(" " in label for label in fields["labels"])
        assert fields["description"]["type"] == "doc" and fields["description"]["version"] == 1
        for node in nodes(fields["description"]):
            assert node["type"] in ("doc", "paragraph", "text", "bulletList", "listItem") and "marks" not in node
            assert node["type"] != "text" or node["text"]
    assert sent("jira", "x", "SEC-7").keys() == {"body"}
    assert jira.ref({"key": "SEC-7"}) == "SEC-7" and jira.ref({"key": "../../x"}) == jira.ref([]) == jira.ref(None) == ""


def test_servicenow_shows_no_html_and_then_gets_work_notes() -> None:
    for text in HOSTILE:
        fields = sent("servicenow", text)
        joined = "\n".join(texts(fields)).lower()
        assert (
            "<" not in joined
            and "[code]" not in joined
            and "[/code]" not in joined
            and "[ code]" not in joined
            and len(fields["short_description"]) <= 160
        )
        assert fields["correlation_id"] == "evict-IR-1"
    channel = {**CHANNELS["servicenow"]}
    made = servicenow.request(channel, servicenow.payload(composed("x"), channel, "a" * 32), GIVEN)
    assert made.method == "PATCH" and made.url.endswith("/api/now/table/incident/" + "a" * 32)
    assert servicenow.ref({"result": {"sys_id": "a" * 32}}) == "a" * 32 and servicenow.ref({"result": {"sys_id": "../x"}}) == ""


def test_mail_is_plain_text_and_its_headers_are_one_line_each() -> None:
    for text in HOSTILE:
        built = mailing.build({"kind": "email", **CHANNELS["email"]}, sent("email", text))
        read = message_from_bytes(built.as_bytes(), policy=default)
        assert read.get_content_type() == "text/plain" and not read.is_multipart()
        assert {name.lower() for name in read} <= {
            "from", "to", "subject", "message-id", "in-reply-to", "references", "auto-submitted", "content-type", "content-transfer-encoding", "mime-version",
        }  # fmt: skip
        assert read["To"] == "a@example.com, b@example.com" and "\n" not in read["Subject"]


def test_sns_takes_the_subject() -> None:
    for text in HOSTILE:
        payload = sns.payload(composed(text), {}, "")
        assert payload["Subject"].isascii() and payload["Subject"].isprintable() and 0 < len(payload["Subject"]) <= 100
        assert set(payload["MessageAttributes"]) == {"event", "severity"}


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "ftp://x",
        "file:///etc/passwd",
        "https://",
        "https://a b",
        "gopher://127.0.0.1",
        "http://127.0.0.1.evil.example/",
    ],
)
def test_a_message_never_goes_in_the_clear(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not kind.allowed(url)
    monkeypatch.setenv("HOOK", url)
    assert "does not hold an https URL" in secrets.problem({"kind": "slack", "name": "n", "url_env": "HOOK"})


def test_a_secret_is_read_where_it_is_and_no_error_holds_it(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    channel = {"kind": "pagerduty", "name": "n", "routing_key_file": str(path)}
    assert "cannot be read: No such file" in secrets.problem(channel)
    path.write_text("s3cr3t-one\n")
    assert secrets.resolve(channel, lambda arn: arn) == {"routing_key": "s3cr3t-one"}
    path.write_text("s3cr3t-one\ns3cr3t-two")
    assert "more than one line" in secrets.problem(channel) and "s3cr3t" not in secrets.problem(channel)
    stored = {"kind": "pagerduty", "name": "n", "routing_key_secret": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:pd-AbCdEf"}
    assert secrets.problem(stored) == "" and secrets.resolve(stored, lambda arn: f"of {arn[-6:]}") == {"routing_key": "of AbCdEf"}
    monkeypatch.setenv("EMPTY", "")
    assert "EMPTY is not set or empty" in secrets.problem({"kind": "slack", "name": "n", "url_env": "EMPTY"})


def test_the_registry_is_the_folder() -> None:
    from pathlib import Path

    files = {p.stem for p in Path(notifiers.__file__).parent.glob("*.py")} - {"__init__", "kind", "secrets"}
    assert files == {one.__name__.rsplit(".", 1)[-1] for one in notifiers.KINDS.values()}  # type: ignore[attr-defined]
    assert set(notifiers.KINDS) == {"slack", "teams", "pagerduty", "email", "webhook", "jira", "servicenow", "sns"}
