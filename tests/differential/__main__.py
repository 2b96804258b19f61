"""Compare the engines for as long as wanted: `python -m tests.differential --minutes 30 --seed 1000`."""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from tests.differential.agreement_of_engines import Disagreement, Tally, run_world


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to run")
    parser.add_argument("--seed", type=int, default=1, help="the first world's seed; each world takes the next")
    parser.add_argument("--failures", type=int, default=1, help="stop after so many disagreements")
    given = parser.parse_args()
    tally, seed, failures, end = Tally(), given.seed, 0, time.monotonic() + given.minutes * 60
    while time.monotonic() < end and failures < given.failures:
        try:
            run_world(seed, tally)
        except Disagreement as found:
            failures += 1
            print(found, flush=True)
        except Exception:
            failures += 1
            print(f"seed {seed}", flush=True)
            traceback.print_exc()
        seed += 1
    print(
        f"worlds {seed - given.seed}, answers {dict(tally.words)}, cells {tally.cells}, suppressed {tally.suppressed}"
    )
    print(f"constructs {dict(tally.used)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
