"""Ways to hide from the response, each as the smallest attack that shows it."""

from __future__ import annotations

import pytest

from tests.beds.bed import Credentials
from tests.beds.company import trust
from tests.integration.helpers import Desk, status_of, works
from tests.redteam.arsenal import ADMIN

pytestmark = pytest.mark.bed


def test_a_user_whose_path_reads_like_a_role(desk: Desk) -> None:
    """The suspect's new user is taken for the production role of the same name: the role is denied, and the user stays."""
    bed, company = desk.bed, desk.company
    iam = bed.client("iam", company.leaked)
    iam.create_user(UserName="orders-lambda", Path="/x:role/")
    iam.put_user_policy(UserName="orders-lambda", PolicyName="all", PolicyDocument=ADMIN)
    key = Credentials.of(iam.create_access_key(UserName="orders-lambda")["AccessKey"])
    assert works(bed, key) == "ok"
    desk.incident(company.leaked.access_key)
    done = desk.run("aws_contain", hold="1s")
    assert not any(p["kind"] == "role" and p["name"] == "orders-lambda" for p in done["principals"]), done["principals"]
    assert works(bed, key) != "ok"
    assert status_of(done, "orders-lambda")["action"] == "contained"


def test_a_role_that_is_named_like_those_of_identity_center(desk: Desk) -> None:
    """IAM refuses to change roles under /aws-reserved/, whoever asks. A role of that name elsewhere is the attacker's own, and is cut."""
    bed, company = desk.bed, desk.company
    iam = bed.client("iam", company.leaked)
    trusting = trust({"AWS": company.production.users["bob"]})
    role = iam.create_role(RoleName="AWSReservedSSO_Support_0123456789abcdef", AssumeRolePolicyDocument=trusting)["Role"]["Arn"]
    iam.put_role_policy(RoleName=role.rsplit("/")[-1], PolicyName="all", PolicyDocument=ADMIN)
    by = company.production.keys["bob"]
    session = Credentials.of(bed.client("sts", by).assume_role(RoleArn=role, RoleSessionName="evil")["Credentials"])
    assert works(bed, session) == "ok"
    desk.incident(company.leaked.access_key)
    done = desk.run("aws_contain", hold="1s")
    assert works(bed, session) != "ok", done["failed"]
