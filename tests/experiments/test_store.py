"""What is stored comes back as it was, and what is not as it was written is refused by name."""

import errno
import json
import os
import shutil

import numpy as np
import pytest
from small import small

from entropy_rl.algorithms import Evaluation
from entropy_rl.experiments import Store, files, run_spec
from entropy_rl.experiments.store import POINTS

SPEC = small()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("made"))
    run_spec(SPEC, store)
    return store


@pytest.fixture
def store(made, tmp_path):
    """A copy that may be spoilt."""
    shutil.copytree(made.folder, tmp_path / "runs")
    return Store(tmp_path / "runs")


def refused(store, file, message):
    """Reading, asking and verifying all refuse the run and name the file."""
    for read in (lambda: store.load(SPEC.hash), lambda: store.find(SPEC)):
        with pytest.raises(ValueError, match=message) as caught:
            read()
        assert str(file) in str(caught.value)
    assert any(str(file) in reason for reason in store.problems().values())


def test_a_run_comes_back(store):
    run = store.load(SPEC.hash)
    assert run.spec == SPEC
    assert run.lengths.shape == run.scores.shape == (20,)
    assert run.evaluation["length"] == pytest.approx(run.lengths.mean())
    assert run.evaluation["reward"] == pytest.approx(run.scores.mean(), rel=1e-6)
    assert list(run.curves["episodes"]) == list(range(16, 257, 16))
    assert {x.dtype for k, x in run.curves.items() if k != "episodes"} == {np.dtype("float32")}
    assert store.problems() == {}
    assert sorted(path.suffix for path in store.folder.iterdir()) == [".json", ".npz"]


def test_the_sidecar_carries_its_provenance(store):
    record = store.load(SPEC.hash).record
    assert record["data"]["sha256"] == files.sha256(store.path(SPEC.hash, "npz").read_bytes())
    assert record["first_updates"]["updates"] == 20
    assert (record["updates"], record["threads"], record["device"]) == (32, 1, "cpu")
    assert record["steps"] > 256
    for key in ("versions", "hardware", "wall_seconds", "cpu_seconds"):
        assert record[key], key
    assert "commit" in record  # None outside a source tree
    assert record["cpu_seconds"]["training"] > 0


@pytest.mark.parametrize("kind", ["npz", "json"])
def test_a_file_truncated_at_every_tenth_byte_is_refused(store, kind):
    path = store.path(SPEC.hash, kind)
    whole = path.read_bytes()
    for size in range(0, len(whole), 10):
        path.write_bytes(whole[:size])
        refused(store, path, ": truncated")  # the folder has the word in its name
    path.write_bytes(whole)
    assert store.find(SPEC)


@pytest.mark.parametrize("kind", ["npz", "json"])
def test_a_file_altered_anywhere_is_refused(store, kind):
    path = store.path(SPEC.hash, kind)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ValueError, match=str(path)):
            store.load(SPEC.hash)
    path.write_bytes(whole + b"\n")
    refused(store, path, "truncated or of another run|not the bytes")


def rewritten(store, **changes):
    """The sidecar with other fields and a checksum that fits."""
    path = store.path(SPEC.hash, "json")
    record = files.load_record(path.read_bytes())
    path.write_bytes(files.dump_record({**record, **changes}))
    return path


def test_a_sidecar_of_another_spec_is_refused(store):
    refused(store, rewritten(store, spec=small(1).to_json()), "its spec has the hash")


def test_a_sidecar_under_another_name_is_refused(store):
    name = small(1).hash
    for kind in ("json", "npz"):
        shutil.copy(store.path(SPEC.hash, kind), store.path(name, kind))
    with pytest.raises(ValueError, match=f"{name}.json: its spec has the hash {SPEC.hash}"):
        store.find(small(1))


def test_a_sidecar_of_another_version_is_refused(store):
    refused(store, rewritten(store, format="entropy_rl.results/0"), "expected format")


def test_a_sidecar_in_other_words_is_refused(store):
    path = store.path(SPEC.hash, "json")
    path.write_text(json.dumps(json.loads(path.read_text())))
    refused(store, path, "not the bytes")


