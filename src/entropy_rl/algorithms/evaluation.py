"""Playing a trained policy to see how good it is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.algorithms.fit import check_fit
from entropy_rl.conditionals import Conditionals
from entropy_rl.envs import ClosedForm, Core, episodes_over
from entropy_rl.stepwise import Observation, beam_search, check_steps


@dataclass(frozen=True)
class Evaluation:
    """How a policy did over some episodes.

    Attributes:
        episodes: how many were played.
        length: mean length: the steps taken, also by an episode that was cut.
        length_interval: 95 % interval of it (normal, over episodes; NaN of a single one).
        median_length: the median, which a single stuck episode does not move.
        reward: mean of the environment's own figure of merit, ``info["score"]``, if it has one
            (discounted as its options say), and of the sum of rewards otherwise.
        reward_interval: 95 % interval of it.
        unfinished: share of the episodes that were cut, by ``cap`` or by the environment.
        lengths: of every episode, in order.
        scores: of every episode, in order.
        exact: figures of merit that the environment has in closed form, by name, if asked for.
        mode: of the most likely actions from the same starts, if asked for: "greedy_reward" and its
            interval's ends "greedy_low" and "greedy_high".
    """

    episodes: int
    length: float
    length_interval: tuple[float, float]
    median_length: float
    reward: float
    reward_interval: tuple[float, float]
    unfinished: float
    lengths: tuple[float, ...] = field(repr=False)
    scores: tuple[float, ...] = field(repr=False)
    exact: dict[str, float] = field(default_factory=dict)
    mode: dict[str, float] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Plain data, without the single episodes."""
        apart = ("lengths", "scores", "exact", "mode")
        own = {k: v for k, v in asdict(self).items() if k not in apart}
        return {**own, **self.exact, **self.mode}


def with_mode(found: Evaluation, greedy: Evaluation) -> Evaluation:
    """``found`` with what the most likely actions gave from the same starts.

    A wide σ costs sampled actions what the mean action does not pay: each hides what the other
    shows.
    """
    low, high = greedy.reward_interval
    figures = {"greedy_reward": greedy.reward, "greedy_low": low, "greedy_high": high}
    return replace(found, mode=figures)


def evaluate(
    env: Core[Any],
    policy: Any,
    episodes: int = 2_000,
    seed: int = 0,
    greedy: bool = False,
    cap: int = 10_000,
    exact: bool = False,
) -> Evaluation:
    """Play ``episodes`` episodes with actions sampled from the policy (or greedy ones).

    All episodes run in one batch, from which those that have ended are dropped, so that a policy
    that gets stuck costs little.

    Args:
        env: the batched core of an environment.
        policy: a policy for its spaces.
        episodes: how many, ≥ 1.
        seed: of the starts and the draws, in [0, 2⁶³).
        greedy: the most likely action instead of a sampled one: the policy's own ``mode`` if it has
            one, else the most likely component at each step.
        cap: steps after which an episode counts as unfinished, ≥ 1.
        exact: whether to give what the environment has in closed form too.

    Raises:
        ValueError: an environment that is no batched core, a policy for other spaces, a size below
            1, a seed out of range, a greedy policy without mode or steps, an
            environment without a closed form, a stack of policies, whose numbers are nobody's.
    """
    check_fit(env, policy)
    _validate.positive_integer("episodes", episodes)
    _validate.positive_integer("cap", cap)
    _validate.seed("seed", seed)
    if getattr(policy, "replicas", 1) != 1:
        raise _validate.fail("policy", "one alone: see unstack_policies", policy.replicas)
    mode = getattr(policy, "mode", None)
    if _validate.boolean("greedy", greedy) and mode is None:
        check_steps(policy)
    closed_form = env.closed_form if isinstance(env, ClosedForm) else None
    if _validate.boolean("exact", exact) and closed_form is None:
        raise _validate.fail("exact", f"False for {type(env).__name__}", exact)

    def act(obs: Observation) -> Tensor:
        if greedy:
            return beam_search(policy, obs) if mode is None else mode(obs)
        chain: Conditionals = policy.sample(obs, generator)
        return chain.actions

    device = next(policy.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    state = env.reset(episodes, generator=generator, device=device)
    lengths = torch.zeros(episodes, dtype=torch.float64, device=device)
    scores = torch.zeros(episodes, dtype=torch.float64, device=device)
    finished = torch.zeros(episodes, dtype=torch.bool, device=device)
    alive = torch.arange(episodes, device=device)
    with torch.no_grad():
        for _ in range(cap):
            state, outcome = env.step(state, act(env.observe(state)))
            lengths[alive] += 1
            scores[alive] += outcome.reward.double()
            info = env.info(state)
            if "score" in info:
                scores[alive] = info["score"].double()
            over = episodes_over(env, state, outcome)
            finished[alive] = outcome.terminated & over
            if over.any():
                running = ~over
                state, alive = state[running], alive[running]
                if not len(alive):
                    break
    return Evaluation(
        episodes=episodes,
        length=lengths.mean().item(),
        length_interval=_interval(lengths),
        median_length=lengths.median().item(),
        reward=scores.mean().item(),
        reward_interval=_interval(scores),
        unfinished=1 - finished.double().mean().item(),
        lengths=tuple(lengths.tolist()),
        scores=tuple(scores.tolist()),
        exact=closed_form(policy) if exact and closed_form else {},
    )


def _interval(x: Tensor) -> tuple[float, float]:
    if len(x) == 1:  # of one there is no spread to go by
        return math.nan, math.nan
    half = 1.96 * x.std(correction=0).item() / len(x) ** 0.5
    return x.mean().item() - half, x.mean().item() + half
