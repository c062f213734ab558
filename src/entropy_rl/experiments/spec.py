"""One run, said completely: what decides its numbers, and the hash of that."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from entropy_rl import _validate
from entropy_rl.algorithms import (
    OFF_POLICY_ALGORITHMS,
    OffPolicyConfig,
    OnPolicyConfig,
    Preset,
)
from entropy_rl.algorithms.presets import make_environment
from entropy_rl.algorithms.runs import EVALUATION_SEED
from entropy_rl.distributed.learner import check_config
from entropy_rl.envs import ClosedForm, Core
from entropy_rl.policies import POLICIES, family_options, stack_policies

FORMAT = "entropy_rl.run/1"
DEVICES = ("cpu", "cuda")

# What was added after the format was fixed, under "run" (the spec's own), "config" (of the
# on-policy loop), "off_policy", "evaluation", or the name of an environment, of a policy, or of an
# algorithm whose row has a new option, each with the value that means what runs did before it
# existed. At that value it is not written, so that a new field changes the hash of no run that is
# stored. A value here is not a default: it may never change.
LATER: dict[str, dict[str, Any]] = {
    "run": {"workers": 0},
    "config": {
        "baseline_optimiser": "adam",
        "beta_decay": False,
        "continuing": False,
        "lag": 0,
        "stagger": 0,
        "baseline_epochs": None,
        "baseline_minibatches": None,
        "value_weight": 0.5,
    },
    "evaluation": {"exact": False, "greedy": False},
    "gaussian": {
        "variance": "local",
        "clipped_entropy": False,
        "activation": "tanh",
        "bounded_mean": False,
        "clipped_actions": False,
    },
}


@dataclass(frozen=True)
class EvaluationSpec:
    """How a trained policy is judged: ``episodes`` sampled ones, cut at ``cap`` steps.

    Args:
        episodes: ≥ 2, since every mean is stored with its interval.
        cap: steps after which one of them counts as unfinished, ≥ 1.
        seed: of starts and draws; one for all runs, so that all are judged on the same starts.
        exact: whether also by what the environment has in closed form.
        greedy: whether also by its most likely actions, from the same starts.

    Raises:
        ValueError: a value out of range.
    """

    episodes: int = 1_000
    cap: int = 10_000
    seed: int = EVALUATION_SEED
    exact: bool = False
    greedy: bool = False

    def __post_init__(self) -> None:
        _validate.positive_integer("episodes", self.episodes)
        if self.episodes < 2:
            raise _validate.fail("episodes", "at least 2, for an interval", self.episodes)
        _validate.positive_integer("cap", self.cap)
        _validate.seed("seed", self.seed)
        _validate.boolean("exact", self.exact)
        _validate.boolean("greedy", self.greedy)


@dataclass(frozen=True, eq=False)
class RunSpec:
    """Everything that decides a run's numbers, and nothing else.

    Options that are not given are written out at construction, so that a later change of a default
    cannot change what a stored spec means. Two specs are equal if and only if their hashes are.

    Args:
        environment: a key of :data:`entropy_rl.algorithms.ENVIRONMENTS`.
        policy: a name of :data:`entropy_rl.policies.POLICIES`.
        config: of the training loop.
        seed: of the initial parameters and of all draws in training, in [0, 2⁶³); the first one of
            those that are stacked.
        environment_options: of the environment.
        policy_options: of the policy.
        evaluation: of the trained policy.
        device: "cpu" or "cuda".
        replicas: R ≥ 1, how many seeds from ``seed`` on are stacked in one training. Each begins
            and draws as in a run of its own; rounding differs, and after some hundred updates so
            do the numbers. So it is part of what is said.
        workers: of an asynchronous run, :func:`entropy_rl.distributed.train_async`; 0 for none.
            What it says is then how, not which numbers: the same spec does not give them again.

    Raises:
        ValueError: an unknown name or option, a value out of range or that JSON cannot hold, an
            exact evaluation of an environment without a closed form, what workers cannot do,
            replicas off-policy.
    """

    environment: str
    policy: str
    config: OnPolicyConfig | OffPolicyConfig
    seed: int
    environment_options: Mapping[str, Any] = field(default_factory=dict)
    policy_options: Mapping[str, Any] = field(default_factory=dict)
    evaluation: EvaluationSpec = field(default_factory=EvaluationSpec)
    device: str = "cpu"
    replicas: int = 1
    workers: int = 0

    def __post_init__(self) -> None:
        _validate.seed("seed", self.seed)
        _validate.choice("device", self.device, DEVICES)
        _validate.positive_integer("replicas", self.replicas)
        _validate.seed("seed", self.seeds[-1])
        if self.replicas > 1 and isinstance(self.config, OffPolicyConfig):
            raise _validate.fail("replicas", "1, off-policy", self.replicas)
        if _validate.natural("workers", self.workers):
            check_config(self.config, self.workers)
            for name, only in (("replicas", 1), ("device", "cpu")):
                if getattr(self, name) != only:
                    raise _validate.fail(name, f"{only!r}, for workers", getattr(self, name))
        given = _plain("environment_options", self.environment_options)
        env = make_environment(self.environment, given)
        if self.evaluation.exact and not isinstance(env, ClosedForm):
            raise _validate.fail("evaluation", f"exact=False for {self.environment!r}", True)
        known = {x.name: getattr(env, x.name) for x in fields(env) if x.init}  # type: ignore[arg-type]
        own = _plain("policy_options", self.policy_options)
        family = _family_defaults(self.policy)
        for option in own:
            _validate.choice("policy_options", option, family)
        config = replace(self.config, options=self.config.row_options)
        for name, value in (
            ("environment_options", _plain("environment_options", known)),
            (
                "policy_options",
                _plain("policy_options", {**family, **env.policy_defaults(self.policy), **own}),
            ),
            ("config", type(config)(**_plain("config", asdict(config)))),
            ("evaluation", EvaluationSpec(**_plain("evaluation", asdict(self.evaluation)))),
        ):
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, preset: Preset, seed: int, evaluation: EvaluationSpec | None = None) -> RunSpec:
        """A preset with a seed; its prose is left behind."""
        return cls(
            preset.environment,
            preset.policy,
            preset.config,
            seed,
            preset.environment_options,
            preset.policy_options,
            evaluation or EvaluationSpec(),
        )

    @classmethod
    def from_json(cls, data: Any) -> RunSpec:
        """The spec that :meth:`to_json` wrote.

        Raises:
            ValueError: another format, a field that is missing, or one that is not known.
        """
        if not isinstance(data, Mapping):
            raise _validate.fail("spec", "an object", type(data).__name__)
        if data.get("format") != FORMAT:
            raise _validate.fail("format", repr(FORMAT), repr(data.get("format")))
        data = _completed("spec", "run", data, ["format", *(x.name for x in fields(cls))])
        for name in ("environment_options", "policy_options", "config", "evaluation"):
            if not isinstance(data[name], Mapping):
                raise _validate.fail(name, "an object", type(data[name]).__name__)
        kind = _config_kind(data["config"])
        config = _completed("config", _section(kind), data["config"], _names(kind))
        if isinstance(config["options"], Mapping):
            config["options"] = {**LATER.get(config["algorithm"], {}), **config["options"]}
        seen = _completed("evaluation", "evaluation", data["evaluation"], _names(EvaluationSpec))
        env = make_environment(data["environment"], {})
        known = [x.name for x in fields(env) if x.init]  # type: ignore[arg-type]
        rest = {name: data[name] for name in ("environment", "policy", "seed", "device")}
        return cls(
            **rest,
            replicas=data["replicas"],
            workers=data["workers"],
            config=kind(**config),
            evaluation=EvaluationSpec(**seen),
            environment_options=_completed(
                "environment_options", data["environment"], data["environment_options"], known
            ),
            policy_options=_completed(
                "policy_options",
                data["policy"],
                data["policy_options"],
                list(_family_defaults(data["policy"])),
            ),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data, complete."""
        return {
            "format": FORMAT,
            "environment": self.environment,
            "environment_options": _written(self.environment, self.environment_options),
            "policy": self.policy,
            "policy_options": _written(self.policy, self.policy_options),
            "config": {
                **_written(_section(type(self.config)), asdict(self.config)),
                "options": _written(self.config.algorithm, self.config.options),
            },
            "seed": self.seed,
            "evaluation": _written("evaluation", asdict(self.evaluation)),
            "device": self.device,
            "replicas": self.replicas,
            **_written("run", {"workers": self.workers}),
        }

    @cached_property
    def canonical(self) -> str:
        """The JSON that is hashed, with sorted keys, no spaces, and 1.0 written as 1."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @cached_property
    def hash(self) -> str:
        """The first 16 hexadecimal digits of SHA-256 of :attr:`canonical`."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunSpec) and self.canonical == other.canonical

    def __hash__(self) -> int:
        return hash(self.canonical)

    @property
    def seeds(self) -> range:
        """Of the replicas, or the one."""
        return range(self.seed, self.seed + self.replicas)

    @property
    def on_each_device(self) -> tuple[RunSpec, ...]:
        """The spec and the same on every other device; an experiment takes either's run."""
        if self.workers:
            return (self,)
        others = (replace(self, device=device) for device in DEVICES if device != self.device)
        return (self, *others)

    def make(self) -> tuple[Core[Any], Any]:
        """The environment and a fresh policy on the spec's device; of replicas the stacked one."""
        preset = Preset(
            self.environment,
            self.policy,
            self.config,
            "",
            dict(self.environment_options),
            dict(self.policy_options),
        )
        made = [preset.make(seed) for seed in self.seeds]
        env, policy = made[0]
        if self.replicas > 1:
            policy = stack_policies([policy for _, policy in made])
        return env, policy.to(self.device)


