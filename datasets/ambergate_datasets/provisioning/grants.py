"""What an agreement grants, resolved against the catalogue. Everything that is wrong is said at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from ambergate_datasets.provisioning.derivations import derivation_problem, fits_record_key
from ambergate_policies.agreement import Agreement, TableGrant
from ambergate_policies.catalogue import Catalogue, Colour, Column, ColumnType, OptOutPolicy, Role, Table
from ambergate_policies.errors import UserError

TYPE_1 = "type-1"
NATIONAL = "national"


@dataclass(frozen=True, slots=True)
class GrantedTable:
    """One table of the project: its name and columns as the catalogue spells them, and the rows that belong."""

    name: str
    table: Table
    grant: TableGrant
    columns: dict[str, Column]
    opt_out_reasons: tuple[str, ...]

    @property
    def is_person(self) -> bool:
        return self.table.kind == "person"


def resolve_grants(agreement: Agreement, catalogue: Catalogue, *, on: date) -> tuple[GrantedTable, ...]:
    """The granted tables. Raises UserError naming each clause that does not fit the catalogue."""
    problems = list(_agreement_problems(agreement, catalogue, on))
    if not problems:
        granted: list[GrantedTable] = []
        for grant in agreement.data.tables:
            if grant.table not in catalogue.tables:
                problems.append(f"clause {grant.clause}: unknown table {_guess(grant.table, catalogue.tables)}")
                continue
            problems += _table_problems(grant, catalogue.tables[grant.table])
            granted.append(_granted(grant, catalogue))
        problems += _opt_out_problems(agreement, catalogue, granted)
    if problems:
        raise UserError("\n".join(f"agreement {agreement.agreement}: {problem}" for problem in problems))
    return tuple(granted)


def _agreement_problems(agreement: Agreement, catalogue: Catalogue, on: date) -> Iterable[str]:
    if agreement.suspended:
        yield "it is suspended; nothing is provisioned under it"
    if agreement.terms.end < on:
        yield f"it ended on {agreement.terms.end.isoformat()}; nothing is provisioned under it"
    if agreement.data.catalogue != catalogue.catalogue:
        yield f"it grants data of the catalogue {agreement.data.catalogue!r}, not of {catalogue.catalogue!r}"


def _granted(grant: TableGrant, catalogue: Catalogue) -> GrantedTable:
    table = catalogue.tables[grant.table]
    columns = {n: table.columns[n] for n in grant.columns if n in table.columns and n != table.owner}
    reasons = _reasons(catalogue.sources[table.source].opt_out) if table.kind == "person" else ()
    return GrantedTable(grant.table, table, grant, columns, reasons)


def _reasons(policy: OptOutPolicy) -> tuple[str, ...]:
    return tuple(reason for reason, applies in ((TYPE_1, policy.type_1), (NATIONAL, policy.national)) if applies)


def _table_problems(grant: TableGrant, table: Table) -> Iterable[str]:
    where = f"clause {grant.clause}: table {grant.table!r}:"
    for name in grant.columns:
        if name == table.owner:
            continue  # every person table has it anyway
        if name not in table.columns:
            yield f"{where} unknown column {_guess(name, table.project_columns())}"
        elif problem := _column_problem(name, table.columns[name], table):
            yield f"{where} {problem}"
    yield from (f"{where} {problem}" for problem in _restriction_problems(grant, table))


def _column_problem(name: str, column: Column, table: Table) -> str | None:
    if column.role is Role.IDENTIFIER or column.colour is Colour.RED:
        return f"column {name!r} identifies people and never reaches a project"
    if column.role is Role.RECORD and not fits_record_key(column):
        return f"column {name!r} is a record key: declare its type BIGINT or VARCHAR in the catalogue"
    return derivation_problem(name, column, table)


def _restriction_problems(grant: TableGrant, table: Table) -> Iterable[str]:
    """The kernel filters by period and cohort once more, so their columns have to be in the project."""
    if table.kind == "reference" and (grant.period or grant.cohort):
        yield "a reference table has no period and no cohort"
        return
    for what, restriction in (("period", grant.period), ("cohort", grant.cohort)):
        if restriction is not None and restriction.column not in grant.columns:
            yield f"the {what}'s column is not among the granted ones: {_guess(restriction.column, grant.columns)}"
    if grant.period is not None:
        column = table.columns.get(grant.period.column)
        if column is not None and column.type not in {ColumnType.DATE, ColumnType.TIMESTAMP}:
            yield f"the period's column {grant.period.column!r} is no date"


def _opt_out_problems(agreement: Agreement, catalogue: Catalogue, granted: list[GrantedTable]) -> Iterable[str]:
    """The agreement, the sources' policies and the declared lists must tell one story, for it is published."""
    applying = [table for table in granted if table.opt_out_reasons]
    if applying and catalogue.objections is None:
        yield (
            f"objections apply to {', '.join(repr(t.name) for t in applying)}, "
            "but the catalogue declares no `objections` lists"
        )
    if applying and not agreement.law.opt_outs_applied:
        yield f"it says that no opt-outs are applied, but they apply to {applying[0].name!r} by its source's policy"
    if granted and not applying and agreement.law.opt_outs_applied:
        yield "it says that opt-outs are applied, but no granted table's source has a policy that applies one"


def _guess(name: str, known: Iterable[str]) -> str:
    names = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), names, n=3)
    hint = "; did you mean " + " or ".join(repr(names[c]) for c in close) + "?" if close else ""
    return f"{name!r}{hint}"
