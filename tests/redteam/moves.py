"""What the red team does. Each move is a function of the raider; FAMILIES says which a run may draw, and how often.

A move harms nobody but the response: trust is added to, never taken from bystanders, so that a bystander's failure is the response's.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.redteam.arsenal import ADMIN, SUSPECT, Raider

Move = Callable[[Raider], None]
_MOST = 6  # users, and roles, that one run makes: a flood beyond the incident's limits is another test
_ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
_DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"
_OURS = "evict-"
ABLE = ("key", "role")  # may call IAM


# -- use and mint ------------------------------------------------------------------------------------------------------------------


def use(r: Raider) -> None:
    for _ in range(3):
        r.use(r.any("key", "session", "federation", "role"))


def session(r: Raider) -> None:
    by = r.any("key")
    if fresh := r.keep(r.call(by, "sts", "GetSessionToken"), "session", by.who, by):
        r.use(fresh)


def federation(r: Raider) -> None:
    by = r.any("key")
    name = f"{r.choice.choice(('fed', 'alice', 'incident-responder', 'ci'))}{r.choice.randrange(100)}"
    answer = r.call(by, "sts", "GetFederationToken", Name=name, Policy=ADMIN, DurationSeconds=129600)
    if fresh := r.keep(answer, "federation", by.who, by):
        r.use(fresh)


def role(r: Raider) -> None:
    if fresh := r.assume(r.any("key", "session", "role"), r.choice.choice(r.roles)):
        r.use(fresh)


def chain(r: Raider) -> None:
    by = r.any("role") if any(h.kind == "role" for h in r.held) else r.any("key")
    for _ in range(2):
        if not (fresh := r.assume(by, r.choice.choice(r.roles))):
            return
        by = fresh
    r.use(by)


def tagged(r: Raider) -> None:
    tags = {"Tags.member.1.Key": "evict-quarantine", "Tags.member.1.Value": "no", "TransitiveTagKeys.member.1": "evict-quarantine"}
    if fresh := r.assume(r.any("key", "session"), r.choice.choice(r.roles), **tags):
        r.use(fresh)


# -- lift the fence ----------------------------------------------------------------------------------------------------------------


def _undeny(r: Raider, kind: str, name: str) -> None:
    noun = kind.capitalize()
    who = {f"{noun}Name": name}
    by, listed = r.iam(f"List{noun}Policies", **who)
    for policy in (listed or {}).get("PolicyNames") or [f"{_OURS}quarantine-{r.incident}", f"{_OURS}session-{r.incident}"]:
        if policy.startswith(_OURS):
            if r.choice.random() < 0.7:
                r.call(by, "iam", f"Delete{noun}Policy", **who, PolicyName=policy)
            else:
                r.call(by, "iam", f"Put{noun}Policy", **who, PolicyName=policy, PolicyDocument=ADMIN)
    if r.choice.random() < 0.5:
        r.call(by, "iam", f"Detach{noun}Policy", **who, PolicyArn=_DENY_ALL)
    if r.choice.random() < 0.3:
        r.call(by, "iam", f"Delete{noun}PermissionsBoundary", **who)


def undeny_self(r: Raider) -> None:
    _undeny(r, "user", r.users[0])  # by the name that it has now


def undeny_user(r: Raider) -> None:
    _undeny(r, "user", r.choice.choice(r.users))


def undeny_role(r: Raider) -> None:
    _undeny(r, "role", r.choice.choice(r.roles))


def boundary(r: Raider) -> None:
    r.iam("PutUserPermissionsBoundary", UserName=r.choice.choice(r.users), PermissionsBoundary=_ADMINISTRATOR)


def reactivate(r: Raider) -> None:
    name = r.choice.choice(r.users)
    for key in [h.id for h in r.held if h.kind == "key" and h.who == name][:3]:
        r.iam("UpdateAccessKey", UserName=name, AccessKeyId=key, Status="Active")


def admin_again(r: Raider) -> None:
    r.iam("AttachUserPolicy", UserName=r.choice.choice(r.users), PolicyArn=_ADMINISTRATOR)


# -- further credentials -----------------------------------------------------------------------------------------------------------


def _key_for(r: Raider, name: str) -> None:
    by, answer = r.iam("CreateAccessKey", UserName=name)
    if fresh := r.keep(answer, "key", name, by):
        r.use(fresh)


def key_for_self(r: Raider) -> None:
    if r.choice.random() < 0.5:  # the second key of the user is in the way
        r.iam("DeleteAccessKey", UserName=SUSPECT, AccessKeyId=r.company.worker.access_key)
    _key_for(r, r.choice.choice(r.users))


def key_for_another(r: Raider) -> None:
    _key_for(r, r.choice.choice(("alice", "bob", "app-orders")))


def password(r: Raider) -> None:
    name = r.choice.choice(("alice", "bob", *r.users))
    _, answer = r.iam("CreateLoginProfile", UserName=name, Password="Attackers-Choice-1")
    if answer is None and name in r.users:
        r.iam("UpdateLoginProfile", UserName=name, Password="Attackers-Choice-2")


def new_user(r: Raider) -> None:
    if len(r.users) > _MOST:
        return
    name = f"{r.choice.choice(('svc', 'backup', 'alice-2', 'terraform'))}{r.choice.randrange(10**4)}"
    by, answer = r.iam("CreateUser", UserName=name)
    if answer is None:
        return
    r.users.append(name)
    if r.choice.random() < 0.5:
        r.call(by, "iam", "PutUserPolicy", UserName=name, PolicyName="all", PolicyDocument=ADMIN)
    else:
        r.call(by, "iam", "AttachUserPolicy", UserName=name, PolicyArn=_ADMINISTRATOR)
    if fresh := r.keep(r.call(by, "iam", "CreateAccessKey", UserName=name), "key", name, by):
        r.use(fresh)


def rename(r: Raider) -> None:
    """Another name or path, also one that a policy would read as a variable; the old name for a decoy. Roles cannot be renamed."""
    at = r.choice.randrange(len(r.users))
    name = r.users[at]
    fresh = f"{name[:40].partition('=')[0]}={r.choice.randrange(10**4)}" if r.choice.random() < 0.7 else ""
    more = {"NewUserName": fresh} if fresh else {}
    if not fresh or r.choice.random() < 0.5:
        more["NewPath"] = r.choice.choice(("/svc/", "/${aws:PrincipalArn}/", "/*/"))
    by, answer = r.iam("UpdateUser", UserName=name, **more)
    if answer is None or not fresh:
        return
    r.users[at] = fresh
    for held in r.held:
        held.who = fresh if held.who == name and held.kind != "role" else held.who
    if r.choice.random() < 0.4:
        r.call(by, "iam", "CreateUser", UserName=name)
    _undeny(r, "user", fresh)


# -- roles -------------------------------------------------------------------------------------------------------------------------


def _trust(*arns: str) -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": list(arns)}, "Action": "sts:AssumeRole"}]}
    )


_KEPT = {"deploy": ("ci-deploy", "alice"), "reporting": ("bob",), "orders-lambda": (), "incident-responder": ()}


def _plant(r: Raider, name: str, newcomer: str) -> None:
    """Trust for a newcomer beside whom the role trusts already, and every right for it."""
    arns = [r.account.users[u] for u in _KEPT.get(name, ())] + [newcomer]
    if name == "incident-responder":
        arns.append(r.company.responder_arn)
    by, answer = r.iam("UpdateAssumeRolePolicy", RoleName=name, PolicyDocument=_trust(*dict.fromkeys(arns)))
    if answer is not None:
        if name not in r.roles:
            r.roles.append(name)
        if name != "incident-responder":
            r.call(by, "iam", "PutRolePolicy", RoleName=name, PolicyName="all", PolicyDocument=ADMIN)


def _outsider(r: Raider) -> str:
    from tests.redteam.arsenal import OUTSIDE

    return f"arn:aws:iam::{OUTSIDE}:user/mallory"


def trust_outside(r: Raider) -> None:
    _plant(r, r.choice.choice(("deploy", "reporting", "orders-lambda")), _outsider(r))


def trust_user(r: Raider) -> None:
    name = r.choice.choice([*r.users, "alice"])
    _plant(r, r.choice.choice(("reporting", "orders-lambda", "deploy")), f"arn:aws:iam::{r.account.id}:user/{name}")


def from_outside(r: Raider) -> None:
    if r.outside and (fresh := r.assume(r.outside, r.choice.choice(r.roles))):
        r.use(fresh)


def new_role(r: Raider) -> None:
    if len(r.roles) > _MOST + 3:
        return
    name = f"{r.choice.choice(('deploy', 'audit', 'nightly'))}-{r.choice.randrange(10**4)}"
    trust = _trust(r.choice.choice(("*", _outsider(r), r.account.users[SUSPECT])))
    by, answer = r.iam("CreateRole", RoleName=name, AssumeRolePolicyDocument=trust)
    if answer is not None:
        r.roles.append(name)
        r.call(by, "iam", "PutRolePolicy", RoleName=name, PolicyName="all", PolicyDocument=ADMIN)


def arm_role(r: Raider) -> None:
    """Every right for a role that it can assume, so that its sessions can lift what the response puts there."""
    r.iam("PutRolePolicy", RoleName=r.choice.choice(r.roles), PolicyName="all", PolicyDocument=ADMIN)


# -- indirect rights ---------------------------------------------------------------------------------------------------------------


def version(r: Raider) -> None:
    arn = f"arn:aws:iam::{r.account.id}:policy/tools"
    r.iam("CreatePolicy", PolicyName="tools", PolicyDocument=ADMIN.replace('"*"', '"s3:*"', 1))
    by, _ = r.iam("AttachUserPolicy", UserName=r.choice.choice([*r.users, "alice"]), PolicyArn=arn)
    r.call(by, "iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=ADMIN, SetAsDefault="true")
    r.call(by, "iam", "SetDefaultPolicyVersion", PolicyArn=arn, VersionId=r.choice.choice(("v1", "v2")))


def group(r: Raider) -> None:
    r.iam("CreateGroup", GroupName="operators")
    by, _ = r.iam("PutGroupPolicy", GroupName="operators", PolicyName="all", PolicyDocument=ADMIN)
    r.call(by, "iam", "AddUserToGroup", GroupName="operators", UserName=r.choice.choice([*r.users, "bob"]))


def tag(r: Raider) -> None:
    noun, names = r.choice.choice((("User", r.users), ("Role", r.roles)))
    name = r.choice.choice(names)
    by, _ = r.iam(f"Tag{noun}", **{f"{noun}Name": name, "Tags.member.1.Key": "evict-quarantine", "Tags.member.1.Value": "no"})
    r.call(by, "iam", f"Untag{noun}", **{f"{noun}Name": name, "TagKeys.member.1": "evict-quarantine"})


# -- the responder -----------------------------------------------------------------------------------------------------------------


def join_responder(r: Raider) -> None:
    """Trust for itself, beside the responder's, in the responder's role: whatever the response exempts, it would be."""
    _plant(r, "incident-responder", r.choice.choice((r.account.users[SUSPECT], _outsider(r))))


def lock_out_responder(r: Raider) -> None:
    """Once the response is noticed. Done before anybody looks, no response from within the account has a chance."""
    if r.began is None:
        return
    how = r.choice.randrange(3)
    if how == 0:
        r.iam("UpdateAssumeRolePolicy", RoleName="incident-responder", PolicyDocument=_trust(r.account.users[SUSPECT]))
    elif how == 1:
        r.iam("DeleteRolePolicy", RoleName="incident-responder", PolicyName="work")
    else:
        by, _ = r.iam("DeleteRolePolicy", RoleName="incident-responder", PolicyName="work")
        r.call(by, "iam", "DeleteRole", RoleName="incident-responder")


# family -> (how likely a run has it, {move: weight}); "always" is in each
FAMILIES: dict[str, tuple[float, dict[Move, int]]] = {
    "always": (
        1.0,
        {use: 6, session: 3, federation: 3, role: 4, undeny_self: 6, reactivate: 3, key_for_self: 2, boundary: 1, admin_again: 1},
    ),
    "users": (0.6, {new_user: 4, undeny_user: 3, password: 1}),
    "innocent": (0.5, {key_for_another: 3, password: 2}),
    "roles": (0.6, {chain: 3, arm_role: 2, undeny_role: 4, tagged: 2}),
    "trust": (0.5, {trust_outside: 3, trust_user: 2, from_outside: 5, role: 2, undeny_role: 2}),
    "new roles": (0.4, {new_role: 3, from_outside: 4, role: 3, undeny_role: 2}),
    "indirect": (0.4, {version: 2, group: 2, tag: 2, key_for_another: 1}),
    "responder": (0.15, {join_responder: 2, role: 2, from_outside: 2}),
    "names": (0.25, {rename: 3, undeny_user: 2, reactivate: 1}),
    # Only when asked for: a responder's role that nothing above the account protects is gone before any fence of the response is (docs/proof.md).
    "lock-out": (0.0, {lock_out_responder: 2}),
}
