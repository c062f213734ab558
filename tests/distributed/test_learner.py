"""The learner and its workers, in one process and in a fixed order."""

import copy
import pickle

import pytest
import torch
from here import InTurn, finish, train_in_turn

from entropy_rl.algorithms import (
    ADVANTAGES,
    OnPolicyConfig,
    Trainer,
    TrainingDiverged,
    preset,
    train,
)
from entropy_rl.distributed import train_async
from entropy_rl.distributed.learner import Learner, learner_of
from entropy_rl.distributed.pool import seed_of
from entropy_rl.distributed.worker import Worker, apply, gradients_of, recorded, shared
from entropy_rl.experiments.pendulum import pendulum_preset
from refusals import assert_refused, refusals

SHORT = {"batch": 8, "episodes": 40}
GRADIENTS = ("a2c", "sa2c", "ppo", "sppo40")
HUNT = preset("hunters-small").but(algorithm="a2c", batch=8, episodes=32, minibatches=2)


def parameters(policy):
    return torch.nn.utils.parameters_to_vector(policy.parameters()).detach().clone()


def alike(a, b):
    """Nested plain data and tensors, bit for bit, NaN being where NaN is."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    return a == b or (a != a and b != b)


def same(first, second):
    """Curves alike, of those that the first has."""
    return alike(first, {name: second[name] for name in first})


def of_actors(row="simpala", **changes):
    """A row that sends rollouts; its learner draws nothing."""
    changes = {**SHORT, "grouping": "episodes", **changes}
    return pendulum_preset(row).but(**changes)


CHOSEN = {
    **{row: pendulum_preset(row).but(**SHORT) for row in GRADIENTS},
    "bfloat16": HUNT.but(precision="bfloat16"),
    "critic": HUNT.but(entropy="unbiased_gradient", entropy_baseline="critic", clip_norm=0.1),
    "none": HUNT.but(baseline="none", optimiser="sgd", beta_decay=True),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_one_worker_gives_the_numbers_of_the_synchronous_training(name):
    """Bit for bit: of the policy, the networks beside it, their optimisers, and the curves."""
    chosen = CHOSEN[name]
    env, policy = chosen.make(3)
    alone = Trainer(env, copy.deepcopy(policy), chosen.config, 3)
    while not alone.finished:
        alone.step()
    led = train_in_turn(env, policy, chosen.config, 3, [3])
    assert torch.equal(parameters(policy), parameters(alone.policy))
    assert alike(shared(led), shared(alone))
    assert same(alone.curves, led.curves)
    assert led.curves["lag"] == led.curves["lag_updates"] == led.curves["replaced"]
    assert set(led.curves["lag"]) == {0.0}


@pytest.mark.parametrize("row", ["impala", "simpala"])
def test_one_actor_gives_the_numbers_of_a_training_that_keeps_no_graph(row, monkeypatch):
    """With the graph of its sampling, sums are taken in another order."""
    chosen = of_actors(row)
    env, policy = chosen.make(3)
    led = train_in_turn(env, policy, chosen.config, 3, [3])
    monkeypatch.setattr(OnPolicyConfig, "keeps_graph", property(lambda config: False))
    env, alone = chosen.make(3)
    result = train(env, alone, chosen.config, 3)
    assert torch.equal(parameters(policy), parameters(alone))
    assert same(result.curves, led.curves)


def test_a_workers_gradient_is_that_of_the_loss_on_its_own_actions():
    """Of the same rollout, differentiated by hand; and its trainer is told nothing but by it."""
    chosen = CHOSEN["sa2c"]
    env, policy = chosen.make(0)
    learner = Trainer(env, policy, chosen.config, 0)
    sent = Worker(env, policy, chosen.config, 7).contribute(shared(learner)).batch

    by_hand = Trainer(env, policy, chosen.config, 0)
    by_hand.generator.manual_seed(7)
    rollout = by_hand.play(8)
    context = by_hand.context(rollout)
    advantage = rollout.rows(ADVANTAGES["n_step"](context).advantage)
    terms, _ = by_hand.losses(context, torch.arange(len(rollout)), advantage)
    loss = terms["policy loss"] + terms["entropy term"]
    expected = torch.autograd.grad(loss, list(policy.parameters()))
    first, (index, grads) = len(sent.steps), sent.steps[0]
    assert index == 0
    assert all(torch.equal(a, b) for a, b in zip(grads, expected, strict=True))
    # One step of the policy, then four epochs of four parts of the critic.
    assert [which for which, _ in sent.steps] == [0] + [1] * 16
    assert first == 17
    assert sent.transitions == len(rollout)
    assert (sent.episodes, learner.updates, learner.steps) == (8, 0, 0)


def test_a_worker_begins_as_the_learner_is_its_optimisers_included():
    """By Adam and in two epochs, after batches of others: as a trainer that goes on from there."""
    chosen = pendulum_preset("ppo").but(**SHORT, epochs=2, minibatches=4)
    env, policy = chosen.make(0)
    trainer = Trainer(env, policy, chosen.config, 0)
    learner = Learner(trainer, InTurn(trainer, [1, 2]))
    for _ in range(3):
        learner.step()
    alone = Trainer(env, copy.deepcopy(policy), chosen.config, 9)
    whole = trainer.state_dict()
    parts = {name: whole[name] for name in ("policy", "optimiser", "baseline", "counts")}
    alone.load_state_dict({**alone.state_dict(), **parts})
    alone.step()
    worker = Worker(env, policy, chosen.config, 9)
    trainer.begin()
    apply(trainer, worker.contribute(shared(trainer)).batch)
    assert alike(shared(trainer), shared(alone))


@pytest.mark.parametrize("workers", [2, 3])
def test_a_gradient_is_taken_where_the_worker_was_and_applied_where_the_learner_is(workers):
    """A3C in a plain loop: θ ← θ - η g(θ of W - 1 updates ago), g on that one's own actions."""
    changes = {"optimiser": "sgd", "baseline_optimiser": "sgd", "decay": False}
    chosen = pendulum_preset("a2c").but(**SHORT, **changes)
    env, policy = chosen.make(0)
    seeds = [11, 12, 13][:workers]
    each = [Trainer(env, copy.deepcopy(policy), chosen.config, seed) for seed in seeds]
    server = Trainer(env, copy.deepcopy(policy), chosen.config, 0)
    for trainer in each:
        trainer.baseline.network.load_state_dict(server.baseline.network.state_dict())

    def nets(trainer):
        return [*trainer.policy.parameters(), *trainer.baseline.network.parameters()]

    versions = [[p.detach().clone() for p in nets(server)]]
    for k in range(5):
        trainer, old = each[k % workers], versions[max(0, k - workers + 1)]
        with torch.no_grad():
            for p, at in zip(nets(trainer), old, strict=True):
                p.copy_(at)
        trainer.updates = 0  # it has played nothing with other parameters than these
        trainer.step()
        # SGD's moves are the sum of its gradients, whoever makes them from wherever.
        moves = [p.detach() - at for p, at in zip(nets(trainer), old, strict=True)]
        versions.append([at + move for at, move in zip(versions[-1], moves, strict=True)])
    led = train_in_turn(env, policy, chosen.config, 0, seeds)
    for found, expected in zip(nets(led), versions[-1], strict=True):
        assert torch.allclose(found, expected, atol=1e-6, rtol=1e-4)
    assert led.curves["lag"] == [float(min(k, workers - 1)) for k in range(5)]
    assert led.curves["lag_updates"] == led.curves["lag"]


