"""One run: train, evaluate, store; checkpointed, and resumed to the same numbers."""

from __future__ import annotations

import hashlib
import io
import platform
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from entropy_rl import _validate
from entropy_rl._memory import keep_freed
from entropy_rl._threads import one_thread
from entropy_rl.algorithms import Evaluation, Trainer, TrainingDiverged, evaluate, make_trainer
from entropy_rl.algorithms.evaluation import with_mode
from entropy_rl.algorithms.runs import commit, known, processor
from entropy_rl.distributed.learner import Learner, learner_of
from entropy_rl.envs import Core
from entropy_rl.experiments.checkpoint import load_checkpoint, save_checkpoint
from entropy_rl.experiments.files import write_whole
from entropy_rl.experiments.spec import EvaluationSpec, RunSpec
from entropy_rl.experiments.store import Store
from entropy_rl.networks import has_bfloat16
from entropy_rl.policies import save_policy, unstack_policies

FIRST_UPDATES = 20
FIRST_BATCHES = 2
SAMPLED = 128
CHECKPOINT_SECONDS = 60.0


def run_spec(
    spec: RunSpec,
    store: Store,
    *,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    after_batch: Callable[[], None] | None = None,
    policies: Path | None = None,
) -> None:
    """Train and evaluate what ``spec`` says, and store it; go on where a killed run stopped.

    From then on the process keeps up to a gibibyte of what it frees.

    Args:
        spec: of the run.
        store: where to.
        checkpoint_seconds: least time between two checkpoints.
        after_batch: called after each batch of training, before its checkpoint.
        policies: a folder for the trained policy, which the store does not hold, as ``<hash>.pt``,
            or those of replicas as ``<hash>-<seed>.pt``; None for none.

    Raises:
        ValueError: an algorithm that is not registered in this process (a worker imports afresh,
            and knows what the package's own modules register); a configuration under which
            replicas cannot be stacked; workers without Ray.
        OSError: naming the file that could not be written; a cluster that does not answer, or
            whose workers are lost one after the other.
        TrainingDiverged: its last good state is in the store, as ``<hash>.diverged.pt``.
    """
    replace(spec.config)  # its checks once more: unpickled in a worker, it skipped them
    keep_freed()
    with one_thread():
        run = _Training(spec)
        path = store.path(spec.hash, "ckpt")
        if path.exists():
            try:
                run.load(load_checkpoint(path, spec))
            except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
                run = _Training(spec)  # what is half loaded is no beginning
                refused = isinstance(error, ValueError)
                run.begun_anew = str(error) if refused else f"{path}: of another version: {error}"
                warnings.warn(f"{run.begun_anew}; the run starts anew", stacklevel=2)
        saved = time.perf_counter()
        with run.workers():
            while not run.trainer.finished:
                try:
                    run.step()
                except TrainingDiverged as error:
                    _save_diverged(store.path(spec.hash, "diverged.pt"), spec, error)
                    raise
                if after_batch is not None:
                    after_batch()
                if time.perf_counter() - saved >= checkpoint_seconds and not run.trainer.finished:
                    save_checkpoint(path, spec, run.state())
                    saved = time.perf_counter()
        conclude(
            spec, store, run.env, run.policies(), run.trainer.curves, run.spent(),
            run.provenance(), policies,
        )  # fmt: skip


