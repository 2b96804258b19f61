"""Random statements in DuckDB's dialect, written as text with as few parentheses as chance wants.

What a text means is left to the two that read it: nothing here knows precedence, NULL logic or types beyond a guess, so
much of what is written is refused by both, and that is as it should be.
"""

# ruff: noqa: E501 (one construct of the dialect beside the other reads better in long lines)

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.expressions import COMPARISONS, OWNER, Expressions


class Writer(Expressions):
    """Writes one statement after another from one source of chance."""

    def statement(self) -> str:
        """One SELECT."""
        form: Callable[[], str] = self.chance.choices(
            (self._public, self._filtered, self._grouped, self._measured, self._joined, self._nested, self._windowed,
             self._stepped, self._united, self._shaped),
            (24, 18, 14, 10, 9, 8, 6, 6, 4, 3),
        )[0]  # fmt: skip
        return form()

    # -- forms of statements

    def _public(self) -> str:
        """Rows of a reference table: every value of an expression is seen."""
        self._on(self._pick("code_list", "region_size"))
        items = [f"{self.any(3)} AS c{n}" for n in range(self.chance.randint(1, 4))]
        where = f" WHERE {self.flag(2)}" if self._one_in(3) else ""
        width = len(items)
        return f"SELECT {', '.join(items)} FROM {self._table}{where}{self._order(width)}"

    def _filtered(self) -> str:
        self._on(self._pick("person", "event", "admission"))
        return f"SELECT count(*) AS n FROM {self._table} WHERE {self.flag(3)}"

    def _grouped(self) -> str:
        self._on(self._pick("person", "person", "event", "admission"))
        keys = [self.any(2) for _ in range(self.chance.randint(1, 2))]
        named = [f"{key} AS k{n}" for n, key in enumerate(keys)]
        by = self._pick(
            ", ".join(str(n + 1) for n in range(len(keys))),
            ", ".join(f"k{n}" for n in range(len(keys))),
            ", ".join(keys),
            "ALL",
        )
        where = f" WHERE {self.flag(2)}" if self._one_in(3) else ""
        having = f" HAVING {self._having()}" if self._one_in(4) else ""
        measures = [f"{self._aggregate()} AS m{n}" for n in range(self.chance.randint(1, 2))]
        width = len(named) + len(measures)
        return (
            f"SELECT {', '.join(named + measures)} FROM {self._table}{where} GROUP BY {by}{having}{self._order(width)}"
        )

    def _measured(self) -> str:
        self._on(self._pick("person", "event", "admission"))
        return f"SELECT {', '.join(f'{self._above()} AS m{n}' for n in range(3))} FROM {self._table}"

    def _joined(self) -> str:
        kind = self._pick(
            "JOIN", "LEFT JOIN", "INNER JOIN", "SEMI JOIN", "ANTI JOIN", "RIGHT JOIN", "FULL JOIN", "LEFT OUTER JOIN"
        )
        other = self._pick("event", "admission")
        self._on("person", "p.")
        key = f"p.person_id = o.{OWNER[other]}"
        condition = key if self._one_in(2) else self._pick(f"{key} AND {self.flag(1)}", f"{self.flag(1)} AND {key}")
        if other == "event" and self._one_in(3):
            return f"SELECT count(*) AS n, count(happened_on) AS m FROM person p {kind} event o USING (person_id) WHERE {self.flag(1)}"
        reference = self._pick("", f" {self._pick('JOIN', 'LEFT JOIN')} code_list c ON c.code = p.sex")
        return f"SELECT {self._pick('count(*)', 'count(DISTINCT p.person_id)', 'sum(p.imd)')} AS n FROM person p {kind} {other} o ON {condition}{reference}"

    def _nested(self) -> str:
        self._on(self._pick("event", "admission"))
        owner = OWNER[self._table]
        per = self._pick(
            "count(*)",
            f"min({self.column('day')})",
            f"max({self.column('real')})",
            f"sum({self.column('real')})",
            f"bool_or({self.flag(1)})",
            f"avg({self.column('real')})",
            f"count(DISTINCT {self.column('text')})",
        )
        inner = f"SELECT {owner}, {per} AS x FROM {self._table} WHERE {self.flag(1)} GROUP BY {owner}{self._pick('', ' HAVING count(*) > 1')}"
        return self._pick(
            f"SELECT x, count(*) AS n FROM ({inner}) GROUP BY x{self._order(2)}",
            f"WITH w AS ({inner}) SELECT count(*) AS n, count(x) AS m FROM w",
            f"SELECT count(*) AS n FROM person WHERE person_id {self._pick('IN', 'NOT IN')} (SELECT {owner} FROM {self._table} WHERE {self.flag(1)})",
            f"SELECT count(*) AS n FROM person q WHERE {self._pick('', 'NOT ')}EXISTS (SELECT 1 FROM {self._table} WHERE {owner} = q.person_id AND {self.flag(1)})",
            f"SELECT w.x, count(*) AS n FROM person p LEFT JOIN ({inner}) w ON w.{owner} = p.person_id GROUP BY w.x",
        )

    def _windowed(self) -> str:
        self._on("event")
        function = self._pick(
            "row_number()", "rank()", "dense_rank()", "lag(code)", "lead(value, 1)", "lag(value, 2, 0.0)", "sum(value)", "count(*)",
            "first_value(code)", "last_value(value)", "min(happened_on)", "nth_value(value, 2)", "ntile(2)", "avg(value)", "max(code)",
        )  # fmt: skip
        order = self._pick(
            "event_id",
            "happened_on, event_id",
            "event_id DESC",
            "value DESC NULLS LAST, event_id",
            "code NULLS FIRST, event_id DESC",
        )
        frame = self._pick(
            "",
            "",
            " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
            " ROWS UNBOUNDED PRECEDING",
            " ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING",
            " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
            " ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING",
        )
        window = f"{function} OVER (PARTITION BY person_id ORDER BY {order}{frame})"
        return self._pick(
            f"SELECT w, count(*) AS n FROM (SELECT person_id, {window} AS w FROM event WHERE {self.flag(1)}) GROUP BY w",
            f"SELECT code, count(*) AS n FROM (SELECT person_id, code FROM event QUALIFY row_number() OVER (PARTITION BY person_id ORDER BY {order}) = 1) GROUP BY code",
        )

    def _stepped(self) -> str:
        self._on("person")
        inner = f"SELECT imd, sex, count(*) AS n, sum(age) AS s FROM person WHERE {self.flag(1)} GROUP BY imd, sex"
        return self._pick(
            f"WITH t AS ({inner}) SELECT imd, sum(n) AS n, max(s) AS s FROM t GROUP BY imd{self._order(3)}",
            f"WITH t AS ({inner}) SELECT imd, sex, n, lag(n) OVER (ORDER BY imd, sex) AS before FROM t",
            f"WITH t AS ({inner}) SELECT imd, sex, n * 100.0 / sum(n) OVER (PARTITION BY imd) AS share FROM t",
            f"WITH t AS ({inner}), u AS (SELECT imd, count(*) AS m FROM person GROUP BY imd) SELECT t.imd, t.sex, t.n, u.m FROM t {self._pick('JOIN', 'LEFT JOIN')} u ON u.imd = t.imd",
            f"WITH t AS ({inner}), u AS (SELECT imd, count(*) AS m FROM person GROUP BY imd) SELECT imd, n, m FROM t {self._pick('JOIN', 'LEFT JOIN', 'FULL JOIN')} u USING (imd)",
            f"SELECT count(*) AS n FROM person WHERE age > (SELECT avg(age) FROM person WHERE {self.flag(1)})",
            f"WITH t AS ({inner}) SELECT * FROM t WHERE n {self._pick(*COMPARISONS[:8])} {self.chance.randint(1, 9)} OR sex IS NULL",
        )

    def _united(self) -> str:
        self._on("person")
        word = self._pick("UNION ALL", "UNION", "INTERSECT", "EXCEPT", "UNION ALL BY NAME")
        one, two = (
            f"SELECT {self._pick('sex', 'region')} AS a, count(*) AS n FROM person WHERE {self.flag(1)} GROUP BY 1"
            for _ in range(2)
        )
        people = (f"SELECT person_id FROM person WHERE {self.flag(1)}" for _ in range(2))
        return self._pick(
            f"{one} {word} {two}",
            f"SELECT count(*) AS n FROM ({f' {self._pick(word, word)} '.join(people)})",
            f"{one} {word} {two} {self._pick('UNION ALL', 'EXCEPT', 'INTERSECT')} {one}",
        )

    def _shaped(self) -> str:
        self._on("person")
        return self._pick(
            f"SELECT sex, imd, count(*) AS n FROM person WHERE {self.flag(1)} GROUP BY {self._pick('ROLLUP', 'CUBE')} (sex, imd)",
            "SELECT sex, imd, count(*) AS n FROM person GROUP BY GROUPING SETS ((sex), (sex, imd), ())",
            "FROM person SELECT sex, count(*) AS n GROUP BY ALL",
            f"SELECT DISTINCT {self.any(1)} AS a FROM person",
            f"SELECT * FROM (SELECT sex, imd FROM person WHERE {self.flag(1)}) PIVOT (count(*) FOR imd IN (0, 1, 2))",
            f"SELECT v.a, count(*) AS n FROM person p JOIN (VALUES (0, 2, 'low'), (3, 9, 'high')) v(lo, hi, a) ON p.age BETWEEN v.lo AND v.hi WHERE {self.flag(1)} GROUP BY v.a",
        )

    def _order(self, width: int) -> str:
        """No order, or one that leaves no tie, with a LIMIT perhaps: the mark tells the comparison."""
        if not self._one_in(3):
            return ""
        terms = [
            f"{n + 1}{self._pick('', ' DESC', ' ASC')}{self._pick('', ' NULLS FIRST', ' NULLS LAST')}"
            for n in range(width)
        ]
        limit = self._pick("", "", " LIMIT 3", " LIMIT 2 OFFSET 1", " OFFSET 2")
        return f" ORDER BY {', '.join(terms)}{limit} /*total*/"

    # -- aggregates

    def _aggregate(self) -> str:
        column = self.column(self._pick("real", "whole"))
        return self._pick(
            "count(*)", f"count({column})", f"sum({column})", f"count(*) FILTER (WHERE {self.flag(1)})",
            f"sum(CASE WHEN {self.flag(1)} THEN 1 ELSE 0 END)", f"avg(CASE WHEN {self.flag(1)} THEN 1.0 ELSE 0.0 END)",
            f"count(CASE WHEN {self.flag(1)} THEN 1 END)", f"count(DISTINCT {OWNER[self._table]})", f"max({column})",
            f"sum((coalesce({self.flag(1)}, false))::INT)", f"avg({column})", f"count_if(coalesce({self.flag(1)}, false))", f"sum({column}) FILTER ({self.flag(1)})",
            f"min({column})", f"count(DISTINCT {self.column('text')})", f"stddev({column})",
        )  # fmt: skip

    def _above(self) -> str:
        """Arithmetic over aggregates."""
        one, other = self._aggregate(), self._aggregate()
        return self._pick(
            one, f"{one} {self._pick('+', '-', '*', '/', '//', '%')} {other}", f"100 * {one} / {other} - 1",
            f"round({one} * 1.0 / nullif({other}, 0), 2)", f"coalesce({one}, 0) + {other}", f"-{one} + {other}",
            f"CASE WHEN {one} > {other} THEN 'a' ELSE 'b' END", f"{one} > {other} AND NOT {other} < 3",
        )  # fmt: skip

    def _having(self) -> str:
        return self._pick(
            "count(*) > 2",
            "count(*) BETWEEN 2 AND 30",
            "NOT count(*) = 1 AND count(*) < 50",
            "m0 IS NOT NULL",
            "count(*) % 2 = 0 OR count(*) > 5",
        )
