"""Torsos and critics: small networks that know nothing of policies; many of a kind as one."""

from entropy_rl.networks.mlp import mlp
from entropy_rl.networks.stacked import (
    StackedEmbedding,
    StackedLinear,
    by_replica,
    stack,
    unstack,
)

__all__ = ["StackedEmbedding", "StackedLinear", "by_replica", "mlp", "stack", "unstack"]
