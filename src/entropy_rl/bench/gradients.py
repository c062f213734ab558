"""How much the gradients of the entropy scatter in training, how biased they are, what they cost.

``python -m entropy_rl.bench.gradients --out data/measured/gradients-5.json`` trains the LSTM on
Hunters-and-Rabbits with a critic of the entropy to go, and looks at it four times: at the start, at
a quarter, at half and at the end. Each time, with that policy and that critic,

- *states*: actions are drawn again and again in the same states, and the gradient of the mean
  entropy is compared between estimators; with ``--exact`` also with the true gradient, by the tree
  of prefixes;
- *batches*: whole batches are played again and again, as large as one update of the training sees.
  The reward's gradient is there too, and with it the variance of the whole update;

and, at the start and at the end, what a training costs with each estimator. What is compared is
computed from the same draws. The table that is written is tidy: a row a number.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl._threads import one_thread
from entropy_rl.algorithms import ADVANTAGES, Preset, Rollout, Trainer, play_episodes, preset, train
from entropy_rl.algorithms.rollout import rows_of
from entropy_rl.algorithms.runs import check_writable, commit
from entropy_rl.bench.moments import interval, squared_bias, variance
from entropy_rl.bench.timing import interleave, ratio
from entropy_rl.estimators import (
    entropy_to_go,
    sampled_entropy_to_go,
    smoothed,
    unbiased_gradient,
)
from entropy_rl.experiments import RunSpec
from entropy_rl.experiments.files import dump_record, load_record, write_whole
from entropy_rl.experiments.runner import hardware, versions
from entropy_rl.losses import policy_gradient_loss
from entropy_rl.stepwise import Observation, tree_entropy

FORMAT = "entropy_rl.gradients/1"
SHARES = (0.0, 0.25, 0.5, 1.0)
BETA = 0.031  # zhang2018, Appendix A: of Theorem 4 with the LSTM
CHUNK = 8  # states whose trees are walked at once: at d = 5 a tree has up to 7,381 prefixes

Row = dict[str, Any]
Advance = Callable[[], Any]


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Args:
        hunters: d, the components of an action, ≥ 2.
        episodes: of the training.
        draws: K, of every gradient, ≥ 3.
        rounds: of the costs.
        states: in which actions are drawn again.
        batch: episodes played again, those of one update.
        exact: whether to compare with the exact gradient and baseline.
        seed: of everything.

    Raises:
        ValueError: a value out of range.
    """

    hunters: int = 5
    episodes: int = 20_480
    draws: int = 64
    rounds: int = 21
    states: int = 512
    batch: int = 64
    exact: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("hunters", "episodes", "draws", "rounds", "states", "batch"):
            _validate.positive_integer(name, getattr(self, name))
        for name, least in (("hunters", 2), ("draws", 3)):
            _validate.at_least(name, getattr(self, name), least)
        _validate.boolean("exact", self.exact)
        _validate.seed("seed", self.seed)

    @property
    def preset(self) -> Preset:
        """The training: the preset "hunters" with Theorem 4 and a critic."""
        chosen = preset("hunters").but(
            episodes=self.episodes,
            entropy="unbiased_gradient",
            entropy_baseline="critic",
            beta=BETA,
        )
        options = {**chosen.environment_options, "hunters": self.hunters}
        return replace(chosen, environment_options=options)


def measure(settings: Settings, progress: bool = True) -> list[Row]:
    """The rows of the table; see the module's head.

    Returns:
        for each number ``share`` of the training, ``where``, ``estimator``, ``quantity``, and
        ``value`` with its 95 % interval from ``low`` to ``high`` (None where there is none).
    """
    env, policy = settings.preset.make(settings.seed)
    trainer = Trainer(env, policy, settings.preset.config, settings.seed)
    looks = {round(share * trainer.batches) for share in SHARES}
    costs = 2 * 3 * (settings.rounds + 1)
    total = trainer.batches + len(looks) * 2 * settings.draws + costs
    rows: list[Row] = []
    with _bar(total, progress) as advance:
        for batch in range(trainer.batches + 1):
            if batch:
                trainer.step()
                advance()
            if batch in looks:
                found = look(trainer, settings, batch, advance)
                if batch in (0, trainer.batches):
                    found += costs_of(settings, trainer.policy, advance)
                rows += [{"share": batch / trainer.batches, **row} for row in found]
    return rows


