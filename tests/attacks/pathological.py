"""What it costs to read the texts of pathological_texts, in a process of its own.

`python -m tests.attacks.pathological` prints what each costs. The reading process has no data: a text that survives the
kernel must also have become a statement of a size that an engine binds in reasonable time.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.attacks.pathological_texts import texts
from tests.small_project import gates

from ambergate_policies.kernel import Kernel
from ambergate_policies.verdict import QueryRefused

SECONDS = 1.0
"""The most processor time that reading one text may take."""
MEGABYTES = 300
"""The most that the reading process may ever hold, its libraries included."""
STATEMENT = 4_000_000
"""The longest statement that may be made of a text, in characters."""


@dataclass(frozen=True)
class Cost:
    """What reading one text took. `outcome`: the rule that refused it, "prepared", or what went wrong."""

    name: str
    outcome: str
    seconds: float
    megabytes: int
    statement: int


def costs() -> Iterator[Cost]:
    """Read every text in a process of its own. A text that ends the process has an outcome that begins with "died"."""
    waiting = [name for name, _ in texts()]
    while waiting:
        command = [sys.executable, "-m", "tests.attacks.pathological", "--read", waiting[0]]
        process = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        lines = process.stdout.splitlines()
        if lines[:1] != ["ready"]:
            raise RuntimeError(process.stderr[-2000:])
        done = [Cost(**json.loads(line)) for line in lines[1:]]
        yield from done
        waiting = waiting[len(done) :]
        if process.returncode and waiting:
            yield Cost(waiting.pop(0), f"died ({process.returncode})", 0.0, 0, 0)


def _read_from(first: str) -> None:
    """In the reading process: one line per text, from the one named `first` on."""
    kernel = gates.kernel()
    kernel.prepare("SELECT count(*) FROM person", account=None, on=gates.NOON.date())
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    print("ready", flush=True)
    started = False
    for name, text in texts():
        started = started or name == first
        if started:
            signal.alarm(20)  # no handler: what hangs is killed, even inside the compiled parser
            began = time.process_time()
            outcome, statement = _outcome(kernel, text)
            seconds = time.process_time() - began
            peak = _peak()
            print(json.dumps(vars(_cost(name, outcome, seconds, peak, statement))), flush=True)


def _peak() -> int:
    """The most that this process has held, in megabytes. (`ru_maxrss` would begin with what its parent held.)"""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) // 1024


def _cost(name: str, outcome: str, seconds: float, megabytes: int, statement: int) -> Cost:
    return Cost(name, outcome, round(seconds, 3), megabytes, statement)


def _outcome(kernel: Kernel, text: str) -> tuple[str, int]:
    try:
        prepared = kernel.prepare(text, account=None, on=gates.NOON.date())
    except QueryRefused as refusal:
        return refusal.findings[0].rule, 0
    except BaseException as error:
        return f"raised {type(error).__name__}", 0
    return "prepared", _longest(prepared)


def _longest(prepared: object) -> int:
    """The longest statement that a prepared query holds."""
    found = 0
    waiting: list[object] = [prepared]
    while waiting:
        one = waiting.pop()
        for name in ("statement", "certificate", "recount"):
            found = max(found, len(getattr(one, name, None) or ""))
        waiting += list(getattr(one, "steps", ()) or ())
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        _read_from(sys.argv[2])
    else:
        for cost in costs():
            print(f"{cost.seconds:8.3f} s {cost.megabytes:5d} MB {cost.statement:9d}  {cost.outcome:20s} {cost.name}")
