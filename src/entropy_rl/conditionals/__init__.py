"""A joint action as a chain of conditionals, along one sampled path.

A policy over d action components factors, in whatever order its components are drawn, as

    p(a) = Πᵢ p(aᵢ | a_<i),        a = (a₁, …, a_d).

Everything that the estimators of :mod:`entropy_rl.estimators` need is known along the path that was
drawn: log p(aᵢ | a_<i) and H⁽ⁱ⁾(a_<i) for every i. :class:`Chain` is the face of what holds that;
:class:`Conditionals` has it for categorical components and :class:`GaussianConditionals` for
Gaussian ones, :class:`SquashedGaussianConditionals` for those behind a tanh. Nothing here knows
which network made the numbers.
"""

from entropy_rl.conditionals._categorical import Conditionals, categorical_entropy, check_log_probs
from entropy_rl.conditionals._chain import (
    Chain,
    ChainBase,
    check_chain,
    concatenate,
    prefix_log_weights,
    select_rows,
    without_features,
)
from entropy_rl.conditionals._clipped import ClippedGaussianConditionals, clipped_entropy
from entropy_rl.conditionals._gaussian import GaussianConditionals
from entropy_rl.conditionals._squashed import SquashedGaussianConditionals

__all__ = [
    "Chain",
    "ChainBase",
    "ClippedGaussianConditionals",
    "Conditionals",
    "GaussianConditionals",
    "SquashedGaussianConditionals",
    "categorical_entropy",
    "check_chain",
    "check_log_probs",
    "clipped_entropy",
    "concatenate",
    "prefix_log_weights",
    "select_rows",
    "without_features",
]
