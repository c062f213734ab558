"""A chapter's tables, computed from the stored runs: ours, what is printed, and the limit.

``found = load("zhang2018.table1")`` reads and verifies what is there; the other functions compute
from it. A run that is missing is said to be missing: no number stands in for it.
"""

from bookkit.stored._reading import SHARES, Results, limit, load, measure, printed_numbers
from bookkit.stored._tables import (
    NOT_RUN,
    VERDICTS,
    Curves,
    caption,
    cells,
    claims,
    contrasts,
    curves,
    judged,
    means,
    table,
)

__all__ = [
    "NOT_RUN",
    "SHARES",
    "VERDICTS",
    "Curves",
    "Results",
    "caption",
    "cells",
    "claims",
    "contrasts",
    "curves",
    "judged",
    "limit",
    "load",
    "means",
    "measure",
    "printed_numbers",
    "table",
]
