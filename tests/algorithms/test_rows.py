"""Rows that are not there yet: each of another algorithm's parts fits the loop without a change."""

import dataclasses

import pytest
import torch
from corridor import BANDIT, QUICK, Corridor, Lagged, policy_for
from test_targets import WALK, toy_gae

from entropy_rl.algorithms import (
    ADVANTAGES,
    ALGORITHMS,
    ENTROPIES,
    ENTROPY_BASELINES,
    SURROGATES,
    UPDATES,
    Algorithm,
    Option,
    Targets,
    Trainer,
    register_advantage,
    register_algorithm,
    register_entropy,
    register_entropy_baseline,
    register_surrogate,
    register_update,
    train,
)
from entropy_rl.estimators import kl_divergence
from entropy_rl.losses import clipped_surrogate_loss, policy_gradient_loss
from entropy_rl.returns import vtrace

UNIT = {"lambda": Option(0.95, 0.0, 1.0), "clip": Option(0.2, above_low=True)}


def toy_clip(minibatch):
    chain, old, clip = minibatch.chain, minibatch.old_chain, minibatch.options["clip"]
    return clipped_surrogate_loss(chain.log_prob, old.log_prob, minibatch.advantage, clip)


def toy_vtrace(context):
    """The ratios are those of the policy that learns to the one that acted."""
    lambda_t = (~context.rollout.cut).to(context.r_t.dtype)
    value, advantage = vtrace(
        context.r_t,
        context.rollout.discount_t,
        *context.values,
        context.log_rho_tm1,
        lambda_t=lambda_t,
    )
    own = context.log_rho_tm1.exp().clamp(max=1.0) * context.own_tm1
    return Targets(advantage - own, value)


def toy_unweighted(minibatch):
    """For advantages that have their ratios."""
    return policy_gradient_loss(minibatch.chain.log_prob, minibatch.advantage)


def divergence(minibatch):
    old, new = minibatch.old_chain, minibatch.chain
    return kl_divergence(old, new).value.mean().item()


def toy_trust_region(problem):
    """A step down the gradient, halved until the divergence is within its bound."""
    loss, before = problem.losses()
    problem.differentiate(loss)
    step, start = 16.0, [p.detach().clone() for p in problem.parameters]
    for _ in range(40):
        with torch.no_grad():
            for p, at in zip(problem.parameters, start, strict=True):
                p.copy_(at - step * p.grad)
        with torch.no_grad():
            if divergence(problem.losses()[1]) <= problem.options["radius"]:
                return before
        step /= 2
    raise AssertionError("no step is small enough")


@pytest.fixture
def toys(tables):
    register_advantage("toy_gae", toy_gae)
    register_advantage("toy_vtrace", toy_vtrace)
    register_surrogate("toy_clip", toy_clip)
    register_surrogate("toy_unweighted", toy_unweighted)
    register_update("toy_trust_region", toy_trust_region)
    rows = {
        "ppo": Algorithm("toy_gae", "toy_clip", "bonus", UNIT),
        "sppo38": Algorithm("toy_gae", "toy_clip", "soft_bonus", UNIT),
        "sppo40": Algorithm("toy_gae", "toy_clip", "soft", UNIT),
        "simpala": Algorithm("toy_vtrace", "toy_unweighted", "soft_apart"),
        "trpo": Algorithm(
            "return", "score_function", "none", {"radius": Option(0.01)}, "toy_trust_region"
        ),
    }
    for name, row in rows.items():
        register_algorithm(name, row)
    return rows


def learnt(algorithm, entropy, **changes):
    """Mean reward of the last batches on the bandit, whose optimum is 5 and chance 3.33.

    False alarms: of 12 other seeds the least was 4.91, and 3.98 with the trust region.
    """
    changes = {"episodes": 3_200, "baseline": "value", "beta": 0.02, **changes}
    config = dataclasses.replace(QUICK, algorithm=algorithm, entropy=entropy, **changes)
    result = train(BANDIT, policy_for(BANDIT), config, 0)
    return sum(result.curves["reward"][-10:]) / 10


@pytest.mark.parametrize(
    ("algorithm", "entropy"),
    [("ppo", "smoothed"), ("sppo38", "smoothed"), ("sppo40", "crude")],
)
@pytest.mark.parametrize("grouping", ["episodes", "rows"])
def test_clipped_epochs_learn(algorithm, entropy, grouping, toys):
    changes = {"minibatches": 2, "epochs": 3, "grouping": grouping, "clip_norm": 5.0}
    assert learnt(algorithm, entropy, options={"clip": 0.1}, **changes) > 4.5


