"""Seeds trained as one: the numbers of each are those of its own training, and nobody else's."""

import copy
import dataclasses

import pytest
import torch
from corridor import BANDIT, QUICK, policy_for

from entropy_rl.algorithms import OnPolicyConfig, Trainer, TrainingDiverged, evaluate
from entropy_rl.algorithms.baseline import RunningBaseline
from entropy_rl.algorithms.replicas import RunningBaselines
from entropy_rl.envs import HuntersRabbits, Pendulum, TeamBandit
from entropy_rl.policies import make_policy, stack_policies, unstack_policies

GAME = TeamBandit(agents=3, arms=4, bonus=20.0, bonus_probability=0.2)
CONFIG = OnPolicyConfig(
    episodes=120, batch=12, minibatches=1, cap=1, baseline="running", precision="float64"
)  # fmt: skip
SEEDS = (4, 0, 9)


def policies(seeds, family="lstm", dtype=torch.float64):
    return [policy_for(GAME, seed, family).to(dtype) for seed in seeds]


def stacked(seeds=SEEDS, family="lstm", dtype=torch.float64, **changes):
    config = dataclasses.replace(CONFIG, **changes)
    return Trainer(GAME, stack_policies(policies(seeds, family, dtype)), config, seeds)


def ended(trainer):
    while not trainer.finished:
        trainer.step()
    return trainer


def vector(policy):
    return torch.nn.utils.parameters_to_vector(policy.parameters()).detach()


@pytest.mark.parametrize(
    "changes",
    [
        {"entropy": "none"},
        {"entropy": "crude", "optimiser": "rmsprop", "clip_gradient": 0.02},
        {"entropy": "crude_gradient", "optimiser": "sgd", "decay": False},
        {"entropy": "smoothed", "reduction": "sum"},
        {"entropy": "unbiased_gradient", "epochs": 2},
        {"entropy": "unbiased_gradient", "episodes": 115},
        {"entropy": "smoothed", "baseline": "value"},
        {"entropy": "crude", "baseline": "value", "grouping": "rows", "minibatches": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("family", ["lstm", "independent"])
def test_each_seed_is_trained_as_it_is_alone(family, changes):
    """The same draws; products in another order, hence rounding (float64, ten updates; a value
    network is in single precision)."""
    near = 1e-7 if changes.get("baseline") == "value" else 1e-10
    together = ended(stacked(family=family, **changes))
    parts = unstack_policies(together.policy)
    for r, (seed, policy) in enumerate(zip(SEEDS, policies(SEEDS, family), strict=True)):
        begun = vector(policy)
        alone = ended(Trainer(GAME, policy, together.config, seed))
        assert (vector(parts[r]) - vector(policy)).abs().max() < near
        assert (begun - vector(policy)).abs().max() > 1e-3
        assert together.curves.keys() == alone.curves.keys() >= {"optimal", "expected", "entropy"}
        assert together.curves["episodes"] == alone.curves["episodes"]
        for name in alone.curves.keys() - {"episodes"}:
            mine = [values[r] for values in together.curves[name]]
            assert mine == pytest.approx(alone.curves[name], rel=1e-6, abs=1e-6), name  # float32
    assert together.updates == alone.updates
    assert together.steps == len(SEEDS) * alone.steps


SWING = Pendulum(reward_shift=8.0, reward_scale=0.125, max_episode_steps=10)
STRETCHES = OnPolicyConfig(
    algorithm="sppo38", episodes=32, batch=4, cap=6, continuing=True, grouping="rows",
    minibatches=2, discount=0.9, entropy="smoothed", learning_rate=1e-3, baseline_hidden=8,
    precision="float64",
)  # fmt: skip


def swinging(seed, variance="global", **options):
    torch.manual_seed(seed)
    spaces = SWING.observation_space, SWING.action_space
    return make_policy("gaussian", *spaces, hidden_size=8, variance=variance, **options).double()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"stagger": 10, "epochs": 2, "baseline_minibatches": 3},
        {"algorithm": "ppo", "minibatches": 1, "clip_gradient": 0.01},
        {"algorithm": "sppo40", "variance": "softplus", "clipped_actions": True},
        {"algorithm": "sa2c", "minibatches": 1, "stagger": 10, "options": {"n": 3}},
        {"algorithm": "simpala", "minibatches": 1, "lag": 2, "entropy": "unbiased_gradient"},
        {
            "algorithm": "simpala_uncorrected",
            "minibatches": 1,
            "lag": 1,
            "entropy": "crude_gradient",
        },
        {"algorithm": "impala", "minibatches": 1, "baseline_minibatches": 2, "baseline_epochs": 3},
        {"algorithm": "spg", "minibatches": 1, "continuing": False, "cap": 20, "entropy": "crude"},
        {"algorithm": "ppo", "continuing": False, "reduction": "sum", "options": {"lambda": 0.9}},
    ],
    ids=str,
)
def test_stretches_of_each_seed_are_those_that_it_plays_alone(changes):
    """Episodes of ten steps in stretches of six; critics in single precision, eight batches."""
    changes = dict(changes)
    options = {k: changes.pop(k) for k in ("variance", "clipped_actions") if k in changes}
    config = dataclasses.replace(STRETCHES, **changes)
    made = [swinging(seed, **options) for seed in SEEDS]
    together = ended(Trainer(SWING, stack_policies(made), config, SEEDS))
    parts = unstack_policies(together.policy)
    for r, (seed, policy) in enumerate(zip(SEEDS, made, strict=True)):
        begun = vector(policy)
        alone = ended(Trainer(SWING, policy, config, seed))
        assert (vector(parts[r]) - vector(policy)).abs().max() < 1e-5
        assert (begun - vector(policy)).abs().max() > 1e-3
        assert together.curves.keys() == alone.curves.keys() >= {"score", "entropy"}
        for name in alone.curves.keys() - {"episodes"}:
            mine = [values[r] for values in together.curves[name]]
            assert mine == pytest.approx(alone.curves[name], abs=1e-4, nan_ok=True), name
    assert together.curves["episodes"] == alone.curves["episodes"]
    assert (together.updates, together.steps) == (alone.updates, len(SEEDS) * alone.steps)


