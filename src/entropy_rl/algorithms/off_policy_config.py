"""Every hyper-parameter of the off-policy loop, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from entropy_rl import _validate
from entropy_rl.algorithms.choices import check_options, completed
from entropy_rl.algorithms.off_policy_choices import (
    OFF_POLICY_ALGORITHMS,
    TEMPERATURES,
    OffPolicyAlgorithm,
)
from entropy_rl.algorithms.optimisers import OPTIMISERS


@dataclass(frozen=True)
class OffPolicyConfig:
    """What the off-policy loop of :func:`entropy_rl.algorithms.train` may be told.

    Episodes go on from batch to batch: as with ``continuing`` of
    :class:`~entropy_rl.algorithms.OnPolicyConfig`, every "episode" of this configuration and of the
    curves is a stretch of ``cap`` steps.

    Args:
        algorithm: a row of :data:`entropy_rl.algorithms.OFF_POLICY_ALGORITHMS`.
        episodes: stretches in all, a multiple of ``batch``.
        batch: stretches played at once between two looks at the environment, ≥ 1.
        cap: steps of a stretch, ≥ 1.
        discount: γ in [0, 1].
        temperature: α > 0, reward per nat; of "dual" the first one.
        target_entropy: H̄, nats, of actions in their own units. None: for a squashed Gaussian what
            Haarnoja et al. (2018b) advise, -d for actions in [-1, 1], which is -d + Σᵢ log sᵢ for
            the half-ranges sᵢ. Only where the row moves the temperature.
        updates_per_step: > 0, of an environment step; a whole number of updates a batch.
        learning_starts: transitions before the first update, at least one and at most those of the
            training. Until then the first policy acts.
        capacity: transitions that are remembered, ≥ 1.
        minibatch: transitions an update, drawn with replacement, ≥ 1.
        optimiser: of all three, "adam", "rmsprop" or "sgd".
        learning_rate: of the policy, > 0.
        critic_learning_rate: > 0.
        temperature_learning_rate: of log α, > 0.
        critic_hidden: width of a critic.
        critic_layers: number of its hidden layers, ≥ 1.
        polyak: τ in (0, 1], how far the critics' targets follow in an update.
        options: hyper-parameters of the algorithm's row that differ from its defaults.

    Raises:
        ValueError: a value out of range, an unknown name, or a target entropy that nothing reads.
    """

    algorithm: str = "sac1"
    episodes: int = 400
    batch: int = 4
    cap: int = 25
    discount: float = 0.99
    temperature: float = 1.0
    target_entropy: float | None = None
    updates_per_step: float = 1.0
    learning_starts: int = 1_000
    capacity: int = 1_000_000
    minibatch: int = 256
    optimiser: str = "adam"
    learning_rate: float = 3e-4
    critic_learning_rate: float = 3e-4
    temperature_learning_rate: float = 3e-4
    critic_hidden: int = 256
    critic_layers: int = 2
    polyak: float = 0.005
    options: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _validate.choice("algorithm", self.algorithm, OFF_POLICY_ALGORITHMS)
        _validate.choice("optimiser", self.optimiser, OPTIMISERS)
        for name in (
            "episodes", "batch", "cap", "learning_starts", "capacity", "minibatch",
            "critic_hidden", "critic_layers",
        ):  # fmt: skip
            _validate.positive_integer(name, getattr(self, name))
        if self.episodes % self.batch:
            expected = f"a multiple of batch = {self.batch}, as episodes go on"
            raise _validate.fail("episodes", expected, self.episodes)
        steps = self.episodes * self.cap
        if self.learning_starts > steps:
            expected = f"at most episodes × cap = {steps}"
            raise _validate.fail("learning_starts", expected, self.learning_starts)
        _validate.between("discount", self.discount, 0.0, 1.0)
        _validate.between("polyak", self.polyak, 0.0, 1.0)
        for name in (
            "temperature", "polyak", "updates_per_step", "learning_rate", "critic_learning_rate",
            "temperature_learning_rate",
        ):  # fmt: skip
            _validate.above(name, getattr(self, name), 0.0)
        steps = self.batch * self.cap
        updates = self.updates_per_step * steps
        if abs(updates - max(1, round(updates))) > 1e-9 * steps:
            expected = f"a multiple of 1/{steps}: a batch has batch · cap = {steps} steps"
            raise _validate.fail("updates_per_step", expected, self.updates_per_step)
        if self.target_entropy is not None:
            _validate.number("target_entropy", self.target_entropy)
            if TEMPERATURES[self.row.temperature] is None:  # nothing reads it
                expected = f"None for {self.algorithm!r}, whose temperature is fixed"
                raise _validate.fail("target_entropy", expected, self.target_entropy)
        check_options(self.algorithm, self.row.options, self.options)

    @property
    def row(self) -> OffPolicyAlgorithm:
        """The algorithm's row."""
        return OFF_POLICY_ALGORITHMS[self.algorithm]

    @property
    def row_options(self) -> dict[str, float]:
        """The hyper-parameters of the row, with their defaults."""
        return completed(self.row.options, self.options)

    @property
    def updates_per_batch(self) -> int:
        """Updates after each batch that is learnt from."""
        return round(self.updates_per_step * self.batch * self.cap)