def test_the_lag_in_updates_counts_all_minibatches():
    chosen = pendulum_preset("ppo").but(**SHORT, epochs=2, minibatches=4)
    env, policy = chosen.make(0)
    led = train_in_turn(env, policy, chosen.config, 0, [1, 2])
    assert led.curves["lag"] == [0, 1, 1, 1, 1]
    assert led.curves["lag_updates"] == [0, 8, 8, 8, 8]


def test_v_trace_is_given_the_ratios_to_the_policy_that_acted(monkeypatch):
    """π is the learner's at that time, μ the actor's at the time it was sent its parameters."""
    chosen = of_actors()
    env, policy = chosen.make(0)
    trainer = Trainer(env, policy, chosen.config, 0)
    versions, seen = [], []

    def watched(rollout, learn=trainer.learn):
        versions.append(copy.deepcopy(policy))
        seen.append((rollout, trainer.context(rollout).log_rho_tm1))
        learn(rollout)

    monkeypatch.setattr(trainer, "learn", watched)
    learner = Learner(trainer, InTurn(trainer, [1, 2, 3]))
    finish(learner)
    for k, (rollout, log_rho) in enumerate(seen):
        acted = versions[max(0, k - 2)]
        with torch.no_grad():
            now, then = (
                p.conditionals(rollout.obs, rollout.chain.actions).log_prob
                for p in (versions[k], acted)
            )
        assert torch.allclose(rollout.chain.log_prob, then, atol=1e-5)
        assert torch.allclose(rollout.rows(log_rho), now - then, atol=1e-5)
        assert log_rho.abs().max() > 1e-4 or k == 0


def test_a_rollout_leaves_the_process_without_its_graph():
    chosen = of_actors()
    env, policy = chosen.make(0)
    trainer = Trainer(env, policy, chosen.config, 0)
    rollout = trainer.play(8)
    assert rollout.chain.log_prob.requires_grad
    there = pickle.loads(pickle.dumps(rollout.detach()))
    assert there.detached
    assert not there.chain.log_prob.requires_grad
    assert torch.equal(there.chain.log_prob, rollout.chain.log_prob)
    assert torch.equal(there.running.angle, rollout.running.angle)
    assert (there.version, len(there)) == (rollout.version, len(rollout))
    # At the same version it is differentiated all the same, with the same loss.
    every, advantage = torch.arange(len(rollout)), torch.ones(len(rollout))
    losses = [
        trainer.losses(trainer.context(x), every, advantage)[0]["policy loss"]
        for x in (rollout, there)
    ]
    assert losses[1].requires_grad
    assert torch.allclose(*losses)


