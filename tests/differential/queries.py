"""Random queries from a typed grammar: what the first class of queries can say, over a random world."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.differential.worlds import World

AGGREGATE_WORDS = (
    "count", "persons", "filter", "sum", "avg", "flag", "spread", "percentile", "extreme", "distinct", "pair",
    "pair mean", "date", "filled",
)  # fmt: skip
SPREADS = ("stddev", "variance", "stddev_pop", "var_pop", "sem")
PAIRED = (
    "corr", "covar_samp", "covar_pop", "regr_slope", "regr_intercept", "regr_r2", "regr_sxx", "regr_syy", "regr_sxy",
)  # fmt: skip


@dataclass
class Source:
    """A FROM item: its alias, its columns with their types, and its person key."""

    alias: str
    columns: dict[str, str]
    owner: str | None


@dataclass
class Writer:
    """Writes one query. `used` records which constructs went in, so that a test can ask for all of them."""

    world: World
    chance: random.Random
    sources: list[Source] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def query(self) -> str:
        clause = self._from()
        keys = [self._key() for _ in range(self.chance.choice((0, 0, 1, 1, 1, 2)))]
        measures = [self._measure() for _ in range(self.chance.randint(1, 3))]
        items = [f"{key} AS k{i}" for i, key in enumerate(keys)] + [f"{m} AS m{i}" for i, m in enumerate(measures)]
        if self._maybe(0.3):
            items.append(f"{self._post(measures)} AS p")
        text = f"SELECT {', '.join(items)} FROM {clause}"
        text += f" WHERE {self._predicate()}" if self._maybe(0.5) else ""
        if keys:
            text += " GROUP BY " + self.chance.choice(
                [", ".join(keys), ", ".join(str(i + 1) for i in range(len(keys)))]
            )
        if self._maybe(0.15):
            text += f" HAVING {self.chance.choice(measures)} {self.chance.choice(('>', '<', '>='))} {self._number()}"
        return text + self._order(len(items), bool(keys))

    def _order(self, width: int, grouped: bool) -> str:
        if not grouped or not self._maybe(0.4):
            return ""
        self.used.add("order")
        word = self.chance.choice(("", " DESC", " NULLS FIRST", " DESC NULLS FIRST"))
        text = f" ORDER BY {self.chance.randint(1, width)}{word}"
        if self._maybe(0.5):
            self.used.add("limit")
            text += f" LIMIT {self.chance.randint(0, 4)}" + (" OFFSET 1" if self._maybe(0.3) else "")
        return text

    def _maybe(self, share: float) -> bool:
        return self.chance.random() < share

    # -- FROM

    def _from(self) -> str:
        text = self._person_item()
        while len(self.sources) < 3 and self._maybe(0.45):
            text += self._join()
        return text

    def _person_item(self) -> str:
        names = [name for name, owner in self.world.owners.items() if owner is not None]
        name = self.chance.choice(names)
        kind = self.chance.random()
        if kind < 0.7:
            source = self._source(dict(self.world.types[name]), self.world.owners[name])
            return f"{name} AS {source.alias}"
        if kind < 0.8:
            return self._grouped_item(name)
        return self.chance.choice((self._projected_item, self._windowed_item, self._united_item))(name)

    def _source(self, columns: dict[str, str], owner: str | None) -> Source:
        source = Source(f"a{len(self.sources)}", columns, owner)
        self.sources.append(source)
        return source

    def _inner(self, name: str) -> tuple[Writer, str]:
        """A writer for the rows of one table, for the inside of a subquery."""
        inner = Writer(self.world, self.chance, [Source("i", dict(self.world.types[name]), None)], self.used)
        where = f" WHERE {inner._predicate()}" if self._maybe(0.4) else ""
        return inner, f" FROM {name} AS i{where}"

    def _projected_item(self, name: str) -> str:
        self.used.add("projection")
        owner, (inner, tail) = self.world.owners[name], self._inner(name)
        columns = {
            "x0": "DOUBLE",
            "x1": "BOOLEAN",
            **{c: kind for c, kind in self.world.types[name].items() if self._maybe(0.7)},
        }
        items = [f"{inner._magnitude()} AS x0", f"{inner._predicate()} AS x1", *[c for c in columns if c[0] != "x"]]
        distinct = "DISTINCT " if self._maybe(0.3) else ""
        source = self._source(columns, owner)
        return f"(SELECT {distinct}{owner}, {', '.join(items)}{tail}) AS {source.alias}"

    def _windowed_item(self, name: str) -> str:
        """Windows over a person's rows. Rows that are equal in the order are told apart by none of these."""
        self.used.add("windowed")
        owner, (inner, tail) = self.world.owners[name], self._inner(name)
        number, text = inner._column("INTEGER"), inner._column("VARCHAR")
        order, frame = self.chance.choice(
            (
                (number, ""),
                (number, "GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW"),
                (f"{number} DESC", "RANGE BETWEEN 2 PRECEDING AND 1 FOLLOWING"),
                (inner._column("DATE"), "RANGE BETWEEN INTERVAL 1 YEAR PRECEDING AND INTERVAL 1 DAY PRECEDING"),
                (f"{text} NULLS FIRST", "RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING"),
                (f"{text}, {number}", "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"),
            )
        )
        rank = self.chance.choice(("rank() ", "dense_rank() ", "percent_rank() ", "cume_dist() "))
        filtered = f"FILTER (WHERE {inner._predicate()}) " if self._maybe(0.3) else ""
        counted = self.chance.choice(("count(*)", f"count({text})", f"count_if({inner._predicate()})"))
        computed = self.chance.choice(("sum", "min", "max", "avg")) + f"({inner._column('DOUBLE', 'INTEGER')})"
        items = [
            f"{rank}OVER (PARTITION BY {owner} ORDER BY {order}) <= 1 AS first",
            f"{counted} {filtered}OVER w AS n",
            f"{computed} {filtered}OVER w AS v",
            f"{text} AS c",
        ]
        columns = {"first": "BOOLEAN", "n": "INTEGER", "v": "DOUBLE", "c": "VARCHAR"}
        qualify = " QUALIFY first" if self._maybe(0.2) else ""
        source = self._source(columns, owner)
        named = f" WINDOW w AS (PARTITION BY {owner} ORDER BY {order} {frame})"
        return f"(SELECT {owner}, {', '.join(items)}{tail}{named}{qualify}) AS {source.alias}"

    def _united_item(self, name: str) -> str:
        """Rows of two tables, or of one table twice: then only persons may be counted."""
        self.used.add("united")
        names = [other for other, owner in self.world.owners.items() if owner is not None]
        word = self.chance.choice(("UNION ALL", "UNION ALL", "UNION", "INTERSECT", "EXCEPT", "EXCEPT ALL"))
        branches = []
        for place, table in enumerate((name, self.chance.choice(names))):
            inner, tail = self._inner(table)
            items = f"{self.world.owners[table]} AS p, {inner._column('VARCHAR')} AS c"
            if word == "UNION ALL":
                items += f", {inner._column('DATE')} AS d, '{place}' AS s"
            branches.append(f"SELECT {items}{tail}")
        dated = {"d": "DATE", "s": "VARCHAR"} if word == "UNION ALL" else {}
        source = self._source({"c": "VARCHAR"} | dated, "p")
        return f"({branches[0]} {word} {branches[1]}) AS {source.alias}"

    def _grouped_item(self, name: str) -> str:
        self.used.add("per person")
        owner, (inner, tail) = self.world.owners[name], self._inner(name)
        column = inner._column("DOUBLE", "INTEGER")
        day = inner._column("DATE")
        items = [
            "count(*) AS n",
            f"count(DISTINCT {inner._column('VARCHAR')}) AS d",
            f"{self.chance.choice(('sum', 'avg', 'min', 'max'))}({column}) AS v",
            f"max(CASE WHEN {inner._predicate()} THEN 1 ELSE 0 END) AS ever",
            f"min({day}) AS first_day",
            f"count(*) FILTER (WHERE {inner._predicate()}) AS f",
        ]
        more, kinds = self._person_values(inner)
        items += more
        having = f" HAVING count(*) >= {self.chance.randint(1, 3)}" if self._maybe(0.3) else ""
        keyed = self._maybe(0.3)
        key = inner._column("VARCHAR") if keyed else ""
        items += [f"{key} AS g"] if keyed else []
        columns = {"n": "INTEGER", "d": "INTEGER", "v": "DOUBLE", "ever": "FLAG", "first_day": "DATE", "f": "INTEGER"}
        source = self._source(columns | kinds | ({"g": "VARCHAR"} if keyed else {}), owner)
        group = f"{owner}, {key}" if keyed else owner
        return f"(SELECT {owner}, {', '.join(items)}{tail} GROUP BY {group}{having}) AS {source.alias}"

    def _person_values(self, inner: Writer) -> tuple[list[str], dict[str, str]]:
        """One or two of the aggregates that choose or describe a person's own values."""
        number, day, code = inner._column("DOUBLE"), inner._column("DATE"), inner._column("VARCHAR")
        whole, where = inner._column("INTEGER"), f" FILTER (WHERE {inner._predicate()})"
        choices = {
            "person spread": ("w", f"{self.chance.choice(SPREADS[:4])}({number})", "DOUBLE"),
            "person line": ("x", f"{self.chance.choice(PAIRED[:4])}({number}, {whole})", "DOUBLE"),
            "person percentile": (
                "y",
                f"{self.chance.choice(('quantile_cont', 'quantile_disc'))}({number}, 0.3)",
                "DOUBLE",
            ),
            "person distinct": ("z", f"{self.chance.choice(('sum', 'avg'))}(DISTINCT {whole})", "DOUBLE"),
            "arg": ("q", f"{self.chance.choice(('arg_min', 'arg_max'))}({code}, {day}){where}", "VARCHAR"),
            "arg number": ("r", f"{self.chance.choice(('arg_min', 'max_by'))}({number}, {day})", "DOUBLE"),
            "end": ("s", f"{self.chance.choice(('first', 'last'))}({number} ORDER BY {day} DESC, {whole})", "DOUBLE"),
            "mode": ("t", f"{self.chance.choice(('mode', 'any_value'))}({code})", "VARCHAR"),
            "joined": ("u", f"string_agg({self.chance.choice((code, f'DISTINCT {code}'))}, '>')", "VARCHAR"),
        }
        chosen = self.chance.sample(sorted(choices), 2)
        self.used.update(chosen)
        found = [choices[word] for word in chosen]
        return [f"{text} AS {name}" for name, text, _ in found], {name: kind for name, _, kind in found}

    def _join(self) -> str:
        if self._maybe(0.25):
            return self._public_join()
        before = [source for source in self.sources if source.owner]
        left = before[0]
        kind = self.chance.choice(("JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"))
        if kind in ("RIGHT JOIN", "FULL JOIN") and len(before) > 1:
            kind = "JOIN"
        self.used.add(kind)
        item = self._person_item()
        mine = self.sources[-1]
        on = f"{left.alias}.{left.owner} = {mine.alias}.{mine.owner}"
        if self._maybe(0.3):
            on += f" AND {self._predicate()}"
        if kind in ("SEMI JOIN", "ANTI JOIN"):
            self.sources.pop()
        return f" {kind} {item} ON {on}"

    def _public_join(self) -> str:
        code = self._column("VARCHAR")
        if self._maybe(0.5):
            self.used.add("reference")
            source = self._source(dict(self.world.types["ref"]), None)
            return f" {self.chance.choice(('JOIN', 'LEFT JOIN'))} ref AS {source.alias} ON {source.alias}.code = {code}"
        self.used.add("values")
        source = self._source({"code": "VARCHAR", "label": "VARCHAR"}, None)
        rows = ", ".join(f"('{code}', '{label}')" for code, label in zip("ABC", "xxy", strict=True))
        return f" JOIN (VALUES {rows}) AS {source.alias}(code, label) ON {source.alias}.code = {code}"

    # -- expressions

    def _column(self, *kinds: str) -> str:
        found = [
            f"{source.alias}.{name}"
            for source in self.sources
            for name, kind in source.columns.items()
            if kind in kinds
        ]
        return self.chance.choice(found) if found else self._literal(kinds[0])

    def _literal(self, kind: str) -> str:
        return {"VARCHAR": f"'{self.chance.choice('ABC')}'", "DATE": self._day(), "BOOLEAN": "true"}.get(kind, "3")

    def _number(self) -> str:
        return self.chance.choice(("0", "1", "2", "5", "7.5", "10", "20"))

    def _day(self) -> str:
        return f"DATE '{self.chance.randint(2014, 2020)}-0{self.chance.randint(1, 9)}-15'"

    def _predicate(self, depth: int = 0) -> str:
        if depth < 2 and self._maybe(0.25):
            one, other = self._predicate(depth + 1), self._predicate(depth + 1)
            return self.chance.choice((f"({one} AND {other})", f"({one} OR {other})", f"(NOT {one})"))
        compare = self.chance.choice(("=", "<>", "<", "<=", ">", ">="))
        choices = [
            f"{self._column('VARCHAR')} {compare} '{self.chance.choice('ABCD')}'",
            f"{self._column('VARCHAR')} IN ('A', 'B', 'E')",
            f"{self._column('VARCHAR')} NOT IN ('A', 'C')",
            f"{self._column('VARCHAR')} LIKE '{self.chance.choice(('A%', '%B', '_', '%'))}'",
            f"lower({self._column('VARCHAR')}) = 'a'",
            f"coalesce({self._column('VARCHAR')}, 'A') = 'A'",
            f"{self._column('INTEGER', 'DOUBLE')} {compare} {self._number()}",
            f"{self._column('INTEGER')} BETWEEN 2 AND 7",
            f"{self._column('INTEGER')} % 3 = 1",
            f"{self._column('DATE')} {compare} {self._day()}",
            f"{self._column('DATE')} + INTERVAL 3 MONTH {compare} {self._day()}",
            f"year({self._column('DATE')}) {compare} 2017",
            f"date_diff('month', {self._column('DATE')}, {self._column('DATE')}) {compare} 6",
            f"{self._column('DATE')} > TIMESTAMP '2016-05-05 12:00:00'",
            f"{self._column('BOOLEAN')}",
            f"{self._column('VARCHAR', 'DOUBLE', 'DATE')} IS {self.chance.choice(('', 'NOT '))}NULL",
            f"{self._column('VARCHAR')} IS NOT DISTINCT FROM {self._column('VARCHAR')}",
            f"({self._column('BOOLEAN')} IS {self.chance.choice(('', 'NOT '))}TRUE)",
        ]
        return self.chance.choice(choices)

    def _key(self) -> str:
        return self.chance.choice(
            (
                self._column("VARCHAR"),
                self._column("INTEGER"),
                self._column("BOOLEAN"),
                f"year({self._column('DATE')})",
                f"date_trunc('quarter', {self._column('DATE')})",
                f"CASE WHEN {self._predicate()} THEN 'yes' WHEN {self._predicate()} THEN 'no' ELSE 'else' END",
                f"coalesce({self._column('VARCHAR')}, 'none')",
                f"{self._column('VARCHAR')} || '-' || {self._column('BOOLEAN')}",
                f"({self._column('INTEGER')} // 4) * 4",
                f"({self._predicate()})",
            )
        )

    def _magnitude(self) -> str:
        column = self._column("DOUBLE", "INTEGER")
        other = self._column("DOUBLE", "INTEGER")
        return self.chance.choice(
            (
                column,
                f"{column} * 2.5",
                f"{column} + {other}",
                f"{column} * {other}",
                f"{column} / 4",
                f"least({column}, 15)",
                f"greatest({column}, 0)",
                f"coalesce({column}, 0)",
                f"abs({column} - {other})",
                f"CASE WHEN {self._predicate()} THEN {column} END",
                f"CASE WHEN {self._predicate()} THEN {column} ELSE 0 END",
                f"date_diff('day', {self._column('DATE')}, {self._column('DATE')})",
            )
        )

    def _measure(self) -> str:
        word = self.chance.choice(AGGREGATE_WORDS)
        self.used.add(word)
        filtered = f" FILTER (WHERE {self._predicate()})" if self._maybe(0.2) else ""
        owners = [f"{source.alias}.{source.owner}" for source in self.sources if source.owner]
        flag = f"CASE WHEN {self._predicate()} THEN 1 ELSE 0 END"
        choices = {
            "count": f"count({self.chance.choice(('*', self._column('VARCHAR', 'DOUBLE')))})",
            "persons": f"count(DISTINCT {self.chance.choice(owners)})",
            "filter": f"count(*) FILTER (WHERE {self._predicate()})",
            "sum": f"sum({self._magnitude()})",
            "avg": f"avg({self._magnitude()})",
            "flag": f"{self.chance.choice(('sum', 'avg', 'count_if'))}({flag})",
            "spread": f"{self.chance.choice(SPREADS)}({self._magnitude()})",
            "percentile": f"quantile_cont({self._magnitude()}, {self.chance.choice(('0.1', '0.25', '0.5', '0.9'))})",
            "extreme": f"{self.chance.choice(('min', 'max'))}({self._magnitude()})",
            "pair": f"{self.chance.choice(PAIRED)}({self._magnitude()}, {self._magnitude()})",
            "pair mean": f"{self.chance.choice(('regr_count', 'regr_avgx', 'regr_avgy'))}"
            f"({self._column('DOUBLE')}, {self._column('INTEGER')})",
            "date": self.chance.choice(
                ("min({})", "max({})", "avg({})", "median({})", "quantile_disc({}, 0.9)")
            ).format(self._column("DATE")),
            "filled": f"count({self.chance.choice(('coalesce({}, 0)', '({} IS NULL)', 'least({}, 5)'))})".format(
                self._column("DOUBLE")
            ),
            "distinct": f"count(DISTINCT {self._column('VARCHAR', 'INTEGER')})",
        }
        text = choices[word].replace("count_if(CASE", "sum(CASE")
        return text + ("" if word == "filter" else filtered)

    def _post(self, measures: list[str]) -> str:
        self.used.add("post")
        one, other = self.chance.choice(measures), self.chance.choice(measures)
        return self.chance.choice(
            (
                f"{one} * 100.0 / {other}",
                f"{one} + {other}",
                f"CASE WHEN {one} > 5 THEN 'many' ELSE 'few' END",
                f"coalesce({one}, 0)",
                f"({one} IS NULL)",
            )
        )
