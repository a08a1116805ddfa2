# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""case_ledger_info, called as Ansible calls it."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.evict.cloud.plugins.module_utils.common import ledger, store
from ansible_collections.evict.cloud.plugins.modules import case_ledger_info


@pytest.fixture
def case(tmp_path: Path) -> store.Store:
    return store.case_store(str(tmp_path / "cases"), "IR-1")


def call(capsys: pytest.CaptureFixture[str], **arguments: t.Any) -> dict[str, t.Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit) as caught:
        case_ledger_info.main()
    result = json.loads(capsys.readouterr().out)
    assert bool(caught.value.code) == bool(result.get("failed"))
    return t.cast(dict[str, t.Any], result)


def work(case: store.Store) -> str:
    run = ledger.Ledger.open(case, incident="IR-1", module="aws_contain", caller="arn:aws:iam::111122223333:user/jo")
    before = {"policy": "a long document of the attacker's"}
    run.intent(
        [{"$step": {"id": name, "resource": f"user/{name}", "action": "fence", "before": before}} for name in ("a", "{{ 7*7 }}")],
        urgent=True,
    )
    run.outcome([{"id": "a", "status": "done", "answer": {"x": 1}}])
    return run.end("partial", changed=1)


def documented(value: t.Any, contains: dict[str, t.Any]) -> None:
    """Every key that is returned is documented with its type, and the other way round."""
    types = {"bool": bool, "int": int, "str": str, "list": list, "dict": dict}
    assert set(value) == set(contains)
    for name, about in contains.items():
        assert type(value[name]) is types[about["type"]], name
        for entry in value[name] if "contains" in about else ():
            documented(entry, about["contains"])


@pytest.mark.parametrize("check", [False, True])
def test_a_whole_ledger(case: store.Store, capsys: pytest.CaptureFixture[str], check: bool) -> None:
    head = work(case)
    before = {path: case.get(path) for path in case.list()}
    result = call(capsys, case=case.url, expected_head=head, _ansible_check_mode=check)
    assert (result["changed"], result["verified"], result["records"], result["head"], result["problems"]) == (False, True, 4, head, [])
    assert result["steps"] == {"done": 1, "open": 1}
    assert [{name: entry[name] for name in ("id", "resource", "action")} for entry in result["open_intents"]] == [
        {"id": "{{ 7*7 }}", "resource": "user/{{ 7*7 }}", "action": "fence"}
    ]
    assert "a long document" not in json.dumps(result)
    assert {path: case.get(path) for path in case.list()} == before
    returned = {name: value for name, value in result.items() if name not in ("changed", "invocation")}
    documented(returned, yaml.safe_load(case_ledger_info.RETURN))


def test_a_damaged_one_is_an_answer_and_no_failure(case: store.Store, capsys: pytest.CaptureFixture[str]) -> None:
    work(case)
    case.delete(case.list("ledger")[1])
    result = call(capsys, case=case.url)
    assert not result["verified"]
    assert result["problems"]
    documented(
        {name: value for name, value in result.items() if name not in ("changed", "invocation")}, yaml.safe_load(case_ledger_info.RETURN)
    )


def test_another_head(case: store.Store, capsys: pytest.CaptureFixture[str]) -> None:
    work(case)
    result = call(capsys, case=case.url, expected_head="0" * 64)
    assert not result["verified"]
    assert "expected head" in result["problems"][0]["why"]


def test_no_ledger_is_not_a_verified_one_and_is_not_created(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = call(capsys, case=str(tmp_path / "nowhere"))
    assert (result["verified"], result["records"], result["head"]) == (False, 0, "")
    assert list(tmp_path.iterdir()) == []


def test_a_flood_of_foreign_files_stays_small(case: store.Store, capsys: pytest.CaptureFixture[str]) -> None:
    work(case)
    for number in range(250):
        case.put(f"ledger/x{number}", b"")
    result = call(capsys, case=case.url)
    assert len(result["problems"]) == 100
    assert result["problems"][-1]["why"] == "and 151 more problems"


@pytest.mark.parametrize(
    ("case_option", "message"), [("ftp://x/y", "not a directory"), ("", "is missing"), ("az://x", "az://account/container")]
)
def test_wrong_options_fail_with_a_message(capsys: pytest.CaptureFixture[str], case_option: str, message: str) -> None:
    result = call(capsys, case=case_option)
    assert result["failed"]
    assert message in result["msg"]


def test_a_store_that_cannot_be_read_fails_with_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    result = call(capsys, case=str(tmp_path / "file"))
    assert str(tmp_path / "file") in result["msg"]
    assert result["problems"][0]["remedy"]


def test_examples_use_documented_options_only() -> None:
    options = set(yaml.safe_load(case_ledger_info.DOCUMENTATION)["options"])
    for task in yaml.safe_load(case_ledger_info.EXAMPLES):
        assert set(task.get("evict.cloud.case_ledger_info", {})) <= options
