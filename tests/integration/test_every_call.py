"""Every changing call of every mutating module, killed before and after it, and with each kind of fault: the same task ends in the right state.

`make test` plays one point of each scenario, which the seed (EVICT_CRASH_SEED) chooses; `make crash` (EVICT_CRASH=all) every one, with figures in
build/every_call/, one file a worker. The scenarios are a table; every_call.py plays them. aws_contain's IAM calls are disturbed in test_crash.py and test_faults.py,
and aws_credential_rotation in test_rotation_crash.py.
"""

from __future__ import annotations

import functools
import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.beds.bed import Bed
from tests.beds.faults import Faults
from tests.integration import test_account_fence, test_clocks, test_hold, test_isolation, test_live, test_refresh
from tests.integration.every_call import Range, Scenario, Task, play
from tests.integration.helpers import DEAD, ROOT, Desk, outcome, works
from tests.integration.test_resources import REGION as BUCKETS
from tests.integration.test_resources import Estate

pytestmark = [pytest.mark.bed, pytest.mark.crash, pytest.mark.timeout(3600)]

EVERY = os.environ.get("EVICT_CRASH") == "all"
SEED = int(os.environ.get("EVICT_CRASH_SEED", "20261122"))
FIGURES: dict[str, Any] = {"seed": SEED, "all": EVERY, "points": Counter(), "seconds": 0.0}
P = "arn:aws:iam::222222222222"
USER, ROLE, BOB = f"{P}:user/ci-deploy", f"{P}:role/deploy", f"{P}:user/bob"
KEYS = ("access_key", "ssh_public_key", "signing_certificate", "service_specific_credential")
SWITCHES = ("UpdateAccessKey", "UpdateSSHPublicKey", "UpdateSigningCertificate", "UpdateServiceSpecificCredential")
# What a containment does beside, which test_crash.py and test_faults.py disturb.
IDENTITY = (
    "PutUserPolicy",
    "PutRolePolicy",
    "UpdateAccessKey",
    "DeleteLoginProfile",
    "CreatePolicy",
    "AttachPolicy",
    "UpdatePolicy",
    "UpdateAssumeRolePolicy",
)


JUDGED = {"verdict": "false_positive", "reason": "r", "by": "Ada"}


def iam(desk: Desk) -> Any:
    return desk.bed.client("iam", desk.company.production.root, direct=True)


def untimed(desk: Desk) -> str:
    """The cloud without the times in cutoffs."""
    return re.sub(r"20\d\d-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)", "TIME", desk.bed.snapshot())


def contained(desk: Desk, **more: Any) -> dict[str, Any]:
    done = desk.contain(**more)
    assert done["problems"] == [], done["problems"]
    return done


def credentials(desk: Desk) -> None:
    """One of each kind for the user whose key leaked."""
    iam(desk).upload_ssh_public_key(UserName="ci-deploy", SSHPublicKeyBody="ssh-rsa AAAAB3NzaC1yc2E example")
    iam(desk).upload_signing_certificate(UserName="ci-deploy", CertificateBody="-----BEGIN CERTIFICATE-----")
    iam(desk).create_service_specific_credential(UserName="ci-deploy", ServiceName="codecommit.amazonaws.com")
    desk.incident(desk.company.leaked.access_key, ROLE, BOB, password="keep")


# -- aws_contain: what goes beyond IAM -------------------------------------------------------------------------------------------


def clocks(desk: Desk) -> Task:
    things = test_clocks.furnish(desk)
    test_clocks.attack(desk, things)
    desk.incident(desk.company.leaked.access_key, **test_clocks.window())

    def holds(_done: dict[str, Any]) -> None:
        assert test_clocks.seen(desk, things) == test_clocks.STOPPED

    return Task("aws_contain", {"hold": "0", "scope": 20, "clocks": "stop"}, holds)


def live(desk: Desk) -> Task:
    test_live.furnish(desk)
    test_live.powerful(desk, "ci-deploy", "bob")
    theirs = test_live.start_all(desk.bed, desk.company.production.keys["bob"], desk)
    test_live.start_all(desk.bed, desk.company.leaked, desk)
    desk.incident(desk.company.leaked.access_key)

    def holds(_done: dict[str, Any]) -> None:
        assert test_live.alive(desk) == set(theirs.values())

    return Task("aws_contain", {"hold": "0", "scope": 20, "clocks": "none"}, holds)


def access_entries(desk: Desk) -> Task:
    eks, user = test_live.cluster(desk), desk.company.production.users["ci-deploy"]
    test_live.entry(eks, user, test_live.ADMIN, test_live.VIEW, groups=("ops",))
    desk.incident(desk.company.leaked.access_key, password="keep")

    def holds(_done: dict[str, Any]) -> None:
        assert user not in test_live.entries(eks)

    params = {"hold": "0", "scope": 0, "clocks": "none", "live_sessions": True}
    return Task("aws_contain", params, holds, (desk.company.leaked.access_key,), lambda: test_live.entries(eks))


