"""Losses, pure functions in the shape of the equations; to be *descended*.

Each loss returns the mean over all elements of its arguments, a scalar (``baseline_loss`` on
demand one an element); ``soft_q_target`` is a target, ``(*batch,)``. To leave elements out (a
finished episode), index before calling: a zero weight would still count in the mean. What an
equation holds constant (an advantage, a target, the old policy) must come detached, else
``ValueError``: a forgotten ``no_grad`` is a wrong gradient, not a slow one.
"""

from entropy_rl.losses._entropy import entropy_loss, temperature_loss
from entropy_rl.losses._policy import clipped_surrogate_loss, policy_gradient_loss
from entropy_rl.losses._soft import reparametrised_policy_loss, soft_q_target
from entropy_rl.losses._value import BaselineLoss, baseline_loss

__all__ = [
    "BaselineLoss",
    "baseline_loss",
    "clipped_surrogate_loss",
    "entropy_loss",
    "policy_gradient_loss",
    "reparametrised_policy_loss",
    "soft_q_target",
    "temperature_loss",
]
