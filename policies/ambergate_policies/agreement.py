"""The data sharing agreement as a typed document: who may compute what, from which rows, for what, until when.

Fields follow the NHS data sharing agreement (register of approved data releases). Every data entry names the
`clause` that grants it, so that a refusal can name the clause that would have to change.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from ambergate_policies.documents import Document, read_document
from ambergate_policies.names import AccountField, NameField, SlugField


class Statistic(StrEnum):
    """What may be computed under an agreement."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    PROPORTION = "proportion"
    SPREAD = "spread"  # standard deviation and variance
    PERCENTILE = "percentile"


class NamedPerson(Document):
    """A person who may use the project. `account` is the hub's user name."""

    name: str
    account: AccountField
    role: str = "researcher"
    trained_on: date


class Organisation(Document):
    name: str
    sector: Literal["academic", "health-service", "government", "charity", "commercial"]


class Parties(Document):
    controllers: tuple[str, ...] = Field(min_length=1)
    processors: tuple[str, ...] = ()
    organisation: Organisation
    sponsor: str | None = None
    funder: str | None = None
    persons: tuple[NamedPerson, ...] = Field(min_length=1)


class PurposeCategory(StrEnum):
    """Purposes that an agreement can have. Solely commercial use, marketing and insurance do not exist here."""

    RESEARCH = "research"
    PLANNING = "planning"
    AUDIT = "audit"
    SURVEILLANCE = "public-health-surveillance"


class Purpose(Document):
    category: PurposeCategory
    objective: str
    processing: str
    expected_outputs: str
    expected_benefit: str


class Period(Document):
    """Rows outside are not provisioned, and the kernel filters them again under every query."""

    column: NameField
    first: date = Field(description="first day included")
    last: date = Field(description="last day included")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last < self.first:
            raise ValueError("`last` lies before `first`")
        return self


class Cohort(Document):
    """Rows are restricted to these values of one column."""

    column: NameField
    values: tuple[str | int, ...] = Field(min_length=1)


class TableGrant(Document):
    """One table of the catalogue and the columns of it that are granted."""

    table: NameField
    clause: str
    reason: str = Field(description="why this table is needed at all: data minimisation")
    columns: tuple[NameField, ...] = Field(min_length=1)
    period: Period | None = None
    cohort: Cohort | None = None


class Data(Document):
    catalogue: SlugField
    years: str = ""
    linkage: bool = True
    tables: tuple[TableGrant, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_table_once(self) -> Self:
        names = [grant.table.lower() for grant in self.tables]
        if len(names) != len(set(names)):
            raise ValueError("a table is granted twice")
        return self


class Law(Document):
    statutory_basis: str
    gdpr_article_6: str
    gdpr_article_9: str
    common_law: Literal["consent", "section-251", "statutory-exemption", "none"]
    ethics_reference: str | None = None
    opt_outs_applied: bool
    opt_outs_reason: str

    @model_validator(mode="after")
    def _opt_outs_not_waived_lightly(self) -> Self:
        if not self.opt_outs_applied and self.common_law == "section-251":
            raise ValueError("under section 251 the national data opt-out applies")
        return self


class Commercial(Document):
    """Commercial terms, where any exist: what is paid and what is promised back to the public."""

    commercial: bool = False
    paid: str | None = None
    promised_back: str | None = None

    @model_validator(mode="after")
    def _benefit_returned(self) -> Self:
        if self.commercial and not self.promised_back:
            raise ValueError("a commercial agreement must say what is promised back (`promised_back`)")
        return self


class Terms(Document):
    start: date
    end: date
    review: date | None = None
    clause: str = "6"
    territory: str = "England and Wales"
    sub_licensing: bool = False
    commercial: Commercial = Commercial()
    rule_pack: str
    statistics: tuple[Statistic, ...] = tuple(Statistic)
    checkers_required: Literal[1, 2] = 1
    special_conditions: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end < self.start:
            raise ValueError("`end` lies before `start`")
        return self

    def in_force(self, on: date) -> bool:
        return self.start <= on <= self.end


class Agreement(Document):
    """One data sharing agreement, which is one project."""

    agreement: str = Field(pattern=r"^[A-Z0-9][A-Z0-9-]{2,40}$")
    version: str
    project: SlugField
    title: str
    lay_summary: str
    parties: Parties
    purpose: Purpose
    data: Data
    law: Law
    terms: Terms
    suspended: bool = False

    def person(self, account: str) -> NamedPerson | None:
        """The named person behind an account, or None: nobody else may use the project."""
        return next((person for person in self.parties.persons if person.account == account), None)


def read_agreement(path: Path) -> Agreement:
    """Read an agreement file. Raises DocumentError with line numbers."""
    return read_document(path, Agreement)