def conclude(
    spec: RunSpec,
    store: Store,
    env: Core[Any],
    made: Sequence[Any],
    curves: Mapping[str, Sequence[Any]],
    training: Mapping[str, float],
    provenance: Mapping[str, Any],
    policies: Path | None,
) -> None:
    """Evaluate what was trained, store it, and clear away what stood for it.

    Args:
        spec: of the run.
        store: where to.
        env: where it is evaluated.
        made: the trained policy of each seed.
        curves: of the training.
        training: its seconds, "wall" and "cpu".
        provenance: all that the sidecar says beside them.
        policies: a folder for the policies, or None.

    Raises:
        OSError: naming the file that could not be written.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    # On the same starts, whichever device they were trained on.
    here = [policy.cpu() for policy in made]
    evaluations = [_judge(env, policy, spec.evaluation) for policy in here]
    seconds = {
        "wall_seconds": {
            "training": training["wall"],
            "evaluation": round(time.perf_counter() - wall, 2),
        },
        "cpu_seconds": {
            "training": training["cpu"],
            "evaluation": round(time.process_time() - cpu, 2),
        },
    }
    if policies is not None:
        for seed, policy in zip(spec.seeds, here, strict=True):
            name = spec.hash if spec.replicas == 1 else f"{spec.hash}-{seed}"
            _save_policy(policies / f"{name}.pt", spec, policy)
    store.save(spec, curves, evaluations, {**provenance, **seconds})
    store.path(spec.hash, "ckpt").unlink(missing_ok=True)
    store.path(spec.hash, "diverged.pt").unlink(missing_ok=True)


def beginning(spec: RunSpec) -> dict[str, Any]:
    """The first twenty updates made again, as they stand in a sidecar.

    Returns:
        how many they were ("updates", the first number of whole batches ≥ 20) and the "sha256" of
        the parameters after them; for machines that round otherwise, how far a sample of the
        parameters "moved" in the first batch that has updates, and the
        "curves" of the first two.

    Raises:
        ValueError: an asynchronous run, which has no beginning that could be made again.
    """
    if spec.workers:
        raise _validate.fail("spec", "a run without workers", f"{spec.workers} of them")
    with one_thread():
        run = _Training(spec)
        while run.fingerprint is None:
            run.step()
        return run.fingerprint


def _judge(env: Core[Any], policy: Any, seen: EvaluationSpec) -> Evaluation:
    found = evaluate(env, policy, seen.episodes, seen.seed, cap=seen.cap, exact=seen.exact)
    if not seen.greedy:
        return found
    return with_mode(found, evaluate(env, policy, seen.episodes, seen.seed, True, seen.cap))


class _Training:
    """A trainer, the time it took over all its lives, and the fingerprint of its beginning."""

    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec
        self.env: Core[Any]
        self.env, self.policy = spec.make()
        seed = spec.seed if spec.replicas == 1 else spec.seeds
        self.trainer = make_trainer(self.env, self.policy, spec.config, seed)
        self.learner: Learner | None = None
        self.moved: list[float] = []
        self.fingerprint: dict[str, Any] | None = None
        self.begun_anew = ""
        self.commits = [commit_of_code()]
        self.before = {"wall": 0.0, "cpu": 0.0}
        self.started = {"wall": time.perf_counter(), "cpu": time.process_time()}

    @contextmanager
    def workers(self) -> Iterator[None]:
        """Within it, those that the spec asks for play; they are sent what the trainer is now."""
        if not self.spec.workers:
            yield
            return
        assert isinstance(self.trainer, Trainer)  # the spec has refused the other loop
        with learner_of(self.trainer, self.spec.seed, self.spec.workers) as self.learner:
            yield

    def step(self) -> None:
        trainer = self.trainer
        if self.learner is not None:
            self.learner.step()
            return
        before = parameters_sample(self.policy) if trainer.updates == 0 else None
        trainer.step()
        if before is not None:
            self.moved = (parameters_sample(self.policy) - before).tolist()
        if self.fingerprint is None and (trainer.updates >= FIRST_UPDATES or trainer.finished):
            self.fingerprint = fingerprint_of(
                self.policy, trainer.updates, self.moved, trainer.curves
            )

    def policies(self) -> list[Any]:
        """The policy, or the replicas as policies of their own."""
        return [self.policy] if self.spec.replicas == 1 else unstack_policies(self.policy)

    def spent(self) -> dict[str, float]:
        """Seconds of training, those of the lives before included."""
        now = {"wall": time.perf_counter(), "cpu": time.process_time()}
        if self.learner is not None:
            now["cpu"] += self.learner.cpu_seconds
        return {k: round(self.before[k] + now[k] - self.started[k], 2) for k in now}

    def state(self) -> dict[str, Any]:
        return {
            "trainer": self.trainer.state_dict(),
            "moved": self.moved,
            "fingerprint": self.fingerprint,
            "seconds": self.spent(),
            "commits": self.commits,
            "begun_anew": self.begun_anew,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.trainer.load_state_dict(state["trainer"])
        self.moved, self.fingerprint = state["moved"], state["fingerprint"]
        self.before = state["seconds"]
        self.commits = list(dict.fromkeys([*state["commits"], *self.commits]))
        self.begun_anew = state["begun_anew"]

    def provenance(self) -> dict[str, Any]:
        return {
            **provenance(self.spec, self.fingerprint, self.trainer.steps, self.trainer.updates),
            "commit": self.commits[-1],
            "commits_before": self.commits[:-1],  # of a run that was resumed by other code
            **({"begun_anew": self.begun_anew} if self.begun_anew else {}),
            **({"asynchronous": self.learner.summary()} if self.learner else {}),
        }


def fingerprint_of(
    policy: nn.Module, updates: int, moved: Sequence[float], curves: Mapping[str, Sequence[Any]]
) -> dict[str, Any]:
    """What :func:`beginning` returns, of a policy after its first updates."""
    return {
        "updates": updates,
        "sha256": parameters_sha256(policy),
        "moved": moved,
        "curves": {k: known(list(v[:FIRST_BATCHES])) for k, v in curves.items()},
    }


def provenance(
    spec: RunSpec, fingerprint: Mapping[str, Any] | None, steps: int, updates: int
) -> dict[str, Any]:
    """What a sidecar says of how a run was made, but for commits and times."""
    return {
        "first_updates": fingerprint,
        "steps": steps,
        "updates": updates,
        "threads": torch.get_num_threads(),
        "device": spec.device,
        "versions": versions(),
        "hardware": hardware(spec.device, precision_of(spec)),
    }


def is_here(device: str) -> bool:
    """Whether this machine has the device "cpu" or "cuda"."""
    return device == "cpu" or torch.cuda.is_available()


def versions() -> dict[str, str]:
    """Of what computes the numbers."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def precision_of(spec: RunSpec) -> str:
    """Of the policy's passes; the off-policy loop knows float32 alone."""
    return str(getattr(spec.config, "precision", "float32"))


