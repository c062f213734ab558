"""Torsos and critics: small networks that know nothing of policies; many of a kind as one."""

from entropy_rl.networks.convolutional import ConvolutionalTorso, picture_shape
from entropy_rl.networks.mlp import mlp
from entropy_rl.networks.products import Linear, has_bfloat16, product, products_rounded_anew
from entropy_rl.networks.stacked import (
    StackedEmbedding,
    StackedLinear,
    by_replica,
    of_rows,
    stack,
    unstack,
)

__all__ = [
    "ConvolutionalTorso",
    "Linear",
    "StackedEmbedding",
    "StackedLinear",
    "by_replica",
    "has_bfloat16",
    "mlp",
    "of_rows",
    "picture_shape",
    "product",
    "products_rounded_anew",
    "stack",
    "unstack",
]
