# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one successful call in Google Cloud opened: impersonation, keys, service accounts. Read from the entry as it came (``protoPayload``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .model import NARROW, REVIEW, SKEW, WIDE, Act, Match, Node, items, opened, text


def _account_of(act: Act) -> str:
    """E-mail of the service account that a call is about."""
    labelled = text(act.written("resource", "labels", "email_id"))
    named = [labelled, *(text(act.asked(name)) for name in ("name", "resource")), *(text(one) for one in act.row.get("resources") or ())]
    named.append(text(act.written("protoPayload", "resourceName")))
    for name in named:
        part = name.split("/serviceAccounts/", 1)[-1].split("/", 1)[0]
        if "@" in part:
            return part
    return ""


def _impersonated(act: Act) -> Iterator[Node]:
    """GenerateAccessToken and its like: what the account does then names its caller in the chain of delegation."""
    email, caller = _account_of(act), text(act.row["actor_arn"])
    if email and caller:
        through = next((match.through for match in act.node.matches if match.through), caller)
        match = Match("actor", email, NARROW, "foreign", through=through, since=act.time - SKEW)
        yield opened(act, "service_account", f"{email} via {through}", email, matches=(match,))


def _key(act: Act) -> Iterator[Node]:
    name = text(act.answered("name"))
    if "/keys/" in name:
        full = name if name.startswith("//") else f"//iam.googleapis.com/{name}"
        yield opened(act, "service_account_key", full, _account_of(act), matches=(Match("credential", full), Match("credential", name)))


def _account(act: Act) -> Iterator[Node]:
    email = text(act.answered("email"))
    if email:
        yield opened(act, "service_account", email, email, matches=(Match("actor", email, WIDE, since=act.time - SKEW),), whole=True)


def _hmac(act: Act) -> Iterator[Node]:
    uid = text(act.answered("metadata", "accessId"))
    if uid:
        yield opened(act, "hmac_key", uid, matches=(Match("credential", uid),))


def _api_key(act: Act) -> Iterator[Node]:
    name = text(act.answered("name") or act.answered("response", "name"))
    if "/keys/" in name:
        yield opened(act, "api_key", name, matches=(Match("credential", name),))


def _compute(act: Act) -> Iterator[Node]:
    """A machine or function that runs as a service account: what that account does is the owner's or the attacker's, nothing tells."""
    emails = [text(one.get("email")) for one in items(act.asked("serviceAccounts")) if isinstance(one, dict)]
    emails += [text(act.asked("function", "serviceAccountEmail")), text(act.asked("function", "serviceConfig", "serviceAccountEmail"))]
    for email in dict.fromkeys(e for e in emails if "@" in e):
        match = Match("actor", email, WIDE, "attacker", since=act.time - SKEW)
        yield opened(act, "compute", text(act.written("protoPayload", "resourceName")) or str(act.row["event_uid"]), email, sure=60, verdict=REVIEW,
                     matches=(match,))  # fmt: skip


def _admitted(act: Act) -> Iterator[Node]:
    """SetIamPolicy: members that the attacker let in and that nobody saw here before (``new``)."""
    for delta in items(act.written("protoPayload", "serviceData", "policyDelta", "bindingDeltas")):
        kind, _colon, email = text(delta.get("member") if isinstance(delta, dict) else "").partition(":")
        if (
            isinstance(delta, dict)
            and delta.get("action") == "ADD"
            and kind in ("user", "serviceAccount")
            and email
            and email != act.row["actor_arn"]
        ):
            match = Match("actor", email, WIDE, "new", since=act.time - SKEW)
            yield opened(act, "user" if kind == "user" else "service_account", email, email, sure=80, matches=(match,))


_SHORT: dict[str, Callable[[Act], Iterator[Node]]] = {
    "google.iam.credentials.v1.IAMCredentials.GenerateAccessToken": _impersonated,
    "google.iam.credentials.v1.IAMCredentials.GenerateIdToken": _impersonated,
    "google.iam.credentials.v1.IAMCredentials.SignBlob": _impersonated,
    "google.iam.credentials.v1.IAMCredentials.SignJwt": _impersonated,
    "google.iam.admin.v1.CreateServiceAccountKey": _key,
    "google.iam.admin.v1.UploadServiceAccountKey": _key,
    "google.iam.admin.v1.CreateServiceAccount": _account,
    "google.iam.v1.IAMPolicy.SetIamPolicy": _admitted,
    "google.iam.admin.v1.SetIAMPolicy": _admitted,
    "google.api.apikeys.v2.ApiKeys.CreateKey": _api_key,
    "storage.hmacKeys.create": _hmac,
    "v1.compute.instances.insert": _compute,
    "beta.compute.instances.insert": _compute,
    "google.cloud.functions.v1.CloudFunctionsService.CreateFunction": _compute,
    "google.cloud.functions.v2.FunctionService.CreateFunction": _compute,
}
OPENERS: dict[tuple[str, str], Callable[[Act], Iterator[Node]]] = {("", name): opener for name, opener in _SHORT.items()}
OPENERS |= {("", name.rsplit(".", 1)[-1]): opener for name, opener in _SHORT.items() if name.startswith("google.iam")}
OPENERS[("", "SetIamPolicy")] = _admitted
