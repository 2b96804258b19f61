"""The catalogue: which sources, tables and columns a data centre holds, as declared in a YAML file.

Two readers: the red zone lands raw extracts by it, and the policy kernel resolves names by it. The same column
entry serves both; `role` says in which zone a column may live. Identifiers never reach a project.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from ambergate_policies.documents import Document, read_document
from ambergate_policies.names import NameField, SlugField
from ambergate_policies.places import ONLY_INDEX, PERSON_INDEX


class ColumnType(StrEnum):
    """The types that a landed column may have: DuckDB's own names."""

    BOOLEAN = "BOOLEAN"
    INTEGER = "INTEGER"
    BIGINT = "BIGINT"
    DOUBLE = "DOUBLE"
    DECIMAL = "DECIMAL(18,3)"
    VARCHAR = "VARCHAR"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"


class Role(StrEnum):
    """What a column is for, which decides where it may live and what may be computed with it."""

    OWNER = "owner"  # the person key of a project's table; opaque
    IDENTIFIER = "identifier"  # names, numbers, full dates of birth, postcodes: red zone only
    RECORD = "record"  # an episode's or row's own key: may join and be counted, is no measure
    QUASI = "quasi-identifier"  # age, sex, area ...: may be grouped and filtered
    CODE = "code"
    DATE = "date"
    MEASURE = "measure"
    REFERENCE = "reference"  # a column of a table that is about nobody


class Colour(StrEnum):
    """The health service's grading of data."""

    RED = "red"
    AMBER = "amber"
    GREEN = "green"


class Sensitivity(StrEnum):
    """Classes of data that a rule pack may be stricter with. Every class is sensitive."""

    SENSITIVE = "sensitive"
    GENETIC = "genetic"
    MENTAL_HEALTH = "mental-health"
    SEXUAL_HEALTH = "sexual-health"
    SUBSTANCE_USE = "substance-use"
    REPRODUCTIVE = "reproductive"
    SAFEGUARDING = "safeguarding"
    ETHNICITY = "ethnicity"
    RARE_DISEASE = "rare-disease"


class IdentifierKind(StrEnum):
    """What an identifier column holds, for validation and linkage."""

    NHS_NUMBER = "nhs_number"
    DATE_OF_BIRTH = "date_of_birth"
    POSTCODE = "postcode"
    FORENAME = "forename"
    SURNAME = "surname"
    SEX = "sex"
    PROVIDER = "provider"
    LOCAL_PATIENT_ID = "local_patient_id"
    ADDRESS = "address"
    SOURCE_PERSON = "source_person"  # a person key that the source itself assigned; identity is taken from it


class Derivation(StrEnum):
    """How a project column is coarsened from landed ones when a project is provisioned."""

    YEAR = "year"  # year of a date
    MONTH = "month"  # first day of a date's month
    AGE_BAND_5 = "age_band_5"  # '40-44' at the date in `at`
    AGE_BAND_10 = "age_band_10"
    POSTCODE_AREA = "postcode_area"  # the letters before the first digit
    COPY = "copy"


class Column(Document):
    """One column of a table."""

    type: ColumnType = ColumnType.VARCHAR
    role: Role
    identifier: IdentifierKind | None = None
    title: str = ""
    units: str | None = None
    code_system: str | None = None
    colour: Colour = Colour.AMBER
    sensitive: bool = False
    sensitivity: Sensitivity | None = Field(None, description="a class that rule packs may be stricter with")
    source_column: str | None = Field(None, description="the raw extract's header where it differs")
    null_values: tuple[str, ...] = Field((), description="raw texts that mean missing, in addition to empty")
    required: bool = Field(False, description="a row without it is rejected")
    minimum: float | date | None = None
    maximum: float | date | None = None
    pattern: str | None = Field(None, description="regular expression a raw value must match in full")
    values: tuple[str, ...] | None = Field(None, description="the only raw values allowed")
    date_format: str | None = Field(None, description="strptime format where dates are not ISO 8601")
    derive: Derivation | None = Field(None, description="made at provisioning, not landed")
    derive_from: NameField | None = None
    derive_at: NameField | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.role is Role.IDENTIFIER) != (self.identifier is not None):
            raise ValueError("a column has `identifier` exactly when its role is identifier")
        if self.derive is not None and self.derive_from is None:
            raise ValueError("`derive` needs `derive_from`")
        return self

    @property
    def classes(self) -> frozenset[Sensitivity]:
        """What is sensitive about the column: `sensitive: true` and every class mean at least sensitive."""
        if self.sensitivity is None:
            return frozenset({Sensitivity.SENSITIVE}) if self.sensitive else frozenset()
        return frozenset({Sensitivity.SENSITIVE, self.sensitivity})


