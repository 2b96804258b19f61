"""From a researcher's text to the algebra: parse, resolve names against the agreement, type, refuse the rest."""