def look(trainer: Trainer, settings: Settings, batch: int, advance: Advance) -> list[Row]:
    """One look at a training, which it leaves as it was."""
    generator = torch.Generator().manual_seed(settings.seed + 1_000_003 * (batch + 1))
    rollout = play(trainer, settings, generator)
    chain = rollout.chain
    mean_to_go = sampled_entropy_to_go(chain).mean(0)
    chosen = torch.randperm(len(rollout), generator=generator)[: settings.states]
    rows = [
        _row("batches", "", "states", len(rollout)),
        _row("batches", "", "length", float(rollout.lengths.double().mean())),
        _row("batches", "", "entropy", float(smoothed(chain).value.mean())),
        _row("states", "", "states", len(chosen)),
    ]
    obs = rows_of(rollout.obs, chosen)
    rows += in_states(trainer, settings, obs, mean_to_go, generator, advance)
    return rows + in_batches(trainer, settings, mean_to_go, generator, advance)


def play(trainer: Trainer, settings: Settings, generator: torch.Generator) -> Rollout:
    """A batch of episodes of the present policy, in float32, as the training plays them."""
    c = trainer.config

    def act(obs: Observation) -> Any:
        return trainer.policy.sample(obs, generator)

    with torch.no_grad():
        return play_episodes(
            trainer.env, act, settings.batch, c.cap, c.discount, generator, trainer.updates
        )


def surrogates(
    trainer: Trainer, obs: Observation, chain: Any, mean_to_go: Tensor, to_go: Tensor | None
) -> dict[str, Tensor]:
    """Each estimator's surrogate, averaged over the states.

    Args:
        trainer: whose policy and critic.
        obs: ``(N, …)``.
        chain: with its graph.
        mean_to_go: ``(d,)``, of another batch: the baseline that is the same in every state.
        to_go: ``(N, d)``, exactly, or None.
    """
    critic = trainer.critic
    assert critic is not None  # the preset has it
    baselines: dict[str, Tensor | None] = {
        "unbiased_gradient": None,
        "constant": mean_to_go.expand(chain.actions.shape),
        "critic": critic.provide(trainer.policy, obs, chain),
    }
    if to_go is not None:
        baselines["to_go"] = to_go
    found = {name: unbiased_gradient(chain, b).surrogate.mean() for name, b in baselines.items()}
    return {"smoothed": smoothed(chain).surrogate.mean(), **found}


def in_states(
    trainer: Trainer,
    settings: Settings,
    obs: Observation,
    mean_to_go: Tensor,
    generator: torch.Generator,
    advance: Advance,
) -> list[Row]:
    """Variance, and bias, over draws of the actions in the states ``obs``."""
    policy = trainer.policy
    with torch.no_grad():
        actions = torch.stack(
            [policy.sample(obs, generator).actions for _ in range(settings.draws)]
        )
    to_go = exactly_to_go(policy, obs, actions) if settings.exact else None
    draws: dict[str, list[Tensor]] = {}
    for k, path in enumerate(actions):
        chain = policy.conditionals(obs, path)
        exactly = None if to_go is None else to_go[k]
        for name, surrogate in surrogates(trainer, obs, chain, mean_to_go, exactly).items():
            draws.setdefault(name, []).append(flat_gradient(surrogate, policy))
        advance()
    stacked = {name: torch.stack(found) for name, found in draws.items()}
    rows = variances("states", "", stacked)
    if to_go is not None:
        true = exact_gradient(policy, obs)
        squared = float(true.double().square().sum())
        rows.append(_row("states", "exact", "squared_gradient", squared))
        for name, found in stacked.items():
            share = interval(squared_bias(found, true) / squared)
            rows.append(_row("states", name, "squared_bias_share", *share))
        rows += errors(trainer, obs, actions, mean_to_go, to_go)
    return rows


