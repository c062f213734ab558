"""Two stacks of Table 3 as one training: the same files, or each alone."""

import dataclasses
import json
import warnings

import pytest
from small import data_files

from entropy_rl.algorithms import ALGORITHMS, OnPolicyConfig
from entropy_rl.experiments import (
    EvaluationSpec,
    Experiment,
    RunSpec,
    Store,
    label,
    run_spec,
    sweep,
    sweeping,
    together,
)
from entropy_rl.experiments.together import Together, dealt, in_common, specs_of

CONFIG = OnPolicyConfig(
    episodes=1_200, batch=50, minibatches=1, cap=1, baseline="running", entropy="smoothed",
    optimiser="rmsprop", decay=False, beta=0.02, learning_rate=0.01,
)  # fmt: skip
TIMES = {"wall_seconds", "cpu_seconds", "trained_with"}


def spec(seed=0, replicas=2, **changes):
    made = RunSpec(
        "bandit",
        changes.pop("policy", "independent"),
        dataclasses.replace(CONFIG, **changes),
        seed,
        evaluation=EvaluationSpec(20, 1, exact=True),
    )
    return dataclasses.replace(made, replicas=replicas)


def table(*specs):
    runs = {label(n=n, seed=s.seed): s for n, s in enumerate(specs)}
    return Experiment("small.pairs", "a test", {"quick": runs, "paper": runs}, seconds=lambda s: 1)


PAIR = (spec(), spec(learning_rate=0.002, beta=0.3))
OTHERS = (spec(entropy="crude"), spec(seed=5, learning_rate=0.002))


def swept(folder, *specs, **options):
    store = Store(folder)
    return store, sweep(table(*specs), "quick", store, progress=False, **options)


def each_alone(folder, *specs):
    for one in specs:
        store, _ = swept(folder, one)
    return store


def were_one(store, specs, warned):
    """Whether they were trained as one, or this machine has said that it rounds them apart."""
    apart = any("begins otherwise among others" in str(w.message) for w in warned)
    return apart or all("trained_with" in store.load(one.hash).record for one in specs)


def noted(monkeypatch):
    """The tasks that a sweep begins."""
    made, run = [], sweeping._run
    monkeypatch.setattr(
        sweeping,
        "_run",
        lambda task, alive, **options: made.append(task) or run(task, alive, **options),
    )
    return made


@pytest.mark.parametrize("policy", ["independent", "lstm"])
@pytest.mark.parametrize("entropy", ["none", "crude", "smoothed", "unbiased_gradient"])
def test_two_runs_as_one_give_the_files_of_each(tmp_path, monkeypatch, policy, entropy):
    """Data to the byte, sidecars but for their times."""
    none, cell = entropy == "none", {"policy": policy, "entropy": entropy}
    pair = (
        spec(**cell, beta=0.0 if none else 0.02),
        spec(**cell, beta=0.0 if none else 0.3, learning_rate=0.002),
    )
    expected, made = each_alone(tmp_path / "alone", *pair), noted(monkeypatch)
    with warnings.catch_warnings(record=True) as warned:
        store, report = swept(tmp_path / "together", *pair, policies=tmp_path)
    assert made == [Together(pair)]
    assert were_one(store, pair, warned)
    assert set(report.done) == {one.hash for one in pair}
    assert data_files(store) == data_files(expected)
    for one, other in (pair, pair[::-1]):
        found, alone = (json.loads(s.path(one.hash, "json").read_text()) for s in (store, expected))
        assert found.get("trained_with", [other.hash]) == [other.hash]
        for name in found.keys() - TIMES - {"checksum"}:
            assert found[name] == alone[name], name
        assert found.keys() - {"trained_with"} == alone.keys()
        assert (tmp_path / f"{one.hash}-1.pt").exists()
    assert store.problems() == {}


def test_jobs_make_the_same(tmp_path):
    """Two workers, each with two as one and something else."""
    runs = [*PAIR, spec(learning_rate=0.003), spec(beta=0.1), *OTHERS[1:]]
    expected = each_alone(tmp_path / "alone", *runs)
    store, report = swept(tmp_path / "jobs", *runs, jobs=2)
    assert data_files(store) == data_files(expected)
    assert len(report.done) == len(runs)
    alone = [store.load(one.hash).record.get("trained_with", ()) for one in runs]
    assert {len(others) for others in alone} in ({0, 1}, {0}), "the others of each, or apart"
    assert not alone[-1]


def test_what_is_apart_by_rates_and_entropies_alone_is_one_task():
    first, second = PAIR
    other, policy = spec(seed=5, learning_rate=0.002), spec(policy="lstm")
    made = dealt([first, other, second, policy], 1, lambda one: 1, 60)
    assert set(made) == {Together((first, second)), other, policy}
    assert len(made) == 3


@pytest.mark.parametrize(
    ("runs", "jobs", "sizes"),
    [
        (9, 1, [8, 1]),
        (9, 2, [4, 4, 1]),
        (9, 3, [2, 2, 2, 2, 1]),
        (9, 5, [1] * 9),
        (40, 2, [8] * 5),
    ],
)
def test_every_job_has_its_part_in_powers_of_two(runs, jobs, sizes):
    """Eight at most; none is left out, and none is made twice."""
    runs = [spec(learning_rate=0.001 * n) for n in range(1, runs + 1)]
    tasks = dealt(runs, jobs, lambda one: 1, 60)
    assert [len(specs_of(task)) for task in tasks] == sizes
    assert [one for task in tasks for one in specs_of(task)] == runs


