"""`-e target=…`: one host per account does the same as the whole case on localhost, and takes no share that the guard has not seen."""

from __future__ import annotations

import datetime
import json
import re
import time
from typing import Any

import pytest
import yaml

from ansible_collections.evict.cloud.plugins.module_utils.common import looks
from tests.beds.company import PRODUCTION, STAGING, Company
from tests.integration.helpers import DEAD, Desk, works

pytestmark = [pytest.mark.bed, pytest.mark.slow]

HOST = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}


def inventory(desk: Desk, hosts: dict[str, dict[str, Any]]) -> str:
    path = desk.folder / "inventory.yml"
    path.write_text(yaml.safe_dump({"aws_accounts": {"hosts": {name: {**HOST, **more} for name, more in hosts.items()}}}))
    return str(path)


BOTH = {"production": {"evict_account": PRODUCTION}, "staging": {"evict_account": STAGING}}


def suspects(company: Company) -> list[str]:
    return [company.leaked.access_key, f"arn:aws:iam::{STAGING}:role/deploy", f"arn:aws:iam::{STAGING}:user/bob"]


def normal(desk: Desk) -> str:
    text = re.sub(r"IR-(?:[A-Z]|1)\b", "IR", desk.bed.snapshot())
    text = re.sub(r"\bp-[0-9a-f]{8}\b", "POLICY", text)
    text = re.sub(r"20\d\d-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)", "TIME", re.sub(r"Evict[0-9a-f]{16}", "SID", text))
    # The order is that of the ids; two policies have one name now, and neither may hide the other.
    return json.dumps(json.loads(text, object_pairs_hook=lambda pairs: sorted(pairs, key=json.dumps)))


def contain(desk: Desk, *arguments: str, hosts: dict[str, Any] | None = None) -> tuple[int, str, dict[str, Any]]:
    """(exit code, output, result.json)."""
    target = ("-i", inventory(desk, hosts), "-e", "target=aws_accounts") if hosts else ()
    desk.case.joinpath("result.json").unlink(missing_ok=True)
    code, said = desk.play("contain", "-e", f"incident={desk.file}", "-e", "hold=1s", *target, *arguments, timeout=200)
    path = desk.case / "result.json"
    return code, said, json.loads(path.read_text()) if path.exists() else {}


def test_hosts_end_where_localhost_ends(desk: Desk) -> None:
    before = desk.bed.snapshot()
    desk.incident(*suspects(desk.company), password="keep")
    code, said, alone = contain(desk)
    assert alone["principals"], said[-1500:]
    ended = normal(desk)
    assert desk.false_positive(*suspects(desk.company))["status"] == "ok" and desk.bed.snapshot() == before
    other = Desk(desk.bed, desk.company, desk.folder, "IR-B")
    other.incident(*suspects(desk.company), password="keep")
    code2, said2, hosts = contain(other, hosts=BOTH)
    assert normal(other) == ended, said2[-2000:]
    assert code2 == code and hosts["status"] == alone["status"], (said[-800:], said2[-800:])
    assert {r["arn"]: r["action"] for r in hosts["principals"]} == {r["arn"]: r["action"] for r in alone["principals"]}
    assert hosts["changed"] == alone["changed"] and other.verified()
    cloud = desk.bed.snapshot()
    _code, _said, again = contain(other, hosts=BOTH)
    assert again["changed"] == 0 and desk.bed.snapshot() == cloud
    assert {works(desk.bed, c) for c in (desk.company.leaked, desk.company.staging.keys["bob"])} <= DEAD
    assert other.leaks() == []


def test_a_host_is_its_account_when_it_is_named_so(desk: Desk) -> None:
    desk.incident(f"arn:aws:iam::{STAGING}:user/bob")
    code, said, result = contain(desk, hosts={STAGING: {}, PRODUCTION: {}})
    assert code == 0 and [r["name"] for r in result["principals"]] == ["bob"], said[-1500:]
    assert PRODUCTION in said  # it had nothing to do, and that is said


def test_an_account_without_a_host_is_named_and_the_case_stays_partial(desk: Desk) -> None:
    desk.incident(*suspects(desk.company))
    code, said, result = contain(desk, hosts={"production": BOTH["production"]})
    assert code == 2 and result["status"] == "partial" and STAGING in said
    assert STAGING in json.dumps(result["open"] + result["failed"])
    assert works(desk.bed, desk.company.leaked) in DEAD and works(desk.bed, desk.company.staging.keys["bob"]) == "ok"


