# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a dependent works with what it was given: the check that it declared, several times in a row, since one that flaps proves nothing."""

from __future__ import annotations

import subprocess
import time
import typing as t
from collections.abc import Callable, Mapping

from ansible.module_utils.urls import open_url

from ...common.errors import EvictError
from ...common.plan import Call
from ..session import Aws
from ..targets import Place

READS = ("cloudwatch:DescribeAlarms", "lambda:Invoke")
TIMES, PAUSE, TRIES = 3, 1.0, 6  # so many good answers in a row, of so many looks
_SECONDS = 10


def check(aws: Aws, place: Place) -> str:
    """ "" when it works, else why not. ``spec.check``: {http, status} | {command: [...]} | {alarm} | {lambda: a function}, each with ``seconds``.

    Three good answers in a row are wanted, of six looks, or as long as ``seconds``; what can no longer come to that is not asked to the end. An alarm is late,
    so it is looked at for all of ``seconds``, and has to be OK at the end of them.
    """
    declared: Mapping[str, t.Any] = place.spec["check"]
    name = next((n for n in _CHECKS if n in declared), "")
    if not name:
        return f"its check is none of {', '.join(_CHECKS)}"
    limit = time.monotonic() + float(declared.get("seconds") or 0)
    good, all_good, looks, said = 0, 0, 0, ""
    while True:
        answer = _CHECKS[name](aws, place, declared)
        looks, all_good = looks + 1, all_good + (not answer)
        good, said = (good + 1, said) if not answer else (0, answer)
        late = time.monotonic() >= limit
        if good >= TIMES and (late or name != "alarm"):
            return ""
        if late and looks + TIMES - good > TRIES:
            return f"it flaps: {all_good} of {looks} looks were good, not {TIMES} in a row; last: {said}" if all_good else said
        time.sleep(PAUSE)


def _http(_aws: Aws, _place: Place, declared: Mapping[str, t.Any]) -> str:
    wanted = int(declared.get("status", 200))
    try:
        status = int(open_url(str(declared["http"]), timeout=_SECONDS, follow_redirects="none", use_proxy=False).getcode())
    except Exception as error:  # urllib has many, and a HTTPError carries the status
        status = int(getattr(error, "code", 0) or 0)
        if not status:
            return f"no answer ({type(error).__name__})"
    return "" if status == wanted else f"status {status}, not {wanted}"


def _command(_aws: Aws, _place: Place, declared: Mapping[str, t.Any]) -> str:
    words = declared["command"]
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        return "command is no list of words"
    try:
        # No AnsibleModule here to run it, and no shell either.
        # pylint: disable-next=ansible-bad-function
        code = subprocess.run(words, capture_output=True, timeout=_SECONDS * 3, check=False, stdin=subprocess.DEVNULL).returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{words[0]}: {type(error).__name__}"
    return "" if code == 0 else f"{words[0]} ended with {code}"


def _alarm(aws: Aws, place: Place, declared: Mapping[str, t.Any]) -> str:
    try:
        found = aws.call(
            Call(
                place.target,
                "cloudwatch",
                "DescribeAlarms",
                {"AlarmNames": [str(declared["alarm"])], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]},
            )
        )
    except EvictError as error:
        return error.message
    alarms = [*found.get("MetricAlarms", []), *found.get("CompositeAlarms", [])]
    if not alarms:
        return f"there is no alarm {declared['alarm']}"
    return "" if alarms[0].get("StateValue") == "OK" else f"alarm {declared['alarm']} is {alarms[0].get('StateValue')}"


def _invoke(aws: Aws, place: Place, declared: Mapping[str, t.Any]) -> str:
    try:
        found = aws.call(
            Call(place.target, "lambda", "Invoke", {"FunctionName": str(declared["lambda"]), "Payload": "{}"}, idempotent=False)
        )
    except EvictError as error:
        return error.message
    return f"the function failed ({found['FunctionError']})" if found.get("FunctionError") else ""


_CHECKS: dict[str, Callable[[Aws, Place, Mapping[str, t.Any]], str]] = {
    "http": _http,
    "command": _command,
    "alarm": _alarm,
    "lambda": _invoke,
}
