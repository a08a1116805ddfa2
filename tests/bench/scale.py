"""Many accounts in one call: `python tests/bench/scale.py`, also a part of `make bench`. `--check` exits 1 when a limit is broken.

200 users in 50 accounts at 80 ms per call with 32 threads, one aws_contain, beside a plain boto3 replay of the same calls with as many threads, in the
order in which ours sent them, on fresh users; then 1,000 users in 200 accounts, without replay. Quick scope off, hold=0: neither is work. Then the 1,000
once more with hold, which compares the whole accounts: that is waiting, so only its memory is of interest.

Both are one process each, from its first call to its last one. Organizations takes one change at a time, so the replay sends those one after the other too.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.beds.bed import Bed, Credentials, root  # noqa: E402
from tests.beds.company import allow, document, trust  # noqa: E402
from tests.drill import loopback  # noqa: E402
from tests.drill.play import environment_of  # noqa: E402

LATENCY = 80.0  # ms
THREADS = 32
HERE = pathlib.Path(__file__).resolve().parent
_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
Figures = dict[str, Any]
# name -> (limit, what it is)
LIMITS = {
    "module_to_replay": (1.5, "200 users in 50 accounts: aws_contain / replay of its calls, first to last call"),
    "module_to_replay_no_fence": (1.5, "the same without the fence above the accounts"),
    "seconds_per_user_growth": (1.3, "seconds per user, 1,000 in 200 accounts / 200 in 50"),
    "rss_mb_1000": (400, "peak memory of the module's process, 1,000 users, MB"),
    "rss_mb_1000_held": (400, "the same with hold=30s, which reads the 200 accounts as a whole"),
    "result_bytes_per_user": (2500, "bytes of the module's result per user, 1,000 users"),
}


class Estate:
    """Accounts of one organization with leaked users in them. `keys`: {account: [(user, [key ids])]}."""

    def __init__(self, bed: Bed, accounts: int, users: int) -> None:
        self.bed = bed
        self.accounts = [f"{300000000000 + number}" for number in range(accounts)]
        bed.cloud("organization", {"accounts": {account: f"a{account}" for account in self.accounts}})
        iam = bed.client("iam", root(bed.management), direct=True)
        self.responder_arn = iam.create_user(UserName="responder")["User"]["Arn"]
        rights = document(allow("sts:AssumeRole", "sts:GetAccessKeyInfo", "organizations:*"))
        iam.put_user_policy(UserName="responder", PolicyName="respond", PolicyDocument=rights)
        self.responder = Credentials.of(iam.create_access_key(UserName="responder")["AccessKey"])
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._responder_role, self.accounts))
        self.count = users // accounts

    def _responder_role(self, account: str) -> None:
        iam = self.bed.client("iam", root(account), direct=True)
        iam.create_role(RoleName="incident-responder", AssumeRolePolicyDocument=trust({"AWS": self.responder_arn}))
        iam.put_role_policy(RoleName="incident-responder", PolicyName="work", PolicyDocument=document(_ALL))

    def users(self, prefix: str) -> dict[str, list[tuple[str, list[str]]]]:
        """Fresh users in every account: two keys, a password and an admin policy each."""

        def make(account: str) -> list[tuple[str, list[str]]]:
            iam = self.bed.client("iam", root(account), direct=True)
            made = []
            for number in range(self.count):
                name = f"{prefix}{number:02d}"
                iam.create_user(UserName=name)
                iam.put_user_policy(UserName=name, PolicyName="work", PolicyDocument=document(_ALL))
                iam.create_login_profile(UserName=name, Password="Correct-Horse-9")
                made.append((name, [iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"] for _ in range(2)]))
            return made

        with ThreadPoolExecutor(2) as pool:
            return dict(zip(self.accounts, pool.map(make, self.accounts), strict=True))


class Scale:
    """Runs of ours and of the replay on one bed; each in a process of its own."""

    def __init__(self, bed: Bed, folder: pathlib.Path) -> None:
        self.bed, self.folder = bed, folder
        folder.mkdir(exist_ok=True)

    def _run(self, estate: Estate, script: str, order: dict[str, Any], name: str) -> Figures:
        path, out = self.folder / f"{name}.json", self.folder / f"{name}-out.json"
        path.write_text(json.dumps(order))
        environment = environment_of({k: v for k, v in self.bed.environ(estate.responder).items() if k != "PYTHONDONTWRITEBYTECODE"})
        self.bed.control("reset", {})
        self.bed.configure(latency_ms=LATENCY, record=False)
        done = subprocess.run(
            [sys.executable, str(HERE / script), str(path), str(out)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=580, check=False
        )  # fmt: skip
        calls = self.bed.calls()
        self.bed.configure(latency_ms=0, record=False)
        if done.returncode:
            raise RuntimeError(f"{script}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        first, last = min(c["time"] for c in calls), max(c["time"] + c["ms"] / 1000 for c in calls)
        in_cloud = sum(c["ms"] for c in calls) / 1000
        return {**json.loads(out.read_text()), "calls": len(calls), "api": last - first, "in_cloud": in_cloud,
                "under_way": in_cloud / (last - first), "organizations": sum(c["service"] == "organizations" for c in calls)}  # fmt: skip

    def contain(
        self, estate: Estate, users: dict[str, list[tuple[str, list[str]]]], name: str, fence: str, hold: str = "0", note: bool = True
    ) -> Figures:
        """One aws_contain over the first key of every user. ``note``: with the `log` of its calls."""
        incident = {"id": name, "title": "t", "opened": "2026-01-22T09:00:00Z", "store": str(self.folder / "cases"), "limits": {"principals": 25},
                    "suspects": [{"cloud": "aws", "account": a, "access_key_id": keys[0]} for a, made in users.items() for _user, keys in made],
                    "connection": {"aws": {"role_arn": "arn:aws:iam::{account}:role/incident-responder"}}}  # fmt: skip
        order = {"incident": incident, "threads": THREADS, "account_fence": fence, "hold": hold, "note": note}
        figures = self._run(estate, "scale_module.py", order, name)
        principals = sum(len(made) for made in users.values())
        if figures["problems"] or figures["principals"] != principals or figures["status"] not in ("ok", "open"):
            raise RuntimeError(
                f"{name}: {figures['status']}, {figures['principals']} of {principals} principals, {figures['problems'][:3]}"
            )
        return figures

    def replay(self, estate: Estate, log: list[list[Any]], mine: dict[str, Any], twins: dict[str, Any], name: str) -> Figures:
        """The calls of ours, on the twins."""
        swap = {}
        for account, made in mine.items():
            for (user, keys), (twin, theirs) in zip(made, twins[account], strict=True):
                swap |= {user: twin, **dict(zip(keys, theirs, strict=True))}
        return self._run(estate, "scale_replay.py", {"calls": log, "swap": swap, "threads": THREADS}, name)


def measure(folder: pathlib.Path, users: int, accounts: int, repeat: int) -> tuple[Figures, Figures]:
    """(ratios, figures) of ours beside the replay, the best of `repeat`."""
    figures: Figures = {}
    found: Figures = {}
    with Bed() as bed:
        loopback.check_all(bed.environ(), cloud=bed.direct, endpoint=bed.endpoint)
        estate, scale = Estate(bed, accounts, users), Scale(bed, folder)
        for turn in range(repeat):
            for fence, suffix in (("on_the_spot", ""), ("none", "_no_fence")):
                mine, twins = estate.users(f"own{turn}{suffix}-"), estate.users(f"twin{turn}{suffix}-")
                ours = scale.contain(estate, mine, f"SCALE-{turn}{suffix}", fence)
                if fence != "none":
                    _detach(bed)
                replay = scale.replay(estate, ours.pop("log"), mine, twins, f"replay-{turn}{suffix}")
                if fence != "none":
                    _detach(bed)
                ratio = ours["api"] / replay["api"]
                print(f"  {users} users in {accounts} accounts{suffix.replace('_', ' ')}: ours {ours['api']:.1f} s, {ours['calls']} calls, {ours['under_way']:.1f} under way; "
                      f"replay {replay['api']:.1f} s, {replay['calls']} calls, {replay['under_way']:.1f} under way: {ratio:.2f}", flush=True)  # fmt: skip
                if ratio < found.get(f"module_to_replay{suffix}", float("inf")):
                    found[f"module_to_replay{suffix}"] = ratio
                    figures |= {f"ours{suffix}": ours, f"replay{suffix}": replay}
    return found, figures


def _detach(bed: Bed) -> None:
    """What the last run attached, so that the next one meets the same organization."""
    client = bed.client("organizations", root(bed.management), direct=True)
    for policy in client.get_paginator("list_policies").paginate(Filter="SERVICE_CONTROL_POLICY").search("Policies[]"):
        if not policy["AwsManaged"]:
            for target in client.get_paginator("list_targets_for_policy").paginate(PolicyId=policy["Id"]).search("Targets[]"):
                client.detach_policy(PolicyId=policy["Id"], TargetId=target["TargetId"])
            client.delete_policy(PolicyId=policy["Id"])


def thousand(folder: pathlib.Path, users: int, accounts: int, hold: str = "0") -> Figures:
    """Ours alone, at five times the size."""
    with Bed() as bed:
        estate, scale = Estate(bed, accounts, users), Scale(bed, folder)
        figures = scale.contain(estate, estate.users("big"), "SCALE-BIG", "on_the_spot", hold, note=False)
    print(f"  {users} users in {accounts} accounts, hold={hold}: {figures['api']:.1f} s, {figures['calls']} calls, {figures['under_way']:.1f} under way, "
          f"{figures['rss_mb']:.0f} MB, result {figures['result_bytes']} bytes", flush=True)  # fmt: skip
    return figures


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="exit 1 when a limit is broken")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--accounts", type=int, default=50)
    parser.add_argument("--no-thousand", action="store_true", help="leave out the 1,000 users in 200 accounts")
    parser.add_argument("--only-thousand", action="store_true", help="nothing but those")
    options = parser.parse_args()
    loopback.check_all()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="scale-"))
    began = time.monotonic()
    try:
        found, figures = ({}, {}) if options.only_thousand else measure(folder, options.users, options.accounts, options.repeat)
        if not options.no_thousand:
            many = figures["thousand"] = thousand(folder, options.users * 5, options.accounts * 4)
            held = figures["thousand_held"] = thousand(folder / "held", options.users * 5, options.accounts * 4, "30s")
            found |= {
                "rss_mb_1000": many["rss_mb"],
                "rss_mb_1000_held": held["rss_mb"],
                "result_bytes_per_user": many["result_bytes"] / many["principals"],
            }
            if "ours" in figures:
                found["seconds_per_user_growth"] = (
                    many["api"] / many["principals"] / (figures["ours"]["api"] / figures["ours"]["principals"])
                )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    good = all(found[name] <= limit for name, (limit, _) in LIMITS.items() if name in found)
    print()
    for name, (limit, text) in LIMITS.items():
        if name in found:
            print(f"  {'pass' if found[name] <= limit else 'FAIL'}  {found[name]:>8.2f}  (at most {limit:>6})  {text}")
    out = ROOT / "build" / "bench" / "scale.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        json.dumps({"found": found, "limits": {k: v[0] for k, v in LIMITS.items()}, "figures": figures, "met": good}, indent=1) + "\n"
    )
    print(f"  {out.relative_to(ROOT)}, {time.monotonic() - began:.0f} s")
    return 1 if options.check and not good else 0


if __name__ == "__main__":
    sys.exit(main())
