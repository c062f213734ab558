"""Estimators that need the policy itself: the exact entropy and the smoothed mode."""

from __future__ import annotations

from entropy_rl.estimators._base import Estimate, estimate
from entropy_rl.stepwise import Observation, StepPolicy, beam_search, tree_entropy


def exact(policy: StepPolicy, obs: Observation) -> Estimate:
    """The exact joint entropy and its exact gradient, by the tree of prefixes.

    H = Σᵢ Σ_{a_<i} p(a_<i) H⁽ⁱ⁾(a_<i), over (Kᵈ - 1)/(K - 1) prefixes at most.

    Args:
        policy: a step policy.
        obs: its observation, ``(*batch, …)``.

    Returns:
        value and surrogate, ``(*batch,)``, in nats.

    Raises:
        ValueError: a policy without steps (a Gaussian one, say).

    Source: zhang2018, equation (2).
    """
    value = tree_entropy(policy, obs)
    return estimate(value, value)


def smoothed_mode(policy: StepPolicy, obs: Observation, beam: int = 1) -> Estimate:
    """The smoothed estimate at a likely action instead of a sampled one, Ĥ = Σᵢ H⁽ⁱ⁾(â_<i).

    No variance and no second sample, but a biased value and a biased gradient.

    Args:
        policy: a step policy.
        obs: its observation, ``(*batch, …)``.
        beam: candidates of the search for â; 1 is greedy. The greedy path is always among them.

    Returns:
        value and surrogate, ``(*batch,)``, in nats.

    Raises:
        ValueError: ``beam`` is no positive integer, or a policy without steps.

    Source: zhang2018, §4.3.
    """
    chain = policy.conditionals(obs, beam_search(policy, obs, beam))
    value = chain.entropies.sum(-1)
    return estimate(value, value)
