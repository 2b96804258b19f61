"""The data sharing agreement as a typed document: who may compute what, from which rows, for what, until when.

Fields follow the NHS data sharing agreement (register of approved data releases). Every field that the gate enforces
has a `clause`, so that a refusal can name the clause that would have to change. Who may ask is decided in
`authorisation`, which tables may be linked in `linking`, and whether an agreement fits its catalogue in `fitting`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ambergate_policies.documents import Document, Problem, closest, read_document, report
from ambergate_policies.names import AccountField, NameField, SlugField
from ambergate_policies.territory import TerritoryField


class Statistic(StrEnum):
    """What may be computed under an agreement."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    PROPORTION = "proportion"
    SPREAD = "spread"  # standard deviation, variance, covariance, correlation and linear regression
    PERCENTILE = "percentile"


class PersonRole(StrEnum):
    """What a named person does in the project."""

    RESEARCHER = "researcher"
    CHIEF_INVESTIGATOR = "chief-investigator"
    PRINCIPAL_INVESTIGATOR = "principal-investigator"
    CO_INVESTIGATOR = "co-investigator"
    STATISTICIAN = "statistician"
    EPIDEMIOLOGIST = "epidemiologist"
    ANALYST = "analyst"
    DATA_SCIENTIST = "data-scientist"
    CLINICIAN = "clinician"
    STUDENT = "student"
    DATA_MANAGER = "data-manager"
    CHECKER = "checker"
    ADMINISTRATOR = "administrator"
    OBSERVER = "observer"

    @property
    def may_query(self) -> bool:
        """Only those who analyse may ask. A checker sees what is held, an administrator the agreement."""
        return self not in _WITHOUT_QUERIES


_WITHOUT_QUERIES = frozenset(
    {PersonRole.DATA_MANAGER, PersonRole.CHECKER, PersonRole.ADMINISTRATOR, PersonRole.OBSERVER}
)


def _hyphenated(value: object) -> object:
    return value.strip().lower().replace(" ", "-") if isinstance(value, str) else value


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Organisation(Document):
    name: str
    sector: Literal["academic", "health-service", "government", "charity", "commercial"]


class NamedPerson(Document):
    """A person who may use the project. `account` is the hub's user name."""

    name: str
    account: AccountField
    role: Annotated[PersonRole, BeforeValidator(_hyphenated)] = PersonRole.RESEARCHER
    trained_on: date
    organisation: Organisation | None = Field(None, description="where they work, if not at `parties.organisation`")
    works_from: TerritoryField | None = Field(
        None, description="where they work from, as an ISO 3166 code; must lie within `terms.territory`"
    )
    joined: date | None = Field(None, description="first day on which they may ask, if later than the agreement's")
    left: date | None = Field(None, description="last day on which they may ask, if earlier than the agreement's")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.joined and self.left and self.left < self.joined:
            raise report(Problem("`left` lies before `joined`", ("left",)))
        return self

    def present(self, on: date) -> bool:
        """Whether they belong to the project on that day."""
        return (self.joined or date.min) <= on <= (self.left or date.max)


class Parties(Document):
    controllers: tuple[str, ...] = Field(min_length=1)
    processors: tuple[str, ...] = ()
    organisation: Organisation
    sponsor: str | None = None
    funder: str | None = None
    persons: tuple[NamedPerson, ...] = Field(min_length=1)
    clause: str = "parties"

    @model_validator(mode="after")
    def _each_person_once_at_a_time(self) -> Self:
        problems = []
        for (first, one), (second, other) in combinations(enumerate(self.persons), 2):
            if one.account == other.account and _overlap(one, other):
                message = f"{other.account!r} is named twice for the same days (entries {first + 1} and {second + 1})"
                problems.append(Problem(message, ("persons", second, "account")))
        if problems:
            raise report(*problems)
        return self


def _overlap(one: NamedPerson, other: NamedPerson) -> bool:
    begins = max(one.joined or date.min, other.joined or date.min)
    return begins <= min(one.left or date.max, other.left or date.max)


