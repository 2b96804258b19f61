"""Linkage, rule by rule on rows made by hand: what is linked, what must not be, and that a person stays one index."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import pytest
from two_suppliers import NOW, TwoSuppliers, number

from ambergate_datasets.keys import KeyStore
from ambergate_datasets.landing import land
from ambergate_datasets.landing.database import landing_path, open_red
from ambergate_datasets.linkage import link
from ambergate_datasets.state import StateFolder
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.documents import parse_document


@pytest.fixture
def two(tmp_path: Path) -> TwoSuppliers:
    """One person with a practice record; tests add what they need. The local id is known from one stay."""
    made = TwoSuppliers(tmp_path)
    made.patient(number(0))
    made.stay(number(0), local="L1")
    return made


def method(two: TwoSuppliers) -> str | None:
    """How the last stay was linked to the first person; None if not at all."""
    two.run()
    person = two.links("patient")[1][0]
    found = two.links("stay").get(len(two.stays))
    assert found is None or found[0] == person
    return found[1] if found else None


def test_number_birth_and_sex_make_the_first_pass(two: TwoSuppliers) -> None:
    assert method(two) == "hesid-1"


def test_a_missing_sex_is_no_contradiction_to_number_and_birth(two: TwoSuppliers) -> None:
    two.stay(number(0), sex="9")
    assert method(two) == "nhs-number"


@pytest.mark.parametrize("born", ["1960-05-15", "1961-05-14", "1960-06-14"])
def test_two_parts_of_the_date_of_birth_are_enough_beside_the_number(two: TwoSuppliers, born: str) -> None:
    two.stay(number(0), born=born)
    assert method(two) == "nhs-number-partial-birth"


def test_day_and_month_swapped_are_the_same_birth(two: TwoSuppliers) -> None:
    two.patient(number(1), born="1980-03-07", names="Eve,Ash")
    two.stay(number(1), born="1980-07-03")
    two.run()
    assert two.links("stay")[2] == (two.links("patient")[2][0], "nhs-number-partial-birth")


def test_a_missing_birth_is_no_contradiction_to_number_and_sex(two: TwoSuppliers) -> None:
    two.stay(number(0), born="")
    assert method(two) == "nhs-number-no-birth"


@pytest.mark.parametrize("born", ["1890-01-01", "2030-01-01"])
def test_a_birth_before_1895_or_in_the_future_is_no_birth(two: TwoSuppliers, born: str) -> None:
    two.stay(number(0), born=born)
    assert method(two) == "nhs-number-no-birth"


def test_a_number_that_comes_with_somebody_elses_birth_links_nobody(two: TwoSuppliers) -> None:
    two.stay(number(0), born="1985-11-30")
    assert method(two) is None


def test_a_number_that_comes_with_the_other_sex_and_birth_links_nobody(two: TwoSuppliers) -> None:
    two.stay(number(0), sex="1", born="1960-05-15")
    assert method(two) is None


def test_two_different_valid_numbers_are_two_persons_however_alike(two: TwoSuppliers) -> None:
    two.stay(number(1), local="L1")
    two.run()
    first, second = (two.links("stay")[record][0] for record in (1, 2))
    assert first != second


def test_address_and_local_id_make_the_second_pass(two: TwoSuppliers) -> None:
    two.stay("", local="L1")
    assert method(two) == "hesid-2"


def test_birth_sex_and_postcode_make_the_third_pass(two: TwoSuppliers) -> None:
    two.stay("", postcode="ls11aa")
    assert method(two) == "hesid-3"


@pytest.mark.parametrize("postcode", ["", "ZZ99 3VZ", "LS1 1AB"])
def test_without_number_local_id_or_the_postcode_nobody_is_linked(two: TwoSuppliers, postcode: str) -> None:
    two.stay("", postcode=postcode)
    assert method(two) is None


def test_the_third_pass_refuses_where_two_persons_fit(two: TwoSuppliers) -> None:
    two.patient(number(1), names="Beth,Lee")
    two.stay("")
    assert method(two) is None


def test_names_that_differ_forbid_the_third_pass(two: TwoSuppliers) -> None:
    two.patient("", names="Beth,Lee")
    _, linkage, _ = two.run()
    assert two.links("patient")[2][0] != two.links("patient")[1][0]
    assert linkage.persons_without_number == 1


@pytest.mark.parametrize("names", ["Lee,Ann", "ANN,Le", "Ánn,Leee"])
def test_names_swapped_misspelt_or_accented_are_the_same_person(two: TwoSuppliers, names: str) -> None:
    two.patient("", names=names)
    two.run()
    assert two.links("patient")[2] == (two.links("patient")[1][0], "hesid-3")


def test_a_number_with_two_digits_swapped_is_that_of_the_one_born_that_day(two: TwoSuppliers) -> None:
    right = number(0)
    wrong = right[:8] + right[9] + right[8]
    assert wrong != right
    two.stay(wrong, postcode="")
    assert method(two) == "mistyped-number"


def test_a_person_whom_only_the_hospital_knows_becomes_a_person(two: TwoSuppliers) -> None:
    two.stay(number(7), born="1933-03-03")
    two.stay("", born="1933-03-03")
    _, linkage, _ = two.run()
    links = two.links("stay")
    assert links[2][0] == links[3][0] != links[1][0]
    assert linkage.persons == 2


def test_a_number_without_any_birth_makes_nobody(two: TwoSuppliers) -> None:
    two.stay(number(7), born="")
    _, linkage, _ = two.run()
    assert linkage.persons == 1
    assert 2 not in two.links("stay")


def test_the_birth_that_most_rows_state_counts(two: TwoSuppliers) -> None:
    two.patient(number(3), born="1972-09-08")
    for _ in range(2):
        two.stay(number(3), born="1972-09-18")
    two.run()
    assert two.links("patient")[2][1] == "nhs-number-partial-birth"
    assert two.links("stay")[2][1] == "hesid-1"


def test_the_report_accounts_for_every_row(two: TwoSuppliers) -> None:
    two.patient(number(2), born="1950-05-05")
    two.permitted.remove(number(2))
    two.stay(number(0), born="1985-11-30")
    two.stay("", born="1901-01-01")
    _, linkage, _ = two.run()
    patient, stay = linkage.tables
    assert (patient.rows, patient.removed, patient.linked, patient.unlinked) == (2, 1, {"hesid-1": 1}, 0)
    assert (stay.rows, stay.removed, stay.linked, stay.unlinked) == (3, 0, {"hesid-1": 1}, 2)
    assert stay.contradicted == 1
    for table in linkage.tables:
        assert table.rows == table.removed + table.unlinked + sum(table.linked.values())


def test_a_person_keeps_their_index_when_extracts_are_landed_again(two: TwoSuppliers) -> None:
    two.patient(number(5), born="1970-01-02", names="Eve,Ash")
    two.patient("", born="1944-04-04", names="Ivy,Oak")
    two.run()
    first = {record: person for record, (person, _) in two.links("patient").items()}
    two.patients[0:0] = [f"{number(1)},New,Comer,1990-10-10,F,M1 1AA,P1"]
    two.run()
    second = {record: person for record, (person, _) in two.links("patient").items()}
    assert [second[record + 1] for record in first] == [first[record] for record in first]
    assert second[1] not in first.values()


def test_an_index_never_passes_to_another_person(two: TwoSuppliers) -> None:
    two.run()
    gone = two.links("patient")[1][0]
    two.patients[:] = [f"{number(1)},New,Comer,1990-10-10,F,M1 1AA,P1"]
    two.stays.clear()
    two.stay(number(1), born="1990-10-10")
    two.run()
    assert two.links("patient")[1][0] != gone


def test_the_order_of_rows_changes_no_link(two: TwoSuppliers, tmp_path: Path) -> None:
    two.patient(number(4), born="1977-07-07", names="Eve,Ash")
    two.stay(number(4), born="1977-07-07", postcode="")
    two.stay("", born="1977-07-07")
    other = TwoSuppliers(tmp_path / "other", two.patients[::-1], two.stays[::-1])
    two.run()
    other.run()
    assert dict(sorted(two.links("stay").items())) == {4 - r: link for r, link in sorted(other.links("stay").items())}


def test_no_identifier_stays_in_memory_after_linkage(two: TwoSuppliers) -> None:
    two.land()
    with two.red() as connection:
        link(connection, two.catalogue, at=NOW, record=two.record)
        left = connection.execute("SELECT table_name FROM duckdb_tables() WHERE database_name <> 'red'").fetchall()
    assert left == []


def test_the_log_entry_holds_counts_and_no_identifier(two: TwoSuppliers) -> None:
    two.run()
    (entry,) = [entry for entry in two.log if entry.kind == "linkage"]
    assert entry.body["persons"] == 1
    assert number(0) not in str(entry.body)


FEBRL = """
catalogue: febrl
version: "1"
title: FEBRL 4
sources:
  all: {title: FEBRL, supplier: ANU, legal_basis: none, opt_out: {type_1: false, national: false, reason: Synthetic.}}
