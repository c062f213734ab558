"""Expectations over every joint action of a policy, so that a check draws no samples.

Of several instances a check reports the *largest* residual of the claim and, for a control, the
*mean* residual of the wrong variant (:func:`control`): any single one may be right by chance.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from entropy_rl.checks._base import Control
from entropy_rl.conditionals import Conditionals
from entropy_rl.stepwise import Observation, StepPolicy, select

TOLERANCE = 1e-10
LEAST = 1e-3  # seven orders of magnitude above the tolerance; in nats, or relative


def control(name: str, residuals: Sequence[float]) -> Control:
    """The control of that name, its residual the mean over the instances."""
    return Control(name, statistics.fmean(residuals), LEAST)


def support(policy: StepPolicy, obs: Tensor) -> Tensor:
    """Every joint action of positive probability in one state, in lexicographic order.

    Args:
        policy: a step policy.
        obs: the observation of a single state, with a batch axis of length 1.

    Returns:
        ``(N, d)``, int64, N ≤ Kᵈ.
    """
    with torch.no_grad():
        state = policy.start(obs)
        previous: Tensor | None = None
        paths = torch.empty(1, 0, dtype=torch.int64)
        for _ in range(policy.d):
            log_probs, _, state = policy.step(state, previous)
            parent, previous = (log_probs > -torch.inf).nonzero(as_tuple=True)
            state = select(state, parent)
            paths = torch.cat([paths[parent], previous.unsqueeze(-1)], -1)
    return paths


def every_action(policy: StepPolicy, obs: Tensor, actions: Tensor | None = None) -> Conditionals:
    """The chain teacher-forced on every joint action of one state, differentiable.

    ``chain.log_prob.exp()`` then holds p(a) for all a, and a weighted sum is an expectation.

    Args:
        policy: a step policy.
        obs: the observation of a single state, with a batch axis of length 1.
        actions: ``(N, d)`` to use instead of the policy's own support (that of a policy which drew
            the actions, say).
    """
    actions = support(policy, obs) if actions is None else actions
    observations: Observation = obs.expand(len(actions), *obs.shape[1:])
    return policy.conditionals(observations, actions)


def probabilities(chain: Conditionals) -> Tensor:
    """p(a) of every enumerated action, ``(N,)``, detached."""
    return chain.log_prob.detach().exp()


def leaf_entropy(chain: Conditionals) -> Tensor:
    """H = -Σₐ p(a) log p(a) over the enumerated joint actions: a scalar, differentiable."""
    return -(chain.log_prob.exp() * chain.log_prob).sum()


def leaf_kl(p: Conditionals, q: Conditionals) -> Tensor:
    """KL(p ‖ q) = Σₐ p(a) (log p(a) - log q(a)) over the joint actions that p was enumerated on."""
    return (p.log_prob.exp() * (p.log_prob - q.log_prob)).sum()


def flat_gradient(scalar: Tensor, policy: nn.Module) -> Tensor:
    """The gradient of ``scalar`` with respect to all parameters, flat; the graph is kept.

    Parameters that play no part count as 0, and so does a constant ``scalar``.
    """
    parameters = [p for p in policy.parameters() if p.requires_grad]
    if not scalar.requires_grad:
        return torch.cat([torch.zeros_like(p).flatten() for p in parameters])
    gradients = torch.autograd.grad(
        scalar, parameters, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return torch.cat([g.flatten() for g in gradients])


def mean_gradient(weights: Tensor, surrogate: Tensor, policy: nn.Module) -> Tensor:
    """E[∇surrogate(A)] = Σₐ w(a) ∇surrogate(a), the weights held constant; flat."""
    return flat_gradient((weights.detach() * surrogate).sum(), policy)


def jacobian(surrogate: Tensor, policy: nn.Module) -> Tensor:
    """∇surrogate(a) of every enumerated action, ``(N, number of parameters)``."""
    return torch.stack([flat_gradient(x, policy) for x in surrogate])


def total_variance(weights: Tensor, rows: Tensor) -> float:
    """Tr Cov = Σₐ w(a) |rows(a) - mean|² of ``(N, F)`` rows."""
    mean = weights @ rows
    return float((weights * (rows - mean).square().sum(-1)).sum())


def variance(weights: Tensor, values: Tensor) -> float:
    """Var = Σₐ w(a) (values(a) - mean)² of ``(N,)`` values."""
    return total_variance(weights, values.unsqueeze(-1))


def largest(*errors: float) -> float:
    """The largest of some errors, NaN if any of them is; the built-in max may drop a NaN."""
    return float(torch.tensor(errors, dtype=torch.float64).max())


def worst(found: Tensor, true: Tensor | float) -> float:
    """max |found - true|."""
    return float((found.detach() - torch.as_tensor(true, dtype=found.dtype).detach()).abs().max())


def relative_error(found: Tensor, true: Tensor) -> float:
    """|found - true| / |true|, Euclidean norms."""
    return float((found - true).norm() / true.norm())
