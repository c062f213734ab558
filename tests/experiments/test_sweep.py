"""A sweep makes what is missing, whatever the order, the number of jobs, or what goes wrong."""

import dataclasses
import errno
import fcntl
import os
import resource
import sys

import pytest
import torch
from small import data_files, small, small_experiment

from entropy_rl.experiments import (
    EXPERIMENTS,
    Contrast,
    Experiment,
    RunSpec,
    Store,
    beginning,
    declaration,
    experiment,
    label,
    register_experiment,
    sweep,
    sweeping,
)


def swept(folder, chosen=None, **options):
    store = Store(folder)
    return store, sweep(chosen or small_experiment(), "quick", store, progress=False, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return swept(tmp_path_factory.mktemp("whole"))


def test_labels_with_one_spec_share_a_run(whole):
    store, report = whole
    assert len(report.labels) == len(report.done) == len(data_files(store)) == 4
    shared = report.labels[small(0, "smoothed").hash]
    assert shared == (label(entropy="smoothed", seed=0), label(entropy="linked", seed=0))
    assert "4 runs made, 0 were there, 2 labels share" in report.summary()


def test_other_jobs_give_the_same_files(whole, tmp_path):
    store, report = swept(tmp_path, jobs=2)
    assert data_files(store) == data_files(whole[0])
    assert set(report.done) == set(whole[1].done)


def test_another_order_gives_the_same_files(whole, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(Experiment, "cost", lambda self, spec: made.append(spec) or spec.seed)
    store, report = swept(tmp_path)
    assert [store.load(name).spec.seed for name in report.done] == [1, 1, 0, 0]
    assert data_files(store) == data_files(whole[0])


def test_the_longest_come_first(tmp_path):
    runs = {label(seed=n): small(n, episodes=16 * n) for n in (1, 3, 2)}
    tiers = {"quick": runs, "paper": runs}
    store, report = swept(tmp_path, Experiment("small.lengths", "a test", tiers))
    assert [store.load(name).spec.seed for name in report.done] == [3, 2, 1]


def test_only_what_is_missing_is_made(whole, tmp_path):
    store, first = swept(tmp_path, only={"entropy": "none"})
    assert len(first.done) == 2
    before = {path: path.stat().st_mtime_ns for path in store.folder.glob("*.npz")}
    (store.folder / "0.npz.17.part").write_text("left by a kill")
    _, second = swept(tmp_path)
    assert (len(second.done), len(second.present)) == (2, 2)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert data_files(store) == data_files(whole[0])
    assert store.problems() == {}
    assert not list(store.folder.glob("*.part"))


def test_a_stored_run_that_was_altered_stops_the_sweep_before_it_begins(tmp_path):
    store, _ = swept(tmp_path, only={"seed": "0"})
    path = next(store.folder.glob("*.npz"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"{path}: truncated"):
        swept(tmp_path)
    assert len(data_files(store)) == 2


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, monkeypatch, capsys, code):
    """Before the first run: the disk is full, or the folder is read-only."""
    from entropy_rl.cli import main

    def refuse(*args, **options):
        raise OSError(code, os.strerror(code))

    monkeypatch.setitem(EXPERIMENTS, "small.table", small_experiment())
    monkeypatch.setattr(type(tmp_path), "mkdir", refuse)
    assert main(["sweep", "small.table", "--quiet", "--store", str(tmp_path)]) == 2
    lock = tmp_path / "small" / "sweep.lock"
    assert capsys.readouterr().err == (
        f"entropy-rl: [Errno {code}] {os.strerror(code)}: '{lock}'\n"
    )


def test_a_lock_for_which_there_is_no_room_is_one_line(tmp_path):
    """The system refuses each byte, as when a disk is full after the file was made."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(OSError, match=f"File too large: '{tmp_path}/sweep.lock'$"):
            swept(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_two_sweeps_in_one_folder_are_refused(tmp_path):
    with open(tmp_path / "sweep.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match=f"store: expected a folder in which no .*{tmp_path}"):
            swept(tmp_path)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_that_diverges_is_reported_and_the_others_are_made(whole, tmp_path, jobs):
    good = small_experiment()
    bad = small(0, "smoothed", learning_rate=1e38)
    runs = {label(entropy="bad", seed=0): bad, **good.tiers["quick"]}
    chosen = dataclasses.replace(good, tiers={"quick": runs, "paper": runs})
    store, report = swept(tmp_path, chosen, jobs=jobs)
    assert data_files(store) == data_files(whole[0])
    assert list(report.diverged) == [bad.hash]
    last = report.summary().splitlines()[-1]
    assert last.startswith("diverged: entropy=bad seed=0: update ")
    assert " is not finite" in last
    assert str(store.path(bad.hash, "diverged.pt")) in last
    assert store.path(bad.hash, "diverged.pt").exists()


def test_a_nan_in_a_gradient_stops_that_run_alone(whole, tmp_path, monkeypatch):
    make, victim = RunSpec.make, small(1, "none")

    def poisoned(self):
        env, policy = make(self)
        if self == victim:
            calls = iter(range(10**6))
            policy.head.weight.register_hook(
                lambda g: g * (float("nan") if next(calls) == 7 else 1)
            )
        return env, policy

    monkeypatch.setattr(RunSpec, "make", poisoned)
    store, report = swept(tmp_path)
    assert list(report.diverged) == [victim.hash]
    assert "entropy=none seed=1: update 7: gradient is not finite" in report.summary()
    expected = data_files(whole[0])
    del expected[f"{victim.hash}.npz"]
    assert data_files(store) == expected
    monkeypatch.undo()
    assert swept(tmp_path)[1].done == (victim.hash,)
    assert data_files(store) == data_files(whole[0])


def test_a_worker_that_is_killed_is_one_line_and_loses_nothing(whole, tmp_path, monkeypatch):
    experiment = small_experiment()
    monkeypatch.setattr("entropy_rl.experiments.sweeping._run", _killed)
    with pytest.raises(ChildProcessError, match="a worker was killed") as caught:
        swept(tmp_path, experiment, jobs=2)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert data_files(swept(tmp_path, experiment, jobs=2)[0]) == data_files(whole[0])


def _killed(spec, alive, **options):
    os.kill(os.getpid(), 9)


def test_an_experiment_is_registered_once(monkeypatch):
    monkeypatch.setattr(declaration, "EXPERIMENTS", {})
    register_experiment(small_experiment())
    with pytest.raises(ValueError, match=r"expected one that is free, got 'small.table'"):
        register_experiment(small_experiment())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "table"}, "name: expected paper.part"),
        ({"tiers": {"quick": {}}}, "tiers: expected runs of the tier 'quick'"),
        (
            {"contrasts": (Contrast("reward", label(entropy="x"), label(entropy="none"), 0),)},
            "contrasts: expected labels of the experiment, got entropy=x",
        ),
    ],
)
def test_a_declaration_that_is_wrong_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(small_experiment(), **changes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": {"policy": "lstm"}}, "only: expected one of 'entropy', 'seed', got 'policy'"),
        ({"only": {"entropy": "non"}}, "only entropy: .*did you mean 'none'"),
        ({"jobs": 0}, "jobs: expected an integer ≥ 1"),
        ({"backend": "rey"}, "backend: expected one of 'loky', 'ray', got .*did you mean 'ray'"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        swept(tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_the_command_line(tmp_path, monkeypatch, capsys):
    from entropy_rl.cli import main

    monkeypatch.setitem(EXPERIMENTS, "small.table", small_experiment())
    at = ["--store", str(tmp_path)]
    assert main(["sweep", "small.table", "--quiet", "--only", "entropy=none", *at]) == 0
    assert "2 runs made" in capsys.readouterr().out
    assert main(["results", "--stale", "--tier", "quick", *at]) == 0
    shown = capsys.readouterr().out
    assert "small.table (quick): 2 of 4 runs" in shown
    assert "entropy=none" in shown
    store = Store(tmp_path / "small")
    path = store.path(small(0, "none").hash, "npz")
    path.write_bytes(path.read_bytes()[:100])
    assert main(["results", "--tier", "quick", *at]) == 1
    assert f"wrong: {path}: truncated" in capsys.readouterr().out
    assert main(["sweep", "small.table", "--quiet", *at]) == 2
    assert str(path) in capsys.readouterr().err
    assert main(["sweep", "small.tabel"]) == 2
    assert "did you mean 'small.table'" in capsys.readouterr().err
    assert main(["sweep", "small.table", "--backend", "rai", *at]) == 2
    assert "did you mean 'ray'" in capsys.readouterr().err
    assert main(["sweep", "small.table", "--only", "none", *at]) == 2
    assert "only: expected KEY=VALUE, got 'none'" in capsys.readouterr().err


def test_runs_that_are_kept_are_made_by_what_is_committed(tmp_path, monkeypatch, capsys):
    from entropy_rl import cli, experiments
    from entropy_rl.algorithms import runs

    monkeypatch.setitem(EXPERIMENTS, "small.table", small_experiment())
    monkeypatch.setattr(experiments, "runs_folder", lambda tier: tmp_path / tier)
    monkeypatch.setattr(runs, "commit", lambda: "abc+")
    at = ["sweep", "small.table", "--quiet", "--only", "entropy=none"]
    assert cli.main([*at, "--tier", "paper"]) == 2
    assert "tier: expected src as committed for 'paper'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert cli.main([*at, "--tier", "quick"]) == 0
    assert cli.main([*at, "--tier", "paper", "--store", str(tmp_path / "own")]) == 0
    assert cli.main([*at, "--tier", "paper", "--dirty"]) == 0
    monkeypatch.setattr(runs, "commit", lambda: "abc")
    assert cli.main([*at, "--tier", "paper"]) == 0


def test_runs_by_changed_sources_are_named(tmp_path, monkeypatch, capsys):
    from entropy_rl.experiments import runner
    from entropy_rl.experiments.results import report

    monkeypatch.setitem(EXPERIMENTS, "small.table", small_experiment())
    for seed, commit in ((0, "abc"), (1, "abc+")):
        monkeypatch.setattr(runner, "commit_of_code", lambda commit=commit: commit)
        swept(tmp_path / "small", only={"entropy": "none", "seed": str(seed)})
    assert report(tmp_path, "quick")
    told = "made by sources that were changed after their commit: "
    assert f"{told}{small(1, 'none').hash}\n" in capsys.readouterr().out


def test_without_ray_its_extra_is_named_in_one_line(tmp_path, monkeypatch, capsys):
    from entropy_rl.cli import main

    monkeypatch.setitem(EXPERIMENTS, "small.table", small_experiment())
    monkeypatch.setitem(sys.modules, "ray", None)
    at = ["sweep", "small.table", "--quiet", "--store", str(tmp_path)]
    assert main([*at, "--backend", "ray"]) == 2
    assert capsys.readouterr().err == (
        "entropy-rl: backend: expected the extra 'distributed': "
        "pip install 'entropy-rl[distributed]', got no ray\n"
    )
    assert main(at) == 0
    assert main([*at, "--backend", "ray"]) == 0  # nothing is missing, so nothing needs it


def test_a_worker_that_sees_another_folder_writes_nothing(whole, tmp_path, monkeypatch):
    """As on a node of a cluster that does not share the folder of the results."""
    run = sweeping._run
    elsewhere = Store(tmp_path / "elsewhere")

    def on_a_node(spec, alive, **options):
        return run(spec, alive, **{**options, "store": elsewhere})

    monkeypatch.setattr(sweeping, "_run", on_a_node)
    for there in ("nothing", "the lock of another sweep"):
        with pytest.raises(ValueError, match=f"store: .* all nodes share, got {elsewhere.folder}"):
            swept(tmp_path / "here")
        assert not list(elsewhere.folder.glob("*.npz"))
        elsewhere.folder.mkdir(exist_ok=True)
        (elsewhere.folder / "sweep.lock").write_text(there)


def test_a_stale_run_is_found(tmp_path, monkeypatch, capsys):
    from entropy_rl.algorithms import SURROGATES
    from entropy_rl.experiments.results import report

    monkeypatch.setitem(EXPERIMENTS, "small.table", small_experiment())
    swept(tmp_path / "small", only={"entropy": "none", "seed": "0"})
    assert report(tmp_path, "quick", stale=True)
    healthy = SURROGATES["score_function"]
    monkeypatch.setitem(SURROGATES, "score_function", lambda x: healthy(x) * 1.001)
    assert report(tmp_path, "quick", stale=False)
    assert not report(tmp_path, "quick", stale=True)
    assert f"wrong: {small(0, 'none').hash}: stale" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("factor", "fine"), [(1 + 1e-7, True), (-1.0, False)], ids=["rounding", "another sign"]
)
def test_on_another_machine_the_first_batches_have_to_agree(tmp_path, monkeypatch, factor, fine):
    from entropy_rl.algorithms import SURROGATES
    from entropy_rl.experiments import results

    store, _ = swept(tmp_path, only={"entropy": "none", "seed": "0"})
    run = store.load(small(0, "none").hash)
    healthy = SURROGATES["score_function"]
    monkeypatch.setitem(SURROGATES, "score_function", lambda x: healthy(x) * factor)
    assert "stale" in results.staleness(run), "on the same machine the bits decide"
    other = {"machine": "another", "processor": "another"}
    monkeypatch.setattr(results, "hardware", lambda *_: other)
    reason = results.staleness(run)
    if fine:
        assert reason is None
    else:
        assert "not for rounding alone (steps" in reason
        assert "hardware were" in reason


def test_parameters_that_did_not_move_are_alike_where_they_do_not_move():
    from entropy_rl.experiments.results import _apart

    still, moved = {"moved": [0.0, 0.0]}, {"moved": [0.0, 0.1]}
    assert _apart(still, still) == 0
    assert _apart(still, moved) == float("inf")
    assert _apart(moved, still) == 1
    assert _apart(still, {"moved": [0.0]}) == float("inf")


def replayed(steps, entropy, second):
    """A beginning: a sample of the parameters went ``steps``, the curve of two batches."""
    return {"updates": 20, "sha256": "", "moved": steps, "curves": {"entropy": [entropy, second]}}


@pytest.mark.parametrize(
    ("steps", "entropy", "rounding", "far"),
    [
        ([1.0, 0.029], 2.0, 0.01, ""),
        ([1.0, 0.031], 2.0, 0.01, "steps"),
        ([1.0, 0.0], 2.003, 0.01, "entropy"),
        ([1.0, 0.09], 2.0, 5.0, ""),
        ([1.0, 0.11], 2.0, 5.0, "steps"),
        ([1.0, 0.0002], 2.0, 0.0, ""),
        ([1.0, 0.0004], 2.0, 0.0, "steps"),
    ],
)
@pytest.mark.parametrize("units", [True, False])
def test_bfloat16_by_units_and_without_is_judged_by_its_first_batch(
    tmp_path, monkeypatch, steps, entropy, rounding, far, units
):
    """By three times the most that rounding does here, at most .1; the second has other draws."""
    from entropy_rl.experiments import results
    from entropy_rl.networks import products

    store, _ = swept(tmp_path, only={"entropy": "none", "seed": "0"})
    run = store.load(small(0, "none").hash)
    here = {"processor": "ours"} | ({} if units else {"bfloat16": "float32 products, rounded"})
    there = {"processor": "theirs"} | ({"bfloat16": "float32 products, rounded"} if units else {})

    chance = iter([0.1, 0.1, 0.5, 0.1, 1.0])  # the farthest of five counts

    def begun(spec):
        rounded = products._anew.get() is not None
        return replayed([1.0, rounding * next(chance) if rounded else 0.0], 2.0, 1.0)

    monkeypatch.setattr(results, "hardware", lambda *_: here)
    monkeypatch.setattr(results, "beginning", begun)
    record = {**run.record, "first_updates": replayed(steps, entropy, 1.5)}
    another = dataclasses.replace(run, record={**record, "hardware": there})
    reason = results.staleness(another)
    assert (reason is None) is not far
    assert f"not for rounding alone ({far})" in (reason or "not for rounding alone ()")
    alike = dataclasses.replace(run, record={**record, "hardware": {**here, "processor": "theirs"}})
    assert "entropy" in results.staleness(alike), "the same way: both batches are looked at"


def test_names_are_found():
    assert experiment("zhang2018.table1").folder == "zhang2018"
    with pytest.raises(ValueError, match=r"did you mean 'zhang2018.table1'"):
        experiment("zhang2018.tabel1")


def test_a_device_that_is_not_here_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device: expected one that this machine has, got 'cuda'"):
        swept(tmp_path, device="cuda")
    with pytest.raises(ValueError, match=r"device: expected .*'cpu'.* got 'gpu'"):
        swept(tmp_path, device="gpu")


def test_what_was_made_on_another_device_is_there(tmp_path, monkeypatch, capsys):
    """Of a GPU, which no test has, everything but its arithmetic."""
    from entropy_rl.experiments import runner
    from entropy_rl.experiments.results import report

    make = RunSpec.make
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(runner, "hardware", lambda device, *_: {"accelerator": device})
        patch.setattr(RunSpec, "make", lambda self: make(dataclasses.replace(self, device="cpu")))
        store, first = swept(tmp_path / "small", device="cuda", only={"entropy": "none"})
        assert len(first.done) == 2
        assert all(store.load(name).spec.device == "cuda" for name in first.done)
        _, again = swept(tmp_path / "small", device="cuda", only={"entropy": "none"})
        assert (len(again.done), len(again.present)) == (0, 2)
    _, second = swept(tmp_path / "small")
    assert (len(second.done), len(second.present)) == (2, 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setitem(EXPERIMENTS, "small.table", small_experiment())
    assert report(tmp_path, "quick", stale=True)
    shown = capsys.readouterr().out
    assert "small.table (quick): 4 of 4 runs" in shown
    assert "no label" not in shown
    assert "not replayed, for want of their device: 2 runs" in shown


def test_on_a_gpu_sums_have_no_order(tmp_path, monkeypatch):
    from entropy_rl.algorithms import SURROGATES
    from entropy_rl.experiments import results

    store, _ = swept(tmp_path, only={"entropy": "none", "seed": "0"})
    run = store.load(small(0, "none").hash)
    on_gpu = dataclasses.replace(run, spec=dataclasses.replace(run.spec, device="cuda"))
    monkeypatch.setattr(results, "beginning", lambda spec: beginning(run.spec))
    monkeypatch.setattr(results, "hardware", lambda *_: run.record["hardware"])
    healthy = SURROGATES["score_function"]
    for factor, stale in ((1 + 1e-7, False), (-1.0, True)):
        monkeypatch.setitem(SURROGATES, "score_function", lambda x, f=factor: healthy(x) * f)
        assert bool(results.staleness(on_gpu)) is stale
        assert results.staleness(run), "on a processor the bits decide"