def test_a_run_that_is_worth_a_checkpoint_stays_alone():
    assert dealt(PAIR, 1, lambda one: 60, 60) == list(PAIR)
    assert dealt(PAIR, 1, lambda one: 59, 60) == [Together(PAIR)]
    runs = [spec(learning_rate=0.001 * n) for n in range(1, 9)]
    assert [len(specs_of(t)) for t in dealt(runs, 1, lambda one: 29, 60)] == [4, 4]


@pytest.mark.parametrize("policy", ["independent", "lstm"])
def test_a_column_of_table_3_each_gives_the_files_of_each(tmp_path, monkeypatch, policy):
    """All estimators as one task, data to the byte."""
    columns = [spec(policy=policy, entropy="none", beta=0.0)] + [
        spec(policy=policy, entropy=e) for e in ("crude", "smoothed", "unbiased_gradient")
    ]
    expected, made = each_alone(tmp_path / "alone", *columns), noted(monkeypatch)
    with warnings.catch_warnings(record=True) as warned:
        store, _ = swept(tmp_path / "together", *columns)
    assert made == [Together(tuple(columns))]
    assert were_one(store, columns, warned)
    assert data_files(store) == data_files(expected)


@pytest.mark.parametrize(
    "one",
    [
        spec(replicas=1),
        dataclasses.replace(spec(), device="cuda"),
        spec(precision="bfloat16"),
        spec(episodes=1_210),
        spec(cap=2),
        spec(epochs=5),
        spec(minibatches=2, grouping="rows"),
        spec(entropy="smoothed_mode", beam=4),
        spec(entropy="unbiased_gradient", entropy_baseline="to_go"),
        spec(algorithm="sa2c"),
    ],
    ids=[
        "a single seed",
        "a GPU",
        "bfloat16",
        "a short batch",
        "steps",
        "epochs",
        "minibatches",
        "a beam",
        "a baseline",
        "in the return",
    ],
)
def test_what_is_never_trained_with_another(one):
    assert in_common(one) is None
    assert in_common(spec()) is not None


def test_a_machine_that_rounds_apart_makes_each_alone(tmp_path, monkeypatch):
    """As if a row were rounded otherwise where it stands among more of them."""
    expected = each_alone(tmp_path / "alone", *PAIR)
    begin = together.beginning
    asked = []

    def another(one):
        asked.append(one)
        return {**begin(one), "sha256": "of other parameters"} if one == PAIR[1] else begin(one)

    monkeypatch.setattr(together, "beginning", another)
    with pytest.warns(UserWarning, match=f"{PAIR[1].hash} begins otherwise among others"):
        store, report = swept(tmp_path / "together", *PAIR)
    assert asked[-1] == PAIR[1]
    assert set(report.done) == {one.hash for one in PAIR}
    assert data_files(store) == data_files(expected)
    for one in PAIR:
        assert "trained_with" not in store.load(one.hash).record


def test_a_worker_that_does_not_know_the_algorithm_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(ALGORITHMS, "toy", ALGORITHMS["reinforce"])
    pair = (spec(algorithm="toy"), spec(algorithm="toy", beta=0.3))
    monkeypatch.delitem(ALGORITHMS, "toy")
    with pytest.raises(ValueError, match=r"algorithm: .*'toy'"):
        together.run_together(Together(pair), Store(tmp_path))


def test_of_two_the_one_that_diverges_is_named_and_the_other_is_made(tmp_path):
    """At this rate the parameters leave the numbers in a few updates."""
    fine, wild = spec(optimiser="sgd"), spec(optimiser="sgd", learning_rate=1e38)
    expected = each_alone(tmp_path / "alone", fine)
    store, report = swept(tmp_path / "together", fine, wild)
    assert report.done == (fine.hash,)
    assert list(report.diverged) == [wild.hash]
    assert "is not finite" in report.diverged[wild.hash]
    assert store.path(wild.hash, "diverged.pt").exists()
    assert data_files(store) == data_files(expected)


def test_a_run_that_was_begun_goes_on_alone(tmp_path, monkeypatch):
    """From its checkpoint, to the same numbers."""
    expected, store = each_alone(tmp_path / "alone", *PAIR), Store(tmp_path / "begun")
    (tmp_path / "begun").mkdir()
    batches = iter(range(15))

    def stop():
        if next(batches, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_spec(PAIR[0], store, checkpoint_seconds=0, after_batch=stop)
    assert store.path(PAIR[0].hash, "ckpt").exists()
    made = noted(monkeypatch)
    swept(tmp_path / "begun", *PAIR)
    assert set(made) == set(PAIR)
    assert data_files(store) == data_files(expected)
    assert not list(store.folder.glob("*.ckpt"))


def test_a_sweep_that_is_killed_ends_a_pair_too(tmp_path):
    """Workers ask after every batch whether their sweep still lives."""
    asked = []
    together.run_together(Together(PAIR), Store(tmp_path), after_batch=lambda: asked.append(1))
    assert len(asked) == CONFIG.episodes // CONFIG.batch
