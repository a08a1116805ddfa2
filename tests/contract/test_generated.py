"""Generated files are what the generators would write now."""

from __future__ import annotations

import pytest

from tests.tools import generate


@pytest.mark.parametrize(("path", "text"), [pytest.param(path, text, id=path) for path, text in generate.files()])
def test_is_fresh(path: str, text: str) -> None:
    on_disk = generate.ROOT / path
    assert on_disk.is_file(), f"{path} is missing: run `make generate`"
    assert on_disk.read_text(encoding="utf-8") == text, f"{path} is stale: run `make generate`"


def test_no_path_is_written_twice() -> None:
    paths = [path for path, _text in generate.files()]
    assert len(paths) == len(set(paths))
