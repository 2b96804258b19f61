"""The public register: what is in force, why, and what came of it, counted from the log. Nobody has to log in.

It shows counts and signed checkpoints only: query texts stay in the log, for a text can say what its writer knew.
Run by JupyterHub as `python -m ambergate_hub.services.register`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tornado.web import HTTPError

from ambergate_extension.store import State
from ambergate_extension.store.keys import PUBLIC_KEY
from ambergate_extension.store.publication import CHECKPOINTS
from ambergate_hub.services.agreements import COMMON_LAW, data_sets, standing
from ambergate_hub.services.pages import REGISTER, Page, serve
from ambergate_policies.errors import OperatorError
from ambergate_policies.log import Checkpoint, open_note

QUERY_KINDS = ("query", "hold")
VERDICTS = ("released", "held", "refused", "failed")
Tallies = Mapping[tuple[str | None, str, str | None], int]


@dataclass(frozen=True, slots=True)
class Counts:
    """What the log says of one project (or of all, where `project` is None)."""

    tallies: Tallies
    project: str | None

    def _sum(self, kinds: tuple[str, ...], outcome: str | None = None) -> int:
        return sum(
            number
            for (project, kind, found), number in self.tallies.items()
            if kind in kinds and self.project in (None, project) and outcome in (None, found)
        )

    @property
    def queries(self) -> int:
        return self._sum(QUERY_KINDS)

    def by_verdict(self) -> list[tuple[str, int]]:
        """(verdict, queries); they add up to `queries`, whatever verdicts the log has."""
        known = [(verdict, self._sum(QUERY_KINDS, verdict)) for verdict in VERDICTS]
        other = self.queries - sum(number for _, number in known)
        return [*known, ("other", other)] if other else known

    def by_decision(self) -> list[tuple[str, int]]:
        """(outcome, held results decided so by checkers)."""
        outcomes = (State.RELEASED, State.REJECTED, State.RETURNED)
        return [(state.value, self._sum(("review",), state.value)) for state in outcomes]


class Register(Page):
    """All agreements with their counts, the newest checkpoint, and how to verify."""

    service = REGISTER
    title = "Public register"

    async def get(self) -> None:
        today = self.surroundings.clock().date()
        agreements = await self.blocking(self.surroundings.agreements)
        tallies = await self.blocking(self.surroundings.store.tallies)
        note = await self.blocking(self.surroundings.store.latest_checkpoint)
        self.show(
            "register.html",
            title=self.title,
            agreements=[
                (
                    each,
                    Counts(tallies, each.project),
                    standing(each, today),
                    data_sets(self.surroundings.state, each),
                )
                for each in agreements
            ],
            common_law=COMMON_LAW,
            total=Counts(tallies, None),
            note=note,
            checkpoint=self._checkpoint(note),
        )

    def _checkpoint(self, note: str | None) -> Checkpoint | None:
        return open_note(note, self.surroundings.store.verifying_key) if note is not None else None


class Published(Page):
    """The two files that anybody may keep: the public key and the signed checkpoints."""

    async def get(self, name: str) -> None:
        if name not in (CHECKPOINTS, PUBLIC_KEY):
            raise HTTPError(404)
        try:
            content = await self.blocking((self.surroundings.state.log / name).read_bytes)
        except FileNotFoundError:
            raise HTTPError(404) from None
        except OSError:
            raise OperatorError("the published file cannot be read") from None
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        await self.finish(content)


PAGES = {"": Register, "(checkpoints\\.jsonl|log-signing\\.pub)": Published}

if __name__ == "__main__":
    serve(PAGES, login=False)
