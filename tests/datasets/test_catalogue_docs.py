"""The reference page of catalogue files names every key, role, identifier, derivation, type and rule that there is."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest

from ambergate_datasets.landing.checks import HEADER_ROW, broken_rules
from ambergate_policies import catalogue
from ambergate_policies.documents import Document, parse_document


@pytest.fixture(scope="module")
def words(repository: Path) -> set[str]:
    page = (repository / "docs" / "reference" / "catalogue.md").read_text(encoding="utf-8")
    return {part for word in re.findall(r"`([^`]+)`", page) for part in (word, word.rpartition(".")[2])}


@pytest.mark.parametrize(
    "model",
    [
        catalogue.Catalogue,
        catalogue.ObjectionLists,
        catalogue.Source,
        catalogue.OptOutPolicy,
        catalogue.Table,
        catalogue.Files,
        catalogue.Column,
    ],
)
def test_every_key_is_on_the_page(words: set[str], model: type[Document]) -> None:
    assert set(model.model_fields) <= words


@pytest.mark.parametrize(
    "names",
    [
        catalogue.ColumnType,
        catalogue.Role,
        catalogue.IdentifierKind,
        catalogue.Derivation,
        catalogue.Colour,
        catalogue.FileFormat,
    ],
)
def test_every_word_that_a_key_can_have_is_on_the_page(words: set[str], names: type[StrEnum]) -> None:
    assert {name.value for name in names} <= words


def test_every_rule_is_on_the_page(words: set[str]) -> None:
    column = catalogue.Column.model_validate(
        {"role": "code", "required": True, "minimum": 0, "maximum": 1, "pattern": "a", "values": ["a"]}
    )
    assert {HEADER_ROW, *broken_rules("name", column)} <= words


def test_the_example_of_the_how_to_page_is_a_catalogue(repository: Path) -> None:
    page = (repository / "docs" / "how-to" / "land-your-own-data.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert [parse_document(text, catalogue.Catalogue, name="example").catalogue for text in examples] == ["clinic"]
