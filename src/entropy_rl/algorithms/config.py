"""Every hyper-parameter of the on-policy loop, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from entropy_rl import _validate
from entropy_rl.algorithms.choices import (
    ALGORITHMS,
    ENTROPIES,
    ENTROPY_BASELINES,
    Algorithm,
    check_options,
    completed,
)
from entropy_rl.algorithms.entropy import no_term
from entropy_rl.algorithms.optimisers import OPTIMISERS
from entropy_rl.estimators import ESTIMATORS
from entropy_rl.losses import BaselineLoss

REDUCTIONS = ("mean", "sum")
BASELINES = ("value", "shared", "running", "none")
BASELINE_LOSSES = get_args(BaselineLoss)
GROUPINGS = ("episodes", "rows")
PRECISIONS = ("float32", "bfloat16", "float64")


@dataclass(frozen=True)
class OnPolicyConfig:
    """What the loop of :func:`entropy_rl.algorithms.train` may be told.

    Args:
        algorithm: a row of :data:`entropy_rl.algorithms.ALGORITHMS`.
        episodes: episodes in all, ≥ 1.
        batch: episodes played at once between two looks at the environment, ≥ 1.
        minibatches: disjoint parts of the batch, one update each, in turn. After the first update
            the actions are stale: the score function and the entropy are then given their ratios.
        grouping: of what the parts are: "episodes", whole ones, the same in every epoch; or "rows",
            single steps in an order that is drawn anew in every epoch.
        epochs: how often the same episodes are gone through. With one epoch of one minibatch of
            several episodes the sampling graph is kept and no second forward pass is made.
        cap: steps after which a training episode is cut, ≥ 1.
        continuing: whether an episode that the cap cuts goes on in the next batch, and one that
            ends is followed by a fresh one at once: a batch is then of stretches of ``cap`` steps,
            and every "episode" of this configuration and of the curves is a stretch.
        lag: ≥ 0: a batch is played by the policy of so many batches ago, as by a slow actor. The
            first ``lag`` batches are played by the first policy.
        stagger: ≥ 0, of episodes that go on: before the training the i-th of a batch of B is played
            for i · stagger / B steps, neither learnt from nor counted. At 0 all begin at once, and
            episodes of one length stay in step: a short stretch sees the same part of each.
        discount: γ in [0, 1].
        entropy: the estimator's name, one of :data:`entropy_rl.estimators.ESTIMATORS`.
            The row's use of the entropy says which of them it takes.
        beta: β ≥ 0, the weight of the entropy, reward per nat.
        beta_decay: whether β falls linearly to 0 over the training, as the learning rate does.
        beam: candidates of the search of "smoothed_mode", ≥ 1; 1 for every other estimator.
        entropy_baseline: the control variate of the entropy's gradient, one of
            :data:`entropy_rl.algorithms.ENTROPY_BASELINES`, or None: "to_go" (exact, for
            "unbiased_gradient"), "critic" (learnt beside the policy, for "unbiased_gradient"; in
            width and learning rate it is as the value network), "state" (exact, for
            "crude_gradient"). Only where the loss has an entropy term, of a weight above 0.
        reduction: "mean" over the states of a minibatch, or "sum" over the steps of an episode (as
            zhang2018, equation 1) and mean over episodes.
        optimiser: "adam", "rmsprop" (eps 1e-5) or "sgd": steps along the
            gradient.
        learning_rate: > 0. A trust region reads neither it nor the optimiser.
        decay: whether the learning rate falls linearly to 0 over the training.
        clip_gradient: the bound > 0 on every entry of the gradient, or None.
        clip_norm: the bound > 0 on the gradient's 2-norm, or None; after the entries' own.
        baseline: "value" (a learned network), "shared" (a head on the policy's own features, learnt
            in the policy's updates by its optimiser), "running" (mean of the last 100 episodes) or
            "none".
        value_weight: > 0, of the loss of a shared baseline beside the policy's.
        baseline_loss: "mse", "l1" or "huber".
        baseline_hidden: width of the value network's hidden layer.
        baseline_optimiser: of the value network, as ``optimiser``.
        baseline_learning_rate: of the value network, > 0.
        baseline_epochs: how often the value network goes through a batch, ≥ 1; None: ``epochs``.
        baseline_minibatches: into how many parts it takes the batch, ≥ 1; None: ``minibatches``.
        first_visit: whether the value network learns from the first visit to a state only.
        options: hyper-parameters of the algorithm's row that differ from its defaults; numbers in
            the range that the row states.
        precision: of the policy's forward and backward pass; the masters are float32 in bfloat16,
            and a lagged actor plays in theirs.

    Raises:
        ValueError: a value out of range, an unknown name, or an estimator with which the row's use
            of the entropy would be wrong.
    """

    algorithm: str = "reinforce"
    episodes: int = 20_000
    batch: int = 128
    minibatches: int = 4
    grouping: str = "episodes"
    epochs: int = 1
    cap: int = 25
    continuing: bool = False
    lag: int = 0
    stagger: int = 0
    discount: float = 0.8
    entropy: str = "smoothed"
    beta: float = 0.02
    beta_decay: bool = False
    beam: int = 1
    entropy_baseline: str | None = None
    reduction: str = "mean"
    optimiser: str = "adam"
    learning_rate: float = 3e-3
    decay: bool = True
    clip_gradient: float | None = None
    clip_norm: float | None = None
    baseline: str = "value"
    value_weight: float = 0.5
    baseline_loss: BaselineLoss = "mse"
    baseline_hidden: int = 64
    baseline_optimiser: str = "adam"
    baseline_learning_rate: float = 3e-3
    baseline_epochs: int | None = None
    baseline_minibatches: int | None = None
    first_visit: bool = False
    options: Mapping[str, float] = field(default_factory=dict)
    precision: str = "float32"

    def __post_init__(self) -> None:
        sizes = ("episodes", "batch", "minibatches", "epochs", "cap", "beam", "baseline_hidden")
        for name in sizes:
            _validate.positive_integer(name, getattr(self, name))
        _validate.natural("lag", self.lag)
        for name in ("baseline_epochs", "baseline_minibatches"):
            if getattr(self, name) is not None:
                _validate.positive_integer(name, getattr(self, name))
        _validate.choice("grouping", self.grouping, GROUPINGS)
        for name in ("minibatches", "baseline_minibatches"):
            if self.grouping == "episodes" and (getattr(self, name) or 1) > self.batch:
                raise _validate.fail(name, f"at most batch = {self.batch}", getattr(self, name))
        _validate.between("discount", self.discount, 0.0, 1.0)
        _validate.at_least("beta", self.beta, 0.0)
        for name, options in (
            ("algorithm", ALGORITHMS),
            ("entropy", ESTIMATORS),
            ("reduction", REDUCTIONS),
            ("optimiser", OPTIMISERS),
            ("baseline_optimiser", OPTIMISERS),
            ("baseline", BASELINES),
            ("baseline_loss", BASELINE_LOSSES),
            ("precision", PRECISIONS),
        ):
            _validate.choice(name, getattr(self, name), options)
        for name in (
            "learning_rate",
            "baseline_learning_rate",
            "value_weight",
            "clip_gradient",
            "clip_norm",
        ):
            if getattr(self, name) is not None or not name.startswith("clip"):
                _validate.above(name, getattr(self, name), 0.0)
        for name in ("beta_decay", "continuing", "decay", "first_visit"):
            _validate.boolean(name, getattr(self, name))
        self._check_entropy()
        self._check_continuing()
        self._check_row()
        self._check_shared()
        check_options(self.algorithm, self.row.options, self.options)

    def _check_entropy(self) -> None:
        use = ENTROPIES[self.row.entropy]
        taken = use.estimators
        if self.entropy not in taken:
            expected = f"one of {', '.join(map(repr, taken))} for {self.row.entropy!r}"
            raise _validate.fail("entropy", expected, repr(self.entropy))
        if self.beam > 1 and self.entropy != "smoothed_mode":
            raise _validate.fail("beam", f"1 for {self.entropy!r}", self.beam)
        if self.entropy_baseline is None:
            return
        _validate.choice("entropy_baseline", self.entropy_baseline, ENTROPY_BASELINES)
        meant = ENTROPY_BASELINES[self.entropy_baseline].estimator
        for without, useless in (
            (repr(self.entropy), self.entropy != meant),
            (f"{self.row.entropy!r}, which has no entropy term", use.term is no_term),
            ("beta = 0", self.beta == 0),
        ):
            if useless:
                expected = f"None for {without}"
                raise _validate.fail("entropy_baseline", expected, repr(self.entropy_baseline))

    def _check_continuing(self) -> None:
        _validate.natural("stagger", self.stagger)
        if not self.continuing:
            if self.stagger:
                raise _validate.fail("stagger", "0, unless episodes go on", self.stagger)
            return
        if self.episodes % self.batch:
            expected = f"a multiple of batch = {self.batch}, where episodes go on"
            raise _validate.fail("episodes", expected, self.episodes)
        if self.baseline == "running" or self.first_visit:
            raise _validate.fail("continuing", "False, for what looks at whole episodes", True)

    def _check_row(self) -> None:
        """What the row's choices would ignore, or do wrong, without saying so."""
        if self.row.surrogate == "score_of_weighted":
            for name in ("minibatches", "epochs"):
                if getattr(self, name) != 1:  # after an update the advantage's ratios are old
                    expected = f"1 for {self.algorithm!r}, whose ratios are those of the batch"
                    raise _validate.fail(name, expected, getattr(self, name))
        if self.row.update == "trust_region":
            for name in ("clip_gradient", "clip_norm"):
                if getattr(self, name) is not None:
                    expected = f"None for {self.algorithm!r}, which bounds the divergence"
                    raise _validate.fail(name, expected, getattr(self, name))

    def _check_shared(self) -> None:
        """What a baseline that learns in the policy's updates would ignore, or do wrong."""
        if self.baseline != "shared":
            return
        if self.row.update == "trust_region":  # its line search is for the policy's loss alone
            raise _validate.fail("baseline", f"another for {self.algorithm!r}", "'shared'")
        for name in ("baseline_epochs", "baseline_minibatches"):
            if getattr(self, name) is not None:
                expected = "None for a baseline that is learnt in the policy's updates"
                raise _validate.fail(name, expected, getattr(self, name))
        if self.first_visit:
            expected = "False for a baseline that is learnt in the policy's updates"
            raise _validate.fail("first_visit", expected, True)

    @property
    def baseline_passes(self) -> int:
        """How often the baseline goes over a batch; one that remembers is told each return once."""
        return 1 if self.baseline == "running" else self.baseline_epochs or self.epochs

    @property
    def row(self) -> Algorithm:
        """The algorithm's row."""
        return ALGORITHMS[self.algorithm]

    @property
    def row_options(self) -> dict[str, float]:
        """The hyper-parameters of the row, with their defaults."""
        return completed(self.row.options, self.options)

    def beta_at(self, left: float) -> float:
        """β when the share ``left`` of the training is still to come."""
        return self.beta * left if self.beta_decay else self.beta

    @property
    def keeps_graph(self) -> bool:
        """Whether the one update of a batch uses the graph of its sampling.

        Not that of another version of the policy, which is what acts where there is a lag.
        Of a single episode it does not: to go through all its steps at once, forwards and back, is
        cheaper than to go back through the steps one by one.
        """
        return self.minibatches == 1 and self.epochs == 1 and self.batch > 1 and self.lag == 0
