"""Whether a dependent works with its new key: each kind of check good, bad, flapping and out of reach."""

from __future__ import annotations

import http.server
import itertools
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import targets
from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation import health
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Target
from tests.unit.aws.modelled_cloud import ModelledCloud

WHERE = Target("aws", "111122223333", "eu-west-1")
FLAPS = [True, False, True, False, True, False]
RECOVERS = [False, True, True, True]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No look waits; the pauses that there would have been."""
    slept: list[float] = []
    monkeypatch.setattr(health.time, "sleep", slept.append)
    return slept


def look(cloud: Any, **check: Any) -> str:
    return health.check(cloud, targets.Place(WHERE, "ssm_parameter", "/app", spec={"check": check}))


@pytest.fixture
def server() -> Iterator[Any]:
    """An endpoint that answers with the statuses it is given, the last one for ever."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code = running.codes.pop(0) if len(running.codes) > 1 else running.codes[0]  # type: ignore[attr-defined]
            running.asked += 1  # type: ignore[attr-defined]
            self.send_response(code)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.codes, running.asked = [200], 0  # type: ignore[attr-defined]
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.mark.parametrize(
    ("codes", "status", "said", "asked"),
    [([200], 0, "", 3), ([503], 0, "status 503, not 200", 4), ([302], 0, "status 302, not 200", 4), ([204], 204, "", 3),
     ([200 if good else 500 for good in FLAPS], 0, "it flaps: 2 of 4 looks were good, not 3 in a row; last: status 500, not 200", 4),
     ([200 if good else 500 for good in RECOVERS], 0, "", 4)],
)  # fmt: skip
def test_an_address_answers_as_it_should_three_times_in_a_row(server: Any, codes: list[int], status: int, said: str, asked: int) -> None:
    server.codes = codes
    url = f"http://127.0.0.1:{server.server_address[1]}/health"
    assert look(None, http=url, **({"status": status} if status else {})) == said and server.asked == asked


def test_an_address_where_nobody_is() -> None:
    assert look(None, http="http://127.0.0.1:9/").startswith("no answer (")


def test_a_command_is_judged_by_its_exit_code_and_sees_no_shell(tmp_path: Path) -> None:
    assert look(None, command=["true"]) == "" and look(None, command=["false"]) == "false ended with 1"
    assert look(None, command=["true; false"]) == "true; false: FileNotFoundError"
    counted = tmp_path / "counted"
    flaps = f"import pathlib,sys; p=pathlib.Path({str(counted)!r}); n=len(p.read_text()) if p.exists() else 0; p.write_text('x'*(n+1)); sys.exit(n%2)"
    assert "it flaps" in look(None, command=[sys.executable, "-c", flaps])


def alarm(state: str, kind: str = "MetricAlarms") -> dict[str, Any]:
    return {kind: [{"AlarmName": "orders", "StateValue": state}]}


@pytest.mark.parametrize(
    ("answers", "said"),
    [([alarm("OK")], ""), ([alarm("OK", "CompositeAlarms")], ""), ([alarm("ALARM")], "alarm orders is ALARM"),
     ([alarm("INSUFFICIENT_DATA")], "alarm orders is INSUFFICIENT_DATA"), ([{}], "there is no alarm orders"), (["AccessDenied"], "AccessDenied"),
     ([alarm("OK" if good else "ALARM") for good in FLAPS], "it flaps"), ([alarm("OK" if good else "ALARM") for good in RECOVERS], "")],
)  # fmt: skip
def test_an_alarm_is_ok_three_times_in_a_row(answers: list[Any], said: str) -> None:
    left = iter([*answers, *itertools.repeat(answers[-1], 9)])
    cloud = ModelledCloud(DescribeAlarms=lambda _sent: next(left))
    found = look(cloud, alarm="orders")
    assert (said in found) if said else found == "", found
    assert cloud.calls[0].parameters["AlarmTypes"] == ["MetricAlarm", "CompositeAlarm"]  # else AWS leaves the composite ones out


def test_an_alarm_is_late_so_it_has_to_be_ok_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch, at_once: list[float]) -> None:
    clock = itertools.count(0.0, 10.0)
    monkeypatch.setattr(health.time, "monotonic", lambda: next(clock))
    answers = iter([*[alarm("OK")] * 4, *[alarm("ALARM")] * 20])
    found = look(ModelledCloud(DescribeAlarms=lambda _sent: next(answers)), alarm="orders", seconds=60)
    assert found.startswith("it flaps: 4 of ") and found.endswith("alarm orders is ALARM"), found
    clock, good = itertools.count(0.0, 10.0), ModelledCloud(DescribeAlarms=alarm("OK"))
    assert look(good, alarm="orders", seconds=60) == "" and len(good.calls) == 6 and len(at_once) > 4


@pytest.mark.parametrize(
    ("answers", "said"),
    [([{"StatusCode": 200}], ""), ([{"StatusCode": 200, "FunctionError": "Unhandled"}], "the function failed (Unhandled)"),
     (["ResourceNotFoundException"], "ResourceNotFoundException"), (["AccessDeniedException"], "AccessDeniedException"),
     ([{"StatusCode": 200} if good else {"StatusCode": 200, "FunctionError": "Handled"} for good in FLAPS], "it flaps")],
)  # fmt: skip
def test_a_function_runs_without_an_error_three_times_in_a_row(answers: list[Any], said: str) -> None:
    left = iter([*answers, *itertools.repeat(answers[-1], 9)])
    cloud = ModelledCloud(Invoke=lambda _sent: next(left))
    found = look(cloud, **{"lambda": "orders"})
    assert (said in found) if said else found == "", found
    assert all(call.idempotent is False for call in cloud.calls)  # a function may do something: it is not called again by itself


def test_time_to_become_good_is_given_where_it_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0.0, 1.0)
    monkeypatch.setattr(health.time, "monotonic", lambda: next(clock))
    answers = iter([*["ResourceNotReady"] * 12, *[{"StatusCode": 200}] * 3])
    assert look(ModelledCloud(Invoke=lambda _sent: next(answers)), **{"lambda": "orders", "seconds": 30}) == ""


def test_no_known_check_is_no_good_one() -> None:
    assert "none of http, command, alarm, lambda" in look(None, seconds=1)
