"""What a rotation meets that it did not plan for: named, resumable, nothing revoked before the deadline, and then exactly as the plan said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.beds.bed import Credentials, root
from tests.integration.helpers import works
from tests.integration.test_rotation import REGION, USER, Estate, estate  # noqa: F401 - a fixture

pytestmark = pytest.mark.bed
OVER = {"deadline": "2026-01-01T00:00:00Z", "by": "Ada", "reason": "r"}


def named(result: dict[str, Any], *words: str) -> None:
    assert result["status"] in ("partial", "refused") and result["problems"], result
    for word in words:
        assert word in json.dumps(result["problems"]), (word, result["problems"])


def suspects(estate: Estate, *who: str, **more: Any) -> None:  # noqa: F811
    """The incident file is written anew, and the case told."""
    estate.desk.incident(*who, **more)
    estate.desk.run("case", incident=str(estate.desk.file), directory=str(estate.desk.folder), allow_local_store=True)


def test_a_dependent_that_cannot_be_written_and_a_kms_key_that_refuses(estate: Estate) -> None:  # noqa: F811
    """One place after the other fails; what is done stays; at the deadline the old key goes, and who falls is named."""
    bed, refused = estate.bed, {"status": 400, "message": "no", "times": 99}
    bed.rule("fail", operation="GetSecretValue", mutating=False, code="DecryptionFailure", **refused)
    before = bed.snapshot()
    named(estate.rotate(), "secret app/aws", "DecryptionFailure")
    assert bed.snapshot() == before
    bed.clear_rules()
    bed.rule("fail", operation="PutSecretValue", code="EncryptionFailure", **refused)
    named(estate.rotate(), "app/aws", "EncryptionFailure")
    assert list(estate.keys().values()) == ["Active", "Active"] and {c.access_key for c in estate.held()} == {estate.key.access_key}
    bed.clear_rules()
    bed.rule("fail", operation="PutParameter", code="AccessDeniedException", **refused)
    named(estate.rotate(), "/app/env", "AccessDeniedException")
    moved = estate.held()[0]
    assert set(estate.keys()) == {estate.key.access_key, moved.access_key} and works(bed, moved) == "ok"
    cut = estate.rotate(**OVER)
    named(cut, "/app/env")
    (fallen,) = [said for said in map(json.dumps, cut["warnings"]) if "may fail until moved" in said]
    assert "/app/env" in fallen and "function app" in fallen and "app/aws" not in fallen
    assert estate.keys() == {estate.key.access_key: "Inactive", moved.access_key: "Active"} and works(bed, moved) == "ok"
    bed.clear_rules()
    bed.rule("fail", operation="UpdateFunctionConfiguration", code="KMSAccessDeniedException", **refused)
    named(estate.rotate(), "app in 222222222222", "KMSAccessDeniedException")
    bed.clear_rules()
    done = estate.rotate()
    assert done["status"] == "ok" and set(estate.keys()) == {moved.access_key}, done
    estate.is_rotated([estate.key.secret_key])


def test_two_active_keys_that_are_both_in_use(estate: Estate) -> None:  # noqa: F811
    """There is no slot for a third while both live. At the deadline both end, one makes room, and all get the new one, which AWS takes a while later."""
    second = Credentials.of(estate.iam.create_access_key(UserName=USER)["AccessKey"])
    estate.ssm.put_parameter(
        Name="/app/env", Type="SecureString", Overwrite=True, Value=f"# ours\nAWS_ACCESS_KEY_ID={second.access_key}\nAWS_SECRET_ACCESS_KEY={second.secret_key}\n"
    )  # fmt: skip
    both = {estate.key.access_key: "Active", second.access_key: "Active"}
    named(estate.rotate(), "parameter /app/env", "holds something else")
    suspects(estate, estate.key.access_key, second.access_key)
    named(estate.rotate(), "both keys are in use", second.access_key, "emergency")
    named(estate.rotate(free_slot=second.access_key), "both keys are in use")
    assert estate.keys() == both
    planned = estate.rotate(mode="emergency", check=True)
    assert planned["status"] == "ok" and "to make room" in json.dumps(planned["warnings"]) and estate.keys() == both, planned
    estate.bed.lag(1.5)
    done = estate.rotate(**OVER)
    assert done["status"] == "ok", done
    (new,) = estate.keys()
    assert new not in both and len(estate.bed.calls(operation="CreateAccessKey")) == 1
    assert len(estate.bed.calls(operation="GetCallerIdentity", access_key=new)) > 1  # asked again until it was valid
    estate.bed.lag(0)
    estate.is_rotated([estate.key.secret_key, second.secret_key])


def test_a_key_of_an_account_that_cannot_be_reached(estate: Estate) -> None:  # noqa: F811
    """It is named; nothing is written where it is not known whether its user reads it, and nothing is revoked."""
    iam = estate.bed.client("iam", root("444444444444"), direct=True)
    iam.create_user(UserName="far")
    far = Credentials.of(iam.create_access_key(UserName="far")["AccessKey"])
    estate.desk.incident(estate.key.access_key, far.access_key)
    before = estate.bed.snapshot()
    result = estate.rotate()
    named(result, far.access_key, "secret app/aws", "parameter /app/env", "function app")
    assert estate.bed.snapshot() == before
    lifted = [{"guard": "readable_place", "object": f"{d['kind']}/222222222222/{REGION}/{d['name']}", "reason": "no policy lets others in", "by": "Ada"}
              for d in estate.dependents]  # fmt: skip
    suspects(estate, estate.key.access_key, far.access_key, overrides=lifted)
    done = estate.rotate()
    named(done, far.access_key)
    assert done["rotation"][0]["state"] == "OLD_DELETED" and len(done["problems"]) == 1, done
    estate.is_rotated([estate.key.secret_key])
