"""Places as an agreement names them: ISO 3166 codes, and which place lies within which.

A code is a country (`GB`, `FR`), a part of the United Kingdom (`GB-ENG`), a group of either (`EEA`), or `worldwide`.
"""

from __future__ import annotations

import difflib
from typing import Annotated

from pydantic import AfterValidator

WORLDWIDE = "worldwide"
_CODES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA "
    "CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA "
    "GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP "
    "KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS "
    "MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS "
    "RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW "
    "TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"
)
_MEMBERS = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
_COUNTRIES = frozenset(_CODES.split())
_NATIONS = frozenset({"GB-ENG", "GB-WLS", "GB-SCT", "GB-NIR"})
_UNION = frozenset(_MEMBERS.split())
GROUPS: dict[str, frozenset[str]] = {
    "GB": _NATIONS,
    "GB-EAW": frozenset({"GB-ENG", "GB-WLS"}),
    "GB-GBN": frozenset({"GB-ENG", "GB-WLS", "GB-SCT"}),
    "EU": _UNION,
    "EEA": _UNION | {"IS", "LI", "NO"},
}
"""What a code contains besides itself. `EEA` is no ISO code, but agreements name it."""
_WORDS = {
    "england": "GB-ENG",
    "wales": "GB-WLS",
    "scotland": "GB-SCT",
    "northern ireland": "GB-NIR",
    "england and wales": "GB-EAW",
    "great britain": "GB-GBN",
    "united kingdom": "GB",
    "uk": "GB",
    "european union": "EU",
    "european economic area": "EEA",
    "world": WORLDWIDE,
    "world-wide": WORLDWIDE,
}
KNOWN = _COUNTRIES | _NATIONS | frozenset(GROUPS) | {WORLDWIDE}


def lies_within(place: str, territory: tuple[str, ...]) -> bool:
    """Whether all of a place lies in a territory. A country as a whole does not lie within one of its parts."""
    parts = GROUPS.get(place, frozenset()) - {place}
    return any(_contains(code, place) for code in territory) or (
        bool(parts) and all(lies_within(part, territory) for part in parts)
    )


def _contains(code: str, place: str) -> bool:
    return code in (WORLDWIDE, place) or place in GROUPS.get(code, frozenset())


def words(territory: tuple[str, ...]) -> str:
    """A territory in a message."""
    return ", ".join(territory)


def _known(code: str) -> str:
    found = _WORDS.get(code.strip().lower(), code)
    if found in KNOWN:
        return found
    guess = next(iter(difflib.get_close_matches(code.upper(), sorted(KNOWN), n=1, cutoff=0.5)), None)
    advice = f"; did you mean {guess!r}?" if guess else ""
    raise ValueError(f"{code!r} is no territory: write ISO 3166 codes such as GB-ENG, EEA or worldwide{advice}")


TerritoryField = Annotated[str, AfterValidator(_known)]
