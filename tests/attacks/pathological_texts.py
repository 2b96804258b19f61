"""Texts made to exhaust a tokenizer, a parser, a stack, a memory or a clock."""

from __future__ import annotations

from collections.abc import Iterator

PERSONS = "SELECT count(*) FROM person WHERE "


def texts() -> Iterator[tuple[str, str]]:
    """Every text with its name."""
    yield from _long()
    yield from _deep()
    yield from _wide()
    yield from _odd()
    for doublings in (6, 10, 14, 20, 40, 200):
        yield from _exploding(doublings)


def _long() -> Iterator[tuple[str, str]]:
    yield "a-megabyte-of-spaces", "SELECT count(*)" + " " * 1_000_000 + "FROM person"
    yield "a-megabyte-of-comment", PERSONS + "1=1 --" + "x" * 1_000_000
    yield "a-megabyte-of-text", PERSONS + "sex = '" + "x" * 1_000_000 + "'"
    yield "a-megabyte-of-emoji", PERSONS + "sex = '" + "\U0001f9ec" * 300_000 + "'"
    yield "a-megabyte-of-name", 'SELECT count(*) AS "' + "x" * 1_000_000 + '" FROM person'
    yield "sixty-thousand-character-name", 'SELECT count(*) AS "' + "x" * 60_000 + '" FROM person'
    yield "sixty-thousand-character-table", "SELECT count(*) FROM " + "x" * 60_000
    yield "sixty-thousand-character-column", f"SELECT count({'x' * 60_000}) FROM person"
    yield "sixty-thousand-character-function", f"SELECT {'x' * 60_000}(age) FROM person"
    yield "sixty-thousand-character-text", PERSONS + "sex = '" + "x" * 60_000 + "'"
    yield "sixty-thousand-quotes", PERSONS + "sex = '" + "''" * 30_000 + "'"
    yield "sixty-thousand-digits", PERSONS + "age = " + "9" * 60_000
    yield "sixty-thousand-decimals", PERSONS + "bmi > 0." + "3" * 60_000
    yield "exponent", PERSONS + "bmi > 1e999999999"
    yield "hexadecimal", PERSONS + "age = 0x" + "f" * 60_000
    yield "underscored-number", PERSONS + "age = 1" + "_0" * 30_000
    yield "long-pattern", PERSONS + "region LIKE '" + "%a" * 30_000 + "'"
    yield "pattern-of-groups", PERSONS + "regexp_matches(region, '" + "(" * 2000 + "a" + ")*" * 2000 + "')"
    yield "pattern-repeated", PERSONS + "regexp_matches(region, '((((a{1,1000}){1,1000}){1,1000}){1,1000}){1,1000}')"
    yield "long-hint", "SELECT /*+ " + "x " * 25_000 + "*/ count(*) FROM person"
    yield "dollar-quotes", PERSONS + "sex = " + "$a$" * 20_000
    yield "many-line-ends", PERSONS + "\n" * 60_000 + "nothing = 1"
    yield "million-limit", "SELECT sex, count(*) FROM person GROUP BY sex LIMIT " + "9" * 400
    yield "negative-limit", "SELECT sex, count(*) FROM person GROUP BY sex LIMIT -1 OFFSET -" + "9" * 40
    yield "interval", PERSONS + f"died_on > registered_on + INTERVAL {'9' * 400} YEAR"
    yield "date-far", PERSONS + "died_on > DATE '9999999-01-01' + 999999999"


