"""A pack is stricter with what reads sensitive data, by whatever path it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.small_project import gates, population

from ambergate_policies.catalogue import Catalogue, Sensitivity
from ambergate_policies.documents import DocumentError, parse_document
from ambergate_policies.kernel import Kernel
from ambergate_policies.packs import PACKS_FOLDER, RuleAction, RulePack, Stricter, read_pack
from ambergate_policies.strictness import effective

PACKS = sorted(path.stem for path in PACKS_FOLDER.glob("*.yaml"))
GENETIC = {"genetic": {"minimum": 20, "rounding_base": 10, "source": "a test"}}


def catalogue(**classes: str) -> Catalogue:
    """The small catalogue with a class for some columns (`table__column`) and tables (`table`)."""
    document: dict[str, Any] = yaml.safe_load((gates.HERE / "catalogue.yaml").read_text(encoding="utf-8"))
    for name, sensitivity in classes.items():
        table, _, column = name.partition("__")
        place = document["tables"][table]
        (place["columns"][column] if column else place)["sensitivity"] = sensitivity
    return Catalogue.model_validate(document)


def pack(stricter: dict[str, Any], name: str = "nhse-sde") -> RulePack:
    entries = {Sensitivity(key): Stricter.model_validate(value) for key, value in stricter.items()}
    return read_pack(name).model_copy(update={"stricter": entries})


def judged_by(sql: str, stricter: dict[str, Any] = GENETIC, **classes: str) -> RulePack:
    """The pack of the last step of a query that has a boundary."""
    kernel = Kernel(catalogue(**classes), gates.agreement(), pack(stricter))
    steps = kernel.prepare(sql, account=gates.ACCOUNT, on=gates.NOON.date()).steps
    return next(step.pack for step in reversed(steps) if hasattr(step, "pack"))


READING_CODE = [
    "SELECT code, count(*) FROM event GROUP BY code",
    "SELECT count(*) FROM event WHERE code = 'A'",
    "SELECT count(*) FILTER (WHERE code = 'A') FROM event",
    "SELECT avg(CASE WHEN code = 'A' THEN 1 ELSE 0 END) FROM event",
    "SELECT count(DISTINCT code) FROM event",
    "SELECT c.chapter, count(*) FROM event e JOIN code_list c ON e.code = c.code GROUP BY c.chapter",
    "SELECT count(*) FROM event WHERE code IN (SELECT code FROM code_list WHERE chapter = 'II')",
    "SELECT count(*) FROM person p WHERE person_id IN (SELECT person_id FROM event WHERE code = 'A')",
    "SELECT count(*) FROM person p WHERE EXISTS "
    "(SELECT 1 FROM event e WHERE e.person_id = p.person_id AND e.code = 'A')",
    "SELECT count(*) FROM person p LEFT JOIN event e ON e.person_id = p.person_id AND e.code = 'A'",
    "WITH e AS (SELECT person_id FROM event WHERE code = 'A') SELECT count(*) FROM person JOIN e USING (person_id)",
    "SELECT n, count(*) FROM (SELECT person_id, count(DISTINCT code) AS n FROM event GROUP BY person_id) GROUP BY n",
    "SELECT count(*) FROM (SELECT person_id, code FROM event QUALIFY row_number() OVER "
    "(PARTITION BY person_id ORDER BY code) = 1)",
]


@pytest.mark.parametrize("sql", READING_CODE)
def test_a_query_that_reads_a_genetic_column_by_any_path_is_judged_more_strictly(sql: str) -> None:
    found = judged_by(sql, event__code="genetic")
    assert (found.threshold.minimum, found.rounding.base) == (20, 10)
    assert found.reference == "nhse-sde@1+genetic"
    assert judged_by(sql).threshold.minimum == 10


@pytest.mark.parametrize("sql", ["SELECT count(*) FROM event", "SELECT sex, count(*) FROM person GROUP BY sex"])
def test_a_query_that_does_not_read_it_is_judged_as_ever(sql: str) -> None:
    assert judged_by(sql, event__code="genetic").reference == "nhse-sde@1"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM event",
        "SELECT count(*) FROM person WHERE person_id IN (SELECT person_id FROM event)",
        "SELECT count(*) FROM person p JOIN event e USING (person_id)",
    ],
)
def test_a_sensitive_table_counts_even_where_no_column_of_it_is_read(sql: str) -> None:
    assert judged_by(sql, event="genetic").threshold.minimum == 20


def test_the_agreements_own_row_filter_reads_too() -> None:
    assert judged_by("SELECT count(*) FROM admission", admission__method="genetic").threshold.minimum == 20


def test_only_the_boundary_that_reads_it_is_stricter() -> None:
    kernel = Kernel(catalogue(event__code="genetic"), gates.agreement(), pack(GENETIC))
    sql = "SELECT (SELECT count(*) FROM event WHERE code = 'A') AS a, count(*) AS persons FROM person"
    steps = kernel.prepare(sql, account=gates.ACCOUNT, on=gates.NOON.date()).steps
    assert sorted(step.pack.threshold.minimum for step in steps if hasattr(step, "pack")) == [10, 20]


def test_every_class_is_at_least_sensitive() -> None:
    entries = {"sensitive": {"minimum": 15, "source": "a test"}}
    found = judged_by("SELECT code, count(*) FROM event GROUP BY code", entries, event__code="sexual-health")
    assert found.threshold.minimum == 15
    both = entries | GENETIC
    assert judged_by("SELECT code, count(*) FROM event GROUP BY code", both, event__code="genetic").reference.endswith(
        "+genetic"
    )


def test_the_strictest_of_several_classes_holds() -> None:
    entries = GENETIC | {"sexual-health": {"minimum": 12, "largest_percent": 30, "source": "a test"}}
    sql = "SELECT sex, code, count(*) FROM person JOIN event USING (person_id) GROUP BY sex, code"
    found = judged_by(sql, entries, event__code="genetic", person__sex="sexual-health")
    assert (found.threshold.minimum, found.dominance.largest_percent) == (20, 30)
    assert found.reference == "nhse-sde@1+genetic+sexual-health"


LAX = {
    "genetic": {
        "minimum": 2, "rounding_base": 1, "largest_percent": 100, "two_largest_percent": 100, "p_percent": 0.1,
        "degrees_of_freedom": 1, "everybody_and_nobody": "hold", "source": "a test",
    }
}  # fmt: skip
ORDER = (RuleAction.NONE, RuleAction.HOLD, RuleAction.SUPPRESS)


@pytest.mark.parametrize("name", PACKS)
def test_a_class_never_makes_a_pack_laxer(name: str) -> None:
    ordinary = pack(LAX, name)
    found = effective(ordinary, catalogue(event__code="genetic"), {"event": {"code"}})
    assert found.threshold == ordinary.threshold
    assert found.rounding == ordinary.rounding
    for field in ("largest_percent", "two_largest_percent"):
        before, after = getattr(ordinary.dominance, field), getattr(found.dominance, field)
        assert after is not None and (before is None or after <= before)
    assert (found.dominance.p_percent or 0) >= (ordinary.dominance.p_percent or 0)
    assert found.degrees_of_freedom == ordinary.degrees_of_freedom
    for field in ("everybody", "nobody"):
        before, after = getattr(ordinary.class_disclosure, field), getattr(found.class_disclosure, field)
        assert ORDER.index(after) >= ORDER.index(before)


def test_a_pack_that_rounds_nothing_rounds_where_a_class_asks_for_it() -> None:
    found = effective(pack(GENETIC, "ess-net"), catalogue(event__code="genetic"), {"event": {"code"}})
    assert (found.rounding.method, found.rounding.base) == ("nearest", 10)


def test_the_result_names_the_class_and_why(tmp_path: Path) -> None:
    population.write(tmp_path / "small.duckdb")
    kernel = Kernel(catalogue(event__code="genetic"), gates.agreement(), pack(GENETIC))
    gate = gates.near_gate(tmp_path / "small.duckdb", tmp_path, kernel)
    answer = gate.answer("SELECT code, count(DISTINCT person_id) AS n FROM event GROUP BY code")
    gate.close()
    assert answer.verdict == "released" and answer.table is not None
    assert all(
        number % 10 == 0 and number >= 20 for number in answer.table.column("n").to_pylist() if number is not None
    )
    (finding,) = [finding for finding in answer.findings if finding.rule == "sensitivity"]
    assert finding.message.startswith("event.code is genetic data: 20 persons behind each cell")
    assert finding.clause == "nhse-sde@1+genetic"


def test_an_unknown_class_in_a_pack_or_a_catalogue_is_told_with_the_nearest() -> None:
    text = (PACKS_FOLDER / "sdc-default.yaml").read_text(encoding="utf-8").replace("  genetic:", "  genetc:")
    with pytest.raises(DocumentError, match="did you mean 'genetic'"):
        parse_document(text, RulePack, name="p.yaml")


def test_the_default_pack_asks_more_for_genetic_data() -> None:
    found = effective(read_pack("sdc-default"), catalogue(event__code="genetic"), {"event": {"code"}})
    assert found.threshold.minimum > read_pack("sdc-default").threshold.minimum
