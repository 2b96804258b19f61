"""Names that are not there: misspelt, of another table, not granted, or a text in double quotes."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from ambergate_policies.advice.cure import Cure
from ambergate_policies.advice.question import Known, Question
from ambergate_policies.spelling import nearest

_SYNONYMS: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = (
    (
        frozenset({"dob", "date_of_birth", "birth_date", "birthdate", "birthday", "yob"}),
        ("birth_year", "year_of_birth", "age_band", "age_band_5", "age_band_10", "age", "startage"),
    ),
    (frozenset({"age", "age_group", "ageband"}), ("age_band", "age_band_10", "age_band_5", "birth_year", "startage")),
    (frozenset({"gender", "gender_code"}), ("sex", "gender_concept_id")),
    (frozenset({"ethnic", "ethnos", "race"}), ("ethnicity", "ethnos")),
    (
        frozenset(
            {"practice", "practice_id", "gp_practice", "surgery", "postcode", "lsoa", "area", "provider", "trust"}
        ),
        ("region", "resgor", "procode3", "imd", "imd_quintile"),
    ),
    (frozenset({"deprivation", "imd_decile", "townsend"}), ("imd", "imd_quintile")),
    (frozenset({"icd10", "icd", "diag", "icd_code"}), ("diagnosis", "diag_01", "code")),
    (frozenset({"snomed", "read_code", "concept", "event_code"}), ("code",)),
    (frozenset({"death_date", "dod", "date_of_death"}), ("died_on", "death_year")),
    (frozenset({"admission_date", "admidate"}), ("admitted_on", "admission_month", "admission_year")),
    (frozenset({"date", "event_date"}), ("happened_on", "event_date", "issued_on", "admitted_on")),
)
"""Words that people use, and what catalogues call the granted thing, nearest first."""
_KEYS = frozenset(
    {
        "person_id", "patient_id", "patid", "patient", "id", "pid", "person", "pseudonym", "study_id", "nhs_number",
        "nhsno", "encrypted_hesid", "token_person_id", "subject_id", "eid", "alf",
    }
)  # fmt: skip
"""What people call the person key."""


def _quoted_text(question: Question) -> Iterator[str]:
    """`sex = "F"`: double quotes are for names, texts are in single ones."""
    known = {name.lower() for _, table, columns in question.granted() for name in (*columns, table.owner or "")}
    text = question.text
    for token in reversed(question.tokens()):
        if text[token.start : token.start + 1] == '"' and token.text.lower() not in known:
            text = text[: token.start] + "'" + token.text.replace("'", "''") + "'" + text[token.end + 1 :]
    if text != question.text:
        yield text


def _table(question: Question) -> Iterator[str]:
    word = _last_word(question.fragment)
    names = [name for name, _, _ in question.granted()]
    span = question.finding.span
    if question.fragment.startswith("'") and span is not None:  # a file, or a name in the wrong quotes
        stem = question.fragment.strip("'").split("/")[-1].split(".")[0]
        for guess in nearest(stem, names, cutoff=0.5):
            yield question.replaced(span.start, span.end, guess)
        return
    if "." in question.fragment:  # a schema: there is none
        granted = [name for name in names if name.lower() == word.lower()]
        if granted and span is not None:
            yield question.replaced(span.start, span.end, granted[0])
        return
    if word.lower() in (name.lower() for name in question.catalogue.tables):  # spelt rightly, and not granted
        return
    for guess in nearest(word, names, most=2):
        yield question.renamed(word, guess)


def _column(question: Question) -> Iterator[str]:
    """The granted column that may have been meant: derived from the named one, spelt alike, or known by that word."""
    word = _last_word(question.fragment)
    tables = _tables(question)
    named = [known for known in tables if _qualifier(question.fragment) in ("", known.alias.lower())]
    for known in named:
        if word.lower() in _KEYS and known.owner and known.table.owner != word:
            yield _requalified(question, word, known)
    granted = [name for known in named for name in known.granted]
    for known in named:
        yield from (question.renamed(word, name) for name in _derived(known, word))
    for guess in nearest(word, granted, most=2):
        yield question.renamed(word, guess)
    for words, meant in _SYNONYMS:
        if word.lower() in words:
            yield from (question.renamed(word, name) for name in meant if name in granted)


def _derived(known: Known, word: str) -> list[str]:
    """Granted columns that the catalogue makes from the named one, or from what it is itself made of."""
    columns = known.table.columns
    named = next((column for name, column in columns.items() if name.lower() == word.lower()), None)
    if named is None:
        return []
    roots = {word.lower(), (named.derive_from or word).lower()}
    return [name for name in known.granted if (columns[name].derive_from or name).lower() in roots]


def _requalified(question: Question, word: str, known: Known) -> str:
    """`a.person_id` where that table's key has another name."""
    text, tokens = question.text, question.tokens()
    for index in range(len(tokens) - 1, -1, -1):
        token = tokens[index]
        if token.text.lower() != word.lower():
            continue
        qualified = index >= 2 and text[tokens[index - 1].start] == "." and tokens[index - 2].text.lower()
        if qualified in (known.alias.lower(), False):
            text = text[: token.start] + str(known.table.owner) + text[token.end + 1 :]
    return text


