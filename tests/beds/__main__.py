"""`python -m tests.beds`: a bed with the seeded company to play with, until Ctrl-C."""

from __future__ import annotations

import signal
import sys

from tests.beds.bed import Bed
from tests.beds.company import seed


def main() -> None:
    """Start, seed, print what a shell needs, wait."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Bed() as bed:
        company = seed(bed)
        environment = bed.environ()
        for name in sorted(name for name in environment if name.startswith("AWS_")):
            print(f"export {name}={environment[name]}")
        print(f"# leaked key {company.leaked.access_key} of {company.production.users['ci-deploy']}")
        print(f"# responder role {company.role_template}; control {bed.endpoint}/_bed/calls", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
