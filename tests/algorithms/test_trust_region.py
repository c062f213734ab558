"""The natural gradient against the Fisher matrix written out, and the bound that it keeps."""

import dataclasses

import pytest
import torch
from corridor import BANDIT, QUICK, policy_for
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd.function import once_differentiable
from torch.nn.utils import parameters_to_vector

from entropy_rl.algorithms import UPDATES, Trainer
from entropy_rl.algorithms.trust_region import conjugate_gradients
from entropy_rl.estimators import kl_divergence
from enumeration import randomise

TRPO = dataclasses.replace(
    QUICK, algorithm="trpo", baseline="value", beta=0.02, precision="float64"
)


def trainer_of(**changes):
    policy = randomise(policy_for(BANDIT, family="mmdp", hidden_size=4, layers=1), 0, 1.0)
    return Trainer(BANDIT, policy, dataclasses.replace(TRPO, **changes), 0)


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_conjugate_gradients_solve(n, seed):
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(n, n, generator=generator, dtype=torch.float64)
    matrix = root @ root.T + torch.eye(n, dtype=torch.float64)
    target = torch.randn(n, generator=generator, dtype=torch.float64)
    found = conjugate_gradients(lambda v: matrix @ v, target, 4 * n, tolerance=1e-24)
    assert torch.allclose(found, torch.linalg.solve(matrix, target), rtol=1e-8, atol=1e-10)
    nothing = torch.zeros_like(target)
    assert (conjugate_gradients(lambda v: matrix @ v, nothing, 3) == 0).all()


def seen_by(monkeypatch, trainer):
    """Gradient, Fisher matrix and parameters as an update begins, and the parameters after it."""
    rule, seen = UPDATES["trust_region"], []

    def watched(problem):
        flat = parameters_to_vector(problem.parameters).detach().clone()
        loss, _ = problem.losses()
        problem.differentiate(loss)
        gradient = torch.cat([p.grad.flatten() for p in problem.parameters])
        _, minibatch = problem.losses()
        mean = kl_divergence(minibatch.old_chain, minibatch.chain).surrogate.mean()
        first = torch.autograd.grad(mean, problem.parameters, create_graph=True)
        first = torch.cat([f.flatten() for f in first])
        rows = [
            torch.cat(
                [
                    x.flatten()
                    for x in torch.autograd.grad(
                        one, problem.parameters, retain_graph=True, materialize_grads=True
                    )
                ]
            )
            for one in first
        ]
        minibatch = rule(problem)
        after = parameters_to_vector(problem.parameters).detach().clone()
        seen.append((gradient, torch.stack(rows), flat, after))
        return minibatch

    monkeypatch.setitem(UPDATES, "trust_region", watched)
    trainer.step()
    return seen[0]


def test_the_step_is_the_natural_gradient(monkeypatch):
    """Along the solution of the linear system, as long as the quadratic model of KL allows."""
    options = {"conjugate_steps": 200, "damping": 1e-3, "radius": 1e-6}
    gradient, fisher, before, after = seen_by(monkeypatch, trainer_of(options=options))
    matrix = fisher + 1e-3 * torch.eye(len(fisher), dtype=torch.float64)
    x = torch.linalg.solve(matrix, gradient)
    expected = -((2e-6 / (x @ matrix @ x)) ** 0.5) * x
    assert (after - before - expected).norm() < 1e-3 * expected.norm()
    plain = -gradient * (expected.norm() / gradient.norm())
    assert (plain - expected).norm() > 0.1 * expected.norm(), "control: not the plain gradient"


@pytest.mark.parametrize("algorithm", ["trpo", "strpo"])
def test_it_keeps_within_its_bound_and_learns(algorithm):
    """False alarms: of 12 other seeds one ended at 4.0, a second equilibrium, the others at 5."""
    trainer = trainer_of(algorithm=algorithm, episodes=64 * 60)
    moved = []
    while not trainer.finished:
        before = trainer.play(512).chain
        trainer.step()
        with torch.no_grad():
            after = trainer.policy.conditionals(torch.ones(512, 1).double(), before.actions)
            moved.append(kl_divergence(before, after).value.mean().item())
    assert max(moved) < 0.03  # the radius, but for the sample that it was measured on
    assert sum(moved) / len(moved) > 0.001
    assert sum(trainer.curves["reward"][-10:]) / 10 > 3.9


def test_where_no_step_helps_the_parameters_stay(monkeypatch):
    trainer = trainer_of(options={"backtracks": 0, "radius": 1e-12, "damping": 0.0})
    monkeypatch.setattr(
        "entropy_rl.algorithms.trust_region._divergence",
        lambda minibatch: kl_divergence(minibatch.old_chain, minibatch.chain).surrogate.mean() + 1,
    )
    before = parameters_to_vector(trainer.policy.parameters()).detach().clone()
    trainer.step()
    assert torch.equal(parameters_to_vector(trainer.policy.parameters()), before)


class Half(torch.autograd.Function):
    """A node that can be derived once only, under a head that can be derived twice."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, slope):
        return slope.clone()


@pytest.mark.parametrize("kind", ["lstm", "bfloat16", "a part of it"])
def test_a_policy_without_a_second_derivative_is_refused(kind):
    family = {} if kind == "lstm" else {"family": "mmdp", "layers": 1}
    policy = policy_for(BANDIT, **family)
    precision = "bfloat16" if kind == "bfloat16" else "float32"
    if kind == "a part of it":
        policy.rest.append(torch.nn.Identity())
        policy.rest[-1].forward = Half.apply
    config = dataclasses.replace(TRPO, precision=precision)
    with pytest.raises(ValueError, match="policy: expected one that can be derived twice"):
        Trainer(BANDIT, policy, config, 0).step()


@pytest.mark.parametrize("option", ["clip_gradient", "clip_norm"])
def test_a_clip_that_would_turn_the_step_is_refused(option):
    with pytest.raises(ValueError, match=f"{option}: expected None for 'trpo'"):
        dataclasses.replace(TRPO, **{option: 1.0})
