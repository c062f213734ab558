"""An actor that is always some batches behind: what a slow machine does, without the machine."""

from __future__ import annotations

import copy
from collections import deque
from typing import Any

from torch import nn

from entropy_rl.algorithms.snapshot import copied

Version = tuple[int, dict[str, Any]]


class LaggedActor:
    """A copy of a policy as it was ``lag`` batches ago, or at first as it began.

    Args:
        policy: whose copy it is.
        lag: ≥ 1.

    Attributes:
        policy: what acts.
    """

    def __init__(self, policy: nn.Module, lag: int) -> None:
        self.policy: Any = copy.deepcopy(policy).requires_grad_(False)
        # Nothing changes a version that is kept, so that snapshots may share it.
        self.versions: deque[Version] = deque(maxlen=lag + 1)

    def follow(self, policy: nn.Module, updates: int) -> int:
        """Keep the present version, and act as the oldest that is kept; its number of updates."""
        self.versions.append((updates, copied(policy.state_dict())))
        version, parameters = self.versions[0]
        self.policy.load_state_dict(parameters)
        return version

    def state(self) -> list[Version]:
        """The versions that are kept."""
        return list(self.versions)

    def load(self, versions: list[Version]) -> None:
        """What :meth:`state` returned."""
        self.versions.clear()
        self.versions.extend((updates, parameters) for updates, parameters in versions)
