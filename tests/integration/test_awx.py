"""The shape of AWX: ansible-runner with a private data directory per job, extra variables as a survey sends them, the store in S3, no home."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.beds.bed import root
from tests.beds.company import allow, document
from tests.integration.helpers import DEAD, ROOT, Desk, works
from tests.integration.test_account_fence import A

pytestmark = pytest.mark.bed

UNANSWERED = {
    "threads": "",
    "target": "",
    "phase": "",
    "case": "",
    "result_file": "",
    "reason": "",
    "by": "",
    "takeover": "",
    "verdict": "",
    "plan": "",
    "hold": "",
}
RUNNER = (
    "import ansible_runner, sys; r = ansible_runner.run(private_data_dir=sys.argv[1], playbook=sys.argv[2], quiet=False); sys.exit(r.rc)"
)


class Jobs:
    """Each job on a node of its own: a new private data directory, a project that is only read, a home that cannot be made."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.count = desk, 0
        self.bucket = f"cases-{os.urandom(4).hex()}"
        owner = root(desk.bed.management)
        desk.bed.client("s3", owner, direct=True).create_bucket(Bucket=self.bucket)
        iam = desk.bed.client("iam", owner, direct=True)
        iam.put_user_policy(UserName="responder", PolicyName="store", PolicyDocument=document(allow("s3:*")))
        self.project = desk.folder / "project"
        self.project.mkdir()
        for name in ("contain", "recover", "readiness"):
            (self.project / f"{name}.yml").write_text(
                f"---\n- name: From the collection\n  ansible.builtin.import_playbook: evict.cloud.{name}\n"
            )
        template = {
            "store": f"s3://{self.bucket}/ir",
            "connection": {"aws": {"role_arn": desk.company.role_template}},
            "accounts": [A],
            "password": "keep",
        }
        (self.project / "template.yml").write_text(json.dumps({"incident": template}))
        self.files = self._listing()

    def _listing(self) -> list[str]:
        return sorted(str(path.relative_to(self.project)) for path in self.project.rglob("*"))

    def start(self, playbook: str, answers: dict[str, Any], **environment: str) -> subprocess.Popen[str]:
        self.count += 1
        private = self.desk.folder / f"job-{self.count}"
        (private / "env").mkdir(parents=True)
        (private / "inventory").mkdir()
        shutil.copytree(self.project, private / "project")
        for path in (*(private / "project").iterdir(), private / "project"):
            path.chmod(0o555 if path.is_dir() else 0o444)
        (private / "inventory" / "hosts").write_text("localhost ansible_connection=local\n")
        (private / "env" / "extravars").write_text(json.dumps({**UNANSWERED, **answers}))
        (private / "env" / "settings").write_text(json.dumps({"suppress_env_files": False, "idle_timeout": 120}))
        variables = {**self.desk.bed.environ(), "HOME": "/proc/no-home", "ANSIBLE_LOCAL_TEMP": str(private / "tmp"), "ANSIBLE_REMOTE_TEMP": str(private / "tmp"),
                     "ANSIBLE_HOME": str(private / "home"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_NOCOLOR": "1", **environment}  # fmt: skip
        wanted = ("AWS_", "HOME", "ANSIBLE_", "XDG_")
        (private / "env" / "envvars").write_text(json.dumps({k: v for k, v in variables.items() if k.startswith(wanted)}))
        plain = {k: v for k, v in variables.items() if not k.startswith(wanted)}
        return subprocess.Popen(
            [sys.executable, "-c", RUNNER, str(private), f"{playbook}.yml"], env=plain, cwd=private, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
            start_new_session=True,
        )  # fmt: skip

    def run(self, playbook: str, answers: dict[str, Any], **environment: str) -> tuple[int, str]:
        child = self.start(playbook, answers, **environment)
        said = child.communicate(timeout=180)[0]
        self.desk.outputs.append(said)
        project = self.desk.folder / f"job-{self.count}" / "project"
        assert sorted(str(p.relative_to(project)) for p in project.rglob("*")) == self.files, "a project is only read"
        return child.returncode, said


@pytest.fixture
def jobs(desk: Desk) -> Iterator[Jobs]:
    desk.bed.regions("us-east-1")
    yield Jobs(desk)
    desk.bed.regions()


def test_jobs_of_awx_contain_go_on_after_a_cancel_and_recover_on_another_node(desk: Desk, jobs: Jobs) -> None:
    bed, key = desk.bed, desk.company.leaked
    before = bed.snapshot()
    suspect = {
        "incident": "template.yml",
        "suspect": key.access_key,
        "hold": "1s",
        "contain_spread": "1s",
        "contain_scope": "10",
        "contain_freeze": "false",
    }
    # Cancelled when the first write is on its way; the node is gone, and its private data with it.
    bed.configure(latency_ms=60)
    child = jobs.start("contain", suspect)
    deadline = time.monotonic() + 60
    while not bed.calls(operation="PutUserPolicy") and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGTERM)
    time.sleep(0.2)
    _kill_below(desk.folder / "job-1")
    said = child.communicate(timeout=60)[0]
    bed.configure(latency_ms=0)
    assert bed.calls(operation="PutUserPolicy"), said
    assert "PLAY RECAP" not in said, "the job was to be cut short"
    # Launched again, on another node.
    code, said = jobs.run("contain", suspect)
    assert works(bed, key) in DEAD and "arn:aws:iam::222222222222:user/ci-deploy" in said, (code, said[-3000:])
    case = next(word for word in said.split() if word.startswith(f"s3://{jobs.bucket}/ir/IR-"))
    assert "FAILED" not in said.split("IDENTITY", 1)[1].replace("FAILED!", ""), said[-3000:]
    code, again = jobs.run("contain", suspect)
    assert "changed: 0" in again and case in again, again[-3000:]
    # The other job template knows nothing but the case.
    code, said = jobs.run(
        "recover",
        {
            "case": case,
            "only": key.access_key,
            "verdict": "false_positive",
            "reason": "a test",
            "by": "Ada",
            "threads": "4",
            "takeover": "true",
        },
    )
    assert code == 0 and works(bed, key) == "ok", said[-3000:]
    assert _identities(bed.snapshot()) == _identities(before)
    assert not [s for s in desk.secrets if any(s in text for text in desk.outputs)]


def _identities(snapshot: str) -> dict[str, Any]:
    return {key: value for key, value in json.loads(snapshot).items() if not key.startswith("s3.")}


def _kill_below(folder: Path) -> None:
    """Every process that was started from a private data directory, by its id: what stopping a container does."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (
                    str(folder) in (entry / "cmdline").read_text() + (entry / "environ").read_text(errors="replace")
                    and int(entry.name) != os.getpid()
                ):
                    os.kill(int(entry.name), signal.SIGKILL)
            except (OSError, ProcessLookupError):
                continue
