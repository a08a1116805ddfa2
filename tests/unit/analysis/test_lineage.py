"""From one suspect to everybody and everything in wrong hands, and to nobody else."""

from __future__ import annotations

import random
import typing as t

from ansible_collections.evict.cloud.plugins.module_utils.common import suspect as suspects
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import taint
from tests.unit.analysis import story
from tests.unit.analysis.events_made import (
    Row,
    database,
    moment,
)


def trace(rows: list[Row], *who: t.Any, start: str = "", end: str = "", gaps: t.Iterable[Row] = (), **more: t.Any) -> t.Any:
    """An investigated database."""
    made = database(rows, gaps)
    found = [one for given in who or (story.SUSPECT,) for one in _suspects(given)]
    taint.trace(made, found, start=moment(start) if start else None, end=moment(end) if end else None, **more)
    return made


def _suspects(given: t.Any) -> list[suspects.Suspect]:
    """Of text, of an entry of the incident file, or as it is."""
    if isinstance(given, dict):
        one = suspects.parse(given, "suspect", [])
        assert one
        return [one]
    return suspects.classify(given) if isinstance(given, str) else [given]


def ids(made: t.Any, verdict: str = "rogue") -> set[str]:
    return {row["id"] for row in made.rows("SELECT id FROM tainted WHERE verdict = ?", [verdict])}


def test_the_whole_lineage_and_nobody_else() -> None:
    rows = [*story.everyday(), *story.attack()]
    random.Random(1).shuffle(rows)
    made = trace(rows, start=story.START)
    assert ids(made) == story.EXPECTED
    acts = made.rows("SELECT user_agent, verdict, read_only, cloud FROM acts")
    assert {row["verdict"] for row in acts if row["user_agent"] == "attacker"} == {"rogue"}
    assert {row["user_agent"] for row in acts if row["verdict"] == "rogue"} == {"attacker"}
    assert len([row for row in acts if row["verdict"] == "rogue"]) == len([row for row in rows if row["user_agent"] == "attacker"])


def test_what_is_in_doubt_stays_in_doubt() -> None:
    made = trace([*story.everyday(), *story.attack()], start=story.START)
    (secret,) = made.rows("SELECT * FROM tainted WHERE verdict = 'review'")
    assert secret["cloud"] == "gcp" and secret["kind"] == "service_account_key" and "secret" in secret["via"]
    assert secret["parent"] == "ASIAEVIL000000000001" and len(secret["evidence"]) == 2
    pipeline = made.rows("SELECT operation FROM acts WHERE verdict = 'review' AND user_agent LIKE 'terraform%'")
    assert [row["operation"] for row in pipeline] == ["CreateUser"], "the owner's change with the same key is shown, and not called rogue"
