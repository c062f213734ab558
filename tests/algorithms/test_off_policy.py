"""The off-policy loop: its memory against plain lists, its fixed points, its snapshots."""

import dataclasses
import math
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from corridor import GOAL, QUICK, Corridor, policy_for, see
from hypothesis import given, settings
from hypothesis import strategies as st
from parabola import BEST, CURVATURE, Parabola, entropy_of

from entropy_rl.algorithms import (
    ACTORS,
    ALGORITHMS,
    OFF_POLICY_ALGORITHMS,
    TARGETS,
    TEMPERATURES,
    Draw,
    OffPolicyAlgorithm,
    OffPolicyConfig,
    OffPolicyTrainer,
    Option,
    Replay,
    Trainer,
    TrainingDiverged,
    Transitions,
    play_episodes,
    preset,
    register_actor,
    register_algorithm,
    register_off_policy_algorithm,
    register_target,
    register_temperature,
    train,
    transitions,
)
from entropy_rl.algorithms.choices import completed
from entropy_rl.envs import Pendulum
from entropy_rl.policies import stack_policies
from refusals import assert_refused, refusals

SMALL = OffPolicyConfig(
    episodes=32,
    batch=4,
    cap=5,
    learning_starts=40,
    minibatch=16,
    capacity=50,
    critic_hidden=8,
    updates_per_step=0.3,
)
GAME = Pendulum(max_episode_steps=7)
ONE_STEP = dataclasses.replace(
    SMALL, episodes=1_600, batch=16, cap=1, capacity=2_000, minibatch=64, critic_hidden=16,
    updates_per_step=0.5, learning_rate=1e-2, critic_learning_rate=1e-2,
    temperature_learning_rate=2e-2, temperature=0.5, polyak=0.05, learning_starts=200,
)  # fmt: skip


def trainer(seed=0, config=SMALL, env=GAME):
    policy = policy_for(env, seed=seed, family="squashed")
    return OffPolicyTrainer(env, policy, config, seed)


def finished(made):
    while not made.finished:
        made.step()
    parameters = torch.nn.utils.parameters_to_vector(made.policy.parameters())
    return parameters.detach().clone(), made.curves


def same(a, b):
    """NaN, before the first update, is equal to itself."""
    return torch.equal(a[0], b[0]) and all(
        torch.equal(torch.tensor(v), torch.tensor(b[1][k]))
        or torch.allclose(torch.tensor(v), torch.tensor(b[1][k]), atol=0, rtol=0, equal_nan=True)
        for k, v in a[1].items()
    )


@pytest.mark.parametrize("continuing", [True, False])
@pytest.mark.parametrize("stops", [True, False])
def test_a_transition_leads_where_its_step_led(continuing, stops):
    """Without chance the next place is the place and the step: at ends, at cuts, in between."""
    game = Corridor(stops=stops)
    policy = policy_for(game)
    generator = torch.Generator().manual_seed(0)
    rollout = play_episodes(
        game, lambda obs: policy.sample(obs, generator), 40, 4, 0.9, generator,
        continuing=continuing,
    )  # fmt: skip
    found = transitions(rollout)
    assert len(found) == len(rollout)
    for n in range(len(found)):
        place = next(p for p in range(GOAL + 2) if torch.equal(see(torch.tensor(p)), found.obs[n]))
        after = place + int(found.actions[n, 0])
        assert found.discount_t[n] == pytest.approx(0.0 if after >= GOAL else 0.9)
        assert found.r_t[n] == pytest.approx(0.5 * int(found.actions[n, 1]) + 0.1 * place)
        if after < GOAL:
            assert torch.equal(found.next_obs[n], see(torch.tensor(after)))


def numbered(first, count):
    x = torch.arange(first, first + count, dtype=torch.float32)
    return Transitions(x[:, None], -x[:, None], 2 * x, 3 * x, 4 * x[:, None])


@given(st.integers(1, 9), st.integers(1, 5), st.lists(st.integers(1, 5), max_size=12))
@settings(deadline=None, max_examples=60)
def test_the_memory_is_the_last_of_a_list(capacity, largest, sizes):
    memory, listed, first = Replay(capacity, largest), deque(maxlen=capacity), 0
    for size in (min(s, largest) for s in sizes):
        memory.add(numbered(first, size))
        before = list(listed)
        listed.extend(range(first, first + size))
        first += size
        assert len(memory) == len(listed)
        shown = memory.at(torch.arange(len(memory)))
        assert shown.r_t.tolist() == [2.0 * x for x in reversed(listed)]
        assert shown.next_obs[:, 0].tolist() == [4.0 * x for x in reversed(listed)]
        memory.added -= size  # taken back: what was shown before is shown again
        assert len(memory) == len(before)
        assert memory.at(torch.arange(len(memory))).r_t.tolist() == [2.0 * x for x in before[::-1]]
        memory.added += size


