"""Estimators by name, for configurations and the command line."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from entropy_rl import _validate
from entropy_rl.conditionals import Chain
from entropy_rl.estimators import pathwise, tree
from entropy_rl.estimators._base import Estimate
from entropy_rl.stepwise import Observation, StepPolicy

PATHWISE: dict[str, Callable[..., Estimate]] = {
    "none": pathwise.none,
    "crude": pathwise.crude,
    "crude_gradient": pathwise.crude_gradient,
    "smoothed": pathwise.smoothed,
    "unbiased_gradient": pathwise.unbiased_gradient,
}
WITH_BASELINE = ("crude_gradient", "unbiased_gradient")
ESTIMATORS: tuple[str, ...] = (*PATHWISE, "smoothed_mode", "exact")


def estimate_entropy(
    name: str,
    policy: StepPolicy,
    obs: Observation,
    chain: Chain,
    *,
    log_weights: Tensor | None = None,
    baseline: Tensor | None = None,
    beam: int = 1,
) -> Estimate:
    """The estimate called ``name``, at the states ``obs`` along the actions drawn there.

    Args:
        name: one of :data:`ESTIMATORS`.
        policy: the policy (read by ``smoothed_mode`` and ``exact`` only).
        obs: where the actions were drawn.
        chain: the chain of ``policy`` along them, with its graph.
        log_weights: ``(*batch, d)`` prefix ratios if an older policy drew the actions; None means
            that ``policy`` did. ``smoothed_mode`` and ``exact`` do not depend on who drew them.
        baseline: of ``unbiased_gradient`` (``(*batch, d)``) or ``crude_gradient`` (``(*batch,)``).
        beam: of ``smoothed_mode``.

    Returns:
        value and surrogate, ``(*batch,)``, in nats.

    Raises:
        ValueError: unknown name (the nearest one is suggested); a baseline for an estimator that
            takes none; ``exact`` or ``smoothed_mode`` of a policy without steps; a ``beam`` below
            1.
    """
    _validate.choice("name", name, ESTIMATORS)
    if baseline is not None and name not in WITH_BASELINE:
        raise _validate.fail("baseline", f"None for {name!r}", _validate.describe(baseline))
    if name == "exact":
        return tree.exact(policy, obs)
    if name == "smoothed_mode":
        return tree.smoothed_mode(policy, obs, beam)
    if name in WITH_BASELINE:
        return PATHWISE[name](chain, baseline=baseline, log_weights=log_weights)
    return PATHWISE[name](chain, log_weights=log_weights)
