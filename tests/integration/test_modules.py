"""The promises that every module makes, on the enforcing bed: check mode, second run, truthful results, no secrets, hostile text is text."""

from __future__ import annotations

import io
import json
import os
import re
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.beds.bed import Credentials
from tests.contract.test_modules import ANSIBLES_OWN, MODULES, MUTATING, documentation, module_of
from tests.integration.helpers import DEAD, ROOT, Desk, next_second, works

pytestmark = pytest.mark.bed

P = "arn:aws:iam::222222222222"
USER, ROLE = f"{P}:user/ci-deploy", f"{P}:role/deploy"


def nothing(_desk: Desk) -> None:
    """No preparation."""


def contained(desk: Desk) -> None:
    desk.contain()


def fenced(desk: Desk) -> None:
    desk.contain_below()


def buckets(desk: Desk) -> list[str]:
    return [f"arn:aws:s3:::{name}" for name in desk.company.production.buckets]


def on_resources(desk: Desk) -> None:
    fenced(desk)
    assert desk.run("aws_resource_fence", resources=buckets(desk))["status"] == "ok"


def function(desk: Desk) -> None:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("h.py", "def h(event, context):\n    return 1\n")
    functions = desk.bed.client("lambda", desk.company.production.root, direct=True)
    role = desk.company.production.roles["orders-lambda"]
    functions.create_function(FunctionName="shop", Runtime="python3.12", Role=role, Handler="h.h", Code={"ZipFile": code.getvalue()})
    functions.get_waiter("function_active_v2").wait(FunctionName="shop", WaiterConfig={"Delay": 1})


def logged(desk: Desk) -> None:
    """A case with the log of what happened, and a plan out of it."""
    contained(desk)
    desk.run("aws_audit_event_info", case=str(desk.case), folder=trail(desk))
    desk.run("case_analysis", case=str(desk.case))


def trail(desk: Desk) -> str:
    """The folder of a file that holds the records of the bed."""
    folder = desk.folder / "trail"
    folder.mkdir(exist_ok=True)
    path = folder / "records.json"
    if not path.exists():
        path.write_text(json.dumps({"Records": desk.bed.events()}))
    return str(folder)


def reviewed(desk: Desk) -> str:
    """A copy of the plan in which somebody decided."""
    path = desk.folder / "reviewed.yml"
    if not path.exists():
        plan = yaml.safe_load((desk.case / "plan" / "0001.yml").read_text())
        plan["items"][0] |= {"decision": "do", "decided_by": "Ada"}
        path.write_text(yaml.safe_dump(plan))
    return str(path)


def finding(desk: Desk) -> str:
    """One of GuardDuty's, about the leaked key."""
    path = desk.folder / "finding.json"
    details = {"AccessKeyId": desk.company.leaked.access_key, "UserName": "ci-deploy", "UserType": "IAMUser"}
    path.write_text(json.dumps({
        "SchemaVersion": "2.0", "AccountId": "222222222222", "Id": "f-1", "Type": "UnauthorizedAccess:IAMUser/TorIPCaller", "Severity": 8, "Title": "Tor",
        "Resource": {"ResourceType": "AccessKey", "AccessKeyDetails": details}, "Service": {"EventFirstSeen": "2026-11-22T08:00:00Z"},
    }))  # fmt: skip
    return str(path)


def shares(desk: Desk) -> dict[str, Any]:
    first = desk.run("aws_contain", phase="resolve", hold="0", scope=0)
    results = {a: desk.contain(account=a, shares=first["shares"], guard_hash=first["guard_hash"]) for a in first["shares"]}
    return {"case": str(desk.case), "first": first, "results": {a: _plain(r) for a, r in results.items()}}


def _plain(result: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in result.items() if k not in ("diff", "warnings")}


