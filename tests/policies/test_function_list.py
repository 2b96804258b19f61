"""The list of functions is the engine's catalogue, with a class each; the parser's nodes are understood or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import duckdb
import pytest
import sqlglot
from sqlglot import exp
from tests.policies import function_list
from tests.policies.test_scalars import REFUSED

from ambergate_policies import functions
from ambergate_policies.algebra.expressions import Expression
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.functions import ALIASES, ALLOWED, ENTRIES, REASONS, Class, Function
from ambergate_policies.lowering.calls import UNKNOWN, call_of
from ambergate_policies.lowering.expressions import UNDERSTOOD, Scalars
from ambergate_policies.lowering.functions import REWRITTEN
from ambergate_policies.lowering.text import Reading
from ambergate_policies.prepared import PreparedBoundary
from ambergate_policies.verdict import Finding, QueryRefused

Prepare = Callable[[str], PreparedBoundary]
Refusal = Callable[[str], Finding]


def test_every_function_of_the_engine_has_a_class() -> None:
    assert function_list.unclassified() == []


def test_no_function_is_listed_that_the_engine_has_not() -> None:
    assert function_list.vanished() == []


def test_the_list_is_named_after_the_engine() -> None:
    assert f"duckdb-{'.'.join(duckdb.__version__.split('.')[:2])}.tsv" == functions.LIST.name


@pytest.mark.parametrize(
    "line",
    [
        "x\tscalar\tforbidden\t\t\t",
        "x\tscalar\tforbidden\t\tno such reason\t",
        "x\tscalar\ttotal\ttext -> text\tio\t",
        "x\tscalar\twonderful\t\t\t",
    ],
)
def test_a_row_without_a_class_or_reason_is_an_error(line: str) -> None:
    with pytest.raises(ValueError):
        functions.read(f"name\ttype\tclass\tsignature\treason\tinstead\n{line}\n")


def test_a_function_stands_once() -> None:
    row = "x\tscalar\tforbidden\t\tio\t\n"
    with pytest.raises(ValueError, match="twice"):
        functions.read(f"name\ttype\tclass\tsignature\treason\tinstead\n{row}{row}")


def test_every_alias_leads_to_a_function_of_the_list() -> None:
    names = {entry.name for entry in ENTRIES}
    assert {of for of in ALIASES.values() if of not in names} == set()
    assert not set(ALIASES) & set(ALLOWED)


def test_every_alias_of_the_engine_for_an_allowed_function_is_understood() -> None:
    known = {*ALLOWED, *ALIASES, *REWRITTEN, *(entry.name for entry in ENTRIES if entry.cls is Class.OPERATOR)}
    aliases = {(name, of) for (name, kind), of in function_list.offered().items() if of in ALLOWED and kind == "scalar"}
    assert {name for name, _ in aliases if name not in known} <= {"aggregate", "list_slice"}


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.cls is Class.REWRITTEN], ids=lambda e: e.name)
def test_what_is_rewritten_has_a_rewriting(entry: functions.Entry) -> None:
    assert entry.name in REWRITTEN


SAMPLES = {
    Kind.INT: "imd", Kind.NUM: "bmi", Kind.TEXT: "region", Kind.DATE: "registered_on", Kind.TIME: "arrived",
    Kind.BOOL: "smoker", Kind.SPAN: "age(died_on, registered_on)",
}  # fmt: skip
CONSTANTS = {
    "strftime": "'%Y'", "strptime": "'%Y'", "try_strptime": "'%Y'", "time_bucket": "INTERVAL 1 MONTH",
    "len": None, "list_extract": None, "list_contains": None, "contains": None,
}  # fmt: skip


def call_text(name: str, function: Function) -> str:
    """A call of a function with as many arguments as it needs."""
    arguments = ["'year'"] if function.unit else []
    needed = len(function.parameters) - function.optional
    for index, parameter in enumerate(function.parameters[:needed]):
        if index in function.constant:
            number = "2" if Kind.INT in parameter else "INTERVAL 1 MONTH" if Kind.SPAN in parameter else "'a'"
            arguments.append(CONSTANTS.get(function.name) or number)
        elif Kind.TEXTS in parameter:
            arguments.append("string_split(region, 'a')")
        else:
            arguments.append(SAMPLES[sorted(parameter - {Kind.NULL}, key=list(SAMPLES).index)[0]])
    return f"{name}({', '.join(arguments)})"


NAMES = sorted({*ALLOWED, *(alias for alias, of in ALIASES.items() if of in ALLOWED)})


@pytest.mark.parametrize("name", NAMES)
def test_the_parser_reaches_every_allowed_function_by_its_name(prepare: Prepare, name: str) -> None:
    """sqlglot has a node class of its own for many: each must lead back to the function that was written."""
    function = ALLOWED[ALIASES.get(name, name)]
    text = call_text(name, function).replace("arrived", "registered_on::TIMESTAMP")
    node = sqlglot.parse_one(f"SELECT {text}", read="duckdb").expressions[0]
    assert isinstance(node, exp.Func)
    found, _, _ = call_of(node)
    assert found != UNKNOWN and ALIASES.get(found, found) in {function.name, *SAME_CALL.get(function.name, ())}
    text = f"len({text})" if function.result is Kind.TEXTS else text
    prepare(f"SELECT count(*) FROM person WHERE ({text}) IS NULL")


SAME_CALL = {
    "log10": {"log"}, "log2": {"log"}, "list_extract": {"element_at"}, "len": {"length"}, "strlen": {"length"},
    "list_contains": {"array_contains"}, "to_days": {"to_days"}, "round_even": {"round_even"},
}  # fmt: skip
"""Nodes that stand for several functions and are told apart by their arguments."""

AGGREGATES = sorted(
    {(entry.name) for entry in ENTRIES if entry.cls in (Class.STATISTIC, Class.EXTREME)} - {"count_star"}
)


@pytest.mark.parametrize("name", sorted({*AGGREGATES, *(a for a, of in ALIASES.items() if of in AGGREGATES)}))
def test_every_aggregate_is_understood_or_refused_with_what_to_use(prepare: Prepare, name: str) -> None:
    arguments = {"corr": 2, "covar_pop": 2, "covar_samp": 2, "quantile_cont": 2, "weighted_avg": 2, "wavg": 2}
    two = name in arguments or name.startswith(("regr_", "arg", "max_by", "min_by"))
    second = ", 0.5" if name == "quantile_cont" else ", weight" if two else ""
    try:
        prepare(f"SELECT {name}(bmi{second}) FROM person")
    except QueryRefused as refused:
        (finding,) = refused.findings
        assert finding.hint, finding
        assert "no function" not in finding.message


@pytest.mark.parametrize(
    "name", sorted({entry.name for entry in ENTRIES if entry.cls is Class.FORBIDDEN and entry.type == "scalar"})
)
def test_a_forbidden_function_is_refused_and_says_why(name: str) -> None:
    if not name.replace("_", "").isalnum() or name.startswith("__"):
        return
    message, hint = functions.why_not(name)
    assert any(reason in message for reason in REASONS.values()) and hint


class NoLeaves(Scalars):
    """Scalars in which nothing has a meaning of its own."""

    def leaf(self, node: exp.Expr) -> Expression | None:
        return None


def node_classes(base: type[exp.Expr] = exp.Expr) -> Iterator[type[exp.Expr]]:
    for below in base.__subclasses__():
        yield below
        yield from node_classes(below)


def test_every_node_of_the_parser_is_understood_or_refused() -> None:
    """A node class that no lowering names is refused, whatever the parser's next version adds."""
    scalars = NoLeaves(Reading("SELECT 1", date(2026, 11, 22)))
    unknown = sorted(set(node_classes()) - UNDERSTOOD, key=lambda found: found.__name__)
    assert len(unknown) > 800
    for found in unknown:
        try:
            node = found()
        except TypeError:  # a trait, which no tree holds
            continue
        with pytest.raises(QueryRefused):
            scalars.whole(node)


def test_what_is_understood_is_a_short_list() -> None:
    assert 100 < len(UNDERSTOOD) < 200
    assert not UNDERSTOOD & {
        exp.Command,
        exp.Columns,
        exp.Explode,
        exp.Rand,
        exp.Lambda,
        exp.Placeholder,
        exp.Parameter,
    }
    assert len(REFUSED) >= 30
