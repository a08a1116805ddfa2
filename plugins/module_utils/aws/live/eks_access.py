# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EKS access entries (T1098.006): a cluster takes a signed GetCallerIdentity, which no policy denies, so a denied session still opens it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...common.plan import Call, Phase, Probe, Step, Target
from ...common.reader import Reader
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


def found(target: Target, who: Suspects, _started: Iterable[Event], reader: Reader) -> Iterator[Live]:
    """Entries of users and of roles that nobody else uses are removed; of a shared role it is said until when its old sessions open the cluster.

    What the aws-auth ConfigMap of a cluster says is not to be read through AWS.
    """
    mine = [p for p in who.all if p.account == target.account and p.kind in ("user", "role") and not p.only]

    def one(name: str) -> Iterator[Live]:
        cluster = reader.get(Call(target, "eks", "DescribeCluster", {"name": name})).get("cluster", {})
        mode = str((cluster.get("accessConfig") or {}).get("authenticationMode") or "CONFIG_MAP")
        if "CONFIG_MAP" in mode and mine:
            why = f"its aws-auth ConfigMap may name {', '.join(sorted(p.arn for p in mine)[:3])}: kubectl -n kube-system get configmap aws-auth"
            yield Live(target, str(cluster.get("arn", name)), mine[0].arn, f"EKS cluster {name} in {target.region}", why=why)
        if mode == "CONFIG_MAP":
            return
        entries = reader.get(Call(target, "eks", "ListAccessEntries", {"clusterName": name})).get("accessEntries", [])
        for principal in mine:
            if principal.arn in entries:
                yield _entry(target, name, principal.arn, reader, who.until(principal), shared=not who.cut(principal))

    return each(reader.get(Call(target, "eks", "ListClusters", {})).get("clusters", []) if mine else (), one)


def _entry(target: Target, cluster: str, arn: str, reader: Reader, until: str, *, shared: bool) -> Live:
    one = {"clusterName": cluster, "principalArn": arn}
    entry = reader.get(Call(target, "eks", "DescribeAccessEntry", one))["accessEntry"]
    policies = reader.get(Call(target, "eks", "ListAssociatedAccessPolicies", one)).get("associatedAccessPolicies", [])
    kept = {k: entry[k] for k in ("kubernetesGroups", "username", "type", "tags") if entry.get(k)}
    data = {"cluster": cluster, "entry": kept, "policies": {p["policyArn"]: p["accessScope"] for p in policies}}
    why = "others use the role, so its access entry stays: a session of it from before the cutoff still opens the cluster" if shared else ""
    return Live(target, f"{cluster}/{arn}", arn, f"EKS access entry of {arn} in cluster {cluster} ({target.region})", data, why, until)


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
