"""Objections: who is out, by which list, before and after linkage; and that a doubtful list stops everything."""

from __future__ import annotations

from pathlib import Path

import pytest
from two_suppliers import NOW, TwoSuppliers, number

from ambergate_datasets.linkage import link
from ambergate_datasets.optout import read_objections, remove_after_linkage, remove_before_linkage
from ambergate_policies.errors import OperatorError
from ambergate_policies.log import LogEntry


@pytest.fixture
def two(tmp_path: Path) -> TwoSuppliers:
    return TwoSuppliers(tmp_path)


def test_a_type_1_objection_takes_out_practice_records_and_leaves_hospital_ones(two: TwoSuppliers) -> None:
    two.patient(number(0))
    two.patient(number(1), born="1971-02-03")
    two.stay(number(0))
    two.type_1["P1"] = [number(0)]
    before, _, after = two.run()
    assert two.usable("patient") == {2}
    assert two.usable("stay") == {1}
    assert before.removed == {"patient": {"type-1": 1}}
    assert after.persons == {"type-1": 1}


def test_whoever_is_not_on_the_permitted_list_is_out_everywhere(two: TwoSuppliers) -> None:
    two.patient(number(0))
    two.patient(number(1), born="1971-02-03")
    two.stay(number(0))
    two.stay(number(1), born="1971-02-03")
    two.permitted = [number(1)]
    before, _, after = two.run()
    assert (two.usable("patient"), two.usable("stay")) == ({2}, {2})
    assert before.removed == {"patient": {"national": 1}, "stay": {"national": 1}}
    assert after.persons == {"national": 1}


def test_an_objection_follows_the_person_to_another_practice(two: TwoSuppliers) -> None:
    two.patient(number(0), practice="P1")
    two.patient(number(0), practice="P2", postcode="M1 1AA")
    two.type_1["P1"] = [number(0)]
    two.run()
    assert two.usable("patient") == set()


def test_an_unnumbered_record_at_the_new_practice_goes_with_the_objector(two: TwoSuppliers) -> None:
    two.patient(number(0), practice="P1")
    two.patient("", practice="P2")
    two.type_1["P1"] = [number(0)]
    before, _, after = two.run()
    assert two.usable("patient") == set()
    assert before.removed == {"patient": {"type-1": 1}}
    assert after.removed == {"patient": {"type-1": 1}}


def test_an_unnumbered_record_is_found_out_by_a_number_that_only_another_source_knows(two: TwoSuppliers) -> None:
    two.patient("")
    two.stay(number(0))
    two.type_1["P2"] = [number(0)]
    before, _, _ = two.run()
    assert before.removed == {}
    assert two.links("patient")[1][0] == two.links("stay")[1][0]
    assert two.usable("patient") == set()
    assert two.usable("stay") == {1}


def test_an_unnumbered_hospital_record_of_a_national_objector_is_recognised(two: TwoSuppliers) -> None:
    two.patient(number(0))
    two.stay("")
    two.permitted = [number(5)]
    _, _, after = two.run()
    assert two.links("patient") == {}, "a removed row is linked to nobody"
    assert after.removed == {"stay": {"national": 1}}
    assert two.usable("stay") == set()


def test_an_objectors_record_is_not_given_to_somebody_alike(two: TwoSuppliers) -> None:
    two.patient(number(0), names="Ann,Lee")
    two.patient(number(1), names="Beth,Lee")  # a twin, same sex, at the same address, who does not object
    two.stay("")
    two.permitted = [number(1)]
    _, _, after = two.run()
    assert two.usable("patient") == {2}
    assert two.usable("stay") == set()
    assert after.unlinked == {"patient": 0, "stay": 1}


def test_who_has_no_number_at_all_cannot_be_shown_to_be_permitted(two: TwoSuppliers) -> None:
    two.patient("", born="1950-01-02")
    two.patient("9434765918", born="1951-01-02")  # mistyped
    two.stay("", born="1940-09-09")
    _, linkage, after = two.run()
    assert linkage.persons_without_number == 2
    assert after.persons == {"national": 2, "type-1": 2}
    assert after.unlinked == {"patient": 0, "stay": 1}
    assert (two.usable("patient"), two.usable("stay")) == (set(), set())


