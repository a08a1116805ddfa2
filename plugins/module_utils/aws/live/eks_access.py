# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EKS access entries (T1098.006): a cluster takes a signed GetCallerIdentity, which no policy denies, so a denied session still opens it."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Iterator

from ...common.plan import Call, Phase, Probe, Step, Target
from ...common.reader import Reader
from .. import identity_center
from ..each import each
from .kind import BY_HAND, Event, Live, Suspects

KIND = "eks_access"
NOUN = "EKS access entries"
ACCESS = "EKS token"
LISTED = True
EVENTS: frozenset[tuple[str, str]] = frozenset()
READS: tuple[str, ...] = (
    "eks:ListClusters", "eks:DescribeCluster", "eks:ListAccessEntries", "eks:DescribeAccessEntry", "eks:ListAssociatedAccessPolicies",
)  # fmt: skip
_ABSENT = ("ResourceNotFoundException",)
_OURS = "STANDARD"  # every other type is of nodes: without its entry all nodes of the role lose the cluster
_RESERVED = ("system:", "eks:", "aws:", "amazon:", "iam:")  # EKS's own; CreateAccessEntry takes none of them


def found(target: Target, who: Suspects, _started: Iterable[Event], reader: Reader) -> Iterator[Live]:
    """Entries of users and denied roles are removed; of a role whose work goes on it is said until when its old sessions open the cluster.

    So it is of a role of Identity Center, which is not one person's.

    What the aws-auth ConfigMap of a cluster says is not to be read through AWS.
    """
    mine = [p for p in who.all if p.kind in ("user", "role") and not p.only]  # of other accounts as well: an entry may name anybody
    people = [p for p in who.all if p.kind == identity_center.KIND]
    maps = sorted(p.arn for p in mine) + [f"the {identity_center.PREFIX}… roles of {p.name}" for p in people]

    def one(name: str) -> Iterator[Live]:
        cluster = reader.get(Call(target, "eks", "DescribeCluster", {"name": name})).get("cluster", {})
        mode = str((cluster.get("accessConfig") or {}).get("authenticationMode") or "CONFIG_MAP")
        if "CONFIG_MAP" in mode:
            why = (
                f"its aws-auth ConfigMap may name {', '.join(maps[:3])}: kubectl -n kube-system get configmap aws-auth;"
                " on older platform versions the cluster's creator is always an administrator of it, and is in no map"
            )
            yield Live(target, str(cluster.get("arn", name)), (mine or people)[0].arn, f"EKS cluster {name} in {target.region}", why=why)
        if mode == "CONFIG_MAP":
            return
        entries = reader.get(Call(target, "eks", "ListAccessEntries", {"clusterName": name})).get("accessEntries", [])
        for principal in mine:
            if principal.arn in entries:
                yield _entry(target, name, principal.arn, reader, who.until(principal), denied=who.denied(principal))
        for arn in entries if people else ():
            for person in who.behind(arn):
                why = (
                    f"others have that role too, so the entry stays: a session of {person.name} from before the cut still opens the cluster"
                )
                yield Live(target, f"{name}/{arn}", person.arn, _text(target, name, arn), why=why, until=who.until(person))

    return each(reader.get(Call(target, "eks", "ListClusters", {})).get("clusters", []) if mine or people else (), one)


def _entry(target: Target, cluster: str, arn: str, reader: Reader, until: str, *, denied: bool) -> Live:
    one = {"clusterName": cluster, "principalArn": arn}
    entry = reader.get(Call(target, "eks", "DescribeAccessEntry", one))["accessEntry"]
    policies = reader.get(Call(target, "eks", "ListAssociatedAccessPolicies", one)).get("associatedAccessPolicies", [])
    data = {"cluster": cluster, "entry": _kept(entry), "policies": {p["policyArn"]: p["accessScope"] for p in policies}}
    kind, why = str(entry.get("type") or _OURS), ""
    if not denied:
        why = "the role is not denied, so its access entry stays with its work: a session of it from before the cutoff still opens the cluster"
    elif kind != _OURS:
        until, why = BY_HAND, (
            f"an entry of type {kind} is how nodes join the cluster, so it stays: move the nodes to another role, then"
            f" aws eks delete-access-entry --region {target.region} --cluster-name {cluster} --principal-arn {arn}"
        )  # fmt: skip
    return Live(target, f"{cluster}/{arn}", arn, _text(target, cluster, arn), data, why, until)


def _text(target: Target, cluster: str, arn: str) -> str:
    return f"EKS access entry of {arn} in cluster {cluster} ({target.region})"


def _kept(entry: dict[str, t.Any]) -> dict[str, t.Any]:
    """What CreateAccessEntry takes of it again: a user name that EKS gave it comes by itself."""
    arn, name = str(entry["principalArn"]), str(entry.get("username") or "")
    own = name == arn or (name.startswith("arn:") and name.endswith(":assumed-role/" + arn.rpartition("/")[2] + "/{{SessionName}}"))
    kept = {k: entry[k] for k in ("kubernetesGroups", "type") if entry.get(k)}
    tags = {k: v for k, v in (entry.get("tags") or {}).items() if not k.startswith("aws:")}  # those are AWS's to give
    return kept | ({"tags": tags} if tags else {}) | ({"username": name} if name and not own and not name.startswith(_RESERVED) else {})


def steps(live: Live) -> Iterator[Step]:
    """Its policies, then the entry. A release makes the entry first (phase SESSION), then gives it its policies back (CREDENTIAL)."""
    cluster, arn = live.data["cluster"], live.principal
    one, named = {"clusterName": cluster, "principalArn": arn}, f"{arn}#eks/{live.target.region}/{cluster}"
    needs: list[str] = []
    expires = None if live.until == BY_HAND else live.until  # a release before would let the denied sessions in again
    for policy, scope in sorted(live.data["policies"].items()):
        which = {**one, "policyArn": policy}
        listing = Call(live.target, "eks", "ListAssociatedAccessPolicies", one)
        needs.append(f"{named}/{policy}")
        yield Step(
            id=needs[-1], principal=arn, resource=f"{live.text}, policy {policy}", action="disassociate", phase=Phase.CREDENTIAL,
            before=scope, after=None, do=(Call(live.target, "eks", "DisassociateAccessPolicy", which),),
            undo=(Call(live.target, "eks", "AssociateAccessPolicy", {**which, "accessScope": scope}),),
            probe=Probe(listing, ("associatedAccessPolicies", {"policyArn": policy}, "accessScope"), _ABSENT), expires=expires,
        )  # fmt: skip
    yield Step(
        id=named, principal=arn, resource=live.text, action="remove", phase=Phase.SESSION, before=arn, after=None, needs=tuple(needs),
        do=(Call(live.target, "eks", "DeleteAccessEntry", one),),
        undo=(Call(live.target, "eks", "CreateAccessEntry", {**one, **live.data["entry"]}),),
        probe=Probe(Call(live.target, "eks", "DescribeAccessEntry", one), ("accessEntry", "principalArn"), _ABSENT), expires=expires,
    )  # fmt: skip
