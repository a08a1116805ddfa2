"""What every module promises in its documentation, checked for every module that is there."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(p.stem for p in (ROOT / "plugins" / "modules").glob("*.py") if p.stem != "__init__")
MUTATING = [m for m in MODULES if not m.endswith("_info")]
ANSIBLES_OWN = {"changed", "failed", "msg", "diff", "warnings", "deprecations", "exception", "invocation", "rc", "skipped"}


class _Stop(Exception):
    pass


def module_of(name: str) -> Any:
    return importlib.import_module(f"ansible_collections.evict.cloud.plugins.modules.{name}")


def documentation(name: str) -> dict[str, Any]:
    """DOCUMENTATION with its fragments merged in, as ansible-doc does."""
    found: dict[str, Any] = yaml.safe_load(module_of(name).DOCUMENTATION)
    for fragment in found.get("extends_documentation_fragment", []):
        part = fragment.rsplit(".", 1)[-1]
        text = importlib.import_module(f"ansible_collections.evict.cloud.plugins.doc_fragments.{part}").ModuleDocFragment.DOCUMENTATION
        for key, value in yaml.safe_load(text).items():
            if isinstance(value, dict):
                found[key] = {**value, **found.get(key, {})}
            else:
                found[key] = [*found.get(key, []), *value]
    return found


def spec_of(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The keyword arguments that the module gives to AnsibleModule."""
    caught: dict[str, Any] = {}

    def construct(_self: AnsibleModule, **given: Any) -> None:
        caught.update(given)
        raise _Stop

    monkeypatch.setattr(AnsibleModule, "__init__", construct)
    with pytest.raises(_Stop):
        module_of(name).main()
    return caught


def test_there_are_modules() -> None:
    assert {"aws_contain", "aws_restore", "aws_credential", "aws_session", "aws_identity_quarantine", "aws_principal_info", "case"} <= set(
        MODULES
    )


@pytest.mark.parametrize("name", MODULES)
def test_the_documented_options_are_the_options(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, documented = spec_of(name, monkeypatch)["argument_spec"], documentation(name)["options"]
    assert set(spec) == set(documented)
    for option, about in documented.items():
        real = spec[option]
        for key in ("type", "elements", "choices", "default"):
            expected = real.get(key, "str" if key == "type" else None)
            assert about.get(key) == expected, f"{name}.{option}.{key}"
        assert bool(about.get("required")) == bool(real.get("required")), f"{name}.{option}.required"
        assert about.get("description"), f"{name}.{option} is not described"


@pytest.mark.parametrize("name", MODULES)
def test_attributes_say_check_and_diff_mode(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, attributes = spec_of(name, monkeypatch), documentation(name)["attributes"]
    assert spec.get("supports_check_mode") is True and attributes["check_mode"]["support"] == "full"
    assert set(attributes) >= {"check_mode", "diff_mode", "idempotent"}
    assert all(a["support"] in ("full", "partial", "none", "N/A") and a["description"] for a in attributes.values())


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_tasks_that_the_module_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = spec_of(name, monkeypatch)
    examples = yaml.safe_load(module_of(name).EXAMPLES)
    assert examples, "no examples"
    validator = ModuleArgumentSpecValidator(
        given["argument_spec"],
        given.get("mutually_exclusive"),
        given.get("required_together"),
        given.get("required_one_of"),
        given.get("required_if"),
        given.get("required_by"),
    )
    for task in examples:
        assert task["name"]
        parameters = task.get(f"evict.cloud.{name}")
        if parameters is None:
            continue  # another module's task in the same example
        templated = {k: v for k, v in parameters.items() if isinstance(v, str) and "{{" in v}
        types = {"dict": {}, "list": [], "bool": True, "int": 1}
        parameters = {k: types.get(given["argument_spec"][k].get("type", "str"), v) if k in templated else v for k, v in parameters.items()}
        assert validator.validate(parameters).error_messages == [], task["name"]
    assert any(f"evict.cloud.{name}" in task for task in examples)


@pytest.mark.parametrize("name", MODULES)
def test_every_return_value_is_described_with_type_and_sample(name: str) -> None:
    returned = yaml.safe_load(module_of(name).RETURN)
    types = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict}
    assert returned and not {"failed", "changed", "msg"} & set(returned)
    for key, about in returned.items():
        assert about["description"] and about["returned"] and about["type"] in types, key
        assert isinstance(about["sample"], types[about["type"]]), f"{name}.{key}: the sample is no {about['type']}"
        assert (about["type"] == "list") == ("elements" in about), key


@pytest.mark.parametrize("name", MODULES)
def test_no_option_takes_a_secret(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = re.compile(r"secret|token|password|private|credential(?!s?_ids)", re.IGNORECASE)
    assert not [o for o in spec_of(name, monkeypatch)["argument_spec"] if secret.search(o)]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_thin(name: str) -> None:
    """Documentation and one call: no boto3, no reads, no `if check_mode` of its own."""
    code = (ROOT / "plugins" / "modules" / f"{name}.py").read_text().rsplit('"""', 1)[1]
    assert "boto3" not in code and not re.search(r"(?<![.\w])open\(", code)
    assert not re.search(r"if (not )?module\.check_mode", code)
    assert code.rstrip().endswith('if __name__ == "__main__":\n    main()')


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_in_an_action_group(name: str) -> None:
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    listed = {entry for group in groups.values() for entry in group if isinstance(entry, str)}
    assert name in listed or f"evict.cloud.{name}" in listed, json.dumps(groups)[:300]


def test_each_option_of_contain_can_be_given_to_the_playbook() -> None:
    """As `contain_<option>`, but for how AWS is reached, which the incident file says; and what the role takes it hands on under that name."""
    role = ROOT / "roles" / "contain"
    options = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    (task,) = yaml.safe_load((role / "tasks" / "main.yml").read_text())
    own = set(yaml.safe_load(module_of("aws_contain").DOCUMENTATION)["options"])
    assert own <= {name.removeprefix("contain_") for name in options}
    given = task["evict.cloud.aws_contain"]
    assert all(f"contain_{name}" in given[name] for name in own - {"brief"})
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text())
    assert defaults == {name: option["default"] for name, option in options.items() if "default" in option}
