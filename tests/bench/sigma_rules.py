"""How long Sigma rules take over the events of a case, loaded from files as AWS delivers them.

    python tests/bench/sigma_rules.py [--events 1000000] [--rules 100] [--keep]

Eight rules in ten name calls and ask for values within the event (seven of them calls that write, as public rules do), one names a call alone, one is wide:
a service, a program, a word anywhere. Printed: seconds and processor seconds of the rules, the slowest, the peak of memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".collections"), str(ROOT)]

from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import sigma  # noqa: E402
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis.sigma import asking  # noqa: E402
from ansible_collections.evict.cloud.plugins.module_utils.common.events import folder, formats, parts  # noqa: E402
from ansible_collections.evict.cloud.plugins.module_utils.common.store import open_store  # noqa: E402
from tests.bench import cloudtrail_made  # noqa: E402

READS, WRITES = (sorted({call[:2] for call in cloudtrail_made._CALLS if call[2] is reads}) for reads in (True, False))


def rule(n: int) -> dict[str, Any]:
    calls = READS if n % 10 == 7 else WRITES
    service, name = calls[n // 10 % len(calls)]
    call = {"eventSource": f"{service}.amazonaws.com", "eventName": [name, f"{name}V{n}"]}
    wide: list[Any] = [{"userAgent|contains": f"tool{n}"}, {"eventSource": f"{service}{n}.amazonaws.com"}, [f"word-{n}"],
                       {"requestParameters.policyDocument|contains|all": ["Allow", f"x{n}"]}, {"userIdentity.type": "Root", "sourceIPAddress|cidr": f"10.{n}.0.0/16"}]  # fmt: skip
    detection: dict[str, Any] = {"selection": call, "condition": "selection"}
    if n % 10 == 9:
        detection["selection"] = wide[n // 10 % len(wide)]
    elif n % 10 != 8:
        detection |= {"filter_a": {f"requestParameters.field{n % 20}|contains": f"v{n}"}, "filter_b": {"userIdentity.sessionContext.sessionIssuer.userName|startswith": "app"},
                      "filter_c": {"responseElements.credentials.accessKeyId|re": f"^ASIA.*{n}$"}, "condition": "selection and not 1 of filter_*"}  # fmt: skip
    logsource = {"product": "aws", "service": "cloudtrail"}
    return {
        "title": f"Rule {n}",
        "id": f"00000000-0000-4000-8000-{n:012d}",
        "level": "medium",
        "logsource": logsource,
        "detection": detection,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rules", type=int, default=100)
    parser.add_argument("--keep", action="store_true", help="keep the case that was made")
    options = parser.parse_args()
    home = ROOT / "build" / "bench" / f"sigma-{options.events}"
    case, rules = home / "case", home / "rules"
    if not (home / "made").is_file():
        shutil.rmtree(home, ignore_errors=True)
        case.mkdir(parents=True)
        cloudtrail_made.write(home / "logs", options.events, level=1)
        folder.load(open_store(str(case)), [formats.FORMATS["cloudtrail"]], home / "logs", now="2026-12-01T00:00:00", threads=2)
        shutil.rmtree(home / "logs")
        (home / "made").touch()
    shutil.rmtree(rules, ignore_errors=True)
    rules.mkdir()
    for n in range(options.rules):
        (rules / f"{n:04}.yml").write_text(json.dumps(rule(n)))
    took: list[tuple[float, str]] = []
    with parts.open_case(open_store(str(case)), threads=2) as database:
        database.run(
            "CREATE OR REPLACE TABLE acts AS SELECT *, '' AS tainted_id, 0 AS confidence, 'rogue' AS verdict FROM events LIMIT 5000"
        )
        ask = asking.Log.ask

        def timed(log: asking.Log, rule: Any) -> Any:
            began = time.monotonic()
            try:
                return ask(log, rule)
            finally:
                took.append((time.monotonic() - began, rule.title))

        asking.Log.ask = timed  # type: ignore[method-assign]
        used, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        answer = sigma.find(database, [str(rules)], None, None)
        seconds, now = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    print(f"{len(answer.rules)} rules over {options.events} events: {seconds:.1f} s, cpu {cpu:.1f} s, of it in rules {sum(s for s, _t in took):.1f} s; "
          f"{len(answer.findings)} findings, {len(answer.unknown)} unknown; peak {now.ru_maxrss >> 10} MB")  # fmt: skip
    print("slowest:", ", ".join(f"{title} {s:.2f} s" for s, title in sorted(took, reverse=True)[:8]))
    for one in answer.unknown[:5]:
        print(one)
    if not options.keep:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
