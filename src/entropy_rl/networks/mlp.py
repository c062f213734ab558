"""Multi-layer perceptrons."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from entropy_rl import _validate
from entropy_rl.networks.products import Linear


def mlp(
    sizes: list[int], activation: type[nn.Module] = nn.ReLU, activate_last: bool = False
) -> nn.Sequential:
    """A fully connected network, ``Linear`` layers with an activation between them.

    Args:
        sizes: widths, input first, at least two.
        activation: the class of the activation.
        activate_last: also after the last layer.

    Raises:
        ValueError: fewer than two sizes, or one that is no positive integer.
    """
    if len(sizes) < 2:
        raise _validate.fail("sizes", "at least two widths", sizes)
    for size in sizes:
        _validate.positive_integer("sizes", size)
    layers: list[nn.Module] = []
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        layers.append(Linear(fan_in, fan_out))
        if activate_last or i < len(sizes) - 2:
            layers.append(activation())
    return nn.Sequential(*layers)
