"""Names, areas and rates that make the synthetic population look like England's. Nobody here is real."""

from __future__ import annotations

from importlib.resources import files


def _list(name: str) -> tuple[str, ...]:
    return tuple(files(__package__).joinpath("lists", f"{name}.txt").read_text(encoding="utf-8").split())


FEMALE = _list("female")
MALE = _list("male")
SURNAMES = _list("surnames")
"""Commoner names first: the population draws the first ones far more often."""

REGIONS = (
    ("North East and Yorkshire", ("LS", "NE", "YO")),
    ("North West", ("M", "L", "PR")),
    ("Midlands", ("B", "LE", "NG")),
    ("East of England", ("NR", "CB", "IP")),
    ("London", ("SE", "NW", "E")),
    ("South East", ("BN", "GU", "OX")),
    ("South West", ("BS", "EX", "TR")),
)

ETHNICITY = (  # NHS ethnic category code, share of the population (England and Wales, 2021, rounded)
    ("A", 0.735), ("B", 0.009), ("C", 0.062), ("D", 0.009), ("E", 0.004), ("F", 0.008), ("G", 0.008), ("H", 0.031),
    ("J", 0.027), ("K", 0.011), ("L", 0.016), ("M", 0.010), ("N", 0.025), ("P", 0.005), ("R", 0.007), ("S", 0.013),
    ("Z", 0.020),
)  # fmt: skip

AGE_BANDS = (5.4, 5.9, 6.0, 5.7, 6.0, 6.6, 7.0, 6.7, 6.3, 6.4, 6.9, 6.7, 5.8, 4.9, 5.0, 3.6, 2.5, 1.6, 0.7, 0.3)
"""Percent of the population in each five years of age from 0-4 on."""