def test_stretches_resume_with_the_same_numbers():
    changes = {"algorithm": "impala", "minibatches": 1, "lag": 1, "stagger": 10}
    config = dataclasses.replace(STRETCHES, **changes)

    def begun():
        return Trainer(SWING, stack_policies([swinging(s) for s in SEEDS]), config, SEEDS)

    whole, first, second = ended(begun()), begun(), begun()
    for _ in range(3):
        first.step()
    second.load_state_dict(first.state_dict())
    ended(second)
    assert torch.equal(vector(second.policy), vector(whole.policy))
    assert str(second.curves) == str(whole.curves)  # NaN where no episode had ended


class Fragile(Pendulum):
    """An episode ends where the pendulum turns too fast."""

    def step(self, state, actions):
        after, outcome = super().step(state, actions)
        fast = after.speed.abs() > 1.0
        return after, outcome._replace(terminated=fast)


class Mortal(Pendulum):
    """Of each four columns the last ends after three steps, the others after ten, for good."""

    def step(self, state, actions):
        after, outcome = super().step(state, actions)
        short = torch.arange(len(state)) % 4 == 3
        ended = (after.time >= 10) | (short & (after.time == 3) if len(state) % 4 == 0 else False)
        return after, outcome._replace(terminated=ended, truncated=torch.zeros_like(ended))


class Either(Pendulum):
    """One step; a termination where the pendulum turns left, else a truncation."""

    def step(self, state, actions):
        after, outcome = super().step(state, actions)
        left = after.speed < 0
        return after, outcome._replace(terminated=left, truncated=~left)


@pytest.mark.parametrize(
    "changes",
    [
        {"options": {"lambda": 0.9}},
        {"algorithm": "impala", "minibatches": 1, "lag": 1},
        {"continuing": False, "cap": 12},
        {"continuing": False, "cap": 12, "episodes": 30, "reduction": "sum"},
        {"continuing": False, "baseline": "running", "cap": 12, "baseline_minibatches": 1},
    ],
    ids=str,
)
def test_columns_of_other_lengths_that_end_for_good(changes):
    """They shrink alike in every replica; a last batch may be short."""
    config = dataclasses.replace(STRETCHES, **changes)
    made = [swinging(seed) for seed in SEEDS]
    together = ended(Trainer(Mortal(), stack_policies(made), config, SEEDS))
    for part, seed, policy in zip(unstack_policies(together.policy), SEEDS, made, strict=True):
        begun = vector(policy)
        ended(Trainer(Mortal(), policy, config, seed))
        assert (vector(part) - vector(policy)).abs().max() < 1e-5
        assert (begun - vector(policy)).abs().max() > 1e-3


@pytest.mark.parametrize("continuing", [True, False])
def test_a_termination_here_and_a_cut_there_are_refused(continuing):
    """One step each: both episodes are over, and only one has something to come."""
    config = dataclasses.replace(STRETCHES, cap=1, continuing=continuing, minibatches=1)
    made = stack_policies([swinging(seed) for seed in (76, 77)])
    with pytest.raises(ValueError, match="cuts and ends at step 0: expected those of seed 76"):
        ended(Trainer(Either(), made, config, (76, 77)))