# name -> (what comes before, the parameters). A new module needs a line here.
RUNS: dict[str, list[tuple[Callable[[Desk], Any], Callable[[Desk], dict[str, Any]]]]] = {
    "aws_contain": [(nothing, lambda _d: {"hold": "0", "scope": 0}), (nothing, lambda _d: {"hold": "0", "scope": 10}),
                    (nothing, lambda _d: {"hold": "0", "scope": 0, "phase": "resolve"})],
    "aws_account_fence": [(fenced, lambda _d: {"principals": [USER, ROLE]}), (contained, lambda _d: {"state": "absent"}),
                          (nothing, lambda _d: {"state": "rendered"})],
    "aws_resource_fence": [(fenced, lambda d: {"principals": [USER, ROLE], "resources": buckets(d)}), (on_resources, lambda d: {"state": "absent"})],
    "aws_restore": [(contained, lambda _d: {}), (contained, lambda _d: {"only": [_d.company.leaked.access_key], "verdict": "false_positive",
                                                                        "reason": "r", "by": "Ada"})],
    "aws_credential": [(nothing, lambda _d: {"principals": [USER], "kinds": ["access_key"]}),
                       (nothing, lambda _d: {"principals": [USER], "kinds": ["access_key"], "state": "absent", "ids": [_d.company.worker.access_key]}),
                       (nothing, lambda _d: {"principals": [USER], "kinds": ["login_profile"]})],
    "aws_identity_quarantine": [(nothing, lambda _d: {"principals": [USER, ROLE], "action": "deny"}),
                                (nothing, lambda _d: {"principals": [ROLE]}),
                                (contained, lambda _d: {"principals": [USER], "state": "absent"})],
    "aws_session": [(nothing, lambda _d: {"principals": [USER, ROLE]}), (nothing, lambda _d: {"principals": [ROLE], "sessions": ["evil-1", "evil-2"]})],
    "aws_principal_info": [(nothing, lambda _d: {"suspects": [USER, ROLE], "detail": "full", "role_arn": _d.company.role_template}), (nothing, lambda _d: {"incident": str(_d.file)})],
    "aws_baseline": [(contained, lambda _d: {"incident": str(_d.file), "accounts": ["222222222222"], "allow_local_store": True})],
    "aws_readiness_info": [(nothing, lambda _d: {"incident": str(_d.file), "accounts": ["222222222222"], "checks": ["responder", "regions"]})],
    "case": [(nothing, lambda _d: {"incident": str(_d.file), "directory": str(_d.folder), "allow_local_store": True}),
             (contained, lambda _d: {"case": str(_d.case), "state": "closed"})],
    "case_ledger_info": [(contained, lambda _d: {"case": str(_d.case)})],
    "case_result": [(nothing, shares)],
    "case_notify": [(contained, lambda _d: {"case": str(_d.case)})],
    "case_confirm": [(contained, lambda _d: {"case": str(_d.case), "item": "incident", "by": "Ada"})],
    "aws_resource": [(function, lambda _d: {"resources": ["arn:aws:lambda:us-east-1:222222222222:function:shop"]})],
    "aws_dependent_info": [(nothing, lambda _d: {"suspects": [_d.company.leaked.access_key], "places": ["secrets_manager"],
                                                 "regions": ["us-east-1"], "role_arn": _d.company.role_template})],
    "aws_credential_rotation": [(nothing, lambda _d: {"mode": "emergency", "quiet": "0s", "soak": "0s", "dependents": [],
                                                      "free_slot": _d.company.worker.access_key})],
    "aws_audit_event_info": [(contained, lambda d: {"case": str(d.case), "folder": trail(d)})],
    "azure_audit_event_info": [(contained, lambda d: {"case": str(d.case), "folder": trail(d)})],
    "gcp_audit_event_info": [(contained, lambda d: {"case": str(d.case), "folder": trail(d)})],
    "aws_connected_info": [(nothing, lambda _d: {"accounts": ["222222222222"], "kinds": ["role", "saml_provider"], "regions": ["us-east-1"]})],
    "case_analysis": [(contained, lambda d: {"case": str(d.case)}), (logged, lambda d: {"case": str(d.case)})],
    "case_plan": [(logged, lambda d: {"case": str(d.case), "plan": reviewed(d)})],
    "case_from_finding": [(contained, lambda d: {"finding": finding(d), "directory": str(d.folder)})],
}  # fmt: skip
NO_CLOUD = {
    "aws_baseline",
    "case",
    "case_analysis",
    "case_confirm",
    "case_from_finding",
    "case_plan",
    "case_result",
}  # what they change is in the case or beside it
SENDERS = {"aws_publish", "case_mail"}  # they send, whenever they are run: tests/integration/test_notify.py
ALL = [pytest.param(name, *run, id=f"{name}-{number}") for name in MODULES for number, run in enumerate(RUNS.get(name, []))]
CHANGES = [p for p in ALL if p.values[0] in MUTATING]


