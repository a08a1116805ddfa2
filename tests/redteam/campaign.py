"""Many runs side by side, each worker process with a bed of its own: modules are called in-process and share that process's environment."""

from __future__ import annotations

import json
import multiprocessing
import queue
import time
import traceback
from pathlib import Path
from typing import Any

from tests.beds.bed import Bed
from tests.redteam.game import Order, play, write

_PATIENCE = 400.0  # seconds without any run ending
_LOOK = 5.0


def line(record: dict[str, Any]) -> str:
    """A run as one line."""
    verdict = "won " if record["won"] else "LOST"
    text = (
        f"seed {record['seed']:>4}  {verdict}  lag {record['lag']:.1f} s  {record['calls']:>4} calls  {record['credentials']:>3} credentials  "
        f"contain {record['seconds']:>5.1f} s ({record['status']})  last success {record['last_ok']:+.1f} s  "
        f"{' '.join(f for f in record['families'] if f != 'always') or '-'}{'; sleeper: ' + record['sleeper'] if record['sleeper'] else ''}"
    )
    if record["locked_out"]:
        text += "\n           the attacker has locked the responder out, so the identity's own denies stand as they were left"
    for survivor in record["survivors"]:
        text += f"\n           {survivor['credential']} may {survivor['works']} as {survivor['principal'].rsplit(':', 1)[-1]}: {survivor['why']}"
    for entry in record["late"][-2:] if not record["survivors"] else ():
        text += f"\n           worked late: {entry}"
    if record["bystanders"]["failed"]:
        text += f"\n           bystanders failed: {record['bystanders']['failed']}"
    return text


def _work(orders: Any, records: Any) -> None:
    with Bed() as bed:
        while (order := orders.get()) is not None:
            try:
                records.put(play(bed, order))
            except Exception:  # the run is lost, and the next one may be played
                records.put(
                    {"seed": order.seed, "identity_deny": order.identity_deny, "won": False, "crashed": _short(traceback.format_exc())}
                )


def _short(text: str) -> str:
    """The beginning and the end: one too deep recursion is a thousand lines."""
    return text if len(text) < 4000 else f"{text[:1500]}\n…\n{text[-2000:]}"


def campaign(orders: list[Order], jobs: int, folder: Path, tell: Any = print) -> dict[str, Any]:
    """Play all and write the summary: {"runs", "won", "lost", "identity_deny", "seconds", "at"}."""
    context = multiprocessing.get_context("spawn")
    waiting, records = context.Queue(), context.Queue()
    workers = [context.Process(target=_work, args=(waiting, records)) for _ in range(min(jobs, len(orders)))]
    began = time.monotonic()
    for order in [*orders, *([None] * len(workers))]:
        waiting.put(order)
    for worker in workers:
        worker.start()
        time.sleep(0.3)  # beds that start at the same instant take turns on the processor anyway
    played: list[dict[str, Any]] = []
    try:
        heard = time.monotonic()
        while len(played) < len(orders):
            try:
                record = records.get(timeout=_LOOK)
            except queue.Empty:
                if time.monotonic() - heard < _PATIENCE and any(worker.is_alive() for worker in workers):
                    continue
                tell(f"no run has ended for {time.monotonic() - heard:.0f} s, {sum(w.is_alive() for w in workers)} workers are alive")
                break
            heard = time.monotonic()
            played.append(record)
            write(folder, record)
            tell(f"seed {record['seed']:>4}  CRASHED\n{record['crashed']}" if "crashed" in record else line(record))
    finally:
        for worker in workers:
            worker.join(30 if len(played) == len(orders) else 0)
            if worker.is_alive():
                worker.terminate()  # its bed ends with it
    won = {r["seed"] for r in played if r["won"]}
    lost = sorted({o.seed for o in orders} - won)
    summary = {"runs": len(orders), "won": len(orders) - len(lost), "lost": lost, "identity_deny": orders[0].identity_deny,
               "seconds": round(time.monotonic() - began, 1), "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    return summary
