"""The sweep on a Ray cluster of two nodes: the files of loky's, whoever is killed."""

import dataclasses
import errno
import inspect
import os
import signal
import time
from types import SimpleNamespace

import pytest
from small import data_files, small, small_experiment

from entropy_rl.distributed.cluster import connected
from entropy_rl.experiments import EXPERIMENTS, Store, backends, label, sweep, sweeping
from forked import forkserver
from two_nodes import ENVIRONMENT, two_nodes

NUMBERS = ("hash", "spec", "data", "evaluation", "first_updates", "steps", "updates", "threads")
PATIENCE = 60.0


@pytest.fixture(scope="module")
def cluster():
    with two_nodes() as two:
        yield two


def noted(spec, alive, **options):
    """A run that says, in a file beside the store, on which node, by whom, and what it found."""
    import ray

    store = options["store"]
    notes = store.folder.parent / "notes"
    notes.mkdir(exist_ok=True)
    node = ray.get_runtime_context().get_node_id()
    resumes = store.path(spec.hash, "ckpt").exists()
    with open(notes / spec.hash, "a") as file:
        print(node, os.getpid(), int(resumes), file=file)
    wait_until(lambda: len(list(notes.iterdir())) > 1)  # so that both nodes have work
    return RUN(spec, alive, **options)


RUN = sweeping._run


def notes(store):
    """By hash, what each attempt said: node, process, whether it found a checkpoint."""
    return {
        path.name: [line.split() for line in path.read_text().splitlines()]
        for path in (store.folder.parent / "notes").iterdir()
    }


