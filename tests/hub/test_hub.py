"""Who gets in where, asked of a real hub over HTTP."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest
import requests

from ambergate_extension.store import Store

pytestmark = pytest.mark.hub


def test_a_researcher_sees_their_projects_and_no_others(hub):
    page = hub.person("bilal").get("hub/home").text
    assert "Title of cardio-outcomes" in page
    assert "Title of cancer-pathways" not in page


def test_a_wrong_password_does_not_log_in(hub):
    stranger = hub.stranger("amara")
    assert stranger.log_in(hub.passwords["bilal"]).status_code == 403
    assert "Sign in" in stranger.get("hub/home").text


def test_an_unknown_account_does_not_log_in(hub):
    assert hub.stranger("mallory").log_in("anything").status_code == 403


def test_a_login_is_on_the_record(hub):
    hub.person("chen")
    store = Store.open(hub.state.store_url, hub.state.keys, hub.state.log)
    try:
        actors = [entry.actor for _, entry in store.entries(kinds=["login"])]
    finally:
        store.close()
    assert "chen" in actors


def test_a_project_that_is_not_ones_own_cannot_be_started(hub):
    bilal = hub.person("bilal")
    assert bilal.get("hub/spawn/bilal/cancer-pathways").status_code == 404
    assert bilal.api("POST", "users/bilal/servers/cancer-pathways", {}).status_code == 404
    assert not (hub.state.workspaces / "bilal" / "cancer-pathways").exists()


def test_a_researcher_opens_their_project_and_nobody_else_reaches_it(hub):
    amara = hub.person("amara")
    lab = amara.open_project("cardio-outcomes")
    assert lab.status_code == 200
    assert "/user/amara/cardio-outcomes/lab" in lab.url

    for other in ("bilal", "chen", "edith"):
        person = hub.person(other)
        assert person.get("user/amara/cardio-outcomes/lab").status_code == 403, other
        assert person.get("user/amara/cardio-outcomes/api/contents").status_code == 403, other
        assert person.get("hub/spawn/amara/cardio-outcomes").status_code in {403, 404}, other
        assert person.api("DELETE", "users/amara/servers/cardio-outcomes").status_code in {403, 404}, other
    anonymous = requests.get(
        hub.settings.address + "user/amara/cardio-outcomes/lab", timeout=30, proxies={"http": "", "https": ""}
    )
    assert "hub/login" in anonymous.url


def test_a_server_has_folders_of_its_own_that_nobody_else_can_read(hub):
    hub.person("amara").open_project("cardio-outcomes")
    workspace = hub.state.workspaces / "amara" / "cardio-outcomes"
    assert list(workspace.glob("*.ipynb")), "the tutorial is there"
    for folder in (hub.state.hub, hub.state.hub / "servers", hub.state.workspaces, workspace):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder


def test_the_servers_environment_is_rebuilt_from_an_allow_list(hub):
    hub.person("amara").open_project("cardio-outcomes")
    found = [_environment(pid) for pid in _servers(hub)]
    assert found
    for environment in found:
        ours = {name for name in environment if not name.startswith("JUPYTERHUB_")}
        assert ours <= {
            "LANG", "LC_CTYPE", "TZ", "PATH", "HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR",
            "JUPYTER_RUNTIME_DIR", "JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "IPYTHONDIR", "PYTHONSAFEPATH",
            "PYTHONNOUSERSITE", "AMBERGATE_STATE", "AMBERGATE_PROJECT", "AMBERGATE_ACCOUNT",
        }  # fmt: skip
        assert not environment["HOME"].startswith(str(hub.state.workspaces))


def test_an_agreement_that_has_ended_refuses_with_the_reason(hub):
    amara = hub.person("amara")
    page = amara.get("hub/spawn/amara/old-study")
    assert page.status_code == 403
    assert "the agreement ended on 1 January 2021" in page.text
    assert "the agreement ended on 1 January 2021" in amara.get("hub/home").text
    answer = amara.api("POST", "users/amara/servers/old-study", {"user_options": {"project": "cardio-outcomes"}})
    assert answer.status_code == 403


def test_a_suspension_takes_effect_at_the_next_start(hub):
    path = hub.state.project("cancer-pathways") / "agreement.yaml"
    before = path.read_text()
    amara = hub.person("amara")
    try:
        path.write_text(before + "suspended: true\n")
        page = amara.get("hub/spawn/amara/cancer-pathways")
        assert page.status_code == 403
        assert "the agreement is suspended" in page.text
    finally:
        path.write_text(before)


def test_a_suspension_closes_a_project_that_is_open(hub):
    path = hub.state.project("cancer-pathways") / "agreement.yaml"
    before = path.read_text()
    amara = hub.person("amara")
    assert amara.open_project("cancer-pathways").ok
    assert _servers(hub, "cancer-pathways")
    try:
        path.write_text(before + "suspended: true\n")
        deadline = time.monotonic() + 60
        lab, closed = "user/amara/cancer-pathways/lab", hub.settings.address + "hub/"
        while not (page := amara.get(lab)).url.startswith(closed) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert page.url.startswith(closed)
        assert not _servers(hub, "cancer-pathways")
    finally:
        path.write_text(before)


@pytest.mark.parametrize("name", ["chen", "edith"])
def test_staff_have_no_server(hub, name):
    person = hub.person(name)
    assert person.get(f"hub/spawn/{name}/cardio-outcomes").status_code in {403, 404}
    assert person.get(f"hub/spawn/{name}").status_code in {403, 404}
    assert person.api("POST", f"users/{name}/server", {}).status_code in {403, 404}


@pytest.mark.parametrize("name", ["amara", "chen", "edith"])
def test_nobody_can_make_a_token_of_full_power(hub, name):
    person = hub.person(name)
    assert person.api("POST", f"users/{name}/tokens", {}).status_code in {403, 404}
    assert person.api("POST", f"users/{name}/tokens", {"scopes": ["self"]}).status_code in {403, 404}


@pytest.mark.parametrize("name", ["amara", "chen", "edith"])
def test_nobody_is_a_hub_administrator(hub, name):
    person = hub.person(name)
    assert person.get("hub/admin").status_code in {403, 404}
    assert person.api("GET", "users").status_code in {403, 404}
    assert person.api("POST", "shutdown", {}).status_code in {403, 404}


def test_each_kind_of_account_lands_at_its_own_work(hub):
    for name, path in {"amara": "hub/home", "chen": "services/review/", "edith": "services/admin/"}.items():
        page = hub.stranger(name).log_in(hub.passwords[name])
        assert page.status_code == 200, name
        assert page.url == hub.settings.address + path


def test_the_bare_address_leads_through_the_login_to_ones_own_work(hub):
    chen = hub.stranger("chen")
    login = chen.get("")
    assert "/hub/login" in login.url
    page = chen.log_in(hub.passwords["chen"], login.url)
    assert page.url == hub.settings.address + "services/review/"


@pytest.mark.parametrize(
    ("name", "service"), [("amara", "review"), ("amara", "admin"), ("edith", "review"), ("chen", "admin")]
)
def test_a_service_is_closed_to_those_whose_work_it_is_not(hub, name, service):
    assert hub.person(name).get(f"services/{service}/").status_code == 403


def test_everybody_can_read_the_register_without_an_account(hub):
    page = requests.get(hub.settings.address + "services/register/", timeout=30, proxies={"http": "", "https": ""})
    assert page.status_code == 200
    assert "hub/login" not in page.url


def _servers(hub, project: str = "") -> list[int]:
    """The process numbers of this hub's servers (of one project), by their environment."""
    needle = f"AMBERGATE_STATE={hub.state.root}".encode()
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [
        pid
        for pid in pids
        if needle in (raw := _raw_environment(pid)) and f"AMBERGATE_PROJECT={project}".encode() in raw
    ]


def _raw_environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _environment(pid: int) -> dict[str, str]:
    lines = _raw_environment(pid).decode().split("\0")
    return dict(line.split("=", 1) for line in lines if "=" in line)