def hardware(device: str, precision: str = "float32") -> dict[str, str]:
    """What the numbers are computed on, and how, if a processor has no bfloat16 of its own."""
    found = {"machine": platform.machine(), "processor": processor()}
    if device == "cpu" and precision == "bfloat16" and not has_bfloat16():
        found["bfloat16"] = "float32 products, rounded"
    if device != "cpu":
        found["accelerator"] = torch.cuda.get_device_name()
    return found


def parameters_sha256(policy: nn.Module) -> str:
    """SHA-256 of names, shapes and bytes of a policy's parameters."""
    digest = hashlib.sha256()
    for name, parameter in sorted(policy.named_parameters()):
        values = parameter.detach().cpu().numpy()
        digest.update(f"{name} {values.dtype} {values.shape}\n".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def parameters_sample(policy: nn.Module) -> np.ndarray:
    """At most 128 parameters, evenly spaced among all, in float64."""
    flat = nn.utils.parameters_to_vector(policy.parameters()).detach().cpu().double().numpy()
    return flat[:: -(-len(flat) // SAMPLED)]


@cache
def commit_of_code() -> str | None:
    """The commit of the code: asked once, because a process keeps the code it began with."""
    return commit()


def _save_diverged(path: Path, spec: RunSpec, error: TrainingDiverged) -> None:
    content = io.BytesIO()
    torch.save(
        {
            "spec": spec.canonical,
            "update": error.update,
            "term": error.term,
            "seeds": error.seeds,
            "last_good": error.last_good,
        },
        content,
    )
    write_whole(path, content.getvalue())


def _save_policy(path: Path, spec: RunSpec, policy: Any) -> None:
    content = io.BytesIO()
    save_policy(
        policy,
        content,
        environment=spec.environment,
        environment_options=dict(spec.environment_options),
    )
    write_whole(path, content.getvalue())
