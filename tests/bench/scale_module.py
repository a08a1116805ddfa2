"""One aws_contain (or the `module` of the order) in this process, with a note of every request in the order of sending: `scale_module.py ORDER OUT`."""

import json
import pathlib
import resource
import sys
import threading
import time
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".collections"), str(ROOT)]

import botocore.client  # noqa: E402

from ansible_collections.evict.cloud.plugins.module_utils.aws import session  # noqa: E402
from tests.integration import helpers  # noqa: E402


def main() -> None:
    order = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    log: list[list[Any]] = []
    owners: dict[int, str] = {}  # client -> account
    lock = threading.Lock()
    make, call = session.Aws.client, botocore.client.BaseClient._make_api_call

    def noting_client(aws: Any, target: Any, *args: Any, **kwargs: Any) -> Any:
        client = make(aws, target, *args, **kwargs)
        owners[id(client)] = target.account
        return client

    def noting_call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        with lock:
            log.append([owners.get(id(client), ""), client.meta.service_model.service_name, operation, parameters])
        return call(client, operation, parameters)

    if order.get("note", True):  # of many calls it would be a good part of the memory that is measured
        session.Aws.client = noting_client  # type: ignore[method-assign]
        botocore.client.BaseClient._make_api_call = noting_call  # type: ignore[method-assign]
    began, processor = time.monotonic(), time.process_time()
    contain = {"incident_data": {"incident": order.get("incident")}, "hold": order.get("hold", "0"), "scope": 0, "threads": order["threads"],
               "account_fence": order.get("account_fence")}  # fmt: skip
    result = helpers.call_module(order.get("module", "aws_contain"), order.get("params", contain), diff=False)
    shown = {key: value for key, value in result.items() if key not in ("diff", "invocation")}  # the incident comes by its path
    pathlib.Path(sys.argv[2]).write_text(json.dumps({
        "seconds": time.monotonic() - began, "processor": time.process_time() - processor, "log": log, "status": result.get("status"),
        "problems": result.get("problems") or ([result["msg"]] if "principals" not in result else []), "principals": len(result.get("principals", [])),
        "changed": result.get("changed_count"), "result_bytes": len(json.dumps(shown)), "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }), encoding="utf-8")  # fmt: skip


if __name__ == "__main__":
    main()
