"""create -> Ref -> Secret over two accounts and two regions: killed anywhere, run again, undone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.beds.bed import Bed, Credentials, root
from tests.beds.company import PRODUCTION, SECRET, STAGING, Company
from tests.integration.helpers import Child, Desk, environment, works
from tests.integration.three_steps import PARAMETER, USER, carry_out

pytestmark = pytest.mark.bed

MUTATIONS = ("CreateAccessKey", "PutParameter", "PutSecretValue")


class Plan:
    """The plan on a desk; `start` runs it in a process (group) of its own."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.bed = desk, desk.bed
        desk.incident(desk.company.leaked.access_key)
        self.secrets = self.bed.client("secretsmanager", root(STAGING), region="eu-west-1", direct=True)
        self.secrets.create_secret(Name=SECRET, SecretString="the old one")
        self.ssm = self.bed.client("ssm", root(PRODUCTION), direct=True)
        self.iam = self.bed.client("iam", root(PRODUCTION), direct=True)
        self.old = self.keys()

    def keys(self) -> set[str]:
        return {k["AccessKeyId"] for k in self.iam.list_access_keys(UserName=USER)["AccessKeyMetadata"]}

    def parameter(self) -> str:
        try:
            return str(self.ssm.get_parameter(Name=PARAMETER)["Parameter"]["Value"])
        except self.ssm.exceptions.ParameterNotFound:
            return ""

    def stored(self) -> str:
        return str(self.secrets.get_secret_value(SecretId=SECRET)["SecretString"])

    def run(self, **more: Any) -> dict[str, Any]:
        with environment(self.bed.environ()):
            result = carry_out({"incident": str(self.desk.file), **more})
        self.desk.outputs.append(json.dumps(result))
        return result

    def killed(self, operation: str, when: str) -> None:
        """Run until the bed kills it before or after that call."""
        child = Child(self.bed, {"plan": {"incident": str(self.desk.file)}})
        self.bed.rule(when, operation=operation, pgid=child.pgid)
        code, out, err = child.go()
        assert code == -9, (out[-500:], err[-1500:])
        self.bed.clear_rules()

    def is_right(self) -> Credentials:
        """Exactly one new key; the parameter names it; the secret stored is its secret, and works."""
        (key,) = self.keys() - self.old
        assert self.old <= self.keys() and self.parameter() == key
        credentials = Credentials(key, self.stored())
        assert works(self.bed, credentials) == "ok"
        assert self.desk.leaks(self.stored()) == [] and self.desk.verified() and self.desk.ledger().unsettled() == []
        return credentials

    def is_undone(self, secret: str) -> None:
        assert self.keys() == self.old and self.parameter() == "" and self.stored() == "the old one"
        assert self.desk.leaks(secret) == [] and self.desk.verified()


@pytest.fixture
def three(bed: Bed, company: Company, tmp_path: Path) -> Plan:
    return Plan(Desk(bed, company, tmp_path))


def test_do_again_undo_again(three: Plan) -> None:
    assert three.run(check=True)["changed"] == 3 and three.keys() == three.old and not (three.desk.folder / "cases").exists()
    done = three.run()
    assert done["changed"] == 3 and done["failures"] == []
    made = three.is_right()
    again = three.run()
    assert again["changed"] == 0 and set(again["statuses"].values()) == {"already"} and three.is_right() == made
    undone = three.run(undo=True)
    assert undone["failures"] == [] and undone["changed"] == 3
    three.is_undone(made.secret_key)
    assert three.run(undo=True)["changed"] == 0
    three.is_undone(made.secret_key)


@pytest.mark.crash
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operation", MUTATIONS)
def test_killed_around_each_call(three: Plan, operation: str, when: str) -> None:
    three.killed(operation, when)
    done = three.run()
    assert done["failures"] == [] and done["recovered"], done
    made = three.is_right()
    assert three.run()["changed"] == 0
    undone = three.run(undo=True)
    assert undone["failures"] == [], undone
    three.is_undone(made.secret_key)


@pytest.mark.parametrize("operation", MUTATIONS)
def test_a_lost_answer(three: Plan, operation: str) -> None:
    three.bed.rule("lost", operation=operation)
    done = three.run()
    if done["failures"]:
        done = three.run()
    assert done["failures"] == []
    made = three.is_right()
    assert three.run(undo=True)["failures"] == []
    three.is_undone(made.secret_key)


@pytest.mark.parametrize("operation", MUTATIONS)
def test_a_call_that_fails_is_made_up_for_by_the_next_run(three: Plan, operation: str) -> None:
    three.bed.rule("fail", operation=operation, times=20, status=403, code="AccessDeniedException", message="not yet")
    failed = three.run()
    assert [f["operation"].split(":")[1] for f in failed["failures"]] == [operation]
    blocked = [i for i, s in failed["statuses"].items() if s == "blocked"]
    assert len(blocked) == (2 if operation == "CreateAccessKey" else 0)
    three.bed.clear_rules()
    assert three.run()["failures"] == []
    made = three.is_right()
    assert three.run(undo=True)["failures"] == []
    three.is_undone(made.secret_key)


@pytest.mark.parametrize("operation", ["DeleteAccessKey", "DeleteParameter", "UpdateSecretVersionStage"])
def test_an_undo_that_fails_is_finished_by_the_next(three: Plan, operation: str) -> None:
    three.run()
    made = three.is_right()
    three.bed.rule("fail", operation=operation, times=20, status=403, code="AccessDeniedException", message="not yet")
    assert len(three.run(undo=True)["failures"]) == 1
    three.bed.clear_rules()
    assert three.run(undo=True)["failures"] == []
    three.is_undone(made.secret_key)


def test_no_file_of_the_case_holds_the_secret(three: Plan) -> None:
    three.run()
    made = three.is_right()
    texts = [p.read_text() for p in Path(three.desk.case).rglob("*.json")]
    assert any(made.access_key in text for text in texts) and not any(made.secret_key in text for text in texts)
