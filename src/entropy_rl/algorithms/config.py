"""Every hyper-parameter of the on-policy loop, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from entropy_rl import _validate
from entropy_rl.algorithms.choices import ALGORITHMS, Algorithm
from entropy_rl.estimators import ESTIMATORS

OPTIMISERS = ("adam", "rmsprop")
REDUCTIONS = ("mean", "sum")
BASELINES = ("value", "running", "none")
BASELINE_LOSSES = ("mse", "l1", "huber")
PRECISIONS = ("float32", "bfloat16", "float64")


@dataclass(frozen=True)
class OnPolicyConfig:
    """What the loop of :func:`entropy_rl.algorithms.train` may be told.

    Args:
        algorithm: a row of :data:`entropy_rl.algorithms.ALGORITHMS`.
        episodes: episodes in all, ≥ 1.
        batch: episodes played at once between two looks at the environment, ≥ 1.
        minibatches: disjoint groups of episodes, one update each, in turn. After the first update
            the actions are stale: the score function and the entropy are then given their ratios.
        epochs: how often the same episodes are gone through. With one epoch of one minibatch the
            sampling graph is kept and no second forward pass is made.
        cap: steps after which a training episode is cut, ≥ 1.
        discount: γ in [0, 1].
        entropy: the estimator's name, one of :data:`entropy_rl.estimators.ESTIMATORS`.
        beta: β ≥ 0, the weight of the bonus, reward per nat.
        reduction: "mean" over the states of a minibatch, or "sum" over the steps of an episode (as
            zhang2018, equation 1) and mean over episodes.
        optimiser: "adam" or "rmsprop" (eps 1e-5, as zhang2018's authors).
        learning_rate: > 0.
        decay: whether the learning rate falls linearly to 0 over the training.
        clip_gradient: the bound on every entry of the gradient, or None.
        baseline: "value" (a learned network), "running" (mean of the last 100 episodes) or "none".
        baseline_loss: "mse", "l1" or "huber".
        baseline_hidden: width of the value network's hidden layer.
        baseline_learning_rate: of the value network, > 0.
        first_visit: whether the value network learns from the first visit to a state only.
        options: hyper-parameters of the algorithm's row that differ from its defaults.
        precision: of the policy's forward and backward pass; the masters are float32 in bfloat16.

    Raises:
        ValueError: a value out of range, or an unknown name.
    """

    algorithm: str = "reinforce"
    episodes: int = 20_000
    batch: int = 128
    minibatches: int = 4
    epochs: int = 1
    cap: int = 25
    discount: float = 0.8
    entropy: str = "smoothed"
    beta: float = 0.02
    reduction: str = "mean"
    optimiser: str = "adam"
    learning_rate: float = 3e-3
    decay: bool = True
    clip_gradient: float | None = None
    baseline: str = "value"
    baseline_loss: str = "mse"
    baseline_hidden: int = 64
    baseline_learning_rate: float = 3e-3
    first_visit: bool = False
    options: Mapping[str, float] = field(default_factory=dict)
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name in ("episodes", "batch", "minibatches", "epochs", "cap", "baseline_hidden"):
            _validate.positive_integer(name, getattr(self, name))
        if self.minibatches > self.batch:
            raise _validate.fail("minibatches", f"at most batch = {self.batch}", self.minibatches)
        _validate.between("discount", self.discount, 0.0, 1.0)
        _validate.at_least("beta", self.beta, 0.0)
        for name, options in (
            ("entropy", ESTIMATORS),
            ("reduction", REDUCTIONS),
            ("optimiser", OPTIMISERS),
            ("baseline", BASELINES),
            ("baseline_loss", BASELINE_LOSSES),
            ("precision", PRECISIONS),
        ):
            _validate.choice(name, getattr(self, name), options)
        for name in ("learning_rate", "baseline_learning_rate"):
            _validate.at_least(name, getattr(self, name), 0.0)
            if getattr(self, name) == 0:
                raise _validate.fail(name, "a number > 0", 0)
        if self.clip_gradient is not None:
            _validate.at_least("clip_gradient", self.clip_gradient, 0.0)
        row = ALGORITHMS[_validate.choice("algorithm", self.algorithm, ALGORITHMS)]
        for name in self.options:
            _validate.choice("options", name, row.options)

    @property
    def row(self) -> Algorithm:
        """The algorithm's row."""
        return ALGORITHMS[self.algorithm]

    @property
    def keeps_graph(self) -> bool:
        """Whether the one update of a batch can use the graph of its sampling."""
        return self.minibatches == 1 and self.epochs == 1
