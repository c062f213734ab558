"""Every use of the entropy with every estimator, over all joint actions of one state.

E[∇loss] is -∇(E[r] + β H) to the last digit where the use says so, and is off by much more where it
does not: on the policy's own actions, and on those of another one, weighted.
"""

import dataclasses

import pytest
import torch
from corridor import BANDIT, QUICK, flat_gradient, move, policy_for

from entropy_rl.algorithms import (
    ADVANTAGES,
    ENTROPIES,
    ENTROPY_BASELINES,
    Algorithm,
    EntropyBaseline,
    EntropyUse,
    OnPolicyConfig,
    Rollout,
    Trainer,
    register_algorithm,
)
from entropy_rl.conditionals import select_rows
from entropy_rl.estimators import ESTIMATORS, exact
from enumeration import randomise

BETA = 0.3
ACTIONS = torch.cartesian_prod(torch.arange(3), torch.arange(3))
REWARDS = BANDIT.expected_reward(ACTIONS).double()
CRITIC = {"entropy": "unbiased_gradient", "entropy_baseline": "critic"}
OBS = torch.ones(9, *BANDIT.observation_space.shape, dtype=torch.float64)
PAIRS = [(use, name) for use in ENTROPIES for name in ESTIMATORS]
# Of one state "soft_log" reads -log π alone; what an estimate's value does is seen with two.
HERE = [pair for pair in PAIRS if pair != ("soft_log", "smoothed_mode")]


def trainer_of(use, estimator, **changes):
    register_algorithm("toy", Algorithm("return", "score_function", use))
    config = dataclasses.replace(
        QUICK,
        algorithm="toy",
        entropy=estimator,
        beta=BETA,
        minibatches=2,
        precision="float64",
        **changes,
    )
    policy = randomise(policy_for(BANDIT), 0, 1.0)  # conditionals that differ between prefixes
    trainer = Trainer(BANDIT, policy, config, 0)
    # Some b(s). A network in float32 may round it otherwise in one row of a batch than in another.
    trainer.baseline.returns.append(1.7)
    return trainer


def error(trainer, stale):
    """‖E[∇loss] + ∇(E[r] + β H)‖∞ of an update on one batch that holds every joint action."""
    policy = trainer.policy
    with torch.no_grad():
        drawn = policy.conditionals(OBS, ACTIONS)
    if stale:
        move(policy, 1)
    ended, one = torch.zeros(1, 9, dtype=torch.float64), torch.zeros(9, dtype=torch.int64)
    rollout = Rollout(
        OBS, drawn, one, torch.arange(9), REWARDS[None], ended, ended > 0, None, version=-stale
    )
    context = trainer.context(rollout)
    advantage = ADVANTAGES["return"](context).advantage[0]
    found = torch.zeros(())
    for n in range(9):
        terms, minibatch = trainer.losses(context, torch.tensor([n]), advantage)
        assert (minibatch.log_weights is not None) == stale
        found = found - drawn.log_prob[n].exp() * flat_gradient(sum(terms.values()), policy)
    chain = policy.conditionals(OBS, ACTIONS)
    weight = 0.0 if without_entropy(trainer.config) else BETA
    objective = (chain.log_prob.exp() * REWARDS).sum() + weight * exact(policy, OBS[:1]).surrogate
    return (found - flat_gradient(objective.sum(), policy)).abs().max().item()


def later_entropy(estimator):
    """The mean over all joint actions of what "soft_log" pays for the entropy of a later state."""
    trainer = trainer_of("soft_log", estimator)
    with torch.no_grad():
        drawn = trainer.policy.conditionals(OBS, ACTIONS)
    ended, one = torch.zeros(1, 9, dtype=torch.float64), torch.zeros(9, dtype=torch.int64)
    rollout = Rollout(OBS, drawn, one, torch.arange(9), 0 * REWARDS[None], ended, ended > 0, None)
    paid = trainer.context(rollout).r_t[0]
    return (drawn.log_prob.exp() * paid).sum(), BETA * exact(trainer.policy, OBS[:1]).value.sum()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_soft_log_takes_the_estimators_of_unbiased_value(estimator, tables, monkeypatch):
    said = ENTROPIES["soft_log"]
    every = dataclasses.replace(said, unbiased=ESTIMATORS)
    monkeypatch.setitem(ENTROPIES, "soft_log", every)
    mean, entropy = later_entropy(estimator)
    assert ((mean - entropy).abs() < 1e-12) == (estimator in said.unbiased)


def without_entropy(config):
    return "none" in (config.entropy, config.row.entropy)


@pytest.mark.parametrize("stale", [False, True])
@pytest.mark.parametrize(("use", "estimator"), HERE)
def test_an_estimator_is_right_exactly_where_the_use_says_so(
    use, estimator, stale, tables, monkeypatch
):
    said = ENTROPIES[use]
    monkeypatch.setitem(ENTROPIES, use, dataclasses.replace(said, unbiased=ESTIMATORS, biased=()))
    found = error(trainer_of(use, estimator), stale)
    if estimator in said.unbiased or estimator == "none":
        assert found < 1e-12
    else:
        assert found > 1e-4, f"unbiased: name {estimator!r} in ENTROPIES[{use!r}].unbiased"


