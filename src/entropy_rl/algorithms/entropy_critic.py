"""The conditional baseline of Theorem 4, learnt beside the policy: a critic of the entropy."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn.functional import one_hot, pad

from entropy_rl import _validate
from entropy_rl.algorithms.regression import Regression, encoder
from entropy_rl.conditionals import Chain
from entropy_rl.estimators import sampled_entropy_to_go
from entropy_rl.estimators._base import sum_after
from entropy_rl.losses import baseline_loss
from entropy_rl.networks import mlp
from entropy_rl.stepwise import Observation


class Lesson(NamedTuple):
    """What the critic learns from one minibatch, at R places in its chains; it holds no graph.

    Attributes:
        inputs: what is known before the component, ``(R, F)``.
        most: the most entropy that can be to come after it, nats, ``(R,)``.
        target: what came, nats, ``(R,)``.
    """

    inputs: Tensor
    most: Tensor
    target: Tensor


class EntropyCritic(Regression):
    """bⱼ(s, a_<j) ≈ E[Σ_{i>j} H⁽ⁱ⁾(A_<i) | s, a_<j], a network with one hidden layer.

    bⱼ = Mⱼ(s) (1 + fⱼ(s, a_<j)) with Mⱼ(s) = Σ_{i>j} log nᵢ(s), the most that can be to come if nᵢ
    actions are legal for component i; f is 0 at first, where policies begin near the uniform. f
    reads the chain's ``features`` before aⱼ; of a chain without features, the state and the
    components before j. Component d has nothing to come: b_d = 0.

    Neither aⱼ nor anything after it is read, so that with *any* weights the gradient of
    :func:`~entropy_rl.estimators.unbiased_gradient` keeps its mean, as long as the weights do not
    depend on the very actions: a critic learns from actions after they were used.

    Args:
        policy: whose entropy it is.
        example: observations of that policy, ``(N, …)`` with N ≥ 1: they show what its chain has.
        hidden: width of the hidden layer.
        learning_rate: of Adam, > 0.

    Raises:
        ValueError: actions that are not two or more discrete components; a policy without features
            whose observations a network cannot read.

    Source: this project's; zhang2018, Theorem 4, has no baseline.
    """

    def __init__(
        self, policy: Any, example: Observation, hidden: int, learning_rate: float
    ) -> None:
        space = policy.action_space
        if not isinstance(space, spaces.MultiDiscrete) or len(space.nvec) < 2:
            expected = "None for actions that are not two or more discrete components"
            raise _validate.fail("entropy_baseline", expected, f"'critic' for {space}")
        device = next(policy.parameters()).device
        self.sizes = torch.as_tensor(space.nvec, device=device)
        self.d, self.K = len(space.nvec), int(space.nvec.max())
        generator = torch.Generator(device).manual_seed(0)  # which actions it draws is all one
        with torch.no_grad():
            features = policy.sample(example, generator).features
        if features is None:
            size, self._encode = encoder(policy.observation_space, "entropy_baseline='critic'")
            size += (self.d - 1) * self.K
        else:
            size = features.shape[-1]
        network = mlp([size + self.d - 1, hidden, 1])
        head: Any = network[-1]
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        super().__init__(network.to(device), "adam", learning_rate)

    def provide(self, policy: object, obs: Observation, chain: Chain) -> Tensor:
        """b, detached.

        Args:
            policy: unused; a baseline of :data:`~entropy_rl.algorithms.ENTROPY_BASELINES` is given
                it.
            obs: ``(N, …)``.
            chain: the policy's, along the actions drawn there.

        Returns:
            ``(N, d)`` in nats.
        """
        with torch.no_grad():
            most = self._most(obs, chain)
            something = most > 0
            to_go = torch.zeros_like(most)
            to_go[something] = self._value(self._inputs(obs, chain, something), most[something])
            return pad(to_go, (0, 1))

    def lesson(self, obs: Observation, chain: Chain, log_weights: Tensor | None = None) -> Lesson:
        """What is to be learnt from ``chain``, to be kept until its actions have been used.

        Args:
            obs: ``(N, …)``.
            chain: of the present policy along the actions drawn there.
            log_weights: their prefix ratios ``(N, d)`` if an older policy drew them.
        """
        most = self._most(obs, chain)
        something = most > 0
        target = sampled_entropy_to_go(chain, log_weights=log_weights)[:, :-1][something]
        inputs = self._inputs(obs, chain, something)
        return Lesson(inputs, most[something], target.to(most.dtype))

    def learn(self, lesson: Lesson) -> Tensor:
        """One step down mean (bⱼ - Yⱼ)²; the loss before it. Without places: none, and 0."""
        if not len(lesson.target):
            return lesson.target.sum()
        value = self._value(lesson.inputs, lesson.most)
        return self.descend(baseline_loss(value, lesson.target, "mse"))

    def _value(self, inputs: Tensor, most: Tensor) -> Tensor:
        return most * (1 + self.network(inputs).squeeze(-1))

    def _inputs(self, obs: Observation, chain: Chain, where: Tensor) -> Tensor:
        """What is known before a component, and which it is: ``(R, F)``.

        Args:
            obs: ``(N, …)``.
            chain: ``(N, …)``.
            where: bool ``(N, d - 1)``: the R places that are asked for.
        """
        row, place = where.nonzero(as_tuple=True)
        each = torch.eye(self.d - 1, dtype=self._dtype, device=place.device)
        if chain.features is not None:
            known = [chain.features[row, place].detach().to(self._dtype)]
        else:
            drawn = one_hot(chain.actions[row, :-1], self.K).to(self._dtype)
            earlier = torch.ones_like(each).tril(-1)[place]  # [r, k]: whether k < j
            prefix = drawn * earlier.unsqueeze(-1)
            known = [self._encode(obs).to(self._dtype)[row], prefix.flatten(1)]
        return torch.cat([*known, each[place]], -1)

    def _most(self, obs: Observation, chain: Chain) -> Tensor:
        """Mⱼ(s) = Σ_{i>j} log nᵢ(s), ``(N, d - 1)``.

        From the observation's mask: that of the chain may depend on what was drawn.
        """
        sizes = self.sizes.expand(len(chain.actions), -1)
        if isinstance(obs, dict):
            sizes = obs["action_mask"].bool().sum(-1).minimum(sizes)
        return sum_after(sizes.to(self._dtype).log())[:, :-1]

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.network.parameters()).dtype
