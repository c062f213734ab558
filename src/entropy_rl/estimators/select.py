"""Estimators by name, for configurations and the command line."""

from __future__ import annotations

from collections.abc import Callable

from entropy_rl import _validate
from entropy_rl.conditionals import Chain
from entropy_rl.estimators import pathwise, tree
from entropy_rl.estimators._base import Estimate
from entropy_rl.stepwise import Observation, StepPolicy

PATHWISE: dict[str, Callable[[Chain], Estimate]] = {
    "none": pathwise.none,
    "crude": pathwise.crude,
    "crude_gradient": pathwise.crude_gradient,
    "smoothed": pathwise.smoothed,
    "unbiased_gradient": pathwise.unbiased_gradient,
}
FROM_POLICY: dict[str, Callable[[StepPolicy, Observation], Estimate]] = {
    "smoothed_mode": tree.smoothed_mode,
    "exact": tree.exact,
}
ESTIMATORS: tuple[str, ...] = (*PATHWISE, *FROM_POLICY)


def estimate_entropy(name: str, policy: StepPolicy, obs: Observation, chain: Chain) -> Estimate:
    """The estimate called ``name``, at the states ``obs`` along the actions just drawn there.

    Args:
        name: one of :data:`ESTIMATORS`.
        policy: the policy that drew ``chain`` (read by ``smoothed_mode`` and ``exact`` only).
        obs: where it drew them.
        chain: the sampled path, with its graph.

    Returns:
        value and surrogate, ``(*batch,)``, in nats.

    Raises:
        ValueError: unknown name (the nearest one is suggested).
    """
    _validate.choice("name", name, ESTIMATORS)
    if name in PATHWISE:
        return PATHWISE[name](chain)
    return FROM_POLICY[name](policy, obs)
