"""Policies over many action components, one family a file."""

from entropy_rl.policies.commnet import CommNetPolicy
from entropy_rl.policies.convolutional import ConvolutionalPolicy
from entropy_rl.policies.gaussian import GaussianPolicy
from entropy_rl.policies.independent import IndependentPolicy
from entropy_rl.policies.lstm import LSTMPolicy
from entropy_rl.policies.make import (
    POLICIES,
    family_options,
    load_policy,
    make_policy,
    save_policy,
)
from entropy_rl.policies.mmdp import MMDPPolicy
from entropy_rl.policies.squashed import SquashedGaussianPolicy
from entropy_rl.policies.stacking import stack_policies, unstack_policies
from entropy_rl.policies.table import TablePolicy

__all__ = [
    "POLICIES",
    "CommNetPolicy",
    "ConvolutionalPolicy",
    "GaussianPolicy",
    "IndependentPolicy",
    "LSTMPolicy",
    "MMDPPolicy",
    "SquashedGaussianPolicy",
    "TablePolicy",
    "family_options",
    "load_policy",
    "make_policy",
    "save_policy",
    "stack_policies",
    "unstack_policies",
]