def test_every_module_is_tried() -> None:
    assert set(RUNS) | SENDERS == set(MODULES)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def case(desk: Desk) -> Desk:
    desk.incident(desk.company.leaked.access_key, ROLE)
    return desk


@pytest.mark.parametrize(("name", "before", "params"), ALL)
def test_check_mode_touches_neither_cloud_nor_store(case: Desk, name: str, before: Any, params: Any) -> None:
    before(case)
    given = params(case)
    cloud, store = case.bed.snapshot(), files(case.folder)
    result = case.run(name, check=True, **given)
    assert "Traceback" not in str(result) and result.get("problems", []) == []
    assert case.bed.snapshot() == cloud and files(case.folder) == store
    if before is nothing and name != "case_result":
        assert not (case.folder / "cases").exists()  # not even an empty folder


@pytest.mark.parametrize(("name", "before", "params"), CHANGES)
def test_check_mode_tells_what_a_real_run_does_and_a_second_run_does_nothing(case: Desk, name: str, before: Any, params: Any) -> None:
    before(case)
    given = params(case)
    planned = case.run(name, check=True, **given)
    cloud = case.bed.snapshot()
    done = case.run(name, **given)
    assert planned["changed"] == done["changed"] and _hunks(planned) == _hunks(done)
    assert done["changed"] == (case.bed.snapshot() != cloud) or name in NO_CLOUD
    cloud, runs, store = case.bed.snapshot(), set(case.ledger().runs), files(case.folder)
    again = case.run(name, **given)
    assert "changed" in again, again
    assert again["changed"] is False or name == "case_result"
    assert again.get("changed_count", 0) == 0 or name == "case_result"
    assert case.bed.snapshot() == cloud
    if name == "case":
        assert files(case.folder) == store
    else:
        for run in set(case.ledger().runs) - runs:
            assert [r["kind"] for r in case.records() if r["run"] == run] == ["start", "end"], name
    assert case.verified()


def _hunks(result: dict[str, Any]) -> Any:
    """The diff without the one thing that time changes: the session cutoff."""
    return re.sub(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", json.dumps(result.get("diff"), sort_keys=True))


@pytest.mark.parametrize(("name", "before", "params"), ALL)
def test_the_result_is_what_is_documented(case: Desk, name: str, before: Any, params: Any) -> None:
    before(case)
    given = params(case)
    result = case.run(name, **given)
    documented = yaml.safe_load(module_of(name).RETURN)
    undocumented = set(result) - set(documented) - ANSIBLES_OWN
    assert not undocumented, f"returned, but not documented: {sorted(undocumented)}"
    phase = f"with O(phase={given.get('phase', 'all')})"
    always = {k for k, v in documented.items() if v["returned"] in ("always", "success", "when the case could be opened", phase)}
    assert not always - set(result), f"documented as always there: {sorted(always - set(result))}"
    types = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict}
    for key in set(result) & set(documented):
        value, about = result[key], documented[key]
        assert isinstance(value, types[about["type"]]), f"{key} is no {about['type']}: {value!r}"
        for entry in value if about["type"] == "list" else []:
            assert isinstance(entry, types[about["elements"]]), f"{key}: an entry is no {about['elements']}: {entry!r}"
    assert len(json.dumps(result)) < 200_000
    assert case.leaks(*(c.secret_key for c in case.company.production.keys.values())) == []


