"""The review service: output checkers see what is held and decide on it.

Everything that a decision changes is in `Store.decide`; this only shows and asks. Run by JupyterHub as
`python -m ambergate_hub.services.review`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tornado.web import HTTPError, authenticated

from ambergate_extension.store import Choice, HeldResult, HeldTable, State, explain, obstacle
from ambergate_hub.roles import group_of
from ambergate_hub.services import query_text
from ambergate_hub.services.agreements import IN_FORCE, grants_used, standing, table_titles
from ambergate_hub.services.pages import REVIEW, StaffPage, serve
from ambergate_policies.errors import UserError

HISTORY_LENGTH = 200


class ReviewPage(StaffPage):
    """Open to output checkers."""

    service = REVIEW
    group = group_of("checker")

    def _links(self) -> list[tuple[str, str, bool]]:
        prefix = self.surroundings.prefix
        here = self.request.path
        return [
            (prefix, "Waiting", here == prefix),
            (f"{prefix}history", "History", here.endswith("/history")),
        ]


class Waiting(ReviewPage):
    """What has to be decided, oldest first."""

    title = "Waiting for review"

    @authenticated
    async def get(self) -> None:
        results = await self.blocking(self.surroundings.store.waiting)
        titles = {each.project: each.title for each in await self.blocking(self.surroundings.agreements)}
        self.show(
            "waiting.html",
            results=[(result, self._obstacle(result)) for result in results],
            titles=titles,
            waited=self._waited,
        )

    def _obstacle(self, result: HeldResult) -> str | None:
        return obstacle_for(result, self.checked_account)

    def _waited(self, result: HeldResult) -> str:
        minutes = int((self.surroundings.clock() - result.at).total_seconds() // 60)
        if minutes < 60:
            return f"{max(minutes, 0)} min"
        return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


class History(ReviewPage):
    """What has been decided, last first."""

    title = "Decided"

    @authenticated
    async def get(self) -> None:
        results = await self.blocking(self.surroundings.store.decided, newest=HISTORY_LENGTH)
        self.show("history.html", results=results)


class Result(ReviewPage):
    """One held result with everything that a decision needs, and the decision."""

    @authenticated
    async def get(self, reference: str) -> None:
        self._show_result(await self.blocking(self.surroundings.store.held, reference))

    @authenticated
    async def post(self, reference: str) -> None:
        store = self.surroundings.store
        result = await self.blocking(store.held, reference)
        choice, comment = self.get_body_argument("decision", ""), self.get_body_argument("comment", "")
        seen = self.get_body_argument("seen", "")
        rows = self._rows(result) if choice == Choice.RELEASE else None
        try:
            if seen != str(len(result.decisions)):
                raise UserError("Another checker has decided in the meantime. Please look again.")
            if choice == Choice.RELEASE:
                self._require_agreement(result)
            made = await self.blocking(
                store.decide,
                result.reference,
                checker=self.checked_account,
                decision=choice,
                comment=comment,
                at=self.surroundings.clock(),
                rows=rows,
            )
        except UserError as error:
            self.set_status(error.http_status)
            self._show_result(result, problem=str(error), comment=comment, choice=choice)
            return
        self.redirect(f"{self.surroundings.prefix}held/{made.reference}")

    def _require_agreement(self, result: HeldResult) -> None:
        """Raises UserError unless the project's agreement is in force: nothing is released under any other."""
        found = standing(self.surroundings.agreement(result.project), self.surroundings.clock().date())
        if found != IN_FORCE:
            raise UserError(f"The project's agreement is {found}. Nothing can be released under it.")

    def _rows(self, result: HeldResult) -> tuple[int, ...]:
        """The rows that were ticked."""
        ticked = self.get_body_arguments("row")
        if not all(text.isascii() and text.isdecimal() and len(text) < 10 for text in ticked):
            raise HTTPError(400)
        return tuple(int(text) for text in ticked)

    def _show_result(self, result: HeldResult, *, problem: str = "", comment: str = "", choice: str = "") -> None:
        table = result.table
        assert table is not None  # noqa: S101 (Store.held always opens the seal)
        agreement = self.surroundings.agreement(result.project)
        self.title = f"{result.reference} · Review"
        self.show(
            "result.html",
            title=self.title,
            result=result,
            view=HeldView.of(result, table),
            agreement=agreement,
            standing=standing(agreement, self.surroundings.clock().date()),
            grants=grants_used(agreement, query_text.tables(table.sql)),
            titles=table_titles(self.surroundings.state, agreement) if agreement is not None else {},
            obstacle=obstacle_for(result, self.checked_account),
            open=result.state in (State.WAITING, State.PARTLY_APPROVED),
            problem=problem,
            comment=comment,
            choice=choice,
        )


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for holding: a finding, and all the cells that it was found in."""

    number: int
    finding: dict[str, Any]
    cells: tuple[tuple[int, int], ...]
    hint: str


@dataclass(frozen=True, slots=True)
class HeldView:
    """A held table as the page lays it out."""

    table: HeldTable
    result: HeldResult
    reasons: tuple[Reason, ...]
    notes: tuple[dict[str, Any], ...]  # what was found besides: it did not hold the result

    @classmethod
    def of(cls, result: HeldResult, table: HeldTable) -> HeldView:
        reasons = _reasons(table)
        told = [(reason.finding.get("rule"), str(reason.finding.get("message"))) for reason in reasons]
        notes = tuple(
            finding
            for finding in table.findings
            if not cells_of(finding)
            and not any(finding.get("rule") == rule and text in str(finding.get("message")) for rule, text in told)
        )
        return cls(table, result, reasons, notes)

    @property
    def lines(self) -> list[query_text.Line]:
        """The query, with the lines marked that findings point to."""
        marked = {line for finding in self.table.findings if isinstance(line := finding.get("line"), int)}
        return query_text.lines(self.table.sql, marked)

    @property
    def numeric(self) -> list[bool]:
        """For each column, whether it holds numbers only: those are set flush right."""
        columns = zip(*self.table.rows, strict=True) if self.table.rows else [() for _ in self.table.columns]
        return [all(cell is None or is_number(cell) for cell in column) for column in columns]

    def reasons_at(self, row: int, column: int) -> list[Reason]:
        """Why this cell is flagged; the reasons for the whole result if none names it."""
        about = [reason for reason in self.reasons if (row, column) in reason.cells]
        return about or [reason for reason in self.reasons if not reason.cells]

    def words_at(self, row: int, column: int) -> str:
        """Why the cell is flagged, in words, for its tooltip and for screen readers."""
        found = "; ".join(str(reason.finding.get("message", "")) for reason in self.reasons_at(row, column))
        return found or "flagged without a reason"

    def place(self, reason: Reason) -> str:
        """Where a reason points: cells of the result, or a line of the query."""
        if reason.cells:
            named = [
                f"row {r + 1}, {self.table.columns[c]}" for r, c in reason.cells[:4] if c < len(self.table.columns)
            ]
            more = f" and {len(reason.cells) - 4} more" if len(reason.cells) > 4 else ""
            return "; ".join(named) + more
        line, column = reason.finding.get("line"), reason.finding.get("column")
        return f"line {line}, column {column}" if isinstance(line, int) else "the whole result"

    def evidence(self, reason: Reason) -> list[tuple[str, str]]:
        """What the judgement rests on, where the rule reported it."""
        found = reason.finding.get("evidence")
        return [(str(name).replace("_", " "), show_cell(value)) for name, value in found.items()] if found else []

    def cell(self, value: object) -> str:
        return show_cell(value)

    def is_flagged(self, row: int) -> bool:
        """Whether a rule holds a cell of this row: such a row leaves only if the checker ticks it."""
        return any(flagged == row for flagged, _ in self.table.flagged)

    def left_out(self, row: int) -> bool:
        """Whether a decided release left this row out."""
        return any(made.rows is not None and row not in made.rows for made in self.result.decisions)


def _reasons(table: HeldTable) -> tuple[Reason, ...]:
    """Findings about cells, one for each rule and message; where there are none, those about the whole result."""
    cells: dict[tuple[str, str], list[tuple[int, int]]] = {}
    first: dict[tuple[str, str], dict[str, Any]] = {}
    about_cells = [finding for finding in table.findings if cells_of(finding)]
    for finding in about_cells or table.findings:
        key = (str(finding.get("rule")), str(finding.get("message")))
        first.setdefault(key, finding)
        cells.setdefault(key, []).extend(cells_of(finding))
    hints = {str(finding.get("rule")): finding["hint"] for finding in table.findings if finding.get("hint")}
    return tuple(
        Reason(number, first[key], tuple(sorted(set(cells[key]))), hints.get(key[0], ""))
        for number, key in enumerate(first, start=1)
    )


def cells_of(finding: dict[str, Any]) -> list[tuple[int, int]]:
    """The cells that a finding names under `cells` or `cell`, as (row, column) from 0."""
    found = finding.get("cells") or ([finding["cell"]] if finding.get("cell") else [])
    return [(pair[0], pair[1]) for pair in found if isinstance(pair, (list, tuple)) and len(pair) == 2]


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def show_cell(value: object) -> str:
    """A cell as text: thousands set apart, at most six significant decimals, nothing for NULL."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.6f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:g}"
    return str(value)


def obstacle_for(result: HeldResult, account: str) -> str | None:
    """What keeps this account from deciding, in words, or None: the same function that `Store.decide` asks."""
    found = obstacle(
        result.state,
        asked_by=result.account,
        decided_by=[made.checker for made in result.decisions],
        checker=account,
    )
    return explain(found) if found is not None else None


PAGES = {"": Waiting, "history": History, "held/([A-Za-z0-9-]{1,12})": Result}

if __name__ == "__main__":
    serve(PAGES, login=True)
