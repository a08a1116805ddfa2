"""What is imported into AWX fits the playbooks, and the execution environment gets what the collection needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "extensions" / "awx"
SURVEYS = sorted(FOLDER.glob("survey-*.json"))
PLAYBOOK_OF = {"look-again": "contain"}
# The public extra variables, the same for all playbooks.
PUBLIC = {
    "incident",
    "suspect",
    "case",
    "plan",
    "target",
    "only",
    "verdict",
    "reason",
    "by",
    "hold",
    "threads",
    "takeover",
    "result_file",
    "phase",
}
TYPES = {"text", "textarea", "password", "integer", "float", "multiplechoice", "multiselect"}  # awx/api/views: JobTemplateSurveySpec
FIELDS = {"question_name", "question_description", "required", "type", "variable", "min", "max", "default", "choices", "new_question"}


def name_of(path: Path) -> str:
    return path.stem.removeprefix("survey-")


def spec(path: Path) -> list[dict[str, Any]]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert set(found) == {"name", "description", "spec"} and found["name"]
    return list(found["spec"])


def test_every_playbook_that_is_a_job_has_a_survey() -> None:
    playbooks = {path.stem for path in (ROOT / "playbooks").glob("*.yml")} - {"drill"}
    assert {PLAYBOOK_OF.get(name_of(path), name_of(path)) for path in SURVEYS} >= {"contain", "recover", "readiness"} & playbooks


@pytest.mark.parametrize("path", SURVEYS, ids=name_of)
def test_a_survey_is_one_that_awx_takes_and_asks_for_public_variables_only(path: Path) -> None:
    questions = spec(path)
    variables = [question["variable"] for question in questions]
    assert questions and len(set(variables)) == len(variables) and set(variables) <= PUBLIC
    for question in questions:
        assert set(question) == FIELDS and question["type"] in TYPES and isinstance(question["required"], bool)
        assert question["question_name"] and question["question_description"]
        if question["type"] == "multiplechoice":
            assert isinstance(question["choices"], list) and question["default"] in ("", *question["choices"])
        else:
            assert question["choices"] == "" and question["min"] <= len(str(question["default"])) <= question["max"]
        assert question["type"] != "password", "no secret is ever asked for"


@pytest.mark.parametrize("path", SURVEYS, ids=name_of)
def test_what_a_survey_asks_for_is_used_by_its_playbook(path: Path) -> None:
    playbook = PLAYBOOK_OF.get(name_of(path), name_of(path))
    text = (ROOT / "playbooks" / f"{playbook}.yml").read_text(encoding="utf-8")
    role = yaml.safe_load((ROOT / "roles" / playbook / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    actions = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "plugins" / "action").glob("*.py"))
    for question in spec(path):
        name = question["variable"]
        assert re.search(rf"\b{name}\b", text) or f'"{name}"' in actions, name
        allowed = (role.get(f"{playbook}_{name}") or {}).get("choices")
        if allowed and question["type"] == "multiplechoice":
            assert set(question["choices"]) <= set(allowed), name


@pytest.mark.parametrize("path", SURVEYS, ids=name_of)
def test_an_unanswered_question_is_sent_empty_and_counts_as_not_given(path: Path) -> None:
    """The integration test sends all of these empty; what a playbook templates has to take that for "not given"."""
    from tests.integration.test_awx import UNANSWERED

    optional = {question["variable"] for question in spec(path) if not question["required"]}
    assert optional <= set(UNANSWERED)


@pytest.mark.parametrize("playbook", ["contain", "recover", "readiness"])
def test_no_playbook_takes_an_empty_answer_for_a_value(playbook: str) -> None:
    text = (ROOT / "playbooks" / f"{playbook}.yml").read_text(encoding="utf-8")
    public = "|".join(sorted(PUBLIC))
    assert not re.findall(rf"\b(?:{public}) is (?:not )?defined", text)
    careless = [
        use
        for use in re.findall(rf"\b(?:{public}) \| default\([^)]*\)(?: \| string\) or)?", text)
        if ", true)" not in use and " or" not in use
    ]
    assert careless == []


def test_the_type_of_credential_hands_the_store_its_own_profile() -> None:
    kind = json.loads((FOLDER / "credential-type-store.json").read_text(encoding="utf-8"))
    fields = {field["id"]: field for field in kind["inputs"]["fields"]}
    assert (
        kind["kind"] == "cloud" and fields["secret_key"]["secret"] and fields["token"]["secret"] and not fields["access_key"].get("secret")
    )
    template = jinja2.Environment(keep_trailing_newline=True).from_string(kind["injectors"]["file"]["template"])  # noqa: S701 - a file, no page
    values = {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "s", "token": ""}
    assert template.render(values) == "[evict-store]\naws_access_key_id=AKIAIOSFODNN7EXAMPLE\naws_secret_access_key=s\n"
    assert "aws_session_token=t\n" in template.render({**values, "token": "t"})
    assert kind["injectors"]["env"] == {"AWS_SHARED_CREDENTIALS_FILE": "{{ tower.filename }}"}
    documented = (ROOT / "docs" / "docsite" / "rst" / "awx.rst").read_text(encoding="utf-8")
    assert "profile: evict-store" in documented and all(path.name in documented for path in FOLDER.iterdir())


def test_an_execution_environment_gets_what_the_collection_needs() -> None:
    """By what ansible-builder itself reads out of the collection."""
    tool = str(Path(sys.executable).parent / "ansible-builder")
    done = subprocess.run([tool, "introspect", str(ROOT / ".collections")], capture_output=True, text=True, timeout=60, check=True)
    found = yaml.safe_load(done.stdout)
    lines = [line for name in ("run.in", "extra.in") for line in (ROOT / "requirements" / name).read_text().splitlines()]
    wanted = [line for line in lines if line and not line.startswith(("#", "ansible-core"))]
    assert [entry.split("  # from")[0] for entry in found["python"]] == wanted
    assert found["system"] in ([], {})
