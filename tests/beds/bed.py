"""Start and steer the enforcing bed: `with Bed() as bed: bed.client("iam", credentials)`.

Two child processes on free loopback ports: the patched ministack (`bed.direct`) and the recording proxy in front of it
(`bed.endpoint`). Both die with the bed.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.beds.orphan import VARIABLE

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_SCRUBBED = ("AWS_", "AZURE_", "ARM_", "GOOGLE_", "GCLOUD_", "CLOUDSDK_", "GCP_", "BOTO_", "MINISTACK_")
_SCRUBBED_NAMES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "FTP_PROXY", "AUTH", "GATEWAY_PORT"})


@dataclasses.dataclass(frozen=True)
class Credentials:
    """An access key, with a session token when it is temporary. The repr holds no secret."""

    access_key: str
    secret_key: str = dataclasses.field(repr=False)
    token: str | None = dataclasses.field(default=None, repr=False)

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Credentials:
        """From CreateAccessKey's AccessKey or an STS answer's Credentials."""
        return cls(answer["AccessKeyId"], answer["SecretAccessKey"], answer.get("SessionToken"))

    def environ(self) -> dict[str, str]:
        """The SDK's variables."""
        variables = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        return {**variables, "AWS_SESSION_TOKEN": self.token} if self.token else variables


def root(account: str) -> Credentials:
    """The root user of an account (a 12-digit key; ministack does not check its signature)."""
    return Credentials(account, "test")


def scrubbed() -> dict[str, str]:
    """This process's environment without anything that could lead to a real cloud or through a proxy."""
    return {
        name: value for name, value in os.environ.items() if not name.upper().startswith(_SCRUBBED) and name.upper() not in _SCRUBBED_NAMES
    }


