"""What is due: the ledger is the memory, outcomes are told when they change, escalation by time and by a containment that is not whole."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.action import case_notify as action
from ansible_collections.evict.cloud.plugins.module_utils.common import confirming, message, notifying, process
from ansible_collections.evict.cloud.plugins.module_utils.common import incident as incidents
from ansible_collections.evict.cloud.plugins.module_utils.common.ledger import Ledger
from ansible_collections.evict.cloud.plugins.module_utils.common.notifiers import KINDS
from ansible_collections.evict.cloud.plugins.module_utils.common.store import open_store

CHAT = {"kind": "slack", "name": "chat", "url_env": "U", "out_of_band": True}
PAGE = {"kind": "pagerduty", "name": "page", "routing_key_env": "U", "at": ["low"]}
BOSS = {"kind": "webhook", "name": "boss", "url_env": "U", "secret_env": "U", "at": ["low"]}
ARN = "arn:aws:iam::111122223333:user/ci"


class Room:
    def __init__(self, folder: Path, **more: Any) -> None:
        self.case = folder / "IR-1"
        raw = {
            "id": "IR-1",
            "title": "t",
            "severity": "high",
            "opened": "2026-01-22T09:00:00Z",
            "suspects": [{"cloud": "aws", "arn": ARN}],
            "notify": [CHAT, PAGE, BOSS],
        }
        self.store = open_store(str(self.case))
        self.store.replace(incidents.FILE, incidents.text(incidents.validate(raw | more, "test").as_dict()).encode())

    def note(self, kind: str, data: dict[str, Any], module: str = "case") -> None:
        ledger = Ledger.open(self.store, incident="IR-1", module=module)
        ledger.note(kind, data)
        ledger.end("ok")

    def ran(self, module: str, status: str, covers: str = "whole", **more: Any) -> None:
        """A run as entry.change ends it: its share of several hosts leaves no result.json."""
        ledger = Ledger.open(self.store, incident="IR-1", module=module)
        ledger.note("ran", {})
        principals = [{"arn": ARN, "action": "contained" if status == "ok" else "failed"}]
        result = {"status": status, "principals": principals, "failed": [], "open": [], **more}
        ledger.end(status, covers=covers, about=message.about(result))
        if covers not in ("share", "resolve"):
            self.store.replace("result.json", json.dumps(result).encode())

    def died(self, module: str = "aws_contain") -> None:
        """A run that stopped with an error, as Case.abort ends it: no result.json."""
        Ledger.open(self.store, incident="IR-1", module=module).end("error")

    def view(self, minutes: float = 0) -> notifying.View:
        return notifying.View.open({"case": str(self.case)}, check=False, moment=dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes))

    def due(self, minutes: float = 0, phase: str = "all") -> list[tuple[str, str]]:
        view = self.view(minutes)
        return [(d.channel["name"], d.event) for d in notifying.wanted(view, phase) if not notifying._sent(view, d)]

    def send(self, minutes: float = 0, ok: bool = True, phase: str = "all") -> dict[str, Any]:
        """Everything that is due is sent, or fails."""
        view = self.view(minutes)
        sent = [{"id": d.key, "name": d.channel["name"], "kind": d.channel["kind"], "event": d.event, "ok": ok, "why": "" if ok else "answered 500", "ref": ""}
                for d in notifying.wanted(view, phase) if not notifying._sent(view, d)]  # fmt: skip
        return notifying._recorded(view, {"phase": phase, "sent": sent}, False)

    @property
    def result(self) -> dict[str, Any]:
        return dict(json.loads(self.store.get("result.json")))

    def files(self) -> list[str]:
        return self.store.list("ledger")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("U", "https://hook.example/x")


def test_each_is_told_once_and_an_outcome_again_when_it_changes(tmp_path: Path) -> None:
    room = Room(tmp_path)
    assert room.due(phase="opening") == [("chat", "opened")]
    room.send(phase="opening")
    assert room.due() == []
    room.ran("aws_contain", "partial", failed=[{"object": ARN, "operation": "iam:PutUserPolicy", "message": "m"}])
    assert room.due() == [("chat", "partial"), ("chat", "escalated")]  # not whole: escalated at once
    assert room.send()["changed"] and room.due() == []
    room.ran("aws_contain", "ok")
    assert room.due() == [("chat", "contained")]
    room.send()
    room.ran("aws_contain", "partial", failed=[{"object": ARN, "operation": "iam:PutUserPolicy", "message": "m"}])
    assert room.due() == [("chat", "partial")]  # as it was before, and told again: it had been better in between
    room.send()
    room.ran("aws_restore", "ok")
    assert room.due() == [("chat", "released")]
    room.send()
    files = room.files()
    assert not room.send()["changed"] and room.files() == files  # nothing due: nothing is written


def test_who_could_not_be_told_is_open_and_the_status_stays(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.ran("aws_contain", "ok", open=[{"object": "x", "why": "y", "due": None}])
    result = room.send(ok=False)
    assert result["due"] and not result["changed"]
    kept = room.result
    assert kept["status"] == "ok" and [o["object"] for o in kept["open"]] == ["x", "notifier chat", "notifier chat"]
    assert {r["state"] for r in kept["notify"]} == {"failed"} and "answered 500" in kept["open"][1]["why"]
    files = len(list(Ledger.open(room.store, incident="IR-1", module="t", check=True).state.notes["notify_failed"]))
    room.send(ok=False)
    assert (
        len(Ledger.open(room.store, incident="IR-1", module="t", check=True).state.notes["notify_failed"]) == files
    )  # the same failure is one remark
    room.send()
    assert (
        [o["object"] for o in room.result["open"]] == ["x"] and {r["state"] for r in room.result["notify"]} == {"sent"} and room.due() == []
    )


def test_escalation_by_time_unless_acknowledged(tmp_path: Path) -> None:
    room = Room(tmp_path, escalation=[{"after": "10m", "to": ["page"]}, {"after": "30m", "unless": "contained", "to": ["boss", "page"]}])
    room.send()
    assert room.due(9) == [] and room.due(11) == [("page", "escalated")]
    assert room.due(31) == [("page", "escalated"), ("boss", "escalated"), ("page", "escalated")]
    room.send(11)
    assert room.due(12) == []
    room.note("confirmed", {"item": "incident", "by": "Ada", "note": ""})
    assert room.due(31) == [("chat", "acknowledged"), ("boss", "escalated"), ("page", "escalated")]  # the second step waits for containment
    room.ran("aws_contain", "ok")
    assert room.due(31) == [("chat", "contained"), ("chat", "acknowledged")]


def test_a_containment_that_is_not_whole_escalates_at_once(tmp_path: Path) -> None:
    room = Room(tmp_path, escalation=[{"after": "10m", "to": ["page"]}])
    room.send()
    room.ran("aws_contain", "refused")
    assert room.due() == [("chat", "refused"), ("page", "escalated")]
    room.note("confirmed", {"item": "incident", "by": "Ada", "note": ""})
    assert room.due() == [("chat", "refused"), ("chat", "acknowledged")]


def test_a_higher_severity_reaches_those_who_are_told_then(tmp_path: Path) -> None:
    room = Room(tmp_path, severity="medium", notify=[{**CHAT, "at": ["critical"]}])
    assert room.due() == []
    room.note("severity", {"share": "", "proposed": "critical", "why": ["resistance: x"]})
    room.ran("aws_contain", "ok")
    assert room.due() == [("chat", "opened"), ("chat", "severity"), ("chat", "contained")]
    room.note("confirmed", {"item": "severity", "level": "low", "by": "Ada", "note": "n", "seen": ["resistance: x"]})
    assert room.due() == []


def test_whose_credential_was_replaced_is_told_once_until_it_is_confirmed(tmp_path: Path) -> None:
    room = Room(tmp_path)
    item = {"id": "manual/replaced/111122223333/ci/login_profile", "object": ARN, "what": "tell its owner: sign in", "why": "w"}
    room.note("manual", {**item, "id": "manual/root/1"})
    assert not [due for due in notifying.wanted(room.view(), "all") if due.event == "replaced"]
    room.note("manual", item)
    told = [due for due in notifying.wanted(room.view(), "all") if due.event == "replaced"]
    assert {due.channel["name"] for due in told} >= {"chat"} and item["what"] in told[0].extra[0] and item["id"] in told[0].extra[2]
    room.note("confirmed", {"item": item["id"], "by": "Ada", "note": ""})
    assert not [due for due in notifying.wanted(room.view(), "all") if due.event == "replaced"]


def test_a_reopened_case_is_told_again(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.send()
    room.note("reopened", {"by": "Ada", "reason": "r"})
    assert room.due() == [("chat", "opened")]


def test_a_plan_holds_no_secret_and_names_what_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("U", "https://hook.example/s3cr3t-path")
    room = Room(tmp_path, notify=[CHAT, {"kind": "slack", "name": "unset", "url_env": "NOT_THERE"}])
    planned = notifying._planned(room.view(), "all", False)
    assert [m["name"] for m in planned["messages"]] == ["chat"] and "s3cr3t" not in json.dumps(planned)
    assert [(r["name"], r["ok"]) for r in planned["rows"]] == [("unset", False)] and "NOT_THERE is not set" in planned["rows"][0]["why"]


def test_a_ticket_is_made_before_anything_is_added_to_it(tmp_path: Path) -> None:
    room = Room(
        tmp_path,
        notify=[{"kind": "jira", "name": "j", "token_env": "U", "endpoint_url": "https://x.example", "user": "a@b.cc", "project": "SEC"}],
    )
    room.ran("aws_contain", "ok")
    planned = notifying._planned(room.view(), "all", False)
    assert [m["event"] for m in planned["messages"]] == ["opened"]
    (made,) = planned["messages"]
    sent = {"id": made["id"], "name": "j", "kind": "jira", "event": "opened", "ok": True, "why": "", "ref": "SEC-7"}
    assert notifying._recorded(room.view(), {"phase": "all", "sent": [sent]}, False)["due"]
    (comment,) = notifying._planned(room.view(), "all", False)["messages"]
    assert comment["event"] == "contained" and comment["payload"]["path"] == "/rest/api/3/issue/SEC-7/comment"


def test_without_a_case_check_mode_says_what_would_be_told(tmp_path: Path) -> None:
    raw = {
        "id": "IR-2",
        "opened": "2026-01-22T09:00:00Z",
        "suspects": [{"cloud": "aws", "arn": ARN}],
        "notify": [CHAT],
        "store": str(tmp_path / "cases"),
    }
    params = {"case": str(tmp_path / "cases" / "IR-2"), "incident_data": raw, "state": "planned", "phase": "all"}
    planned = notifying.run(params, lambda arn: arn, check=True)
    assert [m["event"] for m in planned["messages"]] == ["opened"] and not (tmp_path / "cases").exists()


def test_only_a_whole_release_is_told_as_one_and_what_is_not_does_not_resolve_the_alert(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.ran("aws_contain", "ok")
    room.send()
    for status, covers in (("partial", "whole"), ("open", "whole"), ("ok", "part")):
        room.ran("aws_restore", status, covers)
        assert room.view().event == "partly_released" and room.view().contained
    room.died("aws_restore")
    assert room.view().event == "partly_released"  # the last of which it is known
    made = notifying._message(room.view(), notifying.Due(PAGE, "partly_released", "k"), "2026-01-22T09:00:00Z")
    assert KINDS["pagerduty"].payload(made, PAGE, "")["event_action"] == "trigger" and "partly released" in made.headline
    room.ran("aws_restore", "ok")
    assert room.due() == [("chat", "released")]


def test_what_other_verbs_leave_in_the_result_says_nothing_of_the_containment(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.ran("aws_contain", "partial", failed=[{"object": ARN, "operation": "iam:PutUserPolicy", "message": "m"}])
    room.send()
    for module in ("aws_credential_rotation", "aws_session", "case_confirm"):
        room.ran(module, "ok", principals=[])
        assert room.view().event == "partial" and not room.view().contained and room.due() == []
    assert room.view().told == {}  # and its lines are not told as those of the containment
    room.ran("aws_contain", "ok", "share")
    room.ran("aws_contain", "ok", "resolve")
    assert room.view().event == "partial"  # of one account's share, case_result says what came of all
    room.ran("case_result", "ok")
    assert room.due() == [("chat", "contained")] and room.view().told["status"] == "ok"


def test_a_containment_that_left_no_result_is_told_as_an_error_once_and_escalates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(tmp_path, escalation=[{"after": "10m", "to": ["page"]}])
    room.died()
    assert room.due() == [("chat", "opened"), ("chat", "error"), ("page", "escalated")]
    room.send()
    room.died()
    assert room.due() == []  # the same, and no second call in the night
    room.ran("aws_contain", "ok")
    assert room.due() == [("chat", "contained")]
    room.send()
    Ledger.open(room.store, incident="IR-1", module="aws_contain").flush()
    ledger = Ledger.open(room.store, incident="IR-1", module="aws_contain")
    ledger.note("begun", {})
    ledger.flush()
    assert room.view().event == "contained"  # it is at work
    monkeypatch.setattr(process, "fate", lambda who: "dead")
    assert room.view().event == "error"  # killed
    ledger.end("ok", covers="whole", about="x")


def test_after_a_reopening_nobody_has_taken_it_on_and_the_time_runs_anew(tmp_path: Path) -> None:
    steps = [{"after": "10m", "to": ["page"]}, {"after": "10m", "unless": "contained", "to": ["boss"]}]
    room = Room(tmp_path, escalation=steps)
    room.ran("aws_contain", "ok")
    room.note("confirmed", {"item": "incident", "by": "Ada", "note": ""})
    room.send()
    confirm = {"case": str(room.case), "item": "incident", "by": "Bob"}
    assert not confirming.run(confirm, check=False)["changed"]
    room.note("closed", {"by": "Ada", "reason": "r"})
    room.note("reopened", {"by": "Ada", "reason": "r"})
    view = room.view()
    assert view.acknowledged is None and not view.contained and view.event == ""
    assert view.began() == dt.datetime.fromisoformat(view.notes["reopened"][-1]["time"])
    assert room.due() == [("chat", "opened")]
    assert room.due(11) == [("chat", "opened"), ("page", "escalated"), ("boss", "escalated")]
    assert confirming.run(confirm, check=False)["by"] == "Bob"
    room.ran("aws_contain", "ok")
    assert room.due(11) == [("chat", "opened"), ("chat", "contained"), ("chat", "acknowledged")]


def test_a_refused_recipient_is_open_and_the_mail_is_not_sent_again(tmp_path: Path) -> None:
    mail = {"kind": "email", "name": "mail", "host": "h.example", "from": "a@b.cc", "to": ["c@b.cc", "gone@b.cc"]}
    room = Room(tmp_path, notify=[mail])
    room.ran("aws_contain", "ok")
    planned = notifying._planned(room.view(), "all", False)
    answers = [{"item": m, "refused": ["gone@b.cc"]} for m in planned["messages"]]
    rows = action.sent(planned, [answers])
    assert all(row["ok"] and row["refused"] == ["gone@b.cc"] for row in rows)
    assert not notifying._recorded(room.view(), {"phase": "all", "sent": rows}, False)["due"]
    (item,) = room.result["open"]
    assert item["object"] == "notifier mail" and "refused gone@b.cc" in item["why"] and room.result["status"] == "ok" and room.due() == []


def test_a_severity_that_rises_again_is_told_again_and_one_set_by_hand_counts(tmp_path: Path) -> None:
    room = Room(tmp_path, severity="medium", notify=[CHAT])
    room.note("severity", {"share": "", "proposed": "critical", "why": ["a"]})
    room.send()
    judged = {"item": "severity", "level": "medium", "by": "Ada", "note": "n", "seen": ["a"]}
    room.note("confirmed", judged)
    assert room.due() == [] and room.view().severity["level"] == "medium"
    room.note("severity", {"share": "", "proposed": "critical", "why": ["b"]})
    assert room.due() == [("chat", "severity")]
    room.send()
    room.note("confirmed", {**judged, "level": "critical", "seen": ["a", "b"]})
    assert room.due() == []  # it stays as it was told
    room.note("confirmed", {**judged, "seen": ["a", "b"]})
    assert room.view().severity["level"] == "medium"
    room.note("incident", {"old": {"severity": "medium"}, "new": {"severity": "high"}})
    assert room.view().severity == {**room.view().severity, "level": "high", "by": ""}


def test_a_severity_raised_in_the_file_is_told(tmp_path: Path) -> None:
    room = Room(tmp_path, severity="critical", notify=[CHAT])
    room.note("incident", {"old": None, "new": {"severity": "low"}})
    room.note("incident", {"old": {"severity": "low"}, "new": {"severity": "critical"}})
    assert room.due() == [("chat", "opened"), ("chat", "severity")]