def refresh(desk: Desk) -> Task:
    test_refresh.furnish(desk)
    role = desk.company.production.roles["shared"]
    desk.incident(role)

    def holds(done: dict[str, Any]) -> None:
        assert {row["state"] for row in done["workloads"]} == {"refreshed", "asked to refresh"}, done["workloads"]
        for operation in ("UpdateService", "ReplaceIamInstanceProfileAssociation"):
            made = [c for c in desk.bed.calls(operation=operation) if not c["error"] and "responder" in c["principal"]]
            assert len(made) == 1, (operation, made)

    def back() -> str:
        return test_refresh.description(desk, "orders")

    return Task("aws_contain", {"hold": "2s", "scope": 0, "clocks": "none"}, holds, (role,), back)


def _compute(desk: Desk) -> tuple[list[str], Any]:
    """A function that the thief made, and a task of a service whose session it holds; and a reading of what isolation changes."""
    test_isolation.furnish(desk)
    test_refresh.furnish(desk)
    test_live.powerful(desk, "ci-deploy")
    _url, trigger = test_isolation.miner(desk.bed, desk.company.leaked, desk, desk.company.production.roles["orders-lambda"])
    functions, ecs = test_live.root(desk, "lambda"), test_live.root(desk, "ecs")
    (task,) = ecs.list_tasks(cluster="web", serviceName="web")["taskArns"]

    def state() -> dict[str, Any]:
        return {
            "concurrency": functions.get_function_concurrency(FunctionName="miner").get("ReservedConcurrentExecutions"),
            "url": functions.get_function_url_config(FunctionName="miner")["AuthType"],
            "trigger": functions.get_event_source_mapping(UUID=trigger)["State"] in ("Enabled", "Enabling", "Creating"),
            "task": ecs.get_task_protection(cluster="web", tasks=[task])["protectedTasks"][0]["protectionEnabled"],
        }

    return [f"arn:aws:lambda:{test_live.REGION}:{desk.company.production.id}:function:miner", task], state


ISOLATED = {"concurrency": 0, "url": "AWS_IAM", "trigger": False, "task": True}


def isolation(desk: Desk) -> Task:
    (function, task), state = _compute(desk)
    desk.incident(desk.company.leaked.access_key, password="keep", compute={"isolate": [function, task]}, **test_clocks.window())

    def holds(_done: dict[str, Any]) -> None:
        assert state() == ISOLATED

    return Task("aws_contain", {"hold": "0", "scope": 20, "clocks": "none"}, holds)