def _deep() -> Iterator[tuple[str, str]]:
    for depth in (20, 38, 60, 200, 2000):
        nested = "SELECT person_id, age FROM person"
        for _ in range(depth):
            nested = f"SELECT person_id, age FROM ({nested})"
        yield f"subqueries-{depth}", f"SELECT count(*) FROM ({nested})"
        members = "age > 1"
        for _ in range(depth):
            members = f"person_id IN (SELECT person_id FROM person WHERE {members})"
        yield f"memberships-{depth}", PERSONS + members
        exists = "p0.age > 1"
        for level in range(depth):
            inner = f"p{level + 1}.person_id = p{level}.person_id" if level < depth - 1 else exists
            exists = f"EXISTS (SELECT 1 FROM person p{level} WHERE {inner})"
        yield f"exists-{depth}", PERSONS + exists
        yield f"parentheses-{depth}", PERSONS + "(" * depth + "age > 1" + ")" * depth
        yield f"cases-{depth}", PERSONS + "CASE WHEN age > 1 THEN " * depth + "1" + " ELSE 0 END" * depth + " = 1"
        yield f"functions-{depth}", PERSONS + "abs(" * depth + "age" + ")" * depth + " > 1"
        yield f"nots-{depth}", PERSONS + "NOT " * depth + "smoker"
        yield f"minuses-{depth}", PERSONS + "- " * depth + "age > 1"
        yield f"pluses-{depth}", PERSONS + "+" * depth + "age > 1"
        yield f"tildes-{depth}", PERSONS + "~" * depth + "age > 1"
        yield f"casts-{depth}", PERSONS + "age" + "::INT" * depth + " > 1"
        yield f"cast-calls-{depth}", PERSONS + "CAST(" * depth + "age" + " AS INT)" * depth + " > 1"
        yield f"brackets-{depth}", PERSONS + "len(" + "[" * depth + "age" + "]" * depth + ") > 1"
        yield f"braces-{depth}", PERSONS + "{'a': " * depth + "age" + "}" * depth + " = 1"
        yield f"comments-{depth}", "/*" * depth + " x " + "*/" * depth + "SELECT count(*) FROM person"
        yield f"open-comments-{depth}", "SELECT count(*) FROM person " + "/*" * depth
        yield f"unions-{depth}", " UNION ALL ".join(["SELECT count(*) FROM person"] * (depth + 1))
        unions = "SELECT count(*) FROM person"
        for _ in range(depth):
            unions = f"({unions}) UNION ALL (SELECT count(*) FROM person)"
        yield f"union-parentheses-{depth}", unions
        yield f"intersects-{depth}", " INTERSECT ".join(["SELECT person_id FROM person"] * (depth + 1))
        withs = "SELECT person_id, age FROM person"
        for level in range(depth):
            withs = f"WITH w{level} AS ({withs}) SELECT * FROM w{level}"
        yield f"nested-withs-{depth}", f"SELECT count(*) FROM ({withs})"
        chain = ", ".join(f"c{n} AS (SELECT * FROM c{n - 1})" for n in range(1, depth + 1))
        yield f"with-chain-{depth}", f"WITH c0 AS (SELECT * FROM person), {chain} SELECT count(*) FROM c{depth}"
        cleared = ", ".join(f"c{n} AS (SELECT sex, n + 1 AS n FROM c{n - 1})" for n in range(1, depth + 1))
        start = "WITH c0 AS (SELECT sex, count(*) AS n FROM person GROUP BY sex)"
        yield f"cleared-chain-{depth}", f"{start}, {cleared} SELECT * FROM c{depth}"
        back = ", ".join(
            f"c{n} AS (SELECT p.sex, count(*) AS n FROM person p JOIN c{n - 1} USING (sex) "
            f"WHERE p.age > c{n - 1}.n GROUP BY p.sex)"
            for n in range(1, depth + 1)
        )
        yield f"boundary-chain-{depth}", f"{start}, {back} SELECT * FROM c{depth}"
        aliases = ", ".join(f"a{n - 1} + 1 AS a{n}" for n in range(1, depth + 1))
        yield (
            f"alias-chain-{depth}",
            f"SELECT count(*) FROM (SELECT person_id, age AS a0, {aliases} FROM person) WHERE a{depth} > 3",
        )
        yield (
            f"joins-left-{depth}",
            "SELECT count(*) FROM person p0"
            + "".join(f" LEFT JOIN person p{n} ON p{n}.person_id = p{n - 1}.person_id" for n in range(1, depth + 1)),
        )
        yield (
            f"joins-parenthesised-{depth}",
            (
                "SELECT count(*) FROM "
                + "(" * depth
                + "person p0"
                + "".join(f" JOIN person p{n} ON p{n}.person_id = p0.person_id)" for n in range(1, depth + 1))
            ),
        )
        yield f"lambdas-{depth}", PERSONS + "list_transform([1], x -> " * depth + "1" + ")" * depth + " IS NULL"
        yield f"windows-{depth}", _windows(depth)
        yield f"pivots-{depth}", "PIVOT (" * depth + "FROM person" + ") ON sex IN ('F') USING count(*)" * depth


