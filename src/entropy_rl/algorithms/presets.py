"""Configurations that are known to learn, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch

from entropy_rl import _validate
from entropy_rl.algorithms.choices import ALGORITHMS
from entropy_rl.algorithms.config import OnPolicyConfig
from entropy_rl.algorithms.off_policy_choices import OFF_POLICY_ALGORITHMS
from entropy_rl.algorithms.off_policy_config import OffPolicyConfig
from entropy_rl.envs import (
    Breakout,
    Core,
    HuntersRabbits,
    Pendulum,
    Tabular,
    TeamBandit,
    build,
)
from entropy_rl.policies import POLICIES, family_options, make_policy

ENVIRONMENTS: dict[str, Any] = {
    "hunters": HuntersRabbits,
    "bandit": TeamBandit,
    "pendulum": Pendulum,
    "tabular": Tabular,
    "breakout": Breakout,
}


def make_environment(name: str, options: dict[str, Any]) -> Core[Any]:
    """The batched core called ``name``.

    Raises:
        ValueError: unknown name or option (the nearest is suggested).
    """
    return build(ENVIRONMENTS[_validate.choice("environment", name, ENVIRONMENTS)], options)


@dataclass(frozen=True)
class Preset:
    """An environment, a policy and a configuration that go together.

    Args:
        environment: a key of :data:`ENVIRONMENTS`.
        environment_options: of that environment.
        policy: a name of :data:`entropy_rl.policies.POLICIES`.
        policy_options: of that family.
        config: of the loop.
        source: where it comes from.
    """

    environment: str
    policy: str
    config: OnPolicyConfig | OffPolicyConfig
    source: str
    environment_options: dict[str, Any] = field(default_factory=dict)
    policy_options: dict[str, Any] = field(default_factory=dict)

    def make(self, seed: int) -> tuple[Core[Any], Any]:
        """The environment and a fresh policy, its parameters drawn from ``seed``.

        Raises:
            ValueError: a seed out of range, an unknown name, spaces that the policy is not for.
        """
        _validate.seed("seed", seed)
        env = make_environment(self.environment, self.environment_options)
        options = {**env.policy_defaults(self.policy), **self.policy_options}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            policy = make_policy(self.policy, env.observation_space, env.action_space, **options)
        return env, policy

    @property
    def on_policy(self) -> OnPolicyConfig:
        """The configuration, of the on-policy loop.

        Raises:
            ValueError: it is of the off-policy loop.
        """
        if not isinstance(self.config, OnPolicyConfig):
            raise _validate.fail("preset", "one of the on-policy loop", self.config.algorithm)
        return self.config

    def with_policy(self, policy: str) -> Preset:
        """The same with another family; of the options those that it knows are kept."""
        family = POLICIES[_validate.choice("policy", policy, POLICIES)]
        known = family_options(family)
        options = {k: v for k, v in self.policy_options.items() if k in known}
        return replace(self, policy=policy, policy_options=options)

    def but(self, **changes: Any) -> Preset:
        """The same with some fields of the loop's configuration changed.

        Of ``options`` those that are not given stay as they are; with another algorithm, those
        that its row has.

        Raises:
            ValueError: a field that the loop does not have (the nearest is suggested), a bad value,
                an algorithm of the other loop.
        """
        known = [x.name for x in fields(self.config)]
        for name in changes:
            _validate.choice("changes", name, known)
        rows: Mapping[str, Any] = ALGORITHMS
        others: Mapping[str, Any] = OFF_POLICY_ALGORITHMS
        if isinstance(self.config, OffPolicyConfig):
            rows, others = others, rows
        algorithm = changes.get("algorithm", self.config.algorithm)
        if algorithm in others:
            expected = f"one of the loop of {self.config.algorithm!r}"
            raise _validate.fail("algorithm", expected, f"{algorithm!r}, which is of the other")
        given = changes.get("options", {})
        if algorithm in rows and isinstance(given, Mapping):
            kept = {k: v for k, v in self.config.options.items() if k in rows[algorithm].options}
            changes["options"] = {**kept, **given}
        return replace(self, config=replace(self.config, **changes))


PRESETS: dict[str, Preset] = {
    "hunters": Preset(
        "hunters",
        "lstm",
        OnPolicyConfig(
            episodes=150_000, batch=512, minibatches=8, learning_rate=4e-3, precision="bfloat16"
        ),
        "this project's: batched, zhang2018's weight; 5×5 with five hunters",
        environment_options={"observation": "one_hot"},
        policy_options={"hidden_size": 128},
    ),
    "hunters-small": Preset(
        "hunters",
        "lstm",
        OnPolicyConfig(episodes=40_000, batch=64, minibatches=1, learning_rate=1e-2),
        "this project's: 3×3 with two hunters, whose optimum is known exactly",
        environment_options={"size": 3, "hunters": 2},
        policy_options={"hidden_size": 64},
    ),
    "hunters-paper": Preset(
        "hunters",
        "lstm",
        OnPolicyConfig(
            episodes=1_000_000,
            batch=1,
            minibatches=1,
            cap=10_000,
            reduction="sum",
            optimiser="rmsprop",
            learning_rate=1e-3,
            decay=False,
            clip_gradient=1.0,
            baseline_loss="l1",
            baseline_optimiser="rmsprop",
            baseline_learning_rate=1e-3,
            first_visit=True,
        ),
        "zhang2018, appendix A: one episode an update",
        policy_options={"hidden_size": 128},
    ),
    "bandit": Preset(
        "bandit",
        "lstm",
        OnPolicyConfig(
            episodes=20_000,
            batch=64,
            minibatches=1,
            cap=1,
            baseline="running",
            beta=0.1,
            learning_rate=1e-2,
        ),
        "this project's: zhang2018's team of four on ten arms",
        policy_options={"hidden_size": 32},
    ),
    "pendulum": Preset(
        "pendulum",
        "gaussian",
        OnPolicyConfig(
            algorithm="sppo38",
            episodes=624,
            batch=16,
            cap=128,
            continuing=True,
            grouping="rows",
            minibatches=8,
            epochs=10,
            discount=0.95,
            beta=0.0375,
            learning_rate=1e-3,
            decay=False,
            baseline_learning_rate=1e-3,
        ),
        "this project's: 39 batches of 16 stretches of 128 steps; β of the code of liu2020",
        environment_options={"reward_shift": 8.0, "reward_scale": 1 / 8},
        policy_options={"hidden_size": 64, "layers": 2, "variance": "global"},
    ),
    "pendulum-sac": Preset(
        "pendulum",
        "squashed",
        OffPolicyConfig(
            temperature=0.1,
            learning_rate=1e-3,
            critic_learning_rate=1e-3,
            temperature_learning_rate=5e-3,
            critic_hidden=64,
            capacity=100_000,
        ),
        "this project's: 10,000 steps, an update for each; H̄ = -1 for actions in [-1, 1]",
        environment_options={"reward_shift": 8.0, "reward_scale": 1 / 8},
        policy_options={"hidden_size": 64},
    ),
    "patience": Preset(
        "tabular",
        "table",
        OnPolicyConfig(
            algorithm="sppo38",
            episodes=20_480,
            batch=256,
            cap=16,
            continuing=True,
            grouping="rows",
            minibatches=4,
            epochs=4,
            discount=0.99,
            beta=0.125,
            learning_rate=8e-2,
            baseline_learning_rate=1e-2,
            # Within a batch a probability rises or falls by little more than this share, and that
            # of quitting has to fall two thousandfold in eighty batches.
            options={"clip": 0.5},
        ),
        "this project's: where an entropy in the return finds what a bonus does not",
        environment_options={"process": "patience"},
        policy_options={"scale": 0.0},
    ),
    "breakout": Preset(
        "breakout",
        "convolutional",
        OnPolicyConfig(
            algorithm="ppo",
            episodes=8 * 1954,
            batch=8,
            cap=128,
            continuing=True,
            grouping="rows",
            minibatches=4,
            epochs=4,
            discount=0.99,
            # Theirs is .01 for advantages that are divided by their spread, about a fifth.
            beta=0.002,
            learning_rate=2.5e-4,
            clip_norm=0.5,
            baseline="shared",
            options={"clip": 0.1},
            precision="bfloat16",
        ),
        "PPO of OpenAI's baselines: two million steps, 1,954 batches of 8 stretches of 128; but "
        "advantages are not normalised, so that β is reward per nat",
        environment_options={"clip_rewards": True, "life_loss": True},
    ),
}


def trainable_policies() -> list[str]:
    """The families that at least one preset can be trained with."""

    def fits(chosen: Preset, family: str) -> bool:
        try:
            chosen.with_policy(family).make(0)
        except ValueError:  # spaces that the family is not for
            return False
        return True

    return [name for name in POLICIES if any(fits(chosen, name) for chosen in PRESETS.values())]


def preset(name: str) -> Preset:
    """The preset called ``name``.

    Raises:
        ValueError: unknown name (the nearest is suggested).
    """
    return PRESETS[_validate.choice("name", name, PRESETS)]
