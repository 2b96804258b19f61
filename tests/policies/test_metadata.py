"""DESCRIBE and SHOW TABLES are answered from the agreement: what is granted, and nothing that is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.small_project import gates, population

from ambergate_extension.pipeline import Gate


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    folder: Path = tmp_path_factory.mktemp("metadata")
    population.write(folder / "small.duckdb")
    gate = gates.near_gate(folder / "small.duckdb", folder)
    yield gate
    gate.close()


def rows(gate: Gate, sql: str) -> list[tuple[Any, ...]]:
    answer = gate.answer(sql)
    assert answer.verdict == "released", answer.findings
    return gates.rows_of(answer)


@pytest.mark.parametrize("sql", ["SHOW TABLES", "show tables;", "SHOW ALL TABLES", "PRAGMA show_tables"])
def test_the_granted_tables_are_listed(gate: Gate, sql: str) -> None:
    assert [row[0] for row in rows(gate, sql)] == ["person", "event", "admission", "code_list", "region_size"]


@pytest.mark.parametrize(
    "sql", ["DESCRIBE person", "desc Person", "DESCRIBE TABLE person", "SHOW person", "SHOW COLUMNS FROM person;"]
)
def test_the_granted_columns_of_a_table_are_listed(gate: Gate, sql: str) -> None:
    listed = [row[0] for row in rows(gate, sql)]
    granted = gates.agreement().data.tables[0].columns
    assert listed == ["person_id", *granted]
    assert not {"practice", "free_text", "nhs_number"} & set(listed)


def test_types_and_roles_are_the_catalogues(gate: Gate) -> None:
    found = {row[0]: row[1:3] for row in rows(gate, "DESCRIBE admission")}
    assert found["patient"] == ("person key", "")
    assert found["admitted_on"] == ("DATE", "date")
    assert found["cost"] == ("DECIMAL(18,3)", "measure")


@pytest.mark.parametrize(
    "sql",
    ["DESCRIBE secret_note", "SHOW secret_note", "DESCRIBE persons", "SHOW DATABASES", "DESCRIBE SELECT 1",
     "DESCRIBE main.person", "SHOW TABLES FROM main", "SUMMARIZE person", "PRAGMA table_info('person')",
     "PRAGMA database_list", "SHOW TABLES LIKE 'p%'"],
)  # fmt: skip
def test_nothing_else_is_told(gate: Gate, sql: str) -> None:
    answer = gate.answer(sql)
    assert answer.verdict == "refused"
    assert "secret" not in sql or "secret" not in str([finding.hint for finding in answer.findings])


def test_a_misspelt_table_is_guessed(gate: Gate) -> None:
    (finding,) = gate.answer("DESCRIBE persn").findings
    assert finding.rule == "unknown-table" and finding.hint is not None
    assert "did you mean 'person'" in finding.hint
    assert finding.fragment == "persn"


def test_a_description_of_a_sensitive_column_says_so() -> None:
    kernel = gates.kernel()
    catalogue = kernel.catalogue.model_dump(mode="json")
    catalogue["tables"]["event"]["columns"]["code"]["sensitivity"] = "genetic"
    changed = type(kernel)(type(kernel.catalogue).model_validate(catalogue), kernel.agreement, kernel.pack)
    (step,) = changed.prepare("DESCRIBE event", account="amara", on=gates.NOON.date()).steps
    assert "genetic" in step.statement
