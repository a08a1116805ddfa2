"""A whole rotation over the stores of other vendors, killed at every write, and what GitHub's secrets, which nobody can read, ask of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common.errors import InvalidInput
from ansible_collections.evict.cloud.plugins.module_utils.outside import sealed, session
from tests.beds.vendors.github import GitHub
from tests.unit.aws.rotated import OLD, OLD_SECRET, REGION, Estate, Killed
from tests.unit.aws.vendor_rotation import GOOGLE, REPOSITORY, Desk, Stores, fresh, halves, held, text

ENVIRONMENT, ORGANIZATION = "/repos/team/app/environments/prod/eu/secrets", "/orgs/team/actions/secrets"


@pytest.fixture
def estate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Estate:
    fresh(monkeypatch)
    (tmp_path / "case").mkdir()
    return Estate(tmp_path / "case", monkeypatch)


@pytest.fixture
def github(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    with GitHub() as server:
        monkeypatch.setenv("GH", server.token)
        estate.incident["connection"] = {"github": {"own": {"url": server.url, "token_env": "GH"}}}
        for name, value in (("AWS_ID", OLD), ("AWS_SECRET", OLD_SECRET)):
            server.put(f"{REPOSITORY}/{name}", value)
        estate.dependents += halves(repository="team/app")
        yield server
        assert server.violations == []


def parameter(estate: Estate) -> None:
    estate.account.parameters["/app"] = [(text("env", OLD, OLD_SECRET), estate.account.now().isoformat())]
    estate.dependents.append({"kind": "ssm_parameter", "name": "/app", "region": REGION})


def is_done(estate: Estate, run: Any, vendors: list[Any]) -> None:
    """One active key, the old one gone, no secret in any file, and a second run that writes nothing anywhere."""
    account = estate.account
    assert run.state == "OLD_DELETED" and not run.said, (run.state, run.said)
    assert {k: v["Status"] for k, v in account.keys.items()} == {estate.new: "Active"}
    shown = json.dumps([run.runner.diff(), [d.row() for d in run.runner.done.values()], run.machine.row(), run.warnings]).encode()
    for secret in account.secrets.values():
        assert secret.encode() not in estate.files() + shown
    seen = [len(v.asked) for v in vendors]
    again = estate.run()
    assert not again.changed and not again.said, again.said
    assert {a.method for v, n in zip(vendors, seen, strict=True) for a in v.asked[n:]} <= {"GET"}


# -- all five ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def five(estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    with Stores(tmp_path, OLD, OLD_SECRET) as found:
        for name, value in found.environ.items():
            monkeypatch.setenv(name, value)
        estate.incident["connection"], estate.dependents = found.connection, found.dependents
        yield found
        assert [v.violations for v in found.all] == [[]] * 5


def show(five: Stores, key: str, secret: str) -> None:
    both = text("json", key, secret)
    assert five.shown() == [{"id": key, "secret": secret, "url": "x"}, both, both, both, (key, secret)]


def test_all_five_in_one_rotation_and_a_second_run_changes_nothing(estate: Estate, five: Stores) -> None:
    planned = estate.run(check=True)
    assert planned.changed and not planned.said and set(estate.account.keys) == {OLD}, planned.said
    show(five, OLD, OLD_SECRET)
    run = estate.run()
    is_done(estate, run, five.all)
    show(five, estate.new, estate.account.secrets[estate.new])
    assert five.google.kept[GOOGLE]["aliases"] == {"prod": "2"}
    proofs = {row["place"].partition(" in ")[0]: row.get("proof", "read-back") for row in run.machine.row()["places"]}
    assert {name: said for name, said in proofs.items() if said != "read-back"} == {
        "GitHub secret AWS_SECRET": "written (updated_at only)", "GitHub secret AWS_ID": "written (updated_at only)"}  # fmt: skip


def test_killed_before_and_after_every_write_it_ends_the_same(estate: Estate, five: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each write to a store kills its run, before it is carried out or after it was; and so does what follows, until nothing is left to be killed."""
    plain, done = session._send, set()

    def send(server: Any, method: str, path: str, *more: Any) -> Any:
        key = (server.url, method, path)
        if method == "GET" or key in done:
            return plain(server, method, path, *more)
        done.add(key)
        if len(done) % 2:
            plain(server, method, path, *more)
        raise Killed

    monkeypatch.setattr(session, "_send", send)
    killed = 0
    while (run := estate.run()).killed:
        killed += 1
    assert killed == len(done) == 7, (killed, done)  # one each, two of GitHub, and Google's alias
    is_done(estate, run, five.all)
    show(five, estate.new, estate.account.secrets[estate.new])
    assert len(five.vault.kept["|secret|app"]) == 2 == len(five.google.kept[GOOGLE]["versions"])


# -- GitHub ------------------------------------------------------------------------------------------------------------------------


