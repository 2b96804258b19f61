"""Rule packs: versioned data that says how counts are thresholded, rounded and held (policy-kernel, section 4)."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field

from ambergate_policies.catalogue import Sensitivity
from ambergate_policies.documents import Document, closest, read_document
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
    share_percent: float | None = Field(
        default=None, ge=50, lt=100, description="so many of a group having it count as everybody"
    )


class DegreesOfFreedom(Document):
    minimum: int = Field(default=10, ge=1)
    action: RuleAction = RuleAction.SUPPRESS


class Stricter(Document):
    """What a pack asks for, beyond its ordinary rules, of a query that reads a class of sensitive data. Left out: as
    ever. A value that is laxer than the ordinary one changes nothing."""

    minimum: int | None = Field(None, ge=2, description="fewest distinct persons behind a cell")
    zeros: Literal["suppress"] | None = Field(None, description="what a cell of nobody shows")
    rounding_base: int | None = Field(None, ge=1, description="counts are rounded to this base")
    largest_percent: float | None = Field(None, gt=0, le=100, description="share that one person may not reach")
    two_largest_percent: float | None = Field(None, gt=0, le=100, description="share that two persons may not reach")
    p_percent: float | None = Field(None, gt=0, le=100, description="what all but the two largest must hold")
    degrees_of_freedom: int | None = Field(None, ge=1, description="fewest degrees of freedom")
    everybody_and_nobody: Literal[RuleAction.SUPPRESS, RuleAction.HOLD] | None = Field(
        None, description="when everybody or nobody in a group has an attribute"
    )
    source: str = Field(description="why, or the publication that it is from")


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
    stricter: dict[Sensitivity, Stricter] = Field(
        default_factory=dict, description="more for queries that read sensitive data, by class; see the catalogue"
    )

    @property
    def reference(self) -> str:
        """`id@version`, as agreements, findings and log entries name it."""
        return f"{self.pack}@{self.version}"

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the rules are stricter than the pack's ordinary ones: nothing, for the ordinary ones."""
        return ()


def read_pack(name: str, folder: Path = PACKS_FOLDER) -> RulePack:
    """The pack of that name, or of `name@version`: the current one, or an earlier one kept as `name@version.yaml`.

    Raises UserError when there is none, naming those there are."""
    wanted, _, version = name.partition("@")
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if wanted not in known:
        current = [stem for stem in known if "@" not in stem]
        raise UserError(f"there is no rule pack {wanted!r}{closest(wanted, current)}; available: {', '.join(current)}")
    for stem in (wanted, name):
        if stem in known:
            pack = read_document(folder / f"{stem}.yaml", RulePack)
            if not version or pack.version == version:
                return pack
    raise UserError(f"there is no version {version!r} of the rule pack {wanted!r}; the current one is {pack.reference}")
