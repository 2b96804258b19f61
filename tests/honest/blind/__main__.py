"""`python -m tests.honest.blind [PROJECT ...]`: run the blind corpus and print what was not answered, and why."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.honest.blind.measured import Outcome, measure, summary
from tests.honest.blind.projects import PROJECTS, here


def main(names: list[str]) -> None:
    """Print one line per analysis that was not released, and the shares."""
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names or [project for project in PROJECTS if here(project)]:
            outcomes += measure(PROJECTS[name](Path(folder)), name)
    for outcome in outcomes:
        if outcome.word != "released":
            print(f"{outcome.analysis.id}: {outcome.word} (step {outcome.step + 1}) {outcome.reason}")
    print(summary(outcomes))


if __name__ == "__main__":
    main(sys.argv[1:])
