"""Running the blind corpus over a project, and counting its answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.attacks.corpus import word_of
from tests.honest.blind.projects import Analysis, Project, analyses

from ambergate_extension.pipeline import Answer, Gate
from ambergate_extension.replay import drop_cohorts


@dataclass(frozen=True)
class Outcome:
    """What became of one analysis: the answer of its last step, or of the first that was not released."""

    analysis: Analysis
    step: int
    word: str
    answer: Answer

    @property
    def reason(self) -> str:
        """The first finding in one line: rule, message and hint."""
        if not self.answer.findings:
            return ""
        finding = self.answer.findings[0]
        where = f" at {finding.fragment!r}" if finding.fragment else ""
        return f"[{finding.rule}] {finding.message}{where} -> {finding.hint or 'NO HINT'}"


def measure(project: Project, name: str) -> list[Outcome]:
    """Every analysis of one project through one gate."""
    with project.gate() as gate:
        return [run(gate, analysis) for analysis in analyses() if analysis.project == name]


def run(gate: Gate, analysis: Analysis) -> Outcome:
    """All steps, until one is neither released nor a table made."""
    outcome = Outcome(analysis, 0, "failed", Answer("failed"))
    for number, sql in enumerate(analysis.steps):
        answer = gate.answer(sql)
        outcome = Outcome(analysis, number, word_of(answer), answer)
        if answer.verdict != "released":
            break
    drop_cohorts(gate)
    return outcome


def summary(outcomes: Sequence[Outcome]) -> str:
    """Counts of words, and of the rules that refused."""
    words = Counter(outcome.word for outcome in outcomes)
    rules = Counter(
        outcome.answer.findings[0].rule for outcome in outcomes if outcome.word in {"refused", "failed", "held"}
    )
    answered = words["released"] + words["masked"]
    lines = [f"{answered}/{len(outcomes)} answered ({100 * answered / max(1, len(outcomes)):.1f} %)"]
    lines += [f"  {word}: {number}" for word, number in words.most_common()]
    lines += [f"    {rule}: {number}" for rule, number in rules.most_common()]
    return "\n".join(lines)