def test_a_number_of_ten_equal_digits_is_nobodys_even_if_a_list_is_long(two: TwoSuppliers) -> None:
    two.patient("1111111111", born="1950-01-02")
    two.run()
    assert two.usable("patient") == set()


def test_duplicate_rows_and_duplicate_objections_count_persons_once(two: TwoSuppliers) -> None:
    two.patient(number(0))
    two.patient(number(0))
    two.type_1 = {"P1": [number(0), number(0)], "P2": [number(0)]}
    before, _, after = two.run()
    assert before.received == {"type_1_numbers": 1, "type_1_lists": 2, "permitted_numbers": 20}
    assert before.removed == {"patient": {"type-1": 2}}
    assert after.persons == {"type-1": 1}


def test_both_passes_go_on_record_with_counts_and_without_a_number(two: TwoSuppliers) -> None:
    two.patient(number(0))
    two.patient("")
    two.type_1["P1"] = [number(0)]
    two.run()
    entries = [entry for entry in two.log if entry.kind == "opt-out"]
    assert [entry.body["stage"] for entry in entries] == ["before-linkage", "after-linkage"]
    assert entries[0].body["permitted_dated"] == "2026-11-20"
    assert entries[1].body["removed"] == {"patient": {"type-1": 1}}
    assert not any(number(0) in str(entry.body) for entry in two.log)


def test_nothing_can_be_provisioned_between_linkage_and_the_second_pass(two: TwoSuppliers) -> None:
    two.patient(number(0))
    two.run()
    with two.red() as connection:
        assert connection.execute("SELECT count(*) FROM red.optout.persons").fetchone() == (0,)
        link(connection, two.catalogue, at=NOW, record=two.record)
        tables = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'optout'").fetchall()
    assert tables == [("before_linkage",)]


def test_no_persons_table_without_a_log_entry(two: TwoSuppliers) -> None:
    def full_disk(entry: LogEntry) -> int:
        raise OperatorError("the log cannot be written")

    two.patient(number(0))
    two.land()
    objections_today = {"today": NOW.date()}
    with two.red() as connection:
        objections = read_objections(two.raw, two.catalogue, **objections_today)
        remove_before_linkage(connection, two.catalogue, objections, at=NOW, record=two.record)
        with pytest.raises(OperatorError):
            link(connection, two.catalogue, at=NOW, record=full_disk)
        assert connection.execute("SELECT 1 FROM duckdb_tables() WHERE schema_name = 'spine'").fetchall() == []
        link(connection, two.catalogue, at=NOW, record=two.record)
        with pytest.raises(OperatorError):
            remove_after_linkage(connection, two.catalogue, objections, at=NOW, record=full_disk)
        left = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'optout'").fetchall()
    assert left == [("before_linkage",)]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("permitted_2026-11-14.txt", f"{number(0)},\n", "8 days old"),
        ("permitted_2026-11-23.txt", f"{number(0)},\n", "dated after today"),
        ("permitted_latest.txt", f"{number(0)},\n", "must carry its date"),
        ("permitted_2026-02-30.txt", f"{number(0)},\n", "must carry its date"),
        ("permitted_2026-11-20.txt", "", "is empty"),
        ("permitted_2026-11-20.txt", f"{number(0)},\n{number(1)}\n", ":2: not a valid NHS number"),
        ("permitted_2026-11-20.txt", f"{number(0)},\n{number(1)[:9]},\n", ":2: not a valid"),
        ("permitted_2026-11-20.txt", "9434765918,\n", ":1: not a valid"),
        ("permitted_2026-11-20.txt", f"{number(0)},\n\n{number(1)},\n", ":2: not a valid"),
        ("permitted_2026-11-20.txt", "1111111111,\n", ":1: not a valid"),
    ],
)
def test_a_stale_or_malformed_permitted_list_stops_everything(
    two: TwoSuppliers, name: str, text: str, message: str
) -> None:
    two.write()
    (two.raw / "permitted_2026-11-20.txt").unlink()
    (two.raw / name).write_text(text)
    with pytest.raises(OperatorError, match=message) as caught:
        read_objections(two.raw, two.catalogue, today=NOW.date())
    assert number(1) not in str(caught.value)
    assert number(1)[:9] not in str(caught.value)