def test_a_critic_that_diverges_names_its_seed():
    config = dataclasses.replace(STRETCHES, minibatches=1)
    trainer = Trainer(SWING, stack_policies([swinging(s) for s in SEEDS]), config, SEEDS)
    spoil_(trainer.baseline.network[0].weight, 2)
    with pytest.raises(TrainingDiverged, match="policy loss of seed 9 is not finite"):
        trainer.step()


@pytest.mark.parametrize("continuing", [True, False])
def test_episodes_that_end_at_other_steps_are_refused(continuing):
    made = stack_policies([swinging(seed) for seed in SEEDS])
    config = dataclasses.replace(STRETCHES, continuing=continuing)
    with pytest.raises(ValueError, match=r"cuts and ends at step \d: expected those of seed 4 in"):
        ended(Trainer(Fragile(), made, config, SEEDS))


def test_a_seed_does_not_notice_the_others():
    """Bit for bit, in single precision."""
    kinds = {"dtype": torch.float32, "precision": "float32"}
    one, other = (ended(stacked(seeds, **kinds)) for seeds in ((4, 0, 9), (4, 7, 3)))
    for mine, its in zip(one.policy.parameters(), other.policy.parameters(), strict=True):
        assert torch.equal(mine[0], its[0])
        assert not torch.equal(mine[1], its[1])
    for name in ("reward", "entropy", "baseline_loss"):
        assert [v[0] for v in one.curves[name]] == [v[0] for v in other.curves[name]]
        first, second = zip(*[v[:2] for v in one.curves[name]], strict=True)
        assert first != second


def test_equal_policies_with_other_seeds_go_apart():
    same = stack_policies([policy_for(GAME, 0).double() for _ in SEEDS])
    trainer = ended(Trainer(GAME, same, CONFIG, SEEDS))
    for parameter in trainer.policy.parameters():
        assert not torch.equal(parameter[0], parameter[1])


def test_a_stacked_training_resumes_with_the_same_numbers():
    whole, first, second = ended(stacked()), stacked(), stacked()
    for _ in range(4):
        first.step()
    state = first.state_dict()
    ended(first)
    second.load_state_dict(state)
    ended(second)
    assert torch.equal(vector(second.policy), vector(whole.policy))
    assert second.curves == whole.curves == first.curves


@pytest.mark.parametrize(
    ("spoil", "term"),
    [
        (lambda p: p.head.weight.register_hook(lambda g: spoilt(g, 1)), "gradient of seed 0"),
        (lambda p: spoil_(p.head.weight, 2), "parameters of seed 9"),
        (lambda p: [spoil_(p.head.weight, r) for r in (0, 2)], "parameters of seed 4, 9"),
    ],
)
def test_the_seed_that_diverges_is_named(spoil, term):
    trainer = stacked()
    trainer.step()
    good = vector(trainer.policy)
    spoil(trainer.policy)
    with pytest.raises(TrainingDiverged, match=f"update 1: {term} is not finite") as caught:
        trainer.step()
    assert {str(seed) for seed in caught.value.seeds} == set(term.split("seed ")[1].split(", "))
    if "gradient" in term:
        assert torch.equal(vector(trainer.policy), good)


def spoilt(x, r):
    out = x.clone()
    out[r, 0] = float("nan")
    return out


def spoil_(parameter, r):
    with torch.no_grad():
        parameter[r, 0] = float("nan")


def test_a_loss_that_diverges_names_its_seed(monkeypatch):
    """Found in the rows that it is the mean of."""
    trainer = stacked()
    sample = trainer._sample

    def poisoned(obs):
        chain = sample(obs)
        factor = torch.ones(len(chain.actions), 1, 1)
        factor[13] = float("nan")
        return dataclasses.replace(chain, log_probs=chain.log_probs * factor, validate_args=False)

    monkeypatch.setattr(trainer, "_sample", poisoned)
    with pytest.raises(TrainingDiverged, match="update 0: policy loss of seed 0 is not finite"):
        trainer.step()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minibatches": 2}, "minibatches: expected"),
        ({"baseline_minibatches": 2}, "baseline_minibatches: expected"),
        ({"baseline": "shared"}, "baseline: expected one of .'running', 'value'."),
        ({"baseline": "value", "first_visit": True}, "first_visit: expected"),
        ({"clip_norm": 1.0}, "clip_norm: expected"),
        ({"entropy": "exact"}, "entropy: expected"),
        ({"entropy": "smoothed_mode"}, "entropy: expected"),
        ({"entropy": "unbiased_gradient", "entropy_baseline": "to_go"}, "entropy_baseline: "),
    ],
)
def test_what_replicas_cannot_share_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        stacked(**changes)


