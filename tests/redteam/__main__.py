"""`python -m tests.redteam --runs 20 --seed 1`: a seeded red team against the enforcing bed. One line a run; exit code 1 when one was lost.

Writes build/redteam/summary.json ({"runs", "won", "lost": [seeds], …}) and one record for each run. Runs go on side by side, `--jobs` of them
at a time; they mostly wait.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.drill import loopback
from tests.redteam.campaign import campaign
from tests.redteam.game import Order

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Parse arguments, play."""
    parser = argparse.ArgumentParser(prog="python -m tests.redteam", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the others count on from it")
    parser.add_argument(
        "--no-identity-deny", action="store_true", help="take the identity's own denies away after containment: the SCP alone has to hold"
    )
    parser.add_argument(
        "--lock-out", action="store_true", help="the attacker also deletes the responder's role, or takes its rights and trust away"
    )
    parser.add_argument("--no-organization", action="store_true", help="the account is in none: the identities' own fences have to hold")
    parser.add_argument(
        "--late-logs", action="store_true", help="CloudTrail's events come after containment; a second look has to end the rest"
    )
    parser.add_argument("--lag", type=float, help="seconds of propagation lag in every run (default: 0 to 5, drawn)")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of aws_contain, such as account_fence=none")
    parser.add_argument("--jobs", type=int, default=6, help="runs at a time")
    parser.add_argument("--directory", type=Path, default=ROOT / "build" / "redteam")
    given = parser.parse_args()
    loopback.check_all()
    options = dict(option.split("=", 1) for option in given.option)
    orders = [
        Order(seed, not given.no_identity_deny, given.lag, given.late_logs, given.lock_out, not given.no_organization, options)
        for seed in range(given.seed, given.seed + given.runs)
    ]
    summary = campaign(orders, max(1, given.jobs), given.directory.resolve())
    print(
        f"{summary['won']} of {summary['runs']} runs won in {summary['seconds']:.0f} s"
        + (f"; lost: {summary['lost']}" if summary["lost"] else "")
    )
    return 1 if summary["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