@pytest.mark.parametrize("row", ["a2c", "simpala"])
def test_what_diverges_anywhere_sets_the_learner_back(row):
    chosen = pendulum_preset(row).but(**SHORT, learning_rate=1e38)
    env, policy = chosen.make(0)
    trainer = Trainer(env, policy, chosen.config, 0)
    learner = Learner(trainer, InTurn(trainer, [1, 2]))
    with pytest.raises(TrainingDiverged) as caught:
        finish(learner)
    assert torch.isfinite(parameters(policy)).all()
    assert caught.value.last_good["counts"] == (trainer.played, trainer.steps, trainer.updates)


def test_a_divergence_can_be_pickled():
    error = TrainingDiverged(3, "gradient", {"counts": (1, 2, 3)}, (4,))
    there = pickle.loads(pickle.dumps(error))
    assert str(there) == str(error)
    assert vars(there) == vars(error)


def test_every_worker_has_a_stream_of_its_own():
    for row in ("sa2c", "simpala"):
        config = pendulum_preset(row).config
        seeds = [seed_of(5, number, config) for number in range(1000)]
        assert len(set(seeds)) == 1000
        assert all(0 <= seed < 2**63 for seed in seeds)
        assert (5 in seeds) == (row == "sa2c")  # of rollouts the learner draws, in shuffling


def test_the_hooks_are_gone_after_a_batch():
    chosen = CHOSEN["a2c"]
    env, policy = chosen.make(0)
    trainer = Trainer(env, policy, chosen.config, 0)
    with recorded(trainer) as steps:
        trainer.step()
    assert len(steps) == 17
    trainer.step()
    assert len(steps) == 17
    assert len(gradients_of(trainer.optimiser)) == len(list(policy.parameters()))


def asked(policy=None, workers=2, row="a2c", **changes):
    def call():
        env, own = pendulum_preset("a2c").make(0)
        config = pendulum_preset(row).but(**{**SHORT, **changes}).config
        train_async(env, policy or own, config, 0, workers=workers)

    return call


def off_policy():
    env, policy = preset("pendulum-sac").make(0)
    train_async(env, policy, preset("pendulum-sac").config, 0)


def stacked():
    from entropy_rl.policies import stack_policies

    chosen = preset("bandit")
    (env, first), (_, second) = chosen.make(0), chosen.make(1)
    trainer = Trainer(env, stack_policies([first, second]), chosen.config, [0, 1])
    with learner_of(trainer, 0, 2):
        pass


@refusals(
    [
        ("none", asked(workers=0), "workers", "≥ 1", "0"),
        ("trust region", asked(row="trpo"), "algorithm", "gradient steps", "trust_region"),
        ("lag", asked(lag=1, row="impala"), "lag", "0 for workers", "1"),
        (
            "rest", asked(continuing=False, stagger=0, episodes=9), "episodes",
            "a multiple of batch = 8", "9",
        ),
        (
            "running", asked(continuing=False, stagger=0, baseline="running"), "baseline",
            "'value' or 'none'", "running",
        ),
        ("off-policy", off_policy, "config", "an OnPolicyConfig", "OffPolicyConfig"),
        ("stacked", stacked, "policy", "not stacked", "2"),
    ]
)  # fmt: skip
def test_what_workers_cannot_do_is_refused(call, argument, expected, got):
    assert_refused(call, argument, expected, got)


PATIENCE = {
    "epochs": 1, "minibatches": 1, "options": {}, "entropy": "unbiased_gradient",
    "baseline_epochs": 4, "baseline_minibatches": 1, "batch": 32, "episodes": 32 * 300,
    "learning_rate": 0.12,
}  # fmt: skip
BOUNDS = {"impala": (1.02, 1.04), "simpala": (1.9, 1.99)}


@pytest.mark.parametrize("row", BOUNDS)
def test_only_the_soft_twin_is_patient(row):
    """With a lag of one batch, from the uniform policy, α = 1/8. This very seed was looked at, and
    two others: IMPALA gave 1.028 to 1.029, SIMPALA 1.929 to 1.955; exact gradients give 1.028 and
    1.984. So there is no false alarm but on a machine that rounds otherwise.
    """
    chosen = preset("patience").but(algorithm=row, **PATIENCE)
    env, policy = chosen.make(0)
    led = train_in_turn(env, policy, chosen.config, 0, [100, 200])
    low, high = BOUNDS[row]
    assert low <= env.closed_form(policy)["expected_reward"] <= high
    assert set(led.curves["lag"][1:]) == {1.0}
