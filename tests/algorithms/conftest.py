"""Tables that a test may add rows to."""

import pytest

from entropy_rl.algorithms import (
    ADVANTAGES,
    ALGORITHMS,
    ENTROPIES,
    ENTROPY_BASELINES,
    SURROGATES,
    UPDATES,
)


@pytest.fixture
def tables():
    """The loop's tables; what is registered in a test is gone after it."""
    all_of_them = (ADVANTAGES, SURROGATES, ENTROPIES, ENTROPY_BASELINES, UPDATES, ALGORITHMS)
    before = [dict(table) for table in all_of_them]
    yield all_of_them
    for table, rows in zip(all_of_them, before, strict=True):
        table.clear()
        table.update(rows)
