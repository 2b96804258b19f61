"""Every rule pack on every count from 0 to 1000, against formulas written anew from the published rules."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from ambergate_policies.algebra.expressions import Measure
from ambergate_policies.clearing import clear_cell
from ambergate_policies.packs import PACKS_FOLDER, RulePack, read_pack
from ambergate_policies.rules import RULES, judge
from ambergate_policies.statistics import Cell
from ambergate_policies.verdict import Decision

PACKS = sorted(path.stem for path in PACKS_FOLDER.glob("*.yaml"))


def nearest_five(number: int) -> int:
    """By hand: the multiple of five that is nearest, no ties possible between whole numbers and fives."""
    return min((abs(number - five), five) for five in range(0, number + 6, 5))[1]


PUBLISHED: dict[str, Callable[[int], int | None]] = {
    "nhs-hes": lambda n: None if 1 <= n <= 7 else nearest_five(n),
    "nhse-sde": lambda n: None if n <= 9 else nearest_five(n),
    "opensafely": lambda n: None if n <= 7 else nearest_five(n),
    "midpoint6": lambda n: None if 1 <= n <= 5 else 0 if n == 0 else math.ceil(n / 6) * 6 - 3,
    "sdc-default": lambda n: None if n <= 9 else nearest_five(n),
    "ess-net": lambda n: None if n <= 9 else n,
    "strict-registry": lambda n: None if n <= 4 else n,
}


def counted(persons: int, *, complement: int | None = None, contributing: int | None = None) -> Cell:
    """A count of persons in a group of so many."""
    inside = persons if contributing is None else contributing
    return Cell(Measure.PERSONS, persons, persons, inside, complement, persons, inside, None, 0.0, 0.0, 0.0, False)


def total(*contributions: float, measure: Measure = Measure.TOTAL) -> Cell:
    """A magnitude with these contributions, one for each person."""
    ordered = [*sorted((abs(value) for value in contributions), reverse=True), 0.0, 0.0]
    number, nonzero = len(contributions), sum(1 for value in contributions if value)
    return Cell(
        measure, number, number, nonzero, None, number, nonzero, sum(contributions), sum(ordered), ordered[0],
        ordered[1], False,
    )  # fmt: skip


def test_every_pack_has_a_published_formula_here() -> None:
    assert sorted(PUBLISHED) == PACKS


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_shows_of_every_count_what_its_publication_says(name: str) -> None:
    pack = read_pack(name)
    for number in range(1001):
        assert clear_cell(counted(number), pack).value == PUBLISHED[name](number), number


@pytest.mark.parametrize("name", PACKS)
def test_nobody_is_as_hidden_as_few_unless_the_publication_shows_zeros(name: str) -> None:
    pack = read_pack(name)
    one, nobody = clear_cell(counted(100, contributing=1), pack), clear_cell(counted(100, contributing=0), pack)
    assert (nobody == one) == (PUBLISHED[name](0) is None)
    assert (pack.threshold.zeros == "show") == (PUBLISHED[name](0) == 0)


@pytest.mark.parametrize("name", PACKS)
def test_a_small_complement_is_suppressed_like_a_small_count(name: str) -> None:
    pack = read_pack(name)
    for left_out in range(1, 30):
        cell = counted(1000, contributing=1000 - left_out, complement=left_out)
        assert ("threshold" in fired(cell, pack)) == (left_out < pack.threshold.minimum), left_out


@pytest.mark.parametrize("name", PACKS)
def test_a_group_of_few_persons_shows_nothing_at_all(name: str) -> None:
    pack = read_pack(name)
    for persons in range(1, pack.threshold.minimum):
        for measure in Measure:
            cell = Cell(measure, persons, persons, persons, None, 999, 999, 5.0, 5.0, 0.1, 0.1, False)
            assert clear_cell(cell, pack).value is None


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_says_where_its_rules_are_published(name: str) -> None:
    pack = read_pack(name)
    assert pack.pack == name
    assert pack.source
    assert pack.reference == f"{name}@{pack.version}"


def fired(cell: Cell, pack: RulePack) -> set[str]:
    return {finding.rule for finding in judge(cell, pack)}


@pytest.mark.parametrize(
    ("contributions", "fires"),
    [
        ([100.0] + [1.0] * 99, True),  # the largest holds half
        ([98.0] + [1.0] * 99, False),
        ([450.0, 450.0] + [1.0] * 100, True),  # the two largest hold ninety per cent
        ([440.0, 440.0] + [1.0] * 100, False),
        ([10.0] * 20, False),
        ([-100.0] + [1.0] * 99, True),  # absolute values
        ([0.0] * 50, False),
    ],
)
def test_dominance_by_the_handbooks_numbers(contributions: list[float], fires: bool) -> None:
    assert ("dominance" in fired(total(*contributions), read_pack("sdc-default"))) == fires


def test_the_p_percent_rule_fires_where_the_second_can_estimate_the_first() -> None:
    pack = read_pack("sdc-default")
    only_p = pack.model_copy(
        update={"dominance": pack.dominance.model_copy(update={"largest_percent": None, "two_largest_percent": None})}
    )
    assert "dominance" in fired(total(1000.0, 500.0, *[99 / 18] * 18), only_p)  # 99 is less than 10% of 1000
    assert "dominance" not in fired(total(1000.0, 500.0, *[101 / 18] * 18), only_p)


@pytest.mark.parametrize("measure", [Measure.TOTAL, Measure.MEAN, Measure.DEVIATION, Measure.VARIANCE, Measure.MAXIMUM])
@pytest.mark.parametrize("name", PACKS)
def test_one_person_dominates_no_magnitude(name: str, measure: Measure) -> None:
    cell = clear_cell(total(*[1.0] * 50, 1e6, measure=measure), read_pack(name))
    assert cell.decision in (Decision.SUPPRESS, Decision.HOLD)


def _only(name: str) -> RulePack:
    """A pack whose threshold says nothing, so that the other rules are heard."""
    pack = read_pack(name)
    return pack.model_copy(update={"threshold": pack.threshold.model_copy(update={"minimum": 2, "zeros": "show"})})


@pytest.mark.parametrize(("persons", "fires"), [(2, True), (10, True), (11, False), (50, False)])
def test_a_spread_needs_ten_degrees_of_freedom(persons: int, fires: bool) -> None:
    found = fired(total(*[5.0] * persons, measure=Measure.DEVIATION), _only("nhs-hes"))
    assert ("degrees-of-freedom" in found) == fires


def test_class_disclosure_is_what_the_pack_says() -> None:
    everybody, nobody = counted(50, complement=0), counted(50, contributing=0, complement=50)
    assert "class-disclosure" in fired(everybody, _only("sdc-default"))
    assert "class-disclosure" in fired(nobody, _only("sdc-default"))
    assert "class-disclosure" in fired(everybody, _only("ess-net"))
    assert "class-disclosure" not in fired(nobody, _only("ess-net"))
    assert "class-disclosure" not in fired(everybody, _only("nhs-hes"))


def test_a_rule_that_fails_denies() -> None:
    broken = counted(50)
    object.__setattr__(broken, "persons", "not a number")
    found = list(judge(broken, read_pack("nhs-hes")))
    assert any(finding.action is Decision.SUPPRESS for finding in found)


def test_no_reason_holds_the_number_that_it_is_about() -> None:
    for name in PACKS:
        pack = read_pack(name)
        for persons in range(1, pack.threshold.minimum):
            same = {finding.reason for finding in judge(counted(persons), pack)}
            assert same == {finding.reason for finding in judge(counted(1), pack)}


def test_every_rule_has_an_id_of_its_own_and_a_source() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.source and rule.title for rule in RULES)


def test_what_the_threshold_suppresses_is_not_held_for_a_checker_who_might_release_it() -> None:
    cell = clear_cell(total(1000.0, 1.0, 1.0), read_pack("sdc-default"))
    assert (cell.decision, cell.value) == (Decision.SUPPRESS, None)
