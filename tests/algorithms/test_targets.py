"""What the loop computes from a batch of episodes, against the plain loop over its steps.

The corridor has no chance, so where a walker came to is known without what the rollout says of it.
"""

import dataclasses
from itertools import chain

import pytest
import torch
from corridor import GOAL, Corridor, policy_for, see

from entropy_rl.algorithms import (
    ADVANTAGES,
    UPDATES,
    Algorithm,
    OnPolicyConfig,
    Option,
    Targets,
    Trainer,
    gradient_step,
    register_algorithm,
)
from entropy_rl.algorithms.minibatches import first_visits
from entropy_rl.returns import gae

GAMMA, BETA, EPISODES = 0.9, 0.3, 12
WALKS = Corridor()
WALK = OnPolicyConfig(
    episodes=4 * EPISODES, batch=EPISODES, minibatches=2, cap=4, discount=GAMMA, beta=BETA
)


def toy_gae(context):
    """As a row of PPO would have it."""
    rollout, values = context.rollout, context.values
    lambda_t = (~rollout.cut).to(context.r_t.dtype) * context.options["lambda"]
    advantage = gae(context.r_t, rollout.discount_t, *values, lambda_t)
    return Targets(advantage - context.own_tm1, advantage + values.v_tm1)


def trainer_of(env=WALKS, **changes):
    return Trainer(env, policy_for(env), dataclasses.replace(WALK, **changes), 0)


def walks(trainer, rollout):
    """Of every episode its steps: place, reward, v, next v, whether it ended, and H."""
    network, policy = trainer.baseline.network, trainer.policy
    for episode in range(EPISODES):
        steps, place = [], episode % 5
        for n in (rollout.episode == episode).nonzero().squeeze(-1):
            actions = rollout.chain.actions[n]
            after = place + int(actions[0])
            seen = see(torch.tensor([place, after]))
            v, later = network(seen).squeeze(-1).tolist()
            entropy = policy.conditionals(seen[:1], actions[None]).entropies.sum().item()
            reward = 0.5 * int(actions[1]) + 0.1 * place
            steps.append((int(n), reward, v, later, after >= GOAL, entropy))
            place = after
        yield steps


LOOPS = ("return", "gae", "n_step", "v_trace")


def test_every_advantage_has_its_plain_loop():
    missing = ADVANTAGES.keys() - set(LOOPS)
    assert not missing, f"write the loop below of {sorted(missing)}, and name it in LOOPS"


