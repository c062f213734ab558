"""Reading Gymnasium spaces: how many components, how many values, which observation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from entropy_rl import _validate


def component_sizes(space: spaces.Space[Any]) -> list[int]:
    """The number of values of each action component of a Discrete or MultiDiscrete space."""
    if isinstance(space, spaces.Discrete):
        sizes = [int(space.n)]
        starts = [int(space.start)]
    elif isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1:
        sizes = [int(n) for n in space.nvec]
        starts = [int(s) for s in space.start]
    else:
        raise _validate.fail("action_space", "Discrete, or MultiDiscrete of one axis", space)
    if not sizes:
        raise _validate.fail("action_space", "at least one component", space)
    if any(starts):
        raise _validate.fail("action_space", "components that start at 0", space)
    return sizes


def action_dimensions(space: spaces.Space[Any]) -> int:
    """The number of components of a Box of one axis."""
    if not isinstance(space, spaces.Box) or len(space.shape) != 1 or space.shape[0] == 0:
        raise _validate.fail("action_space", "a Box of one axis, not empty", space)
    return int(space.shape[0])


def observation_part(space: spaces.Space[Any]) -> tuple[spaces.Space[Any], bool]:
    """The observation's own space, and whether an action mask comes with it."""
    if isinstance(space, spaces.Dict):
        if set(space.keys()) != {"observation", "action_mask"}:
            raise _validate.fail(
                "observation_space",
                "a Dict of exactly 'observation' and 'action_mask'",
                sorted(space.keys()),
            )
        return space["observation"], True
    return space, False


def observation_size(space: spaces.Space[Any]) -> int:
    """The length of a flat observation: a Box of one axis."""
    part, _ = observation_part(space)
    if not isinstance(part, spaces.Box) or len(part.shape) != 1 or part.shape[0] == 0:
        raise _validate.fail("observation_space", "a Box of one axis, not empty", part)
    return int(part.shape[0])


def unmasked_size(space: spaces.Space[Any]) -> int:
    """That of a space without an action mask, which real actions cannot have."""
    _, masked = observation_part(space)
    if masked:
        raise _validate.fail("observation_space", "a Box, without an action mask", space)
    return observation_size(space)


def flat_rows(obs: Tensor, space: spaces.Space[Any]) -> Tensor:
    """``obs`` itself, if it is ``(*batch, size)`` for a Box of one axis."""
    x = _validate.tensor("obs", obs)
    size = observation_size(space)
    if x.ndim < 1 or x.shape[-1] != size:
        raise _validate.fail("obs", f"shape (*batch, {size})", _validate.describe(x))
    return x


def legal_components(sizes: list[int]) -> Tensor | None:
    """``(d, K)`` with K the largest size; False marks padding. None where all sizes are equal.

    zhang2018 (§3) pads with "inconsequential actions", which inflate the entropy; here the padding
    is masked, so its probability is 0.
    """
    if len(set(sizes)) == 1:
        return None
    return torch.arange(max(sizes)) < torch.tensor(sizes).unsqueeze(1)


def to_json(space: spaces.Space[Any]) -> dict[str, Any]:
    """A space as plain data, for saving."""
    if isinstance(space, spaces.Dict):
        return {"kind": "Dict", "spaces": {k: to_json(v) for k, v in space.items()}}
    if isinstance(space, spaces.Discrete):
        start = {"start": int(space.start)} if space.start else {}
        return {"kind": "Discrete", "n": int(space.n), **start}
    if isinstance(space, spaces.MultiDiscrete):
        return {"kind": "MultiDiscrete", "nvec": space.nvec.tolist()}
    if isinstance(space, spaces.MultiBinary):
        return {"kind": "MultiBinary", "n": list(space.shape)}
    if isinstance(space, spaces.Box):
        return {
            "kind": "Box",
            "low": space.low.tolist(),
            "high": space.high.tolist(),
            "dtype": str(space.dtype),
        }
    raise _validate.fail("space", "Dict, Discrete, MultiDiscrete, MultiBinary or Box", space)


def from_json(data: dict[str, Any]) -> spaces.Space[Any]:
    """The space that :func:`to_json` wrote."""
    kind = _validate.choice(
        "kind", data.get("kind"), ["Dict", "Discrete", "MultiDiscrete", "MultiBinary", "Box"]
    )
    if kind == "Dict":
        return spaces.Dict({k: from_json(v) for k, v in data["spaces"].items()})
    if kind == "Discrete":
        return spaces.Discrete(data["n"], start=data.get("start", 0))
    if kind == "MultiDiscrete":
        return spaces.MultiDiscrete(data["nvec"])
    if kind == "MultiBinary":
        return spaces.MultiBinary(data["n"])
    dtype = np.dtype(data["dtype"]).type
    return spaces.Box(np.array(data["low"], dtype), np.array(data["high"], dtype), dtype=dtype)
