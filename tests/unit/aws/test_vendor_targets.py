"""Rotation targets in the stores of other vendors, against stand-ins that check each request: what is written, kept, proven, taken back, and told."""

from __future__ import annotations

import dataclasses
import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

from ansible_collections.evict.cloud.plugins.module_utils.common import plan
from ansible_collections.evict.cloud.plugins.module_utils.outside import entra, github, session
from ansible_collections.evict.cloud.plugins.module_utils.outside import gitlab as gitlab_client
from tests.beds.vendors import Asked, Vendor
from tests.beds.vendors.gitlab import GitLab
from tests.beds.vendors.google import Google
from tests.beds.vendors.key_vault import CLIENT, TENANT, KeyVault
from tests.beds.vendors.vault import Vault
from tests.unit.aws.vendor_rotation import GOOGLE, NEW, NEW_SECRET, OLD, OLD_SECRET, OTHER, Desk, fresh, text

VAULT = "team|secret|app/aws"
WRITES = {"vault": ("POST", "/data/"), "gitlab": ("PUT", "/variables/"), "azure": ("PUT", "/secrets/app"), "gcp": ("POST", ":addVersion")}


@dataclasses.dataclass
class Store:
    """One of the four whose values can be read: how a value is put there and seen, and the desk that rotates in it."""

    name: str
    vendor: Any
    desk: Callable[..., Desk]
    put: Callable[[str], Any]
    newest: Callable[[], str]
    versions: Callable[[], int]
    facts: Callable[[], Any]  # what must not change

    def writes(self) -> list[Asked]:
        return list(self.vendor.on(*WRITES[self.name]))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    return fresh(monkeypatch)


