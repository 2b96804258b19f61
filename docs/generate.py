"""Writes the generated parts of the docs from the code: tables between marks, and JSON Schemas.

    python docs/generate.py             # rewrite what is stale
    python docs/generate.py --check     # only say what is stale; exit code 1 if anything is

A generated part stands between `<!-- generated: name -->` and `<!-- end -->`. `tests/test_docs.py` runs the check.
The results on docs/how-to/real-data.md need the data: `tests/datasets/real_data_page.py` writes them. Its queries are
written here, as files for `ambergate replay`.
"""

from __future__ import annotations

import json
import re
import sys
import typing
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import click
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ambergate_hub.cli import main as command
from ambergate_policies.agreement import Agreement, read_agreement
from ambergate_policies.authorisation import Session
from ambergate_policies.catalogue import Catalogue, IdentifierKind, Role, read_catalogue
from ambergate_policies.cohorts import Cohorts
from ambergate_policies.functions import ALIASES, ALLOWED, Function
from ambergate_policies.kernel import Kernel
from ambergate_policies.packs import PACKS_FOLDER, RulePack, read_pack
from ambergate_policies.verdict import QueryRefused

DOCS = Path(__file__).resolve().parent
REPOSITORY = DOCS.parent
REFERENCE = DOCS / "reference"
SOURCE = REFERENCE / "source"
SCHEMAS: dict[str, type[BaseModel]] = {"agreement": Agreement, "catalogue": Catalogue, "rule-pack": RulePack}
EXAMPLE_DAY = date(2026, 11, 22)
SESSION = Session("amara", territory="GB-ENG")
_MARKS = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


# -- fields of the three kinds of files


def fields(kind: str) -> str:
    """A table of every field of a kind of file."""
    meanings = yaml.safe_load((SOURCE / "meanings.yaml").read_text(encoding="utf-8"))[kind]
    rows = []
    for path, field in _fields(SCHEMAS[kind], ""):
        meaning = meanings.pop(path, None) or field.description
        if not meaning:
            raise SystemExit(f"docs/reference/source/meanings.yaml says nothing of {kind}: {path}")
        rows.append(f"| `{path}` | {_values(field)} | {_default(field)} | {meaning} |")
    if meanings:
        raise SystemExit(f"{kind} has no such fields: {', '.join(meanings)}")
    return "\n".join(["| field | value | if left out | meaning |", "|---|---|---|---|", *rows]) + "\n"


def _fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield prefix + name, field
        inner, container = _model_within(field.annotation)
        if inner is not None:
            yield from _fields(inner, f"{prefix}{name}{container}.")


