"""The on-policy loop: its gradient in expectation, what it learns, and when it stops."""

import dataclasses

import pytest
import torch

from entropy_rl.algorithms import (
    ALGORITHMS,
    SURROGATES,
    Algorithm,
    OnPolicyConfig,
    TrainingDiverged,
    register_algorithm,
    train,
)
from entropy_rl.algorithms.on_policy import _losses
from entropy_rl.algorithms.precision import WorkingCopy
from entropy_rl.algorithms.rollout import Rollout
from entropy_rl.envs import HuntersRabbits, TeamBandit
from entropy_rl.estimators import exact
from entropy_rl.policies import make_policy

BANDIT = TeamBandit(agents=2, arms=3, bonus=0.0)
QUICK = OnPolicyConfig(
    episodes=256, batch=64, minibatches=1, cap=1, baseline="running", learning_rate=0.02
)


def policy_for(env, seed=0, family="lstm"):
    torch.manual_seed(seed)
    return make_policy(family, env.observation_space, env.action_space, hidden_size=8)


def flat_gradient(scalar, policy):
    parts = torch.autograd.grad(
        scalar, list(policy.parameters()), retain_graph=True, materialize_grads=True
    )
    return torch.cat([p.flatten() for p in parts])


def one_row(policy, obs, action, reward):
    chain = policy.conditionals(obs, action)
    one = torch.zeros(1, dtype=torch.int64)
    return Rollout(obs, action, (chain,), one, one, reward, one + 1, reward)


@pytest.mark.parametrize("minibatches", [1, 2])
@pytest.mark.parametrize("estimator", ["unbiased_gradient", "exact", "crude_gradient"])
def test_expected_update_is_the_gradient_of_reward_and_entropy(estimator, minibatches):
    """Over all joint actions: E[∇loss] = -∇(E[r] + β H), whatever the baseline."""
    policy = policy_for(BANDIT).double()
    config = dataclasses.replace(QUICK, entropy=estimator, beta=0.3, minibatches=minibatches)
    obs = torch.zeros(1, *BANDIT.observation_space.shape, dtype=torch.float64)
    actions = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    rewards = BANDIT.expected_reward(actions).double()
    chain = policy.conditionals(obs.expand(9, -1), actions)
    p = chain.log_prob.exp()
    objective = (p * rewards).sum() + 0.3 * exact(policy, obs).surrogate.sum()
    true = flat_gradient(objective, policy)
    mean = torch.zeros_like(true)
    for n in range(9):
        rollout = one_row(policy, obs, actions[n : n + 1], rewards[n : n + 1])
        advantage = rollout.returns - 1.7
        terms, _ = _losses(policy, rollout, torch.tensor([0]), advantage, config)
        mean -= p[n].detach() * flat_gradient(sum(terms.values()), policy)
    assert torch.allclose(mean, true, atol=1e-10, rtol=0)


def test_same_seed_same_numbers_and_another_seed_others():
    runs = []
    for seed in (0, 0, 1):
        policy = policy_for(BANDIT)
        result = train(BANDIT, policy, QUICK, seed)
        weights = torch.nn.utils.parameters_to_vector(policy.parameters()).detach()
        runs.append((result.curves, weights))
    assert runs[0][0] == runs[1][0]
    assert torch.equal(runs[0][1], runs[1][1])
    assert not torch.equal(runs[0][1], runs[2][1])


