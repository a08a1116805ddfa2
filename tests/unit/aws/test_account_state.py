"""Two looks at an account: what differs, and what cannot be said."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.aws import account_state, authors, failures, put_back, quarantine
from ansible_collections.evict.cloud.plugins.module_utils.aws.account_state import UNKNOWN, Change, carry, diff
from ansible_collections.evict.cloud.plugins.module_utils.aws.principal import Principal
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError
from ansible_collections.evict.cloud.plugins.module_utils.common.guard import kind_of
from ansible_collections.evict.cloud.plugins.module_utils.common.incident import validate
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Target
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from tests.unit.aws.modelled_cloud import ModelledCloud, valid_call

P = "arn:aws:iam::111122223333"
CI, OIDC = f"{P}:user/ci", f"{P}:oidc-provider/example.org"


class Cloud:
    """IAM with one user and one provider; operations in ``denied`` are."""

    def __init__(self, *denied: str, users: int = 1) -> None:
        self.denied, self.users = denied, users

    def call(self, call: Any, parameters: Any = None) -> dict[str, Any]:
        del parameters
        if call.operation in self.denied:
            raise CloudError(f"{call.operation}: no", code="AccessDenied")
        names = ["ci", *(f"u{n}" for n in range(self.users - 1))]
        return {
            "GetAccountAuthorizationDetails": {
                "UserDetailList": [{"Arn": f"{P}:user/{n}", "CreateDate": "2026-01-01T00:00:00Z", "GroupList": ["g"]} for n in names]
            },
            "ListAccessKeys": {"AccessKeyMetadata": [{"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Active"}]},
            "GetLoginProfile": {"LoginProfile": {"CreateDate": "2026-01-02T00:00:00Z"}},
            "ListOpenIDConnectProviders": {"OpenIDConnectProviderList": [{"Arn": OIDC}]},
        }.get(call.operation, {})

    def document(self, edit: Any) -> Any:
        raise NotImplementedError


def look(*denied: str, users: int = 1) -> tuple[account_state.State, list[str]]:
    return account_state.read("111122223333", Reader({"aws": Cloud(*denied, users=users)}))


def test_everything_that_it_can_read() -> None:
    state, gaps = look()
    assert gaps == [] and state[CI]["key/AKIAIOSFODNN7EXAMPLE"] == "Active" and state[CI]["password"] and OIDC in state


@pytest.mark.parametrize("denied", ["ListAccessKeys", "GetLoginProfile", "ListOpenIDConnectProviders", "ListSAMLProviders"])
def test_what_could_not_be_read_is_neither_gone_nor_new(denied: str) -> None:
    whole, blind = look()[0], look(denied)
    assert blind[1], "a gap is told"
    assert diff(whole, blind[0]) == [] and diff(blind[0], whole) == []


@pytest.mark.parametrize("denied", ["ListAccessKeys", "ListOpenIDConnectProviders"])
def test_what_was_known_before_stays_known(denied: str) -> None:
    """A look that fails in between hides nothing from the one after it."""
    whole, (blind, _gaps) = look()[0], look(denied)
    kept = carry(whole, blind)
    assert kept == whole
    later = {arn: dict(facets) for arn, facets in whole.items()}
    later[CI]["key/AKIAI44QH8DHBEXAMPLE"] = "Active"
    assert diff(kept, later) == [Change(CI, "key/AKIAI44QH8DHBEXAMPLE", None, "Active")]


def test_with_too_many_users_their_credentials_are_not_known() -> None:
    few, (many, gaps) = look()[0], look(users=account_state.USERS + 1)
    assert gaps and UNKNOWN in many[CI] and not [c for c in diff(few, many) if c.arn == CI]


HOSTILE = f"{P}:user/a#b/x:role/#held/:policy/mallory"


def test_a_path_is_taken_for_nothing_else() -> None:
    """IAM allows every printable character in a path: nothing in it may decide what an object is, or whose a Step is."""
    assert kind_of(HOSTILE) == "user" and kind_of("*") == kind_of("") == ""
    user = Principal("111122223333", "user", "mallory", "AIDAX", HOSTILE, HOSTILE, inline=set())
    incident = validate({"id": "IR-1", "opened": "2026-01-01T00:00:00Z", "suspects": [{"cloud": "aws", "arn": CI}]}, "incident")
    [deny] = quarantine.fence_user(user, incident, Reader({"aws": Cloud()}))
    assert account_state.owned(deny) == (HOSTILE, "inline/evict-quarantine-IR-1") and not put_back.is_held(deny)
    facet = "attached/arn:aws:iam::aws:policy/ReadOnlyAccess"
    [held] = put_back.steps(Change(HOSTILE, facet, None, True), Target("aws", "111122223333"))
    assert account_state.owned(held) == (HOSTILE, facet) and put_back.is_held(held)
    assert authors.calls(Change(HOSTILE, "created", None, "now")) == {"CreateUser", "DeleteUser"}


AWS = "arn:aws:iam::aws:policy/"
ALLOW, DENY = ({"Statement": {"Effect": effect, "Action": "*", "Resource": "*"}} for effect in ("Allow", "Deny"))


@pytest.mark.parametrize(
    ("facet", "before", "after", "more"),
    [
        ("inline/x", None, ALLOW, True),
        ("inline/x", ALLOW, None, False),
        ("inline/x", None, DENY, False),
        ("inline/x", DENY, None, True),
        ("inline/x", DENY, ALLOW, True),
        ("inline/x", ALLOW, DENY, False),
        (f"attached/{AWS}AdministratorAccess", None, True, True),
        (f"attached/{AWS}AdministratorAccess", True, None, False),
        (f"attached/{AWS}AWSDenyAll", None, True, False),
        (f"attached/{AWS}AWSCompromisedKeyQuarantine", None, True, False),
        (f"attached/{AWS}AWSCompromisedKeyQuarantineV3", None, True, False),
        (f"attached/{AWS}AWSCompromisedKeyQuarantineV3", True, None, True),
        (f"attached/{P}:policy/AWSDenyAll", None, True, True),
        (f"attached/{P}:policy/x:aws:policy/AWSDenyAll", True, None, True),
        ("boundary", f"{AWS}PowerUserAccess", f"{AWS}AWSDenyAll", False),
        ("boundary", f"{AWS}AWSDenyAll", None, True),
        ("boundary", None, f"{P}:policy/x:aws:policy/AWSDenyAll", True),
        ("group/g", None, True, True),
        ("trust", ALLOW, DENY, True),
    ],
)
def test_what_gives_more_than_before(facet: str, before: Any, after: Any, more: bool) -> None:
    assert put_back.gives(Change(CI, facet, before, after)) is more


def test_who_was_renamed_is_found_by_its_id_and_gets_its_name_back() -> None:
    now = {f"{P}:user/ops/x": {"id": "AIDA1"}, CI: {"id": "AIDA2"}}
    assert account_state.moved({}, now, CI, "AIDA1") == f"{P}:user/ops/x"  # and another has its name
    assert account_state.moved({CI: {"id": "AIDA1"}}, now, CI, "AIDA2") == f"{P}:user/ops/x"  # as an earlier run knew it
    assert account_state.moved({CI: {"id": "AIDA2"}}, now, CI, "AIDA2") == ""
    assert diff({CI: {"created": 1, "id": "AIDA1"}}, {CI: {"created": 1, "id": "AIDA2"}}) == []
    [named] = put_back.steps(Change(CI, "name", CI, f"{P}:user/ops/x"), Target("aws", "111122223333"))
    assert named.do[0].parameters == {"UserName": "x", "NewUserName": "ci", "NewPath": "/"} and (named.before, named.after) == (None, CI)
    [moved] = put_back.steps(Change(CI, "name", CI, f"{P}:user/:user/ci"), Target("aws", "111122223333"))
    assert moved.do[0].parameters == {"UserName": "ci", "NewUserName": "ci", "NewPath": "/"} and moved.before == f"{P}:user/:user/ci"
    assert moved.undo[0].parameters == {"UserName": "ci", "NewUserName": "ci", "NewPath": "/:user/"}
    assert account_state.owned(named) is None


def test_what_was_deleted_and_made_anew_is_another_thing() -> None:
    """The same name and, by chance, the same version: what is in it is the maker's."""
    policy = f"{P}:policy/tools"
    old, new = ({policy: {"created": made, "version": "v1"}} for made in ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"))
    [change] = diff(old, new)
    assert change.facet == "created" and change.text == f"{policy} it was made anew"
    assert diff({OIDC: {"created": "True"}}, {OIDC: {"created": "2026-01-01T00:00:00Z"}}) == []  # a listing that did not date it
    assert len(diff({}, {OIDC: {"created": "True"}})) == len(diff({OIDC: {"created": "True"}}, {})) == 1
    old, new = ({CI: {"created": made, **deny}} for made, deny in ((1, {"inline/evict-quarantine-IR-1": DENY}), (2, {})))
    assert [c.facet for c in diff(old, new)] == ["created", "inline/evict-quarantine-IR-1"]  # that our fence is gone counts all the same


SAML = f"{P}:saml-provider/corp"
ROLE = f"{P}:role/web"
METADATA = f"<EntityDescriptor>{'<!-- -->' * 130}</EntityDescriptor>"  # the model wants 1,000 characters


def estate(**more: Any) -> ModelledCloud:
    """An account with a role in an instance profile, a SAML and an OpenID Connect provider; all that is asked is checked by AWS's own models."""
    role = {"Path": "/", "RoleName": "web", "RoleId": "AROAEXAMPLEEXAMPLE01", "Arn": ROLE, "CreateDate": "2026-01-01T00:00:00Z"}
    profile = {
        "Path": "/", "InstanceProfileName": "web", "InstanceProfileId": "AIPAEXAMPLEEXAMPLE01", "Arn": f"{P}:instance-profile/web",
        "CreateDate": "2026-01-01T00:00:00Z", "Roles": [],
    }  # fmt: skip
    answers = {
        "GetAccountAuthorizationDetails": {"RoleDetailList": [{**role, "InstanceProfileList": [profile]}]},
        "ListOpenIDConnectProviders": {"OpenIDConnectProviderList": [{"Arn": OIDC}]},
        "ListSAMLProviders": {"SAMLProviderList": [{"Arn": SAML, "CreateDate": "2026-01-01T00:00:00Z"}]},
        "GetSAMLProvider": {"SAMLMetadataDocument": METADATA},
        "GetOpenIDConnectProvider": {"ThumbprintList": ["a" * 40], "ClientIDList": ["sts.amazonaws.com"]},
    }
    return ModelledCloud(**answers | more)


def state_of(cloud: ModelledCloud) -> tuple[account_state.State, list[str]]:
    return account_state.read("111122223333", Reader({"aws": cloud}))


def test_what_is_in_identity_providers_and_which_instances_may_be_a_role_is_compared() -> None:
    """With other metadata, an audience or a certificate more, or a role in a profile more, somebody signs in who could not; each is put back as it was."""
    before, gaps = state_of(estate())
    bare = {
        "GetAccountAuthorizationDetails": {
            "RoleDetailList": [
                {"Path": "/", "RoleName": "web", "RoleId": "AROAEXAMPLEEXAMPLE01", "Arn": ROLE, "CreateDate": "2026-01-01T00:00:00Z"}
            ]
        }
    }
    after, _ = state_of(
        estate(
            GetSAMLProvider={"SAMLMetadataDocument": METADATA.replace("<!--", "<!-- evil", 1)},
            GetOpenIDConnectProvider={"ThumbprintList": ["a" * 40, "e" * 40], "ClientIDList": ["sts.amazonaws.com", "evil"]},
        )
    )
    assert gaps == [] and diff(before, before) == []
    found = diff(before, after)
    assert [(c.arn, c.facet) for c in found] == [(OIDC, "client/evil"), (OIDC, "thumbprints"), (SAML, "metadata")]
    joined = [c for c in diff(state_of(estate(**bare))[0], before) if c.facet.startswith("profile/")]
    assert [(c.arn, c.facet, c.after) for c in joined] == [(ROLE, "profile/web", True)]
    sent = {}
    for change in [*found, *joined]:
        [step] = put_back.steps(change, Target("aws", "111122223333"))
        for action in (*step.do, *step.undo):
            valid_call(action)  # type: ignore[arg-type]
            assert any(name in failures.subject(action, action.parameters) for name in (change.arn, "RoleName=web"))  # type: ignore[union-attr,arg-type]
        sent[change.facet] = (step.do[0].operation, step.do[0].parameters)  # type: ignore[union-attr]
        assert step.undo or step.irreversible
        assert account_state.owned(step) == (change.arn, change.facet) and put_back.is_held(step) and put_back.gives(change)
        assert Reader({"aws": estate(GetInstanceProfile="NoSuchEntity")}).read(step.probe) == step.after  # type: ignore[arg-type]
        assert account_state.diff(before, account_state.expected(before, [step])[0]) == [] or change.facet == "profile/web"
    assert sent == {
        "metadata": ("UpdateSAMLProvider", {"SAMLProviderArn": SAML, "SAMLMetadataDocument": METADATA}),
        "thumbprints": ("UpdateOpenIDConnectProviderThumbprint", {"OpenIDConnectProviderArn": OIDC, "ThumbprintList": ["a" * 40]}),
        "client/evil": ("RemoveClientIDFromOpenIDConnectProvider", {"OpenIDConnectProviderArn": OIDC, "ClientID": "evil"}),
        "profile/web": ("RemoveRoleFromInstanceProfile", {"InstanceProfileName": "web", "RoleName": "web"}),
    }
    left = Change(ROLE, "profile/web", True, None)
    assert list(put_back.steps(left, Target("aws", "111122223333"))) == []  # to add a role needs iam:PassRole: a person does it


@pytest.mark.parametrize("denied", ["GetSAMLProvider", "GetOpenIDConnectProvider"])
def test_a_provider_that_cannot_be_read_is_unknown_and_what_was_known_stays(denied: str) -> None:
    whole, (blind, gaps) = state_of(estate())[0], state_of(estate(**{denied: "AccessDenied"}))
    assert gaps and diff(whole, blind) == [] == diff(blind, whole) and carry(whole, blind) == whole
    gone, none = state_of(estate(**{denied: "NoSuchEntity"}))
    assert none == [] and UNKNOWN not in gone[SAML] | gone[OIDC]


@pytest.mark.parametrize(
    ("facet", "arn", "event", "request_"),
    [
        ("metadata", SAML, "UpdateSAMLProvider", {"sAMLProviderArn": SAML}),
        ("thumbprints", OIDC, "UpdateOpenIDConnectProviderThumbprint", {"openIDConnectProviderArn": OIDC}),
        ("client/evil", OIDC, "AddClientIDToOpenIDConnectProvider", {"openIDConnectProviderArn": OIDC, "clientID": "evil"}),
        ("created", OIDC, "CreateOpenIDConnectProvider", {"url": "https://example.org"}),
        ("created", SAML, "CreateSAMLProvider", {"name": "corp"}),
        ("profile/web", ROLE, "AddRoleToInstanceProfile", {"instanceProfileName": "web", "roleName": "web"}),
    ],
)
def test_who_made_such_a_change_is_found(facet: str, arn: str, event: str, request_: dict[str, str]) -> None:
    """Of providers by the names of the calls: AWS does not say under which name it files each of them."""
    change = Change(arn, facet, None, True)
    assert event in authors.calls(change)
    if kind_of(arn) != "role":
        assert authors._names({"eventName": event, "requestParameters": request_}, arn)
        assert not authors._names({"eventName": event, "requestParameters": {"name": "other", "url": "https://example.net"}}, arn)


def test_what_is_marked_as_unknown_is_told_of_a_state_that_was_kept() -> None:
    whole, blind = state_of(estate())[0], state_of(estate(GetSAMLProvider="AccessDenied", ListOpenIDConnectProviders="AccessDenied"))[0]
    assert account_state.blind(whole) == [] and account_state.blind(blind) == [SAML, "oidc-provider"]
    many, gaps = look(users=account_state.USERS + 1)
    assert account_state.blind(many) == [] and gaps[0].endswith(account_state.LIMITED)  # a limit, and no read that failed
