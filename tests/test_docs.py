"""The docs say what the code does: generated parts are fresh, and no rule, command, setting or module is missing."""

from __future__ import annotations

import ast
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
PACKAGES = tuple(REPOSITORY / folder for folder in ("policies", "datasets", "extension", "hub_config"))
PAGES = sorted([*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md")])
_RULE_MAKERS = frozenset({"refuse", "_refused", "Finding", "Rule"})
_LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ambergate_docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sources(*folders: Path) -> Iterator[Path]:
    for folder in folders or PACKAGES:
        yield from sorted(folder.rglob("*.py"))


def rule_ids() -> set[str]:
    """The first argument of whatever makes a finding, in the kernel and the gate."""
    found = set()
    for path in sources(REPOSITORY / "policies", REPOSITORY / "extension"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0]
            if name in _RULE_MAKERS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value)
    return found


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_generated_parts_are_what_the_code_says(generate: ModuleType) -> None:
    stale = [str(path.relative_to(REPOSITORY)) for path in generate.stale()]
    assert not stale, f"run `python docs/generate.py`: {stale}"


def test_every_generated_mark_is_known(generate: ModuleType) -> None:
    used = {name for page in PAGES for name in re.findall(r"<!-- generated: ([a-z-]+) -->", page.read_text("utf-8"))}
    assert used == set(generate.PARTS)


def test_every_rule_id_is_explained_in_the_sql_reference() -> None:
    ids = rule_ids()
    assert {"row-level", "threshold", "not-named", "bound-plan"} <= ids, "the search itself has stopped working"
    page = text_of("reference/sql.md")
    assert not {rule for rule in ids if f"`{rule}`" not in page}


def test_every_setting_is_explained() -> None:
    names = {name for path in sources() for name in re.findall(r"AMBERGATE_[A-Z]+", path.read_text(encoding="utf-8"))}
    assert "AMBERGATE_STATE" in names
    page = text_of("reference/state-folder.md")
    assert not {name for name in names if f"`{name}`" not in page}


def test_every_place_of_the_state_folder_is_explained() -> None:
    from ambergate_datasets.state import StateFolder

    root = Path("/state")
    state = StateFolder(root)
    places = {name for name in dir(StateFolder) if isinstance(getattr(StateFolder, name), property)} - {"store_url"}
    page = text_of("reference/state-folder.md")
    for name in places:
        assert f"`{getattr(state, name).relative_to(root)}/" in page, name


def test_every_kind_of_log_entry_and_fault_is_explained() -> None:
    from ambergate_policies.log import FaultKind

    page, how_to = text_of("reference/log.md"), text_of("how-to/verify-the-log.md")
    kinds = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "LogEntry":
                given = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "kind")]
                kinds |= {str(each.value) for each in given if isinstance(each, ast.Constant)}
    assert {"landing", "login"} <= kinds
    assert not {kind for kind in kinds if f"`{kind}`" not in page}
    assert not {fault.value for fault in FaultKind if fault.value not in how_to}


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[<>=,;]", line)[0].strip() for line in project["dependencies"]}
    record = text_of("adr/0002-dependencies.md")
    assert not {name for name in names if f"`{name}`" not in record}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, _ in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_module_and_test_that_the_security_page_names_exists() -> None:
    page = (REPOSITORY / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:policies|datasets|extension|hub_config|tests)/[^`]+)`", page)
    assert len(named) > 30
    assert not [path for path in named if not (REPOSITORY / path).exists()]


def test_every_page_that_the_code_names_exists() -> None:
    named = {
        name
        for path in [*sources(), REPOSITORY / "pyproject.toml"]
        for name in re.findall(r"docs/[\w./-]+\.(?:md|json|py)", path.read_text(encoding="utf-8"))
    }
    assert not {name for name in named if not (REPOSITORY / name).exists()}


def test_decision_records_are_numbered_without_gaps_and_say_what_was_decided() -> None:
    records = sorted((DOCS / "adr").glob("*.md"))
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for path in records:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(path.name[:4])}. ")
        assert all(f"\n## {part}\n" in text for part in ("Context", "Decision", "Consequences")), path.name


def test_the_examples_of_agreement_files_are_agreements() -> None:
    from ambergate_policies.agreement import Agreement
    from ambergate_policies.documents import parse_document

    examples = re.findall(r"```yaml\n(agreement:.*?)```", text_of("reference/agreement.md"), re.DOTALL)
    assert [parse_document(text, Agreement, name="example").project for text in examples] == ["clinic"]


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
