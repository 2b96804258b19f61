"""Several real processes in one store: they take turns, and of two decisions one happens."""

from __future__ import annotations

import subprocess
import sys

from tests.extension.store.conftest import Place, hold

from ambergate_extension.store import State, Store

APPENDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from ambergate_extension.store import Store
from ambergate_policies.log import LogEntry
folder, name, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = Store.open(f"sqlite:///{folder / 'store.db'}", folder / "keys", folder / "log", busy_seconds=60)
for i in range(number):
    print(store.append(LogEntry("query", datetime.now(UTC), name, "p", {"i": i})))
"""

DECIDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from ambergate_extension.store import Store
from ambergate_policies.errors import Refused
folder, checker, reference, decision = Path(sys.argv[1]), *sys.argv[2:]
store = Store.open(f"sqlite:///{folder / 'store.db'}", folder / "keys", folder / "log", busy_seconds=60)
print("ready", flush=True)
sys.stdin.readline()
try:
    print(store.decide(reference, checker=checker, decision=decision, comment="x", at=datetime.now(UTC)).state.value)
except Refused:
    print("refused")
"""


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_processes_that_append_at_once_make_one_unbroken_log(place: Place) -> None:
    workers = [start(APPENDER, str(place.folder), f"gate{number}", "15") for number in range(4)]
    outputs = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4
    indexes = [int(line) for output in outputs for line in output.split()]
    assert sorted(indexes) == list(range(60))
    store = place.open()
    kept = (place.folder / "log" / "checkpoints.jsonl").read_text().splitlines()
    assert len(kept) == 60
    assert store.verify(kept) == []


def test_of_two_checkers_who_decide_at_once_one_is_refused(place: Place, store: Store) -> None:
    reference = hold(store)
    workers = [
        start(DECIDER, str(place.folder), checker, reference, decision)
        for checker, decision in (("chen", "release"), ("dora", "reject"))
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    outcomes = sorted(worker.communicate("go\n", timeout=60)[0].strip() for worker in workers)
    assert outcomes in (["refused", "released"], ["refused", "rejected"])
    assert len(store.held(reference).decisions) == 1
    assert store.held(reference).state in (State.RELEASED, State.REJECTED)
    assert store.verify() == []
