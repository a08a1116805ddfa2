"""What tests of the stores of other vendors share: a key that is rotated in one place after another, by the Runner and a ledger of lists."""

from __future__ import annotations

import dataclasses
import json
import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import trustme

from ansible_collections.evict.cloud.plugins.module_utils.aws import targets
from ansible_collections.evict.cloud.plugins.module_utils.aws.rotation import options
from ansible_collections.evict.cloud.plugins.module_utils.aws.targets.kind import back_of
from ansible_collections.evict.cloud.plugins.module_utils.common import run
from ansible_collections.evict.cloud.plugins.module_utils.common.chain import Job
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Phase, Secret, Step
from ansible_collections.evict.cloud.plugins.module_utils.common.reader import Reader
from ansible_collections.evict.cloud.plugins.module_utils.common.run import Runner
from ansible_collections.evict.cloud.plugins.module_utils.outside import entra, google_login, key_vault, session, vault
from ansible_collections.evict.cloud.plugins.module_utils.outside.clouds import Clouds
from tests.beds.vendors.github import GitHub
from tests.beds.vendors.gitlab import GitLab
from tests.beds.vendors.google import Google
from tests.beds.vendors.key_vault import CLIENT, TENANT, KeyVault
from tests.beds.vendors.vault import Vault
from tests.unit.common.fake_cloud import Journal

OLD, NEW, OTHER = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE", "AKIAIOSFODNN7OTHER00"
OLD_SECRET, NEW_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY"
REPOSITORY, GOOGLE = "/repos/team/app/actions/secrets", "projects/p-123456/secrets/app"
READERS = ["team-app"]  # who can read these places, by their owners' word
USER = SimpleNamespace(arn="arn:aws:iam::111122223333:user/app", account="111122223333")


def text(form: str, key: str, secret: str) -> str:
    """A value that holds a key among other things; the comment of one form names the old id for ever."""
    if form == "json":
        return json.dumps({"key_id": key, "secret": secret, "endpoint": "https://x/%7B", "older": ["k", {"n": 1}]}, indent=2)
    return f"# made for {OLD}\nexport AWS_ACCESS_KEY_ID={key}\nAWS_SECRET_ACCESS_KEY='{secret}'\nMODE=fast\n"


