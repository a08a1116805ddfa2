"""What the contained changes in identity providers and instance profiles while its fence spreads is put back, on the enforcing bed, with the generated policy."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.beds.bed import Bed
from tests.beds.company import Company, seed, trust
from tests.integration.helpers import Desk, outcome
from tests.integration.test_hold import LAG, Undoer, hold
from tests.tools import permissions

AUDIENCE, PRINT = "sts.amazonaws.com", "a" * 40
METADATA = f"<EntityDescriptor>{' ' * 1000}</EntityDescriptor>"  # IAM wants 1000 characters


@pytest.fixture
def bed() -> Iterator[Bed]:
    with Bed(lag=LAG) as found:
        yield found


class Estate:
    """A provider of each kind, and a machine's role with a profile that has none."""

    def __init__(self, bed: Bed, company: Company) -> None:
        self.bed, account = bed, company.production
        self.iam = bed.client("iam", account.root, direct=True)
        self.oidc = self.iam.create_open_id_connect_provider(Url="https://ci.example", ClientIDList=[AUDIENCE], ThumbprintList=[PRINT])[
            "OpenIDConnectProviderArn"
        ]
        self.saml = self.iam.create_saml_provider(Name="corp", SAMLMetadataDocument=METADATA)["SAMLProviderArn"]
        self.iam.create_role(RoleName="web", AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
        self.iam.create_instance_profile(InstanceProfileName="web")
        policy = permissions.role_policy()
        self.iam.put_role_policy(RoleName="incident-responder", PolicyName="work", PolicyDocument=json.dumps(policy))

    def state(self) -> dict[str, Any]:
        oidc = self.iam.get_open_id_connect_provider(OpenIDConnectProviderArn=self.oidc)
        profile = self.iam.get_instance_profile(InstanceProfileName="web")["InstanceProfile"]
        return {
            "clients": oidc["ClientIDList"],
            "thumbprints": oidc["ThumbprintList"],
            "metadata": self.iam.get_saml_provider(SAMLProviderArn=self.saml)["SAMLMetadataDocument"],
            "roles": [role["RoleName"] for role in profile["Roles"]],
        }


@pytest.fixture
def company(bed: Bed) -> Company:
    return seed(bed)


@pytest.fixture
def estate(bed: Bed, company: Company) -> Estate:
    found = Estate(bed, company)
    bed.lag(LAG)
    return found


@pytest.fixture
def desk(bed: Bed, company: Company, estate: Estate, tmp_path: Path) -> Desk:
    found = Desk(bed, company, tmp_path)
    found.incident(company.leaked.access_key, password="keep")
    return found


def test_ways_to_sign_in_that_are_opened_meanwhile_are_closed_and_stay_so(desk: Desk, bed: Bed, company: Company, estate: Estate) -> None:
    """An audience and a certificate more, one audience less, other metadata, a role in an instance profile; a release keeps what was put back.

    A verdict that the key was in good hands all the time gives the changes back, and names what it cannot.
    """
    before, evil = estate.state(), METADATA.replace("Entity", "Evil")
    thief = bed.client("iam", company.leaked)

    def act() -> str:
        until = time.monotonic() + 10  # what there was is read while the fence is written
        while {"GetSAMLProvider", "GetOpenIDConnectProvider"} - {c["operation"] for c in bed.calls()} and time.monotonic() < until:
            time.sleep(0.05)
        oidc = {"OpenIDConnectProviderArn": estate.oidc}
        said = {
            outcome(thief, "add_client_id_to_open_id_connect_provider", **oidc, ClientID="evil"),
            outcome(thief, "remove_client_id_from_open_id_connect_provider", **oidc, ClientID=AUDIENCE),
            outcome(thief, "update_open_id_connect_provider_thumbprint", **oidc, ThumbprintList=[PRINT, "e" * 40]),
            outcome(thief, "update_saml_provider", SAMLProviderArn=estate.saml, SAMLMetadataDocument=evil),
            outcome(thief, "add_role_to_instance_profile", InstanceProfileName="web", RoleName="web"),
        }
        return "ok" if said == {"ok"} else str(said)

    with Undoer(bed, act, tries=1) as undoer:
        done = hold(desk)
    assert undoer.done == 1, "the bed let nobody change them: the test proves nothing"
    assert estate.state() == before, done["open"]
    refused = {c["operation"] for c in bed.calls() if c["error"] == "AccessDenied" and "incident-responder" in c["principal"]}
    assert refused == set()
    kept = {row["object"].split()[0] for row in desk.restore()["open"] if row["kind"] == "kept"}
    assert {estate.oidc, estate.saml} <= kept and estate.state() == before
    done = desk.false_positive(company.leaked.access_key)
    assert estate.state() == {"clients": ["evil"], "thumbprints": [PRINT, "e" * 40], "metadata": evil, "roles": []}, done
    assert [row["kind"] for row in done["open"] if "profile/web" in row["object"]] == ["irreversible"], done["open"]
    again = desk.false_positive(company.leaked.access_key)
    assert again["changed_count"] == 0 and again["open"] == done["open"]