def _windows(depth: int) -> str:
    nested = "SELECT person_id, age FROM person"
    for _ in range(depth):
        nested = f"SELECT person_id, sum(age) OVER (PARTITION BY person_id) AS age FROM ({nested})"
    return f"SELECT count(*) FROM ({nested})"


def _wide() -> Iterator[tuple[str, str]]:
    for width in (100, 1000, 5000, 50_000):
        numbers = ", ".join(str(n) for n in range(width))
        yield f"in-list-{width}", PERSONS + f"age IN ({numbers})"
        yield f"in-texts-{width}", PERSONS + "sex IN (" + ", ".join(f"'{n}'" for n in range(width)) + ")"
        yield (
            f"values-{width}",
            f"SELECT count(*) FROM person JOIN (VALUES {', '.join(f'({n})' for n in range(width))}) v(n) ON age = v.n",
        )
        yield f"list-{width}", PERSONS + f"list_contains([{numbers}], age)"
        yield f"columns-{width}", "SELECT " + ", ".join(f"count(*) AS c{n}" for n in range(width)) + " FROM person"
        yield f"sums-{width}", "SELECT " + ", ".join(f"sum(bmi + {n})" for n in range(width)) + " FROM person"
        yield f"medians-{width}", "SELECT " + ", ".join(f"median(age) AS c{n}" for n in range(width)) + " FROM person"
        yield (
            f"filters-{width}",
            "SELECT " + ", ".join(f"count(*) FILTER (age = {n})" for n in range(width)) + " FROM person",
        )
        yield f"keys-{width}", "SELECT count(*) FROM person GROUP BY " + ", ".join(f"age + {n}" for n in range(width))
        yield f"orders-{width}", "SELECT sex, count(*) FROM person GROUP BY sex ORDER BY " + ", ".join(["sex"] * width)
        yield (
            f"person-columns-{width}",
            "SELECT count(*) FROM (SELECT person_id, "
            + ", ".join(f"age + {n} AS c{n}" for n in range(width))
            + " FROM person)",
        )
        yield (
            f"joins-{width}",
            "SELECT count(*) FROM person p0 "
            + " ".join(f"JOIN person p{n} ON p{n}.person_id = p0.person_id" for n in range(1, width)),
        )
        yield (
            f"reference-joins-{width}",
            "SELECT count(*) FROM event e "
            + " ".join(f"JOIN code_list c{n} ON c{n}.code = e.code" for n in range(1, width)),
        )
        yield f"comma-joins-{width}", "SELECT count(*) FROM " + ", ".join(f"person p{n}" for n in range(width))
        yield f"ands-{width}", PERSONS + " AND ".join(f"age <> {n}" for n in range(width))
        yield f"ors-{width}", PERSONS + " OR ".join(f"age = {n}" for n in range(width))
        yield f"mixed-{width}", PERSONS + " OR ".join(f"(age = {n} AND imd = {n})" for n in range(width))
        yield f"plus-{width}", "SELECT sum(" + " + ".join(["age"] * width) + ") FROM person"
        yield f"times-{width}", "SELECT sum(" + " * ".join(["age"] * width) + ") FROM person"
        yield f"concat-{width}", PERSONS + " || ".join(["sex"] * width) + " = 'x'"
        yield f"coalesce-{width}", PERSONS + "coalesce(" + ", ".join(["age"] * width) + ") = 1"
        yield (
            f"case-arms-{width}",
            PERSONS + "CASE " + " ".join(f"WHEN age = {n} THEN {n}" for n in range(width)) + " END = 1",
        )
        yield (
            f"unreferenced-withs-{width}",
            "WITH "
            + ", ".join(f"c{n} AS (SELECT * FROM person)" for n in range(width))
            + " SELECT count(*) FROM person",
        )
        yield (
            f"unreferenced-cleared-{width}",
            "WITH "
            + ", ".join(f"c{n} AS (SELECT count(*) AS n FROM person)" for n in range(width))
            + " SELECT count(*) FROM person",
        )
        yield f"scalar-boundaries-{width}", "SELECT " + " + ".join(["(SELECT count(*) FROM person)"] * width) + " AS n"
        yield f"dots-{width}", PERSONS + "a" + ".a" * width + " = 1"
        yield f"subscripts-{width}", PERSONS + "age" + "[1]" * width + " = 1"
        yield f"slices-{width}", PERSONS + "sex" + "[1:2]" * width + " = 'F'"
        yield f"comparisons-{width}", PERSONS + "age" + " = 1" * width
        yield f"is-nulls-{width}", PERSONS + "age" + " IS NULL" * width
        yield f"betweens-{width}", PERSONS + "age" + " BETWEEN 1 AND 2" * width
        yield f"likes-{width}", PERSONS + "sex" + " LIKE 'a'" * width
        yield f"collates-{width}", PERSONS + "sex" + " COLLATE nocase" * width + " = 'f'"
        yield f"at-time-zones-{width}", PERSONS + "died_on" + " AT TIME ZONE 'UTC'" * width + " IS NULL"
        yield f"semicolons-{width}", "SELECT count(*) FROM person" + ";" * width
        yield f"statements-{width}", "SELECT count(*) FROM person;" * width
        yield f"aliases-{width}", "SELECT count(*) FROM (FROM person " + " ".join(["AS a"] * width) + ")"
        yield (
            f"grouping-sets-{width}",
            "SELECT count(*) FROM person GROUP BY GROUPING SETS (" + ", ".join(["(sex, imd)"] * width) + ")",
        )
        yield (
            f"cube-{width}",
            "SELECT count(*) FROM person GROUP BY CUBE (" + ", ".join(f"age + {n}" for n in range(width)) + ")",
        )
        yield (
            f"rollup-{width}",
            "SELECT count(*) FROM person GROUP BY ROLLUP (" + ", ".join(f"age + {n}" for n in range(width)) + ")",
        )
        yield f"pivot-values-{width}", f"PIVOT person ON age IN ({numbers}) USING count(*) GROUP BY sex"
        yield (
            f"excludes-{width}",
            "SELECT count(*) FROM (SELECT * EXCLUDE (" + ", ".join(f"c{n}" for n in range(width)) + ") FROM person)",
        )
        yield (
            f"replaces-{width}",
            "SELECT count(*) FROM (SELECT * REPLACE ("
            + ", ".join(f"age + {n} AS age" for n in range(width))
            + ") FROM person)",
        )
        yield (
            f"struct-{width}",
            "SELECT count(*) FROM (SELECT person_id, {"
            + ", ".join(f"'k{n}': age" for n in range(width))
            + "} AS s FROM person)",
        )
        yield f"quantiles-{width}", "SELECT quantile_cont(age, [" + ", ".join(["0.5"] * width) + "]) FROM person"
    yield (
        "cube-of-twelve",
        "SELECT count(*) FROM person GROUP BY CUBE (" + ", ".join(f"age + {n}" for n in range(12)) + ")",
    )
    yield "cubes-multiplied", "SELECT count(*) FROM person GROUP BY " + ", ".join(["CUBE (sex, imd, region)"] * 8)
    yield (
        "rollups-multiplied",
        "SELECT count(*) FROM person GROUP BY " + ", ".join(["ROLLUP (sex, imd, region, age)"] * 12),
    )
    yield "range", "SELECT count(*) FROM range(1000000000000)"
    yield "range-and-persons", "SELECT count(*) FROM person, range(1000000000000)"
    yield "unnested-range", "SELECT unnest(range(1000000000000))"
    yield (
        "generated-series",
        "SELECT count(*) FROM generate_series(DATE '0001-01-01', DATE '9999-12-31', INTERVAL 1 SECOND)",
    )
    yield "recursive", "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r"
    yield "public-cross-joins", "SELECT count(*) FROM " + ", ".join(f"code_list c{n}" for n in range(12))
    yield "public-repeat", "SELECT repeat('x', 2000000000)"
    yield "public-lists", "SELECT list_sum(range(10000000000))"
    yield "public-factorial", "SELECT 10000000 !"
    yield "public-power", "SELECT 10 ^ 10 ^ 10 ^ 10"


