"""What a cure may look at: the refused text, its tree where it has one, and what the agreement grants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Tokenizer

from ambergate_policies.agreement import Agreement
from ambergate_policies.catalogue import Catalogue, Column, Table
from ambergate_policies.verdict import Finding

_NAMES = frozenset({TokenType.VAR, TokenType.IDENTIFIER})


@dataclass(frozen=True, slots=True)
class Known:
    """A granted table under the name that the query gives it."""

    alias: str
    name: str
    table: Table
    granted: tuple[str, ...]
    keyed: bool = True

    @property
    def owner(self) -> str | None:
        """The person key as the query can write it; None for a reference table, or where a subquery drops it."""
        return f"{self.alias}.{self.table.owner}" if self.table.owner and self.keyed else None

    def seen_through(self, select: exp.Select, alias: str) -> Known:
        """The same table as a query around a subquery over it sees it."""
        names = {item.alias_or_name.lower() for item in select.expressions}
        if any(item.is_star for item in select.expressions):
            return replace(self, alias=alias)
        visible = tuple(name for name in self.granted if name.lower() in names)
        return replace(self, alias=alias, granted=visible, keyed=str(self.table.owner).lower() in names)

    def column(self, name: str) -> Column | None:
        """The granted column of that name."""
        found = next((each for each in self.granted if each.lower() == name.lower()), None)
        return self.table.columns.get(found) if found else None


@dataclass(frozen=True, slots=True)
class Question:
    """A refused query. `tree` is a copy of its own for each cure: change it and print it."""

    text: str
    finding: Finding
    catalogue: Catalogue
    agreement: Agreement

    @property
    def fragment(self) -> str:
        return self.finding.fragment or ""

    def tree(self) -> exp.Expr | None:
        """The statement, parsed afresh; None where it is not one valid statement."""
        try:
            found = [tree for tree in sqlglot.parse(self.text, read="duckdb") if tree is not None]
        except (SqlglotError, RecursionError, ValueError, TypeError, AttributeError, KeyError, IndexError):
            return None
        return found[0] if len(found) == 1 else None

    def select(self) -> exp.Select | None:
        """The outermost SELECT, parsed afresh."""
        tree = self.tree()
        while isinstance(tree, exp.Subquery):
            tree = tree.this
        return tree if isinstance(tree, exp.Select) else None

    def tokens(self) -> list[Token]:
        """The words of the text with their places; none where it cannot even be cut into words."""
        try:
            return list(Tokenizer(dialect="duckdb").tokenize(self.text))
        except (SqlglotError, RecursionError, ValueError):
            return []

    def printed(self, tree: exp.Expr) -> str:
        """A changed tree as SQL, on as many lines as the researcher's own."""
        lines = "\n" in self.text.strip()
        return str(tree.sql(dialect="duckdb", pretty=lines, normalize_functions="lower"))

    def replaced(self, start: int, end: int, new: str) -> str:
        """The text with a stretch of it written anew."""
        return self.text[:start] + new + self.text[end:]

    def renamed(self, word: str, new: str) -> str:
        """The text with every name `word` written as `new`."""
        text = self.text
        for token in reversed(self.tokens()):
            if token.token_type in _NAMES and token.text.lower() == word.lower():
                text = text[: token.start] + new + text[token.end + 1 :]
        return text

    def granted(self) -> Iterator[tuple[str, Table, tuple[str, ...]]]:
        """Every granted table: its name, its description, its granted columns."""
        for grant in self.agreement.data.tables:
            if (table := self.catalogue.tables.get(grant.table)) is not None:
                yield grant.table, table, grant.columns

    def tables(self, node: exp.Expr) -> list[Known]:
        """The granted tables of one SELECT's own FROM and joins, in the order of the text; a subquery or a part of
        WITH stands for the person table in it, with the columns that it lets through."""
        found = []
        for item in from_items(node):
            inner = _inner(node, item)
            if inner is not None:
                found += [known.seen_through(inner, item.alias_or_name) for known in self.tables(inner)[:1]]
                continue
            for name, table, columns in self.granted():
                if isinstance(item, exp.Table) and item.name.lower() == name.lower():
                    found.append(Known(item.alias_or_name, name, table, columns))
        return found


def from_items(select: exp.Expr) -> Iterator[exp.Expr]:
    """What stands in one SELECT's own FROM: tables and subqueries."""
    clause = select.args.get("from_")
    if clause is not None:
        yield clause.this
        yield from (join.this for join in clause.this.args.get("joins") or ())
    yield from (join.this for join in select.args.get("joins") or ())


def _inner(node: exp.Expr, item: exp.Expr) -> exp.Select | None:
    """The SELECT behind a subquery, or behind a name of the WITH in reach."""
    if isinstance(item, exp.Subquery):
        return item.this if isinstance(item.this, exp.Select) else None
    above: exp.Expr | None = node
    while above is not None and isinstance(item, exp.Table):
        clause = above.args.get("with_")
        for part in clause.expressions if clause is not None else ():
            if part.alias.lower() == item.name.lower() and isinstance(part.this, exp.Select) and part.this is not node:
                return part.this
        above = above.parent
    return None


def has_aggregate(node: exp.Expr) -> bool:
    """Whether a node aggregates by itself, outside windows and subqueries."""
    for found in node.find_all(exp.AggFunc):
        above = found.find_ancestor(exp.Window, exp.Subquery)
        if above is None or not _below(above, node):
            return True
    return False


def _below(node: exp.Expr, top: exp.Expr) -> bool:
    above: exp.Expr | None = node
    while above is not None:
        if above is top:
            return True
        above = above.parent
    return False


def conjuncts(node: exp.Expr) -> list[exp.Expr]:
    """The parts of a condition that are joined by AND."""
    if isinstance(node, exp.And):
        return [*conjuncts(node.this), *conjuncts(node.expression)]
    return conjuncts(node.this) if isinstance(node, exp.Paren) and isinstance(node.this, exp.And) else [node]


def with_condition(select: exp.Expr, key: str, parts: list[exp.Expr]) -> None:
    """Set WHERE or HAVING to the conjunction of some parts; without parts there is none."""
    kinds: dict[str, type[exp.Expr]] = {"where": exp.Where, "having": exp.Having}
    select.set(key, kinds[key](this=exp.and_(*parts, copy=False)) if parts else None)
