# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Identity providers of IAM as facets of an account's state, and how each is put back: who may sign in is decided by what is in them.

Facets: ``metadata`` (of a SAML provider, whose certificates are in it), ``thumbprints`` (a list) and ``client/<audience>`` of an OpenID Connect provider.
"""

from __future__ import annotations

import typing as t

from ..common.guard import kind_of
from ..common.plan import Action, Call, Probe, Target
from ..common.reader import Reader

READS = ("iam:GetOpenIDConnectProvider", "iam:GetSAMLProvider", "iam:ListOpenIDConnectProviders", "iam:ListSAMLProviders")
ABSENT = ("NoSuchEntity", "NoSuchEntityException")
KINDS = ("oidc-provider", "saml-provider")
_Parts = tuple[tuple[Action, ...], Probe, t.Any, t.Any]  # as in ``put_back``


def is_part(facet: str) -> bool:
    """Whether it is one of the facets that ``parts`` reads."""
    return facet in ("metadata", "thumbprints") or facet.startswith("client/")


def listed(target: Target, kind: str, reader: Reader) -> list[dict[str, t.Any]]:
    """The providers of one kind: [{Arn, CreateDate}]. Raises ``EvictError``."""
    if kind == "saml-provider":
        return list(reader.get(Call(target, "iam", "ListSAMLProviders", {})).get("SAMLProviderList", []))
    return list(reader.get(Call(target, "iam", "ListOpenIDConnectProviders", {})).get("OpenIDConnectProviderList", []))


def parts(arn: str, target: Target, reader: Reader) -> dict[str, t.Any]:
    """What is in one provider, as facets; {} for one that has just gone. Raises ``EvictError``."""
    found = reader.read(Probe(_show(arn, target), (), ABSENT))
    if found is None:
        return {}
    if kind_of(arn) == "saml-provider":
        return {"metadata": found.get("SAMLMetadataDocument")}
    return {
        "thumbprints": list(found.get("ThumbprintList") or []),
        **{f"client/{client}": True for client in found.get("ClientIDList") or ()},
    }


def _show(arn: str, target: Target) -> Call:
    if kind_of(arn) == "saml-provider":
        return Call(target, "iam", "GetSAMLProvider", {"SAMLProviderArn": arn})
    return Call(target, "iam", "GetOpenIDConnectProvider", {"OpenIDConnectProviderArn": arn})


def metadata(change: t.Any, _name: str, target: Target) -> _Parts | None:
    """``UpdateSAMLProvider`` with what was there."""
    if not change.before:
        return None
    do = Call(target, "iam", "UpdateSAMLProvider", {"SAMLProviderArn": change.arn, "SAMLMetadataDocument": change.before})
    return (do,), Probe(_show(change.arn, target), ("SAMLMetadataDocument",), ABSENT), change.after, change.before


def thumbprints(change: t.Any, _name: str, target: Target) -> _Parts | None:
    """``UpdateOpenIDConnectProviderThumbprint`` with what was there."""
    if change.before is None:
        return None
    wanted = {"OpenIDConnectProviderArn": change.arn, "ThumbprintList": list(change.before)}
    do = Call(target, "iam", "UpdateOpenIDConnectProviderThumbprint", wanted)
    return (do,), Probe(_show(change.arn, target), ("ThumbprintList",), ABSENT), change.after, change.before


def client(change: t.Any, name: str, target: Target) -> _Parts:
    """An audience that was added is taken away, and the other way round."""
    where = {"OpenIDConnectProviderArn": change.arn, "ClientID": name}
    do = (
        Call(target, "iam", "AddClientIDToOpenIDConnectProvider", where)
        if change.before
        else Call(target, "iam", "RemoveClientIDFromOpenIDConnectProvider", where)
    )
    probe = Probe(_show(change.arn, target), ("ClientIDList", {"": name}), ABSENT)
    return (do,), probe, name if change.after else None, name if change.before else None
