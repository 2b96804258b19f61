"""Reading YAML documents (catalogues, agreements, rule packs) into models, with errors that carry line numbers."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from ambergate_policies.errors import UserError


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


class _Loader(yaml.SafeLoader):
    """YAML 1.1 without surprises: a key given twice is an error, and `no` is a word."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", __import__("re").compile(r"^(?:true|false)$"), list("tf"))


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
        problems = [_describe(name, node, item, model) for item in error.errors()]
        raise DocumentError(problems) from None


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


def _describe(name: str, node: yaml.Node | None, item: Any, model: type[BaseModel]) -> str:
    location: Location = item["loc"]
    where = ".".join(str(part) for part in location) or "document"
    text = f"{name}:{_line(node, location)}: {where}: {item['msg']}"
    if item["type"] == "extra_forbidden" and (guess := _closest(model, location)):
        text += f"; did you mean {guess!r}?"
    return text


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


def _closest(model: type[BaseModel], location: Location) -> str | None:
    """The known key nearest to an unknown one, at whatever depth of the model it stands."""
    known = {name for inner in _models_within(model) for name in inner.model_fields}
    return next(iter(difflib.get_close_matches(str(location[-1]), sorted(known), n=1)), None)


def _models_within(model: type[BaseModel]) -> set[type[BaseModel]]:
    found: set[type[BaseModel]] = set()
    pending: list[Any] = [model]
    while pending:
        item = pending.pop()
        if isinstance(item, type) and issubclass(item, BaseModel):
            if item not in found:
                found.add(item)
                pending.extend(field.annotation for field in item.model_fields.values())
        else:
            pending.extend(getattr(item, "__args__", ()))
    return found
