"""The off-policy loop: one soft actor-critic, three named choices.

It is a loop of its own because nothing of the on-policy one fits: there a batch is learnt from and
thrown away, here every update draws from all that was played. The playing is the same, see
:func:`~entropy_rl.algorithms.play_episodes`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.algorithms.curves import merit_figures, played_figures
from entropy_rl.algorithms.divergence import TrainingDiverged, finite
from entropy_rl.algorithms.fit import check_fit
from entropy_rl.algorithms.off_policy_choices import ACTORS, TARGETS, TEMPERATURES, Draw
from entropy_rl.algorithms.off_policy_config import OffPolicyConfig
from entropy_rl.algorithms.optimisers import make_optimiser
from entropy_rl.algorithms.replay import Replay, transitions
from entropy_rl.algorithms.rollout import Rollout, play_episodes
from entropy_rl.algorithms.snapshot import copied, episodes_of, fields_of
from entropy_rl.algorithms.twin_critic import TwinCritic
from entropy_rl.conditionals import Chain, without_features
from entropy_rl.envs import Core
from entropy_rl.losses import baseline_loss

# The critics' initial weights come from another stream than the policy's, which callers seed.
_CRITIC_STREAM = 0xC717


class OffPolicyTrainer:
    """The state of a training, and :meth:`step`: play a batch of stretches, then update.

    An update draws a minibatch from the replay and takes one step each of

        critics       towards y = r + γ (min Q̄(s', a') - α log π(a' | s'))
        policy        down mean[α log π(a | s) - min Q(s, a)], a reparametrised
        temperature   log α down α mean[Ĥ - H̄]

    (liu2020, figure 1; its line 14 has Q₁ where the smaller of the two is taken here.)

    Args:
        env: the batched core of an environment.
        policy: a policy for its spaces with ``sample`` and ``rsample``; trained in place.
        config: all hyper-parameters.
        seed: of all draws, and of the critics' initial weights, in [0, 2⁶³). The same seed gives
            the same numbers on the same device.

    Raises:
        ValueError: a policy that does not fit the environment, is stacked, is not finite or cannot
            be reparametrised, a seed out of range, or no target entropy where the policy has none.
    """

    def __init__(self, env: Core[Any], policy: Any, config: OffPolicyConfig, seed: int) -> None:
        check_fit(env, policy)
        if getattr(policy, "replicas", 1) != 1:
            raise _validate.fail("policy", "one alone: no stack off-policy", policy.replicas)
        if not hasattr(policy, "rsample"):
            expected = "one that can be reparametrised, such as 'squashed'"
            raise _validate.fail("policy", expected, type(policy).__name__)
        if not finite(policy.parameters()):
            raise _validate.fail("policy", "finite parameters", "NaN or infinity among them")
        self.env, self.policy, self.config = env, policy, config
        self.target_entropy = _target_entropy(policy, config)
        self.device = next(policy.parameters()).device
        _validate.seed("seed", seed)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        c = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed ^ _CRITIC_STREAM)
            self.critic = TwinCritic(
                env.observation_space, policy.d, c.critic_hidden, c.critic_layers, c.optimiser,
                c.critic_learning_rate, c.polyak, self.device,
            )  # fmt: skip
        self.log_temperature = torch.nn.Parameter(
            torch.tensor(math.log(c.temperature), device=self.device)
        )
        # One optimiser of both: at these sizes an update is mostly the overhead of its calls.
        self.optimiser = make_optimiser(c.optimiser, policy.parameters(), c.learning_rate)
        self.optimiser.add_param_group(
            {"params": [self.log_temperature], "lr": c.temperature_learning_rate}
        )
        self.replay = Replay(c.capacity, c.batch * c.cap)
        self.batches = c.episodes // c.batch
        self.played = self.steps = self.updates = 0
        self.curves: dict[str, list[Any]] = {}
        self.running: Any = None
        self._good = self._snapshot()

    @property
    def temperature(self) -> float:
        """α, reward per nat."""
        return self.log_temperature.exp().item()

    @property
    def finished(self) -> bool:
        """Whether all stretches have been played."""
        return self.played >= self.config.episodes

    def step(self) -> None:
        """Play one batch of stretches, remember it, and make the updates that are due.

        Raises:
            TrainingDiverged: a loss or parameter that is not finite.
        """
        c = self.config
        self._require_finite(
            {
                **dict(self.policy.named_parameters()),
                **{f"critic {k}": v for k, v in self.critic.network.named_parameters()},
                **{f"slow critic {k}": v for k, v in self.critic.slow.named_parameters()},
                "temperature": self.log_temperature,
            }
        )
        self._good = self._snapshot()
        with torch.no_grad():
            rollout = play_episodes(
                self.env, self._sample, c.batch, c.cap, c.discount, self.generator, self.updates,
                continuing=True, running=self.running,
            )  # fmt: skip
        self.running = rollout.running
        self.replay.add(transitions(rollout))
        self.played += c.batch
        self.steps += len(rollout)
        found = [torch.full((2,), torch.nan)]
        if self.steps >= c.learning_starts:
            found = [self._update() for _ in range(c.updates_per_batch)]
            self._require_finite(dict(self.policy.named_parameters()))
        self._record(rollout, *torch.stack(found).mean(0))

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed training needs to go on with the same numbers, copied."""
        rest = {"replay": self.replay.state_dict(), "curves": copied(self.curves)}
        return {**self._snapshot(), **rest}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned, under the same configuration."""
        self.replay.load_state_dict(state["replay"], self.device)
        self.curves = copied(state["curves"])
        self._restore(state)

    def _snapshot(self) -> dict[str, Any]:
        """The state without what only grows: the curves, and the rows of the replay."""
        running = {} if self.running is None else {"running": fields_of(self.running)}
        return {
            **running,
            "policy": copied(self.policy.state_dict()),
            "optimiser": copied(self.optimiser.state_dict()),
            "critic": self.critic.state_dict(),
            "log_temperature": self.log_temperature.detach().clone(),
            "generator": self.generator.get_state(),
            "counts": (self.played, self.steps, self.updates, self.replay.added),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.policy.load_state_dict(state["policy"])
        # An optimiser keeps the tensors that it is given, and changes them in place.
        self.optimiser.load_state_dict(copied(state["optimiser"]))
        self.critic.load_state_dict(state["critic"])
        with torch.no_grad():
            self.log_temperature.copy_(state["log_temperature"])
        self.generator.set_state(state["generator"])
        self.running = episodes_of(self.env, state.get("running"), self.device)
        # Of a batch that is taken back the rows lie where none are drawn from.
        self.played, self.steps, self.updates, self.replay.added = state["counts"]
        self._good = self._snapshot()

    def _sample(self, obs: Any) -> Chain:
        chain = without_features(self.policy.sample(obs, self.generator))
        self._require_finite({"actions": chain.actions, "log-probabilities": chain.log_prob})
        return chain

    def _update(self) -> Tensor:
        """One step of each part; ``(2,)``, the critics' loss and the entropy before it."""
        c = self.config
        index = torch.randint(
            len(self.replay), (c.minibatch,), generator=self.generator, device=self.device
        )
        t = self.replay.at(index)
        draw = Draw(t, self.policy, self.critic, self.temperature, self.generator, c.row_options)
        target = TARGETS[c.row.target](draw)
        values = self.critic.both(t.obs, t.actions)
        loss = self.critic.descend(baseline_loss(values, target.expand(2, -1), "mse"))
        act = ACTORS[c.row.actor](draw)
        _differentiate(act.loss, list(self.policy.parameters()))
        dual = TEMPERATURES[c.row.temperature]
        if dual is not None:
            assert self.target_entropy is not None
            _differentiate(
                dual(self.log_temperature, act.entropy, self.target_entropy),
                [self.log_temperature],
            )
        self.optimiser.step()
        self.critic.follow()
        self._require_finite(
            {
                "critic loss": loss,
                "policy loss": act.loss.detach(),
                "temperature": self.log_temperature.detach(),
            }
        )
        self.updates += 1
        return torch.stack([loss, act.entropy.mean()])

    def _require_finite(self, terms: dict[str, Tensor]) -> None:
        if finite(terms.values()):
            return
        term = next(name for name, x in terms.items() if not finite([x]))
        update = self.updates
        self._restore(self._good)
        raise TrainingDiverged(update, term, self.state_dict())

    def _record(self, rollout: Rollout, critic_loss: Tensor, entropy: Tensor) -> None:
        found = {
            **played_figures(rollout, self.config.discount, torch.mean),
            "entropy": entropy,
            "entropy_played": -rollout.chain.log_prob.mean(),
            "temperature": self.log_temperature.detach().exp(),
            "critic_loss": critic_loss,
            **merit_figures(rollout, torch.mean, self.curves),
        }
        self.curves.setdefault("episodes", []).append(float(self.played))
        for name, value in found.items():
            self.curves.setdefault(name, []).append(value.item())


def _differentiate(loss: Tensor, parameters: list[Any]) -> None:
    """The gradient of these parameters; of what else the loss went through none is made."""
    moved = [p for p in parameters if p.requires_grad]
    gradients = torch.autograd.grad(loss, moved, allow_unused=True)
    for parameter, gradient in zip(moved, gradients, strict=True):
        parameter.grad = gradient


def _target_entropy(policy: Any, config: OffPolicyConfig) -> float | None:
    """H̄ of the configuration, or that of a squashed Gaussian; None where nothing reads it.

    Raises:
        ValueError: none is given and the policy is not squashed, or more than the actions can have.
    """
    half_ranges, given = getattr(policy, "half_ranges", None), config.target_entropy
    if TEMPERATURES[config.row.temperature] is None:
        return None
    if given is not None:
        most = math.inf if half_ranges is None else sum(math.log(2 * s) for s in half_ranges)
        if given >= most:
            raise _validate.fail("target_entropy", f"less than {most:.4g}, a uniform's", given)
        return given
    if half_ranges is None:
        expected = "a number, for a policy that is not a squashed Gaussian"
        raise _validate.fail("target_entropy", expected, None)
    return sum(math.log(s) - 1.0 for s in half_ranges)