def test_a_memory_of_another_size_is_refused_before_anything_is_changed():
    small, large = Replay(4, 2), Replay(20, 2)
    small.add(numbered(0, 2))
    assert_refused(
        lambda: large.load_state_dict(small.state_dict(), torch.device("cpu")),
        "state",
        "(capacity, largest) = (20, 2)",
        "(4, 2)",
    )
    assert len(large) == 0


def test_more_than_was_said_is_refused():
    assert_refused(lambda: Replay(4, 2).add(numbered(0, 3)), "batch", "at most 2", "3")


class Noted:
    """A policy that always draws half of what it sees, with a log-probability of its own."""

    def sample(self, obs, generator=None):
        return SimpleNamespace(actions=obs / 2, log_prob=3 * obs[:, 0])


class Known:
    """Critics whose values tell who was asked, and what."""

    def smaller(self, obs, actions):
        return 1e6 + obs[:, 0]

    def slow_smaller(self, obs, actions):
        return 10 * obs[:, 0] + actions[:, 0]


def test_the_soft_target_asks_the_slow_critics_about_a_fresh_action_in_the_next_state():
    batch = Transitions(
        obs=torch.tensor([[7.0], [8.0], [9.0]]),
        actions=torch.tensor([[70.0], [80.0], [90.0]]),
        r_t=torch.tensor([0.1, 0.2, 0.3]),
        discount_t=torch.tensor([0.9, 0.9, 0.0]),
        next_obs=torch.tensor([[2.0], [4.0], [6.0]]),
    )
    draw = Draw(batch, Noted(), Known(), 0.5, torch.Generator(), {})
    expected = [
        r + g * (10 * s + s / 2 - 0.5 * 3 * s)
        for r, g, s in zip([0.1, 0.2, 0.3], [0.9, 0.9, 0.0], [2.0, 4.0, 6.0], strict=True)
    ]
    assert TARGETS["soft"](draw).tolist() == pytest.approx(expected)


def test_the_slow_critics_smaller_is_the_smaller_of_the_slow():
    made = trainer()
    with torch.no_grad():
        for p in made.critic.network.parameters():
            p += 1.0
    obs, actions = torch.randn(5, 3), torch.randn(5, 1)
    rows = torch.cat([obs, actions], 1)
    both = made.critic.slow(torch.cat([rows, rows])).view(2, 5)
    assert torch.equal(made.critic.slow_smaller(obs, actions), both.min(0).values)
    assert not torch.equal(made.critic.smaller(obs, actions), both.min(0).values)


def test_a_fixed_temperature_ends_at_the_soft_optimum():
    """σ² = α/c, within a tenth, of a policy that sees its critic's errors; deterministic."""
    env = Parabola()
    policy = policy_for(env, family="gaussian", variance="global")
    config = dataclasses.replace(ONE_STEP, algorithm="sac_fixed")
    result = train(env, policy, config, 0)
    mean, log_std, _ = policy.parameters_of(torch.zeros(1, 1))
    assert mean.item() == pytest.approx(BEST, abs=0.1)
    assert log_std.exp().item() == pytest.approx(math.sqrt(0.5 / CURVATURE), rel=0.1)
    assert set(result.curves["temperature"]) == {0.5}


@pytest.mark.parametrize("std", [0.3, 0.7])
def test_the_dual_holds_the_target_and_finds_its_temperature(std):
    """H̄ = H(σ) asks for α = c σ²."""
    env = Parabola()
    policy = policy_for(env, family="gaussian", variance="global")
    config = dataclasses.replace(ONE_STEP, episodes=2_400, target_entropy=entropy_of(std))
    result = train(env, policy, config, 0)
    log_std = policy.parameters_of(torch.zeros(1, 1))[1].item()
    assert abs(entropy_of(math.exp(log_std)) - entropy_of(std)) < 0.1
    assert result.curves["temperature"][-1] == pytest.approx(CURVATURE * std**2, rel=0.25)


