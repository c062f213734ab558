"""Entropy and KL of a joint action; each estimator says what it is unbiased for."""

from entropy_rl.estimators._base import Estimate
from entropy_rl.estimators.baseline import entropy_to_go, sampled_entropy_to_go
from entropy_rl.estimators.kl import kl_divergence
from entropy_rl.estimators.pathwise import crude, crude_gradient, none, smoothed, unbiased_gradient
from entropy_rl.estimators.select import ESTIMATORS, estimate_entropy
from entropy_rl.estimators.tree import exact, smoothed_mode

__all__ = [
    "ESTIMATORS",
    "Estimate",
    "crude",
    "crude_gradient",
    "entropy_to_go",
    "estimate_entropy",
    "exact",
    "kl_divergence",
    "none",
    "sampled_entropy_to_go",
    "smoothed",
    "smoothed_mode",
    "unbiased_gradient",
]
