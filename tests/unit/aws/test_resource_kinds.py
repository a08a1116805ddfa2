"""Each kind of resource against AWS's own API models: every request and answer is one, undo after do is the identity."""

from __future__ import annotations

import json
import types
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import documents, resource_fence, resource_policy, resources
from ansible_collections.evict.cloud.plugins.module_utils.aws.resource_touched import Touched, touched
from ansible_collections.evict.cloud.plugins.module_utils.aws.resources import bucket
from ansible_collections.evict.cloud.plugins.module_utils.aws.service_control import Exempt, Held
from ansible_collections.evict.cloud.plugins.module_utils.common import edits
from ansible_collections.evict.cloud.plugins.module_utils.common import incident as incidents
from ansible_collections.evict.cloud.plugins.module_utils.common.chain import Job
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Edit, Phase, Target
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from ansible_collections.evict.cloud.plugins.module_utils.common.run import Runner
from tests.unit.aws.modelled_cloud import ModelledCloud
from tests.unit.common.fake_cloud import Journal

A, REGION = "111122223333", "eu-west-1"
HERE = Target("aws", A, REGION)
USER, RESPONDER = f"arn:aws:iam::{A}:user/ci", f"arn:aws:iam::{A}:role/incident-responder"
REVISION = "11111111-2222-3333-4444-555555555555"
FILE = incidents.validate({"id": "IR-1", "opened": "2026-01-01T00:00:00Z", "suspects": [{"cloud": "aws", "arn": USER}],
                           "protected": [f"arn:aws:iam::{A}:role/break-glass"]}, "test")  # fmt: skip
