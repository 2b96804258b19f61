"""What makes an NHS number valid: ten digits, check digit by modulus 11, not one digit repeated ten times.

NHS Data Dictionary, "NHS Number": weights 10 to 2 on the first nine digits; 11 minus the remainder of their sum by
11; 11 counts as 0 and 10 is never issued. All ten repeated-digit numbers pass that sum and are refused as well.
"""

from __future__ import annotations

import re

_TEN_DIGITS = re.compile(r"[0-9]{10}")
_SEPARATORS = str.maketrans("", "", " -\u00a0")


def normalised(text: str) -> str:
    """Without the spaces and hyphens that people write into numbers."""
    return text.translate(_SEPARATORS)


def is_valid(text: str) -> bool:
    """Whether the text, separators apart, is a valid NHS number."""
    number = normalised(text)
    if not _TEN_DIGITS.fullmatch(number) or len(set(number)) == 1:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number[:9], range(10, 1, -1), strict=True))
    check = 11 - total % 11
    return check != 10 and check % 11 == int(number[9])


def normalised_sql(column: str) -> str:
    """The SQL expression of `normalised`; `column` is a VARCHAR expression."""
    return f"regexp_replace({column}, '[ \\x{{00A0}}-]', '', 'g')"


def valid_sql(column: str) -> str:
    """An SQL expression: the normalised number where it is valid, else NULL. Agrees with `is_valid`."""
    number = normalised_sql(column)
    value = f"try_cast({number} AS BIGINT)"
    total = " + ".join(f"{weight} * ({value} // {10 ** (weight - 1)} % 10)" for weight in range(10, 1, -1))
    check = f"11 - ({total}) % 11"
    return (
        f"CASE WHEN regexp_full_match({number}, '[0-9]{{10}}') AND {number} <> repeat({number}[1], 10) "
        f"AND {check} <> 10 AND ({check}) % 11 = {value} % 10 THEN {number} END"
    )