def _exploding(doublings: int) -> Iterator[tuple[str, str]]:
    """Short texts that stand for very long ones, when every reference is written out."""
    steps = range(1, doublings + 1)
    person = ", ".join(
        f"c{n} AS (SELECT a.person_id, a.age FROM c{n - 1} a JOIN c{n - 1} b ON a.person_id = b.person_id)"
        for n in steps
    )
    last = f"c{doublings}"
    yield f"laughs-joins-{doublings}", f"WITH c0 AS (SELECT * FROM person), {person} SELECT count(*) FROM {last}"
    public = ", ".join(f"c{n} AS (SELECT a.code FROM c{n - 1} a CROSS JOIN c{n - 1} b)" for n in steps)
    yield f"laughs-public-{doublings}", f"WITH c0 AS (SELECT code FROM code_list), {public} SELECT count(*) FROM {last}"
    union = ", ".join(f"c{n} AS (SELECT * FROM c{n - 1} UNION ALL SELECT * FROM c{n - 1})" for n in steps)
    yield (
        f"laughs-unions-{doublings}",
        f"WITH c0 AS (SELECT person_id, age FROM person), {union} SELECT count(*) FROM {last}",
    )
    values = ", ".join(f"c{n} AS (SELECT * FROM c{n - 1} UNION ALL SELECT * FROM c{n - 1})" for n in steps)
    yield f"laughs-values-{doublings}", f"WITH c0(x) AS (VALUES (1), (2)), {values} SELECT count(*) FROM {last}"
    cleared = ", ".join(f"c{n} AS (SELECT a.n + b.n AS n FROM c{n - 1} a CROSS JOIN c{n - 1} b)" for n in steps)
    yield (
        f"laughs-cleared-{doublings}",
        f"WITH c0 AS (SELECT count(*) AS n FROM person), {cleared} SELECT n FROM {last}",
    )
    scalars = ", ".join(f"c{n} AS (SELECT (SELECT n FROM c{n - 1}) + (SELECT n FROM c{n - 1}) AS n)" for n in steps)
    yield (
        f"laughs-scalars-{doublings}",
        f"WITH c0 AS (SELECT count(*) AS n FROM person), {scalars} SELECT n FROM {last}",
    )
    back = ", ".join(
        f"c{n} AS (SELECT count(*) AS n FROM person WHERE age > (SELECT n FROM c{n - 1}) "
        f"OR imd > (SELECT n FROM c{n - 1}))"
        for n in steps
    )
    yield (
        f"laughs-boundaries-{doublings}",
        f"WITH c0 AS (SELECT count(*) AS n FROM person), {back} SELECT n FROM {last}",
    )
    aliases = ", ".join(f"a{n - 1} + a{n - 1} AS a{n}" for n in steps)
    yield (
        f"laughs-aliases-{doublings}",
        f"SELECT count(*) FROM (SELECT person_id, age AS a0, {aliases} FROM person) WHERE a{doublings} > 1",
    )
    yield f"laughs-output-aliases-{doublings}", f"SELECT count(*) AS a0, {aliases} FROM person"
    nested = "SELECT person_id, age AS a FROM person"
    for _ in steps:
        nested = f"SELECT person_id, a + a AS a FROM ({nested})"
    yield f"laughs-nested-{doublings}", f"SELECT count(*) FROM ({nested}) WHERE a > 1"
    cases = ", ".join(f"CASE WHEN a{n - 1} > 1 THEN a{n - 1} ELSE a{n - 1} + 1 END AS a{n}" for n in steps)
    yield (
        f"laughs-cases-{doublings}",
        f"SELECT sum(CASE WHEN a{doublings} > 1 THEN 1 ELSE 0 END) "
        f"FROM (SELECT person_id, age AS a0, {cases} FROM person)",
    )
    members = ", ".join(
        f"c{n} AS (SELECT person_id FROM c{n - 1} WHERE person_id IN (SELECT person_id FROM c{n - 1}))" for n in steps
    )
    yield (
        f"laughs-members-{doublings}",
        f"WITH c0 AS (SELECT person_id FROM person), {members} SELECT count(*) FROM {last}",
    )
    grouped = ", ".join(
        f"c{n} AS (SELECT a.person_id, sum(a.age + b.age) AS age FROM c{n - 1} a "
        f"JOIN c{n - 1} b USING (person_id) GROUP BY a.person_id)"
        for n in steps
    )
    yield (
        f"laughs-grouped-{doublings}",
        f"WITH c0 AS (SELECT person_id, age FROM person), {grouped} SELECT count(*) FROM {last}",
    )
    windows = ", ".join(f"sum(a{n - 1}) OVER (PARTITION BY person_id ORDER BY a{n - 1}) AS a{n}" for n in steps)
    yield f"laughs-windows-{doublings}", f"SELECT count(*) FROM (SELECT person_id, age AS a0, {windows} FROM person)"
    texts_ = ", ".join(f"t{n - 1} || t{n - 1} AS t{n}" for n in steps)
    yield (
        f"laughs-texts-{doublings}",
        f"SELECT t{doublings}, count(*) FROM (SELECT person_id, sex AS t0, {texts_} FROM person) GROUP BY 1",
    )
    stars = ", ".join(f"c{n} AS (SELECT a.*, b.* FROM c{n - 1} a JOIN c{n - 1} b ON a.code = b.code)" for n in steps)
    yield f"laughs-stars-{doublings}", f"WITH c0 AS (SELECT * FROM code_list), {stars} SELECT count(*) FROM {last}"
    power = ", ".join(f"a{n - 1} * a{n - 1} AS a{n}" for n in steps)
    yield f"laughs-numbers-{doublings}", f"SELECT 9 AS a0, {power}"