def test_a_sidecar_without_data_is_refused(store):
    store.path(SPEC.hash, "npz").unlink()
    refused(store, store.path(SPEC.hash, "json"), "data file .* is missing")


def test_data_of_another_run_is_refused(store):
    run_spec(small(1), store)
    path = store.path(SPEC.hash, "npz")
    shutil.copy(store.path(small(1).hash, "npz"), path)
    refused(store, path, "altered|of another run")


def test_data_without_a_sidecar_is_no_run(store):
    store.path(SPEC.hash, "json").unlink()
    assert not store.find(SPEC)
    assert store.problems() == {}


@pytest.mark.parametrize("name", ["notes.txt", "0123.json", "0123456789abcdef.csv", "folder"])
def test_a_foreign_file_is_named(store, name):
    if name == "folder":
        (store.folder / name).mkdir()
    else:
        (store.folder / name).write_text("{}")
    assert store.problems() == {name: f"{store.folder / name}: not a file of this store"}


def test_a_foreign_file_under_the_name_of_a_run_is_refused(store):
    path = store.path("0123456789abcdef", "json")
    path.write_text('{"checksum": 3}')
    assert str(path) in store.problems()[path.name]


def test_the_data_depend_on_the_numbers_alone(store, tmp_path):
    other = Store(tmp_path / "other")
    run_spec(SPEC, other)
    for kind in ("npz",):
        assert other.path(SPEC.hash, kind).read_bytes() == store.path(SPEC.hash, kind).read_bytes()


def test_long_curves_become_means_of_equal_parts(tmp_path):
    store, n = Store(tmp_path), 1954
    evaluation = Evaluation(2, 1.0, (1, 1), 1.0, 1.0, (1, 1), 0.0, (3.0, 70_000.0), (0.5, 0.25))
    curves = {
        "episodes": [512.0 * (i + 1) for i in range(n)],
        "length": [float(i) for i in range(n)],
    }
    store.save(SPEC, curves, [evaluation], {})
    run = store.load(SPEC.hash)
    ends = [n * (i + 1) // POINTS for i in range(POINTS)]
    assert [int(x) for x in run.curves["episodes"]] == [512 * end for end in ends]
    means = [np.mean(range(a, b)) for a, b in zip([0, *ends], ends, strict=False)]
    assert np.allclose(run.curves["length"], means)
    assert list(run.lengths) == [3, 70_000]


def test_table_1_stays_below_20_megabytes(tmp_path):
    """A hundred runs of the size of the largest: CommNet's view is the longest spec."""
    from entropy_rl.experiments import EXPERIMENTS, label

    spec = EXPERIMENTS["zhang2018.table1"].runs("paper")[
        label(policy="commnet", entropy="none", seed=0)
    ]
    ones = tuple([1.0] * 1000)
    evaluation = Evaluation(1000, 1.0, (1, 1), 1.0, 1.0, (1, 1), 0.0, ones, ones)
    names = ("episodes", "length", "reward", "return", "entropy", "baseline_loss")
    store = Store(tmp_path)
    store.save(spec, {name: [1.0] * 1954 for name in names}, [evaluation], {"more": "x" * 2000})
    assert 100 * sum(path.stat().st_size for path in tmp_path.iterdir()) < 20e6


def test_a_full_disk_is_one_line_that_names_the_file(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = Store(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        run_spec(SPEC, store)
    assert str(store.path(SPEC.hash, "npz")) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []  # nothing half written is left
    monkeypatch.undo()
    assert not store.find(SPEC)


def test_a_folder_that_is_read_only_is_one_line_that_names_the_file(tmp_path, monkeypatch):
    store = Store(tmp_path / "runs")
    store.folder.mkdir(mode=0o555)
    if os.access(store.folder, os.W_OK):  # root writes everywhere

        def refuse(*args, **kwargs):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(OSError, match="Permission denied") as caught:
        files.write_whole(store.path(SPEC.hash, "npz"), b"")
    assert str(store.path(SPEC.hash, "npz")) in str(caught.value)
