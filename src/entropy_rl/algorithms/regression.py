"""Networks that learn a mean beside the policy: what they read, how they descend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gymnasium import spaces
from torch import Tensor, nn
from torch.nn.functional import one_hot

from entropy_rl import _validate
from entropy_rl.algorithms.optimisers import clear_gradients, make_optimiser
from entropy_rl.algorithms.rollout import flat_observation
from entropy_rl.algorithms.snapshot import copied
from entropy_rl.stepwise import Observation


def encoder(space: spaces.Space[Any], reader: str) -> tuple[int, Callable[[Observation], Tensor]]:
    """How a network reads observations: the length of a row, and the rows ``(N, length)``, float32.

    A Box is flattened, a Discrete becomes one-hot; a Dict is read without its mask.

    Args:
        space: of one observation.
        reader: what the network is for, in the words of the configuration.

    Raises:
        ValueError: a space of another kind.
    """
    part = space.spaces.get("observation") if isinstance(space, spaces.Dict) else space
    if isinstance(part, spaces.Box):
        return int(part.low.size), lambda obs: flat_observation(obs).flatten(1).float()
    if isinstance(part, spaces.Discrete):
        size, start = int(part.n), int(part.start)
        return size, lambda obs: one_hot(flat_observation(obs) - start, size).float()
    raise _validate.fail("observation_space", f"Box or Discrete, for {reader}", space)


class Regression:
    """A network and what fits it.

    Args:
        network: on its device.
        optimiser: as in :func:`~entropy_rl.algorithms.optimisers.make_optimiser`.
        learning_rate: > 0.
    """

    def __init__(self, network: nn.Module, optimiser: str, learning_rate: float) -> None:
        self.network = network
        self.parameters = list(network.parameters())
        self.optimiser = make_optimiser(optimiser, self.parameters, learning_rate)

    def descend(self, loss: Tensor) -> Tensor:
        """One step down the gradient of ``loss``; the loss before it, detached."""
        clear_gradients(self.parameters)
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        """Network and optimiser, copied."""
        network, optimiser = self.network.state_dict(), self.optimiser.state_dict()
        return copied({"network": network, "optimiser": optimiser})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` returned."""
        self.network.load_state_dict(state["network"])
        # An optimiser keeps the tensors that it is given, and changes them in place.
        self.optimiser.load_state_dict(copied(state["optimiser"]))