def fresh(monkeypatch: Any) -> list[float]:
    """No login of another test, no token of the machine, and no waiting: the pauses that were asked for."""
    found: list[float] = []
    monkeypatch.setattr(run, "_READ_BACK_TRIES", (0.0, 0.0))
    monkeypatch.setattr(session, "time", SimpleNamespace(sleep=found.append))
    for cached in (vault._logged_in, key_vault._wanted, entra._credential, google_login._credentials):
        cached.cache_clear()
    for name in ("VAULT_TOKEN", "GITHUB_TOKEN", "GITLAB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return found


class Desk:
    """``entries``: dependents as declared. ``runner`` is a run; ``again`` begins another with what the ledger kept."""

    def __init__(self, entries: list[dict[str, Any]], **connection: Any) -> None:
        self.incident: Any = SimpleNamespace(connection=connection)
        self.entries, self.journal = entries, Journal()
        self.places = options.places(entries, USER, "incident")  # type: ignore[arg-type]
        self.again()

    def again(self, check: bool = False, mint: bool = True) -> Desk:
        clouds = Clouds({}, self.incident, self.entries)
        self.runner = Runner(clouds, None if check else self.journal, check=check, history=self.journal.history())
        if mint:
            self.runner.remember("mint", {"AccessKey": {"AccessKeyId": NEW, "SecretAccessKey": NEW_SECRET}})
        return self

    @property
    def reader(self) -> Reader:
        return Reader(self.runner.clouds)

    def change(self, **more: Any) -> targets.Change:
        return targets.Change(USER.arn, OLD, NEW, Secret("mint", ("AccessKey", "SecretAccessKey")), **more)

    def state(self, number: int = 0) -> str:
        place = self.places[number]
        return targets.state(targets.KINDS[place.kind], place, {OLD}, NEW, self.reader)

    def carry_out(self, make: Iterable[Step]) -> list[Step]:
        planned: list[Step] = []

        def job(_reader: Reader) -> Iterator[Step]:
            for step in make:
                planned.append(step)
                yield step

        self.runner.add(USER.arn, USER.account, [Job(Phase.CREDENTIAL, lambda reader: list(job(reader)))])
        self.runner.wait()
        return planned

    def move(self, number: int = 0, **more: Any) -> list[Step]:
        place = self.places[number]
        return self.carry_out(targets.KINDS[place.kind].steps(place, self.change(**more), self.reader))

    def take_back(self, steps: list[Step], number: int = 0) -> None:
        """As the machine does it."""
        kind: Any = targets.KINDS[self.places[number].kind]
        for step in reversed(steps):
            assert step.undo and self.runner.shows(step, self.reader)
            self.runner.remember(back_of(step.id).step, {"Secret": OLD_SECRET})
            after = getattr(kind, "undone", lambda s: s.before)(step)
            self.carry_out(
                [
                    dataclasses.replace(
                        step, id=f"undo:{step.id}", before=step.after, after=after, do=step.undo, undo=step.do, needs=(), undoes=step.id
                    )
                ]
            )

    def statuses(self) -> list[str]:
        return [done.status for done in self.runner.done.values()]

    def said(self) -> str:
        """All that a ledger, a result or a log would hold."""
        return json.dumps(
            [
                self.journal.intents,
                self.journal.outcomes,
                self.runner.failures,
                self.runner.diff(),
                [d.row() for d in self.runner.done.values()],
            ]
        )

    def keeps_secrets(self) -> bool:
        return not any(secret in self.said() for secret in (OLD_SECRET, NEW_SECRET))


class Stores:
    """All five at once, each holding ``key``. ``dependents`` and ``connection`` as one declares them; ``environ``: who one is there."""

    def __init__(self, folder: Path, key: str, secret: str) -> None:
        made = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.issue_cert("localhost").configure_cert(context)
        made.cert_pem.write_to_path(str(folder / "ca.pem"))
        self.vault, self.github, self.gitlab, self.key_vault, self.google = Vault(), GitHub(), GitLab(), KeyVault(context), Google()
        self.all: list[Any] = [self.vault, self.github, self.gitlab, self.key_vault, self.google]
        self.vault_token = f"hvs.{'t' * 20}"
        self.github.token, self.gitlab.token = "gh-" + "g" * 20, "gl-" + "l" * 20
        self.environ = {
            "SSL_CERT_FILE": str(folder / "ca.pem"), "REQUESTS_CA_BUNDLE": str(folder / "ca.pem"), "AZURE_AUTHORITY_HOST": self.key_vault.url,
            "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_CLIENT_SECRET": self.key_vault.password, "VAULT_TOKEN": self.vault_token,
            "GH": self.github.token, "GL": self.gitlab.token, "GOOGLE_APPLICATION_CREDENTIALS": str(self.google.credentials(folder / "sa.json")),
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": self.google.url,
        }  # fmt: skip
        self.connection = {
            "vault": {"prod": {"url": self.vault.url}}, "github": {"own": {"url": self.github.url, "token_env": "GH"}},
            "gitlab": {"own": {"url": self.gitlab.url, "token_env": "GL"}}, "azure": {"endpoint_url": self.key_vault.url},
        }  # fmt: skip
        self.vault.tokens[self.vault_token] = ("", True)
        both = text("json", key, secret)
        self.vault.put("|secret|app", {"id": key, "secret": secret, "url": "x"})
        for name, value in (("AWS_ID", key), ("AWS_SECRET", secret)):
            self.github.put(f"{REPOSITORY}/{name}", value)
        self.gitlab.put("projects/team/app", "AWS", both)
        self.key_vault.put("app", both, contentType="application/json")
        self.google.put(GOOGLE, both, prod=1)
        own: list[dict[str, Any]] = [
            {"kind": "vault", "at": "prod", "name": "app"}, {"kind": "gitlab_ci", "at": "own", "name": "AWS", "project": "team/app"},
            {"kind": "azure_key_vault", "at": "prod-app", "name": "app"}, {"kind": "gcp_secret_manager", "name": GOOGLE}, *halves(repository="team/app"),
        ]  # fmt: skip
        self.dependents = [{**entry, "readable_by": READERS} for entry in own]

    def shown(self) -> list[Any]:
        """What each holds now, in the order of the dependents."""
        return [self.vault.newest("|secret|app"), self.gitlab.kept[0]["value"], self.key_vault.kept["app"][-1]["value"], self.google.newest(GOOGLE),
                held(self.github)]  # fmt: skip

    def __enter__(self) -> Stores:
        for vendor in self.all:
            vendor.__enter__()
        return self

    def __exit__(self, *_exception: object) -> None:
        for vendor in self.all:
            vendor.__exit__()


def halves(**place: Any) -> list[dict[str, Any]]:
    return [
        {"kind": "github_actions", "at": "own", "name": name, "half": half, "readable_by": READERS, **place}
        for name, half in (("AWS_ID", "id"), ("AWS_SECRET", "secret"))
    ]


def held(github: GitHub, owner: str = REPOSITORY) -> tuple[str, str]:
    return github.kept[f"{owner}/AWS_ID"]["value"], github.kept[f"{owner}/AWS_SECRET"]["value"]