tables:
  a: &table
    source: all
    owner: person_id
    spine: true
    files: {pattern: a.csv}
    columns:
      rec_id: {role: record, required: true}
      given_name: {role: identifier, identifier: forename}
      surname: {role: identifier, identifier: surname}
      date_of_birth: {type: DATE, role: identifier, identifier: date_of_birth, date_format: "%Y%m%d"}
      postcode: {role: identifier, identifier: postcode}
"""


def test_febrl_4_without_a_number_is_linked_as_well_as_its_few_identifiers_allow(
    shared_data: Path, tmp_path: Path
) -> None:
    """Names, birth and postcode alone: the addresses that published figures also use are not in our catalogue."""
    for side in "ab":
        with gzip.open(shared_data / "linkage" / f"febrl_dataset4{side}.csv.gz", "rt") as file:
            lines = [",".join(cell.strip() for cell in line.split(",")) for line in file]
        (tmp_path / f"{side}.csv").write_text("\n".join(lines) + "\n")
    document = parse_document(FEBRL, Catalogue, name="febrl.yaml").model_dump(mode="json")
    document["tables"]["b"] = document["tables"]["a"] | {"spine": False, "files": {"pattern": "b.csv"}}
    catalogue = Catalogue.model_validate(document)
    state = StateFolder(tmp_path / "state")
    land(catalogue, tmp_path, state, record=lambda _: 0)
    with open_red(landing_path(state, "febrl"), KeyStore(state.keys).landing_key("febrl"), read_only=False) as red:
        link(red, catalogue, at=NOW, record=lambda _: 0)
        linked, right = _febrl_pairs(red)
    assert right / linked >= 0.999
    assert right / 5000 >= 0.9


def _febrl_pairs(red: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    row = red.execute(
        "SELECT count(*), count(*) FILTER (string_split(a.rec_id, '-')[2] = string_split(b.rec_id, '-')[2]) "
        "FROM red.landed.a a JOIN red.spine.link la ON la.table_name = 'a' AND la.row_id = a.row_id "
        "JOIN red.spine.link lb ON lb.table_name = 'b' AND lb.person = la.person "
        "JOIN red.landed.b b ON b.row_id = lb.row_id"
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])