def test_seeds_that_do_not_fit_the_policy_are_refused():
    three = stack_policies(policies(SEEDS))
    for policy, seed in ((three, 0), (three, (0, 1)), (policy_for(GAME).double(), (0, 1))):
        with pytest.raises(ValueError, match=r"seed: expected one for each of \d replicas"):
            Trainer(GAME, policy, CONFIG, seed)
    with pytest.raises(ValueError, match="seeds: expected one of its own for each replica"):
        Trainer(GAME, three, CONFIG, (0, 0, 1))


def test_an_environment_that_draws_otherwise_refuses_the_streams():
    game = HuntersRabbits(size=2, hunters=1)
    policy = stack_policies([policy_for(game, seed) for seed in (0, 1)])
    with pytest.raises(ValueError, match=r"env: expected one that draws by entropy_rl\.streams"):
        Trainer(game, policy, dataclasses.replace(QUICK, entropy="smoothed"), (0, 1))


def test_running_baselines_are_one_for_each():
    together, alone = RunningBaselines(2), [RunningBaseline(), RunningBaseline()]
    generator = torch.Generator().manual_seed(0)
    for n in (1, 3, 70, 60):
        obs, returns = torch.ones(2 * n, 1), torch.randn(2 * n, generator=generator)
        halves = returns.split(n)
        expected = torch.cat([b.evaluate(obs[:n]) for b in alone])
        assert torch.equal(together.evaluate(obs), expected)
        losses = [b.learn(obs[:n], x).item() for b, x in zip(alone, halves, strict=True)]
        assert together.learn(obs, returns).tolist() == pytest.approx(losses, rel=1e-6)
    copy = RunningBaselines(2)
    copy.load_state_dict(together.state_dict())
    assert torch.equal(copy.evaluate(obs), together.evaluate(obs))
    assert together.state_dict()["parts"] == [b.state_dict() for b in alone]


def test_a_plain_gradient_step_is_the_rate_times_the_gradient():
    policy = policy_for(BANDIT)
    config = dataclasses.replace(QUICK, optimiser="sgd", learning_rate=0.5, decay=False)
    before = [p.detach().clone() for p in policy.parameters()]
    Trainer(BANDIT, policy, config, 0).step()
    for was, now in zip(before, policy.parameters(), strict=True):
        assert torch.equal(now, was - 0.5 * now.grad)


def test_a_stack_is_not_judged_as_if_it_were_one():
    """Half of the joint actions would be the first one's and half the second's."""
    together = stack_policies(policies((0, 1)))
    for exact in (True, False):
        with pytest.raises(ValueError, match=r"policy: expected one alone.*got 2"):
            evaluate(GAME, together, 10, seed=1, exact=exact)
    assert evaluate(GAME, unstack_policies(together)[0], 10, seed=1, exact=True).exact


WEIGHTS = [{"learning_rate": 0.01, "beta": 0.02}, {"learning_rate": 0.003, "beta": 0.3}]


def alone_and_together(make, env, config, count=2, entropies=()):
    """Each configuration alone, and all of them as one training."""
    configs = [dataclasses.replace(config, **each) for each in (WEIGHTS * 2)[:count]]
    configs += [dataclasses.replace(config, entropy=name) for name in entropies]
    alone = [ended(Trainer(env, stack_policies(make()), each, SEEDS)) for each in configs]
    every = [policy for _ in configs for policy in make()]
    return alone, ended(Trainer(env, stack_policies(every), configs, SEEDS))


def assert_near(alone, together, near):
    parts = unstack_policies(together.policy)
    for i, trainer in enumerate(alone):
        own = slice(i * len(SEEDS), (i + 1) * len(SEEDS))
        for policy, part in zip(unstack_policies(trainer.policy), parts[own], strict=True):
            assert (vector(policy) - vector(part)).abs().max() < near
        assert trainer.curves.keys() == together.curves.keys()
        for name in trainer.curves.keys() - {"episodes"}:
            mine = [values[own] for values in together.curves[name]]
            for one, other in zip(mine, trainer.curves[name], strict=True):
                assert one == pytest.approx(other, rel=1e-6, abs=1e-6, nan_ok=True), name
    assert (together.updates, together.steps) == (alone[0].updates, len(alone) * alone[0].steps)
    assert together.curves["episodes"] == alone[0].curves["episodes"]


