"""Agreements as pages speak of them: their standing today, and names that people outside the data centre know."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from ambergate_datasets.state import StateFolder
from ambergate_policies.agreement import Agreement, TableGrant
from ambergate_policies.catalogue import Catalogue, read_catalogue
from ambergate_policies.errors import UserError

IN_FORCE = "in force"

COMMON_LAW = {
    "consent": "Consent of the people concerned",
    "section-251": "Support under section 251 of the NHS Act 2006",
    "statutory-exemption": "A statutory exemption",
    "none": "No confidential information of patients is used",
}
"""The routes around the common law duty of confidence, in words."""


def standing(agreement: Agreement | None, today: date) -> str:
    """`in force`, or why it is not."""
    if agreement is None:
        return "unreadable"
    if agreement.suspended:
        return "suspended"
    if today < agreement.terms.start:
        return "not yet in force"
    return IN_FORCE if today <= agreement.terms.end else "ended"


def grants_used(agreement: Agreement | None, tables: Collection[str]) -> list[TableGrant]:
    """The agreement's grants of these tables (lower case)."""
    if agreement is None:
        return []
    return [grant for grant in agreement.data.tables if grant.table.lower() in tables]


def data_sets(state: StateFolder, agreement: Agreement) -> dict[str, list[str]]:
    """The granted tables by their source as the public knows it; unnamed where no catalogue can be read."""
    catalogue = _catalogue(state, agreement)
    found: dict[str, list[str]] = {}
    for grant in agreement.data.tables:
        table = catalogue.tables.get(grant.table) if catalogue is not None else None
        source = catalogue.sources[table.source].title if catalogue is not None and table is not None else ""
        found.setdefault(source, []).append(grant.table)
    return found


def table_titles(state: StateFolder, agreement: Agreement) -> dict[str, str]:
    """What each granted table holds, by its name; only tables whose catalogue entry says so."""
    catalogue = _catalogue(state, agreement)
    return {name: table.title for name, table in catalogue.tables.items() if table.title} if catalogue else {}


def _catalogue(state: StateFolder, agreement: Agreement) -> Catalogue | None:
    try:
        return read_catalogue(state.project(agreement.project) / "catalogue.yaml")
    except UserError:
        return None
