"""The runs towards the limit: Table 1's own cells, but longer and with a weight that falls."""

import hashlib

import pytest

from entropy_rl.experiments import LIMIT, TABLE1, label, run_spec
from entropy_rl.experiments.store import Store


def spec(policy, tier="paper"):
    return LIMIT.runs(tier)[label(policy=policy, seed=0)]


@pytest.mark.parametrize(("policy", "episodes"), [("commnet", 8_000_000), ("lstm", 12_000_000)])
def test_what_differs_from_table_1(policy, episodes):
    mine = spec(policy).to_json()
    table = TABLE1.runs("paper")[label(policy=policy, entropy="smoothed", seed=0)].to_json()
    assert mine["config"].pop("beta_decay") is True
    assert mine["config"].pop("episodes") == episodes
    assert mine["evaluation"].pop("episodes") == 10_000
    assert table["config"].pop("episodes") == 1_000_000
    assert table["evaluation"].pop("episodes") == 1_000
    assert mine == table


def test_the_specs_are_fixed():
    """Changed on purpose only: its runs would have to be made again."""
    text = "".join(s.canonical for s in LIMIT.runs("paper").values())
    assert (
        hashlib.sha256(text.encode()).hexdigest()
        == "0f205f1063019ab2fa8655ff9c2b7a5e2139d7e2fcab47c51a446ba04f4bd75e"
    )


def test_a_quick_run_is_stored(tmp_path):
    one = spec("commnet", "quick")
    run_spec(one, Store(tmp_path))
    assert Store(tmp_path).load(one.hash).spec.config.beta_decay
