"""Reading YAML documents (catalogues, agreements, rule packs) into models, with errors that carry line numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from ambergate_policies.errors import UserError
from ambergate_policies.spelling import nearest


class Document(BaseModel):
    """Base of every model read from a file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=Document)
Location = tuple[int | str, ...]


class DocumentError(UserError):
    """A document is not what it should be. `problems` holds one line each: `file:line: where: what`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document: what, and where below the part that says so."""

    text: str
    where: Location = ()


def report(*problems: Problem) -> PydanticCustomError:
    """The error by which a model's validator tells several problems at once, each at its own line."""
    text = "; ".join(problem.text for problem in problems)
    return PydanticCustomError("problems", "{text}", {"text": text, "problems": problems})


def closest(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: the nearest known one, or what there is."""
    names = list(dict.fromkeys(known))
    if guesses := nearest(word, names):
        return f"; did you mean {guesses[0]!r}?"
    return f"; there are: {', '.join(names[:20])}" if names else ""


class _Loader(yaml.SafeLoader):
    """YAML 1.1 without surprises: a key given twice is an error, and `no` is a word."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def _date(loader: _Loader, node: yaml.ScalarNode) -> object:
    """A date that no calendar has is an error with a line, as everything else is."""
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError as error:
        raise yaml.constructor.ConstructorError(
            None, None, f"{node.value} is no date ({error})", node.start_mark
        ) from None


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _date)


def read_document(path: Path, model: type[Model]) -> Model:
    """Read and validate one YAML file. Raises DocumentError with a line number for every problem."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DocumentError([f"{path}: cannot be read ({error.strerror})"]) from None
    return parse_document(text, model, name=str(path))


def parse_document(text: str, model: type[Model], *, name: str) -> Model:
    """Validate YAML text. `name` stands before each problem."""
    try:
        node = yaml.compose(text, Loader=_Loader)
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - _Loader is a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise DocumentError([f"{name}:{line}: not valid YAML: {error.problem}"]) from None
    if node is not None and (twice := _duplicate_key(node)):
        raise DocumentError([f"{name}:{twice.start_mark.line + 1}: the key {twice.value!r} is given twice"])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise DocumentError([line for item in error.errors() for line in _described(name, node, item, model)]) from None


def located(path: Path, problems: Iterable[Problem]) -> DocumentError:
    """Problems that were found only after a file had been read, with the lines where the file has them."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, yaml.YAMLError):
        node = None
    return DocumentError([_one(str(path), node, problem.where, problem.text) for problem in problems])


def _duplicate_key(node: yaml.Node) -> yaml.ScalarNode | None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                return key  # type: ignore[no-any-return]
            seen.add(key.value)
            if found := _duplicate_key(value):
                return found
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            if found := _duplicate_key(value):
                return found
    return None


def _described(name: str, node: yaml.Node | None, item: Any, model: type[BaseModel]) -> Iterator[str]:
    location: Location = item["loc"]
    if item["type"] == "problems":
        for problem in item["ctx"]["problems"]:
            yield _one(name, node, (*location, *problem.where), problem.text)
        return
    text = item["msg"]
    if item["type"] == "extra_forbidden" and (guess := _closest_key(model, location)):
        text += f"; did you mean {guess!r}?"
    elif item["type"] in ("enum", "literal_error"):
        text = f"{item['input']!r} is not known here{_nearest_choice(str(item['input']), item['ctx']['expected'])}"
    yield _one(name, node, location, text)


def _one(name: str, node: yaml.Node | None, location: Location, text: str) -> str:
    where = ".".join(str(part) for part in location) or "document"
    return f"{name}:{_line(node, location)}: {where}: {text}"


def _nearest_choice(word: str, expected: str) -> str:
    """Pydantic words the choices as `'a', 'b' or 'c'`; whoever chose none of them is shown all of them."""
    choices = re.findall(r"'([^']*)'", expected) or expected.split(" or ")
    guesses = nearest(word, choices)
    advice = f"; did you mean {guesses[0]!r}?" if guesses else ""
    return f"{advice or ';'} possible: {', '.join(choices)}"


def _line(node: yaml.Node | None, location: Location) -> int:
    """The line of the deepest part of `location` that the text has (a missing key: its parent's line)."""
    line = 1
    for part in location:
        if node is None:
            break
        if isinstance(node, yaml.MappingNode):
            match = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if match is None:
                break
            line, node = match[0].start_mark.line + 1, match[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _closest_key(model: type[BaseModel], location: Location) -> str | None:
    """The known key nearest to an unknown one: where it stands, else at whatever depth of the model."""
    here = _model_at(model, location[:-1])
    for names in (
        set(here.model_fields) if here else set(),
        {n for m in _models_within(model) for n in m.model_fields},
    ):
        if found := nearest(str(location[-1]), sorted(names)):
            return found[0]
    return None


def _model_at(model: type[BaseModel], location: Location) -> type[BaseModel] | None:
    """The model that describes what stands at a location, where that is one model and no choice of several."""
    found: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, str) and found is not None and part in found.model_fields:
            inner = list(_models_within(found.model_fields[part].annotation, deep=False))
            found = inner[0] if len(inner) == 1 else None
    return found


def _models_within(annotation: Any, *, deep: bool = True) -> set[type[BaseModel]]:
    """Every model that a type mentions, and with `deep` those that they mention."""
    found: set[type[BaseModel]] = set()
    pending: list[Any] = [annotation]
    while pending:
        item = pending.pop()
        if isinstance(item, type) and issubclass(item, BaseModel):
            if item not in found:
                found.add(item)
                pending.extend(field.annotation for field in item.model_fields.values() if deep)
        else:
            pending.extend(getattr(item, "__args__", ()))
    return found
