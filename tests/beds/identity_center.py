"""IAM Identity Center and sts:AssumeRoot, which no emulator has as AWS has them: stateful, every request and answer checked by botocore's own models.

Assignments go and come later: a request answers IN_PROGRESS with an id, and its status is asked for. Errors and fields: the API references of
sso-admin and identitystore, not observed. ``over(aws class)`` puts it in the place of these services, in this process; the rest goes where it went.
"""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from unittest import mock

from botocore import xform_name

from ansible_collections.evict.cloud.plugins.module_utils.aws import pending, session
from ansible_collections.evict.cloud.plugins.module_utils.aws.session import _plain
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call
from tests.unit.aws.modelled_cloud import _dates, checked, model, valid_call

INSTANCE, STORE = "arn:aws:sso:::instance/ssoins-1234567890abcdef", "d-1234567890"
SERVICES = ("sso-admin", "identitystore")


def set_arn(name: str) -> str:
    return f"arn:aws:sso:::permissionSet/ssoins-1234567890abcdef/ps-{name.encode().hex()[:16].ljust(16, '0')}"


class Directory:
    """One organization's instance. ``looks``: how often a status is IN_PROGRESS before it is over; ``fails``: {account: reason} of a deletion that fails;

    ``denied``: {operation: code}. ``log``: (operation, parameters), in order. ``roots``: {account: what its root holds}.
    """

    def __init__(self, region: str = "eu-west-1", owner: str = "111111111111") -> None:
        self.region, self.owner = region, owner
        self.users: dict[str, dict[str, Any]] = {}
        self.memberships: dict[str, tuple[str, str]] = {}  # id -> (group, user)
        self.assigned: set[tuple[str, str, str, str]] = set()  # account, permission set, kind, principal
        self.sets: dict[str, dict[str, Any]] = {}
        self.provisioned: dict[tuple[str, str], str] = {}  # (permission set, account) -> the policy that its role has
        self.requests: dict[str, list[Any]] = {}  # id -> [looks left, what is done then, status]
        self.looks = 1
        self.fails: dict[str, str] = {}
        self.denied: dict[str, str] = {}
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.roots: dict[str, dict[str, Any]] = {}
        self.lock = threading.RLock()
        self.hook: Any = lambda operation, sent: None

    # -- seeding -------------------------------------------------------------------------------------------------------

    def user(self, name: str, *, email: str = "", issuer: str = "", status: str = "ENABLED") -> str:
        user = f"906765abcd-{uuid.uuid4()}"
        self.users[user] = {"IdentityStoreId": STORE, "UserId": user, "UserName": name, "UserStatus": status, "Revision": "1",
            "UserArn": f"arn:aws:identitystore:::user/{user}",
                            **({"Emails": [{"Value": email, "Primary": True}]} if email else {}),
                            **({"ExternalIds": [{"Issuer": issuer, "Id": "x"}]} if issuer else {})}  # fmt: skip
        return user

    def group(self, *users: str) -> str:
        group = f"906765abcd-{uuid.uuid4()}"
        for user in users:
            self.memberships[str(uuid.uuid4())] = (group, user)
        return group

    def permission_set(self, name: str, *, policy: Any = None, lasts: str = "PT8H") -> str:
        arn = set_arn(name)
        self.sets[arn] = {"Name": name, "SessionDuration": lasts, "policy": json.dumps(policy) if policy else ""}
        return arn

    def assign(self, account: str, permission_set: str, principal: str, kind: str = "USER") -> None:
        self.assigned.add((account, permission_set, kind, principal))
        self.provisioned[(permission_set, account)] = self.sets[permission_set]["policy"]

    # -- requests ------------------------------------------------------------------------------------------------------

    def send(self, call: Call, sent: Mapping[str, Any]) -> dict[str, Any]:
        valid_call(Call(call.target, call.service, call.operation, sent))
        with self.lock:
            self.log.append((call.operation, dict(sent)))
            self.hook(call.operation, dict(sent))
            if code := self.denied.get(call.operation):
                raise self._error(call, code)
            if call.service in SERVICES and call.target.region != self.region:
                if call.operation == "ListInstances":
                    return {"Instances": []}
                raise self._error(call, "ValidationException")
            answer = getattr(self, f"_{xform_name(call.operation)}")(call, dict(sent))
        shape = model(call.service).operation_model(call.operation).output_shape
        if shape is not None:
            checked(shape, _dates(answer), f"answer of {call.name}")
        return dict(_plain(answer))

    @staticmethod
    def _error(call: Call, code: str) -> CloudError:
        return CloudError(f"{call.name}: {code}", code=code, object=call.target.account, operation=call.name, remedy="see docs/permissions")

    def _list_instances(self, _call: Call, _sent: Any) -> Any:
        return {"Instances": [{"InstanceArn": INSTANCE, "IdentityStoreId": STORE, "OwnerAccountId": self.owner, "Status": "ACTIVE"}]}

    def _list_users(self, _call: Call, sent: Any) -> Any:
        wanted = {f["AttributePath"]: f["AttributeValue"] for f in sent.get("Filters", [])}
        return {"Users": [u for u in self.users.values() if all(u.get(k) == v for k, v in wanted.items())]}

    def _get_user_id(self, call: Call, sent: Any) -> Any:
        value = sent["AlternateIdentifier"]["UniqueAttribute"]["AttributeValue"]
        found = [i for i, u in self.users.items() if value in [e["Value"] for e in u.get("Emails", [])]]
        if not found:
            raise self._error(call, "ResourceNotFoundException")
        return {"UserId": found[0], "IdentityStoreId": STORE, "UserArn": f"arn:aws:identitystore:::user/{found[0]}"}

    def _describe_user(self, call: Call, sent: Any) -> Any:
        if sent["UserId"] not in self.users:
            raise self._error(call, "ResourceNotFoundException")
        return self.users[sent["UserId"]]

    def _membership(self, id: str) -> Any:
        group, user = self.memberships[id]
        return {
            "MembershipId": id,
            "GroupId": group,
            "MemberId": {"UserId": user},
            "IdentityStoreId": STORE,
            "MembershipArn": f"arn:aws:identitystore:::membership/{id}",
        }

    def _list_group_memberships_for_member(self, _call: Call, sent: Any) -> Any:
        mine = [i for i, (_g, user) in self.memberships.items() if user == sent["MemberId"]["UserId"]]
        return {"GroupMemberships": [self._membership(i) for i in mine]}

    def _list_group_memberships(self, _call: Call, sent: Any) -> Any:
        return {"GroupMemberships": [self._membership(i) for i, (group, _u) in self.memberships.items() if group == sent["GroupId"]]}

    def _delete_group_membership(self, call: Call, sent: Any) -> Any:
        if self.memberships.pop(sent["MembershipId"], None) is None:
            raise self._error(call, "ResourceNotFoundException")
        return {}

    def _create_group_membership(self, _call: Call, sent: Any) -> Any:
        made = str(uuid.uuid4())
        self.memberships[made] = (sent["GroupId"], sent["MemberId"]["UserId"])
        return {"MembershipId": made, "IdentityStoreId": STORE, "MembershipArn": f"arn:aws:identitystore:::membership/{made}"}

    def _list_account_assignments_for_principal(self, _call: Call, sent: Any) -> Any:
        mine = [(a, s) for a, s, k, p in sorted(self.assigned) if (k, p) == (sent["PrincipalType"], sent["PrincipalId"])]
        rows = [
            {"AccountId": a, "PermissionSetArn": s, "PrincipalId": sent["PrincipalId"], "PrincipalType": sent["PrincipalType"]}
            for a, s in mine
        ]
        if sent["PrincipalType"] == "USER":
            groups = {g for g, user in self.memberships.values() if user == sent["PrincipalId"]}
            rows += [{"AccountId": a, "PermissionSetArn": s, "PrincipalId": p, "PrincipalType": k} for a, s, k, p in sorted(self.assigned)
                     if k == "GROUP" and p in groups]  # fmt: skip
        return {"AccountAssignments": rows}

    def _list_account_assignments(self, _call: Call, sent: Any) -> Any:
        mine = [(k, p) for a, s, k, p in sorted(self.assigned) if (a, s) == (sent["AccountId"], sent["PermissionSetArn"])]
        return {
            "AccountAssignments": [
                {**{k: sent[k] for k in ("AccountId", "PermissionSetArn")}, "PrincipalType": k, "PrincipalId": p} for k, p in mine
            ]
        }

    def _begin(self, key: str, account: str, work: Any, **more: Any) -> Any:
        number = str(uuid.uuid4())
        self.requests[number] = [self.looks, work, {"Status": "IN_PROGRESS", "RequestId": number, **more}, account]
        return {key: dict(self.requests[number][2])}

    def _status(self, id: str) -> Any:
        request = self.requests[id]
        request[0] -= 1
        if request[0] < 0 and request[2]["Status"] == "IN_PROGRESS":
            reason = self.fails.get(request[3])
            request[2] |= {"Status": "FAILED", "FailureReason": reason} if reason else {"Status": "SUCCEEDED"}
            if not reason:
                request[1]()
        return dict(request[2])

    def settle(self) -> None:
        """As time does: whatever is in progress is over."""
        for number, request in self.requests.items():
            request[0] = 0
            self._status(number)

    def _assignment(self, sent: Any) -> tuple[str, str, str, str]:
        return sent["TargetId"], sent["PermissionSetArn"], sent["PrincipalType"], sent["PrincipalId"]

    def _busy(self, call: Call, sent: Any) -> None:
        same = {k: sent[k] for k in ("TargetId", "PermissionSetArn", "PrincipalId")}
        for request in self.requests.values():
            if request[2]["Status"] == "IN_PROGRESS" and same.items() <= request[2].items():
                raise self._error(call, "ConflictException")

    def _delete_account_assignment(self, call: Call, sent: Any) -> Any:
        self._busy(call, sent)
        one = self._assignment(sent)
        if one not in self.assigned:
            raise self._error(call, "ResourceNotFoundException")
        return self._begin("AccountAssignmentDeletionStatus", one[0], lambda: self.assigned.discard(one), **self._about(sent))

    def _create_account_assignment(self, _call: Call, sent: Any) -> Any:
        one = self._assignment(sent)
        return self._begin("AccountAssignmentCreationStatus", one[0], lambda: self.assigned.add(one), **self._about(sent))

    @staticmethod
    def _about(sent: Any) -> Any:
        return {k: sent[k] for k in ("TargetId", "TargetType", "PermissionSetArn", "PrincipalType", "PrincipalId")}

    def _describe_account_assignment_deletion_status(self, _call: Call, sent: Any) -> Any:
        return {"AccountAssignmentDeletionStatus": self._status(sent["AccountAssignmentDeletionRequestId"])}

    def _describe_account_assignment_creation_status(self, _call: Call, sent: Any) -> Any:
        return {"AccountAssignmentCreationStatus": self._status(sent["AccountAssignmentCreationRequestId"])}

    def _describe_permission_set(self, _call: Call, sent: Any) -> Any:
        known = {k: v for k, v in self.sets[sent["PermissionSetArn"]].items() if k != "policy"}
        return {"PermissionSet": {"PermissionSetArn": sent["PermissionSetArn"], **known}}

    def _get_inline_policy_for_permission_set(self, _call: Call, sent: Any) -> Any:
        text = self.sets[sent["PermissionSetArn"]]["policy"]
        return {"InlinePolicy": text} if text else {}

    def _put_inline_policy_to_permission_set(self, _call: Call, sent: Any) -> Any:
        self.sets[sent["PermissionSetArn"]]["policy"] = sent["InlinePolicy"]
        return {}

    def _delete_inline_policy_from_permission_set(self, _call: Call, sent: Any) -> Any:
        self.sets[sent["PermissionSetArn"]]["policy"] = ""
        return {}

    def _provision_permission_set(self, _call: Call, sent: Any) -> Any:
        one = (sent["PermissionSetArn"], sent["TargetId"])
        policy = self.sets[one[0]]["policy"]
        return self._begin("PermissionSetProvisioningStatus", "", lambda: self.provisioned.update({one: policy}),
                           AccountId=sent["TargetId"], PermissionSetArn=sent["PermissionSetArn"])  # fmt: skip

    def _describe_permission_set_provisioning_status(self, _call: Call, sent: Any) -> Any:
        return {"PermissionSetProvisioningStatus": self._status(sent["ProvisionPermissionSetRequestId"])}

    def _list_permission_sets_provisioned_to_account(self, _call: Call, sent: Any) -> Any:
        latest = sent["ProvisioningStatus"] == "LATEST_PERMISSION_SET_PROVISIONED"
        mine = [s for (s, account), policy in self.provisioned.items()
                if account == sent["AccountId"] and (policy == self.sets[s]["policy"]) == latest]  # fmt: skip
        return {"PermissionSets": mine}

    # -- root users ----------------------------------------------------------------------------------------------------

    def _assume_root(self, call: Call, sent: Any) -> Any:
        if sent["TargetPrincipal"] not in self.roots:
            raise self._error(call, "AccessDenied")
        task = sent["TaskPolicyArn"]["arn"].rsplit("/", 1)[-1]
        keys = {
            "AccessKeyId": "ASIAROOTROOTROOTROOT",
            "SecretAccessKey": f"secret-of-a-root-session-{task}",
            "SessionToken": "token-of-a-root-session",
        }
        return {"Credentials": {**keys, "Expiration": "2099-01-01T00:00:00Z"}}

    def as_root(self, account: str, task: str, call: Call, sent: Any) -> Any:
        """What a session of the root user may do: list, and with the task policy for it delete. Nothing can be made inactive."""
        held = self.roots[account]
        self.log.append((f"root:{call.operation}", dict(sent)))
        if call.operation.startswith(("Update", "Create")) or (
            call.operation.startswith("Delete") and task != "IAMDeleteRootUserCredentials"
        ):
            raise self._error(call, "AccessDenied")
        if call.operation == "ListAccessKeys":
            return {"AccessKeyMetadata": [{"AccessKeyId": k, "Status": s} for k, s in held["keys"].items()]}
        if call.operation == "ListSigningCertificates":
            return {"Certificates": [{"CertificateId": c} for c in held["certificates"]]}
        if call.operation == "ListMFADevices":
            return {"MFADevices": [{"SerialNumber": s} for s in held["mfa"]]}
        if call.operation == "GetLoginProfile":
            if not held["password"]:
                raise self._error(call, "NoSuchEntity")
            return {"LoginProfile": {"CreateDate": held["password"]}}
        if call.operation == "DeleteAccessKey":
            del held["keys"][sent["AccessKeyId"]]
        elif call.operation == "DeleteSigningCertificate":
            held["certificates"].remove(sent["CertificateId"])
        else:
            held["password"] = ""
        return {}


@contextlib.contextmanager
def over(directory: Directory) -> Iterator[Directory]:
    """In this process the directory answers for its services; the requests that it waits between are not waited for."""
    real = session.Aws._send_once

    def send(aws: session.Aws, call: Call, sent: dict[str, Any]) -> dict[str, Any]:
        if call.service in SERVICES or call.operation == "AssumeRoot":
            answer = directory.send(call, sent)
            if call.operation == "GetInlinePolicyForPermissionSet":
                answer["InlinePolicy"] = session._document(answer.get("InlinePolicy") or "null")
            return answer
        if call.target.account.startswith("root:"):
            aws.roles.keys(call.target.account)
            _root, task, account = call.target.account.split(":")
            return dict(directory.as_root(account, task, call, sent))
        return real(aws, call, sent)

    at_once = {"_LOOKS": (0.0,) * len(pending._LOOKS), "_AGAIN": (0.0,) * len(pending._AGAIN)}
    with mock.patch.object(session.Aws, "_send_once", send), mock.patch.multiple(pending, **at_once):
        yield directory