def in_batches(
    trainer: Trainer,
    settings: Settings,
    mean_to_go: Tensor,
    generator: torch.Generator,
    advance: Advance,
) -> list[Row]:
    """Variance over whole batches: of the entropy's gradient, and of the update it is part of."""
    policy = trainer.policy
    draws: dict[str, list[Tensor]] = {}
    rewards: list[Tensor] = []
    for _ in range(settings.draws):
        rollout = play(trainer, settings, generator)
        context = trainer.context(rollout)
        advantage = rollout.rows(ADVANTAGES[trainer.config.row.advantage](context).advantage)
        chain = policy.conditionals(rollout.obs, rollout.chain.actions)
        reward = -policy_gradient_loss(chain.log_prob, advantage)
        rewards.append(flat_gradient(reward, policy))
        found = surrogates(trainer, rollout.obs, chain, mean_to_go, None)
        for name, surrogate in found.items():
            draws.setdefault(name, []).append(flat_gradient(surrogate, policy))
        advance()
    stacked, reward = {name: torch.stack(x) for name, x in draws.items()}, torch.stack(rewards)
    updates = {name: reward + trainer.config.beta * x for name, x in stacked.items()}
    return [
        _row("batches", "reward", "variance", *interval(variance(reward))),
        *variances("batches", "", stacked),
        *variances("batches", "update_", updates),
    ]


def variances(where: str, prefix: str, draws: dict[str, Tensor]) -> list[Row]:
    """The variance of each estimator, and its ratio to that of the smoothed one."""
    found = {name: variance(x) for name, x in draws.items()}
    rows = []
    for name, spread in found.items():
        over = interval(spread / found["smoothed"])
        rows.append(_row(where, name, f"{prefix}variance", *interval(spread)))
        rows.append(_row(where, name, f"{prefix}variance_over_smoothed", *over))
    return rows


def errors(
    trainer: Trainer, obs: Observation, actions: Tensor, mean_to_go: Tensor, to_go: Tensor
) -> list[Row]:
    """How far the baselines are from the true one: root mean squares over states, draws and j < d.

    Args:
        trainer: whose policy and critic.
        obs: ``(N, …)``.
        actions: ``(K, N, d)``.
        mean_to_go: ``(d,)``.
        to_go: ``(K, N, d)``.
    """
    critic, policy = trainer.critic, trainer.policy
    assert critic is not None
    with torch.no_grad():
        learnt = torch.stack(
            [critic.provide(policy, obs, policy.conditionals(obs, path)) for path in actions]
        )
    return [
        _row("states", name, "error", float((b - to_go)[..., :-1].square().mean().sqrt()))
        for name, b in (("constant", mean_to_go), ("critic", learnt))
    ] + [_row("states", "to_go", "spread", float(to_go[..., :-1].std((0, 1)).mean()))]


def exactly_to_go(policy: Any, obs: Observation, actions: Tensor) -> Tensor:
    """The exact baseline along ``actions (K, N, d)``, few trees at once."""
    parts = torch.arange(actions.shape[1]).split(CHUNK)
    return torch.cat(
        [entropy_to_go(policy, rows_of(obs, part), actions[:, part]) for part in parts], 1
    )


def exact_gradient(policy: Any, obs: Observation) -> Tensor:
    """The gradient of the mean exact entropy in the states, few trees at once, ``(P,)``."""
    count = len(policy.start(obs)[0])
    return torch.stack(
        [
            flat_gradient(tree_entropy(policy, rows_of(obs, part)).sum() / count, policy)
            for part in torch.arange(count).split(CHUNK)
        ]
    ).sum(0)


def flat_gradient(scalar: Tensor, policy: Any) -> Tensor:
    """The gradient with respect to all parameters, ``(P,)``; the graph is kept."""
    parts = torch.autograd.grad(scalar, list(policy.parameters()), retain_graph=True)
    return torch.cat([part.flatten() for part in parts])


