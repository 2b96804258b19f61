"""Random expressions in DuckDB's dialect, typed by a guess, with as few parentheses as chance wants."""

# ruff: noqa: E501 (one construct of the dialect beside the other reads better in long lines)

from __future__ import annotations

import random
from typing import TypeVar

T = TypeVar("T")
COLUMNS = {
    "person": {
        "text": ("sex", "region", "ethnicity"),
        "whole": ("age", "birth_year", "imd"),
        "real": ("bmi", "weight", "height"),
        "day": ("registered_on", "died_on"),
        "flag": ("smoker",),
    },
    "event": {"text": ("code",), "day": ("happened_on",), "real": ("value",)},
    "admission": {
        "text": ("diagnosis",), "day": ("admitted_on", "discharged_on"), "real": ("cost",), "whole": ("emergency",),
        "moment": ("arrived_at",),
    },
    "code_list": {"text": ("code", "term", "chapter")},
    "region_size": {"text": ("region",), "whole": ("population",)},
}  # fmt: skip
OWNER = {"person": "person_id", "event": "person_id", "admission": "patient"}
TEXTS = (
    "'F'",
    "'f'",
    "''",
    "' '",
    "'a_b'",
    "'a%b'",
    "'é'",
    "'O''Brien'",
    "'\\'",
    "'1'",
    "'-3'",
    "'NULL'",
    "'2020-02-29'",
)
PATTERNS = (
    "'%'",
    "'_'",
    "'a_b'",
    "'a\\_b'",
    "'a%b'",
    "'%b'",
    "'F%'",
    "'[a-z]%'",
    "'a?b'",
    "'*b'",
    "''",
    "'%''%'",
    "NULL",
    "'É'",
)
DAYS = (
    "DATE '2018-01-31'",
    "DATE '2020-02-29'",
    "'2019-06-30'::DATE",
    "CAST('2017-12-31' AS DATE)",
    "make_date(2019, 2, 28)",
    "current_date",
)
UNITS = (
    "year",
    "month",
    "day",
    "quarter",
    "week",
    "decade",
    "dow",
    "isodow",
    "doy",
    "hour",
    "minute",
    "epoch",
    "century",
    "isoyear",
    "yearweek",
)
STEPS = (
    "1 DAY",
    "1 MONTH",
    "'1' MONTH",
    "'2 months'",
    "3 YEARS",
    "(1) DAY",
    "'1 year 2 months'",
    "-1 MONTH",
    "90 MINUTES",
    "1.5 DAY",
    "'-3 days'",
    "2 WEEKS",
)
COMPARISONS = ("=", "<>", "!=", "<", "<=", ">", ">=", "==", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")
CASTS = (
    "INTEGER",
    "BIGINT",
    "DOUBLE",
    "VARCHAR",
    "DATE",
    "BOOLEAN",
    "DECIMAL(8,2)",
    "SMALLINT",
    "TIMESTAMP",
    "TEXT",
    "INT4",
    "FLOAT8",
    "NUMERIC",
    "REAL",
    "UINTEGER",
    "HUGEINT",
    "TINYINT",
)


class Expressions:
    """Writes expressions over the columns of the table at hand, from one source of chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self._table = "person"
        self._prefix = ""

    def any(self, depth: int) -> str:
        """An expression of any type."""
        return self._pick(self.whole, self.text, self.flag, self.real, self.day)(depth)

    def flag(self, depth: int) -> str:
        if depth <= 0:
            return self._pick(
                "smoker" if self._table == "person" and not self._prefix else "1 = 1",
                self._comparison(0),
                f"{self.column('any')} IS NULL",
            )
        d = depth - 1
        return self._perhaps(self._pick(
            f"{self.flag(d)} AND {self.flag(d)}", f"{self.flag(d)} OR {self.flag(d)}", f"NOT {self.flag(d)}",
            self._comparison(d), self._comparison(d), f"{self.any(d)} IS {self._pick('NULL', 'NOT NULL')}",
            f"{self.text(d)} {self._pick('', 'NOT ')}{self._pick('LIKE', 'ILIKE')} {self._pick(*PATTERNS)}",
            f"{self.text(d)} LIKE {self._pick(*PATTERNS)} ESCAPE {self._pick(chr(39) + chr(92) + chr(39), chr(39) + '_' + chr(39), chr(39) + 'a' + chr(39))}",
            f"{self.text(d)} {self._pick('GLOB', 'SIMILAR TO', '~~', '!~~', '^@', 'NOT GLOB')} {self._pick(*PATTERNS)}",
            f"{self.whole(d)} {self._pick('', 'NOT ')}BETWEEN {self.whole(0)} AND {self.whole(0)}",
            f"{self.whole(d)} {self._pick('', 'NOT ')}IN ({self.whole(0)}, {self.whole(0)}, {self._pick('NULL', '3', '-1')})",
            f"{self.text(d)} {self._pick('', 'NOT ')}IN ({self._pick(*TEXTS)}, {self._pick(*TEXTS, 'NULL')})",
            f"{self.day(d)} BETWEEN {self._pick(*DAYS)} AND {self._pick(*DAYS)}",
            f"({self.whole(0)}, {self.text(0)}) {self._pick('=', '<>', '<', 'IN')} ({self.whole(0)}, {self.text(0)})",
            f"{self.flag(0)} = {self.flag(0)}", f"{self.flag(d)} IS {self._pick('', 'NOT ')}{self._pick('TRUE', 'FALSE', 'UNKNOWN')}",
            f"{self._pick('starts_with', 'contains', 'ends_with', 'suffix', 'prefix')}({self.text(d)}, {self._pick(*TEXTS)})",
            f"regexp_matches({self.text(d)}, {self._pick(chr(39) + '^[a-f]' + chr(39), chr(39) + 'F' + chr(39))})",
            f"{self.whole(d)} {self._pick('=', '<', '>')} {self._pick('ANY', 'ALL')} ([1, 2, 3])", f"coalesce({self.flag(d)}, {self._pick('true', 'false')})",
            f"CASE WHEN {self.flag(d)} THEN {self.flag(d)} ELSE {self.flag(d)} END", f"({self.flag(d)})::BOOLEAN",
        ))  # fmt: skip

    def _comparison(self, depth: int) -> str:
        sign = self._pick(*COMPARISONS)
        kind = self._pick(self.whole, self.text, self.real, self.day)
        other = kind(0) if self._one_in(2) else self.any(0) if self._one_in(4) else kind(depth - 1 if depth else 0)
        return f"{kind(depth)} {sign} {other}"

    def whole(self, depth: int) -> str:
        if depth <= 0:
            return self._pick(
                self.column("whole"),
                self.column("whole"),
                str(self.chance.randint(-4, 12)),
                "0",
                "NULL",
                "1_000",
                "0x1F",
                "2",
            )
        d = depth - 1
        return self._perhaps(self._pick(
            f"{self.whole(d)} {self._pick('+', '-', '*', '//', '%', '+', '-')} {self.whole(d)}", f"-{self.whole(d)}", f"- {self.whole(d)}", f"+{self.whole(d)}",
            f"abs({self.whole(d)})", f"length({self.text(d)})", f"{self._pick('year', 'month', 'day', 'quarter', 'week', 'dayofyear', 'isodow', 'dayofweek')}({self.day(d)})",
            f"extract({self._pick(*UNITS)} FROM {self.day(d)})", f"date_part({chr(39)}{self._pick(*UNITS)}{chr(39)}, {self.day(d)})", f"{self.day(d)} - {self.day(d)}",
            f"{self._pick('date_diff', 'datediff', 'date_sub', 'datesub')}({chr(39)}{self._pick('day', 'month', 'year', 'week', 'quarter')}{chr(39)}, {self.day(d)}, {self.day(d)})",
            f"CASE WHEN {self.flag(d)} THEN {self.whole(d)} ELSE {self.whole(d)} END", f"CASE {self.whole(d)} WHEN {self.whole(0)} THEN 1 WHEN 2 THEN 3 END",
            f"CAST({self.column('real')} AS INTEGER)", f"{self.column('real')}::INT", f"{self.text(d)}::INTEGER", f"TRY_CAST({self.text(d)} AS BIGINT)", f"({self.flag(d)})::INT",
            f"coalesce({self.whole(d)}, {self.whole(d)})", f"nullif({self.whole(d)}, {self.whole(0)})", f"{self._pick('greatest', 'least')}({self.whole(d)}, {self.whole(d)}, {self.whole(0)})",
            f"if({self.flag(d)}, {self.whole(d)}, {self.whole(0)})", f"ifnull({self.whole(d)}, 0)", f"strpos({self.text(d)}, {self.text(0)})", f"sign({self.whole(d)})",
            f"mod({self.whole(d)}, 3)", f"floor({self.real(d)})::INT",
        ))  # fmt: skip

    def real(self, depth: int) -> str:
        if depth <= 0:
            return self._pick(
                self.column("real"), self.column("real"), "1.5", "-0.25", "1e2", "NULL", ".5", "2.", "0.1", "3"
            )
        d = depth - 1
        return self._perhaps(self._pick(
            f"{self.real(d)} {self._pick('+', '-', '*', '/', '%', '//')} {self.real(d)}", f"{self.whole(d)} / {self.whole(d)}", f"-{self.real(d)}",
            f"round({self.real(d)}, {self._pick('0', '1', '-1', '2')})", f"round({self.real(d)})", f"{self._pick('floor', 'ceil', 'ceiling', 'abs', 'trunc', 'sqrt', 'exp', 'ln', 'log10', 'log2', 'cbrt', 'degrees')}({self.real(d)})",
            f"{self.real(d)} {self._pick('^', '**')} {self._pick('2', '0.5', '-1')}", f"power({self.real(d)}, 2)", f"{self.whole(d)}::{self._pick('DOUBLE', 'DECIMAL(6,1)', 'REAL')}",
            f"CAST({self.text(d)} AS DOUBLE)", f"coalesce({self.real(d)}, {self.real(0)})", f"CASE WHEN {self.flag(d)} THEN {self.real(d)} END", f"log({self.real(d)})",
            f"{self._pick('greatest', 'least')}({self.real(d)}, {self.real(d)})", f"{self.whole(d)} * {self.real(d)}", f"{self.real(d)} - {self.real(d)} - {self.real(0)}", f"{self.real(d)} / {self.real(d)} * {self.real(0)}",
        ))  # fmt: skip

    def text(self, depth: int) -> str:
        if depth <= 0:
            return self._pick(self.column("text"), self.column("text"), self._pick(*TEXTS), "NULL")
        d = depth - 1
        return self._perhaps(self._pick(
            f"{self.text(d)} || {self.text(d)}", f"{self._pick('upper', 'lower', 'trim', 'ltrim', 'rtrim', 'reverse')}({self.text(d)})", f"substr({self.text(d)}, {self.whole(0)}, {self.whole(0)})",
            f"substring({self.text(d)}, 2)", f"{self._pick('left', 'right')}({self.text(d)}, {self._pick('1', '2', '-1', '0')})", f"replace({self.text(d)}, {self._pick(*TEXTS)}, {self._pick(*TEXTS)})",
            f"concat({self.text(d)}, {self.whole(0)}, {self.text(0)})", f"concat_ws('-', {self.text(d)}, {self.text(0)})", f"CAST({self.any(d)} AS VARCHAR)", f"{self.any(d)}::{self._pick(*CASTS)}",
            f"CASE WHEN {self.flag(d)} THEN {self.text(d)} ELSE {self.text(d)} END", f"CASE {self.text(d)} WHEN {self._pick(*TEXTS)} THEN 'x' WHEN NULL THEN 'n' ELSE 'y' END", f"coalesce({self.text(d)}, 'none')",
            f"nullif({self.text(d)}, {self._pick(*TEXTS)})", f"strftime({self.day(d)}, {self._pick(chr(39) + '%Y-%m' + chr(39), chr(39) + '%d %b %y' + chr(39), chr(39) + '%%' + chr(39))})", f"{self._pick('monthname', 'dayname')}({self.day(d)})",
            f"lpad({self.text(d)}, 4, '*')", f"split_part({self.text(d)}, '_', 1)", f"regexp_replace({self.text(d)}, '[a-z]', 'X'{self._pick('', ', ' + chr(39) + 'g' + chr(39))})", f"regexp_extract({self.text(d)}, '(.).', 1)",
            f"{self.text(d)}[1]", f"{self.text(d)}[1:2]", f"trim({self.text(d)}, ' F')", f"trim(BOTH 'F' FROM {self.text(d)})", f"position('b' IN {self.text(d)})::VARCHAR",
        ))  # fmt: skip

    def day(self, depth: int) -> str:
        if depth <= 0:
            return self._pick(self.column("day"), self.column("day"), self._pick(*DAYS), "NULL::DATE")
        d = depth - 1
        return self._perhaps(self._pick(
            f"{self.day(d)} {self._pick('+', '-')} INTERVAL {self._pick(*STEPS)}", f"{self.day(d)} {self._pick('+', '-')} {self.whole(0)}", f"date_trunc({chr(39)}{self._pick(*UNITS)}{chr(39)}, {self.day(d)})",
            f"last_day({self.day(d)})", f"coalesce({self.day(d)}, {self.day(0)})", f"{self._pick('greatest', 'least')}({self.day(d)}, {self.day(0)})", f"CASE WHEN {self.flag(d)} THEN {self.day(d)} END",
            "make_date(2019, imd + 1, 1)" if self._table == "person" and not self._prefix else "make_date(2019, 1, 1)", f"CAST({self.text(d)} AS DATE)", f"{self.day(d)}::TIMESTAMP", f"date_add({self.day(d)}, INTERVAL {self._pick(*STEPS)})", f"{self.day(d)}::DATE", f"strptime({self._pick(*TEXTS)}, '%Y-%m-%d')::DATE",
            f"date_trunc('month', {self.day(d)})::DATE",
        ))  # fmt: skip

    # -- pieces

    def column(self, kind: str) -> str:
        """A column of the table at hand; a constant where it has none of the kind."""
        here = COLUMNS[self._table]
        names = [name for names in here.values() for name in names] if kind == "any" else list(here.get(kind, ()))
        if not names:
            return {"text": "'F'", "whole": "3", "real": "2.5", "day": "DATE '2019-03-31'"}.get(kind, "1")
        return self._prefix + self._pick(*names)

    def _on(self, table: str, prefix: str = "") -> None:
        self._table, self._prefix = table, prefix

    def _perhaps(self, text: str) -> str:
        return f"({text})" if self._one_in(2) else text

    def _one_in(self, number: int) -> bool:
        return self.chance.randrange(number) == 0

    def _pick(self, *choices: T) -> T:
        return self.chance.choice(choices)
