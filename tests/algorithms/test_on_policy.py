"""The on-policy loop: its gradient in expectation, what it learns, and when it stops."""

import dataclasses

import pytest
import torch

from entropy_rl.algorithms import (
    ADVANTAGES,
    ALGORITHMS,
    ENTROPIES,
    SURROGATES,
    Algorithm,
    EntropyUse,
    OnPolicyConfig,
    Rollout,
    Targets,
    Trainer,
    TrainingDiverged,
    play_episodes,
    register_algorithm,
    train,
)
from entropy_rl.algorithms.precision import WorkingCopy
from entropy_rl.conditionals import select_rows
from entropy_rl.envs import HuntersRabbits, TeamBandit
from entropy_rl.estimators import exact
from entropy_rl.losses import clipped_surrogate_loss
from entropy_rl.policies import make_policy
from entropy_rl.returns import gae, soft_rewards

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


def one_row(obs, chain):
    one = torch.zeros(1, dtype=torch.int64)
    grid = torch.zeros(1, 1, dtype=torch.float64)
    return Rollout(obs, chain, one, one, grid, grid, grid > 0, None)


def move(policy, seed):
    """Another policy nearby: what a first update leaves behind."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in policy.parameters():
            p += 0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype)


@pytest.mark.parametrize("stale", [False, True])
@pytest.mark.parametrize("estimator", ["unbiased_gradient", "exact", "crude_gradient"])
def test_expected_update_is_the_gradient_of_reward_and_entropy(estimator, stale):
    """Over all joint actions: E[∇loss] = -∇(E[r] + β H), also after the policy has moved."""
    policy = policy_for(BANDIT).double()
    config = dataclasses.replace(QUICK, entropy=estimator, beta=0.3, minibatches=2)
    trainer = Trainer(BANDIT, policy, dataclasses.replace(config, precision="float64"), 0)
    obs = torch.zeros(1, *BANDIT.observation_space.shape, dtype=torch.float64)
    actions = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    rewards = BANDIT.expected_reward(actions).double()
    with torch.no_grad():
        drawn = policy.conditionals(obs.expand(9, -1), actions)
    if stale:
        move(policy, 1)
    chain = policy.conditionals(obs.expand(9, -1), actions)
    objective = (chain.log_prob.exp() * rewards).sum() + 0.3 * exact(policy, obs).surrogate.sum()
    true = flat_gradient(objective, policy)
    mean, unweighted = torch.zeros_like(true), torch.zeros_like(true)
    for n in range(9):
        old = select_rows(drawn, torch.tensor([n]))
        args = one_row(obs, old), torch.tensor([0]), rewards[n : n + 1] - 1.7, old
        p = drawn.log_prob[n].exp()
        mean -= p * flat_gradient(sum(trainer.losses(*args, stale)[0].values()), policy)
        unweighted -= p * flat_gradient(sum(trainer.losses(*args, False)[0].values()), policy)
    assert torch.allclose(mean, true, atol=1e-10, rtol=0)
    assert torch.allclose(unweighted, true, atol=1e-3) != stale


def test_later_minibatches_and_epochs_are_given_their_ratios(monkeypatch):
    seen = []

    def watch(batch):
        seen.append(batch.log_weights)
        return healthy(batch)

    healthy = SURROGATES["score_function"]
    monkeypatch.setitem(SURROGATES, "score_function", watch)
    config = dataclasses.replace(QUICK, episodes=64, minibatches=2, epochs=2)
    Trainer(BANDIT, policy_for(BANDIT), config, 0).step()
    assert seen[0] is None
    assert [w is not None for w in seen] == [False, True, True, True]
    assert all(w.shape == (32, 2) and w.abs().max() > 1e-6 for w in seen[1:])


def test_keeping_the_graph_gives_the_gradient_of_a_second_forward_pass():
    """And the chain carries the same features either way."""
    game = HuntersRabbits(size=3, hunters=2)
    gradients, features = [], []
    for minibatches in (1, 2):
        config = dataclasses.replace(QUICK, minibatches=minibatches, cap=5, baseline="value")
        trainer = Trainer(game, policy_for(game), config, 0)
        with torch.set_grad_enabled(config.keeps_graph):
            rollout = play_episodes(game, trainer._sample, 8, 5, 0.8, trainer.generator)
        rows = torch.arange(len(rollout))
        advantage = torch.linspace(-1, 1, len(rollout))
        old = select_rows(rollout.chain)
        terms, _ = trainer.losses(rollout, rows, advantage, old, False)
        gradients.append(flat_gradient(sum(terms.values()), trainer.policy))
        features.append(old.features)
    assert torch.allclose(*gradients, atol=1e-6)
    assert features[0] is not None
    assert torch.equal(*features)


def test_a_training_resumed_from_its_state_ends_with_the_same_numbers():
    config = dataclasses.replace(QUICK, minibatches=2, cap=5, baseline="value")
    game = HuntersRabbits(size=3, hunters=2)
    whole = Trainer(game, policy_for(game), config, 0)
    first = Trainer(game, policy_for(game), config, 0)
    for _ in range(2):
        whole.step()
        first.step()
    second = Trainer(game, policy_for(game, seed=9), config, 5)
    second.load_state_dict(first.state_dict())
    while not whole.finished:
        whole.step()
        second.step()
    assert second.finished
    assert second.curves == whole.curves
    for a, b in zip(whole.policy.parameters(), second.policy.parameters(), strict=True):
        assert torch.equal(a, b)


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
        clip_gradient=1.0,
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


def test_toy_rows_are_algorithms(monkeypatch):
    """GAE, a clipped surrogate over epochs, and entropy in the rewards: no line of the loop."""
    for table in (ADVANTAGES, SURROGATES, ENTROPIES, ALGORITHMS):
        for name in set(table):
            monkeypatch.setitem(table, name, table[name])  # restores the tables afterwards

    def toy_gae(rollout, r_t, values, options):
        lambda_t = (~rollout.cut).to(r_t.dtype) * options["lambda"]
        advantage = gae(r_t, rollout.discount_t, *values, lambda_t)
        return Targets(advantage, advantage + values.v_tm1)

    def toy_clip(batch):
        return clipped_surrogate_loss(
            batch.chain.log_prob, batch.old_chain.log_prob, batch.advantage, batch.options["clip"]
        )

    def soft(rollout, entropy_tm1, beta):
        return soft_rewards(rollout.r_t, entropy_tm1, beta)

    monkeypatch.setitem(ADVANTAGES, "toy_gae", toy_gae)
    monkeypatch.setitem(SURROGATES, "toy_clip", toy_clip)
    monkeypatch.setitem(ENTROPIES, "toy_soft", EntropyUse(rewards=soft, in_rewards=True))
    monkeypatch.delitem(ALGORITHMS, "toy", raising=False)
    row = Algorithm("toy_gae", "toy_clip", "toy_soft", {"lambda": 0.95, "clip": 0.2})
    monkeypatch.setitem(ALGORITHMS, "toy", row)
    config = dataclasses.replace(
        QUICK,
        algorithm="toy",
        episodes=3_200,
        minibatches=2,
        epochs=3,
        baseline="value",
        beta=0.02,
        options={"clip": 0.1},
    )
    result = train(BANDIT, policy_for(BANDIT), config, 0)
    assert result.updates == 50 * 2 * 3
    assert sum(result.curves["reward"][-10:]) / 10 > 4.5
    with pytest.raises(ValueError, match="did you mean 'clip'"):
        dataclasses.replace(config, options={"clpi": 0.1})


def test_a_row_is_registered_once():
    with pytest.raises(ValueError, match=r"name: expected a new name, got 'reinforce'"):
        register_algorithm("reinforce", ALGORITHMS["reinforce"])
    register_algorithm("again", ALGORITHMS["reinforce"])
    assert ALGORITHMS.pop("again") == ALGORITHMS["reinforce"]
    with pytest.raises(ValueError, match=r"surrogate: .*'score_function'"):
        Algorithm("return", "score_funktion", "bonus")


def poison(healthy, calls):
    def poisoned(*args):
        calls.append(None)
        return healthy(*args) * (float("nan") if len(calls) == 3 else 1.0)

    return poisoned


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
    bad = EntropyUse(term=poison(ENTROPIES["bonus"].term, []))
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

    with pytest.raises(TrainingDiverged, match="update 1: parameters is not finite"):
        train(BANDIT, policy, QUICK, 0, callback=spoil)


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
        ("clip_gradient", -1.0, "≥ 0.0"),
        ("epochs", 0, "integer ≥ 1"),
        ("algorithm", "reinforec", "did you mean 'reinforce'"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(field, value, words):
    with pytest.raises(ValueError, match=f"^{field}: expected .*{words}"):
        dataclasses.replace(QUICK, **{field: value})