class PurposeCategory(StrEnum):
    """Purposes that an agreement can have. Solely commercial use, marketing and insurance do not exist here."""

    RESEARCH = "research"
    PLANNING = "planning"
    AUDIT = "audit"
    SURVEILLANCE = "public-health-surveillance"


class Purpose(Document):
    """One thing that the data may be used for. Every query is asked for one purpose and is logged with it."""

    id: SlugField = Field("main", description="what a session names it by")
    category: PurposeCategory
    objective: str
    processing: str
    expected_outputs: str
    expected_benefit: str
    legal_basis: str | None = Field(None, description="the lawful basis, if another than `law.gdpr_article_6`")
    clause: str = "purpose"


class Period(Document):
    """Rows outside are not provisioned, and the kernel filters them again under every query."""

    column: NameField
    first: date = Field(description="first day included")
    last: date = Field(description="last day included")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last < self.first:
            raise report(Problem("`last` lies before `first`", ("last",)))
        return self


class Cohort(Document):
    """Rows are restricted to these values of one column."""

    column: NameField
    values: tuple[str | int, ...] = Field(min_length=1)


class ColumnUse(StrEnum):
    """What may be done with a granted column."""

    KEY = "key"  # grouped by: results are listed by it
    FILTER = "filter"  # compared with values in a condition
    MEASURE = "measure"  # counted, summed or averaged


class TableGrant(Document):
    """One table of the catalogue and the columns of it that are granted."""

    table: NameField
    clause: str
    reason: str = Field(description="why this table is needed at all: data minimisation")
    columns: tuple[NameField, ...] = Field(min_length=1)
    period: Period | None = None
    cohort: Cohort | None = None
    purposes: tuple[SlugField, ...] = Field((), description="the purposes it is granted for, by id; empty: for all")
    uses: dict[NameField, tuple[ColumnUse, ...]] = Field(
        default_factory=dict, description="what may be done with a column, by its name; a column left out: everything"
    )

    @model_validator(mode="after")
    def _each_column_once(self) -> Self:
        lowered = [name.lower() for name in self.columns]
        twice = [index for index, name in enumerate(lowered) if name in lowered[:index]]
        if twice:
            raise report(*(Problem(f"the column {self.columns[i]!r} is granted twice", ("columns", i)) for i in twice))
        return self

    @model_validator(mode="after")
    def _uses_of_granted_columns(self) -> Self:
        wrong = [name for name in self.uses if name not in self.columns]
        if wrong:
            told = [(name, f"the column {name!r} is not granted{closest(name, self.columns)}") for name in wrong]
            raise report(*(Problem(text, ("uses", name)) for name, text in told))
        return self

    def serves(self, purpose: str) -> bool:
        """Whether the table is granted for a purpose."""
        return not self.purposes or purpose in self.purposes


class Links(Document):
    """Which tables may be linked, person by person. Tables of one list may be linked with each other, others not."""

    clause: str
    permitted: tuple[tuple[NameField, ...], ...] = Field(
        min_length=1, description="lists of tables; those of one list may be linked with each other"
    )

    def permits(self, one: str, other: str) -> bool:
        """Whether two tables may be linked. A table may always be linked with itself."""
        pair = {one.lower(), other.lower()}
        return len(pair) == 1 or any(pair <= {name.lower() for name in group} for group in self.permitted)


