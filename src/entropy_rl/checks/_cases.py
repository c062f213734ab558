"""What every check of a gradient starts from: an enumerated chain and the true gradient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from entropy_rl.checks._enumerate import (
    every_action,
    flat_gradient,
    leaf_entropy,
    mean_gradient,
    probabilities,
    relative_error,
)
from entropy_rl.checks._instances import Instance
from entropy_rl.conditionals import Conditionals, prefix_log_weights


@dataclass(frozen=True)
class GradientCase:
    """A policy on all its joint actions, and ∇H by autograd of the leaves.

    Attributes:
        policy: the policy.
        chain: teacher-forced on every joint action.
        p: ``(N,)``: how often the policy draws each.
        stale: ``(N,)``: how often an older policy of the same family draws each.
        log_weights: ``(N, d)``: the prefix ratios of the policy over the older one.
        entropy: H, detached.
        true: ∇H, flat.
    """

    policy: Any
    chain: Conditionals
    p: Tensor
    stale: Tensor
    log_weights: Tensor
    entropy: Tensor
    true: Tensor

    def mean(self, surrogate: Tensor, weights: Tensor | None = None) -> Tensor:
        """The surrogate's mean gradient over the policy's actions (or with other weights)."""
        return mean_gradient(self.p if weights is None else weights, surrogate, self.policy)

    def error(self, surrogate: Tensor, weights: Tensor | None = None) -> float:
        """How far that mean is from ∇H, relatively."""
        return relative_error(self.mean(surrogate, weights), self.true)


def gradient_cases(instances: Iterable[Instance]) -> Iterator[GradientCase]:
    """The case of each instance."""
    for x in instances:
        chain = every_action(x.policy, x.obs)
        old = every_action(x.other, x.obs, chain.actions)
        entropy = leaf_entropy(chain)
        yield GradientCase(
            policy=x.policy,
            chain=chain,
            p=probabilities(chain),
            stale=probabilities(old),
            log_weights=prefix_log_weights(chain, old.component_log_probs),
            entropy=entropy.detach(),
            true=flat_gradient(entropy, x.policy),
        )


def sums_after(x: Tensor) -> Tensor:
    """Σ_{i>j} xᵢ for every j, summed one j after the other: not the estimators' own helper."""
    return torch.stack([x[..., j + 1 :].sum(-1) for j in range(x.shape[-1])], -1)
