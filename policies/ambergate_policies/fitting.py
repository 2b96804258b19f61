"""Does an agreement fit its catalogue? Every grant of what the catalogue does not have, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ambergate_policies.agreement import Agreement, TableGrant
from ambergate_policies.catalogue import Catalogue, ColumnType, Role, Table
from ambergate_policies.documents import Location, Problem, closest, located
from ambergate_policies.errors import UserError
from ambergate_policies.packs import RulePack, read_pack


def mismatches(catalogue: Catalogue, agreement: Agreement) -> Iterator[Problem]:
    """What an agreement grants that its catalogue does not have, with the place in the agreement's document."""
    if agreement.data.catalogue != catalogue.catalogue:
        text = f"the agreement is over catalogue {agreement.data.catalogue!r}, not {catalogue.catalogue!r}"
        yield Problem(text, ("data", "catalogue"))
    for index, grant in enumerate(agreement.data.tables):
        where: Location = ("data", "tables", index)
        table = catalogue.tables.get(grant.table)
        if table is None:
            text = f"the catalogue has no table {grant.table!r}{closest(grant.table, catalogue.tables)}"
            yield Problem(f"clause {grant.clause}: {text}", (*where, "table"))
        else:
            yield from _of_columns(grant, table, where)
            yield from _of_row_filters(grant, table, where)
    yield from _of_links(catalogue, agreement)


def require_fit(path: Path, catalogue: Catalogue, agreement: Agreement) -> RulePack:
    """The rule pack of an agreement that was read from a file and fits its catalogue.

    Raises DocumentError with the file's line for everything that the catalogue, or the folder of packs, has not."""
    problems = list(mismatches(catalogue, agreement))
    try:
        pack = read_pack(agreement.terms.rule_pack)
    except UserError as error:
        raise located(path, [*problems, Problem(str(error), ("terms", "rule_pack"))]) from None
    if problems:
        raise located(path, problems)
    return pack


def _of_columns(grant: TableGrant, table: Table, where: Location) -> Iterator[Problem]:
    for place, name in enumerate(grant.columns):
        column = table.columns.get(name)
        at = (*where, "columns", place)
        if column is None:
            yield Problem(_no_column(grant, table, name), at)
        elif column.role is Role.IDENTIFIER:
            yield Problem(f"clause {grant.clause}: {grant.table}.{name} identifies people and cannot be granted", at)


def _of_row_filters(grant: TableGrant, table: Table, where: Location) -> Iterator[Problem]:
    filters = [(grant.period, "period"), (grant.cohort, "cohort")]
    for part, key in filters:
        if part is None:
            continue
        at = (*where, key, "column")
        column = table.columns.get(part.column)
        if column is None:
            yield Problem(_no_column(grant, table, part.column), at)
        elif column.role is Role.IDENTIFIER:
            yield Problem(f"clause {grant.clause}: {grant.table}.{part.column} identifies people", at)
        elif key == "period" and column.type not in (ColumnType.DATE, ColumnType.TIMESTAMP):
            text = f"clause {grant.clause}: a period needs a date; {grant.table}.{part.column} is {column.type.value}"
            yield Problem(text, at)


def _of_links(catalogue: Catalogue, agreement: Agreement) -> Iterator[Problem]:
    links = agreement.data.links
    for number, group in enumerate(links.permitted if links is not None else ()):
        for place, name in enumerate(group):
            table = catalogue.tables.get(name)
            if table is not None and table.owner is None:
                text = f"{name!r} is about nobody: reference tables need no permission to be linked"
                yield Problem(text, ("data", "links", "permitted", number, place))


def _no_column(grant: TableGrant, table: Table, name: str) -> str:
    return f"clause {grant.clause}: {grant.table} has no column {name!r}{closest(name, table.project_columns())}"