def test_what_was_never_played_is_not_drawn():
    """Before learning starts nothing is updated; then as often as is said."""
    made = trainer()
    made.step()
    assert (made.updates, made.steps) == (0, 20)
    assert math.isnan(made.curves["critic_loss"][0])
    made.step()
    assert (made.updates, made.steps) == (6, 40)
    assert made.curves["critic_loss"][1] > 0


def test_the_same_seed_gives_the_same_numbers_and_another_does_not():
    first = finished(trainer())
    assert same(first, finished(trainer()))
    assert not torch.equal(first[0], finished(trainer(1))[0])


@pytest.mark.parametrize("batches", [1, 2, 6])
def test_a_training_resumed_from_its_state_ends_with_the_same_numbers(batches):
    whole, first, second = trainer(), trainer(), trainer(5)
    for _ in range(batches):
        first.step()
    second.load_state_dict(first.state_dict())
    assert same(finished(second), finished(whole))


def test_a_training_that_diverges_is_set_back_to_before_the_batch(monkeypatch):
    """And from there, without the fault, ends as one that never failed: the memory is set back."""
    made, plain = trainer(), finished(trainer())
    for _ in range(5):
        made.step()
    before = made.state_dict()
    wrong = {**TARGETS, "soft": lambda draw: draw.transitions.r_t * torch.nan}
    with monkeypatch.context() as patch:
        patch.setattr("entropy_rl.algorithms.off_policy.TARGETS", wrong)
        with pytest.raises(TrainingDiverged, match="critic loss is not finite") as caught:
            made.step()
    assert caught.value.last_good["counts"] == before["counts"]
    assert torch.equal(caught.value.last_good["generator"], before["generator"])
    assert same(finished(made), plain)
    again = trainer(7)
    again.load_state_dict(caught.value.last_good)
    assert same(finished(again), plain)


def test_actions_that_are_not_finite_are_a_divergence_and_not_a_bad_argument(monkeypatch):
    made = trainer()
    made.step()
    counts = made.state_dict()["counts"]
    drawn = made.policy.sample
    with monkeypatch.context() as patch:
        patch.setattr(made.policy, "sample", lambda obs, g: drawn(obs * torch.nan, g))
        with pytest.raises(TrainingDiverged, match="actions is not finite"):
            made.step()
    assert made.state_dict()["counts"] == counts


def test_a_critic_that_is_not_finite_is_not_kept_as_the_last_good_one():
    made = trainer()
    for _ in range(3):
        made.step()
    with torch.no_grad():
        next(made.critic.network.parameters()).fill_(torch.inf)
    with pytest.raises(TrainingDiverged, match=r"critic 0\.weight is not finite") as caught:
        made.step()
    kept = caught.value.last_good["critic"]["network"].values()
    assert all(x.isfinite().all() for x in kept)
    made.step()


def test_a_frozen_layer_stays_as_it_is_and_an_unused_one_is_no_error():
    policy = policy_for(GAME, family="squashed")
    policy.spare = torch.nn.Linear(2, 2)
    first = policy.torso[0].weight.requires_grad_(False)
    before, head = first.clone(), policy.head.weight.clone()
    finished(OffPolicyTrainer(GAME, policy, SMALL, 0))
    assert torch.equal(first, before)
    assert not torch.equal(policy.head.weight, head)


def test_the_smaller_critic_is_believed_and_the_target_follows():
    made = trainer()
    obs, actions = torch.randn(5, 3), torch.randn(5, 1)
    both = made.critic.both(obs, actions)
    assert both.shape == (2, 5)
    assert torch.equal(made.critic.smaller(obs, actions), both.min(0).values)
    assert (both[0] != both[1]).any()
    slow = [p.clone() for p in made.critic.slow.parameters()]
    with torch.no_grad():
        for p in made.critic.network.parameters():
            p += 1.0
    made.critic.follow()
    for new, old, fast in zip(
        made.critic.slow.parameters(), slow, made.critic.network.parameters(), strict=True
    ):
        assert torch.allclose(new, old + SMALL.polyak * (fast - old))


