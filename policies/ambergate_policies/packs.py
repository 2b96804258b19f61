"""Rule packs: versioned data that says how counts are thresholded, rounded and held (policy-kernel, section 4)."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field

from ambergate_policies.documents import Document, read_document
from ambergate_policies.errors import UserError
from ambergate_policies.verdict import Decision

PACKS_FOLDER = Path(__file__).resolve().parents[1] / "rule_packs"


class RuleAction(StrEnum):
    """What a pack lets a finding mean."""

    NONE = "none"
    SUPPRESS = "suppress"
    HOLD = "hold"

    @property
    def decision(self) -> Decision:
        return {self.NONE: Decision.RELEASE, self.SUPPRESS: Decision.SUPPRESS, self.HOLD: Decision.HOLD}[self]


class Threshold(Document):
    """`zeros` of show is for tables whose categories nobody can choose: where a query may ask for anything, a zero
    beside a suppressed cell says of one person what the cell itself must not."""

    minimum: int = Field(ge=2, description="fewest distinct persons behind a cell")
    zeros: Literal["suppress", "show"] = Field(default="suppress", description="what a cell of nobody shows")
    action: Literal[RuleAction.SUPPRESS, RuleAction.HOLD] = RuleAction.SUPPRESS


class Rounding(Document):
    method: Literal["nearest", "midpoint", "none"]
    base: int = Field(default=1, ge=1)
    significant_digits: int = Field(default=5, ge=2, le=12, description="digits kept of means, totals and spreads")


class Dominance(Document):
    """Each test is off when its parameter is null. Percentages of the total of absolute contributions."""

    largest_percent: float | None = Field(default=None, gt=0, le=100)
    two_largest_percent: float | None = Field(default=None, gt=0, le=100)
    p_percent: float | None = Field(default=None, gt=0, le=100)
    outlier_percent: float | None = Field(
        default=80, gt=0, le=100, description="of the squared deviations from the mean, held by one person"
    )
    action: RuleAction = RuleAction.SUPPRESS


class ClassDisclosure(Document):
    """Everybody, or nobody, in a group has an attribute."""

    everybody: RuleAction = RuleAction.NONE
    nobody: RuleAction = RuleAction.NONE


class DegreesOfFreedom(Document):
    minimum: int = Field(default=10, ge=1)
    action: RuleAction = RuleAction.SUPPRESS


class RulePack(Document):
    """One set of counting rules, named in an agreement's terms."""

    pack: str = Field(pattern=r"^[a-z][a-z0-9-]{2,30}$")
    version: str
    title: str
    source: str = Field(description="the publication that the rules are from")
    threshold: Threshold
    rounding: Rounding
    dominance: Dominance = Dominance()
    class_disclosure: ClassDisclosure = ClassDisclosure()
    degrees_of_freedom: DegreesOfFreedom = DegreesOfFreedom()

    @property
    def reference(self) -> str:
        return f"{self.pack} {self.version}"


def read_pack(name: str, folder: Path = PACKS_FOLDER) -> RulePack:
    """The pack of that name. Raises UserError when there is none, naming those there are."""
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        raise UserError(f"there is no rule pack {name!r}; available: {', '.join(known)}")
    return read_document(folder / f"{name}.yaml", RulePack)
