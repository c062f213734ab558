"""Random processes."""

from __future__ import annotations

import torch

from entropy_rl import _validate
from entropy_rl.tabular._mdp import FiniteMDP


def garnet(
    states: int,
    actions: int,
    branching: int,
    generator: torch.Generator,
    *,
    discount: float = 0.9,
) -> FiniteMDP:
    """A random process in the manner of the Garnets of Archibald et al. (1995).

    From each (s, a) the next state is one of ``branching`` distinct states drawn at random, with
    the lengths between sorted uniform cuts of [0, 1] as probabilities; rewards are standard
    normal; the start is uniform; no state is terminal.

    Args:
        states: S ≥ 1.
        actions: A ≥ 1.
        branching: b, 1 ≤ b ≤ S.
        generator: on the CPU.
        discount: γ in [0, 1).

    Returns:
        The process; the same generator state gives the same one.

    Raises:
        ValueError: a size below 1, more branches than states, a discount of 1, no generator.
    """
    for name, size in (("states", states), ("actions", actions), ("branching", branching)):
        _validate.positive_integer(name, size)
    if branching > states:
        raise _validate.fail("branching", f"at most {states}, the number of states", branching)
    if generator is None:
        raise _validate.fail("generator", "a torch.Generator", None)
    _validate.generator("generator", generator, torch.device("cpu"))
    order = torch.rand(states, actions, states, generator=generator, dtype=torch.float64).argsort(
        -1
    )
    cuts = (
        torch.rand(states, actions, branching - 1, generator=generator, dtype=torch.float64)
        .sort(-1)
        .values
    )
    edges = torch.nn.functional.pad(torch.nn.functional.pad(cuts, (1, 0)), (0, 1), value=1.0)
    transition = torch.zeros(states, actions, states, dtype=torch.float64)
    transition.scatter_(-1, order[..., :branching], edges.diff(dim=-1))
    reward = torch.randn(states, actions, generator=generator, dtype=torch.float64)
    start = torch.full((states,), 1.0 / states, dtype=torch.float64)
    return FiniteMDP(transition, reward, discount, start)