BAD = {
    "aws_account_fence": {"principals": [f"{P}:user/nobody"]},
    "aws_baseline": {"incident": "/nowhere/readiness.yml"}, "aws_readiness_info": {"incident": "/nowhere/readiness.yml"},
    "aws_resource_fence": {"principals": [f"{P}:user/nobody"]},
    "aws_contain": {"incident": "/nowhere/incident.yml"}, "aws_restore": {"case": "/nowhere/IR-9"}, "aws_principal_info": {"suspects": [f"{P}:user/nobody"]},
    "aws_credential": {"principals": [f"{P}:user/nobody"]}, "aws_session": {"principals": [f"{P}:role/nobody"]},
    "aws_identity_quarantine": {"principals": [f"{P}:user/nobody"]}, "case": {"case": "/nowhere/IR-9"}, "case_ledger_info": {"case": "/nowhere/IR-9"},
    "case_result": {"case": "ftp://nowhere/IR-9", "first": {}}, "case_notify": {"case": "/nowhere/IR-9"},
    "case_confirm": {"case": "/nowhere/IR-9", "item": "incident", "by": "Ada"}, "aws_resource": {"resources": ["arn:aws:s3:::nothing-that-runs"]},
    "aws_dependent_info": {"suspects": [f"{P}:user/nobody"]}, "aws_credential_rotation": {"deadline": "tomorrow", "by": "Ada", "reason": "r"},
    **{f"{cloud}_audit_event_info": {"folder": "/nowhere/logs"} for cloud in ("aws", "azure", "gcp")}, "aws_connected_info": {"incident": "/nowhere/incident.yml"},
    "case_analysis": {"case": "/nowhere/IR-9"}, "case_plan": {"case": "/nowhere/IR-9"}, "case_from_finding": {"finding": "/nowhere/finding.json"},
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(MODULES) - SENDERS))
def test_a_failure_names_the_object(case: Desk, name: str) -> None:
    bad = BAD[name]
    wanted = next(str(v[0] if isinstance(v, list) else v) for v in bad.values() if v)
    given = bad if {"incident", "case", "suspects", "finding"} & set(bad) else {"incident": str(case.file), **bad}
    if name in ("aws_principal_info", "aws_dependent_info"):
        given = {**given, "role_arn": case.company.role_template}
    result = case.run(name, **given)
    assert "Traceback" not in json.dumps(result)
    if name == "case_ledger_info":  # which tells, and leaves it to the playbook to judge
        assert result["verified"] is False and wanted in result["problems"][0]["why"]
        return
    assert result["failed"] is True and wanted in result["msg"], result["msg"]
    for problem in result.get("problems", []):
        assert problem.get("object") or problem.get("path")


IDENTITY = [
    ("aws_contain", {"hold": "0", "scope": 10}), ("aws_credential", {"principals": [USER], "kinds": ["access_key"]}),
    ("aws_identity_quarantine", {"principals": [USER, ROLE], "action": "deny"}), ("aws_identity_quarantine", {"principals": [ROLE], "action": "clamp"}),
    ("aws_session", {"principals": [USER, ROLE]}), ("aws_session", {"principals": [ROLE], "sessions": ["evil"]}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "params"), IDENTITY, ids=[f"{n}-{i}" for i, (n, _p) in enumerate(IDENTITY)])
def test_undo_after_do_is_the_identity(desk: Desk, name: str, params: dict[str, Any]) -> None:
    desk.incident(desk.company.leaked.access_key, ROLE, password="keep", trusted={"networks": ["198.51.100.0/24"]})
    before = desk.bed.snapshot()
    done = desk.run(name, **params)
    assert done["changed"] and desk.bed.snapshot() != before
    named = sorted({n["data"]["suspect"] for n in desk.ledger().notes["suspect"]} - {""})
    undone = desk.false_positive(*named)
    assert undone["status"] == "ok" and desk.bed.snapshot() == before, undone["open"]


def test_every_step_that_cannot_be_undone_says_why(case: Desk) -> None:
    case.contain()
    case.run("aws_credential", principals=[f"{P}:user/bob"], state="absent")
    steps = [h["step"]["$step"] for h in case.ledger().steps.values()]
    assert len(steps) >= 7 and all(bool(s.get("undo")) != bool(s.get("irreversible")) for s in steps), steps


# -- hostile text --------------------------------------------------------------------------------------------------------


