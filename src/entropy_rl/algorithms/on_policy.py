"""The on-policy loop: one loop, three named choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from entropy_rl import _validate
from entropy_rl.algorithms.advantages import ADVANTAGES
from entropy_rl.algorithms.baseline import SharedBaseline
from entropy_rl.algorithms.config import OnPolicyConfig
from entropy_rl.algorithms.context import Context, Minibatch, Targets, Values
from entropy_rl.algorithms.critics import make_critic
from entropy_rl.algorithms.curves import merit_figures, played_figures
from entropy_rl.algorithms.divergence import TrainingDiverged, finite
from entropy_rl.algorithms.entropy import ENTROPIES, ENTROPY_BASELINES
from entropy_rl.algorithms.entropy_critic import Lesson
from entropy_rl.algorithms.fit import check_fit
from entropy_rl.algorithms.lag import LaggedActor
from entropy_rl.algorithms.minibatches import baseline_rows, loss_scale, minibatch_rows
from entropy_rl.algorithms.optimisers import clear_gradients
from entropy_rl.algorithms.precision import WorkingCopy
from entropy_rl.algorithms.problem import Problem
from entropy_rl.algorithms.regression import Regression
from entropy_rl.algorithms.replicas import Replicas
from entropy_rl.algorithms.rollout import Rollout, play_episodes, rows_of
from entropy_rl.algorithms.snapshot import copied, episodes_of, fields_of
from entropy_rl.algorithms.surrogates import SURROGATES
from entropy_rl.algorithms.updates import UPDATES
from entropy_rl.conditionals import Chain, prefix_log_weights, select_rows, without_features
from entropy_rl.envs import Core
from entropy_rl.estimators import Estimate, estimate_entropy
from entropy_rl.streams import Source


class Trainer:
    """The state of a training, and :meth:`step`, one batch of episodes.

    For every batch: play it, compare its returns with the baseline (the *advantage*), and for every
    minibatch descend the *surrogate* plus the *entropy* term. With the row "reinforce" that is

        Δθ ∝ Σₜ [∇log π(aₜ | sₜ) (Gₜ - b(sₜ)) + β ∇H(sₜ)]        (zhang2018, equation 1)

    Args:
        env: the batched core of an environment, such as ``HuntersRabbits()``.
        policy: a policy for its spaces; trained in place, on the device of its parameters. Or
            several, stacked: each then plays the configuration's episodes and batches.
        config: all hyper-parameters. Or, for a stacked policy, configurations that differ in the
            learning rate, the entropy and β alone: first its replicas, then the next one's, ….
        seed: of all draws, and of the baseline's initial weights, in [0, 2⁶³). The same seed gives
            the same numbers on the same device. Of a stacked policy one for each replica of a
            configuration.

    Raises:
        ValueError: a policy that does not fit the environment, is not finite or hides its draws
            behind a tanh, a seed out of range, what the baseline or the critic of the entropy
            cannot read, or what stacked replicas cannot do.
    """

    def __init__(
        self,
        env: Core[Any],
        policy: Any,
        config: OnPolicyConfig | Sequence[OnPolicyConfig],
        seed: int | Sequence[int],
    ) -> None:
        check_fit(env, policy)
        self.replicas = Replicas.of(seed, policy, config)
        config = self.replicas.config
        if hasattr(policy, "half_ranges"):
            expected = "one whose actions can be read back; a tanh loses them near its bounds"
            raise _validate.fail("policy", expected, type(policy).__name__)
        if not finite(policy.parameters()):
            raise _validate.fail("policy", "finite parameters", "NaN or infinity among them")
        self.env, self.policy, self.config = env, policy, config
        device = next(policy.parameters()).device
        self.replicas.check_chance(env, device)
        self.generator: Any = self.replicas.source(device)
        self.working = WorkingCopy(policy, config.precision)
        with torch.random.fork_rng(devices=[]):
            self.baseline = self.replicas.baseline(env, self.working, config, device)
            self.critic = make_critic(env, policy, config)
        self.shared = self.baseline if isinstance(self.baseline, SharedBaseline) else None
        self.actor = LaggedActor(policy, config.lag) if config.lag else None
        # What the policy's updates move: with a shared baseline its head too.
        self.parameters = [*policy.parameters()]
        if self.shared is not None:
            self.parameters += self.shared.head.parameters()
        self.optimiser = self.replicas.optimiser(self.parameters)
        self.batches = -(-config.episodes // config.batch)
        self.played = self.steps = self.updates = 0
        self.curves: dict[str, list[Any]] = {}
        self.running: Any = None
        self._good = self._snapshot()

    @property
    def left(self) -> float:
        """The share of the training that is still to come, 1 at first, in whole batches."""
        return 1 - self.played / (self.batches * self.config.batch)

    @property
    def beta(self) -> float:
        """The present weight of the entropy, of several configurations the first one's."""
        return self.config.beta_at(self.left)

    @property
    def keeps_graph(self) -> bool:
        """Whether the one update of a batch uses the graph of its sampling."""
        return self.config.keeps_graph and not self.replicas.arranges(self.config)

    @property
    def finished(self) -> bool:
        """Whether all episodes have been played."""
        return self.played >= self.config.episodes

    @property
    def optimisers(self) -> list[torch.optim.Optimizer]:
        """Of the policy, and of the networks beside it."""
        beside = (self.baseline, self.critic)
        return [self.optimiser, *(x.optimiser for x in beside if isinstance(x, Regression))]

    def step(self) -> None:
        """Play one batch of episodes and learn from it.

        Raises:
            TrainingDiverged: a loss, gradient or parameter that is not finite.
        """
        self.begin()
        self.learn(self.play(min(self.config.batch, self.config.episodes - self.played)))

    def begin(self) -> None:
        """What goes before a batch: keep the state as good, set the learning rate.

        Raises:
            TrainingDiverged: a parameter that is not finite.
        """
        self._require_finite("parameters", *self.parameters)
        self._good = self._snapshot()
        if self.config.decay:
            self.replicas.set_rates(self.optimiser, self.left)

    def play(self, episodes: int) -> Rollout:
        """Play ``episodes`` with the present policy or the lagged one, of each replica."""
        c, every, version = self.config, episodes * len(self.replicas), self.updates
        if self.actor is not None:
            version = self.actor.follow(self.policy, self.updates)
        with torch.set_grad_enabled(self.keeps_graph):
            rollout = play_episodes(
                self.env, self._sample, every, c.cap, c.discount, self.generator, version,
                continuing=c.continuing, running=self.running, stagger=c.stagger,
            )  # fmt: skip
        self.running = rollout.running
        return self.replicas.arranged(rollout, c)

    def learn(self, rollout: Rollout) -> None:
        """All updates on a batch of episodes, by whichever version of the policy it was played.

        Raises:
            TrainingDiverged: a loss, gradient or parameter that is not finite.
        """
        c = self.config
        context = self.context(rollout)
        with torch.no_grad():
            targets = ADVANTAGES[c.row.advantage](context)
        advantage, value = rollout.rows(targets.advantage), rollout.rows(targets.value)
        every = torch.arange(len(rollout), device=advantage.device)
        entropies, lessons = [], []
        for _ in range(c.epochs):
            for rows in minibatch_rows(rollout, every, c.minibatches, self._shuffle):
                minibatch = self._update(context, rows, advantage, value)
                entropies.append(self.replicas.mean(minibatch.estimate.value))
                if self.critic is not None:
                    obs, chain = rows_of(rollout.obs, rows), minibatch.chain
                    lessons.append(self.critic.lesson(obs, chain, minibatch.log_weights))
        critic_loss = self._learn_critic(lessons)
        loss = self._learn_baseline(rollout, targets)
        self.played += rollout.r_t.shape[1] // len(self.replicas)
        self.steps += len(rollout)
        self._record(rollout, torch.stack(entropies).mean(0), loss, critic_loss)

    def context(self, rollout: Rollout) -> Context:
        """What the choices are given: ratios, values, and the entropy if it is in the return."""
        c, use = self.config, ENTROPIES[self.config.row.entropy]
        with torch.no_grad():
            old = select_rows(without_features(rollout.chain))
            chain, weights = old, None
            if self._stale(rollout):
                chain = without_features(self.working.module.conditionals(rollout.obs, old.actions))
                weights = prefix_log_weights(chain, old.component_log_probs)
            v_tm1 = rollout.grid(self.baseline.evaluate(rollout.obs))
            final = None
            if rollout.final_obs is not None:
                final = self.baseline.evaluate(rollout.final_obs)
            values = Values(v_tm1, rollout.next_values(v_tm1, final))
            entropy = own = torch.zeros_like(rollout.r_t)
            if use.in_rewards:
                # Without ratios: whoever weighs a reward for its action weighs this with it.
                estimate = self._estimate(rollout.obs, chain)
                entropy = rollout.grid(estimate.value.to(rollout.r_t.dtype))
            if use.own is not None and c.entropy != "none":
                surprise = rollout.grid(-chain.log_prob.to(rollout.r_t.dtype))
                own = self.beta * use.own(entropy, surprise)
            context = Context(
                rollout, chain, old, weights, values, rollout.r_t, entropy, own, self.beta,
                c.row_options,
            )  # fmt: skip
            return replace(context, r_t=use.rewards(context))

    def losses(
        self,
        context: Context,
        rows: Tensor,
        advantage: Tensor,
        moved: bool = False,
        value: Tensor | None = None,
    ) -> tuple[dict[str, Tensor], Minibatch]:
        """The terms of the loss on some rows of a batch, and what they were computed from.

        Args:
            context: the batch.
            rows: which of its rows.
            advantage: ``(N,)``, of all of them.
            moved: whether the parameters were moved since the last update.
            value: ``(N,)``, what a shared baseline learns; None leaves it out.
        """
        c, rollout = self.config, context.rollout
        obs, old = rows_of(rollout.obs, rows), context.old_log_probs.index_select(0, rows)
        stale = moved or self._stale(rollout)
        if self.keeps_graph and not stale and not rollout.detached:
            chain = rollout.chain
        else:
            actions = context.old_chain.actions.index_select(0, rows)
            chain = self.working.module.conditionals(obs, actions)
        weights = prefix_log_weights(chain, old) if stale else None
        estimate = self._estimate(obs, chain, weights, c.entropy_baseline)
        minibatch = Minibatch(context, rows, chain, old, weights, advantage[rows], estimate)
        scale = loss_scale(rollout, rows, c) * len(self.replicas)
        terms = {
            "policy loss": scale * SURROGATES[c.row.surrogate](minibatch),
            "entropy term": scale * self.replicas.entropy_term(minibatch, self.left),
        }
        if self.shared is not None and value is not None:
            terms["value term"] = scale * self.shared.term(chain, value[rows])
        return terms, minibatch

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed training needs to go on with the same numbers, copied."""
        return {**self._snapshot(), "curves": copied(self.curves)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned, under the same configuration."""
        self.policy.load_state_dict(state["policy"])
        self.working.refresh()
        # An optimiser keeps the tensors that it is given, and changes them in place.
        self.optimiser.load_state_dict(copied(state["optimiser"]))
        self.baseline.load_state_dict(state["baseline"])
        if self.critic is not None:
            self.critic.load_state_dict(state["critic"])
        if self.actor is not None:
            self.actor.load(state["actor"])
        self.generator.set_state(state["generator"])
        device = next(self.policy.parameters()).device
        self.running = episodes_of(self.env, state.get("running"), device)
        self.played, self.steps, self.updates = state["counts"]
        self.curves = copied(state["curves"])
        self._good = self._snapshot()

    def set_back(self, term: str, seeds: tuple[int, ...] = ()) -> TrainingDiverged:
        """Go back to where the last batch began, because ``term`` is not finite; what to raise."""
        update, good = self.updates, {**self._good, "curves": copied(self.curves)}
        self.load_state_dict(good)
        return TrainingDiverged(update, term, good, seeds)

    def _snapshot(self) -> dict[str, Any]:
        """The state without its curves, which only grow."""
        parts: dict[str, Any] = {} if self.critic is None else {"critic": self.critic.state_dict()}
        if self.actor is not None:
            parts["actor"] = self.actor.state()
        if self.running is not None:
            parts["running"] = fields_of(self.running)
        return {
            **parts,
            "policy": copied(self.policy.state_dict()),
            "optimiser": copied(self.optimiser.state_dict()),
            "baseline": self.baseline.state_dict(),
            "generator": self.generator.get_state(),
            "counts": (self.played, self.steps, self.updates),
        }

    def _stale(self, rollout: Rollout) -> bool:
        """Whether another version of the policy played it."""
        return rollout.version != self.updates

    @property
    def _shuffle(self) -> Source | None:
        return self.generator if self.config.grouping == "rows" else None

    def _sample(self, obs: Any) -> Chain:
        acting = self.working.module if self.actor is None else self.actor.policy
        chain = acting.sample(obs, self.generator)
        return chain if self.keeps_graph else without_features(chain)

    def _estimate(
        self, obs: Any, chain: Any, weights: Tensor | None = None, baseline: str | None = None
    ) -> Estimate:
        module, provided = self.working.module, None
        if baseline is not None:
            provide = (self.critic or ENTROPY_BASELINES[baseline]).provide
            assert provide is not None  # a row without it has a critic
            with torch.no_grad():
                provided = provide(module, obs, chain)
        given: dict[str, Any] = {
            "log_weights": weights,
            "baseline": provided,
            "beam": self.config.beam,
        }
        return self.replicas.estimate(partial(estimate_entropy, **given), module, obs, chain)

    def _update(
        self, context: Context, rows: Tensor, advantage: Tensor, value: Tensor
    ) -> Minibatch:
        """One update; the minibatch as it was before."""
        parameters, calls = self.parameters, count()

        def losses() -> tuple[Tensor, Minibatch]:
            moved = next(calls) > 0  # a rule that asks again may have moved them
            if moved:
                self.working.refresh()
            terms, minibatch = self.losses(context, rows, advantage, moved, value)
            if not moved:  # a trial step that goes too far is for its rule to judge
                self._require_terms(terms, minibatch)
            return torch.stack(list(terms.values())).sum(), minibatch

        def differentiate(scalar: Tensor) -> None:
            clear_gradients(parameters)
            scalar.backward()
            self.working.gradients_to_master()
            self._require_finite("gradient", *(p.grad for p in parameters if p.grad is not None))
            if self.config.clip_gradient is not None:
                nn.utils.clip_grad_value_(parameters, self.config.clip_gradient)
            if self.config.clip_norm is not None:
                nn.utils.clip_grad_norm_(parameters, self.config.clip_norm)
            self.replicas.share_gradients(self.optimiser, parameters)

        problem = Problem(losses, differentiate, parameters, self.optimiser, context.options)
        minibatch = UPDATES[self.config.row.update](problem)
        self._require_finite("updated parameters", *parameters)
        self.working.refresh()
        self.updates += 1
        return minibatch

    def _learn_baseline(self, rollout: Rollout, targets: Targets) -> Tensor:
        c, value = self.config, rollout.rows(targets.value)
        if isinstance(self.baseline, SharedBaseline):
            return self.baseline.last
        rows = baseline_rows(rollout, c)
        loss = torch.zeros((), device=value.device)
        parts = c.baseline_minibatches or c.minibatches
        for _ in range(c.baseline_passes):
            for chosen in minibatch_rows(rollout, rows, parts, self._shuffle):
                loss = self.baseline.learn(rows_of(rollout.obs, chosen), value[chosen])
                self._require_finite("baseline loss", loss)
        return loss

    def _learn_critic(self, lessons: list[Lesson]) -> Tensor | None:
        """Only when every update on the actions is made: until then it must not have seen them."""
        critic, loss = self.critic, None
        if critic is None:
            return None
        for lesson in lessons:
            loss = critic.learn(lesson)
            self._require_finite("critic loss", loss)
        return loss

    def _require_terms(self, terms: dict[str, Tensor], minibatch: Minibatch) -> None:
        if not finite(terms.values()):  # all at once, and one by one only to name it
            for name, term in terms.items():
                self._require_finite(name, term, rows=minibatch)

    def _require_finite(self, term: str, *tensors: Tensor, rows: Minibatch | None = None) -> None:
        if not finite(tensors):
            if rows is not None:  # a sum does not tell whose it is
                tensors = rows.chain.log_prob, rows.estimate.surrogate, rows.advantage
            raise self.set_back(term, self.replicas.spoilt(tensors))

    def _record(
        self, rollout: Rollout, entropy: Tensor, loss: Tensor, critic_loss: Tensor | None
    ) -> None:
        mean = self.replicas.mean
        found = {
            **played_figures(rollout, self.config.discount, mean),
            "entropy": entropy,
            "baseline_loss": loss,
            **merit_figures(rollout, mean, self.curves),
        }
        if critic_loss is not None:
            found["critic_loss"] = critic_loss
        self.curves.setdefault("episodes", []).append(float(self.played))
        for name, value in found.items():
            self.curves.setdefault(name, []).append(value.tolist())
