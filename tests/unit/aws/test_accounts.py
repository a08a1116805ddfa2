# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which accounts a look without ``accounts`` reads: an incident that names only a key is about that key's account, wherever the caller lives."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

from ansible_collections.evict.cloud.plugins.module_utils.aws import accounts, audit, connections
from ansible_collections.evict.cloud.plugins.module_utils.common import incident as incidents
from ansible_collections.evict.cloud.plugins.module_utils.common.events import collect, formats, parts
from ansible_collections.evict.cloud.plugins.module_utils.common.ledger import Ledger
from ansible_collections.evict.cloud.plugins.module_utils.common.store import case_store, open_store
from tests.unit.aws.test_audit_history import Cloud

CALLER, THEIRS, THIRD, FOURTH = "999900009999", "111122223333", "444455556666", "777788889999"
KEY, OTHER = "AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"


def incident(*suspects: dict[str, str], store: str = "./cases") -> incidents.Incident:
    raw = {"id": "IR-1", "title": "t", "severity": "high", "opened": "2026-11-22T09:00:00Z", "store": store,
           "suspects": [{"cloud": "aws", **suspect} for suspect in suspects]}  # fmt: skip
    return incidents.validate(raw, "t")


def cloud(answer: Any = None) -> Any:
    made = Cloud()
    made.caller = {"account": CALLER, "arn": f"arn:aws:iam::{CALLER}:user/responder"}
    made.answers["GetAccessKeyInfo"] = answer or {"Account": THEIRS}
    return made


def note(**data: Any) -> dict[str, Any]:
    return {"data": {"suspect": "", "keys": [], "whole": False, "source": "", **data}}


def test_a_key_alone_says_which_account() -> None:
    assert accounts.concerned(cloud(), incident({"access_key_id": KEY}), {}) == ([THEIRS], [])
    asked = cloud()
    told = accounts.concerned(asked, incident({"access_key_id": OTHER, "account": THIRD}, {"arn": f"arn:aws:iam::{FOURTH}:role/ci"}), {})
    assert told == ([THIRD, FOURTH], []) and not asked.asked("GetAccessKeyInfo")


def test_what_the_case_knows_counts_unless_it_was_cleared() -> None:
    asked = cloud("AccessDenied")
    notes = {
        "suspect": [note(suspect="ci", arn=f"arn:aws:iam::{THEIRS}:user/ci"), note(arn=f"arn:aws:iam::{THIRD}:role/found", source="x"),
                    note(suspect="not-them", arn=f"arn:aws:iam::{FOURTH}:user/not-them"), note(arn="arn:aws:identitystore:::user/1", keys=[OTHER])],
        "verdict": [{"data": {"suspect": "not-them", "verdict": "false_positive"}}],
    }  # fmt: skip
    assert accounts.concerned(asked, incident({"user": "ci"}), notes) == ([THEIRS, THIRD], []) and not asked.calls
    notes["suspect"].append(note(suspect="ci", arn=f"arn:aws:iam::{THEIRS}:user/ci", keys=[KEY]))
    assert accounts.concerned(asked, incident({"access_key_id": KEY}), notes) == ([THEIRS, THIRD], []) and not asked.calls


def test_what_cannot_be_told_is_said_and_looked_for_where_containment_does() -> None:
    found, untold = accounts.concerned(cloud("AccessDenied"), incident({"access_key_id": KEY}, {"user": "ci"}), {})
    assert found == [CALLER] and [(suspect, why[:24]) for suspect, why in untold] == [
        (KEY, "its account cannot be to"),
        ("ci", "its account is not known"),
    ]
    assert "AccessDenied" in untold[0][1] and "account" in untold[1][1]


def _audit(case: Path, aws: Any, monkeypatch: Any) -> dict[str, Any]:
    about = incident({"access_key_id": KEY})
    ledger = types.SimpleNamespace(caller="", state=types.SimpleNamespace(notes={}))
    stub = types.SimpleNamespace(
        store=open_store(str(case)), check=False, stopped=lambda: "", note=lambda *_: None, incident=about, ledger=ledger
    )
    params = {"memory": "1GB", "loading_threads": 1, "folder": None, "bucket": None, "athena": None, "history": None, "accounts": [], "regions": [],
              "start": "2026-11-22T11:00:00Z", "end": None, "seconds": 60, "threads": 2}  # fmt: skip
    collection = collect.Collection(stub, params, [formats.FORMATS["cloudtrail"]])  # type: ignore[arg-type]
    monkeypatch.setattr(audit.entry, "connect", lambda *_a, **_k: aws)
    audit.read(collection)
    return collection.result()


def test_the_history_read_is_that_of_the_key_and_an_untold_account_is_a_gap_until_it_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    told = _audit(tmp_path, aws := cloud("AccessDenied"), monkeypatch)
    assert {call.target.account for call in aws.asked("LookupEvents")} == {CALLER}
    assert [gap["object"] for gap in told["gaps"] if "AccessDenied" in gap["why"]] == [f"the account of {KEY}"] and not told["complete"]
    with parts.open_case(open_store(str(tmp_path))) as database:
        assert database.rows("SELECT account FROM gaps WHERE object = ?", [f"the account of {KEY}"]) == [{"account": None}]
    told = _audit(tmp_path, aws := cloud(), monkeypatch)
    assert {call.target.account for call in aws.asked("LookupEvents")} == {THEIRS}
    assert not [gap for gap in told["gaps"] if "AccessDenied" in gap["why"]]


def test_the_ways_out_are_those_of_the_keys_account(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(connections, "Search", Seen)
    about = incident({"access_key_id": KEY}, store=str(tmp_path))
    store = case_store(str(tmp_path), "IR-1")
    preview = {"incident_data": about.as_dict(), "accounts": [], "regions": [], "kinds": [], "limit": 9}
    preview |= {"case": store.url, "threads": 2, "threads_per_account": 2}
    assert set(connections.find(preview, lambda *_a, **_k: cloud(), check=True)["accounts"]) == {THEIRS} and not list(tmp_path.iterdir())
    store.put(incidents.FILE, incidents.text(about.as_dict()).encode())
    params = {"case": store.url, "accounts": [], "regions": [], "kinds": [], "limit": 9, "threads": 2, "threads_per_account": 2}
    assert set(connections.find(params, lambda *_a, **_k: cloud(), check=True)["accounts"]) == {THEIRS}
    told = connections.find(params, lambda *_a, **_k: cloud("AccessDenied"), check=True)
    assert set(told["accounts"]) == {CALLER} and not told["complete"] and KEY in told["unknown"][0]["why"]
    ledger = Ledger.open(store, incident="IR-1", module="aws_contain", caller="x")
    ledger.note("suspect", note(arn=f"arn:aws:iam::{THIRD}:role/found")["data"])
    ledger.end("ok", changed=1)
    assert set(connections.find(params, lambda *_a, **_k: cloud(), check=True)["accounts"]) == {THEIRS, THIRD}


class Seen:
    """A search that finds nothing."""

    def __init__(self, *_a: Any, **_k: Any) -> None:
        self.found: dict[str, Any] = {}

    def run(self, wanted: list[str], _regions: Any) -> None:
        self.found = {account: {"paths": [], "unknown": [], "looked": []} for account in wanted}