def test_training_leaves_the_global_generator_alone():
    policy = policy_for(BANDIT)
    before = torch.get_rng_state()
    train(BANDIT, policy, QUICK, 0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("family", ["independent", "lstm", "mmdp", "commnet"])
def test_learns_a_bandit_to_its_optimum(family):
    """Two agents, three arms: the best is 2 + 3 = 5, uniform play earns 3.33.

    False alarms: none of 40 other seeds a family ended below 4.5; the seed is fixed.
    """
    policy = policy_for(BANDIT, family=family)
    config = dataclasses.replace(QUICK, episodes=6_400, beta=0.02)
    result = train(BANDIT, policy, config, 0)
    assert sum(result.curves["reward"][-10:]) / 10 > 4.5
    assert result.curves["reward"][0] < 4.2


def test_learns_with_the_papers_optimiser():
    """RMSprop, clipped, one episode an update, summed over steps, first-visit L1 baseline."""
    game = HuntersRabbits(size=2, hunters=1)
    config = OnPolicyConfig(
        episodes=700,
        batch=1,
        minibatches=1,
        cap=100,
        reduction="sum",
        optimiser="rmsprop",
        learning_rate=5e-3,
        decay=False,
        clip=1.0,
        baseline_loss="l1",
        first_visit=True,
        beta=0.01,
    )
    lengths = train(game, policy_for(game), config, 0).curves["length"]
    # From any cell one step is enough; uniform play needs four on average.
    assert sum(lengths[:100]) / 100 > 2.2
    assert sum(lengths[-200:]) / 200 < 1.9


def test_bfloat16_learns_on_float32_masters():
    policy = policy_for(BANDIT)
    config = dataclasses.replace(QUICK, episodes=6_400, beta=0.02, precision="bfloat16")
    result = train(BANDIT, policy, config, 0)
    assert all(p.dtype == torch.float32 for p in policy.parameters())
    assert sum(result.curves["reward"][-10:]) / 10 > 4.5


def test_working_copy_carries_gradients_and_parameters():
    master = torch.nn.Linear(3, 2)
    working = WorkingCopy(master, "bfloat16")
    working.module(torch.ones(1, 3, dtype=torch.bfloat16)).sum().backward()
    working.gradients_to_master()
    assert torch.equal(master.weight.grad, torch.ones(2, 3))
    assert working.module.weight.grad is None
    with torch.no_grad():
        master.weight.fill_(0.5)
    working.refresh()
    assert (working.module.weight == 0.5).all()


def test_a_toy_row_is_an_algorithm(monkeypatch):
    monkeypatch.setattr("entropy_rl.algorithms.choices.ALGORITHMS", dict(ALGORITHMS))
    calls = []

    def clipped(log_prob, old_log_prob, advantage):
        calls.append(len(advantage))
        return -(log_prob * advantage.clamp(-1, 1)).mean()

    monkeypatch.setitem(SURROGATES, "toy", clipped)
    monkeypatch.setitem(ALGORITHMS, "toy", Algorithm("return", "toy", "none"))
    train(BANDIT, policy_for(BANDIT), dataclasses.replace(QUICK, algorithm="toy"), 0)
    assert calls == [64] * 4


def test_a_row_is_registered_once():
    with pytest.raises(ValueError, match=r"name: expected a new name, got 'reinforce'"):
        register_algorithm("reinforce", ALGORITHMS["reinforce"])
    with pytest.raises(ValueError, match=r"surrogate: .*'score_function'"):
        Algorithm("return", "score_funktion", "bonus")


@pytest.mark.parametrize("where", ["policy loss", "entropy term"])
def test_a_term_that_is_not_finite_stops_the_run(monkeypatch, where):
    table = {"policy loss": SURROGATES, "entropy term": None}[where]
    if table is None:
        from entropy_rl.algorithms import ENTROPIES as table

        name = "bonus"
    else:
        name = "score_function"
    healthy, calls = table[name], []

    def poisoned(*args):
        calls.append(None)
        return healthy(*args) * (float("nan") if len(calls) == 3 else 1.0)

    monkeypatch.setitem(table, name, poisoned)
    policy = policy_for(BANDIT)
    with pytest.raises(TrainingDiverged, match=f"update 2: {where} is not finite") as caught:
        train(BANDIT, policy, QUICK, 0)
    assert (caught.value.update, caught.value.term) == (2, where)
    assert all(v.isfinite().all() for v in caught.value.last_good.values())
    assert all(torch.equal(v, caught.value.last_good[k]) for k, v in policy.state_dict().items())


def test_a_gradient_that_is_not_finite_stops_the_run():
    policy = policy_for(BANDIT)
    policy.head.weight.register_hook(lambda g: g * float("inf"))
    with pytest.raises(TrainingDiverged, match="update 0: gradient is not finite"):
        train(BANDIT, policy, QUICK, 0)
    assert all(p.isfinite().all() for p in policy.parameters())


def test_a_policy_for_another_environment_is_refused():
    with pytest.raises(ValueError, match=r"policy: expected one for MultiDiscrete\(\[3 3\]\)"):
        train(BANDIT, policy_for(TeamBandit(agents=3, arms=3)), QUICK, 0)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("episodes", 0, "integer ≥ 1"),
        ("batch", -1, "integer ≥ 1"),
        ("minibatches", 65, "at most batch = 64"),
        ("discount", 1.5, r"\[0.0, 1.0\]"),
        ("beta", -0.1, "≥ 0.0"),
        ("beta", float("nan"), "finite"),
        ("entropy", "smothed", "did you mean 'smoothed'"),
        ("optimiser", "adma", "did you mean 'adam'"),
        ("precision", "float16", "one of"),
        ("baseline", "values", "did you mean 'value'"),
        ("reduction", "max", "one of"),
        ("learning_rate", 0.0, "> 0"),
        ("clip", -1.0, "≥ 0.0"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(field, value, words):
    with pytest.raises(ValueError, match=f"^{field}: expected .*{words}"):
        dataclasses.replace(QUICK, **{field: value})


def test_an_unknown_algorithm_is_refused():
    config = dataclasses.replace(QUICK, algorithm="reinforec")
    with pytest.raises(ValueError, match="did you mean 'reinforce'"):
        train(BANDIT, policy_for(BANDIT), config, 0)
