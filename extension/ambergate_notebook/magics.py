"""`%%sql`, `%sql`, `%held`, `%tables` and `%purpose` in a notebook.

An answer without a table is shown as an explanation and raises nothing, so that a notebook runs through to its end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.display import display as _display

from ambergate_notebook import questions
from ambergate_notebook.errors import Error, GateFailed, QueryRefused, ResultHeld
from ambergate_notebook.explain import Explanation, Note, note

_INTO = re.compile(r"\s*([A-Za-z_]\w*)\s*<<[ \t]*(.*)", re.DOTALL)
_USAGE = "Usage: %%sql on the first line of a cell, the query below it. `%%sql name <<` keeps the table in `name`."

show: Callable[[object], Any] = _display


@magics_class
class AmbergateMagics(Magics):
    """The magics; loaded into every kernel of a project."""

    @no_var_expand
    @line_cell_magic
    def sql(self, line: str, cell: str | None = None) -> Any:
        """Put a query to the gate and return its cleared table: `%%sql`, `%%sql name <<`, `%sql SELECT ...`."""
        into, rest = _destination(line)
        text = rest if cell is None else f"{rest}\n{cell}" if rest.strip() else cell
        if not text.strip():
            print(_USAGE)
            return None
        return self._show(lambda: questions.query(text), text, into)

    @no_var_expand
    @line_magic
    def held(self, line: str) -> Any:
        """A held result by its reference: `%held H-7F3K2M`, `%held name << H-7F3K2M`."""
        into, reference = _destination(line)
        return self._show(lambda: questions.fetch(reference), "", into)

    @no_var_expand
    @line_magic
    def tables(self, line: str) -> Any:
        """The tables that the agreement grants: `%tables`; the columns of one: `%tables name`."""
        return self._show(lambda: questions.tables(line.strip()), "", "")

    @no_var_expand
    @line_magic
    def purpose(self, line: str) -> Any:
        """What this notebook's queries are for: `%purpose` lists the agreement's purposes, `%purpose audit` chooses."""
        return self._show(lambda: Note(questions.purpose(line.strip())), "", "")

    def _show(self, ask: Callable[[], Any], sql: str, into: str) -> Any:
        try:
            answer = ask()
        except (QueryRefused, ResultHeld, GateFailed) as error:
            self._forget(into)
            show(Explanation(error.header, sql))
            return None
        except Error as error:
            self._forget(into)
            show(Explanation({"verdict": "unasked", "findings": [{"message": str(error)}]}))
            return None
        if not into:
            return answer
        self._names()[into] = answer
        summary = f"{into}: {len(answer)} rows, {len(answer.columns)} columns"
        show(Note(" · ".join(part for part in (summary, note(answer.attrs["ambergate"])) if part)))
        return None

    def _forget(self, name: str) -> None:
        """Drop an older table of that name: nobody should go on computing with it by mistake."""
        self._names().pop(name, None)

    def _names(self) -> dict[str, Any]:
        return {} if self.shell is None else self.shell.user_ns


def _destination(line: str) -> tuple[str, str]:
    """The variable before `<<`, if any, and what follows."""
    match = _INTO.fullmatch(line)
    return (match.group(1), match.group(2)) if match else ("", line)
