"""What the integration tests of the modules share: an incident on the bed, modules run in this process, and what a case holds."""

from __future__ import annotations

import contextlib
import datetime
import importlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from ansible.module_utils.common import warnings as module_warnings
from ansible.module_utils.testing import patch_module_args
from botocore.exceptions import BotoCoreError, ClientError

from ansible_collections.evict.cloud.plugins.module_utils.aws import session
from ansible_collections.evict.cloud.plugins.module_utils.common import incident as incidents
from ansible_collections.evict.cloud.plugins.module_utils.common import ledger as ledgers
from ansible_collections.evict.cloud.plugins.module_utils.common.store import Store, open_store
from tests.beds.bed import Bed, Credentials
from tests.beds.company import Company

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = ROOT / "playbooks"
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
DEAD = DENIED | {"InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException", "AuthFailure", "ExpiredToken"}


def utc(seconds: float = 0) -> str:
    """Now plus `seconds`, RFC 3339."""
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def spread_of(hold: Any) -> dict[str, str]:
    """On a bed without lag what is held for a second has spread by then: with the 10 s that AWS is given, each test would wait for so long."""
    return {"spread": str(hold)} if str(hold) in ("1s", "2s", "3s", "6s") else {}


class Desk:
    """A responder's desk: one case on the bed. `run` gives a module's result, `rc` as Ansible would exit."""

    def __init__(self, bed: Bed, company: Company, folder: Path, name: str = "IR-1") -> None:
        self.bed, self.company, self.folder, self.name = bed, company, folder, name
        self.file = folder / f"{name}.yml"
        self.case = folder / "cases" / name
        self.secrets = [company.responder.secret_key]
        self.outputs: list[str] = []

    # -- the incident --------------------------------------------------------------------------------------------

    def incident(self, *suspects: Any, **more: Any) -> str:
        """Write the incident file; a suspect is an ARN, a key id, or the mapping itself."""
        raw = {
            "id": self.name, "title": "t", "severity": "high", "opened": utc(), "store": str(self.folder / "cases"),
            "suspects": [self._suspect(s) for s in suspects], "connection": {"aws": {"role_arn": self.company.role_template}},
        } | more  # fmt: skip
        self.file.write_text(json.dumps({"incident": raw}))
        return str(self.file)

    @staticmethod
    def _suspect(given: Any) -> dict[str, str]:
        if isinstance(given, dict):
            return {"cloud": "aws", **given}
        return {"cloud": "aws", "arn" if given.startswith("arn:") else "access_key_id": given}

    def incident_sid(self) -> str:
        """What stands behind "Evict" in the Sids of this incident."""
        found = incidents.validate(incidents.load(str(self.file)), str(self.file))
        return found.sid.removeprefix("Evict")

    # -- modules -------------------------------------------------------------------------------------------------

    def run(self, module: str, check: bool = False, credentials: Credentials | None = None, **params: Any) -> dict[str, Any]:
        """Run a module in this process, as Ansible would: its own arguments, the bed's environment, JSON out."""
        given = (
            {"incident": str(self.file), **params}
            if not {"incident", "case", "suspects", "suspect", "incident_data", "finding"} & set(params)
            else params
        )
        if module == "aws_contain":
            given = {**spread_of(given.get("hold", "")), **given}
        assume = session.Aws._assume_role

        def noting(aws: session.Aws, account: str) -> session.Credentials:
            keys = assume(aws, account)
            self.secrets += keys[1:]
            return keys

        with (
            environment(self.bed.environ(credentials)),
            mock.patch.dict(session._RATE_LIMITS, clear=True),
            mock.patch.object(session.Aws, "_assume_role", noting),
        ):
            result = call_module(module, given, check)
        self.outputs.append(json.dumps(result, default=str))
        return result

    def contain(self, check: bool = False, **params: Any) -> dict[str, Any]:
        """aws_contain without scope and, unless asked for, without a wait; status "open" (not spread yet) is then what it says.

        Nor does it look for clocks, which asks each of the bed's 31 regions twice; playbooks and test_clocks.py do.
        """
        return self.run("aws_contain", check, **{"hold": "0", "scope": 0, "clocks": "none", **params})

    def restore(self, check: bool = False, **params: Any) -> dict[str, Any]:
        return self.run("aws_restore", check, **params)

    def contain_below(self, **params: Any) -> dict[str, Any]:
        """Without a fence above the account: for tests in which somebody in it takes the identity's own fence away."""
        return self.contain(**{"account_fence": "none", **params})

    def false_positive(self, *only: str, **params: Any) -> dict[str, Any]:
        return self.restore(only=list(only), verdict="false_positive", reason="a test", by="Ada", **params)

    def play(self, playbook: str, *arguments: str, env: dict[str, str] | None = None, timeout: float = 120) -> tuple[int, str]:
        """(exit code, everything printed) of `ansible-playbook playbooks/<playbook>.yml`."""
        environ = {**self.bed.environ(), "HOME": str(self.folder), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1",
                   "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"), **(env or {})}  # fmt: skip
        held = next((a.removeprefix("hold=") for a in arguments if a.startswith("hold=")), "")
        said = any(a.startswith("contain_spread=") for a in arguments)
        more = [] if said else [word for value in spread_of(held).values() for word in ("-e", f"contain_spread={value}")]
        command = [str(Path(sys.executable).parent / "ansible-playbook"), str(PLAYBOOKS / f"{playbook}.yml"), *arguments, *more]
        done = subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, encoding="utf-8", timeout=timeout, check=False)
        self.outputs.append(done.stdout + done.stderr)
        return done.returncode, done.stdout + done.stderr

    # -- what is there -------------------------------------------------------------------------------------------

    @property
    def store(self) -> Store:
        return open_store(str(self.case))

    def ledger(self) -> ledgers.State:
        return ledgers.Ledger.open(self.store, incident=self.name, module="test", check=True).state

    def verified(self) -> bool:
        found = ledgers.verify(self.store)
        assert found["problems"] == [], found
        return bool(found["verified"])

    def records(self) -> list[dict[str, Any]]:
        """Every ledger record, oldest first."""
        return [json.loads(self.store.get(path)) for path in self.store.list("ledger") if "/checkpoint" not in path]

    def leaks(self, *more: str) -> list[str]:
        """The secrets that appear in anything printed or stored so far, by their first letters."""
        texts = [*self.outputs, *(path.read_text(errors="replace") for path in self.folder.rglob("*") if path.is_file())]
        found = []
        for secret in {*self.secrets, *more}:
            assert len(secret) > 15, "too short to search for"
            if any(secret in text for text in texts):
                found.append(secret[:4] + "…")
        return found


