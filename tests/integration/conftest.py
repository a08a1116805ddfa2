"""Fixtures of the integration tests: one enforcing bed per session, a freshly seeded company per test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.beds import company as company_module
from tests.beds.bed import Bed
from tests.integration.helpers import Desk

# Files whose few tests take long, the longest first. Begun last, one of them would keep one worker busy while the others have nothing left.
LONG = ("redteam", "hold_late_logs", "permissions", "sources", "contain", "crash", "every_call", "hold", "faults", "notify", "stores", "awx", "rotation", "rotation_crash", "moving", "rotation_kinds", "rotation_bad_input", "account_fence", "identity_center", "drill",
        "redteam_finds", "dependents", "case_action", "hosts", "crash_verbs", "readiness", "live", "refresh", "resources")  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, then those of many tests; within a file as it is written. Workers take files in this order."""
    here = Path(__file__).parent
    tests = Counter(item.path for item in items)
    places = {here / f"test_{name}.py": place for place, name in enumerate(LONG)}
    items.sort(
        key=lambda item: (
            (places.get(item.path, len(LONG)), -tests[item.path], item.path) if item.path.is_relative_to(here) else (-1, 0, here)
        )
    )


@pytest.fixture(scope="session")
def bed() -> Iterator[Bed]:
    """The running bed."""
    with Bed() as running:
        yield running


@pytest.fixture
def company(bed: Bed) -> company_module.Company:
    """The bed emptied and the company seeded; no calls, records or rules yet."""
    bed.reset()
    return company_module.seed(bed)


@pytest.fixture(scope="session")
def _seeded() -> dict[str, object]:
    return {}


@pytest.fixture
def desk(bed: Bed, tmp_path: Path, _seeded: dict[str, object]) -> Desk:
    """A responder's desk over a seeded company; CloudTrail look-ups are not slowed down. What the last test left as it was is used again."""
    company = _seeded.get("company")
    if isinstance(company, company_module.Company) and bed.snapshot() == _seeded["snapshot"]:
        bed.control("reset", {})
        bed.clock(0)
        bed.lag(0)
        bed.organizations(None)
        bed.cloud("config", {"tags": {"empty_is_null": False}})
        bed.responder = company.responder
    else:
        bed.reset()
        bed.clock(0)
        _seeded["company"] = company = company_module.seed(bed)
        _seeded["snapshot"] = bed.snapshot()
    bed.configure(lookup_rate=0)
    return Desk(bed, company, tmp_path)
