"""Snapshots: a training set back or resumed ends with the same numbers; what stops a run."""

import dataclasses
import math

import pytest
import torch
from corridor import BANDIT, QUICK, policy_for

from entropy_rl.algorithms import (
    ENTROPIES,
    SURROGATES,
    EntropyCritic,
    Trainer,
    TrainingDiverged,
    train,
)
from entropy_rl.envs import HuntersRabbits, Pendulum

GAME = HuntersRabbits(size=3, hunters=2)
HUNT = dataclasses.replace(QUICK, minibatches=2, cap=5, baseline="value")
CRITIC = dataclasses.replace(HUNT, entropy="unbiased_gradient", entropy_baseline="critic")


def ended(trainer):
    """The trainer's parameters and curves when it has finished."""
    while not trainer.finished:
        trainer.step()
    parameters = torch.nn.utils.parameters_to_vector(trainer.policy.parameters())
    return parameters.detach().clone(), trainer.curves


def same(a, b):
    return torch.equal(a[0], b[0]) and a[1] == b[1]


@pytest.mark.parametrize("hunt", [HUNT, CRITIC], ids=["smoothed", "critic"])
@pytest.mark.parametrize("baseline", ["value", "shared", "running"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_resumed_from_its_state_ends_with_the_same_numbers(hunt, baseline, precision):
    config = dataclasses.replace(hunt, baseline=baseline, precision=precision)
    whole, first = (Trainer(GAME, policy_for(GAME), config, 0) for _ in range(2))
    for _ in range(2):
        first.step()
    second = Trainer(GAME, policy_for(GAME, seed=9), config, 5)
    second.load_state_dict(first.state_dict())
    assert same(ended(second), ended(whole))


def test_episodes_that_go_on_are_resumed_where_they_were():
    game = Pendulum(max_episode_steps=7)
    config = dataclasses.replace(
        QUICK, algorithm="ppo", continuing=True, batch=4, episodes=32, cap=5, baseline="value"
    )

    def trainer(seed=0):
        return Trainer(game, policy_for(game, seed=seed, family="gaussian"), config, seed)

    whole, first, second = trainer(), trainer(), trainer(5)
    for _ in range(3):
        first.step()
    assert (first.running.time > 0).any()
    second.load_state_dict(first.state_dict())
    (one, curves), (other, expected) = ended(second), ended(whole)
    assert torch.equal(one, other)
    assert {k: v[1:] for k, v in curves.items()} == {k: v[1:] for k, v in expected.items()}
    scores = curves["score"]
    assert math.isnan(scores[0]), "in the first five steps no episode of seven ends"
    assert all(score < 0 for score in scores[1:])


@pytest.mark.parametrize("batches", [1, 2, 5])
def test_a_lagging_actor_is_resumed_with_the_versions_that_it_is_still_to_act_as(batches):
    config = dataclasses.replace(HUNT, lag=2, episodes=8 * 64)
    plain = dataclasses.replace(config, lag=0)
    whole, first, without = (Trainer(GAME, policy_for(GAME), c, 0) for c in (config, config, plain))
    for _ in range(batches):
        first.step()
    second = Trainer(GAME, policy_for(GAME, seed=9), config, 5)
    second.load_state_dict(first.state_dict())
    expected = ended(whole)
    assert same(ended(second), expected)
    assert not same(ended(without), expected)


@pytest.mark.parametrize("hunt", [HUNT, CRITIC], ids=["smoothed", "critic"])
@pytest.mark.parametrize("optimiser", ["adam", "rmsprop"])
def test_a_training_set_back_after_it_went_on_ends_with_the_same_numbers(hunt, optimiser):
    """Twice, so that going on changes neither the state that was taken nor the one loaded."""
    trainer = Trainer(GAME, policy_for(GAME), dataclasses.replace(hunt, optimiser=optimiser), 0)
    trainer.step()
    state = trainer.state_dict()
    once = ended(trainer)
    for _ in range(2):
        trainer.load_state_dict(state)
        assert len(trainer.curves["length"]) == 1
        assert same(ended(trainer), once)


def poison(healthy, calls, at=3):
    def poisoned(*args):
        calls.append(None)
        return healthy(*args) * (float("nan") if len(calls) == at else 1.0)

    return poisoned


@pytest.mark.parametrize("hunt", [HUNT, CRITIC], ids=["smoothed", "critic"])
@pytest.mark.parametrize("at", [1, 2, 5, 6])
def test_the_last_good_state_is_the_one_before_the_batch(monkeypatch, at, hunt):
    """Also where the batch's first minibatch had been learnt already."""
    whole = ended(Trainer(GAME, policy_for(GAME), hunt, 0))
    trainer = Trainer(GAME, policy_for(GAME), hunt, 0)
    with monkeypatch.context() as patch:
        bad = poison(SURROGATES["score_function"], [], at)
        patch.setitem(SURROGATES, "score_function", bad)
        with pytest.raises(TrainingDiverged) as caught:
            ended(trainer)
    assert caught.value.update == at - 1
    begun = (at - 1) // 2
    assert caught.value.last_good["counts"] == (64 * begun, trainer.steps, 2 * begun)
    fresh = Trainer(GAME, policy_for(GAME, seed=7), hunt, 3)
    fresh.load_state_dict(caught.value.last_good)
    assert same(ended(fresh), whole)
    assert same(ended(trainer), whole)  # it was set back itself


@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_critic_that_goes_wrong_is_set_back_with_the_rest(monkeypatch, at):
    """What was to be learnt of a batch that is taken back is forgotten too."""
    whole = ended(Trainer(GAME, policy_for(GAME), CRITIC, 0))
    trainer = Trainer(GAME, policy_for(GAME), CRITIC, 0)
    with monkeypatch.context() as patch:
        patch.setattr(EntropyCritic, "learn", poison(EntropyCritic.learn, [], at))
        with pytest.raises(TrainingDiverged, match="critic loss is not finite") as caught:
            ended(trainer)
    assert caught.value.last_good["counts"][2] == 2 * ((at - 1) // 2)
    assert same(ended(trainer), whole)


def stopped(policy, **changes):
    with pytest.raises(TrainingDiverged) as caught:
        train(BANDIT, policy, dataclasses.replace(QUICK, **changes), 0)
    good = caught.value.last_good["policy"]
    assert all(v.isfinite().all() for v in good.values())
    assert all(torch.equal(v, good[k]) for k, v in policy.state_dict().items())
    return caught.value.update, caught.value.term


def test_a_policy_loss_that_is_not_finite_stops_the_run(monkeypatch):
    bad = poison(SURROGATES["score_function"], [])
    monkeypatch.setitem(SURROGATES, "score_function", bad)
    assert stopped(policy_for(BANDIT)) == (2, "policy loss")


def test_an_entropy_term_that_is_not_finite_stops_the_run(monkeypatch):
    use = ENTROPIES["bonus"]
    bad = dataclasses.replace(use, term=poison(use.term, []))
    monkeypatch.setitem(ENTROPIES, "bonus", bad)
    assert stopped(policy_for(BANDIT)) == (2, "entropy term")


def test_a_gradient_that_is_not_finite_stops_the_run():
    policy = policy_for(BANDIT)
    policy.head.weight.register_hook(lambda g: g * float("inf"))
    assert stopped(policy) == (0, "gradient")


def test_an_update_that_spoils_the_parameters_is_taken_back():
    assert stopped(policy_for(BANDIT), learning_rate=1e38)[1] in ("updated parameters", "gradient")


def test_a_parameter_that_is_not_finite_stops_the_run():
    policy = policy_for(BANDIT)

    def spoil(played, policy):
        with torch.no_grad():
            policy.head.weight[0, 0] = float("nan")

    with pytest.raises(TrainingDiverged, match="update 1: parameters is not finite") as caught:
        train(BANDIT, policy, QUICK, 0, callback=spoil)
    assert all(v.isfinite().all() for v in caught.value.last_good["policy"].values())
