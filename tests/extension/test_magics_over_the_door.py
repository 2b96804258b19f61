"""From a notebook cell in a real sandboxed kernel, through the real socket, and back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

InKernel = Callable[[Callable[[Any], Awaitable[None]]], None]


def test_a_released_table_comes_back_as_a_frame_with_its_note(in_kernel: InKernel) -> None:
    async def body(kernel: Any) -> None:
        shown = await kernel.run("%%sql\nSELECT sex, count(*) AS n FROM person GROUP BY sex")
        assert shown.status == "ok"
        note = "1 cell suppressed · 2 groups withheld · counts rounded to 5 · log entry 17"
        assert note in shown.text
        assert note in shown.html
        assert "&lt;b&gt;X&lt;/b&gt;" in shown.html
        assert "<b>X</b>" not in shown.html
        assert "suppressed</td>" in shown.html

    in_kernel(body)


def test_a_table_can_be_kept_under_a_name_and_computed_with(in_kernel: InKernel) -> None:
    async def body(kernel: Any) -> None:
        kept = await kernel.run("%%sql people <<\nSELECT sex, count(*) AS n FROM person GROUP BY sex;")
        assert "people: 3 rows, 2 columns" in kept.text
        assert (await kernel.run("int(people.n.sum()), bool(people.n.isna()[2]), str(people.n.dtype)")).text == (
            "(215, True, 'Int64')"
        )
        assert (await kernel.run("people.attrs['ambergate']['log_index']")).text == "17"
        assert (await kernel.run("df = %sql SELECT count(*) FROM person\nlen(df)")).text == "3"

    in_kernel(body)


def test_a_refusal_is_explained_without_a_traceback_and_forgets_the_old_table(in_kernel: InKernel) -> None:
    async def body(kernel: Any) -> None:
        await kernel.run("%sql people << SELECT count(*) FROM person")
        refused = await kernel.run("%%sql people <<\nSELECT postcode, count(*) FROM person GROUP BY 1")
        assert refused.status == "ok"
        assert "Refused" in refused.text
        assert "[AG-003, clause 3.2] column <postcode> is not in the agreement" in refused.text
        assert "    SELECT postcode, count(*) FROM person GROUP BY 1\n           ^^^^^^^^\n" in refused.text
        assert "Hint: ask for region" in refused.text
        assert "Traceback" not in refused.text
        assert "&lt;postcode&gt;" in refused.html
        assert (await kernel.run("'people' in globals()")).text == "False"

    in_kernel(body)


def test_the_python_api_raises_what_the_magic_explains(in_kernel: InKernel) -> None:
    async def body(kernel: Any) -> None:
        await kernel.run("import ambergate_notebook as ag")
        code = "try:\n    ag.query('SELECT postcode')\nexcept ag.QueryRefused as e:\n    print(e.findings[0]['rule'])"
        assert (await kernel.run(code)).text.strip() == "AG-003"
        code = "try:\n    ag.fetch('h-waiting')\nexcept ag.ResultHeld as e:\n    print(e.reference)"
        assert (await kernel.run(code)).text.strip() == "H-WAITING"

    in_kernel(body)


def test_a_held_result_names_its_reference_and_is_fetched_by_it(in_kernel: InKernel) -> None:
    async def body(kernel: Any) -> None:
        held = await kernel.run("%%sql\nSELECT provider, sum(cost) FROM spell GROUP BY provider")
        assert held.status == "ok"
        assert "Held for output checking: H-7F3K2M" in held.text
        assert "%held H-7F3K2M" in held.text
        assert "Held for output checking: H-7F3K2M" in (await kernel.run("%held H-7F3K2M")).text
        assert (await kernel.run("table = %held H-REEASED\nlen(table)")).text == "3"

    in_kernel(body)


def test_pandas_reads_sql_through_the_db_api(in_kernel: InKernel) -> None:
    async def body(kernel: Any) -> None:
        await kernel.run("import ambergate_notebook as ag, pandas, warnings; warnings.simplefilter('ignore')")
        code = "pandas.read_sql('SELECT sex, count(*) AS n FROM person GROUP BY sex', ag.connect()).shape"
        assert (await kernel.run(code)).text == "(3, 2)"
        code = "c = ag.connect().cursor().execute('SELECT count(*)'); c.fetchmany(size=2), len(c.description[0])"
        assert (await kernel.run(code)).text == "([('F', 120), ('M', 95)], 7)"

    in_kernel(body)


def test_granted_tables_are_listed_with_their_columns(in_kernel: InKernel) -> None:
    async def body(kernel: Any) -> None:
        listed = await kernel.run("%tables")
        assert "person: Persons" in listed.text
        assert "Region &lt;of residence&gt;" in listed.html
        assert "grants no table 'postcode'" in (await kernel.run("%tables postcode")).text

    in_kernel(body)


def test_a_failing_gate_gives_a_number_and_never_its_message(in_kernel: InKernel) -> None:
    async def body(kernel: Any) -> None:
        failed = await kernel.run("%%sql\nboom")
        assert failed.status == "ok"
        assert "the gate failed on this query" in failed.text
        assert "failure " in failed.text
        assert "canary-7731" not in failed.text + failed.html

    in_kernel(body)


def test_interrupting_the_cell_ends_the_query_in_the_gate(in_kernel: InKernel) -> None:
    async def body(kernel: Any) -> None:
        running = asyncio.ensure_future(kernel.run("%sql SELECT slow"))
        while "SELECT slow" not in kernel.gate.asked:
            await asyncio.sleep(0.1)
        await kernel.manager.interrupt_kernel()
        assert (await running).status == "error"
        assert await asyncio.get_running_loop().run_in_executor(None, kernel.gate.ended.wait, 10)
        assert "log entry 17" in (await kernel.run("%sql SELECT count(*) FROM person")).text

    in_kernel(body)
