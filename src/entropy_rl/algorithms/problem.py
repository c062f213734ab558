"""What an update rule is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from entropy_rl.algorithms.context import Minibatch, Options


@dataclass(frozen=True)
class Problem:
    """What an update rule is given.

    Attributes:
        losses: the loss at the present parameters ``()`` with its graph, and the minibatch it is
            of: its ``chain`` and ``old_chain`` give a divergence. May be asked again, after the
            parameters were moved as a line search does; only the first one is sure to be finite.
        differentiate: puts the gradient of a scalar into ``.grad`` of the parameters, clipped as
            the configuration says.
        parameters: what is trained.
        optimiser: over them.
        options: the row's own hyper-parameters.
    """

    losses: Callable[[], tuple[Tensor, Minibatch]]
    differentiate: Callable[[Tensor], None]
    parameters: list[nn.Parameter]
    optimiser: torch.optim.Optimizer
    options: Options


# Moves the parameters; returns the minibatch as it was before.
UpdateRule = Callable[[Problem], Minibatch]