def put_backs(desk: Desk) -> Task:
    """The thief gives rights to others while its fence spreads."""
    bed, thief = desk.bed, desk.bed.client("iam", desk.company.leaked)
    bed.lag(test_hold.LAG)
    work = iam(desk).get_user_policy(UserName="bob", PolicyName="work")["PolicyDocument"]
    desk.incident(desk.company.leaked.access_key, password="keep")

    def grant() -> str:
        outcome(thief, "add_user_to_group", GroupName="engineers", UserName="app-orders")
        outcome(thief, "attach_user_policy", UserName="bob", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
        return outcome(thief, "put_user_policy", UserName="bob", PolicyName="work", PolicyDocument=test_hold.ALL)

    def holds(_done: dict[str, Any]) -> None:
        assert iam(desk).list_attached_user_policies(UserName="bob")["AttachedPolicies"] == []
        assert iam(desk).get_user_policy(UserName="bob", PolicyName="work")["PolicyDocument"] == work
        assert iam(desk).list_groups_for_user(UserName="app-orders")["Groups"] == []

    params = {"hold": "60s", "spread": "3s", "scope": 20, "clocks": "none", "account_fence": "none"}
    return Task("aws_contain", params, holds, beside=lambda: test_hold.Undoer(bed, grant, tries=1))


# -- the single verbs ------------------------------------------------------------------------------------------------------------


def resource(desk: Desk, state: str = "present") -> Task:
    found, seen = _compute(desk)
    desk.incident(desk.company.leaked.access_key, **test_clocks.window())
    wanted = seen() if state == "absent" else ISOLATED
    if state == "absent":
        assert desk.run("aws_resource", resources=found)["problems"] == [] and seen() == ISOLATED

    def holds(_done: dict[str, Any]) -> None:
        assert seen() == wanted

    return Task("aws_resource", {"resources": found, "state": state}, holds)


def credential(desk: Desk, state: str = "disabled") -> Task:
    credentials(desk)
    desk.incident("arn:aws:sts::222222222222:assumed-role/deploy/evil")  # a key that is named as compromised is never switched on
    before = desk.bed.snapshot()
    params = {"principals": [USER, BOB], "kinds": list(KEYS)}
    if state == "enabled":
        assert desk.run("aws_credential", **params)["problems"] == [] and desk.bed.snapshot() != before

    def holds(_done: dict[str, Any]) -> None:
        user = iam(desk)
        left = [
            *(k["Status"] for name in ("ci-deploy", "bob") for k in user.list_access_keys(UserName=name)["AccessKeyMetadata"]),
            *(k["Status"] for k in user.list_ssh_public_keys(UserName="ci-deploy")["SSHPublicKeys"]),
            *(k["Status"] for k in user.list_signing_certificates(UserName="ci-deploy")["Certificates"]),
            *(k["Status"] for k in user.list_service_specific_credentials(UserName="ci-deploy")["ServiceSpecificCredentials"]),
        ]
        assert set(left) == {"disabled": {"Inactive"}, "absent": set(), "enabled": {"Active"}}[state], left
        if state == "enabled":
            assert desk.bed.snapshot() == before

    return Task("aws_credential", {**params, "state": state}, holds)


def quarantine(desk: Desk, state: str = "present") -> Task:
    credentials(desk)
    params: dict[str, Any] = {"principals": [USER, ROLE, BOB]}
    if state == "absent":  # only where sessions from before stay cut
        assert desk.run("aws_session", **params)["problems"] == []
    before = untimed(desk)
    if state == "absent":
        assert desk.run("aws_identity_quarantine", **params, action="deny")["problems"] == []

    def holds(_done: dict[str, Any]) -> None:
        if state == "absent":
            assert untimed(desk) == before
        else:
            assert works(desk.bed, desk.company.leaked) in DEAD and works(desk.bed, desk.company.production.keys["bob"]) in DEAD
            assert f"evict-quarantine-{desk.name}" in iam(desk).list_role_policies(RoleName="deploy")["PolicyNames"]

    return Task("aws_identity_quarantine", {**params, "state": state, **({"action": "deny"} if state == "present" else {})}, holds)


def sessions(desk: Desk) -> Task:
    credentials(desk)

    def holds(_done: dict[str, Any]) -> None:
        name = f"evict-session-{desk.name}"
        assert name in iam(desk).list_user_policies(UserName="ci-deploy")["PolicyNames"]
        assert name in iam(desk).list_role_policies(RoleName="deploy")["PolicyNames"]

    return Task("aws_session", {"principals": [USER, ROLE]}, holds)


def account_fence(desk: Desk, state: str = "present") -> Task:
    desk.incident(desk.company.leaked.access_key)
    contained(desk, account_fence="none")
    params = {"principals": [USER]} if state == "present" else {"state": "absent"}
    if state == "absent":
        assert desk.run("aws_account_fence", principals=[USER])["status"] == "ok"

    def holds(_done: dict[str, Any]) -> None:
        there = test_account_fence.there(desk.bed)
        assert there == list(test_account_fence.attached(desk.bed)) and len(there) == (state == "present"), there

    return Task("aws_account_fence", params, holds)


def resource_fence(desk: Desk, state: str = "present") -> Task:
    desk.bed.regions(BUCKETS)
    estate = Estate(desk).make()
    desk.incident(BOB, resources={"fence": list(estate.arns.values())})
    assert desk.run("aws_identity_quarantine", principals=[BOB])["status"] == "ok"
    before = estate.texts()
    if state == "absent":
        assert desk.run("aws_resource_fence")["problems"] == []

    def holds(_done: dict[str, Any]) -> None:
        texts = estate.texts()
        if state == "absent":
            assert texts == before
        else:
            assert sum("Evict" in str(text) for text in texts.values()) == len(estate.arns), texts

    return Task("aws_resource_fence", {"state": state}, holds)


def release_entries(desk: Desk) -> Task:
    eks, user = test_live.cluster(desk), desk.company.production.users["ci-deploy"]
    test_live.entry(eks, user, test_live.ADMIN, groups=("ops",))
    before = test_live.entries(eks)
    desk.incident(desk.company.leaked.access_key, password="keep")
    contained(desk, live_sessions=True)
    assert user not in test_live.entries(eks)

    def holds(_done: dict[str, Any]) -> None:
        assert test_live.entries(eks) == before

    return Task("aws_restore", {"only": [desk.company.leaked.access_key], **JUDGED}, holds)


def release(desk: Desk) -> Task:
    credentials(desk)
    before = desk.bed.snapshot()
    contained(desk)

    def holds(_done: dict[str, Any]) -> None:
        assert desk.bed.snapshot() == before

    return Task("aws_restore", {"only": [desk.company.leaked.access_key, ROLE, BOB], **JUDGED}, holds)


WRITES = (
    "PutBucketPolicy", "PutResourcePolicy", "PutKeyPolicy", "SetTopicAttributes", "SetQueueAttributes", "SetRepositoryPolicy",
)  # fmt: skip
UNDO = ("DeleteUserPolicy", "DeleteRolePolicy", "DetachPolicy", "DeletePolicy", *SWITCHES)
ISOLATE = ("PutFunctionConcurrency", "UpdateFunctionUrlConfig", "UpdateEventSourceMapping", "UpdateTaskProtection")
part = functools.partial
SCENARIOS: dict[str, Scenario] = {
    "contain, clocks": Scenario(
        clocks, ("CancelKeyDeletion", "RestoreSecret", "PutBucketLifecycle", "StartLogging", "UpdateTrail", "PutEventSelectors",
                 "StartConfigurationRecorder", "DeleteRetentionPolicy", "UpdateService", "UpdateAutoScalingGroup"), (*IDENTITY, *WRITES)),
    "contain, what lives on": Scenario(
        live, ("TerminateSession", "CancelCommand", "StopAutomationExecution", "StopBuild", "StopBuildBatch", "BatchStopJobRun", "TerminateJob",
               "StopExecution"), IDENTITY),
    "contain, access entries": Scenario(access_entries, ("DisassociateAccessPolicy", "DeleteAccessEntry"), IDENTITY, plain=True),
    "contain, workloads": Scenario(
        refresh, ("UpdateFunctionConfiguration", "UpdateService", "ReplaceIamInstanceProfileAssociation"), IDENTITY, plain=True),
    "contain, compute": Scenario(isolation, ISOLATE, IDENTITY, plain=True),
    "contain, put back": Scenario(put_backs, ("DetachUserPolicy", "RemoveUserFromGroup"), (*IDENTITY, "TagUser")),
    "compute isolated": Scenario(resource, ISOLATE, ("PutRolePolicy",), plain=True),
    "compute given back": Scenario(part(resource, state="absent"), (*ISOLATE[1:], "DeleteFunctionConcurrency"), plain=True),
    "credentials off": Scenario(credential, SWITCHES),
    "credentials on": Scenario(part(credential, state="enabled"), SWITCHES),
    "credentials deleted": Scenario(
        part(credential, state="absent"),
        ("DeleteAccessKey", "DeleteSSHPublicKey", "DeleteSigningCertificate", "DeleteServiceSpecificCredential")),
    "quarantine": Scenario(quarantine, ("PutUserPolicy", "PutRolePolicy")),
    "quarantine lifted": Scenario(part(quarantine, state="absent"), ("DeleteUserPolicy", "DeleteRolePolicy"), ("PutRolePolicy",)),
    "sessions": Scenario(sessions, ("PutUserPolicy", "PutRolePolicy")),
    "account fence": Scenario(account_fence, ("CreatePolicy", "AttachPolicy"), ("DeletePolicy",)),
    "account fence lifted": Scenario(part(account_fence, state="absent"), ("DetachPolicy", "DeletePolicy")),
    "resource fence": Scenario(resource_fence, WRITES, plain=True),
    "resource fence lifted": Scenario(part(resource_fence, state="absent"), (*WRITES[:-1], "DeleteBucketPolicy", "DeleteResourcePolicy", "DeleteRepositoryPolicy"), plain=True),
    "release": Scenario(release, UNDO),
    "release, access entries": Scenario(release_entries, ("CreateAccessEntry", "AssociateAccessPolicy"), UNDO, plain=True),
}  # fmt: skip


@pytest.fixture(scope="module")
def place(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    began = time.time()
    with Faults(bed) as faults:
        found = Range(bed, faults, tmp_path_factory.mktemp("calls"))
        yield found
        found.close()
    FIGURES["seconds"] = round(time.time() - began, 1)
    if EVERY:
        path = ROOT / "build" / "every_call" / f"{os.environ.get('PYTEST_XDIST_WORKER', 'one')}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(FIGURES | {"total": sum(FIGURES["points"].values())}, indent=1) + "\n")


def points(name: str) -> list[tuple[str, str]]:
    """(operation, kind) of all that is played of a scenario, or the one that the seed chooses."""
    every = [(operation, kind) for operation in SCENARIOS[name].operations for kind in SCENARIOS[name].kinds]
    return every if EVERY else [random.Random(f"{SEED} {name}").choice(every)]


@pytest.mark.parametrize(("name", "operation", "kind"), [(name, *point) for name in SCENARIOS for point in points(name)])
def test_the_same_task_ends_in_the_right_state(place: Range, name: str, operation: str, kind: str) -> None:
    play(place, SCENARIOS[name], operation, kind)
    FIGURES["points"][name] += 1
