"""Playing episodes in a batch that shrinks as they end, or goes on, and laying their rows flat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.conditionals import Chain, concatenate, select_rows, without_features
from entropy_rl.envs import Core, episodes_over
from entropy_rl.stepwise import Observation
from entropy_rl.streams import Source, Streams, replicas_of, require_alike

Act = Callable[[Observation], Chain]


@dataclass(frozen=True)
class Rollout:
    """B columns over at most T steps: flat rows for networks, a (T, B) grid for returns.

    There is one row for every step that was taken, N in all, in the order of time, or in that of
    :meth:`by_columns`. A column is an episode, or where episodes go on a stretch of T steps,
    whatever begins and ends in it.

    Attributes:
        obs: the observations acted on, ``(N, …)``.
        chain: what the policy returned there, ``(N, …)``, with its graph if it kept one.
        time: the row's step, ``(N,)``, from 0.
        episode: the row's column, ``(N,)``.
        r_t: rewards ``(T, B)``, 0 after the end of an episode that no other follows.
        discount_t: ``(T, B)``: γ, and 0 where the episode terminated.
        cut: ``(T, B)``: True where an episode went on but was cut, by the cap or the environment;
            the return of what came before stops at the value of ``final_obs``.
        final_obs: the observations after the cuts, ``(C, …)``; None if nothing was cut.
        final_order: their places in ``cut.nonzero()``, ``(C,)``; None if they are in its order.
        version: how many updates the policy that acted had made.
        merits: the environment's figures of merit at the end of each episode, each ``(B,)``; of a
            stretch ``(B, T)``, NaN where none ended with the step.
        running: what goes on after the last step, or None.
        detached: whether ``chain`` is without the graph of its sampling even if the configuration
            keeps it: another process has played.
        whole: whether row t · B + b is step t of column b, because none ended before the others.
    """

    obs: Observation
    chain: Any
    time: Tensor
    episode: Tensor
    r_t: Tensor
    discount_t: Tensor
    cut: Tensor
    final_obs: Observation | None
    final_order: Tensor | None = None
    version: int = 0
    merits: dict[str, Tensor] = field(default_factory=dict)
    running: Any = None
    detached: bool = False
    whole: bool = False

    def __len__(self) -> int:
        return len(self.time)

    def detach(self) -> Rollout:
        """The same without graph and features, as it may leave the process."""
        return replace(self, chain=select_rows(without_features(self.chain)), detached=True)

    def by_columns(self, groups: int) -> Rollout:
        """The same, detached, the rows of the first B/R columns before those of the next.

        Args:
            groups: R; within each the rows keep the order of time.
        """
        each = self.r_t.shape[1] // groups
        order = (self.episode // each).argsort(stable=True)
        final, final_order = self.final_obs, self.final_order
        if final is not None:
            final_order = (self.cut.nonzero()[:, 1] // each).argsort(stable=True)
            final = rows_of(final, final_order)
        return replace(
            self,
            obs=rows_of(self.obs, order),
            chain=select_rows(without_features(self.chain), order),
            time=self.time[order],
            episode=self.episode[order],
            final_obs=final,
            final_order=final_order,
            detached=True,
            whole=False,
        )

    @property
    def lengths(self) -> Tensor:
        """Steps of each column, ``(B,)``."""
        return torch.bincount(self.episode, minlength=self.r_t.shape[1])

    def grid(self, rows: Tensor) -> Tensor:
        """Values of the rows ``(N,)`` on the grid ``(T, B)``, else 0; to be read, not written."""
        if self.whole:
            return rows.view(self.r_t.shape)
        out = torch.zeros(self.r_t.shape, dtype=rows.dtype, device=rows.device)
        out[self.time, self.episode] = rows
        return out

    def rows(self, grid: Tensor) -> Tensor:
        """Values of the grid ``(T, B)`` at the rows ``(N,)``; to be read, not written."""
        if self.whole:
            return grid.flatten()
        return grid[self.time, self.episode]

    def next_values(self, v_tm1: Tensor, v_final: Tensor | None) -> Tensor:
        """v(s_{t+1}) ``(T, B)`` from v(s_t) and, where an episode was cut, v of what came next.

        Args:
            v_tm1: ``(T, B)``.
            v_final: ``(C,)``, values of ``final_obs``; None counts nothing beyond a cut.
        """
        v_t = torch.cat([v_tm1[1:], torch.zeros_like(v_tm1[:1])])
        v_t = v_t.masked_fill(self.cut, 0.0)
        if v_final is not None and self.cut.any():
            if self.final_order is not None:
                v_final = torch.empty_like(v_final).index_copy(0, self.final_order, v_final)
            v_t[self.cut] = v_final
        return v_t


def play_episodes(
    env: Core[Any],
    act: Act,
    episodes: int,
    cap: int,
    discount: float,
    generator: Source,
    version: int = 0,
    *,
    continuing: bool = False,
    running: Any = None,
    stagger: int = 0,
) -> Rollout:
    """Play ``episodes`` episodes at once; those that have ended are dropped from the batch.

    Or let them go on: play a stretch of ``cap`` steps, in which an episode that ends is followed by
    a fresh one.

    Args:
        env: the batched core of an environment.
        act: draws actions: ``policy.sample`` with its generator bound.
        episodes: B.
        cap: steps after which an episode that still runs is cut.
        discount: γ in [0, 1].
        generator: the environment's source of randomness; its device is where episodes live. Of R
            streams each is for B/R episodes.
        version: kept with the rollout.
        continuing: whether they go on.
        running: B episodes to go on with; None begins fresh ones.
        stagger: of fresh ones the i-th is first played for ⌊i · stagger / B⌋ steps; of streams
            that is said of the B/R of each.

    Raises:
        ValueError: episodes that end or are cut in one stream's part and not in another's.
    """
    device = generator.device
    state = running
    if running is None:
        state = staggered(env, act, episodes, stagger, generator)
    alive = torch.arange(episodes, device=device)
    observations: list[Observation] = []
    chains: list[Chain] = []
    columns: list[Tensor] = []
    rewards: list[Tensor] = []
    ends: list[Tensor] = []
    cuts: list[Tensor] = []
    finals: list[tuple[Tensor, Observation]] = []
    merits: dict[str, Tensor] = {}
    ended: dict[str, list[Tensor]] = {}
    names = getattr(env, "merits", ())
    for t in range(cap):
        obs = env.observe(state)
        chain = act(obs)
        state, outcome = env.step(state, chain.actions)
        observations.append(obs)
        chains.append(chain)
        columns.append(alive)
        rewards.append(outcome.reward)
        ends.append(outcome.terminated)
        cut = ~outcome.terminated & (outcome.truncated | (t == cap - 1))
        cuts.append(cut)
        if cut.any():
            finals.append((alive[cut], env.observe(state[cut])))
        over = episodes_over(env, state, outcome)
        seen = env.info(state) if names else {}
        for name in names:
            found = seen[name]
            if continuing:
                ended.setdefault(name, []).append(found.float().masked_fill(~over, torch.nan))
            else:
                before = merits.setdefault(name, found.new_zeros(episodes))
                before.index_copy_(0, alive, found)
        if isinstance(generator, Streams):
            require_alike(f"cuts and ends at step {t}", over + 2 * cut, generator)
        if continuing:
            if over.any():
                fresh = env.reset(int(over.sum()), generator=generator, device=device)
                state = state.replaced(over, fresh)
            continue
        running_on = ~(over | cut)
        if not running_on.all():
            going = running_on.nonzero().squeeze(1)
            if not len(going):
                break
            state, alive = state[going], alive[going]
    merits.update((name, torch.stack(rows, 1)) for name, rows in ended.items())
    time = torch.cat([torch.full_like(rows, t) for t, rows in enumerate(columns)])
    episode = torch.cat(columns)
    whole = len(episode) == len(columns) * episodes

    def grid(parts: list[Tensor]) -> Tensor:
        if whole:
            return torch.stack(parts)
        out = torch.zeros(len(parts), episodes, dtype=parts[0].dtype, device=device)
        out[time, episode] = torch.cat(parts)
        return out

    r_t = grid(rewards)
    return Rollout(
        obs=concatenate_observations(observations),
        chain=concatenate(chains),
        time=time,
        episode=episode,
        r_t=r_t,
        discount_t=discount * (~grid(ends)).to(r_t.dtype),
        cut=grid(cuts),
        final_obs=concatenate_observations([obs for _, obs in finals]) if finals else None,
        version=version,
        merits=merits,
        running=state if continuing else None,
        whole=whole,
    )


def staggered(env: Core[Any], act: Act, episodes: int, over: int, generator: Source) -> Any:
    """The state of episodes that began at different times.

    The i-th is played for ⌊i · over / B⌋ steps; one that ends is followed by a fresh one. Of R
    streams that holds for the B/R episodes of each.

    Args:
        env: the batched core of an environment.
        act: draws actions.
        episodes: B.
        over: the steps over which they are spread; 0 begins all at once.
        generator: the environment's source of randomness.

    Raises:
        ValueError: episodes that end in one stream's part and not in another's.
    """
    device, streams = generator.device, replicas_of(generator)
    state = env.reset(episodes, generator=generator, device=device)
    if over == 0:
        return state
    each = episodes // streams
    steps = (torch.arange(each, device=device) * over // each).repeat(streams)
    for t in range(int(steps.max())):
        moving = steps > t
        part = state[moving]
        with torch.no_grad():
            actions = act(env.observe(part)).actions
        part, outcome = env.step(part, actions)
        ended = episodes_over(env, part, outcome)
        if isinstance(generator, Streams):
            require_alike(f"ends before step {t}", ended, generator)
        if ended.any():
            fresh = env.reset(int(ended.sum()), generator=generator, device=device)
            part = part.replaced(ended, fresh)
        state = state.replaced(moving, part)
    return state


def concatenate_observations(observations: list[Observation]) -> Observation:
    """Observations of one kind, one after the other.

    Raises:
        ValueError: some with a mask and some without.
    """
    plain = [obs for obs in observations if isinstance(obs, Tensor)]
    masked = [obs for obs in observations if isinstance(obs, dict)]
    if plain and masked:
        raise _validate.fail("observations", "one kind", "some with a mask and some without")
    if plain:
        return torch.cat(plain)
    return {key: torch.cat([obs[key] for obs in masked]) for key in masked[0]}


def rows_of(obs: Observation, rows: Tensor) -> Observation:
    """The given rows of an observation."""
    if isinstance(obs, dict):
        return {key: value.index_select(0, rows) for key, value in obs.items()}
    return obs.index_select(0, rows)


def flat_observation(obs: Observation) -> Tensor:
    """The observation without its mask."""
    return obs["observation"] if isinstance(obs, dict) else obs
