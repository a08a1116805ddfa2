# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public variables under a real ansible-playbook: whatever they hold is never run. No cloud is needed: nothing gets so far."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Asked of another process: in one that has loaded what an action plugin needs, modules of other tests would hand their warnings to a display.
_ASK = "import json; from ansible_collections.evict.cloud.plugins.plugin_utils import extra; print(json.dumps(extra.PUBLIC))"
NAMES = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml") if path.stem != "drill")  # which takes no variable


@pytest.fixture(scope="module")
def public() -> list[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".collections")}
    asked = subprocess.run([sys.executable, "-c", _ASK], env=environment, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    return list(json.loads(asked.stdout))


def play(folder: Path, playbook: Path | str, given: dict[str, Any]) -> tuple[int, str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0",
                   "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_LOCAL_TEMP": str(folder / "tmp")}  # fmt: skip
    command = [sys.executable, "-m", "ansible", "playbook", str(playbook), "-e", json.dumps(given)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("name", NAMES)
def test_no_public_variable_is_ever_run(tmp_path: Path, name: str, public: list[str]) -> None:
    planted = tmp_path / "planted"
    payload = "{{ lookup('pipe', 'touch " + str(planted) + "') }}"
    code, said = play(tmp_path, ROOT / "playbooks" / f"{name}.yml", dict.fromkeys(public, payload))
    assert code == 2 and not planted.exists(), said
    assert all(f"{variable}: holds a template" in said for variable in public) and "Traceback" not in said, said


def test_a_payload_does_run_where_it_is_templated(tmp_path: Path) -> None:
    """A control: a playbook of somebody else's, in which the names are their own."""
    (tmp_path / "play.yml").write_text("- hosts: localhost\n  gather_facts: false\n  tasks: [{debug: {msg: '{{ hold }}'}}]\n")
    assert play(tmp_path, tmp_path / "play.yml", {"hold": "{{ lookup('pipe', 'touch " + str(tmp_path / "planted") + "') }}"})[0] == 0
    assert (tmp_path / "planted").exists()


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("contain", {"suspect": "AKIAIOSFODNN7EXAMPLE", "notify_file": "nobody.yml"}, "nobody.yml"),
        ("recover", {"suspect": "AKIAIOSFODNN7EXAMPLE", "notify_file": "nobody.yml"}, "nobody.yml"),
        ("notify", {"suspect": "AKIAIOSFODNN7EXAMPLE", "notify_file": "nobody.yml"}, "nobody.yml"),
        ("contain", {"plan": "nothing.yml"}, "plan: is in no case's folder plan"),
        ("dependents", {"suspect": "AKIAIOSFODNN7EXAMPLE", "threads": "0"}, "threads: must be a whole number, 1 or more"),
        ("dependents", {"suspect": "AKIAIOSFODNN7EXAMPLE", "threads": "x"}, "threads: must be a whole number, 1 or more"),
        ("readiness", {"incident": "nobody.yml", "threads": "x"}, "threads: must be a whole number, 1 or more"),
    ],
)
def test_what_the_first_task_takes_reaches_it(tmp_path: Path, name: str, given: dict[str, Any], said: str) -> None:
    code, printed = play(tmp_path, ROOT / "playbooks" / f"{name}.yml", given)
    assert code == 2 and said in printed, printed


NO_CASE = {"case": "cases/IR-1"}


@pytest.mark.parametrize("how", ["path", "name", "imported"])
def test_what_narrows_a_run_is_refused_by_a_playbook_that_would_not_heed_it(tmp_path: Path, how: str) -> None:
    (tmp_path / "site.yml").write_text("---\n- name: From the collection\n  ansible.builtin.import_playbook: evict.cloud.contain\n")
    playbook = {"path": ROOT / "playbooks" / "contain.yml", "name": "evict.cloud.contain", "imported": "site.yml"}[how]
    code, said = play(tmp_path, playbook, {**NO_CASE, "only": "AKIAIOSFODNN7EXAMPLE", "takeover": "true"})
    assert code == 2 and "only: contain acts on the whole case; recover takes it" in said and "there is no case" not in said, said


@pytest.mark.parametrize("more", ["- import_playbook: evict.cloud.recover", "- hosts: localhost\n  tasks: []"])
def test_beside_other_playbooks_it_may_be_for_those(tmp_path: Path, more: str) -> None:
    (tmp_path / "site.yml").write_text(f"- import_playbook: evict.cloud.contain\n{more}\n")
    code, said = play(tmp_path, "site.yml", {**NO_CASE, "only": "AKIAIOSFODNN7EXAMPLE"})
    assert code == 2 and "there is no case" in said and "refused" not in said, said
    assert ("only is not read by contain: recover takes it" in said) == ("recover" not in more), said
