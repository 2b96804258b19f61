"""Makes the synthetic population: true persons, their care, and raw extracts as error-prone sources would send them.

Plain DuckDB SQL (the files in `sql/`) over range(), with a hash of (row, draw, seed) as the only source of randomness:
the same arguments give the same files, byte for byte. The raw folder gets what suppliers would send; who each row
really belongs to goes to the truth folder and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

import duckdb

from ambergate_datasets.progress import SILENT, Progress
from ambergate_datasets.state import private_folder
from ambergate_datasets.synth import codes, names

FIRST_DAY = date(2015, 1, 1)
STEPS = ("macros", "people", "care", "extracts")

RECORD_KEYS = {
    "gp_registration": "REGISTRATION_ID",
    "gp_event": "EVENT_ID",
    "prescription": "ITEM_ID",
    "hes_apc": "EPIKEY",
    "hes_op": "ATTENDKEY",
    "hes_ae": "AEKEY",
    "cancer_registry": "TUMOUR_ID",
    "deaths": "DEATH_ID",
}
"""Each extract about persons and the column that identifies its records: the truth names rows by it."""

REFERENCES = ("practice", "code_list")
PIPE_DELIMITED = ("hes_apc", "hes_op", "hes_ae")


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """Shares of records (or persons) with each error of recording. First guesses, shaped so that 98 to 99% of records
    match their person on number and date of birth, as in England's hospital data."""

    number_missing: float = 0.015
    number_transposed: float = 0.005
    number_of_another: float = 0.0005
    names_swapped: float = 0.02
    surname_edited: float = 0.03
    dob_missing: float = 0.005
    day_month_swapped: float = 0.01
    postcode_wrong: float = 0.08
    missing_from_source: float = 0.03
    registered_twice: float = 0.004
    sent_twice: float = 0.002
    impossible_date: float = 0.0002
    moved_practice: float = 0.08
    type_1: float = 0.045
    national: float = 0.054


@dataclass(frozen=True, slots=True)
class Population:
    """What was made: rows of each extract, and the arguments that make it again."""

    persons: int
    seed: int
    first_day: date
    last_day: date
    rows: dict[str, int]
    rates: ErrorRates = field(default_factory=ErrorRates)


def make_population(
    folder: Path,
    truth: Path,
    *,
    persons: int = 20_000,
    seed: int,
    today: date,
    progress: Progress = SILENT,
    rates: ErrorRates | None = None,
) -> Population:
    """Write the raw extracts and objection lists into `folder`, the true identities into `truth`.

    Care is spread over 2015-01-01 to the last day of the month before `today`; the permitted list is dated `today`.
    """
    rates = rates or ErrorRates()
    last_day = today.replace(day=1) - timedelta(days=1)
    with duckdb.connect(":memory:") as connection:
        _prepare(connection, persons, seed, last_day, rates)
        progress.stage("synthetic population", len(STEPS))
        for step in STEPS:
            connection.execute(files(__package__).joinpath("sql", f"{step}.sql").read_text(encoding="utf-8"))
            progress.advance(1)
        progress.done()
        rows = _write_extracts(connection, private_folder(folder), progress)
        _write_objections(connection, folder, today)
        _write_truth(connection, private_folder(truth))
    made = Population(persons, seed, FIRST_DAY, last_day, rows, rates)
    _write_manifest(folder, made)
    for file in (*folder.iterdir(), *truth.iterdir()):
        file.chmod(0o600)
    return made


