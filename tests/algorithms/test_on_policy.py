"""The on-policy loop: its gradient in expectation, what it learns, and when it stops."""

import dataclasses

import pytest
import torch
from corridor import BANDIT, QUICK, flat_gradient, policy_for
from gymnasium import spaces

from entropy_rl.algorithms import SURROGATES, OnPolicyConfig, Trainer, train
from entropy_rl.algorithms.baseline import make_baseline
from entropy_rl.algorithms.precision import WorkingCopy
from entropy_rl.envs import HuntersRabbits, TeamBandit

OBSERVATIONS = ("coordinates", "one_hot")


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
        rollout = trainer.play(8)
        rows = torch.arange(len(rollout))
        advantage = torch.linspace(-1, 1, len(rollout))
        terms, minibatch = trainer.losses(trainer.context(rollout), rows, advantage)
        gradients.append(flat_gradient(sum(terms.values()), trainer.policy))
        features.append(minibatch.chain.features)
        assert minibatch.old_chain.features is None
    assert torch.allclose(*gradients, atol=1e-6)
    assert features[0] is not None
    assert torch.equal(*features)


def test_a_minibatch_knows_who_drew_its_actions():
    """Of its own rows: with the policy that drew them the ratios of the chain are one."""
    game = HuntersRabbits(size=3, hunters=2)
    config = dataclasses.replace(QUICK, minibatches=2, cap=5)
    trainer = Trainer(game, policy_for(game), config, 0)
    context = trainer.context(trainer.play(8))
    rows = torch.arange(len(context.rollout)).flip(0)[1::2]
    advantage = torch.zeros(len(context.rollout))
    _, minibatch = trainer.losses(context, rows, advantage)
    old = minibatch.old_chain
    assert torch.equal(old.actions, minibatch.chain.actions)
    assert torch.equal(minibatch.old_log_probs, old.component_log_probs)
    assert torch.equal(minibatch.old_log_prob, old.log_prob)
    assert torch.allclose(minibatch.old_log_probs, minibatch.chain.component_log_probs, atol=1e-6)
    assert not minibatch.old_log_probs.requires_grad


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


@pytest.mark.parametrize(
    ("name", "moved"),
    [
        ("adam", lambda g: g / (g.abs() + 1e-8)),
        ("rmsprop", lambda g: g / (0.1 * g.abs() + 1e-5)),
    ],
)
def test_the_baseline_is_moved_by_its_own_optimiser(name, moved):
    """The first step of either, in closed form; the policy's optimiser is the other one."""
    other = {"adam": "rmsprop", "rmsprop": "adam"}[name]
    config = OnPolicyConfig(optimiser=other, baseline_optimiser=name, baseline_learning_rate=1e-3)
    working = WorkingCopy(policy_for(BANDIT), "float32")
    baseline = make_baseline(BANDIT, working, config, torch.device("cpu"))
    before = [p.detach().clone() for p in baseline.network.parameters()]
    baseline.learn(torch.ones(5, 1), torch.linspace(0.0, 3.0, 5))
    for old, new in zip(before, baseline.network.parameters(), strict=True):
        assert torch.allclose(old - new, 1e-3 * moved(new.grad), rtol=1e-3, atol=1e-8)
        assert new.grad.any()


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
        baseline_optimiser="rmsprop",
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


def test_a_working_copy_takes_the_masters_buffers():
    master = torch.nn.BatchNorm1d(2)
    working = WorkingCopy(master, "bfloat16")
    master.running_mean.fill_(3.0)
    assert not (working.module.running_mean == 3).any()
    working.refresh()
    assert (working.module.running_mean == 3).all()


def test_a_policy_for_another_environment_is_refused():
    with pytest.raises(ValueError, match=r"policy: expected one for MultiDiscrete\(\[3 3\]\)"):
        train(BANDIT, policy_for(TeamBandit(agents=3, arms=3)), QUICK, 0)
    narrow, wide = (HuntersRabbits(size=3, hunters=2, observation=o) for o in OBSERVATIONS)
    with pytest.raises(ValueError, match=r"policy: expected one for Dict\(.*\(12,\)"):
        train(narrow, policy_for(wide), QUICK, 0)


def test_a_policy_that_is_not_finite_is_refused():
    policy = policy_for(BANDIT)
    policy.head.weight.data[0, 0] = float("nan")
    with pytest.raises(ValueError, match="policy: expected finite parameters"):
        Trainer(BANDIT, policy, QUICK, 0)


@pytest.mark.parametrize("seed", ["a", -1, 2**64, 1.0, True, None])
def test_a_seed_that_no_generator_takes_is_refused(seed):
    with pytest.raises(ValueError, match="seed: expected an integer in"):
        Trainer(BANDIT, policy_for(BANDIT), QUICK, seed)


class Pictures(TeamBandit):
    """A bandit that shows words."""

    observation_space = spaces.Text(3)


def test_observations_that_the_baseline_cannot_read_are_refused():
    policy = policy_for(BANDIT)
    policy.observation_space = Pictures.observation_space
    game = Pictures(agents=2, arms=3, bonus=0.0)
    assert Trainer(game, policy, QUICK, 0).baseline  # which needs no network
    with pytest.raises(ValueError, match="observation_space: expected Box or Discrete"):
        Trainer(game, policy, dataclasses.replace(QUICK, baseline="value"), 0)


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
        ("learning_rate", None, "finite"),
        ("clip_gradient", -1.0, "> 0"),
        ("clip_gradient", 0.0, "> 0"),
        ("clip_norm", 0.0, "> 0"),
        ("decay", "no", "True or False"),
        ("beta_decay", 1, "True or False"),
        ("continuing", "no", "True or False"),
        ("stagger", -1, "integer ≥ 0"),
        ("stagger", 3, "0, unless episodes go on"),
        ("baseline_epochs", 0, "integer ≥ 1"),
        ("baseline_minibatches", 65, "at most batch = 64"),
        ("first_visit", 2, "True or False"),
        ("grouping", "row", "did you mean 'rows'"),
        ("options", 3, "a mapping"),
        ("options", {"lambda": 0.9}, "none for 'reinforce'"),
        ("epochs", 0, "integer ≥ 1"),
        ("algorithm", "reinforec", "did you mean 'reinforce'"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(field, value, words):
    with pytest.raises(ValueError, match=f"^{field}: expected .*{words}"):
        dataclasses.replace(QUICK, **{field: value})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"baseline": "value", "episodes": 65}, "episodes: expected a multiple of batch = 64"),
        ({"baseline": "running"}, "continuing: expected False"),
        ({"baseline": "value", "first_visit": True}, "continuing: expected False"),
    ],
)
def test_where_episodes_go_on_what_looks_at_whole_ones_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(QUICK, continuing=True, **changes)