ADMINS = {"Sid": "Admins", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{A}:root"}, "Action": "kms:*", "Resource": "*"}
# By service: its ARN, the error of "no policy" ("": an answer without one; None: it always has one).
ARNS: dict[str, tuple[str, str | None]] = {
    "s3": ("arn:aws:s3:::data-1", "NoSuchBucketPolicy"),
    "kms": (f"arn:aws:kms:{REGION}:{A}:key/1234abcd-12ab-34cd-56ef-1234567890ab", None),
    "secretsmanager": (f"arn:aws:secretsmanager:{REGION}:{A}:secret:db-AbCdEf", ""),
    "sqs": (f"arn:aws:sqs:{REGION}:{A}:jobs", ""),
    "sns": (f"arn:aws:sns:{REGION}:{A}:alerts", None),
    "lambda": (f"arn:aws:lambda:{REGION}:{A}:function:orders", "ResourceNotFoundException"),
    "ecr": (f"arn:aws:ecr:{REGION}:{A}:repository/shop/web", "RepositoryPolicyNotFoundException"),
}  # fmt: skip


class Place(ModelledCloud):
    """One resource with a policy as text (None: without); Edits work on it as on AWS."""

    def __init__(self, service: str, policy: str | None, **more: Any) -> None:
        self.policy, self.service, self.arn = policy, service, ARNS[service][0]
        self.raced = 0
        reads = {
            "GetBucketPolicy": self._read("Policy"), "GetKeyPolicy": self._read("Policy"),
            "GetResourcePolicy": self._read("ResourcePolicy", Name="db", ARN=self.arn)
            if service == "secretsmanager" else self._read("Policy", RevisionId=REVISION),
            "GetQueueAttributes": self._attributes, "GetTopicAttributes": self._attributes, "GetRepositoryPolicy": self._read("policyText"),
            "DescribeKey": {"KeyMetadata": {"KeyId": "k", "Arn": self.arn, "KeyManager": "CUSTOMER"}}, "GetQueueUrl": {"QueueUrl": "https://sqs/jobs"},
            "GetFunctionConfiguration": {"FunctionArn": self.arn},
        }  # fmt: skip
        writes = dict.fromkeys(
            ("PutBucketPolicy", "PutKeyPolicy", "PutResourcePolicy", "SetQueueAttributes", "SetTopicAttributes", "SetRepositoryPolicy",
             "DeleteBucketPolicy", "DeleteResourcePolicy", "DeleteRepositoryPolicy"), self._write,
        )  # fmt: skip
        super().__init__(**{**reads, **writes, **more})

    def _read(self, key: str, **beside: Any) -> Any:
        def answer(_parameters: Any) -> Any:
            error = ARNS[self.service][1]
            return {**beside, key: self.policy} if self.policy is not None else beside if error in ("", None) else error

        return answer

    def _attributes(self, _parameters: Any) -> Any:
        return {"Attributes": {"Policy": self.policy} if self.policy is not None else {}}

    def _write(self, parameters: dict[str, Any]) -> Any:
        if parameters.get("RevisionId") == REVISION and self.raced:
            self.raced -= 1
            return "PreconditionFailedException"
        given = [parameters.get(key) for key in ("Policy", "ResourcePolicy", "policyText", "AttributeValue")]
        found = next((text for text in given if text), None) or (parameters.get("Attributes") or {}).get("Policy") or None
        self.policy = found
        return {}

    def call(self, call: Call, parameters: Any = None) -> dict[str, Any]:
        return documents.parsed(call.name, super().call(call, parameters))

    def document(self, edit: Edit) -> Any:
        return documents.find(edit.target, edit.document)


class Run:
    """As much of a Response as the fence needs."""

    def __init__(self, cloud: Place) -> None:
        self.runner, self.incident, self.principals = Runner({"aws": cloud}, Journal()), FILE, {}
        self.aws: Any = self
        self.case: Any = types.SimpleNamespace(history={})
        self.partition = "aws"

    def responder_arn(self, _account: str) -> str:
        return RESPONDER


def fence(cloud: Place, held: list[Held] | None = None, **more: Any) -> tuple[Run, resource_fence.ResourceFences]:
    run = Run(cloud)
    fences = resource_fence.ResourceFences(run, None)  # type: ignore[arg-type]
    fences._exempts |= {A: Exempt(federated=(f"arn:aws:sts::{A}:federated-user/known",)), "444455556666": Exempt()}
    asked = Touched(resources.KINDS[cloud.service], HERE if cloud.service != "s3" else Target("aws", A), cloud.arn, "declared", **more)
    run.runner.add("x", A, [Job(Phase.RESOURCE, lambda r: fences._plan(asked, held or [Held(USER)], r))])
    run.runner.wait()
    run.runner.close()
    return run, fences


def test_what_is_declared_is_named_when_nobody_is_held_by_it() -> None:
    """People and root users are held above their accounts, which its policy cannot say."""
    run: Any = Run(Place("sqs", None))
    run.incident = incidents.validate({**FILE.as_dict(), "resources": {"fence": [ARNS["sqs"][0]]}}, "test")
    run.people = types.SimpleNamespace(principals=lambda: [object()], accounts=lambda: {A}, behind_session=lambda _arn: None)
    run.case = types.SimpleNamespace(history={})
    fences = resource_fence.ResourceFences(run, None)  # type: ignore[arg-type]
    fences.fence()
    run.runner.close()
    (row,), (item,) = fences.rows(), fences.open_items()
    assert row["state"] == "left" and item["object"] == ARNS["sqs"][0] and "held above their accounts" in item["why"]


ORIGINAL = json.dumps({"Version": "2012-10-17", "Statement": [ADMINS]}, indent=3)


@pytest.mark.parametrize("before", ["some", "none"])
@pytest.mark.parametrize("service", ARNS)
def test_the_deny_is_merged_and_undone_to_the_byte(service: str, before: str) -> None:
    if before == "none" and ARNS[service][1] is None:
        pytest.skip("it always has a policy")
    cloud = Place(service, ORIGINAL if before == "some" else None)
    run, fences = fence(cloud)
    (done,) = run.runner.done.values()
    assert (done.status, run.runner.failures, fences.rows()[0]["state"]) == ("done", [], "fenced"), (done, fences.rows())
    found = json.loads(cloud.policy or "")["Statement"]
    ours = [s for s in found if s["Sid"].startswith(FILE.sid)]
    assert [s for s in found if s not in ours] == ([ADMINS] if before == "some" else [])
    assert [s["Sid"] for s in ours] == [f"{FILE.sid}D", f"{FILE.sid}F"]
    assert all(s["Effect"] == "Deny" and s["Principal"] == "*" for s in ours) and ours[0]["Condition"] == {
        "ArnEquals": {"aws:PrincipalArn": USER}
    }
    assert ours[1]["Condition"] == {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:sts::{A}:federated-user/*"},
                                    "ArnNotEquals": {"aws:PrincipalArn": f"arn:aws:sts::{A}:federated-user/known"}}  # fmt: skip
    assert ("Resource" in ours[0]) == (service != "ecr")
    again, _ = fence(cloud)
    assert [d.status for d in again.runner.done.values()] == ["already"]
    Runner({"aws": cloud}, Journal()).act(done.step.undo[0], {})
    assert cloud.policy == (ORIGINAL if before == "some" else None)


def test_what_others_wrote_meanwhile_stays_and_the_text_is_then_not_the_old_one() -> None:
    cloud = Place("s3", ORIGINAL)
    run, _ = fence(cloud)
    new = {**ADMINS, "Sid": "New"}
    cloud.policy = json.dumps(edits.set_statements(json.loads(cloud.policy or ""), [], [new]))
    (done,) = run.runner.done.values()
    run.runner.act(done.step.undo[0], {})
    assert json.loads(cloud.policy or "")["Statement"] == [ADMINS, new]


def test_a_function_whose_policy_somebody_writes_meanwhile_is_read_again_and_each_write_names_the_revision() -> None:
    cloud = Place("lambda", ORIGINAL)
    cloud.raced = 2
    run, _ = fence(cloud)
    assert run.runner.failures == [] and [c.parameters["RevisionId"] for c in cloud.asked("PutResourcePolicy")] == [REVISION] * 3
    cloud = Place("lambda", ORIGINAL)
    cloud.raced = 9
    assert "PreconditionFailed" in fence(cloud)[0].runner.failures[0]["message"]


def test_kms_is_never_asked_to_skip_its_lock_out_check_and_only_what_harms_is_denied() -> None:
    cloud = Place("kms", ORIGINAL)
    fence(cloud)
    (write,) = cloud.asked("PutKeyPolicy")
    assert "BypassPolicyLockoutSafetyCheck" not in write.parameters
    denied = json.loads(cloud.policy or "")["Statement"][1]["Action"]
    assert {"kms:Decrypt", "kms:CreateGrant", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"} <= set(denied) and "kms:*" not in denied


@pytest.mark.parametrize(
    ("service", "policy", "said"),
    [
        ("s3", "{", "is no valid JSON"),
        ("s3", '{"Statement": ["x"]}', "is no policy document"),
        ("sqs", '["x"]', "is no policy document"),
        ("kms", json.dumps({"Statement": {**ADMINS, "Principal": {"AWS": USER}}}), f"no statement allows kms:PutKeyPolicy to {RESPONDER}"),
        ("s3", json.dumps({"Statement": {"Sid": "X", "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*",
                                         "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}}}), "which is not understood"),
        ("sqs", json.dumps({"Statement": {**ADMINS, "Sid": "x" * 8000}}), "would have 8"),
        ("sqs", json.dumps({"Statement": [{"Sid": str(n)} for n in range(19)]}), "would have 21 statements, and 20 fit"),
        ("ecr", json.dumps({"Statement": {**ADMINS, "Sid": "x" * 10000}}), "and 10240 fit"),
    ],
)  # fmt: skip
def test_what_must_not_be_written_is_not_and_says_what_holds_instead(service: str, policy: str, said: str) -> None:
    cloud = Place(service, policy)
    run, fences = fence(cloud)
    (row,) = fences.rows()
    assert row["state"] == "refused" and said in row["why"] and resource_fence.NEXT in row["remedy"], row
    assert cloud.policy == policy and run.runner.done == {} and fences.open_items()[0]["object"] == cloud.arn


def test_a_key_of_aws_a_thing_that_is_gone_and_one_that_cannot_be_read() -> None:
    aws = Place("kms", ORIGINAL, DescribeKey={"KeyMetadata": {"KeyId": "k", "Arn": ARNS["kms"][0], "KeyManager": "AWS"}})
    assert "managed by AWS" in fence(aws)[1].rows()[0]["why"]
    gone = fence(Place("lambda", ORIGINAL, GetFunctionConfiguration="ResourceNotFoundException"))[1]
    assert gone.rows()[0]["state"] == "gone" and gone.open_items() == []
    unread = fence(Place("sns", ORIGINAL, GetTopicAttributes="InternalErrorException"))[1]
    assert unread.rows()[0]["state"] == "unknown" and "not fenced" in unread.open_items()[0]["why"]


def test_where_not_all_fit_those_of_the_account_and_who_touched_it_are_denied() -> None:
    strangers = [Held(f"arn:aws:iam::444455556666:user/stranger-with-a-long-name-{n:04d}") for n in range(200)]
    cloud = Place("sqs", None)
    run, fences = fence(cloud, [Held(USER), *strangers], by={strangers[7].arn})
    assert run.runner.failures == [] and fences.rows()[0]["state"] == "fenced"
    assert {h.arn for h in resource_policy.members(json.loads(cloud.policy or "")["Statement"], FILE.sid)} == {USER, strangers[7].arn}


PUBLIC = {"PolicyStatus": {"IsPublic": True}}
WORLD = {
    "Owner": {"ID": "x"},
    "Grants": [{"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}, "Permission": "READ"}],
}
FAKE_CDN = json.dumps({"Statement": {**ADMINS, "Sid": "cloudfront", "Resource": "arn:aws:s3:::x/origin access identity/canonicaluser"}})
CDN = json.dumps({"Statement": {**ADMINS, "Principal": {"Service": "cloudfront.amazonaws.com"}}})


@pytest.mark.parametrize(
    ("answers", "policy", "said", "closed"),
    [
        ({"GetBucketPolicyStatus": PUBLIC}, ORIGINAL, "closed: its policy", True),
        ({"GetBucketAcl": WORLD, "GetBucketPolicyStatus": "NoSuchBucketPolicy"}, None, "closed: its ACL", True),
        ({"GetBucketPolicyStatus": {"PolicyStatus": {"IsPublic": False}}}, ORIGINAL, "not public", False),
        ({"GetBucketPolicyStatus": PUBLIC}, FAKE_CDN, "closed: its policy", True),
        ({"GetBucketPolicyStatus": PUBLIC}, CDN, "since a CDN reads it", False),
        ({"GetBucketPolicyStatus": PUBLIC, "GetBucketWebsite": {"IndexDocument": {"Suffix": "i"}}}, ORIGINAL, "since it serves a website", False),
        ({"GetBucketPolicyStatus": "AccessDenied"}, ORIGINAL, "not known whether it is public", False),
    ],
)  # fmt: skip
def test_block_public_access_is_for_a_bucket_that_a_suspect_opened(answers: Any, policy: str | None, said: str, closed: bool) -> None:
    box: list[Any] = []
    here = {"GetPublicAccessBlock": lambda _p: {"PublicAccessBlockConfiguration": box[-1]} if box else "NoSuchPublicAccessBlockConfiguration",
            "PutPublicAccessBlock": lambda p: box.append(p["PublicAccessBlockConfiguration"]) or {}, "GetBucketWebsite": "NoSuchWebsiteConfiguration", **answers}  # fmt: skip
    cloud = Place("s3", policy, **here)
    run, fences = fence(cloud, opened=["PutBucketPolicy"], loosened=True)
    assert said in fences.rows()[0]["public"], fences.rows()
    sent = cloud.asked("PutPublicAccessBlock")
    assert bool(sent) == closed and not [
        s for s in fence(Place("s3", policy, **here))[0].runner.done.values() if s.step.id.endswith("#public")
    ]
    if closed:
        blocked = sent[0].parameters["PublicAccessBlockConfiguration"]
        assert blocked["RestrictPublicBuckets"] and blocked["IgnorePublicAcls"] and blocked["BlockPublicPolicy"] == ("ACL" in said)
        step = next(d.step for d in run.runner.done.values() if d.step.id.endswith("#public"))
        assert [c.operation for c in step.undo if isinstance(c, Call)] == ["DeletePublicAccessBlock"] and step.needs
        Reader({"aws": cloud}).get(step.undo[0])  # a request that AWS's model takes


def test_a_bucket_is_called_closed_when_it_is() -> None:
    cloud = Place("s3", ORIGINAL, GetBucketPolicyStatus=PUBLIC, GetBucketWebsite="NoSuchWebsiteConfiguration", PutPublicAccessBlock="AccessDenied",
                  GetPublicAccessBlock="NoSuchPublicAccessBlockConfiguration")  # fmt: skip
    _run, fences = fence(cloud, opened=["PutBucketPolicy"], loosened=True)
    (row,) = fences.rows()
    assert row["public"].startswith("not closed") and "AccessDenied" in row["public"] and fences.by_hand()


def test_a_bucket_that_may_have_been_public_all_along_is_listed() -> None:
    """Who writes a policy carries along what stands in it."""
    cloud = Place("s3", ORIGINAL, GetBucketPolicyStatus=PUBLIC, GetBucketWebsite="NoSuchWebsiteConfiguration")
    _run, fences = fence(cloud, opened=["PutBucketPolicy"])
    assert "carried along" in fences.rows()[0]["public"] and fences.by_hand() and not cloud.asked("PutPublicAccessBlock")


@pytest.mark.parametrize(
    ("name", "asked", "loosens"),
    [
        ("PutBucketPolicy", {"bucketPolicy": {"Statement": []}}, False),
        ("DeleteBucketPublicAccessBlock", {}, True),
        ("PutBucketPublicAccessBlock", {"PublicAccessBlockConfiguration": {"BlockPublicAcls": False, "BlockPublicPolicy": True}}, True),
        ("PutBucketPublicAccessBlock", {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True, "BlockPublicPolicy": True}}, False),
        ("PutBucketOwnershipControls", {"OwnershipControls": {"Rule": {"ObjectOwnership": "ObjectWriter"}}}, True),
    ],
)
def test_which_calls_opened_a_bucket_for_certain(name: str, asked: Any, loosens: bool) -> None:
    (found,) = touched([event("s3", name, {"bucketName": "data-1", **asked})], lambda _e: USER)
    assert found.opened == [name] and found.loosened is loosens


def test_the_attacker_does_not_choose_the_account() -> None:
    """What its calls name elsewhere is left to a person, unless the incident names something there."""
    run: Any = Run(Place("sqs", None))
    run.principals = {USER: types.SimpleNamespace(arn=USER, account=A, kind="user", only=set(), whole=True, discovered="", sessions=set())}
    run.case = types.SimpleNamespace(history={})
    scope: Any = types.SimpleNamespace(
        kept=[event("sqs", "SetQueueAttributes", {"queueUrl": f"https://sqs/{a}/jobs"}) for a in (A, "444455556666")]
    )
    fences = resource_fence.ResourceFences(run, None, scope)  # type: ignore[arg-type]
    assert [one.target.account for one in fences._chosen(None, later=False)] == [A]
    (row,) = fences.rows()
    assert row["state"] == "left" and "444455556666 is none of this incident's" in row["why"] and fences.open_items()
    there = ARNS["sqs"][0].replace(A, "444455556666").replace("jobs", "other")
    run.incident = incidents.validate({**FILE.as_dict(), "resources": {"fence": [there]}}, "test")
    fences = resource_fence.ResourceFences(run, None, scope)  # type: ignore[arg-type]
    assert len(fences._chosen(None, later=False)) == 3
    run.runner.close()


def test_federation_sessions_of_every_account_are_denied() -> None:
    users = [Held(USER), Held(USER.replace(A, "444455556666"))]
    found = resource_policy.statements("S", users, Exempt(), resources.KINDS["sqs"], resources.Resource(ARNS["sqs"][0], HERE, {}, "x"))
    assert found[-1]["Condition"]["ArnEquals"]["aws:PrincipalArn"] == [f"arn:aws:sts::{a}:federated-user/*" for a in (A, "444455556666")]


# -- what the log names ----------------------------------------------------------------------------------------------------------


def event(source: str, name: str, request: Any, at: str = "2026-01-01T00:00:00Z", **more: Any) -> dict[str, Any]:
    return {"eventSource": f"{source}.amazonaws.com", "eventName": name, "requestParameters": request, "awsRegion": REGION, "recipientAccountId": A,
            "eventTime": at, **more}  # fmt: skip


def names(*events: dict[str, Any], **more: Any) -> list[tuple[str, str, str, str]]:
    return [(t.kind.SERVICE, t.target.account, t.target.region, t.name) for t in touched(events, lambda _e: USER, **more)]


def test_a_resource_is_known_by_what_the_event_says_of_it() -> None:
    key, secret = ARNS["kms"][0], ARNS["secretsmanager"][0]
    assert names(event("kms", "Decrypt", {"encryptionAlgorithm": "X"}, resources=[{"ARN": key, "accountId": A}])) == [
        ("kms", A, REGION, key)
    ]
    assert names(
        event("secretsmanager", "GetSecretValue", {"secretId": "db"}), event("secretsmanager", "PutSecretValue", {"secretId": secret})
    ) == [("secretsmanager", A, REGION, "db")]
    assert names(
        event(
            "s3",
            "PutBucketPolicy",
            {"bucketName": "data-1", "Host": "x"},
            resources=[{"ARN": "arn:aws:s3:::data-1", "accountId": "444455556666"}],
        )
    ) == [("s3", "444455556666", "", "arn:aws:s3:::data-1")]
    assert (
        names(event("sqs", "SetQueueAttributes", {"queueUrl": f"https://sqs.{REGION}.amazonaws.com/444455556666/jobs"}))[0][1]
        == "444455556666"
    )
    assert names(event("lambda", "UpdateFunctionCode20150331v2", {"functionName": "orders"})) == [("lambda", A, REGION, "orders")]
    assert names(event("secretsmanager", "BatchGetSecretValue", {"secretIdList": ["a", "b"]})) == [
        ("secretsmanager", A, REGION, "a"),
        ("secretsmanager", A, REGION, "b"),
    ]
    assert (
        names(event("s3", "PutBucketPolicy", {"bucketName": "../{{ x }}"}), event("s3", "ListBuckets", {}), event("iam", "GetUser", {}))
        == []
    )
    assert names(event("s3", "GetObject", {"bucketName": ["a"], "x": 1}), event("kms", "Decrypt", None)) == []


def test_only_what_was_opened_within_the_window_counts_as_opened() -> None:
    early = event("s3", "PutBucketPolicy", {"bucketName": "data-1"}, "2026-01-01T00:00:00Z")
    late = event("s3", "PutBucketAcl", {"bucketName": "data-1"}, "2026-02-01T00:00:00Z")
    (found,) = touched([late, early, event("s3", "GetObject", {"bucketName": "data-1"})], lambda _e: USER, "2026-01-15T00:00:00Z")
    assert found.opened == ["PutBucketPolicy"] and found.by == {USER}


def test_every_kind_is_in_the_registry_and_declares_what_it_needs() -> None:
    assert set(resources.KINDS) == set(ARNS) and bucket.OPENING <= bucket.EVENTS
    for service, kind in resources.KINDS.items():
        assert kind.DENIED and kind.CHANGE.startswith(f"{service}:") and kind.SIZE and kind.READS and kind.GONE
        assert f"{service}.{kind.NOUN}" in documents.DOCUMENTS
    with pytest.raises(CloudError):
        Place("s3", None).call(Call(HERE, "s3", "GetBucketPolicy", {"Bucket": "x"}))