def payload(target: Path) -> str:
    return "{{ lookup('pipe', 'touch " + str(target) + "') }}"


@pytest.fixture
def hostile(desk: Desk) -> Desk:
    """An incident and a cloud that are full of templates; `desk.planted` would exist had one run."""
    desk.planted = desk.folder / "planted"  # type: ignore[attr-defined]
    text = payload(desk.planted)  # type: ignore[attr-defined]
    iam = desk.bed.client("iam", desk.company.leaked, user_agent=text)
    path = "/" + text.replace(" ", "${IFS}") + "/"
    iam.create_user(UserName="mallory", Path=path, Tags=[{"Key": "owner", "Value": "x"}])
    iam.put_user_policy(UserName="mallory", PolicyName="p", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Id": text, "Statement": {"Sid": "x", "Effect": "Allow", "Action": "*", "Resource": "*"}}))  # fmt: skip
    iam.create_role(RoleName="backdoor", Path=path, Description="d", AssumeRolePolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Id": text, "Statement": {"Effect": "Allow", "Principal": {"AWS": USER}, "Action": "sts:AssumeRole"}}))  # fmt: skip
    desk.mallory = Credentials.of(iam.create_access_key(UserName="mallory")["AccessKey"])  # type: ignore[attr-defined]
    desk.secrets.append(desk.mallory.secret_key)  # type: ignore[attr-defined]
    desk.incident(
        desk.company.leaked.access_key, title=text, dependents=[text, {"kind": "other", "name": text, "note": text}], approvers=[text], production=[],
        overrides=[{"guard": "protected", "object": f"{P}:role/break-glass", "reason": text, "by": text}], protected=[f"{P}:role/break-glass"],
    )  # fmt: skip
    return desk


def tokens(said: str) -> list[str]:
    """Session tokens and secret keys of sessions, by the form that the bed gives them."""
    return re.findall(r"FwoGZX[A-Za-z]\w{60,}", said) + re.findall(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])", said)


def said_by_us(said: str) -> str:
    """Without the line in which Ansible itself repeats its command line."""
    return "".join(line for line in said.splitlines(keepends=True) if "extra_vars:" not in line)


@pytest.mark.slow
def test_templates_in_incident_and_cloud_are_text_and_no_secret_is_shown_at_any_verbosity(hostile: Desk) -> None:
    desk: Any = hostile
    env = {"EVICT_TEST": "1"}
    code, said = desk.play("contain", "-e", f"incident={desk.file}", "-e", "hold=1s", "-vvvv", "--diff", env=env)
    assert works(desk.bed, desk.company.leaked) in DEAD and works(desk.bed, desk.mallory) in DEAD, said[-3000:]
    assert "user/{{" in said and not desk.planted.exists(), "the attacker's path was shown as text, and did not run"
    found = said_by_us(said)
    code2, said2 = desk.play("contain", "-e", f"case={desk.case}", "-e", "hold=1s", "-vvvv", "--check", env=env)
    code3, said3 = desk.play("recover", "-e", f"case={desk.case}", "-vvvv", env=env)
    assert (code, code2, code3) == (0, 0, 0), (said[-4500:], said2[-1500:], said3[-1500:])
    assert not desk.planted.exists() and tokens(found + said_by_us(said2) + said_by_us(said3)) == []
    held = [c.secret_key for a in (desk.company.production, desk.company.staging) for c in a.keys.values()]
    assert desk.leaks(*held) == []
    assert tokens("".join(p.read_text(errors="replace") for p in desk.case.rglob("*.json"))) == []


@pytest.mark.slow
def test_templates_in_public_variables_are_refused_or_text(hostile: Desk) -> None:
    desk: Any = hostile
    desk.contain(scope=10)
    variables = {
        "only": desk.company.leaked.access_key,
        "verdict": "false_positive",
        "reason": payload(desk.planted),
        "by": payload(desk.planted),
    }
    before = desk.bed.snapshot()
    code, said = desk.play("recover", "-e", f"case={desk.case}", "-e", json.dumps(variables))
    assert not desk.planted.exists() and code == 2 and "template" in said and desk.bed.snapshot() == before
    (desk.folder / "raw.yml").write_text(yaml.safe_dump(yaml.safe_load(desk.file.read_text())))
    code, said = desk.play("contain", "-e", f"@{desk.folder / 'raw.yml'}")
    assert not desk.planted.exists() and code == 2 and "incident.title" in said


def test_what_is_kept_is_readable_by_its_owner_only(case: Desk) -> None:
    case.contain()
    modes = {oct(p.stat().st_mode & 0o777) for p in case.case.rglob("*") if p.is_file()}
    assert modes == {"0o600"} and os.path.isdir(case.case)


def test_requests_of_the_responder_are_marked_as_such(case: Desk) -> None:
    case.contain()
    agents = {e["userAgent"] for e in case.bed.events() if e["eventSource"] == "iam.amazonaws.com"}
    assert agents and all("evict.cloud" in a for a in agents)


def test_documents_are_returned_only_when_asked_for(case: Desk) -> None:
    ids = case.run("aws_principal_info", suspects=[USER], role_arn=case.company.role_template)["principals"]
    assert "documents" not in ids[0] and [k["id"] for k in ids[0]["credentials"]["access_key"]]
    full = case.run("aws_principal_info", suspects=[USER], role_arn=case.company.role_template, detail="full")["principals"][0]["documents"]
    assert "work" in full["inline_policies"] and full["user"]["UserName"] == "ci-deploy"


@pytest.mark.parametrize(
    "operation",
    ["ListUserPolicies", "ListAccessKeys", "GetLoginProfile", "ListGroupsForUser", "ListAttachedUserPolicies", "ListMFADevices"],
)
def test_a_read_that_failed_is_unknown_never_empty(case: Desk, operation: str) -> None:
    case.bed.rule("fail", operation=operation, mutating=False, times=50, status=403, code="AccessDenied", message="not you")
    row = case.run("aws_principal_info", suspects=[USER], role_arn=case.company.role_template, detail="full")["principals"][0]
    unknown = [v for v in _values(row["documents"]) if isinstance(v, dict) and "unknown" in v]
    assert unknown and operation in unknown[0]["unknown"]


def _values(value: Any) -> list[Any]:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [*inner, *(deep for v in inner for deep in _values(v))]


def test_docs_name_every_module() -> None:
    assert all(documentation(name)["short_description"] for name in MODULES) and (ROOT / "plugins/modules").is_dir()


def test_aws_session_cuts_what_was_issued_before_and_spares_what_comes_after(desk: Desk) -> None:
    """Sessions of a role and of a user; the key itself, and with ``sessions`` everybody else's, go on."""
    bed, company = desk.bed, desk.company
    alice = company.production.keys["alice"]

    def minted() -> dict[str, Credentials]:
        sts = bed.client("sts", company.leaked)
        return {
            "session": Credentials.of(sts.get_session_token()["Credentials"]),
            "role": Credentials.of(sts.assume_role(RoleArn=ROLE, RoleSessionName="evil")["Credentials"]),
            "alice": Credentials.of(bed.client("sts", alice).assume_role(RoleArn=ROLE, RoleSessionName="alice")["Credentials"]),
        }

    desk.incident(company.leaked.access_key)
    old = minted()
    assert {name: works(bed, held) for name, held in old.items()} == dict.fromkeys(old, "ok")
    one = desk.run("aws_session", principals=[ROLE], sessions=["evil"])
    assert one["status"] == "ok" and one["changed"], one
    assert works(bed, old["role"]) in DEAD and works(bed, old["alice"]) == works(bed, old["session"]) == "ok"
    next_second()
    done = desk.run("aws_session", principals=[USER, ROLE])
    assert done["status"] == "ok" and done["changed"], done
    time.sleep(11.1)  # of a user what is issued while the policy spreads is cut as well
    assert {works(bed, held) for held in old.values()} <= DEAD and works(bed, company.leaked) == "ok"
    new = minted()
    assert works(bed, new["session"]) == works(bed, new["alice"]) == "ok" and works(bed, new["role"]) in DEAD  # denied by its name
    assert desk.run("aws_session", principals=[USER, ROLE])["changed"] is False