def test_a_soft_row_learns_from_v_trace(toys):
    assert learnt("simpala", "unbiased_gradient", episodes=6_400) > 4.5


def test_a_trust_region_is_an_update_rule(toys):
    config = dataclasses.replace(QUICK, algorithm="trpo", episodes=64 * 30, beta=0.0)
    trainer = Trainer(BANDIT, policy_for(BANDIT), config, 0)
    while not trainer.finished:
        before = trainer.play(512).chain
        obs = torch.ones(512, 1)
        trainer.step()
        with torch.no_grad():
            after = trainer.policy.conditionals(obs, before.actions)
            moved = kl_divergence(before, after).value.mean().item()
        assert 0.001 < moved < 0.03  # the radius, but for the sample that it was measured on
    assert sum(trainer.curves["reward"][-10:]) / 10 > 3.8


def test_ratios_are_there_when_the_actor_lags(toys):
    """Two batches behind, the targets' ratios are those of the two policies."""
    config = dataclasses.replace(WALK, algorithm="simpala", entropy="exact", minibatches=1)
    trainer = Lagged(Corridor(), policy_for(Corridor()), config, 0)
    seen = []
    learn = ADVANTAGES["toy_vtrace"]
    ADVANTAGES["toy_vtrace"] = lambda context: (seen.append(context), learn(context))[1]
    actors = []
    while not trainer.finished:
        actors.append({k: v.clone() for k, v in trainer.policy.state_dict().items()})
        trainer.step()
    assert [c.log_weights is None for c in seen] == [True, False, False, False]
    for n, context in enumerate(seen):
        ratio = context.rollout.rows(context.log_rho_tm1)
        # Of the first three batches all were played before anything was learnt.
        policies = [policy_for(Corridor()) for _ in range(2)]
        for policy, version in zip(policies, (n, max(0, n - 2)), strict=True):
            policy.load_state_dict(actors[version])
        with torch.no_grad():
            now, then = (
                policy.conditionals(context.rollout.obs, context.old_chain.actions).log_prob
                for policy in policies
            )
        assert torch.allclose(ratio, now - then, atol=1e-5)
        assert (ratio.abs().max() > 1e-3) == (n > 0)


def test_a_kept_graph_is_not_that_of_another_version():
    """With a lag, one minibatch and one epoch too are differentiated where the policy is now."""
    trainer = Lagged(
        Corridor(), policy_for(Corridor()), dataclasses.replace(WALK, minibatches=1), 0
    )
    while not trainer.finished:
        trainer.step()
    assert trainer.updates == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"clpi": 0.1}, "options: .*did you mean 'clip'"),
        ({"lambda": 7.0}, r"lambda: expected a number in \[0.0, 1.0\], got 7.0"),
        ({"lambda": torch.tensor(7.0)}, "lambda: expected a finite number"),
        ({"clip": 0.0}, "clip: expected a number > 0"),
        ({"clip": "wide"}, "clip: expected a finite number"),
    ],
)
def test_an_option_out_of_its_range_is_refused(options, words, toys):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(QUICK, algorithm="ppo", options=options)


def test_an_option_has_a_range_and_a_default_in_it():
    with pytest.raises(ValueError, match="default: expected a number in"):
        Option(2.0, 0.0, 1.0)
    with pytest.raises(ValueError, match=r"options: expected an Option for 'clip', got 0\.2"):
        Algorithm("return", "score_function", "bonus", {"clip": 0.2})


REGISTERS = (
    (register_advantage, ADVANTAGES),
    (register_surrogate, SURROGATES),
    (register_entropy, ENTROPIES),
    (register_entropy_baseline, ENTROPY_BASELINES),
    (register_update, UPDATES),
    (register_algorithm, ALGORITHMS),
)


@pytest.mark.parametrize(("register", "table"), REGISTERS, ids=lambda x: getattr(x, "__name__", ""))
def test_a_name_is_registered_once(register, table, tables):
    taken, entry = next(iter(table.items()))
    with pytest.raises(ValueError, match=f"name: expected a new name, got '{taken}'"):
        register(taken, entry)
    register("again", entry)
    assert table["again"] is entry


@pytest.mark.parametrize("choice", ["advantage", "surrogate", "entropy", "update"])
def test_a_row_is_of_names_that_there_are(choice):
    row = ALGORITHMS["reinforce"]
    with pytest.raises(ValueError, match=rf"{choice}: .*did you mean"):
        dataclasses.replace(row, **{choice: getattr(row, choice) + "s"})
