# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of Identity Center that AWS carries out later: sent, then asked about until they are over. A failure is the request's own."""

from __future__ import annotations

import dataclasses
import time
import typing as t
from collections.abc import Callable, Mapping

from ..common.errors import CloudError
from ..common.plan import Call, Target

READS = (
    "sso-admin:DescribeAccountAssignmentCreationStatus",
    "sso-admin:DescribeAccountAssignmentDeletionStatus",
    "sso-admin:DescribePermissionSetProvisioningStatus",
)
Answer = dict[str, t.Any]
_LOOKS = (0.3, 0.7, 1.0, 2.0, 2.0, 3.0, 3.0, 5.0, 5.0, 8.0, 10.0, 20.0)  # seconds between two looks: a minute in all
_AGAIN = (1.0, 2.0, 4.0, 8.0, 15.0)  # seconds before it is sent again, while an earlier one is at work on the same


class Asking(t.Protocol):
    """What is needed of ``session.Aws``."""

    def call(self, call: Call) -> Answer: ...


@dataclasses.dataclass(frozen=True)
class Pending:
    """``key``: of the status in the answer of the request and of the look; ``look``: (where, instance, request id) -> the Call that asks."""

    key: str
    look: Callable[[Target, str, str], Call]


def _created(target: Target, instance: str, request: str) -> Call:
    return Call(target, "sso-admin", "DescribeAccountAssignmentCreationStatus",
                {"InstanceArn": instance, "AccountAssignmentCreationRequestId": request})  # fmt: skip


def _deleted(target: Target, instance: str, request: str) -> Call:
    return Call(target, "sso-admin", "DescribeAccountAssignmentDeletionStatus",
                {"InstanceArn": instance, "AccountAssignmentDeletionRequestId": request})  # fmt: skip


def _provisioned(target: Target, instance: str, request: str) -> Call:
    return Call(target, "sso-admin", "DescribePermissionSetProvisioningStatus",
                {"InstanceArn": instance, "ProvisionPermissionSetRequestId": request})  # fmt: skip


KINDS: Mapping[str, Pending] = {
    "sso-admin:CreateAccountAssignment": Pending("AccountAssignmentCreationStatus", _created),
    "sso-admin:DeleteAccountAssignment": Pending("AccountAssignmentDeletionStatus", _deleted),
    "sso-admin:ProvisionPermissionSet": Pending("PermissionSetProvisioningStatus", _provisioned),
}


def carry_out(aws: Asking, call: Call, send: Callable[[], Answer]) -> Answer:
    """Send it, and return when AWS says that it is done. Raises ``CloudError``: refused, failed (with AWS's reason), or not over within a minute.

    A request of a killed run may still be at work on the same assignment: AWS answers ConflictException then, and it is sent again.
    """
    kind, answer = KINDS[call.name], _sent(send)
    status = answer.get(kind.key) or {}
    for pause in _LOOKS:
        if status.get("Status") != "IN_PROGRESS":
            break
        time.sleep(pause)
        status = aws.call(kind.look(call.target, str(call.parameters["InstanceArn"]), str(status.get("RequestId")))).get(kind.key) or {}
    if status.get("Status") == "SUCCEEDED":
        return answer
    said = status.get("FailureReason") or (
        "AWS was still at it after a minute" if status.get("Status") == "IN_PROGRESS" else "no reason given"
    )
    subject = str(call.parameters.get("TargetId") or call.parameters.get("PermissionSetArn"))
    raise CloudError(
        f"{call.name} in {subject}: {status.get('Status')}: {said}", code=str(status.get("Status")), object=subject, operation=call.name,
        lost=status.get("Status") == "IN_PROGRESS",
        remedy="run again; of assignments in the management account only the management account's own role can dispose",
    )  # fmt: skip


def _sent(send: Callable[[], Answer]) -> Answer:
    for pause in _AGAIN:
        try:
            return send()
        except CloudError as error:
            if error.code != "ConflictException":
                raise
        time.sleep(pause)
    return send()
