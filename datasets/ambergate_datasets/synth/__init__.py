"""A synthetic population as raw extracts with identifiers, and the truth about who is who kept apart from them."""

from ambergate_datasets.synth.population import ErrorRates, Population, make_population

__all__ = ["ErrorRates", "Population", "make_population"]
