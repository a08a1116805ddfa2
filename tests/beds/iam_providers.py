"""What is in an OpenID Connect provider can be changed: IAM operations that stock ministack does not have.

It has providers themselves, and all of SAML ones. Fields and errors: from IAM's API reference, not observed.
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from ministack.services import iam

Answer = tuple[int, dict[str, str], bytes]
Params = dict[str, Any]


def install() -> None:
    """Add the handlers, before iam_truth wraps them all."""
    for action, change in (
        ("AddClientIDToOpenIDConnectProvider", _add),
        ("RemoveClientIDFromOpenIDConnectProvider", _remove),
        ("UpdateOpenIDConnectProviderThumbprint", _thumbprints),
    ):
        iam._IAM_HANDLERS[action] = _of_a_provider(action, change)


def _of_a_provider(action: str, change: Any) -> Any:
    def handle(params: Params) -> Answer:
        arn = iam._p(params, "OpenIDConnectProviderArn")
        found = iam._oidc_providers.get(arn)
        answer: Answer
        if found is None:
            answer = iam._error(404, "NoSuchEntity", escape(f"OpenIDConnect Provider not found for arn {arn}"))
        else:
            change(found, params)
            answer = iam._xml(200, f"{action}Response", "")
        return answer

    return handle


def _add(provider: dict[str, Any], params: Params) -> None:
    """Idempotent, as the reference says."""
    if (client := iam._p(params, "ClientID")) not in provider["ClientIDList"]:
        provider["ClientIDList"].append(client)


def _remove(provider: dict[str, Any], params: Params) -> None:
    """Idempotent, as the reference says."""
    provider["ClientIDList"] = [client for client in provider["ClientIDList"] if client != iam._p(params, "ClientID")]


def _thumbprints(provider: dict[str, Any], params: Params) -> None:
    """The whole list."""
    found: list[str] = []
    while one := iam._p(params, f"ThumbprintList.member.{len(found) + 1}"):
        found.append(one)
    provider["ThumbprintList"] = found