class Data(Document):
    catalogue: SlugField
    years: str = ""
    linkage: bool = True
    links: Links | None = Field(None, description="which tables may be linked with which; left out: all with all")
    tables: tuple[TableGrant, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        problems = [*self._granted_twice(), *self._links_of_granted_tables()]
        if problems:
            raise report(*problems)
        return self

    def _granted_twice(self) -> Iterator[Problem]:
        seen: set[str] = set()
        for index, grant in enumerate(self.tables):
            if grant.table.lower() in seen:
                yield Problem(f"the table {grant.table!r} is granted twice", ("tables", index, "table"))
            seen.add(grant.table.lower())

    def _links_of_granted_tables(self) -> Iterator[Problem]:
        if self.links is None:
            return
        if not self.linkage:
            yield Problem("`links` permits what `linkage: false` makes impossible", ("links",))
        granted = [grant.table for grant in self.tables]
        for number, group in enumerate(self.links.permitted):
            for place, name in enumerate(group):
                if name.lower() not in (table.lower() for table in granted):
                    message = f"the table {name!r} is not granted{closest(name, granted)}"
                    yield Problem(message, ("links", "permitted", number, place))


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
            raise report(Problem("under section 251 the national data opt-out applies", ("opt_outs_applied",)))
        return self


class Commercial(Document):
    """Commercial terms, where any exist: what is paid and what is promised back to the public."""

    commercial: bool = False
    paid: str | None = None
    promised_back: str | None = None

    @model_validator(mode="after")
    def _benefit_returned(self) -> Self:
        if self.commercial and not self.promised_back:
            raise report(Problem("a commercial agreement must say what is promised back (`promised_back`)"))
        return self


class Terms(Document):
    start: date
    end: date
    review: date | None = None
    clause: str = "6"
    territory: Annotated[tuple[TerritoryField, ...], BeforeValidator(_several)] = Field(("GB-EAW",), min_length=1)
    sub_licensing: bool = False
    commercial: Commercial = Commercial()
    rule_pack: str = Field(pattern=r"^[a-z][a-z0-9-]{2,30}(@[A-Za-z0-9.]{1,12})?$")
    statistics: tuple[Statistic, ...] = tuple(Statistic)
    checkers_required: Literal[1, 2] = 1
    special_conditions: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end < self.start:
            raise report(Problem("`end` lies before `start`", ("end",)))
        if self.review is not None and not self.start <= self.review <= self.end:
            raise report(Problem("`review` lies outside the agreement's own dates", ("review",)))
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
    further_purposes: tuple[Purpose, ...] = Field(
        (), description="other purposes under the same agreement; a session must then choose one"
    )
    data: Data
    law: Law
    terms: Terms
    suspended: bool = False

    @model_validator(mode="after")
    def _purposes_fit(self) -> Self:
        problems = [*self._purposes_named_twice(), *self._unknown_purposes()]
        if problems:
            raise report(*problems)
        return self

    def _purposes_named_twice(self) -> Iterator[Problem]:
        seen = {self.purpose.id}
        for index, purpose in enumerate(self.further_purposes):
            if purpose.id in seen:
                yield Problem(f"two purposes have the id {purpose.id!r}", ("further_purposes", index, "id"))
            seen.add(purpose.id)

    def _unknown_purposes(self) -> Iterator[Problem]:
        known = [purpose.id for purpose in self.purposes]
        for index, grant in enumerate(self.data.tables):
            for place, name in enumerate(grant.purposes):
                if name not in known:
                    message = f"there is no purpose {name!r}{closest(name, known)}"
                    yield Problem(message, ("data", "tables", index, "purposes", place))

    @property
    def purposes(self) -> tuple[Purpose, ...]:
        """Every purpose, the main one first."""
        return (self.purpose, *self.further_purposes)

    def purpose_of(self, chosen: str | None) -> Purpose | None:
        """The purpose that a session is for: the one it chose, or the only one there is. None where that is open."""
        if chosen is None:
            return None if self.further_purposes else self.purpose
        return next((purpose for purpose in self.purposes if purpose.id == chosen), None)

    def person(self, account: str, on: date | None = None) -> NamedPerson | None:
        """The named person behind an account, or None: nobody else may use the project. `on`: as named on that day."""
        named = [person for person in self.parties.persons if person.account == account]
        return next((person for person in named if on is None or person.present(on)), None)


def read_agreement(path: Path) -> Agreement:
    """Read an agreement file. Raises DocumentError with line numbers."""
    return read_document(path, Agreement)