def test_github_both_halves_and_a_later_run_that_knows_no_secret(estate: Estate, github: GitHub) -> None:
    """The run that made the key is over when the old one is switched off: nobody can read the new secret any more, and nobody has to."""
    waiting = estate.run(quiet=3600.0)
    assert (
        waiting.state == "VERIFIED_NEW"
        and "is to be quiet" in waiting.said
        and held(github) == (estate.new, estate.account.secrets[estate.new])
    )
    is_done(estate, estate.run(), [github])


def test_github_killed_between_the_halves(estate: Estate, github: GitHub) -> None:
    """The secret is written, its run is dead, and only the id is left to do: that needs no secret."""
    github.faults = [("PUT", "AWS_ID", (503, {}, {}))] * 9
    stopped = estate.run()
    assert "PutSecret" in stopped.said and held(github) == (OLD, estate.account.secrets[estate.new])
    github.faults = []
    used = estate.run()
    assert held(github) == (estate.new, estate.account.secrets[estate.new]) and "its secret is nowhere to be read" in json.dumps(used.said)
    estate.account.used[estate.new] = estate.account.now().isoformat()  # a job has run, with success
    is_done(estate, estate.run(), [github])


def test_github_killed_before_the_outcome_of_the_first_half_makes_another_key(estate: Estate, github: GitHub) -> None:
    """Nobody knows the secret that was written, so nothing that needs it would ever be moved: another key, with a word about who may fail meanwhile."""
    estate.dependents += halves(organization="team")
    for name, value in (("AWS_ID", OLD), ("AWS_SECRET", OLD_SECRET)):
        github.put(f"{ORGANIZATION}/{name}", value, visibility="selected", repositories=list(range(1, 251)))
    github.faults = [("PUT", "orgs/team/actions/secrets/AWS_SECRET", (503, {}, {}))] * 9
    estate.run()
    first = estate.new
    github.faults = []
    run = estate.run()
    assert (
        any("another key is made" in warning and "AWS_SECRET" in warning for warning in run.warnings) and first not in estate.account.keys
    )
    assert held(github) == held(github, ORGANIZATION) == (estate.new, estate.account.secrets[estate.new])
    assert github.kept[f"{ORGANIZATION}/AWS_ID"]["repositories"] == list(range(1, 251))  # three pages of who may use it, kept
    is_done(estate, run, [github])


def test_github_written_by_somebody_else_since_is_not_called_moved(estate: Estate, github: GitHub) -> None:
    estate.run(quiet=3600.0)
    github.put(f"{REPOSITORY}/AWS_SECRET", "theirs")
    run = estate.run()
    assert "somebody else has written it since" in run.said and estate.account.keys[OLD]["Status"] == "Active"
    assert github.kept[f"{REPOSITORY}/AWS_SECRET"]["value"] == "theirs"


def test_github_goes_back_by_a_secret_that_another_dependent_keeps(estate: Estate, github: GitHub) -> None:
    parameter(estate)
    for dependent in estate.dependents[:1]:
        dependent["check"] = {"command": ["false"]}
    run = estate.run()
    assert "so it was given the old key back" in run.said and held(github) == (OLD, OLD_SECRET)
    assert estate.account.keys[OLD]["Status"] == "Active" and OLD_SECRET.encode() not in estate.files()


def test_github_alone_says_that_it_cannot_go_back(estate: Estate, github: GitHub) -> None:
    estate.dependents[0]["check"] = {"command": ["false"]}
    run = estate.run()
    assert "cannot be given the old key back: GitHub keeps no older value" in run.said and estate.account.keys[OLD]["Status"] == "Active"
    assert held(github) == (estate.new, estate.account.secrets[estate.new])  # both halves stay: one without the other works for nobody


def test_gitlab_alone_goes_back_by_what_its_run_still_knows(estate: Estate, five: Stores) -> None:
    """In memory only: what it was is in no file."""
    (entry,) = [d for d in five.dependents if d["kind"] == "gitlab_ci"]
    estate.dependents = [{**entry, "check": {"command": ["false"]}}]
    run = estate.run()
    assert "so it was given the old key back" in run.said and five.gitlab.kept[0]["value"] == text("json", OLD, OLD_SECRET)
    assert estate.account.keys[OLD]["Status"] == "Active" and OLD_SECRET.encode() not in estate.files()


def test_github_of_an_environment_and_a_lost_answer(estate: Estate, github: GitHub) -> None:
    estate.dependents[:] = halves(repository="team/app", environment="prod/eu")
    for name, value in (("AWS_ID", OLD), ("AWS_SECRET", OLD_SECRET)):
        github.put(f"{ENVIRONMENT}/{name}", value)
    github.faults = [("PUT", "AWS_SECRET", "lost"), ("PUT", "AWS_ID", (429, {"Retry-After": "1"}, {}))]
    is_done(estate, estate.run(), [github])
    assert held(github, ENVIRONMENT) == (estate.new, estate.account.secrets[estate.new]) and held(github) == (OLD, OLD_SECRET)


