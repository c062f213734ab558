"""What a training and an evaluation refuse to put together."""

from dataclasses import replace

import gymnasium
import pytest
import torch

from entropy_rl.algorithms import curve_names, evaluate, preset, train
from entropy_rl.envs import Pendulum, TeamBandit
from entropy_rl.policies import make_policy
from refusals import assert_refused

ENV = Pendulum()
ON, OFF = preset("pendulum").config, preset("pendulum-sac").config
POLICIES = {
    name: make_policy(name, ENV.observation_space, ENV.action_space)
    for name in ("gaussian", "squashed")
}


@pytest.mark.parametrize(("name", "config"), [("gaussian", ON), ("squashed", OFF)])
def test_an_environment_that_steps_one_episode_at_a_time(name, config):
    single = gymnasium.make("Pendulum-v1")
    told = ("env", "a batched core", "TimeLimit")
    assert_refused(lambda: train(single, POLICIES[name], config, 0), *told)
    assert_refused(lambda: evaluate(single, POLICIES[name], 1), *told)


def test_a_policy_for_something_else():
    other = TeamBandit()
    assert_refused(lambda: train(other, POLICIES["gaussian"], ON, 0), "policy", "one for", "Box")
    assert_refused(lambda: evaluate(other, POLICIES["gaussian"], 1), "policy", "one for", "Box")


def test_a_figure_of_merit_that_the_environment_does_not_have():
    class Misspelt(Pendulum):
        merits = ("scoer",)

    told = ("merits", "score", "scoer")
    assert_refused(lambda: train(Misspelt(), POLICIES["gaussian"], ON, 0), *told)
    assert_refused(lambda: evaluate(Misspelt(), POLICIES["gaussian"], 1), *told)


@pytest.mark.parametrize(
    ("env", "policy", "config"),
    [
        (ENV, "gaussian", ON),
        (ENV, "squashed", replace(OFF, learning_starts=OFF.cap)),
        (TeamBandit(), "independent", preset("bandit").config),
        (
            TeamBandit(),
            "independent",
            replace(
                preset("bandit").config,
                algorithm="ppo",
                entropy="unbiased_gradient",
                entropy_baseline="critic",
            ),
        ),
    ],
)
def test_a_training_records_the_curves_that_are_named(env, policy, config):
    made = make_policy(policy, env.observation_space, env.action_space)
    few = replace(config, episodes=config.batch)
    curves = train(env, made, few, 0).curves
    assert {*curves} == {"episodes", *curve_names(few, env)}


def test_stored_actions_of_another_precision_are_read_in_the_policys():
    policy, obs = POLICIES["gaussian"], torch.zeros(5, 3)
    drawn = policy.sample(obs, torch.Generator().manual_seed(0))
    again = policy.conditionals(obs, drawn.actions.double())
    assert torch.equal(again.log_prob, drawn.log_prob)
    assert again.log_prob.dtype == torch.float32