def test_limit_leaves_the_case_partial_and_what_does_not_resolve_stops_nothing(desk: Desk) -> None:
    desk.incident(*suspects(desk.company), f"arn:aws:iam::{STAGING}:user/nobody")
    code, said, result = contain(desk, "--limit", "localhost,production", hosts=BOTH)
    assert code == 2 and result["status"] == "partial" and STAGING in json.dumps(result["open"] + result["failed"]), said[-1500:]
    assert any("user/nobody" in f["object"] for f in result["failed"])
    assert [r["until"] for r in result["residual"] if "user/nobody" in r["object"]] == [
        "ended by hand"
    ]  # nobody has cut it, whatever it is
    assert works(desk.bed, desk.company.staging.keys["bob"]) == "ok" and works(desk.bed, desk.company.leaked) in DEAD


def test_limit_without_localhost_says_what_to_name(desk: Desk) -> None:
    desk.incident(*suspects(desk.company))
    before = desk.bed.snapshot()
    code, said, result = contain(desk, "--limit", "production", hosts=BOTH)
    said = " ".join(said.split())
    assert code == 2 and "with --limit, name localhost too: --limit localhost,production" in said and "HostVarsVars" not in said, said[
        -2000:
    ]
    assert result == {} and desk.bed.snapshot() == before


def test_check_mode_with_hosts_changes_nothing_anywhere(desk: Desk) -> None:
    before = desk.bed.snapshot()
    desk.incident(*suspects(desk.company))
    code, said, _ = contain(desk, "--check", "--diff", hosts=BOTH)
    assert code == 0 and desk.bed.snapshot() == before and not (desk.folder / "cases").exists(), said[-1500:]
    assert said.count("evict-quarantine-IR-1") >= 2


@pytest.mark.parametrize("change", ["another suspect", "another account's", "no hash", "hash of its own"])
def test_a_tampered_share_is_refused(desk: Desk, change: str) -> None:
    from ansible_collections.evict.cloud.plugins.module_utils.common.guard import share_hash

    desk.incident(*suspects(desk.company))
    first = desk.run("aws_contain", phase="resolve", hold="0", scope=0)
    shares, digest = json.loads(json.dumps(first["shares"])), first["guard_hash"]
    account = STAGING
    if change == "another account's":
        shares[STAGING], shares[PRODUCTION] = shares[PRODUCTION], shares[STAGING]
    else:
        shares[STAGING].append({"cloud": "aws", "arn": f"arn:aws:iam::{STAGING}:user/alice"})
    if change == "no hash":
        digest = ""
    elif change == "hash of its own":
        digest = share_hash(shares)
    before = desk.bed.snapshot()
    done = desk.contain(account=account, shares=shares, guard_hash=digest)
    assert done["failed"] and account in done["msg"] and desk.bed.snapshot() == before
    untouched = desk.contain(account=account, shares=first["shares"], guard_hash=first["guard_hash"])
    assert untouched["problems"] == [] and {r["account"] for r in untouched["principals"]} == {STAGING}


def test_resolving_changes_nothing_and_refuses_over_the_whole_case(desk: Desk) -> None:
    before = desk.bed.snapshot()
    desk.incident(*suspects(desk.company), f"arn:aws:iam::{STAGING}:user/nobody")
    first = desk.run("aws_contain", phase="resolve", hold="0", scope=0)
    assert desk.bed.snapshot() == before and first["failed"] and set(first["shares"]) == {PRODUCTION, STAGING}
    assert any("user/nobody" in p["object"] for p in first["problems"])


def test_a_look_at_the_whole_case_is_one_at_every_share(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the table, the refusal to close and the README print for the second look names no target."""
    monkeypatch.setattr(looks, "AFTER", (datetime.timedelta(seconds=1), datetime.timedelta(seconds=2)))
    desk.incident(f"arn:aws:iam::{STAGING}:user/bob", f"arn:aws:iam::{PRODUCTION}:user/bob")
    first = desk.run("aws_contain", phase="resolve", hold="0", scope=0)
    for account in (STAGING, PRODUCTION):
        done = desk.contain(account=account, shares=first["shares"], guard_hash=first["guard_hash"], hold="1s")
        assert done["status"] == "ok" and len(done["looks"]) == 2, done["msg"]
    case = str(desk.case)
    refused = desk.run("case", case=case, state="closed")
    assert refused["failed"] and "waits for a second look" in refused["msg"]
    time.sleep(2.5)
    look = desk.contain(phase="hold", hold="1s")
    assert look["status"] == "ok" and look["looks"] == [] and look["changed"] is False, look["msg"]
    assert {n["data"]["share"] for n in desk.ledger().notes["look"]} == {STAGING, PRODUCTION}
    assert not desk.run("case", case=case, state="closed").get("failed")


def test_a_look_at_the_whole_case_says_which_looks_of_the_shares_are_due(desk: Desk) -> None:
    desk.incident(f"arn:aws:iam::{STAGING}:user/bob")
    first = desk.run("aws_contain", phase="resolve", hold="0", scope=0)
    done = desk.contain(account=STAGING, shares=first["shares"], guard_hash=first["guard_hash"], hold="1s")
    assert len(done["looks"]) == 2 and desk.contain(phase="hold", hold="1s")["looks"] == done["looks"]