@pytest.mark.parametrize("entropy", ["bonus", "soft_bonus", "soft_apart", "soft_log"])
@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("stops", [False, True])
def test_targets_equal_the_plain_loop(kind, entropy, stops, tables):
    """On the policy's own actions the targets of V-trace are those of TD(λ)."""
    options = {"lambda": 0.7, "n": 2, "clip_rho": 1.0, "clip_c": 1.0}
    options = {name: Option(value) for name, value in options.items()}
    register_algorithm("toy", Algorithm(kind, "score_function", entropy, options))
    estimator = "smoothed" if entropy == "soft_bonus" else "unbiased_gradient"
    trainer = trainer_of(Corridor(stops=stops), algorithm="toy", entropy=estimator)
    rollout = trainer.play(EPISODES)
    with torch.no_grad():
        targets = ADVANTAGES[kind](trainer.context(rollout))
        found = rollout.rows(targets.advantage), rollout.rows(targets.value)
        expected = torch.zeros(2, len(rollout))
        ends = cuts = 0
        for steps in walks(trainer, rollout):
            later_g = later_a = later_two = 0.0
            ends += steps[-1][4]
            cuts += not steps[-1][4]
            for n, reward, v, v_after, ended, h in reversed(steps):
                inside = reward + (BETA * h if entropy != "bonus" else 0.0)
                if kind == "return":
                    later_g = inside + GAMMA * later_g
                    advantage, value = later_g - v, later_g
                elif kind == "n_step":
                    last = n == steps[-1][0]
                    beyond = 0.0 if ended else GAMMA * v_after
                    value = inside + (beyond if last else GAMMA * later_two)
                    advantage, later_two = value - v, inside + beyond
                else:
                    delta = inside + (0.0 if ended else GAMMA * v_after) - v
                    later_a = delta + GAMMA * 0.7 * later_a
                    advantage, value = later_a, later_a + v
                surprise = -rollout.chain.log_prob[n].item()
                left_out = {"soft_apart": h, "soft_log": h - surprise}
                own = BETA * left_out.get(entropy, 0.0)
                expected[0, n], expected[1, n] = advantage - own, value
    assert ends >= 3
    assert cuts >= 3
    assert torch.allclose(torch.stack(found), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", LOOPS)
def test_targets_of_stretches_equal_the_plain_loop(kind, tables):
    """Columns in which episodes end, are truncated and begin, over two batches."""
    options = {"lambda": 0.7, "n": 3, "clip_rho": 1.0, "clip_c": 1.0}
    options = {name: Option(value) for name, value in options.items()}
    register_algorithm("toy", Algorithm(kind, "score_function", "bonus", options))
    changes = {"continuing": True, "cap": 7, "baseline": "value"}
    trainer = trainer_of(Corridor(stops=True), algorithm="toy", **changes)
    kinds = set()
    for _ in range(2):
        rollout = trainer.play(EPISODES)
        with torch.no_grad():
            found = ADVANTAGES[kind](trainer.context(rollout))
        v, v_after, ends, cuts = seen_by_the_walkers(trainer, rollout)
        kinds |= {(bool(e), bool(c)) for e, c in zip(ends.flatten(), cuts.flatten(), strict=True)}
        r, T = rollout.r_t, len(rollout.r_t)
        for b in range(EPISODES):
            later = 0.0
            for t in reversed(range(T)):
                beyond = 0.0 if ends[t, b] else GAMMA * v_after[t, b]
                if kind == "return":
                    on = 0.0 if ends[t, b] or cuts[t, b] else GAMMA * later
                    later = r[t, b] + on
                    expected = later - v[t, b]
                elif kind == "n_step":
                    value, weight, k = r[t, b].item(), GAMMA, t
                    while k - t < 2 and not (ends[k, b] or cuts[k, b]):
                        k += 1
                        value, weight = value + weight * r[k, b], weight * GAMMA
                    expected = value + (0.0 if ends[k, b] else weight * v_after[k, b]) - v[t, b]
                else:
                    on = 0.0 if ends[t, b] or cuts[t, b] else GAMMA * 0.7 * later
                    expected = later = r[t, b] + beyond - v[t, b] + on
                targets = float(expected), float(expected + v[t, b])
                assert [x[t, b].item() for x in found] == pytest.approx(targets, abs=1e-5)
    assert kinds == {(False, False), (True, False), (False, True)}


def seen_by_the_walkers(trainer, rollout):
    """v here, v there, whether it ended and whether it was cut, ``(T, B)``, from the places."""
    place = rollout.grid((rollout.obs[:, 0] * GOAL).round())
    after = place + rollout.grid(rollout.chain.actions[:, 0].float())
    network = trainer.baseline.network
    with torch.no_grad():
        v, v_after = (network(see(x)).squeeze(-1) for x in (place, after))
    ends = after >= GOAL
    cuts = (after == 3) & ~ends
    cuts[-1] = ~ends[-1]
    goes_on = ~(ends | cuts)[:-1]
    assert torch.equal(place[1:][goes_on], after[:-1][goes_on])
    assert (place[1:][~goes_on] < 5).all(), "a fresh one begins"
    return v, v_after, ends, cuts


def test_a_stretch_goes_on_where_the_last_one_was_cut():
    trainer = trainer_of(continuing=True, cap=3)
    first, second = trainer.play(EPISODES), trainer.play(EPISODES)
    assert torch.equal(first.running.place, (second.obs[:EPISODES, 0] * GOAL).round().long())
    assert trainer.running is second.running
    assert len(first) == len(second) == 3 * EPISODES
    assert trainer_of(cap=3).play(EPISODES).running is None


@pytest.mark.parametrize("grouping", ["episodes", "rows"])
def test_a_sum_is_over_the_steps_of_an_episode(grouping):
    trainer = trainer_of(reduction="sum", grouping=grouping)
    rollout = trainer.play(EPISODES)
    advantage = torch.linspace(-1, 1, len(rollout))
    rows = torch.arange(len(rollout))
    terms, _ = trainer.losses(trainer.context(rollout), rows, advantage)
    summed = -(rollout.chain.log_prob * advantage).sum() / EPISODES
    assert torch.allclose(terms["policy loss"], summed, atol=1e-5)


def clipped(monkeypatch, **changes):
    """The gradient that the optimiser sees, at an enormous learning target."""
    seen = []

    def watch(problem):
        minibatch = gradient_step(problem)
        seen.append(torch.cat([p.grad.flatten() for p in problem.parameters]))
        return minibatch

    monkeypatch.setitem(UPDATES, "gradient_step", watch)
    trainer_of(**changes).step()
    return seen[0]


def test_every_entry_of_the_gradient_is_clipped(monkeypatch):
    assert clipped(monkeypatch, clip_gradient=1e-4).abs().max() == 1e-4


def test_the_norm_of_the_gradient_is_clipped(monkeypatch):
    assert abs(clipped(monkeypatch, clip_norm=1e-3).norm() - 1e-3) < 1e-6


@pytest.mark.parametrize("decay", [True, False])
def test_the_learning_rate_falls_to_nothing_or_stays(decay):
    trainer, rates = trainer_of(decay=decay, learning_rate=0.01), []
    while not trainer.finished:
        trainer.step()
        rates.append(trainer.optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([0.01 * (1 - n / 4 * decay) for n in range(4)])


@pytest.mark.parametrize("decay", [True, False])
def test_the_weight_of_the_entropy_falls_to_nothing_or_stays(decay):
    trainer, weights = trainer_of(beta=0.3, beta_decay=decay), []
    learn = trainer.learn
    trainer.learn = lambda rollout: (weights.append(trainer.context(rollout).beta), learn(rollout))
    while not trainer.finished:
        trainer.step()
    assert weights == pytest.approx([0.3 * (1 - n / 4 * decay) for n in range(4)])


def baseline_lessons(trainer):
    """The rollout of one step, and the returns that the baseline was taught, lesson by lesson."""
    lessons, rollouts = [], []
    learn, play = trainer.baseline.learn, trainer.play
    trainer.baseline.learn = lambda obs, g: (lessons.append(g), learn(obs, g))[1]
    trainer.play = lambda n: (rollouts.append(play(n)), rollouts[0])[1]
    trainer.step()
    return rollouts[0], lessons


def test_the_baseline_learns_from_first_visits_only():
    rollout, lessons = baseline_lessons(trainer_of(first_visit=True))
    assert sum(map(len, lessons)) == first_visits(rollout).sum() < len(rollout)


@pytest.mark.parametrize("grouping", ["episodes", "rows"])
def test_the_baseline_makes_as_many_steps_as_the_policy(grouping):
    trainer = trainer_of(epochs=3, grouping=grouping)
    rollout, lessons = baseline_lessons(trainer)
    assert len(lessons) == trainer.updates == 3 * 2
    assert sum(map(len, lessons)) == 3 * len(rollout)


def test_the_baseline_makes_as_many_steps_as_it_is_told():
    trainer = trainer_of(baseline_epochs=5, baseline_minibatches=4)
    rollout, lessons = baseline_lessons(trainer)
    assert (len(lessons), trainer.updates) == (5 * 4, 2)
    assert sum(map(len, lessons)) == 5 * len(rollout)


def test_the_running_baseline_remembers_whole_episodes():
    rollout, lessons = baseline_lessons(trainer_of(baseline="running"))
    assert len(rollout) > sum(map(len, lessons)) == EPISODES


def test_the_running_baseline_remembers_each_episode_once_whatever_the_epochs():
    _, lessons = baseline_lessons(trainer_of(baseline="running", epochs=4))
    assert sum(map(len, lessons)) == EPISODES


def test_the_return_curve_is_discounted():
    trainer = trainer_of()
    rollout, _ = baseline_lessons(trainer)
    plain = sum(GAMMA**t * r for t, row in enumerate(rollout.r_t.tolist()) for r in row)
    assert trainer.curves["return"] == [pytest.approx(plain / EPISODES)]


def test_rows_are_shuffled_anew_in_every_epoch(monkeypatch):
    seen = []

    def watch(problem):
        minibatch = gradient_step(problem)
        seen.append(minibatch.rows.tolist())
        return minibatch

    monkeypatch.setitem(UPDATES, "gradient_step", watch)
    trainer = trainer_of(minibatches=15, epochs=2, grouping="rows")  # more than episodes
    trainer.step()
    first, second = (list(chain.from_iterable(part)) for part in (seen[:15], seen[15:]))
    assert sorted(first) == sorted(second) == list(range(trainer.steps))
    assert first != second
    assert max(map(len, seen)) - min(map(len, seen)) <= 1


def test_observations_that_are_numbers_have_a_learned_baseline():
    """In a tabular game: one value a place."""
    game = Corridor(discrete=True)
    config = dataclasses.replace(WALK, episodes=6_000, minibatches=1, cap=50, first_visit=True)
    policy = policy_for(game, family="table", scale=0.0)
    trainer = Trainer(game, policy, config, 0)
    trainer.step()
    assert trainer.baseline.network[0].in_features == GOAL + 2
    before = trainer.curves["baseline_loss"][0]
    while not trainer.finished:
        trainer.step()
    assert trainer.curves["baseline_loss"][-1] < before / 2
