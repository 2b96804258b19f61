"""Fuzz for as long as wanted: `python -m tests.fuzz --minutes 30 --seed 1000`.

Every round is a hundred random statements compared with DuckDB, and two hundred hostile variants of honest ones. What
is wrong is printed with its seed and counted; the exit status tells whether there was any.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.attacks.corpus import read
from tests.fuzz import differing, hostile
from tests.fuzz.seethrough import pair

HONEST = [sql for case in read(Path(__file__).parents[1] / "honest") for sql in case.steps]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to run")
    parser.add_argument("--seed", type=int, default=1, help="the first round's seed; each round takes the next")
    given = parser.parse_args()
    end, seed, words, wrong = time.monotonic() + given.minutes * 60, given.seed, Counter[str](), 0
    while time.monotonic() < end:
        with tempfile.TemporaryDirectory() as folder, pair(Path(folder), seed) as both:
            tally = differing.run(both, seed, 100)
            words.update({f"random {word}": number for word, number in tally.words.items()})
            for text, seen in tally.wrong + tally.unread:
                wrong += 1
                print(f"seed {seed}: {seen.word}: {text}\n    {seen.detail}", flush=True)
            chance = random.Random(seed)
            for text in chance.sample(HONEST, 40):
                for changed in hostile.mutations(text, chance, 5):
                    word, found = hostile.breach(both, changed)
                    words[f"hostile {word}"] += 1
                    if found is not None:
                        wrong += 1
                        print(f"seed {seed}: {found.text!r}\n    {found.what}", flush=True)
        seed += 1
    print(f"rounds {seed - given.seed}, wrong {wrong}, {dict(words)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
