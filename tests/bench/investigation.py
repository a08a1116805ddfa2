"""How long it takes to load CloudTrail into a case, beside bare DuckDB over the same files; and how much memory.

    python tests/bench/investigation.py [--events 200000] [--runs 1] [--keep]

bare: read_json with a column Records of the events' own shape, unnest, the columns of `events` without raw: the statement that one writes first.
fast: the same by read_json_objects and json_extract, with raw: the quickest bare statement that we know, and what the loader's first two statements are.
load: everything that aws_audit_event_info does with a folder: hashes, looks, batches, duplicates, Parquet, manifest, gaps.
whole: load, and then all of case_analysis on one suspect: lineage, changes, anomalies, plan, report, page and pictures. The incident is hidden in the files, and
what comes out is compared with it.
Each runs in a process of its own, one after the other. "cpu" is what counts where others use the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".collections"), str(ROOT)]

from ansible_collections.evict.cloud.plugins.module_utils.aws import catalogue  # noqa: E402
from ansible_collections.evict.cloud.plugins.module_utils.common import incident as incidents  # noqa: E402
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import investigate  # noqa: E402
from ansible_collections.evict.cloud.plugins.module_utils.common.events import columns, folder, formats, parts  # noqa: E402
from ansible_collections.evict.cloud.plugins.module_utils.common.store import open_store  # noqa: E402
from tests.bench import cloudtrail_made  # noqa: E402

# ruff: noqa: S608 - the statements are made of the collection's own words
LARGEST = 64 << 20


def _shape(shape: Any) -> str:
    if isinstance(shape, str):
        return shape
    if isinstance(shape, list):
        return f"{_shape(shape[0])}[]"
    return "STRUCT(" + ", ".join(f'"{name}" {_shape(inner)}' for name, inner in shape.items()) + ")"


def statement(how: str) -> str:
    """The bare statements, into a table in memory; `?` stands for the files."""
    form = formats.FORMATS["cloudtrail"]
    if how == "fast":
        inner = (
            "SELECT unnest(json_extract(json, '$.Records[*]')) AS e FROM read_json_objects(?, format = 'unstructured', compression = 'gzip',"
            f" maximum_object_size = {LARGEST})"
        )
        return f"CREATE TABLE events AS {form.select(f'({inner})')}"
    known = {"cloud": "'aws'", "source": "'cloudtrail'", **form.columns}
    selected = ", ".join(f'CAST({known.get(name, "NULL")} AS {kind}) AS "{name}"' for name, kind in columns.EVENTS if name != "raw")
    records = f"{_shape(form.shape)}[]"
    return (
        f"CREATE TABLE events AS SELECT {selected} FROM (SELECT unnest(Records) AS s FROM read_json(?, columns = {{'Records': '{records}'}},"
        f" format = 'unstructured', compression = 'gzip', maximum_object_size = {LARGEST}))"
    )


def work(how: str, logs: Path, case: Path) -> dict[str, Any]:
    started = time.monotonic()
    extra: dict[str, Any] = {}
    if how in ("load", "whole"):
        summary = folder.load(open_store(str(case)), [formats.FORMATS["cloudtrail"]], logs, now="2026-12-01T00:00:00", threads=2)
        count = sum(summary.events.values())
        if how == "whole":
            loaded = time.monotonic()
            extra = analyse(logs, case) | {"analysis_seconds": round(time.monotonic() - loaded, 1)}
    else:
        import duckdb

        settings: Any = {"memory_limit": "14GB", "threads": 2, "preserve_insertion_order": False, "temp_directory": str(case / "spill")}
        connection = duckdb.connect(config=settings)
        files = [str(path) for path in sorted(logs.rglob("*.json.gz"))]
        connection.execute(statement(how), [files])
        count = connection.execute("SELECT count(*) FROM events").fetchone()[0]  # type: ignore[index]
    seconds = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "how": how,
        "events": count,
        "seconds": round(seconds, 1),
        "cpu": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": used.ru_maxrss >> 10,
        **extra,
    }


def analyse(logs: Path, case: Path) -> dict[str, Any]:
    """What case_analysis makes of the planted incident, beside what was planted."""
    truth = json.loads(logs.with_name(logs.name + ".truth.json").read_text())
    raw = {"id": case.name, "title": "bench", "opened": "2026-11-25T12:00:00Z", "store": str(case.parent), "window": {"start": truth["start"]},
           "suspects": [{"cloud": "aws", "access_key_id": truth["suspect"]}]}  # fmt: skip
    (case / "incident.json").write_text(incidents.text(incidents.validate(raw, "bench", now=None).as_dict()))
    options = {"case": str(case), "limit": 5000, "memory": "4GB", "threads": 2}
    investigate.run(options, check=False, catalogues={"aws": catalogue.CATALOGUE})
    said = json.loads((case / investigate.REPORT).read_text())
    rogue = [row for row in said["lineage"] if row["verdict"] == "rogue"]
    expected = set(truth["principals"])
    names = {name for row in rogue for name in (row["id"], row["arn"])}
    # A trust policy that was rewritten has a row of its own, beside its role.
    false = [row["id"] for row in rogue if not {row["id"], row["arn"]} & expected and not row["id"].endswith("#trust")]
    seen = {uid for kind in ("changed", "read", "denied") for row in said[kind] for uid in row["evidence"]}
    deeds = {uid for kind in ("writes", "reads", "denied") for uid in truth[kind]}
    return {
        "found": len(names & expected),
        "expected": len(expected),
        "false": len(false),
        "deeds_found": len(seen & deeds),
        "deeds": len(deeds),
    }


def again(logs: Path, case: Path) -> dict[str, Any]:
    """A second run, and a question that needs two columns of all events."""
    started = time.monotonic()
    folder.load(open_store(str(case)), [formats.FORMATS["cloudtrail"]], logs, now="2026-12-01T00:00:00", threads=2)
    second = time.monotonic() - started
    with parts.open_case(open_store(str(case))) as database:
        started = time.monotonic()
        database.rows("SELECT credential_uid, count(*) AS n, min(time) AS first FROM events GROUP BY ALL ORDER BY n DESC LIMIT 5")
        return {"second_run": round(second, 2), "group_by_key": round(time.monotonic() - started, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--how", nargs="+", default=["bare", "fast", "load", "whole"], choices=["bare", "fast", "load", "whole"])
    parser.add_argument("--keep", action="store_true", help="keep the files that were made")
    parser.add_argument("--worker", nargs=3, metavar=("HOW", "LOGS", "CASE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(work(options.worker[0], Path(options.worker[1]), Path(options.worker[2]))))
        return
    home = ROOT / "build" / "bench" / f"investigation-{options.events}"
    logs, case = home / "logs", home / "case"
    if not (home / "made.json").is_file():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        made = cloudtrail_made.write(logs, options.events, level=4, plant=True)
        (home / "made.json").write_text(json.dumps(made))
    made = json.loads((home / "made.json").read_text())
    print(f"{made['events']} events in {made['files']} files, {made['plain'] >> 20} MB plain, {made['packed'] >> 20} MB gzip")
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(options.runs):
        for how in options.how:
            shutil.rmtree(case, ignore_errors=True)
            case.mkdir()
            done = subprocess.run(
                [sys.executable, __file__, "--worker", how, str(logs), str(case)],
                capture_output=True,
                text=True,
                env={**os.environ, "TMPDIR": str(home)},
                check=False,
            )
            if done.returncode:
                print(f"{how}: {done.stderr.strip().splitlines()[-1][:300]}")
                continue
            result = json.loads(done.stdout)
            assert result["events"] == options.events, result
            found.setdefault(how, []).append(result)
            print("{how:5} {seconds:8.1f} s   cpu {cpu:8.1f} s   peak {peak_mb} MB".format(**result))
            if how == "whole":
                told = "{found} of {expected} identities and credentials, {false} others, {deeds_found} of {deeds} calls; analysis {analysis_seconds} s"
                print(told.format(**result))
            if how == "load":
                print(json.dumps(again(logs, case)), f"parts: {sum(path.stat().st_size for path in case.rglob('*.parquet')) >> 20} MB")
    best = {how: min(results, key=lambda r: r["cpu"]) for how, results in found.items()}
    for ours, other in ((ours, other) for ours in ("load", "whole") for other in ("bare", "fast")):
        if other in best and ours in best:
            time_of, cpu_of = (best[ours][unit] / best[other][unit] for unit in ("seconds", "cpu"))
            print(f"{ours} / {other}: {time_of:.2f} of its time, {cpu_of:.2f} of its cpu")
    if not options.keep:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
