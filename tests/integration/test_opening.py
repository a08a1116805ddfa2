"""What the playbooks say when a case cannot be opened, and what they refuse before anything is touched: through ansible-playbook, on the bed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.helpers import Desk
from tests.integration.test_stores import ALICE, BOB, cloud

pytestmark = pytest.mark.bed

DEAD_STORE = {"url": "s3://the-cases/ir", "endpoint_url": "http://127.0.0.1:9", "region": "us-east-1"}


def flat(said: str) -> str:
    return " ".join(said.split())


def unwritable(desk: Desk) -> str:
    (desk.folder / "cases").write_text("a file")
    return desk.incident(BOB)


def dead(desk: Desk) -> str:
    return desk.incident(BOB, store=DEAD_STORE, mode="graceful")


def closed(desk: Desk) -> str:
    desk.incident(BOB)
    for state in ("open", "closed"):
        done = desk.run(
            "case", incident=str(desk.file), directory=str(desk.folder), allow_local_store=True, state=state, by="Ada", reason="over"
        )
        assert not done.get("failed"), done
    return str(desk.file)


def collision(desk: Desk) -> str:
    desk.incident(BOB)
    assert not desk.run("case", incident=str(desk.file), directory=str(desk.folder), allow_local_store=True).get("failed")
    return desk.incident(ALICE, opened="2026-01-01T00:00:00Z")


ERRORS: dict[str, tuple[Callable[[Desk], str], tuple[str, ...]]] = {
    "unwritable": (unwritable, ("cases", "directory")),
    "dead": (dead, ("s3://the-cases/ir", "check that the bucket exists")),
    "closed": (closed, ("was closed by Ada (over)", "give reason")),
    "collision": (collision, ("belongs to another incident", "choose another id")),
}


@pytest.mark.parametrize("playbook", ["contain", "recover"])
@pytest.mark.parametrize("name", sorted(ERRORS))
def test_why_a_case_cannot_be_opened_is_said(desk: Desk, name: str, playbook: str) -> None:
    made, words = ERRORS[name]
    file, before = made(desk), cloud(desk)
    code, said = desk.play(playbook, "-e", f"incident={file}", env={"XDG_STATE_HOME": str(desk.folder / "state")})
    assert code == 2 and all(word in flat(said) for word in words), said
    assert "'path'" not in said and "Traceback" not in said and cloud(desk) == before


@pytest.mark.parametrize("playbook", ["contain", "recover"])
def test_a_case_that_does_not_exist_is_named(desk: Desk, playbook: str) -> None:
    code, said = desk.play(playbook, "-e", "case=cases/nope")
    assert code == 2 and f"there is no case {desk.folder}/cases/nope" in flat(said) and "a case is <store>/<incident id>" in flat(said), (
        said
    )
