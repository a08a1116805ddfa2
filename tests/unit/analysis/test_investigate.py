"""``case_analysis`` on a case in a directory: the report, twice the same, and nothing in check mode."""

from __future__ import annotations

import hashlib
import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.evict.cloud.plugins.action import case_analysis as action
from ansible_collections.evict.cloud.plugins.module_utils.aws.catalogue import CATALOGUE
from ansible_collections.evict.cloud.plugins.module_utils.common import incident as incidents
from ansible_collections.evict.cloud.plugins.module_utils.common import opening, planning
from ansible_collections.evict.cloud.plugins.module_utils.common import store as stores
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import investigate, views
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import InvalidInput
from ansible_collections.evict.cloud.plugins.module_utils.common.events import columns, parts
from ansible_collections.evict.cloud.plugins.module_utils.common.events.database import Database
from ansible_collections.evict.cloud.plugins.modules import case as case_module
from tests.unit.analysis import as_logs, story
from tests.unit.analysis.events_made import EVIL, Row, database, event, moment, user

PIPE = "{{ lookup('pipe', 'touch /tmp/evict-pwned') }}"


def run(params: dict[str, t.Any], *, check: bool) -> dict[str, t.Any]:
    return investigate.run(params, check=check, catalogues={"aws": CATALOGUE})


DEFAULTS: dict[str, t.Any] = {"limit": 5000, "memory": "1GB", "threads": 1}


def case(folder: Path, rows: list[Row], gaps: list[dict[str, t.Any]] | None = None, **more: t.Any) -> Path:
    """A case with these events in its parts."""
    raw = {"id": "IR-1", "title": PIPE, "opened": "2026-11-25T12:00:00Z", "store": str(folder), "window": {"start": f"{story.START}Z"},
           "suspects": [{"cloud": "aws", "access_key_id": story.SUSPECT}], **more}  # fmt: skip
    home = folder / "IR-1"
    home.mkdir(parents=True)
    (home / "incident.json").write_text(incidents.text(incidents.validate(raw, "test", now=None).as_dict()))
    source = parts.Parts(stores.open_store(str(home)), "cloudtrail")
    with source.scratch() as scratch, Database.memory(reads=[scratch], threads=1) as made:
        made.table("events", columns.EVENTS, ([row[c] for c in columns.names(columns.EVENTS)] for row in rows))
        made.run(f"COPY events TO '{scratch}/part.parquet' (FORMAT parquet)")
        source.publish(scratch / "part.parquet", {"events": len(rows), "start": None, "end": None})
    for one in gaps or []:
        source.gap(one)
    source.keep()
    return home