@pytest.mark.parametrize(
    "changes",
    [
        {"entropy": "none"},
        {"entropy": "crude", "optimiser": "rmsprop", "clip_gradient": 0.02},
        {"entropy": "crude_gradient", "optimiser": "sgd", "decay": False},
        {"entropy": "smoothed", "reduction": "sum", "beta_decay": True},
        {"entropy": "unbiased_gradient", "epochs": 2, "episodes": 115},
        {"entropy": "smoothed", "baseline": "value", "grouping": "rows", "minibatches": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("family", ["lstm", "independent"])
def test_two_configurations_are_trained_as_each_is_alone(family, changes):
    """But for rounding; and what is apart in them does make a difference."""
    config = dataclasses.replace(CONFIG, **changes)
    alone, together = alone_and_together(lambda: policies(SEEDS, family), GAME, config)
    assert_near(alone, together, 1e-7 if config.baseline == "value" else 1e-12)
    first, second = (vector(trainer.policy) for trainer in alone)
    assert (first - second).abs().max() > 1e-3


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": "ppo", "stagger": 10, "epochs": 2},
        {"algorithm": "a2c", "minibatches": 1},
        {"algorithm": "impala", "minibatches": 1, "lag": 2, "entropy": "unbiased_gradient"},
    ],
    ids=str,
)
def test_stretches_of_three_configurations_are_those_of_each(changes):
    config = dataclasses.replace(STRETCHES, **changes)
    made = alone_and_together(lambda: [swinging(seed) for seed in SEEDS], SWING, config, 3)
    assert_near(*made, 1e-6)  # critics in single precision


@pytest.mark.parametrize("family", ["lstm", "independent"])
def test_configurations_may_have_other_entropies(family):
    """Two weights of one estimator, and four others."""
    config = dataclasses.replace(CONFIG, entropy="unbiased_gradient", epochs=2, beta=0.5)
    entropies = ("none", "crude", "crude_gradient", "smoothed")
    alone, together = alone_and_together(
        lambda: policies(SEEDS, family), GAME, config, 2, entropies
    )
    assert_near(alone, together, 1e-12)
    ends = [vector(trainer.policy) for trainer in alone]
    assert all((x - y).abs().max() > 1e-3 for i, x in enumerate(ends) for y in ends[:i])


def test_two_configurations_resume_with_the_same_numbers():
    configs = [dataclasses.replace(CONFIG, **each) for each in WEIGHTS]

    def begun():
        return Trainer(GAME, stack_policies(policies(SEEDS) * 2), configs, SEEDS)

    whole, first, second = ended(begun()), begun(), begun()
    for _ in range(4):
        first.step()
    second.load_state_dict(first.state_dict())
    ended(second)
    assert torch.equal(vector(second.policy), vector(whole.policy))
    assert second.curves == whole.curves


@pytest.mark.parametrize(
    ("configs", "message"),
    [
        ([], "config: expected as many replicas for each of several, of 6, got 0"),
        ([{}] * 4, "config: expected as many replicas for each of several, of 6, got 4"),
        ([{}] * 3, "seed: expected one for each of 2 replicas"),
        (
            [{}, {"discount": 0.5}],
            "config: expected differences in learning_rate, ",
        ),
        ([{"algorithm": "sa2c"}, {"algorithm": "sa2c", "beta": 1.0}], "algorithm: expected a row "),
        ([{}, {"entropy": "exact"}], "entropy: expected one of"),
    ],
)
def test_configurations_that_cannot_be_one_training_are_refused(configs, message):
    made = [dataclasses.replace(CONFIG, **changes) for changes in configs]
    with pytest.raises(ValueError, match=f"^{message}"):
        Trainer(GAME, stack_policies(policies(SEEDS) * 2), made, SEEDS)


def test_several_configurations_are_for_stacked_policies():
    with pytest.raises(ValueError, match=r"config: expected as many replicas .* of 1, got 2"):
        Trainer(GAME, policy_for(GAME).double(), [CONFIG, CONFIG], 0)


def test_a_copy_of_several_configurations_does_not_pretend_to_learn():
    """Its optimiser has parted from its parameters: what it moves is not them."""
    configs = [dataclasses.replace(CONFIG, **each) for each in WEIGHTS]
    first = Trainer(GAME, stack_policies(policies(SEEDS) * 2), configs, SEEDS)
    first.step()
    second = copy.deepcopy(first)
    with pytest.raises(ValueError, match="optimiser: expected one over parts of the parameters"):
        second.step()
    first.step()


def test_a_running_baseline_forgets_what_it_did_not_load():
    baseline = RunningBaseline()
    baseline.remember([1.0, 2.0])
    assert baseline.mean == 1.5
    baseline.load_state_dict({"returns": []})
    assert baseline.mean == 0
