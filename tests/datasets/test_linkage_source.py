"""Linkage by a source's own person key: one index per person, in whatever order the rows come, kept over refreshes."""

from __future__ import annotations

from typing import Any

import pytest
from small_centre import DataCentre, stay_line

from ambergate_datasets.landing import land
from ambergate_datasets.linkage_source import SourceLinkage, link_sources, waiting_tables
from ambergate_policies.catalogue import Catalogue


def linked(centre: DataCentre, stays: list[str], visits: tuple[str, ...]) -> tuple[SourceLinkage, ...]:
    centre.write_extracts(stays, visits)
    land(centre.catalogue, centre.raw, centre.state, record=centre.record)
    with centre.red(read_only=False) as connection:
        return link_sources(connection, centre.catalogue)


def identities(centre: DataCentre) -> dict[str, int]:
    with centre.red() as connection:
        return dict(connection.execute("SELECT source_person, person FROM red.spine.source_identity").fetchall())


def with_spine(catalogue: Catalogue, table: str) -> Catalogue:
    document: dict[str, Any] = catalogue.model_dump(mode="json")
    document["tables"][table]["spine"] = True
    return Catalogue.model_validate(document)


def test_persons_are_shared_by_the_tables_and_numbered_from_zero(centre: DataCentre) -> None:
    results = linked(centre, [stay_line("b", 1), stay_line("b", 2), stay_line("c", 3)], ("a||x", "c||y"))
    assert identities(centre) == {"a": 0, "b": 1, "c": 2}
    assert results == (SourceLinkage("stay", 3, 3, 0, 2), SourceLinkage("visit", 2, 2, 0, 2))
    with centre.red() as connection:
        rows = connection.execute(
            "SELECT table_name, row_id, person, method FROM red.spine.link ORDER BY ALL"
        ).fetchall()
    assert rows == [("stay", n, p, "source") for n, p in ((1, 1), (2, 1), (3, 2))] + [
        ("visit", 1, 0, "source"),
        ("visit", 2, 2, "source"),
    ]


def test_with_a_spine_table_rows_of_somebody_else_are_orphans(centre: DataCentre) -> None:
    centre.catalogue = with_spine(centre.catalogue, "stay")
    results = linked(centre, [stay_line("b", 1)], ("a||x", "b||y"))
    assert identities(centre) == {"b": 0}
    assert results[1] == SourceLinkage("visit", rows=2, linked=1, orphans=1, persons=1)


def test_linking_again_adds_nothing(centre: DataCentre) -> None:
    linked(centre, [stay_line("b", 1)], ("a||x",))
    with centre.red(read_only=False) as connection:
        assert waiting_tables(connection, centre.catalogue) == {}
        assert link_sources(connection, centre.catalogue) == ()
        assert connection.execute("SELECT count(*) FROM red.spine.link").fetchone() == (2,)


def test_a_person_keeps_their_index_when_the_extract_is_landed_again(centre: DataCentre) -> None:
    linked(centre, [stay_line("b", 1), stay_line("d", 2)], ())
    assert identities(centre) == {"b": 0, "d": 1}
    linked(centre, [stay_line("a", 1), stay_line("d", 2)], ())
    assert identities(centre) == {"a": 2, "b": 0, "d": 1}
    with centre.red() as connection:
        persons = connection.execute("SELECT person FROM red.spine.person ORDER BY 1").fetchall()
    assert persons == [(1,), (2,)], "who is not in the new extract is nobody in it, but their index is not given away"


def test_a_failure_leaves_no_half_made_spine(centre: DataCentre, monkeypatch: pytest.MonkeyPatch) -> None:
    centre.write_extracts([stay_line("b", 1)], ("a||x",))
    land(centre.catalogue, centre.raw, centre.state, record=centre.record)

    def crash(*_: object) -> SourceLinkage:
        raise RuntimeError("power cut")

    monkeypatch.setattr("ambergate_datasets.linkage_source._link_table", crash)
    with centre.red(read_only=False) as connection:
        with pytest.raises(RuntimeError):
            link_sources(connection, centre.catalogue)
        assert connection.execute("SELECT count(*) FROM red.spine.person").fetchone() == (0,)
        assert waiting_tables(connection, centre.catalogue) == {"stay": "hospital_person", "visit": "hospital_person"}
