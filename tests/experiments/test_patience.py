"""Patience, sampled: every seed ends where the exact gradients do."""

import hashlib

import pytest
import torch

from entropy_rl.algorithms import train
from entropy_rl.experiments import PATIENCE, label
from entropy_rl.tabular import ascend, expected_return, patience

BOUNDS = {"ppo": (1.02, 1.04), "sppo38": (1.93, 1.99), "sppo40": (1.93, 1.99)}


def paid(algorithm, seed):
    """The exact reward of a trained policy."""
    spec = PATIENCE.runs("paper")[label(algorithm=algorithm, seed=seed)]
    game, policy = spec.make()
    assert policy.logits[0][0, 0].softmax(-1).tolist() == [0.5, 0.5]
    train(game, policy, spec.config, seed)
    return game.closed_form(policy)["expected_reward"]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("algorithm", BOUNDS)
def test_every_seed_ends_where_the_exact_gradient_does(algorithm, seed):
    """From the uniform policy, α = 1/8, on the preset as it is. These very seeds were looked at:
    PPO gave 1.027 to 1.029, (38) 1.961 to 1.983 and (40) 1.954 to 1.978; exact gradients give 1.028
    and 1.984. So there is no false alarm but on a machine that rounds otherwise.
    """
    low, high = BOUNDS[algorithm]
    assert low <= paid(algorithm, seed) <= high


def test_the_bounds_hold_the_exact_resting_places():
    game, undecided = patience(), torch.zeros(2, 2, dtype=torch.float64)
    for algorithm, kind in (("ppo", "bonus"), ("sppo38", "soft"), ("sppo40", "soft")):
        low, high = BOUNDS[algorithm]
        assert low < expected_return(game, ascend(game, undecided, 0.125, kind)) < high


def test_the_rows_differ_by_their_name_alone():
    for seed in range(8):
        mine = [PATIENCE.runs("paper")[label(algorithm=x, seed=seed)].to_json() for x in BOUNDS]
        names = [spec["config"].pop("algorithm") for spec in mine]
        assert names == list(BOUNDS)
        assert mine[0] == mine[1] == mine[2]
    assert PATIENCE.runs("quick") == PATIENCE.runs("paper")


def test_both_forms_are_expected_to_beat_the_bonus_and_neither_the_other():
    told = [
        (dict(c.first)["algorithm"], dict(c.second)["algorithm"], c.sign)
        for c in PATIENCE.contrasts
    ]
    assert told == [("sppo38", "ppo", 1), ("sppo40", "ppo", 1), ("sppo40", "sppo38", 0)]
    assert {c.metric for c in PATIENCE.contrasts} == {"expected_reward"}
    assert PATIENCE.claims == {"liu2020.patience": PATIENCE.contrasts[:2]}


def test_the_specs_are_fixed():
    """Changed on purpose only: its runs would have to be made again."""
    text = "".join(spec.canonical for spec in PATIENCE.runs("paper").values())
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "c7ba9277f5eb8f9de8c8a2b7f984cf174f882da77475d656f557281e0da02b93"
    )
