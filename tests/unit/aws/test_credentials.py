"""Every kind of credential through the runner and back, over an IAM that botocore's model checks."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evict.cloud.plugins.module_utils.aws import credentials, session
from ansible_collections.evict.cloud.plugins.module_utils.aws.credentials import service_specific_credential
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.common import plan, restore, schema, suspect
from ansible_collections.evict.cloud.plugins.module_utils.common.chain import Job
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError, InvalidInput
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call, Phase, Step, Target
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from ansible_collections.evict.cloud.plugins.module_utils.common.run import Runner
from tests.unit.aws.modelled_iam import LISTS, ModelledIam
from tests.unit.common.fake_cloud import Journal

ACCOUNT = "111122223333"
USER = Principal(ACCOUNT, "user", "ci", "AIDAEXAMPLE", f"arn:aws:iam::{ACCOUNT}:user/ci", "")
T0 = datetime.datetime(2026, 1, 10, 12, tzinfo=datetime.UTC)
IDS = {
    "access_key": "AKIAIOSFODNN7EXAMPLE", "ssh_public_key": "APKAEIBAERJR2EXAMPLE", "signing_certificate": "TA7SMP42TDN5Z26OBPJE7EXAMPLE",
    "service_specific_credential": "ACCAEXAMPLE123EXAMPLE", "mfa_device": f"arn:aws:iam::{ACCOUNT}:mfa/path/ci",
}  # fmt: skip
SWITCHED = [kind for kind in LISTS if kind != "mfa_device"]
ASKED = credentials.Asked(None, "2026-01-08T00:00:00Z", "")


@pytest.fixture
def iam() -> ModelledIam:
    made = ModelledIam()
    for kind, identity in IDS.items():
        made.give(kind, identity, T0)
    return made


def run(iam: ModelledIam, kind: str, state: str, asked: credentials.Asked = ASKED, check: bool = False) -> Runner:
    runner = Runner({"aws": iam}, None if check else Journal(), check=check)
    it = credentials.KINDS[kind]
    runner.add(USER.arn, ACCOUNT, [Job(Phase.FENCE, lambda r: credentials.planned(it, USER, state, r, asked))])
    runner.wait()
    runner.close()
    return runner


def test_the_registry_holds_every_file_of_the_folder_that_is_a_kind() -> None:
    names = set(credentials.KINDS)
    folder = Path(credentials.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "kind", "server_certificate"}
    assert names == files == {*LISTS, "login_profile"}
    for name, kind in credentials.KINDS.items():
        assert name == kind.KIND and kind.NOUN and kind.FRAGMENT and isinstance(kind.PHASE, Phase) and kind.READS
    assert len({kind.FRAGMENT for kind in credentials.KINDS.values()}) == len(names)


@pytest.mark.parametrize("kind", SWITCHED)
def test_off_and_on_again_and_the_undo_is_the_identity(iam: ModelledIam, kind: str) -> None:
    checked = run(iam, kind, "disabled", check=True)
    assert iam.status(kind) == {IDS[kind]: "Active"} and checked.changed == 1
    assert [(h["before"], h["after"]) for h in checked.diff()] == [("Active\n", "Inactive\n")]
    done = run(iam, kind, "disabled")
    assert done.failures == [] and done.changed == 1 and iam.status(kind) == {IDS[kind]: "Inactive"}
    assert run(iam, kind, "disabled").changed == 0
    (result,) = done.done.values()
    verdict = restore.judge(result.step, result.step, Reader({"aws": iam}), lambda _s: None)
    assert verdict and verdict.step and verdict.step.after == "Active"
    iam.call(verdict.step.do[0])  # type: ignore[arg-type]
    assert iam.status(kind) == {IDS[kind]: "Active"}
    assert restore.judge(result.step, result.step, Reader({"aws": iam}), lambda _s: None) is None
    assert plan.decode(plan.encode(result.step)) == result.step


@pytest.mark.parametrize("kind", SWITCHED)
def test_deleted_is_said_to_be_for_good(iam: ModelledIam, kind: str) -> None:
    done = run(iam, kind, "absent")
    (result,) = done.done.values()
    assert done.failures == [] and iam.status(kind) == {} and result.step.irreversible and not result.step.undo


@pytest.mark.parametrize("kind", SWITCHED)
def test_what_was_off_goes_back_to_off(iam: ModelledIam, kind: str) -> None:
    iam.held[kind][IDS[kind]]["Status"] = "Inactive"
    assert run(iam, kind, "disabled").changed == 0
    (result,) = run(iam, kind, "enabled").done.values()
    assert result.status == "done" and iam.status(kind) == {IDS[kind]: "Active"}
    undo = result.step.undo[0]
    assert isinstance(undo, Call) and undo.parameters["Status"] == "Inactive"


def test_what_has_expired_is_left_to_be_expired(iam: ModelledIam) -> None:
    iam.held["service_specific_credential"][IDS["service_specific_credential"]]["Status"] = "Expired"
    assert run(iam, "service_specific_credential", "disabled").done == {}
    assert run(iam, "service_specific_credential", "enabled").done == {}
    assert run(iam, "service_specific_credential", "absent").changed == 1


def test_a_service_specific_credential_shows_its_service_and_when_it_expires(iam: ModelledIam) -> None:
    iam.give(
        "service_specific_credential",
        "ACCABEDROCK0EXAMPLE00",
        T0,
        ServiceName="bedrock.amazonaws.com",
        ExpirationDate=T0 + datetime.timedelta(days=30),
    )
    resources = {d.step.resource for d in run(iam, "service_specific_credential", "disabled", check=True).done.values()}
    assert (
        f"{USER.arn} service-specific credential ACCABEDROCK0EXAMPLE00 (bedrock.amazonaws.com, expires 2026-02-09T12:00:00Z)" in resources
    )


# -- MFA ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "until", "goes"),
    [("2026-01-10T12:00:00Z", "", True), ("2026-01-10T12:00:01Z", "", False), ("2026-01-01T00:00:00Z", "2026-01-10T12:00:00Z", True),
     ("2026-01-01T00:00:00Z", "2026-01-10T11:59:59Z", False), ("", "", False)],
)  # fmt: skip
def test_a_device_goes_when_it_was_enrolled_in_the_window(iam: ModelledIam, since: str, until: str, goes: bool) -> None:
    done = run(iam, "mfa_device", "disabled", credentials.Asked(None, since, until))
    assert bool(done.changed) == goes and (iam.status("mfa_device") == {}) == goes
    assert all(d.step.irreversible and not d.step.undo and d.step.phase == Phase.RESOURCE for d in done.done.values())
    assert "DeleteVirtualMFADevice" not in iam.calls


def test_of_eight_devices_only_the_new_ones_go(iam: ModelledIam) -> None:
    for number in range(7):
        iam.give("mfa_device", f"GAHT0000{number}", T0 - datetime.timedelta(days=number))
    run(iam, "mfa_device", "disabled", credentials.Asked(None, "2026-01-09T00:00:00Z", ""))
    assert set(iam.status("mfa_device")) == {f"GAHT0000{number}" for number in range(2, 7)}


def test_a_device_that_is_named_goes_whenever_it_was_enrolled(iam: ModelledIam) -> None:
    iam.give("mfa_device", "GAHT00001", T0)
    run(iam, "mfa_device", "disabled", credentials.Asked(["GAHT00001"], "2026-02-01T00:00:00Z", ""))
    assert set(iam.status("mfa_device")) == {IDS["mfa_device"]}


def test_the_window_of_an_incident() -> None:
    window = dataclasses.make_dataclass("Window", ["start", "end"])
    incident: Any = dataclasses.make_dataclass("Incident", ["opened", "window"])
    assert credentials.Asked.by(incident(T0, window(None, None))) == credentials.Asked(None, "2026-01-03T12:00:00Z", "")
    assert credentials.Asked.by(incident(T0, window(T0, T0))) == credentials.Asked(None, "2026-01-10T12:00:00Z", "2026-01-10T12:00:00Z")


# -- what cannot be listed, and ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(LISTS))
def test_a_listing_that_is_refused_names_kind_and_user_and_keeps_its_cause(iam: ModelledIam, kind: str) -> None:
    iam.denied = {LISTS[kind][0]}
    reader = Reader({"aws": iam})
    for _ in range(2):  # the reader remembers a refusal: it must not grow
        with pytest.raises(CloudError) as caught:
            credentials.planned(credentials.KINDS[kind], USER, "disabled", reader, ASKED)
        error = caught.value
        assert error.object == f"{USER.arn} {kind}" and error.message.count("unknown") == 1 and error.code == "AccessDenied"
        assert error.operation == f"iam:{LISTS[kind][0]}"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40))
def test_the_id_is_read_from_behind_the_user_whatever_its_path_holds(path: str) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:user/{path}#key/AKIAINNOCENT/ci"
    step = Step(f"{arn}#ssh/APKA1", arn, "r", "a", Phase.CREDENTIAL, "Active", "Inactive", (Call(Target("aws", ACCOUNT), "iam", "X", {}),))
    assert credentials.id_of(step) == "APKA1"
    assert (
        credentials.id_of(dataclasses.replace(step, id=f"{arn}#mfa/arn:aws:iam::{ACCOUNT}:mfa/#key/x"))
        == f"arn:aws:iam::{ACCOUNT}:mfa/#key/x"
    )
    for other in ("password", "policy/evict-quarantine-IR-1"):
        assert credentials.id_of(dataclasses.replace(step, id=f"{arn}#{other}")) == ""


# -- pages, owners, API keys -------------------------------------------------------------------------------------------------


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> session.Aws:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "x" * 20)
    made = session.Aws({"region": "us-east-1"})
    made._caller = {"account": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:user/me", "user_id": "AIDA"}
    return made


def page(*names: str, marker: str = "") -> dict[str, Any]:
    found = [
        {
            "UserName": "jane",
            "Status": "Active",
            "ServiceName": "codecommit.amazonaws.com",
            "CreateDate": T0,
            "ServiceSpecificCredentialId": n,
        }
        for n in names
    ]
    return {"ServiceSpecificCredentials": found, "IsTruncated": bool(marker), **({"Marker": marker} if marker else {})}


def test_all_pages_of_a_listing_that_botocore_does_not_page(aws: session.Aws) -> None:
    client, first, second = aws.client(Target("aws", ""), "iam"), "ACCAEXAMPLE00000000A", "ACCAEXAMPLE00000000B"
    assert not client.can_paginate("list_service_specific_credentials"), "botocore pages it now: take Aws._rest out"
    with Stubber(client) as stub:
        stub.add_response("list_service_specific_credentials", page(first, marker="m1"), {"AllUsers": True})
        stub.add_response("list_service_specific_credentials", page(second), {"AllUsers": True, "Marker": "m1"})
        assert service_specific_credential.owner(aws, "", second) == "jane"
        stub.assert_no_pending_responses()
    assert aws.calls == 2
    with Stubber(client) as stub:
        stub.add_response("list_service_specific_credentials", page(first), {"AllUsers": True})
        assert service_specific_credential.owner(aws, "", "ACCANOBODY") == ""


@pytest.mark.parametrize(
    ("name", "service"),
    [("BedrockAPIKey-ab12", "Bedrock"), ("AeaApiKey-x", "Claude"), ("ci", ""), ("my-BedrockAPIKey-1", ""), ("bedrockapikey-1", "")],
)
def test_a_phantom_user_is_known_by_its_name(name: str, service: str) -> None:
    assert (service in service_specific_credential.phantom(name)) == bool(service) or not service_specific_credential.phantom(name)
    principal = dataclasses.replace(USER, name=name, discovered="found")
    assert ("phantom" in principal.row()["reason"]) == bool(service) and principal.row()["reason"].startswith("found")


@pytest.mark.parametrize(
    ("text", "value"),
    [("ACCAEXAMPLE123EXAMPLE", "ACCAEXAMPLE123EXAMPLE"), (f"jane-at-{ACCOUNT}", f"jane-at-{ACCOUNT}"), (f"jane+1-at-{ACCOUNT}", f"jane+1-at-{ACCOUNT}"),
     (f"key BedrockAPIKey-ab12-at-{ACCOUNT} used", f"BedrockAPIKey-ab12-at-{ACCOUNT}"), ("by ACCAEXAMPLE123EXAMPLE.", "ACCAEXAMPLE123EXAMPLE"),
     (f"eve@example.org-at-{ACCOUNT}", f"eve@example.org-at-{ACCOUNT}")],
)  # fmt: skip
def test_a_service_specific_credential_is_a_suspect(text: str, value: str) -> None:
    (found,) = suspect.classify(text)
    assert (found.kind, found.value, found.account) == ("service_credential", value, ACCOUNT if "-at-" in value else "")
    assert found.raw["credential_id"] == value
    assert suspect.classify(suspect.minimal(found)) == [found]


def test_its_account_must_not_contradict() -> None:
    with pytest.raises(InvalidInput, match="belongs to account"):
        suspect.classify(f"jane-at-{ACCOUNT}", account="444455556666")


_HIDDEN = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"


def _key(prefix: str, text: str) -> str:
    import base64

    return prefix + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("text", "half"),
    [(_key("ABSK", f"BedrockAPIKey-ab12-at-{ACCOUNT}:{_HIDDEN}"), f"BedrockAPIKey-ab12-at-{ACCOUNT}"),
     ("export K=" + _key("AEAA", f"AeaApiKey-x+1-at-{ACCOUNT}:{_HIDDEN}"), f"AeaApiKey-x+1-at-{ACCOUNT}"),
     (_key("bedrock-api-key-", f"bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Credential=ASIAIOSFODNN7EXAMPLE%2F2026&X-Amz-Signature={_HIDDEN}"),
      "ASIAIOSFODNN7EXAMPLE"),
     (f"BedrockAPIKey-ab12-at-{ACCOUNT}:{_HIDDEN}", f"BedrockAPIKey-ab12-at-{ACCOUNT}"), ("ABSK" + "!" * 80, ""), ("ABSK" + "A" * 80, "")],
)  # fmt: skip
def test_a_pasted_api_key_is_refused_and_only_its_public_half_is_said(text: str, half: str) -> None:
    assert schema.public_half(text) == half
    with pytest.raises(InvalidInput) as caught:
        suspect.classify(text)
    assert half in str(caught.value) and _HIDDEN not in str(caught.value)
    if half:
        assert "neither stored nor shown" in str(caught.value)