@pytest.mark.parametrize("algorithm", OFF_POLICY_ALGORITHMS)
def test_every_row_moves_its_policy(algorithm):
    made = trainer(config=dataclasses.replace(SMALL, algorithm=algorithm))
    before = [p.clone() for p in made.policy.parameters()]
    finished(made)
    assert all((p != b).any() for p, b in zip(made.policy.parameters(), before, strict=True))
    assert (made.temperature == 1.0) == (OFF_POLICY_ALGORITHMS[algorithm].temperature == "fixed")


def test_the_reference_lists_every_row():
    page = (Path(__file__).parents[2] / "book" / "api.md").read_text(encoding="utf-8")
    for name, row in OFF_POLICY_ALGORITHMS.items():
        choices = " × ".join(f"`{x}`" for x in (row.target, row.actor, row.temperature))
        assert f"| `{name}` | {choices} | {row.source}; `{Path(__file__).name}` |" in page


@pytest.fixture
def off_policy_tables():
    tables = (TARGETS, ACTORS, TEMPERATURES, OFF_POLICY_ALGORITHMS)
    before = [dict(table) for table in tables]
    yield
    for table, rows in zip(tables, before, strict=True):
        table.clear()
        table.update(rows)


def test_a_row_that_is_not_there_yet_is_registered_and_trains(off_policy_tables):
    """Hard targets scaled by an option, the package's actor twice as steep, α that only falls."""
    seen = set()

    def target(draw):
        seen.add(draw.options["scale"])
        return draw.options["scale"] * draw.transitions.r_t

    def actor(draw):
        act = ACTORS["reparametrised"](draw)
        return act._replace(loss=2 * act.loss)

    register_target("toy", target)
    register_actor("toy", actor)
    register_temperature("toy", lambda log_temperature, entropy, bound: log_temperature.exp())
    register_off_policy_algorithm(
        "toy", OffPolicyAlgorithm("toy", "toy", "toy", {"scale": Option(1.0)})
    )
    config = dataclasses.replace(SMALL, algorithm="toy", options={"scale": 0.5})
    made = trainer(config=config)
    finished(made)
    assert seen == {0.5}
    assert made.temperature < 1.0
    with pytest.raises(ValueError, match="name: expected a new name"):
        register_target("toy", target)


def test_the_target_entropy_of_a_squashed_gaussian_is_one_nat_a_component_below_the_unit_cube():
    assert trainer().target_entropy == pytest.approx(-1.0 + math.log(2.0))


def unsquashed():
    return policy_for(GAME, family="gaussian")


@refusals(
    [
        ("a policy without rsample",
         lambda: OffPolicyTrainer(Corridor(), policy_for(Corridor()), SMALL, 0),
         "policy", "one that can be reparametrised", "LSTMPolicy"),
        ("a stack", lambda: OffPolicyTrainer(GAME, stack_policies([unsquashed(), unsquashed()]),
         dataclasses.replace(SMALL, target_entropy=0.0), 0),
         "policy", "one alone", "2"),
        ("another space", lambda: OffPolicyTrainer(Parabola(), unsquashed(), SMALL, 0),
         "policy", "one for Box", "Box"),
        ("no target", lambda: OffPolicyTrainer(GAME, unsquashed(), SMALL, 0),
         "target_entropy", "a number, for a policy that is not a squashed Gaussian", "None"),
        ("a bad seed", lambda: OffPolicyTrainer(GAME, unsquashed(),
         dataclasses.replace(SMALL, target_entropy=0.0), -1), "seed", "an integer in", "-1"),
        ("a target that nothing reads",
         lambda: dataclasses.replace(SMALL, algorithm="sac_fixed", target_entropy=0.0),
         "target_entropy", "None for 'sac_fixed'", "0.0"),
        ("stretches left over", lambda: dataclasses.replace(SMALL, episodes=33),
         "episodes", "a multiple of batch = 4", "33"),
        ("no polyak", lambda: dataclasses.replace(SMALL, polyak=0.0),
         "polyak", "a number > 0", "0.0"),
        ("options of nothing", lambda: dataclasses.replace(SMALL, options={"clip": 1.0}),
         "options", "none for 'sac1'", "clip"),
        ("an unknown row", lambda: dataclasses.replace(SMALL, algorithm="sac2"),
         "algorithm", "did you mean 'sac1'", "sac2"),
        ("learning that never starts", lambda: dataclasses.replace(SMALL, learning_starts=161),
         "learning_starts", "at most episodes × cap = 160", "161"),
        ("a third of an update", lambda: dataclasses.replace(SMALL, updates_per_step=1 / 60),
         "updates_per_step", "a multiple of 1/20", "0.0166"),
        ("four updates and a half", lambda: dataclasses.replace(SMALL, updates_per_step=0.225),
         "updates_per_step", "a multiple of 1/20", "0.225"),
        ("more than a uniform policy has", lambda: OffPolicyTrainer(GAME, policy_for(
         GAME, family="squashed"), dataclasses.replace(SMALL, target_entropy=1.4), 0),
         "target_entropy", "less than 1.386", "1.4"),
        ("a name of the other loop", lambda: register_off_policy_algorithm(
         "ppo", OFF_POLICY_ALGORITHMS["sac1"]), "name", "a new name", "ppo"),
        ("a name of this loop in the other", lambda: register_algorithm(
         "sac1", ALGORITHMS["ppo"]), "name", "a new name", "sac1"),
        ("an option that the row lacks", lambda: completed(
         {"lambda": Option(1.0)}, {})["clip"], "options", "a row with 'clip'", "lambda"),
        ("ratios of what a tanh has lost", lambda: Trainer(GAME, policy_for(
         GAME, family="squashed"), dataclasses.replace(QUICK, entropy="crude"), 0),
         "policy", "one whose actions can be read back", "SquashedGaussianPolicy"),
        ("a field of the other loop", lambda: preset("pendulum-sac").but(beta=1.0),
         "changes", "one of 'algorithm'", "beta"),
    ]
)  # fmt: skip
def test_what_would_be_wrong_is_refused_by_name(call, argument, expected, got):
    assert_refused(call, argument, expected, got)