def _model_within(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    mark = {tuple: "[]", dict: ".<name>"}.get(typing.get_origin(annotation), "")
    for argument in typing.get_args(annotation):
        inner, _ = _model_within(argument)
        if inner is not None:
            return inner, mark
    return None, ""


def _values(field: FieldInfo) -> str:
    """The kind of value in a few words; the words themselves where there is a fixed list."""
    return _words(field.annotation).replace("|", "\\|")


def _words(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(annotation, type) and hasattr(annotation, "__members__"):
        return ", ".join(f"`{member.value}`" for member in annotation)  # type: ignore[attr-defined]
    if origin is typing.Literal:
        return ", ".join(f"`{getattr(value, 'value', value)}`" for value in arguments)
    if origin is tuple:
        return f"list of {_words(arguments[0]) or 'entries'}"
    if origin is dict:
        return "by name"
    if origin is typing.Annotated:
        return _words(arguments[0])
    if arguments:
        return " or ".join(_words(argument) for argument in arguments if argument is not type(None))
    simple = {str: "text", int: "whole number", float: "number", bool: "`true`, `false`", date: "date"}
    return simple.get(annotation, "")  # a model: its fields follow


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value == ():
        return "none"
    if isinstance(value, BaseModel):
        return "defaults"
    if isinstance(value, tuple):
        return "all" if len(value) > 1 else str(value[0])
    text = getattr(value, "value", value)
    return f"`{str(text).lower() if isinstance(text, bool) else text}`" if text != "" else "empty"


# -- rule packs


def rule_packs() -> str:
    """One row for each delivered pack."""
    head = "| pack | version | threshold | counts | one person | two persons | p% | everybody / nobody |"
    rows = [head, "|---|---|---|---|---|---|---|---|"]
    rows += [_pack_row(read_pack(path.stem)) for path in sorted(PACKS_FOLDER.glob("*.yaml"))]
    return "\n".join(rows) + "\n"


def _pack_row(pack: RulePack) -> str:
    rounding = f"{pack.rounding.method}, {pack.rounding.base}" if pack.rounding.method != "none" else "as they are"
    dominance, classes = pack.dominance, pack.class_disclosure
    cells = [
        f"`{pack.pack}`",
        pack.version,
        f"{pack.threshold.minimum}: {pack.threshold.action}",
        rounding,
        _limit(dominance.largest_percent, dominance.action),
        _limit(dominance.two_largest_percent, dominance.action),
        _limit(dominance.p_percent, dominance.action),
        f"{classes.everybody} / {classes.nobody}",
    ]
    return f"| {' | '.join(cells)} |"


def _limit(percent: float | None, action: str) -> str:
    return "off" if percent is None else f"{percent:g}%: {action}"


def rule_pack_sources() -> str:
    """What each pack is and where it is from."""
    packs = [read_pack(path.stem) for path in sorted(PACKS_FOLDER.glob("*.yaml"))]
    return "\n".join(f"- `{pack.pack}`: {pack.title}. {pack.source}." for pack in packs) + "\n"


# -- the language


def functions() -> str:
    """The allowlist of scalar functions."""
    others: dict[str, list[str]] = {}
    for alias, name in ALIASES.items():
        others.setdefault(name, []).append(f"`{alias}`")
    rows = ["| function | gives | also written | notes |", "|---|---|---|---|"]
    rows += [_function_row(function, others.get(name, [])) for name, function in ALLOWED.items()]
    return "\n".join(rows) + "\n"


def _function_row(function: Function, others: list[str]) -> str:
    arguments = [_kinds(kinds) for kinds in function.parameters]
    for index in function.constant:
        arguments[index] += " constant"
    for index in range(len(arguments) - function.optional, len(arguments)):
        arguments[index] = f"[{arguments[index]}]"
    if function.unit:
        arguments.insert(0, "part")
    written = f"`{function.name}({', '.join(arguments)}{', ...' if function.variadic else ''})`"
    notes = "NULL where it cannot be computed" if function.partial else ""
    gives = str(function.result) if function.result else "as its arguments"
    return f"| {written} | {gives} | {', '.join(others)} | {notes} |"


def _kinds(kinds: frozenset[Any]) -> str:
    words = {str(kind) for kind in kinds} - {"null"}
    if len(words) > 3:
        return "any"
    return "date" if "date" in words else "number" if "number" in words else next(iter(words))


def refusals() -> str:
    """Every example of docs/reference/source/refusals.yaml, refused by the kernel itself over the demo's catalogue."""
    kernel = example_kernel()
    parts = []
    for entry in yaml.safe_load((SOURCE / "refusals.yaml").read_text(encoding="utf-8")):
        parts.append(f"### `{entry['rule']}`\n\n{entry['about'].strip()}\n")
        for example in entry["examples"]:
            parts.append(_refusal(kernel, entry["rule"], example))
    return "\n".join(parts)


def _refusal(kernel: Kernel, rule: str, example: dict[str, str]) -> str:
    try:
        kernel.understand(SESSION, example["sql"], EXAMPLE_DAY, Cohorts())
    except QueryRefused as refused:
        finding = kernel.advised(refused, SESSION, example["sql"], EXAMPLE_DAY, Cohorts()).findings[0]
    else:
        raise SystemExit(f"this example of {rule} is not refused: {example['sql']}")
    if finding.rule != rule:
        raise SystemExit(f"this example of {rule} is refused by {finding.rule}: {example['sql']}")
    said = finding.message + (f". Hint: {finding.hint}" if finding.hint else "")
    text = f"```sql\n{example['sql'].strip()}\n```\n\n> {said}\n"
    if "instead" in example:
        kernel.understand(SESSION, example["instead"], EXAMPLE_DAY, Cohorts())
        text += f"\nInstead:\n\n```sql\n{example['instead'].strip()}\n```\n"
    elif finding.rewrite:
        text += f"\nOffered with it:\n\n```sql\n{finding.rewrite}\n```\n"
    return text


def example_kernel() -> Kernel:
    """The kernel of the demonstration's project cardio-outcomes."""
    agreement = read_agreement(REPOSITORY / "policies" / "agreements" / "cardio-outcomes.yaml")
    catalogue = read_catalogue(REPOSITORY / "datasets" / "catalogues" / "demo.yaml")
    return Kernel(catalogue, agreement, read_pack(agreement.terms.rule_pack))


# -- commands


def commands() -> str:
    """The help of every command, as it prints it."""
    return "\n".join(_help(command, click.Context(command, info_name="ambergate")))


def _help(found: click.Command, context: click.Context) -> Iterator[str]:
    context.terminal_width = context.max_content_width = 100
    yield f"## `{context.command_path}`\n\n```\n{found.get_help(context).strip()}\n```\n"
    if isinstance(found, click.Group):
        for name in found.list_commands(context):
            inner = found.get_command(context, name)
            if inner is not None:
                yield from _help(inner, click.Context(inner, info_name=name, parent=context))


# -- the queries of the page on real data


def replay_files() -> Iterator[tuple[Path, str]]:
    """The queries of docs/how-to/real-data.md, one file for each project, as `ambergate replay` reads them."""
    page = (DOCS / "how-to" / "real-data.md").read_text(encoding="utf-8")
    _, *sections = re.split(r"<!-- project: ([a-z-]+) -->", page)
    for project, text in zip(sections[::2], sections[1::2], strict=True):
        queries = re.findall(r"```sql\n(.*?)\n```", text, re.DOTALL)
        lines = [json.dumps({"id": f"{project}-{number}", "sql": sql}) for number, sql in enumerate(queries, 1)]
        yield DOCS / "how-to" / "real-data" / f"{project}.jsonl", "\n".join(lines) + "\n"


# -- writing

PARTS: dict[str, Callable[[], str]] = {
    "agreement-fields": lambda: fields("agreement"),
    "catalogue-fields": lambda: fields("catalogue"),
    "rule-pack-fields": lambda: fields("rule-pack"),
    "rule-packs": rule_packs,
    "rule-pack-sources": rule_pack_sources,
    "roles": lambda: _listed(Role),
    "identifiers": lambda: _listed(IdentifierKind),
    "functions": functions,
    "refusals": refusals,
    "commands": commands,
}


def _listed(words: Any) -> str:
    return ", ".join(f"`{word.value}`" for word in words) + ".\n"


def wanted() -> Iterator[tuple[Path, str]]:
    """Every generated or partly generated file with the text that it should have."""
    for name, model in SCHEMAS.items():
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
        yield REFERENCE / "schema" / f"{name}.json", json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    yield from replay_files()
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if _MARKS.search(text):
            yield path, _MARKS.sub(_filled, text)


def _filled(match: re.Match[str]) -> str:
    make = PARTS.get(match[2])
    return match[0] if make is None else f"{match[1]}\n{make()}\n{match[3]}"


def stale() -> list[Path]:
    """The files that the code has moved away from."""
    return [path for path, text in wanted() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        found = stale()
        for path in found:
            print(f"stale: {path.relative_to(REPOSITORY)}")
        return 1 if found else 0
    for path, text in list(wanted()):
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"written: {path.relative_to(REPOSITORY)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
