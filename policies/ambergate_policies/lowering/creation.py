"""CREATE TABLE and DROP TABLE as they are written: the forms that are understood, and names that can be given."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from ambergate_policies.catalogue import Catalogue
from ambergate_policies.cohorts import MAX_TABLES, Cohorts
from ambergate_policies.lowering.outputs import given
from ambergate_policies.lowering.text import Reading
from ambergate_policies.names import is_name

_CREATE = frozenset({"this", "kind", "expression", "replace", "exists"})
_DROP = frozenset({"this", "tables", "kind", "exists"})
_HOW = "CREATE [OR REPLACE] TABLE name AS SELECT person_id, ... keeps rows of persons inside, under a name"


@dataclass(frozen=True, slots=True)
class Creation:
    """A CREATE TABLE as it was written. `body` is its SELECT."""

    name: str
    body: exp.Expr
    node: exp.Expr
    replace: bool
    if_absent: bool


@dataclass(frozen=True, slots=True)
class Removal:
    """A DROP TABLE as it was written."""

    name: str
    node: exp.Expr
    if_present: bool


def statement_of(reading: Reading) -> Creation | Removal | None:
    """The CREATE or DROP that a text is; None where it is something else. Refuses every other form of them."""
    tree = reading.tree
    if isinstance(tree, exp.Create):
        return _creation(reading, tree)
    if isinstance(tree, exp.Drop):
        return _removal(reading, tree)
    return None


def _creation(reading: Reading, tree: exp.Create) -> Creation:
    extra = sorted(set(given(tree)) - _CREATE)
    if str(tree.args.get("kind")).upper() != "TABLE" or tree.args.get("expression") is None or extra:
        raise reading.refuse("statement", "this kind of CREATE is not possible here", tree.this, hint=_HOW)
    if tree.args.get("replace") and tree.args.get("exists"):
        message = "OR REPLACE and IF NOT EXISTS contradict each other"
        raise reading.refuse("statement", message, tree.this, hint="write one of them")
    return Creation(
        _name(reading, tree.this),
        _body(tree.args["expression"]),
        tree.this,
        replace=bool(tree.args.get("replace")),
        if_absent=bool(tree.args.get("exists")),
    )


def _removal(reading: Reading, tree: exp.Drop) -> Removal:
    # sqlglot keeps one table or several, by version, in `this` or in `tables`
    tables = [tree.this] if tree.args.get("this") is not None else list(tree.args.get("tables") or ())
    if str(tree.args.get("kind")).upper() != "TABLE" or set(given(tree)) - _DROP or len(tables) != 1:
        hint = "DROP TABLE [IF EXISTS] name, one table at a time"
        raise reading.refuse(
            "statement", "this kind of DROP is not possible here", tables[0] if tables else tree, hint=hint
        )
    return Removal(_name(reading, tables[0]), tables[0], if_present=bool(tree.args.get("exists")))


def _name(reading: Reading, node: exp.Expr) -> str:
    plain = (
        isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier) and not set(given(node)) - {"this", "db"}
    )
    if not plain or (node.args.get("db") is not None and node.text("db").lower() != "main"):
        message = "only the name of one table can stand here"
        raise reading.refuse("statement", message, node, hint=_HOW)
    if not is_name(node.name):
        hint = "letters, digits and underscores, beginning with a letter, 63 at most"
        raise reading.refuse("statement", "this cannot be the name of a table", node, hint=hint)
    return node.name


def _body(node: exp.Expr) -> exp.Expr:
    """The SELECT without brackets around it. VALUES alone are all their columns."""
    while isinstance(node, exp.Subquery) and set(given(node)) == {"this"}:
        node = node.this
    if isinstance(node, exp.Values):
        return exp.Select(expressions=[exp.Star()], from_=exp.From(this=node))
    return node


def check_name(creation: Creation, reading: Reading, catalogue: Catalogue, cohorts: Cohorts) -> None:
    """Refuses a name that something else has, and a table too many."""
    word = creation.name.lower()
    if word in {name.lower() for name in catalogue.tables}:
        message = f"{creation.name!r} is the name of a table of the data centre"
        raise reading.refuse("statement", message, creation.node, hint="choose a name of your own")
    here = cohorts.named(word)
    if here is not None and not creation.replace and not creation.if_absent:
        message = f"there is a cohort table {here.name!r} already"
        raise reading.refuse("statement", message, creation.node, hint=f"CREATE OR REPLACE TABLE {here.name} AS ...")
    if here is None and len(cohorts.current) >= MAX_TABLES:
        message = f"a project has at most {MAX_TABLES} cohort tables"
        raise reading.refuse("size", message, creation.node, hint="DROP TABLE those that are no longer needed")


def dropped(reading: Reading, removal: Removal, catalogue: Catalogue, cohorts: Cohorts) -> str | None:
    """The id of the cohort table that a DROP is about; None where there is none, which only IF EXISTS allows."""
    found = cohorts.named(removal.name)
    if found is None and removal.name.lower() in {name.lower() for name in catalogue.tables}:
        message = f"{removal.name!r} is a table of the data centre: only cohort tables can be dropped"
        raise reading.refuse("statement", message, removal.node, hint="%tables shows which are cohort tables")
    if found is None and not removal.if_present:
        known = ", ".join(sorted(cohorts.names())) or "none"
        message = f"there is no cohort table {removal.name!r}"
        raise reading.refuse("unknown-table", message, removal.node, hint=f"cohort tables of this project: {known}")
    return found.id if found is not None else None
