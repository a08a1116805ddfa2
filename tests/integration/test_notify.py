"""Every notifier against a server on loopback, under the playbooks that people run: signatures, shapes, failures, hostile text, the ledger as memory."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common import ledger as ledgers
from ansible_collections.evict.cloud.plugins.module_utils.common.store import open_store
from tests.beds.bed import root
from tests.beds.company import PRODUCTION, allow, document
from tests.beds.receivers import MailServer, Receiver, receivers
from tests.integration.helpers import PLAYBOOKS, ROOT, Desk, call_module, utc

pytestmark = pytest.mark.slow

KEY = "AKIAIOSFODNN7EXAMPLE"
SECRETS = {
    "SLACK_URL": "{http}/slack/T000/s3cr3t-slack-path", "TEAMS_URL": "{http}/teams/s3cr3t-teams-path", "PD_KEY": "s3cr3t0routing0key0000000000000",
    "HOOK_URL": "{http}/hook/s3cr3t-hook-path", "HOOK_SECRET": "s3cr3t-signing-key-for-the-hook", "JIRA_TOKEN": "s3cr3t-jira-token-of-the-team",
    "SNOW_PASSWORD": "s3cr3t-servicenow-password", "SMTP_PASSWORD": "s3cr3t-smtp-password",
    "BROKEN_URL": "{http}/broken/s3cr3t-broken-path", "MOVED_URL": "{http}/moved/s3cr3t-moved-path", "HANGING_URL": "{http}/hangs/s3cr3t-hanging-path",
    "DRIPPING_URL": "{http}/drips/s3cr3t-dripping-path",
}  # fmt: skip


def channels(http: Receiver, mail: MailServer) -> list[dict[str, Any]]:
    return [
        {"kind": "slack", "name": "ops chat", "url_env": "SLACK_URL", "out_of_band": True},
        {"kind": "teams", "name": "teams", "url_env": "TEAMS_URL"},
        {"kind": "pagerduty", "name": "duty", "routing_key_env": "PD_KEY", "endpoint_url": http.url},
        {"kind": "webhook", "name": "soar", "url_env": "HOOK_URL", "secret_env": "HOOK_SECRET"},
        {"kind": "jira", "name": "jira", "endpoint_url": http.url, "user": "ir@example.com", "token_env": "JIRA_TOKEN", "project": "SEC"},
        {"kind": "servicenow", "name": "snow", "endpoint_url": http.url, "user": "ir", "password_env": "SNOW_PASSWORD"},
        {
            "kind": "email",
            "name": "mail",
            "host": "127.0.0.1",
            "port": str(mail.port),
            "tls": "none",
            "from": "ir@example.com",
            "to": ["duty@example.com"],
        },
    ]


def broken() -> list[dict[str, Any]]:
    return [
        {"kind": "webhook", "name": "broken", "url_env": "BROKEN_URL", "secret_env": "HOOK_SECRET"},
        {"kind": "webhook", "name": "moved", "url_env": "MOVED_URL", "secret_env": "HOOK_SECRET"},
        {"kind": "webhook", "name": "hangs", "url_env": "HANGING_URL", "secret_env": "HOOK_SECRET", "timeout": 1},
        {"kind": "slack", "name": "unset", "url_env": "NOT_SET_ANYWHERE"},
    ]


class Bench:
    """A case without a cloud, and playbooks run as a person runs them."""

    def __init__(self, folder: Path, http: Receiver, mail: MailServer) -> None:
        self.folder, self.http, self.mail, self.outputs = folder, http, mail, [""]
        self.planted = folder / "planted"
        self.payload = "{{ lookup('pipe', 'touch " + str(self.planted) + "') }}"
        self.title = f"<!channel> @here [x](http://evil.example/) *b* <b>h</b> [code]<i>1</i>[/code] {self.payload} \u202e\x07 |pipe|"
        self.env = {name: text.format(http=http.url) for name, text in SECRETS.items()}
        self.case = folder / "cases" / "IR-N"

    def incident(self, notify: list[dict[str, Any]], **more: Any) -> str:
        path = self.folder / "IR-N.yml"
        raw = {"id": "IR-N", "title": self.title, "severity": "critical", "opened": "2026-01-22T09:00:00Z", "store": str(self.folder / "cases"),
               "suspects": [{"cloud": "aws", "account": "111122223333", "user": "x=@here"}], "notify": notify}  # fmt: skip
        path.write_text(json.dumps({"incident": raw | more}))
        return str(path)

    def play(self, playbook: str, *arguments: str) -> tuple[int, str]:
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8",
                   "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"), **self.env}  # fmt: skip
        command = [str(Path(sys.executable).parent / "ansible-playbook"), str(PLAYBOOKS / f"{playbook}.yml"), *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, encoding="utf-8", timeout=150, check=False)
        self.outputs.append(done.stdout + done.stderr)
        return done.returncode, done.stdout + done.stderr

    def notes(self, kind: str) -> list[dict[str, Any]]:
        state = ledgers.Ledger.open(open_store(str(self.case)), incident="IR-N", module="test", check=True).state
        return [n["data"] for n in state.notes.get(kind, ())]

    def leaks(self) -> list[str]:
        texts = self.outputs + [path.read_text(errors="replace") for path in self.folder.rglob("*") if path.is_file()]
        return sorted({name for name, value in self.env.items() if name in SECRETS for text in texts if value.rpartition("/")[2] in text})


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with receivers() as (http, mail):
        http.answers = {
            "/broken": 500, "/moved": 302, "/hangs": "hang", "/v2/enqueue": 202, "/teams": 202,
            "/rest/api/3/issue": lambda request: (201, {"id": "1", "key": "SEC-7"}),
            "/api/now/table/incident": lambda request: (201, {"result": {"sys_id": "0" * 31 + "a"}}),
        }  # fmt: skip
        yield Bench(tmp_path, http, mail)


def test_everybody_is_told_once_and_who_could_not_be_told_is_named(bench: Bench) -> None:
    http = bench.http
    file = bench.incident([*channels(http, bench.mail), *broken()], aware_at="2026-01-22T09:30:00Z")
    code, said = bench.play("notify", "-e", f"incident={file}", "-vvv")
    assert code == 0, said[-3000:]
    assert not bench.planted.exists()
    for name in ("ops chat", "teams", "duty", "soar", "jira", "snow", "mail"):
        assert f"  NOTIFY  {name} (" in said and any(n["channel"] == name for n in bench.notes("notified")), (name, said[-3000:])
    failed = {n["channel"]: n["why"] for n in bench.notes("notify_failed")}
    assert failed == {
        "broken": "answered 500", "moved": "answered 302, a redirect, which is not followed", "hangs": "no answer in time",
        "unset": "the environment variable NOT_SET_ANYWHERE is not set or empty",
    }, failed  # fmt: skip
    assert http.on("/elsewhere") == []  # a redirect carries the message nowhere
    assert {len(http.on(path)) for path in ("/broken", "/moved", "/hangs")} == {2}  # once more at the end

    slack = json.loads(http.on("/slack")[0]["body"])
    assert (
        {block["text"]["type"] for block in slack["blocks"]} == {"plain_text"}
        and "<" not in json.dumps(slack)
        and "@here" not in json.dumps(slack)
    )
    assert "&lt;!channel&gt;" in json.dumps(slack)
    (attachment,) = json.loads(http.on("/teams")[0]["body"])["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert {block["type"] for block in attachment["content"]["body"]} == {"RichTextBlock"}
    page = json.loads(http.on("/v2/enqueue")[0]["body"])
    assert page["routing_key"] == bench.env["PD_KEY"] and page["event_action"] == "trigger" and page["dedup_key"] == "evict-IR-N"
    (hook,) = http.on("/hook")
    signed = f"{hook['headers']['X-Evict-Timestamp']}.{hook['body']}".encode()
    assert hook["headers"]["X-Evict-Signature"] == "v1=" + hmac.new(bench.env["HOOK_SECRET"].encode(), signed, hashlib.sha256).hexdigest()
    assert abs(int(hook["headers"]["X-Evict-Timestamp"]) - time.time()) < 120
    issue = json.loads(http.on("/rest/api/3/issue")[0]["body"])["fields"]
    assert issue["project"] == {"key": "SEC"} and "\n" not in issue["summary"] and issue["description"]["type"] == "doc"
    record = json.loads(http.on("/api/now/table/incident")[0]["body"])
    assert "[code]" not in json.dumps(record) and "<" not in json.dumps(record) and record["correlation_id"] == "evict-IR-N"
    ((_envelope, mail),) = bench.mail.got
    assert "text/plain" in mail and "text/html" not in mail and mail.count("\nSubject:") == 1
    for request in http.got:
        assert "http://evil.example" not in request["body"]
    assert bench.leaks() == []

    # Again: nobody is told twice, and whoever could not be told is tried again.
    http.answers |= {"/broken": 204, "/moved": 204, "/hangs": 204}
    bench.env["NOT_SET_ANYWHERE"] = http.url + "/slack/second"
    before = {path: len(http.on(path)) for path in ("/slack/T000", "/teams", "/hook", "/v2", "/rest", "/api")}
    code, said = bench.play("notify", "-e", f"incident={file}")
    assert code == 0 and {path: len(http.on(path)) for path in before} == before and len(bench.mail.got) == 1, said[-2000:]
    assert {n["channel"] for n in bench.notes("notified")} >= {"broken", "moved", "hangs", "unset"}
    assert bench.leaks() == []

    # A test asks everybody and sends nothing.
    http.answers["/hangs"] = "hang"
    bench.env["NOT_SET_ANYWHERE"] = "https://127.0.0.1:1/x"
    count, records = len(http.got), len(list(bench.case.rglob("ledger/*/*.json")))
    code, said = bench.play("notify", "-e", f"incident={file}", "-e", "notify_mode=test")
    assert code == 0 and len(http.got) == count and len(bench.mail.got) == 1, said
    assert "changed=0" in said and len(list(bench.case.rglob("ledger/*/*.json"))) == records
    assert "NOTIFY  mail (email): answers, and takes the login" in said and "NOTIFY  duty (pagerduty): 127.0.0.1 answers" in said
    assert "NOTIFY  unset (slack): CANNOT BE USED, 127.0.0.1: " in said

    # Somebody takes it on: PagerDuty's alert is acknowledged, the tickets get a comment.
    code, said = bench.play(
        "confirm", "-e", f"case={bench.case}", "-e", json.dumps({"item": "incident", "by": "Ada <b>", "reason": "on it"})
    )
    assert code == 0, said
    assert bench.notes("confirmed") == [{"item": "incident", "by": "Ada <b>", "note": "on it"}]
    assert json.loads(http.on("/v2/enqueue")[-1]["body"])["event_action"] == "acknowledge"
    comment = http.on("/rest/api/3/issue/SEC-7/comment")[-1]
    assert "Ada <b>: on it" in comment["body"] and http.on("/api/now/table/incident")[-1]["method"] == "PATCH"


def test_no_secret_of_a_notifier_lies_in_a_file_while_its_server_answers(bench: Bench) -> None:
    seen: list[str] = []

    def slow(_request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        seen.append(f"{len(list((bench.folder / 'remote').rglob('*')))} files, {bench.leaks()}")
        return 200, {}

    bench.http.answers["/slack"] = slow
    (bench.folder / "remote").mkdir()
    bench.env |= {"ANSIBLE_REMOTE_TEMP": str(bench.folder / "remote")}
    file = bench.incident(channels(bench.http, bench.mail)[:1])
    code, said = bench.play("notify", "-e", f"incident={file}")
    assert code == 0 and len(seen) == 1 and seen[0].endswith(" []"), (seen, said[-2000:])
    # Files that are kept on purpose would hold it for ever.
    file = bench.incident(channels(bench.http, bench.mail)[:2])
    bench.env |= {"ANSIBLE_KEEP_REMOTE_FILES": "1"}
    code, said = bench.play("notify", "-e", f"incident={file}")
    assert code == 0 and "NOTIFY  teams (teams): opened: NOT SENT, ANSIBLE_KEEP_REMOTE_FILES is set" in said, said[-2000:]
    assert bench.http.on("/teams") == [] and bench.leaks() == []


def test_a_containment_that_cannot_begin_is_told_with_a_target_too(bench: Bench) -> None:
    file = bench.incident(channels(bench.http, bench.mail)[:1])
    (bench.folder / "hosts").write_text("[aws_accounts]\nprod evict_account=111122223333\n")
    bench.env |= {"AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "eu-west-1"}
    code, said = bench.play("contain", "-e", f"incident={file}", "-i", str(bench.folder / "hosts"), "-e", "target=aws_accounts")
    assert code == 2 and "could not be resolved" in said, said[-2000:]
    told = [n["event"] for n in bench.notes("notified")]
    assert told == ["opened", "error", "escalated"], (told, said[-2000:])


def confirm(case: Path, check: bool = False, **given: str) -> dict[str, Any]:
    return call_module("case_confirm", {"case": str(case), **given}, check)


def test_what_is_confirmed_is_named_once_and_by_somebody(bench: Bench) -> None:
    opened = call_module("case", {"incident": bench.incident([]), "directory": str(bench.folder)})
    assert opened["notifiers"] == [] and opened["changed"]
    mine = bench.folder / "notify.yml"
    mine.write_text(
        json.dumps({"notify": [{"kind": "slack", "name": "ops", "url_env": "SLACK_URL"}], "escalation": [{"after": "10m", "to": ["ops"]}]})
    )
    one = {"suspect": KEY, "directory": str(bench.folder / "elsewhere"), "notify_file": str(mine), "allow_local_store": True}
    (bench.folder / "elsewhere").mkdir()
    found = call_module("case", one)
    assert found["notifiers"] == ["ops"] and not call_module("case", one)["changed"], found
    wrong = confirm(bench.case, item="incidnet", by="Ada")
    assert wrong["failed"] and "did you mean 'incident'?" in wrong["msg"] and "severity" in wrong["msg"]
    assert "say who" in confirm(bench.case, item="incident")["msg"]
    assert "must be one of" in confirm(bench.case, item="severity", by="Ada", note="n")["msg"]
    assert "AWS secret" in confirm(bench.case, item="incident", by="Ada", note="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")["msg"]
    assert confirm(bench.case, True, item="incident", by="Ada")["changed"] and bench.notes("confirmed") == []
    assert (
        confirm(bench.case, item="incident", by="Ada", note=bench.payload)["changed"]
        and not confirm(bench.case, item="incident", by="Bob")["changed"]
    )
    assert confirm(bench.case, item="incident", by="Bob")["by"] == "Ada" and bench.notes("confirmed")[0]["note"] == bench.payload
    assert confirm(bench.case, item="severity", level="low", by="Ada", note="a sandbox")["changed"]
    assert not confirm(bench.case, item="severity", level="low", by="Ada", note="a sandbox")["changed"]
    (bench.case / "result.json").write_text(json.dumps({"manual": [{"id": "manual/portal-session/1", "what": "end it"}]}))
    assert confirm(bench.case, item="manual/portal-session/1", by="Ada")["changed"]
    assert confirm(bench.case, item="legal/gdpr", by="Ada")["changed"]


@pytest.mark.bed
def test_a_notifier_that_hangs_holds_no_containment_up(desk: Desk) -> None:
    """It answers only when it has seen the leaked key denied in the ledger: if containment waited for it, both would wait for ever."""
    bed, seen = desk.bed, []

    def after_the_cut(_request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        end = time.time() + 50
        while time.time() < end and not seen:
            seen.extend(
                s
                for s, known in desk.ledger().steps.items()
                if "#policy/evict-quarantine" in s and (known["outcome"] or {}).get("status") == "done"
            )
            time.sleep(0.2)
        return 200 if seen else 503, {}

    owner = root(bed.management)
    sns, sqs, iam = (bed.client(service, owner, direct=True) for service in ("sns", "sqs", "iam"))
    iam.put_user_policy(UserName="responder", PolicyName="notify", PolicyDocument=document(allow("sns:Publish")))
    topic = sns.create_topic(Name="incidents")["TopicArn"]
    queue = sqs.create_queue(QueueName="incidents")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    told_by = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": document(told_by)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    with Receiver() as http:
        http.answers = {"/hangs": after_the_cut, "/broken": 500}
        env = {
            "HANGS": f"{http.url}/hangs",
            "BROKEN": f"{http.url}/broken",
            "GOOD": f"{http.url}/good",
            "SIGN": "s3cr3t-signing-key-for-the-hook",
        }
        hook = {"kind": "webhook", "secret_env": "SIGN"}
        desk.incident(desk.company.leaked.access_key, severity="critical", aware_at=utc(-3600), notify=[
            {**hook, "name": "hangs", "url_env": "HANGS", "timeout": 60, "out_of_band": True}, {**hook, "name": "broken", "url_env": "BROKEN"},
            {**hook, "name": "good", "url_env": "GOOD"}, {"kind": "sns", "name": "topic", "topic_arn": topic},
        ])  # fmt: skip
        copy = desk.folder / "result.json"
        code, said = desk.play("contain", "-e", f"incident={desk.file}", "-e", "hold=1s", "-e", f"result_file={copy}", env=env)
        assert seen and code in (0, 2), said[-3000:]
        kept = json.loads((desk.case / "result.json").read_text())
        assert {r["action"] for r in kept["principals"]} & {"contained"}, said[-3000:]
        assert [r["state"] for r in kept["notify"] if r["name"] == "hangs"] == ["sent"] * 2 and "notifier broken" in {
            o["object"] for o in kept["open"]
        }
        assert json.loads(copy.read_text())["notify"] == kept["notify"] and kept["status"] == ("ok" if code == 0 else kept["status"])
        assert "  SEVERITY critical" in said and "  LEGAL   " in said and "not legal advice" in said
        assert (desk.case / "report/drafts/regulator.md").stat().st_mode & 0o777 == 0o600
        events = [json.loads(r["body"])["event"] for r in http.on("/good")]
        assert events[0] == "opened" and events[-1] in ("contained", "open") and len(events) == len(set(events))
        told = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        assert told and all("IR-1" in m["Body"] for m in told), [line for line in said.splitlines() if "NOTIFY" in line or "topic" in line]
        # Again, with a host for each account: nobody is told twice; the containment changes nothing.
        hosts = desk.folder / "hosts.yml"
        hosts.write_text(json.dumps({"aws_accounts": {"hosts": {PRODUCTION: {"ansible_connection": "local"}}}}))
        code, said = desk.play("contain", "-e", f"case={desk.case}", "-e", "hold=1s", "-i", str(hosts), "-e", "target=all", env=env)
        assert len(http.on("/good")) == len(events) and "NOTIFY  good" not in said and "changed: 0" in said, said[-3000:]
        code, said = desk.play("recover", "-e", f"case={desk.case}", env=env)
        assert json.loads(http.on("/good")[-1]["body"])["event"] == "released", said[-2000:]
    assert desk.verified() and desk.leaks("s3cr3t-signing-key-for-the-hook") == []
