"""Fencing many resources: `python tests/bench/resources.py`, also a part of `make bench`. `--check` exits 1 when a limit is broken.

100 buckets, 50 secrets, 50 KMS keys and 20 queues at 80 ms per call with 16 threads, one aws_resource_fence, beside a plain boto3 replay of the same calls
with as many threads, in the order in which ours sent them, on fresh resources. Every second resource has a policy of its own. Both are one process each, from
its first call to its last one; the user that is denied is fenced beforehand, by a run that is not measured.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.beds.bed import Bed, root  # noqa: E402
from tests.bench.scale import Estate, Figures, Scale  # noqa: E402
from tests.drill import loopback  # noqa: E402

THREADS = 16
COUNTS = {"s3": 100, "secretsmanager": 50, "kms": 50, "sqs": 20}
LIMIT = 1.5


def make(bed: Bed, account: str, prefix: str) -> dict[str, list[dict[str, str]]]:
    """Fresh resources: {service: [{arn, and what requests call it}]}."""
    client = {name: bed.client(name, root(account), direct=True) for name in COUNTS}

    def policy(action: str, arn: str) -> str:
        statement = {
            "Sid": "Own",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
            "Action": action,
            "Resource": arn,
        }
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def one(job: tuple[str, int]) -> tuple[str, dict[str, str]]:
        service, number = job
        name, own = f"{prefix}{number:03d}-{account}", number % 2
        if service == "s3":
            client["s3"].create_bucket(Bucket=name)
            if own:
                client["s3"].put_bucket_policy(Bucket=name, Policy=policy("s3:GetObject", f"arn:aws:s3:::{name}/*"))
            return service, {"arn": f"arn:aws:s3:::{name}", "name": name}
        if service == "secretsmanager":
            arn = client[service].create_secret(Name=name, SecretString="x")["ARN"]
            if own:
                client[service].put_resource_policy(SecretId=arn, ResourcePolicy=policy("secretsmanager:GetSecretValue", "*"))
            return service, {"arn": arn, "name": arn}
        if service == "kms":
            arn = client["kms"].create_key()["KeyMetadata"]["Arn"]
            return service, {"arn": arn, "name": arn}
        url = client["sqs"].create_queue(
            QueueName=name, Attributes={"Policy": policy("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{account}:{name}")} if own else {}
        )
        return service, {"arn": f"arn:aws:sqs:us-east-1:{account}:{name}", "name": name, "url": url["QueueUrl"]}

    found: dict[str, list[dict[str, str]]] = {}
    with ThreadPoolExecutor(4) as pool:
        for service, made in pool.map(one, [(service, n) for service, count in COUNTS.items() for n in range(count)]):
            found.setdefault(service, []).append(made)
    return found


class Fenced(Scale):
    """Ours and the replay, on one bed."""

    def fence(self, estate: Estate, user: str, made: dict[str, list[dict[str, str]]], name: str) -> Figures:
        account = estate.accounts[0]
        incident = {"id": name, "title": "t", "opened": "2026-01-22T09:00:00Z", "store": str(self.folder / "cases"),
                    "suspects": [{"cloud": "aws", "arn": f"arn:aws:iam::{account}:user/{user}"}],
                    "resources": {"fence": [one["arn"] for found in made.values() for one in found]},
                    "connection": {"aws": {"role_arn": "arn:aws:iam::{account}:role/incident-responder"}}}  # fmt: skip
        begun = self._run(estate, "scale_module.py", {
            "module": "aws_identity_quarantine", "threads": THREADS,
            "params": {"incident_data": {"incident": incident}, "principals": [f"arn:aws:iam::{account}:user/{user}"]},
        }, f"{name}-user")  # fmt: skip
        figures = self._run(estate, "scale_module.py", {
            "module": "aws_resource_fence", "threads": THREADS, "params": {"case": str(self.folder / "cases" / name), "threads": THREADS},
        }, name)  # fmt: skip
        if begun["problems"] or figures["problems"] or figures["changed"] != sum(COUNTS.values()):
            raise RuntimeError(f"{name}: {begun['problems'][:3]} {figures['problems'][:3]} {figures['changed']}")
        return figures

    def again(self, estate: Estate, log: list[list[Any]], mine: Any, twins: Any, name: str) -> Figures:
        """The calls of ours, on the twins."""
        swap = {
            one[key]: twin[key] for service, found in mine.items() for one, twin in zip(found, twins[service], strict=True) for key in one
        }
        return self._run(estate, "scale_replay.py", {"calls": log, "swap": swap, "threads": THREADS}, name)


def measure(folder: pathlib.Path, repeat: int) -> tuple[float, Figures]:
    """(ratio, figures) of ours beside the replay, the best of `repeat`."""
    best, figures = float("inf"), Figures()
    with Bed() as bed:
        loopback.check_all(bed.environ(), cloud=bed.direct, endpoint=bed.endpoint)
        estate = Estate(bed, 1, 1)
        scale, account = Fenced(bed, folder), estate.accounts[0]
        for turn in range(repeat):
            user = next(iter(estate.users(f"u{turn}-").values()))[0][0]
            mine, twins = make(bed, account, f"own{turn}-"), make(bed, account, f"twin{turn}-")
            ours = scale.fence(estate, user, mine, f"RES-{turn}")
            replay = scale.again(estate, ours.pop("log"), mine, twins, f"replay-{turn}")
            ratio = ours["api"] / replay["api"]
            print(f"  {sum(COUNTS.values())} resources: ours {ours['api']:.1f} s, {ours['calls']} calls, {ours['under_way']:.1f} under way; "
                  f"replay {replay['api']:.1f} s, {replay['calls']} calls, {replay['under_way']:.1f} under way: {ratio:.2f}", flush=True)  # fmt: skip
            if ratio < best:
                best, figures = ratio, {"ours": ours, "replay": replay}
    return best, figures


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="exit 1 when the limit is broken")
    parser.add_argument("--repeat", type=int, default=2)
    options = parser.parse_args()
    loopback.check_all()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="resources-"))
    try:
        ratio, figures = measure(folder, options.repeat)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    met = ratio <= LIMIT
    print(
        f"\n  {'pass' if met else 'FAIL'}  {ratio:>8.2f}  (at most {LIMIT:>6})  {sum(COUNTS.values())} resources: aws_resource_fence / replay of its calls"
    )
    out = ROOT / "build" / "bench" / "resources.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        json.dumps({"found": {"fence_to_replay": ratio}, "limits": {"fence_to_replay": LIMIT}, "figures": figures, "met": met}, indent=1)
        + "\n"
    )
    print(f"  {out.relative_to(ROOT)}")
    return 1 if options.check and not met else 0


if __name__ == "__main__":
    sys.exit(main())
