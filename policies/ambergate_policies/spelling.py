"""What was probably meant by a misspelt word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], most: int = 1, cutoff: float = 0.6) -> list[str]:
    """The known words nearest to a word, regardless of case: first those with its very letters, then those alike."""
    lowered = {name.lower(): name for name in dict.fromkeys(known)}
    sought = word.lower()
    same = [name for name in lowered if sorted(name) == sorted(sought)]
    alike = difflib.get_close_matches(sought, list(lowered), n=most, cutoff=cutoff)
    return [lowered[name] for name in dict.fromkeys([*same, *alike])][:most]