def costs_of(settings: Settings, policy: Any, advance: Advance) -> list[Row]:
    """CPU-seconds a step of training, from this policy on, over those with "smoothed".

    In a round every estimator starts from the same parameters and the same seed, so that all play
    the same batch before their updates.
    """
    batch = settings.preset.config.batch

    def task(entropy: str, baseline: str | None) -> Callable[[], float]:
        chosen = settings.preset.but(entropy=entropy, entropy_baseline=baseline, episodes=batch)

        def run() -> float:
            env, _ = chosen.make(settings.seed)
            steps = train(env, copy.deepcopy(policy), chosen.config, settings.seed).steps
            advance()
            return steps

        return run

    found = interleave(
        {
            "smoothed": task("smoothed", None),
            "unbiased_gradient": task("unbiased_gradient", None),
            "critic": task("unbiased_gradient", "critic"),
        },
        settings.rounds,
    )
    rows = []
    for name, spent in found.items():
        over = ratio(spent, found["smoothed"])
        rows.append(_row("cost", name, "microseconds_a_step", 1e6 * float(np.median(spent))))
        rows.append(_row("cost", name, "cost_over_smoothed", over.median, over.low, over.high))
    return rows


def _row(
    where: str,
    estimator: str,
    quantity: str,
    value: float,
    low: float | None = None,
    high: float | None = None,
) -> Row:
    parts = {"where": where, "estimator": estimator, "quantity": quantity}
    return {**parts, "value": value, "low": low, "high": high}


@contextmanager
def _bar(total: int, show: bool) -> Iterator[Advance]:
    from tqdm.auto import tqdm

    with tqdm(total=total, disable=not show) as bar:
        yield bar.update


def record(settings: Settings, rows: list[Row], seconds: dict[str, float]) -> dict[str, Any]:
    """The file: settings, spec of the training, provenance, and the table."""
    return {
        "format": FORMAT,
        "settings": asdict(settings),
        "spec": RunSpec.of(settings.preset, settings.seed).to_json(),
        "commit": commit(),
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "hardware": hardware("cpu"),
        "seconds": seconds,
        "rows": rows,
    }


def load(path: Path) -> dict[str, Any]:
    """The record that :func:`main` wrote; its ``rows`` make a table.

    Raises:
        ValueError: naming the file, if it is truncated, altered or of another kind.
        FileNotFoundError: no such file.
    """
    try:
        found = load_record(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if found.get("format") != FORMAT:
        raise ValueError(f"{path}: expected format {FORMAT!r}, got {found.get('format')!r}")
    return found


def show(rows: list[Row]) -> None:
    """Print what is compared: a line an estimator and a look."""
    shown = (
        ("states", "variance_over_smoothed"),
        ("states", "squared_bias_share"),
        ("batches", "variance_over_smoothed"),
        ("batches", "update_variance_over_smoothed"),
        ("cost", "cost_over_smoothed"),
    )
    for where, quantity in shown:
        for row in rows:
            if (row["where"], row["quantity"]) == (where, quantity):
                print(
                    f"{where:8} {quantity:30} {row['share']:5.0%}  {row['estimator']:18}"
                    f"{row['value']:10.4g} [{row['low']:.4g}, {row['high']:.4g}]"
                )


def main(arguments: list[str] | None = None) -> None:
    """Measure, write the file and print what is in it.

    Raises:
        ValueError: a setting out of range, or a file that cannot be written: before it begins.
    """
    parser = argparse.ArgumentParser(prog="python -m entropy_rl.bench.gradients")
    for name, default in asdict(Settings()).items():
        if name == "exact":
            parser.add_argument("--exact", action="store_true", help="compare with the exact one")
        else:
            parser.add_argument(f"--{name}", type=int, default=default, help=f"({default})")
    parser.add_argument("--out", type=Path, required=True, help="the file, JSON")
    parser.add_argument("--quiet", action="store_true", help="no bar")
    given = vars(parser.parse_args(arguments))
    out, quiet = given.pop("out"), given.pop("quiet")
    settings = Settings(**given)
    check_writable("out", out)
    wall, cpu = time.perf_counter(), time.process_time()
    with one_thread():
        rows = measure(settings, not quiet)
        spent = {
            "wall": round(time.perf_counter() - wall, 1),
            "cpu": round(time.process_time() - cpu, 1),
        }
        write_whole(out, dump_record(record(settings, rows, spent)))
    show(rows)


if __name__ == "__main__":
    main()