def _elsewhere(question: Question) -> Iterator[str]:
    """A column of another granted table: join that one on the person key."""
    word = _last_word(question.fragment)
    if _qualifier(question.fragment):
        return
    for name, table, columns in question.granted():
        select = question.select()
        if select is None or table.owner is None or word.lower() not in (column.lower() for column in columns):
            continue
        here = question.tables(select)
        first = next((known for known in here if known.owner), None)
        if first is None or name in (known.name for known in here):
            continue
        on = exp.condition(f"{name}.{table.owner} = {first.owner}", dialect="duckdb")
        yield question.printed(select.join(exp.to_table(name), on=on, copy=True))


def _unambiguous(question: Question) -> Iterator[str]:
    """A name that several tables have: the first one's."""
    span = question.finding.span
    if span is None or not question.fragment.isidentifier():
        return
    for known in _tables(question):
        if known.column(question.fragment) is not None or known.table.owner == question.fragment:
            yield question.replaced(span.start, span.end, f"{known.alias}.{question.fragment}")


def _having_no_alias(question: Question) -> Iterator[str]:
    """`HAVING n > 10` where nothing is called n: the first aggregate."""
    select = question.select()
    having = select.args.get("having") if select is not None else None
    if select is None or having is None:
        return
    word = _last_word(question.fragment).lower()
    counted = next(
        (item.unalias() for item in select.expressions if item.find(exp.AggFunc)), exp.Count(this=exp.Star())
    )
    named = [column for column in having.find_all(exp.Column) if column.name.lower() == word]
    for column in named:
        column.replace(counted.copy())
    if named:
        yield question.printed(select)


def _left_out(question: Question) -> Iterator[str]:
    """A column that is not granted, and nothing like it: the same without it among the results and groups."""
    select = question.select()
    if select is None:
        return
    word = _last_word(question.fragment).lower()

    def unwanted(item: exp.Expr) -> bool:
        return any(column.name.lower() == word for column in item.find_all(exp.Column))

    kept = [item for item in select.expressions if not unwanted(item)]
    group = select.args.get("group")
    if not kept or len(kept) == len(select.expressions) or group is None or group.args.get("all"):
        return
    if any(item.sql().isdigit() for item in group.expressions):
        return
    groups = [item for item in group.expressions if not unwanted(item)]
    select.set("expressions", kept)
    select.set("group", exp.Group(expressions=groups) if groups else None)
    yield question.printed(select)


def _dropped(question: Question) -> Iterator[str]:
    """Ordering by a name that is not there: by the first aggregate, or not at all."""
    select = question.select()
    order = select.args.get("order") if select is not None else None
    if select is None or order is None:
        return
    word = _last_word(question.fragment).lower()
    items = [item for item in order.expressions if item.name.lower() != word]
    if len(items) == len(order.expressions):
        return
    counted = next((item for item in select.expressions if item.find(exp.AggFunc)), None)
    if counted is not None:
        meant = exp.Ordered(this=counted.unalias().copy(), desc=True)
        order.set("expressions", [meant if item.name.lower() == word else item for item in order.expressions])
        yield question.printed(select)
        order.set("expressions", items)
    if not items:
        select.set("order", None)
    yield question.printed(select)


def _tables(question: Question) -> list[Known]:
    """The granted tables of every SELECT of the query."""
    tree = question.tree()
    return [] if tree is None else [known for each in tree.find_all(exp.Select) for known in question.tables(each)]


def _last_word(fragment: str) -> str:
    return fragment.split()[0].split(".")[-1].strip("\"'`[]") if fragment.split() else ""


def _qualifier(fragment: str) -> str:
    return fragment.split(".")[0].strip('"').lower() if "." in fragment and not fragment.startswith("'") else ""


_UNKNOWN = frozenset({"unknown-column"})
CURES: tuple[Cure, ...] = (
    Cure("a text in double quotes", _UNKNOWN, _quoted_text, "double quotes are for names: put texts in single quotes"),
    Cure("a table's name misspelt, or with a schema", frozenset({"unknown-table"}), _table),
    Cure("a column misspelt, not granted, or named by another word", _UNKNOWN, _column),
    Cure("a column of another table", _UNKNOWN, _elsewhere, "join the table that has it, on the person key"),
    Cure("ordering by an alias that is not there", _UNKNOWN, _dropped),
    Cure("HAVING on an alias that is not there", _UNKNOWN, _having_no_alias),
    Cure("a column that is not granted, nor anything like it", _UNKNOWN, _left_out),
    Cure("a name that several tables have", frozenset({"ambiguous"}), _unambiguous),
)
