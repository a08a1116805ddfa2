"""docs/proof.md names beds that there are and tests that exist, and no module is left out."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
BEDS = {"ENFORCED", "STATE", "CONTRACT", "MANUAL"}
MODULES = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if not path.stem.startswith("_")}


class Row(NamedTuple):
    """One claim: about what, the claim, its bed, and the cell that names its tests."""

    subject: str
    claim: str
    bed: str
    tests: str


def rows(heading: str) -> list[Row]:
    """The rows of the table under a heading."""
    text = (ROOT / "docs" / "proof.md").read_text(encoding="utf-8")
    section = re.split(r"^## ", text.split(f"\n## {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [Row(*(cell.strip() for cell in line.strip("|").split("|"))) for line in lines]


CLAIMS = rows("Modules") + rows("What the modules stand on")


@functools.cache
def nodes(path: str) -> frozenset[str]:
    """The test functions of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


@pytest.mark.parametrize("row", CLAIMS, ids=lambda row: f"{row.subject}: {row.claim}"[:80])
def test_a_claim_names_its_bed_and_tests_that_exist(row: Row) -> None:
    assert row.bed in BEDS and row.claim
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row.tests)
    if row.bed == "MANUAL":
        assert row.tests and "tests/" not in row.tests, "what has a test is not MANUAL"
        return
    assert named and re.sub(r"`tests/[\w/]+\.py::\w+`(, )?", "", row.tests) == "", f"not a list of tests: {row.tests}"
    for path, node in named:
        assert (ROOT / path).is_file() and node in nodes(path), f"there is no {path}::{node}"


@pytest.mark.parametrize("row", [row for row in CLAIMS if row.bed in ("ENFORCED", "STATE")], ids=lambda row: row.claim[:60])
def test_a_bed_is_used_by_the_tests_that_are_said_to_use_it(row: Row) -> None:
    """A test that starts no emulated cloud shows nothing about access."""
    marks = {"ENFORCED": ("mark.bed", "Desk", "Bed"), "STATE": ("moto", "azurite")}[row.bed]
    for path in set(re.findall(r"`(tests/[\w/]+\.py)::", row.tests)):
        assert any(mark in (ROOT / path).read_text(encoding="utf-8") for mark in marks), path


def test_every_module_is_there_and_no_other() -> None:
    assert {row.subject.strip("`") for row in rows("Modules")} == MODULES


def test_every_bed_is_explained() -> None:
    text = (ROOT / "docs" / "proof.md").read_text(encoding="utf-8")
    assert all(f"| {bed} |" in text.split("## ", 1)[0] for bed in BEDS)