@pytest.mark.parametrize(("use", "estimator"), PAIRS)
def test_an_estimator_that_the_use_does_not_take_is_refused(use, estimator, tables):
    register_algorithm("toy", Algorithm("return", "score_function", use))
    if estimator in ENTROPIES[use].estimators:
        assert OnPolicyConfig(algorithm="toy", entropy=estimator).entropy == estimator
        return
    with pytest.raises(ValueError, match=rf"^entropy: expected one of .* for '{use}', got"):
        OnPolicyConfig(algorithm="toy", entropy=estimator)


def test_what_is_refused_is_what_is_biased():
    """But for the bonus, whose biased estimators are the papers'."""
    for name, use in ENTROPIES.items():
        assert (use.biased != ()) == (name == "bonus")
    assert set(ENTROPIES["bonus"].estimators) == set(ESTIMATORS)


@pytest.mark.parametrize("stale", [False, True])
@pytest.mark.parametrize("name", ENTROPY_BASELINES)
def test_a_baseline_of_the_entropy_lowers_the_variance_and_keeps_the_mean(name, stale, tables):
    estimator = ENTROPY_BASELINES[name].estimator
    trainer = trainer_of("bonus", estimator, entropy_baseline=name)
    if trainer.critic is not None:
        randomise(trainer.critic.network, 5)  # whatever it has learnt
    assert error(trainer, stale) < 1e-12


def spread(trainer):
    """Σ p ‖∇term - mean‖² of the entropy term alone, over the joint actions."""
    with torch.no_grad():
        drawn = trainer.policy.conditionals(OBS, ACTIONS)
    zeros, one = torch.zeros(1, 9, dtype=torch.float64), torch.zeros(9, dtype=torch.int64)
    rollout = Rollout(OBS, drawn, one, torch.arange(9), zeros, zeros, zeros > 0, None)
    context = trainer.context(rollout)
    each = torch.stack(
        [
            flat_gradient(
                trainer.losses(context, torch.tensor([n]), zeros[0])[0]["entropy term"],
                trainer.policy,
            )
            for n in range(9)
        ]
    )
    p = select_rows(drawn).log_prob.exp()
    return p @ (each - p @ each).square().sum(-1)


@pytest.mark.parametrize("name", ENTROPY_BASELINES)
def test_a_baseline_of_the_entropy_reaches_the_estimator(name, tables):
    estimator = ENTROPY_BASELINES[name].estimator
    plain = spread(trainer_of("bonus", estimator))
    tables[-1].pop("toy")
    assert spread(trainer_of("bonus", estimator, entropy_baseline=name)) < 0.9 * plain


def test_the_beam_reaches_the_estimator(tables, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "entropy_rl.estimators.tree.beam_search",
        lambda policy, obs, beam: (seen.append(beam), ACTIONS[:1].expand(len(obs), 2))[1],
    )
    trainer = trainer_of("bonus", "smoothed_mode", beam=3)
    trainer.step()
    assert set(seen) == {3}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"beam": 3}, "beam: expected 1 for 'smoothed', got 3"),
        ({"beam": 0}, "beam: expected an integer ≥ 1"),
        ({"entropy_baseline": "to_go"}, "entropy_baseline: expected None for 'smoothed'"),
        ({"entropy_baseline": "togo"}, "did you mean 'to_go'"),
        ({"entropy_baseline": "critic"}, "entropy_baseline: expected None for 'smoothed'"),
        ({**CRITIC, "entropy": "crude_gradient"}, "baseline: expected None for 'crude_gradient'"),
        ({**CRITIC, "beta": 0.0}, "entropy_baseline: expected None for beta = 0, got 'critic'"),
    ],
)
def test_an_option_of_another_estimator_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        OnPolicyConfig(**changes)


@pytest.mark.parametrize(("baseline", "row"), list(ENTROPY_BASELINES.items()))
def test_a_baseline_where_the_loss_has_no_entropy_is_refused(baseline, row, tables):
    register_algorithm("toy", Algorithm("return", "score_function", "none"))
    words = "entropy_baseline: expected None for 'none', which has no entropy term"
    with pytest.raises(ValueError, match=words):
        OnPolicyConfig(algorithm="toy", entropy=row.estimator, entropy_baseline=baseline)


@pytest.mark.parametrize("both", [False, True])
def test_a_baseline_is_a_function_or_a_critic(both):
    parts = {"provide": len, "critic": len} if both else {}
    with pytest.raises(ValueError, match="critic: expected either it or provide"):
        EntropyBaseline("unbiased_gradient", **parts)


def test_a_use_names_estimators_that_there_are():
    with pytest.raises(ValueError, match=r"unbiased: .*did you mean 'exact'"):
        EntropyUse(("exakt",))
    with pytest.raises(ValueError, match="biased: expected none that is unbiased"):
        EntropyUse(("exact",), biased=("exact",))
