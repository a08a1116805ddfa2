"""Fixtures of the integration tests: one enforcing bed per session, a freshly seeded company per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.beds import company as company_module
from tests.beds.bed import Bed
from tests.integration.helpers import Desk


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


@pytest.fixture
def desk(bed: Bed, company: company_module.Company, tmp_path: Path) -> Desk:
    """A responder's desk over the seeded company; CloudTrail look-ups are not slowed down."""
    bed.configure(lookup_rate=0)
    return Desk(bed, company, tmp_path)