def tree(home: Path) -> dict[str, str]:
    return {str(p.relative_to(home)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(home.rglob("*")) if p.is_file()}


def test_the_report_is_written_once_and_check_mode_writes_nothing(tmp_path: Path) -> None:
    home = case(
        tmp_path,
        [*story.everyday(1500), *story.attack()],
        [{"object": "x.json.gz", "why": "damaged", "start": moment(story.START), "end": None}],
    )
    before = tree(home)
    params = {**DEFAULTS, "case": str(home)}
    would = run(params, check=True)
    assert would["changed"] and tree(home) == before
    done = run(params, check=False)
    assert done["changed"] and {**would, "changed": True} == done
    assert not run(params, check=False)["changed"] and not run(params, check=True)["changed"]
    assert (
        done["counts"]["tainted"] == {"rogue": len(story.EXPECTED), "review": 1}
        and done["gaps"] == 1
        and done["doubts"] >= len(story.EXPECTED)
    )
    assert {row["id"] for row in done["tainted"] if row["verdict"] == "rogue"} == story.EXPECTED
    report = json.loads((home / investigate.REPORT).read_bytes())
    assert len([row for row in report["timeline"] if row["verdict"] == "rogue"]) == len(
        [row for row in story.attack() if row["user_agent"] == "attacker"]
    )
    assert [row["time"] for row in report["timeline"]] == sorted(row["time"] for row in report["timeline"])
    assert {row["operation"] for row in report["tried"]} == {"AssumeRole", "CreateUser"}
    own = {row["principal"] for row in report["principals"] if row["own"]}
    assert {one.rsplit("/", 1)[-1] for one in own} == {"backup-agent", "ghost"}
    assert {row["principal"].rsplit("/", 1)[-1] for row in report["principals"]} >= {"ci", "deploy", "audit", "web", "ops"}


def test_from_the_files_of_logs_to_the_lineage(tmp_path: Path) -> None:
    """Loader and analysis together, from what AWS and Google would deliver."""
    from tests.unit.events import logs_made

    home, rows = tmp_path / "IR-1", [*story.everyday(1500), *story.attack()]
    for source, records in as_logs.records(rows).items():
        logs_made.put(tmp_path / "logs" / f"{source}.json", {"Records": records} if source == "cloudtrail" else records)
    raw = {"id": "IR-1", "opened": "2026-11-25T12:00:00Z", "store": str(tmp_path), "window": {"start": f"{story.START}Z"},
           "suspects": [{"cloud": "aws", "access_key_id": story.SUSPECT}]}  # fmt: skip
    home.mkdir()
    (home / "incident.json").write_text(incidents.text(incidents.validate(raw, "test").as_dict()))
    summary = logs_made.loaded(home, tmp_path / "logs", "cloudtrail", "gcp_audit")
    assert sum(summary.events.values()) == len(rows)
    done = run({**DEFAULTS, "case": str(home)}, check=False)
    assert {row["id"] for row in done["tainted"] if row["verdict"] == "rogue"} == story.EXPECTED
    assert [row["cloud"] for row in done["tainted"] if row["verdict"] == "review"] == ["gcp"]
    assert done["counts"]["acts"]["rogue"] == len([row for row in rows if row["user_agent"] == "attacker"])


def test_every_view_answers_and_is_bounded() -> None:
    made = database([*story.everyday(100), *story.attack()])
    from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import taint
    from ansible_collections.evict.cloud.plugins.module_utils.common.suspect import classify

    taint.trace(made, classify(story.SUSPECT), start=moment(story.START))
    for name, view in views.VIEWS.items():
        assert "?" in view.QUESTION and view.SQL.count("?") == len(view.PARAMETERS), name
        assert len(views.ask(made, name, limit=1)) <= 1, name
    assert views.ask(made, "timeline") and not views.ask(made, "timeline", until=moment("10:00"))


def test_a_case_without_logs_is_unknown(tmp_path: Path) -> None:
    home = case(tmp_path, [event(**user("jane", key="AKIAJANE1"), at="10:00")])
    result = run({**DEFAULTS, "case": str(home)}, check=False)
    assert result["counts"]["acts"] == {"rogue": 0, "review": 0} and result["doubts"] == 1
    report = json.loads((home / investigate.REPORT).read_bytes())
    assert "no event of this suspect" in report["doubts"][0]["why"]


@pytest.mark.parametrize(
    "given", [{"since": "yesterday"}, {"since": "2026-11-25T00:00:00Z", "until": "2026-11-24T00:00:00Z"}, {"until": "2026-11-25 10:00"}]
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, given: dict[str, str]) -> None:
    home = case(tmp_path, [])
    with pytest.raises(InvalidInput) as refused:
        run({**DEFAULTS, "case": str(home), **given}, check=False)
    assert {path for path, _message in refused.value.problems} <= {"since", "until"}


def test_what_people_see_is_escaped(tmp_path: Path) -> None:
    bad = f"x\x1b[31m\n{PIPE}"
    rows = [event(**user("ci", key=story.SUSPECT), at="+5 10:10", src_ip=EVIL, service="iam", operation="CreateUser", request={"userName": bad},
                  response={"user": {"arn": f"arn:aws:iam::111122223333:user/{bad}", "userId": "AIDA1"}}, user_agent=bad)]  # fmt: skip
    home = case(tmp_path, rows)
    result = run({**DEFAULTS, "case": str(home)}, check=False)
    said = action.lines(result)
    assert (
        len(result["tainted"]) == 2 and all("\x1b" not in line and "\n" not in line for line in said) and any(PIPE in line for line in said)
    )
    assert not Path("/tmp/evict-pwned").exists()


def test_variables_that_hold_a_template_are_refused() -> None:
    with pytest.raises(InvalidInput):
        action._arguments({}, {"case": f"/cases/{PIPE}"})
    assert action._arguments({}, {"case": "/cases/IR-1"}) == {"case": "/cases/IR-1"}
    with pytest.raises(InvalidInput):
        action._arguments({}, {})


def test_what_a_plan_had_contained_is_no_new_suspect_and_makes_nobody_else_one(tmp_path: Path) -> None:
    """What an investigation concluded is not what it starts from the next time: it would grow surer of itself and wider with each run."""
    home = case(tmp_path, [*story.everyday(300), *story.attack()])
    first = run({**DEFAULTS, "case": str(home)}, check=False)
    given = dict.fromkeys(case_module.ARGUMENTS) | {"state": "open", "allow_local_store": True, "directory": str(tmp_path)}
    assert opening.run(given | {"plan": str(home / "plan" / "0001.yml")}, check=False)["changed"]
    assert len(json.loads((home / "incident.json").read_text())["suspects"]) > 1
    again = run({**DEFAULTS, "case": str(home)}, check=False)
    assert (again["counts"], again["plan"]["revision"]) == (first["counts"], 1)
    own = {"kind": "principal", "target": {"cloud": "aws", "account": "111122223333"}, "object": "arn:aws:iam::111122223333:user/ghost",
           "decision": "do", "decided_by": "Ada"}  # fmt: skip
    (tmp_path / "own.json").write_text(json.dumps({"version": 1, "incident": "IR-1", "revision": 1, "items": [own]}))
    planning.run({"case": str(home), "plan": str(tmp_path / "own.json"), "min_confidence": 80}, check=False)
    opening.run(given | {"plan": str(home / "plan" / "0002.yml")}, check=False)
    assert run({**DEFAULTS, "case": str(home)}, check=False)["counts"]["tainted"]["rogue"] == first["counts"]["tainted"]["rogue"] + 1


def test_half_a_character_in_a_name_ends_no_analysis(tmp_path: Path) -> None:
    """JSON may hold a lone surrogate as an escape; no file can hold it as text."""
    rows = [*story.everyday(20), *story.attack()]
    mine = next(row for row in rows if row["credential_uid"] == story.SUSPECT and row["src_ip"] == EVIL)
    for number, (service, operation, name) in enumerate(
        (("s3", "PutBucketPolicy", "bucketName"), ("secretsmanager", "GetSecretValue", "secretId"))
    ):
        rows.append({**mine, "event_uid": f"half-{number}", "service": service, "operation": operation, "read_only": number == 1, "status": "success",
                     "request": json.dumps({name: "x\ud800y"}), "response": None})  # fmt: skip
    home = case(tmp_path, rows)
    first = run({**DEFAULTS, "case": str(home)}, check=False)
    assert first["changed"] and first["plan"]["revision"] == 1
    assert run({**DEFAULTS, "case": str(home)}, check=False)["changed"] is False
    assert "half-0" in (home / "plan" / "0001.yml").read_text() and "half-1" in (home / "report" / "investigation.json").read_text()