@pytest.mark.parametrize(
    ("fault", "said"),
    [((401, {}, {"message": "Bad credentials"}), "Unauthorized"), ((403, {"X-RateLimit-Remaining": "0"}, {"message": "API rate limit exceeded"}), "rate limit"),
     ((404, {}, {}), "NotFound")],
)  # fmt: skip
def test_github_that_cannot_be_reached_stops_before_a_key_is_made(estate: Estate, github: GitHub, fault: Any, said: str) -> None:
    github.faults = [("GET", "AWS_", fault)] * 20
    run = estate.run()
    assert said in run.said and set(estate.account.keys) == {OLD} and github.on("PUT", ".") == []


def test_github_is_never_bridged(estate: Estate, github: GitHub) -> None:
    for dependent in estate.dependents:
        dependent["networks"] = ["198.51.100.0/24"]
    run = estate.run(mode="bridge")
    assert "calls from a network that others use too" in run.said and set(estate.account.keys) == {OLD} and not estate.account.policies


def test_without_pynacl_it_is_named_before_anything_is_written(estate: Estate, github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "HAS_NACL", False)
    run = estate.run()
    assert "PyNaCl is not installed" in run.said and set(estate.account.keys) == {OLD} and github.on("PUT", ".") == []


def test_what_can_be_read_is_written_before_what_cannot_and_secrets_before_ids() -> None:
    parameters = [{"kind": "ssm_parameter", "name": f"/{half}", "region": REGION, "half": half} for half in ("id", "secret")]
    places = Desk([*halves(repository="team/app"), *parameters]).places
    assert [(p.half, p.kind) for p in places] == [
        ("secret", "ssm_parameter"),
        ("secret", "github_actions"),
        ("id", "ssm_parameter"),
        ("id", "github_actions"),
    ]


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"kind": "github_actions", "name": "X", "repository": "team/app"}, "half"),
        ({"kind": "github_actions", "name": "GITHUB_X", "repository": "team/app", "half": "id"}, "name"),
        ({"kind": "github_actions", "name": "X", "repository": "team/../x", "half": "id"}, "repository"),
        ({"kind": "github_actions", "name": "X", "repository": "team/app", "organization": "team", "half": "id"}, ""),
        ({"kind": "github_actions", "name": "X", "organization": "team", "environment": "e", "half": "id"}, "environment"),
        ({"kind": "gitlab_ci", "name": "X"}, ""),
        ({"kind": "gitlab_ci", "name": "X", "instance": True, "environment_scope": "e"}, "environment_scope"),
        ({"kind": "gitlab_ci", "name": "X/../Y", "project": "1"}, "name"),
        ({"kind": "vault", "name": "app", "mount": "kv"}, "at"),
        ({"kind": "vault", "name": "../sys/seal", "at": "prod"}, "name"),
        ({"kind": "vault", "name": "app", "at": "prod", "half": "id"}, "field"),
        ([{"kind": "vault", "name": "app", "at": "prod", "field": "a"}, {"kind": "vault", "name": "app", "at": "prod", "field": "b"}], ""),
        ({"kind": "azure_key_vault", "name": "app", "at": "evil.example.com/"}, "at"),
        ({"kind": "azure_key_vault", "name": "a/b", "at": "prod"}, "name"),
        ({"kind": "gcp_secret_manager", "name": "app"}, "name"),
        ({"kind": "gcp_secret_manager", "name": "projects/p-123456/locations/x.evil.com/secrets/a"}, "name"),
        ({"kind": "vault", "name": "app", "at": "prod", "token": "x"}, "token"),
    ],
)  # fmt: skip
def test_what_is_declared_is_checked_by_its_path(entry: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Desk(entry if isinstance(entry, list) else [entry])
    assert f"incident.dependents[{len(entry) - 1 if isinstance(entry, list) else 0}]{'.' + path if path else ''}" in {
        where for where, _said in caught.value.problems
    }, caught.value.problems


@pytest.mark.parametrize(
    ("entry", "path"),
    [({}, ".url"), ({"url": "http://vault.example.com"}, ".url"), ({"url": "https://v", "token_env": "A", "role_id": "r", "secret_id_env": "B"}, ""),
     ({"url": "https://v", "role_id": "r"}, ".role_id"), ({"url": "https://v", "auth_mount": "x"}, ".auth_mount"), ({"url": "https://v", "token": "x"}, ".token")],
)  # fmt: skip
def test_a_connection_is_checked_by_its_path(estate: Estate, entry: dict[str, Any], path: str) -> None:
    estate.incident["connection"] = {"vault": {"prod": entry}}
    with pytest.raises(InvalidInput) as caught:
        estate.run()
    assert f"incident.connection.vault.prod{path}" in {where for where, _said in caught.value.problems}, caught.value.problems
