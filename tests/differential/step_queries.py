"""Random queries of several boundaries: what is made of cleared tables, and what they do to person rows."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.differential.queries import Writer
from tests.differential.worlds import World

COUNTS = (
    "count(*)",
    "count(DISTINCT {owner})",
    "count(*) FILTER (WHERE {predicate})",
    "avg({number})",
    "sum({number})",
)


@dataclass
class StepWriter:
    """Writes one query of several steps. `used` records its form."""

    world: World
    chance: random.Random
    used: set[str] = field(default_factory=set)

    def query(self) -> str:
        forms = {
            "joined": self._joined,
            "denominator": self._denominator,
            "back to persons": self._back_to_persons,
            "aggregated again": self._aggregated_again,
            "cleared list": self._cleared_list,
            "cleared cut": self._cleared_cut,
            "beside": self._beside,
            "side by side": self._side_by_side,
        }
        form = self.chance.choice(sorted(forms))
        self.used.add(form)
        return forms[form]()

    def _person_table(self) -> tuple[str, Writer, str]:
        """A table of persons, a writer for its rows under the alias `a0`, and its person key."""
        names = [name for name, owner in self.world.owners.items() if owner is not None]
        name = self.chance.choice(names)
        writer = Writer(self.world, self.chance)
        owner = self.world.owners[name]
        writer._source(dict(self.world.types[name]), owner)
        return name, writer, str(owner)

    def _measure(self, writer: Writer, owner: str) -> str:
        number, predicate = writer._column("DOUBLE", "INTEGER"), writer._predicate()
        return self.chance.choice(COUNTS).format(owner=f"a0.{owner}", number=number, predicate=predicate)

    def _grouped(self, *kinds: str) -> str:
        """A boundary with one key `k` and one measure `m`."""
        name, writer, owner = self._person_table()
        where = f" WHERE {writer._predicate()}" if self.chance.random() < 0.4 else ""
        items = f"{writer._column(*kinds)} AS k, {self._measure(writer, owner)} AS m"
        return f"SELECT {items} FROM {name} AS a0{where} GROUP BY 1"

    def _value(self) -> str:
        """A boundary of one value."""
        name, writer, owner = self._person_table()
        where = f" WHERE {writer._predicate()}" if self.chance.random() < 0.4 else ""
        return f"SELECT {self._measure(writer, owner)} AS m FROM {name} AS a0{where}"

    # -- forms

    def _joined(self) -> str:
        word = self.chance.choice(("JOIN", "LEFT JOIN"))
        return (
            f"WITH x AS ({self._grouped('VARCHAR')}), y AS ({self._grouped('VARCHAR')}) "
            f"SELECT x.k, x.m AS one, y.m AS other, x.m * 100.0 / y.m AS ratio, coalesce(y.m, 0) AS filled "
            f"FROM x {word} y ON x.k = y.k WHERE x.m > {self.chance.choice((0, 5, 20))}"
        )

    def _denominator(self) -> str:
        name, writer, owner = self._person_table()
        measure = self._measure(writer, owner)
        return (
            f"SELECT {writer._column('VARCHAR')} AS k, {measure} AS m, {measure} * 100.0 / ({self._value()}) AS share "
            f"FROM {name} AS a0 GROUP BY 1"
        )

    def _back_to_persons(self) -> str:
        name, writer, owner = self._person_table()
        word = self.chance.choice(("JOIN", "LEFT JOIN"))
        number = writer._column("DOUBLE", "INTEGER")
        return (
            f"WITH step AS ({self._grouped('VARCHAR')}) SELECT {self._measure(writer, owner)} AS m, "
            f"count(*) FILTER (WHERE {number} > step.m) AS above FROM {name} AS a0 "
            f"{word} step ON step.k = {writer._column('VARCHAR')} WHERE {number} < 15"
        )

    def _aggregated_again(self) -> str:
        name, writer, owner = self._person_table()
        keys = f"{writer._column('VARCHAR')} AS k, {writer._column('BOOLEAN')} AS b"
        inner = f"SELECT {keys}, {self._measure(writer, owner)} AS m FROM {name} AS a0 GROUP BY 1, 2"
        group = " GROUP BY k" if self.chance.random() < 0.6 else ""
        return (
            f"SELECT {'k, ' if group else ''}max(m) AS most, min(m) AS least, count(*) AS cells, count(m) AS shown, "
            f"sum(m) AS total FROM ({inner}) AS x{group}"
        )

    def _cleared_list(self) -> str:
        name, writer, owner = self._person_table()
        negated = self.chance.choice(("", "NOT "))
        listed = f"SELECT k FROM ({self._grouped('VARCHAR')}) AS l WHERE m > 3"
        return (
            f"SELECT {self._measure(writer, owner)} AS m FROM {name} AS a0 "
            f"WHERE {writer._column('VARCHAR')} {negated}IN ({listed})"
        )

    def _cleared_cut(self) -> str:
        name, writer, owner = self._person_table()
        compare = self.chance.choice(("<", ">", ">="))
        return (
            f"SELECT {writer._column('VARCHAR')} AS k, {self._measure(writer, owner)} AS m FROM {name} AS a0 "
            f"WHERE {writer._column('DOUBLE', 'INTEGER')} {compare} ({self._value()}) GROUP BY 1"
        )

    def _beside(self) -> str:
        """Something of the row's own person, compared with the row."""
        name, writer, owner = self._person_table()
        other, inner, key = self._person_table()
        mine, theirs = writer._column("DOUBLE", "INTEGER"), inner._column("DOUBLE", "INTEGER").replace("a0.", "e.")
        compare = self.chance.choice(("<", ">", "<="))
        where = f"FROM {other} AS e WHERE e.{key} = a0.{owner} AND {theirs} {compare} {mine}"
        word = self.chance.choice(("count(*)", f"max({theirs})", f"sum({theirs})", f"min({theirs})"))
        return (
            f"SELECT {writer._column('BOOLEAN')} AS k, count(*) FILTER (WHERE EXISTS (SELECT 1 {where})) AS n, "
            f"count(*) FILTER (WHERE (SELECT {word} {where}) > {self.chance.choice((0, 1, 3, 10))}) AS f "
            f"FROM {name} AS a0 GROUP BY 1"
        )

    def _side_by_side(self) -> str:
        return f"SELECT ({self._value()}) AS one, ({self._value()}) AS other"