@contextlib.contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    with mock.patch.dict(os.environ, values, clear=True):
        yield


def call_module(module: str, params: dict[str, Any], check: bool = False, diff: bool = True) -> dict[str, Any]:
    """A module's JSON answer."""
    entry = importlib.import_module(f"ansible_collections.evict.cloud.plugins.modules.{module}")
    arguments = {**params, "_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_module_name": f"evict.cloud.{module}",
                 "_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": False}  # fmt: skip
    module_warnings._global_warnings.clear()  # of an earlier module in this process
    out = io.StringIO()
    with patch_module_args(arguments), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        entry.main()
    lines = [line for line in out.getvalue().splitlines() if line.startswith("{")]
    assert lines, f"{module} printed nothing: {out.getvalue()!r}"
    return dict(json.loads(lines[-1]))


_GATED = "import sys; sys.stdin.readline(); sys.argv = sys.argv[1:]; import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"


class Child:
    """runner_script.py in a process group of its own, waiting for `go`."""

    def __init__(self, bed: Bed, order: dict[str, Any]) -> None:
        script = str(ROOT / "tests/integration/runner_script.py")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _GATED, script, str(ROOT), json.dumps(order)], env=bed.environ(), start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip
        self.pgid = self._process.pid

    def go(self, timeout: float = 120) -> tuple[int, str, str]:
        """(exit code, output, errors); -9 when it was killed."""
        out, err = self._process.communicate("\n", timeout=timeout)
        return self._process.returncode, out, err


def outcome(client: Any, operation: str, **parameters: Any) -> str:
    """ "ok", the error code, or the name of a connection error."""
    try:
        getattr(client, operation)(**parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    except BotoCoreError as error:
        return type(error).__name__
    return "ok"


def works(bed: Bed, credentials: Credentials, **options: Any) -> str:
    """Outcome of a harmless call that every seeded principal may make."""
    return outcome(bed.client("sqs", credentials, **options), "list_queues")


def next_second() -> None:
    """Sleep into the next whole second: TokenIssueTime has no fractions."""
    time.sleep(1.02 - time.time() % 1)


def status_of(result: dict[str, Any], part: str) -> dict[str, Any]:
    """The row of the principal whose ARN ends with `part`."""
    rows = [row for row in result["principals"] if row["arn"].endswith(part)]
    assert len(rows) == 1, (part, result["principals"])
    return dict(rows[0])