@pytest.fixture
def vaulted(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with Vault() as server:
        server.tokens["hvs.token"] = ("team", True)
        monkeypatch.setenv("VAULT_TOKEN", "hvs.token")
        connection = {"prod": {"url": server.url, "namespace": "team"}}
        entry = {"kind": "vault", "at": "prod", "name": "app/aws", "field": "env"}
        yield Store("vault", server, lambda **more: Desk([{**entry, **more}], vault=connection), lambda value: server.put(VAULT, {"env": value, "n": 1}),
                    lambda: str(server.newest(VAULT)["env"]), lambda: len(server.kept[VAULT]), lambda: server.newest(VAULT)["n"])  # fmt: skip


@pytest.fixture
def gitlab(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with GitLab() as server:
        monkeypatch.setenv("GL", server.token)
        connection = {"own": {"url": server.url, "token_env": "GL"}}
        entry = {"kind": "gitlab_ci", "at": "own", "name": "AWS", "project": "team/app", "environment_scope": "production/*"}
        server.put("projects/team/app", "AWS", "somebody else's", scope="*")

        def one() -> dict[str, Any]:
            return server.kept[-1]

        def put(value: str) -> None:
            del server.kept[1:]
            server.put("projects/team/app", "AWS", value, scope="production/*", variable_type="file", raw=True, protected=True)

        yield Store("gitlab", server, lambda **more: Desk([{**entry, **more}], gitlab=connection), put, lambda: str(one()["value"]),
                    lambda: len(server.kept), lambda: [{k: v for k, v in one().items() if k != "value"}, server.kept[0]])  # fmt: skip


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    made = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert("localhost").configure_cert(context)
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return context, str(path)


@pytest.fixture
def azure(pauses: list[float], monkeypatch: pytest.MonkeyPatch, authority: tuple[ssl.SSLContext, str]) -> Iterator[Store]:
    context, ca = authority
    with KeyVault(context) as server:
        given = {"REQUESTS_CA_BUNDLE": ca, "SSL_CERT_FILE": ca, "AZURE_AUTHORITY_HOST": server.url, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT,
                 "AZURE_CLIENT_SECRET": server.password}  # fmt: skip
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        kept = {"contentType": "text/plain", "tags": {"owner": "app"}, "attributes": {"nbf": 1, "exp": 4_000_000_000}}
        entry = {"kind": "azure_key_vault", "at": "prod-app", "name": "app"}
        shown = ("contentType", "tags")
        yield Store("azure", server, lambda **more: Desk([{**entry, **more}], azure={"endpoint_url": server.url}), lambda value: server.put("app", value, **kept),
                    lambda: str(server.kept["app"][-1]["value"]), lambda: len(server.kept["app"]),
                    lambda: [server.kept["app"][-1].get(k) for k in shown] + [server.kept["app"][-1]["attributes"][k] for k in ("enabled", "nbf", "exp")])  # fmt: skip


@pytest.fixture
def gcp(pauses: list[float], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Store]:
    with Google() as server:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(server.credentials(tmp_path / "sa.json")))
        monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", f"{server.url}/")
        entry = {"kind": "gcp_secret_manager", "name": GOOGLE}
        yield Store("gcp", server, lambda **more: Desk([{**entry, **more}], gcp={}), lambda value: server.put(GOOGLE, value),
                    lambda: server.newest(GOOGLE), lambda: len(server.kept[GOOGLE]["versions"]), lambda: [s for _d, s in server.kept[GOOGLE]["versions"]][:1])  # fmt: skip


@pytest.fixture(params=["vaulted", "gitlab", "azure", "gcp"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    found: Store = request.getfixturevalue(request.param)
    yield found
    assert found.vendor.violations == []


def holds(desk: Desk, *said: str) -> None:
    """The one failure names the place and says this, and no secret."""
    assert desk.keeps_secrets()
    (failure,) = desk.runner.failures
    assert all(part in failure["message"] for part in said), failure


# -- all of them -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json", "env"])
def test_only_the_two_fields_change_and_go_back(store: Store, form: str) -> None:
    before = text(form, OLD, OLD_SECRET)
    store.put(before)
    facts, first = store.facts(), store.versions()
    desk = store.desk()
    assert desk.state() == "old" and store.writes() == []
    steps = desk.move()
    desk.runner.read_back(steps)
    assert desk.runner.failures == [] and store.newest() == text(form, NEW, NEW_SECRET) and store.facts() == facts
    assert desk.state() == "new" and len(store.writes()) == 1
    assert desk.again(mint=False).state() == "new"
    assert all(step.undo for step in steps)
    desk.take_back(steps)
    assert store.newest() == before and store.facts() == facts and desk.state() == "old"
    desk.runner.read_back([d.step for d in desk.runner.done.values()])
    assert desk.runner.failures == [] and desk.keeps_secrets()
    assert store.versions() - first == (0 if store.name == "gitlab" else 2)


def test_each_half_alone(store: Store) -> None:
    for half, before, after in (("secret", OLD_SECRET, NEW_SECRET), ("id", OLD + "\n", NEW + "\n")):
        store.put(before)
        desk = store.desk(half=half)
        assert desk.state() == ("half" if half == "secret" else "old")
        steps = desk.move()
        desk.runner.read_back(steps)
        assert (desk.runner.failures, store.newest()) == ([], after)
        desk.take_back(steps)
        assert store.newest() == before and desk.runner.failures == [] and desk.keeps_secrets()


def test_check_mode_writes_nothing_and_tells_what_it_would(store: Store) -> None:
    store.put(text("json", OLD, OLD_SECRET))
    desk = store.desk().again(check=True)
    desk.move()
    assert set(desk.statuses()) == {"would"} and store.writes() == [] and desk.keeps_secrets()


@pytest.mark.parametrize(("value", "said"), [("nothing of ours", "other"), (OLD, "half: id"), (f"ID={OLD}\n", "no secret beside it"),
                                             (json.dumps({"id": OLD, "secret": "a" * 40, "passwd": "b" * 40}), "more than one value")])  # fmt: skip
def test_what_cannot_be_edited_is_said_before_anything_is_written(store: Store, value: str, said: str) -> None:
    store.put(value)
    assert said in store.desk().state() and store.writes() == []


@pytest.mark.parametrize("what", ["lost", (500, {}, None), (502, {}, {"error": NEW_SECRET})])
def test_an_answer_that_is_lost_makes_no_second_version(store: Store, what: Any) -> None:
    """Written, but the answer does not come; or an error of the server's side, after which nobody knows."""
    store.put(text("env", OLD, OLD_SECRET))
    first = store.versions()
    desk = store.desk()
    method, path = WRITES[store.name]
    store.vendor.faults = [(method, path, what)]
    desk.move()
    if what == "lost" or store.name == "gitlab":  # a write that can be repeated is
        assert desk.statuses() == ["done"] and store.newest() == text("env", NEW, NEW_SECRET)
        assert store.versions() - first == (0 if store.name == "gitlab" else 1)
    else:
        holds(desk, "the rest may hold a secret")
        assert store.newest() == text("env", OLD, OLD_SECRET)
        desk.again().move()
        assert desk.statuses() == ["done"] and store.newest() == text("env", NEW, NEW_SECRET)
    assert desk.keeps_secrets()


@pytest.mark.parametrize("header", ["Retry-After", "retry-after"])
def test_a_server_that_is_busy_is_asked_again(store: Store, pauses: list[float], header: str) -> None:
    store.put(text("env", OLD, OLD_SECRET))
    method, path = WRITES[store.name]
    store.vendor.faults = [(method, path, (429, {header: "7"}, {})), ("GET", "app|AWS", (503, {}, {}))]
    desk = store.desk()
    desk.move()
    assert desk.statuses() == ["done"] and 7.0 in pauses and store.vendor.faults == [] and store.newest() == text("env", NEW, NEW_SECRET)


def test_who_may_read_and_not_write_changes_nothing(store: Store) -> None:
    store.put(text("env", OLD, OLD_SECRET))
    if store.name == "vault":
        store.vendor.tokens["hvs.token"] = ("team", False)
    else:
        store.vendor.may_write = False
    desk = store.desk()
    desk.move()
    holds(desk, "Forbidden")
    assert store.newest() == text("env", OLD, OLD_SECRET) and len(store.writes()) == 1


@pytest.mark.parametrize(("status", "said"), [(401, "Unauthorized"), (403, "Forbidden"), (404, "NotFound"), (302, "Found")])
def test_what_cannot_be_read_is_unknown(store: Store, status: int, said: str) -> None:
    store.put(text("env", OLD, OLD_SECRET))
    store.vendor.faults = [("GET", "app|AWS", (status, {"Location": "http://127.0.0.1:1/"}, {}))] * 2
    state = store.desk().state()
    assert state.startswith("unknown: ") and said in state and store.writes() == []


@pytest.mark.parametrize("body", [{}, ["page of a proxy"]])
def test_what_cannot_be_understood_is_unknown(store: Store, body: Any) -> None:
    store.put(text("env", OLD, OLD_SECRET))
    store.vendor.faults = [("GET", "app|AWS", (200, {}, body))] * 2
    state = store.desk().state()
    assert state.startswith("unknown") and "could not be understood" in state and store.writes() == []


def test_a_redirect_gets_no_token(store: Store) -> None:
    with Vendor() as elsewhere:
        store.put(text("env", OLD, OLD_SECRET))
        store.vendor.faults = [("GET", "app|AWS", (307, {"Location": elsewhere.url}, {}))]
        assert store.desk().state().startswith("unknown: ") and elsewhere.asked == []


def test_a_place_that_is_not_there_is_unknown(store: Store) -> None:
    state = store.desk().state()
    assert state.startswith("unknown: ") and "NotFound" in state


def test_a_killed_run_is_settled_by_what_is_there(store: Store) -> None:
    """Written and killed before the outcome: the next run sees that it was carried out, and can take it back."""
    store.put(text("json", OLD, OLD_SECRET))
    desk = store.desk()
    steps = desk.move()
    desk.journal.outcomes.clear()
    found = desk.again(mint=False).runner.recover(desk.journal.open())
    assert [line.rpartition(": ")[2] for line in found] == ["was carried out"] * len(steps)
    assert desk.state() == "new"
    desk.take_back(steps)
    assert store.newest() == text("json", OLD, OLD_SECRET)


def test_somebody_elses_version_in_between_is_seen(store: Store) -> None:
    """Vault refuses a write over it and is read again; Key Vault and Google do not, so that it is told. GitLab cannot tell."""
    store.put(text("env", OLD, OLD_SECRET))
    method, path = WRITES[store.name]
    theirs = text("env", OLD, OLD_SECRET) + "MORE=1\n"

    def meanwhile(asked: Asked) -> None:
        if asked.method == method and path in asked.path:
            store.vendor.before = lambda _asked: None
            if store.name != "gitlab":
                store.put(theirs)

    store.vendor.before = meanwhile
    desk = store.desk()
    desk.runner.read_back(desk.move())
    if store.name == "vault":
        assert store.newest() == text("env", NEW, NEW_SECRET) + "MORE=1\n"
    if store.name != "gitlab":
        holds(desk, "a read does not show it")
    assert desk.state() == "new" and desk.keeps_secrets()


def test_the_stand_ins_refuse_what_the_vendors_refuse(vaulted: Store, gitlab: Store, azure: Store, gcp: Store) -> None:
    """So that a wrong request cannot pass: each of these is one that a slip in the collection would make."""
    vaulted.put("x"), gitlab.put("x"), azure.put("x"), gcp.put("x")
    gitlab.vendor.put("projects/team/app", "AWS", "y", scope="other")
    azure.vendor.tokens["t"] = "https://vault.azure.net/.default"
    gcp.vendor.tokens.add("t")
    body = {"Content-Type": "application/json"}
    mine = {**body, "X-Vault-Request": "true", "X-Vault-Token": "hvs.token", "X-Vault-Namespace": "team"}
    bearer, private = {**body, "Authorization": "Bearer t"}, {**body, "PRIVATE-TOKEN": "gl-token"}
    variable = "/api/v4/projects/team%2Fapp/variables/AWS"
    for vendor, method, path, headers, sent, status in (
        (vaulted.vendor, "POST", "/v1/secret/data/app/aws", mine, {"data": {"a": "b"}}, 400),  # without cas
        (vaulted.vendor, "POST", "/v1/secret/data/app/aws", mine, {"data": {"a": "b"}, "options": {"cas": 7}}, 400),
        (vaulted.vendor, "GET", "/v1/secret/data/app/aws", {**mine, "X-Vault-Namespace": "other"}, None, 403),
        (gitlab.vendor, "GET", variable, private, None, 409),  # without a scope
        (gitlab.vendor, "PUT", f"{variable}?filter[environment_scope]=other", private, {"value": "x", "hidden": True}, 400),
        (azure.vendor, "PUT", "/secrets/app?api-version=7.4", bearer, {"value": "x", "attributes": {"created": 1}}, 400),
        (azure.vendor, "GET", "/secrets/app", bearer, None, 400),
        (azure.vendor, "GET", "/secrets/app?api-version=7.4", {}, None, 401),
        (gcp.vendor, "POST", f"/v1/{GOOGLE}:addVersion", bearer, {"payload": {"data": "eA==", "dataCrc32c": "1"}}, 400),
        (
            gcp.vendor,
            "PATCH",
            f"/v1/{GOOGLE}?updateMask=versionAliases",
            bearer,
            {"name": GOOGLE, "versionAliases": {"a": "1"}, "etag": '"old"'},
            400,
        ),
    ):
        found = vendor.answer(Asked(method, path, headers, json.dumps(sent).encode() if sent else b""))
        assert found and found[0] == status, (path, found)
    assert [s.newest() for s in (vaulted, azure, gcp)] == ["x"] * 3 and gcp.versions() == 1 and gitlab.newest() == "y"


# -- what is each one's own --------------------------------------------------------------------------------------------------------


def test_vault_all_fields_of_a_secret_at_once_and_the_old_version_stays(vaulted: Store) -> None:
    vaulted.vendor.put(VAULT, {"key": OLD, "secret": OLD_SECRET, "n": {"deep": [1]}})
    desk = Desk([{"kind": "vault", "at": "prod", "name": "app/aws"}], vault={"prod": {"url": vaulted.vendor.url, "namespace": "team"}})
    (step,) = desk.move()
    assert vaulted.vendor.newest(VAULT) == {"key": NEW, "secret": NEW_SECRET, "n": {"deep": [1]}} and (step.before, step.after) == (1, 2)
    kind: Any = vaulted_kind()
    assert kind.kept(desk.places[0], OLD, desk.reader) == OLD_SECRET and kind.kept(desk.places[0], OTHER, desk.reader) == ""
    vaulted.vendor.kept[VAULT][0] = None  # somebody has deleted the version of before
    desk.again()
    assert kind.kept(desk.places[0], OLD, desk.reader) == "" and vaulted.vendor.violations == []
    assert {asked.method for asked in vaulted.vendor.asked if "/metadata/" in asked.path or "/destroy/" in asked.path} == set()


def vaulted_kind() -> Any:
    from ansible_collections.evict.cloud.plugins.module_utils.aws import targets

    return targets.KINDS["vault"]


def test_vault_a_deleted_secret_is_unknown(vaulted: Store) -> None:
    vaulted.put("x")
    vaulted.vendor.kept[VAULT].append(None)
    assert "version 2 is deleted" in vaulted.desk().state()


@pytest.mark.parametrize("way", ["approle", "kubernetes"])
def test_vault_logs_in_once_and_again_when_its_token_has_run_out(
    vaulted: Store, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = vaulted.vendor
    monkeypatch.delenv("VAULT_TOKEN")
    (tmp_path / "proof").write_text("pr00f-of-the-role\n")
    server.roles["r1"] = server.service_accounts["app"] = "pr00f-of-the-role"
    login = (
        {"role_id": "r1", "secret_id_file": str(tmp_path / "proof")}
        if way == "approle"
        else {"role": "app", "jwt_file": str(tmp_path / "proof")}
    )
    vaulted.put(text("env", OLD, OLD_SECRET))
    desk = Desk(
        [{"kind": "vault", "at": "prod", "name": "app/aws", "field": "env"}],
        vault={"prod": {"url": server.url, "namespace": "team", **login}},
    )
    desk.move()
    assert desk.state() == "new" and server.logins == 1
    server.tokens.clear()
    assert desk.state() == "new" and server.logins == 2
    server.roles["r1"] = server.service_accounts["app"] = "another"
    server.tokens.clear()
    assert "Login" in desk.state() and "pr00f" not in desk.state() + desk.said() and server.violations == []


def test_vault_without_a_token_says_where_it_should_be(vaulted: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VAULT_TOKEN")
    assert "the environment variable VAULT_TOKEN is empty" in vaulted.desk().state() and vaulted.vendor.asked == []


def test_tokens_come_from_a_file_and_from_the_vendors_own_variables(
    vaulted: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read at each request; an empty one, one of several lines, and a file that is not there are said, and never shown."""
    monkeypatch.delenv("VAULT_TOKEN")
    vaulted.put(text("env", OLD, OLD_SECRET))
    file = tmp_path / "token"
    desk = Desk([{"kind": "vault", "at": "prod", "name": "app/aws", "field": "env"}],
                vault={"prod": {"url": vaulted.vendor.url, "namespace": "team", "token_file": str(file)}})  # fmt: skip
    assert "cannot be read" in desk.state()
    file.write_text("hvs.token\nhvs.another\n")
    assert "more than one line" in desk.state() and "hvs.another" not in desk.state()
    file.write_text("hvs.token\n")
    assert desk.state() == "old"
    for kind, default, url in ((github, "github.com", "https://api.github.com"), (gitlab_client, "gitlab.com", "https://gitlab.com")):
        assert kind.connections(SimpleNamespace(connection={}), []) == {default: {}}
        asked: list[Any] = []
        monkeypatch.setattr(
            session, "request", lambda to, *_a, asked=asked, **_k: asked.append(to) or session.Answer(200, {}, b'{"value": "x"}')
        )
        monkeypatch.setenv(f"{kind.CLOUD.upper()}_TOKEN", "t0ken-of-the-environment")
        operation = "GetSecret" if kind is github else "GetVariable"
        kind.carry_out({}, plan.Call(plan.Target(kind.CLOUD, default), kind.CLOUD, operation, {}), {"name": "X", "repository": "a/b"})
        assert asked[0].url == url and "t0ken-of-the-environment" in "".join(asked[0].headers.values())


def test_gitlab_hidden_masked_and_unscoped(gitlab: Store) -> None:
    gitlab.put(text("env", OLD, OLD_SECRET))
    gitlab.vendor.kept[-1]["hidden"] = True
    assert "is hidden" in gitlab.desk().state()
    gitlab.vendor.kept[-1]["hidden"] = False
    assert gitlab.desk(environment_scope="*").state() == "other"  # the other one of that name
    gitlab.vendor.kept[-1]["masked"] = True  # GitLab refuses to mask several lines, and quotes them
    desk = gitlab.desk()
    desk.move()
    holds(desk, "BadRequest")
    assert gitlab.vendor.violations == []


@pytest.mark.parametrize(
    ("place", "owner"), [({"group": "team"}, "groups/team"), ({"instance": True}, "admin"), ({"project": "42"}, "projects/42")]
)
def test_gitlab_of_a_group_or_the_instance(gitlab: Store, place: dict[str, Any], owner: str) -> None:
    gitlab.vendor.put(owner, "KEYS", text("json", OLD, OLD_SECRET))
    desk = Desk(
        [{"kind": "gitlab_ci", "at": "own", "name": "KEYS", **place}], gitlab={"own": {"url": gitlab.vendor.url, "token_env": "GL"}}
    )
    desk.move()
    assert desk.state() == "new" and gitlab.newest() == text("json", NEW, NEW_SECRET) and gitlab.vendor.violations == []


def test_gitlab_is_told_what_it_is_to_keep(gitlab: Store) -> None:
    """An update leaves what is not sent, by GitLab's source; what is sent as it was does not depend on that. One that comes back less protected is an error."""
    gitlab.put(text("env", OLD, OLD_SECRET))
    desk = gitlab.desk()
    desk.move()
    sent = gitlab.writes()[-1].body
    assert {k: v for k, v in sent.items() if k != "value"} == {"variable_type": "file", "protected": True, "masked": False, "raw": True}
    gitlab.put(text("env", OLD, OLD_SECRET))
    gitlab.vendor.faults = [("PUT", "AWS", (200, {}, {"key": "AWS", "value": "x", "protected": False}))]
    desk.again().move()
    holds(desk, "Changed")


def test_gitlab_without_an_old_secret_to_go_back_to_says_so(gitlab: Store) -> None:
    gitlab.put(text("env", OLD, OLD_SECRET))
    (step,) = gitlab.desk().move(kept=False)
    assert step.undo and "keeps no older value" in step.irreversible  # only the run that wrote it can take it back


def test_key_vault_gives_its_token_to_no_other_service(azure: Store) -> None:
    azure.put("x")
    azure.vendor.resource = "https://management.azure.com"
    state = azure.desk().state()
    assert "asks for a token of management.azure.com" in state and azure.vendor.tokens == {} and azure.vendor.violations == []


def test_key_vault_that_is_busy_when_it_is_asked_whose_token_it_wants_is_asked_again(azure: Store) -> None:
    azure.put(text("env", OLD, OLD_SECRET))
    azure.vendor.faults = [("GET", "/secrets$", (503, {}, {}))]
    assert azure.desk().state() == "old" and azure.vendor.faults == []


def test_key_vault_pages_managed_disabled_and_a_wrong_password(azure: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        azure.put(text("env", OLD, OLD_SECRET) if number == 6 else f"older {number}")
    desk = azure.desk()
    (step,) = desk.move()
    assert (step.before, step.after) == (7, 8)
    azure.vendor.kept["app"][-1]["managed"] = True
    assert "belongs to a certificate" in desk.state()
    azure.vendor.kept["app"][-1]["attributes"]["enabled"] = False
    assert "SecretDisabled" in desk.state()
    entra._credential.cache_clear()
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "wrong~and~never~shown")
    state = desk.state()
    assert "no token of Microsoft Entra" in state and "never~shown" not in state and azure.vendor.violations == []


def test_google_aliases_go_on_to_the_new_version_and_back(gcp: Store) -> None:
    gcp.vendor.put(GOOGLE, text("env", OLD, OLD_SECRET), prod=1)
    desk = gcp.desk()
    steps = desk.move()
    assert gcp.vendor.kept[GOOGLE]["aliases"] == {"prod": "2"} and desk.state() == "new" and len(steps) == 2
    desk.take_back(steps)
    assert gcp.vendor.kept[GOOGLE]["aliases"] == {"prod": "1"} and desk.state() == "old" and gcp.vendor.violations == []


def test_google_an_alias_that_was_left_behind_is_all_that_is_left_to_do(gcp: Store) -> None:
    gcp.vendor.put(GOOGLE, text("env", OLD, OLD_SECRET), prod=1)
    gcp.vendor.put(GOOGLE, text("env", NEW, NEW_SECRET))
    desk = gcp.desk()
    assert desk.state() == "old"
    (step,) = desk.move()
    assert "alias prod" in step.resource and desk.state() == "new" and gcp.versions() == 2


def test_google_an_alias_that_would_deploy_something_else_is_refused(gcp: Store) -> None:
    gcp.vendor.put(GOOGLE, text("env", OLD, OLD_SECRET), prod=1)
    gcp.vendor.put(GOOGLE, text("env", OLD, OLD_SECRET) + "MORE=1\n")
    assert "differs in more than the key" in gcp.desk().state() and gcp.writes() == []


def test_google_a_disabled_or_damaged_version_is_unknown(gcp: Store) -> None:
    gcp.put(text("env", OLD, OLD_SECRET))
    gcp.vendor.corrupt = True
    assert "checksum does not fit" in gcp.desk().state()
    gcp.vendor.corrupt = False
    gcp.vendor.kept[GOOGLE]["versions"][0] = (b"x", "DISABLED")
    assert "FAILED_PRECONDITION" in gcp.desk().state()


def test_the_ledger_of_all_of_them_reads_back(store: Store) -> None:
    """What recovery needs is data."""
    store.put(text("env", OLD, OLD_SECRET))
    desk = store.desk()
    steps = desk.move()
    assert [plan.decode(json.loads(json.dumps(plan.encode(step)))) for step in steps] == steps
