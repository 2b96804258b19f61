"""Kinds of scalar values, coarse enough to reason about and fine enough that no implicit cast can raise."""

from __future__ import annotations

from enum import StrEnum

from ambergate_policies.catalogue import ColumnType


class Kind(StrEnum):
    """What a scalar expression yields."""

    BOOL = "boolean"
    INT = "whole number"
    NUM = "number"
    TEXT = "text"
    DATE = "date"
    TIME = "timestamp"
    SPAN = "interval"
    TEXTS = "list of texts"
    COMPOSITE = "list or struct"
    OWNER = "person key"
    NULL = "null"

    @property
    def numeric(self) -> bool:
        return self in (Kind.INT, Kind.NUM)

    @property
    def temporal(self) -> bool:
        return self in (Kind.DATE, Kind.TIME)


OF_COLUMN: dict[ColumnType, Kind] = {
    ColumnType.BOOLEAN: Kind.BOOL,
    ColumnType.INTEGER: Kind.INT,
    ColumnType.BIGINT: Kind.INT,
    ColumnType.DOUBLE: Kind.NUM,
    ColumnType.DECIMAL: Kind.NUM,
    ColumnType.VARCHAR: Kind.TEXT,
    ColumnType.DATE: Kind.DATE,
    ColumnType.TIMESTAMP: Kind.TIME,
}


def common(left: Kind, right: Kind) -> Kind | None:
    """The kind that holds both, or None if the two do not meet without a cast that could raise."""
    if left == right or right is Kind.NULL:
        return left
    if left is Kind.NULL:
        return right
    if left.numeric and right.numeric:
        return Kind.NUM
    if left.temporal and right.temporal:
        return Kind.TIME
    return None
