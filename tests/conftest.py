"""For all tests: what lives as long as the session is not searched for garbage again and again."""

from __future__ import annotations

import gc


def pytest_collection_finish() -> None:
    """Modules, models and tests are there by now; to look through them every few hundred objects was a fifth of what the tests computed."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)
