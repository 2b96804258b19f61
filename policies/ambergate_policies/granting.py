"""Is what one step of a query reads granted together: for the purpose of this session, and linked person by person?

Whatever stands below one boundary is about the same persons: a join, a membership (IN, EXISTS), a UNION or a subquery
of a subquery all let what one table says of a person meet what another says. So the person tables of a boundary are all
linked with each other. Two boundaries of one query meet only as cleared tables, and link nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from ambergate_policies.agreement import Agreement, Purpose, TableGrant


@dataclass(frozen=True, slots=True)
class Use:
    """One scan of a step: the kernel's alias for it, and the stored names of the tables that its rows are made from,
    which is one table, or all that a cohort table was made from. `person`: whether its rows belong to persons."""

    source: str
    tables: tuple[str, ...]
    person: bool


@dataclass(frozen=True, slots=True)
class Denial:
    """What is not granted. `source`: the scan that it is about."""

    rule: str
    source: str
    message: str
    hint: str
    clause: str


def denial(agreement: Agreement, purpose: Purpose, uses: Sequence[Use]) -> Denial | None:
    """The first thing that a step may not do with the tables it reads; None when everything is granted."""
    grants = {grant.table: grant for grant in agreement.data.tables}
    return _of_purpose(grants, purpose, uses) or _of_linkage(agreement, grants, uses)


def _of_purpose(grants: Mapping[str, TableGrant], purpose: Purpose, uses: Sequence[Use]) -> Denial | None:
    for use in uses:
        for table in use.tables:
            grant = grants.get(table)
            if grant is not None and not grant.serves(purpose.id):
                message = f"the table {table!r} is granted for {_listed(grant.purposes)}, not for {purpose.id!r}"
                hint = "choose the purpose with %purpose, if your work has changed"
                return Denial("purpose", use.source, message, hint, grant.clause)
    return None


def _of_linkage(agreement: Agreement, grants: Mapping[str, TableGrant], uses: Sequence[Use]) -> Denial | None:
    data = agreement.data
    clause = data.links.clause if data.links is not None and data.linkage else "data"
    seen = [(table, use) for use in uses if use.person for table in use.tables if table in grants]
    for (one, _), (other, use) in combinations(seen, 2):
        if one != other and not _may_be_linked(agreement, one, other):
            message = f"the agreement does not permit linking {one!r} with {other!r}"
            return Denial("linkage", use.source, message, _hint(agreement, other), clause)
    return None


def _may_be_linked(agreement: Agreement, one: str, other: str) -> bool:
    data = agreement.data
    return data.linkage and (data.links is None or data.links.permits(one, other))


def _hint(agreement: Agreement, table: str) -> str:
    others = [grant.table for grant in agreement.data.tables if grant.table != table]
    linkable = [other for other in others if _may_be_linked(agreement, table, other)]
    if not linkable:
        return f"{table} may be used alone only"
    return f"{table} may be linked with: {', '.join(linkable)}"


def _listed(purposes: Sequence[str]) -> str:
    word = "the purpose" if len(purposes) == 1 else "the purposes"
    return f"{word} {', '.join(repr(each) for each in purposes)}"
