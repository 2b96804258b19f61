"""Landing: typed rows or nothing, rejects counted by rule and line, and never a value in a message."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from small_centre import STAY_HEADER, DataCentre, stay_line, with_files

from ambergate_datasets.engines.connection import Limits, attach, connect
from ambergate_datasets.landing import LandingReport, land
from ambergate_datasets.landing.database import landing_path, manifest_path
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.errors import AmbergateError, OperatorError, UserError

CANARY = "Zzyzxcanary"


def landed(centre: DataCentre, **changes: Any) -> LandingReport:
    return land(centre.catalogue, centre.raw, centre.state, record=centre.record, **changes)


def stay_rows(centre: DataCentre, columns: str, order: str = "row_id") -> list[tuple[Any, ...]]:
    with centre.red() as connection:
        return connection.execute(f"SELECT {columns} FROM red.landed.stay ORDER BY {order}").fetchall()


def rejects(centre: DataCentre) -> list[tuple[Any, ...]]:
    with centre.red() as connection:
        return connection.execute(
            "SELECT table_name, line, column_name, rule FROM red.rejects.rejected ORDER BY ALL"
        ).fetchall()


def test_values_are_typed_trimmed_and_renamed(centre: DataCentre) -> None:
    centre.write_extracts([stay_line("p1", 1, days=" 3.0 ", cost="-", code=" I21\t")])
    landed(centre)
    rows = stay_rows(centre, "row_id, hospital_person, born::VARCHAR, admitted::VARCHAR, days, cost, code")
    assert rows == [(1, "p1", "1980-06-15", "2020-06-14", 3, None, "I21")]


def test_pipes_latin_1_and_gzip_are_read(centre: DataCentre) -> None:
    centre.write_extracts([stay_line("p1", 1)], ("p1|1|A\u00c9", "p2||B"))
    catalogue = with_files(centre.catalogue, "visit", encoding="latin-1", pattern="visit.txt.gz")
    with gzip.open(centre.raw / "visit.txt.gz", "wb") as file:
        file.write("PERSON|STAY|NOTE\np1|1|A\u00c9\np2||B\n".encode("latin-1"))
    land(catalogue, centre.raw, centre.state, record=centre.record)
    with centre.red() as connection:
        rows = connection.execute("SELECT stay_id, note FROM red.landed.visit ORDER BY row_id").fetchall()
    assert rows == [(1, "A\u00c9"), (None, "B")]


def test_parquet_is_cast_and_checked_like_text(centre: DataCentre) -> None:
    centre.write_extracts([stay_line("p1", 1)])
    catalogue = with_files(centre.catalogue, "visit", format="parquet", pattern="visit.parquet")
    duckdb.sql(
        "SELECT * FROM (VALUES (1::DOUBLE, 7.0, 'x'), (2, 7.5, 'y'), (NULL, 8, 'z'), (4, 9, 'NOTE')) "
        "t(PERSON, STAY, NOTE)"
    ).write_parquet(str(centre.raw / "visit.parquet"))
    land(catalogue, centre.raw, centre.state, record=centre.record)
    assert rejects(centre) == [("visit", 3, "stay_id", "type"), ("visit", 4, "hospital_person", "required")]


def test_each_rule_rejects_its_row_with_rule_and_line_and_no_value(centre: DataCentre) -> None:
    broken = {
        3: ({"admitted": "31/02/2020"}, ("admitted", "type")),
        4: ({"days": "3.5"}, ("days", "type")),
        5: ({"days": "-1"}, ("days", "minimum")),
        6: ({"days": "401"}, ("days", "maximum")),
        7: ({"sex": "X"}, ("sex", "values")),
        8: ({"code": CANARY}, ("code", "pattern")),
        9: ({"admitted": "01/01/1989"}, ("admitted", "minimum")),
        10: ({"cost": "NaN"}, ("cost", "type")),
    }
    lines = [stay_line("p1", 1)] + [stay_line("p1", n, **change) for n, (change, _) in broken.items()]
    centre.write_extracts([*lines, stay_line("", 99), STAY_HEADER])
    report = landed(centre).tables[0]
    expected = {("stay", line, *rule) for line, (_, rule) in broken.items()}
    found = {row for row in rejects(centre) if row[1] < 12}
    assert found == expected | {("stay", 11, "hospital_person", "required")}
    assert ("stay", 12, "*", "header-row") in rejects(centre)
    assert (report.records, report.landed, report.rejected) == (11, 1, 10)
    assert report.rejects_by_rule["days: type"] == 2  # the fraction and the header that stands among the rows
    with centre.red() as connection:
        everything = connection.execute("FROM red.rejects.rejected").fetchall()
    assert CANARY not in str(everything)
    assert CANARY not in manifest_path(centre.state, "small").read_text()
    assert CANARY not in str(centre.record.entries)


def test_a_mistyped_identifier_is_landed_as_missing_and_counted(centre: DataCentre) -> None:
    centre.write_extracts([stay_line("p1", 1, born="1980-02-30", nhs="94347")])
    report = landed(centre).tables[0]
    assert stay_rows(centre, "born, nhs_number") == [(None, "94347")]
    assert (report.landed, report.blanked) == (1, {"born: type": 1})


def test_several_files_of_one_table_are_landed_together(centre: DataCentre) -> None:
    centre.write_extracts([stay_line("p1", 1)])
    (centre.raw / "stay_b.csv").write_text("\n".join([STAY_HEADER, stay_line("p2", 2), stay_line("p3", 3, sex="?")]))
    report = landed(centre).tables[0]
    assert [(file.name, file.records) for file in report.files] == [("stay.csv", 1), ("stay_b.csv", 2)]
    assert stay_rows(centre, "row_id, hospital_person") == [(1, "p1"), (2, "p2")]
    with centre.red() as connection:
        assert connection.execute("SELECT line, file_number FROM red.rejects.rejected").fetchall() == [(3, 2)]


def test_undeclared_columns_are_ignored_and_counted(centre: DataCentre) -> None:
    centre.write_extracts([stay_line("p1", 1)])
    assert landed(centre).tables[0].undeclared_columns == 1
    with centre.red() as connection:
        names = [row[0] for row in connection.execute("DESCRIBE red.landed.stay").fetchall()]
    assert "WARD" not in names
    assert names[0] == "row_id"
    assert "year" not in names, "derived columns are made when a project is provisioned"


def test_lines_stay_true_in_a_file_that_is_read_in_parallel(centre: DataCentre) -> None:
    lines = [stay_line("p1", n) for n in range(60_000)]
    lines[41_234] = stay_line("p1", 41_234, sex="?")
    centre.write_extracts(lines)
    landed(centre)
    assert rejects(centre) == [("stay", 41_236, "sex", "values")]
    row = stay_rows(centre, "min(stay_id - row_id), max(stay_id - row_id)", order="ALL")
    assert row == [(-1, 0)], "row_id follows the order of the file"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{STAY_HEADER}\n{stay_line('p1', 1)}\np1,{CANARY}\n", r"stay.csv: line 3: missing columns"),
        (f"{STAY_HEADER}\n{stay_line('p1', 1)},{CANARY}\n", r"stay.csv: line 2: too many columns"),
        (f'{STAY_HEADER}\np1,"{CANARY}\n', r"stay.csv: line 2: unquoted value"),
        (STAY_HEADER.replace("DAYS", CANARY) + "\n" + stay_line("p1", 1), r"lacks DAYS"),
        (STAY_HEADER.replace("DAYS", "SEX") + "\n" + stay_line("p1", 1), r"twice"),
        ("", r"empty"),
    ],
)
def test_a_broken_extract_lands_nothing_and_says_where(centre: DataCentre, text: str, says: str) -> None:
    centre.write_extracts([])
    (centre.raw / "stay.csv").write_text(text)
    with pytest.raises(OperatorError, match=says) as caught:
        landed(centre)
    assert CANARY not in str(caught.value)
    assert not landing_path(centre.state, "small").exists()
    assert not manifest_path(centre.state, "small").exists()
    assert not centre.record.entries
    left = {path.name for path in (centre.state.red / "small").iterdir()}
    assert left == {".lock"}


def test_bytes_that_are_not_utf_8_are_refused_with_the_line(centre: DataCentre) -> None:
    centre.write_extracts([stay_line("p1", 1)])
    with (centre.raw / "stay.csv").open("ab") as file:
        file.write(stay_line("p2", 2, surname="Andr\u00e9").encode("latin-1") + b"\n")
    with pytest.raises(OperatorError, match=r"stay\.csv: line 3"):
        landed(centre)


def test_a_cut_off_gzip_is_refused(centre: DataCentre) -> None:
    centre.write_extracts([])
    whole = gzip.compress("\n".join([STAY_HEADER, *[stay_line("p1", n) for n in range(5000)]]).encode())
    (centre.raw / "stay.csv").unlink()
    (centre.raw / "stay.csv.gz").write_bytes(whole[: len(whole) // 2])
    centre = replace(centre, catalogue=with_files(centre.catalogue, "stay", pattern="stay*.csv.gz"))
    with pytest.raises(OperatorError, match=r"stay\.csv\.gz"):
        landed(centre)
    assert not landing_path(centre.state, "small").exists()


def test_a_missing_file_names_the_table_and_whose_turn_it_is(centre: DataCentre) -> None:
    centre.write_extracts([stay_line("p1", 1)])
    (centre.raw / "visit.csv").unlink()
    with pytest.raises(OperatorError, match=r"table visit: no file matches 'visit\.csv'; ask the supplier"):
        landed(centre)


@pytest.mark.parametrize("make", [True, False])
def test_an_empty_or_absent_folder_is_the_users_turn(centre: DataCentre, tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "nothing"
    if make:
        folder.mkdir()
    with pytest.raises(UserError):
        land(centre.catalogue, folder, centre.state, record=centre.record)


def test_a_table_of_which_every_row_is_rejected_stops_the_landing(centre: DataCentre) -> None:
    centre.write_extracts([stay_line("p1", n, sex=CANARY) for n in range(3)])
    with pytest.raises(OperatorError, match="every row breaks a rule") as caught:
        landed(centre)
    assert CANARY not in str(caught.value)


def test_the_same_files_are_not_landed_twice_but_a_changed_byte_or_catalogue_is(centre: DataCentre) -> None:
    centre.write_extracts([stay_line("p1", 1)])
    first = landed(centre)
    before = landing_path(centre.state, "small").stat().st_mtime_ns
    second = landed(centre)
    assert (first.unchanged, second.unchanged) == (False, True)
    assert second.tables == first.tables
    assert landing_path(centre.state, "small").stat().st_mtime_ns == before
    assert len(centre.record.entries) == 1
    centre.write_extracts([stay_line("p1", 1, days="4")])
    assert not landed(centre).unchanged
    catalogue = centre.catalogue.model_copy(update={"version": "2"})
    assert not land(catalogue, centre.raw, centre.state, record=centre.record).unchanged


def test_the_landing_file_is_encrypted_under_a_key_of_its_own(centre: DataCentre, tmp_path: Path) -> None:
    centre.write_extracts([stay_line("p1", n, surname=CANARY) for n in range(50)])
    landed(centre)
    path = landing_path(centre.state, "small")
    assert CANARY.encode() not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    connection = connect(Limits(), tmp_path / "spill")
    with pytest.raises(OperatorError, match="wrong key"):
        attach(connection, path, b"\0" * 32, alias="red", read_only=True)
    with pytest.raises(OperatorError):
        attach(connection, path, None, alias="red", read_only=True)


def test_nothing_is_published_if_the_log_cannot_be_written(centre: DataCentre) -> None:
    centre.write_extracts([stay_line("p1", 1)])
    landed(centre)
    before = landing_path(centre.state, "small").read_bytes()
    centre.write_extracts([stay_line("p1", 1), stay_line("p2", 2)])
    centre.record.broken = True
    with pytest.raises(OSError, match="log"):
        landed(centre)
    assert landing_path(centre.state, "small").read_bytes() == before
    centre.record.broken = False
    assert not landed(centre).unchanged


def test_an_optional_table_that_was_not_delivered_is_landed_empty(centre: DataCentre) -> None:
    centre.write_extracts([stay_line("p1", 1)])
    (centre.raw / "visit.csv").unlink()
    catalogue = with_files(centre.catalogue, "visit", optional=True)
    report = land(catalogue, centre.raw, centre.state, record=centre.record)
    assert [t.absent for t in report.tables] == [False, True, False]
    with centre.red() as connection:
        assert connection.execute("SELECT count(*) FROM red.landed.visit").fetchone() == (0,)


def test_the_manifest_and_the_log_carry_digests_and_counts_and_no_key(centre: DataCentre) -> None:
    centre.write_extracts([stay_line("p1", 1)])
    report = landed(centre)
    entry = centre.record.entries[0]
    assert (entry.kind, entry.project) == ("landing", None)
    master = (centre.state.keys / "master.key").read_text().strip()
    text = manifest_path(centre.state, "small").read_text() + str(entry.body)
    assert report.tables[0].files[0].sha256 in text
    for word in (master, "Okonkwo", "9434765919"):
        assert word not in text


def test_every_error_of_landing_is_one_of_ours(centre: DataCentre) -> None:
    centre.write_extracts([stay_line("p1", 1)])
    (centre.raw / "codes.csv").unlink()
    (centre.raw / "codes.csv").mkdir()
    with pytest.raises(AmbergateError):
        landed(centre)


@pytest.mark.parametrize(
    ("column", "change", "says"),
    [
        ("code", {"pattern": "[A-Z"}, r"column code: 'pattern'"),
        ("admitted", {"date_format": "%Q"}, r"column admitted: 'type'"),
        ("days", {"minimum": "2020-01-01"}, r"column days: 'minimum'"),
        ("sex", {"maximum": 3}, r"column sex: 'maximum'"),
    ],
)
def test_a_rule_that_cannot_be_applied_is_the_catalogues_turn_before_a_file_is_read(
    centre: DataCentre, column: str, change: dict[str, Any], says: str
) -> None:
    centre.write_extracts([])
    (centre.raw / "stay.csv").unlink()
    document = centre.catalogue.model_dump(mode="json")
    document["tables"]["stay"]["columns"][column] |= change
    centre.catalogue = Catalogue.model_validate(document)
    with pytest.raises(UserError, match=says):
        landed(centre)