def test_a_list_of_exactly_the_greatest_age_is_good_and_the_newest_counts(two: TwoSuppliers) -> None:
    two.write()
    (two.raw / "permitted_2026-11-15.txt").write_text(f"{number(0)},\n")
    assert read_objections(two.raw, two.catalogue, today=NOW.date()).permitted == frozenset(two.permitted)
    (two.raw / "permitted_2026-11-20.txt").unlink()
    assert read_objections(two.raw, two.catalogue, today=NOW.date()).permitted == {number(0)}


def test_a_missing_permitted_list_stops_everything(two: TwoSuppliers) -> None:
    two.write()
    (two.raw / "permitted_2026-11-20.txt").unlink()
    with pytest.raises(OperatorError, match="nothing proceeds"):
        read_objections(two.raw, two.catalogue, today=NOW.date())


def test_missing_practice_lists_stop_everything(two: TwoSuppliers) -> None:
    two.write()
    for path in two.raw.glob("type1_*.csv"):
        path.unlink()
    with pytest.raises(OperatorError, match="nothing proceeds"):
        read_objections(two.raw, two.catalogue, today=NOW.date())


def test_a_practice_that_sent_records_but_no_list_stops_everything(two: TwoSuppliers) -> None:
    two.patient(number(0), practice="P3")
    two.land()
    with two.red() as connection:
        objections = read_objections(two.raw, two.catalogue, today=NOW.date())
        with pytest.raises(OperatorError, match="1 practices have rows in 'patient'"):
            remove_before_linkage(connection, two.catalogue, objections, at=NOW, record=two.record)
    assert [entry.kind for entry in two.log] == ["landing"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nhs,practice,recorded_on\n", ":1: the header"),
        (f"nhs_number,practice,recorded_on\n{number(0)},P1\n", ":2: not three values"),
        ("nhs_number,practice,recorded_on\n9434765918,P1,2024-01-31\n", ":2: not a valid NHS number"),
        (f"nhs_number,practice,recorded_on\n{number(0)},P2,2024-01-31\n", ":2: the practice is not"),
        (f"nhs_number,practice,recorded_on\n{number(0)},P1,yesterday\n", ":2: `recorded_on`"),
        ("", ":1: the header"),
        (f'nhs_number,practice,recorded_on\n"{number(0)},P1,2024-01-31\n', "cannot be read"),
    ],
)
def test_a_malformed_practice_list_stops_everything(two: TwoSuppliers, text: str, message: str) -> None:
    two.write()
    (two.raw / "type1_P1.csv").write_text(text)
    with pytest.raises(OperatorError, match=message) as caught:
        read_objections(two.raw, two.catalogue, today=NOW.date())
    assert number(0) not in str(caught.value)


def test_no_list_is_asked_for_where_no_source_has_the_policy(two: TwoSuppliers, tmp_path: Path) -> None:
    document = two.catalogue.model_dump(mode="json")
    for source in document["sources"].values():
        source["opt_out"] |= {"type_1": False, "national": False}
    free = type(two.catalogue).model_validate(document)
    objections = read_objections(tmp_path, free, today=NOW.date())
    assert (objections.type_1, objections.permitted) == (None, None)


def test_a_policy_without_a_place_for_its_list_stops_everything(two: TwoSuppliers, tmp_path: Path) -> None:
    document = two.catalogue.model_dump(mode="json")
    document["objections"] = None
    lacking = type(two.catalogue).model_validate(document)
    with pytest.raises(OperatorError, match="objections"):
        read_objections(tmp_path, lacking, today=NOW.date())
