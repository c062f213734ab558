"""Policies of one family as one: replicas that are trained together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from entropy_rl import _validate
from entropy_rl.networks import stack, unstack


def stack_policies(policies: Sequence[Any]) -> Any:
    """One policy of R replicas: of N rows the first N/R are the first one's, the next the second's.

    It samples, with :class:`~entropy_rl.streams.Streams`, and is differentiated like any other; its
    parameters have an axis of R in front, and an optimiser that works entry by entry moves each
    replica as it would be moved alone. A search over prefixes (beam, exact entropy) is not for it.

    Args:
        policies: R ≥ 1 of one family, for the same spaces, with the same options; copied.

    Raises:
        ValueError: none, a family that cannot be stacked, or policies that differ.
    """
    first = policies[0] if policies else None
    if not getattr(first, "stackable", False):
        raise _validate.fail("policies", "those of a family that can be stacked", type(first))
    for policy in policies:
        for name in ("config", "observation_space", "action_space"):
            if getattr(policy, name) != getattr(first, name):
                raise _validate.fail("policies", "policies that were made alike", name)
    made = stack(policies)
    made.replicas = len(policies)
    return made


def unstack_policies(policy: Any) -> list[Any]:
    """The replicas of a policy that :func:`stack_policies` made, as they are now, copied."""
    parts = unstack(policy)
    for part in parts:
        part.replicas = 1
    return parts
