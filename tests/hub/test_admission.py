"""Who may start which project, and the reason when not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import yaml

from ambergate_datasets.deployment import deployment_file
from ambergate_datasets.state import StateFolder
from ambergate_hub.admission import obstacle_to_start, projects_of
from ambergate_hub.roles import roles_of

TODAY = date(2026, 11, 22)
Change = Callable[[dict[str, object]], None]


@pytest.fixture
def state(tmp_path: Path, write_project: Callable[..., None]) -> StateFolder:
    state = StateFolder(tmp_path)
    write_project(state, "cardio-outcomes", ["amara", "bilal"], end=date(2027, 1, 1))
    write_project(state, "cancer-pathways", ["amara"], end=date(2027, 1, 1))
    return state


def change(state: StateFolder, slug: str, **terms: str) -> None:
    path = state.project(slug) / "agreement.yaml"
    document = yaml.safe_load(path.read_text())
    document["terms"] |= terms
    path.write_text(yaml.safe_dump(document))


def test_a_named_person_may_start_a_project_in_force(state: StateFolder) -> None:
    assert obstacle_to_start(state, "cardio-outcomes", "bilal", TODAY) is None


@pytest.mark.parametrize("account", ["chen", "edith", "AMARA", "", "amara "])
def test_nobody_else_may(state: StateFolder, account: str) -> None:
    assert (
        obstacle_to_start(state, "cardio-outcomes", account, TODAY) == "you are not named on this project's agreement"
    )


@pytest.mark.parametrize(
    "slug", ["", "other", "..", "../projects/cardio-outcomes", "cardio-outcomes/", "Cardio-outcomes"]
)
def test_a_name_that_is_no_project_is_none(state: StateFolder, slug: str) -> None:
    assert obstacle_to_start(state, slug, "amara", TODAY) == "there is no such project"


@pytest.mark.parametrize(
    ("today", "reason"),
    [
        (date(2019, 12, 31), "the agreement starts on 1 January 2020"),
        (date(2020, 1, 1), None),
        (date(2027, 1, 1), None),
        (date(2027, 1, 2), "the agreement ended on 1 January 2027"),
    ],
)
def test_an_agreement_holds_from_its_first_day_to_its_last(state: StateFolder, today: date, reason: str | None) -> None:
    assert obstacle_to_start(state, "cardio-outcomes", "amara", today) == reason


def test_a_person_whose_role_puts_no_queries_starts_no_server(state: StateFolder) -> None:
    path = state.project("cardio-outcomes") / "agreement.yaml"
    document = yaml.safe_load(path.read_text())
    document["parties"]["persons"][1]["role"] = "checker"
    path.write_text(yaml.safe_dump(document))
    assert obstacle_to_start(state, "cardio-outcomes", "amara", TODAY) is None
    reason = obstacle_to_start(state, "cardio-outcomes", "bilal", TODAY)
    assert reason is not None and "as checker, who puts no queries" in reason


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ("territory: FR\n", "this gate stands in FR"),
        ("", "does not say where it stands"),
        ("territory: XX", "does not"),
    ],
)
def test_a_deployment_outside_the_territory_of_use_starts_no_server(
    state: StateFolder, declared: str, words: str
) -> None:
    deployment_file(state).write_text(declared or "{}")
    reason = obstacle_to_start(state, "cardio-outcomes", "amara", TODAY)
    assert reason is not None and words in reason
    change(state, "cardio-outcomes", territory="worldwide")
    assert obstacle_to_start(state, "cardio-outcomes", "amara", TODAY) is None


def test_an_unprovisioned_project_cannot_be_started(state: StateFolder) -> None:
    (state.project("cardio-outcomes") / "project.duckdb").unlink()
    reason = obstacle_to_start(state, "cardio-outcomes", "amara", TODAY)
    assert reason == "the project's data has not been provisioned yet"


@pytest.mark.parametrize("damage", ["", "project: [", "agreement: X\n"])
def test_an_agreement_that_cannot_be_read_admits_nobody(state: StateFolder, damage: str) -> None:
    (state.project("cardio-outcomes") / "agreement.yaml").write_text(damage)
    assert obstacle_to_start(state, "cardio-outcomes", "amara", TODAY) == "there is no such project"
    assert [project.slug for project in projects_of(state, "amara", TODAY)] == ["cancer-pathways"]


def test_an_agreement_copied_into_another_project_admits_nobody(state: StateFolder) -> None:
    text = (state.project("cardio-outcomes") / "agreement.yaml").read_text()
    (state.project("cancer-pathways") / "agreement.yaml").write_text(text)
    assert obstacle_to_start(state, "cancer-pathways", "bilal", TODAY) == "there is no such project"


def test_a_closed_project_is_still_shown_with_its_reason(state: StateFolder) -> None:
    change(state, "cancer-pathways", end="2026-11-21")
    shown = {project.slug: project.obstacle for project in projects_of(state, "amara", TODAY)}
    assert shown == {"cardio-outcomes": None, "cancer-pathways": "the agreement ended on 21 November 2026"}


def test_a_researchers_roles_name_only_their_own_servers() -> None:
    scopes = {scope for role in roles_of("bilal", "researcher", ["cardio-outcomes"]) for scope in role["scopes"]}
    powers = {scope for scope in scopes if "server" in scope}
    assert powers == {"servers!server=bilal/cardio-outcomes", "access:servers!server=bilal/cardio-outcomes"}
    assert not {
        scope for scope in scopes if scope.startswith(("admin", "tokens", "self", "inherit", "proxy", "shares"))
    }


@pytest.mark.parametrize("role", ["checker", "administrator"])
def test_staff_have_no_servers(role: str) -> None:
    scopes = {scope for each in roles_of("chen", role, []) for scope in each["scopes"]}  # type: ignore[arg-type]
    assert not {scope for scope in scopes if "servers" in scope}
