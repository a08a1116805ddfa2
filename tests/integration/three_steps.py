"""The three-Step plan over two accounts and two regions: CreateAccessKey -> its id by Ref -> its secret by Secret. No test in here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.evict.cloud.plugins.module_utils.aws.session import Aws
from ansible_collections.evict.cloud.plugins.module_utils.common import plan, restore
from ansible_collections.evict.cloud.plugins.module_utils.common.case import Case
from ansible_collections.evict.cloud.plugins.module_utils.common.chain import Job
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Phase, Probe, Ref, Secret, Step, Target
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from ansible_collections.evict.cloud.plugins.module_utils.common.run import Runner
from tests.beds.company import PRODUCTION, SECRET, STAGING

USER = "app-orders"
A, A1, B2 = Target("aws", PRODUCTION), Target("aws", PRODUCTION, "us-east-1"), Target("aws", STAGING, "eu-west-1")
PARAMETER = "/orders/key-id"
KEY = f"{USER}#new-key"
KEY_ID, KEY_SECRET = Ref(KEY, ("AccessKey", "AccessKeyId")), Secret(KEY, ("AccessKey", "SecretAccessKey"))
VAULT = f"{USER}#vault"
LABEL = "evict-before"


def steps(reader: Reader) -> Iterator[Step]:
    """A new key; its id in a parameter of the first region; its secret in a secret of the other account, in the second region."""
    keys = Probe(Call(A, "iam", "ListAccessKeys", {"UserName": USER}), ("AccessKeyMetadata", "AccessKeyId"))
    yield Step(
        id=KEY, principal=USER, resource=f"key of {USER}", action="create", phase=Phase.CREDENTIAL, before=reader.read(keys), after=None, probe=keys,
        owns=KEY_ID, do=(Call(A, "iam", "CreateAccessKey", {"UserName": USER}, idempotent=False),),
        undo=(Call(A, "iam", "DeleteAccessKey", {"UserName": USER, "AccessKeyId": KEY_ID}),),
    )  # fmt: skip
    value = Probe(Call(A1, "ssm", "GetParameter", {"Name": PARAMETER}), ("Parameter", "Value"), ("ParameterNotFound",))
    yield Step(
        id=f"{USER}#parameter", principal=USER, resource=PARAMETER, action="put", phase=Phase.CREDENTIAL, before=reader.read(value), after=KEY_ID, probe=value,
        do=(Call(A1, "ssm", "PutParameter", {"Name": PARAMETER, "Value": KEY_ID, "Type": "String", "Overwrite": True}),),
        undo=(Call(A1, "ssm", "DeleteParameter", {"Name": PARAMETER}),),
    )  # fmt: skip
    listing = Call(B2, "secretsmanager", "ListSecretVersionIds", {"SecretId": SECRET})
    current = Probe(listing, ("Versions", {"VersionStages": ["AWSCURRENT"]}, "VersionId"))
    labelled = [v for v in reader.get(listing)["Versions"] if LABEL in v["VersionStages"]]
    before = reader.read(current) or labelled[0]["VersionId"]
    new = Ref(VAULT, ("VersionId",))

    def stage(label: str, **where: Any) -> Call:
        return Call(B2, "secretsmanager", "UpdateSecretVersionStage", {"SecretId": SECRET, "VersionStage": label, **where})

    # A version without a label may vanish, so the one that was there first gets one, once.
    yield Step(
        id=VAULT, principal=USER, resource=SECRET, action="put", phase=Phase.CREDENTIAL, before=before, after=new, probe=current,
        do=(*([] if labelled else [stage(LABEL, MoveToVersionId=before)]),
            Call(B2, "secretsmanager", "PutSecretValue", {"SecretId": SECRET, "SecretString": KEY_SECRET}, idempotent=False)),
        undo=(stage("AWSCURRENT", MoveToVersionId=before, RemoveFromVersionId=new), stage(LABEL, RemoveFromVersionId=before)),
    )  # fmt: skip


def carry_out(order: dict[str, Any]) -> dict[str, Any]:
    """{"incident": path, "undo": bool, "check": bool} -> {"changed", "failures", "recovered", "statuses"}."""
    check = bool(order.get("check"))
    case = Case.open({"incident": order["incident"]}, module="three_steps", check=check)
    aws = Aws(case.incident.connection.get("aws"), incident=case.incident.id)
    runner = Runner({"aws": aws}, None if check else case.ledger, check=check, history=case.answers, stopped=case.stopped)
    try:
        recovered = runner.recover(case.ledger.open_intents())
        if not check:
            case.ledger.flush()
        jobs = [Job(Phase.CREDENTIAL, steps)]
        if order.get("undo"):
            reader = Reader({"aws": aws})
            found = [restore.judge(first, latest, reader, lambda _s: None) for first, latest in restore.standing(case.history)]
            back = [v.step for v in found if v and v.step]
            jobs = [Job(Phase.CREDENTIAL, lambda _r: back)]
        runner.add(USER, PRODUCTION, jobs)
        runner.wait()
        case.end("ok", None)
    finally:
        runner.close()
        case.close()
    return {"changed": runner.changed, "failures": runner.failures, "recovered": recovered, "statuses": {i: d.status for i, d in runner.done.items()},
            "plan": plan.encode([d.step for d in runner.done.values()])}  # fmt: skip
