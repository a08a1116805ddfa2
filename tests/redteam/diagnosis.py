"""Why a credential survived: where it came from, what the response knew of it, and what of the response is (not) there any more."""

from __future__ import annotations

import json
from typing import Any

from tests.beds.bed import root
from tests.beds.loops import OK, Bystanders
from tests.integration.helpers import Desk
from tests.redteam.arsenal import SUSPECT, Held

_SCP = "SERVICE_CONTROL_POLICY"
_LIFTING = ("Delete", "Put", "Detach", "Update", "Create", "Attach", "Add", "Set")


class Scene:
    """The state at the end of a run."""

    def __init__(
        self, desk: Desk, result: dict[str, Any], trace: list[dict[str, Any]], times: tuple[float, float], organization: bool = True
    ) -> None:
        self.bed, self.account, self.result, self.trace = desk.bed, desk.company.production.id, result, trace
        self.began, self.ended = times
        self.organization = organization
        self.state = self.bed.cloud("snapshot")

    # -- what is there ---------------------------------------------------------------------------------------------

    def _store(self, name: str, key: str) -> dict[str, Any]:
        return dict(self.state.get(f"iam.{name}", {}).get(json.dumps([self.account, key]), {}) or {})

    def policies(self, kind: str, name: str) -> list[str]:
        """Inline and attached policies of a user or role."""
        if kind == "user":
            return [*self._store("_user_inline_policies", name), *self._store("_users", name).get("AttachedPolicies", [])]
        found = self._store("_roles", name)
        return [*found.get("InlinePolicies", {}), *found.get("AttachedPolicies", [])]

    def in_scp(self, arn: str) -> str:
        """How the account's own SCPs speak of it: deny | cutoff … | "" (not at all)."""
        if not self.organization:
            return ""
        client = self.bed.client("organizations", root(self.bed.management), direct=True)
        found = []
        for policy in client.list_policies_for_target(TargetId=self.account, Filter=_SCP)["Policies"]:
            content = json.loads(client.describe_policy(PolicyId=policy["Id"])["Policy"]["Content"])
            for statement in content["Statement"]:
                condition = dict(statement.get("Condition", {}))
                arns = condition.pop("ArnLike", {}).get("aws:PrincipalArn", [])
                if arn in ([arns] if isinstance(arns, str) else arns):
                    found.append(json.dumps(condition) if condition else "deny")
        return " + ".join(found)

    def late(self, entry: dict[str, Any]) -> str:
        """A call that worked after containment had ended, in words."""
        identity = self.bed.cloud(f"identity/{entry['key']}")
        return f"{entry['at'] - self.ended:+.2f} s {entry['operation']} {entry['about']} by {entry['key']} of {identity['arn']} ({entry['move']})"

    # -- one survivor ----------------------------------------------------------------------------------------------

    def explain(self, held: Held, what: str) -> dict[str, Any]:
        """{"credential", "works", "principal", "origin", "said", "inline", "scp", "status", "touched", "why"}."""
        kind = "role" if held.kind == "role" else "user"
        path = f":{kind}/{held.who}"
        arn = next((p["arn"] for p in self.result.get("principals", []) if p["arn"].endswith(path)), f"arn:aws:iam::{self.account}{path}")
        row = next((p for p in self.result.get("principals", []) if p["arn"] == arn), None)
        inline = self.policies(kind, held.who)
        status = self._store("_access_keys", held.id).get("Status", "") if held.kind == "key" else ""
        scp = self.in_scp(arn)
        touched = [
            f"{t['at'] - self.began:+.2f} s {t['operation']} by {t['key']} ({t['move']})"
            for t in self.trace
            if t["code"] == OK
            and t["at"] >= self.began
            and t["operation"].startswith(_LIFTING)
            and held.who in map(str, t["about"].values())
        ]
        named = [
            place for place in ("open", "residual", "suggested", "problems", "left")
            if any(held.who in json.dumps(entry) or held.id in json.dumps(entry) for entry in self.result.get(place) or [])
        ]  # fmt: skip
        return {
            "credential": f"{held.kind} {held.id}", "works": what, "principal": arn, "origin": held.line(self.began),
            "said": f"{row['action']} ({', '.join(row['controls'])}; {row.get('role_action') or ''})" if row else "not in the result",
            "named": named, "inline": inline, "scp": scp, "status": status, "touched": touched[-12:],
            "why": self._why(held, row, inline, scp, status, touched),
        }  # fmt: skip

    def _why(self, held: Held, row: dict[str, Any] | None, inline: list[str], scp: str, status: str, touched: list[str]) -> str:
        made = f"made at {held.at - self.began:+.2f} s (contain ran until {self.ended - self.began:+.2f} s)"
        if held.move == "sweep from outside":
            return (
                f"the role can still be assumed from the attacker's own account{'' if row else ', and the response does not know the role'}"
            )
        if row is None:
            return f"the response never learned of it; {made}"
        fence = [p for p in inline if p.startswith("evict-")]
        if held.kind == "key" and held.who != SUSPECT and status == "Active" and not fence:
            return f"an active key of {held.who}, of whom the response says: {row['action']}; {made}"
        if not fence and not scp:
            return f"no control is left on it, and no SCP names it; {made}"
        if not fence:
            return f"the inline denies are gone, and the SCP says {scp}; {made}"
        if held.kind == "role" and not any("quarantine" in p for p in fence) and scp != "deny":
            return f"a session newer than the cutoff ({', '.join(fence)}; SCP {scp or 'none'}); {made}"
        return f"{', '.join(fence)} is there, SCP {scp or 'none'}, and yet it works (replaced content, or not spread); {made}"


def failed_bystanders(bystanders: Bystanders, result: dict[str, Any], began: float) -> dict[str, Any]:
    """{"ok", "failed": {kind: {code: n}}, "planned": n}: failures that the response did not announce, and the number of those that it did."""
    rows = result.get("principals", [])
    cut = {row["name"] for row in rows if row["kind"] == "user" and not row["action"].startswith("only ")}
    shared = any(row["name"] == "deploy" and row["kind"] == "role" for row in rows)
    failed: dict[str, dict[str, int]] = {}
    planned = 0
    for call in bystanders.log:
        if call.code == OK:
            continue
        who = call.kind.split(":")[1]
        if (call.kind.startswith("shared") and (shared or "alice" in cut)) or (who in cut and call.started >= began):
            planned += 1
            continue
        counts = failed.setdefault(call.kind, {})
        counts[call.code] = counts.get(call.code, 0) + 1
    return {"ok": bystanders.count(ok=True), "failed": failed, "planned": planned, "cut": sorted(cut)}