def _family_defaults(policy: str) -> dict[str, Any]:
    return family_options(POLICIES[_validate.choice("policy", policy, POLICIES)])


def _config_kind(data: Mapping[str, Any]) -> type[OnPolicyConfig] | type[OffPolicyConfig]:
    """The loop's, which the name of the algorithm tells."""
    return OffPolicyConfig if data.get("algorithm") in OFF_POLICY_ALGORITHMS else OnPolicyConfig


def _section(kind: type[Any]) -> str:
    return "off_policy" if kind is OffPolicyConfig else "config"


def _names(kind: type[Any]) -> list[str]:
    return [x.name for x in fields(kind)]


def _check_fields(name: str, data: Mapping[str, Any], names: list[str]) -> None:
    for key in data:
        _validate.choice(name, key, names)
    for key in names:
        if key not in data:
            raise _validate.fail(name, f"a field {key!r}", "none")


def _completed(
    name: str, section: str, data: Mapping[str, Any], names: list[str]
) -> dict[str, Any]:
    """``data`` with what was added later; anything else that is missing is refused."""
    complete = {**LATER.get(section, {}), **data}
    _check_fields(name, complete, names)
    return complete


def _written(section: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """``data`` without what was added later and is as if it did not exist."""
    later, plain = LATER.get(section, {}), _plain(section, data)
    return {k: v for k, v in plain.items() if k not in later or v != later[k]}


def _plain(name: str, x: Any) -> Any:
    """``x`` as JSON has it, equal numbers being written alike.

    Raises:
        ValueError: anything that JSON cannot hold, among it NaN and infinity.
    """
    if x is None or isinstance(x, (bool, int, str)):
        return x
    if isinstance(x, float):
        if not math.isfinite(x):
            raise _validate.fail(name, "finite numbers", x)
        return int(x) if x.is_integer() and abs(x) < 2**53 else x
    if isinstance(x, (list, tuple)):
        return [_plain(name, item) for item in x]
    if isinstance(x, Mapping) and all(isinstance(key, str) for key in x):
        return {key: _plain(name, value) for key, value in x.items()}
    raise _validate.fail(name, "plain data (numbers, text, lists, None)", type(x).__name__)
