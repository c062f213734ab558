"""The natural gradient, within a bound on the divergence (Schulman et al. 2015)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from entropy_rl import _validate
from entropy_rl.algorithms.context import Minibatch
from entropy_rl.algorithms.problem import Problem
from entropy_rl.estimators import kl_divergence

_SMALL = 1e-10
_ROUNDING = 1e-3


def trust_region_step(problem: Problem) -> Minibatch:
    """The step that lowers the loss most within a divergence from the policy that acted.

    With g the gradient of the loss and F = ∇² E[KL(π_old ‖ π)], damped::

        x = (F + damping · I)⁻¹ g,        θ ← θ - 2⁻ᵏ √(2 radius / xᵀ(F + damping · I)x) x

    with the least k ≤ ``backtracks`` for which the loss falls and KL ≤ ``radius``; without one, θ
    stays. x is found by ``conjugate_steps`` steps of conjugate gradients. The optimiser and its
    learning rate are not used.

    Raises:
        ValueError: a policy of which some parameter has no second derivative: "lstm", whose steps
            are one node, or any in another precision than its parameters'.
    """
    options, parameters = problem.options, problem.parameters
    loss, before = problem.losses()
    problem.differentiate(loss)
    gradient = torch.cat(
        [torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in parameters]
    )
    start = parameters_to_vector(parameters).detach().clone()
    fisher = _curvature(problem, gradient)
    direction = conjugate_gradients(fisher, gradient, int(options["conjugate_steps"]))
    length = (2 * options["radius"] / (direction @ fisher(direction)).clamp(min=_SMALL)).sqrt()
    for k in range(int(options["backtracks"]) + 1):
        with torch.no_grad():
            vector_to_parameters(start - 0.5**k * length * direction, parameters)
            value, minibatch = problem.losses()
            if value < loss and _divergence(minibatch) <= options["radius"]:
                return before
    with torch.no_grad():
        vector_to_parameters(start, parameters)
    return before


def conjugate_gradients(
    product: Callable[[Tensor], Tensor], target: Tensor, steps: int, tolerance: float = 1e-10
) -> Tensor:
    """x with A x ≈ b, for a symmetric A > 0 that is known by its products.

    Args:
        product: v ↦ A v, ``(n,)`` both.
        target: b, ``(n,)``.
        steps: at most so many.
        tolerance: of ‖A x - b‖² / ‖b‖², at which it stops.
    """
    x, residual = torch.zeros_like(target), target.clone()
    along, size = residual.clone(), residual @ residual
    enough = tolerance * size
    for _ in range(steps):
        if size <= enough:
            break
        image = product(along)
        step = size / (along @ image)
        x, residual = x + step * along, residual - step * image
        size, last = residual @ residual, size
        along = residual + size / last * along
    return x


def _curvature(problem: Problem, gradient: Tensor) -> Callable[[Tensor], Tensor]:
    """v ↦ (F + damping · I) v at the present parameters."""
    parameters, damping = problem.parameters, problem.options["damping"]

    def slope(scalar: Tensor, create_graph: bool) -> Tensor:
        found = torch.autograd.grad(
            scalar, parameters, retain_graph=True, create_graph=create_graph, allow_unused=True
        )
        pairs = zip(found, parameters, strict=True)
        return torch.cat([(torch.zeros_like(p) if x is None else x).flatten() for x, p in pairs])

    _, minibatch = problem.losses()
    first = slope(_divergence(minibatch), create_graph=True)
    if not (first.requires_grad and _symmetric(lambda v: slope(first @ v, False), gradient)):
        expected = "one that can be derived twice, in the precision of its parameters"
        raise _validate.fail("policy", expected, "one that cannot, such as 'lstm'")
    return lambda v: slope(first @ v, False) + damping * v


def _symmetric(product: Callable[[Tensor], Tensor], vector: Tensor) -> bool:
    """Whether vᵀA1 = 1ᵀAv, and A v is not 0 but for v = 0.

    A graph that ends where it cannot be derived again gives no slope there, and says nothing; but
    what it leaves of a matrix of second derivatives is 0, or not symmetric.
    """
    ones = torch.ones_like(vector)
    image, other = product(vector), product(ones)
    gap = (ones @ image - vector @ other).abs()
    size = image.abs().sum() + vector.abs() @ other.abs()
    return bool((vector == 0).all()) or (bool(size > 0) and bool(gap <= _ROUNDING * size))


def _divergence(minibatch: Minibatch) -> Tensor:
    """The mean of KL(π_old ‖ π) along the actions of π_old."""
    return kl_divergence(minibatch.old_chain, minibatch.chain).surrogate.mean()