class Bed:
    """A running bed. `responder` may be set to the credentials that environ() hands to child processes."""

    management = "111111111111"

    def __init__(self, lag: float = 0, latency_ms: float = 0, record: bool = True, directory: str | os.PathLike[str] | None = None) -> None:
        self._initial = {"lag": lag, "latency_ms": latency_ms, "record": record}
        self._own_directory = directory is None
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="bed-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        self.endpoint = self.direct = ""
        self.responder: Credentials | None = None
        self._children: list[subprocess.Popen[bytes]] = []
        self._sessions: dict[str, Any] = {}
        self._lock = threading.Lock()

    # -- life ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            ports = _free_ports(2)
            self.direct, self.endpoint = (f"http://127.0.0.1:{port}" for port in ports)
            self._spawn("ministack", "--port", str(ports[0]), "--management", self.management)
            self._spawn("proxy", "--port", str(ports[1]), "--upstream", self.direct)
            self._wait()
            self._configure()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Kill the children (by pid, each leads its own group) and remove the bed's own directory."""
        for child in self._children:
            if child.poll() is None:
                try:
                    os.killpg(child.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            child.wait()
        self._children.clear()
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _spawn(self, module: str, *arguments: str) -> None:
        scratch = self.directory / "tmp"
        scratch.mkdir(exist_ok=True)
        environment = {
            **scrubbed(),
            "TMPDIR": str(scratch),
            "PYTHONUNBUFFERED": "1",
            VARIABLE: str(os.getpid()),
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        with open(self.directory / f"{module}.log", "wb") as log:
            self._children.append(
                subprocess.Popen(
                    [sys.executable, "-m", f"tests.beds.{module}", *arguments],
                    cwd=_ROOT,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def _wait(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        for url in (self.direct, self.endpoint):
            while True:
                try:
                    _http(url, "GET", "/_bed/ready")
                    break
                except OSError:
                    dead = next((child for child in self._children if child.poll() is not None), None)
                    if dead or time.monotonic() > deadline:
                        raise RuntimeError(f"the bed did not start:\n{self.logs()}") from None
                    time.sleep(0.03)

    def _configure(self) -> None:
        self.control("config", {key: value for key, value in self._initial.items() if key != "lag"})
        self.lag(self._initial["lag"])

    def logs(self) -> str:
        """What the children wrote, shortened."""
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-4000:]}" for path in sorted(self.directory.glob("*.log")))

    # -- steering --------------------------------------------------------------------------------------------------

    def control(self, path: str, payload: dict[str, Any] | None = None, method: str = "") -> Any:
        """The proxy's control endpoint `/_bed/<path>`; POST when there is a payload. Raises ValueError on a refusal."""
        return _http(self.endpoint, method or ("GET" if payload is None else "POST"), f"/_bed/{path}", payload)

    def cloud(self, path: str, payload: dict[str, Any] | None = None) -> Any:
        """The launcher's control endpoint."""
        return _http(self.direct, "GET" if payload is None else "POST", f"/_bed/{path}", payload)

    def reset(self) -> None:
        """Empty cloud, no records, no rules, the settings the bed was made with."""
        self.cloud("reset", {})
        self.control("reset", {})
        self.responder = None
        self._configure()

    def lag(self, seconds: float, settle: bool = True) -> None:
        """Propagation lag from now on; with `settle`, what is there already counts as propagated."""
        self.cloud("config", {"lag": seconds, "settle": settle})

    def page_size(self, size: int) -> None:
        """Default page of IAM's list operations (AWS: 100)."""
        self.cloud("config", {"page": size})

    def regions(self, *names: str) -> None:
        """The regions that are enabled in every account; none: all 31."""
        self.cloud("config", {"regions": list(names)})

    def organizations(self, *reset: None, **settings: Any) -> None:
        """in_use (False: no account is in an organization), delegated (accounts that may call it), size and slots (quotas of SCPs). None: as AWS has them."""
        self.cloud("config", {"organizations": None if reset else settings})

    def clock(self, seconds: float) -> None:
        """Set the cloud's clock ahead (or behind) of this machine's."""
        self.cloud("config", {"clock": seconds})
        self.configure(clock=seconds)

    def expire(self, credentials: Credentials) -> None:
        """Let a session end now: ExpiredToken from here on."""
        self.cloud("expire", {"access_key": credentials.access_key})

    def configure(self, **settings: Any) -> None:
        """latency_ms, record, trail_delay (s), lookup_rate (per second, account and region; 0 = unlimited)."""
        self.control("config", settings)

    def rule(self, when: str, **rule: Any) -> None:
        """Add a fault: see tests.beds.rules.Rule."""
        self.control("rules", {"when": when, **rule})

    def rules(self) -> list[dict[str, Any]]:
        """The rules with `seen` and `fired`."""
        return list(self.control("rules"))

    def clear_rules(self) -> None:
        """No more faults."""
        self.control("rules", method="DELETE")

    def calls(self, **match: Any) -> list[dict[str, Any]]:
        """Calls through the proxy so far, optionally those with the given fields (operation=…, access_key=…)."""
        return [call for call in self.control("calls") if all(call[key] == value for key, value in match.items())]

    def events(self) -> list[dict[str, Any]]:
        """All CloudTrail records of all accounts, oldest first, without delay."""
        return list(self.control("events"))

    def snapshot(self) -> str:
        """Canonical JSON of IAM, Organizations and resource policies of all accounts; no secrets, no last-used times."""
        return json.dumps(self.cloud("snapshot"), sort_keys=True, separators=(",", ":"))

    # -- clients ---------------------------------------------------------------------------------------------------

    def client(
        self,
        service: str,
        credentials: Credentials,
        region: str = "us-east-1",
        *,
        source_ip: str = "",
        direct: bool = False,
        attempts: int = 1,
        **config: Any,
    ) -> Any:
        """A boto3 client of this bed; no retries unless asked for. `source_ip` is what the cloud sees as the caller's address."""
        import boto3
        from botocore.config import Config

        options = {
            "retries": {"total_max_attempts": attempts, "mode": "standard"},
            "connect_timeout": 5,
            "read_timeout": 30,
            "s3": {"addressing_style": "path"},
            **config,
        }
        with self._lock:  # boto3 sessions are not thread-safe; one per thread would load the models again
            session = self._sessions.get("boto3")
            if session is None:
                session = self._sessions["boto3"] = boto3.session.Session()
            client = session.client(
                service,
                region_name=region,
                endpoint_url=self.direct if direct else self.endpoint,
                aws_access_key_id=credentials.access_key,
                aws_secret_access_key=credentials.secret_key,
                aws_session_token=credentials.token,
                config=Config(**options),
            )
        if source_ip:

            def stamp(request: Any, **_: Any) -> None:
                request.headers["X-Bed-Source-Ip"] = source_ip  # after signing, so not signed

            client.meta.events.register("before-send", stamp)
        return client

    def environ(self, credentials: Credentials | None = None) -> dict[str, str]:
        """An environment for child processes: scrubbed, empty AWS configuration, this bed, the responder's key."""
        home = self.directory / "aws"
        home.mkdir(exist_ok=True)
        for name in ("config", "credentials"):
            (home / name).touch()
        credentials = credentials or self.responder
        return {
            **scrubbed(),
            "AWS_CONFIG_FILE": str(home / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(home / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            **(credentials.environ() if credentials else {}),
        }


def _free_ports(count: int) -> list[int]:
    sockets = []
    for _ in range(count):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        sockets.append(listener)
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def _http(url: str, method: str, path: str, payload: Any = None) -> Any:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request(method, path, None if payload is None else json.dumps(payload), {"content-type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise ValueError(f"{method} {path}: {answer.status} {body.decode(errors='replace')[:300]}")
    return json.loads(body)
