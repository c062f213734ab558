"""A sweep killed at twenty random moments and resumed ends with the files of one never killed."""

import os
import random
import signal
import time

from small import data_files, small_experiment

from entropy_rl.experiments import Store, sweep
from forked import forkserver

KILLS = 20
SIZE = {"seeds": 3, "episodes": 2048}


def work(folder, jobs, checkpoint_seconds, begun):
    """A sweep in a session of its own, so that its workers can be killed with it."""
    os.setsid()
    begun.set()
    sweep(
        small_experiment(**SIZE),
        "quick",
        Store(folder),
        jobs=jobs,
        progress=False,
        checkpoint_seconds=checkpoint_seconds,
    )


def test_twenty_kills_change_nothing(tmp_path):
    never, killed = Store(tmp_path / "never"), Store(tmp_path / "killed")
    sweep(small_experiment(**SIZE), "quick", never, progress=False)
    context = forkserver()
    draw, kills, resumed = random.Random(), 0, 0
    while kills < KILLS:
        # Most in one process, which begins at once; some with workers, killed with or after them.
        jobs = 2 if kills % 7 == 3 else 1
        begun = context.Event()
        process = context.Process(target=work, args=(killed.folder, jobs, 0.02, begun))
        process.start()
        assert begun.wait(60)
        time.sleep(draw.uniform(0.5, 4) if jobs > 1 else draw.uniform(0.02, 0.5))
        if process.exitcode is not None:
            break  # the sweep was faster than the kills
        whole = kills % 2 == 0
        (os.killpg if whole else os.kill)(process.pid, signal.SIGKILL)
        process.join()
        kills += 1
        resumed += bool(list(killed.folder.glob("*.ckpt")))
    begun = context.Event()
    process = context.Process(target=work, args=(killed.folder, 1, 60, begun))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert kills == KILLS
    assert resumed > KILLS // 2
    assert data_files(killed) == data_files(never)
    assert killed.problems() == {}
    for name in never.names():
        mine, other = killed.load(name).record, never.load(name).record
        for key in ("hash", "spec", "data", "evaluation", "first_updates", "steps", "updates"):
            assert mine[key] == other[key], (name, key)