def _prepare(connection: duckdb.DuckDBPyConnection, persons: int, seed: int, last_day: date, rates: ErrorRates) -> None:
    """Set the variables and lists that the SQL files read."""
    practices = max(14, persons // 1000)
    connection.execute("SET preserve_insertion_order = true")
    variables: dict[str, object] = {
        **asdict(rates),
        "persons": persons,
        "seed": seed,
        "first_day": FIRST_DAY,
        "last_day": last_day,
        "practices": practices,
        "units": max(4, persons // practices // 14),  # postcodes of a practice: about six households each
        "rare": min(0.002, 40 / persons),  # share of admissions at the small specialist provider
    }
    for name, value in variables.items():
        connection.execute(f"SET VARIABLE {name} = $1", [value])
    connection.execute("CREATE TABLE name_list (female VARCHAR[], male VARCHAR[], surnames VARCHAR[])")
    connection.execute(
        "INSERT INTO name_list VALUES ($1, $2, $3)", [list(names.FEMALE), list(names.MALE), list(names.SURNAMES)]
    )
    connection.execute("CREATE TABLE region_list (regions STRUCT(region VARCHAR, areas VARCHAR[])[])")
    regions = [{"region": region, "areas": list(areas)} for region, areas in names.REGIONS]
    connection.execute("INSERT INTO region_list VALUES ($1)", [regions])
    _shares(connection, "age_list (band INTEGER", list(enumerate(names.AGE_BANDS)))
    _shares(connection, "ethnicity_list (code VARCHAR", list(names.ETHNICITY))
    connection.execute('CREATE TABLE code_source ("CODE" VARCHAR, "CODE_SYSTEM" VARCHAR, "CLUSTER" VARCHAR, '
                       '"TERM" VARCHAR, "UNITS" VARCHAR)')  # fmt: skip
    connection.executemany("INSERT INTO code_source VALUES ($1, $2, $3, $4, $5)", [list(code) for code in codes.CODES])


def _shares(connection: duckdb.DuckDBPyConnection, table: str, weights: Iterable[tuple[object, float]]) -> None:
    """Make a table whose rows divide 0..1 in proportion to `weights`."""
    items = list(weights)
    total = sum(weight for _, weight in items)
    connection.execute(f"CREATE TABLE {table}, from_share DOUBLE, to_share DOUBLE)")
    reached = 0.0
    for position, (value, weight) in enumerate(items):
        end = 1.0 if position == len(items) - 1 else reached + weight / total
        connection.execute(f"INSERT INTO {table.split()[0]} VALUES ($1, $2, $3)", [value, reached, end])
        reached = end


def _write_extracts(connection: duckdb.DuckDBPyConnection, folder: Path, progress: Progress) -> dict[str, int]:
    progress.stage("raw extracts", len(RECORD_KEYS) + len(REFERENCES))
    rows: dict[str, int] = {}
    for name in (*RECORD_KEYS, *REFERENCES):
        delimiter = "|" if name in PIPE_DELIMITED else ","
        hidden = "EXCLUDE (true_person)" if name in RECORD_KEYS else ""
        path = _sql_text(folder / f"{name}.csv")
        connection.execute(f"COPY (SELECT * {hidden} FROM raw_{name}) TO {path} (HEADER, DELIMITER '{delimiter}')")
        rows[name] = _count(connection, f"raw_{name}")
        progress.advance(1)
    progress.done()
    return rows


def _write_objections(connection: duckdb.DuckDBPyConnection, folder: Path, today: date) -> None:
    """One Type 1 list per practice, empty ones included, and the national list of who may be used."""
    for (practice,) in connection.execute("SELECT practice FROM practice ORDER BY practice").fetchall():
        path = _sql_text(folder / f"type1_objections_{practice}.csv")
        own = f"SELECT * FROM objection WHERE practice = {_sql_text(practice)} ORDER BY nhs_number, recorded_on"
        connection.execute(f"COPY ({own}) TO {path} (HEADER)")
    permitted = connection.execute("SELECT nhs_number FROM person WHERE NOT national ORDER BY nhs_number").fetchall()
    text = "".join(f"{number},\n" for (number,) in permitted)
    (folder / f"national_permitted_{today:%Y-%m-%d}.txt").write_text(text, encoding="ascii")


def _write_truth(connection: duckdb.DuckDBPyConnection, truth: Path) -> None:
    """`person.parquet` (who exists, who objected) and per extract the true person of each record key."""
    person = _sql_text(truth / "person.parquet")
    connection.execute(
        f"COPY (SELECT pid AS person, nhs_number, type_1, national, in_gp FROM person ORDER BY pid) TO {person}"
    )
    for name, key in RECORD_KEYS.items():
        path = _sql_text(truth / f"{name}.parquet")
        connection.execute(
            f'COPY (SELECT DISTINCT "{key}" AS record, true_person AS person FROM raw_{name} ORDER BY 1) TO {path}'
        )


def _write_manifest(folder: Path, made: Population) -> None:
    text = json.dumps(
        {
            "what": "synthetic population: nobody in these files is real",
            "persons": made.persons,
            "seed": made.seed,
            "first_day": made.first_day.isoformat(),
            "last_day": made.last_day.isoformat(),
            "rows": made.rows,
            "error_rates": asdict(made.rates),
        },
        indent=2,
    )
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(row[0]) if row else 0


def _sql_text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