ONE_UPDATE = dataclasses.replace(
    SMALL, learning_starts=1, updates_per_step=1 / 20, optimiser="adam", learning_rate=1e-3,
    critic_learning_rate=2e-3, temperature_learning_rate=4e-3, polyak=0.25,
)  # fmt: skip


def moved(before, after):
    """The largest change of a parameter, which Adam's first step makes its learning rate."""
    return max((b.detach() - a).abs().max().item() for a, b in zip(before, after, strict=True))


def test_an_update_moves_each_part_at_its_own_rate_and_the_targets_after_it():
    made = trainer(config=ONE_UPDATE, env=Pendulum())
    parts = {
        "learning_rate": list(made.policy.parameters()),
        "critic_learning_rate": list(made.critic.network.parameters()),
        "temperature_learning_rate": [made.log_temperature],
    }
    before = {name: [x.detach().clone() for x in part] for name, part in parts.items()}
    slow = [x.detach().clone() for x in made.critic.slow.parameters()]
    made.step()
    assert made.updates == 1
    for name, part in parts.items():
        assert moved(before[name], part) == pytest.approx(getattr(ONE_UPDATE, name), rel=1e-3)
    pairs = zip(slow, made.critic.network.parameters(), made.critic.slow.parameters(), strict=True)
    for old, fast, now in pairs:
        assert torch.allclose(now, old + 0.25 * (fast - old), atol=1e-7)
    assert moved(slow, made.critic.slow.parameters()) > 1e-4


def test_stretches_go_on_and_what_is_remembered_leads_on():
    made = trainer(config=ONE_UPDATE, env=Pendulum())
    made.step()
    made.step()
    assert made.running.time.tolist() == [2 * ONE_UPDATE.cap] * ONE_UPDATE.batch
    remembered = made.replay.at(torch.arange(len(made.replay)))
    assert torch.allclose(remembered.discount_t, torch.tensor(ONE_UPDATE.discount))
    last, first = ONE_UPDATE.batch * (ONE_UPDATE.cap - 1), ONE_UPDATE.batch * ONE_UPDATE.cap
    assert not torch.equal(remembered.obs[last], remembered.obs[first])


def test_a_temperature_that_nothing_moves_asks_for_no_target(monkeypatch):
    """Whatever it is called."""
    monkeypatch.setitem(TEMPERATURES, "annealed", None)
    row = dataclasses.replace(OFF_POLICY_ALGORITHMS[SMALL.algorithm], temperature="annealed")
    monkeypatch.setitem(OFF_POLICY_ALGORITHMS, "toy", row)
    with pytest.raises(ValueError, match="target_entropy: expected None"):
        OffPolicyConfig(algorithm="toy", target_entropy=-1.0)
    assert trainer(config=dataclasses.replace(SMALL, algorithm="toy")).target_entropy is None
