"""Fellegi-Sunter linkage (Splink 5) of the identities that no exact rule decided.

Each undecided identity without a valid number is compared with the persons. The model learns, without labels, from
pairs that share an NHS number, or where a catalogue has none from two blocking rules. It never sees a record that
carries somebody's valid number as undecided, so it cannot link across conflicting numbers.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import duckdb
import splink.comparison_library as compare
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

THRESHOLD = 0.95
"""Least match probability of a link."""

MARGIN = 0.5
"""A second person above this probability makes the identity ambiguous, and it stays unlinked."""

LEAST_PAIRS = 200
"""Below this many comparable persons or learning identities a model would be noise: nothing is linked by it."""

LEARNING_SAMPLE = 20_000
MAX_RANDOM_PAIRS = 1_000_000


@dataclass(frozen=True, slots=True)
class Estimates:
    """What the model thinks of its own links: their number and expected share of right ones (None: not run)."""

    linked: int
    expected_precision: float | None


def link_undecided(connection: duckdb.DuckDBPyConnection, *, seed: int = 1) -> Estimates:
    """Decide undecided, unnumbered identities by probability (method `splink`)."""
    _profiles(connection)
    waiting, persons, learning = _sizes(connection)
    parts = _comparable_parts(connection)
    if not waiting or min(persons, learning) < LEAST_PAIRS or len(parts) < 2:
        return Estimates(0, None)
    logging.getLogger("splink").setLevel(logging.ERROR)  # its messages are about model internals
    api = DuckDBAPI(connection=connection)
    tables = [api.register("splink_person"), api.register("splink_record")]
    linker = Linker(tables, _settings(parts), log_level=logging.ERROR)
    _train(connection, linker, parts, seed)
    predictions = linker.inference.predict(threshold_match_probability=MARGIN)
    estimates = _decide(connection, predictions.physical_name)
    predictions.drop_table_from_database_and_remove_from_cache()
    return estimates


def _profiles(connection: duckdb.DuckDBPyConnection) -> None:
    """One row per person with all postcodes and local ids known of them; one per identity to compare or learn from."""
    connection.execute(
        "CREATE OR REPLACE TABLE splink_person AS "
        "SELECT p.person AS unique_id, p.number, p.dob::VARCHAR AS dob, p.sex, "
        "mode(i.forename ORDER BY i.id) AS forename, mode(i.surname ORDER BY i.id) AS surname, "
        "list_sort(list(DISTINCT i.postcode) FILTER (i.postcode IS NOT NULL)) AS postcodes, "
        "list_sort(list(DISTINCT i.local_key) FILTER (i.local_key IS NOT NULL)) AS local_keys, false AS waiting "
        "FROM known_person p JOIN decided d USING (person) JOIN identity i USING (id) GROUP BY ALL"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE splink_record AS SELECT id AS unique_id, number, dob::VARCHAR AS dob, sex, forename, "
        "surname, CASE WHEN postcode IS NOT NULL THEN [postcode] END AS postcodes, "
        "CASE WHEN local_key IS NOT NULL THEN [local_key] END AS local_keys, true AS waiting "
        "FROM identity ANTI JOIN decided USING (id) WHERE number IS NULL AND NOT shadow "
        "AND (dob IS NOT NULL OR surname IS NOT NULL) "
        "UNION ALL (SELECT id, number, dob::VARCHAR, sex, forename, surname, [postcode], [local_key], false "
        "FROM identity SEMI JOIN decided USING (id) WHERE number IS NOT NULL "
        f"ORDER BY hash(id) LIMIT {LEARNING_SAMPLE})"
    )


def _sizes(connection: duckdb.DuckDBPyConnection) -> tuple[int, int, int]:
    row = connection.execute(
        "SELECT (SELECT count(*) FROM splink_record WHERE waiting), (SELECT count(*) FROM splink_person), "
        "(SELECT count(*) FROM splink_record)"
    ).fetchone()
    return (int(row[0]), int(row[1]), int(row[2])) if row else (0, 0, 0)


def _comparable_parts(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """The parts that both sides have in enough rows to learn from."""
    found = set()
    for part in ("forename", "surname", "dob", "sex", "postcodes", "local_keys"):
        row = connection.execute(
            f"SELECT least((SELECT count({part}) FROM splink_person), (SELECT count({part}) FROM splink_record))"
        ).fetchone()
        if row is not None and row[0] >= LEAST_PAIRS // 4:
            found.add(part)
    return frozenset(found)


def _settings(parts: frozenset[str]) -> SettingsCreator:
    comparisons: list[Any] = []
    if {"forename", "surname"} <= parts:
        comparisons.append(compare.ForenameSurnameComparison("forename", "surname"))
    if "dob" in parts:
        comparisons.append(compare.DateOfBirthComparison("dob", input_is_string=True))
    if "postcodes" in parts:
        comparisons.append(compare.ArrayIntersectAtSizes("postcodes", [1]))
    if "local_keys" in parts:
        comparisons.append(compare.ArrayIntersectAtSizes("local_keys", [1]))
    if "sex" in parts:
        comparisons.append(compare.ExactMatch("sex"))
    rules: list[Any] = []
    if "dob" in parts:
        rules.append(block_on("dob"))
    if {"forename", "surname"} <= parts:
        rules += [block_on("surname", "forename"), "l.surname = r.forename AND l.forename = r.surname"]
    if {"forename", "surname", "postcodes"} <= parts:
        rules += [block_on(name, "postcodes", arrays_to_explode=["postcodes"]) for name in ("surname", "forename")]
    if "local_keys" in parts:
        rules.append(block_on("local_keys", arrays_to_explode=["local_keys"]))
    return SettingsCreator(
        link_type="link_only",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=rules,
        additional_columns_to_retain=["waiting"],
        retain_matching_columns=False,
    )


def _train(connection: duckdb.DuckDBPyConnection, linker: Linker, parts: frozenset[str], seed: int) -> None:
    row = connection.execute("SELECT count(*) FROM splink_record WHERE number IS NOT NULL").fetchone()
    numbered = row is not None and row[0] >= LEAST_PAIRS
    exact: list[Any] = [block_on("number")] if numbered else [block_on(*sorted({"dob", "surname", "forename"} & parts))]
    linker.training.estimate_probability_two_random_records_match(exact, recall=0.95 if numbered else 0.6)
    linker.training.estimate_u_using_random_sampling(max_pairs=MAX_RANDOM_PAIRS, seed=seed)
    learn = linker.training.estimate_parameters_using_expectation_maximisation
    if numbered:
        learn(block_on("number"))
        return
    if "dob" in parts:
        learn(block_on("dob"))
    if {"forename", "surname"} <= parts:
        learn(block_on("surname", "forename"))


def _decide(connection: duckdb.DuckDBPyConnection, predictions: str) -> Estimates:
    """Take each identity's best person if it is good enough and nobody else comes near; where a table has one record
    per person, take a person for one record only."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE candidate AS "
        "SELECT r AS id, p AS person, match_probability, match_weight, i.tbl FROM ("
        f"SELECT unique_id_r AS r, unique_id_l AS p, match_probability, match_weight FROM {predictions} "
        "WHERE waiting_r AND NOT waiting_l UNION ALL "
        f"SELECT unique_id_l, unique_id_r, match_probability, match_weight FROM {predictions} "
        "WHERE waiting_l AND NOT waiting_r AND source_dataset_l = 'splink_record') JOIN identity i ON i.id = r"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE chosen AS SELECT id, tbl, max_by(person, match_weight) AS person, "
        "max(match_probability) AS probability, max(match_weight) AS weight FROM candidate GROUP BY id, tbl "
        f"HAVING max(match_probability) >= {THRESHOLD} AND count(*) = 1"
    )
    connection.execute(
        "DELETE FROM chosen WHERE tbl IN (FROM single_table) AND ("
        "(tbl, person) IN (SELECT i.tbl, d.person FROM decided d JOIN identity i USING (id)) OR "
        "id NOT IN (SELECT max_by(id, weight) FROM chosen GROUP BY tbl, person))"
    )
    connection.execute("INSERT INTO decided SELECT id, person, 'splink' FROM chosen")
    row = connection.execute("SELECT count(*), avg(probability) FROM chosen").fetchone()
    return Estimates(int(row[0]), None if row[1] is None else float(row[1])) if row else Estimates(0, None)