def wait_until(condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def swept(folder, backend, chosen=None, **options):
    """By Ray on both nodes, by loky in this process: test_sweep.py compares it with its workers."""
    store, jobs = Store(folder / backend), 2 if backend == "ray" else 1
    chosen = chosen or small_experiment()
    report = sweep(chosen, "quick", store, jobs=jobs, backend=backend, progress=False, **options)
    return store, report


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The small experiment by loky."""
    return swept(tmp_path_factory.mktemp("whole"), "loky")


def test_two_nodes_give_the_files_of_loky(cluster, tmp_path, monkeypatch):
    table = EXPERIMENTS["zhang2018.table1"]
    expected, _ = swept(tmp_path, "loky", table, only={"seed": "1"})
    monkeypatch.setattr(sweeping, "_run", noted)
    store, report = swept(tmp_path, "ray", table, only={"seed": "1"})
    assert len(report.done) == 18
    assert {node for ((node, _, _),) in notes(store).values()} == {
        node.node_id for node in cluster.list_all_nodes()
    }
    assert data_files(store) == data_files(expected)
    for name in expected.names():
        mine, other = store.load(name).record, expected.load(name).record
        assert {key: mine[key] for key in NUMBERS} == {key: other[key] for key in NUMBERS}


VICTIM = small(1, "none")


def killed_once(spec, alive, **options):
    """Of one run the worker is killed in its sixth batch, the first time."""
    first = not (options["store"].folder.parent / "notes" / spec.hash).exists()
    left = iter(range(5))

    def kill():
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    return noted(spec, kill if first and spec == VICTIM else alive, **options)


def test_a_worker_that_is_killed_loses_nothing(cluster, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(sweeping, "_run", killed_once)
    store, report = swept(tmp_path, "ray", checkpoint_seconds=0)
    assert data_files(store) == data_files(whole[0])
    assert set(report.done) == set(whole[1].done)
    said = notes(store)
    (_, killed, found), (_, second, resumed) = said.pop(VICTIM.hash)
    assert killed != second
    assert (found, resumed) == ("0", "1")
    assert [len(attempts) for attempts in said.values()] == [1] * 3
    assert store.problems() == {}


ONE = {"entropy": "none", "seed": "0"}


def killed_always(spec, alive, **options):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed_each_time_is_one_line(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(backends, "RETRIES", 0)
    monkeypatch.setattr(sweeping, "_run", killed_always)
    with pytest.raises(ChildProcessError, match="a worker was killed") as caught:
        swept(tmp_path, "ray", only=ONE)
    assert "\n" not in str(caught.value)


def full(spec, alive, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f"{spec.hash}.npz")


def test_a_full_disk_is_one_line_that_names_the_file(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(sweeping, "_run", full)
    with pytest.raises(OSError, match=r"No space left on device: '\w{16}.npz'$") as caught:
        swept(tmp_path, "ray", only=ONE)
    assert type(caught.value) is OSError
    assert "\n" not in str(caught.value)


def test_a_run_that_diverges_is_reported_and_the_others_are_made(cluster, whole, tmp_path):
    bad = small(0, "smoothed", learning_rate=1e38)
    chosen = small_experiment()
    runs = {label(entropy="bad", seed=0): bad, **chosen.tiers["quick"]}
    chosen = dataclasses.replace(chosen, tiers={"quick": runs, "paper": runs})
    store, report = swept(tmp_path, "ray", chosen)
    assert data_files(store) == data_files(whole[0])
    assert list(report.diverged) == [bad.hash]
    assert f"the last good state ({store.path(bad.hash, 'diverged.pt')})" in report.summary()
    assert store.path(bad.hash, "diverged.pt").exists()


@pytest.mark.parametrize(
    ("address", "begun"),
    [
        (None, (("local",), 2)),
        ("10.0.0.1:6379", (("10.0.0.1:6379",), None)),
    ],
)
def test_the_cluster_is_the_one_that_is_named_or_else_one_on_this_machine(
    address, begun, monkeypatch
):
    import ray

    calls = []

    def init(*args, **options):
        inspect.signature(ray.init).bind(*args, **options)
        calls.append((args, options.get("num_cpus")))

    stub = SimpleNamespace(
        is_initialized=lambda: False, init=init, shutdown=lambda: calls.append("shutdown")
    )
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if address:
        monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(KeyboardInterrupt), connected(stub, 2):
        raise KeyboardInterrupt
    assert calls == [begun, "shutdown"]


def test_what_has_failed_is_not_cancelled_with_the_rest(monkeypatch):
    """Ray may end the process that cancels a task while its failure is being handled."""
    cancelled = []

    class Died(Exception):
        pass

    def get(ready):
        raise Died

    kinds = ("WorkerCrashedError", "NodeDiedError", "LocalRayletDiedError", "OutOfMemoryError")
    begun = SimpleNamespace(remote=lambda work, spec: spec.hash)
    stub = SimpleNamespace(
        is_initialized=lambda: True,
        cluster_resources=dict,
        exceptions=SimpleNamespace(RayTaskError=KeyError, **dict.fromkeys(kinds, Died)),
        remote=lambda **options: lambda task: SimpleNamespace(options=lambda **more: begun),
        wait=lambda refs: (refs[:1], refs[1:]),
        get=get,
        cancel=lambda ref, force: cancelled.append(ref),
    )
    monkeypatch.setattr(backends, "import_ray", lambda name: stub)
    specs = [small(seed, "none") for seed in range(3)]
    with pytest.raises(ChildProcessError, match="a worker was killed"):
        list(backends.on_ray(noted, specs, 2))
    assert cancelled == [specs[1].hash]


def test_a_cluster_that_does_not_answer_is_one_line(monkeypatch):
    def init(*args, **options):
        raise RuntimeError("no answer")

    stub = SimpleNamespace(is_initialized=lambda: False, init=init, shutdown=lambda: None)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with (
        pytest.raises(ConnectionError, match=r"no Ray cluster at 10.0.0.1:6379: no answer"),
        connected(stub, 2),
    ):
        pass


def test_a_run_on_a_gpu_is_refused_where_there_is_none(cluster):
    specs = [dataclasses.replace(small(), device="cuda")]
    with pytest.raises(ValueError, match="backend: expected a Ray cluster with a GPU"):
        next(backends.on_ray(lambda spec, alive: None, specs, 1))


LONG = {"seeds": 1, "episodes": 512}


def slow(spec, alive, **options):
    """Thirty-two batches of a tenth of a second or more."""
    return noted(spec, lambda: time.sleep(0.1), **options)


def sweep_on(address, environment, folder):
    os.environ.update(environment, RAY_ADDRESS=address)
    sweeping._run = slow
    swept(folder, "ray", small_experiment(**LONG), checkpoint_seconds=0)


def test_a_sweep_that_is_killed_leaves_no_worker_that_writes(cluster, tmp_path):
    environment = {name: os.environ[name] for name in ENVIRONMENT}
    process = forkserver().Process(target=sweep_on, args=(cluster.address, environment, tmp_path))
    process.start()
    store = Store(tmp_path / "ray")
    wait_until(lambda: len(list(store.folder.glob("*.ckpt"))) == 2)
    workers = [int(process) for ((_, process, _),) in notes(store).values()]
    assert all(map(lives, workers))
    process.kill()
    process.join()
    wait_until(lambda: not any(map(lives, workers)))
    left = {path.name: path.stat().st_mtime_ns for path in store.folder.iterdir()}
    time.sleep(0.5)
    assert {path.name: path.stat().st_mtime_ns for path in store.folder.iterdir()} == left
    assert not data_files(store)
    chosen = small_experiment(**LONG)
    assert data_files(swept(tmp_path, "ray", chosen)[0]) == data_files(
        swept(tmp_path, "loky", chosen)[0]
    )


def lives(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
