"""Processes that are played against the tables that they are."""

import pytest
import torch

from entropy_rl.algorithms import evaluate
from entropy_rl.envs import Tabular
from entropy_rl.policies import make_policy
from entropy_rl.tabular import expected_return


@pytest.mark.parametrize("process", ["patience", "rooms"])
def test_transitions_and_rewards_are_those_of_the_tables(process):
    """False alarms: 4 standard errors of 40,000 steps in each of at most 12 pairs, below 1e-3."""
    game, n = Tabular(process), 40_000
    mdp, generator = game.mdp, torch.Generator().manual_seed(0)
    for s in range(mdp.states):
        for a in range(mdp.actions):
            key = game.reset(n, generator=generator).key
            state = game.start(place=torch.full((n,), s), key=key)
            after, outcome = game.step(state, torch.full((n, 1), a))
            assert outcome.reward.unique().tolist() == pytest.approx([mdp.reward[s, a].item()])
            p = mdp.transition[s, a]
            found = torch.bincount(after.place, minlength=mdp.states) / n
            assert ((found - p).abs() <= 4 * (p * (1 - p) / n).sqrt() + 1e-12).all()
            assert torch.equal(outcome.terminated, mdp.terminal[after.place])


@pytest.mark.parametrize("process", ["patience", "rooms"])
def test_what_is_played_is_what_is_solved(process):
    """False alarms: the interval of 20,000 walks at 4 standard errors, about 1e-4."""
    game = Tabular(process, max_episode_steps=2_000)
    torch.manual_seed(3)
    policy = make_policy("table", game.observation_space, game.action_space).double()
    found = evaluate(game, policy, episodes=20_000, seed=1, cap=300, exact=True)
    half = (found.reward_interval[1] - found.reward) / 1.96
    assert abs(found.reward - found.exact["expected_reward"]) < 4 * half + 1e-6
    probabilities = torch.stack([x.detach() for x in policy.logits])[0, :, 0].softmax(-1)
    assert found.exact["expected_reward"] == pytest.approx(
        float(expected_return(game.mdp, probabilities)), abs=1e-12
    )


def test_a_state_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match=r"place: expected states in \[0, 2\)"):
        Tabular().start(place=torch.tensor([2]), key=torch.tensor([0]))
    with pytest.raises(ValueError, match=r"process: .*did you mean 'rooms'"):
        Tabular("roms")
