"""The playbook over the stores of other vendors, with a key of the enforcing bed: as it is shipped, loudly, while a worker goes on with what Vault holds."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.beds.bed import Credentials, root
from tests.beds.company import OFFICE, PRODUCTION
from tests.integration.helpers import Desk, works
from tests.unit.aws.vendor_rotation import Stores, text

pytestmark = pytest.mark.bed

USER = "app-orders"


def test_vault_github_gitlab_key_vault_and_google_in_one_playbook(desk: Desk, tmp_path: Path) -> None:
    key = desk.company.production.keys[USER]
    with Stores(tmp_path, key.access_key, key.secret_key) as stores:
        desk.incident(
            key.access_key,
            dependents=[{**d, "networks": ["198.51.100.0/24"]} for d in stores.dependents],
            connection={"aws": {"role_arn": desk.company.role_template}, **stores.connection},
        )
        seen: list[str] = []
        over = threading.Event()

        def worker() -> None:
            """As an application does that reads its key before each use."""
            while not over.wait(0.1):
                held: dict[str, Any] = stores.vault.newest("|secret|app")
                seen.append(works(desk.bed, Credentials(held["id"], held["secret"]), source_ip=OFFICE))

        thread = threading.Thread(target=worker, daemon=True)
        thread.start()
        code, said = desk.play(
            "rotate", "-vvvv", "-e", f"incident={desk.file}", "-e", "mode=graceful", "-e", "quiet=0s", "-e", "soak=0s", env=stores.environ
        )
        over.set()
        thread.join()
        assert code == 0, said[-3000:]
        iam = desk.bed.client("iam", root(PRODUCTION), direct=True)
        (new,) = [k["AccessKeyId"] for k in iam.list_access_keys(UserName=USER)["AccessKeyMetadata"]]
        held = stores.vault.newest("|secret|app")
        assert new == held["id"] != key.access_key and works(desk.bed, Credentials(new, held["secret"])) == "ok"
        assert stores.shown() == [{"id": new, "secret": held["secret"], "url": "x"}, text("json", new, held["secret"]), text("json", new, held["secret"]),
                                  text("json", new, held["secret"]), (new, held["secret"])]  # fmt: skip
        assert seen and set(seen) == {"ok"}
        assert desk.leaks(key.secret_key, held["secret"], stores.vault_token, stores.key_vault.password) == [] and desk.verified()
        assert [v.violations for v in stores.all] == [[]] * 5
        assert "new     GitHub secret AWS_ID in team/app, written (updated_at only)" in said
