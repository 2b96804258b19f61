"""Identifier types. Each is a plain string at run time; the types keep them from being mixed up."""

from __future__ import annotations

import re
from typing import Annotated, NewType

from pydantic import AfterValidator

Slug = NewType("Slug", str)
"""A project's name: also a JupyterHub named server, so `[a-z][a-z0-9-]{0,29}` without a double hyphen."""

AgreementRef = NewType("AgreementRef", str)
Account = NewType("Account", str)
TableName = NewType("TableName", str)
ColumnName = NewType("ColumnName", str)

_SLUG = re.compile(r"[a-z](?:-?[a-z0-9]){0,29}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_ACCOUNT = re.compile(r"[a-z][a-z0-9_]{0,30}")


def _matches(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f"{what} must match {pattern.pattern}")
        return value

    return AfterValidator(check)


def is_name(text: str) -> bool:
    """Whether a text can be the name of a table or a column."""
    return _NAME.fullmatch(text) is not None


SlugField = Annotated[str, _matches(_SLUG, "a project slug")]
NameField = Annotated[str, _matches(_NAME, "a table or column name")]
AccountField = Annotated[str, _matches(_ACCOUNT, "an account name")]