def _odd() -> Iterator[tuple[str, str]]:
    odd = {
        "zero-width-space": "\u200b", "zero-width-joiner": "\u200d", "right-to-left": "\u202e", "nul": "\0",
        "byte-order-mark": "\ufeff", "no-break-space": "\u00a0", "soft-hyphen": "\u00ad", "line-separator": "\u2028",
        "next-line": "\x85", "form-feed": "\f", "vertical-tab": "\v", "escape": "\x1b", "bell": "\x07",
        "backspace": "\b", "delete": "\x7f", "lone-surrogate": "\ud800", "low-surrogate": "\udfff",
        "full-width-quote": "\uff07", "right-quote": "\u2019", "prime": "\u2032", "combining": "\u0301" * 3000,
        "tag-characters": "\U000e0041" * 500, "private-use": "\ue000", "noncharacter": "\uffff", "last": "\U0010ffff",
        "full-width-parenthesis": "\uff08", "greek-question-mark": "\u037e", "division-slash": "\u2215",
        "ideographic-space": "\u3000", "mathematical-digits": "\U0001d7d0", "arabic-digits": "\u0663",
        "superscript": "\u00b2", "dotless-i": "\u0131", "kelvin": "\u212a", "long-s": "\u017f", "ligature": "\ufb01",
    }  # fmt: skip
    for name, character in odd.items():
        yield f"{name}-bare", f"SELECT count(*) {character} FROM person"
        yield f"{name}-in-name", f"SELECT count(*) FROM per{character}son"
        yield f"{name}-in-column", f"SELECT sum(ag{character}e) FROM person"
        yield f"{name}-in-keyword", f"SEL{character}ECT count(*) FROM person"
        yield f"{name}-in-text", f"SELECT count(*) FROM person WHERE sex = '{character}F'"
        yield f"{name}-in-alias", f'SELECT count(*) AS "n{character}" FROM person'
        yield f"{name}-in-number", f"SELECT count(*) FROM person WHERE age = 1{character}2"
        yield f"{name}-in-comment", f"SELECT count(*) /* {character} */ FROM person -- {character}"
        yield f"{name}-in-date", f"SELECT count(*) FROM person WHERE died_on > DATE '2020-01-0{character}1'"
        yield f"{name}-in-pattern", f"SELECT count(*) FROM person WHERE sex LIKE '{character}' ESCAPE '{character}'"
    yield "cyrillic-table", "SELECT count(*) FROM p\u0435rson"
    yield "cyrillic-function", "SELECT c\u043eunt(*) FROM person"
    yield "unterminated-text", "SELECT count(*) FROM person WHERE sex = 'F"
    yield "unterminated-name", 'SELECT count(*) AS "n FROM person'
    yield "unterminated-dollar", "SELECT count(*) FROM person WHERE sex = $x$F"
    yield "unterminated-comment", "SELECT count(*) FROM person /* for ever"
    yield "unterminated-escape", "SELECT count(*) FROM person WHERE sex = E'\\"
    yield "only-comment", "-- nothing"
    yield "only-space", " \n\t "
    yield "nothing", ""
    yield "only-semicolon", ";"
    yield "closing-first", ")" * 20_000
    yield "closing-and-opening", ")" * 10_000 + "(" * 10_000
    yield "ends", "END " * 15_000
    yield "case-without-end", "SELECT " + "CASE " * 10_000
    yield "commas", "SELECT " + "," * 60_000
    yield "stars", "SELECT " + "*" * 60_000
    yield "dots-only", "SELECT " + "." * 60_000
    yield "at-signs", "SELECT " + "@" * 60_000
    yield "hashes", "SELECT " + "#1" * 30_000
    yield "question-marks", "SELECT " + "?" * 60_000
    yield "colons", "SELECT " + ":" * 60_000
    yield "arrows", "SELECT 1 " + "-> 1 " * 12_000
    yield "exclamations", "SELECT 1" + "!" * 60_000
    yield "prefix-selects", "SELECT " * 9_000
    yield "prefix-froms", "FROM " * 12_000
    yield "prefix-withs", "WITH a AS (" * 5_000
    yield "prefix-overs", "SELECT count(*) " + "OVER (" * 8_000
    yield "prefix-intervals", "SELECT " + "INTERVAL " * 7_000
    yield "prefix-distincts", "SELECT " + "DISTINCT " * 7_000
    yield "prefix-exists", "SELECT " + "EXISTS " * 9_000
    yield "prefix-columns", "SELECT " + "COLUMNS(" * 7_000
    yield "keywords", " ".join(["SELECT", "FROM", "WHERE", "GROUP", "BY", "ORDER", "UNION", "WITH", "AS", "CASE"] * 900)
