"""The critic's table as it is declared: Table 1's runs, and its own, which differ by the critic."""

import hashlib
from collections import Counter

from entropy_rl.experiments import CRITIC, TABLE1, label, run_spec
from entropy_rl.experiments.results import staleness
from entropy_rl.experiments.store import Store


def spec(column, seed, tier="paper", table=CRITIC):
    return table.runs(tier)[label(policy="lstm", entropy=column, seed=seed)]


def test_the_columns_that_it_is_compared_with_are_table_1s_own_runs():
    for tier, seeds in (("quick", range(2)), ("paper", range(5))):
        runs = CRITIC.runs(tier)
        assert Counter(dict(name)["entropy"] for name in runs) == dict.fromkeys(
            ("smoothed", "unbiased_gradient", "critic"), len(seeds)
        )
        for column in ("smoothed", "unbiased_gradient"):
            for seed in seeds:
                assert spec(column, seed, tier) == spec(column, seed, tier, TABLE1)
    assert CRITIC.folder == TABLE1.folder, "or they could not be shared"


def test_the_critic_is_all_that_is_different():
    for seed in range(5):
        mine, other = spec("critic", seed).to_json(), spec("unbiased_gradient", seed).to_json()
        assert mine["config"].pop("entropy_baseline") == "critic"
        assert other["config"].pop("entropy_baseline") is None
        assert mine == other
        assert mine["config"]["beta"] == 0.031
        assert mine["config"]["episodes"] == 1_000_000


def test_the_specs_are_fixed():
    """Changed on purpose only: its runs would have to be made again."""
    text = "".join(spec("critic", seed).canonical for seed in range(5))
    assert (
        hashlib.sha256(text.encode()).hexdigest()
        == "df537a85787c17a6f1ae5a8c1ff7e6b9d521e4c28c970aac1e148d67e8668826"
    )


def test_nothing_is_expected_of_the_contrasts():
    compared = {(dict(c.first)["entropy"], dict(c.second)["entropy"]) for c in CRITIC.contrasts}
    assert compared == {("critic", "smoothed"), ("critic", "unbiased_gradient")}
    assert Counter(c.metric for c in CRITIC.contrasts) == {"length": 2, "reward": 2}
    assert {c.sign for c in CRITIC.contrasts} == {0}


def test_a_quick_run_is_stored_and_replayed(tmp_path):
    store, one = Store(tmp_path), spec("critic", 0, "quick")
    run_spec(one, store)
    stored = store.load(one.hash)
    assert "critic_loss" in stored.curves
    assert staleness(stored) is None