class FileFormat(StrEnum):
    """How a raw extract is written."""

    CSV = "csv"
    PIPE = "pipe"
    PARQUET = "parquet"


class Files(Document):
    """Where a table's raw extract is found below the landing folder, and how it is written."""

    pattern: str = Field(description="file name pattern below the folder given to `ambergate land --from`")
    format: FileFormat = FileFormat.CSV
    null_values: tuple[str, ...] = ()
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    optional: bool = Field(False, description="a table whose file is not delivered is landed empty")


class PersonIndex(Document):
    """What provisioning says of a project's table that also has the dense index of its persons (places.py).

    `persons` may be off by a few; only the sizes of shares follow from it."""

    persons: int = Field(ge=1, description="how many persons the project's index counts")
    unique: bool = Field(False, description="no person has two rows")

    @property
    def column(self) -> str:
        """Where the table has it."""
        return ONLY_INDEX if self.unique else PERSON_INDEX


class Table(Document):
    """One table. A person table has rows that each belong to one person; a reference table is about nobody."""

    title: str = ""
    source: str
    kind: Literal["person", "reference"] = "person"
    owner: NameField | None = Field(None, description="name of the person key in a project's database")
    index: PersonIndex | None = Field(None, description="written by provisioning into a project's own copy")
    files: Files | None = None
    spine: bool = Field(False, description="one of the tables that persons are made from when linking")
    sensitivity: Sensitivity | None = Field(
        None, description="a class of the whole table: that somebody has a row in it is sensitive"
    )
    columns: dict[NameField, Column]

    @model_validator(mode="after")
    def _owner_fits_kind(self) -> Self:
        if self.kind == "person" and self.owner is None:
            raise ValueError("a person table names its `owner` column")
        if self.kind == "reference" and self.owner is not None:
            raise ValueError("a reference table has no `owner`")
        if self.owner is not None and self.owner in self.columns:
            column = self.columns[self.owner]
            if column.role is not Role.OWNER:
                raise ValueError(f"the owner column {self.owner!r} must have the role owner")
        return self

    @property
    def classes(self) -> frozenset[Sensitivity]:
        """What is sensitive about having a row in the table at all."""
        return frozenset({Sensitivity.SENSITIVE, self.sensitivity}) if self.sensitivity else frozenset()

    def project_columns(self) -> dict[str, Column]:
        """The columns that may exist in a project: everything but identifiers and the owner."""
        outside = {Role.IDENTIFIER, Role.OWNER}
        return {name: column for name, column in self.columns.items() if column.role not in outside}


class OptOutPolicy(Document):
    """Whether each objection applies to a source, and why (the reason is published)."""

    type_1: bool
    national: bool
    reason: str


class Source(Document):
    """One supplier of extracts and the law under which they are held."""

    title: str
    supplier: str
    legal_basis: str
    refresh: str = ""
    opt_out: OptOutPolicy


class ObjectionLists(Document):
    """The files that carry objections, below the landing folder."""

    type_1: str | None = Field(None, description="pattern of practice lists: nhs_number,practice,recorded_on")
    national_permitted: str | None = Field(None, description="pattern of the dated permitted list, one number a line")
    max_age_days: int = Field(7, ge=1, description="an older permitted list stops the run")


class Catalogue(Document):
    """Everything one data centre declares about a family of extracts."""

    catalogue: SlugField
    version: str
    title: str
    licence: str = ""
    objections: ObjectionLists | None = None
    sources: dict[str, Source]
    tables: dict[NameField, Table]

    @model_validator(mode="after")
    def _names_resolve(self) -> Self:
        lowered: dict[str, str] = {}
        for name, table in self.tables.items():
            if table.source not in self.sources:
                raise ValueError(f"table {name!r} names the source {table.source!r}, which is not declared")
            if lowered.setdefault(name.lower(), name) != name:
                raise ValueError(f"table names {name!r} and {lowered[name.lower()]!r} differ only in case")
        return self


def read_catalogue(path: Path) -> Catalogue:
    """Read a catalogue file. Raises DocumentError."""
    return read_document(path, Catalogue)
